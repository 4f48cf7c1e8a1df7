//! Opening for writing: lock, head, log, index, anchors, in this order, and what a writer that was
//! stopped left behind.
//!
//! 1. The lock is taken, so that nobody else writes.
//! 2. `head` is read, and its checkpoint must bear the log key's signature.
//! 3. The log's tail is synced before anything is believed, then walked. A torn last write beyond
//!    `head` is cut; whole frames beyond it are adopted if the log key signed them. A log that is
//!    damaged below `head`, or shorter, is not written to.
//! 4. The index is opened, or built again, and brought up to the log: each frame's checkpoint must
//!    be over the very tree that its entries make.
//! 5. Every anchor must hold a checkpoint of this log's past.
//! 6. `head` is healed from the log, never the reverse; anchors that lie behind are brought up to it.
//! 7. The bytes of attachments whose redaction stands in the log are removed, where that was cut short.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::event::body::{Event, EventError};
use crate::hash::Hash;
use crate::index::rows::IndexError;
use crate::ledger::config::{Config, ConfigError};
use crate::ledger::derived::{Derived, Reach};
use crate::ledger::receipt::Warning;
use crate::ledger::redaction::Redactions;
use crate::ledger::writer::{ClockTrust, INDEX_LAG_LEFT, Ledger, Writer, frame_of};
use crate::lifecycle::refusal::Refusal;
use crate::lifecycle::rules::{self, Submission};
use crate::lifecycle::state::{Changes, State};
use crate::log::entry::Entry;
use crate::log::reader::LOG_DIR;
use crate::note::checkpoint::{CheckpointNote, OpenError, Origin, OriginError, open_checkpoint};
use crate::note::vkey::{VerifierKey, VkeyError};
use crate::signing::key_file::{AskPassphrase, KeyFileError, SecretKey};
use crate::store::anchor::{AnchorError, read_anchor_on, write_anchor_on};
use crate::store::batch_log::{BatchLog, BatchSource, FrameLocation, Position, StoreError};
use crate::store::disk::{Disk, RealDisk};
use crate::store::files::{FileLog, RollSize};
use crate::store::head::{HeadError, HeadFile, HeadState, read_head_on};
use crate::store::lock::{Holder, LockError, WriterLock};
use crate::store::scan::{ScanError, Scanner, read_frame};
use crate::store::tail::{TailCondition, TailState, walk_tail};
use crate::time::Clock;

/// The file that the one writer locks.
pub const LOCK_FILE: &str = "lock";
/// How long a writer waits for the lock unless told.
pub const LOCK_TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);
/// After so many changed rows, a rebuild hands them to sled.
const REBUILD_FLUSH_ROWS: usize = 100_000;

/// How a ledger is opened.
pub struct OpenOptions<'a> {
    /// How long to wait for the lock.
    pub lock_timeout: Duration,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Whether somebody vouches for it.
    pub clock_trust: ClockTrust,
    /// Asked for the log key's passphrase, if it has one.
    pub ask_passphrase: &'a mut AskPassphrase<'a>,
}

/// Why a ledger was not opened for writing.
#[derive(Debug, thiserror::Error)]
pub enum OpeningError {
    /// Its settings cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Somebody else is writing.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The log key cannot be used.
    #[error("the log key: {0}")]
    LogKey(#[from] KeyFileError),
    /// The origin in the settings is no origin.
    #[error(transparent)]
    Origin(#[from] OriginError),
    /// The log key is no good key.
    #[error(transparent)]
    Vkey(#[from] VkeyError),
    /// `head` could not be read.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// Nothing was recorded yet.
    #[error("the ledger in {} holds no entry yet: `rollbook init` makes entry 0", dir.display())]
    Empty {
        /// The ledger.
        dir: PathBuf,
    },
    /// Entries lie in the log, and no checkpoint covers them.
    #[error(
        "`head` holds no readable checkpoint, and the log is not empty; nothing is written to such a ledger: run `rollbook verify`"
    )]
    HeadLost,
    /// The checkpoint in `head` is not the log key's.
    #[error("the checkpoint in `head` is not signed by the log key {}: {error}", path.display())]
    HeadNotOurs {
        /// The log key's file.
        path: PathBuf,
        /// What is wrong.
        error: OpenError,
    },
    /// The batch that ends where `head` ends has another checkpoint.
    #[error(
        "the log does not hold the checkpoint that `head` published at size {size}: run `rollbook verify`"
    )]
    HeadDisagrees {
        /// The published size.
        size: u64,
    },
    /// The log is damaged below the published size.
    #[error("the log is damaged and opens for reading only: {condition}; run `rollbook verify`")]
    Damaged {
        /// What was seen.
        condition: TailCondition,
    },
    /// The log is shorter than what was published.
    #[error(
        "the log holds {size} entries, and {published} were published: it was restored from an older copy, or lost; nothing is written to it"
    )]
    Shorter {
        /// Entries in the log.
        size: u64,
        /// Entries published.
        published: u64,
    },
    /// A frame's checkpoint is not over the tree that its entries make.
    #[error("entry {index}: the log contradicts itself ({reason}); run `rollbook verify`")]
    Inconsistent {
        /// Where.
        index: u64,
        /// How.
        reason: String,
    },
    /// An entry was written by a newer program.
    #[error("entry {index} was written by a newer version: {reason}")]
    Newer {
        /// Where.
        index: u64,
        /// What it holds.
        reason: String,
    },
    /// An anchor could not be read.
    #[error(transparent)]
    Anchor(#[from] AnchorError),
    /// An anchor holds what isn't this log's past.
    #[error("the anchor {} holds a checkpoint of size {size} that this log ({log_size} entries) does not extend: the log was restored from an older copy, or replaced; nothing is written to it", path.display())]
    AnchorDisagrees {
        /// The anchor.
        path: PathBuf,
        /// Its size.
        size: u64,
        /// The log's.
        log_size: u64,
    },
    /// An anchor holds no checkpoint by the log key.
    #[error("the anchor {} holds no checkpoint of this log: {error}", path.display())]
    AnchorUnreadable {
        /// The anchor.
        path: PathBuf,
        /// Why.
        error: OpenError,
    },
    /// The log could not be read or written.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// The index could not be built.
    #[error("the index cannot be built: {0}")]
    Index(#[from] IndexError),
}

impl From<StoreError> for OpeningError {
    fn from(error: StoreError) -> Self {
        Self::Scan(error.into())
    }
}

impl Ledger {
    /// Opens the ledger in `dir` for writing.
    ///
    /// # Errors
    /// [`OpeningError`]; the ledger is then as it was, but for a torn write that was cut.
    pub fn open(dir: &Path, options: OpenOptions<'_>) -> Result<Self, OpeningError> {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        Self::open_on(&disk, dir, options)
    }

    /// As [`Ledger::open`], with log, `head` and anchors written through a given disk. What is only
    /// derived, and readers, go by the machine's own.
    ///
    /// # Errors
    /// As [`Ledger::open`].
    pub fn open_on(disk: &Arc<dyn Disk>, dir: &Path, options: OpenOptions<'_>) -> Result<Self, OpeningError> {
        Self::open_rolling_on(disk, dir, RollSize::DEFAULT, options)
    }

    /// As [`Ledger::open_on`], with log files of another size.
    ///
    /// # Errors
    /// As [`Ledger::open`].
    pub fn open_rolling_on(
        disk: &Arc<dyn Disk>,
        dir: &Path,
        roll_size: RollSize,
        options: OpenOptions<'_>,
    ) -> Result<Self, OpeningError> {
        let (locked, clock, clock_trust) = Locked::take(dir, options)?;
        locked.open(disk, roll_size, clock, clock_trust)
    }
}

/// A ledger that nobody else writes to, before anything of it is believed.
pub(super) struct Locked<'a> {
    pub(super) dir: &'a Path,
    pub(super) config: Config,
    log_key: SecretKey,
    lock: WriterLock,
}

impl<'a> Locked<'a> {
    /// Reads the settings and the log key, and takes the lock.
    pub(super) fn take(
        dir: &'a Path,
        options: OpenOptions<'_>,
    ) -> Result<(Self, Arc<dyn Clock>, ClockTrust), OpeningError> {
        let OpenOptions { lock_timeout, clock, clock_trust, ask_passphrase } = options;
        let config = Config::read(dir)?;
        let log_key = config.read_log_key(dir, ask_passphrase)?;
        let holder = Holder::of_this_process(clock.now());
        let lock = WriterLock::acquire(&dir.join(LOCK_FILE), &holder, lock_timeout)?;
        Ok((Self { dir, config, log_key, lock }, clock, clock_trust))
    }

    /// Opens it for writing.
    pub(super) fn open(
        self,
        disk: &Arc<dyn Disk>,
        roll_size: RollSize,
        clock: Arc<dyn Clock>,
        clock_trust: ClockTrust,
    ) -> Result<Ledger, OpeningError> {
        let Self { dir, config, log_key, lock } = self;
        let opened = Opened::open(disk, dir, &config, log_key, roll_size)?;
        Ok(opened.into_ledger(dir, &config, lock, clock, clock_trust))
    }

    /// The log's name and verifier key.
    pub(super) fn identity(&self) -> Result<(Origin, VerifierKey), OpeningError> {
        let origin = Origin::new(self.config.origin.clone())?;
        let vkey = VerifierKey::new_ed25519(origin.as_str(), self.log_key.public_key())?;
        Ok((origin, vkey))
    }
}

/// A ledger whose files agree, before it takes events.
pub(super) struct Opened {
    disk: Arc<dyn Disk>,
    log: FileLog,
    head: HeadFile,
    derived: Derived,
    origin: Origin,
    log_key: SecretKey,
    warnings: Vec<Warning>,
}

impl Opened {
    fn open(
        disk: &Arc<dyn Disk>,
        dir: &Path,
        config: &Config,
        log_key: SecretKey,
        roll_size: RollSize,
    ) -> Result<Self, OpeningError> {
        let origin = Origin::new(config.origin.clone())?;
        let vkey = VerifierKey::new_ed25519(origin.as_str(), log_key.public_key())?;
        let published = published(dir, config, &read_head_on(disk.as_ref(), dir)?, &vkey)?;
        if published.is_none() && !dir.join(LOG_DIR).exists() {
            return Err(OpeningError::Empty { dir: dir.to_owned() });
        }
        let mut log = FileLog::open_on(Arc::clone(disk), &dir.join(LOG_DIR), roll_size)?;
        let size = published.as_ref().map_or(0, |note| note.checkpoint().size());
        let (derived, mut warnings) = open_index(dir)?;
        let hint = Some(derived.reach().last_frame).filter(|_| derived.reach().tree.size() > 0);
        let tail = judge_tail(&log, size, hint)?;
        check_tail(&tail, published.is_some(), dir)?;
        check_published(&log, &tail, published.as_ref())?;
        log.resume(&tail)?;
        if let Some(torn) = tail.torn() {
            warnings.push(Warning::TornTail { bytes: torn.bytes() });
        }
        let end = tail.sound_until().index;
        let derived = match follow(derived, &log, &origin, &vkey, end) {
            Ok(derived) => derived,
            Err(FollowError::Index(error)) => {
                warnings.push(Warning::IndexRebuilt { reason: error.to_string() });
                let fresh = Derived::create(dir)?;
                follow(fresh, &log, &origin, &vkey, end)?
            }
            Err(FollowError::Log(error)) => return Err(error),
        };
        let anchors = config.anchor_paths(dir);
        let (derived, anchors_behind) = match check_anchors(disk.as_ref(), &anchors, &log, &derived, &vkey) {
            // The index may have led astray: on its word alone no log is refused.
            Err(OpeningError::AnchorDisagrees { size, .. }) if size <= end => {
                drop(derived);
                let fresh = follow(Derived::create(dir)?, &log, &origin, &vkey, end)?;
                let behind = check_anchors(disk.as_ref(), &anchors, &log, &fresh, &vkey)?;
                warnings.push(Warning::IndexRebuilt { reason: "its offsets are not the log's".into() });
                (fresh, behind)
            }
            checked => (derived, checked?),
        };
        let mut head = HeadFile::open_on(disk.as_ref(), dir)?;
        if let Some(last) = tail.frames_beyond_head().last() {
            let frame = read_frame(&log, last.position())?;
            head.publish(last.next_index(), frame.view().note())?;
            warnings.push(Warning::Adopted { entries: end - size });
        }
        warnings.extend(catch_up(disk.as_ref(), anchors_behind, head.state()));
        warnings.extend(Redactions::of(disk, dir).resume(&log, &derived));
        Ok(Self { disk: Arc::clone(disk), log, head, derived, origin, log_key, warnings })
    }

    fn into_ledger(
        self,
        dir: &Path,
        config: &Config,
        lock: WriterLock,
        clock: Arc<dyn Clock>,
        clock_trust: ClockTrust,
    ) -> Ledger {
        Ledger::new(Writer {
            disk: self.disk,
            log: self.log,
            head: self.head,
            state: State::over(self.derived),
            dir: dir.to_owned(),
            origin: self.origin,
            log_key: self.log_key,
            anchors: config.anchor_paths(dir),
            clock,
            clock_trust,
            warnings: self.warnings,
            poisoned: None,
            _lock: lock,
        })
    }

    /// Builds the index of a log that is open and sound.
    pub(super) fn rebuild_index(
        dir: &Path,
        log: &FileLog,
        origin: &Origin,
        log_key: &SecretKey,
    ) -> Result<Derived, IndexError> {
        let damaged = |what: String| IndexError::Damaged { what };
        let vkey = VerifierKey::new_ed25519(origin.as_str(), log_key.public_key())
            .map_err(|error| damaged(error.to_string()))?;
        let end = log.end().ok_or_else(|| damaged("the log is not open for appending".into()))?.index;
        let fresh = Derived::create(dir)?;
        follow(fresh, log, origin, &vkey, end).map_err(|error| damaged(error.to_string()))
    }
}

/// The checkpoint in `head`; none where nothing was ever published.
pub(super) fn published(
    dir: &Path,
    config: &Config,
    head: &HeadState,
    vkey: &VerifierKey,
) -> Result<Option<CheckpointNote>, OpeningError> {
    match head {
        HeadState::Published { head, .. } => {
            let path = config.log_key_path(dir);
            let opened = open_checkpoint(head.note(), vkey);
            Ok(Some(opened.map_err(|error| OpeningError::HeadNotOurs { path, error })?))
        }
        HeadState::Missing | HeadState::FirstWriteTorn => Ok(None),
        HeadState::BothBad => Err(OpeningError::HeadLost),
    }
}

/// Looks at the log's tail. The index's hint may save time, and nothing else: what looks unsound from
/// there is looked at again without it.
fn judge_tail(log: &FileLog, published: u64, hint: Option<Position>) -> Result<TailState, StoreError> {
    let tail = TailState::judge(walk_tail(log, published, hint)?);
    let is_sound = tail.condition() == &TailCondition::Sound && tail.last_published().is_some();
    if is_sound || hint.is_none() {
        return Ok(tail);
    }
    Ok(TailState::judge(walk_tail(log, published, None)?))
}

fn check_tail(tail: &TailState, has_head: bool, dir: &Path) -> Result<(), OpeningError> {
    match tail.condition() {
        TailCondition::Damaged(_) => Err(OpeningError::Damaged { condition: tail.condition().clone() }),
        &TailCondition::Shorter { size, published } => Err(OpeningError::Shorter { size, published }),
        _ if has_head => Ok(()),
        _ if tail.sound_until().index > 0 => Err(OpeningError::HeadLost),
        _ => Err(OpeningError::Empty { dir: dir.to_owned() }),
    }
}

/// The frame that ends where `head` ends holds the checkpoint that `head` holds.
fn check_published(
    log: &FileLog,
    tail: &TailState,
    published: Option<&CheckpointNote>,
) -> Result<(), OpeningError> {
    let Some(published) = published else { return Ok(()) };
    let size = published.checkpoint().size();
    let disagrees = || OpeningError::HeadDisagrees { size };
    let last = tail.last_published().ok_or_else(disagrees)?;
    let frame = read_frame(log, last.position())?;
    let note = CheckpointNote::parse_unverified(frame.view().note()).map_err(|_| disagrees())?;
    if note.checkpoint() == published.checkpoint() { Ok(()) } else { Err(disagrees()) }
}

/// Opens the index; one that cannot be used is begun anew.
fn open_index(dir: &Path) -> Result<(Derived, Vec<Warning>), OpeningError> {
    match Derived::open(dir) {
        Ok(derived) => Ok((derived, Vec::new())),
        // After a start of the machine that is as it should be, and no news.
        Err(IndexError::OtherBoot) => Ok((Derived::create(dir)?, Vec::new())),
        Err(error) => {
            let warning = Warning::IndexRebuilt { reason: error.to_string() };
            Ok((Derived::create(dir)?, vec![warning]))
        }
    }
}

/// Why an index could not follow the log.
#[derive(Debug, thiserror::Error)]
pub(super) enum FollowError {
    /// The index is at fault: it is built anew.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The log is.
    #[error(transparent)]
    Log(#[from] OpeningError),
}

impl From<FollowError> for OpeningError {
    fn from(error: FollowError) -> Self {
        match error {
            FollowError::Index(error) => Self::Index(error),
            FollowError::Log(error) => error,
        }
    }
}

/// Brings the index up to the log's `end`, with the very rules that appending uses.
pub(super) fn follow(
    mut derived: Derived,
    log: &dyn BatchSource,
    origin: &Origin,
    vkey: &VerifierKey,
    end: u64,
) -> Result<Derived, FollowError> {
    let start = follow_from(&derived, log, vkey, end)?;
    if derived.reach().tree.size() == end {
        return Ok(derived);
    }
    let mut state = State::over(derived);
    let mut scanner = Scanner::new(log, start, end).map_err(OpeningError::from)?;
    while let Some(located) = scanner.next_frame() {
        let located = located.map_err(OpeningError::from)?;
        let frame = located.frame;
        let replayed = replay(&mut state, frame.first_index(), frame.entries(), located.location)?;
        check_note(frame.note(), origin, vkey, &replayed.reach)?;
        let derived = state.source_mut();
        derived.record(&located.location, frame.entry_offsets(), &replayed.changes, replayed.reach)?;
        if derived.pending() > REBUILD_FLUSH_ROWS {
            derived.flush()?;
            state.forget_above(REBUILD_FLUSH_ROWS);
        }
    }
    derived = state.into_source();
    derived.flush_beyond(INDEX_LAG_LEFT)?;
    Ok(derived)
}

/// Where the log goes on behind what the index knows: behind its last frame, if that is the log's.
fn follow_from(
    derived: &Derived,
    log: &dyn BatchSource,
    vkey: &VerifierKey,
    end: u64,
) -> Result<Position, FollowError> {
    let reach = derived.reach();
    if reach.tree.size() == 0 {
        return Ok(Position::START);
    }
    let foreign = |what: &str| FollowError::Index(IndexError::Damaged { what: what.into() });
    if reach.tree.size() > end {
        return Err(foreign("it is ahead of the log"));
    }
    let frame = read_frame(log, reach.last_frame).map_err(|_| foreign("its last batch is not in the log"))?;
    let view = frame.view();
    let note = open_checkpoint(view.note(), vkey).map_err(|_| foreign("it is another log's"))?;
    let checkpoint = note.checkpoint();
    if checkpoint.size() != reach.tree.size() || *checkpoint.root() != reach.tree.root() {
        return Err(foreign("it was built for another log"));
    }
    let last = view.entries().last().and_then(|bytes| Some((Entry::from_bytes(bytes).ok()?, bytes)));
    let goes_on = last.is_some_and(|(entry, bytes)| {
        entry.recorded_at == reach.last_recorded && Entry::leaf_hash(bytes) == reach.previous
    });
    if !goes_on {
        return Err(foreign("its last entry is not the log's"));
    }
    Ok(FrameLocation::new(reach.last_frame, &view.header()).end())
}

/// What a frame's entries come to.
struct Replayed {
    changes: Vec<Changes>,
    reach: Reach,
}

fn replay<'a>(
    state: &mut State<Derived>,
    first_index: u64,
    entries: impl Iterator<Item = &'a [u8]>,
    location: FrameLocation,
) -> Result<Replayed, FollowError> {
    let mut reach = Reach { last_frame: location.position(), ..state.source().reach().clone() };
    let mut all_changes = Vec::new();
    for (index, bytes) in (first_index..).zip(entries) {
        let inconsistent = |reason: String| OpeningError::Inconsistent { index, reason };
        let entry = Entry::from_bytes(bytes).map_err(|error| inconsistent(error.to_string()))?;
        if entry.index != index || entry.previous != reach.previous {
            return Err(inconsistent("the chain is broken".into()).into());
        }
        let leaf_hash = Entry::leaf_hash(bytes);
        let changes = judge(state, &entry, leaf_hash)?;
        state.commit(changes.clone(), entry.recorded_at);
        all_changes.push(changes);
        reach.tree.push(leaf_hash);
        reach.previous = leaf_hash;
        reach.last_recorded = entry.recorded_at;
    }
    Ok(Replayed { changes: all_changes, reach })
}

/// What an entry of the log changes. One that breaks the rules changes nothing, but its id is used.
fn judge(state: &mut State<Derived>, entry: &Entry, leaf_hash: Hash) -> Result<Changes, FollowError> {
    let index = entry.index;
    let event = Event::from_bytes(entry.envelope.event()).map_err(|error| unreadable(index, &error))?;
    let (recorded_at, signers) = (entry.recorded_at, entry.envelope.signers());
    let submission = Submission { index, leaf_hash, recorded_at, event: &event, signers: &signers };
    match rules::replay(state, &submission)? {
        (_, Some(refusal)) if refusal.needs_upgrade() => Err(newer(index, &refusal)),
        (changes, _) => Ok(changes),
    }
}

fn newer(index: u64, refusal: &Refusal) -> FollowError {
    OpeningError::Newer { index, reason: refusal.to_string() }.into()
}

fn unreadable(index: u64, error: &EventError) -> FollowError {
    let reason = error.to_string();
    FollowError::Log(if error.needs_upgrade() {
        OpeningError::Newer { index, reason }
    } else {
        OpeningError::Inconsistent { index, reason }
    })
}

/// A frame's checkpoint is the log key's, over the tree that the entries make.
fn check_note(note: &[u8], origin: &Origin, vkey: &VerifierKey, reach: &Reach) -> Result<(), OpeningError> {
    let index = reach.tree.size();
    let inconsistent = |reason: String| OpeningError::Inconsistent { index, reason };
    let opened = open_checkpoint(note, vkey).map_err(|error| inconsistent(error.to_string()))?;
    let checkpoint = opened.checkpoint();
    let fits = checkpoint.origin() == origin
        && checkpoint.size() == reach.tree.size()
        && *checkpoint.root() == reach.tree.root();
    if fits { Ok(()) } else { Err(inconsistent("the checkpoint is not over these entries".into())) }
}

/// Every anchor holds a checkpoint that one of this log's batches holds too. Gives those that were not
/// written yet, or lie behind the log.
fn check_anchors(
    disk: &dyn Disk,
    anchors: &[PathBuf],
    log: &FileLog,
    derived: &Derived,
    vkey: &VerifierKey,
) -> Result<Vec<PathBuf>, OpeningError> {
    let log_size = derived.reach().tree.size();
    let mut behind = Vec::new();
    for path in anchors {
        let Some(bytes) = read_anchor_on(disk, path)? else {
            behind.push(path.clone());
            continue;
        };
        let unreadable = |error| OpeningError::AnchorUnreadable { path: path.clone(), error };
        let anchor = open_checkpoint(&bytes, vkey).map_err(unreadable)?;
        let size = anchor.checkpoint().size();
        let disagrees = || OpeningError::AnchorDisagrees { path: path.clone(), size, log_size };
        if size > log_size {
            return Err(disagrees());
        }
        if size < log_size {
            behind.push(path.clone());
        }
        let Some(last) = size.checked_sub(1) else { continue };
        let frame = frame_of(log, derived, last).map_err(|_| disagrees())?;
        let note = CheckpointNote::parse_unverified(frame.view().note()).map_err(|_| disagrees())?;
        if note.checkpoint() != anchor.checkpoint() {
            return Err(disagrees());
        }
    }
    Ok(behind)
}

/// Writes the checkpoint in `head` to the anchors that lie behind: a writer was stopped before it could.
fn catch_up(disk: &dyn Disk, anchors: Vec<PathBuf>, head: &HeadState) -> Vec<Warning> {
    let Some(head) = head.head() else { return Vec::new() };
    let write = |path: PathBuf| {
        let error = write_anchor_on(disk, &path, head.note()).err()?;
        Some(Warning::Anchor { path, reason: error.to_string() })
    };
    anchors.into_iter().filter_map(write).collect()
}
