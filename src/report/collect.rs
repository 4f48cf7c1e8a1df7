//! Keeps, of the entries that are shown in order, what the report is about.
//!
//! What it keeps is bounded by the period and by what lives: the period's changes, grants and policies that were not
//! over before it, and who holds which key.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::event::authority::{KeyGranted, KeyRevoked, LedgerCreated, Policy, Role};
use crate::event::body::{Body, Event, Kind};
use crate::event::header::Basis;
use crate::event::incident::Ratification;
use crate::event::infra::InfraCommit;
use crate::event::model::EvaluationOutcome;
use crate::event::release::{ChangeCompleted, ModelPromoted, ModelRolledBack, ModelWithdrawn, Serving};
use crate::event::text::{EnvironmentName, Name, Text};
use crate::hash::Hash;
use crate::lifecycle::onlooker::{Onlooker, Rows, Seen};
use crate::lifecycle::policy::settings::changes as meaning_changed;
use crate::lifecycle::policy::{Act, ReleasePolicy};
use crate::lifecycle::state::{Row, RowKey};
use crate::signing::public_key::PublicKey;
use crate::time::Timestamp;
use crate::timeline::prose::People;

use super::contents::{
    Acceptance, Asked, BreakGlassTold, ChangeRow, CommitTold, CompletionTold, EntryTold, EvidenceRow,
    FarthestClaim, From, GrantRow, Period, PolicyRow, RecoveryTold, RedactionRow, Revocation, Who,
};

/// Collects what a report is about.
#[derive(Debug)]
pub struct Collector {
    asked: Asked,
    people: People,
    period: Period,
    /// Signatures in the period, by key.
    keys: HashMap<PublicKey, u64>,
    grants: Vec<GrantRow>,
    policies: Vec<PolicyRow>,
    /// The newest policy, to say what the next one changes.
    policy: Option<Policy>,
    /// By entry.
    changes: Vec<ChangeRow>,
    redacted: Vec<RedactionRow>,
    acceptances: BTreeMap<u64, Acceptance>,
    first_recorded_at: Option<Timestamp>,
}

/// What was collected.
#[derive(Debug)]
pub struct Collected {
    /// What was asked for.
    pub asked: Asked,
    /// Who holds which key.
    pub people: People,
    /// What was recorded in the period.
    pub period: Period,
    /// Who held which role then.
    pub grants: Vec<GrantRow>,
    /// Policies in force then.
    pub policies: Vec<PolicyRow>,
    /// The changes, by entry. What the verifier found of them, and what they cite, is still to be filled in.
    pub changes: Vec<ChangeRow>,
    /// Attachments that were redacted.
    pub redacted: Vec<RedactionRow>,
    /// Entries by which administrators accepted violations, of the whole log.
    pub acceptances: BTreeMap<u64, Acceptance>,
    /// When the first entry was recorded.
    pub first_recorded_at: Option<Timestamp>,
}

impl Collected {
    /// The change in an entry.
    #[must_use]
    pub fn change(&self, index: u64) -> Option<&ChangeRow> {
        let at = self.changes.binary_search_by_key(&index, |change| change.index).ok()?;
        Some(&self.changes[at])
    }
}

impl Collector {
    /// Collects what was asked for.
    #[must_use]
    pub fn new(asked: Asked) -> Self {
        let kinds = Kind::ALL.iter().map(|kind| (kind.as_str(), 0)).collect();
        Self {
            asked,
            people: People::default(),
            period: Period { kinds, ..Period::default() },
            keys: HashMap::new(),
            grants: Vec::new(),
            policies: Vec::new(),
            policy: None,
            changes: Vec::new(),
            redacted: Vec::new(),
            acceptances: BTreeMap::new(),
            first_recorded_at: None,
        }
    }

    /// What was collected.
    #[must_use]
    pub fn finish(self) -> Collected {
        let Self { asked, people, mut period, keys, mut grants, policies, changes, redacted, .. } = self;
        for grant in &mut grants {
            grant.signatures = keys.get(&grant.key).copied().unwrap_or(0);
        }
        grants.retain(|grant| asked.environment.as_ref().is_none_or(|place| grant.reaches(place)));
        let holders: BTreeSet<&Name> = keys.keys().filter_map(|key| people.person(key)).collect();
        (period.keys, period.people) = (keys.len() as u64, holders.len() as u64);
        Collected {
            asked,
            period,
            grants,
            policies,
            changes,
            redacted,
            acceptances: self.acceptances,
            first_recorded_at: self.first_recorded_at,
            people,
        }
    }
}

impl Onlooker for Collector {
    fn begin(&mut self) {
        *self = Self::new(self.asked.clone());
    }

    fn saw(&mut self, seen: &Seen<'_>, rows: &mut dyn Rows) {
        if seen.index == 0 {
            self.first_recorded_at = Some(seen.recorded_at);
        }
        let is_in_period = self.asked.takes_in(seen.recorded_at);
        if is_in_period {
            self.count(seen);
        }
        if seen.lawful != Some(false) {
            self.people.learn(seen.event);
            self.take_lawful(seen, is_in_period);
        }
        if is_in_period {
            self.take_change(seen, rows);
        }
    }
}

impl Collector {
    fn count(&mut self, seen: &Seen<'_>) {
        let period = &mut self.period;
        period.entries += 1;
        period.signatures += seen.signers.len() as u64;
        if period.first.is_none() {
            (period.first, period.first_recorded_at) = (Some(seen.index), Some(seen.recorded_at));
        }
        (period.last, period.last_recorded_at) = (Some(seen.index), Some(seen.recorded_at));
        *period.kinds.entry(seen.event.kind().as_str()).or_default() += 1;
        if let Basis::Observed { system, .. } = &seen.event.header.basis {
            match period.observed.get_mut(system.as_str()) {
                Some(count) => *count += 1,
                None => drop(period.observed.insert(system.to_string(), 1)),
            }
        }
        let behind_ms = seen.recorded_at.since_ms(seen.event.header.claimed_at);
        let farthest = period.farthest_claim.map_or(0, |farthest| farthest.behind_ms.abs());
        if behind_ms.abs() > farthest {
            period.farthest_claim = Some(FarthestClaim { index: seen.index, behind_ms });
        }
        if let Body::ModelEvaluated(b) = &seen.event.body {
            match b.outcome {
                EvaluationOutcome::Passed => period.evaluations_passed += 1,
                EvaluationOutcome::Failed => period.evaluations_failed += 1,
            }
        }
        for key in seen.signers {
            *self.keys.entry(*key).or_default() += 1;
        }
    }

    /// What an entry that the rules let through says of people, policies and of changes before it.
    fn take_lawful(&mut self, seen: &Seen<'_>, is_in_period: bool) {
        match &seen.event.body {
            Body::LedgerCreated(b) => self.take_founding(b, seen),
            Body::KeyGranted(b) => self.take_grant(b, seen),
            Body::KeyRevoked(b) => self.take_revocation(b, seen),
            Body::PolicySet(b) => self.take_policy(&b.policy, b.rules_version, b.reason.clone(), seen),
            Body::ChangeCompleted(b) => self.take_completion(b, seen),
            Body::EntryRatified(b) => match &b.ratification {
                Ratification::BreakGlass => {
                    let by = EntryTold::of(seen, &self.people);
                    if let Some(broken) =
                        self.change_mut(b.entry).and_then(|change| change.break_glass.as_mut())
                    {
                        broken.ratified = Some(by);
                    }
                }
                Ratification::Violations { .. } => {
                    let (entry, told) = (seen.index, Some(EntryTold::of(seen, &self.people)));
                    self.acceptances.insert(entry, Acceptance { entry, told, reason: b.reason.clone() });
                }
            },
            Body::AttachmentRedacted(b) if is_in_period => {
                let by = EntryTold::of(seen, &self.people);
                self.redacted.push(RedactionRow { by, digest: b.digest, reason: b.reason.clone() });
            }
            _ => {}
        }
    }

    fn take_founding(&mut self, body: &LedgerCreated, seen: &Seen<'_>) {
        for named in &body.administrators {
            let granted = EntryTold::of(seen, &self.people);
            self.grants.push(GrantRow {
                person: named.person.clone(),
                key: named.key,
                fingerprint: named.key.fingerprint().to_string(),
                roles: vec![Role::Admin.as_str()],
                environments: None,
                models: None,
                granted,
                valid_from: None,
                valid_until: None,
                revoked: None,
                signatures: 0,
            });
        }
        self.take_policy(&body.policy, body.rules_version, None, seen);
    }

    /// A grant that begins behind the period, or was over before it, is not told.
    fn take_grant(&mut self, body: &KeyGranted, seen: &Seen<'_>) {
        let begins_behind = self.asked.until.is_some_and(|until| seen.recorded_at >= until);
        let is_over = self.asked.since.zip(body.valid_until).is_some_and(|(since, until)| until <= since);
        if begins_behind || is_over {
            return;
        }
        let texts = |globs: &[crate::event::glob::Glob]| {
            Some(globs.iter().map(|glob| glob.as_str().to_owned()).collect())
        };
        self.grants.push(GrantRow {
            person: body.person.clone(),
            key: body.key,
            fingerprint: body.key.fingerprint().to_string(),
            roles: body.roles.iter().map(|role| role.as_str()).collect(),
            environments: texts(&body.scope.environments),
            models: texts(&body.scope.models),
            granted: EntryTold::of(seen, &self.people),
            valid_from: body.valid_from,
            valid_until: body.valid_until,
            revoked: None,
            signatures: 0,
        });
    }

    fn take_revocation(&mut self, body: &KeyRevoked, seen: &Seen<'_>) {
        if self.asked.since.is_some_and(|since| seen.recorded_at < since) {
            self.grants.retain(|grant| grant.key != body.key);
            return;
        }
        let by = EntryTold::of(seen, &self.people);
        for grant in self.grants.iter_mut().filter(|grant| grant.key == body.key) {
            grant.revoked = Some(Revocation {
                by: by.clone(),
                reason: body.reason.clone(),
                compromised_since: body.compromised_since,
            });
        }
    }

    fn take_policy(&mut self, policy: &Policy, rules_version: u32, reason: Option<Text>, seen: &Seen<'_>) {
        let changes = self.policy.as_ref().map(|old| meaning_of_change(old, policy));
        self.policy = Some(policy.clone());
        if let Some(before) = self.policies.last_mut() {
            before.replaced_at.get_or_insert(seen.recorded_at);
        }
        if self.asked.until.is_some_and(|until| seen.recorded_at >= until) {
            return;
        }
        if self.asked.since.is_some_and(|since| seen.recorded_at <= since) {
            self.policies.clear();
        }
        self.policies.push(PolicyRow {
            set: EntryTold::of(seen, &self.people),
            replaced_at: None,
            schema: policy.schema,
            rules_version,
            sha256: Hash::of(policy.text.as_str().as_bytes()),
            reason,
            changes,
            text: policy.text.to_string(),
        });
    }

    fn take_completion(&mut self, body: &ChangeCompleted, seen: &Seen<'_>) {
        let by = EntryTold::of(seen, &self.people);
        if let Some(change) = self.change_mut(body.change) {
            let (outcome, completed_at) = (body.outcome, body.completed_at);
            change.completion = Some(CompletionTold { by, outcome, completed_at });
        }
    }

    fn change_mut(&mut self, index: u64) -> Option<&mut ChangeRow> {
        let at = self.changes.binary_search_by_key(&index, |change| change.index).ok()?;
        Some(&mut self.changes[at])
    }

    fn take_change(&mut self, seen: &Seen<'_>, rows: &mut dyn Rows) {
        let Some(said) = Said::of(seen.event) else { return };
        if self.asked.environment.as_ref().is_some_and(|asked| asked != said.environment) {
            return;
        }
        let is_lawful = seen.lawful == Some(true);
        let version = said.version.map(|(version, _)| version);
        self.changes.push(ChangeRow {
            index: seen.index,
            leaf_hash: seen.leaf_hash,
            recorded_at: seen.recorded_at,
            claimed_at: seen.event.header.claimed_at,
            kind: seen.event.kind(),
            lawful: seen.lawful,
            environment: said.environment.clone(),
            model: said.model.clone(),
            version: version.cloned(),
            digest: said.version.map(|(_, digest)| digest),
            registered: version.and_then(|version| registered(said.model, version, rows)),
            from: said.from.map(|from| From { version: from.version.clone(), entry: from.entry }),
            by: Who::all(&self.people, &seen.event.header.proposer, seen.signers),
            people_needed: rows
                .policy()
                .map(|policy| policy.approvals(said.act, Some(said.environment), Some(said.model)).people),
            policy_entry: said.policy_entry,
            infra: said.infra.map(|infra| CommitTold {
                repository: infra.repository.clone(),
                commit: infra.commit.to_string(),
                tag: infra.tag.as_ref().map(|tag| tag.name.clone()),
            }),
            strategy: said.strategy,
            session_state: said.session_state,
            evidence: said.evidence.iter().map(|&entry| EvidenceRow { entry, says: None }).collect(),
            ticket: said.ticket.cloned(),
            reason: said.reason.cloned(),
            incident: said.incident.cloned(),
            completion: None,
            recovery: said.incident.filter(|_| is_lawful).map(|id| recovery(&said, id, seen.index, rows)),
            break_glass: said.is_break_glass.then(|| BreakGlassTold {
                due: due(seen.index, rows),
                ratified: None,
                is_overdue: false,
            }),
            findings: Vec::new(),
        });
    }
}

impl GrantRow {
    /// Whether it covers something in an environment. Administrators act on the whole ledger.
    fn reaches(&self, place: &EnvironmentName) -> bool {
        let covers = |glob: &String| {
            crate::event::glob::Glob::new(glob.clone()).is_ok_and(|glob| glob.matches(place.as_str()))
        };
        self.roles.contains(&Role::Admin.as_str())
            || self.environments.as_ref().is_none_or(|globs| globs.iter().any(covers))
    }
}

/// What the three kinds of change say alike.
struct Said<'a> {
    act: Act,
    environment: &'a EnvironmentName,
    model: &'a Name,
    version: Option<(&'a Name, Hash)>,
    from: Option<&'a Serving>,
    policy_entry: u64,
    infra: Option<&'a InfraCommit>,
    strategy: Option<crate::event::release::Strategy>,
    session_state: Option<crate::event::release::SessionState>,
    evidence: &'a [u64],
    ticket: Option<&'a Name>,
    reason: Option<&'a Text>,
    incident: Option<&'a Name>,
    is_break_glass: bool,
}

impl<'a> Said<'a> {
    fn of(event: &'a Event) -> Option<Self> {
        match &event.body {
            Body::ModelPromoted(body) => Some(Self::of_promotion(body)),
            Body::ModelRolledBack(body) => Some(Self::of_rollback(body)),
            Body::ModelWithdrawn(body) => Some(Self::of_withdrawal(body)),
            _ => None,
        }
    }

    fn of_promotion(body: &'a ModelPromoted) -> Self {
        Self {
            act: Act::Promote,
            environment: &body.environment,
            model: &body.model,
            version: Some((&body.version, body.digest)),
            from: body.from.as_ref(),
            policy_entry: body.policy_entry,
            infra: Some(&body.infra),
            strategy: body.strategy,
            session_state: None,
            evidence: &body.evidence,
            ticket: body.ticket.as_ref(),
            reason: body.reason.as_ref(),
            incident: None,
            is_break_glass: false,
        }
    }

    fn of_rollback(body: &'a ModelRolledBack) -> Self {
        Self {
            act: Act::Rollback,
            environment: &body.environment,
            model: &body.model,
            version: Some((&body.to, body.to_digest)),
            from: Some(&body.from),
            policy_entry: body.policy_entry,
            infra: Some(&body.infra),
            strategy: None,
            session_state: body.session_state,
            evidence: &body.validation,
            ticket: body.ticket.as_ref(),
            reason: Some(&body.reason),
            incident: body.incident.as_ref(),
            is_break_glass: body.break_glass,
        }
    }

    fn of_withdrawal(body: &'a ModelWithdrawn) -> Self {
        Self {
            act: Act::Withdraw,
            environment: &body.environment,
            model: &body.model,
            version: None,
            from: Some(&body.from),
            policy_entry: body.policy_entry,
            infra: body.infra.as_ref(),
            strategy: None,
            session_state: None,
            evidence: &[],
            ticket: body.ticket.as_ref(),
            reason: Some(&body.reason),
            incident: body.incident.as_ref(),
            is_break_glass: false,
        }
    }
}

/// What `new` changes in the meaning of `old`, a line each.
fn meaning_of_change(old: &Policy, new: &Policy) -> Vec<String> {
    match (ReleasePolicy::read(old), ReleasePolicy::read(new)) {
        (Ok(old), Ok(new)) => meaning_changed(&old, &new).iter().map(ToString::to_string).collect(),
        (Err(error), _) | (_, Err(error)) => vec![format!("the texts cannot be compared: {error}")],
    }
}

/// The entry that registers a version.
fn registered(model: &Name, version: &Name, rows: &mut dyn Rows) -> Option<u64> {
    match rows.row(&RowKey::Version(model.clone(), version.clone())) {
        Some(Row::Version(row)) => Some(row.entry),
        _ => None,
    }
}

/// From what a change recovers, and how fast it is to be; behind the change.
fn recovery(said: &Said<'_>, incident: &Name, change: u64, rows: &mut dyn Rows) -> RecoveryTold {
    let detected = match rows.row(&RowKey::Incident(incident.clone())) {
        Some(Row::Incident(open)) => open.places.iter().find_map(|place| {
            let is_there = place.environment == *said.environment
                && place.model.as_ref().is_none_or(|model| model == said.model);
            is_there.then_some((place.entry, place.recorded_at))
        }),
        _ => None,
    };
    let target_ms = match rows.row(&RowKey::Change(change)) {
        Some(Row::Change(open)) => open.recovery.as_ref().map(|recovery| recovery.target_ms),
        _ => None,
    };
    RecoveryTold {
        detected: detected.map(|(entry, _)| entry),
        detected_at: detected.map(|(_, at)| at),
        took_ms: None,
        target_ms,
        is_late: None,
    }
}

/// Until when a break-glass rollback may be ratified.
fn due(change: u64, rows: &mut dyn Rows) -> Option<Timestamp> {
    match rows.row(&RowKey::Owed) {
        Some(Row::Owed(owed)) => owed.rollbacks.iter().find(|one| one.entry == change).map(|one| one.due),
        _ => None,
    }
}
