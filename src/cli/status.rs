//! `rollbook status`.

use std::collections::BTreeMap;
use std::sync::Arc;

use clap::Args;
use serde_json::json;

use crate::cli::answer::{ProveArgs, Shown, TrustArgs};
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::terminal;
use crate::cli::view::{Until, View};
use crate::event::release::{ChangeOutcome, Serving};
use crate::event::text::{EnvironmentName, Name};
use crate::lifecycle::state::{IncidentPlace, NoSource, OwedRatification, Row, RowKey, Slot, State};
use crate::log::reader::ReadError;
use crate::time::Timestamp;
use crate::timeline::chronicle::{Chronicle, Commit, Lane, Query, Signer, Stretch};
use crate::timeline::collector::Collector;
use crate::timeline::columns::{Column, Table};
use crate::timeline::prose;

/// Show what serves where: since when, by whom, from which commit, and whether it was completed; which
/// incidents are open; and which break-glass rollbacks are owed a ratification.
///
/// With --at or --at-index it tells what served then, by recorded time: what was open, owed and serving
/// behind the last entry up to there. With --trust the log that the answer rests on is verified first,
/// and the exit code is the verdict's, as `rollbook verify` gives it.
///
/// Example:
///   rollbook status --env production
///   rollbook status --env production --at 2026-03-14T02:30:00Z --trust trust.toml --prove then.proofs
#[derive(Debug, Default, Args)]
#[command(verbatim_doc_comment)]
pub struct Status {
    /// Only this environment
    #[arg(long, value_name = "E")]
    pub env: Option<EnvironmentName>,
    /// Only this model
    #[arg(long, value_name = "M")]
    pub model: Option<Name>,
    /// As of this time: the entries recorded then or before
    #[arg(long, value_name = "TIME", conflicts_with = "at_index")]
    pub at: Option<String>,
    /// As of this entry, itself included
    #[arg(long, value_name = "N")]
    pub at_index: Option<u64>,
    /// What makes it believable.
    #[command(flatten)]
    pub trust: TrustArgs,
    /// What proves it.
    #[command(flatten)]
    pub prove: ProveArgs,
}

impl Status {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`]; with `--trust`, a verdict other than sound ends in its exit code.
    pub fn run(self, context: &Context) -> Result<(), Failure> {
        self.prove.check()?;
        let until = match (context.time(self.at.as_ref())?, self.at_index) {
            (Some(time), _) => Until::Time(time),
            (_, Some(index)) => Until::Index(index),
            _ => Until::Now,
        };
        let (environment, model) = (self.env.clone(), self.model.clone());
        // What serves at the end is all that is asked for.
        let since = Some(Timestamp::MAX);
        let mut collector = Collector::new(Query { since, environment, model, ..Query::default() });
        let mut shown = self.trust.show(context, until, &mut collector)?;
        if let Some(index) = self.at_index.filter(|index| *index >= shown.basis.size) {
            return Err(ReadError::NoSuchEntry { index, size: shown.basis.size }.into());
        }
        let at = match until {
            Until::Time(time) => time,
            Until::Now => context.now(),
            Until::Index(_) => collector.last().map_or(Timestamp::EPOCH, |(_, recorded_at)| recorded_at),
        };
        let as_of = collector.last();
        let chronicle = collector.finish(shown.basis.clone());
        let mut lines = self.slots(&mut shown.state, &chronicle);
        if lines.is_empty() && !context.json() {
            context.say("nothing was ever promoted there");
        }
        lines.extend(self.incidents(&shown.state));
        lines.extend(self.owed(&shown.state, at));
        print(context, lines)?;
        if self.trust.trust.is_some() || self.at.is_some() || self.at_index.is_some() {
            print_basis(context, &shown, as_of)?;
        }
        let entries =
            chronicle.lanes.iter().flat_map(|lane| lane.stretches.iter().flat_map(Stretch::entries));
        self.prove.write(context, &shown, entries.cloned().collect())?;
        shown.end()
    }

    /// What serves, by environment and model; a slot in which nothing does is told, too.
    fn slots(&self, state: &mut State<NoSource>, chronicle: &Chronicle) -> Vec<Line> {
        let slots = state.rows().filter_map(|(key, row)| match (key, row) {
            (RowKey::Slot(model, environment), Row::Slot(slot)) => Some((environment, model, slot)),
            _ => None,
        });
        let mut slots: Vec<_> = slots
            .filter(|(environment, model, _)| self.shows(environment, Some(model)))
            .map(|(environment, model, slot)| (environment.clone(), model.clone(), Arc::clone(slot)))
            .collect();
        slots.sort_by(|one, other| (&one.0, &one.1).cmp(&(&other.0, &other.1)));
        let place = |lane: &'_ Lane| (lane.environment.clone(), lane.model.clone());
        let lanes: BTreeMap<(EnvironmentName, Name), &Lane> =
            chronicle.lanes.iter().map(|lane| (place(lane), lane)).collect();
        let line = |(environment, model, slot): (EnvironmentName, Name, Arc<Slot>)| {
            let place = (environment, model);
            let stretch = lanes.get(&place).and_then(|lane| lane.stretches.last());
            describe_slot(&place.0, &place.1, &slot, stretch)
        };
        slots.into_iter().map(line).collect()
    }

    /// Lists the incidents that are open, and nothing else.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn list_incidents(&self, context: &Context) -> Result<(), Failure> {
        let lines = self.incidents(&View::replay(context.reader()?, Until::Now)?.state);
        if lines.is_empty() && !context.json() {
            context.say("no incident is open there");
        }
        print(context, lines)
    }

    fn shows(&self, environment: &EnvironmentName, model: Option<&Name>) -> bool {
        self.env.as_ref().is_none_or(|env| env == environment)
            && self.model.as_ref().is_none_or(|wanted| model.is_none_or(|model| wanted == model))
    }

    /// Incidents that are open, by id.
    fn incidents(&self, state: &State<NoSource>) -> Vec<Line> {
        let mut open: Vec<(&Name, &IncidentPlace)> = state
            .rows()
            .filter_map(|(key, row)| match (key, row) {
                (RowKey::Incident(id), Row::Incident(incident)) => Some((id, incident)),
                _ => None,
            })
            .flat_map(|(id, incident)| incident.places.iter().map(move |place| (id, place)))
            .filter(|(_, place)| self.shows(&place.environment, place.model.as_ref()))
            .collect();
        open.sort_by_key(|(id, place)| (*id, place.entry));
        let line = |(id, place): (&Name, &IncidentPlace)| {
            let IncidentPlace { entry, environment, model, recorded_at, detected_at } = place;
            let cells = vec![
                environment.to_string(),
                model.as_ref().map_or_else(|| "any model".to_owned(), ToString::to_string),
                format!("incident {id} is open"),
                format!("since {}", prose::seconds(*recorded_at)),
                format!("entry {entry}"),
            ];
            let json = json!({ "incident": {
                "id": id, "environment": environment, "model": model, "entry": entry,
                "recorded_at": recorded_at, "detected_at": detected_at,
            } });
            Line { cells, json }
        };
        open.into_iter().map(line).collect()
    }

    /// Break-glass rollbacks that nobody has stood behind, with what is still possible `now`.
    fn owed(&self, state: &State<NoSource>, now: Timestamp) -> Vec<Line> {
        let owed = state.rows().find_map(|(_, row)| match row {
            Row::Owed(owed) => Some(Arc::clone(owed)),
            _ => None,
        });
        let rollbacks = owed.iter().flat_map(|owed| &owed.rollbacks);
        let line = |owed: &OwedRatification| {
            let OwedRatification { entry, model, environment, person, due, lapsed } = owed;
            let overdue = *lapsed || *due < now;
            let what = if overdue {
                format!("OVERDUE: nobody ratified entry {entry} by {}", prose::seconds(*due))
            } else {
                format!("owed: `rollbook ratify {entry}` by {}", prose::seconds(*due))
            };
            let cells = vec![environment.to_string(), model.to_string(), what, format!("broken by {person}")];
            let json = json!({ "owed": {
                "entry": entry, "model": model, "environment": environment, "person": person, "due": due,
                "overdue": overdue,
            } });
            Line { cells, json }
        };
        rollbacks.filter(|owed| self.shows(&owed.environment, Some(&owed.model))).map(line).collect()
    }
}

/// Says what the answer rests on.
fn print_basis(context: &Context, shown: &Shown, as_of: Option<(u64, Timestamp)>) -> Result<(), Failure> {
    if context.json() {
        let as_of = as_of.map(|(index, recorded_at)| json!({ "index": index, "recorded_at": recorded_at }));
        return context.print_json(&json!({ "basis": shown.basis_json(context.now()), "as_of": as_of }));
    }
    match as_of {
        Some((index, at)) => {
            context.print(format_args!("as of entry {index}, recorded {}", prose::seconds(at)))?;
        }
        None => context.print("as of a time before the first entry")?,
    }
    context.print(prose::visible(&shown.basis_line(context.now())))
}

struct Line {
    cells: Vec<String>,
    json: serde_json::Value,
}

fn print(context: &Context, lines: Vec<Line>) -> Result<(), Failure> {
    if context.json() {
        return lines.iter().try_for_each(|line| context.print_json(&line.json));
    }
    let mut table = Table::new([Column::TEXT; 8]);
    for line in lines {
        table.push(line.cells);
    }
    terminal::print_table(context, &table)
}

fn describe_slot(
    environment: &EnvironmentName,
    model: &Name,
    slot: &Slot,
    stretch: Option<&Stretch>,
) -> Line {
    let Some((serving, stretch)) = slot.serving().zip(stretch) else {
        let cells = vec![environment.to_string(), model.to_string(), "nothing".to_owned()];
        let json = json!({ "environment": environment, "model": model, "serving": null });
        return Line { cells, json };
    };
    let by = stretch.authorised.signers.first().map(Signer::name).unwrap_or_default();
    let completion = completion(slot, serving);
    let since = stretch.opened.recorded_at;
    let commit = stretch.infra.as_ref().map(Commit::in_short);
    let cells = vec![
        environment.to_string(),
        model.to_string(),
        serving.version.to_string(),
        format!("since {}", prose::seconds(since)),
        format!("by {by}"),
        completion.to_owned(),
        format!("entry {}", serving.entry),
        commit.unwrap_or_default(),
    ];
    let json = json!({
        "environment": environment,
        "model": model,
        "serving": {
            "version": serving.version,
            "digest": stretch.digest,
            "since": since,
            "by": by,
            "entry": serving.entry,
            "leaf_hash": stretch.authorised.leaf_hash,
            "opened_by": stretch.opened.index,
            "completion": completion,
            "infra": stretch.infra.as_ref().map(|infra| {
                json!({ "repository": infra.repository, "commit": infra.id, "tag": infra.tag.as_ref().map(|name| json!({ "name": name })) })
            }),
        },
        "could_go_back_to": slot.stack.iter().rev().skip(1).map(|below| &below.version).collect::<Vec<_>>(),
    });
    Line { cells, json }
}

/// Whether what serves was reported as in place.
fn completion(slot: &Slot, serving: &Serving) -> &'static str {
    match slot.newest.as_ref() {
        Some(newest) if newest.entry == serving.entry => match newest.outcome {
            None => "not completed",
            Some(ChangeOutcome::Succeeded) => "completed",
            Some(ChangeOutcome::Failed | ChangeOutcome::Aborted) => "failed",
        },
        // A newer change there failed, and put this one back.
        Some(_) => "put back",
        None => "unknown",
    }
}
