//! Several hands: drafts that go round, retries that are recognised, trials that record nothing.

use super::support::desk::{Answer, Desk};

const TWO_SIGNERS: &str = "schema = 1\nadministrators.threshold = 1\nsigners.promote = 2\n\
     [[environment]]\nname = \"staging\"\n";

#[test]
fn two_administrators_found_a_ledger_from_a_draft() {
    let desk = Desk::founded();
    let line = "--ledger shared --key alice.key init --origin shared.example.org \
                --admin alice=alice.key.pub --admin bob=bob.key.pub --draft first.json";
    assert!(desk.done(line).contains("first.json holds 1 signature"));
    let shown = desk.done("--ledger shared draft show first.json");
    assert!(shown.contains("You would sign: ledger shared.example.org created by"), "{shown}");
    assert!(shown.contains("signed by alice with key SHA256:"), "{shown}");
    assert!(shown.contains("could sign: bob with key SHA256:"), "{shown}");
    desk.refused("--ledger shared draft submit first.json", 1, &["every administrator", "hint:"]);
    desk.refused("--ledger shared status", 2, &["shared holds no entry yet", "hint: submit"]);

    desk.done("--ledger shared --key bob.key draft sign first.json");
    let shown = desk.done("--ledger shared draft show first.json");
    assert!(shown.contains("nothing is missing"), "{shown}");
    assert!(desk.done("--ledger shared draft submit --dry-run first.json").contains("would be accepted"));
    desk.refused("--ledger shared status", 2, &["shared holds no entry yet"]);
    assert!(desk.done("--ledger shared draft submit first.json").contains("recorded as entry 0"));
    desk.done("verify shared --trust shared/trust.toml");
    desk.refused("--ledger shared draft submit first.json", 1, &["hint:"]);
}

#[test]
fn a_promotion_that_needs_two_says_who_is_missing() {
    let desk = Desk::with_releases();
    desk.write("two.toml", TWO_SIGNERS);
    desk.done("--key alice.key policy set two.toml --reason 'two pairs of eyes'");
    desk.grant("carl", "--role approver --env '*' --model '*'");
    desk.grant("bob", "--role approver --env production --model '*'");
    desk.grant("eve", "--role auditor --env '*' --model '*'");
    let promote = "promote scorer 1.0.0 --env staging --repo infra --rev HEAD";
    desk.refused(
        &format!("--key dora.key {promote}"),
        1,
        &["the act needs 2 signers, 1 signed", "hint: have others sign"],
    );
    desk.done(&format!("--key dora.key {promote} --draft promotion.json"));
    let shown = desk.done("draft show promotion.json");
    assert!(shown.contains("not yet: the act needs 2 signers, 1 signed"), "{shown}");
    assert!(shown.contains("signed by dora with key SHA256:"), "{shown}");
    let could_sign: Vec<_> = shown.lines().filter(|line| line.starts_with("could sign:")).collect();
    assert!(matches!(could_sign[..], [line] if line.starts_with("could sign: carl with key")), "{shown}");
    let json = desk.done_json("draft show promotion.json");
    assert_eq!(json["missing"]["code"], "approvals_missing");
    assert_eq!(json["could_sign"][0]["person"], "carl");

    desk.refused("draft submit promotion.json", 1, &["the act needs 2 signers"]);
    desk.done("--key carl.key draft sign promotion.json");
    let trial = desk.done_json("draft submit --dry-run promotion.json");
    assert_eq!(trial["would_be_accepted"], true);
    let receipt = desk.done_json("draft submit promotion.json");
    assert_eq!(receipt["index"], 10);
    let again = desk.done_json("draft submit promotion.json");
    assert_eq!((&again["index"], &again["repeated"]), (&receipt["index"], &true.into()));
    let entry = desk.done_json("show 10");
    assert_eq!(entry["signatures"].as_array().unwrap().len(), 2);
    assert!(desk.done("show 10").contains("approved by carl with key SHA256:"));
    desk.done(&format!("--key dora.key --key carl.key {} ", promote.replace("1.0.0", "1.1.0")));
}

#[test]
fn a_draft_is_shown_and_submitted_from_stdin_and_not_signed_there() {
    let desk = Desk::with_releases();
    desk.done("--key dora.key note 1 x --draft draft.json");
    let from_file = |line: &str| {
        let file = std::fs::File::open(desk.path("draft.json")).unwrap();
        Answer::from(desk.command(line).stdin(file).output().unwrap())
    };
    assert_eq!(from_file("draft show -").stdout, desk.done("draft show draft.json"));
    desk.refused("--key carl.key draft sign -", 2, &["a draft is signed in its file", "hint: name the file"]);
    assert!(from_file("draft submit -").stdout.starts_with("recorded as entry 6"));
    assert!(from_file("draft submit -").stdout.starts_with("already recorded as entry 6"));
    desk.refused("draft submit -", 2, &["-: this is not a DSSE envelope", "hint: ask for the draft again"]);
    desk.write("draft.json", vec![b' '; 300 << 10]);
    assert!(from_file("draft submit -").stderr.contains("- is too large for a draft"));
    desk.refused("draft submit draft.json", 2, &["draft.json is too large for a draft"]);
}

#[test]
fn a_proposer_may_sign_last() {
    let desk = Desk::with_releases();
    desk.done("--key dora.key note 1 x --proposer dora.key.pub --draft unsigned.json");
    desk.done("--key dora.key note 1 x --proposer eve.key.pub --draft eves.json");
    let shown = desk.done("draft show eves.json");
    assert!(shown.contains("has not signed the event"), "{shown}");
    desk.refused("draft submit eves.json", 1, &["has not signed the event", "hint: have them sign"]);
    desk.refused(
        "--key dora.key note 1 y --draft unsigned.json",
        2,
        &["unsigned.json exists already", "hint: name another file, or say --force"],
    );
    desk.done("--key dora.key note 1 y --draft unsigned.json --force");
    desk.done("draft submit unsigned.json");
    assert!(desk.done("show 6").contains("text: y"));
}

#[test]
fn a_retry_with_the_same_id_gets_the_first_receipt() {
    let desk = Desk::with_releases();
    let lines = [
        "--key dora.key rollback scorer --env staging --repo infra --rev HEAD --reason slow --started '5m ago' \
         --event-id build-1",
        "--key dora.key promote scorer 1.1.0 --env staging --repo infra --rev HEAD --event-id build-2",
        "--key dora.key complete 7 --succeeded --completed '1m ago' --event-id build-3",
        "--key dora.key note 7 seen --claimed-at '2m ago' --event-id 01a206ae-1799-70ff-b001-1fd20f5ad77d",
        "--key dora.key retire scorer 1.0.0 --reason old --event-id build-4",
        "--key dora.key withdraw scorer --env staging --reason ended --event-id build-5",
        "--key dora.key register scorer 2 --path model --event-id build-6",
        "--key alice.key key revoke dora.key.pub --reason left --event-id build-7",
    ];
    let mut receipts = Vec::new();
    for (index, line) in (6..).zip(lines) {
        let receipt = desk.done_json(line);
        assert_eq!((&receipt["index"], &receipt["repeated"]), (&index.into(), &false.into()), "{line}");
        receipts.push(receipt);
    }
    let before = desk.records();
    std::thread::sleep(std::time::Duration::from_millis(5));
    for (line, receipt) in lines.iter().zip(receipts) {
        let mut again = desk.done_json(line);
        assert_eq!(again["repeated"], true, "{line}");
        again["repeated"] = false.into();
        assert_eq!(again, receipt, "{line}");
        let text = desk.done(line);
        assert!(text.starts_with(&format!("already recorded as entry {}", receipt["index"])), "{text}");
        assert!(desk.done(&format!("{line} --dry-run")).starts_with("would be accepted"), "{line}");
    }
    assert_eq!(desk.records(), before);
    desk.refused(
        "--key dora.key note 7 otherwise --event-id 01a206ae-1799-70ff-b001-1fd20f5ad77d",
        1,
        &["was used by entry 9", "hint: see `rollbook show 9`; another event needs another --event-id"],
    );
}

#[test]
fn a_dry_run_records_nothing_and_tells_what_is_missing() {
    let desk = Desk::with_releases();
    let before = desk.records();
    let said =
        desk.done("--key dora.key rollback scorer --env staging --repo infra --tag v1 --reason x --dry-run");
    assert!(said.starts_with("would be accepted: scorer rolled back to 1.0.0 in staging"), "{said}");
    assert_eq!(desk.records(), before);
    desk.refused(
        "--key dora.key promote scorer 1.1.0 --env staging --repo infra --rev HEAD --dry-run",
        1,
        &["serves in staging already"],
    );
}

#[test]
fn policy_and_keys_are_shown_as_they_were() {
    let desk = Desk::with_releases();
    desk.write("two.toml", TWO_SIGNERS);
    desk.done("--key alice.key policy set two.toml");
    assert_eq!(desk.done("policy show"), TWO_SIGNERS);
    assert_eq!(desk.done_json("policy show")["entry"], 6);
    assert_eq!(desk.done("policy show two.toml"), TWO_SIGNERS);

    desk.done("--key alice.key key revoke dora.key.pub --reason left --compromised-since 4");
    let persons = |line: &str| -> Vec<String> {
        let answer = desk.run(&format!("--json key list {line}"));
        answer.json_lines().iter().map(|holder| holder["person"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(persons(""), ["alice", "dora"]);
    assert_eq!(persons("--at-index 0"), ["alice"]);
    assert_eq!(persons("--at 2026-01-01T00:00:00Z"), [""; 0]);
    assert_eq!(persons("--at now"), ["alice", "dora"]);
    let now = desk.done("key list");
    assert!(now.contains("revoked by entry 7"), "{now}");
    assert!(!desk.done("key list --at-index 6").contains("revoked"));
    desk.refused(
        "--key dora.key note 1 x",
        1,
        &["dora's key", "was revoked by entry 7", "hint: make another key"],
    );
}

#[test]
fn a_change_that_failed_puts_back_what_served() {
    let desk = Desk::with_releases();
    desk.done("--key dora.key complete 5 --failed --summary 'pods did not start'");
    let status = desk.done_json("status");
    assert_eq!(status["serving"]["version"], "1.0.0");
    desk.done("--key dora.key promote scorer 1.1.0 --env staging --repo infra --rev HEAD");
    desk.done("--key dora.key complete 7 --aborted");
    assert_eq!(desk.done_json("status --env staging --model scorer")["serving"]["version"], "1.0.0");
    desk.refused("--key dora.key complete 7 --succeeded", 1, &["entry 7 is no promotion"]);
    desk.done("--key dora.key withdraw scorer --env staging --reason ended --ticket OPS-1");
    assert_eq!(desk.done_json("status")["serving"], serde_json::Value::Null);
    assert!(desk.done("status").contains("nothing"));
    desk.done("verify --trust ledger/trust.toml");
}

#[test]
#[ignore = "needs script, of bsdutils"]
fn on_a_terminal_what_cannot_be_undone_is_asked() {
    let desk = Desk::with_releases();
    let at_terminal = |line: &str, typed: &str| {
        let program = super::support::desk::PROGRAM;
        let mut script = std::process::Command::new("script");
        script.args(["--quiet", "--return", "--command", &format!("'{program}' {line}"), "/dev/null"]);
        script
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", desk.path(""))
            .env("ROLLBOOK_LEDGER", "ledger");
        script.current_dir(desk.path("")).stdin(std::process::Stdio::piped());
        script.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let mut child = script.spawn().expect("script (bsdutils) is installed");
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), typed.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let retire = "--key dora.key retire scorer 1.0.0 --reason old";
    let before = desk.records();
    let (code, said) = at_terminal(retire, "n\n");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("scorer 1.0.0 could never be promoted again. Retire it? [y/N]"), "{said}");
    assert!(said.contains("nothing was recorded"), "{said}");
    let (code, said) = at_terminal("--key alice.key key revoke dora.key.pub --reason x", "\n");
    assert_eq!(code, Some(1), "{said}");
    assert_eq!(desk.records(), before);
    desk.write("two.toml", TWO_SIGNERS);
    let (code, said) = at_terminal("--key alice.key policy set two.toml", "n\n");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("environment staging, promote: approvals 0 → 1"), "{said}");
    assert!(said.contains("Set two.toml as the policy? [y/N]"), "{said}");
    assert_eq!(desk.records(), before);
    let (code, said) = at_terminal(&format!("{retire} --dry-run"), "");
    assert!(code == Some(0) && !said.contains("[y/N]"), "{said}");
    let (code, said) = at_terminal(retire, "y\n");
    assert!(code == Some(0) && said.contains("recorded as entry 6"), "{said}");
    let (code, said) = at_terminal("--key alice.key key revoke dora.key.pub --reason x --yes", "");
    assert!(code == Some(0) && !said.contains("[y/N]"), "{said}");
}
