//! Attachments: the bytes beside the log, held against the entries that cite and redact them.
//!
//! While entries are replayed, a register keeps which attachments the lawful ones cite and redact, in some 50 bytes
//! each. Then the directory `attachments/` is looked at, on all cores: every file is read in pieces and hashed.
//!
//! What is missing is passed over where the rules could not be judged to the log's end: an entry behind may have
//! redacted it.

use std::path::Path;

use rayon::prelude::*;

use crate::event::body::Event;
use crate::hash::Hash;
use crate::lifecycle::attachments::{AttachmentRegister, Citation, Oddity, Redaction};
use crate::store::attachments::{AttachmentCheck, AttachmentError, Attachments};

use super::finding::{Finding, Findings};
use super::report::AttachmentCounts;
use super::verify::VerifyError;

/// How many attachments are looked at before their findings are taken: it bounds how many findings wait.
const LOOKED_AT_ONCE: usize = 4_096;

/// What lawful entries say of attachments.
#[derive(Debug, Default)]
pub(super) struct Register(AttachmentRegister);

impl Register {
    /// The register of the entries before, as [`Self::cited`] and [`Self::redacted`] gave it.
    pub(super) fn restore(cited: &[(Hash, Citation)], redacted: &[(Hash, Redaction)]) -> Self {
        Self(AttachmentRegister::restore(cited.iter().copied(), redacted.iter().copied()))
    }

    /// What is to be there, by entry.
    pub(super) fn cited(&self) -> Vec<(Hash, Citation)> {
        let mut cited: Vec<_> = self.0.cited().map(|(digest, at)| (*digest, *at)).collect();
        cited.sort_unstable_by_key(|(digest, at)| (at.entry, *digest));
        cited
    }

    /// What is to be gone, by the entry that cites it.
    pub(super) fn redacted(&self) -> Vec<(Hash, Redaction)> {
        let mut redacted: Vec<_> = self.0.redacted().map(|(digest, by)| (*digest, *by)).collect();
        redacted.sort_unstable_by_key(|(digest, by)| (by.cited_by, *digest));
        redacted
    }

    /// Takes a lawful entry; entries come in order.
    pub(super) fn take(&mut self, index: u64, event: &Event, findings: &mut Findings) {
        for oddity in self.0.take(index, event) {
            findings.add(match oddity {
                Oddity::RedactsNothing { digest } => Finding::AttachmentRedactsNothing { index, digest },
                Oddity::SizeDiffers { digest, actual, expected } => {
                    Finding::AttachmentSize { index, digest, actual, expected }
                }
            });
        }
    }
}

/// Looks at the bytes in `ledger`; the rules were `judged_to_the_end`, or not.
pub(super) fn check(
    ledger: &Path,
    register: &Register,
    judged_to_the_end: bool,
    findings: &mut Findings,
) -> Result<AttachmentCounts, VerifyError> {
    let store = Attachments::of_ledger(ledger);
    let cited = register.cited();
    for some in cited.chunks(LOOKED_AT_ONCE) {
        let mut found = look_at(some, |(digest, at)| check_cited(&store, *digest, *at))?;
        found.retain(|finding| judged_to_the_end || !matches!(finding, Finding::AttachmentMissing { .. }));
        findings.extend(found);
    }
    let redacted = register.redacted();
    for some in redacted.chunks(LOOKED_AT_ONCE) {
        let found = look_at(some, |(digest, by)| check_redacted(&store, *digest, *by).map(Some))?;
        findings.extend(found);
    }
    Ok(AttachmentCounts { checked: cited.len() as u64, redacted: redacted.len() as u64 })
}

fn look_at<T: Sync>(
    items: &[T],
    look: impl Fn(&T) -> Result<Option<Finding>, AttachmentError> + Sync + Send,
) -> Result<Vec<Finding>, AttachmentError> {
    let found: Result<Vec<Option<Finding>>, AttachmentError> = items.par_iter().map(look).collect();
    Ok(found?.into_iter().flatten().collect())
}

/// The bytes are there, and they are the right ones.
fn check_cited(store: &Attachments, digest: Hash, at: Citation) -> Result<Option<Finding>, AttachmentError> {
    let Citation { entry: index, size } = at;
    Ok(match store.verify(&digest)? {
        AttachmentCheck::Sound { bytes } if bytes == size => None,
        AttachmentCheck::Sound { bytes: expected } => {
            Some(Finding::AttachmentSize { index, digest, actual: size, expected })
        }
        AttachmentCheck::Missing => Some(Finding::AttachmentMissing { index, digest }),
        AttachmentCheck::Differs { actual } => Some(Finding::AttachmentDamaged { index, digest, actual }),
    })
}

/// The bytes are gone.
fn check_redacted(store: &Attachments, digest: Hash, by: Redaction) -> Result<Finding, AttachmentError> {
    let Redaction { cited_by, redacted_by } = by;
    Ok(if store.exists(&digest)? {
        Finding::AttachmentNotRemoved { index: redacted_by, digest, cited_by }
    } else {
        Finding::AttachmentRedacted { index: cited_by, digest, redacted_by }
    })
}
