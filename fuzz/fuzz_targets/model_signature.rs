//! OpenSSF model signatures and lists of a model's files. The first byte says what the others are: 0 a bundle, 1 the
//! statement in a bundle that the real program signed, else a list.
//!
//! A changed statement is never signed; what is read holds a bounded amount while it is read.
#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use libfuzzer_sys::fuzz_target;
use rollbook::evidence::model_files::ModelFiles;
use rollbook::evidence::model_signature::{Manifest, ModelSignature, PublicKeyPem, SignatureCheck};
use rollbook_fuzz::allocation::within;

/// What the real program signed, and with which key.
const SIGNED: &[u8] = include_bytes!("../../tests/vectors/model-signatures/p256.sig");
const KEY: &[u8] = include_bytes!("../../tests/vectors/model-signatures/p256.pub");

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, rest)) = bytes.split_first() else { return };
    match kind {
        0 => bundle(rest),
        1 => bundle(&around(rest)),
        _ => list(rest),
    }
});

/// The real bundle with another statement.
fn around(statement: &[u8]) -> Vec<u8> {
    let mut bundle: serde_json::Value = serde_json::from_slice(SIGNED).expect("a bundle");
    bundle["dsseEnvelope"]["payload"] = STANDARD.encode(statement).into();
    bundle.to_string().into_bytes()
}

fn bundle(bytes: &[u8]) {
    // Texts and lists of the JSON, decoded, in lists that grow by doubling.
    let held_max = (64 << 10) + 16 * bytes.len();
    let Ok(signature) = within(held_max, || ModelSignature::parse(bytes)) else { return };
    let key = [PublicKeyPem::parse(KEY).expect("a key")];
    if let SignatureCheck::Good { .. } = signature.verify(&key) {
        let signed = ModelSignature::parse(SIGNED).expect("a bundle");
        // The key signed the vectors alone, of which three are over other hashes or pieces.
        let is_other = !matches!(signature.manifest(), Manifest::Files(_));
        assert!(is_other || (signature.root(), signature.manifest()) == (signed.root(), signed.manifest()));
    }
    if let Manifest::Shards(shards) = signature.manifest() {
        for file in &shards.files {
            assert_eq!(file.size.div_ceil(shards.shard_bytes), file.pieces.len() as u64);
        }
    }
}

fn list(bytes: &[u8]) {
    let held_max = (64 << 10) + 8 * bytes.len();
    let Ok(files) = within(held_max, || ModelFiles::parse(bytes)) else { return };
    assert_eq!(files.to_list(), bytes);
    assert_eq!(files.differences(&files), []);
}
