//! `rollbook retire`.

use clap::Args;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::record::{RecordArgs, record};
use crate::event::model::ModelRetired;
use crate::event::text::{Name, Text};

/// Record that a model version must not be promoted again.
///
/// Example:
///   rollbook --key registrar.pem retire credit-scorer 1.1.0 --reason "trained on leaked labels"
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Retire {
    /// The model
    pub model: Name,
    /// The version
    pub version: Name,
    /// Why
    #[arg(long, value_name = "T")]
    pub reason: Text,
    /// Do not ask on a terminal: a retired version never comes back
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    record: RecordArgs,
}

impl Retire {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn run(self, context: &Context) -> Result<(), Failure> {
        let Self { model, version, reason, .. } = &self;
        if self.record.commits() {
            let question = format!("{model} {version} could never be promoted again. Retire it?");
            context.confirm(&question, self.yes)?;
        }
        record(context, &self.record, &mut |_, _, _| {
            let (model, version, reason) = (model.clone(), version.clone(), reason.clone());
            Ok(ModelRetired { model, version, reason }.into())
        })
    }
}
