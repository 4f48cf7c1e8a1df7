//! The evidence of one infra commit: whether its objects hold together, and who signed them.
//!
//! A pure function of the event, computed apart from the rules, so that a verification can do it for many entries at
//! once. What stands in an attachment is not looked at here: of it, the event holds the digest.

use super::git_object::{
    Collision, CommitObject, MalformedObject, ObjectFormat, ObjectKind, TagObject, object_id,
    signed_part_of_commit, signed_part_of_tag,
};
use super::git_signature::{CheckedKeys, KnownKeys, Signed};
use crate::event::infra::{GitId, GitObject, GitTag, InfraCommit, ObjectBytes};
use crate::hash::Hash;

/// What the embedded objects of an infra commit show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InfraEvidence {
    /// Whether they are what the event says.
    pub objects: Result<(), ObjectFault>,
    /// The tag's signature; [`Signed::NotEmbedded`] where there is no tag object.
    pub tag: Signed,
    /// The commit's signature.
    pub commit: Signed,
}

/// Why the evidence of an infra commit does not hold together, the first reason found: of the commit, then of the tag.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ObjectFault {
    /// The bytes are more or fewer.
    #[error("the {kind} object has {actual} bytes, the event says {said}")]
    Size {
        /// Which object.
        kind: ObjectKind,
        /// What the event says.
        said: u64,
        /// How many there are.
        actual: u64,
    },
    /// The bytes are others.
    #[error("the {kind} object's SHA-256 is {actual}, the event says {said}")]
    Sha256 {
        /// Which object.
        kind: ObjectKind,
        /// What the event says.
        said: Hash,
        /// The bytes' own.
        actual: Hash,
    },
    /// The bytes are not the object that the event names.
    #[error("the {kind} object's id is {actual}, the event names {said}")]
    Id {
        /// Which object.
        kind: ObjectKind,
        /// What the event names.
        said: GitId,
        /// The bytes' own.
        actual: GitId,
    },
    /// The bytes were made for a collision.
    #[error("the {kind} object proves nothing: {collision}")]
    Collision {
        /// Which object.
        kind: ObjectKind,
        /// What was found.
        collision: Collision,
    },
    /// The bytes are no object of that kind.
    #[error("the {kind} object cannot be read: {malformed}")]
    Malformed {
        /// Which object.
        kind: ObjectKind,
        /// What is wrong.
        malformed: MalformedObject,
    },
    /// Ids of two repositories.
    #[error("the commit's id is a {commit} id, and the tag's a {tag} id: no repository holds both")]
    TwoFormats {
        /// The commit's.
        commit: ObjectFormat,
        /// The tag's.
        tag: ObjectFormat,
    },
    /// A tag object without a tag that names it.
    #[error("it holds a tag object, and names none")]
    NoSuchTag,
    /// A tag under another name.
    #[error("the tag object's own name is `{actual}`, the event says `{said}`")]
    TagName {
        /// What the event says.
        said: String,
        /// What the tag object says, up to 100 characters.
        actual: String,
    },
    /// A tag of something else.
    #[error("the tag object leads to {kind} {target}, not to commit {commit}")]
    OtherTarget {
        /// What it says that it leads to.
        kind: ObjectKind,
        /// Where it leads.
        target: GitId,
        /// Where the event says that it leads.
        commit: GitId,
    },
    /// A tag of a tag: where that one leads, nobody can see.
    #[error("the tag object leads to another tag, {target}, which is not embedded")]
    OtherTag {
        /// The tag that it leads to.
        target: GitId,
    },
}

/// Whether the event embeds an object, or a digest of one.
#[must_use]
pub const fn has_embedded(infra: &InfraCommit) -> bool {
    infra.commit_object.is_some() || infra.tag_object.is_some()
}

/// Judges the evidence of an infra commit from its bytes alone.
#[must_use]
pub fn examine(infra: &InfraCommit) -> InfraEvidence {
    examine_with(&mut CheckedKeys::default(), infra)
}

/// As [`examine`], with the same answer; of many commits that few keys have signed, about half the work.
#[must_use]
pub fn examine_with(keys: &mut dyn KnownKeys, infra: &InfraCommit) -> InfraEvidence {
    let commit = embedded(infra.commit_object.as_ref());
    let tag = embedded(infra.tag_object.as_ref());
    InfraEvidence {
        objects: check_commit(infra).and_then(|()| check_tag(infra)),
        tag: tag.map_or(Signed::NotEmbedded, |bytes| Signed::of(keys, signed_part_of_tag(bytes).as_ref())),
        commit: commit.map_or(Signed::NotEmbedded, |bytes| {
            let format = ObjectFormat::of(&infra.commit);
            Signed::of(keys, signed_part_of_commit(bytes, format).as_ref())
        }),
    }
}

/// What is wrong with an object of an infra commit that stands in an attachment: as [`examine`] says it of one that is
/// embedded, a bad signature included. Nothing, where the event names none of that kind.
#[must_use]
pub fn attached_fault(infra: &InfraCommit, kind: ObjectKind, bytes: &[u8]) -> Option<String> {
    let format = ObjectFormat::of(&infra.commit);
    let tag = infra.tag.as_ref().and_then(|tag| Some((tag, tag.object?)));
    let (said, checked, part) = match (kind, tag) {
        (ObjectKind::Commit, _) => {
            (infra.commit, read_commit(bytes, format), signed_part_of_commit(bytes, format))
        }
        (ObjectKind::Tag, Some((tag, id))) => {
            (id, read_tag(bytes, tag, infra.commit), signed_part_of_tag(bytes))
        }
        _ => return None,
    };
    let fault = check_id(kind, bytes, said).and(checked).err().map(|fault| fault.to_string());
    fault.or_else(|| {
        let signed = Signed::of(&mut CheckedKeys::default(), part.as_ref());
        signed.fault().map(|fault| format!("the signature of the {kind} is bad: {fault}"))
    })
}

fn embedded(object: Option<&GitObject>) -> Option<&[u8]> {
    object?.bytes.as_ref().map(ObjectBytes::as_slice)
}

fn check_commit(infra: &InfraCommit) -> Result<(), ObjectFault> {
    let kind = ObjectKind::Commit;
    let Some(object) = &infra.commit_object else { return Ok(()) };
    let Some(bytes) = check_bytes(kind, object, infra.commit)? else { return Ok(()) };
    read_commit(bytes, ObjectFormat::of(&infra.commit))
}

fn read_commit(bytes: &[u8], format: ObjectFormat) -> Result<(), ObjectFault> {
    let malformed = |malformed| ObjectFault::Malformed { kind: ObjectKind::Commit, malformed };
    CommitObject::parse(bytes, format).map(drop).map_err(malformed)
}

fn check_tag(infra: &InfraCommit) -> Result<(), ObjectFault> {
    let kind = ObjectKind::Tag;
    let (tag, id) = match &infra.tag {
        Some(tag @ GitTag { object: Some(id), .. }) => (tag, *id),
        _ if infra.tag_object.is_some() => return Err(ObjectFault::NoSuchTag),
        _ => return Ok(()),
    };
    let format = ObjectFormat::of(&infra.commit);
    if ObjectFormat::of(&id) != format {
        return Err(ObjectFault::TwoFormats { commit: format, tag: ObjectFormat::of(&id) });
    }
    let Some(object) = &infra.tag_object else { return Ok(()) };
    let Some(bytes) = check_bytes(kind, object, id)? else { return Ok(()) };
    read_tag(bytes, tag, infra.commit)
}

/// The tag goes by the name that the event says, and leads to the commit.
fn read_tag(bytes: &[u8], tag: &GitTag, commit: GitId) -> Result<(), ObjectFault> {
    let malformed = |malformed| ObjectFault::Malformed { kind: ObjectKind::Tag, malformed };
    let read = TagObject::parse(bytes, ObjectFormat::of(&commit)).map_err(malformed)?;
    if read.name != tag.name.as_str().as_bytes() {
        let actual = String::from_utf8_lossy(read.name).chars().take(100).collect();
        return Err(ObjectFault::TagName { said: tag.name.as_str().to_owned(), actual });
    }
    match read.target_kind {
        ObjectKind::Commit if read.target == commit => Ok(()),
        ObjectKind::Tag => Err(ObjectFault::OtherTag { target: read.target }),
        kind => Err(ObjectFault::OtherTarget { kind, target: read.target, commit }),
    }
}

/// The object's bytes, where they are embedded and are what the event says.
fn check_bytes(kind: ObjectKind, object: &GitObject, said: GitId) -> Result<Option<&[u8]>, ObjectFault> {
    let Some(bytes) = embedded(Some(object)) else { return Ok(None) };
    let actual = bytes.len() as u64;
    if actual != object.size {
        return Err(ObjectFault::Size { kind, said: object.size, actual });
    }
    let actual = Hash::of(bytes);
    if actual != object.sha256 {
        return Err(ObjectFault::Sha256 { kind, said: object.sha256, actual });
    }
    check_id(kind, bytes, said).map(|()| Some(bytes))
}

fn check_id(kind: ObjectKind, bytes: &[u8], said: GitId) -> Result<(), ObjectFault> {
    let actual = object_id(kind, bytes, ObjectFormat::of(&said));
    let actual = actual.map_err(|collision| ObjectFault::Collision { kind, collision })?;
    if actual == said { Ok(()) } else { Err(ObjectFault::Id { kind, said, actual }) }
}
