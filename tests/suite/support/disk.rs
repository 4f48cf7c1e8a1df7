//! A disk that counts what is read from it, and fails at any one operation asked for.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use rollbook::store::disk::{Access, Disk, DiskFile, RealDisk};

/// The machine's disk, with a fault. Clones are the same disk.
#[derive(Debug, Clone, Default)]
pub(crate) struct FaultyDisk {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// How many more operations that change something, or syncs, succeed; below zero all do.
    left: AtomicI64,
    failures: AtomicU64,
    panics: AtomicBool,
    bytes_read: AtomicU64,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            left: AtomicI64::new(-1),
            failures: AtomicU64::new(0),
            panics: AtomicBool::new(false),
            bytes_read: AtomicU64::new(0),
        }
    }
}

impl FaultyDisk {
    /// Has the operation fail that comes after `count` more, half done if it writes.
    pub(crate) fn fail_after(&self, count: i64) {
        self.shared.left.store(count, Ordering::SeqCst);
    }

    /// As [`FaultyDisk::fail_after`], by a panic: a bug, rather than a disk.
    pub(crate) fn panic_after(&self, count: i64) {
        self.shared.panics.store(true, Ordering::SeqCst);
        self.fail_after(count);
    }

    pub(crate) fn failures(&self) -> u64 {
        self.shared.failures.load(Ordering::SeqCst)
    }

    pub(crate) fn bytes_read(&self) -> u64 {
        self.shared.bytes_read.load(Ordering::SeqCst)
    }
}

impl Shared {
    fn count(&self) -> io::Result<()> {
        let before =
            self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| Some((left - 1).max(-1)));
        if before == Ok(0) {
            self.failures.fetch_add(1, Ordering::SeqCst);
            assert!(!self.panics.load(Ordering::SeqCst), "the disk panics, as was asked");
            return Err(io::Error::other("the disk failed, as was asked"));
        }
        Ok(())
    }
}

impl Disk for FaultyDisk {
    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn DiskFile>> {
        let file = RealDisk.open(path, access)?;
        Ok(Box::new(FaultyFile { file, shared: Arc::clone(&self.shared) }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        RealDisk.list(dir)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.shared.count()?;
        RealDisk.create_dir(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.shared.count()?;
        RealDisk.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.shared.count()?;
        RealDisk.remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.shared.count()?;
        RealDisk.sync_dir(dir)
    }
}

#[derive(Debug)]
struct FaultyFile {
    file: Box<dyn DiskFile>,
    shared: Arc<Shared>,
}

impl DiskFile for FaultyFile {
    fn bytes(&self) -> io::Result<u64> {
        self.file.bytes()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(offset, buffer)?;
        self.shared.bytes_read.fetch_add(count as u64, Ordering::SeqCst);
        Ok(count)
    }

    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.shared.count() {
            self.file.append(&bytes[..bytes.len() / 2])?;
            return Err(error);
        }
        self.file.append(bytes)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.shared.count() {
            self.file.write_at(offset, &bytes[..bytes.len() / 2])?;
            return Err(error);
        }
        self.file.write_at(offset, bytes)
    }

    fn set_bytes(&self, bytes: u64) -> io::Result<()> {
        self.shared.count()?;
        self.file.set_bytes(bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.shared.count()?;
        self.file.sync_data()
    }
}
