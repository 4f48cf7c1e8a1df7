//! One signature of a note: `— <name> <base64 of key ID and signature>` (C2SP signed-note v1.0.0,
//! "Signatures").
//!
//! Parsing says nothing about validity; signatures are checked in [`super::signed_note`] and
//! [`super::cosignature`].

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer as _, SigningKey};

use super::vkey::{KeyId, KeyKind, KeyNameError, VerifierKey, check_key_name};

/// The em dash (U+2014) and the space that open a signature line.
const LINE_START: &str = "— ";

/// Why a line is no signature line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureLineError {
    /// It doesn't begin with an em dash and a space.
    #[error("a signature line begins with an em dash (U+2014) and a space")]
    Start,
    /// There is no space after the name.
    #[error("a signature line has a name, a space and base64 after the em dash")]
    Parts,
    /// The name cannot be one.
    #[error(transparent)]
    Name(#[from] KeyNameError),
    /// The signature is not canonical base64 with padding.
    #[error("the signature by `{name}` is not base64 in its canonical form, with padding")]
    Base64 {
        /// The name in the line.
        name: String,
    },
    /// A key ID and at least one more byte are needed.
    #[error("the signature by `{name}` has {length} bytes: 4 of key ID and at least 1 more are expected")]
    TooShort {
        /// The name in the line.
        name: String,
        /// Decoded bytes, key ID included.
        length: usize,
    },
}

/// A signature line, unchecked. Shown as the line without its LF.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureLine {
    /// Passes [`check_key_name`].
    name: String,
    key_id: KeyId,
    /// At least one byte.
    payload: Vec<u8>,
}

impl SignatureLine {
    /// Reads one line, without its LF.
    pub fn parse(line: &str) -> Result<Self, SignatureLineError> {
        let rest = line.strip_prefix(LINE_START).ok_or(SignatureLineError::Start)?;
        let (name, base64) = rest.split_once(' ').ok_or(SignatureLineError::Parts)?;
        check_key_name(name)?;
        let blob =
            STANDARD.decode(base64).map_err(|_| SignatureLineError::Base64 { name: name.to_owned() })?;
        match blob.split_first_chunk() {
            Some((key_id, payload)) if !payload.is_empty() => Ok(Self {
                name: name.to_owned(),
                key_id: KeyId::from_bytes(*key_id),
                payload: payload.to_vec(),
            }),
            _ => Err(SignatureLineError::TooShort { name: name.to_owned(), length: blob.len() }),
        }
    }

    /// Signs a note's text with a log's key (type 0x01) under `name`.
    pub fn sign_ed25519(name: &str, key: &SigningKey, text: &str) -> Result<Self, KeyNameError> {
        let vkey = VerifierKey::of_signing_key(name, KeyKind::Ed25519, key)?;
        Ok(Self::of_key(&vkey, key.sign(text.as_bytes()).to_bytes().to_vec()))
    }

    /// The line of `vkey` with `payload`, which is not empty.
    pub(super) fn of_key(vkey: &VerifierKey, payload: Vec<u8>) -> Self {
        Self { name: vkey.name().to_owned(), key_id: vkey.key_id(), payload }
    }

    /// The signer's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key ID.
    #[must_use]
    pub const fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// The bytes after the key ID: a signature, or time and signature.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// Says whether the line claims to be by `vkey`: name and key ID are the same.
    #[must_use]
    pub fn is_by(&self, vkey: &VerifierKey) -> bool {
        self.key_id == vkey.key_id() && self.name == vkey.name()
    }
}

impl fmt::Display for SignatureLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let blob = [self.key_id.as_bytes(), self.payload.as_slice()].concat();
        write!(f, "{LINE_START}{} {}", self.name, STANDARD.encode(blob))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reads_and_writes() {
        let line = "— example.com/foo Uw2QOgECAw==";
        let signature = SignatureLine::parse(line).unwrap();
        assert_eq!(signature.name(), "example.com/foo");
        assert_eq!(signature.key_id().to_string(), "530d903a");
        assert_eq!(signature.payload(), [1, 2, 3]);
        assert_eq!(signature.to_string(), line);
    }

    #[test]
    fn each_malformed_line_is_told_apart() {
        let name = |character| SignatureLineError::Name(KeyNameError::ForbiddenCharacter { character });
        let base64 = || SignatureLineError::Base64 { name: "a".into() };
        let short = |length| SignatureLineError::TooShort { name: "a".into(), length };
        let rows = [
            ("", SignatureLineError::Start),
            ("- a Uw2QOgECAw==", SignatureLineError::Start),
            ("—a Uw2QOgECAw==", SignatureLineError::Start),
            (" — a Uw2QOgECAw==", SignatureLineError::Start),
            ("— aUw2QOgECAw==", SignatureLineError::Parts),
            ("—  Uw2QOgECAw==", SignatureLineError::Name(KeyNameError::Empty)),
            ("— a+b Uw2QOgECAw==", name('+')),
            ("— a\u{2003}b Uw2QOgECAw==", name('\u{2003}')),
            ("— a  Uw2QOgECAw==", base64()),
            ("— a Uw2QOgECAw== ", base64()),
            ("— a Uw2QOgECAw", base64()),
            ("— a Uw2QOgECAx==", base64()),
            ("— a Uw2QOgEC-_==", base64()),
            ("— a ", short(0)),
            ("— a Uw2QOg==", short(4)),
        ];
        for (line, error) in rows {
            assert_eq!(SignatureLine::parse(line), Err(error), "{line:?}");
        }
    }
}
