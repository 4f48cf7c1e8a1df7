//! `rollbook.toml`: the ledger's own settings. Nothing in it is evidence.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::log::reader::CONFIG_FILE;
use crate::signing::key_file::{AskPassphrase, KeyFileError, Readers, SecretKey, read_private_key_of};
use crate::store::disk::{Access, Disk, RealDisk};

/// The version of the directory's layout.
pub const LAYOUT_VERSION: u32 = 1;
/// No settings file is larger.
const CONFIG_BYTES_MAX: u64 = 64 * 1024;

/// Why the settings could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// There is no settings file.
    #[error("{} is not a ledger directory: it has no {CONFIG_FILE}", dir.display())]
    NotALedger {
        /// The directory.
        dir: PathBuf,
    },
    /// The file could not be read or written.
    #[error("cannot {operation} {}: {error}", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        error: std::io::Error,
    },
    /// The file does not say what it should.
    #[error("{} cannot be understood: {reason}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// What `rollbook.toml` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The version of the directory's layout: 1.
    pub format: u32,
    /// The log's name.
    pub origin: String,
    /// Where the log's private key is; a relative path counts from the ledger's directory.
    pub log_key: PathBuf,
    /// Who may read it: whoever can, can sign checkpoints (docs/decisions/23).
    #[serde(default, skip_serializing_if = "Readers::is_owner")]
    pub log_key_readers: Readers,
    /// Files that get each new checkpoint, on another disk or host; relative as above.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub anchors: Vec<PathBuf>,
}

impl Config {
    /// Reads the settings of the ledger in `dir`.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn read(dir: &Path) -> Result<Self, ConfigError> {
        let path = dir.join(CONFIG_FILE);
        let failed = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => {
                ConfigError::NotALedger { dir: dir.to_owned() }
            }
            _ => ConfigError::Io { operation: "read", path: path.clone(), error },
        };
        let invalid = |reason: String| ConfigError::Invalid { path: path.clone(), reason };
        if std::fs::metadata(&path).map_err(failed)?.len() > CONFIG_BYTES_MAX {
            return Err(invalid(format!("it is longer than {CONFIG_BYTES_MAX} bytes")));
        }
        let text = std::fs::read_to_string(&path).map_err(failed)?;
        let config: Self = toml::from_str(&text).map_err(|error| invalid(error.to_string()))?;
        if config.format != LAYOUT_VERSION {
            let reason = format!("format {} is not {LAYOUT_VERSION}; upgrade this program", config.format);
            return Err(invalid(reason));
        }
        Ok(config)
    }

    /// Writes the settings into `dir`, whole or not at all, and durably; an existing file stays.
    ///
    /// # Errors
    /// [`ConfigError::Io`].
    pub fn write_new(&self, dir: &Path) -> Result<(), ConfigError> {
        self.write_new_on(&RealDisk, dir)
    }

    /// As [`Config::write_new`], on a given disk.
    ///
    /// # Errors
    /// As [`Config::write_new`].
    pub fn write_new_on(&self, disk: &dyn Disk, dir: &Path) -> Result<(), ConfigError> {
        let path = dir.join(CONFIG_FILE);
        let body = toml::to_string(self).expect("settings are plain values");
        let text = format!("# Settings of this Rollbook ledger. Nothing here is evidence.\n{body}");
        write_new(disk, dir, text.as_bytes()).map_err(|error| ConfigError::Io {
            operation: "write",
            path,
            error,
        })
    }

    /// Where the log key is, for a ledger in `dir`.
    #[must_use]
    pub fn log_key_path(&self, dir: &Path) -> PathBuf {
        dir.join(&self.log_key)
    }

    /// The log key, for a ledger in `dir`.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub fn read_log_key(&self, dir: &Path, ask: &mut AskPassphrase<'_>) -> Result<SecretKey, KeyFileError> {
        read_private_key_of(&self.log_key_path(dir), self.log_key_readers, ask)
    }

    /// Where the anchors are, for a ledger in `dir`.
    #[must_use]
    pub fn anchor_paths(&self, dir: &Path) -> Vec<PathBuf> {
        self.anchors.iter().map(|anchor| dir.join(anchor)).collect()
    }
}

/// Of several writers one alone makes the file beside it, and only then looks whether the settings are there:
/// so nobody's settings take the place of another's.
fn write_new(disk: &dyn Disk, dir: &Path, text: &[u8]) -> io::Result<()> {
    let (path, beside) = (dir.join(CONFIG_FILE), dir.join(format!("{CONFIG_FILE}.new")));
    let file = disk.open(&beside, Access::CreateAppend)?;
    match disk.open(&path, Access::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
        Ok(_) => {
            disk.remove_file(&beside)?;
            return Err(io::ErrorKind::AlreadyExists.into());
        }
    }
    file.append(text)?;
    file.sync_data()?;
    disk.rename(&beside, &path)?;
    disk.sync_dir(dir)
}
