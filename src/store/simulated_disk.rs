//! A disk that forgets what was not synced, and fails or crashes at any operation asked for.
//!
//! Every file has what a process sees and what would outlive a power cut; names likewise. Operations that change
//! something, and syncs, are counted, so that a test can run its work once for each of them and have that one fail.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use super::disk::{Access, Disk, DiskFile};

/// What happens at the chosen operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It fails, having done half its work if it writes; the process lives on, and so does the disk.
    Error,
    /// The process ends in it, or the power does: it and all that follow fail.
    Crash,
}

/// What a crash leaves of bytes and names that were not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Survival {
    /// All: only the process ended.
    All,
    /// Nothing.
    Nothing,
    /// Names, and the first half of what each file gained.
    Half,
    /// Names and lengths, but zeros where the bytes gained should be.
    Zeros,
    /// Names and bytes, but zeros in the first half of what each file gained: pages in the wrong order.
    LastHalf,
}

impl Survival {
    pub(crate) const EACH: [Self; 5] = [Self::All, Self::Nothing, Self::Half, Self::Zeros, Self::LastHalf];
}

#[derive(Debug, Clone, Default)]
struct FileBytes {
    seen: Vec<u8>,
    durable: Vec<u8>,
}

#[derive(Debug, Default)]
struct State {
    files: Vec<FileBytes>,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    operations: usize,
    fault: Option<(usize, Fault)>,
    crashed: bool,
}

/// The disk. Clones are the same disk.
#[derive(Debug, Clone, Default)]
pub(crate) struct SimulatedDisk {
    state: Arc<Mutex<State>>,
}

impl SimulatedDisk {
    /// Has the `operation`-th operation from now on, from 0, go wrong.
    pub(crate) fn fail_at(&self, operation: usize, fault: Fault) {
        let mut state = self.lock();
        state.fault = Some((state.operations + operation, fault));
    }

    /// Says whether the fault that was asked for has happened.
    pub(crate) fn has_failed(&self) -> bool {
        let state = self.lock();
        state.fault.is_some_and(|(at, _)| state.operations > at)
    }

    /// Starts the machine again, with what survived.
    pub(crate) fn restart(&self, survival: Survival) {
        let mut state = self.lock();
        (state.crashed, state.fault) = (false, None);
        for file in &mut state.files {
            file.seen = surviving(&file.seen, &file.durable, survival);
            if survival != Survival::All {
                file.durable.clone_from(&file.seen);
            }
        }
        if survival == Survival::Nothing {
            state.names = state.durable_names.clone();
        } else if survival != Survival::All {
            state.durable_names = state.names.clone();
        }
    }

    /// What a file holds, as a process sees it.
    pub(crate) fn bytes(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.lock();
        state.names.get(path).map(|file| state.files[*file].seen.clone())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

/// Bytes in place of `seen` after a crash. A file that shrank without a sync, or changed in place, is taken
/// to have done so or not.
fn surviving(seen: &[u8], durable: &[u8], survival: Survival) -> Vec<u8> {
    let gained = seen.len().saturating_sub(durable.len());
    let half = durable.len() + gained / 2;
    match survival {
        Survival::All => seen.to_vec(),
        Survival::Nothing => durable.to_vec(),
        _ if gained == 0 => seen.to_vec(),
        Survival::Half => seen[..half].to_vec(),
        Survival::Zeros => [&seen[..durable.len()], &vec![0; gained][..]].concat(),
        Survival::LastHalf => [&seen[..durable.len()], &vec![0; gained / 2][..], &seen[half..]].concat(),
    }
}

impl State {
    /// Counts an operation. `Err` where it goes wrong.
    fn begin(&mut self) -> io::Result<()> {
        if self.crashed {
            return Err(io::Error::other("the process has ended"));
        }
        let number = self.operations;
        self.operations += 1;
        match self.fault {
            Some((at, fault)) if at == number => {
                self.crashed = fault == Fault::Crash;
                Err(io::Error::other("a fault was asked for"))
            }
            _ => Ok(()),
        }
    }

    fn file(&self, path: &Path) -> io::Result<usize> {
        self.names.get(path).copied().ok_or(io::ErrorKind::NotFound.into())
    }
}

impl Disk for SimulatedDisk {
    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.lock();
        let known = state.names.get(path).copied();
        let file = match (access, known) {
            (Access::CreateAppend, Some(_)) => return Err(io::ErrorKind::AlreadyExists.into()),
            (Access::Read | Access::Append, None) => return Err(io::ErrorKind::NotFound.into()),
            (_, Some(file)) => file,
            (_, None) => {
                state.begin()?;
                state.files.push(FileBytes::default());
                let file = state.files.len() - 1;
                state.names.insert(path.to_owned(), file);
                file
            }
        };
        if access == Access::Replace {
            state.begin()?;
            state.files[file].seen.clear();
        }
        Ok(Box::new(SimulatedFile { disk: self.clone(), file }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = self.lock();
        let inside = state.names.keys().filter(|path| path.parent() == Some(dir));
        Ok(inside.filter_map(|path| path.file_name()?.to_str().map(str::to_owned)).collect())
    }

    /// Directories are there when a file in them is; making them is counted all the same.
    fn create_dir(&self, _dir: &Path) -> io::Result<()> {
        self.lock().begin()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.lock();
        state.begin()?;
        let file = state.file(from)?;
        state.names.remove(from);
        state.names.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock();
        state.begin()?;
        state.file(path)?;
        state.names.remove(path);
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.lock();
        state.begin()?;
        let State { names, durable_names, .. } = &mut *state;
        durable_names.retain(|path, _| path.parent() != Some(dir));
        let inside = names.iter().filter(|(path, _)| path.parent() == Some(dir));
        durable_names.extend(inside.map(|(path, file)| (path.clone(), *file)));
        Ok(())
    }
}

#[derive(Debug)]
struct SimulatedFile {
    disk: SimulatedDisk,
    file: usize,
}

impl SimulatedFile {
    /// Writes `bytes` at `offset`, which `place` chooses; half of them where the operation goes wrong.
    fn write(&self, place: impl FnOnce(&[u8]) -> usize, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.lock();
        let was_crashed = state.crashed;
        let result = state.begin();
        let written = match (&result, was_crashed) {
            (Ok(()), _) => bytes,
            (Err(_), false) => &bytes[..bytes.len() / 2],
            (Err(_), true) => &[],
        };
        let seen = &mut state.files[self.file].seen;
        let offset = place(seen);
        let end = offset + written.len();
        if seen.len() < end {
            seen.resize(end, 0);
        }
        seen[offset..end].copy_from_slice(written);
        result
    }
}

impl DiskFile for SimulatedFile {
    fn bytes(&self) -> io::Result<u64> {
        Ok(self.disk.lock().files[self.file].seen.len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let state = self.disk.lock();
        let seen = &state.files[self.file].seen;
        let start = usize::try_from(offset).unwrap().min(seen.len());
        let count = buffer.len().min(seen.len() - start);
        buffer[..count].copy_from_slice(&seen[start..start + count]);
        Ok(count)
    }

    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        self.write(<[u8]>::len, bytes)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.write(|_| usize::try_from(offset).unwrap(), bytes)
    }

    fn set_bytes(&self, bytes: u64) -> io::Result<()> {
        let mut state = self.disk.lock();
        state.begin()?;
        state.files[self.file].seen.resize(usize::try_from(bytes).unwrap(), 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.disk.lock();
        state.begin()?;
        let file = &mut state.files[self.file];
        file.durable.clone_from(&file.seen);
        Ok(())
    }
}
