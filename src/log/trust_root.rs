//! The trust root: what an auditor pins about a ledger before looking at it (docs/auditing.md).
//!
//! Origin, ledger id and the log's first key, and who its witnesses are, as a small TOML file that
//! travels to auditors by another channel than the ledger. What is compared with it, and what
//! follows, is [`crate::verifier`]'s. A file has one meaning: unknown keys are refused.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::hash::{Hash, ParseHashError};
use crate::log::quorum::{Group, QuorumError, Threshold, Witness, Witnesses};
use crate::note::checkpoint::{Origin, OriginError};
use crate::note::vkey::{KeyKind, VerifierKey, VkeyError};
use crate::signing::public_key::PublicKey;

/// The largest trust root file read, in bytes: ours has a few hundred, and each of at most 64 witnesses
/// and 64 groups some lines more.
pub const TRUST_ROOT_BYTES_MAX: usize = 64 * 1024;

/// What an auditor pins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TrustRoot {
    origin: Origin,
    ledger_id: Hash,
    // Invariant: an Ed25519 key whose name is `origin`.
    log_key: VerifierKey,
    // Invariant: as above.
    #[serde(skip_serializing_if = "Option::is_none")]
    latest_log_key: Option<VerifierKey>,
    // Invariant: none has one of the log's keys.
    #[serde(flatten)]
    witnesses: Witnesses,
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
    /// The field `log_key` or `latest_log_key`.
    #[error("`{field}`: {error}")]
    LogKey {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        error: VkeyError,
    },
    /// The field holds a witness's key.
    #[error("`{field}`: this is a cosigner's key (type 0x04); a log's key has type 0x01")]
    LogKeyKind {
        /// The field.
        field: &'static str,
    },
    /// The log key's name is another one.
    #[error("`{field}`: its name is `{name}`, and it must be the origin, `{origin}`")]
    LogKeyName {
        /// The field.
        field: &'static str,
        /// The key's name.
        name: String,
        /// The origin.
        origin: Origin,
    },
    /// Witnesses, groups or quorum.
    #[error(transparent)]
    Witnesses(#[from] QuorumError),
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
    latest_log_key: Option<String>,
    quorum: Option<String>,
    #[serde(default)]
    witness: Vec<RawWitness>,
    #[serde(default)]
    group: Vec<RawGroup>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWitness {
    name: String,
    key: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawGroup {
    name: String,
    threshold: toml::Value,
    members: Vec<String>,
}

impl RawGroup {
    fn read(&self) -> Result<Group, QuorumError> {
        let threshold = match &self.threshold {
            toml::Value::String(word) if word == "any" => Threshold::Any,
            toml::Value::String(word) if word == "all" => Threshold::All,
            toml::Value::Integer(count) => Threshold::Count(usize::try_from(*count).unwrap_or(0)),
            other => {
                // Its members may be anything: the name is what is said.
                let group = Group::new(&self.name, Threshold::Any, &self.members)?.name().clone();
                return Err(QuorumError::Threshold { group, text: other.to_string() });
            }
        };
        Group::new(&self.name, threshold, &self.members)
    }
}

const LOG_KEY: &str = "log_key";
const LATEST_LOG_KEY: &str = "latest_log_key";

/// The log's key in a field, as a vkey.
fn log_key_in(field: &'static str, text: &str, origin: &Origin) -> Result<VerifierKey, TrustRootError> {
    let key: VerifierKey = text.parse().map_err(|error| TrustRootError::LogKey { field, error })?;
    if key.kind() != KeyKind::Ed25519 {
        return Err(TrustRootError::LogKeyKind { field });
    }
    if key.name() != origin.as_str() {
        return Err(TrustRootError::LogKeyName {
            field,
            name: key.name().to_owned(),
            origin: origin.clone(),
        });
    }
    Ok(key)
}

impl TrustRoot {
    /// The trust root of the log `origin`, whose entry 0 has the leaf hash `ledger_id` and names
    /// `log_key`.
    ///
    /// # Errors
    /// [`TrustRootError::LogKey`] where the key cannot check signatures.
    pub fn new(origin: Origin, ledger_id: Hash, log_key: PublicKey) -> Result<Self, TrustRootError> {
        let log_key = VerifierKey::new_ed25519(origin.as_str(), log_key)
            .map_err(|error| TrustRootError::LogKey { field: LOG_KEY, error })?;
        let witnesses = Witnesses::default();
        Ok(Self { origin, ledger_id, log_key, latest_log_key: None, witnesses })
    }

    /// The same, pinning the key that the log came to by rotations as well.
    ///
    /// # Errors
    /// [`TrustRootError::LogKey`] where the key cannot check signatures.
    pub fn with_latest_log_key(self, key: PublicKey) -> Result<Self, TrustRootError> {
        let key = VerifierKey::new_ed25519(self.origin.as_str(), key)
            .map_err(|error| TrustRootError::LogKey { field: LATEST_LOG_KEY, error })?;
        self.witnesses.check_apart_from(key.public_key())?;
        Ok(Self { latest_log_key: Some(key), ..self })
    }

    /// The same with these witnesses.
    ///
    /// # Errors
    /// [`TrustRootError::Witnesses`] where one of them has a key of the log's.
    pub fn with_witnesses(self, witnesses: Witnesses) -> Result<Self, TrustRootError> {
        for key in std::iter::once(&self.log_key).chain(&self.latest_log_key) {
            witnesses.check_apart_from(key.public_key())?;
        }
        Ok(Self { witnesses, ..self })
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
        let Self { origin, ledger_id, log_key, latest_log_key, witnesses } = self;
        let witnesses = witnesses.to_toml();
        // An origin has no control character, yet may have quotes and backslashes; so may the vkey,
        // whose name it is.
        let origin = toml::Value::String(origin.to_string());
        let log_key = toml::Value::String(log_key.to_string());
        let from_the_first = if latest_log_key.is_some() { ", the first one" } else { "" };
        let latest = latest_log_key.as_ref().map_or_else(String::new, |key| {
            let key = toml::Value::String(key.to_string());
            format!(
                "\n# The key that signs them now: the log's key was replaced by another one, as its entries tell.\n\
                 {LATEST_LOG_KEY} = {key}\n"
            )
        });
        format!(
            r#"# Trust root of a Rollbook ledger: what an auditor pins before looking at it.
# Get this file by another channel than the ledger itself, keep it, and give it to each check:
#     rollbook verify --trust trust.toml
# It holds no secret. A ledger that does not fit it is another ledger, or was rewritten.

# The log's name: the first line of every checkpoint.
origin = {origin}

# The leaf hash of entry 0, which names the first administrators, policy and log key.
ledger_id = "{ledger_id}"

# The key that signs the log's checkpoints{from_the_first}, as a C2SP vkey.
log_key = {log_key}
{latest}{witnesses}"#
        )
    }

    /// The same as a C2SP tlog-policy, for other tools. It does not know the ledger id.
    #[must_use]
    pub fn to_tlog_policy(&self) -> String {
        let mut text = format!("log {}\n", self.log_key);
        if let Some(latest) = self.latest_log_key.as_ref().filter(|latest| **latest != self.log_key) {
            text += &format!("log {latest}\n");
        }
        text + &self.witnesses.to_tlog_policy()
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

    /// A key that the log came to by rotations, if one is pinned; its name is the origin.
    #[must_use]
    pub const fn latest_log_key(&self) -> Option<&VerifierKey> {
        self.latest_log_key.as_ref()
    }

    /// Who cosigns the log's checkpoints, and what is a quorum of them.
    #[must_use]
    pub const fn witnesses(&self) -> &Witnesses {
        &self.witnesses
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
        let log_key = log_key_in(LOG_KEY, &raw.log_key, &origin)?;
        let latest = raw.latest_log_key.as_deref();
        let latest_log_key = latest.map(|text| log_key_in(LATEST_LOG_KEY, text, &origin)).transpose()?;
        let witness = |raw: &RawWitness| Witness::new(&raw.name, &raw.key);
        let witnesses = raw.witness.iter().map(witness).collect::<Result<_, _>>()?;
        let groups = raw.group.iter().map(RawGroup::read).collect::<Result<_, _>>()?;
        let witnesses = Witnesses::new(witnesses, groups, raw.quorum.as_deref())?;
        let root = Self { origin, ledger_id, log_key, latest_log_key, witnesses: Witnesses::default() };
        root.with_witnesses(witnesses)
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
    fn a_key_that_the_log_came_to_reads_back_too() {
        let first = sample("example.com/a");
        assert!(!first.to_toml().contains("latest"), "{}", first.to_toml());
        let latest = SecretKey::from_seed(&[8; 32]).public_key();
        let root = first.clone().with_latest_log_key(latest).unwrap();
        assert_eq!(root.to_toml().parse(), Ok(root.clone()), "{}", root.to_toml());
        assert_eq!(root.latest_log_key().map(VerifierKey::public_key), Some(latest));
        assert_eq!((root.log_key(), first.latest_log_key()), (first.log_key(), None));

        let read = |key: String| {
            format!("{}latest_log_key = \"{key}\"\n", first.to_toml()).parse::<TrustRoot>().unwrap_err()
        };
        assert!(matches!(read("x".into()), TrustRootError::LogKey { field: "latest_log_key", .. }));
        let elsewhere = sample("example.com/b").log_key().to_string();
        let error = read(elsewhere);
        assert!(error.to_string().starts_with("`latest_log_key`: its name is `example.com/b`"), "{error}");
        let cosigner = VerifierKey::new_cosignature_v1("example.com/a", latest).unwrap();
        assert_eq!(read(cosigner.to_string()), TrustRootError::LogKeyKind { field: "latest_log_key" });
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
            TrustRootError::LogKey { .. }
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
        assert_eq!(read(&cosigner), TrustRootError::LogKeyKind { field: LOG_KEY });
        let long = format!("{text}#{}", "x".repeat(TRUST_ROOT_BYTES_MAX));
        assert!(matches!(TrustRoot::from_bytes(long.as_bytes()), Err(TrustRootError::TooLarge { .. })));
        assert_eq!(TrustRoot::from_bytes(&[0xff]), Err(TrustRootError::NotUtf8));
    }
}
