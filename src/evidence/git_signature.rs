//! SSH signatures of Git objects: whether one is good, and by which key.
//!
//! The format is OpenSSH's PROTOCOL.sshsig, read as `ssh-keygen -Y verify` reads it: the armour may be wrapped anywhere
//! and text may follow it, but no byte may follow the signature inside it. Ed25519 is verified strictly, under a key
//! that could be granted (decision 5); a security key's Ed25519 as well. ECDSA on the curves P-256, P-384 and P-521
//! (a security key's on P-256) and RSA with SHA-2 are verified by the crates that `ssh-key` brings.
//!
//! Not taken, each with a fault of its own: certificates, DSA, RSA with SHA-1 or with a modulus outside 1,024 to 8,192
//! bits, WebAuthn. OpenPGP and X.509 signatures are recognised and not checked. Whether the key that signed is allowed
//! to is [`crate::evidence::allowed_signers`]'s, and the ledger's grants'.

use std::collections::HashMap;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::ed25519::signature::Verifier as _;
use sha2::{Digest, Sha256, Sha512};
use ssh_key::encoding::Decode as _;
use ssh_key::public::{KeyData, RsaPublicKey};
use ssh_key::{Algorithm, HashAlg, Signature};

use super::git_object::SignedPart;
use super::openpgp;
use crate::signing::public_key::{
    PublicKey, SSH_ED25519, SignatureBytes, put_ssh_string, take_ssh_string, take_ssh_u32,
};
use crate::signing::verify::{CheckedKey, KeyDefect};

/// The namespace in which Git signs.
pub const NAMESPACE: &str = "git";

/// The longest signature text that is read, in bytes. RSA's of 8,192 bits, with its key, takes 3,000.
pub const SIGNATURE_BYTES_MAX: usize = 64 * 1024;

/// The widths of RSA that are verified, in bits: OpenSSH's least, and the most that the crate `rsa` takes.
const RSA_BITS: std::ops::RangeInclusive<u32> = 1024..=8192;

/// How an object is signed, as far as its bytes say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signed {
    /// The object's bytes are not at hand: nothing is said.
    NotEmbedded,
    /// It bears no signature.
    Unsigned,
    /// It bears a signature of a sort that is not checked here, and never counts as good.
    Unchecked {
        /// Whose it says it is: `OpenPGP key 1234ABCD…`, `an X.509 certificate`.
        by: String,
    },
    /// It bears an SSH signature that is not good.
    Bad(SignatureFault),
    /// It bears a good SSH signature by this key. Nothing is said about whether that key is allowed to sign.
    Good(SshKey),
}

impl Signed {
    /// The verdict on an object whose signed part was looked for.
    #[must_use]
    pub fn of(keys: &mut dyn KnownKeys, part: Option<&SignedPart<'_>>) -> Self {
        let Some(part) = part else { return Self::Unsigned };
        if let Some(by) = unchecked_signer(&part.signature) {
            return Self::Unchecked { by };
        }
        match check_with(keys, &part.payload, &part.signature, NAMESPACE) {
            Ok(key) => Self::Good(key),
            Err(fault) => Self::Bad(fault),
        }
    }

    /// The key that signed well.
    #[must_use]
    pub const fn good(&self) -> Option<&SshKey> {
        match self {
            Self::Good(key) => Some(key),
            _ => None,
        }
    }

    /// What is wrong with the signature.
    #[must_use]
    pub const fn fault(&self) -> Option<&SignatureFault> {
        match self {
            Self::Bad(fault) => Some(fault),
            _ => None,
        }
    }
}

impl fmt::Display for Signed {
    /// What stands behind "the tag is …".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotEmbedded => f.write_str("not embedded"),
            Self::Unsigned => f.write_str("not signed"),
            Self::Unchecked { by } => write!(f, "signed by {by}, not checked"),
            Self::Bad(fault) => write!(f, "signed, but {fault}"),
            Self::Good(key) => write!(f, "signed by {key}"),
        }
    }
}

/// Who made a signature of a sort that is not checked; none where the sort is SSH's, or nobody's.
fn unchecked_signer(signature: &[u8]) -> Option<String> {
    if signature.starts_with(b"-----BEGIN PGP ") {
        let issuer = openpgp::issuer(signature);
        return Some(issuer.map_or_else(|| "an OpenPGP key".to_owned(), |id| format!("OpenPGP key {id}")));
    }
    signature.starts_with(b"-----BEGIN SIGNED MESSAGE-----").then(|| "an X.509 certificate".to_owned())
}

/// What is wrong with an SSH signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureFault {
    /// The text is longer than any signature.
    #[error("the signature's text has {bytes} bytes, at most {SIGNATURE_BYTES_MAX} are read")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Neither SSH's, nor OpenPGP's, nor X.509's.
    #[error("the signature is of no known sort")]
    UnknownSort,
    /// It cannot be read.
    #[error("the signature is malformed: {what}")]
    Malformed {
        /// The first thing that is not as the format says.
        what: &'static str,
    },
    /// It was made for something else.
    #[error("the signature is for the namespace `{namespace}`, not for `git`")]
    Namespace {
        /// For what, up to 64 characters.
        namespace: String,
    },
    /// The key is a certificate, which is not checked here.
    #[error("it is signed under an SSH certificate ({algorithm}), which is not taken: only plain keys are")]
    Certificate {
        /// The certificate's type.
        algorithm: String,
    },
    /// An algorithm that is not taken.
    #[error("it is signed by {algorithm}, which is not taken")]
    Unsupported {
        /// Key type, signature type or hash.
        algorithm: String,
    },
    /// The key is one under which signatures prove nothing.
    #[error("its key proves nothing: {0}")]
    Key(KeyDefect),
    /// Other bytes were signed, or by another key.
    #[error("the signature does not fit these bytes and this key")]
    Mismatch,
}

/// A public key as OpenSSH has them, of an algorithm that is verified here. Two are equal where they are the same key.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SshKey(Kind);

#[derive(Clone, PartialEq, Eq, Hash)]
enum Kind {
    Ed25519(PublicKey),
    // Invariant: ECDSA, RSA within its bits, or a security key's.
    Other(Box<KeyData>),
}

impl SshKey {
    /// Reads the SSH wire form (RFC 4253 section 6.6), to its last byte.
    ///
    /// # Errors
    /// [`SignatureFault`] of the variants that speak of a key: malformed, a certificate, or not taken. Whether an
    /// Ed25519 key proves anything is looked at when a signature is verified.
    pub fn from_wire(wire: &[u8]) -> Result<Self, SignatureFault> {
        let malformed = || malformed("the key");
        if let Some(key) = PublicKey::from_ssh_wire(wire) {
            return Ok(Self(Kind::Ed25519(key)));
        }
        let name = take_ssh_string(&mut &*wire).ok_or_else(malformed)?;
        let name = std::str::from_utf8(name).map_err(|_| malformed())?;
        if name.contains("-cert-v") {
            return Err(SignatureFault::Certificate { algorithm: shortened(name) });
        }
        let unsupported =
            || SignatureFault::Unsupported { algorithm: format!("a key of type {}", shortened(name)) };
        match Algorithm::new(name).map_err(|_| unsupported())? {
            Algorithm::Ecdsa { .. }
            | Algorithm::Rsa { hash: None }
            | Algorithm::SkEd25519
            | Algorithm::SkEcdsaSha2NistP256 => {}
            Algorithm::Ed25519 => return Err(malformed()),
            _ => return Err(unsupported()),
        }
        let mut rest = wire;
        let key = KeyData::decode(&mut rest).map_err(|_| malformed())?;
        if !rest.is_empty() {
            return Err(malformed());
        }
        match key.rsa().map(RsaPublicKey::key_size).filter(|bits| !RSA_BITS.contains(bits)) {
            Some(bits) => {
                Err(SignatureFault::Unsupported { algorithm: format!("an RSA key of {bits} bits") })
            }
            None => Ok(Self(Kind::Other(Box::new(key)))),
        }
    }

    /// The key's name in OpenSSH: `SHA256:` and base64.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        match &self.0 {
            Kind::Ed25519(key) => key.fingerprint().to_string(),
            Kind::Other(key) => key.fingerprint(HashAlg::Sha256).to_string(),
        }
    }

    /// The key's type in OpenSSH: `ssh-ed25519`, `ecdsa-sha2-nistp256`, `ssh-rsa`, …
    #[must_use]
    pub fn algorithm(&self) -> String {
        match &self.0 {
            Kind::Ed25519(_) => Algorithm::Ed25519.to_string(),
            Kind::Other(key) => key.algorithm().to_string(),
        }
    }

    /// The key, where it is Ed25519's and no security key's, which are the keys that the ledger grants.
    #[must_use]
    pub fn ed25519(&self) -> Option<PublicKey> {
        match &self.0 {
            Kind::Ed25519(key) => Some(*key),
            Kind::Other(_) => None,
        }
    }
}

impl fmt::Display for SshKey {
    /// As `ssh-keygen -l` has it: `ssh-ed25519 SHA256:…`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.algorithm(), self.fingerprint())
    }
}

impl fmt::Debug for SshKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Checks the armoured SSH signature `armored` of `payload`, and says by which key it is.
///
/// # Errors
/// [`SignatureFault`], the first in the order in which `ssh-keygen` looks: armour, fields, namespace, algorithms, and
/// then the signature itself.
pub fn check_ssh_signature(
    payload: &[u8],
    armored: &[u8],
    namespace: &str,
) -> Result<SshKey, SignatureFault> {
    check_with(&mut CheckedKeys::default(), payload, armored, namespace)
}

/// Ed25519 keys, and whether they could be granted. To find that out costs as much as a signature, and few keys sign
/// many objects: so it is remembered. A verdict is the same whatever is.
pub trait KnownKeys {
    /// Checks a key, or remembers what came of it.
    ///
    /// # Errors
    /// [`KeyDefect`]: no signature under it counts.
    fn check(&mut self, key: &PublicKey) -> Result<CheckedKey, KeyDefect>;
}

/// [`KnownKeys`] of one's own.
#[derive(Debug, Default)]
pub struct CheckedKeys(HashMap<PublicKey, Result<CheckedKey, KeyDefect>>);

impl CheckedKeys {
    /// How many are remembered, about 300 bytes each: far more than sign in one repository. Before one more all are
    /// forgotten, so that a log of keys made up for it fills no memory.
    const KEYS_MAX: usize = 1024;
}

impl KnownKeys for CheckedKeys {
    fn check(&mut self, key: &PublicKey) -> Result<CheckedKey, KeyDefect> {
        if self.0.len() >= Self::KEYS_MAX && !self.0.contains_key(key) {
            self.0.clear();
        }
        self.0.entry(*key).or_insert_with(|| CheckedKey::new(key)).clone()
    }
}

fn check_with(
    keys: &mut dyn KnownKeys,
    payload: &[u8],
    armored: &[u8],
    namespace: &str,
) -> Result<SshKey, SignatureFault> {
    let blob = dearmor(armored)?;
    let parts = SshSig::parse(&blob)?;
    if parts.namespace != namespace.as_bytes() {
        let namespace = shortened(&String::from_utf8_lossy(parts.namespace));
        return Err(SignatureFault::Namespace { namespace });
    }
    let key = SshKey::from_wire(parts.public_key)?;
    let message = parts.signed_data(payload)?;
    RawSignature::parse(parts.signature)?.verify(keys, &key, &message)?;
    Ok(key)
}

const BEGIN: &[u8] = b"-----BEGIN SSH SIGNATURE-----";
const END: &[u8] = b"\n-----END SSH SIGNATURE-----";

/// The bytes inside the armour. As OpenSSH does, white space inside is passed over, and so is all behind the end.
fn dearmor(armored: &[u8]) -> Result<Vec<u8>, SignatureFault> {
    if armored.len() > SIGNATURE_BYTES_MAX {
        return Err(SignatureFault::TooLong { bytes: armored.len() });
    }
    let text = armored.strip_prefix(BEGIN).ok_or(SignatureFault::UnknownSort)?;
    // Newer versions of OpenSSH take CR LF here, too; the older ones LF alone.
    let text = text.strip_prefix(b"\n").ok_or(malformed("its first line"))?;
    let end = text.windows(END.len()).position(|window| window == END);
    let text = &text[..end.ok_or(malformed("the armour has no end"))?];
    let is_space = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0x0b;
    let base64: Vec<u8> = text.iter().copied().filter(|byte| !is_space(byte)).collect();
    STANDARD.decode(base64).map_err(|_| malformed("the armour's base64"))
}

/// The fields of PROTOCOL.sshsig, as they stand in the armour.
struct SshSig<'a> {
    public_key: &'a [u8],
    namespace: &'a [u8],
    hash: &'a [u8],
    signature: &'a [u8],
}

impl<'a> SshSig<'a> {
    const MAGIC: &'static [u8] = b"SSHSIG";
    const VERSION: u32 = 1;

    fn parse(blob: &'a [u8]) -> Result<Self, SignatureFault> {
        let mut rest = blob.strip_prefix(Self::MAGIC).ok_or(malformed("no `SSHSIG` in front"))?;
        if take_ssh_u32(&mut rest) != Some(Self::VERSION) {
            return Err(malformed("its version is not 1"));
        }
        let mut take = |what| take_ssh_string(&mut rest).ok_or(malformed(what));
        let (public_key, namespace) = (take("the key")?, take("the namespace")?);
        // "Implementations should ignore the reserved field if it is not empty."
        take("the reserved field")?;
        let (hash, signature) = (take("the hash")?, take("the signature in it")?);
        if !rest.is_empty() {
            return Err(malformed("bytes follow it"));
        }
        Ok(Self { public_key, namespace, hash, signature })
    }

    /// The bytes that the key has signed: in them stands the hash of the payload.
    fn signed_data(&self, payload: &[u8]) -> Result<Vec<u8>, SignatureFault> {
        let mut data = Vec::with_capacity(128);
        data.extend_from_slice(Self::MAGIC);
        put_ssh_string(&mut data, self.namespace);
        put_ssh_string(&mut data, b"");
        put_ssh_string(&mut data, self.hash);
        match self.hash {
            b"sha512" => put_ssh_string(&mut data, &Sha512::digest(payload)),
            b"sha256" => put_ssh_string(&mut data, &Sha256::digest(payload)),
            _ => {
                let hash = shortened(&String::from_utf8_lossy(self.hash));
                return Err(SignatureFault::Unsupported { algorithm: format!("the hash {hash}") });
            }
        }
        Ok(data)
    }
}

/// A signature in the wire form of its algorithm (RFC 4253 section 6.6; RFC 5656; RFC 8332; PROTOCOL.u2f).
struct RawSignature<'a> {
    algorithm: &'a str,
    data: &'a [u8],
    /// A security key's flags and counter, 5 bytes; of other keys none.
    of_security_key: &'a [u8],
}

impl<'a> RawSignature<'a> {
    fn parse(mut blob: &'a [u8]) -> Result<Self, SignatureFault> {
        let what = "the signature in it";
        let algorithm = take_ssh_string(&mut blob).ok_or(malformed(what))?;
        let algorithm = std::str::from_utf8(algorithm).map_err(|_| malformed(what))?;
        let data = take_ssh_string(&mut blob).ok_or(malformed(what))?;
        let is_security_key = algorithm.starts_with("sk-");
        if blob.len() != if is_security_key { 5 } else { 0 } {
            return Err(malformed(what));
        }
        Ok(Self { algorithm, data, of_security_key: blob })
    }

    fn verify(&self, keys: &mut dyn KnownKeys, key: &SshKey, message: &[u8]) -> Result<(), SignatureFault> {
        match &key.0 {
            Kind::Ed25519(key) if self.algorithm == SSH_ED25519 => self.verify_ed25519(keys, key, message),
            Kind::Ed25519(_) => Err(malformed("key and signature are of different algorithms")),
            Kind::Other(key) => self.verify_other(keys, key, message),
        }
    }

    /// Strictly, and under a key that could be granted: what is good here is good for everybody.
    fn verify_ed25519(
        &self,
        keys: &mut dyn KnownKeys,
        key: &PublicKey,
        message: &[u8],
    ) -> Result<(), SignatureFault> {
        let signature = self.data.try_into().map_err(|_| malformed("an Ed25519 signature has 64 bytes"))?;
        let key = keys.check(key).map_err(SignatureFault::Key)?;
        let verified = key.verify_strict(message, &SignatureBytes::from_bytes(signature));
        verified.map_err(|_| SignatureFault::Mismatch)
    }

    fn verify_other(
        &self,
        keys: &mut dyn KnownKeys,
        key: &KeyData,
        message: &[u8],
    ) -> Result<(), SignatureFault> {
        let mismatched = || malformed("key and signature are of different algorithms");
        let algorithm = Algorithm::new(self.algorithm).map_err(|_| self.unsupported())?;
        let mut data = self.data.to_vec();
        match (key, &algorithm) {
            (KeyData::SkEd25519(key), Algorithm::SkEd25519) => {
                let signed = self.signed_by_security_key(key.application(), message);
                return self.verify_ed25519(keys, &PublicKey::from_bytes(key.public_key().0), &signed);
            }
            (KeyData::Rsa(_), Algorithm::Rsa { hash: None }) | (_, Algorithm::Other(_)) => {
                return Err(self.unsupported());
            }
            (KeyData::Rsa(key), Algorithm::Rsa { .. }) => data = padded(&data, key),
            (KeyData::Ecdsa(_), Algorithm::Ecdsa { .. }) if key.algorithm() == algorithm => {}
            (KeyData::SkEcdsaSha2NistP256(_), Algorithm::SkEcdsaSha2NistP256) => {
                data.extend_from_slice(self.of_security_key);
            }
            _ => return Err(mismatched()),
        }
        let signature = Signature::new(algorithm, data).map_err(|_| malformed("the signature in it"))?;
        key.verify(message, &signature).map_err(|_| SignatureFault::Mismatch)
    }

    /// What a security key signs for `message` (PROTOCOL.u2f, "SSH U2F Signatures"). That somebody touched it, the
    /// flags say; `ssh-keygen` does not ask for it, and neither does this.
    fn signed_by_security_key(&self, application: &str, message: &[u8]) -> Vec<u8> {
        let (application, message) = (Sha256::digest(application), Sha256::digest(message));
        [application.as_slice(), self.of_security_key, &message].concat()
    }

    fn unsupported(&self) -> SignatureFault {
        SignatureFault::Unsupported {
            algorithm: format!("a signature of type {}", shortened(self.algorithm)),
        }
    }
}

/// An RSA signature as long as its key's modulus: OpenSSH takes one without its leading zeros.
fn padded(data: &[u8], key: &RsaPublicKey) -> Vec<u8> {
    let length = key.n().as_positive_bytes().map_or(0, <[u8]>::len);
    let mut padded = vec![0; length.saturating_sub(data.len())];
    padded.extend_from_slice(data);
    padded
}

const fn malformed(what: &'static str) -> SignatureFault {
    SignatureFault::Malformed { what }
}

/// A name out of foreign bytes, for one line of a message.
fn shortened(name: &str) -> String {
    name.chars().take(64).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn checked_keys_stay_few_and_answer_as_at_first() {
        let mut keys = CheckedKeys::default();
        let of_small_order = PublicKey::from_bytes([0; 32]);
        for number in 0..=CheckedKeys::KEYS_MAX as u64 {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&number.to_le_bytes());
            let key = PublicKey::from_bytes(bytes);
            let expected = CheckedKey::new(&key).map(drop);
            assert_eq!(keys.check(&key).map(drop), expected);
            assert_eq!(keys.check(&key).map(drop), expected, "remembered");
            assert!(keys.0.len() <= CheckedKeys::KEYS_MAX);
        }
        assert_eq!(keys.check(&of_small_order).map(drop), Err(KeyDefect::SmallOrder));
    }

    /// Fields in the order of the format, which may be cut off, and changed in one byte.
    fn blob() -> impl Strategy<Value = Vec<u8>> {
        let string = |texts: &[&[u8]]| {
            prop::sample::select(texts.iter().map(|text| text.to_vec()).collect::<Vec<_>>())
        };
        let types: [&[u8]; 5] = [
            b"ssh-ed25519",
            b"ssh-rsa",
            b"ecdsa-sha2-nistp256",
            b"sk-ssh-ed25519@openssh.com",
            b"rsa-sha2-512",
        ];
        let fields = (
            string(&types),
            prop::collection::vec(any::<u8>(), 0..70),
            string(&[b"git", b"file"]),
            string(&[b"sha512", b"sha256", b"md5"]),
            string(&types),
            prop::collection::vec(any::<u8>(), 0..70),
        );
        (fields, any::<prop::sample::Index>(), prop::option::of(any::<u8>())).prop_map(
            |(fields, index, change)| {
                let (key_type, key, namespace, hash, algorithm, data) = fields;
                let joined = |strings: &[&[u8]]| {
                    strings.iter().fold(Vec::new(), |mut joined, string| {
                        put_ssh_string(&mut joined, string);
                        joined
                    })
                };
                let (key, signature) = (joined(&[&key_type, &key]), joined(&[&algorithm, &data]));
                let mut blob =
                    [b"SSHSIG\0\0\0\x01".to_vec(), joined(&[&key, &namespace, b"", &hash, &signature])]
                        .concat();
                let at = index.index(blob.len());
                match change {
                    Some(byte) => blob[at] = byte,
                    None => blob.truncate(at + 1),
                }
                blob
            },
        )
    }

    proptest! {
        #[test]
        fn no_signature_panics_and_none_made_up_is_good(blob in blob(), text in "[ -~\n]{0,40}") {
            let armored = format!("-----BEGIN SSH SIGNATURE-----\n{}\n-----END SSH SIGNATURE-----", STANDARD.encode(blob));
            prop_assert!(check_ssh_signature(b"payload", armored.as_bytes(), NAMESPACE).is_err());
            prop_assert!(check_ssh_signature(b"payload", text.as_bytes(), NAMESPACE).is_err());
        }
    }
}
