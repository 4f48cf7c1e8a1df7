//! Path proofs: that files of a Git commit hold a model's digest, shown by the hashes that Git itself makes
//! (docs/format.md, "Git path proofs").
//!
//! A commit names a tree, a tree names trees and blobs, each by the hash of its bytes. The proof holds those objects
//! that lead from the commit to each manifest, so whoever hashes them needs no repository. One walk over them serves
//! both sides: [`prove`] writes down each object where the walk first needs it, [`verify`] takes the next object of the
//! proof there. So nothing can be missing, left over, doubled or in another place, and of one commit, one list of
//! manifests and one set of files there is one proof.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::ops::Range;

use crate::event::infra::{GitId, MANIFESTS_MAX};
use crate::event::list::Ascending;
use crate::event::text::Name;
use crate::evidence::git_object::{
    Collision, CommitObject, MalformedObject, ObjectFormat, ObjectKind, object_id,
};
use crate::evidence::git_tree::{EntryKind, MalformedTree, TreeEntry, entries};
use crate::hash::Hash;

/// The media type of a path proof.
pub const MEDIA_TYPE: &str = "application/vnd.rollbook.git-path.v1";
/// The largest proof, in bytes: an attachment cannot be larger.
pub const PROOF_BYTES_MAX: usize = 64 << 20;
/// The most directories and names on one path. No repository that people keep comes near it.
pub const DEPTH_MAX: usize = 64;

/// The first line.
const MAGIC: &[u8] = b"rollbook git path v1\n";
/// Hex digits of a SHA-256 digest.
const DIGITS: usize = 64;

/// The manifests of an infra commit, ascending.
pub type Manifests = Ascending<Name, MANIFESTS_MAX>;

/// In which form a file holds a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Hex digits by themselves.
    Hex,
    /// `sha256:` before them.
    Sha256,
    /// `@sha256:` before them, as in an OCI reference.
    Oci,
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hex => "hex",
            Self::Sha256 => "sha256:",
            Self::Oci => "@sha256:",
        })
    }
}

/// A manifest that holds a digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// The manifest's path in the commit.
    pub manifest: Name,
    /// Which of the digests that were looked for.
    pub digest: Hash,
    /// In which form.
    pub form: Form,
}

/// Why a path proof does not show what it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathFault {
    /// Other bytes.
    #[error("it is no path proof of version 1")]
    NotAProof,
    /// Over the bound.
    #[error("it has {bytes} bytes, at most {PROOF_BYTES_MAX} are allowed")]
    TooLarge {
        /// How many there are.
        bytes: usize,
    },
    /// The other hash.
    #[error("it is of a {actual} repository, and the commit {commit} is not")]
    Format {
        /// What it says.
        actual: ObjectFormat,
        /// The commit that was to be proved.
        commit: GitId,
    },
    /// The bytes where an object belongs are none, or are cut off.
    #[error("the bytes at {at} are no whole Git object")]
    Object {
        /// Where.
        at: usize,
    },
    /// Another object than the walk needs: another commit's, changed, doubled or in another order.
    #[error("the object at byte {at} is the {actual_kind} {actual}, and the {kind} {expected} belongs there")]
    Other {
        /// Where.
        at: usize,
        /// Its kind.
        actual_kind: ObjectKind,
        /// Its id.
        actual: GitId,
        /// Of which kind the object there must be.
        kind: ObjectKind,
        /// What its id must be.
        expected: GitId,
    },
    /// It ends too early.
    #[error("it ends where the {kind} {expected} belongs")]
    Ends {
        /// The kind of what is missing.
        kind: ObjectKind,
        /// The id of what is missing.
        expected: GitId,
    },
    /// It goes on too long.
    #[error("{bytes} bytes stand behind its last object")]
    Trailing {
        /// How many.
        bytes: usize,
    },
    /// An object that was made to collide with another under SHA-1.
    #[error("the object at byte {at}: {collision}")]
    Collision {
        /// Where.
        at: usize,
        /// What was seen.
        collision: Collision,
    },
    /// The commit cannot be read.
    #[error("the commit {commit}: {fault}")]
    Commit {
        /// Its id.
        commit: GitId,
        /// What is wrong.
        fault: MalformedObject,
    },
    /// A tree cannot be read.
    #[error("the tree {tree}: {fault}")]
    Tree {
        /// Its id.
        tree: GitId,
        /// What is wrong.
        fault: MalformedTree,
    },
    /// Nothing is to be proved.
    #[error("no manifest is named")]
    NoManifest,
    /// No path of a file in Git.
    #[error(
        "`{path}` is no path of a file in a commit: parts that are neither empty nor `.` nor `..`, at most {DEPTH_MAX}"
    )]
    Path {
        /// The path.
        path: Name,
    },
    /// The commit has no such file.
    #[error("the commit has no `{path}`")]
    Missing {
        /// The path.
        path: Name,
    },
    /// A tree names something twice: two readers could see two files.
    #[error("the tree {tree} names a part of `{path}` twice")]
    Doubled {
        /// The path.
        path: Name,
        /// The tree.
        tree: GitId,
    },
    /// No regular file, or no directory, where one must be.
    #[error("`{path}`: {part} is {} in the commit, and must be {}", actual.words(), expected.words())]
    Kind {
        /// The path.
        path: Name,
        /// The part of it.
        part: String,
        /// What it is.
        actual: EntryKind,
        /// What it must be.
        expected: EntryKind,
    },
    /// The file pins another model, or none.
    #[error("`{path}` does not hold the model's digest{}", instead_words(*instead))]
    PinsAnother {
        /// The path.
        path: Name,
        /// The first digest that it holds instead.
        instead: Option<Hash>,
    },
}

fn instead_words(instead: Option<Hash>) -> String {
    instead.map_or_else(String::new, |hash| format!("; it holds {hash}"))
}

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub enum ProveError<E> {
    /// The commit does not have what was to be proved.
    #[error(transparent)]
    Fault(#[from] PathFault),
    /// An object could not be had.
    #[error(transparent)]
    Source(E),
}

/// Puts together the proof that `commit` has the files `manifests`. `fetch` gives the raw bytes of an object; their
/// hash is checked here. What the files hold is not looked at.
///
/// # Errors
/// [`ProveError`]: the commit has no such file, `fetch` fails, or there would be more than [`PROOF_BYTES_MAX`].
pub fn prove<E>(
    commit: &GitId,
    manifests: &Manifests,
    fetch: impl FnMut(ObjectKind, &GitId) -> Result<Vec<u8>, E>,
) -> Result<Vec<u8>, ProveError<E>> {
    let format = ObjectFormat::of(commit);
    let proof = [MAGIC, format_line(format)].concat();
    let mut written = Written { proof, format, seen: HashMap::new(), fetch };
    walk(&mut written, commit, manifests, |_, _| Ok(()))?;
    Ok(written.proof)
}

/// Checks `proof`: each of `manifests` is a regular file of `commit` and holds one of `digests`. Reads no more than the
/// bytes that are given, each object once.
///
/// # Errors
/// [`PathFault`], the first one.
pub fn verify(
    proof: &[u8],
    commit: &GitId,
    manifests: &Manifests,
    digests: &[Hash],
) -> Result<Vec<Pin>, PathFault> {
    let mut read = Read::open(proof, commit)?;
    let found = walk(&mut read, commit, manifests, |manifest, blob| {
        find_digest(blob, digests)
            .ok_or_else(|| PathFault::PinsAnother { path: manifest.clone(), instead: any_digest(blob) })
    })?;
    let pin = |(manifest, (digest, form)): (&Name, _)| Pin { manifest: manifest.clone(), digest, form };
    let pins = manifests.iter().zip(found).map(pin).collect();
    match proof.len() - read.at {
        0 => Ok(pins),
        bytes => Err(PathFault::Trailing { bytes }),
    }
}

/// The top tree of a commit, from the commit's raw bytes.
///
/// # Errors
/// [`PathFault::Commit`].
pub fn root_tree(commit: &GitId, bytes: &[u8]) -> Result<GitId, PathFault> {
    match CommitObject::parse(bytes, ObjectFormat::of(commit)) {
        Ok(read) => Ok(read.tree),
        Err(fault) => Err(PathFault::Commit { commit: *commit, fault }),
    }
}

/// The first of `digests` that `bytes` hold, and in which form: 64 hex digits, lower-case or upper-case, that are no
/// part of a longer run of hex digits.
#[must_use]
pub fn find_digest(bytes: &[u8], digests: &[Hash]) -> Option<(Hash, Form)> {
    digests_in(bytes).find(|(digest, _)| digests.contains(digest))
}

/// The first digest that `bytes` hold.
fn any_digest(bytes: &[u8]) -> Option<Hash> {
    digests_in(bytes).next().map(|(digest, _)| digest)
}

/// Every run of exactly 64 hex digits in `bytes`.
fn digests_in(bytes: &[u8]) -> impl Iterator<Item = (Hash, Form)> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < bytes.len() {
            let start = at + bytes[at..].iter().position(u8::is_ascii_hexdigit)?;
            let rest = &bytes[start..];
            let length = rest.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(rest.len());
            at = start + length;
            if length == DIGITS {
                let mut digest = [0; 32];
                hex::decode_to_slice(&rest[..DIGITS], &mut digest).ok()?;
                return Some((Hash::from_bytes(digest), form_behind(&bytes[..start])));
            }
        }
        None
    })
}

fn form_behind(before: &[u8]) -> Form {
    match before.strip_suffix(b"sha256:") {
        Some(before) if before.ends_with(b"@") => Form::Oci,
        Some(_) => Form::Sha256,
        None => Form::Hex,
    }
}

/// Where the walk gets its objects from.
trait Objects {
    type Error: From<PathFault>;

    /// The raw bytes of an object, whose hash is its id.
    fn object(&mut self, kind: ObjectKind, id: &GitId) -> Result<&[u8], Self::Error>;
}

/// From the commit to each manifest in turn, and what `look` makes of the bytes of each. An object is gone through once:
/// a few of them can be large, and stand at many paths.
fn walk<O: Objects, T: Copy>(
    objects: &mut O,
    commit: &GitId,
    manifests: &Manifests,
    mut look: impl FnMut(&Name, &[u8]) -> Result<T, O::Error>,
) -> Result<Vec<T>, O::Error> {
    if manifests.is_empty() {
        return Err(PathFault::NoManifest.into());
    }
    let root = root_tree(commit, objects.object(ObjectKind::Commit, commit)?)?;
    let mut trees = Trees::of(manifests);
    let mut blobs = HashMap::new();
    let mut seen = Vec::with_capacity(manifests.len());
    for path in manifests {
        let blob = trees.descend(objects, root, path)?;
        let of_blob = match blobs.get(&blob) {
            Some(of_blob) => *of_blob,
            None => {
                let of_blob = look(path, objects.object(ObjectKind::Blob, &blob)?)?;
                blobs.insert(blob, of_blob);
                of_blob
            }
        };
        seen.push(of_blob);
    }
    Ok(seen)
}

/// What a walk has read of trees.
struct Trees<'a> {
    /// Every part of every path: what is kept of a tree, whose other names can be many.
    wanted: HashSet<&'a [u8]>,
    read: HashMap<GitId, Parts<'a>>,
}

/// The wanted entries of a tree.
type Parts<'a> = HashMap<&'a [u8], Part>;

/// An entry of a tree.
#[derive(Debug, Clone, Copy)]
struct Part {
    kind: EntryKind,
    id: GitId,
    is_doubled: bool,
}

impl<'a> Trees<'a> {
    fn of(manifests: &'a Manifests) -> Self {
        let parts = manifests.iter().flat_map(|path| path.as_str().split('/'));
        Self { wanted: parts.map(str::as_bytes).collect(), read: HashMap::new() }
    }

    /// From the root tree to the blob of one manifest.
    fn descend<O: Objects>(&mut self, objects: &mut O, root: GitId, path: &Name) -> Result<GitId, O::Error> {
        let parts = parts(path).ok_or_else(|| PathFault::Path { path: path.clone() })?;
        let mut id = root;
        for (depth, part) in (1..).zip(&parts) {
            let entry = find_part(self.parts(objects, id)?, &id, part, path)?;
            let expected = if depth == parts.len() { EntryKind::File } else { EntryKind::Directory };
            if entry.kind != expected {
                let part = parts[..depth].join("/");
                return Err(PathFault::Kind { path: path.clone(), part, actual: entry.kind, expected }.into());
            }
            id = entry.id;
        }
        Ok(id)
    }

    /// The wanted entries of a tree, which is read where it is first needed.
    fn parts<O: Objects>(&mut self, objects: &mut O, id: GitId) -> Result<&Parts<'a>, O::Error> {
        match self.read.entry(id) {
            Entry::Occupied(read) => Ok(read.into_mut()),
            Entry::Vacant(unread) => {
                let tree = objects.object(ObjectKind::Tree, &id)?;
                Ok(unread.insert(wanted_parts(tree, &id, &self.wanted)?))
            }
        }
    }
}

/// The entries of a tree that have wanted names. The whole tree is read: what is no tree to its end is none.
fn wanted_parts<'a>(tree: &[u8], id: &GitId, wanted: &HashSet<&'a [u8]>) -> Result<Parts<'a>, PathFault> {
    let mut parts = Parts::new();
    for entry in entries(tree, id) {
        let TreeEntry { kind, name, id } = entry.map_err(|fault| PathFault::Tree { tree: *id, fault })?;
        if let Some(name) = wanted.get::<[u8]>(name) {
            let doubled = |part: &mut Part| part.is_doubled = true;
            parts.entry(*name).and_modify(doubled).or_insert(Part { kind, id, is_doubled: false });
        }
    }
    Ok(parts)
}

/// The one entry of that name.
fn find_part(parts: &Parts<'_>, id: &GitId, part: &str, path: &Name) -> Result<Part, PathFault> {
    match parts.get(part.as_bytes()) {
        None => Err(PathFault::Missing { path: path.clone() }),
        Some(part) if part.is_doubled => Err(PathFault::Doubled { path: path.clone(), tree: *id }),
        Some(part) => Ok(*part),
    }
}

/// The parts of a path; none where Git has no such path.
fn parts(path: &Name) -> Option<Vec<&str>> {
    let parts: Vec<&str> = path.as_str().split('/').collect();
    let is_fit = |part: &&str| !matches!(*part, "" | "." | "..");
    (parts.len() <= DEPTH_MAX && parts.iter().all(is_fit)).then_some(parts)
}

/// The second line: the repository's hash, as Git's `extensions.objectFormat` has it.
const fn format_line(format: ObjectFormat) -> &'static [u8] {
    match format {
        ObjectFormat::Sha1 => b"sha1\n",
        ObjectFormat::Sha256 => b"sha256\n",
    }
}

/// A proof that is written.
struct Written<F> {
    proof: Vec<u8>,
    format: ObjectFormat,
    /// The objects so far by kind and id, and where their bytes stand.
    seen: HashMap<(ObjectKind, GitId), Range<usize>>,
    fetch: F,
}

impl<E, F: FnMut(ObjectKind, &GitId) -> Result<Vec<u8>, E>> Objects for Written<F> {
    type Error = ProveError<E>;

    fn object(&mut self, kind: ObjectKind, id: &GitId) -> Result<&[u8], ProveError<E>> {
        if let Some(range) = self.seen.get(&(kind, *id)) {
            return Ok(&self.proof[range.clone()]);
        }
        let bytes = (self.fetch)(kind, id).map_err(ProveError::Source)?;
        let at = self.proof.len();
        check_id(kind, &bytes, self.format, (kind, id), at)?;
        self.proof.extend_from_slice(format!("{kind} {}\0", bytes.len()).as_bytes());
        let start = self.proof.len();
        if bytes.len() > PROOF_BYTES_MAX.saturating_sub(start) {
            return Err(PathFault::TooLarge { bytes: start.saturating_add(bytes.len()) }.into());
        }
        self.proof.extend_from_slice(&bytes);
        let range = start..self.proof.len();
        self.seen.insert((kind, *id), range.clone());
        Ok(&self.proof[range])
    }
}

/// A proof that is read: borrowed, nothing is copied.
struct Read<'a> {
    proof: &'a [u8],
    /// Where the next object stands.
    at: usize,
    format: ObjectFormat,
    seen: HashMap<(ObjectKind, GitId), &'a [u8]>,
}

impl<'a> Read<'a> {
    fn open(proof: &'a [u8], commit: &GitId) -> Result<Self, PathFault> {
        if proof.len() > PROOF_BYTES_MAX {
            return Err(PathFault::TooLarge { bytes: proof.len() });
        }
        let rest = proof.strip_prefix(MAGIC).ok_or(PathFault::NotAProof)?;
        let formats = [ObjectFormat::Sha1, ObjectFormat::Sha256];
        let says = |format: &ObjectFormat| {
            let line = format_line(*format);
            rest.starts_with(line).then_some((*format, MAGIC.len() + line.len()))
        };
        let (format, at) = formats.iter().find_map(says).ok_or(PathFault::NotAProof)?;
        if format != ObjectFormat::of(commit) {
            return Err(PathFault::Format { actual: format, commit: *commit });
        }
        Ok(Self { proof, at, format, seen: HashMap::new() })
    }
}

impl Objects for Read<'_> {
    type Error = PathFault;

    fn object(&mut self, kind: ObjectKind, id: &GitId) -> Result<&[u8], PathFault> {
        if let Some(bytes) = self.seen.get(&(kind, *id)) {
            return Ok(bytes);
        }
        let at = self.at;
        let rest = &self.proof[at..];
        if rest.is_empty() {
            return Err(PathFault::Ends { kind, expected: *id });
        }
        let (actual_kind, bytes, length) = read_object(rest).ok_or(PathFault::Object { at })?;
        check_id(actual_kind, bytes, self.format, (kind, id), at)?;
        self.at += length;
        self.seen.insert((kind, *id), bytes);
        Ok(bytes)
    }
}

/// Whether the bytes of an object at `at` are what is expected there.
fn check_id(
    actual_kind: ObjectKind,
    bytes: &[u8],
    format: ObjectFormat,
    (kind, expected): (ObjectKind, &GitId),
    at: usize,
) -> Result<(), PathFault> {
    let actual =
        object_id(actual_kind, bytes, format).map_err(|collision| PathFault::Collision { at, collision })?;
    if (actual_kind, actual) == (kind, *expected) {
        return Ok(());
    }
    Err(PathFault::Other { at, actual_kind, actual, kind, expected: *expected })
}

/// The object that `rest` begins with, `<kind> <size>\0` before its bytes: kind, bytes, and length of both.
fn read_object(rest: &[u8]) -> Option<(ObjectKind, &[u8], usize)> {
    // A kind, and a size of at most eight digits.
    let header_end = rest.iter().take(16).position(|&byte| byte == 0)?;
    let header = std::str::from_utf8(&rest[..header_end]).ok()?;
    let (kind, size) = header.split_once(' ')?;
    let kinds = [ObjectKind::Commit, ObjectKind::Tree, ObjectKind::Blob];
    let kind = kinds.into_iter().find(|one| one.to_string() == kind)?;
    let bytes = &rest[header_end + 1..];
    let length: usize = size.parse().ok()?;
    // One way to write a number.
    if length.to_string() != size {
        return None;
    }
    Some((kind, bytes.get(..length)?, header_end + 1 + length))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PATHS: [&str; 3] = ["apps/scorer/kustomization.yaml", "apps/scorer/values.yaml", "deploy.yaml"];

    fn model() -> Hash {
        Hash::of(b"model")
    }

    fn other_model() -> Hash {
        Hash::of(b"another model")
    }

    fn formats() -> [ObjectFormat; 2] {
        [ObjectFormat::Sha1, ObjectFormat::Sha256]
    }

    /// Objects by id, as a repository holds them.
    struct Store {
        format: ObjectFormat,
        objects: HashMap<GitId, (ObjectKind, Vec<u8>)>,
    }

    impl Store {
        fn new(format: ObjectFormat) -> Self {
            Self { format, objects: HashMap::new() }
        }

        fn put(&mut self, kind: ObjectKind, bytes: impl AsRef<[u8]>) -> GitId {
            let bytes = bytes.as_ref().to_vec();
            let id = object_id(kind, &bytes, self.format).unwrap();
            self.objects.insert(id, (kind, bytes));
            id
        }

        fn blob(&mut self, text: &str) -> GitId {
            self.put(ObjectKind::Blob, text)
        }

        fn tree(&mut self, lines: &[(&str, &str, GitId)]) -> GitId {
            let line = |(mode, name, id): &(&str, &str, GitId)| {
                [mode.as_bytes(), b" ", name.as_bytes(), b"\0", id.as_slice()].concat()
            };
            self.put(ObjectKind::Tree, lines.iter().flat_map(line).collect::<Vec<u8>>())
        }

        fn commit(&mut self, tree: GitId) -> GitId {
            let nobody = "Nobody <nobody@example.com> 1700000000 +0000";
            self.put(ObjectKind::Commit, format!("tree {tree}\nauthor {nobody}\ncommitter {nobody}\n\nPin\n"))
        }

        /// A commit whose three manifests pin `digest`, each in its form.
        fn sample(&mut self, digest: Hash) -> GitId {
            let kustomization = self.blob(&format!("images:\n- name: scorer\n  digest: sha256:{digest}\n"));
            let values = self.blob(&format!("model: {}\n", digest.to_string().to_uppercase()));
            let deploy = self.blob(&format!("image: registry.example.com/scorer@sha256:{digest}\n"));
            let scorer = self
                .tree(&[("100644", "kustomization.yaml", kustomization), ("100644", "values.yaml", values)]);
            let apps = self.tree(&[("40000", "scorer", scorer)]);
            let readme = self.blob("# infra\n");
            let root = self.tree(&[
                ("100644", "README.md", readme),
                ("40000", "apps", apps),
                ("100755", "deploy.yaml", deploy),
            ]);
            self.commit(root)
        }

        fn prove(&self, commit: &GitId, paths: &[&str]) -> Result<Vec<u8>, PathFault> {
            let fetch = |_, id: &GitId| Ok::<_, std::convert::Infallible>(self.objects[id].1.clone());
            match prove(commit, &manifests(paths), fetch) {
                Ok(proof) => Ok(proof),
                Err(ProveError::Fault(fault)) => Err(fault),
                Err(ProveError::Source(never)) => match never {},
            }
        }
    }

    fn manifests(paths: &[&str]) -> Manifests {
        Manifests::sort(paths.iter().map(|path| Name::new(*path).unwrap()).collect()).unwrap()
    }

    /// The proof's objects, each with its header, behind its two lines.
    fn objects(proof: &[u8]) -> Vec<&[u8]> {
        let mut rest = &proof[head_of(proof).len()..];
        let mut objects = Vec::new();
        while !rest.is_empty() {
            let (_, _, length) = read_object(rest).unwrap();
            objects.push(&rest[..length]);
            rest = &rest[length..];
        }
        objects
    }

    fn head_of(proof: &[u8]) -> &[u8] {
        let lines = proof.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        &proof[..=lines.map(|(at, _)| at).nth(1).unwrap()]
    }

    fn with_objects(proof: &[u8], objects: &[&[u8]]) -> Vec<u8> {
        [&[head_of(proof)], objects].concat().concat()
    }

    type Expected = fn(&PathFault) -> bool;

    fn changed<'a>(proof: &[u8], parts: &[&'a [u8]], change: impl FnOnce(&mut Vec<&'a [u8]>)) -> Vec<u8> {
        let mut parts = parts.to_vec();
        change(&mut parts);
        with_objects(proof, &parts)
    }

    #[test]
    fn each_manifest_is_found_with_the_form_in_which_it_holds_the_digest() {
        for format in formats() {
            let mut store = Store::new(format);
            let commit = store.sample(model());
            let proof = store.prove(&commit, &PATHS).unwrap();
            let pins = verify(&proof, &commit, &manifests(&PATHS), &[other_model(), model()]).unwrap();
            let found: Vec<_> = pins.iter().map(|pin| (pin.manifest.as_str(), pin.form)).collect();
            assert_eq!(found, [(PATHS[0], Form::Sha256), (PATHS[1], Form::Hex), (PATHS[2], Form::Oci)]);
            assert!(pins.iter().all(|pin| pin.digest == model()));
            assert_eq!(objects(&proof).len(), 7, "each tree stands there once, and nothing else does");
            let one = store.prove(&commit, &PATHS[..1]).unwrap();
            assert_eq!(verify(&one, &commit, &manifests(&PATHS[..1]), &[model()]).unwrap().len(), 1);
        }
    }

    #[test]
    fn two_manifests_that_are_the_same_bytes_are_one_object() {
        let mut store = Store::new(ObjectFormat::Sha1);
        let blob = store.blob(&model().to_string());
        let directory = store.tree(&[("100644", "a", blob)]);
        let root = store.tree(&[("100644", "a", blob), ("40000", "b", directory), ("40000", "c", directory)]);
        let commit = store.commit(root);
        let paths = ["a", "b/a", "c/a"];
        let proof = store.prove(&commit, &paths).unwrap();
        assert_eq!(objects(&proof).len(), 4);
        assert_eq!(verify(&proof, &commit, &manifests(&paths), &[model()]).unwrap().len(), 3);
    }

    /// A store that counts how often it is asked.
    struct Counted<'a>(&'a Store, HashMap<GitId, usize>);

    impl Objects for Counted<'_> {
        type Error = PathFault;

        fn object(&mut self, _: ObjectKind, id: &GitId) -> Result<&[u8], PathFault> {
            *self.1.entry(*id).or_default() += 1;
            Ok(&self.0.objects[id].1)
        }
    }

    #[test]
    fn an_object_is_gone_through_once_at_however_many_paths_it_stands() {
        let mut store = Store::new(ObjectFormat::Sha1);
        let blob = store.blob(&model().to_string());
        let directory = store.tree(&[("100644", "a", blob), ("100644", "b", blob)]);
        let root = store.tree(&[("100644", "a", blob), ("40000", "b", directory), ("40000", "c", directory)]);
        let commit = store.commit(root);
        let paths = manifests(&["a", "b/a", "b/b", "c/a", "c/b"]);
        let (mut counted, mut looked) = (Counted(&store, HashMap::new()), Vec::new());
        let found = walk(&mut counted, &commit, &paths, |path, blob| {
            looked.push(path.to_string());
            Ok(blob.len())
        });
        assert_eq!(found, Ok(vec![64; 5]), "every manifest has its answer");
        assert_eq!(looked, ["a"]);
        assert_eq!(counted.1, [commit, root, directory, blob].map(|id| (id, 1)).into());
    }

    #[test]
    fn every_attack_on_a_proof_has_its_fault() {
        for format in formats() {
            let mut store = Store::new(format);
            let commit = store.sample(model());
            let other_commit = store.sample(other_model());
            let proof = store.prove(&commit, &PATHS).unwrap();
            let of_other = store.prove(&other_commit, &PATHS).unwrap();
            let parts = objects(&proof);
            let other_parts = objects(&of_other);
            let mut altered = proof.clone();
            *altered.last_mut().unwrap() = b' ';
            let other_format = formats().into_iter().find(|other| *other != format).unwrap();
            let swapped_format = [MAGIC, format_line(other_format), &parts.concat()].concat();
            let is_other: Expected = |fault| matches!(fault, PathFault::Other { .. });
            let attacks: [(&str, Vec<u8>, Expected); 17] = [
                ("proof of another commit", of_other.clone(), is_other),
                (
                    "another commit's tree",
                    changed(&proof, &parts, |parts| parts[1] = other_parts[1]),
                    is_other,
                ),
                (
                    "another commit's blob",
                    changed(&proof, &parts, |parts| parts[4] = other_parts[4]),
                    is_other,
                ),
                ("a blob's last byte altered", altered, is_other),
                ("two blobs exchanged", changed(&proof, &parts, |parts| parts.swap(4, 5)), is_other),
                ("a tree before the commit", changed(&proof, &parts, |parts| parts.swap(0, 1)), is_other),
                ("an object left out", changed(&proof, &parts, |parts| _ = parts.remove(2)), is_other),
                ("an object doubled", changed(&proof, &parts, |parts| parts.insert(3, parts[3])), is_other),
                ("the last object left out", changed(&proof, &parts, |parts| _ = parts.pop()), |fault| {
                    matches!(fault, PathFault::Ends { kind: ObjectKind::Blob, .. })
                }),
                ("the last object doubled", changed(&proof, &parts, |parts| parts.push(parts[6])), |fault| {
                    matches!(fault, PathFault::Trailing { .. })
                }),
                ("a byte behind", [&proof[..], b"\0"].concat(), |fault| {
                    *fault == PathFault::Trailing { bytes: 1 }
                }),
                ("cut off", proof[..proof.len() - 1].to_vec(), |fault| {
                    matches!(fault, PathFault::Object { .. })
                }),
                ("a length beyond the end", [head_of(&proof), b"commit 99999999\0x"].concat(), |fault| {
                    matches!(fault, PathFault::Object { .. })
                }),
                ("a length of another spelling", [head_of(&proof), b"commit 01\0x"].concat(), |fault| {
                    matches!(fault, PathFault::Object { .. })
                }),
                ("the other format", swapped_format, |fault| matches!(fault, PathFault::Format { .. })),
                ("no magic line", parts.concat(), |fault| *fault == PathFault::NotAProof),
                ("nothing", Vec::new(), |fault| *fault == PathFault::NotAProof),
            ];
            for (attack, bytes, expected) in attacks {
                let fault = verify(&bytes, &commit, &manifests(&PATHS), &[model()]).unwrap_err();
                assert!(expected(&fault), "{format}, {attack}: {fault:?}");
            }
            // What the proof is held against is not what it proves.
            let fault = verify(&proof, &commit, &manifests(&PATHS), &[other_model()]).unwrap_err();
            let path = Name::new(PATHS[0]).unwrap();
            assert_eq!(fault, PathFault::PinsAnother { path, instead: Some(model()) });
            let fault = verify(&proof, &commit, &manifests(&PATHS[..2]), &[model()]).unwrap_err();
            assert!(matches!(fault, PathFault::Trailing { .. }), "an unused object: {fault:?}");
            let fault = verify(&proof, &other_commit, &manifests(&PATHS), &[model()]).unwrap_err();
            assert!(is_other(&fault), "{fault:?}");
            let fault = verify(&proof, &commit, &manifests(&[]), &[model()]).unwrap_err();
            assert_eq!(fault, PathFault::NoManifest);
        }
    }

    #[test]
    fn what_is_no_regular_file_of_the_commit_is_a_fault_on_both_sides() {
        let mut store = Store::new(ObjectFormat::Sha1);
        let blob = store.blob(&model().to_string());
        let directory = store.tree(&[("100644", "file", blob)]);
        // Git makes no such tree, and a forger may: a name twice, and a tree that is said to be a file.
        let root = store.tree(&[
            ("40000", "dir", directory),
            ("100644", "double", blob),
            ("100644", "double", directory),
            ("100644", "file", blob),
            ("120000", "link", blob),
            ("160000", "module", blob),
            ("100644", "tree-as-file", directory),
        ]);
        let commit = store.commit(root);
        let good = store.prove(&commit, &["dir/file"]).unwrap();
        let long = vec!["d"; DEPTH_MAX + 1].join("/");
        for (path, expected) in [
            ("dir", "a directory"),
            ("link", "a symbolic link"),
            ("module", "a submodule"),
            ("file/file", "must be a directory"),
            ("missing", "has no `missing`"),
            ("dir/missing", "has no `dir/missing`"),
            ("double", "twice"),
            ("tree-as-file", "belongs there"),
            ("dir//file", "no path"),
            ("/file", "no path"),
            ("dir/", "no path"),
            ("./file", "no path"),
            ("dir/../file", "no path"),
            (&long, "no path"),
        ] {
            let fault = store.prove(&commit, &[path]).unwrap_err();
            assert!(fault.to_string().contains(expected), "{path}: {fault}");
            let fault = verify(&good, &commit, &manifests(&[path]), &[model()]).unwrap_err();
            assert!(fault.to_string().contains(expected) || path == "tree-as-file", "{path}: {fault}");
        }
        let both = ["dir/file", "tree-as-file"];
        let fault = verify(&good, &commit, &manifests(&both), &[model()]).unwrap_err();
        assert!(
            matches!(fault, PathFault::Ends { kind: ObjectKind::Blob, .. }),
            "a tree is no blob: {fault}"
        );
    }

    #[test]
    fn a_digest_stands_by_itself_in_any_of_three_forms() {
        let digest = model().to_string();
        let upper = digest.to_uppercase();
        for (text, expected) in [
            (digest.clone(), Some(Form::Hex)),
            (upper.clone(), Some(Form::Hex)),
            (format!("digest: \"{digest}\""), Some(Form::Hex)),
            (format!("sha256:{digest}"), Some(Form::Sha256)),
            (format!("sha256:{upper}"), Some(Form::Sha256)),
            (format!("scorer:1.0@sha256:{digest}\n"), Some(Form::Oci)),
            (format!("{}\n{digest}", other_model()), Some(Form::Hex)),
            (format!("{digest}0"), None),
            (format!("f{digest}"), None),
            (format!("{digest}{digest}"), None),
            (digest[..63].to_owned(), None),
            (format!("{}\n{}", &digest[..32], &digest[32..]), None),
            (other_model().to_string(), None),
            (String::new(), None),
        ] {
            let found = find_digest(text.as_bytes(), &[model()]).map(|(_, form)| form);
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn a_proof_larger_than_an_attachment_is_neither_made_nor_read() {
        let mut store = Store::new(ObjectFormat::Sha1);
        let blob = store.blob(&"x".repeat(PROOF_BYTES_MAX));
        let root = store.tree(&[("100644", "a", blob)]);
        let commit = store.commit(root);
        assert!(matches!(store.prove(&commit, &["a"]), Err(PathFault::TooLarge { .. })));
        let fault =
            verify(&vec![0; PROOF_BYTES_MAX + 1], &commit, &manifests(&["a"]), &[model()]).unwrap_err();
        assert_eq!(fault, PathFault::TooLarge { bytes: PROOF_BYTES_MAX + 1 });
    }

    proptest! {
        #[test]
        fn no_input_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4)) {
            let mut store = Store::new(ObjectFormat::Sha256);
            let commit = store.sample(model());
            let named = manifests(&PATHS);
            let head = [MAGIC, b"sha256\n"].concat();
            prop_assert!(verify(&[head, bytes].concat(), &commit, &named, &[model()]).is_err());
            let proof = store.prove(&commit, &PATHS).unwrap();
            let mut changed = proof.clone();
            for (at, byte) in changes {
                let at = at.index(changed.len());
                changed[at] = byte;
            }
            // One proof, one byte string.
            let verified = verify(&changed, &commit, &named, &[model()]);
            prop_assert_eq!(verified.is_ok(), changed == proof);
        }
    }
}
