//! Authority in hindsight: compromised keys, violations that administrators accept, broken glass that nobody stood
//! behind, recoveries that took too long. Each history is forced into a log, and ends in exact findings and exit code.

use rollbook::event::authority::{KeyRevoked, Role};
use rollbook::event::release::{ChangeOutcome, ModelPromoted};
use rollbook::lifecycle::rules::incidents::{VIOLATIONS, is_acceptable};
use rollbook::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use rollbook::verifier::finding::{Class, FINDINGS_PER_CODE_MAX};
use rollbook::verifier::report::Report;

use crate::rule_rows_of_evidence::{break_glass, glass_broken, glass_lapsed, serve_both};
use crate::rule_table::{abe, dan, rea, register_three, rita, staff};
use crate::support::events::*;
use crate::support::forge::{Forge, codes};
use crate::support::git_objects::tagged_by;

/// What the histories below end in, for the table of all attacks.
pub(crate) const FINDS: &[&str] = &[
    "key.compromised",
    "key.compromised_basis",
    "git.signer_compromised",
    "break_glass.not_ratified",
    "recovery.slow",
    "recovery.times_differ",
    "ratification.accepts_nothing",
];

/// A history, and what a verifier finds in it: code and entry, and whether it was accepted.
pub(crate) struct Case {
    pub(crate) says: &'static str,
    finds: &'static [(&'static str, u64, Option<u64>)],
    exit: u8,
    pub(crate) history: fn(&mut Forge),
}

fn compromised(person: &Person, since: u64) -> KeyRevoked {
    KeyRevoked { compromised_since: Some(since), ..revoke(person.public()) }
}

/// Three versions registered (entries 5, 6, 7), v2 promoted (8), the registrar's key stolen before entry 6 (9).
fn registrar_robbed(forge: &mut Forge) {
    register_three(forge);
    forge.add(&[&dan()], promote("v2", "staging", None));
    forge.add(&[&ada()], compromised(&rea(), 6));
}

pub(crate) const CASES: &[Case] = &[
    Case {
        says: "what a compromised key signed is a violation, what others built on it is told",
        finds: &[
            ("key.compromised", 6, None),
            ("key.compromised", 7, None),
            ("key.compromised_basis", 8, None),
        ],
        exit: 1,
        history: registrar_robbed,
    },
    Case {
        says: "a tag that a compromised key signed is a violation of whoever releases by it",
        finds: &[("git.signer_compromised", 8, None)],
        exit: 1,
        history: |forge| {
            register_three(forge);
            let infra = tagged_by(&abe());
            forge.add(&[&dan()], ModelPromoted { infra, ..promote("v2", "staging", None) });
            forge.add(&[&ada()], compromised(&abe(), 8));
        },
    },
    Case {
        says: "administrators accept it entry by entry",
        finds: &[
            ("key.compromised", 6, Some(10)),
            ("key.compromised", 7, Some(11)),
            ("key.compromised_basis", 8, None),
        ],
        exit: 0,
        history: |forge| {
            registrar_robbed(forge);
            forge.add(&[&ada()], accept(6, &["key.compromised"]));
            forge.add(&[&ada()], accept(7, &["key.compromised"]));
        },
    },
    Case {
        says: "one that is left decides",
        finds: &[
            ("key.compromised", 6, None),
            ("key.compromised", 7, Some(10)),
            ("key.compromised_basis", 8, None),
        ],
        exit: 1,
        history: |forge| {
            registrar_robbed(forge);
            forge.add(&[&ada()], accept(7, &["key.compromised"]));
        },
    },
    Case {
        says: "an acceptance of another entry accepts nothing",
        finds: &[
            ("key.compromised", 6, None),
            ("key.compromised", 7, None),
            ("key.compromised_basis", 8, None),
            ("ratification.accepts_nothing", 10, None),
        ],
        exit: 1,
        history: |forge| {
            registrar_robbed(forge);
            forge.add(&[&ada()], accept(5, &["key.compromised"]));
        },
    },
    Case {
        says: "who was granted a key by a compromised administrator rests on that",
        finds: &[("key.compromised", 6, None), ("key.compromised_basis", 7, None)],
        exit: 1,
        history: |forge| {
            staff(forge);
            forge.add(&[&ada()], grant(&person("Eve"), &[Role::Admin]));
            forge.add(&[&person("Eve")], grant(&person("Tim"), &[Role::Registrar]));
            forge.add(&[&person("Tim")], register("v1"));
            forge.add(&[&ada()], compromised(&person("Eve"), 6));
        },
    },
    Case {
        says: "a key revoked without a word of compromise leaves the past as it was",
        finds: &[],
        exit: 0,
        history: |forge| {
            register_three(forge);
            forge.add(&[&ada()], revoke(rea().public()));
        },
    },
    Case {
        says: "an acceptance forced into the log by somebody else accepts nothing",
        finds: &[
            ("key.compromised", 6, None),
            ("key.compromised", 7, None),
            ("key.compromised_basis", 8, None),
            ("rule.signer_lacks_role", 10, None),
        ],
        exit: 1,
        history: |forge| {
            registrar_robbed(forge);
            forge.add(&[&dan()], accept(6, &["key.compromised"]));
        },
    },
    Case {
        says: "an unlawful entry that was accepted stays listed, and has no more effect than before",
        finds: &[("rule.signer_lacks_role", 8, Some(9)), ("rule.nothing_serves", 10, None)],
        exit: 1,
        history: |forge| {
            register_three(forge);
            forge.add(&[&abe()], promote("v1", "staging", None));
            forge.add(&[&ada()], accept(8, &["rule.signer_lacks_role"]));
            forge.add(&[&dan()], withdraw("staging", serving("v1", 8)));
        },
    },
    Case {
        says: "nobody stood behind broken glass in time",
        finds: &[("break_glass.not_ratified", 11, None)],
        exit: 1,
        history: glass_lapsed,
    },
    Case {
        says: "as long as nothing was recorded after the deadline, it is owed and no violation",
        finds: &[],
        exit: 0,
        history: glass_broken,
    },
    Case {
        says: "an entry that is unlawful lets time pass all the same",
        finds: &[("break_glass.not_ratified", 11, None), ("rule.signer_unknown", 12, None)],
        exit: 1,
        history: |forge| {
            glass_broken(forge);
            forge.now = forge.now.plus_ms(2 * HOUR_MS);
            forge.add(&[&person("Mallory")], note(1));
        },
    },
    Case {
        says: "a rollback that nobody reports on is judged by its own time",
        finds: &[("recovery.slow", 11, None)],
        exit: 0,
        history: |forge| {
            serve_both(forge, "[[environment]]\nname = 'production'\n");
            forge.add(&[&rita()], incident("INC-7", "production"));
            forge.now = forge.now.plus_ms(5 * MINUTE_MS);
            forge.add(&[&rita()], incident_rollback());
        },
    },
    Case {
        says: "a recovery is measured from the incident that is open, by recorded times, and told by claimed ones",
        finds: &[("recovery.slow", 11, None), ("recovery.times_differ", 11, None)],
        exit: 0,
        history: |forge| {
            serve_both(forge, "[[environment]]\nname = 'production'\n");
            forge.add(&[&rita()], incident("INC-7", "production"));
            forge.add(&[&rita()], incident_rollback());
            forge.add(&[&rita()], resolved("INC-7"));
            forge.now = forge.now.plus_ms(DAY_MS);
            // As if it had been over after four minutes.
            let mut body = complete(11, ChangeOutcome::Succeeded);
            body.completed_at = beginning().plus_ms(4 * MINUTE_MS);
            forge.add(&[&rita()], body);
        },
    },
    Case {
        says: "a rollback that failed has recovered nothing",
        finds: &[],
        exit: 0,
        history: |forge| {
            serve_both(forge, "[[environment]]\nname = 'production'\n");
            forge.add(&[&rita()], incident("INC-7", "production"));
            forge.add(&[&rita()], incident_rollback());
            forge.now = forge.now.plus_ms(DAY_MS);
            forge.add(&[&rita()], complete(11, ChangeOutcome::Failed));
        },
    },
];

fn incident_rollback() -> rollbook::event::release::ModelRolledBack {
    let break_glass = break_glass();
    rollbook::event::release::ModelRolledBack { break_glass: false, ..break_glass }
}

fn found(report: &Report) -> Vec<(String, u64, Option<u64>)> {
    let of_entry = report.findings.iter().map(|found| {
        (found.code().into_owned(), found.index().expect("each is about an entry"), found.accepted_by())
    });
    of_entry.collect()
}

#[test]
fn each_history_ends_in_its_findings() {
    for Case { says, finds, exit, history } in CASES {
        let mut forge = Forge::new();
        history(&mut forge);
        let report = forge.verify();
        let expected: Vec<_> =
            finds.iter().map(|&(code, index, accepted)| (code.to_owned(), index, accepted)).collect();
        assert_eq!(found(&report), expected, "{says}");
        assert_eq!(report.verdict.exit_code(), *exit, "{says}");
    }
}

/// More violations than are listed: each of them has to be accepted all the same.
#[test]
fn no_violation_hides_among_many_that_were_accepted() {
    let many = FINDINGS_PER_CODE_MAX + 5;
    for left_out in [None, Some(many - 1), Some(3)] {
        let mut forge = Forge::founded();
        for _ in 0..many {
            let event = forge.event(&person("Mallory"), note(0));
            forge.enter_event(event, &[&person("Mallory")]);
        }
        forge.seal();
        for number in (0..many).filter(|number| Some(*number) != left_out) {
            let event = forge.event(&ada(), accept(1 + number, &["rule.signer_unknown"]));
            forge.enter_event(event, &[&ada()]);
        }
        forge.seal();
        let report = forge.verify();
        assert_eq!(report.finding_counts["rule.signer_unknown"], many);
        assert_eq!(report.finding_counts.len(), 1);
        assert_eq!(report.verdict.exit_code(), u8::from(left_out.is_some()), "{left_out:?}");
    }
}

/// What administrators may accept is what the verifier calls a violation, and nothing that is tampered with.
#[test]
fn what_can_be_accepted_is_every_violation() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/auditing.md")).unwrap();
    let told = |class: Class| {
        let row = move |line: &&str| line.contains(&format!("` | {class} |"));
        page.lines().filter(row).map(|line| line.split('`').nth(1).unwrap()).collect::<Vec<_>>()
    };
    // What is found of a model's files or of whoever signed it, no word in the log can settle.
    let of_log = |code: &&str| !code.starts_with("model.");
    let mut violations: Vec<&str> = told(Class::Violation).into_iter().filter(of_log).collect();
    violations.sort_unstable();
    let mut acceptable = VIOLATIONS.to_vec();
    acceptable.sort_unstable();
    assert_eq!(violations, acceptable);
    assert!(!told(Class::Tampered).into_iter().any(is_acceptable));
    assert!(is_acceptable("rule.approvals_missing") && !is_acceptable("rule.no_such_rule"));
}

#[test]
fn accepted_findings_say_so_in_text_and_json() {
    let mut forge = Forge::new();
    registrar_robbed(&mut forge);
    forge.add(&[&ada()], accept(6, &["key.compromised"]));
    let report = forge.verify();
    assert_eq!(codes(&report).len(), 3);
    let json = serde_json::to_value(&report.findings).unwrap();
    assert_eq!((&json[0]["class"], &json[0]["accepted_by"]), (&"remark".into(), &10.into()));
    assert_eq!((&json[1]["class"], json[1].get("accepted_by")), (&"violation".into(), None));
    assert!(report.findings[0].to_string().ends_with("(accepted by entry 10)"));
}
