//! `rollbook register`.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::infra::{SeenCommit, revision};
use crate::cli::progress;
use crate::cli::record::{RecordArgs, Said, record};
use crate::event::list::Ascending;
use crate::event::model::{DigestMethod, ForeignDigest, ModelDigest, ModelRegistered, NamedDigest};
use crate::event::text::{Name, Text};
use crate::hash::Hash;
use crate::linkage::model::{self, ModelOptions, SymlinkPolicy};

/// Register a model version with the digest of its files. It never changes after that.
///
/// The digest is the root that OpenSSF model signing gives the same files, and beside it one that
/// commits to their names as well.
///
/// Example:
///   rollbook --key registrar.pem register credit-scorer 1.0.0 --path ./models/credit-scorer
///     --dataset loans-2026=sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Register {
    /// The model
    pub model: Name,
    /// The version
    pub version: Name,
    /// The model's file or directory
    #[arg(long, value_name = "FILE_OR_DIR")]
    pub path: PathBuf,
    /// Where it is kept
    #[arg(long, value_name = "U")]
    pub uri: Option<Text>,
    /// The Git repository of the source code that made it
    #[arg(long, value_name = "DIR", requires = "source_commit")]
    pub source_repo: Option<PathBuf>,
    /// The commit of that source code
    #[arg(long, value_name = "REV", requires = "source_repo", group = "source_commit")]
    pub source_rev: Option<String>,
    /// The commit of that source code, by the name of its tag
    #[arg(long, value_name = "TAG", requires = "source_repo", group = "source_commit")]
    pub source_tag: Option<String>,
    /// A data set that it was made from, and its digest; repeats
    #[arg(long, value_name = "NAME=DIGEST")]
    pub dataset: Vec<String>,
    /// The lock file of its dependencies
    #[arg(long, value_name = "FILE")]
    pub dependency_lock: Option<PathBuf>,
    /// Follow symbolic links inside the model, which are an error otherwise
    #[arg(long)]
    pub allow_symlinks: bool,
    #[command(flatten)]
    record: RecordArgs,
}

impl Register {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn run(self, context: &Context) -> Result<(), Failure> {
        let datasets = self.dataset.iter().map(|text| dataset(text)).collect::<Result<Vec<_>, _>>()?;
        let (source, made) = self.source()?.map(SeenCommit::by_itself).unzip();
        let body = ModelRegistered {
            model: self.model.clone(),
            version: self.version.clone(),
            digest: digest_path(&self.path, self.allow_symlinks)?,
            uri: self.uri.clone(),
            source,
            datasets: Ascending::sort(datasets)?,
            dependency_lock: self.dependency_lock.as_deref().map(lock_digest).transpose()?,
        };
        let made = made.unwrap_or_default();
        record(context, &self.record, &mut |_, _, _| Ok(Said { made: made.clone(), ..body.clone().into() }))
    }

    fn source(&self) -> Result<Option<SeenCommit>, Failure> {
        let revision = revision(self.source_rev.as_deref(), self.source_tag.as_deref());
        let named = self.source_repo.as_deref().zip(revision);
        named.map(|(repo, revision)| SeenCommit::read(repo, revision, None)).transpose()
    }
}

/// The digest of a model's files, with a progress bar on a terminal.
///
/// # Errors
/// The model cannot be read, or holds what a digest cannot cover.
pub fn digest_path(path: &Path, allow_symlinks: bool) -> Result<ModelDigest, Failure> {
    let policy = if allow_symlinks { SymlinkPolicy::Follow } else { SymlinkPolicy::Refuse };
    let bar = progress::bar("hashing {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}");
    let options = ModelOptions::default().symlinks(policy);
    let digest = model::digest_model(path, &options, &progress::follow(&bar))?;
    bar.finish_and_clear();
    Ok(ModelDigest {
        method: DigestMethod::OpenSsfFilesSha256,
        root: digest.root,
        named: digest.named,
        links_followed: allow_symlinks,
        ignored: Ascending::sort(digest.ignored.into_iter().map(Name::new).collect::<Result<_, _>>()?)?,
        file_count: digest.files.len() as u64,
        byte_count: digest.total_bytes,
    })
}

/// A data set and its digest: `NAME=DIGEST`.
///
/// # Errors
/// It is no such pair.
pub fn dataset(text: &str) -> Result<NamedDigest, Failure> {
    let (name, digest) = text.split_once('=').ok_or_else(|| {
        Failure::usage(format!("--dataset {text} has no digest")).hint("say --dataset NAME=sha256:HEX")
    })?;
    let digest: ForeignDigest = digest.parse().map_err(Failure::usage)?;
    Ok(NamedDigest { name: Name::new(name)?, digest })
}

fn lock_digest(path: &Path) -> Result<Hash, Failure> {
    let bytes = std::fs::read(path).map_err(|error| Failure::input(path, &error))?;
    Ok(Hash::of(&bytes))
}
