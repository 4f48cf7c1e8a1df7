//! Signatures over models as OpenSSF model signing writes them (model-signing 1.1.1; docs/format.md, `model
//! signature`): a Sigstore bundle v0.3 around a DSSE envelope around an in-toto statement v1, signed with ECDSA.
//!
//! What is signed is a list of the model's files, or of pieces of them, and its root. Whether it is *this* model's list
//! is told by comparing it with the files, or with the digest that was registered. A bundle made with a certificate is
//! read, and its signature not checked: that would take the certificate's authority, its log and a time, all of which
//! Sigstore's own tools judge. So are signatures of model-signing before 1.0, which are refused.

use std::collections::BTreeSet;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use p256::ecdsa::signature::Verifier as _;
use pkcs8::{DecodePublicKey as _, EncodePublicKey as _, LineEnding};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::model_files::{ModelFile, ModelFiles, ModelFilesError, is_path};
use crate::hash::Hash;
use crate::signing::envelope::pae;

/// The largest bundle, in bytes: that of some 200,000 files, and the largest that can be attached. Reading it takes some
/// seven times that in memory.
pub const BUNDLE_BYTES_MAX: usize = 64 << 20;
/// The largest public key file, in bytes. That of P-521 has 268.
pub const PUBLIC_KEY_BYTES_MAX: usize = 16 << 10;
/// The bundle's media type, in itself and as an attachment.
pub const BUNDLE_MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// What the envelope says that it holds.
const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
/// What the statement says that it is.
const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
/// What the statement says of the model.
const PREDICATE_TYPE: &str = "https://model_signing/signature/v1.0";
/// The one hash of files that this program computes.
const SHA256: &str = "sha256";
/// A shard may be as long as this, in bytes: beyond it a JSON number is no longer exact.
const SHARD_BYTES_MAX: f64 = 9_007_199_254_740_992.0;

/// A signature over a model, read. Nothing of it is believed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelSignature {
    signer: BundleSigner,
    /// The statement's bytes, which are what is signed.
    payload: Vec<u8>,
    /// ECDSA, in DER.
    signature: Vec<u8>,
    name: String,
    /// The hash of the digests of all resources, which was computed again.
    root: Hash,
    manifest: Manifest,
}

/// By what a bundle says that it was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BundleSigner {
    /// A key; its hint is the hex SHA-256 of the PEM text of the public half.
    Key {
        /// None in bundles of other tools.
        hint: Option<String>,
    },
    /// A key that a certificate names.
    Certificate,
}

/// What is signed of the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Manifest {
    /// SHA-256 of each file. Its root is the one that Rollbook registers.
    Files(ModelFiles),
    /// SHA-256 of each piece of each file.
    Shards(Shards),
    /// Hashes that this program cannot compute.
    Foreign {
        /// Which ones, such as `blake3`.
        hash_type: String,
    },
}

/// Files in pieces of one length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shards {
    /// How long each piece is but the last of a file, in bytes; never 0.
    pub shard_bytes: u64,
    /// The files, each path once, in the order of the root. An empty file has no piece, and is not among them.
    pub files: Vec<ShardedFile>,
}

/// A file in pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardedFile {
    /// Its path in the model.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// SHA-256 of each piece, in order; never empty.
    pub pieces: Vec<Hash>,
}

/// Why bytes are no signature over a model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelSignatureError {
    /// More than [`BUNDLE_BYTES_MAX`].
    #[error("it has {bytes} bytes, and a bundle has at most {BUNDLE_BYTES_MAX}")]
    TooLarge {
        /// How many.
        bytes: usize,
    },
    /// Not the JSON that is expected.
    #[error("the {part} cannot be read: {reason}")]
    Json {
        /// Bundle or statement.
        part: &'static str,
        /// What the parser says.
        reason: String,
    },
    /// Not the kind of thing that is expected.
    #[error("the {field} is `{}`, expected `{expected}`", actual.chars().take(160).collect::<String>())]
    Kind {
        /// Which field.
        field: &'static str,
        /// What it says.
        actual: String,
        /// What it should say.
        expected: &'static str,
    },
    /// A field that holds what it cannot.
    #[error("{field}: {reason}")]
    Field {
        /// Which one.
        field: &'static str,
        /// Why not.
        reason: String,
    },
    /// The root is not that of the resources.
    #[error("its root is {actual}, and its resources give {expected}")]
    Root {
        /// What the statement says.
        actual: Hash,
        /// What the resources come to.
        expected: Hash,
    },
    /// Files that no model has.
    #[error(transparent)]
    Files(#[from] ModelFilesError),
}

use ModelSignatureError as Error;

/// What becomes of a signature, held against keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureCheck<'a> {
    /// One of the keys made it.
    Good {
        /// The key.
        key: &'a PublicKeyPem,
    },
    /// It says that one of the keys made it, and that key did not.
    Bad {
        /// The key.
        key: &'a PublicKeyPem,
    },
    /// None of the keys made it.
    WrongKey,
    /// It was made with a certificate, which nobody here checks.
    NotChecked,
}

/// The public half of a key that signs models, on one of the curves P-256, P-384 and P-521.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKeyPem {
    key: CurveKey,
    hint: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum CurveKey {
    P256(p256::ecdsa::VerifyingKey),
    P384(p384::ecdsa::VerifyingKey),
    P521(p521::ecdsa::VerifyingKey),
}

/// A file that holds no public key for models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it holds no public key of ECDSA P-256, P-384 or P-521 as PEM (`-----BEGIN PUBLIC KEY-----`)")]
pub struct PublicKeyPemError;

impl PublicKeyPem {
    /// Reads a key: `SubjectPublicKeyInfo` as PEM (RFC 7468, section 13).
    ///
    /// # Errors
    /// [`PublicKeyPemError`].
    pub fn parse(pem: &[u8]) -> Result<Self, PublicKeyPemError> {
        let pem = std::str::from_utf8(pem).map_err(|_| PublicKeyPemError)?.trim();
        let p256 = || p256::ecdsa::VerifyingKey::from_public_key_pem(pem).ok().map(CurveKey::P256);
        let p384 = || p384::ecdsa::VerifyingKey::from_public_key_pem(pem).ok().map(CurveKey::P384);
        let p521 = || p521::ecdsa::VerifyingKey::from_public_key_pem(pem).ok().map(CurveKey::P521);
        let key = p256().or_else(p384).or_else(p521).ok_or(PublicKeyPemError)?;
        let pem = key.to_pem().ok_or(PublicKeyPemError)?;
        Ok(Self { key, hint: hex::encode(Hash::of(pem.as_bytes()).as_bytes()) })
    }

    /// What a bundle names the key by: the hex SHA-256 of its PEM text.
    #[must_use]
    pub fn hint(&self) -> &str {
        &self.hint
    }

    /// Whether `signature`, in DER, is the key's over `message`. The hash goes with the curve, as in model-signing:
    /// SHA-256, SHA-384 and SHA-512.
    fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.key {
            CurveKey::P256(key) => p256::ecdsa::DerSignature::from_bytes(signature)
                .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
            CurveKey::P384(key) => p384::ecdsa::DerSignature::from_bytes(signature)
                .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
            CurveKey::P521(key) => p521::ecdsa::DerSignature::from_bytes(signature)
                .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
        }
    }
}

impl CurveKey {
    fn to_pem(&self) -> Option<String> {
        match self {
            Self::P256(key) => key.to_public_key_pem(LineEnding::LF).ok(),
            Self::P384(key) => key.to_public_key_pem(LineEnding::LF).ok(),
            Self::P521(key) => key.to_public_key_pem(LineEnding::LF).ok(),
        }
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::P256(_) => "P-256",
            Self::P384(_) => "P-384",
            Self::P521(_) => "P-521",
        }
    }
}

impl fmt::Display for PublicKeyPem {
    /// Curve and hint.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} key {}", self.key.name(), self.hint)
    }
}

// The shapes in JSON. What they don't name is passed over, as protobuf's JSON asks.

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BundleJson {
    media_type: String,
    verification_material: MaterialJson,
    dsse_envelope: EnvelopeJson,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MaterialJson {
    public_key: Option<KeyJson>,
    x509_certificate_chain: Option<IgnoredAny>,
    certificate: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct KeyJson {
    hint: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EnvelopeJson {
    payload: String,
    payload_type: String,
    signatures: Vec<SignatureJson>,
}

#[derive(Deserialize)]
struct SignatureJson {
    sig: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StatementJson {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<SubjectJson>,
    predicate_type: String,
    predicate: PredicateJson,
}

#[derive(Deserialize)]
struct SubjectJson {
    name: String,
    digest: SubjectDigestJson,
}

#[derive(Deserialize)]
struct SubjectDigestJson {
    sha256: String,
}

#[derive(Deserialize)]
struct PredicateJson {
    serialization: SerializationJson,
    resources: Vec<ResourceJson>,
}

#[derive(Deserialize)]
struct SerializationJson {
    method: String,
    hash_type: String,
    shard_size: Option<f64>,
}

#[derive(Deserialize)]
struct ResourceJson {
    name: String,
    algorithm: String,
    digest: String,
}

fn read_json<'a, T: Deserialize<'a>>(part: &'static str, json: &'a [u8]) -> Result<T, Error> {
    serde_json::from_slice(json).map_err(|error| Error::Json { part, reason: error.to_string() })
}

fn require(field: &'static str, actual: String, expected: &'static str) -> Result<(), Error> {
    if actual == expected { Ok(()) } else { Err(Error::Kind { field, actual, expected }) }
}

fn unfit(field: &'static str, reason: impl Into<String>) -> Error {
    Error::Field { field, reason: reason.into() }
}

/// The one item of a list.
fn only<T>(field: &'static str, mut items: Vec<T>) -> Result<T, Error> {
    match (items.pop(), items.len()) {
        (Some(item), 0) => Ok(item),
        (last, before) => Err(unfit(
            field,
            format!("{} stand there, and one is expected", before + usize::from(last.is_some())),
        )),
    }
}

impl ModelSignature {
    /// Reads a bundle. Its root is computed again from its resources; no signature is checked.
    ///
    /// # Errors
    /// [`ModelSignatureError`].
    pub fn parse(bundle: &[u8]) -> Result<Self, Error> {
        if bundle.len() > BUNDLE_BYTES_MAX {
            return Err(Error::TooLarge { bytes: bundle.len() });
        }
        let BundleJson { media_type, verification_material, dsse_envelope } = read_json("bundle", bundle)?;
        require("bundle's media type", media_type, BUNDLE_MEDIA_TYPE)?;
        let EnvelopeJson { payload, payload_type, signatures } = dsse_envelope;
        require("payload's type", payload_type, PAYLOAD_TYPE)?;
        let SignatureJson { sig } = only("signatures", signatures)?;
        let payload = STANDARD.decode(payload).map_err(|error| unfit("payload", error.to_string()))?;
        let signature = STANDARD.decode(sig).map_err(|error| unfit("signature", error.to_string()))?;
        let Statement { name, root, manifest } = Statement::parse(&payload)?;
        Ok(Self { signer: signer(verification_material)?, payload, signature, name, root, manifest })
    }

    /// By what it says that it was signed.
    #[must_use]
    pub const fn signer(&self) -> &BundleSigner {
        &self.signer
    }

    /// What the model was called where it was signed: the last part of its path.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// SHA-256 of the digests of all resources, in their order.
    #[must_use]
    pub const fn root(&self) -> Hash {
        self.root
    }

    /// What is signed of the files.
    #[must_use]
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Holds the signature against the keys that somebody trusts. Where it names its key, no other one is tried.
    #[must_use]
    pub fn verify<'a>(&self, keys: &'a [PublicKeyPem]) -> SignatureCheck<'a> {
        let BundleSigner::Key { hint } = &self.signer else { return SignatureCheck::NotChecked };
        let message = pae(PAYLOAD_TYPE, &self.payload);
        for key in keys.iter().filter(|key| hint.as_ref().is_none_or(|hint| *hint == key.hint)) {
            if key.verifies(&message, &self.signature) {
                return SignatureCheck::Good { key };
            }
            if hint.is_some() {
                return SignatureCheck::Bad { key };
            }
        }
        SignatureCheck::WrongKey
    }
}

/// What was signed with: exactly one of a key and a certificate, by whichever name.
fn signer(material: MaterialJson) -> Result<BundleSigner, Error> {
    let MaterialJson { public_key, x509_certificate_chain, certificate } = material;
    match (public_key, x509_certificate_chain.or(certificate)) {
        (Some(KeyJson { hint }), None) => {
            Ok(BundleSigner::Key { hint: hint.filter(|hint| !hint.is_empty()) })
        }
        (None, Some(IgnoredAny)) => Ok(BundleSigner::Certificate),
        (Some(_), Some(_)) => Err(unfit("verification material", "it names both a key and a certificate")),
        (None, None) => Err(unfit("verification material", "it names neither a key nor a certificate")),
    }
}

/// What is signed.
struct Statement {
    name: String,
    root: Hash,
    manifest: Manifest,
}

impl Statement {
    fn parse(payload: &[u8]) -> Result<Self, Error> {
        let StatementJson { kind, subject, predicate_type, predicate } = read_json("statement", payload)?;
        require("statement's type", kind, STATEMENT_TYPE)?;
        require("predicate's type", predicate_type, PREDICATE_TYPE)?;
        let SubjectJson { name, digest } = only("subject", subject)?;
        let PredicateJson { serialization, resources } = predicate;
        if resources.is_empty() {
            return Err(unfit("resources", "there are none"));
        }
        let actual = sha256_of("subject", &digest.sha256)?;
        let expected = root_of(&resources)?;
        if actual != expected {
            return Err(Error::Root { actual, expected });
        }
        let manifest = manifest(&serialization, resources)?;
        Ok(Self { name, root: actual, manifest })
    }
}

fn sha256_of(field: &'static str, digits: &str) -> Result<Hash, Error> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(digits, &mut bytes).map_err(|error| unfit(field, format!("a digest: {error}")))?;
    Ok(Hash::from_bytes(bytes))
}

/// SHA-256 over the raw digests, in their order, however long they are.
fn root_of(resources: &[ResourceJson]) -> Result<Hash, Error> {
    let digests = resources.iter().map(|resource| hex::decode(&resource.digest));
    let digests: Result<Vec<Vec<u8>>, _> = digests.collect();
    let digests = digests.map_err(|error| unfit("resources", format!("a digest: {error}")))?;
    let parts: Vec<&[u8]> = digests.iter().map(Vec::as_slice).collect();
    Ok(Hash::of_parts(&parts))
}

fn manifest(serialization: &SerializationJson, resources: Vec<ResourceJson>) -> Result<Manifest, Error> {
    let SerializationJson { method, hash_type, shard_size } = serialization;
    if hash_type != SHA256 {
        return Ok(Manifest::Foreign { hash_type: hash_type.chars().take(160).collect() });
    }
    match (method.as_str(), shard_size) {
        ("files", _) => files(resources).map(Manifest::Files),
        ("shards", Some(size)) => shards(shard_bytes(*size)?, resources).map(Manifest::Shards),
        ("shards", None) => Err(unfit("serialization", "the size of shards is missing")),
        _ => Err(unfit(
            "serialization",
            format!("`{}` is no method", method.chars().take(160).collect::<String>()),
        )),
    }
}

fn files(resources: Vec<ResourceJson>) -> Result<ModelFiles, Error> {
    let file = |resource: ResourceJson| {
        require("resource's algorithm", resource.algorithm, SHA256)?;
        Ok(ModelFile { sha256: sha256_of("resources", &resource.digest)?, path: resource.name })
    };
    Ok(ModelFiles::new(resources.into_iter().map(file).collect::<Result<_, Error>>()?)?)
}

/// A whole number of bytes, which JSON writes as a double.
fn shard_bytes(size: f64) -> Result<u64, Error> {
    if !(1.0..=SHARD_BYTES_MAX).contains(&size) || size.fract() != 0.0 {
        return Err(unfit("serialization", format!("a shard of {size} bytes")));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a whole number within the bounds"
    )]
    Ok(size as u64)
}

/// Pieces, gathered to files. They must cover each file from its start, without a gap.
fn shards(shard_bytes: u64, resources: Vec<ResourceJson>) -> Result<Shards, Error> {
    let algorithm = format!("{SHA256}-sharded-{shard_bytes}");
    let mut files: Vec<ShardedFile> = Vec::new();
    for ResourceJson { name, algorithm: actual, digest } in resources {
        if actual != algorithm {
            let reason = format!("the algorithm is `{}`", actual.chars().take(160).collect::<String>());
            return Err(unfit("resources", reason));
        }
        let (path, start, end) = piece(&name)?;
        let out_of_place =
            || unfit("resources", format!("{} is out of place", name.chars().take(160).collect::<String>()));
        if files.last().is_none_or(|file| file.path != path) {
            files.push(ShardedFile { path: path.to_owned(), size: 0, pieces: Vec::new() });
        }
        let file = files.last_mut().ok_or_else(out_of_place)?;
        // The piece before this one is whole, and this one begins where it ends.
        let follows = file.size == start && file.size % shard_bytes == 0;
        if !follows || end <= start || end - start > shard_bytes {
            return Err(out_of_place());
        }
        file.size = end;
        file.pieces.push(sha256_of("resources", &digest)?);
    }
    let mut paths = BTreeSet::new();
    match files.iter().find(|file| !paths.insert(file.path.as_str())) {
        Some(file) => Err(ModelFilesError::Twice { path: file.path.clone() }.into()),
        None => Ok(Shards { shard_bytes, files }),
    }
}

/// `path:start:end`.
fn piece(name: &str) -> Result<(&str, u64, u64), Error> {
    let mut parts = name.rsplitn(3, ':');
    let mut number = || parts.next().and_then(|digits| digits.parse().ok());
    let (end, start) = (number(), number());
    match (parts.next(), start, end) {
        (Some(path), Some(start), Some(end)) if is_path(path) => Ok((path, start, end)),
        _ => Err(unfit(
            "resources",
            format!("`{}` is no piece of a file", name.chars().take(160).collect::<String>()),
        )),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    /// Made by model-signing 1.1.1 over the files that `linkage::model` tests digest.
    macro_rules! vector {
        ($name:literal) => {
            include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/model-signatures/", $name))
        };
    }

    const P256: &[u8] = vector!("p256.sig");
    const CURVES: [(&str, &[u8], &[u8]); 3] = [
        ("P-256", P256, vector!("p256.pub")),
        ("P-384", vector!("p384.sig"), vector!("p384.pub")),
        ("P-521", vector!("p521.sig"), vector!("p521.pub")),
    ];
    /// FORMATS of model-signing: the root of the vectors' files.
    const ROOT: &str = "55266a1bc9eeb11c9dcff3bd4b7a81f084644cb9fbdc7d9560fd7c059cd71b71";

    fn key(pem: &[u8]) -> PublicKeyPem {
        PublicKeyPem::parse(pem).unwrap()
    }

    fn signature(bundle: &[u8]) -> ModelSignature {
        ModelSignature::parse(bundle).unwrap()
    }

    /// The bundle, changed.
    fn bundle_with(bundle: &[u8], change: impl FnOnce(&mut Value)) -> Vec<u8> {
        let mut json: Value = serde_json::from_slice(bundle).unwrap();
        change(&mut json);
        json.to_string().into_bytes()
    }

    /// The bundle with its statement changed, and not signed anew.
    fn statement_with(bundle: &[u8], change: impl FnOnce(&mut Value)) -> Vec<u8> {
        bundle_with(bundle, |json| {
            let payload = &mut json["dsseEnvelope"]["payload"];
            let mut statement: Value =
                serde_json::from_slice(&STANDARD.decode(payload.as_str().unwrap()).unwrap()).unwrap();
            change(&mut statement);
            *payload = STANDARD.encode(statement.to_string()).into();
        })
    }

    /// The statement's root, made to fit its resources.
    fn seal(statement: &mut Value) {
        let resources = statement["predicate"]["resources"].as_array().unwrap();
        let digests =
            resources.iter().map(|resource| hex::decode(resource["digest"].as_str().unwrap()).unwrap());
        let root = Hash::of(&digests.collect::<Vec<_>>().concat());
        statement["subject"][0]["digest"]["sha256"] = root.to_string().into();
    }

    #[test]
    fn every_curve_of_the_real_program_verifies() {
        for (curve, bundle, pem) in CURVES {
            let (signature, keys) = (signature(bundle), [key(pem)]);
            assert_eq!(signature.root().to_string(), ROOT, "{curve}");
            assert_eq!(signature.signer(), &BundleSigner::Key { hint: Some(keys[0].hint().to_owned()) });
            assert_eq!(signature.verify(&keys), SignatureCheck::Good { key: &keys[0] }, "{curve}");
            assert!(keys[0].to_string().starts_with(curve));
            let Manifest::Files(files) = signature.manifest() else { panic!("{curve}") };
            assert_eq!(files.files().len(), 8);
            assert_eq!(files.files()[0].path, ".hidden");
            assert_eq!(signature.name(), "model");
        }
    }

    #[test]
    fn a_key_is_found_among_others_and_another_one_is_said_to_be_another() {
        let keys: Vec<PublicKeyPem> = CURVES.iter().map(|(.., pem)| key(pem)).collect();
        for (number, (curve, bundle, _)) in CURVES.iter().enumerate() {
            let signature = signature(bundle);
            assert_eq!(signature.verify(&keys), SignatureCheck::Good { key: &keys[number] }, "{curve}");
            let others: Vec<PublicKeyPem> =
                keys.iter().filter(|key| **key != keys[number]).cloned().collect();
            assert_eq!(signature.verify(&others), SignatureCheck::WrongKey, "{curve}");
            assert_eq!(signature.verify(&[]), SignatureCheck::WrongKey);
        }
    }

    #[test]
    fn a_bundle_without_a_hint_is_tried_with_every_key() {
        let keys: Vec<PublicKeyPem> = CURVES.iter().rev().map(|(.., pem)| key(pem)).collect();
        for hint in [json!({}), json!({ "hint": null }), json!({ "hint": "" })] {
            let bundle = bundle_with(P256, |json| json["verificationMaterial"]["publicKey"] = hint);
            assert_eq!(signature(&bundle).verify(&keys), SignatureCheck::Good { key: &keys[2] });
            assert_eq!(signature(&bundle).verify(&keys[..2]), SignatureCheck::WrongKey);
        }
    }

    #[test]
    fn what_is_changed_is_signed_no_more() {
        for (curve, bundle, pem) in CURVES {
            let keys = [key(pem)];
            let renamed =
                statement_with(bundle, |json| json["predicate"]["resources"][4]["name"] = "b.txt".into());
            let resealed = statement_with(bundle, |json| {
                json["predicate"]["resources"].as_array_mut().unwrap().pop();
                seal(json);
            });
            let other_hand = bundle_with(bundle, |json| {
                let sig = json["dsseEnvelope"]["signatures"][0]["sig"].as_str().unwrap();
                let mut sig = STANDARD.decode(sig).unwrap();
                *sig.last_mut().unwrap() ^= 1;
                json["dsseEnvelope"]["signatures"][0]["sig"] = STANDARD.encode(sig).into();
            });
            // The same JSON in other bytes: what is signed are bytes.
            let respelt = statement_with(bundle, |_| {});
            for (what, bundle) in
                [("renamed", renamed), ("resealed", resealed), ("another", other_hand), ("respelt", respelt)]
            {
                let bad = SignatureCheck::Bad { key: &keys[0] };
                assert_eq!(signature(&bundle).verify(&keys), bad, "{curve} {what}");
            }
        }
    }

    #[test]
    fn a_certificate_is_never_good() {
        let bundle = vector!("certificate.sig");
        let signature = signature(bundle);
        assert_eq!(signature.signer(), &BundleSigner::Certificate);
        assert_eq!(signature.root().to_string(), ROOT);
        let keys: Vec<PublicKeyPem> = CURVES.iter().map(|(.., pem)| key(pem)).collect();
        assert_eq!(signature.verify(&keys), SignatureCheck::NotChecked);
        let named = bundle_with(bundle, |json| json["verificationMaterial"] = json!({ "certificate": {} }));
        assert_eq!(ModelSignature::parse(&named).unwrap().verify(&keys), SignatureCheck::NotChecked);
    }

    #[test]
    fn pieces_are_gathered_to_files() {
        let signature = signature(vector!("shards.sig"));
        let keys = [key(CURVES[0].2)];
        assert_eq!(signature.verify(&keys), SignatureCheck::Good { key: &keys[0] });
        let Manifest::Shards(shards) = signature.manifest() else { panic!("{signature:?}") };
        assert_eq!(shards.shard_bytes, 3);
        let sizes: Vec<(&str, u64, usize)> =
            shards.files.iter().map(|file| (file.path.as_str(), file.size, file.pieces.len())).collect();
        // Each file holds its own path; `empty` has no piece.
        let expected = [
            (".hidden", 7, 3),
            ("A/y", 3, 1),
            ("a/x", 3, 1),
            ("a-b/x", 5, 2),
            ("a.txt", 5, 2),
            ("sub/.git/HEAD", 13, 5),
            ("ü/z", 4, 2),
        ];
        assert_eq!(sizes, expected);
        assert_eq!(shards.files[0].pieces[2], Hash::of(b"n"));
    }

    #[test]
    fn other_hashes_are_named_and_their_signature_still_tells() {
        for (bundle, hash) in [(&vector!("blake2b.sig")[..], "blake2b"), (vector!("blake3.sig"), "blake3")] {
            let (signature, keys) = (signature(bundle), [key(CURVES[0].2)]);
            assert_eq!(signature.manifest(), &Manifest::Foreign { hash_type: hash.to_owned() });
            assert_eq!(signature.verify(&keys), SignatureCheck::Good { key: &keys[0] });
        }
    }

    /// A change of a bundle, and what its refusal says.
    type Rejected = (&'static str, fn(&mut Value), &'static str);

    const REJECTED_BUNDLES: [Rejected; 10] = [
        (
            "v0.2",
            |json| json["mediaType"] = json!("application/vnd.dev.sigstore.bundle+json;version=0.2"),
            "media type",
        ),
        ("no envelope", |json| drop(json.as_object_mut().unwrap().remove("dsseEnvelope")), "missing field"),
        (
            "another payload",
            |json| json["dsseEnvelope"]["payloadType"] = json!("text/plain"),
            "payload's type",
        ),
        ("no signature", |json| json["dsseEnvelope"]["signatures"] = json!([]), "0 stand there"),
        (
            "two signatures",
            |json| json["dsseEnvelope"]["signatures"] = json!([{"sig": ""}, {"sig": ""}]),
            "2 stand",
        ),
        ("no base64", |json| json["dsseEnvelope"]["payload"] = json!("%"), "payload:"),
        (
            "base64 without padding",
            |json| json["dsseEnvelope"]["signatures"][0]["sig"] = json!("QQ"),
            "signature:",
        ),
        (
            "no JSON in it",
            |json| json["dsseEnvelope"]["payload"] = json!("QQ=="),
            "the statement cannot be read",
        ),
        (
            "nothing signs",
            |json| json["verificationMaterial"] = json!({"tlogEntries": []}),
            "neither a key nor",
        ),
        ("both sign", |json| json["verificationMaterial"]["certificate"] = json!({}), "both a key and"),
    ];

    const REJECTED_STATEMENTS: [Rejected; 12] = [
        (
            "another statement",
            |json| json["_type"] = json!("https://in-toto.io/Statement/v0.1"),
            "statement's type",
        ),
        (
            "before 1.0",
            |json| json["predicateType"] = json!("https://model_signing/Digests/v0.1"),
            "predicate's type",
        ),
        ("no subject", |json| json["subject"] = json!([]), "subject: 0 stand"),
        (
            "two subjects",
            |json| {
                let s = json["subject"][0].clone();
                json["subject"].as_array_mut().unwrap().push(s);
            },
            "subject: 2",
        ),
        (
            "another root",
            |json| json["subject"][0]["digest"]["sha256"] = json!("00".repeat(32)),
            "its root is 0000",
        ),
        ("a short root", |json| json["subject"][0]["digest"]["sha256"] = json!("00"), "subject: a digest"),
        ("nothing in it", |json| json["predicate"]["resources"] = json!([]), "there are none"),
        ("odd hex", |json| json["predicate"]["resources"][0]["digest"] = json!("0"), "resources: a digest"),
        (
            "a path outside",
            |json| json["predicate"]["resources"][0]["name"] = json!("../x"),
            "not a path inside",
        ),
        (
            "a path twice",
            |json| json["predicate"]["resources"][0]["name"] = json!("A/y"),
            "`A/y` stands twice",
        ),
        (
            "another algorithm",
            |json| json["predicate"]["resources"][0]["algorithm"] = json!("md5"),
            "algorithm is `md5`",
        ),
        (
            "no such method",
            |json| json["predicate"]["serialization"]["method"] = json!("tensors"),
            "is no method",
        ),
    ];

    const REJECTED_SHARDS: [Rejected; 8] = [
        ("no size", |json| json["predicate"]["serialization"]["shard_size"] = json!(null), "size of shards"),
        ("half a byte", |json| json["predicate"]["serialization"]["shard_size"] = json!(2.5), "2.5 bytes"),
        ("no byte", |json| json["predicate"]["serialization"]["shard_size"] = json!(0), "0 bytes"),
        ("huge", |json| json["predicate"]["serialization"]["shard_size"] = json!(1e300), "bytes"),
        (
            "another size",
            |json| json["predicate"]["serialization"]["shard_size"] = json!(4),
            "sha256-sharded-3",
        ),
        ("a gap", |json| json["predicate"]["resources"][0]["name"] = json!(".hidden:1:3"), "out of place"),
        (
            "a long piece",
            |json| json["predicate"]["resources"][0]["name"] = json!(".hidden:0:4"),
            "out of place",
        ),
        (
            "no piece",
            |json| json["predicate"]["resources"][0]["name"] = json!(".hidden"),
            "no piece of a file",
        ),
    ];

    #[test]
    fn rejected_bundles_say_why() {
        for (what, change, says) in REJECTED_BUNDLES {
            let error = ModelSignature::parse(&bundle_with(P256, change)).unwrap_err().to_string();
            assert!(error.contains(says), "{what}: {error}");
        }
        let shards: &[u8] = vector!("shards.sig");
        let statements = REJECTED_STATEMENTS.iter().map(|rejected| (P256, rejected));
        for (bundle, (what, change, says)) in
            statements.chain(REJECTED_SHARDS.iter().map(|rejected| (shards, rejected)))
        {
            let error = ModelSignature::parse(&statement_with(bundle, change)).unwrap_err().to_string();
            assert!(error.contains(says), "{what}: {error}");
        }
        let file_in_two_places = statement_with(shards, |json| {
            let first = json["predicate"]["resources"][3].clone();
            json["predicate"]["resources"].as_array_mut().unwrap().push(first);
            seal(json);
        });
        let error = ModelSignature::parse(&file_in_two_places).unwrap_err().to_string();
        assert_eq!(error, "`A/y` stands twice");
    }

    #[test]
    fn a_deep_or_large_bundle_is_refused() {
        let deep = [vec![b'['; 1 << 20], vec![b']'; 1 << 20]].concat();
        assert!(matches!(ModelSignature::parse(&deep), Err(Error::Json { .. })));
        let nested = bundle_with(P256, |json| json["more"] = json!("x"));
        let nested = String::from_utf8(nested).unwrap().replace("\"x\"", &"[".repeat(100_000));
        assert!(matches!(ModelSignature::parse(nested.as_bytes()), Err(Error::Json { .. })));
        let twice = String::from_utf8(P256.to_vec()).unwrap().replacen('{', "{\"mediaType\":\"x\",", 1);
        assert!(ModelSignature::parse(twice.as_bytes()).unwrap_err().to_string().contains("duplicate field"));
        let large = vec![b' '; BUNDLE_BYTES_MAX + 1];
        assert_eq!(ModelSignature::parse(&large), Err(Error::TooLarge { bytes: BUNDLE_BYTES_MAX + 1 }));
    }

    #[test]
    fn what_is_no_key_for_models_is_refused() {
        let p256 = std::str::from_utf8(CURVES[0].2).unwrap();
        let crlf = p256.replace('\n', "\r\n");
        assert_eq!(key(crlf.as_bytes()).hint(), key(p256.as_bytes()).hint(), "one key, one hint");
        // openssl genpkey -algorithm ed25519 | openssl pkey -pubout
        let ed25519 = "-----BEGIN PUBLIC KEY-----\n\
            MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n";
        let off_curve = p256.replacen(
            "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE",
            "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEAAAA",
            1,
        );
        for wrong in ["", "x", ed25519, &p256[..100], &off_curve, &p256.replace("PUBLIC", "PRIVATE")] {
            assert_eq!(PublicKeyPem::parse(wrong.as_bytes()), Err(PublicKeyPemError), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_input_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = ModelSignature::parse(&bytes);
            let _ = PublicKeyPem::parse(&bytes);
        }

        #[test]
        fn no_flipped_byte_of_a_bundle_verifies_another_statement(at in 0..P256.len(), flip in 1_u8..) {
            let mut bytes = P256.to_vec();
            bytes[at] ^= flip;
            let keys = [key(CURVES[0].2)];
            if let Ok(read) = ModelSignature::parse(&bytes)
                && matches!(read.verify(&keys), SignatureCheck::Good { .. })
            {
                prop_assert_eq!(read.payload, signature(P256).payload);
            }
        }

        #[test]
        fn hostile_names_and_numbers_are_read_or_refused(
            name in "\\PC{0,20}(:[0-9]{0,22}){0,3}",
            size in prop::num::f64::ANY,
            digest in "[0-9a-f]{0,70}",
        ) {
            for bundle in [P256, vector!("shards.sig")] {
                let bundle = statement_with(bundle, |json| {
                    json["predicate"]["resources"][0] = json!({
                        "name": name, "algorithm": "sha256-sharded-3", "digest": digest,
                    });
                    json["predicate"]["serialization"]["shard_size"] = json!(size);
                });
                let _ = ModelSignature::parse(&bundle);
            }
        }
    }
}
