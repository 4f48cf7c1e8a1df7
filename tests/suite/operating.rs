//! What docs/operating.md says about copies, anchors, lost keys and full disks, done.

use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use super::support::desk::{Answer, Desk, PROGRAM};

/// A desk whose ledger has an anchor.
fn anchored() -> Desk {
    let desk = Desk::empty();
    desk.key("alice", 1);
    desk.write("elsewhere/.keep", "");
    desk.done(
        "--key alice.key init --origin o.example.org --admin alice=alice.key.pub --anchor elsewhere/checkpoint",
    );
    desk
}

/// A writer that adds one note after the other, each with a process of its own.
struct Busy<'a> {
    desk: &'a Desk,
    shell: Child,
}

impl<'a> Busy<'a> {
    fn start(desk: &'a Desk) -> Self {
        let script = format!(
            "while [ ! -e stop ]; do '{PROGRAM}' -q --key alice.key note 0 busy > said || exit 1; done"
        );
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", &script]).current_dir(desk.path("")).env_clear().env("ROLLBOOK_LEDGER", "ledger");
        Self { desk, shell: shell.spawn().unwrap() }
    }

    fn size(&self) -> u64 {
        self.desk.done_json("checkpoint")["size"].as_u64().unwrap()
    }

    /// Waits until `more` entries more are published.
    fn wait_for(&self, more: u64) {
        let (wanted, began) = (self.size() + more, Instant::now());
        while self.size() < wanted {
            assert!(began.elapsed() < Duration::from_mins(1), "the writer has stopped");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn stop(mut self) {
        self.desk.write("stop", "");
        assert!(self.shell.wait().unwrap().success(), "the writer failed");
    }
}

fn cp(desk: &Desk, from: &str, to: &str) {
    let status = Command::new("cp").args(["-a", from, to]).current_dir(desk.path("")).status().unwrap();
    assert!(status.success(), "cp -a {from} {to}");
}

/// Copies the parts in this order, the writer going on between them; then what never changes.
fn back_up(busy: &Busy<'_>, copy: &str, parts: [&str; 2]) {
    std::fs::create_dir(busy.desk.path(copy)).unwrap();
    cp(busy.desk, &format!("ledger/{}", parts[0]), copy);
    busy.wait_for(2);
    cp(busy.desk, &format!("ledger/{}", parts[1]), copy);
    for file in ["rollbook.toml", "trust.toml", "log.pem"] {
        cp(busy.desk, &format!("ledger/{file}"), copy);
    }
    // A copy has no anchors of its own: the ledger's are ahead by now.
    let settings: Vec<_> =
        busy.desk.read(&format!("{copy}/rollbook.toml")).lines().map(str::to_owned).collect();
    let without: Vec<_> = settings.into_iter().filter(|line| !line.starts_with("anchors")).collect();
    busy.desk.write(&format!("{copy}/rollbook.toml"), without.join("\n"));
}

#[test]
fn a_copy_of_head_and_then_the_log_is_good_while_somebody_writes() {
    let desk = anchored();
    let busy = Busy::start(&desk);
    for round in 0..8 {
        let copy = format!("copy-{round}");
        back_up(&busy, &copy, ["head", "log"]);
        desk.done(&format!("verify {copy} --trust ledger/trust.toml"));
        let published = desk.done_json(&format!("--ledger {copy} checkpoint"))["size"].as_u64().unwrap();
        let answer = desk.run(&format!("--ledger {copy} --key alice.key --json note 0 restored"));
        assert_eq!(answer.code, Some(0), "{answer:?}");
        assert!(answer.stderr.contains("entries beyond the published head were adopted"), "{answer:?}");
        assert!(answer.json()["index"].as_u64().unwrap() >= published + 2, "{answer:?}");
        desk.done(&format!("verify {copy} --trust ledger/trust.toml"));
    }
    busy.stop();
    desk.done("verify --trust ledger/trust.toml --checkpoint elsewhere/checkpoint");
}

#[test]
fn a_copy_of_the_log_and_then_head_is_refused() {
    let desk = anchored();
    let busy = Busy::start(&desk);
    for round in 0..3 {
        let copy = format!("copy-{round}");
        back_up(&busy, &copy, ["log", "head"]);
        let verified = desk.run(&format!("verify {copy} --trust ledger/trust.toml"));
        assert_eq!(verified.code, Some(1), "{verified:?}");
        assert!(verified.stdout.contains("log.shorter"), "{verified:?}");
        let answer = desk.run(&format!("--ledger {copy} --key alice.key --json note 0 lost"));
        assert_eq!((answer.code, &answer.json()["error"]["code"]), (Some(3), &"log_shorter".into()));
    }
    busy.stop();
}

#[test]
fn a_log_that_lost_its_end_goes_on_with_anybodys_copy_of_it() {
    let desk = anchored();
    cp(&desk, "ledger", "backup");
    for text in ["one", "two"] {
        desk.done(&format!("--key alice.key note 0 {text}"));
    }
    // An auditor has a copy of the public part.
    std::fs::create_dir(desk.path("auditor")).unwrap();
    for part in ["head", "log"] {
        cp(&desk, &format!("ledger/{part}"), "auditor");
    }
    desk.remove_dir("ledger");
    cp(&desk, "backup", "ledger");
    desk.refused(
        "--key alice.key note 0 x",
        3,
        &["elsewhere/checkpoint", "size 3", "restored from an older copy"],
    );
    desk.remove_dir("ledger/log");
    for part in ["head", "log"] {
        cp(&desk, &format!("auditor/{part}"), "ledger");
    }
    desk.done("verify --trust backup/trust.toml --checkpoint elsewhere/checkpoint");
    assert!(desk.done("--key alice.key note 0 x").starts_with("recorded as entry 3"));
}

#[test]
fn an_anchor_that_was_removed_hides_nothing_from_those_who_kept_a_checkpoint() {
    let desk = anchored();
    cp(&desk, "ledger", "backup");
    desk.done("--key alice.key note 0 published");
    desk.write("kept", desk.done("checkpoint"));
    desk.remove_dir("ledger");
    cp(&desk, "backup", "ledger");
    std::fs::remove_file(desk.path("elsewhere/checkpoint")).unwrap();
    desk.done("--key alice.key note 0 otherwise");
    let verified = desk.run("verify --trust ledger/trust.toml --checkpoint kept");
    assert_eq!(verified.code, Some(1), "{verified:?}");
    assert!(verified.stdout.contains("VERDICT: TAMPERED"), "{verified:?}");
}

#[test]
fn without_its_log_key_a_ledger_is_read_and_verified_and_takes_nothing_more() {
    let desk = anchored();
    std::fs::rename(desk.path("ledger/log.pem"), desk.path("lost.pem")).unwrap();
    for line in ["log", "show 0", "key list", "verify --trust ledger/trust.toml"] {
        desk.done(line);
    }
    desk.refused("--key alice.key note 0 x", 2, &["the log key: ", "cannot read the key file", "hint:"]);
    desk.key("other", 9);
    desk.copy("other.key", "ledger/log.pem");
    desk.refused("--key alice.key note 0 x", 3, &["is not signed by the log key", "hint:"]);
    let lost = desk.done_json("checkpoint");
    desk.done("--ledger new --key alice.key init --origin o.example.org/2 --admin alice=alice.key.pub");
    desk.done(&format!(
        "--ledger new --key alice.key note 0 'continues o.example.org, size {}'",
        lost["size"]
    ));
}

#[test]
fn a_ledger_moves_with_its_files_and_its_index_is_built_again() {
    let desk = anchored();
    desk.done("--key alice.key note 0 x");
    desk.write("kept", desk.done("checkpoint"));
    cp(&desk, "ledger", "moved");
    desk.write("moved/index/boot", "another machine\n");
    desk.done("verify moved --trust ledger/trust.toml --checkpoint kept");
    let answer = desk.run("--ledger moved --key alice.key note 0 y");
    assert_eq!((answer.code, &*answer.stderr), (Some(0), ""), "{answer:?}");
    desk.done("verify moved --trust ledger/trust.toml --checkpoint kept");
}

/// A small file system of its own, for as long as this lives.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(desk: &Desk, name: &str) -> Self {
        let dir = desk.path(name);
        std::fs::create_dir(&dir).unwrap();
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=2200k", "none"]).arg(&dir).status();
        assert!(mount.expect("mount runs").success(), "mounting needs root");
        Self(dir)
    }

    /// Fills it but for `left` bytes.
    fn fill(&self, left: u64) {
        let path = self.0.join("fill");
        let mut file = std::fs::File::create(&path).unwrap();
        while std::io::Write::write_all(&mut file, &[0; 512]).is_ok() {}
        let bytes = file.metadata().unwrap().len();
        file.set_len(bytes.saturating_sub(left)).unwrap();
    }

    fn free(&self) {
        std::fs::remove_file(self.0.join("fill")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(&self.0).status();
        assert!(unmounted.is_ok_and(|status| status.success()) || std::thread::panicking());
    }
}

#[test]
#[ignore = "needs root to mount a small disk"]
fn a_full_disk_loses_nothing_acknowledged_and_a_retry_succeeds() {
    let desk = Desk::empty();
    let small = SmallDisk::mount(&desk, "disk");
    desk.key("alice", 1);
    desk.done("--key alice.key --ledger disk/ledger init --origin o.example.org --admin alice=alice.key.pub");
    let long = "x".repeat(6000);
    let (mut failed, mut unknown) = (0, 0);
    for (round, left) in [0, 4096, 8192, 12_288, 16_384, 24_576].into_iter().cycle().take(18).enumerate() {
        let line =
            format!("--ledger disk/ledger --key alice.key --json note 0 {long} --event-id try-{round}");
        let size = desk.done_json("--ledger disk/ledger checkpoint")["size"].as_u64().unwrap();
        small.fill(left);
        for attempt in 0..3 {
            let answer = Answer::from(desk.command(&line).output().unwrap());
            if answer.code == Some(0) {
                continue;
            }
            assert_eq!(answer.code, Some(3), "{answer:?}");
            assert!(answer.stdout.contains("No space left on device"), "{attempt}: {answer:?}");
            failed += 1;
            unknown += usize::from(answer.json()["error"]["code"] == "outcome_unknown");
        }
        desk.done("--ledger disk/ledger status");
        desk.done("verify disk/ledger --trust disk/ledger/trust.toml");
        small.free();
        let receipt: serde_json::Value = serde_json::from_str(&desk.done(&line)).unwrap();
        assert_eq!(receipt["index"], size, "once, whatever was said before");
        desk.done("verify disk/ledger --trust disk/ledger/trust.toml");
    }
    assert!(failed > 0 && unknown > 0, "the disk was never full");
    println!("{failed} failures, {unknown} of them with an unknown outcome, 18 retries");
    let kept = std::fs::read_dir(desk.path("disk/ledger/log")).unwrap().count() - 1;
    assert!(kept <= unknown, "{kept} pieces are kept of {unknown} torn writes");
}
