//! Several users of one host, each as themselves: who may append, who may read, and what modes their files get
//! (docs/operating.md, "Hosts with several users").

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::support::desk::{Answer, Desk, PROGRAM};

/// Numbers that no host gives to a person by itself.
const GROUP: u32 = 61_000;
const ANN: User = User { uid: 61_001, groups: "61000" };
const BEA: User = User { uid: 61_002, groups: "61000" };
/// In no group with the others.
const AUDITOR: User = User { uid: 61_003, groups: "61003" };

const UMASKS: [u32; 5] = [0o077, 0o027, 0o022, 0o002, 0o000];

#[derive(Clone, Copy)]
struct User {
    uid: u32,
    /// Beside the primary one, whose number is the user's.
    groups: &'static str,
}

/// A host: homes, and the program where everybody can run it.
struct Host {
    desk: Desk,
}

impl Host {
    fn new() -> Self {
        let desk = Desk::empty();
        desk.chmod("", 0o755);
        let program = desk.path("rollbook");
        std::fs::hard_link(PROGRAM, &program)
            .or_else(|_| std::fs::copy(PROGRAM, &program).map(drop))
            .unwrap();
        let host = Self { desk };
        for user in [ANN, BEA, AUDITOR] {
            host.dir(&user.uid.to_string(), 0o755, user.uid, user.uid);
            host.done(user, 0o022, "key new key --name somebody");
        }
        host
    }

    fn dir(&self, name: &str, mode: u32, uid: u32, gid: u32) {
        let path = self.desk.path(name);
        std::fs::create_dir(&path).unwrap();
        chown(&path, Some(uid), Some(gid)).unwrap();
        self.desk.chmod(name, mode);
    }

    /// `words` as a command of `user`'s, in their home.
    fn command(&self, user: User, umask: u32, words: &[&str]) -> Command {
        let home = self.desk.path(&user.uid.to_string());
        let mut command = Command::new("setpriv");
        let ids = [format!("--reuid={}", user.uid), format!("--regid={}", user.uid)];
        command.args(ids).arg(format!("--groups={}", user.groups));
        command.args(["sh", "-c", &format!("umask {umask:o} && exec \"$@\""), "sh"]).args(words);
        command
            .current_dir(&home)
            .env_clear()
            .env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
            .env("HOME", &home);
        command.env("ROLLBOOK_LEDGER", self.desk.path("ledger"));
        command
    }

    fn run(&self, user: User, umask: u32, line: &str) -> Answer {
        let program = self.desk.path("rollbook").display().to_string();
        let words: Vec<&str> = std::iter::once(&*program).chain(line.split(' ')).collect();
        self.command(user, umask, &words).output().expect("setpriv runs").into()
    }

    /// Runs the program, which does what it is told; gives what it said on stderr.
    fn done(&self, user: User, umask: u32, line: &str) -> String {
        let answer = self.run(user, umask, line);
        assert_eq!(answer.code, Some(0), "{} {umask:03o} {line}: {answer:?}", user.uid);
        answer.stderr
    }

    /// As [`Self::done`], and with nothing to remark.
    fn quietly(&self, user: User, umask: u32, line: &str) {
        assert_eq!(self.done(user, umask, line), "", "{} {umask:03o} {line}", user.uid);
    }

    /// Runs the program, which says no, and changes no file of the ledger.
    fn refused(&self, user: User, line: &str, code: i32, said: &[&str]) {
        let before = listing(&self.desk.path("ledger"));
        let answer = self.run(user, 0o022, line);
        assert_eq!(answer.code, Some(code), "{line}: {answer:?}");
        for word in said {
            assert!(answer.stderr.contains(word), "`{word}` is missing: {answer:?}");
        }
        assert_eq!(listing(&self.desk.path("ledger")), before, "{line}");
    }

    /// Has `ANN` found the ledger, with an anchor in `anchors/`.
    fn init(&self, user: User, umask: u32) {
        let anchor = self.desk.path("anchors/checkpoint");
        let line = format!(
            "--key key init --origin o.example.org --admin ann=key.pub --anchor {}",
            anchor.display()
        );
        self.quietly(user, umask, &line);
    }

    /// Has `ANN` let `BEA` add notes.
    fn grant(&self, user: User, umask: u32) {
        let line = "--key key key grant ../61002/key.pub --name bea --role auditor --env * --model *";
        self.quietly(user, umask, line);
    }

    /// A ledger that `ANN` founded for the group, and in which both may append.
    fn shared(mode: u32, umasks: [u32; 2]) -> Self {
        let host = Self::new();
        host.dir("anchors", 0o2770, ANN.uid, GROUP);
        host.dir("ledger", mode, ANN.uid, GROUP);
        host.init(ANN, umasks[0]);
        host.desk.chmod("ledger/log.pem", 0o640);
        let settings = host.desk.read("ledger/rollbook.toml") + "log_key_readers = \"group\"\n";
        host.desk.write("ledger/rollbook.toml", settings);
        host.grant(ANN, umasks[0]);
        host
    }
}

/// Path, mode, group and length of all that is in `dir`.
fn listing(dir: &Path) -> BTreeMap<PathBuf, (u32, u32, u64)> {
    let mut found = BTreeMap::new();
    let metadata = dir.symlink_metadata().unwrap();
    if metadata.is_dir() {
        for entry in std::fs::read_dir(dir).unwrap() {
            found.extend(listing(&entry.unwrap().path()));
        }
    }
    let bytes = if metadata.is_dir() { 0 } else { metadata.len() };
    found.insert(dir.to_owned(), (metadata.permissions().mode() & 0o7777, metadata.gid(), bytes));
    found
}

/// Every file of the ledger has the modes that its directory gives; only keys are narrower.
fn assert_modes(dir: &Path, directory_mode: u32, group: u32) {
    let found = listing(dir);
    assert!(found.keys().any(|path| path.ends_with("sled/db")), "{found:?}");
    for (path, (mode, gid, _)) in found {
        let name = path.file_name().unwrap().to_str().unwrap();
        let expected = match name {
            "log.pem" => 0o640,
            _ if path.is_dir() => directory_mode,
            _ => directory_mode & 0o666,
        };
        assert_eq!((mode, gid), (expected, group), "{}: {mode:o}", path.display());
    }
}

#[test]
#[ignore = "needs root to act as other users, and setpriv"]
fn users_of_a_group_append_in_turn_whatever_their_umasks() {
    let mut turns = 0;
    for (first, second) in UMASKS.into_iter().zip(UMASKS.into_iter().rev()) {
        let host = Host::shared(0o2770, [first, second]);
        let ledger = host.desk.path("ledger");
        for round in 0..3 {
            host.quietly(BEA, second, "--key key note 0 seen");
            host.quietly(ANN, first, "--key key note 0 seen");
            // Each makes the index that the other goes on with; and is cut short, for the other to clean up.
            let (maker, umask, other) = if round == 1 { (ANN, first, BEA) } else { (BEA, second, ANN) };
            let removed =
                host.command(maker, umask, &["rm", "-r", &ledger.join("index").display().to_string()]);
            assert!({ removed }.status().unwrap().success());
            host.quietly(maker, umask, "--key key note 0 rebuilt");
            let log = ledger.join("log/00000000000000000000.batches");
            let whole = std::fs::read(&log).unwrap();
            std::fs::write(&log, [&whole[..], &whole[..10]].concat()).unwrap();
            let said = host.done(other, second, "--key key note 0 cleaned");
            assert!(said.contains("was cut off"), "{said}");
            host.quietly(maker, umask, "--key key note 0 after");
            turns += 5;
        }
        assert_modes(&ledger, 0o2770, GROUP);
        for user in [ANN, BEA] {
            host.quietly(user, 0o077, "verify --trust ../ledger/trust.toml");
        }
        let no_access = ["Permission denied"];
        for line in ["status", "verify", "--key key note 0 x"] {
            host.refused(AUDITOR, line, 3, &no_access);
        }
    }
    println!("{turns} turns of two users, {} pairs of umasks", UMASKS.len());
}

#[test]
#[ignore = "needs root to act as other users, and setpriv"]
fn auditors_of_another_group_read_all_and_write_nothing() {
    for (first, second) in UMASKS.into_iter().zip(UMASKS.into_iter().rev()) {
        let host = Host::shared(0o2775, [first, second]);
        host.quietly(BEA, second, "--key key note 0 seen");
        host.quietly(ANN, first, "--key key note 0 seen");
        assert_modes(&host.desk.path("ledger"), 0o2775, GROUP);
        let before = listing(&host.desk.path("ledger"));
        let reading = ["-q status", "log", "show 2", "key list", "-q policy show", "checkpoint"];
        for line in reading.into_iter().chain(["verify --trust ../ledger/trust.toml"]) {
            host.quietly(AUDITOR, second, line);
        }
        assert_eq!(listing(&host.desk.path("ledger")), before);
        let hint = "hint: whoever may read the log key records: hand them a draft";
        host.refused(AUDITOR, "--key key note 0 x", 2, &["log.pem", "Permission denied", hint]);
        let read = host.command(AUDITOR, 0, &["cat", "../ledger/log.pem"]).output().unwrap();
        assert!(!read.status.success() && read.stdout.is_empty());
    }
}

#[test]
#[ignore = "needs root to mount and to act as other users, unshare and setpriv"]
fn a_read_only_mount_is_read_and_not_written() {
    let host = Host::shared(0o2775, [0o022, 0o022]);
    host.quietly(BEA, 0o022, "--key key note 0 seen");
    let on_mount = |user: User, line: &str| {
        let (dir, program) = (host.desk.path("ledger"), host.desk.path("rollbook"));
        let (dir, program) = (dir.display(), program.display());
        let script = format!(
            "mount --bind {dir} {dir} && mount -o remount,bind,ro {dir} && \
             exec setpriv --reuid={0} --regid={0} --groups={1} {program} {line}",
            user.uid, user.groups
        );
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", &script]).current_dir(host.desk.path(&user.uid.to_string()));
        command.env("ROLLBOOK_LEDGER", host.desk.path("ledger"));
        Answer::from(command.output().expect("unshare runs"))
    };
    for line in ["-q status", "log", "show 2", "verify --trust ../ledger/trust.toml"] {
        let answer = on_mount(AUDITOR, line);
        assert_eq!((answer.code, &*answer.stderr), (Some(0), ""), "{line}: {answer:?}");
    }
    let before = listing(&host.desk.path("ledger"));
    let answer = on_mount(BEA, "--key key note 0 x");
    assert_eq!(answer.code, Some(3), "{answer:?}");
    assert!(answer.stderr.contains("Read-only file system"), "{answer:?}");
    assert_eq!(listing(&host.desk.path("ledger")), before);
}

#[test]
#[ignore = "needs root to act as other users, and setpriv"]
fn a_service_account_submits_what_people_signed() {
    let host = Host::new();
    host.dir("anchors", 0o755, ANN.uid, ANN.uid);
    host.dir("ledger", 0o755, ANN.uid, ANN.uid);
    host.dir("drafts", 0o1777, 0, 0);
    host.init(ANN, 0o077);
    host.grant(ANN, 0o077);
    let draft = host.desk.path("drafts/note.json").display().to_string();
    host.refused(BEA, "--key key note 0 x", 2, &["Permission denied", "hint: whoever may read the log key"]);
    host.quietly(BEA, 0o022, &format!("--key key note 0 x --draft {draft}"));
    host.quietly(ANN, 0o077, &format!("draft submit {draft}"));
    // A draft that only its author can read goes through a pipe.
    host.quietly(BEA, 0o077, "--key key note 0 y --draft private.json");
    host.refused(ANN, "draft submit ../61002/private.json", 2, &["private.json: Permission denied"]);
    let program = host.desk.path("rollbook").display().to_string();
    let mut submit = host.command(ANN, 0o077, &[&program, "draft", "submit", "-"]);
    submit.stdin(std::fs::File::open(host.desk.path("61002/private.json")).unwrap());
    let answer = Answer::from(submit.output().unwrap());
    assert!(answer.code == Some(0) && answer.stdout.starts_with("recorded as entry 3"), "{answer:?}");
    host.quietly(AUDITOR, 0o022, "verify --trust ../ledger/trust.toml");
    host.desk.chmod("ledger/log.pem", 0o644);
    host.refused(ANN, &format!("draft submit {draft}"), 2, &["(mode 0644); run `chmod 600"]);
    host.desk.chmod("ledger/log.pem", 0o640);
    host.refused(ANN, &format!("draft submit {draft}"), 2, &["(mode 0640); run `chmod 600"]);
    host.desk.chmod("ledger/log.pem", 0o600);
    host.desk.write(
        "ledger/rollbook.toml",
        host.desk.read("ledger/rollbook.toml") + "log_key_readers = \"all\"\n",
    );
    host.refused(
        ANN,
        &format!("draft submit {draft}"),
        2,
        &["unknown variant `all`, expected `owner` or `group`"],
    );
}

#[test]
#[ignore = "needs root to act as other users, and setpriv"]
fn root_leaves_no_files_that_lock_the_owner_out() {
    let root = User { uid: 0, groups: "0" };
    let host = Host::new();
    host.dir("0", 0o700, 0, 0);
    host.dir("anchors", 0o755, ANN.uid, ANN.uid);
    host.dir("ledger", 0o755, ANN.uid, ANN.uid);
    host.init(ANN, 0o022);
    let note = "--key ../61001/key note 0 x";
    host.desk.copy("61001/key", "0/key");
    host.desk.chmod("0/key", 0o600);
    let said = ["ledger belongs to user 61001", "hint: run it as its owner: `sudo -u '#61001' rollbook …`"];
    host.refused(root, "--key key note 0 x", 3, &said);
    host.quietly(root, 0o022, "verify --trust ../ledger/trust.toml");
    host.quietly(ANN, 0o022, note);

    let host = Host::shared(0o2770, [0o022, 0o022]);
    host.dir("0", 0o700, 0, 0);
    host.desk.copy("61001/key", "0/key");
    host.desk.chmod("0/key", 0o600);
    host.desk.remove_dir("ledger/index");
    host.quietly(root, 0o077, "--key key note 0 x");
    for user in [ANN, BEA] {
        host.quietly(user, 0o022, "--key key note 0 y");
    }
    assert_modes(&host.desk.path("ledger"), 0o2770, GROUP);
}

#[test]
#[ignore = "needs root to act as other users, and setpriv"]
fn a_shared_directory_without_setgid_is_remarked_on() {
    let host = Host::new();
    host.dir("anchors", 0o2770, ANN.uid, GROUP);
    host.dir("ledger", 0o770, ANN.uid, GROUP);
    let line = "--key key init --origin o.example.org --admin ann=key.pub";
    let said = host.done(ANN, 0o022, line);
    let note = "note: group 61000 may write in";
    assert!(said.contains(note) && said.contains("belong to group 61001: run `chmod g+s`"), "{said}");
    // A person's own group, as many systems make them, is nobody else's.
    chown(host.desk.path("ledger"), None, Some(ANN.uid)).unwrap();
    host.quietly(ANN, 0o002, "--key key note 0 x");
}

/// Once the directory is there, the umask of whoever writes changes nothing.
#[test]
fn the_directory_decides_about_modes_and_not_the_umask() {
    for (made, later) in UMASKS.into_iter().flat_map(|made| UMASKS.map(|later| (made, later))) {
        let desk = Desk::empty();
        desk.key("alice", 1);
        let run = |umask: u32, line: &str| {
            let script = format!("umask {umask:o} && exec '{PROGRAM}' {line}");
            let mut shell = Command::new("/bin/sh");
            shell
                .args(["-c", &script])
                .current_dir(desk.path(""))
                .env_clear()
                .env("ROLLBOOK_LEDGER", "ledger");
            let answer = Answer::from(shell.output().unwrap());
            assert_eq!((answer.code, &*answer.stderr), (Some(0), ""), "{made:03o} {later:03o} {answer:?}");
        };
        run(made, "--key alice.key init --origin o.example.org --admin alice=alice.key.pub");
        run(later, "--key alice.key note 0 x");
        desk.remove_dir("ledger/index");
        run(later, "--key alice.key note 0 y");
        for (path, (mode, _, _)) in listing(&desk.path("ledger")) {
            let expected = match path.file_name().unwrap().to_str().unwrap() {
                "log.pem" => 0o600,
                _ if path.is_dir() => 0o777 & !made,
                _ => 0o666 & !made,
            };
            assert_eq!(mode, expected, "{}, {made:03o} then {later:03o}: {mode:o}", path.display());
        }
    }
}
