//! Rotations of the log's key as the verifier sees them: lawful ones, and attacks around them, each with the exact
//! findings and exit code that it ends in.

use ed25519_dalek::SigningKey;
use rollbook::event::authority::{Role, RotationCause};
use rollbook::log::trust_root::TrustRoot;
use rollbook::note::checkpoint::{Checkpoint, sign_checkpoint};
use rollbook::store::head::HeadState;
use rollbook::verifier::finding::Class;
use rollbook::verifier::log_keys::Unvouched;
use rollbook::verifier::report::{Anchored, CheckpointOutcome, Report, render};
use rollbook::verifier::verify::{EarlierCheckpoint, Options};

use crate::support::events::*;
use crate::support::forge::{Forge, codes, log_of, public, quick, verify_log};

use RotationCause::{CompromisedSince, Lost, Routine};

/// A log and all that is held against it.
struct Case {
    frames: Vec<Vec<u8>>,
    head: HeadState,
    trust: TrustRoot,
    checkpoints: Vec<Vec<u8>>,
}

impl Case {
    fn of(forge: &Forge) -> Self {
        Self {
            frames: forge.frames().to_vec(),
            head: forge.head(),
            trust: forge.trust(),
            checkpoints: Vec::new(),
        }
    }

    fn keeping(self, note: &[u8]) -> Self {
        let mut checkpoints = self.checkpoints;
        checkpoints.push(note.to_vec());
        Self { checkpoints, ..self }
    }

    /// With the trust root that is handed out after a rotation to `key`.
    fn pinning(self, key: &SigningKey) -> Self {
        Self { trust: self.trust.with_latest_log_key(public(key)).unwrap(), ..self }
    }

    fn verify(&self) -> Report {
        let kept: Vec<EarlierCheckpoint> =
            self.checkpoints.iter().map(|note| EarlierCheckpoint::parse("kept", note).unwrap()).collect();
        let options = Options { trust: Some(&self.trust), checkpoints: &kept, ..quick() };
        verify_log(&log_of(&self.frames), self.head.clone(), &options)
    }
}

/// The second and third log key, and a thief's or stranger's.
fn second() -> SigningKey {
    SigningKey::from_bytes(&[2; 32])
}

fn third() -> SigningKey {
    SigningKey::from_bytes(&[3; 32])
}

fn strangers() -> SigningKey {
    SigningKey::from_bytes(&[66; 32])
}

/// Three entries: founded, and two notes.
fn three() -> Forge {
    let mut forge = Forge::founded();
    forge.add(&[&ada()], note(0));
    forge.add(&[&ada()], note(0));
    forge
}

/// [`three`]; the rotation in entry 3; a note in entry 4.
fn rotated(cause: RotationCause) -> Forge {
    let mut forge = three();
    forge.rotate(&[&ada()], &second(), cause);
    forge.add(&[&ada()], note(0));
    forge
}

/// [`three`] and a rotation whose boundary checkpoint `keys` sign; then a note that `then` signs.
fn with_boundary(cause: RotationCause, keys: &[SigningKey], then: &SigningKey) -> Forge {
    let mut forge = three();
    forge.enter_rotation(&[&ada()], &second(), cause);
    forge.seal_with(|seal| seal.keys = keys.to_vec());
    forge.take_log_key(then);
    forge.add(&[&ada()], note(0));
    forge
}

/// A checkpoint note of the log as it is, signed by `key`.
fn checkpoint_by(forge: &Forge, key: &SigningKey) -> Vec<u8> {
    let checkpoint = Checkpoint::new(forge.origin.clone(), forge.size(), forge.root());
    sign_checkpoint(&checkpoint, &[key]).unwrap()
}

/// The first log key.
fn first() -> SigningKey {
    Forge::new().log_key
}

/// What is judged, what it makes the verifier find, and the exit code.
struct Row {
    says: &'static str,
    exit: u8,
    finds: &'static [&'static str],
    case: fn() -> Case,
}

const fn row(says: &'static str, exit: u8, finds: &'static [&'static str], case: fn() -> Case) -> Row {
    Row { says, exit, finds, case }
}

const ROWS: &[Row] = &[
    // Lawful rotations.
    row("a routine rotation", 0, &[], || Case::of(&rotated(Routine))),
    row("the log ends with a routine rotation", 0, &[], || {
        let mut forge = three();
        forge.rotate(&[&ada()], &second(), Routine);
        Case::of(&forge)
    }),
    row("two routine rotations, one after the other", 0, &[], || {
        let mut forge = three();
        forge.rotate(&[&ada()], &second(), Routine);
        forge.rotate(&[&ada()], &third(), Routine);
        forge.add(&[&ada()], note(0));
        Case::of(&forge)
    }),
    row("two routine rotations, and the newer key is pinned", 0, &[], || {
        let mut forge = rotated(Routine);
        forge.rotate(&[&ada()], &third(), Routine);
        Case::of(&forge).pinning(&third())
    }),
    row("a checkpoint that was kept before a routine rotation", 0, &[], || {
        Case::of(&rotated(Routine)).keeping(three().newest_note())
    }),
    row("the boundary checkpoint was kept, and bears both signatures", 0, &[], || {
        let mut forge = three();
        forge.rotate(&[&ada()], &second(), Routine);
        Case::of(&rotated(Routine)).keeping(forge.newest_note())
    }),
    row("the boundary checkpoint was kept with the old signature alone", 0, &[], || {
        let mut forge = three();
        forge.rotate(&[&ada()], &second(), Routine);
        Case::of(&rotated(Routine)).keeping(&checkpoint_by(&forge, &first()))
    }),
    row("a lost key, and nothing from outside covers its replacement", 4, &[], || Case::of(&rotated(Lost))),
    row("a lost key, and a checkpoint from before", 4, &[], || {
        Case::of(&rotated(Lost)).keeping(three().newest_note())
    }),
    row("a lost key, and a checkpoint that covers its replacement", 0, &[], || {
        let forge = rotated(Lost);
        Case::of(&forge).keeping(forge.newest_note())
    }),
    row("a lost key, and the boundary checkpoint itself", 0, &[], || {
        let mut forge = three();
        forge.rotate(&[&ada()], &second(), Lost);
        Case::of(&rotated(Lost)).keeping(forge.newest_note())
    }),
    row("a lost key, and the new one is pinned", 0, &[], || Case::of(&rotated(Lost)).pinning(&second())),
    row("a lost key, and a still newer one is pinned", 0, &[], || {
        let mut forge = rotated(Lost);
        forge.rotate(&[&ada()], &third(), Routine);
        Case::of(&forge).pinning(&third())
    }),
    row("the key that is pinned was lost in turn", 4, &[], || {
        let mut forge = rotated(Routine);
        forge.rotate(&[&ada()], &third(), Lost);
        Case::of(&forge).pinning(&second())
    }),
    row("a compromised key, and nothing covers its replacement", 4, &[], || {
        Case::of(&rotated(CompromisedSince { tree_size: 3 }))
    }),
    row("a compromised key, and the new one is pinned", 0, &[], || {
        Case::of(&rotated(CompromisedSince { tree_size: 3 })).pinning(&second())
    }),
    row("a compromised key, and a checkpoint by the new one", 0, &[], || {
        let forge = rotated(CompromisedSince { tree_size: 3 });
        Case::of(&forge).keeping(forge.newest_note())
    }),
    row("a checkpoint by the key before it was compromised", 0, &[], || {
        Case::of(&rotated(CompromisedSince { tree_size: 4 }))
            .pinning(&second())
            .keeping(three().newest_note())
    }),
    row(
        "a checkpoint by the key when it was compromised, which the log extends",
        0,
        &["anchor.untrusted"],
        || {
            Case::of(&rotated(CompromisedSince { tree_size: 3 }))
                .pinning(&second())
                .keeping(three().newest_note())
        },
    ),
    row("such a checkpoint alone roots nothing", 4, &["anchor.untrusted"], || {
        let forge = rotated(CompromisedSince { tree_size: 3 });
        Case::of(&forge).keeping(&checkpoint_by(&forge, &first()))
    }),
    // What the boundary checkpoint bears.
    row("the old key has not signed the boundary", 1, &["checkpoint.signature"], || {
        Case::of(&with_boundary(Routine, &[second()], &second()))
    }),
    row("the new key has not signed the boundary", 1, &["checkpoint.signature"], || {
        Case::of(&with_boundary(Routine, &[first()], &second()))
    }),
    row("neither has signed the boundary", 1, &["checkpoint.signature", "checkpoint.signature"], || {
        Case::of(&with_boundary(Routine, &[strangers()], &second()))
    }),
    row("the boundary's signatures are out of order", 1, &["checkpoint.not_canonical"], || {
        Case::of(&with_boundary(Routine, &[second(), first()], &second()))
    }),
    row("the boundary bears a third signature", 1, &["checkpoint.extra_signature"], || {
        Case::of(&with_boundary(Routine, &[first(), second(), strangers()], &second()))
    }),
    row("a stranger signs in the old key's place", 1, &["checkpoint.signature"], || {
        Case::of(&with_boundary(Routine, &[strangers(), second()], &second()))
    }),
    row("the old key signs where it was lost", 1, &["checkpoint.extra_signature"], || {
        Case::of(&with_boundary(Lost, &[first(), second()], &second())).pinning(&second())
    }),
    row("a thief signs the boundary with the stolen key alone", 1, &["checkpoint.signature"], || {
        let cause = CompromisedSince { tree_size: 3 };
        Case::of(&with_boundary(cause, &[first()], &second())).pinning(&second())
    }),
    // What later checkpoints bear.
    row(
        "the old key goes on signing after a routine rotation",
        1,
        &["head.disagrees", "checkpoint.signature"],
        || Case::of(&with_boundary(Routine, &[first(), second()], &first())),
    ),
    row("the old key signs beside the new one", 1, &["checkpoint.extra_signature"], || {
        let mut forge = rotated(Routine);
        forge.enter_event(forge.event(&ada(), note(0)), &[&ada()]);
        forge.seal_with(|seal| seal.keys = vec![first(), second()]);
        Case::of(&forge)
    }),
    row("the new key signs before the rotation", 1, &["checkpoint.signature"], || {
        let mut forge = three();
        forge.enter_event(forge.event(&ada(), note(0)), &[&ada()]);
        forge.seal_with(|seal| seal.keys = vec![second()]);
        forge.rotate(&[&ada()], &second(), Routine);
        Case::of(&forge)
    }),
    // Who rotates, and where.
    row(
        "somebody without the role replaces the key",
        1,
        &["head.disagrees", "checkpoint.signature", "rule.signer_lacks_role", "checkpoint.signature"],
        || {
            let mut forge = Forge::founded();
            forge.add(&[&ada()], grant(&person("Dan"), &[Role::Deployer]));
            forge.rotate(&[&person("Dan")], &second(), Lost);
            forge.add(&[&ada()], note(0));
            Case::of(&forge)
        },
    ),
    row(
        "a thief who holds the log key replaces it, routinely, without an administrator",
        1,
        &["head.disagrees", "checkpoint.extra_signature", "rule.signer_unknown", "checkpoint.signature"],
        || {
            let mut forge = three();
            forge.rotate(&[&person("Mallory")], &strangers(), Routine);
            forge.add(&[&ada()], note(0));
            Case::of(&forge)
        },
    ),
    row("a rotation shares its batch", 1, &["log_key.boundary"], || {
        let mut forge = three();
        forge.enter_rotation(&[&ada()], &second(), Routine);
        forge.enter_event(forge.event(&ada(), note(0)), &[&ada()]);
        forge.seal_with(|seal| seal.keys = vec![first(), second()]);
        forge.take_log_key(&second());
        forge.add(&[&ada()], note(0));
        Case::of(&forge)
    }),
    row(
        "a rotation shares its batch, and the old key has not signed",
        1,
        &["log_key.boundary", "checkpoint.signature"],
        || {
            let mut forge = three();
            forge.enter_rotation(&[&ada()], &second(), Routine);
            forge.enter_event(forge.event(&ada(), note(0)), &[&ada()]);
            forge.take_log_key(&second());
            forge.seal();
            Case::of(&forge)
        },
    ),
    row(
        "a rotation shared its batch, and administrators have accepted that",
        0,
        &["log_key.boundary"],
        || {
            let mut forge = three();
            forge.enter_rotation(&[&ada()], &second(), Routine);
            forge.enter_event(forge.event(&ada(), note(0)), &[&ada()]);
            forge.seal_with(|seal| seal.keys = vec![first(), second()]);
            forge.take_log_key(&second());
            forge.add(&[&ada()], accept(3, &["log_key.boundary"]));
            Case::of(&forge)
        },
    ),
    row("two rotations share a batch", 1, &["log_key.boundary", "log_key.boundary"], || {
        let mut forge = three();
        forge.enter_rotation(&[&ada()], &second(), Routine);
        forge.take_log_key(&second());
        forge.enter_rotation(&[&ada()], &third(), Routine);
        forge.seal_with(|seal| seal.keys = vec![first(), second(), third()]);
        forge.take_log_key(&third());
        forge.add(&[&ada()], note(0));
        Case::of(&forge)
    }),
    // A stolen key. The thief has no administrator's key, and goes on where the rotation stands in the true log.
    row("a fork by the stolen key, and the auditor pins the first key alone", 0, &[], || Case::of(&fork())),
    row("a fork by the stolen key, and the auditor pins the new one", 1, &["trust.latest_log_key"], || {
        Case::of(&fork()).pinning(&second())
    }),
    row(
        "a fork by the stolen key, and the auditor kept a checkpoint from after the rotation",
        1,
        &["anchor.signature"],
        || Case::of(&fork()).keeping(rotated(CompromisedSince { tree_size: 4 }).newest_note()),
    ),
    row("the true log, and a checkpoint of the thief's fork", 5, &["anchor.contested"], || {
        Case::of(&rotated(CompromisedSince { tree_size: 4 })).pinning(&second()).keeping(fork().newest_note())
    }),
    row(
        "the true log after a routine rotation, and a checkpoint that the old key signed later",
        1,
        &["anchor.signature"],
        || Case::of(&rotated(Routine)).keeping(fork().newest_note()),
    ),
    row(
        "the true log after a lost key, and a checkpoint that the lost key signed later",
        1,
        &["anchor.signature"],
        || Case::of(&rotated(Lost)).pinning(&second()).keeping(fork().newest_note()),
    ),
    row("the stolen key rewrites what came before, and nobody kept a checkpoint", 0, &[], || {
        Case::of(&rewritten())
    }),
    row(
        "the stolen key rewrites what came before, and somebody kept a checkpoint",
        1,
        &["anchor.root"],
        || Case::of(&rewritten()).keeping(three().newest_note()),
    ),
    row(
        "history is rewritten by a key that is then called compromised since before the checkpoint that was kept",
        5,
        &["anchor.contested"],
        || {
            let mut forge = rewritten();
            forge.rotate(&[&ada()], &second(), CompromisedSince { tree_size: 2 });
            Case::of(&forge).pinning(&second()).keeping(three().newest_note())
        },
    ),
    // The trust root.
    row("the pinned key is none that the log came to", 1, &["trust.latest_log_key"], || {
        Case::of(&rotated(Routine)).pinning(&strangers())
    }),
    row("the first key is pinned as the latest, too", 0, &[], || {
        Case::of(&rotated(Routine)).pinning(&first())
    }),
    row(
        "an old copy of the log under a trust root from after the rotation",
        1,
        &["trust.latest_log_key"],
        || Case::of(&three()).pinning(&second()),
    ),
];

/// [`three`], and two more notes by the first log key: what a thief makes of a log that was rotated in entry 3.
fn fork() -> Forge {
    let mut forge = three();
    forge.add(&[&ada()], note(1));
    forge.add(&[&ada()], note(1));
    forge
}

/// [`three`] with another entry 1, under the first log key.
fn rewritten() -> Forge {
    let mut forge = Forge::founded();
    forge.add(&[&ada()], grant(&person("Mallory"), &[Role::Registrar]));
    forge.add(&[&ada()], note(0));
    forge
}

/// Every code that a row finds.
pub(crate) fn codes_found() -> impl Iterator<Item = &'static str> {
    ROWS.iter().flat_map(|row| row.finds).copied()
}

#[test]
fn each_rotation_ends_in_its_findings() {
    for Row { says, exit, finds, case } in ROWS {
        let report = case().verify();
        let messages: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
        assert_eq!(codes(&report), *finds, "{says}: {messages:#?}");
        assert_eq!(report.verdict.exit_code(), *exit, "{says}: {messages:#?}");
    }
}

#[test]
fn findings_are_the_same_on_any_number_of_threads() {
    let mut forge = three();
    for (number, cause) in (100..).zip([Routine, Lost, Routine, CompromisedSince { tree_size: 2 }]) {
        for _ in 0..30 {
            forge.add(&[&ada()], note(0));
        }
        forge.rotate(&[&ada()], &SigningKey::from_bytes(&[number; 32]), cause);
    }
    forge.enter_event(forge.event(&ada(), note(0)), &[&ada()]);
    forge.seal_with(|seal| seal.keys = vec![first()]);
    let trust = forge.trust();
    let on = |threads| {
        let options = Options { trust: Some(&trust), threads: Some(threads), ..Options::default() };
        serde_json::to_string_pretty(&verify_log(&forge.log(), forge.head(), &options)).unwrap()
    };
    assert_eq!(on(1), on(4));
    let report: serde_json::Value = serde_json::from_str(&on(2)).unwrap();
    assert_eq!(
        report["finding_counts"],
        serde_json::json!({ "checkpoint.signature": 1, "head.disagrees": 1 })
    );
    let rotations = report["log_key_rotations"].as_array().unwrap();
    assert_eq!(rotations.len(), 4);
    assert_eq!(rotations[3]["cause"], serde_json::json!({ "compromised_since": { "tree_size": 2 } }));
}

#[test]
fn what_cannot_be_judged_accuses_no_key() {
    // A later version's event, and then a rotation: whether that was lawful, this program cannot say.
    let mut forge = three();
    let mut event = forge.event(&ada(), note(0)).to_bytes().unwrap();
    event[4 + 32 + 16 + 32 + 8 + 8 + 4 + 8] = 200;
    forge.enter_with(crate::support::forge::sign(&event, &[&ada()]), |_| {});
    forge.seal();
    forge.rotate(&[&ada()], &second(), Routine);
    forge.add(&[&ada()], note(0));
    let report = Case::of(&forge).verify();
    assert_eq!((codes(&report), report.verdict.exit_code()), (vec!["event.newer".to_owned()], 5));
}

#[test]
fn the_report_says_which_keys_signed_and_what_roots_them() {
    let report = Case::of(&rotated(Lost)).verify();
    let ledger_id = three().ledger_id;
    assert_eq!(report.anchored, Anchored::UpTo { ledger_id, entry: 3, log_key: Unvouched::Lost });
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(
        json["anchored"],
        serde_json::json!({ "up_to": { "ledger_id": ledger_id, "entry": 3, "log_key": "lost" } })
    );
    assert_eq!(json["log_key_rotations"][0]["entry"], 3);
    let text = render(&report, Some("trust.toml"));
    assert!(text.contains("(since entry 3)"), "{text}");
    let verdict = text.lines().last().unwrap();
    assert!(verdict.starts_with("VERDICT: sound, but not anchored — 5 entries"), "{verdict}");
    assert!(
        verdict.ends_with(
            "the log key was replaced after it was lost in entry 3; no checkpoint or trust root that you gave covers that"
        ),
        "{verdict}"
    );
}

#[test]
fn a_checkpoint_by_a_compromised_key_is_reported_as_not_counting() {
    let forge = rotated(CompromisedSince { tree_size: 3 });
    let report = Case::of(&forge).pinning(&second()).keeping(three().newest_note()).verify();
    assert_eq!(report.checkpoints[0].outcome, CheckpointOutcome::Untrusted);
    assert_eq!(report.count(Class::Remark), 1);
    let text = render(&report, None);
    assert!(text.contains("signed by a compromised key: it does not count"), "{text}");
}
