//! Alertmanager's webhook, format version 4: drift alerts, one by one (docs/integrations/measurements.md).
//!
//! One delivery holds several alerts, and one that cannot be used holds up no other. What an alert is, it says
//! in labels and annotations; which of them mean what is decided here, and by whoever maps them differently.

use std::collections::BTreeMap;
use std::str::FromStr;

use crate::event::model::{AlertStatus, DriftDetected};
use crate::event::text::{Name, Text};
use crate::linkage::json::{JsonError, Node, Object, shown};
use crate::time::Timestamp;
use crate::words::words;

/// The largest delivery, in bytes: thousands of alerts.
pub const WEBHOOK_BYTES_MAX: usize = 4 << 20;
/// The most alerts of one delivery: they are recorded as one batch.
pub const ALERTS_MAX: usize = 4_096;
/// The version of the format, as the payload says it.
const WEBHOOK_VERSION: &str = "4";

words! {
    /// What an alert says of a drift.
    DriftField, "a field of a drift" {
        /// Where.
        Environment = "environment",
        /// Which model.
        Model = "model",
        /// Which version.
        Version = "version",
        /// What drifted.
        Kind = "kind",
        /// The feature or output that drifted.
        Feature = "feature",
        /// The statistic.
        Statistic = "statistic",
        /// Its value.
        Value = "value",
        /// The threshold it was held against.
        Threshold = "threshold",
        /// The window it was computed over.
        Window = "window",
        /// Who watches.
        Monitor = "monitor",
        /// A remark.
        Summary = "summary",
    }
}

use DriftField as F;

/// The two places where an alert says something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Label,
    Annotation,
}

use Source::{Annotation, Label};

impl DriftField {
    /// Where an alert says it unless somebody maps it, the first that is there.
    const fn places(self) -> &'static [(Source, &'static str)] {
        match self {
            F::Environment => &[(Label, "environment"), (Label, "env")],
            F::Model => &[(Label, "model")],
            F::Version => &[(Label, "version")],
            F::Kind => &[(Label, "drift_kind"), (Label, "kind")],
            F::Feature => &[(Label, "feature")],
            F::Statistic => &[(Label, "statistic")],
            F::Value => &[(Annotation, "value"), (Label, "value")],
            F::Threshold => &[(Annotation, "threshold"), (Label, "threshold")],
            F::Window => &[(Annotation, "window"), (Label, "window")],
            F::Monitor => &[(Label, "monitor")],
            F::Summary => &[(Annotation, "summary"), (Annotation, "description")],
        }
    }
}

/// How alerts are understood.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mapping {
    /// The label or annotation of a field, where it is not the usual one.
    pub places: BTreeMap<DriftField, String>,
    /// What holds where an alert says nothing.
    pub defaults: BTreeMap<DriftField, String>,
}

/// One delivery.
#[derive(Debug, Clone, PartialEq)]
pub struct Webhook {
    /// The alerts, and those that are none.
    pub alerts: Vec<Result<Alert, AlertFault>>,
    /// How many Alertmanager left out (its setting `max_alerts`).
    pub truncated: u64,
}

/// One alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// Alertmanager's name for this set of labels.
    pub fingerprint: String,
    /// Whether it begins or ends.
    pub status: AlertStatus,
    /// When: it began, or ended.
    pub at: Timestamp,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    /// The expression in the monitor.
    generator_url: Option<String>,
}

/// Why an alert cannot be recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("alert {alert} {reason}")]
pub struct AlertFault {
    /// Its fingerprint, or its place in the delivery.
    pub alert: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Why bytes are no delivery.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// Over [`WEBHOOK_BYTES_MAX`].
    #[error("it has {bytes} bytes, at most {WEBHOOK_BYTES_MAX} are read")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// Not JSON.
    #[error("{0}")]
    Json(#[from] JsonError),
    /// Something else than Alertmanager's webhook.
    #[error("this is no webhook of Alertmanager's: {reason}")]
    Shape {
        /// What is missing.
        reason: String,
    },
    /// Another version of the format.
    #[error("the webhook has format version {version}; version {WEBHOOK_VERSION} is read here")]
    Version {
        /// What it says.
        version: String,
    },
    /// Over [`ALERTS_MAX`].
    #[error("it holds {alerts} alerts, at most {ALERTS_MAX} are read")]
    TooMany {
        /// How many.
        alerts: usize,
    },
}

impl Webhook {
    /// Reads a delivery.
    ///
    /// # Errors
    /// [`WebhookError`] where it is none; an alert that is none is told in its place.
    pub fn parse(json: &[u8]) -> Result<Self, WebhookError> {
        if json.len() > WEBHOOK_BYTES_MAX {
            return Err(WebhookError::TooLarge { bytes: json.len() });
        }
        let shape = |reason: &str| WebhookError::Shape { reason: reason.to_owned() };
        let Node::Object(mut object) = Node::parse(json)? else { return Err(shape("it is not an object")) };
        match object.remove("version") {
            Some(Node::Text(version)) if version == WEBHOOK_VERSION => {}
            Some(Node::Text(version)) => return Err(WebhookError::Version { version: shown(&version) }),
            _ => return Err(shape("it has no text `version`")),
        }
        let Some(Node::List(alerts)) = object.remove("alerts") else {
            return Err(shape("it has no list `alerts`"));
        };
        if alerts.len() > ALERTS_MAX {
            return Err(WebhookError::TooMany { alerts: alerts.len() });
        }
        let truncated = match object.remove("truncatedAlerts") {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
            Some(Node::Number(count)) => count as u64,
            _ => 0,
        };
        let alerts = alerts.into_iter().enumerate().map(|(at, node)| Alert::read(at, node)).collect();
        Ok(Self { alerts, truncated })
    }
}

impl Alert {
    fn read(at: usize, node: Node) -> Result<Self, AlertFault> {
        let unnamed =
            |reason: &str| AlertFault { alert: format!("number {}", at + 1), reason: reason.into() };
        let Node::Object(mut object) = node else { return Err(unnamed("is not an object")) };
        let Some(Node::Text(fingerprint)) = object.remove("fingerprint") else {
            return Err(unnamed("lacks a `fingerprint`"));
        };
        if fingerprint.is_empty() || !fingerprint.chars().all(|c| c.is_ascii_alphanumeric()) {
            return Err(unnamed("has a `fingerprint` that is not letters and digits"));
        }
        let fault = |reason: String| AlertFault { alert: shown(&fingerprint), reason };
        let status: AlertStatus = parsed(&mut object, "status").map_err(fault)?;
        let time = match status {
            AlertStatus::Firing => "startsAt",
            AlertStatus::Resolved => "endsAt",
        };
        let at = parsed(&mut object, time).map_err(fault)?;
        let labels = texts(&mut object, "labels").map_err(fault)?;
        let annotations = texts(&mut object, "annotations").map_err(fault)?;
        let generator_url = match object.remove("generatorURL") {
            Some(Node::Text(url)) if !url.is_empty() => Some(url),
            _ => None,
        };
        Ok(Self { fingerprint, status, at, labels, annotations, generator_url })
    }

    /// The id under which Alertmanager could have reported this: the alert, whether it begins or ends, and when.
    /// A redelivery has the same, whatever else it says meanwhile.
    ///
    /// # Errors
    /// [`AlertFault`] where the fingerprint is too long for that.
    pub fn report_id(&self) -> Result<Name, AlertFault> {
        let id = Name::new(format!("{}/{}/{}", self.fingerprint, self.status, self.at));
        id.map_err(|error| self.fault(format!("has an unfit `fingerprint`: {error}")))
    }

    /// The drift that the alert tells of.
    ///
    /// # Errors
    /// [`AlertFault`], naming the label that is missing or cannot be understood.
    pub fn drift(&self, mapping: &Mapping) -> Result<DriftDetected, AlertFault> {
        let read = Reading { alert: self, mapping };
        Ok(DriftDetected {
            environment: read.needed(F::Environment)?,
            model: read.needed(F::Model)?,
            version: read.field(F::Version)?,
            kind: read.needed(F::Kind)?,
            feature: read.field(F::Feature)?,
            statistic: read.needed(F::Statistic)?,
            value: read.needed(F::Value)?,
            threshold: read.needed(F::Threshold)?,
            window: read.field(F::Window)?,
            monitor: read.needed(F::Monitor)?,
            status: self.status,
            detected_at: self.at,
            summary: read.summary()?,
        })
    }

    fn fault(&self, reason: String) -> AlertFault {
        AlertFault { alert: shown(&self.fingerprint), reason }
    }

    /// What stands in a place. A label of no characters is none, as Prometheus has it.
    fn says(&self, source: Source, key: &str) -> Option<&str> {
        let texts = match source {
            Label => &self.labels,
            Annotation => &self.annotations,
        };
        texts.get(key).map(String::as_str).filter(|text| !text.is_empty())
    }
}

/// An alert, and how it is understood.
#[derive(Clone, Copy)]
struct Reading<'a> {
    alert: &'a Alert,
    mapping: &'a Mapping,
}

impl<'a> Reading<'a> {
    /// What the alert says of a field, and where.
    fn find(self, field: DriftField) -> Option<(String, &'a str)> {
        let Self { alert, mapping } = self;
        let mapped;
        let places = match mapping.places.get(&field) {
            Some(place) => {
                mapped = [(Label, place.as_str()), (Annotation, place.as_str())];
                &mapped[..]
            }
            None => field.places(),
        };
        let said = places.iter().find_map(|&(source, key)| {
            let word = if source == Label { "label" } else { "annotation" };
            Some((format!("{word} `{}`", shown(key)), alert.says(source, key)?))
        });
        let default = || mapping.defaults.get(&field).map(|text| (format!("--{field}"), text.as_str()));
        said.or_else(default)
    }

    fn field<T: FromStr<Err: std::fmt::Display>>(self, field: DriftField) -> Result<Option<T>, AlertFault> {
        let Some((place, text)) = self.find(field) else { return Ok(None) };
        let unfit = |error: T::Err| self.alert.fault(format!("has an unfit {place}: {error}"));
        text.parse().map(Some).map_err(unfit)
    }

    fn needed<T: FromStr<Err: std::fmt::Display>>(self, field: DriftField) -> Result<T, AlertFault> {
        self.field(field)?.ok_or_else(|| self.alert.fault(format!("lacks {}", self.usual_place(field))))
    }

    /// Where the field should have been said.
    fn usual_place(self, field: DriftField) -> String {
        if let Some(place) = self.mapping.places.get(&field) {
            return format!("label `{}`", shown(place));
        }
        let (source, key) = field.places()[0];
        match source {
            Label => format!("label `{key}`"),
            Annotation => format!("annotation `{key}`"),
        }
    }

    /// What people wrote, and the link into the monitor.
    fn summary(self) -> Result<Option<Text>, AlertFault> {
        let summary: Option<Text> = self.field(F::Summary)?;
        let Some(url) = self.alert.generator_url.as_deref() else { return Ok(summary) };
        let whole = match &summary {
            Some(summary) => format!("{summary}\n{url}"),
            None => url.to_owned(),
        };
        // A link that does not fit is left out: it can be found again by the alert's fingerprint.
        Ok(Text::new(whole).ok().or(summary))
    }
}

fn parsed<T: FromStr<Err: std::fmt::Display>>(object: &mut Object, field: &str) -> Result<T, String> {
    let Some(Node::Text(text)) = object.remove(field) else { return Err(format!("lacks a `{field}`")) };
    text.parse().map_err(|error| format!("has an unfit `{field}`: {error}"))
}

/// A map of names to texts, which may be missing.
fn texts(object: &mut Object, field: &str) -> Result<BTreeMap<String, String>, String> {
    let entries = match object.remove(field) {
        None | Some(Node::Null) => return Ok(BTreeMap::new()),
        Some(Node::Object(entries)) => entries,
        Some(node) => return Err(format!("has `{field}` that are {}", node.kind())),
    };
    let text = |(key, node): (String, Node)| match node {
        Node::Text(text) => Ok((key, text)),
        node => Err(format!("has `{field}` whose `{}` is {}", shown(&key), node.kind())),
    };
    entries.into_iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What Alertmanager 0.27 sent, cut to one alert; `{…}` are put in.
    fn delivery(labels: &str, annotations: &str, rest: &str) -> String {
        format!(
            r#"{{"receiver":"rollbook","status":"firing","alerts":[{{{rest},"labels":{{"alertname":"ModelDrift",{labels}}},"annotations":{{{annotations}}},"generatorURL":"http://p/graph"}}],"groupLabels":{{}},"commonLabels":{{}},"commonAnnotations":{{}},"externalURL":"http://a:9093","version":"4","groupKey":"{{}}:{{}}","truncatedAlerts":0}}"#
        )
    }

    const FIRING: &str = r#""status":"firing","startsAt":"2026-03-01T09:30:00.123456789Z","endsAt":"0001-01-01T00:00:00Z","fingerprint":"c0ffee12c0ffee12""#;
    const RESOLVED: &str = r#""status":"resolved","startsAt":"2026-03-01T09:30:00.123Z","endsAt":"2026-03-01T10:00:00+01:00","fingerprint":"c0ffee12c0ffee12""#;
    const LABELS: &str = r#""environment":"production","model":"credit-scorer","version":"1.1.0","drift_kind":"data","statistic":"psi","feature":"income""#;
    const ANNOTATIONS: &str = r#""value":"0.31","threshold":"0.2","window":"24h","summary":"income moved""#;

    fn mapping(places: &[(DriftField, &str)], defaults: &[(DriftField, &str)]) -> Mapping {
        let map =
            |pairs: &[(DriftField, &str)]| pairs.iter().map(|&(f, text)| (f, text.to_owned())).collect();
        Mapping { places: map(places), defaults: map(defaults) }
    }

    fn watched() -> Mapping {
        mapping(&[], &[(F::Monitor, "alertmanager")])
    }

    fn only(json: &str) -> Result<Alert, AlertFault> {
        Webhook::parse(json.as_bytes()).unwrap().alerts.pop().unwrap()
    }

    fn drift(labels: &str, annotations: &str, mapping: &Mapping) -> Result<DriftDetected, String> {
        let alert = only(&delivery(labels, annotations, FIRING)).unwrap();
        alert.drift(mapping).map_err(|fault| fault.to_string())
    }

    #[test]
    fn an_alert_becomes_a_drift() {
        let alert = only(&delivery(LABELS, ANNOTATIONS, FIRING)).unwrap();
        let drift = serde_json::to_value(alert.drift(&watched()).unwrap()).unwrap();
        let expected = serde_json::json!({
            "environment": "production", "model": "credit-scorer", "version": "1.1.0", "kind": "data",
            "feature": "income", "statistic": "psi", "value": 0.31, "threshold": 0.2, "window": "24h",
            "monitor": "alertmanager", "status": "firing", "detected_at": "2026-03-01T09:30:00.123Z",
            "summary": "income moved\nhttp://p/graph",
        });
        assert_eq!(drift, expected);
        assert_eq!(alert.report_id().unwrap().as_str(), "c0ffee12c0ffee12/firing/2026-03-01T09:30:00.123Z");
        let over = only(&delivery(LABELS, ANNOTATIONS, RESOLVED)).unwrap();
        assert_eq!(over.report_id().unwrap().as_str(), "c0ffee12c0ffee12/resolved/2026-03-01T09:00:00.000Z");
        assert_eq!(over.drift(&watched()).unwrap().detected_at, over.at);
    }

    #[test]
    fn the_same_alert_with_another_value_is_the_same_report() {
        let (first, again) = (ANNOTATIONS, ANNOTATIONS.replace("0.31", "0.35"));
        let id = |annotations: &str| only(&delivery(LABELS, annotations, FIRING)).unwrap().report_id();
        assert_eq!(id(first), id(&again));
    }

    #[test]
    fn labels_go_before_what_the_command_line_says() {
        let defaults =
            mapping(&[], &[(F::Environment, "staging"), (F::Monitor, "evidently"), (F::Window, "7d")]);
        let without = LABELS.replace(r#""environment":"production","#, "");
        assert_eq!(drift(LABELS, ANNOTATIONS, &defaults).unwrap().environment.as_str(), "production");
        assert_eq!(drift(&without, ANNOTATIONS, &defaults).unwrap().environment.as_str(), "staging");
        let labelled = format!(r#"{LABELS},"monitor":"whylogs""#);
        assert_eq!(drift(LABELS, ANNOTATIONS, &defaults).unwrap().monitor.as_str(), "evidently");
        assert_eq!(drift(&labelled, ANNOTATIONS, &defaults).unwrap().monitor.as_str(), "whylogs");
        let short = LABELS.replace("environment", "env").replace("drift_kind", "kind");
        assert!(drift(&short, ANNOTATIONS, &watched()).is_ok());
        let empty = LABELS.replace("1.1.0", "");
        assert_eq!(drift(&empty, ANNOTATIONS, &watched()).unwrap().version, None, "an empty label is none");
    }

    #[test]
    fn labels_can_be_mapped() {
        let labels = LABELS.replace(r#""model""#, r#""service_model""#);
        let annotations = ANNOTATIONS.replace(r#""value""#, r#""psi_now""#);
        let mapped = [(F::Model, "service_model"), (F::Value, "psi_now")];
        let defaults = [(F::Monitor, "m")];
        assert!(drift(&labels, &annotations, &mapping(&mapped, &defaults)).is_ok());
        assert_eq!(
            drift(LABELS, &annotations, &mapping(&mapped, &defaults)).unwrap_err(),
            "alert c0ffee12c0ffee12 lacks label `service_model`",
        );
    }

    #[test]
    fn what_an_alert_lacks_or_says_wrong_is_named() {
        for (labels, annotations, told) in [
            (LABELS.replace("environment", "e"), ANNOTATIONS.to_owned(), "lacks label `environment`"),
            (LABELS.replace("\"model\"", "\"m\""), ANNOTATIONS.to_owned(), "lacks label `model`"),
            (LABELS.replace("credit-scorer", ""), ANNOTATIONS.to_owned(), "lacks label `model`"),
            (LABELS.replace("drift_kind", "d"), ANNOTATIONS.to_owned(), "lacks label `drift_kind`"),
            (LABELS.replace("statistic", "s"), ANNOTATIONS.to_owned(), "lacks label `statistic`"),
            (LABELS.to_owned(), ANNOTATIONS.replace("value", "v"), "lacks annotation `value`"),
            (LABELS.to_owned(), ANNOTATIONS.replace("threshold", "t"), "lacks annotation `threshold`"),
            (LABELS.replace("production", "Prod"), ANNOTATIONS.to_owned(), "unfit label `environment`: "),
            (
                LABELS.replace("\"data\"", "\"slow\""),
                ANNOTATIONS.to_owned(),
                "`slow` is not a drift kind: one of data",
            ),
            (
                LABELS.to_owned(),
                ANNOTATIONS.replace("0.31", "NaN"),
                "annotation `value`: `NaN` is not a finite",
            ),
            (LABELS.to_owned(), ANNOTATIONS.replace("0.31", "+Inf"), "`+Inf` is not a finite number"),
            (LABELS.to_owned(), ANNOTATIONS.replace("0.2", "20%"), "annotation `threshold`: `20%` is not"),
        ] {
            let fault = drift(&labels, &annotations, &watched()).unwrap_err();
            assert!(fault.starts_with("alert c0ffee12c0ffee12 "), "{fault}");
            assert!(fault.contains(told), "{fault}: {told}");
        }
    }

    #[test]
    fn an_alert_that_is_none_is_told_in_its_place() {
        let alert = |rest: &str| format!("{{{rest},\"labels\":{{}},\"annotations\":{{}}}}");
        let alerts = [
            (alert(FIRING), None),
            ("7".into(), Some("alert number 2 is not an object")),
            (alert("\"status\":\"firing\""), Some("alert number 3 lacks a `fingerprint`")),
            (
                alert(&FIRING.replace("c0ffee12c0ffee12", "../x")),
                Some("alert number 4 has a `fingerprint` that"),
            ),
            (alert(&FIRING.replace("firing", "silenced")), Some("`silenced` is not an alert status")),
            (alert(&FIRING.replace("2026-03-01T", "soon ")), Some("has an unfit `startsAt`: ")),
            (alert(&RESOLVED.replace("endsAt", "ended")), Some("lacks a `endsAt`")),
            (
                format!("{{{FIRING},\"labels\":{{\"model\":7}}}}"),
                Some("has `labels` whose `model` is a number"),
            ),
            (format!("{{{FIRING},\"labels\":[]}}"), Some("has `labels` that are a list")),
        ];
        let list: Vec<&str> = alerts.iter().map(|(json, _)| json.as_str()).collect();
        let json = format!(r#"{{"version":"4","alerts":[{}],"truncatedAlerts":3}}"#, list.join(","));
        let webhook = Webhook::parse(json.as_bytes()).unwrap();
        assert_eq!(webhook.truncated, 3);
        for (read, (json, told)) in webhook.alerts.iter().zip(&alerts) {
            let fault = read.as_ref().err().map(ToString::to_string);
            assert_eq!(fault.is_some(), told.is_some(), "{json}: {fault:?}");
            assert!(fault.unwrap_or_default().contains(told.unwrap_or_default()), "{json}: {read:?}");
        }
    }

    #[test]
    fn what_is_no_webhook_is_refused() {
        let many = format!(r#"{{"version":"4","alerts":[{}0]}}"#, "0,".repeat(ALERTS_MAX));
        for (json, told) in [
            ("", "the text is not JSON"),
            ("[]", "it is not an object"),
            (r#"[{"labels":{}}]"#, "it is not an object"),
            (r#"{"alerts":[]}"#, "it has no text `version`"),
            (r#"{"version":4,"alerts":[]}"#, "it has no text `version`"),
            (r#"{"version":"3","alerts":[]}"#, "format version 3; version 4 is read"),
            (r#"{"version":"4"}"#, "it has no list `alerts`"),
            (r#"{"version":"4","alerts":{}}"#, "it has no list `alerts`"),
            (r#"{"version":"4","version":"4","alerts":[]}"#, "`version` stands twice"),
            (&many, "it holds 4097 alerts"),
            (&" ".repeat(WEBHOOK_BYTES_MAX + 1), "it has 4194305 bytes"),
        ] {
            let error = Webhook::parse(json.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(told), "{error}: {told}");
        }
        assert_eq!(Webhook::parse(br#"{"version":"4","alerts":[]}"#).unwrap().alerts, []);
    }

    #[test]
    fn a_link_that_does_not_fit_is_left_out() {
        let long = delivery(LABELS, ANNOTATIONS, FIRING).replace("http://p/graph", &"h".repeat(9_000));
        assert_eq!(only(&long).unwrap().drift(&watched()).unwrap().summary.unwrap().as_str(), "income moved");
        let too_long = ANNOTATIONS.replace("income moved", &"i".repeat(9_000));
        let fault = drift(LABELS, &too_long, &watched()).unwrap_err();
        assert!(fault.contains("unfit annotation `summary`: a text is 9000 bytes long"), "{fault}");
    }

    proptest! {
        #[test]
        fn deliveries_with_a_part_overwritten_never_panic(at in any::<prop::sample::Index>(), piece in "\\PC{0,12}") {
            let json = delivery(LABELS, ANNOTATIONS, FIRING);
            let at = at.index(json.len());
            let mut bytes = json.into_bytes();
            bytes.splice(at..(at + piece.len()).min(bytes.len()), piece.bytes());
            if let Ok(webhook) = Webhook::parse(&bytes) {
                for alert in webhook.alerts.into_iter().flatten() {
                    prop_assert!(alert.report_id().is_ok() || alert.fingerprint.len() > 200);
                    let _ = alert.drift(&watched());
                }
            }
        }
    }
}
