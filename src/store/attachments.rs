//! Attachments: evidence files, kept by the SHA-256 of their bytes at `attachments/sha256/ab/cdef…`.
//!
//! The name is the digest, so a file is whole and right or it is found out; putting the same bytes twice is
//! putting them once. Bytes come in through a file beside, `attachments/.incoming-…`, which a crash may leave
//! behind and which nothing reads. A removed attachment leaves the log whole: which removals are lawful, the log says.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest as _, Sha256};

use crate::hash::Hash;

use super::disk::{Access, Disk, DiskFile, RealDisk, parent_of};

/// The most bytes of one attachment (docs/format.md, "Bounds"): reports and statements, never models.
pub const ATTACHMENT_BYTES_MAX: u64 = 64 << 20;

/// The directory of attachments inside a ledger.
pub const ATTACHMENTS_DIR: &str = "attachments";

/// How much is read, hashed and written at once.
const CHUNK_BYTES: usize = 256 << 10;

/// Why an attachment could not be put, read or removed.
#[derive(Debug, thiserror::Error)]
pub enum AttachmentError {
    /// The operating system said no.
    #[error("cannot {operation} {path}: {source}", path = path.display())]
    Io {
        /// What was tried, as a verb.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// The source of the bytes failed.
    #[error("cannot read what is to be attached: {0}")]
    Source(io::Error),
    /// More than [`ATTACHMENT_BYTES_MAX`].
    #[error("an attachment has at most {ATTACHMENT_BYTES_MAX} bytes")]
    TooLong,
    /// Other bytes than those that were asked for.
    #[error("the bytes have the digest {actual}, expected {expected}")]
    Other {
        /// Of the bytes.
        actual: Hash,
        /// What was asked for.
        expected: Hash,
    },
}

/// What was put: enough to name it in an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredAttachment {
    /// SHA-256 of the bytes.
    pub digest: Hash,
    /// How many bytes.
    pub bytes: u64,
}

/// What stands under a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttachmentCheck {
    /// The bytes have that digest.
    Sound {
        /// How many bytes.
        bytes: u64,
    },
    /// Nothing.
    Missing,
    /// Other bytes.
    Differs {
        /// Their digest. Of the first bytes, up to the bound and one more, where there are more.
        actual: Hash,
    },
}

/// The directory `attachments`.
#[derive(Debug, Clone)]
pub struct Attachments {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
}

impl Attachments {
    /// The attachments in the directory `dir`, which is made by the first one.
    #[must_use]
    pub fn new(dir: &Path) -> Self {
        Self::on(Arc::new(RealDisk), dir)
    }

    /// As [`Attachments::new`], on a given disk.
    #[must_use]
    pub fn on(disk: Arc<dyn Disk>, dir: &Path) -> Self {
        Self { disk, dir: dir.to_owned() }
    }

    /// The attachments of the ledger in `ledger`.
    #[must_use]
    pub fn of_ledger(ledger: &Path) -> Self {
        Self::new(&ledger.join(ATTACHMENTS_DIR))
    }

    /// Where the bytes with this digest lie, if they are there.
    #[must_use]
    pub fn path(&self, digest: &Hash) -> PathBuf {
        let digits = digest.to_string();
        let (first, rest) = digits.split_at(2);
        self.dir.join("sha256").join(first).join(rest)
    }

    /// Keeps all bytes of `source`, durably. Bytes that were kept before are put in their own place once more,
    /// which heals a damaged file.
    ///
    /// # Errors
    /// [`AttachmentError`]; nothing stands under a digest then that did not before.
    pub fn put(&self, source: &mut dyn Read) -> Result<StoredAttachment, AttachmentError> {
        self.put_if(source, &|_| Ok(()))
    }

    /// As [`Attachments::put`], for bytes whose digest is known already.
    ///
    /// # Errors
    /// As there, and [`AttachmentError::Other`] where they turn out to be others.
    pub fn put_as(
        &self,
        expected: &Hash,
        source: &mut dyn Read,
    ) -> Result<StoredAttachment, AttachmentError> {
        self.put_if(source, &|actual| {
            let other = AttachmentError::Other { actual: *actual, expected: *expected };
            if actual == expected { Ok(()) } else { Err(other) }
        })
    }

    fn put_if(
        &self,
        source: &mut dyn Read,
        check: &dyn Fn(&Hash) -> Result<(), AttachmentError>,
    ) -> Result<StoredAttachment, AttachmentError> {
        self.make_dir(&self.dir)?;
        let (incoming, file) = self.begin()?;
        let result = receive(source, file.as_ref(), &incoming).and_then(|stored| {
            check(&stored.digest)?;
            let path = self.path(&stored.digest);
            self.make_dir(&self.dir.join("sha256"))?;
            self.make_dir(parent_of(&path))?;
            self.disk.rename(&incoming, &path).map_err(failed("name", &path))?;
            self.disk.sync_dir(parent_of(&path)).map_err(failed("sync", parent_of(&path)))?;
            Ok(stored)
        });
        if result.is_err() {
            // Of what is half there nothing is wanted; whether it goes or stays changes nothing.
            let _ = self.disk.remove_file(&incoming);
        }
        result
    }

    /// Makes what stands under this digest durable: whoever put it may have been interrupted before.
    ///
    /// # Errors
    /// [`AttachmentError::Io`].
    pub fn sync(&self, digest: &Hash) -> Result<(), AttachmentError> {
        let Some(file) = self.open(digest)? else { return Ok(()) };
        let path = self.path(digest);
        file.sync_data().map_err(failed("sync", &path))?;
        let above = path.ancestors().skip(1).take_while(|dir| *dir != self.dir);
        let mut dirs = above.chain([self.dir.as_path(), parent_of(&self.dir)]);
        dirs.try_for_each(|dir| self.disk.sync_dir(dir).map_err(failed("sync", dir)))
    }

    /// The bytes with this digest, checked; none where they are missing or others stand there, which
    /// [`Attachments::verify`] tells apart.
    ///
    /// # Errors
    /// [`AttachmentError::Io`].
    pub fn read(&self, digest: &Hash) -> Result<Option<Vec<u8>>, AttachmentError> {
        let mut bytes = Vec::new();
        let actual = self.visit(digest, |chunk| bytes.extend_from_slice(chunk))?;
        Ok(actual.filter(|actual| actual == digest).map(|_| bytes))
    }

    /// Whether something stands under this digest; its bytes are not read.
    ///
    /// # Errors
    /// [`AttachmentError::Io`].
    pub fn exists(&self, digest: &Hash) -> Result<bool, AttachmentError> {
        Ok(self.open(digest)?.is_some())
    }

    /// Reads and hashes what stands under this digest.
    ///
    /// # Errors
    /// [`AttachmentError::Io`].
    pub fn verify(&self, digest: &Hash) -> Result<AttachmentCheck, AttachmentError> {
        let mut bytes = 0;
        let actual = self.visit(digest, |chunk| bytes += chunk.len() as u64)?;
        Ok(match actual {
            None => AttachmentCheck::Missing,
            Some(actual) if actual == *digest => AttachmentCheck::Sound { bytes },
            Some(actual) => AttachmentCheck::Differs { actual },
        })
    }

    /// Removes what stands under this digest, durably. False where nothing did.
    ///
    /// # Errors
    /// [`AttachmentError::Io`].
    pub fn remove(&self, digest: &Hash) -> Result<bool, AttachmentError> {
        let path = self.path(digest);
        let was_there = match self.disk.remove_file(&path) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(failed("remove", &path)(error)),
        };
        match self.disk.sync_dir(parent_of(&path)) {
            // Whoever removed it may have been interrupted before the sync; or there never was a directory.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !was_there => Ok(false),
            synced => synced.map(|()| was_there).map_err(failed("sync", parent_of(&path))),
        }
    }

    /// Makes `dir`, and its name durable. The sync is not left out where `dir` is there already: whoever made it
    /// may have been interrupted before it.
    fn make_dir(&self, dir: &Path) -> Result<(), AttachmentError> {
        self.disk.create_dir(dir).map_err(failed("create", dir))?;
        self.disk.sync_dir(parent_of(dir)).map_err(failed("sync", parent_of(dir)))
    }

    /// A new file for bytes whose digest is not known yet. Two processes may put at one time: names don't meet,
    /// and one left over from a process of the same number is stepped over.
    fn begin(&self) -> Result<(PathBuf, Box<dyn DiskFile>), AttachmentError> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        loop {
            let number = COUNTER.fetch_add(1, Ordering::Relaxed);
            let path = self.dir.join(format!(".incoming-{}-{number}", std::process::id()));
            match self.disk.open(&path, Access::CreateAppend) {
                Ok(file) => return Ok((path, file)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(failed("create", &path)(error)),
            }
        }
    }

    /// What is no plain file is no attachment: a pipe that somebody put there would hold up its reader.
    fn open(&self, digest: &Hash) -> Result<Option<Box<dyn DiskFile>>, AttachmentError> {
        use io::ErrorKind as K;
        let path = self.path(digest);
        if std::fs::metadata(&path).is_ok_and(|found| !found.is_file()) {
            return Ok(None);
        }
        match self.disk.open(&path, Access::Read) {
            Ok(file) => Ok(Some(file)),
            Err(error) if matches!(error.kind(), K::NotFound | K::NotADirectory) => Ok(None),
            Err(error) => Err(failed("open", &path)(error)),
        }
    }

    /// Shows `visitor` the bytes under `digest`, chunk by chunk, and returns their actual digest.
    fn visit(&self, digest: &Hash, mut visitor: impl FnMut(&[u8])) -> Result<Option<Hash>, AttachmentError> {
        let Some(file) = self.open(digest)? else { return Ok(None) };
        let path = self.path(digest);
        let mut hasher = Sha256::new();
        let mut chunk = vec![0; CHUNK_BYTES];
        let mut offset = 0;
        while offset <= ATTACHMENT_BYTES_MAX {
            let count = file.read_at(offset, &mut chunk).map_err(failed("read", &path))?;
            if count == 0 {
                break;
            }
            hasher.update(&chunk[..count]);
            visitor(&chunk[..count]);
            offset += count as u64;
        }
        Ok(Some(Hash::from_bytes(hasher.finalize().into())))
    }
}

/// Copies `source` to `file`, hashing, and makes it durable.
fn receive(
    source: &mut dyn Read,
    file: &dyn DiskFile,
    path: &Path,
) -> Result<StoredAttachment, AttachmentError> {
    let stored = digest_of(source, &mut |chunk| file.append(chunk).map_err(failed("write", path)))?;
    file.sync_data().map_err(failed("sync", path))?;
    Ok(stored)
}

/// The digest that the bytes of `source` will have, and their number; `visit` is shown them in passing.
///
/// # Errors
/// [`AttachmentError::Source`] and [`AttachmentError::TooLong`], or what `visit` ends in.
pub fn digest_of(
    source: &mut dyn Read,
    visit: &mut dyn FnMut(&[u8]) -> Result<(), AttachmentError>,
) -> Result<StoredAttachment, AttachmentError> {
    let mut hasher = Sha256::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut bytes = 0u64;
    loop {
        let count = match source.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(AttachmentError::Source(error)),
        };
        bytes += count as u64;
        if bytes > ATTACHMENT_BYTES_MAX {
            return Err(AttachmentError::TooLong);
        }
        hasher.update(&chunk[..count]);
        visit(&chunk[..count])?;
    }
    Ok(StoredAttachment { digest: Hash::from_bytes(hasher.finalize().into()), bytes })
}

fn failed<'a>(
    operation: &'static str,
    path: &'a Path,
) -> impl FnOnce(io::Error) -> AttachmentError + use<'a> {
    move |source| AttachmentError::Io { operation, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::simulated_disk::{Fault, SimulatedDisk, Survival};

    #[test]
    fn a_crash_at_any_operation_leaves_the_whole_attachment_or_none() {
        let digest = Hash::of(b"report");
        for survival in Survival::EACH {
            for operation in 0.. {
                let disk = SimulatedDisk::default();
                let store = Attachments::on(Arc::new(disk.clone()), Path::new("/ledger/attachments"));
                disk.fail_at(operation, Fault::Crash);
                let result = store.put(&mut b"report".as_slice());
                let was_put = !disk.has_failed();
                assert_eq!(result.is_ok(), was_put);
                disk.restart(survival);
                let found = store.verify(&digest).unwrap();
                let sound = AttachmentCheck::Sound { bytes: 6 };
                assert!(
                    found == sound || (found == AttachmentCheck::Missing && !was_put),
                    "{operation}: {found:?}"
                );
                store.put(&mut b"report".as_slice()).unwrap();
                assert_eq!(store.verify(&digest).unwrap(), sound);
                if was_put {
                    assert!(operation >= 9, "only {operation} operations were tried");
                    break;
                }
            }
        }
    }

    #[test]
    fn a_crash_in_a_second_putting_takes_nothing_away_and_a_sync_makes_it_last() {
        let digest = Hash::of(b"report");
        for operation in 0..12 {
            for survival in Survival::EACH {
                let disk = SimulatedDisk::default();
                let store = Attachments::on(Arc::new(disk.clone()), Path::new("/ledger/attachments"));
                store.put(&mut b"report".as_slice()).unwrap();
                disk.fail_at(operation, Fault::Crash);
                let _ = store.put(&mut b"report".as_slice());
                disk.restart(survival);
                assert_eq!(store.verify(&digest).unwrap(), AttachmentCheck::Sound { bytes: 6 });
                // Seen, and perhaps not durable yet: the process alone ended.
                store.sync(&digest).unwrap();
                disk.restart(Survival::Nothing);
                assert_eq!(store.verify(&digest).unwrap(), AttachmentCheck::Sound { bytes: 6 });
            }
        }
    }

    #[test]
    fn a_name_that_nobody_synced_is_made_to_last() {
        let digest = Hash::of(b"report");
        let mut seen = 0;
        for operation in 0.. {
            let disk = SimulatedDisk::default();
            let store = Attachments::on(Arc::new(disk.clone()), Path::new("/ledger/attachments"));
            disk.fail_at(operation, Fault::Crash);
            let _ = store.put(&mut b"report".as_slice());
            if !disk.has_failed() {
                break;
            }
            disk.restart(Survival::All);
            if store.exists(&digest).unwrap() {
                seen += 1;
                store.sync(&digest).unwrap();
                disk.restart(Survival::Nothing);
                assert_eq!(store.verify(&digest).unwrap(), AttachmentCheck::Sound { bytes: 6 });
            }
        }
        assert_eq!(seen, 1, "between the name and its sync");
    }

    #[test]
    fn other_bytes_than_those_asked_for_are_not_put() {
        let dir = tempfile::tempdir().unwrap();
        let store = Attachments::new(&dir.path().join("attachments"));
        let (digest, other) = (Hash::of(b"report"), Hash::of(b"Report"));
        let error = store.put_as(&digest, &mut b"Report".as_slice()).unwrap_err();
        assert!(
            matches!(error, AttachmentError::Other { actual, expected } if (actual, expected) == (other, digest))
        );
        assert!(!store.exists(&digest).unwrap() && !store.exists(&other).unwrap());
        assert_eq!(incoming(&dir.path().join("attachments")), 0);
        store.put_as(&digest, &mut b"report".as_slice()).unwrap();
        assert!(store.exists(&digest).unwrap());
    }

    #[test]
    fn what_is_no_file_is_missing() {
        let dir = tempfile::tempdir().unwrap();
        let store = Attachments::new(dir.path());
        let digest = Hash::of(b"report");
        std::fs::create_dir_all(store.path(&digest)).unwrap();
        assert_eq!(store.verify(&digest).unwrap(), AttachmentCheck::Missing);
        let blocked = Attachments::new(&dir.path().join("file"));
        std::fs::write(dir.path().join("file"), b"").unwrap();
        assert_eq!(blocked.verify(&digest).unwrap(), AttachmentCheck::Missing);
    }

    struct Failing;

    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }

    fn incoming(dir: &Path) -> usize {
        let is_incoming = |name: &String| name.starts_with(".incoming");
        RealDisk.list(dir).unwrap().iter().filter(|name| is_incoming(name)).count()
    }

    #[test]
    fn bytes_are_found_by_their_digest_until_they_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let store = Attachments::new(&dir.path().join("attachments"));
        let bytes: Vec<u8> = (0..1_000_000u32).map(|n| n.to_le_bytes()[0]).collect();
        let digest = Hash::of(&bytes);
        assert_eq!(store.verify(&digest).unwrap(), AttachmentCheck::Missing);
        for _ in 0..2 {
            let stored = store.put(&mut bytes.as_slice()).unwrap();
            assert_eq!(stored, StoredAttachment { digest, bytes: 1_000_000 });
        }
        let digits = digest.to_string();
        let path = dir.path().join("attachments/sha256").join(&digits[..2]).join(&digits[2..]);
        assert_eq!(std::fs::read(path).unwrap(), bytes);
        assert!(store.exists(&digest).unwrap());
        assert_eq!(store.verify(&digest).unwrap(), AttachmentCheck::Sound { bytes: 1_000_000 });
        assert_eq!(store.read(&digest).unwrap(), Some(bytes));
        assert_eq!(incoming(&dir.path().join("attachments")), 0);
        assert!(store.remove(&digest).unwrap());
        assert!(!store.remove(&digest).unwrap());
        assert_eq!(store.read(&digest).unwrap(), None);
    }

    #[test]
    fn changed_bytes_are_found_out_and_healed_by_putting_again() {
        let dir = tempfile::tempdir().unwrap();
        let store = Attachments::new(dir.path());
        let digest = store.put(&mut b"report".as_slice()).unwrap().digest;
        std::fs::write(store.path(&digest), b"Report").unwrap();
        let actual = Hash::of(b"Report");
        assert_eq!(store.verify(&digest).unwrap(), AttachmentCheck::Differs { actual });
        assert_eq!(store.read(&digest).unwrap(), None);
        store.put(&mut b"report".as_slice()).unwrap();
        assert_eq!(store.read(&digest).unwrap().as_deref(), Some(b"report".as_slice()));
    }

    #[test]
    fn too_many_bytes_and_a_failing_source_leave_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let store = Attachments::new(dir.path());
        let too_long = store.put(&mut io::repeat(1).take(ATTACHMENT_BYTES_MAX + 1));
        assert!(matches!(too_long, Err(AttachmentError::TooLong)));
        assert!(matches!(store.put(&mut Failing), Err(AttachmentError::Source(_))));
        assert_eq!(RealDisk.list(dir.path()).unwrap(), Vec::<String>::new());
        let empty = store.put(&mut io::empty()).unwrap();
        assert_eq!(store.verify(&empty.digest).unwrap(), AttachmentCheck::Sound { bytes: 0 });
    }
}
