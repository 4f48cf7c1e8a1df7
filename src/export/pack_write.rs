//! A log to an evidence pack (docs/format.md, "Evidence pack").
//!
//! The published log is read once, front to back, and no more than a group of bundles is held. Entries are hashed on
//! all cores, and tiles are made from those hashes: nothing is taken from `index/`.
//!
//! Every file is written beside its place and renamed, `checkpoint` comes last, and what a fuller file supersedes goes
//! after it. So a cut leaves the pack that was there before, or none, with files of the one to be beside it; and
//! exporting again comes to the same bytes. A file that is there is kept only if its bytes are the right ones.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::event::body::{Body, Event};
use crate::hash::Hash;
use crate::lifecycle::attachments::AttachmentRegister;
use crate::log::entry::Entry;
use crate::log::reader::{LOG_DIR, LogReader, ReadError};
use crate::log::trust_root::{ReadTrustRootError, TrustRoot, TrustRootError};
use crate::merkle::tile::{EntryBundle, TILE_WIDTH, Tile, full_tiles, partial_width};
use crate::note::checkpoint::CheckpointNote;
use crate::store::attachments::{ATTACHMENTS_DIR, Attachments};
use crate::store::batch_log::Position;
use crate::store::cosigned::{COSIGNED_DIR, Cosigned, CosignedError};
use crate::store::disk::{RealDisk, parent_of};
use crate::store::files::FileSource;
use crate::store::frame::FRAME_NOTE_BYTES_MAX;
use crate::store::scan::{ScanError, Scanner};

use super::bundle::{BundleGroup, HashedBundle, NoteBundle, OpenBundle, push_note};
use super::pack_dir::{
    BATCHES_DIR, CHECKPOINT, FILES, FILES_BYTES_MAX, POLICY, README, TILES_DIR, TRUST, UNFINISHED,
};
use super::tile_stream::{TileStream, tile_bytes};

/// How much of two files is compared at once.
const COMPARE_BYTES: usize = 256 << 10;
/// Directories of ours are not deeper; what lies deeper is left alone.
const DEPTH_MAX: usize = 12;

/// Why no pack was written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The ledger could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The ledger's own trust root cannot be read.
    #[error(transparent)]
    ReadTrust(#[from] ReadTrustRootError),
    /// Entry 0 gives no trust root.
    #[error("entry 0 gives no trust root: {0}")]
    Trust(#[from] TrustRootError),
    /// What witnesses cosigned could not be read.
    #[error(transparent)]
    Cosigned(#[from] CosignedError),
    /// A file of the pack could not be read or written.
    #[error("cannot {operation} {}: {source}", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Something else stands there.
    #[error("{} is not empty, and no pack of this ledger: a pack is made in a new directory", dir.display())]
    NotThisPack {
        /// The directory.
        dir: PathBuf,
    },
    /// The pack there is of another history.
    #[error("the pack in {} holds a checkpoint of size {size} that this log does not: it is of another history", dir.display())]
    OtherHistory {
        /// The directory.
        dir: PathBuf,
        /// The pack's size.
        size: u64,
    },
    /// The pack there is newer than the log.
    #[error("the pack in {} holds {packed} entries, and this log {size}: the log is an older copy", dir.display())]
    LogOlder {
        /// The directory.
        dir: PathBuf,
        /// Entries in the pack.
        packed: u64,
        /// Entries in the log.
        size: u64,
    },
    /// The log's entries do not lead to its own checkpoint.
    #[error("the log's entries give another root than its checkpoint at size {size}: run `rollbook verify`")]
    RootDiffers {
        /// The published size.
        size: u64,
    },
    /// There are more log files than a pack names.
    #[error("the log has {files} files: a pack names at most {FILES_BYTES_MAX} bytes of them")]
    TooManyFiles {
        /// How many.
        files: usize,
    },
}

impl From<ScanError> for ExportError {
    fn from(error: ScanError) -> Self {
        Self::Read(error.into())
    }
}

/// What was exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// The log's name.
    pub origin: String,
    /// The tree size.
    pub size: u64,
    /// The root there.
    pub root: Hash,
    /// How many batches.
    pub batches: u64,
    /// How many attachments.
    pub attachments: u64,
    /// Files that were written.
    pub written: u64,
    /// Files that were there already, with the right bytes.
    pub kept: u64,
    /// Files that were superseded, or left over from a cut, and removed.
    pub removed: u64,
}

/// Writes the published log of the ledger in `ledger` to the directory `pack`: a new one, an empty one, or a pack of
/// this log that is brought up to it. `progress` is told entries done and entries in all.
///
/// # Errors
/// [`ExportError`]. After one that concerns the log or the disk the directory may hold files of the pack to be, and can
/// be exported to again.
pub fn export(
    ledger: &Path,
    pack: &Path,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<Exported, ExportError> {
    let reader = LogReader::open(ledger)?;
    let trust_file = trust_file(ledger, &reader)?;
    let trust = TrustRoot::from_bytes(&trust_file)?;
    check_target(pack, &reader, &trust)?;
    let out = Out::new(pack);
    out.put(TRUST, &trust_file)?;
    out.put(POLICY, trust.to_tlog_policy().as_bytes())?;
    out.put(README, readme(&trust).as_bytes())?;
    let log = write_log(ledger, &reader, &out, progress)?;
    let cosigned = copy_cosigned(ledger, reader.size(), &out)?;
    let attachments = copy_attachments(ledger, &log.register, &out)?;
    out.sync()?;
    // A crash before this leaves the checkpoint from before, if there was one, and everything that it covers.
    out.put(CHECKPOINT, &log.note)?;
    out.sync()?;
    let size = reader.size();
    let is_ours = |path: &str| match path.split_once('/').map_or(path, |(first, _)| first) {
        TILES_DIR => is_tile_of(path, size),
        BATCHES_DIR => NoteBundle::parse(path).map(|bundle| covers(bundle.0, log.batches)),
        COSIGNED_DIR => Some(cosigned.contains(path)),
        ATTACHMENTS_DIR => Some(attachments.contains(path)),
        _ => Some(true),
    };
    out.sweep(&is_ours)?;
    out.sync()?;
    Ok(Exported {
        origin: trust.origin().to_string(),
        size,
        root: log.root,
        batches: log.batches,
        attachments: attachments.len() as u64,
        written: out.written.into_inner(),
        kept: out.kept.into_inner(),
        removed: out.removed.into_inner(),
    })
}

// What stands there already.

/// The target is new, empty, or a pack of this log.
fn check_target(pack: &Path, reader: &LogReader, trust: &TrustRoot) -> Result<(), ExportError> {
    let failed = |source| ExportError::Io { operation: "read", path: pack.to_owned(), source };
    let mut names = match fs::read_dir(pack) {
        Ok(names) => names,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    let is_empty = names.next().is_none();
    let not_this = || ExportError::NotThisPack { dir: pack.to_owned() };
    let checkpoint = read_small(&pack.join(CHECKPOINT), FRAME_NOTE_BYTES_MAX).map_err(failed)?;
    if let Some(Ok(note)) = checkpoint.as_deref().map(CheckpointNote::parse_unverified) {
        if note.checkpoint().origin() != reader.checkpoint().checkpoint().origin() {
            return Err(not_this());
        }
        let (packed, size) = (note.checkpoint().size(), reader.size());
        if packed > size {
            return Err(ExportError::LogOlder { dir: pack.to_owned(), packed, size });
        }
        // The log's own batch that ends there has the same note: it is signed over all that comes before.
        let own = reader.entry_bytes(packed.saturating_sub(1))?.note;
        let is_same = checkpoint.as_deref() == Some(own.as_slice());
        let other = || ExportError::OtherHistory { dir: pack.to_owned(), size: packed };
        return if is_same { Ok(()) } else { Err(other()) };
    }
    // It was cut before it was whole: the trust root comes first.
    let packed = TrustRoot::read(&pack.join(TRUST));
    let is_cut = packed.is_ok_and(|packed| packed.ledger_id() == trust.ledger_id());
    if is_empty || is_cut || holds_nothing_but_a_beginning(pack).map_err(failed)? {
        Ok(())
    } else {
        Err(not_this())
    }
}

/// Whether the very first file was cut.
fn holds_nothing_but_a_beginning(pack: &Path) -> io::Result<bool> {
    let beginning = format!("{TRUST}{UNFINISHED}");
    let mut names = fs::read_dir(pack)?;
    names.try_fold(true, |all, item| Ok(all && item?.file_name() == beginning.as_str()))
}

/// The bytes of a file that is there and has at most `bytes_max`; more are as good as none.
fn read_small(path: &Path, bytes_max: usize) -> io::Result<Option<Vec<u8>>> {
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(bytes_max as u64 + 1).read_to_end(&mut bytes)?;
    Ok(Some(bytes).filter(|bytes| bytes.len() <= bytes_max))
}

// The log.

/// What was learnt while the log was read.
struct WrittenLog {
    /// The newest batch's note.
    note: Vec<u8>,
    root: Hash,
    batches: u64,
    register: AttachmentRegister,
}

/// The notes of batches, on their way into bundles.
#[derive(Default)]
struct Notes {
    bundle: Vec<u8>,
    count: u64,
    newest: Vec<u8>,
}

impl Notes {
    fn push(&mut self, note: &[u8], out: &Out<'_>) -> Result<(), ExportError> {
        push_note(&mut self.bundle, note);
        self.newest = note.to_vec();
        self.count += 1;
        if self.count.is_multiple_of(u64::from(TILE_WIDTH)) { self.write(TILE_WIDTH, out) } else { Ok(()) }
    }

    /// Writes the bundle that holds the newest note.
    fn write(&mut self, width: u16, out: &Out<'_>) -> Result<(), ExportError> {
        let bundle = EntryBundle::new((self.count - 1) / u64::from(TILE_WIDTH), width);
        let path = NoteBundle(bundle.expect("1 to 256 notes")).to_string();
        out.put(&path, &std::mem::take(&mut self.bundle))
    }

    fn finish(&mut self, out: &Out<'_>) -> Result<(), ExportError> {
        match u16::try_from(self.count % u64::from(TILE_WIDTH)).expect("a remainder of 256 fits") {
            0 => Ok(()),
            width => self.write(width, out),
        }
    }
}

fn write_log(
    ledger: &Path,
    reader: &LogReader,
    out: &Out<'_>,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<WrittenLog, ExportError> {
    let size = reader.size();
    let source = FileSource::new(&ledger.join(LOG_DIR));
    let mut writer = LogWriter {
        out,
        has_attachments: ledger.join(ATTACHMENTS_DIR).exists(),
        group: BundleGroup::default(),
        tiles: TileStream::default(),
        register: AttachmentRegister::default(),
    };
    let mut notes = Notes::default();
    let mut files: Vec<u64> = Vec::new();
    let mut scanner = Scanner::new(&source, Position::START, size)?;
    while let Some(located) = scanner.next_frame() {
        let located = located?;
        let file = located.location.position().file;
        if files.last() != Some(&file) {
            files.push(file);
        }
        for entry in located.frame.entries() {
            writer.push(entry)?;
        }
        notes.push(located.frame.note(), out)?;
        progress(located.frame.next_index(), size);
    }
    let found = scanner.position().index;
    if found != size {
        return Err(ReadError::Short { found, published: size }.into());
    }
    notes.finish(out)?;
    let (root, register) = writer.finish()?;
    if root != *reader.checkpoint().checkpoint().root() {
        return Err(ExportError::RootDiffers { size });
    }
    let lines = files.iter().fold(String::new(), |lines, first| lines + &format!("{first}\n"));
    if lines.len() > FILES_BYTES_MAX {
        return Err(ExportError::TooManyFiles { files: files.len() });
    }
    out.put(FILES, lines.as_bytes())?;
    Ok(WrittenLog { note: notes.newest, root, batches: notes.count, register })
}

/// Entries to bundles and tiles.
struct LogWriter<'a> {
    out: &'a Out<'a>,
    has_attachments: bool,
    group: BundleGroup,
    tiles: TileStream,
    register: AttachmentRegister,
}

impl LogWriter<'_> {
    fn push(&mut self, entry: &[u8]) -> Result<(), ExportError> {
        self.group.push(entry);
        if self.group.is_due() { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), ExportError> {
        let Self { out, has_attachments, group, tiles, register } = self;
        let write = |bundle: &OpenBundle, hashed: &HashedBundle| {
            let place = bundle.place();
            out.put(&place.to_string(), &bundle.bytes)?;
            let tile = Tile::new(0, place.index(), place.width()).expect("as wide as its bundle");
            out.put(&tile.to_string(), &tile_bytes(&hashed.row))?;
            Ok::<_, ExportError>(if *has_attachments { events_of(bundle) } else { Vec::new() })
        };
        for (hashed, events) in group.drain(write)? {
            tiles.push(&hashed, |tile, row| out.put(&tile.to_string(), &tile_bytes(row)))?;
            for (index, event) in events {
                register.take(index, &event);
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(Hash, AttachmentRegister), ExportError> {
        self.flush()?;
        for (tile, row) in self.tiles.partial() {
            self.out.put(&tile.to_string(), &tile_bytes(row))?;
        }
        Ok((self.tiles.root(), self.register))
    }
}

/// The events of a bundle that attach or redact. What cannot be read attaches nothing that we could hand out.
fn events_of(bundle: &OpenBundle) -> Vec<(u64, Event)> {
    let event = |bytes: &[u8]| {
        let entry = Entry::from_bytes(bytes).ok()?;
        let event = Event::from_bytes(entry.envelope.event()).ok()?;
        let concerns =
            !event.header.attachments.is_empty() || matches!(event.body, Body::AttachmentRedacted(_));
        concerns.then_some((entry.index, event))
    };
    bundle.entries().filter_map(event).collect()
}

// What stands beside the log.

/// The ledger's own trust root as it stands; that of entry 0 where there is none.
fn trust_file(ledger: &Path, reader: &LogReader) -> Result<Vec<u8>, ExportError> {
    let path = ledger.join(TRUST);
    match fs::read(&path) {
        Ok(bytes) => match TrustRoot::from_bytes(&bytes) {
            Ok(_) => Ok(bytes),
            Err(error) => Err(ReadTrustRootError::Invalid { path, error }.into()),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let (founding, _) = reader.entry(0)?;
            let Body::LedgerCreated(created) = &founding.event.body else {
                return Err(ExportError::NotThisPack { dir: ledger.to_owned() });
            };
            let origin = reader.checkpoint().checkpoint().origin().clone();
            Ok(TrustRoot::new(origin, founding.leaf_hash, created.log_key)?.to_toml().into_bytes())
        }
        Err(source) => Err(ExportError::Io { operation: "read", path, source }),
    }
}

/// Copies what witnesses cosigned, up to the published size; what is no file of a note's length stays. Gives the paths
/// in the pack.
fn copy_cosigned(ledger: &Path, size: u64, out: &Out<'_>) -> Result<BTreeSet<String>, ExportError> {
    let cosigned = Cosigned::of(&RealDisk, ledger);
    let mut copied = BTreeSet::new();
    for of_size in cosigned.sizes()?.into_iter().filter(|of_size| *of_size <= size) {
        let note = match cosigned.read(of_size) {
            Ok(Some(note)) => note,
            Ok(None) | Err(CosignedError::TooLong { .. } | CosignedError::NotAFile { .. }) => continue,
            Err(error) => return Err(error.into()),
        };
        let path = format!("{COSIGNED_DIR}/{of_size}");
        out.put(&path, &note)?;
        copied.insert(path);
    }
    Ok(copied)
}

/// Copies the attachments that published entries cite, and that no later entry redacts. What somebody drafted and
/// never submitted is nobody's evidence, and stays. Gives the paths in the pack.
fn copy_attachments(
    ledger: &Path,
    register: &AttachmentRegister,
    out: &Out<'_>,
) -> Result<BTreeSet<String>, ExportError> {
    let (from, to) = (Attachments::of_ledger(ledger), Attachments::of_ledger(Path::new("")));
    let mut copied = BTreeSet::new();
    for (digest, _) in register.cited() {
        let (source, path) = (from.path(digest), to.path(digest));
        if !source.is_file() {
            continue;
        }
        let path = path.to_str().expect("ASCII").to_owned();
        out.copy(&source, &path)?;
        copied.insert(path);
    }
    Ok(copied)
}

// The directory that is written to.

/// Whether `path` is a tile or an entry bundle that a tree of `size` has; none where it is no such path.
fn is_tile_of(path: &str, size: u64) -> Option<bool> {
    if let Ok(bundle) = path.parse::<EntryBundle>() {
        return Some(covers(bundle, size));
    }
    let tile: Tile = path.parse().ok()?;
    let (full, rest) = (full_tiles(size, tile.level()), partial_width(size, tile.level()));
    Some(if tile.is_full() { tile.index() < full } else { tile.index() == full && tile.width() == rest })
}

/// Whether `count` items have this bundle.
fn covers(bundle: EntryBundle, count: u64) -> bool {
    let width = u64::from(TILE_WIDTH);
    let (full, rest) = (count / width, count % width);
    if bundle.is_full() {
        bundle.index() < full
    } else {
        bundle.index() == full && u64::from(bundle.width()) == rest
    }
}

/// The pack's directory, and what happened in it.
struct Out<'a> {
    dir: &'a Path,
    /// Directories that are known to be there.
    made: Mutex<BTreeSet<PathBuf>>,
    written: AtomicU64,
    kept: AtomicU64,
    removed: AtomicU64,
}

impl<'a> Out<'a> {
    const fn new(dir: &'a Path) -> Self {
        let (written, kept, removed) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        Self { dir, made: Mutex::new(BTreeSet::new()), written, kept, removed }
    }

    /// Makes the file `relative` hold `bytes`, whole or not at all.
    fn put(&self, relative: &str, bytes: &[u8]) -> Result<(), ExportError> {
        let path = self.dir.join(relative);
        let is_there = |found: &fs::Metadata| found.is_file() && found.len() == bytes.len() as u64;
        if path.symlink_metadata().is_ok_and(|found| is_there(&found))
            && fs::read(&path).is_ok_and(|there| there == bytes)
        {
            self.kept.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        self.write(&path, |beside| fs::write(beside, bytes))
    }

    /// Makes the file `relative` hold what the file `source` does.
    fn copy(&self, source: &Path, relative: &str) -> Result<(), ExportError> {
        let path = self.dir.join(relative);
        if path.symlink_metadata().is_ok_and(|found| found.is_file()) && same(source, &path).unwrap_or(false)
        {
            self.kept.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        self.write(&path, |beside| {
            io::copy(&mut fs::File::open(source)?, &mut fs::File::create(beside)?).map(|_| ())
        })
    }

    fn write(&self, path: &Path, fill: impl FnOnce(&Path) -> io::Result<()>) -> Result<(), ExportError> {
        let failed = |source| ExportError::Io { operation: "write", path: path.to_owned(), source };
        self.make_dir(parent_of(path)).map_err(failed)?;
        let mut beside = path.as_os_str().to_owned();
        beside.push(UNFINISHED);
        let beside = PathBuf::from(beside);
        // What a cut left there, or somebody put there: written over a link, another file would change.
        remove_if_there(&beside).map_err(failed)?;
        fill(&beside).and_then(|()| fs::rename(&beside, path)).map_err(failed)?;
        self.written.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn make_dir(&self, dir: &Path) -> io::Result<()> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if !made.contains(dir) {
            fs::create_dir_all(dir)?;
            made.insert(dir.to_owned());
        }
        Ok(())
    }

    /// Makes everything that was written durable.
    fn sync(&self) -> Result<(), ExportError> {
        let failed = |source| ExportError::Io { operation: "sync", path: self.dir.to_owned(), source };
        let dir = fs::File::open(self.dir).map_err(failed)?;
        #[cfg(target_os = "linux")]
        rustix::fs::syncfs(&dir).map_err(|error| failed(error.into()))?;
        #[cfg(not(target_os = "linux"))]
        rustix::fs::sync();
        dir.sync_all().map_err(failed)
    }

    /// Removes what a pack of this log doesn't have, and what a cut left. `is_ours` says of a path whether it belongs
    /// there; none where it is no path of a pack's, which is left alone.
    fn sweep(&self, is_ours: &dyn Fn(&str) -> Option<bool>) -> Result<(), ExportError> {
        for dir in [TILES_DIR, BATCHES_DIR, COSIGNED_DIR, ATTACHMENTS_DIR] {
            self.sweep_dir(dir, DEPTH_MAX, is_ours)?;
        }
        let own = [CHECKPOINT, FILES, README, TRUST, POLICY];
        own.iter().try_for_each(|name| self.remove(&format!("{name}{UNFINISHED}")))
    }

    fn sweep_dir(
        &self,
        relative: &str,
        depth: usize,
        is_ours: &dyn Fn(&str) -> Option<bool>,
    ) -> Result<(), ExportError> {
        let dir = self.dir.join(relative);
        let failed = |source| ExportError::Io { operation: "list", path: dir.clone(), source };
        let items = match fs::read_dir(&dir) {
            Ok(items) => items,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed(error)),
        };
        for item in items {
            let item = item.map_err(failed)?;
            let Some(name) = item.file_name().to_str().map(str::to_owned) else { continue };
            let path = format!("{relative}/{name}");
            if item.file_type().map_err(failed)?.is_dir() {
                if depth > 0 {
                    self.sweep_dir(&path, depth - 1, is_ours)?;
                    // Only an empty one goes.
                    let _ = fs::remove_dir(self.dir.join(&path));
                }
            } else if name.ends_with(UNFINISHED) || is_ours(&path) == Some(false) {
                self.remove(&path)?;
            }
        }
        Ok(())
    }

    fn remove(&self, relative: &str) -> Result<(), ExportError> {
        let path = self.dir.join(relative);
        let removed =
            remove_if_there(&path).map_err(|source| ExportError::Io { operation: "remove", path, source })?;
        self.removed.fetch_add(u64::from(removed), Ordering::Relaxed);
        Ok(())
    }
}

fn remove_if_there(path: &Path) -> io::Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether two files hold the same bytes.
fn same(one: &Path, other: &Path) -> io::Result<bool> {
    let (mut one, mut other) = (fs::File::open(one)?, fs::File::open(other)?);
    if one.metadata()?.len() != other.metadata()?.len() {
        return Ok(false);
    }
    let (mut left, mut right) = (Vec::new(), Vec::new());
    loop {
        left.clear();
        right.clear();
        (&mut one).take(COMPARE_BYTES as u64).read_to_end(&mut left)?;
        (&mut other).take(COMPARE_BYTES as u64).read_to_end(&mut right)?;
        if left != right {
            return Ok(false);
        }
        if left.is_empty() {
            return Ok(true);
        }
    }
}

/// What a stranger is told.
fn readme(trust: &TrustRoot) -> String {
    let origin = trust.origin();
    format!(
        r"# Evidence pack of {origin}

The whole release ledger `{origin}`, as files that other people's tools read, too. You need a *trust root* that reached
you by another channel than this pack: on paper, by signed mail, from your own file. The copies here (`trust.toml`,
`tlog-policy`) are for reading. Whoever made this pack could have made them.

| path | what |
|---|---|
| `checkpoint` | the newest checkpoint: log name, number of entries, root hash, signature (C2SP tlog-checkpoint) |
| `tile/<L>/<N>` | the tree's hashes (C2SP tlog-tiles, RFC 6962 hashing) |
| `tile/entries/<N>` | the entries, 256 to a file: for each its length in two bytes, big-endian, then the entry |
| `batches/<N>` | the checkpoint of every batch of entries, for each its length in four bytes, big-endian |
| `cosigned/<size>` | checkpoints that witnesses cosigned, where there are any |
| `attachments/sha256/ab/cd…` | evidence files; the path is the SHA-256 of the bytes |
| `files` | where the ledger's own log files begin |

## With Rollbook

    rollbook verify THIS_DIRECTORY --trust YOUR_TRUST_ROOT

It checks every hash, every signature and every rule, and says what is wrong. Keep `checkpoint`, and give it to the next
check with `--checkpoint`: that is what shows a history rewritten with the log's own key.

## With its verifier in Python

The sources of Rollbook hold a second verifier, in Python, which shares no code with the first (what it needs,
`tests/independent/README.md` says):

    python3 tests/independent/verify.py THIS_DIRECTORY --trust YOUR_TRUST_ROOT

## With nothing of ours

*An attachment* is right if its path is its digest:

    sha256sum attachments/sha256/*/*

*The checkpoint's signature.* In your trust root, `log_key` ends in `+` and base64: one byte 0x01, then an Ed25519 public
key of 32 bytes. (After a rotation of the log key it is `latest_log_key`.) The last line of `checkpoint` ends in base64,
too: four bytes that name the key, then a signature of 64 bytes. It is over the first three lines, line ends included:

    head -n 3 checkpoint > signed
    tail -n 1 checkpoint | sed 's/.* //' | base64 -d | tail -c 64 > signature
    sed -n 's/^log_key = [^+]*+[^+]*+\(.*\).$/\1/p' YOUR_TRUST_ROOT | base64 -d | tail -c 32 > key
    (printf '\060\052\060\005\006\003\053\145\160\003\041\000'; cat key) > key.der
    openssl pkeyutl -verify -pubin -keyform DER -inkey key.der -rawin -in signed -sigfile signature

*The first tile.* Its first 32 bytes are SHA-256 of a zero byte and the first entry:

    (printf '\000'; tail -c +3 FIRST_BUNDLE | head -c LENGTH) | sha256sum
    head -c 32 FIRST_TILE | xxd -p -c 32

where FIRST_BUNDLE is `tile/entries/000` or `tile/entries/000.p/<number of entries>`, its first two bytes are the LENGTH,
and FIRST_TILE is `tile/0/000` likewise. That hash is the *ledger id*, which the trust root names.

*All of the tree.* Any client of C2SP tlog-tiles reads this directory, over HTTP or as it is, and leads every entry to
the root in `checkpoint`; `tlog-policy` is in the form that such clients take. What an entry's bytes mean, docs/format.md
in the sources of Rollbook says, field by field.
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_a_tree_is_told_from_what_does_not() {
        for path in
            ["tile/0/000", "tile/0/001.p/44", "tile/1/000.p/1", "tile/entries/000", "tile/entries/001.p/44"]
        {
            assert_eq!(is_tile_of(path, 300), Some(true), "{path}");
        }
        for path in ["tile/0/000.p/9", "tile/0/001", "tile/1/000", "tile/2/000.p/1", "tile/entries/001.p/43"]
        {
            assert_eq!(is_tile_of(path, 300), Some(false), "{path}");
        }
        assert_eq!(is_tile_of("tile/0/notes.txt", 300), None);
    }
}
