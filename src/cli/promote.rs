//! `rollbook promote`.

use clap::Args;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::infra::{Pinning, RepoArgs};
use crate::cli::record::{RecordArgs, Said, record};
use crate::cli::view::Facts;
use crate::event::body::Body;
use crate::event::list::Ascending;
use crate::event::release::{EVIDENCE_MAX, ModelPromoted, Serving, Strategy};
use crate::event::text::{EnvironmentName, Name, Text};
use crate::hash::Hash;
use crate::lifecycle::refusal::Refusal;

/// Record that a model version is to serve in an environment.
///
/// The entry is the authorisation: the pipeline acts after it, and `rollbook complete` reports what
/// came of it. What serves now is filled in, unless --expect-from says what you believe serves.
///
/// Example:
///   rollbook --key deployer.pem promote credit-scorer 1.1.0 --env production
///     --repo ./infra --tag release-1.1.0 --manifest 'deploy/*/production.yaml' --strategy canary --ticket OPS-17
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Promote {
    /// The model
    pub model: Name,
    /// The version, as it was registered
    pub version: Name,
    /// The environment
    #[arg(long, value_name = "E")]
    pub env: EnvironmentName,
    #[command(flatten)]
    repo: RepoArgs,
    /// How traffic moves over: blue-green, canary, rolling or recreate
    #[arg(long)]
    pub strategy: Option<Strategy>,
    /// An entry that speaks for the promotion; repeats. Evaluations that the policy asks for are filled in
    #[arg(long, value_name = "INDEX")]
    pub evidence: Vec<u64>,
    /// A ticket elsewhere
    #[arg(long, value_name = "T")]
    pub ticket: Option<Name>,
    /// Why
    #[arg(long, value_name = "T")]
    pub reason: Option<Text>,
    /// What you believe serves now: a version, or `none`
    #[arg(long, value_name = "VERSION")]
    pub expect_from: Option<String>,
    #[command(flatten)]
    record: RecordArgs,
}

impl Promote {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn run(self, context: &Context) -> Result<(), Failure> {
        let infra = self.repo.resolve()?;
        record(context, &self.record, &mut |facts, earlier, _| {
            let digest = digest_of(facts, &self.model, &self.version)?;
            let earlier = match earlier {
                Some(Body::ModelPromoted(earlier)) => Some(earlier),
                _ => None,
            };
            let is_needed = facts.policy()?.promotion(&self.env, &self.model).git.manifest;
            let wanted = Pinning { digest, is_needed, earlier: earlier.map(|earlier| &earlier.infra) };
            let (infra, made) = infra.pinning(context, facts, &wanted)?;
            let (from, policy_entry, evidence) = match earlier {
                Some(earlier) => (earlier.from.clone(), earlier.policy_entry, earlier.evidence.clone()),
                None => (
                    serving(facts, &self.model, &self.env, self.expect_from.as_deref())?,
                    facts.charter()?.policy_entry,
                    evidence(facts, &self.model, &self.env, digest, &self.evidence)?,
                ),
            };
            let body = ModelPromoted {
                digest,
                model: self.model.clone(),
                version: self.version.clone(),
                environment: self.env.clone(),
                from,
                policy_entry,
                infra,
                strategy: self.strategy,
                evidence,
                ticket: self.ticket.clone(),
                reason: self.reason.clone(),
            };
            Ok(Said { made, ..body.into() })
        })
    }
}

/// The entries named, and the newest evaluation of each kind that the policy asks for there, so that whoever reads
/// the promotion finds what it rests on.
///
/// # Errors
/// The ledger cannot be read, or these are too many.
pub fn evidence(
    facts: &mut dyn Facts,
    model: &Name,
    environment: &EnvironmentName,
    digest: Hash,
    named: &[u64],
) -> Result<Ascending<u64, EVIDENCE_MAX>, Failure> {
    let policy = facts.policy()?;
    let mut entries = named.to_vec();
    for need in policy.promotion(environment, model).evaluations {
        let newest = facts.evaluations(digest, need.kind)?.unwrap_or_default();
        entries.extend(newest.newest.iter().filter(|of| need.is_met_by(of)).map(|of| of.entry).max());
    }
    entries.sort_unstable();
    entries.dedup();
    Ok(Ascending::new(entries)?)
}

/// The registered digest of a version.
///
/// # Errors
/// The version is not registered.
pub fn digest_of(facts: &mut dyn Facts, model: &Name, version: &Name) -> Result<Hash, Failure> {
    let row = facts.version(model, version)?;
    let unknown = || Refusal::VersionUnknown { model: model.clone(), version: version.clone() };
    Ok(row.ok_or_else(unknown)?.digest)
}

/// What serves now, which must be what the caller expects, where they say.
///
/// # Errors
/// Something else serves.
pub fn serving(
    facts: &mut dyn Facts,
    model: &Name,
    environment: &EnvironmentName,
    expected: Option<&str>,
) -> Result<Option<Serving>, Failure> {
    let serving = facts.slot(model, environment)?.and_then(|slot| slot.serving().cloned());
    let actual = serving.as_ref().map(|serving| serving.version.as_str());
    match expected {
        None => Ok(serving),
        Some(expected) if Some(expected).filter(|text| *text != "none") == actual => Ok(serving),
        Some(expected) => {
            let actual = actual.unwrap_or("nothing");
            let message =
                format!("{actual} of {model} serves in {environment}, --expect-from says {expected}");
            Err(Failure::no("from_mismatch", message).hint("see `rollbook status`, then decide again"))
        }
    }
}
