//! The rules, versions 1 to 3: [`apply`] judges one event (docs/lifecycle.md holds them as a table).
//!
//! The order is fixed: the event's fit into this ledger, its times and id, then the act itself,
//! signers first. The first rule that says no is the answer. An event that is refused changes
//! nothing; one that a log holds against the rules changes nothing either, so that an unlawful
//! grant gives nobody authority.

use std::sync::Arc;

use crate::event::authority::{LedgerCreated, Role};
use crate::event::body::{Body, Event, Kind};
use crate::event::header::EXPIRY_MAX_MS;
use crate::event::text::Name;
use crate::evidence::infra::InfraEvidence;
use crate::hash::Hash;
use crate::lifecycle::authority::{Need, Place, Signers, judge};
use crate::lifecycle::observation::Observation;
use crate::lifecycle::policy::{Act, Approvals, ReleasePolicy};
use crate::lifecycle::refusal::Refusal;
use crate::lifecycle::state::{
    Changes, Charter, Grant, Holder, Owed, OwedRatification, Row, RowKey, RowSource, SeenEvent, State,
};
use crate::signing::public_key::PublicKey;
use crate::signing::verify::check_grantable;
use crate::time::{MINUTE_MS, Timestamp};

pub mod incidents;
mod infra;
mod keys;
mod models;
mod releases;
mod remarks;

/// The newest version of the rules that this program knows. A ledger is judged by the version that stands in it,
/// so that a rule that came later condemns no earlier entry.
pub const RULES_VERSION: u32 = 3;
/// The first version that judges evaluations, drift, incidents, ratification, redaction and the log key's rotation.
const RULES_OF_EVIDENCE: u32 = 2;
/// The first version that judges what Git objects show.
const RULES_OF_GIT: u32 = 3;
/// How far a claimed time may lie ahead of the recorded time: what clocks of hosts in one
/// organisation differ by, at most.
pub const CLAIM_AHEAD_MAX_MS: i64 = 5 * MINUTE_MS;

/// An event at the place in the log where it stands, or would stand.
#[derive(Debug, Clone, Copy)]
pub struct Submission<'a> {
    /// The entry's index.
    pub index: u64,
    /// The entry's leaf hash.
    pub leaf_hash: Hash,
    /// When the entry is recorded.
    pub recorded_at: Timestamp,
    /// The event.
    pub event: &'a Event,
    /// The keys whose valid signatures are on the envelope, ascending.
    pub signers: &'a [PublicKey],
    /// What the Git objects show that the event embeds.
    pub git: GitEvidence<'a>,
}

/// Who looks at the Git objects that an event embeds.
#[derive(Debug, Clone, Copy)]
pub enum GitEvidence<'a> {
    /// The rules do.
    Look,
    /// The caller has, and this is what came of it; none, where the event names no infra commit.
    Found(Option<&'a InfraEvidence>),
    /// Nobody: the caller believes that the log holds what the rules accepted, as it believes the authors' signatures.
    Believed,
}

/// Why an event changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError<E> {
    /// A rule says no.
    #[error("{0}")]
    Refused(Refusal),
    /// A row could not be read.
    #[error("the state could not be read")]
    Source(E),
}

impl<E> From<E> for ApplyError<E> {
    fn from(error: E) -> Self {
        Self::Source(error)
    }
}

/// A refusal as the outcome of judging.
pub(super) const fn refuse<T, E>(refusal: Refusal) -> Result<T, ApplyError<E>> {
    Err(ApplyError::Refused(refusal))
}

/// What the event's checks go by: the state and the submission, handed down together.
struct Judge<'a, S> {
    state: &'a mut State<S>,
    act: Submission<'a>,
    charter: Arc<Charter>,
    policy: Arc<ReleasePolicy>,
    /// What is owed at the time of the act.
    owed: Arc<Owed>,
    observations: Vec<Observation>,
}

type Rows = Vec<(RowKey, Option<Row>)>;
type Outcome<T, S> = Result<T, ApplyError<<S as RowSource>::Error>>;

/// Judges an event on `state`, and says what it changes; `state` itself is left as it was.
///
/// # Errors
/// [`ApplyError::Refused`] with the first rule that says no; [`ApplyError::Source`] where the
/// state could not be read.
pub fn apply<S: RowSource>(state: &mut State<S>, act: &Submission<'_>) -> Outcome<Changes, S> {
    let header = &act.event.header;
    let charter = state.charter()?;
    check_place(charter.as_deref(), act)?;
    check_times(act)?;
    if let Some(seen) = state.event_id(&header.event_id, act.recorded_at)? {
        return refuse(Refusal::EventIdReused { event_id: header.event_id, entry: seen.entry });
    }
    let seen = (header.event_id, SeenEvent { entry: act.index, expires_at: header.expires_at });
    let charter = match (&act.event.body, charter) {
        (Body::LedgerCreated(created), None) => {
            let rows = create_ledger(act, created)?;
            return Ok(Changes { rows, seen, observations: Vec::new() });
        }
        (_, None) => return refuse(Refusal::LedgerNotCreated),
        (_, Some(charter)) => charter,
    };
    let Lapse { owed, mut rows, mut observations } = lapse(state, act.recorded_at)?;
    let policy = state.policy()?.expect("a charter is committed only with a policy that reads");
    let mut judge = Judge { state, act: *act, charter, policy, owed, observations: Vec::new() };
    // What the act changes goes before what time alone has changed.
    rows.extend(judge.rows()?);
    observations.append(&mut judge.observations);
    Ok(Changes { rows, seen, observations })
}

/// What time alone changes.
struct Lapse {
    owed: Arc<Owed>,
    rows: Rows,
    observations: Vec<Observation>,
}

/// Break-glass rollbacks that nobody has ratified in time.
fn lapse<S: RowSource>(state: &mut State<S>, now: Timestamp) -> Result<Lapse, S::Error> {
    let owed = state.owed()?;
    let has_lapsed = |owed: &OwedRatification| !owed.lapsed && owed.due < now;
    if !owed.rollbacks.iter().any(has_lapsed) {
        return Ok(Lapse { owed, rows: Vec::new(), observations: Vec::new() });
    }
    let mut lapsed = (*owed).clone();
    let mut observations = Vec::new();
    for rollback in lapsed.rollbacks.iter_mut().filter(|owed| has_lapsed(owed)) {
        rollback.lapsed = true;
        let OwedRatification { entry, person, due, .. } = rollback.clone();
        observations.push(Observation::NotRatified { entry, person, due });
    }
    let owed = Arc::new(lapsed);
    Ok(Lapse { rows: vec![owed_row(&owed)], owed, observations })
}

fn owed_row(owed: &Arc<Owed>) -> (RowKey, Option<Row>) {
    (RowKey::Owed, Some(Row::Owed(Arc::clone(owed))))
}

/// Everything that stands in the way of an event, where it is a promotion; of others, the first thing alone. Nothing
/// where it would be accepted.
///
/// # Errors
/// The source's.
pub fn missing<S: RowSource>(state: &mut State<S>, act: &Submission<'_>) -> Result<Vec<Refusal>, S::Error> {
    let first = match apply(state, act) {
        Ok(_) => return Ok(Vec::new()),
        Err(ApplyError::Source(error)) => return Err(error),
        Err(ApplyError::Refused(refusal)) => refusal,
    };
    let (Body::ModelPromoted(body), Some(charter), Some(policy)) =
        (&act.event.body, state.charter()?, state.policy()?)
    else {
        return Ok(vec![first]);
    };
    let owed = state.owed()?;
    let mut judge = Judge { state, act: *act, charter, policy, owed, observations: Vec::new() };
    let mut all = judge.promotion_gaps(body)?;
    if !all.contains(&first) {
        all.insert(0, first);
    }
    Ok(all)
}

/// Judges an event that stands in a log already, and says what it changes, and which rule forbids
/// it, if one does. What is forbidden changes nothing, but that its event id is used; an id that was
/// in use before stays with the event that used it first.
///
/// # Errors
/// The source's.
pub fn replay<S: RowSource>(
    state: &mut State<S>,
    act: &Submission<'_>,
) -> Result<(Changes, Option<Refusal>), S::Error> {
    let refusal = match apply(state, act) {
        Ok(changes) => return Ok((changes, None)),
        Err(ApplyError::Source(error)) => return Err(error),
        Err(ApplyError::Refused(refusal)) => refusal,
    };
    let header = &act.event.header;
    let first_use = state.event_id(&header.event_id, act.recorded_at)?;
    let seen = first_use.unwrap_or(SeenEvent { entry: act.index, expires_at: header.expires_at });
    let Lapse { rows, observations, .. } = lapse(state, act.recorded_at)?;
    Ok((Changes { rows, seen: (header.event_id, seen), observations }, Some(refusal)))
}

/// The event is meant for this ledger, and for this place in it.
fn check_place<E>(charter: Option<&Charter>, act: &Submission<'_>) -> Result<(), ApplyError<E>> {
    let is_creation = matches!(act.event.body, Body::LedgerCreated(_));
    let expected = match charter {
        None if !is_creation => return refuse(Refusal::LedgerNotCreated),
        None => Hash::ZERO,
        Some(_) if is_creation => return refuse(Refusal::LedgerAlreadyCreated),
        Some(charter) => charter.ledger_id,
    };
    let actual = act.event.header.ledger_id;
    if actual != expected {
        return refuse(Refusal::ForeignLedger { actual, expected });
    }
    Ok(())
}

fn check_times<E>(act: &Submission<'_>) -> Result<(), ApplyError<E>> {
    let (header, recorded_at) = (&act.event.header, act.recorded_at);
    if recorded_at > header.expires_at {
        return refuse(Refusal::EventExpired { expires_at: header.expires_at, recorded_at });
    }
    if header.expires_at > recorded_at.plus_ms(EXPIRY_MAX_MS + CLAIM_AHEAD_MAX_MS) {
        return refuse(Refusal::ExpiryTooFar { expires_at: header.expires_at, recorded_at });
    }
    check_claim("the claimed time", header.claimed_at, recorded_at)
}

/// A time that somebody claims lies at most five minutes ahead of the recorded time.
fn check_claim<E>(
    what: &'static str,
    claimed: Timestamp,
    recorded_at: Timestamp,
) -> Result<(), ApplyError<E>> {
    if claimed > recorded_at.plus_ms(CLAIM_AHEAD_MAX_MS) {
        return refuse(Refusal::TimeAhead { what, claimed, recorded_at });
    }
    Ok(())
}

/// `ledger.created`: administrators sign for themselves, and the first policy can be met.
fn create_ledger<E>(act: &Submission<'_>, created: &LedgerCreated) -> Result<Rows, ApplyError<E>> {
    if !(1..=RULES_VERSION).contains(&created.rules_version) {
        return refuse(Refusal::RulesUnknown { version: created.rules_version });
    }
    if !created.origin.as_str().chars().all(|c| !c.is_whitespace() && c != '+') {
        return refuse(Refusal::OriginUnfit { origin: created.origin.clone() });
    }
    if !act.signers.contains(&act.event.header.proposer) {
        return refuse(Refusal::ProposerNotSigned { key: act.event.header.proposer });
    }
    let named: Vec<PublicKey> = created.administrators.iter().map(|named| named.key).collect();
    let odd_one = named.iter().find(|key| !act.signers.contains(key));
    if let Some(&key) = odd_one.or_else(|| act.signers.iter().find(|key| !named.contains(key))) {
        return refuse(Refusal::AdministratorsMustSign { key });
    }
    let mut people: Vec<&Name> = created.administrators.iter().map(|named| &named.person).collect();
    people.sort();
    if let Some(pair) = people.windows(2).find(|pair| pair[0] == pair[1]) {
        return refuse(Refusal::AdministratorTwice { person: pair[0].clone() });
    }
    for &key in &named {
        check_key(key, &[created.log_key])?;
    }
    check_fit(created.log_key)?;
    let policy =
        ReleasePolicy::read(&created.policy).or_else(|error| refuse(Refusal::PolicyInvalid { error }))?;
    check_schema(&policy, created.rules_version)?;
    let administrators = u32::try_from(named.len()).expect("at most 16");
    if policy.threshold() > administrators {
        return refuse(Refusal::ThresholdUnreachable { threshold: policy.threshold(), administrators });
    }
    Ok(founding_rows(act, created, named))
}

/// A later schema says what earlier rules do not judge.
fn check_schema<E>(policy: &ReleasePolicy, rules: u32) -> Result<(), ApplyError<E>> {
    let schema = policy.schema();
    if schema > rules { refuse(Refusal::PolicyNeedsRules { schema, rules }) } else { Ok(()) }
}

fn founding_rows(act: &Submission<'_>, created: &LedgerCreated, administrator_keys: Vec<PublicKey>) -> Rows {
    let charter = Charter {
        ledger_id: act.leaf_hash,
        origin: created.origin.clone(),
        log_key: created.log_key,
        log_key_entry: act.index,
        former_log_keys: Vec::new(),
        rules_version: created.rules_version,
        policy_entry: act.index,
        policy: created.policy.clone(),
        administrator_keys,
    };
    let mut rows = vec![(RowKey::Charter, Some(Row::Charter(Arc::new(charter))))];
    for named in &created.administrators {
        let roles = vec![Role::Admin];
        let grant = Grant { entry: act.index, roles, scope: None, valid_from: None, valid_until: None };
        let holder = Holder { person: named.person.clone(), grants: vec![grant], revoked: None };
        rows.push((RowKey::Holder(named.key), Some(Row::Holder(Arc::new(holder)))));
    }
    rows
}

/// A key that may be granted to a person. `log_keys` are the log's own, those before included.
fn check_key<E>(key: PublicKey, log_keys: &[PublicKey]) -> Result<(), ApplyError<E>> {
    if log_keys.contains(&key) {
        return refuse(Refusal::KeyIsLogKey { key });
    }
    check_fit(key)
}

fn check_fit<E>(key: PublicKey) -> Result<(), ApplyError<E>> {
    check_grantable(&key).or_else(|defect| refuse(Refusal::KeyUnfit { key, defect: defect.to_string() }))
}

impl<S: RowSource> Judge<'_, S> {
    /// Judges the act itself; gives the rows that it changes.
    fn rows(&mut self) -> Outcome<Rows, S> {
        let kind = self.act.event.kind();
        if self.charter.rules_version < RULES_OF_EVIDENCE && needs_rules_of_evidence(kind) {
            return refuse(Refusal::KindNotAccepted { kind });
        }
        match &self.act.event.body {
            Body::KeyGranted(body) => self.grant_key(body),
            Body::KeyRevoked(body) => self.revoke_key(body),
            Body::LogKeyRotated(body) => self.rotate_log_key(body),
            Body::PolicySet(body) => self.set_policy(body),
            Body::ModelRegistered(body) => self.register(body),
            Body::ModelPromoted(body) => self.promote(body),
            Body::ModelRolledBack(body) => self.roll_back(body),
            Body::ModelWithdrawn(body) => self.withdraw(body),
            Body::ChangeCompleted(body) => self.complete(body),
            Body::ModelRetired(body) => self.retire(body),
            Body::NoteAdded(body) => self.note(body),
            Body::ModelEvaluated(body) => self.evaluate(body),
            Body::DriftDetected(body) => self.drift(body),
            Body::IncidentDetected(body) => self.open_incident(body),
            Body::IncidentResolved(body) => self.resolve_incident(body),
            Body::EntryRatified(body) => self.ratify(body),
            Body::AttachmentRedacted(_) => self.redact(),
            Body::LedgerCreated(_) => refuse(Refusal::LedgerAlreadyCreated),
        }
    }

    // Signers.

    fn signed_by(&mut self, need: &Need<'_>) -> Outcome<Vec<Name>, S> {
        let Submission { event, signers, recorded_at, .. } = self.act;
        judge(self.state, Signers { proposer: &event.header.proposer, keys: signers, at: recorded_at }, need)
    }

    fn signed_by_administrators(&mut self) -> Outcome<Vec<Name>, S> {
        let people = self.policy.threshold();
        let (proposer, place) = (&[Role::Admin], Place::default());
        self.signed_by(&Need { proposer, others: &[Role::Admin], place, people })
    }

    fn signed_for(&mut self, act: Act, place: Place<'_>) -> Outcome<Vec<Name>, S> {
        let policy = Arc::clone(&self.policy);
        let Approvals { people, roles } = policy.approvals(act, place.environment, place.model);
        self.signed_by(&Need { proposer: act.proposers(), others: roles, place, people })
    }

    fn under_policy(&self, named: u64) -> Outcome<(), S> {
        let current = self.charter.policy_entry;
        if named == current { Ok(()) } else { refuse(Refusal::PolicySuperseded { named, current }) }
    }

    /// Entries that an event cites stand before it.
    fn cites(&self, entries: &[u64]) -> Outcome<(), S> {
        match entries.iter().find(|&&entry| entry >= self.act.index) {
            Some(&entry) => refuse(Refusal::EntryUnknown { entry }),
            None => Ok(()),
        }
    }
}

/// Kinds that rules version 1 did not judge, and so refused.
const fn needs_rules_of_evidence(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::LogKeyRotated
            | Kind::ModelEvaluated
            | Kind::DriftDetected
            | Kind::IncidentDetected
            | Kind::IncidentResolved
            | Kind::EntryRatified
            | Kind::AttachmentRedacted
    )
}
