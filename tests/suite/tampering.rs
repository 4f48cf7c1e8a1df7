//! The tamper suite: attack, verdict, finding code, exit code, the trust root given unless a row says otherwise.
//!
//! What is attacked, and the test or table of rows that shows it (where no module is named, below):
//!
//! | attack | shown by |
//! |---|---|
//! | every byte of every batch file flipped | [`no_flipped_byte_of_a_batch_file_goes_unnoticed`]; a sample of them in [`no_sampled_byte_of_a_batch_file_goes_unnoticed`] |
//! | the same by somebody who makes the frame's checksum anew | [`no_flipped_byte_goes_unnoticed_where_checksums_are_made_anew`], and its sample |
//! | every byte of the newer `head` slot flipped | [`no_flipped_byte_of_heads_newer_slot_goes_unnoticed`] |
//! | entries dropped, doubled, swapped, inserted | `verifier_attacks`, "Entries" |
//! | batches dropped, doubled, reordered | `verifier_attacks`, "Frames and files" |
//! | two neighbours deleted, two damaged | [`ROWS`], "Neighbours"; [`each_of_two_neighbours_is_named`], [`a_gap_as_wide_as_can_be_is_bounded_and_hides_no_other`] |
//! | truncation at every frame boundary, `head` left, or an older one put back | [`truncation_at_every_batch_is_found_unless_an_older_head_is_put_back_too`] |
//! | a signer unknown, revoked, expired, out of scope; role and place by two grants | [`ROWS`], "Signers" |
//! | an event replayed in another ledger of the same origin, or twice in one | [`ROWS`], "Played at another time or place" |
//! | an expired promotion played later; one kept back until after a rollback | the same |
//! | signatures stripped, reordered, added, doubled | [`ROWS`], "Signatures", by whoever writes files and by the log key's holder |
//! | rewritten with the log key: entry 0 included, and after entry k | `witnesses`, "A history that the holder of the log key rewrote": ledger id, checkpoint and witness, each alone |
//! | a fork of two equal-sized logs | [`ROWS`], "Forks and backups"; `witnesses::of_two_histories_at_once_a_witness_signs_one` |
//! | a stale backup | the same; `witnesses`, "A backup that was put back" |
//! | a wrong, missing or unredacted attachment | `attachments`: `other_bytes_are_tampering`, `what_is_missing_without_a_redaction_is_a_violation`, `what_is_there_after_its_redaction_is_a_remark`, … |
//! | checkpoint signature lines added, removed, reordered; base64 with spare bits | [`ROWS`], "Lines of a checkpoint"; [`a_kept_checkpoint_with_spare_bits_is_refused_at_the_door`] |
//! | encodings that are not canonical and decode to the same event | [`ROWS`], "Encodings"; every one of them in `format_rejected` |
//! | a log key stolen before and after its rotation | `log_key_rotation`, "A stolen key" |
//! | small-order, mixed-order and non-canonical keys and points | [`ROWS`], "Keys"; [`odd_points_get_one_verdict_in_any_batch`], [`odd_points_get_one_verdict_at_any_place_of_a_log`], [`every_key_that_is_unfit_is_found`] |
//! | the same report from any number of threads | [`json_is_the_same_every_time_on_any_number_of_threads`] |

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::thread::available_parallelism;

use curve25519_dalek::EdwardsPoint;
use curve25519_dalek::Scalar;
use curve25519_dalek::constants::EIGHT_TORSION;
use rollbook::event::authority::{Role, RotationCause};
use rollbook::event::body::{Body, Kind};
use rollbook::event::header::{EXPIRY_DEFAULT_MS, EventId};
use rollbook::event::list::Ascending;
use rollbook::hash::Hash;
use rollbook::log::entry::Entry;
use rollbook::signing::envelope::{AuthorSignature, Envelope, signing_bytes};
use rollbook::signing::public_key::{PublicKey, SignatureBytes};
use rollbook::signing::verify::{AuditItem, CheckedKey, audit_batch, audit_defect};
use rollbook::store::files::RollSize;
use rollbook::store::frame::{FrameView, encode_frame};
use rollbook::store::head::{HEAD_SLOT_BYTES, HeadState, read_head};
use rollbook::store::memory::MemoryLog;
use rollbook::verifier::report::{Report, Verdict, render};
use rollbook::verifier::verify::{EarlierCheckpoint, Options, verify};

use crate::support::desk::{Answer, Desk};
use crate::support::events::*;
use crate::support::every_kind::{
    REDACTED, abe, dan, every_kind, ready_to_release, second_log_key, three_files,
};
use crate::support::forge::{Forge, codes, head_of, log_of, quick, sign, verify_log};
use crate::support::tables::Tables;
use crate::verifier_attacks::{
    Attack, Case, at_every, attack, author, dan as small_dan, malleated, promoted, small, torsion_signature,
};

/// [`ready_to_release`]; Dan's promotion that Abe approves (entry 14); a note by Ada (entry 15).
fn released() -> Forge {
    let mut forge = ready_to_release();
    forge.add(&[&dan(), &abe()], promote("v1", "production", None));
    forge.add(&[&ada()], note(14));
    forge
}

/// The batch that holds entry 14 of [`released`], alone.
const PROMOTION_BATCH: usize = 4;

/// The bytes of an entry with its signatures, 96 bytes each, changed by `change`.
fn resigned(entry: &[u8], change: impl FnOnce(&mut Vec<Vec<u8>>)) -> Vec<u8> {
    let count = Entry::from_bytes(entry).unwrap().envelope.signatures().len();
    let (rest, signatures) = entry.split_at(entry.len() - 96 * count);
    let mut signatures: Vec<Vec<u8>> = signatures.chunks(96).map(<[u8]>::to_vec).collect();
    change(&mut signatures);
    let count = (signatures.len() as u64).to_le_bytes();
    [&rest[..rest.len() - 8], &count, &signatures.concat()].concat()
}

/// A signature line of an envelope over the event in `entry`, by somebody whom nobody granted anything.
fn mallorys(entry: &[u8]) -> Vec<u8> {
    let envelope = Entry::from_bytes(entry).unwrap().envelope;
    let mallory = person("Mallory");
    [mallory.public().as_bytes().as_slice(), mallory.key.sign(&envelope.signing_bytes()).as_bytes()].concat()
}

/// Adds [`mallorys`], where it belongs.
fn add_mallorys(entry: &[u8], signatures: &mut Vec<Vec<u8>>) {
    signatures.push(mallorys(entry));
    signatures.sort();
}

/// [`released`], the signatures on the promotion changed in the file: by whoever can write there.
fn resigned_in_place(change: impl FnOnce(&[u8], &mut Vec<Vec<u8>>)) -> Case {
    let forge = released();
    let mut frames = forge.frames().to_vec();
    let view = FrameView::parse(&frames[PROMOTION_BATCH]).unwrap();
    let entry = view.entries().next().unwrap();
    let entries = [resigned(entry, |signatures| change(entry, signatures))];
    frames[PROMOTION_BATCH] = encode_frame(14, &entries, view.note()).unwrap();
    Case::of(&forge).frames(&frames)
}

/// [`released`], the signatures on the promotion changed before it was sealed: by whoever holds the log key.
fn resigned_and_sealed(change: impl FnOnce(&[u8], &mut Vec<Vec<u8>>)) -> Case {
    let whole = released();
    let view = FrameView::parse(&whole.frames()[PROMOTION_BATCH]).unwrap();
    let entry = view.entries().next().unwrap();
    let mut forge = ready_to_release();
    forge.enter_bytes(resigned(entry, |signatures| change(entry, signatures)));
    forge.seal();
    forge.add(&[&ada()], note(14));
    Case::of(&forge)
}

/// [`small`], the text of the checkpoint in its batch of two changed in the file.
fn with_note_in_place(change: impl FnOnce(String) -> String) -> Case {
    let forge = small();
    let mut frames = forge.frames().to_vec();
    change_note(&mut frames[2], change);
    Case::of(&forge).frames(&frames)
}

fn change_note(frame: &mut Vec<u8>, change: impl FnOnce(String) -> String) {
    let view = FrameView::parse(frame).unwrap();
    let entries: Vec<Vec<u8>> = view.entries().map(<[u8]>::to_vec).collect();
    let text = change(String::from_utf8(view.note().to_vec()).unwrap());
    *frame = encode_frame(view.first_index(), &entries, text.as_bytes()).unwrap();
}

/// The last signature line of a note, without its line feed.
fn last_line(note: &[u8]) -> String {
    String::from_utf8(note.to_vec()).unwrap().lines().last().unwrap().to_owned()
}

/// `text` with a bit set that decoding drops, in the base64 of line `number`, whose padding is one `=`.
fn with_spare_bit(text: &str, number: usize) -> String {
    let lines = text.lines().enumerate().map(|(at, line)| {
        if at != number {
            return line.to_owned() + "\n";
        }
        let (rest, last) = line.strip_suffix('=').unwrap().split_at(line.len() - 2);
        let last = last.as_bytes()[0];
        // The alphabet goes on in steps of four from a multiple of four: one up is a spare bit set.
        let spare = match last {
            b'8' => '9',
            b'0' => '1',
            b'4' => '5',
            letter => char::from(letter + 1),
        };
        format!("{rest}{spare}=\n")
    });
    lines.collect()
}

/// The lines of the root and of the first signature in a checkpoint.
const ROOT_LINE: usize = 2;
const SIGNATURE_LINE: usize = 4;

/// An event, its field at `path` written otherwise, signed so by `signer`, sealed behind [`promoted`].
fn written_otherwise(
    signer: &Person,
    body: impl Into<Body>,
    path: &str,
    with: &dyn Fn(&[u8]) -> Vec<u8>,
) -> Case {
    let mut forge = promoted();
    let event = forge.event(signer, body).to_bytes().unwrap();
    let event = rewrite(&event, path, with);
    forge.enter_with(sign(&event, &[signer]), |_| {});
    forge.seal();
    Case::of(&forge)
}

/// The bytes of an event with the field at `path` written by `with` from what it was.
fn rewrite(event: &[u8], path: &str, with: &dyn Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let span = Tables::read().walk("event", event).span(path);
    [&event[..span.start], &with(&event[span.clone()]), &event[span.end..]].concat()
}

/// A list of one eight-byte item, with that item twice.
fn item_twice(list: &[u8]) -> Vec<u8> {
    [&2u64.to_le_bytes(), &list[8..], &list[8..]].concat()
}

fn dans() -> Person {
    small_dan()
}

/// [`promoted`], with a second and third version registered (entries 4 and 5).
fn with_three_versions() -> Forge {
    let mut forge = promoted();
    forge.add(&[&dans()], register("v2"));
    forge.add(&[&dans()], register("v3"));
    forge
}

/// [`promoted`], and Tim granted these.
fn with_tim(grants: &[(Role, &[&str], &[&str])]) -> Forge {
    let mut forge = promoted();
    for (role, environments, models) in grants {
        let mut granted = grant(&tim(), &[*role]);
        granted.scope = scope(environments, models);
        forge.add(&[&ada()], granted);
    }
    forge
}

fn tim() -> Person {
    person("Tim")
}

/// [`promoted`]; then `key` is granted to Mallory and signs a registration, with any signature: nobody can make a good one.
fn with_unfit_key(key: PublicKey) -> Forge {
    let mut forge = promoted();
    let mut granted = grant(&person("Mallory"), &[Role::Registrar]);
    granted.key = key;
    forge.add(&[&ada()], granted);
    let mut event = forge.event(&ada(), register("v2"));
    event.header.proposer = key;
    let signature = AuthorSignature { key, signature: identity_signature() };
    forge.enter_with(Envelope::new(event.to_bytes().unwrap(), vec![signature]).unwrap(), |_| {});
    forge.seal();
    forge
}

/// R the neutral point and S nothing: under a small-order key it fits whatever was signed.
fn identity_signature() -> SignatureBytes {
    let mut signature = [0; 64];
    signature[0] = 1;
    SignatureBytes::from_bytes(signature)
}

/// A point of no small order with a torsion part.
fn mixed_key() -> PublicKey {
    PublicKey::from_bytes((EdwardsPoint::mul_base(&Scalar::from(7u8)) + EIGHT_TORSION[1]).compress().0)
}

/// Every encoding whose y is not below the field's prime.
fn keys_beyond_the_prime() -> impl Iterator<Item = PublicKey> {
    let encoded = |low| {
        [0x7f, 0xff].map(|high| {
            let mut bytes = [0xff; 32];
            (bytes[0], bytes[31]) = (low, high);
            PublicKey::from_bytes(bytes)
        })
    };
    (0xedu8..=0xff).flat_map(encoded)
}

/// Two histories of one size that share entries 0 to 3, under one log key.
fn forked() -> (Forge, Forge) {
    let mut other = promoted();
    other.add(&[&ada()], note(2));
    (small(), other)
}

const ROWS: &[Attack] = &[
    attack("nothing is wrong with the ledger of every kind", 0, &[], || whole(&every_kind())),
    // Neighbours.
    attack(
        "two neighbouring batches are dropped",
        1,
        &[
            "entry.missing",
            "frame.missing",
            "log.unread",
            "entry.missing",
            "entry.missing",
            "entry.missing",
            "entry.missing",
            "entry.missing",
        ],
        || without_batches(&[2, 3]),
    ),
    attack(
        "two batches are dropped that are no neighbours",
        1,
        &[
            "entry.missing",
            "frame.missing",
            "log.unread",
            "entry.missing",
            "entry.missing",
            "entry.missing",
            "frame.missing",
            "log.unread",
        ],
        || without_batches(&[2, 4]),
    ),
    attack(
        "the last two batches are dropped",
        1,
        &["log.shorter_than_head", "entry.missing", "entry.missing"],
        || {
            let last = every_kind().frames().len() - 1;
            without_batches(&[last - 1, last])
        },
    ),
    attack(
        "the last two batches are dropped, and one before",
        1,
        &[
            "log.shorter_than_head",
            "entry.missing",
            "frame.missing",
            "log.unread",
            "entry.missing",
            "entry.missing",
            "entry.missing",
            "entry.missing",
        ],
        || {
            let last = every_kind().frames().len() - 1;
            without_batches(&[2, last - 1, last])
        },
    ),
    attack(
        "a log file is gone, and the first batch of the next is damaged",
        1,
        &["entry.missing", "log.file_name", "log.unread", "frame.damaged", "log.unread"],
        || without_second_file(100),
    ),
    attack(
        "a log file is gone, and the first batch of the next is damaged in its header",
        1,
        &["entry.missing", "log.file_name", "log.unread", "frame.damaged", "log.unread"],
        || without_second_file(0),
    ),
    attack(
        "a batch is doubled, and the one behind it is damaged",
        1,
        &["frame.damaged", "frame.misplaced", "log.unread"],
        || {
            let forge = every_kind();
            let mut frames = forge.frames().to_vec();
            frames[3][100] ^= 1;
            frames.insert(3, frames[2].clone());
            Case::of(&forge).frames(&frames)
        },
    ),
    attack(
        "two neighbouring batches are damaged",
        1,
        &["frame.damaged", "log.unread", "frame.damaged", "log.unread"],
        || with_damaged(&[(5, 100), (6, 100)]),
    ),
    attack(
        "the last batch of a file and the first of the next are damaged",
        1,
        &["frame.damaged", "log.unread", "frame.damaged", "log.unread"],
        || with_damaged(&[(3, 100), (4, 100)]),
    ),
    attack(
        "the last two batches are damaged",
        1,
        &["frame.damaged", "log.unread", "frame.damaged", "log.unread"],
        || {
            let last = every_kind().frames().len() - 1;
            with_damaged(&[(last - 1, 100), (last, 100)])
        },
    ),
    attack(
        "a batch is damaged in its header, and so is its neighbour: nothing tells where one ends",
        1,
        &["frame.damaged", "log.unread"],
        || with_damaged(&[(5, 0), (6, 0)]),
    ),
    // Signers.
    attack("a signer whom nobody granted anything", 1, &["rule.signer_unknown"], || {
        let mut forge = promoted();
        forge.add(&[&person("Mallory")], register("v2"));
        Case::of(&forge)
    }),
    attack("a signer whose key was revoked", 1, &["rule.signer_revoked"], || {
        let mut forge = with_tim(&[(Role::Registrar, &["*"], &["*/*"])]);
        forge.add(&[&ada()], revoke(tim().public()));
        forge.add(&[&tim()], register("v2"));
        Case::of(&forge)
    }),
    attack("a signer whose grant is over", 1, &["rule.signer_not_in_force"], || {
        let mut forge = promoted();
        let mut granted = grant(&tim(), &[Role::Registrar]);
        granted.valid_until = Some(forge.now.plus_ms(1_000));
        forge.add(&[&ada()], granted);
        forge.add(&[&tim()], register("v2"));
        Case::of(&forge)
    }),
    attack("a signer for other models", 1, &["rule.signer_out_of_scope"], || {
        let mut forge = with_tim(&[(Role::Registrar, &["*"], &["fraud/*"])]);
        forge.add(&[&tim()], register("v2"));
        Case::of(&forge)
    }),
    attack("a signer for another environment", 1, &["rule.signer_out_of_scope"], || {
        let mut forge = with_tim(&[(Role::Deployer, &["staging"], &["*/*"])]);
        forge.add(&[&tim()], promote("v1", "production", None));
        Case::of(&forge)
    }),
    attack(
        "a signer with the role by one grant, and the place by another",
        1,
        &["rule.signer_out_of_scope"],
        || {
            let grants: &[(Role, &[&str], &[&str])] =
                &[(Role::Deployer, &["staging"], &["*/*"]), (Role::Approver, &["production"], &["*/*"])];
            let mut forge = with_tim(grants);
            forge.add(&[&tim()], promote("v1", "production", None));
            Case::of(&forge)
        },
    ),
    // Played at another time or place.
    attack("an authentic event of another ledger of the same origin", 1, &["rule.foreign_ledger"], || {
        let mut other = Forge::new();
        let mut body = created(&[&ada()], other.log_public());
        body.nonce = [7; 32];
        other.add(&[&ada()], body);
        other.add(&[&ada()], grant(&dans(), &[Role::Registrar]));
        let event = other.event(&dans(), register("v2"));
        other.add_event(event.clone(), &[&dans()]);
        assert_eq!((codes(&other.verify()), other.origin.as_str()), (vec![], small().origin.as_str()));
        let mut forge = promoted();
        forge.add_event(event, &[&dans()]);
        Case::of(&forge)
    }),
    attack("an authentic event a second time", 1, &["rule.event_id_reused"], || {
        let mut forge = promoted();
        let event = forge.event(&ada(), note(3));
        forge.add_event(event.clone(), &[&ada()]);
        forge.add_event(event, &[&ada()]);
        Case::of(&forge)
    }),
    attack("a promotion that has expired is played later", 1, &["rule.event_expired"], || {
        let mut forge = promoted();
        let event = forge.event(&dans(), promote("v1", "production", None));
        forge.now = forge.now.plus_ms(EXPIRY_DEFAULT_MS + 1);
        forge.add_event(event, &[&dans()]);
        Case::of(&forge)
    }),
    attack("a promotion is kept back until after a rollback", 1, &["rule.from_mismatch"], || {
        let mut forge = with_three_versions();
        // What it names serves again when it is played, by another entry.
        let mut kept_back = forge.event(&dans(), promote("v2", "staging", Some(serving("v1", 3))));
        kept_back.header.event_id = EventId::derive("forge", "kept back");
        let entry = forge.add(&[&dans()], promote("v3", "staging", Some(serving("v1", 3))));
        forge.add(&[&dans()], roll_back("staging", serving("v3", entry), "v1"));
        forge.add_event(kept_back, &[&dans()]);
        Case::of(&forge)
    }),
    // Signatures: changed in the file, and then by the holder of the log key, whose seal fits.
    attack("a promotion and its approval", 0, &[], || Case::of(&released())),
    attack(
        "the approval is stripped in the file",
        1,
        &["checkpoint.root", "rule.approvals_missing", "entry.previous"],
        || resigned_in_place(|_, signatures| signatures.retain(|bytes| !is_by(&abe(), bytes))),
    ),
    attack(
        "the proposer's signature is stripped in the file",
        1,
        &["checkpoint.root", "rule.proposer_not_signed", "entry.previous"],
        || resigned_in_place(|_, signatures| signatures.retain(|bytes| !is_by(&dan(), bytes))),
    ),
    attack(
        "all signatures are stripped in the file",
        1,
        &["checkpoint.root", "entry.not_canonical", "entry.previous"],
        || resigned_in_place(|_, signatures| signatures.clear()),
    ),
    attack(
        "the signatures are reordered in the file",
        1,
        &["checkpoint.root", "entry.not_canonical", "entry.previous"],
        || resigned_in_place(|_, signatures| signatures.reverse()),
    ),
    attack(
        "a signature is added in the file",
        1,
        &["checkpoint.root", "rule.signer_unknown", "entry.previous"],
        || resigned_in_place(add_mallorys),
    ),
    attack(
        "a signature is doubled in the file",
        1,
        &["checkpoint.root", "entry.not_canonical", "entry.previous"],
        || resigned_in_place(|_, signatures| signatures.push(signatures[1].clone())),
    ),
    attack("the approval is stripped and sealed", 1, &["rule.approvals_missing"], || {
        resigned_and_sealed(|_, signatures| signatures.retain(|bytes| !is_by(&abe(), bytes)))
    }),
    attack("the proposer's signature is stripped and sealed", 1, &["rule.proposer_not_signed"], || {
        resigned_and_sealed(|_, signatures| signatures.retain(|bytes| !is_by(&dan(), bytes)))
    }),
    attack("the signatures are reordered and sealed", 1, &["entry.not_canonical"], || {
        resigned_and_sealed(|_, signatures| signatures.reverse())
    }),
    attack("a signature is added and sealed", 1, &["rule.signer_unknown"], || {
        resigned_and_sealed(add_mallorys)
    }),
    attack("a signature is doubled and sealed", 1, &["entry.not_canonical"], || {
        resigned_and_sealed(|_, signatures| signatures.push(signatures[1].clone()))
    }),
    attack("two signatures change keys and are sealed", 1, &["signature.author", "signature.author"], || {
        resigned_and_sealed(|_, signatures| {
            let (first, second) = signatures.split_at_mut(1);
            first[0][32..].swap_with_slice(&mut second[0][32..]);
        })
    }),
    // Forks and backups.
    attack("either side of a fork, and nobody saw the other", 0, &[], || Case::of(&forked().1)),
    attack("one side of a fork, and the other's checkpoint of the same size", 1, &["anchor.root"], || Case {
        checkpoints: vec![forked().1.newest_note().to_vec()],
        ..Case::of(&forked().0)
    }),
    attack("the other side of a fork, and the one's checkpoint", 1, &["anchor.root"], || Case {
        checkpoints: vec![forked().0.newest_note().to_vec()],
        ..Case::of(&forked().1)
    }),
    attack("one side of a fork, and the other's head", 1, &["head.disagrees"], || Case {
        head: forked().1.head(),
        ..Case::of(&forked().0)
    }),
    attack("a stale backup with its own head, and nobody kept more", 0, &[], || Case::of(&promoted())),
    attack(
        "a stale backup with its own head, and a checkpoint",
        1,
        &["log.shorter_than_checkpoint", "entry.missing"],
        || Case { checkpoints: vec![small().newest_note().to_vec()], ..Case::of(&promoted()) },
    ),
    attack(
        "a stale backup under the head that was left",
        1,
        &["log.shorter_than_head", "entry.missing"],
        || Case { head: small().head(), ..Case::of(&promoted()) },
    ),
    // Lines of a checkpoint.
    attack("a checkpoint's signature line is removed", 1, &["checkpoint.not_canonical"], || {
        with_note_in_place(|text| text.replace(&(last_line(text.as_bytes()) + "\n"), ""))
    }),
    attack("a checkpoint bears the signature of the one before", 1, &["checkpoint.signature"], || {
        with_note_in_place(|text| {
            let line = last_line(&small().notes()[1].1);
            text.replace(&last_line(text.as_bytes()), &line)
        })
    }),
    attack(
        "a checkpoint bears that one besides",
        1,
        &["checkpoint.extra_signature", "checkpoint.signature"],
        || with_note_in_place(|text| text + &last_line(&small().notes()[1].1) + "\n"),
    ),
    attack("a checkpoint's signature line stands twice", 1, &["checkpoint.extra_signature"], || {
        with_note_in_place(|text| text.clone() + &last_line(text.as_bytes()) + "\n")
    }),
    attack("a stranger's line is added to a checkpoint", 1, &["checkpoint.extra_signature"], || {
        with_note_in_place(|text| text + "— stranger AAAAAAAA\n")
    }),
    attack("the two lines of a rotation change places", 1, &["checkpoint.not_canonical"], || {
        let mut forge = promoted();
        forge.rotate(&[&ada()], &second_log_key(), RotationCause::Routine);
        forge.add(&[&ada()], note(3));
        let mut frames = forge.frames().to_vec();
        change_note(&mut frames[3], |text| {
            let mut lines: Vec<&str> = text.lines().collect();
            lines.swap(SIGNATURE_LINE, SIGNATURE_LINE + 1);
            lines.join("\n") + "\n"
        });
        Case::of(&forge).frames(&frames)
    }),
    attack("the old key's line of a rotation is removed", 1, &["checkpoint.signature"], || {
        let mut forge = promoted();
        forge.rotate(&[&ada()], &second_log_key(), RotationCause::Routine);
        forge.add(&[&ada()], note(3));
        let mut frames = forge.frames().to_vec();
        change_note(&mut frames[3], |text| {
            let line = text.lines().nth(SIGNATURE_LINE).unwrap().to_owned() + "\n";
            text.replace(&line, "")
        });
        Case::of(&forge).frames(&frames)
    }),
    attack("a signature's base64 has a spare bit set", 1, &["checkpoint.not_canonical"], || {
        with_note_in_place(|text| with_spare_bit(&text, SIGNATURE_LINE))
    }),
    attack("a root's base64 has a spare bit set", 1, &["checkpoint.not_canonical"], || {
        with_note_in_place(|text| with_spare_bit(&text, ROOT_LINE))
    }),
    attack("a checkpoint's lines end in carriage returns", 1, &["checkpoint.not_canonical"], || {
        with_note_in_place(|text| text.replace('\n', "\r\n"))
    }),
    attack("the newest checkpoint's base64 has a spare bit set", 1, &["checkpoint.not_canonical"], || {
        let forge = small();
        let mut frames = forge.frames().to_vec();
        change_note(&mut frames[3], |text| with_spare_bit(&text, SIGNATURE_LINE));
        Case::of(&forge).frames(&frames)
    }),
    attack("a spare bit is set in what head holds", 1, &["head.disagrees"], || {
        let forge = small();
        let note = String::from_utf8(forge.newest_note().to_vec()).unwrap();
        Case { head: head_of(5, with_spare_bit(&note, SIGNATURE_LINE).as_bytes()), ..Case::of(&forge) }
    }),
    // Encodings of what the canonical bytes say, signed and sealed as they are.
    attack("a number that stands twice in a list", 1, &["event.not_canonical"], || {
        let mut body = promote("v1", "production", None);
        body.evidence = Ascending::new(vec![2]).unwrap();
        written_otherwise(&dans(), body, "body.evidence", &item_twice)
    }),
    attack("roles out of order", 1, &["event.not_canonical"], || {
        let body = grant(&tim(), &[Role::Registrar, Role::Deployer]);
        let swapped = |list: &[u8]| [&list[..8], &list[12..], &list[8..12]].concat();
        written_otherwise(&ada(), body, "body.roles", &swapped)
    }),
    attack("a boolean that is 2", 1, &["event.not_canonical"], || {
        let body = roll_back("staging", serving("v1", 3), "v1");
        written_otherwise(&dans(), body, "body.break_glass", &|_| vec![2])
    }),
    attack("an option's tag that is 2", 1, &["event.not_canonical"], || {
        written_otherwise(&dans(), promote("v1", "production", None), "body.ticket", &|_| vec![2])
    }),
    attack("a zero with a sign", 1, &["event.not_canonical"], || {
        let mut body = drift("staging");
        body.value = rollbook::event::number::Finite::new(0.0).unwrap();
        written_otherwise(&dans(), body, "body.value", &|_| (-0.0f64).to_le_bytes().to_vec())
    }),
    attack(
        "canonical bytes were signed, and others are stored",
        1,
        &["event.not_canonical", "signature.author"],
        || {
            let mut forge = promoted();
            let mut body = promote("v1", "production", None);
            body.evidence = Ascending::new(vec![2]).unwrap();
            let event = forge.event(&dans(), body).to_bytes().unwrap();
            let signatures = sign(&event, &[&dans()]).signatures().to_vec();
            let stored = rewrite(&event, "body.evidence", &item_twice);
            forge.enter_with(Envelope::new(stored, signatures).unwrap(), |_| {});
            forge.seal();
            Case::of(&forge)
        },
    ),
    // Keys.
    attack("a key of mixed order is granted, and used", 1, &["rule.key_unfit", "key.unfit"], || {
        Case::of(&with_unfit_key(mixed_key()))
    }),
    attack("a key that is not canonical is granted, and used", 1, &["rule.key_unfit", "key.unfit"], || {
        Case::of(&with_unfit_key(keys_beyond_the_prime().nth(2).unwrap()))
    }),
    attack("a signature whose R is of small order", 1, &["signature.author"], || {
        Case::of(&odd_log(1, 1, &[(0, Odd::SmallOrderR)]))
    }),
];

fn is_by(signer: &Person, signature: &[u8]) -> bool {
    signature.starts_with(signer.public().as_bytes())
}

/// A ledger of [`every_kind`]'s shape in its three files.
fn whole(forge: &Forge) -> Case {
    Case { files: three_files(forge.frames()), ..Case::of(forge) }
}

/// [`every_kind`] without these batches, in one file.
fn without_batches(dropped: &[usize]) -> Case {
    let forge = every_kind();
    let kept = forge.frames().iter().enumerate().filter(|(number, _)| !dropped.contains(number));
    let frames: Vec<Vec<u8>> = kept.map(|(_, frame)| frame.clone()).collect();
    Case::of(&forge).frames(&frames)
}

/// [`every_kind`] in its three files, with a bit flipped in each of these batches, at that byte.
fn with_damaged(places: &[(usize, usize)]) -> Case {
    let forge = every_kind();
    let mut frames = forge.frames().to_vec();
    for &(batch, at) in places {
        frames[batch][at] ^= 1;
    }
    Case { files: three_files(&frames), ..Case::of(&forge) }
}

/// [`small`] in a file for each batch: that of entry 1 is gone, and a bit is flipped in that of entries 2 and 3.
fn without_second_file(at: usize) -> Case {
    let forge = small();
    let frames = forge.frames();
    let mut damaged = frames[2].clone();
    damaged[at] ^= 1;
    Case { files: vec![(0, frames[0].clone()), (2, damaged), (4, frames[3].clone())], ..Case::of(&forge) }
}

/// Every code that a row finds.
pub(crate) fn codes_found() -> impl Iterator<Item = &'static str> {
    ROWS.iter().flat_map(|row| row.finds).copied()
}

#[test]
fn each_row_ends_in_its_findings() {
    ROWS.iter().for_each(Attack::ends_in_its_findings);
}

#[test]
fn a_kept_checkpoint_with_spare_bits_is_refused_at_the_door() {
    let note = String::from_utf8(small().newest_note().to_vec()).unwrap();
    assert!(EarlierCheckpoint::parse("kept", note.as_bytes()).is_ok());
    for line in [ROOT_LINE, SIGNATURE_LINE] {
        assert!(EarlierCheckpoint::parse("kept", with_spare_bit(&note, line).as_bytes()).is_err());
    }
}

// --- The ledger of every kind -------------------------------------------------------------------

#[test]
fn the_ledger_of_every_kind_is_what_it_says() {
    let forge = every_kind();
    let kinds: BTreeSet<Kind> = forge.entered.iter().map(|entered| entered.event.body.kind()).collect();
    assert_eq!(kinds.len(), Kind::ALL.len());
    let views: Vec<FrameView<'_>> =
        forge.frames().iter().map(|frame| FrameView::parse(frame).unwrap()).collect();
    let sizes: BTreeSet<u32> = views.iter().map(FrameView::count).collect();
    assert_eq!((forge.size(), sizes.into_iter().collect::<Vec<_>>()), (61, vec![1, 2, 3, 4, 5, 7, 9]));
    assert_eq!(three_files(forge.frames()).len(), 3);
    assert_eq!(every_kind().frames(), forge.frames(), "the same bytes every time");
}

/// What a sweep came to, a verdict for each byte.
#[derive(Debug, Default, PartialEq, Eq)]
struct Swept {
    tampered: usize,
    cannot_tell: usize,
}

/// Verifies once for each of `places`, on all cores, what `damage` makes of it: each must be noticed.
fn sweep(places: usize, side_by_side: usize, damage: impl Fn(usize) -> Report + Sync) -> Swept {
    let swept = Mutex::new(Swept::default());
    at_every(places, side_by_side, |place| {
        let verdict = damage(place).verdict;
        let mut swept = swept.lock().unwrap();
        match verdict {
            Verdict::Tampered => swept.tampered += 1,
            Verdict::CannotTell => swept.cannot_tell += 1,
            noticed_wrongly => panic!("place {place}: {noticed_wrongly:?}"),
        }
    });
    swept.into_inner().unwrap()
}

fn cores() -> usize {
    available_parallelism().map_or(2, usize::from)
}

/// Flips a bit of every byte, or of every `step`th, of the three files of [`every_kind`]: another bit in each.
fn sweep_files(step: usize) -> (usize, Swept) {
    let (forge, files) = (every_kind(), three_files(every_kind().frames()));
    let (head, trust) = (forge.head(), forge.trust());
    let bytes =
        files.iter().enumerate().flat_map(|(file, (_, bytes))| (0..bytes.len()).map(move |at| (file, at)));
    let places: Vec<(usize, usize)> = bytes.step_by(step).collect();
    let swept = sweep(places.len(), cores(), |place| {
        let (file, at) = places[place];
        let mut files = files.clone();
        files[file].1[at] ^= 1 << (at % 8);
        let log = MemoryLog::from_files(files, RollSize::DEFAULT);
        verify_log(&log, head.clone(), &Options { trust: Some(&trust), ..quick() })
    });
    println!("{} bytes of batch files: {swept:?}", places.len());
    (places.len(), swept)
}

/// The same, the checksum of the frame made anew after each flip: what somebody does who can write the file.
fn sweep_frames(step: usize) -> (usize, Swept) {
    let forge = every_kind();
    let (head, trust) = (forge.head(), forge.trust());
    let covered = |frame: &Vec<u8>| frame.len() - 4;
    let bytes = forge.frames().iter().enumerate();
    let bytes = bytes.flat_map(|(number, frame)| (0..covered(frame)).map(move |at| (number, at)));
    let places: Vec<(usize, usize)> = bytes.step_by(step).collect();
    let swept = sweep(places.len(), cores(), |place| {
        let (number, at) = places[place];
        let mut frames = forge.frames().to_vec();
        let end = covered(&frames[number]);
        frames[number][at] ^= 1 << (at % 8);
        let checksum = crc32c::crc32c(&frames[number][..end]);
        frames[number][end..].copy_from_slice(&checksum.to_le_bytes());
        let log = log_of(&frames);
        verify_log(&log, head.clone(), &Options { trust: Some(&trust), ..quick() })
    });
    println!("{} bytes of frames, checksums made anew: {swept:?}", places.len());
    (places.len(), swept)
}

#[test]
fn no_sampled_byte_of_a_batch_file_goes_unnoticed() {
    let (places, swept) = sweep_files(37);
    assert_eq!(swept, Swept { tampered: places, cannot_tell: 0 });
}

#[test]
#[ignore = "needs minutes: every byte, not every 37th"]
fn no_flipped_byte_of_a_batch_file_goes_unnoticed() {
    assert_eq!(sweep_files(1), (29_097, Swept { tampered: 29_097, cannot_tell: 0 }));
}

#[test]
fn no_sampled_byte_goes_unnoticed_where_checksums_are_made_anew() {
    let (places, swept) = sweep_frames(37);
    assert_eq!(swept.tampered + swept.cannot_tell, places);
}

#[test]
#[ignore = "needs minutes: every byte, not every 37th"]
fn no_flipped_byte_goes_unnoticed_where_checksums_are_made_anew() {
    // Some flips make a version or a word that a later program may know.
    assert_eq!(sweep_frames(1), (28_993, Swept { tampered: 28_918, cannot_tell: 75 }));
}

#[test]
fn no_flipped_byte_of_heads_newer_slot_goes_unnoticed() {
    let forge = every_kind();
    let dir = tempfile::tempdir().unwrap();
    forge.write(dir.path());
    let bytes = std::fs::read(dir.path().join("head")).unwrap();
    let flipped = |at: usize| {
        let mut bytes = bytes.clone();
        bytes[forge.newer_slot() + at] ^= 1 << (at % 8);
        head_from(&bytes)
    };
    // A slot that reads as bad is read again after a pause: many wait side by side. All read the same, …
    let read = flipped(0);
    at_every(HEAD_SLOT_BYTES, 32, |at| assert_eq!(flipped(at), read, "byte {at}"));
    // … and that ends in this.
    let report = Case { head: read, ..whole(&forge) }.verify();
    assert_eq!((codes(&report), report.verdict), (vec!["head.torn".to_owned()], Verdict::CannotTell));
    println!("{HEAD_SLOT_BYTES} bytes of the newer slot: all cannot tell");
}

/// What a file `head` of these bytes says.
fn head_from(bytes: &[u8]) -> HeadState {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("head"), bytes).unwrap();
    read_head(dir.path()).unwrap()
}

#[test]
fn truncation_at_every_batch_is_found_unless_an_older_head_is_put_back_too() {
    let forge = every_kind();
    let newest = vec![forge.newest_note().to_vec()];
    for count in 0..forge.frames().len() {
        let cut = |head: HeadState, checkpoints: &[Vec<u8>]| {
            let files = three_files(&forge.frames()[..count]);
            let case = Case { files, head, checkpoints: checkpoints.to_vec(), ..Case::of(&forge) };
            let report = case.verify();
            (codes(&report), report.verdict.exit_code())
        };
        let found = |codes: &[&str], missing: u64, exit| {
            let missing = vec!["entry.missing"; usize::try_from(missing).unwrap()];
            let codes = codes.iter().chain(&missing).map(|code| (*code).to_owned());
            (codes.collect::<Vec<String>>(), exit)
        };
        // A log that ends before its key rotates (entry 30) does not know the key that signed what came later.
        let log_size = count.checked_sub(1).map_or(0, |last| forge.notes()[last].0);
        let (gone, published): (&[&str], _) = match log_size {
            0 => (&["head.disagrees", "log.empty", "log.shorter_than_head"], "anchor.signature"),
            1..=30 => (&["head.disagrees", "log.shorter_than_head"], "anchor.signature"),
            _ => (&["log.shorter_than_head"], "log.shorter_than_checkpoint"),
        };
        // What is signed by a key that nobody knows publishes nothing.
        let missing = if log_size <= 30 { 0 } else { forge.size() - log_size };
        assert_eq!(cut(forge.head(), &[]), found(gone, missing, 1), "{count} batches, head left");
        // A head as old as the log, or one batch older: the trust root alone does not tell, who kept a checkpoint does.
        for (size, note) in &forge.notes()[count.saturating_sub(2)..count] {
            let (head, says) = (head_of(*size, note), format!("{count} batches, head of {size}"));
            assert_eq!(cut(head.clone(), &[]), found(&[], 0, 0), "{says}");
            assert_eq!(cut(head, &newest), found(&[published], missing, 1), "{says}, a checkpoint");
        }
    }
}

#[test]
fn each_of_two_neighbours_is_named() {
    // Entries 8 to 10 and 11 to 13: what is left says that six are missing, and which.
    let report = without_batches(&[2, 3]).verify();
    let json = serde_json::to_value(&report.findings).unwrap();
    assert_eq!((&json[1]["facts"]["index"], &json[1]["facts"]["actual"]), (&8.into(), &14.into()));
    assert_eq!((&json[2]["facts"]["index"], &json[2]["facts"]["until"]), (&8.into(), &14.into()));
    assert!(report.findings[2].to_string().starts_with("entries from 8 to 13 could not be read"));
    assert_eq!(missing(&report), [8, 9, 10, 11, 12, 13]);
    // Of one alone, fewer.
    let report = without_batches(&[2]).verify();
    assert!(report.findings[2].to_string().starts_with("entries from 8 to 10 could not be read"));
    assert_eq!(missing(&report), [8, 9, 10]);
}

/// The entries of which the report says that they are missing.
fn missing(report: &Report) -> Vec<u64> {
    let missing = report.findings.iter().filter(|found| found.code() == "entry.missing");
    missing.filter_map(|found| found.index()).collect()
}

/// How many are missing is whatever somebody wrote into a frame: all are counted, so many of each gap are listed.
#[test]
fn a_gap_as_wide_as_can_be_is_bounded_and_hides_no_other() {
    let mut forge = promoted();
    for _ in 0..2 {
        forge.add(&[&ada()], note(3));
    }
    let mut frames = forge.frames().to_vec();
    let far = u64::MAX - 10;
    for (frame, first) in [(3, 300), (4, far)] {
        let view = FrameView::parse(&frames[frame]).unwrap();
        let entries: Vec<&[u8]> = view.entries().collect();
        frames[frame] = encode_frame(first, &entries, view.note()).unwrap();
    }
    // Nothing says what was published: all there is counts.
    let log = MemoryLog::from_files([(0, frames.concat())], RollSize::DEFAULT);
    let report = verify(&log, HeadState::BothBad, &quick(), &|_, _| ()).unwrap();
    assert_eq!(missing(&report), [(4..104).collect::<Vec<u64>>(), (301..401).collect()].concat());
    assert_eq!(report.finding_counts["entry.missing"], (300 - 4) + (far - 301));
    assert_eq!(report.finding_counts["log.unread"], 2);
    let text = render(&report, None);
    assert!(text.contains("findings: "), "{text}");
}

// --- The same answer every time -----------------------------------------------------------------

/// A desk with the ledger of every kind in its three files, changed by `damage`, and its trust root.
fn desk_with(damage: impl FnOnce(&mut Vec<(u64, Vec<u8>)>)) -> Desk {
    let (desk, forge) = (Desk::empty(), every_kind());
    forge.write(&desk.path("ledger"));
    let mut files = three_files(forge.frames());
    damage(&mut files);
    for (first, bytes) in files {
        desk.write(&format!("ledger/log/{first:020}.batches"), bytes);
    }
    desk.write("trust.toml", forge.trust().to_toml());
    desk
}

#[test]
fn json_is_the_same_every_time_on_any_number_of_threads() {
    let sound = desk_with(|_| {});
    let damaged = desk_with(|files| {
        // In each file a byte, once inside an entry's signature, sealed anew so that it can be read.
        let end = FrameView::parse(&files[0].1).unwrap().bytes().len() - 4;
        files[0].1[end - 300] ^= 1;
        let checksum = crc32c::crc32c(&files[0].1[..end]);
        files[0].1[end..end + 4].copy_from_slice(&checksum.to_le_bytes());
        files[1].1[500] ^= 1;
        let last = files[2].1.len() - 10;
        files[2].1[last] ^= 1;
    });
    for (desk, code) in [(&sound, 0), (&damaged, 1)] {
        let verify =
            |threads: usize| desk.run(&format!("--json verify --trust trust.toml --threads {threads}"));
        let first: Answer = verify(1);
        assert_eq!(first.code, Some(code), "{first:?}");
        for threads in [1, 2, 2, 3, 3, 8, 8] {
            let answer = verify(threads);
            assert_eq!((&answer.stdout, answer.code), (&first.stdout, first.code), "{threads} threads");
        }
        let found = first.json()["findings"].as_array().unwrap().len();
        assert!(if code == 0 { found == 1 } else { found > 4 }, "{first:?}");
    }
    assert!(sound.run("verify --trust trust.toml").stdout.contains("was redacted by entry 29"));
    assert!(!REDACTED.is_empty());
}

// --- Odd points ---------------------------------------------------------------------------------

/// Signatures under a sound key that implementations disagree about, and some that none takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Odd {
    /// R with a torsion part: passes the audit, not the strict check.
    TorsionR,
    SmallOrderR,
    /// R's y beyond the prime.
    NonCanonicalR,
    /// R is no point.
    NoPointR,
    /// ℓ added to S.
    HighS,
    /// Other bytes were signed.
    OtherBytes,
}

impl Odd {
    const ALL: [Self; 6] = [
        Self::TorsionR,
        Self::SmallOrderR,
        Self::NonCanonicalR,
        Self::NoPointR,
        Self::HighS,
        Self::OtherBytes,
    ];

    fn passes(self) -> bool {
        self == Self::TorsionR
    }

    /// Ada's signature over `message`, made odd.
    fn sign(self, message: &[u8]) -> SignatureBytes {
        let good = ada().key.sign(message);
        let with_r = |r: [u8; 32]| {
            let mut bytes = *good.as_bytes();
            bytes[..32].copy_from_slice(&r);
            SignatureBytes::from_bytes(bytes)
        };
        match self {
            Self::TorsionR => torsion_signature(Hash::of(b"Ada").as_bytes(), message),
            Self::SmallOrderR => with_r(EIGHT_TORSION[3].compress().0),
            Self::NonCanonicalR => with_r([0xff; 32]),
            Self::NoPointR => {
                let mut no_point = [0; 32];
                no_point[0] = 2;
                with_r(no_point)
            }
            Self::HighS => malleated(&good),
            Self::OtherBytes => ada().key.sign(b"something else"),
        }
    }
}

/// Founded, and `notes` notes by Ada in batches of `batch`, some with odd signatures: by place among the notes.
fn odd_log(notes: usize, batch: usize, odd: &[(usize, Odd)]) -> Forge {
    let mut forge = Forge::founded();
    for place in 0..notes {
        let event = forge.event(&ada(), note(0)).to_bytes().unwrap();
        let message = signing_bytes(&event);
        let signature = match odd.iter().find(|(at, _)| *at == place) {
            Some((_, odd)) => odd.sign(&message),
            None => ada().key.sign(&message),
        };
        forge.enter_with(Envelope::new(event, vec![author(&ada(), signature)]).unwrap(), |_| {});
        if place % batch == batch - 1 || place == notes - 1 {
            forge.seal();
        }
    }
    forge
}

#[test]
fn odd_points_get_one_verdict_in_any_batch() {
    let key = CheckedKey::new(&ada().public()).unwrap();
    let good = AuditItem::new(&key, b"m", &ada().key.sign(b"m"));
    let odd: Vec<(AuditItem, Odd)> =
        Odd::ALL.map(|odd| (AuditItem::new(&key, b"m", &odd.sign(b"m")), odd)).into();
    for odd in Odd::ALL {
        let alone = audit_defect(&ada().public(), b"m", &odd.sign(b"m"));
        assert_eq!(alone.is_none(), odd.passes(), "{odd:?}");
    }
    // At the beginning, in the middle and at the end of batches; in small ones, some after the others.
    let judge = || {
        let mut verdicts = Vec::new();
        for size in [1, 2, 64, 1024, 2048, 2049, 4097] {
            for some in odd.chunks(size.min(odd.len())) {
                for start in BTreeSet::from([0, (size - some.len()) / 2, size - some.len()]) {
                    let mut items = vec![good.clone(); size];
                    (start..).zip(some).for_each(|(place, (item, _))| items[place] = item.clone());
                    let bad: Vec<usize> = audit_batch(&items).iter().map(|bad| bad.position).collect();
                    let fail = (start..).zip(some).filter(|(_, (_, odd))| !odd.passes());
                    let expected: Vec<usize> = fail.map(|(place, _)| place).collect();
                    assert_eq!(bad, expected, "from {start} of {size}");
                    verdicts.push(bad);
                }
            }
        }
        verdicts
    };
    let once = judge();
    // Twice more, side by side.
    std::thread::scope(|scope| {
        let others = [scope.spawn(judge), scope.spawn(judge)];
        assert!(others.into_iter().all(|other| other.join().unwrap() == once));
    });
}

#[test]
fn odd_points_get_one_verdict_at_any_place_of_a_log() {
    // At the ends of batches, and of what one thread checks at a time (1,024 entries, the first of the log included).
    const NOTES: usize = 2_060;
    for (start, batch) in [(0, 1), (61, 2), (1_020, 64), (2_040, 1_024), (2_054, NOTES)] {
        let odd: Vec<(usize, Odd)> = (start..).zip(Odd::ALL).collect();
        let forge = odd_log(NOTES, batch, &odd);
        let trust = forge.trust();
        let bad = odd.iter().filter(|(_, odd)| !odd.passes());
        let bad: Vec<(String, u64)> =
            bad.map(|(place, _)| ("signature.author".to_owned(), *place as u64 + 1)).collect();
        for (threads, strict) in [(1, false), (2, true), (4, false)] {
            let options =
                Options { trust: Some(&trust), threads: Some(threads), strict, ..Options::default() };
            let report = verify_log(&forge.log(), forge.head(), &options);
            let index = report.findings.iter().map(|found| found.index().unwrap());
            let found: Vec<(String, u64)> = codes(&report).into_iter().zip(index).collect();
            let remark = strict.then(|| ("signature.not_strict".to_owned(), start as u64 + 1));
            let expected: Vec<(String, u64)> = remark.into_iter().chain(bad.clone()).collect();
            assert_eq!(found, expected, "batches of {batch}, from {start}, {threads} threads");
        }
    }
}

#[test]
fn every_key_that_is_unfit_is_found() {
    let small_order = EIGHT_TORSION.iter().map(|point| PublicKey::from_bytes(point.compress().0));
    let mixed = EIGHT_TORSION[1..].iter().map(|torsion| {
        PublicKey::from_bytes((EdwardsPoint::mul_base(&Scalar::from(7u8)) + torsion).compress().0)
    });
    let keys: Vec<PublicKey> = small_order.chain(mixed).chain(keys_beyond_the_prime()).collect();
    assert_eq!(keys.len(), 8 + 7 + 38);
    at_every(keys.len(), cores(), |at| {
        let key = keys[at];
        assert!(audit_defect(&key, b"m", &identity_signature()).is_some());
        let forge = with_unfit_key(key);
        let trust = forge.trust();
        for threads in [1, 2, 4] {
            let options = Options { trust: Some(&trust), threads: Some(threads), ..Options::default() };
            let report = verify_log(&forge.log(), forge.head(), &options);
            assert_eq!(codes(&report), ["rule.key_unfit", "key.unfit"], "{key}");
            assert_eq!(report.verdict, Verdict::Tampered);
        }
    });
}
