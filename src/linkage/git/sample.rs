//! A repository for the tests, written object by object.

use std::path::Path;

use gix::objs::{Kind, Write};
use gix::refs::transaction::{PreviousValue, RefEdit};

use super::GitError;
use super::resolve::{ResolvedCommit, Revision, resolve};

pub(super) const NOBODY: &str = "Nobody <nobody@example.com> 1700000000 +0000";

/// A repository written object by object.
pub(super) struct Sample {
    pub(super) directory: tempfile::TempDir,
    pub(super) git: gix::Repository,
}

impl Sample {
    pub(super) fn new(hash: gix::hash::Kind, kind: gix::create::Kind) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let create = gix::create::Options { object_hash: Some(hash), ..Default::default() };
        let git = gix::ThreadSafeRepository::init_opts(
            directory.path(),
            kind,
            create,
            gix::open::Options::isolated(),
        )
        .unwrap()
        .to_thread_local();
        Self { directory, git }
    }

    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(super) fn write(&self, kind: Kind, text: &str) -> gix::ObjectId {
        self.git.objects.write_buf(kind, text.as_bytes()).unwrap()
    }

    pub(super) fn commit(&self, message: &str) -> gix::ObjectId {
        let tree = self.write(Kind::Tree, "");
        let text = format!("tree {tree}\nauthor {NOBODY}\ncommitter {NOBODY}\n\n{message}\n");
        self.write(Kind::Commit, &text)
    }

    pub(super) fn tag(&self, name: &str, target: gix::ObjectId, kind: Kind) -> gix::ObjectId {
        let text = format!("object {target}\ntype {kind}\ntag {name}\ntagger {NOBODY}\n\n{name}\n");
        self.write(Kind::Tag, &text)
    }

    pub(super) fn point(&self, reference: &str, target: gix::ObjectId) {
        let edit = RefEdit::update(reference.try_into().unwrap(), target, PreviousValue::Any, "");
        let time = NOBODY.parse_signature();
        self.git.edit_references_as([edit], Some(time)).unwrap();
    }

    pub(super) fn rev(&self, rev: &str) -> Result<ResolvedCommit, GitError> {
        resolve(self.path(), Revision::Rev(rev))
    }

    pub(super) fn tagged(&self, name: &str) -> Result<ResolvedCommit, GitError> {
        resolve(self.path(), Revision::Tag(name))
    }
}

trait ParseSignature {
    fn parse_signature(&self) -> gix::actor::SignatureRef<'_>;
}

impl ParseSignature for str {
    fn parse_signature(&self) -> gix::actor::SignatureRef<'_> {
        gix::actor::SignatureRef::from_bytes(self.as_bytes()).unwrap()
    }
}

pub(super) fn every_sort() -> Vec<Sample> {
    let hashes = [gix::hash::Kind::Sha1, gix::hash::Kind::Sha256];
    let kinds = [gix::create::Kind::WithWorktree, gix::create::Kind::Bare];
    hashes.iter().flat_map(|&hash| kinds.iter().map(move |&kind| Sample::new(hash, kind))).collect()
}
