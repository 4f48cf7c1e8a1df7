//! `rollbook bench`: what this disk and these cores give, and ledgers to measure with.
//!
//! Every figure stands beside its floor, the bare system call or the bare cryptography on the same bytes, measured
//! in turn with it in the same run: the ratio holds on a noisy machine where the figure alone does not.

use clap::Subcommand;

use crate::cli::context::Context;
use crate::cli::failure::Failure;

pub mod answers;
pub mod append;
pub mod bare;
pub mod bed;
pub mod figures;
pub mod fill;
pub mod filler;
pub mod git;
pub mod open;
pub mod verify;

/// Measure this disk and these cores; make ledgers to measure with.
#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    Answers(answers::Answers),
    Append(append::Append),
    Verify(verify::Verify),
    Open(open::Open),
    Fill(fill::Fill),
    Git(git::Git),
}

impl Bench {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`].
    pub(crate) fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Answers(command) => command.run(context),
            Self::Append(command) => command.run(context),
            Self::Verify(command) => command.run(context),
            Self::Open(command) => command.run(context),
            Self::Fill(command) => command.run(context),
            Self::Git(command) => command.run(context),
        }
    }
}
