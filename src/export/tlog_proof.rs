//! A C2SP tlog-proof: one entry's inclusion proof and the checkpoint that it leads to, in one text file that can be
//! checked without the log (docs/format.md, "Proofs").
//!
//! ```text
//! c2sp.org/tlog-proof@v1
//! extra <base64>            (some logs; not ours)
//! index <n>
//! <hash, base64>            (from the leaf up, a line each)
//!
//! <checkpoint note>
//! ```
//!
//! What parses is written in the one way there is. It proves that an entry stands in *a* log whose key signed the
//! checkpoint; whether that key is believed is for whoever asks.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::hash::Hash;
use crate::merkle::proof::{ProofError, verify_inclusion};
use crate::merkle::tree::leaf_hash;
use crate::note::checkpoint::{Checkpoint, CheckpointNote, OpenError};
use crate::note::signed_note::{NOTE_BYTES_MAX, NoteVerifyError};
use crate::note::vkey::VerifierKey;

/// The first line.
pub const PROOF_HEADER: &str = "c2sp.org/tlog-proof@v1";
/// The most hashes: a tree of 2^64 leaves needs no more.
pub const PROOF_HASHES_MAX: usize = 64;
/// The most bytes of the extra data that some logs put in. It bounds what a stranger can make us hold.
pub const PROOF_EXTRA_BYTES_MAX: usize = 64 << 10;
/// The most bytes of a proof file: a note, extra data in base64, hashes, and the lines around them.
pub const PROOF_BYTES_MAX: usize = NOTE_BYTES_MAX + 2 * PROOF_EXTRA_BYTES_MAX + 8192;

/// A hash in base64.
const HASH_CHARACTERS: usize = 44;

/// Why bytes are no tlog-proof.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlogProofError {
    /// Over the bound.
    #[error("a proof file of {bytes} bytes is too large: at most {PROOF_BYTES_MAX} are read")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// Not UTF-8.
    #[error("a proof file is UTF-8 text, and this is not")]
    NotUtf8,
    /// The first line is another.
    #[error("the first line is not `{PROOF_HEADER}`")]
    Header,
    /// The `extra` line's value.
    #[error(
        "line 2: what stands after `extra` is not base64 of 1 to {PROOF_EXTRA_BYTES_MAX} bytes in its canonical form"
    )]
    Extra,
    /// There is no `index` line where one belongs, or its number is none.
    #[error("line {line}: `index` and a decimal number without leading zeros are expected")]
    Index {
        /// Counted from 1.
        line: usize,
    },
    /// A line of the proof.
    #[error("line {line}: a hash of 32 bytes in canonical base64 is expected, or an empty line")]
    Hash {
        /// Counted from 1.
        line: usize,
    },
    /// Too many hashes.
    #[error("the proof has more than {PROOF_HASHES_MAX} hashes")]
    TooManyHashes,
    /// It ends before the empty line.
    #[error("there is no empty line between the proof and its checkpoint")]
    Unterminated,
    /// The checkpoint cannot be read.
    #[error("the checkpoint: {0}")]
    Checkpoint(#[from] OpenError),
}

/// Why a proof does not convince.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofRefusal {
    /// No key that was given signed the checkpoint.
    #[error("the checkpoint: {0}")]
    Signature(#[from] NoteVerifyError),
    /// The checkpoint is another log's.
    #[error("the checkpoint is of the log `{actual}`, and the key of `{expected}`")]
    Origin {
        /// In the checkpoint.
        actual: String,
        /// The key's name.
        expected: String,
    },
    /// The hashes do not lead from the entry to the root.
    #[error("{0}")]
    Inclusion(#[from] ProofError),
}

/// A proof as it is read or written. Nothing in it is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlogProof {
    index: u64,
    /// At most 64.
    hashes: Vec<Hash>,
    /// Not empty, where there is some.
    extra: Option<Vec<u8>>,
    note: CheckpointNote,
}

impl TlogProof {
    /// The proof that an entry stands at `index` in the tree of `note`'s checkpoint.
    ///
    /// # Errors
    /// [`TlogProofError::TooManyHashes`].
    pub fn new(index: u64, hashes: Vec<Hash>, note: CheckpointNote) -> Result<Self, TlogProofError> {
        if hashes.len() > PROOF_HASHES_MAX {
            return Err(TlogProofError::TooManyHashes);
        }
        Ok(Self { index, hashes, extra: None, note })
    }

    /// Reads a proof file.
    ///
    /// # Errors
    /// [`TlogProofError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, TlogProofError> {
        if bytes.len() > PROOF_BYTES_MAX {
            return Err(TlogProofError::TooLarge { bytes: bytes.len() });
        }
        let text = std::str::from_utf8(bytes).map_err(|_| TlogProofError::NotUtf8)?;
        let rest = text.strip_prefix(PROOF_HEADER).and_then(|rest| rest.strip_prefix('\n'));
        let rest = rest.ok_or(TlogProofError::Header)?;
        let (extra, rest, line) = match rest.strip_prefix("extra ") {
            None => (None, rest, 2),
            Some(rest) => {
                let (value, rest) = rest.split_once('\n').ok_or(TlogProofError::Extra)?;
                (Some(parse_extra(value).ok_or(TlogProofError::Extra)?), rest, 3)
            }
        };
        let (index, rest) = rest.split_once('\n').unwrap_or((rest, ""));
        let index =
            index.strip_prefix("index ").and_then(parse_decimal).ok_or(TlogProofError::Index { line })?;
        let (hashes, note) = parse_hashes(rest, line + 1)?;
        Ok(Self { index, hashes, extra, note: CheckpointNote::parse_unverified(note.as_bytes())? })
    }

    /// The file's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut text = format!("{PROOF_HEADER}\n");
        if let Some(extra) = &self.extra {
            let _ = writeln!(text, "extra {}", STANDARD.encode(extra));
        }
        let _ = writeln!(text, "index {}", self.index);
        for hash in &self.hashes {
            let _ = writeln!(text, "{}", STANDARD.encode(hash.as_bytes()));
        }
        text.push('\n');
        let mut bytes = text.into_bytes();
        bytes.extend(self.note.note().encode());
        bytes
    }

    /// The index of the entry, as the proof says.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// The hashes, from the leaf up.
    #[must_use]
    pub fn hashes(&self) -> &[Hash] {
        &self.hashes
    }

    /// What another log put in beside it.
    #[must_use]
    pub fn extra(&self) -> Option<&[u8]> {
        self.extra.as_deref()
    }

    /// The checkpoint, unverified.
    #[must_use]
    pub const fn checkpoint(&self) -> &Checkpoint {
        self.note.checkpoint()
    }

    /// Checks that the log signed the checkpoint with one of `keys`, and that `entry` stands in its tree. Gives the
    /// keys that signed.
    ///
    /// # Errors
    /// [`ProofRefusal`]. A signature by one of `keys` that fails is one, whoever else signed.
    pub fn verify<'k>(
        &self,
        entry: &[u8],
        keys: &'k [VerifierKey],
    ) -> Result<Vec<&'k VerifierKey>, ProofRefusal> {
        let checkpoint = self.note.checkpoint();
        let signers = self.note.note().verify(keys)?;
        if let Some(other) = signers.iter().find(|key| key.name() != checkpoint.origin().as_str()) {
            let (actual, expected) = (checkpoint.origin().to_string(), other.name().to_owned());
            return Err(ProofRefusal::Origin { actual, expected });
        }
        let leaf = leaf_hash(entry);
        verify_inclusion(&leaf, self.index, checkpoint.size(), &self.hashes, checkpoint.root())?;
        Ok(signers)
    }
}

/// The hash lines and what follows the empty line after them; `line` is the number of the first.
fn parse_hashes(mut rest: &str, mut line: usize) -> Result<(Vec<Hash>, &str), TlogProofError> {
    let mut hashes = Vec::new();
    loop {
        let Some((text, following)) = rest.split_once('\n') else { return Err(TlogProofError::Unterminated) };
        rest = following;
        if text.is_empty() {
            return Ok((hashes, rest));
        }
        if hashes.len() == PROOF_HASHES_MAX {
            return Err(TlogProofError::TooManyHashes);
        }
        hashes.push(parse_hash(text).ok_or(TlogProofError::Hash { line })?);
        line += 1;
    }
}

/// 32 bytes in canonical base64.
fn parse_hash(text: &str) -> Option<Hash> {
    let bytes = if text.len() == HASH_CHARACTERS { STANDARD.decode(text).ok()? } else { return None };
    Some(Hash::from_bytes(bytes.try_into().ok()?))
}

fn parse_extra(text: &str) -> Option<Vec<u8>> {
    if text.is_empty() || text.len() > 2 * PROOF_EXTRA_BYTES_MAX {
        return None;
    }
    STANDARD.decode(text).ok().filter(|bytes| bytes.len() <= PROOF_EXTRA_BYTES_MAX)
}

/// A `u64` in decimal without leading zeros or sign.
fn parse_decimal(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number: &u64| number.to_string() == text)
}
