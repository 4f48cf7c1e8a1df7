//! Going on from what an earlier verification kept: the same verdict as from the start, and no attack that it hides.

use std::path::Path;

use ed25519_dalek::SigningKey;
use proptest::prelude::*;
use rollbook::event::authority::{KeyRevoked, RotationCause};
use rollbook::event::header::{EXPIRY_DEFAULT_MS, EventId};
use rollbook::log::trust_root::TrustRoot;
use rollbook::note::checkpoint::CheckpointNote;
use rollbook::note::cosignature::cosign;
use rollbook::note::vkey::{KeyKind, VerifierKey};
use rollbook::store::files::RollSize;
use rollbook::store::memory::MemoryLog;
use rollbook::time::HOUR_MS;
use rollbook::verifier::cosigned::CosignedFile;
use rollbook::verifier::finding::Found;
use rollbook::verifier::kept::{KeptState, KeptStateError};
use rollbook::verifier::report::{CheckpointOutcome, KeptUse, Report};
use rollbook::verifier::verify::{EarlierCheckpoint, Judged, Options, judge};

use crate::authority;
use crate::rule_table::{dan, rea, register_three, rows};
use crate::support::desk::Desk;
use crate::support::events::*;
use crate::support::forge::{Entered, Forge, codes, head_of, log_of, quick};

/// The first `batches` of `forge`, judged.
fn judge_first(forge: &Forge, batches: usize, options: &Options<'_>) -> Judged {
    let (size, note) = &forge.notes()[batches - 1];
    judge(&log_of(&forge.frames()[..batches]), head_of(*size, note), options, &|_, _| {}).unwrap()
}

fn judge_all(forge: &Forge, options: &Options<'_>) -> Judged {
    judge_first(forge, forge.frames().len(), options)
}

/// What is kept of the first `batches`, through its file; none where they are not sound.
fn keep_first(forge: &Forge, batches: usize) -> Option<KeptState> {
    let trust = forge.trust();
    let judged = judge_first(forge, batches, &Options { trust: Some(&trust), keep: true, ..quick() });
    let kept = judged.kept;
    // Nobody looks at attachments here, so nobody keeps that a proof among them was looked at.
    let names_a_proof =
        |entered: &Entered| entered.event.body.infra().is_some_and(|infra| infra.path_proof.is_some());
    let (size, _) = forge.notes()[batches - 1];
    let passed_over = forge.entered[..usize::try_from(size).unwrap()].iter().any(names_a_proof);
    let is_sound = judged.report.verdict.exit_code() == 0;
    assert_eq!(kept.is_some(), is_sound && !passed_over, "{:?}", codes(&judged.report));
    kept.map(|kept| through_a_file(&kept, &trust))
}

fn through_a_file(kept: &KeptState, trust: &TrustRoot) -> KeptState {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state");
    kept.write(&path).unwrap();
    let read = KeptState::read(&path, trust).unwrap().unwrap();
    assert_eq!(read.to_bytes(), kept.to_bytes());
    read
}

const fn resumed_from(report: &Report) -> Option<u64> {
    match &report.kept {
        Some(KeptUse::ResumedFrom { size, .. }) => Some(*size),
        _ => None,
    }
}

fn unused(report: &Report) -> &str {
    match &report.kept {
        Some(KeptUse::Unused { reason }) => reason,
        other => panic!("{other:?}"),
    }
}

/// Goes on from behind every batch; the outcome must be that of a verification from the start. Says how often it did go on.
fn goes_on_alike(forge: &Forge, says: &str) -> usize {
    let trust = forge.trust();
    let options = Options { trust: Some(&trust), keep: true, ..quick() };
    let whole = judge_all(forge, &options);
    let mut went_on = 0;
    for batches in 1..=forge.frames().len() {
        let Some(kept) = keep_first(forge, batches) else { continue };
        let since = judge_all(forge, &Options { kept: Some(&kept), ..options });
        let (a, b) = (&whole.report, &since.report);
        let facts = |of: &Report| {
            let counts = (of.entries, of.batches, of.signatures, of.size, of.rules_judged_up_to);
            let ends = (of.root, of.checkpoint.clone(), of.last_recorded_at, of.log_key_rotations.clone());
            (of.verdict, of.anchored, counts, ends)
        };
        assert_eq!(facts(a), facts(b), "{says}: after {batches} batches");
        let listed = |of: &Report, from: u64| -> Vec<Found> {
            of.findings
                .iter()
                .filter(|found| found.index().is_none_or(|index| index >= from))
                .cloned()
                .collect()
        };
        let from = resumed_from(b).unwrap_or(0);
        assert_eq!(listed(a, from), listed(b, from), "{says}: after {batches} batches");
        if let (Some(a), Some(b)) = (&whole.kept, &since.kept) {
            // How often a finding was counted, and what is said twice of one entry, may differ: nothing else.
            assert_eq!(through_a_file(a, &trust).size(), b.size(), "{says}");
        }
        let rows = |judged: &Judged| {
            let mut rows: Vec<String> = judged.state.rows().map(|row| format!("{row:?}")).collect();
            rows.sort();
            rows
        };
        assert_eq!(rows(&whole), rows(&since), "{says}: after {batches} batches");
        went_on += usize::from(resumed_from(b).is_some());
    }
    went_on
}

#[test]
fn every_history_of_the_rules_goes_on_alike() {
    let mut went_on = 0;
    for row in rows() {
        let mut forge = Forge::new();
        (row.history)(&mut forge);
        went_on += goes_on_alike(&forge, row.says);
    }
    for case in authority::CASES {
        let mut forge = Forge::new();
        (case.history)(&mut forge);
        went_on += goes_on_alike(&forge, case.says);
    }
    assert!(went_on > 800, "only {went_on} verifications went on");
}

#[test]
fn rotations_of_the_log_key_go_on_alike() {
    let (second, third) = (SigningKey::from_bytes(&[2; 32]), SigningKey::from_bytes(&[3; 32]));
    let mut forge = Forge::founded();
    forge.add(&[&ada()], note(0));
    forge.rotate(&[&ada()], &second, RotationCause::Routine);
    forge.add(&[&ada()], note(0));
    forge.rotate(&[&ada()], &third, RotationCause::Routine);
    forge.add(&[&ada()], note(0));
    assert_eq!(goes_on_alike(&forge, "two rotations"), forge.frames().len());
    // Signed by a key that was replaced.
    forge.log_key = second;
    forge.add(&[&ada()], note(0));
    goes_on_alike(&forge, "signed by the key before");
    assert_eq!(codes(&forge.verify()), ["head.disagrees", "checkpoint.signature"]);
}

/// Twelve entries, a batch each: founded, granted, three versions, notes.
fn twelve() -> Forge {
    let mut forge = Forge::new();
    register_three(&mut forge);
    while forge.size() < 12 {
        forge.add(&[&ada()], note(0));
    }
    forge
}

/// [`twelve`] up to `from`, and other notes behind.
fn twelve_rewritten_from(from: u64) -> Forge {
    let mut forge = Forge::new();
    register_three(&mut forge);
    while forge.size() < from {
        forge.add(&[&ada()], note(0));
    }
    while forge.size() < 14 {
        forge.add(&[&ada()], note(1));
    }
    forge
}

/// What is found in `forge` by one who goes on from what was kept of [`twelve`].
fn found_since(forge: &Forge, checkpoints: &[EarlierCheckpoint]) -> Report {
    let kept = keep_first(&twelve(), 12).unwrap();
    let trust = forge.trust();
    judge_all(forge, &Options { trust: Some(&trust), kept: Some(&kept), checkpoints, ..quick() }).report
}

#[test]
fn a_history_rewritten_with_the_log_key_is_found() {
    let mut longer = twelve();
    longer.add(&[&ada()], note(0));
    let report = found_since(&longer, &[]);
    assert_eq!((resumed_from(&report), report.verdict.exit_code()), (Some(12), 0));
    for from in [9, 10, 11] {
        let forged = twelve_rewritten_from(from);
        assert_eq!(forged.verify().verdict.exit_code(), 0, "by itself it is a lawful log");
        let report = found_since(&forged, &[]);
        assert_eq!((codes(&report), report.verdict.exit_code()), (vec!["anchor.root".to_owned()], 1));
        assert_eq!(unused(&report), "the log does not go on from what it stands for");
        assert_eq!(report.checkpoints[0].outcome, CheckpointOutcome::Disagrees);
    }
}

#[test]
fn a_log_that_lost_entries_is_found() {
    let forge = twelve();
    let trust = forge.trust();
    let kept = keep_first(&forge, 12).unwrap();
    for batches in 1..12 {
        let options = Options { trust: Some(&trust), kept: Some(&kept), ..quick() };
        let report = judge_first(&forge, batches, &options).report;
        let expected = [&["log.shorter_than_checkpoint"][..], &vec!["entry.missing"; 12 - batches]].concat();
        assert_eq!(
            (codes(&report), report.verdict.exit_code()),
            (expected.iter().map(|code| (*code).to_owned()).collect(), 1)
        );
        // Only `head` is older: the entries are there.
        let (size, note) = &forge.notes()[batches - 1];
        let older = judge(&forge.log(), head_of(*size, note), &options, &|_, _| {}).unwrap();
        assert_eq!((older.report.size, older.report.verdict.exit_code()), (12, 0));
    }
}

#[test]
fn a_log_in_other_files_is_verified_from_its_start() {
    let forge = twelve();
    let trust = forge.trust();
    let kept = keep_first(&forge, 12).unwrap();
    let files = [(0, forge.frames()[..5].concat()), (5, forge.frames()[5..].concat())];
    let log = MemoryLog::from_files(files, RollSize::DEFAULT);
    let options = Options { trust: Some(&trust), kept: Some(&kept), ..quick() };
    let report = judge(&log, forge.head(), &options, &|_, _| {}).unwrap().report;
    assert_eq!((report.size, report.verdict.exit_code()), (12, 0));
    let first = keep_first(&forge, 3).unwrap();
    let options = Options { kept: Some(&first), ..options };
    let log = MemoryLog::from_files(
        [(0, forge.frames()[..2].concat()), (2, forge.frames()[2..].concat())],
        RollSize::DEFAULT,
    );
    let report = judge(&log, forge.head(), &options, &|_, _| {}).unwrap().report;
    assert_eq!((report.size, report.verdict.exit_code()), (12, 0));
}

/// What was kept stands for the bytes before: they are not read again, and the page on auditing says so.
#[test]
fn bytes_that_were_verified_before_are_not_read_again() {
    let mut forge = twelve();
    let kept = keep_first(&forge, 12).unwrap();
    forge.add(&[&ada()], note(0));
    let trust = forge.trust();
    let mut bytes = forge.frames().concat();
    bytes[100] ^= 1;
    let log = MemoryLog::from_files([(0, bytes)], RollSize::DEFAULT);
    let options = Options { trust: Some(&trust), kept: Some(&kept), ..quick() };
    let report = judge(&log, forge.head(), &options, &|_, _| {}).unwrap().report;
    assert_eq!((resumed_from(&report), report.verdict.exit_code()), (Some(12), 0));
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/auditing.md")).unwrap();
    assert!(page.contains("are not read again"));
}

#[test]
fn a_checkpoint_from_before_is_compared_all_the_same() {
    let forge = twelve();
    let note =
        |forge: &Forge, batch: usize| EarlierCheckpoint::parse("kept", &forge.notes()[batch].1).unwrap();
    let report = found_since(&forge, &[note(&forge, 4)]);
    assert_eq!((resumed_from(&report), report.verdict.exit_code()), (Some(12), 0));
    assert_eq!(report.checkpoints[0].outcome, CheckpointOutcome::Matched);
    // One of another history that the log's own key signed.
    let other = note(&twelve_rewritten_from(9), 9);
    let report = found_since(&forge, &[other]);
    assert_eq!((codes(&report), report.verdict.exit_code()), (vec!["anchor.root".to_owned()], 1));
}

/// A witness may lag behind the auditor: what it cosigned is compared all the same.
#[test]
fn a_cosigned_note_from_before_holds_the_log_all_the_same() {
    let forge = twelve();
    let witness = SigningKey::from_bytes(&[77; 32]);
    let vkey = VerifierKey::of_signing_key("w.example.org", KeyKind::CosignatureV1, &witness).unwrap();
    let quorum =
        format!("quorum = \"w\"\n{}\n[[witness]]\nname = \"w\"\nkey = \"{vkey}\"\n", forge.trust().to_toml());
    let trust: TrustRoot = quorum.parse().unwrap();
    let kept = keep_first(&forge, 12).unwrap();
    for rewritten in [false, true] {
        let other = twelve_rewritten_from(9);
        let (size, note) = if rewritten { &other.notes()[9] } else { &forge.notes()[9] };
        let note = CheckpointNote::parse_unverified(note).unwrap();
        let line = cosign("w.example.org", &witness, note.note().text(), minute(60)).unwrap();
        let note = note.note().clone().with_signature(line).unwrap().encode();
        let cosigned = [CosignedFile::parse(*size, &note)];
        let options = Options { trust: Some(&trust), kept: Some(&kept), cosigned: &cosigned, ..quick() };
        let report = judge_all(&forge, &options).report;
        if rewritten {
            assert_eq!((codes(&report), report.verdict.exit_code()), (vec!["anchor.root".to_owned()], 1));
        } else {
            assert_eq!((resumed_from(&report), report.verdict.exit_code()), (Some(12), 0));
            assert_eq!(report.cosigned[0].outcome, CheckpointOutcome::Matched);
            let without = judge_all(&forge, &Options { cosigned: &[], ..options }).report;
            assert_eq!(without.verdict.exit_code(), 4, "the quorum that the trust root names holds nothing");
        }
    }
}

#[test]
fn an_event_that_comes_again_is_found() {
    let mut forge = twelve();
    let kept = keep_first(&forge, 12).unwrap();
    let mut again = forge.event(&ada(), note(0));
    again.header.event_id = EventId::derive("forge", "9");
    forge.add_event(again, &[&ada()]);
    let trust = forge.trust();
    let options = Options { trust: Some(&trust), kept: Some(&kept), ..quick() };
    let report = judge_all(&forge, &options).report;
    assert_eq!((codes(&report), report.verdict.exit_code()), (vec!["rule.event_id_reused".to_owned()], 1));
    assert_eq!(unused(&report), "an event id seems to come a second time");

    // Once the first event has expired, the id is free.
    let mut forge = twelve();
    forge.now = forge.now.plus_ms(EXPIRY_DEFAULT_MS + 2 * HOUR_MS);
    let mut again = forge.event(&ada(), note(0));
    again.header.event_id = EventId::derive("forge", "9");
    forge.add_event(again, &[&ada()]);
    forge.add(&[&ada()], note(0));
    assert!(goes_on_alike(&forge, "an id that is free again") > 0);
    let kept = keep_first(&forge, forge.frames().len()).unwrap();
    assert!(
        kept.to_bytes().len() < keep_first(&twelve(), 12).unwrap().to_bytes().len(),
        "expired ids are forgotten"
    );
}

#[test]
fn a_key_that_was_compromised_before_is_looked_for_from_the_start() {
    let mut forge = twelve();
    let kept = keep_first(&forge, 12).unwrap();
    forge.add(&[&ada()], KeyRevoked { compromised_since: Some(6), ..revoke(rea().public()) });
    let trust = forge.trust();
    let report = judge_all(&forge, &Options { trust: Some(&trust), kept: Some(&kept), ..quick() }).report;
    assert_eq!(codes(&report), ["key.compromised", "key.compromised"]);
    assert_eq!(unused(&report), "a newer entry speaks of what an earlier one did");

    for entry in [6, 7] {
        forge.add(&[&ada()], accept(entry, &["key.compromised"]));
    }
    let accepted = forge.frames().len();
    // What rests on such an entry is told, though the entry itself was read before.
    forge.add(&[&dan()], promote("v3", "staging", None));
    let kept = keep_first(&forge, accepted).unwrap();
    let report = judge_all(&forge, &Options { trust: Some(&trust), kept: Some(&kept), ..quick() }).report;
    assert_eq!((codes(&report), resumed_from(&report)), (vec!["key.compromised_basis".to_owned()], Some(15)));
    assert!(goes_on_alike(&forge, "a compromised key") > 0);
}

#[test]
fn strict_goes_on_from_strict_alone() {
    let forge = twelve();
    let (trust, kept) = (forge.trust(), keep_first(&forge, 12).unwrap());
    let options = Options { trust: Some(&trust), kept: Some(&kept), keep: true, strict: true, ..quick() };
    let judged = judge_all(&forge, &options);
    assert_eq!(unused(&judged.report), "the signatures before were not checked by the strict rule");
    let strict = judged.kept.unwrap();
    let judged = judge_all(&forge, &Options { kept: Some(&strict), ..options });
    assert_eq!(resumed_from(&judged.report), Some(12));
}

#[test]
fn nothing_is_kept_of_a_log_that_is_not_sound_and_rooted() {
    let forge = twelve();
    assert!(judge_all(&forge, &Options { keep: true, ..quick() }).kept.is_none(), "no trust root");
    let mut unlawful = twelve();
    unlawful.add(&[&person("Eve")], note(0));
    assert!(keep_first(&unlawful, 13).is_none());
    let trust = forge.trust();
    assert!(judge_all(&forge, &Options { trust: Some(&trust), ..quick() }).kept.is_none(), "nobody asked");
}

fn read(path: &Path, bytes: &[u8], trust: &TrustRoot) -> Result<Option<KeptState>, KeptStateError> {
    std::fs::write(path, bytes).unwrap();
    KeptState::read(path, trust)
}

#[test]
fn a_damaged_file_is_refused_at_every_byte() {
    let forge = twelve();
    let (trust, bytes) = (forge.trust(), keep_first(&forge, 12).unwrap().to_bytes());
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state");
    assert!(KeptState::read(&path, &trust).unwrap().is_none(), "there is none yet");
    for place in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[place] ^= 0x10;
        let error = read(&path, &flipped, &trust).unwrap_err();
        let is_version = (8..12).contains(&place);
        assert_eq!(matches!(error, KeptStateError::Version { .. }), is_version, "byte {place}: {error}");
        assert_eq!(matches!(error, KeptStateError::Damaged { .. }), !is_version, "byte {place}: {error}");
        let error = read(&path, &bytes[..place], &trust).unwrap_err();
        assert!(matches!(error, KeptStateError::Damaged { .. }), "cut at {place}: {error}");
    }
    let longer = [bytes.as_slice(), b"0"].concat();
    assert!(matches!(read(&path, &longer, &trust), Err(KeptStateError::Damaged { .. })));

    let mut other = Forge::new();
    other.now = minute(5);
    other.add(&[&ada()], created(&[&ada()], other.log_public()));
    let error = read(&path, &bytes, &other.trust()).unwrap_err();
    assert!(matches!(error, KeptStateError::Foreign { .. }), "{error}");
}

proptest! {
    /// Bytes with the right checksum, and anything inside.
    #[test]
    fn no_content_panics(place in 12_usize..1_000, value: [u8; 8], cut in 0_usize..2_000) {
        let forge = twelve();
        let trust = forge.trust();
        let mut bytes = keep_first(&forge, 12).unwrap().to_bytes();
        bytes.truncate(bytes.len() - 32);
        let place = place.min(bytes.len() - 8);
        bytes[place..place + 8].copy_from_slice(&value);
        bytes.truncate(cut.max(12));
        bytes.extend_from_slice(rollbook::hash::Hash::of(&bytes).as_bytes());
        let dir = tempfile::tempdir().unwrap();
        if let Ok(Some(kept)) = read(&dir.path().join("state"), &bytes, &trust) {
            judge_all(&forge, &Options { trust: Some(&trust), kept: Some(&kept), ..quick() });
        }
    }
}

/// The rules go on from the policy in force: a state that holds none that can be read is nothing to go on from, such as
/// one that a later program kept under a policy of a later schema.
#[test]
fn a_policy_that_cannot_be_read_is_damage() {
    let forge = twelve();
    let trust = forge.trust();
    let mut bytes = keep_first(&forge, 12).unwrap().to_bytes();
    bytes.truncate(bytes.len() - 32);
    let word = b"schema";
    let place = bytes.windows(word.len()).position(|window| window == word).unwrap();
    bytes[place] = b'S';
    bytes.extend_from_slice(rollbook::hash::Hash::of(&bytes).as_bytes());
    let dir = tempfile::tempdir().unwrap();
    let error = read(&dir.path().join("state"), &bytes, &trust).unwrap_err();
    assert!(matches!(&error, KeptStateError::Damaged { reason, .. } if reason.contains("policy")), "{error}");
}

#[test]
fn at_the_command_line() {
    let desk = Desk::with_releases();
    desk.copy("ledger/trust.toml", "trust.toml");
    desk.refused("verify --state kept", 2, &["--trust"]);
    let gate = "gate scorer 1.1.0 --env staging --trust trust.toml --state kept";
    let first = desk.done_json("verify --trust trust.toml --state kept");
    assert_eq!((&first["verdict"], first.get("kept")), (&"sound".into(), None));
    let judged = desk.done_json(gate);
    assert_eq!(judged["judged"]["kept"]["resumed_from"]["size"], 6, "{judged}");
    desk.done("--key dora.key note 0 later");
    let again = desk.done_json("verify --trust trust.toml --state kept");
    assert_eq!((&again["kept"]["resumed_from"]["size"], &again["size"]), (&6.into(), &7.into()), "{again}");
    let text = desk.done("verify --trust trust.toml --state kept");
    assert!(text.contains("checked since  entry 7; findings before it: none\n"), "{text}");

    let kept = std::fs::read(desk.path("kept")).unwrap();
    desk.write("kept", "not a state");
    desk.refused(
        "verify --trust trust.toml --state kept",
        2,
        &["kept is damaged, or no kept state", "delete it"],
    );
    desk.refused(gate, 2, &["kept is damaged, or no kept state", "delete it"]);
    assert_eq!(desk.read("kept"), "not a state");
    std::fs::write(desk.path("kept"), kept).unwrap();
    desk.done(gate);
}
