//! `index/tiles/<L>`: hashes of the tree's full subtrees, 32 bytes each, for proofs without the log.
//!
//! File *L* holds the hashes of tree level 8·*L* from left to right: file 0 the leaf hashes, file 1 the roots of 256
//! leaves, and so on. That is C2SP tlog-tiles' choice of levels, and the smaller one: 32 MB for a million leaves,
//! where one file for every level takes 64 MB; and 256 records of a file, from a multiple of 256 on, are byte for
//! byte a tile of an evidence pack. A proof hashes up inside at most one tile a level: for a million leaves three
//! reads of 8 KiB.
//!
//! Which hashes belong here, and whether they lead to a signed root, is left to `ledger`, over `merkle`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::hash::Hash;

use super::flat::{FlatFile, failed};
use super::rows::IndexError;

/// The most files: 8 levels each, a tree of 2^64 leaves has no more.
pub const TILE_LEVELS_MAX: u8 = 8;

/// The rows of hashes, one file a tile level.
#[derive(Debug)]
pub struct TileRows {
    dir: PathBuf,
    /// The files that were opened so far, by level; the levels fill from below.
    rows: Vec<FlatFile<32>>,
    access: Access,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    Append,
}

impl TileRows {
    /// Opens `tiles` in the directory `index` for appending.
    ///
    /// # Errors
    /// [`IndexError::Io`].
    pub fn open(index: &Path) -> Result<Self, IndexError> {
        let dir = index.join("tiles");
        fs::create_dir_all(&dir).map_err(failed("create", &dir))?;
        Self::open_levels(dir, Access::Append)
    }

    /// Opens it for reading, while another process may append.
    ///
    /// # Errors
    /// [`IndexError::Io`].
    pub fn open_to_read(index: &Path) -> Result<Self, IndexError> {
        Self::open_levels(index.join("tiles"), Access::Read)
    }

    fn open_levels(dir: PathBuf, access: Access) -> Result<Self, IndexError> {
        let mut rows = Self { dir, rows: Vec::new(), access };
        while rows.rows.len() < usize::from(TILE_LEVELS_MAX) && rows.path(rows.rows.len()).exists() {
            rows.open_next_level()?;
        }
        Ok(rows)
    }

    /// How many hashes level `level` holds: tree level 8 × `level`.
    #[must_use]
    pub fn hashes(&self, level: u8) -> u64 {
        self.rows.get(usize::from(level)).map_or(0, FlatFile::records)
    }

    /// Appends the hashes that come next on `level`. A file is made when its first hashes come.
    ///
    /// # Errors
    /// [`IndexError::Io`]. [`IndexError::Damaged`] where a level below has no file yet, or `level` is
    /// [`TILE_LEVELS_MAX`] or above.
    pub fn append(&mut self, level: u8, hashes: &[Hash]) -> Result<(), IndexError> {
        if usize::from(level) == self.rows.len() && self.access == Access::Append && level < TILE_LEVELS_MAX {
            self.open_next_level()?;
        }
        let Some(row) = self.rows.get_mut(usize::from(level)) else {
            return Err(IndexError::Damaged { what: format!("tile level {level} comes before a lower one") });
        };
        let records: Vec<_> = hashes.iter().map(|hash| *hash.as_bytes()).collect();
        row.append(&records)
    }

    /// Up to `count` hashes of `level` from `start` on: fewer only where there are no more.
    ///
    /// # Errors
    /// [`IndexError::Io`].
    pub fn read(&self, level: u8, start: u64, count: usize) -> Result<Vec<Hash>, IndexError> {
        let Some(row) = self.rows.get(usize::from(level)) else { return Ok(Vec::new()) };
        Ok(row.read_range(start, count)?.into_iter().map(Hash::from_bytes).collect())
    }

    /// Forgets all that does not belong to a tree of `leaves` leaves: the next append writes over it. Readers, who check
    /// what they find, see it until then.
    pub fn rewind(&mut self, leaves: u64) {
        for (level, row) in self.rows.iter_mut().enumerate() {
            row.rewind(leaves >> (8 * level));
        }
    }

    /// Cuts all that does not belong to a tree of `leaves` leaves.
    ///
    /// # Errors
    /// [`IndexError::Io`].
    pub fn truncate(&mut self, leaves: u64) -> Result<(), IndexError> {
        for (level, row) in self.rows.iter_mut().enumerate() {
            row.truncate(leaves >> (8 * level))?;
        }
        Ok(())
    }

    fn open_next_level(&mut self) -> Result<(), IndexError> {
        let path = self.path(self.rows.len());
        let row = match self.access {
            Access::Append => FlatFile::open(&path)?,
            Access::Read => match FlatFile::open_to_read(&path)? {
                Some(row) => row,
                None => return Err(IndexError::Damaged { what: "a tile file went away".into() }),
            },
        };
        self.rows.push(row);
        Ok(())
    }

    fn path(&self, level: usize) -> PathBuf {
        self.dir.join(level.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashes(numbers: std::ops::Range<u32>) -> Vec<Hash> {
        numbers.map(|number| Hash::of(&number.to_le_bytes())).collect()
    }

    #[test]
    fn levels_fill_from_below_and_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let mut rows = TileRows::open(dir.path()).unwrap();
        assert_eq!((rows.hashes(0), rows.read(0, 0, 5).unwrap()), (0, vec![]));
        assert!(matches!(rows.append(1, &hashes(0..1)), Err(IndexError::Damaged { .. })));
        rows.append(0, &hashes(0..600)).unwrap();
        rows.append(1, &hashes(900..902)).unwrap();
        assert!(matches!(rows.append(3, &hashes(0..1)), Err(IndexError::Damaged { .. })));

        let reader = TileRows::open_to_read(dir.path()).unwrap();
        assert_eq!((reader.hashes(0), reader.hashes(1), reader.hashes(2)), (600, 2, 0));
        assert_eq!(reader.read(0, 256, 256).unwrap(), hashes(256..512));
        assert_eq!(reader.read(0, 512, 256).unwrap(), hashes(512..600));
        assert_eq!(reader.read(1, 0, 256).unwrap(), hashes(900..902));
    }

    #[test]
    fn truncation_cuts_every_level_to_its_tree() {
        let dir = tempfile::tempdir().unwrap();
        let mut rows = TileRows::open(dir.path()).unwrap();
        rows.append(0, &hashes(0..600)).unwrap();
        rows.append(1, &hashes(900..902)).unwrap();
        rows.truncate(511).unwrap();
        assert_eq!((rows.hashes(0), rows.hashes(1)), (511, 1));
        let reopened = TileRows::open(dir.path()).unwrap();
        assert_eq!((reopened.hashes(0), reopened.hashes(1)), (511, 1));
    }

    #[test]
    fn a_reader_cannot_append() {
        let dir = tempfile::tempdir().unwrap();
        let mut reader = TileRows::open_to_read(dir.path()).unwrap();
        assert!(reader.append(0, &hashes(0..1)).is_err());
        assert!(!dir.path().join("tiles").exists());
    }
}
