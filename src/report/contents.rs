//! What the report holds: plain data, which is its JSON as it stands (docs/schemas/report.schema.json). The pages are
//! made of the same.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;
use serde_json::Value;

use crate::event::body::Kind;
use crate::event::model::{EvaluationKind, EvaluationOutcome};
use crate::event::release::{ChangeOutcome, SessionState, Strategy};
use crate::event::text::{EnvironmentName, Name, Text};
use crate::hash::Hash;
use crate::lifecycle::onlooker::Seen;
use crate::log::quorum::{Group, Witness};
use crate::log::trust_root::TrustRoot;
use crate::signing::public_key::PublicKey;
use crate::time::Timestamp;
use crate::timeline::chronicle::Signer;
use crate::timeline::prose::People;
use crate::verifier::finding::{Class, Finding, Found};
use crate::verifier::held::{Held, Shortfall};
use crate::verifier::log_keys::RotationReport;
use crate::verifier::report::{
    AttachmentCounts, CheckpointReport, KeptUse, Report, shortfall_words, verdict_line,
};

use super::collect::Collected;
use super::controls::{self, ControlRow};
use super::lookup::Evidence;
use super::sample::{self, Draw, Drawn};

/// The name of the JSON's schema.
pub const SCHEMA: &str = "rollbook-report/1";
/// What the verifier finds where nobody stood behind a break-glass rollback in time.
const NOT_RATIFIED: &str = "break_glass.not_ratified";

/// The report.
#[derive(Debug, Clone, Serialize)]
pub struct Contents {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// Program and version: another version may word things otherwise.
    pub program: &'static str,
    /// What was asked for.
    pub asked: Asked,
    /// What the verifier said, and what it looked at.
    pub verdict: VerdictTold,
    /// What the ledger was held against.
    pub trust: TrustTold,
    /// What was recorded in the period.
    pub period: Period,
    /// Who held which role when.
    pub grants: Vec<GrantRow>,
    /// Policies that were in force.
    pub policies: Vec<PolicyRow>,
    /// Promotions, rollbacks and withdrawals.
    pub changes: Vec<ChangeRow>,
    /// What an auditor would ask about.
    pub exceptions: Exceptions,
    /// Changes drawn at random, with all that speaks for them.
    pub sample: SampleTold,
    /// Which controls the ledger supports.
    pub controls: Vec<ControlRow>,
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Asked {
    /// From this recorded time on; none: from the beginning.
    pub since: Option<Timestamp>,
    /// Before this recorded time; none: to the end.
    pub until: Option<Timestamp>,
    /// In this environment; none: in all.
    pub environment: Option<EnvironmentName>,
}

impl Asked {
    /// Whether that time lies in the period.
    #[must_use]
    pub fn takes_in(&self, time: Timestamp) -> bool {
        self.since.is_none_or(|since| time >= since) && self.until.is_none_or(|until| time < until)
    }
}

/// What the verifier said.
#[derive(Debug, Clone, Serialize)]
pub struct VerdictTold {
    /// `sound`, `violation`, `tampered` or `cannot_tell`.
    pub word: &'static str,
    /// Whether it is sound and anchored as asked.
    pub is_good: bool,
    /// The exit code that it asks for.
    pub exit_code: u8,
    /// The verdict in one line.
    pub line: String,
    /// Entries that were read.
    pub entries: u64,
    /// Batches that were read.
    pub batches: u64,
    /// Authors' signatures that were checked.
    pub signatures: u64,
    /// Entries below this index were judged by the rules.
    pub rules_judged_up_to: u64,
    /// Entries that are published.
    pub size: u64,
    /// The root that the entries give.
    pub root: Option<Hash>,
    /// When entry 0 was recorded.
    pub first_recorded_at: Option<Timestamp>,
    /// When the last entry was recorded.
    pub last_recorded_at: Option<Timestamp>,
    /// The checkpoint note of the last batch.
    pub checkpoint: Option<String>,
    /// Attachments; none where they were not looked at.
    pub attachments: Option<AttachmentCounts>,
    /// Up to where somebody outside holds the log.
    pub held: Option<Held>,
    /// Entries behind that.
    pub unheld: u64,
    /// What is missing for it to be anchored as asked.
    pub not_anchored: Vec<Missing>,
    /// What an earlier verification had kept, where that was given.
    pub kept: Option<KeptUse>,
    /// How many findings of each code there were.
    pub finding_counts: Vec<FindingCount>,
    /// What was not looked at.
    pub not_looked_at: Vec<String>,
}

/// Something that is missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// What, by its code and facts.
    #[serde(flatten)]
    pub what: Shortfall,
    /// In words.
    pub message: String,
}

/// Findings of one code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FindingCount {
    /// The code.
    pub code: String,
    /// What it means for the verdict.
    pub class: Class,
    /// How many.
    pub count: u64,
    /// How many of those that are listed administrators accepted.
    pub accepted: u64,
}

/// What the ledger was held against.
#[derive(Debug, Clone, Serialize)]
pub struct TrustTold {
    /// The log's name that is pinned.
    pub origin: String,
    /// The ledger id that is pinned.
    pub ledger_id: Hash,
    /// SHA-256 of the trust root as `rollbook` writes it.
    pub sha256: Hash,
    /// The log's first key, as a vkey.
    pub log_key: String,
    /// The key that the log must have come to, where one is pinned.
    pub latest_log_key: Option<String>,
    /// Rotations of the log key that took effect.
    pub log_key_rotations: Vec<RotationReport>,
    /// Witnesses.
    pub witnesses: Vec<Witness>,
    /// Groups of them.
    pub groups: Vec<Group>,
    /// The witness or group that must have cosigned.
    pub quorum: Option<Name>,
    /// Earlier checkpoints that the auditor gave.
    pub checkpoints: Vec<CheckpointReport>,
    /// Notes beside the log that witnesses cosigned.
    pub cosigned: Vec<CheckpointReport>,
}

/// What was recorded in the period, in all environments.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Period {
    /// Entries.
    pub entries: u64,
    /// The first of them.
    pub first: Option<u64>,
    /// The last of them.
    pub last: Option<u64>,
    /// When the first was recorded.
    pub first_recorded_at: Option<Timestamp>,
    /// When the last was recorded.
    pub last_recorded_at: Option<Timestamp>,
    /// Entries by kind, each kind that there is.
    pub kinds: BTreeMap<&'static str, u64>,
    /// Entries that other systems reported, by system.
    pub observed: BTreeMap<String, u64>,
    /// Authors' signatures.
    pub signatures: u64,
    /// Keys that made them.
    pub keys: u64,
    /// People who hold these keys, as grants name them.
    pub people: u64,
    /// The farthest that a claimed time lies from the recorded one, and where.
    pub farthest_claim: Option<FarthestClaim>,
    /// Evaluations that passed.
    pub evaluations_passed: u64,
    /// Evaluations that failed.
    pub evaluations_failed: u64,
}

impl Period {
    /// Entries of a kind.
    #[must_use]
    pub fn of_kind(&self, kind: Kind) -> u64 {
        self.kinds.get(kind.as_str()).copied().unwrap_or(0)
    }

    /// Whether an entry stands in the period.
    #[must_use]
    pub fn holds(&self, index: u64) -> bool {
        self.first.is_some_and(|first| index >= first) && self.last.is_some_and(|last| index <= last)
    }
}

/// A claimed time that lies far from the recorded one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct FarthestClaim {
    /// The entry.
    pub index: u64,
    /// How far, in milliseconds; negative where the claim lies ahead.
    pub behind_ms: i64,
}

/// Who signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Who {
    /// The person, as a grant names them.
    pub person: Option<Name>,
    /// The key's fingerprint.
    pub fingerprint: String,
    /// Whether it is the proposer; every other one approved.
    pub proposed: bool,
}

impl Who {
    /// Those who signed an entry, the proposer first.
    #[must_use]
    pub fn all(people: &People, proposer: &PublicKey, signers: &[PublicKey]) -> Vec<Self> {
        let who = |Signer { person, key, proposed }| Self {
            person,
            fingerprint: key.fingerprint().to_string(),
            proposed,
        };
        people.signers(signers, proposer).into_iter().map(who).collect()
    }

    /// The person's name, or the key's fingerprint.
    #[must_use]
    pub fn name(&self) -> &str {
        self.person.as_ref().map_or(self.fingerprint.as_str(), Name::as_str)
    }
}

/// An entry that something rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EntryTold {
    /// Its index.
    pub entry: u64,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// Who signed.
    pub by: Vec<Who>,
}

impl EntryTold {
    /// The entry that is seen.
    #[must_use]
    pub fn of(seen: &Seen<'_>, people: &People) -> Self {
        let by = Who::all(people, &seen.event.header.proposer, seen.signers);
        Self { entry: seen.index, recorded_at: seen.recorded_at, by }
    }
}

/// A grant of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GrantRow {
    /// The person.
    pub person: Name,
    /// The key.
    pub key: PublicKey,
    /// Its fingerprint.
    pub fingerprint: String,
    /// The roles.
    pub roles: Vec<&'static str>,
    /// Environments by glob; none for the first administrators, whose role knows no place.
    pub environments: Option<Vec<String>>,
    /// Models by glob; none likewise.
    pub models: Option<Vec<String>>,
    /// The entry that grants it.
    pub granted: EntryTold,
    /// From when it holds, where that is said.
    pub valid_from: Option<Timestamp>,
    /// Until when, where that is said.
    pub valid_until: Option<Timestamp>,
    /// The revocation of the key.
    pub revoked: Option<Revocation>,
    /// How many signatures of the period the key made.
    pub signatures: u64,
}

/// A revocation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Revocation {
    /// The entry that revokes it.
    #[serde(flatten)]
    pub by: EntryTold,
    /// Why.
    pub reason: Text,
    /// The first entry from which its signatures are not to be trusted.
    pub compromised_since: Option<u64>,
}

/// A policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PolicyRow {
    /// The entry that sets it.
    #[serde(flatten)]
    pub set: EntryTold,
    /// When another one took its place.
    pub replaced_at: Option<Timestamp>,
    /// The schema of its text.
    pub schema: u32,
    /// The rules in force with it.
    pub rules_version: u32,
    /// SHA-256 of its text.
    pub sha256: Hash,
    /// Why it was set.
    pub reason: Option<Text>,
    /// What it changes in the meaning of the one before; none for the first.
    pub changes: Option<Vec<String>>,
    /// Its text.
    pub text: String,
}

/// A promotion, rollback or withdrawal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChangeRow {
    /// Its entry.
    pub index: u64,
    /// Its leaf hash.
    pub leaf_hash: Hash,
    /// When it was recorded: from then on it is in force.
    pub recorded_at: Timestamp,
    /// When it was made, as the proposer says.
    pub claimed_at: Timestamp,
    /// Its kind.
    pub kind: Kind,
    /// Whether the rules let it through: what they do not changes nothing. None where they could not be judged.
    pub lawful: Option<bool>,
    /// Where.
    pub environment: EnvironmentName,
    /// The model.
    pub model: Name,
    /// The version that is to serve; of a withdrawal, none.
    pub version: Option<Name>,
    /// Its digest.
    pub digest: Option<Hash>,
    /// The entry that registers that version.
    pub registered: Option<u64>,
    /// The version that served, and the entry that had put it there.
    pub from: Option<From>,
    /// Who proposed it, then who approved.
    pub by: Vec<Who>,
    /// How many people the policy in force asks for, the proposer counted.
    pub people_needed: Option<u32>,
    /// The entry of the policy that it names.
    pub policy_entry: u64,
    /// The infra commit.
    pub infra: Option<CommitTold>,
    /// How traffic moves over.
    pub strategy: Option<Strategy>,
    /// What became of sessions in flight.
    pub session_state: Option<SessionState>,
    /// Entries that speak for it.
    pub evidence: Vec<EvidenceRow>,
    /// A ticket elsewhere.
    pub ticket: Option<Name>,
    /// Why.
    pub reason: Option<Text>,
    /// The incident that it answers.
    pub incident: Option<Name>,
    /// What the pipeline reported.
    pub completion: Option<CompletionTold>,
    /// How fast it was, where it answers an incident.
    pub recovery: Option<RecoveryTold>,
    /// Where one responder acted alone.
    pub break_glass: Option<BreakGlassTold>,
    /// The codes of findings about it that are worse than remarks.
    pub findings: Vec<String>,
}

/// What served before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct From {
    /// The version.
    pub version: Name,
    /// The entry that put it there.
    pub entry: u64,
}

/// An infra commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CommitTold {
    /// The repository's name.
    pub repository: Name,
    /// The commit's id.
    pub commit: String,
    /// The tag.
    pub tag: Option<Name>,
}

/// An entry that is cited as evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EvidenceRow {
    /// The entry.
    pub entry: u64,
    /// What it says; none where it could not be proved to stand in the log.
    #[serde(flatten)]
    pub says: Option<EvidenceTold>,
}

/// What evidence says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EvidenceTold {
    /// Its kind.
    pub kind: Kind,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// Who signed it.
    pub by: Vec<Who>,
    /// It in one line.
    pub what: String,
    /// What it evaluates, where it is an evaluation.
    pub evaluation: Option<EvaluationTold>,
}

/// An evaluation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EvaluationTold {
    /// What kind.
    pub kind: EvaluationKind,
    /// The suite.
    pub suite: Name,
    /// Its version.
    pub suite_version: Option<Name>,
    /// The data set.
    pub dataset: Name,
    /// What came of it.
    pub outcome: EvaluationOutcome,
}

/// What a pipeline reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CompletionTold {
    /// The report.
    #[serde(flatten)]
    pub by: EntryTold,
    /// What came of the change.
    pub outcome: ChangeOutcome,
    /// When, as the pipeline says.
    pub completed_at: Timestamp,
}

/// How fast something was taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecoveryTold {
    /// The entry that detected the incident there; none where none did.
    pub detected: Option<u64>,
    /// When that was recorded.
    pub detected_at: Option<Timestamp>,
    /// From detection to completion by recorded times, in milliseconds; where nothing was reported, to the change.
    /// None where the change failed, or nothing was detected.
    pub took_ms: Option<i64>,
    /// The policy's target in milliseconds.
    pub target_ms: Option<i64>,
    /// Whether it took longer.
    pub is_late: Option<bool>,
}

/// One responder acted alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BreakGlassTold {
    /// Until when an approver may stand behind it.
    pub due: Option<Timestamp>,
    /// Who did.
    pub ratified: Option<EntryTold>,
    /// Whether that time passed without.
    pub is_overdue: bool,
}

/// What an auditor would ask about. Changes are named by their entry.
#[derive(Debug, Clone, Serialize)]
pub struct Exceptions {
    /// What the verifier found, in the whole log.
    pub findings: Vec<FindingRow>,
    /// How many findings more there were than are listed.
    pub findings_left_out: u64,
    /// Changes that the rules do not let through.
    pub unlawful: Vec<u64>,
    /// Changes by one responder alone.
    pub break_glass: Vec<u64>,
    /// Of these, those that nobody stood behind in time.
    pub not_ratified: Vec<u64>,
    /// Recoveries that took longer than the policy's target.
    pub slow_recoveries: Vec<u64>,
    /// Changes that failed or were called off.
    pub failed: Vec<u64>,
    /// Changes of which no pipeline reported what came of them.
    pub unreported: Vec<u64>,
    /// Changes that nobody beside the proposer signed.
    pub unapproved: Vec<u64>,
    /// Promotions that cite no evidence.
    pub without_evidence: Vec<u64>,
    /// Attachments whose bytes were removed in the period.
    pub redacted: Vec<RedactionRow>,
}

/// A finding.
#[derive(Debug, Clone, Serialize)]
pub struct FindingRow {
    /// Its code.
    pub code: String,
    /// What it means for the verdict.
    pub class: Class,
    /// The entry; none where it is about the whole log.
    pub index: Option<u64>,
    /// Whether that entry stands in the period.
    pub in_period: bool,
    /// It in words.
    pub message: String,
    /// The entry by which administrators accepted it.
    pub accepted: Option<Acceptance>,
}

/// Administrators accepted a violation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Acceptance {
    /// The entry.
    pub entry: u64,
    /// When it was recorded, and who signed it; none where it was not seen.
    pub told: Option<EntryTold>,
    /// Why.
    pub reason: Option<Text>,
}

/// An attachment whose bytes were removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RedactionRow {
    /// The entry that says so.
    #[serde(flatten)]
    pub by: EntryTold,
    /// The attachment.
    pub digest: Hash,
    /// Why.
    pub reason: Text,
}

/// The random sample.
#[derive(Debug, Clone, Serialize)]
pub struct SampleTold {
    /// How it was drawn: `rollbook sample v1`.
    pub method: &'static str,
    /// Changes in the period.
    pub population: u64,
    /// How many were asked for.
    pub asked: u64,
    /// The auditor's seed.
    pub seed: Name,
    /// The root that it was drawn with.
    pub root: Option<Hash>,
    /// What was drawn, by index.
    pub changes: Vec<SampledChange>,
    /// The entries that these name, by index.
    pub entries: Vec<SampledEntry>,
}

/// A change that was drawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SampledChange {
    /// Its entry and rank.
    #[serde(flatten)]
    pub drawn: Drawn,
    /// The change, and all that speaks for it, by index.
    pub parts: Vec<SampledPart>,
}

/// An entry that speaks for a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SampledPart {
    /// Its index.
    pub index: u64,
    /// What it is to the change: `change`, `evidence`, `registration`, `policy`, `incident`, `completion` or
    /// `ratification`.
    pub part: &'static str,
}

/// An entry of the sample.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SampledEntry {
    /// Its index.
    pub index: u64,
    /// It in one line; none where it could not be read.
    pub what: Option<String>,
    /// The entry as `rollbook show --json` gives it, without its checkpoint; none likewise.
    pub entry: Option<Value>,
    /// Its bytes, in base64; none likewise.
    pub bytes: Option<String>,
    /// The proof that it stands in the log, a C2SP tlog-proof; none where there is none.
    pub proof: Option<String>,
}

/// Puts the report together.
#[must_use]
pub fn assemble(
    collected: Collected,
    report: &Report,
    trust: &TrustRoot,
    draw: &Draw,
    drawn: Vec<Drawn>,
    evidence: &Evidence,
) -> Contents {
    let Collected { asked, period, grants, policies, mut changes, redacted, acceptances, .. } = collected;
    let findings = Counting::of(report);
    for change in &mut changes {
        settle(change, &findings, evidence);
    }
    let findings = report.findings.iter().map(|found| finding_row(found, &period, &acceptances)).collect();
    let exceptions = Exceptions::of(&changes, findings, report, redacted);
    let sample = sample_told(&changes, report, draw, drawn, evidence);
    let mut contents = Contents {
        schema: SCHEMA,
        program: concat!("rollbook ", env!("CARGO_PKG_VERSION")),
        asked,
        verdict: verdict_told(report, collected.first_recorded_at),
        trust: trust_told(report, trust),
        period,
        grants,
        policies,
        changes,
        exceptions,
        sample,
        controls: Vec::new(),
    };
    contents.controls = controls::evaluate(&contents);
    contents
}

/// The codes of findings that are worse than remarks, accepted ones included, by entry.
struct Counting(HashMap<u64, Vec<String>>);

impl Counting {
    fn of(report: &Report) -> Self {
        let mut by_entry: HashMap<u64, Vec<String>> = HashMap::new();
        for found in report.findings.iter().filter(|found| Finding::class(found) != Class::Remark) {
            if let Some(index) = found.index() {
                by_entry.entry(index).or_default().push(found.code().into_owned());
            }
        }
        Self(by_entry)
    }
}

/// Fills in what is known only once the whole log was seen.
fn settle(change: &mut ChangeRow, findings: &Counting, evidence: &Evidence) {
    change.findings = findings.0.get(&change.index).cloned().unwrap_or_default();
    for row in &mut change.evidence {
        row.says = evidence.told(row.entry).cloned();
    }
    if let Some(broken) = &mut change.break_glass {
        broken.is_overdue = change.findings.iter().any(|code| code == NOT_RATIFIED);
    }
    let over_at = match &change.completion {
        None => Some(change.recorded_at),
        Some(done) if done.outcome == ChangeOutcome::Succeeded => Some(done.by.recorded_at),
        Some(_) => None,
    };
    if let Some(recovery) = &mut change.recovery {
        recovery.took_ms = over_at.zip(recovery.detected_at).map(|(over, detected)| over.since_ms(detected));
        recovery.is_late = recovery.took_ms.zip(recovery.target_ms).map(|(took, target)| took > target);
    }
}

fn finding_row(found: &Found, period: &Period, acceptances: &BTreeMap<u64, Acceptance>) -> FindingRow {
    let accepted = found.accepted_by().map(|entry| {
        acceptances.get(&entry).cloned().unwrap_or(Acceptance { entry, told: None, reason: None })
    });
    FindingRow {
        code: found.code().into_owned(),
        class: found.class(),
        index: found.index(),
        in_period: found.index().is_some_and(|index| period.holds(index)),
        message: Finding::to_string(found),
        accepted,
    }
}

impl Exceptions {
    fn of(
        changes: &[ChangeRow],
        findings: Vec<FindingRow>,
        report: &Report,
        redacted: Vec<RedactionRow>,
    ) -> Self {
        let those = |is_one: &dyn Fn(&ChangeRow) -> bool| {
            changes.iter().filter(|change| is_one(change)).map(|change| change.index).collect()
        };
        let took_effect = |change: &ChangeRow| change.lawful != Some(false);
        let all = report.finding_counts.values().fold(0_u64, |all, count| all.saturating_add(*count));
        Self {
            findings_left_out: all.saturating_sub(findings.len() as u64),
            findings,
            unlawful: those(&|change| change.lawful == Some(false)),
            break_glass: those(&|change| change.break_glass.is_some()),
            not_ratified: those(&|change| {
                change.break_glass.as_ref().is_some_and(|broken| broken.is_overdue)
            }),
            slow_recoveries: those(&|change| {
                change.recovery.as_ref().is_some_and(|recovery| recovery.is_late == Some(true))
            }),
            failed: those(&|change| {
                change.completion.as_ref().is_some_and(|done| done.outcome != ChangeOutcome::Succeeded)
            }),
            unreported: those(&|change| took_effect(change) && change.completion.is_none()),
            unapproved: those(&|change| change.approvals() == 0),
            without_evidence: those(&|change| {
                change.kind == Kind::ModelPromoted && change.evidence.is_empty()
            }),
            redacted,
        }
    }
}

fn sample_told(
    changes: &[ChangeRow],
    report: &Report,
    draw: &Draw,
    drawn: Vec<Drawn>,
    evidence: &Evidence,
) -> SampleTold {
    let sampled = |drawn: Drawn| {
        let change = changes.binary_search_by_key(&drawn.index, |change| change.index).ok()?;
        let parts = changes[change].parts().into_iter().map(|(index, part)| SampledPart { index, part });
        Some(SampledChange { drawn, parts: parts.collect() })
    };
    let sampled: Vec<SampledChange> = drawn.into_iter().filter_map(sampled).collect();
    let entries: BTreeSet<u64> =
        sampled.iter().flat_map(|change| &change.parts).map(|part| part.index).collect();
    SampleTold {
        method: sample::METHOD,
        population: changes.len() as u64,
        asked: draw.size as u64,
        seed: draw.seed.clone(),
        root: report.root,
        changes: sampled,
        entries: entries.into_iter().map(|index| evidence.sampled(index)).collect(),
    }
}

impl ChangeRow {
    /// How many people approved beside the proposer: by name, not by key.
    #[must_use]
    pub fn approvals(&self) -> usize {
        let proposer = self.by.iter().find(|who| who.proposed).map(Who::name);
        let others = self.by.iter().map(Who::name).filter(|name| Some(*name) != proposer);
        others.collect::<BTreeSet<_>>().len()
    }

    /// The entries that speak for the change, itself included, and what each is to it.
    #[must_use]
    pub fn parts(&self) -> BTreeMap<u64, &'static str> {
        let mut parts = BTreeMap::from([(self.index, "change")]);
        let ratified = self.break_glass.as_ref().and_then(|broken| broken.ratified.as_ref());
        let others = [
            ("completion", self.completion.as_ref().map(|done| done.by.entry)),
            ("ratification", ratified.map(|by| by.entry)),
            ("registration", self.registered),
            ("incident", self.recovery.as_ref().and_then(|recovery| recovery.detected)),
        ];
        for row in &self.evidence {
            parts.entry(row.entry).or_insert("evidence");
        }
        for (part, index) in others.into_iter().filter_map(|(part, index)| Some((part, index?))) {
            parts.entry(index).or_insert(part);
        }
        parts.entry(self.policy_entry).or_insert("policy");
        parts
    }
}

fn verdict_told(report: &Report, first_recorded_at: Option<Timestamp>) -> VerdictTold {
    let missing = |what: &Shortfall| Missing { what: what.clone(), message: shortfall_words(what) };
    VerdictTold {
        word: report.verdict.as_str(),
        is_good: report.verdict.exit_code() == 0,
        exit_code: report.verdict.exit_code(),
        line: verdict_line(report, "the trust root"),
        entries: report.entries,
        batches: report.batches,
        signatures: report.signatures,
        rules_judged_up_to: report.rules_judged_up_to,
        size: report.size,
        root: report.root,
        first_recorded_at,
        last_recorded_at: report.last_recorded_at,
        checkpoint: report.checkpoint.clone(),
        attachments: report.attachments,
        held: report.held.clone(),
        unheld: report.unheld,
        not_anchored: report.not_anchored.iter().map(missing).collect(),
        kept: report.kept.clone(),
        finding_counts: finding_counts(report),
        not_looked_at: not_looked_at(report),
    }
}

fn finding_counts(report: &Report) -> Vec<FindingCount> {
    let told = |(code, &count): (&Cow<'static, str>, &u64)| {
        let of_code = || report.findings.iter().filter(|found| found.code() == *code);
        FindingCount {
            code: code.to_string(),
            class: of_code().next().map_or(Class::Violation, |found| Finding::class(found)),
            count,
            accepted: of_code().filter(|found| found.accepted_by().is_some()).count() as u64,
        }
    };
    report.finding_counts.iter().map(told).collect()
}

/// What the verdict says nothing of.
fn not_looked_at(report: &Report) -> Vec<String> {
    let mut not = Vec::new();
    if report.rules_judged_up_to < report.size {
        not.push(format!("whether the rules let entries from {} on through", report.rules_judged_up_to));
    }
    if let Some(KeptUse::ResumedFrom { size, .. }) = &report.kept {
        not.push(format!(
            "the signatures of entries before {size}, which an earlier verification had checked; its findings of them \
             are counted, not listed"
        ));
    }
    if report.attachments.is_none() {
        not.push("the bytes of the attachments, which are not there".to_owned());
    }
    if report.held.is_none() {
        not.push(
            "what somebody outside holds of the log: no checkpoint was given, and no quorum cosigned one"
                .to_owned(),
        );
    }
    not.push(
        "clones of the repositories that entries name commits of (rollbook verify --git looks at them)"
            .to_owned(),
    );
    not.push("the files of models (rollbook verify --models looks at them)".to_owned());
    if !report.strict {
        not.push(
            "authors' signatures by the strict rule as well (rollbook verify --strict checks them so)"
                .to_owned(),
        );
    }
    not
}

fn trust_told(report: &Report, trust: &TrustRoot) -> TrustTold {
    TrustTold {
        origin: trust.origin().to_string(),
        ledger_id: trust.ledger_id(),
        sha256: Hash::of(trust.to_toml().as_bytes()),
        log_key: trust.log_key().to_string(),
        latest_log_key: trust.latest_log_key().map(ToString::to_string),
        log_key_rotations: report.log_key_rotations.clone(),
        witnesses: trust.witnesses().witnesses().to_vec(),
        groups: trust.witnesses().groups().to_vec(),
        quorum: trust.witnesses().quorum().cloned(),
        checkpoints: report.checkpoints.clone(),
        cosigned: report.cosigned.clone(),
    }
}
