//! A timeline as one JSON object: everything that is known, exact, in a shape that stays.
//!
//! `docs/schemas/timeline.schema.json` describes it, field by field; nothing stands in one that does not stand in the
//! other. Times are RFC 3339 in UTC, spans are milliseconds, what is not known is null.

use serde_json::{Value, json};

use super::chronicle::{
    Basis, Chronicle, Commit, Completion, Doubt, EntryRef, Incident, IncidentPlace, Lane, Query, Recovery,
    Row, Signer, Standing, Stretch,
};

/// The shape's name. What is added to the shape keeps it; what is taken away or means something else does not.
pub const SCHEMA: &str = "rollbook-timeline/1";

/// `chronicle` as JSON.
#[must_use]
pub fn to_value(chronicle: &Chronicle) -> Value {
    let Chronicle { origin, ledger_id, query: asked, since, until, goes_on, basis: rests, .. } = chronicle;
    json!({
        "schema": SCHEMA,
        "origin": origin,
        "ledger_id": ledger_id,
        "query": query(asked),
        "since": since,
        "until": until,
        "goes_on": goes_on,
        "basis": basis(rests),
        "lanes": chronicle.lanes.iter().map(lane).collect::<Vec<_>>(),
        "incidents": chronicle.incidents.iter().map(incident).collect::<Vec<_>>(),
        "doubts": chronicle.doubts.iter().map(doubt).collect::<Vec<_>>(),
        "rows": chronicle.rows.iter().map(row).collect::<Vec<_>>(),
    })
}

fn query(query: &Query) -> Value {
    let Query { since, until, environment, model, incident, kinds, digest } = query;
    json!({
        "since": since,
        "until": until,
        "environment": environment,
        "model": model,
        "incident": incident,
        "kinds": kinds.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "digest": digest,
    })
}

fn basis(basis: &Basis) -> Value {
    let Basis { size, root, last_recorded_at, checkpoint, verdict } = basis;
    let verdict = verdict.as_ref().map(|told| {
        json!({
            "word": told.word,
            "good": told.is_good,
            "line": told.line,
            "resumed_from": told.resumed_from,
            "held": told.held,
            "judged_up_to": told.judged_up_to,
        })
    });
    json!({
        "size": size,
        "root": root,
        "last_recorded_at": last_recorded_at,
        "checkpoint": checkpoint,
        "verdict": verdict,
    })
}

fn lane(lane: &Lane) -> Value {
    let Lane { environment, model, stretches } = lane;
    let stretches: Vec<_> = stretches.iter().map(stretch).collect();
    json!({ "environment": environment, "model": model, "stretches": stretches })
}

fn stretch(stretch: &Stretch) -> Value {
    let Stretch { version, digest, opened, authorised, infra, completed, closed } = stretch;
    json!({
        "version": version,
        "digest": digest,
        "opened": entry(opened),
        "authorised": entry(authorised),
        "infra": infra.as_ref().map(commit),
        "completed": completed.as_ref().map(completion),
        "closed": closed.as_ref().map(entry),
    })
}

fn entry(entry: &EntryRef) -> Value {
    let EntryRef { index, leaf_hash, recorded_at, claimed_at, kind, signers } = entry;
    json!({
        "index": index,
        "leaf_hash": leaf_hash,
        "recorded_at": recorded_at,
        "claimed_at": claimed_at,
        "kind": kind.to_string(),
        "signers": signers.iter().map(signer).collect::<Vec<_>>(),
    })
}

/// A key on an event.
#[must_use]
pub fn signer(signer: &Signer) -> Value {
    let Signer { person, key, proposed } = signer;
    json!({ "person": person, "key": key, "fingerprint": key.fingerprint(), "proposed": proposed })
}

fn commit(commit: &Commit) -> Value {
    let Commit { repository, id, tag } = commit;
    json!({ "repository": repository, "commit": id, "tag": tag })
}

fn completion(completion: &Completion) -> Value {
    let Completion { entry: by, outcome, completed_at } = completion;
    json!({ "entry": entry(by), "outcome": outcome, "completed_at": completed_at })
}

fn incident(incident: &Incident) -> Value {
    let Incident { id, severity, summary, places, recoveries, resolved } = incident;
    let resolved = resolved.as_ref().map(|(by, at)| json!({ "entry": entry(by), "resolved_at": at }));
    json!({
        "id": id,
        "severity": severity,
        "summary": summary,
        "places": places.iter().map(place).collect::<Vec<_>>(),
        "recoveries": recoveries.iter().map(recovery).collect::<Vec<_>>(),
        "resolved": resolved,
    })
}

fn place(place: &IncidentPlace) -> Value {
    let IncidentPlace { environment, model, detected, detected_at, evidence, severity, summary } = place;
    json!({
        "environment": environment,
        "model": model,
        "detected": entry(detected),
        "detected_at": detected_at,
        "evidence": evidence,
        "severity": severity,
        "summary": summary,
    })
}

fn recovery(recovery: &Recovery) -> Value {
    let Recovery { environment, model, failed, failed_since, detected, change, .. } = recovery;
    json!({
        "environment": environment,
        "model": model,
        "failed": failed,
        "failed_since": failed_since.as_ref().map(entry),
        "detected": detected.as_ref().map(entry),
        "change": entry(change),
        "break_glass": recovery.break_glass,
        "ratified": recovery.ratified.as_ref().map(entry),
        "completed": recovery.completed.as_ref().map(completion),
        "over_at": recovery.over_at(),
        "detection_gap_ms": recovery.detection_gap_ms(),
        "took_ms": recovery.took_ms(),
        "target_ms": recovery.target_ms,
        "late": recovery.is_late(),
    })
}

fn doubt(doubt: &Doubt) -> Value {
    let Doubt { from_index, until_index, since, until, code, message } = doubt;
    json!({
        "from_index": from_index,
        "until_index": until_index,
        "since": since,
        "until": until,
        "code": code,
        "message": message,
    })
}

fn row(row: &Row) -> Value {
    let codes = match &row.standing {
        Standing::Doubted(codes) => codes.as_slice(),
        _ => &[],
    };
    json!({
        "entry": entry(&row.entry),
        "what": row.what,
        "environment": row.environment,
        "model": row.model,
        "version": row.version,
        "digest": row.digest,
        "infra": row.infra.as_ref().map(commit),
        "incident": row.incident,
        "about_entry": row.about_entry,
        "standing": row.standing.as_str(),
        "codes": codes,
        "event": *row.event,
    })
}
