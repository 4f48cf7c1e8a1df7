//! Where measuring happens: a new directory on the disk in question, removed afterwards.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::cli::failure::Failure;

/// A new directory.
#[derive(Debug)]
pub struct Bed {
    dir: TempDir,
}

impl Bed {
    /// Makes one in `within`.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn make(within: &Path) -> Result<Self, Failure> {
        let dir = tempfile::Builder::new().prefix("rollbook-bench-").tempdir_in(within);
        Ok(Self { dir: dir.map_err(|error| Failure::io("make a directory in", within, &error))? })
    }

    /// A path in it.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}
