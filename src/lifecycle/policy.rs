//! The release policy: which environments exist, in which order a digest must have served them,
//! and how many signers each act needs (docs/lifecycle.md, "Policy").

use serde::Deserialize;

use crate::event::authority::Policy;
use crate::event::text::{EnvironmentName, PolicyText};
use crate::words::words;

/// The schema of policy texts that this program reads.
pub const POLICY_SCHEMA: u32 = 1;
/// The most signers that an act can need: an envelope bears 16 signatures.
const SIGNERS_MAX: u32 = 16;

/// Why a text is no release policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Written for a later schema.
    #[error("the policy has schema {schema}; this program reads schema {POLICY_SCHEMA}: upgrade it")]
    NewerSchema {
        /// The schema found.
        schema: u32,
    },
    /// Not TOML, or a key is unknown, missing or of another type.
    #[error("the policy cannot be read: {0}")]
    Unreadable(String),
    /// An environment stands twice.
    #[error("environment `{0}` stands twice in the policy")]
    EnvironmentTwice(EnvironmentName),
    /// `after` names what does not stand above.
    #[error("environment `{environment}` comes after `{after}`, which does not stand above it in the policy")]
    AfterUnknown {
        /// The environment.
        environment: EnvironmentName,
        /// What it is to come after.
        after: String,
    },
    /// A number of signers outside 1 to 16.
    #[error("`{what}` needs {count} signers: 1 to {SIGNERS_MAX} are possible")]
    SignersOutOfRange {
        /// The key in the policy.
        what: String,
        /// The number found.
        count: u32,
    },
}

words! {
    /// Acts whose number of signers a policy sets.
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
    }
}

/// A policy that was read and makes sense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleasePolicy {
    threshold: u32,
    signers: SignerCounts,
    environments: Vec<Environment>,
}

/// An environment as the policy describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    name: EnvironmentName,
    after: Vec<EnvironmentName>,
    signers: SignerCounts,
}

/// How many signers each act needs, the proposer counted; none where nothing is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
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
        if policy.schema != POLICY_SCHEMA {
            return Err(PolicyError::Unreadable(format!(
                "its text has schema {POLICY_SCHEMA}, the event says {}",
                policy.schema
            )));
        }
        Ok(read)
    }

    /// Reads a policy text.
    ///
    /// # Errors
    /// [`PolicyError`].
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let unreadable =
            |error: toml::de::Error| PolicyError::Unreadable(error.to_string().trim().to_owned());
        let SchemaOnly { schema } = toml::from_str(text).map_err(unreadable)?;
        if schema > POLICY_SCHEMA {
            return Err(PolicyError::NewerSchema { schema });
        }
        if schema != POLICY_SCHEMA {
            return Err(PolicyError::Unreadable(format!("schema {schema} never existed")));
        }
        let raw: RawPolicy = toml::from_str(text).map_err(unreadable)?;
        check_count("administrators.threshold", raw.administrators.threshold)?;
        check_counts("signers", &raw.signers)?;
        debug_assert_eq!(raw.schema, schema);
        Ok(Self {
            threshold: raw.administrators.threshold,
            signers: raw.signers,
            environments: environments(raw.environments)?,
        })
    }

    /// How many administrators must sign what only administrators may do.
    #[must_use]
    pub const fn threshold(&self) -> u32 {
        self.threshold
    }

    /// The environments, in the policy's order.
    #[must_use]
    pub fn environments(&self) -> &[Environment] {
        &self.environments
    }

    /// The environment of that name.
    #[must_use]
    pub fn environment(&self, name: &EnvironmentName) -> Option<&Environment> {
        self.environments.iter().find(|environment| environment.name == *name)
    }

    /// How many people must sign `act`, the proposer counted; in `environment`, where it happens
    /// in one. One unless the policy says otherwise.
    #[must_use]
    pub fn signers_needed(&self, act: Act, environment: Option<&EnvironmentName>) -> u32 {
        environment
            .and_then(|name| self.environment(name))
            .and_then(|environment| environment.signers.of(act))
            .or(self.signers.of(act))
            .unwrap_or(1)
    }
}

impl Environment {
    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &EnvironmentName {
        &self.name
    }

    /// Environments that a digest must have served before it may be promoted here.
    #[must_use]
    pub fn after(&self) -> &[EnvironmentName] {
        &self.after
    }
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
        }
    }
}

impl From<EnvironmentSignerCounts> for SignerCounts {
    fn from(counts: EnvironmentSignerCounts) -> Self {
        let EnvironmentSignerCounts { promote, rollback, withdraw, complete } = counts;
        Self { promote, rollback, withdraw, complete, ..Self::default() }
    }
}

fn environments(raw: Vec<RawEnvironment>) -> Result<Vec<Environment>, PolicyError> {
    let mut environments: Vec<Environment> = Vec::new();
    for RawEnvironment { name, after, signers } in raw {
        let name = EnvironmentName::new(name).map_err(|error| PolicyError::Unreadable(error.to_string()))?;
        if environments.iter().any(|earlier| earlier.name == name) {
            return Err(PolicyError::EnvironmentTwice(name));
        }
        let after = after
            .into_iter()
            .map(|after| match environments.iter().find(|earlier| earlier.name.as_str() == after) {
                Some(earlier) => Ok(earlier.name.clone()),
                None => Err(PolicyError::AfterUnknown { environment: name.clone(), after }),
            })
            .collect::<Result<_, _>>()?;
        let signers = SignerCounts::from(signers);
        check_counts(&format!("environment {name}: signers"), &signers)?;
        environments.push(Environment { name, after, signers });
    }
    Ok(environments)
}

fn check_counts(what: &str, counts: &SignerCounts) -> Result<(), PolicyError> {
    for &act in Act::ALL {
        if let Some(count) = counts.of(act) {
            check_count(&format!("{what}.{act}"), count)?;
        }
    }
    Ok(())
}

fn check_count(what: &str, count: u32) -> Result<(), PolicyError> {
    if (1..=SIGNERS_MAX).contains(&count) {
        return Ok(());
    }
    Err(PolicyError::SignersOutOfRange { what: what.to_owned(), count })
}

/// The policy that stands when a ledger is created without one: staging before production, and
/// one signer for each act.
#[must_use]
pub fn default_policy(threshold: u32) -> Policy {
    let text = format!(
        r#"# Release policy of this ledger. It is in force from the entry that records it.
schema = 1

# How many administrators must sign what only they may do: grant and revoke keys, set policy.
[administrators]
threshold = {threshold}

# How many people must sign each act, the proposer counted. Those beyond the proposer hold the
# role `approver`.
[signers]
register = 1
promote = 1
rollback = 1
withdraw = 1
complete = 1
retire = 1
note = 1

# The environments that exist. `after`: where a digest must have served before.
# `signers` may stand under an environment too: signers = {{ promote = 2 }}
[[environment]]
name = "staging"

[[environment]]
name = "production"
after = ["staging"]
"#
    );
    Policy { schema: POLICY_SCHEMA, text: PolicyText::new(text).expect("the default policy is short text") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> EnvironmentName {
        EnvironmentName::new(text).expect("valid")
    }

    #[test]
    fn default_policy_reads_back() {
        let policy = ReleasePolicy::read(&default_policy(2)).expect("valid");
        assert_eq!(policy.threshold(), 2);
        let production = policy.environment(&name("production")).expect("exists");
        assert_eq!(production.after(), [name("staging")]);
        assert_eq!(policy.signers_needed(Act::Promote, Some(&name("production"))), 1);
    }

    #[test]
    fn environment_counts_override_the_general_ones() {
        let policy = ReleasePolicy::parse(
            "schema = 1\nadministrators.threshold = 1\nsigners.promote = 2\n\
             [[environment]]\nname = \"prod\"\nsigners.promote = 3\n[[environment]]\nname = \"dev\"",
        )
        .expect("valid");
        assert_eq!(policy.signers_needed(Act::Promote, Some(&name("prod"))), 3);
        assert_eq!(policy.signers_needed(Act::Promote, Some(&name("dev"))), 2);
        assert_eq!(policy.signers_needed(Act::Rollback, Some(&name("prod"))), 1);
    }

    #[test]
    fn each_way_to_be_wrong_is_named() {
        let head = "schema = 1\nadministrators.threshold = 1\n";
        let read = |rest: &str| ReleasePolicy::parse(&format!("{head}{rest}")).expect_err("refused");
        assert!(matches!(read("colour = 1"), PolicyError::Unreadable(_)));
        assert!(matches!(read("signers.promot = 1"), PolicyError::Unreadable(_)));
        assert!(matches!(read("signers.promote = 0"), PolicyError::SignersOutOfRange { count: 0, .. }));
        assert!(matches!(read("[[environment]]\nname='P'"), PolicyError::Unreadable(_)));
        assert!(matches!(
            read("[[environment]]\nname='a'\n[[environment]]\nname='a'"),
            PolicyError::EnvironmentTwice(_)
        ));
        assert!(matches!(
            read("[[environment]]\nname='a'\nafter=['b']\n[[environment]]\nname='b'"),
            PolicyError::AfterUnknown { .. }
        ));
        assert_eq!(ReleasePolicy::parse("schema = 2"), Err(PolicyError::NewerSchema { schema: 2 }));
        assert!(matches!(ReleasePolicy::parse("schema = 0"), Err(PolicyError::Unreadable(_))));
        assert!(matches!(
            ReleasePolicy::parse("schema = 1\nadministrators.threshold = 17"),
            Err(PolicyError::SignersOutOfRange { count: 17, .. })
        ));
    }
}
