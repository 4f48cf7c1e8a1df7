//! Reading a ledger without a lock: what `head` covers, entry by entry.
//!
//! Readers read `head` first and go no further: what lies beyond is not published. Nothing here is
//! verified but form; a reader who trusts nobody asks [`crate::verifier`].

use std::collections::BTreeSet;
use std::fmt;
use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use crate::codec::CodecError;
use crate::event::body::{Event, EventError};
use crate::hash::Hash;
use crate::index::offsets::Offsets;
use crate::log::entry::Entry;
use crate::note::checkpoint::{CheckpointNote, OpenError};
use crate::store::batch_log::{BatchSource, FrameLocation, Position, StoreError};
use crate::store::files::FileSource;
use crate::store::frame::{FRAME_HEADER_BYTES, FrameHeader, FrameView};
use crate::store::head::{HeadError, HeadState, read_head};
use crate::store::scan::{ScanError, Scanner};

/// The directory of the log inside a ledger.
pub const LOG_DIR: &str = "log";
/// The directory of what is derived from the log.
pub const INDEX_DIR: &str = "index";
/// How many entries are handed from the thread that reads ahead at once: enough that handing them over costs nothing.
const GROUP_ENTRIES: usize = 1_024;
/// How many such groups wait at most: a few MiB of ordinary entries.
const GROUPS_AHEAD: usize = 4;
/// The ledger's own settings.
pub const CONFIG_FILE: &str = "rollbook.toml";

/// Why a ledger could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Nothing of a ledger stands there.
    #[error("{} is not a ledger directory: it has no {CONFIG_FILE} and no {LOG_DIR}/", path.display())]
    NotALedger {
        /// The directory.
        path: PathBuf,
    },
    /// The ledger was begun, and its entry 0 is not there yet.
    #[error("the ledger in {} holds no entry yet", path.display())]
    Empty {
        /// The directory.
        path: PathBuf,
    },
    /// `head` names no checkpoint that could be read, and the log is not empty.
    #[error("{} holds no checkpoint that can be read, and the log is not empty: run `rollbook verify`", path.display())]
    HeadUnreadable {
        /// The file.
        path: PathBuf,
    },
    /// `head` holds something else than a checkpoint.
    #[error("the checkpoint in `head` cannot be read: {0}")]
    Checkpoint(#[from] OpenError),
    /// `head` could not be read.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// The log could not be read.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// The log ends before the size that `head` names.
    #[error("the log ends after {found} entries, and {published} were published: run `rollbook verify`")]
    Short {
        /// Entries in the log.
        found: u64,
        /// Entries that `head` covers.
        published: u64,
    },
    /// An entry is not in canonical form.
    #[error("entry {index} cannot be read: {error}; run `rollbook verify`")]
    Entry {
        /// Its index.
        index: u64,
        /// Why.
        error: CodecError,
    },
    /// An event is not one that this program can read.
    #[error("the event in entry {index} cannot be read: {error}")]
    Event {
        /// The entry's index.
        index: u64,
        /// Why.
        error: EventError,
    },
    /// There is no such entry.
    #[error("entry {index} does not exist: the ledger has {size} entries")]
    NoSuchEntry {
        /// What was asked for.
        index: u64,
        /// How many there are.
        size: u64,
    },
}

impl From<StoreError> for ReadError {
    fn from(error: StoreError) -> Self {
        Self::Scan(error.into())
    }
}

/// An entry's bytes as its batch holds them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryBytes {
    /// The entry.
    pub entry: Vec<u8>,
    /// The checkpoint note of its batch.
    pub note: Vec<u8>,
}

/// An entry as it was read: bytes, hash and parts.
#[derive(Debug, Clone)]
pub struct LoggedEntry {
    /// The canonical bytes.
    pub bytes: Vec<u8>,
    /// Their leaf hash.
    pub leaf_hash: Hash,
    /// The entry.
    pub entry: Entry,
    /// Its event.
    pub event: Event,
}

impl LoggedEntry {
    /// Reads the bytes of the entry that stands at `index`.
    ///
    /// # Errors
    /// [`ReadError::Entry`] and [`ReadError::Event`].
    pub fn from_bytes(index: u64, bytes: &[u8]) -> Result<Self, ReadError> {
        let entry = Entry::from_bytes(bytes).map_err(|error| ReadError::Entry { index, error })?;
        if entry.index != index {
            let error = CodecError::Invalid(format!("it says that it is entry {}", entry.index));
            return Err(ReadError::Entry { index, error });
        }
        let event =
            Event::from_bytes(entry.envelope.event()).map_err(|error| ReadError::Event { index, error })?;
        Ok(Self { bytes: bytes.to_vec(), leaf_hash: Entry::leaf_hash(bytes), entry, event })
    }
}

/// Whether the log has no byte, or is not there at all.
fn is_empty(log: &FileSource) -> Result<bool, ReadError> {
    match log.files() {
        Ok(files) => Ok(files.iter().all(|file| file.bytes == 0)),
        Err(StoreError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// A ledger as readers see it: fixed at the size that `head` named when it was opened.
pub struct LogReader {
    /// Where derived offsets may be; none where the frames come from elsewhere.
    dir: Option<PathBuf>,
    source: Box<dyn BatchSource>,
    note: Vec<u8>,
    checkpoint: CheckpointNote,
}

impl fmt::Debug for LogReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogReader")
            .field("dir", &self.dir)
            .field("size", &self.size())
            .finish_non_exhaustive()
    }
}

impl LogReader {
    /// Opens the ledger in `dir` at its published size.
    ///
    /// # Errors
    /// [`ReadError`]; [`ReadError::Empty`] where nothing was published yet.
    pub fn open(dir: &Path) -> Result<Self, ReadError> {
        // A directory that may not be looked into is not one where nothing stands.
        let may_be_there = |name| {
            dir.join(name)
                .metadata()
                .map_or_else(|error| error.kind() == ErrorKind::PermissionDenied, |_| true)
        };
        if !may_be_there(CONFIG_FILE) && !may_be_there(LOG_DIR) {
            return Err(ReadError::NotALedger { path: dir.to_owned() });
        }
        let source = FileSource::new(&dir.join(LOG_DIR));
        let note = match read_head(dir)? {
            HeadState::Published { head, .. } => head.note().to_vec(),
            HeadState::Missing | HeadState::FirstWriteTorn if is_empty(&source)? => {
                return Err(ReadError::Empty { path: dir.to_owned() });
            }
            _ => return Err(ReadError::HeadUnreadable { path: dir.join("head") }),
        };
        let checkpoint = CheckpointNote::parse_unverified(&note)?;
        Ok(Self { dir: Some(dir.to_owned()), source: Box::new(source), note, checkpoint })
    }

    /// A log whose frames come from elsewhere, read up to the size of the checkpoint note `note`.
    ///
    /// # Errors
    /// [`ReadError::Checkpoint`] where the note is none.
    pub fn over(source: Box<dyn BatchSource>, note: Vec<u8>) -> Result<Self, ReadError> {
        let checkpoint = CheckpointNote::parse_unverified(&note)?;
        Ok(Self { dir: None, source, note, checkpoint })
    }

    /// Where the frames come from.
    #[must_use]
    pub fn source(&self) -> &dyn BatchSource {
        &*self.source
    }

    /// The published size, in entries.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.checkpoint.checkpoint().size()
    }

    /// The published checkpoint, whose signature nobody has checked here.
    #[must_use]
    pub const fn checkpoint(&self) -> &CheckpointNote {
        &self.checkpoint
    }

    /// The bytes of the published checkpoint note.
    #[must_use]
    pub fn note(&self) -> &[u8] {
        &self.note
    }

    /// Hands every published entry from index `from` on to `each`, in order, until it breaks.
    ///
    /// # Errors
    /// [`ReadError`], or whatever `each` ends in.
    pub fn for_each<E: From<ReadError>>(
        &self,
        from: u64,
        mut each: impl FnMut(LoggedEntry) -> Result<ControlFlow<()>, E>,
    ) -> Result<(), E> {
        if from >= self.size() {
            return Ok(());
        }
        let start = self.position_of(from)?.unwrap_or(Position::START);
        self.for_each_frame(start, |_, frame| {
            for (index, bytes) in (frame.first_index()..).zip(frame.entries()) {
                if index >= from && each(LoggedEntry::from_bytes(index, bytes)?)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            Ok(ControlFlow::Continue(()))
        })
    }

    /// As [`LogReader::for_each`] from the log's start, with entries read and decoded ahead by a thread of their own
    /// while `each` works. At most four groups of entries wait, so that memory does not grow with the log.
    ///
    /// # Errors
    /// [`ReadError`], or whatever `each` ends in.
    pub fn for_each_ahead<E: From<ReadError>>(
        &self,
        mut each: impl FnMut(&LoggedEntry) -> Result<ControlFlow<()>, E>,
    ) -> Result<(), E> {
        let (sender, groups) = mpsc::sync_channel(GROUPS_AHEAD);
        // What was gone through goes back to the thread that made it: memory is freed fastest where it came from.
        let (spent_sender, spent) = mpsc::channel::<Vec<LoggedEntry>>();
        std::thread::scope(|scope| {
            let reading = scope.spawn(move || self.read_ahead(&sender, &spent));
            for group in groups {
                for logged in &group {
                    if each(logged)?.is_break() {
                        return Ok(());
                    }
                }
                let _ = spent_sender.send(group);
            }
            Ok(reading.join().expect("reading does not panic")?)
        })
    }

    fn read_ahead(
        &self,
        sender: &mpsc::SyncSender<Vec<LoggedEntry>>,
        spent: &mpsc::Receiver<Vec<LoggedEntry>>,
    ) -> Result<(), ReadError> {
        let mut group = Vec::with_capacity(GROUP_ENTRIES);
        self.for_each::<ReadError>(0, |logged| {
            group.push(logged);
            if group.len() < GROUP_ENTRIES {
                return Ok(ControlFlow::Continue(()));
            }
            let mut empty = spent.try_recv().unwrap_or_else(|_| Vec::with_capacity(GROUP_ENTRIES));
            empty.clear();
            // Nobody listens any more once `each` has broken off.
            let is_heard = sender.send(std::mem::replace(&mut group, empty)).is_ok();
            Ok(if is_heard { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        let _ = sender.send(group);
        Ok(())
    }

    /// Hands every published frame from `start` on to `each`.
    fn for_each_frame<E: From<ReadError>>(
        &self,
        start: Position,
        mut each: impl FnMut(FrameLocation, FrameView<'_>) -> Result<ControlFlow<()>, E>,
    ) -> Result<(), E> {
        let mut scanner = Scanner::new(&*self.source, start, self.size()).map_err(ReadError::from)?;
        while let Some(located) = scanner.next_frame() {
            let located = located.map_err(ReadError::from)?;
            if each(located.location, located.frame)?.is_break() {
                return Ok(());
            }
        }
        let found = scanner.position().index;
        if found < self.size() {
            return Err(ReadError::Short { found, published: self.size() }.into());
        }
        Ok(())
    }

    /// Where the frame of entry `index` begins, if the derived offsets know, and the log bears
    /// them out: they are never believed.
    fn position_of(&self, index: u64) -> Result<Option<Position>, ReadError> {
        let Some(dir) = &self.dir else { return Ok(None) };
        let Ok(Some(offsets)) = Offsets::open_to_read(&dir.join(INDEX_DIR)) else { return Ok(None) };
        let Ok(Some(location)) = offsets.read(index) else { return Ok(None) };
        let mut header = [0; FRAME_HEADER_BYTES];
        let count = match self.source.read_at(location.file, u64::from(location.frame_offset), &mut header) {
            Ok(count) => count,
            Err(StoreError::NoSuchFile { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let Ok(header) = FrameHeader::parse(&header[..count]) else { return Ok(None) };
        let holds_it = (header.first_index()..header.next_index()).contains(&index);
        let offset = u64::from(location.frame_offset);
        Ok(holds_it.then_some(Position { file: location.file, offset, index: header.first_index() }))
    }

    /// The entry at `index`, with the checkpoint note of its batch.
    ///
    /// # Errors
    /// [`ReadError::NoSuchEntry`] at or beyond the published size; otherwise as for reading.
    pub fn entry(&self, index: u64) -> Result<(LoggedEntry, Vec<u8>), ReadError> {
        let EntryBytes { entry, note } = self.entry_bytes(index)?;
        Ok((LoggedEntry::from_bytes(index, &entry)?, note))
    }

    /// The bytes of the entry at `index`, whatever they say, with the checkpoint note of its batch.
    ///
    /// # Errors
    /// As [`LogReader::entry`], for what frames can be.
    pub fn entry_bytes(&self, index: u64) -> Result<EntryBytes, ReadError> {
        if index >= self.size() {
            return Err(ReadError::NoSuchEntry { index, size: self.size() });
        }
        let hint = self.position_of(index)?.unwrap_or(Position::START);
        match self.entry_from(hint, index) {
            // An offset that leads astray is no fault of the log's.
            Err(_) if hint != Position::START => self.entry_from(Position::START, index),
            result => result,
        }
    }

    /// The bytes of the entries at `indexes`, as [`LogReader::entry_bytes`] gives them: in one pass over the log where
    /// nothing says where they stand.
    ///
    /// # Errors
    /// As [`LogReader::entry_bytes`].
    pub fn entries_bytes(&self, indexes: &BTreeSet<u64>) -> Result<Vec<EntryBytes>, ReadError> {
        if self.dir.is_some() {
            return indexes.iter().map(|&index| self.entry_bytes(index)).collect();
        }
        let size = self.size();
        if let Some(&index) = indexes.iter().next_back().filter(|&&last| last >= size) {
            return Err(ReadError::NoSuchEntry { index, size });
        }
        let mut found = Vec::with_capacity(indexes.len());
        self.for_each_frame::<ReadError>(Position::START, |_, frame| {
            for (index, entry) in (frame.first_index()..).zip(frame.entries()) {
                if indexes.contains(&index) {
                    found.push(EntryBytes { entry: entry.to_vec(), note: frame.note().to_vec() });
                }
            }
            let is_done = found.len() == indexes.len();
            Ok(if is_done { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(found)
    }

    /// The entry at `index`, looked for in the frames from `start` on.
    fn entry_from(&self, start: Position, index: u64) -> Result<EntryBytes, ReadError> {
        let mut found = None;
        self.for_each_frame::<ReadError>(start, |location, frame| {
            if location.next_index() <= index {
                return Ok(ControlFlow::Continue(()));
            }
            let place = usize::try_from(index - frame.first_index()).expect("a batch holds at most 4,096");
            let entry = frame.entries().nth(place).expect("the frame covers the index").to_vec();
            found = Some(EntryBytes { entry, note: frame.note().to_vec() });
            Ok(ControlFlow::Break(()))
        })?;
        found.ok_or(ReadError::NoSuchEntry { index, size: self.size() })
    }
}
