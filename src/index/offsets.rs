//! `index/offsets`: where each entry lies in the log, 16 bytes an entry.
//!
//! ```text
//! offset  bytes, all little-endian
//!      0      8  first index of the log file, which is its name
//!      8      4  offset in that file of the frame that holds the entry
//!     12      4  offset in that frame of the entry's length field (its bytes follow)
//! ```
//!
//! 32 bits for the first offset, because a log file is rolled below 4 GiB. An entry is then read on its own, or its
//! frame is, with its checksum. Whether the bytes are the entry, its leaf hash tells.

use std::path::Path;

use super::flat::FlatFile;
use super::rows::IndexError;

/// Where an entry lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryLocation {
    /// The first index of the log file.
    pub file: u64,
    /// Where in the file its frame begins.
    pub frame_offset: u32,
    /// Where in the frame its length field stands.
    pub entry_offset: u32,
}

impl EntryLocation {
    fn encode(self) -> [u8; 16] {
        let mut record = [0; 16];
        record[..8].copy_from_slice(&self.file.to_le_bytes());
        record[8..12].copy_from_slice(&self.frame_offset.to_le_bytes());
        record[12..].copy_from_slice(&self.entry_offset.to_le_bytes());
        record
    }

    fn decode(record: [u8; 16]) -> Self {
        let word = |at: usize| u32::from_le_bytes(record[at..at + 4].try_into().expect("four bytes"));
        let file = u64::from_le_bytes(record[..8].try_into().expect("eight bytes"));
        Self { file, frame_offset: word(8), entry_offset: word(12) }
    }
}

/// The file of locations; record *i* is entry *i*'s.
#[derive(Debug)]
pub struct Offsets {
    file: FlatFile<16>,
}

impl Offsets {
    /// Opens `offsets` in the directory `index` for appending.
    ///
    /// # Errors
    /// [`IndexError::Io`].
    pub fn open(index: &Path) -> Result<Self, IndexError> {
        Ok(Self { file: FlatFile::open(&index.join("offsets"))? })
    }

    /// Opens it for reading; none where it is missing.
    ///
    /// # Errors
    /// [`IndexError::Io`].
    pub fn open_to_read(index: &Path) -> Result<Option<Self>, IndexError> {
        let file = FlatFile::open_to_read(&index.join("offsets"))?;
        Ok(file.map(|file| Self { file }))
    }

    /// How many entries it covers.
    #[must_use]
    pub const fn entries(&self) -> u64 {
        self.file.records()
    }

    /// Appends the locations of the entries that come next.
    ///
    /// # Errors
    /// [`IndexError::Io`].
    pub fn append(&mut self, locations: &[EntryLocation]) -> Result<(), IndexError> {
        let records: Vec<_> = locations.iter().map(|location| location.encode()).collect();
        self.file.append(&records)
    }

    /// Where entry `index` lies; none where it is not covered.
    ///
    /// # Errors
    /// [`IndexError::Io`].
    pub fn read(&self, index: u64) -> Result<Option<EntryLocation>, IndexError> {
        Ok(self.file.read(index)?.map(EntryLocation::decode))
    }

    /// Forgets the entries from `entries` on. Readers, who check what they find, see them until they are written over.
    pub fn rewind(&mut self, entries: u64) {
        self.file.rewind(entries);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_read_back_in_the_documented_layout() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Offsets::open_to_read(dir.path()).unwrap().is_none());
        let mut offsets = Offsets::open(dir.path()).unwrap();
        let location = EntryLocation { file: 0x0102, frame_offset: 0x0304, entry_offset: 28 };
        offsets.append(&[EntryLocation { file: 0, frame_offset: 0, entry_offset: 28 }, location]).unwrap();
        let reader = Offsets::open_to_read(dir.path()).unwrap().unwrap();
        assert_eq!((reader.entries(), reader.read(1).unwrap()), (2, Some(location)));
        let bytes = std::fs::read(dir.path().join("offsets")).unwrap();
        assert_eq!(bytes[16..], [2, 1, 0, 0, 0, 0, 0, 0, 4, 3, 0, 0, 28, 0, 0, 0]);
        offsets.rewind(1);
        assert_eq!(offsets.read(1).unwrap(), None);
    }
}
