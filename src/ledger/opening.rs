//! Opening for writing: lock, head, log, index, anchors, in this order, and what a writer that was
//! stopped left behind.
//!
//! 1. The lock is taken, so that nobody else writes.
//! 2. `head` is read, and its checkpoint must bear the log key's signature. Where neither the log key at hand nor
//!    the next one signed it, the log is asked which key was in force there.
//! 3. The log's tail is synced before anything is believed, then walked. A torn last write beyond
//!    `head` is cut; whole frames beyond it are adopted if the log key signed them. A log that is
//!    damaged below `head`, or shorter, is not written to.
//! 4. The index is opened, or built again, and brought up to the log: each frame's checkpoint must
//!    be over the very tree that its entries make, and signed by the log's key at that size.
//! 5. Every anchor must hold a checkpoint of this log's past.
//! 6. The log's key at its end must be at hand.
//! 7. `head` is healed from the log, never the reverse; anchors that lie behind are brought up to it. A rotation of
//!    the log key that was recorded, and whose files did not follow, is finished.
//! 8. The bytes of attachments whose redaction stands in the log are removed, where that was cut short.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::event::body::{Event, EventError};
use crate::hash::Hash;
use crate::index::rows::IndexError;
use crate::ledger::config::{Config, ConfigError};
use crate::ledger::create::TRUST_FILE;
use crate::ledger::derived::{Derived, Reach};
use crate::ledger::key_history::{BatchSigners, log_keys_of};
use crate::ledger::log_key::{KeysAtHand, LogKeyFiles, Purpose, SigningKeys};
use crate::ledger::receipt::Warning;
use crate::ledger::redaction::Redactions;
use crate::ledger::writer::{ClockTrust, INDEX_LAG_LEFT, Ledger, Writer, frame_of};
use crate::lifecycle::refusal::Refusal;
use crate::lifecycle::rules::{self, GitEvidence, Submission};
use crate::lifecycle::state::{Changes, Charter, Row, RowKey, RowSource as _, State};
use crate::log::entry::Entry;
use crate::log::quorum::Witnesses;
use crate::log::reader::LOG_DIR;
use crate::log::trust_root::{ReadTrustRootError, TRUST_ROOT_BYTES_MAX, TrustRoot};
use crate::note::checkpoint::{CheckpointNote, OpenError, Origin, OriginError, open_checkpoint};
use crate::note::signed_note::NoteVerifyError;
use crate::note::vkey::{VerifierKey, VkeyError};
use crate::signing::key_file::{AskPassphrase, KeyFileError, SecretKey};
use crate::signing::public_key::PublicKey;
use crate::store::anchor::{AnchorError, read_anchor_on, write_anchor_on};
use crate::store::batch_log::{BatchLog, BatchSource, FrameLocation, Position, StoreError};
use crate::store::disk::{Access, Disk, RealDisk, write_whole};
use crate::store::files::{FileLog, FileSource, RollSize};
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
    /// The log's key was replaced, and the new one is not at hand.
    #[error("entry {entry} put the log key {key} in force: neither {} nor the same with .next behind it holds it", path.display())]
    LogKeyReplaced {
        /// The log key's file.
        path: PathBuf,
        /// The rotation.
        entry: u64,
        /// The key in force.
        key: PublicKey,
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
    /// Entry 0 founds no ledger.
    #[error("the log begins with no lawful ledger.created: run `rollbook verify`")]
    Unfounded,
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
        let (locked, clock, clock_trust) = Locked::take(dir, options, &Purpose::Events)?;
        locked.open(disk, roll_size, clock, clock_trust, Purpose::Events)
    }

    /// Opens the ledger in `dir` to rotate its log key. The key in force need not be at hand; without it, only a
    /// rotation that does without it can be recorded. `fresh` is the next key, where no file holds one yet
    /// ([`LogKeyFiles::has_next`]).
    ///
    /// # Errors
    /// As [`Ledger::open`].
    pub fn open_for_rotation(
        dir: &Path,
        options: OpenOptions<'_>,
        fresh: Option<SecretKey>,
    ) -> Result<Self, OpeningError> {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        Self::open_for_rotation_on(&disk, dir, options, fresh)
    }

    /// As [`Ledger::open_for_rotation`], on a given disk, which the key files do not lie on.
    ///
    /// # Errors
    /// As [`Ledger::open`].
    pub fn open_for_rotation_on(
        disk: &Arc<dyn Disk>,
        dir: &Path,
        options: OpenOptions<'_>,
        fresh: Option<SecretKey>,
    ) -> Result<Self, OpeningError> {
        let purpose = Purpose::Rotation { fresh: fresh.map(Box::new) };
        let (locked, clock, clock_trust) = Locked::take(dir, options, &purpose)?;
        locked.open(disk, RollSize::DEFAULT, clock, clock_trust, purpose)
    }
}

/// A ledger that nobody else writes to, before anything of it is believed.
pub(super) struct Locked<'a, 'o> {
    pub(super) dir: &'a Path,
    config: Config,
    keys: KeysAtHand<'o>,
    lock: WriterLock,
}

impl<'a, 'o> Locked<'a, 'o> {
    /// Reads the settings and the log key, and takes the lock.
    pub(super) fn take(
        dir: &'a Path,
        options: OpenOptions<'o>,
        purpose: &Purpose,
    ) -> Result<(Self, Arc<dyn Clock>, ClockTrust), OpeningError> {
        let OpenOptions { lock_timeout, clock, clock_trust, ask_passphrase } = options;
        let config = Config::read(dir)?;
        let mut keys = KeysAtHand::read(LogKeyFiles::of(&config, dir), ask_passphrase);
        if !keys.may_do(purpose)
            && let Some(error) = keys.take_error()
        {
            return Err(error.into());
        }
        let holder = Holder::of_this_process(clock.now());
        let lock = WriterLock::acquire(&dir.join(LOCK_FILE), &holder, lock_timeout)?;
        Ok((Self { dir, config, keys, lock }, clock, clock_trust))
    }

    /// Opens it for writing.
    pub(super) fn open(
        self,
        disk: &Arc<dyn Disk>,
        roll_size: RollSize,
        clock: Arc<dyn Clock>,
        clock_trust: ClockTrust,
        purpose: Purpose,
    ) -> Result<Ledger, OpeningError> {
        let Self { dir, config, keys, lock } = self;
        let opened = Opened::open(disk, dir, &config, keys, roll_size, purpose)?;
        Ok(opened.into_ledger(dir, &config, lock, clock, clock_trust))
    }

    /// The log's name.
    pub(super) fn origin(&self) -> Result<Origin, OpeningError> {
        Ok(Origin::new(self.config.origin.clone())?)
    }

    /// The checkpoint in `head`, if there is one, signed by the log's key.
    pub(super) fn published(&mut self, head: &HeadState) -> Result<Option<CheckpointNote>, OpeningError> {
        let origin = self.origin()?;
        published(self.dir, &origin, head, &mut self.keys, false)
    }
}

/// A ledger whose files agree, before it takes events.
pub(super) struct Opened {
    disk: Arc<dyn Disk>,
    log: FileLog,
    head: HeadFile,
    derived: Derived,
    origin: Origin,
    keys: SigningKeys,
    warnings: Vec<Warning>,
}

impl Opened {
    fn open(
        disk: &Arc<dyn Disk>,
        dir: &Path,
        config: &Config,
        mut keys: KeysAtHand<'_>,
        roll_size: RollSize,
        purpose: Purpose,
    ) -> Result<Self, OpeningError> {
        let origin = Origin::new(config.origin.clone())?;
        let state = read_head_on(disk.as_ref(), dir)?;
        let published = published(dir, &origin, &state, &mut keys, purpose.is_rotation())?;
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
        let derived = match follow(derived, &log, &origin, end) {
            Ok(derived) => derived,
            Err(FollowError::Index(error)) => {
                warnings.push(Warning::IndexRebuilt { reason: error.to_string() });
                let fresh = Derived::create(dir)?;
                follow(fresh, &log, &origin, end)?
            }
            Err(FollowError::Log(error)) => return Err(error),
        };
        let anchors = config.anchor_paths(dir);
        let (derived, anchors_behind) = match check_anchors(disk.as_ref(), &anchors, &log, &derived, &origin)
        {
            // The index may have led astray: on its word alone no log is refused.
            Err(OpeningError::AnchorDisagrees { size, .. }) if size <= end => {
                drop(derived);
                let fresh = follow(Derived::create(dir)?, &log, &origin, end)?;
                let behind = check_anchors(disk.as_ref(), &anchors, &log, &fresh, &origin)?;
                warnings.push(Warning::IndexRebuilt { reason: "its offsets are not the log's".into() });
                (fresh, behind)
            }
            checked => (derived, checked?),
        };
        let charter = charter_of(&derived)?.ok_or(OpeningError::Unfounded)?;
        let (keys, is_unfinished) = keys.into_signing(charter.log_key, charter.log_key_entry, purpose)?;
        let mut head = HeadFile::open_on(disk.as_ref(), dir)?;
        if let Some(last) = tail.frames_beyond_head().last() {
            let frame = read_frame(&log, last.position())?;
            head.publish(last.next_index(), frame.view().note())?;
            warnings.push(Warning::Adopted { entries: end - size });
        }
        if is_unfinished {
            warnings.push(finish_rotation(disk.as_ref(), dir, &origin, &charter, &keys.files));
        }
        warnings.extend(catch_up(disk.as_ref(), anchors_behind, head.state()));
        warnings.extend(Redactions::of(disk, dir).resume(&log, &derived));
        Ok(Self { disk: Arc::clone(disk), log, head, derived, origin, keys, warnings })
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
            keys: self.keys,
            anchors: config.anchor_paths(dir),
            clock,
            clock_trust,
            warnings: self.warnings,
            poisoned: None,
            _lock: lock,
        })
    }

    /// Builds the index of a log that is open and sound.
    pub(super) fn rebuild_index(dir: &Path, log: &FileLog, origin: &Origin) -> Result<Derived, IndexError> {
        let damaged = |what: String| IndexError::Damaged { what };
        let end = log.end().ok_or_else(|| damaged("the log is not open for appending".into()))?.index;
        let fresh = Derived::create(dir)?;
        follow(fresh, log, origin, end).map_err(|error| damaged(error.to_string()))
    }
}

/// Lets the files follow a rotation of the log key that is recorded: the trust root to hand out, and the key's own.
/// Gives what to tell. After a failure the ledger goes on, for the key is in memory, and the next opening comes here
/// again.
pub(super) fn finish_rotation(
    disk: &dyn Disk,
    dir: &Path,
    origin: &Origin,
    charter: &Charter,
    files: &LogKeyFiles,
) -> Warning {
    let entry = charter.log_key_entry;
    let unfinished = |reason: String| Warning::RotationUnfinished { reason };
    let first = charter.former_log_keys.first().copied().unwrap_or(charter.log_key);
    let path = dir.join(TRUST_FILE);
    let witnesses = match witnesses_in(disk, &path) {
        Ok(witnesses) => witnesses,
        Err(error) => return unfinished(error.to_string()),
    };
    let trust = match TrustRoot::new(origin.clone(), charter.ledger_id, first)
        .and_then(|trust| trust.with_latest_log_key(charter.log_key)?.with_witnesses(witnesses))
    {
        Ok(trust) => trust,
        Err(error) => return unfinished(error.to_string()),
    };
    if let Err(error) = write_whole(disk, &path, trust.to_toml().as_bytes()) {
        return unfinished(format!("cannot write {}: {error}", path.display()));
    }
    // The key's file comes last: as long as it has not moved, the next opening does all of this again.
    match files.promote_next(disk, entry) {
        Ok(()) => Warning::RotationFinished { entry },
        Err(error) => unfinished(format!("cannot rename {}: {error}", files.next_path().display())),
    }
}

/// The witnesses in the ledger's own trust root, which somebody wrote there by hand; none where there is no such file.
fn witnesses_in(disk: &dyn Disk, path: &Path) -> Result<Witnesses, ReadTrustRootError> {
    let failed = |source| ReadTrustRootError::Io { path: path.to_owned(), source };
    let file = match disk.open(path, Access::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Witnesses::default()),
        opened => opened.map_err(failed)?,
    };
    let mut bytes = vec![0; TRUST_ROOT_BYTES_MAX + 1];
    let count = file.read_at(0, &mut bytes).map_err(failed)?;
    match TrustRoot::from_bytes(&bytes[..count]) {
        Ok(trust) => Ok(trust.witnesses().clone()),
        Err(error) => Err(ReadTrustRootError::Invalid { path: path.to_owned(), error }),
    }
}

/// The checkpoint in `head`; none where nothing was ever published. It bears the signature of the log's key:
/// the one at hand, or the next one after a rotation; else the one that the log itself says, where the keys at hand
/// are what the log comes to behind `head`, or are not needed (`for_rotation`).
fn published(
    dir: &Path,
    origin: &Origin,
    head: &HeadState,
    keys: &mut KeysAtHand<'_>,
    for_rotation: bool,
) -> Result<Option<CheckpointNote>, OpeningError> {
    let note = match head {
        HeadState::Published { head, .. } => head.note(),
        HeadState::Missing | HeadState::FirstWriteTorn => return Ok(None),
        HeadState::BothBad => return Err(OpeningError::HeadLost),
    };
    let open = |key: PublicKey| -> Result<Result<CheckpointNote, OpenError>, OpeningError> {
        Ok(open_checkpoint(note, &VerifierKey::new_ed25519(origin.as_str(), key)?))
    };
    let by_configured = keys.configured().map(open).transpose()?;
    if let Some(Ok(note)) = by_configured {
        return Ok(Some(note));
    }
    let next = keys.next();
    if let Some(Ok(note)) = next.map(open).transpose()? {
        return Ok(Some(note));
    }
    let at_hand = [keys.configured(), next];
    let opened = CheckpointNote::parse_unverified(note).ok().and_then(|unverified| {
        let log = FileSource::new(&dir.join(LOG_DIR));
        let said = log_keys_of(&log, origin, unverified.checkpoint().size())?;
        (for_rotation || at_hand.contains(&Some(said.at_end))).then_some(said.at_size)
    });
    if let Some(Ok(note)) = opened.map(open).transpose()? {
        return Ok(Some(note));
    }
    if let (None, Some(error)) = (&by_configured, keys.take_error()) {
        return Err(error.into());
    }
    let path = keys.path().to_owned();
    let error = match by_configured {
        Some(Err(error)) => error,
        _ => OpenError::Signature(NoteVerifyError::NoKnownSignature),
    };
    Err(OpeningError::HeadNotOurs { path, error })
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
    end: u64,
) -> Result<Derived, FollowError> {
    let in_force = charter_of(&derived)?.map(|charter| charter.log_key);
    let start = follow_from(&derived, log, origin, in_force, end)?;
    if derived.reach().tree.size() == end {
        return Ok(derived);
    }
    let unusable = |reason| OpeningError::Inconsistent { index: 0, reason };
    let mut signers = BatchSigners::new(origin, in_force).map_err(unusable)?;
    let mut state = State::over(derived);
    let mut scanner = Scanner::new(log, start, end).map_err(OpeningError::from)?;
    while let Some(located) = scanner.next_frame() {
        let located = located.map_err(OpeningError::from)?;
        let frame = located.frame;
        let replayed = replay(&mut state, frame.first_index(), frame.entries(), located.location)?;
        let charter = state.charter()?.ok_or(OpeningError::Unfounded)?;
        let inconsistent = |reason| OpeningError::Inconsistent { index: frame.next_index() - 1, reason };
        let signed_by = signers.of(&frame, charter.log_key).map_err(inconsistent)?;
        check_note(frame.note(), origin, signed_by, &replayed.reach)?;
        let derived = state.source_mut();
        let Replayed { leaf_hashes, changes, reach } = replayed;
        derived.record(&located.location, frame.entry_offsets(), &leaf_hashes, &changes, reach)?;
        if derived.pending() > REBUILD_FLUSH_ROWS {
            derived.flush()?;
            state.forget_above(REBUILD_FLUSH_ROWS);
        }
    }
    derived = state.into_source();
    derived.flush_beyond(INDEX_LAG_LEFT)?;
    Ok(derived)
}

/// What holds for the whole ledger, as the index has it from the log; none before entry 0.
fn charter_of(derived: &Derived) -> Result<Option<Arc<Charter>>, IndexError> {
    Ok(match derived.row(&RowKey::Charter)? {
        Some(Row::Charter(charter)) => Some(charter),
        _ => None,
    })
}

/// Where the log goes on behind what the index knows: behind its last frame, if that is the log's.
fn follow_from(
    derived: &Derived,
    log: &dyn BatchSource,
    origin: &Origin,
    in_force: Option<PublicKey>,
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
    let vkey = in_force.and_then(|key| VerifierKey::new_ed25519(origin.as_str(), key).ok());
    let vkey = vkey.ok_or_else(|| foreign("it names no log key"))?;
    let note = open_checkpoint(view.note(), &vkey).map_err(|_| foreign("it is another log's"))?;
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
    leaf_hashes: Vec<Hash>,
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
    let (mut all_changes, mut leaf_hashes) = (Vec::new(), Vec::new());
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
        leaf_hashes.push(leaf_hash);
        reach.previous = leaf_hash;
        reach.last_recorded = entry.recorded_at;
    }
    Ok(Replayed { leaf_hashes, changes: all_changes, reach })
}

/// What an entry of the log changes. One that breaks the rules changes nothing, but its id is used.
fn judge(state: &mut State<Derived>, entry: &Entry, leaf_hash: Hash) -> Result<Changes, FollowError> {
    let index = entry.index;
    let event = Event::from_bytes(entry.envelope.event()).map_err(|error| unreadable(index, &error))?;
    let (recorded_at, signers) = (entry.recorded_at, entry.envelope.signers());
    let submission = Submission {
        index,
        leaf_hash,
        recorded_at,
        event: &event,
        signers: &signers,
        git: GitEvidence::Look,
    };
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

/// A frame's checkpoint is signed by the log's keys there and by no other in its name, over the tree that the
/// entries make.
fn check_note(
    note: &[u8],
    origin: &Origin,
    signers: &[VerifierKey],
    reach: &Reach,
) -> Result<(), OpeningError> {
    let index = reach.tree.size();
    let inconsistent = |reason: String| OpeningError::Inconsistent { index, reason };
    let signers: Vec<&VerifierKey> = signers.iter().collect();
    let opened = CheckpointNote::parse_unverified(note)
        .and_then(|note| note.verify_log_signatures(&signers).map(|()| note))
        .map_err(|error| inconsistent(error.to_string()))?;
    let checkpoint = opened.checkpoint();
    let fits = checkpoint.origin() == origin
        && checkpoint.size() == reach.tree.size()
        && *checkpoint.root() == reach.tree.root();
    if fits { Ok(()) } else { Err(inconsistent("the checkpoint is not over these entries".into())) }
}

/// Every anchor holds a checkpoint that one of this log's batches holds too, signed by one of the log's keys: a writer
/// that was stopped leaves an anchor behind a rotation. Gives those that were not written yet, or lie behind the log.
fn check_anchors(
    disk: &dyn Disk,
    anchors: &[PathBuf],
    log: &FileLog,
    derived: &Derived,
    origin: &Origin,
) -> Result<Vec<PathBuf>, OpeningError> {
    if anchors.is_empty() {
        return Ok(Vec::new());
    }
    let log_keys = charter_of(derived)?.map(|charter| charter.log_keys()).unwrap_or_default();
    let log_size = derived.reach().tree.size();
    let mut behind = Vec::new();
    for path in anchors {
        let Some(bytes) = read_anchor_on(disk, path)? else {
            behind.push(path.clone());
            continue;
        };
        let unreadable = |error| OpeningError::AnchorUnreadable { path: path.clone(), error };
        let anchor = open_by_any(&bytes, origin, &log_keys)?.map_err(unreadable)?;
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

/// Opens a note that one of the log's keys signed; where none did, why the newest one didn't.
fn open_by_any(
    bytes: &[u8],
    origin: &Origin,
    log_keys: &[PublicKey],
) -> Result<Result<CheckpointNote, OpenError>, OpeningError> {
    let mut error = OpenError::Signature(NoteVerifyError::NoKnownSignature);
    for (position, key) in log_keys.iter().rev().enumerate() {
        match open_checkpoint(bytes, &VerifierKey::new_ed25519(origin.as_str(), *key)?) {
            Ok(note) => return Ok(Ok(note)),
            Err(newest) if position == 0 => error = newest,
            Err(_) => {}
        }
    }
    Ok(Err(error))
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
