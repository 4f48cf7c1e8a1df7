//! `rollbook served`.

use clap::Args;
use serde_json::{Value, json};

use crate::cli::answer::{ProveArgs, TrustArgs};
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::terminal;
use crate::cli::timeline::tell;
use crate::event::body::Kind;
use crate::event::text::{EnvironmentName, Name};
use crate::hash::Hash;
use crate::time::span_text;
use crate::timeline::chronicle::{Chronicle, Commit, EntryRef, Query, Signer, Stretch};
use crate::timeline::columns::{Column, Table};
use crate::timeline::prose;

/// Tell what served, from when until when: version, digest, infra commit, who, and the entries that
/// opened and closed each interval.
///
/// What served when goes by recorded time; what people and pipelines claimed stands beside it (--json).
/// With --trust the log that the answer rests on is verified first, and the exit code is the verdict's,
/// as `rollbook verify` gives it.
///
/// Example:
///   rollbook served --env production --model credit-scorer --since 2026-03-01T00:00:00Z --until 2026-04-01T00:00:00Z
///   rollbook served --env production --model credit-scorer --trust trust.toml --prove march.proofs
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Served {
    /// The environment
    #[arg(long, value_name = "E")]
    pub env: EnvironmentName,
    /// Only this model; unless given, every model there
    #[arg(long, value_name = "M")]
    pub model: Option<Name>,
    /// Only what served at this time or later
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Only what served before this time
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Only where this model digest served
    #[arg(long, value_name = "D")]
    pub digest: Option<Hash>,
    /// What makes it believable.
    #[command(flatten)]
    pub trust: TrustArgs,
    /// What proves it.
    #[command(flatten)]
    pub prove: ProveArgs,
}

impl Served {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`]; a verdict other than sound ends in its exit code.
    pub fn run(self, context: &Context) -> Result<(), Failure> {
        self.prove.check()?;
        let (since, until) = context.range(self.since.as_ref(), self.until.as_ref())?;
        let query = Query {
            since,
            until,
            environment: Some(self.env.clone()),
            model: self.model.clone(),
            digest: self.digest,
            ..Query::default()
        };
        let (shown, chronicle) = tell(context, &self.trust, Query { kinds: NO_ROWS.to_vec(), ..query })?;
        let stretches: Vec<(&Name, &Stretch)> = chronicle
            .lanes
            .iter()
            .flat_map(|lane| lane.stretches.iter().map(|stretch| (&lane.model, stretch)))
            .collect();
        if stretches.is_empty() {
            let is_told = shown.report.as_ref().is_none_or(|report| report.verdict.exit_code() != 1);
            let what = if is_told { "nothing of that served" } else { "nobody can tell what served" };
            context.say(format_args!("{what} in {} then", self.env));
        }
        if context.json() {
            for (model, stretch) in &stretches {
                context.print_json(&to_json(&self.env, model, stretch, &chronicle))?;
            }
            context.print_json(&json!({ "basis": shown.basis_json(context.now()) }))?;
        } else {
            let mut table = Table::new([Column::TEXT; 9]);
            for (model, stretch) in &stretches {
                table.push(cells(model, stretch, &chronicle));
            }
            terminal::print_table(context, &table)?;
            context.print(prose::visible(&shown.basis_line(context.now())))?;
        }
        let entries = stretches.iter().flat_map(|(_, stretch)| stretch.entries());
        self.prove.write(context, &shown, entries.cloned().collect())?;
        shown.end()
    }
}

/// The one kind of which there is a single entry: intervals are asked for, not rows.
const NO_ROWS: [Kind; 1] = [Kind::LedgerCreated];

fn cells(model: &Name, stretch: &Stretch, chronicle: &Chronicle) -> Vec<String> {
    let until = stretch.closed.as_ref().map(|by| by.recorded_at);
    let span = until.unwrap_or(chronicle.until).since_ms(stretch.opened.recorded_at).max(0);
    vec![
        model.to_string(),
        stretch.version.to_string(),
        stretch.digest.map(|digest| format!("sha256:{}…", digest.short())).unwrap_or_default(),
        prose::seconds(stretch.opened.recorded_at),
        until.map_or_else(
            || chronicle.open_end().to_owned(),
            |until| format!("until {}", prose::seconds(until)),
        ),
        format!("{}{}", if until.is_none() { "up to here " } else { "" }, span_text(span)),
        format!("by {}", who(&stretch.authorised)),
        stretch.infra.as_ref().map(Commit::in_short).unwrap_or_default(),
        entries_in_short(stretch),
    ]
}

/// The first signer, who proposed it, and how many approved.
fn who(entry: &EntryRef) -> String {
    let mut names = entry.signers.iter().map(Signer::name);
    let proposer = names.next().unwrap_or_default();
    let approvers: Vec<String> = names.collect();
    if approvers.is_empty() { proposer } else { format!("{proposer} with {}", approvers.join(", ")) }
}

fn entries_in_short(stretch: &Stretch) -> String {
    let opened = stretch.opened.index;
    match &stretch.closed {
        Some(closed) => format!("entries {opened} to {}", closed.index),
        None => format!("entry {opened}"),
    }
}

/// An interval as JSON: one stable object.
fn to_json(environment: &EnvironmentName, model: &Name, stretch: &Stretch, chronicle: &Chronicle) -> Value {
    let Stretch { version, digest, opened, authorised, infra, completed, closed } = stretch;
    json!({
        "environment": environment,
        "model": model,
        "version": version,
        "digest": digest,
        "from": opened.recorded_at,
        "until": closed.as_ref().map(|by| by.recorded_at),
        // What was not closed served until then at least.
        "known_until": closed.as_ref().map_or(chronicle.until, |by| by.recorded_at),
        "infra": infra.as_ref().map(|infra| {
            json!({ "repository": infra.repository, "commit": infra.id, "tag": infra.tag.as_ref().map(|name| json!({ "name": name })) })
        }),
        "opened": entry_json(opened),
        "authorised": entry_json(authorised),
        "completed": completed.as_ref().map(|done| {
            json!({ "entry": entry_json(&done.entry), "outcome": done.outcome, "completed_at": done.completed_at })
        }),
        "closed": closed.as_ref().map(entry_json),
    })
}

fn entry_json(entry: &EntryRef) -> Value {
    let signer = |signer: &Signer| {
        json!({
            "person": signer.person, "fingerprint": signer.key.fingerprint(), "proposed": signer.proposed,
        })
    };
    json!({
        "index": entry.index,
        "leaf_hash": entry.leaf_hash,
        "kind": entry.kind,
        "recorded_at": entry.recorded_at,
        "claimed_at": entry.claimed_at,
        "signers": entry.signers.iter().map(signer).collect::<Vec<_>>(),
    })
}
