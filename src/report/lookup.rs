//! Entries that are looked up once the log was seen: what changes cite, and all of a sample.
//!
//! A change may cite any entry before it. To keep each in mind until one is cited would be to keep the log; so those
//! that are cited are read again, by whoever can, and proved against the root that was verified.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::event::body::Body;
use crate::log::reader::LoggedEntry;
use crate::timeline::prose::{self, People};

use super::collect::Collected;
use super::contents::{EvaluationTold, EvidenceTold, SampledEntry, Who};
use super::sample::Drawn;

/// Which entries are to be looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Of which a few facts are told.
    pub cited: BTreeSet<u64>,
    /// Which are told whole.
    pub whole: BTreeSet<u64>,
}

impl Wanted {
    /// What is wanted where these changes were drawn.
    #[must_use]
    pub fn of(collected: &Collected, drawn: &[Drawn]) -> Self {
        let cited = collected.changes.iter().flat_map(|change| &change.evidence).map(|row| row.entry);
        let sampled = drawn.iter().filter_map(|drawn| collected.change(drawn.index));
        let whole = sampled.flat_map(|change| change.parts().into_keys()).collect();
        Self { cited: cited.collect(), whole }
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> BTreeSet<u64> {
        self.cited.union(&self.whole).copied().collect()
    }
}

/// What was looked up.
#[derive(Debug, Default)]
pub struct Evidence {
    cited: BTreeMap<u64, EvidenceTold>,
    whole: BTreeMap<u64, Whole>,
}

/// An entry that is told whole.
#[derive(Debug)]
struct Whole {
    what: String,
    entry: Value,
    bytes: String,
    proof: Option<String>,
}

impl Evidence {
    /// Takes an entry that is proved to stand in the log, of which a few facts are told.
    pub fn take_cited(&mut self, logged: &LoggedEntry, people: &People) {
        let evaluation = match &logged.event.body {
            Body::ModelEvaluated(b) => Some(EvaluationTold {
                kind: b.kind,
                suite: b.suite.clone(),
                suite_version: b.suite_version.clone(),
                dataset: b.dataset.name.clone(),
                outcome: b.outcome,
            }),
            _ => None,
        };
        let signers = logged.entry.envelope.signers();
        let told = EvidenceTold {
            kind: logged.event.kind(),
            recorded_at: logged.entry.recorded_at,
            by: Who::all(people, &logged.event.header.proposer, &signers),
            what: prose::one_line(&logged.event),
            evaluation,
        };
        self.cited.insert(logged.entry.index, told);
    }

    /// Takes an entry that is told whole, as JSON, and the proof that it stands in the log.
    pub fn take_whole(&mut self, logged: &LoggedEntry, entry: Value, proof: Option<String>) {
        let (what, bytes) = (prose::one_line(&logged.event), STANDARD.encode(&logged.bytes));
        self.whole.insert(logged.entry.index, Whole { what, entry, bytes, proof });
    }

    /// What the entry says, where it was proved.
    pub(super) fn told(&self, index: u64) -> Option<&EvidenceTold> {
        self.cited.get(&index)
    }

    /// The entry as it stands in the sample.
    pub(super) fn sampled(&self, index: u64) -> SampledEntry {
        let whole = self.whole.get(&index);
        SampledEntry {
            index,
            what: whole.map(|whole| whole.what.clone()),
            entry: whole.map(|whole| whole.entry.clone()),
            bytes: whole.map(|whole| whole.bytes.clone()),
            proof: whole.and_then(|whole| whole.proof.clone()),
        }
    }
}
