//! A real Git repository for the demonstration, built without the git program and without
//! ssh-keygen: commits, a clean work tree, and annotated tags with SSH signatures.
//!
//! `git verify-tag` accepts the tags whose signers are in the `allowed_signers` file, which the
//! repository's own configuration names. Signing itself is handed in.
//!
//! Formats: gitformat-signature(5).

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gix::bstr::ByteSlice as _;
use gix::objs::Kind;
use gix::objs::Write as _;
use gix::objs::tree::EntryKind;
use gix::refs::transaction::{PreviousValue, RefEdit};

use crate::cli::git_objects::{ObjectSigner, ssh_public_key, ssh_signature};
use crate::linkage::git::ObjectId;
use crate::signing::public_key::PublicKey;
use crate::time::{SECOND_MS, Timestamp};

const BRANCH: &str = "refs/heads/main";

/// Inside the repository's `.git`, so that the work tree stays clean.
const ALLOWED_SIGNERS: &str = "allowed_signers";

/// A name and an address, as Git writes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Person<'a> {
    /// Such as `Ada Lovelace`.
    pub name: &'a str,
    /// Such as `ada@example.com`; also the principal in `allowed_signers`.
    pub email: &'a str,
}

/// Why the demonstration's repository could not be built.
#[derive(Debug, thiserror::Error)]
pub enum DemoRepositoryError {
    /// A file of it cannot be written.
    #[error("{}: {reason}", path.display())]
    Write {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
    /// A name, address, message or file name that Git cannot hold.
    #[error("{what:?} cannot stand in a Git object")]
    Unfit {
        /// Which one.
        what: String,
    },
    /// Git's own formats could not be written.
    #[error("{}: {action}: {reason}", path.display())]
    Git {
        /// The repository.
        path: PathBuf,
        /// What was being done.
        action: &'static str,
        /// What went wrong.
        reason: String,
    },
}

/// A repository with one branch, `main`, whose work tree holds the newest commit.
pub struct DemoRepository {
    git: gix::Repository,
    path: PathBuf,
}

impl DemoRepository {
    /// Makes an empty SHA-1 repository with a work tree at `path`, which may exist but holds no
    /// `.git` yet. The configuration of the user and the machine is left out of it.
    ///
    /// # Errors
    /// [`DemoRepositoryError`] where it cannot be written.
    pub fn create(path: &Path) -> Result<Self, DemoRepositoryError> {
        let failed = |error: gix::Error| git_error(path, "creating the repository", &error);
        let git = gix::ThreadSafeRepository::init_opts(
            path,
            gix::create::Kind::WithWorktree,
            gix::create::Options::default(),
            gix::open::Options::isolated(),
        )
        .map_err(failed)?
        .to_thread_local();
        let repository = Self { git, path: path.to_owned() };
        repository.configure_signers()?;
        Ok(repository)
    }

    /// The repository's top directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file of keys that `git verify-tag` accepts here.
    #[must_use]
    pub fn allowed_signers_path(&self) -> PathBuf {
        self.path.join(".git").join(ALLOWED_SIGNERS)
    }

    /// Lets `git verify-tag` accept tags signed with `key`, as `person`'s.
    ///
    /// # Errors
    /// [`DemoRepositoryError`] where the address is unfit or the file cannot be written.
    pub fn allow_signer(&self, person: Person<'_>, key: PublicKey) -> Result<(), DemoRepositoryError> {
        require_fit(person.email, "<>\n\0 \t,\"*?!")?;
        let line = format!(
            "{} namespaces=\"git\" ssh-ed25519 {}\n",
            person.email,
            STANDARD.encode(ssh_public_key(key))
        );
        append(&self.allowed_signers_path(), &line)
    }

    /// Commits the branch's files with `files` (path, content) added or replaced, and checks them out.
    /// Author and committer are one; times are whole seconds, UTC. Paths have `/` between components.
    ///
    /// # Errors
    /// [`DemoRepositoryError`] where a name is unfit or something cannot be written.
    pub fn commit(
        &self,
        files: &[(&str, &str)],
        author: Person<'_>,
        message: &str,
        time: Timestamp,
    ) -> Result<ObjectId, DemoRepositoryError> {
        let signature = signature_line(author, time)?;
        require_fit(message, "\0")?;
        let parent = self.tip()?;
        let tree = self.write_tree(parent, files)?;
        let parent = parent.map_or_else(String::new, |parent| format!("parent {parent}\n"));
        let text = format!(
            "tree {tree}\n{parent}author {signature}\ncommitter {signature}\n\n{}\n",
            message.trim_end()
        );
        let commit = self.write_object(Kind::Commit, &text)?;
        // The index first: it refuses paths that leave the work tree.
        let index = self.git.index_from_tree(&tree).map_err(self.failed("making the index"))?;
        self.check_out(files)?;
        self.write_index(index)?;
        let log = format!("commit: {}", message.lines().next().unwrap_or_default());
        self.point(BRANCH, commit, PreviousValue::Any, &log, &signature)?;
        Ok(commit.into())
    }

    /// Makes the annotated tag `name` of `commit`, signed by `signer`, and returns the tag object's id.
    /// The signer need not be an allowed one.
    ///
    /// # Errors
    /// [`DemoRepositoryError`] where the tag exists, a name is unfit or something cannot be written.
    pub fn tag(
        &self,
        name: &str,
        commit: ObjectId,
        message: &str,
        tagger: Person<'_>,
        time: Timestamp,
        signer: ObjectSigner<'_>,
    ) -> Result<ObjectId, DemoRepositoryError> {
        let signature = signature_line(tagger, time)?;
        require_fit(name, "\n\0")?;
        require_fit(message, "\0")?;
        let content = format!(
            "object {commit}\ntype commit\ntag {name}\ntagger {signature}\n\n{}\n",
            message.trim_end()
        );
        let text = format!("{content}{}", ssh_signature(content.as_bytes(), "git", signer));
        let tag = self.write_object(Kind::Tag, &text)?;
        self.point(&format!("refs/tags/{name}"), tag, PreviousValue::MustNotExist, "", &signature)?;
        Ok(tag.into())
    }

    /// Git changes to the top of the work tree before it reads this path, so that it may be
    /// relative, and the directory may be moved.
    fn configure_signers(&self) -> Result<(), DemoRepositoryError> {
        let settings =
            format!("[gpg]\n\tformat = ssh\n[gpg \"ssh\"]\n\tallowedSignersFile = .git/{ALLOWED_SIGNERS}\n");
        append(&self.path.join(".git/config"), &settings)?;
        append(&self.allowed_signers_path(), "")
    }

    /// The branch's newest commit, if there is one.
    fn tip(&self) -> Result<Option<gix::ObjectId>, DemoRepositoryError> {
        let failed = self.failed("reading the branch");
        let found = self.git.try_find_reference(BRANCH).map_err(failed)?;
        Ok(found.and_then(|reference| reference.try_id().map(gix::Id::detach)))
    }

    fn write_tree(
        &self,
        parent: Option<gix::ObjectId>,
        files: &[(&str, &str)],
    ) -> Result<gix::ObjectId, DemoRepositoryError> {
        let failed = self.failed("writing the tree");
        let base = match parent {
            Some(commit) => {
                let commit = self.git.find_commit(commit).map_err(&failed)?;
                commit.tree_id().map_err(&failed)?.detach()
            }
            None => gix::ObjectId::empty_tree(self.git.object_hash()),
        };
        let mut editor = self.git.edit_tree(base).map_err(&failed)?;
        for (path, content) in files {
            let blob = self.git.write_blob(content).map_err(&failed)?;
            editor.upsert(*path, EntryKind::Blob, blob).map_err(&failed)?;
        }
        Ok(editor.write().map_err(&failed)?.detach())
    }

    fn write_object(&self, kind: Kind, text: &str) -> Result<gix::ObjectId, DemoRepositoryError> {
        self.git.objects.write_buf(kind, text.as_bytes()).map_err(self.failed("writing an object"))
    }

    fn check_out(&self, files: &[(&str, &str)]) -> Result<(), DemoRepositoryError> {
        for (name, content) in files {
            let path = self.path.join(name);
            let unwritten = |reason| DemoRepositoryError::Write { path: path.clone(), reason };
            fs::create_dir_all(path.parent().unwrap_or(&self.path)).map_err(unwritten)?;
            fs::write(&path, content).map_err(unwritten)?;
        }
        Ok(())
    }

    /// Writes the index with what the system says about the files, so that `git status` is clean.
    fn write_index(&self, mut index: gix::index::File) -> Result<(), DemoRepositoryError> {
        for (entry, name) in index.entries_mut_with_paths() {
            let path = self.path.join(name.to_str_lossy().as_ref());
            let metadata = gix::index::fs::Metadata::from_path_no_follow(&path)
                .map_err(|reason| DemoRepositoryError::Write { path: path.clone(), reason })?;
            // A file from before 1970 keeps zeros, and git will look at its content instead.
            entry.stat = gix::index::entry::Stat::from_fs(&metadata).unwrap_or_default();
        }
        index.write(gix::index::write::Options::default()).map_err(self.failed("writing the index"))
    }

    fn point(
        &self,
        reference: &str,
        target: gix::ObjectId,
        expected: PreviousValue,
        log: &str,
        signature: &str,
    ) -> Result<(), DemoRepositoryError> {
        let unfit = || DemoRepositoryError::Unfit { what: reference.to_owned() };
        let name: gix::refs::FullName = reference.try_into().map_err(|_| unfit())?;
        let committer = gix::actor::SignatureRef::from_bytes(signature.as_bytes()).map_err(|_| unfit())?;
        self.git
            .edit_references_as([RefEdit::update(name, target, expected, log)], Some(committer))
            .map_err(self.failed("writing a reference"))?;
        Ok(())
    }

    fn failed(&self, action: &'static str) -> impl Fn(gix::Error) -> DemoRepositoryError + '_ {
        move |error| git_error(&self.path, action, &error)
    }
}

fn git_error(path: &Path, action: &'static str, error: &gix::Error) -> DemoRepositoryError {
    DemoRepositoryError::Git { path: path.to_owned(), action, reason: error.to_string() }
}

fn append(path: &Path, text: &str) -> Result<(), DemoRepositoryError> {
    let unwritten = |reason| DemoRepositoryError::Write { path: path.to_owned(), reason };
    let mut file = fs::OpenOptions::new().create(true).append(true).open(path).map_err(unwritten)?;
    file.write_all(text.as_bytes()).map_err(unwritten)
}

/// `Name <address> seconds +0000`, the form in commits, tags and reflogs.
fn signature_line(person: Person<'_>, time: Timestamp) -> Result<String, DemoRepositoryError> {
    require_fit(person.name, "<>\n\0")?;
    require_fit(person.email, "<>\n\0")?;
    Ok(format!("{} <{}> {} +0000", person.name, person.email, time.as_millis() / SECOND_MS))
}

fn require_fit(text: &str, forbidden: &str) -> Result<(), DemoRepositoryError> {
    if text.trim().is_empty() || text.contains(|c| forbidden.contains(c)) {
        return Err(DemoRepositoryError::Unfit { what: text.to_owned() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signer, SigningKey};
    use ssh_key::SshSig;

    use super::*;
    use crate::linkage::git::resolve::{Revision, resolve};

    const ADA: Person<'static> = Person { name: "Ada Lovelace", email: "ada@example.com" };
    const MANIFEST: &str = "deploy/production/model.yaml";

    fn time() -> Timestamp {
        "2026-03-01T09:30:00Z".parse().unwrap()
    }

    fn signed_sample(path: &Path, key: &SigningKey) -> (DemoRepository, ObjectId, ObjectId) {
        let repository = DemoRepository::create(path).unwrap();
        let public_key = PublicKey::from_bytes(key.verifying_key().to_bytes());
        repository.allow_signer(ADA, public_key).unwrap();
        repository.commit(&[("README.md", "# infra\n")], ADA, "Begin", time()).unwrap();
        let commit =
            repository.commit(&[(MANIFEST, "digest: sha256:00\n")], ADA, "Pin the model", time()).unwrap();
        let sign = |bytes: &[u8]| key.sign(bytes).to_bytes();
        let signer = ObjectSigner { public_key, sign: &sign };
        let tag = repository.tag("v1", commit, "Release 1", ADA, time(), signer).unwrap();
        (repository, commit, tag)
    }

    #[test]
    fn tag_resolves_to_its_commit_and_its_signature_verifies() {
        let directory = tempfile::tempdir().unwrap();
        let key = SigningKey::from_bytes(&[7; 32]);
        let (repository, commit, tag) = signed_sample(directory.path(), &key);
        let resolved = resolve(repository.path(), Revision::Tag("v1")).unwrap();
        assert_eq!(resolved.commit.id, commit);
        let tag_object = resolved.tag.as_ref().and_then(|tag| tag.object()).unwrap();
        assert_eq!(tag_object.id, tag);

        let text = std::str::from_utf8(&tag_object.bytes).unwrap();
        let start = text.find("-----BEGIN SSH SIGNATURE-----").unwrap();
        let signature: SshSig = text[start..].parse().unwrap();
        assert!(text.lines().all(|line| line.len() <= 70), "as wide as OpenSSH's");
        let public_key =
            ssh_key::PublicKey::from(ssh_key::public::Ed25519PublicKey(key.verifying_key().to_bytes()));
        public_key.verify("git", &text.as_bytes()[..start], &signature).unwrap();
        assert!(public_key.verify("git", b"another text", &signature).is_err());
    }

    #[test]
    fn commits_carry_earlier_files_and_the_work_tree_holds_them_all() {
        let directory = tempfile::tempdir().unwrap();
        let (repository, commit, _) = signed_sample(directory.path(), &SigningKey::from_bytes(&[7; 32]));
        let head = resolve(repository.path(), Revision::Rev("HEAD")).unwrap();
        assert_eq!(head.commit.id, commit);
        assert!(head.commit.bytes.ends_with(b"\n\nPin the model\n"));
        for name in ["README.md", MANIFEST] {
            assert!(
                resolve(repository.path(), Revision::Rev(&format!("HEAD:{name}")))
                    .is_err_and(|error| error.to_string().contains("blob"))
            );
            assert!(directory.path().join(name).is_file());
        }
    }

    #[test]
    fn same_inputs_give_the_same_ids() {
        let key = SigningKey::from_bytes(&[7; 32]);
        let ids = || {
            let directory = tempfile::tempdir().unwrap();
            let (_, commit, tag) = signed_sample(directory.path(), &key);
            (commit, tag)
        };
        assert_eq!(ids(), ids());
    }

    #[test]
    fn unfit_names_and_second_tags_of_one_name_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let key = SigningKey::from_bytes(&[7; 32]);
        let (repository, commit, _) = signed_sample(directory.path(), &key);
        let sign = |bytes: &[u8]| key.sign(bytes).to_bytes();
        let signer = ObjectSigner { public_key: PublicKey::from_bytes([0; 32]), sign: &sign };
        for name in ["v1", "", "a b", "a\nb", "../x"] {
            assert!(repository.tag(name, commit, "x", ADA, time(), signer).is_err(), "{name:?}");
        }
        let forger = Person { name: "A <b", email: "x\ny" };
        assert!(repository.commit(&[], forger, "x", time()).is_err());
        assert!(repository.allow_signer(forger, signer.public_key).is_err());
        for path in ["../outside", ".git/config"] {
            assert!(repository.commit(&[(path, "x")], ADA, "x", time()).is_err(), "{path}");
        }
        assert!(DemoRepository::create(directory.path()).is_err());
    }
}
