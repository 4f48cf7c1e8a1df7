//! `rollbook bench append`.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;

use crate::cli::bench::bare::{BareFile, Signatures, log_bytes};
use crate::cli::bench::bed::Bed;
use crate::cli::bench::figures::{Figure, median, print};
use crate::cli::bench::filler::{Filler, Scale, append_all};
use crate::cli::context::Context;
use crate::cli::failure::Failure;

/// How many threads append at once.
const THREADS: usize = 8;
/// The sizes of batch that are measured.
const BATCHES: [usize; 2] = [100, 1000];

/// Measure durable appends: one at a time, from eight threads, and in batches.
///
/// A single append is held against a bare append and `fdatasync` of as many bytes on the same disk;
/// batches against bare strict verification of their signatures on all cores. Floor and figure are
/// measured in turn. The ledger it makes in DIR is removed again.
///
/// Example:
///   rollbook bench append /var/lib/rollbook
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Append {
    /// A directory on the disk in question
    #[arg(default_value = ".")]
    pub dir: PathBuf,
    /// How many single appends; each thread's share of as many, and batches of 1,000 for each 20 of them
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(20..=100_000))]
    pub appends: u32,
}

impl Append {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn run(self, context: &Context) -> Result<(), Failure> {
        let bed = Bed::make(&self.dir)?;
        let appends = self.appends as usize;
        let filler = Filler::found(context, &bed.path("filled"), Scale::DEFAULT)?;
        let bare = BareFile::create(&bed.path("bare")).map_err(failed(&self.dir))?;
        let mut measuring = Measuring { context, filler, bare, ledger: bed.path("filled/ledger") };
        let mut figures = Vec::new();
        let single = measuring.one_at_a_time(appends, &mut figures)?;
        figures.push(measuring.threads_at_once(appends, single)?);
        for batch in BATCHES {
            measuring.in_batches(batch, appends / 20, &mut figures)?;
        }
        print(context, &self.dir, &figures)
    }
}

struct Measuring<'a> {
    context: &'a Context,
    filler: Filler,
    bare: BareFile,
    ledger: PathBuf,
}

impl Measuring<'_> {
    /// Appends one event after the other, each followed by a bare append of as many bytes.
    fn one_at_a_time(&mut self, count: usize, figures: &mut Vec<Figure>) -> Result<f64, Failure> {
        let (mut appends, mut bare, mut admissions) = (Vec::new(), Vec::new(), Vec::new());
        for envelope in self.filler.crew.notes(count, self.context.now())? {
            let tried = envelope.clone();
            let began = Instant::now();
            self.filler.ledger.try_append(tried)?;
            admissions.push(began.elapsed());
            let (took, bytes) =
                self.growing(|measuring| Ok(measuring.filler.ledger.append(envelope).map(drop)?))?;
            appends.push(took);
            bare.push(self.bare.append(bytes).map_err(failed(&self.ledger))?);
        }
        let (each, bare, admission) = (median(appends), median(bare), median(admissions));
        figures.push(Figure::new("one append, durable", each).beside("a bare append and fdatasync", bare));
        figures.push(Figure::new("  of which admission", admission));
        let rest = Figure::new("  without admission", each - admission);
        figures.push(rest.beside("a bare append and fdatasync", bare));
        Ok(each)
    }

    fn threads_at_once(&mut self, count: usize, single: f64) -> Result<Figure, Failure> {
        let envelopes = self.filler.crew.notes(count * THREADS, self.context.now())?;
        let ledger = &self.filler.ledger;
        let began = Instant::now();
        std::thread::scope(|scope| {
            let append = |share: &[_]| -> Result<(), Failure> {
                share.iter().cloned().try_for_each(|envelope| Ok(ledger.append(envelope).map(drop)?))
            };
            let threads: Vec<_> =
                envelopes.chunks(count).map(|share| scope.spawn(move || append(share))).collect();
            threads.into_iter().try_for_each(|thread| thread.join().expect("no thread panics"))
        })?;
        let each = began.elapsed().as_secs_f64() / envelopes.len() as f64;
        let figure = Figure::new(format!("from {THREADS} threads at once"), each);
        Ok(figure.beside("one append", single))
    }

    /// Appends batches, each after the bare work that it cannot do without.
    fn in_batches(&mut self, batch: usize, count: usize, figures: &mut Vec<Figure>) -> Result<(), Failure> {
        let (mut appends, mut strict, mut bare) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..count {
            let envelopes = self.filler.crew.notes(batch, self.context.now())?;
            strict.push(Signatures::of(&envelopes)?.time_strict()?);
            let (took, bytes) = self.growing(|measuring| append_all(&measuring.filler.ledger, envelopes))?;
            appends.push(took);
            bare.push(self.bare.append(bytes).map_err(failed(&self.ledger))?);
        }
        let each = |times: Vec<Duration>| median(times) / batch as f64;
        let (append, strict, bare) = (each(appends), each(strict), each(bare));
        let what = format!("in batches of {batch}");
        figures.push(Figure::new(what, append).beside("bare strict verification, all cores", strict));
        figures.push(Figure::new("  bare append and fdatasync", bare));
        Ok(())
    }

    /// How long `act` takes, and by how many bytes the log grows meanwhile.
    fn growing(
        &mut self,
        act: impl FnOnce(&mut Self) -> Result<(), Failure>,
    ) -> Result<(Duration, u64), Failure> {
        let before = log_bytes(&self.ledger).map_err(failed(&self.ledger))?;
        let began = Instant::now();
        act(self)?;
        let took = began.elapsed();
        let after = log_bytes(&self.ledger).map_err(failed(&self.ledger))?;
        Ok((took, after - before))
    }
}

fn failed(dir: &Path) -> impl Fn(std::io::Error) -> Failure {
    move |error| Failure::io("measure in", dir, &error)
}
