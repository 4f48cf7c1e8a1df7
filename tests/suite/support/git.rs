//! Git repositories written object by object, without the git program.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use gix::objs::{Kind, Write as _};
use gix::refs::transaction::{Change, PreviousValue, RefEdit, RefLog};
use rollbook::event::infra::{GitId, GitTag, InfraCommit};
use rollbook::event::list::Ascending;

use super::events::name;

const NOBODY: &str = "Nobody <nobody@example.com> 1700000000 +0000";

/// What a repository is called in the ledger.
pub(crate) const INFRA: &str = "https://git.example.com/infra";

/// The hashes that a repository can have.
pub(crate) const HASHES: [gix::hash::Kind; 2] = [gix::hash::Kind::Sha1, gix::hash::Kind::Sha256];

/// A repository in a directory of its own.
pub(crate) struct Repo {
    dir: tempfile::TempDir,
    git: gix::Repository,
}

impl Repo {
    /// An empty bare repository.
    pub(crate) fn new(hash: gix::hash::Kind) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let create = gix::create::Options { object_hash: Some(hash), ..Default::default() };
        let kind = gix::create::Kind::Bare;
        let open = gix::open::Options::isolated();
        let git = gix::ThreadSafeRepository::init_opts(dir.path(), kind, create, open).unwrap();
        Self { git: git.to_thread_local(), dir }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn write(&self, kind: Kind, bytes: &[u8]) -> gix::ObjectId {
        self.git.objects.write_buf(kind, bytes).unwrap()
    }

    /// The tree of these files, by path.
    pub(crate) fn tree(&self, files: &[(&str, &str)]) -> gix::ObjectId {
        let mut lines: BTreeMap<String, (&str, gix::ObjectId)> = BTreeMap::new();
        let mut below: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
        for (path, text) in files {
            match path.split_once('/') {
                None => _ = lines.insert((*path).into(), ("100644", self.write(Kind::Blob, text.as_bytes()))),
                Some((dir, rest)) => below.entry(dir).or_default().push((rest, text)),
            }
        }
        for (dir, files) in below {
            lines.insert(dir.into(), ("40000", self.tree(&files)));
        }
        let line = |(name, (mode, id)): (&String, &(&str, gix::ObjectId))| {
            [mode.as_bytes(), b" ", name.as_bytes(), b"\0", id.as_slice()].concat()
        };
        self.write(Kind::Tree, &lines.iter().flat_map(line).collect::<Vec<u8>>())
    }

    /// A commit of these files.
    pub(crate) fn commit(
        &self,
        files: &[(&str, &str)],
        parents: &[gix::ObjectId],
        message: &str,
    ) -> gix::ObjectId {
        let parents = parents.iter().map(|parent| format!("parent {parent}\n")).collect::<Vec<_>>().concat();
        let tree = self.tree(files);
        let text = format!("tree {tree}\n{parents}author {NOBODY}\ncommitter {NOBODY}\n\n{message}\n");
        self.write(Kind::Commit, text.as_bytes())
    }

    /// An annotated tag, and the reference to it.
    pub(crate) fn tag(&self, tag: &str, target: gix::ObjectId) -> gix::ObjectId {
        let text = format!("object {target}\ntype commit\ntag {tag}\ntagger {NOBODY}\n\n{tag}\n");
        let id = self.write(Kind::Tag, text.as_bytes());
        self.point(&format!("refs/tags/{tag}"), id);
        id
    }

    pub(crate) fn point(&self, reference: &str, target: gix::ObjectId) {
        let edit = RefEdit::update(reference.try_into().unwrap(), target, PreviousValue::Any, "");
        self.edit(edit);
    }

    pub(crate) fn delete(&self, reference: &str) {
        let change = Change::Delete { expected: PreviousValue::Any, log: RefLog::AndReference };
        self.edit(RefEdit { change, name: reference.try_into().unwrap(), deref: false });
    }

    fn edit(&self, edit: RefEdit) {
        let nobody = gix::actor::SignatureRef::from_bytes(NOBODY.as_bytes()).unwrap();
        self.git.edit_references_as([edit], Some(nobody)).unwrap();
    }

    /// The file of a loose object.
    pub(crate) fn object_file(&self, id: gix::ObjectId) -> PathBuf {
        let hex = id.to_string();
        self.path().join("objects").join(&hex[..2]).join(&hex[2..])
    }
}

/// The id as an event has it.
pub(crate) fn git_id(id: gix::ObjectId) -> GitId {
    GitId::from_slice(id.as_slice()).unwrap()
}

/// What an event says of a commit, and of a tag by name and object.
pub(crate) fn infra_of(commit: gix::ObjectId, tag: Option<(&str, Option<gix::ObjectId>)>) -> InfraCommit {
    InfraCommit {
        repository: name(INFRA),
        commit: git_id(commit),
        tag: tag.map(|(tag, object)| GitTag { name: name(tag), object: object.map(git_id) }),
        commit_object: None,
        tag_object: None,
        manifests: Ascending::default(),
        path_proof: None,
    }
}
