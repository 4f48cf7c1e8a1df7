//! Timelines under questions that are easily answered wrong: what was put back, what is about a digest, incidents in
//! several places, glass that was ratified late, and logs that cannot be believed.

use rollbook::time::DAY_MS;
use rollbook::timeline::chronicle::{Chronicle, Standing};
use rollbook::timeline::findings::{FindingTold, FoundTold};
use serde_json::Value;

use super::support::chronicle::nine_days;
use super::support::desk::Desk;

/// A desk whose scorer 2.0.0 failed in staging, so that entry 5 serves again.
fn put_back() -> Desk {
    let desk = Desk::with_releases();
    desk.copy("ledger/trust.toml", "trust.toml");
    desk.grant("eve", "--role responder --role deployer --role evaluator --env '*' --model '*'");
    desk.write("next/weights.bin", "next weights\n");
    desk.done("--key dora.key register scorer 2.0.0 --path next");
    desk.done("--key dora.key promote scorer 2.0.0 --env staging --repo infra --rev HEAD");
    desk.done("--key eve.key complete 8 --failed");
    desk
}

fn timeline(desk: &Desk, line: &str) -> Value {
    desk.done_json(&format!("timeline {line}"))
}

fn indexes(timeline: &Value) -> Vec<u64> {
    timeline["rows"].as_array().unwrap().iter().map(|row| row["entry"]["index"].as_u64().unwrap()).collect()
}

#[test]
fn who_put_it_there_is_told_of_what_was_put_back() {
    let desk = put_back();
    for format in ["text", "md"] {
        let told = desk.done(&format!("timeline --env staging --format {format}"));
        let last = told.lines().find(|line| line.contains("still serves")).unwrap();
        assert!(last.contains("dora") && !last.contains("eve"), "{last}");
        assert!(last.contains("5, put back by 9"), "{last}");
    }
}

#[test]
fn a_digest_is_followed_to_how_it_was_taken_out() {
    let desk = put_back();
    let digest = desk.done_json("show 7")["event"]["body"]["digest"]["root"].as_str().unwrap().to_owned();
    desk.done("--key dora.key promote scorer 2.0.0 --env staging --repo infra --rev HEAD");
    desk.done(
        "--key eve.key drift --env staging --model scorer --version 2.0.0 --kind data --statistic psi --value 0.4 --threshold 0.2 --monitor m",
    );
    desk.done("--key eve.key incident open INC-1 --env staging --model scorer --severity sev2 --evidence 11");
    desk.done(
        "--key eve.key rollback scorer --env staging --repo infra --rev HEAD --incident INC-1 --reason 'drifts'",
    );
    desk.done("--key eve.key incident resolve INC-1");
    desk.done("--key dora.key retire scorer 2.0.0 --reason 'drifts'");
    assert_eq!(
        indexes(&timeline(&desk, &format!("--digest {digest} --format json"))),
        [7, 8, 9, 10, 11, 12, 13, 14, 15],
        "registered, promoted, failed, promoted, drifted, incident, rolled back, resolved, retired"
    );
}

#[test]
fn an_incident_is_told_as_it_was_in_the_places_that_are_asked_for() {
    let desk = put_back();
    desk.done("--key eve.key incident open I1 --env staging --severity sev3 --summary 'a blip'");
    desk.done("--key eve.key incident open I1 --env production --severity sev1 --summary 'a leak'");
    for (environment, severity, summary) in [("staging", "sev3", "a blip"), ("production", "sev1", "a leak")]
    {
        let told = timeline(&desk, &format!("--env {environment} --format json"));
        let incident = &told["incidents"][0];
        assert_eq!((&incident["severity"], &incident["summary"]), (&severity.into(), &summary.into()));
        assert_eq!(incident["places"].as_array().unwrap().len(), 1);
    }
    desk.done("--key eve.key incident resolve I1");
    desk.done("--key eve.key incident open I1 --env staging --severity sev2 --summary 'again'");
    let told = timeline(&desk, "--incident I1 --format json");
    assert_eq!(told["incidents"].as_array().unwrap().len(), 2, "both times that it was open");
    desk.refused(
        "timeline --incident I1 --since 2999-01-01T00:00:00Z",
        2,
        &["was not open between these times"],
    );
    desk.refused("timeline --incident I2", 2, &["no entry detects an incident `I2`"]);
}

#[test]
fn glass_that_is_ratified_after_many_changes_is_ratified() {
    let desk = Desk::with_releases();
    desk.grant("bob", "--role approver --env '*' --model '*'");
    desk.write(
        "policy.toml",
        "schema = 3\nadministrators.threshold = 1\n[[environment]]\nname = 'staging'\nrollback.approvals = 0\n\
         rollback.break_glass = { roles = ['responder'], ratify_within = '24h' }\n",
    );
    desk.done("--key alice.key policy set policy.toml");
    desk.done("--key dora.key incident open INC-1 --env staging --model scorer --severity sev1");
    desk.done(
        "--key dora.key rollback scorer --env staging --repo infra --rev HEAD --incident INC-1 --reason 'at once' --break-glass",
    );
    for number in 0..34 {
        let version = ["1.1.0", "1.0.0"][number % 2];
        desk.done(&format!("--key dora.key promote scorer {version} --env staging --repo infra --rev HEAD"));
    }
    desk.done("--key bob.key ratify 9 --reason 'right'");
    let told = timeline(&desk, "--env staging --format json");
    let recovery = &told["incidents"][0]["recoveries"][0];
    assert_eq!(recovery["change"]["index"], 9);
    assert_eq!(recovery["ratified"]["index"], 44);
    assert_eq!(indexes(&timeline(&desk, "--env staging --kind entry.ratified --format json")), [44]);
    let exported = desk.run("export events --format ndjson --env staging --kind entry.ratified").json_lines();
    assert_eq!(exported.len(), 1);
}

#[test]
fn a_log_that_no_reader_opens_is_told_of_as_tampered() {
    let desk = put_back();
    desk.done("--key eve.key incident open INC-1 --env staging --model scorer --severity sev2");
    std::fs::remove_file(desk.path("ledger/head")).unwrap();
    for line in [
        "timeline --incident INC-1 --format md",
        "timeline --format html",
        "served --env staging --prove p",
        "status --at-index 5",
        "report --format md",
    ] {
        let answer = desk.run(&format!("{line} --trust trust.toml"));
        assert_eq!(answer.code, Some(1), "{line}: {answer:?}");
        let verdict = "VERDICT: TAMPERED \u{2014} 1 finding: head.missing";
        assert!(answer.stdout.contains(verdict), "{line}: {answer:?}");
    }
    assert!(!desk.path("p").exists(), "of such a log nothing is proved");
    let csv = desk.run("timeline --format csv --trust trust.toml");
    assert_eq!(csv.code, Some(1));
    let rows = csv.stdout.lines().skip(1);
    assert!(
        rows.clone().count() > 5 && rows.clone().all(|row| row.ends_with("not_judged,,tampered")),
        "{csv:?}"
    );
}

#[test]
fn times_that_the_log_does_not_reach_are_not_told() {
    let desk = put_back();
    let last = desk.done_json("show 9")["recorded_at"].clone();
    let served = desk.run("--json served --env staging --until 2999-01-01T00:00:00Z").json_lines();
    assert_eq!(served[3]["known_until"], last);
    let told = timeline(&desk, "--until 2999-01-01T00:00:00Z --format json");
    assert_eq!((&told["until"], &told["goes_on"]), (&last, &false.into()));
    let before = desk.done_json("show 8")["recorded_at"].as_str().unwrap().to_owned();
    let told = timeline(&desk, &format!("--until {before} --format json"));
    assert_eq!(told["goes_on"], true);
    let text = desk.done(&format!("timeline --until {before}"));
    assert!(text.contains("as known then: the log goes on") && text.contains("serves beyond this"), "{text}");
    for command in ["served --env staging", "timeline", "log", "export events --format ndjson"] {
        let line = format!("{command} --since {before} --until 2026-01-01T00:00:00Z");
        desk.refused(&line, 2, &["is not before --until"]);
    }
}

/// The standings of the rows where the verifier found that.
fn standings(found: &FoundTold) -> Vec<(u64, Standing)> {
    let mut chronicle: Chronicle = nine_days();
    chronicle.judge(found);
    chronicle.rows.iter().map(|row| (row.entry.index, row.standing.clone())).collect()
}

fn finding(index: Option<u64>, spreads: bool) -> FindingTold {
    let (code, message) = ("some.code".to_owned(), "words".to_owned());
    FindingTold { index, until: None, code, message, counts: true, spreads }
}

#[test]
fn nothing_is_called_sound_that_may_not_be() {
    let all = FoundTold { findings: Vec::new(), is_whole: true, judged_up_to: 1_000 };
    assert!(standings(&all).iter().all(|(_, standing)| *standing == Standing::Sound));
    let cut = FoundTold { is_whole: false, ..all.clone() };
    assert!(
        standings(&cut).iter().all(|(_, standing)| *standing == Standing::NotJudged),
        "findings were left out"
    );
    let one = FoundTold { findings: vec![finding(Some(5), false)], ..all.clone() };
    for (index, standing) in standings(&one) {
        let expected =
            if index == 5 { Standing::Doubted(vec!["some.code".to_owned()]) } else { Standing::Sound };
        assert_eq!(standing, expected, "entry {index}");
    }
    let from = FoundTold { findings: vec![finding(Some(5), true)], ..all.clone() };
    for (index, standing) in standings(&from) {
        assert_eq!(standing == Standing::Sound, index < 5, "entry {index}");
    }
    let whole = FoundTold { findings: vec![finding(None, true)], ..all };
    assert!(standings(&whole).iter().all(|(_, standing)| *standing == Standing::NotJudged));
}

#[test]
fn doubts_are_bounded_and_say_how_many_more_there_are() {
    let mut chronicle = nine_days();
    let findings = (0..500).map(|index| finding(Some(index % 40), false)).collect();
    chronicle.judge(&FoundTold { findings, is_whole: true, judged_up_to: 1_000 });
    assert_eq!(chronicle.doubts.len(), 51);
    assert!(chronicle.doubts[50].message.starts_with("450 findings more"), "{:?}", chronicle.doubts[50]);
    assert!(chronicle.until.since_ms(chronicle.since) > 5 * DAY_MS);
}
