//! `rollbook checkpoint`.

use clap::Args;
use serde_json::json;

use crate::cli::context::Context;
use crate::cli::failure::Failure;

/// Print the newest checkpoint: the C2SP note that covers the whole log.
///
/// Keep one after each audit, and hand it to `rollbook verify --checkpoint` at the next.
///
/// Example:
///   rollbook checkpoint > checkpoint-2026-03.txt
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct CheckpointCommand {}

impl CheckpointCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn run(self, context: &Context) -> Result<(), Failure> {
        let reader = context.reader()?;
        let note = String::from_utf8_lossy(reader.note()).into_owned();
        if context.json() {
            let checkpoint = reader.checkpoint().checkpoint();
            return context.print_json(&json!({
                "origin": checkpoint.origin(),
                "size": checkpoint.size(),
                "root": checkpoint.root(),
                "note": note,
            }));
        }
        context.print(note.trim_end())
    }
}
