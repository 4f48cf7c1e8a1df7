//! Making a ledger: its directory, its settings, its log key, and entry 0.
//!
//! The directory is prepared first ([`prepare`]); then `ledger.created` is drafted, signed by every
//! administrator, and founds the ledger ([`found`]). Between the two nothing can be appended.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::event::body::{Body, Event};
use crate::hash::Hash;
use crate::ledger::config::{Config, ConfigError};
use crate::ledger::opening::{LOCK_FILE, LOCK_TIMEOUT_DEFAULT};
use crate::ledger::receipt::{AppendError, Receipt};
use crate::lifecycle::rules::{ApplyError, GitEvidence, Submission, apply};
use crate::lifecycle::state::State;
use crate::log::entry::Entry;
use crate::log::reader::LOG_DIR;
use crate::log::trust_root::{TrustRoot, TrustRootError};
use crate::merkle::tree::Frontier;
use crate::note::checkpoint::{Checkpoint, Origin, OriginError, sign_checkpoint};
use crate::signing::envelope::Envelope;
use crate::signing::key_file::SecretKey;
use crate::store::anchor::{AnchorError, read_anchor_on, write_anchor_on};
use crate::store::batch_log::{BatchLog, StoreError};
use crate::store::disk::{Disk, RealDisk, parent_of, write_whole};
use crate::store::files::{FileLog, RollSize};
use crate::store::frame::{FrameError, encode_frame};
use crate::store::head::{HeadError, HeadFile, HeadState, read_head_on};
use crate::store::lock::{Holder, LockError, WriterLock};
use crate::store::tail::{TailState, walk_tail};
use crate::time::Timestamp;

/// The file in which the trust root is handed out.
pub const TRUST_FILE: &str = "trust.toml";

/// Why a ledger was not made.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// Something stands in the directory already.
    #[error("{} is not empty: a ledger is made in a new directory", dir.display())]
    NotEmpty {
        /// The directory.
        dir: PathBuf,
    },
    /// The ledger has an entry 0 already.
    #[error("{} holds a ledger already", dir.display())]
    Exists {
        /// The directory.
        dir: PathBuf,
    },
    /// A file could not be made.
    #[error("cannot {operation} {}: {error}", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        #[source]
        error: std::io::Error,
    },
    /// The settings could not be written or read.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The origin is no origin.
    #[error(transparent)]
    Origin(#[from] OriginError),
    /// The log key is no good key.
    #[error(transparent)]
    Trust(#[from] TrustRootError),
    /// The event is not fit to be entry 0.
    #[error(transparent)]
    Event(#[from] AppendError),
    /// The event names another origin or log key than the directory was prepared for.
    #[error("the event says {actual}, and this ledger was prepared for {expected}")]
    NotPreparedFor {
        /// What the event says.
        actual: String,
        /// What was prepared.
        expected: String,
    },
    /// Somebody else is founding the ledger.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// An anchor holds another log's checkpoint already.
    #[error("the anchor {} exists already: each ledger has anchors of its own", path.display())]
    AnchorTaken {
        /// The anchor.
        path: PathBuf,
    },
    /// An anchor cannot be read or written.
    #[error(transparent)]
    Anchor(#[from] AnchorError),
    /// The log could not be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The first batch is too large.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// `head` could not be written.
    #[error(transparent)]
    Head(#[from] HeadError),
}

/// Makes the directory of a ledger to be, with its settings, durably. The log key is the caller's to write.
///
/// # Errors
/// [`CreateError`]; an existing directory must be empty.
pub fn prepare(dir: &Path, config: &Config) -> Result<(), CreateError> {
    prepare_on(&RealDisk, dir, config)
}

/// As [`prepare`], on a given disk.
///
/// # Errors
/// As [`prepare`].
pub fn prepare_on(disk: &dyn Disk, dir: &Path, config: &Config) -> Result<(), CreateError> {
    Origin::new(config.origin.clone())?;
    let failed = |operation, error| CreateError::Io { operation, path: dir.to_owned(), error };
    match std::fs::read_dir(dir) {
        Ok(mut entries) => {
            if entries.next().is_some() {
                return Err(CreateError::NotEmpty { dir: dir.to_owned() });
            }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            create_durably(disk, dir).map_err(|error| failed("create", error))?;
        }
        Err(error) => return Err(failed("read", error)),
    }
    for path in config.anchor_paths(dir) {
        if read_anchor_on(disk, &path)?.is_some() {
            return Err(CreateError::AnchorTaken { path });
        }
    }
    config.write_new_on(disk, dir)?;
    Ok(())
}

/// Makes `dir` and what is missing above it, so that a power cut does not take the ledger away with a
/// directory that nobody synced.
fn create_durably(disk: &dyn Disk, dir: &Path) -> std::io::Result<()> {
    let is_missing = |dir: &&Path| !dir.as_os_str().is_empty() && !dir.is_dir();
    let missing: Vec<&Path> = dir.ancestors().take_while(is_missing).collect();
    for dir in missing.into_iter().rev() {
        disk.create_dir(dir)?;
        disk.sync_dir(parent_of(dir))?;
    }
    Ok(())
}

/// Records entry 0 in a prepared directory, durably, and writes `trust.toml`.
///
/// # Errors
/// [`CreateError`]; then no ledger was founded, but after [`CreateError::Anchor`], and after
/// [`CreateError::Io`] over `trust.toml`: there entry 0 stands, and the next opening writes the anchors.
/// After [`CreateError::Store`] and [`CreateError::Head`] the directory may hold a log without a `head`:
/// nobody was told of it, neither founding nor opening goes on with it, and it can be removed.
pub fn found(
    dir: &Path,
    log_key: &SecretKey,
    envelope: Envelope,
    recorded_at: Timestamp,
) -> Result<(Receipt, TrustRoot), CreateError> {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    found_on(&disk, dir, log_key, envelope, recorded_at)
}

/// As [`found`], on a given disk.
///
/// # Errors
/// As [`found`].
pub fn found_on(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    log_key: &SecretKey,
    envelope: Envelope,
    recorded_at: Timestamp,
) -> Result<(Receipt, TrustRoot), CreateError> {
    let config = Config::read(dir)?;
    let origin = Origin::new(config.origin.clone())?;
    let holder = Holder::of_this_process(recorded_at);
    let _lock = WriterLock::acquire(&dir.join(LOCK_FILE), &holder, LOCK_TIMEOUT_DEFAULT)?;
    if !matches!(read_head_on(disk.as_ref(), dir)?, HeadState::Missing | HeadState::FirstWriteTorn) {
        return Err(CreateError::Exists { dir: dir.to_owned() });
    }
    let event = check_founding(&envelope, &origin, log_key)?;
    let event_id = event.header.event_id;
    let signers: Vec<_> = envelope.signers();
    let entry = Entry { index: 0, previous: Hash::ZERO, recorded_at, state_root: None, envelope };
    let bytes = entry.to_bytes();
    let leaf_hash = Entry::leaf_hash(&bytes);
    let submission = Submission {
        index: 0,
        leaf_hash,
        recorded_at,
        event: &event,
        signers: &signers,
        git: GitEvidence::Look,
    };
    if let Err(ApplyError::Refused(refusal)) = apply(&mut State::default(), &submission) {
        return Err(AppendError::Refused(refusal).into());
    }
    let trust = TrustRoot::new(origin.clone(), leaf_hash, log_key.public_key())?;
    let note = write_first_batch(disk, dir, &origin, &bytes, log_key)?;
    write_trust(disk.as_ref(), dir, &trust)?;
    for path in config.anchor_paths(dir) {
        write_anchor_on(disk.as_ref(), &path, &note)?;
    }
    let checkpoint = String::from_utf8_lossy(&note).into_owned();
    Ok((Receipt { index: 0, leaf_hash, event_id, recorded_at, checkpoint, repeated: false }, trust))
}

/// The event founds this very ledger, and its signatures are valid.
fn check_founding(envelope: &Envelope, origin: &Origin, log_key: &SecretKey) -> Result<Event, CreateError> {
    let event = Event::from_bytes(envelope.event()).map_err(AppendError::from)?;
    envelope.verify_signatures_strict().map_err(AppendError::from)?;
    let Body::LedgerCreated(created) = &event.body else {
        return Err(AppendError::Refused(crate::lifecycle::refusal::Refusal::LedgerNotCreated).into());
    };
    if created.origin.as_str() != origin.as_str() || created.log_key != log_key.public_key() {
        let describe = |origin: &str, key| format!("origin {origin}, log key {key}");
        return Err(CreateError::NotPreparedFor {
            actual: describe(created.origin.as_str(), created.log_key),
            expected: describe(origin.as_str(), log_key.public_key()),
        });
    }
    Ok(event)
}

/// Writes the frame of entry 0 and `head`, both durable: from here on a missing `head` is a finding.
fn write_first_batch(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    origin: &Origin,
    entry: &[u8],
    log_key: &SecretKey,
) -> Result<Vec<u8>, CreateError> {
    let mut tree = Frontier::new();
    tree.push(Entry::leaf_hash(entry));
    let checkpoint = Checkpoint::new(origin.clone(), tree.size(), tree.root());
    let note = sign_checkpoint(&checkpoint, &[log_key.as_signing_key()]).expect("one key signs one note");
    let frame = encode_frame(0, &[entry], &note)?;
    let mut log = FileLog::create_on(Arc::clone(disk), &dir.join(LOG_DIR), RollSize::DEFAULT)?;
    if !log_is_empty(&log)? {
        return Err(CreateError::Exists { dir: dir.to_owned() });
    }
    let tail = TailState::judge(walk_tail(&log, 0, None)?);
    log.resume(&tail)?;
    log.append(&frame, 0)?;
    let mut head = HeadFile::open_on(disk.as_ref(), dir)?;
    head.publish(1, &note)?;
    head.sync()?;
    Ok(note)
}

fn log_is_empty(log: &FileLog) -> Result<bool, StoreError> {
    use crate::store::batch_log::BatchSource as _;
    Ok(log.files()?.iter().all(|file| file.bytes == 0))
}

fn write_trust(disk: &dyn Disk, dir: &Path, trust: &TrustRoot) -> Result<(), CreateError> {
    let path = dir.join(TRUST_FILE);
    let written = write_whole(disk, &path, trust.to_toml().as_bytes());
    written.map_err(|error| CreateError::Io { operation: "write", path, error })
}
