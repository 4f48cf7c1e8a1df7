//! A statement in a signed envelope (DSSE v1).
//!
//! Whoever exports signs: that this is what they read in the ledger. It is not the author's signature, which is over the
//! event's own bytes and stands in the entry.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::signing::envelope::pae;
use crate::signing::signer::{SignError, Signer};

/// The envelope around `payload`, signed by each of `signers`. A key ID is the key's SSH fingerprint, `SHA256:…`.
///
/// # Errors
/// A key in an agent does not sign.
pub fn sealed(payload_type: &str, payload: &[u8], signers: &[Signer]) -> Result<Value, SignError> {
    let message = pae(payload_type, payload);
    let signatures = signers
        .iter()
        .map(|signer| {
            let signature = signer.sign(&message)?;
            let keyid = signer.public_key().fingerprint();
            Ok(json!({ "keyid": keyid, "sig": STANDARD.encode(signature.as_bytes()) }))
        })
        .collect::<Result<Vec<Value>, SignError>>()?;
    Ok(json!({ "payloadType": payload_type, "payload": STANDARD.encode(payload), "signatures": signatures }))
}
