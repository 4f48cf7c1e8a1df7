//! Policy schema 1: environments in order, and numbers of signers (docs/policy.md, "Schema 1").
//!
//! Frozen: ledgers were founded under it, and are replayed. It counts *signers*, the proposer
//! among them, where schema 2 counts approvals.

use serde::Deserialize;

use crate::event::glob::Glob;
use crate::event::text::EnvironmentName;

use super::git::GitRules;
use super::{Act, ActKeys, Environment, Layer, PEOPLE_MAX, PolicyError, ReleasePolicy, unreadable};

/// How many signers each act needs, the proposer counted; none where nothing is said.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignerCounts {
    register: Option<u32>,
    promote: Option<u32>,
    rollback: Option<u32>,
    withdraw: Option<u32>,
    complete: Option<u32>,
    retire: Option<u32>,
    note: Option<u32>,
}

/// The counts that may stand under an environment: acts that happen in one.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct EnvironmentSignerCounts {
    promote: Option<u32>,
    rollback: Option<u32>,
    withdraw: Option<u32>,
    complete: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPolicy {
    schema: u32,
    administrators: RawAdministrators,
    #[serde(default)]
    signers: SignerCounts,
    #[serde(default, rename = "environment")]
    environments: Vec<RawEnvironment>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAdministrators {
    threshold: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEnvironment {
    name: String,
    #[serde(default)]
    after: Vec<String>,
    #[serde(default)]
    signers: EnvironmentSignerCounts,
}

/// Reads a text of schema 1.
///
/// # Errors
/// [`PolicyError`].
pub(super) fn parse(text: &str) -> Result<ReleasePolicy, PolicyError> {
    let raw: RawPolicy = toml::from_str(text).map_err(unreadable)?;
    let RawPolicy { schema, administrators: RawAdministrators { threshold }, signers, environments } = raw;
    check_count("administrators.threshold", threshold)?;
    Ok(ReleasePolicy {
        schema,
        threshold,
        general: layer("signers", &signers)?,
        environments: read_environments(environments)?,
        git: GitRules::default(),
    })
}

fn read_environments(raw: Vec<RawEnvironment>) -> Result<Vec<Environment>, PolicyError> {
    let mut names: Vec<EnvironmentName> = Vec::new();
    let mut environments = Vec::new();
    for RawEnvironment { name, after, signers } in raw {
        let name = EnvironmentName::new(name).map_err(|error| PolicyError::Unreadable(error.to_string()))?;
        if names.contains(&name) {
            return Err(PolicyError::EnvironmentTwice(name));
        }
        let above = |after: String| match names.iter().find(|earlier| earlier.as_str() == after) {
            Some(earlier) => Ok(earlier.clone()),
            None => Err(PolicyError::AfterUnknown { environment: name.clone(), after }),
        };
        let after = after.into_iter().map(above).collect::<Result<_, _>>()?;
        let counts = layer(&format!("environment {name}: signers"), &signers.into())?;
        let keys = Layer { after: Some(after), ..counts };
        let pattern = Glob::new(name.as_str()).expect("an environment's name is a name, and holds no `*`");
        environments.push(Environment { name: pattern, keys, models: Vec::new() });
        names.push(name);
    }
    Ok(environments)
}

fn layer(what: &str, counts: &SignerCounts) -> Result<Layer, PolicyError> {
    let mut layer = Layer::default();
    for &act in Act::ALL {
        if let Some(count) = counts.of(act) {
            check_count(&format!("{what}.{act}"), count)?;
            layer.acts.insert(act, ActKeys { approvals: Some(count - 1), roles: None });
        }
    }
    Ok(layer)
}

fn check_count(what: &str, count: u32) -> Result<(), PolicyError> {
    if (1..=PEOPLE_MAX).contains(&count) {
        return Ok(());
    }
    Err(PolicyError::SignersOutOfRange { what: what.to_owned(), count })
}

impl SignerCounts {
    const fn of(&self, act: Act) -> Option<u32> {
        match act {
            Act::Register => self.register,
            Act::Promote => self.promote,
            Act::Rollback => self.rollback,
            Act::Withdraw => self.withdraw,
            Act::Complete => self.complete,
            Act::Retire => self.retire,
            Act::Note => self.note,
            Act::Evaluate | Act::Drift | Act::Incident => None,
        }
    }
}

impl From<EnvironmentSignerCounts> for SignerCounts {
    fn from(counts: EnvironmentSignerCounts) -> Self {
        let EnvironmentSignerCounts { promote, rollback, withdraw, complete } = counts;
        Self { promote, rollback, withdraw, complete, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> EnvironmentName {
        EnvironmentName::new(text).expect("valid")
    }

    #[test]
    fn environment_counts_override_the_general_ones() {
        let policy = ReleasePolicy::parse(
            "schema = 1\nadministrators.threshold = 1\nsigners.promote = 2\n\
             [[environment]]\nname = \"prod\"\nsigners.promote = 3\n[[environment]]\nname = \"dev\"",
        )
        .expect("valid");
        let people = |act, environment| policy.approvals(act, Some(&name(environment)), None).people;
        assert_eq!(people(Act::Promote, "prod"), 3);
        assert_eq!(people(Act::Promote, "dev"), 2);
        assert_eq!(people(Act::Rollback, "prod"), 1);
        assert_eq!(people(Act::Incident, "prod"), 1);
    }

    #[test]
    fn each_way_to_be_wrong_is_named() {
        let head = "schema = 1\nadministrators.threshold = 1\n";
        let read = |rest: &str| ReleasePolicy::parse(&format!("{head}{rest}")).expect_err("refused");
        assert!(matches!(read("colour = 1"), PolicyError::Unreadable(_)));
        assert!(matches!(read("signers.promot = 1"), PolicyError::Unreadable(_)));
        assert!(matches!(read("signers.incident = 1"), PolicyError::Unreadable(_)));
        assert!(matches!(read("signers.promote = 0"), PolicyError::SignersOutOfRange { count: 0, .. }));
        assert!(matches!(read("[[environment]]\nname='P'"), PolicyError::Unreadable(_)));
        assert!(matches!(read("[[environment]]\nname='p-*'"), PolicyError::Unreadable(_)));
        assert!(matches!(
            read("[[environment]]\nname='a'\n[[environment]]\nname='a'"),
            PolicyError::EnvironmentTwice(_)
        ));
        assert!(matches!(
            read("[[environment]]\nname='a'\nafter=['b']\n[[environment]]\nname='b'"),
            PolicyError::AfterUnknown { .. }
        ));
        assert!(matches!(
            ReleasePolicy::parse("schema = 1\nadministrators.threshold = 17"),
            Err(PolicyError::SignersOutOfRange { count: 17, .. })
        ));
    }
}
