//! Making a ledger: once, in a directory of its own, by one process.

use std::fs;

use rollbook::ledger::config::Config;
use rollbook::ledger::create::{CreateError, found, prepare};
use rollbook::ledger::opening::OpeningError;
use rollbook::log::reader::{LogReader, ReadError};
use rollbook::signing::key_file::Readers;

use crate::support::test_ledger::{ORIGIN, TestLedger, Who, contents};

fn config(origin: &str) -> Config {
    Config {
        format: 1,
        origin: origin.into(),
        log_key: "../log.pem".into(),
        log_key_readers: Readers::Owner,
        anchors: vec!["../anchor".into()],
    }
}

#[test]
fn a_ledger_is_made_only_where_nothing_stands() {
    let test = TestLedger::new();
    let before = contents(&test.dir());
    assert!(matches!(prepare(&test.dir(), &config(ORIGIN)), Err(CreateError::NotEmpty { .. })));
    let again = found(&test.dir(), &Who::LogKey.secret(), test.founding(), test.now());
    assert!(matches!(again, Err(CreateError::Exists { .. })));
    assert!(contents(&test.dir()) == before);
    let elsewhere = test.beside("new");
    fs::write(test.beside("anchor"), "another ledger's").unwrap();
    assert!(matches!(prepare(&elsewhere, &config(ORIGIN)), Err(CreateError::AnchorTaken { .. })));
    fs::remove_file(test.beside("anchor")).unwrap();
    assert!(matches!(prepare(&elsewhere, &config("two words")), Err(CreateError::Origin(_))));
    prepare(&elsewhere, &config(ORIGIN)).unwrap();
    assert_eq!(Config::read(&elsewhere).unwrap(), config(ORIGIN));
}

#[test]
fn a_ledger_that_is_not_founded_yet_says_so() {
    let test = TestLedger::prepared(&[]);
    assert!(matches!(test.try_open(), Err(OpeningError::Empty { .. })));
    assert!(matches!(LogReader::open(&test.dir()), Err(ReadError::Empty { .. })));
    found(&test.dir(), &Who::LogKey.secret(), test.founding(), test.now()).unwrap();
    assert_eq!(test.open().size(), 1);
}

#[test]
fn what_the_founding_event_says_is_what_was_prepared() {
    let test = TestLedger::prepared(&[]);
    let other_key = found(&test.dir(), &Who::Stranger.secret(), test.founding(), test.now());
    assert!(matches!(other_key, Err(CreateError::NotPreparedFor { .. })));
    let not_founding = found(&test.dir(), &Who::LogKey.secret(), test.note("first"), test.now());
    assert!(matches!(not_founding, Err(CreateError::Event(_))));
    assert!(matches!(test.try_open(), Err(OpeningError::Empty { .. })));
}

#[test]
fn of_two_who_found_a_ledger_at_once_one_does() {
    let test = TestLedger::prepared(&["anchor"]);
    let found_it = || found(&test.dir(), &Who::LogKey.secret(), test.founding(), test.now());
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(found_it)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let receipts: Vec<_> = outcomes.into_iter().filter_map(Result::ok).map(|(receipt, _)| receipt).collect();
    let [receipt] = receipts.as_slice() else { panic!("{receipts:?}") };
    assert_eq!(fs::read(test.beside("anchor")).unwrap(), receipt.checkpoint.as_bytes());
    assert_eq!(test.open().size(), 1);
    test.check_receipt(receipt);
}
