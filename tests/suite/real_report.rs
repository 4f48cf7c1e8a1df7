//! The report's JSON, held against its schema by Python's `jsonschema`.
//!
//! Ignored by default: `cargo test -- --include-ignored`. The interpreter that has it is `ROLLBOOK_PYTHON`, or else
//! `python3`.

use std::process::Command;

use crate::support::desk::Desk;

const VALIDATE: &str = "
import json, sys
from jsonschema import Draft202012Validator as V
schema, report = (json.load(open(path)) for path in sys.argv[1:])
V.check_schema(schema)
errors = [f'{list(error.path)}: {error.message[:200]}' for error in V(schema).iter_errors(report)]
report['changes'][0]['unknown'] = 1
assert list(V(schema).iter_errors(report)), 'the schema lets anything through'
sys.exit('\\n'.join(errors) or 0)
";

#[test]
#[ignore = "needs ROLLBOOK_PYTHON with jsonschema"]
fn a_report_is_valid_under_its_schema() {
    let desk = Desk::with_releases();
    let options = "--trust ledger/trust.toml --format json --sample 2 -o report.json";
    desk.done(&format!("report {options}"));
    let python = std::env::var_os("ROLLBOOK_PYTHON").unwrap_or_else(|| "python3".into());
    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/schemas/report.schema.json");
    let validated =
        Command::new(&python).args(["-c", VALIDATE, schema]).arg(desk.path("report.json")).output();
    let validated = validated.unwrap_or_else(|error| panic!("{}: {error}", python.display()));
    assert!(validated.status.success(), "{}", String::from_utf8_lossy(&validated.stderr));
}
