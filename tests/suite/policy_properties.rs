//! Random policies: reading one never panics, and what holds at a place is what the naive definition says.

use proptest::prelude::*;
use rollbook::event::authority::Role;
use rollbook::event::text::{EnvironmentName, Name};
use rollbook::lifecycle::policy::settings::changes;
use rollbook::lifecycle::policy::{Act, POLICY_SCHEMA, ReleasePolicy};

/// What a place of a random policy says, of a few keys that stand for the rest.
#[derive(Debug, Clone, Default)]
struct Said {
    approvals: Option<u32>,
    /// By a deployer instead of an approver.
    by_deployer: Option<bool>,
    signed_tag: Option<bool>,
    target_minutes: Option<u32>,
    break_glass: Option<bool>,
}

/// A model block: its pattern, and what it says.
type Block = (String, Said);

/// A random policy: the top level, and environments with their models.
#[derive(Debug, Clone)]
struct Plan {
    general: Said,
    environments: Vec<(String, Said, Vec<Block>)>,
}

fn said() -> impl Strategy<Value = Said> {
    let flag = || prop::option::of(any::<bool>());
    (prop::option::of(0u32..=15), flag(), flag(), prop::option::of(1u32..100), flag()).prop_map(
        |(approvals, by_deployer, signed_tag, target_minutes, break_glass)| Said {
            approvals,
            by_deployer,
            signed_tag,
            target_minutes,
            break_glass,
        },
    )
}

fn plan() -> impl Strategy<Value = Plan> {
    let glob = || prop::sample::select(vec!["a", "ab", "b", "a*", "*b", "*"]).prop_map(str::to_owned);
    let models = prop::collection::vec((glob(), said()), 0..3);
    (said(), prop::collection::vec((glob(), said(), models), 0..4))
        .prop_map(|(general, environments)| Plan { general, environments })
}

/// The keys of a place, under dotted names.
fn keys(said: &Said) -> String {
    let mut text = String::new();
    let mut say = |key: &str, value: String| text += &format!("{key} = {value}\n");
    if let Some(approvals) = said.approvals {
        say("promote.approvals", approvals.to_string());
    }
    if let Some(by_deployer) = said.by_deployer {
        say("promote.approver_roles", format!("['{}']", if by_deployer { "deployer" } else { "approver" }));
    }
    if let Some(signed_tag) = said.signed_tag {
        say("promote.signed_tag", signed_tag.to_string());
    }
    if let Some(minutes) = said.target_minutes {
        say("rollback.target", format!("'{minutes}m'"));
    }
    match said.break_glass {
        Some(true) => say("rollback.break_glass", "{ roles = ['responder'], ratify_within = '1d' }".into()),
        Some(false) => say("rollback.break_glass", "false".into()),
        None => {}
    }
    text
}

impl Plan {
    fn text(&self) -> String {
        let head = format!("schema = {POLICY_SCHEMA}\nadministrators.threshold = 1\n");
        let mut text = head + &keys(&self.general);
        for (name, said, models) in &self.environments {
            text += &format!("[[environment]]\nname = '{name}'\n{}", keys(said));
            for (name, said) in models {
                text += &format!("[[environment.model]]\nname = '{name}'\n{}", keys(said));
            }
        }
        text
    }

    /// Whether a block stands below another that matches whatever it does.
    fn has_dead_blocks(&self) -> bool {
        let dead = |names: Vec<&String>| {
            (0..names.len()).any(|below| (0..below).any(|above| fits(names[above], names[below])))
        };
        dead(self.environments.iter().map(|(name, _, _)| name).collect())
            || self
                .environments
                .iter()
                .any(|(_, _, models)| dead(models.iter().map(|(name, _)| name).collect()))
    }

    /// Who speaks of a place: the first model block that fits, the first environment that fits, the top level.
    fn speakers(&self, environment: &str, model: &str) -> Vec<&Said> {
        let mut speakers = Vec::new();
        if let Some((_, said, models)) = self.environments.iter().find(|(name, _, _)| fits(name, environment))
        {
            speakers.extend(models.iter().find(|(name, _)| fits(name, model)).map(|(_, said)| said));
            speakers.push(said);
        }
        speakers.push(&self.general);
        speakers
    }
}

/// At most one star, as the random names have it.
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((before, after)) => {
            name.len() >= before.len() + after.len() && name.starts_with(before) && name.ends_with(after)
        }
    }
}

/// What the first speaker says that says it.
fn first<T>(speakers: &[&Said], key: impl Fn(&Said) -> Option<T>) -> Option<T> {
    speakers.iter().find_map(|said| key(said))
}

proptest! {
    #[test]
    fn what_holds_is_what_the_nearest_place_says(plan in plan()) {
        let read = ReleasePolicy::parse(&plan.text());
        prop_assert_eq!(read.is_err(), plan.has_dead_blocks(), "{:?}\n{}", read, plan.text());
        let Ok(policy) = read else { return Ok(()) };
        for environment in ["a", "ab", "b", "c"] {
            for model in ["a", "aab", "b", "c"] {
                let speakers = plan.speakers(environment, model);
                let (environment, model) = (EnvironmentName::new(environment).unwrap(), Name::new(model).unwrap());
                let approvals = policy.approvals(Act::Promote, Some(&environment), Some(&model));
                let by_deployer = first(&speakers, |said| said.by_deployer).unwrap_or(false);
                prop_assert_eq!(approvals.people, 1 + first(&speakers, |said| said.approvals).unwrap_or(0));
                prop_assert_eq!(approvals.roles, [if by_deployer { Role::Deployer } else { Role::Approver }]);
                let promotion = policy.promotion(&environment, &model);
                prop_assert_eq!(promotion.git.signed_tag, first(&speakers, |said| said.signed_tag).unwrap_or(false));
                let rollback = policy.rollback(&environment, &model);
                let minutes = first(&speakers, |said| said.target_minutes).unwrap_or(5);
                prop_assert_eq!(rollback.target_ms, i64::from(minutes) * 60_000);
                let break_glass = first(&speakers, |said| said.break_glass).unwrap_or(false);
                prop_assert_eq!(rollback.break_glass.is_some(), break_glass);
            }
        }
    }

    /// Where nothing is told to change, nothing does.
    #[test]
    fn a_change_of_meaning_is_not_left_out(one in plan(), edit in 0u8..6) {
        let mut other = one.clone();
        match edit {
            0 => other.environments.reverse(),
            1 => other.general.approvals = None,
            2 => other.environments.iter_mut().for_each(|(_, _, models)| models.reverse()),
            3 => other.environments.iter_mut().for_each(|(_, _, models)| drop(models.pop())),
            4 => other.environments.iter_mut().for_each(|(_, _, models)| models.insert(0, ("a*".into(), Said::default()))),
            _ => other.environments.iter_mut().for_each(|(_, said, _)| said.signed_tag = None),
        }
        let (Ok(old), Ok(new)) = (ReleasePolicy::parse(&one.text()), ReleasePolicy::parse(&other.text())) else {
            return Ok(());
        };
        prop_assert!(changes(&old, &old.clone()).is_empty());
        let mut same = true;
        for environment in ["a", "ab", "b", "c"] {
            for model in ["a", "ab", "b", "c"] {
                let (environment, model) = (EnvironmentName::new(environment).unwrap(), Name::new(model).unwrap());
                let spelt = |policy: &ReleasePolicy| -> Vec<_> {
                    let settings = policy.settings(Some(&environment), Some(&model));
                    settings.into_iter().map(|setting| (setting.table, setting.key, setting.value)).collect()
                };
                same &= spelt(&old) == spelt(&new);
            }
        }
        prop_assert!(same || !changes(&old, &new).is_empty(), "{}\n{}", one.text(), other.text());
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC{0,200}") {
        let _ = ReleasePolicy::parse(&text);
        let _ = ReleasePolicy::parse(&format!("schema = 2\nadministrators.threshold = 1\n{text}"));
    }

    /// A whole policy with a few of its bytes replaced, doubled or dropped.
    #[test]
    fn no_slip_of_the_pen_makes_the_reader_panic(
        which in 0usize..3,
        slips in prop::collection::vec((any::<prop::sample::Index>(), any::<char>(), 0u8..3), 1..6),
    ) {
        let name = ["small-team", "regulated-bank", "federal"][which];
        let path = format!("{}/docs/policies/{name}.toml", env!("CARGO_MANIFEST_DIR"));
        let mut text: Vec<char> = std::fs::read_to_string(path).unwrap().chars().collect();
        for (place, character, what) in slips {
            let place = place.index(text.len());
            match what {
                0 => text[place] = character,
                1 => text.insert(place, text[place]),
                _ => drop(text.remove(place)),
            }
        }
        let text: String = text.into_iter().collect();
        if let Err(error) = ReleasePolicy::parse(&text) {
            prop_assert!(!error.to_string().is_empty());
        }
    }
}
