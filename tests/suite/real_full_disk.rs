//! Disks that are really full: a small tmpfs, and a limit on the size of files. The program says what to do, nothing
//! acknowledged is lost, reading and `verify` go on meanwhile, and with room so does recording.

use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use rollbook::ledger::opening::{OpenOptions, OpeningError};
use rollbook::ledger::receipt::AppendError;
use rollbook::ledger::upkeep::check_index;
use rollbook::ledger::writer::{ClockTrust, Ledger};
use rollbook::log::reader::LogReader;
use rollbook::store::disk::{Disk, RealDisk};
use rollbook::time::Clock;

use crate::support::desk::{Answer, Desk};
use crate::support::test_ledger::{TestLedger, contents, copy_dir, facts, open_at};

/// A disk that takes more notes than these counts as endless.
const NOTES_MAX: usize = 1_000;
/// How long the text of a note is: few of them fill a disk.
const TEXT_BYTES: usize = 8_000;
/// Entries before the first note: the founding, and a grant.
const FIRST_NOTE: usize = 2;

/// A file system of its own in the directory `dir`, unmounted when this is dropped.
struct SmallDisk {
    dir: PathBuf,
}

impl SmallDisk {
    fn mount(dir: PathBuf) -> Self {
        std::fs::create_dir_all(&dir).unwrap();
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"]).arg(&dir).status();
        assert!(mounted.unwrap().success(), "a tmpfs can be mounted");
        Self { dir }
    }

    /// Takes all room, but `left` bytes of it.
    fn fill(&self, left: u64) {
        let mut ballast = std::fs::File::create(self.dir.join("ballast")).unwrap();
        std::io::copy(&mut std::io::repeat(7), &mut ballast).unwrap_err();
        let length = ballast.metadata().unwrap().len();
        ballast.set_len(length.saturating_sub(left)).unwrap();
    }

    /// Takes what room there is again: an index that was begun anew leaves some.
    fn fill_up(&self) {
        let mut ballast = std::fs::OpenOptions::new().append(true).open(self.dir.join("ballast")).unwrap();
        std::io::copy(&mut std::io::repeat(7), &mut ballast).unwrap_err();
    }

    fn make_room(&self) {
        // Emptied first: a process that another test is just starting may hold the file a moment longer.
        std::fs::OpenOptions::new().write(true).truncate(true).open(self.dir.join("ballast")).unwrap();
        std::fs::remove_file(self.dir.join("ballast")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.dir).status();
    }
}

/// A desk whose ledger, `small/ledger`, has two entries.
fn desk() -> Desk {
    let desk = Desk::empty();
    desk.key("alice", 1);
    desk.key("dora", 2);
    desk
}

fn found(desk: &Desk) {
    desk.done(
        "--ledger small/ledger --key alice.key init --origin example.org/small --admin alice=alice.key.pub",
    );
    desk.done(
        "--ledger small/ledger --key alice.key key grant dora.key.pub --name dora --role auditor --env '*' --model '*'",
    );
}

fn note(number: usize) -> String {
    format!("--ledger small/ledger --key dora.key --json note 1 note-{number}-{}", "x".repeat(TEXT_BYTES))
}

/// Records notes from `first` on until the program says no; gives the number of that one, and what it said.
fn record_until_full(first: usize, run: impl Fn(&str) -> Output) -> (usize, Output) {
    for number in first..NOTES_MAX {
        let output = run(&note(number));
        if !output.status.success() {
            return (number, output);
        }
        assert_eq!(Answer::from(output).json()["index"], number + FIRST_NOTE);
    }
    panic!("the disk does not get full");
}

/// The ledger can be read and verified, and holds the `acknowledged` notes.
fn reads_and_verifies(desk: &Desk, acknowledged: usize) {
    desk.done("--ledger small/ledger verify --trust small/ledger/trust.toml");
    desk.done("--ledger small/ledger status");
    let size = desk.done_json("--ledger small/ledger checkpoint")["size"].as_u64().unwrap();
    assert_eq!(size, (acknowledged + FIRST_NOTE) as u64);
    for number in [0, acknowledged - 1] {
        let shown = desk.done(&format!("--ledger small/ledger show {}", number + FIRST_NOTE));
        assert!(shown.contains(&format!("note-{number}-")), "{shown}");
    }
}

/// Says no by exit code 3, names a file of the ledger (or the index, whose files are sled's), and what to do.
fn is_told(failed: &Answer, reason: &str, advice: &str) {
    assert_eq!(failed.code, Some(3), "{failed:?}");
    let said = format!("{}{}", failed.stdout, failed.stderr);
    let place =
        if said.contains("the index cannot be built") { "the ledger's disk" } else { "small/ledger/" };
    for words in [reason, advice, place] {
        assert!(said.contains(words), "`{words}` is missing: {failed:?}");
    }
}

/// The command that failed is run again, with the event id that its error named, and once more: one entry.
fn retries(desk: &Desk, number: usize, failed: &Answer) {
    let said = failed.json();
    let (code, hint) = (said["error"]["code"].as_str().unwrap(), said["error"]["hint"].as_str().unwrap());
    let mut again = note(number);
    if code == "outcome_unknown" {
        let id = hint.split("--event-id ").nth(1).unwrap().split(' ').next().unwrap();
        again = format!("{again} --event-id {id}");
    }
    let receipt: serde_json::Value = serde_json::from_str(&desk.done(&again)).unwrap();
    assert_eq!(receipt["index"], number + FIRST_NOTE);
    if code == "outcome_unknown" {
        let repeated: serde_json::Value = serde_json::from_str(&desk.done(&again)).unwrap();
        assert_eq!((&repeated["index"], &repeated["repeated"]), (&receipt["index"], &true.into()));
    }
    desk.done(&note(number + 1));
    reads_and_verifies(desk, number + 2);
}

#[test]
#[ignore = "needs root to mount a tmpfs"]
fn a_full_disk_is_told_by_the_program_and_survived() {
    for left in [0, 3_000, 20_000, 100_000] {
        let desk = desk();
        let small = SmallDisk::mount(desk.path("small"));
        found(&desk);
        desk.done(&note(0));
        small.fill(left);
        let (number, failed) = record_until_full(1, |line| desk.command(line).output().unwrap());
        let failed = Answer::from(failed);
        is_told(&failed, "No space left on device", "room");
        reads_and_verifies(&desk, number);
        for _ in 0..3 {
            small.fill_up();
            is_told(&desk.run(&note(number)), "No space left on device", "room");
        }
        let is_empty = |(_, bytes): &(_, Vec<u8>)| bytes.is_empty();
        assert!(!desk.records().into_iter().any(|record| is_empty(&record)), "a copy of nothing was kept");
        reads_and_verifies(&desk, number);
        small.make_room();
        retries(&desk, number, &failed);
    }
}

#[test]
#[ignore = "needs root to mount a tmpfs"]
fn founding_on_a_full_disk_leaves_a_directory_to_remove() {
    for left in [0, 4_096, 8_192, 12_288, 16_384, 20_480, 24_576, 28_672] {
        let desk = desk();
        let small = SmallDisk::mount(desk.path("small"));
        small.fill(left);
        let init = "--ledger small/ledger --key alice.key init --origin example.org/small --admin alice=alice.key.pub";
        let answer = desk.run(init);
        if answer.code != Some(0) {
            is_told(&answer, "No space left on device", "make room");
            let _ = std::fs::remove_dir_all(desk.path("small/ledger"));
        }
        small.make_room();
        if answer.code != Some(0) {
            desk.done(init);
        }
        desk.done("--ledger small/ledger verify --trust small/ledger/trust.toml");
    }
}

/// Runs the program with files limited to `kibibytes`; `trap` says whether it hears of it or is killed.
fn limited(desk: &Desk, line: &str, kibibytes: u32, trap: &str) -> Output {
    let program = desk.command(line);
    let mut command = Command::new("bash");
    command.args(["-c", &format!("{trap} ulimit -f {kibibytes}; exec \"$0\" \"$@\"")]);
    command.arg(program.get_program()).args(program.get_args()).current_dir(desk.path(""));
    command.env("HOME", desk.path("")).env_remove("ROLLBOOK_KEY").output().unwrap()
}

#[test]
fn a_limit_on_the_size_of_files_is_told_and_survived() {
    let desk = desk();
    found(&desk);
    let (number, failed) = record_until_full(0, |line| limited(&desk, line, 560, "trap '' XFSZ;"));
    let failed = Answer::from(failed);
    is_told(&failed, "File too large", "--event-id");
    reads_and_verifies(&desk, number);
    retries(&desk, number, &failed);
}

#[test]
fn a_writer_that_the_limit_kills_leaves_a_sound_log() {
    let desk = desk();
    found(&desk);
    let (number, killed) = record_until_full(0, |line| limited(&desk, line, 560, ""));
    assert_eq!((killed.status.signal(), killed.stdout.as_slice()), (Some(25), [].as_slice()), "SIGXFSZ");
    reads_and_verifies(&desk, number);
    let answer = desk.run(&note(number));
    assert!(answer.stderr.contains("torn write"), "{answer:?}");
    assert_eq!(answer.json()["index"], number + FIRST_NOTE);
    reads_and_verifies(&desk, number + 1);
}

/// An index that cannot be built is refused, and the log stays; where it could be, it is right.
#[test]
fn an_index_that_a_limit_keeps_from_being_built_is_refused() {
    // So many entries that a new index does not keep them in memory.
    const NOTES: usize = 40;
    let desk = desk();
    found(&desk);
    (0..NOTES).for_each(|number| drop(desk.done(&note(number))));
    let records = desk.records();
    let mut refusals = 0;
    for kibibytes in [0, 1, 2, 4, 8, 16, 64, 256, 1_024] {
        let _ = std::fs::remove_dir_all(desk.path("small/ledger/index"));
        let line = format!("{} --dry-run", note(NOTES));
        let answer = Answer::from(limited(&desk, &line, kibibytes, "trap '' XFSZ;"));
        let said = format!("{kibibytes}: {answer:?}");
        match answer.code {
            Some(0) => {}
            Some(3) => refusals += 1,
            _ => panic!("{said}"),
        }
        assert!(!said.contains("panicked at"), "{said}");
        assert_eq!(answer.code == Some(3), said.contains("hint"), "{said}");
        assert!(desk.records() == records, "{said}");
        reads_and_verifies(&desk, NOTES);
    }
    assert!(refusals > 1, "only {refusals} were refused");
    desk.done(&note(NOTES));
    reads_and_verifies(&desk, NOTES + 1);
}

/// A copy of `test` on a small disk, which is opened there.
struct Moved {
    test: TestLedger,
    disk: SmallDisk,
}

impl Moved {
    fn new(test: TestLedger) -> Self {
        let disk = SmallDisk::mount(test.beside("small"));
        copy_dir(&test.dir(), &disk.dir.join("ledger"));
        std::fs::copy(test.beside("log.pem"), disk.dir.join("log.pem")).unwrap();
        Self { test, disk }
    }

    fn dir(&self) -> PathBuf {
        self.disk.dir.join("ledger")
    }

    fn open(&self) -> Result<Ledger, OpeningError> {
        let (disk, clock): (Arc<dyn Disk>, _) = (Arc::new(RealDisk), Arc::clone(&self.test.clock));
        open_at(&self.dir(), &disk, clock as Arc<dyn Clock>, ClockTrust::Checked)
    }
}

#[test]
#[ignore = "needs root to mount a tmpfs"]
fn a_full_disk_is_told_by_the_library_and_survived() {
    for left in [0, 5_000, 50_000, 300_000] {
        let moved = Moved::new(TestLedger::new());
        let test = &moved.test;
        let ledger = moved.open().unwrap();
        moved.disk.fill(left);
        let long = "y".repeat(2_000);
        let mut recorded = Vec::new();
        let (envelope, error) = loop {
            let envelope = test.note(&long);
            match ledger.append(envelope.clone()) {
                Ok(receipt) => recorded.push((envelope, receipt)),
                Err(error) => break (envelope, error),
            }
            assert!(recorded.len() < NOTES_MAX);
        };
        let is_told = matches!(error, AppendError::OutcomeUnknown { .. } | AppendError::Poisoned { .. });
        assert!(is_told && error.to_string().contains("No space left on device"), "{error}");
        assert!(matches!(ledger.append(test.note("later")), Err(AppendError::Poisoned { .. })));
        drop(ledger);
        assert_eq!(LogReader::open(&moved.dir()).unwrap().size(), 4 + recorded.len() as u64);
        moved.disk.make_room();
        let ledger = moved.open().unwrap();
        let receipt = ledger.append(envelope).unwrap();
        assert_eq!(receipt.index, 4 + recorded.len() as u64);
        for (envelope, receipt) in recorded {
            let again = ledger.append(envelope).unwrap();
            assert_eq!(
                (again.index, again.leaf_hash, again.repeated),
                (receipt.index, receipt.leaf_hash, true)
            );
        }
    }
}

#[test]
#[ignore = "needs root to mount a tmpfs"]
fn an_index_is_not_rebuilt_by_halves_on_a_full_disk() {
    let test = TestLedger::new();
    test.open().append_batch((0..40).map(|number| test.register(&number.to_string())).collect());
    let versions = ["0", "20", "39", "40"];
    let expected = facts(&test.open(), &versions);
    let moved = Moved::new(test);
    let evidence = |dir: &Path| {
        let mut files = contents(dir);
        files.retain(|(path, _)| !path.starts_with(dir.join("index")) && !path.ends_with("lock"));
        files
    };
    let before = evidence(&moved.dir());
    let mut refusals = 0;
    for left in [0, 4_096, 12_000, 40_000, 200_000, 520_000, 540_000, 600_000] {
        let _ = std::fs::remove_dir_all(moved.dir().join("index"));
        moved.disk.fill(left);
        match moved.open() {
            Ok(ledger) => assert_eq!(facts(&ledger, &versions), expected, "{left} bytes left"),
            Err(error) => {
                refusals += 1;
                assert!(error.to_string().contains("No space left on device"), "{left} bytes left: {error}");
            }
        }
        assert!(evidence(&moved.dir()) == before, "{left} bytes left: the log was written to");
        moved.disk.make_room();
        assert_eq!(facts(&moved.open().unwrap(), &versions), expected, "after {left} bytes were left");
    }
    assert!(refusals > 0, "no disk was full");
}

/// Where the system keeps an index from being brought up to the log, nobody has seen that it is wrong.
#[test]
#[ignore = "needs root to mount a tmpfs"]
fn a_check_that_a_full_disk_stops_gives_no_answer() {
    let test = TestLedger::new();
    test.open().append_batch((0..40).map(|number| test.register(&number.to_string())).collect());
    let moved = Moved::new(test);
    let mut refusals = 0;
    for left in [4_096, 12_000, 40_000, 200_000, 520_000, 540_000, 600_000] {
        let _ = std::fs::remove_dir_all(moved.dir().join("index"));
        moved.disk.fill(left);
        let clock = Arc::clone(&moved.test.clock) as _;
        let (lock_timeout, clock_trust) = (Duration::from_millis(100), ClockTrust::Checked);
        let options = OpenOptions { lock_timeout, clock, clock_trust, ask_passphrase: &mut || Ok(None) };
        match check_index(&moved.dir(), options) {
            Ok(found) => assert_eq!(found.problem, None, "{left} bytes left"),
            Err(error) => {
                refusals += 1;
                assert!(error.to_string().contains("No space left on device"), "{left} bytes left: {error}");
            }
        }
        moved.disk.make_room();
    }
    assert!(refusals > 0, "no disk was full");
}
