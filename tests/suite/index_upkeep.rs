//! Looking after the index: a check tells damage from what is merely older, and neither it nor a rebuild takes
//! anything away.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rollbook::ledger::opening::{OpenOptions, OpeningError};
use rollbook::ledger::receipt::Warning;
use rollbook::ledger::upkeep::{IndexCheck, check_index, rebuild_index};
use rollbook::ledger::writer::{ClockTrust, Ledger};
use rollbook::log::reader::LogReader;
use rollbook::signing::key_file::{Existing, KeyFormat, write_private_key};
use rollbook::store::disk::RealDisk;
use rollbook::time::DAY_MS;

use crate::support::test_ledger::{TestLedger, Who, contents};

fn with_options<T>(test: &TestLedger, act: impl FnOnce(OpenOptions<'_>) -> T) -> T {
    let (clock, lock_timeout) = (Arc::clone(&test.clock) as _, Duration::from_millis(100));
    act(OpenOptions {
        lock_timeout,
        clock,
        clock_trust: ClockTrust::Vouched,
        ask_passphrase: &mut || Ok(None),
    })
}

fn check(test: &TestLedger) -> Result<IndexCheck, OpeningError> {
    with_options(test, |options| check_index(&test.dir(), options))
}

fn rebuild(test: &TestLedger) -> Result<Ledger, OpeningError> {
    with_options(test, |options| rebuild_index(&test.dir(), options))
}

/// Appends `count` notes, all of which the index's rows then know.
fn append_notes(test: &TestLedger, count: usize) {
    let ledger = test.try_open_on(Arc::new(RealDisk), ClockTrust::Vouched).unwrap();
    let outcomes = ledger.append_batch((0..count).map(|_| test.note("a line")).collect());
    assert!(outcomes.iter().all(Result::is_ok));
    ledger.flush_index().unwrap();
}

/// What nobody may change: the log and `head`, byte for byte.
fn records(test: &TestLedger) -> Vec<(PathBuf, Vec<u8>)> {
    let head = test.dir().join("head");
    let mut files = contents(&test.dir().join("log"));
    files.push((head.clone(), fs::read(head).unwrap()));
    files
}

/// An index lets go of what has expired when it next merges: when that is, depends on how it came about.
#[test]
fn ids_that_have_expired_are_no_difference() {
    let test = TestLedger::new();
    append_notes(&test, 2100);
    test.clock.advance_ms(40 * DAY_MS);
    append_notes(&test, 100);
    let before = records(&test);
    assert_eq!(check(&test).unwrap(), IndexCheck { entries: 2204, covered: 2204, problem: None });
    assert_eq!(records(&test), before);
}

/// As an opening does, a check takes such an index for none at all.
#[test]
fn an_index_of_another_boot_is_no_difference() {
    let test = TestLedger::new();
    append_notes(&test, 5);
    fs::write(test.dir().join("index/boot"), "another").unwrap();
    assert_eq!(check(&test).unwrap(), IndexCheck { entries: 9, covered: 0, problem: None });
}

/// Frames beyond `head` are in the index before `head` is written: a writer may be killed in between.
#[test]
fn an_index_ahead_of_head_is_no_difference() {
    let test = TestLedger::new();
    let head = fs::read(test.dir().join("head")).unwrap();
    append_notes(&test, 50);
    fs::write(test.dir().join("head"), head).unwrap();
    let before = records(&test);
    let found = check(&test).unwrap();
    assert_eq!(found.problem, None);
    assert_eq!(records(&test), before);
}

#[test]
fn a_rebuild_that_fails_leaves_the_index_as_it_was() {
    let test = TestLedger::new();
    append_notes(&test, 5);
    append_notes(&test, 5);
    let key_file = test.beside("log.pem");
    let sound = fs::read(&key_file).unwrap();
    let index = || contents(&test.dir().join("index"));
    let before = (records(&test), index());
    write_private_key(&key_file, &Who::Stranger.secret(), KeyFormat::Pkcs8, "", None, Existing::Replace)
        .unwrap();
    assert!(matches!(rebuild(&test), Err(OpeningError::HeadNotOurs { .. })));
    assert_eq!((records(&test), index()), before);

    fs::write(&key_file, sound).unwrap();
    let log = fs::OpenOptions::new().write(true).open(test.log_file()).unwrap();
    log.write_all_at(&[0xff; 8], 200).unwrap();
    let before = (records(&test), index());
    assert!(matches!(rebuild(&test), Err(OpeningError::Scan(_))));
    assert_eq!((records(&test), index()), before);
    // With the index, what lies behind the damage can still be read.
    assert_eq!(LogReader::open(&test.dir()).unwrap().entry(12).unwrap().0.entry.index, 12);
    assert!(check(&test).is_err());
    assert_eq!((records(&test), index()), before);
}

#[test]
fn a_run_that_is_found_damaged_when_it_is_merged_costs_a_rebuild_and_no_writer() {
    let test = TestLedger::new();
    let ledger = test.open();
    let append = |count: usize| {
        let outcomes = ledger.append_batch((0..count).map(|_| test.note("a line")).collect());
        assert!(outcomes.iter().all(Result::is_ok), "{:?}", outcomes.iter().find(|outcome| outcome.is_err()));
    };
    // A run of 2,104; then so many more that the next flush merges it.
    append(2100);
    append(1100);
    append(1000);
    let run = test.dir().join("index/ids/1");
    assert_eq!(fs::metadata(&run).unwrap().len(), 24 * 2104);
    let file = fs::OpenOptions::new().write(true).open(run).unwrap();
    file.write_all_at(&[0xff; 24], 0).unwrap();
    append(30);
    append(30);
    let warnings = ledger.take_warnings();
    assert!(warnings.iter().any(|warning| matches!(warning, Warning::IndexRebuilt { .. })), "{warnings:?}");
    drop(ledger);
    let found = check(&test).unwrap();
    assert_eq!((found.entries, found.problem), (4264, None));
}
