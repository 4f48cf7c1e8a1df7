//! Appending: receipts, group commit, retries, event ids, the clock, and the bounds of a batch.

use std::collections::HashSet;
use std::sync::{Arc, Barrier};

use rollbook::event::body::Event;
use rollbook::event::release::Serving;
use rollbook::ledger::config::Config;
use rollbook::ledger::receipt::{AppendError, Receipt};
use rollbook::ledger::writer::ClockTrust;
use rollbook::lifecycle::refusal::Refusal;
use rollbook::note::checkpoint::open_checkpoint;
use rollbook::signing::key_file::{Existing, KeyFormat, Readers, SecretKey, write_private_key};
use rollbook::store::disk::{Disk, RealDisk};
use rollbook::time::{DAY_MS, HOUR_MS, MINUTE_MS};

use crate::support::events::{ada, created, note};
use crate::support::forge::{self, Forge, codes};
use crate::support::test_ledger::{Snapshot, Stopped, TestLedger, Who, facts, name, open_at, sign, vkey};

fn repeated(receipt: &Receipt) -> Receipt {
    Receipt { repeated: true, ..receipt.clone() }
}

fn refusal(outcome: Result<Receipt, AppendError>) -> Refusal {
    match outcome {
        Err(AppendError::Refused(refusal)) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

fn is_reused(outcome: Result<Receipt, AppendError>, entry: u64) -> bool {
    matches!(refusal(outcome), Refusal::EventIdReused { entry: at, .. } if at == entry)
}

#[test]
fn a_receipt_says_where_the_event_stands() {
    let test = TestLedger::new();
    let ledger = test.open();
    let one = ledger.append(test.register("1")).unwrap();
    let batch = ledger.append_batch(vec![test.register("2"), test.promote("1", None), test.note("good")]);
    let batch: Vec<Receipt> = batch.into_iter().map(Result::unwrap).collect();
    drop(ledger);
    let later = test.open().append(test.register("3")).unwrap();
    let receipts = [vec![one], batch, vec![later]].concat();
    let indices: Vec<u64> = receipts.iter().map(|receipt| receipt.index).collect();
    assert_eq!(indices, [4, 5, 6, 7, 8]);
    for receipt in &receipts {
        test.check_receipt(receipt);
        assert!(!receipt.repeated);
    }
    assert_eq!(receipts[1].checkpoint, receipts[3].checkpoint, "one batch has one checkpoint");
}

#[test]
fn threads_that_wait_together_share_a_batch() {
    const THREADS: usize = 8;
    const EACH: usize = 25;
    let test = TestLedger::new();
    let ledger = test.open();
    let envelopes: Vec<Vec<_>> = (0..THREADS)
        .map(|thread| (0..EACH).map(|number| test.register(&format!("{thread}-{number}"))).collect())
        .collect();
    let barrier = Barrier::new(THREADS);
    let receipts: Vec<Receipt> = std::thread::scope(|scope| {
        let append = |envelopes: Vec<_>| {
            let (ledger, barrier) = (&ledger, &barrier);
            scope.spawn(move || {
                barrier.wait();
                envelopes.into_iter().map(|envelope| ledger.append(envelope).unwrap()).collect::<Vec<_>>()
            })
        };
        let threads: Vec<_> = envelopes.into_iter().map(append).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let indices: HashSet<u64> = receipts.iter().map(|receipt| receipt.index).collect();
    let ids: HashSet<_> =
        test.read_all().into_iter().skip(4).map(|entry| entry.event.header.event_id).collect();
    assert_eq!(indices, (4..4 + (THREADS * EACH) as u64).collect());
    assert_eq!(ids, receipts.iter().map(|receipt| receipt.event_id).collect());
    let batches: HashSet<&str> = receipts.iter().map(|receipt| receipt.checkpoint.as_str()).collect();
    assert!(batches.len() < THREADS * EACH, "{} batches", batches.len());
}

#[test]
fn a_refused_event_refuses_only_itself() {
    let test = TestLedger::new();
    let ledger = test.open();
    let first = test.register("1");
    let again = test.register("1");
    let not_granted = sign(&test.event(Who::Stranger, test.registration("2").body), &[Who::Stranger]);
    let forged = {
        let (other, mine) = (test.register("x"), test.registration("y").to_bytes().unwrap());
        rollbook::signing::envelope::Envelope::new(mine, other.signatures().to_vec()).unwrap()
    };
    let outcomes = ledger.append_batch(vec![first, again, not_granted, forged, test.register("3")]);
    let [first, again, not_granted, forged, last] = outcomes.try_into().unwrap();
    assert_eq!((first.unwrap().index, last.unwrap().index), (4, 5));
    assert!(matches!(refusal(again), Refusal::VersionExists { entry: 4, .. }));
    assert!(matches!(refusal(not_granted), Refusal::SignerUnknown { .. }));
    assert!(matches!(forged, Err(AppendError::Signature(_))));
    assert_eq!(test.read_all().len(), 6);
}

#[test]
fn what_a_batch_holds_is_judged_on_what_stands_before_it_in_the_batch() {
    let test = TestLedger::new();
    let ledger = test.open();
    let serving = |version, entry| Some(Serving { version: name(version), entry });
    let chain = vec![
        test.register("1"),
        test.promote("1", None),
        test.register("2"),
        test.promote("2", serving("1", 5)),
        test.promote("1", serving("1", 5)),
    ];
    let mut outcomes = ledger.append_batch(chain);
    assert!(matches!(refusal(outcomes.pop().unwrap()), Refusal::FromMismatch { .. }));
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
}

#[test]
fn the_same_event_again_gets_the_first_receipt() {
    let test = TestLedger::new();
    let event = test.registration("1");
    let (once, approved) = (sign(&event, &[Who::Registrar]), sign(&event, &[Who::Registrar, Who::Approver]));
    let ledger = test.open();
    let outcomes = ledger.append_batch(vec![once.clone(), once.clone(), approved.clone()]);
    let [first, in_the_batch, signed_otherwise] = outcomes.try_into().unwrap();
    let first = first.unwrap();
    test.check_receipt(&first);
    assert_eq!(in_the_batch.unwrap(), repeated(&first));
    assert_eq!(signed_otherwise.unwrap(), repeated(&first));
    ledger.append(test.register("2")).unwrap();
    assert_eq!(ledger.append(once.clone()).unwrap(), repeated(&first), "in a later batch");
    ledger.try_append(once.clone()).unwrap();
    drop(ledger);
    let ledger = test.open();
    assert_eq!(ledger.append(approved).unwrap(), repeated(&first), "after reopening");
    let mixed = ledger.append_batch(vec![test.register("3"), once]);
    assert_eq!(mixed[1].as_ref().unwrap(), &repeated(&first), "beside a new one");
    assert_eq!(test.read_all().len(), 7);
}

/// An event of the id of `first`, saying something else, from now on.
fn same_id(test: &TestLedger, first: &Event, version: &str) -> Event {
    let mut event = test.registration(version);
    event.header.event_id = first.header.event_id;
    event
}

#[test]
fn another_event_of_the_same_id_is_refused() {
    let test = TestLedger::new();
    let first = test.registration("1");
    let other = sign(&same_id(&test, &first, "2"), &[Who::Registrar]);
    let first = sign(&first, &[Who::Registrar]);
    let ledger = test.open();
    let [_, in_the_batch] = ledger.append_batch(vec![first, other.clone()]).try_into().unwrap();
    assert!(is_reused(in_the_batch, 4));
    assert!(is_reused(ledger.append(other.clone()), 4));
    assert!(matches!(
        ledger.try_append(other.clone()),
        Err(AppendError::Refused(Refusal::EventIdReused { entry: 4, .. }))
    ));
    drop(ledger);
    assert!(is_reused(test.open().append(other), 4), "after reopening");
}

#[test]
fn an_id_may_be_used_again_once_its_event_has_expired() {
    let test = TestLedger::new();
    let mut first = test.registration("1");
    first.header.expires_at = test.now().plus_ms(HOUR_MS);
    let ledger = test.open();
    ledger.append(sign(&first, &[Who::Registrar])).unwrap();
    test.clock.advance_ms(2 * HOUR_MS);
    let gone = refusal(ledger.append(sign(&first, &[Who::Registrar])));
    assert!(matches!(gone, Refusal::EventExpired { .. }), "{gone}");
    let second = same_id(&test, &first, "2");
    assert_eq!(ledger.append(sign(&second, &[Who::Registrar])).unwrap().index, 5);
    assert!(is_reused(ledger.append(sign(&same_id(&test, &first, "3"), &[Who::Registrar])), 5));
}

/// Days after its first event has expired, an id used a second time is still the second event's: the
/// clearing of expired ids goes by day, and forgets only what expired on that day.
#[test]
fn clearing_expired_ids_keeps_one_that_was_used_again() {
    for second_use_after in [HOUR_MS * 2, DAY_MS, DAY_MS + HOUR_MS] {
        let test = TestLedger::new();
        let mut first = test.registration("1");
        first.header.expires_at = test.now().plus_ms(HOUR_MS);
        let vouched = || test.try_open_on(Arc::new(RealDisk), ClockTrust::Vouched).unwrap();
        let ledger = vouched();
        ledger.append(sign(&first, &[Who::Registrar])).unwrap();
        test.clock.advance_ms(second_use_after);
        let second = sign(&same_id(&test, &first, "2"), &[Who::Registrar]);
        let receipt = ledger.append(second.clone()).unwrap();
        assert_eq!(receipt.index, 5);
        test.clock.advance_ms(DAY_MS);
        ledger.append(test.register("3")).unwrap();
        drop(ledger);
        let ledger = vouched();
        assert_eq!(ledger.append(second).unwrap(), repeated(&receipt));
        assert!(is_reused(ledger.append(sign(&same_id(&test, &first, "4"), &[Who::Registrar])), 5));
    }
}

#[test]
fn recorded_times_never_go_back() {
    let test = TestLedger::new();
    let ledger = test.open();
    let first = ledger.append(test.register("1")).unwrap();
    let second = test.register("2");
    test.clock.advance_ms(-4 * MINUTE_MS);
    assert_eq!(ledger.append(second).unwrap().recorded_at, first.recorded_at);
    let third = test.register("3");
    test.clock.advance_ms(-2 * MINUTE_MS);
    assert!(matches!(ledger.append(third.clone()), Err(AppendError::ClockBehind { .. })));
    assert!(matches!(ledger.time(), Err(AppendError::ClockBehind { .. })));
    test.clock.advance_ms(10 * MINUTE_MS);
    let receipt = ledger.append(third).unwrap();
    assert_eq!(receipt.recorded_at.since_ms(first.recorded_at), 4 * MINUTE_MS);
}

#[test]
fn a_clock_a_day_ahead_needs_somebody_to_vouch_for_it() {
    let test = TestLedger::new();
    let ledger = test.open();
    test.clock.advance_ms(DAY_MS);
    ledger.append(test.register("1")).unwrap();
    test.clock.advance_ms(DAY_MS + 1);
    let second = test.register("2");
    let error = ledger.append(second.clone()).unwrap_err();
    assert!(matches!(error, AppendError::ClockAhead { .. }));
    assert!(error.to_string().contains("--clock-ok"), "{error}");
    drop(ledger);
    let vouched = test.try_open_on(Arc::new(RealDisk), ClockTrust::Vouched).unwrap();
    vouched.append(second).unwrap();
}

#[test]
fn more_than_a_frame_holds_becomes_several_batches() {
    let test = TestLedger::new();
    let ledger = test.open();
    let long = "x".repeat(8 * 1024);
    for (count, text) in [(4_100, "short"), (2_150, long.as_str())] {
        let size = ledger.size();
        let outcomes = ledger.append_batch((0..count).map(|_| test.note(text)).collect());
        let checkpoints: HashSet<String> =
            outcomes.into_iter().map(|outcome| outcome.unwrap().checkpoint).collect();
        assert_eq!(checkpoints.len(), 2, "{count} of {} bytes", text.len());
        assert_eq!(ledger.size(), size + count);
        for checkpoint in checkpoints {
            open_checkpoint(checkpoint.as_bytes(), &vkey()).unwrap();
        }
    }
    drop(ledger);
    assert_eq!(test.open().size(), 4 + 4_100 + 2_150);
}

#[test]
fn trying_records_nothing() {
    let test = TestLedger::new();
    let ledger = test.open();
    let before = facts(&ledger, &["1"]);
    let envelope = test.register("1");
    ledger.try_append(envelope.clone()).unwrap();
    let log: Snapshot = test.snapshot();
    assert!(matches!(ledger.try_append(test.promote("1", None)), Err(AppendError::Refused(_))));
    assert_eq!(facts(&ledger, &["1"]), before);
    assert_eq!(
        std::fs::read(log.path().join("head")).unwrap(),
        std::fs::read(test.dir().join("head")).unwrap()
    );
    assert_eq!(ledger.append(envelope).unwrap().index, 4);
}

/// The writer goes on behind a log that holds an id twice, and judges by the first use, as the
/// verifier does: the second, which the rules forbid, doesn't set the id free when it expires.
#[test]
fn an_id_that_was_unlawfully_used_again_stays_with_its_first_use() {
    let mut forge = Forge::new();
    forge.add(&[&ada()], created(&[&ada()], forge.log_public()));
    let first = forge.event(&ada(), note(0));
    let id = first.header.event_id;
    forge.add_event(first, &[&ada()]);
    let mut again = forge.event(&ada(), note(1));
    (again.header.event_id, again.header.expires_at) = (id, forge.now.plus_ms(HOUR_MS));
    forge.add_event(again, &[&ada()]);
    forge.now = forge.now.plus_ms(2 * HOUR_MS);
    let mut third = forge.event(&ada(), note(2));
    third.header.event_id = id;

    let dir = tempfile::tempdir().unwrap();
    forge.write(dir.path());
    let config = Config {
        format: 1,
        origin: forge::ORIGIN.into(),
        log_key: "log.pem".into(),
        log_key_readers: Readers::Owner,
        anchors: Vec::new(),
    };
    config.write_new(dir.path()).unwrap();
    let log_key = SecretKey::from_seed(&forge.log_key.to_bytes());
    write_private_key(&dir.path().join("log.pem"), &log_key, KeyFormat::Pkcs8, "", None, Existing::Keep)
        .unwrap();
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let clock = Arc::new(Stopped(forge.now));
    let ledger = open_at(dir.path(), &disk, clock, ClockTrust::Checked).unwrap();
    let envelope = forge::sign(&third.to_bytes().unwrap(), &[&ada()]);
    assert!(is_reused(ledger.append(envelope), 1));

    forge.add_event(third, &[&ada()]);
    assert_eq!(codes(&forge.verify()), ["rule.event_id_reused", "rule.event_id_reused"]);
}
