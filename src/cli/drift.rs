//! `rollbook drift`.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use crate::cli::context::Context;
use crate::cli::describe::visible;
use crate::cli::evaluate::read_file;
use crate::cli::failure::{Exit, Failure};
use crate::cli::record::{RecordArgs, claimed_time, first_key, header, record, sign};
use crate::event::body::{Body, Event};
use crate::event::header::{Basis, EventId};
use crate::event::model::{AlertStatus, DriftDetected, DriftKind};
use crate::event::number::Finite;
use crate::event::text::{EnvironmentName, Name, Text};
use crate::ledger::receipt::{AppendError, Receipt};
use crate::ledger::writer::Ledger;
use crate::linkage::alertmanager::{Alert, DriftField, Mapping, Webhook};
use crate::signing::signer::Signer;

/// The system that alerts are passed on from.
const ALERTMANAGER: &str = "alertmanager";

/// Record that a monitor saw what serves move away from what it was made for.
///
/// By hand, or from Alertmanager's webhook (format 4): each alert of a delivery becomes an event of its own,
/// marked as observed. A redelivery is answered with the first receipts. An alert that cannot be used is told, and holds
/// up no other; what an alert does not say, the options say.
///
/// Example:
///   rollbook --key eva.pem drift --env production --model credit-scorer --kind data --statistic psi
///     --value 0.31 --threshold 0.2 --window 24h --monitor evidently
///   rollbook --key monitor.pem drift --from-alertmanager payload.json --kind data
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Drift {
    /// The environment
    #[arg(long, value_name = "E", required_unless_present = "from_alertmanager")]
    pub env: Option<EnvironmentName>,
    /// The model
    #[arg(long, value_name = "M", required_unless_present = "from_alertmanager")]
    pub model: Option<Name>,
    /// Its version, where the monitor knows
    #[arg(long, value_name = "V")]
    pub version: Option<Name>,
    /// data, concept or embedding
    #[arg(long, value_name = "K", required_unless_present = "from_alertmanager")]
    pub kind: Option<DriftKind>,
    /// The statistic, such as psi or ks
    #[arg(long, value_name = "S", required_unless_present = "from_alertmanager")]
    pub statistic: Option<Name>,
    /// Its value
    #[arg(long, value_name = "N", required_unless_present = "from_alertmanager", allow_hyphen_values = true)]
    pub value: Option<Finite>,
    /// The threshold that it was held against
    #[arg(long, value_name = "N", required_unless_present = "from_alertmanager", allow_hyphen_values = true)]
    pub threshold: Option<Finite>,
    /// The feature or output that drifted
    #[arg(long, value_name = "F")]
    pub feature: Option<Name>,
    /// The window that it was computed over, such as 24h
    #[arg(long, value_name = "W")]
    pub window: Option<Name>,
    /// Who watches
    #[arg(long, value_name = "NAME", required_unless_present = "from_alertmanager")]
    pub monitor: Option<Name>,
    /// Whether the alert begins or ends: firing or resolved; unless given, it begins
    #[arg(long, value_name = "S", conflicts_with = "from_alertmanager")]
    pub status: Option<AlertStatus>,
    /// When the monitor saw it, if that is not now: RFC 3339 with offset, or a span such as `2m ago`
    #[arg(long, value_name = "TIME", conflicts_with = "from_alertmanager")]
    pub detected: Option<String>,
    /// A remark, or a link into the monitor
    #[arg(long, value_name = "T")]
    pub summary: Option<Text>,
    /// A delivery of Alertmanager's webhook; - for stdin
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["draft", "event_id", "claimed_at", "attach"]
    )]
    pub from_alertmanager: Option<PathBuf>,
    /// Where alerts say a field, if that is not the usual place: environment, model, version, kind, feature,
    /// statistic, value, threshold, window, monitor or summary, and a label or annotation; repeats
    #[arg(long, value_name = "FIELD=LABEL", requires = "from_alertmanager")]
    pub label: Vec<String>,
    #[command(flatten)]
    record: RecordArgs,
}

impl Drift {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`]; of a delivery, exit code 1 where an alert was not recorded.
    pub fn run(self, context: &Context) -> Result<(), Failure> {
        match &self.from_alertmanager {
            Some(path) => self.pass_on(context, path),
            None => self.declare(context),
        }
    }

    fn declare(&self, context: &Context) -> Result<(), Failure> {
        let given = "clap asks for it";
        record(context, &self.record, &mut |_, earlier, now| {
            let earlier = match earlier {
                Some(Body::DriftDetected(earlier)) => Some(earlier.detected_at),
                _ => None,
            };
            let said = claimed_time(self.detected.as_deref(), earlier, now)?;
            Ok(DriftDetected {
                environment: self.env.clone().expect(given),
                model: self.model.clone().expect(given),
                version: self.version.clone(),
                kind: self.kind.expect(given),
                feature: self.feature.clone(),
                statistic: self.statistic.clone().expect(given),
                value: self.value.expect(given),
                threshold: self.threshold.expect(given),
                window: self.window.clone(),
                monitor: self.monitor.clone().expect(given),
                status: self.status.unwrap_or(AlertStatus::Firing),
                detected_at: said.or(earlier).unwrap_or(now),
                summary: self.summary.clone(),
            }
            .into())
        })
    }

    /// What an alert does not say, and where it says the rest.
    fn mapping(&self) -> Result<Mapping, Failure> {
        use DriftField as F;
        let text = |value: Option<&dyn std::fmt::Display>| value.map(ToString::to_string);
        let defaults = [
            (F::Environment, text(self.env.as_ref().map(|value| value as _))),
            (F::Model, text(self.model.as_ref().map(|value| value as _))),
            (F::Version, text(self.version.as_ref().map(|value| value as _))),
            (F::Kind, text(self.kind.as_ref().map(|value| value as _))),
            (F::Feature, text(self.feature.as_ref().map(|value| value as _))),
            (F::Statistic, text(self.statistic.as_ref().map(|value| value as _))),
            (F::Value, text(self.value.as_ref().map(|value| value as _))),
            (F::Threshold, text(self.threshold.as_ref().map(|value| value as _))),
            (F::Window, text(self.window.as_ref().map(|value| value as _))),
            (
                F::Monitor,
                Some(self.monitor.as_ref().map_or_else(|| ALERTMANAGER.to_owned(), ToString::to_string)),
            ),
            (F::Summary, text(self.summary.as_ref().map(|value| value as _))),
        ];
        let mut mapping = Mapping::default();
        mapping.defaults.extend(defaults.into_iter().filter_map(|(field, value)| Some((field, value?))));
        for text in &self.label {
            let (field, label) = text.split_once('=').ok_or_else(|| {
                Failure::usage(format!("--label {text} has no `=`: FIELD=LABEL is expected"))
            })?;
            mapping.places.insert(field.parse()?, label.to_owned());
        }
        Ok(mapping)
    }

    /// Records each alert of a delivery that can be, one by one.
    fn pass_on(&self, context: &Context, path: &Path) -> Result<(), Failure> {
        let mapping = self.mapping()?;
        let delivery = Webhook::parse(&read_file(path)?)
            .map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
        let signers = context.signers()?;
        first_key(&signers)?;
        let ledger = context.writer()?;
        if delivery.truncated > 0 {
            context.say(format_args!(
                "note: Alertmanager left out {} alerts: raise its max_alerts",
                delivery.truncated
            ));
        }
        let mut all_recorded = true;
        for alert in delivery.alerts {
            let told = match alert {
                Ok(alert) => self.record_alert(context, &ledger, &signers, &alert, &mapping)?,
                Err(fault) => Told::Skipped { reason: fault.to_string() },
            };
            all_recorded &= !matches!(told, Told::Skipped { .. });
            told.print(context)?;
        }
        context.warn_all(&ledger);
        if all_recorded { Ok(()) } else { Err(Failure::answered(Exit::No)) }
    }

    fn record_alert(
        &self,
        context: &Context,
        ledger: &Ledger,
        signers: &[Signer],
        alert: &Alert,
        mapping: &Mapping,
    ) -> Result<Told, Failure> {
        let id = alert.report_id();
        let event_id = EventId::derive(ALERTMANAGER, &id);
        // What was said the first time counts: a repeated alert may bear another value.
        let event = match ledger.recorded_event(&event_id, context.now())? {
            Some(earlier) => earlier,
            None => match alert.drift(mapping) {
                Err(fault) => return Ok(Told::Skipped { reason: fault.to_string() }),
                Ok(drift) => {
                    let ledger_id = ledger.charter()?.ledger_id;
                    let mut header = header(&self.record, ledger_id, first_key(signers)?, context.now())?;
                    header.event_id = event_id;
                    header.claimed_at = alert.at;
                    header.basis = Basis::Observed { system: Name::new(ALERTMANAGER)?, id: Name::new(id)? };
                    Event { header, body: drift.into() }
                }
            },
        };
        let envelope = sign(&event, signers)?.into_envelope()?;
        if self.record.dry_run {
            let missing = ledger.missing(envelope)?;
            let would = || Told::Would { alert: alert.report_id() };
            return Ok(missing.first().map_or_else(would, |refusal| Told::Skipped {
                reason: format!("alert {}: {refusal}", alert.fingerprint),
            }));
        }
        match ledger.append(envelope) {
            Ok(receipt) => Ok(Told::Recorded { alert: alert.report_id(), receipt }),
            Err(AppendError::Refused(refusal)) => {
                Ok(Told::Skipped { reason: format!("alert {}: {refusal}", alert.fingerprint) })
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// What became of an alert.
enum Told {
    Recorded { alert: String, receipt: Receipt },
    Would { alert: String },
    Skipped { reason: String },
}

impl Told {
    fn print(&self, context: &Context) -> Result<(), Failure> {
        if context.json() {
            return context.print_json(&match self {
                Self::Recorded { alert, receipt } => json!({ "alert": alert, "receipt": receipt }),
                Self::Would { alert } => json!({ "alert": alert, "would_be_accepted": true }),
                Self::Skipped { reason } => json!({ "skipped": reason }),
            });
        }
        context.print(visible(&match self {
            Self::Recorded { alert, receipt } => {
                let word = if receipt.repeated { "already recorded as" } else { "recorded as" };
                format!("{word} entry {}: alert {alert}", receipt.index)
            }
            Self::Would { alert } => format!("would be accepted: alert {alert}"),
            Self::Skipped { reason } => format!("skipped: {reason}"),
        }))
    }
}
