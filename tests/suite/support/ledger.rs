//! The small ledger of the vectors: its keys, envelopes, first entries and checkpoints.

use std::sync::LazyLock;

use ed25519_dalek::{Signer, SigningKey};
use rollbook::hash::Hash;
use rollbook::log::entry::Entry;
use rollbook::merkle::tree::node_hash;
use rollbook::note::checkpoint::{Checkpoint, Origin, sign_checkpoint};
use rollbook::signing::envelope::{AuthorSignature, Envelope, signing_bytes};
use rollbook::signing::public_key::{PublicKey, SignatureBytes};
use rollbook::time::Timestamp;

use super::samples;

/// The log's name.
pub(crate) const ORIGIN: &str = "rollbook.example/vectors";

/// The private key whose seed is `seed` 32 times.
pub(crate) fn signing_key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

/// The public half of [`signing_key`].
pub(crate) fn public_key(seed: u8) -> PublicKey {
    PublicKey::from_bytes(signing_key(seed).verifying_key().to_bytes())
}

/// `event` signed by the keys of `seeds`.
pub(crate) fn envelope(event: &[u8], seeds: &[u8]) -> Envelope {
    let message = signing_bytes(event);
    let sign = |&seed: &u8| AuthorSignature {
        key: public_key(seed),
        signature: SignatureBytes::from_bytes(signing_key(seed).sign(&message).to_bytes()),
    };
    let mut signatures: Vec<AuthorSignature> = seeds.iter().map(sign).collect();
    signatures.sort_by_key(|signature| signature.key);
    Envelope::new(event.to_vec(), signatures).unwrap()
}

/// Entry 0: the ledger's creation, signed by both administrators.
pub(crate) fn entry_0() -> Entry {
    let event = samples::ledger_created().to_bytes().unwrap();
    Entry {
        index: 0,
        previous: Hash::ZERO,
        recorded_at: time(1_772_355_600_500),
        state_root: None,
        envelope: envelope(&event, &[1, 2]),
    }
}

/// The leaf hash of entry 0.
pub(crate) fn ledger_id() -> Hash {
    // Every sample names it: signing entry 0 for each would take most of the tests' time.
    static LEDGER_ID: LazyLock<Hash> = LazyLock::new(|| Entry::leaf_hash(&entry_0().to_bytes()));
    *LEDGER_ID
}

/// Entry 1: a note on entry 0.
pub(crate) fn entry_1() -> Entry {
    let event = samples::minimal_note().to_bytes().unwrap();
    Entry {
        index: 1,
        previous: ledger_id(),
        recorded_at: time(1_772_355_601_250),
        state_root: None,
        envelope: envelope(&event, &[1]),
    }
}

/// As entry 1, with a state root.
pub(crate) fn entry_with_state_root() -> Entry {
    Entry { state_root: Some(Hash::of(b"state")), ..entry_1() }
}

/// The checkpoint over both entries.
pub(crate) fn checkpoint_2() -> Vec<u8> {
    let root = node_hash(&ledger_id(), &Entry::leaf_hash(&entry_1().to_bytes()));
    sign_checkpoint(&Checkpoint::new(Origin::new(ORIGIN).unwrap(), 2, root), &[&signing_key(3)]).unwrap()
}

/// A boundary checkpoint: signed by the old log key, then by the new one.
pub(crate) fn checkpoint_rotated() -> Vec<u8> {
    let checkpoint = Checkpoint::new(Origin::new(ORIGIN).unwrap(), 3, Hash::of(b"root of three"));
    sign_checkpoint(&checkpoint, &[&signing_key(3), &signing_key(4)]).unwrap()
}

/// A time from milliseconds.
pub(crate) fn time(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms).unwrap()
}
