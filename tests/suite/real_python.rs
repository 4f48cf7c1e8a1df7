//! The second verifier, `tests/independent/verify.py`, written in Python from docs/format.md alone: it comes to the same
//! verdicts, findings and events as ours. Rules it leaves out, so the ledgers here keep them where they can.
//!
//! Ignored by default, since not every machine has Python 3.11 and `PyNaCl`: `cargo test -- --include-ignored`. The
//! interpreter is `ROLLBOOK_PYTHON`, or else `python3`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use curve25519_dalek::constants::{ED25519_BASEPOINT_TABLE, EIGHT_TORSION};
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::Identity as _;
use ed25519_dalek::SigningKey;
use rollbook::event::authority::RotationCause;
use rollbook::event::body::{Body, Event, Kind};
use rollbook::event::header::{Attachment, EventId};
use rollbook::event::list::Ascending;
use rollbook::event::release::ChangeOutcome;
use rollbook::hash::Hash;
use rollbook::note::checkpoint::{Checkpoint, Origin, sign_checkpoint};
use rollbook::signing::envelope::{AuthorSignature, Envelope, signing_bytes};
use rollbook::signing::key_file::SecretKey;
use rollbook::signing::public_key::{PublicKey, SignatureBytes};
use rollbook::store::frame::FrameView;
use rollbook::verifier::report::Report;
use rollbook::verifier::verify::Options;
use serde_json::Value;
use sha2::{Digest as _, Sha512};

use crate::packs::{Bench, attacked, attacks, exported, judged_by};
use crate::rule_rows_of_evidence::{eva, glass_broken};
use crate::rule_table::{abe, dan, rea, rita};
use crate::support::desk::PROGRAM;
use crate::support::events::*;
use crate::support::forge::{Forge, quick, sign};
use crate::support::samples;
use crate::support::test_ledger::copy_dir;

/// What the second verifier said.
struct Theirs {
    exit: i32,
    report: Value,
    /// A line for each entry.
    entries: Vec<Value>,
}

/// Runs the second verifier on a pack.
fn theirs(pack: &Path, forge: &Forge) -> Theirs {
    let (trust, events) = (pack.with_extension("trust"), pack.with_extension("events"));
    std::fs::write(&trust, forge.trust().to_toml()).unwrap();
    let python = std::env::var_os("ROLLBOOK_PYTHON").unwrap_or_else(|| "python3".into());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/independent/verify.py");
    let mut command = Command::new(&python);
    command.arg("-B").arg(script).arg(pack).arg("--trust").arg(trust).arg("--events").arg(&events);
    let output = command.output().unwrap_or_else(|error| panic!("{}: {error}", python.display()));
    let exit = output.status.code().unwrap();
    let report = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("exit {exit}: {}", String::from_utf8_lossy(&output.stderr)));
    let lines = std::fs::read_to_string(events).unwrap();
    let entries = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    Theirs { exit, report, entries }
}

/// Our report on a pack, strict signatures asked for.
fn ours(pack: &Path, forge: &Forge) -> Report {
    let trust = forge.trust();
    judged_by(pack, &Options { trust: Some(&trust), strict: true, ..quick() })
}

/// Codes that only one of them has: odd signatures are a list of theirs, and two remarks are; ours names each missing
/// entry beside the hole.
const OWN: [&str; 4] = ["signature.not_strict", "entry.missing", "pack.stranger", "trust.quorum"];

/// A report's codes but for those of rules, and those that only one of the two has.
fn compared<'a>(codes: impl Iterator<Item = &'a str>) -> BTreeSet<String> {
    let is_compared = |code: &&str| !code.starts_with("rule.") && !OWN.contains(code);
    codes.filter(is_compared).map(str::to_owned).collect()
}

/// What each says that the other doesn't.
#[derive(Default, Clone, Copy)]
struct Apart {
    ours: &'static [&'static str],
    theirs: &'static [&'static str],
}

/// What the two verifiers say differently of one pack, beyond what is known.
fn differences(pack: &Path, forge: &Forge, apart: Apart) -> Vec<String> {
    let (ours, theirs) = (ours(pack, forge), theirs(pack, forge));
    let mut wrong = Vec::new();
    let verdicts = (ours.verdict.as_str(), theirs.report["verdict"].as_str().unwrap());
    let exits = (i32::from(ours.verdict.exit_code()), theirs.exit);
    if verdicts.0 != verdicts.1 || exits.0 != exits.1 {
        wrong.push(format!("verdicts {verdicts:?}, exits {exits:?}"));
    }
    let our_codes = compared(ours.finding_counts.keys().map(AsRef::as_ref));
    let counts = theirs.report["finding_counts"].as_object().unwrap();
    let their_codes = compared(counts.keys().map(AsRef::as_ref));
    let only = |codes: &BTreeSet<String>, others: &BTreeSet<String>| -> Vec<String> {
        codes.difference(others).cloned().collect()
    };
    let found = (only(&our_codes, &their_codes), only(&their_codes, &our_codes));
    if found.0 != apart.ours || found.1 != apart.theirs {
        wrong.push(format!("codes only ours {:?}, only theirs {:?}", found.0, found.1));
    }
    if odd_in(&ours) != theirs.report["not_strict"] {
        wrong.push(format!("odd signatures {}, {}", odd_in(&ours), theirs.report["not_strict"]));
    }
    wrong
}

/// The signatures that pass the audit rule and not the strict one, as the second verifier lists them.
fn odd_in(report: &Report) -> Value {
    let findings = serde_json::to_value(&report.findings).unwrap();
    let odd = findings.as_array().unwrap().iter().filter(|finding| finding["code"] == "signature.not_strict");
    odd.map(|finding| finding["facts"].clone()).collect()
}

// The same events.

/// Every kind of event, each lawful, by several people in batches of several sizes; the log key replaced; an
/// attachment that is there, and one that is redacted.
fn story() -> Forge {
    let mut forge = Forge::new();
    glass_broken(&mut forge);
    forge.add(&[&abe()], ratify(11));
    forge.add(&[&rita()], complete(11, ChangeOutcome::Succeeded));
    for (signer, body) in [
        (rita(), Body::from(resolved("INC-7"))),
        (eva(), fairness("v2", 0.05).into()),
        (eva(), drift("production").into()),
        (rea(), retire("v2").into()),
        (rita(), withdraw("production", serving("v1", 11)).into()),
        (ada(), revoke(dan().public()).into()),
        (ada(), policy_set(policy_2("[[environment]]\nname = 'production'\n"), 0).into()),
    ] {
        forge.enter_event(forge.event(&signer, body), &[&signer]);
    }
    forge.seal();
    let mut event = forge.event(&ada(), note(3));
    event.header.attachments = Ascending::sort(vec![attachment(KEPT), attachment(GONE)]).unwrap();
    forge.enter_event(event, &[&ada(), &abe()]);
    forge.enter_event(forge.event(&ada(), redact(Hash::of(GONE))), &[&ada()]);
    forge.seal();
    forge.rotate(&[&ada()], &new_log_key(), RotationCause::Routine);
    add_notes(&mut forge, &[1, 20, 9, 2]);
    forge
}

const KEPT: &[u8] = b"a report\n";
const GONE: &[u8] = b"to be forgotten\n";

fn attachment(bytes: &[u8]) -> Attachment {
    let size = bytes.len() as u64;
    let (media_type, name) = (name("text/plain"), name("report.txt"));
    Attachment { digest: Hash::of(bytes), size, private: false, media_type, name }
}

fn path_of(bytes: &[u8]) -> String {
    let digest = Hash::of(bytes).to_string();
    format!("attachments/sha256/{}/{}", &digest[..2], &digest[2..])
}

fn new_log_key() -> SigningKey {
    SigningKey::from_bytes(&[0x21; 32])
}

fn add_notes(forge: &mut Forge, batches: &[usize]) {
    for entries in batches {
        for _ in 0..*entries {
            forge.enter_event(forge.event(&ada(), note(0)), &[&ada()]);
        }
        forge.seal();
    }
}

/// The story's ledger, with its attachment, and a pack of it.
fn told(bench: &Bench, forge: &Forge) -> (PathBuf, PathBuf) {
    let ledger = bench.write("ledger", forge, &[0, 5, 12]);
    let file = ledger.join(path_of(KEPT));
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, KEPT).unwrap();
    let pack = bench.path("pack");
    exported(&ledger, &pack);
    (ledger, pack)
}

/// The second verifier's entries are those that were entered.
fn require_the_same_entries(theirs: &Theirs, forge: &Forge) {
    assert_eq!(theirs.entries.len(), forge.entered.len());
    for (line, entered) in theirs.entries.iter().zip(&forge.entered) {
        assert_eq!(line["event"], serde_json::to_value(&entered.event).unwrap());
        assert_eq!(line["leaf_hash"], serde_json::to_value(entered.leaf_hash).unwrap());
        assert_eq!(line["recorded_at"], serde_json::to_value(entered.recorded_at).unwrap());
        assert_eq!(line["signers"], serde_json::to_value(&entered.signers).unwrap());
    }
}

#[test]
#[ignore = "needs Python 3.11 and PyNaCl"]
fn a_story_with_every_kind_of_event_is_sound_to_both_and_each_event_the_same() {
    let (bench, forge) = (Bench::new(), story());
    let (ledger, pack) = told(&bench, &forge);
    let kinds: BTreeSet<&str> = forge.entered.iter().map(|entered| entered.event.kind().as_str()).collect();
    assert_eq!(kinds.len(), Kind::ALL.len());
    let (ours, theirs) = (ours(&pack, &forge), theirs(&pack, &forge));
    let decide = ours.findings.iter().filter(|finding| finding.code() != "attachment.redacted");
    assert_eq!(decide.map(|finding| finding.code().into_owned()).collect::<Vec<_>>(), Vec::<String>::new());
    assert_eq!((ours.verdict.exit_code(), theirs.exit), (0, 0), "{}", theirs.report);
    assert_eq!(theirs.report["findings"], serde_json::json!([]));
    assert_eq!(theirs.report["anchored"], true);
    assert_eq!(theirs.report["root"], serde_json::to_value(ours.root).unwrap());
    for (fact, ours) in [("size", ours.size), ("entries", ours.entries), ("signatures", ours.signatures)] {
        assert_eq!(theirs.report[fact], ours, "{fact}");
    }
    assert_eq!(theirs.report["log_key_rotations"].as_array().unwrap().len(), 1);
    require_the_same_entries(&theirs, &forge);
    for line in &theirs.entries {
        let shown = Command::new(PROGRAM)
            .args(["--json", "show", &line["index"].to_string()])
            .env_clear()
            .env("ROLLBOOK_LEDGER", &ledger)
            .output()
            .unwrap();
        let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
        assert_eq!(line["event"], shown["event"]);
        assert_eq!(line["leaf_hash"], shown["leaf_hash"]);
    }
}

/// Every event of the vectors, for this ledger: with all that it can hold, and with nothing.
fn vectors() -> Forge {
    let mut forge = Forge::founded();
    let authors = [1, 2].map(|seed| Person { name: name("A"), key: SecretKey::from_seed(&[seed; 32]) });
    for (number, event) in (0u16..).zip(samples::full().into_iter().chain(samples::minimal())) {
        let mut header = event.header;
        let creates = matches!(event.body, Body::LedgerCreated(_));
        header.ledger_id = if creates { Hash::ZERO } else { forge.ledger_id };
        header.event_id = EventId::derive("vectors", &number.to_string());
        let event = Event { header, body: event.body };
        forge.enter_event(event, &[&authors[0], &authors[1]][..=usize::from(number % 2)]);
    }
    forge.seal();
    forge
}

#[test]
#[ignore = "needs Python 3.11 and PyNaCl"]
fn events_with_every_field_and_with_none_are_the_same_to_both() {
    let (bench, forge) = (Bench::new(), vectors());
    let pack = bench.packed(&forge);
    require_the_same_entries(&theirs(&pack, &forge), &forge);
    // No rule lets them in: that a ledger is created twice is one that both of them know.
    assert_eq!(differences(&pack, &forge, Apart::default()), Vec::<String>::new());
}

// Tampered packs.

/// Something done to a log before it is packed, by whoever holds its key.
struct Row {
    says: &'static str,
    /// The exit code of both.
    exit: u8,
    /// What both find, rules left out.
    finds: &'static [&'static str],
    log: fn() -> Forge,
}

const fn row(says: &'static str, exit: u8, finds: &'static [&'static str], log: fn() -> Forge) -> Row {
    Row { says, exit, finds, log }
}

/// A short log, and behind it a note by Ada whose event is changed by `change`, and then signed.
fn with_event(change: impl FnOnce(&mut Vec<u8>)) -> Forge {
    with_envelope(|mut event| {
        change(&mut event);
        sign(&event, &[&ada()])
    })
}

/// A short log, and behind it a note by Ada in the envelope that `change` makes.
fn with_envelope(change: impl FnOnce(Vec<u8>) -> Envelope) -> Forge {
    let mut forge = short();
    let event = forge.event(&ada(), note(0)).to_bytes().unwrap();
    forge.enter_with(change(event), |_| {});
    forge.seal();
    add_notes(&mut forge, &[1]);
    forge
}

/// Six entries in three batches.
fn short() -> Forge {
    let mut forge = Forge::founded();
    add_notes(&mut forge, &[2, 3]);
    forge
}

/// A short log, a batch of which is sealed as `change` says, and one more.
fn sealed(change: impl FnOnce(&mut crate::support::forge::Seal)) -> Forge {
    let mut forge = short();
    forge.enter_event(forge.event(&ada(), note(0)), &[&ada()]);
    forge.seal_with(change);
    add_notes(&mut forge, &[1]);
    forge
}

/// A rotation whose checkpoint these keys sign: the old and the new one are given.
fn rotated(cause: RotationCause, signers: fn(SigningKey, SigningKey) -> Vec<SigningKey>) -> Forge {
    let mut forge = short();
    let (old, new) = (forge.log_key.clone(), new_log_key());
    forge.enter_rotation(&[&ada()], &new, cause);
    forge.seal_with(|seal| seal.keys = signers(old, new.clone()));
    forge.take_log_key(&new);
    add_notes(&mut forge, &[2]);
    forge
}

/// Two rotations in one batch, the second one routine.
fn rotated_twice(first: RotationCause, signers: fn([SigningKey; 3]) -> Vec<SigningKey>) -> Forge {
    let mut forge = short();
    let (old, new, newer) = (forge.log_key.clone(), new_log_key(), SigningKey::from_bytes(&[0x22; 32]));
    forge.enter_rotation(&[&ada()], &new, first);
    forge.take_log_key(&new);
    forge.enter_rotation(&[&ada()], &newer, RotationCause::Routine);
    forge.seal_with(|seal| seal.keys = signers([old, new, newer.clone()]));
    forge.take_log_key(&newer);
    add_notes(&mut forge, &[2]);
    forge
}

/// The entries of [`short`], one of them changed, in a log that is sealed anew.
fn resealed(change: fn(&mut Vec<Vec<u8>>)) -> Forge {
    let mut entries: Vec<Vec<u8>> = Vec::new();
    for frame in short().frames() {
        entries.extend(FrameView::parse(frame).unwrap().entries().map(<[u8]>::to_vec));
    }
    change(&mut entries);
    let mut forge = Forge::new();
    for entry in entries {
        forge.enter_bytes(entry);
    }
    forge.seal();
    forge
}

/// Where the kind stands in the bytes of an event without attachments, declared; behind it the body.
const KIND_AT: usize = 4 + 32 + 16 + 32 + 8 + 8 + 4 + 8;

/// A grant of so many roles, each with this number.
fn grant_of(roles: u64, number: u32) -> Forge {
    let mut forge = short();
    let body = grant(&dan(), &[]);
    let at = KIND_AT + 4 + (8 + body.person.as_str().len()) + 32;
    let mut event = forge.event(&ada(), body).to_bytes().unwrap();
    let mut list = roles.to_le_bytes().to_vec();
    (0..roles).for_each(|_| list.extend(number.to_le_bytes()));
    event.splice(at..at + 8, list);
    forge.enter_with(sign(&event, &[&ada()]), |_| {});
    forge.seal();
    forge
}

const ROWS: &[Row] = &[
    row("nothing is wrong", 0, &[], short),
    // Entries.
    row("a byte of a signature", 1, &["entry.previous", "signature.author"], || {
        resealed(|entries| *entries[3].last_mut().unwrap() ^= 1)
    }),
    row("an entry is left out, and those behind it move up", 1, &["entry.index", "entry.previous"], || {
        resealed(|entries| drop(entries.remove(3)))
    }),
    row("two entries change places", 1, &["entry.index", "entry.previous", "time.decreases"], || {
        resealed(|entries| entries.swap(2, 3))
    }),
    row("an entry has a byte too many", 1, &["entry.not_canonical"], || {
        resealed(|entries| entries.last_mut().unwrap().push(0))
    }),
    row("an entry of a later layout", 5, &["entry.newer"], || {
        resealed(|entries| entries.last_mut().unwrap()[0] = 2)
    }),
    row("an entry of a layout that never existed", 1, &["entry.not_canonical"], || {
        resealed(|entries| entries.last_mut().unwrap()[0] = 0)
    }),
    row("time goes back", 1, &["time.decreases"], || {
        let mut forge = short();
        forge.now = minute(2);
        add_notes(&mut forge, &[1]);
        forge
    }),
    row("a state root", 5, &["entry.state_root"], || {
        let mut forge = short();
        let envelope = sign(&forge.event(&ada(), note(0)).to_bytes().unwrap(), &[&ada()]);
        forge.enter_with(envelope, |entry| entry.state_root = Some(Hash::of(b"state")));
        forge.seal();
        forge
    }),
    // Events.
    row("an event has a byte too many", 1, &["event.not_canonical"], || with_event(|event| event.push(0))),
    row("an event has a byte too few", 1, &["event.not_canonical"], || {
        with_event(|event| event.truncate(event.len() - 1))
    }),
    row("a kind of later", 5, &["event.newer"], || with_event(|event| event[KIND_AT] = 18)),
    row("a later format", 5, &["event.newer"], || with_event(|event| event[0] = 2)),
    row("a word of later", 5, &["event.newer"], || with_event(|event| event[KIND_AT + 4] = 2)),
    row("a role of later", 5, &["event.newer"], || grant_of(16, 7)),
    row("more roles than there may be, and of later", 1, &["event.not_canonical"], || grant_of(17, 7)),
    row("a role twice", 1, &["event.not_canonical"], || grant_of(2, 3)),
    row("an event for another ledger", 1, &[], || {
        let mut forge = short();
        let mut event = forge.event(&ada(), note(0));
        event.header.ledger_id = Hash::of(b"another");
        forge.add_event(event, &[&ada()]);
        forge
    }),
    // Signatures.
    row("two signatures swapped", 1, &["signature.author"], || {
        with_envelope(|event| {
            let message = signing_bytes(&event);
            let mut pair = [(ada(), dan()), (dan(), ada())]
                .map(|(of, by)| AuthorSignature { key: of.public(), signature: by.key.sign(&message) });
            pair.sort_by_key(|signature| signature.key);
            Envelope::new(event, pair.to_vec()).unwrap()
        })
    }),
    row("a note by another log key", 1, &["checkpoint.signature"], || {
        sealed(|seal| seal.keys = vec![SigningKey::from_bytes(&[9; 32])])
    }),
    row("a line too many", 1, &["checkpoint.extra_signature"], || {
        sealed(|seal| seal.keys.push(SigningKey::from_bytes(&[9; 32])))
    }),
    row("a note over another root", 1, &["checkpoint.root"], || {
        sealed(|seal| {
            let origin = seal.checkpoint.origin().clone();
            seal.checkpoint = Checkpoint::new(origin, seal.checkpoint.size(), Hash::of(b"another"));
        })
    }),
    row("a note of another log", 1, &["checkpoint.origin", "checkpoint.signature"], || {
        sealed(|seal| {
            let other = Origin::new("example.com/other").unwrap();
            let checkpoint = Checkpoint::new(other, seal.checkpoint.size(), *seal.checkpoint.root());
            seal.note = Some(sign_checkpoint(&checkpoint, &[&seal.keys[0]]).unwrap());
        })
    }),
    row("a note that is none but for its size", 1, &["checkpoint.not_canonical"], || {
        sealed(|seal| seal.note = Some(format!("{}\n7\n{}\n", "x".repeat(40), "y".repeat(40)).into_bytes()))
    }),
    // The log's key.
    row("a routine rotation", 0, &[], || rotated(RotationCause::Routine, |old, new| vec![old, new])),
    row("a lost log key", 4, &[], || rotated(RotationCause::Lost, |_, new| vec![new])),
    row("a stolen log key", 4, &[], || {
        rotated(RotationCause::CompromisedSince { tree_size: 3 }, |_, new| vec![new])
    }),
    row("a boundary signed by the old key alone", 1, &["checkpoint.signature"], || {
        rotated(RotationCause::Routine, |old, _| vec![old])
    }),
    row("a boundary signed by the new key alone", 1, &["checkpoint.signature"], || {
        rotated(RotationCause::Routine, |_, new| vec![new])
    }),
    row("a boundary whose lines are swapped", 1, &["checkpoint.not_canonical"], || {
        rotated(RotationCause::Routine, |old, new| vec![new, old])
    }),
    row("a boundary that a lost key signed too", 1, &["checkpoint.extra_signature"], || {
        rotated(RotationCause::Lost, |old, new| vec![old, new])
    }),
    row("the old key goes on", 1, &["checkpoint.signature", "head.disagrees"], || {
        let mut forge = short();
        let old = forge.log_key.clone();
        forge.rotate(&[&ada()], &new_log_key(), RotationCause::Routine);
        forge.log_key = old;
        add_notes(&mut forge, &[1]);
        forge
    }),
    row("a rotation shares its batch", 1, &["log_key.boundary"], || {
        let mut forge = short();
        let (old, new) = (forge.log_key.clone(), new_log_key());
        forge.enter_rotation(&[&ada()], &new, RotationCause::Routine);
        forge.enter_event(forge.event(&ada(), note(0)), &[&ada()]);
        forge.seal_with(|seal| seal.keys = vec![old, new.clone()]);
        forge.take_log_key(&new);
        forge
    }),
    row("two routine rotations in a batch", 1, &["log_key.boundary"], || {
        rotated_twice(RotationCause::Routine, |keys| keys.to_vec())
    }),
    row("a lost key and a routine rotation in a batch", 1, &["log_key.boundary"], || {
        rotated_twice(RotationCause::Lost, |[_, new, newer]| vec![new, newer])
    }),
    row(
        "two rotations in a batch, and the key between them did not sign",
        1,
        &["checkpoint.signature", "log_key.boundary"],
        || rotated_twice(RotationCause::Routine, |[old, _, newer]| vec![old, newer]),
    ),
];

/// What is known to be said differently of an attack on a pack's files. Ours builds frames: where an entry or a note is
/// missing, there is none, and it tells of a hole in the log. The second verifier reads entries from their bundles.
const KNOWN: &[(&str, Apart)] = &[
    ("an entry bundle is missing in the middle", Apart { ours: &["frame.missing"], theirs: &[] }),
    ("an entry bundle is a link to a right one", Apart { ours: &["frame.missing"], theirs: &[] }),
    ("all notes are missing", Apart { ours: &["log.empty", "log.shorter_than_head"], theirs: &[] }),
    ("the last note is missing", Apart { ours: &["log.shorter_than_head"], theirs: &[] }),
];

#[test]
#[ignore = "needs Python 3.11 and PyNaCl"]
fn on_logs_that_were_tampered_with_both_find_the_same() {
    let mut wrong = Vec::new();
    for Row { says, exit, finds, log } in ROWS {
        let (bench, forge) = (Bench::new(), log());
        let pack = bench.packed(&forge);
        let report = ours(&pack, &forge);
        let found = compared(report.finding_counts.keys().map(AsRef::as_ref));
        if (report.verdict.exit_code(), found.iter().map(String::as_str).collect::<Vec<_>>())
            != (*exit, finds.to_vec())
        {
            wrong.push(format!("{says}: ours is {:?} {found:?}", report.verdict));
        }
        let apart = differences(&pack, &forge, Apart::default());
        wrong.extend(apart.into_iter().map(|what| format!("{says}: {what}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
#[ignore = "needs Python 3.11 and PyNaCl"]
fn on_packs_that_were_tampered_with_both_say_the_same_verdict() {
    let (bench, forge) = (Bench::new(), attacked());
    let whole = bench.packed(&forge);
    let mut wrong = Vec::new();
    for (number, (says, act)) in attacks().enumerate() {
        let pack = bench.path(&format!("attack-{number}/pack"));
        copy_dir(&whole, &pack);
        act(&pack, &forge);
        let known = KNOWN.iter().find(|(of, _)| *of == says).map(|(_, apart)| *apart);
        let apart = differences(&pack, &forge, known.unwrap_or_default());
        wrong.extend(apart.into_iter().map(|what| format!("{says}: {what}")));
    }
    for (of, _) in KNOWN {
        assert!(attacks().any(|(says, _)| says == *of), "no attack is called `{of}`");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
#[ignore = "needs Python 3.11 and PyNaCl"]
fn attachments_are_held_against_their_digests_by_both() {
    let (bench, forge) = (Bench::new(), story());
    let (_, pack) = told(&bench, &forge);
    std::fs::write(pack.join(path_of(KEPT)), b"a Report\n").unwrap();
    // Whether one is there, and why not, is a matter of rules.
    let redacted = Apart { ours: &["attachment.redacted"], theirs: &[] };
    assert_eq!(differences(&pack, &forge, redacted), Vec::<String>::new());
    assert_eq!(ours(&pack, &forge).finding_counts["attachment.damaged"], 1);
}

// Decision 5: which signatures pass.

/// A signature as only the key's owner can make it: S answers for R as it is encoded, with this nonce.
fn answered(
    secret: &Scalar,
    key: &[u8; 32],
    message: &[u8],
    nonce: Scalar,
    commitment: [u8; 32],
) -> SignatureBytes {
    let mut hasher = Sha512::new();
    for part in [&commitment[..], key, message] {
        hasher.update(part);
    }
    let challenge = Scalar::from_bytes_mod_order_wide(&hasher.finalize().into());
    let mut bytes = [0; 64];
    bytes[..32].copy_from_slice(&commitment);
    bytes[32..].copy_from_slice((nonce + challenge * secret).as_bytes());
    SignatureBytes::from_bytes(bytes)
}

/// Ada's secret scalar.
fn scalar_of_ada() -> Scalar {
    SigningKey::from_bytes(Hash::of(b"Ada").as_bytes()).to_scalar()
}

/// A note whose signature by Ada has this R; its nonce is that of the first, where there is one.
fn signed_with_r(nonce: Option<Scalar>, torsion: usize, change: impl FnOnce(&mut [u8; 32])) -> Forge {
    with_envelope(|event| {
        let nonce = nonce.unwrap_or(Scalar::ZERO);
        let point = &nonce * ED25519_BASEPOINT_TABLE + EIGHT_TORSION[torsion];
        let mut commitment = point.compress().to_bytes();
        change(&mut commitment);
        let (key, message) = (ada().public(), signing_bytes(&event));
        let signature = answered(&scalar_of_ada(), key.as_bytes(), &message, nonce, commitment);
        Envelope::new(event, vec![AuthorSignature { key, signature }]).unwrap()
    })
}

/// A note under the key that is encoded so; its secret scalar is Ada's.
fn signed_under(key: [u8; 32]) -> Forge {
    let mut forge = short();
    let mut event = forge.event(&ada(), note(0));
    event.header.proposer = PublicKey::from_bytes(key);
    let event = event.to_bytes().unwrap();
    let nonce = Scalar::from(12_345u64);
    let commitment = (&nonce * ED25519_BASEPOINT_TABLE).compress().to_bytes();
    let signature = answered(&scalar_of_ada(), &key, &signing_bytes(&event), nonce, commitment);
    let author = AuthorSignature { key: PublicKey::from_bytes(key), signature };
    forge.enter_with(Envelope::new(event, vec![author]).unwrap(), |_| {});
    forge.seal();
    forge
}

/// What is wrong with a signature, how many odd ones both list, the codes that both find, and the log.
type Odd = (&'static str, usize, &'static [&'static str], fn() -> Forge);

const NONCE: Option<Scalar> = Some(Scalar::ONE);

const ODD: &[Odd] = &[
    ("R is as it has to be", 0, &[], || signed_with_r(NONCE, 0, |_| {})),
    ("R has a torsion part of order 8", 1, &[], || signed_with_r(NONCE, 1, |_| {})),
    ("R has a torsion part of order 4", 1, &[], || signed_with_r(NONCE, 2, |_| {})),
    ("R has a torsion part of order 2", 1, &[], || signed_with_r(NONCE, 4, |_| {})),
    ("R is the identity", 0, &["signature.author"], || signed_with_r(None, 0, |_| {})),
    ("R is of order 8", 0, &["signature.author"], || signed_with_r(None, 1, |_| {})),
    ("R is the identity, written as y = p + 1", 0, &["signature.author"], || {
        signed_with_r(None, 0, |r| *r = p_plus(1))
    }),
    ("R is the identity, with the sign of x = 0 set", 0, &["signature.author"], || {
        signed_with_r(None, 0, |r| r[31] |= 0x80)
    }),
    ("R is no point", 0, &["signature.author"], || signed_with_r(NONCE, 0, |r| *r = p_plus(18))),
    ("S has the group's order added", 0, &["signature.author"], || {
        with_envelope(|event| {
            let signature = crate::verifier_attacks::malleated(&ada().key.sign(&signing_bytes(&event)));
            Envelope::new(event, vec![AuthorSignature { key: ada().public(), signature }]).unwrap()
        })
    }),
    ("the key is the identity", 0, &["key.unfit"], || {
        signed_under(EdwardsPoint::identity().compress().to_bytes())
    }),
    ("the key is of order 8", 0, &["key.unfit"], || signed_under(EIGHT_TORSION[1].compress().to_bytes())),
    ("the key is the identity, written as y = p + 1", 0, &["key.unfit"], || signed_under(p_plus(1))),
    ("the key has a torsion part", 0, &["key.unfit"], || {
        let point = &scalar_of_ada() * ED25519_BASEPOINT_TABLE + EIGHT_TORSION[1];
        signed_under(point.compress().to_bytes())
    }),
];

/// The field's prime and some more, up to 18: a number that no encoding of a point holds.
fn p_plus(more: u8) -> [u8; 32] {
    let mut bytes = [0xff; 32];
    (bytes[0], bytes[31]) = (0xed + more, 0x7f);
    bytes
}

#[test]
#[ignore = "needs Python 3.11 and PyNaCl"]
fn odd_signatures_and_keys_are_the_same_to_both() {
    let mut wrong = Vec::new();
    for (says, odd, finds, log) in ODD {
        let (bench, forge) = (Bench::new(), log());
        let pack = bench.packed(&forge);
        let report = ours(&pack, &forge);
        let found = compared(report.finding_counts.keys().map(AsRef::as_ref));
        let listed = odd_in(&report).as_array().unwrap().len();
        if (listed, found.iter().map(String::as_str).collect::<Vec<_>>()) != (*odd, finds.to_vec()) {
            wrong.push(format!("{says}: ours lists {listed}, and finds {found:?}"));
        }
        let apart = differences(&pack, &forge, Apart::default());
        wrong.extend(apart.into_iter().map(|what| format!("{says}: {what}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
