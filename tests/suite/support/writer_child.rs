//! A writer in a process of its own, to be stopped from outside: this very test binary, started again.
//!
//! The writer appends notes and says so on stdout, a line a batch, only after `append_batch` has returned. Every note
//! follows from its number and from what the writer says first, so that the parent can build again what was sent and
//! never acknowledged. [`Account`] keeps what was promised, and holds the log to it.

use std::collections::{BTreeSet, HashMap};
use std::io::{BufRead as _, BufReader, Write as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rollbook::event::body::Event;
use rollbook::event::header::{Basis, EXPIRY_DEFAULT_MS, EventId, FORMAT_VERSION, Header};
use rollbook::event::list::Ascending;
use rollbook::event::remark::{NoteAdded, NoteSubject};
use rollbook::event::text::Text;
use rollbook::hash::Hash;
use rollbook::ledger::receipt::Receipt;
use rollbook::ledger::writer::{ClockTrust, Ledger};
use rollbook::log::reader::{LogReader, LoggedEntry, ReadError};
use rollbook::merkle::tree::Frontier;
use rollbook::note::checkpoint::CheckpointNote;
use rollbook::signing::envelope::{Draft, Envelope};
use rollbook::signing::key_file::SecretKey;
use rollbook::signing::signer::Signer;
use rollbook::store::disk::{Disk, RealDisk};
use rollbook::store::head::read_head;
use rollbook::time::{Clock as _, SystemClock, Timestamp};

use super::child::Killed;
use super::desk::{Answer, Desk, PROGRAM};
use super::test_ledger::open_at;

/// Says to this binary what it is to write: run, threads, sizes of batch, ledger.
const TASK: &str = "ROLLBOOK_TEST_WRITER_TASK";
/// The seed of the key that dora has at a founded desk.
const AUTHOR_SEED: u8 = 4;
/// Nothing that these writers do takes longer, on however slow a machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// What a writer is to do until it is killed.
#[derive(Debug, Clone)]
pub(crate) struct Task {
    /// Tells its events from those of every other writer of this ledger.
    pub(crate) run: u32,
    pub(crate) threads: u32,
    /// Sizes of batch, one after the other, again and again.
    pub(crate) sizes: Vec<u32>,
}

impl Task {
    pub(crate) fn new(run: u32, threads: u32, sizes: &[u32]) -> Self {
        Self { run, threads, sizes: sizes.to_vec() }
    }

    fn encode(&self, dir: &Path) -> String {
        let sizes: Vec<String> = self.sizes.iter().map(u32::to_string).collect();
        format!("{} {} {} {}", self.run, self.threads, sizes.join(","), dir.display())
    }

    fn decode(text: &str) -> (Self, PathBuf) {
        let [run, threads, sizes, dir] = text.splitn(4, ' ').collect::<Vec<_>>().try_into().unwrap();
        let sizes = sizes.split(',').map(|size| size.parse().unwrap()).collect();
        (Self { run: run.parse().unwrap(), threads: threads.parse().unwrap(), sizes }, dir.into())
    }

    /// The size of a thread's batch that begins with this number.
    fn batch_at(&self, first: u32) -> u32 {
        let round: u32 = self.sizes.iter().sum();
        let mut at = first % round;
        for size in &self.sizes {
            if at < *size {
                return *size;
            }
            at -= size;
        }
        unreachable!("the remainder lies in the round")
    }
}

fn event_id(run: u32, thread: u32, number: u32) -> EventId {
    let [run, thread, number] = [run, thread, number].map(u128::from);
    EventId::from_bytes(((1 << 96) | (run << 64) | (thread << 32) | number).to_be_bytes())
}

/// Everything that the notes of one writer share.
#[derive(Debug, Clone, Copy)]
struct Author {
    ledger_id: Hash,
    claimed_at: Timestamp,
}

impl Author {
    fn note(&self, id: EventId) -> Envelope {
        let secret = SecretKey::from_seed(&[AUTHOR_SEED; 32]);
        let header = Header {
            format: FORMAT_VERSION,
            ledger_id: self.ledger_id,
            event_id: id,
            proposer: secret.public_key(),
            claimed_at: self.claimed_at,
            expires_at: self.claimed_at.plus_ms(EXPIRY_DEFAULT_MS),
            basis: Basis::Declared,
            attachments: Ascending::default(),
        };
        let text = Text::new(format!("note {id}")).unwrap();
        let body = NoteAdded { subject: NoteSubject::Entry { entry: 0 }, text };
        let mut draft = Draft::new(Event { header, body: body.into() }.to_bytes().unwrap()).unwrap();
        draft.sign(&Signer::from_secret(secret)).unwrap();
        draft.into_envelope().unwrap()
    }
}

pub(crate) fn open(dir: &Path) -> Ledger {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    open_at(dir, &disk, Arc::new(SystemClock), ClockTrust::Vouched).unwrap_or_else(|error| panic!("{error}"))
}

fn ledger_id(dir: &Path) -> Hash {
    LogReader::open(dir).unwrap().entry(0).unwrap().0.leaf_hash
}

/// What a batch came to, in one line that is whole or not there at all.
fn say(line: &str) {
    std::io::stdout().lock().write_all(format!("\n{line}.\n").as_bytes()).unwrap();
}

/// The first note of a run, for the ledger in `dir`.
pub(crate) fn first_note(dir: &Path, run: u32) -> Envelope {
    Author { ledger_id: ledger_id(dir), claimed_at: SystemClock.now() }.note(event_id(run, 0, 0))
}

// In the child.

/// Writes as the environment says, for ever; comes back at once where it says nothing.
pub(crate) fn write_if_told() {
    let Some(task) = std::env::var_os(TASK) else { return };
    let (task, dir) = Task::decode(task.to_str().unwrap());
    say("opening");
    let author = Author { ledger_id: ledger_id(&dir), claimed_at: SystemClock.now() };
    let ledger = open(&dir);
    say(&format!("begun {}", author.claimed_at.as_millis()));
    std::thread::scope(|scope| {
        for thread in 0..task.threads {
            let (task, ledger) = (&task, &ledger);
            scope.spawn(move || write(task, thread, author, ledger));
        }
    });
}

fn write(task: &Task, thread: u32, author: Author, ledger: &Ledger) {
    let mut first = 0;
    loop {
        let count = task.batch_at(first);
        let notes = (first..first + count).map(|number| author.note(event_id(task.run, thread, number)));
        let receipts: Vec<Receipt> =
            ledger.append_batch(notes.collect()).into_iter().map(Result::unwrap).collect();
        let leaves: Vec<&[u8]> = receipts.iter().map(|receipt| &receipt.leaf_hash.as_bytes()[..]).collect();
        let digest = Hash::of_parts(&leaves);
        let last = receipts.last().unwrap();
        let note = CheckpointNote::parse_unverified(last.checkpoint.as_bytes()).unwrap();
        let (index, size, root) =
            (receipts[0].index, note.checkpoint().size(), note.checkpoint().root().to_string());
        say(&format!("done {thread} {first} {count} {index} {digest} {size} {root}"));
        first += count;
    }
}

// In the parent.

/// A batch that a writer was told is durable.
#[derive(Debug, Clone)]
struct Acknowledged {
    run: u32,
    thread: u32,
    first: u32,
    count: u32,
    index: u64,
    /// Over the leaf hashes of all its receipts.
    digest: Hash,
}

/// What a writer said until it was stopped.
#[derive(Debug, Clone, Default)]
pub(crate) struct Said {
    claimed_at: Option<Timestamp>,
    batches: Vec<Acknowledged>,
    /// Sizes and roots of published checkpoints.
    checkpoints: Vec<(u64, Hash)>,
}

impl Said {
    fn hear(&mut self, run: u32, line: &str) {
        // A line that was cut off has no full stop.
        let Some(line) = line.strip_suffix('.') else { return };
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["begun", ms] => self.claimed_at = Some(Timestamp::from_millis(ms.parse().unwrap()).unwrap()),
            ["done", thread, first, count, index, digest, size, root] => {
                self.batches.push(Acknowledged {
                    run,
                    thread: thread.parse().unwrap(),
                    first: first.parse().unwrap(),
                    count: count.parse().unwrap(),
                    index: index.parse().unwrap(),
                    digest: digest.parse().unwrap(),
                });
                self.checkpoints.push((size.parse().unwrap(), root.parse().unwrap()));
            }
            _ => {}
        }
    }
}

/// A writer at work. Killed when this is dropped.
pub(crate) struct Writer {
    child: Killed,
    task: Task,
    dir: PathBuf,
    said: Arc<Mutex<Said>>,
    /// A message for each line that is heard.
    heard: Receiver<bool>,
    hearing: Option<std::thread::JoinHandle<()>>,
    /// Checkpoints that a reader found in `head` meanwhile.
    seen: Vec<(u64, Hash)>,
}

impl Writer {
    /// Starts `test`, which calls [`write_if_told`], as a writer.
    pub(crate) fn start(test: &str, dir: &Path, task: Task) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(TASK, task.encode(dir));
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let said = Arc::new(Mutex::new(Said::default()));
        let (sender, heard) = channel();
        let (lines, into, run) = (BufReader::new(child.stdout.take().unwrap()), Arc::clone(&said), task.run);
        let hearing = std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                into.lock().unwrap().hear(run, &line);
                let _ = sender.send(line.starts_with("done "));
            }
        });
        let (dir, seen) = (dir.to_owned(), Vec::new());
        Self { child: Killed(child), task, dir, said, heard, hearing: Some(hearing), seen }
    }

    /// Waits until so many batches are acknowledged, reading `head` all the while.
    pub(crate) fn wait_for_batches(&mut self, count: usize) {
        let began = Instant::now();
        let mut batches = 0;
        while batches < count {
            assert!(began.elapsed() < PATIENCE, "the writer acknowledges nothing");
            match self.heard.recv_timeout(Duration::from_millis(1)) {
                Ok(is_batch) => batches += usize::from(is_batch),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => panic!("the writer ended by itself"),
            }
            self.look();
        }
    }

    /// Lets it run for so long, reading `head` all the while.
    pub(crate) fn wait(&mut self, time: Duration) {
        let began = Instant::now();
        while let Some(left) = time.checked_sub(began.elapsed()) {
            self.look();
            std::thread::sleep(left.min(Duration::from_micros(300)));
        }
        assert!(self.child.try_wait().unwrap().is_none(), "the writer ended by itself");
    }

    /// Waits until the log grows: the writer is within a write, or shortly behind it.
    pub(crate) fn wait_for_a_write(&mut self) {
        let (began, before) = (Instant::now(), self.log_bytes());
        while self.log_bytes() == before {
            assert!(began.elapsed() < PATIENCE, "the writer writes nothing");
        }
    }

    fn log_bytes(&self) -> u64 {
        let files = std::fs::read_dir(self.dir.join("log")).unwrap();
        files.map(|file| file.unwrap().metadata().unwrap().len()).sum()
    }

    /// What any reader may see at this moment.
    fn look(&mut self) {
        let state = read_head(&self.dir).unwrap();
        let head = state.head().expect("whatever the writer does, one slot can be read");
        let note = CheckpointNote::parse_unverified(head.note()).unwrap();
        let seen = (note.checkpoint().size(), *note.checkpoint().root());
        if self.seen.last() != Some(&seen) {
            self.seen.push(seen);
        }
    }

    /// Kills it, and gives all that it said before.
    pub(crate) fn kill(mut self) -> (Task, Said) {
        self.look();
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.hearing.take().unwrap().join().unwrap();
        self.account_so_far()
    }

    /// Stops it (`SIGSTOP`) without ending it, and gives what it said up to then.
    pub(crate) fn stop(&mut self) -> (Task, Said) {
        let signal = Command::new("kill").args(["-STOP", &self.child.id().to_string()]).status().unwrap();
        assert!(signal.success(), "kill -STOP");
        let began = Instant::now();
        while !self.is_stopped() {
            assert!(began.elapsed() < PATIENCE, "the writer does not stop");
            std::thread::sleep(Duration::from_millis(2));
        }
        // Whatever it had written to the pipe is read by now, or soon: to miss some only promises less.
        while self.heard.recv_timeout(Duration::from_millis(30)).is_ok() {}
        self.account_so_far()
    }

    fn account_so_far(&self) -> (Task, Said) {
        let mut said = self.said.lock().unwrap().clone();
        said.checkpoints.extend_from_slice(&self.seen);
        (self.task.clone(), said)
    }

    /// Whether each thread stands still.
    fn is_stopped(&self) -> bool {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        threads.map(|thread| std::fs::read_to_string(thread.unwrap().path().join("stat"))).all(|stat| {
            stat.is_ok_and(|stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T')))
        })
    }
}

/// What has been promised of one ledger, and what has been read of its log.
#[derive(Debug, Default)]
pub(crate) struct Account {
    acknowledged: Vec<Acknowledged>,
    /// How many of these have been found in the log.
    checked: usize,
    /// Sent, and perhaps recorded: each event's id, with what it takes to send it once more.
    unknown: Vec<(EventId, Timestamp)>,
    checkpoints: BTreeSet<(u64, Hash)>,
    leaves: Vec<Hash>,
    ids: HashMap<EventId, u64>,
    tree: Frontier,
    roots: Vec<Hash>,
}

impl Account {
    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged.iter().map(|batch| u64::from(batch.count)).sum()
    }

    pub(crate) fn checkpoints(&self) -> usize {
        self.checkpoints.len()
    }

    pub(crate) fn leaf(&self, index: u64) -> Hash {
        self.leaves[usize::try_from(index).unwrap()]
    }

    pub(crate) fn entries(&self) -> usize {
        self.leaves.len()
    }

    /// Takes up what a writer said.
    pub(crate) fn add(&mut self, (task, said): (Task, Said)) {
        let mut next = vec![0; task.threads as usize];
        for batch in &said.batches {
            next[batch.thread as usize] = batch.first + batch.count;
        }
        if let Some(claimed_at) = said.claimed_at {
            for (thread, first) in (0..).zip(next) {
                let sent = first..first + task.batch_at(first);
                self.unknown.extend(sent.map(|number| (event_id(task.run, thread, number), claimed_at)));
            }
        }
        self.acknowledged.extend(said.batches);
        self.checkpoints.extend(said.checkpoints);
    }

    /// Reads what is published and was not read before, and holds it to all promises.
    pub(crate) fn check(&mut self, dir: &Path) {
        let reader = LogReader::open(dir).unwrap();
        assert!(reader.size() >= self.leaves.len() as u64, "the log has become shorter");
        let from = self.leaves.len() as u64;
        let take = |logged: LoggedEntry| {
            let (index, id) = (logged.entry.index, logged.event.header.event_id);
            assert_eq!(index, self.leaves.len() as u64);
            assert_eq!(self.ids.insert(id, index), None, "event {id} stands twice");
            self.tree.push(logged.leaf_hash);
            self.leaves.push(logged.leaf_hash);
            self.roots.push(self.tree.root());
            Ok::<_, ReadError>(ControlFlow::Continue(()))
        };
        reader.for_each(from, take).unwrap();
        for batch in &self.acknowledged[self.checked..] {
            self.check_batch(batch);
        }
        self.checked = self.acknowledged.len();
        for (size, root) in &self.checkpoints {
            let ours = size.checked_sub(1).and_then(|last| self.roots.get(usize::try_from(last).unwrap()));
            assert_eq!(ours, Some(root), "the checkpoint published at size {size} is not of this log's past");
        }
    }

    fn check_batch(&self, batch: &Acknowledged) {
        for (index, number) in (batch.index..).zip(batch.first..batch.first + batch.count) {
            let id = event_id(batch.run, batch.thread, number);
            assert_eq!(self.ids.get(&id), Some(&index), "event {id} of {batch:?} was acknowledged");
        }
        let first = usize::try_from(batch.index).unwrap();
        let leaves = &self.leaves[first..first + batch.count as usize];
        let leaves: Vec<&[u8]> = leaves.iter().map(|leaf| &leaf.as_bytes()[..]).collect();
        assert_eq!(Hash::of_parts(&leaves), batch.digest, "{batch:?}: other leaf hashes were acknowledged");
    }

    /// Forgets what was read of the log, so that the next check reads all of it anew; gives what was known.
    pub(crate) fn forget(&mut self) -> Vec<Hash> {
        (self.checked, self.tree, self.roots) = (0, Frontier::new(), Vec::new());
        self.ids.clear();
        std::mem::take(&mut self.leaves)
    }

    /// Opens the ledger, and sends again what nobody acknowledged: then it stands there, once. Gives how many
    /// such events there were, and how many of them stood there already.
    pub(crate) fn settle(&mut self, dir: &Path) -> (usize, usize) {
        let ledger = open(dir);
        let id = ledger_id(dir);
        let unknown = std::mem::take(&mut self.unknown);
        let again = |(event, claimed_at): &(EventId, Timestamp)| {
            Author { ledger_id: id, claimed_at: *claimed_at }.note(*event)
        };
        let receipts: Vec<Receipt> = ledger
            .append_batch(unknown.iter().map(again).collect())
            .into_iter()
            .map(Result::unwrap)
            .collect();
        drop(ledger);
        self.check(dir);
        for ((event, _), receipt) in unknown.iter().zip(&receipts) {
            assert_eq!(self.ids.get(event), Some(&receipt.index), "a retry's receipt is right");
            assert_eq!(self.leaves[usize::try_from(receipt.index).unwrap()], receipt.leaf_hash);
        }
        (receipts.len(), receipts.iter().filter(|receipt| receipt.repeated).count())
    }

    /// The log holds what was acknowledged or settled, beside what it was founded with, and nothing else; read from
    /// its first byte it is what it was each time before.
    pub(crate) fn close(&mut self, dir: &Path, founded_with: usize) {
        let settled = self.settle(dir).0;
        assert_eq!(self.settle(dir).0, 0);
        let before = self.forget();
        self.check(dir);
        assert_eq!(self.leaves, before, "what was published once has changed");
        assert!(self.leaves.len() >= founded_with + settled);
    }
}

/// Verifies with the program: the ledger is sound, and rooted in `trust`.
pub(crate) fn verify(dir: &Path, trust: &Path) {
    let mut command = Command::new(PROGRAM);
    command.arg("verify").arg(dir).arg("--trust").arg(trust).env_clear().stdin(Stdio::null());
    let answer = Answer::from(command.output().unwrap());
    assert_eq!(answer.code, Some(0), "{}{}", answer.stdout, answer.stderr);
}

/// A desk where dora may write notes, and the trust root was handed out: `trust.toml`.
pub(crate) fn desk() -> Desk {
    let desk = Desk::founded();
    desk.grant("dora", "--role registrar --role deployer --env '*' --model '*'");
    desk.copy("ledger/trust.toml", "trust.toml");
    desk
}

/// Numbers that follow from a seed (`SplitMix64`).
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    /// From `ROLLBOOK_TEST_SEED`, or from the clock. The seed is printed, which shows where a test fails. It decides
    /// on the moments, and the machine on what happens in them.
    pub(crate) fn new(salt: u64) -> Self {
        let told = std::env::var("ROLLBOOK_TEST_SEED").ok().map(|seed| seed.parse().unwrap());
        let clock = || u64::try_from(SystemClock.now().as_millis()).unwrap();
        let seed = told.unwrap_or_else(clock);
        println!("ROLLBOOK_TEST_SEED={seed} (salt {salt})");
        Self(seed ^ salt.wrapping_mul(0xA076_1D64_78BD_642F))
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }

    pub(crate) fn micros_below(&mut self, bound: u64) -> Duration {
        Duration::from_micros(self.below(bound))
    }
}
