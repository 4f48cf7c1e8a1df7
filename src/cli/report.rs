//! `rollbook report`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::json;

use crate::cli::answer::reader_at;
use crate::cli::answer::{TrustArgs, check_known, exit_of};
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::record::{check_free, form_of, write_file};
use crate::cli::show;
use crate::cli::verify::{read_checkpoint, read_trust};
use crate::cli::view::Until;
use crate::event::text::{EnvironmentName, Name};
use crate::export::prove::{ProvedEntry, prove_entries};
use crate::hash::Hash;
use crate::log::reader::LoggedEntry;
use crate::report::collect::{Collected, Collector};
use crate::report::contents::{Asked, Contents, assemble};
use crate::report::lookup::{Evidence, Wanted};
use crate::report::sample::{Draw, draw};
use crate::report::{html, json as as_json, layout, md};
use crate::timeline::prose::visible;
use crate::verifier::report::Report as Verification;
use crate::verifier::verify::EarlierCheckpoint;

/// How many entries are read and proved at once: it bounds the memory that they take, some tens of megabytes.
const LOOKED_UP_ONCE: usize = 20_000;
/// From how many entries on the log is read through once, rather than each of them looked for.
const MANY: usize = 256;

/// Write the auditor's report: verdict, roles, policy, changes, exceptions, a sample, and controls.
///
/// It says what was verified; who could do what, and under which policy; what changed and on what
/// evidence; what to ask about; and which controls this ledger supports. --sample draws changes at
/// random, each with all that speaks for it, signatures and inclusion proofs included.
///
/// The same log, trust root, checkpoints and options give the same bytes, from a copy or an evidence
/// pack too: two auditors compare hashes. Choose --seed once you have the log: then nobody can have
/// written it to suit the draw, and anybody can draw again (docs/reports.md).
///
/// The exit code is the verdict's, as `rollbook verify` has it; the report is written in any case,
/// and says so at its top.
///
/// Example:
///   rollbook report --trust trust.toml --since 2026-01-01T00:00:00Z --format html -o report.html
///   rollbook report --trust trust.toml --sample 25 --seed 'drawn 4711' --format json
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Report {
    /// From this recorded time on
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Before this recorded time
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Only changes in this environment, and grants that reach it
    #[arg(long, value_name = "E")]
    pub env: Option<EnvironmentName>,
    /// The trust root that you hold
    #[arg(long, value_name = "FILE")]
    pub trust: PathBuf,
    /// A checkpoint that you kept from before; repeats
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Vec<PathBuf>,
    /// Go on from what was kept in FILE, and keep it: signatures of entries before it are not checked again
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,
    /// In which form; unless given, that of the file's extension, or md, or json with --json
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<Format>,
    /// Where it goes; unless given, stdout
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Write over a file that exists
    #[arg(long)]
    pub force: bool,
    /// How many changes to draw, with all that speaks for them
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub sample: usize,
    /// What decides, with the log's root, which ones: any text that you choose
    #[arg(long, value_name = "TEXT", default_value = "1")]
    pub seed: Name,
}

/// In which form a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// One page that holds all it needs, for a screen or for A4
    Html,
    /// One object
    Json,
    /// Markdown
    Md,
}

impl Report {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`]; a verdict other than sound and anchored ends in its exit code.
    pub fn run(self, context: &Context) -> Result<(), Failure> {
        check_free(self.output.as_deref(), self.force)?;
        let (contents, verification) = self.contents(context)?;
        let unless_told = if context.json() && self.output.is_none() { Format::Json } else { Format::Md };
        let text = match self.format.or_else(|| form_of(self.output.as_deref())).unwrap_or(unless_told) {
            Format::Html => html::render(&layout::page(&contents)),
            Format::Md => md::render(&layout::page(&contents)),
            Format::Json => as_json::render(&contents).map_err(Failure::world)?,
        };
        match &self.output {
            None => context.print(text.trim_end_matches('\n'))?,
            Some(file) => {
                write_file(file, &text, self.force)?;
                say_written(context, file, &text, &contents)?;
            }
        }
        exit_of(verification.verdict)
    }

    fn contents(&self, context: &Context) -> Result<(Contents, Verification), Failure> {
        let (since, until) = context.range(self.since.as_ref(), self.until.as_ref())?;
        let asked = Asked { since, until, environment: self.env.clone() };
        let trust = read_trust(&self.trust)?;
        let checkpoints = read_checkpoints(&self.checkpoint)?;
        let trust_args = TrustArgs { trust: Some(self.trust.clone()), state: self.state.clone() };
        let mut collector = Collector::new(asked);
        let (verification, mut state) =
            trust_args.verify_shown(context, &self.trust, Until::Now, &checkpoints, &mut collector)?;
        if verification.verdict.exit_code() != 1 {
            check_known(context, &mut state, self.env.as_ref(), None)?;
        }
        let collected = collector.finish();

        let wish = Draw { size: self.sample, seed: self.seed.clone() };
        let population = collected.changes.iter().map(|change| change.index);
        let drawn = draw(population, verification.root, &wish);
        let wanted = Wanted::of(&collected, &drawn);
        let evidence = look_up(context, &verification, &collected, &wanted)?;
        let contents = assemble(collected, &verification, &trust, &wish, drawn, &evidence);
        Ok((contents, verification))
    }
}

fn say_written(context: &Context, file: &Path, text: &str, contents: &Contents) -> Result<(), Failure> {
    let sha256 = Hash::of(text.as_bytes());
    if context.json() {
        return context.print_json(&json!({
            "written": file, "sha256": sha256, "verdict": contents.verdict.word, "anchored": contents.verdict.is_good,
        }));
    }
    let line = format!("{}: sha256 {sha256}\n{}", file.display(), contents.verdict.line);
    context.print(visible(&line))
}

/// Reads the auditor's checkpoints. Each is called by what is in it, and they stand in its order: what files are
/// called, and in which order they are given, must not show in the report.
fn read_checkpoints(paths: &[PathBuf]) -> Result<Vec<EarlierCheckpoint>, Failure> {
    let mut read = paths.iter().map(|path| read_checkpoint(path)).collect::<Result<Vec<_>, _>>()?;
    let key = |checkpoint: &EarlierCheckpoint| {
        let inside = checkpoint.note().checkpoint();
        (inside.size(), *inside.root(), checkpoint.note().note().encode())
    };
    read.sort_by_cached_key(key);
    read.dedup_by_key(|checkpoint| key(checkpoint));
    Ok(read
        .into_iter()
        .map(|checkpoint| {
            let inside = checkpoint.note().checkpoint();
            let name = format!("size {}, root {}…", inside.size(), inside.root().short());
            checkpoint.called(name)
        })
        .collect())
}

/// Looks up the entries that are wanted, in the log as it was verified.
fn look_up(
    context: &Context,
    verification: &Verification,
    collected: &Collected,
    wanted: &Wanted,
) -> Result<Evidence, Failure> {
    let mut evidence = Evidence::default();
    let indexes: Vec<u64> = wanted.all().into_iter().collect();
    let Some(note) = verification.checkpoint.as_ref().filter(|_| !indexes.is_empty()) else {
        return Ok(evidence);
    };
    let reader = reader_at(context, note, indexes.len() < MANY)?;
    let index_dir = context.index_dir();
    let is_verified = verification.root == Some(*reader.checkpoint().checkpoint().root());
    for some in indexes.chunks(LOOKED_UP_ONCE) {
        let some: BTreeSet<u64> = some.iter().copied().collect();
        match prove_entries(index_dir.as_deref(), &reader, &some) {
            Ok(proved) if is_verified => {
                for ProvedEntry { entry, proof } in proved {
                    let text = String::from_utf8_lossy(&proof.encode()).into_owned();
                    take(&mut evidence, wanted, collected, proof.index(), &entry, Some(text));
                }
            }
            // What the log holds there is shown for what it is: not proved.
            _ => {
                for &index in some.intersection(&wanted.whole) {
                    if let Ok(bytes) = reader.entry_bytes(index) {
                        take(&mut evidence, wanted, collected, index, &bytes.entry, None);
                    }
                }
            }
        }
    }
    Ok(evidence)
}

fn take(
    evidence: &mut Evidence,
    wanted: &Wanted,
    collected: &Collected,
    index: u64,
    entry: &[u8],
    proof: Option<String>,
) {
    let Ok(logged) = LoggedEntry::from_bytes(index, entry) else { return };
    if proof.is_some() && wanted.cited.contains(&index) {
        evidence.take_cited(&logged, &collected.people);
    }
    if wanted.whole.contains(&index) {
        let shown = show::to_json(&logged, &collected.people, None);
        evidence.take_whole(&logged, shown, proof);
    }
}
