//! Batch frames, and the walk over a log of them. What parses encodes to the same bytes, borrows all it holds, and
//! is refused when anything is cut off or one bit is turned.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rollbook::store::batch_log::{BatchLog, Position};
use rollbook::store::files::RollSize;
use rollbook::store::frame::{FRAME_VERSION, Frame, FrameError, FrameHeader, FrameView, encode_frame};
use rollbook::store::memory::MemoryLog;
use rollbook::store::scan::Scanner;
use rollbook::store::tail::{TailState, walk_tail};
use rollbook_fuzz::allocation::within;
use rollbook_fuzz::sealing::{frame_put_right, frames_of};

fuzz_target!(|bytes: &[u8]| {
    parse(bytes);
    parse(&frame_put_right(bytes));
    walk(bytes);
    walk(&frames_of(bytes).into_iter().map(frame_put_right).collect::<Vec<_>>().concat());
});

fn parse(bytes: &[u8]) {
    let header = FrameHeader::parse(bytes);
    match within(0, || FrameView::parse(bytes)) {
        Ok(view) => {
            assert_eq!(header, Ok(view.header()));
            sound(&view, bytes);
        }
        Err(FrameError::Version(version)) => assert!(version > FRAME_VERSION),
        Err(FrameError::Incomplete { needed, actual }) => assert!(actual == bytes.len() && needed > actual),
        Err(error @ FrameError::Malformed(_)) => assert!(!error.may_be_torn_write()),
        Err(error) => assert!(error.may_be_torn_write()),
    }
}

fn sound(view: &FrameView<'_>, bytes: &[u8]) {
    let frame = view.bytes();
    assert!(bytes.starts_with(frame) && frame.len() == view.header().length() as usize);
    let entries: Vec<&[u8]> = view.entries().collect();
    assert_eq!(entries.len(), view.count() as usize);
    assert_eq!(view.next_index(), view.first_index() + u64::from(view.count()));
    assert_eq!(encode_frame(view.first_index(), &entries, view.note()).as_deref(), Ok(frame));
    for (offset, entry) in view.entry_offsets().zip(&entries) {
        assert!(frame[offset as usize + 4..].starts_with(entry));
    }
    let owned = Frame::parse(frame.to_vec()).expect("the same bytes");
    assert_eq!(&owned.view(), view);
    for end in [0, 7, 27, frame.len() / 2, frame.len() - 1] {
        assert!(matches!(FrameView::parse(&frame[..end]), Err(FrameError::Incomplete { .. })));
    }
    let mut turned = frame.to_vec();
    let place =
        bytes.iter().fold(0usize, |sum, byte| sum.wrapping_mul(31) + usize::from(*byte)) % frame.len();
    turned[place] ^= 1;
    assert!(FrameView::parse(&turned).is_err(), "a bit turned at {place} is not noticed");
}

/// Scans the bytes as a log's only file. Its frames lie one behind another, and a writer goes on where they end.
fn walk(bytes: &[u8]) {
    let mut log = MemoryLog::from_files([(0, bytes.to_vec())], RollSize::DEFAULT);
    let mut scanner = Scanner::new(&log, Position::START, u64::MAX).expect("memory can be read");
    let mut scanned = Vec::new();
    let mut entries = 0;
    while let Some(Ok(located)) = scanner.next_frame() {
        assert_eq!(located.frame.first_index(), entries);
        entries = located.frame.next_index();
        scanned.extend_from_slice(located.frame.bytes());
    }
    assert!(bytes.starts_with(&scanned));
    assert_eq!(scanner.position(), Position { file: 0, offset: scanned.len() as u64, index: entries });

    let tail = TailState::judge(walk_tail(&log, 0, None).expect("memory can be read"));
    if log.resume(&tail).is_ok() {
        assert_eq!(tail.sound_until().index, entries, "what follows would not follow");
        let next = encode_frame(entries, &[b"entry"], b"note").expect("one small entry");
        log.append(&next, entries).expect("it was made ready");
        let walk = walk_tail(&log, 0, None).expect("memory can be read");
        assert_eq!(TailState::judge(walk).sound_until().index, entries + 1);
    }
}
