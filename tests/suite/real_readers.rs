//! Timelines as other people's programs read them: CSV by Python, JSON by `jsonschema`, charts by Mermaid.
//!
//! Ignored by default: `cargo test -- --include-ignored`. Python is `ROLLBOOK_PYTHON`, or else `python3`, with the packages
//! of `tests/requirements-readers.txt`; Node's modules `mermaid` and `jsdom` are in `ROLLBOOK_BROWSER_MODULES`.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use rollbook::timeline::zone::Zone;
use rollbook::timeline::{csv, json, md};
use serde_json::Value;

use super::timeline_tables::{HOSTILE, chronicle};

/// What a program prints that is given `input`, read as JSON.
fn read_by(command: &mut Command, input: &str) -> Value {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{command:?} on {input}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn python(script: &str) -> Command {
    let mut command = Command::new(std::env::var_os("ROLLBOOK_PYTHON").unwrap_or_else(|| "python3".into()));
    command.args(["-c", script]).env("PYTHONIOENCODING", "utf-8");
    command
}

#[test]
#[ignore = "needs Python"]
fn python_reads_the_csv_as_it_was_written() {
    const READ: &str = "import csv, io, json, sys
text = io.TextIOWrapper(sys.stdin.buffer, 'utf-8', newline='')
print(json.dumps(list(csv.DictReader(text, strict=True))))";
    for hostile in HOSTILE {
        let rows = read_by(&mut python(READ), &csv::render(&chronicle(hostile), &Zone::utc()).unwrap());
        assert_eq!(rows.as_array().unwrap().len(), 3);
        for row in rows.as_array().unwrap() {
            let model = row["model"].as_str().unwrap();
            assert_eq!(model.strip_prefix('\'').unwrap_or(model), hostile);
            assert_eq!(row.as_object().unwrap().len(), csv::COLUMNS.len(), "{row}");
        }
    }
}

#[test]
#[ignore = "needs Python and jsonschema"]
fn jsonschema_finds_nothing_wrong_with_the_json() {
    const CHECK: &str = "import json, sys
from jsonschema import Draft202012Validator as V
schema = json.load(open(sys.argv[1]))
V.check_schema(schema)
value = json.load(sys.stdin)
print(json.dumps([e.json_path + ': ' + e.message for e in V(schema).iter_errors(value)]))";
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schemas/timeline.schema.json");
    for hostile in HOSTILE {
        let mut value = json::to_value(&chronicle(hostile));
        let found = read_by(python(CHECK).arg(&schema), &value.to_string());
        assert_eq!(found, serde_json::json!([]));
        value["lanes"][0]["colour"] = "red".into();
        let found = read_by(python(CHECK).arg(&schema), &value.to_string());
        assert_eq!(found.as_array().unwrap().len(), 1, "what the schema does not know is told");
    }
}

#[test]
#[ignore = "needs Node, mermaid and jsdom"]
fn mermaid_reads_the_chart_and_its_times() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/mermaid.mjs");
    for hostile in HOSTILE {
        let page = md::render(&chronicle(hostile), &Zone::utc());
        let charts = read_by(Command::new("node").arg(&script).env("TZ", "UTC"), &page);
        let tasks = charts[0].as_array().unwrap_or_else(|| panic!("{page}"));
        assert_eq!((charts.as_array().unwrap().len(), tasks.len()), (1, 5), "{charts}");
        let minute = |minutes| super::support::events::minute(minutes).as_millis();
        let told = |at: usize| (tasks[at]["from"].as_i64().unwrap(), tasks[at]["until"].as_i64().unwrap());
        assert_eq!(told(0), (minute(100), minute(300)), "what served");
        assert_eq!(told(1), (minute(200), minute(300)), "incident to recovery");
        assert_eq!(tasks[1]["crit"], true);
        let milestones = tasks.iter().filter(|task| task["milestone"] == true).count();
        assert_eq!(milestones, 3, "{charts}");
    }
}
