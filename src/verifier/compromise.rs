//! Keys that were revoked as compromised: what they signed, and what others built on it.
//!
//! A revocation speaks of entries long before it, so those are walked over once more, only where there is such a
//! revocation. What the key signed from the named entry on is a violation; what rests on such an entry directly is a
//! remark: the registration of what was released, the grant of a key that signed, an entry that is cited.

use std::collections::BTreeSet;
use std::convert::Infallible;

use crate::event::body::{Body, Event};
use crate::event::incident::Ratification;
use crate::event::text::Name;
use crate::evidence::infra::examine;
use crate::lifecycle::state::State;
use crate::log::entry::Entry;
use crate::signing::public_key::PublicKey;
use crate::store::batch_log::{BatchSource, Position, StoreError};

use super::finding::{Finding, Findings};
use super::frames::{Frames, Step};
use super::kept::EarlierIds;

/// A key, and the entry from which on its signatures are not to be trusted.
#[derive(Debug, Clone, Copy)]
pub(super) struct CompromisedKey {
    pub(super) key: PublicKey,
    /// The first entry that is in doubt.
    pub(super) since: u64,
    /// The entry that says so.
    pub(super) revoked_by: u64,
}

/// Walks over the entries from `from` on and below `until` once more, and finds what compromised keys signed and what
/// rests on it. `state` is the one that the whole log came to; `doubtful` are the entries that such keys signed, those
/// before `from` already among them.
pub(super) fn find_compromised(
    source: &dyn BatchSource,
    (from, until): (Position, u64),
    keys: &[CompromisedKey],
    state: &mut State<EarlierIds>,
    doubtful: &mut BTreeSet<u64>,
    findings: &mut Findings,
) -> Result<(), StoreError> {
    let Some(first) = keys.iter().map(|key| key.since).min() else { return Ok(()) };
    let mut walk = Walk { keys, state, findings, doubtful };
    let mut frames = Frames::from(source, from, until)?;
    while let Some(step) = frames.next()? {
        let Step::Frame(frame) = step else { continue };
        let frame = frame.view();
        if frame.next_index() <= first {
            continue;
        }
        for (index, bytes) in (frame.first_index()..).zip(frame.entries()) {
            // What cannot be read was found when the log was first walked over.
            let Ok(entry) = Entry::from_bytes(bytes) else { continue };
            let Ok(event) = Event::from_bytes(entry.envelope.event()) else { continue };
            walk.take(index, &event, &entry.envelope.signers());
        }
    }
    Ok(())
}

struct Walk<'a> {
    keys: &'a [CompromisedKey],
    state: &'a mut State<EarlierIds>,
    findings: &'a mut Findings,
    /// Entries that a compromised key signed.
    doubtful: &'a mut BTreeSet<u64>,
}

impl Walk<'_> {
    fn take(&mut self, index: u64, event: &Event, signers: &[PublicKey]) {
        let in_doubt =
            |of: &&CompromisedKey| (of.since..of.revoked_by).contains(&index) && signers.contains(&of.key);
        let compromised: Vec<CompromisedKey> = self.keys.iter().filter(in_doubt).copied().collect();
        for CompromisedKey { key, since, revoked_by } in &compromised {
            let (person, key) = (self.person(key), *key);
            let (since, revoked_by) = (*since, *revoked_by);
            self.findings.add(Finding::KeyCompromised { index, key, person, since, revoked_by });
        }
        let of_git = self.git_signers(event, |of| {
            (of.since..of.revoked_by).contains(&index) && !signers.contains(&of.key)
        });
        for CompromisedKey { key, since, revoked_by } in &of_git {
            let (person, key) = (self.person(key), *key);
            let (since, revoked_by) = (*since, *revoked_by);
            self.findings.add(Finding::GitSignerCompromised { index, key, person, since, revoked_by });
        }
        if !compromised.is_empty() || !of_git.is_empty() {
            self.doubtful.insert(index);
        }
        let rests_on = self.rests_on(event, signers);
        if let Some(&on) = rests_on.iter().find(|&&on| on < index && self.doubtful.contains(&on)) {
            self.findings.add(Finding::KeyCompromisedBasis { index, on });
        }
    }

    /// Compromised keys that fit and signed the tag or the commit which an event embeds.
    fn git_signers(&self, event: &Event, fits: impl Fn(&CompromisedKey) -> bool) -> Vec<CompromisedKey> {
        let fitting: Vec<&CompromisedKey> = self.keys.iter().filter(|of| fits(of)).collect();
        let Some(infra) = event.body.infra().filter(|_| !fitting.is_empty()) else { return Vec::new() };
        let evidence = examine(infra);
        let signed_by: Vec<PublicKey> = [&evidence.tag, &evidence.commit]
            .into_iter()
            .filter_map(|signed| signed.good()?.ed25519())
            .collect();
        fitting.into_iter().filter(|of| signed_by.contains(&of.key)).copied().collect()
    }

    fn person(&mut self, key: &PublicKey) -> String {
        let Ok::<_, Infallible>(holder) = self.state.holder(key);
        holder.map_or_else(|| key.fingerprint().to_string(), |holder| holder.person.to_string())
    }

    /// The entries that an event rests on directly.
    fn rests_on(&mut self, event: &Event, signers: &[PublicKey]) -> Vec<u64> {
        let mut entries = Vec::new();
        for key in signers {
            let Ok::<_, Infallible>(holder) = self.state.holder(key);
            entries.extend(holder.iter().flat_map(|holder| &holder.grants).map(|grant| grant.entry));
        }
        match &event.body {
            Body::ModelEvaluated(body) => entries.extend(self.registration(&body.model, &body.version)),
            Body::ModelPromoted(body) => {
                entries.extend(self.registration(&body.model, &body.version));
                entries.push(body.policy_entry);
                entries.extend(&body.evidence);
            }
            Body::ModelRolledBack(body) => {
                entries.extend(self.registration(&body.model, &body.to));
                entries.push(body.policy_entry);
                entries.extend(&body.validation);
            }
            Body::ModelWithdrawn(body) => entries.push(body.policy_entry),
            Body::ChangeCompleted(body) => entries.push(body.change),
            Body::IncidentDetected(body) => entries.extend(&body.evidence),
            Body::EntryRatified(body) if body.ratification == Ratification::BreakGlass => {
                entries.push(body.entry);
            }
            _ => {}
        }
        entries
    }

    fn registration(&mut self, model: &Name, version: &Name) -> Option<u64> {
        let Ok::<_, Infallible>(row) = self.state.version(model, version);
        row.map(|row| row.entry)
    }
}
