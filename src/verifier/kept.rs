//! What an auditor keeps of a verification, to go on from it next time (docs/format.md, "Kept state").
//!
//! Two halves: [`KeptState`] is the file, bounded and checksummed, bound to the trust root that it was made under;
//! [`EarlierIds`] is what of it the rules ask for while they go on.
//!
//! Whoever can write the file can make a verifier believe anything about the entries before it: it is kept where the
//! trust root is kept. It is no proof to anybody else.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use bincode::{Decode, Encode};

use crate::codec;
use crate::event::authority::RotationCause;
use crate::event::header::EventId;
use crate::hash::Hash;
use crate::lifecycle::attachments::{Citation, Redaction};
use crate::lifecycle::state::{Row, RowKey, RowSource, SeenEvent};
use crate::log::trust_root::TrustRoot;
use crate::merkle::tree::Frontier;
use crate::note::checkpoint::CheckpointNote;
use crate::signing::public_key::PublicKey;
use crate::store::batch_log::Position;
use crate::time::Timestamp;
use crate::verifier::finding::{Class, Finding};

const MAGIC: &[u8; 8] = b"ROLLKEPT";
const VERSION: u32 = 1;
/// The largest file read: room for some hundred million event ids that could still come again.
const FILE_BYTES_MAX: u64 = 1 << 30;
/// The largest head written: below what one decoding may claim.
const HEAD_BYTES_MAX: usize = 512 << 10;
const HASH_BYTES: usize = 32;
/// A digest and two numbers.
const ATTACHMENT_BYTES: usize = HASH_BYTES + 16;
const HOUR_MS: i64 = 3_600_000;

/// What a verification came to that found a log sound, as far as it read.
#[derive(Debug, Clone)]
pub struct KeptState {
    pub(super) head: Head,
    pub(super) tree: Frontier,
    /// The note in `head`, read.
    pub(super) checkpoint: CheckpointNote,
    pub(super) rows: Vec<(RowKey, Row)>,
    pub(super) ids: IdHours,
    pub(super) cited: Vec<(Hash, Citation)>,
    pub(super) redacted: Vec<(Hash, Redaction)>,
}

/// All of it that is small and bounded.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(super) struct Head {
    pub(super) origin: String,
    pub(super) ledger_id: Hash,
    /// The log's first key.
    pub(super) log_key: PublicKey,
    /// Entries verified.
    pub(super) size: u64,
    /// The tree's right edge, largest subtree first.
    pub(super) nodes: Vec<Hash>,
    /// The leaf hash of the last entry.
    pub(super) previous: Hash,
    /// When the last entry was recorded.
    pub(super) recorded_at: Timestamp,
    /// Where the next frame was to begin: the file's first index, and the offset in it.
    pub(super) place: (u64, u64),
    /// The last batch's note.
    pub(super) note: Vec<u8>,
    /// The keys that the log came to: from which size on, the key, and why.
    pub(super) rotations: Vec<(u64, PublicKey, RotationCause)>,
    /// Keys revoked as compromised: the key, since which entry, and by which one.
    pub(super) compromised: Vec<(PublicKey, u64, u64)>,
    /// Entries that such keys signed.
    pub(super) doubtful: Vec<u64>,
    /// Sizes and roots that somebody from outside held against the log, and found there.
    pub(super) matched: Vec<(u64, Hash)>,
    /// Batches and authors' signatures.
    pub(super) batches: u64,
    pub(super) signatures: u64,
    /// Whether each signature was checked by the strict rule as well.
    pub(super) strict: bool,
    /// How many findings of each code there were.
    pub(super) findings: Vec<(String, u64)>,
}

/// Why a state file cannot be gone on from.
#[derive(Debug, thiserror::Error)]
pub enum KeptStateError {
    /// The operating system said no.
    #[error("cannot {action} {path}: {source}", path = path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// Over the bound.
    #[error("{path} is no kept state: it has more than {FILE_BYTES_MAX} bytes", path = path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// Not what this program wrote.
    #[error("{path} is damaged, or no kept state: {reason}", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Another version of the layout.
    #[error("{path} is a kept state of version {version}, which this program does not know", path = path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// The version.
        version: u32,
    },
    /// Made under another trust root.
    #[error("{path} was kept of another ledger: {origin}, ledger id {ledger_id}", path = path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// The origin that it names.
        origin: String,
        /// The ledger id that it names.
        ledger_id: Hash,
    },
}

impl KeptState {
    /// Reads the state that was kept in `path` under `trust`; none where there is no such file.
    ///
    /// # Errors
    /// [`KeptStateError`], which names the file.
    pub fn read(path: &Path, trust: &TrustRoot) -> Result<Option<Self>, KeptStateError> {
        let failed = |source| KeptStateError::Io { action: "read", path: path.to_owned(), source };
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let mut bytes = Vec::new();
        file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Err(KeptStateError::TooLarge { path: path.to_owned() });
        }
        let state = Self::from_bytes(&bytes).map_err(|defect| match defect {
            Defect::Version(version) => KeptStateError::Version { path: path.to_owned(), version },
            Defect::Damaged(reason) => KeptStateError::Damaged { path: path.to_owned(), reason },
        })?;
        if !state.fits(trust) {
            let Head { origin, ledger_id, .. } = state.head;
            return Err(KeptStateError::Foreign { path: path.to_owned(), origin, ledger_id });
        }
        Ok(Some(state))
    }

    /// Writes it to `path`, whole or not at all.
    ///
    /// # Errors
    /// [`KeptStateError::Io`]: the file is as it was.
    pub fn write(&self, path: &Path) -> Result<(), KeptStateError> {
        let failed = |source| KeptStateError::Io { action: "write", path: path.to_owned(), source };
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(dir).map_err(failed)?;
        file.write_all(&self.to_bytes()).map_err(failed)?;
        file.as_file().sync_data().map_err(failed)?;
        file.persist(path).map_err(|error| failed(error.error))?;
        Ok(())
    }

    /// How many entries it stands for.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.head.size
    }

    /// Whether entries that it stands for were against the rules, and accepted since: which ones, it does not tell.
    #[must_use]
    pub fn has_violations(&self) -> bool {
        let is_violation =
            |code: &str| code.starts_with("rule.") || Finding::class_of(code) == Some(Class::Violation);
        self.head.findings.iter().any(|(code, _)| is_violation(code))
    }

    /// The last checkpoint note that was verified.
    #[must_use]
    pub fn note(&self) -> &[u8] {
        &self.head.note
    }

    /// Whether it was made under this trust root: the same origin, ledger id and first log key.
    #[must_use]
    pub fn fits(&self, trust: &TrustRoot) -> bool {
        let Head { origin, ledger_id, log_key, .. } = &self.head;
        (origin.as_str(), *ledger_id, *log_key)
            == (trust.origin().as_str(), trust.ledger_id(), trust.log_key().public_key())
    }

    /// Where the next frame belongs.
    pub(super) const fn position(&self) -> Position {
        let (file, offset) = self.head.place;
        Position { file, offset, index: self.head.size }
    }

    /// The bytes of the file.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 + self.ids.count() * 8);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        put_record(&mut out, &codec::encode(&self.head));
        put_number(&mut out, self.rows.len() as u64);
        for (key, row) in &self.rows {
            put_record(&mut out, &codec::encode(key));
            put_record(&mut out, &row.to_bytes());
        }
        put_number(&mut out, self.ids.0.len() as u64);
        for (hour, ids) in &self.ids.0 {
            put_number(&mut out, *hour);
            put_number(&mut out, ids.len() as u64);
            for id in ids {
                put_number(&mut out, *id);
            }
        }
        put_number(&mut out, self.cited.len() as u64);
        for (digest, Citation { entry, size }) in &self.cited {
            put_attachment(&mut out, digest, *entry, *size);
        }
        put_number(&mut out, self.redacted.len() as u64);
        for (digest, Redaction { cited_by, redacted_by }) in &self.redacted {
            put_attachment(&mut out, digest, *cited_by, *redacted_by);
        }
        let checksum = Hash::of(&out);
        out.extend_from_slice(checksum.as_bytes());
        out
    }

    /// Reads the bytes of a file. No more is allocated than there are bytes.
    fn from_bytes(bytes: &[u8]) -> Result<Self, Defect> {
        let rest = bytes.strip_prefix(MAGIC).ok_or_else(|| damaged("it does not begin as one"))?;
        let (version, _) = rest.split_first_chunk().ok_or_else(cut_short)?;
        match u32::from_le_bytes(*version) {
            VERSION => {}
            version => return Err(Defect::Version(version)),
        }
        let (content, checksum) = bytes.split_last_chunk::<HASH_BYTES>().ok_or_else(cut_short)?;
        if Hash::of(content).as_bytes() != checksum {
            return Err(damaged("its checksum does not fit"));
        }
        let mut input = Input(content.get(MAGIC.len() + 4..).ok_or_else(cut_short)?);
        let head: Head = input.record()?;
        let tree = Frontier::from_parts(head.size, head.nodes.clone()).map_err(damaged)?;
        let checkpoint = CheckpointNote::parse_unverified(&head.note).map_err(damaged)?;
        let of_note = checkpoint.checkpoint();
        if (of_note.size(), *of_note.root()) != (head.size, tree.root()) {
            return Err(damaged("its checkpoint is not that of its tree"));
        }
        let mut rows = Vec::new();
        for _ in 0..input.number()? {
            let key: RowKey = input.record()?;
            let row = Row::from_bytes(&key, input.bytes_of_record()?).map_err(damaged)?;
            rows.push((key, row));
        }
        let mut hours = BTreeMap::new();
        for _ in 0..input.number()? {
            let hour = input.number()?;
            let ids: Vec<u64> = input.numbers()?;
            if !ids.is_sorted() || hours.insert(hour, ids).is_some() {
                return Err(damaged("its event ids are out of order"));
            }
        }
        let cited = input.attachments(|entry, size| Citation { entry, size })?;
        let redacted = input.attachments(|cited_by, redacted_by| Redaction { cited_by, redacted_by })?;
        if !input.0.is_empty() {
            return Err(damaged("bytes follow after its end"));
        }
        Ok(Self { head, tree, checkpoint, rows, ids: IdHours(hours), cited, redacted })
    }

    /// Whether it can be written so that it reads back.
    pub(super) fn is_bounded(&self) -> bool {
        codec::encode(&self.head).len() <= HEAD_BYTES_MAX
    }
}

fn put_number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_le_bytes());
}

fn put_record(out: &mut Vec<u8>, record: &[u8]) {
    put_number(out, record.len() as u64);
    out.extend_from_slice(record);
}

fn put_attachment(out: &mut Vec<u8>, digest: &Hash, first: u64, second: u64) {
    out.extend_from_slice(digest.as_bytes());
    put_number(out, first);
    put_number(out, second);
}

/// What is wrong with the bytes of a state.
enum Defect {
    Version(u32),
    Damaged(String),
}

#[expect(clippy::needless_pass_by_value, reason = "an error is handed over, as `map_err` does")]
fn damaged(reason: impl ToString) -> Defect {
    Defect::Damaged(reason.to_string())
}

fn cut_short() -> Defect {
    damaged("it ends too early")
}

/// The bytes that are still to be read.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Defect> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or_else(cut_short)?;
        self.0 = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u64, Defect> {
        let (number, rest) = self.0.split_first_chunk().ok_or_else(cut_short)?;
        self.0 = rest;
        Ok(u64::from_le_bytes(*number))
    }

    /// The bytes of so many items of `bytes_each`, of which the count comes first.
    fn items(&mut self, bytes_each: usize) -> Result<&'a [u8], Defect> {
        let count = usize::try_from(self.number()?).ok().and_then(|count| count.checked_mul(bytes_each));
        self.take(count.ok_or_else(cut_short)?)
    }

    fn numbers(&mut self) -> Result<Vec<u64>, Defect> {
        let (numbers, _) = self.items(8)?.as_chunks();
        Ok(numbers.iter().map(|number| u64::from_le_bytes(*number)).collect())
    }

    fn bytes_of_record(&mut self) -> Result<&'a [u8], Defect> {
        self.items(1)
    }

    fn record<T: Decode<()> + Encode>(&mut self) -> Result<T, Defect> {
        codec::decode(self.bytes_of_record()?).map_err(damaged)
    }

    fn attachments<T>(&mut self, of: impl Fn(u64, u64) -> T) -> Result<Vec<(Hash, T)>, Defect> {
        let (items, _) = self.items(ATTACHMENT_BYTES)?.as_chunks::<ATTACHMENT_BYTES>();
        let read = |item: &[u8; ATTACHMENT_BYTES]| {
            let mut item = Input(item);
            let digest = item.take(HASH_BYTES)?;
            let digest = Hash::from_bytes(digest.try_into().map_err(|_| cut_short())?);
            Ok((digest, of(item.number()?, item.number()?)))
        };
        items.iter().map(read).collect()
    }
}

/// Event ids by the hour in which their events expire: of each the first eight bytes of its SHA-256, ascending. It is
/// enough to say that an id is new; where one seems known, the log is verified from its start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct IdHours(BTreeMap<u64, Vec<u64>>);

impl IdHours {
    fn count(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }

    fn has(&self, id: &EventId) -> bool {
        let mark = mark_of(id);
        self.0.values().any(|ids| ids.binary_search(&mark).is_ok())
    }

    /// These and `more`, without the hours that are over at `now`.
    pub(super) fn with<'a>(
        &self,
        more: impl Iterator<Item = (&'a EventId, &'a SeenEvent)>,
        now: Timestamp,
    ) -> Self {
        let this_hour = hour_of(now);
        let mut hours: BTreeMap<u64, Vec<u64>> =
            self.0.range(this_hour..).map(|(hour, ids)| (*hour, ids.clone())).collect();
        let mut changed = BTreeSet::new();
        for (id, seen) in more.filter(|(_, seen)| seen.expires_at >= now) {
            let hour = hour_of(seen.expires_at);
            hours.entry(hour).or_default().push(mark_of(id));
            changed.insert(hour);
        }
        for hour in changed {
            if let Some(ids) = hours.get_mut(&hour) {
                ids.sort_unstable();
            }
        }
        Self(hours)
    }
}

fn hour_of(time: Timestamp) -> u64 {
    u64::try_from(time.as_millis() / HOUR_MS).unwrap_or_default()
}

fn mark_of(id: &EventId) -> u64 {
    let hash = Hash::of(id.as_bytes());
    let (first, _) = hash.as_bytes().split_first_chunk().expect("a hash has 32 bytes");
    u64::from_le_bytes(*first)
}

/// The event ids that were used before a verification went on: what the rules' state has beneath it.
#[derive(Debug, Default)]
pub struct EarlierIds {
    hours: IdHours,
    /// Whether one was asked for that seems to be among them.
    met: AtomicBool,
}

impl EarlierIds {
    pub(super) const fn new(hours: IdHours) -> Self {
        Self { hours, met: AtomicBool::new(false) }
    }

    pub(super) const fn hours(&self) -> &IdHours {
        &self.hours
    }

    /// Whether an event's id seems to have been used before: then nothing is said by going on.
    pub(super) fn were_met(&self) -> bool {
        self.met.load(Ordering::Relaxed)
    }
}

impl RowSource for EarlierIds {
    type Error = Infallible;

    const HOLDS_ROWS: bool = false;

    /// Every row is in memory.
    fn row(&self, _: &RowKey) -> Result<Option<Row>, Infallible> {
        Ok(None)
    }

    /// Never one: that it seems to be known is kept in mind.
    fn event_id(&self, id: &EventId) -> Result<Option<SeenEvent>, Infallible> {
        if self.hours.has(id) {
            self.met.store(true, Ordering::Relaxed);
        }
        Ok(None)
    }
}
