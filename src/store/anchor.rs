//! Anchors: files on another disk or host that get each new checkpoint note (decision 8).
//!
//! An anchor catches what nothing beside the log can: a log and a `head` restored together from a backup. The
//! writer compares, in `ledger`; here are only bytes, written whole or not at all.

use std::io;
use std::path::{Path, PathBuf};

use super::disk::{Access, Disk, RealDisk, write_whole};
use super::frame::FRAME_NOTE_BYTES_MAX;

/// Why an anchor could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum AnchorError {
    /// The operating system said no.
    #[error("cannot {operation} the anchor {path}: {source}", path = path.display())]
    Io {
        /// What was tried, as a verb.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// Longer than any checkpoint note.
    #[error("the anchor {path} has {bytes} bytes, and a note has at most {FRAME_NOTE_BYTES_MAX}", path = path.display())]
    TooLong {
        /// The anchor.
        path: PathBuf,
        /// Its length.
        bytes: u64,
    },
}

/// The bytes of the anchor at `path`; none where it was never written.
///
/// # Errors
/// [`AnchorError`]. A directory that isn't there (a disk not mounted) is not taken for an anchor that was
/// never written.
pub fn read_anchor(path: &Path) -> Result<Option<Vec<u8>>, AnchorError> {
    read_anchor_on(&RealDisk, path)
}

/// As [`read_anchor`], on a given disk.
///
/// # Errors
/// As [`read_anchor`].
pub fn read_anchor_on(disk: &dyn Disk, path: &Path) -> Result<Option<Vec<u8>>, AnchorError> {
    let file = match disk.open(path, Access::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let dir = super::disk::parent_of(path);
            disk.list(dir).map_err(failed("find the directory of", path))?;
            return Ok(None);
        }
        Err(error) => return Err(failed("open", path)(error)),
    };
    let mut bytes = vec![0; FRAME_NOTE_BYTES_MAX + 1];
    let count = file.read_at(0, &mut bytes).map_err(failed("read", path))?;
    if count > FRAME_NOTE_BYTES_MAX {
        let bytes = file.bytes().map_err(failed("read", path))?;
        return Err(AnchorError::TooLong { path: path.to_owned(), bytes });
    }
    bytes.truncate(count);
    Ok(Some(bytes))
}

/// Writes `note` to the anchor at `path`, whole or not at all, and durably.
///
/// # Errors
/// [`AnchorError`]; the old anchor or the new one stands.
pub fn write_anchor(path: &Path, note: &[u8]) -> Result<(), AnchorError> {
    write_anchor_on(&RealDisk, path, note)
}

/// As [`write_anchor`], on a given disk.
///
/// # Errors
/// As [`write_anchor`].
pub fn write_anchor_on(disk: &dyn Disk, path: &Path, note: &[u8]) -> Result<(), AnchorError> {
    if note.len() > FRAME_NOTE_BYTES_MAX {
        return Err(AnchorError::TooLong { path: path.to_owned(), bytes: note.len() as u64 });
    }
    write_whole(disk, path, note).map_err(failed("write", path))
}

fn failed<'a>(operation: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> AnchorError + use<'a> {
    move |source| AnchorError::Io { operation, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::simulated_disk::{Fault, SimulatedDisk, Survival};

    #[test]
    fn a_crash_at_any_operation_leaves_the_old_anchor_or_the_new() {
        let path = Path::new("/elsewhere/anchor");
        for survival in Survival::EACH {
            for operation in 0.. {
                let disk = SimulatedDisk::default();
                write_anchor_on(&disk, path, b"old").unwrap();
                disk.fail_at(operation, Fault::Crash);
                let result = write_anchor_on(&disk, path, b"the new one");
                let was_written = !disk.has_failed();
                assert_eq!(result.is_ok(), was_written);
                disk.restart(survival);
                let read = read_anchor_on(&disk, path).unwrap().unwrap();
                assert!(
                    read == b"the new one" || (read == b"old" && !was_written),
                    "{operation}, {survival:?}"
                );
                if was_written {
                    assert!(operation >= 5, "only {operation} operations were tried");
                    break;
                }
            }
        }
    }

    #[test]
    fn an_anchor_reads_back_and_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("anchor");
        assert_eq!(read_anchor(&path).unwrap(), None);
        write_anchor(&path, b"a first and longer note").unwrap();
        write_anchor(&path, b"second").unwrap();
        assert_eq!(read_anchor(&path).unwrap().as_deref(), Some(b"second".as_slice()));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_missing_directory_is_an_error_and_no_empty_anchor() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("not mounted/anchor");
        assert!(matches!(read_anchor(&path), Err(AnchorError::Io { .. })));
        assert!(matches!(write_anchor(&path, b"note"), Err(AnchorError::Io { .. })));
    }

    #[test]
    fn what_is_longer_than_a_note_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("anchor");
        let long = vec![b'n'; FRAME_NOTE_BYTES_MAX + 1];
        assert!(matches!(write_anchor(&path, &long), Err(AnchorError::TooLong { .. })));
        std::fs::write(&path, &long).unwrap();
        assert!(matches!(read_anchor(&path), Err(AnchorError::TooLong { bytes: 65_537, .. })));
        write_anchor(&path, &long[1..]).unwrap();
        assert_eq!(read_anchor(&path).unwrap().map(|note| note.len()), Some(FRAME_NOTE_BYTES_MAX));
    }
}
