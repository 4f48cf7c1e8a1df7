//! The trust root: what an auditor pins about a ledger before looking at it (docs/auditing.md).
//!
//! Origin, ledger id and the log's first key, as a small TOML file that travels to auditors by
//! another channel than the ledger. What is compared with it, and what follows, is
//! [`crate::verifier`]'s. A file has one meaning: unknown keys are refused.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::hash::{Hash, ParseHashError};
use crate::note::checkpoint::{Origin, OriginError};
use crate::note::vkey::{KeyKind, VerifierKey, VkeyError};
use crate::signing::public_key::PublicKey;

/// The largest trust root file read, in bytes: ours has a few hundred, and witnesses that are to
/// come need a line each.
pub const TRUST_ROOT_BYTES_MAX: usize = 64 * 1024;

/// What an auditor pins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TrustRoot {
    origin: Origin,
    ledger_id: Hash,
    // Invariant: an Ed25519 key whose name is `origin`.
    log_key: VerifierKey,
}

/// Why a text is no trust root.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustRootError {
    /// Over the bound.
    #[error("a trust root of {bytes} bytes is too large: at most {TRUST_ROOT_BYTES_MAX} are read")]
    TooLarge {
        /// Its length, as far as it was read.
        bytes: usize,
    },
    /// Not UTF-8.
    #[error("a trust root is UTF-8 text, and this is not")]
    NotUtf8,
    /// Not TOML, or a key is unknown, missing or of another type.
    #[error("the trust root cannot be read: {0}")]
    Toml(String),
    /// The field `origin`.
    #[error("`origin`: {0}")]
    Origin(#[from] OriginError),
    /// The field `ledger_id`.
    #[error("`ledger_id`: {0}")]
    LedgerId(#[from] ParseHashError),
    /// The field `log_key`.
    #[error("`log_key`: {0}")]
    LogKey(#[from] VkeyError),
    /// The field `log_key` holds a witness's key.
    #[error("`log_key`: this is a cosigner's key (type 0x04); a log's key has type 0x01")]
    LogKeyKind,
    /// The log key's name is another one.
    #[error("`log_key`: its name is `{name}`, and it must be the origin, `{origin}`")]
    LogKeyName {
        /// The key's name.
        name: String,
        /// The origin.
        origin: Origin,
    },
}

/// Why a trust root file was not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadTrustRootError {
    /// The operating system said no.
    #[error("cannot read {path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// It was read, and is no trust root.
    #[error("{path}: {error}", path = path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: TrustRootError,
    },
}

/// The file's shape.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTrustRoot {
    origin: String,
    ledger_id: String,
    log_key: String,
}

impl TrustRoot {
    /// The trust root of the log `origin`, whose entry 0 has the leaf hash `ledger_id` and names
    /// `log_key`.
    ///
    /// # Errors
    /// [`TrustRootError::LogKey`] where the key cannot check signatures.
    pub fn new(origin: Origin, ledger_id: Hash, log_key: PublicKey) -> Result<Self, TrustRootError> {
        let log_key = VerifierKey::new_ed25519(origin.as_str(), log_key)?;
        Ok(Self { origin, ledger_id, log_key })
    }

    /// Reads the bytes of a trust root file.
    ///
    /// # Errors
    /// [`TrustRootError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TrustRootError> {
        if bytes.len() > TRUST_ROOT_BYTES_MAX {
            return Err(TrustRootError::TooLarge { bytes: bytes.len() });
        }
        std::str::from_utf8(bytes).map_err(|_| TrustRootError::NotUtf8)?.parse()
    }

    /// Reads a trust root file.
    ///
    /// # Errors
    /// [`ReadTrustRootError`], which names the file.
    pub fn read(path: &Path) -> Result<Self, ReadTrustRootError> {
        let mut bytes = Vec::new();
        let bound = TRUST_ROOT_BYTES_MAX as u64 + 1;
        File::open(path)
            .and_then(|file| file.take(bound).read_to_end(&mut bytes))
            .map_err(|source| ReadTrustRootError::Io { path: path.to_owned(), source })?;
        Self::from_bytes(&bytes).map_err(|error| ReadTrustRootError::Invalid { path: path.to_owned(), error })
    }

    /// The file's text, with comments that say what it is for.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let Self { origin, ledger_id, log_key } = self;
        // An origin has no control character, yet may have quotes and backslashes; so may the vkey,
        // whose name it is.
        let origin = toml::Value::String(origin.to_string());
        let log_key = toml::Value::String(log_key.to_string());
        format!(
            r#"# Trust root of a Rollbook ledger: what an auditor pins before looking at it.
# Get this file by another channel than the ledger itself, keep it, and give it to each check:
#     rollbook verify --trust trust.toml
# It holds no secret. A ledger that does not fit it is another ledger, or was rewritten.

# The log's name: the first line of every checkpoint.
origin = {origin}

# The leaf hash of entry 0, which names the first administrators, policy and log key.
ledger_id = "{ledger_id}"

# The key that signs the log's checkpoints, as a C2SP vkey.
log_key = {log_key}
"#
        )
    }

    /// The log's name.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The leaf hash of entry 0.
    #[must_use]
    pub const fn ledger_id(&self) -> Hash {
        self.ledger_id
    }

    /// The log's first key; its name is the origin.
    #[must_use]
    pub const fn log_key(&self) -> &VerifierKey {
        &self.log_key
    }
}

impl FromStr for TrustRoot {
    type Err = TrustRootError;

    fn from_str(text: &str) -> Result<Self, TrustRootError> {
        if text.len() > TRUST_ROOT_BYTES_MAX {
            return Err(TrustRootError::TooLarge { bytes: text.len() });
        }
        let raw: RawTrustRoot = toml::from_str(text)
            .map_err(|error| TrustRootError::Toml(error.to_string().trim().to_owned()))?;
        let origin = Origin::new(raw.origin)?;
        let ledger_id = raw.ledger_id.parse()?;
        let log_key: VerifierKey = raw.log_key.parse()?;
        if log_key.kind() != KeyKind::Ed25519 {
            return Err(TrustRootError::LogKeyKind);
        }
        if log_key.name() != origin.as_str() {
            return Err(TrustRootError::LogKeyName { name: log_key.name().to_owned(), origin });
        }
        Ok(Self { origin, ledger_id, log_key })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signing::key_file::SecretKey;

    fn sample(origin: &str) -> TrustRoot {
        let key = SecretKey::from_seed(&[7; 32]).public_key();
        TrustRoot::new(Origin::new(origin).unwrap(), Hash::of(b"entry 0"), key).unwrap()
    }

    #[test]
    fn written_text_reads_back() {
        for origin in ["example.com/releases", "quote\"back\\slash", "ü"] {
            let root = sample(origin);
            assert_eq!(root.to_toml().parse(), Ok(root.clone()), "{}", root.to_toml());
            assert_eq!(TrustRoot::from_bytes(root.to_toml().as_bytes()), Ok(root));
        }
    }

    #[test]
    fn each_way_to_be_wrong_is_named() {
        let text = sample("example.com/a").to_toml();
        let other = sample("example.com/b");
        let read = |text: &str| text.parse::<TrustRoot>().unwrap_err();
        let line = |key: &str| text.lines().find(|line| line.starts_with(key)).unwrap().to_owned();

        let unknown = read(&format!("{text}\ncolour = 1\n"));
        assert!(matches!(&unknown, TrustRootError::Toml(why) if why.contains("colour")), "{unknown}");
        let missing = read(&text.replace(&line("ledger_id"), ""));
        assert!(matches!(&missing, TrustRootError::Toml(why) if why.contains("ledger_id")), "{missing}");
        let wrong_id = read(&text.replace(&line("ledger_id"), "ledger_id = \"12\""));
        assert!(matches!(wrong_id, TrustRootError::LedgerId(_)));
        assert!(matches!(
            read(&text.replace(&line("log_key"), "log_key = \"x\"")),
            TrustRootError::LogKey(_)
        ));
        assert!(matches!(
            read(&text.replace(&line("origin"), "origin = \"a b\"")),
            TrustRootError::Origin(_)
        ));
        let foreign = text.replace(&line("log_key"), &format!("log_key = \"{}\"", other.log_key()));
        assert!(matches!(read(&foreign), TrustRootError::LogKeyName { .. }));
        let cosigner =
            VerifierKey::new_cosignature_v1("example.com/a", other.log_key().public_key()).unwrap();
        let cosigner = text.replace(&line("log_key"), &format!("log_key = \"{cosigner}\""));
        assert_eq!(read(&cosigner), TrustRootError::LogKeyKind);
        let long = format!("{text}#{}", "x".repeat(TRUST_ROOT_BYTES_MAX));
        assert!(matches!(TrustRoot::from_bytes(long.as_bytes()), Err(TrustRootError::TooLarge { .. })));
        assert_eq!(TrustRoot::from_bytes(&[0xff]), Err(TrustRootError::NotUtf8));
    }
}
