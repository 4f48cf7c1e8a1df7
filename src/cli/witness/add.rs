//! `rollbook witness add`.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::input::read_input;
use crate::cli::rights::follow_directory;
use crate::cli::verify::read_trust;
use crate::ledger::create::TRUST_FILE;
use crate::ledger::opening::LOCK_FILE;
use crate::log::quorum::{Cosignature, Witnesses};
use crate::log::reader::LogReader;
use crate::note::checkpoint::CheckpointNote;
use crate::store::cosigned::{COSIGNED_NOTE_BYTES_MAX, Cosigned};
use crate::store::disk::RealDisk;
use crate::store::lock::{Holder, WriterLock};
use crate::timeline::prose::{seconds, visible};

/// Take a cosigned checkpoint into the ledger, as cosigned/SIZE.
///
/// The note must be of a checkpoint that this ledger published, and bear a valid cosignature of a
/// witness in the ledger's trust.toml. Cosignatures that are there already stay; lines by others are
/// left out. The newest 64 notes are kept, and the newest that the quorum cosigned.
///
/// Example:
///   rollbook witness add cosigned.note
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Add {
    /// The note, or - for stdin
    pub note: PathBuf,
}

impl Add {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`]; a note that does not fit is exit 1, what is no note exit 2.
    pub(super) fn run(self, context: &Context) -> Result<(), Failure> {
        let dir = context.ledger_dir()?;
        let bytes = read_input(&self.note, "a cosigned note", COSIGNED_NOTE_BYTES_MAX)?;
        let note = CheckpointNote::parse_unverified(&bytes).map_err(|error| {
            Failure::usage(format!("{} is no checkpoint: {error}", self.note.display()))
                .hint("give the whole note, as the witness printed it")
        })?;
        let trust = read_trust(&dir.join(TRUST_FILE))?;
        let witnesses = trust.witnesses();
        let own = published(&context.reader()?, &note)?;
        check_cosigned(&note, witnesses)?;
        follow_directory(context, dir)?;
        let (lock, holder) = (dir.join(LOCK_FILE), Holder::of_this_process(context.now()));
        let _lock = WriterLock::acquire(&lock, &holder, context.lock_timeout()?)?;
        let kept = keep(dir, &own, &note, witnesses)?;
        print(context, note.checkpoint().size(), &kept, witnesses)
    }
}

/// The log's own note of that size, which must be of the same text, and signed by the log in the same way.
fn published(reader: &LogReader, note: &CheckpointNote) -> Result<CheckpointNote, Failure> {
    let checkpoint = note.checkpoint();
    let (origin, size) = (reader.checkpoint().checkpoint().origin(), checkpoint.size());
    if checkpoint.origin() != origin {
        let message =
            format!("the checkpoint is of the log `{}`, and this is `{origin}`", checkpoint.origin());
        return Err(Failure::no("other_log", message).hint("name that log's ledger with --ledger"));
    }
    if size == 0 || size > reader.size() {
        let message =
            format!("the checkpoint is of size {size}, and this log has published {}", reader.size());
        return Err(Failure::no("not_published", message).hint(
            "if the log once had that size, entries are gone: keep the note, and see `rollbook verify`",
        ));
    }
    let own = CheckpointNote::parse_unverified(&reader.entry(size - 1)?.1)
        .map_err(|error| Failure::world(format!("the checkpoint in the log at size {size}: {error}")))?;
    if own.checkpoint().size() != size {
        let message = format!("this log has no checkpoint of size {size}: no batch ends there");
        return Err(Failure::no("no_such_checkpoint", message).hint(
            "if it was signed by this log, the log was rewritten: keep the note, and see `rollbook verify`",
        ));
    }
    if own.note().text() != note.note().text() {
        let (theirs, ours) = (checkpoint.root(), own.checkpoint().root());
        let message = format!("at size {size} the checkpoint has the root {theirs}, and this log {ours}");
        return Err(Failure::no("other_root", message).hint(
            "if it was signed by this log, the log was rewritten: keep the note, and see `rollbook verify`",
        ));
    }
    let ours: Vec<_> = own.note().signatures_named(origin.as_str()).collect();
    let mut theirs = note.note().signatures_named(origin.as_str()).peekable();
    if theirs.peek().is_none() || !theirs.all(|line| ours.contains(&line)) {
        let message = "the checkpoint does not bear the signature that this log gave it";
        return Err(Failure::no("log_signature", message)
            .hint("give the witness's whole note, with the log's own line in it"));
    }
    Ok(own)
}

/// A witness of the trust root cosigned it, and no line of theirs fails.
fn check_cosigned(note: &CheckpointNote, witnesses: &Witnesses) -> Result<(), Failure> {
    let add_them = format!("add them to {TRUST_FILE}: a table [[witness]] with name and key for each");
    if witnesses.is_empty() {
        return Err(Failure::no("no_witnesses", format!("{TRUST_FILE} names no witnesses")).hint(add_them));
    }
    match witnesses.cosignatures(note) {
        Err(error) => Err(Failure::no("bad_cosignature", error).hint("have the witness cosign it again")),
        Ok(found) if found.is_empty() => {
            let message = format!("no witness that {TRUST_FILE} names cosigned the checkpoint");
            Err(Failure::no("not_cosigned", message).hint(add_them))
        }
        Ok(_) => Ok(()),
    }
}

/// Puts the cosignatures to those that are kept of that size, and removes old notes. Gives all that are kept of it.
fn keep(
    dir: &Path,
    own: &CheckpointNote,
    note: &CheckpointNote,
    witnesses: &Witnesses,
) -> Result<Vec<Cosignature>, Failure> {
    let (cosigned, size) = (Cosigned::of(&RealDisk, dir), own.checkpoint().size());
    let read = |size| {
        let bytes = cosigned.read(size).ok().flatten()?;
        CheckpointNote::parse_unverified(&bytes).ok()
    };
    // What is no note gives way.
    let stored = read(size);
    let others: Vec<&CheckpointNote> = stored.iter().chain(std::iter::once(note)).collect();
    let merged = witnesses.merge(own, &others).map_err(|error| Failure::no("too_many", error))?;
    cosigned.write(size, &merged.encode()).map_err(Failure::world)?;
    let meets_quorum = |size| {
        let cosignatures = read(size).and_then(|note| witnesses.cosignatures(&note).ok());
        cosignatures.is_some_and(|found| witnesses.met_by(&found).is_some())
    };
    cosigned.prune(meets_quorum).map_err(Failure::world)?;
    Ok(read(size).and_then(|note| witnesses.cosignatures(&note).ok()).unwrap_or_default())
}

fn print(context: &Context, size: u64, kept: &[Cosignature], witnesses: &Witnesses) -> Result<(), Failure> {
    let met = witnesses.met_by(kept);
    if context.json() {
        return context.print_json(&json!({
            "size": size, "witnesses": kept, "quorum": witnesses.quorum(), "met_at": met.map(|met| met.time),
        }));
    }
    let names: Vec<String> =
        kept.iter().map(|signed| format!("{} at {}", signed.name, seconds(signed.time))).collect();
    context.print(visible(&format!("size {size}: cosigned by {}", names.join(", "))))?;
    let quorum = match (witnesses.quorum(), met) {
        (None, _) => format!("{TRUST_FILE} names no quorum"),
        (Some(quorum), Some(met)) => {
            format!("the quorum `{quorum}` had cosigned it at {}", seconds(met.time))
        }
        (Some(quorum), None) => format!("the quorum `{quorum}` has not cosigned it yet"),
    };
    context.print(visible(&quorum))
}
