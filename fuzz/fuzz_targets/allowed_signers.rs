//! `allowed_signers` texts. A key is allowed only by a line that names it, and between the times that stand there.
#![no_main]

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use libfuzzer_sys::fuzz_target;
use rollbook::evidence::allowed_signers::{AllowedSigners, NotAllowed};
use rollbook::evidence::git_signature::SshKey;
use rollbook::time::Timestamp;
use rollbook_fuzz::allocation::within;

/// The seeds' key, RFC 8032 section 7.1, TEST 1.
const BASE64: &str = "AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea";

static KEY: LazyLock<SshKey> = LazyLock::new(|| {
    let wire = STANDARD.decode(BASE64).expect("base64");
    SshKey::from_wire(&wire).expect("an Ed25519 key")
});

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    // The shortest line has some 40 bytes, and is kept in some 300.
    let held_max = (16 << 10) + 32 * bytes.len();
    let Ok(signers) = within(held_max, || AllowedSigners::parse(text)) else { return };
    let line = |number: u32| text.lines().nth(number as usize - 1).expect("a line of the text");
    for at in [Timestamp::EPOCH, Timestamp::EPOCH.plus_ms(1_772_357_400_000), Timestamp::MAX] {
        match signers.judge(&KEY, at) {
            Ok(allowed) => {
                assert!(line(allowed.line).contains(BASE64));
                assert!(!allowed.principals.is_empty() && line(allowed.line).contains(&allowed.principals));
            }
            Err(NotAllowed::Unknown) => assert!(!text.lines().any(|line| names(line) && signers.len() == 1)),
            Err(NotAllowed::NotYetValid { line: number, from }) => {
                assert!(at < from && line(number).contains(BASE64));
            }
            Err(NotAllowed::Expired { line: number, until }) => {
                assert!(at > until && line(number).contains(BASE64));
            }
            Err(NotAllowed::Namespace { line: number, .. }) => assert!(line(number).contains(BASE64)),
            Err(NotAllowed::Revoked { .. }) => unreachable!("a ledger revokes, no text does"),
        }
    }
});

/// Whether a line that says something ends in the key.
fn names(line: &str) -> bool {
    !line.trim_start().starts_with('#') && line.ends_with(&format!(" ssh-ed25519 {BASE64}"))
}
