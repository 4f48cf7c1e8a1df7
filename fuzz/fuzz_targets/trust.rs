//! Trust roots. What is read is written so that it reads back, as TOML and line by line as a C2SP tlog-policy.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rollbook::log::trust_root::{TRUST_ROOT_BYTES_MAX, TrustRoot};
use rollbook::note::vkey::{KeyKind, VerifierKey};
use rollbook_fuzz::allocation::within;

fuzz_target!(|bytes: &[u8]| {
    // A TOML reader keeps some 100 bytes for each value, of which a text of two bytes may be one.
    let held_max = (256 << 10) + 200 * bytes.len();
    let Ok(root) = within(held_max, || TrustRoot::from_bytes(bytes)) else { return };
    assert!(bytes.len() <= TRUST_ROOT_BYTES_MAX);
    let key_is_the_logs =
        |key: &VerifierKey| key.kind() == KeyKind::Ed25519 && key.name() == root.origin().as_str();
    assert!(key_is_the_logs(root.log_key()) && root.latest_log_key().is_none_or(key_is_the_logs));
    let written = root.to_toml();
    if written.len() <= TRUST_ROOT_BYTES_MAX {
        let read = TrustRoot::from_bytes(written.as_bytes());
        assert_eq!(read.as_ref(), Ok(&root), "{written}");
        assert_eq!(read.map(|root| root.to_toml()), Ok(written));
    }
    let policy = root.to_tlog_policy();
    assert!(policy.ends_with('\n'));
    for line in policy.lines() {
        let word = line.split(' ').next();
        assert!(matches!(word, Some("log" | "witness" | "group" | "quorum")), "{policy}");
        assert!(!line.contains(|c: char| c < ' ' || c == '\u{7f}'), "{policy}");
    }
    assert_eq!(policy.lines().filter(|line| line.starts_with("quorum ")).count(), 1, "{policy}");
});
