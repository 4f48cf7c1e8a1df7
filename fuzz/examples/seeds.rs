//! Writes the committed corpus: `cargo run --example seeds`, from any directory.
//!
//! It comes from the vectors of the tests and from the one log in `seed`, so that whoever changes the format makes it
//! anew. What fuzzers added stays.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::SigningKey;
use rollbook::evidence::git_object::ObjectFormat;
use rollbook::export::tlog_proof::TlogProof;
use rollbook::log::quorum::{Group, Threshold, Witness, Witnesses};
use rollbook::merkle::proof::prove_inclusion;
use rollbook::merkle::tree::{Tree, leaf_hash};
use rollbook::note::checkpoint::CheckpointNote;
use rollbook::signing::envelope::Draft;
use rollbook::store::frame::FrameView;
use rollbook::store::head::{HEAD_SLOT_BYTES, encode_slot};
use rollbook::verifier::verify::{Options, judge};
use rollbook_fuzz::forge::{Forge, head_of, log_of, public, quick};
use rollbook_fuzz::git::{Repository, manifests};
use rollbook_fuzz::{events, seed};

fn main() {
    let log = seed::log();
    let vectors = repository().join("tests/vectors");
    frames(&vectors, &log);
    entries(&vectors, &log);
    notes(&vectors, &log);
    proofs(&log);
    pack_paths();
    trust_roots(&log);
    heads(&vectors, &log);
    kept(&seed::short_log());
    policies();
    drafts(&vectors);
    payloads();
    model_signatures(&vectors);
    logs(&seed::short_log());
    git_paths();
}

fn git_paths() {
    for (number, format) in [(0, ObjectFormat::Sha1), (1, ObjectFormat::Sha256)] {
        let repository = Repository::new(format);
        for (name, bits) in [("one", 1_u8), ("three", 7), ("readme", 8)] {
            let proof = repository.prove(&manifests(bits));
            write("git_path", &format!("{name}-{number}"), [&[bits << 2 | number], &proof[..]].concat());
        }
        write("git_path", &format!("changed-{number}"), [7 << 2 | 2 | number, 200, 0, b'x']);
        write("git_path", &format!("unchanged-{number}"), [7 << 2 | 2 | number]);
    }
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Writes one input of `target`.
fn write(target: &str, name: &str, bytes: impl AsRef<[u8]>) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    fs::create_dir_all(&dir).expect("the corpus can be written");
    fs::write(dir.join(format!("seed-{name}")), bytes).expect("the corpus can be written");
}

/// The files in a directory of vectors that end in `ending`: their names without it, and their texts.
fn files(dir: &Path, ending: &str) -> Vec<(String, String)> {
    let listed = fs::read_dir(dir).expect("the vectors are there").map(|file| file.expect("a file").path());
    let mut named: Vec<(String, String)> = listed
        .filter_map(|path| {
            let name = path.file_name()?.to_str()?.strip_suffix(ending)?.to_owned();
            Some((name, fs::read_to_string(&path).ok()?))
        })
        .collect();
    named.sort();
    named
}

/// The vectors of hex digits in a directory, as bytes.
fn hex_files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let bytes = |text: &str| hex::decode(text.split_whitespace().collect::<String>()).expect("hex digits");
    files(dir, ".hex").into_iter().map(|(name, text)| (name, bytes(&text))).collect()
}

fn frames(vectors: &Path, log: &Forge) {
    hex_files(&vectors.join("frames")).iter().for_each(|(name, bytes)| write("frame", name, bytes));
    write("frame", "first", &log.frames()[0]);
    write("frame", "three-of-a-log", log.frames()[1..4].concat());
    write("frame", "small-log", [small_frame(0), small_frame(1)].concat());
    write("frame", "torn", [small_frame(0), small_frame(1)[..30].to_vec()].concat());
}

fn small_frame(first_index: u64) -> Vec<u8> {
    rollbook::store::frame::encode_frame(first_index, &[b"e"], b"n").expect("one small entry")
}

fn entries(vectors: &Path, log: &Forge) {
    for dir in ["entries", "envelopes", "events"] {
        hex_files(&vectors.join(dir)).iter().for_each(|(name, bytes)| write("entry", name, bytes));
    }
    let frame = FrameView::parse(log.frames().last().expect("a frame")).expect("a frame");
    write("entry", "note-in-a-log", frame.entries().next().expect("an entry"));
}

fn notes(vectors: &Path, log: &Forge) {
    for target in ["note", "checkpoint"] {
        for (name, text) in files(&vectors.join("checkpoints"), ".note") {
            write(target, &name, text);
        }
        write(target, "cosigned", seed::cosigned(log));
        let rotated = log.notes().iter().map(|(_, note)| note).max_by_key(|note| note.len());
        write(target, "rotated", rotated.expect("a note"));
    }
    for (name, text) in files(&vectors.join("checkpoints"), ".vkey") {
        write("note", &format!("{name}-vkey"), text.trim_end());
    }
    write("note", "two-texts", "a\n\nb\n\n— a Uw2QOgECAw==\n");
    write(
        "checkpoint",
        "text",
        "example.com/log\n7\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\nextension\n",
    );
}

fn proofs(log: &Forge) {
    let parsed: Vec<FrameView<'_>> =
        log.frames().iter().map(|frame| FrameView::parse(frame).expect("a frame")).collect();
    let leaves = parsed.iter().flat_map(FrameView::entries).map(leaf_hash);
    let tree: Tree = leaves.collect();
    for (name, index, note) in
        [("first", 0, log.newest_note().to_vec()), ("cosigned", 5, seed::cosigned(log))]
    {
        let hashes = prove_inclusion(index, tree.size(), &tree).expect("an entry of the log");
        let note = CheckpointNote::parse_unverified(&note).expect("a note");
        write("proof", name, TlogProof::new(index, hashes, note).expect("few hashes").encode());
    }
    let proof =
        TlogProof::new(0, Vec::new(), CheckpointNote::parse_unverified(&log.notes()[0].1).expect("a note"));
    let text = String::from_utf8(proof.expect("no hash").encode()).expect("text");
    write("proof", "extra", text.replacen("\nindex", "\nextra YWJj\nindex", 1));
    // A kind, sizes, and changes to the right proof.
    write("proof", "inclusion", [0, 13, 6, 1]);
    write("proof", "inclusion-changed", [0, 70, 33, 1, 2, 9, 0, 3, 40, 1]);
    write("proof", "consistency", [1, 21, 8, 1]);
    write("proof", "consistency-changed", [1, 37, 32, 1, 1, 8, 2, 0, 250, 5, 0]);
    let any = |kind: u8, one: u64, two: u64, rest: &[u8]| {
        [&[kind], one.to_le_bytes().as_slice(), &two.to_le_bytes(), rest].concat()
    };
    write("proof", "inclusion-any", any(2, 5, 9, &[1, 2, 0, 4, 3, 4, 5, 6]));
    write(
        "proof",
        "inclusion-largest",
        any(2, u64::MAX - 1, u64::MAX, &[[1, 2, 1, 64].as_slice(), &[7; 64]].concat()),
    );
    write("proof", "consistency-any", any(3, 6, 11, &[1, 0, 4, 3, 4, 5, 6]));
    write(
        "proof",
        "consistency-perfect",
        any(3, 1 << 40, u64::MAX, &[[1, 1, 24].as_slice(), &[9; 24]].concat()),
    );
}

fn pack_paths() {
    for (name, path) in [
        ("tile", "tile/0/x001/234"),
        ("partial-tile", "tile/63/x001/x000/000.p/17"),
        ("largest-tile", "tile/0/x018/x446/x744/x073/x709/x551/615.p/255"),
        ("entries", "tile/entries/x001/234.p/5"),
        ("largest-entries", "tile/entries/x018/x446/x744/x073/x709/x551/615.p/255"),
        ("notes", "batches/000.p/1"),
    ] {
        write("pack_paths", name, path);
    }
    let numbers = |level: u8, width: u16, index: u64, size: u64, bundle: &[u8]| {
        let width = width.to_le_bytes();
        [&[level], width.as_slice(), &index.to_le_bytes(), &size.to_le_bytes(), bundle].concat()
    };
    write("pack_paths", "numbers", numbers(1, 255, 1_234_067, 70_000, b""));
    write("pack_paths", "bundle-of-entries", numbers(8, 2, 3, 511, b"\0\x03one\0\x03two"));
    write("pack_paths", "bundle-of-notes", numbers(13, 1, 700, 256, b"\0\0\0\x04note"));
    write("pack_paths", "numbers-largest", numbers(63, 256, u64::MAX, u64::MAX, b""));
}

fn trust_roots(log: &Forge) {
    let sample = fs::read(repository().join("keys/sample/trust.toml")).expect("the sample is there");
    write("trust", "sample", sample);
    let latest = log.trust().with_latest_log_key(public(&log.log_key)).expect("a key that is fit");
    write("trust", "rotated", latest.to_toml());
    let witness = |name: &str, seed: u8| {
        let key = SigningKey::from_bytes(&[seed; 32]);
        let kind = rollbook::note::vkey::KeyKind::CosignatureV1;
        let vkey = rollbook::note::vkey::VerifierKey::of_signing_key(name, kind, &key).expect("a fit name");
        Witness::new(name, &vkey.to_string()).expect("a fit name")
    };
    let group = |name: &str, threshold, members: &[&str]| {
        let members: Vec<String> = members.iter().map(|member| (*member).to_owned()).collect();
        Group::new(name, threshold, &members).expect("a fit name")
    };
    let groups =
        vec![group("two", Threshold::Count(2), &["b", "c"]), group("top", Threshold::All, &["a", "two"])];
    let witnesses = vec![witness("a", 1), witness("b", 2), witness("c", 3)];
    let witnesses = Witnesses::new(witnesses, groups, Some("top")).expect("a quorum");
    write("trust", "witnesses", latest.with_witnesses(witnesses).expect("keys of their own").to_toml());
}

fn heads(vectors: &Path, log: &Forge) {
    hex_files(&vectors.join("heads")).iter().for_each(|(name, bytes)| write("head", name, bytes));
    let slot = |at: usize| encode_slot(log.notes()[at].0, &log.notes()[at].1).expect("a short note");
    write("head", "one-slot", slot(0));
    write("head", "second-slot", [vec![0; HEAD_SLOT_BYTES], slot(1)].concat());
}

fn kept(log: &Forge) {
    let trust = log.trust();
    for batches in 1..=log.frames().len() {
        let (size, note) = &log.notes()[batches - 1];
        let options = Options { trust: Some(&trust), keep: true, ..quick() };
        let judged = judge(&log_of(&log.frames()[..batches]), head_of(*size, note), &options, &|_, _| {});
        let judged = judged.expect("memory can be read");
        let kept =
            judged.kept.unwrap_or_else(|| panic!("the log is not sound: {:?}", judged.report.findings));
        write("kept", &format!("{batches}-batches"), kept.to_bytes());
    }
}

fn policies() {
    for (name, text) in files(&repository().join("docs/policies"), ".toml") {
        write("policy", &name, text);
    }
    let default = rollbook::lifecycle::policy::default_policy(2).text;
    let schema_1 = events::policy("[[environment]]\nname = \"production\"\npromote.signers = 2\n").text;
    let schema_2 = events::policy_2(
        "promote.approvals = 1\n\n[[environments]]\nname = \"prod*\"\nrollback.drain = true\n",
    )
    .text;
    write("policy", "default", default.as_str());
    write("policy", "two", [schema_1.as_str(), "\0", schema_2.as_str()].concat());
}

fn drafts(vectors: &Path) {
    for (name, text) in files(&vectors.join("envelopes"), ".dsse.json") {
        write("envelope_json", &name, text);
    }
    write(
        "envelope_json",
        "unsigned",
        Draft::new(b"an event".to_vec()).expect("a short event").to_dsse_json(),
    );
    let mut draft = Draft::new(b"an event".to_vec()).expect("a short event");
    let signer = |seed| {
        rollbook::signing::signer::Signer::from_secret(rollbook::signing::key_file::SecretKey::from_seed(
            &[seed; 32],
        ))
    };
    (1..=3).for_each(|seed| draft.sign(&signer(seed)).expect("a key at hand"));
    write("envelope_json", "three", draft.to_dsse_json());
}

/// A kind, then the payload; see the target for the kinds.
fn payloads() {
    let payload = |kind: u8, json: &str| [&[kind], json.as_bytes()].concat();
    let mlflow = |entity: &str, action: &str, data: &str| {
        format!(
            r#"{{"entity":"{entity}","action":"{action}","timestamp":"2026-03-01T10:00:00.5+00:00","data":{{"name":"m","version":"1",{data}}}}}"#
        )
    };
    write(
        "ingest",
        "version",
        payload(0, &mlflow("model_version", "created", r#""source":"models:/m-1","run_id":null"#)),
    );
    write("ingest", "alias", payload(0, &mlflow("model_version_alias", "created", r#""alias":"champion""#)));
    write(
        "ingest",
        "no-alias",
        payload(0, &mlflow("model_version_alias", "deleted", r#""alias":"champion""#)),
    );
    let commit = "0123456789012345678901234567890123456789";
    let application = |phase: &str, more: &str| {
        format!(
            r#"{{"kind":"Application","metadata":{{"name":"a","namespace":"n","labels":{{"rollbook.dev/env":"e"}},"annotations":{{"rollbook.dev/model":"m"}}}},"status":{{"health":{{"status":"Healthy"}},"history":[{{"id":1,"revision":"{commit}","deployedAt":"2026-03-01T10:00:00Z","initiatedBy":{{"username":"u"}}}}],"operationState":{{"phase":"{phase}","startedAt":"2026-03-01T09:59:00Z","finishedAt":"2026-03-01T10:00:01Z","message":"t",{more}"operation":{{"sync":{{"revision":"{commit}","dryRun":false,"resources":[]}},"initiatedBy":{{"automated":true}}}}}}}}}}"#
        )
    };
    write("ingest", "synced", payload(1, &application("Succeeded", "")));
    write("ingest", "failed", payload(1, &application("Failed", "")));
    write("ingest", "hook", payload(2, &application("Running", "")));
    let several = format!(r#""syncResult":{{"revisions":["1.2.3","{commit}"]}},"#);
    write("ingest", "hook-of-several", payload(3, &application("Running", &several)));
    let status = format!(
        r#"{{"deployment_status":{{"id":2,"state":"success","description":"d","created_at":"2026-03-01T10:00:00Z","updated_at":null,"log_url":"u"}},"deployment":{{"id":1,"sha":"{commit}","environment":"Production","payload":{{"rollbook.dev/model":"m"}},"creator":{{"login":"l"}}}},"repository":{{"full_name":"o/r"}}}}"#
    );
    write("ingest", "deployment", payload(4, &status));
    write("ingest", "review", payload(4, r#"{"action":"approved","reviewers":[]}"#));
    let headers = "X-MLflow-Delivery-Id: d\nX-MLflow-Timestamp: 1\nX-MLflow-Signature: v1,AAAA\nX-Hub-Signature-256: sha256=00\n\n{}";
    write("ingest", "headers", payload(5, headers));
}

/// Bundles of the real program, their statements alone, and a list of files; see the target for the first byte.
fn model_signatures(vectors: &Path) {
    for (name, bundle) in files(&vectors.join("model-signatures"), ".sig") {
        let json: serde_json::Value = serde_json::from_str(&bundle).expect("a bundle");
        let payload = json["dsseEnvelope"]["payload"].as_str().expect("a payload");
        let statement = STANDARD.decode(payload).expect("base64");
        write("model_signature", &name, ["\0", &bundle].concat());
        write("model_signature", &format!("{name}-statement"), [&[1], statement.as_slice()].concat());
    }
    let list = rollbook::evidence::model_files::ModelFiles::parse(
        format!("{}  a/x\n", rollbook::hash::Hash::of(b"x")).as_bytes(),
    );
    let list = list.expect("a list of one file").to_list();
    write("model_signature", "list", [&[2], list.as_slice()].concat());
}

fn logs(log: &Forge) {
    let file = log.frames().concat();
    // Nobody's, an outsider's and insiders' changes; see the target for the bits.
    for flags in [0, 64, 1, 1 | 32, 1 | 2 | 4 | 32, 1 | 2 | 32, 8, 4 | 16] {
        write("verify_log", &format!("flags-{flags}"), [&[flags], file.as_slice()].concat());
    }
}
