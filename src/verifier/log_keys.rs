//! The log's keys: which may have signed its checkpoints, and which must have.
//!
//! Signatures are checked on all cores, before anybody knows whether a rotation was lawful. So the candidates are the
//! first key and every key that a rotation so far names, lawful or not, and each note is checked against all of them.
//! Which of these keys a checkpoint must bear, and no other, the history of keys says once the rules have spoken
//! (docs/format.md, "Log keys").

use std::collections::HashMap;

use serde::Serialize;

use crate::event::authority::{LogKeyRotated, RotationCause};
use crate::event::body::Body;
use crate::note::checkpoint::{CheckpointNote, Origin};
use crate::note::signature_line::SignatureLine;
use crate::note::vkey::{KeyId, VerifierKey};
use crate::signing::public_key::PublicKey;

use super::decode::{DecodedEntry, Expected};
use super::finding::{Finding, Findings};

/// The keys that may have signed checkpoints.
#[derive(Debug)]
pub(super) struct Candidates {
    /// None where nothing says the log's name: then no signature can be checked.
    origin: Option<Origin>,
    by_id: HashMap<KeyId, Vec<VerifierKey>>,
}

/// What the candidates have to do with a note's signature lines.
#[derive(Debug)]
pub(super) struct NoteSignatures {
    /// The key ID of each line, in order.
    lines: Vec<KeyId>,
    /// Of each candidate with a line: how many valid ones, or why one of them fails.
    by: Vec<(PublicKey, Result<usize, String>)>,
}

impl Candidates {
    pub(super) fn new(expected: &Expected) -> Self {
        let mut candidates = Self { origin: expected.origin.clone(), by_id: HashMap::new() };
        candidates.add(expected.log_key.clone());
        candidates
    }

    fn add(&mut self, key: Option<VerifierKey>) {
        let Some(key) = key else { return };
        let same_id = self.by_id.entry(key.key_id()).or_default();
        if !same_id.contains(&key) {
            same_id.push(key);
        }
    }

    /// Takes in a key that the log came to.
    pub(super) fn know(&mut self, key: PublicKey) {
        if let Some(origin) = &self.origin {
            self.add(VerifierKey::new_ed25519(origin.as_str(), key).ok());
        }
    }

    /// Takes in the keys that rotations among `entries` name.
    pub(super) fn learn(&mut self, entries: &[DecodedEntry]) {
        for entry in entries {
            if let Some(Body::LogKeyRotated(rotation)) = entry.event.as_ref().map(|event| &event.body) {
                self.know(rotation.new_key);
            }
        }
    }

    /// Checks a note's signature lines.
    pub(super) fn check(&self, note: &CheckpointNote) -> NoteSignatures {
        let lines: Vec<KeyId> = note.note().signatures().iter().map(SignatureLine::key_id).collect();
        let mut by = Vec::with_capacity(1);
        for (position, id) in lines.iter().enumerate() {
            if lines[..position].contains(id) {
                continue;
            }
            for key in self.by_id.get(id).into_iter().flatten() {
                let checked = note.note().verify_with(key).map_err(|error| error.to_string());
                by.push((key.public_key(), checked));
            }
        }
        NoteSignatures { lines, by }
    }
}

impl NoteSignatures {
    /// Holds a checkpoint's signatures against those that it must bear, in order; `index` is its last entry's.
    pub(super) fn judge(&self, index: u64, signers: &[&VerifierKey], findings: &mut Findings) {
        let mut all_signed = true;
        for key in signers {
            let checked = self.by.iter().find(|(by, _)| *by == key.public_key()).map(|(_, checked)| checked);
            let reason = match checked {
                Some(Ok(1..)) => continue,
                Some(Err(reason)) => reason.clone(),
                _ => format!("it is not signed by the log key {key}"),
            };
            all_signed = false;
            findings.add(Finding::CheckpointSignature { index, reason });
        }
        let (lines, expected) = (self.lines.len(), signers.len());
        if lines > expected.max(1) {
            findings.add(Finding::CheckpointExtraSignature { index, lines, expected });
        } else if all_signed
            && expected > 1
            && self.lines.iter().copied().ne(signers.iter().map(|key| key.key_id()))
        {
            let reason = "its signature lines are out of order: the old log key's comes first".to_owned();
            findings.add(Finding::CheckpointNotCanonical { index, reason });
        }
    }
}

/// What is wrong with a note that one of `keys` must have signed, if anything is.
pub(super) fn signature_defect(note: &CheckpointNote, keys: &[&VerifierKey]) -> Option<String> {
    let mut signed = 0;
    for key in keys {
        match note.note().verify_with(key) {
            Err(error) => return Some(error.to_string()),
            Ok(lines) => signed += lines,
        }
    }
    let missing = || keys.last().map(|key| format!("it is not signed by the log key {key}"));
    if signed > 0 { None } else { missing() }
}

/// Why a log key was replaced, where the old one does not vouch for the new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unvouched {
    /// The old key is gone.
    Lost,
    /// Somebody else may hold it.
    Compromised,
}

/// A rotation of the log's key that took effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RotationReport {
    /// Its entry.
    pub entry: u64,
    /// Why.
    pub cause: RotationCause,
    /// The vkey that signs from there on.
    pub log_key: String,
}

/// The log's keys, one after another, as far as its entries tell.
pub(super) struct KeyHistory {
    /// The first one is that of the trust root or entry 0. Empty where neither says one.
    reigns: Vec<Reign>,
}

/// A key, and from where on it signs.
struct Reign {
    /// The first tree size whose checkpoint it signs.
    from_size: u64,
    key: VerifierKey,
    /// Why it took another's place; none for the first.
    cause: Option<RotationCause>,
}

/// Who signed a checkpoint that somebody kept.
pub(super) enum SignedBy {
    /// The log's key at its size; or nobody knows one.
    LogKey,
    /// A key that was compromised then.
    Compromised {
        /// The first size at which it was.
        since: u64,
        /// The entry that says so.
        entry: u64,
    },
    /// None of these.
    Other {
        /// What is wrong.
        reason: String,
    },
}

impl KeyHistory {
    pub(super) fn new(first: Option<&VerifierKey>) -> Self {
        let first = first.map(|key| Reign { from_size: 0, key: key.clone(), cause: None });
        Self { reigns: first.into_iter().collect() }
    }

    /// The key that came first, then `rotations`: from which tree size on, the key, and why.
    pub(super) fn restore(
        first: Option<&VerifierKey>,
        rotations: &[(u64, PublicKey, RotationCause)],
    ) -> Self {
        let mut history = Self::new(first);
        for (from_size, key, cause) in rotations {
            history.begin(*from_size, *key, cause.clone());
        }
        history
    }

    /// The rotations, as [`Self::restore`] takes them.
    pub(super) fn rotations(&self) -> Vec<(u64, PublicKey, RotationCause)> {
        let rotations = self
            .reigns
            .iter()
            .filter_map(|reign| Some((reign.from_size, reign.key.public_key(), reign.cause.clone()?)));
        rotations.collect()
    }

    /// The key in force after all that was read.
    pub(super) fn in_force(&self) -> Option<PublicKey> {
        self.reigns.last().map(|reign| reign.key.public_key())
    }

    /// A rotation took effect.
    pub(super) fn rotate(&mut self, entry: u64, rotation: &LogKeyRotated) {
        self.begin(entry + 1, rotation.new_key, rotation.cause.clone());
    }

    fn begin(&mut self, from_size: u64, key: PublicKey, cause: RotationCause) {
        let Some(last) = self.reigns.last() else { return };
        if let Ok(key) = VerifierKey::new_ed25519(last.key.name(), key) {
            self.reigns.push(Reign { from_size, key, cause: Some(cause) });
        }
    }

    /// The rotations that stand in a batch, by entry.
    pub(super) fn rotations_in(&self, first_index: u64, next_index: u64) -> Vec<u64> {
        let newest_first = self.reigns.iter().skip(1).rev().take_while(|reign| reign.from_size > first_index);
        newest_first.map(|reign| reign.from_size - 1).filter(|&entry| entry < next_index).collect()
    }

    /// Those who sign the checkpoint of a batch, in order: the key in force, or at a rotation, where that is routine,
    /// the old one and then the new one; else the new one alone.
    pub(super) fn signers(&self, first_index: u64) -> Vec<&VerifierKey> {
        let before = self.reigns.iter().rposition(|reign| reign.from_size <= first_index).unwrap_or(0);
        let mut signers = Vec::with_capacity(2);
        for (position, reign) in self.reigns.iter().enumerate().skip(before) {
            if position > before && reign.cause != Some(RotationCause::Routine) {
                signers.clear();
            }
            signers.push(&reign.key);
        }
        signers
    }

    /// The keys of which one must have signed a checkpoint of `size`; both at a routine rotation.
    pub(super) fn at(&self, size: u64) -> Vec<&VerifierKey> {
        let Some(reign) = self.reigns.iter().rposition(|reign| reign.from_size <= size) else {
            return Vec::new();
        };
        let has_two =
            self.reigns[reign].from_size == size && self.reigns[reign].cause == Some(RotationCause::Routine);
        self.reigns[reign - usize::from(has_two)..=reign].iter().map(|reign| &reign.key).collect()
    }

    /// Says who signed a checkpoint note of `size` that somebody kept.
    pub(super) fn signer_of(&self, note: &CheckpointNote, size: u64) -> SignedBy {
        let compromised = self.compromised_at(size);
        let in_force = self.at(size);
        let is_trusted = |key: &&VerifierKey| !compromised.iter().any(|(other, ..)| other == key);
        let trusted: Vec<&VerifierKey> = in_force.iter().copied().filter(is_trusted).collect();
        if in_force.is_empty() || (!trusted.is_empty() && signature_defect(note, &trusted).is_none()) {
            return SignedBy::LogKey;
        }
        let signed = |key: &VerifierKey| note.note().verify_with(key).is_ok_and(|lines| lines > 0);
        if let Some(&(_, since, entry)) = compromised.iter().find(|(key, ..)| signed(key)) {
            return SignedBy::Compromised { since, entry };
        }
        let reason = signature_defect(note, &in_force).unwrap_or_default();
        SignedBy::Other { reason }
    }

    /// The keys that are said to have been compromised at `size`, since when, and by which entry.
    fn compromised_at(&self, size: u64) -> Vec<(&VerifierKey, u64, u64)> {
        let pairs = self.reigns.windows(2);
        let compromised = pairs.filter_map(|pair| match pair[1].cause {
            Some(RotationCause::CompromisedSince { tree_size }) if tree_size <= size => {
                Some((&pair[0].key, tree_size, pair[1].from_size - 1))
            }
            _ => None,
        });
        compromised.collect()
    }

    /// Whether `key` was ever the log's.
    pub(super) fn has(&self, key: &VerifierKey) -> bool {
        self.reigns.iter().any(|reign| reign.key == *key)
    }

    /// The first rotation without the old key's signature that nothing from outside covers: neither a checkpoint of
    /// size `covered` that the log extends, nor `pinned`, a later key of the log's.
    pub(super) fn unrooted(
        &self,
        covered: Option<u64>,
        pinned: Option<&VerifierKey>,
    ) -> Option<(u64, Unvouched)> {
        let pinned = pinned.and_then(|key| self.reigns.iter().position(|reign| reign.key == *key));
        self.reigns.iter().enumerate().find_map(|(position, reign)| {
            let unvouched = match reign.cause.as_ref()? {
                RotationCause::Routine => return None,
                RotationCause::Lost => Unvouched::Lost,
                RotationCause::CompromisedSince { .. } => Unvouched::Compromised,
            };
            let is_covered = covered.is_some_and(|size| size >= reign.from_size)
                || pinned.is_some_and(|pinned| pinned >= position);
            (!is_covered).then_some((reign.from_size - 1, unvouched))
        })
    }

    /// The rotations, for the report.
    pub(super) fn report(&self) -> Vec<RotationReport> {
        let rotations = self.reigns.iter().filter_map(|reign| {
            let (cause, entry) = (reign.cause.clone()?, reign.from_size - 1);
            Some(RotationReport { entry, cause, log_key: reign.key.to_string() })
        });
        rotations.collect()
    }
}
