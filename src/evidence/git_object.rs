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

use crate::event::infra::GitId;
use crate::hash::Hash;

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
        ObjectFormat::Sha1 => sha1_of(&[header.as_bytes(), bytes]),
        ObjectFormat::Sha256 => Ok(GitId::Sha256(*Hash::of_parts(&[header.as_bytes(), bytes]).as_bytes())),
    }
}

/// SHA-1 of the parts, one behind the other, unless they are made for a collision.
fn sha1_of(parts: &[&[u8]]) -> Result<GitId, Collision> {
    let mut hasher = sha1dc::Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    match hasher.finalize() {
        Ok(digest) => Ok(GitId::Sha1(digest.to_bytes())),
        Err(collision) => Err(Collision { id: GitId::Sha1(collision.digest().to_bytes()) }),
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SHA1: ObjectFormat = ObjectFormat::Sha1;
    const SHA256: ObjectFormat = ObjectFormat::Sha256;

    #[test]
    fn ids_are_those_of_git() {
        // `git hash-object` in a repository of each format; the empty tree is in every one.
        for (kind, bytes, format, id) in [
            (ObjectKind::Tree, "", SHA1, "4b825dc642cb6eb9a060e54bf8d69288fbee4904"),
            (ObjectKind::Blob, "", SHA1, "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"),
            (ObjectKind::Blob, "hello\n", SHA1, "ce013625030ba8dba906f756967f9e9ca394464a"),
            (
                ObjectKind::Tree,
                "",
                SHA256,
                "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
            ),
            (
                ObjectKind::Blob,
                "hello\n",
                SHA256,
                "2cf8d83d9ee29543b34a87727421fdecb7e3f3a183d337639025de576db9ebb4",
            ),
        ] {
            assert_eq!(
                object_id(kind, bytes.as_bytes(), format).unwrap().to_string(),
                id,
                "{kind} {bytes:?}"
            );
        }
    }

    /// The two messages of "SHA-1 is a Shambles" (Leurent and Peyrin, 2020), which have one SHA-1. Nobody has published
    /// a pair that begins as a Git object does: so they are hashed as they are.
    #[test]
    fn bytes_made_for_a_collision_have_no_id() {
        let mut ids = Vec::new();
        for text in [
            include_str!("../../tests/vectors/collisions/shambles-1.hex"),
            include_str!("../../tests/vectors/collisions/shambles-2.hex"),
        ] {
            let bytes = hex::decode(text.replace('\n', "")).unwrap();
            ids.push(sha1_of(&[&bytes]).unwrap_err().id);
            assert_eq!(
                sha1_of(&[&bytes[..100], &bytes[100..], b"and more"]).map(drop).map_err(drop),
                Err(())
            );
            assert!(sha1_of(&[&bytes[..576]]).is_ok(), "before the last block nothing shows");
        }
        assert_eq!(ids[0], ids[1]);
        assert_eq!(ids[0].to_string(), "8ac60ba76f1999a1ab70223f225aefdc78d4ddc0");
        let told = Collision { id: ids[0] }.to_string();
        assert!(told.contains("made for a collision of SHA-1"), "{told}");
    }

    const TARGET: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

    #[test]
    fn tags_are_read_as_git_writes_them() {
        let text = format!("object {TARGET}\ntype tree\ntag a b\ntagger A <a> 1 +0000\n\nmessage\n");
        let tag = TagObject::parse(text.as_bytes(), SHA1).unwrap();
        assert_eq!((tag.target.to_string().as_str(), tag.target_kind), (TARGET, ObjectKind::Tree));
        assert_eq!((tag.name, tag.tagger), (&b"a b"[..], Some(&b"A <a> 1 +0000"[..])));
        let old = text.replace("tagger A <a> 1 +0000\n", "");
        assert_eq!(TagObject::parse(old.as_bytes(), SHA1).unwrap().tagger, None);
        for (from, to, header) in [
            ("object ", "Object ", "object"),
            ("object ", "object  ", "object"),
            ("object 4b", "object 4B", "object"),
            ("object 4b", "object 4", "object"),
            ("object 4b", "object 4b00", "object"),
            ("object 4b", "object zz", "object"),
            ("\ntype", "\n\ntype", "type"),
            ("type tree", "type trees", "type"),
            ("tag a b", "name a b", "tag"),
        ] {
            let read = TagObject::parse(text.replacen(from, to, 1).as_bytes(), SHA1).map(drop);
            assert_eq!(read, Err(MalformedObject { header }), "{from:?} for {to:?}");
        }
        let other = TagObject::parse(text.as_bytes(), SHA256).map(drop);
        assert_eq!(other, Err(MalformedObject { header: "object" }), "an id of the other format");
        for (end, header) in [(10, "object"), (48, "type"), (60, "tag")] {
            let read = TagObject::parse(&text.as_bytes()[..end], SHA1).map(drop);
            assert_eq!(read, Err(MalformedObject { header }), "{end} bytes");
        }
    }

    #[test]
    fn commits_are_read_as_git_writes_them() {
        let text = format!(
            "tree {TARGET}\nparent {TARGET}\nparent {TARGET}\nauthor A\ncommitter A\nparent {TARGET}\n\nmessage"
        );
        let commit = CommitObject::parse(text.as_bytes(), SHA1).unwrap();
        assert_eq!((commit.tree.to_string().as_str(), commit.parents.len()), (TARGET, 2));
        for (from, to, header) in [
            ("tree", "Tree", "tree"),
            ("parent 4b", "parent 4B", "parent"),
            ("author", "auhtor", "author"),
            ("committer", "author", "committer"),
        ] {
            let read = CommitObject::parse(text.replacen(from, to, 1).as_bytes(), SHA1).map(drop);
            assert_eq!(read, Err(MalformedObject { header }), "{from} for {to}");
        }
    }

    const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----";

    /// What of a tag is signed, by `git verify-tag`'s rule; `real_git_signatures` asks Git itself.
    #[test]
    fn a_tags_signature_begins_with_the_last_line_that_begins_one() {
        let pgp = "-----BEGIN PGP SIGNATURE-----";
        for (tag, part) in [
            (format!("a\n\nb\n{BEGIN}\nc\n"), Some(("a\n\nb\n".to_owned(), format!("{BEGIN}\nc\n")))),
            (BEGIN.to_owned(), Some((String::new(), BEGIN.to_owned()))),
            (format!("a\n {BEGIN}\n"), None),
            (format!("a{BEGIN}\n"), None),
            ("a\n-----BEGIN SSH SIGNATURE----\n".to_owned(), None),
            (String::new(), None),
            (format!("a\n{BEGIN}\n{pgp} b\n"), Some((format!("a\n{BEGIN}\n"), format!("{pgp} b\n")))),
            (format!("a\ngpgsig b\n c\nd\n\ne\n{pgp}"), Some(("a\nd\n\ne\n".to_owned(), pgp.to_owned()))),
            (format!("a\n\ngpgsig b\n c\n{pgp}"), Some(("a\n\ngpgsig b\n c\n".to_owned(), pgp.to_owned()))),
        ] {
            let found = signed_part_of_tag(tag.as_bytes());
            let expected = part.map(|(payload, signature)| SignedPart {
                payload: payload.into_bytes().into(),
                signature: signature.into_bytes().into(),
            });
            assert_eq!(found, expected, "{tag:?}");
        }
    }

    /// What of a commit is signed, by `git verify-commit`'s rule.
    #[test]
    fn a_commits_signature_is_the_header_of_its_format() {
        for (commit, format, part) in [
            ("a\ngpgsig b\n c\n\nd\n", SHA1, Some(("a\n\nd\n", "b\nc\n"))),
            ("a\ngpgsig b\n c\n\nd\n", SHA256, None),
            ("a\ngpgsig-sha256 b\n c\n\nd\n", SHA256, Some(("a\n\nd\n", "b\nc\n"))),
            ("a\ngpgsig-sha256 b\n c\n\nd\n", SHA1, None),
            ("gpgsig b\ngpgsig-sha256 c\n d\n\ne", SHA1, Some(("\ne", "b\n"))),
            ("gpgsig-sha256 c\n d\ngpgsig b\n\ne", SHA1, Some(("\ne", "b\n"))),
            ("gpgsig b\na\ngpgsig c\n", SHA1, Some(("a\n", "b\nc\n"))),
            ("gpgsigs b\n c\ngpgsig d\n", SHA1, Some(("", "d\n"))),
            ("a\n b\ngpgsig c", SHA1, Some(("a\n b\n", "c"))),
            ("a\n\ngpgsig b\n", SHA1, None),
            ("gpgsig\n\na", SHA1, None),
            ("", SHA1, None),
        ] {
            let found = signed_part_of_commit(commit.as_bytes(), format);
            let expected = part.map(|(payload, signature)| SignedPart {
                payload: payload.as_bytes().into(),
                signature: signature.as_bytes().into(),
            });
            assert_eq!(found, expected, "{commit:?}");
        }
    }

    /// Lines that mean something to the readers, and others.
    fn object_like() -> impl Strategy<Value = Vec<u8>> {
        let lines = [
            "object 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n",
            "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n",
            "parent 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n",
            "type commit\n",
            "tag v1\n",
            "tagger A\n",
            "author A\n",
            "committer A\n",
            "gpgsig a\n",
            "gpgsig-sha256 a\n",
            "gpgsigs\n",
            " b\n",
            "\n",
            "-----BEGIN SSH SIGNATURE-----\n",
            "-----BEGIN PGP SIGNATURE-----\n",
        ];
        let line = prop_oneof![
            4 => prop::sample::select(lines.to_vec()).prop_map(|line| line.as_bytes().to_vec()),
            1 => prop::collection::vec(any::<u8>(), 0..12),
        ];
        prop::collection::vec(line, 0..16).prop_map(|lines| lines.concat())
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_no_signature_is_invented(bytes in object_like(), is_sha1: bool) {
            let format = if is_sha1 { SHA1 } else { SHA256 };
            let _ = (TagObject::parse(&bytes, format), CommitObject::parse(&bytes, format));
            if let Some(part) = signed_part_of_tag(&bytes) {
                prop_assert!(bytes.ends_with(&part.signature));
                prop_assert!(SIGNATURE_BEGINNINGS.iter().any(|beginning| part.signature.starts_with(beginning)));
                prop_assert!(part.payload.len() + part.signature.len() <= bytes.len());
            }
            if let Some(part) = signed_part_of_commit(&bytes, format) {
                prop_assert!(part.payload.len() + part.signature.len() < bytes.len());
                prop_assert!(signed_part_of_commit(&part.payload, format).is_none(), "the payload is unsigned");
            }
        }
    }
}
