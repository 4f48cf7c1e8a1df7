//! The file that `verify` and `gate` go on from (`--state`).

use std::path::Path;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::log::trust_root::TrustRoot;
use crate::verifier::kept::{KeptState, KeptStateError};

/// Reads what was kept, where there is such a file.
///
/// # Errors
/// It cannot be read, is damaged, or was kept of another ledger.
pub fn read(path: Option<&Path>, trust: Option<&TrustRoot>) -> Result<Option<KeptState>, Failure> {
    let (Some(path), Some(trust)) = (path, trust) else { return Ok(None) };
    KeptState::read(path, trust).map_err(|error| match error {
        KeptStateError::Io { .. } => Failure::world(error),
        KeptStateError::Foreign { .. } => Failure::usage(error)
            .hint("keep one file for each ledger; name another one, or give that ledger's --trust"),
        error => Failure::usage(error)
            .hint("delete it: the next verification goes from the start, and keeps it anew"),
    })
}

/// Writes what the next verification can go on from, and says where there is nothing to write.
///
/// # Errors
/// It cannot be written.
pub fn write(context: &Context, path: Option<&Path>, kept: Option<&KeptState>) -> Result<(), Failure> {
    let Some(path) = path else { return Ok(()) };
    match kept {
        Some(kept) => {
            kept.write(path)
                .map_err(|error| Failure::world(error).hint("the verdict stands; nothing was kept"))?;
            context.say(format_args!("kept: {} entries, in {}", kept.size(), path.display()));
        }
        None => context.tell(format_args!(
            "{} is left as it was: only a log that is sound and rooted is kept",
            path.display()
        )),
    }
    Ok(())
}
