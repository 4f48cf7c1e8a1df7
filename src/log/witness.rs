//! A witness's memory, and what it signs by: no checkpoint that does not extend the last one it signed (C2SP
//! tlog-witness, `add-checkpoint`).
//!
//! [`WitnessState`] is the small file that a witness by hand keeps (docs/format.md, "Witness state"). Judging is pure:
//! whoever calls stores the state that comes of it *before* anything is signed.

use std::fmt::Write as _;

use crate::hash::Hash;
use crate::log::entry::Entry;
use crate::merkle::proof::{ProofError, prove_extension, root_at, verify_extension};
use crate::merkle::tree::{EMPTY_ROOT, Tree};
use crate::note::checkpoint::{Checkpoint, CheckpointNote, OpenError, open_checkpoint};
use crate::note::vkey::{KeyKind, VerifierKey, VkeyError};
use crate::store::batch_log::{BatchSource, Position};
use crate::store::scan::{ScanError, Scanner};

/// The largest state file that is read, in bytes: some 200 for each log.
pub const WITNESS_STATE_BYTES_MAX: usize = 64 * 1024;
/// The most hashes of a consistency proof: a tree has at most 2^64 leaves (C2SP tlog-witness: at most 63).
pub const PROOF_HASHES_MAX: usize = 63;

const FIRST_LINE: &str = "rollbook witness state 1";
const CHECKSUM: &str = "sha256";

/// What a witness remembers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WitnessState {
    // Invariant: ascending by origin, none twice.
    logs: Vec<SeenLog>,
}

/// The last that a witness signed of one log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenLog {
    // Invariant: a log's key (type 0x01); its name is the log's origin.
    vkey: VerifierKey,
    size: u64,
    root: Hash,
}

/// Why bytes are no witness's state. Then nothing may be signed: what was signed before is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WitnessStateError {
    /// Over the bound.
    #[error("it has more than {WITNESS_STATE_BYTES_MAX} bytes")]
    TooLarge,
    /// Another file, or of another version.
    #[error("it does not begin with the line `{FIRST_LINE}`")]
    FirstLine,
    /// Cut off, or changed.
    #[error("its last line is not the SHA-256 of those before it: it was cut off, or changed")]
    Checksum,
    /// A line is not what belongs there.
    #[error("line {line}: {reason}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// Logs out of order, or one twice.
    #[error("its logs are not in ascending order, each once")]
    Order,
}

/// Why a witness does not sign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WitnessRefusal {
    /// A log that the witness was not told of.
    #[error("the witness does not know the log `{origin}`")]
    UnknownLog {
        /// In the checkpoint.
        origin: String,
    },
    /// Not signed by the log.
    #[error("the checkpoint is not the log's: {0}")]
    NotTheLogs(OpenError),
    /// A smaller tree than the one signed last.
    #[error("the checkpoint is of size {size}, and the witness has signed size {seen}: entries are gone")]
    Smaller {
        /// In the checkpoint.
        size: u64,
        /// Signed last.
        seen: u64,
    },
    /// The same size, and another root.
    #[error(
        "at size {size} the checkpoint has the root {root}, and the witness has signed {seen}: the log has two histories"
    )]
    OtherRoot {
        /// Of both.
        size: u64,
        /// In the checkpoint.
        root: Hash,
        /// Signed last.
        seen: Hash,
    },
    /// The proof does not show that the checkpoint extends the one signed last.
    #[error("nothing shows that size {size} extends size {seen}, which the witness has signed: {error}")]
    NotConsistent {
        /// In the checkpoint.
        size: u64,
        /// Signed last.
        seen: u64,
        /// What is wrong with the proof.
        error: ProofError,
    },
}

impl WitnessRefusal {
    /// A stable word for it.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UnknownLog { .. } => "unknown_log",
            Self::NotTheLogs(_) => "log_signature",
            Self::Smaller { .. } => "smaller",
            Self::OtherRoot { .. } => "other_root",
            Self::NotConsistent { .. } => "not_consistent",
        }
    }
}

impl SeenLog {
    /// The log's key; its name is the log's origin.
    #[must_use]
    pub const fn vkey(&self) -> &VerifierKey {
        &self.vkey
    }

    /// The tree size signed last; 0 where nothing was.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }
}

impl WitnessState {
    /// Reads a state file.
    ///
    /// # Errors
    /// [`WitnessStateError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, WitnessStateError> {
        if bytes.len() > WITNESS_STATE_BYTES_MAX {
            return Err(WitnessStateError::TooLarge);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| WitnessStateError::FirstLine)?;
        if text.split('\n').next() != Some(FIRST_LINE) {
            return Err(WitnessStateError::FirstLine);
        }
        let body_length = text.trim_end_matches('\n').rfind('\n').map_or(0, |end| end + 1);
        let (body, last) = text.split_at(body_length);
        if last != checksum_line(body) {
            return Err(WitnessStateError::Checksum);
        }
        let lines: Vec<&str> = body.lines().collect();
        let logs = lines[1..].chunks(3).enumerate().map(|(place, lines)| read_log(lines, 2 + place * 3));
        let logs = logs.collect::<Result<Vec<SeenLog>, _>>()?;
        if !logs.is_sorted_by(|one, next| one.vkey.name() < next.vkey.name()) {
            return Err(WitnessStateError::Order);
        }
        Ok(Self { logs })
    }

    /// The file's text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut body = format!("{FIRST_LINE}\n");
        for SeenLog { vkey, size, root } in &self.logs {
            let _ = writeln!(body, "log {vkey}\nsize {size}\nroot {root}");
        }
        let checksum = checksum_line(&body);
        body + &checksum
    }

    /// What it remembers of the log with this origin.
    #[must_use]
    pub fn log(&self, origin: &str) -> Option<&SeenLog> {
        self.logs.iter().find(|log| log.vkey.name() == origin)
    }

    /// Takes in a log's key: of a log that it does not know yet, or the one that a log came to by a rotation. What it
    /// has signed of that log stays as it is.
    pub fn learn(&mut self, vkey: VerifierKey) {
        match self.logs.binary_search_by(|log| log.vkey.name().cmp(vkey.name())) {
            Ok(place) => self.logs[place].vkey = vkey,
            Err(place) => self.logs.insert(place, SeenLog { vkey, size: 0, root: EMPTY_ROOT }),
        }
    }

    /// Judges a checkpoint note by what was signed before; `proof` is the consistency proof from there, empty from size
    /// 0 and to the same size. Gives the state to store, and then sign.
    ///
    /// # Errors
    /// [`WitnessRefusal`].
    pub fn judge(&self, note: &CheckpointNote, proof: &[Hash]) -> Result<Self, WitnessRefusal> {
        let checkpoint = note.checkpoint();
        let origin = checkpoint.origin().as_str();
        let place = self.logs.iter().position(|log| log.vkey.name() == origin);
        let place = place.ok_or_else(|| WitnessRefusal::UnknownLog { origin: origin.to_owned() })?;
        let seen = &self.logs[place];
        open_checkpoint(&note.note().encode(), &seen.vkey).map_err(WitnessRefusal::NotTheLogs)?;
        check_extends(seen, checkpoint, proof)?;
        let mut next = self.clone();
        (next.logs[place].size, next.logs[place].root) = (checkpoint.size(), *checkpoint.root());
        Ok(next)
    }
}

/// The steps of C2SP tlog-witness, "add-checkpoint", once the log's signature is checked.
fn check_extends(seen: &SeenLog, checkpoint: &Checkpoint, proof: &[Hash]) -> Result<(), WitnessRefusal> {
    let (size, root) = (checkpoint.size(), *checkpoint.root());
    if size < seen.size {
        return Err(WitnessRefusal::Smaller { size, seen: seen.size });
    }
    if size == seen.size && root != seen.root {
        return Err(WitnessRefusal::OtherRoot { size, root, seen: seen.root });
    }
    verify_extension(seen.size, size, &seen.root, &root, proof)
        .map_err(|error| WitnessRefusal::NotConsistent { size, seen: seen.size, error })
}

fn checksum_line(body: &str) -> String {
    format!("{CHECKSUM} {}\n", Hash::of(body.as_bytes()))
}

/// Three lines of one log, the first of which is the file's line `first`.
fn read_log(lines: &[&str], first: usize) -> Result<SeenLog, WitnessStateError> {
    let wrong = |offset: usize, reason: String| WitnessStateError::Line { line: first + offset, reason };
    let value = |offset: usize, word: &str| {
        let line = lines.get(offset).copied().unwrap_or_default();
        let value = line.strip_prefix(word).and_then(|rest| rest.strip_prefix(' '));
        value.ok_or_else(|| wrong(offset, format!("`{word}` and a value are expected")))
    };
    let vkey: VerifierKey =
        value(0, "log")?.parse().map_err(|error: VkeyError| wrong(0, error.to_string()))?;
    if vkey.kind() != KeyKind::Ed25519 {
        return Err(wrong(0, "a log's key has type 0x01".to_owned()));
    }
    let size = value(1, "size")?;
    let number = size.parse::<u64>().ok().filter(|number| number.to_string() == size);
    let size = number.ok_or_else(|| wrong(1, format!("`{size}` is no tree size")))?;
    let root = value(2, "root")?;
    let hash = root.parse::<Hash>().ok().filter(|hash| hash.to_string() == root);
    let root = hash.ok_or_else(|| wrong(2, "64 lower-case hex digits are expected".to_owned()))?;
    Ok(SeenLog { vkey, size, root })
}

/// A proof that is computed from a log, and the root that its entries give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    /// The consistency proof, empty from size 0.
    pub proof: Vec<Hash>,
    /// The root of the first `new` entries.
    pub root: Hash,
}

/// Why a log gave no proof.
#[derive(Debug, thiserror::Error)]
pub enum ExtensionError {
    /// It could not be read.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// It ends too early.
    #[error("the log has {found} entries, and {size} are asked for")]
    Short {
        /// Entries in the log.
        found: u64,
        /// Asked for.
        size: u64,
    },
}

/// The proof that the first `new` entries of a log extend its first `old` ones, from their leaf hashes: it reads the
/// log once, and holds 64 bytes an entry.
///
/// # Errors
/// [`ExtensionError`].
///
/// # Panics
/// Where `old` is above `new`.
pub fn extension_in(source: &dyn BatchSource, old: u64, new: u64) -> Result<Extension, ExtensionError> {
    let mut tree = Tree::new();
    let mut scanner = Scanner::new(source, Position::START, new).map_err(ExtensionError::from)?;
    while let Some(located) = scanner.next_frame() {
        for bytes in located?.frame.entries() {
            if tree.size() < new {
                tree.push(Entry::leaf_hash(bytes));
            }
        }
    }
    if tree.size() < new {
        return Err(ExtensionError::Short { found: tree.size(), size: new });
    }
    let whole = "the tree holds every subtree of its leaves, and the sizes ascend";
    Ok(Extension {
        proof: prove_extension(old, new, &tree).expect(whole),
        root: root_at(new, &tree).expect(whole),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::note::checkpoint::{Origin, sign_checkpoint};
    use ed25519_dalek::SigningKey;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    fn vkey(origin: &str, seed: u8) -> VerifierKey {
        VerifierKey::of_signing_key(origin, KeyKind::Ed25519, &key(seed)).unwrap()
    }

    fn tree(leaves: u8, salt: u8) -> Tree {
        (0..leaves).map(|leaf| Hash::of(&[salt, leaf])).collect()
    }

    fn note_of(tree: &Tree, signer: u8) -> CheckpointNote {
        let root = root_at(tree.size(), tree).unwrap();
        let checkpoint = Checkpoint::new(Origin::new("example.com/log").unwrap(), tree.size(), root);
        CheckpointNote::parse_unverified(&sign_checkpoint(&checkpoint, &[&key(signer)]).unwrap()).unwrap()
    }

    fn knowing() -> WitnessState {
        let mut state = WitnessState::default();
        state.learn(vkey("example.com/log", 1));
        state
    }

    #[test]
    fn the_text_reads_back() {
        let mut state = knowing();
        assert_eq!(WitnessState::from_bytes(WitnessState::default().to_text().as_bytes()).unwrap().logs, []);
        state.learn(vkey("a.example.com", 2));
        state = state.judge(&note_of(&tree(5, 0), 1), &[]).unwrap();
        let text = state.to_text();
        assert_eq!(WitnessState::from_bytes(text.as_bytes()), Ok(state.clone()), "{text}");
        assert_eq!(state.log("example.com/log").map(SeenLog::size), Some(5));
        assert_eq!(state.log("a.example.com").map(SeenLog::size), Some(0));
        assert_eq!(state.log("b.example.com"), None);
    }

    #[test]
    fn no_changed_byte_and_no_cut_is_taken_for_a_state() {
        let text = knowing().judge(&note_of(&tree(5, 0), 1), &[]).unwrap().to_text();
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            assert!(WitnessState::from_bytes(&bytes).is_err(), "byte {at}");
            assert!(WitnessState::from_bytes(&text.as_bytes()[..at]).is_err(), "cut at {at}");
        }
        let with = |body: &str| WitnessState::from_bytes(format!("{body}{}", checksum_line(body)).as_bytes());
        let log = |name: &str| format!("log {}\nsize 0\nroot {EMPTY_ROOT}\n", vkey(name, 1));
        let first = format!("{FIRST_LINE}\n");
        assert_eq!(with(&format!("{first}{}{}", log("a"), log("b"))).unwrap().logs.len(), 2);
        for twice in [format!("{first}{}{}", log("b"), log("a")), format!("{first}{}{}", log("a"), log("a"))]
        {
            assert_eq!(with(&twice), Err(WitnessStateError::Order));
        }
        for (from, to, line) in [
            ("size 0", "size 00", 3),
            ("size 0", "size", 3),
            ("root ", "root A", 4),
            ("log ", "log x", 2),
            ("log ", "lag ", 2),
        ] {
            let error = with(&format!("{first}{}", log("a").replacen(from, to, 1))).unwrap_err();
            assert!(matches!(error, WitnessStateError::Line { line: found, .. } if found == line), "{error}");
        }
        assert_eq!(with("other\n"), Err(WitnessStateError::FirstLine));
        assert_eq!(WitnessState::from_bytes(&[0xff]), Err(WitnessStateError::FirstLine));
        let too_large = vec![b'\n'; WITNESS_STATE_BYTES_MAX + 1];
        assert_eq!(WitnessState::from_bytes(&too_large), Err(WitnessStateError::TooLarge));
    }

    #[test]
    fn each_refusal_is_told_apart() {
        let (five, nine) = (tree(5, 0), tree(9, 0));
        let seen = knowing().judge(&note_of(&five, 1), &[]).unwrap();
        let proof = prove_extension(5, 9, &nine).unwrap();
        let code =
            |note: &CheckpointNote, proof: &[Hash]| seen.judge(note, proof).map_err(|error| error.code());
        let sizes = |state: WitnessState| state.log("example.com/log").map(SeenLog::size);
        assert_eq!(code(&note_of(&nine, 1), &proof).map(sizes), Ok(Some(9)));
        assert_eq!(code(&note_of(&five, 1), &[]).map(sizes), Ok(Some(5)));
        assert_eq!(code(&note_of(&nine, 2), &proof), Err("log_signature"));
        assert_eq!(code(&note_of(&tree(4, 0), 1), &[]), Err("smaller"));
        assert_eq!(code(&note_of(&tree(5, 1), 1), &[]), Err("other_root"));
        assert_eq!(code(&note_of(&five, 1), &proof), Err("not_consistent"));
        assert_eq!(code(&note_of(&nine, 1), &[]), Err("not_consistent"));
        assert_eq!(code(&note_of(&nine, 1), &proof[1..]), Err("not_consistent"));
        let other = tree(9, 1);
        assert_eq!(code(&note_of(&other, 1), &prove_extension(5, 9, &other).unwrap()), Err("not_consistent"));
        let stranger = WitnessState::default().judge(&note_of(&five, 1), &[]).unwrap_err();
        assert_eq!(stranger.code(), "unknown_log");
        // For the first time, an empty proof and no other.
        let first = knowing().judge(&note_of(&five, 1), &proof).unwrap_err();
        assert_eq!(first.code(), "not_consistent");
    }

    #[test]
    fn a_log_that_came_to_another_key_goes_on_from_what_was_signed() {
        let nine = tree(9, 0);
        let mut seen = knowing().judge(&note_of(&tree(5, 0), 1), &[]).unwrap();
        let proof = prove_extension(5, 9, &nine).unwrap();
        assert_eq!(seen.judge(&note_of(&nine, 2), &proof).unwrap_err().code(), "log_signature");
        seen.learn(vkey("example.com/log", 2));
        assert_eq!(seen.judge(&note_of(&tree(4, 0), 2), &[]).unwrap_err().code(), "smaller");
        assert!(seen.judge(&note_of(&nine, 2), &proof).is_ok());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(text in "(rollbook witness state 1\n)?((log|size|root|sha256) [a-z0-9+]{0,9}\n){0,5}") {
            let _ = WitnessState::from_bytes(text.as_bytes());
            let _ = WitnessState::from_bytes(format!("{text}{}", checksum_line(&text)).as_bytes());
        }
    }
}
