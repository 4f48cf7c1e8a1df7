//! Frames in order, from a place on, and the exact place where damage begins.
//!
//! A [`Scanner`] reads through one buffer that it uses again and again, checks each frame's checksum and
//! layout, and checks that indices run on without a gap, across files too. What entries and notes say is
//! left to `log`. Damage is never skipped: behind it, nothing is in order.

use std::fmt;

use super::batch_log::{BatchSource, FrameLocation, LogFile, Position, StoreError};
use super::frame::{
    FRAME_BYTES_MAX, FRAME_HEADER_BYTES, Frame, FrameError, FrameHeader, FrameParts, FrameView,
};

/// How much is read at once. A larger frame widens the buffer, up to [`FRAME_BYTES_MAX`].
const READ_BYTES: usize = 1 << 20;

/// Why a scan stopped before its end.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// The log could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It was read, and is not sound.
    #[error(transparent)]
    Damage(#[from] Damage),
}

/// A place where the log is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("log file {:020}, offset {}, where entry {} belongs: {reason}", position.file, position.offset, position.index)]
pub struct Damage {
    position: Position,
    reason: DamageReason,
}

impl Damage {
    pub(super) const fn new(position: Position, reason: DamageReason) -> Self {
        Self { position, reason }
    }

    /// Where, and which entry should begin there.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.position
    }

    /// What is wrong.
    #[must_use]
    pub const fn reason(&self) -> &DamageReason {
        &self.reason
    }

    /// The version of the whole frame that stands here, where it is one that this program cannot read:
    /// then nothing is known to be damaged, and nothing more can be told.
    #[must_use]
    pub const fn newer_version(&self) -> Option<u32> {
        match self.reason {
            DamageReason::Frame(FrameError::Version(version)) => Some(version),
            _ => None,
        }
    }
}

/// What is wrong at a place of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DamageReason {
    /// The bytes are not a sound frame.
    Frame(FrameError),
    /// A sound frame, but its first index is another than the one that belongs here.
    Index {
        /// The index found.
        actual: u64,
    },
    /// The log goes on in a file of another name: one is missing between, or its name is false.
    FileName {
        /// The name found, as a first index.
        actual: u64,
    },
    /// A frame that begins below the published size goes beyond it, so that no batch ends there.
    Straddles {
        /// The published size.
        published: u64,
    },
}

impl fmt::Display for DamageReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frame(error) => error.fmt(f),
            Self::Index { actual } => write!(f, "the frame begins with entry {actual}"),
            Self::FileName { actual } => {
                write!(f, "the log goes on in file {actual:020}: a file is missing, or misnamed")
            }
            Self::Straddles { published } => {
                write!(f, "no batch ends at the published size, {published}")
            }
        }
    }
}

/// A frame and where it lies.
#[derive(Debug, Clone, Copy)]
pub struct LocatedFrame<'a> {
    /// Where.
    pub location: FrameLocation,
    /// The frame, sound.
    pub frame: FrameView<'a>,
}

/// Walks the frames of a log in order.
pub struct Scanner<'s> {
    source: &'s dyn BatchSource,
    files: Vec<LogFile>,
    /// Where the next frame belongs.
    next: Position,
    /// No frame is read whose first index is this or above.
    until: u64,
    buffer: Buffer,
    /// After an error there is nothing in order behind it.
    stopped: bool,
}

impl fmt::Debug for Scanner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scanner")
            .field("next", &self.next)
            .field("until", &self.until)
            .finish_non_exhaustive()
    }
}

impl<'s> Scanner<'s> {
    /// A scan from `from` ([`Position::START`], or the [`FrameLocation::end`] of a frame) up to the published
    /// size `until`, which a reader takes from `head` *before* this call; `u64::MAX` reads all there is.
    ///
    /// # Errors
    /// [`ScanError::Store`] where the files cannot be listed, or `from` names one that is not there.
    pub fn new(source: &'s dyn BatchSource, from: Position, until: u64) -> Result<Self, ScanError> {
        let files = source.files()?;
        let is_there = files.binary_search_by_key(&from.file, |file| file.first_index).is_ok();
        if !is_there && from != Position::START {
            return Err(StoreError::NoSuchFile { file: from.file }.into());
        }
        Ok(Self { source, files, next: from, until, buffer: Buffer::default(), stopped: false })
    }

    /// Where the next frame belongs: after the last one, the size of what was read.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.next
    }

    /// The next frame. `None` at the log's end, at `until`, and after an error.
    pub fn next_frame(&mut self) -> Option<Result<LocatedFrame<'_>, ScanError>> {
        match self.advance() {
            Ok(None) => None,
            Ok(Some((location, parts))) => {
                let frame = FrameView::from_parts(self.buffer.take(location.length() as usize), parts);
                Some(Ok(LocatedFrame { location, frame }))
            }
            Err(error) => {
                self.stopped = true;
                Some(Err(error))
            }
        }
    }

    /// Brings the next frame to the front of the buffer, and moves on behind it.
    fn advance(&mut self) -> Result<Option<(FrameLocation, FrameParts)>, ScanError> {
        if self.stopped || self.next.index >= self.until || !self.find_file()? {
            return Ok(None);
        }
        let at = self.next;
        let damage = |reason| ScanError::from(Damage::new(at, reason));
        let header = self.buffer.fill(self.source, at, FRAME_HEADER_BYTES)?;
        let needed = FrameHeader::parse(header).map_err(|error| damage(DamageReason::Frame(error)))?.length();
        let bytes = self.buffer.fill(self.source, at, needed as usize)?;
        let parts = FrameView::parse(bytes).map_err(|error| damage(DamageReason::Frame(error)))?.parts();
        if parts.header().first_index() != at.index {
            return Err(damage(DamageReason::Index { actual: parts.header().first_index() }));
        }
        let location = FrameLocation::new(at, &parts.header());
        self.next = location.end();
        Ok(Some((location, parts)))
    }

    /// Goes on to the next file where this one has ended. False at the end of the last.
    fn find_file(&mut self) -> Result<bool, ScanError> {
        let misnamed = |at: Position, actual| Damage::new(at, DamageReason::FileName { actual });
        let Some(first) = self.files.first() else { return Ok(false) };
        if self.next == Position::START && first.first_index != 0 {
            return Err(misnamed(self.next, first.first_index).into());
        }
        let here = self.files.binary_search_by_key(&self.next.file, |file| file.first_index);
        let here = here.map_err(|_| StoreError::NoSuchFile { file: self.next.file })?;
        if !self.buffer.fill(self.source, self.next, 1)?.is_empty() {
            return Ok(true);
        }
        let Some(following) = self.files.get(here + 1) else { return Ok(false) };
        if following.first_index != self.next.index {
            return Err(misnamed(self.next, following.first_index).into());
        }
        self.next = Position { file: following.first_index, offset: 0, index: following.first_index };
        self.find_file()
    }
}

/// Reads the one frame at `at`.
///
/// # Errors
/// [`ScanError::Damage`] where no sound frame with first index `at.index` stands there.
pub fn read_frame(source: &dyn BatchSource, at: Position) -> Result<Frame, ScanError> {
    let damage = |reason| ScanError::from(Damage::new(at, reason));
    let header = read_header(source, at)?;
    let mut bytes = vec![0; header.length() as usize];
    let count = source.read_at(at.file, at.offset, &mut bytes)?;
    bytes.truncate(count);
    let frame = Frame::parse(bytes).map_err(|error| damage(DamageReason::Frame(error)))?;
    if frame.view().first_index() != at.index {
        return Err(damage(DamageReason::Index { actual: frame.view().first_index() }));
    }
    Ok(frame)
}

/// Reads the header at `at`, and nothing of what follows it.
///
/// # Errors
/// As [`read_frame`], as far as a header tells.
pub fn read_header(source: &dyn BatchSource, at: Position) -> Result<FrameHeader, ScanError> {
    let mut bytes = [0; FRAME_HEADER_BYTES];
    let count = source.read_at(at.file, at.offset, &mut bytes)?;
    let header = FrameHeader::parse(&bytes[..count]);
    header.map_err(|error| Damage::new(at, DamageReason::Frame(error)).into())
}

/// A window on one file, that moves forward.
#[derive(Default)]
struct Buffer {
    bytes: Vec<u8>,
    /// What of `bytes` is filled and not yet behind the scan.
    start: usize,
    end: usize,
    /// The file, and the offset in it, of `bytes[start]`.
    file: u64,
    offset: u64,
}

impl Buffer {
    /// Up to `needed` bytes from `at` on: fewer only at the file's end. What is left over from the last
    /// read is not read again.
    fn fill(&mut self, source: &dyn BatchSource, at: Position, needed: usize) -> Result<&[u8], StoreError> {
        debug_assert!(needed <= FRAME_BYTES_MAX);
        if (self.file, self.offset) != (at.file, at.offset) {
            (self.start, self.end, self.file, self.offset) = (0, 0, at.file, at.offset);
        }
        if self.end - self.start < needed {
            self.make_room(needed.max(READ_BYTES));
            let from = self.offset + self.end as u64;
            self.end += source.read_at(self.file, from, &mut self.bytes[self.end..])?;
        }
        let available = needed.min(self.end - self.start);
        Ok(&self.bytes[self.start..self.start + available])
    }

    /// Brings what is left to the front of at least `wanted` bytes.
    fn make_room(&mut self, wanted: usize) {
        let left = self.start..self.end;
        (self.start, self.end) = (0, left.len());
        if wanted <= self.bytes.len() {
            self.bytes.copy_within(left, 0);
            return;
        }
        let mut wider = vec![0; wanted];
        wider[..left.len()].copy_from_slice(&self.bytes[left]);
        self.bytes = wider;
    }

    /// The `count` bytes at the front, which are behind the scan from now on.
    fn take(&mut self, count: usize) -> &[u8] {
        let taken = self.start..self.start + count;
        self.start += count;
        self.offset += count as u64;
        &self.bytes[taken]
    }
}
