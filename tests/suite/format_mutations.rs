//! Bytes that nobody wrote: whatever decodes is canonical, and nothing panics or asks for much memory.
//!
//! A failing case prints the input that replays it.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use rollbook::codec::{self, CodecError};
use rollbook::event::body::{Event, EventError};
use rollbook::log::entry::Entry;
use rollbook::signing::envelope::Envelope;

use crate::support::ledger;
use crate::support::samples;
use crate::support::tables::{Part, Tables, Walked};

/// Decodes `bytes` as everything that they could be, and checks that each reading writes them back.
fn check_all(bytes: &[u8]) {
    if let Ok(event) = Event::from_bytes(bytes) {
        assert_eq!(event.to_bytes().unwrap(), bytes);
    }
    if let Ok(envelope) = codec::decode::<Envelope>(bytes) {
        assert_eq!(codec::encode(&envelope), bytes);
    }
    if let Ok(entry) = Entry::from_bytes(bytes) {
        assert_eq!(entry.to_bytes(), bytes);
    }
}

/// What the golden vectors hold: events, envelopes and entries.
fn golden() -> Vec<Vec<u8>> {
    let events = samples::full().into_iter().chain(samples::minimal());
    let mut golden: Vec<Vec<u8>> = events.map(|event| event.to_bytes().unwrap()).collect();
    let entries = [ledger::entry_0(), ledger::entry_1(), ledger::entry_with_state_root()];
    golden.extend(entries.iter().map(|entry| codec::encode(&entry.envelope)));
    golden.extend(entries.iter().map(Entry::to_bytes));
    golden
}

#[derive(Debug, Clone)]
enum Mutation {
    Flip { at: prop::sample::Index, mask: u8 },
    Set { at: prop::sample::Index, to: u8 },
    Insert { at: prop::sample::Index, byte: u8 },
    Delete { at: prop::sample::Index, count: usize },
    Duplicate { at: prop::sample::Index, count: usize },
}

impl Mutation {
    fn apply(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        match self {
            Self::Flip { at, mask } => {
                let at = at.index(bytes.len());
                bytes[at] ^= mask;
            }
            Self::Set { at, to } => {
                let at = at.index(bytes.len());
                bytes[at] = *to;
            }
            Self::Insert { at, byte } => bytes.insert(at.index(bytes.len()), *byte),
            Self::Delete { at, count } => {
                let start = at.index(bytes.len());
                bytes.drain(start..(start + count).min(bytes.len()));
            }
            Self::Duplicate { at, count } => {
                let start = at.index(bytes.len());
                let run = bytes[start..(start + count).min(bytes.len())].to_vec();
                bytes.splice(start..start, run);
            }
        }
    }
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        (at(), 1u8..).prop_map(|(at, mask)| Mutation::Flip { at, mask }),
        (at(), prop_oneof![0u8..4, any::<u8>()]).prop_map(|(at, to)| Mutation::Set { at, to }),
        (at(), any::<u8>()).prop_map(|(at, byte)| Mutation::Insert { at, byte }),
        (at(), 1usize..40).prop_map(|(at, count)| Mutation::Delete { at, count }),
        (at(), 1usize..120).prop_map(|(at, count)| Mutation::Duplicate { at, count }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn arbitrary_bytes_decode_canonically_or_not_at_all(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        check_all(&bytes);
        // Behind a format version, an event's own decoding is reached.
        check_all(&[&[1, 0, 0, 0], bytes.as_slice()].concat());
    }

    #[test]
    fn mutated_vectors_decode_canonically_or_not_at_all(
        vector in any::<prop::sample::Index>(),
        mutations in prop::collection::vec(mutation(), 1..4),
    ) {
        static GOLDEN: LazyLock<Vec<Vec<u8>>> = LazyLock::new(golden);
        let mut bytes = GOLDEN[vector.index(GOLDEN.len())].clone();
        for mutation in &mutations {
            mutation.apply(&mut bytes);
        }
        check_all(&bytes);
    }
}

#[test]
fn every_single_byte_altered_decodes_canonically_or_not_at_all() {
    for bytes in golden() {
        for at in 0..bytes.len() {
            for value in [0, 1, 2, 0x7f, 0x80, 0xff] {
                let mut altered = bytes.clone();
                altered[at] = value;
                check_all(&altered);
            }
        }
    }
}

#[test]
fn every_prefix_is_refused() {
    for event in samples::full().into_iter().chain(samples::minimal()) {
        let bytes = event.to_bytes().unwrap();
        for end in 0..bytes.len() {
            let error = Event::from_bytes(&bytes[..end]).unwrap_err();
            assert_eq!(error, EventError::Codec(CodecError::Truncated), "{} to {end}", event.kind());
        }
    }
    let entry = ledger::entry_0();
    let (bytes, envelope) = (entry.to_bytes(), codec::encode(&entry.envelope));
    for end in 0..bytes.len() {
        assert_eq!(Entry::from_bytes(&bytes[..end]), Err(CodecError::Truncated), "entry to {end}");
    }
    for end in 0..envelope.len() {
        let read = codec::decode::<Envelope>(&envelope[..end]);
        assert_eq!(read, Err(CodecError::Truncated), "envelope to {end}");
    }
}

#[test]
fn every_appended_byte_is_refused() {
    for event in samples::full().into_iter().chain(samples::minimal()) {
        let bytes = [event.to_bytes().unwrap(), vec![0]].concat();
        let expected = EventError::Codec(CodecError::Trailing { count: 1 });
        assert_eq!(Event::from_bytes(&bytes), Err(expected), "{}", event.kind());
    }
    let expected = CodecError::Trailing { count: 1 };
    assert_eq!(Entry::from_bytes(&[ledger::entry_0().to_bytes(), vec![0]].concat()), Err(expected));
}

#[test]
fn a_huge_length_is_refused_before_anything_is_allocated_for_it() {
    let tables = Tables::read();
    let began = Instant::now();
    let mut positions = 0;
    for event in samples::full().into_iter().chain(samples::minimal()) {
        let bytes = event.to_bytes().unwrap();
        for huge in with_huge_lengths(&bytes, &tables.walk("event", &bytes)) {
            // Were the length believed, the bytes would be found to end too early.
            let error = Event::from_bytes(&huge).unwrap_err();
            let EventError::Codec(CodecError::Invalid(reason)) = &error else { panic!("{error}") };
            let is_of_a_list = reason.starts_with("a list has ") && reason.ends_with(" are allowed");
            assert!(is_of_a_list || reason == "a length is beyond every bound", "{}: {reason}", event.kind());
            positions += 1;
        }
    }
    let entry = ledger::entry_1().to_bytes();
    for huge in with_huge_lengths(&entry, &tables.walk("entry", &entry)) {
        assert!(matches!(Entry::from_bytes(&huge), Err(CodecError::Invalid(_))));
        positions += 1;
    }
    assert!(positions > 1_000, "only {positions} lengths were tried");
    assert!(began.elapsed() < Duration::from_mins(1), "{positions} lengths took {:?}", began.elapsed());
}

/// `bytes` once for each of its lengths and each of some huge values.
fn with_huge_lengths(bytes: &[u8], walked: &Walked) -> Vec<Vec<u8>> {
    let lengths = walked.pieces.iter().filter(|piece| piece.part == Part::Length);
    let replaced = |range: std::ops::Range<usize>, huge: u64| {
        let mut bytes = bytes.to_vec();
        bytes[range].copy_from_slice(&huge.to_le_bytes());
        bytes
    };
    lengths
        .flat_map(|piece| {
            [1 << 21, 1 << 40, 1 << 63, u64::MAX].map(|huge| replaced(piece.range.clone(), huge))
        })
        .collect()
}
