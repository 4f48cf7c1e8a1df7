//! What an append ends in: a receipt, or the reason why not.

use std::path::PathBuf;

use serde::Serialize;

use crate::event::body::EventError;
use crate::event::header::EventId;
use crate::hash::Hash;
use crate::lifecycle::refusal::Refusal;
use crate::signing::envelope::AuthorSignatureError;
use crate::signing::public_key::PublicKey;
use crate::time::Timestamp;

/// That an event stands in the log, durably.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// The entry's index.
    pub index: u64,
    /// The entry's leaf hash.
    pub leaf_hash: Hash,
    /// The event's id.
    pub event_id: EventId,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// The checkpoint note of its batch.
    pub checkpoint: String,
    /// Whether the event stood there already, and this is the receipt it got then.
    pub repeated: bool,
}

/// Why an event was not recorded, or nobody knows.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AppendError {
    /// A rule says no. The ledger is as it was.
    #[error("{0}")]
    Refused(Refusal),
    /// The bytes are no event.
    #[error("{0}")]
    Event(#[from] EventError),
    /// A signature is not valid.
    #[error("{0}")]
    Signature(#[from] AuthorSignatureError),
    /// The clock lies more than five minutes behind the last entry.
    #[error("the clock says {now}, and the last entry was recorded at {last}: set the clock right")]
    ClockBehind {
        /// The clock.
        now: Timestamp,
        /// The last recorded time.
        last: Timestamp,
    },
    /// The clock lies more than a day ahead of the last entry, and nobody has vouched for it.
    #[error(
        "the clock says {now}, more than a day after the last entry ({last}): if it is right, say --clock-ok"
    )]
    ClockAhead {
        /// The clock.
        now: Timestamp,
        /// The last recorded time.
        last: Timestamp,
    },
    /// A write or sync failed: the event may or may not be there.
    #[error("the outcome is unknown ({reason}): retry with the same event id {event_id}")]
    OutcomeUnknown {
        /// What failed.
        reason: String,
        /// The event's id.
        event_id: EventId,
    },
    /// An earlier write failed, and this ledger must be opened again. Nothing was written.
    #[error("the ledger must be opened again after a failure ({reason})")]
    Poisoned {
        /// What failed.
        reason: String,
    },
    /// The key that must sign the batch's checkpoint is not at hand. Nothing was written.
    #[error("the log key in force is not at hand: {reason}")]
    LogKeyMissing {
        /// Why.
        reason: String,
    },
    /// The key that a rotation puts in force is not at hand. Nothing was written.
    #[error("the event puts the log key {wanted} in force, and {} holds {}", path.display(), held(found.as_ref()))]
    NextLogKeyMissing {
        /// Where it should be.
        path: PathBuf,
        /// The key that the event names.
        wanted: PublicKey,
        /// The key that is there.
        found: Option<PublicKey>,
    },
    /// That an attachment is to be redacted could not be marked. Nothing was recorded.
    #[error("the attachment cannot be redacted: {reason}")]
    Attachment {
        /// Why.
        reason: String,
    },
    /// The derived index could not be read or rebuilt. Nothing was written.
    #[error("the index cannot be used: {reason}")]
    Index {
        /// Why.
        reason: String,
    },
}

fn held(found: Option<&PublicKey>) -> String {
    found.map_or_else(|| "no key".to_owned(), |key| format!("another, {key}"))
}

/// Something that went wrong beside a successful append.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    /// An anchor was not written; it stays at an older checkpoint.
    #[error("the anchor {} was not written: {reason}", path.display())]
    Anchor {
        /// The anchor.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The derived index was thrown away and built again.
    #[error("the index was rebuilt from the log ({reason})")]
    IndexRebuilt {
        /// What was wrong with it.
        reason: String,
    },
    /// A torn last write was cut off; nobody was told that it had succeeded.
    #[error("a torn write of {bytes} bytes at the end of the log was cut off, and kept in log/")]
    TornTail {
        /// How many bytes.
        bytes: u64,
    },
    /// A rotation of the log key is recorded, and its files could not follow; the next opening tries again.
    #[error(
        "the log key was rotated, and its files could not follow ({reason}): the next command that records tries again"
    )]
    RotationUnfinished {
        /// What failed.
        reason: String,
    },
    /// A rotation of the log key that had been recorded was finished: its files follow.
    #[error("the rotation of the log key in entry {entry} was finished: its files now follow")]
    RotationFinished {
        /// The rotation.
        entry: u64,
    },
    /// An attachment is redacted, and its bytes are still there.
    #[error(
        "the bytes of the redacted attachment {digest} were not removed: {reason}; the next opening tries again"
    )]
    NotRemoved {
        /// The attachment's digest.
        digest: Hash,
        /// Why.
        reason: String,
    },
    /// Nobody could see whether a redaction was cut short.
    #[error("whether a redaction was cut short cannot be seen in {}: {reason}; the next opening tries again", path.display())]
    MarksUnread {
        /// The directory of attachments.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Whole signed batches lay beyond the published head, and were adopted.
    #[error("{entries} entries beyond the published head were adopted")]
    Adopted {
        /// How many entries.
        entries: u64,
    },
}
