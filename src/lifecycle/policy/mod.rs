//! The release policy: which environments exist, and what each act in them needs, i.e. people,
//! order, evidence (docs/policy.md).
//!
//! A policy is TOML under one of three schemas; all are read into one [`ReleasePolicy`]. Its keys lie in layers: what a model's block says goes before what its
//! environment says, that before the top level, that before the default.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;

use crate::event::authority::{Policy, Role};
use crate::event::glob::Glob;
use crate::event::model::EvaluationKind;
use crate::event::text::{EnvironmentName, Name, PolicyText};
use crate::lifecycle::policy::git::GitRules;
use crate::lifecycle::policy::section::Fault;
use crate::time::MINUTE_MS;
use crate::words::words;

pub mod fitness;
pub mod git;
mod schema_1;
mod schema_2;
pub mod section;
pub mod settings;

/// The schema of policy texts that this program writes. It reads those before it, too.
pub const POLICY_SCHEMA: u32 = 3;
/// The most people that an act can need: an envelope bears 16 signatures.
const PEOPLE_MAX: u32 = 16;
/// How fast a rollback is, unless the policy says otherwise.
const TARGET_MS: i64 = 5 * MINUTE_MS;
/// Who approves, unless the policy says otherwise.
const APPROVERS: &[Role] = &[Role::Approver];

/// Why a text is no release policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Written for a later schema.
    #[error("the policy has schema {schema}; this program reads schemas 1 to {POLICY_SCHEMA}: upgrade it")]
    NewerSchema {
        /// The schema found.
        schema: u32,
    },
    /// Not TOML; or, in schema 1, a key is unknown, missing or of another type.
    #[error("the policy cannot be read: {0}")]
    Unreadable(String),
    /// Schema 1: an environment stands twice.
    #[error("environment `{0}` stands twice in the policy")]
    EnvironmentTwice(EnvironmentName),
    /// Schema 1: `after` names what does not stand above.
    #[error("environment `{environment}` comes after `{after}`, which does not stand above it in the policy")]
    AfterUnknown {
        /// The environment.
        environment: EnvironmentName,
        /// What it is to come after.
        after: String,
    },
    /// Schema 1: a number of signers outside 1 to 16.
    #[error("`{what}` needs {count} signers: 1 to {PEOPLE_MAX} are possible")]
    SignersOutOfRange {
        /// The key in the policy.
        what: String,
        /// The number found.
        count: u32,
    },
    /// Schemas 2 and 3: something is wrong at a place in the text.
    #[error("line {line}, {place}: {fault}")]
    At {
        /// The line, counted from 1.
        line: usize,
        /// The table, as people write and name it.
        place: String,
        /// What is wrong there.
        fault: Fault,
    },
}

words! {
    /// Acts for which a policy says how many people sign.
    Act, "an act" {
        /// `model.registered`.
        Register = "register",
        /// `model.promoted`.
        Promote = "promote",
        /// `model.rolledback`.
        Rollback = "rollback",
        /// `model.withdrawn`.
        Withdraw = "withdraw",
        /// `change.completed`.
        Complete = "complete",
        /// `model.retired`.
        Retire = "retire",
        /// `note.added`.
        Note = "note",
        /// `model.evaluated`.
        Evaluate = "evaluate",
        /// `model.drift.detected`.
        Drift = "drift",
        /// `incident.detected` and `incident.resolved`.
        Incident = "incident",
    }
}

impl Act {
    /// The roles of which its proposer holds one.
    #[must_use]
    pub const fn proposers(self) -> &'static [Role] {
        match self {
            Self::Register | Self::Retire => &[Role::Registrar],
            Self::Promote => &[Role::Deployer],
            Self::Rollback | Self::Withdraw | Self::Complete => &[Role::Deployer, Role::Responder],
            Self::Evaluate | Self::Drift => &[Role::Evaluator],
            Self::Incident => &[Role::Responder],
            Self::Note => Role::ALL,
        }
    }
}

/// A policy that was read and makes sense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleasePolicy {
    schema: u32,
    /// 1 to 16.
    threshold: u32,
    general: Layer,
    /// In the policy's order: the first whose name matches counts.
    environments: Vec<Environment>,
    git: GitRules,
}

/// Environments as the policy describes them: one, or all that a glob matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    name: Glob,
    keys: Layer,
    /// In the policy's order: the first whose name matches counts.
    models: Vec<ModelBlock>,
}

/// What an environment says of some models.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ModelBlock {
    name: Glob,
    keys: Layer,
}

/// What one place of the policy says; none where it says nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Layer {
    acts: BTreeMap<Act, ActKeys>,
    after: Option<Vec<EnvironmentName>>,
    served_for_ms: Option<i64>,
    evaluations: Option<Vec<EvaluationNeed>>,
    promote_git: GitKeys,
    rollback_git: GitKeys,
    target_ms: Option<i64>,
    incident: Option<bool>,
    drain: Option<bool>,
    shadow: Option<bool>,
    break_glass: Option<BreakGlassKey>,
}

/// What stands under an act about the infra commit that brings it about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct GitKeys {
    signed_tag: Option<bool>,
    signed_commit: Option<bool>,
    manifest: Option<bool>,
}

/// What stands under each act.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct ActKeys {
    /// People beyond the proposer, 0 to 15.
    approvals: Option<u32>,
    /// Not empty, none twice.
    roles: Option<Vec<Role>>,
}

/// `break_glass` where it is said: who may, or that nobody may.
#[derive(Debug, Clone, PartialEq, Eq)]
enum BreakGlassKey {
    Nobody,
    Allowed(BreakGlass),
}

/// How many people sign an act, and who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Approvals<'a> {
    /// How many people, the proposer counted: 1 to 16.
    pub people: u32,
    /// Each of those beyond the proposer holds one of these.
    pub roles: &'a [Role],
}

/// What a promotion needs beside its signers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PromotionRules<'a> {
    /// Environments that the digest must have served before.
    pub after: &'a [EnvironmentName],
    /// For how long, in each of them; 0 where nothing is said.
    pub served_for_ms: i64,
    /// Evaluations that must stand passed for the digest.
    pub evaluations: &'a [EvaluationNeed],
    /// What the infra commit must bear.
    pub git: GitNeeds,
}

/// What the infra commit of a change must bear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GitNeeds {
    /// A signed tag: since schema 3 by somebody whose signature counts, before that by anybody.
    pub signed_tag: bool,
    /// A signature of its own, by somebody whose signature counts.
    pub signed_commit: bool,
    /// The proof that a manifest in it holds the model's digest.
    pub manifest: bool,
}

/// What a rollback needs beside its signers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RollbackRules<'a> {
    /// How long recovery may take.
    pub target_ms: i64,
    /// Whether it must name an open incident.
    pub incident: bool,
    /// Whether sessions must be drained, preserved or none.
    pub drain: bool,
    /// Whether it must cite a passed shadow evaluation of the target.
    pub shadow: bool,
    /// What the infra commit must bear.
    pub git: GitNeeds,
    /// Who may act without approvals and evidence, and until when that is ratified; none: nobody.
    pub break_glass: Option<&'a BreakGlass>,
}

/// Who may break the glass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BreakGlass {
    /// One of these roles is needed; at least one stands here, none twice.
    pub roles: Vec<Role>,
    /// How soon an approver must ratify what was done.
    pub ratify_within_ms: i64,
}

/// An evaluation that must stand passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvaluationNeed {
    /// Its kind.
    pub kind: EvaluationKind,
    /// By this suite; none: by any.
    pub suite: Option<Name>,
    /// On this data set; none: on any.
    pub dataset: Option<Name>,
    /// How old it may be; none: as old as it is.
    pub max_age_ms: Option<i64>,
}

/// What every schema has in common.
#[derive(Deserialize)]
struct SchemaOnly {
    schema: u32,
}

impl ReleasePolicy {
    /// Reads the policy of an event.
    ///
    /// # Errors
    /// [`PolicyError`]; a schema told beside the text must be the one in it.
    pub fn read(policy: &Policy) -> Result<Self, PolicyError> {
        if policy.schema > POLICY_SCHEMA {
            return Err(PolicyError::NewerSchema { schema: policy.schema });
        }
        let read = Self::parse(policy.text.as_str())?;
        if policy.schema != read.schema {
            return Err(PolicyError::Unreadable(format!(
                "its text has schema {}, the event says {}",
                read.schema, policy.schema
            )));
        }
        Ok(read)
    }

    /// Reads a policy text.
    ///
    /// # Errors
    /// [`PolicyError`].
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let SchemaOnly { schema } = toml::from_str(text).map_err(unreadable)?;
        match schema {
            0 => Err(PolicyError::Unreadable("schema 0 never existed".into())),
            1 => schema_1::parse(text),
            2 | 3 => schema_2::parse(text, schema),
            _ => Err(PolicyError::NewerSchema { schema }),
        }
    }

    /// The schema of its text.
    #[must_use]
    pub const fn schema(&self) -> u32 {
        self.schema
    }

    /// How many administrators must sign what only administrators may do.
    #[must_use]
    pub const fn threshold(&self) -> u32 {
        self.threshold
    }

    /// Whether it is asked whose signature a tag bears, and not only whether it bears one.
    #[must_use]
    pub const fn judges_git_signers(&self) -> bool {
        self.schema >= schema_2::SCHEMA_OF_GIT
    }

    /// What it says of Git.
    #[must_use]
    pub const fn git(&self) -> &GitRules {
        &self.git
    }

    /// The branches of `repository` from one of which a commit must be reachable; empty where any commit will do.
    #[must_use]
    pub fn protected_branches(&self, repository: &Name) -> &[Name] {
        self.git.repository(repository).map_or(&[], |rules| &rules.protected)
    }

    /// Which files of a commit of `repository` are searched for a model's digest, unless others are named.
    #[must_use]
    pub fn manifests(&self, repository: &Name) -> &[Glob] {
        self.git.repository(repository).map_or(&[], |rules| &rules.manifests)
    }

    /// The environments, in the policy's order.
    #[must_use]
    pub fn environments(&self) -> &[Environment] {
        &self.environments
    }

    /// What the policy says of the environment `name`: the first whose name matches.
    #[must_use]
    pub fn environment(&self, name: &EnvironmentName) -> Option<&Environment> {
        self.environments.iter().find(|environment| environment.name.matches(name.as_str()))
    }

    /// How many people sign `act`, the proposer counted, and which roles those beyond the proposer
    /// hold; in `environment` and for `model`, where it happens in one. The proposer alone unless
    /// the policy says otherwise.
    #[must_use]
    pub fn approvals(
        &self,
        act: Act,
        environment: Option<&EnvironmentName>,
        model: Option<&Name>,
    ) -> Approvals<'_> {
        approvals_of(&self.layers(environment, model), act)
    }

    /// What a promotion of `model` into `environment` needs beside its signers.
    #[must_use]
    pub fn promotion(&self, environment: &EnvironmentName, model: &Name) -> PromotionRules<'_> {
        promotion_of(&self.layers(Some(environment), Some(model)))
    }

    /// What a rollback of `model` in `environment` needs beside its signers.
    #[must_use]
    pub fn rollback(&self, environment: &EnvironmentName, model: &Name) -> RollbackRules<'_> {
        rollback_of(&self.layers(Some(environment), Some(model)))
    }

    /// The layers that hold for an act there, the one that goes before the others first.
    fn layers(&self, environment: Option<&EnvironmentName>, model: Option<&Name>) -> Vec<&Layer> {
        let environment = environment.and_then(|name| self.environment(name));
        let block = environment.zip(model).and_then(|(environment, model)| environment.model(model));
        self.layers_of(environment, block)
    }

    fn layers_of<'a>(
        &'a self,
        environment: Option<&'a Environment>,
        block: Option<&'a ModelBlock>,
    ) -> Vec<&'a Layer> {
        let block = block.map(|block| &block.keys);
        block
            .into_iter()
            .chain(environment.map(|environment| &environment.keys))
            .chain([&self.general])
            .collect()
    }
}

impl Environment {
    /// Its name, or the pattern of its names.
    #[must_use]
    pub const fn name(&self) -> &Glob {
        &self.name
    }

    fn model(&self, model: &Name) -> Option<&ModelBlock> {
        self.models.iter().find(|block| block.name.matches(model.as_str()))
    }
}

impl EvaluationNeed {
    /// Whether both ask for evaluations of the same kind, suite and data set.
    fn names_the_same(&self, other: &Self) -> bool {
        (self.kind, &self.suite, &self.dataset) == (other.kind, &other.suite, &other.dataset)
    }
}

impl fmt::Display for EvaluationNeed {
    /// `fairness by fairlearn on loans-held-out`, without the age.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.as_str())?;
        if let Some(suite) = &self.suite {
            write!(f, " by {suite}")?;
        }
        if let Some(dataset) = &self.dataset {
            write!(f, " on {dataset}")?;
        }
        Ok(())
    }
}

/// What the first of `layers` says that says it.
fn first<'a, T>(layers: &[&'a Layer], key: impl Fn(&'a Layer) -> Option<T>) -> Option<T> {
    layers.iter().find_map(|layer| key(layer))
}

fn approvals_of<'a>(layers: &[&'a Layer], act: Act) -> Approvals<'a> {
    let approvals = first(layers, |layer| layer.acts.get(&act)?.approvals).unwrap_or(0);
    let roles = first(layers, |layer| layer.acts.get(&act)?.roles.as_deref()).unwrap_or(APPROVERS);
    Approvals { people: 1 + approvals, roles }
}

fn promotion_of<'a>(layers: &[&'a Layer]) -> PromotionRules<'a> {
    PromotionRules {
        after: first(layers, |layer| layer.after.as_deref()).unwrap_or_default(),
        served_for_ms: first(layers, |layer| layer.served_for_ms).unwrap_or(0),
        evaluations: first(layers, |layer| layer.evaluations.as_deref()).unwrap_or_default(),
        git: git_of(layers, |layer| &layer.promote_git),
    }
}

fn git_of(layers: &[&Layer], of: fn(&Layer) -> &GitKeys) -> GitNeeds {
    let says = |key: fn(&GitKeys) -> Option<bool>| first(layers, |layer| key(of(layer))).unwrap_or(false);
    GitNeeds {
        signed_tag: says(|keys| keys.signed_tag),
        signed_commit: says(|keys| keys.signed_commit),
        manifest: says(|keys| keys.manifest),
    }
}

fn rollback_of<'a>(layers: &[&'a Layer]) -> RollbackRules<'a> {
    RollbackRules {
        target_ms: first(layers, |layer| layer.target_ms).unwrap_or(TARGET_MS),
        incident: first(layers, |layer| layer.incident).unwrap_or(false),
        drain: first(layers, |layer| layer.drain).unwrap_or(false),
        shadow: first(layers, |layer| layer.shadow).unwrap_or(false),
        git: git_of(layers, |layer| &layer.rollback_git),
        break_glass: match first(layers, |layer| layer.break_glass.as_ref()) {
            Some(BreakGlassKey::Allowed(break_glass)) => Some(break_glass),
            Some(BreakGlassKey::Nobody) | None => None,
        },
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is given to `map_err`")]
fn unreadable(error: toml::de::Error) -> PolicyError {
    PolicyError::Unreadable(error.to_string().trim().to_owned())
}

/// The policy that stands when a ledger is created without one: staging before production, and
/// nobody's approval needed.
#[must_use]
pub fn default_policy(threshold: u32) -> Policy {
    let text = format!(
        r#"# Release policy of this ledger. It is in force from the entry that records it.
# Try another with `rollbook policy check FILE`, set it with `rollbook policy set FILE`.
schema = 3

# How many administrators must sign what only they may do: grant and revoke keys, set policy.
[administrators]
threshold = {threshold}

# How many people must approve an act, beyond the one who proposes it. They hold the role
# `approver`, unless `approver_roles` names others.
[register]
approvals = 0

[retire]
approvals = 0

# The environments that exist.
[[environment]]
name = "staging"

[environment.promote]
approvals = 0

[environment.rollback]
approvals = 0

[[environment]]
name = "production"

# `after`: where a digest must have served before.
[environment.promote]
approvals = 0
after = ["staging"]

# `target`: how long recovery from an incident may take.
[environment.rollback]
approvals = 0
target = "5m"
"#
    );
    Policy { schema: POLICY_SCHEMA, text: PolicyText::new(text).expect("the default policy is short text") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(text: &str) -> EnvironmentName {
        EnvironmentName::new(text).expect("valid")
    }

    fn model(text: &str) -> Name {
        Name::new(text).expect("valid")
    }

    #[test]
    fn default_policy_reads_back() {
        let policy = ReleasePolicy::read(&default_policy(2)).expect("valid");
        assert_eq!((policy.schema(), policy.threshold()), (3, 2));
        let (production, scorer) = (environment("production"), model("scorer"));
        assert_eq!(policy.promotion(&production, &scorer).after, [environment("staging")]);
        assert_eq!(policy.rollback(&production, &scorer).target_ms, 5 * MINUTE_MS);
        let approvals = policy.approvals(Act::Promote, Some(&production), Some(&scorer));
        assert_eq!(approvals, Approvals { people: 1, roles: &[Role::Approver] });
        assert!(policy.environment(&environment("moon")).is_none());
    }

    #[test]
    fn the_schema_beside_a_text_is_the_one_in_it() {
        let mut policy = default_policy(1);
        policy.schema = 1;
        assert!(matches!(ReleasePolicy::read(&policy), Err(PolicyError::Unreadable(_))));
        policy.schema = 4;
        assert_eq!(ReleasePolicy::read(&policy), Err(PolicyError::NewerSchema { schema: 4 }));
        assert_eq!(ReleasePolicy::parse("schema = 4"), Err(PolicyError::NewerSchema { schema: 4 }));
        assert!(matches!(ReleasePolicy::parse("schema = 0"), Err(PolicyError::Unreadable(_))));
        assert!(matches!(ReleasePolicy::parse(""), Err(PolicyError::Unreadable(_))));
    }
}
