//! The digests of a model file or directory, as OpenSSF model signing defines them (model-signing
//! 1.1.1, serialization method `files`, SHA-256; docs/format.md, `model digest`).
//!
//! Two digests go together. The OpenSSF *root* covers the contents of the files in their order, but
//! not their names; the *named* digest (in-toto's `dirHash`) covers both. Checking somebody's
//! signature over the root is left to `crate::evidence`.
//!
//! Where we are narrower than the Python tool, we refuse rather than digest less than what serves:
//! it passes over linked directories silently, and follows a link to any file on the machine.
//! In one point we are wider: what the method ignores is not looked at, links included.

use std::collections::BTreeSet;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::SystemTime;

use sha2::{Digest, Sha256};

use crate::event::model::ModelDigest as RegisteredDigest;
use crate::evidence::model_files::{ModelFile, ModelFiles, SINGLE_FILE};
use crate::hash::Hash;

pub mod dirs;
pub mod signature;

/// What one thread reads at once, in bytes. Measured: larger gains nothing, and the whole stays in
/// the second-level cache.
const BUFFER_BYTES: usize = 1 << 20;

/// The paths that OpenSSF model signing ignores at the top of a model unless told otherwise.
const GIT_PATHS: [&str; 4] = [".git", ".gitattributes", ".github", ".gitignore"];

/// What to do about symbolic links.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SymlinkPolicy {
    /// A link in the model, or the model's path being one, is an error.
    #[default]
    Refuse,
    /// A link to a file inside the model counts as that file, under the link's own name; a link
    /// that leads out of the model, to a directory or nowhere is an error even so.
    Follow,
}

/// How a model is to be digested. By default links are refused, and the top-level `.git`,
/// `.gitattributes`, `.github` and `.gitignore` are ignored, as OpenSSF model signing does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelOptions {
    symlinks: SymlinkPolicy,
    /// Paths relative to the model, `/` between components, no `.` or `..` among them.
    ignored: BTreeSet<String>,
}

impl Default for ModelOptions {
    fn default() -> Self {
        Self { symlinks: SymlinkPolicy::Refuse, ignored: GIT_PATHS.map(String::from).into() }
    }
}

impl ModelOptions {
    /// As a registration says that its digest was made.
    ///
    /// # Errors
    /// [`ModelError::IgnorePath`] where it names what is no path inside a model.
    pub fn of_registered(digest: &RegisteredDigest) -> Result<Self, ModelError> {
        let policy = if digest.links_followed { SymlinkPolicy::Follow } else { SymlinkPolicy::Refuse };
        let options = Self::default().symlinks(policy);
        digest.ignored.iter().try_fold(options, |options, path| options.ignoring(path.as_str()))
    }

    /// The same, with another policy for links.
    #[must_use]
    pub fn symlinks(mut self, policy: SymlinkPolicy) -> Self {
        self.symlinks = policy;
        self
    }

    /// The same, with `path` ignored too, and what lies under it: the signature file inside the model.
    ///
    /// # Errors
    /// [`ModelError::IgnorePath`] where `path` isn't relative to the model, or leaves it.
    pub fn ignoring(mut self, path: &str) -> Result<Self, ModelError> {
        let unfit = || ModelError::IgnorePath { path: path.to_owned() };
        let components: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        if path.starts_with('/') || components.is_empty() || components.contains(&"..") {
            return Err(unfit());
        }
        self.ignored.insert(components.join("/"));
        Ok(self)
    }

    /// The same, with the Git paths at the top of the model digested as well.
    #[must_use]
    pub fn including_git_paths(mut self) -> Self {
        for path in GIT_PATHS {
            self.ignored.remove(path);
        }
        self
    }

    /// Whether `name` is an ignored path. What lies under one is never asked about.
    fn ignores(&self, name: &str) -> bool {
        self.ignored.contains(name)
    }
}

/// One file of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileDigest {
    /// Its path in the model, `/` between components; `.` where the model is a single file.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// SHA-256 of its content.
    pub sha256: Hash,
}

/// The digests of a whole model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelDigest {
    /// The OpenSSF root: SHA-256 over the files' raw digests, in the order of `files`.
    pub root: Hash,
    /// in-toto's `dirHash`: SHA-256 over `<hex sha256>  <path>\n` lines, paths ascending by bytes.
    pub named: Hash,
    /// All files, ascending by path component (`a/x` before `a-b/x`); never empty.
    pub files: Vec<FileDigest>,
    /// The sum of the files' sizes.
    pub total_bytes: u64,
    /// The paths that the method ignores, ascending, whether or not they exist; none where the
    /// model is a single file.
    pub ignored: Vec<String>,
}

impl ModelDigest {
    /// The files without their sizes, whose list is what the named digest is the SHA-256 of.
    #[must_use]
    pub fn model_files(&self) -> ModelFiles {
        model_files(&self.files)
    }
}

/// Why a model cannot be digested. Each variant names the path that is to blame.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A file or directory cannot be read, or isn't there.
    #[error("{}: {reason}", path.display())]
    Read {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
    /// A path to ignore that isn't one inside the model.
    #[error("`{path}` is not a path inside the model: a relative one without `..` is expected")]
    IgnorePath {
        /// What was given.
        path: String,
    },
    /// A symbolic link, where they are refused.
    #[error("{} is a symbolic link; links must be allowed explicitly", path.display())]
    Symlink {
        /// The link.
        path: PathBuf,
    },
    /// A symbolic link whose target lies outside of the model.
    #[error("{} leads out of the model, to {}", path.display(), target.display())]
    SymlinkLeadsOut {
        /// The link.
        path: PathBuf,
        /// Where it leads, all links resolved.
        target: PathBuf,
    },
    /// A symbolic link to a directory, which OpenSSF model signing would silently leave out.
    #[error("{} is a link to a directory, whose files the OpenSSF digest would not cover", path.display())]
    SymlinkToDirectory {
        /// The link.
        path: PathBuf,
    },
    /// A pipe, socket or device.
    #[error("{} is neither a file nor a directory", path.display())]
    Special {
        /// Which one.
        path: PathBuf,
    },
    /// A name that is not UTF-8, and so has no one form in a digest.
    #[error("{}: the name is not UTF-8", path.display())]
    NotUtf8 {
        /// The path, as far as it can be shown.
        path: PathBuf,
    },
    /// A name with a line feed, which could forge a line of the named digest.
    #[error("{path:?}: the name holds a line feed")]
    LineFeed {
        /// The path in the model.
        path: String,
    },
    /// A model without any file.
    #[error("{} holds no file", path.display())]
    Empty {
        /// The model.
        path: PathBuf,
    },
    /// Something was written, added or removed while the model was read.
    #[error("{} changed while the model was read", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
}

/// Digests the model at `path`, a file or a directory, on all threads of the rayon pool; a single
/// file is read by one. `progress` is told bytes done and bytes in all, at the start and after each
/// mebibyte or file, by any of the threads: calls may overtake each other.
///
/// The model must hold still: a second walk at the end compares every file's size, time of change
/// and identity with the first.
///
/// # Errors
/// [`ModelError`], naming the path. Of several bad files, one is named.
pub fn digest_model(
    path: &Path,
    options: &ModelOptions,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<ModelDigest, ModelError> {
    // 1. and 2. Walk all regular files but the ignored ones, in order.
    let model = Model::open(path, options.symlinks)?;
    let found = model.walk(options)?;
    if found.is_empty() {
        return Err(ModelError::Empty { path: path.to_owned() });
    }
    // 3. SHA-256 of each file.
    let digests = hash_all(&found, progress)?;
    require_unchanged(&found, &model.walk(options)?)?;
    // 4. The root, and the digest that covers names with it.
    let files: Vec<FileDigest> = found
        .into_iter()
        .zip(digests)
        .map(|(file, sha256)| FileDigest { path: file.name, size: file.stamp.size, sha256 })
        .collect();
    Ok(ModelDigest {
        root: root_of(&files),
        named: named_digest_of(&files),
        total_bytes: files.iter().map(|file| file.size).sum(),
        ignored: if model.is_file { Vec::new() } else { options.ignored.iter().cloned().collect() },
        files,
    })
}

/// SHA-256 over the raw digests of `files`, in their order.
fn root_of(files: &[FileDigest]) -> Hash {
    let parts: Vec<&[u8]> = files.iter().map(|file| file.sha256.as_bytes().as_slice()).collect();
    Hash::of_parts(&parts)
}

/// in-toto `dirHash`, the same as `find . -type f | cut -c3- | LC_ALL=C sort | xargs sha256sum |
/// sha256sum`, without the escaping that `sha256sum` does to a backslash (Go's `Hash1` has none).
fn named_digest_of(files: &[FileDigest]) -> Hash {
    model_files(files).named()
}

fn model_files(files: &[FileDigest]) -> ModelFiles {
    let file = |file: &FileDigest| ModelFile { path: file.path.clone(), sha256: file.sha256 };
    ModelFiles::new(files.iter().map(file).collect())
        .expect("a walk comes upon paths inside the model, each once")
}

/// A model's place: its resolved path, and what it is.
struct Model {
    location: PathBuf,
    is_file: bool,
}

/// A regular file that the walk came upon.
struct Found {
    /// Its path in the model.
    name: String,
    /// Where to open it: behind a link, the link's target.
    location: PathBuf,
    stamp: Stamp,
}

/// What tells that a file is no longer the one that was seen.
#[derive(PartialEq, Eq)]
struct Stamp {
    size: u64,
    modified: Option<SystemTime>,
    identity: (u64, u64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self { size: metadata.len(), modified: metadata.modified().ok(), identity: identity_of(metadata) }
    }
}

/// Device and inode number.
#[cfg(unix)]
fn identity_of(metadata: &Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt;
    (metadata.dev(), metadata.ino())
}

/// Nothing, where the standard library offers no identity.
#[cfg(not(unix))]
fn identity_of(_metadata: &Metadata) -> (u64, u64) {
    (0, 0)
}

impl Model {
    fn open(path: &Path, symlinks: SymlinkPolicy) -> Result<Self, ModelError> {
        let unread = |reason| ModelError::Read { path: path.to_owned(), reason };
        let metadata = fs::symlink_metadata(path).map_err(unread)?;
        if metadata.is_symlink() && symlinks == SymlinkPolicy::Refuse {
            return Err(ModelError::Symlink { path: path.to_owned() });
        }
        let location = fs::canonicalize(path).map_err(unread)?;
        let metadata = fs::metadata(&location).map_err(unread)?;
        if !metadata.is_file() && !metadata.is_dir() {
            return Err(ModelError::Special { path: path.to_owned() });
        }
        Ok(Self { location, is_file: metadata.is_file() })
    }

    /// All files, in the order of the digest.
    fn walk(&self, options: &ModelOptions) -> Result<Vec<Found>, ModelError> {
        if self.is_file {
            return Ok(vec![regular_file(SINGLE_FILE.to_owned(), self.location.clone())?]);
        }
        let mut found = Vec::new();
        let mut directories = vec![(String::new(), self.location.clone())];
        while let Some((prefix, directory)) = directories.pop() {
            let unread = |reason| ModelError::Read { path: directory.clone(), reason };
            for entry in fs::read_dir(&directory).map_err(unread)? {
                let entry = entry.map_err(unread)?;
                let path = entry.path();
                let name = name_in_model(&prefix, &entry)?;
                if options.ignores(&name) {
                    continue;
                }
                let kind =
                    entry.file_type().map_err(|reason| ModelError::Read { path: path.clone(), reason })?;
                if kind.is_dir() {
                    directories.push((name, path));
                } else if kind.is_symlink() {
                    found.push(self.linked_file(name, path, options.symlinks)?);
                } else {
                    found.push(regular_file(name, path)?);
                }
            }
        }
        found.sort_by(in_order);
        Ok(found)
    }

    /// The file behind the link at `path`, where the policy and its target allow it. Directories
    /// behind links are never entered, so that no loop of links can hold the walk.
    fn linked_file(&self, name: String, path: PathBuf, symlinks: SymlinkPolicy) -> Result<Found, ModelError> {
        if symlinks == SymlinkPolicy::Refuse {
            return Err(ModelError::Symlink { path });
        }
        let target = match fs::canonicalize(&path) {
            Ok(target) => target,
            Err(reason) => return Err(ModelError::Read { path, reason }),
        };
        if !target.starts_with(&self.location) {
            return Err(ModelError::SymlinkLeadsOut { path, target });
        }
        if target.is_dir() {
            return Err(ModelError::SymlinkToDirectory { path });
        }
        regular_file(name, target)
    }
}

fn name_in_model(prefix: &str, entry: &fs::DirEntry) -> Result<String, ModelError> {
    let file_name = entry.file_name();
    let own = file_name.to_str().ok_or_else(|| ModelError::NotUtf8 { path: entry.path() })?;
    let name = if prefix.is_empty() { own.to_owned() } else { format!("{prefix}/{own}") };
    if name.contains('\n') {
        return Err(ModelError::LineFeed { path: name });
    }
    Ok(name)
}

fn regular_file(name: String, location: PathBuf) -> Result<Found, ModelError> {
    match fs::symlink_metadata(&location) {
        Ok(metadata) if metadata.is_file() => Ok(Found { name, location, stamp: Stamp::of(&metadata) }),
        Ok(_) => Err(ModelError::Special { path: location }),
        Err(reason) => Err(ModelError::Read { path: location, reason }),
    }
}

/// Names the first file, in order, that one walk has and the other hasn't, or has otherwise.
fn require_unchanged(before: &[Found], after: &[Found]) -> Result<(), ModelError> {
    let same = |a: &Found, b: &Found| a.name == b.name && a.stamp == b.stamp;
    let agreed = before.iter().zip(after).take_while(|(a, b)| same(a, b)).count();
    // Where the names differ, the lesser one is missing from the other walk.
    let differing =
        [before.get(agreed), after.get(agreed)].into_iter().flatten().min_by(|a, b| in_order(a, b));
    match differing {
        Some(file) => Err(ModelError::Changed { path: file.location.clone() }),
        None => Ok(()),
    }
}

/// The order of the digest: by path component, so that `a/x` stands before `a-b/x`.
fn in_order(a: &Found, b: &Found) -> std::cmp::Ordering {
    a.name.split('/').cmp(b.name.split('/'))
}

/// The work that the threads share.
struct Work<'a> {
    files: &'a [Found],
    /// Positions in `files`, the largest file first, so that none is left to one thread at the end.
    order: Vec<usize>,
    next: AtomicUsize,
    bytes_done: AtomicU64,
    bytes_total: u64,
    stopped: AtomicBool,
    digests: Mutex<Vec<Hash>>,
    progress: &'a (dyn Fn(u64, u64) + Sync),
}

/// SHA-256 of each file, in the order of `files`, whichever thread read it.
fn hash_all(files: &[Found], progress: &(dyn Fn(u64, u64) + Sync)) -> Result<Vec<Hash>, ModelError> {
    let mut order: Vec<usize> = (0..files.len()).collect();
    order.sort_by_key(|&position| std::cmp::Reverse(files[position].stamp.size));
    let work = Work {
        files,
        order,
        next: AtomicUsize::new(0),
        bytes_done: AtomicU64::new(0),
        bytes_total: files.iter().map(|file| file.stamp.size).sum(),
        stopped: AtomicBool::new(false),
        digests: Mutex::new(vec![Hash::ZERO; files.len()]),
        progress,
    };
    progress(0, work.bytes_total);
    rayon::broadcast(|_| work.run_thread()).into_iter().collect::<Result<(), ModelError>>()?;
    Ok(work.digests.into_inner().expect("no thread panics while it holds the digests"))
}

impl Work<'_> {
    /// Takes one file after the other until none is left, or some thread has met an error.
    fn run_thread(&self) -> Result<(), ModelError> {
        let mut buffer = Vec::new();
        while !self.stopped.load(Ordering::Relaxed) {
            let Some(&position) = self.order.get(self.next.fetch_add(1, Ordering::Relaxed)) else {
                break;
            };
            buffer.resize(BUFFER_BYTES, 0);
            let digest = self.hash_file(&self.files[position], &mut buffer).inspect_err(|_| {
                self.stopped.store(true, Ordering::Relaxed);
            })?;
            self.digests.lock().expect("no thread panics while it holds the digests")[position] = digest;
        }
        Ok(())
    }

    fn hash_file(&self, file: &Found, buffer: &mut [u8]) -> Result<Hash, ModelError> {
        let unread = |reason| ModelError::Read { path: file.location.clone(), reason };
        let changed = || ModelError::Changed { path: file.location.clone() };
        let mut reader = File::open(&file.location).map_err(unread)?;
        if Stamp::of(&reader.metadata().map_err(unread)?) != file.stamp {
            return Err(changed());
        }
        let mut hasher = Sha256::new();
        let mut left = file.stamp.size;
        loop {
            let count = match reader.read(buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(reason) if reason.kind() == io::ErrorKind::Interrupted => continue,
                Err(reason) => return Err(unread(reason)),
            };
            // A file that grows as fast as it is read would otherwise never end.
            left = left.checked_sub(count as u64).ok_or_else(changed)?;
            hasher.update(&buffer[..count]);
            self.advance(count as u64);
        }
        if left != 0 {
            return Err(changed());
        }
        Ok(Hash::from_bytes(hasher.finalize().into()))
    }

    fn advance(&self, bytes: u64) {
        let done = self.bytes_done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        (self.progress)(done, self.bytes_total);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::*;

    fn silent(_: u64, _: u64) {}

    pub(super) fn digest(path: &Path) -> Result<ModelDigest, ModelError> {
        digest_model(path, &ModelOptions::default(), &silent)
    }

    fn following() -> ModelOptions {
        ModelOptions::default().symlinks(SymlinkPolicy::Follow)
    }

    pub(super) fn write(root: &Path, name: &str, content: &[u8]) {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Names that sort otherwise by string than by component: each file holds its own path, `empty` holds nothing.
    pub(super) fn sample() -> tempfile::TempDir {
        let model = tempfile::tempdir().unwrap();
        for name in [".hidden", "A/y", "a/x", "a-b/x", "a.txt", "sub/.git/HEAD", "ü/z"] {
            write(model.path(), name, name.as_bytes());
        }
        write(model.path(), "empty", b"");
        model
    }

    #[test]
    fn published_vector_gives_order_root_and_named_digest() {
        let model = sample();
        let digest = digest(model.path()).unwrap();
        let names: Vec<&str> = digest.files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(names, [".hidden", "A/y", "a/x", "a-b/x", "a.txt", "empty", "sub/.git/HEAD", "ü/z"]);
        assert_eq!(
            digest.root.to_string(),
            "55266a1bc9eeb11c9dcff3bd4b7a81f084644cb9fbdc7d9560fd7c059cd71b71"
        );
        // find . -type f | cut -c3- | LC_ALL=C sort | xargs sha256sum | sha256sum
        assert_eq!(
            digest.named.to_string(),
            "2b1806ad46fc236d82f94fa5ed48666ad0063f40eb091d5c8c693532486ab8f1"
        );
        assert_eq!(digest.total_bytes, 7 + 3 + 3 + 5 + 5 + 13 + 4);
        assert_eq!(digest.ignored, [".git", ".gitattributes", ".github", ".gitignore"]);
    }

    #[test]
    fn git_paths_at_the_top_and_named_paths_are_ignored() {
        let model = sample();
        let expected = digest(model.path()).unwrap();
        write(model.path(), ".git/HEAD", b"ref");
        write(model.path(), ".gitignore", b"*");
        symlink("nowhere", model.path().join(".gitattributes")).unwrap();
        write(model.path(), "out/model.sig", b"{}");
        write(model.path(), "logs/today", b"x");
        let options = ModelOptions::default().ignoring("./out/model.sig").unwrap().ignoring("logs/").unwrap();
        let digest_ignoring = digest_model(model.path(), &options, &silent).unwrap();
        assert_eq!(digest_ignoring.root, expected.root);
        assert_eq!(digest_ignoring.named, expected.named);
        assert!(digest_ignoring.ignored.iter().any(|path| path == "out/model.sig"));

        fs::remove_file(model.path().join(".gitattributes")).unwrap();
        let with_git = digest_model(model.path(), &options.including_git_paths(), &silent).unwrap();
        assert!(with_git.files.iter().any(|file| file.path == ".git/HEAD"));
    }

    #[test]
    fn ignored_paths_stay_inside_the_model() {
        for path in ["", ".", "/etc", "../x", "a/../../x"] {
            let error = ModelOptions::default().ignoring(path).unwrap_err();
            assert!(matches!(error, ModelError::IgnorePath { .. }), "{path}");
        }
    }

    #[test]
    fn single_file_is_one_resource_named_dot() {
        let model = sample();
        let path = model.path().join("a.txt");
        let digest = digest(&path).unwrap();
        let content = Hash::of(b"a.txt");
        assert_eq!(digest.files, [FileDigest { path: ".".into(), size: 5, sha256: content }]);
        assert_eq!(digest.root, Hash::of(content.as_bytes()));
        assert_eq!(digest.named, Hash::of(format!("{content}  .\n").as_bytes()));
        assert!(digest.ignored.is_empty());
    }

    #[test]
    fn rename_that_keeps_the_order_changes_only_the_named_digest() {
        let model = sample();
        let before = digest(model.path()).unwrap();
        fs::rename(model.path().join("a.txt"), model.path().join("b.txt")).unwrap();
        let after = digest(model.path()).unwrap();
        assert_eq!(before.root, after.root);
        assert_ne!(before.named, after.named);
    }

    #[test]
    fn files_larger_than_the_buffer_and_many_small_ones_hash_as_a_whole() {
        let model = tempfile::tempdir().unwrap();
        let content_of = |number: usize| vec![u8::try_from(number % 251).unwrap(); number * 70_001];
        for number in 0..40 {
            write(model.path(), &format!("{number:02}"), &content_of(number));
        }
        let seen = AtomicU64::new(0);
        let total_seen = AtomicU64::new(0);
        let digest = digest_model(model.path(), &ModelOptions::default(), &|done, total| {
            seen.fetch_max(done, Ordering::Relaxed);
            total_seen.store(total, Ordering::Relaxed);
        })
        .unwrap();
        for (number, file) in digest.files.iter().enumerate() {
            assert_eq!(file.sha256, Hash::of(&content_of(number)), "file {number}");
        }
        assert_eq!(seen.into_inner(), digest.total_bytes);
        assert_eq!(total_seen.into_inner(), digest.total_bytes);
    }

    #[test]
    fn links_are_refused_unless_allowed_and_then_count_as_their_file() {
        let model = sample();
        symlink("a/x", model.path().join("link")).unwrap();
        let error = digest(model.path()).unwrap_err();
        assert!(matches!(&error, ModelError::Symlink { path } if path.ends_with("link")), "{error}");

        let followed = digest_model(model.path(), &following(), &silent).unwrap();
        let link = followed.files.iter().find(|file| file.path == "link").unwrap();
        assert_eq!(link.sha256, Hash::of(b"a/x"));
    }

    #[test]
    fn model_path_that_is_a_link_is_refused_unless_allowed() {
        let model = sample();
        let beside = tempfile::tempdir().unwrap();
        let current = beside.path().join("current");
        symlink(model.path(), &current).unwrap();
        assert!(matches!(digest(&current).unwrap_err(), ModelError::Symlink { .. }));
        let followed = digest_model(&current, &following(), &silent).unwrap();
        assert_eq!(followed.root, digest(model.path()).unwrap().root);
    }

    #[test]
    fn links_out_of_the_model_to_directories_in_loops_and_to_nowhere_are_errors() {
        let outside = tempfile::NamedTempFile::new().unwrap();
        let error_for = |target: &Path| {
            let model = sample();
            symlink(target, model.path().join("a/link")).unwrap();
            digest_model(model.path(), &following(), &silent).unwrap_err()
        };
        let error = error_for(outside.path());
        assert!(matches!(&error, ModelError::SymlinkLeadsOut { path, .. } if path.ends_with("a/link")));
        let error = error_for(Path::new(".."));
        assert!(matches!(&error, ModelError::SymlinkToDirectory { path } if path.ends_with("a/link")));
        for target in ["link", "nowhere"] {
            let error = error_for(Path::new(target));
            assert!(matches!(&error, ModelError::Read { path, .. } if path.ends_with("a/link")), "{error}");
        }
    }

    #[test]
    fn special_files_odd_names_and_empty_models_are_errors() {
        let model = sample();
        let socket = UnixListener::bind(model.path().join("socket")).unwrap();
        let error = digest(model.path()).unwrap_err();
        assert!(matches!(&error, ModelError::Special { path } if path.ends_with("socket")), "{error}");
        drop(socket);

        let model = sample();
        fs::write(model.path().join(std::ffi::OsStr::from_bytes(b"a\xff")), b"x").unwrap();
        assert!(matches!(digest(model.path()).unwrap_err(), ModelError::NotUtf8 { .. }));

        let model = sample();
        write(model.path(), "a\nb", b"x");
        assert!(matches!(digest(model.path()).unwrap_err(), ModelError::LineFeed { .. }));

        let model = tempfile::tempdir().unwrap();
        fs::create_dir(model.path().join("nothing")).unwrap();
        assert!(matches!(digest(model.path()).unwrap_err(), ModelError::Empty { .. }));

        let error = digest(&model.path().join("missing")).unwrap_err();
        assert!(matches!(&error, ModelError::Read { path, .. } if path.ends_with("missing")));
    }

    #[test]
    fn change_while_reading_is_an_error_that_names_the_file() {
        type Change = fn(&Path);
        let cases: [(&str, Change); 4] = [
            ("a.txt", |model| write(model, "a.txt", b"longer than before")),
            ("a.txt", |model| fs::remove_file(model.join("a.txt")).unwrap()),
            ("added", |model| write(model, "added", b"x")),
            ("a.txt", |model| {
                write(model, "other", b"a.txt");
                fs::rename(model.join("other"), model.join("a.txt")).unwrap();
            }),
        ];
        for (name, change) in cases {
            let model = sample();
            let error = digest_model(model.path(), &ModelOptions::default(), &|done, _| {
                if done == 0 {
                    change(model.path());
                }
            })
            .unwrap_err();
            let text = error.to_string();
            assert!(text.contains(name), "{text}");
            assert!(!matches!(error, ModelError::Special { .. }), "{text}");
        }
    }
}
