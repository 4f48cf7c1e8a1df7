//! Key files: reading and writing private keys, reading public keys; Ed25519 only.
//!
//! Private keys: PKCS#8 PEM (RFC 8410; encrypted: PBES2, RFC 8018) as `openssl genpkey -algorithm
//! ed25519` writes it, and OpenSSH's own format (`PROTOCOL.key`). Public keys: an OpenSSH line, a
//! PEM as `openssl pkey -pubout` writes it, 64 hex digits, or a vkey (C2SP signed-note).
//!
//! Nothing here prompts: a passphrase is asked of the caller, and only where a file needs one. Which
//! key signs is [`crate::signing::signer`]'s; whether a key is any good, [`crate::signing::verify`]'s.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::pkcs8::{ALGORITHM_OID, KeypairBytes, ObjectIdentifier};
use ed25519_dalek::{Signer as _, SigningKey};
use getrandom::SysRng;
use pkcs8::{
    EncodePrivateKey, EncryptedPrivateKeyInfoRef, LineEnding, PrivateKeyInfoRef, SecretDocument,
    SubjectPublicKeyInfoRef,
};
use serde::{Deserialize, Serialize};
use ssh_key::private::{Ed25519Keypair, KeypairData};
use zeroize::Zeroizing;

use super::public_key::{PublicKey, SSH_ED25519, SignatureBytes, take_ssh_string, take_ssh_u32};
use crate::hash::Hash;

/// The largest key file that is read. Ours stay below 1 KiB and an RSA key of 16,384 bits below
/// 16 KiB; without a bound, a path given by mistake (a model, `/dev/zero`) would be read whole.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// bcrypt's rounds for a new passphrase (`ssh-keygen -a`): half as many again as OpenSSH 9.2's default.
const BCRYPT_ROUNDS: u32 = 24;

/// Asks for the passphrase of a key file: `None` where nobody can be asked.
pub type AskPassphrase<'a> = dyn FnMut() -> io::Result<Option<Zeroizing<String>>> + 'a;

/// An Ed25519 private key. Wiped from memory when dropped; neither `Debug` nor anything else prints it.
pub struct SecretKey(SigningKey);

impl SecretKey {
    /// A new key, from the operating system's randomness.
    ///
    /// # Errors
    /// Where the operating system gives none.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut())?;
        Ok(Self::from_seed(&seed))
    }

    /// The key that RFC 8032 section 5.1.5 derives from the 32 bytes of `seed`.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// The public key that belongs to it.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        PublicKey::from_bytes(self.0.verifying_key().to_bytes())
    }

    /// The key as `ed25519-dalek` holds it, for signing checkpoint notes.
    #[must_use]
    pub(crate) const fn as_signing_key(&self) -> &SigningKey {
        &self.0
    }

    /// Signs `message` (RFC 8032 section 5.1.6: the same message gives the same signature).
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> SignatureBytes {
        SignatureBytes::from_bytes(self.0.sign(message).to_bytes())
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey of {}", self.public_key())
    }
}

/// A public key and what its source calls it: an OpenSSH comment, or a vkey's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedPublicKey {
    /// The key, unchecked.
    pub key: PublicKey,
    /// What stands beside it, if anything; nobody vouches for it.
    pub name: Option<String>,
}

/// How a private key is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyFormat {
    /// PKCS#8 PEM (RFC 8410), encrypted with scrypt and AES-256-CBC, which OpenSSL reads too.
    Pkcs8,
    /// OpenSSH's format, encrypted with bcrypt and AES-256-CTR, which `ssh-add` reads too.
    OpenSsh,
}

/// What to do where the file to be written exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// Leave it, and fail.
    Keep,
    /// Replace it, whole and at once.
    Replace,
}

/// Who may read a private key's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Readers {
    /// Its owner alone: mode 0600.
    #[default]
    Owner,
    /// Its owner, and the file's group: mode 0640. Nobody else, and the group does not write it.
    Group,
}

impl Readers {
    /// Says whether it is the owner alone.
    #[must_use]
    pub fn is_owner(&self) -> bool {
        *self == Self::Owner
    }

    /// The mode that such a file should have.
    const fn mode(self) -> u32 {
        match self {
            Self::Owner => 0o600,
            Self::Group => 0o640,
        }
    }

    /// Says whether a file of this mode lets in nobody else. What the owner may do is the owner's affair.
    const fn admit(self, mode: u32) -> bool {
        mode & 0o077 & !self.mode() == 0
    }
}

/// Why a text holds no key that can be used here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyTextError {
    /// No format known here.
    #[error(
        "this is no key in a format known here (PKCS#8 or OpenSSH; public keys also as 64 hex digits or a vkey)"
    )]
    NotAKey,
    /// A public key, where a private one is needed.
    #[error("this is a public key, and a private key is needed")]
    NotPrivate,
    /// A private key, where a public one is needed and cannot be taken from it.
    #[error("this is a private key, and a public key is needed (`openssl pkey -in FILE -pubout` writes it)")]
    NotPublic,
    /// More keys than one.
    #[error("this holds {count} keys, and one is expected")]
    Several {
        /// How many.
        count: usize,
    },
    /// A key for another algorithm than Ed25519.
    #[error("this is a key for {algorithm}; only Ed25519 is used here")]
    OtherAlgorithm {
        /// What the file calls it.
        algorithm: String,
    },
    /// The key is encrypted, and nobody gave a passphrase.
    #[error("this private key needs a passphrase, and none was given")]
    PassphraseMissing,
    /// The key is encrypted, and asking for the passphrase failed.
    #[error("the passphrase could not be read: {reason}")]
    PassphraseUnavailable {
        /// What the asker said.
        reason: String,
    },
    /// The passphrase given decrypts it to no key.
    #[error("the passphrase is wrong")]
    PassphraseWrong,
    /// The public key kept beside the private one is another key's.
    #[error("the public key inside is not that of the private key")]
    PublicKeyMismatch,
    /// A vkey whose key id does not follow from its name and key.
    #[error("the vkey's key id is {found}, and its name and key give {expected}")]
    KeyIdMismatch {
        /// Eight hex digits, as they stand there.
        found: String,
        /// Eight hex digits, computed.
        expected: String,
    },
    /// The format is known, and the content broken.
    #[error("this {format} is damaged: {reason}")]
    Damaged {
        /// The format's name.
        format: &'static str,
        /// What its reader said.
        reason: String,
    },
}

/// Why a key file was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file could not be read.
    #[error("{}: cannot read the key file: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        error: io::Error,
    },
    /// The file could not be written; nothing is left of it.
    #[error("{}: cannot write the key file: {error}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        error: io::Error,
    },
    /// The file exists, and was left as it is.
    #[error("{} exists already, and a key file is not overwritten unless forced", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Larger than any key file.
    #[error("{}: this is no key file: it is larger than {max} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The bound, in bytes.
        max: u64,
    },
    /// A private key that others than its readers can get at.
    #[error("{}: other users can get at this private key (mode {mode:04o}); run `chmod {:o} {}`",
        path.display(), readers.mode(), shell_word(path))]
    TooOpen {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// Who may read it.
        readers: Readers,
    },
    /// The content is no key that can be used here.
    #[error("{}: {reason}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: KeyTextError,
    },
    /// The key could not be encoded or encrypted.
    #[error("{}: cannot encode the key: {reason}", path.display())]
    Encode {
        /// The file that was to be written.
        path: PathBuf,
        /// What the encoder said.
        reason: String,
    },
}

/// Reads a private key file. `ask` is called at most once, and only where the key is encrypted.
///
/// # Errors
/// [`KeyFileError`]: `Read`, `TooLarge`, `TooOpen` (anyone but the owner has a right to it), `Content`.
pub fn read_private_key(path: &Path, ask: &mut AskPassphrase<'_>) -> Result<SecretKey, KeyFileError> {
    read_private_key_of(path, Readers::Owner, ask)
}

/// As [`read_private_key`], for a key that `readers` may read.
///
/// # Errors
/// As [`read_private_key`].
pub fn read_private_key_of(
    path: &Path,
    readers: Readers,
    ask: &mut AskPassphrase<'_>,
) -> Result<SecretKey, KeyFileError> {
    KeyFile::read(path)?.into_private(readers, ask)
}

/// Reads a file with one public key. A private key in OpenSSH's format will do: its public part
/// is not encrypted.
///
/// # Errors
/// [`KeyFileError`]: `Read`, `TooLarge`, `Content`.
pub fn read_public_key(path: &Path) -> Result<NamedPublicKey, KeyFileError> {
    KeyFile::read(path)?.into_public()
}

/// Says whether a file claims to hold a private key, of whatever kind.
///
/// # Errors
/// [`KeyFileError`]: `Read`, `TooLarge`, `Content`.
pub fn is_private_key_file(path: &Path) -> Result<bool, KeyFileError> {
    Ok(KeyFile::read(path)?.is_private())
}

/// Reads a private key from the text of a key file.
///
/// # Errors
/// [`KeyTextError`].
pub fn parse_private_key(text: &str, ask: &mut AskPassphrase<'_>) -> Result<SecretKey, KeyTextError> {
    match pem_label(text) {
        Some("PRIVATE KEY") => read_pkcs8(&decode_pem(text)?),
        Some("ENCRYPTED PRIVATE KEY") => read_encrypted_pkcs8(&decode_pem(text)?, ask),
        Some("OPENSSH PRIVATE KEY") => read_openssh(text, ask),
        Some(label) => Err(legacy_label(label).unwrap_or(KeyTextError::NotPrivate)),
        None => match parse_public_key(text) {
            Err(KeyTextError::NotAKey) => Err(KeyTextError::NotAKey),
            _ => Err(KeyTextError::NotPrivate),
        },
    }
}

/// Reads one public key from text: an OpenSSH line, a PEM, 64 hex digits or a vkey; empty lines and
/// lines that start with `#` may stand beside them.
///
/// # Errors
/// [`KeyTextError`].
pub fn parse_public_key(text: &str) -> Result<NamedPublicKey, KeyTextError> {
    match pem_label(text) {
        Some("PUBLIC KEY") => read_spki(text),
        Some("OPENSSH PRIVATE KEY") => {
            let private = decode_openssh(text)?;
            let comment = private.comment().as_str_lossy();
            Ok(NamedPublicKey { key: openssh_public(&private)?, name: non_empty(comment) })
        }
        Some(label) => Err(legacy_label(label).unwrap_or(KeyTextError::NotPublic)),
        None => parse_public_line(single_line(text)?),
    }
}

/// Writes a private key to a new file with mode 0600. The file appears whole or not at all, with
/// its final mode from the start. `comment` is kept by OpenSSH's format only.
///
/// # Errors
/// [`KeyFileError`]: `Exists`, `Write`, `Encode`.
pub fn write_private_key(
    path: &Path,
    key: &SecretKey,
    format: KeyFormat,
    comment: &str,
    passphrase: Option<&str>,
    existing: Existing,
) -> Result<(), KeyFileError> {
    let text = match format {
        KeyFormat::Pkcs8 => pkcs8_text(key, passphrase).map_err(|error| error.to_string()),
        KeyFormat::OpenSsh => openssh_text(key, comment, passphrase).map_err(|error| error.to_string()),
    }
    .map_err(|reason| KeyFileError::Encode { path: path.to_owned(), reason })?;
    write_file(path, text.as_bytes(), existing).map_err(|error| write_failed(path, error))
}

/// Copies a private key's file as it is, under its passphrase if it has one, to a new file with mode 0600.
///
/// # Errors
/// [`KeyFileError`]: `Read`, `TooLarge`, `Exists`, `Write`.
pub fn copy_private_key(from: &Path, to: &Path) -> Result<(), KeyFileError> {
    let file = KeyFile::read(from)?;
    write_file(to, file.text.as_bytes(), Existing::Keep).map_err(|error| write_failed(to, error))
}

/// Lets those whom `readers` names read a private key that was just written.
///
/// # Errors
/// [`KeyFileError::Write`].
pub fn share_private_key(path: &Path, readers: Readers) -> Result<(), KeyFileError> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(readers.mode()))
        .map_err(|error| write_failed(path, error))
}

fn write_failed(path: &Path, error: io::Error) -> KeyFileError {
    match error.kind() {
        io::ErrorKind::AlreadyExists => KeyFileError::Exists { path: path.to_owned() },
        _ => KeyFileError::Write { path: path.to_owned(), error },
    }
}

/// A key file's text and mode, read from one open handle.
pub(super) struct KeyFile {
    path: PathBuf,
    text: Zeroizing<String>,
    /// The permission bits.
    mode: u32,
}

impl KeyFile {
    pub(super) fn read(path: &Path) -> Result<Self, KeyFileError> {
        let failed = |error| KeyFileError::Read { path: path.to_owned(), error };
        let file = File::open(path).map_err(failed)?;
        let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o7777;
        let capacity = usize::try_from(FILE_BYTES_MAX + 1).expect("64 KiB fit in memory");
        // Room for all of it at once: a buffer that grows leaves copies of the key behind.
        let mut text = Zeroizing::new(String::with_capacity(capacity));
        match file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text) {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                Err(KeyFileError::Content { path: path.to_owned(), reason: KeyTextError::NotAKey })
            }
            Err(error) => Err(failed(error)),
            Ok(_) if text.len() == capacity => {
                Err(KeyFileError::TooLarge { path: path.to_owned(), max: FILE_BYTES_MAX })
            }
            Ok(_) => Ok(Self { path: path.to_owned(), text, mode }),
        }
    }

    /// Says whether the file claims to hold a private key, of whatever kind.
    pub(super) fn is_private(&self) -> bool {
        pem_label(&self.text).is_some_and(|label| label.ends_with("PRIVATE KEY"))
    }

    pub(super) fn into_private(
        self,
        readers: Readers,
        ask: &mut AskPassphrase<'_>,
    ) -> Result<SecretKey, KeyFileError> {
        if self.is_private() && !readers.admit(self.mode) {
            return Err(KeyFileError::TooOpen { path: self.path, mode: self.mode, readers });
        }
        parse_private_key(&self.text, ask).map_err(|reason| KeyFileError::Content { path: self.path, reason })
    }

    pub(super) fn into_public(self) -> Result<NamedPublicKey, KeyFileError> {
        parse_public_key(&self.text).map_err(|reason| KeyFileError::Content { path: self.path, reason })
    }
}

/// The label of the first PEM block, without reading it.
fn pem_label(text: &str) -> Option<&str> {
    let (_, after) = text.split_once("-----BEGIN ")?;
    Some(after.split_once("-----")?.0)
}

/// What the labels of older formats say, which name the algorithm.
fn legacy_label(label: &str) -> Option<KeyTextError> {
    let algorithm = match label {
        "RSA PRIVATE KEY" | "RSA PUBLIC KEY" => "RSA",
        "EC PRIVATE KEY" | "EC PARAMETERS" => "ECDSA",
        "DSA PRIVATE KEY" => "DSA",
        "PRIVATE KEY" | "ENCRYPTED PRIVATE KEY" | "PUBLIC KEY" => return None,
        _ => return Some(KeyTextError::NotAKey),
    };
    Some(KeyTextError::OtherAlgorithm { algorithm: algorithm.into() })
}

fn decode_pem(text: &str) -> Result<SecretDocument, KeyTextError> {
    let (_, document) = SecretDocument::from_pem(text.trim_start()).map_err(|e| damaged("PEM", &e))?;
    Ok(document)
}

fn read_pkcs8(document: &SecretDocument) -> Result<SecretKey, KeyTextError> {
    let info: PrivateKeyInfoRef<'_> =
        document.decode_msg().map_err(|error| damaged("PKCS#8 private key", &error))?;
    if info.algorithm.oid != ALGORITHM_OID {
        return Err(KeyTextError::OtherAlgorithm { algorithm: algorithm_name(info.algorithm.oid) });
    }
    let pair = KeypairBytes::try_from(info).map_err(|error| damaged("PKCS#8 private key", &error))?;
    let key = SecretKey::from_seed(&pair.secret_key);
    match &pair.public_key {
        Some(public) if public.as_ref() != key.public_key().as_bytes() => {
            Err(KeyTextError::PublicKeyMismatch)
        }
        _ => Ok(key),
    }
}

fn read_encrypted_pkcs8(
    document: &SecretDocument,
    ask: &mut AskPassphrase<'_>,
) -> Result<SecretKey, KeyTextError> {
    let info: EncryptedPrivateKeyInfoRef<'_> =
        document.decode_msg().map_err(|error| damaged("encrypted PKCS#8 private key", &error))?;
    let passphrase = passphrase(ask)?;
    match info.decrypt(passphrase.as_bytes()) {
        Ok(document) => read_pkcs8(&document),
        Err(pkcs8::Error::EncryptedPrivateKey(
            error @ (pkcs8::pkcs5::Error::UnsupportedAlgorithm { .. }
            | pkcs8::pkcs5::Error::AlgorithmParametersInvalid { .. }
            | pkcs8::pkcs5::Error::NoPbes1CryptSupport),
        )) => Err(damaged("encrypted PKCS#8 private key", &error)),
        // The padding is wrong, or it is right by chance (1 in 256) and no key lies within.
        Err(_) => Err(KeyTextError::PassphraseWrong),
    }
}

fn read_openssh(text: &str, ask: &mut AskPassphrase<'_>) -> Result<SecretKey, KeyTextError> {
    let mut private = decode_openssh(text)?;
    if private.is_encrypted() {
        let passphrase = passphrase(ask)?;
        private = private.decrypt(passphrase.as_bytes()).map_err(|error| match error {
            ssh_key::Error::Crypto => KeyTextError::PassphraseWrong,
            error => damaged("OpenSSH private key", &error),
        })?;
    }
    let KeypairData::Ed25519(pair) = private.key_data() else {
        return Err(KeyTextError::OtherAlgorithm { algorithm: private.algorithm().to_string() });
    };
    // ssh-key has compared the public keys, both of them, with the private one.
    Ok(SecretKey::from_seed(pair.private.as_ref()))
}

/// Reads the outside of an OpenSSH private key, an Ed25519 one, without decrypting it.
fn decode_openssh(text: &str) -> Result<ssh_key::PrivateKey, KeyTextError> {
    let text = text.trim_start();
    if let Some(algorithm) = openssh_algorithm(text).filter(|name| name != SSH_ED25519) {
        return Err(KeyTextError::OtherAlgorithm { algorithm });
    }
    ssh_key::PrivateKey::from_openssh(text).map_err(|error| damaged("OpenSSH private key", &error))
}

/// The algorithm that an OpenSSH private key names in its unencrypted head, whatever it is
/// (`PROTOCOL.key` section 1); `None` where there is no such head.
fn openssh_algorithm(text: &str) -> Option<String> {
    let (_, body) = text.split_once("-----BEGIN OPENSSH PRIVATE KEY-----")?;
    let (body, _) = body.split_once("-----END")?;
    let digits: Zeroizing<String> = Zeroizing::new(body.split_whitespace().collect());
    let bytes = Zeroizing::new(STANDARD.decode(digits.as_bytes()).ok()?);
    let mut rest = bytes.strip_prefix(b"openssh-key-v1\0")?;
    let (_cipher, _kdf) = (take_ssh_string(&mut rest)?, take_ssh_string(&mut rest)?);
    let (_kdf_options, _key_count) = (take_ssh_string(&mut rest)?, take_ssh_u32(&mut rest)?);
    let mut public_key = take_ssh_string(&mut rest)?;
    Some(String::from_utf8_lossy(take_ssh_string(&mut public_key)?).escape_default().to_string())
}

fn openssh_public(private: &ssh_key::PrivateKey) -> Result<PublicKey, KeyTextError> {
    match private.public_key().key_data().ed25519() {
        Some(key) => Ok(PublicKey::from_bytes(key.0)),
        None => Err(KeyTextError::OtherAlgorithm { algorithm: private.algorithm().to_string() }),
    }
}

fn read_spki(text: &str) -> Result<NamedPublicKey, KeyTextError> {
    let document = decode_pem(text)?;
    let info: SubjectPublicKeyInfoRef<'_> =
        document.decode_msg().map_err(|error| damaged("PEM public key", &error))?;
    if info.algorithm.oid != ALGORITHM_OID {
        return Err(KeyTextError::OtherAlgorithm { algorithm: algorithm_name(info.algorithm.oid) });
    }
    let key = ed25519_dalek::pkcs8::PublicKeyBytes::try_from(info)
        .map_err(|error| damaged("PEM public key", &error))?;
    Ok(NamedPublicKey { key: PublicKey::from_bytes(key.to_bytes()), name: None })
}

/// The one line of `text` that is neither empty nor a comment.
fn single_line(text: &str) -> Result<&str, KeyTextError> {
    let lines: Vec<&str> =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    match lines.as_slice() {
        [line] => Ok(line),
        [] => Err(KeyTextError::NotAKey),
        // Many lines are many keys only if each is one; else it is some other text.
        lines if lines.iter().all(|line| parse_public_line(line).is_ok()) => {
            Err(KeyTextError::Several { count: lines.len() })
        }
        _ => Err(KeyTextError::NotAKey),
    }
}

fn parse_public_line(line: &str) -> Result<NamedPublicKey, KeyTextError> {
    if let Some((key_type, rest)) = line.split_once(char::is_whitespace) {
        return parse_openssh_line(key_type, rest.trim());
    }
    let mut bytes = [0; 32];
    if hex::decode_to_slice(line, &mut bytes).is_ok() {
        return Ok(NamedPublicKey { key: PublicKey::from_bytes(bytes), name: None });
    }
    match line.splitn(3, '+').collect::<Vec<_>>().as_slice() {
        [name, key_id, key] if !name.is_empty() => parse_vkey(name, key_id, key),
        _ => Err(KeyTextError::NotAKey),
    }
}

fn parse_openssh_line(key_type: &str, rest: &str) -> Result<NamedPublicKey, KeyTextError> {
    if !["ssh-", "ecdsa-", "sk-"].iter().any(|family| key_type.starts_with(family)) {
        return Err(KeyTextError::NotAKey);
    }
    if key_type != SSH_ED25519 {
        return Err(KeyTextError::OtherAlgorithm { algorithm: key_type.escape_default().to_string() });
    }
    let (key, comment) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let wire = STANDARD.decode(key).map_err(|error| damaged("OpenSSH public key", &error))?;
    let key = PublicKey::from_ssh_wire(&wire)
        .ok_or_else(|| damaged("OpenSSH public key", &"it holds something else"))?;
    Ok(NamedPublicKey { key, name: non_empty(comment.trim()) })
}

/// Reads a vkey's three parts (C2SP signed-note, "Verifier keys"): type 0x01, Ed25519.
fn parse_vkey(name: &str, key_id: &str, key: &str) -> Result<NamedPublicKey, KeyTextError> {
    let typed_key = STANDARD.decode(key).map_err(|error| damaged("vkey", &error))?;
    let (key_type, key) = typed_key.split_first().ok_or_else(|| damaged("vkey", &"it holds no key"))?;
    if *key_type != 0x01 {
        return Err(KeyTextError::OtherAlgorithm { algorithm: format!("vkey type {key_type:#04x}") });
    }
    let key: [u8; 32] = key.try_into().map_err(|_| damaged("vkey", &"its key is not 32 bytes long"))?;
    let expected = hex::encode(&Hash::of_parts(&[name.as_bytes(), b"\n", &typed_key]).as_bytes()[..4]);
    if key_id != expected {
        return Err(KeyTextError::KeyIdMismatch { found: key_id.escape_default().to_string(), expected });
    }
    Ok(NamedPublicKey { key: PublicKey::from_bytes(key), name: non_empty(name) })
}

fn non_empty(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn passphrase(ask: &mut AskPassphrase<'_>) -> Result<Zeroizing<String>, KeyTextError> {
    ask()
        .map_err(|error| KeyTextError::PassphraseUnavailable { reason: error.to_string() })?
        .ok_or(KeyTextError::PassphraseMissing)
}

fn damaged(format: &'static str, reason: &dyn fmt::Display) -> KeyTextError {
    KeyTextError::Damaged { format, reason: reason.to_string() }
}

/// Names the algorithms that somebody is likely to have a key for.
fn algorithm_name(oid: ObjectIdentifier) -> String {
    match oid.to_string().as_str() {
        "1.2.840.113549.1.1.1" => "RSA".into(),
        "1.2.840.10045.2.1" => "ECDSA".into(),
        "1.3.101.110" => "X25519".into(),
        "1.3.101.113" => "Ed448".into(),
        other => format!("algorithm {other}"),
    }
}

/// PKCS#8 version 1, as `openssl genpkey` writes it: older OpenSSL cannot read version 2, which
/// repeats the public key.
fn pkcs8_text(key: &SecretKey, passphrase: Option<&str>) -> pkcs8::Result<Zeroizing<String>> {
    let pair = KeypairBytes { secret_key: key.0.to_bytes(), public_key: None };
    match passphrase {
        None => pair.to_pkcs8_pem(LineEnding::LF),
        Some(passphrase) => pair.to_pkcs8_encrypted_pem(passphrase.as_bytes(), LineEnding::LF),
    }
}

fn openssh_text(
    key: &SecretKey,
    comment: &str,
    passphrase: Option<&str>,
) -> ssh_key::Result<Zeroizing<String>> {
    let pair = KeypairData::Ed25519(Ed25519Keypair::from(&key.0));
    let mut private = ssh_key::PrivateKey::new(pair, comment)?;
    if let Some(passphrase) = passphrase {
        private = private.encrypt_with(
            ssh_key::Cipher::Aes256Ctr,
            ssh_key::Kdf::Bcrypt { salt: random::<16>()?.to_vec(), rounds: BCRYPT_ROUNDS },
            u32::from_ne_bytes(random()?),
            passphrase.as_bytes(),
        )?;
    }
    private.to_openssh(LineEnding::LF)
}

fn random<const N: usize>() -> ssh_key::Result<[u8; N]> {
    use getrandom::rand_core::TryRng;
    let mut bytes = [0; N];
    SysRng.try_fill_bytes(&mut bytes).map_err(|_| ssh_key::Error::RngFailure)?;
    Ok(bytes)
}

/// Writes a new file beside `path` and gives it its name in one step. A crash before that leaves a
/// file `.rollbook-key-…` with mode 0600 behind, and `path` as it was.
fn write_file(path: &Path, content: &[u8], existing: Existing) -> io::Result<()> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    // Created with O_EXCL and mode 0600, which is what the crate does unless told otherwise.
    let mut file = tempfile::Builder::new().prefix(".rollbook-key-").tempfile_in(directory)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    match existing {
        Existing::Keep => file.persist_noclobber(path),
        Existing::Replace => file.persist(path),
    }
    .map_err(|error| error.error)?;
    File::open(directory)?.sync_all()
}

/// `path` as a word that a shell takes as it is.
fn shell_word(path: &Path) -> String {
    let path = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+:@%,".contains(c);
    if path.chars().all(plain) { path } else { format!("'{}'", path.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    /// RFC 8410 section 10.3: the same key in version 1, and in version 2 with an attribute.
    const RFC8410_V1: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
        -----END PRIVATE KEY-----\n";
    const RFC8410_V2: &str = "-----BEGIN PRIVATE KEY-----\n\
        MHICAQEwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
        oB8wHQYKKoZIhvcNAQkJFDEPDA1DdXJkbGUgQ2hhaXJzgSEAGb9ECWmEzf6FQbrB\n\
        Z9w7lshQhqowtrbLDFw4rXAxZuE=\n\
        -----END PRIVATE KEY-----\n";
    /// RFC 8410 section 10.1.
    const RFC8410_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\n\
        MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
        -----END PUBLIC KEY-----\n";
    const RFC8410_PUBLIC_HEX: &str = "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1";
    /// The vkey of C2SP signed-note's example.
    const VKEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";

    #[expect(clippy::unnecessary_wraps, reason = "the shape of an asker")]
    fn nobody() -> io::Result<Option<Zeroizing<String>>> {
        Ok(None)
    }

    fn says(passphrase: &str) -> impl FnMut() -> io::Result<Option<Zeroizing<String>>> {
        move || Ok(Some(Zeroizing::new(passphrase.to_owned())))
    }

    fn public(text: &str) -> Result<String, KeyTextError> {
        parse_public_key(text).map(|named| named.key.to_string())
    }

    fn write_text(text: &str, mode: u32) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key file");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        (directory, path)
    }

    #[test]
    fn pkcs8_of_rfc_8410_reads_in_both_versions() {
        for text in [RFC8410_V1, RFC8410_V2] {
            let key = parse_private_key(text, &mut nobody).unwrap();
            assert_eq!(key.public_key().to_string(), RFC8410_PUBLIC_HEX);
        }
    }

    #[test]
    fn public_key_inside_must_be_that_of_the_private_key() {
        let other = RFC8410_V2.replace("Z9w7lshQ", "Z9w7lshR");
        assert_eq!(parse_private_key(&other, &mut nobody).err(), Some(KeyTextError::PublicKeyMismatch));
    }

    #[test]
    fn all_four_variants_of_a_written_file_read_back() {
        let directory = tempfile::tempdir().unwrap();
        let key = SecretKey::generate().unwrap();
        for (name, format, passphrase) in [
            ("a", KeyFormat::Pkcs8, None),
            ("b", KeyFormat::Pkcs8, Some("geheim")),
            ("c", KeyFormat::OpenSsh, None),
            ("d", KeyFormat::OpenSsh, Some("geheim")),
        ] {
            let path = directory.path().join(name);
            write_private_key(&path, &key, format, "ada@x", passphrase, Existing::Keep).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600, "{name}");

            let read = read_private_key(&path, &mut says("geheim")).unwrap();
            assert_eq!(read.sign(b"m"), key.sign(b"m"), "{name}");
            if passphrase.is_some() {
                for (mut ask, expected) in [
                    (Box::new(says("falsch")) as Box<AskPassphrase<'_>>, KeyTextError::PassphraseWrong),
                    (Box::new(nobody), KeyTextError::PassphraseMissing),
                ] {
                    let Err(KeyFileError::Content { path: named, reason }) =
                        read_private_key(&path, &mut *ask)
                    else {
                        panic!("{name} opens without its passphrase")
                    };
                    assert_eq!((named, reason), (path.clone(), expected));
                }
            } else {
                let mut ask = || panic!("a plain key needs no passphrase");
                read_private_key(&path, &mut ask).unwrap();
            }
        }
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 4, "a temporary file was left");
    }

    #[test]
    fn existing_file_is_kept_unless_forced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let [old, new] = [1u8, 2].map(|seed| SecretKey::from_seed(&[seed; 32]));
        let write = |key, existing| write_private_key(&path, key, KeyFormat::Pkcs8, "", None, existing);
        write(&old, Existing::Keep).unwrap();
        assert!(matches!(write(&new, Existing::Keep), Err(KeyFileError::Exists { .. })));
        assert_eq!(read_private_key(&path, &mut nobody).unwrap().public_key(), old.public_key());
        write(&new, Existing::Replace).unwrap();
        assert_eq!(read_private_key(&path, &mut nobody).unwrap().public_key(), new.public_key());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn private_key_that_others_can_get_at_is_refused_with_the_command_to_run() {
        for mode in [0o640, 0o604, 0o644, 0o660, 0o602] {
            let (_directory, path) = write_text(RFC8410_V1, mode);
            let error = read_private_key(&path, &mut nobody).unwrap_err().to_string();
            assert!(error.ends_with(&format!("run `chmod 600 '{}'`", path.display())), "{error}");
            assert!(error.contains(&format!("(mode {mode:04o})")), "{error}");
        }
        for mode in [0o600, 0o400, 0o700] {
            let (_directory, path) = write_text(RFC8410_V1, mode);
            read_private_key(&path, &mut nobody).unwrap();
        }
        // Where its group may read it, nobody else may, and nobody else may write it.
        for mode in [0o644, 0o660, 0o650, 0o642, 0o604] {
            let (_directory, path) = write_text(RFC8410_V1, mode);
            let error = read_private_key_of(&path, Readers::Group, &mut nobody).unwrap_err().to_string();
            assert!(error.ends_with(&format!("run `chmod 640 '{}'`", path.display())), "{error}");
        }
        for mode in [0o640, 0o600, 0o440] {
            let (_directory, path) = write_text(RFC8410_V1, mode);
            read_private_key_of(&path, Readers::Group, &mut nobody).unwrap();
        }
        // A public key file may be as open as it likes: what is wrong with it is something else.
        let (_directory, path) = write_text(RFC8410_PUBLIC, 0o644);
        let error = read_private_key(&path, &mut nobody).unwrap_err();
        assert!(matches!(error, KeyFileError::Content { reason: KeyTextError::NotPrivate, .. }));
        assert_eq!(read_public_key(&path).unwrap().key.to_string(), RFC8410_PUBLIC_HEX);
    }

    #[test]
    fn file_larger_than_the_bound_is_not_read() {
        let largest = usize::try_from(FILE_BYTES_MAX).unwrap();
        let (_directory, path) = write_text(&"#".repeat(largest), 0o600);
        assert!(matches!(
            read_public_key(&path),
            Err(KeyFileError::Content { reason: KeyTextError::NotAKey, .. })
        ));
        fs::write(&path, "#".repeat(largest + 1)).unwrap();
        assert!(matches!(read_public_key(&path), Err(KeyFileError::TooLarge { max: FILE_BYTES_MAX, .. })));
        fs::write(&path, [0xff; 100]).unwrap();
        assert!(matches!(
            read_public_key(&path),
            Err(KeyFileError::Content { reason: KeyTextError::NotAKey, .. })
        ));
        assert!(matches!(read_public_key(&path.join("missing")), Err(KeyFileError::Read { .. })));
    }

    #[test]
    fn what_is_no_ed25519_private_key_says_what_it_is() {
        let private = |text: &str| parse_private_key(text, &mut nobody).err();
        let other = |name: &str| Some(KeyTextError::OtherAlgorithm { algorithm: name.into() });
        assert_eq!(private(""), Some(KeyTextError::NotAKey));
        assert_eq!(private("model bytes\nand more"), Some(KeyTextError::NotAKey));
        assert_eq!(private("-----BEGIN CERTIFICATE-----\n"), Some(KeyTextError::NotAKey));
        for text in [RFC8410_PUBLIC, RFC8410_PUBLIC_HEX, VKEY] {
            assert_eq!(private(text), Some(KeyTextError::NotPrivate), "{text}");
        }
        assert_eq!(private("-----BEGIN RSA PRIVATE KEY-----\n"), other("RSA"));
        assert_eq!(private("-----BEGIN EC PRIVATE KEY-----\n"), other("ECDSA"));
        // The object identifier changed from 1.3.101.112 to .110 and .113.
        assert_eq!(private(&RFC8410_V1.replace("K2VwBC", "K2VuBC")), other("X25519"));
        assert_eq!(private(&RFC8410_V1.replace("K2VwBC", "K2VxBC")), other("Ed448"));
        let cut = RFC8410_V1.replace("/HU++CXqI9EdVhC", "");
        assert!(matches!(private(&cut), Some(KeyTextError::Damaged { .. })));
    }

    #[test]
    fn failing_to_ask_for_a_passphrase_is_told() {
        let (directory, _) = write_text("", 0o600);
        let path = directory.path().join("encrypted");
        let key = SecretKey::from_seed(&[3; 32]);
        write_private_key(&path, &key, KeyFormat::Pkcs8, "", Some("x"), Existing::Keep).unwrap();
        let mut ask = || Err(io::Error::other("no terminal"));
        let error = read_private_key(&path, &mut ask).unwrap_err().to_string();
        assert!(error.contains("no terminal"), "{error}");
    }

    #[test]
    fn public_keys_read_in_every_format() {
        assert_eq!(public(RFC8410_PUBLIC).as_deref(), Ok(RFC8410_PUBLIC_HEX));
        assert_eq!(public(&RFC8410_PUBLIC_HEX.to_uppercase()).as_deref(), Ok(RFC8410_PUBLIC_HEX));
        let named = parse_public_key(VKEY).unwrap();
        assert_eq!(named.name.as_deref(), Some("example.com/foo"));
        let key = parse_public_key(RFC8410_PUBLIC_HEX).unwrap().key;
        for (line, name) in [
            (key.to_openssh("ada@example.com"), Some("ada@example.com")),
            (key.to_openssh("Ada of Example"), Some("Ada of Example")),
            (format!("# a comment\n\n  {}\n", key.to_openssh("")), None),
        ] {
            let named = parse_public_key(&line).unwrap();
            assert_eq!((named.key, named.name.as_deref()), (key, name), "{line}");
        }
    }

    #[test]
    fn public_part_of_an_openssh_private_key_needs_no_passphrase() {
        let key = SecretKey::from_seed(&[4; 32]);
        let plain = openssh_text(&key, "ada", None).unwrap();
        let expected = NamedPublicKey { key: key.public_key(), name: Some("ada".into()) };
        assert_eq!(parse_public_key(&plain), Ok(expected));
        let encrypted = openssh_text(&key, "ada", Some("geheim")).unwrap();
        assert_eq!(parse_public_key(&encrypted).unwrap().key, key.public_key());
        assert_eq!(public(RFC8410_V1), Err(KeyTextError::NotPublic));
    }

    #[test]
    fn public_keys_are_refused_for_the_reason_that_applies() {
        let other = |name: &str| Err(KeyTextError::OtherAlgorithm { algorithm: name.into() });
        let line = parse_public_key(RFC8410_PUBLIC_HEX).unwrap().key.to_openssh("");
        assert_eq!(public(""), Err(KeyTextError::NotAKey));
        assert_eq!(public(&RFC8410_PUBLIC_HEX[1..]), Err(KeyTextError::NotAKey));
        assert_eq!(public("hello world"), Err(KeyTextError::NotAKey));
        assert_eq!(public(&format!("{line}\n{line}")), Err(KeyTextError::Several { count: 2 }));
        assert_eq!(public("ecdsa-sha2-nistp256 AAAA x"), other("ecdsa-sha2-nistp256"));
        assert_eq!(public("ssh-rsa AAAA x"), other("ssh-rsa"));
        assert!(matches!(public(&line[..50]), Err(KeyTextError::Damaged { .. })));
        assert!(matches!(
            public(&line.replace("ssh-ed25519 A", "ssh-ed25519 !")),
            Err(KeyTextError::Damaged { .. })
        ));
        assert_eq!(
            public(&VKEY.replace("530d903a", "530d903b")),
            Err(KeyTextError::KeyIdMismatch { found: "530d903b".into(), expected: "530d903a".into() })
        );
        assert!(matches!(
            public(&VKEY.replace("example.com", "example.org")),
            Err(KeyTextError::KeyIdMismatch { .. })
        ));
        // Type 0x04, a cosigner's key.
        assert_eq!(public(&VKEY.replace("+Aeky", "+BOky")), other("vkey type 0x04"));
        assert!(matches!(public(&VKEY.replace("3U2k", "")), Err(KeyTextError::Damaged { .. })));
    }

    #[test]
    fn debug_never_shows_the_secret() {
        let key = SecretKey::from_seed(&[0xab; 32]);
        let shown = format!("{key:?} {key:#?}");
        assert!(!shown.contains("abab") && !shown.contains("171"), "{shown}");
        assert!(shown.contains(&key.public_key().to_string()));
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in any::<String>(), bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let body = STANDARD.encode(&bytes);
            let ssh = STANDARD.encode([b"openssh-key-v1\0", bytes.as_slice()].concat());
            for text in [
                text,
                format!("ssh-ed25519 {body}"),
                format!("name+00000000+{body}"),
                format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n"),
                format!("-----BEGIN ENCRYPTED PRIVATE KEY-----\n{body}\n-----END ENCRYPTED PRIVATE KEY-----\n"),
                format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n"),
                format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{ssh}\n-----END OPENSSH PRIVATE KEY-----\n"),
            ] {
                prop_assert!(parse_private_key(&text, &mut nobody).is_err());
                prop_assert!(parse_public_key(&text).is_err());
            }
        }
    }
}
