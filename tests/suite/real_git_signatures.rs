//! Signatures that the real `git` and `ssh-keygen` made, judged here as `git verify-tag` and `git verify-commit` judge
//! them: one verdict, under the same allowed signers and at the same time.
//!
//! Ignored by default, since not every machine has the programs: `cargo test -- --include-ignored`.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rollbook::event::infra::{GitId, GitObject, GitTag, InfraCommit, ObjectBytes};
use rollbook::event::list::Ascending;
use rollbook::event::text::Name;
use rollbook::evidence::allowed_signers::{AllowedSigners, NotAllowed};
use rollbook::evidence::git_object::ObjectKind;
use rollbook::evidence::git_signature::{SignatureFault, Signed, SshKey};
use rollbook::evidence::infra::{ObjectFault, examine};
use rollbook::hash::Hash;
use rollbook::time::Timestamp;

/// When everything here is committed and tagged, as Git and as `allowed_signers` write it.
const MADE: &str = "2026-03-01T09:30:00Z";
const FORMATS: [&str; 2] = ["sha1", "sha256"];

/// The keys that people have, as `ssh-keygen` takes them.
const KEYS: [(&str, &[&str]); 7] = [
    ("ed25519", &["-t", "ed25519"]),
    ("ecdsa256", &["-t", "ecdsa", "-b", "256"]),
    ("ecdsa384", &["-t", "ecdsa", "-b", "384"]),
    ("ecdsa521", &["-t", "ecdsa", "-b", "521"]),
    ("rsa2048", &["-t", "rsa", "-b", "2048"]),
    ("rsa3072", &["-t", "rsa", "-b", "3072"]),
    ("stranger", &["-t", "ed25519"]),
];

/// A directory of keys, and a repository that signs with them.
struct Bench {
    directory: tempfile::TempDir,
    format: &'static str,
}

impl Bench {
    fn new(format: &'static str) -> Self {
        let bench = Self { directory: tempfile::tempdir().unwrap(), format };
        for (name, arguments) in KEYS {
            bench.run("ssh-keygen", &[&["-q", "-N", "", "-C", name, "-f", name], arguments].concat());
        }
        bench.run(
            "git",
            &["init", "--quiet", "--initial-branch=main", &format!("--object-format={format}"), "infra"],
        );
        bench.git(&["config", "gpg.format", "ssh"]);
        bench.git(&["config", "gpg.ssh.allowedSignersFile", &bench.path("allowed").display().to_string()]);
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, text: &[u8]) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// A command without any configuration but the repository's own, at [`MADE`], in UTC.
    fn command(&self, program: &str, directory: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.current_dir(directory).args(arguments).stdin(Stdio::null()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.directory.path()).env("GNUPGHOME", self.path("gnupg")).env("TZ", "UTC");
        command.envs([("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_CONFIG_GLOBAL", "/dev/null")]);
        command.envs([("GIT_AUTHOR_NAME", "A"), ("GIT_AUTHOR_EMAIL", "a@example.com")]);
        command.envs([("GIT_COMMITTER_NAME", "A"), ("GIT_COMMITTER_EMAIL", "a@example.com")]);
        command.envs([("GIT_AUTHOR_DATE", MADE), ("GIT_COMMITTER_DATE", MADE)]);
        command
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Vec<u8> {
        succeed(self.command(program, self.directory.path(), arguments))
    }

    fn git(&self, arguments: &[&str]) -> Vec<u8> {
        succeed(self.command("git", &self.path("infra"), arguments))
    }

    fn git_text(&self, arguments: &[&str]) -> String {
        String::from_utf8(self.git(arguments)).unwrap().trim_end().to_owned()
    }

    /// A commit signed with the key of that name, and its id.
    fn signed_commit(&self, key: &str, message: &str) -> String {
        let signing_key = format!("user.signingKey={}", self.path(key).display());
        self.git(&[
            "-c",
            &signing_key,
            "commit",
            "--quiet",
            "--allow-empty",
            "--gpg-sign",
            "--message",
            message,
        ]);
        self.git_text(&["rev-parse", "HEAD"])
    }

    /// A tag of `HEAD` signed with the key of that name.
    fn signed_tag(&self, key: &str, tag: &str) {
        let signing_key = format!("user.signingKey={}", self.path(key).display());
        self.git(&["-c", &signing_key, "tag", "--force", "--sign", "--message", "Release", tag]);
    }

    /// Puts an object of these bytes into the repository, whatever they are.
    fn hash_object(&self, kind: ObjectKind, bytes: &str) -> String {
        self.write("object", bytes.as_bytes());
        let path = self.path("object").display().to_string();
        self.git_text(&["hash-object", "-t", kind.as_str(), "-w", "--literally", &path])
    }

    /// The armoured signature of `payload` in that namespace.
    fn ssh_signature(&self, key: &str, namespace: &str, payload: &str) -> String {
        self.write("payload", payload.as_bytes());
        let _ = std::fs::remove_file(self.path("payload.sig"));
        self.run("ssh-keygen", &["-q", "-Y", "sign", "-n", namespace, "-f", key, "payload"]);
        self.read("payload.sig")
    }

    /// A line of `allowed_signers`: principals, options, the key of that name.
    fn allow(&self, principals: &str, options: &str, key: &str) -> String {
        let public = self.read(&format!("{key}.pub"));
        let space = if options.is_empty() { "" } else { " " };
        format!("{principals} {options}{space}{public}")
    }

    /// Whether `git verify-tag` or `git verify-commit` is content.
    fn git_verifies(&self, verb: &str, what: &str) -> bool {
        self.command("git", &self.path("infra"), &[verb, what]).output().unwrap().status.success()
    }

    /// The infra commit as an event holds it: a commit, and perhaps a tag of it.
    fn infra(&self, commit: &str, tag: Option<&str>) -> InfraCommit {
        let commit = self.git_text(&["rev-parse", &format!("{commit}^{{commit}}")]);
        let object = |kind: &str, what: &str| {
            let bytes = self.git(&["cat-file", kind, what]);
            let (sha256, size) = (Hash::of(&bytes), bytes.len() as u64);
            Some(GitObject { sha256, size, bytes: ObjectBytes::new(bytes) })
        };
        InfraCommit {
            repository: Name::new("infra".to_owned()).unwrap(),
            commit: id(&commit),
            tag: tag.map(|tag| GitTag {
                name: Name::new(tag.to_owned()).unwrap(),
                object: Some(id(&self.git_text(&["rev-parse", tag]))),
            }),
            commit_object: object("commit", &commit),
            tag_object: tag.and_then(|tag| object("tag", tag)),
            manifests: Ascending::default(),
            path_proof: None,
        }
    }

    /// Lets the key `ed25519` sign, for Git as for us.
    fn allow_one(&self) -> AllowedSigners {
        let text = self.allow("ada", "", "ed25519");
        self.write("allowed", text.as_bytes());
        AllowedSigners::parse(&text).unwrap()
    }

    /// The header of a commit that holds its signature.
    fn header(&self) -> &'static str {
        if self.format == "sha1" { "gpgsig" } else { "gpgsig-sha256" }
    }

    /// That of a repository of the other format.
    fn other_header(&self) -> &'static str {
        if self.format == "sha1" { "gpgsig-sha256" } else { "gpgsig" }
    }
}

fn succeed(mut command: Command) -> Vec<u8> {
    let Output { status, stdout, stderr } =
        command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(status.success(), "{command:?}: {}", String::from_utf8_lossy(&stderr));
    stdout
}

fn id(hex: &str) -> GitId {
    GitId::from_slice(&hex::decode(hex).unwrap()).unwrap()
}

fn made() -> Timestamp {
    MADE.parse().unwrap()
}

/// Whether a signature is good and its key allowed.
fn is_allowed(signed: &Signed, allowed: &AllowedSigners) -> bool {
    signed.good().is_some_and(|key| allowed.judge(key, made()).is_ok())
}

#[test]
#[ignore = "needs git and ssh-keygen"]
fn tags_and_commits_by_every_kind_of_key_are_good_and_name_the_key() {
    for format in FORMATS {
        let bench = Bench::new(format);
        for (key, _) in KEYS {
            let commit = bench.signed_commit(key, key);
            bench.signed_tag(key, key);
            bench.write("allowed", bench.allow("a@example.com", "", key).as_bytes());
            let evidence = examine(&bench.infra(&commit, Some(key)));
            assert_eq!(evidence.objects, Ok(()), "{format} {key}");
            let printed = bench.run("ssh-keygen", &["-l", "-f", &format!("{key}.pub")]);
            let fingerprint = String::from_utf8(printed).unwrap().split(' ').nth(1).unwrap().to_owned();
            let allowed = AllowedSigners::parse(&bench.read("allowed")).unwrap();
            for (verb, what, signed) in
                [("verify-tag", key, &evidence.tag), ("verify-commit", &*commit, &evidence.commit)]
            {
                assert_eq!(signed.good().map(SshKey::fingerprint), Some(fingerprint.clone()), "{key} {verb}");
                let judged = allowed.judge(signed.good().unwrap(), made()).unwrap();
                assert_eq!((judged.line, &*judged.principals), (1, "a@example.com"));
                assert!(bench.git_verifies(verb, what), "{format} {key} {verb}");
            }
        }
    }
}

#[test]
#[ignore = "needs git and ssh-keygen"]
fn allowed_signers_give_the_verdict_of_git() {
    let bench = Bench::new("sha1");
    let commit = bench.signed_commit("ed25519", "signed");
    bench.signed_tag("ed25519", "v1");
    let evidence = examine(&bench.infra(&commit, Some("v1")));
    let ours = |principals: &str, options: &str| bench.allow(principals, options, "ed25519");
    let expired = "valid-before=\"20260301092959Z\"";
    for (case, text, expected) in [
        ("plain", ours("ada", ""), true),
        ("nobody", String::new(), false),
        ("a comment", format!("# {}", ours("ada", "")), false),
        ("another key", bench.allow("ada", "", "stranger"), false),
        ("two keys", bench.allow("ada", "", "stranger") + &ours("bob", ""), true),
        ("expired", ours("ada", expired), false),
        ("until that second", ours("ada", "valid-before=\"20260301093000Z\""), true),
        ("from that second", ours("ada", "valid-after=\"20260301093000Z\""), true),
        ("from the next second", ours("ada", "valid-after=\"20260301093001Z\""), false),
        ("to the minute", ours("ada", "valid-before=\"202603010930\""), true),
        ("to the day", ours("ada", "valid-before=\"20260301utc\""), false),
        ("within", ours("ada", "valid-after=\"20260101\",valid-before=\"20270101\""), true),
        ("for files", ours("ada", "namespaces=\"file\""), false),
        ("for files and git", ours("ada", "namespaces=\"file,git\""), true),
        ("for g*", ours("ada", "NameSpaces=\"g*\""), true),
        ("for all but git", ours("ada", "namespaces=\"*,!git\""), false),
        ("twice, renewed", ours("ada", expired) + &ours("ada", ""), true),
        ("twice, renewed under another name", ours("ada", expired) + &ours("bob", ""), true),
        ("twice, for files and for git", ours("ada", "namespaces=\"file\"") + &ours("ada", ""), true),
        ("twice, for git under another name", ours("ada", "namespaces=\"file\"") + &ours("bob", ""), false),
        (
            "twice, for git under another name that fits",
            ours("a*", "namespaces=\"file\"") + &ours("*", ""),
            true,
        ),
        ("twice, both expired", ours("ada", expired) + &ours("ada", expired), false),
        ("all but ada", ours("!ada,*", ""), true),
        ("quoted", ours("\"Ada Lovelace\"", ""), true),
        ("tabs and CR", ours("ada\t ", "namespaces=\"git\"\t").replace('\n', "\r\n"), true),
    ] {
        bench.write("allowed", text.as_bytes());
        let allowed = AllowedSigners::parse(&text).unwrap();
        assert_eq!(is_allowed(&evidence.tag, &allowed), expected, "{case}");
        assert_eq!(is_allowed(&evidence.commit, &allowed), expected, "{case}");
        assert_eq!(bench.git_verifies("verify-tag", "v1"), expected, "git, {case}");
        assert_eq!(bench.git_verifies("verify-commit", &commit), expected, "git, {case}");
    }
    let unknown = AllowedSigners::parse(&bench.allow("ada", "", "stranger")).unwrap();
    assert_eq!(unknown.judge(evidence.tag.good().unwrap(), made()), Err(NotAllowed::Unknown));
}

#[test]
#[ignore = "needs git and ssh-keygen"]
fn texts_refused_here_let_nobody_sign_by_git_either() {
    let bench = Bench::new("sha1");
    bench.signed_commit("ed25519", "signed");
    bench.signed_tag("ed25519", "v1");
    let ours = |principals: &str, options: &str| bench.allow(principals, options, "ed25519");
    for text in [
        ours("ada", "cert-authority"),
        ours("!ada", ""),
        ours("ada", "namespaces=git"),
        ours("ada", "namespaces=\"git\","),
        ours("ada", "namespaces=\"git\",namespaces=\"git\""),
        ours("ada", "valid-after=\"19700101Z\""),
        ours("ada", "valid-after=\"2026\""),
        ours("ada", "valid-after=\"20260201\",valid-before=\"20260101\""),
        ours("ada", "no-touch-required"),
        ours("\"ada", ""),
        ours("ad\"a", ""),
        ours("ada", "").replace("ssh-ed25519", "ssh-rsa"),
        "ada\n".to_owned(),
        "ada namespaces=\"git\"\n".to_owned(),
    ] {
        bench.write("allowed", text.as_bytes());
        assert!(AllowedSigners::parse(&text).is_err(), "{text}");
        assert!(!bench.git_verifies("verify-tag", "v1"), "{text}");
    }
}

fn is_good(signed: &Signed) -> bool {
    matches!(signed, Signed::Good(_))
}

fn is_mismatch(signed: &Signed) -> bool {
    *signed == Signed::Bad(SignatureFault::Mismatch)
}

fn is_malformed(signed: &Signed) -> bool {
    matches!(signed, Signed::Bad(SignatureFault::Malformed { .. }))
}

fn is_for_files(signed: &Signed) -> bool {
    *signed == Signed::Bad(SignatureFault::Namespace { namespace: "file".into() })
}

fn is_unsigned(signed: &Signed) -> bool {
    *signed == Signed::Unsigned
}

/// What somebody makes of an object: the bytes that Git signed with the key `ed25519`, and that signature.
type Make = fn(&Bench, payload: &str, signature: &str) -> String;

/// A case, what is made, what we say of it, and whether it is taken, by Git as by us.
type Case = (&'static str, Make, fn(&Signed) -> bool, bool);

const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----";

fn replaced(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from} in {text}");
    text.replacen(from, to, 1)
}

/// `payload`, with another header as its last.
fn with_header(payload: &str, header: &str, value: &str) -> String {
    let value = value.trim_end().replace('\n', "\n ");
    replaced(payload, "\n\n", &format!("\n{header} {value}\n\n"))
}

const TAGS: [Case; 21] = [
    ("as it was", |_, payload, signature| format!("{payload}{signature}"), is_good, true),
    ("unsigned", |_, payload, _| payload.to_owned(), is_unsigned, false),
    (
        "signed again by somebody else",
        |bench, payload, _| format!("{payload}{}", bench.ssh_signature("stranger", "git", payload)),
        is_good,
        false,
    ),
    (
        "altered",
        |_, payload, signature| format!("{}{signature}", replaced(payload, "Release", "Rele\u{e4}se")),
        is_mismatch,
        false,
    ),
    (
        "signed as a file",
        |bench, payload, _| format!("{payload}{}", bench.ssh_signature("ed25519", "file", payload)),
        is_for_files,
        false,
    ),
    (
        "signed over SHA-256",
        |bench, payload, _| {
            bench.write("payload", payload.as_bytes());
            let _ = std::fs::remove_file(bench.path("payload.sig"));
            let sign = ["-q", "-Y", "sign", "-O", "hashalg=sha256", "-n", "git", "-f", "ed25519", "payload"];
            bench.run("ssh-keygen", &sign);
            format!("{payload}{}", bench.read("payload.sig"))
        },
        is_good,
        true,
    ),
    ("text behind", |_, payload, signature| format!("{payload}{signature}and more\n"), is_good, true),
    (
        "the signature with CRLF behind its first line",
        |_, payload, signature| {
            format!("{payload}{}", replaced(&signature.replace('\n', "\r\n"), "-\r\n", "-\n"))
        },
        is_good,
        true,
    ),
    (
        "the signature wrapped elsewhere",
        |_, payload, signature| {
            format!("{payload}{}", replaced(&signature.replace("U1NIU0lH", "U1NI\nU0 lH"), BEGIN, BEGIN))
        },
        is_good,
        true,
    ),
    (
        "the signature not ended",
        |_, payload, signature| format!("{payload}{}", replaced(signature, "-----END", "----END")),
        is_malformed,
        false,
    ),
    (
        "the signature without its last digit",
        |_, payload, signature| format!("{payload}{}", replaced(signature, "\n-----END", "A\n-----END")),
        is_malformed,
        false,
    ),
    (
        "the signature not at the beginning of a line",
        |_, payload, signature| format!("{payload} {signature}"),
        is_unsigned,
        false,
    ),
    (
        "a second signature by somebody else",
        |bench, payload, signature| {
            let signed = format!("{payload}{signature}");
            let second = bench.ssh_signature("stranger", "git", &signed);
            signed + &second
        },
        is_good,
        false,
    ),
    (
        "a second signature by us",
        |bench, payload, _| {
            let signed = format!("{payload}{}", bench.ssh_signature("stranger", "git", payload));
            let second = bench.ssh_signature("ed25519", "git", &signed);
            signed + &second
        },
        is_good,
        true,
    ),
    (
        "the first line of a signature in the message",
        |bench, payload, _| {
            let payload = format!("{payload}{BEGIN}\n-----BEGIN PGP MESSAGE-----\n");
            let signature = bench.ssh_signature("ed25519", "git", &payload);
            payload + &signature
        },
        is_good,
        true,
    ),
    (
        "a last line that begins a signature",
        |_, payload, signature| format!("{payload}{signature}{BEGIN}\n"),
        is_malformed,
        false,
    ),
    (
        "with a gpgsig header",
        |_, payload, signature| with_header(payload, "gpgsig", signature) + signature,
        is_good,
        true,
    ),
    (
        "with both gpgsig headers, and another between",
        |_, payload, signature| {
            let payload = with_header(payload, "gpgsig", signature);
            with_header(&with_header(&payload, "other", "one"), "gpgsig-sha256", "a\nb") + signature
        },
        is_mismatch,
        false,
    ),
    (
        "with both gpgsig headers, and another between, signed as Git reads it",
        |bench, payload, signature| {
            let signed = with_header(payload, "other", "one");
            let tag = with_header(&with_header(payload, "gpgsig", signature), "other", "one");
            with_header(&tag, "gpgsig-sha256", "a\nb") + &bench.ssh_signature("ed25519", "git", &signed)
        },
        is_good,
        true,
    ),
    (
        "with both gpgsig headers side by side",
        |_, payload, signature| {
            with_header(&with_header(payload, "gpgsig", signature), "gpgsig-sha256", "a\nb") + signature
        },
        is_mismatch,
        false,
    ),
    (
        "with a header that only begins like gpgsig",
        |_, payload, signature| with_header(payload, "gpgsigs", "a\nb") + signature,
        is_mismatch,
        false,
    ),
];

const COMMITS: [Case; 11] = [
    ("as it was", |bench, payload, signature| with_header(payload, bench.header(), signature), is_good, true),
    ("unsigned", |_, payload, _| payload.to_owned(), is_unsigned, false),
    (
        "amended",
        |bench, payload, signature| {
            with_header(&replaced(payload, "\n\nsigned", "\n\namended"), bench.header(), signature)
        },
        is_mismatch,
        false,
    ),
    (
        "amended and signed by somebody else",
        |bench, payload, _| {
            let payload = replaced(payload, "\n\nsigned", "\n\namended");
            with_header(&payload, bench.header(), &bench.ssh_signature("stranger", "git", &payload))
        },
        is_good,
        false,
    ),
    (
        "signed as a file",
        |bench, payload, _| {
            with_header(payload, bench.header(), &bench.ssh_signature("ed25519", "file", payload))
        },
        is_for_files,
        false,
    ),
    (
        "the signature in the other format's header",
        |bench, payload, signature| with_header(payload, bench.other_header(), signature),
        is_unsigned,
        false,
    ),
    (
        "a signature in each header",
        |bench, payload, signature| {
            with_header(&with_header(payload, bench.header(), signature), bench.other_header(), "a\nb")
        },
        is_good,
        true,
    ),
    (
        "the header twice",
        |bench, payload, signature| {
            with_header(&with_header(payload, bench.header(), signature), bench.header(), signature)
        },
        is_good,
        true,
    ),
    (
        "a header that begins like gpgsig",
        |bench, payload, signature| {
            with_header(&with_header(payload, "gpgsig-sha512", "a\nb"), bench.header(), signature)
        },
        is_good,
        true,
    ),
    (
        "another header",
        |bench, payload, signature| {
            with_header(&with_header(payload, "encoding", "a\nb"), bench.header(), signature)
        },
        is_mismatch,
        false,
    ),
    (
        "the signature in the message",
        |bench, payload, signature| format!("{payload}{} {}", bench.header(), signature.replace('\n', "\n ")),
        is_unsigned,
        false,
    ),
];

#[test]
#[ignore = "needs git and ssh-keygen"]
fn tags_get_the_verdict_of_git_whatever_is_made_of_them() {
    for format in FORMATS {
        let bench = Bench::new(format);
        let allowed = bench.allow_one();
        bench.signed_commit("ed25519", "signed");
        for (number, (case, make, is, taken)) in TAGS.into_iter().enumerate() {
            let tag = format!("v{number}");
            bench.signed_tag("ed25519", &tag);
            let bytes = String::from_utf8(bench.git(&["cat-file", "tag", &tag])).unwrap();
            let (payload, signature) = bytes.split_at(bytes.find(BEGIN).unwrap());
            let id = bench.hash_object(ObjectKind::Tag, &make(&bench, payload, signature));
            bench.git(&["update-ref", &format!("refs/tags/{tag}"), &id]);

            let evidence = examine(&bench.infra(&tag, Some(&tag)));
            assert_eq!(evidence.objects, Ok(()), "{format}, {case}");
            assert!(is(&evidence.tag), "{format}, {case}: {:?}", evidence.tag);
            assert_eq!(is_allowed(&evidence.tag, &allowed), taken, "{format}, {case}: {:?}", evidence.tag);
            assert_eq!(bench.git_verifies("verify-tag", &tag), taken, "git, {format}, {case}");
        }
    }
}

#[test]
#[ignore = "needs git and ssh-keygen"]
fn commits_get_the_verdict_of_git_whatever_is_made_of_them() {
    for format in FORMATS {
        let bench = Bench::new(format);
        let allowed = bench.allow_one();
        bench.git(&["commit", "--quiet", "--allow-empty", "--message", "signed"]);
        let payload = String::from_utf8(bench.git(&["cat-file", "commit", "HEAD"])).unwrap();
        let signature = bench.ssh_signature("ed25519", "git", &payload);
        for (case, make, is, taken) in COMMITS {
            let commit = bench.hash_object(ObjectKind::Commit, &make(&bench, &payload, &signature));
            let evidence = examine(&bench.infra(&commit, None));
            assert_eq!(evidence.objects, Ok(()), "{format}, {case}");
            assert!(is(&evidence.commit), "{format}, {case}: {:?}", evidence.commit);
            assert_eq!(
                is_allowed(&evidence.commit, &allowed),
                taken,
                "{format}, {case}: {:?}",
                evidence.commit
            );
            assert_eq!(bench.git_verifies("verify-commit", &commit), taken, "git, {format}, {case}");
        }
    }
}

#[test]
#[ignore = "needs git and ssh-keygen"]
fn a_tag_of_a_tag_and_a_tag_under_another_name_do_not_lead_to_the_commit() {
    for format in FORMATS {
        let bench = Bench::new(format);
        bench.git(&["commit", "--quiet", "--allow-empty", "--message", "signed"]);
        bench.signed_tag("ed25519", "v1");
        bench.git(&["update-ref", "refs/tags/v2", "refs/tags/v1"]);
        let renamed = ObjectFault::TagName { said: "v2".into(), actual: "v1".into() };
        assert_eq!(examine(&bench.infra("v2", Some("v2"))).objects, Err(renamed));
        bench.git(&["tag", "--annotate", "--message", "of a tag", "v3", "v1"]);
        let other = ObjectFault::OtherTag { target: id(&bench.git_text(&["rev-parse", "v1"])) };
        assert_eq!(examine(&bench.infra("v3", Some("v3"))).objects, Err(other));
        bench.git(&["commit", "--quiet", "--allow-empty", "--message", "later"]);
        let mut moved = bench.infra("v1", Some("v1"));
        moved.commit = id(&bench.git_text(&["rev-parse", "HEAD"]));
        moved.commit_object = None;
        let fault = examine(&moved).objects.unwrap_err().to_string();
        assert!(fault.starts_with("the tag object leads to commit "), "{fault}");
    }
}

#[test]
#[ignore = "needs git and gpg"]
fn openpgp_signatures_name_their_key_and_are_never_good() {
    let bench = Bench::new("sha1");
    std::fs::create_dir(bench.path("gnupg")).unwrap();
    std::fs::set_permissions(bench.path("gnupg"), std::fs::Permissions::from_mode(0o700)).unwrap();
    for kind in ["ed25519", "rsa2048"] {
        let make =
            ["--batch", "--quiet", "--passphrase", "", "--quick-generate-key", kind, kind, "sign", "never"];
        bench.run("gpg", &make);
        let listed = bench.run("gpg", &["--batch", "--with-colons", "--list-keys", kind]);
        let listed = String::from_utf8(listed).unwrap();
        let fingerprint = listed.lines().find_map(|line| line.strip_prefix("fpr:::::::::")).unwrap();
        let fingerprint = fingerprint.trim_end_matches(':').to_owned();

        let options = ["-c", "gpg.format=openpgp", "-c", &format!("user.signingKey={fingerprint}")];
        bench.git(
            &[&options[..], &["commit", "--quiet", "--allow-empty", "--gpg-sign", "--message", kind]]
                .concat(),
        );
        bench.git(&[&options[..], &["tag", "--sign", "--message", kind, kind]].concat());
        let evidence = examine(&bench.infra(kind, Some(kind)));
        let unchecked = Signed::Unchecked { by: format!("OpenPGP key {fingerprint}") };
        assert_eq!((evidence.objects, evidence.tag, evidence.commit), (Ok(()), unchecked.clone(), unchecked));
    }
    bench.run("gpgconf", &["--kill", "gpg-agent"]);
}
