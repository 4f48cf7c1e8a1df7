//! What docs/operating.md says about copies, anchors and lost keys, done; full disks are in `real_full_disk`.

use std::process::{Child, Command};
use std::time::{Duration, Instant};

use super::support::desk::{Desk, PROGRAM};

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
