//! A small sound log with some of every part, made the same way each time.

use ed25519_dalek::SigningKey;
use rollbook::event::authority::{Role, RotationCause};
use rollbook::event::release::ChangeOutcome;
use rollbook::hash::Hash;
use rollbook::note::checkpoint::{CheckpointNote, sign_checkpoint};
use rollbook::note::cosignature::cosign;
use rollbook::note::vkey::{KeyKind, VerifierKey};

use crate::events::*;
use crate::forge::Forge;

/// The witness's name in the seeds.
pub const WITNESS: &str = "witness.example/w1";

/// Everybody who signs in the log.
pub fn people() -> [Person; 4] {
    [ada(), person("Dan"), person("Eva"), person("Rea")]
}

/// The key that the log is rotated to.
pub fn second_log_key() -> SigningKey {
    SigningKey::from_bytes(Hash::of(b"second log key").as_bytes())
}

/// The key of the witness.
pub fn witness_key() -> SigningKey {
    SigningKey::from_bytes(Hash::of(b"witness").as_bytes())
}

/// The vkey of the witness.
pub fn witness() -> VerifierKey {
    VerifierKey::of_signing_key(WITNESS, KeyKind::CosignatureV1, &witness_key()).expect("a fit name")
}

/// A log of ten entries in eight batches that every rule lets through: people, a model, an evaluation, a promotion,
/// a rotation of the log key.
pub fn log() -> Forge {
    let [ada, dan, eva, rea] = people();
    let mut log = Forge::founded();
    for (person, role) in [(&dan, Role::Deployer), (&eva, Role::Evaluator), (&rea, Role::Registrar)] {
        let event = log.event(&ada, grant(person, &[role]));
        log.enter_event(event, &[&ada]);
    }
    log.seal();
    log.add(&[&rea], register("1.0.0"));
    log.add(&[&eva], fairness("1.0.0", 0.05));
    let change = log.add(&[&dan], promote("1.0.0", "staging", None));
    log.rotate(&[&ada], &second_log_key(), RotationCause::Routine);
    log.add(&[&dan], complete(change, ChangeOutcome::Succeeded));
    log.add(&[&ada], note(change));
    log
}

/// A log of four entries in three batches, the second a rotation of the log key: each signature takes a verifier its
/// time.
pub fn short_log() -> Forge {
    let [ada, dan, ..] = people();
    let mut log = Forge::founded();
    log.rotate(&[&ada], &second_log_key(), RotationCause::Routine);
    let event = log.event(&ada, grant(&dan, &[Role::Deployer, Role::Registrar]));
    log.enter_event(event, &[&ada]);
    let event = log.event(&dan, register("1.0.0"));
    log.enter_event(event, &[&dan]);
    log.seal();
    log
}

/// The newest checkpoint of the log with a cosignature of the witness.
pub fn cosigned(log: &Forge) -> Vec<u8> {
    let note = CheckpointNote::parse_unverified(log.newest_note()).expect("a checkpoint note");
    let line = cosign(WITNESS, &witness_key(), note.note().text(), log.now).expect("a fit name");
    note.note().clone().with_signature(line).expect("two signature lines").encode()
}

/// A checkpoint note of `size` and `root` in the log's name, signed by `keys`.
pub fn checkpoint_note(log: &Forge, size: u64, root: Hash, keys: &[&SigningKey]) -> Vec<u8> {
    let checkpoint = rollbook::note::checkpoint::Checkpoint::new(log.origin.clone(), size, root);
    sign_checkpoint(&checkpoint, keys).expect("some keys")
}
