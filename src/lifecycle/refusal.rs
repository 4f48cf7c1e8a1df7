//! Why a rule says no. The ledger's answer is a refusal, the verifier's a finding of the same code.

use crate::event::body::Kind;
use crate::event::header::EventId;
use crate::event::model::{EvaluationKind, EvaluationOutcome};
use crate::event::release::Serving;
use crate::event::text::{EnvironmentName, Name};
use crate::evidence::allowed_signers::NotAllowed;
use crate::evidence::git_signature::SignatureFault;
use crate::evidence::infra::ObjectFault;
use crate::hash::Hash;
use crate::lifecycle::policy::{EvaluationNeed, PolicyError};
use crate::signing::public_key::PublicKey;
use crate::time::{Timestamp, span_text};
use crate::words::words;

words! {
    /// A Git object that can be signed.
    GitThing, "a Git object" {
        /// An annotated tag.
        Tag = "tag",
        /// A commit.
        Commit = "commit",
    }
}

/// What serves, for sentences.
struct Shown<'a>(&'a Option<Serving>);

impl std::fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(serving) => write!(f, "{} (entry {})", serving.version, serving.entry),
            None => f.write_str("nothing"),
        }
    }
}

/// A span of time, for sentences.
struct Span(i64);

impl std::fmt::Display for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&span_text(self.0))
    }
}

/// A metric that lies outside its bounds, for sentences.
struct Outside<'a>(&'a Option<Name>);

impl std::fmt::Display for Outside<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(metric) => write!(f, "metric `{metric}` lies outside its bounds"),
            None => f.write_str("every bounded metric lies within its bounds"),
        }
    }
}

macro_rules! refusals {
    ($($(#[$meta:meta])* $variant:ident $({ $($field:ident: $type:ty),+ $(,)? })? = $code:literal,)+) => {
        /// A rule that says no, with the facts. [`Refusal::code`] is stable.
        #[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
        #[expect(missing_docs, reason = "each variant's message says what its fields are")]
        pub enum Refusal {
            $($(#[$meta])* $variant $({ $($field: $type),+ })?,)+
        }

        impl Refusal {
            /// Every code, in the order of docs/lifecycle.md.
            pub const CODES: &'static [&'static str] = &[$($code),+];

            /// The stable code.
            #[must_use]
            pub const fn code(&self) -> &'static str {
                match self { $(Self::$variant { .. } => $code,)+ }
            }
        }
    };
}

refusals! {
    // The ledger and the event.
    #[error("no ledger exists yet: entry 0 must be ledger.created")]
    LedgerNotCreated = "ledger_not_created",
    #[error("the ledger exists already: ledger.created stands in entry 0 alone")]
    LedgerAlreadyCreated = "ledger_already_created",
    #[error("the event is for ledger {actual}, this is ledger {expected}")]
    ForeignLedger { actual: Hash, expected: Hash } = "foreign_ledger",
    #[error("rules version {version} is unknown to this program: upgrade it")]
    RulesUnknown { version: u32 } = "rules_unknown",
    #[error("rules version {version} would go back behind version {current}")]
    RulesOlder { version: u32, current: u32 } = "rules_older",
    #[error("{kind} is not accepted under rules version 1")]
    KindNotAccepted { kind: Kind } = "kind_not_accepted",
    #[error("the event expired at {expires_at}, and it is {recorded_at}: draft and sign it again")]
    EventExpired { expires_at: Timestamp, recorded_at: Timestamp } = "event_expired",
    #[error("the event expires at {expires_at}, more than 30 days after {recorded_at}")]
    ExpiryTooFar { expires_at: Timestamp, recorded_at: Timestamp } = "expiry_too_far",
    #[error("{what} is {claimed}, more than five minutes after {recorded_at}, when it would be recorded")]
    TimeAhead { what: &'static str, claimed: Timestamp, recorded_at: Timestamp } = "time_ahead",
    #[error("event id {event_id} was used by entry {entry}, whose event had not expired")]
    EventIdReused { event_id: EventId, entry: u64 } = "event_id_reused",
    // Signers.
    #[error("the proposer's key {key} has not signed the event")]
    ProposerNotSigned { key: PublicKey } = "proposer_not_signed",
    #[error("key {key} was never granted in this ledger")]
    SignerUnknown { key: PublicKey } = "signer_unknown",
    #[error("{person}'s key {key} was revoked by entry {entry}")]
    SignerRevoked { person: Name, key: PublicKey, entry: u64 } = "signer_revoked",
    #[error("{person}'s key {key} is not in force at {at}: no grant of it is valid then")]
    SignerNotInForce { person: Name, key: PublicKey, at: Timestamp } = "signer_not_in_force",
    #[error("{person}'s key {key} does not hold a role that this act needs: {needed}")]
    SignerLacksRole { person: Name, key: PublicKey, needed: String } = "signer_lacks_role",
    #[error("no single grant of {person}'s key {key} covers {needed} for {place}")]
    SignerOutOfScope { person: Name, key: PublicKey, needed: String, place: String } = "signer_out_of_scope",
    #[error("{person} proposes the event and cannot approve it as well")]
    ApproverIsProposer { person: Name } = "approver_is_proposer",
    #[error("{person} signs with two keys: approvals come from distinct people")]
    ApproverTwice { person: Name } = "approver_twice",
    #[error("the act needs {needed} signers, {actual} signed")]
    ApprovalsMissing { needed: u32, actual: u32 } = "approvals_missing",
    // Creation, keys and policy.
    #[error("every administrator named by ledger.created signs it, and nobody else; key {key} breaks that")]
    AdministratorsMustSign { key: PublicKey } = "administrators_must_sign",
    #[error("two administrators are called {person}: people are told apart by name")]
    AdministratorTwice { person: Name } = "administrator_twice",
    #[error("origin `{origin}` cannot name a log: no spaces, no `+`")]
    OriginUnfit { origin: Name } = "origin_unfit",
    #[error("{error}")]
    PolicyInvalid { error: PolicyError } = "policy_invalid",
    #[error("the policy has schema {schema}, which rules version {rules} does not judge: set it with rules version {schema}")]
    PolicyNeedsRules { schema: u32, rules: u32 } = "policy_needs_rules",
    #[error("the policy asks for {threshold} administrators, and there are {administrators}")]
    ThresholdUnreachable { threshold: u32, administrators: u32 } = "threshold_unreachable",
    #[error("the policy of entry {named} is no longer in force: entry {current} set another; sign again")]
    PolicySuperseded { named: u64, current: u64 } = "policy_superseded",
    #[error("key {key} cannot be granted: {defect}")]
    KeyUnfit { key: PublicKey, defect: String } = "key_unfit",
    #[error("key {key} is or was the log's own: it is never granted to a person")]
    KeyIsLogKey { key: PublicKey } = "key_is_log_key",
    #[error("key {key} was revoked by entry {entry}: a revoked key is never granted again")]
    KeyWasRevoked { key: PublicKey, entry: u64 } = "key_was_revoked",
    #[error("key {key} belongs to {holder}, not to {person}")]
    KeyOfAnother { key: PublicKey, holder: Name, person: Name } = "key_of_another",
    #[error("the log's key is {current}, and the event replaces {named}")]
    LogKeyNotCurrent { named: PublicKey, current: PublicKey } = "log_key_not_current",
    #[error("key {key} was the log's key already: a log key is used once")]
    LogKeyUsedBefore { key: PublicKey } = "log_key_used_before",
    #[error("key {key} is {person}'s: the log's key is nobody's but the log's")]
    LogKeyIsPersons { key: PublicKey, person: Name } = "log_key_is_persons",
    #[error("the grant names no role")]
    RolesMissing = "roles_missing",
    #[error("the grant is valid from {from} until {until}: never")]
    ValidityEmpty { from: Timestamp, until: Timestamp } = "validity_empty",
    #[error("key {key} has {max} grants already: revoke it and grant another key")]
    GrantsTooMany { key: PublicKey, max: usize } = "grants_too_many",
    #[error("key {key} was never granted: there is nothing to revoke")]
    KeyUnknown { key: PublicKey } = "key_unknown",
    #[error("the policy needs {threshold} administrators, and {remaining} would remain")]
    TooFewAdministrators { threshold: u32, remaining: u32 } = "too_few_administrators",
    #[error("entry {entry} does not exist yet")]
    EntryUnknown { entry: u64 } = "entry_unknown",
    // Models.
    #[error("{model} {version} was registered by entry {entry}, and a version never changes")]
    VersionExists { model: Name, version: Name, entry: u64 } = "version_exists",
    #[error("no version of model `{model}` is registered")]
    ModelUnknown { model: Name } = "model_unknown",
    #[error("version `{version}` of model `{model}` is not registered")]
    VersionUnknown { model: Name, version: Name } = "version_unknown",
    #[error("{model} {version} was retired by entry {entry}")]
    VersionRetired { model: Name, version: Name, entry: u64 } = "version_retired",
    #[error("{model} {version} was registered with digest {registered}, the event says {actual}")]
    DigestMismatch { model: Name, version: Name, registered: Hash, actual: Hash } = "digest_mismatch",
    #[error("metric `{metric}` has a least value above its greatest: nothing lies within such bounds")]
    BoundsEmpty { metric: Name } = "bounds_empty",
    #[error("the evaluation says {claimed}, and its metrics come to {computed}: {}", Outside(outside))]
    OutcomeContradicted { claimed: EvaluationOutcome, computed: EvaluationOutcome, outside: Option<Name> } = "outcome_contradicted",
    #[error("{max} pairs of suite and data set have given a {kind} evaluation of this digest: use one of them again")]
    EvaluationsTooMany { kind: EvaluationKind, max: usize } = "evaluations_too_many",
    // Releases.
    #[error("the policy knows no environment `{environment}`; it knows: {known}")]
    EnvironmentUnknown { environment: EnvironmentName, known: String } = "environment_unknown",
    #[error("the infra commit is in one object format and its tag in another")]
    InfraInconsistent = "infra_inconsistent",
    #[error("{} serves in {environment}, the event says {}", Shown(actual), Shown(named))]
    FromMismatch { environment: EnvironmentName, named: Option<Serving>, actual: Option<Serving> } = "from_mismatch",
    #[error("{model} {version} serves in {environment} already, since entry {entry}")]
    AlreadyServing { model: Name, version: Name, environment: EnvironmentName, entry: u64 } = "already_serving",
    #[error("the digest of {model} {version} has not served in {missing}, which comes before {environment}")]
    OrderNotMet { model: Name, version: Name, environment: EnvironmentName, missing: EnvironmentName } = "order_not_met",
    #[error("the digest has served in {environment} for {}, and the policy wants {}", Span(*served_ms), Span(*needed_ms))]
    ServedTooShort { environment: EnvironmentName, served_ms: i64, needed_ms: i64 } = "served_too_short",
    #[error("the policy wants a passed evaluation of this digest ({need}), and none is recorded")]
    EvaluationMissing { need: EvaluationNeed } = "evaluation_missing",
    #[error("the newest evaluation of this digest ({need}) failed: entry {entry}")]
    EvaluationFailed { need: EvaluationNeed, entry: u64 } = "evaluation_failed",
    #[error("the evaluation of entry {entry} ({need}) has no bounded metric: it passed nothing")]
    EvaluationUnbounded { need: EvaluationNeed, entry: u64 } = "evaluation_unbounded",
    #[error("the evaluation of entry {entry} ({need}) was recorded at {recorded_at}: it is too old")]
    EvaluationStale { need: EvaluationNeed, entry: u64, recorded_at: Timestamp } = "evaluation_stale",
    #[error("the policy wants a signed tag: the event names no annotated tag whose object it holds and that bears a signature")]
    TagUnsigned = "tag_unsigned",
    #[error("the policy wants a signed commit: the event holds no commit object, or one without a signature")]
    CommitUnsigned = "commit_unsigned",
    #[error("the policy wants a signed {thing}, and it is signed by {by}, which is not checked here: sign it with an SSH key")]
    GitSignatureUnchecked { thing: GitThing, by: String } = "git_signature_unchecked",
    #[error("the signature of the {thing} is bad: {fault}")]
    GitSignatureBad { thing: GitThing, fault: SignatureFault } = "git_signature_bad",
    #[error("the {thing} is signed by the key {key}, whose signature does not count: {reason}")]
    GitSignerNotAllowed { thing: GitThing, key: String, reason: NotAllowed } = "git_signer_not_allowed",
    #[error("the {thing} is signed by the key {key}, whose signature does not count at this time: {reason}")]
    GitSignerNotInForce { thing: GitThing, key: String, reason: NotAllowed } = "git_signer_not_in_force",
    #[error("what the event holds of Git does not fit together: {fault}")]
    GitEvidenceUnsound { fault: ObjectFault } = "git_evidence_unsound",
    #[error("the policy wants proof that a manifest of the infra commit holds the model's digest, and the event names none")]
    ManifestMissing = "manifest_missing",
    #[error("the event names the {what} {digest}, and does not attach it")]
    GitEvidenceNotAttached { what: &'static str, digest: Hash } = "git_evidence_not_attached",
    #[error("nothing of model `{model}` serves in {environment}")]
    NothingServes { model: Name, environment: EnvironmentName } = "nothing_serves",
    #[error("{model} {version} never served in {environment} before")]
    TargetNeverLive { model: Name, version: Name, environment: EnvironmentName } = "rollback_target_never_live",
    #[error("{model} {version} was withdrawn from {environment}: it returns only by promotion")]
    TargetWithdrawn { model: Name, version: Name, environment: EnvironmentName } = "rollback_target_withdrawn",
    #[error("{model} {version} is what serves in {environment} already")]
    TargetServes { model: Name, version: Name, environment: EnvironmentName } = "rollback_target_serves",
    #[error("the policy allows no break-glass rollback in {environment}")]
    BreakGlassNotAllowed { environment: EnvironmentName } = "break_glass_not_allowed",
    #[error("{max} break-glass rollbacks wait for somebody to stand behind them: ratify those first")]
    OwedTooMany { max: usize } = "owed_too_many",
    #[error("the policy wants a rollback in {environment} to name an open incident")]
    IncidentMissing { environment: EnvironmentName } = "incident_missing",
    #[error("the policy wants sessions drained before a rollback in {environment}: they were lost, or nothing is said of them")]
    SessionsNotDrained { environment: EnvironmentName } = "sessions_not_drained",
    #[error("the policy wants a passed shadow evaluation of {version} before it is gone back to; the rollback cites none")]
    ValidationMissing { version: Name } = "validation_missing",
    #[error("entry {entry} is no promotion, rollback or withdrawal that waits for completion")]
    ChangeUnknown { entry: u64 } = "change_unknown",
    #[error("entry {entry} is not the newest change there: entry {newest} came after it, so it can only have succeeded")]
    ChangeSuperseded { entry: u64, newest: u64 } = "change_superseded",
    // Incidents and ratification.
    #[error("incident {incident} is open in {environment} already, since entry {entry}")]
    IncidentOpenAlready { incident: Name, environment: EnvironmentName, entry: u64 } = "incident_open_already",
    #[error("incident {incident} is open in {max} places already")]
    IncidentPlacesTooMany { incident: Name, max: usize } = "incident_places_too_many",
    #[error("incident {incident} is not open")]
    IncidentNotOpen { incident: Name } = "incident_not_open",
    #[error("incident {incident} is open, but not for {model} in {environment}")]
    IncidentElsewhere { incident: Name, model: Name, environment: EnvironmentName } = "incident_elsewhere",
    #[error("incident {incident} is said to be resolved at {resolved}, before it was detected ({detected})")]
    IncidentEndsBefore { incident: Name, detected: Timestamp, resolved: Timestamp } = "incident_ends_before",
    #[error("nothing about entry {entry} is to be ratified or accepted")]
    NothingToRatify { entry: u64 } = "nothing_to_ratify",
    #[error("entry {entry} could be ratified until {due}: now it is a violation, which administrators can accept")]
    RatificationLate { entry: u64, due: Timestamp } = "ratification_late",
    #[error("`{code}` is no violation that could be accepted: what is tampered with cannot be, and other codes don't exist")]
    FindingNotAcceptable { code: Name } = "finding_not_acceptable",
}

impl Refusal {
    /// Whether a newer program could well accept what this one cannot judge.
    #[must_use]
    pub const fn needs_upgrade(&self) -> bool {
        matches!(
            self,
            Self::RulesUnknown { .. } | Self::PolicyInvalid { error: PolicyError::NewerSchema { .. } }
        )
    }
}
