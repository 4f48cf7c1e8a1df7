//! An opened repository: reading objects whose bytes have the hash that they are asked for by.

use std::path::{Path, PathBuf};

use gix::objs::Kind;

use crate::event::infra::GitId;

use super::{GitError, OBJECT_BYTES_MAX, ObjectId, RawObject, TAG_CHAIN_MAX};

/// An opened repository, and the path that messages name.
pub(super) struct Repository {
    pub(super) git: gix::Repository,
    pub(super) path: PathBuf,
}

impl Repository {
    pub(super) fn open(path: &Path) -> Result<Self, GitError> {
        let path = local_path(path)?;
        // Full trust, whoever owns the files: no setting that is read here can run anything, and
        // objects are checked against their ids.
        let options = gix::open::Options::isolated()
            .with(gix::sec::Trust::Full)
            .filter_config_section(|_| true)
            .config_overrides(["core.useReplaceRefs=false"]);
        match gix::open_opts(&path, options) {
            Ok(git) => Ok(Self { git, path }),
            Err(error) => Err(GitError::NotARepository { path, reason: reason_of(&error) }),
        }
    }

    /// Reads an object, and checks its bytes against its id.
    pub(super) fn read(&self, id: gix::ObjectId) -> Result<(Kind, RawObject), GitError> {
        let unreadable = |error: gix::Error| self.unreadable(id.into(), reason_of(&error));
        let size = self.git.find_header(id).map_err(unreadable)?.size();
        if size > OBJECT_BYTES_MAX {
            return Err(GitError::TooLarge { id: id.into(), repository: self.path.clone(), size });
        }
        let object = self.git.find_object(id).map_err(unreadable)?.detach();
        let actual = gix::objs::compute_hash(id.kind(), object.kind, &object.data).map_err(unreadable)?;
        if actual != id {
            return Err(self.unreadable(id.into(), format!("its bytes have the hash {actual}")));
        }
        Ok((object.kind, RawObject { id: id.into(), bytes: object.data }))
    }

    /// What the reference of that full name points to, as it stands there: a tag is not peeled. None where there is no such
    /// reference.
    pub(super) fn find(&self, full_name: &str) -> Result<Option<gix::ObjectId>, GitError> {
        let Ok(name) = gix::refs::FullName::try_from(full_name) else { return Ok(None) };
        let unreadable = |error: gix::Error| GitError::UnreadableReference {
            name: full_name.to_owned(),
            repository: self.path.clone(),
            reason: reason_of(&error),
        };
        let Some(mut found) = self.git.try_find_reference(name.as_ref()).map_err(unreadable)? else {
            return Ok(None);
        };
        // The search also tries the name below `refs/heads/` and elsewhere.
        if found.name() != name.as_ref() {
            return Ok(None);
        }
        Ok(Some(found.follow_to_object().map_err(unreadable)?.detach()))
    }

    /// Whether the object is a commit, by its header alone.
    pub(super) fn is_commit(&self, id: gix::ObjectId) -> Result<bool, GitError> {
        let header = self.git.find_header(id);
        Ok(header.map_err(|error| self.unreadable(id.into(), reason_of(&error)))?.kind() == Kind::Commit)
    }

    /// Where a chain of tags ends: the id of the first object that is no tag or is not there, or of the tag at
    /// which the chain is too long.
    pub(super) fn peel(&self, start: gix::ObjectId) -> Result<gix::ObjectId, GitError> {
        let mut id = start;
        for _ in 0..TAG_CHAIN_MAX {
            if !self.git.has_object(id) {
                return Ok(id);
            }
            let header = self.git.find_header(id);
            let header = header.map_err(|error| self.unreadable(id.into(), reason_of(&error)))?;
            if header.kind() != Kind::Tag {
                return Ok(id);
            }
            let (_, object) = self.read(id)?;
            id = self.target_of(&object)?;
        }
        Ok(id)
    }

    pub(super) fn unreadable(&self, id: ObjectId, reason: String) -> GitError {
        GitError::UnreadableObject { id, repository: self.path.clone(), reason }
    }
}

/// An id as gix has it.
pub(super) fn id_of(id: &GitId) -> gix::ObjectId {
    gix::ObjectId::try_from(id.as_slice()).expect("20 or 32 bytes")
}

/// The whole chain of causes, in one line.
pub(super) fn reason_of(error: &gix::Error) -> String {
    let mut reasons: Vec<String> = Vec::new();
    let mut next: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = next {
        let reason = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        if reasons.last() != Some(&reason) {
            reasons.push(reason);
        }
        next = error.source();
    }
    reasons.join(": ")
}

/// The path behind a path or a `file:` URL, percent-encoding undone in the latter, as git does.
fn local_path(path: &Path) -> Result<PathBuf, GitError> {
    let Some(rest) = path.to_str().and_then(|text| text.strip_prefix("file:")) else {
        return Ok(path.to_owned());
    };
    let not_local = || GitError::NotLocal { url: format!("file:{rest}") };
    let encoded = match rest.strip_prefix("//") {
        Some(authority_and_path) => {
            let (authority, _) = authority_and_path.split_once('/').ok_or_else(not_local)?;
            if !authority.is_empty() && authority != "localhost" {
                return Err(not_local());
            }
            &authority_and_path[authority.len()..]
        }
        None => rest,
    };
    let decoded = String::from_utf8(percent_decoded(encoded)).map_err(|_| not_local())?;
    Ok(PathBuf::from(decoded))
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let byte = tail.get(..2).filter(|_| *first == b'%').and_then(|digits| hex::decode(digits).ok());
        decoded.push(byte.as_ref().map_or(*first, |byte| byte[0]));
        rest = if byte.is_some() { &tail[2..] } else { tail };
    }
    decoded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::credentials::remote_name;
    use super::super::resolve::{Revision, resolve};
    use super::super::sample::Sample;
    use super::*;

    #[test]
    fn object_whose_bytes_have_another_hash_is_refused() {
        let sample = Sample::new(gix::hash::Kind::Sha256, gix::create::Kind::Bare);
        let (honest, other) = (sample.commit("honest"), sample.commit("other"));
        sample.point("refs/heads/main", honest);
        let file_of = |id: gix::ObjectId| {
            let hex = id.to_string();
            sample.path().join("objects").join(&hex[..2]).join(&hex[2..])
        };
        std::fs::remove_file(file_of(honest)).unwrap();
        std::fs::copy(file_of(other), file_of(honest)).unwrap();
        let error = sample.rev("main").unwrap_err();
        assert!(matches!(&error, GitError::UnreadableObject { id, .. } if *id == honest.into()), "{error}");
    }

    #[test]
    fn replacement_objects_are_not_looked_at() {
        let sample = Sample::new(gix::hash::Kind::Sha1, gix::create::Kind::Bare);
        let (honest, other) = (sample.commit("honest"), sample.commit("other"));
        sample.point("refs/heads/main", honest);
        sample.point(&format!("refs/replace/{honest}"), other);
        assert!(sample.rev("main").unwrap().commit.bytes.ends_with(b"honest\n"));
    }

    #[test]
    fn repository_is_found_by_path_git_directory_and_file_url_and_not_elsewhere() {
        let sample = Sample::new(gix::hash::Kind::Sha1, gix::create::Kind::WithWorktree);
        let commit = sample.commit("first");
        sample.point("refs/heads/main", commit);
        let path = sample.path().to_str().unwrap();
        let encoded = path.replace("tmp", "t%6Dp");
        for given in [
            format!("{path}/.git"),
            format!("{path}/"),
            format!("file://{path}"),
            format!("file:{path}"),
            format!("file://localhost{encoded}"),
        ] {
            assert!(resolve(Path::new(&given), Revision::Rev("main")).is_ok(), "{given}");
        }
        let empty = tempfile::tempdir().unwrap();
        for given in [empty.path().to_owned(), empty.path().join("missing")] {
            let error = resolve(&given, Revision::Rev("main")).unwrap_err();
            assert!(matches!(&error, GitError::NotARepository { path, .. } if *path == given), "{error}");
            assert_eq!(remote_name(&given), None);
        }
        let error = resolve(Path::new("file://elsewhere/x"), Revision::Rev("main")).unwrap_err();
        assert!(matches!(error, GitError::NotLocal { .. }));
    }

    proptest! {
        #[test]
        fn no_url_panics(url in "[a-z@:/?#\\[\\]é%]{0,30}") {
            let _ = local_path(Path::new(&format!("file:{url}")));
        }
    }
}
