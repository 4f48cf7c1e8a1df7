//! `rollbook evaluate`.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::promote::digest_of;
use crate::cli::record::{RecordArgs, record};
use crate::event::model::{EvaluationKind, ForeignDigest, Metric, ModelEvaluated, NamedDigest, outcome_of};
use crate::event::number::Finite;
use crate::event::text::{EnvironmentName, Name, Text};
use crate::hash::Hash;
use crate::linkage::evaluation::{
    EVALUATION_BYTES_MAX, Evaluation, FileFormat, check_metrics, read_bounds, read_evaluation,
};

/// Record what a version was measured to be, and the bounds that it was held against.
///
/// The outcome is computed: passed if every bounded metric lies within its bounds, both ends included. A
/// metric without a bound satisfies no gate. Metrics come from --metric, or from a file: our own JSON, an
/// in-toto test result (its signatures are not checked), or JSON of names to numbers with --bounds.
///
/// Example:
///   rollbook --key eva.pem evaluate credit-scorer 1.1.0 --kind fairness --suite fairlearn@0.12.0
///     --dataset loans-held-out=sha256:… --metric demographic_parity_difference=0.04:max=0.1
///   rollbook --key eva.pem evaluate credit-scorer 1.1.0 --kind judge --suite faithfulness@2
///     --dataset questions=sha256:… --from metrics.json --bounds bounds.toml
#[derive(Debug, Args)]
#[expect(clippy::doc_markdown, reason = "this is help for a terminal, which shows backticks")]
#[command(verbatim_doc_comment)]
pub struct Evaluate {
    /// The model
    pub model: Name,
    /// The version, as it was registered
    pub version: Name,
    /// regression, fairness, shadow, canary, judge or other
    #[arg(long, value_name = "K")]
    pub kind: Option<EvaluationKind>,
    /// The suite or harness that measured, with its version
    #[arg(long, value_name = "NAME@VERSION")]
    pub suite: Option<String>,
    /// The suite's digest: sha256:, sha384: or sha512: and hex digits
    #[arg(long, value_name = "D")]
    pub suite_digest: Option<ForeignDigest>,
    /// The data set that it was measured on
    #[arg(long, value_name = "NAME=DIGEST")]
    pub dataset: Option<String>,
    /// A metric with its bounds; repeats
    #[arg(long, value_name = "NAME=VALUE[:min=N][:max=N]", conflicts_with = "from")]
    pub metric: Vec<String>,
    /// A file that holds metrics, or all of it; - for stdin
    #[arg(long, value_name = "FILE", required_unless_present = "metric")]
    pub from: Option<PathBuf>,
    /// What the file is: rollbook, test-result or metrics; unless given, it is told from what stands there
    #[arg(long, value_name = "FORMAT", requires = "from")]
    pub format: Option<FileFormat>,
    /// Bounds for a file of plain metrics, TOML or JSON: a table a metric, with min, max or both
    #[arg(long, value_name = "FILE", requires = "from")]
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
        let said = self.said()?;
        let missing =
            |what: &str| Failure::usage(format!("{what} is missing: neither an option nor the file says it"));
        let kind = said.kind.ok_or_else(|| missing("--kind"))?;
        let suite = said.suite.clone().ok_or_else(|| missing("--suite"))?;
        let dataset = said.dataset.clone().ok_or_else(|| missing("--dataset"))?;
        if said.in_envelope {
            context.say("note: the signatures around the in-toto statement were not checked; yours stands for what it says");
        }
        if !said.metrics.iter().any(Metric::is_bounded) {
            context.say("note: no metric has a bound: this evaluation satisfies no gate");
        }
        record(context, &self.record, &mut |facts, _, _| {
            let digest = digest_of(facts, &self.model, &self.version)?;
            check_subject(said.subjects.as_deref(), digest)?;
            Ok(ModelEvaluated {
                model: self.model.clone(),
                version: self.version.clone(),
                digest,
                kind,
                suite: suite.clone(),
                suite_version: said.suite_version.clone(),
                suite_digest: said.suite_digest,
                dataset: dataset.clone(),
                environment: said.environment.clone(),
                outcome: outcome_of(&said.metrics),
                metrics: said.metrics.clone(),
                summary: said.summary.clone(),
            }
            .into())
        })
    }

    /// What options and file say together; they must not contradict each other.
    fn said(&self) -> Result<Evaluation, Failure> {
        let file = match &self.from {
            Some(path) => self.read(path)?,
            None => {
                let metrics = self.metric.iter().map(|text| metric(text)).collect::<Result<_, _>>()?;
                Evaluation {
                    metrics: check_metrics(metrics).map_err(Failure::usage)?,
                    ..Evaluation::default()
                }
            }
        };
        let (suite, suite_version) = match &self.suite {
            Some(text) => suite(text)?,
            None => (None, None),
        };
        let dataset = self.dataset.as_deref().map(dataset).transpose()?;
        Ok(Evaluation {
            model: agree("model", Some(self.model.clone()), file.model)?,
            version: agree("version", Some(self.version.clone()), file.version)?,
            kind: agree("--kind", self.kind, file.kind)?,
            suite: agree("--suite", suite, file.suite)?,
            suite_version: agree("--suite", suite_version, file.suite_version)?,
            suite_digest: agree("--suite-digest", self.suite_digest, file.suite_digest)?,
            dataset: agree_on_dataset(dataset, file.dataset)?,
            environment: agree("--env", self.env.clone(), file.environment)?,
            summary: agree("--summary", self.summary.clone(), file.summary)?,
            ..file
        })
    }

    fn read(&self, path: &Path) -> Result<Evaluation, Failure> {
        let fault = |path: &Path, error: &dyn std::fmt::Display| {
            Failure::usage(format!("{}: {error}", path.display()))
        };
        let bounds = match &self.bounds {
            Some(path) => Some(read_bounds(&read_file(path)?).map_err(|error| fault(path, &error))?),
            None => None,
        };
        read_evaluation(&read_file(path)?, self.format, bounds.as_ref()).map_err(|error| fault(path, &error))
    }
}

/// The bytes of a file, or of stdin, no more than are read of an evaluation.
///
/// # Errors
/// It cannot be read.
pub fn read_file(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |error: std::io::Error| Failure::input(path, &error);
    let source: Box<dyn std::io::Read> = if path == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        Box::new(std::fs::File::open(path).map_err(failed)?)
    };
    let mut bytes = Vec::new();
    source.take(EVALUATION_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// What an option and the file say of one thing.
fn agree<T: PartialEq + std::fmt::Display>(
    what: &str,
    option: Option<T>,
    file: Option<T>,
) -> Result<Option<T>, Failure> {
    match (option, file) {
        (Some(option), Some(file)) if option != file => {
            Err(Failure::usage(format!("{what} is {option} on the command line, and {file} in the file"))
                .hint("leave one of them out"))
        }
        (option, file) => Ok(option.or(file)),
    }
}

fn agree_on_dataset(
    option: Option<NamedDigest>,
    file: Option<NamedDigest>,
) -> Result<Option<NamedDigest>, Failure> {
    match (&option, &file) {
        (Some(said), Some(stands)) if said != stands => Err(Failure::usage(format!(
            "--dataset is {}={} on the command line, and {}={} in the file",
            said.name, said.digest, stands.name, stands.digest
        ))),
        _ => Ok(option.or(file)),
    }
}

/// A statement is about the very files that were registered.
fn check_subject(subjects: Option<&[Hash]>, digest: Hash) -> Result<(), Failure> {
    match subjects {
        Some(subjects) if !subjects.contains(&digest) => Err(Failure::usage(format!(
            "the statement is about other files: the registered digest is sha256:{digest}"
        ))
        .hint("its subject's sha256 is to be the OpenSSF root; see `rollbook log --kind model.registered`")),
        _ => Ok(()),
    }
}

fn suite(text: &str) -> Result<(Option<Name>, Option<Name>), Failure> {
    Ok(match text.rsplit_once('@') {
        Some((name, version)) => (Some(Name::new(name)?), Some(Name::new(version)?)),
        None => (Some(Name::new(text)?), None),
    })
}

fn dataset(text: &str) -> Result<NamedDigest, Failure> {
    let (name, digest) = text
        .split_once('=')
        .ok_or_else(|| Failure::usage(format!("--dataset {text} has no `=`: NAME=DIGEST is expected")))?;
    Ok(NamedDigest { name: Name::new(name)?, digest: digest.parse().map_err(Failure::usage)? })
}

/// `NAME=VALUE`, and behind it `:min=N`, `:max=N` or both.
fn metric(text: &str) -> Result<Metric, Failure> {
    let fault = |what: &str| {
        Failure::usage(format!("--metric {text}: {what}"))
            .hint("NAME=VALUE[:min=N][:max=N], such as auc=0.91:min=0.8")
    };
    let (name, rest) = text.split_once('=').ok_or_else(|| fault("it has no `=`"))?;
    let number = |text: &str| Finite::from_str(text).map_err(|error| fault(&error.to_string()));
    let mut parts = rest.split(':');
    let value = number(parts.next().unwrap_or_default())?;
    let mut metric = Metric { name: Name::new(name)?, value, min: None, max: None };
    for part in parts {
        let bound = match part.split_once('=') {
            Some(("min", _)) if metric.min.is_none() => &mut metric.min,
            Some(("max", _)) if metric.max.is_none() => &mut metric.max,
            _ => return Err(fault(&format!("`{part}` is no bound"))),
        };
        let (_, text) = part.split_once('=').unwrap_or_default();
        *bound = Some(number(text)?);
    }
    Ok(metric)
}
