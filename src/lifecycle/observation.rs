//! What the rules notice and do not refuse: recoveries that took too long, and what nobody stood behind in time.
//!
//! The ledger records nothing of it. A verifier makes a finding of each, under the same code.

use crate::event::text::Name;
use crate::lifecycle::refusal::GitThing;
use crate::time::{MINUTE_MS, Timestamp, span_text};

/// How far the claimed and the recorded time of a recovery may lie apart before that is said.
pub const RECOVERY_APART_MAX_MS: i64 = 5 * MINUTE_MS;

/// Something that the rules noticed, about the entry that it names.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each variant's message says what its fields are")]
pub enum Observation {
    /// From the incident's detection to the rollback's completion, both by recorded time.
    #[error("recovery from incident {incident} took {} by recorded times, the policy's target is {}", span_text(*took_ms), span_text(*target_ms))]
    RecoverySlow { entry: u64, incident: Name, took_ms: i64, target_ms: i64 },
    /// What responders claim and what was recorded differ by more than [`RECOVERY_APART_MAX_MS`].
    #[error("recovery from incident {incident} took {} by recorded times, {} by claimed ones", span_text(*recorded_ms), span_text(*claimed_ms))]
    RecoveryTimesDiffer { entry: u64, incident: Name, recorded_ms: i64, claimed_ms: i64 },
    /// The time to ratify a break-glass rollback has passed.
    #[error("nobody ratified {person}'s break-glass rollback by {due}")]
    NotRatified { entry: u64, person: Name, due: Timestamp },
    /// Embedded Git objects that show something else than the event says, under rules that do not judge it.
    #[error("what the event holds of Git does not fit together: {reason}")]
    GitUnsound { entry: u64, reason: String },
    /// A signature of a Git object of a sort that is not checked.
    #[error("the {thing} is signed by {by}, which is not checked")]
    GitSignatureUnchecked { entry: u64, thing: GitThing, by: String },
}

impl Observation {
    /// The entry that it is about.
    #[must_use]
    pub const fn entry(&self) -> u64 {
        match self {
            Self::RecoverySlow { entry, .. }
            | Self::RecoveryTimesDiffer { entry, .. }
            | Self::NotRatified { entry, .. }
            | Self::GitUnsound { entry, .. }
            | Self::GitSignatureUnchecked { entry, .. } => *entry,
        }
    }
}
