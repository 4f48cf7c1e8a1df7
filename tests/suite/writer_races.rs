//! Writers that race each other, and readers that follow one at full speed.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;

use rollbook::event::release::Serving;
use rollbook::ledger::opening::OpeningError;
use rollbook::ledger::receipt::AppendError;
use rollbook::ledger::writer::ClockTrust;
use rollbook::lifecycle::refusal::Refusal;
use rollbook::log::reader::LogReader;
use rollbook::store::disk::{Disk, RealDisk};
use rollbook::store::head::read_head;
use rollbook::time::SystemClock;

use crate::support::child::Killed;
use crate::support::desk::{Answer, Desk};
use crate::support::test_ledger::{TestLedger, name, open_at};
use crate::support::writer_child::{Account, Task, Writer, desk, first_note, open, verify, write_if_told};

/// Entry 0 and one grant.
const FOUNDED_WITH: usize = 2;
/// What a contender is told: its number, and the ledger.
const CONTENDER: &str = "ROLLBOOK_TEST_CONTENDER";

/// Not a test of its own: the writer that readers follow.
#[test]
fn writer() {
    write_if_told();
}

/// Not a test of its own: it tries to open a ledger at the word, and holds it until it is killed.
#[test]
fn contender() {
    let Some(told) = std::env::var_os(CONTENDER) else { return };
    let (number, dir) = told.to_str().unwrap().split_once(' ').unwrap();
    let mut stdin = std::io::stdin().lock();
    println!("\nready");
    stdin.read_line(&mut String::new()).unwrap();
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    match open_at(Path::new(dir), &disk, Arc::new(SystemClock), ClockTrust::Vouched) {
        Ok(ledger) => {
            ledger.append(first_note(Path::new(dir), number.parse().unwrap())).unwrap();
            println!("\nheld");
            stdin.read_line(&mut String::new()).unwrap();
        }
        Err(OpeningError::Lock(error)) => println!("\nlocked out: {error}"),
        Err(error) => println!("\nfailed: {error}"),
    }
}

struct Contender {
    child: Killed,
    lines: Box<dyn Iterator<Item = String>>,
}

impl Contender {
    fn start(number: u32, dir: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "writer_races::contender", "--nocapture"]);
        command.env(CONTENDER, format!("{number} {}", dir.display()));
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut contender = Self { child: Killed(child), lines: Box::new(lines) };
        contender.hear(&["ready"]);
        contender
    }

    fn go(&mut self) {
        self.child.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
    }

    /// The next line that begins with one of `words`.
    fn hear(&mut self, words: &[&str]) -> String {
        let line = self.lines.find(|line| words.iter().any(|word| line.starts_with(word)));
        line.unwrap_or_else(|| panic!("it ended before it said any of {words:?}"))
    }
}

#[test]
fn of_many_processes_one_gets_the_ledger_and_its_death_frees_it() {
    const ROUNDS: u32 = 8;
    const CONTENDERS: u32 = 5;
    let desk = desk();
    let dir = desk.path("ledger");
    for round in 0..ROUNDS {
        let start = |number| Contender::start(round * CONTENDERS + number, &dir);
        let mut contenders: Vec<Contender> = (0..CONTENDERS).map(start).collect();
        contenders.iter_mut().for_each(Contender::go);
        let words = ["held", "locked out", "failed"];
        let said: Vec<String> = contenders.iter_mut().map(|contender| contender.hear(&words)).collect();
        let held = said.iter().position(|said| said == "held").expect("one gets it");
        for (number, said) in said.iter().enumerate().filter(|(number, _)| *number != held) {
            assert!(said.starts_with("locked out"), "contender {number}: {said}");
        }
        let holder = format!("process {}", contenders[held].child.id());
        desk.refused("--lock-timeout 1ms --key dora.key note 0 late", 3, &[&holder, "--lock-timeout"]);
        // All are killed here, the holder too; the next round finds what it left of its lock.
    }
    let entries = LogReader::open(&dir).unwrap().size();
    assert_eq!(entries, FOUNDED_WITH as u64 + u64::from(ROUNDS), "each holder appended once");
    desk.done("--lock-timeout 1ms --key dora.key note 0 'at once'");
    verify(&dir, &desk.path("trust.toml"));
}

/// Runs `count` threads at the same time, and gives their answers.
fn at_once<T: Send>(count: usize, act: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let barrier = Barrier::new(count);
    std::thread::scope(|scope| {
        let start = |number| {
            let (barrier, act) = (&barrier, &act);
            scope.spawn(move || {
                barrier.wait();
                act(number)
            })
        };
        let threads: Vec<_> = (0..count).map(start).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn of_threads_that_promote_from_the_same_entry_one_wins() {
    const ROUNDS: usize = 20;
    const THREADS: usize = 8;
    let test = TestLedger::new();
    let ledger = test.open();
    let mut from: Option<Serving> = None;
    for round in 0..ROUNDS {
        let versions: Vec<String> = (0..THREADS).map(|thread| format!("{round}.{thread}")).collect();
        let registrations = versions.iter().map(|version| test.register(version)).collect();
        ledger.append_batch(registrations).into_iter().for_each(|outcome| drop(outcome.unwrap()));
        let promotions: Vec<_> = versions.iter().map(|version| test.promote(version, from.clone())).collect();
        let outcomes = at_once(THREADS, |thread| ledger.append(promotions[thread].clone()));
        let winner = outcomes.iter().position(Result::is_ok).expect("one wins");
        let won =
            Serving { version: name(&versions[winner]), entry: outcomes[winner].as_ref().unwrap().index };
        for (thread, outcome) in outcomes.into_iter().enumerate().filter(|(thread, _)| *thread != winner) {
            let Err(AppendError::Refused(Refusal::FromMismatch { named, actual, .. })) = outcome else {
                panic!("round {round}, thread {thread}: {outcome:?}");
            };
            assert_eq!((named, actual.as_ref()), (from.clone(), Some(&won)));
        }
        from = Some(won);
    }
    drop(ledger);
    assert_eq!(test.read_all().len(), 4 + ROUNDS * (THREADS + 1));
    drop(test.open());
}

#[test]
fn threads_that_send_the_same_event_get_one_entry() {
    let test = TestLedger::new();
    let ledger = test.open();
    for _ in 0..20 {
        let (note, before) = (test.note("the same"), ledger.size());
        let receipts: Vec<_> = at_once(8, |_| ledger.append(note.clone()).unwrap());
        assert_eq!(receipts.iter().filter(|receipt| !receipt.repeated).count(), 1);
        for receipt in &receipts {
            assert_eq!((receipt.index, receipt.leaf_hash), (before, receipts[0].leaf_hash));
        }
        assert_eq!(ledger.size(), before + 1);
    }
}

/// Runs commands in a process each, all at once.
fn run_at_once(desk: &Desk, lines: &[String]) -> Vec<Answer> {
    let start = |line: &String| {
        let mut command = desk.command(line);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let children: Vec<Child> = lines.iter().map(start).collect();
    children.into_iter().map(|child| child.wait_with_output().unwrap().into()).collect()
}

#[test]
fn of_processes_that_promote_from_the_same_version_one_wins() {
    const ROUNDS: usize = 4;
    const PROCESSES: usize = 5;
    let desk = desk();
    let mut serving = "none".to_owned();
    for round in 0..ROUNDS {
        let versions: Vec<String> = (0..PROCESSES).map(|process| format!("{round}.{process}")).collect();
        for version in &versions {
            desk.done(&format!("--key dora.key register scorer {version} --path model"));
        }
        let promote = |version: &String| {
            format!(
                "--json --lock-timeout 60s --key dora.key promote scorer {version} --env staging --repo infra \
                 --rev HEAD --expect-from {serving}"
            )
        };
        let answers = run_at_once(&desk, &versions.iter().map(promote).collect::<Vec<_>>());
        let winner = answers.iter().position(|answer| answer.code == Some(0)).expect("one wins");
        for (_, answer) in answers.iter().enumerate().filter(|(process, _)| *process != winner) {
            assert_eq!(answer.code, Some(1), "{answer:?}");
            assert!(format!("{answer:?}").contains("from_mismatch"), "{answer:?}");
        }
        serving.clone_from(&versions[winner]);
        assert!(desk.done("status").contains(&format!("scorer  {serving}")), "{serving} serves");
    }
    verify(&desk.path("ledger"), &desk.path("trust.toml"));
}

#[test]
fn processes_that_retry_the_same_event_get_one_entry() {
    let desk = desk();
    for round in 0..4 {
        let line =
            format!("--json --lock-timeout 60s --key dora.key note 0 'the same' --event-id build-{round}");
        let answers = run_at_once(&desk, &vec![line; 5]);
        let receipts: Vec<_> = answers.iter().map(Answer::json).collect();
        assert!(receipts.iter().all(|receipt| receipt["index"] == FOUNDED_WITH + round), "{answers:?}");
        assert_eq!(receipts.iter().filter(|receipt| receipt["repeated"] == false).count(), 1);
    }
    verify(&desk.path("ledger"), &desk.path("trust.toml"));
}

/// `rollbook log --follow`, read line by line as it speaks. Killed when this is dropped.
struct Follower {
    _child: Killed,
    lines: Receiver<Followed>,
}

/// An entry that a follower showed, and the published size a moment later.
struct Followed {
    index: u64,
    leaf_hash: String,
    published: u64,
}

impl Follower {
    fn start(desk: &Desk) -> Self {
        let mut command = desk.command("--json log --follow");
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let (said, dir) = (BufReader::new(child.stdout.take().unwrap()).lines(), desk.path("ledger"));
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in said.map_while(Result::ok) {
                let published = read_head(&dir).unwrap().size();
                let entry: serde_json::Value = serde_json::from_str(&line).unwrap();
                let leaf_hash = entry["leaf_hash"].as_str().unwrap().to_owned();
                let index = entry["index"].as_u64().unwrap();
                if sender.send(Followed { index, leaf_hash, published }).is_err() {
                    return;
                }
            }
        });
        Self { _child: Killed(child), lines }
    }

    /// The next entry that it shows.
    fn next(&self) -> Followed {
        self.lines.recv_timeout(Duration::from_mins(2)).expect("it follows")
    }
}

#[test]
fn readers_that_follow_a_writer_at_full_speed_see_the_log_and_find_nothing() {
    const VERIFIED: usize = 8;
    let desk = desk();
    let (dir, trust): (PathBuf, PathBuf) = (desk.path("ledger"), desk.path("trust.toml"));
    let follower = Follower::start(&desk);
    let mut writer = Writer::start("writer_races::writer", &dir, Task::new(0, 2, &[1, 3, 1, 50, 200, 2]));
    writer.wait_for_batches(1);
    let writing = AtomicBool::new(true);
    let kept = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..VERIFIED {
                // The auditor's checkpoint of the last time is held against the log this time.
                let checkpoint = format!("kept-{number}");
                desk.write(&checkpoint, desk.done("checkpoint"));
                verify(&dir, &trust);
                desk.done(&format!("verify --trust trust.toml --checkpoint {checkpoint}"));
                kept.lock().unwrap().push(LogReader::open(&dir).unwrap().size());
            }
            writing.store(false, Ordering::SeqCst);
        });
        while writing.load(Ordering::SeqCst) {
            writer.wait(Duration::from_millis(20));
        }
    });
    let mut account = Account::default();
    account.add(writer.kill());
    account.close(&dir, FOUNDED_WITH);
    let sizes = kept.into_inner().unwrap();
    assert!(sizes.is_sorted() && sizes.first() < sizes.last(), "the log grew meanwhile: {sizes:?}");
    let reader = LogReader::open(&dir).unwrap();
    for index in 0..reader.size() {
        let shown = follower.next();
        assert!(shown.index < shown.published, "entry {index} was shown before it was published");
        assert_eq!(shown.index, index);
        assert_eq!(shown.leaf_hash, account.leaf(index).to_string());
    }
    assert!(follower.lines.try_recv().is_err(), "it shows nothing else");
    println!(
        "{} verdicts over {sizes:?} entries, {} entries followed, {} checkpoints seen",
        2 * VERIFIED,
        reader.size(),
        account.checkpoints()
    );
}

#[test]
fn what_lies_beyond_the_head_is_neither_followed_nor_found() {
    let desk = desk();
    desk.copy("ledger/head", "head-before");
    desk.done("--key dora.key note 0 'not published'");
    desk.copy("head-before", "ledger/head");
    assert_eq!(desk.done("--json log").lines().count(), FOUNDED_WITH);
    let verdict = desk.done_json("verify --trust trust.toml");
    assert_eq!(verdict["entries"], FOUNDED_WITH, "{verdict}");
    let follower = Follower::start(&desk);
    for index in 0..FOUNDED_WITH as u64 {
        assert_eq!(follower.next().index, index);
    }
    // Long enough for it to look again; what it would show now was never published.
    std::thread::sleep(Duration::from_millis(600));
    assert!(follower.lines.try_recv().is_err(), "an unpublished entry was shown");
    drop(open(&desk.path("ledger")));
    assert_eq!(follower.next().index, FOUNDED_WITH as u64, "adopted, published and shown");
}
