//! Finding a commit, and the tag that names it, in a Git repository on this machine.
//!
//! Objects come back as the raw bytes whose hash is their id, checked here, so that
//! `crate::evidence` can judge their signatures without the repository. Nothing is written, run or
//! fetched; configuration outside the repository, `GIT_*` variables and replacement objects
//! (`refs/replace`) are left out of it, and it doesn't matter who owns the files: bytes are believed
//! for their hash alone.
//!
//! Formats: git's object format (docs/format.md, `git object`); revisions as in gitrevisions(7),
//! without the forms that search messages (`:/text`, `^{/text}`).

#[cfg(test)]
mod sample;

pub mod clone;
pub mod credentials;
pub mod manifests;
mod repository;
pub mod resolve;

use std::fmt;
use std::path::PathBuf;

/// The largest commit or tag that is read, in bytes: the bound of an attachment, which is where a
/// large one ends up. Without it a doctored repository could ask for any amount of memory.
const OBJECT_BYTES_MAX: u64 = 64 << 20;

/// How many tags may stand one behind the other. Git sets no bound; a tag of a tag is rare, and a
/// chain longer than this is no release.
const TAG_CHAIN_MAX: usize = 16;

/// The hash that a repository names its objects by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectFormat {
    /// Ids of 20 bytes.
    Sha1,
    /// Ids of 32 bytes.
    Sha256,
}

impl fmt::Display for ObjectFormat {
    /// As git's `extensions.objectFormat` has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
        })
    }
}

/// The id of a Git object: 20 or 32 bytes, shown as lower-case hex.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId(gix::ObjectId);

impl ObjectId {
    /// The raw bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_slice()
    }

    /// The hash it was made with.
    #[must_use]
    pub fn format(&self) -> ObjectFormat {
        format_of(self.0.kind())
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.as_bytes()))
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<gix::ObjectId> for ObjectId {
    fn from(id: gix::ObjectId) -> Self {
        Self(id)
    }
}

/// An object's id and the bytes it is the hash of, without the `<type> <size>\0` before them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawObject {
    /// Its id, checked against the bytes.
    pub id: ObjectId,
    /// The object as Git hashes and signs it.
    pub bytes: Vec<u8>,
}

/// Why a commit could not be found. Reasons are in Git's or the system's words.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// A `file:` URL that names no path of this machine.
    #[error("`{url}` is not a path of this machine")]
    NotLocal {
        /// What was given.
        url: String,
    },
    /// No repository stands there, or none that can be opened.
    #[error("{}: not a Git repository: {reason}", path.display())]
    NotARepository {
        /// Where.
        path: PathBuf,
        /// What is missing.
        reason: String,
    },
    /// The revision names nothing, or more than one thing.
    #[error("{}: no single commit is named by revision `{revision}`: {reason}", repository.display())]
    UnknownRevision {
        /// What was asked for.
        revision: String,
        /// Where it was looked for.
        repository: PathBuf,
        /// What was found instead.
        reason: String,
    },
    /// There is no tag of that name.
    #[error("{}: there is no tag `{name}`", repository.display())]
    UnknownTag {
        /// What was asked for.
        name: String,
        /// Where it was looked for.
        repository: PathBuf,
    },
    /// What was named is, or leads to, something other than a commit.
    #[error("{}: {revision} leads to {id}, a {kind}, not to a commit", repository.display())]
    NotACommit {
        /// What was asked for, with its sort.
        revision: String,
        /// Where it was looked for.
        repository: PathBuf,
        /// The object at the end.
        id: ObjectId,
        /// Its type: tree or blob.
        kind: String,
    },
    /// Tags of tags of tags.
    #[error("{}: {revision} leads through more than {TAG_CHAIN_MAX} tags", repository.display())]
    TagChainTooLong {
        /// What was asked for, with its sort.
        revision: String,
        /// Where it was looked for.
        repository: PathBuf,
    },
    /// An object that the repository should hold and doesn't, or holds damaged.
    #[error("{}: object {id} cannot be read: {reason}", repository.display())]
    UnreadableObject {
        /// Which one.
        id: ObjectId,
        /// Where it was looked for.
        repository: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A reference that cannot be read.
    #[error("{}: {name} cannot be read: {reason}", repository.display())]
    UnreadableReference {
        /// Its full name.
        name: String,
        /// Where it was looked for.
        repository: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A commit or tag beyond the bound.
    #[error("{}: object {id} has {size} bytes; at most {OBJECT_BYTES_MAX} are read", repository.display())]
    TooLarge {
        /// Which one.
        id: ObjectId,
        /// Where it was found.
        repository: PathBuf,
        /// Its size in bytes.
        size: u64,
    },
}

fn format_of(kind: gix::hash::Kind) -> ObjectFormat {
    if kind == gix::hash::Kind::Sha256 { ObjectFormat::Sha256 } else { ObjectFormat::Sha1 }
}
