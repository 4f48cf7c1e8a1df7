//! Writers killed at random moments: what was acknowledged is there, once, and what wasn't can be sent again.
//!
//! Each ledger is opened again and again, so that kills hit opening and recovery as well as appending.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rollbook::log::reader::LogReader;

use crate::support::desk::{Answer, Desk};
use crate::support::writer_child::{Account, Random, Task, Writer, desk, verify, write_if_told};

/// Entry 0 and one grant.
const FOUNDED_WITH: usize = 2;

/// Not a test of its own: the writer that is killed.
#[test]
fn writer() {
    write_if_told();
}

/// Kills writers of one ledger so many times: some wherever they are after a short time (starting, opening,
/// recovering), some a moment after an acknowledgement, some as the log grows under a write.
fn kill_again_and_again(salt: u64, threads: u32, sizes: &[u32], kills: u32) {
    let mut random = Random::new(salt);
    let desk = desk();
    let (dir, trust) = (desk.path("ledger"), desk.path("trust.toml"));
    let mut account = Account::default();
    let (mut settled, mut stood) = (0, 0);
    for run in 0..kills {
        let mut writer = Writer::start("writer_kills::writer", &dir, Task::new(run, threads, sizes));
        let batches = if sizes[0] > 1_000 { 1 } else { 12 };
        // In turn, so that of every few at least one has acknowledged something.
        match run % 3 {
            0 => writer.wait(random.micros_below(60_000)),
            1 => {
                writer.wait_for_batches(1 + usize::try_from(random.below(batches)).unwrap());
                writer.wait(random.micros_below(4_000));
            }
            _ => {
                writer.wait_for_batches(usize::try_from(random.below(batches)).unwrap());
                writer.wait_for_a_write();
                std::thread::sleep(random.micros_below(500));
            }
        }
        account.add(writer.kill());
        // As a reader finds it, nobody having recovered anything.
        account.check(&dir);
        if random.below(3) == 0 {
            let (sent, repeated) = account.settle(&dir);
            (settled, stood) = (settled + sent, stood + repeated);
        }
        if run % 10 == 9 {
            verify(&dir, &trust);
        }
    }
    account.close(&dir, FOUNDED_WITH);
    verify(&dir, &trust);
    assert!(account.acknowledged() > 0);
    println!(
        "{threads} threads, batches of {sizes:?}: {kills} kills, {} entries, {} acknowledged, {} checkpoints seen, \
         {settled} sent again of which {stood} stood there",
        account.entries(),
        account.acknowledged(),
        account.checkpoints(),
    );
}

#[test]
fn one_at_a_time() {
    kill_again_and_again(1, 1, &[1], 40);
}

#[test]
fn small_batches() {
    kill_again_and_again(2, 1, &[2], 26);
    kill_again_and_again(3, 1, &[10], 26);
}

#[test]
fn large_batches() {
    kill_again_and_again(4, 1, &[100], 24);
    kill_again_and_again(5, 1, &[1_500], 10);
    kill_again_and_again(6, 1, &[4_096], 6);
}

#[test]
fn eight_threads() {
    kill_again_and_again(7, 8, &[1], 30);
    kill_again_and_again(8, 8, &[1, 2, 10, 100], 12);
}

/// One command after the other, each killed until an attempt ends by itself; each retried under its event id.
#[test]
fn one_shot_commands() {
    const KILLS: u32 = 40;
    let mut random = Random::new(9);
    let desk = desk();
    let took = Instant::now();
    desk.done("--key dora.key register scorer 0 --path model");
    let usual = u64::try_from(took.elapsed().as_micros()).unwrap();
    let (mut kills, mut repeated, mut expected) = (0, 0, FOUNDED_WITH + 1);
    for number in 1.. {
        let commands = [
            format!("note 0 'remark {number}' --event-id note-{number}"),
            format!("register scorer {number} --path model --event-id register-{number}"),
            format!(
                "promote scorer {number} --env staging --repo infra --rev HEAD --event-id promote-{number}"
            ),
        ];
        for command in commands {
            let receipt = loop {
                let moment = Duration::from_micros(random.below(usual * 3 / 2));
                match killed_at(&desk, &command, moment) {
                    Some(answer) => break answer.json(),
                    None => kills += 1,
                }
            };
            repeated += usize::from(receipt["repeated"] == true);
            check_receipt(&desk.path("ledger"), &receipt);
            expected += 1;
        }
        if kills >= KILLS {
            break;
        }
    }
    let reader = LogReader::open(&desk.path("ledger")).unwrap();
    assert_eq!(reader.size(), expected as u64, "each command stands there once");
    verify(&desk.path("ledger"), &desk.path("trust.toml"));
    println!(
        "one-shot commands: {kills} kills, {expected} entries, {repeated} of them recorded by a killed command"
    );
}

/// The command's answer, unless it was killed before it had one.
fn killed_at(desk: &Desk, command: &str, moment: Duration) -> Option<Answer> {
    let mut command = desk.command(&format!("--json --key dora.key {command}"));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(moment);
    child.kill().unwrap();
    let output = child.wait_with_output().unwrap();
    let killed = output.status.signal().is_some();
    // It had answered when it was killed: that counts as an acknowledgement.
    let answered = output.stdout.ends_with(b"\n");
    if killed && !answered {
        return None;
    }
    let answer = Answer { code: output.status.code(), ..output.into() };
    assert!(killed || answer.code == Some(0), "{answer:?}");
    Some(answer)
}

fn check_receipt(ledger: &Path, receipt: &serde_json::Value) {
    let (logged, _) = LogReader::open(ledger).unwrap().entry(receipt["index"].as_u64().unwrap()).unwrap();
    assert_eq!(receipt["leaf_hash"], logged.leaf_hash.to_string());
    assert_eq!(receipt["event_id"], logged.event.header.event_id.to_string());
}
