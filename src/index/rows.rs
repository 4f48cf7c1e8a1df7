//! The index's rows: sled 0.34.7 behind one type, which neither panics nor answers with changed bytes.
//!
//! sled is not trusted (decision 1): its calls run under `catch_unwind`, and each value carries a CRC-32C over
//! key ‖ value, little-endian, behind it. What this module cannot tell is a row that is *missing*. Measured, a
//! power cut can take rows away and leave others; so `boot` names the boot of the machine during which the rows
//! were written, and rows of another boot are not opened: they are rebuilt, once after each start of the machine.
//!
//! **When rows reach the disk.** [`Rows::apply`] flushes. sled's `flush` waits for the device to take the bytes
//! (`sync_file_range`, without `fsync`), so that they survive a kill, and costs little: measured on ext4, a batch
//! of four rows 0.09 ms without it and 0.17 ms with it, beside 3.5 ms for one append with `fdatasync`. No thread
//! of sled's decides when to write. A batch of rows is in or out as a whole; a writer killed between log and index
//! leaves rows that are merely behind, and what is behind is replayed from the log.

use std::cell::Cell;
use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::Duration;

/// sled's page cache. The rows are few; more would only cost memory.
const CACHE_BYTES: u64 = 16 << 20;
/// How often opening is tried while sled's threads still hold the file from an instance dropped just now.
const OPEN_TRIES: u32 = 50;
const OPEN_PAUSE: Duration = Duration::from_millis(10);
const CHECKSUM_BYTES: usize = 4;

const SLED_DIR: &str = "sled";
const BOOT_FILE: &str = "boot";
/// Linux's name for one boot of the machine.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Why the index could not be used. Every variant has one remedy: [`remove_index`] and rebuild; where that fails
/// too, the disk does.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// Rows or files are not as they were written, or sled panicked over them.
    #[error("the index is damaged: {what}")]
    Damaged {
        /// What was seen.
        what: String,
    },
    /// The rows were written before the machine was last started.
    #[error("the index was written before this machine was started")]
    OtherBoot,
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
}

impl IndexError {
    /// Whether the system refused room or access: then nothing is known about what the index holds.
    #[must_use]
    pub fn is_refused_by_system(&self) -> bool {
        matches!(self, Self::Io { source, .. } if is_refusal(source.kind()))
    }
}

/// One change to a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowChange {
    /// Sets the row `key` to `value`.
    Put {
        /// The row's key.
        key: Vec<u8>,
        /// Its new value.
        value: Vec<u8>,
    },
    /// Removes the row `key`; nothing happens where there is none.
    Delete {
        /// The row's key.
        key: Vec<u8>,
    },
}

/// A row, as [`Rows::scan_prefix`] returns it: key and value.
pub type Row = (Vec<u8>, Vec<u8>);

/// The rows in `index/sled`, held by one writer.
#[derive(Debug)]
pub struct Rows {
    /// Only ever none while being dropped.
    db: Option<sled::Db>,
    dir: PathBuf,
}

impl Rows {
    /// Opens the rows in the directory `index`, which is made where it is missing. A new one is empty.
    ///
    /// # Errors
    /// [`IndexError::Damaged`], [`IndexError::OtherBoot`], [`IndexError::Io`].
    pub fn open(index: &Path) -> Result<Self, IndexError> {
        fs::create_dir_all(index).map_err(failed("create", index))?;
        check_boot(index)?;
        let dir = index.join(SLED_DIR);
        let mut tries = 1..=OPEN_TRIES;
        loop {
            let config = sled::Config::new()
                .path(&dir)
                .cache_capacity(CACHE_BYTES)
                .mode(sled::Mode::LowSpace)
                .flush_every_ms(None);
            match caught(|| config.open())? {
                Ok(db) => return Ok(Self { db: Some(db), dir }),
                Err(error) if is_still_locked(&error) && tries.next().is_some() => {
                    std::thread::sleep(OPEN_PAUSE);
                }
                Err(error) => return Err(from_sled(&dir, error)),
            }
        }
    }

    /// The value of the row `key`.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] where its checksum does not fit, or sled fails.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        let stored = caught(|| self.db().get(key))?.map_err(|error| from_sled(&self.dir, error))?;
        stored.map(|stored| unseal(key, &stored)).transpose()
    }

    /// Makes all `changes`, or none of them should the process end meanwhile; the last one for a key counts. They
    /// survive the process when this returns, and not the machine.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] where sled fails: then it is unknown what was changed.
    pub fn apply(&self, changes: &[RowChange]) -> Result<(), IndexError> {
        let mut batch = sled::Batch::default();
        for change in changes {
            match change {
                RowChange::Put { key, value } => batch.insert(key.as_slice(), seal(key, value)),
                RowChange::Delete { key } => batch.remove(key.as_slice()),
            }
        }
        let written = caught(|| self.db().apply_batch(batch).and_then(|()| self.db().flush()))?;
        written.map(|_| ()).map_err(|error| from_sled(&self.dir, error))
    }

    /// All rows whose key begins with `prefix`, ascending by key.
    ///
    /// # Errors
    /// As [`Rows::get`].
    pub fn scan_prefix(&self, prefix: &[u8]) -> Result<Vec<Row>, IndexError> {
        let read = || {
            let mut rows = Vec::new();
            for row in self.db().scan_prefix(prefix) {
                let (key, stored) = row.map_err(|error| from_sled(&self.dir, error))?;
                let value = unseal(&key, &stored)?;
                rows.push((key.to_vec(), value));
            }
            Ok(rows)
        };
        caught(read)?
    }

    fn db(&self) -> &sled::Db {
        self.db.as_ref().expect("it is there until the drop")
    }
}

impl Drop for Rows {
    /// sled flushes when it is dropped, and may panic over that.
    fn drop(&mut self) {
        let db = self.db.take();
        let _ = caught(move || drop(db));
    }
}

/// Removes the directory `index` with all that is in it: the first step of a rebuild. The rows must not be open.
///
/// # Errors
/// [`IndexError::Io`]. A directory that isn't there is none.
pub fn remove_index(index: &Path) -> Result<(), IndexError> {
    match fs::remove_dir_all(index) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", index)(error)),
        _ => Ok(()),
    }
}

/// Refuses rows of another boot, and names this one for rows that are new. Where the system has no boot id, every
/// boot counts as one.
fn check_boot(index: &Path) -> Result<(), IndexError> {
    let path = index.join(BOOT_FILE);
    let this_boot = fs::read(BOOT_ID).unwrap_or_default();
    match fs::read(&path) {
        Ok(written) if written == this_boot => return Ok(()),
        Ok(_) => return Err(IndexError::OtherBoot),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed("read", &path)(error)),
    }
    if index.join(SLED_DIR).exists() {
        return Err(IndexError::OtherBoot);
    }
    fs::write(&path, this_boot).map_err(failed("write", &path))
}

fn seal(key: &[u8], value: &[u8]) -> Vec<u8> {
    let checksum = crc32c::crc32c_append(crc32c::crc32c(key), value);
    [value, &checksum.to_le_bytes()].concat()
}

fn unseal(key: &[u8], stored: &[u8]) -> Result<Vec<u8>, IndexError> {
    let split = stored.len().checked_sub(CHECKSUM_BYTES).map(|at| stored.split_at(at));
    match split {
        Some((value, _)) if seal(key, value) == stored => Ok(value.to_vec()),
        _ => Err(IndexError::Damaged { what: format!("the row {} fails its checksum", hex::encode(key)) }),
    }
}

/// sled says so in prose only, within an error of this kind.
fn is_still_locked(error: &sled::Error) -> bool {
    matches!(error, sled::Error::Io(error) if error.to_string().contains("could not acquire lock"))
}

/// What the system refuses is no damage: it is told with the place.
fn from_sled(dir: &Path, error: sled::Error) -> IndexError {
    match error {
        sled::Error::Io(source) if is_refusal(source.kind()) => {
            IndexError::Io { operation: "write", path: dir.to_owned(), source }
        }
        error => IndexError::Damaged { what: error.to_string() },
    }
}

const fn is_refusal(kind: io::ErrorKind) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        kind,
        Kind::StorageFull
            | Kind::QuotaExceeded
            | Kind::FileTooLarge
            | Kind::ReadOnlyFilesystem
            | Kind::PermissionDenied
    )
}

/// Runs `action`; a panic in it becomes an error, and is not printed.
fn caught<T>(action: impl FnOnce() -> T) -> Result<T, IndexError> {
    install_quiet_hook();
    let was_quiet = QUIET.replace(true);
    let result = catch_unwind(AssertUnwindSafe(action));
    QUIET.set(was_quiet);
    result.map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given");
        IndexError::Damaged { what: format!("sled panicked: {text}") }
    })
}

thread_local! {
    /// Whether panics of this thread are caught, and need not be printed.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Puts a hook before the one that is there, once, which leaves out the panics of quiet threads.
fn install_quiet_hook() {
    static INSTALLED: Once = Once::new();
    // A panicking thread may not set the hook; then the panic is printed, which harms nothing.
    if std::thread::panicking() {
        return;
    }
    INSTALLED.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
            if !QUIET.get() {
                previous(info);
            }
        }));
    });
}

fn failed<'a>(operation: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> IndexError + use<'a> {
    move |source| IndexError::Io { operation, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(key: &str, value: &str) -> RowChange {
        RowChange::Put { key: key.into(), value: value.into() }
    }

    #[test]
    fn rows_survive_closing_and_scan_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let rows = Rows::open(dir.path()).unwrap();
        rows.apply(&[put("b/2", "two"), put("b/1", "one"), put("a", ""), put("c", "x")]).unwrap();
        rows.apply(&[RowChange::Delete { key: b"c".to_vec() }, put("a", "again")]).unwrap();
        drop(rows);
        let rows = Rows::open(dir.path()).unwrap();
        assert_eq!(rows.get(b"a").unwrap().as_deref(), Some(b"again".as_slice()));
        assert_eq!(rows.get(b"c").unwrap(), None);
        let expected = [(b"b/1".to_vec(), b"one".to_vec()), (b"b/2".to_vec(), b"two".to_vec())];
        assert_eq!(rows.scan_prefix(b"b/").unwrap(), expected);
    }

    #[test]
    fn a_changed_value_or_one_under_another_key_is_damage() {
        let dir = tempfile::tempdir().unwrap();
        let rows = Rows::open(dir.path()).unwrap();
        rows.apply(&[put("key", "value")]).unwrap();
        let stored = rows.db().get("key").unwrap().unwrap();
        rows.db().insert("other", &stored).unwrap();
        assert!(matches!(rows.get(b"other"), Err(IndexError::Damaged { .. })));
        for at in 0..stored.len() {
            let mut changed = stored.to_vec();
            changed[at] ^= 1;
            rows.db().insert("key", changed).unwrap();
            assert!(matches!(rows.get(b"key"), Err(IndexError::Damaged { .. })), "byte {at}");
        }
        rows.db().insert("key", &stored[..2]).unwrap();
        assert!(matches!(rows.scan_prefix(b"key"), Err(IndexError::Damaged { .. })));
    }

    #[test]
    fn rows_of_another_boot_are_refused_until_removed() {
        let dir = tempfile::tempdir().unwrap();
        let index = dir.path().join("index");
        Rows::open(&index).unwrap().apply(&[put("a", "1")]).unwrap();
        for spoil in
            [|path: &Path| fs::write(path, "another").unwrap(), |path: &Path| fs::remove_file(path).unwrap()]
        {
            spoil(&index.join(BOOT_FILE));
            assert!(matches!(Rows::open(&index), Err(IndexError::OtherBoot)));
        }
        remove_index(&index).unwrap();
        remove_index(&index).unwrap();
        assert_eq!(Rows::open(&index).unwrap().get(b"a").unwrap(), None);
    }

    #[test]
    fn what_the_system_refuses_names_the_place_and_the_rest_is_damage() {
        let refused = |kind| from_sled(Path::new("index/sled"), sled::Error::Io(io::Error::from(kind)));
        assert_eq!(
            refused(io::ErrorKind::StorageFull).to_string(),
            "cannot write index/sled: no storage space"
        );
        assert!(matches!(refused(io::ErrorKind::UnexpectedEof), IndexError::Damaged { .. }));
    }

    #[test]
    fn panics_become_errors() {
        let error = caught(|| panic!("page {} is gone", 5)).map(|(): ()| ()).unwrap_err();
        assert_eq!(error.to_string(), "the index is damaged: sled panicked: page 5 is gone");
        assert!(!QUIET.get());
    }

    /// The files are damaged at places that a fixed generator chooses; its seed is in the message.
    #[test]
    fn damaged_files_never_panic_and_never_answer_with_other_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let sound = dir.path().join("sound");
        let rows = Rows::open(&sound).unwrap();
        let value = |number: u32| format!("value of {number}");
        rows.apply(&(0..200).map(|n| put(&n.to_string(), &value(n))).collect::<Vec<_>>()).unwrap();
        drop(rows);
        let db = fs::read(sound.join("sled/db")).unwrap();
        let written = db.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        let mut noticed = 0;
        for seed in 1..=40u64 {
            let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let damaged = dir.path().join(format!("damaged-{seed}"));
            let mut bytes = db.clone();
            for _ in 0..8 {
                random =
                    random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let place = usize::try_from(random >> 33).unwrap() % written;
                bytes[place] ^= 1 << ((random >> 29) & 7);
            }
            copy_dir(&sound, &damaged);
            fs::write(damaged.join("sled/db"), bytes).unwrap();
            let Ok(rows) = Rows::open(&damaged) else {
                noticed += 1;
                continue;
            };
            for number in 0..200 {
                match rows.get(number.to_string().as_bytes()) {
                    Ok(Some(read)) => assert_eq!(read, value(number).into_bytes(), "seed {seed}"),
                    Ok(None) | Err(_) => noticed += 1,
                }
            }
            let _ = rows.scan_prefix(b"");
        }
        assert!(noticed > 0, "no damage was noticed: the test damages the wrong bytes");
    }

    fn copy_dir(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let target = to.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                copy_dir(&entry.path(), &target);
            } else {
                fs::copy(entry.path(), target).unwrap();
            }
        }
    }
}
