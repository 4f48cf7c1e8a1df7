//! Releases: what serves where. Promoted, rolled back, withdrawn, completed.

use bincode::{Decode, Encode};
use serde::Serialize;

use crate::event::infra::InfraCommit;
use crate::event::list::Ascending;
use crate::event::text::{EnvironmentName, Name, Text};
use crate::hash::Hash;
use crate::time::Timestamp;
use crate::words::words;

/// The most evidence entries that one change cites.
pub const EVIDENCE_MAX: usize = 64;

/// A version that serves, and the entry that put it there.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Serving {
    /// The version.
    pub version: Name,
    /// The promotion or rollback that put it there.
    pub entry: u64,
}

/// `model.promoted`: a version is to serve in an environment.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct ModelPromoted {
    /// The model.
    pub model: Name,
    /// The version that is to serve.
    pub version: Name,
    /// Its `OpenSSF` root, as registered.
    pub digest: Hash,
    /// Where.
    pub environment: EnvironmentName,
    /// What serves there now; none where nothing does.
    pub from: Option<Serving>,
    /// The entry of the policy that this was approved under.
    pub policy_entry: u64,
    /// The commit that puts it there.
    pub infra: InfraCommit,
    /// How traffic moves over.
    pub strategy: Option<Strategy>,
    /// Entries that speak for it.
    pub evidence: Ascending<u64, EVIDENCE_MAX>,
    /// A ticket elsewhere.
    pub ticket: Option<Name>,
    /// Why.
    pub reason: Option<Text>,
}

words! {
    /// How traffic moves to another version.
    Strategy, "a strategy" {
        /// Two whole sets, switched at once.
        BlueGreen = "blue-green",
        /// A small share first.
        Canary = "canary",
        /// Replica by replica.
        Rolling = "rolling",
        /// Down, then up.
        Recreate = "recreate",
    }
}

/// `model.rolledback`: an environment goes back to what served it before.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct ModelRolledBack {
    /// The model.
    pub model: Name,
    /// Where.
    pub environment: EnvironmentName,
    /// What serves there now.
    pub from: Serving,
    /// The version that is to serve again.
    pub to: Name,
    /// Its `OpenSSF` root, as registered.
    pub to_digest: Hash,
    /// The entry of the policy that this was approved under.
    pub policy_entry: u64,
    /// The commit that puts it back.
    pub infra: InfraCommit,
    /// The incident that made it necessary.
    pub incident: Option<Name>,
    /// Why.
    pub reason: Text,
    /// When the responders began.
    pub started_at: Option<Timestamp>,
    /// Entries that show the target to be fit.
    pub validation: Ascending<u64, EVIDENCE_MAX>,
    /// What became of sessions in flight.
    pub session_state: Option<SessionState>,
    /// Whether one responder acts at once, to be ratified later.
    pub break_glass: bool,
    /// A ticket elsewhere.
    pub ticket: Option<Name>,
}

words! {
    /// What became of user sessions in flight.
    SessionState, "a session state" {
        /// Kept across the change.
        Preserved = "preserved",
        /// Left to end before the change.
        Drained = "drained",
        /// Cut off.
        Lost = "lost",
        /// There were none to keep.
        None = "none",
    }
}

/// `model.withdrawn`: a model is taken out of an environment, nothing in its place.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct ModelWithdrawn {
    /// The model.
    pub model: Name,
    /// Where.
    pub environment: EnvironmentName,
    /// What serves there now.
    pub from: Serving,
    /// The entry of the policy that this was approved under.
    pub policy_entry: u64,
    /// The commit that takes it out, where there is one.
    pub infra: Option<InfraCommit>,
    /// The incident that made it necessary.
    pub incident: Option<Name>,
    /// A ticket elsewhere.
    pub ticket: Option<Name>,
    /// Why.
    pub reason: Text,
}

/// `change.completed`: what came of a promotion, rollback or withdrawal.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct ChangeCompleted {
    /// The entry of the change.
    pub change: u64,
    /// What came of it.
    pub outcome: ChangeOutcome,
    /// When, as the pipeline says.
    pub completed_at: Timestamp,
    /// A remark.
    pub summary: Option<Text>,
}

words! {
    /// What came of a change.
    ChangeOutcome, "a change outcome" {
        /// It is in place.
        Succeeded = "succeeded",
        /// It did not work; what served before serves again.
        Failed = "failed",
        /// It was called off; what served before serves again.
        Aborted = "aborted",
    }
}
