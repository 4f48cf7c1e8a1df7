//! Incidents, and standing behind what was done in one.

use bincode::{Decode, Encode};
use serde::Serialize;

use crate::event::list::Ascending;
use crate::event::release::EVIDENCE_MAX;
use crate::event::text::{EnvironmentName, Name, Text};
use crate::time::Timestamp;

/// The most violations that one ratification accepts.
pub const ACCEPTED_MAX: usize = 64;

/// `incident.detected`: something is wrong in an environment.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct IncidentDetected {
    /// The incident's id, as responders know it.
    pub incident: Name,
    /// Where.
    pub environment: EnvironmentName,
    /// Which model, where it is known.
    pub model: Option<Name>,
    /// How bad, in the organisation's own words (`sev1`, `critical`).
    pub severity: Name,
    /// When it was noticed.
    pub detected_at: Timestamp,
    /// Entries that led to it, drift among them.
    pub evidence: Ascending<u64, EVIDENCE_MAX>,
    /// What happened.
    pub summary: Option<Text>,
}

/// `incident.resolved`: it is over.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct IncidentResolved {
    /// The incident's id.
    pub incident: Name,
    /// When it was over.
    pub resolved_at: Timestamp,
    /// What was done.
    pub summary: Option<Text>,
}

/// `entry.ratified`: somebody stands behind an entry after the fact.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct EntryRatified {
    /// The entry.
    pub entry: u64,
    /// In which way.
    pub ratification: Ratification,
    /// Why.
    pub reason: Option<Text>,
}

/// In which way an entry is stood behind.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ratification {
    /// An approver stands behind a break-glass rollback.
    BreakGlass,
    /// Administrators accept these violations, by finding code: they stay listed and no longer
    /// decide the verdict.
    Violations {
        /// The finding codes.
        codes: Ascending<Name, ACCEPTED_MAX>,
    },
}
