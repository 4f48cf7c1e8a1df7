//! Infra commits: which Git commit put a model where it is, with room for the evidence.

use std::fmt;

use bincode::de::Decoder;
use bincode::error::DecodeError;
use bincode::{Decode, Encode};
use serde::{Serialize, Serializer};

use crate::event::list::Ascending;
use crate::event::text::Name;
use crate::hash::Hash;

/// The largest Git object that an event carries in itself; a larger one becomes an attachment.
pub const EMBEDDED_BYTES_MAX: usize = 16 * 1024;
/// The most manifest paths on one infra commit.
pub const MANIFESTS_MAX: usize = 64;

/// A commit of the repository that describes what runs where.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct InfraCommit {
    /// The repository's name: a URL without credentials, or a plain name.
    pub repository: Name,
    /// The commit's object id; its kind is the repository's object format.
    pub commit: GitId,
    /// The tag by which the commit was named, if it was.
    pub tag: Option<GitTag>,
    /// The raw commit object, once it is embedded.
    pub commit_object: Option<GitObject>,
    /// The raw tag object, once it is embedded.
    pub tag_object: Option<GitObject>,
    /// Paths of the manifests in that commit that pin the model's digest.
    pub manifests: Ascending<Name, MANIFESTS_MAX>,
    /// The attachment that proves the manifests from commit to blob.
    pub path_proof: Option<Hash>,
}

/// A Git tag as it was when the event was made.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct GitTag {
    /// The name below `refs/tags/`.
    pub name: Name,
    /// The tag object's id; none for a lightweight tag.
    pub object: Option<GitId>,
}

/// A Git object id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum GitId {
    /// Of a SHA-1 repository: 20 bytes.
    Sha1([u8; 20]),
    /// Of a SHA-256 repository: 32 bytes.
    Sha256([u8; 32]),
}

impl GitId {
    /// The id from its raw bytes; none unless there are 20 or 32.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        match bytes.len() {
            20 => bytes.try_into().ok().map(Self::Sha1),
            32 => bytes.try_into().ok().map(Self::Sha256),
            _ => None,
        }
    }

    /// The raw bytes: 20 or 32.
    #[must_use]
    pub const fn as_slice(&self) -> &[u8] {
        match self {
            Self::Sha1(bytes) => bytes,
            Self::Sha256(bytes) => bytes,
        }
    }
}

impl fmt::Display for GitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&hex::encode(self.as_slice()))
    }
}

impl Serialize for GitId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A raw Git object, its header (`<type> <size>\0`) left out, as `git cat-file <type>` prints it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct GitObject {
    /// SHA-256 of the raw bytes.
    pub sha256: Hash,
    /// Length of the raw bytes.
    pub size: u64,
    /// The bytes; none where they are the attachment of that digest.
    pub bytes: Option<ObjectBytes>,
}

/// At most 16 KiB of a Git object.
#[derive(Clone, PartialEq, Eq, Encode)]
pub struct ObjectBytes(Vec<u8>);

impl ObjectBytes {
    /// Takes the bytes; none if there are more than [`EMBEDDED_BYTES_MAX`].
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Option<Self> {
        (bytes.len() <= EMBEDDED_BYTES_MAX).then_some(Self(bytes))
    }

    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for ObjectBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl Serialize for ObjectBytes {
    /// As text where it is UTF-8, which Git objects of people are; else as hex behind `hex:`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => serializer.serialize_str(&format!("hex:{}", hex::encode(&self.0))),
        }
    }
}

impl<C> Decode<C> for ObjectBytes {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let bytes = Vec::<u8>::decode(decoder)?;
        let actual = bytes.len();
        Self::new(bytes).ok_or_else(|| {
            DecodeError::OtherString(format!(
                "an embedded Git object has {actual} bytes, at most {EMBEDDED_BYTES_MAX} are allowed"
            ))
        })
    }
}

bincode::impl_borrow_decode!(ObjectBytes);
