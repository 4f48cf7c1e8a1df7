//! Notes in `cosigned/`: read from the directory that is judged, and those that count.
//!
//! Anybody who can write there may have put a file there. So a note counts only where a witness of the trust root
//! cosigned it, and then it is held against the log as a checkpoint is that an auditor kept; what is no note of this log
//! is remarked on, and counts for nothing.

use std::path::Path;

use crate::log::quorum::Cosignature;
use crate::log::trust_root::TrustRoot;
use crate::note::checkpoint::CheckpointNote;
use crate::store::cosigned::{COSIGNED_DIR, Cosigned, CosignedError};
use crate::store::disk::RealDisk;

use super::finding::Finding;

/// A file in `cosigned/`.
#[derive(Debug, Clone)]
pub struct CosignedFile {
    /// The tree size that it is named by.
    size: u64,
    /// The note, unverified, or why it is none.
    note: Result<CheckpointNote, String>,
}

impl CosignedFile {
    /// Reads the bytes of the file that is named by `size`.
    #[must_use]
    pub fn parse(size: u64, bytes: &[u8]) -> Self {
        let note = CheckpointNote::parse_unverified(bytes).map_err(|error| error.to_string());
        let note = note.and_then(|note| match note.checkpoint().size() {
            said if said == size => Ok(note),
            said => Err(format!("its checkpoint is of size {said}")),
        });
        Self { size, note }
    }

    /// What it is called: its path in the ledger.
    pub(super) fn name(&self) -> String {
        format!("{COSIGNED_DIR}/{}", self.size)
    }

    /// The note and who of the trust root's witnesses cosigned it, where it counts; none where nobody known did.
    ///
    /// # Errors
    /// The finding that it is no cosigned note of this log.
    pub(super) fn judge(
        &self,
        trust: Option<&TrustRoot>,
    ) -> Result<Option<(&CheckpointNote, Vec<Cosignature>)>, Finding> {
        let unfit = |reason: String| Finding::CosignedUnfit { name: self.name(), reason };
        let note = self.note.as_ref().map_err(|reason| unfit(reason.clone()))?;
        let Some(trust) = trust else { return Ok(None) };
        let origin = note.checkpoint().origin();
        if origin != trust.origin() {
            return Err(unfit(format!("it is of the log `{origin}`")));
        }
        let cosignatures = trust.witnesses().cosignatures(note).map_err(|error| unfit(error.to_string()))?;
        Ok((!cosignatures.is_empty()).then_some((note, cosignatures)))
    }
}

/// The files in `cosigned/` of the ledger or evidence pack in `dir`, those of the largest sizes. To be read before the
/// size of the log is, so that no note is ahead of a log that goes on meanwhile.
///
/// # Errors
/// [`CosignedError`] where the directory cannot be listed; a file that cannot be read is one that is no note.
pub fn read_cosigned(dir: &Path) -> Result<Vec<CosignedFile>, CosignedError> {
    let cosigned = Cosigned::of(&RealDisk, dir);
    let mut files = Vec::new();
    for size in cosigned.sizes()? {
        match cosigned.read(size) {
            Ok(Some(bytes)) => files.push(CosignedFile::parse(size, &bytes)),
            Ok(None) => {}
            Err(error) => files.push(CosignedFile { size, note: Err(error.to_string()) }),
        }
    }
    Ok(files)
}
