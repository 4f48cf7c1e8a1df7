//! The event header: which ledger, which event, who proposes it, when, on what basis.

use std::fmt;
use std::str::FromStr;

use bincode::{Decode, Encode};
use serde::{Serialize, Serializer};

use crate::event::list::{Ascending, Ranked};
use crate::event::text::Name;
use crate::hash::Hash;
use crate::signing::public_key::PublicKey;
use crate::time::{DAY_MS, Timestamp};

/// The version of the byte layout that this program writes.
pub const FORMAT_VERSION: u32 = 1;
/// How long an event may be accepted unless its proposer says otherwise.
pub const EXPIRY_DEFAULT_MS: i64 = 7 * DAY_MS;
/// The longest time from the recording of an event to its expiry: event ids are remembered that
/// long, so that a retry can be told from a replay.
pub const EXPIRY_MAX_MS: i64 = 30 * DAY_MS;
/// The most attachments on one event.
pub const ATTACHMENTS_MAX: usize = 32;
/// The largest attachment, in bytes.
pub const ATTACHMENT_BYTES_MAX: u64 = 64 << 20;
/// How many random bytes stand before a private attachment's own: as many as the digest has, so that guessing them is
/// no easier than inverting it.
pub const PRIVATE_PREFIX_BYTES: usize = 32;

/// What every event begins with.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Header {
    /// The version of the layout of the whole event: 1.
    pub format: u32,
    /// The ledger that the event is meant for: the leaf hash of its entry 0. Zeros in
    /// `ledger.created` alone.
    pub ledger_id: Hash,
    /// The event's own id, by which a retry is recognised.
    pub event_id: EventId,
    /// The key of the one who proposes the event; its signature must be on the envelope.
    pub proposer: PublicKey,
    /// When it happened, as the proposer says.
    pub claimed_at: Timestamp,
    /// After this time the event is refused.
    pub expires_at: Timestamp,
    /// Whether the proposer declares the event or has observed it elsewhere.
    pub basis: Basis,
    /// Evidence files that belong to the event, by digest.
    pub attachments: Ascending<Attachment, ATTACHMENTS_MAX>,
}

/// Sixteen bytes that name one event: a `UUIDv7`, or derived from a sender's own id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct EventId([u8; 16]);

impl EventId {
    /// Takes 16 bytes as they are.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 raw bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// An id that sorts by `now`, with 74 random bits (RFC 9562, UUID version 7).
    #[must_use]
    pub fn generate(now: Timestamp, random: [u8; 10]) -> Self {
        let ms = u64::try_from(now.as_millis()).expect("times start at the epoch");
        Self(*uuid::Builder::from_unix_timestamp_millis(ms, &random).as_uuid().as_bytes())
    }

    /// The id that stands for `id` of `system`: the first 16 bytes of SHA-256 over
    /// `rollbook event id v1\n`, the system, `\n` and the id, marked as UUID version 8. The same
    /// sender's id always gives the same event id, so a redelivery is a retry.
    #[must_use]
    pub fn derive(system: &str, id: &str) -> Self {
        let hash = Hash::of_parts(&[b"rollbook event id v1\n", system.as_bytes(), b"\n", id.as_bytes()]);
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash.as_bytes()[..16]);
        Self(*uuid::Builder::from_custom_bytes(bytes).as_uuid().as_bytes())
    }
}

impl fmt::Display for EventId {
    /// As a UUID: `0190b1c2-…`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&uuid::Uuid::from_bytes(self.0), f)
    }
}

impl FromStr for EventId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        Ok(Self(*uuid::Uuid::parse_str(text)?.as_bytes()))
    }
}

impl Serialize for EventId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// On what basis the event is said to have happened.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// The proposer says so.
    Declared,
    /// The proposer passes on what another system reported.
    Observed {
        /// The system, such as `mlflow` or `argocd`.
        system: Name,
        /// That system's own id of the report.
        id: Name,
    },
}

/// An evidence file beside the log, named by its digest.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Attachment {
    /// SHA-256 of the stored bytes, the random prefix included where there is one.
    pub digest: Hash,
    /// Length of the stored bytes.
    pub size: u64,
    /// Whether the stored bytes begin with a 32-byte random prefix, so that a deleted file cannot
    /// be guessed from its digest.
    pub private: bool,
    /// IANA media type, such as `application/json`.
    pub media_type: Name,
    /// File name for people.
    pub name: Name,
}

impl Ranked for Attachment {
    type Rank = Hash;

    fn rank(&self) -> &Hash {
        &self.digest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_ids_are_stable_and_apart() {
        let id = EventId::derive("mlflow", "42");
        assert_eq!(id, EventId::derive("mlflow", "42"));
        assert_ne!(id, EventId::derive("mlflow", "43"));
        assert_ne!(EventId::derive("a\nb", "c"), EventId::derive("a", "c"));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.as_bytes()[6] >> 4, 8, "UUID version 8");
    }

    #[test]
    fn generated_ids_sort_by_time() {
        let early = EventId::generate(Timestamp::from_millis(1_000).expect("in range"), [0xff; 10]);
        let late = EventId::generate(Timestamp::from_millis(1_001).expect("in range"), [0; 10]);
        assert!(early < late);
    }
}
