//! Remarks: redacted attachments, notes and attestations.

use bincode::{Decode, Encode};
use serde::Serialize;

use crate::event::text::Text;
use crate::hash::Hash;
use crate::words::words;

/// `attachment.redacted`: the bytes of an attachment were removed, the fact of it remains.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct AttachmentRedacted {
    /// The attachment's digest.
    pub digest: Hash,
    /// Why.
    pub reason: Text,
}

/// `note.added`: a remark, or an auditor's attestation.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct NoteAdded {
    /// What the note is about.
    pub subject: NoteSubject,
    /// What it says.
    pub text: Text,
}

/// What a note is about.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NoteSubject {
    /// An entry.
    Entry {
        /// Its index.
        entry: u64,
    },
    /// The log up to a size, as its verifier saw it.
    Log {
        /// The tree size that was verified.
        tree_size: u64,
        /// The root hash at that size.
        root: Hash,
        /// What the verifier said.
        verdict: AttestedVerdict,
    },
}

words! {
    /// What an auditor attests of the log.
    AttestedVerdict, "a verdict" {
        /// Nothing wrong was found.
        Sound = "sound",
        /// Authentic, but against the rules in places.
        Violation = "violation",
        /// Bytes, hashes or signatures were wrong.
        Tampered = "tampered",
    }
}
