//! The whole story of a regulated release, at the command line: measured with a fairness metric, run in the shadow, promoted
//! blue-green by two people, drifting, in an incident, rolled back under five minutes with sessions preserved, completed, ratified.

use serde_json::{Value, json};

use crate::support::desk::Desk;

const POLICY: &str = "schema = 2
administrators.threshold = 1
[[environment]]
name = 'staging'
[[environment]]
name = 'production'
[environment.promote]
approvals = 1
after = ['staging']
evaluations = [{ kind = 'fairness', suite = 'fairlearn', max_age = '30d' }, { kind = 'shadow' }]
[environment.rollback]
approvals = 1
incident = true
target = '5m'
[environment.rollback.break_glass]
roles = ['responder']
ratify_within = '24h'
";

/// Entries: 1 to 5 grants, 6 the policy, 7 and 8 two versions.
fn desk() -> Desk {
    let desk = Desk::founded();
    let everywhere = "--env '*' --model '*'";
    desk.grant("alice", &format!("--role evaluator {everywhere}"));
    desk.grant("bob", &format!("--role approver {everywhere}"));
    desk.grant("carl", &format!("--role registrar --role deployer {everywhere}"));
    desk.grant("dora", &format!("--role responder {everywhere}"));
    desk.grant("eve", &format!("--role approver --role evaluator {everywhere}"));
    desk.write("policy.toml", POLICY);
    desk.done("--key alice.key policy set policy.toml --yes");
    for version in ["1.0.0", "1.1.0"] {
        desk.write(&format!("{version}/weights.bin"), version);
        desk.done(&format!("--key carl.key register scorer {version} --path {version}"));
    }
    desk.copy("ledger/trust.toml", "trust.toml");
    desk
}

fn dataset() -> String {
    format!("loans=sha256:{}", "ab".repeat(32))
}

fn evaluate(desk: &Desk, version: &str, kind: &str, rest: &str) {
    let data = dataset();
    desk.done(&format!(
        "--key eve.key evaluate scorer {version} --kind {kind} --suite fairlearn@0.12.0 --dataset {data} {rest}"
    ));
}

/// The payload that Alertmanager 0.25 posts, cut to what is read and some that is not.
fn delivery(alerts: &Value) -> String {
    json!({
        "receiver": "rollbook", "status": "firing", "alerts": alerts,
        "groupLabels": { "alertname": "ModelDrift" }, "commonLabels": {}, "commonAnnotations": {},
        "externalURL": "http://alertmanager:9093", "version": "4", "groupKey": "{}:{alertname=\"ModelDrift\"}",
        "truncatedAlerts": 0
    })
    .to_string()
}

fn alert(fingerprint: &str, status: &str, labels: &Value) -> Value {
    json!({
        "status": status,
        "labels": labels,
        "annotations": { "value": "0.31", "threshold": "0.2", "summary": "income drifts" },
        "startsAt": "2026-03-01T10:00:00.000Z",
        "endsAt": if status == "firing" { "0001-01-01T00:00:00Z" } else { "2026-03-01T11:00:00.000Z" },
        "generatorURL": "http://prometheus:9090/graph", "fingerprint": fingerprint
    })
}

fn labels() -> Value {
    json!({
        "alertname": "ModelDrift", "environment": "production", "model": "scorer", "drift_kind": "data",
        "statistic": "psi", "feature": "income", "monitor": "evidently"
    })
}

#[test]
fn a_regulated_release_from_measurement_to_ratification() {
    let desk = desk();
    // What is still missing, all of it at once.
    let promote = |version: &str, rest: &str| {
        format!("promote scorer {version} --repo infra --tag v1 --strategy blue-green {rest}")
    };
    let missing =
        desk.run(&format!("--json --key carl.key {}", promote("1.0.0", "--env production --dry-run")));
    assert_eq!(missing.code, Some(1));
    let refused = &missing.json()["refused"];
    let also = refused["also"].as_array().unwrap().iter().map(|also| also["code"].as_str().unwrap());
    let codes: Vec<&str> = std::iter::once(refused["code"].as_str().unwrap()).chain(also).collect();
    assert_eq!(codes, ["approvals_missing", "order_not_met", "evaluation_missing", "evaluation_missing"]);

    for version in ["1.0.0", "1.1.0"] {
        evaluate(&desk, version, "fairness", "--metric demographic_parity_difference=0.04:max=0.1");
        desk.done(&format!("--key carl.key {}", promote(version, "--env staging")));
        evaluate(&desk, version, "shadow", "--env staging --metric error_rate=0.01:max=0.02");
        desk.done(&format!("--key carl.key --key bob.key {}", promote(version, "--env production")));
    }
    // The evaluations that the policy asks for are cited.
    let promoted = desk.done_json("show 16");
    assert_eq!(promoted["event"]["body"]["evidence"], json!([13, 15]));
    assert_eq!(promoted["event"]["body"]["strategy"], "blue-green");
    desk.done("--key carl.key complete 16 --succeeded");

    // One alert is good, one lacks a label; delivered twice.
    let mut nameless = labels();
    nameless.as_object_mut().unwrap().remove("model");
    desk.write(
        "firing.json",
        delivery(&json!([alert("aa11", "firing", &labels()), alert("bb22", "firing", &nameless)])),
    );
    let told = desk.run("--key eve.key drift --from-alertmanager firing.json");
    assert_eq!(told.code, Some(1), "{told:?}");
    assert!(told.stdout.contains("recorded as entry 18: alert aa11: data drift of scorer"), "{told:?}");
    assert!(told.stdout.contains("skipped: alert bb22 lacks label `model`"), "{told:?}");
    let again = desk.run("--json --key eve.key drift --from-alertmanager firing.json").json_lines();
    assert_eq!((&again[0]["index"], &again[0]["repeated"]), (&18.into(), &true.into()));
    desk.write("over.json", delivery(&json!([alert("aa11", "resolved", &labels())])));
    desk.done("--key eve.key drift --from-alertmanager over.json");
    let drift = desk.done_json("show 18");
    assert_eq!(drift["event"]["header"]["basis"]["observed"]["system"], "alertmanager");

    desk.done("--key dora.key incident open INC-7 --env production --severity sev1 --evidence 18");
    let back = "rollback scorer --env production --repo infra --tag v1 --reason unfair --incident INC-7";
    desk.refused(&format!("--key dora.key {back}"), 1, &["the act needs 2 signers, 1 signed"]);
    desk.done(&format!("--key dora.key {back} --break-glass --session-state preserved"));
    let status = desk.done("status");
    assert!(status.contains("owed: `rollbook ratify 21` by"), "{status}");
    assert!(status.contains("incident INC-7 is open"), "{status}");
    desk.done("--key dora.key complete 21 --succeeded");
    desk.refused("--key carl.key ratify 21", 1, &["role"]);
    desk.done("--key bob.key ratify 21 --reason 'right at once'");
    desk.refused("--key bob.key ratify 21", 1, &["nothing about entry 21"]);
    desk.done("--key dora.key incident resolve INC-7");
    desk.refused("--key dora.key incident resolve INC-7", 1, &["INC-7 is not open"]);
    assert!(!desk.done("status").contains("owed"));

    desk.done("gate scorer 1.0.0 --env production --trust trust.toml");
    assert_eq!(desk.run("gate scorer 1.1.0 --env production --trust trust.toml").code, Some(1));
    let report = desk.done_json("verify --trust trust.toml");
    assert_eq!((&report["verdict"], &report["findings"]), (&"sound".into(), &json!([])));
}

#[test]
fn a_failed_evaluation_after_a_passed_one_closes_the_way() {
    let desk = desk();
    let promote = "--key carl.key --key bob.key promote scorer 1.0.0 --env production --repo infra --tag v1";
    evaluate(&desk, "1.0.0", "fairness", "--metric demographic_parity_difference=0.04:max=0.1");
    evaluate(&desk, "1.0.0", "shadow", "--metric error_rate=0.01:max=0.02");
    desk.done("--key carl.key promote scorer 1.0.0 --env staging --repo infra --tag v1");
    desk.done(&format!("{promote} --dry-run"));
    evaluate(&desk, "1.0.0", "fairness", "--metric demographic_parity_difference=0.29:max=0.1");
    desk.refused(promote, 1, &["failed", "fairness by fairlearn"]);
}

/// Files and options of evaluations that cannot be recorded: each named, nothing written.
#[test]
fn bad_measurements_are_named_and_nothing_is_written() {
    let desk = desk();
    let data = dataset();
    let base =
        format!("--key eve.key evaluate scorer 1.0.0 --kind fairness --suite fairlearn --dataset {data}");
    desk.write("metrics.json", r#"{"auc": 0.91, "group": {"parity": 0.04}}"#);
    desk.write("bounds.toml", "[auc]\nmin = 0.8\n[recall]\nmin = 0.5\n");
    desk.write("infinite.json", r#"{"auc": 1e999}"#);
    desk.write("nan.json", r#"{"auc": NaN}"#);
    let own = |outcome: &str| {
        format!(r#"{{"metrics": [{{"name": "auc", "value": 0.5, "min": 0.8}}], "outcome": "{outcome}"}}"#)
    };
    desk.write("claimed.json", own("passed"));
    desk.write("other.json", r#"{"model": "other", "metrics": [{"name": "auc", "value": 0.5}]}"#);
    desk.write("unknown.json", r#"{"metrics": [], "outcom": "passed"}"#);
    for (line, words) in [
        ("--metric auc=inf", vec!["auc", "finite"]),
        ("--metric auc=nan", vec!["auc", "finite"]),
        ("--metric auc", vec!["auc", "no value"]),
        ("--metric auc=0.5:least=1", vec!["`least` is no bound"]),
        ("--metric auc=0.5:min=2:max=1", vec!["auc"]),
        ("--metric auc=0.5 --metric auc=0.6", vec!["auc"]),
        ("--from metrics.json --bounds bounds.toml", vec!["recall"]),
        ("--from infinite.json", vec!["auc"]),
        ("--from nan.json", vec!["nan.json"]),
        ("--from claimed.json", vec!["claimed.json", "auc"]),
        ("--from other.json", vec!["the command line says model `scorer`, and the file says `other`"]),
        ("--from unknown.json", vec!["outcom"]),
        ("--from nowhere.json", vec!["nowhere.json"]),
    ] {
        desk.refused(&format!("{base} {line}"), 2, &words);
    }
    let no_kind = format!("--key eve.key evaluate scorer 1.0.0 --metric auc=1 --suite s --dataset {data}");
    desk.refused(&no_kind, 2, &["nothing says the evaluation's kind", "hint: say --kind K"]);
    desk.refused(&format!("{no_kind}00 --kind other"), 2, &["not a digest"]);
    desk.write("bounds.toml", "[auc]\nmin = 0.8\n[\"group.parity\"]\nmax = 0.1\n");
    desk.done(&format!("{base} --from metrics.json --bounds bounds.toml"));
    desk.done(&format!("{base} --from {}", "metrics.json --format metrics"));
}

#[test]
fn what_is_accepted_must_have_been_found() {
    let desk = desk();
    let said = &["entry 7 has no `rule.approvals_missing` to accept: it has no violation"];
    desk.refused("--key alice.key ratify 7 --accept rule.approvals_missing", 1, said);
    desk.refused(
        "--key alice.key ratify 7 --accept checkpoint.root",
        1,
        &["no violation that could be accepted"],
    );
    desk.done("--key alice.key key revoke carl.key.pub --reason stolen --compromised-since 8");
    assert_eq!(desk.run("verify --trust trust.toml").code, Some(1));
    desk.done("--key alice.key ratify 8 --accept key.compromised --reason 'checked by hand'");
    desk.done("verify --trust trust.toml");
    desk.refused("--key alice.key ratify 8 --accept key.compromised", 1, &["accepted by entry 10"]);
}
