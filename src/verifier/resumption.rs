//! Going on from what an earlier verification came to, and keeping what the next one can go on from.
//!
//! What was kept stands for a tree. The frames behind it are checked as ever; that the checkpoints they hold are those of
//! the kept tree with their entries added shows that the old tree is a prefix of the new one. Whenever anything does not
//! fit, or what was kept does not say enough to judge by, the log is verified from its start instead, and the kept
//! checkpoint held against it: going on can only ever save time.

use std::collections::BTreeMap;

use crate::hash::Hash;
use crate::lifecycle::state::{Row, RowKey};
use crate::merkle::tree::{Frontier, leaf_hash};
use crate::note::checkpoint::CheckpointNote;
use crate::store::batch_log::{Position, StoreError};

use super::anchor::Anchor;
use super::decode::Expected;
use super::finding::{Class, Finding};
use super::frames::{Frames, Step};
use super::kept::{Head, KeptState};
use super::replay::Replayed;
use super::report::{Anchored, CheckpointOutcome, KeptUse, Report, Verdict};
use super::verify::{EarlierCheckpoint, End, Judged, Verification, VerifyError};

/// How many sizes and roots from outside are kept, the newest: auditors give one or two, witnesses some dozens.
const MATCHED_MAX: usize = 64;

/// Whether something is unclear that no clone is at fault for: what a clone lacks, it lacks from the start, too.
fn is_unclear_by_itself(report: &Report) -> bool {
    let mut unclear = report.findings.iter().filter(|found| found.class() == Class::Unclear);
    unclear.any(|found| !matches!(**found, Finding::GitCloneShallow { .. }))
}

/// Why going on does not tell.
enum Unused {
    /// The world failed.
    Failed(VerifyError),
    /// The log has to be verified from its start.
    Because(String),
}

impl<'a> Verification<'a> {
    /// Checks what came since; all of it, where that shows that what was kept does not stand for this log, or does not
    /// say enough.
    pub(super) fn go_on_from(&self, kept: &'a KeptState) -> Result<Judged, VerifyError> {
        let from_the_start = match self.checked_since(kept) {
            Ok(judged) => return Ok(judged),
            Err(Unused::Failed(error)) => return Err(error),
            Err(Unused::Because(reason)) => reason,
        };
        let earlier = EarlierCheckpoint::of_kept(kept);
        let mut judged = Self { earlier: Some(earlier), ..self.clone() }.run()?;
        judged.report.kept = Some(KeptUse::Unused { reason: from_the_start });
        Ok(judged)
    }

    fn checked_since(&self, kept: &'a KeptState) -> Result<Judged, Unused> {
        let because = |reason: &str| Err(Unused::Because(reason.to_owned()));
        if self.options.strict && !kept.head.strict {
            return because("the signatures before were not checked by the strict rule");
        }
        let earlier = Some(EarlierCheckpoint::of_kept(kept));
        let resumed = Self { kept: Some(kept), earlier, ..self.clone() };
        let judged = match resumed.run() {
            Err(VerifyError::Store(StoreError::NoSuchFile { .. })) => {
                return because("the log does not hold what it stands for");
            }
            other => other.map_err(Unused::Failed)?,
        };
        match judged.report.verdict {
            Verdict::Tampered => because("the log does not go on from what it stands for"),
            Verdict::CannotTell if is_unclear_by_itself(&judged.report) => {
                because("the log does not go on from what it stands for")
            }
            _ if judged.state.source().were_met() => because("an event id seems to come a second time"),
            _ if judged.looks_back => because("a newer entry speaks of what an earlier one did"),
            _ => Ok(judged),
        }
    }

    /// Finds the roots at which `anchors` lie below what was kept: from what was compared then, or by hashing the entries
    /// once more. Where these are not those that were verified, no root is found.
    pub(super) fn reach_below(&self, kept: &KeptState, anchors: &mut [Anchor]) -> Result<(), VerifyError> {
        let size = kept.head.size;
        for anchor in anchors.iter_mut().filter(|anchor| anchor.size() < size) {
            let matched = kept.head.matched.iter().find(|(size, _)| *size == anchor.size());
            if let Some((_, root)) = matched {
                anchor.reach(*root, None);
            }
        }
        let is_below = |anchor: &&mut Anchor| anchor.size() < size && anchor.root_there().is_none();
        let mut below: Vec<&mut Anchor> = anchors.iter_mut().filter(is_below).collect();
        if below.is_empty() {
            return Ok(());
        }
        let mut roots = vec![None; below.len()];
        let mut tree = Frontier::new();
        let mut frames = Frames::from(self.source, Position::START, size)?;
        while let Some(step) = frames.next()? {
            let Step::Frame(frame) = step else { break };
            let hashes: Vec<Hash> = frame.view().entries().map(leaf_hash).collect();
            for hash in hashes {
                for (anchor, root) in below.iter().zip(&mut roots) {
                    if anchor.size() == tree.size() {
                        *root = Some(tree.root());
                    }
                }
                tree.push(hash);
            }
        }
        if tree == kept.tree {
            for (anchor, root) in below.iter_mut().zip(roots) {
                if let Some(root) = root {
                    anchor.reach(root, None);
                }
            }
        }
        Ok(())
    }

    /// What the next verification can go on from, where this one found the log sound and rooted.
    pub(super) fn keep(
        &self,
        replayed: &Replayed,
        report: &Report,
        expected: &Expected,
        end: &End,
    ) -> Option<KeptState> {
        let is_sound = matches!(report.verdict, Verdict::Sound { .. })
            && matches!(report.anchored, Anchored::TrustRoot { .. })
            && report.rules_judged_up_to == end.size;
        let trust = self.options.trust.filter(|_| self.options.keep && is_sound)?;
        let tree = replayed.tree.clone().filter(|tree| tree.size() == end.size && end.size > 0)?;
        // What was passed over now, nobody would look at later.
        let register = replayed.attachments.as_ref().filter(|_| !replayed.passed_over)?;
        let note = replayed.newest_note.clone()?;
        let checkpoint = CheckpointNote::parse_unverified(&note).ok()?;
        let recorded_at = replayed.recorded_at?;
        let compromised = replayed.compromised.iter().map(|of| (of.key, of.since, of.revoked_by));
        let matched = report.checkpoints.iter().filter(|given| given.outcome == CheckpointOutcome::Matched);
        let mut matched: BTreeMap<u64, Hash> = matched.map(|given| (given.size, given.root)).collect();
        matched.extend(self.kept.into_iter().flat_map(|kept| kept.head.matched.iter().copied()));
        let matched = matched.into_iter().rev().take(MATCHED_MAX).collect();
        let mut findings = replayed.finding_counts.clone();
        for (code, count) in self.kept.into_iter().flat_map(|kept| &kept.head.findings) {
            *findings.entry(code.clone()).or_default() += count;
        }
        let head = Head {
            origin: trust.origin().to_string(),
            ledger_id: trust.ledger_id(),
            log_key: expected.log_key.as_ref()?.public_key(),
            size: end.size,
            nodes: tree.nodes().to_vec(),
            previous: replayed.previous?,
            recorded_at,
            place: (end.position.file, end.position.offset),
            note,
            rotations: replayed.log_keys.rotations(),
            compromised: compromised.collect(),
            doubtful: end.doubtful.iter().copied().collect(),
            matched,
            batches: replayed.counts.batches,
            signatures: replayed.counts.signatures,
            strict: self.options.strict,
            findings: findings.into_iter().collect(),
        };
        let ids = replayed.state.source().hours().with(replayed.state.event_ids(recorded_at), recorded_at);
        let mut rows: Vec<(RowKey, Row)> =
            replayed.state.rows().map(|(key, row)| (key.clone(), row.clone())).collect();
        rows.sort_by(|(a, _), (b, _)| a.cmp(b));
        let (cited, redacted) = (register.cited(), register.redacted());
        let kept = KeptState { head, tree, checkpoint, rows, ids, cited, redacted };
        kept.is_bounded().then_some(kept)
    }

    /// Whether an entry that was read speaks of what was kept of those before, and that does not say enough: it accepts a
    /// violation of one, or says that a key was compromised then.
    pub(super) fn looks_back(&self, replayed: &Replayed) -> bool {
        let size = self.kept.map_or(0, KeptState::size);
        let known = self.kept.map_or(0, |kept| kept.head.compromised.len());
        replayed.findings.accepts_below(size)
            || replayed.compromised[known..].iter().any(|key| key.since < size)
    }
}
