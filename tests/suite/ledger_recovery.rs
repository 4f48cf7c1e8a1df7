//! Opening what a stopped writer, a restored backup or an intruder left behind.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rollbook::ledger::opening::OpeningError;
use rollbook::ledger::receipt::{AppendError, Warning};
use rollbook::ledger::writer::{ClockTrust, Ledger};
use rollbook::log::reader::LogReader;
use rollbook::merkle::tree::Frontier;
use rollbook::note::checkpoint::{Checkpoint, Origin, open_checkpoint, sign_checkpoint};
use rollbook::store::anchor::{read_anchor, write_anchor};
use rollbook::store::files::FileSource;
use rollbook::store::frame::encode_frame;
use rollbook::store::head::read_head;
use rollbook::store::scan::Scanner;

use crate::support::disk::FaultyDisk;
use crate::support::test_ledger::{ORIGIN, TestLedger, Who, contents, facts, vkey};

/// A ledger of five entries and its copy before the last of them, `last`, was appended.
struct OneBatchMore {
    test: TestLedger,
    before: crate::support::test_ledger::Snapshot,
    after: crate::support::test_ledger::Snapshot,
    /// The log's length before.
    bytes_before: usize,
}

fn one_batch_more() -> OneBatchMore {
    let test = TestLedger::new();
    let before = test.snapshot();
    let bytes_before = fs::read(test.log_file()).unwrap().len();
    test.open().append(test.register("1")).unwrap();
    let after = test.snapshot();
    OneBatchMore { test, before, after, bytes_before }
}

fn warnings_of(ledger: &Ledger) -> Vec<Warning> {
    ledger.take_warnings()
}

/// Opening is refused with an error that `expected` knows and that says `told`, and every file is as it was.
/// What is derived may have been thrown away; the lock file names its holder while it is held.
fn refused(test: &TestLedger, words: &str, expected: impl Fn(&OpeningError) -> bool) {
    let evidence = || {
        let is_evidence =
            |path: &Path| !path.starts_with(test.dir().join("index")) && !path.ends_with("lock");
        contents(&test.dir()).into_iter().filter(|(path, _)| is_evidence(path)).collect::<Vec<_>>()
    };
    let before = evidence();
    for _ in 0..2 {
        let error = test.try_open().unwrap_err();
        assert!(expected(&error), "{error:?}");
        assert!(error.to_string().contains(words), "{error}");
        assert!(evidence() == before, "a refused ledger was written to: {error}");
    }
}

#[test]
fn a_torn_last_write_is_cut_wherever_it_was_torn() {
    let OneBatchMore { test, before, after, bytes_before } = one_batch_more();
    let log = fs::read(test.log_file()).unwrap();
    let whole = facts(&test.open(), &["1"]);
    // `store` tries every length on its own; here each end of the frame is tried byte by byte.
    let is_tried = |length: &usize| {
        let (written, missing) = (length - bytes_before, log.len() - length);
        written <= 40 || missing <= 40 || written.is_multiple_of(8)
    };
    for length in (bytes_before + 1..log.len()).filter(is_tried) {
        test.restore(&before, "head");
        test.restore(if length % 2 == 0 { &before } else { &after }, "index");
        fs::write(test.log_file(), &log[..length]).unwrap();
        let ledger = test.open();
        assert_eq!(ledger.size(), 4, "{length}");
        let torn = Warning::TornTail { bytes: (length - bytes_before) as u64 };
        assert!(warnings_of(&ledger).contains(&torn), "{length}");
        assert_eq!(fs::read(test.log_file()).unwrap(), log[..bytes_before]);
        if length % 64 == 0 {
            ledger.append(test.register("2")).unwrap();
            drop(ledger);
            assert_eq!(test.read_all().len(), 5);
        }
        for entry in fs::read_dir(test.dir().join("log")).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().unwrap().to_string_lossy().starts_with("torn-") {
                assert_eq!(fs::read(&path).unwrap(), log[bytes_before..length], "the bytes are kept");
                fs::remove_file(path).unwrap();
            }
        }
    }
    test.restore(&after, ".");
    assert_eq!(facts(&test.open(), &["1"]), whole);
}

#[test]
fn a_torn_write_below_the_published_size_is_never_cut() {
    let OneBatchMore { test, .. } = one_batch_more();
    let log = fs::read(test.log_file()).unwrap();
    fs::write(test.log_file(), &log[..log.len() - 1]).unwrap();
    refused(&test, "reading only", |error| matches!(error, OpeningError::Damaged { .. }));
}

#[test]
fn whole_signed_batches_beyond_the_head_are_adopted_and_published() {
    let OneBatchMore { test, before, after, .. } = one_batch_more();
    let whole = facts(&test.open(), &["1"]);
    for index in [&before, &after] {
        test.restore(&before, "head");
        test.restore(index, "index");
        assert_eq!(LogReader::open(&test.dir()).unwrap().size(), 4, "not published yet");
        let ledger = test.open();
        assert_eq!(warnings_of(&ledger), [Warning::Adopted { entries: 1 }]);
        assert_eq!(facts(&ledger, &["1"]), whole);
        assert_eq!(read_head(&test.dir()).unwrap().size(), 5);
    }
    test.open().append(test.promote("1", None)).unwrap();
    assert_eq!(test.read_all().len(), 6);
}

/// The last frame of the log once more, under a checkpoint note that `signer` signed over `root`.
fn re_sign_last(test: &TestLedger, signer: Who, break_root: bool) {
    let source = FileSource::new(&test.dir().join("log"));
    let mut scanner = Scanner::new(&source, rollbook::store::batch_log::Position::START, u64::MAX).unwrap();
    let mut last = None;
    while let Some(frame) = scanner.next_frame() {
        let frame = frame.unwrap();
        let entries: Vec<Vec<u8>> = frame.frame.entries().map(<[u8]>::to_vec).collect();
        last = Some((frame.location, entries, frame.frame.note().to_vec()));
    }
    let (location, entries, note) = last.unwrap();
    let checkpoint = open_checkpoint(&note, &vkey()).unwrap();
    let root = if break_root { Frontier::new().root() } else { *checkpoint.checkpoint().root() };
    let forged = Checkpoint::new(Origin::new(ORIGIN).unwrap(), checkpoint.checkpoint().size(), root);
    let note = sign_checkpoint(&forged, &[&signer.signing_key()]).unwrap();
    let frame = encode_frame(location.first_index(), &entries, &note).unwrap();
    let mut log = fs::read(test.log_file()).unwrap();
    log.truncate(usize::try_from(location.position().offset).unwrap());
    log.extend_from_slice(&frame);
    fs::write(test.log_file(), log).unwrap();
}

#[test]
fn a_batch_beyond_the_head_that_is_not_the_ledgers_own_is_refused() {
    for (signer, break_root) in [(Who::Stranger, false), (Who::LogKey, true)] {
        let OneBatchMore { test, before, .. } = one_batch_more();
        test.restore(&before, "head");
        re_sign_last(&test, signer, break_root);
        refused(&test, "contradicts itself", |error| matches!(error, OpeningError::Inconsistent { .. }));
        assert_eq!(LogReader::open(&test.dir()).unwrap().size(), 4);
    }
}

#[test]
fn a_head_that_the_log_does_not_bear_out_is_refused() {
    let OneBatchMore { test, .. } = one_batch_more();
    re_sign_last(&test, Who::LogKey, true);
    refused(&test, "does not hold the checkpoint", |error| {
        matches!(error, OpeningError::HeadDisagrees { size: 5 })
    });
}

#[test]
fn a_log_shorter_than_the_head_is_refused() {
    let OneBatchMore { test, before, .. } = one_batch_more();
    test.restore(&before, "log");
    let expected = |error: &OpeningError| matches!(error, OpeningError::Shorter { size: 4, published: 5 });
    refused(&test, "restored from an older copy", expected);
    fs::remove_file(test.log_file()).unwrap();
    refused(&test, "0 entries", |error| matches!(error, OpeningError::Shorter { size: 0, .. }));
}

#[test]
fn a_head_that_nobody_can_read_is_refused() {
    let OneBatchMore { test, .. } = one_batch_more();
    let head = test.dir().join("head");
    let good = fs::read(&head).unwrap();
    let mut bad = good.clone();
    (bad[100], bad[4196]) = (bad[100] ^ 1, bad[4196] ^ 1);
    fs::write(&head, &bad).unwrap();
    refused(&test, "no readable checkpoint", |error| matches!(error, OpeningError::HeadLost));
    fs::remove_file(&head).unwrap();
    refused(&test, "no readable checkpoint", |error| matches!(error, OpeningError::HeadLost));
    assert!(!head.exists(), "it is not made anew over a log");
    for slot in [0, 4096] {
        let mut one_bad = good.clone();
        one_bad[slot + 100] ^= 1;
        fs::write(&head, &one_bad).unwrap();
        assert_eq!(test.open().size(), 5, "one bad slot is a torn write, and healed");
    }
    fs::write(&head, good).unwrap();
    assert_eq!(test.open().size(), 5);
}

#[test]
fn damage_below_the_head_leaves_reading_only() {
    let OneBatchMore { test, bytes_before, .. } = one_batch_more();
    let good = fs::read(test.log_file()).unwrap();
    for at in [bytes_before, bytes_before + 40, good.len() - 1] {
        let mut log = good.clone();
        log[at] ^= 1;
        fs::write(test.log_file(), &log).unwrap();
        let error = test.try_open().unwrap_err();
        assert!(error.to_string().contains("verify") || error.to_string().contains("checksum"), "{error}");
        assert_eq!(fs::read(test.log_file()).unwrap(), log, "nothing is cut or repaired");
        let reader = LogReader::open(&test.dir()).unwrap();
        assert_eq!(reader.entry(3).unwrap().0.entry.index, 3, "what is sound can still be read");
        assert!(reader.entry(4).is_err());
    }
}

#[test]
fn an_anchor_finds_a_log_and_head_restored_together() {
    let test = TestLedger::with_anchors(&["anchor", "second"]);
    let before = test.snapshot();
    let anchor = test.beside("anchor");
    let ledger = test.open();
    for version in ["1", "2", "3"] {
        let receipt = ledger.append(test.register(version)).unwrap();
        assert_eq!(read_anchor(&anchor).unwrap().unwrap(), receipt.checkpoint.as_bytes());
        assert_eq!(fs::read(&anchor).unwrap(), fs::read(test.beside("second")).unwrap());
    }
    drop(ledger);
    let after = test.snapshot();
    test.restore(&before, ".");
    refused(&test, "does not extend", |error| {
        matches!(error, OpeningError::AnchorDisagrees { size: 7, log_size: 4, .. })
    });
    test.restore(&after, ".");
    test.open().append(test.register("4")).unwrap();
}

#[test]
fn an_anchor_that_lies_behind_is_brought_up_when_the_ledger_opens() {
    let test = TestLedger::with_anchors(&["anchor"]);
    let anchor = test.beside("anchor");
    let old = fs::read(&anchor).unwrap();
    let receipt = test.open().append(test.register("1")).unwrap();
    fs::write(&anchor, old).unwrap();
    drop(test.open());
    assert_eq!(fs::read(&anchor).unwrap(), receipt.checkpoint.as_bytes());
    fs::remove_file(&anchor).unwrap();
    drop(test.open());
    assert_eq!(fs::read(&anchor).unwrap(), receipt.checkpoint.as_bytes());
}

#[test]
fn an_anchor_is_not_held_against_the_log_on_the_word_of_the_index() {
    let test = TestLedger::with_anchors(&["anchor"]);
    let old = fs::read(test.beside("anchor")).unwrap();
    test.open().append(test.register("1")).unwrap();
    let offsets = test.dir().join("index/offsets");
    for at in 3 * 16..4 * 16 {
        let mut bytes = fs::read(&offsets).unwrap();
        bytes[at] ^= 0x15;
        fs::write(&offsets, bytes).unwrap();
        fs::write(test.beside("anchor"), &old).unwrap();
        assert_eq!(test.open().size(), 5, "byte {at}");
    }
}

#[test]
fn an_anchor_that_is_not_this_logs_is_refused() {
    let test = TestLedger::with_anchors(&["anchor"]);
    let anchor = test.beside("anchor");
    let note = |signer: Who, origin: &str, size| {
        let checkpoint = Checkpoint::new(Origin::new(origin).unwrap(), size, Frontier::new().root());
        sign_checkpoint(&checkpoint, &[&signer.signing_key()]).unwrap()
    };
    for (what, bytes) in [
        ("another key", note(Who::Stranger, ORIGIN, 4)),
        ("another origin", note(Who::LogKey, "example.com/other", 4)),
        ("no note", b"anchor".to_vec()),
    ] {
        write_anchor(&anchor, &bytes).unwrap();
        refused(&test, "anchor", |error| matches!(error, OpeningError::AnchorUnreadable { .. }));
        assert_eq!(fs::read(&anchor).unwrap(), bytes, "{what}");
    }
    for size in [1, 2, 4, 5] {
        write_anchor(&anchor, &note(Who::LogKey, ORIGIN, size)).unwrap();
        refused(&test, "does not extend", |error| matches!(error, OpeningError::AnchorDisagrees { .. }));
    }
}

#[test]
fn an_anchor_whose_disk_is_gone_is_an_error_and_no_new_anchor() {
    let test = TestLedger::with_anchors(&["anchor"]);
    let config = test.dir().join("rollbook.toml");
    let moved = fs::read_to_string(&config).unwrap().replace("../anchor", "../not-mounted/anchor");
    fs::write(&config, moved).unwrap();
    refused(&test, "not-mounted/anchor", |error| matches!(error, OpeningError::Anchor(_)));
}

#[test]
fn an_anchor_that_cannot_be_written_is_a_warning_and_told_once() {
    let test = TestLedger::with_anchors(&["anchor"]);
    let ledger = test.open();
    fs::remove_file(test.beside("anchor")).unwrap();
    fs::create_dir(test.beside("anchor")).unwrap();
    ledger.append(test.register("1")).unwrap();
    ledger.append(test.register("2")).unwrap();
    assert!(matches!(warnings_of(&ledger).as_slice(), [Warning::Anchor { .. }]));
    assert_eq!(ledger.size(), 6);
}

/// Each write and sync of an append fails in turn: who waited hears that the outcome is unknown, nothing more
/// is taken, and after reopening a retry settles it.
#[test]
fn after_a_failed_write_only_reopening_tells() {
    let mut failed_at = 0;
    loop {
        let test = TestLedger::new();
        let disk = FaultyDisk::default();
        let ledger = test.try_open_on(Arc::new(disk.clone()), ClockTrust::Checked).unwrap();
        let envelopes = vec![test.register("1"), test.register("1"), test.register("2")];
        disk.fail_after(failed_at);
        let outcomes = ledger.append_batch(envelopes.clone());
        if disk.failures() == 0 {
            break;
        }
        let event_id = |place: usize| {
            let event = rollbook::event::body::Event::from_bytes(envelopes[place].event()).unwrap();
            event.header.event_id
        };
        for (place, outcome) in outcomes.iter().enumerate() {
            let Err(AppendError::OutcomeUnknown { event_id: told, .. }) = outcome else {
                panic!("operation {failed_at}: {outcome:?}");
            };
            assert_eq!(*told, event_id(place));
        }
        assert!(matches!(ledger.append(test.register("3")), Err(AppendError::Poisoned { .. })));
        assert!(matches!(ledger.try_append(test.register("3")), Err(AppendError::Poisoned { .. })));
        assert!(matches!(ledger.charter(), Err(AppendError::Poisoned { .. })), "memory is not believed");
        drop(ledger);
        let ledger = test.open();
        let [first, refused, last] = ledger.append_batch(envelopes).try_into().unwrap();
        assert_eq!((first.unwrap().index, last.unwrap().index), (4, 5), "operation {failed_at}");
        assert!(matches!(refused, Err(AppendError::Refused(_))));
        drop(ledger);
        assert_eq!(test.read_all().len(), 6);
        failed_at += 1;
    }
    assert!(failed_at >= 3, "append, sync and head can fail; {failed_at} did");
}

#[test]
fn every_thread_that_waits_hears_of_the_failure() {
    let test = TestLedger::new();
    let disk = FaultyDisk::default();
    let ledger = test.try_open_on(Arc::new(disk.clone()), ClockTrust::Checked).unwrap();
    let envelopes: Vec<_> = (0..8).map(|number| test.register(&number.to_string())).collect();
    disk.fail_after(1);
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            envelopes.iter().map(|envelope| scope.spawn(|| ledger.append(envelope.clone()))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let unknown = |outcome: &&Result<_, _>| matches!(outcome, Err(AppendError::OutcomeUnknown { .. }));
    let poisoned = |outcome: &&Result<_, _>| matches!(outcome, Err(AppendError::Poisoned { .. }));
    assert!(outcomes.iter().filter(unknown).count() >= 1);
    assert_eq!(
        outcomes.iter().filter(|outcome| unknown(outcome) || poisoned(outcome)).count(),
        8,
        "{outcomes:?}"
    );
    drop(ledger);
    let ledger = test.open();
    for envelope in envelopes {
        ledger.append(envelope).unwrap();
    }
    drop(ledger);
    assert_eq!(test.read_all().len(), 12);
}

#[test]
fn a_panic_of_the_writer_leaves_nobody_waiting() {
    let test = TestLedger::new();
    let disk = FaultyDisk::default();
    let ledger = test.try_open_on(Arc::new(disk.clone()), ClockTrust::Checked).unwrap();
    let envelopes: Vec<_> = (0..8).map(|number| test.register(&number.to_string())).collect();
    disk.panic_after(1);
    let ended: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            envelopes.iter().map(|envelope| scope.spawn(|| ledger.append(envelope.clone()))).collect();
        threads.into_iter().map(std::thread::ScopedJoinHandle::join).collect()
    });
    assert_eq!(ended.iter().filter(|ended| ended.is_err()).count(), 1, "one thread wrote, and panicked");
    for outcome in ended.into_iter().flatten() {
        let failed =
            matches!(outcome, Err(AppendError::OutcomeUnknown { .. } | AppendError::Poisoned { .. }));
        assert!(failed, "{outcome:?}");
    }
    assert!(matches!(ledger.append(test.register("9")), Err(AppendError::Poisoned { .. })));
    drop(ledger);
    let ledger = test.open();
    for envelope in envelopes {
        ledger.append(envelope).unwrap();
    }
    assert_eq!(test.read_all().len(), 12);
}

/// Recovery itself may fail at any operation: the next opening ends it.
#[test]
fn a_recovery_that_fails_is_taken_up_again() {
    let OneBatchMore { test, before, bytes_before, .. } = one_batch_more();
    let log = fs::read(test.log_file()).unwrap();
    for (length, size) in [(log.len() - 9, 4), (log.len(), 5)] {
        for failed_at in 0.. {
            test.restore(&before, ".");
            fs::write(test.log_file(), &log[..length]).unwrap();
            let disk = FaultyDisk::default();
            disk.fail_after(failed_at);
            let opened = test.try_open_on(Arc::new(disk.clone()), ClockTrust::Checked);
            assert_eq!(opened.is_ok(), disk.failures() == 0, "operation {failed_at}");
            drop(opened);
            assert_eq!(test.open().size(), size, "operation {failed_at}");
            assert_eq!(test.read_all().len() as u64, size);
            if disk.failures() == 0 {
                assert!(failed_at >= 2);
                break;
            }
        }
    }
    assert!(bytes_before < log.len());
}

#[test]
fn what_is_no_ledger_or_has_another_key_is_said_so() {
    use std::os::unix::fs::PermissionsExt as _;
    let test = TestLedger::new();
    let key = test.beside("log.pem");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    refused(&test, "chmod 600", |error| matches!(error, OpeningError::LogKey(_)));
    fs::remove_file(&key).unwrap();
    refused(&test, "log.pem", |error| matches!(error, OpeningError::LogKey(_)));
    let (format, existing) =
        (rollbook::signing::key_file::KeyFormat::Pkcs8, rollbook::signing::key_file::Existing::Keep);
    let stranger = Who::Stranger.secret();
    rollbook::signing::key_file::write_private_key(&key, &stranger, format, "", None, existing).unwrap();
    refused(&test, "not signed by the log key", |error| matches!(error, OpeningError::HeadNotOurs { .. }));
    fs::remove_file(test.dir().join("rollbook.toml")).unwrap();
    refused(&test, "not a ledger directory", |error| matches!(error, OpeningError::Config(_)));
}
