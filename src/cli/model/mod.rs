//! `rollbook model`: digest, verify.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::progress;
use crate::linkage::model::signature::SIGNATURE_FILE;
use crate::linkage::model::{ModelDigest, ModelError, ModelOptions, SymlinkPolicy, digest_model};

pub mod digest;
pub mod signature;
pub mod verify;

/// Digest a model's files, and hold them against what was registered.
#[derive(Debug, Subcommand)]
pub(crate) enum Model {
    Digest(digest::DigestModel),
    Verify(verify::VerifyModel),
}

impl Model {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`].
    pub(crate) fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Digest(command) => command.run(context),
            Self::Verify(command) => command.run(context),
        }
    }
}

/// How a model's files are walked.
#[derive(Debug, Clone, Default, Args)]
pub struct WalkArgs {
    /// Follow symbolic links inside the model, which are an error otherwise
    #[arg(long)]
    pub allow_symlinks: bool,
    /// A path in the model to leave out, with what lies under it; repeats
    #[arg(long, value_name = "PATH")]
    pub ignore: Vec<String>,
}

impl WalkArgs {
    /// The options that they stand for, of the model at `path`. Its signature, by the name that `model_signing` gives it, is no
    /// part of it, whether or not anybody looks at it: else the digest would depend on who asks.
    ///
    /// # Errors
    /// A path to ignore is none inside the model.
    pub fn options(&self, path: &Path) -> Result<ModelOptions, ModelError> {
        let policy = if self.allow_symlinks { SymlinkPolicy::Follow } else { SymlinkPolicy::Refuse };
        let mut options = ModelOptions::default().symlinks(policy);
        if path.join(SIGNATURE_FILE).symlink_metadata().is_ok_and(|found| found.is_file()) {
            options = options.ignoring(SIGNATURE_FILE)?;
        }
        self.ignore.iter().try_fold(options, |options, path| options.ignoring(path))
    }
}

/// The digest of a model's files, with a progress bar on a terminal.
///
/// # Errors
/// The model cannot be read, or holds what a digest cannot cover.
pub fn digest_with_bar(path: &Path, options: &ModelOptions) -> Result<ModelDigest, ModelError> {
    let bar = progress::bar("hashing {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}");
    let digest = digest_model(path, options, &progress::follow(&bar))?;
    bar.finish_and_clear();
    Ok(digest)
}

/// What names a signature over a model, and the keys that may have made it.
#[derive(Debug, Clone, Default, Args)]
pub struct SignatureArgs {
    /// The model's OpenSSF signature (a Sigstore bundle, as `model_signing sign key` writes it). With
    /// --signature-key alone, the file model.sig in the model or beside it
    #[arg(long, value_name = "FILE", help_heading = "Signature")]
    pub signature: Option<PathBuf>,
    /// A public key that may have made the signature (PEM; ECDSA P-256, P-384 or P-521); repeats.
    /// Without one the signature is not checked
    #[arg(long, value_name = "PEM", help_heading = "Signature")]
    pub signature_key: Vec<PathBuf>,
}
