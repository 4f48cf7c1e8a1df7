//! Clones: what lawful entries say of commits, held against repositories that the auditor has.
//!
//! The verifier reads no repository. It says what was recorded, and whoever has a clone ([`CloneSource`], which
//! `crate::linkage::git::clone` is) answers with what is otherwise there. A commit of a repository of which there is no
//! clone is not checked. A signature is not checked again here: a clone that holds the object of the recorded id holds
//! the very bytes that the entry embeds.

use std::collections::BTreeMap;
use std::fmt;

use crate::event::body::Body;
use crate::event::infra::{GitId, GitTag, InfraCommit};
use crate::event::text::Name;
use crate::lifecycle::policy::ReleasePolicy;

use super::finding::Finding;
use super::report::{CloneReport, UnseenRepository};

/// What an entry says of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedCommit {
    /// The entry.
    pub index: u64,
    /// The repository's name in the ledger.
    pub repository: Name,
    /// The commit.
    pub commit: GitId,
    /// The tag by which it was named.
    pub tag: Option<GitTag>,
    /// The branches from one of which it must be reachable, by the policy in force at the entry; none where any commit
    /// will do.
    pub branches: Vec<Name>,
}

impl RecordedCommit {
    /// What the event of entry `index` says of a commit, under `policy`; none where it names none.
    pub(super) fn of(index: u64, body: &Body, policy: Option<&ReleasePolicy>) -> Option<Self> {
        let InfraCommit { repository, commit, tag, .. } = body.infra()?;
        let branches =
            policy.map(|policy| policy.protected_branches(repository).to_vec()).unwrap_or_default();
        Some(Self { index, repository: repository.clone(), commit: *commit, tag: tag.clone(), branches })
    }
}

/// In what a clone is otherwise than an entry says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloneFact {
    /// The commit is not there.
    CommitMissing,
    /// There is no tag of that name.
    TagMissing,
    /// The tag points to something else.
    TagMoved {
        /// What it points to.
        actual: GitId,
    },
    /// The tag is the one that was recorded, and leads to something else than the commit.
    TagLeadsElsewhere {
        /// Where it leads.
        actual: GitId,
    },
    /// The commit is reachable from none of the branches.
    NotProtected,
    /// The clone lacks what would tell.
    CannotTell {
        /// What it lacks.
        lacks: String,
    },
}

/// Clones of repositories, by the repositories' names in the ledger.
pub trait CloneSource: fmt::Debug + Sync {
    /// The names of the repositories of which there are clones.
    fn names(&self) -> Vec<&str>;

    /// Holds each of `recorded` against the clone of its repository, and answers for each in that order; none where there
    /// is no clone of it.
    ///
    /// # Errors
    /// [`CloneError`]: a clone cannot be read.
    fn look(&self, recorded: &[RecordedCommit]) -> Result<Vec<Option<Vec<CloneFact>>>, CloneError>;
}

/// A clone that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the clone of {repository} cannot be read: {reason}")]
pub struct CloneError {
    /// The repository's name in the ledger.
    pub repository: String,
    /// What failed.
    pub reason: String,
}

/// The clones of one verification, and how much was held against each.
pub(super) struct Clones<'a> {
    source: Option<&'a dyn CloneSource>,
    checked: BTreeMap<String, u64>,
    /// How many entries name a commit of which repository without a clone.
    unseen: BTreeMap<String, u64>,
}

/// How many repositories without a clone are told by name; the others are counted together.
const UNSEEN_MAX: usize = 64;
/// What those are called.
const OTHERS: &str = "others";

impl<'a> Clones<'a> {
    pub(super) fn new(source: Option<&'a dyn CloneSource>) -> Self {
        let names = source.map(CloneSource::names).unwrap_or_default();
        let checked = names.into_iter().map(|name| (name.to_owned(), 0)).collect();
        Self { source, checked, unseen: BTreeMap::new() }
    }

    /// What is otherwise than the entries of a group say.
    pub(super) fn look_at(&mut self, recorded: &[RecordedCommit]) -> Result<Vec<Finding>, CloneError> {
        let Some(source) = self.source else { return Ok(Vec::new()) };
        let mut findings = Vec::new();
        for (recorded, facts) in recorded.iter().zip(source.look(recorded)?) {
            let Some(facts) = facts else {
                self.pass_over(recorded.repository.as_str());
                continue;
            };
            *self.checked.entry(recorded.repository.to_string()).or_default() += 1;
            findings.extend(facts.into_iter().map(|fact| finding_of(recorded, fact)));
        }
        Ok(findings)
    }

    fn pass_over(&mut self, repository: &str) {
        let is_told = self.unseen.contains_key(repository) || self.unseen.len() < UNSEEN_MAX;
        *self.unseen.entry(if is_told { repository } else { OTHERS }.to_owned()).or_default() += 1;
    }

    pub(super) fn report(self) -> (Vec<CloneReport>, Vec<UnseenRepository>) {
        let checked = self.checked.into_iter().map(|(name, checked)| CloneReport { name, checked });
        let unseen = self.unseen.into_iter().map(|(name, entries)| UnseenRepository { name, entries });
        (checked.collect(), unseen.collect())
    }
}

fn finding_of(recorded: &RecordedCommit, fact: CloneFact) -> Finding {
    let RecordedCommit { index, commit, .. } = *recorded;
    let repository = recorded.repository.to_string();
    let tag = recorded.tag.as_ref();
    let tag_name = tag.map(|tag| tag.name.to_string()).unwrap_or_default();
    match fact {
        CloneFact::CommitMissing => Finding::GitCommitMissing { index, repository, commit },
        CloneFact::TagMissing => Finding::GitTagMissing { index, repository, tag: tag_name },
        CloneFact::TagMoved { actual } => {
            let expected = tag.and_then(|tag| tag.object).unwrap_or(commit);
            Finding::GitTagMoved { index, repository, tag: tag_name, actual, expected }
        }
        CloneFact::TagLeadsElsewhere { actual } => {
            Finding::GitTagLeadsElsewhere { index, repository, tag: tag_name, actual, commit }
        }
        CloneFact::NotProtected => {
            let branches = recorded.branches.iter().map(Name::to_string).collect();
            Finding::GitNotProtected { index, repository, commit, branches }
        }
        CloneFact::CannotTell { lacks } => Finding::GitCloneShallow { index, repository, lacks },
    }
}
