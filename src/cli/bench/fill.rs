//! `rollbook bench fill`.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use serde_json::json;

use crate::cli::bench::filler::{Filler, Scale};
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::progress;
use crate::cli::record::exists_already;
use crate::cli::view::{Until, View};
use crate::log::reader::LogReader;
use crate::store::frame::FRAME_ENTRIES_MAX;

/// Make a valid ledger of N entries, all really signed, through the ordinary append path.
///
/// It mixes registrations, promotions, completions, evaluations, drift, incidents and notes by several
/// people, and tells how many rows the release state of it has. DIR/ledger is the ledger, DIR/trust.toml the trust root, DIR/keys/admin.pem the administrator's key.
///
/// Example:
///   rollbook bench fill /tmp/million --entries 1000000 --batch 1000
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Fill {
    /// A new directory
    pub dir: PathBuf,
    /// How many entries, the founding ones counted
    #[arg(long, value_name = "N")]
    pub entries: u64,
    /// How many entries a batch
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub batch: usize,
    /// How many models
    #[arg(long, value_name = "M", default_value_t = Scale::DEFAULT.models)]
    pub models: u64,
    /// How many environments
    #[arg(long, value_name = "E", default_value_t = Scale::DEFAULT.environments)]
    pub environments: u64,
    /// How many people's keys
    #[arg(long, value_name = "K", default_value_t = Scale::DEFAULT.keys)]
    pub keys: u64,
    /// Where the keys and ids come from: the same seed gives the same ones
    #[arg(long, value_name = "S", default_value_t = Scale::DEFAULT.seed)]
    pub seed: u64,
}

/// How many rows the release state has that all entries come to.
fn state_rows(ledger: &Path) -> Result<usize, Failure> {
    let view = View::replay(LogReader::open(ledger)?, Until::Now)?;
    Ok(view.state.rows().count())
}

impl Fill {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn run(self, context: &Context) -> Result<(), Failure> {
        self.check()?;
        let began = Instant::now();
        let bar = progress::bar("filling {bar:30} {pos}/{len} entries {per_sec} {eta}");
        let progress = progress::follow(&bar);
        let mut filler = Filler::found(context, &self.dir, self.scale())?;
        filler.fill_up_to(self.entries, self.batch as u64, context, &progress)?;
        bar.finish_and_clear();
        let (entries, seconds) = (filler.ledger.size(), began.elapsed().as_secs_f64());
        let rate = entries as f64 / seconds;
        drop(filler);
        let rows = state_rows(&self.dir.join("ledger"))?;
        if context.json() {
            return context.print_json(&json!({
                "ledger": self.dir.join("ledger"), "trust_root": self.dir.join("trust.toml"),
                "entries": entries, "seconds": seconds, "entries_per_second": rate,
                "state_rows": rows,
            }));
        }
        context.print(format_args!("{entries} entries in {seconds:.1} s, {rate:.0} a second"))?;
        context.print(format_args!("release state: {rows} rows"))?;
        context.print(format_args!(
            "next: rollbook verify {} --trust {}",
            self.dir.join("ledger").display(),
            self.dir.join("trust.toml").display()
        ))
    }

    const fn scale(&self) -> Scale {
        let &Self { models, environments, keys, seed, .. } = self;
        Scale { models, environments, keys, seed }
    }

    fn check(&self) -> Result<(), Failure> {
        if self.models == 0 || self.environments == 0 || self.keys == 0 {
            return Err(Failure::usage("--models, --environments and --keys are at least 1"));
        }
        if self.dir.join("ledger").exists() {
            return Err(exists_already(&self.dir.join("ledger")));
        }
        let setup = self.scale().founding_entries();
        if self.entries < setup {
            return Err(Failure::usage(format!(
                "--entries {} is too few: entry 0, {} grants and {} registrations come first",
                self.entries,
                self.keys,
                setup - 1 - self.keys
            )));
        }
        if !(1..=FRAME_ENTRIES_MAX).contains(&self.batch) {
            return Err(Failure::usage(format!(
                "--batch {} is not between 1 and {FRAME_ENTRIES_MAX}",
                self.batch
            )));
        }
        Ok(())
    }
}
