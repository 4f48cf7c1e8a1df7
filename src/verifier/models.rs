//! The files of models, which an auditor holds, and the signatures over them that registrations keep.
//!
//! What a lawful registration says of its files is held against the files themselves, where an auditor has them: the
//! walk over directories belongs to somebody else, who answers to [`ModelSource`]. A signature that is kept is read in
//! any case, and must be over the files that were registered; whose signature it is, a key tells that the auditor
//! gives.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use serde::Serialize;

use crate::event::body::{Body, Event};
use crate::event::header::{Attachment, PRIVATE_PREFIX_BYTES};
use crate::event::model::ModelDigest;
use crate::event::text::Name;
use crate::evidence::model_files::ModelFiles;
use crate::evidence::model_signature::{
    BUNDLE_MEDIA_TYPE, Manifest, ModelSignature, PublicKeyPem, SignatureCheck,
};
use crate::hash::Hash;
use crate::store::attachments::{AttachmentError, Attachments};

use super::finding::{Finding, Findings};
use super::verify::VerifyError;

/// How many bytes the bundles of one registration may have together whose signatures over pieces are kept for a look at
/// the files: two of the largest that are attached.
const SHARDED_BYTES_MAX: usize = 128 << 20;

/// Where an auditor has the files of models.
pub trait ModelSource: fmt::Debug + Sync {
    /// The models whose versions are looked for.
    fn models(&self) -> BTreeSet<Name>;

    /// The versions that must have been registered, for somebody named them.
    fn named(&self) -> Vec<(Name, Name)>;

    /// Looks at the files of a version that was registered.
    ///
    /// # Errors
    /// They cannot be read: the world failed.
    fn look(&self, registered: &RegisteredModel, known: &KnownFiles) -> Result<ModelLook, ModelSourceError>;
}

/// Why files could not be looked at.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ModelSourceError(pub String);

/// What an entry registers.
#[derive(Debug, Clone)]
pub struct RegisteredModel {
    /// The entry.
    pub index: u64,
    /// The model.
    pub model: Name,
    /// Its version.
    pub version: Name,
    /// What its files are.
    pub digest: ModelDigest,
}

/// What is known of the files beyond their digest.
#[derive(Debug, Default)]
pub struct KnownFiles {
    /// The list of files: kept, or that of a signature.
    pub list: Option<ModelFiles>,
    /// Signatures over pieces of the files.
    pub sharded: Vec<ModelSignature>,
}

impl KnownFiles {
    /// Takes what a signature says of the files. One over pieces is kept as it is, where the files are wanted and there is
    /// `room` for its `bytes`.
    fn take(
        &mut self,
        signature: ModelSignature,
        is_wanted: bool,
        bytes: usize,
        room: &mut usize,
    ) -> Result<(), String> {
        match signature.manifest() {
            Manifest::Files(files) if self.list.is_none() => self.list = Some(files.clone()),
            Manifest::Shards(_) if is_wanted => {
                *room = room.checked_sub(bytes).ok_or_else(|| {
                    format!(
                        "it was not held against the files: the signatures over pieces that the entry keeps have more \
                         than {SHARDED_BYTES_MAX} bytes together"
                    )
                })?;
                self.sharded.push(signature);
            }
            _ => {}
        }
        Ok(())
    }
}

/// What became of the files of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelLook {
    /// Nobody asked for them.
    NotAsked,
    /// They are those that were registered.
    Agrees,
    /// They are others.
    Differs {
        /// In what.
        what: String,
    },
    /// They are not there, where all versions are looked for.
    Absent,
    /// They are not there, where this version was named.
    Missing {
        /// Where they should be.
        place: String,
    },
    /// There is something for which no digest can stand, such as a symbolic link.
    Unfit {
        /// What.
        reason: String,
    },
}

/// What became of the models whose files an auditor has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ModelCounts {
    /// Whose files are those that were registered.
    pub agree: u64,
    /// Whose files are others, or unfit.
    pub differ: u64,
    /// Whose files are not there.
    pub absent: u64,
}

/// What became of the signatures over models that registrations keep.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ModelSignatureCounts {
    /// Made by a key that the auditor gave.
    pub verified: u64,
    /// Found wrong.
    pub wrong: u64,
    /// Not checked, for no key was given.
    pub no_key: u64,
    /// Not checked, for another key than the given ones made it.
    pub other_key: u64,
    /// Not checked, for it was made with a certificate.
    pub certificate: u64,
    /// Over hashes that this program does not compute: whether it is over these files was not checked.
    pub foreign_hash: u64,
}

impl ModelSignatureCounts {
    const NONE: Self =
        Self { verified: 0, wrong: 0, no_key: 0, other_key: 0, certificate: 0, foreign_hash: 0 };
}

/// Registrations to look at when the log was gone through.
#[derive(Debug, Default)]
pub(super) struct Register {
    /// The models whose files the auditor has.
    wanted: BTreeSet<Name>,
    registered: Vec<(RegisteredModel, Vec<Attachment>)>,
}

impl Register {
    pub(super) fn of(source: Option<&dyn ModelSource>) -> Self {
        Self { wanted: source.map(ModelSource::models).unwrap_or_default(), registered: Vec::new() }
    }

    /// Takes a lawful entry.
    pub(super) fn take(&mut self, index: u64, event: &Event) {
        let Body::ModelRegistered(body) = &event.body else { return };
        let is_wanted = self.wanted.contains(&body.model);
        let is_kept = |attachment: &&Attachment| {
            is_bundle(attachment) || (is_wanted && attachment.digest == body.digest.named)
        };
        let kept: Vec<Attachment> = event.header.attachments.iter().filter(is_kept).cloned().collect();
        if is_wanted || !kept.is_empty() {
            let (model, version, digest) = (body.model.clone(), body.version.clone(), body.digest.clone());
            self.registered.push((RegisteredModel { index, model, version, digest }, kept));
        }
    }
}

/// Whether an event registers a model and keeps a signature over it.
pub(super) fn keeps_signature(event: &Event) -> bool {
    matches!(event.body, Body::ModelRegistered(_)) && event.header.attachments.iter().any(is_bundle)
}

fn is_bundle(attachment: &Attachment) -> bool {
    attachment.media_type.as_str() == BUNDLE_MEDIA_TYPE
}

/// What a check needs beside the registrations.
pub(super) struct Check<'a> {
    /// The ledger's directory, where attachments are looked at.
    pub(super) ledger: Option<&'a Path>,
    pub(super) source: Option<&'a dyn ModelSource>,
    pub(super) keys: &'a [PublicKeyPem],
}

/// What a check came to.
#[derive(Debug, Default)]
pub(super) struct Checked {
    /// None where no registration keeps a signature, or nobody looked.
    pub(super) signatures: Option<ModelSignatureCounts>,
    /// None where the auditor has no files.
    pub(super) models: Option<ModelCounts>,
}

impl Check<'_> {
    /// Looks at all registrations.
    pub(super) fn run(&self, register: &Register, findings: &mut Findings) -> Result<Checked, VerifyError> {
        let mut checked = Checked { signatures: None, models: self.source.map(|_| ModelCounts::default()) };
        for (registered, kept) in &register.registered {
            let is_wanted = register.wanted.contains(&registered.model);
            let known = self.read_kept((registered, is_wanted), kept, &mut checked.signatures, findings)?;
            if let (Some(source), Some(counts)) = (self.source, &mut checked.models) {
                look(source, registered, &known, counts, findings)?;
            }
        }
        for (model, version) in self.source.map(ModelSource::named).unwrap_or_default() {
            let is_it = |(of, _): &(RegisteredModel, _)| of.model == model && of.version == version;
            if !register.registered.iter().any(is_it) {
                findings.add(Finding::ModelUnregistered {
                    model: model.to_string(),
                    version: Some(version.to_string()),
                });
            }
        }
        for model in &register.wanted {
            if !register.registered.iter().any(|(of, _)| of.model == *model) {
                findings.add(Finding::ModelUnregistered { model: model.to_string(), version: None });
            }
        }
        Ok(checked)
    }

    /// Reads what a registration keeps of its files; signatures over pieces are kept where the files are wanted. What
    /// isn't there, or was changed, was found already.
    fn read_kept(
        &self,
        (registered, is_wanted): (&RegisteredModel, bool),
        kept: &[Attachment],
        counts: &mut Option<ModelSignatureCounts>,
        findings: &mut Findings,
    ) -> Result<KnownFiles, AttachmentError> {
        let mut known = KnownFiles::default();
        let Some(ledger) = self.ledger else { return Ok(known) };
        let store = Attachments::of_ledger(ledger);
        let mut room = SHARDED_BYTES_MAX;
        for attachment in kept {
            let Some(bytes) = store.read(&attachment.digest)? else { continue };
            if !is_bundle(attachment) {
                known.list = ModelFiles::parse(&bytes).ok().or(known.list);
                continue;
            }
            let counts = counts.get_or_insert(ModelSignatureCounts::NONE);
            let before = *counts;
            let bundle =
                if attachment.private { bytes.get(PRIVATE_PREFIX_BYTES..) } else { Some(&bytes[..]) };
            let judged = self.judge(&registered.digest, bundle.unwrap_or_default(), counts);
            let taken = judged.and_then(|signature| known.take(signature, is_wanted, bytes.len(), &mut room));
            if let Err(reason) = taken {
                *counts = ModelSignatureCounts { wrong: before.wrong + 1, ..before };
                let (index, digest) = (registered.index, attachment.digest);
                findings.add(Finding::ModelSignature { index, digest, reason });
            }
        }
        Ok(known)
    }

    /// Reads a bundle, and says why it isn't a signature over these files by the auditor's keys.
    fn judge(
        &self,
        digest: &ModelDigest,
        bundle: &[u8],
        counts: &mut ModelSignatureCounts,
    ) -> Result<ModelSignature, String> {
        let signature = ModelSignature::parse(bundle).map_err(|error| error.to_string())?;
        is_over(&signature, digest)?;
        let is_foreign = matches!(signature.manifest(), Manifest::Foreign { .. });
        match signature.verify(self.keys) {
            SignatureCheck::Bad { key } => {
                return Err(format!("it says that the {key} made its signature, and that key did not"));
            }
            _ if is_foreign => counts.foreign_hash += 1,
            SignatureCheck::Good { .. } => counts.verified += 1,
            SignatureCheck::NotChecked => counts.certificate += 1,
            SignatureCheck::WrongKey if self.keys.is_empty() => counts.no_key += 1,
            SignatureCheck::WrongKey => counts.other_key += 1,
        }
        Ok(signature)
    }
}

/// Whether what is signed is what was registered, as far as the digest alone tells: of pieces, their lengths.
fn is_over(signature: &ModelSignature, digest: &ModelDigest) -> Result<(), String> {
    let other = |what: &str, actual: &dyn fmt::Display, expected: &dyn fmt::Display| {
        Err(format!("it is of another model: its {what} is {actual}, and {expected} is registered"))
    };
    match signature.manifest() {
        Manifest::Files(_) if signature.root() != digest.root => {
            other("root", &signature.root(), &digest.root)
        }
        Manifest::Files(files) if files.named() != digest.named => {
            other("digest with names", &files.named(), &digest.named)
        }
        Manifest::Shards(shards) => {
            let bytes = shards.files.iter().map(|file| u128::from(file.size)).sum::<u128>();
            if bytes == u128::from(digest.byte_count) {
                Ok(())
            } else {
                other("number of bytes", &bytes, &digest.byte_count)
            }
        }
        Manifest::Files(_) | Manifest::Foreign { .. } => Ok(()),
    }
}

/// Has the files of a version looked at, and says what is wrong with them.
fn look(
    source: &dyn ModelSource,
    registered: &RegisteredModel,
    known: &KnownFiles,
    counts: &mut ModelCounts,
    findings: &mut Findings,
) -> Result<(), VerifyError> {
    let RegisteredModel { index, model, version, .. } = registered;
    let (index, model, version) = (*index, model.to_string(), version.to_string());
    match source.look(registered, known)? {
        ModelLook::NotAsked => {}
        ModelLook::Agrees => counts.agree += 1,
        ModelLook::Differs { what } => {
            counts.differ += 1;
            findings.add(Finding::ModelDiffers { index, model, version, what });
        }
        ModelLook::Unfit { reason } => {
            counts.differ += 1;
            findings.add(Finding::ModelUnreadable { index, model, version, reason });
        }
        ModelLook::Absent => {
            counts.absent += 1;
            findings.add(Finding::ModelAbsent { index, model, version });
        }
        ModelLook::Missing { place } => {
            counts.absent += 1;
            findings.add(Finding::ModelMissing { index, model, version, place });
        }
    }
    Ok(())
}

/// The list of files of a registration, believed only where it is the one that the digest commits to.
#[must_use]
pub fn list_for(known: &KnownFiles, named: Hash) -> Option<&ModelFiles> {
    known.list.as_ref().filter(|list| list.named() == named)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A signature over pieces of files.
    fn over_pieces() -> ModelSignature {
        let bundle =
            include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/model-signatures/shards.sig"));
        ModelSignature::parse(bundle).unwrap()
    }

    #[test]
    fn a_signature_over_pieces_is_kept_where_the_files_are_wanted_and_there_is_room() {
        let mut known = KnownFiles::default();
        let mut room = 100;
        for (is_wanted, bytes, is_taken, kept) in
            [(false, 101, true, 0), (true, 60, true, 1), (true, 41, false, 1), (true, 40, true, 2)]
        {
            let taken = known.take(over_pieces(), is_wanted, bytes, &mut room);
            assert_eq!((taken.is_ok(), known.sharded.len()), (is_taken, kept), "{is_wanted}, {bytes} bytes");
            assert!(taken.is_ok() || taken.unwrap_err().starts_with("it was not held against the files: "));
        }
        assert_eq!(room, 0);
    }
}
