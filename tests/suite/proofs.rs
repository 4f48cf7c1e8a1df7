//! Proofs: made from tiles or from the log alike, checked by us and by others, and refused where they prove nothing.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ct_merkle::{InclusionProof, RootHash};
use ed25519_dalek::SigningKey;
use proptest::prelude::*;
use rollbook::export::proof_set;
use rollbook::export::prove::{NoProof, ProvedEntry, prove_entries, prove_entry, prove_growth};
use rollbook::export::tlog_proof::{PROOF_BYTES_MAX, ProofRefusal, TlogProof, TlogProofError};
use rollbook::hash::Hash;
use rollbook::index::tiles::TileRows;
use rollbook::log::reader::LogReader;
use rollbook::merkle::proof::{ProofError, prove_inclusion, root_at, verify_consistency};
use rollbook::merkle::tree::{Tree, leaf_hash};
use rollbook::note::checkpoint::{Checkpoint, CheckpointNote, Origin, sign_checkpoint};
use rollbook::note::vkey::{KeyKind, VerifierKey};
use rollbook::signing::public_key::PublicKey;
use sha2::Sha256;

use super::support::desk::Desk;
use super::support::events;
use super::support::forge::Forge;
use super::support::test_ledger::{TestLedger, Who};

const ORIGIN: &str = "example.com/other-log";

fn log_key() -> SigningKey {
    SigningKey::from_bytes(&[42; 32])
}

fn vkey() -> VerifierKey {
    VerifierKey::of_signing_key(ORIGIN, KeyKind::Ed25519, &log_key()).unwrap()
}

fn entry(index: u64) -> Vec<u8> {
    format!("entry {index} of somebody else's log").into_bytes()
}

/// The proof of an entry in a log that isn't ours, of `size` entries.
fn foreign(index: u64, size: u64) -> TlogProof {
    let tree: Tree = (0..size).map(|index| leaf_hash(&entry(index))).collect();
    let checkpoint = Checkpoint::new(Origin::new(ORIGIN).unwrap(), size, root_at(size, &tree).unwrap());
    let note = sign_checkpoint(&checkpoint, &[&log_key()]).unwrap();
    let note = CheckpointNote::parse_unverified(&note).unwrap();
    TlogProof::new(index, prove_inclusion(index, size, &tree).unwrap(), note).unwrap()
}

/// A ledger of `entries` entries, in batches of all sizes, whose index is whole.
fn ledger_of(entries: usize) -> TestLedger {
    let ledger = TestLedger::new();
    let open = ledger.open();
    let mut size = 4;
    for batch in (1..=7).cycle() {
        let count = batch.min(entries - size);
        if count == 0 {
            break;
        }
        let notes = (0..count).map(|_| ledger.note("on")).collect();
        open.append_batch(notes).into_iter().for_each(|outcome| drop(outcome.unwrap()));
        size += count;
    }
    drop(open);
    ledger
}

fn reader(dir: &Path) -> LogReader {
    LogReader::open(dir).unwrap()
}

// Made.

#[test]
fn the_index_holds_the_tiles_of_the_log() {
    let ledger = ledger_of(600);
    let rows = TileRows::open_to_read(&ledger.dir().join("index")).unwrap();
    let leaves: Vec<Hash> = ledger.read_all().iter().map(|logged| logged.leaf_hash).collect();
    let tree: Tree = leaves.iter().copied().collect();
    assert_eq!((rows.hashes(0), rows.hashes(1), rows.hashes(2)), (600, 2, 0));
    assert_eq!(rows.read(0, 0, 1000).unwrap(), leaves);
    let above: Vec<Hash> = (0..2).map(|index| tree.perfect_subtree(8, index).unwrap()).collect();
    assert_eq!(rows.read(1, 0, 10).unwrap(), above);
}

#[test]
fn every_entry_is_proved_from_tiles_and_from_the_log_alike() {
    let ledger = ledger_of(600);
    let (dir, reader) = (ledger.dir(), reader(&ledger.dir()));
    let entries = ledger.read_all();
    let keys = [VerifierKey::new_ed25519("example.com/releases", Who::LogKey.secret().public_key()).unwrap()];
    let root = *reader.checkpoint().checkpoint().root();
    for index in [0, 1, 3, 255, 256, 257, 511, 512, 599] {
        let proved = prove_entry(Some(&dir.join("index")), &reader, index).unwrap();
        assert_eq!(proved.entry, entries[usize::try_from(index).unwrap()].bytes);
        assert_eq!(proved.proof.verify(&proved.entry, &keys).unwrap(), [&keys[0]]);
        assert_eq!(TlogProof::parse(&proved.proof.encode()), Ok(proved.proof.clone()));
        // Without an index it comes from the log.
        let slow = prove_entry(None, &reader, index).unwrap();
        assert_eq!(slow.proof, proved.proof);
        // Others agree.
        let bytes: Vec<u8> = proved.proof.hashes().iter().flat_map(|hash| *hash.as_bytes()).collect();
        let theirs = InclusionProof::<Sha256>::try_from_bytes(bytes).unwrap();
        let their_root = RootHash::<Sha256>::new((*root.as_bytes()).into(), 600);
        their_root.verify_inclusion(&proved.entry, index, &theirs).unwrap();
        let theirs = proved.proof.hashes().iter().map(|hash| tlog_tiles::Hash(*hash.as_bytes())).collect();
        let leaf = tlog_tiles::record_hash(&proved.entry);
        tlog_tiles::check_record(&theirs, 600, tlog_tiles::Hash(*root.as_bytes()), index, leaf).unwrap();
    }
    assert!(matches!(prove_entry(Some(&dir.join("index")), &reader, 600), Err(NoProof::Read(_))));
}

#[test]
fn several_entries_are_proved_at_once_from_tiles_and_from_the_log_alike() {
    let ledger = ledger_of(600);
    let (dir, reader) = (ledger.dir(), reader(&ledger.dir()));
    let indexes = BTreeSet::from([0, 1, 255, 256, 300, 599]);
    for index_dir in [Some(dir.join("index")), None] {
        let proved = prove_entries(index_dir.as_deref(), &reader, &indexes).unwrap();
        assert_eq!(proved.iter().map(|one| one.proof.index()).collect::<BTreeSet<_>>(), indexes);
        for one in proved {
            let alone = prove_entry(Some(&dir.join("index")), &reader, one.proof.index()).unwrap();
            assert_eq!((one.entry, one.proof), (alone.entry, alone.proof));
        }
    }
}

#[test]
fn growth_is_proved_between_any_two_sizes() {
    let ledger = ledger_of(300);
    let (dir, reader) = (ledger.dir(), reader(&ledger.dir()));
    let tree: Tree = ledger.read_all().iter().map(|logged| logged.leaf_hash).collect();
    for (old, new) in [(1, 1), (1, 300), (3, 7), (128, 256), (255, 257), (256, 300), (299, 300), (300, 300)] {
        let proved = prove_growth(Some(&dir.join("index")), &reader, old, new).unwrap();
        assert_eq!(
            (proved.old_root, proved.new_root),
            (root_at(old, &tree).unwrap(), root_at(new, &tree).unwrap())
        );
        let verified = verify_consistency(old, new, &proved.old_root, &proved.new_root, &proved.hashes);
        assert_eq!(verified, Ok(()), "{old} to {new}");
        let slow = prove_growth(None, &reader, old, new).unwrap();
        assert_eq!(slow, proved, "without an index it comes from the log");
    }
    for (old, new) in [(0, 5), (5, 4), (5, 301)] {
        assert!(matches!(
            prove_growth(Some(&dir.join("index")), &reader, old, new),
            Err(NoProof::Sizes { published: 300, .. })
        ));
    }
}

#[test]
fn tiles_that_lie_are_not_believed() {
    let ledger = ledger_of(600);
    let reader = reader(&ledger.dir());
    let proved = prove_entry(Some(&ledger.dir().join("index")), &reader, 5).unwrap();
    let grown = prove_growth(Some(&ledger.dir().join("index")), &reader, 7, 590).unwrap();
    let tiles = ledger.dir().join("index/tiles");
    let whole = std::fs::read(tiles.join("0")).unwrap();
    let cases: [(&str, Vec<u8>); 4] = [
        ("zeros, as after a power cut", vec![0; whole.len()]),
        ("a byte", {
            let mut bytes = whole.clone();
            bytes[4 * 32] ^= 1;
            bytes
        }),
        ("short", whole[..100].to_vec()),
        ("empty", Vec::new()),
    ];
    for (what, bytes) in cases {
        std::fs::write(tiles.join("0"), bytes).unwrap();
        assert_eq!(
            prove_entry(Some(&ledger.dir().join("index")), &reader, 5).unwrap().proof,
            proved.proof,
            "{what}"
        );
        assert_eq!(
            prove_growth(Some(&ledger.dir().join("index")), &reader, 7, 590).unwrap(),
            grown,
            "{what}"
        );
    }
    // The writer makes what is short anew.
    drop(ledger.open());
    assert_eq!(std::fs::read(tiles.join("0")).unwrap(), whole);
}

#[test]
fn a_log_that_contradicts_its_checkpoint_proves_nothing() {
    let mut forge = Forge::founded();
    let ada = events::ada();
    forge.enter_event(forge.event(&ada, events::note(0)), &[&ada]);
    forge.seal_with(|seal| {
        let root = Hash::of(b"another");
        seal.checkpoint = Checkpoint::new(seal.checkpoint.origin().clone(), seal.checkpoint.size(), root);
    });
    let dir = tempfile::tempdir().unwrap();
    forge.write(dir.path());
    let reader = reader(dir.path());
    assert!(matches!(
        prove_entry(Some(&dir.path().join("index")), &reader, 0),
        Err(NoProof::Contradicted { size: 2 })
    ));
    assert!(matches!(
        prove_growth(Some(&dir.path().join("index")), &reader, 1, 2),
        Err(NoProof::Contradicted { size: 2 })
    ));
}

// Checked.

#[test]
fn a_proof_of_any_log_is_checked() {
    for (index, size) in [(0, 1), (0, 2), (6, 7), (100, 300)] {
        let proof = foreign(index, size);
        assert_eq!(proof.verify(&entry(index), &[vkey()]).unwrap(), [&vkey()]);
        let read = TlogProof::parse(&proof.encode()).unwrap();
        assert_eq!((read.index(), read.checkpoint().size(), read.extra()), (index, size, None));
    }
    let text = String::from_utf8(foreign(6, 7).encode()).unwrap();
    let with_extra = text.replacen("index", "extra AQID\nindex", 1);
    let read = TlogProof::parse(with_extra.as_bytes()).unwrap();
    assert_eq!((read.extra(), read.encode()), (Some(&[1, 2, 3][..]), with_extra.into_bytes()));
    assert!(read.verify(&entry(6), &[vkey()]).is_ok());
}

#[test]
fn what_a_proof_does_not_prove_is_refused() {
    let proof = foreign(6, 7);
    assert!(matches!(
        proof.verify(&entry(5), &[vkey()]),
        Err(ProofRefusal::Inclusion(ProofError::RootMismatch { .. }))
    ));
    let other =
        VerifierKey::of_signing_key(ORIGIN, KeyKind::Ed25519, &SigningKey::from_bytes(&[43; 32])).unwrap();
    assert!(matches!(proof.verify(&entry(6), std::slice::from_ref(&other)), Err(ProofRefusal::Signature(_))));
    assert!(proof.verify(&entry(6), &[other, vkey()]).is_ok(), "the key before, or the one after");
    let renamed = VerifierKey::of_signing_key("example.com/b", KeyKind::Ed25519, &log_key()).unwrap();
    assert!(matches!(proof.verify(&entry(6), &[renamed]), Err(ProofRefusal::Signature(_))));
    // A known key's signature that fails refuses the note, whoever else signed it.
    let text = String::from_utf8(proof.encode()).unwrap();
    let forged = {
        let (body, line) = text.trim_end().rsplit_once('\n').unwrap();
        let (head, blob) = line.rsplit_once(' ').unwrap();
        let mut blob = STANDARD.decode(blob).unwrap();
        blob[40] ^= 1;
        format!("{body}\n{head} {}\n", STANDARD.encode(blob))
    };
    let forged = TlogProof::parse(forged.as_bytes()).unwrap();
    assert!(matches!(forged.verify(&entry(6), &[vkey()]), Err(ProofRefusal::Signature(_))));
    // One hash more, and one less.
    for change in [
        |lines: &mut Vec<&str>| lines.insert(2, lines[2]),
        |lines: &mut Vec<&str>| {
            lines.remove(2);
        },
    ] {
        let mut lines: Vec<&str> = text.split('\n').collect();
        change(&mut lines);
        let changed = TlogProof::parse(lines.join("\n").as_bytes()).unwrap();
        assert!(matches!(changed.verify(&entry(6), &[vkey()]), Err(ProofRefusal::Inclusion(_))));
    }
    let beyond = TlogProof::parse(text.replacen("index 6", "index 7", 1).as_bytes()).unwrap();
    let refusal = beyond.verify(&entry(6), &[vkey()]).unwrap_err();
    assert_eq!(refusal, ProofRefusal::Inclusion(ProofError::IndexOutOfRange { index: 7, size: 7 }));
}

/// What is done to the text of a good proof, and how reading it ends.
type Hostile = (&'static str, fn(String) -> String, fn(&TlogProofError) -> bool);

const HOSTILE: &[Hostile] = &[
    ("empty", |_| String::new(), |error| *error == TlogProofError::Header),
    ("another version", |text| text.replacen("@v1", "@v2", 1), |error| *error == TlogProofError::Header),
    (
        "line ends of another system",
        |text| text.replace('\n', "\r\n"),
        |error| *error == TlogProofError::Header,
    ),
    ("a mark before it", |text| format!("\u{feff}{text}"), |error| *error == TlogProofError::Header),
    (
        "a space after the header",
        |text| text.replacen("@v1", "@v1 ", 1),
        |error| *error == TlogProofError::Header,
    ),
    (
        "nothing but the header",
        |_| "c2sp.org/tlog-proof@v1\n".into(),
        |error| *error == TlogProofError::Index { line: 2 },
    ),
    (
        "no index",
        |text| text.replacen("index 6\n", "", 1),
        |error| *error == TlogProofError::Index { line: 2 },
    ),
    (
        "index with a sign",
        |text| text.replacen("index 6", "index +6", 1),
        |error| *error == TlogProofError::Index { line: 2 },
    ),
    (
        "index with a zero before it",
        |text| text.replacen("index 6", "index 06", 1),
        |error| *error == TlogProofError::Index { line: 2 },
    ),
    (
        "index with two spaces",
        |text| text.replacen("index 6", "index  6", 1),
        |error| *error == TlogProofError::Index { line: 2 },
    ),
    (
        "index beyond 64 bits",
        |text| text.replacen("index 6", "index 18446744073709551616", 1),
        |error| *error == TlogProofError::Index { line: 2 },
    ),
    (
        "an empty extra",
        |text| text.replacen("index", "extra \nindex", 1),
        |error| *error == TlogProofError::Extra,
    ),
    (
        "extra that is not base64",
        |text| text.replacen("index", "extra ????\nindex", 1),
        |error| *error == TlogProofError::Extra,
    ),
    (
        "extra whose last bits are not zero",
        |text| text.replacen("index", "extra AR==\nindex", 1),
        |error| *error == TlogProofError::Extra,
    ),
    (
        "extra twice",
        |text| text.replacen("index", "extra AQ==\nextra AQ==\nindex", 1),
        |error| *error == TlogProofError::Index { line: 3 },
    ),
    (
        "extra behind the index",
        |text| text.replacen("index 6\n", "index 6\nextra AQ==\n", 1),
        |error| *error == TlogProofError::Hash { line: 3 },
    ),
    (
        "extra of a megabyte",
        |text| text.replacen("index", &format!("extra {}\nindex", "A".repeat(1 << 20)), 1),
        |error| *error == TlogProofError::Extra,
    ),
    (
        "a hash of 31 bytes",
        |text| with_line(&text, 2, &STANDARD.encode([1; 31])),
        |error| *error == TlogProofError::Hash { line: 3 },
    ),
    (
        "a hash of 33 bytes",
        |text| with_line(&text, 2, &STANDARD.encode([1; 33])),
        |error| *error == TlogProofError::Hash { line: 3 },
    ),
    (
        "a hash without padding",
        |text| with_line(&text, 2, STANDARD.encode([1; 32]).trim_end_matches('=')),
        |error| *error == TlogProofError::Hash { line: 3 },
    ),
    (
        "a hash of the URL's alphabet",
        |text| with_line(&text, 2, &STANDARD.encode([0xff; 32]).replace('/', "_")),
        |error| *error == TlogProofError::Hash { line: 3 },
    ),
    (
        "65 hashes",
        |text| {
            let hash = STANDARD.encode([1; 32]);
            with_line(&text, 2, &vec![hash; 64].join("\n"))
        },
        |error| *error == TlogProofError::TooManyHashes,
    ),
    (
        "no empty line",
        |text| text.replacen("\n\n", "\n", 1),
        |error| matches!(error, TlogProofError::Hash { .. }),
    ),
    (
        "cut behind the hashes",
        |text| text.split("\n\n").next().unwrap_or_default().to_owned() + "\n",
        |error| *error == TlogProofError::Unterminated,
    ),
    (
        "cut behind the empty line",
        |text| text.split("\n\n").next().unwrap_or_default().to_owned() + "\n\n",
        |error| matches!(error, TlogProofError::Checkpoint(_)),
    ),
    ("a line more at the end", |text| text + "\n", |error| matches!(error, TlogProofError::Checkpoint(_))),
    (
        "two megabytes",
        |text| text + &"x".repeat(PROOF_BYTES_MAX),
        |error| matches!(error, TlogProofError::TooLarge { .. }),
    ),
];

/// `text` with another line in the place of one.
fn with_line(text: &str, number: usize, line: &str) -> String {
    let mut lines: Vec<&str> = text.split('\n').collect();
    lines[number] = line;
    lines.join("\n")
}

#[test]
fn hostile_proofs_are_refused_each_for_what_is_wrong() {
    let good = String::from_utf8(foreign(6, 7).encode()).unwrap();
    for (what, change, is_expected) in HOSTILE {
        let error = TlogProof::parse(change(good.clone()).as_bytes()).expect_err(what);
        assert!(is_expected(&error), "{what}: {error}");
    }
    let mut bytes = good.into_bytes();
    bytes[0] = 0xff;
    assert_eq!(TlogProof::parse(&bytes), Err(TlogProofError::NotUtf8));
}

proptest! {
    #[test]
    fn what_parses_is_written_back_the_same_way(at in any::<prop::sample::Index>(), byte in any::<u8>(), drop in any::<bool>()) {
        let mut bytes = foreign(6, 7).encode();
        let at = at.index(bytes.len());
        if drop { bytes.remove(at); } else { bytes[at] = byte; }
        if let Ok(proof) = TlogProof::parse(&bytes) {
            prop_assert_eq!(proof.encode(), bytes);
        }
    }

    #[test]
    fn no_changed_proof_is_believed(at in any::<prop::sample::Index>(), bit in 0..8u8) {
        let good = foreign(6, 7);
        let mut bytes = good.encode();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(proof) = TlogProof::parse(&bytes) {
            prop_assert!(proof.verify(&entry(6), &[vkey()]).is_err());
        }
    }

    #[test]
    fn arbitrary_text_never_panics(text in "c2sp.org/tlog-proof@v1\n(extra [A-Z=]{0,9}\n)?(index [0-9]{0,3}\n)?([A-Za-z=]{0,44}\n){0,3}\n?.{0,40}") {
        let _ = TlogProof::parse(text.as_bytes());
    }
}

// At the command line.

#[test]
fn a_proof_is_made_and_checked_at_the_command_line() {
    let desk = Desk::with_releases();
    desk.copy("ledger/trust.toml", "trust.toml");
    desk.done("prove inclusion 4 -o 4.tlog-proof --entry-out 4.entry");
    let answer = desk.done("verify-proof 4.tlog-proof --entry 4.entry --trust trust.toml");
    assert!(answer.starts_with("proved: entry 4 of ledger.example.org/models\n  size 6, root "), "{answer}");
    let judged = desk.done_json("verify-proof 4.tlog-proof --entry 4.entry --trust trust.toml");
    let made = desk.done_json("prove inclusion 4");
    assert_eq!((&judged["index"], &judged["root"]), (&made["index"], &made["root"]));
    assert_eq!(made["proof"].as_str().unwrap(), desk.read("4.tlog-proof"));
    assert_eq!(desk.done("prove inclusion 4"), desk.read("4.tlog-proof"));
    let vkey = judged["signed_by"][0].as_str().unwrap().to_owned();
    desk.done(&format!("verify-proof 4.tlog-proof --entry 4.entry --vkey {vkey}"));

    // What was there stays, unless it is said.
    desk.refused("prove inclusion 3 -o 4.tlog-proof", 2, &["exists already", "--force"]);
    desk.refused("prove inclusion 3 --entry-out 4.entry", 2, &["exists already"]);
    desk.done("prove inclusion 3 -o 3.tlog-proof --entry-out 3.entry");
    desk.refused(
        "verify-proof 4.tlog-proof --entry 3.entry --trust trust.toml",
        1,
        &["does not prove", "root"],
    );
    let stranger = VerifierKey::new_ed25519(
        "ledger.example.org/models",
        PublicKey::from_bytes(SigningKey::from_bytes(&[77; 32]).verifying_key().to_bytes()),
    );
    desk.refused(
        &format!("verify-proof 4.tlog-proof --entry 4.entry --vkey {}", stranger.unwrap()),
        1,
        &["none of the known keys"],
    );
    desk.refused("verify-proof 4.entry --entry 4.entry --trust trust.toml", 2, &["4.entry"]);
    desk.refused("verify-proof 4.tlog-proof --entry 4.entry", 2, &["--vkey"]);
    desk.refused("verify-proof 4.tlog-proof --entry nothing --trust trust.toml", 2, &["nothing"]);
    desk.refused("prove inclusion 6", 2, &["entry 6 does not exist"]);
}

#[test]
fn a_proof_from_after_a_rotation_is_by_the_latest_key() {
    let desk = Desk::with_releases();
    desk.done("prove inclusion 1 -o before.tlog-proof --entry-out 1.entry");
    desk.done("--key alice.key key rotate-log --reason spring --yes");
    desk.copy("ledger/trust.toml", "trust.toml");
    desk.done("prove inclusion 1 -o at.tlog-proof");
    desk.done("--key dora.key note 1 on");
    desk.done("prove inclusion 1 -o after.tlog-proof");
    for (file, signers) in [("before", 1), ("at", 2), ("after", 1)] {
        let judged =
            desk.done_json(&format!("verify-proof {file}.tlog-proof --entry 1.entry --trust trust.toml"));
        assert_eq!(judged["signed_by"].as_array().unwrap().len(), signers, "{file}");
    }
}

#[test]
fn growth_is_proved_at_the_command_line() {
    let desk = Desk::with_releases();
    let lines = desk.done("prove consistency 3 6");
    let told = desk.done_json("prove consistency 3 6");
    let hashes: Vec<Hash> = told["hashes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|hash| hash.as_str().unwrap().parse().unwrap())
        .collect();
    let of_lines: Vec<Hash> = lines
        .lines()
        .map(|line| Hash::from_bytes(STANDARD.decode(line).unwrap().try_into().unwrap()))
        .collect();
    assert_eq!(of_lines, hashes);
    let root = |side: &str| told[side]["root"].as_str().unwrap().parse::<Hash>().unwrap();
    assert_eq!(verify_consistency(3, 6, &root("old"), &root("new"), &hashes), Ok(()));
    assert_eq!(desk.done("prove consistency 6 6"), "");
    desk.refused("prove consistency 0 6", 2, &["sizes from 1 on"]);
    desk.refused("prove consistency 6 3", 2, &["ascending"]);
    desk.refused("prove consistency 3 7", 2, &["the 6 published"]);
}

/// Three entries of a small ledger, proved, and the bytes of the set.
static PROVED_SET: LazyLock<(Vec<ProvedEntry>, Vec<u8>)> = LazyLock::new(|| {
    let ledger = ledger_of(9);
    let proved = prove_entries(None, &reader(&ledger.dir()), &BTreeSet::from([0, 4, 8])).unwrap();
    let bytes = proof_set::encode(&proved);
    (proved, bytes)
});

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]
    #[test]
    fn a_proof_set_is_read_as_it_was_written_or_refused(
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        noise in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let _ = proof_set::parse(&noise);
        let (proved, mut bytes) = PROVED_SET.clone();
        let keys = [VerifierKey::new_ed25519("example.com/releases", Who::LogKey.secret().public_key()).unwrap()];
        let read = proof_set::parse(&bytes).unwrap();
        prop_assert_eq!(proof_set::encode(&read), proof_set::encode(&proved));
        let at = at.index(bytes.len());
        let before = std::mem::replace(&mut bytes[at], byte);
        // A changed byte is a set that cannot be read, or one that does not prove, or was no change.
        if let Ok(read) = proof_set::parse(&bytes) {
            let proves = |one: &ProvedEntry| one.proof.verify(&one.entry, &keys).is_ok();
            let same = proof_set::encode(&read) == proof_set::encode(&proved);
            prop_assert!(same || !read.iter().all(proves), "byte {} was {}", at, before);
        }
    }
}
