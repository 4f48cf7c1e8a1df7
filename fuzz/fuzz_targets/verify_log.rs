//! A whole small log, changed, through the verifier: a verdict always, and never a clean one of a log that is not the
//! seed's.
//!
//! The first byte says who changed it and what is held against it; the rest is the log's only file. Either its frames
//! are only put right (length, checksum), or an insider seals it anew: with the log's keys, so that chain, tree and
//! checkpoints fit, and perhaps with the keys of all its people. Against an insider a checkpoint that somebody kept
//! helps, and nothing else does: without one, what is asserted of a clean verdict is what can be recomputed.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use rollbook::event::body::Event;
use rollbook::hash::Hash;
use rollbook::log::entry::Entry;
use rollbook::log::trust_root::TrustRoot;
use rollbook::merkle::proof::root_at;
use rollbook::merkle::tree::{Tree, leaf_hash};
use rollbook::note::checkpoint::{CheckpointNote, Origin};
use rollbook::store::batch_log::Position;
use rollbook::store::files::RollSize;
use rollbook::store::head::{HeadState, encode_slot, parse_head};
use rollbook::store::memory::MemoryLog;
use rollbook::store::scan::Scanner;
use rollbook::verifier::report::Report;
use rollbook::verifier::verify::{EarlierCheckpoint, Options, judge};
use rollbook_fuzz::events::Person;
use rollbook_fuzz::forge::{Forge, quick};
use rollbook_fuzz::sealing::{Insider, frame_put_right, frames_of};
use rollbook_fuzz::seed;

/// Bits of the first byte.
const SEALED: u8 = 1;
const PEOPLE: u8 = 2;
const NO_EARLIER: u8 = 4;
const NO_TRUST: u8 = 8;
const STRICT: u8 = 16;
const OWN_HEAD: u8 = 32;
const AS_IT_IS: u8 = 64;

struct Fixture {
    origin: Origin,
    trust: TrustRoot,
    entries: Vec<Vec<u8>>,
    head: HeadState,
    earlier: [EarlierCheckpoint; 1],
    people: [Person; 4],
    /// From which index on the second log key signs, and both keys.
    rotation: u64,
    keys: [ed25519_dalek::SigningKey; 2],
}

static FIXTURE: LazyLock<Fixture> = LazyLock::new(|| {
    let first = Forge::new().log_key;
    let log = seed::short_log();
    let entries = entries_in(&log.log(), u64::MAX);
    let both_signed =
        |note: &[u8]| CheckpointNote::parse_unverified(note).expect("a note").note().signatures().len() == 2;
    let (size, _) = log.notes().iter().find(|(_, note)| both_signed(note)).expect("a rotation");
    Fixture {
        origin: log.origin.clone(),
        trust: log.trust(),
        entries,
        head: log.head(),
        earlier: [EarlierCheckpoint::parse("kept", log.newest_note()).expect("a note")],
        people: seed::people(),
        rotation: size - 1,
        keys: [first, log.log_key.clone()],
    }
});

/// The entries of the frames that are sound and in order, up to `until`.
fn entries_in(log: &MemoryLog, until: u64) -> Vec<Vec<u8>> {
    let mut scanner = Scanner::new(log, Position::START, until).expect("memory can be read");
    let mut entries = Vec::new();
    while let Some(Ok(located)) = scanner.next_frame() {
        entries.extend(located.frame.entries().map(<[u8]>::to_vec));
    }
    entries
}

fuzz_target!(|bytes: &[u8]| {
    let Some((flags, bytes)) = bytes.split_first() else { return };
    let has = |flag: u8| flags & flag != 0;
    let fixture = &*FIXTURE;
    let mut head = fixture.head.clone();
    let file = if has(SEALED) {
        let people = if has(PEOPLE) { &fixture.people[..] } else { &[] };
        let Some(sealed) = (Insider { origin: fixture.origin.clone(), keys: &keys, people }).seal(bytes)
        else {
            return;
        };
        if has(OWN_HEAD) {
            let slot = encode_slot(sealed.entries.len() as u64, &sealed.note).expect("a short note");
            head = parse_head(&slot).expect("of this version");
        }
        sealed.frames.concat()
    } else if has(AS_IT_IS) {
        bytes.to_vec()
    } else {
        frames_of(bytes).into_iter().map(frame_put_right).collect::<Vec<_>>().concat()
    };
    let log = MemoryLog::from_files([(0, file)], RollSize::DEFAULT);
    let options = Options {
        trust: (!has(NO_TRUST)).then_some(&fixture.trust),
        checkpoints: if has(NO_EARLIER) { &[] } else { &fixture.earlier },
        strict: has(STRICT),
        keep: true,
        ..quick()
    };
    let judged = judge(&log, head, &options, &|_, _| {}).expect("memory can be read");
    let exit_code = judged.report.verdict.exit_code();
    assert!(matches!(exit_code, 0 | 1 | 4 | 5));
    assert!(judged.kept.is_none() || judged.report.rooted);
    if !matches!(exit_code, 0 | 4) {
        return;
    }
    let entries = entries_in(&log, judged.report.size);
    assert_eq!(entries.len() as u64, judged.report.size, "entries were passed over");
    clean(&judged.report, &entries);
    if has(NO_TRUST) {
        assert_ne!(exit_code, 0, "nothing says which ledger it must be");
    } else {
        assert_eq!(entries[0], fixture.entries[0], "this is another ledger");
    }
    if !has(NO_EARLIER) {
        assert!(entries.starts_with(&fixture.entries), "the log was rewritten, and nobody noticed");
    }
    if !has(SEALED) && !has(NO_TRUST) {
        assert_eq!(entries, fixture.entries, "somebody without keys changed the log, and nobody noticed");
    }
});

/// Who signs the checkpoint of a batch that begins with this entry.
fn keys(first_index: u64) -> Vec<ed25519_dalek::SigningKey> {
    let Fixture { rotation, keys: [first, second], .. } = &*FIXTURE;
    match first_index.cmp(rotation) {
        std::cmp::Ordering::Less => vec![first.clone()],
        std::cmp::Ordering::Equal => vec![first.clone(), second.clone()],
        std::cmp::Ordering::Greater => vec![second.clone()],
    }
}

/// What a clean verdict says can be recomputed: chain, tree, signatures.
fn clean(report: &Report, entries: &[Vec<u8>]) {
    let mut previous = Hash::ZERO;
    for (index, bytes) in (0..).zip(entries) {
        let entry = Entry::from_bytes(bytes).expect("the verifier read it");
        assert_eq!((entry.index, entry.previous), (index, previous));
        assert_eq!(entry.envelope.verify_signatures_strict(), Ok(()));
        Event::from_bytes(entry.envelope.event()).expect("the verifier read it");
        previous = leaf_hash(bytes);
    }
    let tree: Tree = entries.iter().map(|entry| leaf_hash(entry)).collect();
    assert_eq!(report.root, root_at(tree.size(), &tree).ok());
    assert_eq!(report.ledger_id, entries.first().map(|entry| leaf_hash(entry)));
}
