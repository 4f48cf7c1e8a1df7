//! Signed notes: a text and the signatures under it (C2SP signed-note v1.0.0).
//!
//! A note has exactly one encoding here: base64 is canonical, and what parses encodes to the same
//! bytes. The text's meaning is left to [`super::checkpoint`].

use std::fmt;

use crate::signing::public_key::SignatureBytes;

use super::cosignature::verify_cosignature;
use super::signature_line::{SignatureLine, SignatureLineError};
use super::vkey::{KeyId, KeyKind, VerifierKey};

/// The largest note read or made, in bytes: ours are below 4 KiB, a checkpoint with a hundred
/// post-quantum signatures of 5 kB stays below it. It bounds what a stranger can make us hold.
pub const NOTE_BYTES_MAX: usize = 1 << 20;

/// The most signature lines read or made. The specification asks for at least 16; Go's note
/// package stops at 100 as well. It bounds how often a stranger can make us check a signature.
pub const SIGNATURE_LINES_MAX: usize = 100;

/// Why bytes are no signed note, or a note was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// More than a mebibyte.
    #[error("a note of {length} bytes is too large: the limit is {NOTE_BYTES_MAX}")]
    TooLarge {
        /// In bytes.
        length: usize,
    },
    /// Not UTF-8.
    #[error("a note must be UTF-8, which ends at byte {offset}")]
    NotUtf8 {
        /// Of the first byte that is wrong.
        offset: usize,
    },
    /// A control character below U+0020 other than LF.
    #[error("a note must not contain the control character U+{:04X} (at byte {offset})", u32::from(*character))]
    ControlCharacter {
        /// The character.
        character: char,
        /// Its place.
        offset: usize,
    },
    /// No empty line between text and signatures.
    #[error("a note has an empty line between its text and its signatures")]
    NoEmptyLine,
    /// The text doesn't end in LF.
    #[error("a note's text ends in a newline")]
    TextUnterminated,
    /// The last signature line doesn't end in LF.
    #[error("a note's last signature line ends in a newline")]
    SignaturesUnterminated,
    /// No signature lines.
    #[error("a note has at least one signature line")]
    Unsigned,
    /// Too many signature lines.
    #[error("a note has at most {SIGNATURE_LINES_MAX} signature lines")]
    TooManySignatures,
    /// A line under the text that is no signature line.
    #[error("signature line {line}: {error}")]
    SignatureLine {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        error: SignatureLineError,
    },
}

/// Why a note is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteVerifyError {
    /// A known key's line whose signature fails.
    #[error("the signature by `{name}` (key ID {key_id}) does not verify")]
    BadSignature {
        /// The key's name.
        name: String,
        /// Its ID.
        key_id: KeyId,
    },
    /// Nobody known signed.
    #[error("the note is signed by none of the known keys")]
    NoKnownSignature,
}

/// A note: a text that ends in LF, and its signature lines, unchecked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Ends in LF, and holds no control character but LF.
    text: String,
    /// 1 to [`SIGNATURE_LINES_MAX`].
    signatures: Vec<SignatureLine>,
}

impl Note {
    /// A note of `text` with `signatures`, at least one.
    pub fn new(text: String, signatures: Vec<SignatureLine>) -> Result<Self, NoteError> {
        check_characters(&text)?;
        if !text.ends_with('\n') {
            return Err(NoteError::TextUnterminated);
        }
        Self { text, signatures }.within_bounds()
    }

    /// Reads a note. Signatures are not checked.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        if bytes.len() > NOTE_BYTES_MAX {
            return Err(NoteError::TooLarge { length: bytes.len() });
        }
        let note =
            std::str::from_utf8(bytes).map_err(|error| NoteError::NotUtf8 { offset: error.valid_up_to() })?;
        check_characters(note)?;
        // The text may hold empty lines: the last one divides.
        let divider = note.rfind("\n\n").ok_or(NoteError::NoEmptyLine)?;
        let (text, signatures) = (&note[..=divider], &note[divider + 2..]);
        Ok(Self { text: text.to_owned(), signatures: parse_signature_lines(signatures)? })
    }

    /// The note's one encoding.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.to_string().into_bytes()
    }

    /// The signed text, its last LF included.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// All signature lines, in their order.
    #[must_use]
    pub fn signatures(&self) -> &[SignatureLine] {
        &self.signatures
    }

    /// The signature lines under `name`, whatever their key.
    pub fn signatures_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a SignatureLine> {
        self.signatures.iter().filter(move |line| line.name() == name)
    }

    /// This note with one more signature line at its end.
    pub fn with_signature(mut self, line: SignatureLine) -> Result<Self, NoteError> {
        self.signatures.push(line);
        self.within_bounds()
    }

    /// How many lines by `vkey` the note bears, all of them valid: 0 where that key didn't sign,
    /// more than 1 where it signed twice.
    ///
    /// # Errors
    /// [`NoteVerifyError::BadSignature`] where a line by `vkey` doesn't verify.
    pub fn verify_with(&self, vkey: &VerifierKey) -> Result<usize, NoteVerifyError> {
        let mut valid = 0;
        for line in self.signatures.iter().filter(|line| line.is_by(vkey)) {
            if !line_verifies(vkey, &self.text, line) {
                return Err(NoteVerifyError::BadSignature {
                    name: vkey.name().to_owned(),
                    key_id: vkey.key_id(),
                });
            }
            valid += 1;
        }
        Ok(valid)
    }

    /// Which of the `known` keys signed, in their order. Lines by other keys are ignored.
    ///
    /// # Errors
    /// Where a line by a known key doesn't verify, or no known key signed.
    pub fn verify<'k>(&self, known: &'k [VerifierKey]) -> Result<Vec<&'k VerifierKey>, NoteVerifyError> {
        let mut signers = Vec::new();
        for vkey in known {
            if self.verify_with(vkey)? > 0 {
                signers.push(vkey);
            }
        }
        if signers.is_empty() { Err(NoteVerifyError::NoKnownSignature) } else { Ok(signers) }
    }

    fn within_bounds(self) -> Result<Self, NoteError> {
        check_line_count(self.signatures.len())?;
        let length = self.to_string().len();
        if length > NOTE_BYTES_MAX {
            return Err(NoteError::TooLarge { length });
        }
        Ok(self)
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// Reads signature lines, each ending in LF, without a text: the end of a note, or a witness's answer.
pub fn parse_signature_lines(lines: &str) -> Result<Vec<SignatureLine>, NoteError> {
    if lines.is_empty() {
        return Err(NoteError::Unsigned);
    }
    let lines = lines.strip_suffix('\n').ok_or(NoteError::SignaturesUnterminated)?;
    check_line_count(lines.split('\n').count())?;
    let parse = |(position, line)| {
        SignatureLine::parse(line).map_err(|error| NoteError::SignatureLine { line: position + 1, error })
    };
    lines.split('\n').enumerate().map(parse).collect()
}

fn line_verifies(vkey: &VerifierKey, text: &str, line: &SignatureLine) -> bool {
    match vkey.kind() {
        KeyKind::Ed25519 => <[u8; 64]>::try_from(line.payload())
            .is_ok_and(|bytes| vkey.verifies(text.as_bytes(), &SignatureBytes::from_bytes(bytes))),
        KeyKind::CosignatureV1 => verify_cosignature(vkey, text, line).is_ok(),
    }
}

fn check_line_count(count: usize) -> Result<(), NoteError> {
    match count {
        0 => Err(NoteError::Unsigned),
        1..=SIGNATURE_LINES_MAX => Ok(()),
        _ => Err(NoteError::TooManySignatures),
    }
}

fn check_characters(text: &str) -> Result<(), NoteError> {
    match text.char_indices().find(|(_, character)| *character < ' ' && *character != '\n') {
        Some((offset, character)) => Err(NoteError::ControlCharacter { character, offset }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;
    use proptest::prelude::*;

    use super::super::cosignature::cosign;
    use super::super::vkey::KeyNameError;
    use super::*;
    use crate::time::Timestamp;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    fn vkey(name: &str, seed: u8) -> VerifierKey {
        VerifierKey::of_signing_key(name, KeyKind::Ed25519, &key(seed)).unwrap()
    }

    fn signed(text: &str, signers: &[(&str, u8)]) -> Note {
        let sign = |(name, seed): &(&str, u8)| SignatureLine::sign_ed25519(name, &key(*seed), text).unwrap();
        Note::new(text.to_owned(), signers.iter().map(sign).collect()).unwrap()
    }

    /// The note of Go's `sumdb/note` documentation.
    const GO_NOTE: &str = "If you think cryptography is the answer to your problem,\n\
        then you don't know what your problem is.\n\
        \n\
        — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
    const GO_VKEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

    #[test]
    fn the_note_of_go_verifies() {
        let known = [GO_VKEY.parse().unwrap()];
        let note = Note::parse(GO_NOTE.as_bytes()).unwrap();
        assert_eq!(note.verify(&known), Ok(vec![&known[0]]));
        assert_eq!(note.encode(), GO_NOTE.as_bytes());
        let forged = GO_NOTE.replace("don't know", "know");
        let bad = NoteVerifyError::BadSignature { name: "PeterNeumann".into(), key_id: known[0].key_id() };
        assert_eq!(Note::parse(forged.as_bytes()).unwrap().verify(&known), Err(bad));
    }

    #[test]
    fn a_text_is_divided_at_the_last_empty_line() {
        for text in ["\n", "a\n", "a\n\n", "\n\n\n", "a\n\nb\n", "a\n\n— a Uw2QOgECAw==\n", "ü — \u{7f}\n"]
        {
            let note = signed(text, &[("a", 1), ("b", 2)]);
            let again = Note::parse(&note.encode()).unwrap();
            assert_eq!(again, note);
            assert_eq!(again.text(), text);
            assert_eq!(again.verify(&[vkey("a", 1)]).map(|signers| signers.len()), Ok(1));
        }
    }

    #[test]
    fn each_malformed_note_is_told_apart() {
        let line = "— a Uw2QOgECAw==\n";
        let control = |character, offset| NoteError::ControlCharacter { character, offset };
        let bad_line = |line, error| NoteError::SignatureLine { line, error };
        let name = |character| SignatureLineError::Name(KeyNameError::ForbiddenCharacter { character });
        let rows: Vec<(Vec<u8>, NoteError)> = vec![
            (b"".to_vec(), NoteError::NoEmptyLine),
            (b"text\n".to_vec(), NoteError::NoEmptyLine),
            (format!("text\n{line}").into(), NoteError::NoEmptyLine),
            (format!("\n{line}").into(), NoteError::NoEmptyLine),
            (b"text\n\n".to_vec(), NoteError::Unsigned),
            (format!("text\n\n{line}\n").into(), NoteError::Unsigned),
            (format!("text\n\n{}", line.trim_end()).into(), NoteError::SignaturesUnterminated),
            (format!("text\n\n{line}text\n").into(), bad_line(2, SignatureLineError::Start)),
            (format!("text\n\n {line}").into(), bad_line(1, SignatureLineError::Start)),
            (format!("text\n\n{}", line.replace('a', "a\u{85}")).into(), bad_line(1, name('\u{85}'))),
            (format!("te\txt\n\n{line}").into(), control('\t', 2)),
            (format!("text\r\n\r\n{line}").into(), control('\r', 4)),
            (format!("text\0\n\n{line}").into(), control('\0', 4)),
            (format!("text\n\n{}", line.replace('a', "\u{1f}")).into(), control('\u{1f}', 10)),
            (b"te\xffxt\n\n".to_vec(), NoteError::NotUtf8 { offset: 2 }),
            (b"\xef\xbb".to_vec(), NoteError::NotUtf8 { offset: 0 }),
        ];
        for (bytes, error) in rows {
            assert_eq!(Note::parse(&bytes), Err(error), "{:?}", String::from_utf8_lossy(&bytes));
        }
    }

    #[test]
    fn a_note_has_bounds() {
        let line = "— a Uw2QOgECAw==\n";
        let with_lines = |count| Note::parse(format!("text\n\n{}", line.repeat(count)).as_bytes());
        assert_eq!(with_lines(16).unwrap().signatures().len(), 16);
        assert_eq!(with_lines(SIGNATURE_LINES_MAX).unwrap().signatures().len(), SIGNATURE_LINES_MAX);
        assert_eq!(with_lines(SIGNATURE_LINES_MAX + 1), Err(NoteError::TooManySignatures));
        let full = with_lines(SIGNATURE_LINES_MAX).unwrap();
        let signature = full.signatures()[0].clone();
        assert_eq!(full.with_signature(signature.clone()), Err(NoteError::TooManySignatures));

        let rest = "\n\n".len() + line.len();
        let largest = format!("{}\n\n{line}", "x".repeat(NOTE_BYTES_MAX - rest));
        assert_eq!(Note::parse(largest.as_bytes()).unwrap().encode(), largest.as_bytes());
        let length = NOTE_BYTES_MAX + 1;
        assert_eq!(Note::parse(format!("x{largest}").as_bytes()), Err(NoteError::TooLarge { length }));
        let text = format!("{}\n", "x".repeat(NOTE_BYTES_MAX - rest + 1));
        assert_eq!(Note::new(text, vec![signature]), Err(NoteError::TooLarge { length }));
    }

    #[test]
    fn no_note_is_made_that_would_not_parse() {
        let line = SignatureLine::parse("— a Uw2QOgECAw==").unwrap();
        let made = |text: &str, lines| Note::new(text.to_owned(), lines);
        assert_eq!(made("text", vec![line.clone()]), Err(NoteError::TextUnterminated));
        assert_eq!(made("", vec![line.clone()]), Err(NoteError::TextUnterminated));
        assert_eq!(made("text\n", vec![]), Err(NoteError::Unsigned));
        let control = NoteError::ControlCharacter { character: '\r', offset: 4 };
        assert_eq!(made("text\r\n", vec![line]), Err(control));
    }

    #[test]
    fn unknown_keys_are_ignored_even_under_a_known_name() {
        let note = signed("text\n", &[("a", 1), ("a", 2), ("b", 1)]);
        let known = [vkey("a", 1), vkey("c", 1)];
        assert_eq!(note.verify(&known), Ok(vec![&known[0]]));
        assert_eq!(note.signatures_named("a").count(), 2);
    }

    #[test]
    fn no_known_signature_rejects_the_note() {
        let note = signed("text\n", &[("a", 1)]);
        assert_eq!(note.verify(&[vkey("a", 2), vkey("b", 1)]), Err(NoteVerifyError::NoKnownSignature));
        assert_eq!(note.verify(&[]), Err(NoteVerifyError::NoKnownSignature));
        assert_eq!(note.verify_with(&vkey("a", 2)), Ok(0));
    }

    #[test]
    fn a_known_key_that_fails_rejects_what_another_signed_well() {
        let other = signed("other\n", &[("b", 2)]);
        let note = signed("text\n", &[("a", 1)]).with_signature(other.signatures()[0].clone()).unwrap();
        let known = [vkey("a", 1), vkey("b", 2)];
        let bad = NoteVerifyError::BadSignature { name: "b".into(), key_id: known[1].key_id() };
        assert_eq!(note.verify(&known), Err(bad.clone()));
        assert_eq!(note.verify_with(&known[0]), Ok(1));
        assert_eq!(note.verify_with(&known[1]), Err(bad));
        assert_eq!(note.verify(&known[..1]), Ok(vec![&known[0]]));
    }

    #[test]
    fn a_key_that_signs_twice_is_counted_and_both_lines_are_checked() {
        let note = signed("text\n", &[("a", 1), ("b", 2), ("a", 1)]);
        assert_eq!(note.verify_with(&vkey("a", 1)), Ok(2));
        let failing = signed("other\n", &[("a", 1)]).signatures()[0].clone();
        let note = signed("text\n", &[("a", 1)]).with_signature(failing).unwrap();
        assert!(note.verify_with(&vkey("a", 1)).is_err());
    }

    #[test]
    fn a_signature_of_another_length_does_not_verify() {
        let note = signed("text\n", &[("a", 1)]);
        for length in [1, 63, 65] {
            let mut payload = note.signatures()[0].payload().to_vec();
            payload.resize(length, 0);
            let line = SignatureLine::of_key(&vkey("a", 1), payload);
            let note = Note::new("text\n".into(), vec![line]).unwrap();
            assert!(note.verify_with(&vkey("a", 1)).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn a_cosigner_is_checked_by_its_own_rule() {
        let text = "example.com/log\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";
        let cosigner = VerifierKey::of_signing_key("w", KeyKind::CosignatureV1, &key(3)).unwrap();
        let cosignature = cosign("w", &key(3), text, Timestamp::EPOCH).unwrap();
        let note = signed(text, &[("example.com/log", 1)]).with_signature(cosignature).unwrap();
        let known = [cosigner, vkey("example.com/log", 1), vkey("w", 3)];
        assert_eq!(note.verify(&known), Ok(vec![&known[0], &known[1]]));

        let plain = signed(text, &[("w", 3)]).signatures()[0].payload().to_vec();
        let disguised = SignatureLine::of_key(&known[0], plain);
        let note = Note::new(text.into(), vec![disguised]).unwrap();
        assert!(note.verify_with(&known[0]).is_err(), "a plain signature is no cosignature");
    }

    #[test]
    fn a_witness_answers_with_bare_signature_lines() {
        let note = signed("text\n", &[("a", 1), ("b", 2)]);
        let encoded = note.to_string();
        let lines = encoded.strip_prefix("text\n\n").unwrap();
        assert_eq!(parse_signature_lines(lines).unwrap(), note.signatures());
        assert_eq!(parse_signature_lines(""), Err(NoteError::Unsigned));
        assert_eq!(parse_signature_lines(lines.trim_end()), Err(NoteError::SignaturesUnterminated));
        assert!(parse_signature_lines(&format!("{lines}\n")).is_err());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(note) = Note::parse(&bytes) {
                prop_assert_eq!(note.encode(), bytes);
            }
        }

        #[test]
        fn what_parses_encodes_to_the_same_bytes(
            note in "[a\n]{0,6}\n(— [a-c\u{2003}+]{0,2} [A-Ha-h0-9+/]{4,12}={0,2}\n){0,3}",
        ) {
            if let Ok(parsed) = Note::parse(note.as_bytes()) {
                prop_assert_eq!(parsed.to_string(), note);
            }
        }
    }
}
