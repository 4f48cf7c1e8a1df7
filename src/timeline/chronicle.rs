//! What a question about the past is answered with: what served where, what happened, and what vouches for it.
//!
//! All of it is plain data that [`super::collector`] fills in and the renderers read. Times are recorded times, by
//! which what serves is decided; what people claimed stands beside them.

use std::sync::Arc;

use crate::event::body::{Event, Kind};
use crate::event::infra::InfraCommit;
use crate::event::release::ChangeOutcome;
use crate::event::text::{EnvironmentName, Name, Text};
use crate::hash::Hash;
use crate::signing::public_key::PublicKey;
use crate::time::Timestamp;

/// What is asked for. What is none asks for everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Query {
    /// From this recorded time on.
    pub since: Option<Timestamp>,
    /// Before this recorded time.
    pub until: Option<Timestamp>,
    /// In this environment.
    pub environment: Option<EnvironmentName>,
    /// Of this model.
    pub model: Option<Name>,
    /// Around this incident.
    pub incident: Option<Name>,
    /// Rows of these kinds; empty: of all. What served is told in any case.
    pub kinds: Vec<Kind>,
    /// Of this model digest.
    pub digest: Option<Hash>,
}

/// What happened, of what was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Chronicle {
    /// The log's name; none where entry 0 could not be read.
    pub origin: Option<Name>,
    /// The leaf hash of entry 0.
    pub ledger_id: Option<Hash>,
    /// What was asked for.
    pub query: Query,
    /// What is shown: from the query's start, or the first thing that is shown; to the query's end, or the last
    /// entry's recorded time.
    pub since: Timestamp,
    /// The end of what is shown, itself excluded unless it is the last entry's time. What still serves is shown up
    /// to here.
    pub until: Timestamp,
    /// Whether the log goes on behind that end: then what still serves there may have ended since.
    pub goes_on: bool,
    /// What it rests on.
    pub basis: Basis,
    /// What served, by environment and model.
    pub lanes: Vec<Lane>,
    /// What happened, by index.
    pub rows: Vec<Row>,
    /// Incidents that were open in that time, by the entry that detected them.
    pub incidents: Vec<Incident>,
    /// Stretches of which something is not known, or wrong.
    pub doubts: Vec<Doubt>,
}

impl Chronicle {
    /// What is said of a stretch that nothing closed.
    #[must_use]
    pub const fn open_end(&self) -> &'static str {
        if self.goes_on { "serves beyond this" } else { "still serves" }
    }

    /// The first entry that is in doubt; none where nothing is.
    #[must_use]
    pub fn doubted_from(&self) -> Option<u64> {
        self.doubts.iter().map(|doubt| doubt.from_index).min()
    }
}

/// What an answer rests on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Basis {
    /// How many entries the log has, as it was read.
    pub size: u64,
    /// The root at that size, as its checkpoint says; verified, as its entries give.
    pub root: Option<Hash>,
    /// When the last entry was recorded.
    pub last_recorded_at: Option<Timestamp>,
    /// The checkpoint note.
    pub checkpoint: Option<String>,
    /// What the verifier said; none where nobody asked it.
    pub verdict: Option<VerdictTold>,
}

/// What the verifier said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerdictTold {
    /// `sound`, `violation`, `tampered` or `cannot_tell`.
    pub word: &'static str,
    /// Whether it is sound and anchored as asked: the exit code would be 0.
    pub is_good: bool,
    /// The verdict in one line.
    pub line: String,
    /// The size of the kept state that it went on from.
    pub resumed_from: Option<u64>,
    /// Up to which size somebody outside holds the log.
    pub held: Option<u64>,
    /// Entries below this index were judged by the rules.
    pub judged_up_to: u64,
}

/// A person's key on an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// Who holds it, as a grant says; none where no lawful grant does.
    pub person: Option<Name>,
    /// The key.
    pub key: PublicKey,
    /// Whether it is the proposer's; every other one approved.
    pub proposed: bool,
}

impl Signer {
    /// The person's name, or the key's fingerprint.
    #[must_use]
    pub fn name(&self) -> String {
        self.person.as_ref().map_or_else(|| self.key.fingerprint().to_string(), ToString::to_string)
    }
}

/// An entry that something rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryRef {
    /// Its index.
    pub index: u64,
    /// Its leaf hash.
    pub leaf_hash: Hash,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// When it happened, as the proposer says.
    pub claimed_at: Timestamp,
    /// Its kind.
    pub kind: Kind,
    /// Who signed, the proposer first.
    pub signers: Arc<[Signer]>,
}

/// A model in an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lane {
    /// Where.
    pub environment: EnvironmentName,
    /// Which model.
    pub model: Name,
    /// What served, in order; between two there may be a time in which nothing did.
    pub stretches: Vec<Stretch>,
}

/// A time in which one version served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// The version.
    pub version: Name,
    /// The `OpenSSF` root that the change names; none where it cannot be told.
    pub digest: Option<Hash>,
    /// The entry by which it began to serve: a promotion, a rollback, or the completion of a change that failed and
    /// put it back.
    pub opened: EntryRef,
    /// The promotion or rollback that put the version there; the same as `opened`, unless it was put back.
    pub authorised: EntryRef,
    /// The infra commit of that.
    pub infra: Option<Commit>,
    /// What the pipeline reported of it.
    pub completed: Option<Completion>,
    /// The entry by which it ceased to serve; none where it still does.
    pub closed: Option<EntryRef>,
}

impl Stretch {
    /// The entry that put the version there, and the one that put it back, where it was.
    #[must_use]
    pub fn entry_words(&self) -> String {
        let (authorised, opened) = (self.authorised.index, self.opened.index);
        if authorised == opened {
            format!("entry {opened}")
        } else {
            format!("entry {authorised}, put back by {opened}")
        }
    }

    /// The entries that it rests on, by index, each once.
    pub fn entries(&self) -> impl Iterator<Item = &EntryRef> {
        let completed = self.completed.as_ref().map(|done| &done.entry);
        let rest = [Some(&self.authorised), Some(&self.opened), completed, self.closed.as_ref()];
        let mut entries: Vec<&EntryRef> = rest.into_iter().flatten().collect();
        entries.sort_by_key(|entry| entry.index);
        entries.dedup_by_key(|entry| entry.index);
        entries.into_iter()
    }
}

/// An infra commit, without the objects that are embedded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// The repository's name.
    pub repository: Name,
    /// The commit's id, in hex.
    pub id: String,
    /// The tag, where there is one.
    pub tag: Option<Name>,
}

impl Commit {
    /// Repository and the first characters of the id, for people: `infra@708b076d66`.
    #[must_use]
    pub fn in_short(&self) -> String {
        format!("{}@{}", self.repository, self.id.get(..10).unwrap_or(&self.id))
    }
}

impl From<&InfraCommit> for Commit {
    fn from(infra: &InfraCommit) -> Self {
        Self {
            repository: infra.repository.clone(),
            id: infra.commit.to_string(),
            tag: infra.tag.as_ref().map(|tag| tag.name.clone()),
        }
    }
}

/// What a pipeline reported of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// The report.
    pub entry: EntryRef,
    /// What came of the change.
    pub outcome: ChangeOutcome,
    /// When, as the pipeline says.
    pub completed_at: Timestamp,
}

/// An entry, as a timeline lists it.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The entry.
    pub entry: EntryRef,
    /// The whole event.
    pub event: Arc<Event>,
    /// What happened, in one line that no terminal is steered by; not yet escaped for any other format.
    pub what: String,
    /// The model.
    pub model: Option<Name>,
    /// The version.
    pub version: Option<Name>,
    /// Where; of a completion or ratification, where the change was that it speaks of.
    pub environment: Option<EnvironmentName>,
    /// The model digest.
    pub digest: Option<Hash>,
    /// The infra commit.
    pub infra: Option<Commit>,
    /// The incident.
    pub incident: Option<Name>,
    /// The entry that it speaks of: a change that was completed, what was ratified or noted.
    pub about_entry: Option<u64>,
    /// Whether it can be believed.
    pub standing: Standing,
    /// Signatures and proof, where they were asked for.
    pub details: Option<Details>,
}

/// Whether an entry can be believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Nobody asked the verifier.
    Unchecked,
    /// The verifier found nothing against it.
    Sound,
    /// The verifier found something; the codes of its findings.
    Doubted(Vec<String>),
    /// The verifier could not judge it.
    NotJudged,
}

impl Standing {
    /// The word for it: `unchecked`, `sound`, `doubted` or `not_judged`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Unchecked => "unchecked",
            Self::Sound => "sound",
            Self::Doubted(_) => "doubted",
            Self::NotJudged => "not_judged",
        }
    }
}

/// What leads from a row back to proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Details {
    /// The authors' signatures, in the order of the envelope: key, and signature in hex.
    pub signatures: Vec<(PublicKey, String)>,
    /// A C2SP tlog-proof that the entry stands in the log.
    pub proof: Option<String>,
}

/// An incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// Its id.
    pub id: Name,
    /// How bad, as it was last told of the places below.
    pub severity: Name,
    /// What happened, as it was last told.
    pub summary: Option<Text>,
    /// Where it was open, by entry.
    pub places: Vec<IncidentPlace>,
    /// Rollbacks and withdrawals that name it, by entry.
    pub recoveries: Vec<Recovery>,
    /// When it was resolved: the entry, and the time that the responder says.
    pub resolved: Option<(EntryRef, Timestamp)>,
}

/// Where an incident was open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncidentPlace {
    /// The environment.
    pub environment: EnvironmentName,
    /// The model, where it is one.
    pub model: Option<Name>,
    /// The entry that says so.
    pub detected: EntryRef,
    /// When it was noticed, as the responder says.
    pub detected_at: Timestamp,
    /// Entries that led to it.
    pub evidence: Vec<u64>,
    /// How bad, as it was told of this place.
    pub severity: Name,
    /// What happened there.
    pub summary: Option<Text>,
}

/// A rollback or withdrawal in an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// The environment.
    pub environment: EnvironmentName,
    /// The model.
    pub model: Name,
    /// What failed: the version that was taken out.
    pub failed: Name,
    /// The entry by which the failed version had begun to serve; none where that is not known.
    pub failed_since: Option<EntryRef>,
    /// The entry that detected the incident there; none where none did.
    pub detected: Option<EntryRef>,
    /// The rollback or withdrawal.
    pub change: EntryRef,
    /// Whether one responder acted alone.
    pub break_glass: bool,
    /// Who stood behind it since.
    pub ratified: Option<EntryRef>,
    /// What the pipeline reported of it.
    pub completed: Option<Completion>,
    /// The policy's target, in milliseconds; none where it names none.
    pub target_ms: Option<i64>,
}

impl Recovery {
    /// When it was over, by recorded time: as the pipeline reported success; where it did not report, as the change
    /// was recorded. None where it failed.
    #[must_use]
    pub fn over_at(&self) -> Option<Timestamp> {
        match &self.completed {
            None => Some(self.change.recorded_at),
            Some(done) if done.outcome == ChangeOutcome::Succeeded => Some(done.entry.recorded_at),
            Some(_) => None,
        }
    }

    /// The failed deployment recovery time in milliseconds: from the incident's detection to [`Recovery::over_at`],
    /// both by recorded time.
    #[must_use]
    pub fn took_ms(&self) -> Option<i64> {
        Some(self.over_at()?.since_ms(self.detected.as_ref()?.recorded_at))
    }

    /// The detection gap in milliseconds: for how long the failed version had served when the incident was detected,
    /// both by recorded time.
    #[must_use]
    pub fn detection_gap_ms(&self) -> Option<i64> {
        let (since, detected) = (self.failed_since.as_ref()?, self.detected.as_ref()?);
        Some(detected.recorded_at.since_ms(since.recorded_at))
    }

    /// Whether it took longer than the policy's target; none where there is no target or no time.
    #[must_use]
    pub fn is_late(&self) -> Option<bool> {
        Some(self.took_ms()? > self.target_ms?)
    }
}

/// A stretch of which something is not known, or wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// The first entry.
    pub from_index: u64,
    /// The entry behind the last one; none: to the log's end.
    pub until_index: Option<u64>,
    /// From when: the recorded time of the entry before; none where that is not known either.
    pub since: Option<Timestamp>,
    /// Until when: the recorded time of the entry behind.
    pub until: Option<Timestamp>,
    /// The code of the finding.
    pub code: String,
    /// The finding in words.
    pub message: String,
}
