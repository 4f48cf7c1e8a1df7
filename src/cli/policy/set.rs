//! `rollbook policy set`.

use std::path::PathBuf;

use clap::Args;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::record::{RecordArgs, record};
use crate::cli::view::Facts as _;
use crate::event::authority::{Policy as PolicyBody, PolicySet};
use crate::event::body::Body;
use crate::event::text::Text;
use crate::lifecycle::policy::ReleasePolicy;
use crate::lifecycle::rules::RULES_VERSION;

use super::check::Staff;
use super::compare::{changes_of, meaning};
use super::read_policy;

/// Set another policy. Signed by as many administrators as the policy in force asks for.
///
/// What it changes in meaning, and what nobody could fulfil, is said on stderr first; on a terminal
/// it is asked.
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
    /// Do not ask on a terminal: the policy is in force from the entry that records it
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    record: RecordArgs,
}

impl SetPolicy {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn run(self, context: &Context) -> Result<(), Failure> {
        let policy = read_policy(&self.file)?;
        announce(context, &policy)?;
        if self.record.commits() {
            context.confirm(&format!("Set {} as the policy?", self.file.display()), self.yes)?;
        }
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

/// Says what the policy changes, and what nobody could fulfil.
fn announce(context: &Context, policy: &PolicyBody) -> Result<(), Failure> {
    let mut staff = Staff::of(context)?;
    let charter = staff.view().charter()?;
    context.say(meaning(&changes_of(&charter.policy, policy)?));
    for misfit in staff.misfits(&ReleasePolicy::read(policy)?) {
        context.say(format_args!("warning: {misfit}"));
    }
    Ok(())
}
