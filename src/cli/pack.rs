//! `rollbook pack`: evidence packs, handed out and taken back.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::cli::context::Context;
use crate::cli::failure::{Exit, Failure};
use crate::cli::input::read_input;
use crate::cli::progress;
use crate::cli::verify::{read_checkpoint, read_trust};
use crate::cli::verify_source::unreadable;
use crate::export::pack_check::open_pack;
use crate::export::pack_import::{ImportError, import};
use crate::export::pack_write::{ExportError, Exported, export};
use crate::log::trust_root::TRUST_ROOT_BYTES_MAX;
use crate::timeline::prose::visible;
use crate::verifier::report::render;
use crate::verifier::verify::Options;

/// Evidence packs: the whole ledger as files that other people's tools read, too.
#[derive(Debug, Subcommand)]
pub(crate) enum Pack {
    Export(Export),
    Import(Import),
}

impl Pack {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`].
    pub(crate) fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Export(command) => command.run(context),
            Self::Import(command) => command.run(context),
        }
    }
}

/// Write the published ledger to a directory, in the layout of C2SP tlog-tiles.
///
/// Its README.md says how to check it, with Rollbook and without. A pack that is there already is
/// brought up to the ledger; what was cut short is gone on with. The same ledger gives the same bytes.
/// Hand the trust root out by another channel.
///
/// Example:
///   rollbook pack export ./evidence-2026-03
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Export {
    /// The directory: a new one, an empty one, or a pack of this ledger
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
}

impl Export {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let ledger = context.ledger_dir()?;
        let bar = progress::bar("exporting {bar:30} {pos}/{len} entries {per_sec} {eta}");
        let exported = export(ledger, &self.dir, &progress::follow(&bar)).map_err(not_exported)?;
        bar.finish_and_clear();
        let Exported { origin, size, root, batches, attachments, written, kept, removed } = &exported;
        if context.json() {
            return context.print_json(&json!({
                "pack": self.dir, "origin": origin, "size": size, "root": root, "batches": batches,
                "attachments": attachments, "written": written, "kept": kept, "removed": removed,
            }));
        }
        let pack = self.dir.display();
        context.print(visible(&format!(
            "{pack}: {size} entries of {origin} in {batches} batches, {attachments} attachments\n  \
             files: {written} written, {kept} kept, {removed} removed\n\
             next: rollbook verify {pack} --trust FILE"
        )))
    }
}

fn not_exported(error: ExportError) -> Failure {
    match error {
        ExportError::Read(error) => Failure::from(error),
        ExportError::NotThisPack { .. } | ExportError::OtherHistory { .. } | ExportError::LogOlder { .. } => {
            Failure::usage(error).hint("name a new directory")
        }
        ExportError::ReadTrust(error) => {
            Failure::usage(error).hint("put the ledger's trust.toml right, or remove it")
        }
        error => Failure::world(error),
    }
}

/// Restore a ledger's directory from an evidence pack, verified first.
///
/// The log comes out byte for byte. It can be read and verified at once; to record, put the log key
/// in place (log.pem), and name the anchors in rollbook.toml. Nothing is made unless the pack is
/// sound and anchored in your trust root.
///
/// Exit codes: 0 restored; 1 tampered, or against the rules; 2 the command line is wrong; 4 and 5 as
/// for verify.
///
/// Example:
///   rollbook pack import ./evidence-2026-03 ./ledger --trust trust.toml
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Import {
    /// The pack's directory
    #[arg(value_name = "PACK")]
    pub pack: PathBuf,
    /// The ledger's directory to be: a new one, or an empty one
    #[arg(value_name = "LEDGER")]
    pub dir: PathBuf,
    /// The trust root that you hold
    #[arg(long, value_name = "FILE")]
    pub trust: PathBuf,
    /// A checkpoint that you kept from before; repeats
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Vec<PathBuf>,
}

impl Import {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let trust = read_trust(&self.trust)?;
        let trust_file = read_input(&self.trust, "a trust root", TRUST_ROOT_BYTES_MAX)?;
        let trust_file = String::from_utf8(trust_file).map_err(Failure::usage)?;
        let checkpoints =
            self.checkpoint.iter().map(|path| read_checkpoint(path)).collect::<Result<Vec<_>, _>>()?;
        let options = Options { trust: Some(&trust), checkpoints: &checkpoints, ..Options::default() };
        let pack = open_pack(&self.pack).map_err(unreadable)?;
        let bar = progress::verifying();
        let imported = import(&pack, &self.dir, &trust_file, &options, &progress::follow(&bar));
        let imported = imported.map_err(not_imported)?;
        bar.finish_and_clear();
        let report = &imported.report;
        let exit = Exit::of(report.verdict);
        let restored = exit.is_none();
        if context.json() {
            let ledger = restored.then_some(&self.dir);
            context.print_json(&json!({
                "ledger": ledger, "attachments": imported.attachments, "report": report,
            }))?;
        } else {
            let name = self.trust.display().to_string();
            context.print(visible(render(report, Some(&name)).trim_end()))?;
            let dir = self.dir.display();
            context.print(visible(&if restored {
                format!("restored: {dir}\nnext: put the log key at {dir}/log.pem, and name the anchors in {dir}/rollbook.toml")
            } else {
                format!("not restored: {dir}")
            }))?;
        }
        exit.map_or(Ok(()), |exit| Err(Failure::answered(exit)))
    }
}

fn not_imported(error: ImportError) -> Failure {
    match error {
        ImportError::Pack(error) => unreadable(error),
        ImportError::NotEmpty { .. } => Failure::usage(error).hint("name a new directory"),
        error => Failure::world(error),
    }
}
