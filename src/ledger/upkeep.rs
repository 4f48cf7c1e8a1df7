//! Looking after the index: whether it says what the log says, and building it anew.
//!
//! Neither is ever needed, for an index that cannot be used is rebuilt when a ledger is opened. They answer an
//! operator who has reason to doubt the disk.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::index::rows::{IndexError, remove_index};
use crate::ledger::derived::Derived;
use crate::ledger::log_key::Purpose;
use crate::ledger::opening::{FollowError, Locked, OpenOptions, OpeningError, follow};
use crate::ledger::writer::Ledger;
use crate::log::reader::{INDEX_DIR, LOG_DIR};
use crate::note::checkpoint::Origin;
use crate::store::disk::RealDisk;
use crate::store::files::{FileSource, RollSize};
use crate::store::head::read_head;

/// What was found out about an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexCheck {
    /// How many entries the log has.
    pub entries: u64,
    /// How many of them the index covered; the next opening replays the others.
    pub covered: u64,
    /// What is wrong with it.
    pub problem: Option<String>,
}

/// Where a rebuild makes the new index, in the ledger's directory.
const NEW_INDEX_DIR: &str = "index.new";

/// Builds a second index from the log, and holds the ledger's own against it: every row, every offset, every event
/// id that is in use. The second one stands in the system's temporary directory, some 50 bytes an entry. Of log and
/// `head` nothing is changed.
///
/// # Errors
/// [`OpeningError`]; what is wrong with the index is in the answer.
pub fn check_index(dir: &Path, options: OpenOptions<'_>) -> Result<IndexCheck, OpeningError> {
    let (mut locked, _, _) = Locked::take(dir, options, &Purpose::Events)?;
    let elsewhere = tempfile::tempdir().map_err(|source| {
        let path = std::env::temp_dir();
        OpeningError::Index(IndexError::Io { operation: "make a directory in", path, source })
    })?;
    let published = Published::of(&mut locked)?;
    let mut made = published.build(elsewhere.path())?;
    let entries = published.size;
    let own = match Derived::open(dir) {
        // The next opening takes it for none at all, and so do we.
        Err(IndexError::OtherBoot) => return Ok(IndexCheck { entries, covered: 0, problem: None }),
        own => own,
    };
    let covered = own.as_ref().map_or(0, |own| own.reach().tree.size());
    // Batches beyond `head` are in the index before they are published: a writer may have ended in between.
    let entries = entries.max(covered);
    let compared = own.map_err(FollowError::Index).and_then(|own| {
        let mut own = published.follow(own, entries)?;
        made = published.follow(made, entries)?;
        Ok(own.difference(&mut made)?)
    });
    let problem = match compared {
        Ok(problem) => problem,
        Err(FollowError::Index(error)) if error.is_refused_by_system() => return Err(error.into()),
        // The log was just read from end to end: whatever fails here is the index's fault.
        Err(error) => Some(error.to_string()),
    };
    Ok(IndexCheck { entries, covered, problem })
}

/// Builds the index again from the log, puts it in the old one's place, and opens the ledger. Where the log cannot be
/// read from end to end, the old index stays: with it, what lies behind the damage can still be read.
///
/// # Errors
/// [`OpeningError`].
pub fn rebuild_index(dir: &Path, options: OpenOptions<'_>) -> Result<Ledger, OpeningError> {
    let (mut locked, clock, clock_trust) = Locked::take(dir, options, &Purpose::Events)?;
    let (new, old) = (dir.join(NEW_INDEX_DIR), dir.join(INDEX_DIR));
    // A rebuild before may have been killed.
    remove_index(&new)?;
    let built = Published::of(&mut locked)?.build(&new).and_then(|mut built| Ok(built.flush()?));
    if let Err(error) = built {
        let _ = remove_index(&new);
        return Err(error);
    }
    remove_index(&old)?;
    // A crash here leaves no index: the next opening builds one.
    std::fs::rename(&new, &old).map_err(|source| IndexError::Io {
        operation: "rename",
        path: new,
        source,
    })?;
    let ledger =
        locked.open(&(Arc::new(RealDisk) as _), RollSize::DEFAULT, clock, clock_trust, Purpose::Events)?;
    ledger
        .flush_index()
        .map_err(|error| OpeningError::Index(IndexError::Damaged { what: error.to_string() }))?;
    Ok(ledger)
}

/// The log up to what `head` covers, to build an index from.
struct Published {
    log_dir: PathBuf,
    log: FileSource,
    origin: Origin,
    size: u64,
}

impl Published {
    fn of(locked: &mut Locked<'_, '_>) -> Result<Self, OpeningError> {
        let (dir, origin) = (locked.dir, locked.origin()?);
        let Some(head) = locked.published(&read_head(dir)?)? else {
            return Err(OpeningError::Empty { dir: dir.to_owned() });
        };
        let log_dir = dir.join(LOG_DIR);
        let log = FileSource::new(&log_dir);
        Ok(Self { log_dir, log, origin, size: head.checkpoint().size() })
    }

    /// Builds an index in the directory `index`.
    fn build(&self, index: &Path) -> Result<Derived, OpeningError> {
        Ok(self.follow(Derived::open_at(index, &self.log_dir)?, self.size)?)
    }

    fn follow(&self, derived: Derived, end: u64) -> Result<Derived, FollowError> {
        follow(derived, &self.log, &self.origin, end)
    }
}
