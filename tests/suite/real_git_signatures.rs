//! Signatures that the real `git` and `ssh-keygen` made, judged here as `git verify-tag` and `git verify-commit` judge
//! them: one verdict, under the same allowed signers and at the same time.
//!
//! Ignored by default, since not every machine has the programs: `cargo test -- --include-ignored`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rollbook::event::infra::{GitId, GitObject, GitTag, InfraCommit, ObjectBytes};
use rollbook::event::list::Ascending;
use rollbook::event::text::Name;
use rollbook::evidence::allowed_signers::{AllowedSigners, NotAllowed};
use rollbook::evidence::git_object::{ObjectFormat, ObjectKind, object_id};
use rollbook::evidence::git_signature::{NAMESPACE, SignatureFault, Signed, check_ssh_signature};
use rollbook::evidence::infra::{InfraEvidence, examine};
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
    fn hash_object(&self, kind: ObjectKind, bytes: &[u8]) -> String {
        self.write("object", bytes);
        let path = self.path("object").display().to_string();
        self.git_text(&["hash-object", "-t", kind.as_str(), "-w", "--literally", &path])
    }

    /// Puts `bytes` in the place of a tag.
    fn replace_tag(&self, tag: &str, bytes: &[u8]) {
        let id = self.hash_object(ObjectKind::Tag, bytes);
        self.git(&["update-ref", &format!("refs/tags/{tag}"), &id]);
    }

    /// The armoured signature of `payload` in that namespace.
    fn ssh_signature(&self, key: &str, namespace: &str, payload: &[u8]) -> Vec<u8> {
        self.write("payload", payload);
        let _ = std::fs::remove_file(self.path("payload.sig"));
        self.run("ssh-keygen", &["-q", "-Y", "sign", "-n", namespace, "-f", key, "payload"]);
        std::fs::read(self.path("payload.sig")).unwrap()
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

    fn format(&self) -> ObjectFormat {
        if self.format == "sha1" { ObjectFormat::Sha1 } else { ObjectFormat::Sha256 }
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
                assert_eq!(
                    signed.good().map(|key| key.fingerprint()),
                    Some(fingerprint.clone()),
                    "{key} {verb}"
                );
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

/// What somebody did to a tag or a commit, what we say of it, and whether Git takes it.
struct Attack {
    case: &'static str,
    verb: &'static str,
    what: String,
    signed: fn(&InfraEvidence) -> &Signed,
    evidence: InfraEvidence,
    is: fn(&Signed) -> bool,
    taken: bool,
}

impl Attack {
    fn on_tag(bench: &Bench, case: &'static str, tag: &str, is: fn(&Signed) -> bool, taken: bool) -> Self {
        let evidence = examine(&bench.infra(tag, Some(tag)));
        Self {
            case,
            verb: "verify-tag",
            what: tag.to_owned(),
            signed: |evidence| &evidence.tag,
            evidence,
            is,
            taken,
        }
    }

    fn on_commit(
        bench: &Bench,
        case: &'static str,
        commit: &str,
        is: fn(&Signed) -> bool,
        taken: bool,
    ) -> Self {
        let evidence = examine(&bench.infra(commit, None));
        let what = commit.to_owned();
        Self { case, verb: "verify-commit", what, signed: |evidence| &evidence.commit, evidence, is, taken }
    }

    fn require_agreement(&self, bench: &Bench, allowed: &AllowedSigners) {
        let signed = (self.signed)(&self.evidence);
        assert_eq!(self.evidence.objects, Ok(()), "{} {}", bench.format, self.case);
        assert!((self.is)(signed), "{} {}: {signed:?}", bench.format, self.case);
        assert_eq!(is_allowed(signed, allowed), self.taken, "{} {}: {signed:?}", bench.format, self.case);
        assert_eq!(
            bench.git_verifies(self.verb, &self.what),
            self.taken,
            "git, {} {}",
            bench.format,
            self.case
        );
    }
}

fn is_good(signed: &Signed) -> bool {
    matches!(signed, Signed::Good(_))
}

fn is_mismatch(signed: &Signed) -> bool {
    *signed == Signed::Bad(SignatureFault::Mismatch)
}

fn is_for_files(signed: &Signed) -> bool {
    *signed == Signed::Bad(SignatureFault::Namespace { namespace: "file".into() })
}

fn replaced(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    let text = std::str::from_utf8(bytes).unwrap();
    assert!(text.contains(from), "{from} in {text}");
    text.replacen(from, to, 1).into_bytes()
}

/// A commit whose signature is `signature` in the header `header`.
fn with_header(payload: &[u8], header: &str, signature: &[u8]) -> Vec<u8> {
    let signature = std::str::from_utf8(signature).unwrap().trim_end().replace('\n', "\n ");
    let text = std::str::from_utf8(payload).unwrap();
    let (headers, message) = text.split_once("\n\n").unwrap();
    format!("{headers}\n{header} {signature}\n\n{message}").into_bytes()
}

/// What can be done to a tag that the key `ed25519` signed, and to one that nobody signed.
fn attacks_on_tags(bench: &Bench) -> Vec<Attack> {
    let mut attacks = Vec::new();
    let mut add = |case: &'static str, bytes: Option<Vec<u8>>, is: fn(&Signed) -> bool, taken: bool| {
        bench.signed_tag("ed25519", "v1");
        let tag = format!("attack-{}", attacks.len());
        let bytes = bytes.unwrap_or_else(|| bench.git(&["cat-file", "tag", "v1"]));
        bench.replace_tag(&tag, &replaced(&bytes, "\ntag v1\n", &format!("\ntag {tag}\n")));
        // Its own name is signed as well: the signature is made anew over the bytes with that name.
        attacks.push(Attack::on_tag(bench, case, &tag, is, taken));
    };
    add("renamed", None, is_mismatch, false);
    attacks
}

#[test]
#[ignore = "needs git and ssh-keygen"]
fn attacks_on_tags_and_commits_get_the_verdict_of_git() {
    for format in FORMATS {
        let bench = Bench::new(format);
        bench.write("allowed", bench.allow("ada", "", "ed25519").as_bytes());
        let allowed = AllowedSigners::parse(&bench.read("allowed")).unwrap();
        bench.signed_commit("ed25519", "signed");
        for attack in attacks_on_tags(&bench) {
            attack.require_agreement(&bench, &allowed);
        }
    }
}
