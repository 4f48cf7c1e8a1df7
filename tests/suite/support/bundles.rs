//! Signatures over models, made as OpenSSF model signing makes them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use p256::ecdsa::signature::Signer as _;
use pkcs8::{EncodePublicKey as _, LineEnding};
use rollbook::hash::Hash;
use rollbook::signing::envelope::pae;
use serde_json::{Value, json};

/// A key that signs models.
pub(crate) enum ModelKey {
    P256(p256::ecdsa::SigningKey),
    P384(p384::ecdsa::SigningKey),
    P521(p521::ecdsa::SigningKey),
}

impl ModelKey {
    pub(crate) fn p256(seed: u8) -> Self {
        Self::P256(p256::ecdsa::SigningKey::from_slice(&[seed; 32]).unwrap())
    }

    pub(crate) fn p384(seed: u8) -> Self {
        Self::P384(p384::ecdsa::SigningKey::from_slice(&[seed; 48]).unwrap())
    }

    pub(crate) fn p521(seed: u8) -> Self {
        let mut secret = [seed; 66];
        secret[0] = 0;
        Self::P521(p521::ecdsa::SigningKey::from_slice(&secret).unwrap())
    }

    /// The public half, as PEM.
    pub(crate) fn public_pem(&self) -> String {
        match self {
            Self::P256(key) => key.verifying_key().to_public_key_pem(LineEnding::LF),
            Self::P384(key) => key.verifying_key().to_public_key_pem(LineEnding::LF),
            Self::P521(key) => key.verifying_key().to_public_key_pem(LineEnding::LF),
        }
        .unwrap()
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::P256(key) => {
                let signature: p256::ecdsa::DerSignature = key.sign(message);
                signature.as_bytes().to_vec()
            }
            Self::P384(key) => {
                let signature: p384::ecdsa::DerSignature = key.sign(message);
                signature.as_bytes().to_vec()
            }
            Self::P521(key) => {
                let signature: p521::ecdsa::DerSignature = key.sign(message);
                signature.as_bytes().to_vec()
            }
        }
    }

    /// The bundle around a statement.
    pub(crate) fn bundle(&self, statement: &Value) -> String {
        let payload = statement.to_string();
        let sig = self.sign(&pae("application/vnd.in-toto+json", payload.as_bytes()));
        json!({
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {
                "publicKey": { "hint": Hash::of(self.public_pem().as_bytes()) },
                "tlogEntries": [],
            },
            "dsseEnvelope": {
                "payload": STANDARD.encode(payload),
                "payloadType": "application/vnd.in-toto+json",
                "signatures": [{ "sig": STANDARD.encode(sig), "keyid": "" }],
            },
        })
        .to_string()
    }

    /// The bundle over files with these contents, in the order of the root.
    pub(crate) fn sign_files(&self, files: &[(&str, &str)]) -> String {
        self.bundle(&statement(files))
    }
}

/// What is signed of files with these contents.
pub(crate) fn statement(files: &[(&str, &str)]) -> Value {
    let digests: Vec<Hash> = files.iter().map(|(_, content)| Hash::of(content.as_bytes())).collect();
    let raw: Vec<u8> = digests.iter().flat_map(|digest| *digest.as_bytes()).collect();
    let resource = |((name, _), digest): (&(&str, &str), &Hash)| json!({ "name": name, "algorithm": "sha256", "digest": digest });
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{ "name": "model", "digest": { "sha256": Hash::of(&raw) } }],
        "predicateType": "https://model_signing/signature/v1.0",
        "predicate": {
            "serialization": { "method": "files", "hash_type": "sha256", "allow_symlinks": false },
            "resources": files.iter().zip(&digests).map(resource).collect::<Value>(),
        },
    })
}
