//! A policy spelt out: every setting that holds at a place and where it is said, and what another
//! policy would change in meaning.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::event::authority::Role;
use crate::event::glob::Glob;
use crate::event::text::{EnvironmentName, Name};
use crate::words::words;

use super::git::{GitRules, RepositoryRules};
use super::section::span_as_said;
use super::{
    APPROVERS, Act, BreakGlass, BreakGlassKey, Environment, EvaluationNeed, Layer, ModelBlock, ReleasePolicy,
    TARGET_MS,
};

words! {
    /// Where in a policy something is said.
    SaidBy, "a place in a policy" {
        /// Under a model of an environment.
        Model = "model",
        /// Under an environment.
        Environment = "environment",
        /// At the top level.
        TopLevel = "top level",
        /// Nowhere: it is what holds unless something is said.
        Default = "default",
    }
}

/// One setting as it holds somewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// The act's table, such as `promote`.
    pub table: Act,
    /// The key.
    pub key: &'static str,
    /// Its value.
    pub value: Value,
    /// Where it is said.
    pub said_by: SaidBy,
}

/// The value of a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A number.
    Number(u32),
    /// True or false.
    Flag(bool),
    /// A span in milliseconds; none: not asked for.
    Span(Option<i64>),
    /// A list of names or roles.
    List(Vec<String>),
    /// Evaluations.
    Evaluations(Vec<EvaluationNeed>),
    /// Who may break the glass; none: nobody.
    BreakGlass(Option<BreakGlass>),
}

/// What another policy changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The environment, as the policy names it; none: outside environments.
    pub environment: Option<Glob>,
    /// The model block in it.
    pub model: Option<Glob>,
    /// What changes there.
    #[serde(flatten)]
    pub what: Changed,
}

/// What changes at a place of a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Changed {
    /// The environment or model block is there now.
    Added,
    /// It is there no longer.
    Removed,
    /// Of two patterns that meet, the other one counts now.
    Order {
        /// The one that stood above.
        was_first: Glob,
        /// The one that stands above now.
        is_first: Glob,
    },
    /// The administrators' threshold.
    Threshold {
        /// Before.
        old: u32,
        /// Now.
        new: u32,
    },
    /// Whose signatures of Git objects count.
    AllowedSigners {
        /// How many lines said so before.
        old: usize,
        /// How many say so now.
        new: usize,
    },
    /// What is said of a repository.
    Repository {
        /// Its name, or the pattern of its names.
        name: Glob,
        /// Before; none: nothing.
        old: Option<String>,
        /// Now; none: nothing.
        new: Option<String>,
    },
    /// A setting.
    Setting {
        /// The act's table.
        table: Act,
        /// The key.
        key: &'static str,
        /// Before.
        old: Value,
        /// Now.
        new: Value,
    },
}

/// The layers of a place, each with its name.
type Named<'a> = [(SaidBy, &'a Layer)];

impl ReleasePolicy {
    /// Every setting as it holds for `model` in `environment`; without a model for those that no block
    /// of the environment names; without an environment outside of them.
    #[must_use]
    pub fn settings(&self, environment: Option<&EnvironmentName>, model: Option<&Name>) -> Vec<Setting> {
        let environment = environment.and_then(|name| self.environment(name));
        let block = environment.zip(model).and_then(|(environment, model)| environment.model(model));
        self.settings_of(environment, block)
    }

    fn settings_of(&self, environment: Option<&Environment>, block: Option<&ModelBlock>) -> Vec<Setting> {
        let mut layers = Vec::new();
        layers.extend(block.map(|block| (SaidBy::Model, &block.keys)));
        layers.extend(environment.map(|environment| (SaidBy::Environment, &environment.keys)));
        layers.push((SaidBy::TopLevel, &self.general));
        let happens = |act: &Act| environment.is_none() || act.has_environment();
        Act::ALL.iter().copied().filter(happens).flat_map(|act| settings_of_act(&layers, act)).collect()
    }
}

impl Act {
    /// Whether it happens in an environment, at least at times.
    #[must_use]
    pub const fn has_environment(self) -> bool {
        !matches!(self, Self::Register | Self::Retire | Self::Note)
    }
}

fn settings_of_act(layers: &Named<'_>, act: Act) -> Vec<Setting> {
    let said = |key, of: &dyn Fn(&Layer) -> Option<Value>, default: Value| {
        let found = layers.iter().find_map(|(said_by, layer)| Some((*said_by, of(layer)?)));
        let (said_by, value) = found.unwrap_or((SaidBy::Default, default));
        Setting { table: act, key, value, said_by }
    };
    let of_act = |of: fn(&super::ActKeys) -> Option<Value>| move |layer: &Layer| of(layer.acts.get(&act)?);
    let mut settings = vec![
        said("approvals", &of_act(|keys| keys.approvals.map(Value::Number)), Value::Number(0)),
        said("approver_roles", &of_act(|keys| keys.roles.as_deref().map(list)), list(APPROVERS)),
    ];
    let flag =
        |key, of: fn(&Layer) -> Option<bool>| said(key, &|l| of(l).map(Value::Flag), Value::Flag(false));
    match act {
        Act::Promote => settings.extend([
            said("after", &|l| l.after.as_deref().map(list), Value::List(Vec::new())),
            said("served_for", &|l| l.served_for_ms.map(|ms| Value::Span(Some(ms))), Value::Span(None)),
            said(
                "evaluations",
                &|l| l.evaluations.clone().map(Value::Evaluations),
                Value::Evaluations(Vec::new()),
            ),
            flag("signed_tag", |l| l.promote_git.signed_tag),
            flag("signed_commit", |l| l.promote_git.signed_commit),
            flag("manifest", |l| l.promote_git.manifest),
        ]),
        Act::Rollback => settings.extend([
            said("target", &|l| l.target_ms.map(|ms| Value::Span(Some(ms))), Value::Span(Some(TARGET_MS))),
            flag("incident", |l| l.incident),
            flag("drain", |l| l.drain),
            flag("shadow", |l| l.shadow),
            flag("signed_tag", |l| l.rollback_git.signed_tag),
            flag("signed_commit", |l| l.rollback_git.signed_commit),
            flag("manifest", |l| l.rollback_git.manifest),
            said("break_glass", &|l| l.break_glass.as_ref().map(break_glass), Value::BreakGlass(None)),
        ]),
        _ => {}
    }
    settings
}

fn list<T: ToString>(items: &[T]) -> Value {
    Value::List(items.iter().map(T::to_string).collect())
}

fn break_glass(key: &BreakGlassKey) -> Value {
    Value::BreakGlass(match key {
        BreakGlassKey::Nobody => None,
        BreakGlassKey::Allowed(break_glass) => Some(break_glass.clone()),
    })
}

/// What `new` changes in the meaning of `old`: one for each setting that holds differently at a place,
/// whichever layer says so, and one for each block that comes or goes, for it may stand before others. Texts with
/// the same blocks that mean the same give none.
#[must_use]
pub fn changes(old: &ReleasePolicy, new: &ReleasePolicy) -> Vec<Change> {
    let mut changes = Vec::new();
    if old.threshold != new.threshold {
        let what = Changed::Threshold { old: old.threshold, new: new.threshold };
        changes.push(Change { environment: None, model: None, what });
    }
    changes.extend(git_changed(&old.git, &new.git).into_iter().map(|what| Change {
        environment: None,
        model: None,
        what,
    }));
    changes.extend(settings_changed((None, None), &old.settings_of(None, None), new.settings_of(None, None)));
    let (old_names, new_names) = (names(&old.environments), names(&new.environments));
    changes.extend(order_changed(&old_names, &new_names).map(|what| Change {
        environment: None,
        model: None,
        what,
    }));
    for name in union(&new_names, &old_names) {
        changes.extend(environment_changes(old, new, name));
    }
    changes
}

fn git_changed(old: &GitRules, new: &GitRules) -> Vec<Changed> {
    let mut changes = Vec::new();
    let lines = |rules: &GitRules| rules.allowed_signers_text().map_or(0, |text| text.lines().count());
    if old.allowed_signers_text() != new.allowed_signers_text() {
        changes.push(Changed::AllowedSigners { old: lines(old), new: lines(new) });
    }
    let says = |rules: &GitRules, name: &Glob| {
        rules.repositories().iter().find(|rules| rules.name == *name).map(repository_text)
    };
    let (old_names, new_names) = (repository_names(old), repository_names(new));
    changes.extend(order_changed(&old_names, &new_names));
    for name in union(&new_names, &old_names) {
        let (old, new) = (says(old, name), says(new, name));
        if old != new {
            changes.push(Changed::Repository { name: name.clone(), old, new });
        }
    }
    changes
}

fn repository_names(rules: &GitRules) -> Vec<&Glob> {
    rules.repositories().iter().map(|rules| &rules.name).collect()
}

/// What is said of a repository: `protected main; manifests apps/*/deployment.yaml`.
fn repository_text(rules: &RepositoryRules) -> String {
    let join = |items: Vec<String>| if items.is_empty() { "none".into() } else { items.join(", ") };
    let branches = join(rules.protected.iter().map(ToString::to_string).collect());
    let manifests = join(rules.manifests.iter().map(ToString::to_string).collect());
    format!("protected {branches}; manifests {manifests}")
}

fn environment_changes(old: &ReleasePolicy, new: &ReleasePolicy, name: &Glob) -> Vec<Change> {
    let (before, after) = (named(&old.environments, name), named(&new.environments, name));
    let whole = |what| Change { environment: Some(name.clone()), model: None, what };
    let mut changes = Vec::new();
    match (before, after) {
        (Some(_), None) => return vec![whole(Changed::Removed)],
        (None, _) => changes.push(whole(Changed::Added)),
        _ => {}
    }
    changes.extend(settings_changed(
        (Some(name), None),
        &old.settings_of(before, None),
        new.settings_of(after, None),
    ));
    let (old_models, new_models) = (model_names(before), model_names(after));
    changes.extend(order_changed(&old_models, &new_models).map(whole));
    for model in union(&new_models, &old_models) {
        let whole = |what| Change { environment: Some(name.clone()), model: Some(model.clone()), what };
        match (old_models.contains(&model), new_models.contains(&model)) {
            (false, _) => changes.push(whole(Changed::Added)),
            (_, false) => changes.push(whole(Changed::Removed)),
            _ => {}
        }
        changes.extend(settings_changed(
            (Some(name), Some(model)),
            &old.settings_of(before, block_named(before, model)),
            new.settings_of(after, block_named(after, model)),
        ));
    }
    changes
}

fn model_names(environment: Option<&Environment>) -> Vec<&Glob> {
    environment.iter().flat_map(|environment| &environment.models).map(|block| &block.name).collect()
}

fn block_named<'a>(environment: Option<&'a Environment>, name: &Glob) -> Option<&'a ModelBlock> {
    environment?.models.iter().find(|block| block.name == *name)
}

fn names(environments: &[Environment]) -> Vec<&Glob> {
    environments.iter().map(|environment| &environment.name).collect()
}

fn named<'a>(environments: &'a [Environment], name: &Glob) -> Option<&'a Environment> {
    environments.iter().find(|environment| environment.name == *name)
}

/// What stands in `first`, then what stands in `second` alone.
fn union<'a>(first: &[&'a Glob], second: &[&'a Glob]) -> Vec<&'a Glob> {
    first.iter().chain(second.iter().filter(|name| !first.contains(name))).copied().collect()
}

/// The pairs of patterns that meet and stand the other way round now.
fn order_changed<'a>(old: &'a [&Glob], new: &'a [&Glob]) -> impl Iterator<Item = Changed> + 'a {
    let place = |name: &Glob| new.iter().position(|other| *other == name);
    old.iter().enumerate().flat_map(move |(index, above)| {
        old[index + 1..].iter().filter(move |below| below.meets(above)).filter_map(move |below| {
            let turned = place(below)? < place(above)?;
            turned.then(|| Changed::Order { was_first: (*above).clone(), is_first: (*below).clone() })
        })
    })
}

fn settings_changed(
    (environment, model): (Option<&Glob>, Option<&Glob>),
    old: &[Setting],
    new: Vec<Setting>,
) -> Vec<Change> {
    let key = |setting: &Setting| (setting.table, setting.key);
    let before =
        |setting: &Setting| old.iter().find(|old| key(old) == key(setting)).map(|old| old.value.clone());
    new.into_iter()
        .filter_map(|setting| {
            let old = before(&setting).filter(|old| *old != setting.value)?;
            let what = Changed::Setting { table: setting.table, key: setting.key, old, new: setting.value };
            Some(Change { environment: environment.cloned(), model: model.cloned(), what })
        })
        .collect()
}

/// Names a place of a policy: `environment production, model credit-*`.
#[must_use]
pub fn place_text(environment: Option<&Glob>, model: Option<&Glob>) -> Option<String> {
    let model = model.map(|model| format!(", model {model}")).unwrap_or_default();
    environment.map(|environment| format!("environment {environment}{model}"))
}

impl fmt::Display for Change {
    /// `environment production, promote: approvals 1 → 2`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = place_text(self.environment.as_ref(), self.model.as_ref());
        match &self.what {
            Changed::Added => write!(f, "{}: added", place.unwrap_or_default()),
            Changed::Removed => write!(f, "{}: removed", place.unwrap_or_default()),
            Changed::Threshold { old, new } => write!(f, "administrators: threshold {old} → {new}"),
            Changed::Order { was_first, is_first } => {
                let what = if place.is_some() { "models" } else { "environments" };
                let place = place.map(|place| format!("{place}, ")).unwrap_or_default();
                write!(
                    f,
                    "{place}{what} that both `{was_first}` and `{is_first}` match: `{is_first}` counts now"
                )
            }
            Changed::AllowedSigners { old, new } => {
                write!(f, "git: allowed_signers changed, from {old} lines to {new}")
            }
            Changed::Repository { name, old, new } => {
                let said = |text: &Option<String>| text.clone().unwrap_or_else(|| "nothing said".into());
                write!(f, "git, repository {name}: {} → {}", said(old), said(new))
            }
            Changed::Setting { table, key, old, new } => {
                let place = place.map(|place| format!("{place}, ")).unwrap_or_default();
                write!(f, "{place}{table}: {key} {old} → {new}")
            }
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let join = |items: &[String]| if items.is_empty() { "none".into() } else { items.join(", ") };
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Flag(flag) => f.write_str(if *flag { "yes" } else { "no" }),
            Self::Span(None) => f.write_str("none"),
            Self::Span(Some(ms)) => f.write_str(&span_as_said(*ms)),
            Self::List(items) => f.write_str(&join(items)),
            Self::Evaluations(needs) => {
                let text = |need: &EvaluationNeed| match need.max_age_ms {
                    Some(ms) => format!("{need} within {}", span_as_said(ms)),
                    None => need.to_string(),
                };
                f.write_str(&join(&needs.iter().map(text).collect::<Vec<_>>()))
            }
            Self::BreakGlass(None) => f.write_str("nobody"),
            Self::BreakGlass(Some(BreakGlass { roles, ratify_within_ms })) => {
                let roles = roles.iter().copied().map(Role::as_str).collect::<Vec<_>>().join(" or ");
                write!(f, "{roles}, ratified within {}", span_as_said(*ratify_within_ms))
            }
        }
    }
}

impl Serialize for Value {
    /// As a policy says it: numbers, flags, lists and tables; spans as text.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Evaluation<'a> {
            kind: &'static str,
            suite: Option<&'a Name>,
            dataset: Option<&'a Name>,
            max_age: Option<String>,
        }
        #[derive(Serialize)]
        struct Glass<'a> {
            roles: &'a [Role],
            ratify_within: String,
        }
        match self {
            Self::Number(number) => number.serialize(serializer),
            Self::Flag(flag) => flag.serialize(serializer),
            Self::Span(ms) => ms.map(span_as_said).serialize(serializer),
            Self::List(items) => items.serialize(serializer),
            Self::Evaluations(needs) => serializer.collect_seq(needs.iter().map(|need| Evaluation {
                kind: need.kind.as_str(),
                suite: need.suite.as_ref(),
                dataset: need.dataset.as_ref(),
                max_age: need.max_age_ms.map(span_as_said),
            })),
            Self::BreakGlass(glass) => glass
                .as_ref()
                .map(|glass| Glass {
                    roles: &glass.roles,
                    ratify_within: span_as_said(glass.ratify_within_ms),
                })
                .serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "schema = 2\nadministrators.threshold = 1\n[[environment]]\nname = 'staging'\n\
                       [[environment]]\nname = 'production'\npromote.approvals = 1\n\
                       [[environment.model]]\nname = 'credit-*'\npromote.approvals = 2\n";

    fn told(old: &str, new: &str) -> Vec<String> {
        let read = |text| ReleasePolicy::parse(text).expect("a policy");
        changes(&read(old), &read(new)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_text_that_means_the_same_changes_nothing() {
        assert_eq!(told(OLD, OLD), [""; 0]);
        let respelt = format!(
            "# a remark\n{}",
            OLD.replace("name = 'staging'", "name = 'staging'\npromote.approvals = 0")
        );
        assert_eq!(told(OLD, &respelt), [""; 0]);
        let first =
            "schema = 1\nadministrators.threshold = 1\nsigners.promote = 2\n[[environment]]\nname = 'a'\n";
        let second =
            "schema = 2\nadministrators.threshold = 1\npromote.approvals = 1\n[[environment]]\nname = 'a'\n";
        assert_eq!(told(first, second), [""; 0]);
    }

    #[test]
    fn each_change_is_told_where_it_holds() {
        let new = OLD
            .replace("threshold = 1", "threshold = 2\nrollback.target = '10m'")
            .replace("promote.approvals = 1\n", "promote.approvals = 2\nrollback.break_glass = { roles = ['responder'], ratify_within = '24h' }\n")
            .replace("[[environment]]\nname = 'staging'\n", "[[environment]]\nname = 'qa'\npromote.signed_tag = true\n");
        assert_eq!(
            told(OLD, &new),
            [
                "administrators: threshold 1 → 2",
                "rollback: target 5m → 10m",
                "environment qa: added",
                "environment qa, promote: signed_tag no → yes",
                "environment qa, rollback: target 5m → 10m",
                "environment production, promote: approvals 1 → 2",
                "environment production, rollback: target 5m → 10m",
                "environment production, rollback: break_glass nobody → responder, ratified within 24h",
                "environment production, model credit-*, rollback: target 5m → 10m",
                "environment production, model credit-*, rollback: break_glass nobody → responder, ratified within 24h",
                "environment staging: removed",
            ]
        );
    }

    #[test]
    fn a_block_that_comes_or_goes_is_told() {
        let without = &OLD[..OLD.find("[[environment.model]]").expect("stands there")];
        let place = "environment production, model credit-*";
        assert_eq!(
            told(without, OLD),
            [format!("{place}: added"), format!("{place}, promote: approvals 1 → 2")]
        );
        assert_eq!(
            told(OLD, without),
            [format!("{place}: removed"), format!("{place}, promote: approvals 2 → 1")]
        );
    }

    #[test]
    fn an_order_that_decides_is_told() {
        let old = "schema = 2\nadministrators.threshold = 1\n[[environment]]\nname = 'a*'\n[[environment]]\nname = '*b'\n[[environment]]\nname = 'c'\n";
        let new = "schema = 2\nadministrators.threshold = 1\n[[environment]]\nname = 'c'\n[[environment]]\nname = '*b'\n[[environment]]\nname = 'a*'\n";
        assert_eq!(told(old, new), ["environments that both `a*` and `*b` match: `*b` counts now"]);
    }

    #[test]
    fn every_setting_says_where_it_comes_from() {
        let policy = ReleasePolicy::parse(OLD).expect("a policy");
        let (production, credit) =
            (EnvironmentName::new("production").expect("valid"), Name::new("credit-a").expect("valid"));
        let of = |model: Option<&Name>| {
            let settings = policy.settings(Some(&production), model);
            let approvals = settings.into_iter().find(|s| (s.table, s.key) == (Act::Promote, "approvals"));
            approvals.map(|setting| (setting.value, setting.said_by))
        };
        assert_eq!(of(Some(&credit)), Some((Value::Number(2), SaidBy::Model)));
        assert_eq!(of(None), Some((Value::Number(1), SaidBy::Environment)));
        let outside = policy.settings(None, None);
        assert!(outside.iter().all(|setting| setting.said_by == SaidBy::Default));
        assert!(outside.iter().any(|setting| setting.table == Act::Note));
        assert!(policy.settings(Some(&production), None).iter().all(|setting| setting.table != Act::Note));
    }
}
