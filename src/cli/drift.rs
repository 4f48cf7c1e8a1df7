//! `rollbook drift`.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::input::read_input;
use crate::cli::observed::{Observation, Skipped, record_observations};
use crate::cli::record::{RecordArgs, claimed_time, record};
use crate::event::body::Body;
use crate::event::model::{AlertStatus, DriftDetected, DriftKind};
use crate::event::number::Finite;
use crate::event::text::{EnvironmentName, Name, Text};
use crate::linkage::alertmanager::{
    Alert, AlertFault, DriftField, Mapping, WEBHOOK_BYTES_MAX, Webhook, WebhookError,
};
use crate::words::nearest;

/// The system that alerts are passed on from.
const ALERTMANAGER: &str = "alertmanager";

/// Record that a monitor saw what serves move away from what it was made for.
///
/// By hand, or from Alertmanager's webhook (format 4): each alert of a delivery becomes an event of its own,
/// marked as observed. A redelivery is answered with the first receipts. An alert that cannot be used is told, and holds
/// up no other; what an alert does not say, the options say. Drift is evidence, and blocks nothing by itself.
///
/// Exit codes of a delivery: 0 all alerts are recorded; 1 some were skipped or refused; 2 it is none.
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
    #[arg(
        long,
        value_name = "N",
        required_unless_present = "from_alertmanager",
        conflicts_with = "from_alertmanager",
        allow_hyphen_values = true
    )]
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
    #[arg(long, value_name = "FIELD=LABEL", requires = "from_alertmanager", conflicts_with = "value")]
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
            (F::Threshold, text(self.threshold.as_ref().map(|value| value as _))),
            (F::Window, text(self.window.as_ref().map(|value| value as _))),
            (F::Monitor, text(self.monitor.as_ref().map(|value| value as _)).or(Some(ALERTMANAGER.into()))),
            (F::Summary, text(self.summary.as_ref().map(|value| value as _))),
        ];
        let defaults = defaults.into_iter().filter_map(|(field, value)| Some((field, value?))).collect();
        let mut mapping = Mapping { defaults, ..Mapping::default() };
        for text in &self.label {
            let (field, label) = mapped(text)?;
            if mapping.places.insert(field, label).is_some() {
                return Err(Failure::usage(format!("--label {text}: {field} is mapped twice"))
                    .hint("say each field once"));
            }
        }
        Ok(mapping)
    }

    /// Records each alert of a delivery that can be.
    fn pass_on(&self, context: &Context, path: &Path) -> Result<(), Failure> {
        let mapping = self.mapping()?;
        let json = read_input(path, "a delivery", WEBHOOK_BYTES_MAX)?;
        let delivery = Webhook::parse(&json).map_err(|error| unfit(path, &error))?;
        if delivery.truncated > 0 {
            let left_out = delivery.truncated;
            context.say(format_args!("note: Alertmanager left out {left_out} alerts: raise its max_alerts"));
        }
        let system = Name::new(ALERTMANAGER)?;
        let report = |alert: Result<Alert, AlertFault>| {
            alert
                .and_then(|alert| observation(&system, &alert, &mapping))
                .map_err(|fault| Skipped { called: called(&fault.alert), reason: fault.reason })
        };
        let reports: Vec<_> = delivery.alerts.into_iter().map(report).collect();
        record_observations(context, &self.record, &reports)
    }
}

fn observation(system: &Name, alert: &Alert, mapping: &Mapping) -> Result<Observation, AlertFault> {
    Ok(Observation {
        called: called(&alert.fingerprint),
        system: system.clone(),
        id: alert.report_id()?,
        at: alert.at,
        body: alert.drift(mapping)?.into(),
    })
}

fn called(alert: &str) -> String {
    format!("alert {alert}")
}

fn unfit(path: &Path, error: &WebhookError) -> Failure {
    let hint = match error {
        WebhookError::TooMany { .. } => {
            "let Alertmanager send fewer at once: max_alerts in its webhook_config"
        }
        _ => "hand in the body of Alertmanager's webhook as it came",
    };
    Failure::usage(format!("{}: {error}", path.display())).hint(hint)
}

/// `FIELD=LABEL`.
fn mapped(text: &str) -> Result<(DriftField, String), Failure> {
    let words = || DriftField::ALL.iter().map(|field| field.as_str());
    let unfit = |what: &str| {
        let words = words().collect::<Vec<_>>().join(", ");
        Failure::usage(format!("--label {text}: {what}"))
            .hint(format!("say --label FIELD=LABEL; the fields are {words}"))
    };
    match text.split_once('=') {
        Some((field, label)) if !label.is_empty() => match field.parse() {
            Ok(field) => Ok((field, label.to_owned())),
            Err(_) => {
                let meant = nearest(field, words()).map(|word| format!(": did you mean `{word}`?"));
                Err(unfit(&format!("`{field}` is no field{}", meant.unwrap_or_default())))
            }
        },
        _ => Err(unfit("no label is named")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_mapped_to_a_label() {
        assert_eq!(mapped("model=service").unwrap(), (DriftField::Model, "service".to_owned()));
        assert_eq!(mapped("value=a=b").unwrap(), (DriftField::Value, "a=b".to_owned()));
        for (text, told) in [
            ("model", "no label is named"),
            ("model=", "no label is named"),
            ("modell=service", "`modell` is no field: did you mean `model`?"),
            ("=service", "`` is no field"),
        ] {
            let failure = mapped(text).unwrap_err();
            assert!(failure.message.contains(told), "{}", failure.message);
            assert!(failure.hint.unwrap().contains("environment, model, version"));
        }
    }
}
