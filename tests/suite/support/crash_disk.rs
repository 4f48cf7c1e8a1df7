//! A disk that fails at any one operation, and whose power can be cut.
//!
//! Files lie in a real directory, so that readers and the verifier see them as they would. Beside it the disk keeps
//! what a power cut would leave: bytes last only once their *file* was synced after they were written, names only
//! once their *directory* was. A cut then puts into the real directory what the chosen [`Survival`] leaves of the rest.
//!
//! What the model takes for granted, as the store does: bytes that a file gained may be torn anywhere; a page of 4 KiB
//! that was there before is overwritten whole or not at all (docs/decisions/08); names change in the order in which
//! they were changed; a cut spoils nothing that was synced before.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use rollbook::store::disk::{Access, Disk, DiskFile, RealDisk, parent_of};

use super::survival::{Coin, Inode, PAGE, Survival};

/// What kind an operation is that can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Create,
    Write,
    Truncate,
    Sync,
    SyncDir,
    Rename,
    CreateDir,
    Remove,
}

/// How the chosen operation goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It does nothing, and says so.
    Fails,
    /// It does half of what it should write, and fails.
    Short,
    /// It is done, and yet an error is told.
    DoneAndFails,
    /// The disk is full from now on: half of it is written, and no file grows until there is room.
    Full,
    /// A sync fails, and the pages count as clean: they are seen, and no later sync writes them.
    PagesDropped,
    /// As before, and the pages leave memory, too.
    PagesEvicted,
    /// The process ends before it.
    Crash,
    /// The process ends in the middle of it, half of it written.
    CrashInside,
}

impl Fault {
    pub(crate) const FAILURES: [Self; 6] =
        [Self::Fails, Self::Short, Self::DoneAndFails, Self::Full, Self::PagesDropped, Self::PagesEvicted];
    pub(crate) const CRASHES: [Self; 2] = [Self::Crash, Self::CrashInside];

    /// Whether it is another fault than the plainest one for this kind of operation.
    pub(crate) fn fits(self, kind: Kind) -> bool {
        match self {
            Self::Fails | Self::DoneAndFails | Self::Crash => true,
            Self::Short | Self::CrashInside => kind == Kind::Write,
            Self::Full => matches!(kind, Kind::Create | Kind::Write | Kind::CreateDir | Kind::Rename),
            Self::PagesDropped | Self::PagesEvicted => kind == Kind::Sync,
        }
    }
}

/// Which promises the disk does not keep; for showing that a test notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Honesty {
    Honest,
    /// `fdatasync` answers Ok, and does nothing.
    LiesAboutFiles,
    /// Syncs of directories do.
    LiesAboutNames,
    /// Cuts answer Ok, and do nothing.
    LiesAboutCuts,
}

/// One change of a name in a directory.
#[derive(Debug, Clone)]
enum NameChange {
    Add(PathBuf, Node),
    Remove(PathBuf),
    Rename(PathBuf, PathBuf),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Node {
    Directory,
    File(usize),
}

type Names = BTreeMap<PathBuf, Node>;

fn change_name(names: &mut Names, change: &NameChange) {
    match change {
        NameChange::Add(path, node) => {
            names.insert(path.clone(), *node);
        }
        NameChange::Remove(path) => {
            names.remove(path);
        }
        NameChange::Rename(from, to) => {
            let node = names.remove(from);
            names.extend(node.map(|node| (to.clone(), node)));
        }
    }
}

#[derive(Debug)]
struct State {
    root: PathBuf,
    honesty: Honesty,
    inodes: Vec<Inode>,
    names: Names,
    durable_names: Names,
    /// Changes of names, by directory, since it was last synced.
    pending_names: BTreeMap<PathBuf, Vec<NameChange>>,
    operations: Vec<Kind>,
    fault: Option<(usize, Fault)>,
    hit: bool,
    crashed: bool,
    full: bool,
    /// Every checkpoint note that a reader could have seen in `head` or in an anchor.
    published: BTreeSet<Vec<u8>>,
}

/// The disk. Clones are the same disk.
#[derive(Debug, Clone)]
pub(crate) struct CrashDisk {
    state: Arc<Mutex<State>>,
}

/// What of an operation is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Nothing,
    Half,
    All,
}

impl CrashDisk {
    /// A disk that holds what lies below `root`, all of it durable. What is in a directory `index` is not this
    /// disk's.
    pub(crate) fn over(root: &Path, honesty: Honesty) -> Self {
        let mut state = State {
            root: root.to_owned(),
            honesty,
            inodes: Vec::new(),
            names: Names::new(),
            durable_names: Names::new(),
            pending_names: BTreeMap::new(),
            operations: Vec::new(),
            fault: None,
            hit: false,
            crashed: false,
            full: false,
            published: BTreeSet::new(),
        };
        state.names.insert(root.to_owned(), Node::Directory);
        state.load(root);
        state.durable_names.clone_from(&state.names);
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Has the `operation`-th operation from now on, from 0, go wrong.
    pub(crate) fn fail_at(&self, operation: usize, fault: Fault) {
        let mut state = self.lock();
        (state.operations, state.hit) = (Vec::new(), false);
        state.fault = Some((operation, fault));
    }

    /// Says whether the fault that was asked for has happened.
    pub(crate) fn was_hit(&self) -> bool {
        self.lock().hit
    }

    /// The operations since the disk was made, or the fault was asked for.
    pub(crate) fn operations(&self) -> Vec<Kind> {
        self.lock().operations.clone()
    }

    /// The checkpoint notes that were there to be read at some time.
    pub(crate) fn published(&self) -> BTreeSet<Vec<u8>> {
        self.lock().published.clone()
    }

    /// No fault any more, and room.
    pub(crate) fn heal(&self) {
        let mut state = self.lock();
        (state.fault, state.full) = (None, false);
    }

    /// The process is started again: after [`Survival::Process`] on the same machine, otherwise after a power cut.
    pub(crate) fn restart(&self, survival: Survival) {
        let mut state = self.lock();
        (state.crashed, state.fault, state.full) = (false, None, false);
        if survival != Survival::Process {
            state.cut_power(survival);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl State {
    fn load(&mut self, dir: &Path) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                self.names.insert(path.clone(), Node::Directory);
                if !path.ends_with("index") {
                    self.load(&path);
                }
            } else {
                let seen = fs::read(&path).unwrap();
                self.inodes.push(Inode { durable: seen.clone(), seen, dirty: BTreeSet::new() });
                self.names.insert(path, Node::File(self.inodes.len() - 1));
            }
        }
    }

    /// Counts an operation, and says what of it is done and what is answered.
    fn begin(&mut self, kind: Kind) -> (Part, io::Result<()>) {
        if self.crashed {
            return (Part::Nothing, Err(io::Error::other("the process has ended")));
        }
        let number = self.operations.len();
        self.operations.push(kind);
        let fault = self.fault.filter(|(at, _)| *at == number).map(|(_, fault)| fault);
        self.hit |= fault.is_some();
        let error = || Err(io::Error::from_raw_os_error(5));
        let no_space = || Err(io::Error::from_raw_os_error(28));
        match fault {
            None if self.full && matches!(kind, Kind::Create | Kind::CreateDir) => {
                (Part::Nothing, no_space())
            }
            None => (Part::All, Ok(())),
            Some(Fault::Fails | Fault::PagesDropped | Fault::PagesEvicted) => (Part::Nothing, error()),
            Some(Fault::Short) => (Part::Half, error()),
            Some(Fault::DoneAndFails) => (Part::All, error()),
            Some(Fault::Full) => {
                self.full = true;
                (if kind == Kind::Write { Part::Half } else { Part::Nothing }, no_space())
            }
            Some(Fault::Crash) => {
                self.crashed = true;
                (Part::Nothing, error())
            }
            Some(Fault::CrashInside) => {
                self.crashed = true;
                (Part::Half, error())
            }
        }
    }

    fn rename_in(&mut self, dir: &Path, change: NameChange) {
        change_name(&mut self.names, &change);
        self.pending_names.entry(dir.to_owned()).or_default().push(change);
    }

    /// Writes `bytes` at `offset` into what is seen, and into the real file.
    fn write(&mut self, file: usize, real: &fs::File, offset: usize, bytes: &[u8]) {
        let inode = &mut self.inodes[file];
        let end = offset + bytes.len();
        if inode.seen.len() < end {
            inode.seen.resize(end, 0);
        }
        inode.seen[offset..end].copy_from_slice(bytes);
        if !bytes.is_empty() {
            inode.dirty.extend(offset / PAGE..end.div_ceil(PAGE));
        }
        real.write_all_at(bytes, offset as u64).unwrap();
    }

    /// Whether the file would need room that a full disk has not.
    fn lacks_room(&self, file: usize, end: usize) -> bool {
        self.full && end > self.inodes[file].seen.len()
    }

    fn note_published(&mut self, path: &Path) {
        let Some(Node::File(file)) = self.names.get(path).copied() else { return };
        let seen = &self.inodes[file].seen;
        if path.ends_with("head") {
            for slot in seen.chunks_exact(PAGE) {
                let (covered, checksum) = slot.split_at(PAGE - 4);
                let is_whole = crc32c::crc32c(covered).to_le_bytes() == *checksum;
                if is_whole && covered.starts_with(b"ROLLHEAD") {
                    let length = u32::from_le_bytes(covered[20..24].try_into().unwrap()) as usize;
                    self.published.insert(covered[24..24 + length].to_vec());
                }
            }
        } else if path.file_name().is_some_and(|name| name == "anchor") {
            self.published.insert(seen.clone());
        }
    }

    fn path_of(&self, file: usize) -> Option<PathBuf> {
        self.names.iter().find(|(_, node)| **node == Node::File(file)).map(|(path, _)| path.clone())
    }

    fn sync(&mut self, file: usize) {
        self.inodes[file].sync();
    }

    fn sync_names(&mut self, dir: &Path) {
        for change in self.pending_names.remove(dir).unwrap_or_default() {
            change_name(&mut self.durable_names, &change);
        }
    }

    /// What [`Fault::PagesEvicted`] leaves to be seen: the bytes on the disk, and zeros where there are none.
    fn evict(&mut self, file: usize) {
        let inode = &mut self.inodes[file];
        let length = inode.seen.len();
        for page in std::mem::take(&mut inode.dirty) {
            for at in page * PAGE..((page + 1) * PAGE).min(length) {
                inode.seen[at] = inode.durable.get(at).copied().unwrap_or(0);
            }
        }
        let seen = inode.seen.clone();
        let path = self.path_of(file).unwrap();
        fs::write(path, seen).unwrap();
    }

    fn cut_power(&mut self, survival: Survival) {
        let mut coin = Coin::loaded(match survival {
            Survival::Coin(load) => load,
            _ => 0,
        });
        let head = self.names.iter().find(|(path, _)| path.ends_with("head")).map(|(_, node)| *node);
        for (number, inode) in self.inodes.iter_mut().enumerate() {
            let is_head = Some(Node::File(number)) == head;
            let survival = match survival {
                Survival::HeadAlone if is_head => Survival::Everything,
                Survival::AllButHead if !is_head => Survival::Everything,
                Survival::HeadAlone | Survival::AllButHead => Survival::Nothing,
                survival => survival,
            };
            inode.seen = inode.surviving(survival, &mut coin);
            inode.durable.clone_from(&inode.seen);
            inode.dirty.clear();
        }
        for (_, changes) in std::mem::take(&mut self.pending_names) {
            let count = match survival {
                Survival::Nothing | Survival::HeadAlone => 0,
                Survival::Coin(_) => coin.below(changes.len() + 1),
                _ => changes.len(),
            };
            for change in &changes[..count] {
                change_name(&mut self.durable_names, change);
            }
        }
        // What lies in a directory whose own name is lost, is lost.
        let durable = std::mem::take(&mut self.durable_names);
        let stands = |path: &Path| {
            path.ancestors()
                .take_while(|dir| dir.starts_with(&self.root))
                .all(|dir| durable.contains_key(dir))
        };
        let kept: Names = durable
            .iter()
            .filter(|(path, _)| stands(path))
            .map(|(path, node)| (path.clone(), *node))
            .collect();
        self.names.clone_from(&kept);
        self.durable_names = kept;
        self.lay_out();
    }

    /// Makes the real directory what the names say. What is in `index` stays, if `index` does.
    fn lay_out(&self) {
        self.clear(&self.root);
        for (path, node) in &self.names {
            match node {
                Node::Directory => fs::create_dir_all(path).unwrap(),
                Node::File(file) => fs::write(path, &self.inodes[*file].seen).unwrap(),
            }
        }
    }

    fn clear(&self, dir: &Path) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.ends_with("index") || path.ends_with("lock") {
                continue;
            }
            let is_kept = self.names.contains_key(&path);
            match path.is_dir() {
                true if is_kept => self.clear(&path),
                true => fs::remove_dir_all(path).unwrap(),
                // A file that stays keeps its mode.
                false if is_kept => {}
                false => fs::remove_file(path).unwrap(),
            }
        }
    }
}

impl Disk for CrashDisk {
    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.lock();
        if state.crashed {
            return Err(io::Error::other("the process has ended"));
        }
        let known = state.names.get(path).copied();
        match (access, known) {
            (Access::CreateAppend, Some(_)) => return Err(io::ErrorKind::AlreadyExists.into()),
            (Access::Read | Access::Append, None) => return Err(io::ErrorKind::NotFound.into()),
            (_, Some(Node::Directory)) => return Err(io::ErrorKind::IsADirectory.into()),
            (_, Some(Node::File(file))) if access == Access::Replace => {
                let (part, answer) = state.begin(Kind::Truncate);
                if part == Part::All {
                    (state.inodes[file].seen, state.inodes[file].dirty) = Default::default();
                    fs::write(path, b"").unwrap();
                }
                answer?;
            }
            (_, Some(_)) => {}
            (_, None) => {
                let (part, answer) = state.begin(Kind::Create);
                if part == Part::All {
                    fs::write(path, b"")?;
                    state.inodes.push(Inode::default());
                    let node = Node::File(state.inodes.len() - 1);
                    state.rename_in(parent_of(path), NameChange::Add(path.to_owned(), node));
                }
                answer?;
            }
        }
        let Some(Node::File(file)) = state.names.get(path).copied() else { unreachable!("it is a file") };
        let mut options = fs::OpenOptions::new();
        let real = options.read(true).write(true).open(path)?;
        Ok(Box::new(CrashFile { disk: self.clone(), file, real, path: path.to_owned() }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        RealDisk.list(dir)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.lock();
        let (part, answer) = state.begin(Kind::CreateDir);
        if part == Part::All && !state.names.contains_key(dir) {
            RealDisk.create_dir(dir)?;
            state.rename_in(parent_of(dir), NameChange::Add(dir.to_owned(), Node::Directory));
        }
        answer
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.lock();
        let (part, answer) = state.begin(Kind::Rename);
        if part == Part::All {
            RealDisk.rename(from, to)?;
            state.rename_in(parent_of(to), NameChange::Rename(from.to_owned(), to.to_owned()));
            state.note_published(to);
        }
        answer
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock();
        let (part, answer) = state.begin(Kind::Remove);
        if part == Part::All {
            RealDisk.remove_file(path)?;
            state.rename_in(parent_of(path), NameChange::Remove(path.to_owned()));
        }
        answer
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.lock();
        let (part, answer) = state.begin(Kind::SyncDir);
        if part == Part::All && state.honesty != Honesty::LiesAboutNames {
            state.sync_names(dir);
        }
        answer
    }
}

#[derive(Debug)]
struct CrashFile {
    disk: CrashDisk,
    file: usize,
    real: fs::File,
    path: PathBuf,
}

impl CrashFile {
    fn write(&self, offset: Option<u64>, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.lock();
        let offset =
            offset.map_or(state.inodes[self.file].seen.len(), |offset| usize::try_from(offset).unwrap());
        let (mut part, mut answer) = state.begin(Kind::Write);
        if part == Part::All && answer.is_ok() && state.lacks_room(self.file, offset + bytes.len()) {
            (part, answer) = (Part::Half, Err(io::Error::from_raw_os_error(28)));
        }
        let done = match part {
            Part::Nothing => 0,
            Part::Half => bytes.len() / 2,
            Part::All => bytes.len(),
        };
        state.write(self.file, &self.real, offset, &bytes[..done]);
        state.note_published(&self.path);
        answer
    }
}

impl DiskFile for CrashFile {
    fn bytes(&self) -> io::Result<u64> {
        Ok(self.disk.lock().inodes[self.file].seen.len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let state = self.disk.lock();
        let seen = &state.inodes[self.file].seen;
        let start = usize::try_from(offset).unwrap().min(seen.len());
        let count = buffer.len().min(seen.len() - start);
        buffer[..count].copy_from_slice(&seen[start..start + count]);
        Ok(count)
    }

    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        self.write(None, bytes)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.write(Some(offset), bytes)
    }

    fn set_bytes(&self, bytes: u64) -> io::Result<()> {
        let mut state = self.disk.lock();
        let (part, answer) = state.begin(Kind::Truncate);
        if part == Part::All && state.honesty != Honesty::LiesAboutCuts {
            let length = usize::try_from(bytes).unwrap();
            let inode = &mut state.inodes[self.file];
            inode.seen.resize(length, 0);
            inode.dirty.retain(|page| page * PAGE < length);
            self.real.set_len(bytes).unwrap();
        }
        answer
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.disk.lock();
        let (part, answer) = state.begin(Kind::Sync);
        let fault = state.fault.filter(|_| answer.is_err()).map(|(_, fault)| fault);
        match fault {
            Some(Fault::PagesDropped) => state.inodes[self.file].dirty.clear(),
            Some(Fault::PagesEvicted) => state.evict(self.file),
            _ if part == Part::All && state.honesty != Honesty::LiesAboutFiles => state.sync(self.file),
            _ => {}
        }
        answer
    }
}
