//! Rules of model versions: registered, evaluated, drifting, retired.

use std::sync::Arc;

use crate::event::model::{DriftDetected, ModelEvaluated, ModelRegistered, ModelRetired, outcome_of};
use crate::event::text::Name;
use crate::hash::Hash;
use crate::lifecycle::authority::Place;
use crate::lifecycle::policy::Act;
use crate::lifecycle::refusal::Refusal;
use crate::lifecycle::state::{
    EVALUATIONS_MAX, Evaluations, ModelRow, NewestEvaluation, Row, RowKey, RowSource, VersionRow,
};

use super::{ApplyError, Judge, Outcome, Rows, check_claim, refuse};

impl<S: RowSource> Judge<'_, S> {
    pub(super) fn register(&mut self, body: &ModelRegistered) -> Outcome<Rows, S> {
        let ModelRegistered { model, version, .. } = body;
        let place = Place { model: Some(model), environment: None };
        self.signed_for(Act::Register, place)?;
        if let Some(row) = self.state.version(model, version)? {
            let (model, version, entry) = (model.clone(), version.clone(), row.entry);
            return refuse(Refusal::VersionExists { model, version, entry });
        }
        if let Some(source) = &body.source {
            let evidence = self.evidence(source);
            self.infra_holds(source, evidence.as_deref())?;
        }
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

    pub(super) fn retire(&mut self, body: &ModelRetired) -> Outcome<Rows, S> {
        let ModelRetired { model, version, .. } = body;
        let place = Place { model: Some(model), environment: None };
        self.signed_for(Act::Retire, place)?;
        let row = self.live_version(model, version)?;
        let row = VersionRow { retired: Some(self.act.index), ..(*row).clone() };
        Ok(vec![(RowKey::Version(model.clone(), version.clone()), Some(Row::Version(Arc::new(row))))])
    }

    /// What was measured is what was registered, and came to what its metrics say. A retired version may still be
    /// measured: that is how people learn why.
    pub(super) fn evaluate(&mut self, body: &ModelEvaluated) -> Outcome<Rows, S> {
        let ModelEvaluated { model, version, digest, kind, environment, .. } = body;
        if let Some(environment) = environment {
            self.in_environment(environment)?;
        }
        let place = Place { model: Some(model), environment: environment.as_ref() };
        self.signed_for(Act::Evaluate, place)?;
        let registered = self.registered_version(model, version)?.digest;
        check_digest(model, version, registered, *digest)?;
        check_outcome(body)?;
        let mut row =
            self.state.evaluations(*digest, *kind)?.map_or_else(Evaluations::default, |row| (*row).clone());
        row.newest.retain(|earlier| earlier.suite != body.suite || earlier.dataset != body.dataset.name);
        if row.newest.len() == EVALUATIONS_MAX {
            return refuse(Refusal::EvaluationsTooMany { kind: *kind, max: EVALUATIONS_MAX });
        }
        row.newest.push(NewestEvaluation::of(self.act.index, self.act.recorded_at, body));
        Ok(vec![(RowKey::Evaluations(*digest, *kind), Some(Row::Evaluations(Arc::new(row))))])
    }

    /// Drift is told, and changes nothing: what follows from it, people decide.
    pub(super) fn drift(&mut self, body: &DriftDetected) -> Outcome<Rows, S> {
        let DriftDetected { environment, model, version, .. } = body;
        self.in_environment(environment)?;
        let place = Place { model: Some(model), environment: Some(environment) };
        self.signed_for(Act::Drift, place)?;
        match version {
            Some(version) => drop(self.registered_version(model, version)?),
            None => self.known_model(model)?,
        }
        check_claim("the time of the drift", body.detected_at, self.act.recorded_at)?;
        Ok(Vec::new())
    }

    pub(super) fn known_model(&mut self, model: &Name) -> Outcome<(), S> {
        match self.state.model(model)? {
            Some(_) => Ok(()),
            None => refuse(Refusal::ModelUnknown { model: model.clone() }),
        }
    }

    /// The version, registered; it may be retired.
    fn registered_version(&mut self, model: &Name, version: &Name) -> Outcome<Arc<VersionRow>, S> {
        match self.state.version(model, version)? {
            Some(row) => Ok(row),
            None => {
                self.known_model(model)?;
                refuse(Refusal::VersionUnknown { model: model.clone(), version: version.clone() })
            }
        }
    }

    /// The version, registered and not retired.
    fn live_version(&mut self, model: &Name, version: &Name) -> Outcome<Arc<VersionRow>, S> {
        let row = self.registered_version(model, version)?;
        if let Some(entry) = row.retired {
            let (model, version) = (model.clone(), version.clone());
            return refuse(Refusal::VersionRetired { model, version, entry });
        }
        Ok(row)
    }

    /// The version with the digest that the event says it has.
    pub(super) fn version_of_digest(&mut self, model: &Name, version: &Name, actual: Hash) -> Outcome<(), S> {
        let registered = self.live_version(model, version)?.digest;
        check_digest(model, version, registered, actual)
    }
}

fn check_digest<E>(
    model: &Name,
    version: &Name,
    registered: Hash,
    actual: Hash,
) -> Result<(), ApplyError<E>> {
    if registered != actual {
        let (model, version) = (model.clone(), version.clone());
        return refuse(Refusal::DigestMismatch { model, version, registered, actual });
    }
    Ok(())
}

/// Bounds that can be met, and the outcome that metrics and bounds come to.
fn check_outcome<E>(body: &ModelEvaluated) -> Result<(), ApplyError<E>> {
    if let Some(metric) = body.metrics.iter().find(|metric| metric.bounds_cross()) {
        return refuse(Refusal::BoundsEmpty { metric: metric.name.clone() });
    }
    let computed = outcome_of(&body.metrics);
    if computed != body.outcome {
        let outside = body.metrics.iter().find(|metric| !metric.holds()).map(|metric| metric.name.clone());
        return refuse(Refusal::OutcomeContradicted { claimed: body.outcome, computed, outside });
    }
    Ok(())
}
