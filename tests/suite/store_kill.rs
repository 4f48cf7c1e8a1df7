//! Real writers, killed: what they were told was durable is there, their lock is gone, their index is sound or behind.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rollbook::index::rows::{RowChange, Rows, remove_index};
use rollbook::store::batch_log::{BatchLog as _, Position};
use rollbook::store::files::{FileLog, FileSource, RollSize};
use rollbook::store::frame::encode_frame;
use rollbook::store::head::{HeadFile, read_head};
use rollbook::store::lock::{Holder, WriterLock};
use rollbook::store::scan::Scanner;
use rollbook::store::tail::{TailState, walk_tail};
use rollbook::time::Timestamp;

/// Names the ledger directory to a test binary that is to be the writer.
const DIR_VARIABLE: &str = "ROLLBOOK_TEST_WRITER_DIR";
const ROLL_SIZE: RollSize = RollSize::new(64 << 10);

fn frame(index: u64) -> Vec<u8> {
    let entry = format!("entry {index} ").repeat(50);
    encode_frame(index, &[entry], format!("checkpoint {}\n", index + 1).as_bytes()).unwrap()
}

fn lock(dir: &Path, timeout: Duration) -> WriterLock {
    let holder = Holder::of_this_process(Timestamp::EPOCH);
    WriterLock::acquire(&dir.join("lock"), &holder, timeout).unwrap()
}

/// Opens as a writer does; returns the log, ready to go on, and its size.
fn open(dir: &Path) -> (FileLog, HeadFile, u64) {
    let head = HeadFile::open(dir).unwrap();
    let mut log = FileLog::create(&dir.join("log"), ROLL_SIZE).unwrap();
    let tail = TailState::judge(walk_tail(&log, head.state().size(), None).unwrap());
    log.resume(&tail).unwrap();
    (log, head, tail.sound_until().index)
}

/// Not a test of its own: the writer that is killed. Appends until its end, and says how far it is.
#[test]
fn writer_until_killed() {
    let Some(dir) = std::env::var_os(DIR_VARIABLE).map(PathBuf::from) else { return };
    let _lock = lock(&dir, Duration::from_secs(10));
    let (mut log, mut head, size) = open(&dir);
    let rows = Rows::open(&dir.join("index")).unwrap();
    // Where the writer before was killed between log and index, the index is behind: replay.
    for index in read_row(&rows, b"head").map_or(0, |head| head + 1)..size {
        put_rows(&rows, index);
    }
    let mut out = std::io::stdout();
    for index in size.. {
        log.append(&frame(index), index).unwrap();
        put_rows(&rows, index);
        head.publish(index + 1, format!("checkpoint {}\n", index + 1).as_bytes()).unwrap();
        writeln!(out, "acknowledged {index}").unwrap();
    }
}

fn put_rows(rows: &Rows, index: u64) {
    let key = format!("row {}", index % 10).into_bytes();
    let put = |key: &[u8]| RowChange::Put { key: key.to_vec(), value: index.to_le_bytes().to_vec() };
    rows.apply(&[put(&key), put(b"head")]).unwrap();
}

fn read_row(rows: &Rows, key: &[u8]) -> Option<u64> {
    let value = rows.get(key).unwrap()?;
    Some(u64::from_le_bytes(value.try_into().unwrap()))
}

fn start_writer(dir: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "store_kill::writer_until_killed", "--nocapture"]);
    command.env(DIR_VARIABLE, dir).stdout(Stdio::piped()).stderr(Stdio::null());
    command.spawn().unwrap()
}

/// Kills the writer some time after its `count`-th acknowledgement, and returns the last index it acknowledged.
fn kill_after(mut writer: Child, count: usize) -> u64 {
    let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines().map_while(Result::ok);
    let acknowledged = |line: &String| line.split_once("acknowledged ")?.1.parse::<u64>().ok();
    let mut last = None;
    for _ in 0..count {
        last = lines.find_map(|line| acknowledged(&line));
        assert!(last.is_some(), "the writer ended by itself");
    }
    writer.kill().unwrap();
    writer.wait().unwrap();
    lines.filter_map(|line| acknowledged(&line)).last().or(last).unwrap()
}

#[test]
fn a_killed_writer_loses_nothing_acknowledged_and_leaves_no_lock() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..8 {
        let acknowledged = kill_after(start_writer(dir.path()), 3 + 13 * round);

        let published = read_head(dir.path()).unwrap().size();
        assert!(published > acknowledged, "head is behind what was acknowledged");
        let _lock = lock(dir.path(), Duration::ZERO);
        let (log, _, size) = open(dir.path());
        assert!(size >= published);
        drop(log);

        let source = FileSource::new(&dir.path().join("log"));
        let mut scanner = Scanner::new(&source, Position::START, u64::MAX).unwrap();
        let mut index = 0;
        while let Some(found) = scanner.next_frame() {
            assert_eq!(found.unwrap().frame.bytes(), frame(index));
            index += 1;
        }
        assert_eq!(index, size);
        check_rows(&dir.path().join("index"), size, round);
    }
}

/// The rows are those of one moment: every row is the newest at or below the index that `head` names.
fn check_rows(index: &Path, size: u64, round: usize) {
    let rows = Rows::open(index).unwrap();
    let head = read_row(&rows, b"head");
    assert!(
        head < Some(size) && head.map_or(0, |head| head + 2) >= size,
        "they are at most one batch behind"
    );
    for digit in 0..10u64 {
        let expected = head.and_then(|head| (0..=head).rev().take(10).find(|index| index % 10 == digit));
        assert_eq!(
            read_row(&rows, format!("row {digit}").as_bytes()),
            expected,
            "round {round}, head {head:?}"
        );
    }
    drop(rows);
    if round % 3 == 2 {
        remove_index(index).unwrap();
    }
}
