//! Who may do what: the ledger's creation, keys, the log's own key, and policy.

use bincode::{Decode, Encode};
use serde::Serialize;

use crate::event::glob::Glob;
use crate::event::list::{Ascending, Ranked};
use crate::event::text::{Name, PolicyText, Text};
use crate::signing::public_key::PublicKey;
use crate::time::Timestamp;
use crate::words::words;

/// The most globs in one part of a scope.
pub const GLOBS_MAX: usize = 64;
/// The most administrators that `ledger.created` names: each signs it, and an envelope bears 16
/// signatures.
pub const ADMINISTRATORS_MAX: usize = 16;

words! {
    /// What a key may be used for.
    Role, "a role" {
        /// Grants and revokes keys, sets policy, rotates the log key, redacts attachments.
        Admin = "admin",
        /// Registers and retires model versions.
        Registrar = "registrar",
        /// Records evaluations and drift.
        Evaluator = "evaluator",
        /// Promotes, rolls back, withdraws and completes.
        Deployer = "deployer",
        /// Approves what others propose.
        Approver = "approver",
        /// Rolls back, withdraws and completes; opens and closes incidents.
        Responder = "responder",
        /// Adds notes and attestations only.
        Auditor = "auditor",
    }
}

/// `ledger.created`, entry 0: the ledger's beginning. Signed by every administrator it names.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct LedgerCreated {
    /// The log's name: the first line of every checkpoint.
    pub origin: Name,
    /// 32 random bytes, so that no two ledgers share an id.
    #[serde(serialize_with = "serialize_hex")]
    pub nonce: [u8; 32],
    /// The first administrators, by key.
    pub administrators: Ascending<NamedKey, ADMINISTRATORS_MAX>,
    /// The first policy.
    pub policy: Policy,
    /// The version of the lifecycle rules that this ledger is judged by.
    pub rules_version: u32,
    /// The log's first key; with the origin it makes the vkey that auditors pin.
    pub log_key: PublicKey,
}

/// A person and a key of theirs.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct NamedKey {
    /// The person. Approvals are counted by this name, not by key.
    pub person: Name,
    /// The key.
    pub key: PublicKey,
}

impl Ranked for NamedKey {
    type Rank = PublicKey;

    fn rank(&self) -> &PublicKey {
        &self.key
    }
}

/// A release policy as text, with the version of its schema.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Policy {
    /// Which keys the text may use: 1 or 2.
    pub schema: u32,
    /// TOML, as people wrote it.
    pub text: PolicyText,
}

/// `key.granted`: a person's key may be used in these roles, there, then.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct KeyGranted {
    /// The person.
    pub person: Name,
    /// The key.
    pub key: PublicKey,
    /// The roles, at least one.
    pub roles: Ascending<Role, 16>,
    /// Where the roles hold.
    pub scope: Scope,
    /// From when; none: at once.
    pub valid_from: Option<Timestamp>,
    /// Until when, that instant excluded; none: until revoked.
    pub valid_until: Option<Timestamp>,
}

/// The environments and models that a grant covers, always spelt out.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Scope {
    /// Environments by glob; an empty list covers none.
    pub environments: Ascending<Glob, GLOBS_MAX>,
    /// Models by glob; an empty list covers none.
    pub models: Ascending<Glob, GLOBS_MAX>,
}

/// `key.revoked`: a key may not be used any more, and is never granted again.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct KeyRevoked {
    /// The key.
    pub key: PublicKey,
    /// Why.
    pub reason: Text,
    /// The first entry index from which its signatures are not to be trusted.
    pub compromised_since: Option<u64>,
}

/// `log_key.rotated`: every later checkpoint is signed by the new key.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct LogKeyRotated {
    /// The key that signed until now.
    pub old_key: PublicKey,
    /// The key that signs from this batch's checkpoint on.
    pub new_key: PublicKey,
    /// What made it necessary.
    pub cause: RotationCause,
    /// Why, in words.
    pub reason: Text,
}

/// Why a log key is replaced.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RotationCause {
    /// By schedule: the boundary checkpoint bears both keys' signatures.
    Routine,
    /// The old key is gone.
    Lost,
    /// Somebody else may hold the old key.
    CompromisedSince {
        /// The first tree size whose checkpoint is not to be trusted.
        tree_size: u64,
    },
}

/// `policy.set`: another policy from here on.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct PolicySet {
    /// The new policy.
    pub policy: Policy,
    /// The version of the lifecycle rules from here on.
    pub rules_version: u32,
    /// The entry of the policy that this one replaces.
    pub replaces: u64,
    /// Why.
    pub reason: Option<Text>,
}

fn serialize_hex<S: serde::Serializer>(bytes: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&hex::encode(bytes))
}
