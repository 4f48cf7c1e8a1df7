//! Finding a commit, and the tag that names it, in a Git repository on this machine.
//!
//! Objects come back as the raw bytes whose hash is their id, checked here, so that
//! `crate::evidence` can judge their signatures without the repository. Nothing is written, run or
//! fetched; configuration outside the repository, `GIT_*` variables and replacement objects
//! (`refs/replace`) are left out of it, and it doesn't matter who owns the files: bytes are believed
//! for their hash alone.
//!
//! Formats: git's object format (docs/format.md, `git object`); revisions as in gitrevisions(7),
//! without the forms that search messages (`:/text`, `^{/text}`).

use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};

use gix::bstr::BStr;
use gix::objs::Kind;
use gix::revision::spec::parse::ObjectKindHint;
use gix::revision::spec::parse::Options as RevisionOptions;

/// The largest commit or tag that is read, in bytes: the bound of an attachment, which is where a
/// large one ends up. Without it a doctored repository could ask for any amount of memory.
const OBJECT_BYTES_MAX: u64 = 64 << 20;

/// How many tags may stand one behind the other. Git sets no bound; a tag of a tag is rare, and a
/// chain longer than this is no release.
const TAG_CHAIN_MAX: usize = 16;

/// The hash that a repository names its objects by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectFormat {
    /// Ids of 20 bytes.
    Sha1,
    /// Ids of 32 bytes.
    Sha256,
}

impl fmt::Display for ObjectFormat {
    /// As git's `extensions.objectFormat` has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
        })
    }
}

/// The id of a Git object: 20 or 32 bytes, shown as lower-case hex.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId(gix::ObjectId);

impl ObjectId {
    /// The raw bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_slice()
    }

    /// The hash it was made with.
    #[must_use]
    pub fn format(&self) -> ObjectFormat {
        format_of(self.0.kind())
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.as_bytes()))
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<gix::ObjectId> for ObjectId {
    fn from(id: gix::ObjectId) -> Self {
        Self(id)
    }
}

/// An object's id and the bytes it is the hash of, without the `<type> <size>\0` before them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawObject {
    /// Its id, checked against the bytes.
    pub id: ObjectId,
    /// The object as Git hashes and signs it.
    pub bytes: Vec<u8>,
}

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

/// Why a commit could not be found. Reasons are in Git's or the system's words.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// A `file:` URL that names no path of this machine.
    #[error("`{url}` is not a path of this machine")]
    NotLocal {
        /// What was given.
        url: String,
    },
    /// No repository stands there, or none that can be opened.
    #[error("{}: not a Git repository: {reason}", path.display())]
    NotARepository {
        /// Where.
        path: PathBuf,
        /// What is missing.
        reason: String,
    },
    /// The revision names nothing, or more than one thing.
    #[error("{}: no single commit is named by revision `{revision}`: {reason}", repository.display())]
    UnknownRevision {
        /// What was asked for.
        revision: String,
        /// Where it was looked for.
        repository: PathBuf,
        /// What was found instead.
        reason: String,
    },
    /// There is no tag of that name.
    #[error("{}: there is no tag `{name}`", repository.display())]
    UnknownTag {
        /// What was asked for.
        name: String,
        /// Where it was looked for.
        repository: PathBuf,
    },
    /// What was named is, or leads to, something other than a commit.
    #[error("{}: {revision} leads to {id}, a {kind}, not to a commit", repository.display())]
    NotACommit {
        /// What was asked for, with its sort.
        revision: String,
        /// Where it was looked for.
        repository: PathBuf,
        /// The object at the end.
        id: ObjectId,
        /// Its type: tree or blob.
        kind: String,
    },
    /// Tags of tags of tags.
    #[error("{}: {revision} leads through more than {TAG_CHAIN_MAX} tags", repository.display())]
    TagChainTooLong {
        /// What was asked for, with its sort.
        revision: String,
        /// Where it was looked for.
        repository: PathBuf,
    },
    /// An object that the repository should hold and doesn't, or holds damaged.
    #[error("{}: object {id} cannot be read: {reason}", repository.display())]
    UnreadableObject {
        /// Which one.
        id: ObjectId,
        /// Where it was looked for.
        repository: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A commit or tag beyond the bound.
    #[error("{}: object {id} has {size} bytes; at most {OBJECT_BYTES_MAX} are read", repository.display())]
    TooLarge {
        /// Which one.
        id: ObjectId,
        /// Where it was found.
        repository: PathBuf,
        /// Its size in bytes.
        size: u64,
    },
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

/// What to call the repository at `repository` (a path or `file:` URL) in a record: the URL that
/// `origin` is fetched from, without credentials; without an origin, the name of its directory.
/// None where no repository stands there, or its directory has no name that is UTF-8.
#[must_use]
pub fn remote_name(repository: &Path) -> Option<String> {
    let repository = Repository::open(repository).ok()?;
    if let Some(url) = repository.git.config_snapshot().string("remote.origin.url") {
        let url = String::from_utf8(url.into()).ok()?;
        if !url.is_empty() {
            return Some(strip_credentials(&url));
        }
    }
    let common_dir = std::fs::canonicalize(repository.git.common_dir()).ok()?;
    let top = if common_dir.ends_with(".git") { common_dir.parent()? } else { &common_dir };
    top.file_name()?.to_str().map(str::to_owned)
}

/// A repository's URL without what could be a secret, for records that are kept for ever.
///
/// - `https:`, `http:` and every other scheme but SSH's: user and password go, since a token often
///   stands in the user's place.
/// - `ssh:` (also `git+ssh:`, `ssh+git:`) and the form `user@host:path`: the password goes; the user,
///   usually `git`, is part of the address, and stays.
/// - Query and fragment go (`?access_token=…`), but for `file:` URLs, where they'd be part of a path.
/// - A helper's prefix (`helper::address`) stays, and the address is treated by itself.
/// - Passwords that should have been percent-encoded and weren't (`/` in them) go as well.
/// - Paths stay as they are.
#[must_use]
pub fn strip_credentials(url: &str) -> String {
    let url = url.trim();
    if let Some((scheme, rest)) = url.split_once("://")
        && is_scheme(scheme)
    {
        return strip_from_url(scheme, rest);
    }
    if let Some((helper, address)) = url.split_once("::")
        && is_scheme(helper)
    {
        return format!("{helper}::{}", strip_credentials(address));
    }
    strip_from_scp_form(url)
}

fn format_of(kind: gix::hash::Kind) -> ObjectFormat {
    if kind == gix::hash::Kind::Sha256 { ObjectFormat::Sha256 } else { ObjectFormat::Sha1 }
}

/// An opened repository, and the path that messages name.
struct Repository {
    git: gix::Repository,
    path: PathBuf,
}

impl Repository {
    fn open(path: &Path) -> Result<Self, GitError> {
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

    fn target_of(&self, tag: &RawObject) -> Result<gix::ObjectId, GitError> {
        let target = gix::objs::TagRefIter::from_bytes(&tag.bytes, self.git.object_hash()).target_id();
        target.map_err(|error| self.unreadable(tag.id, reason_of(&error)))
    }

    /// Reads an object, and checks its bytes against its id.
    fn read(&self, id: gix::ObjectId) -> Result<(Kind, RawObject), GitError> {
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

    fn unreadable(&self, id: ObjectId, reason: String) -> GitError {
        GitError::UnreadableObject { id, repository: self.path.clone(), reason }
    }
}

/// The whole chain of causes, in one line.
fn reason_of(error: &gix::Error) -> String {
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

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

fn strip_from_url(scheme: &str, rest: &str) -> String {
    let lower = scheme.to_ascii_lowercase();
    if lower == "file" {
        return format!("{scheme}://{rest}");
    }
    let (user_info, address) = split_user_info(rest);
    let user = user_info.split(':').next().filter(|user| !user.is_empty());
    let address = address.split(['?', '#']).next().unwrap_or_default();
    match user.filter(|_| ["ssh", "git+ssh", "ssh+git"].contains(&lower.as_str())) {
        Some(user) => format!("{scheme}://{user}@{address}"),
        None => format!("{scheme}://{address}"),
    }
}

/// Splits `user:password@host…` at its `@`, and drops a "port" that is no number: it can only be the
/// beginning of a password with a `/`, `?` or `#` in it.
fn split_user_info(rest: &str) -> (&str, String) {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if let Some(at) = authority.rfind('@') {
        return (&rest[..at], rest[at + 1..].to_owned());
    }
    let after_brackets = authority.rfind(']').map_or(0, |end| end + 1);
    let Some(colon) = authority[after_brackets..].find(':').map(|at| at + after_brackets) else {
        return ("", rest.to_owned());
    };
    if authority[colon + 1..].bytes().all(|byte| byte.is_ascii_digit()) {
        return ("", rest.to_owned());
    }
    match rest.rfind('@') {
        Some(at) => (&rest[..at], rest[at + 1..].to_owned()),
        None => ("", format!("{}{}", &authority[..colon], &rest[authority.len()..])),
    }
}

/// `user:password@host:path` isn't a form that git knows, but people write it; all else stays.
fn strip_from_scp_form(url: &str) -> String {
    let kept = || url.to_owned();
    let Some((user_info, address)) = url.split_once('@') else { return kept() };
    match user_info.split_once(':') {
        Some((user, _)) if !user_info.contains(['/', '\\']) && address.contains(':') => {
            format!("{user}@{address}")
        }
        _ => kept(),
    }
}

#[cfg(test)]
mod tests {
    use gix::objs::Write;
    use gix::refs::transaction::{PreviousValue, RefEdit};
    use proptest::prelude::*;

    use super::*;

    const NOBODY: &str = "Nobody <nobody@example.com> 1700000000 +0000";

    /// A repository written object by object.
    struct Sample {
        directory: tempfile::TempDir,
        git: gix::Repository,
    }

    impl Sample {
        fn new(hash: gix::hash::Kind, kind: gix::create::Kind) -> Self {
            let directory = tempfile::tempdir().unwrap();
            let create = gix::create::Options { object_hash: Some(hash), ..Default::default() };
            let git = gix::ThreadSafeRepository::init_opts(
                directory.path(),
                kind,
                create,
                gix::open::Options::isolated(),
            )
            .unwrap()
            .to_thread_local();
            Self { directory, git }
        }

        fn path(&self) -> &Path {
            self.directory.path()
        }

        fn write(&self, kind: Kind, text: &str) -> gix::ObjectId {
            self.git.objects.write_buf(kind, text.as_bytes()).unwrap()
        }

        fn commit(&self, message: &str) -> gix::ObjectId {
            let tree = self.write(Kind::Tree, "");
            let text = format!("tree {tree}\nauthor {NOBODY}\ncommitter {NOBODY}\n\n{message}\n");
            self.write(Kind::Commit, &text)
        }

        fn tag(&self, name: &str, target: gix::ObjectId, kind: Kind) -> gix::ObjectId {
            let text = format!("object {target}\ntype {kind}\ntag {name}\ntagger {NOBODY}\n\n{name}\n");
            self.write(Kind::Tag, &text)
        }

        fn point(&self, reference: &str, target: gix::ObjectId) {
            let edit = RefEdit::update(reference.try_into().unwrap(), target, PreviousValue::Any, "");
            let time = NOBODY.parse_signature();
            self.git.edit_references_as([edit], Some(time)).unwrap();
        }

        fn rev(&self, rev: &str) -> Result<ResolvedCommit, GitError> {
            resolve(self.path(), Revision::Rev(rev))
        }

        fn tagged(&self, name: &str) -> Result<ResolvedCommit, GitError> {
            resolve(self.path(), Revision::Tag(name))
        }
    }

    trait ParseSignature {
        fn parse_signature(&self) -> gix::actor::SignatureRef<'_>;
    }

    impl ParseSignature for str {
        fn parse_signature(&self) -> gix::actor::SignatureRef<'_> {
            gix::actor::SignatureRef::from_bytes(self.as_bytes()).unwrap()
        }
    }

    fn every_sort() -> Vec<Sample> {
        let hashes = [gix::hash::Kind::Sha1, gix::hash::Kind::Sha256];
        let kinds = [gix::create::Kind::WithWorktree, gix::create::Kind::Bare];
        hashes.iter().flat_map(|&hash| kinds.iter().map(move |&kind| Sample::new(hash, kind))).collect()
    }

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

    #[test]
    fn repository_is_named_by_its_origin_without_credentials_or_by_its_directory() {
        let sample = Sample::new(gix::hash::Kind::Sha1, gix::create::Kind::WithWorktree);
        let directory = sample.path().file_name().unwrap().to_str().unwrap();
        assert_eq!(remote_name(sample.path()).as_deref(), Some(directory));

        let config = sample.path().join(".git/config");
        let text = std::fs::read_to_string(&config).unwrap();
        let origin = "[remote \"origin\"]\n\turl = https://me:s3cret@example.com/infra.git\n";
        std::fs::write(&config, format!("{text}{origin}")).unwrap();
        assert_eq!(remote_name(sample.path()).as_deref(), Some("https://example.com/infra.git"));
    }

    #[test]
    fn credentials_go_and_addresses_stay() {
        for (given, expected) in [
            ("https://example.com/a/b.git", "https://example.com/a/b.git"),
            ("https://user:pw@example.com/a/b.git", "https://example.com/a/b.git"),
            ("https://ghp_token@github.com/a/b", "https://github.com/a/b"),
            ("HTTPS://u:p@example.com:8443/a", "HTTPS://example.com:8443/a"),
            ("https://u:p@ss@example.com/a", "https://example.com/a"),
            ("https://u:p/ss@example.com/a", "https://example.com/a"),
            ("https://u:p#ss?x@example.com/a", "https://example.com/a"),
            ("https://u:p/ss/a", "https://u/ss/a"),
            ("https://example.com/a?access_token=x", "https://example.com/a"),
            ("https://example.com/a#token", "https://example.com/a"),
            ("https://example.com?private_token=x", "https://example.com"),
            ("https://example.com/@scope/pkg@2", "https://example.com/@scope/pkg@2"),
            ("https://example.com:443/@scope/pkg", "https://example.com:443/@scope/pkg"),
            ("https://u:p@[::1]:8443/a", "https://[::1]:8443/a"),
            ("https://[::1]/a@b", "https://[::1]/a@b"),
            ("http://:p@example.com/a", "http://example.com/a"),
            ("ftp://u:p@example.com/a", "ftp://example.com/a"),
            ("git://u:p@example.com/a", "git://example.com/a"),
            ("ssh://git@example.com:22/a.git", "ssh://git@example.com:22/a.git"),
            ("ssh://git:pw@example.com/a.git", "ssh://git@example.com/a.git"),
            ("ssh://:pw@example.com/a.git", "ssh://example.com/a.git"),
            ("git+ssh://git:pw@example.com/a", "git+ssh://git@example.com/a"),
            ("git+https://tok@example.com/a", "git+https://example.com/a"),
            ("git@github.com:a/b.git", "git@github.com:a/b.git"),
            ("git:pw@example.com:a/b.git", "git@example.com:a/b.git"),
            ("example.com:a/b@v1.git", "example.com:a/b@v1.git"),
            ("example.com:b@v1", "example.com:b@v1"),
            ("codecommit::eu-west-1://profile@repo", "codecommit::eu-west-1://repo"),
            ("persistent-https::https://u:p@example.com/a", "persistent-https::https://example.com/a"),
            ("file:///srv/git/a?b@c:d#e", "file:///srv/git/a?b@c:d#e"),
            ("/srv/git/a@b:c@d:e", "/srv/git/a@b:c@d:e"),
            ("../a:b@c:d", "../a:b@c:d"),
            (" https://u:p@example.com/a\n", "https://example.com/a"),
            ("", ""),
        ] {
            assert_eq!(strip_credentials(given), expected, "{given}");
        }
    }

    proptest! {
        #[test]
        fn no_password_survives_and_stripping_twice_changes_nothing(
            scheme in "https?|ssh|git|ftp|git\\+ssh|codecommit::[a-z]{2,5}|hg::https",
            user in "[a-z0-9]{0,8}",
            secret in "S3CRET[A-Za-z0-9/@:#?%!&=+-]{0,12}",
            path in "[a-z/.@-]{0,12}",
        ) {
            let stripped = strip_credentials(&format!("{scheme}://{user}:{secret}@example.com/{path}"));
            prop_assert!(!stripped.contains("S3CRET"), "{}", stripped);
            prop_assert_eq!(strip_credentials(&stripped), stripped.clone());
        }

        #[test]
        fn no_input_panics(text in ".{0,40}", url in "[a-z@:/?#\\[\\]é%]{0,30}") {
            let _ = strip_credentials(&text);
            let _ = strip_credentials(&format!("x://{url}"));
            let _ = local_path(Path::new(&format!("file:{url}")));
        }
    }
}
