//! Looking after the index: a check tells damage from what is merely older, and neither it nor a rebuild takes
//! anything away.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rollbook::ledger::opening::{OpenOptions, OpeningError};
use rollbook::ledger::upkeep::{IndexCheck, check_index};
use rollbook::ledger::writer::ClockTrust;
use rollbook::store::disk::RealDisk;
use rollbook::time::DAY_MS;

use crate::support::test_ledger::{TestLedger, contents};

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
