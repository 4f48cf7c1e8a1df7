//! What attachments prove of a commit: path proofs of manifests, and Git objects too large to be embedded.
//!
//! Lawful entries are gone through in order; what they say of such attachments waits until there are some hundreds. Then
//! the bytes are read and hashed on all cores, each core holding one attachment. Of what is missing, redacted or damaged it
//! is said that it proves nothing; why it is not there, `attachments` says. What is named and not attached at all is for the rules, whose first versions let
//! that pass.

use rayon::prelude::*;

use crate::event::body::{Body, Event};
use crate::event::infra::{GitId, GitObject, InfraCommit};
use crate::evidence::git_object::ObjectKind;
use crate::evidence::git_path::{self, Manifests};
use crate::evidence::infra::attached_fault;
use crate::hash::Hash;
use crate::store::attachments::{AttachmentError, Attachments};

use super::clones::infra_of;
use super::finding::Finding;

/// How many claims wait before they are looked at: enough for every core, and little memory.
const CLAIMS_WAITING_MAX: usize = 512;

/// What an entry says of one of its attachments.
#[derive(Debug, Clone)]
pub(super) struct Claim {
    index: u64,
    digest: Hash,
    shows: Shows,
}

#[derive(Debug, Clone)]
enum Shows {
    /// That manifests of the commit hold one of the digests.
    Pins { commit: GitId, manifests: Manifests, digests: Vec<Hash> },
    /// That they are the commit, or the tag, of this infra commit.
    Object { kind: ObjectKind, infra: Box<InfraCommit> },
}

/// Claims that wait.
#[derive(Debug, Default)]
pub(super) struct Claims(Vec<Claim>);

impl Claims {
    /// Takes what a lawful entry says.
    pub(super) fn take(&mut self, index: u64, event: &Event) {
        let Some(infra) = infra_of(&event.body) else { return };
        let attached = &event.header.attachments;
        let mut claim = |digest: Hash, shows: Shows| {
            if attached.iter().any(|attachment| attachment.digest == digest) {
                self.0.push(Claim { index, digest, shows });
            }
        };
        if let (Some(digest), Some(digests)) = (infra.path_proof, digests_of(&event.body)) {
            let (commit, manifests) = (infra.commit, infra.manifests.clone());
            claim(digest, Shows::Pins { commit, manifests, digests });
        }
        if let Some(object) = elsewhere(infra.commit_object.as_ref()) {
            let infra = Box::new(infra.clone());
            claim(object.sha256, Shows::Object { kind: ObjectKind::Commit, infra });
        }
        if let Some(object) = elsewhere(infra.tag_object.as_ref()) {
            let infra = Box::new(infra.clone());
            claim(object.sha256, Shows::Object { kind: ObjectKind::Tag, infra });
        }
    }

    /// Whether a lawful entry says anything of its attachments.
    pub(super) fn are_made_by(event: &Event) -> bool {
        let mut claims = Self::default();
        claims.take(0, event);
        !claims.0.is_empty()
    }

    /// What is to be looked at now; all of it `at_the_end`, else as soon as enough waits.
    pub(super) fn due(&mut self, at_the_end: bool) -> Vec<Claim> {
        if at_the_end || self.0.len() >= CLAIMS_WAITING_MAX {
            std::mem::take(&mut self.0)
        } else {
            Vec::new()
        }
    }
}

/// An object that the event does not embed.
fn elsewhere(object: Option<&GitObject>) -> Option<&GitObject> {
    object.filter(|object| object.bytes.is_none())
}

/// The digests of which manifests must hold one; none where an event puts no model in place.
fn digests_of(body: &Body) -> Option<Vec<Hash>> {
    match body {
        Body::ModelRegistered(body) => Some(vec![body.digest.root, body.digest.named]),
        Body::ModelPromoted(body) => Some(vec![body.digest]),
        Body::ModelRolledBack(body) => Some(vec![body.to_digest]),
        _ => None,
    }
}

/// What is wrong with the attachments in `store` that `claims` speak of.
pub(super) fn check(store: &Attachments, claims: &[Claim]) -> Result<Vec<Finding>, AttachmentError> {
    let mut findings = Vec::new();
    for some in claims.chunks(CLAIMS_WAITING_MAX) {
        let found: Result<Vec<Option<Finding>>, AttachmentError> =
            some.par_iter().map(|claim| claim.check(store)).collect();
        findings.extend(found?.into_iter().flatten());
    }
    Ok(findings)
}

impl Claim {
    fn check(&self, store: &Attachments) -> Result<Option<Finding>, AttachmentError> {
        let (index, digest) = (self.index, self.digest);
        let Some(bytes) = store.read(&digest)?.filter(|bytes| Hash::of(bytes) == digest) else {
            return Ok(Some(Finding::GitUnproven { index, digest }));
        };
        Ok(self.fault(&bytes).map(|reason| self.finding(reason)))
    }

    /// Why the bytes do not show what they should.
    fn fault(&self, bytes: &[u8]) -> Option<String> {
        match &self.shows {
            Shows::Pins { commit, manifests, digests } => {
                git_path::verify(bytes, commit, manifests, digests).err().map(|fault| fault.to_string())
            }
            Shows::Object { kind, infra } => attached_fault(infra, *kind, bytes),
        }
    }

    fn finding(&self, reason: String) -> Finding {
        let Self { index, digest, .. } = *self;
        match self.shows {
            Shows::Pins { .. } => Finding::GitManifest { index, digest, reason },
            Shows::Object { .. } => Finding::GitAttached { index, digest, reason },
        }
    }
}
