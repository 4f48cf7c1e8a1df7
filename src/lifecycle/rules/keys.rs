//! Rules of keys and policy: who may do what from here on.

use std::sync::Arc;

use crate::event::authority::{KeyGranted, KeyRevoked, PolicySet, Role};
use crate::lifecycle::authority::administrators;
use crate::lifecycle::policy::ReleasePolicy;
use crate::lifecycle::refusal::Refusal;
use crate::lifecycle::state::{Charter, GRANTS_MAX, Grant, Holder, Row, RowKey, RowSource};

use super::{Judge, Outcome, RULES_VERSION, Rows, check_key, check_schema, refuse};

impl<S: RowSource> Judge<'_, S> {
    pub(super) fn grant_key(&mut self, body: &KeyGranted) -> Outcome<Rows, S> {
        self.signed_by_administrators()?;
        let KeyGranted { person, key, roles, scope, valid_from, valid_until } = body;
        if roles.is_empty() {
            return refuse(Refusal::RolesMissing);
        }
        if let (Some(from), Some(until)) = (*valid_from, *valid_until)
            && from >= until
        {
            return refuse(Refusal::ValidityEmpty { from, until });
        }
        check_key(*key, self.charter.log_key)?;
        let mut holder = match self.state.holder(key)? {
            None => Holder { person: person.clone(), grants: Vec::new(), revoked: None },
            Some(holder) => (*holder).clone(),
        };
        if let Some(entry) = holder.revoked {
            return refuse(Refusal::KeyWasRevoked { key: *key, entry });
        }
        if holder.person != *person {
            let (holder, person) = (holder.person, person.clone());
            return refuse(Refusal::KeyOfAnother { key: *key, holder, person });
        }
        if holder.grants.len() == GRANTS_MAX {
            return refuse(Refusal::GrantsTooMany { key: *key, max: GRANTS_MAX });
        }
        holder.grants.push(Grant {
            entry: self.act.index,
            roles: roles.to_vec(),
            scope: Some(scope.clone()),
            valid_from: *valid_from,
            valid_until: *valid_until,
        });
        let mut rows = vec![(RowKey::Holder(*key), Some(Row::Holder(Arc::new(holder))))];
        if roles.contains(&Role::Admin)
            && let Err(place) = self.charter.administrator_keys.binary_search(key)
        {
            let mut charter = (*self.charter).clone();
            charter.administrator_keys.insert(place, *key);
            rows.push((RowKey::Charter, Some(Row::Charter(Arc::new(charter)))));
        }
        Ok(rows)
    }

    pub(super) fn revoke_key(&mut self, body: &KeyRevoked) -> Outcome<Rows, S> {
        self.signed_by_administrators()?;
        let key = body.key;
        let Some(holder) = self.state.holder(&key)? else {
            return refuse(Refusal::KeyUnknown { key });
        };
        if let Some(entry) = holder.revoked {
            return refuse(Refusal::KeyWasRevoked { key, entry });
        }
        if let Some(entry) = body.compromised_since.filter(|&entry| entry > self.act.index) {
            return refuse(Refusal::EntryUnknown { entry });
        }
        let holder = Holder { revoked: Some(self.act.index), ..(*holder).clone() };
        let mut rows = vec![(RowKey::Holder(key), Some(Row::Holder(Arc::new(holder))))];
        if let Ok(place) = self.charter.administrator_keys.binary_search(&key) {
            let remaining = administrators(self.state, self.act.recorded_at, Some(&key))?;
            let threshold = self.policy.threshold();
            if remaining < threshold {
                return refuse(Refusal::TooFewAdministrators { threshold, remaining });
            }
            let mut charter = (*self.charter).clone();
            charter.administrator_keys.remove(place);
            rows.push((RowKey::Charter, Some(Row::Charter(Arc::new(charter)))));
        }
        Ok(rows)
    }

    pub(super) fn set_policy(&mut self, body: &PolicySet) -> Outcome<Rows, S> {
        self.signed_by_administrators()?;
        self.under_policy(body.replaces)?;
        if body.rules_version > RULES_VERSION {
            return refuse(Refusal::RulesUnknown { version: body.rules_version });
        }
        if body.rules_version < self.charter.rules_version {
            let (version, current) = (body.rules_version, self.charter.rules_version);
            return refuse(Refusal::RulesOlder { version, current });
        }
        let policy =
            ReleasePolicy::read(&body.policy).or_else(|error| refuse(Refusal::PolicyInvalid { error }))?;
        check_schema(&policy, body.rules_version)?;
        let administrators = administrators(self.state, self.act.recorded_at, None)?;
        if policy.threshold() > administrators {
            return refuse(Refusal::ThresholdUnreachable { threshold: policy.threshold(), administrators });
        }
        let charter = Charter {
            rules_version: body.rules_version,
            policy_entry: self.act.index,
            policy: body.policy.clone(),
            ..(*self.charter).clone()
        };
        Ok(vec![(RowKey::Charter, Some(Row::Charter(Arc::new(charter))))])
    }
}
