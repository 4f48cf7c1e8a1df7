//! People, and bodies of every kind of event, with sensible defaults.
//!
//! A body is a plain struct with public fields: a test takes the default and changes what it is about.

use rollbook::event::authority::{
    KeyGranted, KeyRevoked, LedgerCreated, LogKeyRotated, NamedKey, Policy, PolicySet, Role, RotationCause,
    Scope,
};
use rollbook::event::glob::Glob;
use rollbook::event::incident::{EntryRatified, IncidentDetected, IncidentResolved, Ratification};
use rollbook::event::infra::{GitId, InfraCommit};
use rollbook::event::list::Ascending;
use rollbook::event::model::{
    AlertStatus, DigestMethod, DriftDetected, DriftKind, EvaluationKind, ForeignDigest, Metric, ModelDigest,
    ModelEvaluated, ModelRegistered, ModelRetired, NamedDigest, outcome_of,
};
use rollbook::event::number::Finite;
use rollbook::event::release::{
    ChangeCompleted, ChangeOutcome, ModelPromoted, ModelRolledBack, ModelWithdrawn, Serving,
};
use rollbook::event::remark::{AttachmentRedacted, NoteAdded, NoteSubject};
use rollbook::event::text::{EnvironmentName, Name, PolicyText, Text};
use rollbook::hash::Hash;
use rollbook::lifecycle::policy::default_policy;
use rollbook::lifecycle::rules::RULES_VERSION;
use rollbook::signing::key_file::SecretKey;
use rollbook::signing::public_key::PublicKey;
use rollbook::time::{MINUTE_MS, Timestamp};

/// The model of most tests.
pub const MODEL: &str = "credit/scorer";

/// A person and one of their keys. Made from the name, so that the same name has the same key.
pub struct Person {
    /// The person's name.
    pub name: Name,
    /// The private key.
    pub key: SecretKey,
}

/// The person of that name, with their first key.
pub fn person(name: &str) -> Person {
    Person { name: self::name(name), key: SecretKey::from_seed(Hash::of(name.as_bytes()).as_bytes()) }
}

/// The person of that name, with another key.
pub fn second_key(name: &str) -> Person {
    let seed = Hash::of_parts(&[name.as_bytes(), b", second key"]);
    Person { name: self::name(name), key: SecretKey::from_seed(seed.as_bytes()) }
}

impl Person {
    /// The public key.
    pub fn public(&self) -> PublicKey {
        self.key.public_key()
    }
}

/// The founding administrator.
pub fn ada() -> Person {
    person("Ada")
}

/// When entry 0 is recorded.
pub fn beginning() -> Timestamp {
    "2026-03-01T09:00:00Z".parse().unwrap()
}

/// `minutes` after the beginning.
pub fn minute(minutes: i64) -> Timestamp {
    beginning().plus_ms(minutes * MINUTE_MS)
}

pub fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub fn text(text: &str) -> Text {
    Text::new(text).unwrap()
}

pub fn environment(text: &str) -> EnvironmentName {
    EnvironmentName::new(text).unwrap()
}

/// The digest of a version: made from its name.
pub fn digest(version: &str) -> Hash {
    Hash::of(version.as_bytes())
}

/// `version` serves since entry `entry`.
pub fn serving(version: &str, entry: u64) -> Serving {
    Serving { version: name(version), entry }
}

/// `ledger.created`, naming `administrators`.
pub fn created(administrators: &[&Person], log_key: PublicKey) -> LedgerCreated {
    let named = administrators.iter().map(|a| NamedKey { person: a.name.clone(), key: a.public() });
    LedgerCreated {
        origin: name("example.com/releases"),
        nonce: *Hash::of(b"nonce").as_bytes(),
        administrators: Ascending::sort(named.collect()).unwrap(),
        policy: default_policy(1),
        rules_version: RULES_VERSION,
        log_key,
    }
}

/// `key.granted`: `roles` everywhere, for every model with one slash in its name.
pub fn grant(to: &Person, roles: &[Role]) -> KeyGranted {
    KeyGranted {
        person: to.name.clone(),
        key: to.public(),
        roles: Ascending::sort(roles.to_vec()).unwrap(),
        scope: scope(&["*"], &["*/*"]),
        valid_from: None,
        valid_until: None,
    }
}

/// A scope of these globs.
pub fn scope(environments: &[&str], models: &[&str]) -> Scope {
    let globs = |globs: &[&str]| globs.iter().map(|glob| Glob::new(*glob).unwrap()).collect();
    Scope {
        environments: Ascending::sort(globs(environments)).unwrap(),
        models: Ascending::sort(globs(models)).unwrap(),
    }
}

/// `key.revoked`.
pub fn revoke(key: PublicKey) -> KeyRevoked {
    KeyRevoked { key, reason: text("left the team"), compromised_since: None }
}

/// `log_key.rotated`.
pub fn rotate(old_key: PublicKey, new_key: PublicKey, cause: RotationCause) -> LogKeyRotated {
    LogKeyRotated { old_key, new_key, cause, reason: text("time for another") }
}

/// `policy.set`, replacing the policy of entry `replaces`.
pub fn policy_set(policy: Policy, replaces: u64) -> PolicySet {
    PolicySet { policy, rules_version: RULES_VERSION, replaces, reason: None }
}

/// A policy of schema 1: threshold 1, `staging` and `production` without order, and `rest` behind.
pub fn policy(rest: &str) -> Policy {
    let text = format!("schema = 1\nadministrators.threshold = 1\n{rest}");
    Policy { schema: 1, text: PolicyText::new(text).unwrap() }
}

/// A policy of schema 2: threshold 1, and `rest` behind.
pub fn policy_2(rest: &str) -> Policy {
    let text = format!("schema = 2\nadministrators.threshold = 1\n{rest}");
    Policy { schema: 2, text: PolicyText::new(text).unwrap() }
}

/// A policy of schema 3: threshold 1, and `rest` behind.
pub fn policy_3(rest: &str) -> Policy {
    let text = format!("schema = 3\nadministrators.threshold = 1\n{rest}");
    Policy { schema: 3, text: PolicyText::new(text).unwrap() }
}

/// `model.registered` of [`MODEL`].
pub fn register(version: &str) -> ModelRegistered {
    ModelRegistered {
        model: name(MODEL),
        version: name(version),
        digest: ModelDigest {
            method: DigestMethod::OpenSsfFilesSha256,
            root: digest(version),
            named: Hash::of_parts(&[b"named ", version.as_bytes()]),
            links_followed: false,
            ignored: Ascending::default(),
            file_count: 3,
            byte_count: 1_000_000,
        },
        uri: None,
        source: None,
        datasets: Ascending::default(),
        dependency_lock: None,
    }
}

/// `model.retired` of [`MODEL`].
pub fn retire(version: &str) -> ModelRetired {
    ModelRetired { model: name(MODEL), version: name(version), reason: text("unfair to the young") }
}

/// A commit of a SHA-1 repository.
pub fn infra() -> InfraCommit {
    InfraCommit {
        repository: name("https://git.example.com/infra"),
        commit: GitId::Sha1([0x5a; 20]),
        tag: None,
        commit_object: None,
        tag_object: None,
        manifests: Ascending::default(),
        path_proof: None,
    }
}

/// `model.promoted` of [`MODEL`] under the policy of entry 0.
pub fn promote(version: &str, to: &str, from: Option<Serving>) -> ModelPromoted {
    ModelPromoted {
        model: name(MODEL),
        version: name(version),
        digest: digest(version),
        environment: environment(to),
        from,
        policy_entry: 0,
        infra: infra(),
        strategy: None,
        evidence: Ascending::default(),
        ticket: None,
        reason: None,
    }
}

/// `model.rolledback` of [`MODEL`] under the policy of entry 0.
pub fn roll_back(place: &str, from: Serving, to: &str) -> ModelRolledBack {
    ModelRolledBack {
        model: name(MODEL),
        environment: environment(place),
        from,
        to: name(to),
        to_digest: digest(to),
        policy_entry: 0,
        infra: infra(),
        incident: None,
        reason: text("error rate"),
        started_at: None,
        validation: Ascending::default(),
        session_state: None,
        break_glass: false,
        ticket: None,
    }
}

/// `model.withdrawn` of [`MODEL`] under the policy of entry 0.
pub fn withdraw(place: &str, from: Serving) -> ModelWithdrawn {
    ModelWithdrawn {
        model: name(MODEL),
        environment: environment(place),
        from,
        policy_entry: 0,
        infra: None,
        incident: None,
        ticket: None,
        reason: text("end of life"),
    }
}

/// `change.completed`, at the beginning of time: before every recorded time.
pub fn complete(change: u64, outcome: ChangeOutcome) -> ChangeCompleted {
    ChangeCompleted { change, outcome, completed_at: beginning(), summary: None }
}

/// `note.added` on an entry.
pub fn note(entry: u64) -> NoteAdded {
    NoteAdded { subject: NoteSubject::Entry { entry }, text: text("looked at") }
}

/// `name` measured as `value`, at most `max`.
pub fn metric(named: &str, value: f64, max: Option<f64>) -> Metric {
    let finite = |value| Finite::new(value).unwrap();
    Metric { name: name(named), value: finite(value), min: None, max: max.map(finite) }
}

/// `model.evaluated` of [`MODEL`] by the suite `fairlearn` on `loans`, with these metrics.
pub fn evaluate(version: &str, kind: EvaluationKind, metrics: Vec<Metric>) -> ModelEvaluated {
    let outcome = outcome_of(&metrics);
    ModelEvaluated {
        model: name(MODEL),
        version: name(version),
        digest: digest(version),
        kind,
        suite: name("fairlearn"),
        suite_version: Some(name("0.12.0")),
        suite_digest: None,
        dataset: NamedDigest { name: name("loans"), digest: ForeignDigest::Sha256([7; 32]) },
        environment: None,
        metrics: Ascending::sort(metrics).unwrap(),
        outcome,
        summary: None,
    }
}

/// A fairness evaluation whose one metric, at most 0.1, is `value`.
pub fn fairness(version: &str, value: f64) -> ModelEvaluated {
    let metrics = vec![metric("demographic_parity_difference", value, Some(0.1))];
    evaluate(version, EvaluationKind::Fairness, metrics)
}

/// A shadow evaluation that passed.
pub fn shadow(version: &str) -> ModelEvaluated {
    evaluate(version, EvaluationKind::Shadow, vec![metric("error_rate", 0.01, Some(0.02))])
}

/// `model.drift.detected` of [`MODEL`].
pub fn drift(place: &str) -> DriftDetected {
    DriftDetected {
        environment: environment(place),
        model: name(MODEL),
        version: None,
        kind: DriftKind::Data,
        feature: Some(name("income")),
        statistic: name("psi"),
        value: Finite::new(0.31).unwrap(),
        threshold: Finite::new(0.2).unwrap(),
        window: Some(name("24h")),
        monitor: name("evidently"),
        status: AlertStatus::Firing,
        detected_at: beginning(),
        summary: None,
    }
}

/// `incident.detected`, noticed at the beginning of time.
pub fn incident(id: &str, place: &str) -> IncidentDetected {
    IncidentDetected {
        incident: name(id),
        environment: environment(place),
        model: None,
        severity: name("sev1"),
        detected_at: beginning(),
        evidence: Ascending::default(),
        summary: None,
    }
}

/// `incident.resolved`, at the beginning of time.
pub fn resolved(id: &str) -> IncidentResolved {
    IncidentResolved { incident: name(id), resolved_at: beginning(), summary: None }
}

/// `entry.ratified` of a break-glass rollback.
pub fn ratify(entry: u64) -> EntryRatified {
    EntryRatified { entry, ratification: Ratification::BreakGlass, reason: None }
}

/// `entry.ratified` that accepts violations.
pub fn accept(entry: u64, codes: &[&str]) -> EntryRatified {
    let codes = Ascending::sort(codes.iter().map(|code| name(code)).collect()).unwrap();
    EntryRatified {
        entry,
        ratification: Ratification::Violations { codes },
        reason: Some(text("we know why")),
    }
}

/// `attachment.redacted`.
pub fn redact(digest: Hash) -> AttachmentRedacted {
    AttachmentRedacted { digest, reason: text("personal data") }
}
