//! Who may sign what: keys in force, roles and scopes, approvals by distinct people.
//!
//! Keys in force are those at the entry's own index and recorded time. One grant must cover role,
//! environment and model together: a role from one grant and a scope from another make nothing.

use crate::event::authority::Role;
use crate::event::text::{EnvironmentName, Name};
use crate::lifecycle::refusal::Refusal;
use crate::lifecycle::rules::{ApplyError, refuse};
use crate::lifecycle::state::{Holder, RowSource, State};
use crate::signing::public_key::PublicKey;
use crate::time::Timestamp;

/// What an act asks of those who sign it.
#[derive(Debug, Clone, Copy)]
pub struct Need<'a> {
    /// The proposer holds one of these.
    pub proposer: &'a [Role],
    /// Everyone else holds one of these.
    pub others: &'a [Role],
    /// Where it happens.
    pub place: Place<'a>,
    /// How many people, the proposer counted.
    pub people: u32,
}

/// Where an act happens. What it does not name, a scope need not cover.
#[derive(Debug, Clone, Copy, Default)]
pub struct Place<'a> {
    /// The environment.
    pub environment: Option<&'a EnvironmentName>,
    /// The model.
    pub model: Option<&'a Name>,
}

impl std::fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.model, self.environment) {
            (Some(model), Some(environment)) => write!(f, "model {model} in {environment}"),
            (Some(model), None) => write!(f, "model {model}"),
            (None, Some(environment)) => write!(f, "environment {environment}"),
            (None, None) => f.write_str("the ledger"),
        }
    }
}

/// Those who signed an event.
#[derive(Debug, Clone, Copy)]
pub struct Signers<'a> {
    /// The proposer's key, as the event names it.
    pub proposer: &'a PublicKey,
    /// Every key that signed, ascending.
    pub keys: &'a [PublicKey],
    /// When the entry is recorded.
    pub at: Timestamp,
}

/// Judges the signers of an event against what its act needs. Gives the people, the proposer first.
///
/// # Errors
/// The first [`Refusal`], the proposer judged before the others; or the source's error.
pub fn judge<S: RowSource>(
    state: &mut State<S>,
    signers: Signers<'_>,
    need: &Need<'_>,
) -> Result<Vec<Name>, ApplyError<S::Error>> {
    if !signers.keys.contains(signers.proposer) {
        return refuse(Refusal::ProposerNotSigned { key: *signers.proposer });
    }
    let proposer = judge_one(state, signers.proposer, signers.at, need.proposer, need.place)?;
    let mut people = vec![proposer];
    for key in signers.keys.iter().filter(|key| *key != signers.proposer) {
        let person = judge_one(state, key, signers.at, need.others, need.place)?;
        if person == people[0] {
            return refuse(Refusal::ApproverIsProposer { person });
        }
        if people.contains(&person) {
            return refuse(Refusal::ApproverTwice { person });
        }
        people.push(person);
    }
    let actual = u32::try_from(people.len()).expect("an envelope bears at most 16 signatures");
    if actual < need.people {
        return refuse(Refusal::ApprovalsMissing { needed: need.people, actual });
    }
    Ok(people)
}

/// Judges one signer; gives the person.
fn judge_one<S: RowSource>(
    state: &mut State<S>,
    key: &PublicKey,
    at: Timestamp,
    roles: &[Role],
    place: Place<'_>,
) -> Result<Name, ApplyError<S::Error>> {
    let Some(holder) = state.holder(key)? else {
        return refuse(Refusal::SignerUnknown { key: *key });
    };
    let person = || holder.person.clone();
    if let Some(entry) = holder.revoked {
        return refuse(Refusal::SignerRevoked { person: person(), key: *key, entry });
    }
    if !holder.grants.iter().any(|grant| grant.in_force(at)) {
        return refuse(Refusal::SignerNotInForce { person: person(), key: *key, at });
    }
    if !holds(&holder, at, roles, None) {
        return refuse(Refusal::SignerLacksRole { person: person(), key: *key, needed: either(roles) });
    }
    if !holds(&holder, at, roles, Some(place)) {
        let (needed, place) = (either(roles), place.to_string());
        return refuse(Refusal::SignerOutOfScope { person: person(), key: *key, needed, place });
    }
    Ok(person())
}

/// Whether at `at` some grant of the holder's, in whichever role, covers `place`. Whether the key is revoked is not asked.
#[must_use]
pub fn is_granted_at(holder: &Holder, at: Timestamp, place: Place<'_>) -> bool {
    holds(holder, at, Role::ALL, Some(place))
}

/// Whether one grant in force gives one of `roles`, and covers `place` where one is given.
fn holds(holder: &Holder, at: Timestamp, roles: &[Role], place: Option<Place<'_>>) -> bool {
    holder.grants.iter().filter(|grant| grant.in_force(at)).any(|grant| {
        let covers = |place: Place<'_>| match &grant.scope {
            None => place.environment.is_none() && place.model.is_none(),
            Some(scope) => {
                place
                    .environment
                    .is_none_or(|name| scope.environments.iter().any(|g| g.matches(name.as_str())))
                    && place.model.is_none_or(|name| scope.models.iter().any(|g| g.matches(name.as_str())))
            }
        };
        grant.roles.iter().any(|role| roles.contains(role)) && place.is_none_or(covers)
    })
}

fn either(roles: &[Role]) -> String {
    roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(" or ")
}

/// How many distinct people hold the role `admin` at `at`, leaving out the key `without`.
///
/// # Errors
/// The source's.
pub fn administrators<S: RowSource>(
    state: &mut State<S>,
    at: Timestamp,
    without: Option<&PublicKey>,
) -> Result<u32, S::Error> {
    let keys = state.charter()?.map(|charter| charter.administrator_keys.clone()).unwrap_or_default();
    let mut people = Vec::new();
    for key in keys.iter().filter(|key| Some(*key) != without) {
        let Some(holder) = state.holder(key)? else { continue };
        if holder.revoked.is_none() && holds(&holder, at, &[Role::Admin], None) {
            people.push(holder.person.clone());
        }
    }
    people.sort();
    people.dedup();
    Ok(u32::try_from(people.len()).unwrap_or(u32::MAX))
}
