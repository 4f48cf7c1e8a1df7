//! The writer's derived index: release state, event ids and offsets, and how far they reach.
//!
//! Nothing here is believed beyond need (decision 1). It names the tree that it was built for, and
//! is thrown away where that isn't the log's. A row taken from it for a decision is held against
//! the entry that it cites; where they disagree, all of it is rebuilt.

use std::collections::BTreeMap;
use std::path::Path;

use bincode::{Decode, Encode};

use crate::codec;
use crate::event::authority::Role;
use crate::event::body::{Body, Event};
use crate::event::header::EventId;
use crate::event::model::EvaluationKind;
use crate::event::text::Name;
use crate::hash::Hash;
use crate::index::ids::{Ids, Manifest, Use};
use crate::index::offsets::{EntryLocation, Offsets};
use crate::index::rows::{IndexError, RowChange, Rows, remove_index};
use crate::index::tiles::{TILE_LEVELS_MAX, TileRows};
use crate::lifecycle::state::{
    Changes, Charter, Evaluations, Grant, Holder, IncidentPlace, NewestEvaluation, OpenChange, OpenIncident,
    Owed, Row, RowKey, RowSource, SeenEvent, Slot,
};
use crate::log::entry::{ENTRY_BYTES_MAX, Entry};
use crate::log::reader::{INDEX_DIR, LOG_DIR};
use crate::merkle::tile::{TILE_WIDTH, perfect_root, row_hashes};
use crate::merkle::tree::Frontier;
use crate::signing::public_key::PublicKey;
use crate::store::batch_log::{BatchSource, FrameLocation, Position};
use crate::store::files::FileSource;
use crate::time::{DAY_MS, Timestamp};

/// The version of the rows' layout; another one is rebuilt.
const LAYOUT: u32 = 4;
/// Not below [`ROW_PREFIX`].
const REACH_KEY: &[u8] = b"how far";
const ROW_PREFIX: u8 = b'r';

/// How far the index reaches: the log up to one frame's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// The tree up to there.
    pub tree: Frontier,
    /// The leaf hash of the last entry; zeros where there is none.
    pub previous: Hash,
    /// When the last entry was recorded.
    pub last_recorded: Timestamp,
    /// Where the last frame begins.
    pub last_frame: Position,
}

impl Reach {
    /// Nothing yet.
    #[must_use]
    pub const fn start() -> Self {
        Self {
            tree: Frontier::new(),
            previous: Hash::ZERO,
            last_recorded: Timestamp::EPOCH,
            last_frame: Position::START,
        }
    }
}

/// [`Reach`] as bytes, with the files of event ids that belong to it.
#[derive(Encode, Decode)]
struct ReachRow {
    layout: u32,
    size: u64,
    nodes: Vec<Hash>,
    previous: Hash,
    last_recorded: Timestamp,
    last_frame: (u64, u64, u64),
    ids: Manifest,
}

impl ReachRow {
    fn of(reach: &Reach, ids: Manifest) -> Self {
        let Position { file, offset, index } = reach.last_frame;
        Self {
            layout: LAYOUT,
            size: reach.tree.size(),
            nodes: reach.tree.nodes().to_vec(),
            previous: reach.previous,
            last_recorded: reach.last_recorded,
            last_frame: (file, offset, index),
            ids,
        }
    }

    fn into_parts(self) -> Option<(Reach, Manifest)> {
        let (file, offset, index) = self.last_frame;
        (self.layout == LAYOUT).then_some(())?;
        let reach = Reach {
            tree: Frontier::from_parts(self.size, self.nodes).ok()?,
            previous: self.previous,
            last_recorded: self.last_recorded,
            last_frame: Position { file, offset, index },
        };
        Some((reach, self.ids))
    }
}

/// The index, open for the one writer.
#[derive(Debug)]
pub struct Derived {
    /// None only once it is closed.
    rows: Option<Rows>,
    offsets: Offsets,
    tiles: TileRows,
    ids: Ids,
    log: FileSource,
    reach: Reach,
    /// How many entries what sled holds covers.
    flushed: u64,
    /// Changes not yet handed to sled; the last one for a key counts.
    pending: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

fn damaged(what: impl Into<String>) -> IndexError {
    IndexError::Damaged { what: what.into() }
}

impl Derived {
    /// Opens the index of the ledger in `dir`, over the log whose entries it cites.
    ///
    /// # Errors
    /// [`IndexError`]; then [`Derived::create`] makes a new one.
    pub fn open(dir: &Path) -> Result<Self, IndexError> {
        Self::open_at(&dir.join(INDEX_DIR), &dir.join(LOG_DIR))
    }

    /// Opens an index that stands elsewhere, over the log in the directory `log`.
    ///
    /// # Errors
    /// As [`Derived::open`].
    pub fn open_at(index: &Path, log: &Path) -> Result<Self, IndexError> {
        let rows = Rows::open(index)?;
        let mut offsets = Offsets::open(index)?;
        let (reach, ids) = match rows.get(REACH_KEY)? {
            // Rows that nothing dates are left from something: on them entry 0 would be refused.
            None if !rows.scan_prefix(&[])?.is_empty() => {
                return Err(damaged("the row that says how far it reaches is missing"));
            }
            None => (Reach::start(), Ids::create(index)?),
            Some(bytes) => {
                let row = codec::decode::<ReachRow>(&bytes).ok().and_then(ReachRow::into_parts);
                let (reach, ids) =
                    row.ok_or_else(|| damaged("the row that says how far it reaches cannot be read"))?;
                (reach, Ids::open(index, &ids)?)
            }
        };
        if offsets.entries() < reach.tree.size() {
            return Err(damaged("offsets are missing"));
        }
        offsets.rewind(reach.tree.size());
        let mut tiles = TileRows::open(index)?;
        let size = reach.tree.size();
        if (0..TILE_LEVELS_MAX).any(|level| tiles.hashes(level) < row_hashes(size, level)) {
            return Err(damaged("tiles are missing"));
        }
        tiles.rewind(size);
        let log = FileSource::new(log);
        let flushed = reach.tree.size();
        Ok(Self { rows: Some(rows), offsets, tiles, ids, log, reach, flushed, pending: BTreeMap::new() })
    }

    /// Lets go of sled's files, so that they can be removed. Nothing can be read or changed any more.
    pub fn close(&mut self) {
        self.rows = None;
    }

    fn rows(&self) -> Result<&Rows, IndexError> {
        self.rows.as_ref().ok_or_else(|| damaged("it was closed"))
    }

    /// Removes the index of the ledger in `dir`, and begins anew.
    ///
    /// # Errors
    /// [`IndexError`]: then the disk fails.
    pub fn create(dir: &Path) -> Result<Self, IndexError> {
        remove_index(&dir.join(INDEX_DIR))?;
        Self::open(dir)
    }

    /// How far it reaches.
    #[must_use]
    pub const fn reach(&self) -> &Reach {
        &self.reach
    }

    /// Takes over a frame that is in the log: what its entries changed, and where they lie. Lasts
    /// once [`Derived::flush`] is called.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn record(
        &mut self,
        frame: &FrameLocation,
        entry_offsets: impl Iterator<Item = u32>,
        leaf_hashes: &[Hash],
        changes: &[Changes],
        reach: Reach,
    ) -> Result<(), IndexError> {
        let position = frame.position();
        let frame_offset = u32::try_from(position.offset).map_err(|_| damaged("a log file is too long"))?;
        let locate = |entry_offset| EntryLocation { file: position.file, frame_offset, entry_offset };
        let locations: Vec<EntryLocation> = entry_offsets.map(locate).collect();
        self.offsets.append(&locations)?;
        self.append_tiles(leaf_hashes)?;
        self.ids.insert(changes.iter().map(|changes| {
            let (id, seen) = &changes.seen;
            (*id.as_bytes(), Use { entry: seen.entry, last_day: day_of(seen.expires_at) })
        }))?;
        for (key, row) in changes.iter().flat_map(|changes| &changes.rows) {
            self.pending.insert(row_key(key), row.as_ref().map(Row::to_bytes));
        }
        self.reach = reach;
        Ok(())
    }

    /// Takes the next leaf hashes into the tiles, and the roots of tiles that are full now into those above.
    fn append_tiles(&mut self, leaf_hashes: &[Hash]) -> Result<(), IndexError> {
        self.tiles.append(0, leaf_hashes)?;
        for level in 0..TILE_LEVELS_MAX - 1 {
            let width = u64::from(TILE_WIDTH);
            let (begin, end) = (self.tiles.hashes(level + 1), self.tiles.hashes(level) / width);
            if begin == end {
                break;
            }
            let row = |tile| self.tiles.read(level, tile * width, usize::from(TILE_WIDTH));
            let root = |tile| perfect_root(&row(tile)?).ok_or_else(|| damaged("a tile is not whole"));
            let roots: Vec<Hash> = (begin..end).map(root).collect::<Result<_, _>>()?;
            self.tiles.append(level + 1, &roots)?;
        }
        Ok(())
    }

    /// Hands everything that is pending to sled, with how far it reaches: all or nothing.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn flush(&mut self) -> Result<(), IndexError> {
        self.ids.settle(day_of(self.reach.last_recorded))?;
        let reach = ReachRow::of(&self.reach, self.ids.manifest());
        self.pending.insert(REACH_KEY.to_vec(), Some(codec::encode(&reach)));
        let changes: Vec<RowChange> = std::mem::take(&mut self.pending)
            .into_iter()
            .map(|(key, value)| match value {
                Some(value) => RowChange::Put { key, value },
                None => RowChange::Delete { key },
            })
            .collect();
        self.rows()?.apply(&changes)?;
        self.flushed = self.reach.tree.size();
        self.ids.sweep()
    }

    /// Hands over what is pending where that is more than `lag` entries. A flush waits for the disk, as long as an
    /// append does; what it leaves out is replayed from the log by the next opening.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn flush_beyond(&mut self, lag: u64) -> Result<(), IndexError> {
        if self.reach.tree.size() - self.flushed > lag { self.flush() } else { Ok(()) }
    }

    /// Where this index and `other`, of the same log, say different things; none where they agree. Ids that have
    /// expired are no difference: when an index lets go of them depends on when it was flushed.
    ///
    /// # Errors
    /// [`IndexError`]: one of the two cannot be read.
    pub fn difference(&mut self, other: &mut Self) -> Result<Option<String>, IndexError> {
        self.flush()?;
        other.flush()?;
        if self.reach != other.reach {
            return Ok(Some("it was built for another state of the log".into()));
        }
        let (rows, others) =
            (self.rows()?.scan_prefix(&[ROW_PREFIX])?, other.rows()?.scan_prefix(&[ROW_PREFIX])?);
        if rows != others {
            let differing = rows.iter().zip(&others).find(|(row, other)| row != other);
            let key = differing.map(|(row, _)| hex::encode(&row.0));
            return Ok(Some(key.map_or_else(
                || format!("it has {} rows, and the log makes {}", rows.len(), others.len()),
                |key| format!("the row {key} is not what the log makes"),
            )));
        }
        if let Some(level) = self.tiles_differ(other)? {
            return Ok(Some(format!("the tiles of level {level} are not what the log makes")));
        }
        let last_recorded = self.reach.last_recorded;
        let in_use = |derived: &Self, id: &EventId| -> Result<Option<SeenEvent>, IndexError> {
            Ok(derived.event_id(id)?.filter(|seen| seen.expires_at >= last_recorded))
        };
        for index in 0..self.reach.tree.size() {
            if self.offsets.read(index)? != other.offsets.read(index)? {
                return Ok(Some(format!("the offset of entry {index} is wrong")));
            }
            let id = self.event(index)?.1.header.event_id;
            if in_use(self, &id)? != in_use(other, &id)? {
                return Ok(Some(format!("the event id of entry {index} is not rightly known")));
            }
        }
        Ok(None)
    }

    /// The first level on which two indexes hold other tiles.
    fn tiles_differ(&self, other: &Self) -> Result<Option<u8>, IndexError> {
        for level in 0..TILE_LEVELS_MAX {
            let width = u64::from(TILE_WIDTH);
            for tile in 0..=self.tiles.hashes(level).max(other.tiles.hashes(level)) / width {
                let row = |tiles: &TileRows| tiles.read(level, tile * width, usize::from(TILE_WIDTH));
                if row(&self.tiles)? != row(&other.tiles)? {
                    return Ok(Some(level));
                }
            }
        }
        Ok(None)
    }

    /// How much waits for [`Derived::flush`] in memory, in rows and event ids.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.pending.len() + self.ids.recent()
    }

    /// The entry at `index`, read from the log where the offsets say it lies.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] where it does not lie there.
    pub fn entry(&self, index: u64) -> Result<Entry, IndexError> {
        let location = self.location(index)?;
        let offset = u64::from(location.frame_offset) + u64::from(location.entry_offset);
        let mut length = [0; 4];
        self.read_exact(location.file, offset, &mut length)?;
        let length = u32::from_le_bytes(length) as usize;
        if length > ENTRY_BYTES_MAX {
            return Err(damaged(format!("no entry lies where entry {index} should")));
        }
        let mut bytes = vec![0; length];
        self.read_exact(location.file, offset + 4, &mut bytes)?;
        match Entry::from_bytes(&bytes) {
            Ok(entry) if entry.index == index => Ok(entry),
            _ => Err(damaged(format!("no entry lies where entry {index} should"))),
        }
    }

    /// Where the frame that holds entry `index` begins.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] where the offsets do not know.
    pub fn frame_of(&self, index: u64) -> Result<(u64, u64), IndexError> {
        let location = self.location(index)?;
        Ok((location.file, u64::from(location.frame_offset)))
    }

    fn location(&self, index: u64) -> Result<EntryLocation, IndexError> {
        self.offsets.read(index)?.ok_or_else(|| damaged(format!("the offset of entry {index} is missing")))
    }

    fn read_exact(&self, file: u64, offset: u64, buffer: &mut [u8]) -> Result<(), IndexError> {
        match self.log.read_at(file, offset, buffer) {
            Ok(count) if count == buffer.len() => Ok(()),
            Ok(_) => Err(damaged("an offset points beyond the log")),
            Err(error) => Err(damaged(error.to_string())),
        }
    }

    fn event(&self, index: u64) -> Result<(Entry, Event), IndexError> {
        let entry = self.entry(index)?;
        let event = Event::from_bytes(entry.envelope.event())
            .map_err(|error| damaged(format!("entry {index}: {error}")))?;
        Ok((entry, event))
    }

    /// Holds a row against the entry that it cites.
    fn check(&self, key: &RowKey, row: &Row) -> Result<(), IndexError> {
        let agrees = match (key, row) {
            (RowKey::Charter, Row::Charter(charter)) => self.check_charter(charter)?,
            (RowKey::Holder(key), Row::Holder(holder)) => self.check_holder(key, holder)?,
            (RowKey::Version(model, version), Row::Version(row)) => {
                let registered = matches!(self.event(row.entry)?.1.body, Body::ModelRegistered(body)
                    if body.model == *model && body.version == *version && body.digest.root == row.digest);
                registered && self.check_retired(model, version, row.retired)?
            }
            (RowKey::Model(model), Row::Model(row)) => {
                matches!(self.event(row.first_entry)?.1.body, Body::ModelRegistered(body) if body.model == *model)
            }
            (RowKey::Slot(model, environment), Row::Slot(slot)) => {
                self.check_slot(model.as_str(), environment.as_str(), slot)?
            }
            (RowKey::Served(environment, digest), Row::Served(row)) => {
                matches!(self.event(row.entry)?.1.body, Body::ModelPromoted(body)
                    if body.environment == *environment && body.digest == *digest)
            }
            (RowKey::Change(entry), Row::Change(row)) => self.check_change(*entry, row)?,
            (RowKey::Evaluations(digest, kind), Row::Evaluations(row)) => {
                self.check_evaluations(*digest, *kind, row)?
            }
            (RowKey::Incident(incident), Row::Incident(row)) => self.check_incident(incident, row)?,
            (RowKey::Owed, Row::Owed(row)) => self.check_owed(row)?,
            _ => false,
        };
        if agrees { Ok(()) } else { Err(damaged(format!("{key:?} is not what the log says"))) }
    }

    fn check_change(&self, entry: u64, row: &OpenChange) -> Result<bool, IndexError> {
        let (_, event) = self.event(entry)?;
        if place_of(&event.body) != Some((row.model.as_str(), row.environment.as_str())) {
            return Ok(false);
        }
        let Some(recovery) = &row.recovery else { return Ok(true) };
        let (detected, event) = self.event(recovery.detected_entry)?;
        Ok(matches!(event.body, Body::IncidentDetected(body)
            if body.incident == recovery.incident
                && detected.recorded_at == recovery.detected_recorded
                && body.detected_at == recovery.detected_claimed))
    }

    fn check_evaluations(
        &self,
        digest: Hash,
        kind: EvaluationKind,
        row: &Evaluations,
    ) -> Result<bool, IndexError> {
        for of in &row.newest {
            let (entry, event) = self.event(of.entry)?;
            let Body::ModelEvaluated(body) = event.body else { return Ok(false) };
            let told = NewestEvaluation::of(of.entry, entry.recorded_at, &body);
            if (body.digest, body.kind) != (digest, kind) || told != *of {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn check_incident(&self, incident: &Name, row: &OpenIncident) -> Result<bool, IndexError> {
        for place in &row.places {
            let (entry, event) = self.event(place.entry)?;
            let Body::IncidentDetected(body) = event.body else { return Ok(false) };
            let told = IncidentPlace::of(place.entry, entry.recorded_at, &body);
            if body.incident != *incident || told != *place {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn check_owed(&self, row: &Owed) -> Result<bool, IndexError> {
        for owed in &row.rollbacks {
            let (_, event) = self.event(owed.entry)?;
            let place = Some((owed.model.as_str(), owed.environment.as_str()));
            let breaks_glass = matches!(&event.body, Body::ModelRolledBack(body) if body.break_glass);
            if !breaks_glass || place_of(&event.body) != place {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn check_charter(&self, charter: &Charter) -> Result<bool, IndexError> {
        let policy_stands = match self.event(charter.policy_entry)?.1.body {
            Body::LedgerCreated(body) => {
                body.policy == charter.policy && body.rules_version == charter.rules_version
            }
            Body::PolicySet(body) => {
                body.policy == charter.policy && body.rules_version == charter.rules_version
            }
            _ => false,
        };
        let (first, event) = self.event(0)?;
        let Body::LedgerCreated(created) = event.body else { return Ok(false) };
        let is_founded_so = created.origin == charter.origin
            && charter.log_keys().first() == Some(&created.log_key)
            && Entry::leaf_hash(&first.to_bytes()) == charter.ledger_id;
        Ok(policy_stands && is_founded_so && self.check_log_key(charter)?)
    }

    /// The log's key is the one that entry 0 names, or that the rotation cited puts in place of the one before.
    fn check_log_key(&self, charter: &Charter) -> Result<bool, IndexError> {
        let Some(former) = charter.former_log_keys.last() else { return Ok(charter.log_key_entry == 0) };
        Ok(matches!(self.event(charter.log_key_entry)?.1.body, Body::LogKeyRotated(body)
            if body.new_key == charter.log_key && body.old_key == *former))
    }

    fn check_holder(&self, key: &PublicKey, holder: &Holder) -> Result<bool, IndexError> {
        for grant in &holder.grants {
            let granted = match self.event(grant.entry)?.1.body {
                Body::LedgerCreated(body) => {
                    let first = Grant {
                        entry: 0,
                        roles: vec![Role::Admin],
                        scope: None,
                        valid_from: None,
                        valid_until: None,
                    };
                    let mut named = body.administrators.iter();
                    *grant == first && named.any(|named| named.key == *key && named.person == holder.person)
                }
                Body::KeyGranted(body) => {
                    let validity = (body.valid_from, body.valid_until);
                    body.key == *key
                        && body.person == holder.person
                        && *body.roles == *grant.roles
                        && grant.scope.as_ref() == Some(&body.scope)
                        && (grant.valid_from, grant.valid_until) == validity
                }
                _ => false,
            };
            if !granted {
                return Ok(false);
            }
        }
        match holder.revoked {
            None => Ok(true),
            Some(entry) => {
                Ok(matches!(self.event(entry)?.1.body, Body::KeyRevoked(body) if body.key == *key))
            }
        }
    }

    fn check_retired(&self, model: &Name, version: &Name, retired: Option<u64>) -> Result<bool, IndexError> {
        let Some(entry) = retired else { return Ok(true) };
        Ok(matches!(self.event(entry)?.1.body, Body::ModelRetired(body)
            if body.model == *model && body.version == *version))
    }

    /// Whatever the slot names that a rollback or a failed change could bring back, it names rightly.
    fn check_slot(&self, model: &str, environment: &str, slot: &Slot) -> Result<bool, IndexError> {
        let place = Some((model, environment));
        let stack_before = slot.newest.as_ref().map(|newest| newest.stack_before.as_slice());
        for serving in slot.stack.iter().chain(stack_before.unwrap_or_default()) {
            let (_, event) = self.event(serving.entry)?;
            let version = match &event.body {
                Body::ModelPromoted(body) => &body.version,
                Body::ModelRolledBack(body) => &body.to,
                _ => return Ok(false),
            };
            if place_of(&event.body) != place || *version != serving.version {
                return Ok(false);
            }
        }
        let Some(newest) = &slot.newest else { return Ok(true) };
        let (_, event) = self.event(newest.entry)?;
        Ok(event.kind() == newest.kind.event_kind() && place_of(&event.body) == place)
    }
}

/// Model and environment of a change.
fn place_of(body: &Body) -> Option<(&str, &str)> {
    let (model, environment) = match body {
        Body::ModelPromoted(body) => (&body.model, &body.environment),
        Body::ModelRolledBack(body) => (&body.model, &body.environment),
        Body::ModelWithdrawn(body) => (&body.model, &body.environment),
        _ => return None,
    };
    Some((model.as_str(), environment.as_str()))
}

impl RowSource for Derived {
    type Error = IndexError;

    fn row(&self, key: &RowKey) -> Result<Option<Row>, IndexError> {
        let stored = row_key(key);
        let bytes = match self.pending.get(&stored) {
            Some(pending) => pending.clone(),
            None => self.rows()?.get(&stored)?,
        };
        let Some(bytes) = bytes else { return Ok(None) };
        let row = Row::from_bytes(key, &bytes).map_err(|error| damaged(format!("{key:?}: {error}")))?;
        self.check(key, &row)?;
        Ok(Some(row))
    }

    fn event_id(&self, id: &EventId) -> Result<Option<SeenEvent>, IndexError> {
        // An id that came again after its first event had expired is the later event's.
        let newest = self.ids.find(*id.as_bytes())?.into_iter().max_by_key(|of| of.entry);
        let Some(Use { entry, last_day }) = newest else { return Ok(None) };
        let header = self.event(entry)?.1.header;
        if header.event_id != *id || day_of(header.expires_at) != last_day {
            return Err(damaged(format!("entry {entry} does not hold event {id}")));
        }
        Ok(Some(SeenEvent { entry, expires_at: header.expires_at }))
    }
}

fn row_key(key: &RowKey) -> Vec<u8> {
    let mut bytes = vec![ROW_PREFIX];
    bytes.extend_from_slice(&codec::encode(key));
    bytes
}

/// Days since the epoch.
fn day_of(time: Timestamp) -> u32 {
    u32::try_from(time.as_millis() / DAY_MS).expect("the year 9999 is some 2.9 million days away")
}
