//! The auditor's report: the same bytes wherever the ledger lies, what it says after attacks, and a sample that anybody
//! can draw again.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rollbook::event::authority::Role;
use rollbook::event::release::{ChangeOutcome, ModelPromoted};
use rollbook::export::tlog_proof::TlogProof;
use rollbook::hash::Hash;
use rollbook::time::MINUTE_MS;
use serde_json::Value;

use crate::rule_rows_of_evidence::{break_glass, glass_broken, glass_lapsed, serve_both};
use crate::rule_table::{abe, dan, rea, rita};
use crate::support::desk::{Answer, Desk};
use crate::support::events::{
    accept, ada, complete, grant, incident, name, note, person, policy_3, policy_set, promote, register,
    serving, text,
};
use crate::support::forge::Forge;

const FORMATS: [&str; 3] = ["json", "md", "html"];

/// A desk with the forge's log as its ledger, and its trust root.
fn desk_of(forge: &Forge) -> Desk {
    let desk = Desk::empty();
    forge.write(&desk.path("ledger"));
    desk.write("trust.toml", forge.trust().to_toml());
    desk
}

fn founded_by(history: impl FnOnce(&mut Forge)) -> Forge {
    let mut forge = Forge::founded();
    history(&mut forge);
    forge
}

/// As [`founded_by`], for a history that founds the log, too.
fn told_by(history: impl FnOnce(&mut Forge)) -> Forge {
    let mut forge = Forge::new();
    history(&mut forge);
    forge
}

fn report(desk: &Desk, rest: &str) -> Answer {
    desk.run(&format!("report --trust trust.toml {rest}"))
}

fn json_of(desk: &Desk, rest: &str) -> Value {
    report(desk, &format!("--format json {rest}")).json()
}

/// The status of a control, and what shows it.
fn control<'a>(report: &'a Value, id: &str) -> (&'a str, &'a str) {
    let rows = report["controls"].as_array().unwrap();
    let row = rows.iter().find(|row| row["id"] == id).unwrap_or_else(|| panic!("no control {id}"));
    (row["status"].as_str().unwrap(), row["shown"].as_str().unwrap())
}

fn indexes(list: &Value) -> Vec<u64> {
    list.as_array().unwrap().iter().map(|index| index.as_u64().unwrap()).collect()
}

/// Rea and Dan are granted what they need (1, 2); each round registers, promotes and completes a version.
fn many_changes(forge: &mut Forge, rounds: u64) {
    forge.add(&[&ada()], grant(&rea(), &[Role::Registrar]));
    forge.add(&[&ada()], grant(&dan(), &[Role::Deployer]));
    let mut from = None;
    for round in 0..rounds {
        let version = format!("v{round}");
        forge.add(&[&rea()], register(&version));
        let change = forge.add(&[&dan()], promote(&version, "staging", from));
        forge.add(&[&dan()], complete(change, ChangeOutcome::Succeeded));
        from = Some(serving(&version, change));
    }
}

// The same inputs give the same bytes.

#[test]
fn two_auditors_get_the_same_bytes_from_ledger_copy_and_pack() {
    let desk = desk_of(&founded_by(|forge| many_changes(forge, 12)));
    desk.write("mine.note", desk.done("checkpoint"));
    desk.copy("ledger", "zzz/copy");
    desk.copy("trust.toml", "zzz/root.toml");
    desk.copy("mine.note", "zzz/theirs.note");
    desk.done("pack export zzz/pack");
    for format in FORMATS {
        let ask = |dir: &str, trust: &str, note: &str, threads: &str| {
            let line = format!(
                "--ledger {dir} report --trust {trust} --checkpoint {note} --format {format} --sample 5 --seed q1"
            );
            let output = desk.command(&line).env("RAYON_NUM_THREADS", threads).output().unwrap();
            assert_eq!(output.status.code(), Some(0), "{output:?}");
            output.stdout
        };
        let mine = ask("ledger", "trust.toml", "mine.note", "1");
        assert!(mine.len() > 10_000);
        assert!(mine == ask("ledger", "trust.toml", "mine.note", "4"), "{format}: threads");
        let copy = ask("zzz/copy", "zzz/root.toml", "zzz/theirs.note", "2");
        assert!(mine == copy, "{format}: a copy");
        let pack = ask("zzz/pack", "zzz/root.toml", "zzz/theirs.note", "2");
        assert!(mine == pack, "{format}: a pack");
        let told = String::from_utf8(mine).unwrap();
        for place in ["zzz", "mine.note", "trust.toml", &desk.path("").display().to_string()] {
            assert!(!told.contains(place), "{format} names {place}");
        }
    }
}

#[test]
fn checkpoints_count_in_any_order_and_once() {
    let mut forge = founded_by(|forge| many_changes(forge, 2));
    let early = forge.newest_note().to_vec();
    forge.add(&[&ada()], note(1));
    let desk = desk_of(&forge);
    desk.write("early", early);
    desk.write("late", forge.newest_note());
    let one = json_of(&desk, "--checkpoint early --checkpoint late");
    assert_eq!(one, json_of(&desk, "--checkpoint late --checkpoint early --checkpoint late"));
    assert_eq!(one["verdict"]["held"]["size"], forge.size());
    assert_eq!(one["trust"]["checkpoints"].as_array().unwrap().len(), 2);
    assert_eq!(control(&one, "AU-9").0, "supports");
    assert_eq!(control(&json_of(&desk, ""), "AU-9").0, "needs_operator_action");
}

#[test]
fn a_file_is_written_whole_and_named_with_its_hash() {
    let desk = desk_of(&founded_by(|forge| many_changes(forge, 1)));
    let said = desk.done("report --trust trust.toml --format html -o report.html");
    let hash = Hash::of(desk.read("report.html").as_bytes());
    assert!(said.starts_with(&format!("report.html: sha256 {hash}\nVERDICT: sound")), "{said}");
    desk.refused("report --trust trust.toml -o report.html", 2, &["exists already"]);
    desk.done("report --trust trust.toml --format html -o report.html --force");
    let shown = desk.done("report --trust trust.toml --format html");
    assert_eq!(shown, desk.read("report.html"));
}

// What was attacked is told.

/// What was done to a ledger, and what the report says.
struct Attack {
    says: &'static str,
    exit: i32,
    word: &'static str,
    /// Of AU-10, which rests on the verdict.
    status: &'static str,
    desk: fn() -> Desk,
}

fn tampered() -> Desk {
    let desk = desk_of(&founded_by(|forge| many_changes(forge, 3)));
    let path = desk.path("ledger/log/00000000000000000000.batches");
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path, bytes).unwrap();
    desk
}

/// Three promotions, and one by somebody who may not (entry 13).
fn overreach(forge: &mut Forge) {
    many_changes(forge, 3);
    forge.add(&[&ada()], grant(&abe(), &[Role::Approver]));
    forge.add(&[&abe()], promote("v0", "production", None));
}

const ATTACKS: [Attack; 6] = [
    Attack {
        says: "nothing",
        exit: 0,
        word: "sound",
        status: "supports",
        desk: || desk_of(&founded_by(|forge| many_changes(forge, 3))),
    },
    Attack { says: "a byte was flipped", exit: 1, word: "tampered", status: "not_covered", desk: tampered },
    Attack {
        says: "head is damaged",
        exit: 1,
        word: "tampered",
        status: "not_covered",
        desk: || {
            let desk = desk_of(&founded_by(|forge| many_changes(forge, 3)));
            desk.write("ledger/head", vec![7; 8192]);
            desk
        },
    },
    Attack {
        says: "somebody overreached",
        exit: 1,
        word: "violation",
        status: "not_covered",
        desk: || desk_of(&founded_by(overreach)),
    },
    Attack {
        says: "somebody overreached, and administrators accept it",
        exit: 0,
        word: "sound",
        status: "supports",
        desk: || {
            desk_of(&founded_by(|forge| {
                overreach(forge);
                forge.add(&[&ada()], accept(13, &["rule.signer_lacks_role"]));
            }))
        },
    },
    Attack {
        says: "nobody stood behind broken glass",
        exit: 1,
        word: "violation",
        status: "not_covered",
        desk: || desk_of(&told_by(glass_lapsed)),
    },
];

#[test]
fn the_verdict_stands_at_the_top_and_decides_the_exit_code() {
    for Attack { says, exit, word, status, desk } in ATTACKS {
        let desk = desk();
        let told = report(&desk, "--format json --sample 2");
        assert_eq!(told.code, Some(exit), "{says}: {told:?}");
        let told = told.json();
        assert_eq!(told["verdict"]["word"], word, "{says}");
        assert_eq!(told["verdict"]["exit_code"], exit, "{says}");
        let (found, shown) = control(&told, "AU-10");
        assert_eq!(found, status, "{says}: {shown}");
        if word != "sound" {
            assert_eq!(shown, format!("the verdict is {word}"), "{says}");
        }
        assert_eq!(control(&told, "AU-11").0, "needs_operator_action", "{says}");
        let line = told["verdict"]["line"].as_str().unwrap();
        let md = report(&desk, "");
        assert_eq!(md.code, Some(exit), "{says}");
        assert_eq!(
            md.stdout.lines().nth(2),
            Some(format!("**{}**", line.replace('_', "\\_")).as_str()),
            "{says}"
        );
        let html = report(&desk, "--format html").stdout;
        assert!(html.find(line).is_some_and(|at| at < html.find("<h2").unwrap()), "{says}");
    }
}

#[test]
fn what_is_unlawful_or_unratified_is_an_exception() {
    let told = json_of(&desk_of(&founded_by(overreach)), "--sample 100");
    assert_eq!(indexes(&told["exceptions"]["unlawful"]), [13]);
    let change = told["changes"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&change["lawful"], &change["findings"][0]),
        (&false.into(), &"rule.signer_lacks_role".into())
    );
    assert_eq!(told["sample"]["population"], 4, "what the rules refuse can be drawn, too");
    assert_eq!(told["sample"]["changes"].as_array().unwrap().len(), 4);

    let accepted = json_of(
        &desk_of(&founded_by(|forge| {
            overreach(forge);
            forge.add(&[&ada()], accept(13, &["rule.signer_lacks_role"]));
        })),
        "",
    );
    let finding = &accepted["exceptions"]["findings"][0];
    assert_eq!((&finding["code"], &finding["class"]), (&"rule.signer_lacks_role".into(), &"remark".into()));
    assert_eq!(finding["accepted"]["entry"], 14);
    assert_eq!(finding["accepted"]["told"]["by"][0]["person"], "Ada");

    let owed = json_of(&desk_of(&told_by(glass_broken)), "");
    assert_eq!(indexes(&owed["exceptions"]["break_glass"]), [11]);
    assert_eq!(indexes(&owed["exceptions"]["not_ratified"]), Vec::<u64>::new());
    let lapsed = json_of(&desk_of(&told_by(glass_lapsed)), "");
    assert_eq!(indexes(&lapsed["exceptions"]["not_ratified"]), [11]);
    let broken = lapsed["changes"].as_array().unwrap().last().unwrap();
    assert_eq!(broken["break_glass"]["is_overdue"], true);
    assert!(broken["break_glass"]["due"].is_string(), "{broken}");
}

#[test]
fn time_to_recover_runs_from_detection_to_reported_success() {
    let rollback = || rollbook::event::release::ModelRolledBack { break_glass: false, ..break_glass() };
    let forge = told_by(|forge| {
        serve_both(forge, "[[environment]]\nname = 'production'\n");
        forge.add(&[&rita()], incident("INC-7", "production"));
        forge.now = forge.now.plus_ms(2 * MINUTE_MS);
        let change = forge.add(&[&rita()], rollback());
        forge.now = forge.now.plus_ms(4 * MINUTE_MS);
        forge.add(&[&rita()], complete(change, ChangeOutcome::Succeeded));
    });
    let told = json_of(&desk_of(&forge), "");
    let recovery = &told["changes"].as_array().unwrap().last().unwrap()["recovery"];
    // Each entry is a minute behind the one before.
    assert_eq!(recovery["took_ms"], 8 * MINUTE_MS, "{recovery}");
    assert_eq!((&recovery["target_ms"], &recovery["is_late"]), (&(5 * MINUTE_MS).into(), &true.into()));
    assert_eq!(indexes(&told["exceptions"]["slow_recoveries"]), [11]);
    let slow = told["exceptions"]["findings"].as_array().unwrap();
    let slow = slow.iter().find(|finding| finding["code"] == "recovery.slow").unwrap();
    assert!(slow["message"].as_str().unwrap().contains("INC-7"), "{slow}");
}

// The period, and the environment.

#[test]
fn a_period_holds_what_was_recorded_in_it_and_what_held_then() {
    let mut forge = Forge::founded();
    many_changes(&mut forge, 2);
    forge.now = forge.now.plus_ms(60 * MINUTE_MS);
    let since = forge.now;
    forge.add(
        &[&ada()],
        policy_set(policy_3("[[environment]]\nname = 'staging'\npromote.approvals = 1\n"), 0),
    );
    forge.add(&[&ada()], grant(&person("Late"), &[Role::Auditor]));
    forge.add(
        &[&ada()],
        rollbook::event::authority::KeyRevoked {
            key: person("Late").public(),
            reason: text("left"),
            compromised_since: None,
        },
    );
    forge.now = forge.now.plus_ms(60 * MINUTE_MS);
    let until = forge.now;
    forge.add(&[&ada()], grant(&abe(), &[Role::Approver]));
    let change = forge.add(
        &[&dan(), &abe()],
        ModelPromoted { policy_entry: 9, ..promote("v0", "staging", Some(serving("v1", 7))) },
    );
    let desk = desk_of(&forge);

    let before = json_of(&desk, &format!("--until {since}"));
    assert_eq!(before["changes"].as_array().unwrap().len(), 2);
    assert_eq!(before["policies"].as_array().unwrap().len(), 1);
    assert_eq!(before["policies"][0]["replaced_at"], since.to_string());
    assert_eq!(before["verdict"]["size"], forge.size(), "the verdict is on the whole log");

    let within = json_of(&desk, &format!("--since {since} --until {until}"));
    assert_eq!(within["period"]["entries"], 3);
    assert_eq!(within["changes"], Value::Array(Vec::new()));
    assert_eq!(control(&within, "CM-3"), ("not_covered", "nothing was changed in the period"));
    let policies = within["policies"].as_array().unwrap();
    assert_eq!(policies.len(), 1, "the one before was over when the period began");
    let changed = policies[0]["changes"].as_array().unwrap();
    assert!(changed.iter().any(|line| line.as_str().unwrap().contains("staging")), "{changed:?}");
    let text = policies[0]["text"].as_str().unwrap();
    assert_eq!(policies[0]["sha256"], Hash::of(text.as_bytes()).to_string());
    let people: Vec<&str> =
        within["grants"].as_array().unwrap().iter().map(|row| row["person"].as_str().unwrap()).collect();
    assert_eq!(people, ["Ada", "Rea the registrar", "Dan the deployer", "Late"]);
    assert_eq!(within["grants"][3]["revoked"]["reason"], "left");

    let after = json_of(&desk, &format!("--since {until}"));
    assert_eq!(after["changes"][0]["index"], change);
    assert_eq!(after["changes"][0]["by"].as_array().unwrap().len(), 2);
    assert_eq!(after["changes"][0]["people_needed"], 2);
    assert!(after["grants"].as_array().unwrap().iter().all(|row| row["person"] != "Late"));

    let nowhere = json_of(&desk, "--env production");
    assert_eq!(nowhere["changes"], Value::Array(Vec::new()));
}

// The sample.

/// As docs/reports.md says it, in the fewest words.
fn drawn_naively(population: &[u64], seed: &str, root: &str, size: usize) -> Vec<u64> {
    let rank =
        |index: &u64| Hash::of(format!("rollbook sample v1\n{seed}\n{root}\n{index}").as_bytes()).to_string();
    let mut ranked: Vec<u64> = population.to_vec();
    ranked.sort_by_key(rank);
    ranked.truncate(size);
    ranked.sort_unstable();
    ranked
}

#[test]
fn a_sample_is_drawn_again_by_whoever_reads_the_page() {
    let forge = founded_by(|forge| many_changes(forge, 30));
    let desk = desk_of(&forge);
    let root = forge.root().to_string();
    let mut seen = BTreeSet::new();
    for (seed, size) in [("1", 0), ("1", 1), ("1", 7), ("2", 7), ("q1 4711 ü", 7), ("1", 30), ("1", 99)] {
        let told = json_of(&desk, &format!("--sample {size} --seed '{seed}'"));
        let population: Vec<u64> = told["changes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|change| change["index"].as_u64().unwrap())
            .collect();
        assert_eq!(population.len(), 30);
        let sample = &told["sample"];
        let drawn: Vec<u64> =
            sample["changes"].as_array().unwrap().iter().map(|one| one["index"].as_u64().unwrap()).collect();
        assert_eq!(drawn, drawn_naively(&population, seed, &root, size), "{seed} {size}");
        assert_eq!((&sample["population"], &sample["root"]), (&30.into(), &root.clone().into()));
        assert_eq!((&sample["asked"], &sample["seed"]), (&size.into(), &seed.into()));
        seen.insert(drawn);
    }
    assert_eq!(seen.len(), 6, "another seed draws others; all are all");
    desk.refused("report --trust trust.toml --sample 1 --seed ''", 2, &["--seed"]);
}

#[test]
fn each_sampled_entry_is_proved_by_what_stands_beside_it() {
    let forge = founded_by(|forge| many_changes(forge, 9));
    let desk = desk_of(&forge);
    let told = json_of(&desk, "--sample 3");
    let entries = told["sample"]["entries"].as_array().unwrap();
    let parts: BTreeSet<u64> = told["sample"]["changes"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|change| change["parts"].as_array().unwrap())
        .map(|part| part["index"].as_u64().unwrap())
        .collect();
    assert_eq!(entries.iter().map(|entry| entry["index"].as_u64().unwrap()).collect::<BTreeSet<_>>(), parts);
    assert_eq!(parts.len(), 10, "three changes, their registrations and completions, and one policy");
    let key = forge.trust().log_key().clone();
    for entry in entries {
        let bytes = STANDARD.decode(entry["bytes"].as_str().unwrap()).unwrap();
        let proof = TlogProof::parse(entry["proof"].as_str().unwrap().as_bytes()).unwrap();
        assert_eq!(proof.index(), entry["index"].as_u64().unwrap());
        proof.verify(&bytes, std::slice::from_ref(&key)).unwrap();
        let shown = desk.done_json(&format!("show {}", entry["index"]));
        for field in ["event", "signatures", "leaf_hash", "previous", "recorded_at"] {
            assert_eq!(entry["entry"][field], shown[field], "{field}");
        }
    }
}

#[test]
fn a_tampered_log_proves_nothing_and_says_so() {
    let told = json_of(&tampered(), "--sample 2");
    assert!(
        told["verdict"]["root"].is_null() || told["verdict"]["finding_counts"] != Value::Array(Vec::new())
    );
    let entries = told["sample"]["entries"].as_array().unwrap();
    assert!(!entries.is_empty());
    assert!(entries.iter().all(|entry| entry["proof"].is_null()), "{entries:?}");
}

// Controls.

/// Those that the report is to speak of.
const CONTROLS: [(&str, &str); 17] = [
    ("NIST SP 800-53", "AU-2"),
    ("NIST SP 800-53", "AU-3"),
    ("NIST SP 800-53", "AU-8"),
    ("NIST SP 800-53", "AU-9"),
    ("NIST SP 800-53", "AU-10"),
    ("NIST SP 800-53", "AU-11"),
    ("NIST SP 800-53", "AU-12"),
    ("NIST SP 800-53", "CM-3"),
    ("NIST SP 800-53", "CM-5"),
    ("NIST SP 800-53", "SI-7"),
    ("EU AI Act (2024/1689)", "Art. 12"),
    ("EU AI Act (2024/1689)", "Art. 19"),
    ("EU AI Act (2024/1689)", "Art. 26"),
    ("SOC 2 (2017 criteria)", "CC8.1"),
    ("ISO/IEC 42001", "A.6.2.8"),
    ("SEC rule 17a-4", "(f)"),
    ("Federal Reserve SR letter", "26-2 (formerly 11-7)"),
];

#[test]
fn every_control_has_its_row_and_nobody_is_called_compliant() {
    for Attack { says, desk, .. } in ATTACKS {
        let desk = desk();
        let told = json_of(&desk, "");
        let rows: Vec<(&str, &str)> = told["controls"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| (row["framework"].as_str().unwrap(), row["id"].as_str().unwrap()))
            .collect();
        assert_eq!(rows, CONTROLS, "{says}");
        for format in FORMATS {
            let text = report(&desk, &format!("--format {format} --sample 9")).stdout.to_lowercase();
            assert!(text.contains("au-12") && !text.contains("compliant"), "{says}: {format}");
        }
        for page in ["md", "html"] {
            let text = report(&desk, &format!("--format {page}")).stdout;
            assert!(text.contains("needs operator action"), "{says}: {page}");
        }
    }
}

#[test]
fn a_status_follows_from_what_the_ledger_holds() {
    let desk = desk_of(&founded_by(|forge| many_changes(forge, 3)));
    let told = json_of(&desk, "");
    for (id, status, shown) in [
        ("AU-2", "supports", "5 of 18 kinds in the period"),
        ("AU-3", "supports", "12 entries in the period, 0 of them observed"),
        ("AU-9", "needs_operator_action", "nobody outside holds any of the log"),
        ("AU-10", "supports", "12 author signatures verified; 12 of the period by 3 keys of 3 people"),
        ("AU-11", "needs_operator_action", "the log reaches from 2026-03-01 09:00:00Z"),
        ("CM-3", "supports", "3 changes: 3 let through by the rules"),
        ("CM-5", "supports", "3 grants to 3 people held in the period"),
        ("SI-7", "supports", "the verdict is sound: 12 entries read"),
        ("Art. 12", "supports", "3 registrations, 3 promotions in the period"),
        ("Art. 19", "needs_operator_action", "that is less than six months"),
        ("Art. 26", "needs_operator_action", "0 drift reports and 0 incidents"),
        ("CC8.1", "supports", "3 changes: 0 approved beside the proposer"),
        ("A.6.2.8", "supports", "3 registrations, 3 promotions in the period"),
        ("(f)", "needs_operator_action", "where the files lie is not known"),
        ("26-2 (formerly 11-7)", "not_covered", "no evaluation was recorded in the period"),
    ] {
        let (found, why) = control(&told, id);
        assert_eq!(found, status, "{id}: {why}");
        assert!(why.contains(shown), "{id}: {why}");
    }
}

// Hostile text, and the schema.

#[test]
fn a_strangers_text_stays_text() {
    let hostile = "</td><script>alert(1)</script> | `x` [y](z) ";
    let forge = founded_by(|forge| {
        forge.add(&[&ada()], grant(&rea(), &[Role::Registrar]));
        forge.add(&[&ada()], grant(&dan(), &[Role::Deployer]));
        forge.add(&[&rea()], register("v0"));
        let body = ModelPromoted {
            ticket: Some(name(hostile.trim())),
            reason: Some(text(&format!("{hostile}\n| --- |\n# {hostile}"))),
            ..promote("v0", "staging", None)
        };
        forge.add(&[&dan()], body);
    });
    let desk = desk_of(&forge);
    let html = report(&desk, "--format html --sample 1").stdout;
    assert!(!html.contains("<script") && html.contains("&lt;script&gt;"));
    let md = report(&desk, "").stdout;
    assert!(!md.contains("<script"), "{md}");
    let rows: Vec<&str> = md.lines().filter(|line| line.contains("alert(1)")).collect();
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!(rows[0].replace("\\|", "").matches('|').count(), 7, "six cells: {}", rows[0]);
    let json = json_of(&desk, "");
    assert_eq!(json["changes"][0]["ticket"], hostile.trim());
}

#[test]
fn what_is_written_is_what_the_schema_says() {
    let schema: Value = serde_json::from_str(include_str!("../../docs/schemas/report.schema.json")).unwrap();
    for Attack { says, desk, .. } in ATTACKS {
        let desk = desk();
        desk.write("mine.note", desk.run("checkpoint").stdout);
        let with_note = if desk.read("mine.note").is_empty() { "" } else { "--checkpoint mine.note" };
        let told = json_of(&desk, &format!("--sample 3 {with_note}"));
        fits(&told, &schema, &schema, says);
        let mut less = told.clone();
        less["changes"][0].as_object_mut().unwrap().remove("lawful");
        assert!(defect(&less, &schema, &schema).is_some(), "{says}: the check sees what is missing");
    }
}

#[track_caller]
fn fits(value: &Value, schema: &Value, root: &Value, says: &str) {
    if let Some(defect) = defect(value, schema, root) {
        panic!("{says}: {defect}");
    }
}

/// What does not fit a schema, of the words that ours uses.
fn defect(value: &Value, schema: &Value, root: &Value) -> Option<String> {
    if let Some(name) = schema["$ref"].as_str() {
        let named = &root["$defs"][name.strip_prefix("#/$defs/").unwrap()];
        assert!(named.is_object(), "no definition {name}");
        return defect(value, named, root);
    }
    if let Some(any) = schema["anyOf"].as_array() {
        let defects: Option<Vec<String>> = any.iter().map(|one| defect(value, one, root)).collect();
        return defects.map(|defects| defects.join("; or "));
    }
    let is_told = |key: &str| !schema[key].is_null();
    if is_told("const") && schema["const"] != *value {
        return Some(format!("{value} is not {}", schema["const"]));
    }
    if schema["enum"].as_array().is_some_and(|words| !words.contains(value)) {
        return Some(format!("{value} is none of {}", schema["enum"]));
    }
    let types = match &schema["type"] {
        Value::String(one) => vec![one.as_str()],
        Value::Array(some) => some.iter().map(|one| one.as_str().unwrap()).collect(),
        _ => Vec::new(),
    };
    let actual = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    if !types.is_empty() && !types.contains(&actual) {
        return Some(format!("{value} is no {types:?}"));
    }
    if let Some(items) = value.as_array() {
        return items.iter().find_map(|item| defect(item, &schema["items"], root));
    }
    let object = value.as_object().filter(|_| is_told("properties") || is_told("additionalProperties"))?;
    let required = schema["required"].as_array().into_iter().flatten();
    if let Some(missing) = required.map(|key| key.as_str().unwrap()).find(|key| !object.contains_key(*key)) {
        return Some(format!("{missing} is missing in {value}"));
    }
    object.iter().find_map(|(key, value)| {
        match (&schema["properties"][key], &schema["additionalProperties"]) {
            (Value::Null, Value::Bool(false)) => Some(format!("{key} is not in the schema")),
            (Value::Null, other) => defect(value, other, root),
            (known, _) => defect(value, known, root).map(|defect| format!("{key}: {defect}")),
        }
    })
}
