//! Our notes, vkeys and checkpoints against `signed_note` and `tlog_tiles` (bytes are exchanged, not
//! types), in both directions.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::SigningKey;
use proptest::prelude::*;
use rollbook::hash::Hash;
use rollbook::note::checkpoint::{Checkpoint, Origin, open_checkpoint, sign_checkpoint};
use rollbook::note::signature_line::SignatureLine;
use rollbook::note::signed_note::Note;
use rollbook::note::vkey::{KeyKind, VerifierKey};
use signed_note::{StandardSigner, StandardVerifier, Verifier as _, VerifierList};

const ORIGIN: &str = "example.com/releases";

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn vkey(name: &str, seed: u8) -> VerifierKey {
    VerifierKey::of_signing_key(name, KeyKind::Ed25519, &key(seed)).unwrap()
}

/// Their signer with the very key that [`key`] gives us, through their text form of a private key.
fn their_signer(name: &str, seed: u8) -> StandardSigner {
    let private_key = STANDARD.encode([&[1], key(seed).as_bytes().as_slice()].concat());
    let text = format!("PRIVATE+KEY+{name}+{}+{private_key}", vkey(name, seed).key_id());
    StandardSigner::new(&text).unwrap()
}

fn their_verifiers(vkeys: &[VerifierKey]) -> VerifierList {
    let verifier = |vkey: &VerifierKey| -> Box<dyn signed_note::Verifier> {
        Box::new(StandardVerifier::new(&vkey.to_string()).unwrap())
    };
    VerifierList::new(vkeys.iter().map(verifier).collect())
}

#[test]
fn they_read_our_vkeys() {
    for (name, seed) in [("a", 1), (ORIGIN, 2), ("ü", 3)] {
        let ours = vkey(name, seed);
        let theirs = StandardVerifier::new(&ours.to_string()).unwrap();
        assert_eq!(theirs.name(), ours.name());
        assert_eq!(theirs.key_id().to_be_bytes(), *ours.key_id().as_bytes());
        let dalek = ed25519_dalek::VerifyingKey::from(&key(seed));
        assert_eq!(ours.public_key().as_bytes(), dalek.as_bytes());
    }
}

#[test]
fn they_verify_the_notes_we_sign() {
    for text in ["one line\n", "two\nlines\n", "empty lines\n\n\nwithin\n\n"] {
        let lines = [("a", 1), ("b", 2)]
            .map(|(name, seed)| SignatureLine::sign_ed25519(name, &key(seed), text).unwrap());
        let ours = Note::new(text.to_owned(), lines.to_vec()).unwrap().encode();
        let theirs = signed_note::Note::from_bytes(&ours).unwrap();
        assert_eq!(theirs.text(), text.as_bytes());
        let (verified, unknown) = theirs.verify(&their_verifiers(&[vkey("a", 1)])).unwrap();
        assert_eq!((verified.len(), unknown.len()), (1, 1));
        let (verified, _) = theirs.verify(&their_verifiers(&[vkey("a", 1), vkey("b", 2)])).unwrap();
        assert_eq!(verified.len(), 2);
        assert_eq!(theirs.to_bytes(), ours);
    }
}

#[test]
fn we_verify_the_notes_they_sign() {
    for text in ["one line\n", "two\nlines\n", "empty lines\n\n\nwithin\n\n"] {
        let mut theirs = signed_note::Note::new(text.as_bytes(), &[]).unwrap();
        theirs.add_sigs(&[&their_signer("a", 1), &their_signer("b", 2)]).unwrap();
        let ours = Note::parse(&theirs.to_bytes()).unwrap();
        let known = [vkey("b", 2), vkey("c", 3), vkey("a", 1)];
        assert_eq!(ours.verify(&known), Ok(vec![&known[0], &known[2]]));
        assert_eq!(ours.text(), text);
        assert_eq!(ours.encode(), theirs.to_bytes());
    }
}

#[test]
fn they_open_the_checkpoints_we_sign() {
    let root = Hash::of(b"root");
    let checkpoint = Checkpoint::new(Origin::new(ORIGIN).unwrap(), 1234, root);
    let ours = sign_checkpoint(&checkpoint, &[&key(1), &key(2)]).unwrap();
    let note = signed_note::Note::from_bytes(&ours).unwrap();
    let (verified, _) = note.verify(&their_verifiers(&[vkey(ORIGIN, 1), vkey(ORIGIN, 2)])).unwrap();
    assert_eq!(verified.len(), 2);
    let theirs = tlog_tiles::Checkpoint::from_bytes(note.text()).unwrap();
    assert_eq!((theirs.origin(), theirs.size(), theirs.hash().0), (ORIGIN, 1234, *root.as_bytes()));
    assert_eq!(theirs.extension(), "");
}

#[test]
fn we_open_the_checkpoints_they_sign() {
    let root = Hash::of(b"root");
    for extension in ["", "abc\ndef\n"] {
        let hash = tlog_tiles::Hash(*root.as_bytes());
        let theirs = tlog_tiles::Checkpoint::new(ORIGIN, u64::MAX, hash, extension).unwrap();
        let mut note = signed_note::Note::new(&theirs.to_bytes(), &[]).unwrap();
        note.add_sigs(&[&their_signer(ORIGIN, 1)]).unwrap();
        let opened = open_checkpoint(&note.to_bytes(), &vkey(ORIGIN, 1)).unwrap();
        let ours = opened.checkpoint();
        assert_eq!((ours.origin().as_str(), ours.size(), ours.root()), (ORIGIN, u64::MAX, &root));
        assert_eq!(ours.text().as_bytes(), theirs.to_bytes());
    }
}

proptest! {
    /// Where both read a note, they read the same; what we accept, they accept.
    #[test]
    fn both_read_alike(note in "[ab\n\u{85}\t]{0,6}\n(— [a+]{0,2} [A-Da-d+]{8,12}={0,2}\n){0,3}") {
        let ours = Note::parse(note.as_bytes());
        let theirs = signed_note::Note::from_bytes(note.as_bytes());
        if let Ok(ours) = &ours {
            let theirs = theirs.as_ref().expect("they accept what we accept");
            prop_assert_eq!(theirs.text(), ours.text().as_bytes());
            prop_assert_eq!(theirs.to_bytes(), ours.encode());
        }
        prop_assert_eq!(ours.is_ok(), theirs.is_ok());
    }

    #[test]
    fn arbitrary_vkeys_never_panic_and_have_one_text(
        text in prop_oneof![any::<String>(), "[ab +]{0,3}\\+[0-9a-fA-F]{7,9}\\+A[A-Za-z0-9+/]{42,43}=?"],
    ) {
        if let Ok(vkey) = text.parse::<VerifierKey>() {
            prop_assert_eq!(vkey.to_string(), text);
        }
    }

    #[test]
    fn any_altered_byte_of_a_checkpoint_note_is_noticed(position in any::<prop::sample::Index>(), bit in 0..8u8) {
        let checkpoint = Checkpoint::new(Origin::new(ORIGIN).unwrap(), 1234, Hash::of(b"root"));
        let mut bytes = sign_checkpoint(&checkpoint, &[&key(1)]).unwrap();
        let position = position.index(bytes.len());
        bytes[position] ^= 1 << bit;
        prop_assert!(open_checkpoint(&bytes, &vkey(ORIGIN, 1)).is_err());
    }
}
