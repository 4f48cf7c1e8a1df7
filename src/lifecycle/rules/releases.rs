//! Rules of releases: promoted, rolled back, withdrawn, completed.

use std::sync::Arc;

use crate::event::infra::{GitObject, InfraCommit};
use crate::event::model::EvaluationKind;
use crate::event::release::{
    ChangeCompleted, ChangeOutcome, ModelPromoted, ModelRolledBack, ModelWithdrawn, Serving, SessionState,
};
use crate::event::text::{EnvironmentName, Name};
use crate::hash::Hash;
use crate::lifecycle::authority::{Need, Place};
use crate::lifecycle::policy::{Act, EvaluationNeed};
use crate::lifecycle::refusal::Refusal;
use crate::lifecycle::state::{
    ChangeKind, NewestChange, NewestEvaluation, OPEN_CHANGES_MAX, OWED_MAX, OpenChange, OwedRatification,
    Recovery, Row, RowKey, RowSource, STACK_MAX, ServedRow, Slot,
};

use super::{ApplyError, Judge, Outcome, RULES_OF_EVIDENCE, Rows, check_claim, owed_row, refuse};

impl<S: RowSource> Judge<'_, S> {
    pub(super) fn promote(&mut self, body: &ModelPromoted) -> Outcome<Rows, S> {
        if let Some(first) = self.promotion_gaps(body)?.into_iter().next() {
            return refuse(first);
        }
        let ModelPromoted { model, version, environment, .. } = body;
        let slot = self.state.slot(model, environment)?.unwrap_or_default();
        let mut stack = slot.stack.clone();
        stack.retain(|serving| serving.version != *version);
        if stack.len() == STACK_MAX {
            stack.remove(0);
        }
        stack.push(Serving { version: version.clone(), entry: self.act.index });
        self.changed(Change { model, environment, kind: ChangeKind::Promotion, recovery: None }, &slot, stack)
    }

    /// Everything that stands in the way of a promotion, in the order of the rules: an engineer who asks what is
    /// missing hears all of it at once.
    pub(super) fn promotion_gaps(&mut self, body: &ModelPromoted) -> Result<Vec<Refusal>, S::Error> {
        let ModelPromoted { model, version, environment, digest, .. } = body;
        let place = Place { model: Some(model), environment: Some(environment) };
        let mut gaps = Gaps::default();
        gaps.take(self.in_environment(environment))?;
        gaps.take(self.signed_for(Act::Promote, place))?;
        gaps.take(self.under_policy(body.policy_entry))?;
        gaps.take(self.version_of_digest(model, version, *digest))?;
        let evidence = self.evidence(&body.infra);
        gaps.take(self.infra_holds(&body.infra, evidence.as_deref()))?;
        gaps.take(self.cites(&body.evidence))?;
        gaps.take(self.leaves_what_serves(body))?;
        self.promotion_rules(body, &mut gaps)?;
        let needs = self.policy.promotion(environment, model).git;
        self.infra_gaps((&body.infra, evidence.as_deref()), needs, place, &mut gaps)?;
        Ok(gaps.0)
    }

    fn leaves_what_serves(&mut self, body: &ModelPromoted) -> Outcome<(), S> {
        let ModelPromoted { model, version, environment, from, .. } = body;
        let slot = self.state.slot(model, environment)?.unwrap_or_default();
        if let Some(serving) = slot.serving().filter(|serving| serving.version == *version) {
            let (model, version) = (model.clone(), version.clone());
            let (environment, entry) = (environment.clone(), serving.entry);
            return refuse(Refusal::AlreadyServing { model, version, environment, entry });
        }
        check_from(environment, from.as_ref(), slot.serving())
    }

    /// What the policy asks for there, beside approvals: order, time served, evaluations.
    fn promotion_rules(&mut self, body: &ModelPromoted, gaps: &mut Gaps) -> Result<(), S::Error> {
        let policy = Arc::clone(&self.policy);
        let rules = policy.promotion(&body.environment, &body.model);
        for before in rules.after {
            gaps.take(self.has_served(body, before, rules.served_for_ms))?;
        }
        for need in rules.evaluations {
            gaps.take(self.has_passed(body, need))?;
        }
        Ok(())
    }

    /// The digest has served in an environment that comes before, for as long as the policy wants.
    fn has_served(
        &mut self,
        body: &ModelPromoted,
        before: &EnvironmentName,
        needed_ms: i64,
    ) -> Outcome<(), S> {
        let Some(served) = self.state.served(before, body.digest)? else {
            return refuse(Refusal::OrderNotMet {
                model: body.model.clone(),
                version: body.version.clone(),
                environment: body.environment.clone(),
                missing: before.clone(),
            });
        };
        let served_ms = served.served_ms(self.act.recorded_at);
        if served_ms < needed_ms {
            let environment = before.clone();
            return refuse(Refusal::ServedTooShort { environment, served_ms, needed_ms });
        }
        Ok(())
    }

    /// Some suite, on some data set that fits, passed the digest last, with a bound and lately enough.
    fn has_passed(&mut self, body: &ModelPromoted, need: &EvaluationNeed) -> Outcome<(), S> {
        let evaluations = self.state.evaluations(body.digest, need.kind)?.unwrap_or_default();
        let now = self.act.recorded_at;
        let is_stale =
            |of: &NewestEvaluation| need.max_age_ms.is_some_and(|max| now.since_ms(of.recorded_at) > max);
        let mut closest = Refusal::EvaluationMissing { need: need.clone() };
        for of in evaluations.newest.iter().filter(|of| need.fits(of)) {
            let (need, entry) = (need.clone(), of.entry);
            closest = if !of.passed {
                Refusal::EvaluationFailed { need, entry }
            } else if !of.bounded {
                Refusal::EvaluationUnbounded { need, entry }
            } else if is_stale(of) {
                Refusal::EvaluationStale { need, entry, recorded_at: of.recorded_at }
            } else {
                return Ok(());
            };
        }
        refuse(closest)
    }

    pub(super) fn roll_back(&mut self, body: &ModelRolledBack) -> Outcome<Rows, S> {
        let ModelRolledBack { model, environment, to, .. } = body;
        self.left_from(model, environment)?;
        let person = self.rolled_back_by(body)?;
        self.under_policy(body.policy_entry)?;
        let evidence = self.evidence(&body.infra);
        self.infra_holds(&body.infra, evidence.as_deref())?;
        self.cites(&body.validation)?;
        if let Some(started) = body.started_at {
            check_claim("the start of the rollback", started, self.act.recorded_at)?;
        }
        let slot = self.serving_slot(model, environment, &body.from)?;
        let target = self.target(&slot, body)?;
        self.version_of_digest(model, to, body.to_digest)?;
        let recovery = self.recovery(body)?;
        if !body.break_glass {
            self.is_validated(body)?;
            let place = Place { model: Some(model), environment: Some(environment) };
            let needs = self.policy.rollback(environment, model).git;
            self.infra_meets((&body.infra, evidence.as_deref()), needs, place)?;
        }
        let mut stack = slot.stack[..target].to_vec();
        stack.push(Serving { version: to.clone(), entry: self.act.index });
        let change = Change { model, environment, kind: ChangeKind::Rollback, recovery };
        let mut rows = self.changed(change, &slot, stack)?;
        if body.break_glass {
            rows.push(self.owes_ratification(body, person)?);
        }
        Ok(rows)
    }

    /// Who rolls back: with the approvals that the policy wants, or alone where it lets them break the glass.
    fn rolled_back_by(&mut self, body: &ModelRolledBack) -> Outcome<Name, S> {
        let ModelRolledBack { model, environment, .. } = body;
        let place = Place { model: Some(model), environment: Some(environment) };
        let mut people = if body.break_glass {
            let policy = Arc::clone(&self.policy);
            let Some(break_glass) = policy.rollback(environment, model).break_glass else {
                return refuse(Refusal::BreakGlassNotAllowed { environment: environment.clone() });
            };
            let others = policy.approvals(Act::Rollback, Some(environment), Some(model)).roles;
            self.signed_by(&Need { proposer: &break_glass.roles, others, place, people: 1 })?
        } else {
            self.signed_for(Act::Rollback, place)?
        };
        Ok(people.swap_remove(0))
    }

    /// From what the rollback recovers: the incident that it names is open there. Under rules version 1 nobody could
    /// open one, and the name was a remark.
    fn recovery(&mut self, body: &ModelRolledBack) -> Outcome<Option<Recovery>, S> {
        let ModelRolledBack { model, environment, .. } = body;
        if self.charter.rules_version < RULES_OF_EVIDENCE {
            return Ok(None);
        }
        let policy = Arc::clone(&self.policy);
        let rules = policy.rollback(environment, model);
        let Some(incident) = &body.incident else {
            if rules.incident {
                return refuse(Refusal::IncidentMissing { environment: environment.clone() });
            }
            return Ok(None);
        };
        let place = self.open_place(incident, environment, model)?;
        Ok(Some(Recovery {
            incident: incident.clone(),
            detected_entry: place.entry,
            detected_recorded: place.recorded_at,
            detected_claimed: place.detected_at,
            rolled_back_at: self.act.recorded_at,
            target_ms: rules.target_ms,
        }))
    }

    /// Sessions drained, and the target shown to be fit, where the policy wants that before a rollback.
    fn is_validated(&mut self, body: &ModelRolledBack) -> Outcome<(), S> {
        let policy = Arc::clone(&self.policy);
        let rules = policy.rollback(&body.environment, &body.model);
        if rules.drain && matches!(body.session_state, None | Some(SessionState::Lost)) {
            return refuse(Refusal::SessionsNotDrained { environment: body.environment.clone() });
        }
        if rules.shadow {
            let evaluations =
                self.state.evaluations(body.to_digest, EvaluationKind::Shadow)?.unwrap_or_default();
            let speaks =
                |of: &NewestEvaluation| of.passed && of.bounded && body.validation.contains(&of.entry);
            if !evaluations.newest.iter().any(speaks) {
                return refuse(Refusal::ValidationMissing { version: body.to.clone() });
            }
        }
        Ok(())
    }

    fn owes_ratification(&self, body: &ModelRolledBack, person: Name) -> Outcome<(RowKey, Option<Row>), S> {
        let ModelRolledBack { model, environment, .. } = body;
        let rules = self.policy.rollback(environment, model);
        let within_ms = rules.break_glass.map_or(0, |break_glass| break_glass.ratify_within_ms);
        let mut owed = (*self.owed).clone();
        if owed.rollbacks.len() == OWED_MAX {
            return refuse(Refusal::OwedTooMany { max: OWED_MAX });
        }
        owed.rollbacks.push(OwedRatification {
            entry: self.act.index,
            model: model.clone(),
            environment: environment.clone(),
            person,
            due: self.act.recorded_at.plus_ms(within_ms),
            lapsed: false,
        });
        Ok(owed_row(&Arc::new(owed)))
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

    pub(super) fn withdraw(&mut self, body: &ModelWithdrawn) -> Outcome<Rows, S> {
        let ModelWithdrawn { model, environment, .. } = body;
        self.left_from(model, environment)?;
        let place = Place { model: Some(model), environment: Some(environment) };
        self.signed_for(Act::Withdraw, place)?;
        self.under_policy(body.policy_entry)?;
        if let Some(infra) = &body.infra {
            let evidence = self.evidence(infra);
            self.infra_holds(infra, evidence.as_deref())?;
        }
        let slot = self.serving_slot(model, environment, &body.from)?;
        if let Some(incident) =
            body.incident.as_ref().filter(|_| self.charter.rules_version >= RULES_OF_EVIDENCE)
        {
            self.open_place(incident, environment, model)?;
        }
        let change = Change { model, environment, kind: ChangeKind::Withdrawal, recovery: None };
        self.changed(change, &slot, Vec::new())
    }

    pub(super) fn in_environment(&self, environment: &EnvironmentName) -> Outcome<(), S> {
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

    /// The rows of a change: the slot with its new stack, the change, which may still report, and for how long
    /// digests have served.
    fn changed(&mut self, change: Change<'_>, old: &Slot, stack: Vec<Serving>) -> Outcome<Rows, S> {
        let Change { model, environment, kind, recovery } = change;
        let index = self.act.index;
        let moves = Moves { leaves: old.serving(), comes: stack.last(), undone: false };
        let mut rows = self.served_rows(model, environment, moves)?;
        let mut open = old.open.clone();
        if let Some(newest) = old.newest.as_ref().filter(|newest| newest.outcome.is_none()) {
            open.push(newest.entry);
        }
        if open.len() > OPEN_CHANGES_MAX {
            let forgotten = open.remove(0);
            self.observe_unreported(forgotten)?;
            rows.push((RowKey::Change(forgotten), None));
        }
        let newest = NewestChange { entry: index, kind, outcome: None, stack_before: old.stack.clone() };
        let slot = Slot { stack, newest: Some(newest), open };
        let change = OpenChange { model: model.clone(), environment: environment.clone(), recovery };
        rows.push((slot_key(model, environment), Some(Row::Slot(Arc::new(slot)))));
        rows.push((RowKey::Change(index), Some(Row::Change(Arc::new(change)))));
        Ok(rows)
    }

    /// A rollback that nobody will report on any more: its own time is the last that is known of it.
    fn observe_unreported(&mut self, entry: u64) -> Outcome<(), S> {
        if let Some(recovery) = self.state.change(entry)?.and_then(|change| change.recovery.clone()) {
            self.observations.extend(recovery.unreported(entry));
        }
        Ok(())
    }

    /// How long digests have served, once one has made way for another.
    fn served_rows(
        &mut self,
        model: &Name,
        environment: &EnvironmentName,
        moves: Moves<'_>,
    ) -> Outcome<Rows, S> {
        let (index, now) = (self.act.index, self.act.recorded_at);
        let (left, came) = (self.digest_of(model, moves.leaves)?, self.digest_of(model, moves.comes)?);
        let mut rows = Vec::new();
        if left == came {
            return Ok(rows);
        }
        let mut put = |digest, row: Option<ServedRow>| {
            rows.push((
                RowKey::Served(environment.clone(), digest),
                row.map(|row| Row::Served(Arc::new(row))),
            ));
        };
        if let Some(digest) = left
            && let Some(served) = self.state.served(environment, digest)?
        {
            let slots = served.slots.saturating_sub(1);
            let ended = slots == 0;
            let past_ms = if ended && !moves.undone { served.served_ms(now) } else { served.past_ms };
            // What was put there first by a change that came to nothing has not served there.
            let was_nothing =
                moves.undone && ended && moves.leaves.is_some_and(|of| of.entry == served.entry);
            put(digest, (!was_nothing).then(|| ServedRow { past_ms, slots, ..(*served).clone() }));
        }
        if let Some(digest) = came {
            let served = self.state.served(environment, digest)?;
            let fresh = || ServedRow { entry: index, past_ms: 0, slots: 0, since: now };
            let served = served.map_or_else(fresh, |served| (*served).clone());
            let since = if served.slots == 0 { now } else { served.since };
            put(digest, Some(ServedRow { slots: served.slots + 1, since, ..served }));
        }
        Ok(rows)
    }

    fn digest_of(&mut self, model: &Name, serving: Option<&Serving>) -> Outcome<Option<Hash>, S> {
        let Some(serving) = serving else { return Ok(None) };
        Ok(self.state.version(model, &serving.version)?.map(|version| version.digest))
    }

    pub(super) fn complete(&mut self, body: &ChangeCompleted) -> Outcome<Rows, S> {
        let Some(change) = self.state.change(body.change)? else {
            return refuse(Refusal::ChangeUnknown { entry: body.change });
        };
        let OpenChange { model, environment, recovery } = &*change;
        let place = Place { model: Some(model), environment: Some(environment) };
        self.signed_for(Act::Complete, place)?;
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
                    let moves = Moves { leaves: undone.last(), comes: slot.serving(), undone: true };
                    rows.extend(self.served_rows(model, environment, moves)?);
                }
            }
            Some(newest) if body.outcome != ChangeOutcome::Succeeded => {
                return refuse(Refusal::ChangeSuperseded { entry: body.change, newest: newest.entry });
            }
            _ => slot.open.retain(|&entry| entry != body.change),
        }
        rows.push((slot_key(model, environment), Some(Row::Slot(Arc::new(slot)))));
        if let Some(recovery) = recovery.as_ref().filter(|_| body.outcome == ChangeOutcome::Succeeded) {
            let times = (self.act.recorded_at, body.completed_at);
            self.observations.extend(recovery.completed(body.change, times.0, times.1));
        }
        Ok(rows)
    }
}

/// A change, before its rows.
struct Change<'a> {
    model: &'a Name,
    environment: &'a EnvironmentName,
    kind: ChangeKind,
    recovery: Option<Recovery>,
}

/// What serves no longer, and what serves instead.
#[derive(Clone, Copy)]
struct Moves<'a> {
    leaves: Option<&'a Serving>,
    comes: Option<&'a Serving>,
    /// Whether what leaves came by a change that failed: then its time does not count.
    undone: bool,
}

/// What stands in the way, as far as it is known.
#[derive(Default)]
pub(super) struct Gaps(pub(super) Vec<Refusal>);

impl Gaps {
    /// Keeps a refusal, and hands on what is worse.
    pub(super) fn take<T, E>(&mut self, outcome: Result<T, ApplyError<E>>) -> Result<(), E> {
        match outcome {
            Ok(_) => Ok(()),
            Err(ApplyError::Refused(refusal)) => {
                self.0.push(refusal);
                Ok(())
            }
            Err(ApplyError::Source(error)) => Err(error),
        }
    }
}

/// Policies before schema 3: the tag's object is in the event, whole, and bears a signature. Whose it is, they do not ask.
pub(super) fn check_bears_signature<E>(infra: &InfraCommit) -> Result<(), ApplyError<E>> {
    let bears_signature = |object: &GitObject| {
        object.bytes.as_ref().is_some_and(|bytes| {
            let bytes = bytes.as_slice();
            let begins = |line: &[u8]| TAG_SIGNATURES.iter().any(|begin| line == begin.as_bytes());
            Hash::of(bytes) == object.sha256 && bytes.split(|&byte| byte == b'\n').any(begins)
        })
    };
    let names_object = infra.tag.as_ref().is_some_and(|tag| tag.object.is_some());
    if names_object && infra.tag_object.as_ref().is_some_and(bears_signature) {
        return Ok(());
    }
    refuse(Refusal::TagUnsigned)
}

/// How the signature in a Git tag begins.
const TAG_SIGNATURES: [&str; 2] = ["-----BEGIN SSH SIGNATURE-----", "-----BEGIN PGP SIGNATURE-----"];

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
