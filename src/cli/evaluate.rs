//! `rollbook evaluate`.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::input::{is_stdin, read_input};
use crate::cli::promote::digest_of;
use crate::cli::record::{RecordArgs, record};
use crate::cli::register::dataset;
use crate::cli::view::Facts;
use crate::event::model::{
    EvaluationKind, ForeignDigest, Metric, ModelEvaluated, NamedDigest, ParseDigestError, outcome_of,
};
use crate::event::number::Finite;
use crate::event::text::{EnvironmentName, Name, Text};
use crate::hash::Hash;
use crate::linkage::evaluation::{
    EVALUATION_BYTES_MAX, Evaluation, EvaluationError, FileFormat, check_metrics, read_bounds,
    read_evaluation,
};
use crate::words::nearest;

/// Record what measuring a model version came to. Passed or failed is computed from metrics and bounds.
///
/// Metrics come from the command line, or from a file: our own JSON, an in-toto statement of the type
/// test-result/v0.1, or a JSON object of metric names to numbers with their bounds in a file beside it.
/// What the file says and what the command line says must agree. A metric without a bound is recorded,
/// and satisfies no gate. An evaluation that failed is recorded like one that passed: exit code 0.
///
/// Example:
///   rollbook --key evaluator.pem evaluate credit-scorer 1.1.0 --kind fairness --suite fairlearn@0.12
///     --dataset loans-2026=sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
///     --metric demographic_parity_difference=0.04:max=0.1 --metric accuracy=0.91:min=0.9
#[derive(Debug, Args)]
#[expect(clippy::doc_markdown, reason = "this is help for a terminal, which shows backticks")]
#[command(verbatim_doc_comment)]
pub struct Evaluate {
    /// The model
    pub model: Name,
    /// The version, as it was registered
    pub version: Name,
    /// What kind of evaluation: regression, fairness, shadow, canary, judge or other
    #[arg(long, value_name = "K")]
    pub kind: Option<EvaluationKind>,
    /// The suite or harness that measured, and its version
    #[arg(long, value_name = "NAME[@VERSION]")]
    pub suite: Option<String>,
    /// The suite's digest
    #[arg(long, value_name = "DIGEST")]
    pub suite_digest: Option<ForeignDigest>,
    /// The data set it was measured on, and its digest
    #[arg(long, value_name = "NAME=DIGEST")]
    pub dataset: Option<String>,
    /// A metric, and the least and the most that it may be; repeats
    #[arg(
        long,
        value_name = "NAME=VALUE[:min=N][:max=N]",
        required_unless_present = "from",
        conflicts_with = "from"
    )]
    pub metric: Vec<String>,
    /// A file that says it; - for stdin
    #[arg(long, value_name = "FILE")]
    pub from: Option<PathBuf>,
    /// What that file is: rollbook, test-result or metrics; unless given, it is told from what stands there
    #[arg(long, value_name = "F", requires = "from", conflicts_with = "metric")]
    pub format: Option<FileFormat>,
    /// The bounds of metrics that come without: TOML or JSON
    #[arg(long, value_name = "FILE", requires = "from", conflicts_with = "metric")]
    pub bounds: Option<PathBuf>,
    /// Where it ran, for shadow and canary evaluations
    #[arg(long, value_name = "E")]
    pub env: Option<EnvironmentName>,
    /// A remark
    #[arg(long, value_name = "T")]
    pub summary: Option<Text>,
    #[command(flatten)]
    record: RecordArgs,
}

impl Evaluate {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn run(self, context: &Context) -> Result<(), Failure> {
        let read = self.read()?;
        let claim = self.agreed(&read)?;
        record(context, &self.record, &mut |facts, _, _| {
            let digest = digest_of(facts, &self.model, &self.version)?;
            check_subject(facts, &claim, read.subjects.as_deref(), digest)?;
            Ok(ModelEvaluated { digest, ..claim.clone() }.into())
        })?;
        if read.in_envelope {
            context
                .say("note: nobody checked the signatures of the envelope; what is recorded rests on yours");
        }
        if !claim.metrics.iter().any(Metric::is_bounded) {
            context.say("note: no metric has a bound: this evaluation satisfies no gate");
        }
        Ok(())
    }

    /// What the file says, or the metrics of the command line.
    fn read(&self) -> Result<Evaluation, Failure> {
        let Some(path) = &self.from else {
            let metrics = self.metric.iter().map(|text| metric(text)).collect::<Result<Vec<_>, _>>()?;
            let metrics = check_metrics(metrics).map_err(|error| unfit("--metric", &error))?;
            return Ok(Evaluation { metrics, ..Evaluation::default() });
        };
        let bounds = match &self.bounds {
            Some(bounds) if is_stdin(bounds) && is_stdin(path) => {
                return Err(Failure::usage("--from and --bounds cannot both be stdin").hint("name a file"));
            }
            Some(bounds) => {
                let text = read_input(bounds, "a file of bounds", EVALUATION_BYTES_MAX)?;
                Some(read_bounds(&text).map_err(|error| unfit(&shown(bounds), &error))?)
            }
            None => None,
        };
        let json = read_input(path, "an evaluation", EVALUATION_BYTES_MAX)?;
        read_evaluation(&json, self.format, bounds.as_ref()).map_err(|error| unfit(&shown(path), &error))
    }

    /// What file and command line say together; the digest is still to be filled in.
    fn agreed(&self, read: &Evaluation) -> Result<ModelEvaluated, Failure> {
        let suite = self.suite.as_deref().map(suite).transpose()?;
        let (suite, suite_version) = suite.map_or((None, None), |(name, version)| (Some(name), version));
        let dataset = self.dataset.as_deref().map(dataset).transpose()?;
        let (named, dataset_digest) = dataset.map_or((None, None), |d| (Some(d.name), Some(d.digest)));
        let file = &read.dataset;
        agree("model", Some(&self.model), read.model.as_ref())?;
        agree("version", Some(&self.version), read.version.as_ref())?;
        let tested = read.configurations.as_slice();
        let suite_in_file = match tested {
            [(name, _)] if suite.is_none() => Some(name),
            _ => read.suite.as_ref(),
        };
        let suite = needed("suite", agree("suite", suite.as_ref(), suite_in_file)?, "--suite NAME@VERSION")?;
        let of_suite = tested.iter().find(|(name, _)| name == suite).and_then(|(_, digest)| digest.as_ref());
        let digest_in_file = read.suite_digest.as_ref().or(of_suite);
        let name = agree("dataset", named.as_ref(), file.as_ref().map(|file| &file.name))?;
        let digest =
            agree("dataset's digest", dataset_digest.as_ref(), file.as_ref().map(|file| &file.digest))?;
        let (say_dataset, say_kind) = ("--dataset NAME=DIGEST", "--kind K");
        Ok(ModelEvaluated {
            model: self.model.clone(),
            version: self.version.clone(),
            digest: Hash::ZERO,
            kind: *needed("kind", agree("kind", self.kind.as_ref(), read.kind.as_ref())?, say_kind)?,
            suite: suite.clone(),
            suite_version: agree("suite_version", suite_version.as_ref(), read.suite_version.as_ref())?
                .cloned(),
            suite_digest: agree("suite_digest", self.suite_digest.as_ref(), digest_in_file)?.copied(),
            dataset: NamedDigest {
                name: needed("dataset", name, say_dataset)?.clone(),
                digest: *needed("dataset", digest, say_dataset)?,
            },
            environment: agree("environment", self.env.as_ref(), read.environment.as_ref())?.cloned(),
            outcome: outcome_of(&read.metrics),
            metrics: read.metrics.clone(),
            summary: agree("summary", self.summary.as_ref(), read.summary.as_ref())?.cloned(),
        })
    }
}

/// A statement is about the very model that was registered.
fn check_subject(
    facts: &mut dyn Facts,
    claim: &ModelEvaluated,
    subjects: Option<&[Hash]>,
    registered: Hash,
) -> Result<(), Failure> {
    let Some(subjects) = subjects.filter(|subjects| !subjects.contains(&registered)) else { return Ok(()) };
    let actual: Vec<String> = subjects.iter().take(3).map(ToString::to_string).collect();
    let ModelEvaluated { model, version, .. } = claim;
    let entry = facts.version(model, version)?.map_or(0, |row| row.entry);
    let message = format!(
        "the statement is about sha256:{}, and {model} {version} was registered with {registered}",
        actual.join(", sha256:")
    );
    Err(Failure::no("digest_mismatch", message).hint(format!(
        "a subject's sha256 must be the OpenSSF root of the model, as in `rollbook show {entry}`"
    )))
}

/// What both say, where both do, or either.
///
/// # Errors
/// They say different things.
pub fn agree<'a, T: PartialEq + Display>(
    field: &str,
    said: Option<&'a T>,
    read: Option<&'a T>,
) -> Result<Option<&'a T>, Failure> {
    match (said, read) {
        (Some(said), Some(read)) if said != read => {
            let message = format!("the command line says {field} `{said}`, and the file says `{read}`");
            Err(Failure::usage(message).hint("leave one out, or put right the one that is wrong"))
        }
        _ => Ok(said.or(read)),
    }
}

fn needed<T>(field: &str, value: Option<T>, option: &str) -> Result<T, Failure> {
    value.ok_or_else(|| {
        Failure::usage(format!("nothing says the evaluation's {field}")).hint(format!("say {option}"))
    })
}

fn shown(path: &Path) -> String {
    if is_stdin(path) { "stdin".into() } else { path.display().to_string() }
}

fn unfit(place: &str, error: &EvaluationError) -> Failure {
    use EvaluationError as E;
    let failure = Failure::usage(format!("{place}: {error}"));
    let hint = match error {
        E::OutcomeContradicted { .. } => {
            "leave the outcome out, or put right what is wrong: one of the two is"
        }
        E::FormatUnclear => "say --format metrics, or rollbook",
        E::BoundsUnfit(_) => "leave --bounds out: it holds its own",
        E::BoundsWithoutMetric { .. } => "measure them, or take their bounds out",
        E::BoundsCross { .. } => "let min be at most max",
        E::MetricsMissing => "say what was measured; a metric without a bound will do, for no gate",
        E::MetricsTooMany { .. } => "record several evaluations, a suite each",
        E::NotFinite { .. } | E::Json(crate::linkage::json::JsonError::NotFinite { .. }) => {
            "leave out what could not be measured"
        }
        E::TooLarge { .. } => "see that this is the right file",
        E::Type { .. } => "see that this is the right file: a statement of a test result is expected",
        _ => "docs/integrations/measurements.md shows each format",
    };
    failure.hint(hint)
}

/// `NAME` or `NAME@VERSION`.
fn suite(text: &str) -> Result<(Name, Option<Name>), Failure> {
    match text.rsplit_once('@') {
        Some((name, version)) if !name.is_empty() => Ok((Name::new(name)?, Some(Name::new(version)?))),
        _ => Ok((Name::new(text)?, None)),
    }
}

/// `NAME=VALUE[:min=N][:max=N]`.
fn metric(text: &str) -> Result<Metric, Failure> {
    let unfit = |what: String| {
        Failure::usage(format!("--metric {text}: {what}")).hint("say --metric NAME=VALUE:min=N:max=N")
    };
    let (name, rest) = text.split_once('=').ok_or_else(|| unfit("it has no value".into()))?;
    let name = Name::new(name).map_err(|error| unfit(error.to_string()))?;
    let number = |text: &str| text.parse::<Finite>().map_err(|error| unfit(error.to_string()));
    let mut parts = rest.split(':');
    let value = number(parts.next().unwrap_or_default())?;
    let (mut min, mut max) = (None, None);
    for part in parts {
        let (word, bound) = part.split_once('=').unwrap_or((part, ""));
        let place = match word {
            "min" => &mut min,
            "max" => &mut max,
            _ => {
                let meant = nearest(word, ["min", "max"]).map(|word| format!(": did you mean `{word}`?"));
                return Err(unfit(format!("`{word}` is no bound{}", meant.unwrap_or_default())));
            }
        };
        if place.replace(number(bound)?).is_some() {
            return Err(unfit(format!("{word}= stands twice")));
        }
    }
    Ok(Metric { name, value, min, max })
}

impl From<ParseDigestError> for Failure {
    fn from(error: ParseDigestError) -> Self {
        Self::usage(error).hint("say sha256:HEX")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_a_name_a_value_and_bounds() {
        for (text, value, min, max) in [
            ("accuracy=0.91", 0.91, None, None),
            ("accuracy=0.91:min=0.9", 0.91, Some(0.9), None),
            ("accuracy=-0:max=1e-3:min=-1", 0.0, Some(-1.0), Some(0.001)),
        ] {
            let metric = metric(text).unwrap();
            let numbers =
                (metric.value.value(), metric.min.map(Finite::value), metric.max.map(Finite::value));
            assert_eq!((metric.name.as_str(), numbers), ("accuracy", (value, min, max)), "{text}");
        }
        for (text, told) in [
            ("accuracy", "it has no value"),
            ("=1", "a name is empty"),
            ("a=", "`` is not a finite number"),
            ("a=NaN", "`NaN` is not a finite number"),
            ("a=1e999", "`1e999` is not a finite number"),
            ("a=1:min=inf", "`inf` is not a finite number"),
            ("a=1:min", "`` is not a finite number"),
            ("a=1:mni=1", "`mni` is no bound: did you mean `min`?"),
            ("a=1:", "`` is no bound"),
            ("a=1:min=1:min=2", "min= stands twice"),
        ] {
            let failure = metric(text).unwrap_err();
            assert!(failure.message.contains(told), "{}: {told}", failure.message);
            assert!(failure.message.contains(text) && failure.hint.is_some(), "{}", failure.message);
        }
    }

    #[test]
    fn a_suite_is_a_name_and_perhaps_a_version() {
        let read =
            |text| suite(text).map(|(name, version)| (name.to_string(), version.map(|v| v.to_string())));
        let pair = |name: &str, version: Option<&str>| (name.to_owned(), version.map(str::to_owned));
        assert_eq!(read("fairlearn@0.12").unwrap(), pair("fairlearn", Some("0.12")));
        assert_eq!(read("fairlearn").unwrap(), pair("fairlearn", None));
        assert_eq!(read("@acme/suite@2").unwrap(), pair("@acme/suite", Some("2")));
        assert_eq!(read("@acme").unwrap(), pair("@acme", None));
        assert!(read("").is_err());
        assert!(read("fairlearn@").is_err());
    }
}
