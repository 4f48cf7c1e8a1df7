//! Whether the people of a ledger can do what a policy asks of them.
//!
//! What nobody could fulfil is named, not refused: the keys may be granted tomorrow. Patterns are
//! taken at their best, i.e. a grant counts for an environment or model block if some name fits both;
//! registered models are looked at one by one.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::event::authority::Role;
use crate::event::glob::Glob;
use crate::event::text::Name;
use crate::lifecycle::state::{Grant, Holder};
use crate::signing::public_key::PublicKey;
use crate::time::Timestamp;

use super::settings::place_text;
use super::{
    APPROVERS, Act, Environment, EvaluationNeed, Layer, ModelBlock, ReleasePolicy, approvals_of,
    promotion_of, rollback_of,
};

/// The most model names that one warning spells out.
const MODELS_SHOWN_MAX: usize = 3;

/// Something that a policy asks for and nobody could fulfil now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Misfit {
    /// The environment, as the policy names it.
    pub environment: Option<Glob>,
    /// The model block in it.
    pub model: Option<Glob>,
    /// The registered models that it is about, where it is about some alone.
    pub models: Vec<Name>,
    /// What is lacking.
    #[serde(flatten)]
    pub lack: Lack,
}

/// What is lacking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "lack", rename_all = "snake_case")]
pub enum Lack {
    /// Every administrator is needed: the loss of one key locks all of them out.
    SpareAdministrator {
        /// The threshold.
        threshold: u32,
    },
    /// Nobody may propose an act.
    Proposer {
        /// The act.
        act: Act,
        /// The roles of which one is needed.
        roles: Vec<Role>,
    },
    /// An act needs more approvals than people could give.
    Approvers {
        /// The act.
        act: Act,
        /// How many approvals, beyond the proposer.
        needed: u32,
        /// The roles of which one is needed.
        roles: Vec<Role>,
        /// Who holds one there.
        holders: Vec<Name>,
        /// Whether one of them would have to propose, for nobody else can.
        one_proposes: bool,
    },
    /// A passed evaluation is needed, and nobody may record one.
    Evaluator {
        /// What needs it.
        act: Act,
        /// Which evaluations.
        evaluations: Vec<String>,
    },
    /// A rollback needs an open incident, and nobody may open one.
    IncidentOpener,
    /// Nobody holds a role that may break the glass.
    GlassBreaker {
        /// The roles of which one is needed.
        roles: Vec<Role>,
    },
    /// Nobody could ratify what was done behind broken glass.
    Ratifier,
}

/// A grant that is in force, and whose it is.
struct Held<'a> {
    person: &'a Name,
    grant: &'a Grant,
}

/// Some models at a place of the policy, all of which the same grants cover.
struct Site<'a> {
    environment: Option<&'a Environment>,
    block: Option<&'a ModelBlock>,
    /// The model, or a pattern; none: any.
    model: Option<Glob>,
    /// The registered models it stands for.
    registered: Vec<Name>,
}

/// What `policy` asks for that nobody of `holders` could fulfil at `at`, for the registered `models`
/// and for those to come.
#[must_use]
pub fn misfits<'a>(
    policy: &ReleasePolicy,
    holders: impl IntoIterator<Item = (&'a PublicKey, &'a Holder)>,
    models: &[Name],
    at: Timestamp,
) -> Vec<Misfit> {
    let keys = holders.into_iter().map(|(_, holder)| holder).filter(|holder| holder.revoked.is_none());
    let grants =
        keys.flat_map(|holder| holder.grants.iter().map(|grant| Held { person: &holder.person, grant }));
    let people = People(grants.filter(|held| held.grant.in_force(at)).collect());
    let mut misfits = Vec::new();
    let administrators = people.with(&[Role::Admin], |_| true).len();
    if administrators <= policy.threshold as usize {
        let lack = Lack::SpareAdministrator { threshold: policy.threshold };
        misfits.push(Misfit { environment: None, model: None, models: Vec::new(), lack });
    }
    for site in sites(policy, &people, models) {
        let layers = policy.layers_of(site.environment, site.block);
        let lacks = if site.environment.is_some() {
            lacks_in(&people, &site, &layers)
        } else {
            lacks_outside(&people, &site, &layers)
        };
        misfits.extend(lacks.into_iter().map(|lack| site.misfit(lack)));
    }
    misfits
}

fn sites<'a>(policy: &'a ReleasePolicy, people: &People<'_>, models: &[Name]) -> Vec<Site<'a>> {
    let mut sites = sites_of(people, None, None, models.iter());
    for environment in &policy.environments {
        for block in &environment.models {
            let here = models
                .iter()
                .filter(|model| environment.model(model).is_some_and(|b| std::ptr::eq(b, block)));
            sites.extend(sites_of(people, Some(environment), Some(block), here));
        }
        let rest: Vec<_> = models.iter().filter(|model| environment.model(model).is_none()).collect();
        if !rest.is_empty() || models.is_empty() {
            sites.extend(sites_of(people, Some(environment), None, rest.into_iter()));
        }
    }
    sites
}

/// One site for each group of `models` that the same grants cover; where there are none, one for the
/// block's pattern, or for any model.
fn sites_of<'a, 'm>(
    people: &People<'_>,
    environment: Option<&'a Environment>,
    block: Option<&'a ModelBlock>,
    models: impl Iterator<Item = &'m Name>,
) -> Vec<Site<'a>> {
    let mut groups: BTreeMap<Vec<bool>, Vec<Name>> = BTreeMap::new();
    for model in models {
        groups.entry(people.covering(model)).or_default().push(model.clone());
    }
    let site = |model, registered| Site { environment, block, model, registered };
    if groups.is_empty() {
        return vec![site(block.map(|block| block.name.clone()), Vec::new())];
    }
    let of_group = |registered: Vec<Name>| site(Glob::new(registered[0].as_str()).ok(), registered);
    groups.into_values().map(of_group).collect()
}

/// Registering and retiring, and whatever else is approved at the top level.
fn lacks_outside(people: &People<'_>, site: &Site<'_>, layers: &[&Layer]) -> Vec<Lack> {
    let mut lacks: Vec<Lack> = proposer_lacks(people, site, Act::Register).into_iter().collect();
    for act in [Act::Register, Act::Evaluate, Act::Retire] {
        lacks.extend(approver_lacks(people, site, layers, act));
    }
    lacks
}

fn lacks_in(people: &People<'_>, site: &Site<'_>, layers: &[&Layer]) -> Vec<Lack> {
    let mut lacks = Vec::new();
    for act in Act::ALL.iter().copied().filter(|act| act.has_environment()) {
        if matches!(act, Act::Promote | Act::Rollback) {
            lacks.extend(proposer_lacks(people, site, act));
        }
        lacks.extend(approver_lacks(people, site, layers, act));
    }
    let evaluations: Vec<_> =
        promotion_of(layers).evaluations.iter().map(EvaluationNeed::to_string).collect();
    let nobody_evaluates = people.with(&[Role::Evaluator], |grant| site.covers_model(grant)).is_empty();
    if !evaluations.is_empty() && nobody_evaluates {
        lacks.push(Lack::Evaluator { act: Act::Promote, evaluations });
    }
    let rollback = rollback_of(layers);
    if rollback.shadow && nobody_evaluates {
        lacks.push(Lack::Evaluator { act: Act::Rollback, evaluations: vec!["shadow".into()] });
    }
    if rollback.incident && people.at(site, Act::Incident.proposers()).is_empty() {
        lacks.push(Lack::IncidentOpener);
    }
    if let Some(glass) = rollback.break_glass {
        let may = people.at(site, &glass.roles);
        let ratifiers = people.at(site, APPROVERS);
        let somebody_else = |person: &&Name| ratifiers.iter().any(|ratifier| ratifier != person);
        if may.is_empty() {
            lacks.push(Lack::GlassBreaker { roles: glass.roles.clone() });
        } else if !may.iter().any(somebody_else) {
            lacks.push(Lack::Ratifier);
        }
    }
    lacks
}

fn proposer_lacks(people: &People<'_>, site: &Site<'_>, act: Act) -> Option<Lack> {
    let roles = act.proposers();
    people.at(site, roles).is_empty().then(|| Lack::Proposer { act, roles: roles.to_vec() })
}

/// Approvers are people other than the proposer: where only approvers could propose, one of them is
/// not to be counted.
fn approver_lacks(people: &People<'_>, site: &Site<'_>, layers: &[&Layer], act: Act) -> Option<Lack> {
    let approvals = approvals_of(layers, act);
    let needed = approvals.people - 1;
    let (proposers, holders) = (people.at(site, act.proposers()), people.at(site, approvals.roles));
    let one_proposes = !proposers.is_empty() && proposers.iter().all(|person| holders.contains(person));
    let available = holders.len() - usize::from(one_proposes);
    (available < needed as usize).then(|| Lack::Approvers {
        act,
        needed,
        roles: approvals.roles.to_vec(),
        holders: holders.into_iter().cloned().collect(),
        one_proposes,
    })
}

/// Grants in force.
struct People<'a>(Vec<Held<'a>>);

impl<'a> People<'a> {
    /// The distinct people with a grant of one of `roles` that `covers` accepts, by name.
    fn with(&self, roles: &[Role], covers: impl Fn(&Grant) -> bool) -> Vec<&'a Name> {
        let has_role = |held: &&Held<'_>| held.grant.roles.iter().any(|role| roles.contains(role));
        let held = self.0.iter().filter(has_role).filter(|held| covers(held.grant));
        let mut names: Vec<&Name> = held.map(|held| held.person).collect();
        names.sort();
        names.dedup();
        names
    }

    fn at(&self, site: &Site<'_>, roles: &[Role]) -> Vec<&'a Name> {
        self.with(roles, |grant| site.covers_environment(grant) && site.covers_model(grant))
    }

    /// Which of the grants cover the model.
    fn covering(&self, model: &Name) -> Vec<bool> {
        let covers = |held: &Held<'_>| {
            held.grant
                .scope
                .as_ref()
                .is_some_and(|scope| scope.models.iter().any(|g| g.matches(model.as_str())))
        };
        self.0.iter().map(covers).collect()
    }
}

impl Site<'_> {
    fn covers_environment(&self, grant: &Grant) -> bool {
        let Some(environment) = self.environment else { return true };
        grant
            .scope
            .as_ref()
            .is_some_and(|scope| scope.environments.iter().any(|g| g.meets(&environment.name)))
    }

    fn covers_model(&self, grant: &Grant) -> bool {
        let meets = |globs: &[Glob]| match &self.model {
            Some(model) => globs.iter().any(|glob| glob.meets(model)),
            None => !globs.is_empty(),
        };
        grant.scope.as_ref().is_some_and(|scope| meets(&scope.models))
    }

    fn misfit(&self, lack: Lack) -> Misfit {
        Misfit {
            environment: self.environment.map(|environment| environment.name.clone()),
            model: self.block.map(|block| block.name.clone()),
            models: self.registered.clone(),
            lack,
        }
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = place_text(self.environment.as_ref(), self.model.as_ref()) {
            write!(f, "{place}")?;
            f.write_str(if self.models.is_empty() { ": " } else { ", " })?;
        }
        if !self.models.is_empty() {
            let shown: Vec<_> = self.models.iter().take(MODELS_SHOWN_MAX).map(Name::as_str).collect();
            f.write_str(&shown.join(", "))?;
            match self.models.len().saturating_sub(MODELS_SHOWN_MAX) {
                0 => f.write_str(": ")?,
                more => write!(f, " and {more} more: ")?,
            }
        }
        write!(f, "{}", self.lack)
    }
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let either = |roles: &[Role]| roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(" or ");
        match self {
            Self::SpareAdministrator { threshold } => write!(
                f,
                "administrators: {threshold} must sign, and there are no more: if one key is lost, keys and policy can never be changed again"
            ),
            Self::Proposer { act, roles } => {
                write!(f, "{act}: nobody can propose it: no key in force holds the role {}", either(roles))
            }
            Self::Approvers { act, needed, roles, holders, one_proposes } => {
                let held = match holders.as_slice() {
                    [] => "nobody holds it".to_owned(),
                    holders => {
                        let names: Vec<_> = holders.iter().map(Name::as_str).collect();
                        let count = if names.len() == 1 { "only 1 person holds" } else { "these hold" };
                        format!("{count} it: {}", names.join(", "))
                    }
                };
                let proposes = if *one_proposes { ", and one of them must propose" } else { "" };
                write!(f, "{act}: needs {needed} approval(s) by {}, and {held}{proposes}", either(roles))
            }
            Self::Evaluator { act, evaluations } => write!(
                f,
                "{act}: needs passed evaluations ({}), and nobody holds the role evaluator",
                evaluations.join(", ")
            ),
            Self::IncidentOpener => {
                f.write_str("rollback: needs an open incident, and nobody holds the role responder")
            }
            Self::GlassBreaker { roles } => {
                write!(
                    f,
                    "rollback.break_glass: nobody can break it: no key in force holds the role {}",
                    either(roles)
                )
            }
            Self::Ratifier => f.write_str(
                "rollback.break_glass: nobody could ratify it: no other person holds the role approver",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::authority::Scope;
    use crate::event::list::Ascending;
    use crate::signing::key_file::SecretKey;
    use crate::time::DAY_MS;

    const HEAD: &str = "schema = 2\nadministrators.threshold = 1\n";
    /// Half of the day that grants are valid for.
    const NOON: i64 = 12;

    /// Who holds which roles, for which environments and models.
    type Member = (&'static str, &'static [Role], &'static str, &'static str);

    fn holders(staff: &[Member]) -> Vec<(PublicKey, Holder)> {
        let globs = |text: &str| -> Ascending<Glob, 64> {
            let globs = text.split_whitespace().map(|glob| Glob::new(glob).expect("valid"));
            Ascending::sort(globs.collect()).expect("few")
        };
        let holder = |(number, (person, roles, environments, models)): (u8, &Member)| {
            let scope = Scope { environments: globs(environments), models: globs(models) };
            let valid_until = Timestamp::from_millis(DAY_MS).ok();
            let (entry, roles, scope) = (1, roles.to_vec(), Some(scope));
            let grant = Grant { entry, roles, scope, valid_from: None, valid_until };
            let person = Name::new(*person).expect("valid");
            (
                SecretKey::from_seed(&[number; 32]).public_key(),
                Holder { person, grants: vec![grant], revoked: None },
            )
        };
        (1..).zip(staff).map(holder).collect()
    }

    fn told_at(policy: &str, staff: &[Member], models: &[&str], hour: i64) -> Vec<String> {
        let policy = ReleasePolicy::parse(&format!("{HEAD}{policy}")).expect("a policy");
        let models: Vec<_> = models.iter().map(|model| Name::new(*model).expect("valid")).collect();
        let holders = holders(staff);
        let at = Timestamp::from_millis(hour * 3_600_000).expect("in range");
        let misfits = misfits(&policy, holders.iter().map(|(key, holder)| (key, holder)), &models, at);
        misfits.iter().map(ToString::to_string).collect()
    }

    fn told(policy: &str, staff: &[Member], models: &[&str]) -> Vec<String> {
        told_at(policy, staff, models, NOON)
    }

    const ADMINS: [Member; 2] = [("ada", &[Role::Admin], "*", "*"), ("ben", &[Role::Admin], "*", "*")];
    const REGISTRAR: Member = ("rita", &[Role::Registrar], "*", "*");
    const DEPLOYER: Member = ("dan", &[Role::Deployer], "*", "*");
    const APPROVER: Member = ("abe", &[Role::Approver], "*", "*");
    const LIVE: &str = "[[environment]]\nname = 'live'\n";

    fn staff(others: &[Member]) -> Vec<Member> {
        ADMINS.iter().chain(&[REGISTRAR]).chain(others).copied().collect()
    }

    #[test]
    fn a_policy_that_its_people_can_fulfil_is_met_with_silence() {
        let policy = format!("{LIVE}promote.approvals = 1\n");
        assert_eq!(told(&policy, &staff(&[DEPLOYER, APPROVER]), &[]), [""; 0]);
        assert_eq!(told(&policy, &staff(&[DEPLOYER, APPROVER]), &["scorer", "ranker"]), [""; 0]);
    }

    #[test]
    fn too_few_approvers_are_named() {
        let policy = format!("{LIVE}promote.approvals = 2\n");
        let second_key = ("abe", &[Role::Approver][..], "*", "*");
        assert_eq!(
            told(&policy, &staff(&[DEPLOYER, APPROVER, second_key]), &[]),
            ["environment live: promote: needs 2 approval(s) by approver, and only 1 person holds it: abe"]
        );
        let elsewhere = ("amy", &[Role::Approver][..], "staging", "*");
        assert_eq!(told(&policy, &staff(&[DEPLOYER, APPROVER, elsewhere]), &[]).len(), 1);
        let there = ("amy", &[Role::Approver][..], "li*", "*");
        assert_eq!(told(&policy, &staff(&[DEPLOYER, APPROVER, there]), &[]), [""; 0]);
        let both = ("amy", &[Role::Approver, Role::Deployer][..], "*", "*");
        assert_eq!(
            told(&policy, &staff(&[APPROVER, both]), &[]),
            [
                "environment live: promote: needs 2 approval(s) by approver, and these hold it: abe, amy, and one of them must propose"
            ]
        );
        assert_eq!(told(&policy, &staff(&[APPROVER, both, DEPLOYER]), &[]), [""; 0]);
    }

    #[test]
    fn registered_models_are_looked_at_one_by_one() {
        let policy = format!(
            "{LIVE}promote.approvals = 1\n[[environment.model]]\nname = 'credit-*'\npromote.approvals = 2\n"
        );
        let credit = ("amy", &[Role::Approver][..], "*", "credit-a");
        let people = staff(&[DEPLOYER, APPROVER, credit]);
        assert_eq!(told(&policy, &people, &[]), [""; 0], "some model of the block could be promoted");
        assert_eq!(
            told(&policy, &people, &["credit-a", "credit-b", "credit-c", "credit-d", "credit-e", "other"]),
            [
                "environment live, model credit-*, credit-b, credit-c, credit-d and 1 more: promote: needs 2 approval(s) by approver, and only 1 person holds it: abe"
            ]
        );
    }

    #[test]
    fn whatever_else_is_lacking_is_named() {
        let evaluator = ("eva", &[Role::Evaluator][..], "*", "*");
        let responder = ("rob", &[Role::Responder][..], "*", "*");
        let evaluated = format!(
            "{LIVE}promote.evaluations = [{{ kind = 'fairness', suite = 's' }}, {{ kind = 'judge' }}]\nrollback.shadow = true\n"
        );
        assert_eq!(
            told(&evaluated, &staff(&[DEPLOYER]), &[]),
            [
                "environment live: promote: needs passed evaluations (fairness by s, judge), and nobody holds the role evaluator",
                "environment live: rollback: needs passed evaluations (shadow), and nobody holds the role evaluator",
            ]
        );
        assert_eq!(told(&evaluated, &staff(&[DEPLOYER, evaluator]), &[]), [""; 0]);
        let glass = format!(
            "{LIVE}rollback.incident = true\nrollback.break_glass = {{ roles = ['responder'], ratify_within = '1d' }}\n"
        );
        assert_eq!(
            told(&glass, &staff(&[DEPLOYER]), &[]),
            [
                "environment live: rollback: needs an open incident, and nobody holds the role responder",
                "environment live: rollback.break_glass: nobody can break it: no key in force holds the role responder",
            ]
        );
        assert_eq!(
            told(&glass, &staff(&[DEPLOYER, responder]), &[]),
            [
                "environment live: rollback.break_glass: nobody could ratify it: no other person holds the role approver"
            ]
        );
        assert_eq!(told(&glass, &staff(&[DEPLOYER, responder, APPROVER]), &[]), [""; 0]);
        assert_eq!(
            told(LIVE, &ADMINS, &[]),
            [
                "register: nobody can propose it: no key in force holds the role registrar",
                "environment live: promote: nobody can propose it: no key in force holds the role deployer",
                "environment live: rollback: nobody can propose it: no key in force holds the role deployer or responder",
            ]
        );
    }

    #[test]
    fn grants_count_while_they_are_in_force() {
        let policy = format!("{LIVE}promote.approvals = 1\n");
        let people = staff(&[DEPLOYER, APPROVER]);
        assert_eq!(told_at(&policy, &people, &[], 12), [""; 0]);
        assert_eq!(told_at(&policy, &people, &[], 24).len(), 5, "nobody may do anything");
    }

    #[test]
    fn administrators_without_one_to_spare_are_warned() {
        let told = told(LIVE, &[ADMINS[0], REGISTRAR, DEPLOYER], &[]);
        assert!(
            matches!(&told[..], [one] if one.starts_with("administrators: 1 must sign, and there are no more"))
        );
    }
}
