//! Rules of releases: promoted, rolled back, withdrawn, completed.

use std::sync::Arc;

use crate::event::authority::Role;
use crate::event::release::{
    ChangeCompleted, ChangeOutcome, ModelPromoted, ModelRolledBack, ModelWithdrawn, Serving,
};
use crate::event::text::{EnvironmentName, Name};
use crate::lifecycle::authority::Place;
use crate::lifecycle::policy::Act;
use crate::lifecycle::refusal::Refusal;
use crate::lifecycle::state::{
    ChangeKind, NewestChange, OPEN_CHANGES_MAX, OpenChange, Row, RowKey, RowSource, STACK_MAX, ServedRow,
    Slot,
};

use super::{ApplyError, Judge, Outcome, Rows, check_claim, check_infra, refuse};

impl<S: RowSource> Judge<'_, S> {
    pub(super) fn promote(&mut self, body: &ModelPromoted) -> Outcome<Rows, S> {
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
        for missing in policy.promotion(&body.environment, &body.model).after {
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

    pub(super) fn roll_back(&mut self, body: &ModelRolledBack) -> Outcome<Rows, S> {
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

    pub(super) fn withdraw(&mut self, body: &ModelWithdrawn) -> Outcome<Rows, S> {
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

    pub(super) fn complete(&mut self, body: &ChangeCompleted) -> Outcome<Rows, S> {
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
