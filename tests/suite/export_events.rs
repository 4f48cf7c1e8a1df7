//! `rollbook export events`: what each kind becomes in each format, whatever names it holds; that a line leads back to
//! proof, and that nothing leaves a log that is not sound.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rollbook::event::authority::Role;
use rollbook::event::body::Kind;
use rollbook::event::header::EventId;
use rollbook::event::incident::IncidentDetected;
use rollbook::event::model::{ModelDigest, ModelRegistered};
use rollbook::event::release::ModelPromoted;
use rollbook::event::remark::NoteAdded;
use rollbook::export::events::{cdevents, in_toto};
use rollbook::hash::Hash;
use rollbook::note::vkey::VerifierKey;
use rollbook::signing::envelope::pae;
use rollbook::signing::public_key::{PublicKey, SignatureBytes};
use rollbook::signing::verify::verify_strict;
use serde_json::{Value, json};

use crate::support::agent::RunningAgent;
use crate::support::desk::{Answer, Desk};
use crate::support::events::*;
use crate::support::every_kind::{every_kind, second_log_key};
use crate::support::forge::Forge;
use crate::support::vectors::{check_text, read_text, repository_file};

/// Every format, with what it needs.
pub(crate) const FORMATS: [(&str, &str); 4] =
    [("ndjson", ""), ("cloudevents", ""), ("cdevents", ""), ("in-toto", "--key exporter.key")];

/// A desk with a forged ledger, its trust root, and an exporter's key.
pub(crate) fn desk_of(forge: &Forge) -> Desk {
    let desk = Desk::empty();
    forge.write(&desk.path("ledger"));
    desk.write("trust.toml", forge.trust().to_toml());
    desk.key("exporter", 77);
    desk
}

/// What a format makes of the ledger; `more` are options.
pub(crate) fn exported(desk: &Desk, (format, key): (&str, &str), more: &str) -> Vec<Value> {
    let answer = desk.run(&format!("export events --format {format} {key} {more}"));
    assert_eq!(answer.code, Some(0), "{format}: {answer:?}");
    answer.json_lines()
}

/// The statement in an envelope.
fn statement(envelope: &Value) -> Value {
    serde_json::from_slice(&STANDARD.decode(envelope["payload"].as_str().unwrap()).unwrap()).unwrap()
}

/// The object that is inside a line: of in-toto, the statement.
pub(crate) fn opened(format: &str, line: &Value) -> Value {
    if format == "in-toto" { statement(line) } else { line.clone() }
}

/// Where our own object stands in one of a format.
pub(crate) fn entry_of<'a>(format: &str, object: &'a mut Value) -> &'a mut Value {
    match format {
        "ndjson" => object,
        "cloudevents" => &mut object["data"],
        "cdevents" => &mut object["customData"]["rollbookEntry"],
        _ => &mut object["predicate"]["rollbookEntry"],
    }
}

/// Our own objects in the lines of a format, by index.
fn entries(format: &str, lines: &[Value]) -> BTreeMap<u64, Value> {
    let entry = |line| entry_of(format, &mut opened(format, line)).take();
    lines.iter().map(entry).map(|entry| (entry["index"].as_u64().unwrap(), entry)).collect()
}

/// The indexes in the lines of our own format.
fn indexes(desk: &Desk, more: &str) -> Vec<u64> {
    exported(desk, FORMATS[0], more).iter().map(|line| line["index"].as_u64().unwrap()).collect()
}

/// `ROLLBOOK_BLESS=1 cargo test every_kind_becomes` writes them anew.
#[test]
fn every_kind_becomes_what_stands_in_its_vector() {
    let desk = desk_of(&every_kind());
    let ours = exported(&desk, FORMATS[0], "");
    for (format, key) in FORMATS {
        let lines = exported(&desk, (format, key), "");
        assert_eq!(lines.len(), 61, "{format}: an entry a line");
        let mut first_of_kind = BTreeMap::new();
        for (line, ours) in lines.iter().zip(&ours) {
            let mut object = opened(format, line);
            let entry = entry_of(format, &mut object);
            assert_eq!(entry, ours, "{format}: every format carries the whole entry");
            if format != "ndjson" {
                *entry = json!("as in ndjson.json");
            }
            let kind: Kind = ours["event"]["kind"].as_str().unwrap().parse().unwrap();
            first_of_kind.entry(kind).or_insert(object);
        }
        assert!(first_of_kind.keys().eq(Kind::ALL), "{format}: every kind");
        let objects: Vec<&Value> = first_of_kind.values().collect();
        check_text(
            &format!("exports/{format}.json"),
            &(serde_json::to_string_pretty(&objects).unwrap() + "\n"),
        );
    }
}

#[test]
fn the_same_ledger_gives_the_same_bytes_however_it_is_read() {
    let desk = desk_of(&every_kind());
    desk.done("pack export pack");
    for (format, key) in FORMATS {
        let line = format!("export events --format {format} {key}");
        let bytes = desk.done(&line);
        assert_eq!(desk.done(&line), bytes, "{format}: again");
        assert_eq!(desk.done(&format!("{line} --trust trust.toml")), bytes, "{format}: verified");
        let kept = format!("{line} --trust trust.toml --state {format}.kept");
        assert_eq!(desk.done(&kept), bytes, "{format}: verified, and kept");
        assert_eq!(desk.done(&kept), bytes, "{format}: gone on from what was kept");
        assert_eq!(desk.done(&format!("--ledger pack {line}")), bytes, "{format}: from a pack");
        let pack = desk.done(&format!("--ledger pack {line} --trust trust.toml"));
        assert_eq!(pack, bytes, "{format}: from a pack, verified");
        let told = desk.done(&format!("{line} -o {format}.out"));
        assert_eq!(told, format!("{format}.out: 61 entries\n"));
        assert_eq!(desk.read(&format!("{format}.out")), bytes, "{format}: to a file");
    }
}

#[test]
fn a_line_leads_back_to_proof() {
    let desk = desk_of(&every_kind());
    let latest = PublicKey::from_bytes(second_log_key().verifying_key().to_bytes());
    let trust = every_kind().trust().with_latest_log_key(latest).unwrap();
    desk.write("trust.toml", trust.to_toml());
    for (format, key) in FORMATS {
        let lines = exported(&desk, (format, key), "");
        for (index, entry) in entries(format, &lines) {
            if index % 7 != 0 {
                continue;
            }
            let proof =
                desk.done_json(&format!("prove inclusion {index} --entry-out {format}-{index}.entry"));
            assert_eq!(entry["leaf_hash"], proof["leaf_hash"], "{format} {index}");
            assert_eq!(entry["ledger_id"], json!(every_kind().ledger_id));
            desk.write("a.tlog-proof", proof["proof"].as_str().unwrap());
            desk.done(&format!(
                "verify-proof a.tlog-proof --entry {format}-{index}.entry --trust trust.toml"
            ));
        }
    }
    for line in exported(&desk, FORMATS[1], "") {
        assert_eq!(line["rollbookindex"], json!(line["data"]["index"].to_string()));
        assert_eq!(line["rollbookleafhash"], line["data"]["leaf_hash"]);
        assert_eq!(line["rollbookledgerid"], line["data"]["ledger_id"]);
    }
}

#[test]
fn ids_are_the_events_own_and_unique() {
    let desk = desk_of(&every_kind());
    let ids = |lines: Vec<Value>, pointer: &str| -> Vec<String> {
        lines.iter().map(|line| line.pointer(pointer).unwrap().as_str().unwrap().to_owned()).collect()
    };
    let ours = ids(exported(&desk, FORMATS[0], ""), "/event/header/event_id");
    assert_eq!(ids(exported(&desk, FORMATS[1], ""), "/id"), ours);
    assert_eq!(ids(exported(&desk, FORMATS[2], ""), "/context/id"), ours);
    let unique: std::collections::BTreeSet<_> = ours.iter().collect();
    assert_eq!(unique.len(), ours.len());
    assert_eq!(ours[7], EventId::derive("forge", "7").to_string());
}

#[test]
fn filters_follow_what_an_entry_speaks_of() {
    let desk = desk_of(&every_kind());
    // The change of entry 16, its report, drift and incident, the rollback with its report and ratification, and so on.
    let in_production = indexes(&desk, "--env production");
    assert!(
        in_production.contains(&15) && in_production.contains(&17),
        "reports of changes: {in_production:?}"
    );
    assert!(in_production.contains(&22), "an incident is resolved where it was detected: {in_production:?}");
    assert!(in_production.contains(&23), "a ratification is where the rollback was: {in_production:?}");
    assert!(!in_production.iter().any(|index| *index < 14), "keys and registrations: {in_production:?}");
    assert_eq!(indexes(&desk, "--env staging"), [0; 0]);
    let of_model = indexes(&desk, "--model credit/scorer");
    assert!([8, 11, 14, 15, 19, 22].iter().all(|index| of_model.contains(index)), "{of_model:?}");
    assert!(!of_model.contains(&0) && !of_model.contains(&1), "{of_model:?}");
    assert_eq!(indexes(&desk, "--model other"), [19, 22], "an incident in the whole environment");
    assert_eq!(
        indexes(
            &desk,
            "--env production --model credit/scorer --kind model.promoted --until 2026-03-01T09:16:00Z"
        ),
        [14]
    );
    assert_eq!(indexes(&desk, "--since 2026-03-01T09:59:30Z"), [60]);
    assert_eq!(indexes(&desk, "--since 2026-03-01T09:14:00Z --until 2026-03-01T09:16:00Z"), [14, 15]);
    let of_v2 = indexes(&desk, &format!("--digest {}", digest("v2")));
    assert_eq!(
        of_v2,
        [9, 12, 16, 17, 18, 20],
        "registered, evaluated, promoted, completed, drifted, taken back"
    );
    let answer = desk.run("export events --format ndjson --env staging");
    assert!(answer.stderr.contains("no entry fits") && answer.stderr.contains("not verified"), "{answer:?}");
}

#[test]
fn a_promotion_says_whether_anything_served_before() {
    let desk = desk_of(&every_kind());
    let types: Vec<(u64, String)> = exported(&desk, FORMATS[2], "--env production")
        .iter()
        .map(|line| {
            let index = line["customData"]["rollbookEntry"]["index"].as_u64().unwrap();
            (index, line["context"]["type"].as_str().unwrap().to_owned())
        })
        .filter(|(_, name)| name.contains(".service."))
        .collect();
    let service = |name: &str| format!("dev.cdevents.service.{name}.0.3.0");
    assert_eq!(
        types[..4],
        [
            (14, service("deployed")),
            (16, service("upgraded")),
            (20, service("rolledback")),
            (24, service("removed")),
        ]
    );
    // Nothing serves behind entry 24.
    assert_eq!(types[4].1, service("deployed"));
    assert_eq!(types[5].1, service("upgraded"));
    let back = &exported(&desk, FORMATS[2], "--kind model.rolledback")[0];
    let purl =
        |version: &str| format!("pkg:generic/credit%2Fscorer@{version}?checksum=sha256:{}", digest(version));
    assert_eq!(back["subject"]["content"]["artifactId"], json!(purl("v1")));
    assert_eq!(back["customData"]["from"], json!({ "version": "v2", "artifactId": purl("v2") }));
    assert_eq!(back["customData"]["state"], "authorised");
}

#[test]
fn an_incident_says_what_serves_and_where_it_was() {
    let mut forge = Forge::founded();
    let rita = person("Rita");
    forge.add(&[&ada()], grant(&rita, &[Role::Registrar, Role::Deployer, Role::Responder]));
    forge.add(&[&rita], register("v1"));
    forge.add(&[&rita], promote("v1", "staging", None));
    let detected = |place: &str| IncidentDetected { model: Some(name(MODEL)), ..incident("INC-1", place) };
    for place in ["staging", "production"] {
        forge.add(&[&rita], detected(place));
    }
    forge.add(&[&rita], resolved("INC-1"));
    forge.add(&[&rita], detected("production"));
    forge.add(&[&rita], resolved("INC-1"));
    let desk = desk_of(&forge);
    let lines =
        exported(&desk, FORMATS[2], "--kind incident.detected --kind incident.resolved --trust trust.toml");
    let stated = |at: usize, pointer: &str| lines[at].pointer(pointer).cloned();
    let v1 = format!("pkg:generic/credit%2Fscorer@v1?checksum=sha256:{}", digest("v1"));
    assert_eq!(stated(0, "/subject/content/artifactId"), Some(json!(v1)));
    assert_eq!(stated(1, "/subject/content/artifactId"), None, "nothing serves in production");
    let place = |environment: &str| json!({ "environment": environment, "model": MODEL });
    assert_eq!(stated(2, "/customData/places"), Some(json!([place("staging"), place("production")])));
    assert_eq!(stated(2, "/subject/content/environment/id"), Some(json!("staging")));
    assert_eq!(stated(2, "/subject/content/service/id"), Some(json!(MODEL)));
    assert_eq!(
        stated(4, "/customData/places"),
        Some(json!([place("production")])),
        "another one of that name"
    );
    let resolved_in = |place: &str| indexes(&desk, &format!("--env {place} --kind incident.resolved"));
    assert_eq!((resolved_in("staging"), resolved_in("production")), (vec![6], vec![6, 8]));
    let subjects = |at: usize| {
        let line = &exported(&desk, FORMATS[3], "--kind incident.detected")[at];
        statement(line)["subject"].clone()
    };
    assert_eq!(subjects(0), json!([{ "name": "credit/scorer@v1", "digest": { "sha256": digest("v1") } }]));
    assert_eq!(subjects(1)[0]["name"], "example.com/releases#5");
}

#[test]
fn cdevents_keep_the_rules_of_their_schemas() {
    for forge in [every_kind(), hostile()] {
        for line in exported(&desk_of(&forge), FORMATS[2], "") {
            check_cdevent(&line).unwrap_or_else(|wrong| panic!("{wrong}: {line}"));
        }
    }
    // The rules can say no.
    let good = exported(&desk_of(&every_kind()), FORMATS[2], "--kind model.rolledback").remove(0);
    for (pointer, value) in [
        ("/context/specversion", json!("0.4.1")),
        ("/context/source", json!("")),
        ("/context/timestamp", json!("yesterday")),
        ("/subject/type", json!("service")),
        ("/subject/content/artifactId", Value::Null),
        ("/subject/content/environment", json!({ "name": "production" })),
        ("/context/type", json!("dev.cdevents.service.rolledback.0.2.0")),
    ] {
        let (parent, field) = pointer.rsplit_once('/').unwrap();
        let mut bad = good.clone();
        let parent = bad.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        if value.is_null() {
            parent.remove(field)
        } else {
            parent.insert(field.to_owned(), value)
        };
        assert!(check_cdevent(&bad).is_err(), "{pointer}");
    }
}

/// The fields of an object: each that is required, and each that may be there. No other may.
fn has_fields(object: &Value, required: &[&str], optional: &[&str]) -> Result<(), String> {
    let fields = object.as_object().ok_or_else(|| format!("{object} is no object"))?;
    let missing = required.iter().find(|name| !fields.contains_key(**name));
    let strange =
        fields.keys().find(|name| !required.contains(&name.as_str()) && !optional.contains(&name.as_str()));
    match (missing, strange) {
        (None, None) => Ok(()),
        (missing, strange) => Err(format!("missing {missing:?}, strange {strange:?} in {object}")),
    }
}

fn is_text(value: &Value) -> Result<(), String> {
    value.as_str().filter(|text| !text.is_empty()).map(|_| ()).ok_or_else(|| format!("{value} is no text"))
}

/// The rules of the `CDEvents` 0.5.1 schemas of those types that are used.
fn check_cdevent(event: &Value) -> Result<(), String> {
    has_fields(event, &["context", "subject"], &["customData", "customDataContentType"])?;
    let context = &event["context"];
    has_fields(
        context,
        &["specversion", "id", "source", "type", "timestamp"],
        &["schemaUri", "chainId", "links"],
    )?;
    for field in ["id", "source", "type"] {
        is_text(&context[field])?;
    }
    if context["specversion"] != "0.5.1" {
        return Err(format!("specversion {}", context["specversion"]));
    }
    context["timestamp"]
        .as_str()
        .unwrap()
        .parse::<rollbook::time::Timestamp>()
        .map_err(|error| error.to_string())?;
    let subject = &event["subject"];
    has_fields(subject, &["id", "content"], &["source"])?;
    is_text(&subject["id"])?;
    let stated = &subject["content"];
    let places = ["environment", "service"].iter().filter_map(|field| stated.get(field));
    for place in places {
        has_fields(place, &["id"], &["source"])?;
        is_text(&place["id"])?;
    }
    if let Some(artifact) = stated.get("artifactId") {
        is_text(artifact)?;
    }
    let name = context["type"].as_str().unwrap();
    match name.strip_prefix("dev.cdevents.").and_then(|name| name.strip_suffix(".0.3.0")) {
        Some("service.deployed" | "service.upgraded" | "service.rolledback") => {
            has_fields(stated, &["environment", "artifactId"], &[])
        }
        Some("service.removed") => has_fields(stated, &[], &["environment"]),
        Some("artifact.published") => has_fields(stated, &[], &["sbom", "user"]),
        Some("incident.detected" | "incident.resolved") => {
            has_fields(stated, &["environment"], &["description", "service", "artifactId"])
        }
        Some("testsuiterun.finished") => {
            has_fields(&stated["testSuite"], &["id"], &["version", "name", "uri"])?;
            let outcomes = ["success", "failure", "cancel", "error"];
            if !outcomes.iter().any(|outcome| stated["outcome"] == *outcome) {
                return Err(format!("outcome {}", stated["outcome"]));
            }
            has_fields(stated, &["environment", "outcome"], &["severity", "reason", "testSuite"])
        }
        Some(other) => Err(format!("{other} is not used")),
        None => is_custom(name),
    }
}

/// `dev.cdeventsx.<tool>-<subject>.<predicate>.<major>.<minor>.<patch>`.
fn is_custom(name: &str) -> Result<(), String> {
    let parts: Vec<&str> = name.split('.').collect();
    let letters = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphabetic());
    match parts[..] {
        ["dev", "cdeventsx", subject, predicate, "0", "1", "0"]
            if subject.strip_prefix("rollbook-").is_some_and(letters) && letters(predicate) =>
        {
            Ok(())
        }
        _ => Err(format!("{name} is no custom type")),
    }
}

/// Names as strangers choose them.
pub(crate) const HOSTILE: [&str; 9] = [
    "<script>alert(1)</script>",
    "</svg>&amp;\"'",
    "=HYPERLINK(\"x\")",
    "a|b`c`#d;%%e",
    "../../etc/passwd",
    "pkg:generic/x@1?checksum=sha256:00#y",
    "模型 — modèle №1",
    "/ /",
    "\u{fffe}noncharacter",
];

/// Every hostile name as a model, a version, a repository, an incident; and reasons that steer and reorder.
pub(crate) fn hostile() -> Forge {
    let mut forge = Forge::founded();
    let all = [Role::Registrar, Role::Deployer, Role::Responder];
    let mallory = person("=Mallory</script>");
    let mut granted = grant(&mallory, &all);
    granted.scope = scope(&["*"], &["*", "*/*", "*/*/*", "*/*/*/*", "*/*/*/*/*"]);
    forge.add(&[&ada()], granted);
    let long = "l".repeat(256);
    for hostile in HOSTILE.into_iter().chain([long.as_str()]) {
        let root = Hash::of(hostile.as_bytes());
        let registered = register("v1");
        forge.add(
            &[&mallory],
            ModelRegistered {
                model: name(hostile),
                version: name(hostile),
                digest: ModelDigest { root, ..registered.digest.clone() },
                ..registered
            },
        );
        let mut promoted = ModelPromoted {
            model: name(hostile),
            version: name(hostile),
            digest: root,
            reason: Some(text("\u{202e}esrever\n\t=1+1\n<b>")),
            ..promote("v1", "staging", None)
        };
        promoted.infra.repository = name(hostile);
        forge.add(&[&mallory], promoted);
        let summary = Some(text(&format!("{}\u{202e}\n", "x".repeat(8000))));
        forge.add(
            &[&mallory],
            IncidentDetected { model: Some(name(hostile)), summary, ..incident(hostile, "production") },
        );
        forge.add(&[&mallory], resolved(hostile));
    }
    forge.add(&[&mallory], NoteAdded { text: text("\u{2066}|`%%\u{2028}"), ..note(0) });
    forge
}

#[test]
fn hostile_names_stay_what_they_are() {
    let forge = hostile();
    let desk = desk_of(&forge);
    let expected: Vec<Value> =
        forge.entered.iter().map(|entered| serde_json::to_value(&entered.event).unwrap()).collect();
    for (format, key) in FORMATS {
        let answer = desk.run(&format!("export events --format {format} {key} --trust trust.toml"));
        assert_eq!(answer.code, Some(0), "{format}: {}", answer.stderr);
        let steers = |c: char| (c.is_control() && c != '\n') || rollbook::event::text::is_deceptive(c);
        assert_eq!(answer.stdout.find(steers), None, "{format}: nothing steers a terminal");
        let lines = answer.json_lines();
        assert_eq!(lines.len(), expected.len(), "{format}: no line is broken");
        for (line, expected) in lines.iter().zip(&expected) {
            let entry = entry_of(format, &mut opened(format, line)).take();
            assert_eq!(&entry["event"], expected, "{format}");
        }
    }
}

#[test]
fn a_statement_is_signed_by_whoever_exports() {
    let desk = desk_of(&every_kind());
    desk.key("second", 78);
    let lines = exported(&desk, ("in-toto", "--key exporter.key --key second.key --key exporter.key"), "");
    let keys = [[77; 32], [78; 32]]
        .map(|seed| rollbook::signing::key_file::SecretKey::from_seed(&seed).public_key());
    for line in &lines {
        assert_eq!(line["payloadType"], "application/vnd.in-toto+json");
        let payload = STANDARD.decode(line["payload"].as_str().unwrap()).unwrap();
        let signatures = line["signatures"].as_array().unwrap();
        assert_eq!(signatures.len(), 2, "a key signs once");
        for signature in signatures {
            let key = keys.iter().find(|key| signature["keyid"] == json!(key.fingerprint())).unwrap();
            let bytes = STANDARD.decode(signature["sig"].as_str().unwrap()).unwrap();
            let bytes = SignatureBytes::from_bytes(bytes.try_into().unwrap());
            verify_strict(key, &pae("application/vnd.in-toto+json", &payload), &bytes).unwrap();
        }
    }
    desk.refused("export events --format in-toto", 2, &["no key is given", "hint: say --key"]);
    desk.refused("export events --format in-toto --key nobody.key", 2, &["nobody.key"]);
}

#[test]
fn a_key_in_an_agent_signs_statements() {
    let desk = desk_of(&every_kind());
    let agent = RunningAgent::start(&desk.path(""));
    agent.ssh_add(&[desk.path("exporter.key").to_str().unwrap()]);
    let fingerprint = rollbook::signing::key_file::SecretKey::from_seed(&[77; 32]).public_key().fingerprint();
    let line = format!("export events --format in-toto --kind model.promoted --key {fingerprint}");
    let answer = Answer::from(desk.command(&line).env("SSH_AUTH_SOCK", &agent.socket).output().unwrap());
    assert_eq!(answer.code, Some(0), "{answer:?}");
    assert_eq!(
        answer.stdout,
        desk.done("export events --format in-toto --kind model.promoted --key exporter.key")
    );
}

#[test]
fn what_breaks_the_rules_is_not_told_as_if_it_had_happened() {
    let mut forge = every_kind();
    let index = forge.add(&[&person("Nobody")], note(0));
    let desk = desk_of(&forge);
    let answer = desk.run("export events --format cloudevents");
    assert_eq!(answer.json_lines().len(), 61);
    assert!(answer.stderr.contains("left out: 1 entry against the rules"), "{answer:?}");
    let line = "export events --format ndjson --trust trust.toml";
    desk.refused(line, 1, &["nothing was exported", "hint: see `rollbook verify`"]);

    // Once administrators accept it the verdict is sound, and it still did not happen.
    let codes = forge.verify();
    let codes: Vec<String> = codes
        .findings
        .iter()
        .filter(|found| found.index() == Some(index))
        .map(|found| found.code().into_owned())
        .collect();
    let codes: Vec<&str> = codes.iter().map(String::as_str).collect();
    forge.add(&[&ada()], accept(index, &codes));
    let desk = desk_of(&forge);
    let answer = desk.run(line);
    assert_eq!(answer.code, Some(0), "{answer:?}");
    let told: Vec<u64> = answer.json_lines().iter().map(|line| line["index"].as_u64().unwrap()).collect();
    assert_eq!(told, (0..index).chain([index + 1]).collect::<Vec<_>>());
    assert!(answer.stderr.contains("left out: 1 entry against the rules"), "{answer:?}");
}

#[test]
fn nothing_leaves_a_log_that_was_tampered_with() {
    let desk = desk_of(&every_kind());
    desk.done("pack export pack");
    let log = desk.path("ledger/log/00000000000000000000.batches");
    let mut bytes = std::fs::read(&log).unwrap();
    let at = bytes.len() - 3000;
    bytes[at] ^= 1;
    std::fs::write(&log, bytes).unwrap();
    let stranger = Forge::founded();
    desk.write("stranger.toml", stranger.trust().to_toml());
    for (format, key) in FORMATS {
        let line = format!("export events --format {format} {key} --trust trust.toml");
        desk.refused(&line, 1, &["nothing was exported"]);
        desk.refused(&format!("{line} -o out"), 1, &["nothing was exported"]);
        desk.refused(&format!("{line} --state kept -o out"), 1, &["nothing was exported"]);
        let foreign =
            format!("--ledger pack export events --format {format} {key} --trust stranger.toml -o out");
        desk.refused(&foreign, 1, &["nothing was exported"]);
        let json = desk.run(&format!("--json {line}"));
        assert_eq!((json.code, &json.json()["refused"]["code"]), (Some(1), &json!("not_sound")));
    }
    let left: Vec<String> = std::fs::read_dir(desk.path(""))
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .filter(|name| name == "out" || name == "kept" || name.starts_with(".rollbook-export"))
        .collect();
    assert_eq!(left, [""; 0], "no file is left behind");
}

#[test]
fn nothing_leaves_a_log_that_is_not_held_as_asked() {
    let desk = desk_of(&every_kind());
    let key = VerifierKey::new_cosignature_v1("witness.example.org", ada().public()).unwrap();
    let witness = format!("[[witness]]\nname = \"a\"\nkey = \"{key}\"\n");
    desk.write("held.toml", format!("quorum = \"a\"\n{}{witness}", every_kind().trust().to_toml()));
    let line = "export events --format ndjson -o out --trust held.toml";
    desk.refused(line, 4, &["nothing was exported"]);
    assert!(!desk.path("out").exists());
}

/// What stands in docs/integrations/exports.md.
#[test]
fn the_page_tells_types_and_examples_as_they_are() {
    let page = std::fs::read_to_string(repository_file("docs/integrations/exports.md")).unwrap();
    for kind in Kind::ALL.iter().copied() {
        let mut types = vec![cdevents::event_type(kind, true), cdevents::event_type(kind, false)];
        types.dedup();
        let row = format!(
            "| `{kind}` | `dev.rollbook.{kind}.v1` | `{}` | `{}` |",
            types.join("` or `"),
            in_toto::predicate_type(kind)
        );
        assert!(page.lines().any(|line| line == row), "{row}");
    }
    let examples = page.split("```json\n").skip(1).map(|block| block.split("```").next().unwrap());
    let examples: Vec<Value> = examples.map(|block| serde_json::from_str(block).unwrap()).collect();
    assert_eq!(examples.len(), FORMATS.len());
    for ((format, _), example) in FORMATS.into_iter().zip(examples) {
        let vector: Vec<Value> = serde_json::from_str(&read_text(&format!("exports/{format}.json"))).unwrap();
        let mut expected = vector[Kind::ModelRolledBack as usize].clone();
        if format != "ndjson" {
            *entry_of(format, &mut expected) = json!("…");
        }
        assert_eq!(example, expected, "{format}");
    }
}

#[test]
fn a_file_is_not_written_over_unless_told() {
    let desk = desk_of(&every_kind());
    desk.write("out", "mine\n");
    let line = "export events --format ndjson --kind ledger.created -o out";
    desk.refused(line, 2, &["out exists already", "--force"]);
    assert_eq!(desk.read("out"), "mine\n");
    let answer = desk.done_json(&format!("{line} --force --trust trust.toml"));
    assert_eq!((&answer["exported"], &answer["left_out"]), (&json!(1), &json!(0)));
    assert_eq!(answer["basis"]["verdict"], "sound");
    assert_eq!(desk.read("out").lines().count(), 1);
    desk.refused("export events --format ndjson -o none/out", 3, &["none"]);
    desk.refused("export events --format yaml", 2, &["cdevents, cloudevents, in-toto, ndjson"]);
}
