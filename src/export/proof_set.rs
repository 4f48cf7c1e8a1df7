//! Several proofs in one file: a line of JSON for each entry, with its bytes and its C2SP tlog-proof (docs/format.md,
//! "Proof sets"). Each line stands by itself, so that a set can be cut and joined like any list.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::log::entry::ENTRY_BYTES_MAX;

use super::prove::ProvedEntry;
use super::tlog_proof::{PROOF_BYTES_MAX, TlogProof, TlogProofError};

/// The most bytes of a set that is read: some thousand entries of ordinary size.
pub const PROOF_SET_BYTES_MAX: usize = 64 << 20;
/// The most bytes of a line: an entry in base64, a proof whose line ends are escaped, and the words around them.
const LINE_BYTES_MAX: usize = ENTRY_BYTES_MAX * 4 / 3 + 2 * PROOF_BYTES_MAX + 1024;

/// Why a line is no proof of an entry.
#[derive(Debug, thiserror::Error)]
pub enum ProofSetError {
    /// It is too long, or not the JSON that belongs there.
    #[error("line {line}: {reason}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// The proof in it is none.
    #[error("line {line}: {error}")]
    Proof {
        /// Counted from 1.
        line: usize,
        /// Why.
        error: TlogProofError,
    },
    /// There is no line at all.
    #[error("it holds no proof")]
    Empty,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    index: u64,
    entry: String,
    proof: String,
}

/// The bytes of a set, in the order given.
#[must_use]
pub fn encode(proved: &[ProvedEntry]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for ProvedEntry { entry, proof } in proved {
        let line = Line {
            index: proof.index(),
            entry: STANDARD.encode(entry),
            proof: String::from_utf8_lossy(&proof.encode()).into_owned(),
        };
        bytes.extend_from_slice(serde_json::to_string(&line).expect("plain fields are JSON").as_bytes());
        bytes.push(b'\n');
    }
    bytes
}

/// Reads a set. Nothing in it is believed.
///
/// # Errors
/// [`ProofSetError`], with the first line that is wrong.
pub fn parse(bytes: &[u8]) -> Result<Vec<ProvedEntry>, ProofSetError> {
    let lines = bytes.split(|byte| *byte == b'\n').zip(1..).filter(|(line, _)| !line.is_empty());
    let proved = lines.map(|(line, number)| parse_line(line, number)).collect::<Result<Vec<_>, _>>()?;
    if proved.is_empty() { Err(ProofSetError::Empty) } else { Ok(proved) }
}

fn parse_line(bytes: &[u8], line: usize) -> Result<ProvedEntry, ProofSetError> {
    let wrong = |reason: String| ProofSetError::Line { line, reason };
    if bytes.len() > LINE_BYTES_MAX {
        return Err(wrong(format!("{} bytes, at most {LINE_BYTES_MAX} are read", bytes.len())));
    }
    let Line { index, entry, proof } =
        serde_json::from_slice(bytes).map_err(|error| wrong(error.to_string()))?;
    let entry = STANDARD.decode(entry).map_err(|error| wrong(format!("`entry` is no base64: {error}")))?;
    let proof = TlogProof::parse(proof.as_bytes()).map_err(|error| ProofSetError::Proof { line, error })?;
    if proof.index() != index {
        return Err(wrong(format!("`index` is {index}, and the proof's is {}", proof.index())));
    }
    Ok(ProvedEntry { entry, proof })
}
