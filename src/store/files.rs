//! The log as files: `log/00000000000000000000.batches`, append-only, rolled by size (docs/operating.md, "The
//! directory").
//!
//! [`FileSource`] reads and needs no lock; [`FileLog`] is the writer's, who holds [`super::lock`] for as long
//! as it lives. One append is one write and one `fdatasync`; a new file adds one sync of its directory, before
//! the append is acknowledged.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::batch_log::{BatchLog, BatchSource, FrameLocation, LogFile, Position, StoreError, check_next};
use super::disk::{Access, Disk, DiskFile, RealDisk, parent_of};
use super::frame::FRAME_BYTES_MAX;
use super::tail::{TailState, Torn};

const SUFFIX: &str = ".batches";
/// A `u64` in decimal, with zeros before it so that names sort as numbers.
const NAME_DIGITS: usize = 20;
/// How much is copied at once when a torn write is kept.
const COPY_BYTES: usize = 1 << 20;

/// The size above which a log file is not to grow: the next frame begins a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RollSize(u64);

impl RollSize {
    /// 256 MiB: some hundred thousand entries; few files, and still quick to copy and to check one by one.
    pub const DEFAULT: Self = Self(256 << 20);
    /// The largest: offsets in a file fit 32 bits, as the index keeps them.
    pub const MAX: Self = Self((1 << 32) - FRAME_BYTES_MAX as u64);

    /// A roll size of `bytes`, held at or below [`RollSize::MAX`]. A single frame above it has a file to itself.
    #[must_use]
    pub const fn new(bytes: u64) -> Self {
        if bytes < Self::MAX.0 { Self(bytes) } else { Self::MAX }
    }

    /// Says whether a file of `file_bytes` may take a frame of `frame_bytes` more.
    pub(super) const fn admits(self, file_bytes: u64, frame_bytes: usize) -> bool {
        file_bytes + frame_bytes as u64 <= self.0
    }
}

impl Default for RollSize {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The reading half.
#[derive(Debug)]
pub struct FileSource {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    /// The file read last, open: scans read one file for long.
    open: Mutex<Option<(u64, Arc<dyn DiskFile>)>>,
}

impl FileSource {
    /// Reads the log in the directory `dir`. Nothing is opened yet.
    #[must_use]
    pub fn new(dir: &Path) -> Self {
        Self::on(Arc::new(RealDisk), dir)
    }

    /// As [`FileSource::new`], on a given disk.
    #[must_use]
    pub fn on(disk: Arc<dyn Disk>, dir: &Path) -> Self {
        Self { disk, dir: dir.to_owned(), open: Mutex::new(None) }
    }

    /// Where the file lies that begins with entry `first_index`.
    #[must_use]
    pub fn path(&self, first_index: u64) -> PathBuf {
        self.dir.join(file_name(first_index))
    }

    fn open(&self, file: u64) -> Result<Arc<dyn DiskFile>, StoreError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((name, handle)) = open.as_ref()
            && *name == file
        {
            return Ok(Arc::clone(handle));
        }
        let path = self.path(file);
        let handle: Arc<dyn DiskFile> = match self.disk.open(&path, Access::Read) {
            Ok(handle) => Arc::from(handle),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(StoreError::NoSuchFile { file });
            }
            Err(error) => return Err(failed("open", &path)(error)),
        };
        *open = Some((file, Arc::clone(&handle)));
        Ok(handle)
    }
}

impl BatchSource for FileSource {
    fn files(&self) -> Result<Vec<LogFile>, StoreError> {
        let names = self.disk.list(&self.dir).map_err(failed("list", &self.dir))?;
        let mut indices: Vec<u64> = names.iter().filter_map(|name| parse_file_name(name)).collect();
        indices.sort_unstable();
        let with_length = |first_index| {
            let file = self.open(first_index)?;
            let bytes = file.bytes().map_err(failed("read the length of", &self.path(first_index)))?;
            Ok(LogFile { first_index, bytes })
        };
        indices.into_iter().map(with_length).collect()
    }

    fn read_at(&self, file: u64, offset: u64, buffer: &mut [u8]) -> Result<usize, StoreError> {
        self.open(file)?.read_at(offset, buffer).map_err(failed("read", &self.path(file)))
    }
}

/// The writing half.
#[derive(Debug)]
pub struct FileLog {
    source: FileSource,
    roll_size: RollSize,
    state: WriterState,
}

#[derive(Debug)]
enum WriterState {
    /// Synced, and not yet resumed.
    Opened,
    Ready(Writer),
    /// A write or sync failed: what the files hold is unknown until they are opened anew.
    Poisoned,
}

#[derive(Debug)]
struct Writer {
    /// The last file; none in a log without files.
    file: Option<Box<dyn DiskFile>>,
    end: Position,
}

impl FileLog {
    /// Makes an empty log in the new directory `dir`, whose parent is there. A directory that is there
    /// already is taken as it is.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn create(dir: &Path, roll_size: RollSize) -> Result<Self, StoreError> {
        Self::create_on(Arc::new(RealDisk), dir, roll_size)
    }

    /// As [`FileLog::create`], on a given disk.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn create_on(disk: Arc<dyn Disk>, dir: &Path, roll_size: RollSize) -> Result<Self, StoreError> {
        disk.create_dir(dir).map_err(failed("create", dir))?;
        let parent = parent_of(dir);
        disk.sync_dir(parent).map_err(failed("sync", parent))?;
        Self::open_on(disk, dir, roll_size)
    }

    /// Opens the log in `dir` for writing. What an earlier writer left in the page cache is made durable
    /// first, so that nothing is believed which a power cut could still take back.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn open(dir: &Path, roll_size: RollSize) -> Result<Self, StoreError> {
        Self::open_on(Arc::new(RealDisk), dir, roll_size)
    }

    /// As [`FileLog::open`], on a given disk.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn open_on(disk: Arc<dyn Disk>, dir: &Path, roll_size: RollSize) -> Result<Self, StoreError> {
        let source = FileSource::on(disk, dir);
        // 1. The tail file. Files before it were synced before it was begun.
        if let Some(last) = source.files()?.last() {
            let path = source.path(last.first_index);
            let file = source.disk.open(&path, Access::Append).map_err(failed("open", &path))?;
            file.sync_data().map_err(failed("sync", &path))?;
        }
        // 2. The directory, where the tail file's name may not be durable yet.
        source.disk.sync_dir(dir).map_err(failed("sync", dir))?;
        Ok(Self { source, roll_size, state: WriterState::Opened })
    }

    /// Writes the last frame beyond `head` once more, in its place, and syncs it. The writer before may have been
    /// told that its sync failed: then the pages count as clean, can still be read, and no later sync writes them.
    /// It wrote nothing behind such a frame; those before it were synced, or the next would not have been begun.
    fn write_again(&self, frame: &FrameLocation) -> Result<(), StoreError> {
        let Position { file, offset, .. } = frame.position();
        let mut bytes = vec![0; frame.length() as usize];
        let count = self.source.read_at(file, offset, &mut bytes)?;
        bytes.truncate(count);
        let path = self.source.path(file);
        let handle = self.source.disk.open(&path, Access::Write).map_err(failed("open", &path))?;
        // A crash in here leaves each byte as it is seen now, or as it was on the disk: the frame, or a torn write.
        handle.write_at(offset, &bytes).map_err(failed("write", &path))?;
        handle.sync_data().map_err(failed("sync", &path))
    }

    /// Keeps the torn bytes aside, then cuts them off.
    fn cut(&self, torn: &Torn) -> Result<(), StoreError> {
        self.keep(torn)?;
        // A crash here leaves the torn write in place: the next opening keeps it once more, and cuts it.
        let Position { file, offset, .. } = torn.position();
        let path = self.source.path(file);
        let handle = self.source.disk.open(&path, Access::Write).map_err(failed("open", &path))?;
        handle.set_bytes(offset).map_err(failed("cut", &path))?;
        handle.sync_data().map_err(failed("sync", &path))
    }

    /// Copies the torn bytes to `torn-<file>-<offset>`, durably, over nothing that was kept before.
    fn keep(&self, torn: &Torn) -> Result<(), StoreError> {
        let Position { file, offset, .. } = torn.position();
        let (disk, dir) = (&self.source.disk, &self.source.dir);
        let taken = disk.list(dir).map_err(failed("list", dir))?;
        let path = dir.join(torn_name(file, offset, &taken));
        let kept = disk.open(&path, Access::CreateAppend).map_err(failed("create", &path))?;
        if let Err(error) = self.copy(torn, kept.as_ref(), &path) {
            // Half a copy is of no use, and a full disk would get one more of them with each try.
            let _ = disk.remove_file(&path);
            return Err(error);
        }
        disk.sync_dir(dir).map_err(failed("sync", dir))
    }

    fn copy(&self, torn: &Torn, kept: &dyn DiskFile, path: &Path) -> Result<(), StoreError> {
        let Position { file, offset, .. } = torn.position();
        let mut buffer = vec![0; COPY_BYTES];
        let mut copied = 0;
        while copied < torn.bytes() {
            let count = self.source.read_at(file, offset + copied, &mut buffer)?;
            if count == 0 {
                break;
            }
            kept.append(&buffer[..count]).map_err(failed("write", path))?;
            copied += count as u64;
        }
        kept.sync_data().map_err(failed("sync", path))
    }

    /// The last file, open for appending at `end`.
    fn open_end(&self, end: Position) -> Result<Option<Box<dyn DiskFile>>, StoreError> {
        let Some(last) = self.source.files()?.last().copied() else { return Ok(None) };
        if last.first_index != end.file {
            return Err(StoreError::Changed { file: last.first_index, expected: 0, actual: last.bytes });
        }
        let path = self.source.path(end.file);
        let file = self.source.disk.open(&path, Access::Append).map_err(failed("open", &path))?;
        expect_length(file.as_ref(), end, &path)?;
        Ok(Some(file))
    }
}

impl BatchSource for FileLog {
    fn files(&self) -> Result<Vec<LogFile>, StoreError> {
        self.source.files()
    }

    fn read_at(&self, file: u64, offset: u64, buffer: &mut [u8]) -> Result<usize, StoreError> {
        self.source.read_at(file, offset, buffer)
    }
}

impl BatchLog for FileLog {
    fn resume(&mut self, tail: &TailState) -> Result<(), StoreError> {
        if matches!(self.state, WriterState::Poisoned) {
            return Err(StoreError::Poisoned);
        }
        let end = tail.writable_end()?;
        self.state = WriterState::Poisoned;
        if let Some(last) = tail.frames_beyond_head().last() {
            self.write_again(last)?;
        }
        if let Some(torn) = tail.torn() {
            self.cut(torn)?;
        }
        let file = self.open_end(end)?;
        self.state = WriterState::Ready(Writer { file, end });
        Ok(())
    }

    fn append(&mut self, frame: &[u8], first_index: u64) -> Result<FrameLocation, StoreError> {
        let writer = match &mut self.state {
            WriterState::Ready(writer) => writer,
            WriterState::Opened => return Err(StoreError::NotResumed),
            WriterState::Poisoned => return Err(StoreError::Poisoned),
        };
        let header = check_next(frame, first_index, writer.end.index)?;
        match writer.append(&self.source, self.roll_size, frame) {
            Ok(at) => {
                let location = FrameLocation::new(at, &header);
                writer.end = location.end();
                Ok(location)
            }
            Err(error) => {
                self.state = WriterState::Poisoned;
                Err(error)
            }
        }
    }

    fn end(&self) -> Option<Position> {
        match &self.state {
            WriterState::Ready(writer) => Some(writer.end),
            WriterState::Opened | WriterState::Poisoned => None,
        }
    }
}

impl Writer {
    /// Writes and syncs one frame, and returns where. Any error leaves the files in an unknown state.
    fn append(
        &mut self,
        source: &FileSource,
        roll_size: RollSize,
        frame: &[u8],
    ) -> Result<Position, StoreError> {
        let is_full = self.end.offset > 0 && !roll_size.admits(self.end.offset, frame.len());
        let begins_file = self.file.is_none() || is_full;
        if begins_file {
            self.end = Position { file: self.end.index, offset: 0, index: self.end.index };
        }
        let path = source.path(self.end.file);
        if begins_file {
            // A crash here leaves an empty file, which the next opening goes on with.
            self.file = Some(source.disk.open(&path, Access::CreateAppend).map_err(failed("create", &path))?);
        }
        let file = self.file.as_ref().expect("it was there, or has just been created");
        expect_length(file.as_ref(), self.end, &path)?;
        file.append(frame).map_err(failed("write", &path))?;
        // A crash here leaves a whole frame or a torn one: adopted or cut when the log is next opened.
        file.sync_data().map_err(failed("sync", &path))?;
        if begins_file {
            source.disk.sync_dir(&source.dir).map_err(failed("sync", &source.dir))?;
        }
        Ok(self.end)
    }
}

/// Checks that nobody else wrote to the file since this writer looked at it.
fn expect_length(file: &dyn DiskFile, end: Position, path: &Path) -> Result<(), StoreError> {
    let actual = file.bytes().map_err(failed("read the length of", path))?;
    if actual != end.offset {
        return Err(StoreError::Changed { file: end.file, expected: end.offset, actual });
    }
    Ok(())
}

fn file_name(first_index: u64) -> String {
    format!("{first_index:0NAME_DIGITS$}{SUFFIX}")
}

/// The first index that a file name gives; none where it is no log file's.
fn parse_file_name(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(SUFFIX)?;
    let is_plain = digits.len() == NAME_DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_plain { digits.parse().ok() } else { None }
}

/// A name for torn bytes that is not among `taken`.
fn torn_name(file: u64, offset: u64, taken: &[String]) -> String {
    let name = format!("torn-{file:0NAME_DIGITS$}-{offset}");
    let numbered = (2u64..).map(|number| format!("{name}.{number}"));
    let mut names = std::iter::once(name.clone()).chain(numbered);
    names.find(|name| !taken.contains(name)).expect("the numbers do not end")
}

fn failed<'a>(operation: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> StoreError + use<'a> {
    move |source| StoreError::Io { operation, path: path.to_owned(), source }
}
