//! The file operations that the store rests on, as a trait, so that a test can fail or crash each of them.
//!
//! [`RealDisk`] passes every call to the operating system. Files and directories get the mode that the
//! umask gives. Nothing is buffered: what returned is in the page cache and survives the process; only
//! [`DiskFile::sync_data`] and [`Disk::sync_dir`] make it survive the machine.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// For reading, and it must be there.
    Read,
    /// For reading, and for writing at the end only (`O_APPEND`, so that `chattr +a` can stand), and it
    /// must be there.
    Append,
    /// As [`Access::Append`], and it must not be there yet.
    CreateAppend,
    /// For reading, and for writing and cutting in place; created where it is missing.
    Write,
    /// As [`Access::Write`], emptied first.
    Replace,
}

/// A file system.
pub trait Disk: fmt::Debug + Send + Sync {
    /// Opens the file `path`.
    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn DiskFile>>;
    /// The names in the directory `dir`, in no order; names that are not UTF-8 are left out.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Makes the directory `dir`, whose parent is there. Not an error where it is there already.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;
    /// Gives the file `from` the name `to`, in place of what had that name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes the file `path`.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in `dir` durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
}

/// An open file.
pub trait DiskFile: fmt::Debug + Send + Sync {
    /// Its length in bytes.
    fn bytes(&self) -> io::Result<u64>;
    /// Fills `buffer` from `offset` on, and returns how many bytes there were: fewer only at the end.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
    /// Writes all of `bytes` at the end.
    fn append(&self, bytes: &[u8]) -> io::Result<()>;
    /// Writes all of `bytes` at `offset`. Not for files opened with [`Access::Append`], where the
    /// operating system would write at the end.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Cuts or extends the file.
    fn set_bytes(&self, bytes: u64) -> io::Result<()>;
    /// Makes its bytes and its length durable (`fdatasync`).
    fn sync_data(&self) -> io::Result<()>;
}

/// The machine's own file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true);
        match access {
            Access::Read => &mut options,
            Access::Append => options.append(true),
            Access::CreateAppend => options.append(true).create_new(true),
            Access::Write => options.write(true).create(true).truncate(false),
            Access::Replace => options.write(true).create(true).truncate(true),
        };
        // A pipe would be waited for, and a device has no end: neither is a file of ours.
        let file = options.custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
        }
        Ok(Box::new(file))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(dir)? {
            names.extend(entry?.file_name().into_string());
        }
        Ok(names)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        match std::fs::create_dir(dir) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => Ok(()),
            result => result,
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }
}

impl DiskFile for File {
    fn bytes(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match std::os::unix::fs::FileExt::read_at(self, &mut buffer[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        let mut file = self;
        file.write_all(bytes)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn set_bytes(&self, bytes: u64) -> io::Result<()> {
        self.set_len(bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        File::sync_data(self)
    }
}

/// Writes `bytes` to `path`, whole or not at all, and durably: beside it, synced, renamed, directory synced.
/// A crash leaves the old file, or the new; perhaps `<path>.new` too, which the next call writes over. Two
/// calls for one path at one time are the caller's to prevent.
///
/// # Errors
/// Of the first operation that failed; after an error of the last one, the new file stands but may not last.
pub fn write_whole(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
    name.push(".new");
    let beside = path.with_file_name(name);
    let file = disk.open(&beside, Access::Replace)?;
    file.write_at(0, bytes)?;
    file.sync_data()?;
    disk.rename(&beside, path)?;
    disk.sync_dir(parent_of(path))
}

/// The directory that `path` stands in; `.` for a bare name.
#[must_use]
pub fn parent_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_regular_file_is_refused_and_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).unwrap();
        let endless = dir.path().join("endless");
        std::os::unix::fs::symlink("/dev/zero", &endless).unwrap();
        for path in [&pipe, &endless] {
            let error = RealDisk.open(path, Access::Read).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{error}");
        }
    }

    #[test]
    fn append_files_grow_at_the_end_only_and_are_created_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        assert!(RealDisk.open(&path, Access::Append).is_err(), "it is not there yet");
        RealDisk.open(&path, Access::CreateAppend).unwrap().append(b"abc").unwrap();
        assert!(RealDisk.open(&path, Access::CreateAppend).is_err());
        RealDisk.open(&path, Access::Append).unwrap().append(b"def").unwrap();
        let mut buffer = [0; 8];
        assert_eq!(RealDisk.open(&path, Access::Read).unwrap().read_at(2, &mut buffer).unwrap(), 4);
        assert_eq!(&buffer[..4], b"cdef");
    }

    #[test]
    fn a_whole_write_replaces_and_leaves_nothing_beside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        write_whole(&RealDisk, &path, b"a longer first text").unwrap();
        std::fs::write(dir.path().join("file.new"), b"left behind by a crash, and longer").unwrap();
        write_whole(&RealDisk, &path, b"second").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"second");
        assert_eq!(RealDisk.list(dir.path()).unwrap(), ["file"]);
    }
}
