//! Golden vectors of the batch frame and of `head`, and what must be refused of a frame.

use std::fs;

use rollbook::note::checkpoint::{Checkpoint, Origin, sign_checkpoint};
use rollbook::store::frame::{FrameError, FrameView, encode_frame};
use rollbook::store::head::{HeadFile, HeadState, read_head};

use crate::support::ledger;
use crate::support::vectors::{check_hex, read_hex};

/// The checkpoint over entry 0 alone.
fn checkpoint_1() -> Vec<u8> {
    let checkpoint = Checkpoint::new(Origin::new(ledger::ORIGIN).unwrap(), 1, ledger::ledger_id());
    sign_checkpoint(&checkpoint, &[&ledger::signing_key(3)]).unwrap()
}

/// CRC-32C by its definition: reflected polynomial 0x82f63b78, one bit at a time.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 },
        )
    })
}

/// The frame as docs/format.md lays it out, field by field.
fn frame_by_the_page(first_index: u64, entries: &[Vec<u8>], note: &[u8]) -> Vec<u8> {
    let field = |bytes: &[u8]| [&u32::try_from(bytes.len()).unwrap().to_le_bytes(), bytes].concat();
    let inside: Vec<u8> = entries.iter().map(Vec::as_slice).chain([note]).flat_map(field).collect();
    let mut frame = b"ROLLBTCH".to_vec();
    frame.extend(1u32.to_le_bytes());
    frame.extend(first_index.to_le_bytes());
    frame.extend(u32::try_from(entries.len()).unwrap().to_le_bytes());
    frame.extend(u32::try_from(28 + inside.len() + 4).unwrap().to_le_bytes());
    frame.extend(inside);
    let checksum = crc32c(&frame);
    frame.extend(checksum.to_le_bytes());
    frame
}

/// A slot of `head` as docs/format.md lays it out.
fn slot_by_the_page(size: u64, note: &[u8]) -> Vec<u8> {
    let mut slot = b"ROLLHEAD".to_vec();
    slot.extend(1u32.to_le_bytes());
    slot.extend(size.to_le_bytes());
    slot.extend(u32::try_from(note.len()).unwrap().to_le_bytes());
    slot.extend(note);
    slot.resize(4_092, 0);
    let checksum = crc32c(&slot);
    slot.extend(checksum.to_le_bytes());
    slot
}

#[test]
fn the_checksum_is_castagnolis() {
    assert_eq!(crc32c(b"123456789"), 0xe306_9283, "the check value that docs/format.md names");
}

fn two_entries() -> Vec<u8> {
    let entries = [ledger::entry_0().to_bytes(), ledger::entry_1().to_bytes()];
    encode_frame(0, &entries, &ledger::checkpoint_2()).unwrap()
}

#[test]
fn the_frame_has_its_vector() {
    let entries = [ledger::entry_0().to_bytes(), ledger::entry_1().to_bytes()];
    let note = ledger::checkpoint_2();
    check_hex("frames/two-entries.hex", &two_entries());
    assert_eq!(two_entries(), frame_by_the_page(0, &entries, &note));

    let bytes = read_hex("frames/two-entries.hex");
    let view = FrameView::parse(&bytes).unwrap();
    assert_eq!((view.first_index(), view.next_index()), (0, 2));
    assert_eq!(view.entries().collect::<Vec<_>>(), entries);
    assert_eq!(view.note(), note);
}

#[test]
fn head_has_its_vector() {
    let dir = tempfile::tempdir().unwrap();
    let mut head = HeadFile::open(dir.path()).unwrap();
    head.publish(1, &checkpoint_1()).unwrap();
    head.publish(2, &ledger::checkpoint_2()).unwrap();
    let bytes = fs::read(dir.path().join("head")).unwrap();
    check_hex("heads/two-slots.hex", &bytes);
    let slots = [slot_by_the_page(1, &checkpoint_1()), slot_by_the_page(2, &ledger::checkpoint_2())];
    assert_eq!(bytes, slots.concat());
}

#[test]
fn the_slot_with_the_larger_size_counts() {
    let dir = tempfile::tempdir().unwrap();
    let slots = [slot_by_the_page(1, &checkpoint_1()), slot_by_the_page(2, &ledger::checkpoint_2())];
    fs::write(dir.path().join("head"), slots.concat()).unwrap();
    let HeadState::Published { head, other_slot_bad } = read_head(dir.path()).unwrap() else {
        panic!("nothing is published");
    };
    assert_eq!((head.size(), head.note()), (2, ledger::checkpoint_2().as_slice()));
    assert!(!other_slot_bad);
}

#[test]
fn frames_that_are_refused() {
    let sound = two_entries();
    let sealed = |at: usize, with: &[u8]| {
        let mut frame = sound[..sound.len() - 4].to_vec();
        frame[at..at + with.len()].copy_from_slice(with);
        let checksum = crc32c(&frame);
        frame.extend(checksum.to_le_bytes());
        frame
    };
    for (what, bytes, expected) in [
        ("another magic", sealed(0, b"ROLLHEAD"), FrameError::Magic),
        ("version 0", sealed(8, &[0]), FrameError::Malformed("version 0 does not exist")),
        ("a newer version", sealed(8, &[2]), FrameError::Version(2)),
        ("no entries", sealed(20, &[0]), FrameError::Malformed("its count is outside 1 to 4,096")),
        (
            "an index beyond 64 bits",
            sealed(12, &[0xff; 8]),
            FrameError::Malformed("its last index is beyond 64 bits"),
        ),
        ("a length below every frame", sealed(24, &[41, 0, 0, 0]), FrameError::Length { length: 41 }),
        (
            "a length above every frame",
            sealed(24, &[1, 0, 0, 1]),
            FrameError::Length { length: (16 << 20) + 1 },
        ),
        (
            "an entry that goes beyond the frame",
            sealed(28, &[0xff, 0xff, 0xff, 0xff]),
            FrameError::Malformed("an entry goes beyond the frame"),
        ),
        (
            "an empty entry",
            sealed(28, &[0; 4]),
            FrameError::Malformed("an entry is not of 1 to 65,535 bytes"),
        ),
    ] {
        assert_eq!(FrameView::parse(&bytes), Err(expected), "{what}");
    }
}
