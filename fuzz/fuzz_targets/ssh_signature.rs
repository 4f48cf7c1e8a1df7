//! SSH signatures, as text or as the bytes inside the armour, and the issuers of OpenPGP's. None is good for what
//! nobody signed.
#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use libfuzzer_sys::fuzz_target;
use rollbook::evidence::git_signature::{
    NAMESPACE, SIGNATURE_BYTES_MAX, SignatureFault, check_ssh_signature,
};
use rollbook::evidence::openpgp::issuer;
use rollbook_fuzz::allocation::within;

/// What is signed in the seeds.
const SIGNED: &[u8] = include_bytes!("../../tests/vectors/ssh_signatures/payload");

fuzz_target!(|bytes: &[u8]| {
    let armored;
    let text = match bytes.first() {
        Some(b'-') => bytes,
        _ => {
            let base64 = STANDARD.encode(bytes);
            armored = format!("-----BEGIN SSH SIGNATURE-----\n{base64}\n-----END SSH SIGNATURE-----\n");
            armored.as_bytes()
        }
    };
    let nobody = check_ssh_signature(b"nobody signed this", text, NAMESPACE);
    assert!(nobody.is_err(), "{nobody:?}");
    // Text, bytes and fields; the numbers of an RSA key of 8,192 bits in several forms.
    let held_max = (256 << 10) + 8 * text.len();
    match within(held_max, || check_ssh_signature(SIGNED, text, NAMESPACE)) {
        Ok(key) => assert!(key.fingerprint().starts_with("SHA256:") && !key.algorithm().is_empty()),
        Err(SignatureFault::TooLong { bytes }) => assert!(bytes == text.len() && bytes > SIGNATURE_BYTES_MAX),
        Err(fault) => assert!(fault.to_string().len() < 1000),
    }
    if let Some(issuer) = within(held_max, || issuer(bytes)) {
        assert!(issuer.len() < 600 && issuer.bytes().all(|digit| digit.is_ascii_hexdigit()));
    }
});
