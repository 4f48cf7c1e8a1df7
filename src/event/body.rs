//! The event itself: header, kind and body, and the bytes that authors sign.

use bincode::{Decode, Encode};
use serde::Serialize;

use crate::codec::{self, CodecError};
use crate::event::authority::{KeyGranted, KeyRevoked, LedgerCreated, LogKeyRotated, PolicySet};
use crate::event::header::{FORMAT_VERSION, Header};
use crate::event::incident::{EntryRatified, IncidentDetected, IncidentResolved};
use crate::event::infra::InfraCommit;
use crate::event::model::{DriftDetected, ModelEvaluated, ModelRegistered, ModelRetired};
use crate::event::release::{ChangeCompleted, ModelPromoted, ModelRolledBack, ModelWithdrawn};
use crate::event::remark::{AttachmentRedacted, NoteAdded};
use crate::signing::envelope::EVENT_BYTES_MAX;
use crate::words::words;

/// What someone says happened: `header ‖ kind (u32) ‖ body`.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Event {
    /// What every event begins with.
    pub header: Header,
    /// What happened.
    #[serde(flatten)]
    pub body: Body,
}

macro_rules! bodies {
    ($($(#[$doc:meta])* $variant:ident($body:ty) = $text:literal,)+) => {
        /// What happened. The kind's number is its place in this list; new kinds come at the end.
        #[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
        #[serde(tag = "kind", content = "body")]
        pub enum Body {
            $($(#[$doc])* #[serde(rename = $text)] $variant(Box<$body>),)+
        }

        words! {
            /// The kinds of event, by name.
            Kind, "an event kind" { $($(#[$doc])* $variant = $text,)+ }
        }

        impl Body {
            /// Which kind this is.
            #[must_use]
            pub const fn kind(&self) -> Kind {
                match self { $(Self::$variant(_) => Kind::$variant,)+ }
            }
        }

        $(impl From<$body> for Body {
            fn from(body: $body) -> Self {
                Self::$variant(Box::new(body))
            }
        })+
    };
}

bodies! {
    /// Entry 0.
    LedgerCreated(LedgerCreated) = "ledger.created",
    /// A key may be used.
    KeyGranted(KeyGranted) = "key.granted",
    /// A key may not be used any more.
    KeyRevoked(KeyRevoked) = "key.revoked",
    /// The log has another key.
    LogKeyRotated(LogKeyRotated) = "log_key.rotated",
    /// The ledger has another policy.
    PolicySet(PolicySet) = "policy.set",
    /// A model version exists.
    ModelRegistered(ModelRegistered) = "model.registered",
    /// A version was measured.
    ModelEvaluated(ModelEvaluated) = "model.evaluated",
    /// A version is to serve.
    ModelPromoted(ModelPromoted) = "model.promoted",
    /// What served before is to serve again.
    ModelRolledBack(ModelRolledBack) = "model.rolledback",
    /// Nothing is to serve.
    ModelWithdrawn(ModelWithdrawn) = "model.withdrawn",
    /// What came of a change.
    ChangeCompleted(ChangeCompleted) = "change.completed",
    /// A version must not be promoted again.
    ModelRetired(ModelRetired) = "model.retired",
    /// What serves moves away from what it was made for.
    DriftDetected(DriftDetected) = "model.drift.detected",
    /// Something is wrong.
    IncidentDetected(IncidentDetected) = "incident.detected",
    /// It is over.
    IncidentResolved(IncidentResolved) = "incident.resolved",
    /// Somebody stands behind an entry.
    EntryRatified(EntryRatified) = "entry.ratified",
    /// The bytes of an attachment were removed.
    AttachmentRedacted(AttachmentRedacted) = "attachment.redacted",
    /// A remark.
    NoteAdded(NoteAdded) = "note.added",
}

impl Body {
    /// The infra commit that it names: of a registration, that of the source code.
    #[must_use]
    pub fn infra(&self) -> Option<&InfraCommit> {
        match self {
            Self::ModelRegistered(body) => body.source.as_ref(),
            Self::ModelPromoted(body) => Some(&body.infra),
            Self::ModelRolledBack(body) => Some(&body.infra),
            Self::ModelWithdrawn(body) => body.infra.as_ref(),
            _ => None,
        }
    }
}

/// Why bytes are not an event of this version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// Over the bound.
    #[error("an event has {actual} bytes, at most {EVENT_BYTES_MAX} are allowed")]
    TooLong {
        /// Its length in bytes.
        actual: usize,
    },
    /// Written in a later layout.
    #[error(
        "the event is in format version {version}; this program reads version {FORMAT_VERSION}: upgrade it"
    )]
    NewerFormat {
        /// The version found.
        version: u32,
    },
    /// A kind that a later version added.
    #[error("the event is of kind number {kind}, which this program does not know: upgrade it")]
    UnknownKind {
        /// The number found.
        kind: u32,
    },
    /// Not the canonical encoding of an event.
    #[error("not a canonical event: {0}")]
    Codec(#[from] CodecError),
}

impl EventError {
    /// Whether a newer program could well read these bytes: they are of a later format, or hold a
    /// kind or a word that was added since. (An option's tag is no word.)
    #[must_use]
    pub fn needs_upgrade(&self) -> bool {
        match self {
            Self::NewerFormat { .. } | Self::UnknownKind { .. } => true,
            Self::Codec(CodecError::UnknownVariant { what, .. }) => *what != "Option",
            Self::Codec(_) | Self::TooLong { .. } => false,
        }
    }
}

impl Event {
    /// Which kind this is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.body.kind()
    }

    /// The canonical bytes, which authors sign.
    ///
    /// # Errors
    /// [`EventError::TooLong`] over 60,000 bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>, EventError> {
        let bytes = codec::encode(self);
        check_length(&bytes)?;
        Ok(bytes)
    }

    /// Reads canonical bytes.
    ///
    /// # Errors
    /// [`EventError`]; [`EventError::needs_upgrade`] tells what a newer program could read.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EventError> {
        check_length(bytes)?;
        check_format(bytes)?;
        codec::decode(bytes).map_err(|error| unknown_kind(bytes).unwrap_or(EventError::Codec(error)))
    }
}

fn check_length(bytes: &[u8]) -> Result<(), EventError> {
    if bytes.len() > EVENT_BYTES_MAX {
        return Err(EventError::TooLong { actual: bytes.len() });
    }
    Ok(())
}

fn check_format(bytes: &[u8]) -> Result<(), EventError> {
    match codec::decode_prefix::<u32>(bytes)?.0 {
        FORMAT_VERSION => Ok(()),
        0 => Err(CodecError::Invalid("format version 0 never existed".into()).into()),
        version => Err(EventError::NewerFormat { version }),
    }
}

/// The kind's number, where the header is sound and the number lies beyond those known.
fn unknown_kind(bytes: &[u8]) -> Option<EventError> {
    let (_, header_len) = codec::decode_prefix::<Header>(bytes).ok()?;
    let (kind, _) = codec::decode_prefix::<u32>(&bytes[header_len..]).ok()?;
    (kind as usize >= Kind::ALL.len()).then_some(EventError::UnknownKind { kind })
}
