//! Timelines as Markdown, CSV, JSON and text: hostile names break none of them, and what they hold is what the schema says.

use std::collections::BTreeSet;

use rollbook::event::body::Body;
use rollbook::event::release::ChangeOutcome;
use rollbook::event::text::EnvironmentName;
use rollbook::hash::Hash;
use rollbook::timeline::chronicle::{
    Basis, Chronicle, Commit, Completion, Doubt, EntryRef, Incident, IncidentPlace, Lane, Query, Recovery,
    Row, Signer, Standing, Stretch, VerdictTold,
};
use rollbook::timeline::text::Page;
use rollbook::timeline::zone::Zone;
use rollbook::timeline::{csv, json, md, prose, text};
use serde_json::Value;

use super::support::events::{ada, incident, minute, name, promote, roll_back, serving, text as words};
use super::support::forge::Forge;

/// Names as strangers may choose them.
pub(crate) const HOSTILE: [&str; 12] = [
    "plain",
    "=HYPERLINK(\"https://example.org\")",
    "+1-1@x",
    "a|b`c``d\\|e",
    "a:b;c#d%%e,f",
    "section x : crit, 1, 2",
    "%%{init: {'securityLevel': 'loose'}}%%",
    "<script>alert(1)</script>&lt;</svg>",
    "``` \" ' [x](y) *z* $w$ @team #1",
    "\u{6a21}\u{578b} \u{5d3}\u{5d2}\u{5dd} \u{1f600}",
    " = leading",
    "\u{ff1d}1",
];

/// A chronicle in which everything that has a name is called `hostile`.
#[expect(clippy::too_many_lines, reason = "one story, told once from its beginning to its end")]
pub(crate) fn chronicle(hostile: &str) -> Chronicle {
    let long = "x".repeat(256);
    let hostile = name(hostile);
    let place: EnvironmentName = "production".parse().unwrap();
    let signers: std::sync::Arc<[Signer]> = [
        Signer { person: Some(hostile.clone()), key: ada().public(), proposed: true },
        Signer { person: Some(name(&long)), key: ada().public(), proposed: false },
    ]
    .into();
    let entry = |index: u64, body: &Body| EntryRef {
        index,
        leaf_hash: Hash::of(&index.to_be_bytes()),
        recorded_at: minute(i64::try_from(index).unwrap() * 100),
        claimed_at: minute(i64::try_from(index).unwrap() * 100 - 1),
        kind: body.kind(),
        signers: signers.clone(),
    };
    let mut promoted = promote("v1", "production", None);
    promoted.model = hostile.clone();
    promoted.version = hostile.clone();
    let mut detected = incident("INC", "production");
    detected.incident = hostile.clone();
    detected.summary = Some(words(&format!("{hostile}\nVERDICT: sound\n| a | b |\n```")));
    let mut back = roll_back("production", serving("v1", 1), "v0");
    back.model = hostile.clone();
    back.incident = Some(hostile.clone());
    back.reason = words(&format!("{hostile} {}", "because ".repeat(900)));
    let bodies: [Body; 3] = [promoted.into(), detected.into(), back.into()];
    let entries: Vec<EntryRef> = (1..).zip(&bodies).map(|(index, body)| entry(index, body)).collect();
    let infra = Commit { repository: hostile.clone(), id: "ab".repeat(20), tag: Some(hostile.clone()) };
    let completed = Completion {
        entry: entries[2].clone(),
        outcome: ChangeOutcome::Succeeded,
        completed_at: minute(300),
    };
    let rows = entries.iter().zip(&bodies).map(|(entry, body)| {
        let event = Forge::new().event(&ada(), body.clone());
        Row {
            what: prose::one_line(&event),
            entry: entry.clone(),
            event: event.into(),
            model: Some(hostile.clone()),
            version: Some(hostile.clone()),
            environment: Some(place.clone()),
            digest: Some(Hash::of(b"digest")),
            infra: Some(infra.clone()),
            incident: Some(hostile.clone()),
            about_entry: None,
            standing: Standing::Doubted(vec!["signature.author".to_owned()]),
            details: None,
        }
    });
    Chronicle {
        goes_on: false,
        origin: Some(hostile.clone()),
        ledger_id: Some(Hash::of(b"ledger")),
        query: Query { incident: Some(hostile.clone()), ..Query::default() },
        since: minute(100),
        until: minute(300),
        basis: Basis {
            size: 4,
            root: Some(Hash::of(b"root")),
            last_recorded_at: Some(minute(300)),
            checkpoint: Some("a\n4\nb\n".to_owned()),
            verdict: Some(VerdictTold {
                word: "tampered",
                is_good: false,
                line: "VERDICT: TAMPERED".to_owned(),
                resumed_from: None,
                held: None,
                judged_up_to: 4,
            }),
        },
        rows: rows.collect(),
        lanes: vec![Lane {
            environment: place.clone(),
            model: hostile.clone(),
            stretches: vec![Stretch {
                version: hostile.clone(),
                digest: Some(Hash::of(b"digest")),
                opened: entries[0].clone(),
                authorised: entries[0].clone(),
                infra: Some(infra),
                completed: Some(completed.clone()),
                closed: Some(entries[2].clone()),
            }],
        }],
        incidents: vec![Incident {
            id: hostile.clone(),
            severity: hostile.clone(),
            summary: Some(words(&format!("{hostile}\n```\n\u{202e}"))),
            places: vec![IncidentPlace {
                severity: hostile.clone(),
                summary: None,
                environment: place.clone(),
                model: Some(hostile.clone()),
                detected: entries[1].clone(),
                detected_at: minute(199),
                evidence: vec![0],
            }],
            recoveries: vec![Recovery {
                environment: place.clone(),
                model: hostile.clone(),
                failed: hostile.clone(),
                failed_since: Some(entries[0].clone()),
                detected: Some(entries[1].clone()),
                change: entries[2].clone(),
                break_glass: true,
                ratified: Some(entries[2].clone()),
                completed: Some(completed),
                target_ms: Some(60_000),
            }],
            resolved: Some((entries[2].clone(), minute(300))),
        }],
        doubts: vec![Doubt {
            from_index: 1,
            until_index: Some(2),
            since: None,
            until: Some(minute(200)),
            code: "signature.author".to_owned(),
            message: format!("{hostile}\n```"),
        }],
    }
}

/// The cells of a row of a Markdown table, as GitHub parts them.
fn cells(line: &str) -> usize {
    line.replace("\\|", "").matches('|').count() - 1
}

#[test]
fn markdown_holds_its_tables_and_one_chart_whatever_names_say() {
    for hostile in HOSTILE {
        let page = md::render(&chronicle(hostile), &Zone::utc());
        assert_eq!(page.lines().filter(|line| line.starts_with("```")).count(), 2, "{page}");
        let tables = page.split("\n\n").filter(|part| part.starts_with("| "));
        let mut seen = 0;
        for table in tables {
            let widths: BTreeSet<usize> = table.lines().map(cells).collect();
            assert_eq!(widths.len(), 1, "{hostile}: {table}");
            seen += 1;
        }
        assert_eq!(seen, 3, "{page}");
        assert!(!page.contains('\u{202e}') && !page.contains('\t'));
        assert!(page.contains("1h 40m, LATE: the target is 1m"), "{page}");
    }
}

#[test]
fn a_chart_that_mermaid_would_refuse_is_left_out() {
    let mut long = chronicle("plain");
    long.rows = vec![long.rows[0].clone(); 1_000];
    let page = md::render(&long, &Zone::utc());
    assert!(page.contains("```mermaid") && !page.contains("milestone,"), "the milestones go first");
    long.lanes[0].stretches = vec![long.lanes[0].stretches[0].clone(); 1_000];
    let page = md::render(&long, &Zone::utc());
    assert!(!page.contains("```mermaid") && page.contains("There is no chart"));
}

#[test]
fn csv_has_a_row_an_entry_and_no_formula() {
    for hostile in HOSTILE {
        let text = csv::render(&chronicle(hostile), &Zone::parse("Europe/Berlin").unwrap()).unwrap();
        let mut reader = ::csv::Reader::from_reader(text.as_bytes());
        assert_eq!(reader.headers().unwrap(), csv::COLUMNS.as_slice());
        let records: Vec<_> = reader.records().map(Result::unwrap).collect();
        assert_eq!(records.len(), 3);
        for record in &records {
            assert!(
                record.iter().all(|cell| !cell.trim_start().starts_with(['=', '+', '-', '@', '\u{ff1d}']))
            );
            let model = &record[5];
            assert_eq!(model.strip_prefix('\'').unwrap_or(model), hostile);
        }
        assert_eq!(&records[0][1], "2026-03-01T11:40:00.000+01:00");
        assert_eq!(text.matches("\r\n").count(), 4, "{text}");
    }
}

/// Every key of `value` stands in `schema`, and every one that the schema asks for is there.
fn agrees(value: &Value, schema: &Value, root: &Value, at: &str) {
    if let Some(name) = schema["$ref"].as_str() {
        let definition = root.pointer(name.trim_start_matches('#')).unwrap_or_else(|| panic!("{name}"));
        return agrees(value, definition, root, at);
    }
    if let Some(any) = schema["anyOf"].as_array() {
        return if value.is_null() {
            assert!(any.iter().any(|one| one["type"] == "null"), "{at} is null");
        } else {
            agrees(value, &any[0], root, at);
        };
    }
    if let (Some(map), Some(known)) = (value.as_object(), schema["properties"].as_object()) {
        assert_eq!(schema["additionalProperties"], false, "{at}");
        assert_eq!(map.keys().collect::<BTreeSet<_>>(), known.keys().collect(), "{at}");
        map.iter().for_each(|(key, value)| agrees(value, &known[key], root, &format!("{at}.{key}")));
    }
    if let Some(items) = value.as_array() {
        for item in items {
            agrees(item, &schema["items"], root, &format!("{at}[]"));
        }
    }
}

#[test]
fn json_is_what_its_schema_says() {
    let schema: Value =
        serde_json::from_str(include_str!("../../docs/schemas/timeline.schema.json")).unwrap();
    for hostile in HOSTILE {
        let value = json::to_value(&chronicle(hostile));
        assert_eq!(value["schema"], schema["properties"]["schema"]["const"]);
        assert_eq!(value["lanes"][0]["model"], hostile);
        agrees(&value, &schema, &schema, "$");
    }
}

#[test]
fn text_is_cut_to_a_terminal_and_whole_elsewhere() {
    for hostile in HOSTILE {
        let chronicle = chronicle(hostile);
        let whole = Page { width: None, styled: false, now: minute(400) };
        let text = text::render(&chronicle, &Zone::utc(), &whole);
        assert!(text.contains("recovery time: 1h 40m, LATE") && !text.contains(" ago"), "{text}");
        assert!(!text.contains(['\u{1b}', '\u{202e}', '\t']));
        for columns in [20, 80, 200] {
            let text = text::render(&chronicle, &Zone::utc(), &Page { width: Some(columns), ..whole });
            for line in text.lines() {
                assert!(unicode_width::UnicodeWidthStr::width(line) <= columns, "{columns}: {line}");
            }
        }
        let text = text::render(&chronicle, &Zone::utc(), &Page { width: Some(200), styled: true, ..whole });
        assert!(text.contains("1h ago") && text.contains("\u{1b}["), "{text}");
    }
}
