//! `rollbook bench open`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use clap::Args;

use crate::cli::bench::bare::BareFile;
use crate::cli::bench::bed::Bed;
use crate::cli::bench::figures::{Figure, median, print};
use crate::cli::bench::filler::{Crew, Filler, Scale, append_all};
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::progress;
use crate::ledger::writer::Ledger;

/// How often each is measured.
const ROUNDS: usize = 15;
/// The bytes of a bare append: about one entry's batch.
const BARE_BYTES: u64 = 800;
/// Longer than the policy of the gate wants a digest to have served.
const GATE_PAUSE: Duration = Duration::from_millis(1_100);
/// A world that fits into the smallest ledger.
const SMALL: Scale = Scale { models: 1, environments: 1, keys: 1, seed: 1 };

/// Measure what history costs: opening and appending, over ledgers of 10 and of N entries.
///
/// Each is measured four ways: a process of its own that appends one event, as a pipeline does it;
/// opening and one append within a process; one append of a writer that stays open; and there one
/// promotion under a policy that asks for order, time served, an evaluation and an approval. The ledgers
/// take turns, so that they meet the same noise. Those it makes in DIR are removed again.
///
/// Example:
///   rollbook bench open /var/lib/rollbook --entries 1000000
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Open {
    /// A directory on the disk in question
    #[arg(default_value = ".")]
    pub dir: PathBuf,
    /// How many entries the larger ledger has; 10,000 take a second to make
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(11..))]
    pub entries: u64,
}

impl Open {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn run(self, context: &Context) -> Result<(), Failure> {
        let bed = Bed::make(&self.dir)?;
        let mut worlds = Vec::new();
        for entries in [10, self.entries] {
            worlds.push(World::fill(context, &bed.path(&entries.to_string()), entries)?);
        }
        let mut bare = BareFile::create(&bed.path("bare")).map_err(Failure::world)?;
        let mut floor = Vec::new();
        for _ in 0..ROUNDS {
            for world in &mut worlds {
                world.measure(context)?;
            }
            floor.push(bare.append(BARE_BYTES).map_err(Failure::world)?);
        }
        let floor = median(floor);
        let mut figures = Vec::new();
        let (small, large) = (&worlds[0], &worlds[1]);
        for (what, times) in [
            ("a process that appends one", World::processes as fn(&World) -> f64),
            ("opening and one append", World::openings),
            ("one append, writer stays open", World::residents),
            ("one promotion with all its checks, writer stays open", World::promotions),
        ] {
            let of = |world: &World| Figure::new(format!("{what}, at {}", world.entries), times(world));
            figures.push(of(small).beside("a bare append and fdatasync", floor));
            figures.push(of(large).beside("the same at 10", times(small)));
        }
        print(context, &self.dir, &figures)
    }
}

/// A ledger of some size, and what was measured on it.
struct World {
    dir: PathBuf,
    entries: u64,
    crew: Crew,
    /// None while another process has it.
    ledger: Option<Ledger>,
    processes: Vec<Duration>,
    openings: Vec<Duration>,
    residents: Vec<Duration>,
    promotions: Vec<Duration>,
}

impl World {
    fn fill(context: &Context, dir: &Path, entries: u64) -> Result<Self, Failure> {
        let bar = progress::bar("filling {bar:30} {pos}/{len} entries {per_sec} {eta}");
        let scale = if entries < 100 { SMALL } else { Scale::DEFAULT };
        let mut filler = Filler::found(context, dir, scale)?;
        filler.fill_up_to(entries, 1000, context, &progress::follow(&bar))?;
        bar.finish_and_clear();
        let Filler { ledger, mut crew } = filler;
        for part in crew.gate_beginnings(ledger.size(), context.now())? {
            append_all(&ledger, part)?;
            std::thread::sleep(GATE_PAUSE);
        }
        Ok(Self {
            dir: dir.to_owned(),
            entries,
            crew,
            ledger: Some(ledger),
            processes: Vec::new(),
            openings: Vec::new(),
            residents: Vec::new(),
            promotions: Vec::new(),
        })
    }

    fn measure(&mut self, context: &Context) -> Result<(), Failure> {
        let Some(ledger) = self.ledger.take() else { return Ok(()) };
        let mut notes = self.crew.notes(3, context.now())?.into_iter();
        let mut note = || notes.next().expect("three were written");
        // The first append after opening reads what later ones find in memory.
        ledger.append(note())?;
        let resident = note();
        let began = Instant::now();
        ledger.append(resident)?;
        self.residents.push(began.elapsed());
        // The first promotion after opening reads what later ones find in memory.
        ledger.append(self.crew.gated_promotion(ledger.size(), context.now())?)?;
        let promotion = self.crew.gated_promotion(ledger.size(), context.now())?;
        let began = Instant::now();
        ledger.append(promotion)?;
        self.promotions.push(began.elapsed());
        drop(ledger);
        let began = Instant::now();
        self.append_in_a_process()?;
        self.processes.push(began.elapsed());
        let opening = note();
        let began = Instant::now();
        let ledger = context.writer_at(&self.dir.join("ledger"))?;
        ledger.append(opening)?;
        self.openings.push(began.elapsed());
        self.ledger = Some(ledger);
        Ok(())
    }

    fn append_in_a_process(&self) -> Result<(), Failure> {
        let program = std::env::current_exe().map_err(Failure::world)?;
        let status = Command::new(program)
            .arg("--ledger")
            .arg(self.dir.join("ledger"))
            .arg("--key")
            .arg(self.dir.join("keys/admin.pem"))
            .args(["--quiet", "note", "0", "measured by rollbook bench open"])
            .stdout(Stdio::null())
            .status();
        match status {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(Failure::world(format!("the process that appends ended in {status}"))),
            Err(error) => Err(Failure::world(error)),
        }
    }

    fn processes(&self) -> f64 {
        median(self.processes.iter().copied())
    }

    fn openings(&self) -> f64 {
        median(self.openings.iter().copied())
    }

    fn residents(&self) -> f64 {
        median(self.residents.iter().copied())
    }

    fn promotions(&self) -> f64 {
        median(self.promotions.iter().copied())
    }
}
