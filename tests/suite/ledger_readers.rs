//! Readers beside a writer: no lock, nothing that isn't published, offsets never believed.

use std::fs;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use rollbook::log::reader::{LogReader, LoggedEntry, ReadError};

use crate::support::test_ledger::TestLedger;

#[test]
fn readers_see_whole_published_batches_while_a_writer_appends() {
    let test = TestLedger::new();
    let ledger = test.open();
    let batches: Vec<Vec<_>> =
        (0..30).map(|batch| (0..=batch % 3).map(|_| test.note("a note")).collect()).collect();
    let sizes: Vec<u64> = batches
        .iter()
        .scan(4, |size, batch| {
            *size += batch.len() as u64;
            Some(*size)
        })
        .collect();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let (mut last, mut reads) = (4, 0);
            while !done.load(Ordering::SeqCst) || reads == 0 {
                let size = test.read_all().len() as u64;
                assert!(size == 4 || sizes.contains(&size), "no batch ends at {size}");
                assert!(size >= last, "what was published stays published");
                let reader = LogReader::open(&test.dir()).unwrap();
                let newest = reader.size() - 1;
                assert_eq!(reader.entry(newest).unwrap().0.entry.index, newest);
                (last, reads) = (size, reads + 1);
            }
        });
        for batch in batches {
            assert!(ledger.append_batch(batch).iter().all(Result::is_ok));
        }
        done.store(true, Ordering::SeqCst);
        reader.join().unwrap();
    });
    assert_eq!(test.read_all().len() as u64, *sizes.last().unwrap());
}

#[test]
fn what_lies_beyond_the_head_is_not_shown() {
    let test = TestLedger::new();
    let before = test.snapshot();
    test.open().append(test.register("1")).unwrap();
    test.restore(&before, "head");
    let reader = LogReader::open(&test.dir()).unwrap();
    assert_eq!((reader.size(), test.read_all().len()), (4, 4));
    assert!(matches!(reader.entry(4), Err(ReadError::NoSuchEntry { index: 4, size: 4 })));
    let none = |entry: LoggedEntry| -> Result<ControlFlow<()>, ReadError> {
        panic!("{:?} is not published", entry.entry)
    };
    reader.for_each(4, none).unwrap();
}

#[test]
fn an_entry_is_found_with_offsets_and_without_and_despite_them() {
    let test = TestLedger::new();
    let ledger = test.open();
    ledger.append_batch((0..5).map(|_| test.note("together")).collect());
    ledger.append(test.register("1")).unwrap();
    drop(ledger);
    let all = test.read_all();
    let offsets = test.dir().join("index/offsets");
    let good = fs::read(&offsets).unwrap();
    let check = |what: &str| {
        let reader = LogReader::open(&test.dir()).unwrap();
        for logged in &all {
            let index = logged.entry.index;
            let (found, note) =
                reader.entry(index).unwrap_or_else(|error| panic!("{what}, {index}: {error}"));
            assert_eq!((found.bytes, found.leaf_hash), (logged.bytes.clone(), logged.leaf_hash), "{what}");
            assert!(!note.is_empty());
        }
        let mut from_six = Vec::new();
        let collect = |entry: LoggedEntry| {
            from_six.push(entry.entry.index);
            Ok::<_, ReadError>(ControlFlow::Continue(()))
        };
        reader.for_each(6, collect).unwrap();
        assert_eq!(from_six, [6, 7, 8, 9], "{what}");
    };
    check("as they are");
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x1f;
        fs::write(&offsets, bad).unwrap();
        check(&format!("byte {at} changed"));
    }
    fs::write(&offsets, good.iter().rev().copied().collect::<Vec<u8>>()).unwrap();
    check("reversed");
    fs::write(&offsets, &good[..40]).unwrap();
    check("cut");
    fs::remove_dir_all(test.dir().join("index")).unwrap();
    check("without an index");
}

#[test]
fn what_is_no_ledger_is_said_so() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(LogReader::open(dir.path()), Err(ReadError::NotALedger { .. })));
    fs::write(dir.path().join("rollbook.toml"), "").unwrap();
    assert!(matches!(LogReader::open(dir.path()), Err(ReadError::Empty { .. })));
}
