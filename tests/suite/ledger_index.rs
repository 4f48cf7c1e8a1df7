//! The derived index is never believed: whatever becomes of it, the state after is the state before.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rollbook::event::release::Serving;
use rollbook::index::rows::{RowChange, Rows};
use rollbook::ledger::receipt::Warning;
use rollbook::ledger::writer::{ClockTrust, Ledger};

use crate::support::disk::FaultyDisk;
use crate::support::test_ledger::{Snapshot, TestLedger, contents, facts, name};

const VERSIONS: [&str; 4] = ["1", "2", "3", "4"];

/// Nine entries: three versions, two of which have served; with all of them in the index's rows.
fn ledger_of_nine() -> TestLedger {
    let test = TestLedger::new();
    let ledger = test.open();
    for version in ["1", "2", "3"] {
        ledger.append(test.register(version)).unwrap();
    }
    ledger.append(test.promote("1", None)).unwrap();
    let from = Some(Serving { version: name("1"), entry: 7 });
    ledger.append(test.promote("2", from)).unwrap();
    ledger.flush_index().unwrap();
    test
}

/// Appends one note, which the index's rows then know.
fn append_flushed(test: &TestLedger, line: &str) {
    let ledger = test.open();
    ledger.append(test.note(line)).unwrap();
    ledger.flush_index().unwrap();
}

/// Opens the ledger, whose index was damaged as `what` says: its state is `expected`, retries of what stands in
/// it are known, and it goes on.
fn opens_sound(test: &TestLedger, expected: &str, what: &str) -> Ledger {
    let ledger = test.try_open().unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(facts(&ledger, &VERSIONS), expected, "{what}");
    for logged in test.read_all().into_iter().skip(1) {
        let receipt = ledger.append(logged.entry.envelope).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(
            (receipt.index, receipt.leaf_hash, receipt.repeated),
            (logged.entry.index, logged.leaf_hash, true),
            "{what}"
        );
    }
    ledger
}

fn appends(test: &TestLedger, ledger: Ledger, what: &str) {
    let from = Some(Serving { version: name("2"), entry: 8 });
    let outcomes = ledger.append_batch(vec![test.register("4"), test.promote("4", from)]);
    assert!(outcomes.iter().all(Result::is_ok), "{what}: {outcomes:?}");
    drop(ledger);
    assert_eq!(test.read_all().len(), 11, "{what}");
}

fn is_rebuilt(ledger: &Ledger) -> bool {
    ledger.take_warnings().iter().any(|warning| matches!(warning, Warning::IndexRebuilt { .. }))
}

#[test]
fn a_missing_or_older_index_is_brought_up_to_the_log() {
    let test = TestLedger::new();
    let old_index = test.snapshot();
    drop(test);
    let test = ledger_of_nine();
    let expected = facts(&test.open(), &VERSIONS);
    let whole = test.snapshot();
    fs::remove_dir_all(test.dir().join("index")).unwrap();
    opens_sound(&test, &expected, "missing");
    fs::remove_dir_all(test.dir().join("index/sled")).unwrap();
    opens_sound(&test, &expected, "without rows");
    // Of the same people and clock, the other ledger's first entries are the very same.
    test.restore(&old_index, "index");
    let ledger = opens_sound(&test, &expected, "behind");
    assert_eq!(ledger.take_warnings(), []);
    appends(&test, ledger, "behind");
    test.restore(&whole, ".");
    appends(&test, test.open(), "as it was");
}

#[test]
fn an_index_ahead_of_the_log_or_of_another_log_is_rebuilt() {
    let test = ledger_of_nine();
    let (expected, short) = (facts(&test.open(), &VERSIONS), test.snapshot());
    append_flushed(&test, "one more");
    let longer = test.snapshot();
    test.restore(&short, ".");
    test.restore(&longer, "index");
    assert!(is_rebuilt(&opens_sound(&test, &expected, "ahead")));

    test.restore(&short, ".");
    append_flushed(&test, "another history");
    let (expected, forked) = (facts(&test.open(), &VERSIONS), test.snapshot());
    test.restore(&longer, "index");
    assert!(is_rebuilt(&opens_sound(&test, &expected, "of the same size, of another history")));

    let foreign = TestLedger::new();
    foreign.open().append_batch((0..50).map(|_| foreign.note("elsewhere")).collect());
    test.restore(&forked, ".");
    test.restore(&foreign.snapshot(), "index");
    assert!(is_rebuilt(&opens_sound(&test, &expected, "foreign")));
}

/// The row that says how far the index reaches begins with the version of the rows' layout, little-endian.
#[test]
fn an_index_of_a_newer_or_an_older_layout_is_rebuilt() {
    let test = ledger_of_nine();
    let expected = facts(&test.open(), &VERSIONS);
    let key = b"how far".to_vec();
    for layout in [0u32, 1, u32::MAX - 1, u32::MAX] {
        let rows = Rows::open(&test.dir().join("index")).unwrap();
        let mut value = rows.get(&key).unwrap().expect("the index was flushed");
        assert_ne!(value[..4], layout.to_le_bytes());
        value[..4].copy_from_slice(&layout.to_le_bytes());
        rows.apply(&[RowChange::Put { key: key.clone(), value }]).unwrap();
        drop(rows);
        let ledger = opens_sound(&test, &expected, &format!("layout {layout}"));
        assert!(is_rebuilt(&ledger), "layout {layout}");
        ledger.flush_index().unwrap();
    }
}

/// Puts `index` back and damages the file at `path`.
fn damage(test: &TestLedger, whole: &Snapshot, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    test.restore(whole, "index");
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

/// The files of the index in `whole`, by their paths in the ledger.
fn index_files(test: &TestLedger, whole: &Snapshot) -> Vec<PathBuf> {
    let in_ledger = |(path, _): (PathBuf, _)| test.dir().join(path.strip_prefix(whole.path()).unwrap());
    contents(&whole.path().join("index")).into_iter().map(in_ledger).collect()
}

#[test]
fn damaged_files_of_the_index_change_nothing() {
    let test = ledger_of_nine();
    let expected = facts(&test.open(), &VERSIONS);
    let whole = test.snapshot();
    for path in index_files(&test, &whole) {
        let file = path.strip_prefix(test.dir()).unwrap().display().to_string();
        let length = fs::read(whole.path().join(&file)).unwrap().len();
        for eighth in 0..8 {
            let at = length * eighth / 8;
            damage(&test, &whole, &path, |bytes| bytes.truncate(at));
            drop(opens_sound(&test, &expected, &format!("{file} cut at {at}")));
            damage(&test, &whole, &path, |bytes| bytes[at..].fill(0xa5));
            drop(opens_sound(&test, &expected, &format!("{file} garbage from {at}")));
            damage(&test, &whole, &path, |bytes| bytes[at..].fill(0));
            drop(opens_sound(&test, &expected, &format!("{file} zeros from {at}")));
        }
        damage(&test, &whole, &path, |bytes| bytes.extend_from_slice(&[7; 1000]));
        drop(opens_sound(&test, &expected, &format!("{file} longer")));
        test.restore(&whole, "index");
        fs::remove_file(&path).unwrap();
        drop(opens_sound(&test, &expected, &format!("{file} missing")));
    }
    test.restore(&whole, "index");
    appends(&test, test.open(), "as it was");
}

#[test]
fn flipped_bytes_in_the_rows_change_nothing() {
    let test = ledger_of_nine();
    let expected = facts(&test.open(), &VERSIONS);
    let whole = test.snapshot();
    let rows = test.dir().join("index/sled/db");
    let written: Vec<usize> = fs::read(&rows)
        .unwrap()
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte != 0)
        .map(|(at, _)| at)
        .collect();
    let step = (written.len() / 60).max(1);
    for at in written.into_iter().step_by(step) {
        damage(&test, &whole, &rows, |bytes| bytes[at] ^= 0x41);
        drop(opens_sound(&test, &expected, &format!("byte {at}")));
    }
    test.restore(&whole, "index");
    appends(&test, test.open(), "as it was");
}

#[test]
fn offsets_that_lead_astray_are_found_when_they_are_used() {
    let test = ledger_of_nine();
    let expected = facts(&test.open(), &VERSIONS);
    let whole = test.snapshot();
    let offsets = test.dir().join("index/offsets");
    for index in 0..9 {
        damage(&test, &whole, &offsets, |bytes| {
            let (one, other) = (index * 16, (index + 1) % 9 * 16);
            for at in 0..16 {
                bytes.swap(one + at, other + at);
            }
        });
        drop(opens_sound(&test, &expected, &format!("offsets {index} and the next swapped")));
        for at in 0..16 {
            damage(&test, &whole, &offsets, |bytes| bytes[index * 16 + at] ^= 0xff);
            let ledger = test.open();
            let from = Some(Serving { version: name("2"), entry: 8 });
            let outcomes = ledger.append_batch(vec![test.register("4"), test.promote("4", from)]);
            assert!(outcomes.iter().all(Result::is_ok), "byte {at} of offset {index}: {outcomes:?}");
            drop(ledger);
            assert_eq!(test.read_all().len(), 11);
            test.restore(&whole, ".");
        }
    }
}

#[test]
fn an_index_that_breaks_under_an_open_ledger_is_rebuilt_in_passing() {
    let test = ledger_of_nine();
    let expected = facts(&test.open(), &VERSIONS);
    let ledger = test.open();
    let offsets = fs::OpenOptions::new().write(true).open(test.dir().join("index/offsets")).unwrap();
    offsets.write_all_at(&[0xff; 9 * 16], 0).unwrap();
    let from = Some(Serving { version: name("2"), entry: 8 });
    let receipt = ledger.append(test.promote("3", from)).unwrap();
    assert_eq!(receipt.index, 9);
    assert!(is_rebuilt(&ledger));
    test.check_receipt(&receipt);
    drop(ledger);
    let ledger = test.open();
    assert_eq!(ledger.take_warnings(), [], "what was rebuilt is sound");
    assert_ne!(facts(&ledger, &VERSIONS), expected);
    let sound = facts(&ledger, &VERSIONS);
    drop(ledger);
    fs::remove_dir_all(test.dir().join("index")).unwrap();
    assert_eq!(facts(&test.open(), &VERSIONS), sound);
}

#[test]
fn nothing_is_replayed_to_append() {
    let test = TestLedger::new();
    let ledger = test.open();
    for _ in 0..5 {
        ledger.append_batch((0..1_000).map(|_| test.note("a line that stands in every entry")).collect());
    }
    let known = test.register("1");
    ledger.append(known.clone()).unwrap();
    drop(ledger);
    let log_bytes = fs::metadata(test.log_file()).unwrap().len();
    let disk = FaultyDisk::default();
    let ledger = test.try_open_on(Arc::new(disk.clone()), ClockTrust::Checked).unwrap();
    ledger.append(test.register("2")).unwrap();
    assert!(ledger.append(known).unwrap().repeated);
    assert!(log_bytes > 1_000_000 && disk.bytes_read() < 64_000, "{} of {log_bytes}", disk.bytes_read());
}

/// With rows on many pages: cut, and zeroed from a place on or for a page, with sled's snapshot and without.
#[test]
fn pages_of_rows_that_are_lost_change_nothing() {
    let test = TestLedger::new();
    let ledger = test.open();
    let versions: Vec<String> = (0..400).map(|number| number.to_string()).collect();
    for batch in versions.chunks(20) {
        ledger.append_batch(batch.iter().map(|version| test.register(version)).collect());
    }
    drop(ledger);
    let versions: Vec<&str> = versions.iter().map(String::as_str).collect();
    let (expected, logged) = (facts(&test.open(), &versions), test.read_all());
    let whole = test.snapshot();
    let rows = test.dir().join("index/sled/db");
    let written = fs::read(&rows).unwrap().iter().rposition(|byte| *byte != 0).unwrap() + 1;
    for place in 0..24 {
        let at = written * place / 24;
        damage(&test, &whole, &rows, |bytes| match place % 3 {
            0 => bytes.truncate(at),
            1 => bytes[at..].fill(0),
            _ => bytes[at..].iter_mut().take(4096).for_each(|byte| *byte = 0),
        });
        if place % 2 == 0 {
            let is_snapshot =
                |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with("snap");
            for path in index_files(&test, &whole).iter().filter(|path| is_snapshot(path)) {
                fs::remove_file(path).unwrap();
            }
        }
        let ledger = test.open();
        assert_eq!(facts(&ledger, &versions), expected, "{at} of {written}");
        for entry in logged.iter().skip(1) {
            let receipt = ledger.append(entry.entry.envelope.clone()).unwrap();
            assert!(
                receipt.repeated,
                "{at} of {written}: the event of entry {} is not known",
                entry.entry.index
            );
        }
    }
}
