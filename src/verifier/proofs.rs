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

#[derive(Debug, Clone, PartialEq, Eq)]
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
        let Some(infra) = event.body.infra() else { return };
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
        let (distinct, which) = distinct(some);
        let found: Result<Vec<Option<Finding>>, AttachmentError> =
            distinct.par_iter().map(|claim| claim.check(store)).collect();
        let found = found?;
        findings.extend(some.iter().zip(which).filter_map(|(claim, at)| claim.as_found(found[at].as_ref())));
    }
    Ok(findings)
}

/// The claims that differ in more than the entry that makes them, and which of those each claim is: any number of entries may
/// cite one attachment, of any size, and it is gone through once.
fn distinct(claims: &[Claim]) -> (Vec<&Claim>, Vec<usize>) {
    let mut distinct: Vec<&Claim> = Vec::new();
    let mut which = Vec::with_capacity(claims.len());
    for claim in claims {
        let same = |other: &&Claim| other.digest == claim.digest && other.shows == claim.shows;
        which.push(distinct.iter().position(same).unwrap_or_else(|| {
            distinct.push(claim);
            distinct.len() - 1
        }));
    }
    (distinct, which)
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

    /// What was found of a claim that differs in the entry alone, as a finding of this one.
    fn as_found(&self, found: Option<&Finding>) -> Option<Finding> {
        let (index, digest) = (self.index, self.digest);
        Some(match found? {
            Finding::GitManifest { reason, .. } | Finding::GitAttached { reason, .. } => {
                self.finding(reason.clone())
            }
            _ => Finding::GitUnproven { index, digest },
        })
    }

    fn finding(&self, reason: String) -> Finding {
        let Self { index, digest, .. } = *self;
        match self.shows {
            Shows::Pins { .. } => Finding::GitManifest { index, digest, reason },
            Shows::Object { .. } => Finding::GitAttached { index, digest, reason },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_twice_is_looked_at_once_and_found_of_each_entry() {
        let dir = tempfile::tempdir().unwrap();
        let store = Attachments::of_ledger(dir.path());
        let bytes = b"no proof at all";
        store.put(&mut &bytes[..]).unwrap();
        let claim = |index: u64, digest: Hash, commit: u8| {
            let (commit, manifests) = (GitId::Sha1([commit; 20]), Manifests::default());
            Claim { index, digest, shows: Shows::Pins { commit, manifests, digests: vec![digest] } }
        };
        let (there, gone) = (Hash::of(bytes), Hash::of(b"elsewhere"));
        let claims = [
            claim(3, there, 1),
            claim(4, there, 1),
            claim(5, there, 2),
            claim(6, gone, 1),
            claim(7, gone, 1),
        ];
        let (distinct, which) = distinct(&claims);
        assert_eq!((distinct.len(), which), (3, vec![0, 0, 1, 2, 2]));
        let found = check(&store, &claims).unwrap();
        let told: Vec<_> = found.iter().map(|found| (found.index(), found.code())).collect();
        let expected = [
            (3, "git.manifest"),
            (4, "git.manifest"),
            (5, "git.manifest"),
            (6, "git.unproven"),
            (7, "git.unproven"),
        ];
        assert_eq!(told, expected.map(|(index, code)| (Some(index), code.into())));
    }
}
