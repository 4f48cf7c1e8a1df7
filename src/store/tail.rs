//! What stands at the end of a log that a writer left, perhaps in the middle of a write (docs/operating.md,
//! "Torn writes").
//!
//! [`walk_tail`] looks, [`TailState::judge`] decides, and only [`super::batch_log::BatchLog::resume`] acts. The
//! walk starts at a place the index remembers, or at the last file that can hold the published size; up to that
//! size it goes from header to header, and behind it it checks every frame. Whether the frames beyond the head
//! are the ledger's own, their signed notes tell: that is left to `ledger`.
//!
//! The rule: a last frame is torn, and may be cut, only if it starts at or beyond the published size, is
//! incomplete or fails its checksum, and no valid frame follows it. Damage below the published size is never cut
//! or repaired.

use std::fmt;

use super::batch_log::{BatchSource, FrameLocation, LogFile, Position, StoreError};
use super::frame::{FRAME_BYTES_MAX, FRAME_MAGIC, FrameError, FrameHeader, FrameView};
use super::scan::{Damage, DamageReason, ScanError, Scanner, read_header};

/// What a walk over the tail saw; nothing is decided yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TailWalk {
    /// The published size that the walk was told.
    pub published: u64,
    /// The frame that ends at the published size, by its header only.
    pub last_published: Option<FrameLocation>,
    /// The sound frames at and behind the published size, in order.
    pub beyond: Vec<FrameLocation>,
    /// Behind the last frame that was accepted.
    pub end: Position,
    /// Why the walk ended, where it isn't the log's end.
    pub stop: Option<TailStop>,
}

/// Why a walk over the tail ended before the log's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TailStop {
    /// What is wrong, and where.
    pub damage: Damage,
    /// Bytes from there to the file's end.
    pub bytes: u64,
    /// Whether no other file comes after.
    pub in_last_file: bool,
    /// Whether a valid frame of a higher index begins further back in the file.
    pub frame_follows: bool,
}

/// A write that was interrupted before anybody was told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Torn {
    position: Position,
    bytes: u64,
    reason: FrameError,
}

impl Torn {
    /// Where the torn frame begins: the file is cut here.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.position
    }

    /// How many bytes stand from there to the file's end.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What is wrong with them.
    #[must_use]
    pub const fn reason(&self) -> &FrameError {
        &self.reason
    }
}

/// Whether a writer may go on behind the tail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TailCondition {
    /// The log ends with a whole frame, or is empty.
    Sound,
    /// It ends with a torn write, which may be cut.
    Torn(Torn),
    /// It is damaged, and nothing may be cut: the ledger opens for reading only.
    Damaged(Damage),
    /// It is sound and ends below the published size: a restored backup, a lost disk.
    Shorter {
        /// The log's size.
        size: u64,
        /// The size that `head` gives.
        published: u64,
    },
}

impl fmt::Display for TailCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sound => f.write_str("sound"),
            Self::Torn(Torn { position, bytes, reason }) => {
                write!(
                    f,
                    "torn write of {bytes} bytes in log file {:020}, offset {}",
                    position.file, position.offset
                )?;
                write!(f, ": {reason}")
            }
            Self::Damaged(damage) => damage.fmt(f),
            Self::Shorter { size, published } => {
                write!(f, "the log ends after {size} entries, and {published} were published")
            }
        }
    }
}

/// The verdict on a tail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TailState {
    walk: TailWalk,
    condition: TailCondition,
}

impl TailState {
    /// Decides by the rule above. Pure: all facts are in `walk`.
    #[must_use]
    pub fn judge(walk: TailWalk) -> Self {
        let (size, published) = (walk.end.index, walk.published);
        let condition = match &walk.stop {
            Some(stop) => match torn(stop, published) {
                Some(torn) => TailCondition::Torn(torn),
                None => TailCondition::Damaged(stop.damage.clone()),
            },
            None if size < published => TailCondition::Shorter { size, published },
            None => TailCondition::Sound,
        };
        Self { walk, condition }
    }

    /// Whether a writer may go on.
    #[must_use]
    pub const fn condition(&self) -> &TailCondition {
        &self.condition
    }

    /// Behind the last whole frame: where the next one goes, unless the condition forbids it.
    #[must_use]
    pub const fn sound_until(&self) -> Position {
        self.walk.end
    }

    /// The whole frames that nobody published, in order. To be adopted where their notes are signed.
    #[must_use]
    pub fn frames_beyond_head(&self) -> &[FrameLocation] {
        &self.walk.beyond
    }

    /// The frame that ends at the published size; none where nothing was published, and where the walk began
    /// behind it. Only its header has been read.
    #[must_use]
    pub const fn last_published(&self) -> Option<FrameLocation> {
        self.walk.last_published
    }

    /// The torn write, where there is one.
    #[must_use]
    pub const fn torn(&self) -> Option<&Torn> {
        match &self.condition {
            TailCondition::Torn(torn) => Some(torn),
            _ => None,
        }
    }

    /// Where a writer goes on.
    ///
    /// # Errors
    /// [`StoreError::Unsound`] where it must not.
    pub fn writable_end(&self) -> Result<Position, StoreError> {
        match &self.condition {
            TailCondition::Sound | TailCondition::Torn(_) => Ok(self.walk.end),
            unsound => Err(StoreError::Unsound { reason: unsound.to_string() }),
        }
    }
}

fn torn(stop: &TailStop, published: u64) -> Option<Torn> {
    let position = stop.damage.position();
    let DamageReason::Frame(reason) = stop.damage.reason() else { return None };
    let may_be_cut =
        position.index >= published && reason.may_be_torn_write() && stop.in_last_file && !stop.frame_follows;
    may_be_cut.then(|| Torn { position, bytes: stop.bytes, reason: reason.clone() })
}

/// Walks the tail of a log of which `published` entries are covered by `head` (0 where there is no head).
/// `hint` is where some frame below the published size begins, as the index remembers it; a hint that the
/// log does not bear out is ignored.
///
/// # Errors
/// [`StoreError`] where the log cannot be read. Damage is no error here but part of the answer.
pub fn walk_tail(
    source: &dyn BatchSource,
    published: u64,
    hint: Option<Position>,
) -> Result<TailWalk, StoreError> {
    let files = source.files()?;
    let start = match hint.filter(|hint| hint.index <= published) {
        Some(hint) if bears_out(source, hint)? => hint,
        _ => start_without_hint(&files, published),
    };
    let mut walk = TailWalk { published, last_published: None, beyond: Vec::new(), end: start, stop: None };
    let damage = match skip_published(source, &files, &mut walk)? {
        None => collect_beyond(source, &mut walk)?,
        found => found,
    };
    if let Some(damage) = damage {
        walk.stop = Some(describe_stop(source, &files, published, damage)?);
    }
    Ok(walk)
}

/// Says whether a frame with the right index begins at `hint`.
fn bears_out(source: &dyn BatchSource, hint: Position) -> Result<bool, StoreError> {
    match read_header(source, hint) {
        Ok(header) => Ok(header.first_index() == hint.index),
        Err(ScanError::Damage(_) | ScanError::Store(StoreError::NoSuchFile { .. })) => Ok(false),
        Err(ScanError::Store(error)) => Err(error),
    }
}

/// The beginning of the last file that begins below the published size, for in it lies the frame that ends there;
/// the log's where there is none.
fn start_without_hint(files: &[LogFile], published: u64) -> Position {
    let last = files.iter().rfind(|file| file.first_index < published);
    last.map_or(Position::START, |file| Position {
        file: file.first_index,
        offset: 0,
        index: file.first_index,
    })
}

/// Goes from header to header up to the published size. Returns the damage that is in the way.
fn skip_published(
    source: &dyn BatchSource,
    files: &[LogFile],
    walk: &mut TailWalk,
) -> Result<Option<Damage>, StoreError> {
    while walk.end.index < walk.published {
        let at = match step_into_next_file(files, walk.end) {
            Ok(Some(at)) => at,
            Ok(None) => return Ok(None),
            Err(damage) => return Ok(Some(damage)),
        };
        walk.end = at;
        let header = match read_header(source, at) {
            Ok(header) => header,
            Err(ScanError::Damage(damage)) => return Ok(Some(damage)),
            Err(ScanError::Store(error)) => return Err(error),
        };
        let location = FrameLocation::new(at, &header);
        if let Some(reason) = contradiction(&location, header.first_index(), files, walk.published) {
            return Ok(Some(Damage::new(at, reason)));
        }
        walk.end = location.end();
        walk.last_published = Some(location).filter(|last| last.next_index() == walk.published);
    }
    Ok(None)
}

/// `at`, or the next file's beginning where `at` is its file's end; none at the end of the log.
fn step_into_next_file(files: &[LogFile], at: Position) -> Result<Option<Position>, Damage> {
    let misnamed = |actual| Damage::new(at, DamageReason::FileName { actual });
    let Ok(here) = files.binary_search_by_key(&at.file, |file| file.first_index) else {
        return files.first().map_or(Ok(None), |file| Err(misnamed(file.first_index)));
    };
    if at.offset < files[here].bytes {
        return Ok(Some(at));
    }
    match files.get(here + 1) {
        None => Ok(None),
        Some(next) if next.first_index != at.index => Err(misnamed(next.first_index)),
        Some(next) => Ok(Some(Position { file: next.first_index, offset: 0, index: at.index })),
    }
}

/// What a header says that cannot be, given its place.
fn contradiction(
    location: &FrameLocation,
    first_index: u64,
    files: &[LogFile],
    published: u64,
) -> Option<DamageReason> {
    let Position { file, offset, index } = location.position();
    let available = bytes_of(files, file).saturating_sub(offset);
    if first_index != index {
        return Some(DamageReason::Index { actual: first_index });
    }
    if u64::from(location.length()) > available {
        let (needed, actual) = (location.length() as usize, usize::try_from(available).unwrap_or(usize::MAX));
        return Some(DamageReason::Frame(FrameError::Incomplete { needed, actual }));
    }
    if location.count() == 0 {
        return Some(DamageReason::Frame(FrameError::Malformed("its count is outside 1 to 4,096")));
    }
    (location.next_index() > published).then_some(DamageReason::Straddles { published })
}

/// Checks every frame from the published size on.
fn collect_beyond(source: &dyn BatchSource, walk: &mut TailWalk) -> Result<Option<Damage>, StoreError> {
    if walk.end.index < walk.published {
        return Ok(None);
    }
    let scanned = Scanner::new(source, walk.end, u64::MAX).and_then(|mut scanner| {
        while let Some(found) = scanner.next_frame() {
            walk.beyond.push(found?.location);
        }
        Ok(scanner.position())
    });
    match scanned {
        Ok(end) => walk.end = end,
        Err(ScanError::Damage(damage)) => {
            walk.end = damage.position();
            return Ok(Some(damage));
        }
        Err(ScanError::Store(error)) => return Err(error),
    }
    Ok(None)
}

fn describe_stop(
    source: &dyn BatchSource,
    files: &[LogFile],
    published: u64,
    damage: Damage,
) -> Result<TailStop, StoreError> {
    let Position { file, offset, index } = damage.position();
    let bytes = bytes_of(files, file).saturating_sub(offset);
    let in_last_file = files.last().is_some_and(|last| last.first_index == file);
    let frame_follows = match damage.reason() {
        DamageReason::Frame(error) if error.may_be_torn_write() && index >= published => {
            valid_frame_follows(source, damage.position(), bytes)?
        }
        _ => false,
    };
    Ok(TailStop { damage, bytes, in_last_file, frame_follows })
}

fn bytes_of(files: &[LogFile], file: u64) -> u64 {
    let at = files.binary_search_by_key(&file, |candidate| candidate.first_index);
    at.map_or(0, |at| files[at].bytes)
}

/// Searches the `bytes` bytes from `at` on for another whole frame with a fitting checksum and a higher index.
/// One of a lower index was never written there by a writer: it is a copy inside somebody's entry, and must
/// not keep the torn write around it from being cut.
fn valid_frame_follows(source: &dyn BatchSource, at: Position, bytes: u64) -> Result<bool, StoreError> {
    // Each window is searched in its first half, so that a frame found there is whole in it.
    let window_bytes = usize::try_from(bytes).unwrap_or(usize::MAX).min(2 * FRAME_BYTES_MAX);
    let mut window = vec![0; window_bytes];
    let mut offset = at.offset + 1;
    loop {
        let count = source.read_at(at.file, offset, &mut window)?;
        let searched = count.min(FRAME_BYTES_MAX);
        if (0..searched).any(|from| begins_valid_frame(&window[from..count], at.index)) {
            return Ok(true);
        }
        if searched == count {
            return Ok(false);
        }
        offset += searched as u64;
    }
}

fn begins_valid_frame(bytes: &[u8], above_index: u64) -> bool {
    if !bytes.starts_with(&FRAME_MAGIC) {
        return false;
    }
    let is_behind = FrameHeader::parse(bytes).is_ok_and(|header| header.first_index() > above_index);
    // These two errors mean that the checksum fits: somebody wrote this on purpose.
    let is_whole =
        || matches!(FrameView::parse(bytes), Ok(_) | Err(FrameError::Version(_) | FrameError::Malformed(_)));
    is_behind && is_whole()
}
