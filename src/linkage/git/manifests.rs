//! The files of a commit that pin a model, and the proof of it.
//!
//! What is searched is bytes: a Kubernetes manifest, a kustomization, Helm values or an Argo CD application are all the
//! same here. What counts as holding a digest, and the proof's form, are [`crate::evidence::git_path`]'s.

use std::collections::BTreeSet;
use std::path::Path;

use crate::event::glob::Glob;
use crate::event::infra::{GitId, MANIFESTS_MAX};
use crate::event::text::Name;
use crate::evidence::git_object::ObjectKind;
use crate::evidence::git_path::{Manifests, PathFault, ProveError, find_digest, prove, root_tree};
use crate::evidence::git_tree::{EntryKind, entries};
use crate::hash::Hash;

use super::GitError;
use super::repository::{Repository, id_of};

/// The most files that are searched: a pattern that fits more is a mistake, and a repository can hold any number.
pub const SEARCHED_MAX: usize = 4_096;

/// The most directories that are read: a few objects of a repository can be a tree of any number of them.
pub const DIRECTORIES_MAX: usize = 100_000;

/// Manifests that pin a model, and the proof of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestProof {
    /// The files that hold one of the digests; of more than 64, the first by path.
    pub manifests: Manifests,
    /// The path proof of these.
    pub proof: Vec<u8>,
}

/// Why no manifest is proved to pin the model.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The repository cannot be read.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The commit does not have what was named, or cannot be proved to.
    #[error("commit {commit}: {fault}")]
    Fault {
        /// The commit.
        commit: GitId,
        /// What is wrong.
        fault: PathFault,
    },
    /// Patterns that fit too many files.
    #[error("more than {SEARCHED_MAX} files of commit {commit} fit {patterns}")]
    TooMany {
        /// The commit.
        commit: GitId,
        /// The patterns.
        patterns: String,
    },
    /// Patterns that lead through too many directories.
    #[error("{patterns}: more than {most} directories of commit {commit} were read for it")]
    TooWide {
        /// The commit.
        commit: GitId,
        /// The patterns.
        patterns: String,
        /// How many are read at most.
        most: usize,
    },
    /// No file holds the digest.
    #[error("{}", lacks_words(commit, searched, patterns, digests))]
    Lacks {
        /// The commit.
        commit: GitId,
        /// The files that were searched.
        searched: Vec<Name>,
        /// By which patterns they were found.
        patterns: String,
        /// The digests that none of them holds.
        digests: Vec<Hash>,
    },
}

/// How many files a message names.
const NAMED_MAX: usize = 8;

fn lacks_words(commit: &GitId, searched: &[Name], patterns: &str, digests: &[Hash]) -> String {
    let digests = digests.iter().map(|digest| format!("sha256:{digest}")).collect::<Vec<_>>().join(" or ");
    if searched.is_empty() {
        return format!(
            "no file of commit {commit} fits {patterns}, so none holds the model's digest {digests}"
        );
    }
    let mut files: Vec<&str> = searched.iter().take(NAMED_MAX).map(Name::as_str).collect();
    let more = format!("{} more", searched.len().saturating_sub(NAMED_MAX));
    if searched.len() > NAMED_MAX {
        files.push(&more);
    }
    format!("none of these files of commit {commit} holds the model's digest {digests}: {}", files.join(", "))
}

/// Finds the files of `commit` that fit one of `patterns` and hold one of `digests`, and proves them. The repository is
/// named as for [`super::resolve::resolve`]; a pattern without `*` is a path.
///
/// Names that are no [`Name`] (longer than 256 bytes, not UTF-8, with control characters) fit no pattern.
///
/// # Errors
/// [`ManifestError`]; a path that the commit doesn't have as a regular file is one, a pattern that fits nothing is not.
pub fn prove_manifests(
    repository: &Path,
    commit: &GitId,
    patterns: &[Glob],
    digests: &[Hash],
) -> Result<ManifestProof, ManifestError> {
    let repository = Repository::open(repository)?;
    let search = Search { repository: &repository, commit, patterns, directories_max: DIRECTORIES_MAX };
    let searched = search.files()?;
    let mut pinning = Vec::new();
    for (path, blob) in &searched {
        let (_, blob) = repository.read(id_of(blob))?;
        if find_digest(&blob.bytes, digests).is_some() {
            pinning.push(path.clone());
        }
    }
    pinning.truncate(MANIFESTS_MAX);
    if pinning.is_empty() {
        let searched = searched.into_iter().map(|(path, _)| path).collect();
        let (patterns, digests) = (search.pattern_words(), digests.to_vec());
        return Err(ManifestError::Lacks { commit: *commit, searched, patterns, digests });
    }
    let manifests = Manifests::new(pinning).expect("at most 64 paths of an ordered set");
    let fetch = |_, id: &GitId| Ok::<_, GitError>(repository.read(id_of(id))?.1.bytes);
    match prove(commit, &manifests, fetch) {
        Ok(proof) => Ok(ManifestProof { manifests, proof }),
        Err(ProveError::Source(error)) => Err(error.into()),
        Err(ProveError::Fault(error)) => Err(search.fault(error)),
    }
}

/// Finding files by patterns.
struct Search<'a> {
    repository: &'a Repository,
    commit: &'a GitId,
    patterns: &'a [Glob],
    directories_max: usize,
}

/// What a search came to so far.
#[derive(Debug, Default)]
struct Found {
    files: BTreeSet<(Name, GitId)>,
    /// How many directories were read.
    directories: usize,
}

impl Search<'_> {
    /// The regular files that fit, ascending by path, with their blobs.
    fn files(&self) -> Result<BTreeSet<(Name, GitId)>, ManifestError> {
        let root = self.root()?;
        let mut found = Found::default();
        for pattern in self.patterns {
            let parts: Vec<Option<Glob>> =
                pattern.as_str().split('/').map(|part| Glob::new(part).ok()).collect();
            let before = found.files.len();
            self.walk(root, "", &parts, &mut found)?;
            if !pattern.as_str().contains('*') && found.files.len() == before {
                self.require_file(pattern, &found.files)?;
            }
        }
        Ok(found.files)
    }

    fn root(&self) -> Result<GitId, ManifestError> {
        let (_, object) = self.repository.read(id_of(self.commit))?;
        root_tree(self.commit, &object.bytes).map_err(|fault| self.fault(fault))
    }

    /// Goes down where the first of `parts` fits. `*` stands for no `/`, so a pattern is as deep as what fits it.
    fn walk(
        &self,
        tree: GitId,
        above: &str,
        parts: &[Option<Glob>],
        found: &mut Found,
    ) -> Result<(), ManifestError> {
        let [Some(part), below @ ..] = parts else { return Ok(()) };
        found.directories += 1;
        if found.directories > self.directories_max {
            let (patterns, most) = (self.pattern_words(), self.directories_max);
            return Err(ManifestError::TooWide { commit: *self.commit, patterns, most });
        }
        let (_, object) = self.repository.read(id_of(&tree))?;
        for entry in entries(&object.bytes, &tree) {
            let entry = entry.map_err(|fault| self.fault(PathFault::Tree { tree, fault }))?;
            let Ok(name) = std::str::from_utf8(entry.name) else { continue };
            if !part.matches(name) {
                continue;
            }
            match entry.kind {
                EntryKind::Directory if !below.is_empty() => {
                    self.walk(entry.id, &format!("{above}{name}/"), below, found)?;
                }
                EntryKind::File if below.is_empty() => {
                    found.files.extend(Name::new(format!("{above}{name}")).ok().map(|path| (path, entry.id)));
                }
                _ => {}
            }
            if found.files.len() > SEARCHED_MAX {
                return Err(ManifestError::TooMany { commit: *self.commit, patterns: self.pattern_words() });
            }
        }
        Ok(())
    }

    /// A path that was named is a file of the commit. The proof of it says what it is instead.
    fn require_file(&self, path: &Glob, found: &BTreeSet<(Name, GitId)>) -> Result<(), ManifestError> {
        if found.iter().any(|(name, _)| name.as_str() == path.as_str()) {
            return Ok(());
        }
        let name = Name::new(path.as_str()).expect("a glob is a name");
        let manifests = Manifests::new(vec![name]).expect("one path");
        let fetch = |_: ObjectKind, id: &GitId| Ok::<_, GitError>(self.repository.read(id_of(id))?.1.bytes);
        match prove(self.commit, &manifests, fetch) {
            Ok(_) => Ok(()),
            Err(ProveError::Source(error)) => Err(error.into()),
            Err(ProveError::Fault(fault)) => Err(self.fault(fault)),
        }
    }

    const fn fault(&self, fault: PathFault) -> ManifestError {
        ManifestError::Fault { commit: *self.commit, fault }
    }

    fn pattern_words(&self) -> String {
        self.patterns.iter().map(|pattern| format!("`{pattern}`")).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use gix::objs::{Kind, Write};

    use super::super::sample::{NOBODY, Sample};
    use super::*;

    #[test]
    fn a_few_trees_that_stand_for_any_number_of_directories_are_not_gone_through() {
        let sample = Sample::new(gix::hash::Kind::Sha1, gix::create::Kind::Bare);
        let mut id = sample.write(Kind::Tree, "");
        for _ in 0..9 {
            let line = |name: &u8| [b"40000 ", &[*name][..], b"\0", id.as_slice()].concat();
            let lines = b"abcdefghij".iter().flat_map(line).collect::<Vec<u8>>();
            id = sample.git.objects.write_buf(Kind::Tree, &lines).unwrap();
        }
        let commit = format!("tree {id}\nauthor {NOBODY}\ncommitter {NOBODY}\n\nBomb\n");
        let commit = GitId::from_slice(sample.write(Kind::Commit, &commit).as_slice()).unwrap();
        let repository = Repository::open(sample.path()).unwrap();
        let files = |pattern: &str, directories_max: usize| {
            let patterns = [Glob::new(pattern).unwrap()];
            Search { repository: &repository, commit: &commit, patterns: &patterns, directories_max }.files()
        };
        let told = files("*/*/*/*/*/*/*/*/*.yaml", 500).unwrap_err().to_string();
        let expected = format!(
            "`*/*/*/*/*/*/*/*/*.yaml`: more than 500 directories of commit {commit} were read for it"
        );
        assert_eq!(told, expected);
        assert!(
            files("*/*/*.yaml", 111).unwrap().is_empty(),
            "the root, ten below it, a hundred below these"
        );
        assert!(matches!(files("*/*/*.yaml", 110), Err(ManifestError::TooWide { most: 110, .. })));
    }
}
