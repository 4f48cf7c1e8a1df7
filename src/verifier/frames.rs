//! The log's frames in order, and on behind damage.
//!
//! [`Scanner`] stops at the first place that is not sound. An audit goes on: it says what is wrong
//! there, goes on where the frame's header says that it ends, or else looks for the next whole frame by its magic, and
//! says which entries lie between. What is
//! found behind damage proves nothing by being found; it is checked like everything else.

use crate::store::batch_log::{BatchSource, FrameLocation, LogFile, Position, StoreError};
use crate::store::frame::{
    FRAME_BYTES_MAX, FRAME_HEADER_BYTES, FRAME_MAGIC, Frame, FrameError, FrameHeader, FrameView,
};
use crate::store::scan::{Damage, DamageReason, ScanError, Scanner, read_header};

use super::finding::Finding;

/// How many bytes are read in all at places where the magic was found, to see whether a frame is
/// whole there. It bounds what a file full of false magics can cost, at about a second.
const SEARCH_BYTES_MAX: u64 = 1 << 30;
/// How much is searched for the magic at once.
const SEARCH_WINDOW_BYTES: usize = 1 << 16;

/// What comes next in the log.
pub(super) enum Step {
    /// A sound frame.
    Frame(Frame),
    /// Something is wrong with frames or files.
    Found(Finding),
    /// Entries could not be read.
    Gap {
        /// The first index that is not there.
        from: u64,
        /// The first one behind it that is, or the published size; none where nothing tells.
        until: Option<u64>,
        cause: GapCause,
    },
}

/// Why entries could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GapCause {
    /// What comes behind them stands where they belong.
    Missing,
    /// Bytes that are no sound frame stand there.
    Damaged,
    /// They are whole, and for a later program to read.
    Newer,
}

/// A walk over all frames up to a size.
pub(super) struct Frames<'s> {
    source: &'s dyn BatchSource,
    scanner: Scanner<'s>,
    /// No frame counts whose first index is this or above.
    until: u64,
    /// What damage leads to, newest last: handed out before the scan goes on.
    pending: Vec<Step>,
    /// Set where nothing can be read behind damage.
    ended: bool,
    search_bytes_left: u64,
}

impl<'s> Frames<'s> {
    /// The frames of `source` from `from` on, where one belongs, whose first index lies below `until`.
    ///
    /// # Errors
    /// [`StoreError::NoSuchFile`] where `from` lies in a file that is not there; else the world failed.
    pub(super) fn from(source: &'s dyn BatchSource, from: Position, until: u64) -> Result<Self, StoreError> {
        let scanner = scanner(source, from, until)?;
        Ok(Self {
            source,
            scanner,
            until,
            pending: Vec::new(),
            ended: false,
            search_bytes_left: SEARCH_BYTES_MAX,
        })
    }

    /// The index of the entry that belongs next: at the end, the log's size as far as it was read.
    pub(super) const fn next_index(&self) -> u64 {
        self.scanner.position().index
    }

    /// Where the next frame belongs.
    pub(super) const fn position(&self) -> Position {
        self.scanner.position()
    }

    /// Whether it ended at damage: what was published behind it is unread, and nobody can say whether it is there.
    pub(super) const fn ended_at_damage(&self) -> bool {
        self.ended
    }

    /// Whether a sound frame stands where this walk ended.
    pub(super) fn goes_on(&self) -> Result<bool, StoreError> {
        let mut behind = scanner(self.source, self.scanner.position(), u64::MAX)?;
        match behind.next_frame() {
            Some(Err(ScanError::Store(error))) => Err(error),
            next => Ok(matches!(next, Some(Ok(_)))),
        }
    }

    /// The next step; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Step>, StoreError> {
        loop {
            if let Some(step) = self.pending.pop() {
                return Ok(Some(step));
            }
            if self.ended {
                return Ok(None);
            }
            match self.scanner.next_frame() {
                None => return Ok(None),
                Some(Ok(located)) => return Ok(Some(Step::Frame(Frame::from(located.frame)))),
                Some(Err(ScanError::Store(error))) => return Err(error),
                Some(Err(ScanError::Damage(damage))) => {
                    let mut steps = Vec::new();
                    self.go_on_behind(&damage, &mut steps)?;
                    steps.reverse();
                    self.pending = steps;
                }
            }
        }
    }

    /// Says what is wrong at `damage`, and moves on to the next whole frame that belongs behind it.
    fn go_on_behind(&mut self, damage: &Damage, steps: &mut Vec<Step>) -> Result<(), StoreError> {
        let at = damage.position();
        if let Some(version) = damage.newer_version() {
            return self.skip_newer(at, version, steps);
        }
        let search_from = name_damage(damage, steps);
        if let Some(behind) = self.behind_misplaced(damage)? {
            self.scanner = scanner(self.source, behind, self.until)?;
            return Ok(());
        }
        if let Some(next) = self.end_of_damaged(damage)?.or(self.file_by_its_name(damage)?) {
            return self.resume(at, next, damage, steps);
        }
        if let Some(found) = self.search(search_from, steps)? {
            return self.resume(at, found, damage, steps);
        }
        self.end(at, damage, steps);
        Ok(())
    }

    /// Where a sound frame that comes too late ends. What stands there is judged by itself.
    fn behind_misplaced(&self, damage: &Damage) -> Result<Option<Position>, StoreError> {
        let at = damage.position();
        let Some(actual) = frame_index(damage).filter(|&actual| actual < at.index) else { return Ok(None) };
        let end = self.end_by_header(Position { index: actual, ..at })?;
        Ok(end.map(|end| Position { index: at.index, ..end }))
    }

    /// The beginning of the file in which the log goes on behind a missing one, if no frame there says that it is
    /// misnamed. What stands there is judged by itself.
    fn file_by_its_name(&self, damage: &Damage) -> Result<Option<Position>, StoreError> {
        let DamageReason::FileName { actual } = *damage.reason() else { return Ok(None) };
        let beginning = Position { file: actual, offset: 0, index: actual };
        let is_misnamed = match read_header(self.source, beginning) {
            Ok(header) => header.first_index() != actual,
            Err(ScanError::Damage(_)) => false,
            Err(ScanError::Store(error)) => return Err(error),
        };
        let goes_on = (damage.position().index..self.until).contains(&actual) && !is_misnamed;
        Ok(goes_on.then_some(beginning))
    }

    /// Where a frame that is not sound ends, if its header can be read, and where that ends stands the header of the
    /// one that belongs next. So of two damaged neighbours neither hides the other.
    fn end_of_damaged(&self, damage: &Damage) -> Result<Option<Position>, StoreError> {
        let DamageReason::Frame(_) = damage.reason() else { return Ok(None) };
        let Some(end) = self.end_by_header(damage.position())? else { return Ok(None) };
        let files = self.source.files()?;
        let has_file = |first_index| files.iter().any(|file| file.first_index == first_index);
        let file_ends = files.iter().any(|file| (file.first_index, file.bytes) == (end.file, end.offset));
        let is_elsewhere = file_ends && has_file(end.index);
        let next = if is_elsewhere { Position { file: end.index, offset: 0, ..end } } else { end };
        let goes_on = next.index < self.until && self.end_by_header(next)?.is_some();
        Ok(goes_on.then_some(next))
    }

    /// Where the frame that begins at `at` ends, by its header; none where no header of that frame stands there.
    fn end_by_header(&self, at: Position) -> Result<Option<Position>, StoreError> {
        match read_header(self.source, at) {
            Ok(header) if header.first_index() == at.index => Ok(Some(FrameLocation::new(at, &header).end())),
            Ok(_) | Err(ScanError::Damage(_)) => Ok(None),
            Err(ScanError::Store(error)) => Err(error),
        }
    }

    /// Goes on at `found`, a frame behind damage at `at`.
    fn resume(
        &mut self,
        at: Position,
        found: Position,
        damage: &Damage,
        steps: &mut Vec<Step>,
    ) -> Result<(), StoreError> {
        if let Some(actual) = frame_index(damage).filter(|&actual| actual > at.index) {
            let Position { file, offset, index } = at;
            steps.push(Step::Found(Finding::FrameMissing { index, file, offset, actual }));
        }
        if found.index > at.index {
            steps.push(Step::Gap { from: at.index, until: Some(found.index), cause: gap_cause(damage) });
        }
        self.scanner = scanner(self.source, found, self.until)?;
        Ok(())
    }

    /// Ends at damage behind which nothing more is found.
    fn end(&mut self, at: Position, damage: &Damage, steps: &mut Vec<Step>) {
        self.ended = true;
        let until = Some(self.until).filter(|&until| until != u64::MAX);
        steps.push(Step::Gap { from: at.index, until, cause: gap_cause(damage) });
    }

    /// A whole frame of a later version: its header tells how far it goes.
    fn skip_newer(&mut self, at: Position, version: u32, steps: &mut Vec<Step>) -> Result<(), StoreError> {
        steps.push(Step::Found(Finding::FrameNewer { index: at.index, version }));
        let header = match read_header(self.source, at) {
            Ok(header) => header,
            Err(ScanError::Store(error)) => return Err(error),
            Err(ScanError::Damage(_)) => unreachable!("the scan has read this header"),
        };
        let end = FrameLocation::new(at, &header).end();
        steps.push(Step::Gap { from: at.index, until: Some(end.index), cause: GapCause::Newer });
        self.scanner = scanner(self.source, end, self.until)?;
        Ok(())
    }

    /// The next whole frame from `from` on whose first index is `from.index` or above, and below
    /// the end. Whole frames with a lower index are named and skipped.
    fn search(&mut self, from: Position, steps: &mut Vec<Step>) -> Result<Option<Position>, StoreError> {
        let files = self.source.files()?;
        for file in files.iter().filter(|file| file.first_index >= from.file) {
            let mut offset = if file.first_index == from.file { from.offset } else { 0 };
            while let Some(candidate) = self.find_magic(file, offset)? {
                let at = Position { file: file.first_index, offset: candidate, index: from.index };
                self.search_bytes_left = self.search_bytes_left.saturating_sub(SEARCH_WINDOW_BYTES as u64);
                if self.search_bytes_left == 0 {
                    return Ok(None);
                }
                let Some(header) = self.whole_frame(file, candidate)? else {
                    offset = candidate + 1;
                    continue;
                };
                if header.first_index() >= self.until {
                    return Ok(None);
                }
                if header.first_index() >= from.index {
                    return Ok(Some(Position { index: header.first_index(), ..at }));
                }
                steps.push(Step::Found(Finding::FrameMisplaced {
                    index: from.index,
                    file: at.file,
                    offset: at.offset,
                    actual: header.first_index(),
                }));
                offset = candidate + u64::from(header.length());
            }
        }
        Ok(None)
    }

    /// Where in `file` the magic stands, from `offset` on.
    fn find_magic(&self, file: &LogFile, mut offset: u64) -> Result<Option<u64>, StoreError> {
        let mut window = vec![0; SEARCH_WINDOW_BYTES];
        loop {
            let count = self.source.read_at(file.first_index, offset, &mut window)?;
            let bytes = &window[..count];
            if let Some(place) = bytes.windows(FRAME_MAGIC.len()).position(|part| part == FRAME_MAGIC) {
                return Ok(Some(offset + place as u64));
            }
            if count < FRAME_MAGIC.len() {
                return Ok(None);
            }
            // The magic may stand across the window's end.
            offset += (count - (FRAME_MAGIC.len() - 1)) as u64;
        }
    }

    /// The header of the whole frame, of this version or a later one, at `offset`, if one is there.
    fn whole_frame(&mut self, file: &LogFile, offset: u64) -> Result<Option<FrameHeader>, StoreError> {
        let mut start = [0; FRAME_HEADER_BYTES];
        let count = self.source.read_at(file.first_index, offset, &mut start)?;
        let Ok(header) = FrameHeader::parse(&start[..count]) else { return Ok(None) };
        let length = header.length() as usize;
        debug_assert!(length <= FRAME_BYTES_MAX);
        self.search_bytes_left = self.search_bytes_left.saturating_sub(length as u64);
        let mut bytes = vec![0; length];
        let count = self.source.read_at(file.first_index, offset, &mut bytes)?;
        Ok(match FrameView::parse(&bytes[..count]) {
            Ok(_) | Err(FrameError::Version(_)) => Some(header),
            Err(_) => None,
        })
    }
}

/// Says what is wrong at `damage`, and gives the place from which to search on.
fn name_damage(damage: &Damage, steps: &mut Vec<Step>) -> Position {
    let at = damage.position();
    let Position { file, offset, index } = at;
    match damage.reason() {
        DamageReason::Frame(error) => {
            let reason = error.to_string();
            steps.push(Step::Found(Finding::FrameDamaged { index, file, offset, reason }));
            Position { offset: offset + 1, ..at }
        }
        DamageReason::FileName { actual } => {
            steps.push(Step::Found(Finding::LogFileName { index, file: *actual }));
            Position { file: *actual, offset: 0, index }
        }
        DamageReason::Index { actual } if *actual < index => {
            let actual = *actual;
            steps.push(Step::Found(Finding::FrameMisplaced { index, file, offset, actual }));
            at
        }
        // The search begins with this frame. (A straddling frame is said of a log's tail, by those who write.)
        DamageReason::Index { .. } | DamageReason::Straddles { .. } => at,
    }
}

/// The first index of the sound frame that stands where another one belongs.
const fn frame_index(damage: &Damage) -> Option<u64> {
    match damage.reason() {
        DamageReason::Index { actual } => Some(*actual),
        _ => None,
    }
}

const fn gap_cause(damage: &Damage) -> GapCause {
    match damage.reason() {
        DamageReason::Index { .. } | DamageReason::FileName { .. } => GapCause::Missing,
        DamageReason::Frame(_) | DamageReason::Straddles { .. } => GapCause::Damaged,
    }
}

fn scanner(source: &dyn BatchSource, from: Position, until: u64) -> Result<Scanner<'_>, StoreError> {
    Scanner::new(source, from, until).map_err(|error| match error {
        ScanError::Store(error) => error,
        ScanError::Damage(_) => unreachable!("beginning a scan reads no frame"),
    })
}
