//! The entries about one model digest, followed as they come.

use std::collections::BTreeSet;

use crate::event::body::Body;
use crate::event::text::Name;
use crate::hash::Hash;
use crate::lifecycle::onlooker::Seen;

use super::about::About;

/// What is about one model digest: the versions that it was registered as, the entries about those, and what speaks of
/// such entries in turn: how it was found out, and taken out.
#[derive(Debug)]
pub(super) struct Trail {
    digest: Hash,
    versions: BTreeSet<(Name, Name)>,
    entries: BTreeSet<u64>,
    incidents: BTreeSet<Name>,
}

impl Trail {
    pub(super) const fn of(digest: Hash) -> Self {
        Self { digest, versions: BTreeSet::new(), entries: BTreeSet::new(), incidents: BTreeSet::new() }
    }

    /// Whether the entry is about it.
    pub(super) fn leads_to(&mut self, seen: &Seen<'_>) -> bool {
        let about = About::of(seen.event);
        if let Body::ModelRegistered(b) = &seen.event.body
            && b.digest.root == self.digest
        {
            self.versions.insert((b.model.clone(), b.version.clone()));
        }
        let is_version = |model: &Name, version: &Name| {
            self.versions.iter().any(|(of, known)| of == model && known == version)
        };
        let from = match &seen.event.body {
            Body::ModelRolledBack(b) => is_version(&b.model, &b.from.version),
            Body::ModelPromoted(b) => b.from.as_ref().is_some_and(|from| is_version(&b.model, &from.version)),
            Body::IncidentDetected(b) => b.evidence.iter().any(|entry| self.entries.contains(entry)),
            Body::IncidentResolved(b) => self.incidents.contains(&b.incident),
            _ => false,
        };
        let is_it = from
            || about.digest == Some(self.digest)
            || about.entry.is_some_and(|entry| self.entries.contains(&entry))
            || about.model.zip(about.version).is_some_and(|(model, version)| is_version(model, version));
        if is_it {
            self.entries.insert(seen.index);
            self.incidents.extend(about.incident.cloned());
        }
        is_it
    }
}
