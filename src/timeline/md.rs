//! A timeline for a post-mortem: Markdown as GitHub and GitLab read it, with a Mermaid `gantt` chart.
//!
//! What the log says stands in code spans: there nothing is a mention, a link, a formula or markup, and the text is
//! shown as it is. In the chart, whose grammar has no quotation, ASCII punctuation that it could take for its own is
//! replaced by the full-width form; the tables have the exact text.

use std::fmt::Write as _;

use crate::event::body::{Body, Kind};
use crate::event::release::ChangeOutcome;
use crate::time::{DAY_MS, MINUTE_MS, Timestamp};

use super::chronicle::{Chronicle, Incident, Lane, Recovery, Row, Standing, Stretch};
use super::columns::cut;
use super::prose::{self, visible};
use super::zone::Zone;

/// Mermaid refuses diagrams of more than 50,000 characters, unless its host allows them; some are left for the head.
const CHART_BYTES_MAX: usize = 48_000;
/// A label of the chart stands beside its bar: longer ones run out of the picture.
const LABEL_COLUMNS_MAX: usize = 48;
/// A cell of a table: a reason may be of eight kibibytes, and the JSON has it.
const CELL_COLUMNS_MAX: usize = 240;
/// A time as the chart has it: in the zone, without its offset, so that every reader's axis is the same.
const CHART_TIME: &str = "%Y-%m-%d %H:%M:%S%.3f";

/// The page of `chronicle`, times in `zone`.
#[must_use]
pub fn render(chronicle: &Chronicle, zone: &Zone) -> String {
    let mut out = format!("# Timeline {}\n\n", subject(chronicle));
    facts(&mut out, chronicle, zone);
    chart(&mut out, chronicle, zone);
    lanes(&mut out, chronicle, zone);
    doubts(&mut out, chronicle);
    rows(&mut out, chronicle, zone);
    out
}

/// What was asked for.
fn subject(chronicle: &Chronicle) -> String {
    let query = &chronicle.query;
    let mut parts = Vec::new();
    if let Some(incident) = &query.incident {
        parts.push(format!("of incident {}", code(incident.as_str())));
    }
    if let Some(model) = &query.model {
        parts.push(format!("of model {}", code(model.as_str())));
    }
    if let Some(digest) = &query.digest {
        parts.push(format!("of digest {}", code(&digest.short())));
    }
    if let Some(environment) = &query.environment {
        parts.push(format!("in {}", code(environment.as_str())));
    }
    if parts.is_empty() {
        let origin =
            chronicle.origin.as_ref().map_or_else(|| "a ledger".to_owned(), |name| code(name.as_str()));
        parts.push(format!("of {origin}"));
    }
    parts.join(" ")
}

// The head.

fn facts(out: &mut String, chronicle: &Chronicle, zone: &Zone) {
    let Chronicle { origin, ledger_id, since, until, goes_on, basis, incidents, .. } = chronicle;
    let unknown = || "unknown".to_owned();
    let mut fact = |name: &str, value: String| {
        let _ = writeln!(out, "| {name} | {value} |");
    };
    fact("What", "Value".to_owned());
    fact("---", "---".to_owned());
    let id = ledger_id.map_or_else(String::new, |id| format!(", id {}", code(&id.to_string())));
    let origin = origin.as_ref().map_or_else(unknown, |name| code(name.as_str()));
    fact("Ledger", format!("{origin}{id}"));
    let known = if *goes_on { "; as known then, the log goes on" } else { "" };
    fact("Range", format!("{} to {} ({zone}){known}", zone.seconds(*since), zone.seconds(*until)));
    fact("Rests on", code(&prose::rests_on(basis)));
    let root = basis.root.map_or_else(unknown, |root| code(&root.to_string()));
    fact("Checkpoint", format!("size {}, root {root}", basis.size));
    if let Some(entry) = chronicle.doubted_from() {
        fact("In doubt", format!("from entry {entry} on: what came of it cannot be told"));
    }
    for incident in incidents {
        fact(&format!("Incident {}", code(incident.id.as_str())), incident_told(incident, zone));
        for recovery in &incident.recoveries {
            recovery_facts(&mut fact, recovery);
        }
    }
    out.push('\n');
}

fn incident_told(incident: &Incident, zone: &Zone) -> String {
    let first = incident.places.iter().map(|place| place.detected.recorded_at).min();
    let detected = first.map_or_else(String::new, |at| format!(", detected {}", zone.seconds(at)));
    let resolved = incident.resolved.as_ref().map_or_else(
        || "not resolved".to_owned(),
        |(by, _)| format!("resolved {} (entry {})", zone.seconds(by.recorded_at), by.index),
    );
    let summary =
        incident.summary.as_ref().map_or_else(String::new, |text| format!(": {}", code(text.as_str())));
    format!("severity {}{detected}, {resolved}{summary}", code(incident.severity.as_str()))
}

fn recovery_facts(fact: &mut impl FnMut(&str, String), recovery: &Recovery) {
    let Recovery { environment, model, failed, change, .. } = recovery;
    let what = format!("{} in {}", code(&format!("{model} {failed}")), code(environment.as_str()));
    fact("Taken back", format!("{what} by {} (entry {})", code(&prose::who(change)), change.index));
    fact("Failed deployment recovery time", prose::recovery_time(recovery));
    fact("Detection gap", prose::detection_gap(recovery));
    if let Some(told) = prose::break_glass(recovery) {
        fact("Break-glass", code(&told));
    }
}

// The chart.

/// A line of the chart, without its section.
struct Task {
    label: String,
    tags: &'static str,
    from: Timestamp,
    /// None: a milestone.
    until: Option<Timestamp>,
}

fn chart(out: &mut String, chronicle: &Chronicle, zone: &Zone) {
    let whole = chart_text(chronicle, zone, true);
    let (text, remark) = if whole.len() <= CHART_BYTES_MAX {
        (whole, None)
    } else {
        let bars = chart_text(chronicle, zone, false);
        (bars, Some("The chart has no milestones: with them, Mermaid would refuse it for its size."))
    };
    if text.len() > CHART_BYTES_MAX {
        out.push_str("There is no chart: Mermaid would refuse it for its size. Ask for a shorter time.\n\n");
        return;
    }
    let _ = writeln!(out, "```mermaid\n{text}```\n");
    if let Some(remark) = remark {
        let _ = writeln!(out, "{remark}\n");
    }
}

fn chart_text(chronicle: &Chronicle, zone: &Zone, milestones: bool) -> String {
    let mut text = "gantt\n".to_owned();
    let origin = chronicle.origin.as_ref().map_or("a ledger", |name| name.as_str());
    let _ = writeln!(text, "    title What served, by {} ({})", label(origin), label(zone.name()));
    text.push_str("    dateFormat YYYY-MM-DD HH:mm:ss.SSS\n");
    let _ = writeln!(text, "    axisFormat {}", axis(chronicle.until.since_ms(chronicle.since)));
    for lane in &chronicle.lanes {
        section(
            &mut text,
            &format!("{} / {}", lane.environment, lane.model),
            lane_tasks(lane, chronicle),
            zone,
        );
    }
    section(&mut text, "incidents", incident_tasks(chronicle), zone);
    if milestones {
        section(&mut text, "events", chronicle.rows.iter().filter_map(milestone).collect(), zone);
    }
    text
}

/// The axis in the unit that the shown time asks for.
fn axis(span_ms: i64) -> &'static str {
    if span_ms < MINUTE_MS {
        "%H:%M:%S.%L"
    } else if span_ms < DAY_MS {
        "%H:%M:%S"
    } else {
        "%Y-%m-%d %H:%M"
    }
}

fn section(text: &mut String, name: &str, tasks: Vec<Task>, zone: &Zone) {
    if tasks.is_empty() {
        return;
    }
    let _ = writeln!(text, "    section {}", label(name));
    for task in tasks {
        let from = zone.shown(task.from, CHART_TIME);
        let until = match task.until {
            // Where the clock goes back an hour, the later time may be the lower one.
            Some(until) => zone.shown(until, CHART_TIME).max(from.clone()),
            None => "0ms".to_owned(),
        };
        let _ = writeln!(text, "    {} :{}{from}, {until}", label(&task.label), task.tags);
    }
}

fn lane_tasks(lane: &Lane, chronicle: &Chronicle) -> Vec<Task> {
    let task = |stretch: &Stretch| {
        let digest = stretch.digest.map(|digest| format!(" {}", digest.short())).unwrap_or_default();
        let end = stretch.closed.as_ref().map_or(chronicle.until, |closed| closed.recorded_at);
        let from = stretch.opened.recorded_at.max(chronicle.since);
        Task {
            // The digest stands at the end, so the version is cut before it.
            label: format!("serving {}{digest}", cut(stretch.version.as_str(), 30)),
            tags: if stretch.closed.is_none() { "active, " } else { "" },
            from,
            until: Some(end.min(chronicle.until).max(from)),
        }
    };
    lane.stretches.iter().map(task).collect()
}

/// From each detection to its recovery; where there is none, to the incident's end, or that of the chart.
fn incident_tasks(chronicle: &Chronicle) -> Vec<Task> {
    let mut tasks = Vec::new();
    for incident in &chronicle.incidents {
        for place in &incident.places {
            let recovered = incident
                .recoveries
                .iter()
                .filter(|recovery| {
                    recovery.detected.as_ref().is_some_and(|by| by.index == place.detected.index)
                })
                .filter_map(Recovery::over_at)
                .min();
            let resolved = incident.resolved.as_ref().map(|(by, _)| by.recorded_at);
            let until = recovered.or(resolved).unwrap_or(chronicle.until);
            let from = place.detected.recorded_at;
            let what = if recovered.is_some() { "to recovery" } else { "open" };
            let id = cut(incident.id.as_str(), 20);
            tasks.push(Task {
                label: format!("incident {id} in {} {what}", place.environment),
                tags: "crit, ",
                from,
                until: Some(until.max(from)),
            });
        }
    }
    tasks
}

fn milestone(row: &Row) -> Option<Task> {
    let (label, tags) = match &row.event.body {
        Body::ModelPromoted(b) => (format!("promoted {} {}", b.model, b.version), "milestone, "),
        Body::ModelRolledBack(b) => (format!("rolled back {} to {}", b.model, b.to), "crit, milestone, "),
        Body::ModelWithdrawn(b) => (format!("withdrawn {} {}", b.model, b.from.version), "crit, milestone, "),
        Body::DriftDetected(b) => (format!("drift of {}", b.model), "milestone, "),
        Body::IncidentDetected(b) => (format!("incident {}", b.incident), "crit, milestone, "),
        Body::IncidentResolved(b) => (format!("resolved {}", b.incident), "milestone, "),
        Body::ChangeCompleted(b) if b.outcome != ChangeOutcome::Succeeded => {
            (format!("change of entry {} {}", b.change, b.outcome), "crit, milestone, ")
        }
        _ => return None,
    };
    Some(Task { label, tags, from: row.entry.recorded_at, until: None })
}

/// A text as a label or name in the chart: of one line, no longer than fits, and without a character that could end it,
/// begin a comment, or name an entity. No label of ours begins with a word of the grammar.
fn label(text: &str) -> String {
    let text = cut(&flat(text), LABEL_COLUMNS_MAX);
    let escaped = |c: char| match c {
        ' ' | '.' | '_' | '-' | '/' | '@' | '+' | '=' => c,
        // Mermaid's own marks for entities, which it puts in and takes out around the grammar.
        '\u{fb02}' | '\u{b6}' => '\u{fffd}',
        _ if c.is_ascii_punctuation() => full_width(c),
        _ => c,
    };
    text.chars().map(escaped).collect()
}

/// The full-width form of an ASCII character that is no space.
fn full_width(c: char) -> char {
    char::from_u32(u32::from(c) + 0xfee0).unwrap_or('\u{fffd}')
}

// The tables.

fn lanes(out: &mut String, chronicle: &Chronicle, zone: &Zone) {
    if chronicle.lanes.is_empty() {
        return;
    }
    let _ = writeln!(out, "## What served\n");
    let _ = writeln!(
        out,
        "| Environment | Model | Version | Digest | From ({zone}) | To | Commit | Who | Completed | Entry |"
    );
    let _ = writeln!(out, "| --- | --- | --- | --- | --- | --- | --- | --- | --- | ---: |");
    for lane in &chronicle.lanes {
        for stretch in &lane.stretches {
            let Stretch { version, digest, opened, authorised, infra, completed, closed } = stretch;
            let until = closed.as_ref().map(|closed| zone.seconds(closed.recorded_at));
            let infra = infra.as_ref().map(|infra| code(&infra.in_short()));
            let cells = [
                code(lane.environment.as_str()),
                code(lane.model.as_str()),
                code(version.as_str()),
                digest.map(|digest| code(&digest.short())).unwrap_or_default(),
                zone.seconds(opened.recorded_at),
                until.unwrap_or_else(|| chronicle.open_end().to_owned()),
                infra.unwrap_or_default(),
                code(&prose::who(authorised)),
                completed.as_ref().map_or_else(|| "not told".to_owned(), |done| done.outcome.to_string()),
                stretch.entry_words().trim_start_matches("entry ").to_owned(),
            ];
            let _ = writeln!(out, "| {} |", cells.join(" | "));
        }
    }
    out.push('\n');
}

fn doubts(out: &mut String, chronicle: &Chronicle) {
    if chronicle.doubts.is_empty() {
        return;
    }
    let _ = writeln!(out, "## What is in doubt\n");
    for doubt in &chronicle.doubts {
        let until = match doubt.until_index {
            Some(until) if until == doubt.from_index + 1 => String::new(),
            Some(until) => format!(" to {}", until.saturating_sub(1)),
            None => " to the end".to_owned(),
        };
        let _ = writeln!(
            out,
            "- Entry {}{until}: {}: {}",
            doubt.from_index,
            code(&doubt.code),
            code(&doubt.message)
        );
    }
    out.push('\n');
}

fn rows(out: &mut String, chronicle: &Chronicle, zone: &Zone) {
    let _ = writeln!(out, "## What happened\n");
    if chronicle.rows.is_empty() {
        let _ = writeln!(out, "No entry fits.");
        return;
    }
    let _ = writeln!(out, "| Time ({zone}) | Kind | What | Who | Entry | Leaf hash | Verified |");
    let _ = writeln!(out, "| --- | --- | --- | --- | ---: | --- | --- |");
    for row in &chronicle.rows {
        let Row { entry, what, standing, .. } = row;
        let kind: Kind = entry.kind;
        let _ = writeln!(
            out,
            "| {} | {kind} | {} | {} | {} | {} | {} |",
            zone.seconds(entry.recorded_at),
            code(what),
            code(&prose::who(entry)),
            entry.index,
            code(&entry.leaf_hash.short()),
            standing_told(standing)
        );
    }
}

fn standing_told(standing: &Standing) -> String {
    match standing {
        Standing::Unchecked => "not checked".to_owned(),
        Standing::Sound => "sound".to_owned(),
        Standing::NotJudged => "not judged".to_owned(),
        Standing::Doubted(codes) => format!("**doubted**: {}", code(&codes.join(", "))),
    }
}

/// A text in a code span that a table's cell can hold: a fence longer than any within, no line feed, bars escaped.
fn code(text: &str) -> String {
    let text = cut(&flat(text), CELL_COLUMNS_MAX);
    if text.trim().is_empty() {
        return String::new();
    }
    let fence = prose::fence(&text, 1);
    // A space that is at an end, or a backtick, needs one more: a pair of spaces is taken away again.
    let pad = if text.starts_with(['`', ' ']) || text.ends_with(['`', ' ']) { " " } else { "" };
    // Readers differ on what a backslash does to an escaped bar.
    let text = text.replace("\\|", "\u{ff3c}|").replace('|', "\\|");
    format!("{fence}{pad}{text}{pad}{fence}")
}

fn flat(text: &str) -> String {
    visible(text).replace(['\n', '\t'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_spans_hold_what_is_in_them() {
        for (text, span) in [
            ("1.0.0", "`1.0.0`"),
            ("a|b", "`a\\|b`"),
            ("a\\|b", "`a\u{ff3c}\\|b`"),
            ("a`b``c", "```a`b``c```"),
            ("`", "`` ` ``"),
            ("a\n| b |", "`a \\| b \\|`"),
            ("<script>@team #1 $x$", "`<script>@team #1 $x$`"),
            ("\u{202e}\u{1b}", "`\\u{202e}\\u{1b}`"),
            (" ", ""),
        ] {
            assert_eq!(code(text), span);
        }
        assert!(code(&"x".repeat(9000)).len() < 300);
    }

    #[test]
    fn labels_hold_nothing_of_the_charts_grammar() {
        let hostile = "a:b;c#d%%e\nf,g\"h'<i>{j}[k]|`&#58;\\ \u{fb02}\u{b0}lt\u{b6}\u{df}\u{202e}";
        let safe = label(hostile);
        for c in ":;#%\n,\"'<>{}[]|`&\\\u{fb02}\u{b6}\u{202e}".chars() {
            assert!(!safe.contains(c), "{c:?} in {safe}");
        }
        assert!(safe.starts_with("a\u{ff1a}b\u{ff1b}c\u{ff03}d\u{ff05}\u{ff05}e f\u{ff0c}g"), "{safe}");
        assert!(label(&"\u{6a21}".repeat(200)).chars().count() <= LABEL_COLUMNS_MAX / 2 + 1);
    }
}
