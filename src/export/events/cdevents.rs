//! `CDEvents` 0.5.1.
//!
//! Where the vocabulary has a word for what a kind says, it is used; the rest are custom events of the tool `rollbook`.
//! A change is told by the entry that authorises it: a completion speaks of that entry and is an event of its own, so
//! that a line never changes for what comes after it. `customData` holds our own object.

use serde_json::{Map, Value, json};

use super::told::{Artifact, Told};
use super::uri;
use crate::event::body::{Body, Kind};
use crate::event::model::{EvaluationOutcome, Metric, ModelEvaluated};
use crate::event::remark::NoteSubject;
use crate::event::text::Text;
use crate::timeline::prose;

/// The version of the specification.
const SPEC_VERSION: &str = "0.5.1";
/// What stands for the environment of an evaluation that names none, where the schema demands one. No environment of a
/// ledger can be called so.
const NO_ENVIRONMENT: &str = "(unspecified)";

/// What an entry becomes.
struct Mapped {
    event_type: String,
    subject_id: String,
    content: Value,
}

/// The entry.
#[must_use]
pub fn object(told: &Told<'_>) -> Value {
    let Mapped { event_type, subject_id, content } = mapped(told);
    let source = uri::ledger(&told.ledger.origin);
    json!({
        "context": {
            "specversion": SPEC_VERSION,
            "id": told.id(),
            "source": source,
            "type": event_type,
            "timestamp": told.entry.recorded_at,
        },
        "subject": { "id": subject_id, "source": source, "content": content },
        "customData": told.around(),
        "customDataContentType": "application/json",
    })
}

/// The type that entries of a kind have; a promotion's depends on whether anything served before.
#[must_use]
pub fn event_type(kind: Kind, is_first: bool) -> String {
    match kind {
        Kind::ModelRegistered => standard("artifact.published"),
        Kind::ModelEvaluated => standard("testsuiterun.finished"),
        Kind::ModelPromoted if is_first => standard("service.deployed"),
        Kind::ModelPromoted => standard("service.upgraded"),
        Kind::ModelRolledBack => standard("service.rolledback"),
        Kind::ModelWithdrawn => standard("service.removed"),
        Kind::IncidentDetected => standard("incident.detected"),
        Kind::IncidentResolved => standard("incident.resolved"),
        // A custom subject and predicate are letters alone.
        Kind::LogKeyRotated => custom("logkey.rotated"),
        Kind::DriftDetected => custom("drift.detected"),
        Kind::LedgerCreated
        | Kind::KeyGranted
        | Kind::KeyRevoked
        | Kind::PolicySet
        | Kind::ChangeCompleted
        | Kind::ModelRetired
        | Kind::EntryRatified
        | Kind::AttachmentRedacted
        | Kind::NoteAdded => custom(kind.as_str()),
    }
}

fn standard(name: &str) -> String {
    format!("dev.cdevents.{name}.0.3.0")
}

fn custom(name: &str) -> String {
    format!("dev.cdeventsx.rollbook-{name}.0.1.0")
}

fn mapped(told: &Told<'_>) -> Mapped {
    let body = &told.entry.event.body;
    let (subject_id, content) = match body {
        Body::ModelRegistered(_) => (artifact_id(told), json!({ "user": told.proposer() })),
        Body::ModelEvaluated(body) => (told.id(), test_suite_run(body)),
        Body::ModelPromoted(body) => (body.model.to_string(), service(told)),
        Body::ModelRolledBack(body) => (body.model.to_string(), service(told)),
        Body::ModelWithdrawn(body) => {
            (body.model.to_string(), json!({ "environment": { "id": body.environment } }))
        }
        Body::IncidentDetected(body) => (body.incident.to_string(), incident(told, body.summary.as_ref())),
        Body::IncidentResolved(body) => (body.incident.to_string(), incident(told, body.summary.as_ref())),
        _ => (custom_id(told), custom_content(told)),
    };
    let event_type = event_type(body.kind(), told.from.is_none());
    Mapped { event_type, subject_id, content }
}

fn artifact_id(told: &Told<'_>) -> String {
    told.artifact.map(Artifact::purl).unwrap_or_default()
}

/// A model in an environment, and the version that is to serve there.
fn service(told: &Told<'_>) -> Value {
    json!({ "environment": environment(told), "artifactId": artifact_id(told) })
}

fn environment(told: &Told<'_>) -> Value {
    json!({ "id": told.environment().map_or(NO_ENVIRONMENT, |environment| environment.as_str()) })
}

fn test_suite_run(body: &ModelEvaluated) -> Value {
    let environment = body.environment.as_ref().map_or(NO_ENVIRONMENT, |environment| environment.as_str());
    let mut suite = json!({ "id": body.suite, "name": body.suite });
    if let Some(version) = &body.suite_version {
        suite["version"] = json!(version);
    }
    let mut content = json!({
        "environment": { "id": environment },
        "outcome": match body.outcome {
            EvaluationOutcome::Passed => "success",
            EvaluationOutcome::Failed => "failure",
        },
        "testSuite": suite,
    });
    let breaches: Vec<String> = body.metrics.iter().filter_map(Metric::breach).collect();
    if !breaches.is_empty() {
        content["reason"] = json!(breaches.join(", "));
    }
    content
}

/// An incident in the first of its places: the schema has room for one.
fn incident(told: &Told<'_>, summary: Option<&Text>) -> Value {
    let summary = summary.map_or_else(|| prose::one_line(told.entry.event), ToString::to_string);
    let mut content = in_place(told);
    content.insert("description".to_owned(), json!(summary));
    content.entry("environment").or_insert_with(|| environment(told));
    Value::Object(content)
}

/// Environment, service and artifact, as far as they are known.
fn in_place(told: &Told<'_>) -> Map<String, Value> {
    let mut content = Map::new();
    if told.environment().is_some() {
        content.insert("environment".to_owned(), environment(told));
    }
    if let Some(model) = told.model {
        content.insert("service".to_owned(), json!({ "id": model }));
    }
    if told.artifact.is_some() {
        content.insert("artifactId".to_owned(), json!(artifact_id(told)));
    }
    content
}

/// What happened in a line, and what the event says of it.
fn custom_content(told: &Told<'_>) -> Value {
    let event = told.entry.event;
    let mut content = in_place(told);
    content.insert("description".to_owned(), json!(prose::one_line(event)));
    let body = serde_json::to_value(&event.body).unwrap_or_default();
    content.insert("body".to_owned(), body["body"].clone());
    Value::Object(content)
}

/// What an event of a kind that the vocabulary has no word for is about.
fn custom_id(told: &Told<'_>) -> String {
    let entry = |index: u64| format!("entry/{index}");
    match &told.entry.event.body {
        Body::LedgerCreated(body) => body.origin.to_string(),
        Body::KeyGranted(body) => body.key.fingerprint().to_string(),
        Body::KeyRevoked(body) => body.key.fingerprint().to_string(),
        Body::LogKeyRotated(body) => body.new_key.fingerprint().to_string(),
        Body::ChangeCompleted(body) => entry(body.change),
        Body::EntryRatified(body) => entry(body.entry),
        Body::AttachmentRedacted(body) => format!("sha256:{}", body.digest),
        Body::NoteAdded(body) => match &body.subject {
            NoteSubject::Entry { entry: index } => entry(*index),
            NoteSubject::Log { tree_size, .. } => format!("tree/{tree_size}"),
        },
        Body::ModelRetired(_) => artifact_id(told),
        Body::DriftDetected(body) => body.model.to_string(),
        // A policy is known by the entry that set it.
        _ => entry(told.entry.index),
    }
}
