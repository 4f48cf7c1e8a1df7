//! Timestamped cosignatures of witnesses, `cosignature/v1` (C2SP tlog-cosignature v1.0.1).
//!
//! A cosignature says that the witness had seen no larger tree of this log by that time. Checking
//! that the checkpoint extends what the witness saw before comes before signing, and elsewhere.

use ed25519_dalek::{Signer as _, SigningKey};

use crate::signing::public_key::SignatureBytes;
use crate::time::{SECOND_MS, Timestamp};

use super::signature_line::SignatureLine;
use super::vkey::{KeyKind, KeyNameError, VerifierKey};

/// Eight bytes of time, then an Ed25519 signature.
const PAYLOAD_BYTES: usize = 8 + 64;

/// Why a line is no valid cosignature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CosignatureError {
    /// The key is of another kind.
    #[error("`{name}` is not a cosigner's key (signature type 0x04)")]
    NotACosigner {
        /// The key's name.
        name: String,
    },
    /// Name or key ID are another key's.
    #[error("the signature line is not by `{name}` with this key")]
    OtherKey {
        /// The key's name.
        name: String,
    },
    /// Not 8 bytes of time and 64 of signature.
    #[error("a cosignature has {length} bytes after the key ID, not {PAYLOAD_BYTES}")]
    Length {
        /// After the key ID.
        length: usize,
    },
    /// A time beyond [`Timestamp::MAX`].
    #[error("a cosignature's time, {time_s} s, is beyond every timestamp")]
    Time {
        /// POSIX seconds.
        time_s: u64,
    },
    /// The signature is not over this checkpoint, time and key.
    #[error("the cosignature by `{name}` does not verify")]
    BadSignature {
        /// The key's name.
        name: String,
    },
}

/// Cosigns a checkpoint's `text` (its last LF included) as the witness `name`, at `time` rounded
/// down to the second.
pub fn cosign(
    name: &str,
    key: &SigningKey,
    text: &str,
    time: Timestamp,
) -> Result<SignatureLine, KeyNameError> {
    let vkey = VerifierKey::of_signing_key(name, KeyKind::CosignatureV1, key)?;
    let time_s = u64::try_from(time.as_millis() / SECOND_MS).expect("a timestamp is not before 1970");
    let signature = key.sign(&signed_message(time_s, text));
    let payload = [time_s.to_be_bytes().as_slice(), &signature.to_bytes()].concat();
    Ok(SignatureLine::of_key(&vkey, payload))
}

/// Checks that `line` is a cosignature by `vkey` of a checkpoint's `text` (its last LF included),
/// and tells its time.
pub fn verify_cosignature(
    vkey: &VerifierKey,
    text: &str,
    line: &SignatureLine,
) -> Result<Timestamp, CosignatureError> {
    let name = || vkey.name().to_owned();
    if vkey.kind() != KeyKind::CosignatureV1 {
        return Err(CosignatureError::NotACosigner { name: name() });
    }
    if !line.is_by(vkey) {
        return Err(CosignatureError::OtherKey { name: name() });
    }
    let (time_s, signature) = split_payload(line.payload())?;
    let time = timestamp_of(time_s)?;
    if !vkey.verifies(&signed_message(time_s, text), &signature) {
        return Err(CosignatureError::BadSignature { name: name() });
    }
    Ok(time)
}

/// The header line, the time line, and the checkpoint's whole text.
fn signed_message(time_s: u64, text: &str) -> Vec<u8> {
    format!("cosignature/v1\ntime {time_s}\n{text}").into_bytes()
}

fn split_payload(payload: &[u8]) -> Result<(u64, SignatureBytes), CosignatureError> {
    let wrong_length = || CosignatureError::Length { length: payload.len() };
    let (time, signature) = payload.split_first_chunk().ok_or_else(wrong_length)?;
    let signature = signature.try_into().map_err(|_| wrong_length())?;
    Ok((u64::from_be_bytes(*time), SignatureBytes::from_bytes(signature)))
}

fn timestamp_of(time_s: u64) -> Result<Timestamp, CosignatureError> {
    let ms = i64::try_from(time_s).ok().and_then(|seconds| seconds.checked_mul(SECOND_MS));
    ms.and_then(|ms| Timestamp::from_millis(ms).ok()).ok_or(CosignatureError::Time { time_s })
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::Signature;

    use super::*;

    const TEXT: &str = "example.com/log\n7\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

    fn witness() -> (SigningKey, VerifierKey) {
        let key = SigningKey::from_bytes(&[9; 32]);
        let vkey = VerifierKey::of_signing_key("w1", KeyKind::CosignatureV1, &key).unwrap();
        (key, vkey)
    }

    fn time(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms).unwrap()
    }

    #[test]
    fn the_signed_message_is_the_specified_one() {
        let (key, _) = witness();
        let line = cosign("w1", &key, TEXT, time(1_679_315_147_999)).unwrap();
        assert_eq!(line.payload().len(), 72);
        assert_eq!(line.payload()[..8], [0, 0, 0, 0, 0x64, 0x18, 0x50, 0xcb]);
        let message = format!("cosignature/v1\ntime 1679315147\n{TEXT}");
        let signature = Signature::from_slice(&line.payload()[8..]).unwrap();
        assert!(key.verifying_key().verify_strict(message.as_bytes(), &signature).is_ok());
    }

    #[test]
    fn a_cosignature_verifies_and_tells_its_second() {
        let (key, vkey) = witness();
        for (ms, floor_ms) in [(0, 0), (999, 0), (1_679_315_147_001, 1_679_315_147_000)] {
            let line = cosign("w1", &key, TEXT, time(ms)).unwrap();
            assert_eq!(verify_cosignature(&vkey, TEXT, &line), Ok(time(floor_ms)));
        }
        let latest = cosign("w1", &key, TEXT, Timestamp::MAX).unwrap();
        assert!(verify_cosignature(&vkey, TEXT, &latest).is_ok());
    }

    #[test]
    fn each_wrong_cosignature_is_told_apart() {
        let (key, vkey) = witness();
        let line = cosign("w1", &key, TEXT, time(1000)).unwrap();
        let with_payload = |payload: Vec<u8>| SignatureLine::of_key(&vkey, payload);
        let bad = Err(CosignatureError::BadSignature { name: "w1".into() });

        assert_eq!(verify_cosignature(&vkey, &TEXT.replace('7', "8"), &line), bad);
        for position in [7, 8, 71] {
            let mut payload = line.payload().to_vec();
            payload[position] ^= 1;
            assert_eq!(verify_cosignature(&vkey, TEXT, &with_payload(payload)), bad, "byte {position}");
        }
        for length in [7, 71, 73] {
            let mut payload = line.payload().to_vec();
            payload.resize(length, 0);
            let refused = verify_cosignature(&vkey, TEXT, &with_payload(payload));
            assert_eq!(refused, Err(CosignatureError::Length { length }));
        }
        let mut beyond_9999 = line.payload().to_vec();
        beyond_9999[..8].copy_from_slice(&253_402_300_800u64.to_be_bytes());
        let refused = verify_cosignature(&vkey, TEXT, &with_payload(beyond_9999));
        assert_eq!(refused, Err(CosignatureError::Time { time_s: 253_402_300_800 }));
        let mut largest = line.payload().to_vec();
        largest[..8].fill(0xff);
        let refused = verify_cosignature(&vkey, TEXT, &with_payload(largest));
        assert_eq!(refused, Err(CosignatureError::Time { time_s: u64::MAX }));
    }

    #[test]
    fn other_keys_and_kinds_are_told_apart() {
        let (key, vkey) = witness();
        let line = cosign("w1", &key, TEXT, time(1000)).unwrap();
        let renamed = VerifierKey::new_cosignature_v1("w2", vkey.public_key()).unwrap();
        let other_key = CosignatureError::OtherKey { name: "w2".into() };
        assert_eq!(verify_cosignature(&renamed, TEXT, &line), Err(other_key));
        let log = VerifierKey::new_ed25519("w1", vkey.public_key()).unwrap();
        let not_a_cosigner = CosignatureError::NotACosigner { name: "w1".into() };
        assert_eq!(verify_cosignature(&log, TEXT, &line), Err(not_a_cosigner));
        assert_eq!(
            cosign("w 1", &key, TEXT, time(0)),
            Err(KeyNameError::ForbiddenCharacter { character: ' ' })
        );
    }
}
