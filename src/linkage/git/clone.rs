//! Clones that an auditor has, and what they say of a recorded commit.
//!
//! Nothing is fetched: a clone says what it held when it was last fetched. What it lacks because it is shallow or
//! partial it cannot tell, and that is not held against anybody.
//!
//! The history of a branch is walked once, from commit to parents, and the ids are kept: some 40 bytes a commit
//! (at most `COMMITS_MAX`). Each recorded commit is then looked up. The commit-graph file isn't used, whose
//! parents nothing proves.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use gix::objs::{CommitRefIter, Kind};

use crate::event::infra::{GitId, GitTag};
use crate::event::text::Name;
use crate::verifier::clones::{CloneError, CloneFact, CloneSource, RecordedCommit};

use super::GitError;
use super::repository::{Repository, id_of};

/// The most commits of one branch: ten times what the largest repositories hold; some 400 MB of ids.
const COMMITS_MAX: usize = 10_000_000;

/// Clones by the names of their repositories in the ledger.
#[derive(Debug, Default)]
pub struct Clones(BTreeMap<Name, Place>);

/// Where a clone is, and the histories that were walked there. It is opened anew for each group of commits: an open
/// repository stays with its thread.
#[derive(Debug)]
struct Place {
    path: PathBuf,
    histories: Mutex<Histories>,
}

/// The history of each tip of a branch.
type Histories = HashMap<gix::ObjectId, History>;

impl Clones {
    /// Takes the clone at `path` (as for [`super::resolve::resolve`]) for that of `repository`. Says whether there was
    /// none of it yet.
    ///
    /// # Errors
    /// [`GitError`] where no repository stands there.
    pub fn add(&mut self, repository: Name, path: &Path) -> Result<bool, GitError> {
        Repository::open(path)?;
        let place = Place { path: path.to_owned(), histories: Mutex::default() };
        Ok(self.0.insert(repository, place).is_none())
    }
}

impl CloneSource for Clones {
    fn names(&self) -> Vec<&str> {
        self.0.keys().map(Name::as_str).collect()
    }

    fn look(&self, recorded: &[RecordedCommit]) -> Result<Vec<Option<Vec<CloneFact>>>, CloneError> {
        let mut opened: BTreeMap<&Name, Clone<'_>> = BTreeMap::new();
        recorded.iter().map(|recorded| self.look_at_one(recorded, &mut opened)).collect()
    }
}

impl Clones {
    fn look_at_one<'a>(
        &'a self,
        recorded: &'a RecordedCommit,
        opened: &mut BTreeMap<&'a Name, Clone<'a>>,
    ) -> Result<Option<Vec<CloneFact>>, CloneError> {
        let name = &recorded.repository;
        let Some(place) = self.0.get(name) else { return Ok(None) };
        let failed = |error: GitError| CloneError { repository: name.to_string(), reason: error.to_string() };
        let clone = match opened.entry(name) {
            Entry::Occupied(clone) => clone.into_mut(),
            Entry::Vacant(vacant) => vacant.insert(Clone::open(place).map_err(failed)?),
        };
        clone.look(recorded).map(Some).map_err(failed)
    }
}

/// One clone, opened.
struct Clone<'a> {
    repository: Repository,
    lacks: Lacks,
    histories: MutexGuard<'a, Histories>,
}

/// The commits that are reachable from the tip of a branch.
#[derive(Debug, Default)]
struct History {
    commits: HashSet<gix::ObjectId>,
    /// Whether some parent is not there, and so neither is what lies behind it.
    is_cut: bool,
}

impl<'a> Clone<'a> {
    fn open(place: &'a Place) -> Result<Self, GitError> {
        let repository = Repository::open(&place.path)?;
        let lacks = Lacks::of(&repository);
        // What a panic left behind are whole histories.
        let histories = place.histories.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Self { repository, lacks, histories })
    }

    fn look(&mut self, recorded: &RecordedCommit) -> Result<Vec<CloneFact>, GitError> {
        let commit = id_of(&recorded.commit);
        let mut facts = Vec::new();
        if !self.holds_commit(commit)? {
            facts.push(absent(CloneFact::CommitMissing, &format!("the commit {commit}"), self.lacks.commits));
        }
        facts.extend(
            recorded.tag.as_ref().and_then(|tag| self.look_at_tag(tag, commit).transpose()).transpose()?,
        );
        if !recorded.branches.is_empty() {
            facts.extend(self.look_at_branches(&recorded.branches, commit)?);
        }
        Ok(facts)
    }

    /// Whether the bytes of the commit are there, and are those of its id.
    fn holds_commit(&self, commit: gix::ObjectId) -> Result<bool, GitError> {
        let is_there =
            commit.kind() == self.repository.git.object_hash() && self.repository.git.has_object(commit);
        // Its kind first: whoever recorded the id may have named a blob, of any size.
        Ok(is_there && self.repository.is_commit(commit)? && self.repository.read(commit)?.0 == Kind::Commit)
    }

    fn look_at_tag(&self, tag: &GitTag, commit: gix::ObjectId) -> Result<Option<CloneFact>, GitError> {
        let name = tag.name.as_str();
        let Some(actual) = self.repository.find(&format!("refs/tags/{name}"))? else {
            return Ok(Some(absent(CloneFact::TagMissing, &format!("the tag `{name}`"), self.lacks.tags)));
        };
        let expected = tag.object.as_ref().map_or(commit, id_of);
        let moved = || CloneFact::TagMoved {
            actual: GitId::from_slice(actual.as_slice()).expect("an id of 20 or 32 bytes"),
        };
        if actual != expected {
            return Ok(Some(moved()));
        }
        // A clone that lacks the object knows no more than that the reference is the one that was recorded.
        if !self.repository.git.has_object(actual) {
            return Ok(None);
        }
        let end = self.repository.peel(actual)?;
        let actual = || GitId::from_slice(end.as_slice()).expect("an id of 20 or 32 bytes");
        Ok((end != commit).then(|| CloneFact::TagLeadsElsewhere { actual: actual() }))
    }

    /// Reachable from one of the branches is enough. A branch that the clone does not have tells nothing.
    fn look_at_branches(
        &mut self,
        branches: &[Name],
        commit: gix::ObjectId,
    ) -> Result<Option<CloneFact>, GitError> {
        let mut lacks = None;
        for branch in branches {
            let Some(tip) = self.tip(branch)? else {
                lacks = Some(format!("the branch `{branch}`"));
                continue;
            };
            let history = self.history(tip)?;
            if history.commits.contains(&commit) {
                return Ok(None);
            }
            if history.is_cut {
                lacks = Some(format!("older commits of the branch `{branch}`"));
            }
        }
        Ok(Some(lacks.map_or(CloneFact::NotProtected, |lacks| CloneFact::CannotTell { lacks })))
    }

    /// Where a branch ends: as it was last fetched from `origin`, where it was. A branch of the clone's own by that name, which no
    /// fetch moves, would hide that the server's was rewritten.
    fn tip(&self, branch: &Name) -> Result<Option<gix::ObjectId>, GitError> {
        match self.repository.find(&format!("refs/remotes/origin/{branch}"))? {
            Some(tip) => Ok(Some(tip)),
            None => self.repository.find(&format!("refs/heads/{branch}")),
        }
    }

    fn history(&mut self, tip: gix::ObjectId) -> Result<&History, GitError> {
        if !self.histories.contains_key(&tip) {
            let history = self.walk(tip)?;
            self.histories.insert(tip, history);
        }
        Ok(&self.histories[&tip])
    }

    fn walk(&self, tip: gix::ObjectId) -> Result<History, GitError> {
        let mut history = History::default();
        let mut next = vec![tip];
        while let Some(id) = next.pop() {
            if history.commits.contains(&id) {
                continue;
            }
            if !self.repository.git.has_object(id) {
                history.is_cut = true;
                continue;
            }
            let (kind, object) = self.repository.read(id)?;
            if kind != Kind::Commit {
                continue;
            }
            history.commits.insert(id);
            if history.commits.len() > COMMITS_MAX {
                let reason = format!("a branch has more than {COMMITS_MAX} commits");
                return Err(self.repository.unreadable(id.into(), reason));
            }
            for parent in CommitRefIter::from_bytes(&object.bytes, id.kind()).parent_ids() {
                next.push(parent);
            }
        }
        Ok(history)
    }
}

/// What a clone does not have without anything being wrong.
#[derive(Debug, Clone, Copy)]
struct Lacks {
    /// Why it does not have all commits; none where it should.
    commits: Option<&'static str>,
    /// Why it does not have all tags.
    tags: Option<&'static str>,
}

impl Lacks {
    /// As `git clone` leaves word of it.
    fn of(repository: &Repository) -> Self {
        let remotes_say = |key: &str, value: &str| {
            let config = repository.git.config_snapshot();
            let remotes = config.plumbing().sections_by_name("remote");
            remotes.into_iter().flatten().any(|remote| remote.value(key).is_some_and(|said| said == value))
        };
        // A file of boundaries that cannot be found cannot say that there is none.
        let shallow = repository.git.is_shallow().unwrap_or(true).then_some("shallow");
        let partial = remotes_say("promisor", "true").then_some("partial");
        let untagged = remotes_say("tagOpt", "--no-tags").then_some("made without tags");
        let narrow = fetches_some_branches(repository).then_some("of some branches alone");
        Self { commits: shallow.or(partial).or(narrow), tags: shallow.or(untagged).or(narrow) }
    }
}

/// Whether a remote is fetched from, and no remote's branches all.
fn fetches_some_branches(repository: &Repository) -> bool {
    let config = repository.git.config_snapshot();
    let remotes = config.plumbing().sections_by_name("remote");
    let fetched: Vec<String> = remotes
        .into_iter()
        .flatten()
        .flat_map(|remote| remote.values("fetch"))
        .map(|spec| spec.to_string())
        .collect();
    let takes_all = |spec: &String| {
        let source = spec.trim_start_matches('+').split(':').next().unwrap_or_default();
        ["refs/heads/*", "refs/*"].contains(&source)
    };
    !fetched.is_empty() && !fetched.iter().any(takes_all)
}

/// That something is not there; where `reason` says that it need not be, that nothing tells.
fn absent(fact: CloneFact, what: &str, reason: Option<&str>) -> CloneFact {
    match reason {
        Some(kind) => CloneFact::CannotTell { lacks: format!("{what}, for the clone is {kind}") },
        None => fact,
    }
}
