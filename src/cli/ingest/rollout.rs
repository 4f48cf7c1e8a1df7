//! A deployment's end, as Argo CD or GitHub tells it, becomes the completion of the change that it belongs to.
//!
//! They know the commit, and the ledger knows which change names it as its infra commit. One that no change names, or
//! whose change has reported already, is refused: somebody deployed what nobody authorised, or did so twice. So is a report
//! that is older than the change: a delivery that is kept and sent again must not say that a later change of its commit is
//! in place.

use crate::cli::context::Context;
use crate::cli::evaluate::agree;
use crate::cli::failure::Failure;
use crate::cli::record::{RecordArgs, record};
use crate::cli::view::Facts;
use crate::event::body::Body;
use crate::event::infra::GitId;
use crate::event::release::{ChangeCompleted, ChangeOutcome};
use crate::event::text::{EnvironmentName, Name};
use crate::lifecycle::rules::CLAIM_AHEAD_MAX_MS;
use crate::linkage::rollout::Rollout;
use crate::log::reader::LogReader;
use crate::time::Timestamp;

use super::incomplete;

/// Where a rollout belongs.
pub(super) struct Place {
    pub(super) model: Name,
    pub(super) environment: EnvironmentName,
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
    .map_err(|failure| match failure.code {
        "change_superseded" => failure.hint(
            "nothing is to be put back, for a newer change has taken its place: have the newer one's end reported, or \
             roll back",
        ),
        _ => failure,
    })
}

/// The newest change there that names one of the commits, has not reported, and is not younger than the report.
fn change_of(
    facts: &mut dyn Facts,
    reader: &LogReader,
    place: &Place,
    rollout: &Rollout,
) -> Result<u64, Failure> {
    let slot = facts.slot(&place.model, &place.environment)?.unwrap_or_default();
    let recorded_at = |entry| recorded_at(reader, entry, &rollout.commits);
    let newest = slot.newest.as_ref();
    let waiting = newest.filter(|newest| newest.outcome.is_none()).map(|newest| newest.entry);
    let mut younger = None;
    for entry in waiting.into_iter().chain(slot.open.iter().rev().copied()) {
        let Some(recorded) = recorded_at(entry)? else { continue };
        match rollout.at.filter(|at| is_before(*at, recorded)) {
            None => return Ok(entry),
            Some(at) => younger = younger.or(Some((entry, recorded, at))),
        }
    }
    if let Some((entry, recorded, at)) = younger {
        return Err(too_old(entry, recorded, at));
    }
    match newest.and_then(|newest| Some((newest.entry, newest.outcome?))) {
        Some((entry, outcome)) if recorded_at(entry)?.is_some() => Err(reported(entry, outcome)),
        _ => Err(not_awaited(place, rollout)),
    }
}

/// Whether a report of that time is of something that was over before a change was recorded. Clocks differ, by as much
/// as a claimed time may lie ahead ([`CLAIM_AHEAD_MAX_MS`]).
fn is_before(at: Timestamp, recorded: Timestamp) -> bool {
    at.plus_ms(CLAIM_AHEAD_MAX_MS) < recorded
}

fn too_old(entry: u64, recorded: Timestamp, at: Timestamp) -> Failure {
    let message = format!(
        "the deployment was over at {at}, and the change of its commit that awaits its end, entry {entry}, was recorded \
         later, at {recorded}: it is not that change's"
    );
    Failure::no("change_not_awaited", message).hint(format!(
        "see whether an old delivery came again, and whether the sender's clock is right; if it is that change's, say so \
         with `rollbook complete {entry}`"
    ))
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

/// When a change was recorded, if it names one of `commits` as its infra commit.
fn recorded_at(reader: &LogReader, entry: u64, commits: &[GitId]) -> Result<Option<Timestamp>, Failure> {
    let (logged, _) = reader.entry(entry)?;
    let infra = match logged.event.body {
        Body::ModelPromoted(body) => Some(body.infra),
        Body::ModelRolledBack(body) => Some(body.infra),
        Body::ModelWithdrawn(body) => body.infra,
        _ => None,
    };
    let names_it = infra.is_some_and(|infra| commits.contains(&infra.commit));
    Ok(names_it.then_some(logged.entry.recorded_at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_minutes_are_left_to_clocks_that_differ() {
        let recorded: Timestamp = "2026-03-01T10:00:00Z".parse().unwrap();
        for (at, expected) in [
            ("2026-03-01T09:54:59.999Z", true),
            ("2026-03-01T09:55:00Z", false),
            ("2026-03-01T10:30:00Z", false),
        ] {
            assert_eq!(is_before(at.parse().unwrap(), recorded), expected, "{at}");
        }
    }
}
