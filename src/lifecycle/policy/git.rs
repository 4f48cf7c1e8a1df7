//! What a policy of schema 3 says of Git: whose signatures count, which branches a release comes from, and which files
//! pin a model's digest (docs/policy.md, "`[git]`").

use std::str::FromStr;

use crate::event::glob::Glob;
use crate::event::text::Name;
use crate::evidence::allowed_signers::{AllowedSigners, AllowedSignersError};

use super::PolicyError;
use super::section::{Fault, Section};

/// The most repositories of which a policy says something: as many as environments.
const REPOSITORIES_MAX: usize = 64;
/// The most protected branches of a repository.
const BRANCHES_MAX: usize = 16;
/// The most patterns of manifests of a repository: as many as an infra commit names manifests.
const MANIFESTS_MAX: usize = 64;

/// What a policy says of Git; nothing, under schemas 1 and 2.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GitRules {
    signers: Option<SignersText>,
    /// In the policy's order: the first whose name matches counts.
    repositories: Vec<RepositoryRules>,
}

/// What a policy says of some repositories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryRules {
    /// Their name in the ledger, or a pattern of names.
    pub name: Glob,
    /// Branches on one of which an infra commit must lie, where a clone is at hand.
    pub protected: Vec<Name>,
    /// Files that are searched for a model's digest, unless the command line names others.
    pub manifests: Vec<Glob>,
}

/// An `allowed_signers` text that was read.
#[derive(Debug, Clone)]
struct SignersText {
    text: String,
    signers: AllowedSigners,
}

impl PartialEq for SignersText {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for SignersText {}

impl FromStr for SignersText {
    type Err = AllowedSignersError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self { text: text.to_owned(), signers: AllowedSigners::parse(text)? })
    }
}

/// The name of a branch below `refs/heads/`, as git-check-ref-format(1) allows it, of the characters that people use.
#[derive(Debug, Clone, PartialEq, Eq)]
struct BranchName(Name);

impl FromStr for BranchName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_fit = |part: &str| {
            !part.is_empty()
                && !part.starts_with('.')
                && !part.ends_with('.')
                && part.strip_suffix(".lock").is_none()
                && !part.contains("..")
        };
        let letters = text.chars().all(|c| c.is_ascii_alphanumeric() || "._-+/".contains(c));
        if text.len() <= 256 && letters && !text.starts_with('-') && text.split('/').all(is_fit) {
            return Name::new(text).map(Self).map_err(|error| error.to_string());
        }
        let text: String = text.chars().take(64).collect();
        Err(format!("`{text}` is not the name of a branch, such as `main` or `release/2026`"))
    }
}

impl std::fmt::Display for BranchName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl GitRules {
    /// Whose signatures count, beside those by keys granted in the ledger.
    #[must_use]
    pub fn allowed_signers(&self) -> Option<&AllowedSigners> {
        self.signers.as_ref().map(|signers| &signers.signers)
    }

    /// The text of [`Self::allowed_signers`].
    #[must_use]
    pub fn allowed_signers_text(&self) -> Option<&str> {
        self.signers.as_ref().map(|signers| signers.text.as_str())
    }

    /// What is said of each repository or pattern, in the policy's order.
    #[must_use]
    pub fn repositories(&self) -> &[RepositoryRules] {
        &self.repositories
    }

    /// What is said of the repository `name`: by the first pattern that matches.
    #[must_use]
    pub fn repository(&self, name: &Name) -> Option<&RepositoryRules> {
        self.repositories.iter().find(|rules| rules.name.matches(name.as_str()))
    }
}

/// Reads `[git]`.
///
/// # Errors
/// [`PolicyError`].
pub(super) fn read_git(root: &Section<'_>) -> Result<GitRules, PolicyError> {
    let Some(section) = root.section("git", "[git]".into())? else { return Ok(GitRules::default()) };
    section.only(&["allowed_signers", "repository"])?;
    let signers = section.text("allowed_signers")?;
    let mut repositories: Vec<RepositoryRules> = Vec::new();
    let sections = section.sections("repository", REPOSITORIES_MAX, "[[git.repository]]")?;
    for section in sections.unwrap_or_default() {
        let name: Glob = section.required("name", section.text("name")?)?;
        let section = section.named(format!("[[git.repository]] `{name}`"));
        section.only(&["name", "protected", "manifests"])?;
        if let Some(earlier) = repositories.iter().find(|earlier| earlier.name.matches(name.as_str())) {
            let (name, earlier) = (name.to_string(), earlier.name.to_string());
            return Err(section.fault_of("name", Fault::NeverCounts { name, earlier }));
        }
        let protected: Option<Vec<BranchName>> = section.texts("protected", BRANCHES_MAX)?;
        let protected = protected.unwrap_or_default().into_iter().map(|branch| branch.0).collect();
        let manifests = section.texts("manifests", MANIFESTS_MAX)?.unwrap_or_default();
        repositories.push(RepositoryRules { name, protected, manifests });
    }
    Ok(GitRules { signers, repositories })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches_have_names_that_git_takes() {
        for name in ["main", "release/2026", "a.b", "v1+x", "_"] {
            assert_eq!(name.parse::<BranchName>().unwrap().to_string(), name);
        }
        for name in
            ["", "/", "a/", "/a", "a//b", "-a", ".a", "a..b", "a.lock", "a b", "a~1", "a^", "a:b", "a*", "é"]
        {
            let error = name.parse::<BranchName>().unwrap_err();
            assert!(error.contains("is not the name of a branch"), "{name}: {error}");
        }
    }
}
