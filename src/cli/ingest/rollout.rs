//! A deployment's end, as Argo CD or GitHub tells it, becomes the completion of the change that it belongs to.
//!
//! They know the commit, and the ledger knows which change names it as its infra commit. One that no change names, or
//! whose change has reported already, is refused: somebody deployed what nobody authorised, or did so twice.

use crate::cli::context::Context;
use crate::cli::evaluate::agree;
use crate::cli::failure::Failure;
use crate::cli::record::{RecordArgs, record};
use crate::cli::view::Facts;
use crate::event::body::Body;
use crate::event::infra::InfraCommit;
use crate::event::release::{ChangeCompleted, ChangeOutcome};
use crate::event::text::{EnvironmentName, Name};
use crate::linkage::rollout::Rollout;
use crate::log::reader::LogReader;

use super::incomplete;

/// Where a rollout belongs.
pub(super) struct Place {
    model: Name,
    environment: EnvironmentName,
}

/// How a sender says where a rollout belongs: the field, and the option that says it instead.
pub(super) struct Says {
    pub(super) environment: (&'static str, &'static str),
    pub(super) model: (&'static str, &'static str),
}

impl Place {
    /// What options and report say together.
    pub(super) fn of(
        rollout: &Rollout,
        environment: Option<&EnvironmentName>,
        model: Option<&Name>,
        says: &Says,
    ) -> Result<Self, Failure> {
        let environment = agree("environment", environment, rollout.environment.as_ref())?;
        let model = agree("model", model, rollout.model.as_ref())?;
        Ok(Self {
            environment: environment
                .cloned()
                .ok_or_else(|| incomplete(says.environment.0, says.environment.1))?,
            model: model.cloned().ok_or_else(|| incomplete(says.model.0, says.model.1))?,
        })
    }
}

/// Records that the change is completed which a rollout belongs to.
pub(super) fn complete(
    context: &Context,
    args: &RecordArgs,
    place: &Place,
    rollout: &Rollout,
) -> Result<(), Failure> {
    record(context, args, &mut |facts, _, now| {
        // Opened here, it sees every entry that the facts cite.
        let reader = context.reader()?;
        Ok(ChangeCompleted {
            change: change_of(facts, &reader, place, rollout)?,
            outcome: rollout.outcome,
            completed_at: rollout.at.unwrap_or(now),
            summary: rollout.summary.clone(),
        }
        .into())
    })
}

/// The newest change there that names one of the commits and has not reported.
fn change_of(
    facts: &mut dyn Facts,
    reader: &LogReader,
    place: &Place,
    rollout: &Rollout,
) -> Result<u64, Failure> {
    let slot = facts.slot(&place.model, &place.environment)?.unwrap_or_default();
    let names_it = |entry: u64| -> Result<bool, Failure> {
        let infra = infra_of(reader, entry)?;
        Ok(infra.is_some_and(|infra| rollout.commits.contains(&infra.commit)))
    };
    let newest = slot.newest.as_ref();
    let waiting = newest.filter(|newest| newest.outcome.is_none()).map(|newest| newest.entry);
    for entry in waiting.into_iter().chain(slot.open.iter().rev().copied()) {
        if names_it(entry)? {
            return Ok(entry);
        }
    }
    match newest.and_then(|newest| Some((newest.entry, newest.outcome?))) {
        Some((entry, outcome)) if names_it(entry)? => Err(reported(entry, outcome)),
        _ => Err(not_awaited(place, rollout)),
    }
}

fn reported(entry: u64, outcome: ChangeOutcome) -> Failure {
    let message = format!("the change of that commit, entry {entry}, was reported already: {outcome}");
    Failure::no("change_reported", message)
        .hint("nothing is to do if that commit was deployed once more; see `rollbook status`")
}

fn not_awaited(place: &Place, rollout: &Rollout) -> Failure {
    let Place { model, environment } = place;
    let commits: Vec<_> = rollout.commits.iter().take(3).map(ToString::to_string).collect();
    let commits = commits.join(", ");
    let message =
        format!("no change of {model} in {environment} names the commit {commits} and awaits its end");
    Failure::no("change_not_awaited", message).hint(
        "somebody deployed what this ledger did not authorise, or before it did: see `rollbook status`, and who started it",
    )
}

/// The infra commit that a change names.
fn infra_of(reader: &LogReader, entry: u64) -> Result<Option<InfraCommit>, Failure> {
    let (logged, _) = reader.entry(entry)?;
    Ok(match logged.event.body {
        Body::ModelPromoted(body) => Some(body.infra),
        Body::ModelRolledBack(body) => Some(body.infra),
        Body::ModelWithdrawn(body) => body.infra,
        _ => None,
    })
}
