//! What an event is about, as far as filters and rows ask.

use crate::event::body::{Body, Event};
use crate::event::infra::InfraCommit;
use crate::event::text::{EnvironmentName, Name};
use crate::hash::Hash;

/// What an event says of itself; what it says of another entry ([`About::entry`]) is that entry's to tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct About<'a> {
    /// The model.
    pub model: Option<&'a Name>,
    /// Its version: of a rollback, the one that is to serve again.
    pub version: Option<&'a Name>,
    /// Where.
    pub environment: Option<&'a EnvironmentName>,
    /// The `OpenSSF` root of that version.
    pub digest: Option<Hash>,
    /// The commit.
    pub infra: Option<&'a InfraCommit>,
    /// The incident.
    pub incident: Option<&'a Name>,
    /// The entry that it speaks of: the change that was completed, what was ratified or noted.
    pub entry: Option<u64>,
}

impl<'a> About<'a> {
    /// What `event` is about.
    #[must_use]
    pub fn of(event: &'a Event) -> Self {
        let none = Self::default();
        let infra = event.body.infra();
        match &event.body {
            Body::ModelRegistered(b) => Self {
                model: Some(&b.model),
                version: Some(&b.version),
                digest: Some(b.digest.root),
                infra,
                ..none
            },
            Body::ModelEvaluated(b) => Self {
                model: Some(&b.model),
                version: Some(&b.version),
                digest: Some(b.digest),
                environment: b.environment.as_ref(),
                ..none
            },
            Body::ModelPromoted(b) => Self {
                model: Some(&b.model),
                version: Some(&b.version),
                environment: Some(&b.environment),
                digest: Some(b.digest),
                infra,
                ..none
            },
            Body::ModelRolledBack(b) => Self {
                model: Some(&b.model),
                version: Some(&b.to),
                environment: Some(&b.environment),
                digest: Some(b.to_digest),
                infra,
                incident: b.incident.as_ref(),
                ..none
            },
            Body::ModelWithdrawn(b) => Self {
                model: Some(&b.model),
                version: Some(&b.from.version),
                environment: Some(&b.environment),
                infra,
                incident: b.incident.as_ref(),
                ..none
            },
            Body::ModelRetired(b) => Self { model: Some(&b.model), version: Some(&b.version), ..none },
            Body::DriftDetected(b) => Self {
                model: Some(&b.model),
                version: b.version.as_ref(),
                environment: Some(&b.environment),
                ..none
            },
            Body::IncidentDetected(b) => Self {
                model: b.model.as_ref(),
                environment: Some(&b.environment),
                incident: Some(&b.incident),
                ..none
            },
            Body::IncidentResolved(b) => Self { incident: Some(&b.incident), ..none },
            Body::ChangeCompleted(b) => Self { entry: Some(b.change), ..none },
            Body::EntryRatified(b) => Self { entry: Some(b.entry), ..none },
            Body::NoteAdded(b) => match b.subject {
                crate::event::remark::NoteSubject::Entry { entry } => Self { entry: Some(entry), ..none },
                crate::event::remark::NoteSubject::Log { .. } => none,
            },
            Body::LedgerCreated(_)
            | Body::KeyGranted(_)
            | Body::KeyRevoked(_)
            | Body::LogKeyRotated(_)
            | Body::PolicySet(_)
            | Body::AttachmentRedacted(_) => none,
        }
    }
}
