//! The rules, version 1: [`apply`] judges one event (docs/lifecycle.md holds them as a table).
//!
//! The order is fixed: the event's fit into this ledger, its times and id, then the act itself,
//! signers first. The first rule that says no is the answer. An event that is refused changes
//! nothing; one that a log holds against the rules changes nothing either, so that an unlawful
//! grant gives nobody authority.

use std::sync::Arc;

use crate::event::authority::{KeyGranted, KeyRevoked, LedgerCreated, PolicySet, Role};
use crate::event::body::{Body, Event};
use crate::event::header::EXPIRY_MAX_MS;
use crate::event::infra::{GitId, InfraCommit};
use crate::event::model::{ModelRegistered, ModelRetired};
use crate::event::release::{
    ChangeCompleted, ChangeOutcome, ModelPromoted, ModelRolledBack, ModelWithdrawn, Serving,
};
use crate::event::remark::{NoteAdded, NoteSubject};
use crate::event::text::{EnvironmentName, Name};
use crate::hash::Hash;
use crate::lifecycle::authority::{Need, Place, Signers, administrators, judge};
use crate::lifecycle::policy::{Act, ReleasePolicy};
use crate::lifecycle::refusal::Refusal;
use crate::lifecycle::state::{
    ChangeKind, Changes, Charter, GRANTS_MAX, Grant, Holder, ModelRow, NewestChange, OPEN_CHANGES_MAX,
    OpenChange, Row, RowKey, RowSource, STACK_MAX, SeenEvent, ServedRow, Slot, State, VersionRow,
};
use crate::signing::public_key::PublicKey;
use crate::signing::verify::check_grantable;
use crate::time::{MINUTE_MS, Timestamp};

/// The version of these rules.
pub const RULES_VERSION: u32 = 1;
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
    let rows = match (&act.event.body, charter) {
        (Body::LedgerCreated(created), None) => create_ledger(act, created)?,
        (_, None) => return refuse(Refusal::LedgerNotCreated),
        (_, Some(charter)) => {
            let policy = state.policy()?.expect("a charter is committed only with a policy that reads");
            Judge { state, act: *act, charter, policy }.rows()?
        }
    };
    let seen = SeenEvent { entry: act.index, expires_at: header.expires_at };
    Ok(Changes { rows, seen: (header.event_id, seen) })
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
    Ok((Changes { rows: Vec::new(), seen: (header.event_id, seen) }, Some(refusal)))
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
    if created.rules_version != RULES_VERSION {
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
        check_key(key, created.log_key)?;
    }
    check_fit(created.log_key)?;
    let policy =
        ReleasePolicy::read(&created.policy).or_else(|error| refuse(Refusal::PolicyInvalid { error }))?;
    let administrators = u32::try_from(named.len()).expect("at most 16");
    if policy.threshold() > administrators {
        return refuse(Refusal::ThresholdUnreachable { threshold: policy.threshold(), administrators });
    }
    Ok(founding_rows(act, created, named))
}

fn founding_rows(act: &Submission<'_>, created: &LedgerCreated, administrator_keys: Vec<PublicKey>) -> Rows {
    let charter = Charter {
        ledger_id: act.leaf_hash,
        origin: created.origin.clone(),
        log_key: created.log_key,
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

/// A key that may be granted to a person.
fn check_key<E>(key: PublicKey, log_key: PublicKey) -> Result<(), ApplyError<E>> {
    if key == log_key {
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
        match &self.act.event.body {
            Body::KeyGranted(body) => self.grant_key(body),
            Body::KeyRevoked(body) => self.revoke_key(body),
            Body::PolicySet(body) => self.set_policy(body),
            Body::ModelRegistered(body) => self.register(body),
            Body::ModelPromoted(body) => self.promote(body),
            Body::ModelRolledBack(body) => self.roll_back(body),
            Body::ModelWithdrawn(body) => self.withdraw(body),
            Body::ChangeCompleted(body) => self.complete(body),
            Body::ModelRetired(body) => self.retire(body),
            Body::NoteAdded(body) => self.note(body),
            Body::LedgerCreated(_) => refuse(Refusal::LedgerAlreadyCreated),
            Body::LogKeyRotated(_)
            | Body::ModelEvaluated(_)
            | Body::DriftDetected(_)
            | Body::IncidentDetected(_)
            | Body::IncidentResolved(_)
            | Body::EntryRatified(_)
            | Body::AttachmentRedacted(_) => refuse(Refusal::KindNotAccepted { kind: self.act.event.kind() }),
        }
    }

    // Signers.

    fn signed_by(&mut self, need: &Need<'_>) -> Outcome<(), S> {
        let Submission { event, signers, recorded_at, .. } = self.act;
        judge(self.state, Signers { proposer: &event.header.proposer, keys: signers, at: recorded_at }, need)
    }

    fn signed_by_administrators(&mut self) -> Outcome<(), S> {
        let people = self.policy.threshold();
        let (proposer, place) = (&[Role::Admin], Place::default());
        self.signed_by(&Need { proposer, others: Role::Admin, place, people })
    }

    fn signed_for(&mut self, act: Act, proposer: &'static [Role], place: Place<'_>) -> Outcome<(), S> {
        let people = self.policy.signers_needed(act, place.environment);
        self.signed_by(&Need { proposer, others: Role::Approver, place, people })
    }

    // Keys and policy.

    fn grant_key(&mut self, body: &KeyGranted) -> Outcome<Rows, S> {
        self.signed_by_administrators()?;
        let KeyGranted { person, key, roles, scope, valid_from, valid_until } = body;
        if roles.is_empty() {
            return refuse(Refusal::RolesMissing);
        }
        if let (Some(from), Some(until)) = (*valid_from, *valid_until)
            && from >= until
        {
            return refuse(Refusal::ValidityEmpty { from, until });
        }
        check_key(*key, self.charter.log_key)?;
        let mut holder = match self.state.holder(key)? {
            None => Holder { person: person.clone(), grants: Vec::new(), revoked: None },
            Some(holder) => (*holder).clone(),
        };
        if let Some(entry) = holder.revoked {
            return refuse(Refusal::KeyWasRevoked { key: *key, entry });
        }
        if holder.person != *person {
            let (holder, person) = (holder.person, person.clone());
            return refuse(Refusal::KeyOfAnother { key: *key, holder, person });
        }
        if holder.grants.len() == GRANTS_MAX {
            return refuse(Refusal::GrantsTooMany { key: *key, max: GRANTS_MAX });
        }
        holder.grants.push(Grant {
            entry: self.act.index,
            roles: roles.to_vec(),
            scope: Some(scope.clone()),
            valid_from: *valid_from,
            valid_until: *valid_until,
        });
        let mut rows = vec![(RowKey::Holder(*key), Some(Row::Holder(Arc::new(holder))))];
        if roles.contains(&Role::Admin)
            && let Err(place) = self.charter.administrator_keys.binary_search(key)
        {
            let mut charter = (*self.charter).clone();
            charter.administrator_keys.insert(place, *key);
            rows.push((RowKey::Charter, Some(Row::Charter(Arc::new(charter)))));
        }
        Ok(rows)
    }

    fn revoke_key(&mut self, body: &KeyRevoked) -> Outcome<Rows, S> {
        self.signed_by_administrators()?;
        let key = body.key;
        let Some(holder) = self.state.holder(&key)? else {
            return refuse(Refusal::KeyUnknown { key });
        };
        if let Some(entry) = holder.revoked {
            return refuse(Refusal::KeyWasRevoked { key, entry });
        }
        if let Some(entry) = body.compromised_since.filter(|&entry| entry > self.act.index) {
            return refuse(Refusal::EntryUnknown { entry });
        }
        let holder = Holder { revoked: Some(self.act.index), ..(*holder).clone() };
        let mut rows = vec![(RowKey::Holder(key), Some(Row::Holder(Arc::new(holder))))];
        if let Ok(place) = self.charter.administrator_keys.binary_search(&key) {
            let remaining = administrators(self.state, self.act.recorded_at, Some(&key))?;
            let threshold = self.policy.threshold();
            if remaining < threshold {
                return refuse(Refusal::TooFewAdministrators { threshold, remaining });
            }
            let mut charter = (*self.charter).clone();
            charter.administrator_keys.remove(place);
            rows.push((RowKey::Charter, Some(Row::Charter(Arc::new(charter)))));
        }
        Ok(rows)
    }

    fn set_policy(&mut self, body: &PolicySet) -> Outcome<Rows, S> {
        self.signed_by_administrators()?;
        self.under_policy(body.replaces)?;
        if body.rules_version > RULES_VERSION {
            return refuse(Refusal::RulesUnknown { version: body.rules_version });
        }
        if body.rules_version < self.charter.rules_version {
            let (version, current) = (body.rules_version, self.charter.rules_version);
            return refuse(Refusal::RulesOlder { version, current });
        }
        let policy =
            ReleasePolicy::read(&body.policy).or_else(|error| refuse(Refusal::PolicyInvalid { error }))?;
        let administrators = administrators(self.state, self.act.recorded_at, None)?;
        if policy.threshold() > administrators {
            return refuse(Refusal::ThresholdUnreachable { threshold: policy.threshold(), administrators });
        }
        let charter = Charter {
            rules_version: body.rules_version,
            policy_entry: self.act.index,
            policy: body.policy.clone(),
            ..(*self.charter).clone()
        };
        Ok(vec![(RowKey::Charter, Some(Row::Charter(Arc::new(charter))))])
    }

    // Models.

    fn register(&mut self, body: &ModelRegistered) -> Outcome<Rows, S> {
        let ModelRegistered { model, version, .. } = body;
        let place = Place { model: Some(model), environment: None };
        self.signed_for(Act::Register, &[Role::Registrar], place)?;
        if let Some(row) = self.state.version(model, version)? {
            let (model, version, entry) = (model.clone(), version.clone(), row.entry);
            return refuse(Refusal::VersionExists { model, version, entry });
        }
        check_infra(body.source.as_ref())?;
        let index = self.act.index;
        let row = VersionRow { entry: index, digest: body.digest.root, retired: None };
        let key = RowKey::Version(model.clone(), version.clone());
        let mut rows = vec![(key, Some(Row::Version(Arc::new(row))))];
        if self.state.model(model)?.is_none() {
            let row = ModelRow { first_entry: index };
            rows.push((RowKey::Model(model.clone()), Some(Row::Model(Arc::new(row)))));
        }
        Ok(rows)
    }

    fn retire(&mut self, body: &ModelRetired) -> Outcome<Rows, S> {
        let ModelRetired { model, version, .. } = body;
        let place = Place { model: Some(model), environment: None };
        self.signed_for(Act::Retire, &[Role::Registrar], place)?;
        let row = self.live_version(model, version)?;
        let row = VersionRow { retired: Some(self.act.index), ..(*row).clone() };
        Ok(vec![(RowKey::Version(model.clone(), version.clone()), Some(Row::Version(Arc::new(row))))])
    }

    /// The version, registered and not retired.
    fn live_version(&mut self, model: &Name, version: &Name) -> Outcome<Arc<VersionRow>, S> {
        let Some(row) = self.state.version(model, version)? else {
            if self.state.model(model)?.is_none() {
                return refuse(Refusal::ModelUnknown { model: model.clone() });
            }
            return refuse(Refusal::VersionUnknown { model: model.clone(), version: version.clone() });
        };
        if let Some(entry) = row.retired {
            let (model, version) = (model.clone(), version.clone());
            return refuse(Refusal::VersionRetired { model, version, entry });
        }
        Ok(row)
    }

    /// The version with the digest that the event says it has.
    fn version_of_digest(&mut self, model: &Name, version: &Name, actual: Hash) -> Outcome<(), S> {
        let registered = self.live_version(model, version)?.digest;
        if registered != actual {
            let (model, version) = (model.clone(), version.clone());
            return refuse(Refusal::DigestMismatch { model, version, registered, actual });
        }
        Ok(())
    }

    // Releases.

    fn promote(&mut self, body: &ModelPromoted) -> Outcome<Rows, S> {
        let ModelPromoted { model, version, environment, digest, .. } = body;
        self.in_environment(environment)?;
        let place = Place { model: Some(model), environment: Some(environment) };
        self.signed_for(Act::Promote, &[Role::Deployer], place)?;
        self.under_policy(body.policy_entry)?;
        self.version_of_digest(model, version, *digest)?;
        check_infra(Some(&body.infra))?;
        self.cites(&body.evidence)?;
        let slot = self.state.slot(model, environment)?.unwrap_or_default();
        if let Some(serving) = slot.serving().filter(|serving| serving.version == *version) {
            let (model, version) = (model.clone(), version.clone());
            let (environment, entry) = (environment.clone(), serving.entry);
            return refuse(Refusal::AlreadyServing { model, version, environment, entry });
        }
        check_from(environment, body.from.as_ref(), slot.serving())?;
        self.in_order(body)?;
        let index = self.act.index;
        let mut stack = slot.stack.clone();
        stack.retain(|serving| serving.version != *version);
        if stack.len() == STACK_MAX {
            stack.remove(0);
        }
        stack.push(Serving { version: version.clone(), entry: index });
        let mut rows = self.changed(model, environment, &slot, stack, ChangeKind::Promotion);
        if self.state.served(environment, *digest)?.is_none() {
            let key = RowKey::Served(environment.clone(), *digest);
            rows.push((key, Some(Row::Served(Arc::new(ServedRow { entry: index })))));
        }
        Ok(rows)
    }

    /// The digest has served wherever the policy wants it to have served before.
    fn in_order(&mut self, body: &ModelPromoted) -> Outcome<(), S> {
        let policy = Arc::clone(&self.policy);
        let after =
            policy.environment(&body.environment).map(super::policy::Environment::after).unwrap_or_default();
        for missing in after {
            if self.state.served(missing, body.digest)?.is_none() {
                return refuse(Refusal::OrderNotMet {
                    model: body.model.clone(),
                    version: body.version.clone(),
                    environment: body.environment.clone(),
                    missing: missing.clone(),
                });
            }
        }
        Ok(())
    }

    fn roll_back(&mut self, body: &ModelRolledBack) -> Outcome<Rows, S> {
        let ModelRolledBack { model, environment, to, .. } = body;
        self.left_from(model, environment)?;
        let place = Place { model: Some(model), environment: Some(environment) };
        self.signed_for(Act::Rollback, &[Role::Deployer, Role::Responder], place)?;
        if body.break_glass {
            return refuse(Refusal::BreakGlassNotAllowed { environment: environment.clone() });
        }
        self.under_policy(body.policy_entry)?;
        check_infra(Some(&body.infra))?;
        self.cites(&body.validation)?;
        if let Some(started) = body.started_at {
            check_claim("the start of the rollback", started, self.act.recorded_at)?;
        }
        let slot = self.serving_slot(model, environment, &body.from)?;
        let target = self.target(&slot, body)?;
        self.version_of_digest(model, to, body.to_digest)?;
        let mut stack = slot.stack[..target].to_vec();
        stack.push(Serving { version: to.clone(), entry: self.act.index });
        Ok(self.changed(model, environment, &slot, stack, ChangeKind::Rollback))
    }

    /// Where in the stack the target of a rollback stands: below the top.
    fn target(&mut self, slot: &Slot, body: &ModelRolledBack) -> Outcome<usize, S> {
        let place = slot.stack.iter().position(|serving| serving.version == body.to);
        let names = || (body.model.clone(), body.to.clone(), body.environment.clone());
        match place {
            Some(place) if place + 1 < slot.stack.len() => Ok(place),
            Some(_) => {
                let (model, version, environment) = names();
                refuse(Refusal::TargetServes { model, version, environment })
            }
            None => {
                let version = self.state.version(&body.model, &body.to)?;
                let digest = version.map_or(body.to_digest, |row| row.digest);
                let served = self.state.served(&body.environment, digest)?.is_some();
                let (model, version, environment) = names();
                refuse(if served {
                    Refusal::TargetWithdrawn { model, version, environment }
                } else {
                    Refusal::TargetNeverLive { model, version, environment }
                })
            }
        }
    }

    fn withdraw(&mut self, body: &ModelWithdrawn) -> Outcome<Rows, S> {
        let ModelWithdrawn { model, environment, .. } = body;
        self.left_from(model, environment)?;
        let place = Place { model: Some(model), environment: Some(environment) };
        self.signed_for(Act::Withdraw, &[Role::Deployer, Role::Responder], place)?;
        self.under_policy(body.policy_entry)?;
        check_infra(body.infra.as_ref())?;
        let slot = self.serving_slot(model, environment, &body.from)?;
        Ok(self.changed(model, environment, &slot, Vec::new(), ChangeKind::Withdrawal))
    }

    fn in_environment(&self, environment: &EnvironmentName) -> Outcome<(), S> {
        if self.policy.environment(environment).is_some() {
            return Ok(());
        }
        let names = self.policy.environments().iter().map(|e| e.name().as_str());
        let known = names.collect::<Vec<_>>().join(", ");
        refuse(Refusal::EnvironmentUnknown { environment: environment.clone(), known })
    }

    /// What serves can be taken back, even where the policy no longer knows the environment.
    fn left_from(&mut self, model: &Name, environment: &EnvironmentName) -> Outcome<(), S> {
        match self.state.slot(model, environment)? {
            Some(slot) if slot.serving().is_some() => Ok(()),
            _ => self.in_environment(environment),
        }
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

    /// The slot, in which `from` serves.
    fn serving_slot(
        &mut self,
        model: &Name,
        environment: &EnvironmentName,
        from: &Serving,
    ) -> Outcome<Arc<Slot>, S> {
        match self.state.slot(model, environment)? {
            Some(slot) if slot.serving().is_some() => {
                check_from(environment, Some(from), slot.serving())?;
                Ok(slot)
            }
            _ => {
                let (model, environment) = (model.clone(), environment.clone());
                refuse(Refusal::NothingServes { model, environment })
            }
        }
    }

    /// The rows of a change: the slot with its new stack, and the change, which may still report.
    fn changed(
        &self,
        model: &Name,
        environment: &EnvironmentName,
        old: &Slot,
        stack: Vec<Serving>,
        kind: ChangeKind,
    ) -> Rows {
        let index = self.act.index;
        let mut rows = Vec::new();
        let mut open = old.open.clone();
        if let Some(newest) = old.newest.as_ref().filter(|newest| newest.outcome.is_none()) {
            open.push(newest.entry);
        }
        if open.len() > OPEN_CHANGES_MAX {
            rows.push((RowKey::Change(open.remove(0)), None));
        }
        let newest = NewestChange { entry: index, kind, outcome: None, stack_before: old.stack.clone() };
        let slot = Slot { stack, newest: Some(newest), open };
        let change = OpenChange { model: model.clone(), environment: environment.clone() };
        rows.push((slot_key(model, environment), Some(Row::Slot(Arc::new(slot)))));
        rows.push((RowKey::Change(index), Some(Row::Change(Arc::new(change)))));
        rows
    }

    fn complete(&mut self, body: &ChangeCompleted) -> Outcome<Rows, S> {
        let Some(change) = self.state.change(body.change)? else {
            return refuse(Refusal::ChangeUnknown { entry: body.change });
        };
        let OpenChange { model, environment } = &*change;
        let place = Place { model: Some(model), environment: Some(environment) };
        self.signed_for(Act::Complete, &[Role::Deployer, Role::Responder], place)?;
        check_claim("the time of completion", body.completed_at, self.act.recorded_at)?;
        let slot = self.state.slot(model, environment)?.unwrap_or_default();
        let mut slot = (*slot).clone();
        let mut rows = vec![(RowKey::Change(body.change), None)];
        match &mut slot.newest {
            Some(newest) if newest.entry == body.change => {
                newest.outcome = Some(body.outcome);
                let stack_before = std::mem::take(&mut newest.stack_before);
                if body.outcome != ChangeOutcome::Succeeded {
                    let undone = std::mem::replace(&mut slot.stack, stack_before);
                    rows.extend(self.unserve(model, environment, undone.last())?);
                }
            }
            Some(newest) if body.outcome != ChangeOutcome::Succeeded => {
                return refuse(Refusal::ChangeSuperseded { entry: body.change, newest: newest.entry });
            }
            _ => slot.open.retain(|&entry| entry != body.change),
        }
        rows.push((slot_key(model, environment), Some(Row::Slot(Arc::new(slot)))));
        Ok(rows)
    }

    /// Takes back that a digest has served, where the change that is undone was the first to put
    /// it there.
    fn unserve(
        &mut self,
        model: &Name,
        environment: &EnvironmentName,
        undone: Option<&Serving>,
    ) -> Outcome<Option<(RowKey, Option<Row>)>, S> {
        let Some(undone) = undone else { return Ok(None) };
        let Some(version) = self.state.version(model, &undone.version)? else { return Ok(None) };
        let served = self.state.served(environment, version.digest)?;
        let first_here = served.is_some_and(|served| served.entry == undone.entry);
        Ok(first_here.then(|| (RowKey::Served(environment.clone(), version.digest), None)))
    }

    // Remarks.

    fn note(&mut self, body: &NoteAdded) -> Outcome<Rows, S> {
        self.signed_for(Act::Note, Role::ALL, Place::default())?;
        match body.subject {
            NoteSubject::Entry { entry } => self.cites(&[entry])?,
            NoteSubject::Log { tree_size, .. } if tree_size > self.act.index => {
                return refuse(Refusal::EntryUnknown { entry: tree_size - 1 });
            }
            NoteSubject::Log { .. } => {}
        }
        Ok(Vec::new())
    }
}

fn slot_key(model: &Name, environment: &EnvironmentName) -> RowKey {
    RowKey::Slot(model.clone(), environment.clone())
}

/// What the event says serves is what serves.
fn check_from<E>(
    environment: &EnvironmentName,
    named: Option<&Serving>,
    actual: Option<&Serving>,
) -> Result<(), ApplyError<E>> {
    if named == actual {
        return Ok(());
    }
    let (environment, named, actual) = (environment.clone(), named.cloned(), actual.cloned());
    refuse(Refusal::FromMismatch { environment, named, actual })
}

/// Commit and tag come from one repository, which has one object format.
fn check_infra<E>(infra: Option<&InfraCommit>) -> Result<(), ApplyError<E>> {
    let Some(infra) = infra else { return Ok(()) };
    let is_sha1 = |id: &GitId| matches!(id, GitId::Sha1(_));
    match infra.tag.as_ref().and_then(|tag| tag.object.as_ref()) {
        Some(object) if is_sha1(object) != is_sha1(&infra.commit) => refuse(Refusal::InfraInconsistent),
        _ => Ok(()),
    }
}
