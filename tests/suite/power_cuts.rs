//! Power cuts: the disk as it is at one moment under a running writer, opened elsewhere.
//!
//! The ledger lies on ext4 on a loop device. At a random moment the writer is stopped, what it acknowledged is noted,
//! and the image behind the device is copied: what was in the page cache only is not in the copy, as after a cut. It
//! models a drive without a cache of its own that loses what it was told to keep.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::support::child::Killed;
use crate::support::desk::Desk;
use crate::support::writer_child::{Account, Random, Task, Writer, desk, verify, write_if_told};

/// Entry 0 and one grant.
const FOUNDED_WITH: usize = 2;
/// Room for a journal and for all that a writer writes in a second.
const IMAGE_BYTES: u64 = 96 << 20;
/// How often a copy is tried until two agree.
const COPIES_MAX: usize = 20;
/// Names the file to a test binary that is to write without syncing.
const UNSYNCED: &str = "ROLLBOOK_TEST_UNSYNCED_FILE";

/// Not a test of its own: the writer whose power is cut.
#[test]
fn writer() {
    write_if_told();
}

/// Not a test of its own: it writes lines and says so, and syncs nothing.
#[test]
fn unsynced_writer() {
    let Some(path) = std::env::var_os(UNSYNCED) else { return };
    let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
    for number in 0_u64.. {
        file.write_all(format!("{number}\n").as_bytes()).unwrap();
        println!("written {number}.");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A file system in a file, mounted. Unmounted when this is dropped, its device with it.
struct Image {
    file: PathBuf,
    mount: PathBuf,
}

impl Image {
    /// A new, empty one.
    fn create(dir: &Path, name: &str) -> Self {
        let file = dir.join(name);
        File::create(&file).unwrap().set_len(IMAGE_BYTES).unwrap();
        run("mkfs.ext4", &["-q", "-F", text(&file)]);
        Self::mounted(file)
    }

    fn mounted(file: PathBuf) -> Self {
        let mount = file.with_extension("mnt");
        std::fs::create_dir(&mount).unwrap();
        let image = Self { file, mount };
        // A drop from here on unmounts what is mounted, and says nothing where nothing is.
        run("mount", &["-o", "loop", text(&image.file), text(&image.mount)]);
        image
    }

    fn ledger(&self) -> PathBuf {
        self.mount.join("ledger")
    }

    /// The image as it is now, mounted elsewhere: its journal is replayed as after a start of the machine.
    fn cut(&self, name: &str) -> Self {
        let copies = [name, "second-copy"].map(|name| self.file.with_file_name(name));
        let copy = |to: &Path| run("cp", &["--sparse=always", text(&self.file), text(to)]);
        copy(&copies[0]);
        for _ in 0..COPIES_MAX {
            copy(&copies[1]);
            let same = Command::new("cmp").arg("--silent").args(&copies).status().unwrap();
            if same.success() {
                std::fs::remove_file(&copies[1]).unwrap();
                return Self::mounted(copies[0].clone());
            }
            std::fs::rename(&copies[1], &copies[0]).unwrap();
        }
        panic!("the image does not come to rest");
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(&self.mount).stderr(Stdio::null()).status();
        if !unmounted.is_ok_and(|status| status.success()) {
            // Somebody's directory still: it goes, with its device, when they do.
            let _ = Command::new("umount").arg("--lazy").arg(&self.mount).stderr(Stdio::null()).status();
        }
        let _ = std::fs::remove_file(&self.file);
        let _ = std::fs::remove_dir(&self.mount);
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap_or_else(|e| panic!("{program}: {e}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said} (root and loop devices are needed)");
}

/// What all cuts of a test came to.
#[derive(Debug, Default)]
struct Tally {
    cuts: u32,
    acknowledged: u64,
    checkpoints: usize,
    /// Sent and not acknowledged, and of these, what had become durable.
    unknown: (usize, usize),
}

/// Runs a writer on `image` for a while and cuts its power; gives the image that is left.
fn write_and_cut(image: &Image, name: &str, task: Task, moment: Moment, account: &mut Account) -> Image {
    let mut writer = Writer::start("power_cuts::writer", &image.ledger(), task);
    match moment {
        Moment::AfterBatches(batches, time) => {
            writer.wait_for_batches(batches);
            writer.wait(time);
        }
        Moment::WithinAWrite(batches, time) => {
            writer.wait_for_batches(batches);
            writer.wait_for_a_write();
            std::thread::sleep(time);
        }
        Moment::After(time) => writer.wait(time),
    }
    account.add(writer.stop());
    image.cut(name)
    // The writer, still stopped, is killed here.
}

/// When the power is cut.
#[derive(Debug, Clone, Copy)]
enum Moment {
    AfterBatches(usize, Duration),
    WithinAWrite(usize, Duration),
    /// Most likely while the ledger is being opened and recovered.
    After(Duration),
}

/// Cuts one ledger's power three times in a row: while it writes, while what the first cut left is opened again, and
/// while it writes again.
fn cut_three_times(desk: &Desk, dir: &Path, random: &mut Random, threads: u32, size: u32, tally: &mut Tally) {
    let mut account = Account::default();
    let mut image = Image::create(dir, "image-0");
    run("cp", &["-a", text(&desk.path("ledger")), text(&image.mount)]);
    run("sync", &["--file-system", text(&image.mount)]);
    for cut in 1..=3 {
        let batches = 1 + usize::try_from(random.below(20)).unwrap();
        let moment = match (cut, random.below(2)) {
            (2, _) => Moment::After(random.micros_below(80_000)),
            (_, 0) => Moment::AfterBatches(batches, random.micros_below(20_000)),
            _ => Moment::WithinAWrite(batches, random.micros_below(1_000)),
        };
        let task = Task::new(cut, threads, &[size]);
        image = write_and_cut(&image, &format!("image-{cut}"), task, moment, &mut account);
        tally.cuts += 1;
        if cut == 1 {
            // The second writer is to find it as the cut left it.
            continue;
        }
        let (sent, stood) = account.settle(&image.ledger());
        tally.unknown = (tally.unknown.0 + sent, tally.unknown.1 + stood);
        verify(&image.ledger(), &desk.path("trust.toml"));
    }
    account.close(&image.ledger(), FOUNDED_WITH);
    // It goes on as if nothing had been.
    let ledger = image.ledger();
    let one_more = ["--key", text(&desk.path("dora.key")), "note", "0", "one more"].join("\n");
    let mut command = desk.command("");
    command.env("ROLLBOOK_LEDGER", &ledger).args(one_more.lines());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    account.check(&ledger);
    verify(&ledger, &desk.path("trust.toml"));
    tally.acknowledged += account.acknowledged();
    tally.checkpoints += account.checkpoints();
}

#[test]
#[ignore = "needs root, mkfs.ext4 and loop devices"]
fn a_power_cut_loses_nothing_acknowledged() {
    let desk = desk();
    for (salt, threads, size) in [(21, 1, 1), (22, 1, 100), (23, 8, 1)] {
        let mut random = Random::new(salt);
        let mut tally = Tally::default();
        for _ in 0..4 {
            let dir = tempfile::tempdir().unwrap();
            cut_three_times(&desk, dir.path(), &mut random, threads, size, &mut tally);
        }
        assert!(tally.acknowledged > 0 && tally.checkpoints > 0);
        println!("{threads} threads, batches of {size}: {tally:?}");
    }
}

/// The proof that such a cut takes what was not synced: else the test above could not fail.
#[test]
#[ignore = "needs root, mkfs.ext4 and loop devices"]
fn a_power_cut_takes_what_was_not_synced() {
    const CUTS: u32 = 4;
    let mut lost = 0;
    for cut in 0..CUTS {
        let dir: TempDir = tempfile::tempdir().unwrap();
        let image = Image::create(dir.path(), "image-0");
        let mut child = UnsyncedWriter::start(&image.mount.join("file"));
        let written = child.write_for(50 + 50 * u64::from(cut));
        let after = image.cut("image-1");
        let found = std::fs::read_to_string(after.mount.join("file")).unwrap_or_default();
        println!("{written} lines were written without a sync, {} found", found.lines().count());
        lost += u32::from((found.lines().count() as u64) < written);
        drop(child);
    }
    assert!(lost > 0, "{CUTS} cuts took nothing that was not synced: they prove nothing");
}

struct UnsyncedWriter(Killed);

impl UnsyncedWriter {
    fn start(file: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "power_cuts::unsynced_writer", "--nocapture"]).env(UNSYNCED, file);
        Self(Killed(
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap(),
        ))
    }

    /// Waits until so many lines are written at least; gives how many are.
    fn write_for(&mut self, lines: u64) -> u64 {
        use std::io::BufRead as _;
        let said = std::io::BufReader::new(self.0.stdout.as_mut().unwrap()).lines();
        let written = |line: String| line.split_once("written ")?.1.strip_suffix('.')?.parse::<u64>().ok();
        let last = said.map_while(Result::ok).filter_map(written).find(|number| *number + 1 >= lines);
        last.expect("it writes until it is killed") + 1
    }
}
