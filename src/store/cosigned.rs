//! `cosigned/`: checkpoint notes that came back from witnesses, a file for each tree size (docs/format.md, "Cosigned
//! notes").
//!
//! Here are only bytes, written whole or not at all. Whose signatures a note bears, and whether the log agrees with it,
//! others say: anybody who can write in the directory may have put a file there.

use std::io;
use std::path::{Path, PathBuf};

use super::disk::{Access, Disk, write_whole};
use super::frame::FRAME_NOTE_BYTES_MAX;

/// The directory inside a ledger, or an evidence pack.
pub const COSIGNED_DIR: &str = "cosigned";

/// The longest cosigned note, in bytes: as long as a note in a frame may be. Ours have some 120 bytes for each of a
/// dozen signatures.
pub const COSIGNED_NOTE_BYTES_MAX: usize = FRAME_NOTE_BYTES_MAX;

/// How many notes are kept, the newest ones. Each vouches for all that the ones before do; older ones tell only when
/// the log had reached a size. Beyond these, the newest that meets the quorum is kept for ever.
pub const COSIGNED_KEPT: usize = 64;

/// How many notes are listed, those of the largest sizes: so many more than are kept that a reader does not miss one,
/// and a directory filled by somebody else does not fill its memory.
pub const COSIGNED_LISTED_MAX: usize = 256;

/// Why a cosigned note could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum CosignedError {
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
    /// Longer than any note.
    #[error("{path} has more than {COSIGNED_NOTE_BYTES_MAX} bytes, and a cosigned note has at most so many", path = path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// A pipe, a device or a directory.
    #[error("{path} is no file", path = path.display())]
    NotAFile {
        /// What stands there.
        path: PathBuf,
    },
}

/// The cosigned notes of one ledger, or evidence pack. One caller at a time writes: whoever holds the ledger's lock.
#[derive(Debug)]
pub struct Cosigned<'d> {
    disk: &'d dyn Disk,
    dir: PathBuf,
}

impl<'d> Cosigned<'d> {
    /// Those of the ledger in `ledger`; the directory need not be there.
    #[must_use]
    pub fn of(disk: &'d dyn Disk, ledger: &Path) -> Self {
        Self { disk, dir: ledger.join(COSIGNED_DIR) }
    }

    /// The file of the note of this tree size.
    #[must_use]
    pub fn path(&self, size: u64) -> PathBuf {
        self.dir.join(size.to_string())
    }

    /// The tree sizes of which there is a file, ascending; the [`COSIGNED_LISTED_MAX`] largest. Files with other names
    /// are passed over.
    ///
    /// # Errors
    /// [`CosignedError::Io`]. A directory that isn't there holds none.
    pub fn sizes(&self) -> Result<Vec<u64>, CosignedError> {
        let mut sizes = self.all_sizes()?;
        sizes.drain(..sizes.len().saturating_sub(COSIGNED_LISTED_MAX));
        Ok(sizes)
    }

    fn all_sizes(&self) -> Result<Vec<u64>, CosignedError> {
        let names = match self.disk.list(&self.dir) {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed("list", &self.dir)(error)),
        };
        let mut sizes: Vec<u64> = names.iter().filter_map(|name| size_of(name)).collect();
        sizes.sort_unstable();
        Ok(sizes)
    }

    /// The bytes of the note of this tree size; none where there is no file.
    ///
    /// # Errors
    /// [`CosignedError`].
    pub fn read(&self, size: u64) -> Result<Option<Vec<u8>>, CosignedError> {
        let path = self.path(size);
        // Opening a pipe would wait for somebody who writes into it.
        if std::fs::metadata(&path).is_ok_and(|found| !found.is_file()) {
            return Err(CosignedError::NotAFile { path });
        }
        let file = match self.disk.open(&path, Access::Read) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed("open", &path)(error)),
        };
        let mut bytes = vec![0; COSIGNED_NOTE_BYTES_MAX + 1];
        let count = file.read_at(0, &mut bytes).map_err(failed("read", &path))?;
        if count > COSIGNED_NOTE_BYTES_MAX {
            return Err(CosignedError::TooLong { path });
        }
        bytes.truncate(count);
        Ok(Some(bytes))
    }

    /// Writes the note of this tree size in place of the one that is there, whole or not at all, and durably. The
    /// directory is made where it is missing.
    ///
    /// # Errors
    /// [`CosignedError`]; the old note or the new one stands.
    pub fn write(&self, size: u64, note: &[u8]) -> Result<(), CosignedError> {
        let path = self.path(size);
        if note.len() > COSIGNED_NOTE_BYTES_MAX {
            return Err(CosignedError::TooLong { path });
        }
        self.make_dir().map_err(failed("make", &self.dir))?;
        write_whole(self.disk, &path, note).map_err(failed("write", &path))
    }

    fn make_dir(&self) -> io::Result<()> {
        if self.disk.list(&self.dir).is_ok() {
            return Ok(());
        }
        self.disk.create_dir(&self.dir)?;
        self.disk.sync_dir(super::disk::parent_of(&self.dir))
    }

    /// Removes all but the newest [`COSIGNED_KEPT`] notes and, where none of those does, the newest that
    /// `meets_quorum`.
    ///
    /// # Errors
    /// [`CosignedError`]; what was not removed yet is still there.
    pub fn prune(&self, meets_quorum: impl Fn(u64) -> bool) -> Result<(), CosignedError> {
        let mut old = self.all_sizes()?;
        let newest = old.split_off(old.len().saturating_sub(COSIGNED_KEPT));
        if old.is_empty() {
            return Ok(());
        }
        let held = old.iter().chain(&newest).rev().copied().find(|&size| meets_quorum(size));
        for size in old.into_iter().filter(|&size| Some(size) != held) {
            let path = self.path(size);
            self.disk.remove_file(&path).map_err(failed("remove", &path))?;
        }
        self.disk.sync_dir(&self.dir).map_err(failed("sync", &self.dir))
    }
}

/// The tree size that a file is named by: decimal, the one way to write it.
fn size_of(name: &str) -> Option<u64> {
    let size: u64 = name.parse().ok()?;
    Some(size).filter(|size| size.to_string() == name)
}

fn failed<'a>(operation: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> CosignedError + use<'a> {
    move |source| CosignedError::Io { operation, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::disk::RealDisk;
    use crate::store::simulated_disk::{Fault, SimulatedDisk, Survival};

    #[test]
    fn notes_are_listed_by_size_and_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let cosigned = Cosigned::of(&RealDisk, dir.path());
        assert!(cosigned.sizes().unwrap().is_empty());
        assert_eq!(cosigned.read(5).unwrap(), None);
        for size in [100, 5, 20] {
            cosigned.write(size, format!("note of {size}").as_bytes()).unwrap();
        }
        cosigned.write(5, b"a later one").unwrap();
        for name in ["05", "+7", "5.new", "README", "-1", "99999999999999999999"] {
            std::fs::write(dir.path().join("cosigned").join(name), b"x").unwrap();
        }
        assert_eq!(cosigned.sizes().unwrap(), [5, 20, 100]);
        assert_eq!(cosigned.read(5).unwrap().as_deref(), Some(b"a later one".as_slice()));
    }

    #[test]
    fn what_is_no_note_by_its_length_or_kind_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let cosigned = Cosigned::of(&RealDisk, dir.path());
        let long = vec![b'n'; COSIGNED_NOTE_BYTES_MAX + 1];
        assert!(matches!(cosigned.write(1, &long), Err(CosignedError::TooLong { .. })));
        cosigned.write(1, &long[1..]).unwrap();
        assert_eq!(cosigned.read(1).unwrap().map(|note| note.len()), Some(COSIGNED_NOTE_BYTES_MAX));
        std::fs::write(cosigned.path(2), &long).unwrap();
        assert!(matches!(cosigned.read(2), Err(CosignedError::TooLong { .. })));
        std::fs::create_dir(cosigned.path(3)).unwrap();
        assert!(matches!(cosigned.read(3), Err(CosignedError::NotAFile { .. })));
    }

    #[test]
    fn so_many_are_listed_and_no_more() {
        let dir = tempfile::tempdir().unwrap();
        let cosigned = Cosigned::of(&RealDisk, dir.path());
        std::fs::create_dir(dir.path().join("cosigned")).unwrap();
        for size in 0..300 {
            std::fs::write(cosigned.path(size), b"x").unwrap();
        }
        let sizes = cosigned.sizes().unwrap();
        assert_eq!((sizes.len(), sizes[0], sizes[255]), (COSIGNED_LISTED_MAX, 44, 299));
    }

    #[test]
    fn pruning_keeps_the_newest_and_the_newest_that_meets_the_quorum() {
        let left = |meets: fn(u64) -> bool| {
            let dir = tempfile::tempdir().unwrap();
            let cosigned = Cosigned::of(&RealDisk, dir.path());
            (1..=100).for_each(|size| cosigned.write(size, b"x").unwrap());
            cosigned.prune(meets).unwrap();
            cosigned.sizes().unwrap()
        };
        let newest: Vec<u64> = (37..=100).collect();
        assert_eq!(left(|_| false), newest);
        assert_eq!(left(|size| size == 12 || size == 90), newest);
        assert_eq!(left(|size| size == 3 || size == 12), [vec![12], newest].concat());
    }

    #[test]
    fn a_crash_at_any_operation_leaves_the_old_note_or_the_new() {
        for survival in Survival::EACH {
            for operation in 0.. {
                let disk = SimulatedDisk::default();
                let ledger = Path::new("/ledger");
                disk.create_dir(ledger).unwrap();
                let cosigned = Cosigned::of(&disk, ledger);
                cosigned.write(7, b"old").unwrap();
                disk.fail_at(operation, Fault::Crash);
                let was_written = cosigned.write(7, b"the new one").is_ok();
                assert_eq!(was_written, !disk.has_failed());
                disk.restart(survival);
                let read = cosigned.read(7).unwrap().unwrap();
                assert!(read == b"the new one" || (read == b"old" && !was_written), "{operation}");
                if was_written {
                    break;
                }
            }
        }
    }
}
