//! What is held against the log from outside of it: the trust root, `head`, and checkpoints that
//! somebody kept or cosigned.

use crate::hash::Hash;
use crate::log::quorum::{Cosignature, QuorumTime};
use crate::log::trust_root::TrustRoot;
use crate::note::checkpoint::CheckpointNote;
use crate::signing::public_key::PublicKey;
use crate::store::head::{Head, HeadState};
use crate::time::Timestamp;

use super::finding::{Finding, Findings};
use super::log_keys::{KeyHistory, SignedBy, signature_defect};
use super::report::{CheckpointOutcome, CheckpointReport};
use super::verify::{EarlierCheckpoint, Options};

/// What is known of what was published.
#[derive(Debug, Clone)]
pub(super) enum Published {
    /// What `head` holds.
    Head(HeadState),
    /// `head` is of a version that this program doesn't know.
    Newer(u32),
    /// Nobody says: the log came without one, as a stream.
    Unsaid,
}

impl Published {
    pub(super) const fn head(&self) -> Option<&Head> {
        match self {
            Self::Head(state) => state.head(),
            Self::Newer(_) | Self::Unsaid => None,
        }
    }

    /// The size up to which readers may look; all there is, where nothing tells.
    pub(super) fn until(&self) -> u64 {
        self.head().map_or(u64::MAX, Head::size)
    }
}

/// What was read of the log, as far as `head` and checkpoints are held against it.
pub(super) struct ReadLog<'a> {
    /// Its size, where it was read to its end or to where it is published.
    pub(super) size: u64,
    /// Whether entries are unread behind which nothing can be said.
    pub(super) has_gap: bool,
    /// Whether nothing could be read from `size` on.
    pub(super) ends_unread: bool,
    /// The note of the batch that ends at `head`'s size.
    pub(super) note_at_head: Option<&'a [u8]>,
    /// Whether frames lie behind `head`'s size. Known only where one slot of `head` is bad.
    pub(super) goes_on: bool,
    pub(super) log_keys: &'a KeyHistory,
}

impl ReadLog<'_> {
    /// Whether it was read to its end, and that lies before this size.
    const fn ends_before(&self, size: u64) -> bool {
        self.size < size && !self.ends_unread
    }
}

/// The size that was published, where the log ends before it: by `head`, or by the largest checkpoint that the log did
/// not reach.
pub(super) fn published_beyond(published: &Published, anchors: &[Anchor], log: &ReadLog<'_>) -> Option<u64> {
    let unreached = anchors.iter().filter(|anchor| anchor.report.outcome == CheckpointOutcome::NotReached);
    // What nobody signed publishes nothing.
    let head = published.head().filter(|head| head_note_defect(head, log).is_none());
    let sizes = unreached.map(Anchor::size).chain(head.map(Head::size));
    sizes.max().filter(|&size| log.ends_before(size))
}

/// Holds entry 0 against the trust root.
pub(super) fn check_founding(
    trust: &TrustRoot,
    ledger_id: Hash,
    created: Option<&(String, PublicKey)>,
    findings: &mut Findings,
) {
    let expected = trust.ledger_id();
    if ledger_id != expected {
        findings.add(Finding::TrustLedgerId { actual: ledger_id, expected });
    }
    let Some((origin, log_key)) = created else { return };
    if origin != trust.origin().as_str() {
        let (actual, expected) = (origin.clone(), trust.origin().to_string());
        findings.add(Finding::TrustOrigin { actual, expected });
    }
    let expected = trust.log_key().public_key();
    if *log_key != expected {
        findings.add(Finding::TrustLogKey { actual: *log_key, expected });
    }
}

/// Holds the key that the trust root says the log came to against those that it came to.
pub(super) fn check_latest_log_key(trust: &TrustRoot, log: &ReadLog<'_>, findings: &mut Findings) {
    // Where entries are unread, a rotation may be among them.
    if let Some(expected) = trust.latest_log_key().filter(|key| !log.has_gap && !log.log_keys.has(key)) {
        findings.add(Finding::TrustLatestLogKey { expected: expected.public_key() });
    }
}

/// Holds `head` against the log.
pub(super) fn check_head(published: &Published, log: &ReadLog<'_>, findings: &mut Findings) {
    let state = match published {
        Published::Newer(version) => return findings.add(Finding::HeadNewer { version: *version }),
        Published::Unsaid => return,
        Published::Head(state) => state,
    };
    match state {
        HeadState::Missing if log.size > 0 || log.has_gap => findings.add(Finding::HeadMissing {}),
        HeadState::Missing => {}
        HeadState::BothBad | HeadState::FirstWriteTorn => findings.add(Finding::HeadUnreadable {}),
        HeadState::Published { head, other_slot_bad } => {
            let size = head.size();
            match (other_slot_bad, log.goes_on) {
                (true, true) => findings.add(Finding::HeadTorn { size }),
                (true, false) => findings.add(Finding::HeadSlotBad { size }),
                (false, _) => {}
            }
            check_published(head, log, findings);
        }
    }
}

fn check_published(head: &Head, log: &ReadLog<'_>, findings: &mut Findings) {
    let size = head.size();
    if let Some(reason) = head_note_defect(head, log) {
        findings.add(Finding::HeadDisagrees { size, reason });
    }
    if log.ends_before(size) {
        findings.add(Finding::LogShorterThanHead { size: log.size, published: size });
    }
}

/// Where the note in `head` is not the checkpoint that the log holds at that size, why. Its
/// signature lines may be others: only its text must be the same.
fn head_note_defect(head: &Head, log: &ReadLog<'_>) -> Option<String> {
    let note = match CheckpointNote::parse_unverified(head.note()) {
        Ok(note) => note,
        Err(error) => return Some(format!("its note is no checkpoint: {error}")),
    };
    let said = note.checkpoint().size();
    if said != head.size() {
        return Some(format!("its checkpoint is of size {said}"));
    }
    if let Some(reason) = signature_defect(&note, &log.log_keys.at(said)) {
        return Some(format!("its checkpoint: {reason}"));
    }
    match log.note_at_head {
        Some(batch) => {
            let batch = CheckpointNote::parse_unverified(batch).ok()?;
            let agrees = batch.note().text() == note.note().text();
            (!agrees).then(|| "the batch that ends there has another checkpoint".to_owned())
        }
        None if log.has_gap || log.size < head.size() => None,
        None => Some("no batch ends there".to_owned()),
    }
}

/// An earlier checkpoint on its way through the log.
#[derive(Debug)]
pub(super) struct Anchor {
    note: CheckpointNote,
    pub(super) report: CheckpointReport,
    source: Source,
    /// When the trust root's quorum had cosigned it.
    quorum: Option<QuorumTime>,
    /// Why it is not to be believed, where a witness's line fails.
    refused: Option<String>,
    /// The root that the log's entries give at its size, once they have come so far.
    root_there: Option<Hash>,
    /// When the last entry that it covers was recorded.
    recorded_at: Option<Timestamp>,
}

/// Who vouches for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// The auditor, who kept it.
    Given,
    /// Nobody but those who cosigned it: it stood in `cosigned/` of what is judged.
    Cosigned,
}

/// The checkpoints that are held against the log: those given, that of what was kept, and those in `cosigned/` that
/// witnesses cosigned.
pub(super) fn anchors(
    options: &Options<'_>,
    kept: Option<&EarlierCheckpoint>,
    findings: &mut Findings,
) -> Vec<Anchor> {
    let given = options.checkpoints.iter().chain(kept);
    let mut anchors: Vec<Anchor> = given.map(|given| Anchor::given(given, options.trust)).collect();
    for file in options.cosigned {
        match file.judge(options.trust) {
            Ok(Some((note, cosignatures))) => {
                let anchor = Anchor::new(file.name(), note, Source::Cosigned);
                anchors.push(anchor.cosigned_by(cosignatures, options.trust));
            }
            Ok(None) => {}
            Err(finding) => findings.add(finding),
        }
    }
    anchors
}

impl Anchor {
    fn new(name: String, note: &CheckpointNote, source: Source) -> Self {
        let report = CheckpointReport {
            name,
            size: note.checkpoint().size(),
            root: *note.checkpoint().root(),
            outcome: CheckpointOutcome::NotReached,
            witnesses: Vec::new(),
        };
        let (quorum, refused, root_there, recorded_at) = (None, None, None, None);
        Self { note: note.clone(), report, source, quorum, refused, root_there, recorded_at }
    }

    fn given(given: &EarlierCheckpoint, trust: Option<&TrustRoot>) -> Self {
        let anchor = Self::new(given.name().to_owned(), given.note(), Source::Given);
        match trust.map_or(Ok(Vec::new()), |trust| trust.witnesses().cosignatures(given.note())) {
            Ok(cosignatures) => anchor.cosigned_by(cosignatures, trust),
            Err(error) => Self { refused: Some(error.to_string()), ..anchor },
        }
    }

    fn cosigned_by(mut self, cosignatures: Vec<Cosignature>, trust: Option<&TrustRoot>) -> Self {
        self.quorum = trust.and_then(|trust| trust.witnesses().met_by(&cosignatures));
        self.report.witnesses = cosignatures;
        self
    }

    /// The tree size up to which it says what the log is.
    pub(super) const fn size(&self) -> u64 {
        self.report.size
    }

    /// Who vouches for it.
    pub(super) const fn source(&self) -> Source {
        self.source
    }

    /// When the trust root's quorum had cosigned it, if it did.
    pub(super) const fn quorum(&self) -> Option<QuorumTime> {
        self.quorum
    }

    /// When the last entry that it covers was recorded, where the log comes so far.
    pub(super) const fn recorded_at(&self) -> Option<Timestamp> {
        self.recorded_at
    }

    /// The root that the log's entries have at its size, once they have come so far.
    pub(super) const fn root_there(&self) -> Option<Hash> {
        self.root_there
    }

    /// Whether it waits for a tree of `size`.
    pub(super) fn is_due(&self, size: u64) -> bool {
        self.report.size == size && self.root_there.is_none()
    }

    /// Takes the root that the entries give at its size, the last of which was recorded then.
    pub(super) const fn reach(&mut self, root: Hash, recorded_at: Option<Timestamp>) {
        self.root_there = Some(root);
        self.recorded_at = recorded_at;
    }

    /// The size up to which it vouches for the log. What stood in the ledger itself does by its quorum alone.
    pub(super) fn covers(&self) -> Option<u64> {
        let is_vouched_for = self.source == Source::Given || self.quorum.is_some();
        (is_vouched_for && self.report.outcome == CheckpointOutcome::Matched).then_some(self.report.size)
    }

    /// Says what became of it, when the log was read and its keys are known.
    ///
    /// One that is not this log's checkpoint at all is a finding and no anchor: whoever gives it expects it to fit, and
    /// a log under another key is one rewritten. One by a key that was compromised at its size proves nothing either
    /// way: where it agrees with the log, that is a remark; where it doesn't, one of the two is forged, and nobody can
    /// tell which.
    pub(super) fn settle(&mut self, origin: Option<&str>, log: &ReadLog<'_>, findings: &mut Findings) {
        let (name, size, expected) = (self.report.name.clone(), self.report.size, self.report.root);
        let agrees = self.root_there.map(|root| root == expected);
        let actual = self.note.checkpoint().origin();
        if let Some(expected) = origin.filter(|expected| actual.as_str() != *expected) {
            let (actual, expected) = (actual.to_string(), expected.to_owned());
            findings.add(Finding::AnchorOrigin { name, actual, expected });
            self.report.outcome = CheckpointOutcome::NotThisLog;
            return;
        }
        if let Some(reason) = self.refused.clone() {
            findings.add(Finding::AnchorSignature { name, reason });
            self.report.outcome = CheckpointOutcome::NotThisLog;
            return;
        }
        let (outcome, finding) = match (log.log_keys.signer_of(&self.note, size), self.root_there) {
            (SignedBy::Other { reason }, _) => {
                (CheckpointOutcome::NotThisLog, Some(Finding::AnchorSignature { name, reason }))
            }
            (SignedBy::Compromised { since, entry }, _) if agrees == Some(false) => (
                CheckpointOutcome::Untrusted,
                Some(Finding::AnchorContested { name, size, since, rotation: entry }),
            ),
            (SignedBy::Compromised { since, entry }, _) => (
                CheckpointOutcome::Untrusted,
                Some(Finding::AnchorUntrusted { name, size, since, rotation: entry }),
            ),
            (SignedBy::LogKey, Some(actual)) if agrees == Some(false) => {
                (CheckpointOutcome::Disagrees, Some(Finding::AnchorRoot { name, size, actual, expected }))
            }
            (SignedBy::LogKey, Some(_)) => (CheckpointOutcome::Matched, None),
            (SignedBy::LogKey, None) => {
                let shorter = Finding::LogShorterThanCheckpoint { name, published: size, size: log.size };
                (CheckpointOutcome::NotReached, log.ends_before(size).then_some(shorter))
            }
        };
        self.report.outcome = outcome;
        findings.extend(finding);
    }
}
