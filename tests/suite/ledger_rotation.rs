//! Rotating the log key: what is recorded, what signs it, where the key files go, and what a crash anywhere leaves.

use std::fs;
use std::path::Path;

use rollbook::event::authority::RotationCause;
use rollbook::ledger::opening::OpeningError;
use rollbook::ledger::receipt::{AppendError, Receipt, Warning};
use rollbook::ledger::writer::Ledger;
use rollbook::log::trust_root::TrustRoot;
use rollbook::note::checkpoint::{CheckpointNote, Origin};
use rollbook::note::vkey::VerifierKey;
use rollbook::verifier::verify::{Options, verify_dir};

use crate::support::test_ledger::{ORIGIN, Snapshot, TestLedger, Who};

use RotationCause::{CompromisedSince, Lost, Routine};

/// The keys that must have signed a receipt's checkpoint, and no other.
fn assert_signed_by(receipt: &Receipt, signers: &[Who]) {
    let vkeys: Vec<VerifierKey> = signers
        .iter()
        .map(|who| VerifierKey::new_ed25519(ORIGIN, who.secret().public_key()).unwrap())
        .collect();
    let note = CheckpointNote::parse_unverified(receipt.checkpoint.as_bytes()).unwrap();
    assert_eq!(note.verify_log_signatures(&vkeys.iter().collect::<Vec<_>>()), Ok(()));
}

/// The exit code of `verify` under the trust root of the beginning.
fn verified(test: &TestLedger) -> u8 {
    let origin = Origin::new(ORIGIN).unwrap();
    verified_under(test, &TrustRoot::new(origin, test.id(), Who::LogKey.secret().public_key()).unwrap())
}

/// The exit code of `verify` under the trust root that the ledger hands out now.
fn verified_as_handed_out(test: &TestLedger) -> u8 {
    verified_under(test, &TrustRoot::read(&test.dir().join("trust.toml")).unwrap())
}

fn verified_under(test: &TestLedger, trust: &TrustRoot) -> u8 {
    let options = Options { trust: Some(trust), threads: Some(1), ..Options::default() };
    verify_dir(&test.dir(), &options, &|_, _| {}).unwrap().verdict.exit_code()
}

/// Which of the key files are there.
fn key_files(test: &TestLedger) -> Vec<String> {
    let names = fs::read_dir(test.beside("")).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
    names.retain(|name| name.starts_with("log.pem"));
    names.sort();
    names
}

fn rotate(test: &TestLedger, old: Who, new: Who, cause: RotationCause) -> Receipt {
    let ledger = test.open_for_rotation(Some(new)).unwrap();
    ledger.store_next_log_key(None, None).unwrap();
    ledger.append(test.rotation(old, new, cause)).unwrap()
}

#[test]
fn both_keys_sign_the_boundary_and_the_new_one_from_there_on() {
    let test = TestLedger::with_anchors(&["anchor"]);
    let ledger = test.open_for_rotation(Some(Who::NextLogKey)).unwrap();
    assert_eq!(ledger.next_log_key(), Some(Who::NextLogKey.secret().public_key()));
    let rotation = test.rotation(Who::LogKey, Who::NextLogKey, Routine);
    ledger.try_append(rotation.clone()).unwrap();
    let unstored = ledger.append(rotation.clone()).unwrap_err();
    assert!(matches!(unstored, AppendError::NextLogKeyMissing { .. }), "{unstored}");
    ledger.store_next_log_key(None, None).unwrap();
    assert_eq!(key_files(&test), ["log.pem", "log.pem.next"]);

    let receipt = ledger.append(rotation.clone()).unwrap();
    assert_eq!(receipt.index, 4);
    assert_signed_by(&receipt, &[Who::LogKey, Who::NextLogKey]);
    assert_eq!(key_files(&test), ["log.pem", "log.pem.retired-4"]);
    let later = ledger.append(test.register("1")).unwrap();
    assert_signed_by(&later, &[Who::NextLogKey]);
    assert_eq!(ledger.take_warnings(), []);
    drop(ledger);

    let ledger = test.open();
    assert_signed_by(&ledger.append(test.register("2")).unwrap(), &[Who::NextLogKey]);
    let again = ledger.append(rotation).unwrap();
    assert!(again.repeated);
    assert_signed_by(&again, &[Who::LogKey, Who::NextLogKey]);
    assert_eq!(ledger.take_warnings(), []);
    assert_eq!((verified(&test), verified_as_handed_out(&test)), (0, 0));
}

#[test]
fn a_rotation_is_alone_in_its_batch_whoever_waits_with_it() {
    let test = TestLedger::new();
    test.store_next(Who::NextLogKey);
    let ledger = test.open_for_rotation(None).unwrap();
    let rotation = test.rotation(Who::LogKey, Who::NextLogKey, Routine);
    let events =
        vec![test.register("1"), test.register("2"), rotation, test.register("3"), test.register("4")];
    let receipts: Vec<Receipt> = ledger.append_batch(events).into_iter().map(Result::unwrap).collect();
    assert_eq!(receipts.iter().map(|receipt| receipt.index).collect::<Vec<_>>(), [4, 5, 6, 7, 8]);
    assert_eq!(receipts[0].checkpoint, receipts[1].checkpoint);
    assert_eq!(receipts[3].checkpoint, receipts[4].checkpoint);
    assert_signed_by(&receipts[1], &[Who::LogKey]);
    assert_signed_by(&receipts[2], &[Who::LogKey, Who::NextLogKey]);
    assert_signed_by(&receipts[3], &[Who::NextLogKey]);
    drop(ledger);
    assert_eq!(verified(&test), 0);
}

#[test]
fn keys_are_replaced_again_and_again_and_the_index_may_go() {
    let test = TestLedger::with_anchors(&["anchor"]);
    rotate(&test, Who::LogKey, Who::NextLogKey, Routine);
    let ledger = test.open();
    ledger.append(test.register("1")).unwrap();
    drop(ledger);
    let receipt = rotate(&test, Who::NextLogKey, Who::ThirdLogKey, Routine);
    assert_signed_by(&receipt, &[Who::NextLogKey, Who::ThirdLogKey]);
    assert_eq!(key_files(&test), ["log.pem", "log.pem.retired-4", "log.pem.retired-6"]);
    fs::remove_dir_all(test.dir().join("index")).unwrap();
    let ledger = test.open();
    assert_signed_by(&ledger.append(test.register("2")).unwrap(), &[Who::ThirdLogKey]);
    let charter = ledger.charter().unwrap();
    assert_eq!((charter.log_key_entry, charter.former_log_keys.len()), (6, 2));
    drop(ledger);
    assert_eq!((verified(&test), verified_as_handed_out(&test)), (0, 0));
}

#[test]
fn a_lost_key_is_replaced_without_it() {
    let test = TestLedger::with_anchors(&["anchor"]);
    fs::remove_file(test.beside("log.pem")).unwrap();
    assert!(matches!(test.try_open(), Err(OpeningError::LogKey(_))));

    let ledger = test.open_for_rotation(Some(Who::NextLogKey)).unwrap();
    let missing = |outcome: Result<Receipt, AppendError>| {
        let error = outcome.unwrap_err();
        assert!(matches!(error, AppendError::LogKeyMissing { .. }), "{error}");
    };
    missing(ledger.append(test.register("1")));
    ledger.store_next_log_key(None, None).unwrap();
    missing(ledger.append(test.rotation(Who::LogKey, Who::NextLogKey, Routine)));
    // The next key is not in force yet: it does not open the ledger for anything else.
    drop(ledger);
    assert!(matches!(test.try_open(), Err(OpeningError::LogKey(_))));

    let ledger = test.open_for_rotation(None).unwrap();
    let receipt = ledger.append(test.rotation(Who::LogKey, Who::NextLogKey, Lost)).unwrap();
    assert_signed_by(&receipt, &[Who::NextLogKey]);
    assert_signed_by(&ledger.append(test.register("1")).unwrap(), &[Who::NextLogKey]);
    drop(ledger);
    assert_eq!(key_files(&test), ["log.pem"]);
    test.open().append(test.register("2")).unwrap();
    assert_eq!((verified(&test), verified_as_handed_out(&test)), (4, 0));
}

#[test]
fn a_stolen_key_is_replaced_without_its_signature_and_kept_aside() {
    let test = TestLedger::new();
    let receipt = rotate(&test, Who::LogKey, Who::NextLogKey, CompromisedSince { tree_size: 5 });
    assert_signed_by(&receipt, &[Who::NextLogKey]);
    assert_eq!(key_files(&test), ["log.pem", "log.pem.retired-4"]);
    assert_eq!((verified(&test), verified_as_handed_out(&test)), (4, 0));
}

#[test]
fn a_refused_rotation_records_nothing_and_leaves_the_keys() {
    let test = TestLedger::new();
    let ledger = test.open_for_rotation(Some(Who::NextLogKey)).unwrap();
    ledger.store_next_log_key(None, None).unwrap();
    let wrong = ledger.append(test.rotation(Who::NextLogKey, Who::ThirdLogKey, Routine)).unwrap_err();
    assert!(wrong.to_string().contains("the event replaces"), "{wrong}");
    let other = ledger.append(test.rotation(Who::LogKey, Who::ThirdLogKey, Routine)).unwrap_err();
    assert!(other.to_string().contains("holds another"), "{other}");
    drop(ledger);
    let plain = test.open();
    let unopened = plain.append(test.rotation(Who::LogKey, Who::NextLogKey, Routine)).unwrap_err();
    assert!(matches!(unopened, AppendError::NextLogKeyMissing { found: None, .. }), "{unopened}");
    plain.append(test.register("1")).unwrap();
    assert_eq!(key_files(&test), ["log.pem", "log.pem.next"]);
    drop(plain);
    assert_eq!(verified(&test), 0);
}

/// A ledger before a rotation, with the next key in its file, and after it.
struct Before {
    test: TestLedger,
    ledger: Snapshot,
    anchor: Vec<u8>,
    /// What the rotation changes, as it is afterwards.
    after: Snapshot,
}

impl Before {
    fn rotation(cause: RotationCause) -> Self {
        let test = TestLedger::with_anchors(&["anchor"]);
        test.store_next(Who::NextLogKey);
        let (ledger, anchor) = (test.snapshot(), fs::read(test.beside("anchor")).unwrap());
        let rotation = test.rotation(Who::LogKey, Who::NextLogKey, cause);
        test.open_for_rotation(None).unwrap().append(rotation).unwrap();
        let after = test.snapshot();
        let before = Self { test, ledger, anchor, after };
        before.put_back();
        before
    }

    fn put_back(&self) {
        let test = &self.test;
        test.restore(&self.ledger, ".");
        fs::write(test.beside("anchor"), &self.anchor).unwrap();
        let moves = [("log.pem", "log.pem.next"), ("log.pem.retired-4", "log.pem")];
        if test.beside("log.pem.retired-4").exists() {
            for (from, to) in moves {
                fs::rename(test.beside(from), test.beside(to)).unwrap();
            }
        }
        assert_eq!(key_files(test), ["log.pem", "log.pem.next"]);
    }

    /// Does the steps of a rotation up to one of them.
    fn do_steps(&self, steps: usize) {
        let test = &self.test;
        let log = Path::new("log/00000000000000000000.batches");
        let restore = |part: &str| test.restore(&self.after, part);
        let rename = |from: &str, to: &str| {
            if test.beside(from).exists() {
                fs::rename(test.beside(from), test.beside(to)).unwrap();
            }
        };
        let all: [&dyn Fn(); 6] = [
            &|| {
                let (whole, half) = (fs::read(self.after.path().join(log)).unwrap(), test.log_file());
                fs::write(half, &whole[..whole.len() - 20]).unwrap();
            },
            &|| restore("log"),
            &|| restore("head"),
            &|| restore("trust.toml"),
            &|| rename("log.pem", "log.pem.retired-4"),
            &|| rename("log.pem.next", "log.pem"),
        ];
        all[..steps].iter().for_each(|step| step());
    }
}

/// Whatever step a rotation stopped at, opening makes it whole, or leaves it to be done again.
#[test]
fn a_crash_between_any_two_steps_is_finished_by_the_next_opening() {
    for (cause, old_is_gone) in
        [(Routine, false), (Lost, false), (Lost, true), (CompromisedSince { tree_size: 4 }, false)]
    {
        let before = Before::rotation(cause.clone());
        let test = &before.test;
        for steps in 0..=6 {
            for index_too in [false, true] {
                let said =
                    format!("{cause:?}, old key gone: {old_is_gone}, {steps} steps, index gone: {index_too}");
                before.put_back();
                let old = fs::read(test.beside("log.pem")).unwrap();
                if old_is_gone {
                    fs::remove_file(test.beside("log.pem")).unwrap();
                }
                before.do_steps(steps);
                if index_too {
                    fs::remove_dir_all(test.dir().join("index")).unwrap();
                }
                go_on(test, &cause, steps, old_is_gone, &said);
                if old_is_gone {
                    // For `put_back`.
                    fs::write(test.beside("log.pem.retired-4"), old).unwrap();
                }
            }
        }
    }
}

fn go_on(test: &TestLedger, cause: &RotationCause, steps: usize, old_is_gone: bool, said: &str) {
    let is_recorded = steps >= 2;
    if !is_recorded {
        // The rotation is not in the log, and the next key waits.
        if old_is_gone {
            assert!(matches!(test.try_open(), Err(OpeningError::LogKey(_))), "{said}");
        } else {
            test.open().append(test.register("1")).unwrap();
        }
        assert!(test.beside("log.pem.next").exists(), "{said}");
        let ledger = test.open_for_rotation(None).unwrap();
        ledger.append(test.rotation(Who::LogKey, Who::NextLogKey, cause.clone())).unwrap();
    }
    let ledger: Ledger = test.try_open().unwrap_or_else(|error| panic!("{said}: {error}"));
    let warnings = ledger.take_warnings();
    let finished = Warning::RotationFinished { entry: 4 };
    assert_eq!(warnings.contains(&finished), (2..6).contains(&steps), "{said}: {warnings:?}");
    assert_signed_by(&ledger.append(test.register("2")).unwrap(), &[Who::NextLogKey]);
    drop(ledger);
    assert!(!test.beside("log.pem.next").exists(), "{said}");
    test.open().append(test.register("3")).unwrap();
    let unrooted = if *cause == Routine { 0 } else { 4 };
    assert_eq!((verified(test), verified_as_handed_out(test)), (unrooted, 0), "{said}");
    // For `put_back`: where the old key went depends on where the rotation was recorded.
    for index in 5..=6 {
        let retired = test.beside(&format!("log.pem.retired-{index}"));
        if retired.exists() {
            fs::rename(retired, test.beside("log.pem.retired-4")).unwrap();
        }
    }
}

#[test]
fn a_rotation_whose_new_key_is_nowhere_opens_for_nobody() {
    let before = Before::rotation(Routine);
    let test = &before.test;
    before.do_steps(3);
    let next = fs::read(test.beside("log.pem.next")).unwrap();
    fs::remove_file(test.beside("log.pem.next")).unwrap();
    let error = test.try_open().unwrap_err();
    assert!(matches!(error, OpeningError::LogKeyReplaced { entry: 4, .. }), "{error}");
    // Whoever has the new key puts it in the old one's place, or beside it.
    fs::write(test.beside("log.pem"), next).unwrap();
    test.open().append(test.register("1")).unwrap();
    assert_eq!(verified(test), 0);
}

#[test]
fn the_new_key_alone_opens_a_ledger_whose_head_lags_behind_the_rotation() {
    let before = Before::rotation(Routine);
    let test = &before.test;
    before.do_steps(2);
    fs::rename(test.beside("log.pem.next"), test.beside("log.pem")).unwrap();
    let ledger = test.open();
    assert_eq!(ledger.take_warnings(), [Warning::Adopted { entries: 1 }]);
    assert_signed_by(&ledger.append(test.register("1")).unwrap(), &[Who::NextLogKey]);
}

#[test]
fn a_batch_beyond_head_with_a_forged_rotation_is_not_adopted() {
    use rollbook::log::entry::Entry;
    use rollbook::merkle::tree::Frontier;
    use rollbook::note::checkpoint::{Checkpoint, sign_checkpoint};
    use rollbook::signing::envelope::{AuthorSignature, Envelope};
    use rollbook::store::frame::encode_frame;

    let test = TestLedger::new();
    let entries = test.read_all();
    // The administrator's signature under another event, and the thief's own key as the next one.
    let stolen = entries[1].entry.envelope.signatures()[0].signature;
    let event = test.rotation(Who::LogKey, Who::Stranger, Lost).event().to_vec();
    let author = AuthorSignature { key: Who::Admin.secret().public_key(), signature: stolen };
    let envelope = Envelope::new(event, vec![author]).unwrap();
    let previous = entries[3].leaf_hash;
    let entry = Entry { index: 4, previous, recorded_at: test.now(), state_root: None, envelope }.to_bytes();
    let mut tree = Frontier::new();
    for entry in &entries {
        tree.push(entry.leaf_hash);
    }
    tree.push(Entry::leaf_hash(&entry));
    let checkpoint = Checkpoint::new(Origin::new(ORIGIN).unwrap(), tree.size(), tree.root());
    let note = sign_checkpoint(&checkpoint, &[&Who::Stranger.signing_key()]).unwrap();
    let mut log = fs::read(test.log_file()).unwrap();
    log.extend(encode_frame(4, &[entry], &note).unwrap());
    fs::write(test.log_file(), log).unwrap();
    test.store_next(Who::Stranger);
    let error = test.try_open().unwrap_err();
    assert!(matches!(error, OpeningError::Inconsistent { index: 4, .. }), "{error}");
}

#[test]
fn a_key_file_that_cannot_follow_is_told_and_the_ledger_goes_on() {
    let test = TestLedger::new();
    let ledger = test.open_for_rotation(Some(Who::NextLogKey)).unwrap();
    ledger.store_next_log_key(None, None).unwrap();
    // A directory that takes the trust root's place cannot be written over.
    fs::remove_file(test.dir().join("trust.toml")).unwrap();
    fs::create_dir(test.dir().join("trust.toml")).unwrap();
    ledger.append(test.rotation(Who::LogKey, Who::NextLogKey, Routine)).unwrap();
    let warnings = ledger.take_warnings();
    assert!(matches!(&warnings[..], [Warning::RotationUnfinished { .. }]), "{warnings:?}");
    assert_signed_by(&ledger.append(test.register("1")).unwrap(), &[Who::NextLogKey]);
    drop(ledger);
    fs::remove_dir(test.dir().join("trust.toml")).unwrap();
    let ledger = test.open();
    assert_eq!(ledger.take_warnings(), [Warning::RotationFinished { entry: 4 }]);
    drop(ledger);
    assert_eq!(key_files(&test), ["log.pem", "log.pem.retired-4"]);
    assert_eq!(verified_as_handed_out(&test), 0);
}

#[test]
fn an_index_from_before_a_rotation_follows_it() {
    let test = TestLedger::new();
    let before = test.snapshot();
    rotate(&test, Who::LogKey, Who::NextLogKey, Routine);
    test.open().flush_index().unwrap();
    test.restore(&before, "index");
    test.open().append(test.register("1")).unwrap();
    assert_eq!(verified(&test), 0);
}
