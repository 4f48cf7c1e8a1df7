//! `rollbook rollback`.

use clap::Args;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::infra::{Pinning, RepoArgs};
use crate::cli::promote::{digest_of, serving};
use crate::cli::record::{RecordArgs, Said, claimed_time, record};
use crate::cli::view::Facts;
use crate::event::body::Body;
use crate::event::list::Ascending;
use crate::event::release::{ModelRolledBack, Serving, SessionState};
use crate::event::text::{EnvironmentName, Name, Text};
use crate::lifecycle::refusal::Refusal;

/// Record that an environment goes back to what served it before.
///
/// Without --to it goes to the next version below that is not retired.
///
/// Example:
///   rollbook --key responder.pem rollback credit-scorer --env production
///     --repo ./infra --tag rollback-1.0.0 --reason "refusals doubled" --incident INC-7
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Rollback {
    /// The model
    pub model: Name,
    /// The environment
    #[arg(long, value_name = "E")]
    pub env: EnvironmentName,
    /// The version to go back to
    #[arg(long, value_name = "VERSION")]
    pub to: Option<Name>,
    #[command(flatten)]
    repo: RepoArgs,
    /// Why
    #[arg(long, value_name = "T")]
    pub reason: Text,
    /// The incident that made it necessary
    #[arg(long, value_name = "ID")]
    pub incident: Option<Name>,
    /// When the responders began: RFC 3339 with offset, or a span such as `5m ago`
    #[arg(long, value_name = "TIME")]
    pub started: Option<String>,
    /// An entry that shows the target to be fit; repeats
    #[arg(long, value_name = "INDEX")]
    pub validation: Vec<u64>,
    /// What became of sessions in flight: preserved, drained, lost or none
    #[arg(long, value_name = "S")]
    pub session_state: Option<SessionState>,
    /// Act alone and at once, where the policy lets you: approvals and validation are waived, and an approver
    /// has to ratify it within the policy's window
    #[arg(long)]
    pub break_glass: bool,
    /// A ticket elsewhere
    #[arg(long, value_name = "T")]
    pub ticket: Option<Name>,
    /// What you believe serves now
    #[arg(long, value_name = "VERSION")]
    pub expect_from: Option<String>,
    #[command(flatten)]
    record: RecordArgs,
}

impl Rollback {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn run(self, context: &Context) -> Result<(), Failure> {
        let infra = self.repo.resolve()?;
        let validation = Ascending::sort(self.validation.clone())?;
        record(context, &self.record, &mut |facts, earlier, now| {
            let earlier = match earlier {
                Some(Body::ModelRolledBack(earlier)) => Some(earlier),
                _ => None,
            };
            let (from, to, policy_entry, started_at) = match earlier {
                Some(earlier) => {
                    let to = self.to.clone().unwrap_or_else(|| earlier.to.clone());
                    let started = claimed_time(self.started.as_deref(), earlier.started_at, now)?;
                    (earlier.from.clone(), to, earlier.policy_entry, started)
                }
                None => {
                    let from = self.from(facts)?;
                    let started = claimed_time(self.started.as_deref(), None, now)?;
                    (from, self.target(facts)?, facts.charter()?.policy_entry, started)
                }
            };
            let to_digest = digest_of(facts, &self.model, &to)?;
            let is_needed =
                !self.break_glass && facts.policy()?.rollback(&self.env, &self.model).git.manifest;
            let earlier = earlier.map(|earlier| &earlier.infra);
            let wanted = Pinning { digest: to_digest, is_needed, earlier };
            let (infra, made) = infra.pinning(context, facts, &wanted)?;
            let body = ModelRolledBack {
                to_digest,
                model: self.model.clone(),
                environment: self.env.clone(),
                from,
                to,
                policy_entry,
                infra,
                incident: self.incident.clone(),
                reason: self.reason.clone(),
                started_at,
                validation: validation.clone(),
                session_state: self.session_state,
                break_glass: self.break_glass,
                ticket: self.ticket.clone(),
            };
            Ok(Said { made, ..body.into() })
        })
    }

    fn from(&self, facts: &mut dyn Facts) -> Result<Serving, Failure> {
        serving_now(facts, &self.model, &self.env, self.expect_from.as_deref())
    }

    /// The version to go back to: the one named, or the next below that is not retired.
    fn target(&self, facts: &mut dyn Facts) -> Result<Name, Failure> {
        if let Some(to) = &self.to {
            return Ok(to.clone());
        }
        let slot = facts.slot(&self.model, &self.env)?.unwrap_or_default();
        for below in slot.stack.iter().rev().skip(1) {
            let version = facts.version(&self.model, &below.version)?;
            if version.is_some_and(|version| version.retired.is_none()) {
                return Ok(below.version.clone());
            }
        }
        let message = format!("nothing served before in {} that {} could go back to", self.env, self.model);
        Err(Failure::no("rollback_target_none", message)
            .hint("take it out with `rollbook withdraw`, or promote another version"))
    }
}

/// What serves now; something must.
///
/// # Errors
/// Nothing serves, or something else than expected.
pub fn serving_now(
    facts: &mut dyn Facts,
    model: &Name,
    environment: &EnvironmentName,
    expected: Option<&str>,
) -> Result<Serving, Failure> {
    let nothing = || Refusal::NothingServes { model: model.clone(), environment: environment.clone() };
    Ok(serving(facts, model, environment, expected)?.ok_or_else(nothing)?)
}
