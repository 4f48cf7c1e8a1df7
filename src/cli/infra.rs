//! `--repo`, `--rev`, `--tag`: naming an infra commit.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::failure::Failure;
use crate::event::infra::{GitId, GitObject, GitTag, InfraCommit, ObjectBytes};
use crate::event::list::Ascending;
use crate::event::text::Name;
use crate::hash::Hash;
use crate::linkage::git::credentials::{remote_name, strip_credentials};
use crate::linkage::git::resolve::{ResolvedCommit, Revision, resolve};

/// The infra commit of a change.
#[derive(Debug, Clone, Args)]
pub struct RepoArgs {
    /// The Git repository that describes what runs where
    #[arg(long, value_name = "DIR", help_heading = "Infra commit")]
    pub repo: PathBuf,
    /// The commit, by anything that rev-parse takes
    #[arg(
        long,
        value_name = "REV",
        required_unless_present = "tag",
        conflicts_with = "tag",
        help_heading = "Infra commit"
    )]
    pub rev: Option<String>,
    /// The commit, by the name of its tag
    #[arg(long, value_name = "TAG", help_heading = "Infra commit")]
    pub tag: Option<String>,
    /// The repository's name in the ledger; unless given, the URL of its remote `origin` without
    /// credentials, or its directory's name
    #[arg(long, value_name = "NAME", help_heading = "Infra commit")]
    pub repo_name: Option<String>,
}

impl RepoArgs {
    /// Reads the commit.
    ///
    /// # Errors
    /// The repository or revision does not exist.
    pub fn resolve(&self) -> Result<InfraCommit, Failure> {
        let revision = match (&self.rev, &self.tag) {
            (Some(rev), _) => Revision::Rev(rev),
            (None, Some(tag)) => Revision::Tag(tag),
            (None, None) => return Err(Failure::usage("neither --rev nor --tag is given")),
        };
        infra_commit(&self.repo, revision, self.repo_name.as_deref())
    }
}

/// Reads a commit, and the name of its repository.
///
/// # Errors
/// The repository or revision does not exist.
pub fn infra_commit(
    repo: &Path,
    revision: Revision<'_>,
    repo_name: Option<&str>,
) -> Result<InfraCommit, Failure> {
    let resolved = resolve(repo, revision)?;
    let name = match repo_name {
        Some(name) => strip_credentials(name),
        None => remote_name(repo).ok_or_else(|| {
            Failure::usage(format!("{} has no remote and no name", repo.display()))
                .hint("say --repo-name NAME")
        })?,
    };
    Ok(InfraCommit {
        repository: Name::new(name)?,
        commit: git_id(resolved.commit.id.as_bytes())?,
        tag: git_tag(&resolved)?,
        commit_object: None,
        tag_object: tag_object(&resolved),
        manifests: Ascending::default(),
        path_proof: None,
    })
}

fn git_id(bytes: &[u8]) -> Result<GitId, Failure> {
    GitId::from_slice(bytes)
        .ok_or_else(|| Failure::usage("an object id of this repository is neither SHA-1 nor SHA-256"))
}

fn git_tag(resolved: &ResolvedCommit) -> Result<Option<GitTag>, Failure> {
    let Some(tag) = &resolved.tag else { return Ok(None) };
    let object = tag.object().map(|object| git_id(object.id.as_bytes())).transpose()?;
    Ok(Some(GitTag { name: Name::new(tag.name.clone())?, object }))
}

/// The tag as Git holds it and as it was signed, where there is one; of one too large to embed, its digest.
fn tag_object(resolved: &ResolvedCommit) -> Option<GitObject> {
    let bytes = &resolved.tag.as_ref()?.object()?.bytes;
    let (sha256, size) = (Hash::of(bytes), bytes.len() as u64);
    Some(GitObject { sha256, size, bytes: ObjectBytes::new(bytes.clone()) })
}
