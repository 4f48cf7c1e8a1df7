//! The commit that a revision or a tag names, and the tags on the way to it.

use std::collections::HashSet;
use std::fmt;
use std::path::Path;

use gix::bstr::BStr;
use gix::objs::Kind;
use gix::revision::spec::parse::ObjectKindHint;
use gix::revision::spec::parse::Options as RevisionOptions;

use super::repository::{Repository, reason_of};
use super::{GitError, ObjectFormat, RawObject, TAG_CHAIN_MAX, format_of};

/// What names the commit that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revision<'a> {
    /// Whatever `git rev-parse` takes and is, or peels to, one commit: `HEAD`, a branch, a tag, an
    /// abbreviated id, `main~2`. It is resolved to the commit; no tag comes with it.
    Rev(&'a str),
    /// The name of a tag, with or without `refs/tags/` before it, and nothing else: a branch or an
    /// id of that name is not looked at.
    Tag(&'a str),
}

impl fmt::Display for Revision<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rev(rev) => write!(f, "revision `{rev}`"),
            Self::Tag(name) => write!(f, "tag `{name}`"),
        }
    }
}

/// A commit, with the tag that it was asked for by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedCommit {
    /// The repository's hash.
    pub object_format: ObjectFormat,
    /// The commit.
    pub commit: RawObject,
    /// The tag, where [`Revision::Tag`] was asked for.
    pub tag: Option<ResolvedTag>,
}

/// A tag that leads to a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedTag {
    /// The name of the reference, without `refs/tags/`. The name *inside* an annotated tag's bytes
    /// may differ, since anybody can rename a reference: who judges the signature compares.
    pub name: String,
    /// The tag objects from the reference to the commit: none for a lightweight tag, one for an
    /// annotated tag, more where tags were tagged.
    pub objects: Vec<RawObject>,
}

impl ResolvedTag {
    /// The annotated tag that the reference points to; none for a lightweight tag.
    #[must_use]
    pub fn object(&self) -> Option<&RawObject> {
        self.objects.first()
    }
}

/// Finds the commit that `what` names in the repository at `repository`: a work tree's top, a
/// linked work tree, a bare repository or a `.git` directory, as a path or a `file:` URL. The
/// repository isn't searched for in the directories above.
///
/// # Errors
/// [`GitError`], naming the repository and what was asked for.
pub fn resolve(repository: &Path, what: Revision<'_>) -> Result<ResolvedCommit, GitError> {
    let repository = Repository::open(repository)?;
    let (start, tag_name) = match what {
        Revision::Rev(rev) => (repository.parse_revision(rev)?, None),
        Revision::Tag(name) => {
            let name = name.strip_prefix("refs/tags/").unwrap_or(name);
            (repository.find_tag(name)?, Some(name.to_owned()))
        }
    };
    let (commit, objects) = repository.peel_to_commit(start, what)?;
    Ok(ResolvedCommit {
        object_format: format_of(repository.git.object_hash()),
        commit,
        tag: tag_name.map(|name| ResolvedTag { name, objects }),
    })
}

impl Repository {
    fn parse_revision(&self, rev: &str) -> Result<gix::ObjectId, GitError> {
        let unknown = |reason: String| GitError::UnknownRevision {
            revision: rev.to_owned(),
            repository: self.path.clone(),
            reason,
        };
        if rev.starts_with(":/") || rev.contains("^{/") {
            return Err(unknown("a search of messages is not taken".into()));
        }
        // As git does, an abbreviation that fits one commit and other objects means the commit.
        let options = RevisionOptions {
            object_kind_hint: Some(ObjectKindHint::Committish),
            ..RevisionOptions::default()
        };
        let expanded = self.expand_sha256_abbreviation(rev).map_err(unknown)?;
        let rev = BStr::new(expanded.as_deref().unwrap_or(rev));
        let spec = gix::revision::Spec::from_bstr(rev, &self.git, options)
            .map_err(|error| unknown(reason_of(&error)))?;
        let id = spec.single().ok_or_else(|| unknown("it names a range".into()))?;
        Ok(id.detach())
    }

    /// `rev` with the abbreviated id at its beginning written out, in a SHA-256 repository. gix 0.90
    /// takes up to 40 digits for the beginning of a SHA-1 id, whatever the repository's hash, and
    /// then finds no loose object.
    fn expand_sha256_abbreviation(&self, rev: &str) -> Result<Option<String>, String> {
        let digits_end = rev.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(rev.len());
        let (digits, rest) = rev.split_at(digits_end);
        let is_abbreviation = (4..64).contains(&digits.len())
            && (rest.is_empty() || rest.starts_with(['^', '~', ':']))
            && self.git.object_hash() == gix::hash::Kind::Sha256;
        // As git does, a reference of that name goes first.
        if !is_abbreviation || matches!(self.git.try_find_reference(digits), Ok(Some(_))) {
            return Ok(None);
        }
        let candidates = self.objects_beginning_with(digits).map_err(|error| reason_of(&error))?;
        let commits: Vec<_> = candidates.iter().copied().filter(|id| self.leads_to_commit(*id)).collect();
        match (commits.as_slice(), candidates.as_slice()) {
            ([id], _) | ([], [id]) => Ok(Some(format!("{id}{rest}"))),
            (_, []) => Err(format!("no object id begins with {digits}")),
            _ => Err(format!("{} object ids begin with {digits}", candidates.len())),
        }
    }

    fn objects_beginning_with(&self, digits: &str) -> gix::Result<Vec<gix::ObjectId>> {
        let padded = gix::ObjectId::from_hex(format!("{digits:0<64}").as_bytes())?;
        let prefix = gix::hash::Prefix::new(&padded, digits.len())?;
        let mut candidates = HashSet::default();
        self.git.objects.lookup_prefix(prefix, Some(&mut candidates))?;
        Ok(candidates.into_iter().collect())
    }

    fn leads_to_commit(&self, id: gix::ObjectId) -> bool {
        self.peel_to_commit(id, Revision::Rev("")).is_ok()
    }

    /// What `refs/tags/<name>` points to.
    fn find_tag(&self, name: &str) -> Result<gix::ObjectId, GitError> {
        let unknown = || GitError::UnknownTag { name: name.to_owned(), repository: self.path.clone() };
        let full_name = format!("refs/tags/{name}");
        let found = self.git.try_find_reference(full_name.as_str()).ok().flatten().ok_or_else(unknown)?;
        // The search also tries the name below `refs/heads/` and elsewhere.
        if found.name().as_bstr() != full_name.as_str() {
            return Err(unknown());
        }
        let mut found = found;
        Ok(found.follow_to_object().map_err(|_| unknown())?.detach())
    }

    /// The commit that `start` is or leads to, and the tags on the way.
    fn peel_to_commit(
        &self,
        start: gix::ObjectId,
        what: Revision<'_>,
    ) -> Result<(RawObject, Vec<RawObject>), GitError> {
        let mut tags = Vec::new();
        let mut next = start;
        while tags.len() <= TAG_CHAIN_MAX {
            let (kind, object) = self.read(next)?;
            match kind {
                Kind::Commit => return Ok((object, tags)),
                Kind::Tag => {
                    next = self.target_of(&object)?;
                    tags.push(object);
                }
                Kind::Tree | Kind::Blob => {
                    return Err(GitError::NotACommit {
                        revision: what.to_string(),
                        repository: self.path.clone(),
                        id: object.id,
                        kind: kind.to_string(),
                    });
                }
            }
        }
        Err(GitError::TagChainTooLong { revision: what.to_string(), repository: self.path.clone() })
    }

    pub(super) fn target_of(&self, tag: &RawObject) -> Result<gix::ObjectId, GitError> {
        let target = gix::objs::TagRefIter::from_bytes(&tag.bytes, self.git.object_hash()).target_id();
        target.map_err(|error| self.unreadable(tag.id, reason_of(&error)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::ObjectId;
    use super::super::sample::{Sample, every_sort};
    use super::*;

    #[test]
    fn branch_head_abbreviation_and_tag_name_resolve_to_the_commit() {
        for sample in every_sort() {
            let commit = sample.commit("first");
            sample.point("refs/heads/main", commit);
            let tag = sample.tag("v1", commit, Kind::Commit);
            sample.point("refs/tags/v1", tag);
            let full = commit.to_string();
            let tag_id = tag.to_string();
            for rev in ["HEAD", "main", "refs/heads/main", "v1", "v1^{commit}", &tag_id, &full, &full[..10]] {
                let resolved = sample.rev(rev).unwrap();
                assert_eq!(resolved.commit.id.to_string(), full, "{rev}");
                assert_eq!(resolved.commit.id.as_bytes(), commit.as_slice());
                assert!(resolved.commit.bytes.ends_with(b"\n\nfirst\n"));
                assert_eq!(resolved.object_format, resolved.commit.id.format());
                assert_eq!(resolved.tag, None, "{rev}");
            }
        }
    }

    #[test]
    fn annotated_lightweight_and_nested_tags_come_with_their_objects() {
        for sample in every_sort() {
            let commit = sample.commit("release");
            let annotated = sample.tag("v1", commit, Kind::Commit);
            let nested = sample.tag("v1-approved", annotated, Kind::Tag);
            sample.point("refs/tags/v1", annotated);
            sample.point("refs/tags/v1-approved", nested);
            sample.point("refs/tags/light/v1", commit);

            for (name, expected) in [
                ("v1", vec![annotated]),
                ("refs/tags/v1", vec![annotated]),
                ("v1-approved", vec![nested, annotated]),
                ("light/v1", vec![]),
            ] {
                let resolved = sample.tagged(name).unwrap();
                assert_eq!(resolved.commit.id, commit.into());
                let tag = resolved.tag.unwrap();
                assert_eq!(tag.name, name.strip_prefix("refs/tags/").unwrap_or(name));
                let ids: Vec<ObjectId> = tag.objects.iter().map(|object| object.id).collect();
                assert_eq!(ids, expected.into_iter().map(ObjectId::from).collect::<Vec<_>>(), "{name}");
                assert_eq!(tag.object().is_none(), name == "light/v1");
            }
        }
    }

    #[test]
    fn what_is_no_commit_or_does_not_exist_is_an_error_that_names_it() {
        let sample = Sample::new(gix::hash::Kind::Sha1, gix::create::Kind::WithWorktree);
        let commit = sample.commit("first");
        sample.point("refs/heads/main", commit);
        sample.point("refs/heads/refs/tags/v1", commit);
        let blob = sample.write(Kind::Blob, "text");
        let tag_of_blob = sample.tag("blob", blob, Kind::Blob);
        sample.point("refs/tags/blob", tag_of_blob);

        let error = sample.tagged("blob").unwrap_err();
        assert!(matches!(&error, GitError::NotACommit { kind, .. } if kind == "blob"), "{error}");
        assert!(matches!(sample.rev("HEAD^{tree}").unwrap_err(), GitError::NotACommit { .. }));
        for rev in ["missing", "0123456789", "main..main", "", ":/first"] {
            let error = sample.rev(rev).unwrap_err();
            assert!(matches!(error, GitError::UnknownRevision { .. }), "{rev}: {error}");
            assert!(error.to_string().contains(&format!("`{rev}`")), "{error}");
            assert!(error.to_string().contains(sample.path().to_str().unwrap()), "{error}");
        }
        for name in ["missing", "main", "v1", "", "../heads/main", "a b"] {
            let error = sample.tagged(name).unwrap_err();
            assert!(matches!(error, GitError::UnknownTag { .. }), "{name}: {error}");
        }
        let missing = gix::ObjectId::from_hex(&[b'1'; 40]).unwrap();
        let tag_of_missing = sample.tag("gone", missing, Kind::Commit);
        sample.point("refs/tags/gone", tag_of_missing);
        assert!(matches!(sample.tagged("gone").unwrap_err(), GitError::UnreadableObject { .. }));
    }

    #[test]
    fn abbreviation_that_fits_two_commits_is_refused_and_a_longer_one_is_not() {
        for hash in [gix::hash::Kind::Sha1, gix::hash::Kind::Sha256] {
            let sample = Sample::new(hash, gix::create::Kind::Bare);
            sample.point("refs/heads/main", sample.commit("first"));
            let mut by_prefix = std::collections::HashMap::new();
            // Two of a few hundred ids share their first four digits.
            let (short, long) = (0..10_000)
                .find_map(|number| {
                    let id = sample.commit(&number.to_string()).to_string();
                    by_prefix.insert(id[..4].to_owned(), id.clone()).map(|_| (id[..4].to_owned(), id))
                })
                .unwrap();
            let error = sample.rev(&short).unwrap_err();
            assert!(matches!(error, GitError::UnknownRevision { .. }), "{error}");
            assert_eq!(sample.rev(&format!("{}^0", &long[..16])).unwrap().commit.id.to_string(), long);
        }
    }

    #[test]
    fn chain_of_tags_has_an_end() {
        let sample = Sample::new(gix::hash::Kind::Sha1, gix::create::Kind::Bare);
        let mut target = sample.tag("t", sample.commit("first"), Kind::Commit);
        for _ in 1..TAG_CHAIN_MAX {
            target = sample.tag("t", target, Kind::Tag);
        }
        sample.point("refs/tags/allowed", target);
        assert_eq!(sample.tagged("allowed").unwrap().tag.unwrap().objects.len(), TAG_CHAIN_MAX);
        sample.point("refs/tags/too-long", sample.tag("t", target, Kind::Tag));
        assert!(matches!(sample.tagged("too-long").unwrap_err(), GitError::TagChainTooLong { .. }));
    }
}
