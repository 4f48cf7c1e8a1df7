//! Events in plain words: one line for lists, several for the whole of it; and text that cannot steer a terminal.

use std::collections::HashMap;
use std::fmt::Write as _;

use crate::event::body::{Body, Event};
use crate::event::glob::Glob;
use crate::event::incident::Ratification;
use crate::event::infra::InfraCommit;
use crate::event::model::{AlertStatus, DriftDetected, Metric, ModelEvaluated};
use crate::event::release::Serving;
use crate::event::text::{Name, Text, is_deceptive};
use crate::signing::public_key::PublicKey;
use crate::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Timestamp, span_text};

use super::chronicle::{Basis, EntryRef, Recovery, Signer};

/// Who holds which key, as grants name them.
#[derive(Debug, Default)]
pub struct People(HashMap<PublicKey, Name>);

impl People {
    /// Takes in what an event says of people.
    pub fn learn(&mut self, event: &Event) {
        match &event.body {
            Body::LedgerCreated(body) => {
                for named in &body.administrators {
                    self.0.insert(named.key, named.person.clone());
                }
            }
            Body::KeyGranted(body) => {
                self.0.insert(body.key, body.person.clone());
            }
            _ => {}
        }
    }

    /// The person's name, or the key's fingerprint where nobody was named.
    #[must_use]
    pub fn name(&self, key: &PublicKey) -> String {
        self.0.get(key).map_or_else(|| key.fingerprint().to_string(), ToString::to_string)
    }

    /// The person, where one was named.
    #[must_use]
    pub fn person(&self, key: &PublicKey) -> Option<&Name> {
        self.0.get(key)
    }

    /// A key on an event of that proposer's, with who holds it.
    #[must_use]
    pub fn signer(&self, key: &PublicKey, proposer: &PublicKey) -> Signer {
        Signer { person: self.person(key).cloned(), key: *key, proposed: key == proposer }
    }

    /// Whose keys signed an event, the proposer first.
    #[must_use]
    pub fn signers(&self, keys: &[PublicKey], proposer: &PublicKey) -> Vec<Signer> {
        let mut signers: Vec<Signer> = keys.iter().map(|key| self.signer(key, proposer)).collect();
        signers.sort_by_key(|signer| !signer.proposed);
        signers
    }

    /// Whether the key is known as that of the person `name`.
    #[must_use]
    pub fn is_named(&self, key: &PublicKey, name: &str) -> bool {
        self.0.get(key).is_some_and(|person| person.as_str() == name)
    }

    /// Whether a name is known for the key.
    #[must_use]
    pub fn knows(&self, key: &PublicKey) -> bool {
        self.0.contains_key(key)
    }
}

impl FromIterator<(PublicKey, Name)> for People {
    fn from_iter<I: IntoIterator<Item = (PublicKey, Name)>>(people: I) -> Self {
        Self(people.into_iter().collect())
    }
}

/// The first characters of a commit id, for people.
#[must_use]
pub fn short_commit(infra: &InfraCommit) -> String {
    infra.commit.to_string().chars().take(10).collect()
}

fn commit(infra: &InfraCommit) -> String {
    let tag = infra.tag.as_ref().map(|tag| format!(" ({})", tag.name)).unwrap_or_default();
    format!("{}@{}{tag}", infra.repository, short_commit(infra))
}

fn was(from: Option<&Serving>) -> String {
    from.map_or_else(|| "nothing".to_owned(), |from| from.version.to_string())
}

fn globs(globs: &[Glob]) -> String {
    if globs.is_empty() {
        return "nothing".to_owned();
    }
    globs.iter().map(Glob::as_str).collect::<Vec<_>>().join(", ")
}

/// The first characters of a digest or fingerprint, for lines that people read.
fn short(digest: impl std::fmt::Display) -> String {
    const DIGITS: usize = 12;
    let text = digest.to_string();
    let start = text.find(':').map_or(0, |colon| colon + 1);
    text.char_indices().nth(start + DIGITS).map_or(text.clone(), |(end, _)| format!("{}…", &text[..end]))
}

/// What happened, in one line without times or signers, as a terminal may show it.
#[must_use]
pub fn one_line(event: &Event) -> String {
    first_line(&what_happened(event))
}

fn what_happened(event: &Event) -> String {
    match &event.body {
        Body::LedgerCreated(b) => {
            let mut people: Vec<_> = b.administrators.iter().map(|named| named.person.as_str()).collect();
            people.sort_unstable();
            format!("ledger {} created by {}", b.origin, people.join(", "))
        }
        Body::KeyGranted(b) => {
            let roles: Vec<_> = b.roles.iter().map(|role| role.as_str()).collect();
            let (environments, models) = (globs(&b.scope.environments), globs(&b.scope.models));
            format!(
                "{} may act as {} in {environments} on {models} with key {}",
                b.person,
                roles.join(", "),
                short(b.key.fingerprint())
            )
        }
        Body::KeyRevoked(b) => format!("key {} revoked: {}", short(b.key.fingerprint()), b.reason),
        Body::LogKeyRotated(b) => format!("log key {} replaced by {}", short(b.old_key), short(b.new_key)),
        Body::PolicySet(b) => format!("policy set, replacing that of entry {}", b.replaces),
        Body::ModelRegistered(b) => {
            format!("{} {} registered, digest sha256:{}", b.model, b.version, short(b.digest.root))
        }
        Body::ModelEvaluated(b) => format!(
            "{} {} evaluated ({}, {} on {}): {}",
            b.model,
            b.version,
            b.kind,
            versioned(&b.suite, b.suite_version.as_ref()),
            b.dataset.name,
            came_to(b)
        ),
        Body::ModelPromoted(b) => format!(
            "{} {} promoted to {} (was {}) by {}",
            b.model,
            b.version,
            b.environment,
            was(b.from.as_ref()),
            commit(&b.infra)
        ),
        Body::ModelRolledBack(b) => format!(
            "{} rolled back to {} in {} (was {}) by {}: {}",
            b.model,
            b.to,
            b.environment,
            b.from.version,
            commit(&b.infra),
            b.reason
        ),
        Body::ModelWithdrawn(b) => {
            format!("{} withdrawn from {} (was {}): {}", b.model, b.environment, b.from.version, b.reason)
        }
        Body::ChangeCompleted(b) => format!("change of entry {} {}", b.change, b.outcome),
        Body::ModelRetired(b) => format!("{} {} retired: {}", b.model, b.version, b.reason),
        Body::DriftDetected(b) => drift(b),
        Body::IncidentDetected(b) => {
            let model = b.model.as_ref().map(|model| format!(" on {model}")).unwrap_or_default();
            let summary = because(b.summary.as_ref());
            format!("incident {} ({}) detected in {}{model}{summary}", b.incident, b.severity, b.environment)
        }
        Body::IncidentResolved(b) => {
            format!("incident {} resolved{}", b.incident, because(b.summary.as_ref()))
        }
        Body::EntryRatified(b) => {
            let reason = because(b.reason.as_ref());
            match &b.ratification {
                Ratification::BreakGlass => format!("break-glass entry {} ratified{reason}", b.entry),
                Ratification::Violations { codes } => {
                    let codes: Vec<_> = codes.iter().map(Name::as_str).collect();
                    format!("violations of entry {} accepted ({}){reason}", b.entry, codes.join(", "))
                }
            }
        }
        Body::AttachmentRedacted(b) => format!("attachment {} redacted: {}", short(b.digest), b.reason),
        Body::NoteAdded(b) => match &b.subject {
            crate::event::remark::NoteSubject::Entry { entry } => {
                format!("note on entry {entry}: {}", b.text)
            }
            crate::event::remark::NoteSubject::Log { tree_size, verdict, .. } => {
                format!("attested {verdict} up to size {tree_size}: {}", b.text)
            }
        },
    }
}

fn versioned(name: &Name, version: Option<&Name>) -> String {
    version.map_or_else(|| name.to_string(), |version| format!("{name}@{version}"))
}

fn because(text: Option<&Text>) -> String {
    text.map(|text| format!(": {text}")).unwrap_or_default()
}

/// Passed, and of how many bounds; or failed, and the first metrics that did.
fn came_to(evaluation: &ModelEvaluated) -> String {
    const NAMED_MAX: usize = 3;
    let outcome = evaluation.outcome;
    let breaches: Vec<String> = evaluation.metrics.iter().filter_map(Metric::breach).collect();
    let bounded = evaluation.metrics.iter().filter(|metric| metric.is_bounded()).count();
    if breaches.is_empty() {
        return match bounded {
            0 => format!("{outcome}, no metric has a bound"),
            1 => format!("{outcome}, 1 bounded metric"),
            more => format!("{outcome}, {more} bounded metrics"),
        };
    }
    let more = breaches.len().saturating_sub(NAMED_MAX);
    let named = breaches.iter().take(NAMED_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    format!("{outcome}, {named}{more}")
}

fn drift(drift: &DriftDetected) -> String {
    let DriftDetected { kind, model, environment, statistic, value, threshold, .. } = drift;
    let version = drift.version.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
    let feature = drift.feature.as_ref().map(|feature| format!(" of {feature}")).unwrap_or_default();
    let status = match drift.status {
        AlertStatus::Firing => "",
        AlertStatus::Resolved => " is over",
    };
    format!(
        "{kind} drift of {model}{version} in {environment}{status}: {statistic}{feature} {value}, threshold {threshold} ({})",
        drift.monitor
    )
}

/// A time to the second, for people.
#[must_use]
pub fn seconds(time: Timestamp) -> String {
    let text = time.to_string();
    text.split_once('.').map_or(text.clone(), |(whole, _)| format!("{whole}Z"))
}

/// Who signed an entry: the proposer, and who approved.
#[must_use]
pub fn who(entry: &EntryRef) -> String {
    let approvers = entry.signers.iter().filter(|signer| !signer.proposed).map(Signer::name);
    let approvers: Vec<String> = approvers.collect();
    let proposer = entry
        .signers
        .iter()
        .find(|signer| signer.proposed)
        .map_or_else(|| "nobody who is told".to_owned(), Signer::name);
    if approvers.is_empty() { proposer } else { format!("{proposer}, approved by {}", approvers.join(", ")) }
}

/// Who proposed an entry, and how many approved: `dan +2`.
#[must_use]
pub fn who_in_short(entry: &EntryRef) -> String {
    let approvals = entry.signers.iter().filter(|signer| !signer.proposed).count();
    let proposer = entry.signers.iter().find(|signer| signer.proposed).map(Signer::name).unwrap_or_default();
    if approvals == 0 { proposer } else { format!("{proposer} +{approvals}") }
}

/// What a timeline rests on, in one line.
#[must_use]
pub fn rests_on(basis: &Basis) -> String {
    match &basis.verdict {
        None => "not verified: the log as it was read".to_owned(),
        Some(told) => match told.resumed_from {
            Some(size) => format!("{} (signatures before entry {size} by the kept state)", told.line),
            None => told.line.clone(),
        },
    }
}

/// How long a recovery took, and whether that kept the target.
#[must_use]
pub fn recovery_time(recovery: &Recovery) -> String {
    let Some(took_ms) = recovery.took_ms() else {
        return match recovery.over_at() {
            None => "not over: the change failed".to_owned(),
            Some(_) => "unknown: no entry detected the incident there".to_owned(),
        };
    };
    let took = span_text(took_ms);
    match (recovery.target_ms, recovery.is_late()) {
        (Some(target), Some(true)) => format!("{took}, LATE: the target is {}", span_text(target)),
        (Some(target), _) => format!("{took}, in time: the target is {}", span_text(target)),
        (None, _) => format!("{took}; the policy names no target"),
    }
}

/// For how long what failed had served when that was detected.
#[must_use]
pub fn detection_gap(recovery: &Recovery) -> String {
    recovery.detection_gap_ms().map_or_else(|| "unknown".to_owned(), span_text)
}

/// Of a recovery by one responder alone: who stood behind it since.
#[must_use]
pub fn break_glass(recovery: &Recovery) -> Option<String> {
    recovery.break_glass.then(|| match &recovery.ratified {
        Some(by) => format!("ratified by {} (entry {})", who(by), by.index),
        None => "not ratified".to_owned(),
    })
}

/// How long ago a time was, in its greatest unit: `3h ago`.
#[must_use]
pub fn ago(time: Timestamp, now: Timestamp) -> String {
    let span_ms = now.since_ms(time);
    let length = span_ms.abs();
    let units = [(DAY_MS, "d"), (HOUR_MS, "h"), (MINUTE_MS, "m"), (SECOND_MS, "s")];
    match units.into_iter().find(|(unit, _)| length >= *unit) {
        None => "now".to_owned(),
        Some((unit, name)) if span_ms < 0 => format!("in {}{name}", length / unit),
        Some((unit, name)) => format!("{}{name} ago", length / unit),
    }
}

/// The first line of a text, with a mark where there were more.
fn first_line(text: &str) -> String {
    let safe = visible(text.lines().next().unwrap_or_default());
    if text.lines().nth(1).is_some() { format!("{safe} …") } else { safe }
}

/// Whether a character steers a terminal, or reorders or breaks the line around it.
fn misleads(c: char) -> bool {
    is_deceptive(c) || (c.is_control() && c != '\n' && c != '\t')
}

/// JSON text in which characters that reorder or steer are escaped: the same value, harmless on a
/// terminal. Such characters stand in JSON's strings alone.
#[must_use]
pub fn visible_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if misleads(c) {
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

/// A fence of backticks for Markdown, longer than any run of them in `text`, and at least `least` long.
#[must_use]
pub fn fence(text: &str, least: usize) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    "`".repeat((longest + 1).max(least))
}

/// Text from the log as a terminal may show it: characters that reorder or steer are spelt out.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if misleads(c) {
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

/// Everything an event says, a field a line, indented below its heading.
#[must_use]
pub fn fields(value: &serde_json::Value) -> String {
    let mut out = String::new();
    write_fields(&mut out, value, 2);
    out
}

fn write_fields(out: &mut String, value: &serde_json::Value, indent: usize) {
    let serde_json::Value::Object(map) = value else { return };
    for (key, value) in map {
        match value {
            serde_json::Value::Null => {}
            serde_json::Value::Object(_) => {
                let _ = writeln!(out, "{:indent$}{key}:", "");
                write_fields(out, value, indent + 2);
            }
            serde_json::Value::Array(items) => write_items(out, key, items, indent),
            _ => write_text(out, key, &plain(value), indent),
        }
    }
}

fn write_items(out: &mut String, key: &str, items: &[serde_json::Value], indent: usize) {
    if items.iter().any(serde_json::Value::is_object) {
        for item in items {
            let _ = writeln!(out, "{:indent$}{key}:", "");
            write_fields(out, item, indent + 2);
        }
    } else if !items.is_empty() {
        let items: Vec<String> = items.iter().map(plain).collect();
        write_text(out, key, &items.join(", "), indent);
    }
}

fn write_text(out: &mut String, key: &str, text: &str, indent: usize) {
    let text = visible(text);
    if text.contains('\n') {
        let _ = writeln!(out, "{:indent$}{key}: |", "");
        for line in text.lines() {
            let _ = writeln!(out, "{:indent$}  {line}", "");
        }
    } else {
        let _ = writeln!(out, "{:indent$}{key}: {text}", "");
    }
}

fn plain(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_or_reorders_is_spelt_out() {
        let rows = [
            ("plain \u{e9} \u{1f600}\n\tindented", "plain \u{e9} \u{1f600}\n\tindented"),
            ("\u{1b}[2J", "\\u{1b}[2J"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("bell\u{7}\r", "bell\\u{7}\\u{d}"),
            (
                "a\u{202e}b\u{2066}c\u{200f}d\u{2028}e\u{61c}",
                "a\\u{202e}b\\u{2066}c\\u{200f}d\\u{2028}e\\u{61c}",
            ),
        ];
        for (text, shown) in rows {
            assert_eq!(visible(text), shown);
        }
    }

    #[test]
    fn json_keeps_its_value_when_it_is_made_visible() {
        let value = serde_json::json!({ "reason": "a\u{202e}b\u{9b}c\u{7f}d\u{1b}e\nf" });
        let shown = visible_json(&value.to_string());
        assert!(shown.is_ascii(), "{shown}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
    }

    #[test]
    fn the_first_line_says_that_there_are_more() {
        assert_eq!(first_line("one"), "one");
        assert_eq!(first_line("one\ntwo\u{1b}"), "one …");
        assert_eq!(first_line(""), "");
    }

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    #[test]
    fn an_evaluation_says_what_it_came_to() {
        let metric = |text: &str, value: &str, max: Option<&str>| {
            let max = max.map(|max| max.parse().unwrap());
            Metric { name: name(text), value: value.parse().unwrap(), min: None, max }
        };
        for (metrics, said) in [
            (vec![metric("a", "1", None)], "passed, no metric has a bound"),
            (vec![metric("a", "1", Some("1")), metric("b", "1", None)], "passed, 1 bounded metric"),
            (vec![metric("a", "1", Some("1")), metric("b", "1", Some("2"))], "passed, 2 bounded metrics"),
            (vec![metric("a", "1", Some("0.5")), metric("b", "1", Some("1"))], "failed, `a` is 1, above 0.5"),
            (
                ["a", "b", "c", "d", "e"].map(|text| metric(text, "1", Some("0"))).to_vec(),
                "failed, `a` is 1, above 0, `b` is 1, above 0, `c` is 1, above 0, and 2 more",
            ),
        ] {
            let outcome = crate::event::model::outcome_of(&metrics);
            let digest = crate::hash::Hash::ZERO;
            let evaluation = ModelEvaluated {
                model: name("m"),
                version: name("1"),
                digest,
                kind: crate::event::model::EvaluationKind::Fairness,
                suite: name("s"),
                suite_version: None,
                suite_digest: None,
                dataset: crate::event::model::NamedDigest {
                    name: name("d"),
                    digest: crate::event::model::ForeignDigest::Sha256([0; 32]),
                },
                environment: None,
                metrics: crate::event::list::Ascending::new(metrics).unwrap(),
                outcome,
                summary: None,
            };
            assert_eq!(came_to(&evaluation), said);
        }
    }

    #[test]
    fn ages_are_told_in_their_greatest_unit() {
        let now: Timestamp = "2026-03-03T12:00:00Z".parse().unwrap();
        for (before_ms, told) in [
            (0, "now"),
            (999, "now"),
            (59 * SECOND_MS, "59s ago"),
            (119 * MINUTE_MS, "1h ago"),
            (3 * DAY_MS, "3d ago"),
            (-5 * MINUTE_MS, "in 5m"),
        ] {
            assert_eq!(ago(now.plus_ms(-before_ms), now), told);
        }
    }

    #[test]
    fn digests_are_cut_and_short_words_are_not() {
        assert_eq!(short("0123456789abcdef"), "0123456789ab…");
        assert_eq!(short("SHA256:0123456789abcdef"), "SHA256:0123456789ab…");
        assert_eq!(short("0123456789ab"), "0123456789ab");
    }
}
