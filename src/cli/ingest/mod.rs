//! `rollbook ingest`: what another system reports becomes the event.
//!
//! One payload is one event, marked as observed, whose id is derived from the sender's own: a redelivery is answered
//! with the first receipt. What cannot be mapped is refused, and the field named.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::input::{is_stdin, read_input};
use crate::cli::record::{RecordArgs, Report};
use crate::event::text::{EnvironmentName, Name};
use crate::linkage::payload::{PAYLOAD_BYTES_MAX, PayloadError};
use crate::linkage::webhook::{Headers, SignatureError, WebhookSecret};
use crate::time::Timestamp;

mod argocd;
mod github;
mod mlflow;
mod rollout;

/// The longest file of a webhook's secret, in bytes.
const SECRET_BYTES_MAX: usize = 4_096;

/// Record what MLflow, Argo CD or GitHub reports.
///
/// One payload becomes one event, marked as observed rather than declared; its id comes from the
/// sender's own, so that a redelivery is answered with the first receipt. Who passes it on signs it,
/// and needs the role for what it says.
///
/// Exit codes: 0 recorded, or recorded already; 1 nothing to record, or refused; 2 the payload or an
/// option is wrong, and the field is named; 3 the world failed: have it delivered again.
#[derive(Debug, Subcommand)]
#[command(verbatim_doc_comment)]
pub(crate) enum Ingest {
    Mlflow(Box<mlflow::IngestMlflow>),
    Argocd(Box<argocd::IngestArgoCd>),
    Github(Box<github::IngestGitHub>),
}

impl Ingest {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`].
    pub(crate) fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Mlflow(command) => command.run(context),
            Self::Argocd(command) => command.run(context),
            Self::Github(command) => command.run(context),
        }
    }
}

/// What came with a webhook's body.
#[derive(Debug, Clone, Args)]
struct WebhookArgs {
    /// A header of the delivery, as it came; repeats
    #[arg(long, value_name = "NAME: VALUE", help_heading = "Delivery")]
    header: Vec<String>,
    /// The file that holds the secret shared with the sender: then the delivery must be signed with it
    #[arg(long, value_name = "FILE", help_heading = "Delivery")]
    webhook_secret_file: Option<PathBuf>,
}

impl WebhookArgs {
    fn headers(&self) -> Result<Headers, Failure> {
        let headers = Headers::parse(self.header.iter().map(String::as_str));
        headers.map_err(|error| {
            Failure::usage(format!("--header {error}")).hint("say --header 'NAME: VALUE', each once")
        })
    }

    fn secret(&self) -> Result<Option<WebhookSecret>, Failure> {
        let Some(path) = &self.webhook_secret_file else { return Ok(None) };
        let file = zeroize::Zeroizing::new(read_input(path, "a secret", SECRET_BYTES_MAX)?);
        let secret = WebhookSecret::new(&file);
        let empty = || Failure::usage(format!("{}: the first line holds no secret", path.display()));
        secret.map(Some).ok_or_else(|| empty().hint("write the secret there that the sender was given"))
    }
}

/// Reads a payload.
fn read_payload(path: &Path) -> Result<Vec<u8>, Failure> {
    read_input(path, "a payload", PAYLOAD_BYTES_MAX)
}

/// The options of recording, for an event that is a report: the sender has said its id and time.
fn passing_on(
    args: &RecordArgs,
    system: &str,
    id: Name,
    at: Option<Timestamp>,
) -> Result<RecordArgs, Failure> {
    for (option, is_given) in
        [("--event-id", args.event_id.is_some()), ("--claimed-at", args.claimed_at.is_some() && at.is_some())]
    {
        if is_given {
            return Err(
                Failure::usage(format!("{option} is given, and the sender says it")).hint("leave it out")
            );
        }
    }
    let report = Report { system: Name::new(system)?, id, at };
    Ok(RecordArgs { report: Some(report), ..args.clone() })
}

/// A payload that becomes no event: unfit (exit code 2), or nothing to record (1).
fn unusable(path: &Path, sender: &str, error: &PayloadError) -> Failure {
    let name = if is_stdin(path) { "stdin".into() } else { path.display().to_string() };
    let message = format!("{name}: {error}");
    match error {
        PayloadError::Nothing { .. } => {
            Failure::no("nothing_to_record", message).hint("it is no reason to have it delivered again")
        }
        PayloadError::Unmapped { name, .. } => {
            let here = EnvironmentName::new(name.to_lowercase());
            let here = here.map_or_else(|_| "ENVIRONMENT".to_owned(), |here| here.to_string());
            Failure { code: "payload_unfit", ..Failure::usage(message) }
                .hint(format!("say which it is here, such as --environment '{name}={here}'"))
        }
        _ => Failure { code: "payload_unfit", ..Failure::usage(message) }
            .hint(format!("hand in what {sender} sent, as it came")),
    }
}

/// Something that the payload does not say, and no option either.
fn incomplete(field: &str, option: &str) -> Failure {
    Failure { code: "payload_incomplete", ..Failure::usage(format!("the payload says no {field}")) }
        .hint(format!("say {option}"))
}

/// A delivery that is not its sender's, or comes too late.
fn not_signed(error: &SignatureError) -> Failure {
    let hint = match error {
        SignatureError::Missing { .. } | SignatureError::Unfit { .. } => {
            "hand in the headers as they came with --header"
        }
        SignatureError::Wrong { .. } => {
            "see that it is the sender's secret, and that body and headers are as they came"
        }
        SignatureError::Old { .. } => "where deliveries wait that long, say --signature-age",
        SignatureError::Ahead { .. } => "set this machine's clock right, or the sender's",
    };
    Failure::no("webhook_not_signed", error).hint(hint)
}

/// `NAME=ENVIRONMENT`.
fn mapped(option: &str, text: &str) -> Result<(String, EnvironmentName), Failure> {
    let Some((name, environment)) = text.rsplit_once('=').filter(|(name, _)| !name.is_empty()) else {
        return Err(Failure::usage(format!("{option} {text}: no environment is named"))
            .hint(format!("say {option} NAME=ENVIRONMENT")));
    };
    Ok((name.to_owned(), EnvironmentName::new(environment)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_mapped_to_an_environment() {
        let (name, environment) = mapped("--alias", "champion=production").unwrap();
        assert_eq!((name.as_str(), environment.as_str()), ("champion", "production"));
        assert_eq!(mapped("--environment", "a=b=c").unwrap().0, "a=b");
        for text in ["champion", "=production", ""] {
            assert!(
                mapped("--alias", text).unwrap_err().message.contains("no environment is named"),
                "{text}"
            );
        }
        assert!(mapped("--alias", "champion=").is_err() && mapped("--alias", "champion=Prod").is_err());
    }
}
