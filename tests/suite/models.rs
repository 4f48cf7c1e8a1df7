//! The files of models: digested, registered with their list and their OpenSSF signature, and held against what was
//! registered, by whoever deploys (`model verify`) and by the auditor (`verify --models`).

use std::collections::BTreeSet;
use std::os::unix::fs::symlink;
use std::path::Path;

use rollbook::hash::Hash;
use serde_json::{Value, json};

use crate::support::bundles::{ModelKey, statement};
use crate::support::desk::Desk;

/// The files of every model here, in the order of the root.
const FILES: [(&str, &str); 3] =
    [("config.json", "{}"), ("sub/weights.bin", "weights"), ("vocab.txt", "a b c")];

/// What `sha256sum` says of them, sorted by byte.
fn file_list() -> String {
    let lines = FILES.map(|(path, content)| format!("{}  {path}\n", Hash::of(content.as_bytes())));
    lines.concat()
}

fn root() -> Hash {
    let digests: Vec<[u8; 32]> =
        FILES.iter().map(|(_, content)| *Hash::of(content.as_bytes()).as_bytes()).collect();
    Hash::of(&digests.concat())
}

fn named() -> Hash {
    Hash::of(file_list().as_bytes())
}

/// A founded desk where dora may register, with a model's files in `models/1.0.0`, and signatures over them by a signer
/// and by a stranger.
fn desk() -> Desk {
    let desk = Desk::founded();
    desk.grant("dora", "--role registrar --env '*' --model '*'");
    for (path, content) in FILES {
        desk.write(&format!("models/1.0.0/{path}"), content);
    }
    for (name, key) in [("signer", ModelKey::p256(7)), ("stranger", ModelKey::p384(8))] {
        desk.write(&format!("{name}.pub"), key.public_pem());
        desk.write(&format!("{name}.sig"), key.sign_files(&FILES));
    }
    desk.write("other.sig", ModelKey::p256(7).sign_files(&[("config.json", "{}")]));
    desk
}

const REGISTER: &str = "--key dora.key register scorer 1.0.0 --path models/1.0.0";

/// Ways in which a copy of the model is no longer the one that was registered, and the lines that name them.
type Change = (&'static str, fn(&Path), &'static [&'static str]);

const CHANGES: [Change; 5] = [
    ("a byte flipped", |model| write(model, "sub/weights.bin", "Weights"), &["differs: sub/weights.bin"]),
    (
        "a file missing",
        |model| std::fs::remove_file(model.join("vocab.txt")).unwrap(),
        &["missing: vocab.txt"],
    ),
    ("a file extra", |model| write(model, "added.py", "import os"), &["extra: added.py"]),
    (
        "a file renamed, its root kept",
        |model| std::fs::rename(model.join("vocab.txt"), model.join("vocal.txt")).unwrap(),
        &["missing: vocab.txt", "extra: vocal.txt"],
    ),
    (
        "two files swapped",
        |model| {
            write(model, "config.json", "a b c");
            write(model, "vocab.txt", "{}");
        },
        &["differs: config.json", "differs: vocab.txt"],
    ),
];

fn write(model: &Path, name: &str, content: &str) {
    std::fs::write(model.join(name), content).unwrap();
}

// Digest.

#[test]
fn a_digest_is_the_root_and_what_sha256sum_makes_of_the_names() {
    let desk = desk();
    let told = desk.done("model digest models/1.0.0");
    for line in [
        format!("root     {}", root()),
        format!("named    {}", named()),
        "files    3".into(),
        "bytes    14".into(),
    ] {
        assert!(told.lines().any(|told| told == line), "{line}\n{told}");
    }
    assert_eq!(desk.done("model digest models/1.0.0 --files"), file_list());
    let json = desk.done_json("model digest models/1.0.0 --files");
    assert_eq!(json["root"], root().to_string());
    assert_eq!(
        json["list"][1],
        json!({
            "path": "sub/weights.bin", "bytes": 7, "sha256": Hash::of(b"weights"),
        })
    );
    assert_eq!(desk.done("model digest models/1.0.0 --files --ignore sub").lines().count(), 2);
    desk.refused("model digest nowhere", 2, &["nowhere", "hint:"]);
    desk.refused("model digest models/1.0.0 --ignore ../x", 2, &["`../x` is not a path inside the model"]);
}

// Register and verify.

#[test]
fn a_registration_keeps_the_list_that_its_digest_commits_to() {
    let desk = desk();
    desk.done(REGISTER);
    let list = desk.done_json("attachment list");
    assert_eq!((&list["digest"], &list["media_type"]), (&json!(named()), &json!("text/plain")));
    let shown = desk.done_json("show 2");
    assert_eq!(shown["event"]["body"]["digest"]["named"], json!(named()), "{shown}");
    desk.done(
        "attachment get --output list.txt files.sha256"
            .replace("files.sha256", &named().to_string())
            .as_str(),
    );
    assert_eq!(desk.read("list.txt"), file_list());
    desk.done("--key dora.key register scorer 1.0.1 --path models/1.0.0 --no-file-list");
    assert_eq!(desk.done("--json attachment list").lines().count(), 1);
}

#[test]
fn every_file_that_changed_is_named() {
    for (what, change, expected) in CHANGES {
        let desk = desk();
        desk.done(REGISTER);
        assert!(
            desk.done("model verify models/1.0.0 scorer 1.0.0").starts_with("agrees: 3 file(s)"),
            "{what}"
        );
        change(&desk.path("models/1.0.0"));
        let answer = desk.run("model verify models/1.0.0 scorer 1.0.0");
        assert_eq!(answer.code, Some(1), "{what}: {answer:?}");
        let told: Vec<&str> = answer.stdout.lines().skip(3).map(str::trim).collect();
        let mut expected = expected.to_vec();
        expected.sort_by_key(|line| line.rsplit(' ').next());
        assert_eq!(told, expected, "{what}: {answer:?}");
        let json = desk.run("--json model verify models/1.0.0 scorer 1.0.0");
        assert_eq!((json.code, &json.json()["agrees"]), (Some(1), &json!(false)));
        assert_eq!(json.json()["differences"].as_array().unwrap().len(), expected.len(), "{what}");
    }
}

#[test]
fn a_renamed_file_that_the_root_misses_is_caught_by_the_second_digest() {
    let desk = desk();
    desk.done(REGISTER);
    let (_, rename, _) = CHANGES[3];
    rename(&desk.path("models/1.0.0"));
    let by_root = desk.done(&format!("model verify models/1.0.0 --digest {}", root()));
    assert!(by_root.contains("names: not checked"), "{by_root}");
    let by_named = desk.run(&format!("model verify models/1.0.0 --digest {}", named()));
    assert_eq!(by_named.code, Some(1), "{by_named:?}");
    let answer = desk.run("model verify models/1.0.0 scorer 1.0.0");
    assert!(
        answer.stdout.contains(&format!("root {}\n", root())),
        "the root is the registered one: {answer:?}"
    );
    assert!(answer.stdout.contains(&format!("expected {}", named())), "{answer:?}");
}

#[test]
fn without_a_list_a_signature_names_the_files_and_without_either_nobody_can() {
    let desk = desk();
    desk.done(&format!("{REGISTER} --no-file-list"));
    write(&desk.path("models/1.0.0"), "config.json", "[]");
    let answer = desk.run("model verify models/1.0.0 scorer 1.0.0");
    assert_eq!(answer.code, Some(1));
    assert!(answer.stdout.contains("which files differ cannot be said"), "{answer:?}");
    for (signature, names) in [("signer.sig", true), ("other.sig", false)] {
        let answer = desk.run(&format!("model verify models/1.0.0 scorer 1.0.0 --signature {signature}"));
        assert_eq!(answer.code, Some(1));
        assert_eq!(answer.stdout.contains("differs: config.json"), names, "{signature}: {answer:?}");
    }
}

#[test]
fn what_cannot_be_the_registered_files_is_answered_with_no() {
    let desk = desk();
    desk.done(REGISTER);
    std::fs::remove_file(desk.path("models/1.0.0/vocab.txt")).unwrap();
    symlink("config.json", desk.path("models/1.0.0/vocab.txt")).unwrap();
    desk.refused("model verify models/1.0.0 scorer 1.0.0", 1, &["vocab.txt is a symbolic link"]);
    desk.refused("model verify nowhere scorer 1.0.0", 2, &["nowhere"]);
    desk.refused("model verify models/1.0.0 scorer 9", 1, &["scorer 9 is not registered"]);
    desk.refused("model verify models/1.0.0 scorer", 2, &["VERSION"]);
    desk.refused("model verify models/1.0.0 --digest x", 2, &["x"]);
    desk.refused("model verify models/1.0.0 scorer 1.0.0 --ignore sub", 2, &["go with --digest"]);
}

// Signatures.

#[test]
fn every_curve_is_verified_and_kept() {
    for (curve, key) in
        [("P-256", ModelKey::p256(1)), ("P-384", ModelKey::p384(1)), ("P-521", ModelKey::p521(1))]
    {
        let desk = desk();
        desk.write("key.pub", key.public_pem());
        // In the model, where model_signing puts it: no part of the digest.
        desk.write("models/1.0.0/model.sig", key.sign_files(&FILES));
        let answer = desk.run(&format!("{REGISTER} --signature-key stranger.pub --signature-key key.pub"));
        assert_eq!(answer.code, Some(0), "{answer:?}");
        assert!(answer.stderr.contains(&format!("verified, by the {curve} key")), "{answer:?}");
        let event = &desk.done_json("show 2")["event"];
        assert_eq!(event["body"]["digest"]["named"], json!(named()));
        assert!(
            event["body"]["digest"]["ignored"].as_array().unwrap().contains(&json!("model.sig")),
            "{event}"
        );
        let bundle = desk.done("--json attachment list");
        assert!(bundle.contains("application/vnd.dev.sigstore.bundle.v0.3+json"), "{bundle}");
        let kept = desk.done("model verify models/1.0.0 scorer 1.0.0 --signature-key key.pub");
        assert!(kept.contains("signature: verified"), "{kept}");
        // The kept one, where the model was copied without it.
        std::fs::remove_file(desk.path("models/1.0.0/model.sig")).unwrap();
        let kept = desk.done("model verify models/1.0.0 scorer 1.0.0 --signature-key key.pub");
        assert!(kept.contains("signature: verified"), "{kept}");
        desk.refused(
            "model verify models/1.0.0 scorer 1.0.0 --signature-key signer.pub",
            1,
            &["none of the keys"],
        );
        let report = audit(&desk, "--model-key key.pub");
        assert_eq!(report["model_signatures"]["verified"], 1, "{report}");
    }
}

#[test]
fn a_signature_without_a_key_is_kept_and_said_not_to_be_checked() {
    let desk = desk();
    let answer = desk.run(&format!("{REGISTER} --signature signer.sig"));
    assert_eq!(answer.code, Some(0), "{answer:?}");
    assert!(answer.stderr.contains("signer.sig: not checked: no --signature-key is given"), "{answer:?}");
    let count = |options: &str, what: &str| {
        let report = audit(&desk, options);
        assert_eq!(report["verdict"], "sound", "{report}");
        assert_eq!(report["model_signatures"][what], 1, "{report}");
    };
    count("", "no_key");
    count("--model-key stranger.pub", "other_key");
    count("--model-key stranger.pub --model-key signer.pub", "verified");
    let text = desk.run("verify ledger --trust ledger/trust.toml").stdout;
    assert!(text.contains("signed models  1 not checked: no key given"), "{text}");
}

#[test]
fn a_signature_that_does_not_hold_is_refused() {
    let desk = desk();
    desk.write("certificate.sig", vector("certificate.sig"));
    desk.write("blake3.sig", vector("blake3.sig"));
    desk.write("tampered.sig", {
        let mut renamed = FILES;
        renamed[2].0 = "vocal.txt";
        with_statement(&desk.read("signer.sig"), &statement(&renamed))
    });
    desk.write("forged.sig", {
        let mine: Value = serde_json::from_str(&ModelKey::p256(9).sign_files(&FILES)).unwrap();
        let mut forged: Value = serde_json::from_str(&desk.read("signer.sig")).unwrap();
        forged["dsseEnvelope"] = mine["dsseEnvelope"].clone();
        forged.to_string()
    });
    let with = |rest: &str, words: &[&str], code| desk.refused(&format!("{REGISTER} {rest}"), code, words);
    with("--signature other.sig", &["not over these files", "extra: sub/weights.bin"], 1);
    with("--signature other.sig --signature-key signer.pub", &["not over these files"], 1);
    with("--signature tampered.sig --signature-key signer.pub", &["missing: vocal.txt"], 1);
    with("--signature forged.sig --signature-key signer.pub", &["which did not"], 1);
    with("--signature signer.sig --signature-key stranger.pub", &["none of the keys given"], 1);
    with("--signature blake3.sig", &["blake3 hashes", "hint:"], 1);
    with("--signature nowhere.sig", &["nowhere.sig"], 2);
    with("--signature signer.pub", &["cannot be read"], 2);
    with("--signature-key signer.pub", &["there is no model.sig"], 2);
    with("--signature signer.sig --signature-key signer.sig", &["no public key"], 2);
    let json = desk.run(&format!("--json {REGISTER} --signature other.sig")).json();
    assert_eq!(json["refused"]["code"], "signature_of_another_model");
    write(&desk.path("models/1.0.0"), "vocab.txt", "flipped");
    with("--signature signer.sig --signature-key signer.pub", &["differs: vocab.txt"], 1);
}

#[test]
fn the_real_programs_shards_and_certificates_are_taken_for_what_they_are() {
    let desk = desk();
    for path in [".hidden", "A/y", "a/x", "a-b/x", "a.txt", "sub/.git/HEAD", "ü/z"] {
        desk.write(&format!("sample/{path}"), path);
    }
    desk.write("sample/empty", "");
    for name in ["shards.sig", "certificate.sig", "p256.pub"] {
        desk.write(name, vector(name));
    }
    let register = "--key dora.key register sample 1 --path sample";
    desk.refused(
        &format!("{register} --signature certificate.sig --signature-key p256.pub"),
        1,
        &["certificate"],
    );
    desk.done(&format!("{register} --signature certificate.sig"));
    let answer = desk.run(
        "--key dora.key register sample 2 --path sample --signature shards.sig --signature-key p256.pub",
    );
    assert!(answer.stderr.contains("verified, by the P-256 key"), "{answer:?}");
    let report = audit(&desk, "--model-key p256.pub --models sample@2=sample");
    assert_eq!(report["model_signatures"]["verified"], 1, "{report}");
    assert_eq!(report["model_signatures"]["certificate"], 1, "{report}");
    assert_eq!((&report["models"]["agree"], &report["verdict"]), (&json!(1), &json!("sound")), "{report}");
    desk.write("sample/a-b/x", "a-c/x");
    desk.refused(
        "--key dora.key register sample 3 --path sample --signature shards.sig",
        1,
        &["not over these files: differs: a-b/x"],
    );
}

fn vector(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/model-signatures").join(name))
        .unwrap()
}

/// The bundle with another statement, and the old signature.
fn with_statement(bundle: &str, statement: &Value) -> String {
    use base64::Engine as _;
    let mut bundle: Value = serde_json::from_str(bundle).unwrap();
    let payload = base64::engine::general_purpose::STANDARD.encode(statement.to_string());
    bundle["dsseEnvelope"]["payload"] = payload.into();
    bundle.to_string()
}

// The auditor.

fn audit(desk: &Desk, options: &str) -> Value {
    desk.run(&format!("--json verify ledger --trust ledger/trust.toml {options}")).json()
}

/// Something that is done to a desk whose ledger registers `scorer` 1.0.0 as entry 2, and what the auditor finds.
struct Attack {
    what: &'static str,
    act: fn(&Desk),
    /// Beyond the trust root.
    options: &'static str,
    /// Code and entry, and words of the message.
    finds: &'static [(&'static str, Option<u64>, &'static str)],
    exit: i32,
}

const MODELS: &str = "--models scorer=models";
const ATTACKS: &[Attack] = &[
    Attack { what: "nothing", act: |_| {}, options: MODELS, finds: &[], exit: 0 },
    Attack {
        what: "nothing, one version named",
        act: |_| {},
        options: "--models scorer@1.0.0=models/1.0.0",
        finds: &[],
        exit: 0,
    },
    Attack {
        what: "a byte flipped",
        act: |desk| write(&desk.path("models/1.0.0"), "sub/weights.bin", "Weights"),
        options: MODELS,
        finds: &[("model.differs", Some(2), "differs: sub/weights.bin")],
        exit: 1,
    },
    Attack {
        what: "a file renamed, its root kept",
        act: |desk| {
            std::fs::rename(desk.path("models/1.0.0/vocab.txt"), desk.path("models/1.0.0/vocal.txt"))
                .unwrap();
        },
        options: MODELS,
        finds: &[("model.differs", Some(2), "missing: vocab.txt; extra: vocal.txt")],
        exit: 1,
    },
    Attack {
        what: "a byte flipped, and the list not looked at",
        act: |desk| write(&desk.path("models/1.0.0"), "sub/weights.bin", "Weights"),
        options: "--models scorer=models --no-attachments",
        finds: &[("model.differs", Some(2), "which files differ is not known")],
        exit: 1,
    },
    Attack {
        what: "a symbolic link swapped in",
        act: |desk| {
            let path = desk.path("models/1.0.0/vocab.txt");
            std::fs::rename(&path, desk.path("elsewhere.txt")).unwrap();
            symlink("../../elsewhere.txt", path).unwrap();
        },
        options: MODELS,
        finds: &[("model.unreadable", Some(2), "vocab.txt is a symbolic link")],
        exit: 1,
    },
    Attack {
        what: "the whole model a symbolic link",
        act: |desk| {
            std::fs::rename(desk.path("models/1.0.0"), desk.path("elsewhere")).unwrap();
            symlink("../elsewhere", desk.path("models/1.0.0")).unwrap();
        },
        options: MODELS,
        finds: &[("model.unreadable", Some(2), "1.0.0 is a symbolic link")],
        exit: 1,
    },
    Attack {
        what: "no files, all versions looked for",
        act: |desk| desk.remove_dir("models/1.0.0"),
        options: MODELS,
        finds: &[("model.absent", Some(2), "scorer 1.0.0")],
        exit: 0,
    },
    Attack {
        what: "no files, the version named",
        act: |desk| desk.remove_dir("models/1.0.0"),
        options: "--models scorer@1.0.0=models/1.0.0",
        finds: &[("model.missing", Some(2), "models/1.0.0")],
        exit: 1,
    },
    Attack {
        what: "a version that was never registered",
        act: |_| {},
        options: "--models scorer@2.0.0=models/1.0.0",
        finds: &[("model.unregistered", None, "scorer 2.0.0")],
        exit: 1,
    },
    Attack {
        what: "a model that was never registered",
        act: |_| {},
        options: "--models scorre=models",
        finds: &[("model.unregistered", None, "scorre")],
        exit: 1,
    },
    Attack {
        what: "the signature of another model attached",
        act: |desk| attach(desk, "other.sig"),
        options: "",
        finds: &[("model.signature", Some(3), "of another model: its root")],
        exit: 1,
    },
    Attack {
        what: "a signature over renamed files attached, which keeps the root",
        act: |desk| {
            let mut renamed = FILES;
            renamed[2].0 = "vocal.txt";
            desk.write("renamed.sig", ModelKey::p256(7).sign_files(&renamed));
            attach(desk, "renamed.sig");
        },
        options: "",
        finds: &[("model.signature", Some(3), "digest with names")],
        exit: 1,
    },
    Attack {
        what: "no bundle attached as one",
        act: |desk| attach(desk, "signer.pub"),
        options: "",
        finds: &[("model.signature", Some(3), "cannot be read")],
        exit: 1,
    },
    Attack {
        what: "a forged signature attached, whose key the auditor has",
        act: |desk| {
            let mine = ModelKey::p256(9).bundle(&statement(&FILES));
            let mut forged: Value = serde_json::from_str(&mine).unwrap();
            let hint = Hash::of(desk.read("signer.pub").as_bytes());
            forged["verificationMaterial"]["publicKey"]["hint"] = json!(hint);
            desk.write("forged.sig", forged.to_string());
            attach(desk, "forged.sig");
        },
        options: "--model-key signer.pub",
        finds: &[("model.signature", Some(3), "that key did not")],
        exit: 1,
    },
];

/// Dora registers the files once more, and attaches what she calls their signature.
fn attach(desk: &Desk, file: &str) {
    let kind = "application/vnd.dev.sigstore.bundle.v0.3+json";
    let register = "--key dora.key register scorer 1.0.1 --path models/1.0.0";
    desk.done(&format!("{register} --attach {file} --media-type {kind}"));
}

/// The codes that [`ATTACKS`] find.
pub(crate) fn codes_found() -> impl Iterator<Item = &'static str> {
    ATTACKS.iter().flat_map(|attack| attack.finds).map(|(code, ..)| *code)
}

#[test]
fn each_attack_on_a_model_ends_in_its_findings() {
    for Attack { what, act, options, finds, exit } in ATTACKS {
        let desk = desk();
        desk.done(REGISTER);
        act(&desk);
        let answer = desk.run(&format!("--json verify ledger --trust ledger/trust.toml {options}"));
        assert_eq!(answer.code, Some(*exit), "{what}: {answer:?}");
        let findings = answer.json()["findings"].as_array().unwrap().clone();
        assert_eq!(findings.len(), finds.len(), "{what}: {findings:?}");
        for (finding, (code, index, says)) in findings.iter().zip(*finds) {
            assert_eq!((&finding["code"], &finding["index"]), (&json!(code), &json!(index)), "{what}");
            assert!(finding["message"].as_str().unwrap().contains(says), "{what}: {finding}");
        }
    }
}

#[test]
fn every_finding_about_models_is_shown() {
    let found: BTreeSet<&str> = codes_found().collect();
    let all: BTreeSet<&str> = rollbook::verifier::finding::Finding::CODES
        .iter()
        .copied()
        .filter(|code| code.starts_with("model."))
        .collect();
    assert_eq!(found, all);
}

#[test]
fn administrators_cannot_accept_what_the_auditors_files_show() {
    let desk = desk();
    desk.done(REGISTER);
    for code in codes_found() {
        let accept = format!("--key alice.key ratify 2 --accept {code} --reason x");
        desk.refused(&accept, 1, &["is no violation that could be accepted"]);
    }
}

#[test]
fn a_redacted_signature_is_held_against_nothing() {
    let desk = desk();
    desk.done(REGISTER);
    attach(&desk, "other.sig");
    let digest = Hash::of(desk.read("other.sig").as_bytes());
    desk.done(&format!("--key alice.key attachment redact {digest} --reason wrong --yes"));
    let report = audit(&desk, "");
    assert_eq!(report["findings"][0]["code"], "attachment.redacted", "{report}");
    assert_eq!(report["verdict"], "sound");
}

#[test]
fn an_evidence_pack_is_held_against_the_files_as_well() {
    let desk = desk();
    desk.done(&format!("{REGISTER} --signature signer.sig --signature-key signer.pub"));
    desk.done("pack export pack");
    let run = || {
        desk.run("--json verify pack --trust ledger/trust.toml --models scorer=models --model-key signer.pub")
    };
    let report = run().json();
    assert_eq!((&report["models"]["agree"], &report["model_signatures"]["verified"]), (&json!(1), &json!(1)));
    write(&desk.path("models/1.0.0"), "vocab.txt", "c b a");
    let answer = run();
    assert_eq!(answer.code, Some(1), "{answer:?}");
    assert!(answer.json()["findings"][0]["message"].as_str().unwrap().contains("differs: vocab.txt"));
}

#[test]
fn what_is_kept_of_an_audit_says_nothing_of_files() {
    let desk = desk();
    for option in ["--models scorer=models", "--model-key signer.pub"] {
        desk.refused(
            &format!("verify ledger --trust ledger/trust.toml --state kept {option}"),
            2,
            &["--state"],
        );
    }
    desk.refused("verify ledger --models scorer", 2, &["NAME=DIR"]);
    desk.refused("verify ledger --models scorer=nowhere", 2, &["nowhere", "hint:"]);
    desk.refused("verify ledger --models scorer=model/weights.bin", 2, &["weights.bin"]);
}

#[test]
fn a_drafts_list_is_handed_over_where_the_ledger_is_not_at_hand() {
    let desk = desk();
    desk.done(&format!("{REGISTER} --draft draft.json --signature signer.sig"));
    desk.done("draft submit draft.json");
    assert!(desk.done("model verify models/1.0.0 scorer 1.0.0").starts_with("agrees"));
}
