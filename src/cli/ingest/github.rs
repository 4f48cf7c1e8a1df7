//! `rollbook ingest github`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::record::RecordArgs;
use crate::event::text::{EnvironmentName, Name};
use crate::linkage::github::{Report, read};
use crate::linkage::webhook::GITHUB_EVENT;

use super::rollout::{Place, Says, complete};
use super::{WebhookArgs, mapped, not_signed, passing_on, read_payload, unusable};

/// Report what came of a change, from GitHub's webhook `deployment_status`.
///
/// It completes the newest change of the model in that environment that names the deployed commit
/// as its infra commit and has not reported: succeeded where the state is `success`, failed where it
/// is `failure` or `error`. Other states are not over, and are refused; so is a commit that no
/// change names.
///
/// The event id comes from repository and status id. A `deployment_review` is refused: an approval is
/// a signature.
///
/// Example:
///   rollbook --key deployer.pem ingest github payload.json --model credit-scorer
///     --environment Production=production --webhook-secret-file secret
///     --header "X-GitHub-Event: deployment_status" --header "X-Hub-Signature-256: $SIGNATURE"
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
#[expect(clippy::doc_markdown, reason = "this is help for a terminal, which shows backticks")]
pub(crate) struct IngestGitHub {
    /// The body of the delivery; - for stdin
    #[arg(value_name = "FILE", default_value = "-")]
    payload: PathBuf,
    /// An environment that the ledger calls otherwise than GitHub; repeats
    #[arg(long, value_name = "NAME=E")]
    environment: Vec<String>,
    /// The model, unless the deployment's own payload says it as rollbook.dev/model
    #[arg(long, value_name = "M")]
    model: Option<Name>,
    #[command(flatten)]
    webhook: WebhookArgs,
    #[command(flatten)]
    record: RecordArgs,
}

const SAYS: Says = Says {
    environment: ("`deployment.environment`", "--environment NAME=E"),
    model: ("`deployment.payload[\"rollbook.dev/model\"]`", "--model M"),
};

impl IngestGitHub {
    pub(super) fn run(&self, context: &Context) -> Result<(), Failure> {
        let environments = self.environments()?;
        let headers = self.webhook.headers()?;
        let json = read_payload(&self.payload)?;
        if let Some(secret) = self.webhook.secret()? {
            secret.check_github(&headers, &json).map_err(|error| not_signed(&error))?;
        }
        let report = read(&json, headers.get(GITHUB_EVENT), &environments);
        let rollout = match report.map_err(|error| unusable(&self.payload, "GitHub", &error))? {
            Report::Ended(rollout) => rollout,
            Report::Review => return Err(no_signature()),
        };
        let place = Place::of(&rollout, None, self.model.as_ref(), &SAYS)?;
        let id = rollout.report_id_at(&place.environment, &place.model);
        let args = passing_on(&self.record, "github", id, rollout.at)?;
        complete(context, &args, &place, &rollout)
    }

    fn environments(&self) -> Result<BTreeMap<String, EnvironmentName>, Failure> {
        self.environment.iter().map(|text| mapped("--environment", text)).collect()
    }
}

/// What GitHub calls an approval is none here.
fn no_signature() -> Failure {
    let message = "this is a deployment_review: an approval is a signature of the approver's own over the event, which \
                   GitHub cannot give for them";
    Failure::no("nothing_to_record", message).hint(
        "draft the event with --draft FILE, and have the approver sign it: `rollbook --key THEIRS draft sign FILE`",
    )
}
