//! `rollbook incident`: open, resolve, list.

use clap::{Args, Subcommand};

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::record::{RecordArgs, claimed_time, record};
use crate::cli::status::Status;
use crate::event::body::Body;
use crate::event::incident::{IncidentDetected, IncidentResolved};
use crate::event::list::Ascending;
use crate::event::text::{EnvironmentName, Name, Text};

/// Open, resolve and list incidents. A rollback names the incident that made it necessary.
#[derive(Debug, Subcommand)]
pub(crate) enum Incident {
    Open(OpenIncident),
    Resolve(ResolveIncident),
    List(ListIncidents),
}

impl Incident {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`].
    pub(crate) fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Open(command) => command.run(context),
            Self::Resolve(command) => command.run(context),
            Self::List(command) => command.run(context),
        }
    }
}

/// Record that something is wrong in an environment. Recovery time is counted from here.
///
/// An incident may be open in several places: open it again with the same id, and another environment
/// or model. Resolving it ends it everywhere.
///
/// Example:
///   rollbook --key responder.pem incident open INC-7 --env production --severity sev1 --at "2m ago"
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct OpenIncident {
    /// The incident's id, as responders know it
    pub id: Name,
    /// The environment
    #[arg(long, value_name = "E")]
    pub env: EnvironmentName,
    /// The model, where it is one
    #[arg(long, value_name = "M")]
    pub model: Option<Name>,
    /// How bad, in your own words
    #[arg(long, value_name = "S")]
    pub severity: Name,
    /// When it was noticed, if that is not now: RFC 3339 with offset, or a span such as `2m ago`
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
    /// An entry that led to it, such as one of drift; repeats
    #[arg(long, value_name = "INDEX")]
    pub evidence: Vec<u64>,
    /// What happened
    #[arg(long, value_name = "T")]
    pub summary: Option<Text>,
    #[command(flatten)]
    record: RecordArgs,
}

impl OpenIncident {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let mut evidence = self.evidence.clone();
        evidence.sort_unstable();
        evidence.dedup();
        let evidence = Ascending::new(evidence)?;
        record(context, &self.record, &mut |_, earlier, now| {
            let earlier = match earlier {
                Some(Body::IncidentDetected(earlier)) => Some(earlier.detected_at),
                _ => None,
            };
            let said = claimed_time(self.at.as_deref(), earlier, now)?;
            Ok(IncidentDetected {
                incident: self.id.clone(),
                environment: self.env.clone(),
                model: self.model.clone(),
                severity: self.severity.clone(),
                detected_at: said.or(earlier).unwrap_or(now),
                evidence: evidence.clone(),
                summary: self.summary.clone(),
            }
            .into())
        })
    }
}

/// Record that an incident is over, wherever it was open.
///
/// Example:
///   rollbook --key responder.pem incident resolve INC-7
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct ResolveIncident {
    /// The incident's id
    pub id: Name,
    /// When it was over, if that is not now: RFC 3339 with offset, or a span such as `2m ago`
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
    /// What was done
    #[arg(long, value_name = "T")]
    pub summary: Option<Text>,
    #[command(flatten)]
    record: RecordArgs,
}

impl ResolveIncident {
    fn run(self, context: &Context) -> Result<(), Failure> {
        record(context, &self.record, &mut |_, earlier, now| {
            let earlier = match earlier {
                Some(Body::IncidentResolved(earlier)) => Some(earlier.resolved_at),
                _ => None,
            };
            let said = claimed_time(self.at.as_deref(), earlier, now)?;
            let resolved_at = said.or(earlier).unwrap_or(now);
            Ok(IncidentResolved { incident: self.id.clone(), resolved_at, summary: self.summary.clone() }
                .into())
        })
    }
}

/// List the incidents that are open, a line for each place.
///
/// Example:
///   rollbook incident list --env production
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct ListIncidents {
    /// Only this environment
    #[arg(long, value_name = "E")]
    pub env: Option<EnvironmentName>,
    /// Only this model, and what concerns any
    #[arg(long, value_name = "M")]
    pub model: Option<Name>,
}

impl ListIncidents {
    fn run(self, context: &Context) -> Result<(), Failure> {
        Status { env: self.env, model: self.model, ..Status::default() }.list_incidents(context)
    }
}
