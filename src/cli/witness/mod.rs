//! `rollbook witness`: cosigning checkpoints by hand, and taking in what witnesses cosigned.

use clap::Subcommand;

use crate::cli::context::Context;
use crate::cli::failure::Failure;

mod add;
mod cosign;

/// Cosign a log's checkpoints, and take in what witnesses cosigned.
///
/// Witnesses stand in trust.toml, which is edited by hand: a table [[witness]] with name and key for
/// each, [[group]] with name, threshold and members, and `quorum` (docs/format.md, "Trust root").
#[derive(Debug, Subcommand)]
pub(crate) enum Witness {
    Cosign(Box<cosign::Cosign>),
    Add(add::Add),
}

impl Witness {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`].
    pub(crate) fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Cosign(command) => command.run(context),
            Self::Add(command) => command.run(context),
        }
    }
}
