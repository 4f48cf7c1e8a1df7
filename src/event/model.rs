//! Model versions: registered, evaluated, drifting, retired.

use std::fmt;
use std::str::FromStr;

use bincode::{Decode, Encode};
use serde::{Serialize, Serializer};

use crate::event::infra::InfraCommit;
use crate::event::list::{Ascending, Ranked};
use crate::event::number::Finite;
use crate::event::text::{EnvironmentName, Name, Text};
use crate::hash::Hash;
use crate::time::Timestamp;
use crate::words::words;

/// The most metrics of one evaluation.
pub const METRICS_MAX: usize = 128;
/// The most data sets of one registration.
pub const DATASETS_MAX: usize = 64;
/// The most ignored paths that a registration names.
pub const IGNORED_MAX: usize = 64;

/// `model.registered`: a model version exists, and this is its digest. It never changes.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct ModelRegistered {
    /// The model.
    pub model: Name,
    /// Its version.
    pub version: Name,
    /// What its files are.
    pub digest: ModelDigest,
    /// Where it is kept, as a URI or a plain name.
    pub uri: Option<Text>,
    /// The commit of the source code that made it.
    pub source: Option<InfraCommit>,
    /// The data it was made from.
    pub datasets: Ascending<NamedDigest, DATASETS_MAX>,
    /// SHA-256 of the lock file of its dependencies.
    pub dependency_lock: Option<Hash>,
}

/// What the files of a model are (docs/format.md, `model digest`; `OpenSSF` model signing 1.1.1).
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct ModelDigest {
    /// How the files were walked and hashed.
    pub method: DigestMethod,
    /// The `OpenSSF` root: SHA-256 over the files' SHA-256 digests, in path order. Does not commit to
    /// names.
    pub root: Hash,
    /// SHA-256 over byte-sorted `<hex sha256>  <path>\n` lines. Commits to names.
    pub named: Hash,
    /// Whether symbolic links were followed.
    pub links_followed: bool,
    /// Top-level paths that were left out, beyond the method's own.
    pub ignored: Ascending<Name, IGNORED_MAX>,
    /// How many files.
    pub file_count: u64,
    /// How many bytes in all of them.
    pub byte_count: u64,
}

words! {
    /// How a model's files were walked and hashed.
    DigestMethod, "a digest method" {
        /// Whole files by SHA-256, in path order, as `OpenSSF` model signing 1.1.1 does unless told.
        OpenSsfFilesSha256 = "openssf-files-sha256",
    }
}

/// A digest made by whoever keeps the data, under a name.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct NamedDigest {
    /// The data set's name.
    pub name: Name,
    /// Its digest.
    pub digest: ForeignDigest,
}

impl Ranked for NamedDigest {
    type Rank = Name;

    fn rank(&self) -> &Name {
        &self.name
    }
}

/// A digest that comes from elsewhere, with its algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum ForeignDigest {
    /// SHA-256.
    Sha256([u8; 32]),
    /// SHA-384.
    Sha384([u8; 48]),
    /// SHA-512.
    Sha512([u8; 64]),
}

impl fmt::Display for ForeignDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha256(bytes) => write!(f, "sha256:{}", hex::encode(bytes)),
            Self::Sha384(bytes) => write!(f, "sha384:{}", hex::encode(bytes)),
            Self::Sha512(bytes) => write!(f, "sha512:{}", hex::encode(bytes)),
        }
    }
}

/// A text that is not a digest with a known algorithm.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a digest: sha256:, sha384: or sha512: and hex digits are expected (64 bare digits mean sha256)"
)]
pub struct ParseDigestError {
    text: String,
}

impl FromStr for ForeignDigest {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, ParseDigestError> {
        let error = || ParseDigestError { text: text.chars().take(160).collect() };
        let (algorithm, digits) = text.split_once(':').unwrap_or(("sha256", text));
        let bytes = hex::decode(digits).map_err(|_| error())?;
        match algorithm {
            "sha256" => bytes.try_into().map(Self::Sha256).map_err(|_| error()),
            "sha384" => bytes.try_into().map(Self::Sha384).map_err(|_| error()),
            "sha512" => bytes.try_into().map(Self::Sha512).map_err(|_| error()),
            _ => Err(error()),
        }
    }
}

impl Serialize for ForeignDigest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// `model.evaluated`: a version was measured, and the metrics met their bounds or did not.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct ModelEvaluated {
    /// The model.
    pub model: Name,
    /// Its version.
    pub version: Name,
    /// The `OpenSSF` root of what was measured: the registered one.
    pub digest: Hash,
    /// What kind of evaluation.
    pub kind: EvaluationKind,
    /// The suite or harness that measured.
    pub suite: Name,
    /// The suite's version.
    pub suite_version: Option<Name>,
    /// The suite's digest.
    pub suite_digest: Option<ForeignDigest>,
    /// The data set it was measured on.
    pub dataset: NamedDigest,
    /// Where it ran, for shadow and canary evaluations.
    pub environment: Option<EnvironmentName>,
    /// What came out, by name.
    pub metrics: Ascending<Metric, METRICS_MAX>,
    /// Passed or failed, which the metrics and bounds decide.
    pub outcome: EvaluationOutcome,
    /// A remark.
    pub summary: Option<Text>,
}

words! {
    /// Kinds of evaluation that a policy can ask for.
    EvaluationKind, "an evaluation kind" {
        /// Quality against a reference.
        Regression = "regression",
        /// Differences between groups of people.
        Fairness = "fairness",
        /// On copied traffic, answers unused.
        Shadow = "shadow",
        /// On a small share of traffic.
        Canary = "canary",
        /// By another model.
        Judge = "judge",
        /// Anything else.
        Other = "other",
    }
}

words! {
    /// What an evaluation came to.
    EvaluationOutcome, "an outcome" {
        /// Every bounded metric lies within its bounds.
        Passed = "passed",
        /// At least one does not.
        Failed = "failed",
    }
}

/// One measured number with the bounds it was held against.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Metric {
    /// The metric's name.
    pub name: Name,
    /// What was measured.
    pub value: Finite,
    /// The least allowed, itself included.
    pub min: Option<Finite>,
    /// The most allowed, itself included.
    pub max: Option<Finite>,
}

impl Ranked for Metric {
    type Rank = Name;

    fn rank(&self) -> &Name {
        &self.name
    }
}

impl Metric {
    /// Whether it was held against a bound at all.
    #[must_use]
    pub const fn is_bounded(&self) -> bool {
        self.min.is_some() || self.max.is_some()
    }

    /// Whether the value lies within its bounds, themselves included.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.min.is_none_or(|min| min <= self.value) && self.max.is_none_or(|max| self.value <= max)
    }

    /// In what way the value lies outside its bounds, in words; none where it holds.
    #[must_use]
    pub fn breach(&self) -> Option<String> {
        let Self { name, value, min, max } = self;
        match (min, max) {
            (Some(min), _) if value < min => Some(format!("`{name}` is {value}, below {min}")),
            (_, Some(max)) if value > max => Some(format!("`{name}` is {value}, above {max}")),
            _ => None,
        }
    }

    /// Whether its least is above its most, so that no value could hold.
    #[must_use]
    pub fn bounds_cross(&self) -> bool {
        matches!((self.min, self.max), (Some(min), Some(max)) if min > max)
    }
}

/// What metrics and bounds come to: passed if every bounded metric holds. Where none has a bound, nothing was
/// held against anything: that is passed, and no gate counts it.
#[must_use]
pub fn outcome_of(metrics: &[Metric]) -> EvaluationOutcome {
    if metrics.iter().all(Metric::holds) { EvaluationOutcome::Passed } else { EvaluationOutcome::Failed }
}

/// `model.retired`: a version that must not be promoted again.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct ModelRetired {
    /// The model.
    pub model: Name,
    /// Its version.
    pub version: Name,
    /// Why.
    pub reason: Text,
}

/// `model.drift.detected`: a monitor saw what serves move away from what it was made for.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct DriftDetected {
    /// Where.
    pub environment: EnvironmentName,
    /// Which model.
    pub model: Name,
    /// Which version, where the monitor knows.
    pub version: Option<Name>,
    /// What drifted.
    pub kind: DriftKind,
    /// The feature or output that drifted, where it is one.
    pub feature: Option<Name>,
    /// The statistic, such as `psi` or `ks`.
    pub statistic: Name,
    /// Its value.
    pub value: Finite,
    /// The threshold it was held against.
    pub threshold: Finite,
    /// The window it was computed over, such as `24h`.
    pub window: Option<Name>,
    /// Who watches.
    pub monitor: Name,
    /// Whether the alert begins or ends.
    pub status: AlertStatus,
    /// When the monitor saw it.
    pub detected_at: Timestamp,
    /// A remark, or a link into the monitor.
    pub summary: Option<Text>,
}

words! {
    /// What drifted.
    DriftKind, "a drift kind" {
        /// The inputs' distribution.
        Data = "data",
        /// The relation of inputs to outputs.
        Concept = "concept",
        /// The distribution of embeddings.
        Embedding = "embedding",
    }
}

words! {
    /// Whether an alert begins or ends.
    AlertStatus, "an alert status" {
        /// It holds now.
        Firing = "firing",
        /// It held, and is over.
        Resolved = "resolved",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(value: &str, min: Option<&str>, max: Option<&str>) -> Metric {
        let number = |text: &str| text.parse().expect("finite");
        let name = Name::new("m").expect("a name");
        Metric { name, value: number(value), min: min.map(number), max: max.map(number) }
    }

    #[test]
    fn a_metric_holds_within_its_bounds_themselves_included() {
        for (value, min, max, holds) in [
            ("0.5", None, None, true),
            ("0.5", Some("0.5"), None, true),
            ("0.5", None, Some("0.5"), true),
            ("0.5", Some("0.5"), Some("0.5"), true),
            ("0.49999999999999994", Some("0.5"), None, false),
            ("0.5000000000000001", None, Some("0.5"), false),
            ("-0", Some("0"), Some("0"), true),
            ("-1e308", Some("-1e307"), None, false),
            ("0.5", Some("0.6"), Some("0.4"), false),
        ] {
            let metric = metric(value, min, max);
            assert_eq!(metric.holds(), holds, "{metric:?}");
            assert_eq!(metric.breach().is_none(), holds, "{metric:?}");
            assert_eq!(metric.is_bounded(), min.or(max).is_some(), "{metric:?}");
        }
        assert!(metric("0.5", Some("0.6"), Some("0.4")).bounds_cross());
        assert!(!metric("0.5", Some("0.6"), Some("0.6")).bounds_cross());
        assert!(!metric("0.5", Some("0.6"), None).bounds_cross());
    }

    #[test]
    fn an_outcome_is_what_its_metrics_come_to() {
        let (holds, fails, free) =
            (metric("1", Some("0"), None), metric("1", None, Some("0")), metric("1", None, None));
        let outcome = |metrics: &[&Metric]| {
            outcome_of(&metrics.iter().map(|metric| (*metric).clone()).collect::<Vec<_>>())
        };
        assert_eq!(outcome(&[]), EvaluationOutcome::Passed);
        assert_eq!(outcome(&[&free]), EvaluationOutcome::Passed);
        assert_eq!(outcome(&[&holds, &free]), EvaluationOutcome::Passed);
        assert_eq!(outcome(&[&holds, &fails, &free]), EvaluationOutcome::Failed);
    }
}
