//! The way out of `bincode`: `wincode`, with its defaults and plain types, reads every golden vector and
//! writes the same bytes.
//!
//! The types here mirror the layout and none of the rules. A wrong one would read past the end, leave
//! bytes over, or meet a text that is not UTF-8.

use rollbook::event::body::Kind;
use wincode::{SchemaRead, SchemaWrite};

use crate::support::vectors::read_hex;

type Hash = [u8; 32];
type Key = [u8; 32];

#[derive(Debug, SchemaRead, SchemaWrite)]
struct Event {
    header: Header,
    body: Body,
}

#[derive(Debug, SchemaRead, SchemaWrite)]
struct Header {
    format: u32,
    ledger_id: Hash,
    event_id: [u8; 16],
    proposer: Key,
    claimed_at: i64,
    expires_at: i64,
    basis: Basis,
    attachments: Vec<Attachment>,
}

#[derive(Debug, SchemaRead, SchemaWrite)]
enum Basis {
    Declared,
    Observed { system: String, id: String },
}

#[derive(Debug, SchemaRead, SchemaWrite)]
struct Attachment {
    digest: Hash,
    size: u64,
    private: bool,
    media_type: String,
    name: String,
}

#[derive(Debug, SchemaRead, SchemaWrite)]
enum Body {
    LedgerCreated(LedgerCreated),
    KeyGranted(KeyGranted),
    KeyRevoked { key: Key, reason: String, compromised_since: Option<u64> },
    LogKeyRotated { old_key: Key, new_key: Key, cause: RotationCause, reason: String },
    PolicySet { policy: Policy, rules_version: u32, replaces: u64, reason: Option<String> },
    ModelRegistered(ModelRegistered),
    ModelEvaluated(ModelEvaluated),
    ModelPromoted(ModelPromoted),
    ModelRolledBack(ModelRolledBack),
    ModelWithdrawn(ModelWithdrawn),
    ChangeCompleted { change: u64, outcome: ChangeOutcome, completed_at: i64, summary: Option<String> },
    ModelRetired { model: String, version: String, reason: String },
    DriftDetected(DriftDetected),
    IncidentDetected(IncidentDetected),
    IncidentResolved { incident: String, resolved_at: i64, summary: Option<String> },
    EntryRatified { entry: u64, ratification: Ratification, reason: Option<String> },
    AttachmentRedacted { digest: Hash, reason: String },
    NoteAdded { subject: NoteSubject, text: String },
}

#[derive(Debug, SchemaRead, SchemaWrite)]
struct LedgerCreated {
    origin: String,
    nonce: [u8; 32],
    administrators: Vec<NamedKey>,
    policy: Policy,
    rules_version: u32,
    log_key: Key,
}

#[derive(Debug, SchemaRead, SchemaWrite)]
struct NamedKey {
    person: String,
    key: Key,
}

#[derive(Debug, SchemaRead, SchemaWrite)]
struct Policy {
    schema: u32,
    text: String,
}

#[derive(Debug, SchemaRead, SchemaWrite)]
struct KeyGranted {
    person: String,
    key: Key,
    roles: Vec<Role>,
    environments: Vec<String>,
    models: Vec<String>,
    valid_from: Option<i64>,
    valid_until: Option<i64>,
}

#[derive(Debug, SchemaRead, SchemaWrite)]
enum Role {
    Admin,
    Registrar,
    Evaluator,
    Deployer,
    Approver,
    Responder,
    Auditor,
}

#[derive(Debug, SchemaRead, SchemaWrite)]
enum RotationCause {
    Routine,
    Lost,
    CompromisedSince { tree_size: u64 },
}

#[derive(Debug, SchemaRead, SchemaWrite)]
struct ModelRegistered {
    model: String,
    version: String,
    digest: ModelDigest,
    uri: Option<String>,
    source: Option<InfraCommit>,
    datasets: Vec<NamedDigest>,
    dependency_lock: Option<Hash>,
}

#[derive(Debug, SchemaRead, SchemaWrite)]
struct ModelDigest {
    method: DigestMethod,
    root: Hash,
    named: Hash,
    links_followed: bool,
    ignored: Vec<String>,
    file_count: u64,
    byte_count: u64,
}

#[derive(Debug, SchemaRead, SchemaWrite)]
enum DigestMethod {
    OpenSsfFilesSha256,
}

#[derive(Debug, SchemaRead, SchemaWrite)]
struct NamedDigest {
    name: String,
    digest: ForeignDigest,
}

#[derive(Debug, SchemaRead, SchemaWrite)]
enum ForeignDigest {
    Sha256([u8; 32]),
    Sha384([u8; 48]),
    Sha512([u8; 64]),
}

#[derive(Debug, SchemaRead, SchemaWrite)]
struct ModelEvaluated {
    model: String,
    version: String,
    digest: Hash,
    kind: EvaluationKind,
    suite: String,
    suite_version: Option<String>,
    suite_digest: Option<ForeignDigest>,
    dataset: NamedDigest,
    environment: Option<String>,
    metrics: Vec<Metric>,
    outcome: EvaluationOutcome,
    summary: Option<String>,
}

#[derive(Debug, SchemaRead, SchemaWrite)]
enum EvaluationKind {
    Regression,
    Fairness,
    Shadow,
    Canary,
    Judge,
    Other,
}

#[derive(Debug, SchemaRead, SchemaWrite)]
enum EvaluationOutcome {
    Passed,
    Failed,
}

#[derive(Debug, SchemaRead, SchemaWrite)]
struct Metric {
    name: String,
    value: f64,
    min: Option<f64>,
    max: Option<f64>,
}

#[derive(Debug, SchemaRead, SchemaWrite)]
struct Serving {
    version: String,
    entry: u64,
}

#[derive(Debug, SchemaRead, SchemaWrite)]
struct InfraCommit {
    repository: String,
    commit: GitId,
    tag: Option<GitTag>,
    commit_object: Option<GitObject>,
    tag_object: Option<GitObject>,
    manifests: Vec<String>,
    path_proof: Option<Hash>,
}

#[derive(Debug, SchemaRead, SchemaWrite)]
enum GitId {
    Sha1([u8; 20]),
    Sha256([u8; 32]),
}

#[derive(Debug, SchemaRead, SchemaWrite)]
struct GitTag {
    name: String,
    object: Option<GitId>,
}

#[derive(Debug, SchemaRead, SchemaWrite)]
struct GitObject {
    sha256: Hash,
    size: u64,
    bytes: Option<Vec<u8>>,
}

#[derive(Debug, SchemaRead, SchemaWrite)]
struct ModelPromoted {
    model: String,
    version: String,
    digest: Hash,
    environment: String,
    from: Option<Serving>,
    policy_entry: u64,
    infra: InfraCommit,
    strategy: Option<Strategy>,
    evidence: Vec<u64>,
    ticket: Option<String>,
    reason: Option<String>,
}

#[derive(Debug, SchemaRead, SchemaWrite)]
enum Strategy {
    BlueGreen,
    Canary,
    Rolling,
    Recreate,
}

#[derive(Debug, SchemaRead, SchemaWrite)]
struct ModelRolledBack {
    model: String,
    environment: String,
    from: Serving,
    to: String,
    to_digest: Hash,
    policy_entry: u64,
    infra: InfraCommit,
    incident: Option<String>,
    reason: String,
    started_at: Option<i64>,
    validation: Vec<u64>,
    session_state: Option<SessionState>,
    break_glass: bool,
    ticket: Option<String>,
}

#[derive(Debug, SchemaRead, SchemaWrite)]
enum SessionState {
    Preserved,
    Drained,
    Lost,
    None,
}

#[derive(Debug, SchemaRead, SchemaWrite)]
struct ModelWithdrawn {
    model: String,
    environment: String,
    from: Serving,
    policy_entry: u64,
    infra: Option<InfraCommit>,
    incident: Option<String>,
    ticket: Option<String>,
    reason: String,
}

#[derive(Debug, SchemaRead, SchemaWrite)]
enum ChangeOutcome {
    Succeeded,
    Failed,
    Aborted,
}

#[derive(Debug, SchemaRead, SchemaWrite)]
struct DriftDetected {
    environment: String,
    model: String,
    version: Option<String>,
    kind: DriftKind,
    feature: Option<String>,
    statistic: String,
    value: f64,
    threshold: f64,
    window: Option<String>,
    monitor: String,
    status: AlertStatus,
    detected_at: i64,
    summary: Option<String>,
}

#[derive(Debug, SchemaRead, SchemaWrite)]
enum DriftKind {
    Data,
    Concept,
    Embedding,
}

#[derive(Debug, SchemaRead, SchemaWrite)]
enum AlertStatus {
    Firing,
    Resolved,
}

#[derive(Debug, SchemaRead, SchemaWrite)]
struct IncidentDetected {
    incident: String,
    environment: String,
    model: Option<String>,
    severity: String,
    detected_at: i64,
    evidence: Vec<u64>,
    summary: Option<String>,
}

#[derive(Debug, SchemaRead, SchemaWrite)]
enum Ratification {
    BreakGlass,
    Violations { codes: Vec<String> },
}

#[derive(Debug, SchemaRead, SchemaWrite)]
enum NoteSubject {
    Entry { entry: u64 },
    Log { tree_size: u64, root: Hash, verdict: Verdict },
}

#[derive(Debug, SchemaRead, SchemaWrite)]
enum Verdict {
    Sound,
    Violation,
    Tampered,
}

#[derive(Debug, SchemaRead, SchemaWrite)]
struct Envelope {
    event: Vec<u8>,
    signatures: Vec<AuthorSignature>,
}

#[derive(Debug, SchemaRead, SchemaWrite)]
struct AuthorSignature {
    key: Key,
    signature: [u8; 64],
}

#[derive(Debug, SchemaRead, SchemaWrite)]
struct Entry {
    format: u32,
    index: u64,
    previous: Hash,
    recorded_at: i64,
    state_root: Option<Hash>,
    envelope: Envelope,
}

/// Reads the vector `$name` whole as a `$mirror`, and checks that it is written back byte for byte.
macro_rules! read_and_write_back {
    ($mirror:ty, $name:expr) => {{
        let (name, bytes) = ($name, read_hex($name));
        let value: $mirror =
            wincode::deserialize_exact(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(hex::encode(wincode::serialize(&value).unwrap()), hex::encode(&bytes), "{name}");
        value
    }};
}

#[test]
fn wincode_reads_and_writes_every_event() {
    for kind in Kind::ALL {
        for suffix in ["", ".min"] {
            read_and_write_back!(Event, &format!("events/{kind}{suffix}.hex"));
        }
    }
}

#[test]
fn wincode_reads_and_writes_envelopes_and_entries() {
    for name in ["one-signature", "two-signatures"] {
        read_and_write_back!(Envelope, &format!("envelopes/{name}.hex"));
    }
    for name in ["0", "1", "state-root"] {
        read_and_write_back!(Entry, &format!("entries/{name}.hex"));
    }
}

#[test]
fn wincode_reads_what_was_meant() {
    let event = read_and_write_back!(Event, "events/model.promoted.hex");
    let Body::ModelPromoted(body) = event.body else { panic!("{:?}", event.body) };
    assert_eq!((body.model.as_str(), body.policy_entry), ("credit/scorer", 4));
    assert_eq!(body.evidence, [8, 9]);
    assert!(matches!(body.strategy, Some(Strategy::Recreate)));
    assert_eq!(body.from.map(|serving| (serving.version, serving.entry)), Some(("2.0.3".to_owned(), 7)));

    let event = read_and_write_back!(Event, "events/model.evaluated.hex");
    let Body::ModelEvaluated(body) = event.body else { panic!("{:?}", event.body) };
    let bounds: Vec<_> = body.metrics.iter().map(|metric| (metric.value, metric.min, metric.max)).collect();
    assert_eq!(bounds, [(0.875, Some(0.8), Some(1.0)), (-0.015_625, None, Some(0.0))]);
}
