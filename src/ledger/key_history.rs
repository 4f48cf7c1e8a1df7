//! Which key signs each checkpoint of a log, as its entries say.
//!
//! [`BatchSigners`] goes along where a log is followed. [`log_keys_of`] is for an opening whose own keys fit
//! nothing: it replays the log from entry 0, and writes nothing.

use crate::event::authority::{LogKeyRotated, RotationCause};
use crate::event::body::{Body, Event};
use crate::lifecycle::rules::{GitEvidence, Submission, replay};
use crate::lifecycle::state::{NoSource, State};
use crate::log::entry::Entry;
use crate::note::checkpoint::{CheckpointNote, Origin};
use crate::note::vkey::VerifierKey;
use crate::signing::public_key::PublicKey;
use crate::store::batch_log::{BatchSource, Position};
use crate::store::frame::FrameView;
use crate::store::scan::Scanner;

/// Who signs the checkpoint of one batch after another.
pub(super) struct BatchSigners {
    origin: Origin,
    /// Those of the last batch; the last of them is the key in force. None before the first batch.
    signers: Vec<VerifierKey>,
}

impl BatchSigners {
    /// From a batch on before which `in_force` was the log's key; none before the first batch.
    pub(super) fn new(origin: &Origin, in_force: Option<PublicKey>) -> Result<Self, String> {
        let signers = in_force.map(|key| vkey(origin, key)).transpose()?;
        Ok(Self { origin: origin.clone(), signers: signers.into_iter().collect() })
    }

    /// Who signs the next batch, `frame`, after which `log_key` is the log's key.
    ///
    /// # Errors
    /// What is wrong with the batch, where it replaces the key and may not.
    pub(super) fn of(&mut self, frame: &FrameView<'_>, log_key: PublicKey) -> Result<&[VerifierKey], String> {
        let in_force = self.signers.pop();
        self.signers.clear();
        match in_force {
            Some(in_force) if in_force.public_key() == log_key => self.signers.push(in_force),
            in_force => {
                let new = vkey(&self.origin, log_key)?;
                if let Some(old) = in_force
                    && rotation_in(frame)?.cause == RotationCause::Routine
                {
                    self.signers.push(old);
                }
                self.signers.push(new);
            }
        }
        Ok(&self.signers)
    }
}

fn vkey(origin: &Origin, key: PublicKey) -> Result<VerifierKey, String> {
    VerifierKey::new_ed25519(origin.as_str(), key).map_err(|error| error.to_string())
}

/// The rotation that a batch consists of. Its authors' signatures are verified here: where the old key does not sign,
/// nothing else vouches for the new one.
fn rotation_in(frame: &FrameView<'_>) -> Result<LogKeyRotated, String> {
    let mut entries = frame.entries();
    let (Some(Ok(entry)), None) = (entries.next().map(Entry::from_bytes), entries.next()) else {
        return Err("a rotation of the log key is not alone in its batch".into());
    };
    entry.envelope.verify_signatures_strict().map_err(|error| error.to_string())?;
    match Event::from_bytes(entry.envelope.event()).map(|event| event.body) {
        Ok(Body::LogKeyRotated(rotation)) => Ok(*rotation),
        _ => Err("the log key changes without a rotation".into()),
    }
}

/// The log's key at two places of it.
pub(super) struct LogKeys {
    /// At the size that was asked for.
    pub(super) at_size: PublicKey,
    /// Where the log ends, or can be read no further.
    pub(super) at_end: PublicKey,
}

/// The log's keys as a replay from entry 0 comes to them; none where it does not come to `size`. Of checkpoints only
/// those that put a key in force are verified: with the others, it is the opening that goes on.
pub(super) fn log_keys_of(log: &dyn BatchSource, origin: &Origin, size: u64) -> Option<LogKeys> {
    let mut state = State::default();
    let mut signers = BatchSigners::new(origin, None).ok()?;
    let mut keys: Option<LogKeys> = None;
    let mut scanner = Scanner::new(log, Position::START, u64::MAX).ok()?;
    while let Some(Ok(located)) = scanner.next_frame() {
        let frame = located.frame;
        let before = log_key(&mut state);
        replay_batch(&mut state, &frame)?;
        let after = log_key(&mut state)?;
        if before != Some(after) {
            let signers: Vec<&VerifierKey> = signers.of(&frame, after).ok()?.iter().collect();
            CheckpointNote::parse_unverified(frame.note()).ok()?.verify_log_signatures(&signers).ok()?;
        }
        if frame.next_index() == size {
            keys = Some(LogKeys { at_size: after, at_end: after });
        } else if let Some(keys) = &mut keys {
            keys.at_end = after;
        }
    }
    keys
}

fn log_key(state: &mut State<NoSource>) -> Option<PublicKey> {
    let Ok(charter) = state.charter();
    charter.map(|charter| charter.log_key)
}

fn replay_batch(state: &mut State<NoSource>, frame: &FrameView<'_>) -> Option<()> {
    for (index, bytes) in (frame.first_index()..).zip(frame.entries()) {
        let entry = Entry::from_bytes(bytes).ok()?;
        let event = Event::from_bytes(entry.envelope.event()).ok()?;
        let (leaf_hash, recorded_at, signers) =
            (Entry::leaf_hash(bytes), entry.recorded_at, entry.envelope.signers());
        let submission = Submission {
            index,
            leaf_hash,
            recorded_at,
            event: &event,
            signers: &signers,
            git: GitEvidence::Believed,
        };
        let Ok((changes, _)) = replay(state, &submission);
        state.commit(changes, recorded_at);
    }
    Some(())
}
