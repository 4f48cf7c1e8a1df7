//! Verifier keys: a name, a kind and an Ed25519 key in one line of text (C2SP signed-note v1.0.0,
//! "Verifier keys" and "Signatures").
//!
//! A [`VerifierKey`] can check signatures; that it is trusted for anything is decided elsewhere.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize, Serializer};

use crate::hash::Hash;
use crate::signing::public_key::{PublicKey, SignatureBytes};
use crate::signing::strict::StrictKey;

/// A name that no signature line can carry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyNameError {
    /// No characters.
    #[error("a key name must not be empty")]
    Empty,
    /// A Unicode space, a `+` or a control character.
    #[error("a key name must not contain {character:?}: no spaces, `+` or control characters")]
    ForbiddenCharacter {
        /// The first one found.
        character: char,
    },
}

/// Checks the rule for key names: not empty, no Unicode space, no `+`, no control character.
pub fn check_key_name(name: &str) -> Result<(), KeyNameError> {
    if name.is_empty() {
        return Err(KeyNameError::Empty);
    }
    let forbidden = |c: &char| c.is_whitespace() || c.is_control() || *c == '+';
    name.chars()
        .find(forbidden)
        .map_or(Ok(()), |character| Err(KeyNameError::ForbiddenCharacter { character }))
}

/// The four bytes that stand for a key in a signature line, shown as 8 lower-case hex digits. An
/// identifier, not a fingerprint: collisions are easily made, and end as signatures that fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; 4]);

impl KeyId {
    /// Takes four bytes, big-endian, as they stand in a signature line.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 4]) -> Self {
        Self(bytes)
    }

    /// The four bytes, big-endian.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 4] {
        &self.0
    }

    /// The first four bytes of SHA-256(name ‖ 0x0A ‖ type ‖ public key).
    fn of(name: &str, kind: KeyKind, key: &VerifyingKey) -> Self {
        let digest = Hash::of_parts(&[name.as_bytes(), b"\n", &[kind.type_byte()], key.as_bytes()]);
        Self(*digest.as_bytes().first_chunk().expect("a digest has 32 bytes"))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// What a key signs: the signature type of its vkey.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyKind {
    /// Type 0x01: Ed25519 over the note's text. Log keys are of this kind.
    Ed25519,
    /// Type 0x04: a timestamped Ed25519 cosignature, `cosignature/v1`. Witness keys are of this kind.
    CosignatureV1,
}

impl KeyKind {
    /// The signature type identifier.
    #[must_use]
    pub const fn type_byte(self) -> u8 {
        match self {
            Self::Ed25519 => 0x01,
            Self::CosignatureV1 => 0x04,
        }
    }

    const fn from_type_byte(byte: u8) -> Option<Self> {
        match byte {
            0x01 => Some(Self::Ed25519),
            0x04 => Some(Self::CosignatureV1),
            _ => None,
        }
    }
}

/// Why a text or a key is no vkey that this version can use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VkeyError {
    /// Fewer than two `+`.
    #[error("a vkey has three parts, `name+key ID+key`")]
    Parts,
    /// The name cannot be one.
    #[error(transparent)]
    Name(#[from] KeyNameError),
    /// Not 8 lower-case hex digits.
    #[error("`{text}` is not a key ID: 8 lower-case hex digits are expected")]
    KeyIdText {
        /// The text, its first 100 characters.
        text: String,
    },
    /// The key is not canonical base64 with padding.
    #[error("the key of a vkey is not base64 in its canonical form, with padding")]
    Base64,
    /// A signature type other than 0x01 and 0x04.
    #[error("signature type 0x{type_byte:02x} is not known here: Ed25519 is 0x01, cosignature/v1 is 0x04")]
    UnknownType {
        /// The first byte of the key.
        type_byte: u8,
    },
    /// Not one byte of type and 32 of key.
    #[error("the key of a vkey has {length} bytes, not 33")]
    KeyLength {
        /// Type byte included.
        length: usize,
    },
    /// No canonical point on the curve, or one of small order, for which everything is signed.
    #[error("{key} is not a usable Ed25519 public key")]
    UnusableKey {
        /// The key's bytes.
        key: PublicKey,
    },
    /// The key ID belongs to another name or key.
    #[error("the key ID {stated} belongs to another name or key: {computed} is expected")]
    KeyIdMismatch {
        /// In the text.
        stated: KeyId,
        /// From name and key.
        computed: KeyId,
    },
}

/// A name, a kind and an Ed25519 public key that can check signatures. Shown as, and parsed from, a
/// vkey: `example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k`.
#[derive(Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct VerifierKey {
    /// Passes [`check_key_name`].
    name: String,
    kind: KeyKind,
    /// Always that of name, kind and key.
    key_id: KeyId,
    /// Canonical and not of small order.
    key: StrictKey,
}

impl VerifierKey {
    /// A log's key (type 0x01) under `name`.
    pub fn new_ed25519(name: &str, key: PublicKey) -> Result<Self, VkeyError> {
        Self::new(name, KeyKind::Ed25519, key)
    }

    /// A witness's key (type 0x04) under `name`.
    pub fn new_cosignature_v1(name: &str, key: PublicKey) -> Result<Self, VkeyError> {
        Self::new(name, KeyKind::CosignatureV1, key)
    }

    /// The public half of `key`, under `name`.
    pub fn of_signing_key(name: &str, kind: KeyKind, key: &SigningKey) -> Result<Self, KeyNameError> {
        check_key_name(name)?;
        Ok(Self::from_checked(name, kind, key.verifying_key()))
    }

    fn new(name: &str, kind: KeyKind, key: PublicKey) -> Result<Self, VkeyError> {
        check_key_name(name)?;
        let point = VerifyingKey::from_bytes(key.as_bytes()).map_err(|_| VkeyError::UnusableKey { key })?;
        let canonical = point.to_edwards().compress().as_bytes() == key.as_bytes();
        if point.is_weak() || !canonical {
            return Err(VkeyError::UnusableKey { key });
        }
        Ok(Self::from_checked(name, kind, point))
    }

    fn from_checked(name: &str, kind: KeyKind, key: VerifyingKey) -> Self {
        Self { name: name.to_owned(), kind, key_id: KeyId::of(name, kind, &key), key: key.into() }
    }

    /// The key's name; for a log key, the log's origin.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the key signs.
    #[must_use]
    pub const fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The key ID, made from name, kind and key.
    #[must_use]
    pub const fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// The 32 bytes of the key.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        PublicKey::from_bytes(*self.key.as_bytes())
    }

    /// Says whether `signature` over exactly `message` is this key's, strictly.
    pub(super) fn verifies(&self, message: &[u8], signature: &SignatureBytes) -> bool {
        self.key.verify(message, signature).is_ok()
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut typed_key = [0; 33];
        typed_key[0] = self.kind.type_byte();
        typed_key[1..].copy_from_slice(self.key.as_bytes());
        write!(f, "{}+{}+{}", self.name, self.key_id, STANDARD.encode(typed_key))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for VerifierKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl TryFrom<String> for VerifierKey {
    type Error = VkeyError;

    fn try_from(text: String) -> Result<Self, VkeyError> {
        text.parse()
    }
}

impl FromStr for VerifierKey {
    type Err = VkeyError;

    fn from_str(text: &str) -> Result<Self, VkeyError> {
        // The base64 may hold `+`: only the first two divide.
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(key_id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(VkeyError::Parts);
        };
        check_key_name(name)?;
        let stated = read_key_id(key_id)?;
        let (kind, key) = read_typed_key(key)?;
        let vkey = Self::new(name, kind, key)?;
        if stated != vkey.key_id {
            return Err(VkeyError::KeyIdMismatch { stated, computed: vkey.key_id });
        }
        Ok(vkey)
    }
}

fn read_key_id(text: &str) -> Result<KeyId, VkeyError> {
    let mut bytes = [0; 4];
    let lower_case = !text.contains(|c: char| c.is_ascii_uppercase());
    match hex::decode_to_slice(text, &mut bytes) {
        Ok(()) if lower_case => Ok(KeyId(bytes)),
        _ => Err(VkeyError::KeyIdText { text: text.chars().take(100).collect() }),
    }
}

fn read_typed_key(text: &str) -> Result<(KeyKind, PublicKey), VkeyError> {
    let bytes = STANDARD.decode(text).map_err(|_| VkeyError::Base64)?;
    let length = bytes.len();
    let (type_byte, key) = bytes.split_first().ok_or(VkeyError::KeyLength { length })?;
    let kind = KeyKind::from_type_byte(*type_byte).ok_or(VkeyError::UnknownType { type_byte: *type_byte })?;
    let key = key.try_into().map_err(|_| VkeyError::KeyLength { length })?;
    Ok((kind, PublicKey::from_bytes(key)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From C2SP signed-note v1.0.0.
    const PUBLISHED: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";

    fn signing_key() -> SigningKey {
        SigningKey::from_bytes(&[7; 32])
    }

    #[test]
    fn the_published_vkey_reads_and_writes() {
        let vkey: VerifierKey = PUBLISHED.parse().unwrap();
        assert_eq!(vkey.name(), "example.com/foo");
        assert_eq!(vkey.kind(), KeyKind::Ed25519);
        assert_eq!(vkey.key_id().to_string(), "530d903a");
        assert_eq!(vkey.to_string(), PUBLISHED);
        assert_eq!(VerifierKey::new_ed25519("example.com/foo", vkey.public_key()), Ok(vkey));
    }

    #[test]
    fn one_key_has_another_id_as_a_cosigner() {
        let log = VerifierKey::of_signing_key("w", KeyKind::Ed25519, &signing_key()).unwrap();
        let witness = VerifierKey::new_cosignature_v1("w", log.public_key()).unwrap();
        assert_eq!(witness.kind(), KeyKind::CosignatureV1);
        assert_ne!(witness.key_id(), log.key_id());
        assert_eq!(witness.to_string().parse(), Ok(witness.clone()));
        let key = witness.public_key();
        let digest = Hash::of_parts(&[b"w\n\x04", key.as_bytes()]);
        assert_eq!(witness.key_id().as_bytes(), &digest.as_bytes()[..4]);
    }

    #[test]
    fn json_and_toml_hold_the_text() {
        let vkey: VerifierKey = serde_json::from_str(&format!("\"{PUBLISHED}\"")).unwrap();
        assert_eq!(serde_json::to_string(&vkey).unwrap(), format!("\"{PUBLISHED}\""));
        assert!(serde_json::from_str::<VerifierKey>("\"example.com/foo\"").is_err());
    }

    /// The vkey text of any bytes, with the key ID that they ask for.
    fn vkey_text(name: &str, typed_key: &[u8]) -> String {
        let digest = Hash::of_parts(&[name.as_bytes(), b"\n", typed_key]);
        format!("{name}+{}+{}", digest.short(), STANDARD.encode(typed_key))
    }

    #[test]
    fn each_malformed_vkey_is_told_apart() {
        let name = |character| VkeyError::Name(KeyNameError::ForbiddenCharacter { character });
        let key_id = |text: &str| VkeyError::KeyIdText { text: text.into() };
        let key = "AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
        let rows = [
            (String::new(), VkeyError::Parts),
            ("example.com/foo".into(), VkeyError::Parts),
            ("example.com/foo+530d903a".into(), VkeyError::Parts),
            (format!("+530d903a+{key}"), VkeyError::Name(KeyNameError::Empty)),
            (format!("a b+530d903a+{key}"), name(' ')),
            (format!("a\u{a0}b+530d903a+{key}"), name('\u{a0}')),
            (format!("a\nb+530d903a+{key}"), name('\n')),
            (format!("a\u{7f}b+530d903a+{key}"), name('\u{7f}')),
            (format!("example.com/foo+530D903A+{key}"), key_id("530D903A")),
            (format!("example.com/foo+530d903+{key}"), key_id("530d903")),
            (format!("example.com/foo+530d903a0+{key}"), key_id("530d903a0")),
            (format!("example.com/foo++{key}"), key_id("")),
            (format!("example.com/foo+530d903a+{key}="), VkeyError::Base64),
            (format!("example.com/foo+530d903a+{key}\n"), VkeyError::Base64),
            (format!("example.com/foo+530d903a+{}", key.replace('A', "-")), VkeyError::Base64),
            ("example.com/foo+530d903a+".into(), VkeyError::KeyLength { length: 0 }),
            (vkey_text("a", &[0x01; 32]), VkeyError::KeyLength { length: 32 }),
            (vkey_text("a", &[0x01; 34]), VkeyError::KeyLength { length: 34 }),
            (vkey_text("a", &[0x06; 33]), VkeyError::UnknownType { type_byte: 0x06 }),
        ];
        for (text, error) in rows {
            assert_eq!(text.parse::<VerifierKey>(), Err(error), "{text:?}");
        }
        let other_name = PUBLISHED.replace("foo", "bar").parse::<VerifierKey>();
        assert!(matches!(other_name, Err(VkeyError::KeyIdMismatch { .. })));
    }

    #[test]
    fn keys_that_anyone_could_sign_for_are_refused() {
        let mut identity = [0; 32];
        identity[0] = 1;
        let not_canonical = field_prime_plus(3);
        let point = VerifyingKey::from_bytes(&not_canonical).unwrap();
        assert!(!point.is_weak(), "only its encoding is wrong");
        let rows = [
            (identity, "the identity"),
            ([0; 32], "a point of order four"),
            (field_prime_plus(1), "the identity, encoded otherwise"),
            (not_canonical, "a y beyond the field"),
            (field_prime_plus(2), "no point on the curve"),
        ];
        for (bytes, what) in &rows {
            let key = PublicKey::from_bytes(*bytes);
            let refused = VerifierKey::new_ed25519("a", key);
            assert_eq!(refused, Err(VkeyError::UnusableKey { key }), "{what}");
            let typed_key = [&[0x01], bytes.as_slice()].concat();
            assert_eq!(vkey_text("a", &typed_key).parse::<VerifierKey>(), refused, "{what}");
        }
    }

    /// The encoding of y = 2^255 - 19 + `offset`, for offsets below 19.
    fn field_prime_plus(offset: u8) -> [u8; 32] {
        let mut bytes = [0xff; 32];
        bytes[0] = 0xed + offset;
        bytes[31] = 0x7f;
        bytes
    }
}
