//! `rollbook explain`, and what the pages say of codes: every code of the program is explained, and the pages name no other.

use std::collections::BTreeSet;
use std::fs;

use rollbook::cli::explain::{Explanation, explanations};
use rollbook::event::body::Kind;
use rollbook::lifecycle::refusal::Refusal;
use rollbook::verifier::finding::{Class, Finding};
use rollbook::verifier::held::{AgeClock, Shortfall};
use rollbook::verifier::log_keys::Unvouched;
use rollbook::verifier::report::Verdict;

use crate::support::desk::Desk;
use crate::support::events::name;
use crate::support::vectors::repository_file;

/// The words of verdicts: those of JSON, and what `sound` is where exit is 4.
fn verdicts() -> impl Iterator<Item = String> {
    let of_json =
        [Verdict::Sound { anchored: true }, Verdict::Tampered, Verdict::Violation, Verdict::CannotTell];
    of_json.map(|verdict| verdict.as_str().to_owned()).into_iter().chain(["not_anchored".to_owned()])
}

/// What can be missing where exit is 4.
pub(crate) fn shortfalls() -> impl Iterator<Item = String> {
    let all = [
        Shortfall::NoTrustRoot,
        Shortfall::LogKeyReplaced { entry: 3, log_key: Unvouched::Lost },
        Shortfall::NotHeldByQuorum { quorum: name("two") },
        Shortfall::TooManyUnheld { unheld: 2, max: 1 },
        Shortfall::TooOld { age_ms: 2, max_ms: 1, clock: AgeClock::Ledger },
        Shortfall::AgeUnknown { max_ms: 1, ahead_ms: None },
    ];
    all.into_iter().map(|missing| serde_json::to_value(missing).unwrap()["code"].as_str().unwrap().to_owned())
}

/// Why a witness signs nothing.
const WITNESS_REFUSALS: [&str; 5] =
    ["unknown_log", "log_signature", "smaller", "other_root", "not_consistent"];

/// What stands in the tables, errors apart: those are operating.md's, and no list of the program's holds them.
fn told() -> Vec<Explanation> {
    let mut told = explanations().unwrap();
    told.retain(|told| told.class != "error");
    told
}

#[test]
fn every_code_is_explained_once_and_no_other() {
    let codes: Vec<String> = told().into_iter().map(|told| told.code).collect();
    let explained: BTreeSet<String> = codes.iter().cloned().collect();
    let exits = (0..=5).map(|exit: u8| exit.to_string());
    let of_witnesses = WITNESS_REFUSALS.map(str::to_owned);
    let others = exits.chain(shortfalls()).chain(of_witnesses);
    let wanted: BTreeSet<String> = Finding::all_codes().chain(verdicts()).chain(others).collect();
    assert_eq!(explained, wanted);
    assert_eq!(codes.len(), wanted.len(), "one is explained twice");
}

#[test]
fn every_explanation_is_whole_and_stands_alone() {
    for told in explanations().unwrap() {
        let mut texts = vec![told.class, told.seen, told.can_mean, told.to_do, told.page];
        if let Some(refused) = told.refused {
            assert!(!refused.rules.is_empty() || refused.code == "key_unknown", "{}", told.code);
            texts.extend([refused.can_mean, refused.to_do]);
        }
        for text in texts {
            assert!(!text.is_empty() && text != "–", "{}: a column is empty", told.code);
            // Of a table one row is shown: what a row refers to is not there.
            let words: Vec<&str> = text.split(|character: char| !character.is_alphanumeric()).collect();
            assert!(!words.contains(&"above") && !words.contains(&"below"), "{}: {text}", told.code);
        }
    }
}

#[test]
fn classes_are_those_of_the_program() {
    for told in told() {
        let class = match told.code.strip_prefix("rule.") {
            Some("rules_unknown") => Some(Class::Unclear),
            Some(_) => Some(Class::Violation),
            None => Finding::class_of(&told.code),
        };
        if let Some(class) = class {
            assert_eq!(told.class, class.as_str(), "{}", told.code);
        }
    }
    let unknown = Finding::Rule { index: 1, refusal: Box::new(Refusal::RulesUnknown { version: 9 }) };
    assert_eq!(unknown.class(), Class::Unclear);
}

#[test]
fn a_finding_is_explained_in_plain_text() {
    let desk = Desk::empty();
    assert_eq!(
        desk.done("explain frame.missing"),
        "frame.missing: tampered\n  \
         seen:     a sound frame begins with too high an index\n  \
         can mean: batches were cut out, or lost\n  \
         to do:    compare with another copy; put log/ and head back together from the newest one\n\
         page: docs/auditing.md, The log's frames\n"
    );
    // As the verdict's line writes it.
    assert!(desk.done("explain TAMPERED").starts_with("tampered: verdict\n"));
    assert!(desk.done("explain 'not anchored' 4").contains("\n\n4: exit\n"));
}

#[test]
fn a_refusal_is_explained_with_its_rules_and_its_hint() {
    let desk = Desk::empty();
    let bare = desk.done("explain approver_is_proposer");
    assert_eq!(bare, desk.done("explain rule.approver_is_proposer"));
    for line in [
        "rule.approver_is_proposer: violation",
        "refused, before it is recorded, as approver_is_proposer:",
        "  to do:    have somebody else sign as well",
        "  rule:     model.promoted: nobody approves what they propose",
    ] {
        assert!(bare.lines().any(|told| told == line), "`{line}` is missing:\n{bare}");
    }
    assert!(bare.contains("rollbook ratify INDEX --accept rule.approver_is_proposer\n"), "{bare}");
    let unclear = desk.done_json("explain rules_unknown");
    assert_eq!((&unclear["class"], &unclear["to_do"]), (&"unclear".into(), &"upgrade this program".into()));
}

#[test]
fn an_error_of_opening_is_explained() {
    let told = Desk::empty().done_json("explain head_lost");
    assert_eq!((&told["class"], &told["page"]), (&"error".into(), &"docs/operating.md, Opening".into()));
    assert_eq!(told["seen"], "the message begins: head holds no readable checkpoint (exit 3)");
    // A code of two things: what is missing for a verdict, and why a ledger does not open.
    let both = Desk::empty().done("explain log_key_replaced");
    let heads: Vec<&str> = both.lines().filter(|line| line.starts_with("log_key_replaced: ")).collect();
    assert_eq!(heads, ["log_key_replaced: not_anchored", "log_key_replaced: error"]);
}

#[test]
fn no_markdown_reaches_the_terminal() {
    let desk = Desk::empty();
    let codes: Vec<String> = explanations().unwrap().into_iter().map(|told| told.code).collect();
    let text = desk.done(&format!("explain {}", codes.join(" ")));
    for mark in ["`", "](", "**", "| ", "<br"] {
        assert!(!text.contains(mark), "{mark}: {text}");
    }
    for line in text.lines() {
        assert!(!line.contains('*'), "{line}");
    }
}

#[test]
fn without_a_code_all_are_listed_with_their_class() {
    let desk = Desk::empty();
    let all = explanations().unwrap();
    let listed = desk.done("explain");
    let lines: Vec<Vec<&str>> = listed.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines, all.iter().map(|told| vec![&*told.code, &*told.class]).collect::<Vec<_>>());
    let objects = desk.done("--json explain");
    assert_eq!(objects.lines().count(), all.len());
    let first: serde_json::Value = serde_json::from_str(objects.lines().next().unwrap()).unwrap();
    let keys: Vec<&str> = first.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["can_mean", "class", "code", "page", "seen", "to_do"]);
    let rule = desk.done_json("explain from_mismatch");
    assert_eq!(rule["code"], "rule.from_mismatch");
    assert_eq!(rule["refused"]["code"], "from_mismatch");
    assert_eq!(rule["refused"]["rules"][0]["event"], "model.promoted");
}

#[test]
fn an_unknown_code_is_refused_with_the_nearest() {
    let desk = Desk::empty();
    for (asked, near) in [
        ("frame.mising", "`frame.missing`"),
        ("form_mismatch", "`from_mismatch`"),
        ("rule.form_mismatch", "`rule.from_mismatch`"),
        ("tempered", "`tampered`"),
    ] {
        desk.refused(&format!("explain {asked}"), 2, &["there is no code", "did you mean", near]);
    }
    desk.refused("explain 7", 2, &["there is no code `7`", "`rollbook explain` lists them all"]);
    // One that is known does not hide one that is not.
    desk.refused("explain tampered frame.mising", 2, &["`frame.mising`"]);
    let answer = desk.run("--json explain zzzzzzzzzzzz");
    let told: serde_json::Value = serde_json::from_str(&answer.stdout).unwrap();
    assert_eq!((answer.code, &told["error"]["code"]), (Some(2), &"usage".into()));
}

#[test]
fn a_verification_points_to_what_explains_its_verdict() {
    let desk = Desk::with_releases();
    let log = "ledger/log/00000000000000000000.batches";
    let hint = |line: &str| {
        let answer = desk.run(line);
        answer.stderr.lines().find(|line| line.contains("rollbook explain")).map(str::to_owned)
    };
    assert_eq!(hint("verify --trust ledger/trust.toml"), None);
    let mut bytes = fs::read(desk.path(log)).unwrap();
    let last = bytes.len() - 40;
    bytes[last] ^= 1;
    desk.write(log, bytes);
    assert_eq!(
        hint("verify --trust ledger/trust.toml").as_deref(),
        Some("  hint: rollbook explain frame.damaged log.unread")
    );
    assert_eq!(hint("--json verify --trust ledger/trust.toml"), None);
    desk.done("explain frame.damaged log.unread");
}

// The threat model.

fn threat_model() -> String {
    fs::read_to_string(repository_file("docs/threat-model.md")).unwrap()
}

/// What stands in backticks in the page, blocks of code apart.
fn spans(page: &str) -> Vec<String> {
    let mut spans = Vec::new();
    for line in page.lines() {
        spans.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
    }
    spans
}

/// Two words with a dot between, which is what codes and kinds of events look like.
fn is_dotted(span: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte == b'-')
    };
    span.split_once('.').is_some_and(|(room, name)| is_word(room) && is_word(name))
}

#[test]
fn the_threat_model_names_findings_that_exist() {
    let codes: BTreeSet<String> = Finding::all_codes().collect();
    let kinds: BTreeSet<&str> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
    let mut named = 0;
    for span in spans(&threat_model()) {
        let end = span.split_once('.').map_or("", |(_, end)| end);
        let is_file = ["toml", "pem", "md", "py", "rs", "state", "note"].contains(&end);
        if !is_dotted(&span) || is_file || kinds.contains(&*span) {
            continue;
        }
        assert!(codes.contains(&span), "{span}");
        named += 1;
    }
    assert!(named > 50, "{named}");
}

/// `file::test` in the page is a test in `tests/suite/file.rs`.
#[test]
fn the_threat_model_rests_on_tests_that_exist() {
    let page = threat_model();
    let mut found = 0;
    for span in spans(&page) {
        let Some((file, test)) = span.split_once("::") else { continue };
        let source = fs::read_to_string(repository_file(&format!("tests/suite/{file}.rs"))).expect(file);
        assert!(source.contains(&format!("fn {test}(")), "{span}");
        found += 1;
    }
    assert!(found > 50, "{found}");
}
