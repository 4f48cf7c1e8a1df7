//! Witnesses: what they hold of a log, what a rewritten history is found by, and cosigning by hand.

use std::process::Stdio;

use ed25519_dalek::SigningKey;
use rollbook::event::authority::RotationCause;
use rollbook::hash::Hash;
use rollbook::log::quorum::Cosignature;
use rollbook::log::trust_root::TrustRoot;
use rollbook::log::witness::extension_in;
use rollbook::merkle::tree::EMPTY_ROOT;
use rollbook::note::checkpoint::{Checkpoint, Origin, sign_checkpoint};
use rollbook::note::cosignature::cosign;
use rollbook::note::signed_note::Note;
use rollbook::note::vkey::{KeyKind, VerifierKey};
use rollbook::store::files::FileSource;
use rollbook::store::head::HeadState;
use rollbook::time::{HOUR_MS, MINUTE_MS, Timestamp};
use rollbook::verifier::cosigned::CosignedFile;
use rollbook::verifier::held::{AgeClock, HeldBy, MaxAge, Shortfall};
use rollbook::verifier::log_keys::Unvouched;
use rollbook::verifier::report::{CheckpointOutcome, Report, render};
use rollbook::verifier::verify::{EarlierCheckpoint, Options, verify_dir};

use super::support::desk::Desk;
use super::support::events::*;
use super::support::forge::{Forge, codes, quick, verify_log};
use super::support::test_ledger::{ORIGIN, TestLedger, Who};

/// What these tests make the verifier find of the codes that [`super::verifier_attacks`] looks for.
pub const FINDS: [&str; 1] = ["cosigned.unfit"];

fn witness_key(number: u8) -> SigningKey {
    SigningKey::from_bytes(&[100 + number; 32])
}

fn witness_vkey(number: u8) -> VerifierKey {
    VerifierKey::of_signing_key(
        &format!("w{number}.example.org"),
        KeyKind::CosignatureV1,
        &witness_key(number),
    )
    .unwrap()
}

fn strangers() -> SigningKey {
    SigningKey::from_bytes(&[66; 32])
}

/// The note, cosigned by these witnesses at these minutes.
fn cosigned(note: &[u8], by: &[(u8, i64)]) -> Vec<u8> {
    let mut note = Note::parse(note).unwrap();
    for &(number, at) in by {
        let name = format!("w{number}.example.org");
        let line = cosign(&name, &witness_key(number), note.text(), minute(at)).unwrap();
        note = note.with_signature(line).unwrap();
    }
    note.encode()
}

/// The log's trust root with the witnesses `w1`, `w2` and `w3`, and this quorum: a witness, `none`, or `two` of them.
fn trust_of(forge: &Forge, quorum: &str) -> TrustRoot {
    let mut text = forge.trust().to_toml() + &format!("quorum = \"{quorum}\"\n");
    for number in 1..=3 {
        text += &format!("[[witness]]\nname = \"w{number}\"\nkey = \"{}\"\n", witness_vkey(number));
    }
    text += "[[group]]\nname = \"two\"\nthreshold = 2\nmembers = [\"w1\", \"w2\", \"w3\"]\n";
    text.parse().unwrap()
}

/// A log of `size` entries, a batch each; entries from `rewritten` on are other ones than in [`honest`].
fn log(size: u64, rewritten: u64) -> Forge {
    let mut forge = Forge::new();
    for index in 0..size {
        if index == rewritten {
            forge.now = forge.now.plus_ms(1);
        }
        match index {
            0 => forge.add(&[&ada()], created(&[&ada()], forge.log_public())),
            _ => forge.add(&[&ada()], note(0)),
        };
    }
    forge
}

fn honest(size: u64) -> Forge {
    log(size, u64::MAX)
}

/// A log and all that is held against it.
struct Case {
    forge: Forge,
    head: HeadState,
    trust: Option<TrustRoot>,
    kept: Vec<Vec<u8>>,
    cosigned: Vec<(u64, Vec<u8>)>,
    max_unheld: Option<u64>,
    /// Span and now, in minutes.
    max_age: Option<(i64, i64)>,
}

impl Case {
    fn of(forge: Forge, quorum: &str) -> Self {
        let (head, trust) = (forge.head(), Some(trust_of(&forge, quorum)));
        let (kept, cosigned) = (Vec::new(), Vec::new());
        Self { forge, head, trust, kept, cosigned, max_unheld: None, max_age: None }
    }

    fn keeping(mut self, note: &[u8]) -> Self {
        self.kept.push(note.to_vec());
        self
    }

    /// With this file in `cosigned/`.
    fn file(mut self, size: u64, bytes: &[u8]) -> Self {
        self.cosigned.push((size, bytes.to_vec()));
        self
    }

    /// With the honest log's checkpoint of `size` in `cosigned/`, cosigned at these minutes.
    fn cosigned(self, size: u64, by: &[(u8, i64)]) -> Self {
        let note = cosigned(honest(size).newest_note(), by);
        self.file(size, &note)
    }

    fn verify(&self) -> Report {
        let kept: Vec<_> =
            self.kept.iter().map(|note| EarlierCheckpoint::parse("kept", note).unwrap()).collect();
        let files: Vec<_> =
            self.cosigned.iter().map(|(size, bytes)| CosignedFile::parse(*size, bytes)).collect();
        let max_age = self.max_age.map(|(span, now)| MaxAge { span_ms: span * MINUTE_MS, now: minute(now) });
        let options = Options {
            trust: self.trust.as_ref(),
            checkpoints: &kept,
            cosigned: &files,
            max_unheld: self.max_unheld,
            max_age,
            ..quick()
        };
        verify_log(&self.forge.log(), self.head.clone(), &options)
    }
}

struct Row {
    says: &'static str,
    exit: u8,
    finds: &'static [&'static str],
    /// The size that is held.
    held: Option<u64>,
    case: fn() -> Case,
}

const fn row(
    says: &'static str,
    exit: u8,
    finds: &'static [&'static str],
    held: Option<u64>,
    case: fn() -> Case,
) -> Row {
    Row { says, exit, finds, held, case }
}

const ROWS: &[Row] = &[
    // Held, and by whom.
    row("witnesses without a quorum are asked for nothing", 0, &[], None, || Case::of(honest(5), "none")),
    row("a quorum that cosigned nothing", 4, &[], None, || Case::of(honest(5), "two")),
    row("a quorum cosigned the whole log", 0, &[], Some(5), || {
        Case::of(honest(5), "two").cosigned(5, &[(1, 10), (3, 11)])
    }),
    row("a quorum cosigned a part of the log", 0, &[], Some(3), || {
        Case::of(honest(5), "two").cosigned(3, &[(1, 10), (3, 11)])
    }),
    row("the newest of several counts", 0, &[], Some(4), || {
        let case = Case::of(honest(5), "two").cosigned(2, &[(1, 10), (2, 11)]);
        case.cosigned(4, &[(1, 20), (3, 20)]).cosigned(5, &[(2, 30)])
    }),
    row("one witness is no quorum of two", 4, &[], None, || {
        Case::of(honest(5), "two").cosigned(5, &[(1, 10)])
    }),
    row("one witness twice is no quorum of two", 4, &[], None, || {
        Case::of(honest(5), "two").cosigned(5, &[(1, 10), (1, 11)])
    }),
    row("two halves of a quorum on two notes are none", 4, &[], None, || {
        Case::of(honest(5), "two").cosigned(4, &[(1, 10)]).cosigned(5, &[(2, 11)])
    }),
    row("a checkpoint that somebody kept is no quorum", 4, &[], Some(5), || {
        Case::of(honest(5), "two").keeping(honest(5).newest_note())
    }),
    row("a checkpoint that somebody kept bears the quorum's cosignatures", 0, &[], Some(5), || {
        Case::of(honest(5), "two").keeping(&cosigned(honest(5).newest_note(), &[(1, 10), (2, 10)]))
    }),
    row("what is kept holds more than the quorum does", 0, &[], Some(5), || {
        Case::of(honest(5), "two").cosigned(3, &[(1, 10), (2, 10)]).keeping(honest(5).newest_note())
    }),
    row("without a quorum, notes in the ledger hold nothing", 0, &[], None, || {
        Case::of(honest(5), "none").cosigned(5, &[(1, 10), (2, 10)])
    }),
    row("strangers' cosignatures count for nothing", 4, &[], None, || {
        Case::of(honest(5), "two").cosigned(5, &[(7, 10), (8, 10)])
    }),
    row("strangers' cosignatures of another history count for nothing", 0, &[], None, || {
        let note = cosigned(log(5, 2).newest_note(), &[(7, 10), (8, 10)]);
        Case::of(honest(5), "none").file(5, &note)
    }),
    row("without a trust root, nobody is a witness", 4, &[], None, || Case {
        trust: None,
        ..Case::of(honest(5), "two").cosigned(5, &[(1, 10), (2, 10)])
    }),
    row("the empty log is no holding", 4, &[], None, || {
        let origin = Origin::new("example.com/releases").unwrap();
        let empty = Checkpoint::new(origin, 0, EMPTY_ROOT);
        let note = sign_checkpoint(&empty, &[&Forge::new().log_key]).unwrap();
        Case::of(honest(5), "w1").file(0, &cosigned(&note, &[(1, 10)]))
    }),
    // A history that the holder of the log key rewrote, entry 0 included: by each means alone.
    row("rewritten from entry 0, and the ledger id is pinned", 1, &["trust.ledger_id"], None, || Case {
        trust: Some(honest(5).trust()),
        ..Case::of(log(5, 0), "none")
    }),
    row("rewritten from entry 0, and a checkpoint was kept", 1, &["anchor.root"], None, || {
        Case { trust: None, ..Case::of(log(5, 0), "none") }.keeping(honest(3).newest_note())
    }),
    row("rewritten from entry 0, and a witness saw the one before", 1, &["anchor.root"], None, || {
        Case::of(log(5, 0), "none").cosigned(3, &[(1, 10)])
    }),
    row("rewritten from entry 0, and nothing is held against it", 4, &[], None, || Case {
        trust: None,
        ..Case::of(log(5, 0), "none")
    }),
    // Rewritten from entry 3 on.
    row("rewritten from entry 3, and the ledger id alone is pinned", 0, &[], None, || Case {
        trust: Some(honest(5).trust()),
        ..Case::of(log(5, 3), "none")
    }),
    row("rewritten from entry 3, and a checkpoint beyond was kept", 1, &["anchor.root"], None, || {
        Case { trust: None, ..Case::of(log(5, 3), "none") }.keeping(honest(4).newest_note())
    }),
    row("rewritten from entry 3, and a witness saw beyond", 1, &["anchor.root"], None, || {
        Case::of(log(5, 3), "none").cosigned(4, &[(2, 10)])
    }),
    row("rewritten from entry 3, and the quorum saw beyond", 1, &["anchor.root"], None, || {
        Case::of(log(5, 3), "two").cosigned(4, &[(1, 10), (2, 10)])
    }),
    row("rewritten from entry 3, and what was kept ends before", 0, &[], Some(3), || {
        Case::of(log(5, 3), "none").keeping(honest(3).newest_note())
    }),
    row("rewritten from entry 3, and what the quorum saw ends before", 0, &[], Some(3), || {
        Case::of(log(5, 3), "two").cosigned(3, &[(1, 10), (2, 10)])
    }),
    // A backup that was put back.
    row(
        "the quorum saw more than there is",
        1,
        &["log.shorter_than_checkpoint", "entry.missing"],
        None,
        || Case::of(honest(4), "two").cosigned(5, &[(1, 10), (2, 10)]),
    ),
    row(
        "one witness saw more than there is",
        1,
        &["log.shorter_than_checkpoint", "entry.missing"],
        None,
        || Case::of(honest(4), "none").cosigned(5, &[(1, 10)]),
    ),
    row("head lags behind what the quorum saw", 0, &[], Some(5), || Case {
        head: honest(4).head(),
        ..Case::of(honest(5), "two").cosigned(5, &[(1, 10), (2, 10)])
    }),
    row("head lags, and what nobody known cosigned shows nothing behind it", 0, &[], None, || Case {
        head: honest(4).head(),
        ..Case::of(honest(5), "none").cosigned(5, &[(7, 10)])
    }),
    // Files that anybody may have put there.
    row("a file that is no note", 0, &["cosigned.unfit"], Some(5), || {
        Case::of(honest(5), "two").cosigned(5, &[(1, 10), (2, 10)]).file(7, b"trust me\n")
    }),
    row("an empty file", 0, &["cosigned.unfit"], None, || Case::of(honest(5), "none").file(7, b"")),
    row("a note under another size's name", 4, &["cosigned.unfit"], None, || {
        let note = cosigned(honest(5).newest_note(), &[(1, 10), (2, 10)]);
        Case::of(honest(5), "two").file(4, &note)
    }),
    row("a note of another log", 0, &["cosigned.unfit"], None, || {
        let checkpoint = Checkpoint::new(Origin::new("example.com/other").unwrap(), 3, honest(3).root());
        let note = sign_checkpoint(&checkpoint, &[&Forge::new().log_key]).unwrap();
        Case::of(honest(5), "none").file(3, &cosigned(&note, &[(1, 10)]))
    }),
    row("a note with a witness's line that fails", 4, &["cosigned.unfit"], None, || {
        let mut note = Note::parse(&cosigned(honest(5).newest_note(), &[(1, 10), (2, 10)])).unwrap();
        let foreign = Note::parse(&cosigned(honest(4).newest_note(), &[(3, 10)])).unwrap();
        note = note.with_signature(foreign.signatures()[1].clone()).unwrap();
        Case::of(honest(5), "two").file(5, &note.encode())
    }),
    row("a kept checkpoint with a witness's line that fails", 1, &["anchor.signature"], None, || {
        let note = Note::parse(honest(5).newest_note()).unwrap();
        let foreign = Note::parse(&cosigned(honest(4).newest_note(), &[(3, 10)])).unwrap();
        let note = note.with_signature(foreign.signatures()[1].clone()).unwrap();
        Case::of(honest(5), "none").keeping(&note.encode())
    }),
    row("witnesses cosigned what another key signed", 1, &["anchor.signature"], None, || {
        let checkpoint = Checkpoint::new(honest(3).origin, 3, honest(3).root());
        let note = sign_checkpoint(&checkpoint, &[&strangers()]).unwrap();
        Case::of(honest(5), "two").file(3, &cosigned(&note, &[(1, 10), (2, 10)]))
    }),
    // A log key that was lost and replaced.
    row("a quorum covers the rotation of a lost key", 0, &[], Some(4), || {
        let note = cosigned(rotated(4).newest_note(), &[(1, 10), (2, 10)]);
        Case::of(rotated(5), "two").file(4, &note)
    }),
    row("a quorum saw the log before its key was lost", 4, &[], Some(3), || {
        Case::of(rotated(5), "two").cosigned(3, &[(1, 10), (2, 10)])
    }),
    row("one witness does not cover the rotation of a lost key", 4, &[], None, || {
        let note = cosigned(rotated(4).newest_note(), &[(1, 10)]);
        Case::of(rotated(5), "none").file(4, &note)
    }),
    // A log key that was stolen: what it signed vouches for no more where witnesses signed beside it.
    row("the quorum cosigned what a stolen key signed", 4, &["anchor.untrusted"], None, || {
        Case::of(stolen(), "two").cosigned(3, &[(1, 10), (2, 10)])
    }),
    row("the quorum cosigned what the key signed before it was stolen", 4, &[], Some(2), || {
        Case::of(stolen(), "two").cosigned(2, &[(1, 10), (2, 10)])
    }),
    row(
        "the quorum cosigned another history that a stolen key signed",
        5,
        &["anchor.contested"],
        None,
        || {
            let note = cosigned(log(3, 1).newest_note(), &[(1, 10), (2, 10)]);
            Case::of(stolen(), "two").file(3, &note)
        },
    ),
    row("the quorum cosigned what the key after the stolen one signed", 0, &[], Some(5), || {
        let note = cosigned(stolen().newest_note(), &[(1, 10), (2, 10)]);
        Case::of(stolen(), "two").file(5, &note)
    }),
    // As much as was asked for.
    row("two are not yet held, and two may be", 0, &[], Some(3), || Case {
        max_unheld: Some(2),
        ..Case::of(honest(5), "two").cosigned(3, &[(1, 10), (2, 10)])
    }),
    row("two are not yet held, and one may be", 4, &[], Some(3), || Case {
        max_unheld: Some(1),
        ..Case::of(honest(5), "two").cosigned(3, &[(1, 10), (2, 10)])
    }),
    row("one is not yet held behind a kept checkpoint, and none may be", 4, &[], Some(4), || Case {
        max_unheld: Some(0),
        ..Case::of(honest(5), "none").keeping(honest(4).newest_note())
    }),
    row("nothing is held, and four entries need not be", 4, &[], None, || Case {
        max_unheld: Some(4),
        ..Case::of(honest(5), "none")
    }),
    row("nothing is held, and five entries need not be", 0, &[], None, || Case {
        max_unheld: Some(5),
        ..Case::of(honest(5), "none")
    }),
    row("as old as is allowed, by the quorum's time", 0, &[], Some(5), || Case {
        max_age: Some((60, 70)),
        ..Case::of(honest(5), "two").cosigned(5, &[(1, 10), (2, 5), (3, 90)])
    }),
    row("too old by the quorum's time", 4, &[], Some(5), || Case {
        max_age: Some((59, 70)),
        ..Case::of(honest(5), "two").cosigned(5, &[(1, 10), (2, 5)])
    }),
    row("cosigned again, and so not too old", 0, &[], Some(5), || Case {
        max_age: Some((59, 70)),
        ..Case::of(honest(5), "two").cosigned(5, &[(1, 10), (2, 5), (1, 65), (2, 66)])
    }),
    row("as old as is allowed, by the recorded time of entry 2", 0, &[], Some(3), || Case {
        max_age: Some((58, 60)),
        ..Case::of(honest(5), "none").keeping(honest(3).newest_note())
    }),
    row("too old by the recorded time of entry 2", 4, &[], Some(3), || Case {
        max_age: Some((57, 60)),
        ..Case::of(honest(5), "none").keeping(honest(3).newest_note())
    }),
    row("an age is asked for, and nothing is held", 4, &[], None, || Case {
        max_age: Some((1_000_000, 60)),
        ..Case::of(honest(5), "none")
    }),
    row("a quorum from the future tells no age", 4, &[], Some(5), || Case {
        max_age: Some((60, 4)),
        ..Case::of(honest(5), "w1").cosigned(5, &[(1, 10)])
    }),
    row("a quorum's clock may be some minutes ahead", 0, &[], Some(5), || Case {
        max_age: Some((60, 5)),
        ..Case::of(honest(5), "w1").cosigned(5, &[(1, 10)])
    }),
];

/// Three entries, a lost key replaced by the rotation in entry 3, and a note.
fn rotated(size: u64) -> Forge {
    let mut forge = honest(3);
    forge.rotate(&[&ada()], &SigningKey::from_bytes(&[2; 32]), RotationCause::Lost);
    while forge.size() < size {
        forge.add(&[&ada()], note(0));
    }
    forge
}

/// Three entries, the key of which is stolen since size 3, as the rotation in entry 3 says; and a note.
fn stolen() -> Forge {
    let mut forge = honest(3);
    let since = RotationCause::CompromisedSince { tree_size: 3 };
    forge.rotate(&[&ada()], &SigningKey::from_bytes(&[2; 32]), since);
    forge.add(&[&ada()], note(0));
    forge
}

#[test]
fn each_row_ends_in_its_findings() {
    for Row { says, exit, finds, held, case } in ROWS {
        let report = case().verify();
        let messages: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
        assert_eq!(codes(&report), *finds, "{says}: {messages:#?}");
        let missing = &report.not_anchored;
        assert_eq!(report.verdict.exit_code(), *exit, "{says}: {messages:#?} {missing:?}");
        assert_eq!(report.held.as_ref().map(|held| held.size), *held, "{says}");
        assert_eq!(report.unheld, report.size - held.unwrap_or(0), "{says}");
        assert_eq!(*exit == 0, missing.is_empty() && finds.iter().all(|code| FINDS.contains(code)), "{says}");
    }
}

#[test]
fn the_rows_find_what_they_are_named_for() {
    let found = |code: &str| ROWS.iter().any(|row| row.finds.contains(&code));
    assert!(FINDS.iter().all(|code| found(code)));
}

#[test]
fn what_is_held_tells_by_whom_and_when() {
    let case = Case::of(honest(5), "two").cosigned(4, &[(1, 10), (2, 12), (1, 20), (7, 1)]);
    let report = Case { max_age: Some((60, 30)), ..case }.verify();
    let held = report.held.unwrap();
    assert_eq!((held.size, &held.by), (4, &HeldBy::Quorum));
    assert_eq!((held.at, held.seen_at), (Some(minute(12)), Some(minute(20))));
    assert_eq!(held.recorded_at, Some(minute(3)));
    let times: Vec<(&str, Timestamp)> =
        held.witnesses.iter().map(|Cosignature { name, time, .. }| (name.as_str(), *time)).collect();
    assert_eq!(times, [("w1", minute(10)), ("w2", minute(12))]);
    assert_eq!(report.age.map(|age| (age.ms, age.clock)), Some((10 * MINUTE_MS, AgeClock::Witnesses)));
    assert_eq!(report.cosigned[0].outcome, CheckpointOutcome::Matched);

    let kept =
        Case { max_age: Some((120, 62)), ..Case::of(honest(5), "none").keeping(honest(3).newest_note()) };
    let report = kept.verify();
    let held = report.held.unwrap();
    assert_eq!((held.by, held.at), (HeldBy::Checkpoints(vec!["kept".into()]), None));
    assert_eq!(report.age.map(|age| (age.ms, age.clock)), Some((HOUR_MS, AgeClock::Ledger)));
}

#[test]
fn what_is_missing_is_named() {
    let missing = |case: Case| case.verify().not_anchored;
    let quorum = || Shortfall::NotHeldByQuorum { quorum: name("two") };
    assert_eq!(missing(Case::of(honest(5), "two")), [quorum()]);
    let asked = Case { max_unheld: Some(1), max_age: Some((5, 60)), ..Case::of(rotated(5), "two") };
    assert_eq!(
        missing(asked),
        [
            Shortfall::LogKeyReplaced { entry: 3, log_key: Unvouched::Lost },
            quorum(),
            Shortfall::TooManyUnheld { unheld: 5, max: 1 },
            Shortfall::AgeUnknown { max_ms: 5 * MINUTE_MS, ahead_ms: None },
        ]
    );
    let none = Case { trust: None, ..Case::of(honest(5), "none") };
    assert_eq!(missing(none), [Shortfall::NoTrustRoot]);
    let report = serde_json::to_value(Case::of(honest(5), "two").verify()).unwrap();
    assert_eq!(
        report["not_anchored"],
        serde_json::json!([{ "code": "not_held_by_quorum", "quorum": "two" }])
    );
    assert_eq!(
        (&report["rooted"], &report["held"], &report["unheld"]),
        (&true.into(), &().into(), &5.into())
    );
}

#[test]
fn the_auditing_page_explains_what_can_be_missing_and_what_a_witness_refuses() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/auditing.md")).unwrap();
    let refusals = ["unknown_log", "log_signature", "smaller", "other_root", "not_consistent"];
    for code in crate::explain::shortfalls().chain(refusals.map(str::to_owned)) {
        assert!(page.contains(&format!("`{code}`")), "{code}");
    }
}

#[test]
fn text_says_up_to_where_it_is_held() {
    let rewrite = "a rewrite after entry 0 by the holder of the log key could not be seen";
    let text = |case: Case| render(&case.verify(), Some("trust.toml"));
    let bare = text(Case::of(honest(5), "none"));
    assert!(bare.contains(rewrite) && !bare.contains("held"), "{bare}");

    let held = text(Case::of(honest(5), "two").cosigned(3, &[(1, 10), (2, 12)]));
    let line =
        "held to        size 3, by the quorum `two` of witnesses (w1, w2) at 2026-03-01T09:12:00.000Z\n";
    assert!(held.contains(line) && held.contains("not yet held   2 entries\n"), "{held}");
    assert!(held.ends_with("; held to size 3 at 2026-03-01T09:12:00.000Z\n"), "{held}");
    assert!(!held.contains(rewrite), "{held}");

    let kept = text(Case::of(honest(5), "none").keeping(honest(5).newest_note()));
    assert!(kept.contains("held to        size 5, by kept\n") && !kept.contains("not yet held"), "{kept}");
    assert!(!kept.contains(rewrite), "{kept}");

    let lacking = text(Case::of(honest(5), "two"));
    let end = "no checkpoint of it is cosigned by the quorum `two` that the trust root names\n";
    assert!(lacking.contains("VERDICT: sound, but not anchored — ") && lacking.ends_with(end), "{lacking}");
    assert!(lacking.contains("not yet held   5 entries\n") && !lacking.contains(rewrite), "{lacking}");

    let old = Case { max_age: Some((1, 60)), ..Case::of(honest(5), "none").keeping(honest(5).newest_note()) };
    let old = text(old);
    assert!(
        old.contains("age            56m by the ledger's clock, at the last entry that is held\n"),
        "{old}"
    );
}

#[test]
fn the_directory_is_read_and_a_full_one_is_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let forge = honest(5);
    forge.write(dir.path());
    let trust = trust_of(&forge, "two");
    let verify = || verify_dir(dir.path(), &Options { trust: Some(&trust), ..quick() }, &|_, _| {}).unwrap();
    assert_eq!(verify().verdict.exit_code(), 4);
    let note = cosigned(forge.newest_note(), &[(1, 10), (2, 10)]);
    std::fs::create_dir(dir.path().join("cosigned")).unwrap();
    let path = |name: &str| dir.path().join("cosigned").join(name);
    std::fs::write(path("5"), note).unwrap();
    for other in ["5.new", "README", "05"] {
        std::fs::write(path(other), "x").unwrap();
    }
    let report = verify();
    assert_eq!((report.verdict.exit_code(), codes(&report)), (0, vec![]));

    std::fs::create_dir(path("6")).unwrap();
    std::fs::write(path("7"), vec![b'x'; 70_000]).unwrap();
    // A pipe into which nobody writes is not waited for.
    assert!(std::process::Command::new("mkfifo").arg(path("8")).status().unwrap().success());
    let report = verify();
    assert_eq!((report.verdict.exit_code(), codes(&report)), (0, vec!["cosigned.unfit".to_owned(); 3]));
    let reasons: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
    assert!(
        reasons[0].contains("cosigned/6 is no cosigned note") && reasons[1].contains("65536"),
        "{reasons:?}"
    );

    for size in 1_000..1_300 {
        std::fs::write(path(&size.to_string()), "x").unwrap();
    }
    let report = verify();
    assert_eq!((report.verdict.exit_code(), report.findings.len()), (4, 256));
}

// By hand.

/// A ledger of six entries whose trust root names `w1` and `w2`, of which both are the quorum; their keys, and the
/// checkpoints of sizes 1 to 6.
fn desk() -> Desk {
    let desk = Desk::founded();
    let keep = |size: u64| desk.write(&format!("{size}.note"), desk.done("checkpoint"));
    keep(1);
    desk.grant("dora", "--role registrar --role deployer --env '*' --model '*'");
    keep(2);
    desk.done("--key dora.key register scorer 1.0.0 --path model");
    keep(3);
    desk.done("--key dora.key promote scorer 1.0.0 --env staging --repo infra --tag v1");
    keep(4);
    for size in 5..=6 {
        desk.done("--key dora.key note 0 more");
        keep(size);
    }
    desk.copy("ledger/trust.toml", "bare.toml");
    for (name, number) in [("w1", 101), ("w2", 102), ("w3", 103)] {
        desk.key(name, number);
    }
    desk.write("ledger/trust.toml", desk.read("ledger/trust.toml") + &witnesses_toml(&desk));
    desk.copy("ledger/trust.toml", "trust.toml");
    desk
}

fn witnesses_toml(desk: &Desk) -> String {
    let table = |name: &str| {
        let vkey = desk.done_json(&format!("key show --witness --name {name}.example.org {name}.key.pub"));
        format!("[[witness]]\nname = \"{name}\"\nkey = \"{}\"\n", vkey["vkey"].as_str().unwrap())
    };
    let group = "[[group]]\nname = \"both\"\nthreshold = \"all\"\nmembers = [\"w1\", \"w2\"]\n";
    format!("quorum = \"both\"\n{}{}{group}", table("w1"), table("w2"))
}

/// The line with which a witness cosigns.
fn cosign_line(name: &str, checkpoint: &str, rest: &str) -> String {
    format!(
        "witness cosign {checkpoint} --witness-key {name}.key --witness-name {name}.example.org \
         --witness-state {name}.state {rest}"
    )
}

fn cosign_to(desk: &Desk, name: &str, checkpoint: &str, output: &str) {
    let rest = format!("--trust bare.toml --from-ledger ledger --force -o {output}");
    desk.done(&cosign_line(name, checkpoint, &rest));
}

#[test]
fn a_witness_signs_what_extends_what_it_saw() {
    let desk = desk();
    let first = desk.done(&cosign_line("w1", "2.note", "--trust bare.toml"));
    assert_eq!(first.lines().count(), 6, "{first}");
    assert!(
        first.starts_with(desk.read("2.note").trim_end()) && first.contains("— w1.example.org "),
        "{first}"
    );
    let state = desk.read("w1.state");
    assert!(state.contains("\nsize 2\n"), "{state}");
    // The same again, with another time; then on, by a proof from the log.
    desk.done(&cosign_line("w1", "2.note", ""));
    let answer = desk.done_json(&cosign_line("w1", "4.note", "--from-ledger ledger"));
    assert_eq!((&answer["size"], &answer["origin"]), (&4.into(), &"ledger.example.org/models".into()));
    assert!(answer["note"].as_str().unwrap().ends_with('\n'));
    assert!(desk.read("w1.state").contains("\nsize 4\n"));
    assert!(answer["witness"].as_str().unwrap().starts_with("w1.example.org+"));
}

/// The base64 lines of the consistency proof between two sizes of the desk's ledger.
fn proof(desk: &Desk, old: u64, new: u64) -> String {
    use base64::Engine as _;
    let source = FileSource::new(&desk.path("ledger/log"));
    let extension = extension_in(&source, old, new).unwrap();
    let encode = |hash: &Hash| base64::engine::general_purpose::STANDARD.encode(hash.as_bytes());
    extension.proof.iter().map(|hash| encode(hash) + "\n").collect()
}

#[test]
fn a_proof_may_come_from_elsewhere() {
    let desk = desk();
    desk.done(&cosign_line("w1", "3.note", "--trust bare.toml"));
    desk.write("proof", proof(&desk, 3, 6));
    desk.done(&cosign_line("w1", "6.note", "--proof proof"));
    assert!(desk.read("w1.state").contains("\nsize 6\n"));
}

#[test]
fn an_evidence_pack_shows_the_extension_too() {
    let desk = desk();
    desk.done(&cosign_line("w1", "3.note", "--trust bare.toml"));
    desk.done("pack export pack");
    desk.done(&cosign_line("w1", "6.note", "--pack pack"));
    assert!(desk.read("w1.state").contains("\nsize 6\n"));
    desk.refused(&cosign_line("w1", "3.note", "--pack pack"), 1, &["size 3", "has signed size 6"]);
}

#[test]
fn a_witness_refuses_all_else_and_signs_nothing() {
    let desk = desk();
    desk.copy("ledger", "copy");
    // Another history of the same log, from entry 2 on, by the holder of its key.
    desk.write("other/weights.bin", "other\n");
    std::fs::remove_dir_all(desk.path("ledger")).unwrap();
    desk.done("--key alice.key init --origin ledger.example.org/other --admin alice=alice.key.pub");
    desk.write("other-log.note", desk.done("checkpoint"));
    desk.remove_dir("ledger");
    desk.copy("copy", "ledger");
    let forged = |size: u64, key: &SigningKey| {
        let origin = Origin::new("ledger.example.org/models").unwrap();
        let checkpoint = Checkpoint::new(origin, size, Hash::of(b"another history"));
        sign_checkpoint(&checkpoint, &[key]).unwrap()
    };
    let log_key = log_key(&desk);
    desk.write("forged-4.note", forged(4, &log_key));
    desk.write("forged-6.note", forged(6, &log_key));
    desk.write("strangers.note", forged(6, &strangers()));
    desk.write("garbage", "trust me\n");
    desk.write("proof-3-6", proof(&desk, 3, 6));
    desk.write("proof-4-6", proof(&desk, 4, 6));
    desk.write("no-proof", "not base64\n");
    desk.write("long-proof", proof(&desk, 3, 6).repeat(40));
    desk.write("log.vkey", log_vkey(&desk));

    // Before it knows the log.
    desk.refused(&cosign_line("w1", "4.note", ""), 1, &["does not know the log", "--trust"]);
    assert!(!desk.path("w1.state").exists());
    desk.refused(&cosign_line("w1", "4.note", "--trust bare.toml --proof proof-3-6"), 1, &["from", "hint"]);
    desk.done(&cosign_line("w1", "4.note", &format!("--log-vkey {}", desk.read("log.vkey"))));
    let state = desk.read("w1.state");

    let rows: &[(&str, &str, i32, &[&str])] = &[
        ("other-log.note", "", 1, &["does not know the log `ledger.example.org/other`"]),
        ("strangers.note", "--from-ledger ledger", 1, &["not the log's"]),
        ("3.note", "--from-ledger ledger", 1, &["size 3", "has signed size 4"]),
        ("forged-4.note", "", 1, &["two histories", "keep both"]),
        ("forged-6.note", "--from-ledger ledger", 1, &["nothing shows that size 6 extends size 4"]),
        ("forged-6.note", "--proof proof-4-6", 1, &["nothing shows that size 6 extends size 4"]),
        ("6.note", "", 1, &["nothing shows", "--from-ledger"]),
        ("6.note", "--proof proof-3-6", 1, &["nothing shows"]),
        ("4.note", "--proof proof-4-6", 1, &["nothing shows", "too long"]),
        ("6.note", "--proof no-proof", 2, &["line 1 is no hash"]),
        ("6.note", "--proof long-proof", 2, &["hashes"]),
        ("6.note", "--proof nowhere", 2, &["nowhere"]),
        ("6.note", "--proof proof-4-6 --from-ledger ledger", 2, &["cannot be used with"]),
        ("6.note", "--pack pack --from-ledger ledger", 2, &["cannot be used with"]),
        ("6.note", "--pack model", 2, &["not an evidence pack"]),
        ("garbage", "", 2, &["garbage is no checkpoint"]),
        ("nowhere", "", 2, &["nowhere"]),
        ("6.note", "--from-ledger model", 3, &["log"]),
        ("6.note", "--from-ledger ledger -o garbage", 2, &["garbage"]),
    ];
    for (checkpoint, rest, code, told) in rows {
        desk.refused(&cosign_line("w1", checkpoint, rest), *code, told);
        assert_eq!(desk.read("w1.state"), state, "{checkpoint} {rest}");
    }
    let code = |line: &str| desk.run(&format!("--json {line}")).json()["refused"]["code"].clone();
    assert_eq!(code(&cosign_line("w1", "forged-4.note", "")), "other_root");
    assert_eq!(code(&cosign_line("w1", "3.note", "")), "smaller");
    desk.done(&cosign_line("w1", "6.note", "--proof proof-4-6"));

    // A state that was cut off or changed, and one of nobody's.
    desk.write("w1.state", &state[..state.len() - 5]);
    desk.refused(
        &cosign_line("w1", "6.note", "--from-ledger ledger"),
        2,
        &["no witness's state", "newest copy"],
    );
    desk.refused(&cosign_line("w4", "6.note", "--trust bare.toml"), 2, &["w4.key"]);
    let nameless = "witness cosign 6.note --witness-key alone.key --witness-state s --trust bare.toml";
    desk.copy("w2.key", "alone.key");
    desk.chmod("alone.key", 0o600);
    desk.refused(nameless, 2, &["has no name", "--witness-name"]);
    desk.copy("w2.key", "spaced.key");
    desk.chmod("spaced.key", 0o600);
    desk.refused(
        "witness cosign 6.note --witness-key spaced.key --witness-name 'w 2' --witness-state s --trust bare.toml",
        2,
        &["key name"],
    );
    desk.refused(
        "witness cosign 6.note --witness-key ledger/log.pem --witness-name x --witness-state s --trust bare.toml",
        2,
        &["the log's own"],
    );
}

/// The desk's log key.
fn log_key(desk: &Desk) -> SigningKey {
    use ed25519_dalek::pkcs8::DecodePrivateKey as _;
    SigningKey::from_pkcs8_pem(&desk.read("ledger/log.pem")).unwrap()
}

fn log_vkey(desk: &Desk) -> String {
    let trust: TrustRoot = desk.read("bare.toml").parse().unwrap();
    trust.log_key().to_string()
}

/// What cannot be stored is not signed; what was stored and not handed over is signed again.
#[test]
fn the_state_is_stored_before_it_is_signed() {
    let desk = desk();
    // A directory stands where the new state is written first.
    desk.write("w1.state.new/.keep", "");
    desk.refused(&cosign_line("w1", "2.note", "--trust bare.toml"), 3, &["cannot write w1.state"]);
    desk.remove_dir("w1.state.new");
    desk.refused(&cosign_line("w1", "2.note", "--trust bare.toml -o nowhere/x"), 3, &["nowhere/x"]);
    assert!(desk.read("w1.state").contains("\nsize 2\n"));
    desk.done(&cosign_line("w1", "2.note", ""));
}

/// Two histories at once: whoever comes first decides, and the other one is refused.
#[test]
fn of_two_histories_at_once_a_witness_signs_one() {
    let desk = desk();
    let origin = Origin::new("ledger.example.org/models").unwrap();
    let forged = Checkpoint::new(origin, 6, Hash::of(b"another history"));
    desk.write("forged.note", sign_checkpoint(&forged, &[&log_key(&desk)]).unwrap());
    let start = |number: usize| {
        let checkpoint = if number.is_multiple_of(2) { "6.note" } else { "forged.note" };
        let mut command = desk.command(&cosign_line("w1", checkpoint, "--trust bare.toml"));
        (checkpoint, command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    };
    let running: Vec<_> = (0..8).map(start).collect();
    let mut signed: Vec<&str> = Vec::new();
    for (checkpoint, mut child) in running {
        match child.wait().unwrap().code() {
            Some(0) => signed.push(checkpoint),
            code => assert_eq!(code, Some(1)),
        }
    }
    assert_eq!(signed.len(), 4, "{signed:?}");
    assert!(signed.iter().all(|checkpoint| *checkpoint == signed[0]), "{signed:?}");
}

#[test]
fn a_witness_follows_a_rotated_log_key_when_told() {
    let desk = desk();
    desk.done(&cosign_line("w1", "6.note", "--trust bare.toml"));
    desk.done("--key alice.key key rotate-log --reason spring");
    let kept = desk.read("ledger/trust.toml");
    assert!(kept.contains("latest_log_key") && kept.contains("quorum = \"both\""), "{kept}");
    desk.write("7.note", desk.done("checkpoint"));
    // Both keys signed the boundary; the witness knows the first.
    desk.done(&cosign_line("w1", "7.note", "--from-ledger ledger"));
    desk.done("--key dora.key note 0 after");
    desk.write("8.note", desk.done("checkpoint"));
    let line = cosign_line("w1", "8.note", "--from-ledger ledger");
    desk.refused(&line, 1, &["not the log's", "--log-vkey"]);
    desk.done(&format!("{line} --trust ledger/trust.toml"));
    desk.done(&line);
}

/// What somebody wrote into the trust root by hand is not thrown away over a slip in it.
#[test]
fn a_rotation_waits_for_a_trust_root_that_can_be_read() {
    let desk = desk();
    let good = desk.read("ledger/trust.toml");
    desk.write("ledger/trust.toml", good.replace("[[group]]", "[[gruop]]"));
    let rotated = desk.run("--key alice.key key rotate-log --reason spring");
    assert!(rotated.code == Some(0) && rotated.stderr.contains("gruop"), "{rotated:?}");
    assert!(desk.read("ledger/trust.toml").contains("[[gruop]]"));
    desk.write("ledger/trust.toml", &good);
    let after = desk.run("--key dora.key note 0 after");
    assert!(after.code == Some(0) && after.stderr.contains("was finished"), "{after:?}");
    let trust: TrustRoot = desk.read("ledger/trust.toml").parse().unwrap();
    assert!(trust.latest_log_key().is_some());
    assert_eq!(trust.witnesses(), good.parse::<TrustRoot>().unwrap().witnesses());
}

#[test]
fn cosigned_notes_are_taken_in_and_merged() {
    let desk = desk();
    for name in ["w1", "w2", "w3"] {
        cosign_to(&desk, name, "4.note", &format!("{name}-4.note"));
    }
    assert_eq!(desk.run("checkpoint --cosigned").code, Some(1));
    let said = desk.done("witness add w1-4.note");
    assert!(
        said.contains("size 4: cosigned by w1 at ") && said.contains("`both` has not cosigned it yet"),
        "{said}"
    );
    let verify = || desk.run("verify --trust trust.toml").code;
    assert_eq!(verify(), Some(4));
    let answer = desk.done_json("witness add w2-4.note");
    assert_eq!(
        (&answer["witnesses"][0]["name"], &answer["witnesses"][1]["name"]),
        (&"w1".into(), &"w2".into())
    );
    assert!(answer["met_at"].is_string(), "{answer}");
    assert_eq!(verify(), Some(0));
    desk.done("witness add w1-4.note");
    let merged = desk.read("ledger/cosigned/4");
    assert_eq!(merged.lines().count(), 7, "{merged}");
    assert_eq!(desk.done("checkpoint --cosigned"), merged);
    assert_eq!(desk.done_json("checkpoint --cosigned")["size"], 4);

    // Whoever keeps it holds the log by it, and the gate opens by it.
    desk.done("verify --trust trust.toml --checkpoint ledger/cosigned/4");
    let report = desk.done_json("verify --trust trust.toml --max-age 1h --max-unheld 2");
    assert_eq!((&report["held"]["size"], &report["held"]["by"]), (&4.into(), &"quorum".into()));
    let report = desk.run("--json verify --trust trust.toml --max-unheld 1");
    assert_eq!(
        (report.code, &report.json()["not_anchored"][0]["code"]),
        (Some(4), &"too_many_unheld".into())
    );
    assert_eq!(desk.run("verify --trust trust.toml --max-age 0s --checkpoint 6.note").code, Some(4));
    desk.done("verify --trust bare.toml --max-unheld 0 --checkpoint 6.note");
    desk.refused("verify --trust trust.toml --max-age soon", 2, &["soon"]);
}

#[test]
fn what_does_not_fit_is_not_taken_in() {
    let desk = desk();
    cosign_to(&desk, "w1", "4.note", "w1.note");
    cosign_to(&desk, "w3", "4.note", "w3.note");
    let note = Note::parse(desk.read("w1.note").as_bytes()).unwrap();
    let lines = |lines: &[usize]| {
        let lines = lines.iter().map(|&line| note.signatures()[line].clone()).collect();
        Note::new(note.text().to_owned(), lines).unwrap().to_string()
    };
    desk.write("no-log-line.note", lines(&[1]));
    let other =
        Checkpoint::new(Origin::new("ledger.example.org/models").unwrap(), 4, Hash::of(b"another history"));
    desk.write("forged.note", cosigned(&sign_checkpoint(&other, &[&log_key(&desk)]).unwrap(), &[(1, 10)]));
    let size = |size: u64| Checkpoint::new(other.origin().clone(), size, *other.root());
    for (file, checkpoint) in [("ahead.note", size(7)), ("empty.note", size(0))] {
        desk.write(file, cosigned(&sign_checkpoint(&checkpoint, &[&log_key(&desk)]).unwrap(), &[(1, 10)]));
    }
    let elsewhere = Checkpoint::new(Origin::new("example.com/other").unwrap(), 4, *other.root());
    desk.write(
        "elsewhere.note",
        cosigned(&sign_checkpoint(&elsewhere, &[&strangers()]).unwrap(), &[(1, 10)]),
    );
    let foreign =
        Note::parse(&cosigned(&sign_checkpoint(&other, &[&strangers()]).unwrap(), &[(1, 10)])).unwrap();
    let failing = note.clone().with_signature(foreign.signatures()[1].clone()).unwrap();
    desk.write("failing.note", failing.to_string());
    let strangers_line = Note::parse(desk.read("w3.note").as_bytes()).unwrap().signatures()[0].clone();
    assert_eq!(strangers_line, note.signatures()[0], "the log's own line");
    let by_stranger = sign_checkpoint(&Checkpoint::parse(note.text()).unwrap(), &[&strangers()]);
    desk.write("strangers.note", cosigned(&by_stranger.unwrap(), &[(1, 10)]));
    desk.write("garbage", "trust me\n");

    let rows: &[(&str, i32, &[&str])] = &[
        ("4.note", 1, &["no witness that trust.toml names cosigned"]),
        ("w3.note", 1, &["no witness that trust.toml names cosigned", "[[witness]]"]),
        ("no-log-line.note", 1, &["the signature that this log gave it"]),
        ("strangers.note", 1, &["the signature that this log gave it"]),
        ("forged.note", 1, &["at size 4", "rewritten"]),
        ("ahead.note", 1, &["size 7", "has published 6"]),
        ("empty.note", 1, &["size 0"]),
        ("elsewhere.note", 1, &["example.com/other"]),
        ("failing.note", 1, &["does not verify"]),
        ("garbage", 2, &["garbage is no checkpoint"]),
        ("nowhere", 2, &["nowhere"]),
    ];
    for (file, code, told) in rows {
        desk.refused(&format!("witness add {file}"), *code, told);
        assert!(!desk.path("ledger/cosigned").exists(), "{file}");
    }
    desk.copy("bare.toml", "ledger/trust.toml");
    desk.refused("witness add w1.note", 1, &["trust.toml names no witnesses", "[[witness]]"]);
    desk.copy("trust.toml", "ledger/trust.toml");

    // What lies in its place and is no note gives way; what the stranger signed is left out.
    desk.write("ledger/cosigned/4", "trust me\n");
    let both = note
        .clone()
        .with_signature(Note::parse(desk.read("w3.note").as_bytes()).unwrap().signatures()[1].clone());
    desk.write("both.note", both.unwrap().to_string());
    desk.done("witness add both.note");
    assert_eq!(desk.read("ledger/cosigned/4"), note.to_string());
}

/// Entries 1 to 3 of this ledger are one batch.
#[test]
fn a_checkpoint_inside_a_batch_was_never_published() {
    let (ledger, desk) = (TestLedger::new(), Desk::empty());
    let trust = std::fs::read_to_string(ledger.dir().join("trust.toml")).unwrap();
    let table = format!("[[witness]]\nname = \"w1\"\nkey = \"{}\"\n", witness_vkey(1));
    std::fs::write(ledger.dir().join("trust.toml"), trust + &table).unwrap();
    let source = FileSource::new(&ledger.dir().join("log"));
    for (size, file) in [(2, "inside.note"), (4, "end.note")] {
        let root = extension_in(&source, 0, size).unwrap().root;
        let checkpoint = Checkpoint::new(Origin::new(ORIGIN).unwrap(), size, root);
        let note = sign_checkpoint(&checkpoint, &[&Who::LogKey.signing_key()]).unwrap();
        desk.write(file, cosigned(&note, &[(1, 10)]));
    }
    let line = |file: &str| format!("witness add {file} --ledger {}", ledger.dir().display());
    desk.refused(&line("inside.note"), 1, &["no checkpoint of size 2"]);
    desk.done(&line("end.note"));
}

#[test]
fn the_gate_wants_the_quorum_that_the_trust_root_names() {
    let desk = desk();
    let gate = "gate scorer 1.0.0 --env staging --trust trust.toml";
    let closed = desk.run(&format!("--json {gate}"));
    assert_eq!(closed.code, Some(1), "{closed:?}");
    let reasons = closed.json()["reasons"].clone();
    assert_eq!((&reasons[0]["code"], reasons.as_array().unwrap().len()), (&"not_anchored".into(), 1));
    assert!(reasons[0]["message"].as_str().unwrap().contains("the quorum `both`"), "{reasons}");
    desk.done("gate scorer 1.0.0 --env staging --trust bare.toml");
    for name in ["w1", "w2"] {
        cosign_to(&desk, name, "6.note", "out.note");
        desk.done("witness add out.note");
    }
    let open = desk.done_json(gate);
    assert_eq!((&open["gate"], &open["judged"]["held"]["size"]), (&"open".into(), &6.into()));
}

/// A copy of the ledger without the newest entries, put back with its `head`, is found by what witnesses saw.
#[test]
fn a_stale_backup_is_found_by_the_notes_beside_it() {
    let desk = desk();
    desk.copy("ledger", "backup");
    desk.done("--key dora.key note 0 newer");
    desk.write("7.note", desk.done("checkpoint"));
    for name in ["w1", "w2"] {
        cosign_to(&desk, name, "7.note", "out.note");
        desk.done("witness add out.note");
    }
    desk.copy("ledger/cosigned", "backup/cosigned");
    assert_eq!(desk.run("verify backup --trust bare.toml").code, Some(0));
    let found = desk.run("--json verify backup --trust trust.toml");
    let codes = found.json()["finding_counts"].clone();
    let expected = serde_json::json!({ "log.shorter_than_checkpoint": 1, "entry.missing": 1 });
    assert_eq!((found.code, codes), (Some(1), expected));
}
