//! Git path proofs and trees.
//!
//! Of a small repository, in both hashes, a byte string is accepted as the proof of a choice of manifests exactly where
//! it is the honest one, and each of them holds the digest. The first byte chooses; what follows is the proof, or, where
//! it says so, changes to the honest one. The bytes are read as a tree, too: what is read is written in the same bytes.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use rollbook::evidence::git_object::ObjectFormat;
use rollbook::evidence::git_path::{find_digest, verify};
use rollbook::evidence::git_tree::entries;
use rollbook_fuzz::allocation::within;
use rollbook_fuzz::git::{Repository, manifests, model};

static REPOSITORIES: LazyLock<[Repository; 2]> =
    LazyLock::new(|| [ObjectFormat::Sha1, ObjectFormat::Sha256].map(Repository::new));

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, rest)) = bytes.split_first() else { return };
    let repository = &REPOSITORIES[usize::from(choice & 1)];
    let named = manifests(choice >> 2);
    let honest = repository.prove(&named);
    let proof = if choice & 2 == 0 { rest.to_vec() } else { changed(&honest, rest) };
    // Messages, and a map of at most eight objects.
    let verified = within(16 << 10, || verify(&proof, &repository.commit, &named, &[model()]));
    let all_pin = !named.iter().any(|path| path.as_str() == "readme");
    assert_eq!(verified.is_ok(), proof == honest && all_pin);
    if let Ok(pins) = verified {
        assert_eq!(pins.len(), named.len());
    }
    tree(rest, repository);
    let _ = find_digest(rest, &[model()]);
});

/// `honest` with bytes replaced, put in and taken out, three bytes a change.
fn changed(honest: &[u8], changes: &[u8]) -> Vec<u8> {
    let mut proof = honest.to_vec();
    for change in changes.chunks_exact(3) {
        let at = (usize::from(change[0]) | usize::from(change[1] & 0x3f) << 8) % (proof.len() + 1);
        match change[1] >> 6 {
            0 if at < proof.len() => proof[at] = change[2],
            1 => proof.insert(at, change[2]),
            2 if at < proof.len() => _ = proof.remove(at),
            _ => proof.truncate(at.max(1)),
        }
    }
    proof
}

fn tree(bytes: &[u8], repository: &Repository) {
    let read: Vec<_> = entries(bytes, &repository.commit).collect();
    if read.iter().any(Result::is_err) {
        assert!(read[..read.len() - 1].iter().all(Result::is_ok), "nothing is read behind a fault");
        return;
    }
    let mut at = 0;
    for entry in read.into_iter().flatten() {
        let end = [entry.name, b"\0", entry.id.as_slice()].concat();
        let mode = bytes[at..].iter().position(|byte| *byte == b' ').expect("a mode") + 1;
        assert!(bytes[at + mode..].starts_with(&end));
        at += mode + end.len();
    }
    assert_eq!(at, bytes.len());
}
