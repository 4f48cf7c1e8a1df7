//! Disks that failed, copies that were put back, and auditors who notice: what the commands say, and what stays.

use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use rollbook::store::lock::{Holder, WriterLock};
use rollbook::time::{Clock as _, SystemClock};

use super::support::desk::Desk;

const LOG_FILE: &str = "ledger/log/00000000000000000000.batches";

#[test]
fn a_torn_tail_is_cut_and_nothing_acknowledged_is_lost() {
    let desk = Desk::with_releases();
    desk.copy("ledger/head", "head.before");
    desk.done("--key dora.key note 1 never-acknowledged");
    // A power cut in the middle of the last write: `head` was not written yet.
    desk.copy("head.before", "ledger/head");
    let log = std::fs::OpenOptions::new().write(true).open(desk.path(LOG_FILE)).unwrap();
    log.set_len(log.metadata().unwrap().len() - 10).unwrap();

    let answer = desk.run("--key dora.key note 1 after");
    assert_eq!(answer.code, Some(0), "{answer:?}");
    assert!(answer.stderr.contains("at the end of the log was cut off, and kept in log/"), "{answer:?}");
    assert!(answer.stdout.starts_with("recorded as entry 6"), "{answer:?}");
    assert!(desk.done("show 6").contains("text: after"));
    desk.done("verify --trust ledger/trust.toml");
}

#[test]
fn a_whole_batch_beyond_head_is_adopted() {
    let desk = Desk::with_releases();
    desk.copy("ledger/head", "head.before");
    desk.done("--key dora.key note 1 durable");
    desk.copy("head.before", "ledger/head");
    assert_eq!(desk.done_json("checkpoint")["size"], 6, "readers go by `head`");
    let answer = desk.run("--key dora.key note 1 next");
    assert!(answer.stderr.contains("1 entries beyond the published head were adopted"), "{answer:?}");
    assert!(answer.stdout.starts_with("recorded as entry 7"), "{answer:?}");
}

#[test]
fn a_deleted_index_is_built_again() {
    let desk = Desk::with_releases();
    desk.remove_dir("ledger/index");
    desk.refused(
        "--key dora.key promote scorer 1.1.0 --env staging --repo infra --rev HEAD",
        1,
        &["serves in staging already, since entry 5"],
    );
    desk.remove_dir("ledger/index");
    desk.done("--key dora.key rollback scorer --env staging --repo infra --rev HEAD --reason x");
    desk.remove_dir("ledger/index");
    desk.done("verify --trust ledger/trust.toml");
    assert_eq!(desk.done_json("status")["serving"]["version"], "1.0.0");
}

#[test]
fn an_older_copy_of_the_log_is_not_written_to() {
    let desk = Desk::with_releases();
    desk.copy("ledger", "backup");
    desk.done("--key dora.key note 1 later");
    desk.remove_dir("ledger/log");
    desk.copy("backup/log", "ledger/log");
    desk.refused(
        "--key dora.key note 1 lost",
        3,
        &["the log holds 6 entries, and 7 were published", "nothing is written", "hint: put the newest copy"],
    );
    let verified = desk.run("verify --trust ledger/trust.toml");
    assert_eq!(verified.code, Some(1), "{verified:?}");
}

#[test]
fn an_older_copy_with_its_head_is_found_by_an_anchor() {
    let desk = Desk::founded();
    desk.remove_dir("ledger");
    std::fs::create_dir(desk.path("elsewhere")).unwrap();
    desk.done(
        "--key alice.key init --origin ledger.example.org/models --admin alice=alice.key.pub \
         --anchor elsewhere/checkpoint",
    );
    desk.copy("ledger", "backup");
    desk.grant("dora", "--role auditor --env '*' --model '*'");
    desk.write("kept.txt", desk.done("checkpoint"));
    assert_eq!(desk.read("elsewhere/checkpoint"), desk.read("kept.txt"));
    desk.remove_dir("ledger");
    desk.copy("backup", "ledger");
    desk.refused(
        "--key alice.key key grant bob.key.pub --name bob --role auditor --env '*' --model '*'",
        3,
        &["the anchor", "elsewhere/checkpoint", "size 2", "restored from an older copy", "hint:"],
    );
    let verified = desk.run("verify --trust ledger/trust.toml --checkpoint kept.txt");
    assert_eq!(verified.code, Some(1), "an auditor's earlier checkpoint shows it too: {verified:?}");
}

#[test]
fn a_lock_that_another_holds_is_told_with_its_holder() {
    let desk = Desk::with_releases();
    let holder = Holder::of_this_process(SystemClock.now());
    let held = WriterLock::acquire(&desk.path("ledger/lock"), &holder, Duration::ZERO).unwrap();
    let began = Instant::now();
    desk.refused(
        "--lock-timeout 1s --key dora.key note 1 x",
        3,
        &[
            "ledger/lock is held by another writer",
            &format!("process {}", std::process::id()),
            "hint: wait for it, or allow more time with --lock-timeout 60s",
        ],
    );
    assert!(began.elapsed() >= Duration::from_secs(1));
    desk.done("status");
    desk.done("verify --trust ledger/trust.toml");
    drop(held);
    desk.done("--key dora.key note 1 x");
}

#[test]
fn verification_ends_in_the_exit_code_of_its_verdict() {
    let desk = Desk::with_releases();
    desk.key("admin", 20);
    desk.done("--ledger other --key admin.key init --origin other.example.org --admin admin=admin.key.pub");
    let verify = |line: &str| {
        let answer = desk.run(&format!("verify {line}"));
        (answer.code, answer.stdout)
    };
    let (code, said) = verify("");
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("VERDICT: sound, but not anchored"), "{said}");
    let (code, said) = verify("--trust ledger/trust.toml");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("VERDICT: sound —"), "{said}");
    for mixed in ["--trust other/trust.toml", "other --trust ledger/trust.toml"] {
        let (code, said) = verify(mixed);
        assert_eq!(code, Some(1), "{mixed}: {said}");
        assert!(said.contains("VERDICT: TAMPERED"), "{mixed}: {said}");
    }
    let report = desk.run("--json verify --trust other/trust.toml");
    assert_eq!(report.code, Some(1));
    assert!(!report.json()["findings"].as_array().unwrap().is_empty());

    let mut bytes = std::fs::read(desk.path(LOG_FILE)).unwrap();
    // A writer looks at the log's end alone: what it would build on.
    let near_the_end = bytes.len() - 400;
    bytes[near_the_end] ^= 1;
    desk.write(LOG_FILE, bytes);
    let (code, said) = verify("--trust ledger/trust.toml");
    assert_eq!(code, Some(1), "{said}");
    desk.refused(
        "--key dora.key note 1 x",
        3,
        &["where entry 5 belongs", "hint: it opens for reading only; `rollbook verify`"],
    );
}

#[test]
fn an_index_is_checked_against_the_log_and_rebuilt() {
    let desk = Desk::with_releases();
    let log = desk.records();
    let read = |name: &str| std::fs::read(desk.path(name)).unwrap();
    assert_eq!(desk.done_json("index check"), serde_json::json!({ "entries": 6, "covered": 0 }));
    assert_eq!(desk.done_json("index rebuild")["entries"], 6);
    assert_eq!(desk.done_json("index check"), serde_json::json!({ "entries": 6, "covered": 6 }));
    let whole = read("ledger/index/offsets");
    for spoil in ["ledger/index/offsets", "ledger/index/ids/0"] {
        let mut bytes = read(spoil);
        bytes[30] ^= 1;
        desk.write(spoil, bytes);
        desk.refused("index check", 1, &["the index is not what the log makes", "hint:", "index rebuild"]);
        let answer = desk.run("index check --json");
        assert_eq!(
            (answer.code, answer.json()["refused"]["code"].as_str()),
            (Some(1), Some("index_differs"))
        );
        desk.done("index rebuild");
        desk.done("index check");
    }
    assert_eq!(read("ledger/index/offsets"), whole);
    desk.remove_dir("ledger/index");
    assert_eq!(desk.done_json("index check")["covered"], 0);
    assert_eq!(desk.records(), log);
    let mut nowhere = desk.command("index check");
    desk.refused_by(nowhere.env("ROLLBOOK_LEDGER", "nowhere"), "nowhere", 2, &["hint:"]);
}

/// Whatever the umask of whoever rebuilds it: others must be able to go on with it.
#[test]
fn a_rebuilt_index_has_the_modes_of_the_ledgers_directory() {
    let desk = Desk::with_releases();
    desk.chmod("ledger", 0o750);
    let program = desk.command("index rebuild");
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "umask 077; exec \"$0\" \"$@\""]).arg(program.get_program()).args(program.get_args());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let rebuilt = command.current_dir(desk.path("")).output().unwrap();
    assert!(rebuilt.status.success(), "{rebuilt:?}");
    for (path, mode) in
        [("ledger/index", 0o750), ("ledger/index/ids", 0o750), ("ledger/index/offsets", 0o640)]
    {
        let permissions = std::fs::metadata(desk.path(path)).unwrap().permissions();
        assert_eq!(permissions.mode() & 0o7777, mode, "{path}");
    }
}
