//! `rollbook bench verify`.

use std::ffi::OsStr;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use clap::Args;
use rayon::prelude::*;

use crate::cli::bench::bare::{Signatures, log_bytes, time_hashing, time_writing};
use crate::cli::bench::bed::Bed;
use crate::cli::bench::figures::{Figure, median, print};
use crate::cli::bench::filler::{Filler, Scale};
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::progress;
use crate::export::pack_write::export;
use crate::log::reader::LogReader;
use crate::log::trust_root::TrustRoot;
use crate::note::checkpoint::CheckpointNote;
use crate::signing::envelope::Envelope;
use crate::verifier::kept::KeptState;
use crate::verifier::verify::{Judged, Options, judge_dir};

/// How often each is measured.
const ROUNDS: usize = 3;
/// How many of the log's signatures the floors check, at most: memory stays bounded.
const SAMPLE: usize = 50_000;

/// How many of its notes they check, at most.
const NOTES: usize = 5_000;
/// How many entries come behind those that were verified before.
const SINCE: u64 = 1_000;

/// Measure how fast a ledger is verified, in whole and in part.
///
/// The whole verification is held against the bare check of its signatures alone, batched and
/// strict, on all cores; and against hashing its bytes once on one. Then a thousand entries are added,
/// and checked alone; an entry is proved, by a process of its own; and an evidence pack is exported. The
/// ledger it makes in DIR is removed again.
///
/// Example:
///   rollbook bench verify /var/lib/rollbook --entries 100000
///   rollbook bench verify /dev/shm --entries 1000000 --batch 1
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Verify {
    /// A directory on the disk in question
    #[arg(default_value = ".")]
    pub dir: PathBuf,
    /// How many entries
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(100..))]
    pub entries: u64,
    /// How many entries in a batch, each of which is signed by the log key
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=4096))]
    pub batch: u64,
}

/// A ledger that was made to be verified.
struct Filled {
    ledger: PathBuf,
    trust: TrustRoot,
    signatures: Signatures,
    checkpoints: Vec<CheckpointNote>,
}

impl Verify {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn run(self, context: &Context) -> Result<(), Failure> {
        let bed = Bed::make(&self.dir)?;
        let bar = progress::bar("filling {bar:30} {pos}/{len} entries {per_sec} {eta}");
        let mut filler = Filler::found(context, &bed.path("filled"), Scale::DEFAULT)?;
        filler.fill_up_to(self.entries, self.batch, context, &progress::follow(&bar))?;
        bar.finish_and_clear();
        let log = Filled::read(&bed)?;
        let mut figures = self.whole(&log)?;
        figures.extend(since(&log, &bed, || {
            filler.fill_up_to(self.entries + SINCE, self.batch, context, &|_, _| ())
        })?);
        drop(filler);
        figures.push(self.proof(&log, &bed)?);
        figures.push(self.pack(&log, &bed)?);
        print(context, &self.dir, &figures)
    }

    fn whole(&self, filled: &Filled) -> Result<Vec<Figure>, Failure> {
        let timed = |strict| filled.timed(&Options { strict, ..filled.options() }).map(|(took, _)| took);
        let (mut whole, mut whole_strict) = (Vec::new(), Vec::new());
        let (mut batched, mut strict, mut notes) = (Vec::new(), Vec::new(), Vec::new());
        let mut hashing = Vec::new();
        let ledger = &filled.ledger;
        for _ in 0..ROUNDS {
            whole.push(timed(false)?);
            batched.push(filled.signatures.time_batched()?);
            notes.push(filled.time_notes()?);
            whole_strict.push(timed(true)?);
            strict.push(filled.signatures.time_strict()?);
            hashing.push(time_hashing(ledger).map_err(|error| Failure::io("read", ledger, &error))?);
        }
        let (entries, count) = (self.entries as f64, filled.signatures.count() as f64);
        // Of each batch one note, of each entry one signature.
        let note = median(notes) / filled.checkpoints.len() as f64 / self.batch as f64;
        let (batched, strict) = (median(batched) / count + note, median(strict) / count + note);
        Ok(vec![
            Figure::new("verify, an entry", median(whole) / entries)
                .beside("its bare signatures: authors' in batches, the log's strict; all cores", batched),
            Figure::new("verify --strict, an entry", median(whole_strict) / entries)
                .beside("its bare signatures, all strict; all cores", strict),
            Figure::new("hashing its bytes once, one core", median(hashing) / entries),
        ])
    }

    fn proof(&self, filled: &Filled, bed: &Bed) -> Result<Figure, Failure> {
        let index = (self.entries / 3).to_string();
        let out = bed.path("proof");
        let (ledger, out) = (filled.ledger.as_os_str(), out.as_os_str());
        let prove = [
            "--ledger".as_ref(),
            ledger,
            "prove".as_ref(),
            "inclusion".as_ref(),
            index.as_ref(),
            "-o".as_ref(),
            out,
            "--force".as_ref(),
        ];
        let (mut proofs, mut nothing) = (Vec::new(), Vec::new());
        for _ in 0..20 {
            proofs.push(time_process(&prove)?);
            nothing.push(time_process(&["--version".as_ref()])?);
        }
        let figure = Figure::new("prove inclusion, a process", median(proofs));
        Ok(figure.beside("a process that says its version", median(nothing)))
    }

    fn pack(&self, filled: &Filled, bed: &Bed) -> Result<Figure, Failure> {
        let ledger = &filled.ledger;
        let bytes = log_bytes(ledger).map_err(|error| Failure::io("read", ledger, &error))?;
        let (mut exporting, mut floor) = (Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            let pack = bed.path(&format!("pack-{round}"));
            let began = Instant::now();
            export(ledger, &pack, &|_, _| ()).map_err(Failure::world)?;
            exporting.push(began.elapsed());
            std::fs::remove_dir_all(&pack).map_err(|error| Failure::io("remove", &pack, &error))?;
            let file = bed.path("bytes");
            let writing = time_writing(&file, bytes).map_err(|error| Failure::io("write", &file, &error))?;
            let hashing = time_hashing(ledger).map_err(|error| Failure::io("read", ledger, &error))?;
            floor.push(writing + hashing);
        }
        let entries = (self.entries + SINCE) as f64;
        Ok(Figure::new("pack export, an entry", median(exporting) / entries)
            .beside("hashing its bytes, one core, and writing as many", median(floor) / entries))
    }
}

/// Entries behind a kept state, the file read and written as `verify --state` does.
fn since(
    filled: &Filled,
    bed: &Bed,
    add: impl FnOnce() -> Result<(), Failure>,
) -> Result<Vec<Figure>, Failure> {
    let path = bed.path("state");
    let (_, judged) = filled.timed(&Options { keep: true, ..filled.options() })?;
    let kept = judged.kept.ok_or_else(|| Failure::world("nothing was kept of a sound ledger"))?;
    add()?;
    let (mut whole, mut since) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        whole.push(filled.timed(&filled.options())?.0);
        kept.write(&path).map_err(Failure::world)?;
        let began = Instant::now();
        let read = KeptState::read(&path, &filled.trust).map_err(Failure::world)?;
        let (_, judged) = filled.timed(&Options { kept: read.as_ref(), keep: true, ..filled.options() })?;
        judged.kept.map_or(Ok(()), |kept| kept.write(&path)).map_err(Failure::world)?;
        since.push(began.elapsed());
    }
    let what = format!("verify --state, {SINCE} entries more");
    Ok(vec![Figure::new(what, median(since)).beside("verifying all of them", median(whole))])
}

impl Filled {
    fn read(bed: &Bed) -> Result<Self, Failure> {
        let ledger = bed.path("filled/ledger");
        let trust = TrustRoot::read(&bed.path("filled/trust.toml")).map_err(Failure::world)?;
        let reader = LogReader::open(&ledger)?;
        let signatures = Signatures::of(&sample(&reader)?)?;
        let checkpoints = notes(&reader)?;
        Ok(Self { ledger, trust, signatures, checkpoints })
    }

    fn options(&self) -> Options<'_> {
        Options { trust: Some(&self.trust), ..Options::default() }
    }

    fn timed(&self, options: &Options<'_>) -> Result<(Duration, Judged), Failure> {
        let began = Instant::now();
        let judged = judge_dir(&self.ledger, options, &|_, _| ()).map_err(Failure::world)?;
        let took = began.elapsed();
        match judged.report.verdict.exit_code() {
            0 => Ok((took, judged)),
            _ => Err(Failure::world("the ledger that was just made is not sound")),
        }
    }

    /// How long it takes to check the log's signatures of the sample's notes, on all cores.
    fn time_notes(&self) -> Result<Duration, Failure> {
        let began = Instant::now();
        let key = self.trust.log_key();
        let holds = self
            .checkpoints
            .par_iter()
            .all(|checkpoint| checkpoint.note().verify_with(key).is_ok_and(|lines| lines == 1));
        if holds {
            Ok(began.elapsed())
        } else {
            Err(Failure::world("a checkpoint's signature does not hold"))
        }
    }
}

/// How long this program takes with these arguments.
fn time_process(arguments: &[&OsStr]) -> Result<Duration, Failure> {
    let program = std::env::current_exe().map_err(Failure::world)?;
    let began = Instant::now();
    let ended = Command::new(&program).args(arguments).stdout(Stdio::null()).status();
    match ended {
        Ok(status) if status.success() => Ok(began.elapsed()),
        Ok(status) => Err(Failure::world(format!("{} ended with {status}", program.display()))),
        Err(error) => Err(Failure::io("run", &program, &error)),
    }
}

/// The notes of the first batches of a log, one for each of the sample's entries at most.
fn notes(reader: &LogReader) -> Result<Vec<CheckpointNote>, Failure> {
    let mut notes = Vec::new();
    let mut index = 0;
    while index < reader.size() && notes.len() < NOTES {
        let (_, note) = reader.entry(index)?;
        let note = CheckpointNote::parse_unverified(&note).map_err(Failure::world)?;
        index = note.checkpoint().size();
        notes.push(note);
    }
    Ok(notes)
}

/// The first envelopes of a log.
fn sample(reader: &LogReader) -> Result<Vec<Envelope>, Failure> {
    let mut envelopes = Vec::new();
    reader.for_each::<Failure>(0, |logged| {
        envelopes.push(logged.entry.envelope);
        Ok(if envelopes.len() < SAMPLE { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })?;
    Ok(envelopes)
}
