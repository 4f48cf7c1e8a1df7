//! `rollbook ingest mlflow`.

use std::path::PathBuf;

use clap::builder::Resettable;
use clap::{ArgMatches, Args, Command, FromArgMatches};

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::infra::{Pinning, RepoArgs, SeenCommit};
use crate::cli::promote::{digest_of, evidence, serving};
use crate::cli::record::{RecordArgs, Said, record};
use crate::cli::register::digest_path;
use crate::cli::rollback::serving_now;
use crate::cli::view::Facts;
use crate::event::list::Ascending;
use crate::event::model::ModelRegistered;
use crate::event::release::{ModelPromoted, ModelRolledBack, ModelWithdrawn, SessionState, Strategy};
use crate::event::text::{EnvironmentName, Name, Text};
use crate::linkage::mlflow::{Delivery, RegistryChange};
use crate::linkage::webhook::{DELIVERY_AGE_MAX_MS, MLFLOW_DELIVERY_ID};
use crate::time::parse_span_ms;

use super::{WebhookArgs, incomplete, mapped, not_signed, passing_on, read_payload, unusable};

/// Record what MLflow's registry reports: a version that was created, an alias that was set or deleted.
///
/// model_version.created becomes model.registered. MLflow sends no digest: --path names the model's
/// files, downloaded or mounted. Model and version are called as in MLflow.
///
/// model_version_alias.created becomes model.promoted in the environment that --alias maps the alias
/// to; or model.rolledback, where the version served there before and a rollback may go back to it.
/// model_version_alias.deleted becomes model.withdrawn. A promotion or rollback names an infra
/// commit: --repo with --rev or --tag. Approvals that the policy asks for are signatures: with
/// --draft FILE others can sign.
///
/// The event id comes from the header X-MLflow-Delivery-Id, which is needed. With
/// --webhook-secret-file the delivery must be signed, and fresh.
///
/// Example:
///   rollbook --key registrar.pem ingest mlflow payload.json --path ./model
///     --header "X-MLflow-Delivery-Id: $ID"
///   rollbook --key deployer.pem ingest mlflow payload.json --alias champion=production
///     --repo ./infra --rev main --webhook-secret-file secret
///     --header "X-MLflow-Delivery-Id: $ID" --header "X-MLflow-Timestamp: $TIME"
///     --header "X-MLflow-Signature: $SIGNATURE"
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
#[expect(clippy::doc_markdown, reason = "this is help for a terminal, which shows backticks")]
pub(crate) struct IngestMlflow {
    /// The body of the delivery; - for stdin
    #[arg(value_name = "FILE", default_value = "-")]
    payload: PathBuf,
    /// Which environment an alias stands for; repeats
    #[arg(long, value_name = "ALIAS=E")]
    alias: Vec<String>,
    /// For a version that was created: the model's file or directory
    #[arg(long, value_name = "FILE_OR_DIR")]
    path: Option<PathBuf>,
    /// Follow symbolic links inside the model, which are an error otherwise
    #[arg(long, requires = "path")]
    allow_symlinks: bool,
    #[command(flatten)]
    repo: MaybeRepo,
    /// How traffic moves over: blue-green, canary, rolling or recreate
    #[arg(long)]
    strategy: Option<Strategy>,
    /// An entry that speaks for a promotion; repeats. Evaluations that the policy asks for are filled in
    #[arg(long, value_name = "INDEX")]
    evidence: Vec<u64>,
    /// The incident that made a rollback or withdrawal necessary
    #[arg(long, value_name = "ID")]
    incident: Option<Name>,
    /// What became of sessions in flight at a rollback: preserved, drained, lost or none
    #[arg(long, value_name = "S")]
    session_state: Option<SessionState>,
    /// A ticket elsewhere
    #[arg(long, value_name = "T")]
    ticket: Option<Name>,
    /// Why; of a rollback or withdrawal, unless given: that MLflow reports it
    #[arg(long, value_name = "T")]
    reason: Option<Text>,
    #[command(flatten)]
    webhook: WebhookArgs,
    /// How old a signed delivery may be, such as 1h; unless given, 5m
    #[arg(long, value_name = "TIME", requires = "webhook_secret_file", help_heading = "Delivery")]
    signature_age: Option<String>,
    #[command(flatten)]
    record: RecordArgs,
}

impl IngestMlflow {
    pub(super) fn run(&self, context: &Context) -> Result<(), Failure> {
        let (delivery, id) = self.delivery(context)?;
        let args = passing_on(&self.record, "mlflow", id, Some(delivery.at))?;
        match &delivery.change {
            RegistryChange::VersionCreated { version, source } => {
                let body = self.registered(&delivery, version, source.as_ref())?;
                record(context, &args, &mut |_, _, _| Ok(body.clone().into()))
            }
            RegistryChange::AliasSet { alias, version } => {
                let environment = self.environment(alias)?;
                let infra = self.infra()?.ok_or_else(|| {
                    incomplete(
                        "infra commit, the one that puts the version there",
                        "--repo DIR with --rev REV or --tag TAG",
                    )
                })?;
                let release =
                    Release { context, asked: self, delivery: &delivery, environment: &environment };
                record(context, &args, &mut |facts, _, _| release.changed_to(facts, version, &infra))
            }
            RegistryChange::AliasDeleted { alias } => {
                let environment = self.environment(alias)?;
                let infra = self.infra()?;
                let release =
                    Release { context, asked: self, delivery: &delivery, environment: &environment };
                record(context, &args, &mut |facts, _, _| release.withdrawn(facts, infra.as_ref()))
            }
        }
    }

    /// The delivery, signed where that is asked for, and its id.
    fn delivery(&self, context: &Context) -> Result<(Delivery, Name), Failure> {
        let age_max_ms = self.signature_age.as_deref().map(parse_span_ms).transpose()?;
        let headers = self.webhook.headers()?;
        let json = read_payload(&self.payload)?;
        if let Some(secret) = self.webhook.secret()? {
            let age_max_ms = age_max_ms.unwrap_or(DELIVERY_AGE_MAX_MS);
            let checked = secret.check_mlflow(&headers, &json, context.now(), age_max_ms);
            checked.map_err(|error| not_signed(&error))?;
        }
        let delivery = Delivery::parse(&json).map_err(|error| unusable(&self.payload, "MLflow", &error))?;
        let id = headers.get(MLFLOW_DELIVERY_ID).ok_or_else(|| {
            incomplete(
                "delivery id, which stands in a header",
                &format!("--header '{MLFLOW_DELIVERY_ID}: …'"),
            )
        })?;
        Ok((delivery, Name::new(id)?))
    }

    /// The environment that an alias stands for.
    fn environment(&self, alias: &Name) -> Result<EnvironmentName, Failure> {
        for text in &self.alias {
            let (name, environment) = mapped("--alias", text)?;
            if name == alias.as_str() {
                return Ok(environment);
            }
        }
        let message = format!("`data.alias` is `{alias}`, which stands for no environment here");
        Err(Failure::no("nothing_to_record", message)
            .hint(format!("if it does, say --alias {alias}=ENVIRONMENT")))
    }

    fn infra(&self) -> Result<Option<SeenCommit>, Failure> {
        self.repo.0.as_ref().map(RepoArgs::resolve).transpose()
    }

    fn registered(
        &self,
        delivery: &Delivery,
        version: &Name,
        source: Option<&Text>,
    ) -> Result<ModelRegistered, Failure> {
        let path = self.path.as_deref().ok_or_else(|| {
            incomplete("digest of the model's files", "--path DIR with the files, downloaded or mounted")
        })?;
        Ok(ModelRegistered {
            model: delivery.model.clone(),
            version: version.clone(),
            digest: digest_path(path, self.allow_symlinks)?,
            uri: source.cloned(),
            source: None,
            datasets: Ascending::default(),
            dependency_lock: None,
        })
    }
}

/// The infra commit, which not every delivery needs: given with --repo, or not at all.
#[derive(Debug, Clone)]
struct MaybeRepo(Option<RepoArgs>);

impl Args for MaybeRepo {
    fn augment_args(command: Command) -> Command {
        RepoArgs::augment_args(command)
            .mut_arg("repo", |arg| arg.required(false))
            .mut_arg("rev", |arg| arg.required_unless_present(Resettable::Reset).requires("repo"))
            .mut_arg("tag", |arg| arg.requires("repo"))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for MaybeRepo {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let is_given = matches.contains_id("repo");
        Ok(Self(is_given.then(|| RepoArgs::from_arg_matches(matches)).transpose()?))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// A change of what serves, as an alias tells it.
struct Release<'a> {
    context: &'a Context,
    asked: &'a IngestMlflow,
    delivery: &'a Delivery,
    environment: &'a EnvironmentName,
}

impl Release<'_> {
    /// A rollback where the version lies below the top of the stack (docs/lifecycle.md), else a promotion.
    fn changed_to(&self, facts: &mut dyn Facts, version: &Name, infra: &SeenCommit) -> Result<Said, Failure> {
        let slot = facts.slot(&self.delivery.model, self.environment)?.unwrap_or_default();
        let below = slot.stack.iter().rev().skip(1);
        if below.into_iter().any(|serving| serving.version == *version) {
            self.rolled_back(facts, version, infra)
        } else {
            self.promoted(facts, version, infra)
        }
    }

    fn promoted(&self, facts: &mut dyn Facts, version: &Name, infra: &SeenCommit) -> Result<Said, Failure> {
        let (model, asked) = (&self.delivery.model, self.asked);
        let digest = digest_of(facts, model, version)?;
        let is_needed = facts.policy()?.promotion(self.environment, model).git.manifest;
        let wanted = Pinning { digest, is_needed, earlier: None };
        let (infra, made) = infra.pinning(self.context, facts, &wanted)?;
        let body = ModelPromoted {
            model: model.clone(),
            version: version.clone(),
            digest,
            environment: self.environment.clone(),
            from: serving(facts, model, self.environment, None)?,
            policy_entry: facts.charter()?.policy_entry,
            infra,
            strategy: asked.strategy,
            evidence: evidence(facts, model, self.environment, digest, &asked.evidence)?,
            ticket: asked.ticket.clone(),
            reason: asked.reason.clone(),
        };
        Ok(Said { made, ..body.into() })
    }

    fn rolled_back(&self, facts: &mut dyn Facts, to: &Name, infra: &SeenCommit) -> Result<Said, Failure> {
        let (model, asked) = (&self.delivery.model, self.asked);
        let digest = digest_of(facts, model, to)?;
        let is_needed = facts.policy()?.rollback(self.environment, model).git.manifest;
        let wanted = Pinning { digest, is_needed, earlier: None };
        let (infra, made) = infra.pinning(self.context, facts, &wanted)?;
        let body = ModelRolledBack {
            model: model.clone(),
            environment: self.environment.clone(),
            from: serving_now(facts, model, self.environment, None)?,
            to: to.clone(),
            to_digest: digest,
            policy_entry: facts.charter()?.policy_entry,
            infra,
            incident: asked.incident.clone(),
            reason: self.reason()?,
            started_at: None,
            validation: Ascending::sort(asked.evidence.clone())?,
            session_state: asked.session_state,
            break_glass: false,
            ticket: asked.ticket.clone(),
        };
        Ok(Said { made, ..body.into() })
    }

    fn withdrawn(&self, facts: &mut dyn Facts, infra: Option<&SeenCommit>) -> Result<Said, Failure> {
        let (model, asked) = (&self.delivery.model, self.asked);
        let (infra, made) = infra.cloned().map(SeenCommit::by_itself).unzip();
        let body = ModelWithdrawn {
            model: model.clone(),
            environment: self.environment.clone(),
            from: serving_now(facts, model, self.environment, None)?,
            policy_entry: facts.charter()?.policy_entry,
            infra,
            incident: asked.incident.clone(),
            ticket: asked.ticket.clone(),
            reason: self.reason()?,
        };
        Ok(Said { made: made.unwrap_or_default(), ..body.into() })
    }

    fn reason(&self) -> Result<Text, Failure> {
        match &self.asked.reason {
            Some(reason) => Ok(reason.clone()),
            None => Ok(Text::new(self.delivery.to_string())?),
        }
    }
}
