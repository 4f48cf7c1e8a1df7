//! Appending: from verified envelopes to a durable batch and its receipts.
//!
//! Whoever appends verifies signatures in its own thread, queues, and waits. Whoever leads commits all
//! that has queued meanwhile, as one batch with one `fdatasync` (`ledger::queue`). A refused event
//! refuses only itself.

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rayon::prelude::*;

use crate::event::authority::LogKeyRotated;
use crate::event::body::{Body, Event};
use crate::event::header::EventId;
use crate::event::model::EvaluationKind;
use crate::event::text::{EnvironmentName, Name};
use crate::evidence::infra::{InfraEvidence, examine};
use crate::hash::Hash;
use crate::index::rows::IndexError;
use crate::ledger::derived::{Derived, Reach};
use crate::ledger::log_key::SigningKeys;
use crate::ledger::opening::{Opened, finish_rotation};
use crate::ledger::queue::{self, Queue, lock};
use crate::ledger::receipt::{AppendError, Receipt, Warning};
use crate::ledger::redaction::{Mark, Redactions};
use crate::lifecycle::policy::ReleasePolicy;
use crate::lifecycle::refusal::Refusal;
use crate::lifecycle::rules::{ApplyError, GitEvidence, Submission, apply, missing};
use crate::lifecycle::state::{Changes, Charter, Evaluations, Holder, SeenEvent, Slot, State, VersionRow};
use crate::log::entry::Entry;
use crate::merkle::tree::Frontier;
use crate::note::checkpoint::{Checkpoint, Origin, sign_checkpoint};
use crate::signing::envelope::{AuthorSignature, AuthorSignatureError, Envelope};
use crate::signing::key_file::KeyFileError;
use crate::signing::public_key::PublicKey;
use crate::signing::verify::CheckedKey;
use crate::store::anchor::write_anchor_on;
use crate::store::batch_log::{BatchLog, Position};
use crate::store::disk::Disk;
use crate::store::files::FileLog;
use crate::store::frame::{FRAME_BYTES_MAX, FRAME_ENTRIES_MAX, Frame, FrameView, encode_frame};
use crate::store::head::HeadFile;
use crate::store::lock::WriterLock;
use crate::store::scan::{read_frame, read_header};
use crate::time::{Clock, DAY_MS, MINUTE_MS, Timestamp};

/// How far the clock may lie behind the last entry: what an adjustment of the clock takes back.
pub const CLOCK_BEHIND_MAX_MS: i64 = 5 * MINUTE_MS;
/// How far it may lie ahead of it without somebody vouching for it: recorded times never go back,
/// so one append under a clock that runs ahead holds up every later one.
pub const CLOCK_AHEAD_MAX_MS: i64 = DAY_MS;
/// Above this many rows in memory, all are forgotten and read again as they are needed: some 50 MB.
const CACHED_ROWS_MAX: usize = 100_000;
/// How many checked keys are kept, some 300 bytes each: more than an organisation has signers.
const CHECKED_KEYS_MAX: usize = 4_096;
/// After so many entries a writer that stays open hands the index's rows to sled: a flush takes as long as an
/// append, and a writer that is killed leaves no more than so many to replay.
const INDEX_LAG_MAX: u64 = 1024;
/// So few entries are left to the next opening, which replays them faster than a flush takes.
pub(super) const INDEX_LAG_LEFT: u64 = 32;
/// Room in a frame beside its entries: header, note, checksum, generously.
const FRAME_OVERHEAD: usize = 8 * 1024;

/// Whether somebody vouches for the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockTrust {
    /// A clock more than a day ahead of the last entry is an error.
    Checked,
    /// It is right, however far ahead.
    Vouched,
}

/// A ledger open for writing: the log's one writer, usable from many threads at once.
#[derive(Debug)]
pub struct Ledger {
    keys: CheckedKeys,
    queue: Queue<Verified, Outcome>,
    redactions: Redactions,
    writer: Mutex<Writer>,
}

/// What the writer keeps between batches.
pub(super) struct Writer {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) log: FileLog,
    pub(super) head: HeadFile,
    pub(super) state: State<Derived>,
    pub(super) dir: PathBuf,
    pub(super) origin: Origin,
    pub(super) keys: SigningKeys,
    pub(super) anchors: Vec<PathBuf>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) clock_trust: ClockTrust,
    pub(super) warnings: Vec<Warning>,
    pub(super) poisoned: Option<String>,
    /// Held until the writer is dropped; last, so that everything else is closed first.
    pub(super) _lock: WriterLock,
}

impl Drop for Writer {
    fn drop(&mut self) {
        if self.poisoned.is_none() {
            // What is not flushed is merely behind.
            let _ = self.state.source_mut().flush_beyond(INDEX_LAG_LEFT);
        }
    }
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// An envelope whose signatures are valid, with its event.
#[derive(Debug)]
struct Verified {
    envelope: Envelope,
    event: Event,
    signers: Vec<PublicKey>,
    /// What the Git objects show that the event embeds: looked at before the envelope queues for the writer.
    git: Option<Box<InfraEvidence>>,
}

/// A verified envelope in the queue.
type Ticket = queue::Ticket<Verified, Outcome>;

type Outcome = Result<Receipt, AppendError>;

/// What a ticket is told when nobody knows what became of it.
fn unknown(ticket: &Ticket, reason: &str) -> Outcome {
    let event_id = ticket.work.event.header.event_id;
    Err(AppendError::OutcomeUnknown { reason: reason.to_owned(), event_id })
}

/// Tickets that were taken from the queue: should the commit panic, they are answered all the same,
/// for nobody else would, and the writer is poisoned, for nobody knows what it holds.
struct Unanswered<'a> {
    writer: &'a mut Writer,
    tickets: Vec<Ticket>,
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        let reason = "the writer panicked";
        for ticket in self.tickets.drain(..) {
            self.writer.poisoned = Some(reason.into());
            ticket.tell(unknown(&ticket, reason));
        }
    }
}

/// Keys that meet the conditions for being granted. Checking those takes as long as verifying a
/// signature does, and they never change.
#[derive(Debug, Default)]
struct CheckedKeys(Mutex<HashMap<PublicKey, CheckedKey>>);

impl CheckedKeys {
    fn check(&self, key: PublicKey) -> Result<CheckedKey, AuthorSignatureError> {
        if let Some(checked) = lock(&self.0).get(&key) {
            return Ok(checked.clone());
        }
        CheckedKey::new(&key).map_err(|defect| AuthorSignatureError::Key { key, defect })
    }

    /// Verifies an author's signature, and keeps the key: only one that has signed something takes room.
    fn verify(&self, author: &AuthorSignature, message: &[u8]) -> Result<(), AuthorSignatureError> {
        let key = author.key;
        let checked = self.check(key)?;
        let verified = checked.verify_strict(message, &author.signature);
        verified.map_err(|_| AuthorSignatureError::Signature { key })?;
        let mut keys = lock(&self.0);
        if keys.len() >= CHECKED_KEYS_MAX {
            keys.clear();
        }
        keys.entry(key).or_insert(checked);
        Ok(())
    }
}

impl Verified {
    /// Verifies strictly (decision 5), and reads the event.
    fn new(envelope: Envelope, keys: &CheckedKeys) -> Result<Self, AppendError> {
        let event = Event::from_bytes(envelope.event())?;
        let message = envelope.signing_bytes();
        envelope.signatures().iter().try_for_each(|author| keys.verify(author, &message))?;
        let signers = envelope.signers();
        let git = event.body.infra().map(|infra| Box::new(examine(infra)));
        Ok(Self { envelope, event, signers, git })
    }
}

impl Ledger {
    pub(super) fn new(writer: Writer) -> Self {
        let redactions = Redactions::of(&writer.disk, &writer.dir);
        Self { keys: CheckedKeys::default(), queue: Queue::new(), redactions, writer: Mutex::new(writer) }
    }

    /// Appends one event, durably. May be called from many threads; those that wait together share
    /// a batch.
    ///
    /// # Errors
    /// [`AppendError`].
    pub fn append(&self, envelope: Envelope) -> Outcome {
        self.append_batch(vec![envelope]).pop().expect("one outcome an envelope")
    }

    /// Appends events in order, durably, in as few batches as the bounds allow. One outcome each,
    /// in the same order; a refused one does not hold up the others.
    pub fn append_batch(&self, envelopes: Vec<Envelope>) -> Vec<Outcome> {
        let verified: Vec<Result<Verified, AppendError>> = if envelopes.len() < 8 {
            envelopes.into_iter().map(|envelope| Verified::new(envelope, &self.keys)).collect()
        } else {
            envelopes.into_par_iter().map(|envelope| Verified::new(envelope, &self.keys)).collect()
        };
        let (verified, marks) = self.mark_redactions(verified);
        let mut works = Vec::with_capacity(verified.len());
        let refused: Vec<Option<AppendError>> = verified
            .into_iter()
            .map(|verified| verified.map(|verified| works.push(verified)).err())
            .collect();
        let commit = |tickets| lock(&self.writer).commit(tickets);
        let mut outcomes = self.queue.submit(works, take_batch, commit).into_iter();
        let mut next = || outcomes.next().expect("one outcome an envelope");
        let outcomes: Vec<Outcome> =
            refused.into_iter().map(|refused| refused.map_or_else(&mut next, Err)).collect();
        self.settle_redactions(&marks, &outcomes);
        outcomes
    }

    /// Marks attachments that are about to be redacted. An event whose mark cannot be written is not appended.
    fn mark_redactions(
        &self,
        verified: Vec<Result<Verified, AppendError>>,
    ) -> (Vec<Result<Verified, AppendError>>, Vec<Option<Mark>>) {
        let mark = |work: Verified| {
            let mark = self.redactions.mark(&work.event, || self.size())?;
            Ok((work, mark))
        };
        let marked = verified.into_iter().map(|verified| verified.and_then(mark));
        marked
            .map(|marked| marked.map_or_else(|error| (Err(error), None), |(work, mark)| (Ok(work), mark)))
            .unzip()
    }

    /// Removes the bytes of attachments whose redaction is recorded.
    fn settle_redactions(&self, marks: &[Option<Mark>], outcomes: &[Outcome]) {
        for (mark, outcome) in marks.iter().zip(outcomes) {
            if let Some(warning) = mark.as_ref().and_then(|mark| self.redactions.settle(mark, outcome)) {
                lock(&self.writer).warnings.push(warning);
            }
        }
    }

    /// Says what an append would end in, and records nothing.
    ///
    /// # Errors
    /// [`AppendError`], but never an unknown outcome.
    pub fn try_append(&self, envelope: Envelope) -> Result<(), AppendError> {
        self.missing(envelope)?.into_iter().next().map_or(Ok(()), refused)
    }

    /// Everything that stands in the way of an event now, as far as the rules can tell it at once; nothing where it
    /// would be recorded. Records nothing.
    ///
    /// # Errors
    /// [`AppendError`], but neither a refusal nor an unknown outcome.
    pub fn missing(&self, envelope: Envelope) -> Result<Vec<Refusal>, AppendError> {
        let verified = Verified::new(envelope, &self.keys)?;
        let mut writer = lock(&self.writer);
        writer.check_sound()?;
        let recorded_at = writer.time()?;
        let missing = writer.recovering(|writer| writer.missing(&verified, recorded_at));
        missing.map_err(|error| index_error(&error))?
    }

    /// The event that used `id` and could still come again at `now`.
    ///
    /// # Errors
    /// [`AppendError::Index`].
    pub fn recorded_event(&self, id: &EventId, now: Timestamp) -> Result<Option<Event>, AppendError> {
        let bytes = self.read(|state| match state.event_id(id, now)? {
            Some(seen) => Ok(Some(state.source().entry(seen.entry)?.envelope.event().to_vec())),
            None => Ok(None),
        })?;
        Ok(bytes.map(|bytes| Event::from_bytes(&bytes)).transpose()?)
    }

    /// Hands the index's rows to sled now, so that the next opening replays nothing.
    ///
    /// # Errors
    /// [`AppendError::Poisoned`] and [`AppendError::Index`].
    pub fn flush_index(&self) -> Result<(), AppendError> {
        self.read(|state| state.source_mut().flush())
    }

    /// The key that a rotation is to put in force, where the ledger was opened for one and has it.
    #[must_use]
    pub fn next_log_key(&self) -> Option<PublicKey> {
        lock(&self.writer).keys.next()
    }

    /// Writes the next log key's file, where it has none yet: copied from `from`, or made, under `passphrase` if one is
    /// given. Before that no rotation to it is recorded.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub fn store_next_log_key(
        &self,
        from: Option<&Path>,
        passphrase: Option<&str>,
    ) -> Result<(), KeyFileError> {
        let mut writer = lock(&self.writer);
        match from {
            Some(file) => writer.keys.store_next_from(file),
            None => writer.keys.store_next(passphrase),
        }
    }

    /// How many entries the log has.
    #[must_use]
    pub fn size(&self) -> u64 {
        lock(&self.writer).state.source().reach().tree.size()
    }

    /// What the clock says, held to the times already recorded.
    ///
    /// # Errors
    /// [`AppendError::ClockBehind`] and [`AppendError::ClockAhead`].
    pub fn time(&self) -> Result<Timestamp, AppendError> {
        lock(&self.writer).time()
    }

    /// What went wrong beside the appends since the last call.
    pub fn take_warnings(&self) -> Vec<Warning> {
        std::mem::take(&mut lock(&self.writer).warnings)
    }

    /// Reads the state under the writer's lock. After a failure memory holds what may not be in the
    /// log, and is not read.
    ///
    /// # Errors
    /// [`AppendError::Poisoned`] and [`AppendError::Index`].
    fn read<T>(&self, read: impl Fn(&mut State<Derived>) -> Result<T, IndexError>) -> Result<T, AppendError> {
        let mut writer = lock(&self.writer);
        writer.check_sound()?;
        writer.recovering(|writer| read(&mut writer.state)).map_err(|error| index_error(&error))
    }

    /// What holds for the whole ledger.
    ///
    /// # Errors
    /// [`AppendError::Index`] and [`AppendError::Poisoned`].
    pub fn charter(&self) -> Result<Arc<Charter>, AppendError> {
        self.read(State::charter)?
            .ok_or_else(|| AppendError::Index { reason: "it knows no ledger.created".into() })
    }

    /// The policy in force.
    ///
    /// # Errors
    /// [`AppendError::Index`] and [`AppendError::Poisoned`].
    pub fn policy(&self) -> Result<Arc<ReleasePolicy>, AppendError> {
        self.read(State::policy)?.ok_or_else(|| AppendError::Index { reason: "it knows no policy".into() })
    }

    /// The holder of a key.
    ///
    /// # Errors
    /// [`AppendError::Index`] and [`AppendError::Poisoned`].
    pub fn holder(&self, key: &PublicKey) -> Result<Option<Arc<Holder>>, AppendError> {
        self.read(|state| state.holder(key))
    }

    /// A registered version.
    ///
    /// # Errors
    /// [`AppendError::Index`] and [`AppendError::Poisoned`].
    pub fn version(&self, model: &Name, version: &Name) -> Result<Option<Arc<VersionRow>>, AppendError> {
        self.read(|state| state.version(model, version))
    }

    /// The newest evaluations of a digest, of one kind.
    ///
    /// # Errors
    /// [`AppendError::Index`] and [`AppendError::Poisoned`].
    pub fn evaluations(
        &self,
        digest: Hash,
        kind: EvaluationKind,
    ) -> Result<Option<Arc<Evaluations>>, AppendError> {
        self.read(|state| state.evaluations(digest, kind))
    }

    /// What serves of a model in an environment.
    ///
    /// # Errors
    /// [`AppendError::Index`] and [`AppendError::Poisoned`].
    pub fn slot(
        &self,
        model: &Name,
        environment: &EnvironmentName,
    ) -> Result<Option<Arc<Slot>>, AppendError> {
        self.read(|state| state.slot(model, environment))
    }
}

/// The tickets of the next batch: as many as its bounds allow. A rotation of the log key has a batch of its own.
fn take_batch(queue: &mut VecDeque<Ticket>) -> Vec<Ticket> {
    let mut bytes = FRAME_OVERHEAD;
    let mut tickets = Vec::new();
    while let Some(ticket) = queue.front() {
        let Verified { envelope, event, .. } = &ticket.work;
        let is_rotation = matches!(event.body, Body::LogKeyRotated(_));
        if is_rotation && !tickets.is_empty() {
            break;
        }
        // An entry is its event, its signatures, and less than 128 bytes around them.
        bytes += envelope.event().len() + envelope.signatures().len() * 96 + 128;
        if tickets.len() == FRAME_ENTRIES_MAX || bytes > FRAME_BYTES_MAX {
            break;
        }
        tickets.extend(queue.pop_front());
        if is_rotation {
            break;
        }
    }
    tickets
}

fn refused<T>(refusal: Refusal) -> Result<T, AppendError> {
    Err(AppendError::Refused(refusal))
}

fn index_error(error: &IndexError) -> AppendError {
    AppendError::Index { reason: error.to_string() }
}

fn entry_bytes(index: u64, previous: Hash, recorded_at: Timestamp, verified: &Verified) -> Vec<u8> {
    let envelope = verified.envelope.clone();
    Entry { index, previous, recorded_at, state_root: None, envelope }.to_bytes()
}

impl Verified {
    fn at(&self, index: u64, recorded_at: Timestamp, leaf_hash: Hash) -> Submission<'_> {
        let git = GitEvidence::Found(self.git.as_deref());
        Submission { index, leaf_hash, recorded_at, event: &self.event, signers: &self.signers, git }
    }
}

/// What becomes of a ticket, once its batch is durable.
enum Fate {
    /// The entry at this place of the batch.
    Accepted(usize),
    /// As the ticket that was accepted at this place, for it is the same event.
    Repeats(usize),
    /// The event stands in this entry already.
    Known(u64),
    Failed(AppendError),
}

/// A batch before it is written.
struct Plan {
    recorded_at: Timestamp,
    tree: Frontier,
    previous: Hash,
    entries: Vec<Vec<u8>>,
    leaf_hashes: Vec<Hash>,
    changes: Vec<Changes>,
    fates: Vec<Fate>,
    /// The rotation of the log key that the batch consists of, if it is one.
    rotation: Option<LogKeyRotated>,
}

impl Writer {
    /// The time at which a batch written now is recorded.
    fn time(&self) -> Result<Timestamp, AppendError> {
        let (now, last) = (self.clock.now(), self.state.source().reach().last_recorded);
        let is_first = self.state.source().reach().tree.size() == 0;
        if now < last.plus_ms(-CLOCK_BEHIND_MAX_MS) {
            return Err(AppendError::ClockBehind { now, last });
        }
        let checked = self.clock_trust == ClockTrust::Checked && !is_first;
        if checked && now > last.plus_ms(CLOCK_AHEAD_MAX_MS) {
            return Err(AppendError::ClockAhead { now, last });
        }
        Ok(now.max(last))
    }

    fn check_sound(&self) -> Result<(), AppendError> {
        match &self.poisoned {
            Some(reason) => Err(AppendError::Poisoned { reason: reason.clone() }),
            None => Ok(()),
        }
    }

    /// Commits the tickets as one batch, and tells each its outcome.
    fn commit(&mut self, tickets: Vec<Ticket>) {
        if tickets.is_empty() {
            return;
        }
        let mut unanswered = Unanswered { writer: self, tickets };
        let outcomes = unanswered.writer.outcomes(&unanswered.tickets);
        for (ticket, outcome) in unanswered.tickets.drain(..).zip(outcomes) {
            ticket.tell(outcome);
        }
    }

    fn outcomes(&mut self, tickets: &[Ticket]) -> Vec<Outcome> {
        let all = |error: &AppendError| tickets.iter().map(|_| Err(error.clone())).collect();
        if let Err(error) = self.check_sound() {
            return all(&error);
        }
        let recorded_at = match self.time() {
            Ok(time) => time,
            Err(error) => return all(&error),
        };
        let plan = match self.recovering(|writer| writer.plan(tickets, recorded_at)) {
            Ok(plan) => plan,
            Err(error) => return all(&index_error(&error)),
        };
        match self.write(&plan) {
            Ok(note) => self.receipts(tickets, &plan, &note),
            Err(reason) => {
                // Memory holds what may not be in the log: it is not used again.
                self.poisoned = Some(reason.clone());
                tickets.iter().map(|ticket| unknown(ticket, &reason)).collect()
            }
        }
    }

    /// Why an event would not be recorded now; nothing where it would be, or is already.
    fn missing(
        &mut self,
        verified: &Verified,
        recorded_at: Timestamp,
    ) -> Result<Result<Vec<Refusal>, AppendError>, IndexError> {
        let Reach { tree, previous, .. } = self.state.source().reach().clone();
        let event_id = verified.event.header.event_id;
        if let Some(SeenEvent { entry, .. }) = self.state.event_id(&event_id, recorded_at)? {
            let is_same = self.state.source().entry(entry)?.envelope.event() == verified.envelope.event();
            let refusal = (!is_same).then_some(Refusal::EventIdReused { event_id, entry });
            return Ok(Ok(refusal.into_iter().collect()));
        }
        let bytes = entry_bytes(tree.size(), previous, recorded_at, verified);
        let submission = verified.at(tree.size(), recorded_at, Entry::leaf_hash(&bytes));
        let refusals = missing(&mut self.state, &submission)?;
        if refusals.is_empty()
            && let Err(error) = self.keys.check(&verified.event.body, true)
        {
            return Ok(Err(error));
        }
        Ok(Ok(refusals))
    }

    /// Judges the tickets in order, each on the state that those before it leave.
    fn plan(&mut self, tickets: &[Ticket], recorded_at: Timestamp) -> Result<Plan, IndexError> {
        let Reach { tree, previous, .. } = self.state.source().reach().clone();
        let mut plan = Plan {
            recorded_at,
            tree,
            previous,
            entries: Vec::new(),
            leaf_hashes: Vec::new(),
            changes: Vec::new(),
            fates: Vec::with_capacity(tickets.len()),
            rotation: None,
        };
        let first_index = plan.tree.size();
        for ticket in tickets {
            let fate = self.judge(&mut plan, first_index, &ticket.work)?;
            plan.fates.push(fate);
        }
        Ok(plan)
    }

    fn judge(&mut self, plan: &mut Plan, first_index: u64, verified: &Verified) -> Result<Fate, IndexError> {
        let header = &verified.event.header;
        if let Some(seen) = self.state.event_id(&header.event_id, plan.recorded_at)? {
            return self.judge_repeated(plan, first_index, verified, seen.entry);
        }
        let index = plan.tree.size();
        let bytes = entry_bytes(index, plan.previous, plan.recorded_at, verified);
        let leaf_hash = Entry::leaf_hash(&bytes);
        let changes = match apply(&mut self.state, &verified.at(index, plan.recorded_at, leaf_hash)) {
            Ok(changes) => changes,
            Err(ApplyError::Refused(refusal)) => return Ok(Fate::Failed(AppendError::Refused(refusal))),
            Err(ApplyError::Source(error)) => return Err(error),
        };
        if let Err(error) = self.keys.check(&verified.event.body, false) {
            return Ok(Fate::Failed(error));
        }
        if let Body::LogKeyRotated(rotation) = &verified.event.body {
            plan.rotation = Some((**rotation).clone());
        }
        self.state.commit(changes.clone(), plan.recorded_at);
        plan.tree.push(leaf_hash);
        plan.previous = leaf_hash;
        plan.entries.push(bytes);
        plan.leaf_hashes.push(leaf_hash);
        plan.changes.push(changes);
        Ok(Fate::Accepted(plan.entries.len() - 1))
    }

    /// The same event again is a retry; another one under the same id is refused.
    fn judge_repeated(
        &self,
        plan: &Plan,
        first_index: u64,
        verified: &Verified,
        entry: u64,
    ) -> Result<Fate, IndexError> {
        let place =
            entry.checked_sub(first_index).map(|place| usize::try_from(place).expect("at most 4,096"));
        let same = match place {
            Some(place) => {
                let stored = Entry::from_bytes(&plan.entries[place]).expect("it was encoded just now");
                stored.envelope.event() == verified.envelope.event()
            }
            None => self.state.source().entry(entry)?.envelope.event() == verified.envelope.event(),
        };
        Ok(match place {
            _ if !same => {
                let event_id = verified.event.header.event_id;
                Fate::Failed(AppendError::Refused(Refusal::EventIdReused { event_id, entry }))
            }
            Some(place) => Fate::Repeats(place),
            None => Fate::Known(entry),
        })
    }

    /// Writes the batch: log, head, index, anchors, in this order. Gives its checkpoint note.
    fn write(&mut self, plan: &Plan) -> Result<Vec<u8>, String> {
        if plan.entries.is_empty() {
            return Ok(Vec::new());
        }
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let checkpoint = Checkpoint::new(self.origin.clone(), plan.tree.size(), plan.tree.root());
        let note =
            sign_checkpoint(&checkpoint, &self.keys.signers(plan.rotation.as_ref())).map_err(|e| text(&e))?;
        let first_index = plan.tree.size() - plan.entries.len() as u64;
        let frame = encode_frame(first_index, &plan.entries, &note).map_err(|e| text(&e))?;
        // A crash before this line leaves nothing; inside it a torn or an unpublished whole frame.
        let location = self.log.append(&frame, first_index).map_err(|e| text(&e))?;
        // A crash here leaves a batch beyond `head`, which the next opening adopts.
        self.head.publish(plan.tree.size(), &note).map_err(|e| text(&e))?;
        if plan.rotation.is_some() {
            // A crash here leaves the key in force in the next one's file: the next opening finishes it.
            self.finish_rotation();
        }
        // From here on the batch is published. An index that cannot be written is merely behind.
        let view = FrameView::parse(&frame).expect("it was encoded just now");
        let reach = Reach {
            tree: plan.tree.clone(),
            previous: plan.previous,
            last_recorded: plan.recorded_at,
            last_frame: location.position(),
        };
        let derived = self.state.source_mut();
        let recorded = derived
            .record(&location, view.entry_offsets(), &plan.leaf_hashes, &plan.changes, reach)
            .and_then(|()| derived.flush_beyond(INDEX_LAG_MAX));
        match recorded {
            Ok(()) => self.state.forget_above(CACHED_ROWS_MAX),
            Err(error) => self.mend(&error),
        }
        self.write_anchors(&note);
        Ok(note)
    }

    /// A rotation is published: its key signs from here on, and the files follow.
    fn finish_rotation(&mut self) {
        self.keys.rotate();
        // The charter with the new key was committed to memory when the batch was planned: nothing is read.
        if let Ok(Some(charter)) = self.state.charter() {
            let (disk, files) = (self.disk.as_ref(), &self.keys.files);
            let told = finish_rotation(disk, &self.dir, &self.origin, &charter, files);
            self.warnings.extend(matches!(told, Warning::RotationUnfinished { .. }).then_some(told));
        }
    }

    /// After the index failed under a batch that is published: one that is damaged is built anew, that batch
    /// included. Where the system refuses it something, building would be refused too.
    fn mend(&mut self, error: &IndexError) {
        let mended = match error {
            IndexError::Damaged { .. } => self.rebuild(error).map_err(|error| error.to_string()),
            error => Err(error.to_string()),
        };
        if let Err(reason) = mended {
            self.poisoned = Some(reason);
        }
    }

    /// Of each anchor only the newest warning is kept, so that a lost disk fills no memory.
    fn write_anchors(&mut self, note: &[u8]) {
        for path in &self.anchors {
            let Err(error) = write_anchor_on(self.disk.as_ref(), path, note) else { continue };
            self.warnings
                .retain(|warning| !matches!(warning, Warning::Anchor { path: of, .. } if of == path));
            self.warnings.push(Warning::Anchor { path: path.clone(), reason: error.to_string() });
        }
    }

    fn receipts(&mut self, tickets: &[Ticket], plan: &Plan, note: &[u8]) -> Vec<Outcome> {
        let note = String::from_utf8_lossy(note).into_owned();
        let first_index = plan.tree.size() - plan.entries.len() as u64;
        let receipt = |ticket: &Ticket, place: usize, repeated| Receipt {
            index: first_index + place as u64,
            leaf_hash: plan.leaf_hashes[place],
            event_id: ticket.work.event.header.event_id,
            recorded_at: plan.recorded_at,
            checkpoint: note.clone(),
            repeated,
        };
        let mut outcome = |(ticket, fate): (&Ticket, &Fate)| match fate {
            Fate::Accepted(place) => Ok(receipt(ticket, *place, false)),
            Fate::Repeats(place) => Ok(receipt(ticket, *place, true)),
            Fate::Failed(error) => Err(error.clone()),
            Fate::Known(entry) => {
                let first = self.recovering(|writer| writer.first_receipt(*entry));
                first.map_err(|error| index_error(&error))
            }
        };
        tickets.iter().zip(&plan.fates).map(&mut outcome).collect()
    }

    /// The receipt that an event got when it was recorded.
    fn first_receipt(&self, index: u64) -> Result<Receipt, IndexError> {
        let derived = self.state.source();
        let entry = derived.entry(index)?;
        let damaged = |what: String| IndexError::Damaged { what };
        let event = Event::from_bytes(entry.envelope.event()).map_err(|error| damaged(error.to_string()))?;
        let frame = frame_of(&self.log, derived, index).map_err(damaged)?;
        Ok(Receipt {
            index,
            leaf_hash: Entry::leaf_hash(&entry.to_bytes()),
            event_id: event.header.event_id,
            recorded_at: entry.recorded_at,
            checkpoint: String::from_utf8_lossy(frame.view().note()).into_owned(),
            repeated: true,
        })
    }

    /// Does what rests on the index; where the index fails, once more on one built anew.
    fn recovering<T>(&mut self, act: impl Fn(&mut Self) -> Result<T, IndexError>) -> Result<T, IndexError> {
        let error = match act(self) {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        let again = self.rebuild(&error).and_then(|()| act(self));
        if let Err(error) = &again {
            self.poisoned = Some(error.to_string());
        }
        again
    }

    /// Throws the index away and builds it again from the log.
    fn rebuild(&mut self, error: &IndexError) -> Result<(), IndexError> {
        let reason = error.to_string();
        // sled writes by path, on dropping too: the old rows go before the new ones come.
        self.state.source_mut().close();
        let rebuilt = Opened::rebuild_index(&self.dir, &self.log, &self.origin)?;
        self.state = State::over(rebuilt);
        self.warnings.push(Warning::IndexRebuilt { reason });
        Ok(())
    }
}

/// The frame that holds entry `index`.
pub(super) fn frame_of(log: &FileLog, derived: &Derived, index: u64) -> Result<Frame, String> {
    let (file, offset) = derived.frame_of(index).map_err(|error| error.to_string())?;
    let header = read_header(log, Position { file, offset, index }).map_err(|error| error.to_string())?;
    if !(header.first_index()..header.next_index()).contains(&index) {
        return Err(format!("the batch where entry {index} should lie does not hold it"));
    }
    let at = Position { file, offset, index: header.first_index() };
    read_frame(log, at).map_err(|error| error.to_string())
}
