//! What a verification came to: the verdict and all it rests on, as JSON and as text.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Serialize, Serializer};

use crate::event::text::Name;
use crate::hash::Hash;
use crate::log::quorum::Cosignature;
use crate::time::{Timestamp, span_text};
use crate::words::counted;

use super::finding::{Class, Found};
use super::held::{Age, AgeClock, Held, HeldBy, Shortfall};
use super::kept::KeptState;
use super::log_keys::{RotationReport, Unvouched};
use super::models::{ModelCounts, ModelSignatureCounts};

/// How many findings the text shows; JSON holds all that were kept.
const FINDINGS_SHOWN_MAX: usize = 100;
/// How many codes the line of the verdict names.
const CODES_NAMED_MAX: usize = 6;

/// What the findings come to. Tampering is named before violations, and both before what this
/// program cannot judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is wrong.
    Sound {
        /// Whether a trust root says which ledger it must be, and as much of it is held as was asked for.
        anchored: bool,
    },
    /// Authentic, and against the rules in places.
    Violation,
    /// Bytes, hashes or signatures are wrong.
    Tampered,
    /// Written by a newer version, or not known to be whole; sound as far as it can be read.
    CannotTell,
}

impl Verdict {
    /// The verdict that these findings come to. `violation_beyond` says that there is a violation beyond those;
    /// `anchored`, that nothing is missing of what anchors it.
    #[must_use]
    pub fn of(findings: &[Found], violation_beyond: bool, anchored: bool) -> Self {
        let has = |class| findings.iter().any(|finding| finding.class() == class);
        if has(Class::Tampered) {
            Self::Tampered
        } else if violation_beyond || has(Class::Violation) {
            Self::Violation
        } else if has(Class::Unclear) {
            Self::CannotTell
        } else {
            Self::Sound { anchored }
        }
    }

    /// The word for it in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sound { .. } => "sound",
            Self::Violation => "violation",
            Self::Tampered => "tampered",
            Self::CannotTell => "cannot_tell",
        }
    }

    /// The program's exit code: 0 sound and anchored, 1 something is wrong, 4 sound and not
    /// anchored, 5 cannot tell (docs/auditing.md, "Verdicts").
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Sound { anchored: true } => 0,
            Self::Violation | Self::Tampered => 1,
            Self::Sound { anchored: false } => 4,
            Self::CannotTell => 5,
        }
    }
}

impl Serialize for Verdict {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// What says which ledger it must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Anchored {
    /// Nothing: any ledger could have been put in its place.
    No,
    /// A trust root.
    TrustRoot {
        /// The ledger id that it pins.
        ledger_id: Hash,
    },
    /// A trust root, up to an entry that replaces the log key without the old one's signature: what comes behind could
    /// be anybody's who signs for the administrators.
    UpTo {
        /// The ledger id that it pins.
        ledger_id: Hash,
        /// The entry.
        entry: u64,
        /// Why the key was replaced.
        log_key: Unvouched,
    },
}

/// What became of the state that an earlier verification kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeptUse {
    /// Only what came since was checked.
    ResumedFrom {
        /// The first entry that was.
        size: u64,
        /// How many findings of each code there were before it; a verification from the start lists them.
        finding_counts: BTreeMap<String, u64>,
    },
    /// The log was verified from its start.
    Unused {
        /// Why.
        reason: String,
    },
}

impl KeptUse {
    pub(super) fn of(kept: &KeptState) -> Self {
        Self::ResumedFrom { size: kept.size(), finding_counts: kept.head.findings.iter().cloned().collect() }
    }
}

/// What became of an earlier checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckpointOutcome {
    /// The log extends it.
    Matched,
    /// The log's entries give another root at its size.
    Disagrees,
    /// The log ends before it, or its entries could not be read so far.
    NotReached,
    /// It is not a checkpoint of this log.
    NotThisLog,
    /// It is signed by a key that was compromised at its size: it counts for nothing.
    Untrusted,
}

/// An earlier checkpoint and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckpointReport {
    /// What it is called.
    pub name: String,
    /// Its tree size.
    pub size: u64,
    /// Its root.
    pub root: Hash,
    /// What became of it.
    pub outcome: CheckpointOutcome,
    /// Which of the trust root's witnesses cosigned it, and when.
    pub witnesses: Vec<Cosignature>,
}

/// What became of the attachments that lawful entries cite.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct AttachmentCounts {
    /// Whose bytes are to be there, and were looked at.
    pub checked: u64,
    /// Whose bytes were redacted.
    pub redacted: u64,
}

/// How much was held against a clone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CloneReport {
    /// The repository's name in the ledger.
    pub name: String,
    /// How many lawful entries name a commit of it.
    pub checked: u64,
}

/// A repository of which there is no clone, where there are clones of others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnseenRepository {
    /// Its name in the ledger; `others` for those beyond the first 64.
    pub name: String,
    /// How many lawful entries name a commit of it, which nobody looked for.
    pub entries: u64,
}

/// What a verification came to. Serialized, it is the JSON of `rollbook verify --json`.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// What the findings come to.
    pub verdict: Verdict,
    /// What says which ledger it must be.
    pub anchored: Anchored,
    /// What became of what an earlier verification kept, where that was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept: Option<KeptUse>,
    /// Whether it is the ledger that a trust root names: its entry 0 is.
    pub rooted: bool,
    /// The quorum that the trust root names.
    pub quorum: Option<Name>,
    /// Up to where somebody outside holds the log; none where nobody does.
    pub held: Option<Held>,
    /// Entries behind that.
    pub unheld: u64,
    /// How old is what is held, where an age was asked for.
    pub age: Option<Age>,
    /// What is missing for it to be anchored as asked.
    pub not_anchored: Vec<Shortfall>,
    /// The log's name, pinned or as entry 0 says; none where neither tells.
    pub origin: Option<String>,
    /// The leaf hash of entry 0, where it could be read.
    pub ledger_id: Option<Hash>,
    /// The vkey that the first checkpoints were checked with.
    pub log_key: Option<String>,
    /// The rotations of the log key, and the vkeys that later ones were checked with.
    pub log_key_rotations: Vec<RotationReport>,
    /// How many entries are published, as far as they could be read.
    pub size: u64,
    /// The root of the tree that the entries give; none where some could not be read.
    pub root: Option<Hash>,
    /// The note of the last batch that was read.
    pub checkpoint: Option<String>,
    /// When the last entry was recorded.
    pub last_recorded_at: Option<Timestamp>,
    /// Entries that were read.
    pub entries: u64,
    /// Batches that were read.
    pub batches: u64,
    /// Authors' signatures that were checked.
    pub signatures: u64,
    /// Whether they were checked by the strict rule as well.
    pub strict: bool,
    /// Entries below this index were judged by the rules.
    pub rules_judged_up_to: u64,
    /// Attachments; none where they were not looked at.
    pub attachments: Option<AttachmentCounts>,
    /// The clones given.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub clones: Vec<CloneReport>,
    /// Repositories that entries name, and of which no clone was given; none where no clone was given at all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub repositories_without_clone: Vec<UnseenRepository>,
    /// Signatures over models that registrations keep; none where there is none, or they were not looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_signatures: Option<ModelSignatureCounts>,
    /// The models whose files the auditor has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub models: Option<ModelCounts>,
    /// The earlier checkpoints given.
    pub checkpoints: Vec<CheckpointReport>,
    /// The notes in `cosigned/` that witnesses of the trust root cosigned.
    pub cosigned: Vec<CheckpointReport>,
    /// What was found: about the whole log first, then by entry and code. At most 1,000 of a code.
    pub findings: Vec<Found>,
    /// Whether a violation beyond those kept was not accepted. It shows in the verdict; of which entry it is, nobody can
    /// tell from this report.
    #[serde(skip)]
    pub violation_beyond: bool,
    /// How many findings of each code there were.
    pub finding_counts: BTreeMap<Cow<'static, str>, u64>,
}

impl Report {
    /// How many findings of a class there were, those beyond what was kept left out.
    #[must_use]
    pub fn count(&self, class: Class) -> usize {
        self.findings.iter().filter(|finding| finding.class() == class).count()
    }
}

/// The report as text that ends in the line of the verdict. `trust_name` is what the trust root is
/// called, such as its file's name.
#[must_use]
pub fn render(report: &Report, trust_name: Option<&str>) -> String {
    let mut text = String::new();
    render_facts(report, trust_name.unwrap_or("the trust root"), &mut text);
    render_findings(report, &mut text);
    let _ = writeln!(text, "{}", verdict_line(report, trust_name.unwrap_or("the trust root")));
    text
}

fn render_facts(report: &Report, trust_name: &str, text: &mut String) {
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "{name:<14} {value}");
    };
    let unknown = || "unknown".to_owned();
    line("ledger", report.origin.clone().unwrap_or_else(unknown));
    line("ledger id", report.ledger_id.map_or_else(unknown, |id| id.to_string()));
    line("log key", report.log_key.clone().unwrap_or_else(unknown));
    if let Some(RotationReport { entry, log_key, .. }) = report.log_key_rotations.last() {
        line("log key now", format!("{log_key} (since entry {entry})"));
    }
    line("entries", format!("{} in {}", report.entries, counted(report.batches, "batch", "batches")));
    match &report.kept {
        None => {}
        Some(KeptUse::ResumedFrom { size, finding_counts }) => {
            let codes: Vec<String> =
                finding_counts.iter().map(|(code, count)| format!("{count} {code}")).collect();
            let before = if codes.is_empty() { "none".to_owned() } else { codes.join(", ") };
            line("checked since", format!("entry {size}; findings before it: {before}"));
        }
        Some(KeptUse::Unused { reason }) => line("checked since", format!("the start: {reason}")),
    }
    line("root", report.root.map_or_else(unknown, |root| root.to_string()));
    if let Some(time) = report.last_recorded_at {
        line("last entry", time.to_string());
    }
    let how = if report.strict { ", each by the strict rule as well" } else { "" };
    line("signatures", format!("{} by authors{how}", report.signatures));
    match report.attachments {
        None => line("attachments", "not looked at".into()),
        Some(AttachmentCounts { checked: 0, redacted: 0 }) => {}
        Some(AttachmentCounts { checked, redacted }) => {
            line("attachments", format!("{checked} looked at, {redacted} redacted"));
        }
    }
    for CloneReport { name, checked } in &report.clones {
        line("clone", format!("{name}: {} held against it", counted(*checked, "commit", "commits")));
    }
    for UnseenRepository { name, entries } in &report.repositories_without_clone {
        line("no clone", format!("{name}: {} not looked at", counted(*entries, "commit", "commits")));
    }
    if let Some(counts) = &report.model_signatures {
        line("signed models", signatures_words(counts));
    }
    if let Some(ModelCounts { agree, differ, absent }) = report.models {
        line("model files", format!("{agree} as registered, {differ} not, {absent} not there"));
    }
    match report.anchored {
        Anchored::No => line("trust root", "none given: any ledger could stand here".into()),
        Anchored::TrustRoot { ledger_id } => {
            line("trust root", format!("{trust_name} (ledger id {ledger_id})"));
        }
        Anchored::UpTo { ledger_id, entry, .. } => {
            line("trust root", format!("{trust_name} (ledger id {ledger_id}), up to entry {entry}"));
        }
    }
    for checkpoint in &report.checkpoints {
        let outcome = match checkpoint.outcome {
            CheckpointOutcome::Matched => "the log extends it",
            CheckpointOutcome::Disagrees => "the log does not extend it",
            CheckpointOutcome::NotReached => "not reached",
            CheckpointOutcome::NotThisLog => "not of this log",
            CheckpointOutcome::Untrusted => "signed by a compromised key: it does not count",
        };
        line("checkpoint", format!("{} (size {}): {outcome}", checkpoint.name, checkpoint.size));
    }
    if let Some(held) = &report.held {
        line("held to", held_words(held, report.quorum.as_ref()));
    }
    let is_asked = report.held.is_some() || report.not_anchored.iter().any(Shortfall::is_of_holding);
    if is_asked && report.unheld > 0 {
        line("not yet held", counted(report.unheld, "entry", "entries"));
    }
    if let Some(age) = report.age {
        line("age", format!("{} by {}", span_text(age.ms.max(0)), clock_words(age.clock)));
    }
    if report.rules_judged_up_to < report.size {
        let judged = match report.rules_judged_up_to {
            0 => "no entry could be judged".to_owned(),
            judged => format!("judged up to entry {}; what follows could not be", judged - 1),
        };
        line("rules", judged);
    }
    if report.anchored != Anchored::No && report.checkpoints.is_empty() && report.quorum.is_none() {
        line(
            "note",
            "a rewrite after entry 0 by the holder of the log key could not be seen: \
             keep checkpoints, and give an earlier one with --checkpoint"
                .into(),
        );
    }
}

fn render_findings(report: &Report, text: &mut String) {
    if report.findings.is_empty() {
        return;
    }
    text.push('\n');
    for finding in report.findings.iter().take(FINDINGS_SHOWN_MAX) {
        let _ = writeln!(text, "{} {}: {finding}", finding.class(), finding.code());
    }
    let all = count_of_all(report);
    let hidden = all - report.findings.len().min(FINDINGS_SHOWN_MAX) as u64;
    if hidden > 0 {
        let _ = writeln!(text, "… and {}", counted(hidden, "finding more", "findings more"));
    }
    text.push('\n');
}

/// The verdict in one line. `trust_name` is what the trust root is called, such as its file's name.
#[must_use]
pub fn verdict_line(report: &Report, trust_name: &str) -> String {
    let sizes = format!(
        "{}, {}, {}",
        counted(report.entries, "entry", "entries"),
        counted(report.batches, "batch", "batches"),
        counted(report.signatures, "author signature", "author signatures"),
    );
    match report.verdict {
        Verdict::Sound { anchored: true } => {
            let id = report.ledger_id.map_or_else(String::new, |id| id.short());
            let held = report.held.as_ref().map_or_else(String::new, held_in_short);
            format!("VERDICT: sound — {sizes}; rooted in {trust_name} (ledger id {id}…){held}")
        }
        Verdict::Sound { anchored: false } => {
            let missing: Vec<String> = report.not_anchored.iter().map(shortfall_words).collect();
            format!("VERDICT: sound, but not anchored — {sizes}; {}", missing.join("; "))
        }
        Verdict::Tampered => format!("VERDICT: TAMPERED — {}", tally(report)),
        Verdict::Violation => format!("VERDICT: VIOLATION — {}", tally(report)),
        Verdict::CannotTell => {
            format!("VERDICT: cannot tell — sound as far as it can be read ({sizes}); {}", tally(report))
        }
    }
}

/// Up to where, by whom, and when.
fn held_words(held: &Held, quorum: Option<&Name>) -> String {
    let Held { size, by, at, seen_at, witnesses, .. } = held;
    let names = |witnesses: &[Cosignature]| {
        witnesses.iter().map(|signed| signed.name.to_string()).collect::<Vec<_>>().join(", ")
    };
    let mut text = format!("size {size}, by ");
    match (by, quorum) {
        (HeldBy::Quorum, Some(quorum)) => {
            text += &format!("the quorum `{quorum}` of witnesses ({})", names(witnesses));
        }
        (HeldBy::Quorum, None) => text += &format!("witnesses ({})", names(witnesses)),
        (HeldBy::Checkpoints(checkpoints), _) => text += &checkpoints.join(", "),
    }
    if let Some(at) = at {
        text += &format!(" at {at}");
    }
    if let Some(seen_at) = seen_at.filter(|&seen_at| Some(seen_at) != *at) {
        text += &format!(", and again at {seen_at}");
    }
    text
}

/// How many signatures were checked, and why the others were not.
fn signatures_words(counts: &ModelSignatureCounts) -> String {
    let ModelSignatureCounts { verified, wrong, no_key, other_key, certificate, foreign_hash } = *counts;
    let told = [
        (verified, "verified"),
        (wrong, "wrong"),
        (no_key, "not checked: no key given"),
        (other_key, "not checked: made by another key"),
        (certificate, "not checked: made with a certificate"),
        (foreign_hash, "not checked: over hashes that this program does not compute"),
    ];
    let told = told.into_iter().filter(|(count, _)| *count > 0);
    told.map(|(count, what)| format!("{count} {what}")).collect::<Vec<_>>().join("; ")
}

fn held_in_short(held: &Held) -> String {
    let at = held.at.map_or_else(String::new, |at| format!(" at {at}"));
    format!("; held to size {}{at}", held.size)
}

const fn clock_words(clock: AgeClock) -> &'static str {
    match clock {
        AgeClock::Witnesses => "the witnesses' clocks",
        AgeClock::Ledger => "the ledger's clock, at the last entry that is held",
    }
}

/// What is missing, as a reason.
#[must_use]
pub fn shortfall_words(shortfall: &Shortfall) -> String {
    match shortfall {
        Shortfall::NoTrustRoot => "no trust root was given".to_owned(),
        Shortfall::LogKeyReplaced { entry, log_key } => {
            let what = match log_key {
                Unvouched::Lost => "lost",
                Unvouched::Compromised => "compromised",
            };
            format!(
                "the log key was replaced after it was {what} in entry {entry}; no checkpoint or trust root that you \
                 gave covers that"
            )
        }
        Shortfall::NotHeldByQuorum { quorum } => {
            format!("no checkpoint of it is cosigned by the quorum `{quorum}` that the trust root names")
        }
        Shortfall::TooManyUnheld { unheld, max } => {
            format!("{} not yet held, and at most {max} may be", counted(*unheld, "entry is", "entries are"))
        }
        Shortfall::TooOld { age_ms, max_ms, clock } => {
            let (age, max, clock) = (span_text(*age_ms), span_text(*max_ms), clock_words(*clock));
            format!("what is held is {age} old by {clock}, and at most {max} is allowed")
        }
        Shortfall::AgeUnknown { max_ms, ahead_ms } => {
            let max = span_text(*max_ms);
            match ahead_ms {
                None => format!("nothing is held, and what is held was to be at most {max} old"),
                Some(ahead_ms) => {
                    let ahead = span_text(*ahead_ms);
                    format!(
                        "the time of what is held lies {ahead} ahead, and tells no age: at most {max} is allowed"
                    )
                }
            }
        }
    }
}

/// Of missing entries there may be as many as somebody wrote into a frame.
fn count_of_all(report: &Report) -> u64 {
    report.finding_counts.values().fold(0, |all: u64, count| all.saturating_add(*count))
}

/// How many findings, and the first codes in order.
fn tally(report: &Report) -> String {
    let all = count_of_all(report);
    let mut codes: Vec<Cow<'_, str>> = report.finding_counts.keys().cloned().collect();
    let more = codes.len().saturating_sub(CODES_NAMED_MAX);
    codes.truncate(CODES_NAMED_MAX);
    let more = if more > 0 { format!(" and {more} more codes") } else { String::new() };
    format!("{}: {}{more}", counted(all, "finding", "findings"), codes.join(", "))
}
