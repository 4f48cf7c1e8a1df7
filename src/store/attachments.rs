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
        self.make_dir(&self.dir)?;
        let (incoming, file) = self.begin()?;
        let result = receive(source, file.as_ref(), &incoming).and_then(|stored| {
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
        match self.disk.remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(failed("remove", &path)(error)),
        }
        self.disk.sync_dir(parent_of(&path)).map_err(failed("sync", parent_of(&path)))?;
        Ok(true)
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

    fn open(&self, digest: &Hash) -> Result<Option<Box<dyn DiskFile>>, AttachmentError> {
        let path = self.path(digest);
        match self.disk.open(&path, Access::Read) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
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
        file.append(&chunk[..count]).map_err(failed("write", path))?;
    }
    file.sync_data().map_err(failed("sync", path))?;
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
