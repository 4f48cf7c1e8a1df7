//! What served when, asked at the command line: as of a time and of an entry, in intervals, verified and proved.

use std::path::Path;

use rollbook::store::batch_log::Position;
use rollbook::store::files::FileSource;
use rollbook::store::frame::encode_frame;
use rollbook::store::scan::Scanner;
use serde_json::Value;

use super::support::desk::Desk;

/// A desk whose scorer went to staging twice, was completed, failed, and went back; with an auditor's trust root.
fn desk() -> Desk {
    let desk = Desk::with_releases();
    desk.done("--key dora.key complete 5 --succeeded");
    desk.write("next/weights.bin", "next weights\n");
    desk.done("--key dora.key register scorer 2.0.0 --path next");
    desk.done("--key dora.key promote scorer 2.0.0 --env staging --repo infra --rev HEAD");
    desk.done("--key dora.key complete 8 --failed");
    desk.done(
        "--key dora.key rollback scorer --env staging --repo infra --rev HEAD --reason 'slower than before'",
    );
    desk.copy("ledger/trust.toml", "trust.toml");
    desk
}

fn intervals(desk: &Desk, line: &str) -> (Vec<Value>, Value) {
    let answer = desk.run(&format!("--json served {line}"));
    assert_eq!(answer.code, Some(0), "{line}: {answer:?}");
    let mut lines = answer.json_lines();
    let basis = lines.pop().unwrap();
    (lines, basis["basis"].clone())
}

fn index(value: &Value) -> Option<u64> {
    value["index"].as_u64()
}

#[test]
fn intervals_are_told_with_the_entries_that_opened_and_closed_them() {
    let desk = desk();
    let (told, basis) = intervals(&desk, "--env staging --model scorer");
    assert_eq!(basis["verified"], false);
    let facts: Vec<_> = told
        .iter()
        .map(|one| {
            let version = one["version"].as_str().unwrap();
            (version, index(&one["authorised"]), index(&one["opened"]), index(&one["closed"]))
        })
        .collect();
    let expected = [
        ("1.0.0", Some(4), Some(4), Some(5)),
        ("1.1.0", Some(5), Some(5), Some(8)),
        ("2.0.0", Some(8), Some(8), Some(9)),
        // Entry 9 says that the change failed, and puts back what entry 5 had put there.
        ("1.1.0", Some(5), Some(9), Some(10)),
        ("1.0.0", Some(10), Some(10), None),
    ];
    assert_eq!(facts, expected);
    assert_eq!(told[1]["completed"]["outcome"], "succeeded");
    assert_eq!(told[2]["completed"]["outcome"], "failed");
    assert_eq!(told[4]["completed"], Value::Null);
    assert_eq!(told[0]["opened"]["signers"][0]["person"], "dora");
    let entry = desk.done_json("show 9");
    assert_eq!(told[2]["closed"]["leaf_hash"], entry["leaf_hash"]);
    assert_eq!(told[2]["until"], entry["recorded_at"]);
    assert_eq!(told[3]["from"], entry["recorded_at"]);
}

#[test]
fn a_part_of_the_time_and_a_digest_are_asked_for() {
    let desk = desk();
    let (all, _) = intervals(&desk, "--env staging");
    let began = all[2]["from"].as_str().unwrap();
    let (some, _) = intervals(&desk, &format!("--env staging --since {began}"));
    assert_eq!(some, all[2..]);
    let (some, _) = intervals(&desk, &format!("--env staging --until {began}"));
    let versions: Vec<_> = some.iter().map(|one| one["version"].as_str().unwrap()).collect();
    assert_eq!(versions, ["1.0.0", "1.1.0"], "what was recorded at the end is behind it");
    assert_eq!(some[1]["closed"], Value::Null, "nothing behind the end is told");
    let digest = all[2]["digest"].as_str().unwrap();
    let (some, _) = intervals(&desk, &format!("--env staging --digest {digest}"));
    assert_eq!(some, all[2..3]);
    let (none, _) = intervals(&desk, "--env production");
    assert!(none.is_empty());
}

#[test]
fn status_tells_what_served_then() {
    let desk = desk();
    let serving = |line: &str| {
        let answer = desk.run(&format!("--json status {line}"));
        assert_eq!(answer.code, Some(0), "{answer:?}");
        answer.json_lines()[0]["serving"]["version"].as_str().map(str::to_owned)
    };
    for (at, version) in [(4, "1.0.0"), (5, "1.1.0"), (7, "1.1.0"), (8, "2.0.0"), (9, "1.1.0"), (10, "1.0.0")]
    {
        assert_eq!(serving(&format!("--at-index {at}")).as_deref(), Some(version), "at entry {at}");
        let recorded = desk.done_json(&format!("show {at}"))["recorded_at"].as_str().unwrap().to_owned();
        assert_eq!(serving(&format!("--at {recorded}")).as_deref(), Some(version), "at {recorded}");
        let trusted = format!("--at-index {at} --trust trust.toml");
        assert_eq!(serving(&trusted).as_deref(), Some(version), "verified, at entry {at}");
    }
    assert_eq!(serving("--at-index 3"), None, "nothing was promoted yet");
    desk.refused("status --at-index 11", 2, &["entry 11 does not exist", "11 entries"]);
    let text = desk.done("status --at-index 8 --trust trust.toml");
    assert!(text.contains("VERDICT: sound") && text.contains("rests on 11 entries"), "{text}");
    assert!(desk.done("status --at-index 8").contains("not verified"));
}

#[test]
fn going_on_from_a_kept_state_tells_the_same() {
    let desk = desk();
    let (plain, _) = intervals(&desk, "--env staging");
    let (first, basis) = intervals(&desk, "--env staging --trust trust.toml --state kept");
    assert_eq!((first, &basis["resumed_from"]), (plain.clone(), &Value::Null));
    desk.done("--key alice.key note 4 'looked at'");
    let (mut second, basis) = intervals(&desk, "--env staging --trust trust.toml --state kept");
    // The note is the last entry now: what serves is known to do so until then.
    second[4]["known_until"] = plain[4]["known_until"].clone();
    assert_eq!((second, &basis["resumed_from"]), (plain, &Value::from(11)));
    let status = desk.run("--json status --at-index 8 --trust trust.toml --state kept").json_lines();
    assert_eq!(status[0]["serving"]["version"], "2.0.0");
}

#[test]
fn an_entry_changed_below_the_kept_state_is_noticed() {
    let desk = desk();
    intervals(&desk, "--env staging --trust trust.toml --state kept");
    // Dora's signature on entry 4 is changed, and the frame's checksum made good: what verifies from the kept state
    // does not read it.
    change_entry(&desk.path("ledger/log"), 4, |entry| *entry.last_mut().unwrap() ^= 1);
    desk.done("verify ledger --trust trust.toml --state kept --no-attachments");
    for state in ["", "--state kept"] {
        let answer = desk.run(&format!("served --env staging --trust trust.toml {state}"));
        assert_eq!(answer.code, Some(1), "{answer:?}");
        let verdict = "VERDICT: TAMPERED \u{2014} 8 findings: checkpoint.root, entry.previous, rule.change_unknown, \
                       rule.from_mismatch, rule.nothing_serves, signature.author\n";
        assert!(answer.stdout.contains(verdict), "{answer:?}");
    }
    // The entry itself is told, and what comes behind it is not called sound.
    let rows = desk.run("timeline --trust trust.toml --json").json();
    let standings: Vec<(u64, String)> = rows["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["entry"]["index"].as_u64().unwrap(), row["standing"].as_str().unwrap().to_owned()))
        .collect();
    assert_eq!(standings[3..5], [(3, "sound".into()), (4, "doubted".into())]);
    assert!(standings[5..].iter().all(|(_, standing)| standing != "sound"), "{standings:?}");
    assert_eq!(standings[7].1, "not_judged", "a registration, against which nothing was found");
}

/// Changes an entry's bytes in place; checksums are put right.
fn change_entry(log: &Path, index: u64, change: impl Fn(&mut Vec<u8>)) {
    let source = FileSource::new(log);
    let mut scanner = Scanner::new(&source, Position::START, u64::MAX).unwrap();
    let mut bytes = Vec::new();
    while let Some(located) = scanner.next_frame() {
        let frame = located.unwrap().frame;
        let mut entries: Vec<Vec<u8>> = frame.entries().map(<[u8]>::to_vec).collect();
        if let Some(entry) = index
            .checked_sub(frame.first_index())
            .and_then(|at| entries.get_mut(usize::try_from(at).unwrap()))
        {
            change(entry);
        }
        bytes.extend(encode_frame(frame.first_index(), &entries, frame.note()).unwrap());
    }
    std::fs::write(source.path(0), bytes).unwrap();
}

#[test]
fn what_an_answer_rests_on_is_proved_without_the_log() {
    let desk = desk();
    desk.done("served --env staging --trust trust.toml --prove then.proofs");
    let said = desk.done("verify-proof then.proofs --trust trust.toml");
    for line in [
        "proved: entry 4 ",
        "proved: entry 8 ",
        "scorer 2.0.0 promoted to staging",
        "6 entries of ledger.example.org/models",
    ] {
        assert!(said.contains(line), "{said}");
    }
    let proved = desk.run("--json verify-proof then.proofs --trust trust.toml").json_lines();
    let indexes: Vec<_> = proved.iter().map(|one| one["index"].as_u64().unwrap()).collect();
    assert_eq!(indexes, [4, 5, 6, 8, 9, 10]);
    desk.refused("served --env staging --prove then.proofs", 2, &["exists already"]);
    desk.done("status --prove then.proofs --force");
    assert!(desk.done("verify-proof then.proofs --trust trust.toml").contains("1 entry of"));

    // An entry that is not the proof's, and what is no set.
    let text = desk.read("then.proofs");
    let mut line: Value = serde_json::from_str(&text).unwrap();
    let entry = line["entry"].as_str().unwrap();
    let changed = format!("{}{}", if entry.starts_with('A') { 'B' } else { 'A' }, &entry[1..]);
    line["entry"] = Value::from(changed);
    desk.write("changed.proofs", line.to_string());
    desk.refused("verify-proof changed.proofs --trust trust.toml", 1, &["entry 10 is not proved"]);
    line["index"] = Value::from(9);
    desk.write("moved.proofs", line.to_string());
    desk.refused("verify-proof moved.proofs --trust trust.toml", 2, &["line 1", "`index` is 9"]);
    desk.write("empty.proofs", "\n");
    desk.refused("verify-proof empty.proofs --trust trust.toml", 2, &["holds no proof"]);
    desk.write("other.proofs", "{\"index\":1}");
    desk.refused("verify-proof other.proofs --trust trust.toml", 2, &["line 1", "missing field"]);
}

#[test]
fn an_evidence_pack_answers_like_its_ledger() {
    let desk = desk();
    desk.done("pack export pack");
    let (ledger, _) = intervals(&desk, "--env staging");
    let (pack, basis) =
        intervals(&desk, "--ledger pack --env staging --trust trust.toml --prove pack.proofs");
    assert_eq!((pack, &basis["verdict"]), (ledger, &Value::from("sound")));
    assert!(desk.done("verify-proof pack.proofs --trust trust.toml").contains("6 entries of"));
    assert_eq!(desk.done("log"), desk.done("--ledger pack log"));
    assert_eq!(desk.done("show 8"), desk.done("--ledger pack show 8"));
}
