//! `rollbook status`.

use std::sync::Arc;

use clap::Args;
use serde_json::json;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::terminal;
use crate::cli::view::{Until, View};
use crate::event::body::Body;
use crate::event::release::{ChangeOutcome, Serving};
use crate::event::text::{EnvironmentName, Name};
use crate::lifecycle::state::{IncidentPlace, OwedRatification, Row, RowKey, Slot};
use crate::time::Timestamp;
use crate::timeline::columns::{Column, Table};
use crate::timeline::prose::{self, People};

/// Show what serves where: since when, by whom, from which commit, and whether it was completed; which
/// incidents are open; and which break-glass rollbacks are owed a ratification.
///
/// Example:
///   rollbook status --env production
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Status {
    /// Only this environment
    #[arg(long, value_name = "E")]
    pub env: Option<EnvironmentName>,
    /// Only this model
    #[arg(long, value_name = "M")]
    pub model: Option<Name>,
}

impl Status {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn run(self, context: &Context) -> Result<(), Failure> {
        let view = View::replay(context.reader()?, Until::Now)?;
        let mut slots: Vec<_> = view
            .state
            .rows()
            .filter_map(|(key, row)| match (key, row) {
                (RowKey::Slot(model, environment), Row::Slot(slot)) => Some((environment, model, slot)),
                _ => None,
            })
            .filter(|(environment, model, _)| {
                self.env.as_ref().is_none_or(|env| env == *environment)
                    && self.model.as_ref().is_none_or(|wanted| wanted == *model)
            })
            .collect();
        slots.sort_by_key(|(environment, model, _)| (*environment, *model));
        if slots.is_empty() && !context.json() {
            context.say("nothing was ever promoted there");
        }
        let people = people_of(&view);
        let lines = slots
            .into_iter()
            .map(|(environment, model, slot)| describe_slot(&view, &people, environment, model, slot));
        let mut lines: Vec<Line> = lines.collect::<Result<_, _>>()?;
        lines.extend(self.incidents(&view));
        lines.extend(self.owed(&view, context.now()));
        print(context, lines)
    }

    /// Lists the incidents that are open, and nothing else.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn list_incidents(&self, context: &Context) -> Result<(), Failure> {
        let lines = self.incidents(&View::replay(context.reader()?, Until::Now)?);
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
    fn incidents(&self, view: &View) -> Vec<Line> {
        let mut open: Vec<(&Name, &IncidentPlace)> = view
            .state
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
    fn owed(&self, view: &View, now: Timestamp) -> Vec<Line> {
        let owed = view.state.rows().find_map(|(_, row)| match row {
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

/// Who holds which key, as the state knows them.
#[must_use]
pub fn people_of(view: &View) -> People {
    let holders = view.state.rows().filter_map(|(key, row)| match (key, row) {
        (RowKey::Holder(key), Row::Holder(holder)) => Some((*key, holder.person.clone())),
        _ => None,
    });
    holders.collect()
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
    view: &View,
    people: &People,
    environment: &EnvironmentName,
    model: &Name,
    slot: &Slot,
) -> Result<Line, Failure> {
    let Some(serving) = slot.serving() else {
        let cells = vec![environment.to_string(), model.to_string(), "nothing".to_owned()];
        return Ok(Line {
            cells,
            json: json!({ "environment": environment, "model": model, "serving": null }),
        });
    };
    let (logged, _) = view.reader.entry(serving.entry)?;
    let by = people.name(&logged.event.header.proposer);
    let completion = completion(slot, serving);
    let infra = logged.event.body.infra();
    let since = logged.entry.recorded_at;
    let commit = infra.map(|infra| format!("{}@{}", infra.repository, prose::short_commit(infra)));
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
    let digest = match &logged.event.body {
        Body::ModelPromoted(body) => Some(body.digest),
        Body::ModelRolledBack(body) => Some(body.to_digest),
        _ => None,
    };
    let json = json!({
        "environment": environment,
        "model": model,
        "serving": {
            "version": serving.version,
            "digest": digest,
            "since": since,
            "by": by,
            "entry": serving.entry,
            "completion": completion,
            "infra": infra,
        },
        "could_go_back_to": slot.stack.iter().rev().skip(1).map(|below| &below.version).collect::<Vec<_>>(),
    });
    Ok(Line { cells, json })
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
