//! Entries: an envelope with its place in the log (docs/format.md, "Entry").

use bincode::de::Decoder;
use bincode::enc::Encoder;
use bincode::error::{DecodeError, EncodeError};
use bincode::{Decode, Encode};

use crate::codec::{self, CodecError};
use crate::hash::Hash;
use crate::merkle::tree::leaf_hash;
use crate::signing::envelope::Envelope;
use crate::time::Timestamp;

/// The most bytes of an entry: the limit of a tlog-tiles entry bundle.
pub const ENTRY_BYTES_MAX: usize = 65_535;
/// The version of the layout of entries and envelopes, which every entry begins with: outside a
/// frame nothing else would tell a later layout from damage.
pub const ENTRY_FORMAT: u32 = 1;

/// An envelope with its index, the previous leaf hash and the time it was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the log, from 0.
    pub index: u64,
    /// The leaf hash of the entry before; zeros at index 0.
    pub previous: Hash,
    /// When the ledger recorded it.
    pub recorded_at: Timestamp,
    /// A root over the release state after this entry; none in this version.
    pub state_root: Option<Hash>,
    /// The event and its authors' signatures.
    pub envelope: Envelope,
}

impl Entry {
    /// The canonical bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let bytes = codec::encode(self);
        debug_assert!(bytes.len() <= ENTRY_BYTES_MAX, "an envelope's bounds keep an entry within its own");
        bytes
    }

    /// Reads canonical bytes. The event inside stays bytes: [`crate::event::body::Event::from_bytes`].
    ///
    /// # Errors
    /// [`CodecError`]; [`CodecError::Newer`] for what a later version laid out.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CodecError> {
        if bytes.len() > ENTRY_BYTES_MAX {
            let reason = format!("an entry has {} bytes, at most {ENTRY_BYTES_MAX} are allowed", bytes.len());
            return Err(CodecError::Invalid(reason));
        }
        match codec::decode_prefix::<u32>(bytes)?.0 {
            version if version > ENTRY_FORMAT => Err(CodecError::Newer { what: "an entry", version }),
            _ => codec::decode(bytes),
        }
    }

    /// The RFC 6962 leaf hash: chain link, tree leaf, and for entry 0 the ledger id.
    #[must_use]
    pub fn leaf_hash(bytes: &[u8]) -> Hash {
        leaf_hash(bytes)
    }
}

impl Encode for Entry {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        let Self { index, previous, recorded_at, state_root, envelope } = self;
        ENTRY_FORMAT.encode(encoder)?;
        index.encode(encoder)?;
        previous.encode(encoder)?;
        recorded_at.encode(encoder)?;
        state_root.encode(encoder)?;
        envelope.encode(encoder)
    }
}

impl<C> Decode<C> for Entry {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        match u32::decode(decoder)? {
            ENTRY_FORMAT => Ok(Self {
                index: Decode::decode(decoder)?,
                previous: Decode::decode(decoder)?,
                recorded_at: Decode::decode(decoder)?,
                state_root: Decode::decode(decoder)?,
                envelope: Decode::decode(decoder)?,
            }),
            version => Err(DecodeError::OtherString(format!("entry layout version {version} never existed"))),
        }
    }
}
