//! `rollbook key rotate-log`, and what docs/operating.md says about rotating, losing and having stolen the log key,
//! done.

use std::os::unix::fs::PermissionsExt as _;

use super::support::desk::{Desk, PASSPHRASE};

const ROTATE: &str = "--key alice.key key rotate-log --reason spring";

/// A ledger of alice, bob and carl, two of whom must sign.
fn of_three() -> Desk {
    let desk = Desk::empty();
    for (number, person) in (1..).zip(["alice", "bob", "carl", "dora"]) {
        desk.key(person, number);
    }
    desk.done(
        "--key alice.key --key bob.key --key carl.key init --origin o.example.org --admin alice=alice.key.pub \
         --admin bob=bob.key.pub --admin carl=carl.key.pub",
    );
    desk.copy("ledger/trust.toml", "first-trust.toml");
    desk
}

fn exists(desk: &Desk, name: &str) -> bool {
    desk.path(name).exists()
}

fn mode(desk: &Desk, name: &str) -> u32 {
    desk.path(name).metadata().unwrap().permissions().mode() & 0o777
}

/// The exit code of `verify` under a trust root.
fn verified(desk: &Desk, trust: &str) -> Option<i32> {
    desk.run(&format!("verify ledger --trust {trust}")).code
}

#[test]
fn a_rotation_by_administrators_who_are_at_hand() {
    let desk = of_three();
    let rotate = "--key alice.key --key bob.key key rotate-log --reason 'each spring'";
    assert!(desk.done(&format!("{rotate} --dry-run")).starts_with("would be accepted"));
    assert!(!exists(&desk, "ledger/log.pem.next"), "a trial leaves nothing");
    let said = desk.done(rotate);
    assert!(said.starts_with("recorded as entry 1: log key "), "{said}");
    for word in
        ["ledger/log.pem (the new one: back it up)", "ledger/log.pem.retired-1", "hand it to auditors again"]
    {
        assert!(said.contains(word), "{word}: {said}");
    }
    assert!(!exists(&desk, "ledger/log.pem.next"));
    assert_eq!((mode(&desk, "ledger/log.pem"), mode(&desk, "ledger/log.pem.retired-1")), (0o600, 0o600));
    assert!(desk.read("ledger/trust.toml").contains("\nlatest_log_key = "));
    let answer = desk.run("--key alice.key note 0 'goes on'");
    assert_eq!((answer.code, &*answer.stderr), (Some(0), ""), "{answer:?}");
    assert_eq!(
        (verified(&desk, "first-trust.toml"), verified(&desk, "ledger/trust.toml")),
        (Some(0), Some(0))
    );
    let report = desk.done_json("verify ledger --trust first-trust.toml");
    assert_eq!(report["log_key_rotations"][0]["cause"], "routine");
    // The next one, in JSON.
    let answer = desk.done_json(rotate);
    assert_eq!((&answer["kind"], &answer["index"]), (&"log_key.rotated".into(), &3.into()));
    assert_eq!(answer["log_key"]["file"], "ledger/log.pem");
    assert_eq!(answer["log_key"]["retired"], "ledger/log.pem.retired-3");
    assert_eq!(answer["trust_root"], "ledger/trust.toml");
    assert_eq!(verified(&desk, "first-trust.toml"), Some(0));
}

#[test]
fn a_rotation_that_is_drafted_and_signed_by_one_after_the_other() {
    let desk = of_three();
    let drafted = desk.run("key rotate-log --reason spring --proposer alice.key.pub --draft rotation.json");
    assert_eq!(drafted.code, Some(0), "{drafted:?}");
    assert!(drafted.stderr.contains("the new key lies in ledger/log.pem.next"), "{drafted:?}");
    assert_eq!(mode(&desk, "ledger/log.pem.next"), 0o600);
    let next = desk.read("ledger/log.pem.next");
    desk.done("--key alice.key note 0 'meanwhile'");
    desk.done("--key alice.key draft sign rotation.json");
    desk.refused("draft submit rotation.json", 1, &["needs 2 signers"]);
    desk.done("--key bob.key draft sign rotation.json");

    // Whoever submits has the key.
    std::fs::rename(desk.path("ledger/log.pem.next"), desk.path("away.pem")).unwrap();
    desk.refused("draft submit rotation.json", 2, &["log.pem.next holds no key", "hint:", "rotate-log"]);
    desk.done("key new other.pem --format pkcs8");
    desk.copy("other.pem", "ledger/log.pem.next");
    desk.refused("draft submit rotation.json", 2, &["log.pem.next holds another, "]);
    std::fs::rename(desk.path("away.pem"), desk.path("ledger/log.pem.next")).unwrap();

    assert!(desk.done("draft submit --dry-run rotation.json").starts_with("would be accepted"));
    assert!(desk.done("draft submit rotation.json").starts_with("recorded as entry 2: "));
    assert_eq!(desk.read("ledger/log.pem"), next);
    assert!(desk.done("draft submit rotation.json").starts_with("already recorded as entry 2: "));
    assert_eq!(verified(&desk, "first-trust.toml"), Some(0));
}

#[test]
fn a_drafted_key_is_the_one_that_the_next_attempt_takes() {
    let desk = of_three();
    desk.done("--key alice.key key rotate-log --reason spring --draft one.json");
    let next = desk.read("ledger/log.pem.next");
    desk.refused(
        "--key alice.key key rotate-log --reason x --draft one.json",
        2,
        &["one.json exists already"],
    );
    desk.done("--key alice.key key rotate-log --reason autumn --draft two.json");
    assert_eq!(desk.read("ledger/log.pem.next"), next);
    desk.done("key new other.pem --format pkcs8");
    let words = &["ledger/log.pem.next holds another key than --new-key already", "hint:"];
    desk.refused("--key alice.key --key bob.key key rotate-log --reason x --new-key other.pem", 2, words);
    desk.refused(
        "--key alice.key key rotate-log --reason x --new-key other.pem --draft three.json",
        2,
        words,
    );
    desk.done("--key bob.key draft sign two.json");
    desk.done("draft submit two.json");
    desk.done("--key bob.key draft sign one.json");
    desk.refused("draft submit one.json", 1, &["the log's key is", "hint: draft the rotation again"]);
}

#[test]
fn a_key_of_ones_own_and_a_passphrase() {
    let desk = Desk::founded();
    desk.locked_key("made-elsewhere", 77);
    let rotate = format!("{ROTATE} --new-key made-elsewhere.key");
    desk.refused(&rotate, 2, &["made-elsewhere.key: this private key needs a passphrase"]);
    let run = |line: &str| {
        let output = desk.command(line).env("ROLLBOOK_LOG_KEY_PASSPHRASE", PASSPHRASE).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    };
    run(&rotate);
    // It lies there as it came, under its passphrase.
    assert_eq!(desk.read("ledger/log.pem"), desk.read("made-elsewhere.key"));
    desk.refused(
        "--key alice.key note 0 x",
        2,
        &["the log key: ledger/log.pem: this private key needs a passphrase"],
    );
    run("--key alice.key note 0 x");
    desk.refused(
        &format!("{ROTATE} --passphrase"),
        2,
        &["no passphrase was given", "ROLLBOOK_LOG_KEY_PASSPHRASE"],
    );
    run(&format!("{ROTATE} --passphrase"));
    assert!(desk.read("ledger/log.pem").starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"));
    run("--key alice.key note 0 y");
}

#[test]
fn the_group_that_reads_the_log_key_reads_the_next_one() {
    let desk = Desk::founded();
    desk.chmod("ledger/log.pem", 0o640);
    let settings = desk.read("ledger/rollbook.toml");
    desk.write("ledger/rollbook.toml", format!("{settings}log_key_readers = \"group\"\n"));
    desk.done(&format!("{ROTATE} --draft rotation.json"));
    assert_eq!(mode(&desk, "ledger/log.pem.next"), 0o640);
    desk.done("draft submit rotation.json");
    assert_eq!(mode(&desk, "ledger/log.pem"), 0o640);
}

#[test]
fn bad_input_rotates_nothing_and_leaves_no_key() {
    let desk = of_three();
    desk.done("--key alice.key --key bob.key key grant dora.key.pub --name dora --role deployer --env '*' --model '*'");
    for (line, code, words) in [
        (ROTATE, 1, &["needs 2 signers"][..]),
        ("--key dora.key key rotate-log --reason x", 1, &["does not hold a role", "admin"]),
        ("key rotate-log --reason x", 2, &["nobody signs", "hint:"]),
        ("--key alice.key key rotate-log", 2, &["--reason"]),
        (
            "--key alice.key key rotate-log --lost --compromised-since 1 --reason x",
            2,
            &["cannot be used with"],
        ),
        ("--key alice.key key rotate-log --compromised-since soon --reason x", 2, &["soon"]),
        (
            "--key alice.key --key bob.key key rotate-log --compromised-since 9 --reason x",
            1,
            &["entry 8 does not exist"],
        ),
        ("--key alice.key --key bob.key key rotate-log --new-key nowhere --reason x", 2, &["nowhere"]),
        (
            "--key alice.key --key bob.key key rotate-log --new-key dora.key --reason x",
            1,
            &["is dora's", "hint: let `rollbook key rotate-log` make a new key"],
        ),
        (
            "--key alice.key --key bob.key key rotate-log --new-key ledger/log.pem --reason x",
            1,
            &["was the log's key already"],
        ),
        ("--ledger nowhere --key alice.key key rotate-log --reason x", 2, &["not a ledger"]),
    ] {
        desk.refused(line, code, words);
        assert!(!exists(&desk, "ledger/log.pem.next"), "{line}");
    }
    assert_eq!(verified(&desk, "first-trust.toml"), Some(0));
}

#[test]
fn a_retry_by_its_id_rotates_once() {
    let desk = Desk::founded();
    let rotate = format!("{ROTATE} --event-id rotation-2026");
    assert!(desk.done(&rotate).starts_with("recorded as entry 1: "));
    assert!(desk.done(&rotate).starts_with("already recorded as entry 1: "));
    assert!(!exists(&desk, "ledger/log.pem.next"));
    desk.refused(
        "--key alice.key key rotate-log --reason other --event-id rotation-2026",
        1,
        &["was used by entry 1"],
    );
    assert!(!exists(&desk, "ledger/log.pem.next"));
}

/// A crash after the rotation was recorded, and before its files followed: whichever command comes next finishes it.
#[test]
fn a_rotation_that_was_cut_short_is_finished_and_told() {
    let desk = Desk::founded();
    desk.done(ROTATE);
    let cut_short = || {
        std::fs::rename(desk.path("ledger/log.pem"), desk.path("ledger/log.pem.next")).unwrap();
        std::fs::rename(desk.path("ledger/log.pem.retired-1"), desk.path("ledger/log.pem")).unwrap();
    };
    cut_short();
    desk.refused(&format!("{ROTATE} --draft d.json"), 2, &["a rotation that is recorded already", "hint:"]);
    let answer = desk.run("--key alice.key note 0 x");
    assert_eq!(answer.code, Some(0), "{answer:?}");
    assert!(
        answer.stderr.contains("note: the rotation of the log key in entry 1 was finished"),
        "{answer:?}"
    );
    cut_short();
    desk.refused(ROTATE, 2, &["entry 1 was finished", "a rotation that is recorded already", "hint:"]);
    assert!(exists(&desk, "ledger/log.pem.retired-1") && !exists(&desk, "ledger/log.pem.next"));
    desk.done(ROTATE);
    assert_eq!(verified(&desk, "ledger/trust.toml"), Some(0));
    // The new key is nowhere.
    std::fs::rename(desk.path("ledger/log.pem.retired-1"), desk.path("ledger/log.pem")).unwrap();
    desk.refused("--key alice.key note 0 x", 3, &["is not signed by the log key"]);
}

#[test]
fn a_lost_log_key_is_replaced_by_administrators() {
    let desk = of_three();
    desk.done("--key alice.key note 0 'before'");
    desk.write("last.checkpoint", desk.done("checkpoint"));
    std::fs::remove_file(desk.path("ledger/log.pem")).unwrap();
    let words = &["the log key: ", "cannot read the key file", "hint:", "--lost"];
    desk.refused("--key alice.key note 0 x", 2, words);
    let rotate = "--key alice.key --key bob.key key rotate-log --reason 'the disk died'";
    desk.refused(rotate, 2, &["the log key in force is not at hand", "--lost"]);
    assert!(!exists(&desk, "ledger/log.pem.next"));
    assert!(desk.done(&format!("{rotate} --lost")).starts_with("recorded as entry 2: "));
    desk.done("--key alice.key note 0 'after'");

    // An auditor needs more than the first trust root now.
    let unrooted = desk.run("verify ledger --trust first-trust.toml");
    assert_eq!(unrooted.code, Some(4), "{unrooted:?}");
    assert!(
        unrooted.stdout.ends_with(
            "the log key was replaced after it was lost in entry 2; no checkpoint or trust root that you gave covers that\n"
        ),
        "{unrooted:?}"
    );
    assert_eq!(desk.run("verify ledger --trust first-trust.toml --checkpoint last.checkpoint").code, Some(4));
    let gate = desk.run("gate scorer 1.0.0 --env staging --trust first-trust.toml");
    assert!(gate.code == Some(1) && gate.stdout.contains("not anchored in the trust root"), "{gate:?}");
    assert_eq!(verified(&desk, "ledger/trust.toml"), Some(0));
    desk.write("newer.checkpoint", desk.done("checkpoint"));
    desk.done("verify ledger --trust first-trust.toml --checkpoint newer.checkpoint");
}

#[test]
fn a_lost_log_key_is_replaced_by_a_draft() {
    let desk = of_three();
    std::fs::remove_file(desk.path("ledger/log.pem")).unwrap();
    desk.done("--key alice.key key rotate-log --lost --reason died --draft rotation.json");
    // The key to come opens nothing yet.
    desk.refused("--key alice.key note 0 x", 2, &["the log key: "]);
    desk.done("--key carl.key draft sign rotation.json");
    desk.done("draft submit rotation.json");
    desk.done("--key alice.key note 0 x");
    assert_eq!(
        (verified(&desk, "first-trust.toml"), verified(&desk, "ledger/trust.toml")),
        (Some(4), Some(0))
    );
}

#[test]
fn a_stolen_log_key_is_replaced_and_no_longer_trusted() {
    let desk = of_three();
    desk.done("--key alice.key note 0 'one'");
    desk.write("trusted.checkpoint", desk.done("checkpoint"));
    desk.done("--key alice.key note 0 'two'");
    desk.write("doubtful.checkpoint", desk.done("checkpoint"));
    // The thief has a copy of everything but the administrators' keys, and goes on with it.
    desk.copy("ledger", "thiefs");
    std::fs::remove_dir_all(desk.path("thiefs/index")).unwrap();
    desk.chmod("thiefs/log.pem", 0o600);
    desk.done(
        "--key alice.key --key bob.key key rotate-log --compromised-since 3 --reason 'a laptop was stolen'",
    );
    desk.copy("ledger/trust.toml", "new-trust.toml");
    assert_eq!(verified(&desk, "first-trust.toml"), Some(4));
    desk.done("verify ledger --trust new-trust.toml --checkpoint trusted.checkpoint");
    let doubtful = desk.run("verify ledger --trust new-trust.toml --checkpoint doubtful.checkpoint");
    assert_eq!(doubtful.code, Some(0), "{doubtful:?}");
    assert!(doubtful.stdout.contains("remark anchor.untrusted"), "{doubtful:?}");
    // What the thief shows around is another history under the new trust root, and sound under the first.
    assert_eq!(desk.run("verify thiefs --trust new-trust.toml").code, Some(1));
    assert_eq!(desk.run("verify thiefs --trust first-trust.toml").code, Some(0));
}

/// Three administrators, two of whom must sign; one is lost, and then the log key, too.
#[test]
fn the_loss_of_an_administrator_within_the_threshold_is_survived() {
    let desk = of_three();
    std::fs::remove_file(desk.path("carl.key")).unwrap();
    let both = "--key alice.key --key bob.key";
    desk.done(&format!("{both} key grant dora.key.pub --name dora --role admin --env '*' --model '*'"));
    desk.done(&format!("{both} key revoke carl.key.pub --reason 'lost on a train'"));
    std::fs::remove_file(desk.path("ledger/log.pem")).unwrap();
    desk.done("--key bob.key --key dora.key key rotate-log --lost --reason 'it was on the same laptop'");
    desk.done("--key dora.key note 0 'goes on'");
    assert_eq!(verified(&desk, "ledger/trust.toml"), Some(0));
    let last_two = "--key alice.key key revoke bob.key.pub --reason x";
    desk.refused(last_two, 1, &["needs 2 signers"]);
}

#[test]
fn anchors_and_the_index_follow_a_rotation() {
    let desk = Desk::founded();
    desk.write("elsewhere/.keep", "");
    let settings = desk.read("ledger/rollbook.toml");
    desk.write("ledger/rollbook.toml", format!("{settings}anchors = [\"../elsewhere/checkpoint\"]\n"));
    desk.done("--key alice.key note 0 x");
    let before = desk.read("elsewhere/checkpoint");
    desk.done(ROTATE);
    assert_eq!(desk.read("elsewhere/checkpoint").matches("— ledger.example.org/models ").count(), 2);
    desk.done("--key alice.key note 0 y");
    // A writer that was stopped left the anchor behind the rotation.
    desk.write("elsewhere/checkpoint", before);
    desk.done("index check");
    desk.done("index rebuild");
    desk.done("--key alice.key note 0 z");
    desk.done("verify ledger --trust ledger/trust.toml --checkpoint elsewhere/checkpoint");
}
