//! What an answer about the past rests on: the log as it is read, or as the verifier found it.
//!
//! Without `--trust` the log is read and believed. With it, the verifier shows its entries as it replays them. With
//! `--state` too, the verifier checks only what came since, and all entries are read once more: that they give the root
//! that was verified shows that they are the ones that were verified then.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use crate::cli::context::Context;
use crate::cli::failure::{Exit, Failure};
use crate::cli::kept;
use crate::cli::progress;
use crate::cli::prove::unproved;
use crate::cli::record::{check_free, write_file};
use crate::cli::verify::read_trust;
use crate::cli::verify_source::{judge, unreadable};
use crate::cli::view::{Until, View};
use crate::event::text::{EnvironmentName, Name};
use crate::export::pack_check::{looks_like_a_pack, open_pack};
use crate::export::proof_set;
use crate::export::prove::{ProvedEntry, prove_entries};
use crate::hash::Hash;
use crate::lifecycle::onlooker::{Onlooker, Rows, Seen};
use crate::lifecycle::state::{NoSource, Row, RowKey, State};
use crate::log::reader::{LOG_DIR, LogReader};
use crate::log::trust_root::TrustRoot;
use crate::merkle::tree::{Frontier, leaf_hash};
use crate::note::checkpoint::CheckpointNote;
use crate::store::batch_log::BatchSource;
use crate::store::files::FileSource;
use crate::time::{Timestamp, span_text};
use crate::timeline::chronicle::{Basis, EntryRef, VerdictTold};
use crate::timeline::findings::{FindingTold, FoundTold};
use crate::verifier::finding::{Class, Finding, Found};
use crate::verifier::kept::KeptState;
use crate::verifier::replay::Watch;
use crate::verifier::report::{KeptUse, Report, Verdict, verdict_line};
use crate::verifier::verify::{EarlierCheckpoint, Judged, Options};
use crate::words::counted;

/// What makes an answer one that can be believed.
#[derive(Debug, Clone, Default, Args)]
pub struct TrustArgs {
    /// Verify the log that the answer rests on, against the trust root that you hold
    #[arg(long, value_name = "FILE")]
    pub trust: Option<PathBuf>,
    /// Go on from what was kept in FILE, and keep it: signatures of entries before it are not checked again;
    /// needs --trust
    #[arg(long, value_name = "FILE", requires = "trust")]
    pub state: Option<PathBuf>,
}

/// Whether the entries that an answer rests on are proved.
#[derive(Debug, Clone, Default, Args)]
pub struct ProveArgs {
    /// Write to FILE the inclusion proofs of the entries that the answer rests on, with the entries:
    /// `rollbook verify-proof FILE` checks them without the log
    #[arg(long, value_name = "FILE")]
    pub prove: Option<PathBuf>,
    /// Write over a file that exists
    #[arg(long, requires = "prove")]
    pub force: bool,
}

impl ProveArgs {
    /// Refuses a file that exists, before anything is done.
    ///
    /// # Errors
    /// It exists, and nothing says that it may be written over.
    pub fn check(&self) -> Result<(), Failure> {
        check_free(self.prove.as_deref(), self.force)
    }

    /// Writes the proofs of `entries`, where they are asked for.
    ///
    /// # Errors
    /// An entry cannot be proved, is another one by now, or the file cannot be written.
    pub fn write(&self, context: &Context, shown: &Shown, entries: Vec<EntryRef>) -> Result<(), Failure> {
        let Some(path) = &self.prove else { return Ok(()) };
        let is_tampered = shown.report.as_ref().is_some_and(|report| report.verdict == Verdict::Tampered);
        let Some(reader) = shown.reader.as_ref().filter(|_| !is_tampered) else {
            context.say(format_args!("{} is not written: of such a log nothing is proved", path.display()));
            return Ok(());
        };
        let wanted: BTreeMap<u64, Hash> =
            entries.into_iter().map(|entry| (entry.index, entry.leaf_hash)).collect();
        if wanted.is_empty() {
            context.say(format_args!("nothing to prove: {} is not written", path.display()));
            return Ok(());
        }
        let indexes = wanted.keys().copied().collect();
        let proved = prove_entries(context.index_dir().as_deref(), reader, &indexes).map_err(unproved)?;
        let changed =
            |proved: &&ProvedEntry| wanted.get(&proved.proof.index()) != Some(&leaf_hash(&proved.entry));
        if let Some(other) = proved.iter().find(changed) {
            let message = format!("entry {} is not the one that the answer rests on", other.proof.index());
            return Err(Failure::no("changed_meanwhile", message).hint("run `rollbook verify`"));
        }
        write_file(path, proof_set::encode(&proved), self.force)?;
        context.say(format_args!(
            "{}: {} proved at size {}; next: rollbook verify-proof {} --trust FILE",
            path.display(),
            counted(proved.len() as u64, "entry", "entries"),
            reader.size(),
            path.display()
        ));
        Ok(())
    }
}

/// The log up to some point, as it was shown to an onlooker.
pub struct Shown {
    /// The log, to read details from; nothing in it is verified. None where it was verified, and cannot be opened by a
    /// reader.
    pub reader: Option<LogReader>,
    /// The release state at that point.
    pub state: State<NoSource>,
    /// What the answer rests on.
    pub basis: Basis,
    /// What the verifier reported, where it was asked.
    pub report: Option<Report>,
}

/// Passes on what is shown, up to some point, and keeps the release state there.
struct UpTo<'a, O: Onlooker> {
    onlooker: &'a mut O,
    until: Until,
    rows: Option<Vec<(RowKey, Row)>>,
    tree: Option<Frontier>,
}

impl<O: Onlooker> Onlooker for UpTo<'_, O> {
    fn begin(&mut self) {
        self.rows = None;
        self.onlooker.begin();
    }

    fn reached(&mut self, index: u64, recorded_at: Timestamp, rows: &dyn Rows) {
        if self.rows.is_none() && !self.until.takes_in(index, recorded_at) {
            self.rows = Some(rows.all());
        }
    }

    fn saw(&mut self, seen: &Seen<'_>, rows: &mut dyn Rows) {
        if let Some(tree) = &mut self.tree {
            tree.push(seen.leaf_hash);
        }
        if self.until.takes_in(seen.index, seen.recorded_at) {
            self.onlooker.saw(seen, rows);
        }
    }
}

impl TrustArgs {
    /// Shows the log up to `until` to `onlooker`.
    ///
    /// # Errors
    /// The log cannot be read, or a file that was named cannot.
    pub fn show<O: Onlooker>(
        &self,
        context: &Context,
        until: Until,
        onlooker: &mut O,
    ) -> Result<Shown, Failure> {
        match &self.trust {
            None => show_unverified(context, until, onlooker),
            Some(trust) => self.show_verified(context, trust, until, onlooker),
        }
    }

    fn show_verified<O: Onlooker>(
        &self,
        context: &Context,
        trust_path: &Path,
        until: Until,
        onlooker: &mut O,
    ) -> Result<Shown, Failure> {
        let (report, state) = self.verify_shown(context, trust_path, until, &[], onlooker)?;
        let basis = verified_basis(&report);
        let note = report.checkpoint.as_deref();
        let reader = note.and_then(|note| reader_at(context, note, true).ok());
        Ok(Shown { reader, state, basis, report: Some(report) })
    }

    /// Verifies the log, against `checkpoints` too, and shows it up to `until` to `onlooker`: what the verifier
    /// reports, and the release state at that point. The log need not be one that a reader could open.
    ///
    /// # Errors
    /// The log cannot be read, or a file that was named cannot.
    pub fn verify_shown<O: Onlooker>(
        &self,
        context: &Context,
        trust_path: &Path,
        until: Until,
        checkpoints: &[EarlierCheckpoint],
        onlooker: &mut O,
    ) -> Result<(Report, State<NoSource>), Failure> {
        let trust = read_trust(trust_path)?;
        // Where violations were accepted, which entries they are of is known only to a verification from the start.
        let kept = kept::read(self.state.as_deref(), Some(&trust))?.filter(|kept| !kept.has_violations());
        if let Some(kept) = &kept {
            match self.verify_since(context, (&trust, kept), until, checkpoints, onlooker)? {
                Some(answer) => return Ok(answer),
                None => context.say("the entries before the kept state are not those that were verified then: the log is verified from its start"),
            }
        }
        let mut shown = UpTo { onlooker, until, rows: None, tree: None };
        let watch = Watch::new(&mut shown);
        let options = Options {
            trust: Some(&trust),
            checkpoints,
            keep: self.state.is_some(),
            watch: Some(&watch),
            ..Options::default()
        };
        let judged = judge_with_bar(context, &options)?;
        let state = restored(shown.rows.take().unwrap_or_else(|| judged.state.all()));
        kept::write(context, self.state.as_deref(), judged.kept.as_ref())?;
        Ok((judged.report, state))
    }

    /// As [`TrustArgs::verify_shown`], going on from what was kept; none where the entries before are not those that
    /// were verified then.
    fn verify_since<O: Onlooker>(
        &self,
        context: &Context,
        (trust, kept): (&TrustRoot, &KeptState),
        until: Until,
        checkpoints: &[EarlierCheckpoint],
        onlooker: &mut O,
    ) -> Result<Option<(Report, State<NoSource>)>, Failure> {
        let options =
            Options { trust: Some(trust), checkpoints, kept: Some(kept), keep: true, ..Options::default() };
        let judged = judge_with_bar(context, &options)?;
        let shown = UpTo { onlooker, until, rows: None, tree: None };
        let Some(state) = shown.read_again(context, &judged.report) else { return Ok(None) };
        kept::write(context, self.state.as_deref(), judged.kept.as_ref())?;
        Ok(Some((judged.report, state)))
    }
}

fn judge_with_bar(context: &Context, options: &Options<'_>) -> Result<Judged, Failure> {
    let bar = progress::verifying();
    let judged = judge(context.ledger_dir()?, options, &progress::follow(&bar))?;
    bar.finish_and_clear();
    Ok(judged)
}

impl<O: Onlooker> UpTo<'_, O> {
    /// Reads the entries that were verified, and shows them; none where they are not those, or cannot be read.
    fn read_again(mut self, context: &Context, report: &Report) -> Option<State<NoSource>> {
        self.tree = Some(Frontier::new());
        let reader = reader_at(context, report.checkpoint.as_deref()?, false).ok()?;
        let last = report.size.checked_sub(1)?;
        let view = View::replay_shown(reader, Until::Index(last), &mut self).ok()?;
        let root: Option<Hash> = self.tree.as_ref().map(Frontier::root);
        (root == report.root).then(|| self.rows.take().map_or(view.state, restored))
    }
}

/// The log at the checkpoint that was verified: one that goes on meanwhile is read no further, and one without a
/// sound `head` can still be read. `by_offsets` says that few entries are wanted.
///
/// # Errors
/// The note is none, or there is no log.
pub fn reader_at(context: &Context, note: &str, by_offsets: bool) -> Result<LogReader, Failure> {
    let dir = context.ledger_dir()?;
    if by_offsets
        && let Ok(reader) = context.reader()
        && reader.note() == note.as_bytes()
    {
        return Ok(reader);
    }
    let source: Box<dyn BatchSource> = if looks_like_a_pack(dir) {
        Box::new(open_pack(dir).map_err(unreadable)?)
    } else {
        Box::new(FileSource::new(&dir.join(LOG_DIR)))
    };
    Ok(LogReader::over(source, note.as_bytes().to_vec())?)
}

fn show_unverified<O: Onlooker>(context: &Context, until: Until, onlooker: &mut O) -> Result<Shown, Failure> {
    let view = View::replay_shown(context.reader()?, until, onlooker)?;
    let checkpoint = view.reader.checkpoint().checkpoint();
    let last = match view.reader.size().checked_sub(1) {
        Some(index) => Some(view.reader.entry(index)?.0.entry.recorded_at),
        None => None,
    };
    let basis = Basis {
        size: view.reader.size(),
        root: Some(*checkpoint.root()),
        last_recorded_at: last,
        checkpoint: Some(String::from_utf8_lossy(view.reader.note()).into_owned()),
        verdict: None,
    };
    Ok(Shown { reader: Some(view.reader), state: view.state, basis, report: None })
}

fn restored(rows: Vec<(RowKey, Row)>) -> State<NoSource> {
    let mut state = State::default();
    state.restore(rows);
    state
}

/// The root that the last checkpoint says, which somebody signed; the verifier says whether the entries lead to it.
fn published_root(report: &Report) -> Option<Hash> {
    let note = CheckpointNote::parse_unverified(report.checkpoint.as_ref()?.as_bytes()).ok()?;
    Some(*note.checkpoint().root())
}

fn verified_basis(report: &Report) -> Basis {
    let resumed_from = match &report.kept {
        Some(KeptUse::ResumedFrom { size, .. }) => Some(*size),
        _ => None,
    };
    Basis {
        size: report.size,
        root: published_root(report).or(report.root),
        last_recorded_at: report.last_recorded_at,
        checkpoint: report.checkpoint.clone(),
        verdict: Some(VerdictTold {
            word: report.verdict.as_str(),
            is_good: report.verdict.exit_code() == 0,
            line: verdict_line(report, "the trust root"),
            resumed_from,
            held: report.held.as_ref().map(|held| held.size),
            judged_up_to: report.rules_judged_up_to,
        }),
    }
}

/// What the verifier found, as timelines tell it.
#[must_use]
pub fn found_told(report: &Report) -> FoundTold {
    let kept = report.findings.len() as u64;
    FoundTold {
        findings: report.findings.iter().map(finding_told).collect(),
        is_whole: report.finding_counts.values().sum::<u64>() <= kept,
        judged_up_to: report.rules_judged_up_to,
    }
}

fn finding_told(found: &Found) -> FindingTold {
    let until = match **found {
        Finding::LogUnread { until, .. } => until,
        _ => None,
    };
    FindingTold {
        index: found.index(),
        until,
        code: found.code().into_owned(),
        message: found.to_string(),
        counts: found.class() != Class::Remark,
        spreads: found.class() == Class::Tampered
            && !["attachment.", "model.", "git."].iter().any(|of| found.code().starts_with(of)),
    }
}

impl Shown {
    /// What the answer rests on, in one line; `now` tells its age.
    #[must_use]
    pub fn basis_line(&self, now: Timestamp) -> String {
        let Basis { size, last_recorded_at, verdict, .. } = &self.basis;
        let size = counted(*size, "entry", "entries");
        let age = last_recorded_at.map_or_else(String::new, |last| {
            format!(", the last one {} old", span_text(now.since_ms(last).max(0) / 1000 * 1000))
        });
        match verdict {
            None => format!("not verified: read from {size}{age}; say --trust FILE"),
            Some(told) => {
                let since = told.resumed_from.map_or_else(String::new, |size| {
                    format!(", signatures before entry {size} by the kept state")
                });
                format!("{}\n  rests on {size}{age}{since}", told.line)
            }
        }
    }

    /// What the answer rests on, as JSON; `now` tells its age.
    #[must_use]
    pub fn basis_json(&self, now: Timestamp) -> Value {
        let Basis { size, root, last_recorded_at, verdict, .. } = &self.basis;
        json!({
            "verified": verdict.is_some(),
            "verdict": verdict.as_ref().map(|told| told.word),
            "anchored": verdict.as_ref().map(|told| told.is_good),
            "resumed_from": verdict.as_ref().and_then(|told| told.resumed_from),
            "held": verdict.as_ref().and_then(|told| told.held),
            "size": size,
            "root": root,
            "last_recorded_at": last_recorded_at,
            "age_ms": last_recorded_at.map(|last| now.since_ms(last).max(0)),
        })
    }

    /// The exit code that the verdict asks for.
    ///
    /// # Errors
    /// It is not the one for sound and anchored.
    pub fn end(&self) -> Result<(), Failure> {
        self.report.as_ref().map_or(Ok(()), |report| exit_of(report.verdict))
    }
}

/// Refuses a model that is not registered, and warns of an environment that neither the policy in force nor a release
/// names (an earlier policy may have): what is misspelt is not to look as if nothing had happened there.
///
/// # Errors
/// The model is unknown.
pub fn check_known(
    context: &Context,
    state: &mut State<NoSource>,
    environment: Option<&EnvironmentName>,
    model: Option<&Name>,
) -> Result<(), Failure> {
    let Ok(policy) = state.policy();
    if let Some(asked) = environment {
        let is_in_policy = policy.is_some_and(|policy| policy.environment(asked).is_some());
        let has_slot = |(key, _): (&RowKey, &Row)| matches!(key, RowKey::Slot(_, of) if of == asked);
        if !is_in_policy && !state.rows().any(has_slot) {
            context.say(format_args!(
                "warning: neither the policy in force nor any release names an environment `{asked}`: see `rollbook policy show`"
            ));
        }
    }
    if let Some(asked) = model {
        let Ok(row) = state.row(&RowKey::Model(asked.clone()));
        if row.is_none() {
            return Err(Failure::usage(format!("no model is called `{asked}` in this ledger"))
                .hint("see `rollbook log --kind model.registered`"));
        }
    }
    Ok(())
}

/// Ends a command in the exit code of a verdict.
///
/// # Errors
/// It is not the one for sound and anchored.
pub fn exit_of(verdict: Verdict) -> Result<(), Failure> {
    Exit::of(verdict).map_or(Ok(()), |exit| Err(Failure::answered(exit)))
}
