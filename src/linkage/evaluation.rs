//! Evaluations as files say them: our own JSON, in-toto's `test-result/v0.1`, and plain metrics with their
//! bounds beside them (docs/integrations/measurements.md).
//!
//! From bytes to what they say; nothing is read from disk here, and no event is made. What a file claims to
//! have come of an evaluation is held against its metrics and bounds: it counts for nothing by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

use crate::event::list::Ascending;
use crate::event::model::{
    EvaluationKind, EvaluationOutcome, ForeignDigest, METRICS_MAX, Metric, NamedDigest, outcome_of,
};
use crate::event::number::Finite;
use crate::event::text::{EnvironmentName, Name, Text};
use crate::hash::Hash;
use crate::linkage::json::{JsonError, Node, Object, shown};
use crate::words::{nearest, words};

/// The largest file, in bytes: a test result with tens of thousands of names. Metrics take a few KiB.
pub const EVALUATION_BYTES_MAX: usize = 4 << 20;

/// The type of an in-toto statement.
const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
/// The predicate that says what tests came to.
const TEST_RESULT: &str = "https://in-toto.io/attestation/test-result/v0.1";
/// The payload of an envelope around a statement.
const IN_TOTO_PAYLOAD: &str = "application/vnd.in-toto+json";
/// What our own JSON may hold.
const FIELDS: [&str; 11] = [
    "model",
    "version",
    "kind",
    "suite",
    "suite_version",
    "suite_digest",
    "dataset",
    "metrics",
    "outcome",
    "environment",
    "summary",
];
/// How many things an error names before it says that there are more.
const NAMED_MAX: usize = 5;

words! {
    /// What a file of an evaluation is.
    FileFormat, "a format of evaluations" {
        /// Our own JSON.
        Rollbook = "rollbook",
        /// An in-toto statement of the type `test-result/v0.1`, or a DSSE envelope around one.
        TestResult = "test-result",
        /// A JSON object of metric names to numbers.
        Metrics = "metrics",
    }
}

/// What a file says of an evaluation. What it doesn't say is none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Evaluation {
    /// The model.
    pub model: Option<Name>,
    /// Its version.
    pub version: Option<Name>,
    /// What kind of evaluation.
    pub kind: Option<EvaluationKind>,
    /// The suite or harness.
    pub suite: Option<Name>,
    /// The suite's version.
    pub suite_version: Option<Name>,
    /// The suite's digest.
    pub suite_digest: Option<ForeignDigest>,
    /// The data set.
    pub dataset: Option<NamedDigest>,
    /// Where it ran.
    pub environment: Option<EnvironmentName>,
    /// What came out.
    pub metrics: Ascending<Metric, METRICS_MAX>,
    /// A remark.
    pub summary: Option<Text>,
    /// What a statement is about; one of these must be what was registered.
    pub subjects: Option<Vec<Hash>>,
    /// Whether the statement came in an envelope, whose signatures nobody checked.
    pub in_envelope: bool,
    /// The configurations that a statement names, each with its digest.
    pub configurations: Vec<(Name, Option<ForeignDigest>)>,
}

/// Bounds by the metric's name.
pub type Bounds = BTreeMap<Name, Bound>;

/// What a metric is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bound {
    /// The least allowed, itself included.
    pub min: Option<Finite>,
    /// The most allowed, itself included.
    pub max: Option<Finite>,
}

/// Why a file says nothing that could be recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvaluationError {
    /// Over [`EVALUATION_BYTES_MAX`].
    #[error("it has {bytes} bytes, at most {EVALUATION_BYTES_MAX} are read")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// Not JSON.
    #[error("{0}")]
    Json(#[from] JsonError),
    /// Bounds that are not TOML.
    #[error("the bounds are not TOML: {0}")]
    Toml(String),
    /// What it is cannot be told.
    #[error("it could be more than one format: say which with --format ({})", names(FileFormat::ALL.iter()))]
    FormatUnclear,
    /// Bounds for what holds its own, or for what needs none.
    #[error("bounds in a file of their own go with plain metrics, and this is {0}")]
    BoundsUnfit(FileFormat),
    /// A field that nobody knows.
    #[error("{place} is unknown{}", meant(*.nearest))]
    FieldUnknown {
        /// Where.
        place: String,
        /// What was perhaps meant.
        nearest: Option<&'static str>,
    },
    /// A field that must be there.
    #[error("{place} is missing")]
    FieldMissing {
        /// Where.
        place: String,
    },
    /// A field of another kind.
    #[error("{place} is {actual}, {expected} is expected")]
    FieldKind {
        /// Where.
        place: String,
        /// What it is.
        actual: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// A field whose text doesn't do.
    #[error("{place}: {reason}")]
    Field {
        /// Where.
        place: String,
        /// Why.
        reason: String,
    },
    /// A number that is none.
    #[error("{place} is not a finite number")]
    NotFinite {
        /// Where.
        place: String,
    },
    /// Nothing was measured.
    #[error("no metric is given")]
    MetricsMissing,
    /// Two metrics, or bounds, of one name.
    #[error("{what} `{name}` stand twice")]
    Twice {
        /// Metrics or bounds.
        what: &'static str,
        /// The metric's name.
        name: Name,
    },
    /// Over the bound of an event.
    #[error("there are {actual} metrics, an evaluation holds at most {METRICS_MAX}")]
    MetricsTooMany {
        /// How many there are.
        actual: usize,
    },
    /// A bound that nothing can meet.
    #[error("metric `{name}` must be at least {min} and at most {max}: nothing can be")]
    BoundsCross {
        /// The metric.
        name: Name,
        /// The least.
        min: Finite,
        /// The most.
        max: Finite,
    },
    /// Bounds for what was not measured.
    #[error("there are bounds for metrics that were not measured: {names}")]
    BoundsWithoutMetric {
        /// The names.
        names: String,
    },
    /// What the file claims is not what its metrics come to.
    #[error("it says {claimed}, and its metrics say {computed}: {because}")]
    OutcomeContradicted {
        /// What it claims.
        claimed: &'static str,
        /// What metrics and bounds come to.
        computed: EvaluationOutcome,
        /// The metrics that say so.
        because: String,
    },
    /// A statement of another type.
    #[error("{place} is `{actual}`, `{expected}` is expected")]
    Type {
        /// The field that says it.
        place: &'static str,
        /// What it says.
        actual: String,
        /// What it should say.
        expected: &'static str,
    },
    /// A test that came to two things, or is counted twice.
    #[error("test `{test}` stands twice, in {first} and in {second}")]
    TestTwice {
        /// The test.
        test: String,
        /// A list it stands in.
        first: &'static str,
        /// Another, or the same.
        second: &'static str,
    },
}

type Outcome<T> = Result<T, EvaluationError>;

/// Reads what a file says. Where no format is named it is told from what stands there; bounds come only with
/// plain metrics.
///
/// # Errors
/// [`EvaluationError`], naming the field or metric.
pub fn read_evaluation(
    json: &[u8],
    format: Option<FileFormat>,
    bounds: Option<&Bounds>,
) -> Outcome<Evaluation> {
    check_size(json)?;
    let object = object_of(Node::parse(json)?, "the file")?;
    let format = match format {
        Some(format) => format,
        None if bounds.is_some() && !is_statement(&object) => FileFormat::Metrics,
        None => detect(&object)?,
    };
    if bounds.is_some() && format != FileFormat::Metrics {
        return Err(EvaluationError::BoundsUnfit(format));
    }
    match format {
        FileFormat::Rollbook => own(object),
        FileFormat::TestResult => test_result(object),
        FileFormat::Metrics => Ok(Evaluation { metrics: plain(object, bounds)?, ..Evaluation::default() }),
    }
}

/// Reads bounds: TOML with a table a metric, or JSON with an object a metric, each with `min`, `max` or both.
///
/// # Errors
/// [`EvaluationError`], naming the metric.
pub fn read_bounds(text: &[u8]) -> Outcome<Bounds> {
    check_size(text)?;
    let is_json = text.trim_ascii_start().first() == Some(&b'{');
    let node = if is_json { Node::parse(text)? } else { toml_node(text)? };
    let mut bounds = Bounds::new();
    for (name, node) in object_of(node, "the file")? {
        let object = object_of(node, &quoted(&name))?;
        let is_group = !object.is_empty() && object.values().all(|node| matches!(node, Node::Object(_)));
        if !is_group {
            add_bound(&mut bounds, &name, object)?;
            continue;
        }
        for (inner, node) in object {
            let name = format!("{name}.{inner}");
            add_bound(&mut bounds, &name, object_of(node, &quoted(&name))?)?;
        }
    }
    Ok(bounds)
}

/// Metrics in order: none twice, none whose bounds nothing could meet, and at least one.
///
/// # Errors
/// [`EvaluationError`], naming the metric.
pub fn check_metrics(mut metrics: Vec<Metric>) -> Outcome<Ascending<Metric, METRICS_MAX>> {
    metrics.sort_by(|a, b| a.name.cmp(&b.name));
    if let Some(pair) = metrics.windows(2).find(|pair| pair[0].name == pair[1].name) {
        return Err(EvaluationError::Twice { what: "metrics called", name: pair[0].name.clone() });
    }
    for metric in &metrics {
        if let (true, Some(min), Some(max)) = (metric.bounds_cross(), metric.min, metric.max) {
            return Err(EvaluationError::BoundsCross { name: metric.name.clone(), min, max });
        }
    }
    match metrics.len() {
        0 => Err(EvaluationError::MetricsMissing),
        actual => Ascending::new(metrics).map_err(|_| EvaluationError::MetricsTooMany { actual }),
    }
}

fn check_size(text: &[u8]) -> Outcome<()> {
    match text.len() {
        bytes if bytes > EVALUATION_BYTES_MAX => Err(EvaluationError::TooLarge { bytes }),
        _ => Ok(()),
    }
}

// Formats.

fn is_statement(object: &Object) -> bool {
    let has_text = |key| matches!(object.get(key), Some(Node::Text(_)));
    has_text("_type") || (has_text("payloadType") && has_text("payload"))
}

/// The format that an object is in: statements say so, our own says words about the evaluation, and plain
/// metrics say none.
fn detect(object: &Object) -> Outcome<FileFormat> {
    let says_words =
        FIELDS.iter().any(|field| matches!(object.get(*field), Some(Node::Text(_) | Node::List(_))));
    match object.get("metrics") {
        _ if is_statement(object) => Ok(FileFormat::TestResult),
        _ if says_words => Ok(FileFormat::Rollbook),
        Some(_) => Err(EvaluationError::FormatUnclear),
        None => Ok(FileFormat::Metrics),
    }
}

/// Our own JSON. Nothing is passed over: what we don't know might have mattered.
fn own(mut object: Object) -> Outcome<Evaluation> {
    if let Some(unknown) = object.keys().find(|key| !FIELDS.contains(&key.as_str())) {
        return Err(unknown_field("", unknown, &FIELDS));
    }
    let metrics = match take(&mut object, "metrics") {
        Some(node) => own_metrics(node)?,
        None => return Err(EvaluationError::FieldMissing { place: quoted("metrics") }),
    };
    let outcome: Option<EvaluationOutcome> = text(&mut object, "", "outcome")?;
    if let Some(claimed) = outcome {
        check_claim(claimed.as_str(), claimed, &metrics)?;
    }
    Ok(Evaluation {
        model: text(&mut object, "", "model")?,
        version: text(&mut object, "", "version")?,
        kind: text(&mut object, "", "kind")?,
        suite: text(&mut object, "", "suite")?,
        suite_version: text(&mut object, "", "suite_version")?,
        suite_digest: text(&mut object, "", "suite_digest")?,
        dataset: take(&mut object, "dataset").map(own_dataset).transpose()?,
        environment: text(&mut object, "", "environment")?,
        metrics,
        summary: text(&mut object, "", "summary")?,
        ..Evaluation::default()
    })
}

fn own_dataset(node: Node) -> Outcome<NamedDigest> {
    let mut object = object_of(node, &quoted("dataset"))?;
    let (name, digest) =
        (needed(&mut object, "dataset.", "name")?, needed(&mut object, "dataset.", "digest")?);
    nothing_else(&object, "dataset.", &["name", "digest"])?;
    Ok(NamedDigest { name, digest })
}

fn own_metrics(node: Node) -> Outcome<Ascending<Metric, METRICS_MAX>> {
    let items = list_of(node, &quoted("metrics"))?;
    let metrics = items.into_iter().enumerate().map(|(at, node)| own_metric(at, node));
    check_metrics(metrics.collect::<Outcome<_>>()?)
}

fn own_metric(at: usize, node: Node) -> Outcome<Metric> {
    let place = format!("metrics[{at}].");
    let mut object = object_of(node, &quoted(&format!("metrics[{at}]")))?;
    let name: Name = needed(&mut object, &place, "name")?;
    let number = |object: &mut Object, field: &str| {
        let place = format!("`{field}` of metric `{name}`");
        take(object, field).map(|node| number(&node, &place)).transpose()
    };
    let (value, min, max) =
        (number(&mut object, "value")?, number(&mut object, "min")?, number(&mut object, "max")?);
    nothing_else(&object, &place, &["name", "value", "min", "max"])?;
    let missing = || EvaluationError::FieldMissing { place: format!("`value` of metric `{name}`") };
    Ok(Metric { value: value.ok_or_else(missing)?, name, min, max })
}

/// Metric names to numbers, or to objects of them.
fn plain(object: Object, bounds: Option<&Bounds>) -> Outcome<Ascending<Metric, METRICS_MAX>> {
    let mut metrics = Vec::new();
    for (name, node) in object {
        match node {
            Node::Object(group) => {
                for (inner, node) in group {
                    metrics.push(plain_metric(&format!("{name}.{inner}"), &node, bounds)?);
                }
            }
            node => metrics.push(plain_metric(&name, &node, bounds)?),
        }
    }
    let names: BTreeSet<&Name> = metrics.iter().map(|metric| &metric.name).collect();
    let without: Vec<&Name> =
        bounds.into_iter().flat_map(Bounds::keys).filter(|name| !names.contains(*name)).collect();
    if !without.is_empty() {
        return Err(EvaluationError::BoundsWithoutMetric { names: self::names(without.iter()) });
    }
    check_metrics(metrics)
}

fn plain_metric(name: &str, node: &Node, bounds: Option<&Bounds>) -> Outcome<Metric> {
    let value = number(node, &format!("metric {}", quoted(name)))?;
    let name = metric_name(name)?;
    let bound = bounds.and_then(|bounds| bounds.get(&name)).copied().unwrap_or_default();
    Ok(Metric { value, name, min: bound.min, max: bound.max })
}

fn add_bound(bounds: &mut Bounds, name: &str, mut object: Object) -> Outcome<()> {
    let mut bound = |field: &str| {
        let place = format!("`{field}` of metric {}", quoted(name));
        take(&mut object, field).map(|node| number(&node, &place)).transpose()
    };
    let (min, max) = (bound("min")?, bound("max")?);
    nothing_else(&object, &format!("{name}."), &["min", "max"])?;
    let name = metric_name(name)?;
    match (min, max) {
        (None, None) => Err(EvaluationError::FieldMissing { place: format!("the bound of metric `{name}`") }),
        (Some(min), Some(max)) if min > max => Err(EvaluationError::BoundsCross { name, min, max }),
        _ if bounds.insert(name.clone(), Bound { min, max }).is_some() => {
            Err(EvaluationError::Twice { what: "bounds of metric", name })
        }
        _ => Ok(()),
    }
}

fn metric_name(name: &str) -> Outcome<Name> {
    let unfit = |error| EvaluationError::Field { place: format!("metric {}", quoted(name)), reason: error };
    Name::new(name).map_err(|error| unfit(error.to_string()))
}

/// What the metrics come to is what counts; a claim that differs is an error, and not only corrected, for one
/// of the two is wrong.
fn check_claim(said: &'static str, claimed: EvaluationOutcome, metrics: &[Metric]) -> Outcome<()> {
    let computed = outcome_of(metrics);
    if claimed == computed {
        return Ok(());
    }
    let because: Vec<String> = match computed {
        EvaluationOutcome::Failed => metrics.iter().filter_map(Metric::breach).collect(),
        EvaluationOutcome::Passed if metrics.iter().any(Metric::is_bounded) => {
            let bounded = metrics.iter().filter(|metric| metric.is_bounded());
            bounded
                .map(|metric| format!("`{}` is {}, within its bounds", metric.name, metric.value))
                .collect()
        }
        EvaluationOutcome::Passed => vec!["no metric has a bound".into()],
    };
    Err(EvaluationError::OutcomeContradicted { claimed: said, computed, because: names(because.iter()) })
}

// in-toto. Fields that we don't know are passed over, as its specification asks.

fn test_result(mut object: Object) -> Outcome<Evaluation> {
    let in_envelope = object.contains_key("payloadType") && !object.contains_key("_type");
    if in_envelope {
        object = payload(object)?;
    }
    is_type(&mut object, "_type", STATEMENT_TYPE)?;
    is_type(&mut object, "predicateType", TEST_RESULT)?;
    let subjects = subjects(object.remove("subject"))?;
    let mut predicate = object_of(object.remove("predicate").unwrap_or(Node::Null), &quoted("predicate"))?;
    let result: TestResult = needed(&mut predicate, "predicate.", "result")?;
    let metrics = counts(&mut predicate, result)?;
    let claimed = match result {
        TestResult::Passed | TestResult::Warned => EvaluationOutcome::Passed,
        TestResult::Failed => EvaluationOutcome::Failed,
    };
    check_claim(result.as_str(), claimed, &metrics)?;
    let configurations = configurations(take(&mut predicate, "configuration"))?;
    let url: Option<Text> = text(&mut predicate, "predicate.", "url")?;
    Ok(Evaluation {
        metrics,
        summary: url,
        subjects: Some(subjects),
        in_envelope,
        configurations,
        ..Evaluation::default()
    })
}

words! {
    /// What a test result says of itself.
    TestResult, "a test result" {
        /// All passed.
        Passed = "PASSED",
        /// None failed, some warned.
        Warned = "WARNED",
        /// Some failed.
        Failed = "FAILED",
    }
}

/// The statement in an envelope.
fn payload(mut envelope: Object) -> Outcome<Object> {
    is_type(&mut envelope, "payloadType", IN_TOTO_PAYLOAD)?;
    let payload: String = needed(&mut envelope, "", "payload")?;
    let place = || quoted("payload");
    // DSSE lets a sender write either alphabet.
    let statement = STANDARD.decode(&payload).or_else(|_| URL_SAFE.decode(&payload));
    let statement = statement
        .map_err(|_| EvaluationError::Field { place: place(), reason: "this is not base64".into() })?;
    object_of(Node::parse(&statement)?, &place())
}

fn is_type(object: &mut Object, place: &'static str, expected: &'static str) -> Outcome<()> {
    let actual: String = needed(object, "", place)?;
    if actual == expected {
        return Ok(());
    }
    Err(EvaluationError::Type { place, actual: shown(&actual), expected })
}

/// The SHA-256 digests of what the statement is about.
fn subjects(node: Option<Node>) -> Outcome<Vec<Hash>> {
    let place = quoted("subject");
    let mut subjects = Vec::new();
    for (at, node) in list_of(node.unwrap_or(Node::Null), &place)?.into_iter().enumerate() {
        let mut subject = object_of(node, &format!("`subject[{at}]`"))?;
        let Some(Node::Object(mut digests)) = subject.remove("digest") else { continue };
        let within = format!("subject[{at}].digest.");
        if let Some(ForeignDigest::Sha256(bytes)) = digest(&mut digests, &within, "sha256")? {
            subjects.push(Hash::from_bytes(bytes));
        }
    }
    if subjects.is_empty() {
        return Err(EvaluationError::FieldMissing { place: "a subject with a sha256 digest".into() });
    }
    Ok(subjects)
}

/// A digest from a map of algorithms to hex digits.
fn digest(digests: &mut Object, within: &str, algorithm: &str) -> Outcome<Option<ForeignDigest>> {
    let Some(digits): Option<String> = text(digests, within, algorithm)? else { return Ok(None) };
    let unfit =
        |reason: String| EvaluationError::Field { place: quoted(&format!("{within}{algorithm}")), reason };
    let digest = format!("{algorithm}:{digits}").parse();
    digest.map(Some).map_err(|error: crate::event::model::ParseDigestError| unfit(error.to_string()))
}

/// What was run, by name.
fn configurations(node: Option<Node>) -> Outcome<Vec<(Name, Option<ForeignDigest>)>> {
    let Some(node) = node else { return Ok(Vec::new()) };
    let mut configurations = Vec::new();
    for (at, node) in list_of(node, &quoted("predicate.configuration"))?.into_iter().enumerate() {
        let within = format!("predicate.configuration[{at}].");
        let mut resource = object_of(node, &quoted(within.trim_end_matches('.')))?;
        let Some(name) = text(&mut resource, &within, "name")? else { continue };
        let mut best = None;
        if let Some(Node::Object(digests)) = resource.get_mut("digest") {
            let within = format!("{within}digest.");
            for algorithm in ["sha256", "sha384", "sha512"] {
                best = best.or(digest(digests, &within, algorithm)?);
            }
        }
        configurations.push((name, best));
    }
    Ok(configurations)
}

/// How many tests came to what. Of a list that isn't there nothing is said, but that nothing failed, where the
/// result says as much.
fn counts(predicate: &mut Object, result: TestResult) -> Outcome<Ascending<Metric, METRICS_MAX>> {
    const LISTS: [(&str, &str); 3] =
        [("passedTests", "tests_passed"), ("warnedTests", "tests_warned"), ("failedTests", "tests_failed")];
    let mut seen: BTreeMap<String, &'static str> = BTreeMap::new();
    let mut metrics = Vec::new();
    for (list, metric) in LISTS {
        let is_bounded = metric == "tests_failed";
        let count = match take(predicate, list) {
            Some(node) => count_tests(node, list, &mut seen)?,
            None if is_bounded && result != TestResult::Failed => 0,
            None if is_bounded => {
                return Err(EvaluationError::FieldMissing {
                    place: "`predicate.failedTests`, for a result of FAILED,".into(),
                });
            }
            None => continue,
        };
        let value = Finite::measured(count as f64).expect("a count is finite");
        let max = is_bounded.then(|| Finite::measured(0.0).expect("zero is finite"));
        metrics.push(Metric { name: metric_name(metric)?, value, min: None, max });
    }
    check_metrics(metrics)
}

fn count_tests(node: Node, list: &'static str, seen: &mut BTreeMap<String, &'static str>) -> Outcome<usize> {
    let place = format!("predicate.{list}");
    let tests = list_of(node, &quoted(&place))?;
    let count = tests.len();
    for (at, node) in tests.into_iter().enumerate() {
        let test = text_of(node, || quoted(&format!("{place}[{at}]")))?;
        if let Some(first) = seen.get(&test) {
            return Err(EvaluationError::TestTwice { test: shown(&test), first, second: list });
        }
        seen.insert(test, list);
    }
    Ok(count)
}

// Values.

/// A TOML document as a tree. NaN and infinities, which TOML knows, are told apart where a number is taken.
fn toml_node(text: &[u8]) -> Outcome<Node> {
    let text = std::str::from_utf8(text).map_err(|_| EvaluationError::Toml("they are not UTF-8".into()))?;
    let table = toml::from_str::<toml::Table>(text);
    let table = table.map_err(|error| EvaluationError::Toml(shown(error.to_string().trim())))?;
    Ok(node_of(toml::Value::Table(table)))
}

fn node_of(value: toml::Value) -> Node {
    match value {
        toml::Value::String(text) => Node::Text(text),
        toml::Value::Integer(number) => Node::Number(number as f64),
        toml::Value::Float(number) => Node::Number(number),
        toml::Value::Boolean(value) => Node::Bool(value),
        toml::Value::Datetime(time) => Node::Text(time.to_string()),
        toml::Value::Array(items) => Node::List(items.into_iter().map(node_of).collect()),
        toml::Value::Table(table) => {
            Node::Object(table.into_iter().map(|(key, value)| (key, node_of(value))).collect())
        }
    }
}

/// Takes a field out; one that is null might as well not be there.
fn take(object: &mut Object, field: &str) -> Option<Node> {
    object.remove(field).filter(|node| *node != Node::Null)
}

fn wrong_kind(node: &Node, place: String, expected: &'static str) -> EvaluationError {
    EvaluationError::FieldKind { place, actual: node.kind(), expected }
}

fn object_of(node: Node, place: &str) -> Outcome<Object> {
    match node {
        Node::Object(object) => Ok(object),
        node => Err(wrong_kind(&node, place.into(), "an object")),
    }
}

fn list_of(node: Node, place: &str) -> Outcome<Vec<Node>> {
    match node {
        Node::List(items) => Ok(items),
        node => Err(wrong_kind(&node, place.into(), "a list")),
    }
}

fn text_of(node: Node, place: impl Fn() -> String) -> Outcome<String> {
    match node {
        Node::Text(text) => Ok(text),
        node => Err(wrong_kind(&node, place(), "a text")),
    }
}

fn number(node: &Node, place: &str) -> Outcome<Finite> {
    match node {
        Node::Number(number) => {
            Finite::measured(*number).map_err(|_| EvaluationError::NotFinite { place: place.to_owned() })
        }
        node => Err(wrong_kind(node, place.to_owned(), "a number")),
    }
}

/// A field's text, read as what it stands for.
fn text<T: FromStr<Err: std::fmt::Display>>(
    object: &mut Object,
    within: &str,
    field: &str,
) -> Outcome<Option<T>> {
    let Some(node) = take(object, field) else { return Ok(None) };
    let place = || quoted(&format!("{within}{field}"));
    let text = text_of(node, place)?;
    let unfit = |error: T::Err| EvaluationError::Field { place: place(), reason: error.to_string() };
    text.parse().map(Some).map_err(unfit)
}

fn needed<T: FromStr<Err: std::fmt::Display>>(object: &mut Object, within: &str, field: &str) -> Outcome<T> {
    let missing = || EvaluationError::FieldMissing { place: quoted(&format!("{within}{field}")) };
    text(object, within, field)?.ok_or_else(missing)
}

/// What is left of an object once all was taken that we know.
fn nothing_else(object: &Object, within: &str, known: &[&'static str]) -> Outcome<()> {
    match object.iter().find(|(key, node)| **node != Node::Null || !known.contains(&key.as_str())) {
        Some((key, _)) => Err(unknown_field(within, key, known)),
        None => Ok(()),
    }
}

fn unknown_field(within: &str, key: &str, known: &[&'static str]) -> EvaluationError {
    let place = quoted(&format!("{within}{key}"));
    EvaluationError::FieldUnknown { place, nearest: nearest(key, known.iter().copied()) }
}

fn quoted(name: &str) -> String {
    format!("`{}`", shown(name))
}

fn meant(nearest: Option<&'static str>) -> String {
    nearest.map_or_else(String::new, |nearest| format!(": did you mean `{nearest}`?"))
}

/// The first few of many, for an error that fits a screen.
fn names(all: impl ExactSizeIterator<Item = impl ToString>) -> String {
    let more = all.len().saturating_sub(NAMED_MAX);
    let mut names: Vec<String> = all.take(NAMED_MAX).map(|name| name.to_string()).collect();
    if more > 0 {
        names.push(format!("and {more} more"));
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DIGEST: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

    /// Our own JSON, whole.
    fn full() -> String {
        format!(
            r#"{{"model":"credit-scorer","version":"1.1.0","kind":"fairness","suite":"fairlearn","suite_version":"0.12","suite_digest":"sha256:{DIGEST}","dataset":{{"name":"loans","digest":"{DIGEST}"}},"metrics":[{{"name":"demographic_parity_difference","value":0.04,"max":0.1}},{{"name":"accuracy","value":0.91,"min":0.9,"max":null}},{{"name":"n","value":12000}}],"outcome":"passed","environment":"staging","summary":"by age"}}"#
        )
    }

    /// A statement of a test result.
    fn statement(result: &str, lists: &str) -> String {
        format!(
            r#"{{"_type":"{STATEMENT_TYPE}","subject":[{{"name":"m","digest":{{"sha256":"{DIGEST}"}}}}],"predicateType":"{TEST_RESULT}","predicate":{{"result":"{result}","configuration":[{{"name":"suite.yml","digest":{{"gitCommit":"aa","sha256":"{DIGEST}"}}}}],"url":"https://ci.example.org/7"{lists}}}}}"#
        )
    }

    fn envelope(payload: &str) -> String {
        let payload = STANDARD.encode(payload);
        format!(r#"{{"payloadType":"{IN_TOTO_PAYLOAD}","payload":"{payload}","signatures":[]}}"#)
    }

    fn read(json: &str) -> Outcome<Evaluation> {
        read_evaluation(json.as_bytes(), None, None)
    }

    fn read_with(json: &str, bounds: &str) -> Outcome<Evaluation> {
        read_evaluation(json.as_bytes(), None, Some(&read_bounds(bounds.as_bytes())?))
    }

    /// A metric as `name value min max`, `-` for a bound that isn't there.
    fn lines(evaluation: &Evaluation) -> Vec<String> {
        let bound = |bound: Option<Finite>| bound.map_or("-".to_owned(), |bound| bound.to_string());
        let line = |m: &Metric| format!("{} {} {} {}", m.name, m.value, bound(m.min), bound(m.max));
        evaluation.metrics.iter().map(line).collect()
    }

    fn refused(outcome: Outcome<Evaluation>, told: &str) {
        let error = outcome.unwrap_err().to_string();
        assert!(error.contains(told), "{error}: {told}");
        assert!(error.len() < 1_500, "{error}");
    }

    #[test]
    fn our_own_json_is_read_whole() {
        let evaluation = read(&full()).unwrap();
        assert_eq!(
            lines(&evaluation),
            ["accuracy 0.91 0.9 -", "demographic_parity_difference 0.04 - 0.1", "n 12000 - -"]
        );
        assert_eq!(evaluation.model.unwrap().as_str(), "credit-scorer");
        assert_eq!(evaluation.kind, Some(EvaluationKind::Fairness));
        assert_eq!(evaluation.dataset.unwrap().digest.to_string(), format!("sha256:{DIGEST}"));
        assert_eq!(evaluation.suite_version.unwrap().as_str(), "0.12");
        let least = read(r#"{"metrics": [{"name": "a", "value": -0.0}]}"#).unwrap();
        assert_eq!(lines(&least), ["a 0 - -"]);
        assert_eq!(Evaluation { metrics: Ascending::default(), ..least }, Evaluation::default());
    }

    #[test]
    fn what_is_wrong_with_our_own_json_is_named() {
        let with = |from: &str, to: &str| {
            let text = full();
            assert!(text.contains(from), "{from}");
            read(&text.replace(from, to))
        };
        for (from, to, told) in [
            (
                "\"suite_digest\"",
                "\"suite-digest\"",
                "`suite-digest` is unknown: did you mean `suite_digest`?",
            ),
            ("\"summary\"", "\"colour\"", "`colour` is unknown"),
            ("\"metrics\"", "\"metrcs\"", "`metrcs` is unknown: did you mean `metrics`?"),
            ("\"max\":0.1", "\"maxx\":0.1", "`metrics[0].maxx` is unknown: did you mean `max`?"),
            ("\"digest\":", "\"sha\":", "`dataset.digest` is missing"),
            ("\"name\":\"loans\",", "\"name\":\"loans\",\"size\":1,", "`dataset.size` is unknown"),
            ("\"fairness\"", "\"fair\"", "`kind`: `fair` is not an evaluation kind: one of regression"),
            ("\"staging\"", "\"Staging\"", "`environment`: an environment name holds the character U+0053"),
            ("\"sha256:9", "\"md5:9", "`suite_digest`: `md5:"),
            ("\"fairlearn\"", "7", "`suite` is a number, a text is expected"),
            (
                "\"value\":0.91",
                "\"value\":\"0.91\"",
                "`value` of metric `accuracy` is a text, a number is expected",
            ),
            ("\"value\":0.91", "\"value\":true", "`value` of metric `accuracy` is true or false"),
            ("\"value\":0.91", "\"value\":NaN", "`metrics[1].value` (`accuracy`) is not a finite number"),
            ("\"value\":0.91", "\"value\":-Infinity", "(`accuracy`) is not a finite number"),
            ("\"value\":0.91", "\"value\":1e999", "(`accuracy`) is not a finite number"),
            ("\"value\":0.91,", "", "`value` of metric `accuracy` is missing"),
            ("\"name\":\"n\"", "\"name\":\"accuracy\"", "metrics called `accuracy` stand twice"),
            ("\"name\":\"n\"", "\"name\":\"\"", "`metrics[2].name`: a name is empty"),
            (
                "\"min\":0.9,\"max\":null",
                "\"min\":0.9,\"max\":0.8",
                "metric `accuracy` must be at least 0.9 and at most 0.8",
            ),
            ("\"outcome\":\"passed\"", "\"outcome\":\"ok\"", "`outcome`: `ok` is not an outcome"),
            (
                "\"value\":0.04",
                "\"value\":0.31",
                "it says passed, and its metrics say failed: `demographic_parity_difference` is 0.31, above 0.1",
            ),
            ("\"value\":0.91", "\"value\":0.5", "say failed: `accuracy` is 0.5, below 0.9"),
            (
                "\"outcome\":\"passed\"",
                "\"outcome\":\"failed\"",
                "it says failed, and its metrics say passed: `accuracy` is 0.91, within",
            ),
            ("\"kind\":", "\"model\":\"x\",\"kind\":", "`model` stands twice"),
        ] {
            refused(with(from, to), told);
        }
        refused(read(r#"{"model": "m", "metrics": []}"#), "no metric is given");
        refused(read(r#"{"model": "m"}"#), "`metrics` is missing");
        refused(read(r#"{"metrics": [1]}"#), "`metrics[0]` is a number, an object is expected");
        refused(
            read(r#"{"outcome": "failed", "metrics": [{"name": "a", "value": 1}]}"#),
            "no metric has a bound",
        );
        let many: Vec<String> = (0..129).map(|n| format!(r#"{{"name": "m{n}", "value": {n}}}"#)).collect();
        refused(
            read(&format!(r#"{{"metrics": [{}]}}"#, many.join(","))),
            "there are 129 metrics, an evaluation holds at most 128",
        );
        assert!(read(&format!(r#"{{"metrics": [{}]}}"#, many[1..].join(","))).is_ok());
    }

    #[test]
    fn plain_metrics_take_their_bounds_from_beside_them() {
        let metrics =
            r#"{"accuracy": 0.91, "fairness": {"demographic_parity_difference": 0.04}, "n": 12000}"#;
        let expected =
            ["accuracy 0.91 0.9 -", "fairness.demographic_parity_difference 0.04 -0.1 0.1", "n 12000 - -"];
        for bounds in [
            "[accuracy]\nmin = 0.9\n[fairness.demographic_parity_difference]\nmin = -0.1\nmax = 0.1\n",
            "accuracy.min = 0.9\n['fairness.demographic_parity_difference']\nmin = -0.1\nmax = 0.1\n",
            r#" {"accuracy": {"min": 0.9}, "fairness": {"demographic_parity_difference": {"min": -0.1, "max": 0.1}}}"#,
        ] {
            assert_eq!(lines(&read_with(metrics, bounds).unwrap()), expected, "{bounds}");
        }
        assert_eq!(lines(&read(r#"{"faithfulness": 1}"#).unwrap()), ["faithfulness 1 - -"]);
        // A group may be called like a bound, and its metrics, too.
        let odd = read_with(r#"{"latency": {"max": 0.2, "min": 0.1}}"#, "[latency.max]\nmax = 0.3\n");
        assert_eq!(lines(&odd.unwrap()), ["latency.max 0.2 - 0.3", "latency.min 0.1 - -"]);
    }

    #[test]
    fn what_is_wrong_with_plain_metrics_is_named() {
        for (metrics, told) in [
            (r#"{"accuracy": "high"}"#, "metric `accuracy` is a text, a number is expected"),
            (r#"{"accuracy": "0.9"}"#, "metric `accuracy` is a text"),
            (r#"{"accuracy": NaN}"#, "`accuracy` is not a finite number"),
            (r#"{"g": {"accuracy": Infinity}}"#, "`g.accuracy` is not a finite number"),
            (r#"{"accuracy": 1e999}"#, "`accuracy` is not a finite number"),
            (r#"{"accuracy": true}"#, "metric `accuracy` is true or false"),
            (r#"{"accuracy": null}"#, "metric `accuracy` is null"),
            (r#"{"accuracy": [0.9]}"#, "metric `accuracy` is a list"),
            (r#"{"g": {"h": {"accuracy": 0.9}}}"#, "metric `g.h` is an object, a number is expected"),
            (r#"{"g": {"a": 1}, "g.a": 1}"#, "metrics called `g.a` stand twice"),
            (r#"{"a": 1, "a": 2}"#, "`a` stands twice"),
            (r#"{"a\nb": 1}"#, "a name holds the character U+000A"),
            (r#"{"": 1}"#, "metric ``: a name is empty"),
            ("{}", "no metric is given"),
            (r#"{"g": {}}"#, "no metric is given"),
            ("[0.9]", "the file is a list, an object is expected"),
            ("0.9", "the file is a number"),
            (
                r#"{"metrics": {"accuracy": 0.9}}"#,
                "it could be more than one format: say which with --format (rollbook, test-result, metrics)",
            ),
        ] {
            refused(read(metrics), told);
        }
    }

    #[test]
    fn what_is_wrong_with_bounds_is_named() {
        for (bounds, told) in [
            ("[accuracy]\nmax = nan", "`max` of metric `accuracy` is not a finite number"),
            ("[accuracy]\nmin = -inf", "`min` of metric `accuracy` is not a finite number"),
            ("[accuracy]\nmin = '0.9'", "`min` of metric `accuracy` is a text"),
            ("[accuracy]\nmni = 0.9", "`accuracy.mni` is unknown: did you mean `min`?"),
            ("[accuracy]\nmin = 0.9\nmax = 0.8", "metric `accuracy` must be at least 0.9 and at most 0.8"),
            ("[accuracy]\n", "the bound of metric `accuracy` is missing"),
            ("accuracy = 0.9", "`accuracy` is a number, an object is expected"),
            ("[accuracy]\nmin = 1\n[accuracy]\nmax = 2", "the bounds are not TOML"),
            (
                "[acuracy]\nmin = 0.9\n[f1]\nmin = 0.9",
                "bounds for metrics that were not measured: acuracy, f1",
            ),
            ("[g.a]\nmin = 1\n['g.a']\nmax = 2", "bounds of metric `g.a` stand twice"),
            ("[g.h.a]\nmin = 1", "`g.h.a` is unknown"),
            ("{\"accuracy\": {\"min\": NaN}}", "`accuracy.min` is not a finite number"),
            ("{\"accuracy\": {\"min\": 0.9}", "the text is not JSON"),
        ] {
            refused(read_with(r#"{"accuracy": 0.91}"#, bounds), told);
        }
        let many = (0..20).map(|n| format!("[m{n:02}]\nmin = 0\n")).collect::<Vec<_>>().concat();
        refused(read_with(r#"{"accuracy": 1}"#, &many), "m00, m01, m02, m03, m04, and 15 more");
        refused(
            read_with(&statement("PASSED", ""), "[a]\nmin = 1"),
            "bounds in a file of their own go with plain metrics, and this is test-result",
        );
        let own = read_evaluation(full().as_bytes(), Some(FileFormat::Rollbook), Some(&Bounds::new()));
        refused(own, "and this is rollbook");
        assert!(matches!(read_bounds(&[0xff, b'a']), Err(EvaluationError::Toml(_))));
        assert!(matches!(
            read_bounds(&vec![b' '; EVALUATION_BYTES_MAX + 1]),
            Err(EvaluationError::TooLarge { .. })
        ));
    }

    #[test]
    fn a_test_result_is_counted() {
        let all = r#","passedTests":["a","b"],"warnedTests":["c"],"failedTests":[]"#;
        for (json, in_envelope) in
            [(statement("WARNED", all), false), (envelope(&statement("WARNED", all)), true)]
        {
            let evaluation = read(&json).unwrap();
            assert_eq!(
                lines(&evaluation),
                ["tests_failed 0 - 0", "tests_passed 2 - -", "tests_warned 1 - -"]
            );
            assert_eq!(evaluation.subjects.unwrap(), [DIGEST.parse().unwrap()]);
            assert_eq!(evaluation.in_envelope, in_envelope);
            let (name, digest) = &evaluation.configurations[0];
            assert_eq!(
                (name.as_str(), digest.unwrap().to_string()),
                ("suite.yml", format!("sha256:{DIGEST}"))
            );
            assert_eq!(evaluation.summary.unwrap().as_str(), "https://ci.example.org/7");
        }
        let failed = read(&statement("FAILED", r#","failedTests":["a"]"#)).unwrap();
        assert_eq!(lines(&failed), ["tests_failed 1 - 0"]);
        let bare = read(&statement("PASSED", r#","annotations":{"x":1}"#)).unwrap();
        assert_eq!(lines(&bare), ["tests_failed 0 - 0"], "what isn't listed is not counted");
    }

    #[test]
    fn what_is_wrong_with_a_test_result_is_named() {
        for (result, lists, told) in [
            (
                "PASSED",
                r#","failedTests":["a"]"#,
                "it says PASSED, and its metrics say failed: `tests_failed` is 1, above 0",
            ),
            ("WARNED", r#","failedTests":["a"]"#, "it says WARNED, and its metrics say failed"),
            (
                "FAILED",
                r#","failedTests":[]"#,
                "it says FAILED, and its metrics say passed: `tests_failed` is 0",
            ),
            ("FAILED", "", "`predicate.failedTests`, for a result of FAILED, is missing"),
            ("OK", "", "`predicate.result`: `OK` is not a test result: one of PASSED, WARNED, FAILED"),
            (
                "PASSED",
                r#","passedTests":["a","a"]"#,
                "test `a` stands twice, in passedTests and in passedTests",
            ),
            ("FAILED", r#","passedTests":["a"],"failedTests":["a"]"#, "in passedTests and in failedTests"),
            ("PASSED", r#","passedTests":7"#, "`predicate.passedTests` is a number, a list is expected"),
            ("PASSED", r#","passedTests":[7]"#, "`predicate.passedTests[0]` is a number, a text is expected"),
        ] {
            refused(read(&statement(result, lists)), told);
        }
        let whole = statement("PASSED", "");
        for (from, to, told) in [
            (
                STATEMENT_TYPE,
                "https://in-toto.io/Statement/v0.1",
                "_type is `https://in-toto.io/Statement/v0.1`",
            ),
            (
                TEST_RESULT,
                "https://slsa.dev/provenance/v1",
                "predicateType is `https://slsa.dev/provenance/v1`",
            ),
            ("\"sha256\":\"9f", "\"sha256\":\"zz", "`subject[0].digest.sha256`: `sha256:zz"),
            ("\"sha256\":\"9f", "\"sha1\":\"9f", "a subject with a sha256 digest is missing"),
            ("\"result\"", "\"outcome\"", "`predicate.result` is missing"),
            ("\"predicate\":", "\"p\":", "`predicate` is null, an object is expected"),
            ("\"subject\":[", "\"s\":[", "`subject` is null, a list is expected"),
        ] {
            let changed = whole.replacen(from, to, 1);
            assert_ne!(changed, whole, "{from}");
            refused(read(&changed), told);
            refused(read(&envelope(&changed)), told);
        }
        refused(
            read(&envelope(&whole).replace(IN_TOTO_PAYLOAD, "text/plain")),
            "payloadType is `text/plain`",
        );
        refused(
            read(r#"{"payloadType":"application/vnd.in-toto+json","payload":"!"}"#),
            "`payload`: this is not base64",
        );
        refused(read(&envelope("[]")), "`payload` is a list, an object is expected");
        refused(read(&envelope("{")), "the text is not JSON");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read_evaluation(&bytes, None, None);
            let _ = read_bounds(&bytes);
        }

        /// Files that are nearly right: whatever is read is bounded, in order, and means what it says.
        #[test]
        fn files_with_a_part_overwritten_never_panic(
            which in 0..4usize, at in any::<prop::sample::Index>(), piece in "\\PC{0,12}",
            format in proptest::option::of(prop::sample::select(FileFormat::ALL)),
        ) {
            let plain = r#"{"accuracy": 0.91, "fairness": {"demographic_parity_difference": 0.04}}"#.to_owned();
            let whole = statement("PASSED", r#","passedTests":["a","b"]"#);
            let json = [full(), plain, envelope(&whole), whole][which].clone();
            let at = at.index(json.len());
            let mut bytes = json.into_bytes();
            bytes.splice(at..(at + piece.len()).min(bytes.len()), piece.bytes());
            if let Ok(evaluation) = read_evaluation(&bytes, format, None) {
                prop_assert!((1..=METRICS_MAX).contains(&evaluation.metrics.len()));
                prop_assert!(evaluation.metrics.windows(2).all(|pair| pair[0].name < pair[1].name));
                prop_assert!(!evaluation.metrics.iter().any(Metric::bounds_cross));
            }
        }

        #[test]
        fn bounds_with_a_part_overwritten_never_panic(at in any::<prop::sample::Index>(), piece in "\\PC{0,12}") {
            let mut bytes = b"[accuracy]\nmin = 0.9\n[fairness.demographic_parity]\nmax = 0.1\n".to_vec();
            let at = at.index(bytes.len());
            bytes.splice(at..(at + piece.len()).min(bytes.len()), piece.bytes());
            if let Ok(bounds) = read_bounds(&bytes) {
                prop_assert!(bounds.values().all(|bound| bound.min.or(bound.max).is_some()));
            }
        }
    }
}
