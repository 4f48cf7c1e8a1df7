//! A pack's files by their paths, and what they are called.
//!
//! A pack comes from somebody else. No path leads out of its directory: symbolic links are not followed, and what is
//! no plain file counts as not there. How much of a file is read is said by whoever asks.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use rustix::fd::OwnedFd;
use rustix::fs::{Dir, FileType, Mode, OFlags, openat};
use rustix::io::Errno;

use crate::merkle::tile::{TILE_WIDTH, Tile};
use crate::store::frame::FRAME_NOTE_BYTES_MAX;

use super::bundle::{ENTRY_BUNDLE_BYTES_MAX, NOTE_BUNDLE_BYTES_MAX};

/// The newest published checkpoint, written last.
pub const CHECKPOINT: &str = "checkpoint";
/// The first index of each log file.
pub const FILES: &str = "files";
/// What its reader is told.
pub const README: &str = "README.md";
/// The trust root, for reading.
pub const TRUST: &str = "trust.toml";
/// The same as a C2SP tlog-policy.
pub const POLICY: &str = "tlog-policy";
/// The directory of notes by batch.
pub const BATCHES_DIR: &str = "batches";
/// The directory of tiles and of entry bundles.
pub const TILES_DIR: &str = "tile";
/// What a file is called while it is being written.
pub const UNFINISHED: &str = ".new";

/// The most bytes read of `files`: some hundred thousand log files.
pub const FILES_BYTES_MAX: usize = 4 << 20;
/// How deep directories are listed. The deepest of our own is `batches/x018/…/615.p`.
const DEPTH_MAX: usize = 12;

/// What stands under a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contents {
    /// No plain file.
    Missing,
    /// More bytes than the file may have.
    TooLong,
    /// A file.
    Bytes(Vec<u8>),
}

impl Contents {
    /// The bytes, where there are some.
    #[must_use]
    pub fn bytes(self) -> Option<Vec<u8>> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }
}

/// A pack's directory, open.
#[derive(Debug)]
pub struct PackDir {
    root: OwnedFd,
    path: PathBuf,
}

/// What a walk finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// A plain file.
    File,
    /// A symbolic link.
    Link,
    /// Anything else but a directory.
    Other,
}

impl PackDir {
    /// Opens the directory `path`. Whoever names it may name a link.
    ///
    /// # Errors
    /// Of the operating system.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self { root: rustix::fs::open(path, flags, Mode::empty())?, path: path.to_owned() })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the plain file under `relative`; none where there is no such file.
    ///
    /// # Errors
    /// Of the operating system, but that it isn't there.
    pub fn file(&self, relative: &str) -> io::Result<Option<File>> {
        let (dirs, name) = relative.rsplit_once('/').unwrap_or(("", relative));
        let Some(dir) = self.dir(dirs)? else { return Ok(None) };
        let Some(file) = open_at(&dir, name, OFlags::NONBLOCK)? else { return Ok(None) };
        let file = File::from(file);
        Ok(file.metadata()?.is_file().then_some(file))
    }

    /// Reads the plain file under `relative`, of at most `bytes_max` bytes.
    ///
    /// # Errors
    /// As [`PackDir::file`].
    pub fn read(&self, relative: &str, bytes_max: usize) -> io::Result<Contents> {
        let Some(file) = self.file(relative)? else { return Ok(Contents::Missing) };
        let length = file.metadata()?.len();
        if length > bytes_max as u64 {
            return Ok(Contents::TooLong);
        }
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0) + 1);
        file.take(bytes_max as u64 + 1).read_to_end(&mut bytes)?;
        Ok(if bytes.len() > bytes_max { Contents::TooLong } else { Contents::Bytes(bytes) })
    }

    /// Reads a tile.
    ///
    /// # Errors
    /// As [`PackDir::file`].
    pub fn read_tile(&self, tile: Tile) -> io::Result<Contents> {
        self.read(&tile.to_string(), usize::from(TILE_WIDTH) * 32)
    }

    /// Reads an entry bundle.
    ///
    /// # Errors
    /// As [`PackDir::file`].
    pub fn read_entries(&self, path: &str) -> io::Result<Contents> {
        self.read(path, ENTRY_BUNDLE_BYTES_MAX)
    }

    /// Reads a bundle of notes.
    ///
    /// # Errors
    /// As [`PackDir::file`].
    pub fn read_notes(&self, path: &str) -> io::Result<Contents> {
        self.read(path, NOTE_BUNDLE_BYTES_MAX)
    }

    /// Reads a single note.
    ///
    /// # Errors
    /// As [`PackDir::file`].
    pub fn read_note(&self, path: &str) -> io::Result<Contents> {
        self.read(path, FRAME_NOTE_BYTES_MAX)
    }

    /// Tells `each` of everything below the directory `relative` that is no directory, in no order. Names that are
    /// not UTF-8, and what lies deeper than any of ours, are left out.
    ///
    /// # Errors
    /// Of the operating system, or what `each` ends in.
    pub fn walk(
        &self,
        relative: &str,
        each: &mut dyn FnMut(&str, Found) -> io::Result<()>,
    ) -> io::Result<()> {
        match self.dir(relative)? {
            Some(dir) => walk_below(&dir, relative, DEPTH_MAX, each),
            None => Ok(()),
        }
    }

    fn dir(&self, relative: &str) -> io::Result<Option<OwnedFd>> {
        let mut dir = self.root.try_clone()?;
        for name in relative.split('/').filter(|name| !name.is_empty()) {
            match open_at(&dir, name, OFlags::DIRECTORY)? {
                Some(inner) => dir = inner,
                None => return Ok(None),
            }
        }
        Ok(Some(dir))
    }
}

fn walk_below(
    dir: &OwnedFd,
    path: &str,
    depth: usize,
    each: &mut dyn FnMut(&str, Found) -> io::Result<()>,
) -> io::Result<()> {
    for item in Dir::read_from(dir)? {
        let item = item?;
        let Ok(name) = item.file_name().to_str() else { continue };
        if name == "." || name == ".." {
            continue;
        }
        let path = format!("{path}/{name}");
        match kind_of(dir, name, item.file_type())? {
            Some(FileType::Directory) if depth > 0 => {
                if let Some(inner) = open_at(dir, name, OFlags::DIRECTORY)? {
                    walk_below(&inner, &path, depth - 1, each)?;
                }
            }
            Some(FileType::Directory) | None => {}
            Some(FileType::RegularFile) => each(&path, Found::File)?,
            Some(FileType::Symlink) => each(&path, Found::Link)?,
            Some(_) => each(&path, Found::Other)?,
        }
    }
    Ok(())
}

/// The kind of `name`, which not every file system tells when it lists; none where it went away.
fn kind_of(dir: &OwnedFd, name: &str, told: FileType) -> io::Result<Option<FileType>> {
    if told != FileType::Unknown {
        return Ok(Some(told));
    }
    match rustix::fs::statat(dir, name, rustix::fs::AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(FileType::from_raw_mode(stat.st_mode))),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Opens `name` in `dir` for reading, if it is there, no link, and no way out. A pipe holds nobody up.
fn open_at(dir: &OwnedFd, name: &str, flags: OFlags) -> io::Result<Option<OwnedFd>> {
    if name == ".." || name.contains('/') {
        return Ok(None);
    }
    let flags = flags | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match openat(dir, name, flags, Mode::empty()) {
        Ok(file) => Ok(Some(file)),
        // A link is ELOOP, on some systems EMLINK; a socket is ENXIO.
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::MLINK | Errno::NXIO) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leads_out_of_the_pack() {
        let root = tempfile::tempdir().unwrap();
        let (inside, outside) = (root.path().join("pack"), root.path().join("secret"));
        std::fs::create_dir_all(inside.join("tile/0")).unwrap();
        std::fs::create_dir(&outside).unwrap();
        std::fs::write(outside.join("000"), b"secret").unwrap();
        std::fs::write(inside.join("tile/0/000"), b"tile").unwrap();
        std::os::unix::fs::symlink(&outside, inside.join("tile/1")).unwrap();
        std::os::unix::fs::symlink(outside.join("000"), inside.join("tile/0/001")).unwrap();
        let pack = PackDir::open(&inside).unwrap();
        assert_eq!(pack.read("tile/0/000", 4).unwrap(), Contents::Bytes(b"tile".to_vec()));
        assert_eq!(pack.read("tile/0/000", 3).unwrap(), Contents::TooLong);
        for path in ["tile/1/000", "tile/0/001", "tile/0", "tile/2/000", "tile/0/000/x", "nothing"] {
            assert_eq!(pack.read(path, 100).unwrap(), Contents::Missing, "{path}");
        }
        // Dots lead nowhere, not even to where they would have come back.
        for path in ["../secret/000", "tile/../../secret/000", "tile/0/../0/000", ".."] {
            assert_eq!(pack.read(path, 100).unwrap(), Contents::Missing, "{path}");
        }
        pack.walk("../secret", &mut |path, _| panic!("{path} lies outside")).unwrap();
        let mut found = Vec::new();
        pack.walk("tile", &mut |path, kind| {
            found.push((path.to_owned(), kind));
            Ok(())
        })
        .unwrap();
        found.sort_by(|one, other| one.0.cmp(&other.0));
        let expected = [
            ("tile/0/000".to_owned(), Found::File),
            ("tile/0/001".to_owned(), Found::Link),
            ("tile/1".to_owned(), Found::Link),
        ];
        assert_eq!(found, expected);
    }
}
