//! Other people's readers of what `rollbook export events` writes: `CDEvents` by its project's Rust SDK; `CloudEvents`,
//! in-toto Statements, DSSE envelopes and package URLs by the Python packages of theirs.
//!
//! Ignored by default: `cargo test -- --include-ignored`. The interpreter that has the packages is `ROLLBOOK_PYTHON`, or
//! else `python3`; tests/requirements-events.txt pins them. The SDK is built by cargo, from tests/cdevents/.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use rollbook::signing::key_file::SecretKey;

use crate::export_events::{FORMATS, desk_of, hostile};
use crate::support::desk::Desk;
use crate::support::every_kind::every_kind;

/// Runs a command on `input`.
fn fed(command: &mut Command, input: &str) -> Output {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    output
}

/// What a Python script prints, given lines.
fn python(script: &str, arguments: &[&str], input: &str) -> String {
    let python = std::env::var_os("ROLLBOOK_PYTHON").unwrap_or_else(|| "python3".into());
    let output = fed(Command::new(python).arg("-c").arg(script).args(arguments), input);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The lines of a format, of a ledger of every kind and of one with hostile names.
fn lines(format: &str) -> Vec<String> {
    let (_, key) = FORMATS.into_iter().find(|(name, _)| *name == format).unwrap();
    let all = |desk: &Desk| desk.done(&format!("export events --format {format} {key}"));
    vec![all(&desk_of(&every_kind())), all(&desk_of(&hostile()))]
}

#[test]
#[ignore = "builds the CDEvents SDK, which comes from crates.io"]
fn the_cdevents_sdk_reads_every_line() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cdevents/Cargo.toml");
    let reader = |input: &str| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["run", "--quiet", "--locked", "--manifest-path"]).arg(&manifest);
        cargo.env("CARGO_TARGET_DIR", concat!(env!("CARGO_TARGET_TMPDIR"), "/cdevents"));
        fed(&mut cargo, input)
    };
    for lines in lines("cdevents") {
        let output = reader(&lines);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), lines.lines().count().to_string());
    }
    // It can say no.
    let removed = lines("cdevents")[0].replace("\"artifactId\":", "\"artifact\":");
    assert!(!reader(&removed).status.success());
}

const READ_CLOUDEVENTS: &str = "
import json, sys
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
count = 0
for line in sys.stdin:
    event = JSONFormat().read(CloudEvent, line.encode())
    raw = json.loads(line)
    assert event.get_specversion() == '1.0'
    for mine, theirs in [('id', event.get_id()), ('source', event.get_source()), ('type', event.get_type()),
                         ('subject', event.get_subject()), ('data', event.get_data()),
                         ('datacontenttype', event.get_datacontenttype())]:
        assert raw.get(mine) == theirs, (mine, theirs)
    assert event.get_time() is not None
    for name in ['rollbookindex', 'rollbookleafhash', 'rollbookledgerid', 'rollbookorigin']:
        assert event.get_extension(name) == raw[name], name
    count += 1
print(count)
";

#[test]
#[ignore = "needs Python and the package cloudevents"]
fn the_cloudevents_sdk_reads_every_line() {
    for lines in lines("cloudevents") {
        assert_eq!(python(READ_CLOUDEVENTS, &[], &lines), lines.lines().count().to_string());
    }
}

const VERIFY_STATEMENTS: &str = "
import json, sys
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from google.protobuf import json_format
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement
from in_toto_attestation.predicates.test_result.v0 import test_result_pb2
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey
def key(hexadecimal):
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(hexadecimal))
    return SSlibKey.from_crypto(key, keyid=sys.argv[2])
count = 0
for line in sys.stdin:
    envelope = Envelope.from_dict(json.loads(line))
    assert envelope.payload_type == 'application/vnd.in-toto+json'
    assert sys.argv[2] in envelope.verify([key(sys.argv[1])], 1)
    try:
        envelope.verify([key(sys.argv[3])], 1)
        raise SystemExit('verifies under another key')
    except VerificationError:
        pass
    Statement.copy_from_pb(json_format.Parse(envelope.payload, statement_pb2.Statement())).validate()
    statement = json.loads(envelope.payload)
    if statement['predicateType'] == 'https://in-toto.io/attestation/test-result/v0.1':
        predicate = statement['predicate']
        assert predicate.pop('rollbookEntry')['event']['kind'] == 'model.evaluated'
        result = json_format.ParseDict(predicate, test_result_pb2.TestResult())
        assert result.result in ('PASSED', 'WARNED', 'FAILED') and len(result.configuration) == 2
    count += 1
print(count)
";

#[test]
#[ignore = "needs Python and the packages in-toto-attestation and securesystemslib"]
fn securesystemslib_verifies_and_in_toto_reads_every_statement() {
    let [exporter, other] = [77, 78].map(|number| SecretKey::from_seed(&[number; 32]).public_key());
    let arguments = [exporter.to_string(), exporter.fingerprint().to_string(), other.to_string()];
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    for lines in lines("in-toto") {
        assert_eq!(python(VERIFY_STATEMENTS, &arguments, &lines), lines.lines().count().to_string());
    }
}

const READ_PURLS: &str = "
import json, sys
from packageurl import PackageURL
count = 0
for line in sys.stdin:
    event = json.loads(line)
    content, body = event['subject']['content'], event['customData']['rollbookEntry']['event']['body']
    for purl in filter(None, [content.get('artifactId')]):
        read = PackageURL.from_string(purl)
        assert read.type == 'generic' and read.namespace is None, purl
        assert read.qualifiers['checksum'].startswith('sha256:'), purl
        if body.get('version'):
            # The reader strips spaces and slashes at the ends of a name once it is decoded.
            for name, theirs in [('model', read.name), ('version', read.version)]:
                assert (theirs or '').strip('/ ') == body[name].strip('/ '), (purl, body)
        count += 1
print(count)
";

#[test]
#[ignore = "needs Python and the package packageurl-python"]
fn package_urls_give_the_names_back() {
    for lines in lines("cdevents") {
        let expected = lines.matches("\"artifactId\":\"pkg:").count();
        let in_content = python(READ_PURLS, &[], &lines).parse::<usize>().unwrap();
        assert!(in_content > 5 && in_content <= expected, "{in_content} of {expected}");
    }
}
