//! `rollbook show`.

use std::io::Write as _;
use std::ops::ControlFlow;

use clap::Args;
use serde_json::json;

use crate::cli::attachment::{AttachmentLog, Listed};
use crate::cli::context::{Context, written};
use crate::cli::failure::Failure;
use crate::cli::git_verdict::GitVerdict;
use crate::cli::record::event_id;
use crate::cli::terminal;
use crate::log::reader::{LogReader, LoggedEntry};
use crate::timeline::prose::{self, People};

/// Show everything that an entry says, and who signed it.
///
/// Example:
///   rollbook show 12
///   rollbook show 12 --raw | sha256sum
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Show {
    /// The entry's index, or its event's id
    #[arg(value_name = "INDEX|EVENT_ID")]
    pub what: String,
    /// Write the entry's exact bytes
    #[arg(long, conflicts_with = "json")]
    pub raw: bool,
}

impl Show {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn run(self, context: &Context) -> Result<(), Failure> {
        let reader = context.reader()?;
        let (logged, note) = find(&reader, &self.what)?;
        if self.raw {
            let mut stdout = std::io::stdout().lock();
            return written(stdout.write_all(&logged.bytes).and_then(|()| stdout.flush()));
        }
        let people = people_until(&reader, logged.entry.index)?;
        let attached = attached_to(context, &logged)?;
        let git = GitVerdict::of(context, &logged)?;
        if context.json() {
            let mut value = to_json(&logged, &people, Some(&note));
            value["attachments"] = json!(attached);
            if let Some(git) = git {
                value["git"] = json!(git);
            }
            return context.print_json(&value);
        }
        let beside: Vec<String> = git.iter().flat_map(GitVerdict::lines).collect();
        let text = in_full(&logged, &people, (&beside, &attached), &note);
        context.print(terminal::styled_fields(&with_age(context, &logged, text.trim_end())))
    }
}

fn find(reader: &LogReader, what: &str) -> Result<(LoggedEntry, Vec<u8>), Failure> {
    if let Ok(index) = what.parse::<u64>() {
        return Ok(reader.entry(index)?);
    }
    let id = event_id(what);
    let mut found = None;
    reader.for_each::<Failure>(0, |logged| {
        if logged.event.header.event_id == id {
            found = Some(logged.entry.index);
            return Ok(ControlFlow::Break(()));
        }
        Ok(ControlFlow::Continue(()))
    })?;
    match found {
        Some(index) => Ok(reader.entry(index)?),
        None => Err(Failure::usage(format!("no entry holds an event with the id {what}"))
            .hint("see `rollbook log`; an entry is named by its index too")),
    }
}

/// Who was named as the holder of which key, up to an entry.
fn people_until(reader: &LogReader, index: u64) -> Result<People, Failure> {
    let mut people = People::default();
    reader.for_each::<Failure>(0, |logged| {
        people.learn(&logged.event);
        let done = logged.entry.index >= index;
        Ok(if done { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    Ok(people)
}

/// An entry as JSON: one stable object.
#[must_use]
pub fn to_json(logged: &LoggedEntry, people: &People, note: Option<&[u8]>) -> serde_json::Value {
    let signers: Vec<_> = logged
        .entry
        .envelope
        .signatures()
        .iter()
        .map(|signature| {
            json!({
                "person": people.knows(&signature.key).then(|| people.name(&signature.key)),
                "key": signature.key,
                "fingerprint": signature.key.fingerprint(),
                "signature": hex::encode(signature.signature.as_bytes()),
            })
        })
        .collect();
    let mut value = json!({
        "index": logged.entry.index,
        "recorded_at": logged.entry.recorded_at,
        "leaf_hash": logged.leaf_hash,
        "previous": logged.entry.previous,
        "event": logged.event,
        "signatures": signers,
    });
    if let Some(note) = note {
        value["checkpoint"] = json!(String::from_utf8_lossy(note));
    }
    value
}

/// The entry's attachments, and what became of them. Only where it has some is the whole log replayed.
fn attached_to(context: &Context, logged: &LoggedEntry) -> Result<Vec<Listed>, Failure> {
    if logged.event.header.attachments.is_empty() {
        return Ok(Vec::new());
    }
    AttachmentLog::replay(context)?.listed(|cited| cited.entry == logged.entry.index)
}

/// On a terminal, how long ago the entry was recorded stands behind its time.
fn with_age(context: &Context, logged: &LoggedEntry, text: &str) -> String {
    let page = terminal::page(context);
    let time = format!("\n  recorded_at: {}", logged.entry.recorded_at);
    match page.width {
        Some(_) => {
            text.replacen(&time, &format!("{time} ({})", prose::ago(logged.entry.recorded_at, page.now)), 1)
        }
        None => text.to_owned(),
    }
}

fn in_full(
    logged: &LoggedEntry,
    people: &People,
    (beside, attached): (&[String], &[Listed]),
    note: &[u8],
) -> String {
    let mut out = format!("entry {}: {}\n", logged.entry.index, prose::one_line(&logged.event));
    out += &format!("  recorded_at: {}\n", logged.entry.recorded_at);
    out += &format!("  leaf_hash: {}\n  previous: {}\n", logged.leaf_hash, logged.entry.previous);
    let event = serde_json::to_value(&logged.event).unwrap_or_default();
    out += &prose::fields(&event);
    let proposer = logged.event.header.proposer;
    let mut signatures: Vec<_> = logged.entry.envelope.signatures().iter().collect();
    signatures.sort_by_key(|signature| signature.key != proposer);
    for signature in signatures {
        let role = if signature.key == proposer { "proposed" } else { "approved" };
        let name = prose::visible(&people.name(&signature.key));
        out += &format!("  {role} by {name} with key {}\n", signature.key.fingerprint());
    }
    for line in beside {
        out += &format!("  {}\n", prose::visible(line));
    }
    for listed in attached {
        out += &format!("  {}\n", prose::visible(&listed.line()));
    }
    out += "  checkpoint of its batch:\n";
    for line in String::from_utf8_lossy(note).lines() {
        out += format!("    {}", prose::visible(line)).trim_end();
        out.push('\n');
    }
    out
}
