//! What is held against the log from outside of it: the trust root, `head`, and checkpoints that
//! somebody kept.

use crate::hash::Hash;
use crate::log::trust_root::TrustRoot;
use crate::note::checkpoint::CheckpointNote;
use crate::note::vkey::VerifierKey;
use crate::signing::public_key::PublicKey;
use crate::store::head::{Head, HeadState};

use super::decode::log_signature_defect;
use super::finding::{Finding, Findings};
use super::report::{CheckpointOutcome, CheckpointReport};
use super::verify::EarlierCheckpoint;

/// What is known of what was published.
#[derive(Debug, Clone)]
pub(super) enum Published {
    /// What `head` holds.
    Head(HeadState),
    /// `head` is of a version that this program doesn't know.
    Newer(u32),
}

impl Published {
    pub(super) const fn head(&self) -> Option<&Head> {
        match self {
            Self::Head(state) => state.head(),
            Self::Newer(_) => None,
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
    /// The note of the batch that ends at `head`'s size.
    pub(super) note_at_head: Option<&'a [u8]>,
    /// Whether frames lie behind `head`'s size. Known only where one slot of `head` is bad.
    pub(super) goes_on: bool,
    pub(super) log_key: Option<&'a VerifierKey>,
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

/// Holds `head` against the log.
pub(super) fn check_head(published: &Published, log: &ReadLog<'_>, findings: &mut Findings) {
    let state = match published {
        Published::Newer(version) => return findings.add(Finding::HeadNewer { version: *version }),
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
    if log.size < size && !log.has_gap {
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
    if let Some(reason) = log.log_key.and_then(|key| log_signature_defect(&note, key)) {
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
    pub(super) note: CheckpointNote,
    pub(super) report: CheckpointReport,
}

impl Anchor {
    pub(super) fn new(given: &EarlierCheckpoint) -> Self {
        let checkpoint = given.note().checkpoint();
        let report = CheckpointReport {
            name: given.name().to_owned(),
            size: checkpoint.size(),
            root: *checkpoint.root(),
            outcome: CheckpointOutcome::NotReached,
        };
        Self { note: given.note().clone(), report }
    }

    /// Whether it waits for a tree of `size`.
    pub(super) fn is_due(&self, size: u64) -> bool {
        self.report.size == size && self.report.outcome == CheckpointOutcome::NotReached
    }

    /// Holds the checkpoint against the root that the entries give at its size.
    pub(super) fn compare(&mut self, root: Hash, findings: &mut Findings) {
        if root == self.report.root {
            self.report.outcome = CheckpointOutcome::Matched;
            return;
        }
        self.report.outcome = CheckpointOutcome::Disagrees;
        let (name, size, expected) = (self.report.name.clone(), self.report.size, self.report.root);
        findings.add(Finding::AnchorRoot { name, size, actual: root, expected });
    }

    /// Says whether it is this log's checkpoint at all. One that isn't is a finding and no anchor:
    /// whoever gives it expects it to fit, and a log under another key is one rewritten.
    pub(super) fn check_signed(
        &mut self,
        origin: Option<&str>,
        log_key: Option<&VerifierKey>,
        findings: &mut Findings,
    ) {
        let name = || self.report.name.clone();
        let actual = self.note.checkpoint().origin();
        let finding = match (origin, log_key) {
            (Some(expected), _) if actual.as_str() != expected => Some(Finding::AnchorOrigin {
                name: name(),
                actual: actual.to_string(),
                expected: expected.to_owned(),
            }),
            (_, Some(key)) => log_signature_defect(&self.note, key)
                .map(|reason| Finding::AnchorSignature { name: name(), reason }),
            (_, None) => None,
        };
        if let Some(finding) = finding {
            self.report.outcome = CheckpointOutcome::NotThisLog;
            findings.add(finding);
        }
    }

    /// Says so where the log ends before it.
    pub(super) fn check_reached(&self, log: &ReadLog<'_>, findings: &mut Findings) {
        if self.report.outcome != CheckpointOutcome::NotReached || log.has_gap {
            return;
        }
        let (name, published, size) = (self.report.name.clone(), self.report.size, log.size);
        findings.add(Finding::LogShorterThanCheckpoint { name, published, size });
    }
}
