//! Attachments: what the auditor finds beside a log, what the command line takes and refuses, who may redact, and
//! what is left where something goes wrong between.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rollbook::event::authority::Role;
use rollbook::event::header::{Attachment, PRIVATE_PREFIX_BYTES};
use rollbook::event::list::Ascending;
use rollbook::event::remark::AttachmentRedacted;
use rollbook::hash::Hash;
use rollbook::store::attachments::Attachments;
use rollbook::verifier::report::{AttachmentCounts, Report};
use rollbook::verifier::verify::{Options, verify_dir};
use serde_json::Value;

use crate::support::desk::Desk;
use crate::support::events::*;
use crate::support::forge::{Forge, codes, quick};
use crate::support::test_ledger::{TestLedger, contents};

// The auditor.

/// A founded log and its directory.
struct Audited {
    forge: Forge,
    dir: tempfile::TempDir,
}

impl Audited {
    /// Founded by Ada (entry 0), who gives Dan roles (entry 1).
    fn new() -> Self {
        let mut forge = Forge::founded();
        forge.add(&[&ada()], grant(&dan(), &[Role::Registrar, Role::Deployer]));
        Self { forge, dir: tempfile::tempdir().unwrap() }
    }

    fn store(&self) -> Attachments {
        Attachments::of_ledger(self.dir.path())
    }

    fn put(&self, bytes: &str) -> &Self {
        self.store().put(&mut bytes.as_bytes()).unwrap();
        self
    }

    /// Ada cites an attachment of these bytes.
    fn cite(&mut self, bytes: &str) -> u64 {
        self.cite_with_size(bytes, bytes.len() as u64)
    }

    fn cite_with_size(&mut self, bytes: &str, size: u64) -> u64 {
        let mut event = self.forge.event(&ada(), note(0));
        let attachment = Attachment {
            digest: Hash::of(bytes.as_bytes()),
            size,
            private: false,
            media_type: name("text/plain"),
            name: name("report.txt"),
        };
        event.header.attachments = Ascending::new(vec![attachment]).unwrap();
        self.forge.add_event(event, &[&ada()])
    }

    fn redact(&mut self, who: &Person, bytes: &str) -> u64 {
        let digest = Hash::of(bytes.as_bytes());
        self.forge.add(&[who], AttachmentRedacted { digest, reason: text("asked for") })
    }

    fn verify_with(&self, options: &Options<'_>) -> Report {
        let _ = std::fs::remove_file(self.dir.path().join("head"));
        self.forge.write(self.dir.path());
        let trust = self.forge.trust();
        verify_dir(self.dir.path(), &Options { trust: Some(&trust), ..*options }, &|_, _| {}).unwrap()
    }

    /// The codes of what is found, each with its entry; and the exit code.
    fn found(&self) -> (Vec<(String, Option<u64>)>, u8) {
        let report = self.verify_with(&quick());
        let indices = report.findings.iter().map(|found| found.index());
        (codes(&report).into_iter().zip(indices).collect(), report.verdict.exit_code())
    }

    fn finds(&self, findings: &[(&str, u64)], exit: u8) {
        let findings = findings.iter().map(|(code, index)| ((*code).to_owned(), Some(*index))).collect();
        assert_eq!(self.found(), (findings, exit));
    }
}

fn dan() -> Person {
    person("Dan")
}

#[test]
fn an_attachment_that_is_there_is_sound() {
    let mut audited = Audited::new();
    audited.cite("report");
    audited.cite("report");
    audited.put("report").put("cited by nobody");
    audited.finds(&[], 0);
    let counts = audited.verify_with(&quick()).attachments;
    assert_eq!(counts, Some(AttachmentCounts { checked: 1, redacted: 0 }));
}

#[test]
fn other_bytes_are_tampering() {
    let mut audited = Audited::new();
    audited.cite("report");
    audited.put("report");
    std::fs::write(audited.store().path(&Hash::of(b"report")), "Report").unwrap();
    audited.finds(&[("attachment.damaged", 2)], 1);
    let report = audited.verify_with(&quick());
    assert_eq!(report.verdict.as_str(), "tampered");
    let facts = serde_json::to_value(&report.findings[0]).unwrap();
    assert_eq!(facts["facts"]["actual"], Hash::of(b"Report").to_string());
}

#[test]
fn a_cut_or_emptied_file_is_tampering() {
    for bytes in ["", "repor", "report and more"] {
        let mut audited = Audited::new();
        audited.cite("report");
        audited.put("report");
        std::fs::write(audited.store().path(&Hash::of(b"report")), bytes).unwrap();
        audited.finds(&[("attachment.damaged", 2)], 1);
    }
}

#[test]
fn what_is_missing_without_a_redaction_is_a_violation() {
    let mut audited = Audited::new();
    audited.cite("report");
    audited.cite("another");
    audited.finds(&[("attachment.missing", 2), ("attachment.missing", 3)], 1);
    audited.put("another");
    audited.finds(&[("attachment.missing", 2)], 1);
    assert_eq!(audited.verify_with(&quick()).verdict.as_str(), "violation");
    // What is no file is not there.
    std::fs::create_dir_all(audited.store().path(&Hash::of(b"report"))).unwrap();
    audited.finds(&[("attachment.missing", 2)], 1);
}

#[test]
fn what_is_missing_with_a_redaction_is_a_remark() {
    let mut audited = Audited::new();
    audited.cite("report");
    audited.redact(&ada(), "report");
    audited.finds(&[("attachment.redacted", 2)], 0);
    let counts = audited.verify_with(&quick()).attachments;
    assert_eq!(counts, Some(AttachmentCounts { checked: 0, redacted: 1 }));
}

#[test]
fn what_is_there_after_its_redaction_is_a_remark() {
    let mut audited = Audited::new();
    audited.cite("report");
    audited.redact(&ada(), "report");
    audited.put("report");
    audited.finds(&[("attachment.not_removed", 3)], 0);
}

#[test]
fn a_redaction_by_somebody_without_the_role_redacts_nothing() {
    let mut audited = Audited::new();
    audited.cite("report");
    audited.redact(&dan(), "report");
    audited.finds(&[("attachment.missing", 2), ("rule.signer_lacks_role", 3)], 1);
    audited.put("report");
    audited.finds(&[("rule.signer_lacks_role", 3)], 1);
}

#[test]
fn a_redaction_of_nothing_is_a_remark() {
    let mut audited = Audited::new();
    audited.redact(&ada(), "report");
    audited.cite("report");
    audited.put("report");
    audited.finds(&[("attachment.redacts_nothing", 2)], 0);
    // It does not excuse what is cited behind it.
    audited.store().remove(&Hash::of(b"report")).unwrap();
    audited.finds(&[("attachment.redacts_nothing", 2), ("attachment.missing", 3)], 1);
}

#[test]
fn bytes_that_are_attached_again_are_to_be_there_again() {
    let mut audited = Audited::new();
    audited.cite("report");
    audited.redact(&ada(), "report");
    audited.redact(&ada(), "report");
    audited.cite("report");
    audited.finds(&[("attachment.missing", 5)], 1);
    audited.put("report");
    audited.finds(&[], 0);
}

#[test]
fn an_entry_against_the_rules_cites_nothing() {
    let mut audited = Audited::new();
    let mut event = audited.forge.event(&person("Mallory"), note(0));
    let mut cited = audited.forge.event(&ada(), note(0));
    let attachment = Attachment {
        digest: Hash::of(b"report"),
        size: 6,
        private: false,
        media_type: name("text/plain"),
        name: name("report.txt"),
    };
    cited.header.attachments = Ascending::new(vec![attachment]).unwrap();
    event.header.attachments = cited.header.attachments;
    audited.forge.add_event(event, &[&person("Mallory")]);
    audited.redact(&ada(), "report");
    audited.finds(&[("rule.signer_unknown", 2), ("attachment.redacts_nothing", 3)], 1);
}

#[test]
fn a_wrong_size_is_a_violation() {
    let mut audited = Audited::new();
    audited.cite_with_size("report", 7);
    audited.put("report");
    audited.finds(&[("attachment.size", 2)], 1);
    audited.cite("report");
    audited.finds(&[("attachment.size", 2), ("attachment.size", 3)], 1);
}

#[test]
fn nothing_is_missing_where_the_rules_could_not_be_judged_to_the_end() {
    let mut audited = Audited::new();
    audited.cite("report");
    audited.cite("another");
    let mut event = audited.forge.event(&ada(), note(0)).to_bytes().unwrap();
    // The format's number: an event of a later version, which may be anything.
    event[0] = 2;
    audited.forge.enter_with(crate::support::forge::sign(&event, &[&ada()]), |_| {});
    audited.forge.seal();
    audited.finds(&[("event.newer", 4)], 5);
    audited.put("report");
    std::fs::write(audited.store().path(&Hash::of(b"report")), "Report").unwrap();
    audited.finds(&[("attachment.damaged", 2), ("event.newer", 4)], 1);
}

#[test]
fn attachments_are_left_alone_where_that_is_asked_for() {
    let mut audited = Audited::new();
    audited.cite("report");
    let report = audited.verify_with(&Options { skip_attachments: true, ..quick() });
    assert_eq!((report.verdict.exit_code(), report.attachments), (0, None));
    assert_eq!(codes(&audited.forge.verify()), Vec::<String>::new(), "a log alone has none");
}

#[test]
fn many_attachments_are_reported_alike_on_any_number_of_threads() {
    let mut audited = Audited::new();
    for number in 0..40 {
        audited.cite(&format!("report {number}"));
        if number % 3 == 0 {
            audited.put(&format!("report {number}"));
        }
        if number % 5 == 0 {
            audited.redact(&ada(), &format!("report {number}"));
        }
    }
    let report = |threads| {
        let report = audited.verify_with(&Options { threads: Some(threads), ..Options::default() });
        serde_json::to_value(report).unwrap()
    };
    let one = report(1);
    assert_eq!(one["finding_counts"]["attachment.missing"], 21);
    assert_eq!(one["finding_counts"]["attachment.redacted"], 5);
    assert_eq!(one["finding_counts"]["attachment.not_removed"], 3);
    assert_eq!(one, report(4));
}

#[test]
fn a_redaction_while_the_log_is_verified_is_no_violation() {
    let test = TestLedger::new();
    Attachments::of_ledger(&test.dir()).put(&mut b"report".as_slice()).unwrap();
    test.open().append(test.note_with(b"report")).unwrap();
    let is_first = AtomicBool::new(true);
    let redact_once = |_, _| {
        if is_first.swap(false, Ordering::SeqCst) {
            test.open().append(test.redact(b"report")).unwrap();
        }
    };
    let report = verify_dir(&test.dir(), &quick(), &redact_once).unwrap();
    assert_eq!((report.size, codes(&report)), (6, vec!["attachment.redacted".to_owned()]));
}

#[test]
fn what_is_missing_is_found_in_a_ledger_that_goes_on_and_on() {
    let test = TestLedger::new();
    test.open().append(test.note_with(b"report")).unwrap();
    let note = |_, _| drop(test.open().append(test.note("still here")).unwrap());
    let report = verify_dir(&test.dir(), &quick(), &note).unwrap();
    assert_eq!((codes(&report), report.verdict.exit_code()), (vec!["attachment.missing".to_owned()], 1));
}

// The command line.

/// Every file of the ledger's attachments, marks and half-written ones included.
fn stored(desk: &Desk) -> Vec<PathBuf> {
    let dir = desk.path("ledger/attachments");
    if !dir.exists() {
        return Vec::new();
    }
    contents(&dir).into_iter().map(|(path, _)| path.strip_prefix(&dir).unwrap().to_owned()).collect()
}

/// What `attachment list` says, with these options.
fn listed(desk: &Desk, options: &str) -> Vec<Value> {
    desk.run(&format!("--json attachment list {options}")).json_lines()
}

/// The digest of the only attachment of an entry.
fn digest_of(desk: &Desk, entry: u64) -> String {
    let listed = listed(desk, &format!("--entry {entry}"));
    assert_eq!(listed.len(), 1, "{listed:?}");
    listed[0]["digest"].as_str().unwrap().to_owned()
}

fn place(desk: &Desk, digest: &str) -> PathBuf {
    desk.path("ledger/attachments/sha256").join(&digest[..2]).join(&digest[2..])
}

/// A ledger whose entry 1 is a note of alice's with the attachment `report.json`.
fn with_report() -> Desk {
    let desk = Desk::founded();
    desk.write("report.json", "{\"parity\":0.93}\n");
    desk.done("--key alice.key note 0 'see there' --attach report.json");
    desk
}

fn verify(desk: &Desk) -> Option<i32> {
    desk.run("verify --trust ledger/trust.toml").code
}

#[test]
fn what_is_attached_is_listed_shown_got_back_and_verified() {
    let desk = with_report();
    let digest = Hash::of(desk.read("report.json").as_bytes()).to_string();
    let expected = serde_json::json!({
        "entry": 1, "digest": digest, "size": 16, "private": false, "media_type": "application/json",
        "name": "report.json", "state": "present", "redacted_by": null,
    });
    assert_eq!(listed(&desk, ""), std::slice::from_ref(&expected));
    assert_eq!(listed(&desk, "--missing"), Vec::<Value>::new());
    assert_eq!(desk.done_json("show 1")["attachments"], serde_json::json!([expected]));
    let shown = desk.done("show 1");
    assert!(
        shown.contains(&format!("attachment {digest} report.json (application/json, 16 bytes): present"))
    );
    assert_eq!(desk.done(&format!("attachment get {digest}")), desk.read("report.json"));
    assert_eq!(desk.done(&format!("attachment get sha256:{}", &digest[..6])), desk.read("report.json"));
    desk.done(&format!("attachment get {digest} -o copy.json"));
    assert_eq!(desk.read("copy.json"), desk.read("report.json"));
    assert_eq!(verify(&desk), Some(0));
}

#[test]
fn files_are_sorted_and_a_media_type_can_be_said() {
    let desk = Desk::founded();
    for name in ["a.csv", "b", "c.png"] {
        desk.write(name, name);
    }
    desk.done("--key alice.key note 0 x --attach b --attach a.csv --attach c.png");
    let types: Vec<_> = listed(&desk, "").iter().map(|one| one["media_type"].clone()).collect();
    assert_eq!(types.len(), 3);
    for expected in ["text/csv", "application/octet-stream", "image/png"] {
        assert!(types.contains(&expected.into()), "{types:?}");
    }
    desk.done("--key alice.key note 0 x --attach b --media-type 'text/plain; charset=utf-8'");
    assert_eq!(listed(&desk, "--entry 2")[0]["media_type"], "text/plain; charset=utf-8");
    assert_eq!(verify(&desk), Some(0));
}

#[test]
fn any_command_that_records_takes_attachments() {
    let desk = Desk::with_releases();
    desk.write("approval.txt", "yes");
    desk.done("--key dora.key withdraw scorer --env staging --reason old --attach approval.txt");
    desk.done("--key dora.key retire scorer 1.0.0 --reason old --attach approval.txt --private");
    desk.done("--ledger other --key bob.key init --origin o.example.org --admin bob=bob.key.pub --attach approval.txt");
    let list_of_files = |row: &&Value| row["name"] == "files.sha256";
    let listed = listed(&desk, "");
    assert_eq!((listed.len(), listed.iter().filter(list_of_files).count()), (4, 2), "{listed:?}");
    assert_eq!(desk.run("--json --ledger other attachment list").json()["entry"], 0);
    assert_eq!(desk.run("verify other --trust other/trust.toml").code, Some(0));
    assert_eq!(verify(&desk), Some(0));
}

#[test]
fn a_private_file_cannot_be_guessed_and_is_got_back_without_its_prefix() {
    let desk = Desk::founded();
    desk.write("interview.txt", "what they said");
    for _ in 0..2 {
        desk.done("--key alice.key note 0 x --attach interview.txt --private");
    }
    let (first, second) = (digest_of(&desk, 1), digest_of(&desk, 2));
    assert_ne!(first, second, "the prefix is random");
    assert_ne!(first, Hash::of(b"what they said").to_string());
    assert_eq!(listed(&desk, "--entry 1")[0]["size"], PRIVATE_PREFIX_BYTES + 14);
    assert_eq!(desk.done(&format!("attachment get {first}")), "what they said");
    desk.done(&format!("attachment get {first} --raw -o raw"));
    let raw = std::fs::read(desk.path("raw")).unwrap();
    assert_eq!((Hash::of(&raw).to_string(), &raw[PRIVATE_PREFIX_BYTES..]), (first, &b"what they said"[..]));
    assert_eq!(std::fs::metadata(desk.path("raw")).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(verify(&desk), Some(0));
}

#[test]
fn a_retry_is_recognised_with_private_files_too() {
    let desk = Desk::founded();
    desk.write("a/report.txt", "bytes");
    desk.write("b/report.txt", "bytes");
    let line =
        "--key alice.key note 0 x --event-id p-1 --private --attach a/report.txt --attach b/report.txt";
    assert!(desk.done(line).contains("recorded as entry 1"));
    let before = stored(&desk);
    assert!(desk.done(line).contains("already recorded as entry 1"));
    assert!(desk.done(&line.replace("note 0 x", "note 0 x --dry-run")).contains("would be accepted"));
    assert_eq!(stored(&desk), before);
    desk.write("b/report.txt", "other");
    desk.refused(line, 1, &["event id", "was used by entry 1"]);
    assert_eq!(stored(&desk), before);
    assert_eq!(verify(&desk), Some(0));
}

#[test]
fn a_retry_after_a_redaction_does_not_bring_the_bytes_back() {
    let desk = Desk::founded();
    desk.write("report.txt", "bytes");
    let line = "--key alice.key note 0 x --event-id p-1 --attach report.txt";
    desk.done(line);
    desk.done(&format!("--key alice.key attachment redact {} --reason x", digest_of(&desk, 1)));
    assert!(desk.done(line).contains("already recorded as entry 1"));
    assert_eq!(stored(&desk), Vec::<PathBuf>::new());
    // Attached anew they are to be there.
    desk.done("--key alice.key note 0 x --attach report.txt");
    assert_eq!((stored(&desk).len(), verify(&desk)), (1, Some(0)));
    assert_eq!(listed(&desk, "--entry 3")[0]["state"], "present");
    desk.done(&format!("--key alice.key attachment redact {} --reason x", digest_of(&desk, 3)));
    assert_eq!((stored(&desk).len(), verify(&desk)), (0, Some(0)));
}

#[test]
fn bad_files_are_refused_and_nothing_is_stored() {
    let desk = Desk::founded();
    desk.write("a.txt", "bytes");
    desk.write("same.txt", "bytes");
    desk.write("unreadable.txt", "bytes");
    desk.chmod("unreadable.txt", 0o000);
    std::fs::create_dir(desk.path("directory")).unwrap();
    std::os::unix::fs::symlink("a.txt", desk.path("link.txt")).unwrap();
    std::fs::hard_link(desk.path("a.txt"), desk.path("hard-link.txt")).unwrap();
    make_fifo(&desk.path("pipe"));
    let large = std::fs::File::create(desk.path("large.bin")).unwrap();
    large.set_len((64 << 20) + 1).unwrap();
    let full = std::fs::File::create(desk.path("full.bin")).unwrap();
    full.set_len(64 << 20).unwrap();
    desk.write("new\nline.txt", "bytes");
    let many = (0..33).map(|number| format!("--attach {number}.txt")).collect::<Vec<_>>().join(" ");
    let rows: &[(&str, i32, &[&str])] = &[
        ("--attach missing.txt", 2, &["cannot read missing.txt"]),
        ("--attach directory", 2, &["--attach directory: it is not a plain file", "hint: pack"]),
        ("--attach pipe", 2, &["--attach pipe: it is not a plain file"]),
        ("--attach /dev/null", 2, &["/dev/null: it is not a plain file"]),
        ("--attach link.txt", 2, &["--attach link.txt: it is a symbolic link", "hint: name the file"]),
        ("--attach large.bin", 2, &["it has 67108865 bytes, and at most 67108864", "hint:"]),
        ("--attach full.bin --private", 2, &["it has 67108864 bytes, and at most 67108832"]),
        (&many, 2, &["33 files are attached", "at most 32", "hint: pack"]),
        ("--attach a.txt --attach a.txt", 2, &["a.txt and a.txt are the same bytes", "hint:"]),
        ("--attach a.txt --attach ./a.txt", 2, &["are the same bytes"]),
        ("--attach a.txt --attach hard-link.txt --private", 2, &["are the same bytes"]),
        ("--attach a.txt --attach same.txt", 2, &["a.txt and same.txt are the same bytes"]),
        ("--attach 'new\nline.txt'", 2, &["its name cannot stand in an entry", "hint: copy it"]),
        ("--attach a.txt --media-type json", 2, &["--media-type json is no media type", "hint:"]),
        ("--private", 2, &["--attach"]),
        ("--media-type text/plain", 2, &["--attach"]),
    ];
    for (options, code, words) in rows {
        for mode in ["", "--dry-run", "--draft note.json"] {
            desk.refused(&format!("--key alice.key note 0 x {options} {mode}"), *code, words);
            assert!(!desk.path("ledger/attachments").exists(), "{options} {mode}");
            assert!(!desk.path("note.json").exists(), "{options} {mode}");
        }
    }
    if std::fs::read(desk.path("unreadable.txt")).is_err() {
        desk.refused("--key alice.key note 0 x --attach unreadable.txt", 2, &["cannot read unreadable.txt"]);
    }
}

fn make_fifo(path: &Path) {
    let made = std::process::Command::new("mkfifo").arg(path).status().unwrap();
    assert!(made.success());
}

#[test]
fn a_refused_event_and_a_trial_leave_no_file() {
    let desk = with_report();
    let before = stored(&desk);
    desk.write("other.txt", "other");
    desk.refused("--key carl.key note 0 x --attach other.txt", 1, &["was never granted"]);
    desk.refused(
        "--key carl.key note 0 x --attach report.json --attach other.txt",
        1,
        &["was never granted"],
    );
    desk.done("--key alice.key note 0 x --attach other.txt --dry-run");
    desk.refused("--key alice.key note 99 x --attach other.txt --private", 1, &["entry 99 does not exist"]);
    assert_eq!(stored(&desk), before, "what was there before stays");
}

#[test]
fn where_attachments_cannot_be_written_nothing_is_recorded() {
    let desk = with_report();
    // In place of the directory stands a file: that stops root as well.
    std::fs::remove_dir_all(desk.path("ledger/attachments")).unwrap();
    desk.write("ledger/attachments", "");
    desk.refused("--key alice.key note 0 x --attach report.json", 3, &["cannot", "attachments"]);
    let digest = Hash::of(desk.read("report.json").as_bytes());
    let line = format!("--key alice.key attachment redact {digest} --reason x");
    desk.refused(&line, 3, &["the attachment cannot be redacted: cannot write", "hint:"]);
}

#[test]
fn files_are_as_open_as_the_ledgers_directory() {
    let desk = with_report();
    for (mode, dirs, files) in [(0o700, 0o700, 0o600), (0o2770, 0o2770, 0o660), (0o755, 0o755, 0o644)] {
        std::fs::remove_dir_all(desk.path("ledger/attachments")).unwrap();
        desk.chmod("ledger", mode);
        for draft in ["", "--draft note.json --force"] {
            desk.write("new.txt", format!("{mode} {draft}"));
            desk.done(&format!("--key alice.key note 0 x --attach new.txt {draft}"));
            let digest = Hash::of(desk.read("new.txt").as_bytes()).to_string();
            let path = place(&desk, &digest);
            let mode_of = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
            assert_eq!(mode_of(&path), files, "{mode:o} {draft}");
            assert_eq!(mode_of(path.parent().unwrap()), dirs, "{mode:o} {draft}");
            assert_eq!(mode_of(&desk.path("ledger/attachments")), dirs, "{mode:o} {draft}");
        }
        assert_eq!(std::fs::metadata(desk.path("note.json")).unwrap().permissions().mode() & 0o777, 0o644);
    }
}

// Getting.

#[test]
fn only_the_right_bytes_are_ever_written() {
    let desk = with_report();
    let digest = digest_of(&desk, 1);
    desk.write("mine.json", "mine");
    let get = |rest: &str| format!("attachment get {digest} {rest}");
    desk.refused(&get("-o mine.json"), 2, &["mine.json exists already", "hint:"]);
    assert_eq!(desk.read("mine.json"), "mine");
    std::fs::write(place(&desk, &digest), "{\"parity\":0.99}\n").unwrap();
    for rest in ["", "-o new.json", "-o mine.json --force", "--raw"] {
        desk.refused(&get(rest), 1, &["has other bytes in its place", "hint:"]);
    }
    assert_eq!(listed(&desk, "--missing")[0]["state"], "damaged");
    assert_eq!(verify(&desk), Some(1));
    std::fs::remove_file(place(&desk, &digest)).unwrap();
    desk.refused(&get("-o mine.json --force"), 1, &["is not in attachments/", "hint:"]);
    assert_eq!(listed(&desk, "--missing")[0]["state"], "missing");
    assert_eq!((desk.read("mine.json"), desk.path("new.json").exists()), ("mine".to_owned(), false));
    // Attaching the same bytes again heals it.
    desk.done("--key alice.key note 0 x --attach report.json");
    desk.done(&get("-o mine.json --force"));
    assert_eq!(desk.read("mine.json"), desk.read("report.json"));
    assert_eq!(verify(&desk), Some(0));
}

#[test]
fn what_cannot_be_read_gives_no_verdict() {
    let desk = with_report();
    let path = place(&desk, &digest_of(&desk, 1));
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink(&path, &path).unwrap();
    let hint = "hint: see who may read in attachments/; --no-attachments judges the log alone";
    desk.refused("verify --trust ledger/trust.toml", 3, &["cannot open", hint]);
    let left_alone = desk.done("verify --trust ledger/trust.toml --no-attachments");
    assert!(left_alone.contains("attachments    not looked at"), "{left_alone}");
}

#[test]
fn a_name_that_names_none_or_several_is_refused() {
    let desk = Desk::founded();
    desk.refused("attachment get abcdef", 1, &["no entry cites an attachment abcdef", "hint:"]);
    desk.refused("--key alice.key attachment redact abcdef --reason x", 1, &["no entry cites"]);
    for wrong in ["abc", "xyzxyz", "", "sha256:", &"a".repeat(65)] {
        desk.refused(&format!("attachment get '{wrong}'"), 2, &["is no digest", "hint:"]);
    }
    let code = desk.run("--json attachment get abcdef -o x").json()["refused"]["code"].clone();
    assert_eq!(code, "attachment_unknown");
    desk.refused("attachment list --entry 9", 2, &["entry 9 does not exist"]);
    assert_eq!(desk.run("--json attachment get abcdef").code, Some(2), "JSON and the file on one stdout");
}

// Redacting.

#[test]
fn a_redaction_removes_the_bytes_and_tells_who_and_why() {
    let desk = with_report();
    let digest = digest_of(&desk, 1);
    let line =
        format!("--key alice.key attachment redact {} --reason 'asked for' --event-id r-1", &digest[..8]);
    assert!(desk.done(&format!("{line} --dry-run")).contains("would be accepted"));
    assert_eq!(stored(&desk).len(), 1);
    assert!(desk.done(&line).contains("recorded as entry 2"));
    assert_eq!(stored(&desk), Vec::<PathBuf>::new());
    assert_eq!(listed(&desk, "")[0]["state"], "redacted");
    assert_eq!(listed(&desk, "")[0]["redacted_by"], 2);
    assert!(desk.done("show 1").contains("report.json (application/json, 16 bytes): redacted by entry 2"));
    desk.refused(&format!("attachment get {digest}"), 1, &["was redacted by entry 2: asked for"]);
    let report = desk.run("--json verify --trust ledger/trust.toml");
    assert_eq!(
        (report.code, report.json()["findings"][0]["code"].as_str()),
        (Some(0), Some("attachment.redacted"))
    );
    assert!(desk.done(&line).contains("already recorded as entry 2"), "a retry");
    let again = format!("--key alice.key attachment redact {digest} --reason again");
    desk.refused(&again, 1, &["was redacted by entry 2", "hint: nothing is to do"]);
    let code = desk.run(&format!("--json {again}")).json()["refused"]["code"].clone();
    assert_eq!(code, "attachment_redacted_already");
}

#[test]
fn only_administrators_redact_as_many_as_the_policy_asks_for() {
    let desk = with_report();
    let digest = digest_of(&desk, 1);
    desk.grant("dora", "--role registrar --role auditor --env '*' --model '*'");
    let redact = format!("attachment redact {digest} --reason x");
    desk.refused(&format!("--key dora.key {redact}"), 1, &["does not hold a role", "admin"]);
    desk.refused(&format!("--key carl.key {redact}"), 1, &["was never granted"]);
    assert_eq!(stored(&desk).len(), 1);
    desk.grant("bob", "--role admin --env '*' --model '*'");
    desk.write("two.toml", "schema = 1\nadministrators.threshold = 2\n[[environment]]\nname = \"staging\"\n");
    desk.done("--key alice.key policy set two.toml");
    desk.refused(&format!("--key alice.key {redact}"), 1, &["needs 2 signers, 1 signed"]);
    assert_eq!(stored(&desk).len(), 1, "no bytes went, and no mark is left");
    desk.done(&format!("--key alice.key {redact} --draft redaction.json"));
    assert_eq!(stored(&desk).len(), 1, "a draft removes nothing");
    desk.refused("draft submit redaction.json", 1, &["needs 2 signers"]);
    desk.done("--key bob.key draft sign redaction.json");
    desk.done("draft submit redaction.json --dry-run");
    assert_eq!(stored(&desk).len(), 1);
    desk.done("draft submit redaction.json");
    assert_eq!((stored(&desk).len(), verify(&desk)), (0, Some(0)));
    assert!(desk.done("draft submit redaction.json").contains("already recorded"));
}

#[test]
fn a_redaction_does_not_attach_what_it_redacts() {
    let desk = with_report();
    let digest = digest_of(&desk, 1);
    let line = format!("--key alice.key attachment redact {digest} --reason x --attach report.json");
    desk.refused(&line, 2, &["those are the bytes to be redacted", "hint:"]);
    desk.write("order.txt", "court order");
    desk.done(&line.replace("report.json", "order.txt"));
    assert_eq!((stored(&desk).len(), verify(&desk)), (1, Some(0)));
}

#[test]
fn bytes_that_are_gone_already_can_be_redacted() {
    let desk = with_report();
    let digest = digest_of(&desk, 1);
    std::fs::remove_dir_all(desk.path("ledger/attachments")).unwrap();
    assert_eq!(verify(&desk), Some(1));
    desk.done(&format!("--key alice.key attachment redact {digest} --reason 'lost with the disk'"));
    assert_eq!((stored(&desk).len(), verify(&desk)), (0, Some(0)));
}

#[test]
fn the_next_opening_completes_a_redaction_that_was_cut_short() {
    let desk = with_report();
    let digest = digest_of(&desk, 1);
    desk.done(&format!("--key alice.key attachment redact {digest} --reason x --event-id r-1"));
    let event_id = desk.done_json("show 2")["event"]["header"]["event_id"].as_str().unwrap().to_owned();
    let leave = |size: &str| {
        let path = place(&desk, &digest);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::copy(desk.path("report.json"), path).unwrap();
        desk.write(&format!("ledger/attachments/.redact-{digest}-{event_id}"), size);
    };
    // A mark that cannot be read makes the whole log be read; no reader completes anything.
    for size in ["2\n", "", "x"] {
        leave(size);
        let report = desk.run("--json verify --trust ledger/trust.toml").json();
        assert_eq!(report["findings"][0]["code"], "attachment.not_removed", "{size:?}");
        assert_eq!(listed(&desk, "")[0]["state"], "not_removed");
        desk.done("--key alice.key note 0 x --dry-run");
        assert_eq!(stored(&desk), Vec::<PathBuf>::new(), "{size:?}");
    }
    // A mark whose event never came: the bytes stay.
    desk.done("--key alice.key note 0 x --attach report.json");
    let other = "01a206ae-1799-70ff-b001-1fd20f5ad77d";
    desk.write(&format!("ledger/attachments/.redact-{digest}-{other}"), "3\n");
    desk.done("--key alice.key note 0 x");
    assert_eq!((stored(&desk).len(), verify(&desk)), (1, Some(0)));
    // A mark of a redaction behind which the same bytes were attached again: they stay.
    leave("2\n");
    desk.done("--key alice.key note 0 x");
    assert_eq!((stored(&desk).len(), verify(&desk)), (1, Some(0)));
}

// Drafts.

#[test]
fn a_draft_is_submitted_only_with_its_attachments() {
    let desk = Desk::founded();
    desk.write("report.txt", "bytes");
    desk.done("--key alice.key note 0 x --attach report.txt --draft note.json");
    let digest = Hash::of(b"bytes").to_string();
    assert_eq!(stored(&desk).len(), 1);
    assert_eq!(desk.done_json("draft show note.json")["attachments"][0]["state"], "present");
    assert!(desk.done("draft show note.json").contains("report.txt (text/plain, 5 bytes): present"));
    std::fs::write(place(&desk, &digest), "Bytes").unwrap();
    desk.refused("draft submit note.json", 1, &["report.txt", &digest, "other bytes", "hint: hand it in"]);
    std::fs::remove_file(place(&desk, &digest)).unwrap();
    assert!(desk.done("draft show note.json").contains("missing; hand it in"));
    for mode in ["", "--dry-run"] {
        desk.refused(
            &format!("draft submit note.json {mode}"),
            1,
            &["report.txt", &digest, "hint: hand it in"],
        );
        let code =
            desk.run(&format!("--json draft submit note.json {mode}")).json()["refused"]["code"].clone();
        assert_eq!(code, "attachment_missing");
    }
    desk.write("other.txt", "other");
    desk.refused(
        "draft submit note.json --attach other.txt",
        2,
        &["is no attachment of this draft", "hint:"],
    );
    assert_eq!(stored(&desk), Vec::<PathBuf>::new());
    assert!(desk.done("draft submit note.json --attach report.txt --dry-run").contains("would be accepted"));
    assert_eq!(stored(&desk), Vec::<PathBuf>::new());
    desk.done("draft submit note.json --attach report.txt");
    assert_eq!((stored(&desk).len(), verify(&desk)), (1, Some(0)));
    assert!(desk.done("draft submit note.json").contains("already recorded"));
}

/// The ledger belongs to somebody else: root is told so, and anybody else may not write there.
fn give_away(desk: &Desk, mode: u32, owner: Option<u32>) {
    desk.chmod("ledger", mode);
    // Whoever may not give it away cannot write there now.
    let _ = std::os::unix::fs::chown(desk.path("ledger"), owner, None);
}

#[test]
fn where_the_drafter_may_not_write_the_files_are_handed_over() {
    let desk = Desk::founded();
    desk.write("public.txt", "bytes");
    desk.write("interview.txt", "what they said");
    let owner = std::fs::metadata(desk.path("ledger")).unwrap().uid();
    give_away(&desk, 0o555, Some(owner + 1));
    let plain = desk.run("--key alice.key note 0 x --attach public.txt --draft plain.json");
    assert_eq!(plain.code, Some(0), "{plain:?}");
    assert!(plain.stderr.contains("public.txt is not in the ledger: hand over public.txt"), "{plain:?}");
    let line = "--key alice.key note 0 x --attach interview.txt --private --draft private.json";
    let private = desk.run(line);
    assert_eq!(private.code, Some(0), "{private:?}");
    let digest = desk.done_json("draft show private.json")["attachments"][0]["digest"].clone();
    let beside = format!("private.json.{}", &digest.as_str().unwrap()[..8]);
    assert!(private.stderr.contains(&format!("hand over {beside}")), "{private:?}");
    assert_eq!(std::fs::metadata(desk.path(&beside)).unwrap().permissions().mode() & 0o777, 0o600);
    give_away(&desk, 0o755, Some(owner));

    assert_eq!(stored(&desk), Vec::<PathBuf>::new());
    desk.refused("draft submit private.json --attach interview.txt", 2, &["is no attachment of this draft"]);
    desk.done(&format!("draft submit private.json --attach {beside}"));
    desk.done("draft submit plain.json --attach public.txt");
    assert_eq!(verify(&desk), Some(0));
    assert_eq!(desk.done(&format!("attachment get {}", digest.as_str().unwrap())), "what they said");
}

#[test]
fn a_draft_that_is_refused_leaves_no_file() {
    let desk = Desk::founded();
    desk.write("report.txt", "bytes");
    desk.write("note.json", "mine");
    desk.refused("--key alice.key note 0 x --attach report.txt --draft note.json", 2, &["exists already"]);
    assert_eq!(stored(&desk), Vec::<PathBuf>::new());
    desk.refused("--key alice.key note 0 x --attach report.txt --draft no/note.json", 3, &["no/note.json"]);
    assert_eq!(stored(&desk), Vec::<PathBuf>::new());
    desk.done("--key carl.key note 0 x --attach report.txt --draft carls.json");
    std::fs::remove_dir_all(desk.path("ledger/attachments")).unwrap();
    desk.refused("draft submit carls.json --attach report.txt", 1, &["was never granted"]);
    assert_eq!(stored(&desk), Vec::<PathBuf>::new());
}

#[test]
fn the_first_entry_of_a_ledger_that_several_found_has_attachments() {
    let desk = Desk::founded();
    desk.write("charter.txt", "we, the undersigned");
    desk.done(
        "--ledger shared --key alice.key init --origin shared.example.org --admin alice=alice.key.pub \
         --admin bob=bob.key.pub --attach charter.txt --draft first.json",
    );
    desk.done("--ledger shared --key bob.key draft sign first.json");
    std::fs::remove_dir_all(desk.path("shared/attachments")).unwrap();
    desk.refused("--ledger shared draft submit first.json", 1, &["charter.txt", "hint: hand it in"]);
    desk.done("--ledger shared draft submit first.json --attach charter.txt");
    assert_eq!(desk.run("verify shared --trust shared/trust.toml").code, Some(0));
}
