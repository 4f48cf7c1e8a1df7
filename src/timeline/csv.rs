//! A timeline as CSV (RFC 4180): a row an entry.
//!
//! Cells hold what strangers wrote, and spreadsheets compute what looks like a formula. So a cell that begins like one,
//! or with an apostrophe, gets an apostrophe before it; whoever takes one away from each cell that has one has the text
//! back. Characters that steer a terminal or reorder text are spelt out, as everywhere in timelines; the exact values
//! are in the JSON.

use super::chronicle::{Chronicle, Row, Signer, Standing};
use super::prose::visible;
use super::zone::Zone;

/// The columns, in their order. New ones come at the end.
pub const COLUMNS: [&str; 21] = [
    "index",
    "recorded_at",
    "claimed_at",
    "kind",
    "environment",
    "model",
    "version",
    "digest",
    "repository",
    "commit",
    "tag",
    "incident",
    "about_entry",
    "proposer",
    "proposer_key",
    "approvers",
    "what",
    "leaf_hash",
    "standing",
    "codes",
    "verdict",
];

/// The rows of `chronicle`, times in `zone`. Lines end in CR LF; the first one names the columns.
///
/// # Errors
/// None that memory can give: the writer's, as it says them.
pub fn render(chronicle: &Chronicle, zone: &Zone) -> Result<String, csv::Error> {
    let mut writer =
        csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::with_capacity(256));
    writer.write_record(COLUMNS)?;
    for row in &chronicle.rows {
        let verdict = chronicle.basis.verdict.as_ref().map_or("not_verified", |told| told.word);
        writer.write_record(cells(row, zone, verdict).map(|cell| defused(&cell)))?;
    }
    let bytes = writer.into_inner().map_err(csv::IntoInnerError::into_error)?;
    Ok(String::from_utf8(bytes).expect("every cell is UTF-8"))
}

fn cells(row: &Row, zone: &Zone, verdict: &str) -> [String; COLUMNS.len()] {
    let entry = &row.entry;
    let proposer = entry.signers.iter().find(|signer| signer.proposed);
    let approvers = entry.signers.iter().filter(|signer| !signer.proposed).map(Signer::name);
    let codes = match &row.standing {
        Standing::Doubted(codes) => codes.join("; "),
        _ => String::new(),
    };
    let infra = row.infra.as_ref();
    [
        entry.index.to_string(),
        zone.rfc_3339(entry.recorded_at),
        zone.rfc_3339(entry.claimed_at),
        entry.kind.to_string(),
        told(row.environment.as_ref()),
        told(row.model.as_ref()),
        told(row.version.as_ref()),
        told(row.digest.as_ref()),
        told(infra.map(|infra| &infra.repository)),
        told(infra.map(|infra| &infra.id)),
        told(infra.and_then(|infra| infra.tag.as_ref())),
        told(row.incident.as_ref()),
        told(row.about_entry.as_ref()),
        told(proposer.and_then(|proposer| proposer.person.as_ref())),
        told(proposer.map(|proposer| proposer.key.fingerprint()).as_ref()),
        approvers.collect::<Vec<_>>().join("; "),
        row.what.clone(),
        entry.leaf_hash.to_string(),
        row.standing.as_str().to_owned(),
        codes,
        verdict.to_owned(),
    ]
}

/// The value, or nothing.
fn told(value: Option<&impl ToString>) -> String {
    value.map(ToString::to_string).unwrap_or_default()
}

/// A cell that no spreadsheet computes.
fn defused(cell: &str) -> String {
    let cell = visible(cell);
    if looks_like_a_formula(&cell) || cell.starts_with('\'') { format!("'{cell}") } else { cell }
}

/// Whether a spreadsheet may take a cell for a formula: by its first character, behind white space too, and in the
/// full-width forms that East Asian versions read as the same.
fn looks_like_a_formula(cell: &str) -> bool {
    let is_first_of_formula = |c| {
        matches!(c, '=' | '+' | '-' | '@' | '\u{ff1d}' | '\u{ff0b}' | '\u{ff0d}' | '\u{ff20}' | '\u{2212}')
    };
    let is_blank = |c: char| c.is_whitespace() || matches!(c, '\u{200b}' | '\u{feff}');
    cell.starts_with(['\t', '\r', '\n']) || cell.trim_start_matches(is_blank).starts_with(is_first_of_formula)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_spreadsheet_would_compute_is_text() {
        for formula in [
            "=1+1",
            "+1",
            "-1",
            "@SUM(A1)",
            "\t=1",
            "\ttext",
            "\ntext",
            " =1",
            "\u{a0}=1",
            "\u{feff}=1",
            "\u{ff1d}1",
            "\u{ff0b}1",
            "\u{ff0d}1",
            "\u{ff20}A",
            "'=1",
        ] {
            assert_eq!(defused(formula), format!("'{formula}"));
        }
        for text in ["", "a=1", "1-1", " text", "\u{6a21}\u{578b}", "2026-03-01T09:30:00.000Z"] {
            assert_eq!(defused(text), text);
        }
        assert_eq!(defused("a\u{202e}\u{1b}b"), "a\\u{202e}\\u{1b}b");
        assert_eq!(defused("\r=1"), "\\u{d}=1");
    }
}
