//! docs/format.md is true: its tables alone read every golden vector, and its numbers are the code's.

use std::fmt::Write;
use std::fs;

use rollbook::event::authority::{ADMINISTRATORS_MAX, GLOBS_MAX, Role};
use rollbook::event::body::Kind;
use rollbook::event::glob::Glob;
use rollbook::event::header::{ATTACHMENT_BYTES_MAX, ATTACHMENTS_MAX, EventId, FORMAT_VERSION};
use rollbook::event::incident::ACCEPTED_MAX;
use rollbook::event::infra::{EMBEDDED_BYTES_MAX, MANIFESTS_MAX};
use rollbook::event::model::{
    AlertStatus, DATASETS_MAX, DigestMethod, DriftKind, EvaluationKind, EvaluationOutcome, IGNORED_MAX,
    METRICS_MAX,
};
use rollbook::event::release::{ChangeOutcome, EVIDENCE_MAX, SessionState, Strategy};
use rollbook::event::remark::AttestedVerdict;
use rollbook::event::text::{ENVIRONMENT_BYTES_MAX, NAME_BYTES_MAX, POLICY_BYTES_MAX, TEXT_BYTES_MAX};
use rollbook::log::entry::ENTRY_BYTES_MAX;
use rollbook::note::checkpoint::ORIGIN_BYTES_MAX;
use rollbook::signing::envelope::{EVENT_BYTES_MAX, SIGNATURES_MAX, signing_bytes};
use rollbook::time::Timestamp;
use serde_json::Value;

use crate::support::tables::{Piece, Tables, page};
use crate::support::vectors::{blessing, read_hex, read_text, repository_file};

#[test]
fn the_tables_alone_read_every_event() {
    let tables = Tables::read();
    for kind in Kind::ALL {
        for suffix in ["", ".min"] {
            let name = format!("events/{kind}{suffix}");
            let walked = tables.walk("event", &read_hex(&format!("{name}.hex")));
            let expected: Value = serde_json::from_str(&read_text(&format!("{name}.json"))).unwrap();
            assert_eq!(walked.json, expected, "{name}");
        }
    }
}

#[test]
fn the_tables_alone_read_envelopes_and_entries() {
    let tables = Tables::read();
    let envelope = tables.walk("envelope", &read_hex("envelopes/two-signatures.hex")).json;
    assert_eq!(envelope["signatures"].as_array().unwrap().len(), 2);
    let entry = tables.walk("entry", &read_hex("entries/1.hex")).json;
    assert_eq!((&entry["index"], &entry["state_root"]), (&Value::from(1), &Value::Null));
    assert!(tables.walk("entry", &read_hex("entries/state-root.hex")).json["state_root"].is_string());
}

#[test]
fn every_word_and_number_of_the_code_is_in_the_tables() {
    let tables = Tables::read();
    macro_rules! check {
        ($($name:literal: $words:ty,)+) => {$(
            let expected: Vec<&str> = <$words>::ALL.iter().map(|word| word.as_str()).collect();
            assert_eq!(tables.words($name), expected);
        )+};
    }
    check! {
        "body": Kind, "role": Role, "digest method": DigestMethod, "evaluation kind": EvaluationKind,
        "evaluation outcome": EvaluationOutcome, "drift kind": DriftKind, "alert status": AlertStatus,
        "strategy": Strategy, "session state": SessionState, "change outcome": ChangeOutcome,
        "verdict": AttestedVerdict,
    }
}

#[test]
fn the_bounds_on_the_page_are_those_of_the_code() {
    let page = page();
    for line in [
        format!("| an event | {} bytes |", thousands(EVENT_BYTES_MAX)),
        format!("| signatures on an envelope | {SIGNATURES_MAX}, at least 1 |"),
        format!("| an entry | {} bytes |", thousands(ENTRY_BYTES_MAX)),
        format!("| a name, a glob, an origin | {NAME_BYTES_MAX} bytes |"),
        format!("| an environment name | {ENVIRONMENT_BYTES_MAX} bytes |"),
        format!("| a text | {} bytes |", thousands(TEXT_BYTES_MAX)),
        format!("| a policy text | {} bytes |", thousands(POLICY_BYTES_MAX)),
        format!("| an embedded Git object | {} bytes |", thousands(EMBEDDED_BYTES_MAX)),
        format!("| attachments of an event | {ATTACHMENTS_MAX} |"),
        format!("| an attachment | {} bytes |", thousands(usize::try_from(ATTACHMENT_BYTES_MAX).unwrap())),
        format!("| administrators in `ledger.created` | {ADMINISTRATORS_MAX} |"),
        format!("| globs for environments, for models | {GLOBS_MAX} each |"),
        format!("| data sets, ignored paths, manifests | {DATASETS_MAX} each |"),
        format!("| metrics | {METRICS_MAX} |"),
        format!("| evidence, validation | {EVIDENCE_MAX} |"),
        format!("| accepted violations | {ACCEPTED_MAX} |"),
        format!("It is format version {FORMAT_VERSION}."),
        format!("from 0 to {} (", Timestamp::MAX.as_millis()),
        format!("a kind number above {} |", Kind::ALL.len() - 1),
    ] {
        assert!(page.contains(&line), "the page lacks: {line}");
    }
    assert_eq!((DATASETS_MAX, DATASETS_MAX), (IGNORED_MAX, MANIFESTS_MAX), "one line stands for three");
    assert_eq!(NAME_BYTES_MAX, ORIGIN_BYTES_MAX, "one line stands for both");
}

#[test]
fn the_globs_on_the_page_match_as_it_says() {
    let page = page();
    let rows = page.split("| glob | matches | does not match |\n|---|---|---|\n").nth(1).unwrap();
    let rows: Vec<&str> = rows.lines().take_while(|line| line.starts_with('|')).collect();
    assert!(!rows.is_empty());
    for row in rows {
        let cells: Vec<Vec<&str>> =
            row.split(" | ").map(|cell| cell.split('`').skip(1).step_by(2).collect()).collect();
        let glob = Glob::new(cells[0][0]).unwrap();
        assert!(cells[1].iter().all(|name| glob.matches(name)), "{row}");
        assert!(!cells[2].iter().any(|name| glob.matches(name)), "{row}");
    }
}

#[test]
fn the_event_id_and_signed_bytes_on_the_page_are_right() {
    assert!(page().contains(&format!("gives `{}`", EventId::derive("mlflow", "42"))));
    assert!(
        page().contains(r#""DSSEv1" SP "33" SP "application/vnd.rollbook.event.v1" SP <length> SP <event>"#)
    );
    assert_eq!(signing_bytes(b"abc"), b"DSSEv1 33 application/vnd.rollbook.event.v1 3 abc");
}

#[test]
fn the_worked_example_is_the_vector() {
    const BEGIN: &str = "<!-- example begins -->\n";
    const END: &str = "<!-- example ends -->";
    let page = page();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (example, after) = rest.split_once(END).unwrap();
    let expected = format!("```text\n{}```\n", listing(&read_hex("entries/1.hex")));
    if blessing() {
        fs::write(repository_file("docs/format.md"), format!("{before}{BEGIN}{expected}{END}{after}"))
            .unwrap();
    } else {
        assert_eq!(example, expected);
    }
}

/// The bytes of an entry, piece by piece, with the event taken apart too.
fn listing(entry: &[u8]) -> String {
    let tables = Tables::read();
    let mut listing = String::new();
    for piece in tables.walk("entry", entry).pieces {
        let bytes = &entry[piece.range.clone()];
        if piece.path == "envelope.event" && bytes.len() > 8 {
            for inner in tables.walk("event", bytes).pieces {
                list_piece(&mut listing, &inner, piece.range.start, bytes, "event: ");
            }
        } else {
            list_piece(&mut listing, &piece, 0, entry, "");
        }
    }
    listing
}

fn list_piece(listing: &mut String, piece: &Piece, base: usize, bytes: &[u8], prefix: &str) {
    let equals = if piece.says.is_empty() { "" } else { " = " };
    let what = format!("{prefix}{}{equals}{}", piece.path, piece.says);
    for (number, chunk) in bytes[piece.range.clone()].chunks(16).enumerate() {
        let offset = base + piece.range.start + 16 * number;
        let what = if number == 0 { what.as_str() } else { "" };
        let line = format!("{offset:>4}  {:<32}  {what}", hex::encode(chunk));
        writeln!(listing, "{}", line.trim_end()).unwrap();
    }
}

fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap()).collect();
    groups.join(",")
}
