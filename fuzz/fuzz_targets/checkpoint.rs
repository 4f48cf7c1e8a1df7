//! Checkpoints, and the notes that they stand in. What parses has one text; what opens was signed by the log's key.
#![no_main]

use std::sync::LazyLock;

use ed25519_dalek::SigningKey;
use libfuzzer_sys::fuzz_target;
use rollbook::note::checkpoint::{Checkpoint, CheckpointNote, Origin, open_checkpoint, sign_checkpoint};
use rollbook::note::signature_line::SignatureLine;
use rollbook::note::signed_note::Note;
use rollbook::note::vkey::{KeyKind, VerifierKey};
use rollbook_fuzz::allocation::within;
use rollbook_fuzz::seed;

/// The log's two keys, and the texts of all its checkpoints.
static KNOWN: LazyLock<([VerifierKey; 2], Vec<String>)> = LazyLock::new(|| {
    let log = seed::log();
    let second = VerifierKey::new_ed25519(log.origin.as_str(), rollbook_fuzz::forge::public(&log.log_key));
    let keys = [log.trust().log_key().clone(), second.expect("a key that is fit")];
    let text = |note: &[u8]| Note::parse(note).expect("a note").text().to_owned();
    (keys, log.notes().iter().map(|(_, note)| text(note)).collect())
});

fuzz_target!(|bytes: &[u8]| {
    let held_max = (64 << 10) + 8 * bytes.len();
    if let Ok(note) = within(held_max, || CheckpointNote::parse_unverified(bytes)) {
        assert_eq!(note.note().encode(), bytes);
        checkpoint(note.checkpoint(), note.note().text());
        let ([first, second], texts) = &*KNOWN;
        for keys in [&[first][..], &[second], &[first, second]] {
            if note.verify_log_signatures(keys).is_ok() {
                assert!(texts.iter().any(|text| text == note.note().text()), "the log never signed this");
            }
        }
        for key in [first, second] {
            if let Ok(opened) = open_checkpoint(bytes, key) {
                assert_eq!(opened, note);
                assert!(texts.iter().any(|text| text == note.note().text()), "the log never signed this");
            }
        }
        let nobody_signed =
            note.note().signatures_named(note.checkpoint().origin().as_str()).next().is_none();
        assert_eq!(note.verify_log_signatures(&[]).is_ok(), nobody_signed);
    }
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(parsed) = within(held_max, || Checkpoint::parse(text))
    {
        checkpoint(&parsed, text);
    }
});

fn checkpoint(checkpoint: &Checkpoint, text: &str) {
    assert_eq!(checkpoint.text(), text);
    let origin = checkpoint.origin();
    assert_eq!(Origin::new(origin.as_str()).as_ref(), Ok(origin));
    assert!(checkpoint.extensions().iter().all(|line| !line.is_empty() && !line.contains('\n')));
    let Ok(signed) = sign_anew(checkpoint, text) else { return };
    // Signed by a key of its name, it opens with that key, and with no other.
    let key = VerifierKey::of_signing_key(origin.as_str(), KeyKind::Ed25519, &key())
        .expect("an origin is a key name");
    let opened = open_checkpoint(&signed, &key).expect("it was signed with this key");
    assert_eq!(opened.checkpoint(), checkpoint);
    assert_eq!(opened.verify_log_signatures(&[&key]), Ok(()));
    assert!(open_checkpoint(&signed, &KNOWN.0[0]).is_err());
    if checkpoint.extensions().is_empty() {
        let plain = Checkpoint::new(origin.clone(), checkpoint.size(), *checkpoint.root());
        assert_eq!(&plain, checkpoint);
        assert_eq!(sign_checkpoint(&plain, &[&self::key()]), Ok(signed));
    }
}

fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

/// A note of `text`; none where it is beyond a note's bounds.
fn sign_anew(checkpoint: &Checkpoint, text: &str) -> Result<Vec<u8>, rollbook::note::signed_note::NoteError> {
    let line = SignatureLine::sign_ed25519(checkpoint.origin().as_str(), &key(), text);
    Ok(Note::new(text.to_owned(), vec![line.expect("an origin is a key name")])?.encode())
}
