//! The `model-signing` program from `PyPI`: what it signs, Rollbook registers and verifies; and both say the same of copies
//! that were changed.
//!
//! Ignored by default: `cargo test -- --include-ignored`. The interpreter that has the program is `ROLLBOOK_PYTHON`, or
//! else `python3`; tests/requirements-models.txt pins it.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::support::desk::Desk;

const FILES: [&str; 8] = [".hidden", "A/y", "a/x", "a-b/x", "a.txt", "empty", "sub/.git/HEAD", "ü/z"];

/// Runs the interpreter at the desk.
fn python(desk: &Desk, arguments: &[&str]) -> std::process::Output {
    let python = std::env::var_os("ROLLBOOK_PYTHON").unwrap_or_else(|| "python3".into());
    let mut command = Command::new(&python);
    command.args(arguments).current_dir(desk.path(""));
    command.output().unwrap_or_else(|error| panic!("{}: {error}", python.display()))
}

fn done(desk: &Desk, arguments: &[&str]) {
    let output = python(desk, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Writes `NAME.pem` and `NAME.pub` for a curve.
const MAKE_KEY: &str = "
import sys
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives import serialization as s
key = ec.generate_private_key({'p256': ec.SECP256R1(), 'p384': ec.SECP384R1(), 'p521': ec.SECP521R1()}[sys.argv[1]])
open(sys.argv[1] + '.pem', 'wb').write(key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption()))
open(sys.argv[1] + '.pub', 'wb').write(key.public_key().public_bytes(s.Encoding.PEM, s.PublicFormat.SubjectPublicKeyInfo))
";

/// Signs with another way of hashing, and verifies it: the command line verifies whole files by SHA-256 alone.
const SIGN_OTHERWISE: &str = "
import sys
from model_signing import hashing, signing, verifying
config = hashing.Config()
how, algorithm, out = sys.argv[1:]
if how == 'shards': config.use_shard_serialization(hashing_algorithm=algorithm, shard_size=4)
else: config.use_file_serialization(hashing_algorithm=algorithm)
config.set_ignored_paths(paths=['model.sig'])
signing.Config().use_elliptic_key_signer(private_key='p256.pem').set_hashing_config(config).sign('model', out)
verifying.Config().use_elliptic_key_verifier(public_key='p256.pub').set_hashing_config(config).verify('model', out)
";

/// A desk with a model, and a key of each curve.
fn desk() -> Desk {
    let desk = Desk::founded();
    desk.grant("dora", "--role registrar --env '*' --model '*'");
    desk.remove_dir("model");
    for path in FILES {
        desk.write(&format!("model/{path}"), if path == "empty" { "" } else { path });
    }
    for curve in ["p256", "p384", "p521"] {
        done(&desk, &["-c", MAKE_KEY, curve]);
    }
    desk
}

/// Whether the program finds the model in order.
fn they_accept(desk: &Desk, curve: &str, signature: &str) -> bool {
    let key = format!("{curve}.pub");
    let verify =
        ["-m", "model_signing", "verify", "key", "--public_key", &key, "--signature", signature, "model"];
    python(desk, &verify).status.success()
}

#[test]
#[ignore = "needs ROLLBOOK_PYTHON with model-signing"]
fn what_the_program_signs_is_registered_and_verified() {
    let desk = desk();
    for curve in ["p256", "p384", "p521"] {
        let (key, signature) = (format!("{curve}.pem"), format!("{curve}.sig"));
        done(
            &desk,
            &[
                "-m",
                "model_signing",
                "sign",
                "key",
                "--private_key",
                &key,
                "--signature",
                &signature,
                "model",
            ],
        );
        assert!(they_accept(&desk, curve, &signature));
        let answer = desk.run(&format!(
            "--key dora.key register scorer {curve} --path model --signature {signature} --signature-key {curve}.pub"
        ));
        assert_eq!(answer.code, Some(0), "{answer:?}");
        assert!(answer.stderr.contains("verified, by the P-"), "{answer:?}");
    }
    let report = desk.done_json(
        "verify ledger --trust ledger/trust.toml --model-key p256.pub --model-key p384.pub --model-key p521.pub",
    );
    assert_eq!(report["model_signatures"]["verified"], 3, "{report}");
}

#[test]
#[ignore = "needs ROLLBOOK_PYTHON with model-signing"]
fn a_signature_in_the_model_is_no_part_of_it_for_either() {
    let desk = desk();
    let sign = ["sign", "key", "--private_key", "p521.pem", "--signature", "model/model.sig", "model"];
    done(&desk, &[&["-m", "model_signing"], sign.as_slice()].concat());
    assert!(they_accept(&desk, "p521", "model/model.sig"));
    desk.done("--key dora.key register scorer 1 --path model --signature-key p521.pub");
    let root = desk.done_json("show 2")["event"]["body"]["digest"]["root"].clone();
    assert_eq!(root, "55266a1bc9eeb11c9dcff3bd4b7a81f084644cb9fbdc7d9560fd7c059cd71b71");
    assert!(
        desk.done("model verify model scorer 1 --signature-key p521.pub").contains("signature: verified")
    );
}

#[test]
#[ignore = "needs ROLLBOOK_PYTHON with model-signing"]
fn pieces_are_recomputed_and_other_hashes_refused() {
    let desk = desk();
    for (how, algorithm, refused) in [
        ("shards", "sha256", None),
        ("files", "blake2", Some("blake2b")),
        ("files", "blake3", Some("blake3")),
    ] {
        let signature = format!("{how}-{algorithm}.sig");
        done(&desk, &["-c", SIGN_OTHERWISE, how, algorithm, &signature]);
        let register = format!(
            "--key dora.key register scorer {how} --path model --signature {signature} --signature-key p256.pub"
        );
        match refused {
            None => drop(desk.done(&register)),
            Some(hash) => desk.refused(&register, 1, &[&format!("{hash} hashes")]),
        }
    }
    assert!(
        desk.done("model verify model scorer shards --signature-key p256.pub")
            .contains("signature: verified")
    );
}

#[test]
#[ignore = "needs ROLLBOOK_PYTHON with model-signing"]
fn both_refuse_every_changed_copy() {
    type Change = fn(&Path);
    let changes: [(&str, Change); 6] = [
        ("a byte flipped", |model| std::fs::write(model.join("a/x"), "a/X").unwrap()),
        ("a file missing", |model| std::fs::remove_file(model.join("a.txt")).unwrap()),
        ("an empty file missing", |model| std::fs::remove_file(model.join("empty")).unwrap()),
        ("a file extra", |model| std::fs::write(model.join("b"), "b").unwrap()),
        ("a file renamed", |model| std::fs::rename(model.join("a.txt"), model.join("b.txt")).unwrap()),
        ("a link swapped in", |model| {
            std::fs::remove_file(model.join("a.txt")).unwrap();
            symlink("a/x", model.join("a.txt")).unwrap();
        }),
    ];
    let desk = desk();
    done(
        &desk,
        &[
            "-m",
            "model_signing",
            "sign",
            "key",
            "--private_key",
            "p384.pem",
            "--signature",
            "model.sig",
            "model",
        ],
    );
    desk.done("--key dora.key register scorer 1 --path model --signature model.sig --signature-key p384.pub");
    desk.copy("model", "whole");
    for (what, change) in changes {
        change(&desk.path("model"));
        assert!(!they_accept(&desk, "p384", "model.sig"), "{what}");
        assert_eq!(desk.run("model verify model scorer 1").code, Some(1), "{what}");
        let again =
            "--key dora.key register scorer 2 --path model --signature model.sig --signature-key p384.pub";
        assert_ne!(desk.run(again).code, Some(0), "{what}");
        desk.remove_dir("model");
        desk.copy("whole", "model");
        // The desk leaves Git's files out of a copy.
        desk.write("model/sub/.git/HEAD", "sub/.git/HEAD");
        assert!(they_accept(&desk, "p384", "model.sig"), "after {what}");
    }
    // A bundle with another statement, and another key.
    let tampered = desk.read("model.sig").replacen("\"sig\":\"M", "\"sig\":\"N", 1);
    desk.write("tampered.sig", tampered);
    for (signature, curve) in [("tampered.sig", "p384"), ("model.sig", "p256")] {
        assert!(!they_accept(&desk, curve, signature), "{signature}");
        let register = "--key dora.key register scorer 2 --path model";
        let answer = desk.run(&format!("{register} --signature {signature} --signature-key {curve}.pub"));
        assert_eq!(answer.code, Some(1), "{answer:?}");
    }
}
