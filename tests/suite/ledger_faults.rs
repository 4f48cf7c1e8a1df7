//! Every operation of the disk fails in turn, in every way, and every process that waits on it crashes: what anybody
//! was told is true when the ledger is opened again.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rollbook::event::authority::RotationCause;
use rollbook::event::body::{Body, Event};
use rollbook::hash::Hash;
use rollbook::ledger::config::Config;
use rollbook::ledger::create::{found, found_on, prepare_on};
use rollbook::log::reader::LoggedEntry;
use rollbook::signing::envelope::Envelope;
use rollbook::signing::key_file::Readers;
use rollbook::store::attachments::{ATTACHMENTS_DIR, AttachmentCheck, Attachments};
use rollbook::store::disk::{Disk as _, RealDisk};

use crate::support::crash_disk::{CrashDisk, Honesty, Kind};
use crate::support::fault_sweep::{Checked, Depth, Scenario, Stage};
use crate::support::test_ledger::{ORIGIN, Snapshot, TestLedger, Who};

fn config() -> Config {
    Config {
        format: 1,
        origin: ORIGIN.into(),
        log_key: "../log.pem".into(),
        log_key_readers: Readers::Owner,
        anchors: vec!["../anchor".into()],
    }
}

/// Made, founded, opened, and an event appended.
fn founding() -> Scenario {
    fn work(stage: &Stage<'_>) {
        let disk = stage.disk();
        if prepare_on(disk.as_ref(), &stage.dir(), &config()).is_err() {
            return;
        }
        let founded = found_on(&disk, &stage.dir(), &Who::LogKey.secret(), stage.founding(), stage.now());
        if founded.is_err() {
            return;
        }
        stage.founded();
        drop(stage.open());
    }
    let test = TestLedger::prepared(&["anchor"]);
    let founding = test.founding();
    let (receipt, _) = found(&test.dir(), &Who::LogKey.secret(), founding.clone(), test.now()).unwrap();
    fs::remove_dir_all(test.dir()).unwrap();
    fs::remove_file(test.beside("anchor")).unwrap();
    Scenario::over(&test, Vec::new(), work).founding(founding, receipt.leaf_hash)
}

/// One event; three at once, the second of which a rule refuses; the first once more.
fn appending() -> Scenario {
    fn work(stage: &Stage<'_>) {
        let Ok(ledger) = stage.open() else { return };
        stage.append(&ledger, &[0]);
        stage.append(&ledger, &[1, 2, 3]);
        stage.append(&ledger, &[0]);
    }
    let test = TestLedger::with_anchors(&["anchor"]);
    let envelopes = vec![test.register("1"), test.register("2"), test.register("2"), test.promote("1", None)];
    Scenario::over(&test, envelopes, work).refused(2)
}

/// Eight threads wait at once.
fn waiting_together() -> Scenario {
    fn work(stage: &Stage<'_>) {
        let Ok(ledger) = stage.open() else { return };
        std::thread::scope(|scope| {
            for number in 0..8 {
                let ledger = &ledger;
                scope.spawn(move || stage.append(ledger, &[number]));
            }
        });
        stage.append(&ledger, &[8]);
    }
    let test = TestLedger::new();
    let envelopes = (0..9).map(|number| test.register(&number.to_string())).collect();
    Scenario::over(&test, envelopes, work).unsteady()
}

/// Each append begins a new log file.
fn rolling() -> Scenario {
    fn work(stage: &Stage<'_>) {
        let Ok(ledger) = stage.open() else { return };
        for number in 0..3 {
            stage.append(&ledger, &[number]);
        }
    }
    let test = TestLedger::new();
    let envelopes = (0..3).map(|number| test.register(&number.to_string())).collect();
    Scenario::over(&test, envelopes, work).rolling(100)
}

fn open_and_append(stage: &Stage<'_>) {
    let Ok(ledger) = stage.open() else { return };
    stage.append(&ledger, &[1]);
}

/// A ledger of five entries, the last of which (envelope 0) was written when its writer was stopped, and its copy
/// from before.
fn stopped_writer() -> (TestLedger, Snapshot, Vec<Envelope>) {
    let test = TestLedger::with_anchors(&["anchor"]);
    let (before, anchor) = (test.snapshot(), fs::read(test.beside("anchor")).unwrap());
    let envelopes = vec![test.register("1"), test.register("2")];
    test.open().append(envelopes[0].clone()).unwrap();
    test.restore(&before, "head");
    fs::write(test.beside("anchor"), anchor).unwrap();
    (test, before, envelopes)
}

/// A whole batch beyond `head` is adopted, `head` healed, the anchor brought up.
fn adopting() -> Scenario {
    let (test, _, envelopes) = stopped_writer();
    Scenario::over(&test, envelopes, open_and_append).written(0)
}

/// A torn batch beyond `head` is kept aside and cut.
fn cutting() -> Scenario {
    let (test, before, envelopes) = stopped_writer();
    let log = fs::read(test.log_file()).unwrap();
    fs::write(test.log_file(), &log[..log.len() - 30]).unwrap();
    test.restore(&before, "index");
    Scenario::over(&test, envelopes, open_and_append)
}

/// Of `head` the newer slot is torn, and there is no index and no anchor yet.
fn healing() -> Scenario {
    let test = TestLedger::with_anchors(&["anchor"]);
    let envelopes = vec![test.register("1"), test.register("2")];
    test.open().append(envelopes[0].clone()).unwrap();
    let mut head = fs::read(test.dir().join("head")).unwrap();
    let newer = (0..2).max_by_key(|slot| head[slot * 4096 + 12]).unwrap();
    head[newer * 4096 + 100] ^= 1;
    fs::write(test.dir().join("head"), head).unwrap();
    fs::remove_dir_all(test.dir().join("index")).unwrap();
    fs::remove_file(test.beside("anchor")).unwrap();
    Scenario::over(&test, envelopes, open_and_append).written(0)
}

/// A new log file was begun, and holds nothing yet.
fn going_on_with_an_empty_file() -> Scenario {
    let test = TestLedger::new();
    let envelopes = vec![test.register("1"), test.register("2")];
    fs::write(test.dir().join("log/00000000000000000004.batches"), b"").unwrap();
    Scenario::over(&test, envelopes, open_and_append).rolling(100)
}

/// The log key is replaced, between two other events.
fn rotating() -> Scenario {
    rotating_because(RotationCause::Routine)
}

fn rotating_a_lost_key() -> Scenario {
    rotating_because(RotationCause::Lost)
}

fn rotating_because(cause: RotationCause) -> Scenario {
    fn work(stage: &Stage<'_>) {
        let Ok(ledger) = stage.open() else { return };
        stage.append(&ledger, &[0, 1, 2]);
    }
    let test = TestLedger::with_anchors(&["anchor"]);
    test.store_next(Who::NextLogKey);
    let rotation = test.rotation(Who::LogKey, Who::NextLogKey, cause);
    let envelopes = vec![test.register("1"), rotation, test.register("2")];
    Scenario::over(&test, envelopes, work).rotating()
}

const REPORT: &[u8] = b"who was asked, and what they said";

/// An attachment is kept before the entry that cites it, and redacted by the next one.
fn attaching_and_redacting() -> Scenario {
    fn work(stage: &Stage<'_>) {
        let Ok(ledger) = stage.open() else { return };
        let store = Attachments::on(stage.disk(), &stage.dir().join(ATTACHMENTS_DIR));
        if store.put(&mut &*REPORT).is_err() {
            return;
        }
        stage.append(&ledger, &[0]);
        stage.append(&ledger, &[1, 2]);
    }
    let test = TestLedger::new();
    let envelopes = vec![test.note_with(REPORT), test.redact(REPORT), test.register("1")];
    Scenario::over(&test, envelopes, work).also(bytes_are_as_entries_say)
}

/// A ledger whose attachment (envelope 0) is about to be redacted (envelope 1), or was just before its writer was
/// stopped: the mark is there, and the bytes.
fn cut_short(test: &TestLedger, is_recorded: bool) -> Vec<Envelope> {
    let envelopes = vec![test.note_with(REPORT), test.redact(REPORT)];
    Attachments::of_ledger(&test.dir()).put(&mut &*REPORT).unwrap();
    test.open().append(envelopes[0].clone()).unwrap();
    let event_id = Event::from_bytes(envelopes[1].event()).unwrap().header.event_id;
    let size = test.open().size();
    if is_recorded {
        test.open().append(envelopes[1].clone()).unwrap();
        test.open().append(test.register("0")).unwrap();
        Attachments::of_ledger(&test.dir()).put(&mut &*REPORT).unwrap();
    }
    let mark = format!("attachments/.redact-{}-{event_id}", Hash::of(REPORT));
    fs::write(test.dir().join(mark), format!("{size}\n")).unwrap();
    envelopes
}

fn open_only(stage: &Stage<'_>) {
    drop(stage.open());
}

/// The entry stands, the bytes are to go.
fn going_on_with_a_redaction() -> Scenario {
    let test = TestLedger::new();
    let envelopes = cut_short(&test, true);
    Scenario::over(&test, envelopes, open_only).written(0).written(1).also(bytes_are_as_entries_say)
}

/// The entry doesn't stand, the mark is to go.
fn dropping_a_mark() -> Scenario {
    let test = TestLedger::new();
    let envelopes = cut_short(&test, false);
    Scenario::over(&test, envelopes, open_only).written(0).also(bytes_are_as_entries_say)
}

/// Redacted and gone, or not redacted and there; and no mark is left.
fn bytes_are_as_entries_say(dir: &Path, entries: &[LoggedEntry]) -> Checked {
    let is_redacted = entries.iter().any(|entry| matches!(entry.event.body, Body::AttachmentRedacted(_)));
    let is_cited = entries.iter().any(|entry| !entry.event.header.attachments.is_empty());
    let check = Attachments::of_ledger(dir).verify(&Hash::of(REPORT)).unwrap();
    let fits = match (is_cited, is_redacted) {
        (false, _) => true,
        (true, true) => check == AttachmentCheck::Missing,
        (true, false) => check == AttachmentCheck::Sound { bytes: REPORT.len() as u64 },
    };
    let names = RealDisk.list(&dir.join(ATTACHMENTS_DIR)).unwrap_or_default();
    match names.iter().find(|name| name.starts_with(".redact-") && Path::new(name).extension().is_none()) {
        _ if !fits => Err(format!("redacted: {is_redacted}, and the bytes are {check:?}")),
        Some(mark) => Err(format!("{mark} is left")),
        None => Ok(()),
    }
}

/// Sweeps through `scenario`, which has at least these operations.
fn sweep(name: &str, scenario: &Scenario, depth: Depth, expected: &[(Kind, usize)]) {
    let began = std::time::Instant::now();
    let tally = scenario.sweep(depth, Honesty::Honest).unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
    println!(
        "{name}: {} cases, {} not reached, over {:?}, {:?}",
        tally.cases,
        tally.missed,
        tally.operations,
        began.elapsed()
    );
    for (kind, count) in expected {
        let found = tally.operations.get(kind).copied().unwrap_or(0);
        assert!(found >= *count, "{name}: {found} operations {kind:?}, and {count} are known of");
    }
}

fn sweep_all(work: &[Row], depth: Depth) {
    for (name, scenario, expected) in work {
        sweep(name, &scenario(), depth, expected);
    }
}

type Row = (&'static str, fn() -> Scenario, &'static [(Kind, usize)]);

/// Each piece of work, with the operations that it is known to need at the least.
const WORK: [Row; 13] = [
    (
        "founding",
        founding,
        &[
            (Kind::CreateDir, 2),
            (Kind::Create, 5),
            (Kind::Write, 5),
            (Kind::Sync, 6),
            (Kind::SyncDir, 8),
            (Kind::Rename, 3),
            (Kind::Truncate, 1),
        ],
    ),
    (
        "appending",
        appending,
        &[(Kind::Write, 6), (Kind::Sync, 5), (Kind::Rename, 2), (Kind::SyncDir, 3), (Kind::Create, 2)],
    ),
    ("waiting together", waiting_together, &[(Kind::Write, 4), (Kind::Sync, 3)]),
    ("rolling", rolling, &[(Kind::Create, 3), (Kind::Write, 6), (Kind::Sync, 4), (Kind::SyncDir, 4)]),
    ("adopting", adopting, &[(Kind::Write, 4), (Kind::Rename, 2)]),
    (
        "cutting",
        cutting,
        &[(Kind::Create, 2), (Kind::Write, 4), (Kind::Sync, 5), (Kind::Truncate, 1), (Kind::SyncDir, 3)],
    ),
    ("healing", healing, &[(Kind::Write, 5), (Kind::Rename, 2)]),
    ("an empty file", going_on_with_an_empty_file, &[(Kind::Write, 2), (Kind::Sync, 2)]),
    ("rotating", rotating, &[(Kind::Write, 10), (Kind::Sync, 9), (Kind::Rename, 6), (Kind::SyncDir, 5)]),
    ("rotating a lost key", rotating_a_lost_key, &[(Kind::Write, 10), (Kind::Rename, 6)]),
    (
        "attaching and redacting",
        attaching_and_redacting,
        &[(Kind::CreateDir, 3), (Kind::Rename, 2), (Kind::Remove, 2), (Kind::SyncDir, 7), (Kind::Sync, 4)],
    ),
    ("a redaction cut short", going_on_with_a_redaction, &[(Kind::Remove, 2), (Kind::SyncDir, 2)]),
    ("a mark of nothing", dropping_a_mark, &[(Kind::Remove, 1), (Kind::SyncDir, 1)]),
];

#[test]
fn each_fault_of_founding_opening_and_appending_is_survived() {
    sweep_all(&WORK[..2], Depth::Some);
}

#[test]
fn each_fault_of_many_who_wait_and_of_rolling_is_survived() {
    sweep_all(&WORK[2..4], Depth::Some);
}

#[test]
fn each_fault_of_adopting_and_cutting_is_survived() {
    sweep_all(&WORK[4..6], Depth::Some);
}

#[test]
fn each_fault_of_healing_is_survived() {
    sweep_all(&WORK[6..8], Depth::Some);
}

#[test]
fn each_fault_of_rotating_the_log_key_is_survived() {
    sweep_all(&WORK[8..10], Depth::Some);
}

#[test]
fn each_fault_of_attaching_and_redacting_is_survived() {
    sweep_all(&WORK[10..11], Depth::Some);
}

#[test]
fn each_fault_of_going_on_with_a_redaction_is_survived() {
    sweep_all(&WORK[11..], Depth::Some);
}

#[test]
#[ignore = "needs two minutes"]
fn each_fault_is_survived_whatever_a_crash_leaves() {
    sweep_all(&WORK, Depth::All);
}

/// The sweep can fail: on disks that do not keep what they promise, it finds what was lost.
#[test]
fn disks_that_lie_are_found_out() {
    let wrong = |scenario: Scenario, honesty| scenario.sweep(Depth::Some, honesty).unwrap_err();
    let lost = wrong(appending(), Honesty::LiesAboutFiles);
    assert!(
        lost.starts_with("without a fault: after the power was cut: ") && lost.contains("entries are gone"),
        "{lost}"
    );
    let lost = wrong(rolling(), Honesty::LiesAboutNames);
    assert!(
        lost.starts_with("without a fault: after the power was cut: ") && lost.contains("entries are gone"),
        "{lost}"
    );
    let lost = wrong(founding(), Honesty::LiesAboutNames);
    assert!(
        lost.starts_with("without a fault: after the power was cut: ") && lost.contains("not a ledger"),
        "{lost}"
    );
    let uncut = wrong(cutting(), Honesty::LiesAboutCuts);
    assert!(uncut.contains("does not open again"), "{uncut}");
}

/// Where `head` ends with a log file, the batch that it names lies in the file before, and no index says so.
#[test]
fn a_head_that_ends_where_a_log_file_ends_needs_no_index() {
    for next_file in [None, Some(0), Some(1)] {
        let test = TestLedger::new();
        let before = test.snapshot();
        let path = test.dir().join("log/00000000000000000004.batches");
        let opened = |test: &TestLedger| {
            let disk = CrashDisk::over(&test.beside(""), Honesty::Honest);
            let stage_scenario = Scenario::over(test, Vec::new(), |_| {}).rolling(100);
            stage_scenario.open_on(&test.dir(), Arc::new(disk)).unwrap()
        };
        opened(&test).append(test.register("1")).unwrap();
        let frame = fs::read(&path).unwrap();
        test.restore(&before, "head");
        match next_file {
            None => fs::remove_file(&path).unwrap(),
            Some(whole) => fs::write(&path, &frame[..frame.len() * whole]).unwrap(),
        }
        fs::remove_dir_all(test.dir().join("index")).unwrap();
        assert_eq!(opened(&test).size(), 4 + next_file.unwrap_or(0) as u64);
    }
}
