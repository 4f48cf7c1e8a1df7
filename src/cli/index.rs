//! `rollbook index`: check, rebuild.

use std::time::Instant;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::ledger::upkeep::{check_index, rebuild_index};

/// Look after the derived index: check it against the log, or build it anew.
///
/// The log is the truth, and the index is never believed: where it cannot be used, the next command
/// that records builds it again. These two are for whoever doubts a disk.
#[derive(Debug, Subcommand)]
#[command(verbatim_doc_comment)]
pub(crate) enum Index {
    Check(Check),
    Rebuild(Rebuild),
}

/// Build a second index from the log, and hold the ledger's own against it.
///
/// Exit codes: 0 it says what the log says, however far it reaches; 1 it does not.
///
/// Example:
///   rollbook --ledger ./ledger index check
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Check;

/// Remove the index, and build it again from the log.
///
/// Nothing can be lost by it: `index/` holds nothing that `log/` does not.
///
/// Example:
///   rollbook --ledger ./ledger index rebuild
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Rebuild;

impl Index {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`].
    pub(crate) fn run(&self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Check(_) => check(context),
            Self::Rebuild(_) => rebuild(context),
        }
    }
}

fn check(context: &Context) -> Result<(), Failure> {
    let dir = context.ledger_dir()?;
    let found = context.open_with(dir, |options| Ok(check_index(dir, options)?))?;
    if let Some(problem) = found.problem {
        return Err(Failure::no("index_differs", format!("the index is not what the log makes: {problem}"))
            .hint("nothing is lost: `rollbook index rebuild` builds it again from the log"));
    }
    if context.json() {
        return context.print_json(&json!({ "entries": found.entries, "covered": found.covered }));
    }
    let (entries, covered) = (found.entries, found.covered);
    context.print(format_args!("the index says what the log says; it covered {covered} of {entries} entries"))
}

fn rebuild(context: &Context) -> Result<(), Failure> {
    let (dir, began) = (context.ledger_dir()?, Instant::now());
    let ledger = context.open_with(dir, |options| Ok(rebuild_index(dir, options)?))?;
    context.warn_all(&ledger);
    let (entries, seconds) = (ledger.size(), began.elapsed().as_secs_f64());
    if context.json() {
        return context.print_json(&json!({ "entries": entries, "seconds": seconds }));
    }
    context.print(format_args!("the index was built from {entries} entries in {seconds:.1} s"))
}
