//! `rollbook withdraw`.

use clap::Args;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::record::{RecordArgs, record};
use crate::cli::rollback::serving_now;
use crate::event::body::Body;
use crate::event::release::ModelWithdrawn;
use crate::event::text::{EnvironmentName, Name, Text};

/// Record that a model is taken out of an environment, nothing in its place.
///
/// Example:
///   rollbook --key responder.pem withdraw credit-scorer --env staging --reason "project ended"
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Withdraw {
    /// The model
    pub model: Name,
    /// The environment
    #[arg(long, value_name = "E")]
    pub env: EnvironmentName,
    /// Why
    #[arg(long, value_name = "T")]
    pub reason: Text,
    /// The incident that made it necessary
    #[arg(long, value_name = "ID")]
    pub incident: Option<Name>,
    /// A ticket elsewhere
    #[arg(long, value_name = "T")]
    pub ticket: Option<Name>,
    /// What you believe serves now
    #[arg(long, value_name = "VERSION")]
    pub expect_from: Option<String>,
    #[command(flatten)]
    record: RecordArgs,
}

impl Withdraw {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn run(self, context: &Context) -> Result<(), Failure> {
        record(context, &self.record, &mut |facts, earlier, _| {
            let (from, policy_entry) = match earlier {
                Some(Body::ModelWithdrawn(earlier)) => (earlier.from.clone(), earlier.policy_entry),
                _ => (
                    serving_now(facts, &self.model, &self.env, self.expect_from.as_deref())?,
                    facts.charter()?.policy_entry,
                ),
            };
            Ok(ModelWithdrawn {
                model: self.model.clone(),
                environment: self.env.clone(),
                from,
                policy_entry,
                infra: None,
                incident: self.incident.clone(),
                ticket: self.ticket.clone(),
                reason: self.reason.clone(),
            }
            .into())
        })
    }
}
