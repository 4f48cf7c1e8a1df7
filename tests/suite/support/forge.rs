//! A log writer that checks no rule: what it is told to write, it writes, signed and in place.
//!
//! Every value can be changed before it is encoded ([`Forge::enter_with`], [`Forge::seal_with`]),
//! and frames can be taken apart and put together anew ([`Forge::frames`], [`log_of`]).

use std::path::Path;

use ed25519_dalek::SigningKey;
use rollbook::event::authority::RotationCause;
use rollbook::event::body::{Body, Event};
use rollbook::event::header::{Basis, EXPIRY_DEFAULT_MS, EventId, FORMAT_VERSION, Header};
use rollbook::event::list::Ascending;
use rollbook::hash::Hash;
use rollbook::log::entry::Entry;
use rollbook::log::trust_root::TrustRoot;
use rollbook::merkle::tree::Frontier;
use rollbook::note::checkpoint::{Checkpoint, Origin, sign_checkpoint};
use rollbook::signing::envelope::{AuthorSignature, Envelope, signing_bytes};
use rollbook::signing::public_key::PublicKey;
use rollbook::store::files::RollSize;
use rollbook::store::frame::encode_frame;
use rollbook::store::head::{HEAD_SLOT_BYTES, HeadFile, HeadState, read_head};
use rollbook::store::memory::MemoryLog;
use rollbook::time::{MINUTE_MS, Timestamp};
use rollbook::verifier::report::Report;
use rollbook::verifier::verify::{Options, verify};

use super::events::{self, Person, ada};

/// The log's name.
pub const ORIGIN: &str = "example.com/releases";

/// An entry as it was entered, for judging it apart from the log.
pub struct Entered {
    pub event: Event,
    pub signers: Vec<PublicKey>,
    pub recorded_at: Timestamp,
    pub leaf_hash: Hash,
}

/// The writer.
pub struct Forge {
    pub origin: Origin,
    pub log_key: SigningKey,
    /// The first one, once it was replaced.
    first_log_key: Option<PublicKey>,
    /// When the next entry is recorded; a minute later after each.
    pub now: Timestamp,
    /// The leaf hash of entry 0.
    pub ledger_id: Hash,
    /// What was entered by [`Self::add_event`].
    pub entered: Vec<Entered>,
    tree: Frontier,
    previous: Hash,
    pending: Vec<Vec<u8>>,
    frames: Vec<Vec<u8>>,
    notes: Vec<(u64, Vec<u8>)>,
}

/// A batch that is about to be sealed.
pub struct Seal {
    pub first_index: u64,
    pub entries: Vec<Vec<u8>>,
    pub checkpoint: Checkpoint,
    /// What signs the checkpoint.
    pub keys: Vec<SigningKey>,
    /// Written in place of the signed checkpoint.
    pub note: Option<Vec<u8>>,
}

impl Forge {
    /// An empty log.
    pub fn new() -> Self {
        Self {
            origin: Origin::new(ORIGIN).unwrap(),
            log_key: SigningKey::from_bytes(Hash::of(b"log key").as_bytes()),
            first_log_key: None,
            now: events::beginning(),
            ledger_id: Hash::ZERO,
            entered: Vec::new(),
            tree: Frontier::new(),
            previous: Hash::ZERO,
            pending: Vec::new(),
            frames: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// A log that Ada has founded under the default policy.
    pub fn founded() -> Self {
        let mut forge = Self::new();
        forge.add(&[&ada()], events::created(&[&ada()], forge.log_public()));
        forge
    }

    /// The log's public key.
    pub fn log_public(&self) -> PublicKey {
        public(&self.log_key)
    }

    /// Replaces the log key as the ledger does: in a batch of its own, whose checkpoint both keys sign where it is
    /// routine, and the new one alone where not. Gives the entry's index.
    pub fn rotate(&mut self, signers: &[&Person], new: &SigningKey, cause: RotationCause) -> u64 {
        let keys = match cause {
            RotationCause::Routine => vec![self.log_key.clone(), new.clone()],
            _ => vec![new.clone()],
        };
        let index = self.enter_rotation(signers, new, cause);
        self.seal_with(|seal| seal.keys = keys);
        self.take_log_key(new);
        index
    }

    /// Enters a rotation of the log key in the open batch, and nothing more. Gives its index.
    pub fn enter_rotation(&mut self, signers: &[&Person], new: &SigningKey, cause: RotationCause) -> u64 {
        let body = events::rotate(self.log_public(), public(new), cause);
        self.enter_event(self.event(signers[0], body), signers)
    }

    /// Signs with another log key from here on.
    pub fn take_log_key(&mut self, new: &SigningKey) {
        self.first_log_key.get_or_insert(public(&self.log_key));
        self.log_key = new.clone();
    }

    /// The index of the next entry.
    pub fn size(&self) -> u64 {
        self.tree.size()
    }

    /// The root of all entries.
    pub fn root(&self) -> Hash {
        self.tree.root()
    }

    /// An event that fits here and now.
    pub fn event(&self, proposer: &Person, body: impl Into<Body>) -> Event {
        let header = Header {
            format: FORMAT_VERSION,
            ledger_id: self.ledger_id,
            event_id: EventId::derive("forge", &self.size().to_string()),
            proposer: proposer.public(),
            claimed_at: self.now,
            expires_at: self.now.plus_ms(EXPIRY_DEFAULT_MS),
            basis: Basis::Declared,
            attachments: Ascending::default(),
        };
        Event { header, body: body.into() }
    }

    /// Enters an event, proposed by the first of `signers`, in a batch of its own. Gives its index.
    pub fn add(&mut self, signers: &[&Person], body: impl Into<Body>) -> u64 {
        self.add_event(self.event(signers[0], body), signers)
    }

    /// Enters an event in a batch of its own. Gives its index.
    pub fn add_event(&mut self, event: Event, signers: &[&Person]) -> u64 {
        let index = self.enter_event(event, signers);
        self.seal();
        index
    }

    /// Enters an event in the open batch. Gives its index.
    pub fn enter_event(&mut self, event: Event, signers: &[&Person]) -> u64 {
        let envelope = sign(&event.to_bytes().unwrap(), signers);
        let keys = envelope.signatures().iter().map(|signature| signature.key).collect();
        let recorded_at = self.now;
        let index = self.enter_with(envelope, |_| {});
        let leaf_hash = self.previous;
        self.entered.push(Entered { event, signers: keys, recorded_at, leaf_hash });
        index
    }

    /// Enters an envelope in the open batch, its entry changed by `change`. Gives its index.
    pub fn enter_with(&mut self, envelope: Envelope, change: impl FnOnce(&mut Entry)) -> u64 {
        let mut entry = Entry {
            index: self.size(),
            previous: self.previous,
            recorded_at: self.now,
            state_root: None,
            envelope,
        };
        change(&mut entry);
        self.enter_bytes(entry.to_bytes())
    }

    /// Enters bytes in the open batch. Gives their index.
    pub fn enter_bytes(&mut self, bytes: Vec<u8>) -> u64 {
        let index = self.size();
        self.previous = Entry::leaf_hash(&bytes);
        if index == 0 {
            self.ledger_id = self.previous;
        }
        self.tree.push(self.previous);
        self.pending.push(bytes);
        self.now = self.now.plus_ms(MINUTE_MS);
        index
    }

    /// Closes the open batch.
    pub fn seal(&mut self) {
        self.seal_with(|_| {});
    }

    /// Closes the open batch, changed by `change`.
    pub fn seal_with(&mut self, change: impl FnOnce(&mut Seal)) {
        let entries = std::mem::take(&mut self.pending);
        let mut seal = Seal {
            first_index: self.size() - entries.len() as u64,
            entries,
            checkpoint: Checkpoint::new(self.origin.clone(), self.size(), self.root()),
            keys: vec![self.log_key.clone()],
            note: None,
        };
        change(&mut seal);
        let keys: Vec<&SigningKey> = seal.keys.iter().collect();
        let note = seal.note.unwrap_or_else(|| sign_checkpoint(&seal.checkpoint, &keys).unwrap());
        self.frames.push(encode_frame(seal.first_index, &seal.entries, &note).unwrap());
        self.notes.push((self.size(), note));
    }

    /// The frames, a batch each.
    pub fn frames(&self) -> &[Vec<u8>] {
        &self.frames
    }

    /// The newest checkpoint note.
    pub fn newest_note(&self) -> &[u8] {
        &self.notes.last().unwrap().1
    }

    /// Each batch's tree size and checkpoint note.
    pub fn notes(&self) -> &[(u64, Vec<u8>)] {
        &self.notes
    }

    /// The log in memory.
    pub fn log(&self) -> MemoryLog {
        log_of(&self.frames)
    }

    /// `head` as it stands after the last batch.
    pub fn head(&self) -> HeadState {
        head_of(self.size(), self.newest_note())
    }

    /// Where in the file `head` that [`Self::write`] makes the newer slot begins.
    pub fn newer_slot(&self) -> usize {
        (self.notes.len() - 1) % 2 * HEAD_SLOT_BYTES
    }

    /// The trust root that fits this log.
    pub fn trust(&self) -> TrustRoot {
        let log_key = self.first_log_key.unwrap_or_else(|| self.log_public());
        TrustRoot::new(self.origin.clone(), self.ledger_id, log_key).unwrap()
    }

    /// Writes a ledger directory: `log/` and `head`.
    pub fn write(&self, dir: &Path) {
        std::fs::create_dir_all(dir.join("log")).unwrap();
        std::fs::write(dir.join("log/00000000000000000000.batches"), self.frames.concat()).unwrap();
        let mut head = HeadFile::open(dir).unwrap();
        self.notes.iter().for_each(|(size, note)| head.publish(*size, note).unwrap());
    }

    /// Verifies the log against its own trust root.
    pub fn verify(&self) -> Report {
        let trust = self.trust();
        verify_log(&self.log(), self.head(), &Options { trust: Some(&trust), ..quick() })
    }
}

/// The public half of a log key.
pub fn public(key: &SigningKey) -> PublicKey {
    PublicKey::from_bytes(key.verifying_key().to_bytes())
}

/// The envelope of `event`, signed by `signers`; the signatures are not checked.
pub fn sign(event: &[u8], signers: &[&Person]) -> Envelope {
    let message = signing_bytes(event);
    let mut signatures: Vec<AuthorSignature> = signers
        .iter()
        .map(|signer| AuthorSignature { key: signer.public(), signature: signer.key.sign(&message) })
        .collect();
    signatures.sort_by_key(|signature| signature.key);
    Envelope::new(event.to_vec(), signatures).unwrap()
}

/// A log of these frames, in one file.
pub fn log_of(frames: &[Vec<u8>]) -> MemoryLog {
    MemoryLog::from_files([(0, frames.concat())], RollSize::DEFAULT)
}

/// `head` where `note` was published.
pub fn head_of(size: u64, note: &[u8]) -> HeadState {
    let dir = tempfile::tempdir().unwrap();
    HeadFile::open(dir.path()).unwrap().publish(size, note).unwrap();
    read_head(dir.path()).unwrap()
}

/// One thread, nothing held against the log.
pub fn quick() -> Options<'static> {
    Options { threads: Some(1), ..Options::default() }
}

/// Verifies a log in memory.
pub fn verify_log(log: &MemoryLog, head: HeadState, options: &Options<'_>) -> Report {
    verify(log, head, options, &|_, _| {}).unwrap()
}

/// The codes of all findings, in the report's order.
pub fn codes(report: &Report) -> Vec<String> {
    report.findings.iter().map(|finding| finding.code().into_owned()).collect()
}
