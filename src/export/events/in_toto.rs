//! In-toto Statements v1, unsigned; [`super::dsse`] signs them.
//!
//! Evaluations use the predicate that exists for tests. For the rest none fits: there is no predicate for deployments,
//! and `release` is a registry's word about files, which neither we nor a model's root are. So they have predicates of
//! our own, named by kind.
//!
//! A statement is about what it names by digest: the version, and of a change the infra commit too. An entry that names
//! neither is told as a statement about that entry, by its leaf hash.

use serde_json::{Map, Value, json};

use super::told::Told;
use super::uri;
use crate::event::body::{Body, Kind};
use crate::event::infra::InfraCommit;
use crate::event::model::{EvaluationOutcome, ForeignDigest, Metric, ModelEvaluated};

/// The media type of a statement in an envelope.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
const TEST_RESULT: &str = "https://in-toto.io/attestation/test-result/v0.1";

/// The statement.
#[must_use]
pub fn object(told: &Told<'_>) -> Value {
    json!({
        "_type": STATEMENT_TYPE,
        "subject": subjects(told),
        "predicateType": predicate_type(told.entry.event.kind()),
        "predicate": predicate(told),
    })
}

/// The predicate that entries of a kind have. Ours are names: nothing is to be fetched there.
#[must_use]
pub fn predicate_type(kind: Kind) -> String {
    match kind {
        Kind::ModelEvaluated => TEST_RESULT.to_owned(),
        _ => format!("https://rollbook.dev/attestation/{kind}/v1"),
    }
}

fn predicate(told: &Told<'_>) -> Map<String, Value> {
    let mut predicate = told.around();
    if let Body::ModelEvaluated(body) = &told.entry.event.body {
        predicate.append(&mut test_result(body));
    } else if let Some(artifact) = told.artifact {
        predicate.insert("purl".to_owned(), json!(artifact.purl()));
    }
    predicate
}

fn subjects(told: &Told<'_>) -> Vec<Value> {
    let artifact = told.artifact.and_then(|artifact| {
        let digest = artifact.digest?;
        Some(json!({ "name": artifact.name(), "digest": { "sha256": digest } }))
    });
    // A registration's commit made the model; it isn't what is spoken of.
    let commit = told.entry.event.body.infra().filter(|_| told.is_change()).map(commit);
    let subjects: Vec<Value> = artifact.into_iter().chain(commit).collect();
    if subjects.is_empty() { vec![entry(told)] } else { subjects }
}

fn commit(infra: &InfraCommit) -> Value {
    let digest = json!({ "gitCommit": infra.commit });
    match uri::git(&infra.repository) {
        Some(uri) => json!({ "uri": uri, "digest": digest }),
        None => json!({ "name": infra.repository, "digest": digest }),
    }
}

fn entry(told: &Told<'_>) -> Value {
    let name = format!("{}#{}", told.ledger.origin, told.entry.index);
    json!({ "name": name, "digest": { "sha256": told.entry.leaf_hash } })
}

/// What a suite came to: tests are the metrics that were held against a bound. Where none was, a gate that asks for a
/// pass must not take it for one.
fn test_result(body: &ModelEvaluated) -> Map<String, Value> {
    let bounded = || body.metrics.iter().filter(|metric| metric.is_bounded());
    let result = match body.outcome {
        EvaluationOutcome::Failed => "FAILED",
        EvaluationOutcome::Passed if bounded().next().is_none() => "WARNED",
        EvaluationOutcome::Passed => "PASSED",
    };
    let names = |holds: bool| -> Vec<Value> {
        bounded().filter(|metric| Metric::holds(metric) == holds).map(|metric| json!(metric.name)).collect()
    };
    let suite = body
        .suite_version
        .as_ref()
        .map_or_else(|| body.suite.to_string(), |version| format!("{}@{version}", body.suite));
    let mut suite = json!({ "name": suite });
    if let Some(digest) = &body.suite_digest {
        suite["digest"] = digest_set(digest);
    }
    let dataset = json!({ "name": body.dataset.name, "digest": digest_set(&body.dataset.digest) });
    let fields = [
        ("result", json!(result)),
        ("configuration", json!([suite, dataset])),
        ("passedTests", json!(names(true))),
        ("warnedTests", json!([])),
        ("failedTests", json!(names(false))),
    ];
    fields.map(|(name, value)| (name.to_owned(), value)).into_iter().collect()
}

fn digest_set(digest: &ForeignDigest) -> Value {
    match digest {
        ForeignDigest::Sha256(bytes) => json!({ "sha256": hex::encode(bytes) }),
        ForeignDigest::Sha384(bytes) => json!({ "sha384": hex::encode(bytes) }),
        ForeignDigest::Sha512(bytes) => json!({ "sha512": hex::encode(bytes) }),
    }
}
