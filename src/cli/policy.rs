//! `rollbook policy`: show, set.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::cli::context::Context;
use crate::cli::describe::visible;
use crate::cli::failure::Failure;
use crate::cli::record::{RecordArgs, record};
use crate::cli::view::{Facts as _, Until, View};
use crate::event::authority::{Policy as PolicyBody, PolicySet};
use crate::event::body::Body;
use crate::event::text::{PolicyText, Text};
use crate::lifecycle::policy::ReleasePolicy;
use crate::lifecycle::rules::RULES_VERSION;

/// Show and set the release policy.
#[derive(Debug, Subcommand)]
pub(crate) enum Policy {
    Show(ShowPolicy),
    Set(SetPolicy),
}

impl Policy {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`].
    pub(crate) fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Show(command) => command.run(context),
            Self::Set(command) => command.run(context),
        }
    }
}

/// Show the policy in force; or check a file, and show what it says.
///
/// Example:
///   rollbook policy show
///   rollbook policy show new-policy.toml
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct ShowPolicy {
    /// A policy file to check, instead of the policy in force
    pub file: Option<PathBuf>,
}

impl ShowPolicy {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let (policy, entry) = match &self.file {
            Some(file) => (read_policy(file)?, None),
            None => {
                let charter = View::replay(context.reader()?, Until::Now)?.charter()?;
                (charter.policy.clone(), Some(charter.policy_entry))
            }
        };
        if context.json() {
            return context
                .print_json(&json!({ "entry": entry, "schema": policy.schema, "text": policy.text }));
        }
        if let Some(entry) = entry {
            context.say(format_args!("policy of entry {entry}:"));
        }
        context.print(visible(policy.text.as_str().trim_end()))
    }
}

/// Set another policy. Signed by as many administrators as the policy in force asks for.
///
/// Example:
///   rollbook --key alice.pem --key bob.pem policy set new-policy.toml --reason "two approvals"
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct SetPolicy {
    /// The policy file (TOML)
    pub file: PathBuf,
    /// Why
    #[arg(long, value_name = "T")]
    pub reason: Option<Text>,
    #[command(flatten)]
    record: RecordArgs,
}

impl SetPolicy {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let policy = read_policy(&self.file)?;
        record(context, &self.record, &mut |facts, earlier, _| {
            let replaces = match earlier {
                Some(Body::PolicySet(earlier)) => earlier.replaces,
                _ => facts.charter()?.policy_entry,
            };
            let (policy, reason) = (policy.clone(), self.reason.clone());
            Ok(PolicySet { policy, rules_version: RULES_VERSION, replaces, reason }.into())
        })
    }
}

/// Reads and checks a policy file.
///
/// # Errors
/// It cannot be read, or makes no sense.
pub fn read_policy(file: &std::path::Path) -> Result<PolicyBody, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| Failure::input(file, &error))?;
    let read = ReleasePolicy::parse(&text).map_err(|error| {
        Failure::usage(format!("{}: {error}", file.display()))
            .hint("`rollbook policy show` prints the one in force, as an example")
    })?;
    Ok(PolicyBody { schema: read.schema(), text: PolicyText::new(text)? })
}
