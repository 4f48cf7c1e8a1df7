//! Collects a [`Chronicle`] from entries that are shown in order.
//!
//! What it keeps is bounded by what is asked for and by what lives: the rows, stretches and incidents of the query's
//! time, and for each model in an environment what it could go back to.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use crate::event::body::{Body, Event};
use crate::event::incident::Ratification;
use crate::event::release::ChangeCompleted;
use crate::event::text::{EnvironmentName, Name};
use crate::hash::Hash;
use crate::lifecycle::onlooker::{Onlooker, Rows, Seen};
use crate::lifecycle::state::{Row as StateRow, RowKey, Slot};
use crate::time::{DAY_MS, Timestamp};

use super::about::About;
use super::chronicle::{
    Basis, Chronicle, Commit, Completion, EntryRef, Incident, IncidentPlace, Lane, Query, Recovery, Row,
    Standing, Stretch,
};
use super::prose::{self, People};
use super::trail::Trail;

/// How many changes of a slot are remembered, for completions, ratifications and notes to find their place: more than
/// the rules let report late. What is still to be ratified is remembered beyond that.
pub const CHANGES_REMEMBERED: usize = 32;

/// A model in an environment.
type Place = (EnvironmentName, Name);

/// Collects what a query asks for.
#[derive(Debug)]
pub struct Collector {
    query: Query,
    people: People,
    origin: Option<Name>,
    ledger_id: Option<Hash>,
    slots: BTreeMap<Place, SlotSeen>,
    /// Where each remembered change was.
    changes: HashMap<u64, Place>,
    /// By the entry that first detected them, which is what tells them apart: an id may come again.
    incidents: BTreeMap<u64, Incident>,
    /// Those that are open, by id.
    open: HashMap<Name, u64>,
    /// The incident that a remembered change names.
    recovering: HashMap<u64, u64>,
    /// Where the incident was that the last entry resolved.
    resolved: Vec<(EnvironmentName, Option<Name>)>,
    /// What is about the digest that is asked for.
    trail: Option<Trail>,
    rows: Vec<Row>,
    last: Option<(u64, Timestamp)>,
    /// Whether what follows is behind the query's end: nothing more is to be seen.
    is_over: bool,
}

/// What is known of a model in an environment.
#[derive(Debug, Default)]
struct SlotSeen {
    /// The newest changes, oldest first.
    changes: VecDeque<u64>,
    /// What put each version there that serves or could come back.
    placed: Vec<Placed>,
    serving: Option<Stretch>,
    past: Vec<Stretch>,
}

/// A promotion or rollback, as far as it is told again when what it put there comes back.
#[derive(Debug, Clone)]
struct Placed {
    by: EntryRef,
    version: Name,
    digest: Hash,
    infra: Commit,
    completed: Option<Completion>,
}

impl Collector {
    /// Collects what `query` asks for.
    #[must_use]
    pub fn new(query: Query) -> Self {
        Self {
            trail: query.digest.map(Trail::of),
            query,
            people: People::default(),
            origin: None,
            ledger_id: None,
            slots: BTreeMap::new(),
            changes: HashMap::new(),
            incidents: BTreeMap::new(),
            open: HashMap::new(),
            recovering: HashMap::new(),
            resolved: Vec::new(),
            rows: Vec::new(),
            last: None,
            is_over: false,
        }
    }

    /// The last entry that was shown, and when it was recorded.
    #[must_use]
    pub const fn last(&self) -> Option<(u64, Timestamp)> {
        self.last
    }

    /// What was collected, resting on `basis`.
    #[must_use]
    pub fn finish(self, basis: Basis) -> Chronicle {
        let Self { query, origin, ledger_id, slots, incidents, mut rows, last, is_over, .. } = self;
        let last_at = last.map_or(Timestamp::EPOCH, |(_, recorded_at)| recorded_at);
        // The log does not speak for a time that it does not reach.
        let to = query.until.filter(|_| is_over).unwrap_or(last_at);
        let from = query.since.unwrap_or(Timestamp::EPOCH);
        let mut lanes: Vec<Lane> = slots.into_iter().filter_map(|(place, slot)| slot.lane(place)).collect();
        for lane in &mut lanes {
            lane.stretches.retain(|stretch| query.takes_in_stretch(stretch, from, to));
        }
        lanes.retain(|lane| !lane.stretches.is_empty());
        if query.environment.is_some() {
            // What is said of a model as such is told where the model has a place in the environment.
            let told: BTreeSet<&Name> = lanes.iter().map(|lane| &lane.model).collect();
            let is_told = |model: &Name| told.contains(model);
            rows.retain(|row| row.environment.is_some() || row.model.as_ref().is_none_or(is_told));
        }
        let incidents: Vec<Incident> = incidents
            .into_values()
            .filter(|incident| query.takes_in_incident(incident, from, to))
            .map(|incident| incident.within(&query))
            .collect();
        let began = lanes.iter().flat_map(|lane| &lane.stretches).map(|stretch| stretch.opened.recorded_at);
        let began = began.chain(rows.iter().map(|row| row.entry.recorded_at)).min();
        let since = query.since.or(began).unwrap_or(last_at);
        Chronicle {
            origin,
            ledger_id,
            since,
            until: to.max(since),
            goes_on: is_over,
            query,
            basis,
            lanes,
            rows,
            incidents,
            doubts: Vec::new(),
        }
    }

    fn entry_ref(&self, seen: &Seen<'_>) -> EntryRef {
        let signers = self.people.signers(seen.signers, &seen.event.header.proposer);
        EntryRef {
            index: seen.index,
            leaf_hash: seen.leaf_hash,
            recorded_at: seen.recorded_at,
            claimed_at: seen.event.header.claimed_at,
            kind: seen.event.kind(),
            signers: signers.into(),
        }
    }

    /// A promotion, rollback or withdrawal takes effect.
    fn take_change(
        &mut self,
        (environment, model): (&EnvironmentName, &Name),
        seen: &Seen<'_>,
        rows: &mut dyn Rows,
    ) {
        // What happens in places that nobody asks for is not followed: it costs the answer nothing.
        if !self.query.takes_in_place(Some(environment), Some(model)) {
            return;
        }
        let place = (environment.clone(), model.clone());
        let by = self.entry_ref(seen);
        let placed = match &seen.event.body {
            Body::ModelPromoted(b) => Some((b.version.clone(), b.digest, Commit::from(&b.infra))),
            Body::ModelRolledBack(b) => Some((b.to.clone(), b.to_digest, Commit::from(&b.infra))),
            _ => None,
        };
        self.note_recovery(&place, &by, seen, rows);
        let slot = self.slots.entry(place.clone()).or_default();
        slot.changes.push_back(seen.index);
        self.changes.insert(seen.index, place.clone());
        if slot.changes.len() > CHANGES_REMEMBERED
            && let Some(old) = slot.changes.pop_front()
            // Whoever broke the glass may be ratified long after.
            && !is_owed(rows, old)
        {
            self.changes.remove(&old);
            self.recovering.remove(&old);
        }
        if let Some((version, digest, infra)) = placed {
            slot.placed.push(Placed { by: by.clone(), version, digest, infra, completed: None });
        }
        self.follow_slot(&place, &by, rows);
    }

    /// What came of a change; one that failed puts back what served before.
    fn take_completion(&mut self, body: &ChangeCompleted, seen: &Seen<'_>, rows: &mut dyn Rows) {
        let Some(place) = self.changes.get(&body.change).cloned() else { return };
        let by = self.entry_ref(seen);
        let completion =
            Completion { entry: by.clone(), outcome: body.outcome, completed_at: body.completed_at };
        if let Some(recovery) = self.recovery_mut(body.change) {
            recovery.completed = Some(completion.clone());
        }
        let Some(slot) = self.slots.get_mut(&place) else { return };
        for placed in slot.placed.iter_mut().filter(|placed| placed.by.index == body.change) {
            placed.completed = Some(completion.clone());
        }
        // What may still report stands near the end.
        let stretches = slot.past.iter_mut().rev().take(CHANGES_REMEMBERED).chain(&mut slot.serving);
        for stretch in stretches.filter(|stretch| stretch.authorised.index == body.change) {
            stretch.completed = Some(completion.clone());
        }
        self.follow_slot(&place, &by, rows);
    }

    /// Holds what is known of a slot against what the rules' state says behind the entry `by`.
    fn follow_slot(&mut self, (environment, model): &Place, by: &EntryRef, rows: &mut dyn Rows) {
        let key = RowKey::Slot(model.clone(), environment.clone());
        let Some(StateRow::Slot(state)) = rows.row(&key) else { return };
        let Some(slot) = self.slots.get_mut(&(environment.clone(), model.clone())) else { return };
        let serves = state.serving();
        let is_same = match (&slot.serving, serves) {
            (None, None) => true,
            (Some(stretch), Some(serving)) => stretch.authorised.index == serving.entry,
            _ => false,
        };
        if !is_same {
            if let Some(mut over) = slot.serving.take() {
                over.closed = Some(by.clone());
                let is_told =
                    self.query.since.is_none_or(|since| by.recorded_at > since) && !self.query.only_finds();
                slot.past.extend(Some(over).filter(|_| is_told));
            }
            let placed =
                serves.and_then(|serving| slot.placed.iter().find(|placed| placed.by.index == serving.entry));
            slot.serving = placed.map(|placed| Stretch {
                version: placed.version.clone(),
                digest: Some(placed.digest),
                opened: by.clone(),
                authorised: placed.by.clone(),
                infra: Some(placed.infra.clone()),
                completed: placed.completed.clone(),
                closed: None,
            });
        }
        slot.forget(&state);
    }

    fn note_recovery(
        &mut self,
        (environment, model): &Place,
        by: &EntryRef,
        seen: &Seen<'_>,
        rows: &mut dyn Rows,
    ) {
        let (incident, failed, break_glass) = match &seen.event.body {
            Body::ModelRolledBack(b) => (b.incident.as_ref(), &b.from, b.break_glass),
            Body::ModelWithdrawn(b) => (b.incident.as_ref(), &b.from, false),
            _ => return,
        };
        let Some(id) = incident else { return };
        let target_ms = match rows.row(&RowKey::Change(by.index)) {
            Some(StateRow::Change(change)) => change.recovery.as_ref().map(|recovery| recovery.target_ms),
            _ => None,
        };
        let serving =
            self.slots.get(&(environment.clone(), model.clone())).and_then(|slot| slot.serving.as_ref());
        let failed_since = serving.filter(|stretch| stretch.authorised.index == failed.entry);
        let failed_since = failed_since.map(|stretch| stretch.opened.clone());
        let Some(&first) = self.open.get(id) else { return };
        let Some(incident) = self.incidents.get_mut(&first) else { return };
        self.recovering.insert(by.index, first);
        let detected = incident.places.iter().find(|place| {
            place.environment == *environment && place.model.as_ref().is_none_or(|of| of == model)
        });
        let detected = detected.map(|place| place.detected.clone());
        incident.recoveries.push(Recovery {
            environment: environment.clone(),
            model: model.clone(),
            failed: failed.version.clone(),
            failed_since,
            detected,
            change: by.clone(),
            break_glass,
            ratified: None,
            completed: None,
            target_ms,
        });
    }

    /// What a change recovers from, where it names an incident that is told.
    fn recovery_mut(&mut self, change: u64) -> Option<&mut Recovery> {
        let incident = self.incidents.get_mut(self.recovering.get(&change)?)?;
        incident.recoveries.iter_mut().rev().find(|recovery| recovery.change.index == change)
    }

    fn take_incident(&mut self, seen: &Seen<'_>) {
        match &seen.event.body {
            Body::IncidentDetected(b) => {
                let place = IncidentPlace {
                    environment: b.environment.clone(),
                    model: b.model.clone(),
                    detected: self.entry_ref(seen),
                    detected_at: b.detected_at,
                    evidence: b.evidence.iter().copied().collect(),
                    severity: b.severity.clone(),
                    summary: b.summary.clone(),
                };
                let first = *self.open.entry(b.incident.clone()).or_insert(seen.index);
                let incident = self.incidents.entry(first).or_insert_with(|| Incident {
                    id: b.incident.clone(),
                    severity: b.severity.clone(),
                    summary: b.summary.clone(),
                    places: Vec::new(),
                    recoveries: Vec::new(),
                    resolved: None,
                });
                incident.places.push(place);
            }
            Body::IncidentResolved(b) => self.resolve(&b.incident, b.resolved_at, seen),
            Body::EntryRatified(b) if b.ratification == Ratification::BreakGlass => {
                let by = self.entry_ref(seen);
                if let Some(recovery) = self.recovery_mut(b.entry) {
                    recovery.ratified = Some(by);
                }
            }
            _ => {}
        }
    }

    fn resolve(&mut self, id: &Name, resolved_at: Timestamp, seen: &Seen<'_>) {
        let by = self.entry_ref(seen);
        let Some(first) = self.open.remove(id) else { return };
        let Some(incident) = self.incidents.get_mut(&first) else { return };
        let place = |place: &IncidentPlace| (place.environment.clone(), place.model.clone());
        self.resolved = incident.places.iter().map(place).collect();
        incident.resolved = Some((by, resolved_at));
        // What was over before the time that is asked for is not told, nor what is not asked for.
        let is_told = self.query.since.is_none_or(|since| seen.recorded_at >= since)
            && self.query.takes_in_incident(incident, Timestamp::EPOCH, Timestamp::MAX);
        if !is_told {
            self.incidents.remove(&first);
        }
    }

    /// Keeps the entry's row, where it is asked for.
    fn take_row(&mut self, seen: &Seen<'_>) {
        let is_on_trail = self.trail.as_mut().is_none_or(|trail| trail.leads_to(seen));
        if self.query.since.is_some_and(|since| seen.recorded_at < since) {
            return;
        }
        let about = About::of(seen.event);
        let change = about.entry.and_then(|entry| self.changes.get(&entry));
        let environment = about.environment.or(change.map(|(environment, _)| environment));
        let model = about.model.or(change.map(|(_, model)| model));
        let query = &self.query;
        // A resolution names no place: it is told wherever the incident was.
        let (takes_in_place, environment, model) = match &seen.event.body {
            Body::IncidentResolved(_) => {
                let mut places = self.resolved.iter();
                let is_asked_for = places
                    .any(|(environment, model)| query.takes_in_place(Some(environment), model.as_ref()));
                let environment = only(self.resolved.iter().map(|(environment, _)| environment));
                (
                    is_asked_for,
                    environment,
                    only(self.resolved.iter().filter_map(|(_, model)| model.as_ref())),
                )
            }
            _ => (query.takes_in_place(environment, model), environment, model),
        };
        let is_asked_for = takes_in_place
            && (query.kinds.is_empty() || query.kinds.contains(&seen.event.kind()))
            && is_on_trail;
        if !is_asked_for {
            return;
        }
        let row = Row {
            entry: self.entry_ref(seen),
            event: Arc::new(seen.event.clone()),
            what: prose::one_line(seen.event),
            model: model.cloned(),
            version: about.version.cloned(),
            environment: environment.cloned(),
            digest: about.digest,
            infra: about.infra.map(Commit::from),
            incident: about.incident.cloned(),
            about_entry: about.entry,
            standing: Standing::Unchecked,
            details: None,
        };
        self.rows.push(row);
    }
}

impl Onlooker for Collector {
    fn begin(&mut self) {
        *self = Self::new(self.query.clone());
    }

    fn wants_more(&self) -> bool {
        !self.is_over
    }

    fn saw(&mut self, seen: &Seen<'_>, rows: &mut dyn Rows) {
        if self.query.until.is_some_and(|until| seen.recorded_at >= until) {
            self.is_over = true;
            return;
        }
        self.last = Some((seen.index, seen.recorded_at));
        if seen.lawful != Some(false) {
            self.people.learn(seen.event);
            self.take_effect(seen, rows);
        }
        self.take_row(seen);
    }
}

impl Collector {
    /// What a lawful entry changes.
    fn take_effect(&mut self, seen: &Seen<'_>, rows: &mut dyn Rows) {
        let event: &Event = seen.event;
        match &event.body {
            Body::LedgerCreated(b) => {
                self.origin = Some(b.origin.clone());
                self.ledger_id = Some(seen.leaf_hash);
            }
            Body::ModelPromoted(b) => self.take_change((&b.environment, &b.model), seen, rows),
            Body::ModelRolledBack(b) => self.take_change((&b.environment, &b.model), seen, rows),
            Body::ModelWithdrawn(b) => self.take_change((&b.environment, &b.model), seen, rows),
            Body::ChangeCompleted(b) => self.take_completion(b, seen, rows),
            _ => self.take_incident(seen),
        }
    }
}

impl Incident {
    /// Without the places that nobody asks for; as bad as it was last told to be in those that are left.
    fn within(mut self, query: &Query) -> Self {
        self.places.retain(|place| query.takes_in_place(Some(&place.environment), place.model.as_ref()));
        if let Some(last) = self.places.last() {
            (self.severity, self.summary) = (last.severity.clone(), last.summary.clone());
        }
        self
    }
}

impl SlotSeen {
    /// Forgets what neither serves nor can come back.
    fn forget(&mut self, state: &Slot) {
        let before = state.newest.iter().flat_map(|newest| &newest.stack_before);
        let live: Vec<u64> = state.stack.iter().chain(before).map(|serving| serving.entry).collect();
        self.placed.retain(|placed| live.contains(&placed.by.index));
    }

    fn lane(self, (environment, model): Place) -> Option<Lane> {
        let stretches: Vec<Stretch> = self.past.into_iter().chain(self.serving).collect();
        (!stretches.is_empty()).then_some(Lane { environment, model, stretches })
    }
}

impl Query {
    /// Whether something in this place is asked for. What has no environment is: it may be about a model as such. Where
    /// neither is told, it is about the ledger: only asked for where nothing is left out.
    #[must_use]
    pub fn takes_in_place(&self, environment: Option<&EnvironmentName>, model: Option<&Name>) -> bool {
        if environment.is_none() && model.is_none() {
            return self.environment.is_none() && self.model.is_none();
        }
        let fits_environment = match (&self.environment, environment) {
            (Some(asked), Some(environment)) => asked == environment,
            _ => true,
        };
        let fits_model = match (&self.model, model) {
            (Some(asked), Some(model)) => asked == model,
            // An incident in a whole environment is one of each model there.
            _ => true,
        };
        fits_environment && fits_model
    }

    /// Whether it only looks for an incident, whose time is not known yet: what served meanwhile is not told.
    const fn only_finds(&self) -> bool {
        self.incident.is_some() && self.since.is_none()
    }

    fn takes_in_stretch(&self, stretch: &Stretch, since: Timestamp, until: Timestamp) -> bool {
        let overlaps = stretch.opened.recorded_at <= until
            && stretch.closed.as_ref().is_none_or(|closed| closed.recorded_at > since);
        overlaps && self.digest.is_none_or(|digest| stretch.digest == Some(digest))
    }

    fn takes_in_incident(&self, incident: &Incident, since: Timestamp, until: Timestamp) -> bool {
        let first = incident.places.first().map(|place| place.detected.recorded_at);
        let is_then = first.is_some_and(|first| first <= until)
            && incident.resolved.as_ref().is_none_or(|(by, _)| by.recorded_at >= since);
        let is_there = incident
            .places
            .iter()
            .any(|place| self.takes_in_place(Some(&place.environment), place.model.as_ref()));
        is_then && is_there && self.incident.as_ref().is_none_or(|asked| *asked == incident.id)
    }

    /// The query for what led to an incident and what came of it: from the beginning of what failed, or the first
    /// evidence, to the last thing that was done in it; where it was.
    #[must_use]
    pub fn around(&self, incident: &Incident) -> Self {
        let mut times: Vec<Timestamp> =
            incident.places.iter().map(|place| place.detected.recorded_at).collect();
        for recovery in &incident.recoveries {
            times.extend(recovery.failed_since.iter().map(|by| by.recorded_at));
            times.push(recovery.change.recorded_at);
            times.extend(recovery.completed.iter().map(|done| done.entry.recorded_at));
            times.extend(recovery.ratified.iter().map(|by| by.recorded_at));
        }
        // What is done about it for good is done in the day after.
        times.extend(incident.resolved.iter().map(|(by, _)| by.recorded_at.plus_ms(DAY_MS)));
        let (first, last) = (times.iter().min().copied(), times.iter().max().map(|last| last.plus_ms(1)));
        let environment = only(incident.places.iter().map(|place| &place.environment)).cloned();
        let has_model = incident.places.iter().all(|place| place.model.is_some());
        let model = only(incident.places.iter().filter_map(|place| place.model.as_ref())).cloned();
        let model = model.filter(|_| has_model);
        Self {
            since: self.since.or(first),
            until: self.until.or(last),
            environment: self.environment.clone().or(environment),
            model: self.model.clone().or(model),
            ..self.clone()
        }
    }
}

/// Whether a break-glass rollback still waits for somebody to stand behind it.
pub fn is_owed(rows: &mut dyn Rows, entry: u64) -> bool {
    match rows.row(&RowKey::Owed) {
        Some(StateRow::Owed(owed)) => owed.rollbacks.iter().any(|owed| owed.entry == entry),
        _ => false,
    }
}

/// The one value that all are; none where there are two.
fn only<'a, T: PartialEq>(mut values: impl Iterator<Item = &'a T>) -> Option<&'a T> {
    let first = values.next()?;
    values.all(|value| value == first).then_some(first)
}
