//! What a picture says of its parts in words: the titles that a pointer or a screen reader finds.

use crate::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, span_text};

use super::chronicle::{Chronicle, Commit, EntryRef, Incident, Recovery, Row, Standing, Stretch};
use super::label::on_one_line;
use super::zone::Zone;

/// Who signed: the proposer, and who approved.
#[must_use]
pub fn signers(entry: &EntryRef) -> String {
    let named = |proposed: bool| -> Vec<String> {
        let signers = entry.signers.iter().filter(|signer| signer.proposed == proposed);
        signers.map(|signer| on_one_line(&signer.name())).collect()
    };
    let (by, approved) = (named(true).join(", "), named(false).join(", "));
    if approved.is_empty() { format!("by {by}") } else { format!("by {by}, approved by {approved}") }
}

/// What happened at an entry, when, and who did it.
#[must_use]
pub fn row(row: &Row, zone: &Zone) -> String {
    let doubted = match &row.standing {
        Standing::Doubted(codes) => format!(" · in doubt: {}", codes.join(", ")),
        Standing::NotJudged => " · not judged".to_owned(),
        Standing::Unchecked | Standing::Sound => String::new(),
    };
    let (at, what) = (zone.seconds(row.entry.recorded_at), on_one_line(&row.what));
    format!("{at} · {what} · {} · entry {}{doubted}", signers(&row.entry), row.entry.index)
}

/// What served, from when to when, and what put it there.
#[must_use]
pub fn stretch(stretch: &Stretch, zone: &Zone) -> String {
    let digest =
        stretch.digest.map_or_else(|| "digest unknown".to_owned(), |digest| format!("sha256:{digest}"));
    let until = stretch.closed.as_ref().map_or_else(
        || "not closed in what is shown".to_owned(),
        |closed| format!("until {} (entry {})", zone.seconds(closed.recorded_at), closed.index),
    );
    let put_back = if stretch.opened.index == stretch.authorised.index {
        String::new()
    } else {
        format!(", put back; authorised by entry {}", stretch.authorised.index)
    };
    let infra =
        stretch.infra.as_ref().map(|infra| format!(" · commit {}", commit(infra))).unwrap_or_default();
    let opened = &stretch.opened;
    format!(
        "{} · {digest} · from {} (entry {}{put_back}) {until} · {}{infra}",
        on_one_line(stretch.version.as_str()),
        zone.seconds(opened.recorded_at),
        opened.index,
        signers(&stretch.authorised)
    )
}

/// A commit in full.
#[must_use]
pub fn commit(commit: &Commit) -> String {
    let tag = commit.tag.as_ref().map(|tag| format!(" ({})", on_one_line(tag.as_str()))).unwrap_or_default();
    format!("{}@{}{tag}", on_one_line(commit.repository.as_str()), commit.id)
}

/// How long a recovery took, against its target: `4m 32s, target 5m`, `7m 10s, late: target 5m`; none where it is not over, or
/// nobody detected what it answers.
#[must_use]
pub fn took(recovery: &Recovery) -> Option<String> {
    let took = span_text(recovery.took_ms()?);
    Some(match (recovery.target_ms, recovery.is_late()) {
        (Some(target), Some(true)) => format!("{took}, late: target {}", span_text(target)),
        (Some(target), _) => format!("{took}, target {}", span_text(target)),
        (None, _) => format!("{took}, no target"),
    })
}

/// The first entry in doubt, where it stands before the end of an incident: what came of that, nobody can tell.
#[must_use]
pub fn doubted(incident: &Incident, doubted_from: Option<u64>) -> Option<u64> {
    let end = incident.resolved.as_ref().map_or(u64::MAX, |(by, _)| by.index);
    doubted_from.filter(|entry| *entry <= end)
}

/// What came of an incident where that recovery was made, or none was; `doubted_from` is the first entry in doubt, behind
/// which nobody can tell.
#[must_use]
pub fn outcome(incident: &Incident, recovery: Option<&Recovery>, doubted_from: Option<u64>) -> String {
    if let Some(entry) = doubted(incident, doubted_from) {
        return format!("in doubt from entry {entry} on");
    }
    let glass = recovery.filter(|recovery| recovery.break_glass).map_or("", |_| ", break-glass");
    match (recovery.map(|recovery| (recovery.over_at(), took(recovery))), &incident.resolved) {
        (Some((Some(_), Some(took))), _) => format!("recovered in {took}{glass}"),
        (Some((Some(_), None)), _) => format!("recovered{glass}"),
        (Some((None, _)), None) => format!("recovery failed{glass}"),
        (Some((None, _)), Some(_)) => format!("recovery failed{glass}, resolved later"),
        (None, Some(_)) => "resolved without a rollback".to_owned(),
        (None, None) => "open".to_owned(),
    }
}

/// A span in its largest unit, rounded: `47h`, `12d`.
#[must_use]
pub fn about(span_ms: i64) -> String {
    let (unit, name) = match span_ms {
        ms if ms >= 2 * DAY_MS => (DAY_MS, "d"),
        ms if ms >= 2 * HOUR_MS => (HOUR_MS, "h"),
        ms if ms >= 2 * MINUTE_MS => (MINUTE_MS, "m"),
        ms if ms >= 2 * SECOND_MS => (SECOND_MS, "s"),
        _ => (1, "ms"),
    };
    format!("{}{name}", (span_ms + unit / 2) / unit)
}

/// The verdict in a word or four.
#[must_use]
pub fn verdict(chronicle: &Chronicle) -> &'static str {
    match &chronicle.basis.verdict {
        None => "not verified",
        Some(verdict) => match (verdict.word, verdict.is_good) {
            ("sound", true) => "sound",
            ("sound", false) => "sound, but not anchored",
            ("violation", _) => "VIOLATION",
            ("tampered", _) => "TAMPERED",
            _ => "cannot tell",
        },
    }
}

/// The log's name, or that it is not known.
#[must_use]
pub fn origin(chronicle: &Chronicle) -> String {
    chronicle
        .origin
        .as_ref()
        .map_or_else(|| "a ledger of unknown origin".to_owned(), |name| on_one_line(name.as_str()))
}

/// What was asked for, where that is less than everything.
#[must_use]
pub fn narrowed(chronicle: &Chronicle) -> Vec<String> {
    let query = &chronicle.query;
    let environment =
        query.environment.as_ref().map(|name| format!("environment {}", on_one_line(name.as_str())));
    let model = query.model.as_ref().map(|name| format!("model {}", on_one_line(name.as_str())));
    let incident = query.incident.as_ref().map(|name| format!("incident {}", on_one_line(name.as_str())));
    let digest = query.digest.map(|digest| format!("digest sha256:{}", digest.short()));
    let kinds: Vec<_> = query.kinds.iter().map(|kind| kind.as_str()).collect();
    let kinds = (!kinds.is_empty()).then(|| format!("only {}", kinds.join(", ")));
    [environment, model, incident, digest, kinds].into_iter().flatten().collect()
}
