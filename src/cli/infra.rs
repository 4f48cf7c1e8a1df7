//! `--repo`, `--rev`, `--tag`, `--manifest`: naming an infra commit, and what of it goes into the event.
//!
//! The commit and an annotated tag are embedded as Git holds them; one that is too large for an event is attached. So is the
//! proof that files of the commit pin the model.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::attach::Made;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::view::Facts;
use crate::event::glob::Glob;
use crate::event::infra::{GitId, GitObject, GitTag, InfraCommit, ObjectBytes};
use crate::event::list::Ascending;
use crate::event::text::Name;
use crate::evidence::git_path;
use crate::hash::Hash;
use crate::linkage::git::RawObject;
use crate::linkage::git::credentials::{remote_name, strip_credentials};
use crate::linkage::git::manifests::{ManifestError, ManifestProof, prove_manifests};
use crate::linkage::git::resolve::{ResolvedCommit, Revision, resolve};

/// The infra commit of a change.
#[derive(Debug, Clone, Args)]
pub struct RepoArgs {
    /// The Git repository that describes what runs where: a directory, bare or not, or a file: URL
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
    /// A file of the commit that pins the model's digest, by its path there, or files by a glob, of which
    /// `*` does not cross `/`; repeats. One at least must hold the digest, and the proof of those that do
    /// is attached
    #[arg(long, value_name = "PATH", help_heading = "Infra commit")]
    pub manifest: Vec<Glob>,
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
    pub fn resolve(&self) -> Result<SeenCommit, Failure> {
        let revision = revision(self.rev.as_deref(), self.tag.as_deref())
            .ok_or_else(|| Failure::usage("neither --rev nor --tag is given"))?;
        let seen = SeenCommit::read(&self.repo, revision, self.repo_name.as_deref())?;
        Ok(SeenCommit { named: self.manifest.clone(), ..seen })
    }
}

/// What two options name, of which one is given.
#[must_use]
pub fn revision<'a>(rev: Option<&'a str>, tag: Option<&'a str>) -> Option<Revision<'a>> {
    rev.map(Revision::Rev).or_else(|| tag.map(Revision::Tag))
}

/// What files of a commit are to hold.
#[derive(Debug)]
pub struct Pinning<'a> {
    /// The model's digest.
    pub digest: Hash,
    /// Whether the policy asks for the proof.
    pub is_needed: bool,
    /// The commit of the event that is retried.
    pub earlier: Option<&'a InfraCommit>,
}

/// A commit as it was read.
#[derive(Debug, Clone)]
pub struct SeenCommit {
    repo: PathBuf,
    infra: InfraCommit,
    /// What is too large to be embedded.
    made: Vec<Made>,
    /// Files that are said to pin the model.
    named: Vec<Glob>,
}

impl SeenCommit {
    /// Reads a commit, and the name of its repository.
    ///
    /// # Errors
    /// The repository or revision does not exist.
    pub fn read(repo: &Path, revision: Revision<'_>, repo_name: Option<&str>) -> Result<Self, Failure> {
        let resolved = resolve(repo, revision)?;
        let name = match repo_name {
            Some(name) => strip_credentials(name),
            None => remote_name(repo).ok_or_else(|| {
                Failure::usage(format!("{} has no remote and no name", repo.display()))
                    .hint("say --repo-name NAME")
            })?,
        };
        let mut made = Vec::new();
        let tag_object = resolved.tag.as_ref().and_then(|tag| tag.object());
        let infra = InfraCommit {
            repository: Name::new(name)?,
            commit: git_id(resolved.commit.id.as_bytes())?,
            tag: git_tag(&resolved)?,
            commit_object: Some(git_object(&resolved.commit, COMMIT, &mut made)),
            tag_object: tag_object.map(|object| git_object(object, TAG, &mut made)),
            manifests: Ascending::default(),
            path_proof: None,
        };
        Ok(Self { repo: repo.to_owned(), infra, made, named: Vec::new() })
    }

    /// The commit for the event, and what is attached with it.
    #[must_use]
    pub fn by_itself(self) -> (InfraCommit, Vec<Made>) {
        (self.infra, self.made)
    }

    /// The commit for the event of a change that puts a model in place, and what is attached with it: the proof that files
    /// of the commit pin the model, where files are named.
    ///
    /// # Errors
    /// No file holds the digest, or the repository cannot be read. Where only the policy names files, and asks for no proof
    /// there, it is told that none holds the digest, and goes on without.
    pub fn pinning(
        &self,
        context: &Context,
        facts: &mut dyn Facts,
        wanted: &Pinning<'_>,
    ) -> Result<(InfraCommit, Vec<Made>), Failure> {
        let (mut infra, mut made) = self.clone().by_itself();
        let patterns = self.patterns(facts, wanted.earlier)?;
        if patterns.is_empty() {
            return Ok((infra, made));
        }
        match prove_manifests(&self.repo, &infra.commit, &patterns, &[wanted.digest]) {
            Ok(ManifestProof { manifests, proof }) => {
                (infra.manifests, infra.path_proof) = (manifests, Some(Hash::of(&proof)));
                made.push(Made { name: PROOF_NAME.into(), media_type: git_path::MEDIA_TYPE, bytes: proof });
            }
            Err(lacks @ ManifestError::Lacks { .. }) if self.named.is_empty() && !wanted.is_needed => {
                context.say(format_args!("note: {lacks}; the event names no manifest"));
            }
            Err(error) => return Err(error.into()),
        }
        Ok((infra, made))
    }

    /// Which files are searched: those named on the command line; in a retry, those that were found then; else those
    /// that the policy in force names for the repository.
    fn patterns(&self, facts: &mut dyn Facts, earlier: Option<&InfraCommit>) -> Result<Vec<Glob>, Failure> {
        if !self.named.is_empty() {
            return Ok(self.named.clone());
        }
        if let Some(earlier) = earlier {
            let found = earlier.manifests.iter().map(|path| Glob::new(path.as_str()));
            return Ok(found.collect::<Result<_, _>>()?);
        }
        Ok(facts.policy()?.manifests(&self.infra.repository).to_vec())
    }
}

/// The name of a path proof among an event's attachments.
const PROOF_NAME: &str = "manifest-proof";
/// Name and media type of a commit that is attached.
const COMMIT: (&str, &str) = ("commit-object", "application/vnd.git.commit");
/// Name and media type of a tag that is attached.
const TAG: (&str, &str) = ("tag-object", "application/vnd.git.tag");

fn git_id(bytes: &[u8]) -> Result<GitId, Failure> {
    GitId::from_slice(bytes)
        .ok_or_else(|| Failure::usage("an object id of this repository is neither SHA-1 nor SHA-256"))
}

fn git_tag(resolved: &ResolvedCommit) -> Result<Option<GitTag>, Failure> {
    let Some(tag) = &resolved.tag else { return Ok(None) };
    let object = tag.object().map(|object| git_id(object.id.as_bytes())).transpose()?;
    Ok(Some(GitTag { name: Name::new(tag.name.clone())?, object }))
}

/// An object as Git holds it and as it was signed; one too large to embed goes to `made`.
fn git_object(
    object: &RawObject,
    (name, media_type): (&'static str, &'static str),
    made: &mut Vec<Made>,
) -> GitObject {
    let bytes = object.bytes.clone();
    let (sha256, size) = (Hash::of(&bytes), bytes.len() as u64);
    let embedded = ObjectBytes::new(bytes.clone());
    if embedded.is_none() {
        made.push(Made { name: name.into(), media_type, bytes });
    }
    GitObject { sha256, size, bytes: embedded }
}

impl From<ManifestError> for Failure {
    fn from(error: ManifestError) -> Self {
        match error {
            ManifestError::Git(error) => error.into(),
            ManifestError::Lacks { ref searched, .. } if searched.is_empty() => {
                Self::no("manifest_lacks_digest", error).hint(
                    "`*` stands for any characters but `/`, one part of the path at a time: name the file that holds the \
                     digest by its path from the top of the repository, with --manifest",
                )
            }
            ManifestError::Lacks { .. } => Self::no("manifest_lacks_digest", error).hint(
                "write the digest into one of them, commit that, and name the new commit; or name the file that \
                 holds it with --manifest",
            ),
            ManifestError::TooMany { .. } | ManifestError::TooWide { .. } => {
                Self::usage(error).hint("name the files, or a narrower glob, with --manifest")
            }
            ManifestError::Fault { .. } => {
                Self::usage(error).hint("name a regular file by its path from the top of the repository")
            }
        }
    }
}
