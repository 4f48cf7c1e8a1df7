//! `rollbook ingest argocd`.

use std::path::PathBuf;

use clap::Args;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::record::RecordArgs;
use crate::event::text::{EnvironmentName, Name};
use crate::linkage::argocd::{Hook, rollout};

use super::rollout::{Place, Says, complete};
use super::{passing_on, read_payload, unusable};

/// Report what came of a change, from the Argo CD Application that carried it out.
///
/// The payload is the Application, as `argocd app get -o json`, `kubectl get application -o json` or
/// a notification gives it. It completes the newest change of the model there that names the synced
/// commit as its infra commit and has not reported: succeeded where the sync succeeded and the
/// Application is healthy, failed where the sync failed. A commit that no change names is refused.
///
/// The event id comes from environment, model, the Application's namespace, name and uid, and the id in
/// the history; of an operation without an entry there, from its start.
///
/// Example:
///   rollbook --key deployer.pem ingest argocd app.json --env production --model credit-scorer
///   argocd app get scorer -o json | rollbook --key deployer.pem ingest argocd
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct IngestArgoCd {
    /// The Application; - for stdin
    #[arg(value_name = "FILE", default_value = "-")]
    payload: PathBuf,
    /// The environment that the Application is, unless its label or annotation rollbook.dev/env says it
    #[arg(long, value_name = "E")]
    env: Option<EnvironmentName>,
    /// The model that it serves, unless its label or annotation rollbook.dev/model says it
    #[arg(long, value_name = "M")]
    model: Option<Name>,
    /// From a hook of the operation, while it runs: post-sync or sync-fail
    #[arg(long, value_name = "HOOK")]
    hook: Option<Hook>,
    #[command(flatten)]
    record: RecordArgs,
}

/// See [`ENVIRONMENT_MARK`] and [`MODEL_MARK`].
///
/// [`ENVIRONMENT_MARK`]: crate::linkage::argocd::ENVIRONMENT_MARK
/// [`MODEL_MARK`]: crate::linkage::argocd::MODEL_MARK
const SAYS: Says = Says {
    environment: ("`metadata.annotations[\"rollbook.dev/env\"]`", "--env E, or annotate the Application"),
    model: ("`metadata.annotations[\"rollbook.dev/model\"]`", "--model M, or annotate the Application"),
};

impl IngestArgoCd {
    pub(super) fn run(&self, context: &Context) -> Result<(), Failure> {
        let json = read_payload(&self.payload)?;
        let rollout =
            rollout(&json, self.hook).map_err(|error| unusable(&self.payload, "Argo CD", &error))?;
        let place = Place::of(&rollout, self.env.as_ref(), self.model.as_ref(), &SAYS)?;
        let id = rollout.report_id_at(&place.environment, &place.model);
        let args = passing_on(&self.record, "argocd", id, rollout.at)?;
        complete(context, &args, &place, &rollout)
    }
}
