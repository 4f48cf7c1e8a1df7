//! One event of each kind twice: with everything that it can hold, and with nothing that it can do without.

use rollbook::event::authority::{
    KeyGranted, KeyRevoked, LedgerCreated, LogKeyRotated, NamedKey, Policy, PolicySet, Role, RotationCause,
    Scope,
};
use rollbook::event::body::{Body, Event};
use rollbook::event::glob::Glob;
use rollbook::event::header::{Attachment, Basis, EventId, FORMAT_VERSION, Header};
use rollbook::event::incident::{EntryRatified, IncidentDetected, IncidentResolved, Ratification};
use rollbook::event::infra::{GitId, GitObject, GitTag, InfraCommit, ObjectBytes};
use rollbook::event::list::{Ascending, Ranked};
use rollbook::event::model::{
    AlertStatus, DigestMethod, DriftDetected, DriftKind, EvaluationKind, EvaluationOutcome, ForeignDigest,
    Metric, ModelDigest, ModelEvaluated, ModelRegistered, ModelRetired, NamedDigest,
};
use rollbook::event::number::Finite;
use rollbook::event::release::{
    ChangeCompleted, ChangeOutcome, ModelPromoted, ModelRolledBack, ModelWithdrawn, Serving, SessionState,
    Strategy,
};
use rollbook::event::remark::{AttachmentRedacted, AttestedVerdict, NoteAdded, NoteSubject};
use rollbook::event::text::{EnvironmentName, Name, PolicyText, Text};
use rollbook::hash::Hash;

use super::ledger::{ORIGIN, ledger_id, public_key, time};

/// When every sample happened: 2026-03-01T09:00:00Z.
const NINE_MS: i64 = 1_772_355_600_000;
const DAY_MS: i64 = 86_400_000;

/// An event of each kind, in the order of their numbers, every optional field present and every list filled.
pub(crate) fn full() -> Vec<Event> {
    let bodies = [
        full_ledger_created().into(),
        full_key_granted().into(),
        full_key_revoked().into(),
        full_log_key_rotated().into(),
        full_policy_set().into(),
        full_model_registered().into(),
        full_model_evaluated().into(),
        full_model_promoted().into(),
        full_model_rolled_back().into(),
        full_model_withdrawn().into(),
        full_change_completed().into(),
        full_model_retired().into(),
        full_drift_detected().into(),
        full_incident_detected().into(),
        full_incident_resolved().into(),
        full_entry_ratified().into(),
        full_attachment_redacted().into(),
        full_note_added().into(),
    ];
    bodies.into_iter().map(|body| Event { header: full_header(&body), body }).collect()
}

/// An event of each kind, in the order of their numbers, with nothing that can be left out.
pub(crate) fn minimal() -> Vec<Event> {
    let bodies = [
        minimal_ledger_created().into(),
        minimal_key_granted().into(),
        KeyRevoked { compromised_since: None, ..full_key_revoked() }.into(),
        LogKeyRotated { cause: RotationCause::Routine, ..full_log_key_rotated() }.into(),
        PolicySet { reason: None, ..full_policy_set() }.into(),
        minimal_model_registered().into(),
        minimal_model_evaluated().into(),
        minimal_model_promoted().into(),
        minimal_model_rolled_back().into(),
        ModelWithdrawn { infra: None, incident: None, ticket: None, ..full_model_withdrawn() }.into(),
        ChangeCompleted { outcome: ChangeOutcome::Succeeded, summary: None, ..full_change_completed() }
            .into(),
        full_model_retired().into(),
        minimal_drift_detected().into(),
        minimal_incident_detected().into(),
        IncidentResolved { summary: None, ..full_incident_resolved() }.into(),
        EntryRatified { entry: 12, ratification: Ratification::BreakGlass, reason: None }.into(),
        full_attachment_redacted().into(),
        minimal_note_added().into(),
    ];
    bodies.into_iter().map(|body| Event { header: minimal_header(&body), body }).collect()
}

/// The event of entry 0.
pub(crate) fn ledger_created() -> Event {
    let body = full_ledger_created().into();
    Event { header: minimal_header(&body), body }
}

/// The event of entry 1.
pub(crate) fn minimal_note() -> Event {
    let body = minimal_note_added().into();
    Event { header: minimal_header(&body), body }
}

fn minimal_header(body: &Body) -> Header {
    Header {
        format: FORMAT_VERSION,
        ledger_id: if matches!(body, Body::LedgerCreated(_)) { Hash::ZERO } else { ledger_id() },
        event_id: EventId::generate(time(NINE_MS), [body.kind() as u8; 10]),
        proposer: public_key(1),
        claimed_at: time(NINE_MS),
        expires_at: time(NINE_MS + 7 * DAY_MS),
        basis: Basis::Declared,
        attachments: Ascending::default(),
    }
}

fn full_header(body: &Body) -> Header {
    let id = format!("report-{}", body.kind() as u32);
    Header {
        event_id: EventId::derive("mlflow", &id),
        basis: Basis::Observed { system: name("mlflow"), id: name(&id) },
        attachments: ascending(vec![
            Attachment {
                digest: Hash::of(b"report"),
                size: 6,
                private: false,
                media_type: name("application/json"),
                name: name("report.json"),
            },
            Attachment {
                digest: Hash::of(b"interview"),
                size: 4_096,
                private: true,
                media_type: name("text/plain; charset=utf-8"),
                name: name("gespräch.txt"),
            },
        ]),
        ..minimal_header(body)
    }
}

// Authority.

fn full_ledger_created() -> LedgerCreated {
    LedgerCreated {
        origin: name(ORIGIN),
        nonce: [0x5a; 32],
        administrators: ascending(vec![
            NamedKey { person: name("Ada Lovelace"), key: public_key(1) },
            NamedKey { person: name("Zoë"), key: public_key(2) },
        ]),
        policy: policy(),
        rules_version: 1,
        log_key: public_key(3),
    }
}

fn minimal_ledger_created() -> LedgerCreated {
    LedgerCreated { administrators: Ascending::default(), ..full_ledger_created() }
}

fn policy() -> Policy {
    Policy { schema: 1, text: PolicyText::new("# The least there is.\nadmin_threshold = 1\n").unwrap() }
}

fn full_key_granted() -> KeyGranted {
    KeyGranted {
        person: name("Grace Hopper"),
        key: public_key(5),
        roles: ascending(vec![Role::Deployer, Role::Responder]),
        scope: Scope {
            environments: ascending(vec![glob("prod-*"), glob("staging")]),
            models: ascending(vec![glob("credit/*")]),
        },
        valid_from: Some(time(NINE_MS)),
        valid_until: Some(time(NINE_MS + 365 * DAY_MS)),
    }
}

fn minimal_key_granted() -> KeyGranted {
    KeyGranted {
        roles: Ascending::default(),
        scope: Scope { environments: Ascending::default(), models: Ascending::default() },
        valid_from: None,
        valid_until: None,
        ..full_key_granted()
    }
}

fn full_key_revoked() -> KeyRevoked {
    KeyRevoked {
        key: public_key(5),
        reason: text("The laptop was stolen.\n\tReported the same day."),
        compromised_since: Some(40),
    }
}

fn full_log_key_rotated() -> LogKeyRotated {
    LogKeyRotated {
        old_key: public_key(3),
        new_key: public_key(4),
        cause: RotationCause::CompromisedSince { tree_size: 41 },
        reason: text("The host was broken into."),
    }
}

fn full_policy_set() -> PolicySet {
    PolicySet { policy: policy(), rules_version: 1, replaces: 0, reason: Some(text("Quarterly review.")) }
}

// Models.

fn full_model_registered() -> ModelRegistered {
    ModelRegistered {
        model: name("credit/scorer"),
        version: name("2.1.0"),
        digest: ModelDigest {
            method: DigestMethod::OpenSsfFilesSha256,
            root: Hash::of(b"root"),
            named: Hash::of(b"named"),
            links_followed: true,
            ignored: ascending(vec![name("README.md"), name("samples")]),
            file_count: 12,
            byte_count: 90_868_376,
        },
        uri: Some(text("s3://models/credit/scorer/2.1.0")),
        source: Some(infra()),
        datasets: ascending(vec![
            NamedDigest { name: name("loans-2025"), digest: ForeignDigest::Sha384([0x38; 48]) },
            NamedDigest { name: name("loans-2024"), digest: ForeignDigest::Sha512([0x51; 64]) },
        ]),
        dependency_lock: Some(Hash::of(b"lock")),
    }
}

fn minimal_model_registered() -> ModelRegistered {
    let full = full_model_registered();
    ModelRegistered {
        digest: ModelDigest { links_followed: false, ignored: Ascending::default(), ..full.digest },
        uri: None,
        source: None,
        datasets: Ascending::default(),
        dependency_lock: None,
        ..full
    }
}

fn full_model_evaluated() -> ModelEvaluated {
    ModelEvaluated {
        model: name("credit/scorer"),
        version: name("2.1.0"),
        digest: Hash::of(b"root"),
        kind: EvaluationKind::Canary,
        suite: name("scorecards"),
        suite_version: Some(name("7")),
        suite_digest: Some(ForeignDigest::Sha256([0x25; 32])),
        dataset: NamedDigest { name: name("holdout"), digest: ForeignDigest::Sha256([0x26; 32]) },
        environment: Some(environment("prod-eu")),
        metrics: ascending(vec![
            Metric {
                name: name("auc"),
                value: number(0.875),
                min: Some(number(0.8)),
                max: Some(number(1.0)),
            },
            Metric { name: name("bias"), value: number(-0.015_625), min: None, max: Some(number(0.0)) },
        ]),
        outcome: EvaluationOutcome::Passed,
        summary: Some(text("Within bounds.")),
    }
}

fn minimal_model_evaluated() -> ModelEvaluated {
    ModelEvaluated {
        kind: EvaluationKind::Regression,
        suite_version: None,
        suite_digest: None,
        environment: None,
        metrics: Ascending::default(),
        outcome: EvaluationOutcome::Failed,
        summary: None,
        ..full_model_evaluated()
    }
}

fn full_model_retired() -> ModelRetired {
    ModelRetired { model: name("credit/scorer"), version: name("1.0.0"), reason: text("Superseded.") }
}

fn full_drift_detected() -> DriftDetected {
    DriftDetected {
        environment: environment("prod-eu"),
        model: name("credit/scorer"),
        version: Some(name("2.1.0")),
        kind: DriftKind::Embedding,
        feature: Some(name("income")),
        statistic: name("psi"),
        value: number(0.31),
        threshold: number(0.25),
        window: Some(name("24h")),
        monitor: name("evidently"),
        status: AlertStatus::Resolved,
        detected_at: time(NINE_MS),
        summary: Some(text("https://monitor.example/alerts/9")),
    }
}

fn minimal_drift_detected() -> DriftDetected {
    DriftDetected {
        version: None,
        kind: DriftKind::Data,
        feature: None,
        window: None,
        status: AlertStatus::Firing,
        summary: None,
        ..full_drift_detected()
    }
}

// Releases.

fn infra() -> InfraCommit {
    let commit = "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n\nRaise the scorer to 2.1.0\n";
    InfraCommit {
        repository: name("https://git.example/infra"),
        commit: GitId::Sha1([0xc1; 20]),
        tag: Some(GitTag { name: name("release-41"), object: Some(GitId::Sha256([0xa6; 32])) }),
        commit_object: Some(git_object(commit.as_bytes())),
        tag_object: Some(git_object(b"tag\xff")),
        manifests: ascending(vec![name("apps/scorer.yaml"), name("apps/values.yaml")]),
        path_proof: Some(Hash::of(b"proof")),
    }
}

fn minimal_infra() -> InfraCommit {
    InfraCommit {
        commit: GitId::Sha256([0xc2; 32]),
        tag: None,
        commit_object: None,
        tag_object: None,
        manifests: Ascending::default(),
        path_proof: None,
        ..infra()
    }
}

fn git_object(bytes: &[u8]) -> GitObject {
    GitObject { sha256: Hash::of(bytes), size: bytes.len() as u64, bytes: ObjectBytes::new(bytes.to_vec()) }
}

fn full_model_promoted() -> ModelPromoted {
    ModelPromoted {
        model: name("credit/scorer"),
        version: name("2.1.0"),
        digest: Hash::of(b"root"),
        environment: environment("prod-eu"),
        from: Some(Serving { version: name("2.0.3"), entry: 7 }),
        policy_entry: 4,
        infra: infra(),
        strategy: Some(Strategy::Recreate),
        evidence: ascending(vec![8, 9]),
        ticket: Some(name("CHG-1041")),
        reason: Some(text("Better on thin files.")),
    }
}

fn minimal_model_promoted() -> ModelPromoted {
    ModelPromoted {
        from: None,
        infra: minimal_infra(),
        strategy: None,
        evidence: Ascending::default(),
        ticket: None,
        reason: None,
        ..full_model_promoted()
    }
}

fn full_model_rolled_back() -> ModelRolledBack {
    ModelRolledBack {
        model: name("credit/scorer"),
        environment: environment("prod-eu"),
        from: Serving { version: name("2.1.0"), entry: 10 },
        to: name("2.0.3"),
        to_digest: Hash::of(b"root of 2.0.3"),
        policy_entry: 4,
        infra: infra(),
        incident: Some(name("INC-77")),
        reason: text("Latency above the limit."),
        started_at: Some(time(NINE_MS - 60_000)),
        validation: ascending(vec![3, 5, 300]),
        session_state: Some(SessionState::None),
        break_glass: true,
        ticket: Some(name("CHG-1042")),
    }
}

fn minimal_model_rolled_back() -> ModelRolledBack {
    ModelRolledBack {
        infra: minimal_infra(),
        incident: None,
        started_at: None,
        validation: Ascending::default(),
        session_state: None,
        break_glass: false,
        ticket: None,
        ..full_model_rolled_back()
    }
}

fn full_model_withdrawn() -> ModelWithdrawn {
    ModelWithdrawn {
        model: name("credit/scorer"),
        environment: environment("prod-eu"),
        from: Serving { version: name("2.0.3"), entry: 12 },
        policy_entry: 4,
        infra: Some(infra()),
        incident: Some(name("INC-78")),
        ticket: Some(name("CHG-1043")),
        reason: text("No longer offered."),
    }
}

fn full_change_completed() -> ChangeCompleted {
    ChangeCompleted {
        change: 12,
        outcome: ChangeOutcome::Aborted,
        completed_at: time(NINE_MS + 90_000),
        summary: Some(text("Called off.")),
    }
}

// Incidents and remarks.

fn full_incident_detected() -> IncidentDetected {
    IncidentDetected {
        incident: name("INC-77"),
        environment: environment("prod-eu"),
        model: Some(name("credit/scorer")),
        severity: name("sev1"),
        detected_at: time(NINE_MS),
        evidence: ascending(vec![11]),
        summary: Some(text("Answers take nine seconds.")),
    }
}

fn minimal_incident_detected() -> IncidentDetected {
    IncidentDetected {
        model: None,
        evidence: Ascending::default(),
        summary: None,
        ..full_incident_detected()
    }
}

fn full_incident_resolved() -> IncidentResolved {
    IncidentResolved {
        incident: name("INC-77"),
        resolved_at: time(NINE_MS + 600_000),
        summary: Some(text("Rolled back.")),
    }
}

fn full_entry_ratified() -> EntryRatified {
    let codes = ascending(vec![name("approvals_missing"), name("evidence_missing")]);
    EntryRatified {
        entry: 12,
        ratification: Ratification::Violations { codes },
        reason: Some(text("Reviewed on 2026-03-02.")),
    }
}

fn full_attachment_redacted() -> AttachmentRedacted {
    AttachmentRedacted { digest: Hash::of(b"interview"), reason: text("Erasure was asked for.") }
}

fn full_note_added() -> NoteAdded {
    let (root, verdict) = (Hash::of(b"root of thirteen"), AttestedVerdict::Tampered);
    NoteAdded {
        subject: NoteSubject::Log { tree_size: 13, root, verdict },
        text: text("Yearly audit.\nSee the report."),
    }
}

fn minimal_note_added() -> NoteAdded {
    NoteAdded { subject: NoteSubject::Entry { entry: 0 }, text: text("ok") }
}

// Values.

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn environment(text: &str) -> EnvironmentName {
    EnvironmentName::new(text).unwrap()
}

fn text(text: &str) -> Text {
    Text::new(text).unwrap()
}

fn glob(text: &str) -> Glob {
    Glob::new(text).unwrap()
}

fn number(value: f64) -> Finite {
    Finite::new(value).unwrap()
}

fn ascending<T: Ranked, const MAX: usize>(items: Vec<T>) -> Ascending<T, MAX> {
    Ascending::sort(items).unwrap()
}
