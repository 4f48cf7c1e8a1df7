//! Rules of infra commits: what their embedded objects show, and what the policy asks of them. Rules version 3; under
//! those before, what does not hold together is observed and refuses nothing.

use std::borrow::Cow;
use std::sync::Arc;

use crate::event::infra::{GitId, GitObject, InfraCommit};
use crate::evidence::allowed_signers::NotAllowed;
use crate::evidence::git_signature::{Signed, SshKey};
use crate::evidence::infra::{InfraEvidence, examine};
use crate::hash::Hash;
use crate::lifecycle::authority::Place;
use crate::lifecycle::git_signer::judge_git_signer;
use crate::lifecycle::observation::Observation;
use crate::lifecycle::policy::GitNeeds;
use crate::lifecycle::refusal::{GitThing, Refusal};
use crate::lifecycle::state::RowSource;

use super::releases::{Gaps, check_bears_signature};
use super::{ApplyError, GitEvidence, Judge, Outcome, RULES_OF_GIT, refuse};

impl<'a, S: RowSource> Judge<'a, S> {
    /// What the embedded objects show; none where that is believed.
    pub(super) fn evidence(&self, infra: &InfraCommit) -> Option<Cow<'a, InfraEvidence>> {
        match self.act.git {
            GitEvidence::Believed => None,
            GitEvidence::Found(Some(found)) => Some(Cow::Borrowed(found)),
            GitEvidence::Found(None) | GitEvidence::Look => Some(Cow::Owned(examine(infra))),
        }
    }

    /// What any infra commit is held to, whatever the policy says: its parts fit together, and a signature that is
    /// there is not a bad one.
    pub(super) fn infra_holds(
        &mut self,
        infra: &InfraCommit,
        evidence: Option<&InfraEvidence>,
    ) -> Outcome<(), S> {
        check_format(infra)?;
        let Some(evidence) = evidence else { return Ok(()) };
        self.observe_unchecked(evidence);
        if self.charter.rules_version < RULES_OF_GIT {
            self.observe_unsound(evidence);
            return Ok(());
        }
        if let Err(fault) = &evidence.objects {
            return refuse(Refusal::GitEvidenceUnsound { fault: fault.clone() });
        }
        for (thing, signed) in signatures(evidence) {
            if let Signed::Bad(fault) = signed {
                return refuse(Refusal::GitSignatureBad { thing, fault: fault.clone() });
            }
        }
        self.evidence_is_attached(infra)
    }

    /// What is too large to be embedded, and the proof of manifests, come with the event.
    fn evidence_is_attached(&self, infra: &InfraCommit) -> Outcome<(), S> {
        let elsewhere = |object: &Option<GitObject>| {
            object.as_ref().filter(|object| object.bytes.is_none()).map(|object| object.sha256)
        };
        let named = [
            ("proof of its manifests", infra.path_proof),
            ("commit object", elsewhere(&infra.commit_object)),
            ("tag object", elsewhere(&infra.tag_object)),
        ];
        let attached = &self.act.event.header.attachments;
        let is_attached = |digest: &Hash| attached.iter().any(|attachment| attachment.digest == *digest);
        for (what, digest) in named {
            if let Some(digest) = digest.filter(|digest| !is_attached(digest)) {
                return refuse(Refusal::GitEvidenceNotAttached { what, digest });
            }
        }
        Ok(())
    }

    /// What there is to say under rules that refuse nothing of it.
    fn observe_unsound(&mut self, evidence: &InfraEvidence) {
        let entry = self.act.index;
        let objects = evidence.objects.as_ref().err().map(ToString::to_string);
        let bad = signatures(evidence).into_iter().find_map(|(thing, signed)| match signed {
            Signed::Bad(fault) => Some(format!("the signature of the {thing} is bad: {fault}")),
            _ => None,
        });
        self.observations.extend(objects.or(bad).map(|reason| Observation::GitUnsound { entry, reason }));
    }

    /// Signatures that this program cannot check are named.
    fn observe_unchecked(&mut self, evidence: &InfraEvidence) {
        let entry = self.act.index;
        for (thing, signed) in signatures(evidence) {
            if let Signed::Unchecked { by } = signed {
                let by = by.clone();
                self.observations.push(Observation::GitSignatureUnchecked { entry, thing, by });
            }
        }
    }

    /// What the policy asks of the commit, each thing by itself.
    pub(super) fn infra_gaps(
        &mut self,
        (infra, evidence): (&InfraCommit, Option<&InfraEvidence>),
        needs: GitNeeds,
        place: Place<'_>,
        gaps: &mut Gaps,
    ) -> Result<(), S::Error> {
        let Some(evidence) = evidence else { return Ok(()) };
        if needs.signed_tag && !self.policy.judges_git_signers() {
            gaps.take(check_bears_signature(infra))?;
        } else if needs.signed_tag {
            gaps.take(self.is_signed(GitThing::Tag, &evidence.tag, place))?;
        }
        if needs.signed_commit {
            gaps.take(self.is_signed(GitThing::Commit, &evidence.commit, place))?;
        }
        if needs.manifest && (infra.manifests.is_empty() || infra.path_proof.is_none()) {
            gaps.take(refuse::<(), S::Error>(Refusal::ManifestMissing))?;
        }
        Ok(())
    }

    /// As [`Self::infra_gaps`], the first of them.
    pub(super) fn infra_meets(
        &mut self,
        of: (&InfraCommit, Option<&InfraEvidence>),
        needs: GitNeeds,
        place: Place<'_>,
    ) -> Outcome<(), S> {
        let mut gaps = Gaps::default();
        self.infra_gaps(of, needs, place, &mut gaps)?;
        gaps.0.into_iter().next().map_or(Ok(()), refuse)
    }

    /// The object bears a good signature by somebody whose signature counts there.
    fn is_signed(&mut self, thing: GitThing, signed: &Signed, place: Place<'_>) -> Outcome<(), S> {
        match signed {
            Signed::NotEmbedded | Signed::Unsigned => refuse(match thing {
                GitThing::Tag => Refusal::TagUnsigned,
                GitThing::Commit => Refusal::CommitUnsigned,
            }),
            Signed::Unchecked { by } => refuse(Refusal::GitSignatureUnchecked { thing, by: by.clone() }),
            Signed::Bad(fault) => refuse(Refusal::GitSignatureBad { thing, fault: fault.clone() }),
            Signed::Good(key) => self.counts(thing, key, place),
        }
    }

    fn counts(&mut self, thing: GitThing, key: &SshKey, place: Place<'_>) -> Outcome<(), S> {
        let policy = Arc::clone(&self.policy);
        let judged = judge_git_signer(self.state, &policy, key, place, self.act.recorded_at)?;
        let Err(reason) = judged else { return Ok(()) };
        let key = key.fingerprint();
        let is_of_time = matches!(reason, NotAllowed::NotYetValid { .. } | NotAllowed::Expired { .. });
        refuse(if is_of_time {
            Refusal::GitSignerNotInForce { thing, key, reason }
        } else {
            Refusal::GitSignerNotAllowed { thing, key, reason }
        })
    }
}

/// Tag and commit, with what their signatures came to.
fn signatures(evidence: &InfraEvidence) -> [(GitThing, &Signed); 2] {
    [(GitThing::Tag, &evidence.tag), (GitThing::Commit, &evidence.commit)]
}

/// Commit and tag come from one repository, which has one object format.
fn check_format<E>(infra: &InfraCommit) -> Result<(), ApplyError<E>> {
    let is_sha1 = |id: &GitId| matches!(id, GitId::Sha1(_));
    match infra.tag.as_ref().and_then(|tag| tag.object.as_ref()) {
        Some(object) if is_sha1(object) != is_sha1(&infra.commit) => refuse(Refusal::InfraInconsistent),
        _ => Ok(()),
    }
}
