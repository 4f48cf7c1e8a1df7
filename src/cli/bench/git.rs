//! `rollbook bench git`.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;

use crate::cli::bench::bed::Bed;
use crate::cli::bench::figures::{Figure, median, print};
use crate::cli::bench::filler::{Filler, Scale, append_all};
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::log::trust_root::TrustRoot;
use crate::verifier::verify::{Options, judge_dir};

/// How often each ledger is verified, in turn with the other.
const ROUNDS: usize = 5;

/// Measure what embedded Git objects cost a verification.
///
/// Two ledgers of promotions are verified in turn: in one, each names its infra commit alone; in the
/// other, each embeds the commit and its tag, signed with SSH, as its policy asks for. Both are
/// removed again.
///
/// Example:
///   rollbook bench git /dev/shm --entries 10000
///   rollbook bench git /dev/shm --entries 10000 --batch 1
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Git {
    /// A directory on the disk in question
    #[arg(default_value = ".")]
    pub dir: PathBuf,
    /// How many promotions
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(100..))]
    pub entries: u64,
    /// How many promotions in a batch, each of which is signed by the log key
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=4096))]
    pub batch: u64,
}

impl Git {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn run(self, context: &Context) -> Result<(), Failure> {
        let bed = Bed::make(&self.dir)?;
        let named = self.fill(context, &bed, "named", false)?;
        let embedded = self.fill(context, &bed, "embedded", true)?;
        let (mut alone, mut with_objects) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            alone.push(verified(&named)?);
            with_objects.push(verified(&embedded)?);
        }
        let (alone, with_objects) =
            (median(alone) / self.entries as f64, median(with_objects) / self.entries as f64);
        let figure = Figure::new("verify, a promotion with signed tag", with_objects)
            .beside("one that names its commit alone", alone);
        print(context, &self.dir, &[figure])
    }

    /// Makes a ledger of promotions; gives its directory.
    fn fill(&self, context: &Context, bed: &Bed, name: &str, is_embedded: bool) -> Result<PathBuf, Failure> {
        let dir = bed.path(name);
        let Filler { ledger, mut crew } = Filler::found(context, &dir, Scale::DEFAULT)?;
        let (mut from, until) = (ledger.size(), ledger.size() + self.entries);
        while from < until {
            let to = until.min(from + self.batch);
            append_all(&ledger, crew.promotions(from..to, context.now(), is_embedded)?)?;
            from = to;
        }
        Ok(dir)
    }
}

/// How long the ledger in `dir` takes to verify.
fn verified(dir: &std::path::Path) -> Result<Duration, Failure> {
    let trust = TrustRoot::read(&dir.join("trust.toml")).map_err(Failure::world)?;
    let options = Options { trust: Some(&trust), ..Options::default() };
    let began = Instant::now();
    let judged = judge_dir(&dir.join("ledger"), &options, &|_, _| ()).map_err(Failure::world)?;
    match judged.report.verdict.exit_code() {
        0 => Ok(began.elapsed()),
        _ => Err(Failure::world("the ledger that was just made is not sound")),
    }
}
