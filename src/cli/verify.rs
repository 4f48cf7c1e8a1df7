//! `rollbook verify`.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::answer::exit_of;
use crate::cli::context::Context;
use crate::cli::explain;
use crate::cli::failure::Failure;
use crate::cli::input::read_input;
use crate::cli::kept;
use crate::cli::model::signature::read_keys;
use crate::cli::progress;
use crate::cli::terminal;
use crate::cli::verify_source::judge;
use crate::event::text::Name;
use crate::linkage::git::clone::Clones;
use crate::linkage::model::dirs::{ModelDirs, ModelPlace};
use crate::log::trust_root::TrustRoot;
use crate::note::signed_note::NOTE_BYTES_MAX;
use crate::time::parse_span_ms;
use crate::timeline::prose::visible;
use crate::verifier::clones::CloneSource;
use crate::verifier::held::MaxAge;
use crate::verifier::models::ModelSource;
use crate::verifier::report::{KeptUse, Report, render};
use crate::verifier::verify::{EarlierCheckpoint, Options, VerifyError};

/// Replay a ledger, or an evidence pack of one, and say whether it can be believed.
///
/// The trust root comes from you, by another channel; it is never taken from the ledger that is
/// judged. Keep the newest checkpoint after each audit (`rollbook checkpoint`), and hand it in at
/// the next: that is what shows a history rewritten with the log's own key. Where the trust root
/// names a quorum of witnesses, the checkpoints that they cosigned do the same. The log is held up to
/// the largest size of these; entries behind it are not yet held.
///
/// Or let --state keep what was verified: the next audit then checks only what came since, and that it
/// extends the old log. The bytes of entries before are not read again.
///
/// With --git, the commits and tags that entries name are also held against clones that you have:
/// that the commit is there, the tag still points where it pointed, and the commit is reachable from a
/// branch that the policy protects. Fetch first: nothing is fetched here. With --state, only entries
/// that came since are held against clones.
///
/// With --models, the files of models that you have are held against what was registered, each
/// version by the directory of its name. Signatures over models that registrations keep are read in
/// any case, and checked where --model-key says whose they should be. Both options need the log from
/// its start, without --state.
///
/// Exit codes: 0 sound and anchored in the trust root; 1 tampered, or against the rules; 3 could
/// not be read; 4 sound, but not anchored as asked: no trust root was given, nothing that you gave
/// covers a log key that was replaced after it was lost or stolen, the quorum that the trust root
/// names holds nothing, or less is held than --max-unheld and --max-age ask for; 5 written by a newer
/// version.
///
/// Example:
///   rollbook verify ./ledger --trust trust.toml --checkpoint checkpoint-2026-03.txt
///   rollbook verify ./ledger --trust trust.toml --state ./ledger.verified
///   rollbook verify ./ledger --trust trust.toml --max-unheld 100 --max-age 24h
///   rollbook verify ./ledger --trust trust.toml --git infra=./infra
///   rollbook verify ./ledger --trust trust.toml --models credit-scorer=./models/credit-scorer
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Verify {
    /// The ledger's directory, an evidence pack's, or - for a log file on stdin; unless given, the
    /// directory named by --ledger
    #[arg(value_name = "LEDGER")]
    pub dir: Option<PathBuf>,
    /// The trust root that you hold
    #[arg(long, value_name = "FILE")]
    pub trust: Option<PathBuf>,
    /// A checkpoint that you kept from before; repeats
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Vec<PathBuf>,
    /// How many entries may be not yet held: more end in exit code 4
    #[arg(long, value_name = "N")]
    pub max_unheld: Option<u64>,
    /// How old may be what is held, by the quorum's time, else by that of the last entry held, such as 24h
    #[arg(long, value_name = "TIME")]
    pub max_age: Option<String>,
    /// Check each author's signature by the strict rule as well (four times as slow)
    #[arg(long)]
    pub strict: bool,
    /// How many threads check; unless given, as many as there are cores
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Keep in FILE what was verified, and check only what came since when it is given again; needs --trust
    #[arg(long, value_name = "FILE", requires = "trust")]
    pub state: Option<PathBuf>,
    /// A clone of a repository that entries name commits of: the repository's name in the ledger, and the
    /// clone's directory, bare or not, or a file: URL; repeats
    #[arg(long, value_name = "NAME=DIR")]
    pub git: Vec<String>,
    /// Do not read the attachments, all of which are hashed otherwise: for a copy without attachments/
    #[arg(long)]
    pub no_attachments: bool,
    /// Hold the files of models against their registrations: NAME=DIR, where DIR holds an entry for each
    /// version (others are passed over), or NAME@VERSION=PATH; repeats
    #[arg(long, value_name = "NAME=DIR", conflicts_with = "state")]
    pub models: Vec<ModelPlace>,
    /// A public key whose signatures over models count (PEM; ECDSA P-256, P-384 or P-521); repeats
    #[arg(long, value_name = "PEM", conflicts_with_all = ["state", "no_attachments"])]
    pub model_key: Vec<PathBuf>,
}

impl Verify {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`]; a verdict other than sound ends in its exit code.
    pub fn run(self, context: &Context) -> Result<(), Failure> {
        let dir = match &self.dir {
            Some(dir) => dir,
            None => context.ledger_dir()?,
        };
        let trust = self.trust.as_deref().map(read_trust).transpose()?;
        let max_age_ms = self.max_age.as_deref().map(parse_span_ms).transpose()?;
        let checkpoints =
            self.checkpoint.iter().map(|path| read_checkpoint(path)).collect::<Result<Vec<_>, _>>()?;
        let models = ModelDirs::new(self.models.clone());
        if let Some((path, error)) = models.unlistable() {
            return Err(Failure::input(path, &error)
                .hint("say --models NAME=DIR, DIR holding a directory for each version"));
        }
        let model_keys = read_keys(&self.model_key)?;
        let kept = kept::read(self.state.as_deref(), trust.as_ref())?;
        let clones = open_clones(&self.git)?;
        let options = Options {
            clones: clones.as_ref().map(|clones| clones as &dyn CloneSource),
            trust: trust.as_ref(),
            kept: kept.as_ref(),
            keep: self.state.is_some(),
            checkpoints: &checkpoints,
            strict: self.strict,
            threads: self.threads,
            max_unheld: self.max_unheld,
            max_age: max_age_ms.map(|span_ms| MaxAge { span_ms, now: context.now() }),
            skip_attachments: self.no_attachments,
            models: Some(&models as &dyn ModelSource).filter(|_| !self.models.is_empty()),
            model_keys: &model_keys,
            ..Options::default()
        };
        let bar = progress::verifying();
        let judged = judge(dir, &options, &progress::follow(&bar))?;
        let report = &judged.report;
        bar.finish_and_clear();
        if context.json() {
            context.print_json(report)?;
        } else {
            let name = self.trust.as_ref().map(|path| path.display().to_string());
            let text = visible(render(report, name.as_deref()).trim_end());
            context.print(terminal::styled_report(&text, report.verdict))?;
            explain::point_to(context, report);
        }
        warn_of_idle_clones(context, report);
        kept::write(context, self.state.as_deref(), judged.kept.as_ref())?;
        exit_of(report.verdict)
    }
}

/// Opens the clones that `--git` names; none where it names none.
fn open_clones(pairs: &[String]) -> Result<Option<Clones>, Failure> {
    let mut clones = Clones::default();
    for pair in pairs {
        let named = pair.split_once('=').filter(|(_, dir)| !dir.is_empty());
        let (name, dir) = named.ok_or_else(|| {
            Failure::usage(format!("--git {pair} is no repository's name and its clone"))
                .hint("say --git NAME=DIR, the name as entries have it: see `rollbook log --json`")
        })?;
        if !clones.add(Name::new(name)?, Path::new(dir))? {
            return Err(Failure::usage(format!("--git names {name} twice")).hint("give one clone of it"));
        }
    }
    Ok((!pairs.is_empty()).then_some(clones))
}

/// A clone that nothing was held against is most likely named wrongly; where only some entries were read, it need not be.
fn warn_of_idle_clones(context: &Context, report: &Report) {
    if matches!(report.kept, Some(KeptUse::ResumedFrom { .. })) {
        return;
    }
    for clone in report.clones.iter().filter(|clone| clone.checked == 0) {
        context.say(format_args!(
            "warning: --git {}: no entry names a commit of that repository, so nothing was held against the clone",
            visible(&clone.name)
        ));
    }
}

/// Reads a trust root.
///
/// # Errors
/// It cannot be read, or is none.
pub fn read_trust(path: &Path) -> Result<TrustRoot, Failure> {
    TrustRoot::read(path).map_err(Failure::usage)
}

/// Why a ledger could not be verified at all.
#[must_use]
pub fn unverified(error: VerifyError) -> Failure {
    match error {
        VerifyError::NotALedger { .. } => Failure::usage(error),
        VerifyError::Attachment(_) => Failure::world(error)
            .hint("see who may read in attachments/; --no-attachments judges the log alone"),
        VerifyError::Clone(_) => {
            Failure::world(error).hint("see `git fsck` there; without --git the ledger is judged by itself")
        }
        error => Failure::world(error),
    }
}

/// Reads a checkpoint that somebody kept.
///
/// # Errors
/// It cannot be read, or is none.
pub fn read_checkpoint(path: &Path) -> Result<EarlierCheckpoint, Failure> {
    let bytes = read_input(path, "a checkpoint note", NOTE_BYTES_MAX)?;
    EarlierCheckpoint::parse(path.display().to_string(), &bytes).map_err(Failure::usage)
}
