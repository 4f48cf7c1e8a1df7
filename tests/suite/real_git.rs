//! Repositories that the real `git` made are read by `rollbook`, and the other way round.
//!
//! Ignored by default, since not every machine has the programs: `cargo test -- --include-ignored`.

#![expect(clippy::unwrap_used, reason = "the lint knows tests by their attribute, and not what they call")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use ed25519_dalek::{Signer, SigningKey};
use rollbook::cli::demo::repository::{DemoRepository, Person};
use rollbook::cli::git_objects::ObjectSigner;
use rollbook::linkage::git::credentials::{remote_name, strip_credentials};
use rollbook::linkage::git::resolve::{Revision, resolve};
use rollbook::linkage::git::{GitError, ObjectFormat};
use rollbook::signing::public_key::PublicKey;

const ADA: Person<'static> = Person { name: "Ada Lovelace", email: "ada@example.com" };

/// Runs git without any configuration but the repository's own.
fn try_git(directory: &Path, arguments: &[&str]) -> Output {
    Command::new("git")
        .current_dir(directory)
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .envs([("GIT_AUTHOR_NAME", "A"), ("GIT_AUTHOR_EMAIL", "a@example.com")])
        .envs([("GIT_COMMITTER_NAME", "A"), ("GIT_COMMITTER_EMAIL", "a@example.com")])
        .output()
        .expect("git is installed")
}

fn git(directory: &Path, arguments: &[&str]) -> String {
    let output = try_git(directory, arguments);
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// Two commits, a lightweight, an annotated and a nested tag, in `infra` below `parent`.
fn sample(parent: &Path, format: &str) -> PathBuf {
    let path = parent.join("infra");
    git(parent, &["init", "--quiet", "--initial-branch=main", &format!("--object-format={format}"), "infra"]);
    for message in ["first", "second"] {
        std::fs::write(path.join("file"), message).unwrap();
        git(&path, &["add", "file"]);
        git(&path, &["commit", "--quiet", "--message", message]);
    }
    git(&path, &["tag", "light", "HEAD~1"]);
    git(&path, &["tag", "--annotate", "--message=release", "v1"]);
    git(&path, &["tag", "--annotate", "--message=approved", "v1-approved", "v1"]);
    git(&path, &["tag", "--annotate", "--message=tree", "tree", "HEAD^{tree}"]);
    path
}

fn require_agreement(path: &Path, format: ObjectFormat) {
    for rev in ["HEAD", "main", "HEAD~1", "v1", "v1-approved^{commit}", "light", "@"] {
        let resolved = resolve(path, Revision::Rev(rev)).unwrap();
        let expected = git(path, &["rev-parse", &format!("{rev}^{{commit}}")]);
        assert_eq!(resolved.commit.id.to_string(), expected, "{rev}");
        assert_eq!(resolved.object_format, format);
        let abbreviated = git(path, &["rev-parse", "--short", &expected]);
        assert_eq!(resolve(path, Revision::Rev(&abbreviated)).unwrap().commit, resolved.commit);
        let bytes = try_git(path, &["cat-file", "commit", &expected]).stdout;
        assert_eq!(resolved.commit.bytes, bytes, "{rev}");
    }
    for (name, tags) in [("light", vec![]), ("v1", vec!["v1"]), ("v1-approved", vec!["v1-approved", "v1"])] {
        let tag = resolve(path, Revision::Tag(name)).unwrap().tag.unwrap();
        let expected: Vec<String> = tags.iter().map(|tag| git(path, &["rev-parse", tag])).collect();
        let actual: Vec<String> = tag.objects.iter().map(|object| object.id.to_string()).collect();
        assert_eq!(actual, expected, "{name}");
        if let Some(object) = tag.object() {
            assert_eq!(object.bytes, try_git(path, &["cat-file", "tag", name]).stdout);
        }
    }
    assert!(matches!(resolve(path, Revision::Tag("tree")), Err(GitError::NotACommit { .. })));
    assert!(matches!(resolve(path, Revision::Tag("main")), Err(GitError::UnknownTag { .. })));
}

#[test]
#[ignore = "needs git"]
fn loose_packed_bare_and_linked_repositories_of_both_formats_agree_with_git() {
    for (name, format) in [("sha1", ObjectFormat::Sha1), ("sha256", ObjectFormat::Sha256)] {
        let parent = tempfile::tempdir().unwrap();
        let path = sample(parent.path(), name);
        require_agreement(&path, format);

        git(parent.path(), &["clone", "--quiet", "--bare", "infra", "bare.git"]);
        require_agreement(&parent.path().join("bare.git"), format);
        git(&path, &["worktree", "add", "--quiet", "--detach", "../linked"]);
        require_agreement(&parent.path().join("linked"), format);
        git(parent.path(), &["clone", "--quiet", "--shared", "infra", "shared"]);
        require_agreement_of_clone(&parent.path().join("shared"));

        git(&path, &["gc", "--quiet", "--aggressive", "--prune=now"]);
        git(&path, &["pack-refs", "--all"]);
        assert!(!path.join(".git/refs/tags/v1").exists(), "the tags are packed");
        require_agreement(&path, format);
        require_agreement(&parent.path().join("linked"), format);
    }
}

/// A clone whose objects lie in another repository.
fn require_agreement_of_clone(path: &Path) {
    let resolved = resolve(path, Revision::Tag("v1")).unwrap();
    assert_eq!(resolved.commit.id.to_string(), git(path, &["rev-parse", "v1^{commit}"]));
}

#[test]
#[ignore = "needs git"]
fn repositories_are_named_by_origin_or_directory_from_every_work_tree() {
    let parent = tempfile::tempdir().unwrap();
    let path = sample(parent.path(), "sha1");
    git(&path, &["worktree", "add", "--quiet", "--detach", "../linked"]);
    let linked = parent.path().join("linked");
    assert_eq!(remote_name(&path).as_deref(), Some("infra"));
    assert_eq!(remote_name(&linked).as_deref(), Some("infra"));
    let url = "https://me:s3cret@example.com/org/infra.git?access_token=x";
    git(&path, &["remote", "add", "origin", url]);
    assert_eq!(remote_name(&path), Some(strip_credentials(url)));
    assert_eq!(remote_name(&linked).as_deref(), Some("https://example.com/org/infra.git"));
}

#[test]
#[ignore = "needs git and ssh-keygen"]
fn demo_repository_is_clean_sound_and_its_tags_verify() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("infra");
    let repository = DemoRepository::create(&path).unwrap();
    let sign_with = |key: &SigningKey, bytes: &[u8]| key.sign(bytes).to_bytes();
    let (allowed, stranger) = (SigningKey::from_bytes(&[1; 32]), SigningKey::from_bytes(&[2; 32]));
    let key_of = |key: &SigningKey| PublicKey::from_bytes(key.verifying_key().to_bytes());
    repository.allow_signer(ADA, key_of(&allowed)).unwrap();

    let time = "2026-03-01T09:30:00Z".parse().unwrap();
    let manifest = "deploy/production/model.yaml";
    for (number, message) in ["Pin 1.0.0", "Pin 1.1.0\n\nWith a body."].iter().enumerate() {
        let content = format!("digest: sha256:{number:064}\n");
        let files = [(manifest, content.as_str()), ("README.md", "# infra\n")];
        let commit = repository.commit(&files, ADA, message, time).unwrap();
        for (key, kind) in [(&allowed, "release"), (&stranger, "foreign")] {
            let sign = |bytes: &[u8]| sign_with(key, bytes);
            let signer = ObjectSigner { public_key: key_of(key), sign: &sign };
            repository.tag(&format!("{kind}-{number}"), commit, "Release", ADA, time, signer).unwrap();
        }
    }

    assert_eq!(git(&path, &["status", "--porcelain", "--untracked-files=all"]), "");
    git(&path, &["diff-index", "--quiet", "--cached", "HEAD"]);
    git(&path, &["fsck", "--strict", "--no-dangling"]);
    assert_eq!(git(&path, &["rev-list", "--count", "main"]), "2");
    assert_eq!(git(&path, &["show", &format!("HEAD:{manifest}")]), format!("digest: sha256:{:064}", 1));
    for directory in [path.clone(), path.join("deploy")] {
        for number in 0..2 {
            git(&directory, &["verify-tag", &format!("release-{number}")]);
            let foreign = try_git(&directory, &["verify-tag", &format!("foreign-{number}")]);
            assert!(!foreign.status.success(), "a key that isn't allowed verifies");
        }
    }
    assert_eq!(
        git(&path, &["log", "-1", "--format=%an <%ae> %cI"]),
        "Ada Lovelace <ada@example.com> 2026-03-01T09:30:00+00:00"
    );
}
