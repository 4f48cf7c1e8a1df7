//! A ledger in which every kind of event stands: some sixty entries in batches of one to nine, in three log files, under a
//! policy that asks for approvals, with a break-glass rollback, an attachment that is redacted, and a log key that rotates.

use ed25519_dalek::SigningKey;
use rollbook::event::authority::{Role, RotationCause};
use rollbook::event::body::Body;
use rollbook::event::header::Attachment;
use rollbook::event::list::Ascending;
use rollbook::event::model::EvaluationKind;
use rollbook::event::release::{ChangeOutcome, ModelPromoted, ModelRolledBack};
use rollbook::hash::Hash;

use super::events::*;
use super::forge::Forge;

/// Somebody approves what another proposes, and a responder may break the glass.
const POLICY: &str = "[[environment]]
name = 'production'
[environment.promote]
approvals = 1
evaluations = [{ kind = 'fairness', max_age = '30d' }]
[environment.rollback]
approvals = 1
incident = true
[environment.rollback.break_glass]
roles = ['responder']
ratify_within = '12h'
";

/// What the redacted attachment was.
pub(crate) const REDACTED: &[u8] = b"Jane Doe was refused a loan.\n";

pub(crate) fn eve() -> Person {
    person("Eve")
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

pub(crate) fn eva() -> Person {
    person("Eva the evaluator")
}

pub(crate) fn mo() -> Person {
    person("Mo the auditor")
}

/// The log key from the rotation on.
pub(crate) fn second_log_key() -> SigningKey {
    SigningKey::from_bytes(&[2; 32])
}

/// The whole ledger: sound under its own trust root.
pub(crate) fn every_kind() -> Forge {
    let mut forge = ready_to_release();
    release(&mut forge);
    roll_back_and_account(&mut forge);
    rule_otherwise(&mut forge);
    go_on(&mut forge);
    forge
}

/// The first fourteen entries of [`every_kind`]: behind them Dan promotes v1, and Abe approves.
pub(crate) fn ready_to_release() -> Forge {
    let mut forge = Forge::new();
    found(&mut forge);
    evaluate_both(&mut forge);
    forge
}

/// Enters an event in the open batch.
fn enter(forge: &mut Forge, signers: &[&Person], body: impl Into<Body>) -> u64 {
    forge.enter_event(forge.event(signers[0], body), signers)
}

/// Entries 0 to 10: two administrators, seven keys, three versions.
fn found(forge: &mut Forge) {
    let mut body = created(&[&ada(), &eve()], forge.log_public());
    body.policy = policy_2(POLICY);
    forge.add(&[&ada(), &eve()], body);
    let staff = [
        (rea(), Role::Registrar),
        (dan(), Role::Deployer),
        (abe(), Role::Approver),
        (rita(), Role::Responder),
        (eva(), Role::Evaluator),
        (mo(), Role::Auditor),
        (person("Tim"), Role::Registrar),
    ];
    for (person, role) in staff {
        enter(forge, &[&ada()], grant(&person, &[role]));
    }
    forge.seal();
    for version in ["v1", "v2", "v3"] {
        enter(forge, &[&rea()], register(version));
    }
    forge.seal();
}

/// Entries 11 to 13.
fn evaluate_both(forge: &mut Forge) {
    enter(forge, &[&eva()], fairness("v1", 0.03));
    enter(forge, &[&eva()], fairness("v2", 0.05));
    enter(forge, &[&eva()], shadow("v1"));
    forge.seal();
}

/// Entries 14 to 17: v1, then v2 (entry 16) put in production.
fn release(forge: &mut Forge) {
    forge.add(&[&dan(), &abe()], promote("v1", "production", None));
    forge.add(&[&dan()], complete(14, ChangeOutcome::Succeeded));
    enter(forge, &[&dan(), &abe()], promote("v2", "production", Some(serving("v1", 14))));
    enter(forge, &[&dan()], complete(16, ChangeOutcome::Succeeded));
    forge.seal();
}

/// Entries 18 to 24: drift, an incident, the glass broken for it (entry 20) and ratified; nothing serves then.
fn roll_back_and_account(forge: &mut Forge) {
    enter(forge, &[&eva()], drift("production"));
    enter(forge, &[&rita()], incident("INC-7", "production"));
    forge.seal();
    let back = ModelRolledBack {
        break_glass: true,
        incident: Some(name("INC-7")),
        ..roll_back("production", serving("v2", 16), "v1")
    };
    forge.add(&[&rita()], back);
    enter(forge, &[&rita()], complete(20, ChangeOutcome::Succeeded));
    enter(forge, &[&rita()], resolved("INC-7"));
    enter(forge, &[&abe()], ratify(20));
    enter(forge, &[&dan(), &abe()], withdraw("production", serving("v1", 20)));
    forge.seal();
}

/// Entries 25 to 30: a key revoked, a version retired, another policy (entry 27), an attachment redacted, another log key.
fn rule_otherwise(forge: &mut Forge) {
    enter(forge, &[&ada()], revoke(person("Tim").public()));
    enter(forge, &[&rea()], retire("v3"));
    enter(forge, &[&ada()], policy_set(policy_2("[[environment]]\nname = 'production'\n"), 0));
    forge.seal();
    let mut letter = forge.event(&ada(), note(24));
    letter.header.attachments = Ascending::new(vec![Attachment {
        digest: Hash::of(REDACTED),
        size: REDACTED.len() as u64,
        private: false,
        media_type: name("text/plain"),
        name: name("letter.txt"),
    }])
    .unwrap();
    forge.add_event(letter, &[&ada()]);
    forge.add(&[&ada()], redact(Hash::of(REDACTED)));
    forge.rotate(&[&ada()], &second_log_key(), RotationCause::Routine);
}

/// Entries 31 to 60, under the second log key: v4 and v5 go through all of it again, and are looked at.
fn go_on(forge: &mut Forge) {
    for version in ["v4", "v5"] {
        enter(forge, &[&rea()], register(version));
        enter(
            forge,
            &[&eva()],
            evaluate(version, EvaluationKind::Regression, vec![metric("error", 0.2, None)]),
        );
    }
    forge.seal();
    let mut serves = None;
    for version in ["v4", "v5"] {
        let promoted = ModelPromoted { policy_entry: 27, ..promote(version, "production", serves.take()) };
        let entry = enter(forge, &[&dan()], promoted);
        serves = Some(serving(version, entry));
        enter(forge, &[&dan()], complete(entry, ChangeOutcome::Succeeded));
        forge.seal();
    }
    for size in [1, 2, 5, 9] {
        for _ in 0..size {
            let subject = forge.size() - 20;
            enter(forge, &[&mo()], note(subject));
        }
        forge.seal();
    }
    while forge.size() < 61 {
        let subject = forge.size() - 30;
        forge.add(&[&eve()], note(subject));
    }
}

/// The batches, from 0, with which log files begin, and their first entries.
const FILES_BEGIN: [(usize, u64); 3] = [(0, 0), (4, 14), (13, 30)];

/// These frames, as many as [`every_kind`] has or the first of them, as the bytes of up to three log files, by first
/// index. What the frames say need not be so.
pub(crate) fn three_files(frames: &[Vec<u8>]) -> Vec<(u64, Vec<u8>)> {
    let ends = FILES_BEGIN.into_iter().skip(1).map(|(batch, _)| batch).chain([usize::MAX]);
    let files = FILES_BEGIN.into_iter().zip(ends).filter(|((begin, _), _)| *begin < frames.len());
    files.map(|((begin, first), end)| (first, frames[begin..end.min(frames.len())].concat())).collect()
}
