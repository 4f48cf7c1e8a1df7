//! `rollbook policy`: checked and compared before it is signed, shown as it holds.

use super::support::desk::Desk;

const TWO_EYES: &str = "schema = 2

[administrators]
threshold = 1

[[environment]]
name = \"staging\"

[[environment]]
name = \"production\"

[environment.promote]
approvals = 2
after = [\"staging\"]

[environment.rollback.break_glass]
roles = [\"responder\"]
ratify_within = \"24h\"
";

/// A desk whose ledger has two administrators, and what releases need.
fn desk() -> Desk {
    let desk = Desk::with_releases();
    desk.grant("eve", "--role admin --env '*' --model '*'");
    desk.write("two.toml", TWO_EYES);
    desk
}

#[test]
fn a_policy_is_checked_against_the_people_of_the_ledger() {
    let desk = desk();
    desk.grant("carl", "--role approver --env production --model '*'");
    let said = desk.done("policy check two.toml");
    assert!(said.starts_with("two.toml: schema 2, threshold 1; 2 administrator(s) in force\n"), "{said}");
    let short = "warning: environment production, scorer: promote: needs 2 approval(s) by approver, \
                 and only 1 person holds it: carl";
    assert_eq!(said.lines().skip(1).collect::<Vec<_>>(), [short]);
    let json = desk.done_json("policy check two.toml");
    assert_eq!(json["would_be_accepted"], true);
    assert_eq!(json["warnings"][0]["lack"], "approvers");
    assert_eq!(json["warnings"][0]["act"], "promote");
    assert_eq!(json["warnings"][0]["holders"], serde_json::json!(["carl"]));

    desk.grant("bob", "--role approver --env '*' --model '*'");
    assert_eq!(desk.done("policy check two.toml").lines().count(), 1, "two approvers can approve");
    let mut nowhere = desk.command("policy check two.toml");
    let answer = nowhere.env_remove("ROLLBOOK_LEDGER").output().unwrap();
    assert!(answer.status.success());
    assert!(String::from_utf8_lossy(&answer.stdout).contains("no ledger is named"));
}

#[test]
fn a_policy_that_would_be_refused_is_exit_1_and_one_that_cannot_be_read_is_exit_2() {
    let desk = desk();
    desk.write("locked.toml", TWO_EYES.replace("threshold = 1", "threshold = 3"));
    desk.write("typo.toml", TWO_EYES.replace("approvals", "approvalls"));
    desk.write("newer.toml", "schema = 4\n");
    desk.write("long.toml", format!("# {}\n{TWO_EYES}", "x".repeat(16 * 1024)));
    let lock_out = &["refused: the policy asks for 3 administrators, and there are 2", "hint:"];
    desk.refused("policy check locked.toml", 1, lock_out);
    desk.refused("--key alice.key policy set locked.toml", 1, lock_out);
    let typo = "typo.toml: line 13, [environment.promote] of `production`: unknown key `approvalls`: did you mean \
                `approvals`?";
    desk.refused(
        "policy check typo.toml",
        1,
        &[&format!("refused: {typo}"), "hint: docs/policy.md explains"],
    );
    for command in ["policy diff", "policy show", "--key alice.key policy set"] {
        desk.refused(&format!("{command} typo.toml"), 2, &[&format!("error: {typo}"), "hint:"]);
    }
    desk.refused("policy check newer.toml", 1, &["schema 4", "hint: upgrade rollbook"]);
    for command in ["policy check", "policy diff", "--key alice.key policy set"] {
        desk.refused(&format!("{command} none.toml"), 2, &["cannot read none.toml"]);
        desk.refused(&format!("{command} long.toml"), 2, &["long.toml: a policy text is", "at most 16384"]);
    }
    desk.refused("--ledger nowhere policy check two.toml", 2, &["nowhere is not a ledger directory"]);
}

#[test]
fn a_policy_is_compared_in_meaning_and_in_text() {
    let desk = desk();
    let answer = desk.run("policy diff two.toml");
    assert_eq!(answer.code, Some(1), "{answer:?}");
    let (meaning, text) = answer.stdout.split_once("\n\n").unwrap();
    assert_eq!(
        meaning.lines().collect::<Vec<_>>(),
        [
            "environment production, promote: approvals 0 → 2",
            "environment production, rollback: break_glass nobody → responder, ratified within 24h",
        ]
    );
    assert!(text.starts_with("--- policy of entry 0\n+++ two.toml\n@@ "), "{text}");
    assert!(text.contains("\n-approvals = 0\n+approvals = 2\n"), "{text}");
    let json = desk.run("--json policy diff two.toml").json();
    assert_eq!((&json["same"], &json["entry"]), (&false.into(), &0.into()));
    assert_eq!(json["changes"][0]["message"], "environment production, promote: approvals 0 → 2");
    assert_eq!(json["changes"][0]["new"], 2);

    desk.done("--key alice.key policy set two.toml");
    assert_eq!(desk.done("policy diff two.toml"), "the same as the policy of entry 7\n");
    assert_eq!(desk.done_json("policy diff two.toml")["same"], true);
    desk.write("remark.toml", format!("# a remark\n{TWO_EYES}"));
    let answer = desk.run("policy diff remark.toml");
    assert_eq!(answer.code, Some(1), "{answer:?}");
    assert!(answer.stdout.starts_with("nothing changes in meaning\n\n--- policy of entry 7\n"), "{answer:?}");
    assert!(answer.stdout.contains("\n+# a remark\n"), "{answer:?}");
}

#[test]
fn what_is_set_is_told_before_it_is_signed() {
    let desk = desk();
    let change = "environment production, promote: approvals 0 → 2";
    let warning =
        "warning: environment production, scorer: promote: needs 2 approval(s) by approver, and nobody";
    for rest in ["--dry-run", "--draft two.json", ""] {
        let answer = desk.run(&format!("--key alice.key policy set two.toml {rest}"));
        assert_eq!(answer.code, Some(0), "{answer:?}");
        assert!(answer.stderr.starts_with(change) && answer.stderr.contains(warning), "{answer:?}");
    }
    let shown = desk.done("draft show two.json");
    assert!(shown.contains("what changes in the policy:\nnothing changes in meaning\n"), "{shown}");
    desk.done("--key alice.key policy set two.toml --yes");
    desk.refused("draft submit two.json", 1, &["the policy of entry 0 is no longer in force"]);
    let quiet = desk.run("--quiet --key alice.key policy set two.toml");
    assert_eq!((quiet.code, quiet.stderr.as_str()), (Some(0), ""));
    desk.done("verify --trust ledger/trust.toml");
}

#[test]
fn a_draft_of_a_policy_says_what_it_changes() {
    let desk = desk();
    desk.done("--key alice.key policy set two.toml --draft two.json");
    let shown = desk.done("draft show two.json");
    let change = "what changes in the policy:\nenvironment production, promote: approvals 0 → 2\n";
    assert!(shown.contains(change), "{shown}");
    let json = desk.done_json("draft show two.json");
    assert_eq!(json["policy_changes"][0]["key"], "approvals");
    desk.done("draft submit two.json");
    desk.done("--key dora.key note 1 x --draft note.json");
    assert_eq!(desk.done_json("draft show note.json")["policy_changes"], serde_json::Value::Null);
}

#[test]
fn a_change_takes_the_old_threshold() {
    let desk = desk();
    desk.write("shared.toml", TWO_EYES.replace("threshold = 1", "threshold = 2"));
    desk.done("--key alice.key policy set shared.toml");
    desk.refused("--key alice.key policy set two.toml", 1, &["the act needs 2 signers, 1 signed"]);
    desk.done("--key alice.key --key eve.key policy set two.toml");
    desk.done("--key eve.key policy set shared.toml");
}

#[test]
fn the_rules_of_a_place_are_spelt_out() {
    let desk = desk();
    let text = format!("{TWO_EYES}\n[[environment.model]]\nname = \"credit-*\"\npromote.approvals = 3\n");
    desk.write("credit.toml", text);
    desk.done("--key alice.key policy set credit.toml");
    let line = |rest: &str, key: &str| -> String {
        let said = desk.done(&format!("policy show --resolved {rest}"));
        let line = said.lines().find(|line| line.split_whitespace().next() == Some(key));
        line.unwrap_or_else(|| panic!("{key}: {said}")).split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let production = "--env production";
    assert_eq!(line(production, "promote.approvals"), "promote.approvals 2 (environment)");
    let credit = "--env production --model credit-scorer";
    assert_eq!(line(credit, "promote.approvals"), "promote.approvals 3 (model)");
    assert_eq!(line(credit, "rollback.target"), "rollback.target 5m (default)");
    assert_eq!(
        line(credit, "rollback.break_glass"),
        "rollback.break_glass responder, ratified within 24h (environment)"
    );
    assert_eq!(line("", "register.approvals"), "register.approvals 0 (default)");
    assert_eq!(
        line("two.toml --env production --model credit-scorer", "promote.approvals"),
        "promote.approvals 2 (environment)"
    );
    let json = desk.done_json("policy show --resolved --env production --model credit-scorer");
    assert_eq!(json["entry"], 7);
    assert_eq!(json["settings"][0]["said_by"], "model");
    assert_eq!(json["settings"][0]["value"], 3);

    assert_eq!(desk.done_json("policy show --at-index 6")["entry"], 0);
    assert_eq!(desk.done_json("policy show --at-entry 7")["entry"], 7);
    assert_eq!(desk.done_json("policy show --at now")["entry"], 7);
    desk.refused(
        "policy show --resolved --env qa",
        2,
        &["knows no environment `qa`", "hint: it knows staging, production"],
    );
    desk.refused("policy show --env production", 2, &["--resolved"]);
    desk.refused("policy show two.toml --at-index 1", 2, &["cannot be used with"]);
}
