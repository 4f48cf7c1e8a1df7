//! `rollbook status`.

use clap::Args;
use serde_json::json;

use crate::cli::context::Context;
use crate::cli::describe::{self, People};
use crate::cli::failure::Failure;
use crate::cli::view::{Until, View};
use crate::event::body::Body;
use crate::event::infra::InfraCommit;
use crate::event::release::{ChangeOutcome, Serving};
use crate::event::text::{EnvironmentName, Name};
use crate::lifecycle::state::{Row, RowKey, Slot};
use crate::log::reader::LoggedEntry;

/// Show what serves where: since when, by whom, from which commit, and whether it was completed.
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
        for (environment, model, slot) in slots {
            let line = describe_slot(&view, &people, environment, model, slot)?;
            if context.json() { context.print_json(&line.json)? } else { context.print(line.text)? }
        }
        Ok(())
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
    text: String,
    json: serde_json::Value,
}

fn describe_slot(
    view: &View,
    people: &People,
    environment: &EnvironmentName,
    model: &Name,
    slot: &Slot,
) -> Result<Line, Failure> {
    let Some(serving) = slot.serving() else {
        let text = format!("{environment:<12}  {model:<20}  nothing");
        return Ok(Line {
            text,
            json: json!({ "environment": environment, "model": model, "serving": null }),
        });
    };
    let (logged, _) = view.reader.entry(serving.entry)?;
    let by = people.name(&logged.event.header.proposer);
    let completion = completion(slot, serving);
    let infra = infra_of(&logged);
    let since = logged.entry.recorded_at;
    let text = format!(
        "{environment:<12}  {model:<20}  {:<12}  since {}  by {by:<12}  {completion:<13}  {}  entry {}",
        serving.version,
        describe::seconds(since),
        infra
            .map(|infra| format!("{}@{}", infra.repository, describe::short_commit(infra)))
            .unwrap_or_default(),
        serving.entry,
    );
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
    Ok(Line { text: describe::visible(&text), json })
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

fn infra_of(logged: &LoggedEntry) -> Option<&InfraCommit> {
    match &logged.event.body {
        Body::ModelPromoted(body) => Some(&body.infra),
        Body::ModelRolledBack(body) => Some(&body.infra),
        _ => None,
    }
}
