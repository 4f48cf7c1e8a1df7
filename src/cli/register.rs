//! `rollbook register`.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::attach::Made;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::infra::{SeenCommit, revision};
use crate::cli::model::{SignatureArgs, WalkArgs, digest_with_bar};
use crate::cli::record::{RecordArgs, Said, record};
use crate::event::header::ATTACHMENT_BYTES_MAX;
use crate::event::list::Ascending;
use crate::event::model::{DigestMethod, ForeignDigest, ModelDigest, ModelRegistered, NamedDigest};
use crate::event::text::{Name, Text};
use crate::hash::Hash;
use crate::linkage::model;

/// The most files whose list is attached: some ten megabytes of it.
const FILES_LISTED_MAX: usize = 100_000;

/// Register a model version with the digest of its files. It never changes after that.
///
/// The digest is the root that OpenSSF model signing gives the same files, and beside it one that
/// commits to their names as well. The list of the files is attached, so that `rollbook model
/// verify` can name each one that differs.
///
/// An OpenSSF signature over the model is attached too, once it was held against the files and against
/// --signature-key. Where it lies in the model, it is no part of the digest.
///
/// Example:
///   rollbook --key registrar.pem register credit-scorer 1.0.0 --path ./models/credit-scorer
///     --dataset loans-2026=sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
///   rollbook --key registrar.pem register credit-scorer 1.0.0 --path ./models/credit-scorer
///     --signature model.sig --signature-key signer.pub
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
    #[command(flatten)]
    walk: WalkArgs,
    /// Do not attach the list of the model's files
    #[arg(long)]
    pub no_file_list: bool,
    #[command(flatten)]
    signature: SignatureArgs,
    #[command(flatten)]
    record: RecordArgs,
}

impl Register {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn run(self, context: &Context) -> Result<(), Failure> {
        let keys = self.signature.keys()?;
        let given = self.signature.read(&self.path)?;
        let mut options = self.walk.options(&self.path)?;
        if let Some(given) = &given {
            options = given.left_out(&self.path, options)?;
        }
        let digest = digest_with_bar(&self.path, &options)?;
        let (source, made) = self.source()?.map(SeenCommit::by_itself).unzip();
        let mut made = made.unwrap_or_default();
        if let Some(given) = &given {
            let whose = given.check(&self.path, &digest, &keys)?;
            context.say(format_args!("signature {}: {whose}", given.path.display()));
            made.push(given.attachment());
        }
        if !self.no_file_list {
            made.extend(file_list(context, &digest));
        }
        let datasets = self.dataset.iter().map(|text| dataset(text)).collect::<Result<Vec<_>, _>>()?;
        let body = ModelRegistered {
            model: self.model.clone(),
            version: self.version.clone(),
            digest: registered(digest, self.walk.allow_symlinks)?,
            uri: self.uri.clone(),
            source,
            datasets: Ascending::sort(datasets)?,
            dependency_lock: self.dependency_lock.as_deref().map(lock_digest).transpose()?,
        };
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
    let walk = WalkArgs { allow_symlinks, ..WalkArgs::default() };
    registered(digest_with_bar(path, &walk.options(path)?)?, allow_symlinks)
}

/// The list of a model's files, to be attached: what the named digest is the SHA-256 of. None where it would be too
/// large, which is said.
fn file_list(context: &Context, digest: &model::ModelDigest) -> Option<Made> {
    let list = digest.model_files().to_list();
    let count = digest.files.len();
    if count > FILES_LISTED_MAX || list.len() as u64 > ATTACHMENT_BYTES_MAX {
        context.say(format_args!("note: no list of the {count} files is attached: it is too long"));
        return None;
    }
    Some(Made { name: "files.sha256".into(), media_type: "text/plain", bytes: list })
}

/// What is registered of a digest.
fn registered(digest: model::ModelDigest, allow_symlinks: bool) -> Result<ModelDigest, Failure> {
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
