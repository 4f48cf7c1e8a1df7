//! Where settings come from, what goes to which stream, and that every help text has an example.

use rollbook::event::header::FORMAT_VERSION;
use rollbook::lifecycle::rules::RULES_VERSION;

use super::support::desk::{Answer, Desk};

#[test]
fn flags_go_before_the_environment_and_that_before_the_config_file() {
    let desk = Desk::with_releases();
    desk.copy("ledger", "second");
    desk.done("--ledger second --key dora.key note 1 only-in-second");
    desk.write(".config/rollbook/config.toml", "ledger = 'second'\nkey = ['dora.key']\n");
    let size = |command: &mut std::process::Command| {
        Answer::from(command.output().unwrap()).json()["size"].as_u64().unwrap()
    };
    assert_eq!(size(desk.command("--json checkpoint").env_remove("ROLLBOOK_LEDGER")), 7, "the config file");
    assert_eq!(
        size(desk.command("--json checkpoint").env("ROLLBOOK_LEDGER", "")),
        7,
        "set to nothing is unset"
    );
    assert_eq!(size(&mut desk.command("--json checkpoint")), 6, "the environment");
    assert_eq!(size(&mut desk.command("--json --ledger second checkpoint")), 7, "the flag");
    assert_eq!(size(&mut desk.command("--json checkpoint --ledger second")), 7, "after the command too");

    desk.done("note 1 signed-by-the-config-files-key");
    desk.refused_by(desk.command("note 1 x").env("ROLLBOOK_KEY", "carl.key"), "env", 1, &["never granted"]);
    let mut both = desk.command("--key dora.key note 1 x");
    assert!(both.env("ROLLBOOK_KEY", "carl.key").output().unwrap().status.success());

    desk.write("strange.toml", "ledgers = 'second'\n");
    let mut strange = desk.command("status");
    desk.refused_by(
        strange.env("ROLLBOOK_CONFIG", "strange.toml"),
        "strange",
        2,
        &["strange.toml", "ledgers"],
    );
    let mut none = desk.command("status");
    desk.refused_by(none.env("ROLLBOOK_CONFIG", "none.toml"), "none", 2, &["cannot read none.toml"]);
}

#[test]
fn quiet_and_verbose_change_stderr_alone() {
    let desk = Desk::with_releases();
    let plain = desk.run("--key dora.key note 1 hello --event-id one");
    assert_eq!(plain.stderr, "");
    let verbose = desk.run("--verbose --key dora.key note 1 hello --event-id two");
    for word in ["signer: SHA256:", "(dora.key)", "ledger: ledger, 7 entries", "checkpoint:", "took: "] {
        assert!(verbose.stderr.contains(word), "{word}: {}", verbose.stderr);
    }
    assert_eq!(plain.stdout.lines().count(), verbose.stdout.lines().count());
    desk.refused("-q -v status", 2, &["--quiet", "--verbose"]);

    let make_warn = || {
        desk.remove_dir("ledger/index/sled");
        desk.write("ledger/index/sled", "no index");
    };
    make_warn();
    let warned = desk.run("--key dora.key note 1 hello");
    assert_eq!(warned.code, Some(0), "{warned:?}");
    assert!(warned.stderr.contains("note: the index was rebuilt from the log"), "{warned:?}");
    make_warn();
    let quiet = desk.run("--quiet --key dora.key note 1 hello");
    assert_eq!((quiet.code, quiet.stderr.as_str()), (Some(0), ""));
}

#[test]
fn colour_is_for_terminals_unless_asked_for() {
    let desk = Desk::founded();
    let escapes = |line: &str, no_color: bool| {
        let mut command = desk.command(line);
        if no_color {
            command.env("NO_COLOR", "1");
        }
        Answer::from(command.output().unwrap()).stderr.contains('\u{1b}')
    };
    assert!(!escapes("show 9", false), "a pipe is no terminal");
    assert!(escapes("--color always show 9", false));
    assert!(escapes("--color always show 9", true), "the flag goes before the environment");
    assert!(!escapes("--color never show 9", false));
    assert!(!escapes("--color auto show 9", true));
}

#[test]
fn nothing_is_written_over_unless_forced() {
    let desk = Desk::empty();
    desk.done("key new mine.key --name mine");
    let (private, public) = (desk.read("mine.key"), desk.read("mine.key.pub"));
    desk.refused(
        "key new mine.key",
        2,
        &["mine.key.pub exists already", "hint: name another file, or say --force"],
    );
    std::fs::remove_file(desk.path("mine.key.pub")).unwrap();
    desk.refused(
        "key new mine.key",
        2,
        &["mine.key exists already", "hint: name another file, or say --force"],
    );
    assert_eq!(desk.read("mine.key"), private);
    desk.done("key new mine.key --name mine --force");
    assert_ne!(desk.read("mine.key"), private);
    assert_ne!(desk.read("mine.key.pub"), public);
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(desk.path("mine.key")).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
    desk.refused(
        "key new locked.key --passphrase",
        2,
        &["no passphrase was given", "hint: set ROLLBOOK_KEY_PASSPHRASE"],
    );
}

#[test]
fn the_version_names_the_format() {
    let desk = Desk::empty();
    let (format, rules) = (FORMAT_VERSION, RULES_VERSION);
    let version = format!("rollbook {} (format {format}, rules {rules})\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(desk.done("--version"), version);
}

/// Every command, its groups' commands too, by its words.
fn commands(desk: &Desk, words: &str) -> Vec<String> {
    let help = desk.done(&format!("{words} --help"));
    let Some((_, listed)) = help.split_once("\nCommands:\n") else { return vec![words.to_owned()] };
    let listed = listed.split("\n\n").next().unwrap();
    let names = listed.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help");
    names.flat_map(|name| commands(desk, format!("{words} {name}").trim())).collect()
}

#[test]
fn every_command_has_an_example_and_says_what_it_does() {
    let desk = Desk::empty();
    let commands = commands(&desk, "");
    assert!(commands.len() > 20, "{commands:?}");
    for command in commands {
        let help = desk.done(&format!("{command} --help"));
        let first = help.lines().next().unwrap();
        assert!(first.split_whitespace().count() >= 3, "`{command}` says too little: {first}");
        let example = help.split_once("\nExample:\n  rollbook ").map(|(_, rest)| rest);
        assert!(example.is_some_and(|line| line.contains(&command)), "`{command}` has no example of itself");
    }
}
