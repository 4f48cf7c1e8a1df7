//! `rollbook gate`: open only for what serves by lawful entries, and every reason told.

use std::fs;

use serde_json::Value;

use rollbook::event::authority::{KeyRevoked, Role};
use rollbook::verifier::finding::FINDINGS_PER_CODE_MAX;

use crate::support::desk::{Answer, Desk};
use crate::support::events;
use crate::support::forge::Forge;

/// As [`Desk::with_releases`]: 1.0.0 served in staging, and 1.1.0 serves there by entry 5.
fn desk() -> Desk {
    let desk = Desk::with_releases();
    desk.copy("ledger/trust.toml", "trust.toml");
    desk
}

/// What the gate says to `line`, and the codes of its reasons.
fn ask(desk: &Desk, line: &str) -> (Option<i32>, Value, Vec<String>) {
    let answer: Answer = desk.run(&format!("--json gate {line}"));
    let json = answer.json();
    let reasons = json["reasons"].as_array().map(Vec::as_slice).unwrap_or_default();
    let codes = reasons.iter().map(|reason| reason["code"].as_str().unwrap().to_owned()).collect();
    (answer.code, json, codes)
}

fn closed(desk: &Desk, line: &str, codes: &[&str]) {
    let (code, json, reasons) = ask(desk, line);
    assert_eq!((code, &json["gate"]), (Some(1), &"closed".into()), "{line}: {json}");
    assert_eq!(reasons, codes, "{line}: {json}");
}

#[test]
fn open_for_what_serves_alone() {
    let desk = desk();
    let (code, json, reasons) = ask(&desk, "scorer 1.1.0 --env staging --trust trust.toml");
    assert_eq!((code, reasons), (Some(0), vec![]), "{json}");
    assert_eq!((&json["gate"], &json["serves"]["entry"]), (&"open".into(), &5.into()));
    assert_eq!((&json["judged"]["size"], &json["judged"]["verdict"]), (&6.into(), &"sound".into()));
    closed(&desk, "scorer 1.2.0 --env staging --trust trust.toml", &["version_unknown"]);
    closed(&desk, "scorer 1.1.0 --env production --trust trust.toml", &["nothing_serves"]);
    closed(&desk, "scorer 1.1.0 --env moon --trust trust.toml", &["nothing_serves"]);
}

/// The desk's two versions are the same files: what serves is asked by digest.
#[test]
fn asked_by_digest() {
    let desk = desk();
    let registered = desk.done_json("show 2");
    let root = registered["event"]["body"]["digest"]["root"].as_str().unwrap().to_owned();
    let (code, json, _) = ask(&desk, &format!("--digest sha256:{root} --env staging --trust trust.toml"));
    assert_eq!((code, &json["serves"]["version"]), (Some(0), &"1.1.0".into()));
    // The older version bears the same digest, and that is what a pipeline holds in its hands.
    assert_eq!(ask(&desk, "scorer 1.0.0 --env staging --trust trust.toml").0, Some(0));
    let other = "00".repeat(32);
    closed(&desk, &format!("--digest {other} --env staging --trust trust.toml"), &["digest_unknown"]);
    desk.refused(&format!("gate --digest sha512:{} --env staging", "00".repeat(64)), 2, &["SHA-256"]);
    desk.refused("gate --digest abc --env staging", 2, &["digest"]);
    desk.refused("gate --env staging", 2, &["required"]);
    desk.refused("gate scorer --env staging", 2, &["VERSION"]);
}

#[test]
fn closed_once_it_was_taken_back_withdrawn_or_retired() {
    let desk = desk();
    desk.write("other/weights.bin", "other weights\n");
    desk.done("--key dora.key register scorer 2.0.0 --path other");
    desk.done("--key dora.key promote scorer 2.0.0 --env staging --repo infra --rev HEAD");
    closed(&desk, "scorer 1.1.0 --env staging --trust trust.toml", &["serves_another"]);
    desk.done("--key dora.key rollback scorer --env staging --repo infra --tag v1 --reason slow");
    closed(&desk, "scorer 2.0.0 --env staging --trust trust.toml", &["serves_another"]);
    assert_eq!(ask(&desk, "scorer 1.1.0 --env staging --trust trust.toml").0, Some(0));
    desk.done("--key dora.key retire scorer 1.1.0 --reason biased");
    closed(&desk, "scorer 1.1.0 --env staging --trust trust.toml", &["version_retired"]);
    desk.done("--key dora.key withdraw scorer --env staging --reason 'end of life'");
    closed(&desk, "scorer 1.1.0 --env staging --trust trust.toml", &["version_retired", "nothing_serves"]);
}

#[test]
fn closed_where_the_ledger_cannot_be_believed() {
    let desk = desk();
    desk.copy("ledger", "copy");
    let log = desk.path("copy/log/00000000000000000000.batches");
    let mut bytes = fs::read(&log).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&log, bytes).unwrap();
    let (code, json, reasons) = ask(&desk, "scorer 1.1.0 --env staging --trust trust.toml --ledger copy");
    assert_eq!(code, Some(1), "{json}");
    assert_eq!(reasons[0], "tampered");

    // Another ledger under the same trust root.
    desk.done(
        "--key alice.key init --ledger other --origin other.example.org/models --admin alice=alice.key.pub",
    );
    let (code, _, reasons) = ask(&desk, "scorer 1.1.0 --env staging --trust trust.toml --ledger other");
    assert_eq!((code, reasons[0].as_str()), (Some(1), "tampered"));

    desk.refused("gate scorer 1.1.0 --env staging --trust nowhere.toml", 2, &["nowhere.toml"]);
    desk.refused("gate scorer 1.1.0 --env staging --ledger model", 2, &["not a ledger"]);
}

#[test]
fn says_size_and_age_and_minds_them() {
    let desk = desk();
    let said = desk.done("gate scorer 1.1.0 --env staging --trust trust.toml --max-age 1h");
    assert!(said.starts_with("open: scorer 1.1.0 serves in staging by entry 5 (sha256:"), "{said}");
    assert!(said.contains("judged: 6 entries, the newest of 20") && said.contains("ledger id "), "{said}");
    closed(&desk, "scorer 1.1.0 --env staging --trust trust.toml --max-age 0s", &["too_old"]);
    desk.refused("gate scorer 1.1.0 --env staging --max-age soon", 2, &["soon"]);
    let said = desk.done("gate scorer 1.1.0 --env staging");
    assert!(said.contains("no trust root was given"), "{said}");
}

/// What serves by an entry that a stolen key signed stays behind the gate until administrators stand behind it.
#[test]
fn closed_over_a_violation_of_the_entry_it_serves_by() {
    let desk = desk();
    desk.done("--key alice.key key revoke dora.key.pub --reason stolen --compromised-since 5");
    closed(&desk, "scorer 1.1.0 --env staging --trust trust.toml", &["violation"]);
}

/// The violation of what serves may be one of those that are counted and no longer listed.
#[test]
fn closed_where_violations_hide_among_too_many() {
    let (ada, dan) = (events::ada(), events::person("Dan"));
    let forged = |notes: u64| {
        let mut forge = Forge::founded();
        forge.add(&[&ada], events::grant(&dan, &[Role::Registrar, Role::Deployer]));
        for _ in 0..notes {
            let event = forge.event(&dan, events::note(1));
            forge.enter_event(event, &[&dan]);
        }
        forge.add(&[&dan], events::register("v1"));
        let promoted = forge.add(&[&dan], events::promote("v1", "staging", None));
        let compromised_since = Some(promoted - notes - 1);
        forge.add(&[&ada], KeyRevoked { compromised_since, ..events::revoke(dan.public()) });
        let desk = Desk::empty();
        forge.write(&desk.path("ledger"));
        desk.write("trust.toml", forge.trust().to_toml());
        desk
    };
    let line = format!("{} v1 --env staging --trust trust.toml", events::MODEL);
    closed(&forged(3), &line, &["violation", "violation"]);
    closed(&forged(FINDINGS_PER_CODE_MAX), &line, &["violation"]);
}
