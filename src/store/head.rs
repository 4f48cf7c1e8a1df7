//! `head`: the newest published checkpoint, in two slots that are overwritten in turn (decision 8).
//!
//! Each slot is 4 KiB, all integers little-endian:
//!
//! ```text
//! offset  bytes
//!      0      8  magic `ROLLHEAD`
//!      8      4  version, 1
//!     12      8  size of the tree that the note covers
//!     20      4  length of the note, 1 to 4,068
//!     24         the note, then zeros
//!   4092      4  CRC-32C over the 4,092 bytes before it
//! ```
//!
//! A slot of zeros was never written. The slot with the larger valid size counts. Writing goes to the other
//! one, in place and without a sync: a crash or a power cut tears at most the slot that didn't count, and a
//! head that lags is healed from the log. That the note says what `size` says is for `note` and `ledger` to see.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::disk::{Access, Disk, DiskFile, RealDisk, parent_of};

/// Bytes of one slot: a page and a disk sector, so that a write of one is hardly ever torn.
pub const HEAD_SLOT_BYTES: usize = 4096;
/// The most bytes of a note that a slot holds.
pub const HEAD_NOTE_BYTES_MAX: usize = CHECKSUM_AT - NOTE_AT;

const FILE_BYTES: usize = 2 * HEAD_SLOT_BYTES;
const FILE_NAME: &str = "head";
const MAGIC: [u8; 8] = *b"ROLLHEAD";
const VERSION: u32 = 1;
const NOTE_AT: usize = 24;
const CHECKSUM_AT: usize = HEAD_SLOT_BYTES - 4;
/// How often, and after which pause, a reader looks again at a slot that it may have read half-written. A
/// writer's 4 KiB copy takes microseconds.
const READ_TRIES: u32 = 5;
const READ_PAUSE: Duration = Duration::from_millis(2);

/// Why `head` could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum HeadError {
    /// The operating system said no.
    #[error("cannot {operation} {path}: {source}", path = path.display())]
    Io {
        /// What was tried, as a verb.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// A valid slot of a version that this program does not know.
    #[error("`head` is of version {0}; this program reads version {VERSION}")]
    Version(u32),
    /// The note is empty, or does not fit a slot.
    #[error("a checkpoint note of {bytes} bytes does not fit `head`, which holds 1 to {HEAD_NOTE_BYTES_MAX}")]
    NoteLength {
        /// Its length.
        bytes: usize,
    },
    /// What is to be published is not newer than what is.
    #[error("size {given} cannot be published after size {held}")]
    NotNewer {
        /// The size in `head`.
        held: u64,
        /// The size given.
        given: u64,
    },
    /// Both slots are bad: nothing tells what was published, so nothing may be published over it.
    #[error("both slots of `head` are bad")]
    BothBad,
    /// An earlier write failed.
    #[error("an earlier write to `head` failed: open the ledger anew")]
    Poisoned,
}

/// A checkpoint note and the tree size it covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    size: u64,
    note: Vec<u8>,
}

impl Head {
    /// A checkpoint that was published elsewhere than in `head`: `note` covers `size` entries, as it says.
    #[must_use]
    pub const fn new(size: u64, note: Vec<u8>) -> Self {
        Self { size, note }
    }

    /// The tree size.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The note's bytes.
    #[must_use]
    pub fn note(&self) -> &[u8] {
        &self.note
    }
}

/// What `head` holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeadState {
    /// No file, or two slots that were never written.
    Missing,
    /// One bad slot beside one that was never written: the very first write did not end.
    FirstWriteTorn,
    /// Something was published.
    Published {
        /// The newest valid slot.
        head: Head,
        /// Whether the other slot is a torn write.
        other_slot_bad: bool,
    },
    /// Two bad slots.
    BothBad,
}

impl HeadState {
    /// The published checkpoint, where there is one.
    #[must_use]
    pub const fn head(&self) -> Option<&Head> {
        match self {
            Self::Published { head, .. } => Some(head),
            _ => None,
        }
    }

    /// The published size; 0 where nothing was published, or nothing tells.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.head().map_or(0, Head::size)
    }
}

/// Reads `dir/head`, without a lock. A slot that a writer is just writing is read again before it is called bad.
///
/// # Errors
/// [`HeadError::Io`] and [`HeadError::Version`].
pub fn read_head(dir: &Path) -> Result<HeadState, HeadError> {
    read_head_on(&RealDisk, dir)
}

/// As [`read_head`], on a given disk.
///
/// # Errors
/// As [`read_head`].
pub fn read_head_on(disk: &dyn Disk, dir: &Path) -> Result<HeadState, HeadError> {
    let path = head_path(dir);
    let file = match disk.open(&path, Access::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(HeadState::Missing),
        Err(error) => return Err(failed("open", &path)(error)),
    };
    let slots = read_slots(file.as_ref(), &path)?;
    state_of(&slots)
}

/// What the bytes of a file `head` say. What a short one lacks counts as zeros, and what stands behind both slots
/// for nothing.
///
/// # Errors
/// [`HeadError::Version`].
pub fn parse_head(bytes: &[u8]) -> Result<HeadState, HeadError> {
    let mut file = [0; FILE_BYTES];
    let count = bytes.len().min(FILE_BYTES);
    file[..count].copy_from_slice(&bytes[..count]);
    state_of(&slots_in(&file))
}

/// `head`, open for writing by the one who holds the lock.
#[derive(Debug)]
pub struct HeadFile {
    file: Box<dyn DiskFile>,
    path: PathBuf,
    state: HeadState,
    /// The slot that the next write goes to.
    next_slot: usize,
    poisoned: bool,
}

impl HeadFile {
    /// Opens `dir/head`. A missing or short one is made, with two empty slots, durably: later writes then
    /// change no length, and need no sync of names.
    ///
    /// # Errors
    /// [`HeadError::Io`] and [`HeadError::Version`].
    pub fn open(dir: &Path) -> Result<Self, HeadError> {
        Self::open_on(&RealDisk, dir)
    }

    /// As [`HeadFile::open`], on a given disk.
    ///
    /// # Errors
    /// As [`HeadFile::open`].
    pub fn open_on(disk: &dyn Disk, dir: &Path) -> Result<Self, HeadError> {
        let path = head_path(dir);
        let file = disk.open(&path, Access::Write).map_err(failed("open", &path))?;
        if file.bytes().map_err(failed("read the length of", &path))? < FILE_BYTES as u64 {
            file.set_bytes(FILE_BYTES as u64).map_err(failed("extend", &path))?;
            file.sync_data().map_err(failed("sync", &path))?;
            disk.sync_dir(parent_of(&path)).map_err(failed("sync", dir))?;
        }
        let slots = read_slots(file.as_ref(), &path)?;
        let state = state_of(&slots)?;
        Ok(Self { file, path, state, next_slot: slot_to_write(&slots), poisoned: false })
    }

    /// What it holds now.
    #[must_use]
    pub const fn state(&self) -> &HeadState {
        &self.state
    }

    /// Publishes `note`, which covers `size` entries. It survives the process when this returns, and the
    /// machine some seconds later or after [`HeadFile::sync`]. The same once more changes nothing.
    ///
    /// # Errors
    /// [`HeadError::NoteLength`], [`HeadError::NotNewer`] and [`HeadError::BothBad`] leave all as it was. After
    /// [`HeadError::Io`] it is unknown what was published, and every further call is [`HeadError::Poisoned`].
    pub fn publish(&mut self, size: u64, note: &[u8]) -> Result<(), HeadError> {
        let slot = encode_slot(size, note)?;
        if self.poisoned {
            return Err(HeadError::Poisoned);
        }
        match &self.state {
            HeadState::BothBad => return Err(HeadError::BothBad),
            HeadState::Published { head, .. } if head.size == size && head.note == note => return Ok(()),
            HeadState::Published { head, .. } if head.size >= size => {
                return Err(HeadError::NotNewer { held: head.size, given: size });
            }
            _ => {}
        }
        self.poisoned = true;
        // A crash inside this write leaves a bad slot beside the one that still counts.
        let at = (self.next_slot * HEAD_SLOT_BYTES) as u64;
        self.file.write_at(at, &slot).map_err(failed("write", &self.path))?;
        self.poisoned = false;
        self.next_slot = 1 - self.next_slot;
        self.state = HeadState::Published { head: Head { size, note: note.to_vec() }, other_slot_bad: false };
        Ok(())
    }

    /// Makes what was published survive the machine: for a ledger's first checkpoint, before which there is
    /// no slot to fall back on, and for an orderly end.
    ///
    /// # Errors
    /// [`HeadError::Io`].
    pub fn sync(&self) -> Result<(), HeadError> {
        self.file.sync_data().map_err(failed("sync", &self.path))
    }
}

/// One slot, as read.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Slot {
    Empty,
    Bad,
    Newer(u32),
    Valid(Head),
}

fn read_slots(file: &dyn DiskFile, path: &Path) -> Result<[Slot; 2], HeadError> {
    let mut bytes = [0; FILE_BYTES];
    for last_try in (0..READ_TRIES).map(|number| number + 1 == READ_TRIES) {
        // What a short file lacks counts as zeros: its making was interrupted.
        bytes.fill(0);
        file.read_at(0, &mut bytes).map_err(failed("read", path))?;
        let slots = slots_in(&bytes);
        if last_try || !slots.contains(&Slot::Bad) {
            return Ok(slots);
        }
        std::thread::sleep(READ_PAUSE);
    }
    unreachable!("the last try returns")
}

fn slots_in(bytes: &[u8; FILE_BYTES]) -> [Slot; 2] {
    let (first, second) = bytes.split_at(HEAD_SLOT_BYTES);
    [parse_slot(first), parse_slot(second)]
}

fn parse_slot(bytes: &[u8]) -> Slot {
    if bytes.iter().all(|byte| *byte == 0) {
        return Slot::Empty;
    }
    let (covered, checksum) = bytes.split_at(CHECKSUM_AT);
    if !covered.starts_with(&MAGIC) || crc32c::crc32c(covered).to_le_bytes() != checksum {
        return Slot::Bad;
    }
    let version = u32::from_le_bytes(covered[8..12].try_into().expect("four bytes"));
    if version != VERSION {
        return Slot::Newer(version);
    }
    let size = u64::from_le_bytes(covered[12..20].try_into().expect("eight bytes"));
    let note_bytes = u32::from_le_bytes(covered[20..24].try_into().expect("four bytes")) as usize;
    if !(1..=HEAD_NOTE_BYTES_MAX).contains(&note_bytes) {
        return Slot::Bad;
    }
    let (note, padding) = covered[NOTE_AT..].split_at(note_bytes);
    if padding.iter().any(|byte| *byte != 0) {
        return Slot::Bad;
    }
    Slot::Valid(Head { size, note: note.to_vec() })
}

/// The bytes of the slot that publishes `note`, which covers `size` entries.
///
/// # Errors
/// [`HeadError::NoteLength`].
pub fn encode_slot(size: u64, note: &[u8]) -> Result<Vec<u8>, HeadError> {
    if !(1..=HEAD_NOTE_BYTES_MAX).contains(&note.len()) {
        return Err(HeadError::NoteLength { bytes: note.len() });
    }
    let note_bytes = u32::try_from(note.len()).expect("it fits a slot");
    let mut slot = Vec::with_capacity(HEAD_SLOT_BYTES);
    slot.extend_from_slice(&MAGIC);
    slot.extend_from_slice(&VERSION.to_le_bytes());
    slot.extend_from_slice(&size.to_le_bytes());
    slot.extend_from_slice(&note_bytes.to_le_bytes());
    slot.extend_from_slice(note);
    slot.resize(CHECKSUM_AT, 0);
    let checksum = crc32c::crc32c(&slot);
    slot.extend_from_slice(&checksum.to_le_bytes());
    Ok(slot)
}

fn state_of(slots: &[Slot; 2]) -> Result<HeadState, HeadError> {
    if let Some(version) = slots.iter().find_map(newer_version) {
        return Err(HeadError::Version(version));
    }
    let other_slot_bad = slots.contains(&Slot::Bad);
    let newest = slots.iter().filter_map(valid).max_by_key(|head| head.size);
    Ok(match (newest, slots) {
        (Some(head), _) => HeadState::Published { head: head.clone(), other_slot_bad },
        (None, [Slot::Bad, Slot::Bad]) => HeadState::BothBad,
        (None, _) if other_slot_bad => HeadState::FirstWriteTorn,
        (None, _) => HeadState::Missing,
    })
}

/// The slot that does not hold what counts.
fn slot_to_write(slots: &[Slot; 2]) -> usize {
    let size = |slot: &Slot| valid(slot).map(Head::size);
    usize::from(size(&slots[0]) > size(&slots[1]) || (slots[0] == Slot::Bad && slots[1] == Slot::Empty))
}

const fn valid(slot: &Slot) -> Option<&Head> {
    match slot {
        Slot::Valid(head) => Some(head),
        _ => None,
    }
}

const fn newer_version(slot: &Slot) -> Option<u32> {
    match slot {
        Slot::Newer(version) => Some(*version),
        _ => None,
    }
}

fn failed<'a>(operation: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> HeadError + use<'a> {
    move |source| HeadError::Io { operation, path: path.to_owned(), source }
}

fn head_path(dir: &Path) -> PathBuf {
    dir.join(FILE_NAME)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;
    use crate::store::simulated_disk::{Fault, SimulatedDisk, Survival};

    fn published(dir: &Path) -> (u64, Vec<u8>, bool) {
        match read_head(dir).unwrap() {
            HeadState::Published { head, other_slot_bad } => (head.size, head.note, other_slot_bad),
            other => panic!("nothing published: {other:?}"),
        }
    }

    fn damage(dir: &Path, slot: usize) {
        let mut bytes = fs::read(head_path(dir)).unwrap();
        bytes[slot * HEAD_SLOT_BYTES + 100] ^= 1;
        fs::write(head_path(dir), bytes).unwrap();
    }

    #[test]
    fn what_was_published_last_is_read() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read_head(dir.path()).unwrap(), HeadState::Missing);
        let mut head = HeadFile::open(dir.path()).unwrap();
        assert_eq!(read_head(dir.path()).unwrap(), HeadState::Missing, "two empty slots");
        for size in [0, 1, 5, 6, 1000] {
            let note = format!("note of {size}");
            head.publish(size, note.as_bytes()).unwrap();
            assert_eq!(published(dir.path()), (size, note.clone().into_bytes(), false));
            head.publish(size, note.as_bytes()).unwrap();
            head = HeadFile::open(dir.path()).unwrap();
            assert_eq!(head.state().size(), size);
        }
        head.sync().unwrap();
        assert_eq!(fs::metadata(head_path(dir.path())).unwrap().len(), 8192);
    }

    #[test]
    fn only_a_larger_size_is_published() {
        let dir = tempfile::tempdir().unwrap();
        let mut head = HeadFile::open(dir.path()).unwrap();
        head.publish(5, b"five").unwrap();
        assert!(matches!(head.publish(5, b"other"), Err(HeadError::NotNewer { held: 5, given: 5 })));
        assert!(matches!(head.publish(4, b"four"), Err(HeadError::NotNewer { held: 5, given: 4 })));
        assert_eq!(published(dir.path()).0, 5);
    }

    #[test]
    fn a_torn_slot_leaves_the_one_before_and_is_written_next() {
        let dir = tempfile::tempdir().unwrap();
        let mut head = HeadFile::open(dir.path()).unwrap();
        head.publish(1, b"one").unwrap();
        damage(dir.path(), 0);
        assert_eq!(read_head(dir.path()).unwrap(), HeadState::FirstWriteTorn);
        head = HeadFile::open(dir.path()).unwrap();
        head.publish(1, b"one").unwrap();
        assert_eq!(published(dir.path()), (1, b"one".to_vec(), true), "the empty slot was written");

        head = HeadFile::open(dir.path()).unwrap();
        head.publish(2, b"two").unwrap();
        assert_eq!(published(dir.path()), (2, b"two".to_vec(), false), "the bad slot was written");
        damage(dir.path(), 0);
        assert_eq!(published(dir.path()), (1, b"one".to_vec(), true));
    }

    #[test]
    fn two_bad_slots_are_told_and_never_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let mut head = HeadFile::open(dir.path()).unwrap();
        head.publish(1, b"one").unwrap();
        head.publish(2, b"two").unwrap();
        damage(dir.path(), 0);
        damage(dir.path(), 1);
        assert_eq!(read_head(dir.path()).unwrap(), HeadState::BothBad);
        head = HeadFile::open(dir.path()).unwrap();
        let before = fs::read(head_path(dir.path())).unwrap();
        assert!(matches!(head.publish(3, b"three"), Err(HeadError::BothBad)));
        assert_eq!(fs::read(head_path(dir.path())).unwrap(), before);
    }

    #[test]
    fn notes_must_fit() {
        let dir = tempfile::tempdir().unwrap();
        let mut head = HeadFile::open(dir.path()).unwrap();
        assert!(matches!(head.publish(1, b""), Err(HeadError::NoteLength { bytes: 0 })));
        assert!(matches!(head.publish(1, &[b'n'; 4069]), Err(HeadError::NoteLength { bytes: 4069 })));
        head.publish(1, &[b'n'; 4068]).unwrap();
        assert_eq!(published(dir.path()).1, vec![b'n'; 4068]);
    }

    #[test]
    fn every_changed_byte_of_a_slot_is_detected() {
        let slot = encode_slot(9, b"note").unwrap();
        assert!(matches!(parse_slot(&slot), Slot::Valid(_)));
        for at in 0..slot.len() {
            let mut changed = slot.clone();
            changed[at] ^= 0x10;
            assert_eq!(parse_slot(&changed), Slot::Bad, "byte {at}");
        }
        for written in 1..slot.len() - 1 {
            let mut half = slot[..written].to_vec();
            half.resize(HEAD_SLOT_BYTES, 0);
            assert_eq!(parse_slot(&half), Slot::Bad, "{written} bytes written");
        }
    }

    #[test]
    fn a_newer_version_is_told_from_damage() {
        let mut slot = encode_slot(9, b"note").unwrap();
        slot[8] = 2;
        slot.truncate(CHECKSUM_AT);
        let checksum = crc32c::crc32c(&slot);
        slot.extend_from_slice(&checksum.to_le_bytes());
        assert_eq!(parse_slot(&slot), Slot::Newer(2));
        assert!(matches!(state_of(&[parse_slot(&slot), Slot::Empty]), Err(HeadError::Version(2))));
    }

    #[test]
    fn a_reader_beside_a_busy_writer_sees_only_whole_heads_that_grow() {
        let dir = tempfile::tempdir().unwrap();
        let mut head = HeadFile::open(dir.path()).unwrap();
        head.publish(0, b"0").unwrap();
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                for size in 1..20_000u64 {
                    head.publish(size, size.to_string().repeat(400).as_bytes()).unwrap();
                }
            });
            let mut seen = 0;
            while !writer.is_finished() {
                let (size, note, _) = published(dir.path());
                assert!(size >= seen, "{size} after {seen}");
                assert!(size == 0 || note == size.to_string().repeat(400).as_bytes());
                seen = size;
            }
        });
    }

    /// Publishes sizes up to 4, and counts in `published` how far it came.
    fn publish_up_to_four(disk: &SimulatedDisk, published: &mut u64) -> Result<(), HeadError> {
        let mut head = HeadFile::open_on(disk, Path::new("/ledger"))?;
        for size in head.state().size() + 1..=4 {
            head.publish(size, format!("note {size}").as_bytes())?;
            *published = size;
        }
        head.sync()
    }

    #[test]
    fn a_crash_at_any_operation_leaves_the_head_before_or_after() {
        for survival in [Survival::All, Survival::Half, Survival::Zeros] {
            for operation in 0.. {
                let disk = SimulatedDisk::default();
                disk.fail_at(operation, Fault::Crash);
                let mut published = 0;
                let result = publish_up_to_four(&disk, &mut published);
                if !disk.has_failed() {
                    result.unwrap();
                    assert!(operation > 6, "only {operation} operations were tried");
                    break;
                }
                assert!(result.is_err());
                disk.restart(survival);
                let state = read_head_on(&disk, Path::new("/ledger")).unwrap();
                assert_eq!(state.size(), published, "operation {operation}: {state:?}");
                publish_up_to_four(&disk, &mut published).unwrap();
                assert_eq!(read_head_on(&disk, Path::new("/ledger")).unwrap().size(), 4);
            }
        }
    }

    #[test]
    fn after_a_failed_write_nothing_more_is_published() {
        let disk = SimulatedDisk::default();
        let mut head = HeadFile::open_on(&disk, Path::new("/ledger")).unwrap();
        head.publish(1, b"one").unwrap();
        disk.fail_at(0, Fault::Error);
        assert!(matches!(head.publish(2, b"two"), Err(HeadError::Io { .. })));
        assert!(matches!(head.publish(2, b"two"), Err(HeadError::Poisoned)));
    }

    proptest! {
        #[test]
        fn arbitrary_slots_never_panic(front in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut slot = [&MAGIC, &VERSION.to_le_bytes()[..], &front].concat();
            slot.resize(CHECKSUM_AT, 0);
            let checksum = crc32c::crc32c(&slot);
            slot.extend_from_slice(&checksum.to_le_bytes());
            if let Slot::Valid(head) = parse_slot(&slot) {
                prop_assert_eq!(encode_slot(head.size, &head.note).unwrap(), slot);
            }
        }
    }
}
