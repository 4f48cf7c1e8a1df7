//! What the Git objects of an entry show, for people: whether they fit together, who signed them, by which rule that
//! counts, and at which time that was judged.

use serde::Serialize;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::view::{Until, View};
use crate::event::body::Body;
use crate::evidence::git_signature::Signed;
use crate::evidence::infra::{examine, has_embedded};
use crate::lifecycle::authority::Place;
use crate::lifecycle::git_signer::{GitSigner, judge_git_signer};
use crate::lifecycle::refusal::GitThing;
use crate::lifecycle::state::{NoSource, State};
use crate::log::reader::LoggedEntry;
use crate::time::Timestamp;

/// What an entry's Git objects show.
#[derive(Debug, Serialize)]
pub struct GitVerdict {
    /// Why they do not fit together; none where they do.
    fault: Option<String>,
    /// The signatures of those that are embedded.
    signatures: Vec<SignatureVerdict>,
}

/// What the signature of one object comes to.
#[derive(Debug, Serialize)]
struct SignatureVerdict {
    object: GitThing,
    /// How it is signed, as a sentence goes on behind "the tag is".
    says: String,
    /// Who signed, where the signature is good and counts.
    counts: Option<GitSigner>,
    /// Why a good signature does not count.
    not_allowed: Option<String>,
    /// The time at which grants and validities were looked at: the entry's recorded time.
    judged_at: Timestamp,
}

impl GitVerdict {
    /// Looks at the objects that an entry embeds; none where it embeds none. The log is replayed up to the entry, for
    /// the keys and the policy in force there.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn of(context: &Context, logged: &LoggedEntry) -> Result<Option<Self>, Failure> {
        let body = &logged.event.body;
        if body.infra().is_none_or(|infra| !has_embedded(infra)) {
            return Ok(None);
        }
        let mut view = View::replay(context.reader()?, Until::Index(logged.entry.index))?;
        Ok(Self::at(&mut view.state, body, logged.entry.recorded_at))
    }

    /// As [`Self::of`], of an event that would be recorded `at` that time, after what `state` comes to.
    #[must_use]
    pub fn at(state: &mut State<NoSource>, body: &Body, at: Timestamp) -> Option<Self> {
        let infra = body.infra().filter(|infra| has_embedded(infra))?;
        let evidence = examine(infra);
        let signatures = [(GitThing::Tag, &evidence.tag), (GitThing::Commit, &evidence.commit)]
            .into_iter()
            .filter(|(_, signed)| !matches!(signed, Signed::NotEmbedded))
            .map(|of| judged(state, of, place(body), at))
            .collect();
        let fault = evidence.objects.err().map(|fault| fault.to_string());
        Some(Self { fault, signatures })
    }

    /// The lines that `show` prints.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let fault = self.fault.iter().map(|fault| format!("git: its objects do not fit together: {fault}"));
        fault.chain(self.signatures.iter().map(SignatureVerdict::line)).collect()
    }
}

impl SignatureVerdict {
    fn line(&self) -> String {
        let Self { object, says, counts, not_allowed, judged_at } = self;
        match (counts, not_allowed) {
            (Some(signer), _) => format!("git: the {object} is signed by {signer}, judged at {judged_at}"),
            (None, Some(reason)) => {
                format!("git: the {object} is {says}, which does not count: {reason}; judged at {judged_at}")
            }
            (None, None) => format!("git: the {object} is {says}"),
        }
    }
}

fn judged(
    state: &mut State<NoSource>,
    (object, signed): (GitThing, &Signed),
    place: Place<'_>,
    judged_at: Timestamp,
) -> SignatureVerdict {
    let mut verdict =
        SignatureVerdict { object, says: signed.to_string(), counts: None, not_allowed: None, judged_at };
    let Ok(policy) = state.policy();
    if let (Some(key), Some(policy)) = (signed.good(), policy) {
        match judge_git_signer(state, &policy, key, place, judged_at) {
            Ok(Ok(by)) => verdict.counts = Some(by),
            Ok(Err(reason)) => verdict.not_allowed = Some(reason.to_string()),
            Err(never) => match never {},
        }
    }
    verdict
}

/// Where an act happens, as far as its event says.
fn place(body: &Body) -> Place<'_> {
    match body {
        Body::ModelRegistered(body) => Place { model: Some(&body.model), environment: None },
        Body::ModelPromoted(body) => Place { model: Some(&body.model), environment: Some(&body.environment) },
        Body::ModelRolledBack(body) => {
            Place { model: Some(&body.model), environment: Some(&body.environment) }
        }
        Body::ModelWithdrawn(body) => {
            Place { model: Some(&body.model), environment: Some(&body.environment) }
        }
        _ => Place::default(),
    }
}
