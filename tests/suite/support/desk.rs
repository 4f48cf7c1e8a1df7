//! A desk to work the program at: a directory with people's keys, models, a Git repository and a ledger.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rollbook::signing::key_file::{Existing, KeyFormat, SecretKey, write_private_key};
use tempfile::TempDir;

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_rollbook");
/// The passphrase of [`Desk::locked_key`].
pub(crate) const PASSPHRASE: &str = "correct horse";

/// A directory in which the program runs, without the environment of whoever runs the tests. The
/// ledger `ledger` is the one that `ROLLBOOK_LEDGER` names.
pub(crate) struct Desk {
    dir: TempDir,
}

/// What the program said, and how it ended.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Answer {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

impl Answer {
    /// The answer, read as one JSON object.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The answer's lines, each read as a JSON object.
    pub(crate) fn json_lines(&self) -> Vec<serde_json::Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// Words of a command line: parted by spaces, those in single quotes kept together.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (number, part) in line.split('\'').enumerate() {
        if number % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

impl Desk {
    /// A desk with nothing on it.
    pub(crate) fn empty() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    /// A desk with keys of alice, bob, carl, dora and eve, a model's files, a Git repository, and the ledger
    /// that alice founded.
    pub(crate) fn founded() -> Self {
        let desk = Self::empty();
        for (number, person) in (1..).zip(["alice", "bob", "carl", "dora", "eve"]) {
            desk.key(person, number);
        }
        desk.write("model/weights.bin", "weights\n");
        desk.repository("infra");
        desk.done("--key alice.key init --origin ledger.example.org/models --admin alice=alice.key.pub");
        desk
    }

    /// A founded desk whose ledger tells a story: entry 1 grants dora what releases need, entries 2 and 3 register
    /// two versions of `scorer`, entries 4 and 5 promote both to staging.
    pub(crate) fn with_releases() -> Self {
        let desk = Self::founded();
        desk.grant("dora", "--role registrar --role deployer --role responder --env '*' --model '*'");
        desk.done("--key dora.key register scorer 1.0.0 --path model");
        desk.done("--key dora.key register scorer 1.1.0 --path model");
        desk.done("--key dora.key promote scorer 1.0.0 --env staging --repo infra --tag v1");
        desk.done("--key dora.key promote scorer 1.1.0 --env staging --repo infra --rev HEAD");
        desk
    }

    /// Has alice grant `person` roles.
    pub(crate) fn grant(&self, person: &str, roles: &str) {
        self.done(&format!("--key alice.key key grant {person}.key.pub --name {person} {roles}"));
    }

    /// Where the desk is.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file, and the directories above it.
    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Reads a file.
    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// Gives a file this mode.
    pub(crate) fn chmod(&self, name: &str, mode: u32) {
        std::fs::set_permissions(self.path(name), std::fs::Permissions::from_mode(mode)).unwrap();
    }

    /// Writes a person's key, which the number decides: `NAME.key` and `NAME.key.pub`.
    pub(crate) fn key(&self, name: &str, number: u8) {
        self.write_key(name, number, None);
    }

    /// Writes a key under a passphrase.
    pub(crate) fn locked_key(&self, name: &str, number: u8) {
        self.write_key(name, number, Some(PASSPHRASE));
    }

    fn write_key(&self, name: &str, number: u8, passphrase: Option<&str>) {
        let key = SecretKey::from_seed(&[number; 32]);
        let path = self.path(&format!("{name}.key"));
        write_private_key(&path, &key, KeyFormat::OpenSsh, name, passphrase, Existing::Keep).unwrap();
        self.write(&format!("{name}.key.pub"), key.public_key().to_openssh(name));
    }

    /// Makes a Git repository of two commits; the tag `v1` is on the first.
    pub(crate) fn repository(&self, name: &str) {
        self.git(&["init", "--quiet", "--initial-branch=main", name]);
        for message in ["first", "second"] {
            self.git(&["-C", name, "commit", "--quiet", "--allow-empty", "--message", message]);
            if message == "first" {
                self.git(&["-C", name, "tag", "v1"]);
            }
        }
    }

    /// Commits all that stands in a repository's work tree.
    pub(crate) fn commit_all(&self, repository: &str, message: &str) {
        self.git(&["-C", repository, "add", "--all"]);
        self.git(&["-C", repository, "commit", "--quiet", "--message", message]);
    }

    /// Runs git.
    pub(crate) fn git(&self, arguments: &[&str]) {
        let mut git = Command::new("git");
        for role in ["AUTHOR", "COMMITTER"] {
            git.env(format!("GIT_{role}_NAME"), "somebody").env(format!("GIT_{role}_EMAIL"), "s@example.org");
            git.env(format!("GIT_{role}_DATE"), "2026-03-01T00:00:00Z");
        }
        git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
        let output = git.args(arguments).current_dir(self.dir.path()).output().expect("git is installed");
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// The program, ready to run `line` at this desk.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(words(line)).current_dir(self.dir.path()).stdin(Stdio::null());
        command.env_clear().env("HOME", self.dir.path()).env("ROLLBOOK_LEDGER", "ledger");
        command
    }

    /// Runs the program.
    pub(crate) fn run(&self, line: &str) -> Answer {
        self.command(line).output().unwrap().into()
    }

    /// Runs the program, which must do what it is told; gives the answer on stdout.
    pub(crate) fn done(&self, line: &str) -> String {
        let answer = self.run(line);
        assert_eq!(answer.code, Some(0), "{line}\n{}{}", answer.stdout, answer.stderr);
        answer.stdout
    }

    /// As [`Self::done`], the answer read as JSON.
    pub(crate) fn done_json(&self, line: &str) -> serde_json::Value {
        serde_json::from_str(&self.done(&format!("--json {line}"))).unwrap()
    }

    /// Runs the program, which must end in `code`, say each of `words` on stderr and nothing on stdout, and leave
    /// every ledger of the desk as it was.
    pub(crate) fn refused(&self, line: &str, code: i32, words: &[&str]) {
        self.refused_by(&mut self.command(line), line, code, words);
    }

    /// As [`Self::refused`], for a command that is prepared.
    pub(crate) fn refused_by(&self, command: &mut Command, line: &str, code: i32, words: &[&str]) {
        let before = self.records();
        let answer = Answer::from(command.output().unwrap());
        let said = format!("{line}\n{}{}", answer.stdout, answer.stderr);
        assert_eq!(answer.code, Some(code), "{said}");
        assert_eq!(answer.stdout, "", "{said}");
        for word in words {
            assert!(answer.stderr.contains(word), "`{word}` is missing: {said}");
        }
        assert!(!answer.stderr.contains("panicked"), "{said}");
        assert_eq!(self.records(), before, "{said}");
    }

    /// The bytes of every `log/` and `head` on the desk.
    pub(crate) fn records(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut records = BTreeMap::new();
        collect(self.dir.path(), &mut |path| {
            let of_log = path.parent().is_some_and(|dir| dir.ends_with("log"));
            if of_log || path.ends_with("head") {
                records.insert(path.to_owned(), std::fs::read(path).unwrap());
            }
        });
        records
    }

    /// Copies a file or directory of the desk.
    pub(crate) fn copy(&self, from: &str, to: &str) {
        let (from, to) = (self.path(from), self.path(to));
        if from.is_file() {
            std::fs::copy(from, to).unwrap();
            return;
        }
        collect(&from, &mut |path| {
            let target = to.join(path.strip_prefix(&from).unwrap());
            std::fs::create_dir_all(target.parent().unwrap()).unwrap();
            std::fs::copy(path, target).unwrap();
        });
    }

    /// Removes a directory.
    pub(crate) fn remove_dir(&self, name: &str) {
        std::fs::remove_dir_all(self.path(name)).unwrap();
    }
}

/// Calls `visit` for every file below `dir`, Git's own left out.
fn collect(dir: &Path, visit: &mut dyn FnMut(&Path)) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_symlink() || path.ends_with(".git") {
            continue;
        }
        if path.is_dir() { collect(&path, visit) } else { visit(&path) }
    }
}
