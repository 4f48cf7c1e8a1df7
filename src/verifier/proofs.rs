//! What attachments prove of a commit: path proofs of manifests, and Git objects too large to be embedded.
//!
//! Lawful entries are gone through in order; what they say of such attachments waits until there are some hundreds. Then
//! the bytes are read and hashed on all cores, each core holding one attachment. What is missing, redacted or damaged is
//! passed over: `attachments` says it. What is named and not attached at all is for the rules, whose first versions let
//! that pass.

use rayon::prelude::*;

use crate::event::body::{Body, Event};
use crate::event::infra::{GitId, GitObject};
use crate::evidence::git_object::{ObjectFormat, ObjectKind, object_id};
use crate::evidence::git_path::{self, Manifests};
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
    /// The bytes of a Git object.
    Object { kind: ObjectKind, id: GitId },
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
            claim(object.sha256, Shows::Object { kind: ObjectKind::Commit, id: infra.commit });
        }
        let tag_id = infra.tag.as_ref().and_then(|tag| tag.object);
        if let Some((object, id)) = elsewhere(infra.tag_object.as_ref()).zip(tag_id) {
            claim(object.sha256, Shows::Object { kind: ObjectKind::Tag, id });
        }
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
        let bytes = store.read(&self.digest)?.filter(|bytes| Hash::of(bytes) == self.digest);
        Ok(bytes.and_then(|bytes| self.fault(&bytes)).map(|reason| self.finding(reason)))
    }

    /// Why the bytes do not show what they should.
    fn fault(&self, bytes: &[u8]) -> Option<String> {
        match &self.shows {
            Shows::Pins { commit, manifests, digests } => {
                git_path::verify(bytes, commit, manifests, digests).err().map(|fault| fault.to_string())
            }
            Shows::Object { kind, id } => match object_id(*kind, bytes, ObjectFormat::of(id)) {
                Ok(actual) if actual == *id => None,
                Ok(actual) => Some(format!("the {kind} of these bytes has the id {actual}, and not {id}")),
                Err(collision) => Some(collision.to_string()),
            },
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
