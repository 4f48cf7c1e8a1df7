//! What an auditor keeps of a verification. What is read encodes to the same bytes, within bounded memory; and going
//! on from it ends in a verdict, whatever it says.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use rollbook::hash::Hash;
use rollbook::log::trust_root::TrustRoot;
use rollbook::store::head::HeadState;
use rollbook::store::memory::MemoryLog;
use rollbook::verifier::kept::KeptState;
use rollbook::verifier::verify::{Options, judge};
use rollbook_fuzz::allocation::within;
use rollbook_fuzz::{forge, seed};

const CHECKSUM_BYTES: usize = 32;

struct Fixture {
    trust: TrustRoot,
    log: MemoryLog,
    head: HeadState,
    /// Where the bytes are read from.
    path: PathBuf,
    _dir: tempfile::TempDir,
}

static FIXTURE: LazyLock<Fixture> = LazyLock::new(|| {
    let forge = seed::short_log();
    let dir = tempfile::tempdir().expect("a directory for one file");
    let path = dir.path().join("state");
    Fixture { trust: forge.trust(), log: forge.log(), head: forge.head(), path, _dir: dir }
});

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    if let Some(content) = bytes.len().checked_sub(CHECKSUM_BYTES).map(|end| &bytes[..end]) {
        check(&[content, Hash::of(content).as_bytes()].concat());
    }
});

fn check(bytes: &[u8]) {
    let Fixture { trust, log, head, path, .. } = &*FIXTURE;
    std::fs::write(path, bytes).expect("the directory can be written to");
    // The file's bytes, and what they become: rows and numbers in trees, several times as wide; a decoding claims
    // at most 1 MiB.
    let held_max = (2 << 20) + 64 * bytes.len();
    let Ok(Some(state)) = within(held_max, || KeptState::read(path, trust)) else { return };
    assert_eq!(state.to_bytes(), bytes);
    assert!(state.fits(trust));
    let options = Options { trust: Some(trust), kept: Some(&state), keep: true, ..forge::quick() };
    let judged = judge(log, head.clone(), &options, &|_, _| {}).expect("memory can be read");
    if let Some(kept) = judged.kept {
        kept.write(path).expect("the directory can be written to");
        let read = KeptState::read(path, trust).expect("what was kept reads back").expect("it is there");
        assert_eq!(read.to_bytes(), kept.to_bytes());
    }
}
