//! An entry as the formats tell it: with what stands around it, and what leads from an object back to proof.

use serde_json::{Map, Value, json};

use super::uri;
use crate::event::body::Body;
use crate::event::text::{EnvironmentName, Name};
use crate::hash::Hash;
use crate::lifecycle::onlooker::Seen;
use crate::timeline::chronicle::Signer;
use crate::timeline::json as timeline_json;

/// Where an object of another format holds what [`Told::entry_json`] gives. No outside specification uses the name.
pub const ENTRY_FIELD: &str = "rollbookEntry";

/// Which ledger it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerRef {
    /// The log's name.
    pub origin: Name,
    /// The leaf hash of entry 0.
    pub id: Hash,
}

/// A version of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// The model.
    pub model: Name,
    /// The version.
    pub version: Name,
    /// Its `OpenSSF` root; none where no lawful entry registered it.
    pub digest: Option<Hash>,
}

impl Artifact {
    /// A version whose digest is not known.
    #[must_use]
    pub fn new(model: &Name, version: &Name) -> Self {
        Self { model: model.clone(), version: version.clone(), digest: None }
    }

    /// Its package URL.
    #[must_use]
    pub fn purl(&self) -> String {
        uri::purl(&self.model, &self.version, self.digest)
    }

    /// Its name for people and in-toto: `<model>@<version>`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}@{}", self.model, self.version)
    }
}

/// An environment, and a model in it where it is about one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Where.
    pub environment: EnvironmentName,
    /// Which model.
    pub model: Option<Name>,
}

/// An entry that the rules let through, with what went before it.
#[derive(Debug, Clone)]
pub struct Told<'a> {
    /// The ledger.
    pub ledger: &'a LedgerRef,
    /// The entry.
    pub entry: Seen<'a>,
    /// The keys on its envelope, ascending.
    pub signers: Vec<Signer>,
    /// The model that it is about.
    pub model: Option<&'a Name>,
    /// The version that it is about: of a completion or ratification, that of the change; of an incident or of drift
    /// that names none, what serves there.
    pub artifact: Option<&'a Artifact>,
    /// What a change replaces.
    pub from: Option<&'a Artifact>,
    /// Where: of an incident that was resolved, everywhere that it was detected.
    pub places: &'a [Place],
}

impl Told<'_> {
    /// The event's own id.
    #[must_use]
    pub fn id(&self) -> String {
        self.entry.event.header.event_id.to_string()
    }

    /// The environment: the first one, where there are more.
    #[must_use]
    pub fn environment(&self) -> Option<&EnvironmentName> {
        self.places.first().map(|place| &place.environment)
    }

    /// Who proposed it, by name, or by the key's fingerprint.
    #[must_use]
    pub fn proposer(&self) -> String {
        let proposer = self.signers.iter().find(|signer| signer.proposed);
        let person = proposer.and_then(|signer| signer.person.as_ref());
        person.map_or_else(|| self.entry.event.header.proposer.fingerprint().to_string(), ToString::to_string)
    }

    /// Our own object of it, which every format carries: the whole event, and what leads back to proof.
    #[must_use]
    pub fn entry_json(&self) -> Value {
        let Self { ledger, entry, .. } = self;
        let signers: Vec<Value> = self.signers.iter().map(timeline_json::signer).collect();
        json!({
            "origin": ledger.origin,
            "ledger_id": ledger.id,
            "index": entry.index,
            "leaf_hash": entry.leaf_hash,
            "recorded_at": entry.recorded_at,
            "event": entry.event,
            "signers": signers,
        })
    }

    /// What formats with room for fields of ours hold: the entry, and what the event itself does not say.
    #[must_use]
    pub fn around(&self) -> Map<String, Value> {
        let mut around = Map::new();
        around.insert(ENTRY_FIELD.to_owned(), self.entry_json());
        if self.is_change() {
            around.insert("state".to_owned(), json!("authorised"));
        }
        if let Some(from) = self.from {
            let from = json!({ "version": from.version, "artifactId": from.purl() });
            around.insert("from".to_owned(), from);
        }
        if matches!(self.entry.event.body, Body::IncidentResolved(_)) {
            let places: Vec<Value> = self.places.iter().map(Place::json).collect();
            around.insert("places".to_owned(), json!(places));
        }
        around
    }

    /// Whether it is a promotion, a rollback or a withdrawal.
    #[must_use]
    pub fn is_change(&self) -> bool {
        let body = &self.entry.event.body;
        matches!(body, Body::ModelPromoted(_) | Body::ModelRolledBack(_) | Body::ModelWithdrawn(_))
    }
}

impl Place {
    fn json(&self) -> Value {
        json!({ "environment": self.environment, "model": self.model })
    }
}
