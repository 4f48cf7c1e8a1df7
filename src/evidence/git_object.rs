//! Raw Git objects: their ids, what a commit or tag points to, and which of its bytes are signed.
//!
//! An object is what `git cat-file <kind>` prints; its id is the hash of `<kind> <size>\0` and these bytes. What is
//! signed follows Git's own code to the letter (`parse_signed_buffer`, `parse_buffer_signed_by_header` and
//! `remove_signature`), so that a signature fits here where it fits there; `real_git_signatures` compares. Whether a
//! signature is good is [`crate::evidence::git_signature`]'s.
//!
//! Nothing is copied but a payload that a header was taken out of, and a signature out of a header.

use std::borrow::Cow;
use std::fmt;

use sha2::{Digest, Sha256};

use crate::event::infra::GitId;

/// What a Git object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ObjectKind {
    /// A commit.
    Commit,
    /// A directory.
    Tree,
    /// A file's content.
    Blob,
    /// An annotated tag.
    Tag,
}

impl ObjectKind {
    const ALL: [Self; 4] = [Self::Commit, Self::Tree, Self::Blob, Self::Tag];

    /// Git's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Tree => "tree",
            Self::Blob => "blob",
            Self::Tag => "tag",
        }
    }
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The hash that a repository names its objects by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ObjectFormat {
    /// Ids of 20 bytes.
    Sha1,
    /// Ids of 32 bytes.
    Sha256,
}

impl ObjectFormat {
    /// The format that `id` belongs to.
    #[must_use]
    pub const fn of(id: &GitId) -> Self {
        match id {
            GitId::Sha1(_) => Self::Sha1,
            GitId::Sha256(_) => Self::Sha256,
        }
    }

    /// The header of a commit that holds its signature in a repository of this format.
    const fn signature_header(self) -> &'static [u8] {
        match self {
            Self::Sha1 => b"gpgsig",
            Self::Sha256 => b"gpgsig-sha256",
        }
    }
}

impl fmt::Display for ObjectFormat {
    /// As the hash is called.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sha1 => "SHA-1",
            Self::Sha256 => "SHA-256",
        })
    }
}

/// Bytes that were made so that other bytes have the same SHA-1: no id of theirs says which were meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bytes of {id} were made for a collision of SHA-1: other bytes may have the same id")]
pub struct Collision {
    /// Their SHA-1, as an ordinary implementation computes it.
    pub id: GitId,
}

/// The id of the object of that kind with these bytes.
///
/// # Errors
/// [`Collision`] where SHA-1 is asked for and the bytes bear the marks of a known attack, as `git` itself tells them
/// (Stevens and Shumow, "Speeding up detection of SHA-1 collision attacks").
pub fn object_id(kind: ObjectKind, bytes: &[u8], format: ObjectFormat) -> Result<GitId, Collision> {
    let header = format!("{kind} {}\0", bytes.len());
    match format {
        ObjectFormat::Sha1 => {
            let mut hasher = sha1dc::Hasher::new();
            hasher.update(header.as_bytes());
            hasher.update(bytes);
            match hasher.finalize() {
                Ok(digest) => Ok(GitId::Sha1(digest.to_bytes())),
                Err(collision) => Err(Collision { id: GitId::Sha1(collision.digest().to_bytes()) }),
            }
        }
        ObjectFormat::Sha256 => {
            let hasher = Sha256::new_with_prefix(header.as_bytes()).chain_update(bytes);
            Ok(GitId::Sha256(hasher.finalize().into()))
        }
    }
}

/// The signed bytes of an object, and the signature over them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedPart<'a> {
    /// What is signed.
    pub payload: Cow<'a, [u8]>,
    /// The signature's text, from its first line to the end of what holds it.
    pub signature: Cow<'a, [u8]>,
}

/// What an annotated tag says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagObject<'a> {
    /// The object that is tagged.
    pub target: GitId,
    /// What that object is said to be.
    pub target_kind: ObjectKind,
    /// The tag's own name, which the reference that leads to it need not have.
    pub name: &'a [u8],
    /// Who tagged it and when, as Git writes it; tags of 2005 have none.
    pub tagger: Option<&'a [u8]>,
}

impl<'a> TagObject<'a> {
    /// Reads the header of a tag in a repository of that format.
    ///
    /// # Errors
    /// [`MalformedObject`]: the first line that is not what Git writes there.
    pub fn parse(bytes: &'a [u8], format: ObjectFormat) -> Result<Self, MalformedObject> {
        let mut rest = bytes;
        let target = take_id(&mut rest, "object", format)?;
        let kind = take_header(&mut rest, "type")?;
        let is_kind = |known: &ObjectKind| known.as_str().as_bytes() == kind;
        let target_kind =
            ObjectKind::ALL.into_iter().find(is_kind).ok_or(MalformedObject { header: "type" })?;
        let name = take_header(&mut rest, "tag")?;
        let tagger = take_header(&mut rest, "tagger").ok();
        Ok(Self { target, target_kind, name, tagger })
    }
}

/// What a commit says about other objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitObject {
    /// The top directory.
    pub tree: GitId,
    /// The commits before it, in order.
    pub parents: Vec<GitId>,
}

impl CommitObject {
    /// Reads the header of a commit in a repository of that format.
    ///
    /// # Errors
    /// [`MalformedObject`]: the first line that is not what Git writes there.
    pub fn parse(bytes: &[u8], format: ObjectFormat) -> Result<Self, MalformedObject> {
        let mut rest = bytes;
        let tree = take_id(&mut rest, "tree", format)?;
        let mut parents = Vec::new();
        while rest.starts_with(b"parent ") {
            parents.push(take_id(&mut rest, "parent", format)?);
        }
        take_header(&mut rest, "author")?;
        take_header(&mut rest, "committer")?;
        Ok(Self { tree, parents })
    }
}

/// An object whose header is not Git's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no valid `{header}` line stands where Git writes one")]
pub struct MalformedObject {
    /// The first header that is missing or cannot be read.
    pub header: &'static str,
}

fn take_id(rest: &mut &[u8], header: &'static str, format: ObjectFormat) -> Result<GitId, MalformedObject> {
    let digits = take_header(rest, header)?;
    let mut id = [0; 32];
    let length = match format {
        ObjectFormat::Sha1 => 20,
        ObjectFormat::Sha256 => 32,
    };
    let is_canonical = digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    let decoded = hex::decode_to_slice(digits, &mut id[..length]).is_ok();
    let id = GitId::from_slice(&id[..length]).filter(|_| is_canonical && decoded);
    id.ok_or(MalformedObject { header })
}

/// Takes the line `<header> <value>` from the front, and gives the value.
fn take_header<'a>(rest: &mut &'a [u8], header: &'static str) -> Result<&'a [u8], MalformedObject> {
    let (line, after) = split_line(rest);
    let value = line.strip_prefix(header.as_bytes()).and_then(|line| line.strip_prefix(b" "));
    let value = value.and_then(|value| value.strip_suffix(b"\n")).ok_or(MalformedObject { header })?;
    *rest = after;
    Ok(value)
}

/// The first line with its line end, and what follows it.
fn split_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|&byte| byte == b'\n').map_or(bytes.len(), |newline| newline + 1);
    bytes.split_at(end)
}

/// The beginnings of lines that Git takes for the beginning of a signature.
const SIGNATURE_BEGINNINGS: [&[u8]; 4] = [
    b"-----BEGIN PGP SIGNATURE-----",
    b"-----BEGIN PGP MESSAGE-----",
    b"-----BEGIN SIGNED MESSAGE-----",
    b"-----BEGIN SSH SIGNATURE-----",
];

/// The signed part of a tag, if it is signed: its signature begins with the *last* line that begins one and goes to
/// the end of the tag, whatever stands there; signed is what stands before, without `gpgsig` headers.
#[must_use]
pub fn signed_part_of_tag(bytes: &[u8]) -> Option<SignedPart<'_>> {
    let mut start = None;
    let mut offset = 0;
    while offset < bytes.len() {
        let rest = &bytes[offset..];
        // Looked for only where it may be: most lines begin otherwise.
        if rest[0] == b'-' && SIGNATURE_BEGINNINGS.iter().any(|beginning| rest.starts_with(beginning)) {
            start = Some(offset);
        }
        offset += split_line(rest).0.len();
    }
    let (payload, signature) = bytes.split_at(start?);
    Some(SignedPart { payload: without_signature_headers(payload), signature: Cow::Borrowed(signature) })
}

/// The signed part of a commit, if it is signed: its signature is the header `gpgsig`, or `gpgsig-sha256` in a
/// SHA-256 repository, with its continuation lines; signed is the rest, without any other header `gpgsig…`.
#[must_use]
pub fn signed_part_of_commit(bytes: &[u8], format: ObjectFormat) -> Option<SignedPart<'_>> {
    let header = format.signature_header();
    let (mut payload, mut signature) = (Vec::with_capacity(bytes.len()), Vec::new());
    let (mut in_signature, mut in_other) = (false, false);
    let mut is_signed = false;
    let mut rest = bytes;
    while !rest.is_empty() {
        let (line, mut after) = split_line(rest);
        let ours = line.strip_prefix(header).and_then(|value| value.strip_prefix(b" "));
        let continued = line.strip_prefix(b" ").filter(|_| in_signature);
        if let Some(text) = continued.or(ours) {
            // A continuation line leaves the other state alone, as it does in Git.
            in_other &= continued.is_some();
            signature.extend_from_slice(text);
            (is_signed, in_signature) = (true, true);
        } else {
            in_other = line.starts_with(b"gpgsig") || (in_other && line.starts_with(b" "));
            let taken = if line == b"\n" { std::mem::take(&mut after).len() + 1 } else { line.len() };
            if !in_other {
                payload.extend_from_slice(&rest[..taken]);
            }
            in_signature = false;
        }
        rest = after;
    }
    is_signed.then_some(SignedPart { payload: Cow::Owned(payload), signature: Cow::Owned(signature) })
}

/// Drops the headers `gpgsig` and `gpgsig-sha256`: in a repository that keeps a second hash, a tag carries there the
/// signature for the other one. Of headers that stand side by side Git drops the last; so does this.
fn without_signature_headers(bytes: &[u8]) -> Cow<'_, [u8]> {
    let mut dropped: [Option<(usize, usize)>; 2] = [None, None];
    let (mut which, mut in_signature, mut offset) = (0, false, 0);
    while offset < bytes.len() && which < dropped.len() {
        let (line, _) = split_line(&bytes[offset..]);
        let end = offset + line.len();
        let is_signature =
            [b"gpgsig ".as_slice(), b"gpgsig-sha256 "].iter().any(|name| line.starts_with(name));
        if in_signature && line[0] == b' ' {
            dropped[which] = dropped[which].map(|(start, _)| (start, end));
        } else if is_signature {
            dropped[which] = Some((offset, end));
            in_signature = true;
        } else if !line.starts_with(b"gpgsig") {
            if line == b"\n" {
                break;
            }
            which += usize::from(in_signature);
            in_signature = false;
        }
        offset = end;
    }
    let mut kept = Cow::Borrowed(bytes);
    for (start, end) in dropped.into_iter().flatten().collect::<Vec<_>>().into_iter().rev() {
        kept.to_mut().drain(start..end);
    }
    kept
}
