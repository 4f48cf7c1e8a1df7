//! `rollbook policy`: show, check, diff, set.

use std::path::Path;

use clap::Subcommand;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::event::authority::Policy as PolicyBody;
use crate::event::text::PolicyText;
use crate::lifecycle::policy::{PolicyError, ReleasePolicy};

pub mod check;
pub mod compare;
pub mod set;
pub mod show;

/// Show, check, compare and set the release policy.
#[derive(Debug, Subcommand)]
pub(crate) enum Policy {
    Show(show::ShowPolicy),
    Check(check::CheckPolicy),
    Diff(compare::DiffPolicy),
    Set(set::SetPolicy),
}

impl Policy {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`].
    pub(crate) fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Show(command) => command.run(context),
            Self::Check(command) => command.run(context),
            Self::Diff(command) => command.run(context),
            Self::Set(command) => command.run(context),
        }
    }
}

/// Reads and checks a policy file.
///
/// # Errors
/// It cannot be read, or makes no sense.
pub fn read_policy(file: &Path) -> Result<PolicyBody, Failure> {
    let text = read_text(file)?;
    let read = ReleasePolicy::parse(text.as_str())
        .map_err(|error| Failure::usage(format!("{}: {error}", file.display())).hint(advice(&error)))?;
    Ok(PolicyBody { schema: read.schema(), text })
}

fn read_text(file: &Path) -> Result<PolicyText, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| Failure::input(file, &error))?;
    PolicyText::new(text).map_err(|error| Failure::usage(format!("{}: {error}", file.display())))
}

/// What helps whoever wrote a policy that cannot be read.
const fn advice(error: &PolicyError) -> &'static str {
    match error {
        PolicyError::NewerSchema { .. } => "upgrade rollbook, or write it for an earlier schema",
        _ => {
            "docs/policy.md explains each key; `rollbook policy show` prints the one in force, as an example"
        }
    }
}
