//! Attacks on a log, each with the exact findings and exit code that it ends in.

use std::collections::BTreeSet;
use std::path::Path;

use curve25519_dalek::Scalar;
use curve25519_dalek::constants::{ED25519_BASEPOINT_TABLE, EIGHT_TORSION};
use ed25519_dalek::SigningKey;
use rollbook::event::authority::Role;
use rollbook::event::body::Kind;
use rollbook::event::list::Ascending;
use rollbook::hash::Hash;
use rollbook::log::trust_root::TrustRoot;
use rollbook::note::checkpoint::{Checkpoint, Origin, sign_checkpoint};
use rollbook::signing::envelope::{AuthorSignature, Envelope, signing_bytes};
use rollbook::signing::public_key::{PublicKey, SignatureBytes};
use rollbook::store::files::RollSize;
use rollbook::store::frame::{FrameView, encode_frame};
use rollbook::store::head::{HEAD_SLOT_BYTES, HeadState};
use rollbook::store::memory::MemoryLog;
use rollbook::verifier::finding::{Class, Finding};
use rollbook::verifier::report::{CheckpointOutcome, Report, Verdict, render};
use rollbook::verifier::verify::{EarlierCheckpoint, Options, VerifyError, verify_dir};
use sha2::{Digest, Sha512};

use crate::support::events::*;
use crate::support::forge::{Forge, codes, head_of, quick, sign, verify_log};

/// A log and all that is held against it.
pub(crate) struct Case {
    pub(crate) files: Vec<(u64, Vec<u8>)>,
    pub(crate) head: HeadState,
    pub(crate) trust: Option<TrustRoot>,
    pub(crate) checkpoints: Vec<Vec<u8>>,
    pub(crate) strict: bool,
}

impl Case {
    /// The log as it was forged, with the trust root that fits it.
    pub(crate) fn of(forge: &Forge) -> Self {
        Self::new(forge.frames().concat(), &forge.head(), forge)
    }

    /// These bytes as the log's one file, with the trust root that fits `forge`.
    fn new(log: Vec<u8>, head: &HeadState, forge: &Forge) -> Self {
        Self {
            files: vec![(0, log)],
            head: head.clone(),
            trust: Some(forge.trust()),
            checkpoints: Vec::new(),
            strict: false,
        }
    }

    /// Other frames in place of the log's.
    pub(crate) fn frames(self, frames: &[Vec<u8>]) -> Self {
        Self { files: vec![(0, frames.concat())], ..self }
    }

    pub(crate) fn verify(&self) -> Report {
        let kept: Vec<EarlierCheckpoint> =
            self.checkpoints.iter().map(|note| EarlierCheckpoint::parse("kept", note).unwrap()).collect();
        let options =
            Options { trust: self.trust.as_ref(), checkpoints: &kept, strict: self.strict, ..quick() };
        let log = MemoryLog::from_files(self.files.clone(), RollSize::DEFAULT);
        verify_log(&log, self.head.clone(), &options)
    }
}

/// An attack, what it makes the verifier find, and the exit code.
pub(crate) struct Attack {
    says: &'static str,
    pub(crate) finds: &'static [&'static str],
    exit: u8,
    case: fn() -> Case,
}

pub(crate) const fn attack(
    says: &'static str,
    exit: u8,
    finds: &'static [&'static str],
    case: fn() -> Case,
) -> Attack {
    Attack { says, finds, exit, case }
}

impl Attack {
    /// Asserts that exactly this is found.
    pub(crate) fn ends_in_its_findings(&self) {
        let Self { says, finds, exit, case } = self;
        let report = case().verify();
        let messages: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
        assert_eq!(codes(&report), *finds, "{says}: {messages:#?}");
        assert_eq!(report.verdict.exit_code(), *exit, "{says}: {messages:#?}");
    }
}

pub(crate) fn dan() -> Person {
    person("Dan")
}

/// Five entries in four batches: founded; granted; registered and promoted; noted.
pub(crate) fn small() -> Forge {
    let mut forge = promoted();
    forge.add(&[&ada()], note(3));
    forge
}

/// Two entries in two batches, as few bytes as can be: each byte is flipped, and cut at.
fn tiny() -> Forge {
    let mut forge = Forge::new();
    let mut body = created(&[&ada()], forge.log_public());
    body.policy = policy("");
    forge.add(&[&ada()], body);
    forge.add(&[&ada()], note(0));
    forge
}

/// Runs `check` on every number below `end`, some side by side.
pub(crate) fn at_every(end: usize, side_by_side: usize, check: impl Fn(usize) + Sync) {
    std::thread::scope(|scope| {
        for first in 0..side_by_side {
            let check = &check;
            scope.spawn(move || (first..end).step_by(side_by_side).for_each(check));
        }
    });
}

/// [`small`] without the last entry.
pub(crate) fn promoted() -> Forge {
    let mut forge = Forge::founded();
    forge.add(&[&ada()], grant(&dan(), &[Role::Registrar, Role::Deployer]));
    forge.enter_event(forge.event(&dan(), register("v1")), &[&dan()]);
    forge.enter_event(forge.event(&dan(), promote("v1", "staging", None)), &[&dan()]);
    forge.seal();
    forge
}

/// The batch of two in [`small`], its entries changed by `change`, its note as it was.
pub(crate) fn with_batch_of_two(change: fn(&mut Vec<Vec<u8>>)) -> Case {
    let forge = small();
    let view = FrameView::parse(&forge.frames()[2]).unwrap();
    let mut entries: Vec<Vec<u8>> = view.entries().map(<[u8]>::to_vec).collect();
    change(&mut entries);
    let mut frames = forge.frames().to_vec();
    frames[2] = encode_frame(2, &entries, view.note()).unwrap();
    Case::of(&forge).frames(&frames)
}

/// [`promoted`], and behind it a note by Ada whose envelope is changed by `change`.
pub(crate) fn with_note(change: impl FnOnce(Vec<u8>) -> Envelope) -> Forge {
    let mut forge = promoted();
    let event = forge.event(&ada(), note(3)).to_bytes().unwrap();
    forge.enter_with(change(event), |_| {});
    forge.seal();
    forge
}

/// [`promoted`], and behind it a note whose event bytes are changed and then signed by Ada.
fn with_event_bytes(change: impl FnOnce(&mut Vec<u8>)) -> Forge {
    with_note(|mut event| {
        change(&mut event);
        sign(&event, &[&ada()])
    })
}

/// Where the kind stands in the bytes of an event without attachments, declared.
const KIND_AT: usize = 4 + 32 + 16 + 32 + 8 + 8 + 4 + 8;

pub(crate) fn other_key() -> SigningKey {
    SigningKey::from_bytes(&[9; 32])
}

/// A signature whose R has a torsion part: only the key's owner can make it.
pub(crate) fn torsion_signature(seed: &[u8; 32], message: &[u8]) -> SignatureBytes {
    let wide = |parts: &[&[u8]]| {
        let mut hasher = Sha512::new();
        for part in parts {
            hasher.update(part);
        }
        Scalar::from_bytes_mod_order_wide(&hasher.finalize().into())
    };
    let key = SigningKey::from_bytes(seed);
    let nonce = wide(&[b"nonce", message]);
    let commitment = (&nonce * ED25519_BASEPOINT_TABLE + EIGHT_TORSION[1]).compress();
    let challenge = wide(&[commitment.as_bytes(), key.verifying_key().as_bytes(), message]);
    let response = nonce + challenge * key.to_scalar();
    let mut bytes = [0; 64];
    bytes[..32].copy_from_slice(commitment.as_bytes());
    bytes[32..].copy_from_slice(response.as_bytes());
    SignatureBytes::from_bytes(bytes)
}

/// The same signature with ℓ added to S.
pub(crate) fn malleated(signature: &SignatureBytes) -> SignatureBytes {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut bytes = *signature.as_bytes();
    let mut carry = 0u16;
    for (byte, add) in bytes[32..].iter_mut().zip(ORDER) {
        carry += u16::from(*byte) + u16::from(add);
        *byte = carry.to_le_bytes()[0];
        carry >>= 8;
    }
    SignatureBytes::from_bytes(bytes)
}

pub(crate) fn author(person: &Person, signature: SignatureBytes) -> AuthorSignature {
    AuthorSignature { key: person.public(), signature }
}

/// [`small`], sealed by another history from entry 1 on, under the same log key.
pub(crate) fn rewritten() -> Forge {
    let mut forge = Forge::founded();
    forge.add(&[&ada()], grant(&person("Mallory"), &[Role::Registrar, Role::Deployer]));
    for body in [register("v1"), register("v2"), register("v3")] {
        forge.add(&[&person("Mallory")], body);
    }
    forge
}

const ATTACKS: &[Attack] = &[
    attack("nothing is wrong", 0, &[], || Case::of(&small())),
    attack("nothing is wrong, and nothing says which ledger it must be", 4, &[], || Case {
        trust: None,
        ..Case::of(&small())
    }),
    // Entries.
    attack(
        "an entry is dropped from its batch",
        1,
        &["checkpoint.root", "checkpoint.size", "entry.missing", "frame.missing", "log.unread"],
        || with_batch_of_two(|entries| drop(entries.pop())),
    ),
    attack(
        "an entry is doubled",
        1,
        &["head.disagrees", "checkpoint.root", "checkpoint.size", "entry.index", "entry.previous"],
        || with_batch_of_two(|entries| entries.push(entries[1].clone())),
    ),
    attack(
        "two entries are swapped",
        1,
        &[
            "entry.index",
            "entry.previous",
            "checkpoint.root",
            "entry.index",
            "entry.previous",
            "time.decreases",
            "entry.previous",
        ],
        || with_batch_of_two(|entries| entries.swap(0, 1)),
    ),
    attack(
        "an entry is inserted",
        1,
        &[
            "head.disagrees",
            "entry.index",
            "entry.previous",
            "time.decreases",
            "entry.index",
            "entry.previous",
            "checkpoint.root",
            "checkpoint.size",
            "entry.index",
        ],
        || {
            with_batch_of_two(|entries| {
                let forge = small();
                let founding = FrameView::parse(&forge.frames()[0]).unwrap();
                entries.insert(0, founding.entries().next().unwrap().to_vec());
            })
        },
    ),
    attack(
        "a byte of an entry is changed in a sealed frame",
        1,
        &["checkpoint.root", "signature.author", "entry.previous"],
        || {
            // The last byte is the last signature's: everything still decodes.
            with_batch_of_two(|entries| *entries[1].last_mut().unwrap() ^= 1)
        },
    ),
    attack("an entry has a byte too many", 1, &["entry.not_canonical"], || {
        let mut forge = promoted();
        let envelope = sign(&forge.event(&ada(), note(3)).to_bytes().unwrap(), &[&ada()]);
        let mut bytes = Vec::new();
        Forge::enter_with(&mut promoted(), envelope, |entry| {
            entry.index = 4;
            bytes = entry.to_bytes();
        });
        bytes.push(0);
        forge.enter_bytes(bytes);
        forge.seal();
        Case::of(&forge)
    }),
    attack("an entry says another index", 1, &["entry.index"], || {
        let mut forge = promoted();
        let envelope = sign(&forge.event(&ada(), note(3)).to_bytes().unwrap(), &[&ada()]);
        forge.enter_with(envelope, |entry| entry.index = 7);
        forge.seal();
        Case::of(&forge)
    }),
    attack("an entry hangs on another one", 1, &["entry.previous"], || {
        let mut forge = promoted();
        let envelope = sign(&forge.event(&ada(), note(3)).to_bytes().unwrap(), &[&ada()]);
        forge.enter_with(envelope, |entry| entry.previous = Hash::of(b"elsewhere"));
        forge.seal();
        Case::of(&forge)
    }),
    attack("recorded time goes back", 1, &["time.decreases"], || {
        let mut forge = promoted();
        forge.now = minute(2);
        forge.add(&[&ada()], note(3));
        Case::of(&forge)
    }),
    attack("a state root stands where this version has none", 5, &["entry.state_root"], || {
        let mut forge = promoted();
        let envelope = sign(&forge.event(&ada(), note(3)).to_bytes().unwrap(), &[&ada()]);
        forge.enter_with(envelope, |entry| entry.state_root = Some(Hash::of(b"state")));
        forge.seal();
        Case::of(&forge)
    }),
    // Events.
    attack("an event has a byte too many", 1, &["event.not_canonical"], || {
        Case::of(&with_event_bytes(|event| event.push(0)))
    }),
    attack("a list in an event doesn't ascend", 1, &["event.not_canonical"], || {
        let mut forge = promoted();
        let mut body = promote("v1", "production", None);
        body.evidence = Ascending::new(vec![2, 3]).unwrap();
        let mut event = forge.event(&dan(), body).to_bytes().unwrap();
        let list = [2u64.to_le_bytes(), 2u64.to_le_bytes(), 3u64.to_le_bytes()].concat();
        let at = event.windows(list.len()).position(|part| part == list).unwrap();
        event[at + 8] = 3;
        event[at + 16] = 2;
        forge.enter_with(sign(&event, &[&dan()]), |_| {});
        forge.seal();
        Case::of(&forge)
    }),
    attack("an event is for another ledger", 1, &["rule.foreign_ledger"], || {
        let mut forge = promoted();
        let mut event = forge.event(&ada(), note(3));
        event.header.ledger_id = Hash::of(b"elsewhere");
        forge.add_event(event, &[&ada()]);
        Case::of(&forge)
    }),
    attack("an event is of a kind that isn't known", 5, &["event.newer"], || {
        Case::of(&with_event_bytes(|event| event[KIND_AT] = u8::try_from(Kind::ALL.len()).unwrap()))
    }),
    attack("an entry is in a later layout", 5, &["entry.newer"], || {
        let mut forge = promoted();
        forge.enter_bytes([2u32.to_le_bytes().as_slice(), b"any layout at all"].concat());
        forge.seal();
        Case::of(&forge)
    }),
    attack("an entry is in a layout that never existed", 1, &["entry.not_canonical"], || {
        let mut forge = promoted();
        forge.enter_bytes(vec![0; 64]);
        forge.seal();
        Case::of(&forge)
    }),
    attack("an event is of a later format", 5, &["event.newer"], || {
        Case::of(&with_event_bytes(|event| event[0] = 2))
    }),
    attack("an event holds a word that isn't known", 5, &["event.newer"], || {
        // The subject of a note is the first thing behind the kind.
        Case::of(&with_event_bytes(|event| event[KIND_AT + 4] = 9))
    }),
    attack("rules are not judged behind a kind that isn't known", 5, &["event.newer"], || {
        let mut forge = with_event_bytes(|event| event[KIND_AT] = 200);
        forge.add(&[&person("Mallory")], register("v2"));
        Case::of(&forge)
    }),
    attack(
        "tampering counts behind a kind that isn't known",
        1,
        &["event.newer", "signature.author"],
        || {
            let mut forge = with_event_bytes(|event| event[KIND_AT] = 200);
            let event = forge.event(&ada(), note(3)).to_bytes().unwrap();
            let signature = author(&ada(), ada().key.sign(b"something else"));
            forge.enter_with(Envelope::new(event, vec![signature]).unwrap(), |_| {});
            forge.seal();
            Case::of(&forge)
        },
    ),
    attack(
        "a violation counts before a kind that isn't known",
        1,
        &["rule.signer_unknown", "event.newer"],
        || {
            let mut forge = promoted();
            forge.add(&[&person("Mallory")], register("v2"));
            let mut event = forge.event(&ada(), note(3)).to_bytes().unwrap();
            event[KIND_AT] = 200;
            forge.enter_with(sign(&event, &[&ada()]), |_| {});
            forge.seal();
            Case::of(&forge)
        },
    ),
    // Authors' signatures.
    attack("the proposer's signature is stripped", 1, &["rule.proposer_not_signed"], || {
        let mut forge = promoted();
        let event = forge.event(&ada(), note(3));
        forge.add_event(event, &[&dan()]);
        Case::of(&forge)
    }),
    attack("a signature is over other bytes", 1, &["signature.author"], || {
        Case::of(&with_note(|event| {
            Envelope::new(event, vec![author(&ada(), ada().key.sign(b"something else"))]).unwrap()
        }))
    }),
    attack("a signature is another key's", 1, &["signature.author"], || {
        Case::of(&with_note(|event| {
            let signature = dan().key.sign(&signing_bytes(&event));
            Envelope::new(event, vec![author(&ada(), signature)]).unwrap()
        }))
    }),
    attack("a signature is malleated", 1, &["signature.author"], || {
        Case::of(&with_note(|event| {
            let signature = malleated(&ada().key.sign(&signing_bytes(&event)));
            Envelope::new(event, vec![author(&ada(), signature)]).unwrap()
        }))
    }),
    attack(
        "a grant whose signature fails gives nobody a role",
        1,
        &["signature.author", "rule.signer_unknown"],
        || {
            let mut forge = promoted();
            let event = forge.event(&ada(), grant(&person("Mallory"), &[Role::Registrar]));
            let signature = author(&ada(), person("Mallory").key.sign(b"let me in"));
            forge.enter_with(Envelope::new(event.to_bytes().unwrap(), vec![signature]).unwrap(), |_| {});
            forge.seal();
            forge.add(&[&person("Mallory")], register("v2"));
            Case::of(&forge)
        },
    ),
    attack("a key of small order is granted, and used", 1, &["rule.key_unfit", "key.unfit"], || {
        let mut forge = promoted();
        let weak = PublicKey::from_bytes([0; 32]);
        let mut granted = grant(&person("Mallory"), &[Role::Registrar]);
        granted.key = weak;
        forge.add(&[&ada()], granted);
        let mut event = forge.event(&ada(), register("v2"));
        event.header.proposer = weak;
        let mut signature = [0; 64];
        signature[0] = 1;
        let signature = AuthorSignature { key: weak, signature: SignatureBytes::from_bytes(signature) };
        forge.enter_with(Envelope::new(event.to_bytes().unwrap(), vec![signature]).unwrap(), |_| {});
        forge.seal();
        Case::of(&forge)
    }),
    attack("a torsion part in R passes the audit rule", 0, &[], || Case::of(&with_torsion())),
    attack(
        "a torsion part in R is a remark where strictness is asked for",
        0,
        &["signature.not_strict"],
        || Case { strict: true, ..Case::of(&with_torsion()) },
    ),
    attack("a signature that fails is said once, strictly or not", 1, &["signature.author"], || {
        let forge = with_note(|event| {
            Envelope::new(event, vec![author(&ada(), ada().key.sign(b"something else"))]).unwrap()
        });
        Case { strict: true, ..Case::of(&forge) }
    }),
    // Frames and files.
    attack("a batch is dropped", 1, &["entry.missing", "frame.missing", "log.unread"], || {
        let forge = small();
        let frames = [&forge.frames()[..1], &forge.frames()[2..]].concat();
        Case::of(&forge).frames(&frames)
    }),
    attack("a batch is doubled", 1, &["frame.misplaced"], || {
        let forge = small();
        let frames = [&forge.frames()[..2], &forge.frames()[1..]].concat();
        Case::of(&forge).frames(&frames)
    }),
    attack(
        "two batches change places",
        1,
        &["entry.missing", "frame.missing", "log.unread", "frame.misplaced"],
        || {
            let forge = small();
            let mut frames = forge.frames().to_vec();
            frames.swap(1, 2);
            Case::of(&forge).frames(&frames)
        },
    ),
    attack("the first batch is dropped", 1, &["entry.missing", "frame.missing", "log.unread"], || {
        let forge = small();
        Case::of(&forge).frames(&forge.frames()[1..])
    }),
    attack("a byte inside a batch is changed", 1, &["frame.damaged", "log.unread"], || {
        let forge = small();
        let mut frames = forge.frames().to_vec();
        frames[1][100] ^= 1;
        Case::of(&forge).frames(&frames)
    }),
    attack("zeros stand between two batches", 1, &["frame.damaged"], || {
        let forge = small();
        let mut frames = forge.frames().to_vec();
        frames.insert(2, vec![0; 70_000]);
        Case::of(&forge).frames(&frames)
    }),
    attack("a batch is of a later version", 5, &["frame.newer"], || {
        let forge = small();
        let mut frames = forge.frames().to_vec();
        let end = frames[1].len() - 4;
        frames[1][8] = 2;
        let checksum = crc32c::crc32c(&frames[1][..end]);
        frames[1][end..].copy_from_slice(&checksum.to_le_bytes());
        Case::of(&forge).frames(&frames)
    }),
    attack("a log file is gone", 1, &["entry.missing", "log.file_name", "log.unread"], || {
        let forge = small();
        let frames = forge.frames();
        Case { files: vec![(0, frames[0].clone()), (2, frames[2..].concat())], ..Case::of(&forge) }
    }),
    attack(
        "the first log file is gone",
        1,
        &["entry.missing", "log.file_name", "log.unread", "entry.missing"],
        || {
            let forge = small();
            Case { files: vec![(2, forge.frames()[2..].concat())], ..Case::of(&forge) }
        },
    ),
    attack("a log file has another name", 1, &["log.file_name"], || {
        let forge = small();
        let frames = forge.frames();
        Case { files: vec![(0, frames[..2].concat()), (1, frames[2..].concat())], ..Case::of(&forge) }
    }),
    attack("the log is rolled into two files", 0, &[], || {
        let forge = small();
        let frames = forge.frames();
        Case { files: vec![(0, frames[..2].concat()), (2, frames[2..].concat())], ..Case::of(&forge) }
    }),
    attack(
        "the log is gone",
        1,
        &[
            "log.empty",
            "log.shorter_than_head",
            "entry.missing",
            "entry.missing",
            "entry.missing",
            "entry.missing",
            "entry.missing",
        ],
        || Case { files: Vec::new(), ..Case::of(&small()) },
    ),
    // Checkpoints.
    attack("a checkpoint has another root", 1, &["checkpoint.root"], || {
        let mut forge = promoted();
        forge.enter_event(forge.event(&ada(), note(3)), &[&ada()]);
        forge.seal_with(|seal| {
            seal.checkpoint =
                Checkpoint::new(Origin::new("example.com/releases").unwrap(), 5, Hash::of(b"root"));
        });
        Case::of(&forge)
    }),
    attack("a checkpoint in the middle has another root", 1, &["checkpoint.root"], || {
        let mut forge = promoted();
        forge.enter_event(forge.event(&ada(), note(3)), &[&ada()]);
        forge.seal_with(|seal| {
            seal.checkpoint =
                Checkpoint::new(Origin::new("example.com/releases").unwrap(), 5, Hash::of(b"root"));
        });
        forge.add(&[&ada()], note(4));
        Case::of(&forge)
    }),
    attack("a checkpoint has another size", 1, &["checkpoint.size"], || {
        let mut forge = promoted();
        forge.enter_event(forge.event(&ada(), note(3)), &[&ada()]);
        forge.seal_with(|seal| {
            seal.checkpoint = Checkpoint::new(seal.checkpoint.origin().clone(), 6, *seal.checkpoint.root());
        });
        forge.add(&[&ada()], note(4));
        Case::of(&forge)
    }),
    attack("a checkpoint has another origin", 1, &["checkpoint.origin", "checkpoint.signature"], || {
        let mut forge = promoted();
        forge.enter_event(forge.event(&ada(), note(3)), &[&ada()]);
        forge.seal_with(|seal| {
            let origin = Origin::new("example.com/elsewhere").unwrap();
            seal.checkpoint = Checkpoint::new(origin, 5, *seal.checkpoint.root());
        });
        forge.add(&[&ada()], note(4));
        Case::of(&forge)
    }),
    attack("a checkpoint is signed by another key", 1, &["checkpoint.signature"], || {
        let mut forge = promoted();
        forge.enter_event(forge.event(&ada(), note(3)), &[&ada()]);
        forge.seal_with(|seal| seal.keys = vec![other_key()]);
        forge.add(&[&ada()], note(4));
        Case::of(&forge)
    }),
    attack("a checkpoint bears one signature more", 1, &["checkpoint.extra_signature"], || {
        let mut forge = promoted();
        forge.enter_event(forge.event(&ada(), note(3)), &[&ada()]);
        forge.seal_with(|seal| seal.keys.push(other_key()));
        Case::of(&forge)
    }),
    attack("a checkpoint bears its signature twice", 1, &["checkpoint.extra_signature"], || {
        let mut forge = promoted();
        forge.enter_event(forge.event(&ada(), note(3)), &[&ada()]);
        forge.seal_with(|seal| seal.keys.push(seal.keys[0].clone()));
        Case::of(&forge)
    }),
    attack("a checkpoint has an extension line", 1, &["checkpoint.not_canonical"], || {
        let mut forge = promoted();
        forge.enter_event(forge.event(&ada(), note(3)), &[&ada()]);
        let key = forge.log_key.clone();
        forge.seal_with(|seal| {
            let text = format!("{}more\n", seal.checkpoint.text());
            seal.note = Some(sign_checkpoint(&Checkpoint::parse(&text).unwrap(), &[&key]).unwrap());
        });
        forge.add(&[&ada()], note(4));
        Case::of(&forge)
    }),
    attack("a checkpoint is no note", 1, &["checkpoint.not_canonical"], || {
        let mut forge = promoted();
        forge.enter_event(forge.event(&ada(), note(3)), &[&ada()]);
        forge.seal_with(|seal| seal.note = Some(b"trust me\n".to_vec()));
        forge.add(&[&ada()], note(4));
        Case::of(&forge)
    }),
    // Head.
    attack("head is missing", 1, &["head.missing"], || Case {
        head: HeadState::Missing,
        ..Case::of(&small())
    }),
    attack("both slots of head are bad", 1, &["head.unreadable"], || Case {
        head: HeadState::BothBad,
        ..Case::of(&small())
    }),
    attack("the first write of head did not end", 1, &["head.unreadable"], || Case {
        head: HeadState::FirstWriteTorn,
        ..Case::of(&small())
    }),
    attack("head publishes a size at which no batch ends", 1, &["head.disagrees"], || {
        let forge = small();
        let middle = Checkpoint::new(forge.origin.clone(), 3, Hash::of(b"root"));
        let head = head_of(3, &sign_checkpoint(&middle, &[&forge.log_key]).unwrap());
        Case { head, ..Case::of(&forge) }
    }),
    attack("head holds another checkpoint", 1, &["head.disagrees"], || {
        let forge = small();
        let other = Checkpoint::new(forge.origin.clone(), 5, Hash::of(b"root"));
        let head = head_of(5, &sign_checkpoint(&other, &[&forge.log_key]).unwrap());
        Case { head, ..Case::of(&forge) }
    }),
    attack("head's note is of another size than head says", 1, &["head.disagrees"], || {
        let forge = small();
        Case { head: head_of(5, promoted().newest_note()), ..Case::of(&forge) }
    }),
    attack("head's note is signed by another key", 1, &["head.disagrees"], || {
        let forge = small();
        let checkpoint = Checkpoint::new(forge.origin.clone(), 5, forge.root());
        let head = head_of(5, &sign_checkpoint(&checkpoint, &[&other_key()]).unwrap());
        Case { head, ..Case::of(&forge) }
    }),
    attack("head's note is no note", 1, &["head.disagrees"], || Case {
        head: head_of(5, b"trust me\n"),
        ..Case::of(&small())
    }),
    attack("what lies behind head is not looked at", 0, &[], || {
        let mut forge = small();
        let head = forge.head();
        forge.add(&[&person("Mallory")], register("v2"));
        Case { head, ..Case::of(&forge) }
    }),
    attack("head publishes nothing, and there is nothing", 1, &["log.empty"], || Case {
        files: Vec::new(),
        head: HeadState::Missing,
        ..Case::of(&small())
    }),
    // The trust root.
    attack("a ledger of the same name and key stands in place of ours", 1, &["trust.ledger_id"], || {
        let mut forge = Forge::new();
        let mut body = created(&[&ada()], forge.log_public());
        body.nonce = [7; 32];
        forge.add(&[&ada()], body);
        Case { trust: Some(small().trust()), ..Case::of(&forge) }
    }),
    attack(
        "the trust root is another log's",
        1,
        &[
            "head.disagrees",
            "trust.ledger_id",
            "trust.log_key",
            "trust.origin",
            "checkpoint.origin",
            "checkpoint.signature",
        ],
        || {
            let origin = Origin::new("example.com/elsewhere").unwrap();
            let key = PublicKey::from_bytes(other_key().verifying_key().to_bytes());
            let trust = Some(TrustRoot::new(origin, Hash::of(b"another entry 0"), key).unwrap());
            Case { trust, ..Case::of(&Forge::founded()) }
        },
    ),
    attack(
        "the whole log is made anew under another log key",
        1,
        &["head.disagrees", "trust.ledger_id", "trust.log_key", "checkpoint.signature"],
        || {
            let mut forge = Forge::new();
            forge.log_key = other_key();
            forge.add(&[&ada()], created(&[&ada()], forge.log_public()));
            Case { trust: Some(small().trust()), ..Case::of(&forge) }
        },
    ),
    attack(
        "without a trust root, entry 0 must name a log key",
        1,
        &["log_key.unknown", "rule.ledger_not_created"],
        || {
            let mut forge = Forge::new();
            forge.add(&[&ada()], note(0));
            Case { trust: None, ..Case::of(&forge) }
        },
    ),
    // Earlier checkpoints.
    attack("history is rewritten behind entry 0, and nobody kept a checkpoint", 0, &[], || {
        Case::of(&rewritten())
    }),
    attack("history is rewritten, and somebody kept a checkpoint", 1, &["anchor.root"], || Case {
        checkpoints: vec![promoted().newest_note().to_vec()],
        ..Case::of(&rewritten())
    }),
    attack("an earlier checkpoint is extended", 0, &[], || Case {
        checkpoints: vec![promoted().newest_note().to_vec(), small().newest_note().to_vec()],
        ..Case::of(&small())
    }),
    attack("an earlier checkpoint may stand in the middle of a batch", 0, &[], || {
        let mut forge = Forge::founded();
        forge.add(&[&ada()], grant(&dan(), &[Role::Registrar, Role::Deployer]));
        forge.add(&[&dan()], register("v1"));
        Case { checkpoints: vec![forge.newest_note().to_vec()], ..Case::of(&small()) }
    }),
    attack(
        "the log is shorter than a checkpoint that was published",
        1,
        &["log.shorter_than_checkpoint", "entry.missing"],
        || Case { checkpoints: vec![small().newest_note().to_vec()], ..Case::of(&promoted()) },
    ),
    attack("head lags behind a checkpoint that somebody kept", 0, &[], || Case {
        checkpoints: vec![small().newest_note().to_vec()],
        head: promoted().head(),
        ..Case::of(&small())
    }),
    attack("a checkpoint that somebody kept is signed by another key", 1, &["anchor.signature"], || {
        let forge = small();
        let checkpoint = Checkpoint::new(forge.origin.clone(), 5, forge.root());
        Case { checkpoints: vec![sign_checkpoint(&checkpoint, &[&other_key()]).unwrap()], ..Case::of(&forge) }
    }),
    attack("a checkpoint that somebody kept is another log's", 1, &["anchor.origin"], || {
        let forge = small();
        let origin = Origin::new("example.com/elsewhere").unwrap();
        let checkpoint = Checkpoint::new(origin, 5, forge.root());
        Case { checkpoints: vec![sign_checkpoint(&checkpoint, &[&other_key()]).unwrap()], ..Case::of(&forge) }
    }),
];

/// [`promoted`], and a note whose signature by Ada has a torsion part.
fn with_torsion() -> Forge {
    with_note(|event| {
        let seed = *Hash::of(b"Ada").as_bytes();
        let signature = torsion_signature(&seed, &signing_bytes(&event));
        Envelope::new(event, vec![author(&ada(), signature)]).unwrap()
    })
}

#[test]
fn each_attack_ends_in_its_findings() {
    ATTACKS.iter().for_each(Attack::ends_in_its_findings);
}

#[test]
fn attacks_cover_every_finding() {
    let mut found: BTreeSet<&str> = ATTACKS.iter().flat_map(|attack| attack.finds).copied().collect();
    found.extend(crate::log_key_rotation::codes_found());
    // What `head` as a file can be, the tests below show.
    found.extend(["head.torn", "head.slot_bad", "head.newer"]);
    // What becomes of the files beside a log, tests/suite/attachments.rs shows.
    found.extend(Finding::CODES.iter().filter(|code| code.starts_with("attachment.")));
    found.extend(crate::authority::FINDS);
    found.extend(crate::git_clones::FINDS);
    found.extend(crate::git_manifests::FINDS);
    found.extend(crate::packs::codes_found());
    found.extend(crate::witnesses::FINDS);
    found.extend(crate::models::codes_found());
    found.extend(crate::tampering::codes_found());
    found.extend(crate::rule_table::rows().flat_map(|row| row.besides));
    let missing: Vec<&&str> = Finding::CODES.iter().filter(|code| !found.contains(**code)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_auditing_page_explains_every_code() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/auditing.md")).unwrap();
    for code in Finding::all_codes() {
        let told = code.strip_prefix("rule.").unwrap_or(&code);
        assert!(page.contains(&format!("`{told}`")) || page.contains(&format!("`{code}`")), "{code}");
    }
}

#[test]
fn codes_are_unique_and_every_rule_has_one() {
    let all: Vec<String> = Finding::all_codes().collect();
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    assert!(all.contains(&"rule.from_mismatch".to_owned()));
}

/// What must not pass for sound, and does not.
fn assert_noticed(verdict: Verdict, at: usize) {
    assert!(matches!(verdict, Verdict::Tampered | Verdict::CannotTell), "byte {at}: {verdict:?}");
}

#[test]
fn no_flipped_byte_of_the_log_goes_unnoticed() {
    let forge = tiny();
    let (log, head) = (forge.frames().concat(), forge.head());
    at_every(log.len(), 2, |at| {
        let mut bytes = log.clone();
        bytes[at] ^= 0x40;
        let case = Case::new(bytes, &head, &forge);
        assert_noticed(case.verify().verdict, at);
    });
}

#[test]
fn no_flipped_byte_of_a_frame_goes_unnoticed_where_its_checksum_is_made_anew() {
    let forge = tiny();
    let (frames, head) = (forge.frames().to_vec(), forge.head());
    for batch in 0..frames.len() {
        let end = frames[batch].len() - 4;
        at_every(end, 2, |at| {
            let mut frames = frames.clone();
            frames[batch][at] ^= 0x01;
            let checksum = crc32c::crc32c(&frames[batch][..end]);
            frames[batch][end..].copy_from_slice(&checksum.to_le_bytes());
            let case = Case::new(frames.concat(), &head, &forge);
            assert_noticed(case.verify().verdict, at);
        });
    }
}

/// Writes the ledger of `forge` with `head` changed by `change`, and verifies the directory.
fn verify_with_head(forge: &Forge, change: impl Fn(&mut Vec<u8>)) -> Report {
    let dir = tempfile::tempdir().unwrap();
    forge.write(dir.path());
    let path = dir.path().join("head");
    let mut head = std::fs::read(&path).unwrap();
    change(&mut head);
    std::fs::write(&path, head).unwrap();
    let trust = forge.trust();
    verify_dir(dir.path(), &Options { trust: Some(&trust), ..quick() }, &|_, _| {}).unwrap()
}

#[test]
fn no_flipped_byte_of_heads_newer_slot_goes_unnoticed() {
    // Two slots in use: the last batch is published by the newer one. A slot that reads as bad is
    // read again after a pause: many wait side by side.
    let forge = tiny();
    at_every(HEAD_SLOT_BYTES, 32, |at| {
        let report = verify_with_head(&forge, |head| head[forge.newer_slot() + at] ^= 0x10);
        assert_eq!(codes(&report), ["head.torn"], "byte {at}");
        assert_eq!(report.verdict.exit_code(), 5);
    });
}

#[test]
fn a_bad_slot_of_head_that_hides_nothing_is_a_remark() {
    let forge = small();
    let report = verify_with_head(&forge, |head| head[HEAD_SLOT_BYTES - forge.newer_slot() + 30] ^= 1);
    assert_eq!((codes(&report), report.verdict.exit_code()), (vec!["head.slot_bad".to_owned()], 0));
    assert_eq!(report.count(Class::Remark), 1);
}

#[test]
fn a_later_head_asks_for_a_later_program() {
    let forge = small();
    let report = verify_with_head(&forge, |head| {
        for slot in head.chunks_mut(HEAD_SLOT_BYTES) {
            slot[8] = 2;
            let checksum = crc32c::crc32c(&slot[..HEAD_SLOT_BYTES - 4]);
            slot[HEAD_SLOT_BYTES - 4..].copy_from_slice(&checksum.to_le_bytes());
        }
    });
    assert_eq!((codes(&report), report.verdict.exit_code()), (vec!["head.newer".to_owned()], 5));
}

#[test]
fn every_truncation_below_head_is_found() {
    let forge = tiny();
    let log = forge.frames().concat();
    let mut boundaries = vec![0];
    for frame in forge.frames() {
        boundaries.push(boundaries.last().unwrap() + frame.len());
    }
    let head = forge.head();
    at_every(log.len(), 2, |end| {
        let case = Case::new(log[..end].to_vec(), &head, &forge);
        let report = case.verify();
        let expected: &[&str] = match boundaries.binary_search(&end) {
            Ok(0) => &["log.empty", "log.shorter_than_head", "entry.missing", "entry.missing"],
            Ok(_) => &["log.shorter_than_head", "entry.missing"],
            Err(_) => &["frame.damaged", "log.unread"],
        };
        assert_eq!(codes(&report), expected, "{end} bytes");
        assert_eq!(report.verdict, Verdict::Tampered);
    });
}

#[test]
fn truncation_at_each_batch_is_found() {
    let forge = small();
    for count in 1..forge.frames().len() {
        let report = Case::of(&forge).frames(&forge.frames()[..count]).verify();
        let gone = usize::try_from(forge.size() - forge.notes()[count - 1].0).unwrap();
        let expected = [&["log.shorter_than_head"][..], &vec!["entry.missing"; gone]].concat();
        assert_eq!(codes(&report), expected, "{count} batches");
    }
}

#[test]
fn rules_are_judged_up_to_where_something_is_unknown() {
    let mut forge = with_event_bytes(|event| event[KIND_AT] = 200);
    forge.add(&[&ada()], note(3));
    let report = forge.verify();
    assert_eq!((report.rules_judged_up_to, report.size), (4, 6));
    let text = render(&report, Some("trust.toml"));
    assert!(text.contains("judged up to entry 3; what follows could not be"), "{text}");
    assert!(text.contains("VERDICT: cannot tell"), "{text}");
}

#[test]
fn a_run_of_wrong_roots_is_said_once() {
    let mut forge = small();
    for _ in 0..5 {
        forge.add(&[&ada()], note(1));
    }
    let mut frames = forge.frames().to_vec();
    let view = FrameView::parse(&frames[1]).unwrap();
    let mut entry = view.entries().next().unwrap().to_vec();
    *entry.last_mut().unwrap() ^= 1;
    frames[1] = encode_frame(1, &[entry], view.note()).unwrap();
    let report = Case::of(&forge).frames(&frames).verify();
    let of_roots = report.findings.iter().filter(|finding| finding.code() == "checkpoint.root");
    let roots: Vec<&Finding> = of_roots.map(|found| &**found).collect();
    assert!(matches!(roots[..], [Finding::CheckpointRoot { index: 1, checkpoints: 8, .. }]), "{roots:?}");
}

/// Some thousand entries in batches of a hundred, every third signature bad.
fn many_bad() -> Forge {
    let mut forge = Forge::founded();
    for index in 0..3_300 {
        let event = forge.event(&ada(), note(0)).to_bytes().unwrap();
        let signed = if index % 3 == 0 { b"something else".to_vec() } else { signing_bytes(&event) };
        let signature = author(&ada(), ada().key.sign(&signed));
        forge.enter_with(Envelope::new(event, vec![signature]).unwrap(), |_| {});
        if index % 100 == 99 {
            forge.seal();
        }
    }
    forge
}

#[test]
fn the_report_is_the_same_on_any_number_of_threads_and_bounded() {
    let forge = many_bad();
    let trust = forge.trust();
    let on = |threads| {
        let options = Options { trust: Some(&trust), threads: Some(threads), ..Options::default() };
        let report = verify_log(&forge.log(), forge.head(), &options);
        serde_json::to_string_pretty(&report).unwrap()
    };
    let one = on(1);
    assert_eq!(one, on(2));
    assert_eq!(one, on(5));
    let report: serde_json::Value = serde_json::from_str(&one).unwrap();
    assert_eq!(report["finding_counts"]["signature.author"], 1_100);
    assert_eq!(report["findings"].as_array().unwrap().len(), 1_000);
    assert_eq!(report["findings"][1]["index"], 4);
    assert_eq!(report["signatures"], 3_301);
}

#[test]
fn json_names_code_class_index_and_facts() {
    let report = serde_json::to_value(Case::of(&promoted()).verify()).unwrap();
    assert_eq!(report["verdict"], "sound");
    assert_eq!(report["findings"], serde_json::json!([]));
    let mut forge = promoted();
    forge.now = minute(2);
    forge.add(&[&ada()], note(3));
    let report = serde_json::to_value(forge.verify()).unwrap();
    assert_eq!(
        report["findings"][0],
        serde_json::json!({
            "code": "time.decreases",
            "class": "violation",
            "index": 4,
            "message": "entry 4: recorded at 2026-03-01T09:02:00.000Z, before the entry above it (2026-03-01T09:03:00.000Z)",
            "facts": {
                "index": 4,
                "recorded_at": "2026-03-01T09:02:00.000Z",
                "previous": "2026-03-01T09:03:00.000Z",
            },
        })
    );
}

#[test]
fn text_ends_in_one_line_of_verdict() {
    let forge = small();
    let last = |case: Case| {
        let text = render(&case.verify(), Some("trust.toml"));
        assert_eq!(text.matches("VERDICT").count(), 1, "{text}");
        text.lines().last().unwrap().to_owned()
    };
    let sizes = "5 entries, 4 batches, 5 author signatures";
    let id = forge.ledger_id.short();
    assert_eq!(
        last(Case::of(&forge)),
        format!("VERDICT: sound — {sizes}; rooted in trust.toml (ledger id {id}…)")
    );
    assert_eq!(
        last(Case { trust: None, ..Case::of(&forge) }),
        format!("VERDICT: sound, but not anchored — {sizes}; no trust root was given")
    );
    assert_eq!(
        last(Case { head: HeadState::Missing, ..Case::of(&forge) }),
        "VERDICT: TAMPERED — 1 finding: head.missing"
    );
}

#[test]
fn text_says_what_a_trust_root_alone_does_not_show() {
    let forge = small();
    let warning = "could not be seen";
    assert!(render(&Case::of(&forge).verify(), None).contains(warning));
    let kept = Case { checkpoints: vec![promoted().newest_note().to_vec()], ..Case::of(&forge) }.verify();
    assert!(!render(&kept, None).contains(warning));
    assert_eq!(kept.checkpoints[0].outcome, CheckpointOutcome::Matched);
    assert!(!render(&Case { trust: None, ..Case::of(&forge) }.verify(), None).contains(warning));
}

#[test]
fn a_directory_without_a_log_is_no_ledger() {
    let dir = tempfile::tempdir().unwrap();
    let error = verify_dir(dir.path(), &quick(), &|_, _| {}).unwrap_err();
    assert!(matches!(error, VerifyError::NotALedger { .. }));
    assert!(error.to_string().ends_with("is not a ledger directory: it holds no directory `log`"));
}

#[test]
fn a_file_that_is_no_checkpoint_is_refused_at_the_door() {
    let error = EarlierCheckpoint::parse("old.txt", b"hello\n").unwrap_err();
    assert!(error.to_string().starts_with("old.txt is no checkpoint: "), "{error}");
}

#[test]
fn progress_ends_at_the_published_size() {
    let forge = small();
    let newest = std::sync::Mutex::new((0, 0));
    let options = quick();
    let log = forge.log();
    let report = rollbook::verifier::verify::verify(&log, forge.head(), &options, &|done, total| {
        *newest.lock().unwrap() = (done, total);
    });
    assert_eq!(report.unwrap().verdict.exit_code(), 4);
    assert_eq!(*newest.lock().unwrap(), (5, 5));
}

#[test]
fn a_pipe_or_a_device_in_place_of_a_file_is_not_waited_for() {
    let forge = small();
    let make_pipe =
        |path: &Path| rustix::fs::mkfifoat(rustix::fs::CWD, path, rustix::fs::Mode::RUSR).unwrap();
    let make_endless = |path: &Path| std::os::unix::fs::symlink("/dev/zero", path).unwrap();
    let makes: [&dyn Fn(&Path); 2] = [&make_pipe, &make_endless];
    for name in ["head", "log/00000000000000000000.batches"] {
        for make in makes {
            let dir = tempfile::tempdir().unwrap();
            forge.write(dir.path());
            std::fs::remove_file(dir.path().join(name)).unwrap();
            make(&dir.path().join(name));
            let error = verify_dir(dir.path(), &quick(), &|_, _| {}).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains("not a regular file"), "{error}");
        }
    }
}
