//! A group of frames to entries, leaf hashes and checked signatures, on all cores.
//!
//! Everything here is about one entry or one note alone. What it takes several of (chain, tree,
//! order of time, rules) is [`super::replay`]'s. The group bounds memory: some thousand entries.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use rayon::prelude::*;

use crate::codec::CodecError;
use crate::event::body::{Body, Event, EventError};
use crate::evidence::git_signature::KnownKeys;
use crate::evidence::infra::{InfraEvidence, examine_with};
use crate::hash::Hash;
use crate::log::entry::Entry;
use crate::note::checkpoint::{Checkpoint, CheckpointNote, Origin};
use crate::note::vkey::VerifierKey;
use crate::signing::envelope::Envelope;
use crate::signing::public_key::{PublicKey, SignatureBytes};
use crate::signing::verify::{AuditItem, BadSignature, CheckedKey, KeyDefect, audit_batch};
use crate::store::frame::Frame;
use crate::time::Timestamp;

use super::finding::Finding;
use super::log_keys::{Candidates, NoteSignatures};

/// Entries that one thread decodes at a time, and then checks the signatures of: enough for a batch equation, few enough
/// for every core to have some.
const ENTRIES_AT_ONCE: usize = 1024;
/// How many keys are remembered as checked. A log that uses more pays for checking some again.
const KEYS_MAX: usize = 65_536;

/// What checkpoints are checked against.
#[derive(Debug, Clone)]
pub(super) struct Expected {
    /// The log's name, where the trust root or entry 0 says it.
    pub(super) origin: Option<Origin>,
    /// The log's first key, from the same place.
    pub(super) log_key: Option<VerifierKey>,
}

/// A batch, each part of it checked alone.
pub(super) struct DecodedBatch {
    pub(super) first_index: u64,
    pub(super) entries: Vec<DecodedEntry>,
    /// None where it is no checkpoint note: said among `findings`.
    pub(super) checkpoint: Option<Checkpoint>,
    pub(super) note: Vec<u8>,
    /// None where `checkpoint` is.
    pub(super) signatures: Option<NoteSignatures>,
    pub(super) findings: Vec<Finding>,
}

/// An entry, checked alone.
pub(super) struct DecodedEntry {
    pub(super) leaf_hash: Hash,
    /// None where the bytes are no canonical entry.
    pub(super) place: Option<Place>,
    /// None where the event cannot be read, or a signature on it is not valid.
    pub(super) event: Option<Event>,
    /// The event, where a signature on it is not valid: it did nothing, and is told of all the same.
    pub(super) disowned: Option<Box<Event>>,
    /// What the Git objects show that the event embeds.
    pub(super) git: Option<Box<InfraEvidence>>,
    /// Why there is no event.
    pub(super) unread: Option<Unread>,
    /// The keys on the envelope, ascending.
    pub(super) signers: Vec<PublicKey>,
    pub(super) findings: Vec<Finding>,
}

/// What an entry says about its place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) index: u64,
    pub(super) previous: Hash,
    pub(super) recorded_at: Timestamp,
}

/// Why an entry is not judged by the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unread {
    /// Nobody can say what it did: rules cannot be judged behind it either.
    Unknown,
    /// Its authors' signatures are not valid: it did nothing.
    NotAuthentic,
}

/// Keys whose conditions were checked, once for each.
#[derive(Debug, Default)]
pub(super) struct KeyCache(RwLock<HashMap<PublicKey, Result<CheckedKey, KeyDefect>>>);

impl KeyCache {
    fn check(&self, key: &PublicKey) -> Result<CheckedKey, KeyDefect> {
        if let Some(known) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(key) {
            return known.clone();
        }
        let checked = CheckedKey::new(key);
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() < KEYS_MAX {
            known.insert(*key, checked.clone());
        }
        checked
    }
}

/// People sign tags with the keys that sign events, or with few others.
impl KnownKeys for &KeyCache {
    fn check(&mut self, key: &PublicKey) -> Result<CheckedKey, KeyDefect> {
        KeyCache::check(self, key)
    }
}

/// How signatures are checked.
#[derive(Debug, Clone, Copy)]
pub(super) struct SignatureChecks<'a> {
    pub(super) keys: &'a KeyCache,
    /// Whether each is checked strictly as well.
    pub(super) strict: bool,
}

/// Decodes and checks a group of frames. Groups come in order, for `candidates` learns from each what the notes of
/// later ones may be signed with.
pub(super) fn decode_group(
    frames: &[Frame],
    expected: &Expected,
    candidates: &mut Candidates,
    checks: SignatureChecks<'_>,
) -> Vec<DecodedBatch> {
    let places: Vec<(u64, &[u8])> =
        frames.iter().flat_map(|frame| (frame.view().first_index()..).zip(frame.view().entries())).collect();
    let entries = decode_entries(&places, checks);
    candidates.learn(&entries);
    let candidates = &*candidates;
    let batches: Vec<DecodedBatch> =
        frames.par_iter().map(|frame| decode_batch(frame, expected, candidates)).collect();
    let mut entries = entries.into_iter();
    let with_entries = |(mut batch, frame): (DecodedBatch, &Frame)| {
        batch.entries = entries.by_ref().take(frame.view().count() as usize).collect();
        batch
    };
    batches.into_iter().zip(frames).map(with_entries).collect()
}

/// What entry 0 says about the ledger: its id, and what created it, where it can be read.
pub(super) fn decode_founding(bytes: &[u8]) -> (Hash, Option<(String, PublicKey)>) {
    let created = Entry::from_bytes(bytes)
        .ok()
        .and_then(|entry| Event::from_bytes(entry.envelope.event()).ok())
        .and_then(|event| match event.body {
            Body::LedgerCreated(created) => Some((created.origin.to_string(), created.log_key)),
            _ => None,
        });
    (Entry::leaf_hash(bytes), created)
}

fn decode_entries(places: &[(u64, &[u8])], checks: SignatureChecks<'_>) -> Vec<DecodedEntry> {
    places.par_chunks(ENTRIES_AT_ONCE).flat_map_iter(|some| decode_some(some, checks)).collect()
}

fn decode_some(places: &[(u64, &[u8])], checks: SignatureChecks<'_>) -> Vec<DecodedEntry> {
    let mut waiting = Waiting::with_capacity(places.len());
    let mut entries = Vec::with_capacity(places.len());
    for (index, bytes) in places {
        entries.push(decode_entry(*index, bytes, checks, &mut waiting));
        waiting.close_entry();
    }
    for BadSignature { position, defect } in audit_batch(&waiting.items) {
        let (entry_position, key) = waiting.of[position];
        let (index, _) = places[entry_position];
        let entry = &mut entries[entry_position];
        // A signature that fails fails strictly too: said once.
        entry.findings.retain(
            |finding| !matches!(finding, Finding::SignatureNotStrict { key: other, .. } if *other == key),
        );
        entry.findings.push(Finding::SignatureAuthor { index, key, reason: defect.to_string() });
        entry.not_authentic();
    }
    entries
}

impl DecodedEntry {
    /// What it says was not said by those who seem to have said it.
    fn not_authentic(&mut self) {
        if let Some(event) = self.event.take() {
            self.unread = Some(Unread::NotAuthentic);
            self.disowned = Some(Box::new(event));
        }
    }
}

/// Signatures that wait for their batch.
struct Waiting {
    items: Vec<AuditItem>,
    /// Of each the place of its entry, and its key.
    of: Vec<(usize, PublicKey)>,
    entries: usize,
    /// The bytes that the present entry's authors signed.
    message: Vec<u8>,
}

impl Waiting {
    fn with_capacity(entries: usize) -> Self {
        let (items, of) = (Vec::with_capacity(entries), Vec::with_capacity(entries));
        Self { items, of, entries: 0, message: Vec::new() }
    }

    fn push(&mut self, key: &CheckedKey, signature: &SignatureBytes) {
        self.items.push(AuditItem::new(key, &self.message, signature));
        self.of.push((self.entries, *key.public_key()));
    }

    /// What comes next is of the next entry.
    const fn close_entry(&mut self) {
        self.entries += 1;
    }
}

fn decode_entry(
    index: u64,
    bytes: &[u8],
    checks: SignatureChecks<'_>,
    waiting: &mut Waiting,
) -> DecodedEntry {
    let mut decoded = DecodedEntry {
        leaf_hash: Entry::leaf_hash(bytes),
        place: None,
        event: None,
        disowned: None,
        git: None,
        unread: None,
        signers: Vec::new(),
        findings: Vec::new(),
    };
    let entry = match Entry::from_bytes(bytes) {
        Ok(entry) => entry,
        Err(error) => {
            decoded.findings.push(match error {
                CodecError::Newer { version, .. } => Finding::EntryNewer { index, version },
                error => Finding::EntryNotCanonical { index, reason: error.to_string() },
            });
            decoded.unread = Some(Unread::Unknown);
            return decoded;
        }
    };
    let Entry { previous, recorded_at, state_root, envelope, .. } = &entry;
    decoded.place = Some(Place { index: entry.index, previous: *previous, recorded_at: *recorded_at });
    if state_root.is_some() {
        decoded.findings.push(Finding::EntryStateRoot { index });
    }
    match Event::from_bytes(envelope.event()) {
        Ok(event) => {
            let mut keys = checks.keys;
            decoded.git = event.body.infra().map(|infra| Box::new(examine_with(&mut keys, infra)));
            decoded.event = Some(event);
        }
        Err(error) => {
            decoded.findings.push(unread_event(index, &error));
            decoded.unread = Some(Unread::Unknown);
        }
    }
    decode_signatures(index, envelope, checks, &mut decoded, waiting);
    decoded
}

fn decode_signatures(
    index: u64,
    envelope: &Envelope,
    checks: SignatureChecks<'_>,
    decoded: &mut DecodedEntry,
    waiting: &mut Waiting,
) {
    waiting.message.clear();
    envelope.put_signing_bytes(&mut waiting.message);
    decoded.signers.reserve_exact(envelope.signatures().len());
    for author in envelope.signatures() {
        let key = author.key;
        decoded.signers.push(key);
        match checks.keys.check(&key) {
            Err(defect) => {
                decoded.findings.push(Finding::KeyUnfit { index, key, reason: defect.to_string() });
                decoded.not_authentic();
            }
            Ok(checked) => {
                if checks.strict && checked.verify_strict(&waiting.message, &author.signature).is_err() {
                    decoded.findings.push(Finding::SignatureNotStrict { index, key });
                }
                waiting.push(&checked, &author.signature);
            }
        }
    }
}

/// An event that cannot be read: by nobody, or only by a later program.
fn unread_event(index: u64, error: &EventError) -> Finding {
    let reason = error.to_string();
    if error.needs_upgrade() {
        Finding::EventNewer { index, reason }
    } else {
        Finding::EventNotCanonical { index, reason }
    }
}

/// The batch's checkpoint note; the entries come from elsewhere.
fn decode_batch(frame: &Frame, expected: &Expected, candidates: &Candidates) -> DecodedBatch {
    let view = frame.view();
    let mut findings = Vec::new();
    // The checkpoint is spoken of by the last entry it covers.
    let index = view.next_index() - 1;
    let (checkpoint, signatures) = match CheckpointNote::parse_unverified(view.note()) {
        Ok(note) => {
            check_note(index, &note, view.note(), expected, &mut findings);
            (Some(note.checkpoint().clone()), Some(candidates.check(&note)))
        }
        Err(error) => {
            findings.push(Finding::CheckpointNotCanonical { index, reason: error.to_string() });
            (None, None)
        }
    };
    DecodedBatch {
        first_index: view.first_index(),
        entries: Vec::new(),
        checkpoint,
        note: view.note().to_vec(),
        signatures,
        findings,
    }
}

/// All that a note shows by itself: form and origin.
fn check_note(
    index: u64,
    note: &CheckpointNote,
    bytes: &[u8],
    expected: &Expected,
    findings: &mut Vec<Finding>,
) {
    let checkpoint = note.checkpoint();
    let not_canonical = |reason: &str| Finding::CheckpointNotCanonical { index, reason: reason.to_owned() };
    if note.note().encode() != bytes {
        findings.push(not_canonical("its bytes are not in canonical form"));
    }
    if !checkpoint.extensions().is_empty() {
        findings.push(not_canonical("it has extension lines; the log writes none"));
    }
    if let Some(origin) = &expected.origin
        && checkpoint.origin() != origin
    {
        findings.push(Finding::CheckpointOrigin {
            index,
            actual: checkpoint.origin().to_string(),
            expected: origin.to_string(),
        });
    }
}
