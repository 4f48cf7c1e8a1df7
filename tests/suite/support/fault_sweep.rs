//! A piece of a ledger's work, done once for every operation of its disk that can fail, and each time judged.
//!
//! After the fault the ledger is opened again on a healthy disk, and must tell one truth: what was acknowledged stands
//! there once, with its receipt; what was refused or not taken does not; every checkpoint that anybody could have read
//! is one of the log's; the verifier finds it sound; and a retry of everything gives one entry each. Then the power is
//! cut, and all that was told holds still.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rollbook::hash::Hash;
use rollbook::ledger::create::TRUST_FILE;
use rollbook::ledger::opening::OpenOptions;
use rollbook::ledger::receipt::{AppendError, Receipt};
use rollbook::ledger::writer::{ClockTrust, Ledger};
use rollbook::log::reader::{LogReader, LoggedEntry, ReadError};
use rollbook::log::trust_root::TrustRoot;
use rollbook::note::checkpoint::Origin;
use rollbook::signing::envelope::Envelope;
use rollbook::store::disk::Disk;
use rollbook::store::files::RollSize;
use rollbook::time::Timestamp;
use rollbook::verifier::report::render;
use rollbook::verifier::verify::{EarlierCheckpoint, Options, verify_dir};

use super::crash_disk::{CrashDisk, Fault, Honesty, Kind};
use super::survival::Survival;
use super::test_ledger::{ORIGIN, Stopped, TestLedger, Who, contents};

/// What is found to be wrong.
pub(crate) type Checked = Result<(), String>;

/// A piece of work over a ledger that lies as it lies at its beginning.
pub(crate) struct Scenario {
    /// Every file below the directory that holds the ledger, its key and its anchor.
    files: Vec<(PathBuf, Vec<u8>)>,
    envelopes: Vec<Envelope>,
    /// Those that were written before, without anybody being told.
    written: BTreeSet<usize>,
    /// Those that a rule refuses, behind the ones before them.
    refused: BTreeSet<usize>,
    /// Entry 0, where the work is to found the ledger.
    founding: Option<Envelope>,
    ledger_id: Hash,
    now: Timestamp,
    roll_size: RollSize,
    /// Whether the work rotates the log key.
    rotates: bool,
    work: fn(&Stage<'_>),
    /// What else must be true of the ledger's directory once it was opened, with these entries.
    also: fn(&Path, &[LoggedEntry]) -> Checked,
    /// Whether the same work has the same operations each time.
    is_steady: bool,
}

/// How many faults are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Every fault at every operation; of what a crash leaves, some in turn.
    Some,
    /// All of it.
    All,
}

/// What a sweep came to.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Tally {
    /// The operations of the work, by kind.
    pub(crate) operations: BTreeMap<Kind, usize>,
    pub(crate) cases: usize,
    /// Cases whose fault was not reached: only where threads decide how many operations there are.
    pub(crate) missed: usize,
}

impl Scenario {
    /// Work over `test` as it is now.
    pub(crate) fn over(test: &TestLedger, envelopes: Vec<Envelope>, work: fn(&Stage<'_>)) -> Self {
        let root = test.beside("");
        let within = |(path, bytes): (PathBuf, _)| (path.strip_prefix(&root).unwrap().to_owned(), bytes);
        Self {
            files: contents(&root).into_iter().map(within).collect(),
            envelopes,
            written: BTreeSet::new(),
            refused: BTreeSet::new(),
            founding: None,
            ledger_id: test.id(),
            now: test.now(),
            roll_size: RollSize::DEFAULT,
            rotates: false,
            work,
            also: |_, _| Ok(()),
            is_steady: true,
        }
    }

    /// Where `number` was written before, and nobody was told.
    pub(crate) fn written(mut self, number: usize) -> Self {
        self.written.insert(number);
        self
    }

    /// Where a rule refuses `number`.
    pub(crate) fn refused(mut self, number: usize) -> Self {
        self.refused.insert(number);
        self
    }

    /// Where the work founds the ledger `ledger_id`.
    pub(crate) fn founding(self, founding: Envelope, ledger_id: Hash) -> Self {
        Self { founding: Some(founding), ledger_id, ..self }
    }

    /// With log files of at most `bytes`.
    pub(crate) fn rolling(self, bytes: u64) -> Self {
        Self { roll_size: RollSize::new(bytes), ..self }
    }

    /// Where the log key is rotated.
    pub(crate) fn rotating(self) -> Self {
        Self { rotates: true, ..self }
    }

    /// With threads, whose batches are not the same each time.
    pub(crate) fn unsteady(self) -> Self {
        Self { is_steady: false, ..self }
    }

    /// Where something else must be true, too.
    pub(crate) fn also(self, also: fn(&Path, &[LoggedEntry]) -> Checked) -> Self {
        Self { also, ..self }
    }

    /// Opens the ledger in `dir` as the work does.
    #[expect(clippy::needless_pass_by_value, reason = "callers make a disk for this one opening")]
    pub(crate) fn open_on(&self, dir: &Path, disk: Arc<dyn Disk>) -> Result<Ledger, String> {
        let options = OpenOptions {
            lock_timeout: Duration::from_secs(10),
            clock: Arc::new(Stopped(self.now)),
            clock_trust: ClockTrust::Checked,
            ask_passphrase: &mut || Ok(None),
        };
        let opened = if self.rotates {
            Ledger::open_for_rotation_on(&disk, dir, options, None)
        } else {
            Ledger::open_rolling_on(&disk, dir, self.roll_size, options)
        };
        opened.map_err(|error| error.to_string())
    }

    /// Tries everything; the first thing found to be wrong ends it.
    pub(crate) fn sweep(&self, depth: Depth, honesty: Honesty) -> Result<Tally, String> {
        let root = tempfile::tempdir().unwrap();
        let stage = self.set(root.path(), honesty);
        (self.work)(&stage);
        let kinds = stage.disk.operations();
        stage.judge(Ending::Lived, 0).map_err(|wrong| format!("without a fault: {wrong}"))?;
        let mut tally = Tally { cases: 1, ..Tally::default() };
        for kind in &kinds {
            *tally.operations.entry(*kind).or_default() += 1;
        }
        for (number, kind) in kinds.iter().enumerate() {
            for fault in Fault::FAILURES.into_iter().filter(|fault| fault.fits(*kind)) {
                self.try_one(root.path(), honesty, (number, fault), Ending::Lived, &mut tally)?;
            }
            for fault in Fault::CRASHES.into_iter().filter(|fault| fault.fits(*kind)) {
                for survival in survivals(number, depth) {
                    self.try_one(
                        root.path(),
                        honesty,
                        (number, fault),
                        Ending::Crashed(survival),
                        &mut tally,
                    )?;
                }
            }
        }
        Ok(tally)
    }

    fn try_one(
        &self,
        root: &Path,
        honesty: Honesty,
        (number, fault): (usize, Fault),
        ending: Ending,
        tally: &mut Tally,
    ) -> Checked {
        let stage = self.set(root, honesty);
        stage.disk.fail_at(number, fault);
        (self.work)(&stage);
        tally.cases += 1;
        match (stage.disk.was_hit(), self.is_steady) {
            (true, _) => {}
            (false, true) => return Err(format!("operation {number} was not reached")),
            (false, false) => tally.missed += 1,
        }
        let at = stage.disk.operations().get(number).copied();
        stage
            .judge(ending, number)
            .map_err(|wrong| format!("operation {number} ({at:?}), {fault:?}, {ending:?}: {wrong}"))
    }

    fn set(&self, root: &Path, honesty: Honesty) -> Stage<'_> {
        for entry in fs::read_dir(root).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
        }
        for (path, bytes) in &self.files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, bytes).unwrap();
        }
        close_keys(root);
        Stage {
            scenario: self,
            root: root.to_owned(),
            disk: CrashDisk::over(root, honesty),
            told: Mutex::new(Told::default()),
        }
    }
}

/// The log's private keys are their owner's alone, whatever wrote them.
fn close_keys(root: &Path) {
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("log.pem")) {
            fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        }
    }
}

fn survivals(number: usize, depth: Depth) -> Vec<Survival> {
    if depth == Depth::All {
        return Survival::EACH.to_vec();
    }
    let rest = &Survival::EACH[1..];
    vec![Survival::Nothing, rest[number % rest.len()], rest[(number + 5) % rest.len()]]
}

/// How the process ended that did the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// It lived on, and opens the ledger again.
    Lived,
    Crashed(Survival),
}

/// What those who waited were told, by the numbers of their envelopes.
#[derive(Debug, Default)]
struct Told {
    founded: bool,
    receipts: Vec<(usize, Receipt)>,
    unknown: BTreeSet<usize>,
    refused: BTreeSet<usize>,
    wrong: Vec<String>,
}

/// A scenario that is being worked through.
pub(crate) struct Stage<'a> {
    scenario: &'a Scenario,
    root: PathBuf,
    disk: CrashDisk,
    told: Mutex<Told>,
}

impl Stage<'_> {
    pub(crate) fn dir(&self) -> PathBuf {
        self.root.join("ledger")
    }

    pub(crate) fn disk(&self) -> Arc<dyn Disk> {
        Arc::new(self.disk.clone())
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.scenario.now
    }

    pub(crate) fn founding(&self) -> Envelope {
        self.scenario.founding.clone().unwrap()
    }

    /// Notes that somebody was told that the ledger is founded.
    pub(crate) fn founded(&self) {
        self.told.lock().unwrap().founded = true;
    }

    pub(crate) fn open(&self) -> Result<Ledger, String> {
        self.scenario.open_on(&self.dir(), self.disk())
    }

    /// Opens the ledger as those do who rotate nothing.
    fn open_for_events(&self) -> Result<Ledger, String> {
        let options = OpenOptions {
            lock_timeout: Duration::from_secs(10),
            clock: Arc::new(Stopped(self.scenario.now)),
            clock_trust: ClockTrust::Checked,
            ask_passphrase: &mut || Ok(None),
        };
        let opened = Ledger::open_on(&self.disk(), &self.dir(), options);
        opened.map_err(|error| format!("it does not open for events: {error}"))
    }

    /// Appends the envelopes of these numbers together, and notes what each was told.
    pub(crate) fn append(&self, ledger: &Ledger, numbers: &[usize]) {
        let envelopes = numbers.iter().map(|number| self.scenario.envelopes[*number].clone()).collect();
        let outcomes = ledger.append_batch(envelopes);
        let mut told = self.told.lock().unwrap();
        for (number, outcome) in numbers.iter().zip(outcomes) {
            let is_news = outcome.as_ref().is_ok_and(|receipt| !receipt.repeated);
            if is_news && self.scenario.is_steady && !told.unknown.is_empty() {
                told.wrong.push(format!("{number} was taken after a failure"));
            }
            told.note(*number, outcome);
        }
    }

    /// Says whether everything is true that anybody was told, now and after the power is cut.
    fn judge(self, ending: Ending, number: usize) -> Checked {
        match ending {
            // On a disk that may be full still: it opens or it doesn't, and believes nothing it shouldn't.
            Ending::Lived => drop(self.open()),
            Ending::Crashed(survival) => self.restart(survival, number),
        }
        self.disk.heal();
        let told = std::mem::take(&mut *self.told.lock().unwrap());
        if let Some(wrong) = told.wrong.first() {
            return Err(wrong.clone());
        }
        if self.scenario.founding.is_some() && !told.founded {
            return self.judge_unfounded();
        }
        if self.scenario.rotates {
            drop(self.open_for_events()?);
        }
        let ledger = self.open().map_err(|error| format!("it does not open again: {error}"))?;
        let entries = self.sound_entries()?;
        told.check(self.scenario, &entries)?;
        let receipts = self.retry_all(&ledger, &told)?;
        drop(ledger);
        self.check_once(&receipts)?;
        self.restart(Survival::Nothing, number + 1);
        drop(self.open().map_err(|error| format!("after the power was cut: {error}"))?);
        self.check_once(&receipts).map_err(|wrong| format!("after the power was cut: {wrong}"))
    }

    /// After a power cut the index is gone, or it is any other than the log's.
    fn restart(&self, survival: Survival, number: usize) {
        self.disk.restart(survival);
        close_keys(&self.root);
        let index = self.dir().join("index");
        if survival != Survival::Process && number.is_multiple_of(2) && index.exists() {
            fs::remove_dir_all(index).unwrap();
        }
    }

    /// Nobody was told of a ledger: there is none, or it holds entry 0 alone.
    fn judge_unfounded(&self) -> Checked {
        match self.open() {
            Err(_) => Ok(()),
            Ok(ledger) if ledger.size() == 1 => Ok(()),
            Ok(ledger) => Err(format!("{} entries in a ledger that nobody was told of", ledger.size())),
        }
    }

    /// Every published entry of a log that the verifier, holding every checkpoint ever seen against it, finds sound.
    fn sound_entries(&self) -> Result<Vec<LoggedEntry>, String> {
        let notes = self.disk.published();
        let kept = notes
            .iter()
            .map(|note| EarlierCheckpoint::parse("seen", note).map_err(|error| error.to_string()));
        let kept: Vec<_> = kept.collect::<Result<_, _>>()?;
        let origin = Origin::new(ORIGIN).unwrap();
        let trust =
            TrustRoot::new(origin, self.scenario.ledger_id, Who::LogKey.secret().public_key()).unwrap();
        let options =
            Options { trust: Some(&trust), checkpoints: &kept, threads: Some(1), ..Options::default() };
        let report = verify_dir(&self.dir(), &options, &|_, _| {}).map_err(|error| error.to_string())?;
        if report.verdict.exit_code() != 0 {
            return Err(render(&report, None));
        }
        if self.scenario.founding.is_some() {
            let handed_out =
                fs::read_to_string(self.dir().join(TRUST_FILE)).map_err(|error| error.to_string())?;
            if handed_out != trust.to_toml() {
                return Err("the trust root is not the ledger's".into());
            }
        }
        let mut entries = Vec::new();
        let collect = |entry| {
            entries.push(entry);
            Ok::<_, ReadError>(ControlFlow::Continue(()))
        };
        let reader = LogReader::open(&self.dir()).map_err(|error| error.to_string())?;
        reader.for_each(0, collect).map_err(|error| error.to_string())?;
        (self.scenario.also)(&self.dir(), &entries)?;
        Ok(entries)
    }

    /// Appends everything once more: the same receipts as before, and one for all that had none.
    fn retry_all(&self, ledger: &Ledger, told: &Told) -> Result<BTreeMap<usize, Receipt>, String> {
        let mut receipts = BTreeMap::new();
        for (number, envelope) in self.scenario.envelopes.iter().enumerate() {
            match ledger.append(envelope.clone()) {
                Ok(receipt) => {
                    receipts.insert(number, receipt);
                }
                Err(AppendError::Refused(_)) if self.scenario.refused.contains(&number) => {}
                Err(error) => return Err(format!("a retry of {number}: {error}")),
            }
        }
        for (number, receipt) in &told.receipts {
            let again = receipts.get(number).ok_or(format!("the receipt of {number} is gone"))?;
            if (again.index, again.leaf_hash) != (receipt.index, receipt.leaf_hash) || !again.repeated {
                return Err(format!("a retry of {number}: {again:?}, and before {receipt:?}"));
            }
        }
        Ok(receipts)
    }

    fn check_once(&self, receipts: &BTreeMap<usize, Receipt>) -> Checked {
        let entries = self.sound_entries()?;
        receipts.iter().try_for_each(|(number, receipt)| {
            check_receipt(&self.scenario.envelopes[*number], receipt, &entries)
        })
    }
}

impl Told {
    fn note(&mut self, number: usize, outcome: Result<Receipt, AppendError>) {
        // Whoever hears anything but these two was not recorded, now or ever.
        match outcome {
            Ok(receipt) => self.receipts.push((number, receipt)),
            Err(AppendError::OutcomeUnknown { reason, event_id }) => {
                let error = AppendError::OutcomeUnknown { reason, event_id };
                if !error.to_string().contains(&format!("retry with the same event id {event_id}")) {
                    self.wrong.push(format!("no advice: {error}"));
                }
                self.unknown.insert(number);
            }
            Err(AppendError::Refused(_)) => {
                self.refused.insert(number);
            }
            Err(error @ AppendError::Poisoned { .. }) => {
                if !error.to_string().contains("opened again") {
                    self.wrong.push(format!("no advice: {error}"));
                }
            }
            // Nothing was recorded: that it was about to be redacted could not be marked.
            Err(AppendError::Attachment { .. }) => {}
            Err(error) => self.wrong.push(format!("{number}: {error}")),
        }
    }

    fn check(&self, scenario: &Scenario, entries: &[LoggedEntry]) -> Checked {
        for (number, receipt) in &self.receipts {
            check_receipt(&scenario.envelopes[*number], receipt, entries)?;
        }
        if let Some(number) = self.refused.difference(&scenario.refused).next() {
            return Err(format!("{number} was refused"));
        }
        let acknowledged = |number: &usize| self.receipts.iter().any(|(of, _)| of == number);
        for (number, envelope) in scenario.envelopes.iter().enumerate() {
            let count =
                entries.iter().filter(|entry| entry.entry.envelope.event() == envelope.event()).count();
            let may_be_unknown = self.unknown.contains(&number) || scenario.written.contains(&number);
            let may_stand = acknowledged(&number) || (may_be_unknown && !scenario.refused.contains(&number));
            if count > usize::from(may_stand) {
                return Err(format!("the event {number} stands there {count} times, which nobody was told"));
            }
        }
        Ok(())
    }
}

/// The event of `envelope` stands once among `entries`, where its receipt says.
fn check_receipt(envelope: &Envelope, receipt: &Receipt, entries: &[LoggedEntry]) -> Checked {
    let mut standing = entries.iter().filter(|entry| entry.entry.envelope.event() == envelope.event());
    let Some(entry) = standing.next() else {
        return Err(format!("the acknowledged entry {} is lost", receipt.index));
    };
    if (entry.entry.index, entry.leaf_hash) != (receipt.index, receipt.leaf_hash) || standing.next().is_some()
    {
        return Err(format!("the acknowledged entry {} stands elsewhere, or twice", receipt.index));
    }
    Ok(())
}
