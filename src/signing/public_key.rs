//! Ed25519 public keys and signatures as bytes that the format carries (RFC 8032), and how OpenSSH
//! writes and names such keys (RFC 8709 section 4; `ssh-keygen -lf`).
//!
//! Nothing here says that a key is *good*: the conditions for granting one stand in
//! [`crate::signing::verify`]. Reading keys from text and files is [`crate::signing::key_file`]'s.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use bincode::{Decode, Encode};
use serde::{Serialize, Serializer};

use crate::hash::Hash;

/// The name of the key type and of the signature format in OpenSSH (RFC 8709).
pub(crate) const SSH_ED25519: &str = "ssh-ed25519";

/// The 32 bytes of an Ed25519 public key, unchecked; shown as 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Takes 32 bytes as they are.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 raw bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The name by which OpenSSH knows this key: SHA-256 of its wire form.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of_wire(&self.to_ssh_wire())
    }

    /// One line as in `id_ed25519.pub`, without a line end: `ssh-ed25519 AAAA… comment`. Control
    /// characters in `comment` are left out, so that it stays one line; it may be empty.
    #[must_use]
    pub fn to_openssh(&self, comment: &str) -> String {
        let key = STANDARD.encode(self.to_ssh_wire());
        let comment: String = comment.chars().filter(|c| !c.is_control()).collect();
        format!("{SSH_ED25519} {key} {comment}").trim_end().to_owned()
    }

    /// The SSH wire form, 51 bytes: the key type and the key, each an SSH string.
    pub(crate) fn to_ssh_wire(self) -> Vec<u8> {
        let mut wire = Vec::with_capacity(51);
        put_ssh_string(&mut wire, SSH_ED25519.as_bytes());
        put_ssh_string(&mut wire, &self.0);
        wire
    }

    /// Reads the SSH wire form; `None` where it is another type of key, or bytes are left over.
    pub(crate) fn from_ssh_wire(mut wire: &[u8]) -> Option<Self> {
        let key_type = take_ssh_string(&mut wire)?;
        let key = take_ssh_string(&mut wire)?;
        let ours = key_type == SSH_ED25519.as_bytes() && wire.is_empty();
        if ours { Some(Self(key.try_into().ok()?)) } else { None }
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A key's name in OpenSSH: SHA-256 of the wire form, shown as `SHA256:` and unpadded base64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of a key of whatever algorithm, by its wire form.
    pub(crate) fn of_wire(wire: &[u8]) -> Self {
        Self(*Hash::of(wire).as_bytes())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SHA256:{}", STANDARD_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A text that is not a key's fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a fingerprint: `SHA256:` and 43 base64 digits are expected, as `ssh-keygen -lf` prints"
)]
pub struct ParseFingerprintError {
    text: String,
}

impl FromStr for Fingerprint {
    type Err = ParseFingerprintError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digest = text.strip_prefix("SHA256:").and_then(|digits| STANDARD_NO_PAD.decode(digits).ok());
        digest
            .and_then(|bytes| bytes.try_into().ok())
            .map(Self)
            .ok_or_else(|| ParseFingerprintError { text: text.chars().take(100).collect() })
    }
}

/// The 64 bytes of an Ed25519 signature, R then S, unchecked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct SignatureBytes([u8; 64]);

impl SignatureBytes {
    /// Takes 64 bytes as they are.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// The 64 raw bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl fmt::Debug for SignatureBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// Appends an SSH `string`: its length as a big-endian `u32`, then its bytes (RFC 4251 section 5).
pub(crate) fn put_ssh_string(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).expect("callers bound what they send far below 4 GiB");
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
}

/// Takes an SSH `string` from the front of `rest`; `None` where it ends too early.
pub(crate) fn take_ssh_string<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(take_ssh_u32(rest)?).ok()?;
    let (string, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(string)
}

/// Takes a big-endian `u32` from the front of `rest`.
pub(crate) fn take_ssh_u32(rest: &mut &[u8]) -> Option<u32> {
    let (number, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(u32::from_be_bytes(*number))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8032 section 7.1, TEST 1.
    fn key() -> PublicKey {
        let mut bytes = [0; 32];
        hex::decode_to_slice("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", &mut bytes)
            .unwrap();
        PublicKey::from_bytes(bytes)
    }

    #[test]
    fn openssh_line_and_fingerprint_are_what_ssh_keygen_prints() {
        // Written by hand from RFC 8032's key; the fingerprint by `ssh-keygen -lf`, OpenSSH 9.2.
        let line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea a@b";
        assert_eq!(key().to_openssh("a@b"), line);
        assert_eq!(key().to_openssh(""), line.strip_suffix(" a@b").unwrap());
        assert_eq!(key().to_openssh("a@b\n\r\0"), line);
        assert_eq!(key().fingerprint().to_string(), "SHA256:bbXpuKG6zhzdmnxq256TlqzFBzRl2f6OOg722cYNbU8");
    }

    #[test]
    fn fingerprint_reads_back_and_rejects_what_ssh_keygen_would_not_print() {
        let text = key().fingerprint().to_string();
        assert_eq!(text.parse(), Ok(key().fingerprint()));
        for wrong in [&text[7..], &text[..49], &format!("{text}="), "MD5:00", "SHA256:", "sha256:abc"] {
            assert!(wrong.parse::<Fingerprint>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn wire_form_reads_back_and_rejects_other_types_and_lengths() {
        let wire = key().to_ssh_wire();
        assert_eq!(PublicKey::from_ssh_wire(&wire), Some(key()));
        assert_eq!(PublicKey::from_ssh_wire(&wire[..50]), None);
        assert_eq!(PublicKey::from_ssh_wire(&[wire.as_slice(), &[0]].concat()), None);
        let mut other = wire;
        other[4] = b'x';
        assert_eq!(PublicKey::from_ssh_wire(&other), None);
    }
}
