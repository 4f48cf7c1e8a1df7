//! Entries as events for other systems, one JSON object each (docs/integrations/exports.md).
//!
//! An [`Exporter`] is shown every entry in order, picks those that are asked for, and hands each on as a [`Told`] to the
//! format that was chosen. What breaks the rules did not happen as far as they go, and is left out and counted. It
//! keeps little: who holds which key, the newest changes of each slot, and the incidents that are open.
//!
//! | module | does |
//! |---|---|
//! | [`told`] | an entry with what stands around it, and the object that every format carries |
//! | [`ndjson`] | our own objects |
//! | [`cloudevents`] | `CloudEvents` 1.0 |
//! | [`cdevents`] | `CDEvents` 0.5.1 |
//! | [`in_toto`] | in-toto Statements v1 |
//! | [`dsse`] | a statement in a signed envelope |
//! | [`uri`] | names as URIs and package URLs |

pub mod cdevents;
pub mod cloudevents;
pub mod dsse;
pub mod in_toto;
pub mod ndjson;
pub mod told;
pub mod uri;

use std::collections::{HashMap, VecDeque};

use serde_json::Value;

use self::told::{Artifact, LedgerRef, Place, Told};
use crate::event::body::{Body, Kind};
use crate::event::release::Serving;
use crate::event::text::{EnvironmentName, Name};
use crate::hash::Hash;
use crate::lifecycle::onlooker::{Onlooker, Rows, Seen};
use crate::lifecycle::state::{Row, RowKey};
use crate::time::Timestamp;
use crate::timeline::about::About;
use crate::timeline::collector::{CHANGES_REMEMBERED, is_owed};
use crate::timeline::prose::People;

/// Which entries are asked for. What is none asks for all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Recorded at this time or later.
    pub since: Option<Timestamp>,
    /// Recorded before this time.
    pub until: Option<Timestamp>,
    /// In this environment.
    pub environment: Option<EnvironmentName>,
    /// About this model.
    pub model: Option<Name>,
    /// Of one of these kinds; empty: of all.
    pub kinds: Vec<Kind>,
    /// About this model digest.
    pub digest: Option<Hash>,
}

/// What makes an entry an object of a format.
pub type Render = fn(&Told<'_>) -> Value;

/// Takes the objects, in the entries' order.
pub trait Lines: Send {
    /// What can go wrong.
    type Error: Send;

    /// What was taken before counts for nothing: they begin anew.
    ///
    /// # Errors
    /// What was taken cannot be let go of.
    fn begin(&mut self) -> Result<(), Self::Error>;

    /// The next one.
    ///
    /// # Errors
    /// It cannot be taken; none is handed on after it.
    fn take(&mut self, object: &Value) -> Result<(), Self::Error>;
}

/// What came of an export.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Entries that were handed on.
    pub exported: u64,
    /// Entries that were asked for and break the rules.
    pub left_out: u64,
}

/// Hands on the entries that are asked for.
#[derive(Debug)]
pub struct Exporter<L: Lines> {
    selection: Selection,
    render: Render,
    lines: L,
    failed: Option<L::Error>,
    counts: Counts,
    memory: Memory,
    /// Whether what follows is behind the selection's end.
    is_over: bool,
}

/// What is known of entries that went before.
#[derive(Debug, Default)]
struct Memory {
    ledger: Option<LedgerRef>,
    people: People,
    /// The newest changes of each slot, oldest first.
    slots: HashMap<(EnvironmentName, Name), VecDeque<u64>>,
    changes: HashMap<u64, Change>,
    /// Where each open incident was detected.
    incidents: HashMap<Name, Vec<Place>>,
}

/// A promotion, rollback or withdrawal.
#[derive(Debug, Clone)]
struct Change {
    environment: EnvironmentName,
    artifact: Artifact,
}

/// What an entry is about, with what went before.
#[derive(Debug, Default)]
struct Matter {
    model: Option<Name>,
    artifact: Option<Artifact>,
    from: Option<Artifact>,
    places: Vec<Place>,
}

impl<L: Lines> Exporter<L> {
    /// Hands the entries that `selection` asks for on to `lines`, as `render` tells them.
    #[must_use]
    pub fn new(selection: Selection, render: Render, lines: L) -> Self {
        Self {
            selection,
            render,
            lines,
            failed: None,
            counts: Counts::default(),
            memory: Memory::default(),
            is_over: false,
        }
    }

    /// Where the objects went, and how many.
    ///
    /// # Errors
    /// One of them could not be taken.
    pub fn finish(self) -> Result<(L, Counts), L::Error> {
        match self.failed {
            Some(error) => Err(error),
            None => Ok((self.lines, self.counts)),
        }
    }

    fn hand_on(&mut self, seen: &Seen<'_>, matter: &Matter) -> Result<(), L::Error> {
        let Some(ledger) = &self.memory.ledger else { return Ok(()) };
        let people = &self.memory.people;
        let proposer = seen.event.header.proposer;
        let told = Told {
            ledger,
            entry: *seen,
            signers: seen.signers.iter().map(|key| people.signer(key, &proposer)).collect(),
            model: matter.model.as_ref(),
            artifact: matter.artifact.as_ref(),
            from: matter.from.as_ref(),
            places: &matter.places,
        };
        self.lines.take(&(self.render)(&told))?;
        self.counts.exported += 1;
        Ok(())
    }
}

impl<L: Lines> Onlooker for Exporter<L> {
    fn begin(&mut self) {
        (self.counts, self.memory, self.is_over) = (Counts::default(), Memory::default(), false);
        self.failed = self.lines.begin().err();
    }

    fn wants_more(&self) -> bool {
        !self.is_over && self.failed.is_none()
    }

    fn saw(&mut self, seen: &Seen<'_>, rows: &mut dyn Rows) {
        self.is_over |= self.selection.until.is_some_and(|until| seen.recorded_at >= until);
        if !self.wants_more() {
            return;
        }
        let is_lawful = seen.lawful != Some(false);
        if is_lawful {
            self.memory.learn(seen);
        }
        let matter = self.memory.matter(seen, rows);
        if self.selection.takes(seen, &matter) {
            if is_lawful {
                self.failed = self.hand_on(seen, &matter).err();
            } else {
                self.counts.left_out += 1;
            }
        }
        if is_lawful {
            self.memory.remember(seen, matter, rows);
        }
    }
}

impl Selection {
    fn takes(&self, seen: &Seen<'_>, matter: &Matter) -> bool {
        self.since.is_none_or(|since| seen.recorded_at >= since)
            && (self.kinds.is_empty() || self.kinds.contains(&seen.event.kind()))
            && self.digest.is_none_or(|digest| matter.is_about(digest))
            && self.takes_place(matter)
    }

    fn takes_place(&self, matter: &Matter) -> bool {
        let (environment, model) = (self.environment.as_ref(), self.model.as_ref());
        let is_there = |place: &Place| {
            environment.is_none_or(|environment| place.environment == *environment)
                // An incident in a whole environment is one of each model there.
                && model.is_none_or(|model| place.model.as_ref().is_none_or(|of| of == model))
        };
        match (environment, model) {
            (None, None) => true,
            (None, Some(model)) if matter.model.as_ref() == Some(model) => true,
            _ => matter.places.iter().any(is_there),
        }
    }
}

impl Matter {
    fn is_about(&self, digest: Hash) -> bool {
        let mut artifacts = self.artifact.iter().chain(&self.from);
        artifacts.any(|artifact| artifact.digest == Some(digest))
    }
}

impl Memory {
    /// What has to be known before the entry itself is told.
    fn learn(&mut self, seen: &Seen<'_>) {
        self.people.learn(seen.event);
        if let Body::LedgerCreated(body) = &seen.event.body {
            self.ledger = Some(LedgerRef { origin: body.origin.clone(), id: seen.leaf_hash });
        }
    }

    fn matter(&self, seen: &Seen<'_>, rows: &mut dyn Rows) -> Matter {
        let about = About::of(seen.event);
        if let Some(change) = about.entry.and_then(|entry| self.changes.get(&entry)) {
            return Matter {
                model: Some(change.artifact.model.clone()),
                artifact: Some(change.artifact.clone()),
                from: None,
                places: vec![change.place()],
            };
        }
        let places = match (&seen.event.body, about.environment) {
            (Body::IncidentResolved(body), _) => {
                self.incidents.get(&body.incident).cloned().unwrap_or_default()
            }
            (_, Some(environment)) => {
                vec![Place { environment: environment.clone(), model: about.model.cloned() }]
            }
            (_, None) => Vec::new(),
        };
        let artifact = match (about.model, about.version) {
            (Some(model), Some(version)) => Some(Artifact {
                digest: about.digest.or_else(|| digest_of(model, version, rows)),
                ..Artifact::new(model, version)
            }),
            _ => serving(&places, rows),
        };
        Matter {
            model: about.model.cloned().or_else(|| only_model(&places)),
            artifact,
            from: replaced(&seen.event.body).map(|(model, from)| Artifact {
                digest: digest_of(model, &from.version, rows),
                ..Artifact::new(model, &from.version)
            }),
            places,
        }
    }

    /// What later entries refer to.
    fn remember(&mut self, seen: &Seen<'_>, matter: Matter, rows: &mut dyn Rows) {
        match &seen.event.body {
            Body::ModelPromoted(_) | Body::ModelRolledBack(_) | Body::ModelWithdrawn(_) => {
                let (Some(place), Some(artifact)) = (matter.places.into_iter().next(), matter.artifact)
                else {
                    return;
                };
                self.remember_change(seen.index, Change { environment: place.environment, artifact }, rows);
            }
            Body::IncidentDetected(body) => {
                self.incidents.entry(body.incident.clone()).or_default().extend(matter.places);
            }
            Body::IncidentResolved(body) => {
                self.incidents.remove(&body.incident);
            }
            _ => {}
        }
    }

    fn remember_change(&mut self, index: u64, change: Change, rows: &mut dyn Rows) {
        let slot = self.slots.entry((change.environment.clone(), change.artifact.model.clone())).or_default();
        slot.push_back(index);
        if slot.len() > CHANGES_REMEMBERED
            && let Some(oldest) = slot.pop_front()
            && !is_owed(rows, oldest)
        {
            self.changes.remove(&oldest);
        }
        self.changes.insert(index, change);
    }
}

impl Change {
    fn place(&self) -> Place {
        Place { environment: self.environment.clone(), model: Some(self.artifact.model.clone()) }
    }
}

/// What a change replaces.
fn replaced(body: &Body) -> Option<(&Name, &Serving)> {
    match body {
        Body::ModelPromoted(body) => body.from.as_ref().map(|from| (&body.model, from)),
        Body::ModelRolledBack(body) => Some((&body.model, &body.from)),
        Body::ModelWithdrawn(body) => Some((&body.model, &body.from)),
        _ => None,
    }
}

fn digest_of(model: &Name, version: &Name, rows: &mut dyn Rows) -> Option<Hash> {
    match rows.row(&RowKey::Version(model.clone(), version.clone()))? {
        Row::Version(row) => Some(row.digest),
        _ => None,
    }
}

/// What serves, where the places are of one model in one environment.
fn serving(places: &[Place], rows: &mut dyn Rows) -> Option<Artifact> {
    let [Place { environment, model: Some(model) }] = places else { return None };
    let Row::Slot(slot) = rows.row(&RowKey::Slot(model.clone(), environment.clone()))? else { return None };
    let version = &slot.serving()?.version;
    Some(Artifact { digest: digest_of(model, version, rows), ..Artifact::new(model, version) })
}

/// The one model that the places are of.
fn only_model(places: &[Place]) -> Option<Name> {
    let first = places.first()?.model.as_ref()?;
    places.iter().all(|place| place.model.as_ref() == Some(first)).then(|| first.clone())
}
