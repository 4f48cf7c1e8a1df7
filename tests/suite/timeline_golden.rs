//! Every form of the demo's ledger, byte for byte: its evidence pack is kept, and what is told of it stands beside it.
//!
//! `ROLLBOOK_BLESS=1` writes them anew, for a change to be seen in review. The picture is the one in the README.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Files of tests/vectors/demo, and the command lines that make them; `docs/timeline.svg` is one of them.
const FORMS: &[(&str, &str)] = &[
    ("docs/timeline.svg", "timeline --format svg"),
    ("tests/vectors/demo/timeline.html", "timeline --format html"),
    ("tests/vectors/demo/timeline.md", "timeline --format md --incident INC-7 --tz Europe/Berlin"),
    ("tests/vectors/demo/timeline.csv", "timeline --format csv"),
    ("tests/vectors/demo/timeline.json", "timeline --format json"),
    ("tests/vectors/demo/timeline.txt", "timeline --format text"),
    ("tests/vectors/demo/report.html", "report --format html --sample 2 --seed demo"),
    ("tests/vectors/demo/report.md", "report --format md --sample 2 --seed demo"),
    ("tests/vectors/demo/report.json", "report --format json --sample 2 --seed demo"),
    ("tests/vectors/demo/events.cdevents.jsonl", "export events --format cdevents"),
    ("tests/vectors/demo/events.cloudevents.jsonl", "export events --format cloudevents"),
    ("tests/vectors/demo/events.jsonl", "export events --format ndjson"),
];

#[test]
fn every_form_of_the_demos_ledger_is_as_it_was_reviewed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let changed: Vec<&str> = FORMS
        .iter()
        .filter(|(file, line)| !is_as_before(&root.join(file), line))
        .map(|(file, _)| *file)
        .collect();
    assert!(changed.is_empty(), "see what changed, and bless it with ROLLBOOK_BLESS=1: {changed:?}");
}

fn is_as_before(file: &Path, line: &str) -> bool {
    let made = made(line);
    if std::env::var_os("ROLLBOOK_BLESS").is_some() {
        std::fs::write(file, &made).unwrap();
        return true;
    }
    std::fs::read(file).unwrap_or_default() == made
}

/// What the program writes to a file.
fn made(line: &str) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let file: PathBuf = dir.path().join("made");
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/demo");
    let mut command = Command::new(env!("CARGO_BIN_EXE_rollbook"));
    command.args(line.split_whitespace()).arg("--trust").arg(demo.join("trust.toml"));
    command
        .arg("-o")
        .arg(&file)
        .env("ROLLBOOK_LEDGER", demo.join("pack"))
        .env("ROLLBOOK_CONFIG", "/dev/null");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{line}: {output:?}");
    std::fs::read(file).unwrap()
}
