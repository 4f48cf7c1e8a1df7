//! `rollbook bench answers`.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;

use crate::cli::bench::bed::Bed;
use crate::cli::bench::figures::{Figure, median, print};
use crate::cli::bench::filler::{Filler, Scale};
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::progress;
use crate::cli::view::{Until, View};
use crate::event::text::EnvironmentName;
use crate::log::reader::LogReader;
use crate::log::trust_root::TrustRoot;
use crate::time::Timestamp;
use crate::timeline::chronicle::{Basis, Chronicle, Query};
use crate::timeline::collector::Collector;
use crate::verifier::replay::Watch;
use crate::verifier::verify::{Options, judge_dir};

/// How often each is measured.
const ROUNDS: usize = 3;
/// A year's part that is a day.
const DAYS: i64 = 365;

/// Measure how fast the past is told: what served at the end of a log, and a day of it in one environment.
///
/// Both are held against reading and decoding the log once, by one thread; with trust, against the
/// verification alone. The ledger's time is taken for a year, of which the last day is told. The ledger
/// it makes in DIR is removed again.
///
/// Example:
///   rollbook bench answers /dev/shm --entries 1000000
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Answers {
    /// A directory on the disk in question
    #[arg(default_value = ".")]
    pub dir: PathBuf,
    /// How many entries
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(100..))]
    pub entries: u64,
}

impl Answers {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn run(self, context: &Context) -> Result<(), Failure> {
        let bed = Bed::make(&self.dir)?;
        let bar = progress::bar("filling {bar:30} {pos}/{len} entries {per_sec} {eta}");
        let mut filler = Filler::found(context, &bed.path("filled"), Scale::DEFAULT)?;
        filler.fill_up_to(self.entries, 1_000, context, &progress::follow(&bar))?;
        bar.finish_and_clear();
        drop(filler);
        let ledger = bed.path("filled/ledger");
        let trust = TrustRoot::read(&bed.path("filled/trust.toml")).map_err(Failure::world)?;
        let figures = self.measure(&ledger, &trust)?;
        print(context, &self.dir, &figures)
    }

    fn measure(&self, ledger: &Path, trust: &TrustRoot) -> Result<Vec<Figure>, Failure> {
        let day = last_day(ledger)?;
        let now = Query { since: Some(Timestamp::MAX), ..Query::default() };
        let (mut reading, mut status, mut timeline) = (Vec::new(), Vec::new(), Vec::new());
        let (mut verifying, mut verified) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            reading.push(timed(|| read(ledger))?);
            status.push(timed(|| told(ledger, &now).map(drop))?);
            timeline.push(timed(|| told(ledger, &day).map(drop))?);
            verifying.push(timed(|| verify(ledger, trust, None))?);
            verified.push(timed(|| verify(ledger, trust, Some(&day)))?);
        }
        let entries = self.entries as f64;
        let (reading, verifying) = (median(reading) / entries, median(verifying) / entries);
        let beside_reading = |what: &str, times| {
            Figure::new(what, median(times) / entries).beside("reading and decoding it, one core", reading)
        };
        let rows = told(ledger, &day)?.rows.len();
        Ok(vec![
            beside_reading("status --at, an entry", status),
            beside_reading(&format!("timeline, a day of {rows} rows"), timeline),
            Figure::new("timeline --trust, an entry", median(verified) / entries)
                .beside("verifying it", verifying),
        ])
    }
}

/// The last day of a log whose time is taken for a year, in one environment.
fn last_day(ledger: &Path) -> Result<Query, Failure> {
    let reader = LogReader::open(ledger)?;
    let recorded_at = |index| Ok::<_, Failure>(reader.entry(index)?.0.entry.recorded_at);
    let (first, last) = (recorded_at(0)?, recorded_at(reader.size() - 1)?);
    let environment: EnvironmentName = "env-0".parse().map_err(Failure::usage)?;
    let since = last.plus_ms(-last.since_ms(first) / DAYS);
    Ok(Query { since: Some(since), environment: Some(environment), ..Query::default() })
}

fn timed(what: impl FnOnce() -> Result<(), Failure>) -> Result<Duration, Failure> {
    let began = Instant::now();
    what()?;
    Ok(began.elapsed())
}

fn read(ledger: &Path) -> Result<(), Failure> {
    let mut last = None;
    LogReader::open(ledger)?.for_each::<Failure>(0, |logged| {
        last = Some(logged.event);
        Ok(ControlFlow::Continue(()))
    })
}

fn told(ledger: &Path, query: &Query) -> Result<Chronicle, Failure> {
    let mut collector = Collector::new(query.clone());
    let view = View::replay_shown(LogReader::open(ledger)?, Until::Now, &mut collector)?;
    Ok(collector.finish(Basis { size: view.reader.size(), ..Basis::default() }))
}

fn verify(ledger: &Path, trust: &TrustRoot, shown: Option<&Query>) -> Result<(), Failure> {
    let mut collector = Collector::new(shown.cloned().unwrap_or_default());
    let watch = Watch::new(&mut collector);
    let options = Options { trust: Some(trust), ..Options::default() };
    let options = if shown.is_some() { Options { watch: Some(&watch), ..options } } else { options };
    let judged = judge_dir(ledger, &options, &|_, _| ()).map_err(Failure::world)?;
    match judged.report.verdict.exit_code() {
        0 => Ok(()),
        _ => Err(Failure::world("the ledger that was just made is not sound")),
    }
}
