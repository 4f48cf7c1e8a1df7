//! What every log must do, run over files and over memory; and a crash at every operation of the file log.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::batch_log::{BatchLog, BatchSource, FrameLocation, LogFile, Position, StoreError};
use super::disk::{Access, Disk as _};
use super::files::{FileLog, FileSource, RollSize};
use super::frame::{FrameError, FrameView, encode_frame};
use super::memory::MemoryLog;
use super::scan::{Damage, DamageReason, ScanError, Scanner, read_frame};
use super::simulated_disk::{Fault, SimulatedDisk, Survival};
use super::tail::{TailCondition, TailState, walk_tail};

/// Small enough that three of the frames below fill a file.
const ROLL_SIZE: u64 = 220;

/// Frame `number` of the sample log: frames hold one and two entries in turn.
fn sample_frame(number: u64) -> (u64, Vec<u8>) {
    let first_index = number / 2 * 3 + number % 2;
    let entries = (0..=number % 2).map(|place| format!("entry {}", first_index + place));
    let note = format!("checkpoint {}\n", first_index + 1 + number % 2);
    let entries: Vec<_> = entries.collect();
    (first_index, encode_frame(first_index, &entries, note.as_bytes()).unwrap())
}

/// The tree size after `frames` frames.
fn size_after(frames: u64) -> u64 {
    sample_frame(frames).0
}

fn resume(log: &mut dyn BatchLog, published: u64) -> Result<TailState, StoreError> {
    let tail = TailState::judge(walk_tail(source(log), published, None)?);
    log.resume(&tail)?;
    Ok(tail)
}

fn source(log: &dyn BatchLog) -> &dyn BatchSource {
    log
}

fn append_frames(log: &mut dyn BatchLog, numbers: std::ops::Range<u64>) -> Result<(), StoreError> {
    for number in numbers {
        let (first_index, frame) = sample_frame(number);
        log.append(&frame, first_index)?;
    }
    Ok(())
}

/// All frames of a log, or the damage that ends them.
fn read_all(source: &dyn BatchSource, until: u64) -> (Vec<Vec<u8>>, Option<Damage>) {
    let mut frames = Vec::new();
    let mut scanner = Scanner::new(source, Position::START, until).unwrap();
    let damage = loop {
        match scanner.next_frame() {
            None => break None,
            Some(Ok(found)) => {
                assert_eq!(found.frame.first_index(), found.location.first_index());
                assert_eq!(found.frame.bytes().len(), found.location.length() as usize);
                let read = read_frame(source, found.location.position()).unwrap();
                assert_eq!(read.view().bytes(), found.frame.bytes());
                frames.push(found.frame.bytes().to_vec());
            }
            Some(Err(ScanError::Damage(damage))) => break Some(damage),
            Some(Err(ScanError::Store(error))) => panic!("{error}"),
        }
    };
    assert!(scanner.next_frame().is_none(), "nothing follows the end, nor damage");
    (frames, damage)
}

fn sample_frames(count: u64) -> Vec<Vec<u8>> {
    (0..count).map(|number| sample_frame(number).1).collect()
}

/// Builds a log that holds exactly these files.
type Build<'a> = &'a dyn Fn(&[(u64, Vec<u8>)]) -> Box<dyn BatchLog>;

fn on_memory(check: fn(Build<'_>)) {
    check(&|files| Box::new(MemoryLog::from_files(files.to_vec(), RollSize::new(ROLL_SIZE))));
}

fn on_files(check: fn(Build<'_>)) {
    let dir = tempfile::tempdir().unwrap();
    let number = std::cell::Cell::new(0);
    check(&|files| {
        number.set(number.get() + 1);
        let log = dir.path().join(number.get().to_string());
        drop(FileLog::create(&log, RollSize::new(ROLL_SIZE)).unwrap());
        for (first_index, bytes) in files {
            std::fs::write(FileSource::new(&log).path(*first_index), bytes).unwrap();
        }
        Box::new(FileLog::open(&log, RollSize::new(ROLL_SIZE)).unwrap())
    });
}

fn files_of(log: &dyn BatchLog) -> Vec<(u64, Vec<u8>)> {
    let read = |file: LogFile| {
        let mut bytes = vec![0; usize::try_from(file.bytes).unwrap()];
        assert_eq!(log.read_at(file.first_index, 0, &mut bytes).unwrap(), bytes.len());
        (file.first_index, bytes)
    };
    log.files().unwrap().into_iter().map(read).collect()
}

/// The files of a sound log of `frames` frames.
fn sample_files(frames: u64) -> Vec<(u64, Vec<u8>)> {
    let mut log = MemoryLog::new(RollSize::new(ROLL_SIZE));
    resume(&mut log, 0).unwrap();
    append_frames(&mut log, 0..frames).unwrap();
    files_of(&log)
}

fn frames_read_back_in_order_across_files(build: Build<'_>) {
    let mut log = build(&[]);
    assert!(matches!(log.append(&sample_frame(0).1, 0), Err(StoreError::NotResumed)));
    assert_eq!(resume(log.as_mut(), 0).unwrap().sound_until(), Position::START);
    assert_eq!(read_all(source(log.as_ref()), u64::MAX), (vec![], None));
    append_frames(log.as_mut(), 0..20).unwrap();
    assert_eq!(read_all(source(log.as_ref()), u64::MAX), (sample_frames(20), None));
    assert_eq!(files_of(log.as_ref()), sample_files(20), "files are the same in every log");
    assert_eq!(log.end().unwrap().index, size_after(20));

    let files = log.files().unwrap();
    assert!(files.len() > 3, "it rolled");
    assert!(files.iter().all(|file| file.bytes <= ROLL_SIZE));
    for file in &files {
        let mut bytes = vec![0; 200];
        log.read_at(file.first_index, 0, &mut bytes).unwrap();
        let start = FrameView::parse(&bytes).unwrap().first_index();
        assert_eq!(start, file.first_index);
    }
}

fn scans_stop_at_the_published_size_and_start_anywhere(build: Build<'_>) {
    let log = build(&sample_files(20));
    for count in 0..=20 {
        assert_eq!(read_all(source(log.as_ref()), size_after(count)).0, sample_frames(count));
    }
    let mut scanner = Scanner::new(source(log.as_ref()), Position::START, u64::MAX).unwrap();
    let mut ends = vec![Position::START];
    while let Some(found) = scanner.next_frame() {
        ends.push(found.unwrap().location.end());
    }
    for (read, end) in ends.iter().enumerate() {
        let mut rest = Scanner::new(source(log.as_ref()), *end, u64::MAX).unwrap();
        for frame in &sample_frames(20)[read..] {
            assert_eq!(rest.next_frame().unwrap().unwrap().frame.bytes(), frame);
        }
        assert!(rest.next_frame().is_none());
    }
    let nowhere = Position { file: 5, offset: 0, index: 5 };
    assert!(matches!(
        Scanner::new(source(log.as_ref()), nowhere, u64::MAX),
        Err(ScanError::Store(StoreError::NoSuchFile { file: 5 }))
    ));
}

fn only_the_next_frame_is_appended(build: Build<'_>) {
    let mut log = build(&sample_files(3));
    resume(log.as_mut(), 0).unwrap();
    let (next, frame) = sample_frame(3);
    let (later, later_frame) = sample_frame(4);
    let refused = log.append(&later_frame, later);
    assert!(
        matches!(refused, Err(StoreError::NotNext { expected, given }) if (expected, given) == (next, later))
    );
    assert!(matches!(log.append(&frame, later), Err(StoreError::Frame(_))));
    assert!(matches!(log.append(&frame[1..], next), Err(StoreError::Frame(FrameError::Magic))));
    assert!(matches!(log.append(&[frame.as_slice(), b"x"].concat(), next), Err(StoreError::Frame(_))));
    log.append(&frame, next).unwrap();
    assert_eq!(files_of(log.as_ref()), sample_files(4), "what was refused left nothing");
}

fn a_reopened_log_goes_on(build: Build<'_>) {
    for frames in 0..10 {
        for published in (0..=frames).rev().step_by(3) {
            let mut log = build(&sample_files(frames));
            let tail = resume(log.as_mut(), size_after(published)).unwrap();
            assert_eq!(tail.condition(), &TailCondition::Sound);
            let beyond: Vec<_> = tail.frames_beyond_head().iter().map(FrameLocation::first_index).collect();
            assert_eq!(beyond, (published..frames).map(size_after).collect::<Vec<_>>());
            append_frames(log.as_mut(), frames..10).unwrap();
            assert_eq!(files_of(log.as_ref()), sample_files(10));
        }
    }
}

fn a_torn_tail_is_cut_wherever_it_tears(build: Build<'_>) {
    for frames in [1, 2, 4, 6] {
        let whole = sample_files(frames);
        let torn_frame = sample_frame(frames - 1).1.len();
        // Steps of five meet every field of a frame; each costs some syncs.
        for lost in (1..torn_frame).step_by(5) {
            let mut files = whole.clone();
            let last = files.last_mut().unwrap();
            last.1.truncate(last.1.len() - lost);
            let mut log = build(&files);
            let tail = resume(log.as_mut(), size_after(frames - 1)).unwrap();
            let torn = tail.torn().unwrap();
            assert_eq!(torn.bytes(), (torn_frame - lost) as u64);
            assert_eq!(torn.position(), tail.sound_until());
            append_frames(log.as_mut(), frames - 1..9).unwrap();
            assert_eq!(read_all(source(log.as_ref()), u64::MAX), (sample_frames(9), None));
        }
    }
}

fn a_tail_of_zeros_or_wrong_bytes_is_cut(build: Build<'_>) {
    for spoil in [0usize, 5, 10, 30, 60] {
        let mut files = sample_files(2);
        let start = sample_frame(0).1.len();
        let bytes = &mut files[0].1;
        if spoil == 0 {
            bytes[start..].fill(0);
        } else {
            bytes[start + spoil] ^= 0x40;
        }
        let mut log = build(&files);
        let tail = resume(log.as_mut(), size_after(1)).unwrap();
        assert!(tail.torn().is_some(), "{spoil}");
        append_frames(log.as_mut(), 1..3).unwrap();
        assert_eq!(read_all(source(log.as_ref()), u64::MAX), (sample_frames(3), None));
    }
}

/// Each row: what is done to a sound log of eight frames, and how many of them were published.
fn damage_that_no_torn_write_explains_is_never_cut(build: Build<'_>) {
    type Spoil = fn(&mut Vec<(u64, Vec<u8>)>);
    let rows: [(&str, u64, Spoil); 9] = [
        ("torn, but published", 8, |files| {
            let last = &mut files.last_mut().unwrap().1;
            last.truncate(last.len() - 1);
        }),
        ("torn, and more than it published", 10, |files| {
            let last = &mut files.last_mut().unwrap().1;
            last.truncate(last.len() - 1);
        }),
        ("damaged, and a valid frame follows", 0, |files| files.last_mut().unwrap().1[40] ^= 1),
        ("its magic damaged, and a valid frame follows", 0, |files| files.last_mut().unwrap().1[0] ^= 1),
        ("torn in a file that is not the last", 0, |files| {
            let first = &mut files[0].1;
            first.truncate(first.len() - 1);
        }),
        ("a file missing at the front", 0, |files| drop(files.remove(0))),
        ("a file missing in the middle", 0, |files| drop(files.remove(1))),
        ("a file misnamed", 0, |files| files[1].0 += 1),
        ("a whole frame twice", 0, |files| {
            let again = sample_frame(7).1;
            files.last_mut().unwrap().1.extend(again);
        }),
    ];
    for (what, published, spoil) in rows {
        let mut files = sample_files(8);
        spoil(&mut files);
        let mut log = build(&files);
        let refused = resume(log.as_mut(), size_after(published));
        assert!(matches!(refused, Err(StoreError::Unsound { .. })), "{what}: {refused:?}");
        assert_eq!(files_of(log.as_ref()), files, "{what}: nothing was changed");
        assert!(log.append(&sample_frame(8).1, size_after(8)).is_err(), "{what}");
    }
}

fn a_log_shorter_than_the_published_size_is_refused(build: Build<'_>) {
    for (frames, published) in [(0, 1), (5, 6), (5, 20)] {
        let mut log = build(&sample_files(frames));
        let tail = TailState::judge(walk_tail(source(log.as_ref()), size_after(published), None).unwrap());
        let (size, published) = (size_after(frames), size_after(published));
        assert_eq!(tail.condition(), &TailCondition::Shorter { size, published });
        assert!(matches!(log.resume(&tail), Err(StoreError::Unsound { .. })));
    }
    let log = build(&sample_files(5));
    let straddled = TailState::judge(walk_tail(source(log.as_ref()), size_after(2) - 1, None).unwrap());
    let TailCondition::Damaged(damage) = straddled.condition() else { panic!("{straddled:?}") };
    assert_eq!(damage.reason(), &DamageReason::Straddles { published: 2 });
}

fn hints_shorten_the_walk_and_false_ones_do_no_harm(build: Build<'_>) {
    let mut files = sample_files(12);
    // Damage far below the hint is not seen by opening: the verifier's walk is another.
    files[0].1[40] ^= 1;
    let log = build(&files);
    let published = size_after(10);
    let by_scan = walk_tail(source(log.as_ref()), published, None).unwrap();
    let last = by_scan.last_published.unwrap();
    assert_eq!(last.next_index(), published);
    let by_hint = walk_tail(source(log.as_ref()), published, Some(last.position())).unwrap();
    assert_eq!(by_hint, by_scan);
    let Position { file, offset, index } = last.position();
    for hint in [
        Position { file, offset: offset + 1, index },
        Position { file, offset, index: index - 1 },
        Position { file: file + 1, offset, index },
        Position { file, offset: 1 << 40, index },
        Position { file, offset, index: published + 1 },
    ] {
        assert_eq!(walk_tail(source(log.as_ref()), published, Some(hint)).unwrap(), by_scan, "{hint:?}");
    }
}

fn damage_is_reported_where_it_is(build: Build<'_>) {
    let mut files = sample_files(8);
    let second_frame = sample_frame(0).1.len();
    files[0].1[second_frame + 40] ^= 1;
    let (frames, damage) = read_all(source(build(&files).as_ref()), u64::MAX);
    let damage = damage.unwrap();
    assert_eq!(frames, sample_frames(1));
    assert_eq!(damage.position(), Position { file: 0, offset: second_frame as u64, index: 1 });
    assert!(matches!(damage.reason(), DamageReason::Frame(FrameError::Checksum { .. })));

    let mut files = sample_files(8);
    let (missing, next) = (files[1].0, files[2].0);
    files.remove(1);
    let (_, damage) = read_all(source(build(&files).as_ref()), u64::MAX);
    let damage = damage.unwrap();
    assert_eq!(
        (damage.position().index, damage.reason()),
        (missing, &DamageReason::FileName { actual: next })
    );
}

/// Takes each check above and runs it over both logs.
macro_rules! conform {
    ($($check:ident),* $(,)?) => {
        mod memory {
            $(#[test] fn $check() { super::on_memory(super::$check); })*
        }
        mod files {
            $(#[test] fn $check() { super::on_files(super::$check); })*
        }
    };
}

conform! {
    frames_read_back_in_order_across_files,
    scans_stop_at_the_published_size_and_start_anywhere,
    only_the_next_frame_is_appended,
    a_reopened_log_goes_on,
    a_torn_tail_is_cut_wherever_it_tears,
    a_tail_of_zeros_or_wrong_bytes_is_cut,
    damage_that_no_torn_write_explains_is_never_cut,
    a_log_shorter_than_the_published_size_is_refused,
    hints_shorten_the_walk_and_false_ones_do_no_harm,
    damage_is_reported_where_it_is,
}

#[test]
fn torn_bytes_are_kept_beside_the_log_and_never_over_others() {
    let dir = tempfile::tempdir().unwrap();
    let log_dir = dir.path().join("log");
    let mut log = FileLog::create(&log_dir, RollSize::DEFAULT).unwrap();
    resume(&mut log, 0).unwrap();
    append_frames(&mut log, 0..1).unwrap();
    drop(log);
    let path = FileSource::new(&log_dir).path(0);
    let whole = std::fs::read(&path).unwrap();
    for (round, name) in ["", ".2", ".3"].iter().enumerate() {
        let torn = sample_frame(1).1[..20 + round].to_vec();
        std::fs::write(&path, [whole.clone(), torn.clone()].concat()).unwrap();
        let mut log = FileLog::open(&log_dir, RollSize::DEFAULT).unwrap();
        resume(&mut log, 1).unwrap();
        let kept = format!("torn-00000000000000000000-{}{name}", whole.len());
        assert_eq!(std::fs::read(log_dir.join(kept)).unwrap(), torn);
        assert_eq!(std::fs::read(&path).unwrap(), whole);
    }
}

#[test]
fn a_copy_of_an_older_frame_inside_a_torn_one_does_not_keep_it() {
    let (_, older) = sample_frame(0);
    let holder = encode_frame(1, &[older], b"note").unwrap();
    let torn = [sample_frame(0).1, holder[..holder.len() - 2].to_vec()].concat();
    let log = MemoryLog::from_files([(0, torn)], RollSize::DEFAULT);
    let tail = TailState::judge(walk_tail(&log, 1, None).unwrap());
    assert!(tail.torn().is_some());
}

#[test]
fn a_whole_frame_of_a_newer_version_is_neither_cut_nor_called_damaged() {
    let mut newer = sample_frame(1).1;
    newer[8] = 9;
    let covered = newer.len() - 4;
    let checksum = crc32c::crc32c(&newer[..covered]);
    newer[covered..].copy_from_slice(&checksum.to_le_bytes());
    let log = MemoryLog::from_files([(0, [sample_frame(0).1, newer].concat())], RollSize::DEFAULT);
    let tail = TailState::judge(walk_tail(&log, 1, None).unwrap());
    let TailCondition::Damaged(damage) = tail.condition() else { panic!("{tail:?}") };
    assert_eq!(damage.newer_version(), Some(9));
}

#[test]
fn a_log_that_somebody_else_wrote_to_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = FileLog::create(&dir.path().join("log"), RollSize::DEFAULT).unwrap();
    resume(&mut log, 0).unwrap();
    append_frames(&mut log, 0..1).unwrap();
    let path = FileSource::new(&dir.path().join("log")).path(0);
    let foreign = [std::fs::read(&path).unwrap(), b"foreign".to_vec()].concat();
    std::fs::write(&path, &foreign).unwrap();
    assert!(matches!(append_frames(&mut log, 1..2), Err(StoreError::Changed { file: 0, .. })));
    assert!(matches!(append_frames(&mut log, 1..2), Err(StoreError::Poisoned)));
    assert_eq!(std::fs::read(&path).unwrap(), foreign);
}

const FRAMES: u64 = 8;

fn log_dir() -> PathBuf {
    PathBuf::from("/ledger/log")
}

fn open_simulated(disk: &SimulatedDisk) -> Result<FileLog, StoreError> {
    FileLog::create_on(Arc::new(disk.clone()), &log_dir(), RollSize::new(ROLL_SIZE))
}

/// Opens, goes on from what is there, and appends up to `FRAMES` frames. Counts in `acknowledged` each frame that
/// was; they are what was published.
fn work(disk: &SimulatedDisk, acknowledged: &mut u64) -> Result<(), StoreError> {
    let mut log = open_simulated(disk)?;
    let tail = resume(&mut log, size_after(*acknowledged))?;
    let adopted = *acknowledged + tail.frames_beyond_head().len() as u64;
    *acknowledged = adopted;
    for number in adopted..FRAMES {
        append_frames(&mut log, number..number + 1)?;
        *acknowledged = number + 1;
    }
    Ok(())
}

/// Says that the log holds the sample's frames in order, each once, and at least the first `acknowledged`.
fn check_nothing_lost(disk: &SimulatedDisk, acknowledged: u64, context: &str) {
    let source = FileSource::on(Arc::new(disk.clone()), &log_dir());
    let (frames, _) = read_all(&source, size_after(acknowledged));
    assert_eq!(frames, sample_frames(acknowledged), "{context}");
}

/// Runs the work with `fault` at each operation in turn, and hands every disk on. Returns how many there were.
fn at_every_operation(fault: Fault, mut then: impl FnMut(usize, &SimulatedDisk, u64)) -> usize {
    for operation in 0.. {
        let disk = SimulatedDisk::default();
        let mut acknowledged = 0;
        disk.fail_at(operation, fault);
        let result = work(&disk, &mut acknowledged);
        if !disk.has_failed() {
            result.unwrap();
            return operation;
        }
        assert!(result.is_err(), "operation {operation} failed, and nobody was told");
        then(operation, &disk, acknowledged);
    }
    unreachable!("the work ends")
}

#[test]
fn a_crash_at_any_operation_loses_nothing_that_was_acknowledged() {
    for survival in Survival::EACH {
        let operations = at_every_operation(Fault::Crash, |operation, disk, mut acknowledged| {
            let context = format!("crash at operation {operation}, {survival:?} survives");
            disk.restart(survival);
            check_nothing_lost(disk, acknowledged, &context);
            work(disk, &mut acknowledged).unwrap_or_else(|error| panic!("{context}: {error}"));
            let source = FileSource::on(Arc::new(disk.clone()), &log_dir());
            assert_eq!(read_all(&source, u64::MAX), (sample_frames(FRAMES), None), "{context}");
        });
        assert!(operations > 20, "only {operations} operations were tried");
    }
}

#[test]
fn a_second_crash_while_recovering_loses_nothing_either() {
    for (first, second) in [
        (Survival::Half, Survival::All),
        (Survival::Half, Survival::Nothing),
        (Survival::All, Survival::Nothing),
        (Survival::LastHalf, Survival::Half),
    ] {
        at_every_operation(Fault::Crash, |operation, disk, acknowledged_before| {
            disk.restart(first);
            // Each second crash carries on from the one before: a machine that keeps going down.
            let mut acknowledged = acknowledged_before;
            for again in 0.. {
                let context = format!("crash at {operation}, then {again}; {first:?}, then {second:?}");
                disk.fail_at(again, Fault::Crash);
                let result = work(disk, &mut acknowledged);
                if !disk.has_failed() {
                    result.unwrap_or_else(|error| panic!("{context}: {error}"));
                    break;
                }
                disk.restart(second);
                check_nothing_lost(disk, acknowledged, &context);
            }
            let source = FileSource::on(Arc::new(disk.clone()), &log_dir());
            assert_eq!(read_all(&source, u64::MAX), (sample_frames(FRAMES), None));
        });
    }
}

#[test]
fn a_failed_operation_poisons_until_the_log_is_opened_anew() {
    let mut poisoned = 0;
    for operation in 0.. {
        let disk = SimulatedDisk::default();
        let mut log = open_simulated(&disk).unwrap();
        resume(&mut log, 0).unwrap();
        append_frames(&mut log, 0..1).unwrap();
        disk.fail_at(operation, Fault::Error);
        let mut acknowledged = 1;
        while acknowledged < FRAMES && append_frames(&mut log, acknowledged..acknowledged + 1).is_ok() {
            acknowledged += 1;
        }
        if !disk.has_failed() {
            break;
        }
        poisoned += 1;
        for _ in 0..2 {
            let again = append_frames(&mut log, acknowledged..acknowledged + 1);
            assert!(matches!(again, Err(StoreError::Poisoned)), "operation {operation}: {again:?}");
        }
        assert!(log.end().is_none());
        work(&disk, &mut acknowledged).unwrap();
        let source = FileSource::on(Arc::new(disk.clone()), &log_dir());
        assert_eq!(read_all(&source, u64::MAX), (sample_frames(FRAMES), None), "operation {operation}");
    }
    assert!(poisoned > 10, "only {poisoned} operations were tried");
}

#[test]
fn an_acknowledged_frame_is_durable_at_once() {
    let disk = SimulatedDisk::default();
    let mut log = open_simulated(&disk).unwrap();
    resume(&mut log, 0).unwrap();
    for number in 0..FRAMES {
        append_frames(&mut log, number..number + 1).unwrap();
        disk.restart(Survival::Nothing);
        check_nothing_lost(&disk, number + 1, "the power goes after each append");
    }
    let first = disk.bytes(&Path::new("/ledger/log").join("00000000000000000000.batches")).unwrap();
    assert!(first.len() as u64 <= ROLL_SIZE);
}

#[test]
fn what_opening_believes_outlives_a_power_cut() {
    let mut adopted_frames = 0;
    at_every_operation(Fault::Crash, |operation, disk, acknowledged| {
        disk.restart(Survival::All);
        let log = open_simulated(disk).unwrap();
        let tail = walk_tail(&log, size_after(acknowledged), None).unwrap();
        let adopted = acknowledged + tail.beyond.len() as u64;
        adopted_frames += tail.beyond.len();
        disk.restart(Survival::Nothing);
        check_nothing_lost(
            disk,
            adopted,
            &format!("killed at operation {operation}, opened, and then the power went"),
        );
    });
    assert!(adopted_frames > 5, "only {adopted_frames} frames were adopted");
}

#[test]
fn a_cut_and_the_bytes_it_took_outlive_a_power_cut() {
    let disk = SimulatedDisk::default();
    let mut acknowledged = 0;
    work(&disk, &mut acknowledged).unwrap();
    let log = open_simulated(&disk).unwrap();
    let last = log.files().unwrap().last().copied().unwrap();
    let path = FileSource::new(&log_dir()).path(last.first_index);
    let whole = disk.bytes(&path).unwrap();
    let torn = &sample_frame(FRAMES).1[..30];
    disk.open(&path, Access::Append).unwrap().append(torn).unwrap();

    resume(&mut open_simulated(&disk).unwrap(), size_after(FRAMES)).unwrap();
    disk.restart(Survival::Nothing);
    assert_eq!(disk.bytes(&path).unwrap(), whole);
    let kept = log_dir().join(format!("torn-{:020}-{}", last.first_index, whole.len()));
    assert_eq!(disk.bytes(&kept).unwrap(), torn);
}
