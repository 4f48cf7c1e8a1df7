//! Git objects as bytes, signed with SSH keys: what the demonstration and the measurements put into repositories and
//! events.
//!
//! Formats: gitformat-signature(5); OpenSSH's PROTOCOL.sshsig with SHA-512.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha512};

use crate::signing::public_key::PublicKey;

/// OpenSSH wraps the armour here; readers take any width.
const ARMOUR_COLUMNS: usize = 70;

/// An Ed25519 key, by what can be done with it.
#[derive(Clone, Copy)]
pub struct ObjectSigner<'a> {
    /// The key that the signature names.
    pub public_key: PublicKey,
    /// Signs the given bytes as they are (RFC 8032, no pre-hash).
    pub sign: &'a dyn Fn(&[u8]) -> [u8; 64],
}

/// A tag of `commit`, signed.
#[must_use]
pub fn signed_tag(commit: &str, name: &str, message: &str, signer: ObjectSigner<'_>) -> Vec<u8> {
    let content = format!(
        "object {commit}\ntype commit\ntag {name}\ntagger Ada <ada@example.org> 1750000000 +0000\n\n{message}\n"
    );
    let signature = ssh_signature(content.as_bytes(), "git", signer);
    (content + &signature).into_bytes()
}

/// The armoured SSHSIG of `message` in `namespace`: `git`, for what Git is to accept.
#[must_use]
pub fn ssh_signature(message: &[u8], namespace: &str, signer: ObjectSigner<'_>) -> String {
    let namespace = ssh_string(namespace.as_bytes());
    let reserved = ssh_string(b"");
    let algorithm = ssh_string(b"sha512");
    // What is signed: the magic, then namespace, reserved, hash algorithm and H(message).
    let to_sign =
        [b"SSHSIG".as_slice(), &namespace, &reserved, &algorithm, &ssh_string(&Sha512::digest(message))]
            .concat();
    let signature = [ssh_string(b"ssh-ed25519"), ssh_string(&(signer.sign)(&to_sign))].concat();
    // What is written: the magic, version 1, public key, namespace, reserved, algorithm, signature.
    let blob = [
        b"SSHSIG".as_slice(),
        &1u32.to_be_bytes(),
        &ssh_string(&ssh_public_key(signer.public_key)),
        &namespace,
        &reserved,
        &algorithm,
        &ssh_string(&signature),
    ]
    .concat();
    armoured(&blob)
}

/// The key in SSH's own encoding (RFC 8709, section 4).
#[must_use]
pub fn ssh_public_key(key: PublicKey) -> Vec<u8> {
    [ssh_string(b"ssh-ed25519"), ssh_string(key.as_bytes())].concat()
}

/// RFC 4251 `string`: the length as a big-endian u32, then the bytes.
fn ssh_string(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).expect("keys, hashes and names are short");
    [length.to_be_bytes().as_slice(), bytes].concat()
}

fn armoured(blob: &[u8]) -> String {
    let mut text = String::from("-----BEGIN SSH SIGNATURE-----\n");
    let encoded = STANDARD.encode(blob);
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, tail) = rest.split_at(rest.len().min(ARMOUR_COLUMNS));
        text += line;
        text.push('\n');
        rest = tail;
    }
    text + "-----END SSH SIGNATURE-----\n"
}
