//! Putting right what a mutation breaks first, so that it reaches what lies behind: lengths, checksums, hashes, the
//! signatures of a log's keys and of its people.

use ed25519_dalek::SigningKey;
use rollbook::hash::Hash;
use rollbook::log::entry::Entry;
use rollbook::merkle::tree::{Frontier, leaf_hash};
use rollbook::note::checkpoint::{Checkpoint, Origin, sign_checkpoint};
use rollbook::signing::envelope::{AuthorSignature, Envelope, signing_bytes};
use rollbook::store::frame::{FRAME_MAGIC, encode_frame};

use crate::events::Person;

/// Where a frame's length stands, and where its fields begin.
const LENGTH_AT: usize = 24;
const FIELDS_AT: usize = 28;
const CHECKSUM_BYTES: usize = 4;

/// `bytes` as one frame: its length and checksum are put right. Too short a one stays as it is.
pub fn frame_put_right(bytes: &[u8]) -> Vec<u8> {
    let mut frame = bytes.to_vec();
    if frame.len() < FIELDS_AT + CHECKSUM_BYTES {
        return frame;
    }
    let length = u32::try_from(frame.len()).unwrap_or(u32::MAX);
    frame[LENGTH_AT..FIELDS_AT].copy_from_slice(&length.to_le_bytes());
    let covered = frame.len() - CHECKSUM_BYTES;
    let checksum = crc32c::crc32c(&frame[..covered]).to_le_bytes();
    frame[covered..].copy_from_slice(&checksum);
    frame
}

/// The runs of `bytes` that each begin with a frame's magic; what stands before the first is one, too.
pub fn frames_of(bytes: &[u8]) -> Vec<&[u8]> {
    let begins = |at: usize| bytes[at..].starts_with(&FRAME_MAGIC);
    let mut starts: Vec<usize> = (0..bytes.len()).filter(|at| *at == 0 || begins(*at)).collect();
    starts.push(bytes.len());
    starts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

/// The entries of what may have been a frame, as far as lengths lead to some; the last field is the note, and left out.
fn entries_of(frame: &[u8]) -> Vec<&[u8]> {
    let mut rest = frame.get(FIELDS_AT..frame.len().saturating_sub(CHECKSUM_BYTES)).unwrap_or(&[]);
    let mut fields = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk() {
        let length = (u32::from_le_bytes(*length) as usize).min(after.len());
        let (field, after) = after.split_at(length);
        fields.push(field);
        rest = after;
    }
    fields.pop();
    fields
}

/// Somebody who holds the keys of a log, and perhaps those of its people.
pub struct Insider<'a> {
    /// The log's name.
    pub origin: Origin,
    /// Signs the checkpoints of the batches that come before an entry of this index.
    pub keys: &'a dyn Fn(u64) -> Vec<SigningKey>,
    /// Whose signatures are made anew.
    pub people: &'a [Person],
}

/// A log that was sealed anew.
pub struct Sealed {
    /// Its frames.
    pub frames: Vec<Vec<u8>>,
    /// The entries in them.
    pub entries: Vec<Vec<u8>>,
    /// The newest checkpoint note.
    pub note: Vec<u8>,
}

impl Insider<'_> {
    /// Seals the entries in `bytes` anew: index, previous hash, checkpoints, and signatures by those whose keys are at
    /// hand. What is no entry stays as it is. None where there is no entry at all.
    pub fn seal(&self, bytes: &[u8]) -> Option<Sealed> {
        let mut tree = Frontier::new();
        let mut sealed = Sealed { frames: Vec::new(), entries: Vec::new(), note: Vec::new() };
        let mut previous = Hash::ZERO;
        for frame in frames_of(bytes) {
            let first_index = tree.size();
            let mut entries = Vec::new();
            for bytes in entries_of(frame) {
                let entry = self.entry(bytes, tree.size(), previous);
                previous = leaf_hash(&entry);
                tree.push(previous);
                entries.push(entry);
            }
            let checkpoint = Checkpoint::new(self.origin.clone(), tree.size(), tree.root());
            let keys = (self.keys)(first_index);
            let note = sign_checkpoint(&checkpoint, &keys.iter().collect::<Vec<_>>()).ok()?;
            let Ok(frame) = encode_frame(first_index, &entries, &note) else { continue };
            sealed.frames.push(frame);
            sealed.entries.append(&mut entries);
            sealed.note = note;
        }
        // A batch that cannot be encoded has entries in the tree that no frame holds: such a log is nobody's.
        (!sealed.frames.is_empty() && sealed.entries.len() as u64 == tree.size()).then_some(sealed)
    }

    fn entry(&self, bytes: &[u8], index: u64, previous: Hash) -> Vec<u8> {
        let Ok(mut entry) = Entry::from_bytes(bytes) else { return bytes.to_vec() };
        entry.index = index;
        entry.previous = previous;
        entry.envelope = self.envelope(&entry.envelope);
        entry.to_bytes()
    }

    fn envelope(&self, envelope: &Envelope) -> Envelope {
        let message = signing_bytes(envelope.event());
        let sign = |author: &AuthorSignature| {
            let person = self.people.iter().find(|person| person.public() == author.key);
            person.map_or(*author, |person| AuthorSignature {
                key: author.key,
                signature: person.key.sign(&message),
            })
        };
        let signatures = envelope.signatures().iter().map(sign).collect();
        Envelope::new(envelope.event().to_vec(), signatures).expect("keys and sizes are those that it had")
    }
}
