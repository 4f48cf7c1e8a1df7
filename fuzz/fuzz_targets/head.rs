//! The published head: two slots. A valid slot is written in the same bytes, the larger size counts, and a slot with
//! a bit turned never does.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rollbook::store::head::{
    HEAD_NOTE_BYTES_MAX, HEAD_SLOT_BYTES, HeadError, HeadState, encode_slot, parse_head,
};
use rollbook_fuzz::allocation::within;

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    check(&put_right(bytes));
});

/// `bytes` as two slots whose checksums are right; a slot of zeros stays one.
fn put_right(bytes: &[u8]) -> Vec<u8> {
    let mut file = bytes.to_vec();
    file.resize(2 * HEAD_SLOT_BYTES, 0);
    for slot in file.chunks_mut(HEAD_SLOT_BYTES).filter(|slot| slot.iter().any(|byte| *byte != 0)) {
        let (covered, checksum) = slot.split_at_mut(HEAD_SLOT_BYTES - 4);
        checksum.copy_from_slice(&crc32c::crc32c(covered).to_le_bytes());
    }
    file
}

fn check(bytes: &[u8]) {
    // The notes, and a copy of the one that counts.
    let held_max = 4 * HEAD_SLOT_BYTES;
    let state = match within(held_max, || parse_head(bytes)) {
        Ok(state) => state,
        Err(HeadError::Version(version)) => return assert_ne!(version, 1),
        Err(error) => panic!("nothing else can be wrong with bytes: {error}"),
    };
    let HeadState::Published { head, other_slot_bad } = &state else { return };
    assert!((1..=HEAD_NOTE_BYTES_MAX).contains(&head.note().len()));
    let slot = encode_slot(head.size(), head.note()).expect("it was in a slot");
    let mut file = bytes.to_vec();
    file.resize(2 * HEAD_SLOT_BYTES, 0);
    let slots = [&file[..HEAD_SLOT_BYTES], &file[HEAD_SLOT_BYTES..]];
    let place = slots.iter().position(|bytes| **bytes == slot).expect("it stands in one of the slots");

    // Without the slot, what counts is smaller or nothing; with a bit turned, it is bad.
    let other = slots[1 - place];
    let alone = parse_head(other).expect("the same version");
    assert!(alone.size() <= head.size());
    assert_eq!(*other_slot_bad, alone == HeadState::FirstWriteTorn);
    let turned = head.note().iter().fold(0usize, |sum, byte| sum + usize::from(*byte)) % HEAD_SLOT_BYTES;
    let mut torn = slot;
    torn[turned] ^= 0x10;
    let expected = match alone.clone() {
        HeadState::Published { head, .. } => HeadState::Published { head, other_slot_bad: true },
        HeadState::Missing => HeadState::FirstWriteTorn,
        _ => HeadState::BothBad,
    };
    assert_eq!(parse_head(&[torn.as_slice(), other].concat()).expect("the same version"), expected);
}
