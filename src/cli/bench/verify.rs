//! `rollbook bench verify`.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;

use crate::cli::bench::bare::{Signatures, time_hashing};
use crate::cli::bench::bed::Bed;
use crate::cli::bench::figures::{Figure, median, print};
use crate::cli::bench::filler::{Filler, Scale};
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::progress;
use crate::log::reader::LogReader;
use crate::log::trust_root::TrustRoot;
use crate::signing::envelope::Envelope;
use crate::verifier::verify::{Options, verify_dir};

/// How often each is measured.
const ROUNDS: usize = 3;
/// How many of the log's signatures the floors check, at most: memory stays bounded.
const SAMPLE: usize = 50_000;

/// Measure how fast a ledger is verified.
///
/// The whole verification is held against the bare check of its signatures alone, batched and
/// strict, on all cores; and against hashing its bytes once on one. The ledger it makes in DIR is
/// removed again.
///
/// Example:
///   rollbook bench verify /var/lib/rollbook --entries 100000
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Verify {
    /// A directory on the disk in question
    #[arg(default_value = ".")]
    pub dir: PathBuf,
    /// How many entries
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(100..))]
    pub entries: u64,
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
        filler.fill_up_to(self.entries, 1000, context, &progress::follow(&bar))?;
        bar.finish_and_clear();
        drop(filler);
        let ledger = bed.path("filled/ledger");
        let trust = TrustRoot::read(&bed.path("filled/trust.toml")).map_err(Failure::world)?;
        let signatures = Signatures::of(&sample(&LogReader::open(&ledger)?)?)?;
        let timed = |strict| -> Result<_, Failure> {
            let options = Options { trust: Some(&trust), strict, ..Options::default() };
            let began = Instant::now();
            let report = verify_dir(&ledger, &options, &|_, _| ()).map_err(Failure::world)?;
            let took = began.elapsed();
            match report.verdict.exit_code() {
                0 => Ok(took),
                _ => Err(Failure::world("the ledger that was just made is not sound")),
            }
        };
        let (mut whole, mut whole_strict) = (Vec::new(), Vec::new());
        let (mut batched, mut strict, mut hashing) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            whole.push(timed(false)?);
            batched.push(signatures.time_batched()?);
            whole_strict.push(timed(true)?);
            strict.push(signatures.time_strict()?);
            hashing.push(time_hashing(&ledger).map_err(|error| Failure::io("read", &ledger, &error))?);
        }
        let (entries, count) = (self.entries as f64, signatures.count() as f64);
        let figures = [
            Figure::new("verify, an entry", median(whole) / entries)
                .beside("its bare signature, in batches, all cores", median(batched) / count),
            Figure::new("verify --strict, an entry", median(whole_strict) / entries)
                .beside("its bare signature, strict, all cores", median(strict) / count),
            Figure::new("hashing its bytes once, one core", median(hashing) / entries),
        ];
        print(context, &self.dir, &figures)
    }
}

/// The first envelopes of a log.
fn sample(reader: &LogReader) -> Result<Vec<Envelope>, Failure> {
    let mut envelopes = Vec::new();
    reader.for_each::<Failure>(0, |logged| {
        envelopes.push(logged.entry.envelope);
        Ok(if envelopes.len() < SAMPLE {
            std::ops::ControlFlow::Continue(())
        } else {
            std::ops::ControlFlow::Break(())
        })
    })?;
    Ok(envelopes)
}
