//! `index/ids/`: which entry used an id, for as long as the id could come again.
//!
//! There is one record for each event that has not expired, so these are files and not rows of sled. New records
//! go to the end of the newest file, in the order of the log, and are held in memory too. Once there are
//! [`RECENT_MAX`] of them they are sorted and written as a *run*, a file that never changes again; runs of like
//! size are merged as it is written, so that there are about log₂(records ÷ `RECENT_MAX`) of them and each record
//! is rewritten as often. What has expired is left out of a merge, and a run in which all has expired is removed.
//!
//! ```text
//! offset  bytes, all little-endian
//!      0      8  key: the first eight bytes of SHA-256(salt ‖ id), by which runs ascend
//!      8      8  the entry that used the id
//!     16      4  the last day, since 1970-01-01, on which the id matters
//!     20      4  CRC-32C of salt ‖ the 20 bytes before: another index's record is no record of this one
//! ```
//!
//! Keys are spread evenly whatever the ids are, for the salt is secret and new with each index: a place in a run is
//! guessed from the key, and found with two or three reads. A [`Manifest`] names the files that count; its owner
//! writes it in one piece with everything else, so that a writer killed at any point leaves either the files before
//! or those after. The other files are removed when it is next opened.

use std::cell::{Cell, OnceCell};
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bincode::{Decode, Encode};

use super::flat::{FlatFile, failed};
use super::rows::IndexError;
use crate::hash::Hash;

/// From so many records on they become a run.
pub const RECENT_MAX: usize = 2048;
/// A run is merged with a newer one of at least half its size.
const MERGE_RATIO: usize = 2;
/// How many records a lookup reads at once: 3 KiB.
const WINDOW: u64 = 128;
/// After so many lookups in a run its keys are read once, to answer most of the later ones from memory.
const LOOKUPS_BEFORE_FILTER: u32 = 512;
/// Bits of a filter for each record: one absent key in 16 is looked for on disk.
const FILTER_BITS: u64 = 16;
const RECORD_BYTES: usize = 24;

/// That an entry used an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Use {
    /// The entry.
    pub entry: u64,
    /// The last day, since 1970-01-01, on which the id matters.
    pub last_day: u32,
}

/// A use under its key; ascending by key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Record {
    key: u64,
    of: Use,
}

/// The checksum of the salt, which every record's begins with.
#[derive(Debug, Clone, Copy)]
struct Seed(u32);

impl Seed {
    fn of(salt: &Hash) -> Self {
        Self(crc32c::crc32c(salt.as_bytes()))
    }

    fn encode(self, records: &[Record]) -> Vec<[u8; RECORD_BYTES]> {
        records.iter().map(|record| record.encode(self)).collect()
    }
}

impl Record {
    fn encode(self, seed: Seed) -> [u8; RECORD_BYTES] {
        let mut bytes = [0; RECORD_BYTES];
        bytes[..8].copy_from_slice(&self.key.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.of.entry.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.of.last_day.to_le_bytes());
        let checksum = crc32c::crc32c_append(seed.0, &bytes[..20]);
        bytes[20..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// None where the checksum fails.
    fn decode(bytes: &[u8; RECORD_BYTES], seed: Seed) -> Option<Self> {
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        let long = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
        let is_whole = crc32c::crc32c_append(seed.0, &bytes[..20]) == word(20);
        is_whole.then(|| Self { key: long(0), of: Use { entry: long(8), last_day: word(16) } })
    }
}

/// Which files count, and how much of them.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Manifest {
    salt: Hash,
    /// The number of the newest file, and how many records of it count.
    recent: (u64, u64),
    /// The runs, the largest first.
    runs: Vec<RunRow>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
struct RunRow {
    number: u64,
    records: u64,
    last_day: u32,
}

/// The ids, held by the one writer.
#[derive(Debug)]
pub struct Ids {
    dir: PathBuf,
    salt: Hash,
    recent_number: u64,
    recent_file: FlatFile<RECORD_BYTES>,
    recent: BTreeSet<Record>,
    runs: Vec<Run>,
    /// Files that no longer count, once the manifest says so.
    outdated: Vec<u64>,
}

impl Ids {
    /// Begins anew in the directory `index`, which must be there.
    ///
    /// # Errors
    /// [`IndexError::Io`].
    pub fn create(index: &Path) -> Result<Self, IndexError> {
        let dir = index.join("ids");
        let mut salt = [0; 32];
        getrandom::fill(&mut salt).map_err(|error| failed("salt", &dir)(io::Error::other(error)))?;
        let manifest = Manifest { salt: Hash::from_bytes(salt), recent: (0, 0), runs: Vec::new() };
        Self::open(index, &manifest)
    }

    /// Opens the files that `manifest` names, cuts what it does not count, and removes other files.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] where one is missing, shorter or fails a checksum; [`IndexError::Io`].
    pub fn open(index: &Path, manifest: &Manifest) -> Result<Self, IndexError> {
        let dir = index.join("ids");
        fs::create_dir_all(&dir).map_err(failed("create", &dir))?;
        let seed = Seed::of(&manifest.salt);
        let runs = manifest.runs.iter().map(|row| Run::open(&dir, *row, seed)).collect::<Result<_, _>>()?;
        let (recent_number, counted) = manifest.recent;
        let mut recent_file = FlatFile::open(&path_of(&dir, recent_number))?;
        if recent_file.records() < counted {
            return Err(damaged(&path_of(&dir, recent_number), "is too short"));
        }
        recent_file.truncate(counted)?;
        let read = read_all(&recent_file, &path_of(&dir, recent_number), seed)?;
        let ids = Self {
            salt: manifest.salt,
            recent_number,
            recent_file,
            recent: read.into_iter().collect(),
            runs,
            outdated: Vec::new(),
            dir,
        };
        ids.remove_strangers()?;
        Ok(ids)
    }

    /// Which files count now. What is to be kept must be kept before [`Ids::sweep`].
    #[must_use]
    pub fn manifest(&self) -> Manifest {
        Manifest {
            salt: self.salt,
            recent: (self.recent_number, self.recent_file.records()),
            runs: self.runs.iter().map(|run| run.row).collect(),
        }
    }

    /// How many records are held in memory.
    #[must_use]
    pub fn recent(&self) -> usize {
        self.recent.len()
    }

    /// Notes that ids were used.
    ///
    /// # Errors
    /// [`IndexError::Io`].
    pub fn insert(&mut self, used: impl IntoIterator<Item = ([u8; 16], Use)>) -> Result<(), IndexError> {
        let records: Vec<Record> =
            used.into_iter().map(|(id, of)| Record { key: self.key(id), of }).collect();
        self.recent_file.append(&Seed::of(&self.salt).encode(&records))?;
        self.recent.extend(records);
        Ok(())
    }

    /// The uses of `id`, unordered; where keys collide, of another id too.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn find(&self, id: [u8; 16]) -> Result<Vec<Use>, IndexError> {
        let key = self.key(id);
        let first = Record { key, of: Use { entry: 0, last_day: 0 } };
        let recent = self.recent.range(first..).take_while(|record| record.key == key);
        let mut found: Vec<Use> = recent.map(|record| record.of).collect();
        for run in &self.runs {
            run.find(key, &mut found)?;
        }
        Ok(found)
    }

    /// Makes a run of the recent records once they are many, and lets go of what mattered before `today` only.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn settle(&mut self, today: u32) -> Result<(), IndexError> {
        if self.recent.len() < RECENT_MAX {
            return Ok(());
        }
        let matters = |record: &Record| record.of.last_day >= today;
        let (kept, over): (Vec<Run>, Vec<Run>) =
            std::mem::take(&mut self.runs).into_iter().partition(|run| run.row.last_day >= today);
        self.runs = kept;
        self.outdated.extend(over.iter().map(|run| run.row.number));
        let mut records: Vec<Record> = self.recent.iter().copied().filter(matters).collect();
        while let Some(run) =
            self.runs.pop_if(|run| run.row.records <= (MERGE_RATIO * records.len().max(1)) as u64)
        {
            records.extend(run.read_all()?.into_iter().filter(matters));
            self.outdated.push(run.row.number);
        }
        records.sort_unstable();
        let number = self.recent_number + 1;
        if !records.is_empty() {
            self.runs.push(Run::write(&self.dir, number, &records, Seed::of(&self.salt))?);
        }
        self.outdated.push(self.recent_number);
        self.recent_number = number + 1;
        self.recent_file = begin(&path_of(&self.dir, self.recent_number))?;
        self.recent.clear();
        Ok(())
    }

    /// Removes the files that no longer count.
    ///
    /// # Errors
    /// [`IndexError::Io`].
    pub fn sweep(&mut self) -> Result<(), IndexError> {
        self.outdated.drain(..).try_for_each(|number| remove(&path_of(&self.dir, number)))
    }

    fn key(&self, id: [u8; 16]) -> u64 {
        let hash = Hash::of_parts(&[self.salt.as_bytes(), &id]);
        u64::from_le_bytes(hash.as_bytes()[..8].try_into().expect("eight bytes"))
    }

    /// Removes what a writer left behind that was killed before the manifest named it, or after.
    fn remove_strangers(&self) -> Result<(), IndexError> {
        let counts = |path: &Path| {
            path == path_of(&self.dir, self.recent_number)
                || self.runs.iter().any(|run| path == path_of(&self.dir, run.row.number))
        };
        for file in fs::read_dir(&self.dir).map_err(failed("list", &self.dir))? {
            let path = file.map_err(failed("list", &self.dir))?.path();
            if !counts(&path) {
                remove(&path)?;
            }
        }
        Ok(())
    }
}

/// Sorted records that never change.
#[derive(Debug)]
struct Run {
    row: RunRow,
    path: PathBuf,
    file: FlatFile<RECORD_BYTES>,
    seed: Seed,
    lookups: Cell<u32>,
    filter: OnceCell<Filter>,
}

impl Run {
    fn open(dir: &Path, row: RunRow, seed: Seed) -> Result<Self, IndexError> {
        let path = path_of(dir, row.number);
        let file = FlatFile::open_to_read(&path)?.ok_or_else(|| damaged(&path, "is missing"))?;
        if file.records() != row.records {
            return Err(damaged(&path, "has another length"));
        }
        Ok(Self { row, path, file, seed, lookups: Cell::new(0), filter: OnceCell::new() })
    }

    fn write(dir: &Path, number: u64, records: &[Record], seed: Seed) -> Result<Self, IndexError> {
        let path = path_of(dir, number);
        let mut file = begin(&path)?;
        file.append(&seed.encode(records))?;
        let last_day = records.iter().map(|record| record.of.last_day).max().unwrap_or(0);
        let row = RunRow { number, records: records.len() as u64, last_day };
        let filter = OnceCell::from(Filter::new(records));
        Ok(Self { row, path, file, seed, lookups: Cell::new(0), filter })
    }

    fn read_all(&self) -> Result<Vec<Record>, IndexError> {
        read_all(&self.file, &self.path, self.seed)
    }

    /// Adds the uses under `key`.
    fn find(&self, key: u64, found: &mut Vec<Use>) -> Result<(), IndexError> {
        if self.filter.get().is_none() {
            self.lookups.set(self.lookups.get() + 1);
            if self.lookups.get() > LOOKUPS_BEFORE_FILTER {
                let filter = Filter::new(&self.read_all()?);
                self.filter.get_or_init(|| filter);
            }
        }
        if self.filter.get().is_some_and(|filter| !filter.may_hold(key)) {
            return Ok(());
        }
        let Some(mut place) = self.first_at_or_above(key)? else { return Ok(()) };
        // Equal keys lie side by side: a second use of an id after it had expired, mostly.
        loop {
            let records = self.read(place, 4)?;
            let equal = records.iter().take_while(|record| record.key == key);
            found.extend(equal.clone().map(|record| record.of));
            if equal.count() < 4 {
                return Ok(());
            }
            place += 4;
        }
    }

    /// The first record whose key is `key` or above. Each step reads a window around the place where the key
    /// should lie, and goes on in what is left on one side of it.
    fn first_at_or_above(&self, key: u64) -> Result<Option<u64>, IndexError> {
        // What is looked for lies in `low..=high`; keys below `low` are at most `low_key`, from `high` on at least
        // `high_key`.
        let (mut low, mut high) = (0, self.row.records);
        let (mut low_key, mut high_key) = (0, u64::MAX);
        while low < high {
            let guess = low + interpolated(key, low_key, high_key, high - low);
            let start = guess.saturating_sub(WINDOW / 2).clamp(low, high - 1);
            let count = WINDOW.min(high - start);
            let window = self.read(start, count)?;
            let (Some(first), Some(last)) = (window.first(), window.last()) else { break };
            if first.key >= key && start > low {
                (high, high_key) = (start, first.key);
            } else if last.key < key {
                (low, low_key) = (start + count, last.key);
            } else {
                let before = window.partition_point(|record| record.key < key) as u64;
                return Ok(Some(start + before));
            }
        }
        Ok((low < self.row.records).then_some(low))
    }

    fn read(&self, start: u64, count: u64) -> Result<Vec<Record>, IndexError> {
        let count = usize::try_from(count).expect("a window");
        decode_all(&self.file.read_range(start, count)?, &self.path, self.seed)
    }
}

/// Where among `count` places `key` should lie, if keys from `low` to `high` are spread evenly.
fn interpolated(key: u64, low: u64, high: u64, count: u64) -> u64 {
    let (above, width) = (key.saturating_sub(low), high.saturating_sub(low).max(1));
    let place = u128::from(above) * u128::from(count) / u128::from(width);
    u64::try_from(place).unwrap_or(u64::MAX).min(count - 1)
}

/// Which keys a run may hold: one bit for each key, at the place that the key itself is spread to.
#[derive(Debug)]
struct Filter {
    words: Vec<u64>,
}

impl Filter {
    fn new(records: &[Record]) -> Self {
        let words = (records.len() as u64 * FILTER_BITS).div_ceil(64).max(1);
        let mut filter = Self { words: vec![0; usize::try_from(words).expect("as many as the records")] };
        for record in records {
            let (word, bit) = filter.place(record.key);
            filter.words[word] |= bit;
        }
        filter
    }

    fn may_hold(&self, key: u64) -> bool {
        let (word, bit) = self.place(key);
        self.words[word] & bit != 0
    }

    fn place(&self, key: u64) -> (usize, u64) {
        let bits = self.words.len() as u128 * 64;
        let bit = u64::try_from((u128::from(key) * bits) >> 64).expect("below the number of bits");
        (usize::try_from(bit / 64).expect("a word's number"), 1 << (bit % 64))
    }
}

fn read_all(file: &FlatFile<RECORD_BYTES>, path: &Path, seed: Seed) -> Result<Vec<Record>, IndexError> {
    let count = usize::try_from(file.records()).expect("a file that is held in memory");
    decode_all(&file.read_range(0, count)?, path, seed)
}

fn decode_all(records: &[[u8; RECORD_BYTES]], path: &Path, seed: Seed) -> Result<Vec<Record>, IndexError> {
    let decoded = records.iter().map(|record| Record::decode(record, seed)).collect::<Option<Vec<_>>>();
    decoded.ok_or_else(|| damaged(path, "holds a record that fails its checksum"))
}

/// A new file, in the place of one that a killed writer left.
fn begin(path: &Path) -> Result<FlatFile<RECORD_BYTES>, IndexError> {
    let mut file = FlatFile::open(path)?;
    file.truncate(0)?;
    Ok(file)
}

fn path_of(dir: &Path, number: u64) -> PathBuf {
    dir.join(number.to_string())
}

fn remove(path: &Path) -> Result<(), IndexError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", path)(error)),
        _ => Ok(()),
    }
}

fn damaged(path: &Path, what: &str) -> IndexError {
    IndexError::Damaged { what: format!("{} {what}", path.display()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u64) -> [u8; 16] {
        let mut id = [7; 16];
        id[..8].copy_from_slice(&number.to_le_bytes());
        id
    }

    fn used(numbers: std::ops::Range<u64>, last_day: u32) -> Vec<([u8; 16], Use)> {
        numbers.map(|number| (id(number), Use { entry: number, last_day })).collect()
    }

    fn entries(ids: &Ids, number: u64) -> Vec<u64> {
        let mut found: Vec<u64> = ids.find(id(number)).unwrap().into_iter().map(|of| of.entry).collect();
        found.sort_unstable();
        found
    }

    fn files(dir: &Path) -> usize {
        fs::read_dir(dir.join("ids")).unwrap().count()
    }

    /// Batches of a thousand up to `count`.
    fn filled(dir: &Path, count: u64) -> Ids {
        let mut ids = Ids::create(dir).unwrap();
        for start in (0..count).step_by(1000) {
            ids.insert(used(start..start + 1000, 10)).unwrap();
            ids.settle(5).unwrap();
            ids.sweep().unwrap();
        }
        ids
    }

    #[test]
    fn every_id_is_found_and_no_other_before_and_after_reopening() {
        let dir = tempfile::tempdir().unwrap();
        let mut ids = filled(dir.path(), 50_000);
        assert!(ids.runs.len() < 8 && ids.recent() > 0, "{} runs, {} recent", ids.runs.len(), ids.recent());
        for reopened in [false, true] {
            if reopened {
                ids = Ids::open(dir.path(), &ids.manifest()).unwrap();
            }
            for number in 0..50_000 {
                assert_eq!(entries(&ids, number), [number]);
            }
            for number in 50_000..60_000 {
                assert!(entries(&ids, number).is_empty(), "{number}");
            }
        }
        assert_eq!(files(dir.path()), ids.runs.len() + 1);
    }

    #[test]
    fn both_uses_of_an_id_are_found_wherever_they_lie() {
        let dir = tempfile::tempdir().unwrap();
        let mut ids = Ids::create(dir.path()).unwrap();
        ids.insert(used(0..3000, 10)).unwrap();
        ids.insert([(id(7), Use { entry: 9_000, last_day: 12 })]).unwrap();
        assert_eq!(entries(&ids, 7), [7, 9_000]);
        ids.settle(1).unwrap();
        ids.insert((0..9).map(|more| (id(7), Use { entry: 10_000 + more, last_day: 12 }))).unwrap();
        assert_eq!(entries(&ids, 7).len(), 11);
        ids.insert(used(20_000..23_000, 10)).unwrap();
        ids.settle(1).unwrap();
        assert_eq!((entries(&ids, 7).len(), ids.runs.len(), ids.recent()), (11, 1, 0));
    }

    #[test]
    fn what_has_expired_goes_with_the_next_run() {
        let dir = tempfile::tempdir().unwrap();
        let mut ids = Ids::create(dir.path()).unwrap();
        ids.insert(used(0..10_000, 3)).unwrap();
        ids.settle(1).unwrap();
        ids.insert(used(10_000..12_000, 3)).unwrap();
        ids.insert(used(12_000..13_000, 4)).unwrap();
        ids.settle(4).unwrap();
        ids.sweep().unwrap();
        assert!(entries(&ids, 5).is_empty() && entries(&ids, 11_000).is_empty());
        assert_eq!(entries(&ids, 12_500), [12_500]);
        assert_eq!(ids.manifest().runs.iter().map(|run| run.records).collect::<Vec<_>>(), [1000]);
        ids.insert(used(20_000..23_000, 4)).unwrap();
        ids.settle(9).unwrap();
        ids.sweep().unwrap();
        assert_eq!((ids.runs.len(), files(dir.path())), (0, 1));
    }

    /// A writer may be killed between any two of these steps: the manifest before still holds.
    #[test]
    fn the_manifest_before_is_whole_until_it_is_swept() {
        let dir = tempfile::tempdir().unwrap();
        let mut ids = filled(dir.path(), 4_000);
        let before = ids.manifest();
        ids.insert(used(4_000..8_000, 10)).unwrap();
        ids.settle(5).unwrap();
        drop(ids);
        let mut ids = Ids::open(dir.path(), &before).unwrap();
        assert_eq!(ids.manifest(), before);
        assert!((0..4_000).all(|number| entries(&ids, number) == [number]));
        assert!((4_000..8_000).all(|number| entries(&ids, number).is_empty()));
        ids.insert(used(4_000..8_000, 10)).unwrap();
        ids.settle(5).unwrap();
        let after = ids.manifest();
        ids.sweep().unwrap();
        assert!(Ids::open(dir.path(), &before).is_err(), "its files are gone");
        let ids = Ids::open(dir.path(), &after).unwrap();
        assert!((0..8_000).all(|number| entries(&ids, number) == [number]));
    }

    #[test]
    fn damage_is_an_error_or_changes_no_answer() {
        let dir = tempfile::tempdir().unwrap();
        let ids = filled(dir.path(), 4_000);
        let manifest = ids.manifest();
        let mut noticed = 0;
        for row in &manifest.runs {
            let path = path_of(&dir.path().join("ids"), row.number);
            let sound = fs::read(&path).unwrap();
            for at in (0..sound.len()).step_by(61) {
                let mut bytes = sound.clone();
                bytes[at] ^= 0x10;
                fs::write(&path, bytes).unwrap();
                let opened = Ids::open(dir.path(), &manifest).unwrap();
                for number in (0..4_000).step_by(7) {
                    match opened.find(id(number)) {
                        Ok(found) => assert_eq!(found.len(), 1, "byte {at}, id {number}"),
                        Err(_) => noticed += 1,
                    }
                }
            }
            fs::write(&path, &sound[..sound.len() - 24]).unwrap();
            assert!(Ids::open(dir.path(), &manifest).is_err());
            fs::remove_file(&path).unwrap();
            assert!(Ids::open(dir.path(), &manifest).is_err());
            fs::write(&path, &sound).unwrap();
        }
        assert!(noticed > 0);
        fs::write(path_of(&dir.path().join("ids"), manifest.recent.0), []).unwrap();
        assert!(manifest.recent.1 == 0 || Ids::open(dir.path(), &manifest).is_err());
    }

    #[test]
    fn the_layout_is_the_documented_one() {
        let record = Record { key: 0x0102, of: Use { entry: 5, last_day: 20_000 } };
        let seed = Seed::of(&Hash::ZERO);
        let bytes = record.encode(seed);
        assert_eq!(bytes[..20], [2, 1, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0x20, 0x4e, 0, 0]);
        assert_eq!(Record::decode(&bytes, seed), Some(record));
        assert_eq!(Record::decode(&[0; 24], seed), None, "zeros are no record");
        assert_eq!(Record::decode(&bytes, Seed::of(&Hash::of(b"other"))), None, "it is another index's");
    }

    #[test]
    fn a_place_is_guessed_within_bounds_for_any_key() {
        for (key, low, high) in [(0, 0, u64::MAX), (u64::MAX, 0, u64::MAX), (5, 9, 9), (9, 5, 5), (1, 5, 2)] {
            assert!(interpolated(key, low, high, 10) < 10);
        }
        let all = |records: &[Record]| records.iter().all(|record| Filter::new(records).may_hold(record.key));
        let of = Use { entry: 0, last_day: 0 };
        assert!(all(&[Record { key: 0, of }, Record { key: u64::MAX, of }]));
        assert!(!Filter::new(&[]).may_hold(7));
    }
}
