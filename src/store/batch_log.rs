//! What a log of batch frames can do: the reading half, the writing half, and the places in it.
//!
//! [`BatchSource`] is all that readers and the verifier need; no lock goes with it. [`BatchLog`] is the
//! writer's. Both are object-safe, and small enough for an object store to implement them: a file is then
//! an object that holds one frame. Walking frames is written once, in [`super::scan`] and [`super::tail`],
//! over these.

use std::io;
use std::path::PathBuf;

use super::frame::{FrameError, FrameHeader};
use super::tail::TailState;

/// A file of the log: whole frames one after another, named by the index of its first entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogFile {
    /// The index that its name gives. Which one its first frame gives, the scan compares.
    pub first_index: u64,
    /// Its length. Where the files are rebuilt from something else as they are read, it is not longer than this.
    pub bytes: u64,
}

/// A place in the log where a frame begins or could begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The first index of the file, which is its name.
    pub file: u64,
    /// Bytes from the file's beginning.
    pub offset: u64,
    /// The index of the first entry of the frame that belongs here.
    pub index: u64,
}

impl Position {
    /// The log's beginning.
    pub const START: Self = Self { file: 0, offset: 0, index: 0 };
}

/// Where a frame lies, and which entries it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameLocation {
    position: Position,
    count: u32,
    length: u32,
}

impl FrameLocation {
    /// The place of a frame with this header at `position`.
    #[must_use]
    pub const fn new(position: Position, header: &FrameHeader) -> Self {
        Self { position, count: header.count(), length: header.length() }
    }

    /// Where it begins.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.position
    }

    /// The index of its first entry.
    #[must_use]
    pub const fn first_index(&self) -> u64 {
        self.position.index
    }

    /// How many entries it holds.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// Its bytes.
    #[must_use]
    pub const fn length(&self) -> u32 {
        self.length
    }

    /// The index after its last entry: the tree size that its checkpoint covers.
    #[must_use]
    pub const fn next_index(&self) -> u64 {
        self.position.index.saturating_add(self.count as u64)
    }

    /// The place behind it in the same file.
    #[must_use]
    pub const fn end(&self) -> Position {
        let Position { file, offset, .. } = self.position;
        Position { file, offset: offset.saturating_add(self.length as u64), index: self.next_index() }
    }
}

/// Reads a log. Anyone may, at any time, while the writer appends; bytes that were there once do not
/// change, but only what `head` covers is published.
pub trait BatchSource: Send + Sync {
    /// The log's files, ascending by first index.
    fn files(&self) -> Result<Vec<LogFile>, StoreError>;

    /// Fills `buffer` from the file named by `file`, from `offset` on, and returns how many bytes there
    /// were: fewer only at the file's end.
    fn read_at(&self, file: u64, offset: u64, buffer: &mut [u8]) -> Result<usize, StoreError>;
}

/// Writes a log. The order is: open, [`super::tail::walk_tail`], [`BatchLog::resume`], appends.
pub trait BatchLog: BatchSource {
    /// Makes ready for appending behind `tail.sound_until()`, and cuts a torn write where `tail` holds one,
    /// once its bytes are kept. The caller has decided that all frames beyond the head are the ledger's own.
    ///
    /// # Errors
    /// [`StoreError::Unsound`] where the tail is damaged or too short; [`StoreError::Changed`] where the log
    /// is no longer the one that was walked; otherwise as [`BatchLog::append`].
    fn resume(&mut self, tail: &TailState) -> Result<(), StoreError>;

    /// Appends one frame whose first entry has index `first_index`. It is durable when this returns `Ok`.
    ///
    /// # Errors
    /// [`StoreError::NotResumed`], [`StoreError::NotNext`] and [`StoreError::Frame`] leave the log as it was.
    /// After any other the outcome is unknown: the log is poisoned, and every further append is
    /// [`StoreError::Poisoned`]. Only opening anew tells what became of the frame.
    fn append(&mut self, frame: &[u8], first_index: u64) -> Result<FrameLocation, StoreError>;

    /// Where the next frame goes, once resumed; a new file may be begun for it.
    fn end(&self) -> Option<Position>;
}

/// Why a log could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The operating system said no.
    #[error("cannot {operation} {path}: {source}", path = path.display())]
    Io {
        /// What was tried, as a verb.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// An earlier write or sync failed.
    #[error("an earlier write failed, and its outcome is unknown: open the ledger anew, then retry")]
    Poisoned,
    /// Nothing can be appended before the tail was walked and resumed from.
    #[error("the log has not been made ready for appending")]
    NotResumed,
    /// The tail is damaged below the published size, or behind it in a way no interrupted write explains.
    #[error("the log's tail is not sound: {reason}")]
    Unsound {
        /// The condition, in words.
        reason: String,
    },
    /// The frame does not continue the log. In an object store, somebody else was faster.
    #[error("a frame that begins with entry {given} does not continue a log of {expected} entries")]
    NotNext {
        /// The log's size.
        expected: u64,
        /// The frame's first index.
        given: u64,
    },
    /// What was to be appended is not one frame.
    #[error("these bytes are not one frame: {0}")]
    Frame(#[from] FrameError),
    /// Somebody else changed the log while this writer held it.
    #[error("the log file {file:020} has {actual} bytes where this writer left {expected}")]
    Changed {
        /// The file's name.
        file: u64,
        /// Its length when last written or walked.
        expected: u64,
        /// Its length now.
        actual: u64,
    },
    /// A file is not there that a location names.
    #[error("there is no log file {file:020}")]
    NoSuchFile {
        /// The file's name.
        file: u64,
    },
}

/// Checks that `frame` is as long as its header says and begins at `first_index`, which is `expected`.
/// The checksum is not computed: the caller has just encoded these bytes.
///
/// # Errors
/// [`StoreError::Frame`] or [`StoreError::NotNext`].
pub(super) fn check_next(frame: &[u8], first_index: u64, expected: u64) -> Result<FrameHeader, StoreError> {
    let header = FrameHeader::parse(frame)?;
    if header.length() as usize != frame.len() || header.first_index() != first_index {
        return Err(FrameError::Malformed("its header does not fit what is appended").into());
    }
    if first_index != expected {
        return Err(StoreError::NotNext { expected, given: first_index });
    }
    Ok(header)
}
