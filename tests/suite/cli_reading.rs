//! Reading the log: filters, following, exact bytes, closed pipes, and text that would like to steer a terminal.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;

use sha2::{Digest as _, Sha256};

use super::support::desk::Desk;

/// The indices that `rollbook log` lists.
fn listed(desk: &Desk, filters: &str) -> Vec<u64> {
    let answer = desk.run(&format!("--json log {filters}"));
    assert_eq!(answer.code, Some(0), "{filters}: {answer:?}");
    answer.json_lines().iter().map(|entry| entry["index"].as_u64().unwrap()).collect()
}

#[test]
fn each_filter_of_the_log_admits_what_it_says() {
    let desk = Desk::with_releases();
    desk.write("other/weights.bin", "other weights\n");
    desk.done("--key dora.key register other 1 --path other");
    desk.done("--key dora.key promote other 1 --env staging --repo infra --tag v1");
    desk.done("--key alice.key key grant bob.key.pub --name bob --role auditor --env '*' --model '*'");
    desk.done("--key bob.key note 4 checked");
    let entry = |index: u64| desk.done_json(&format!("show {index}"));
    let digest = entry(2)["event"]["body"]["digest"]["root"].as_str().unwrap().to_owned();
    let commit = entry(5)["event"]["body"]["infra"]["commit"].as_str().unwrap().to_owned();
    let recorded = entry(5)["recorded_at"].as_str().unwrap().to_owned();
    let bob = entry(9)["signatures"][0].clone();
    let (fingerprint, hex) = (bob["fingerprint"].as_str().unwrap(), bob["key"].as_str().unwrap());
    let all: Vec<u64> = (0..10).collect();
    let rows: &[(String, &[u64])] = &[
        (String::new(), &all),
        ("--model scorer".into(), &[2, 3, 4, 5]),
        ("--model other".into(), &[6, 7]),
        ("--env staging".into(), &[4, 5, 7]),
        ("--env production".into(), &[]),
        ("--kind model.promoted".into(), &[4, 5, 7]),
        ("--kind note.added --kind key.granted".into(), &[1, 8, 9]),
        ("--signer bob".into(), &[9]),
        ("--signer alice".into(), &[0, 1, 8]),
        (format!("--signer {fingerprint}"), &[9]),
        (format!("--signer {hex}"), &[9]),
        ("--signer nobody".into(), &[]),
        (format!("--digest {digest}"), &[2, 3, 4, 5]),
        (format!("--infra-commit {commit}"), &[5]),
        (format!("--infra-commit {}", commit[..8].to_uppercase()), &[5]),
        (format!("--since {recorded}"), &[5, 6, 7, 8, 9]),
        (format!("--until {recorded}"), &[0, 1, 2, 3, 4]),
        ("--since '1h ago' --model scorer --env staging".into(), &[4, 5]),
        ("--until '1h ago'".into(), &[]),
        ("--limit 3".into(), &[0, 1, 2]),
        ("--limit 0".into(), &[]),
        ("--reverse --limit 3".into(), &[9, 8, 7]),
        ("--reverse --limit 1 --kind model.promoted".into(), &[7]),
        ("--reverse --model scorer".into(), &[5, 4, 3, 2]),
    ];
    for (filters, expected) in rows {
        assert_eq!(listed(&desk, filters), *expected, "{filters}");
    }
    let text = desk.run("log --model nothing");
    assert_eq!((text.stdout.as_str(), text.stderr.as_str()), ("", "no entry fits\n"));
    assert_eq!(desk.run("--quiet log --model nothing").stderr, "");
}

#[test]
fn following_shows_what_is_published_later() {
    let desk = Desk::with_releases();
    let mut child = desk.command("log --follow --kind note.added").stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for text in ["first", "second"] {
        desk.done(&format!("--key dora.key note 1 {text}"));
        let line = lines.next().unwrap().unwrap();
        assert!(line.ends_with(&format!("note on entry 1: {text}")), "{line}");
    }
    assert!(child.try_wait().unwrap().is_none(), "it goes on");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(listed(&desk, "--follow --limit 2 --kind note.added"), [6, 7], "a limit ends it");
}

#[test]
fn an_entry_is_shown_by_index_and_by_event_id() {
    let desk = Desk::with_releases();
    desk.done("--key dora.key note 1 hello --event-id build-7");
    let by_index = desk.done_json("show 6");
    assert_eq!(desk.done_json("show build-7"), by_index);
    let id = by_index["event"]["header"]["event_id"].as_str().unwrap();
    assert_eq!(desk.done_json(&format!("show {id}")), by_index);
    assert_eq!(by_index["signatures"][0]["person"], "dora");
}

#[test]
fn raw_bytes_hash_to_the_leaf() {
    let desk = Desk::with_releases();
    for index in 0..6 {
        let raw = desk.command(&format!("show {index} --raw")).output().unwrap().stdout;
        let leaf = Sha256::new().chain_update([0]).chain_update(&raw).finalize();
        assert_eq!(desk.done_json(&format!("show {index}"))["leaf_hash"], hex::encode(leaf), "entry {index}");
    }
}

#[test]
fn a_closed_pipe_ends_it_quietly() {
    let desk = Desk::with_releases();
    for line in [
        "log",
        "--json log",
        "log --follow",
        "status",
        "show 3",
        "show 3 --raw",
        "checkpoint",
        "policy show",
        "key list",
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = desk.command(line).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{line}: {stderr}");
        assert!(!stderr.contains("error") && !stderr.contains("panicked"), "{line}: {stderr}");
    }
    let mut child =
        desk.command("log --follow").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut pipe = child.stdout.take().unwrap();
    pipe.read_exact(&mut [0]).unwrap();
    drop(pipe);
    desk.done("--key dora.key note 1 wakes");
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}

#[test]
fn text_from_the_log_cannot_steer_a_terminal() {
    let desk = Desk::with_releases();
    let hostile = "up\u{202e}down\u{2066}side\u{200f}";
    desk.done(&format!("--key dora.key note 1 '{hostile}' --draft hostile.json"));
    desk.done(&format!(
        "--key dora.key rollback scorer --env staging --repo infra --rev HEAD --reason '{hostile}\nline'"
    ));
    desk.done(&format!("--key dora.key retire scorer 1.1.0 --reason '{hostile}'"));
    desk.write("policy.toml", format!("# {hostile}\nschema = 1\nadministrators.threshold = 1\n"));
    let lines = [
        "draft show hostile.json",
        "--key dora.key draft sign hostile.json",
        "draft submit hostile.json",
        "--key alice.key policy set policy.toml",
        "policy show",
        "log",
        "--json log",
        "show 6",
        "show 7",
        "show 8",
        "show 9",
        "--json show 6",
        "--json policy show",
        "status",
        "verify --trust ledger/trust.toml",
    ];
    for line in lines {
        let said = desk.done(line);
        let raw = said.chars().find(|c| !matches!(c, '\n') && (c.is_control() || hostile_character(*c)));
        assert_eq!(raw, None, "{line}: {said}");
    }
    assert!(desk.done("log --kind model.rolledback").contains("up\\u{202e}down\\u{2066}side\\u{200f} …"));
    assert_eq!(desk.done_json("show 7")["event"]["body"]["reason"], hostile, "JSON keeps the value");
    desk.refused("--key dora.key register 'a\u{202e}b' 1 --path model", 2, &["U+202E", "not allowed"]);
    desk.refused("--key dora.key note 1 'a\u{1b}[2Jb'", 2, &["U+001B", "not allowed"]);
}

fn hostile_character(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[test]
fn status_is_aligned_however_long_the_names_are() {
    let desk = Desk::with_releases();
    let long = "a-model-with-a-name-far-longer-than-any-column-would-be";
    desk.done(&format!("--key dora.key register {long} 1 --path model"));
    desk.done(&format!("--key dora.key promote {long} 1 --env staging --repo infra --rev HEAD"));
    let status = desk.done("status");
    let columns: Vec<_> = status.lines().map(|line| line.find("since ").unwrap()).collect();
    assert_eq!(columns.len(), 2, "{status}");
    assert_eq!(columns[0], columns[1], "{status}");
}

#[test]
fn a_filled_ledger_is_sound() {
    let desk = Desk::empty();
    let filled = desk.done_json("bench fill full --entries 150 --batch 40 --models 2 --keys 3");
    assert_eq!(filled["entries"], 150);
    let report = desk.done_json("verify full/ledger --trust full/trust.toml --strict");
    assert_eq!(report["entries"], 150);
    desk.refused("bench fill full --entries 150", 2, &["full/ledger exists already", "hint:"]);
    desk.refused("bench fill few --entries 3", 2, &["--entries 3 is too few"]);
    desk.refused("bench fill big --entries 150 --batch 5000", 2, &["--batch 5000 is not between 1 and 4096"]);
}

#[test]
fn measuring_gives_figures_beside_floors_and_leaves_nothing_behind() {
    let desk = Desk::empty();
    desk.write("here/kept", "");
    for (command, first, figures) in [
        ("bench append here --appends 20", "one append, durable", 8),
        ("bench verify here --entries 150", "verify, an entry", 6),
        ("bench open here --entries 150", "a process that appends one, at 10", 8),
    ] {
        let measured = desk.done_json(command);
        let all = measured["figures"].as_array().unwrap();
        assert_eq!((all.len(), all[0]["what"].as_str()), (figures, Some(first)), "{command}");
        for figure in all {
            assert!(figure["seconds"].as_f64().unwrap() > 0.0, "{command}: {figure}");
        }
        assert!(all[0]["beside"]["ratio"].as_f64().unwrap() > 0.0, "{command}");
        assert_eq!(std::fs::read_dir(desk.path("here")).unwrap().count(), 1, "{command}");
    }
    desk.refused("bench append nowhere", 3, &["make a directory in nowhere"]);
    desk.refused("bench append here --appends 3", 2, &["20..=100000"]);
}
