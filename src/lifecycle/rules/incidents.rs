//! Rules of incidents, and of standing behind what was done in one.

use std::sync::Arc;

use crate::event::authority::Role;
use crate::event::incident::{EntryRatified, IncidentDetected, IncidentResolved, Ratification};
use crate::event::text::{EnvironmentName, Name};
use crate::lifecycle::authority::{Need, Place};
use crate::lifecycle::policy::Act;
use crate::lifecycle::refusal::Refusal;
use crate::lifecycle::state::{
    INCIDENT_PLACES_MAX, IncidentPlace, OpenIncident, Owed, OwedRatification, Row, RowKey, RowSource,
};

use super::{Judge, Outcome, Rows, check_claim, owed_row, refuse};

/// Violations that no rule of an entry's own says: administrators may accept them as they may accept those whose code is
/// `rule.` and a refusal's. What is tampered with is not among them.
pub const VIOLATIONS: &[&str] = &[
    "attachment.missing",
    "attachment.size",
    NOT_RATIFIED,
    "git.commit_missing",
    "git.manifest",
    "git.not_protected",
    "git.object",
    "git.signer_compromised",
    "git.tag_leads_elsewhere",
    "git.tag_missing",
    "git.tag_moved",
    "key.compromised",
    "log_key.boundary",
    "time.decreases",
];
/// That nobody ratified a break-glass rollback in time.
pub const NOT_RATIFIED: &str = "break_glass.not_ratified";

/// Whether administrators may accept a finding of this code: a violation, and not merely unclear.
#[must_use]
pub fn is_acceptable(code: &str) -> bool {
    let of_rule = code.strip_prefix("rule.").is_some_and(|code| Refusal::CODES.contains(&code));
    VIOLATIONS.contains(&code) || of_rule
}

impl<S: RowSource> Judge<'_, S> {
    pub(super) fn open_incident(&mut self, body: &IncidentDetected) -> Outcome<Rows, S> {
        let IncidentDetected { incident, environment, model, detected_at, .. } = body;
        self.in_environment(environment)?;
        let place = Place { model: model.as_ref(), environment: Some(environment) };
        self.signed_for(Act::Incident, place)?;
        if let Some(model) = model {
            self.known_model(model)?;
        }
        self.cites(&body.evidence)?;
        check_claim("the time of detection", *detected_at, self.act.recorded_at)?;
        let open = self.state.incident(incident)?;
        let mut places = open.map_or_else(Vec::new, |open| open.places.clone());
        let same = |open: &&IncidentPlace| open.environment == *environment && open.model == *model;
        if let Some(IncidentPlace { entry, .. }) = places.iter().find(same) {
            let (incident, environment, entry) = (incident.clone(), environment.clone(), *entry);
            return refuse(Refusal::IncidentOpenAlready { incident, environment, entry });
        }
        if places.len() == INCIDENT_PLACES_MAX {
            return refuse(Refusal::IncidentPlacesTooMany {
                incident: incident.clone(),
                max: INCIDENT_PLACES_MAX,
            });
        }
        places.push(IncidentPlace::of(self.act.index, self.act.recorded_at, body));
        let row = Row::Incident(Arc::new(OpenIncident { places }));
        Ok(vec![(RowKey::Incident(incident.clone()), Some(row))])
    }

    /// An incident is resolved wherever it is open, by somebody who may say so of each of its places.
    pub(super) fn resolve_incident(&mut self, body: &IncidentResolved) -> Outcome<Rows, S> {
        let IncidentResolved { incident, resolved_at, .. } = body;
        let open = self.state.incident(incident)?;
        let Some(open) = open else {
            self.signed_for(Act::Incident, Place::default())?;
            return refuse(Refusal::IncidentNotOpen { incident: incident.clone() });
        };
        for IncidentPlace { environment, model, .. } in &open.places {
            let place = Place { model: model.as_ref(), environment: Some(environment) };
            self.signed_for(Act::Incident, place)?;
        }
        check_claim("the time of resolution", *resolved_at, self.act.recorded_at)?;
        let latest = open.places.iter().map(|place| place.detected_at).max();
        if let Some(detected) = latest.filter(|detected| resolved_at < detected) {
            let (incident, resolved) = (incident.clone(), *resolved_at);
            return refuse(Refusal::IncidentEndsBefore { incident, detected, resolved });
        }
        Ok(vec![(RowKey::Incident(incident.clone()), None)])
    }

    /// An incident that an event names is open, in that very place.
    pub(super) fn open_place(
        &mut self,
        incident: &Name,
        environment: &EnvironmentName,
        model: &Name,
    ) -> Outcome<IncidentPlace, S> {
        let Some(open) = self.state.incident(incident)? else {
            return refuse(Refusal::IncidentNotOpen { incident: incident.clone() });
        };
        let covers = |place: &&IncidentPlace| {
            place.environment == *environment && place.model.as_ref().is_none_or(|of| of == model)
        };
        match open.places.iter().find(covers) {
            Some(place) => Ok(place.clone()),
            None => refuse(Refusal::IncidentElsewhere {
                incident: incident.clone(),
                model: model.clone(),
                environment: environment.clone(),
            }),
        }
    }

    pub(super) fn ratify(&mut self, body: &EntryRatified) -> Outcome<Rows, S> {
        match &body.ratification {
            Ratification::BreakGlass => self.ratify_break_glass(body.entry),
            Ratification::Violations { codes } => self.accept_violations(body.entry, codes),
        }
    }

    /// An approver, who is not the one who broke the glass, in time.
    fn ratify_break_glass(&mut self, entry: u64) -> Outcome<Rows, S> {
        let Some(owed) = self.owed.rollbacks.iter().find(|owed| owed.entry == entry).cloned() else {
            self.signed_by(&Need { proposer: &[Role::Approver], ..Self::one_approver() })?;
            return refuse(Refusal::NothingToRatify { entry });
        };
        let OwedRatification { model, environment, person, due, lapsed, .. } = owed;
        let place = Place { model: Some(&model), environment: Some(&environment) };
        let people = self.signed_by(&Need { place, ..Self::one_approver() })?;
        if people.contains(&person) {
            return refuse(Refusal::ApproverIsProposer { person });
        }
        if lapsed {
            return refuse(Refusal::RatificationLate { entry, due });
        }
        Ok(vec![self.no_longer_owed(entry)])
    }

    const fn one_approver() -> Need<'static> {
        let roles = &[Role::Approver];
        Need { proposer: roles, others: roles, place: Place { environment: None, model: None }, people: 1 }
    }

    /// Whether the entry has these violations, the state cannot tell: the command line looks before it asks for
    /// signatures, and the verifier says so of an acceptance that accepts nothing.
    fn accept_violations(&mut self, entry: u64, codes: &[Name]) -> Outcome<Rows, S> {
        self.signed_by_administrators()?;
        self.cites(&[entry])?;
        if codes.is_empty() {
            return refuse(Refusal::NothingToRatify { entry });
        }
        if let Some(code) = codes.iter().find(|code| !is_acceptable(code.as_str())) {
            return refuse(Refusal::FindingNotAcceptable { code: code.clone() });
        }
        if !codes.iter().any(|code| code.as_str() == NOT_RATIFIED) {
            return Ok(Vec::new());
        }
        match self.owed.rollbacks.iter().find(|owed| owed.entry == entry) {
            Some(owed) if owed.lapsed => Ok(vec![self.no_longer_owed(entry)]),
            _ => refuse(Refusal::NothingToRatify { entry }),
        }
    }

    fn no_longer_owed(&self, entry: u64) -> (RowKey, Option<Row>) {
        let others = self.owed.rollbacks.iter().filter(|owed| owed.entry != entry).cloned();
        owed_row(&Arc::new(Owed { rollbacks: others.collect() }))
    }
}
