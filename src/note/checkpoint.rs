//! Checkpoints: a log's origin, size and root as the text of a signed note (C2SP tlog-checkpoint v1.0.0).
//!
//! The log's key name is its origin. Whether the root is the right one, and agrees with what was
//! seen before, is decided with Merkle proofs by those who open a checkpoint.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bincode::de::Decoder;
use bincode::error::DecodeError;
use bincode::{Decode, Encode};
use ed25519_dalek::SigningKey;
use serde::{Deserialize, Serialize};

use crate::hash::Hash;
use crate::signing::public_key::PublicKey;

use super::signature_line::SignatureLine;
use super::signed_note::{Note, NoteError, NoteVerifyError};
use super::vkey::{KeyId, KeyNameError, VerifierKey, check_key_name};

/// The longest origin, in bytes: our bound for every name.
pub const ORIGIN_BYTES_MAX: usize = 256;

/// Why a text cannot be an origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// The origin is the log's key name, and this cannot be one.
    #[error(transparent)]
    Name(#[from] KeyNameError),
    /// A character that turns the direction of writing.
    #[error("an origin must not contain the bidirectional control U+{:04X}", u32::from(*character))]
    Bidirectional {
        /// The first one found.
        character: char,
    },
    /// Longer than 256 bytes.
    #[error("an origin of {length} bytes is too long: the limit is {ORIGIN_BYTES_MAX}")]
    TooLong {
        /// In bytes.
        length: usize,
    },
}

/// A log's name, such as `example.com/releases`: 1 to 256 bytes, no spaces, no `+`, no control or
/// bidirectional characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Origin(String);

impl Origin {
    /// Takes `name` as an origin.
    pub fn new(name: impl Into<String>) -> Result<Self, OriginError> {
        let name = name.into();
        check_key_name(&name)?;
        if let Some(character) = name.chars().find(|character| is_bidirectional_control(*character)) {
            return Err(OriginError::Bidirectional { character });
        }
        if name.len() > ORIGIN_BYTES_MAX {
            return Err(OriginError::TooLong { length: name.len() });
        }
        Ok(Self(name))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A character of Unicode's property `Bidi_Control`.
const fn is_bidirectional_control(character: char) -> bool {
    matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(name: &str) -> Result<Self, OriginError> {
        Self::new(name)
    }
}

impl TryFrom<String> for Origin {
    type Error = OriginError;

    fn try_from(name: String) -> Result<Self, OriginError> {
        Self::new(name)
    }
}

impl<C> Decode<C> for Origin {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        Self::new(String::decode(decoder)?).map_err(|error| DecodeError::OtherString(error.to_string()))
    }
}

bincode::impl_borrow_decode!(Origin);

/// Why a text is no checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The text doesn't end in LF.
    #[error("a checkpoint ends in a newline")]
    Unterminated,
    /// Fewer than three lines.
    #[error("a checkpoint has at least three lines, not {found}")]
    TooFewLines {
        /// Lines.
        found: usize,
    },
    /// The first line.
    #[error("line 1: {0}")]
    Origin(#[from] OriginError),
    /// Not the decimal form of a `u64`.
    #[error("line 2: `{text}` is not a tree size: decimal digits without leading zeros, below 2^64")]
    Size {
        /// The line, its first 100 characters.
        text: String,
    },
    /// Not 32 bytes in canonical base64.
    #[error("line 3: `{text}` is not a root hash: 32 bytes in canonical base64, with padding")]
    Root {
        /// The line, its first 100 characters.
        text: String,
    },
    /// An extension line is empty, or holds a control character.
    #[error("line {line}: an extension line must not be empty, nor hold control characters")]
    Extension {
        /// Counted from 1: 4 or more.
        line: usize,
    },
}

/// What a log says of itself at one size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    origin: Origin,
    size: u64,
    root: Hash,
    /// Not empty, no control characters. Ours have none; other logs' are kept, since they are signed.
    extensions: Vec<String>,
}

impl Checkpoint {
    /// The checkpoint of the log `origin` at `size` leaves, without extension lines.
    #[must_use]
    pub const fn new(origin: Origin, size: u64, root: Hash) -> Self {
        Self { origin, size, root, extensions: Vec::new() }
    }

    /// Reads a note's text as a checkpoint. What parses has this one text.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let lines: Vec<&str> =
            text.strip_suffix('\n').ok_or(CheckpointError::Unterminated)?.split('\n').collect();
        let [origin, size, root, extensions @ ..] = lines.as_slice() else {
            return Err(CheckpointError::TooFewLines { found: lines.len() });
        };
        Ok(Self {
            origin: Origin::new(*origin)?,
            size: parse_size(size).ok_or_else(|| CheckpointError::Size { text: shortened(size) })?,
            root: parse_root(root).ok_or_else(|| CheckpointError::Root { text: shortened(root) })?,
            extensions: parse_extensions(extensions)?,
        })
    }

    /// The text that is signed, its last LF included.
    #[must_use]
    pub fn text(&self) -> String {
        let Self { origin, size, root, extensions } = self;
        let mut text = format!("{origin}\n{size}\n{}\n", STANDARD.encode(root.as_bytes()));
        for extension in extensions {
            text.push_str(extension);
            text.push('\n');
        }
        text
    }

    /// The log's name.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The tree size, in leaves.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The root hash at that size.
    #[must_use]
    pub const fn root(&self) -> &Hash {
        &self.root
    }

    /// The extension lines of another log's checkpoint, without their LF.
    #[must_use]
    pub fn extensions(&self) -> &[String] {
        &self.extensions
    }
}

/// Why a checkpoint note was not opened, or is not signed as it must be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The bytes are no note.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// A signature fails, or the log's is missing.
    #[error(transparent)]
    Signature(#[from] NoteVerifyError),
    /// The text is no checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The checkpoint is another log's.
    #[error("the checkpoint is of the log `{origin}`, the key of `{key_name}`")]
    OtherOrigin {
        /// In the checkpoint.
        origin: Origin,
        /// Of the key.
        key_name: String,
    },
    /// A key that must have signed once didn't, or signed more than once.
    #[error("the log key {key} signed the checkpoint {found} times, not once")]
    NotSignedOnce {
        /// The key.
        key: PublicKey,
        /// Its valid signature lines.
        found: usize,
    },
    /// A line in the log's name by another key than those expected.
    #[error("the checkpoint bears a signature in the log's name by another key, with ID {key_id}")]
    OtherLogKey {
        /// In the line.
        key_id: KeyId,
    },
}

/// A checkpoint and the note that it stands in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointNote {
    note: Note,
    /// What `note`'s text says.
    checkpoint: Checkpoint,
}

impl CheckpointNote {
    /// Reads a checkpoint note *without checking any signature*: for those who learn only from the
    /// log which keys must have signed, and then ask [`Self::verify_log_signatures`].
    pub fn parse_unverified(bytes: &[u8]) -> Result<Self, OpenError> {
        let note = Note::parse(bytes)?;
        let checkpoint = Checkpoint::parse(note.text())?;
        Ok(Self { note, checkpoint })
    }

    /// Checks that each of `keys` signed exactly once, and that no other key signed in the log's
    /// name: one key usually, the old one and the new one on a log key rotation. Lines under other
    /// names are ignored.
    pub fn verify_log_signatures(&self, keys: &[&VerifierKey]) -> Result<(), OpenError> {
        for vkey in keys {
            self.expect_origin_of(vkey)?;
            let found = self.note.verify_with(vkey)?;
            if found != 1 {
                return Err(OpenError::NotSignedOnce { key: vkey.public_key(), found });
            }
        }
        let mut in_the_logs_name = self.note.signatures_named(self.checkpoint.origin.as_str());
        match in_the_logs_name.find(|line| !keys.iter().any(|vkey| line.is_by(vkey))) {
            Some(line) => Err(OpenError::OtherLogKey { key_id: line.key_id() }),
            None => Ok(()),
        }
    }

    /// The checkpoint.
    #[must_use]
    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The note, with its text and signatures.
    #[must_use]
    pub const fn note(&self) -> &Note {
        &self.note
    }

    fn expect_origin_of(&self, vkey: &VerifierKey) -> Result<(), OpenError> {
        if self.checkpoint.origin.as_str() == vkey.name() {
            return Ok(());
        }
        Err(OpenError::OtherOrigin {
            origin: self.checkpoint.origin.clone(),
            key_name: vkey.name().to_owned(),
        })
    }
}

/// The note of `checkpoint`, encoded, signed in the log's name by each of `keys` in their order: one
/// usually, the old one and the new one on a log key rotation.
///
/// # Errors
/// [`NoteError`] for no keys, or more than a note can bear.
pub fn sign_checkpoint(checkpoint: &Checkpoint, keys: &[&SigningKey]) -> Result<Vec<u8>, NoteError> {
    let text = checkpoint.text();
    let sign = |key: &&SigningKey| {
        SignatureLine::sign_ed25519(checkpoint.origin.as_str(), key, &text).expect("an origin is a key name")
    };
    let signatures = keys.iter().map(sign).collect();
    Ok(Note::new(text, signatures)?.encode())
}

/// Opens a checkpoint note that `vkey` must have signed, and whose origin must be that key's name.
/// Other keys' signatures are ignored.
pub fn open_checkpoint(bytes: &[u8], vkey: &VerifierKey) -> Result<CheckpointNote, OpenError> {
    let note = Note::parse(bytes)?;
    note.verify(std::slice::from_ref(vkey))?;
    let checkpoint = Checkpoint::parse(note.text())?;
    let opened = CheckpointNote { note, checkpoint };
    opened.expect_origin_of(vkey)?;
    Ok(opened)
}

fn parse_size(line: &str) -> Option<u64> {
    let size: u64 = line.parse().ok()?;
    // `parse` takes a plus sign and leading zeros; the one way to write a size has neither.
    Some(size).filter(|size| size.to_string() == line)
}

fn parse_root(line: &str) -> Option<Hash> {
    let bytes = STANDARD.decode(line).ok()?;
    Some(Hash::from_bytes(bytes.try_into().ok()?))
}

fn parse_extensions(lines: &[&str]) -> Result<Vec<String>, CheckpointError> {
    let parse = |(position, line): (usize, &&str)| {
        let refused = line.is_empty() || line.contains(|c: char| c < ' ');
        if refused { Err(CheckpointError::Extension { line: position + 4 }) } else { Ok((*line).to_owned()) }
    };
    lines.iter().enumerate().map(parse).collect()
}

fn shortened(text: &str) -> String {
    text.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::vkey::KeyKind;
    use super::*;
    use crate::codec;

    const ROOT: &str = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    fn vkey(name: &str, seed: u8) -> VerifierKey {
        VerifierKey::of_signing_key(name, KeyKind::Ed25519, &key(seed)).unwrap()
    }

    fn checkpoint() -> Checkpoint {
        Checkpoint::new(Origin::new("example.com/log").unwrap(), 41, Hash::of(b"root"))
    }

    #[test]
    fn the_published_checkpoint_reads_and_writes() {
        let text = format!("example.com/behind-the-sofa\n20852163\n{ROOT}\n");
        let checkpoint = Checkpoint::parse(&text).unwrap();
        assert_eq!(checkpoint.origin().as_str(), "example.com/behind-the-sofa");
        assert_eq!(checkpoint.size(), 20_852_163);
        let root = "0ac5186a91863e8e1d90c808014aa89bf5da8e3ee1d9f07630f0378f68f1ab62";
        assert_eq!(checkpoint.root().to_string(), root);
        assert_eq!(checkpoint.text(), text);
    }

    #[test]
    fn accepted_checkpoints_have_one_text() {
        let rows = [
            (format!("e\n0\n{ROOT}\n"), "the empty tree"),
            (format!("e\n{}\n{ROOT}\n", u64::MAX), "the largest size"),
            (format!("e\n7\n{ROOT}\nabc\n d e\u{7f}\n"), "extension lines"),
            (format!("{}\n7\n{ROOT}\n", "é".repeat(128)), "an origin of 256 bytes"),
        ];
        for (text, what) in rows {
            assert_eq!(Checkpoint::parse(&text).map(|checkpoint| checkpoint.text()), Ok(text), "{what}");
        }
        let kept = Checkpoint::parse(&format!("e\n7\n{ROOT}\nabc\ndef\n")).unwrap();
        assert_eq!(kept.extensions(), ["abc", "def"]);
    }

    #[test]
    fn each_malformed_checkpoint_is_told_apart() {
        let size = |text: &str| CheckpointError::Size { text: text.into() };
        let root = |text: &str| CheckpointError::Root { text: text.into() };
        let name = |error| CheckpointError::Origin(OriginError::Name(error));
        let space = KeyNameError::ForbiddenCharacter { character: ' ' };
        let extension = |line| CheckpointError::Extension { line };
        let short = STANDARD.encode([1; 31]);
        let long = STANDARD.encode([1; 33]);
        let spare_bits = ROOT.replace("I=", "J=");
        let no_padding = ROOT.trim_end_matches('=');
        let rows = [
            (String::new(), CheckpointError::Unterminated),
            (format!("e\n7\n{ROOT}"), CheckpointError::Unterminated),
            ("\n".into(), CheckpointError::TooFewLines { found: 1 }),
            ("e\n7\n".into(), CheckpointError::TooFewLines { found: 2 }),
            (format!("\n7\n{ROOT}\n"), name(KeyNameError::Empty)),
            (format!("a b\n7\n{ROOT}\n"), name(space)),
            (format!("e\n\n{ROOT}\n"), size("")),
            (format!("e\n07\n{ROOT}\n"), size("07")),
            (format!("e\n00\n{ROOT}\n"), size("00")),
            (format!("e\n+7\n{ROOT}\n"), size("+7")),
            (format!("e\n-7\n{ROOT}\n"), size("-7")),
            (format!("e\n7 \n{ROOT}\n"), size("7 ")),
            (format!("e\n0x7\n{ROOT}\n"), size("0x7")),
            (format!("e\n18446744073709551616\n{ROOT}\n"), size("18446744073709551616")),
            ("e\n7\n\n".into(), root("")),
            (format!("e\n7\n{short}\n"), root(&short)),
            (format!("e\n7\n{long}\n"), root(&long)),
            (format!("e\n7\n{spare_bits}\n"), root(&spare_bits)),
            (format!("e\n7\n{no_padding}\n"), root(no_padding)),
            (format!("e\n7\n{ROOT}\n\n"), extension(4)),
            (format!("e\n7\n{ROOT}\nabc\n\n"), extension(5)),
            (format!("e\n7\n{ROOT}\n\nabc\n"), extension(4)),
            (format!("e\n7\n{ROOT}\na\tc\n"), extension(4)),
        ];
        for (text, error) in rows {
            assert_eq!(Checkpoint::parse(&text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn names_that_cannot_be_origins_are_refused() {
        let forbidden = |character| OriginError::Name(KeyNameError::ForbiddenCharacter { character });
        let rows = [
            ("", OriginError::Name(KeyNameError::Empty)),
            ("a b", forbidden(' ')),
            ("a\u{3000}b", forbidden('\u{3000}')),
            ("a+b", forbidden('+')),
            ("a\nb", forbidden('\n')),
            ("a\u{9f}b", forbidden('\u{9f}')),
            ("a\u{202e}b", OriginError::Bidirectional { character: '\u{202e}' }),
        ];
        for (name, error) in rows {
            assert_eq!(Origin::new(name), Err(error), "{name:?}");
        }
        assert_eq!(Origin::new("x".repeat(257)), Err(OriginError::TooLong { length: 257 }));
        assert!(Origin::new("x".repeat(256)).is_ok());
    }

    #[test]
    fn an_origin_is_checked_wherever_it_is_read() {
        let origin = Origin::new("example.com/log").unwrap();
        assert_eq!(codec::decode(&codec::encode(&origin)), Ok(origin.clone()));
        assert_eq!(serde_json::to_string(&origin).unwrap(), "\"example.com/log\"");
        assert_eq!(serde_json::from_str::<Origin>("\"example.com/log\"").unwrap(), origin);
        let spaced = String::from("a b");
        assert!(matches!(
            codec::decode::<Origin>(&codec::encode(&spaced)),
            Err(codec::CodecError::Invalid(_))
        ));
        assert!(serde_json::from_str::<Origin>("\"a b\"").is_err());
        assert!("a b".parse::<Origin>().is_err());
    }

    #[test]
    fn what_the_log_signs_opens_with_its_key() {
        let bytes = sign_checkpoint(&checkpoint(), &[&key(1)]).unwrap();
        let opened = open_checkpoint(&bytes, &vkey("example.com/log", 1)).unwrap();
        assert_eq!(opened.checkpoint(), &checkpoint());
        assert_eq!(opened.note().encode(), bytes);
        assert_eq!(opened.verify_log_signatures(&[&vkey("example.com/log", 1)]), Ok(()));
        assert_eq!(sign_checkpoint(&checkpoint(), &[]), Err(NoteError::Unsigned));
    }

    #[test]
    fn each_checkpoint_that_does_not_open_is_told_apart() {
        let log_key = vkey("example.com/log", 1);
        let open = |bytes: &[u8]| open_checkpoint(bytes, &log_key);
        let note = |text: &str, name: &str, seed| {
            let line = SignatureLine::sign_ed25519(name, &key(seed), text).unwrap();
            Note::new(text.into(), vec![line]).unwrap().encode()
        };
        let text = checkpoint().text();
        assert_eq!(open(b"text\n"), Err(OpenError::Note(NoteError::NoEmptyLine)));
        let unsigned = OpenError::Signature(NoteVerifyError::NoKnownSignature);
        assert_eq!(open(&note(&text, "example.com/log", 2)), Err(unsigned.clone()));
        assert_eq!(open(&note(&text, "example.com/other", 1)), Err(unsigned));
        let forged =
            String::from_utf8(note(&text, "example.com/log", 1)).unwrap().replace("\n41\n", "\n42\n");
        let failed = open(forged.as_bytes());
        assert!(matches!(failed, Err(OpenError::Signature(NoteVerifyError::BadSignature { .. }))));
        let no_checkpoint = OpenError::Checkpoint(CheckpointError::TooFewLines { found: 1 });
        assert_eq!(open(&note("text\n", "example.com/log", 1)), Err(no_checkpoint));
        let foreign = text.replace("example.com/log", "example.com/other");
        let other_origin = OpenError::OtherOrigin {
            origin: Origin::new("example.com/other").unwrap(),
            key_name: "example.com/log".into(),
        };
        assert_eq!(open(&note(&foreign, "example.com/log", 1)), Err(other_origin));
    }

    #[test]
    fn a_rotation_bears_exactly_two_log_signatures() {
        let (old, new) = (vkey("example.com/log", 1), vkey("example.com/log", 2));
        let bearing = |seeds: &[u8]| {
            let keys: Vec<SigningKey> = seeds.iter().map(|seed| key(*seed)).collect();
            let bytes = sign_checkpoint(&checkpoint(), &keys.iter().collect::<Vec<_>>()).unwrap();
            CheckpointNote::parse_unverified(&bytes).unwrap()
        };
        let both = |seeds: &[u8]| bearing(seeds).verify_log_signatures(&[&old, &new]);
        let once = |vkey: &VerifierKey, found| OpenError::NotSignedOnce { key: vkey.public_key(), found };
        assert_eq!(both(&[1, 2]), Ok(()));
        assert_eq!(both(&[2, 1]), Ok(()));
        assert_eq!(both(&[1]), Err(once(&new, 0)));
        assert_eq!(both(&[2]), Err(once(&old, 0)));
        assert_eq!(both(&[1, 2, 1]), Err(once(&old, 2)));
        let other = |vkey: &VerifierKey| Err(OpenError::OtherLogKey { key_id: vkey.key_id() });
        assert_eq!(both(&[1, 2, 3]), other(&vkey("example.com/log", 3)));
        assert_eq!(bearing(&[1, 2]).verify_log_signatures(&[&new]), other(&old));
        assert_eq!(bearing(&[1, 2]).verify_log_signatures(&[&new, &new]), other(&old));
        assert_eq!(bearing(&[1]).verify_log_signatures(&[]), other(&old));
        let foreign = bearing(&[1]).verify_log_signatures(&[&vkey("example.com/other", 1)]);
        assert!(matches!(foreign, Err(OpenError::OtherOrigin { .. })));
    }

    #[test]
    fn other_names_may_sign_too() {
        let line = SignatureLine::sign_ed25519("w", &key(9), &checkpoint().text()).unwrap();
        let bytes = sign_checkpoint(&checkpoint(), &[&key(1)]).unwrap();
        let witnessed = Note::parse(&bytes).unwrap().with_signature(line).unwrap().encode();
        let opened = open_checkpoint(&witnessed, &vkey("example.com/log", 1)).unwrap();
        assert_eq!(opened.verify_log_signatures(&[&vkey("example.com/log", 1)]), Ok(()));
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in any::<String>()) {
            if let Ok(checkpoint) = Checkpoint::parse(&text) {
                prop_assert_eq!(checkpoint.text(), text);
            }
        }

        #[test]
        fn what_parses_has_one_text(
            text in "(a|b c|\u{202e})?\n[+0-9]{0,3}\n[A-D]{40,44}[A-D]?=?\n(x?\n){0,2}",
        ) {
            if let Ok(checkpoint) = Checkpoint::parse(&text) {
                prop_assert_eq!(checkpoint.text(), text);
            }
        }
    }
}
