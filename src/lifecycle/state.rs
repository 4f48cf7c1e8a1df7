//! The state that rules are judged on: a few kinds of row, each bounded by what lives.
//!
//! Rows are kept by key. A verifier keeps all of them in memory; the ledger keeps what it has
//! touched, and asks a [`RowSource`] for the rest, so that nothing is replayed to append.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use bincode::{Decode, Encode};

use crate::codec::{self, CodecError};
use crate::event::authority::{Policy, Role, Scope};
use crate::event::body::Kind;
use crate::event::header::EventId;
use crate::event::incident::IncidentDetected;
use crate::event::model::{EvaluationKind, EvaluationOutcome, Metric, ModelEvaluated};
use crate::event::release::{ChangeOutcome, Serving};
use crate::event::text::{EnvironmentName, Name};
use crate::hash::Hash;
use crate::lifecycle::observation::{Observation, RECOVERY_APART_MAX_MS};
use crate::lifecycle::policy::{EvaluationNeed, ReleasePolicy};
use crate::lifecycle::seen::SeenIds;
use crate::signing::public_key::PublicKey;
use crate::time::Timestamp;

/// How many versions an environment remembers to go back to. A slot is read and written with each
/// change, so its size must not grow with history; nobody rolls back further than this in one step.
pub const STACK_MAX: usize = 64;
/// How many older changes of a slot may still report that they succeeded.
pub const OPEN_CHANGES_MAX: usize = 8;
/// How many grants one key may hold.
pub const GRANTS_MAX: usize = 32;
/// How many pairs of suite and data set are remembered for one digest and kind of evaluation. A row is
/// read and written with each evaluation, and one digest is measured by a few suites, not by hundreds.
pub const EVALUATIONS_MAX: usize = 64;
/// In how many places one incident may be open: environments, and models in them.
pub const INCIDENT_PLACES_MAX: usize = 64;
/// How many break-glass rollbacks may wait for somebody to stand behind them. All of them are looked at
/// with every entry, and an organisation with this many needs administrators more than another rollback.
pub const OWED_MAX: usize = 64;

/// Names a row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum RowKey {
    /// The one [`Charter`].
    Charter,
    /// The [`Holder`] of a key.
    Holder(PublicKey),
    /// The [`ModelRow`] of a model.
    Model(Name),
    /// The [`VersionRow`] of a model's version.
    Version(Name, Name),
    /// The [`Slot`] of a model in an environment.
    Slot(Name, EnvironmentName),
    /// The [`ServedRow`] of a digest in an environment.
    Served(EnvironmentName, Hash),
    /// The [`OpenChange`] of an entry.
    Change(u64),
    /// The [`Evaluations`] of a digest, of one kind.
    Evaluations(Hash, EvaluationKind),
    /// The [`OpenIncident`] of that id.
    Incident(Name),
    /// The one [`Owed`].
    Owed,
}

/// A row. Shared, for reading costs nothing then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    /// See [`Charter`].
    Charter(Arc<Charter>),
    /// See [`Holder`].
    Holder(Arc<Holder>),
    /// See [`ModelRow`].
    Model(Arc<ModelRow>),
    /// See [`VersionRow`].
    Version(Arc<VersionRow>),
    /// See [`Slot`].
    Slot(Arc<Slot>),
    /// See [`ServedRow`].
    Served(Arc<ServedRow>),
    /// See [`OpenChange`].
    Change(Arc<OpenChange>),
    /// See [`Evaluations`].
    Evaluations(Arc<Evaluations>),
    /// See [`OpenIncident`].
    Incident(Arc<OpenIncident>),
    /// See [`Owed`].
    Owed(Arc<Owed>),
}

/// What holds for the whole ledger.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Charter {
    /// The leaf hash of entry 0.
    pub ledger_id: Hash,
    /// The log's name.
    pub origin: Name,
    /// The log's key in force.
    pub log_key: PublicKey,
    /// The entry that put it in force: 0, or the newest rotation.
    pub log_key_entry: u64,
    /// The log's keys before it, oldest first.
    pub former_log_keys: Vec<PublicKey>,
    /// The rules in force.
    pub rules_version: u32,
    /// The entry that set the policy in force.
    pub policy_entry: u64,
    /// The policy in force.
    pub policy: Policy,
    /// Keys that were ever granted the role `admin` and were not revoked, ascending.
    pub administrator_keys: Vec<PublicKey>,
}

/// A person's key and what it may do.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Holder {
    /// The person.
    pub person: Name,
    /// Grants, oldest first.
    pub grants: Vec<Grant>,
    /// The entry that revoked the key.
    pub revoked: Option<u64>,
}

/// One grant of a key.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Grant {
    /// The entry that made it.
    pub entry: u64,
    /// The roles.
    pub roles: Vec<Role>,
    /// Where they hold; none for the first administrators, whose role knows no place.
    pub scope: Option<Scope>,
    /// From when.
    pub valid_from: Option<Timestamp>,
    /// Until when, excluded.
    pub valid_until: Option<Timestamp>,
}

/// That a model exists.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ModelRow {
    /// The entry that registered its first version.
    pub first_entry: u64,
}

/// A registered version.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct VersionRow {
    /// The entry that registered it.
    pub entry: u64,
    /// Its `OpenSSF` root.
    pub digest: Hash,
    /// The entry that retired it.
    pub retired: Option<u64>,
}

/// What serves of a model in an environment, and what served before.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
pub struct Slot {
    /// What served, oldest first; the last one serves. No version stands twice.
    pub stack: Vec<Serving>,
    /// The newest change.
    pub newest: Option<NewestChange>,
    /// Older changes that have not reported yet, oldest first.
    pub open: Vec<u64>,
}

/// The newest change of a slot.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct NewestChange {
    /// Its entry.
    pub entry: u64,
    /// Promotion, rollback or withdrawal.
    pub kind: ChangeKind,
    /// What came of it, once reported.
    pub outcome: Option<ChangeOutcome>,
    /// The stack before it, which a failure puts back.
    pub stack_before: Vec<Serving>,
}

/// The kinds of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum ChangeKind {
    /// `model.promoted`.
    Promotion,
    /// `model.rolledback`.
    Rollback,
    /// `model.withdrawn`.
    Withdrawal,
}

impl ChangeKind {
    /// The event kind of such a change.
    #[must_use]
    pub const fn event_kind(self) -> Kind {
        match self {
            Self::Promotion => Kind::ModelPromoted,
            Self::Rollback => Kind::ModelRolledBack,
            Self::Withdrawal => Kind::ModelWithdrawn,
        }
    }
}

/// That a digest has served in an environment, and for how long.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ServedRow {
    /// The promotion that first put it there.
    pub entry: u64,
    /// How long it served in stretches that are over.
    pub past_ms: i64,
    /// In how many slots it serves now: more than one where models share the digest.
    pub slots: u32,
    /// Since when it serves without a break; meaningless where it serves in no slot.
    pub since: Timestamp,
}

impl ServedRow {
    /// How long it has served until `now`, in milliseconds.
    #[must_use]
    pub fn served_ms(&self, now: Timestamp) -> i64 {
        let stretch = if self.slots == 0 { 0 } else { now.since_ms(self.since) };
        self.past_ms.saturating_add(stretch)
    }
}

/// A change that may still report.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct OpenChange {
    /// The model.
    pub model: Name,
    /// The environment.
    pub environment: EnvironmentName,
    /// What it is to recover from, where it is a rollback that names an incident.
    pub recovery: Option<Recovery>,
}

/// A recovery under way: from what, since when, and how fast it is to be.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Recovery {
    /// The incident.
    pub incident: Name,
    /// The entry that detected it there.
    pub detected_entry: u64,
    /// When that entry was recorded.
    pub detected_recorded: Timestamp,
    /// When the incident was noticed, as the responder said.
    pub detected_claimed: Timestamp,
    /// When the rollback was recorded.
    pub rolled_back_at: Timestamp,
    /// The policy's target at that time, in milliseconds.
    pub target_ms: i64,
}

impl Recovery {
    /// What there is to say once the rollback of entry `entry` was completed, by recorded and by claimed time.
    #[must_use]
    pub fn completed(&self, entry: u64, recorded: Timestamp, claimed: Timestamp) -> Vec<Observation> {
        let recorded_ms = recorded.since_ms(self.detected_recorded);
        let claimed_ms = claimed.since_ms(self.detected_claimed);
        let mut observations: Vec<_> = self.slow(entry, recorded_ms).into_iter().collect();
        if (recorded_ms - claimed_ms).abs() > RECOVERY_APART_MAX_MS {
            let incident = self.incident.clone();
            observations.push(Observation::RecoveryTimesDiffer { entry, incident, recorded_ms, claimed_ms });
        }
        observations
    }

    /// What there is to say of a rollback that nobody reported on: it was over, at the earliest, when it was recorded.
    #[must_use]
    pub fn unreported(&self, entry: u64) -> Option<Observation> {
        self.slow(entry, self.rolled_back_at.since_ms(self.detected_recorded))
    }

    fn slow(&self, entry: u64, took_ms: i64) -> Option<Observation> {
        let (incident, target_ms) = (self.incident.clone(), self.target_ms);
        (took_ms > target_ms).then_some(Observation::RecoverySlow { entry, incident, took_ms, target_ms })
    }
}

/// The newest evaluations of a digest of one kind, a pair of suite and data set each, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
pub struct Evaluations {
    /// At most [`EVALUATIONS_MAX`].
    pub newest: Vec<NewestEvaluation>,
}

/// The newest evaluation by one suite on one data set. Both are told apart by name: another version of a suite
/// speaks after the one before it, and may take back what that one passed.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct NewestEvaluation {
    /// Its entry.
    pub entry: u64,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// The suite.
    pub suite: Name,
    /// The data set.
    pub dataset: Name,
    /// Whether every bounded metric lay within its bounds.
    pub passed: bool,
    /// Whether any metric was bounded: without one, it satisfies no gate.
    pub bounded: bool,
}

impl NewestEvaluation {
    /// What the row says of the evaluation `body`, recorded as entry `entry`.
    #[must_use]
    pub fn of(entry: u64, recorded_at: Timestamp, body: &ModelEvaluated) -> Self {
        Self {
            entry,
            recorded_at,
            suite: body.suite.clone(),
            dataset: body.dataset.name.clone(),
            passed: body.outcome == EvaluationOutcome::Passed,
            bounded: body.metrics.iter().any(Metric::is_bounded),
        }
    }
}

impl EvaluationNeed {
    /// Whether it asks for evaluations by this suite on this data set.
    #[must_use]
    pub fn fits(&self, of: &NewestEvaluation) -> bool {
        self.suite.as_ref().is_none_or(|suite| of.suite == *suite)
            && self.dataset.as_ref().is_none_or(|dataset| of.dataset == *dataset)
    }

    /// Whether this evaluation is what it asks for, whatever its age.
    #[must_use]
    pub fn is_met_by(&self, of: &NewestEvaluation) -> bool {
        self.fits(of) && of.passed && of.bounded
    }
}

/// An incident that is open, in one place or several.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct OpenIncident {
    /// Where, oldest first: at most [`INCIDENT_PLACES_MAX`].
    pub places: Vec<IncidentPlace>,
}

/// Where an incident is open.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct IncidentPlace {
    /// The entry that says so.
    pub entry: u64,
    /// The environment.
    pub environment: EnvironmentName,
    /// The model, where it is one.
    pub model: Option<Name>,
    /// When that entry was recorded.
    pub recorded_at: Timestamp,
    /// When the incident was noticed, as the responder said.
    pub detected_at: Timestamp,
}

impl IncidentPlace {
    /// What the row says of the incident `body`, detected in entry `entry`.
    #[must_use]
    pub fn of(entry: u64, recorded_at: Timestamp, body: &IncidentDetected) -> Self {
        Self {
            entry,
            environment: body.environment.clone(),
            model: body.model.clone(),
            recorded_at,
            detected_at: body.detected_at,
        }
    }
}

/// Break-glass rollbacks that nobody has stood behind yet.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
pub struct Owed {
    /// By entry: at most [`OWED_MAX`].
    pub rollbacks: Vec<OwedRatification>,
}

/// A break-glass rollback that nobody has stood behind yet.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct OwedRatification {
    /// Its entry.
    pub entry: u64,
    /// The model.
    pub model: Name,
    /// The environment.
    pub environment: EnvironmentName,
    /// Who broke the glass.
    pub person: Name,
    /// Until when an approver may ratify it.
    pub due: Timestamp,
    /// Whether that time has passed: then it is a violation, and only administrators can accept it.
    pub lapsed: bool,
}

impl Row {
    /// The row as bytes, in the canonical encoding. They are read with the key that they stand under.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Charter(row) => codec::encode(&**row),
            Self::Holder(row) => codec::encode(&**row),
            Self::Model(row) => codec::encode(&**row),
            Self::Version(row) => codec::encode(&**row),
            Self::Slot(row) => codec::encode(&**row),
            Self::Served(row) => codec::encode(&**row),
            Self::Change(row) => codec::encode(&**row),
            Self::Evaluations(row) => codec::encode(&**row),
            Self::Incident(row) => codec::encode(&**row),
            Self::Owed(row) => codec::encode(&**row),
        }
    }

    /// Reads a row from the bytes that stand under `key`.
    ///
    /// # Errors
    /// [`CodecError`] where they are not a row of that kind, or are a charter whose policy cannot be read.
    pub fn from_bytes(key: &RowKey, bytes: &[u8]) -> Result<Self, CodecError> {
        Ok(match key {
            RowKey::Charter => Self::Charter(Arc::new(charter_from(bytes)?)),
            RowKey::Holder(_) => Self::Holder(Arc::new(codec::decode(bytes)?)),
            RowKey::Model(_) => Self::Model(Arc::new(codec::decode(bytes)?)),
            RowKey::Version(..) => Self::Version(Arc::new(codec::decode(bytes)?)),
            RowKey::Slot(..) => Self::Slot(Arc::new(codec::decode(bytes)?)),
            RowKey::Served(..) => Self::Served(Arc::new(codec::decode(bytes)?)),
            RowKey::Change(_) => Self::Change(Arc::new(codec::decode(bytes)?)),
            RowKey::Evaluations(..) => Self::Evaluations(Arc::new(codec::decode(bytes)?)),
            RowKey::Incident(_) => Self::Incident(Arc::new(codec::decode(bytes)?)),
            RowKey::Owed => Self::Owed(Arc::new(codec::decode(bytes)?)),
        })
    }
}

/// Rules let no policy in that cannot be read, and go on from there: a charter with one was not written by them.
fn charter_from(bytes: &[u8]) -> Result<Charter, CodecError> {
    let charter: Charter = codec::decode(bytes)?;
    ReleasePolicy::read(&charter.policy).map_err(|error| CodecError::Invalid(error.to_string()))?;
    Ok(charter)
}

impl Charter {
    /// The log's keys, oldest first; the last one is in force.
    #[must_use]
    pub fn log_keys(&self) -> Vec<PublicKey> {
        self.former_log_keys.iter().copied().chain([self.log_key]).collect()
    }
}

impl Slot {
    /// What serves.
    #[must_use]
    pub fn serving(&self) -> Option<&Serving> {
        self.stack.last()
    }
}

impl Grant {
    /// Whether the grant is valid at `time`.
    #[must_use]
    pub fn in_force(&self, time: Timestamp) -> bool {
        self.valid_from.is_none_or(|from| from <= time) && self.valid_until.is_none_or(|until| time < until)
    }
}

/// Where rows come from that are not in memory yet.
pub trait RowSource {
    /// What can go wrong.
    type Error;

    /// Whether it may hold a row that was removed since: then the removal is kept in mind.
    const HOLDS_ROWS: bool = true;

    /// The row of `key`, if there is one.
    ///
    /// # Errors
    /// Whatever reading it may end in.
    fn row(&self, key: &RowKey) -> Result<Option<Row>, Self::Error>;

    /// The entry that used `id`, and when that event expires.
    ///
    /// # Errors
    /// Whatever reading it may end in.
    fn event_id(&self, id: &EventId) -> Result<Option<SeenEvent>, Self::Error>;
}

/// An event id that was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct SeenEvent {
    /// The entry that holds the event.
    pub entry: u64,
    /// When the event expires.
    pub expires_at: Timestamp,
}

/// No rows but those in memory.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoSource;

impl RowSource for NoSource {
    type Error = Infallible;

    const HOLDS_ROWS: bool = false;

    fn row(&self, _: &RowKey) -> Result<Option<Row>, Infallible> {
        Ok(None)
    }

    fn event_id(&self, _: &EventId) -> Result<Option<SeenEvent>, Infallible> {
        Ok(None)
    }
}

/// What an accepted event changes: rows to put, or to remove where there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// Rows by key.
    pub rows: Vec<(RowKey, Option<Row>)>,
    /// The event's id, now used.
    pub seen: (EventId, SeenEvent),
    /// What the rules noticed and do not refuse.
    pub observations: Vec<Observation>,
}

/// The rows, cached in memory over a source.
#[derive(Debug)]
pub struct State<S> {
    source: S,
    rows: HashMap<RowKey, Option<Row>>,
    charter: Option<Arc<Charter>>,
    policy: Option<Arc<ReleasePolicy>>,
    /// Asked for with every event, so that it is kept even where there is none.
    owed: Option<Arc<Owed>>,
    seen: SeenIds,
    /// The id that the source was last found not to know, for it is asked about more than once.
    unseen: Option<EventId>,
}

impl Default for State<NoSource> {
    fn default() -> Self {
        Self::over(NoSource)
    }
}

impl<S> State<S> {
    /// An empty cache over `source`.
    pub fn over(source: S) -> Self {
        Self {
            source,
            rows: HashMap::new(),
            charter: None,
            policy: None,
            owed: None,
            seen: SeenIds::default(),
            unseen: None,
        }
    }

    /// The source.
    pub const fn source(&self) -> &S {
        &self.source
    }

    /// The source, the memory over it forgotten.
    pub fn into_source(self) -> S {
        self.source
    }

    /// The source, to change.
    pub const fn source_mut(&mut self) -> &mut S {
        &mut self.source
    }

    fn set_charter(&mut self, charter: Arc<Charter>) {
        let same_policy = self.charter.as_ref().is_some_and(|old| old.policy_entry == charter.policy_entry);
        if !same_policy || self.policy.is_none() {
            self.policy = ReleasePolicy::read(&charter.policy).ok().map(Arc::new);
        }
        self.charter = Some(charter);
    }

    /// Forgets all rows, or all event ids, once there are more than `max` of them. For a state whose source holds
    /// every one.
    pub fn forget_above(&mut self, max: usize) {
        if self.rows.len() > max {
            self.rows.clear();
        }
        if self.seen.count() > max {
            self.seen = SeenIds::default();
        }
    }

    /// The event ids in memory that could still come again at `now`, unordered.
    pub fn event_ids(&self, now: Timestamp) -> impl Iterator<Item = (&EventId, &SeenEvent)> {
        self.seen.iter().filter(move |(_, seen)| seen.expires_at >= now)
    }

    /// Every row in memory that exists, unordered. A state without a source holds all there are.
    pub fn rows(&self) -> impl Iterator<Item = (&RowKey, &Row)> {
        self.rows.iter().filter_map(|(key, row)| Some((key, row.as_ref()?)))
    }
}

macro_rules! typed_rows {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $arg_type:ty),*) -> $variant:ident($type:ty), $key:expr;)+) => {
        $($(#[$doc])*
        ///
        /// # Errors
        /// The source's.
        pub fn $name(&mut self, $($arg: $arg_type),*) -> Result<Option<Arc<$type>>, S::Error> {
            Ok(match self.row(&$key)? {
                Some(Row::$variant(row)) => Some(row),
                _ => None,
            })
        })+
    };
}

impl<S: RowSource> State<S> {
    /// Takes over what an accepted event changes.
    pub fn commit(&mut self, changes: Changes, now: Timestamp) {
        for (key, row) in changes.rows {
            self.put(key, row);
        }
        let (id, seen) = changes.seen;
        self.seen.insert(id, seen);
        self.unseen = None;
        self.seen.clear_expired(now);
    }

    /// Takes in rows that came from elsewhere, as they are.
    pub fn restore(&mut self, rows: impl IntoIterator<Item = (RowKey, Row)>) {
        for (key, row) in rows {
            self.put(key, Some(row));
        }
    }

    fn put(&mut self, key: RowKey, row: Option<Row>) {
        match &row {
            Some(Row::Charter(charter)) => self.set_charter(Arc::clone(charter)),
            Some(Row::Owed(owed)) => self.owed = Some(Arc::clone(owed)),
            _ => {}
        }
        if row.is_some() || S::HOLDS_ROWS {
            self.rows.insert(key, row);
        } else {
            self.rows.remove(&key);
        }
    }

    /// The row of `key`.
    ///
    /// # Errors
    /// The source's.
    pub fn row(&mut self, key: &RowKey) -> Result<Option<Row>, S::Error> {
        if let Some(row) = self.rows.get(key) {
            return Ok(row.clone());
        }
        let row = self.source.row(key)?;
        if row.is_some() {
            self.rows.insert(key.clone(), row.clone());
        }
        Ok(row)
    }

    typed_rows! {
        /// The holder of a key.
        holder(key: &PublicKey) -> Holder(Holder), RowKey::Holder(*key);
        /// A model.
        model(model: &Name) -> Model(ModelRow), RowKey::Model(model.clone());
        /// A registered version.
        version(model: &Name, version: &Name) -> Version(VersionRow), RowKey::Version(model.clone(), version.clone());
        /// What serves of a model in an environment.
        slot(model: &Name, environment: &EnvironmentName) -> Slot(Slot), RowKey::Slot(model.clone(), environment.clone());
        /// Whether a digest has served in an environment.
        served(environment: &EnvironmentName, digest: Hash) -> Served(ServedRow), RowKey::Served(environment.clone(), digest);
        /// A change that may still report.
        change(entry: u64) -> Change(OpenChange), RowKey::Change(entry);
        /// The newest evaluations of a digest, of one kind.
        evaluations(digest: Hash, kind: EvaluationKind) -> Evaluations(Evaluations), RowKey::Evaluations(digest, kind);
        /// An incident that is open.
        incident(id: &Name) -> Incident(OpenIncident), RowKey::Incident(id.clone());
    }

    /// Break-glass rollbacks that nobody has stood behind yet.
    ///
    /// # Errors
    /// The source's.
    pub fn owed(&mut self) -> Result<Arc<Owed>, S::Error> {
        if let Some(owed) = &self.owed {
            return Ok(Arc::clone(owed));
        }
        let owed = match self.row(&RowKey::Owed)? {
            Some(Row::Owed(owed)) => owed,
            _ => Arc::default(),
        };
        self.owed = Some(Arc::clone(&owed));
        Ok(owed)
    }

    /// What holds for the whole ledger; none before entry 0.
    ///
    /// # Errors
    /// The source's.
    pub fn charter(&mut self) -> Result<Option<Arc<Charter>>, S::Error> {
        if self.charter.is_none()
            && let Some(Row::Charter(charter)) = self.row(&RowKey::Charter)?
        {
            self.set_charter(charter);
        }
        Ok(self.charter.clone())
    }

    /// The policy in force; none before entry 0, or where it cannot be read.
    ///
    /// # Errors
    /// The source's.
    pub fn policy(&mut self) -> Result<Option<Arc<ReleasePolicy>>, S::Error> {
        self.charter()?;
        Ok(self.policy.clone())
    }

    /// The entry whose event used `id` and could still come again at `now`.
    ///
    /// # Errors
    /// The source's.
    pub fn event_id(&mut self, id: &EventId, now: Timestamp) -> Result<Option<SeenEvent>, S::Error> {
        let seen = match self.seen.get(id) {
            Some(seen) => Some(*seen),
            None if self.unseen.as_ref() == Some(id) => None,
            None => self.source.event_id(id)?,
        };
        self.unseen = seen.is_none().then_some(*id);
        Ok(seen.filter(|seen| seen.expires_at >= now))
    }
}
