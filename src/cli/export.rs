//! `rollbook export`: what is recorded, for other systems.
//!
//! With `--trust` nothing leaves before the verdict is known: objects wait in a file without a name, and are signed and
//! handed out once the log is found sound. Without it they leave as the log is read.

use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Seek as _, SeekFrom, Stdout, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::cli::answer::{Shown, TrustArgs};
use crate::cli::context::{Context, written};
use crate::cli::failure::Failure;
use crate::cli::record::{check_free, exists_already};
use crate::cli::view::Until;
use crate::event::body::Kind;
use crate::event::text::{EnvironmentName, Name};
use crate::export::events::{
    Counts, Exporter, Lines, Render, Selection, cdevents, cloudevents, dsse, in_toto, ndjson,
};
use crate::hash::Hash;
use crate::signing::envelope::DraftError;
use crate::signing::signer::Signer;
use crate::timeline::prose::{visible, visible_json};

/// Hand what is recorded on to other systems.
#[derive(Debug, Subcommand)]
pub(crate) enum Export {
    Events(Events),
}

impl Export {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`].
    pub(crate) fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Events(command) => command.run(context),
        }
    }
}

/// Write entries as events of another vocabulary, one JSON object a line, oldest first.
///
/// Each line carries the ledger, the entry's index and its leaf hash, by which it leads back to proof.
/// The same ledger gives the same lines. Entries against the rules are left out. With --trust, the
/// log is verified first, and nothing is written unless it is sound and anchored as asked. in-toto
/// statements are signed with --key: by whoever exports, not by the author.
///
/// Exit codes: 0 written; 1 tampered, or against the rules; 2 the command line is wrong; 4 and 5 as
/// for verify.
///
/// Example:
///   rollbook export events --format cdevents --env production --since "1d ago" --trust trust.toml
///   rollbook export events --format in-toto --key ci.pem -o statements.jsonl
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Events {
    /// In which vocabulary
    #[arg(long, value_name = "FORMAT")]
    pub format: Format,
    /// Only entries in this environment
    #[arg(long, value_name = "E")]
    pub env: Option<EnvironmentName>,
    /// Only entries about this model
    #[arg(long, value_name = "M")]
    pub model: Option<Name>,
    /// Only this kind, such as model.promoted; repeats
    #[arg(long, value_name = "KIND")]
    pub kind: Vec<Kind>,
    /// Only entries about this model digest
    #[arg(long, value_name = "D")]
    pub digest: Option<Hash>,
    /// Only entries recorded at this time or later
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Only entries recorded before this time
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Where the lines go, whole or not at all; unless given, stdout
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Write over a file that exists
    #[arg(long)]
    pub force: bool,
    /// What makes it believable.
    #[command(flatten)]
    pub trust: TrustArgs,
}

/// In which vocabulary entries are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// `CDEvents` 0.5.1, for deployment metrics
    #[value(help = "CDEvents 0.5.1, for deployment metrics")]
    Cdevents,
    /// `CloudEvents` 1.0, for event buses
    #[value(help = "CloudEvents 1.0, for event buses")]
    Cloudevents,
    /// In-toto Statements v1 in signed DSSE envelopes, for policy engines
    #[value(help = "in-toto Statements v1 in signed DSSE envelopes, for policy engines")]
    InToto,
    /// Our own objects
    Ndjson,
}

impl Format {
    const fn render(self) -> Render {
        match self {
            Self::Cdevents => cdevents::object,
            Self::Cloudevents => cloudevents::object,
            Self::InToto => in_toto::object,
            Self::Ndjson => ndjson::object,
        }
    }
}

impl Events {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn run(self, context: &Context) -> Result<(), Failure> {
        let selection = self.selection(context)?;
        let signers = self.signers(context)?;
        let sheet = Sheet { signers, destination: self.destination()? };
        if self.trust.trust.is_some() {
            self.verified(context, selection, sheet)
        } else {
            self.read(context, selection, sheet)
        }
    }

    fn selection(&self, context: &Context) -> Result<Selection, Failure> {
        let (since, until) = context.range(self.since.as_ref(), self.until.as_ref())?;
        Ok(Selection {
            since,
            until,
            environment: self.env.clone(),
            model: self.model.clone(),
            kinds: self.kind.clone(),
            digest: self.digest,
        })
    }

    /// Who signs the statements; none where the format has no signatures.
    fn signers(&self, context: &Context) -> Result<Option<Vec<Signer>>, Failure> {
        if self.format != Format::InToto {
            return Ok(None);
        }
        let mut signers = context.signers()?;
        signers.sort_by_key(Signer::public_key);
        signers.dedup_by_key(|signer| signer.public_key());
        if signers.is_empty() {
            return Err(Failure::usage("in-toto statements are signed, and no key is given")
                .hint("say --key KEY: your own or a pipeline's, whoever is to vouch for what was read"));
        }
        Ok(Some(signers))
    }

    fn destination(&self) -> Result<Destination, Failure> {
        let Some(path) = &self.output else {
            return Ok(Destination::Stdout(BufWriter::new(std::io::stdout())));
        };
        check_free(Some(path), self.force)?;
        Destination::file(path, self.force)
    }

    /// Lines leave as the log is read.
    fn read(&self, context: &Context, selection: Selection, sheet: Sheet) -> Result<(), Failure> {
        let mut exporter = Exporter::new(selection, self.format.render(), sheet);
        let shown = self.trust.show(context, Until::Now, &mut exporter)?;
        let (sheet, counts) = exporter.finish()?;
        sheet.destination.finish()?;
        self.tell(context, &shown, counts)
    }

    /// Lines leave once the log is found sound.
    fn verified(&self, context: &Context, selection: Selection, mut sheet: Sheet) -> Result<(), Failure> {
        let mut exporter = Exporter::new(selection, self.format.render(), Waiting::new()?);
        let shown = self.trust.show(context, Until::Now, &mut exporter)?;
        let (waiting, counts) = exporter.finish()?;
        if let Err(verdict) = shown.end() {
            let message = format!("nothing was exported: {}", shown.basis_line(context.now()));
            return Err(Failure { exit: verdict.exit, ..Failure::no("not_sound", message) }
                .hint("see `rollbook verify` with the same --trust"));
        }
        waiting.release(&mut sheet)?;
        sheet.destination.finish()?;
        self.tell(context, &shown, counts)
    }

    fn tell(&self, context: &Context, shown: &Shown, counts: Counts) -> Result<(), Failure> {
        let Counts { exported, left_out } = counts;
        if left_out > 0 {
            context.say(format_args!("left out: {left_out} {} against the rules", entries(left_out)));
        }
        context.say(shown.basis_line(context.now()));
        let Some(path) = &self.output else {
            if exported == 0 {
                context.say("no entry fits");
            }
            return Ok(());
        };
        if context.json() {
            return context.print_json(&json!({
                "written": path, "exported": exported, "left_out": left_out, "basis": shown.basis_json(context.now()),
            }));
        }
        context.print(visible(&format!("{}: {exported} {}", path.display(), entries(exported))))
    }
}

fn entries(count: u64) -> &'static str {
    if count == 1 { "entry" } else { "entries" }
}

/// What lines are written on.
struct Sheet {
    /// Who signs each object first, where the format has signatures.
    signers: Option<Vec<Signer>>,
    destination: Destination,
}

impl Sheet {
    /// Writes an object, as the JSON that it is.
    fn write(&mut self, object: &str) -> Result<(), Failure> {
        let Some(signers) = &self.signers else { return self.destination.write_line(object) };
        let envelope = dsse::sealed(in_toto::PAYLOAD_TYPE, object.as_bytes(), signers);
        let envelope = envelope.map_err(DraftError::Sign)?;
        self.destination.write_line(&envelope.to_string())
    }
}

impl Lines for Sheet {
    type Error = Failure;

    /// A log that is only read is read once, from its start: nothing was written yet.
    fn begin(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    fn take(&mut self, object: &Value) -> Result<(), Failure> {
        self.write(&line(object))
    }
}

/// An object as a line that no terminal is steered by.
fn line(object: &Value) -> String {
    visible_json(&object.to_string())
}

/// Where lines go.
enum Destination {
    Stdout(BufWriter<Stdout>),
    /// A file that takes its name once it is whole.
    File {
        file: BufWriter<NamedTempFile>,
        path: PathBuf,
        force: bool,
    },
}

impl Destination {
    fn file(path: &Path, force: bool) -> Result<Self, Failure> {
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file = tempfile::Builder::new()
            .prefix(".rollbook-export-")
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666))
            .tempfile_in(dir)
            .map_err(|error| Failure::io("write in", dir, &error))?;
        Ok(Self::File { file: BufWriter::new(file), path: path.to_owned(), force })
    }

    fn write_line(&mut self, text: &str) -> Result<(), Failure> {
        match self {
            Self::Stdout(stdout) => written(writeln!(stdout, "{text}")),
            Self::File { file, path, .. } => {
                writeln!(file, "{text}").map_err(|error| Failure::io("write", path, &error))
            }
        }
    }

    /// All lines are there.
    fn finish(self) -> Result<(), Failure> {
        let (file, path, force) = match self {
            Self::Stdout(mut stdout) => return written(stdout.flush()),
            Self::File { file, path, force } => (file, path, force),
        };
        let failed = |error: std::io::Error| Failure::io("write", &path, &error);
        let file = file.into_inner().map_err(|error| failed(error.into_error()))?;
        file.as_file().sync_all().map_err(failed)?;
        let named = if force { file.persist(&path) } else { file.persist_noclobber(&path) };
        named.map(|_| ()).map_err(|error| match error.error.kind() {
            std::io::ErrorKind::AlreadyExists => exists_already(&path),
            _ => failed(error.error),
        })
    }
}

/// Objects that wait for the verdict, in a file that has no name and goes with the process.
struct Waiting(BufWriter<File>);

impl Waiting {
    fn new() -> Result<Self, Failure> {
        Ok(Self(BufWriter::new(tempfile::tempfile().map_err(|error| not_kept(&error))?)))
    }

    /// Hands all of them on.
    fn release(self, sheet: &mut Sheet) -> Result<(), Failure> {
        let mut file = self.0.into_inner().map_err(|error| not_kept(error.error()))?;
        file.seek(SeekFrom::Start(0)).map_err(|error| not_kept(&error))?;
        for line in BufReader::new(file).lines() {
            sheet.write(&line.map_err(|error| not_kept(&error))?)?;
        }
        Ok(())
    }
}

impl Lines for Waiting {
    type Error = Failure;

    fn begin(&mut self) -> Result<(), Failure> {
        let emptied = self.0.seek(SeekFrom::Start(0)).and_then(|_| self.0.get_ref().set_len(0));
        emptied.map_err(|error| not_kept(&error))
    }

    fn take(&mut self, object: &Value) -> Result<(), Failure> {
        writeln!(self.0, "{}", line(object)).map_err(|error| not_kept(&error))
    }
}

fn not_kept(error: &std::io::Error) -> Failure {
    Failure::io("keep the lines in", &std::env::temp_dir(), error)
}
