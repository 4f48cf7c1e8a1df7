//! Bad input: each is told in a sentence that names the thing and the next step, ends in its exit code, and
//! leaves the ledger byte for byte as it was.

use std::time::Duration;

use super::support::desk::{Desk, PASSPHRASE};

/// A command line, its exit code, and what it must say.
type Row<'a> = (&'a str, i32, &'a [&'a str]);

fn check(desk: &Desk, rows: &[Row<'_>]) {
    for &(line, code, words) in rows {
        desk.refused(line, code, words);
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn what_a_rule_refuses_is_exit_1() {
    let desk = Desk::with_releases();
    desk.grant("eve", "--role deployer --env staging --model '*'");
    desk.grant("eve", "--role responder --env production --model '*'");
    desk.grant("bob", "--role deployer --env '*' --model 'other-*'");
    desk.write("model-1.2.0/weights.bin", "other weights\n");
    desk.done("--key dora.key register scorer 1.2.0 --path model-1.2.0");
    desk.done("--key dora.key promote scorer 1.0.0 --env production --repo infra --rev HEAD");
    desk.write("three.toml", "schema = 1\nadministrators.threshold = 3\n");
    check(
        &desk,
        &[
            (
                "--key dora.key promote nope 1 --env staging --repo infra --rev HEAD",
                1,
                &["refused:", "model `nope`", "hint: register it"],
            ),
            (
                "--key dora.key promote scorer 9 --env staging --repo infra --rev HEAD",
                1,
                &["version `9` of model `scorer`", "hint: register it"],
            ),
            (
                "--key dora.key promote scorer 1.0.0 --env qa --repo infra --rev HEAD",
                1,
                &["knows no environment `qa`", "staging, production", "hint: see `rollbook policy show`"],
            ),
            (
                "--key dora.key promote scorer 1.1.0 --env staging --repo infra --rev HEAD",
                1,
                &["scorer 1.1.0 serves in staging already, since entry 5", "hint:"],
            ),
            (
                "--key dora.key promote scorer 1.2.0 --env staging --repo infra --rev HEAD --expect-from 1.0.0",
                1,
                &[
                    "1.1.0 of scorer serves in staging",
                    "--expect-from says 1.0.0",
                    "hint: see `rollbook status`",
                ],
            ),
            (
                "--key dora.key promote scorer 1.2.0 --env staging --repo infra --rev HEAD --expect-from none",
                1,
                &["--expect-from says none"],
            ),
            (
                "--key dora.key rollback scorer --env staging --to 1.2.0 --repo infra --rev HEAD --reason x",
                1,
                &["scorer 1.2.0 never served in staging", "hint: see what served"],
            ),
            (
                "--key dora.key rollback scorer --env staging --to 1.1.0 --repo infra --rev HEAD --reason x",
                1,
                &["scorer 1.1.0 is what serves in staging already", "hint:"],
            ),
            (
                "--key dora.key rollback scorer --env production --repo infra --rev HEAD --reason x",
                1,
                &["nothing served before in production", "hint: take it out with `rollbook withdraw`"],
            ),
            (
                "--key dora.key withdraw other --env staging --reason x",
                1,
                &["nothing of model `other` serves in staging", "hint: see `rollbook status`"],
            ),
            (
                "--key dora.key register scorer 1.0.0 --path model",
                1,
                &["scorer 1.0.0 was registered by entry 2", "hint: see `rollbook show 2`"],
            ),
            (
                "--key carl.key note 1 hello",
                1,
                &["was never granted", "hint: that is SHA256:", "`rollbook key grant`"],
            ),
            (
                "--key alice.key promote scorer 1.2.0 --env staging --repo infra --rev HEAD",
                1,
                &["alice's key", "does not hold a role", "deployer", "hint: see `rollbook key list`"],
            ),
            (
                "--key bob.key promote scorer 1.2.0 --env staging --repo infra --rev HEAD",
                1,
                &["no single grant of bob's key", "model scorer in staging"],
            ),
            (
                "--key eve.key promote scorer 1.2.0 --env production --repo infra --rev HEAD",
                1,
                &["no single grant of eve's key", "model scorer in production"],
            ),
            (
                "--key dora.key key grant carl.key.pub --name carl --role admin --env '*' --model '*'",
                1,
                &["dora's key", "does not hold a role", "admin"],
            ),
            (
                "--key alice.key key grant dora.key.pub --name carl --role approver --env '*' --model '*'",
                1,
                &["belongs to dora, not to carl", "hint:"],
            ),
            (
                "--key alice.key key revoke alice.key.pub --reason lost",
                1,
                &[
                    "the policy needs 1 administrators, and 0 would remain",
                    "hint: grant another administrator",
                ],
            ),
            ("--key alice.key key revoke carl.key.pub --reason lost", 1, &["nothing to revoke", "SHA256:"]),
            (
                "--key alice.key policy set three.toml",
                1,
                &["asks for 3 administrators, and there are 1", "hint: ask for fewer"],
            ),
            (
                "--key dora.key note 999 hello",
                1,
                &["entry 999 does not exist yet", "hint: see `rollbook log`"],
            ),
            ("--key dora.key complete 2 --succeeded", 1, &["entry 2 is no promotion", "hint:"]),
            (
                "--key dora.key complete 4 --failed",
                1,
                &["entry 4 is not the newest change", "entry 5", "hint: say --succeeded"],
            ),
            (
                "--key dora.key note 1 hello --claimed-at 2999-01-01T00:00:00Z",
                1,
                &["the claimed time is 2999-01-01", "more than five minutes after", "hint:"],
            ),
        ],
    );
}

#[test]
fn what_was_taken_back_returns_only_by_promotion() {
    let desk = Desk::with_releases();
    desk.done("--key dora.key rollback scorer --env staging --repo infra --rev HEAD --reason slow");
    desk.refused(
        "--key dora.key rollback scorer --env staging --to 1.1.0 --repo infra --rev HEAD --reason x",
        1,
        // Both versions have the same files: what was withdrawn is told apart by version all the same.
        &["scorer 1.1.0", "staging", "hint:"],
    );
    desk.done("--key dora.key retire scorer 1.1.0 --reason broken");
    desk.refused(
        "--key dora.key promote scorer 1.1.0 --env staging --repo infra --rev HEAD",
        1,
        &["scorer 1.1.0 was retired by entry 7", "hint: choose another version"],
    );
    desk.done("--key dora.key withdraw scorer --env staging --reason ended");
    desk.refused(
        "--key dora.key rollback scorer --env staging --to 1.0.0 --repo infra --rev HEAD --reason x",
        1,
        &["nothing of model `scorer` serves in staging"],
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn a_command_line_that_is_wrong_is_exit_2() {
    let desk = Desk::with_releases();
    desk.locked_key("locked", 9);
    desk.key("open", 10);
    desk.chmod("open.key", 0o644);
    desk.write("empty/.gitignore", "nothing is left of this\n");
    std::fs::create_dir(desk.path("linked")).unwrap();
    std::os::unix::fs::symlink("../model/weights.bin", desk.path("linked/weights.bin")).unwrap();
    desk.write("unknown.toml", "schema = 1\nadministrators.threshold = 1\ncolour = 'red'\n");
    desk.write("newer.toml", "schema = 4\n");
    desk.write("torn.json", "{\"payload");
    check(
        &desk,
        &[
            ("--ledger nowhere status", 2, &["error: nowhere is not a ledger directory", "hint: name one"]),
            (
                "--ledger model --key dora.key note 1 x",
                2,
                &["model is not a ledger directory", "hint: name one"],
            ),
            ("--ledger '' status", 2, &["no ledger is named", "hint: say --ledger DIR"]),
            ("note 1 x", 2, &["nobody signs", "hint: say --key FILE"]),
            (
                "--key dora.key note 1 x --key carl.key",
                2,
                &[
                    "some --key stand before the command's name and some after",
                    "hint: say them all in one place",
                ],
            ),
            ("--key nobody.key note 1 x", 2, &["nobody.key: cannot read the key file", "hint: make a key"]),
            ("--key model/weights.bin note 1 x", 2, &["model/weights.bin", "no key in a format known here"]),
            ("--key open.key note 1 x", 2, &["other users can get at", "chmod 600 open.key"]),
            (
                "--key dora.key.pub note 1 x",
                2,
                &["no ssh-agent is known", "hint: give the private key's file"],
            ),
            ("--key SHA256:abc note 1 x", 2, &["fingerprint", "hint: see it with `rollbook key show"]),
            (
                "--key locked.key note 1 x",
                2,
                &["locked.key", "needs a passphrase", "hint: set ROLLBOOK_KEY_PASSPHRASE"],
            ),
            (
                "--key dora.key promote scorer 1.0.0 --env staging --repo infra --rev nowhere",
                2,
                &["no single commit is named by revision `nowhere`", "hint: see `git -C infra log --all`"],
            ),
            (
                "--key dora.key promote scorer 1.0.0 --env staging --repo infra --tag v9",
                2,
                &["infra: there is no tag `v9`", "hint: see `git -C infra tag --list`"],
            ),
            (
                "--key dora.key promote scorer 1.0.0 --env staging --repo model --rev HEAD",
                2,
                &["model: not a Git repository", "hint:"],
            ),
            ("--key dora.key promote scorer 1.0.0 --env Staging --repo infra --rev HEAD", 2, &["U+0053"]),
            ("--key dora.key register scorer 2 --path nowhere", 2, &["nowhere", "hint: name the model's"]),
            ("--key dora.key register scorer 2 --path empty", 2, &["empty holds no file", "hint:"]),
            (
                "--key dora.key register scorer 2 --path linked",
                2,
                &["linked/weights.bin is a symbolic link", "hint: put the file itself there"],
            ),
            (
                "--key dora.key register scorer 2 --path model --dataset d",
                2,
                &["--dataset d has no digest", "hint:"],
            ),
            ("--key dora.key note 1 x --claimed-at yesterday", 2, &["`yesterday` is not a time", "2h ago"]),
            ("--key dora.key note 1 x --expires-in 31d", 2, &["--expires-in 31d is not between", "hint:"]),
            ("--key dora.key note 1 x --expires-in soon", 2, &["`soon` is not a"]),
            ("--lock-timeout soon --key dora.key note 1 x", 2, &["`soon` is not a"]),
            ("log --since 2026-03-01", 2, &["`2026-03-01` is not a time", "2026-03-01T09:30:00Z"]),
            ("log --until later", 2, &["`later` is not a time"]),
            ("log --kind model.sold", 2, &["model.sold", "--kind", "model.promoted"]),
            ("key list --at noon", 2, &["`noon` is not a time"]),
            (
                "show 99",
                2,
                &["entry 99 does not exist: the ledger has 6 entries", "hint: see `rollbook log`"],
            ),
            ("show build-99", 2, &["no entry holds an event with the id build-99", "hint:"]),
            ("--key alice.key policy set unknown.toml", 2, &["unknown.toml", "colour", "hint:"]),
            ("--key alice.key policy set newer.toml", 2, &["newer.toml", "schema 4", "upgrade"]),
            ("--key alice.key policy set none.toml", 2, &["cannot read none.toml"]),
            ("draft show none.json", 2, &["cannot read none.json"]),
            (
                "draft show torn.json",
                2,
                &["torn.json: this is not a DSSE envelope", "hint: ask for the draft"],
            ),
            ("--key dora.key draft sign torn.json", 2, &["torn.json"]),
            ("draft submit torn.json", 2, &["torn.json"]),
            ("--key alice.key key revoke nobody --reason x", 2, &["nobody"]),
            (
                "--key alice.key key revoke SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA --reason x",
                2,
                &["SHA256:AAAA"],
            ),
            ("verify --trust none.toml", 2, &["none.toml"]),
            ("verify --trust unknown.toml", 2, &["unknown.toml"]),
            ("verify --checkpoint none.txt", 2, &["cannot read none.txt"]),
            ("verify nowhere", 2, &["nowhere"]),
        ],
    );
    let mut wrong = desk.command("--key locked.key note 1 x");
    wrong.env("ROLLBOOK_KEY_PASSPHRASE", "battery staple");
    desk.refused_by(&mut wrong, "wrong passphrase", 2, &["locked.key: the passphrase is wrong", "hint:"]);
}

#[test]
fn a_passphrase_comes_from_the_environment_or_a_file() {
    let desk = Desk::founded();
    desk.locked_key("locked", 9);
    desk.grant("locked", "--role auditor --env '*' --model '*'");
    desk.write("passphrase.txt", format!("{PASSPHRASE}\n"));
    desk.done("--key locked.key --passphrase-file passphrase.txt note 0 read");
    let mut command = desk.command("--key locked.key note 0 again");
    assert!(command.env("ROLLBOOK_KEY_PASSPHRASE", PASSPHRASE).output().unwrap().status.success());
    desk.refused("--key locked.key --passphrase-file none.txt note 0 x", 2, &["locked.key"]);
}

#[test]
fn a_log_key_that_others_can_read_is_not_used() {
    let desk = Desk::with_releases();
    desk.chmod("ledger/log.pem", 0o644);
    desk.refused(
        "--key dora.key note 1 x",
        2,
        &["the log key", "ledger/log.pem", "mode 0644", "run `chmod 600 ledger/log.pem`"],
    );
    desk.chmod("ledger/log.pem", 0o600);
    std::fs::rename(desk.path("ledger/log.pem"), desk.path("away.pem")).unwrap();
    desk.refused("--key dora.key note 1 x", 2, &["ledger/log.pem", "hint: rollbook.toml says where"]);
    desk.copy("alice.key", "ledger/log.pem");
    desk.chmod("ledger/log.pem", 0o600);
    desk.refused("--key dora.key note 1 x", 3, &["is not signed by the log key", "hint: rollbook.toml says"]);
}

#[test]
fn a_ledger_is_not_made_where_it_cannot_be_sound() {
    let desk = Desk::founded();
    desk.write("two.toml", "schema = 1\nadministrators.threshold = 2\n");
    desk.write("draft.json", "somebody's\n");
    let init = "init --ledger new --origin new.example.org/l --key alice.key";
    let rows: &[(&str, i32, &[&str])] = &[
        ("--admin alice=alice.key", 2, &["alice.key: this is a private key", "hint: give the public half"]),
        ("--admin alice", 2, &["--admin alice names no key", "hint: say --admin NAME=FILE.pub"]),
        ("--admin alice=none.pub", 2, &["none.pub"]),
        (
            "--admin alice=alice.key.pub --threshold 2",
            2,
            &["2 administrators must sign, and only 1", "hint:"],
        ),
        ("--admin alice=alice.key.pub --policy two.toml", 2, &["2 administrators must sign, and only 1"]),
        ("--admin alice=alice.key.pub --policy two.toml --threshold 1", 2, &["--threshold 1", "which is 2"]),
        (
            "--admin alice=alice.key.pub --admin bob=bob.key.pub",
            2,
            &["bob", "not at hand", "hint: add --key"],
        ),
        (
            "--key bob.key --admin alice=alice.key.pub --admin alice=bob.key.pub",
            1,
            &["two administrators are called alice"],
        ),
        ("--key nobody.key --admin alice=alice.key.pub", 2, &["nobody.key"]),
        ("--key bob.key --admin alice=alice.key.pub", 1, &["every administrator", "hint:"]),
        ("--admin alice=alice.key.pub --anchor nowhere/a", 2, &["nowhere", "no such directory", "hint:"]),
        ("--admin alice=alice.key.pub --draft draft.json", 2, &["draft.json exists already", "hint:"]),
    ];
    for &(rest, code, words) in rows {
        desk.refused(&format!("{init} {rest}"), code, words);
        assert!(!desk.path("new").exists(), "{rest} left a directory behind");
    }
    desk.refused(
        "--ledger new --key alice.key init --origin 'no good' --admin alice=alice.key.pub",
        1,
        &["origin `no good` cannot name a log", "hint: say --origin"],
    );
    desk.refused(
        "--key alice.key init --origin a.example.org --admin alice=alice.key.pub",
        2,
        &["ledger is not empty", "hint: name a new directory"],
    );
    assert!(
        desk.done(&format!("{init} --admin alice=alice.key.pub --dry-run")).contains("would be accepted")
    );
    assert!(!desk.path("new").exists());
    assert_eq!(desk.read("draft.json"), "somebody's\n");
}

#[test]
fn a_revocation_that_leaves_too_few_administrators_is_refused() {
    let desk = Desk::founded();
    desk.grant("bob", "--role admin --env '*' --model '*'");
    desk.write("two.toml", "schema = 1\nadministrators.threshold = 2\n");
    desk.done("--key alice.key policy set two.toml");
    desk.refused(
        "--key alice.key --key bob.key key revoke bob.key.pub --reason left",
        1,
        &["needs 2 administrators, and 1 would remain", "hint: grant another administrator first"],
    );
    desk.refused(
        "--key alice.key key revoke bob.key.pub --reason left",
        1,
        &["the act needs 2 signers, 1 signed", "hint: have others sign"],
    );
}

#[test]
fn a_draft_that_no_longer_fits_is_refused() {
    let desk = Desk::with_releases();
    desk.key("admin", 20);
    desk.done("--ledger other --key admin.key init --origin other.example.org --admin admin=admin.key.pub");
    let rollback = "--key dora.key rollback scorer --env staging --repo infra --rev HEAD --reason slow";
    desk.done(&format!("{rollback} --draft stale.json"));
    desk.done("--key dora.key note 1 late --expires-in 1s --draft expired.json");
    desk.done(rollback);
    desk.refused(
        "draft submit stale.json",
        1,
        &["1.0.0 (entry 6) serves in staging, the event says 1.1.0 (entry 5)", "hint: see `rollbook status`"],
    );
    std::thread::sleep(Duration::from_millis(1100));
    desk.refused("draft submit expired.json", 1, &["the event expired at", "hint: draft and sign"]);
    desk.done("--key dora.key note 1 here --draft note.json");
    desk.refused(
        "--ledger other draft submit note.json",
        1,
        &["the event is for ledger", "hint: name that ledger"],
    );
    flip_signature(&desk, "note.json", "flipped.json");
    desk.refused("draft submit flipped.json", 2, &["flipped.json: the signature by", "not valid", "hint:"]);
    desk.refused("--key dora.key draft sign flipped.json", 2, &["flipped.json"]);
    desk.refused("draft show flipped.json", 2, &["flipped.json"]);
    desk.done("draft submit note.json");
}

/// Copies a draft with one bit of its first signature changed.
fn flip_signature(desk: &Desk, from: &str, to: &str) {
    let mut draft: serde_json::Value = serde_json::from_str(&desk.read(from)).unwrap();
    let signature = draft["signatures"][0]["sig"].as_str().unwrap();
    let first = if signature.starts_with('A') { "B" } else { "A" };
    draft["signatures"][0]["sig"] = format!("{first}{}", &signature[1..]).into();
    desk.write(to, draft.to_string());
}

#[test]
fn refusals_and_errors_are_json_too() {
    let desk = Desk::with_releases();
    let rows = [
        (
            "--key dora.key promote scorer 9 --env staging --repo infra --rev HEAD",
            "refused",
            "version_unknown",
            1,
        ),
        ("note 1 x", "error", "usage", 2),
        ("show 99", "error", "no_such_entry", 2),
        ("log --limit many", "error", "usage", 2),
        ("log --kind model.sold", "error", "usage", 2),
        ("frobnicate", "error", "usage", 2),
    ];
    for (line, kind, code, exit) in rows {
        let answer = desk.run(&format!("--json {line}"));
        let said = &answer.json()[kind];
        assert_eq!(answer.code, Some(exit), "{line}: {answer:?}");
        assert_eq!((said["code"].as_str(), said["exit"].as_i64()), (Some(code), Some(exit.into())), "{line}");
        assert!(!said["message"].as_str().unwrap().is_empty(), "{line}");
        assert!(said["hint"].is_string(), "{line}: {said}");
        assert_eq!(answer.stderr, "", "{line}");
    }
}
