//! The rules, a row for each outcome: what `lifecycle::apply` says to an event is
//! what the verifier finds when the same event is forced into a log. docs/lifecycle.md shows the
//! same rows.

use std::collections::BTreeSet;

use ed25519_dalek::SigningKey;
use rollbook::event::authority::{Role, RotationCause};
use rollbook::event::body::Kind;
use rollbook::event::header::{EXPIRY_MAX_MS, EventId};
use rollbook::event::infra::{GitId, GitTag};
use rollbook::event::list::Ascending;
use rollbook::event::release::ChangeOutcome;
use rollbook::event::remark::{AttestedVerdict, NoteSubject};
use rollbook::hash::Hash;
use rollbook::lifecycle::policy::default_policy;
use rollbook::lifecycle::refusal::Refusal;
use rollbook::lifecycle::rules::{ApplyError, GitEvidence, RULES_VERSION, Submission, apply};
use rollbook::lifecycle::state::{GRANTS_MAX, NoSource, State};
use rollbook::signing::public_key::PublicKey;
use rollbook::time::{DAY_MS, MINUTE_MS};
use rollbook::verifier::finding::Class;

use crate::support::events::*;
use crate::support::forge::{Forge, codes};

/// A history whose last event is judged.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    /// The fact that it shows.
    pub(crate) says: &'static str,
    pub(crate) kind: Kind,
    /// The refusal's code; none where the event is accepted.
    pub(crate) refused: Option<&'static str>,
    pub(crate) history: fn(&mut Forge),
    /// What the verifier finds besides.
    pub(crate) besides: &'static [&'static str],
}

pub(crate) const fn accepted(kind: Kind, says: &'static str, history: fn(&mut Forge)) -> Row {
    Row { says, kind, refused: None, history, besides: &[] }
}

pub(crate) const fn refused(
    kind: Kind,
    code: &'static str,
    says: &'static str,
    history: fn(&mut Forge),
) -> Row {
    Row { says, kind, refused: Some(code), history, besides: &[] }
}

pub(crate) fn rea() -> Person {
    person("Rea the registrar")
}

pub(crate) fn dan() -> Person {
    person("Dan the deployer")
}

pub(crate) fn abe() -> Person {
    person("Abe the approver")
}

pub(crate) fn rita() -> Person {
    person("Rita the responder")
}

/// Founded (entry 0), and everyone granted their role (entries 1 to 4).
pub(crate) fn staff(forge: &mut Forge) {
    forge.add(&[&ada()], created(&[&ada()], forge.log_public()));
    for (person, role) in [
        (rea(), Role::Registrar),
        (dan(), Role::Deployer),
        (abe(), Role::Approver),
        (rita(), Role::Responder),
    ] {
        forge.add(&[&ada()], grant(&person, &[role]));
    }
}

/// Staffed; v1, v2 and v3 registered (entries 5, 6, 7).
pub(crate) fn register_three(forge: &mut Forge) {
    staff(forge);
    for version in ["v1", "v2", "v3"] {
        forge.add(&[&rea()], register(version));
    }
}

/// Registered; v1 (entry 8), then v2 (entry 9) put in staging.
pub(crate) fn serve_two(forge: &mut Forge) {
    register_three(forge);
    forge.add(&[&dan()], promote("v1", "staging", None));
    forge.add(&[&dan()], promote("v2", "staging", Some(serving("v1", 8))));
}

fn another_log_key() -> SigningKey {
    SigningKey::from_bytes(&[4; 32])
}

/// Founded by Ada and Eve under a policy that `rest` completes.
fn found_with(forge: &mut Forge, rest: &str) {
    let eve = person("Eve");
    let mut body = created(&[&ada(), &eve], forge.log_public());
    body.policy = policy(rest);
    forge.add(&[&ada(), &eve], body);
}

/// Founded with two administrators, two of whom must sign.
fn found_by_two(forge: &mut Forge) {
    let eve = person("Eve");
    let mut body = created(&[&ada(), &eve], forge.log_public());
    body.policy = default_policy(2);
    forge.add(&[&ada(), &eve], body);
}

const ROWS: &[Row] = &[
    // The ledger and the event.
    accepted(Kind::LedgerCreated, "administrators found the ledger, and all sign", |forge| {
        forge.add(&[&ada(), &person("Eve")], created(&[&ada(), &person("Eve")], forge.log_public()));
    }),
    refused(Kind::NoteAdded, "ledger_not_created", "nothing comes before ledger.created", |forge| {
        forge.add(&[&ada()], note(0));
    }),
    refused(Kind::LedgerCreated, "ledger_already_created", "a ledger is created once", |forge| {
        staff(forge);
        forge.add(&[&ada()], created(&[&ada()], forge.log_public()));
    }),
    refused(Kind::NoteAdded, "foreign_ledger", "an event is for the ledger that it names", |forge| {
        staff(forge);
        let mut event = forge.event(&ada(), note(1));
        event.header.ledger_id = Hash::of(b"another ledger");
        forge.add_event(event, &[&ada()]);
    }),
    refused(Kind::LedgerCreated, "foreign_ledger", "ledger.created names no ledger", |forge| {
        let mut event = forge.event(&ada(), created(&[&ada()], forge.log_public()));
        event.header.ledger_id = Hash::of(b"another ledger");
        forge.add_event(event, &[&ada()]);
    }),
    refused(Kind::LedgerCreated, "rules_unknown", "later rules need a later program", |forge| {
        let mut body = created(&[&ada()], forge.log_public());
        body.rules_version = RULES_VERSION + 1;
        forge.add(&[&ada()], body);
    }),
    refused(
        Kind::PolicySet,
        "rules_unknown",
        "later rules need a later program, once they are set",
        |forge| {
            staff(forge);
            let mut body = policy_set(default_policy(1), 0);
            body.rules_version = RULES_VERSION + 1;
            forge.add(&[&ada()], body);
        },
    ),
    refused(Kind::PolicySet, "rules_older", "rules don't go back", |forge| {
        staff(forge);
        let mut body = policy_set(default_policy(1), 0);
        body.rules_version = 0;
        forge.add(&[&ada()], body);
    }),
    refused(Kind::LogKeyRotated, "kind_not_accepted", "rules version 1 doesn't know every kind", |forge| {
        let mut body = created(&[&ada()], forge.log_public());
        (body.rules_version, body.policy) = (1, policy(""));
        forge.add(&[&ada()], body);
        forge.enter_rotation(&[&ada()], &another_log_key(), RotationCause::Routine);
        forge.seal();
    }),
    refused(Kind::NoteAdded, "event_expired", "an event is refused after its expiry", |forge| {
        staff(forge);
        let mut event = forge.event(&ada(), note(1));
        event.header.expires_at = forge.now.plus_ms(-1);
        forge.add_event(event, &[&ada()]);
    }),
    accepted(Kind::NoteAdded, "an event is accepted at the instant of its expiry", |forge| {
        staff(forge);
        let mut event = forge.event(&ada(), note(1));
        event.header.expires_at = forge.now;
        forge.add_event(event, &[&ada()]);
    }),
    refused(Kind::NoteAdded, "expiry_too_far", "an event expires within 30 days", |forge| {
        staff(forge);
        let mut event = forge.event(&ada(), note(1));
        event.header.expires_at = forge.now.plus_ms(EXPIRY_MAX_MS + 5 * MINUTE_MS + 1);
        forge.add_event(event, &[&ada()]);
    }),
    refused(Kind::NoteAdded, "time_ahead", "a claimed time lies at most five minutes ahead", |forge| {
        staff(forge);
        let mut event = forge.event(&ada(), note(1));
        event.header.claimed_at = forge.now.plus_ms(5 * MINUTE_MS + 1);
        forge.add_event(event, &[&ada()]);
    }),
    accepted(Kind::NoteAdded, "a claimed time may lie five minutes ahead", |forge| {
        staff(forge);
        let mut event = forge.event(&ada(), note(1));
        event.header.claimed_at = forge.now.plus_ms(5 * MINUTE_MS);
        forge.add_event(event, &[&ada()]);
    }),
    refused(Kind::ChangeCompleted, "time_ahead", "a completion lies at most five minutes ahead", |forge| {
        serve_two(forge);
        let mut body = complete(9, ChangeOutcome::Succeeded);
        body.completed_at = forge.now.plus_ms(5 * MINUTE_MS + 1);
        forge.add(&[&dan()], body);
    }),
    refused(Kind::NoteAdded, "event_id_reused", "an event id is accepted once", |forge| {
        staff(forge);
        let mut event = forge.event(&ada(), note(1));
        event.header.event_id = EventId::derive("forge", "4");
        forge.add_event(event, &[&ada()]);
    }),
    accepted(Kind::NoteAdded, "an event id comes free when its event has expired", |forge| {
        staff(forge);
        forge.now = forge.now.plus_ms(8 * DAY_MS);
        let mut event = forge.event(&ada(), note(1));
        event.header.event_id = EventId::derive("forge", "4");
        forge.add_event(event, &[&ada()]);
    }),
    // Signers.
    refused(Kind::ModelRegistered, "proposer_not_signed", "the proposer signs", |forge| {
        staff(forge);
        let event = forge.event(&rea(), register("v1"));
        forge.add_event(event, &[&abe()]);
    }),
    refused(Kind::LedgerCreated, "proposer_not_signed", "who proposes a ledger signs", |forge| {
        let event = forge.event(&rea(), created(&[&ada()], forge.log_public()));
        forge.add_event(event, &[&ada()]);
    }),
    refused(Kind::ModelRegistered, "signer_unknown", "a key is granted before it signs", |forge| {
        staff(forge);
        forge.add(&[&person("Mallory")], register("v1"));
    }),
    refused(
        Kind::ModelRegistered,
        "signer_unknown",
        "an approver's key is granted before it signs",
        |forge| {
            staff(forge);
            forge.add(&[&rea(), &person("Mallory")], register("v1"));
        },
    ),
    refused(Kind::ModelRegistered, "signer_revoked", "a revoked key signs nothing", |forge| {
        staff(forge);
        forge.add(&[&ada()], revoke(rea().public()));
        forge.add(&[&rea()], register("v1"));
    }),
    refused(
        Kind::ModelRegistered,
        "signer_not_in_force",
        "a grant is over at the instant that it names",
        |forge| {
            staff(forge);
            let mut body = grant(&person("Tim"), &[Role::Registrar]);
            body.valid_until = Some(minute(6));
            forge.add(&[&ada()], body);
            forge.add(&[&person("Tim")], register("v1"));
        },
    ),
    refused(Kind::ModelRegistered, "signer_not_in_force", "a grant isn't valid before it begins", |forge| {
        staff(forge);
        let mut body = grant(&person("Tim"), &[Role::Registrar]);
        body.valid_from = Some(minute(7));
        forge.add(&[&ada()], body);
        forge.add(&[&person("Tim")], register("v1"));
    }),
    accepted(Kind::ModelRegistered, "a grant is valid from the instant that it names", |forge| {
        staff(forge);
        let mut body = grant(&person("Tim"), &[Role::Registrar]);
        (body.valid_from, body.valid_until) = (Some(minute(6)), Some(minute(7)));
        forge.add(&[&ada()], body);
        forge.add(&[&person("Tim")], register("v1"));
    }),
    refused(Kind::ModelRegistered, "signer_lacks_role", "an act takes its role", |forge| {
        staff(forge);
        forge.add(&[&dan()], register("v1"));
    }),
    refused(Kind::ModelPromoted, "signer_lacks_role", "an approval takes the role approver", |forge| {
        register_three(forge);
        forge.add(&[&dan(), &rea()], promote("v1", "staging", None));
    }),
    refused(Kind::KeyGranted, "signer_lacks_role", "only administrators grant", |forge| {
        staff(forge);
        forge.add(&[&dan()], grant(&person("Tim"), &[Role::Deployer]));
    }),
    refused(Kind::ModelPromoted, "signer_out_of_scope", "role and scope come from one grant", |forge| {
        register_three(forge);
        let tim = person("Tim");
        let mut deployer = grant(&tim, &[Role::Deployer]);
        deployer.scope = scope(&["production"], &["*/*"]);
        forge.add(&[&ada()], deployer);
        forge.add(&[&ada()], grant(&tim, &[Role::Approver]));
        forge.add(&[&tim], promote("v1", "staging", None));
    }),
    refused(Kind::ModelRegistered, "signer_out_of_scope", "a scope covers the model", |forge| {
        staff(forge);
        let mut registrar = grant(&person("Tim"), &[Role::Registrar]);
        registrar.scope = scope(&["*"], &["fraud/*"]);
        forge.add(&[&ada()], registrar);
        forge.add(&[&person("Tim")], register("v1"));
    }),
    refused(Kind::ModelPromoted, "approver_is_proposer", "nobody approves what they propose", |forge| {
        register_three(forge);
        forge.add(&[&ada()], grant(&second_key("Dan the deployer"), &[Role::Approver]));
        forge.add(&[&dan(), &second_key("Dan the deployer")], promote("v1", "staging", None));
    }),
    refused(Kind::ModelPromoted, "approver_twice", "approvals come from distinct people", |forge| {
        register_three(forge);
        forge.add(&[&ada()], grant(&second_key("Abe the approver"), &[Role::Approver]));
        let signers = [&dan(), &abe(), &second_key("Abe the approver")];
        forge.add(&signers, promote("v1", "staging", None));
    }),
    refused(Kind::KeyGranted, "approvals_missing", "the policy sets how many administrators sign", |forge| {
        found_by_two(forge);
        forge.add(&[&ada()], grant(&person("Tim"), &[Role::Deployer]));
    }),
    accepted(Kind::KeyGranted, "two administrators reach a threshold of two", |forge| {
        found_by_two(forge);
        forge.add(&[&ada(), &person("Eve")], grant(&person("Tim"), &[Role::Deployer]));
    }),
    refused(Kind::ModelPromoted, "approvals_missing", "the policy sets how many people sign", |forge| {
        found_with(forge, "signers.promote = 2\n[[environment]]\nname = 'staging'\n");
        forge.add(&[&ada()], grant(&dan(), &[Role::Deployer, Role::Registrar]));
        forge.add(&[&dan()], register("v1"));
        forge.add(&[&dan()], promote("v1", "staging", None));
    }),
    accepted(Kind::ModelPromoted, "an approver makes the second of two", |forge| {
        found_with(forge, "signers.promote = 2\n[[environment]]\nname = 'staging'\n");
        forge.add(&[&ada()], grant(&dan(), &[Role::Deployer, Role::Registrar]));
        forge.add(&[&ada()], grant(&abe(), &[Role::Approver]));
        forge.add(&[&dan()], register("v1"));
        forge.add(&[&dan(), &abe()], promote("v1", "staging", None));
    }),
    // Creation, keys and policy.
    refused(Kind::LedgerCreated, "administrators_must_sign", "every administrator named signs", |forge| {
        forge.add(&[&ada()], created(&[&ada(), &person("Eve")], forge.log_public()));
    }),
    refused(Kind::LedgerCreated, "administrators_must_sign", "nobody else signs the creation", |forge| {
        forge.add(&[&ada(), &person("Mallory")], created(&[&ada()], forge.log_public()));
    }),
    refused(Kind::LedgerCreated, "administrator_twice", "administrators are told apart by name", |forge| {
        let both = [&ada(), &second_key("Ada")];
        forge.add(&both, created(&both, forge.log_public()));
    }),
    Row {
        besides: &["trust.origin"],
        ..refused(Kind::LedgerCreated, "origin_unfit", "an origin can name a key", |forge| {
            let mut body = created(&[&ada()], forge.log_public());
            body.origin = name("example.com/our releases");
            forge.add(&[&ada()], body);
        })
    },
    refused(Kind::LedgerCreated, "policy_invalid", "the first policy reads", |forge| {
        let mut body = created(&[&ada()], forge.log_public());
        body.policy = policy("colour = 'red'");
        forge.add(&[&ada()], body);
    }),
    refused(Kind::PolicySet, "policy_invalid", "every later policy reads", |forge| {
        staff(forge);
        forge.add(&[&ada()], policy_set(policy("[[environment]]\nname = 'a'\nafter = ['b']"), 0));
    }),
    refused(Kind::LedgerCreated, "threshold_unreachable", "the first threshold can be met", |forge| {
        let mut body = created(&[&ada()], forge.log_public());
        body.policy = default_policy(2);
        forge.add(&[&ada()], body);
    }),
    refused(Kind::PolicySet, "threshold_unreachable", "every later threshold can be met", |forge| {
        staff(forge);
        forge.add(&[&ada()], policy_set(default_policy(2), 0));
    }),
    accepted(Kind::PolicySet, "a policy replaces the one in force", |forge| {
        staff(forge);
        forge.add(&[&ada()], policy_set(policy("[[environment]]\nname = 'live'\n"), 0));
    }),
    refused(Kind::PolicySet, "policy_superseded", "a policy replaces no other one", |forge| {
        staff(forge);
        forge.add(&[&ada()], policy_set(default_policy(1), 0));
        forge.add(&[&ada()], policy_set(default_policy(1), 0));
    }),
    refused(
        Kind::ModelPromoted,
        "policy_superseded",
        "a promotion under an old policy is signed again",
        |forge| {
            register_three(forge);
            forge.add(&[&ada()], policy_set(default_policy(1), 0));
            forge.add(&[&dan()], promote("v1", "staging", None));
        },
    ),
    accepted(Kind::KeyGranted, "an administrator grants a key", |forge| {
        forge.add(&[&ada()], created(&[&ada()], forge.log_public()));
        forge.add(&[&ada()], grant(&dan(), &[Role::Deployer]));
    }),
    accepted(Kind::KeyGranted, "a granted administrator grants in turn", |forge| {
        staff(forge);
        forge.add(&[&ada()], grant(&person("Eve"), &[Role::Admin]));
        forge.add(&[&person("Eve")], grant(&person("Tim"), &[Role::Auditor]));
    }),
    refused(Kind::KeyGranted, "key_unfit", "a key of small order is never granted", |forge| {
        staff(forge);
        let mut body = grant(&person("Tim"), &[Role::Deployer]);
        body.key = PublicKey::from_bytes([0; 32]);
        forge.add(&[&ada()], body);
    }),
    refused(Kind::KeyGranted, "key_is_log_key", "the log's key is never granted", |forge| {
        staff(forge);
        let mut body = grant(&person("Tim"), &[Role::Deployer]);
        body.key = forge.log_public();
        forge.add(&[&ada()], body);
    }),
    refused(Kind::KeyGranted, "key_was_revoked", "a revoked key is never granted again", |forge| {
        staff(forge);
        forge.add(&[&ada()], revoke(dan().public()));
        forge.add(&[&ada()], grant(&dan(), &[Role::Deployer]));
    }),
    refused(Kind::KeyRevoked, "key_was_revoked", "a key is revoked once", |forge| {
        staff(forge);
        forge.add(&[&ada()], revoke(dan().public()));
        forge.add(&[&ada()], revoke(dan().public()));
    }),
    refused(Kind::KeyGranted, "key_of_another", "a key belongs to one person", |forge| {
        staff(forge);
        let mut body = grant(&dan(), &[Role::Approver]);
        body.person = name("Tim");
        forge.add(&[&ada()], body);
    }),
    refused(Kind::KeyGranted, "roles_missing", "a grant names a role", |forge| {
        staff(forge);
        forge.add(&[&ada()], grant(&person("Tim"), &[]));
    }),
    refused(Kind::KeyGranted, "validity_empty", "a grant is valid some time", |forge| {
        staff(forge);
        let mut body = grant(&person("Tim"), &[Role::Deployer]);
        (body.valid_from, body.valid_until) = (Some(minute(9)), Some(minute(9)));
        forge.add(&[&ada()], body);
    }),
    refused(Kind::KeyGranted, "grants_too_many", "a key holds a bounded number of grants", |forge| {
        staff(forge);
        for _ in 0..=GRANTS_MAX {
            forge.add(&[&ada()], grant(&person("Tim"), &[Role::Deployer]));
        }
    }),
    accepted(Kind::KeyRevoked, "an administrator revokes a key", |forge| {
        staff(forge);
        forge.add(&[&ada()], revoke(dan().public()));
    }),
    refused(Kind::KeyRevoked, "key_unknown", "only a granted key is revoked", |forge| {
        staff(forge);
        forge.add(&[&ada()], revoke(person("Mallory").public()));
    }),
    refused(Kind::KeyRevoked, "too_few_administrators", "enough administrators remain", |forge| {
        staff(forge);
        forge.add(&[&ada()], revoke(ada().public()));
    }),
    refused(Kind::KeyRevoked, "entry_unknown", "a key was not compromised in the future", |forge| {
        staff(forge);
        let mut body = revoke(dan().public());
        body.compromised_since = Some(forge.size() + 1);
        forge.add(&[&ada()], body);
    }),
    // The log key.
    accepted(Kind::LogKeyRotated, "administrators replace the log key", |forge| {
        found_by_two(forge);
        forge.rotate(&[&ada(), &person("Eve")], &another_log_key(), RotationCause::Routine);
    }),
    refused(Kind::LogKeyRotated, "signer_lacks_role", "only administrators replace the log key", |forge| {
        staff(forge);
        forge.enter_rotation(&[&dan()], &another_log_key(), RotationCause::Routine);
        forge.seal();
    }),
    refused(
        Kind::LogKeyRotated,
        "approvals_missing",
        "the policy sets how many administrators replace it",
        |forge| {
            found_by_two(forge);
            forge.enter_rotation(&[&ada()], &another_log_key(), RotationCause::Lost);
            forge.seal();
        },
    ),
    refused(
        Kind::LogKeyRotated,
        "log_key_not_current",
        "what is replaced is the log key in force",
        |forge| {
            staff(forge);
            let first = forge.log_public();
            forge.rotate(&[&ada()], &another_log_key(), RotationCause::Routine);
            forge.add(&[&ada()], rotate(first, person("Tim").public(), RotationCause::Routine));
        },
    ),
    refused(Kind::LogKeyRotated, "log_key_used_before", "a log key does not come back", |forge| {
        staff(forge);
        let first = forge.log_key.clone();
        forge.rotate(&[&ada()], &another_log_key(), RotationCause::Routine);
        forge.enter_rotation(&[&ada()], &first, RotationCause::Routine);
        forge.seal();
    }),
    refused(Kind::LogKeyRotated, "log_key_is_persons", "a person's key never becomes the log's", |forge| {
        staff(forge);
        forge.add(&[&ada()], revoke(dan().public()));
        forge.add(&[&ada()], rotate(forge.log_public(), dan().public(), RotationCause::Routine));
    }),
    refused(Kind::LogKeyRotated, "key_unfit", "a log key of small order is never put in force", |forge| {
        staff(forge);
        let unfit = PublicKey::from_bytes([0; 32]);
        forge.add(&[&ada()], rotate(forge.log_public(), unfit, RotationCause::Routine));
    }),
    refused(Kind::LogKeyRotated, "entry_unknown", "a log key was not compromised in the future", |forge| {
        staff(forge);
        let tree_size = forge.size() + 2;
        let cause = RotationCause::CompromisedSince { tree_size };
        forge.enter_rotation(&[&ada()], &another_log_key(), cause);
        forge.seal();
    }),
    refused(Kind::KeyGranted, "key_is_log_key", "a log key of the past is never granted", |forge| {
        staff(forge);
        let mut body = grant(&person("Tim"), &[Role::Deployer]);
        body.key = forge.log_public();
        forge.rotate(&[&ada()], &another_log_key(), RotationCause::Routine);
        forge.add(&[&ada()], body);
    }),
    // Models.
    accepted(Kind::ModelRegistered, "a registrar registers a version", |forge| {
        staff(forge);
        forge.add(&[&rea()], register("v1"));
    }),
    refused(Kind::ModelRegistered, "version_exists", "a version is registered once", |forge| {
        register_three(forge);
        forge.add(&[&rea()], register("v1"));
    }),
    refused(
        Kind::ModelRegistered,
        "infra_inconsistent",
        "commit and tag are of one object format",
        |forge| {
            staff(forge);
            let mut body = register("v1");
            let tag = GitTag { name: name("v1"), object: Some(GitId::Sha256([1; 32])) };
            body.source = Some(rollbook::event::infra::InfraCommit { tag: Some(tag), ..infra() });
            forge.add(&[&rea()], body);
        },
    ),
    accepted(Kind::ModelRetired, "a registrar retires a version", |forge| {
        register_three(forge);
        forge.add(&[&rea()], retire("v1"));
    }),
    refused(Kind::ModelRetired, "version_retired", "a version is retired once", |forge| {
        register_three(forge);
        forge.add(&[&rea()], retire("v1"));
        forge.add(&[&rea()], retire("v1"));
    }),
    refused(Kind::ModelRetired, "model_unknown", "only a registered model is retired", |forge| {
        staff(forge);
        forge.add(&[&rea()], retire("v1"));
    }),
    refused(Kind::ModelPromoted, "version_unknown", "only a registered version is promoted", |forge| {
        register_three(forge);
        forge.add(&[&dan()], promote("v9", "staging", None));
    }),
    refused(Kind::ModelPromoted, "version_retired", "a retired version is not promoted", |forge| {
        register_three(forge);
        forge.add(&[&rea()], retire("v1"));
        forge.add(&[&dan()], promote("v1", "staging", None));
    }),
    refused(Kind::ModelPromoted, "digest_mismatch", "what is promoted is what was registered", |forge| {
        register_three(forge);
        let mut body = promote("v1", "staging", None);
        body.digest = digest("v2");
        forge.add(&[&dan()], body);
    }),
    // Promotions.
    accepted(Kind::ModelPromoted, "a deployer puts a version where nothing serves", |forge| {
        register_three(forge);
        forge.add(&[&dan()], promote("v1", "staging", None));
    }),
    accepted(Kind::ModelPromoted, "a digest goes on where it served before in order", |forge| {
        serve_two(forge);
        forge.add(&[&dan()], promote("v1", "production", None));
    }),
    refused(Kind::ModelPromoted, "order_not_met", "a digest serves first where the policy says", |forge| {
        serve_two(forge);
        forge.add(&[&dan()], promote("v3", "production", None));
    }),
    refused(Kind::ModelPromoted, "order_not_met", "a promotion that failed did not serve", |forge| {
        serve_two(forge);
        forge.add(&[&dan()], complete(9, ChangeOutcome::Failed));
        forge.add(&[&dan()], promote("v2", "production", None));
    }),
    refused(Kind::ModelPromoted, "environment_unknown", "the policy names the environments", |forge| {
        register_three(forge);
        forge.add(&[&dan()], promote("v1", "moon", None));
    }),
    refused(
        Kind::ModelPromoted,
        "infra_inconsistent",
        "the infra tag is of the commit's object format",
        |forge| {
            register_three(forge);
            let mut body = promote("v1", "staging", None);
            body.infra.tag = Some(GitTag { name: name("rel"), object: Some(GitId::Sha256([1; 32])) });
            forge.add(&[&dan()], body);
        },
    ),
    refused(Kind::ModelPromoted, "entry_unknown", "evidence stands before what it speaks for", |forge| {
        register_three(forge);
        let mut body = promote("v1", "staging", None);
        body.evidence = Ascending::new(vec![8]).unwrap();
        forge.add(&[&dan()], body);
    }),
    refused(Kind::ModelPromoted, "from_mismatch", "`from` is what serves", |forge| {
        serve_two(forge);
        forge.add(&[&dan()], promote("v3", "staging", Some(serving("v1", 8))));
    }),
    refused(Kind::ModelPromoted, "from_mismatch", "`from` is the entry that put it there", |forge| {
        serve_two(forge);
        forge.add(&[&dan()], promote("v3", "staging", Some(serving("v2", 8))));
    }),
    refused(Kind::ModelPromoted, "already_serving", "what serves is not promoted again", |forge| {
        serve_two(forge);
        forge.add(&[&dan()], promote("v2", "staging", Some(serving("v2", 9))));
    }),
    // Rollbacks.
    accepted(Kind::ModelRolledBack, "a responder goes back to what served before", |forge| {
        serve_two(forge);
        forge.add(&[&rita()], roll_back("staging", serving("v2", 9), "v1"));
    }),
    accepted(Kind::ModelRolledBack, "a rollback may skip versions", |forge| {
        serve_two(forge);
        forge.add(&[&dan()], promote("v3", "staging", Some(serving("v2", 9))));
        forge.add(&[&dan()], roll_back("staging", serving("v3", 10), "v1"));
    }),
    refused(
        Kind::ModelRolledBack,
        "nothing_serves",
        "where nothing serves nothing is rolled back",
        |forge| {
            register_three(forge);
            forge.add(&[&dan()], roll_back("staging", serving("v2", 9), "v1"));
        },
    ),
    refused(Kind::ModelRolledBack, "environment_unknown", "nothing is rolled back nowhere", |forge| {
        serve_two(forge);
        forge.add(&[&dan()], roll_back("moon", serving("v2", 9), "v1"));
    }),
    refused(Kind::ModelRolledBack, "from_mismatch", "a rollback leaves what serves", |forge| {
        serve_two(forge);
        forge.add(&[&dan()], roll_back("staging", serving("v1", 8), "v1"));
    }),
    refused(
        Kind::ModelRolledBack,
        "rollback_target_never_live",
        "a rollback goes to what served there",
        |forge| {
            serve_two(forge);
            forge.add(&[&dan()], roll_back("staging", serving("v2", 9), "v3"));
        },
    ),
    refused(
        Kind::ModelRolledBack,
        "rollback_target_withdrawn",
        "what was rolled back from returns by promotion only",
        |forge| {
            serve_two(forge);
            forge.add(&[&dan()], promote("v3", "staging", Some(serving("v2", 9))));
            forge.add(&[&dan()], roll_back("staging", serving("v3", 10), "v1"));
            forge.add(&[&dan()], promote("v3", "staging", Some(serving("v1", 11))));
            forge.add(&[&dan()], roll_back("staging", serving("v3", 12), "v2"));
        },
    ),
    refused(Kind::ModelRolledBack, "rollback_target_serves", "a rollback goes to another version", |forge| {
        serve_two(forge);
        forge.add(&[&dan()], roll_back("staging", serving("v2", 9), "v2"));
    }),
    refused(Kind::ModelRolledBack, "version_retired", "a retired version is no target", |forge| {
        serve_two(forge);
        forge.add(&[&rea()], retire("v1"));
        forge.add(&[&dan()], roll_back("staging", serving("v2", 9), "v1"));
    }),
    refused(Kind::ModelRolledBack, "digest_mismatch", "the target is what was registered", |forge| {
        serve_two(forge);
        let mut body = roll_back("staging", serving("v2", 9), "v1");
        body.to_digest = digest("v3");
        forge.add(&[&dan()], body);
    }),
    refused(
        Kind::ModelRolledBack,
        "break_glass_not_allowed",
        "break-glass needs a policy that allows it",
        |forge| {
            serve_two(forge);
            let mut body = roll_back("staging", serving("v2", 9), "v1");
            body.break_glass = true;
            forge.add(&[&rita()], body);
        },
    ),
    // Withdrawals.
    accepted(Kind::ModelWithdrawn, "a model is taken out", |forge| {
        serve_two(forge);
        forge.add(&[&rita()], withdraw("staging", serving("v2", 9)));
    }),
    accepted(Kind::ModelWithdrawn, "what serves is taken out of an environment no policy names", |forge| {
        serve_two(forge);
        forge.add(&[&ada()], policy_set(policy("[[environment]]\nname = 'live'\n"), 0));
        let mut body = withdraw("staging", serving("v2", 9));
        body.policy_entry = 10;
        forge.add(&[&rita()], body);
    }),
    refused(Kind::ModelWithdrawn, "environment_unknown", "nothing is taken out of nowhere", |forge| {
        serve_two(forge);
        forge.add(&[&rita()], withdraw("moon", serving("v2", 9)));
    }),
    refused(Kind::ModelWithdrawn, "nothing_serves", "a model is taken out once", |forge| {
        serve_two(forge);
        forge.add(&[&dan()], withdraw("staging", serving("v2", 9)));
        forge.add(&[&dan()], withdraw("staging", serving("v2", 9)));
    }),
    refused(Kind::ModelRolledBack, "nothing_serves", "a withdrawal is not rolled back", |forge| {
        serve_two(forge);
        forge.add(&[&dan()], withdraw("staging", serving("v2", 9)));
        forge.add(&[&dan()], roll_back("staging", serving("v2", 9), "v1"));
    }),
    // Completion.
    accepted(Kind::ChangeCompleted, "a change succeeded", |forge| {
        serve_two(forge);
        forge.add(&[&dan()], complete(9, ChangeOutcome::Succeeded));
    }),
    accepted(Kind::ChangeCompleted, "an older change succeeded", |forge| {
        serve_two(forge);
        forge.add(&[&dan()], complete(8, ChangeOutcome::Succeeded));
    }),
    accepted(Kind::ModelPromoted, "a failed change puts back what served before", |forge| {
        serve_two(forge);
        forge.add(&[&dan()], complete(9, ChangeOutcome::Failed));
        forge.add(&[&dan()], promote("v3", "staging", Some(serving("v1", 8))));
    }),
    accepted(Kind::ModelWithdrawn, "a withdrawal called off puts back what served", |forge| {
        serve_two(forge);
        forge.add(&[&dan()], withdraw("staging", serving("v2", 9)));
        forge.add(&[&dan()], complete(10, ChangeOutcome::Aborted));
        forge.add(&[&dan()], withdraw("staging", serving("v2", 9)));
    }),
    refused(Kind::ChangeCompleted, "change_superseded", "only the newest change can have failed", |forge| {
        serve_two(forge);
        forge.add(&[&dan()], complete(8, ChangeOutcome::Failed));
    }),
    refused(Kind::ChangeCompleted, "change_unknown", "a change completes once", |forge| {
        serve_two(forge);
        forge.add(&[&dan()], complete(9, ChangeOutcome::Succeeded));
        forge.add(&[&dan()], complete(9, ChangeOutcome::Succeeded));
    }),
    refused(Kind::ChangeCompleted, "change_unknown", "only a change completes", |forge| {
        serve_two(forge);
        forge.add(&[&dan()], complete(5, ChangeOutcome::Succeeded));
    }),
    // Notes.
    accepted(Kind::NoteAdded, "anyone granted adds a note", |forge| {
        staff(forge);
        forge.add(&[&abe()], note(4));
    }),
    accepted(Kind::NoteAdded, "an auditor attests the log so far", |forge| {
        staff(forge);
        let (tree_size, root) = (forge.size(), forge.root());
        let mut body = note(0);
        body.subject = NoteSubject::Log { tree_size, root, verdict: AttestedVerdict::Sound };
        forge.add(&[&ada()], body);
    }),
    refused(Kind::NoteAdded, "entry_unknown", "a note is about an entry before it", |forge| {
        staff(forge);
        forge.add(&[&ada()], note(5));
    }),
    refused(Kind::NoteAdded, "entry_unknown", "nobody attests a log that isn't there yet", |forge| {
        staff(forge);
        let mut body = note(0);
        let (tree_size, root) = (forge.size() + 1, forge.root());
        body.subject = NoteSubject::Log { tree_size, root, verdict: AttestedVerdict::Sound };
        forge.add(&[&ada()], body);
    }),
];

/// Every row, in the order of docs/lifecycle.md.
pub(crate) fn rows() -> impl Iterator<Item = &'static Row> {
    ROWS.iter().chain(crate::rule_rows_of_evidence::ROWS).chain(crate::rule_rows_of_git::ROWS)
}

/// What `apply` says to each event in turn.
fn apply_all(forge: &Forge) -> Vec<Result<(), Refusal>> {
    let mut state = State::<NoSource>::default();
    let judge = |(index, entered): (u64, &crate::support::forge::Entered)| {
        let submission = Submission {
            git: GitEvidence::Look,
            index,
            leaf_hash: entered.leaf_hash,
            recorded_at: entered.recorded_at,
            event: &entered.event,
            signers: &entered.signers,
        };
        match apply(&mut state, &submission) {
            Ok(changes) => {
                state.commit(changes, entered.recorded_at);
                Ok(())
            }
            Err(ApplyError::Refused(refusal)) => Err(refusal),
            Err(ApplyError::Source(never)) => match never {},
        }
    };
    (0..).zip(&forge.entered).map(judge).collect()
}

#[test]
fn apply_says_what_each_row_says() {
    for row in rows() {
        let mut forge = Forge::new();
        (row.history)(&mut forge);
        let answers = apply_all(&forge);
        let (last, before) = answers.split_last().unwrap();
        for (index, answer) in before.iter().enumerate() {
            assert_eq!(*answer, Ok(()), "{}: entry {index}", row.says);
        }
        assert_eq!(last.as_ref().err().map(Refusal::code), row.refused, "{}: {last:?}", row.says);
        assert_eq!(forge.entered.last().unwrap().event.kind(), row.kind, "{}", row.says);
    }
}

#[test]
fn the_verifier_finds_what_each_row_refuses() {
    for row in rows() {
        let mut forge = Forge::new();
        (row.history)(&mut forge);
        let report = forge.verify();
        let Some(code) = row.refused else {
            let besides: Vec<String> = row.besides.iter().map(|&code| code.to_owned()).collect();
            assert_eq!((codes(&report), report.verdict.exit_code()), (besides, 0), "{}", row.says);
            continue;
        };
        let mut expected: Vec<String> = row.besides.iter().map(|&code| code.to_owned()).collect();
        expected.push(format!("rule.{code}"));
        assert_eq!(codes(&report), expected, "{}", row.says);
        let finding = report.findings.iter().find(|of| of.code() == expected[expected.len() - 1]).unwrap();
        assert_eq!(finding.index(), Some(forge.size() - 1), "{}", row.says);
        // What a later program may accept is no violation.
        let (class, exit) = if code == "rules_unknown" { (Class::Unclear, 5) } else { (Class::Violation, 1) };
        assert_eq!((finding.class(), report.verdict.exit_code()), (class, exit), "{}", row.says);
    }
}

#[test]
fn rows_cover_every_refusal_and_every_kind_that_is_accepted() {
    let refused: BTreeSet<&str> = rows().filter_map(|row| row.refused).collect();
    assert_eq!(refused, Refusal::CODES.iter().copied().collect());
    let accepted: BTreeSet<Kind> = rows().filter(|row| row.refused.is_none()).map(|row| row.kind).collect();
    assert_eq!(accepted, Kind::ALL.iter().copied().collect());
    let facts: BTreeSet<&str> = rows().map(|row| row.says).collect();
    assert_eq!(facts.len(), rows().count(), "each row shows a fact of its own");
}

#[test]
fn the_documented_table_is_these_rows() {
    let doc = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/lifecycle.md")).unwrap();
    assert!(doc.contains(default_policy(1).text.as_str()), "docs/lifecycle.md shows the default policy");
    let (_, table) = doc.split_once("## Every rule").unwrap();
    let documented: Vec<&str> = table.lines().filter(|line| line.starts_with("| `")).collect();
    let row = |row: &Row| {
        let outcome = row.refused.map_or("accepted".to_owned(), |code| format!("`{code}`"));
        format!("| `{}` | {} | {outcome} |", row.kind, row.says)
    };
    let expected: Vec<String> = rows().map(row).collect();
    assert_eq!(documented, expected, "docs/lifecycle.md must hold:\n{}", expected.join("\n"));
}
