//! One entry after another: chain, tree, order of time, and the rules on a state of its own.
//!
//! Behind entries that could not be read, what rests on them is not guessed: no previous hash for
//! the first entry, no roots, no rules. That is said once, by [`Finding::LogUnread`].

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use crate::event::authority::LogKeyRotated;
use crate::event::body::{Body, Event};
use crate::event::incident::Ratification;
use crate::hash::Hash;
use crate::lifecycle::onlooker::{Onlooker, Seen};
use crate::lifecycle::rules::{GitEvidence, Submission, replay};
use crate::lifecycle::state::{Row, RowKey, State};
use crate::merkle::tree::Frontier;
use crate::time::Timestamp;

use super::anchor::Anchor;
use super::attachments::Register;
use super::clones::RecordedCommit;
use super::compromise::CompromisedKey;
use super::decode::{DecodedBatch, DecodedEntry, Place, Unread};
use super::finding::{Finding, Findings};
use super::frames::GapCause;
use super::kept::{EarlierIds, KeptState};
use super::log_keys::KeyHistory;
use super::models;
use super::proofs::{Claim, Claims};

/// What the walk over the entries carries along.
pub(super) struct Replay<'a> {
    findings: Findings,
    /// Who is shown entries, if anybody is.
    watch: Option<&'a dyn Watcher>,
    anchors: Vec<Anchor>,
    /// The size at which a batch's note is kept, to hold `head` against it.
    head_size: Option<u64>,
    note_at_head: Option<Vec<u8>>,
    /// The tree so far; none behind a gap.
    tree: Option<Frontier>,
    /// The leaf hash of the entry before; none behind a gap.
    previous: Option<Hash>,
    recorded_at: Option<Timestamp>,
    /// A run of checkpoints whose roots disagree, the first of them with its facts.
    wrong_roots: Option<WrongRoots>,
    rules: Rules,
    log_keys: KeyHistory,
    counts: Counts,
    newest_note: Option<Vec<u8>>,
    /// None where nobody asks for attachments.
    attachments: Option<Register>,
    /// What lawful entries say of commits, since it was last asked for; none where there are no clones.
    commits: Option<Vec<RecordedCommit>>,
    /// What they say of attachments that prove something of a commit; none where attachments are left alone.
    claims: Option<Claims>,
    /// Whether something of that sort was passed over, since attachments are left alone.
    passed_over: bool,
    models: models::Register,
}

/// Someone who is shown entries as they are replayed: an [`Onlooker`], reached from whichever thread replays.
pub trait Watcher: Sync + fmt::Debug {
    /// Lets `show` have the onlooker.
    fn with(&self, show: &mut dyn FnMut(&mut dyn Onlooker));
}

/// Shows entries to the onlooker in it.
pub struct Watch<'a>(Mutex<&'a mut dyn Onlooker>);

impl<'a> Watch<'a> {
    /// Shows entries to `onlooker`.
    pub fn new(onlooker: &'a mut dyn Onlooker) -> Self {
        Self(Mutex::new(onlooker))
    }
}

impl Watcher for Watch<'_> {
    fn with(&self, show: &mut dyn FnMut(&mut dyn Onlooker)) {
        show(&mut **self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl fmt::Debug for Watch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watch")
    }
}

/// What was gone through.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) entries: u64,
    pub(super) batches: u64,
    pub(super) signatures: u64,
}

/// What is left when all entries were gone through.
pub(super) struct Replayed {
    pub(super) findings: Findings,
    /// How many findings of each code the entries themselves gave.
    pub(super) finding_counts: BTreeMap<String, u64>,
    /// The tree; none behind a gap.
    pub(super) tree: Option<Frontier>,
    /// The last entry's leaf hash; none behind a gap.
    pub(super) previous: Option<Hash>,
    pub(super) anchors: Vec<Anchor>,
    pub(super) log_keys: KeyHistory,
    pub(super) note_at_head: Option<Vec<u8>>,
    pub(super) newest_note: Option<Vec<u8>>,
    pub(super) recorded_at: Option<Timestamp>,
    pub(super) rules_judged_up_to: u64,
    pub(super) counts: Counts,
    pub(super) attachments: Option<Register>,
    pub(super) models: models::Register,
    /// Whether attachments that prove something were passed over.
    pub(super) passed_over: bool,
    /// What the rules' state came to.
    pub(super) state: State<EarlierIds>,
    pub(super) compromised: Vec<CompromisedKey>,
}

struct WrongRoots {
    index: u64,
    actual: Hash,
    expected: Hash,
    checkpoints: u64,
}

/// The rules' state, and how far they could be judged.
struct Rules {
    state: State<EarlierIds>,
    /// Entries below this index were judged.
    judged_up_to: u64,
    stopped: bool,
    /// Keys that were revoked as compromised.
    compromised: Vec<CompromisedKey>,
}

impl<'a> Replay<'a> {
    /// A replay from the empty log on, whose first key `log_keys` knows. `anchors` are compared when their size is
    /// reached.
    pub(super) fn new(
        anchors: Vec<Anchor>,
        log_keys: KeyHistory,
        head_size: Option<u64>,
        findings: Findings,
    ) -> Self {
        let mut replay = Self {
            findings,
            watch: None,
            log_keys,
            anchors,
            head_size,
            note_at_head: None,
            tree: Some(Frontier::new()),
            previous: Some(Hash::ZERO),
            recorded_at: None,
            wrong_roots: None,
            rules: Rules {
                state: State::over(EarlierIds::default()),
                judged_up_to: 0,
                stopped: false,
                compromised: Vec::new(),
            },
            counts: Counts::default(),
            newest_note: None,
            attachments: None,
            commits: None,
            claims: None,
            passed_over: false,
            models: models::Register::default(),
        };
        replay.compare_anchors();
        replay
    }

    /// A replay that goes on behind what `kept` stands for. `anchors` below its size have reached their roots already, if
    /// they can.
    pub(super) fn resume(
        kept: &KeptState,
        anchors: Vec<Anchor>,
        log_keys: KeyHistory,
        head_size: Option<u64>,
        findings: Findings,
    ) -> Self {
        let mut replay = Self::new(anchors, log_keys, head_size, findings);
        let head = &kept.head;
        replay.note_at_head = (head_size == Some(head.size)).then(|| head.note.clone());
        replay.newest_note = Some(head.note.clone());
        replay.tree = Some(kept.tree.clone());
        (replay.previous, replay.recorded_at) = (Some(head.previous), Some(head.recorded_at));
        replay.counts = Counts { entries: head.size, batches: head.batches, signatures: head.signatures };
        let compromised = |&(key, since, revoked_by): &_| CompromisedKey { key, since, revoked_by };
        let mut state = State::over(EarlierIds::new(kept.ids.clone()));
        state.restore(kept.rows.iter().cloned());
        replay.rules = Rules {
            state,
            judged_up_to: head.size,
            stopped: false,
            compromised: head.compromised.iter().map(compromised).collect(),
        };
        replay.attachments = Some(Register::restore(&kept.cited, &kept.redacted));
        replay.compare_anchors();
        replay
    }

    /// Keeps in mind which attachments lawful entries cite and redact.
    pub(super) fn with_attachments(self) -> Self {
        Self { attachments: Some(Register::default()), ..self }
    }

    /// Keeps in mind what lawful entries say of commits, for clones to be asked, and of attachments that prove something
    /// of a commit.
    pub(super) fn with_git(self, has_clones: bool, has_attachments: bool) -> Self {
        let (commits, claims) = (has_clones.then(Vec::new), has_attachments.then(Claims::default));
        Self { commits, claims, ..self }
    }

    /// What entries said of commits since this was last called.
    pub(super) fn take_commits(&mut self) -> Vec<RecordedCommit> {
        self.commits.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// What is to be looked at among the attachments, now that so many claims wait or the log has ended.
    pub(super) fn take_claims(&mut self, at_the_end: bool) -> Vec<Claim> {
        self.claims.as_mut().map(|claims| claims.due(at_the_end)).unwrap_or_default()
    }

    /// Keeps in mind which models lawful entries register, as far as `models` wants them.
    pub(super) fn with_models(self, models: models::Register) -> Self {
        Self { models, ..self }
    }

    /// Shows entries to whoever watches, from the first one on.
    pub(super) fn with_watch(self, watch: Option<&'a dyn Watcher>) -> Self {
        if let Some(watch) = watch {
            watch.with(&mut |onlooker| onlooker.begin());
        }
        Self { watch, ..self }
    }

    /// Takes what is wrong with frames.
    pub(super) fn add(&mut self, finding: Finding) {
        self.findings.add(finding);
    }

    /// Takes what was found beside the log.
    pub(super) fn extend(&mut self, findings: Vec<Finding>) {
        self.findings.extend(findings);
    }

    /// Entries could not be read.
    pub(super) fn gap(&mut self, from: u64, until: Option<u64>, cause: GapCause) {
        self.end_run_of_wrong_roots();
        if let (GapCause::Missing, Some(until)) = (cause, until) {
            self.findings.add_missing(from, until);
        }
        if cause != GapCause::Newer {
            self.findings.add(Finding::LogUnread { index: from, until });
        }
        (self.tree, self.previous, self.recorded_at) = (None, None, None);
        self.rules.stopped = true;
    }

    /// Takes the next batch.
    pub(super) fn take(&mut self, batch: DecodedBatch) {
        let DecodedBatch { first_index, entries, checkpoint, note, signatures, findings } = batch;
        let next_index = first_index + entries.len() as u64;
        self.counts.batches += 1;
        for (index, entry) in (first_index..).zip(entries) {
            self.take_entry(index, entry);
        }
        self.findings.extend(findings);
        if let Some(signatures) = signatures {
            let signers = self.log_keys.signers(first_index);
            signatures.judge(next_index - 1, &signers, &mut self.findings);
        }
        self.check_boundary(first_index, next_index);
        if let Some(checkpoint) = &checkpoint {
            self.check_size(checkpoint.size(), next_index);
            self.check_root(*checkpoint.root(), next_index - 1);
        }
        if self.head_size == Some(next_index) {
            self.note_at_head = Some(note.clone());
        }
        self.newest_note = Some(note);
    }

    /// Ends the replay.
    pub(super) fn finish(mut self) -> Replayed {
        self.end_run_of_wrong_roots();
        let finding_counts =
            self.findings.counts().iter().map(|(code, count)| (code.to_string(), *count)).collect();
        self.findings.extend(self.rules.unreported());
        Replayed {
            findings: self.findings,
            finding_counts,
            tree: self.tree,
            previous: self.previous,
            anchors: self.anchors,
            log_keys: self.log_keys,
            note_at_head: self.note_at_head,
            newest_note: self.newest_note,
            recorded_at: self.recorded_at,
            rules_judged_up_to: self.rules.judged_up_to,
            counts: self.counts,
            attachments: self.attachments,
            passed_over: self.passed_over,
            models: self.models,
            state: self.rules.state,
            compromised: self.rules.compromised,
        }
    }

    fn take_entry(&mut self, index: u64, entry: DecodedEntry) {
        let DecodedEntry { leaf_hash, place, event, disowned, git, unread, signers, findings } = entry;
        self.counts.entries += 1;
        self.counts.signatures += signers.len() as u64;
        self.findings.extend(findings);
        if let Some(place) = place {
            self.check_place(index, place);
        }
        self.previous = Some(leaf_hash);
        if let Some(tree) = &mut self.tree {
            tree.push(leaf_hash);
            self.compare_anchors();
        }
        // Where the order is not what it was, or nobody can say what an entry did, no rule can be
        // judged behind it.
        let in_place = place.is_some_and(|place| place.index == index);
        match (event, place) {
            (Some(event), Some(place)) if in_place => {
                let (recorded_at, event, signers) = (place.recorded_at, &event, signers.as_slice());
                let git = GitEvidence::Found(git.as_deref());
                let submission = Submission { index, leaf_hash, recorded_at, event, signers, git };
                if let Some(watch) = self.watch {
                    watch.with(&mut |onlooker| onlooker.reached(index, recorded_at, &self.rules.state));
                }
                let was_accepted = self.rules.judge(&submission, &mut self.findings);
                if let Some(watch) = self.watch {
                    let seen = Seen { index, leaf_hash, recorded_at, event, signers, lawful: was_accepted };
                    watch.with(&mut |onlooker| onlooker.saw(&seen, &mut self.rules.state));
                }
                if was_accepted == Some(true) {
                    self.models.take(index, event);
                    self.take_lawful(index, event);
                }
                if let Body::LogKeyRotated(rotation) = &event.body {
                    self.rotate(index, rotation, was_accepted);
                }
            }
            (_, Some(place)) if in_place && unread == Some(Unread::NotAuthentic) => {
                self.rules.skip(index);
                if let (Some(watch), Some(event)) = (self.watch, &disowned) {
                    let Place { recorded_at, .. } = place;
                    let seen =
                        Seen { index, leaf_hash, recorded_at, event, signers: &signers, lawful: Some(false) };
                    watch.with(&mut |onlooker| {
                        onlooker.reached(index, recorded_at, &self.rules.state);
                        onlooker.saw(&seen, &mut self.rules.state);
                    });
                }
            }
            _ => self.rules.stopped = true,
        }
    }

    /// What an entry that the rules let through says of things beside the log.
    fn take_lawful(&mut self, index: u64, event: &Event) {
        if let Some(register) = &mut self.attachments {
            register.take(index, event, &mut self.findings);
        }
        if let Some(commits) = &mut self.commits {
            let Ok(policy) = self.rules.state.policy();
            commits.extend(RecordedCommit::of(index, &event.body, policy.as_deref()));
        }
        match &mut self.claims {
            Some(claims) => claims.take(index, event),
            None => {
                self.passed_over =
                    self.passed_over || Claims::are_made_by(event) || models::keeps_signature(event);
            }
        }
    }

    /// A rotation takes effect where the rules accept it. Where they could not be judged, it does if it fits: whoever
    /// wrote what this program cannot judge is not to be accused over the key that signed it.
    fn rotate(&mut self, entry: u64, rotation: &LogKeyRotated, was_accepted: Option<bool>) {
        if was_accepted.unwrap_or_else(|| self.log_keys.in_force() == Some(rotation.old_key)) {
            self.log_keys.rotate(entry, rotation);
        }
    }

    /// A rotation of the log key is the only entry of its batch.
    fn check_boundary(&mut self, first_index: u64, next_index: u64) {
        let entries = next_index - first_index;
        if entries > 1 {
            for index in self.log_keys.rotations_in(first_index, next_index) {
                self.findings.add(Finding::LogKeyBoundary { index, entries });
            }
        }
    }

    /// What an entry says of its place is so.
    fn check_place(&mut self, index: u64, place: Place) {
        let Place { index: actual, previous, recorded_at } = place;
        if actual != index {
            self.findings.add(Finding::EntryIndex { index, actual });
        }
        if let Some(expected) = self.previous.filter(|&expected| expected != previous) {
            self.findings.add(Finding::EntryPrevious { index, actual: previous, expected });
        }
        if let Some(earlier) = self.recorded_at.filter(|&earlier| recorded_at < earlier) {
            self.findings.add(Finding::TimeDecreases { index, recorded_at, previous: earlier });
        }
        self.recorded_at = Some(recorded_at);
    }

    fn check_size(&mut self, actual: u64, expected: u64) {
        if actual != expected {
            self.findings.add(Finding::CheckpointSize { index: expected - 1, actual, expected });
        }
    }

    /// One changed entry changes every root behind it: a run of roots that disagree is said once.
    fn check_root(&mut self, actual: Hash, index: u64) {
        let Some(tree) = &self.tree else { return };
        let expected = tree.root();
        if actual == expected {
            return self.end_run_of_wrong_roots();
        }
        let run = self.wrong_roots.get_or_insert(WrongRoots { index, actual, expected, checkpoints: 0 });
        run.checkpoints += 1;
    }

    fn end_run_of_wrong_roots(&mut self) {
        if let Some(WrongRoots { index, actual, expected, checkpoints }) = self.wrong_roots.take() {
            self.findings.add(Finding::CheckpointRoot { index, actual, expected, checkpoints });
        }
    }

    /// Holds every earlier checkpoint of the tree's present size against its root.
    fn compare_anchors(&mut self) {
        let Some(tree) = &self.tree else { return };
        for anchor in self.anchors.iter_mut().filter(|anchor| anchor.is_due(tree.size())) {
            anchor.reach(tree.root(), self.recorded_at);
        }
    }
}

impl Rules {
    /// Judges an authentic entry in its place. Says whether it was accepted; nothing where rules cannot be judged.
    fn judge(&mut self, submission: &Submission<'_>, findings: &mut Findings) -> Option<bool> {
        if self.stopped {
            return None;
        }
        let index = submission.index;
        let Ok((mut changes, refusal)) = replay(&mut self.state, submission);
        findings.extend(std::mem::take(&mut changes.observations).into_iter().map(Finding::from));
        self.state.commit(changes, submission.recorded_at);
        let was_accepted = refusal.is_none();
        if was_accepted {
            self.take_in(submission, findings);
        }
        if let Some(refusal) = refusal {
            // Without the ledger's beginning, or under rules of a later version, nothing can be judged.
            let founded = matches!(self.state.charter(), Ok::<_, Infallible>(Some(_)));
            self.stopped = refusal.needs_upgrade() || !founded;
            findings.add(Finding::Rule { index, refusal: Box::new(refusal) });
        }
        self.judged_up_to = index + u64::from(!self.stopped);
        (was_accepted || !self.stopped).then_some(was_accepted)
    }

    /// What a lawful entry says about others, of which the rules' state keeps nothing.
    fn take_in(&mut self, submission: &Submission<'_>, findings: &mut Findings) {
        let index = submission.index;
        match &submission.event.body {
            Body::EntryRatified(body) => {
                if let Ratification::Violations { codes } = &body.ratification {
                    codes.iter().for_each(|code| findings.accept(body.entry, code.as_str(), index));
                }
            }
            Body::KeyRevoked(body) => {
                let compromised = |since| CompromisedKey { key: body.key, since, revoked_by: index };
                self.compromised.extend(body.compromised_since.map(compromised));
            }
            _ => {}
        }
    }

    /// What there is to say of rollbacks that nobody has reported on.
    fn unreported(&self) -> Vec<Finding> {
        let open = self.state.rows().filter_map(|(key, row)| match (key, row) {
            (RowKey::Change(entry), Row::Change(change)) => change.recovery.as_ref()?.unreported(*entry),
            _ => None,
        });
        open.map(Finding::from).collect()
    }

    /// Passes over an entry whose authors' signatures are not valid: it changes nothing.
    const fn skip(&mut self, index: u64) {
        if !self.stopped {
            self.judged_up_to = index + 1;
        }
    }
}
