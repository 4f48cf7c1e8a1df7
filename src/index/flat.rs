//! Append-only files of fixed-width records: record *i* is found with one read.
//!
//! The writer appends whole records, each call with one write; a record that a crash left half-written is cut when
//! the file is next opened. Nothing is synced: after a power cut records may be missing, or zeros. Readers need no
//! lock, as bytes once there do not change below the length they were told, and check what they read against the
//! log. What the records mean is left to [`super::offsets`], [`super::ids`] and [`super::tiles`].

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::rows::IndexError;

/// A file of records of `N` bytes each.
#[derive(Debug)]
pub struct FlatFile<const N: usize> {
    file: File,
    path: PathBuf,
    /// Counted when opened, and kept by the writer; a reader counts again with [`FlatFile::refresh`].
    records: u64,
}

impl<const N: usize> FlatFile<N> {
    /// Opens `path` for appending, and makes it where it is missing. Its directory must be there. A record that is
    /// not whole is cut.
    ///
    /// # Errors
    /// [`IndexError::Io`].
    pub fn open(path: &Path) -> Result<Self, IndexError> {
        let mut options = OpenOptions::new();
        let opened = options.read(true).write(true).create(true).truncate(false).open(path);
        let mut flat =
            Self { file: opened.map_err(failed("open", path))?, path: path.to_owned(), records: 0 };
        flat.refresh()?;
        flat.truncate(flat.records)?;
        Ok(flat)
    }

    /// Opens `path` for reading, while another process may append. None where it is missing.
    ///
    /// # Errors
    /// [`IndexError::Io`].
    pub fn open_to_read(path: &Path) -> Result<Option<Self>, IndexError> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed("open", path)(error)),
        };
        let mut flat = Self { file, path: path.to_owned(), records: 0 };
        flat.refresh()?;
        Ok(Some(flat))
    }

    /// How many whole records there are.
    #[must_use]
    pub const fn records(&self) -> u64 {
        self.records
    }

    /// Counts again: what another process appended meanwhile.
    ///
    /// # Errors
    /// [`IndexError::Io`].
    pub fn refresh(&mut self) -> Result<u64, IndexError> {
        let metadata = self.file.metadata().map_err(failed("read the length of", &self.path))?;
        self.records = metadata.len() / N as u64;
        Ok(self.records)
    }

    /// Appends `records`, in one write.
    ///
    /// # Errors
    /// [`IndexError::Io`]; the next append then writes at the same place.
    pub fn append(&mut self, records: &[[u8; N]]) -> Result<(), IndexError> {
        let at = self.records * N as u64;
        self.file.write_all_at(records.as_flattened(), at).map_err(failed("write", &self.path))?;
        self.records += records.len() as u64;
        Ok(())
    }

    /// Record `number`, from 0; none behind the last.
    ///
    /// # Errors
    /// [`IndexError::Io`].
    pub fn read(&self, number: u64) -> Result<Option<[u8; N]>, IndexError> {
        Ok(self.read_range(number, 1)?.first().copied())
    }

    /// Up to `count` records from `start` on: fewer only where there are no more.
    ///
    /// # Errors
    /// [`IndexError::Io`].
    pub fn read_range(&self, start: u64, count: usize) -> Result<Vec<[u8; N]>, IndexError> {
        let available = self.records.saturating_sub(start);
        let count = usize::try_from(available).unwrap_or(usize::MAX).min(count);
        let mut records = vec![[0; N]; count];
        if count > 0 {
            let read = self.file.read_exact_at(records.as_flattened_mut(), start * N as u64);
            read.map_err(failed("read", &self.path))?;
        }
        Ok(records)
    }

    /// Forgets all records from `records` on: the next append writes over them. Readers go on seeing them, as they
    /// were, until then.
    pub fn rewind(&mut self, records: u64) {
        self.records = self.records.min(records);
    }

    /// Cuts all records from `records` on; nothing happens where there are no more.
    ///
    /// # Errors
    /// [`IndexError::Io`].
    pub fn truncate(&mut self, records: u64) -> Result<(), IndexError> {
        let kept = records.min(self.records);
        let bytes = self.file.metadata().map_err(failed("read the length of", &self.path))?.len();
        if bytes != kept * N as u64 {
            self.file.set_len(kept * N as u64).map_err(failed("cut", &self.path))?;
        }
        self.records = kept;
        Ok(())
    }
}

pub(super) fn failed<'a>(
    operation: &'static str,
    path: &'a Path,
) -> impl FnOnce(io::Error) -> IndexError + use<'a> {
    move |source| IndexError::Io { operation, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_read_back_in_order_and_a_reader_sees_them_grow() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("flat");
        assert!(FlatFile::<4>::open_to_read(&path).unwrap().is_none());
        let mut writer = FlatFile::<4>::open(&path).unwrap();
        let mut reader = FlatFile::<4>::open_to_read(&path).unwrap().unwrap();
        writer.append(&[*b"aaaa", *b"bbbb"]).unwrap();
        assert_eq!(reader.read(0).unwrap(), None, "the length is the one it was told");
        assert_eq!(reader.refresh().unwrap(), 2);
        writer.append(&[*b"cccc"]).unwrap();
        assert_eq!(reader.read(1).unwrap(), Some(*b"bbbb"));
        assert_eq!(writer.read_range(1, 10).unwrap(), [*b"bbbb", *b"cccc"]);
        assert_eq!(writer.read(3).unwrap(), None);
        assert_eq!(writer.read_range(u64::MAX, 3).unwrap(), Vec::<[u8; 4]>::new());
    }

    #[test]
    fn a_half_record_is_cut_when_opened_to_write_and_left_alone_by_readers() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("flat");
        std::fs::write(&path, b"aaaabbbbcc").unwrap();
        assert_eq!(FlatFile::<4>::open_to_read(&path).unwrap().unwrap().records(), 2);
        assert_eq!(std::fs::read(&path).unwrap().len(), 10);
        let mut writer = FlatFile::<4>::open(&path).unwrap();
        assert_eq!(writer.records(), 2);
        writer.append(&[*b"dddd"]).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"aaaabbbbdddd");
    }

    #[test]
    fn what_is_forgotten_is_there_for_readers_until_it_is_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("flat");
        let mut flat = FlatFile::<2>::open(&path).unwrap();
        flat.append(&[*b"aa", *b"bb", *b"cc"]).unwrap();
        flat.rewind(9);
        flat.rewind(1);
        assert_eq!((flat.records(), flat.read(1).unwrap()), (1, None));
        let reader = FlatFile::<2>::open_to_read(&path).unwrap().unwrap();
        assert_eq!(reader.read(2).unwrap(), Some(*b"cc"));
        flat.append(&[*b"dd"]).unwrap();
        assert_eq!(flat.read_range(0, 9).unwrap(), [*b"aa", *b"dd"]);
    }

    #[test]
    fn truncation_keeps_what_lies_before() {
        let dir = tempfile::tempdir().unwrap();
        let mut flat = FlatFile::<2>::open(&dir.path().join("flat")).unwrap();
        flat.append(&[*b"aa", *b"bb", *b"cc"]).unwrap();
        flat.truncate(5).unwrap();
        assert_eq!(flat.records(), 3);
        flat.truncate(1).unwrap();
        flat.append(&[*b"dd"]).unwrap();
        assert_eq!(flat.read_range(0, 9).unwrap(), [*b"aa", *b"dd"]);
    }
}
