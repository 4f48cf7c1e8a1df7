//! `rollbook checkpoint`.

use std::path::Path;

use clap::Args;
use serde_json::json;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::note::checkpoint::CheckpointNote;
use crate::store::cosigned::Cosigned;
use crate::store::disk::RealDisk;

/// Print the newest checkpoint: the C2SP note that covers the whole log.
///
/// Keep one after each audit, and hand it to `rollbook verify --checkpoint` at the next.
///
/// With --cosigned, print the newest that came back from witnesses, with their cosignatures.
///
/// Example:
///   rollbook checkpoint > checkpoint-2026-03.txt
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct CheckpointCommand {
    /// The newest checkpoint that witnesses cosigned
    #[arg(long)]
    pub cosigned: bool,
}

impl CheckpointCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn run(self, context: &Context) -> Result<(), Failure> {
        let note = if self.cosigned {
            newest_cosigned(context.ledger_dir()?)?
        } else {
            context.reader()?.checkpoint().clone()
        };
        let checkpoint = note.checkpoint();
        let note = note.note().to_string();
        if context.json() {
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

/// The note of the largest size in `cosigned/`; a file that is no note is passed over.
fn newest_cosigned(dir: &Path) -> Result<CheckpointNote, Failure> {
    let cosigned = Cosigned::of(&RealDisk, dir);
    let sizes = cosigned.sizes().map_err(Failure::world)?;
    let read = |size: &u64| CheckpointNote::parse_unverified(&cosigned.read(*size).ok()??).ok();
    sizes.iter().rev().find_map(read).ok_or_else(|| {
        Failure::no("not_cosigned", "no checkpoint of this ledger has come back from witnesses")
            .hint("take one in with `rollbook witness add NOTE`")
    })
}
