//! `rollbook draft`: show, sign, submit.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;

use crate::cli::context::Context;
use crate::cli::describe;
use crate::cli::failure::Failure;
use crate::cli::init::{found_ledger, read_log_key};
use crate::cli::record::{append, write_file};
use crate::cli::status::people_of;
use crate::cli::view::{Until, View};
use crate::event::body::{Body, Event};
use crate::hash::Hash;
use crate::lifecycle::refusal::Refusal;
use crate::lifecycle::rules::{ApplyError, Submission, apply};
use crate::lifecycle::state::{NoSource, State};
use crate::log::reader::{LogReader, ReadError};
use crate::signing::envelope::Draft;
use crate::signing::public_key::PublicKey;

/// No draft is larger than this: an event, 16 signatures, and base64 around them.
const DRAFT_BYTES_MAX: u64 = 256 * 1024;

/// Sign together: show, sign and submit an event that somebody drafted.
#[derive(Debug, Subcommand)]
pub enum DraftCommand {
    /// Show
    Show(ShowDraft),
    /// Sign
    Sign(SignDraft),
    /// Submit
    Submit(SubmitDraft),
}

impl DraftCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Show(command) => command.run(context),
            Self::Sign(command) => command.run(context),
            Self::Submit(command) => command.run(context),
        }
    }
}

/// Say in plain words what would be signed, who signed, and who is still missing.
///
/// Example:
///   rollbook draft show promotion.json
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct ShowDraft {
    /// The draft (DSSE JSON)
    pub file: PathBuf,
}

/// Add your signature to a draft. Read `draft show` first.
///
/// Example:
///   rollbook --key carol.key draft sign promotion.json
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct SignDraft {
    /// The draft (DSSE JSON)
    pub file: PathBuf,
}

/// Record a draft that everybody signed.
///
/// Example:
///   rollbook draft submit promotion.json
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct SubmitDraft {
    /// The draft (DSSE JSON)
    pub file: PathBuf,
    /// Say whether it would be accepted; record nothing
    #[arg(long)]
    pub dry_run: bool,
}

fn read_draft(file: &Path) -> Result<(Draft, Event), Failure> {
    let failed = |error: std::io::Error| Failure::io("read", file, &error);
    if std::fs::metadata(file).map_err(failed)?.len() > DRAFT_BYTES_MAX {
        return Err(Failure::usage(format!("{} is too large for a draft", file.display())));
    }
    let json = std::fs::read(file).map_err(failed)?;
    let draft = Draft::from_dsse_json(&json)
        .map_err(|error| Failure::usage(format!("{}: {error}", file.display())))?;
    let event = Event::from_bytes(draft.event())?;
    Ok((draft, event))
}

fn signers_of(draft: &Draft) -> Vec<PublicKey> {
    draft.signatures().iter().map(|signature| signature.key).collect()
}

impl ShowDraft {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let (draft, event) = read_draft(&self.file)?;
        let signers = signers_of(&draft);
        let missing = missing(context, &event, &signers)?;
        if context.json() {
            return context.print_json(&json!({
                "event": event,
                "digest": Hash::of(draft.event()),
                "signed_by": signers,
                "missing": missing.as_ref().map(|refusal| json!({
                    "code": refusal.code(), "message": refusal.to_string(),
                })),
            }));
        }
        context.print(format_args!("You would sign: {}", describe::visible(&describe::one_line(&event))))?;
        let fields = serde_json::to_value(&event).map_err(Failure::world)?;
        context.print(describe::fields(&fields).trim_end())?;
        let people = match context.ledger_dir().ok().map(|_| context.reader()) {
            Some(Ok(reader)) => people_of(&View::replay(reader, Until::Now)?),
            _ => describe::People::default(),
        };
        for key in &signers {
            context.print(format_args!("signed by {} with key {}", people.name(key), key.fingerprint()))?;
        }
        match missing {
            None => context.print("nothing is missing: `rollbook draft submit` would record it now"),
            Some(refusal) => context.print(format_args!("not yet: {refusal}")),
        }
    }
}

/// What stands in the way of recording it now, by the rules; none if nothing does.
fn missing(context: &Context, event: &Event, signers: &[PublicKey]) -> Result<Option<Refusal>, Failure> {
    let dir = context.ledger_dir()?;
    let mut view = match context.reader() {
        Ok(reader) => View::replay(reader, Until::Now)?,
        Err(_) if matches!(LogReader::open(dir), Err(ReadError::Empty { .. })) => {
            return Ok(judge(context, &mut State::default(), 0, event, signers));
        }
        Err(failure) => return Err(failure),
    };
    let size = view.reader.size();
    Ok(judge(context, &mut view.state, size, event, signers))
}

fn judge(
    context: &Context,
    state: &mut State<NoSource>,
    index: u64,
    event: &Event,
    signers: &[PublicKey],
) -> Option<Refusal> {
    let submission = Submission { index, leaf_hash: Hash::ZERO, recorded_at: context.now(), event, signers };
    match apply(state, &submission) {
        Ok(_) => None,
        Err(ApplyError::Refused(refusal)) => Some(refusal),
        Err(ApplyError::Source(never)) => match never {},
    }
}

impl SignDraft {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let (mut draft, event) = read_draft(&self.file)?;
        let signers = context.signers()?;
        if signers.is_empty() {
            return Err(Failure::usage("nobody signs: no key is given").hint("say --key FILE"));
        }
        for signer in &signers {
            draft.sign(signer)?;
        }
        write_file(&self.file, &draft.to_dsse_json(), true)?;
        let count = draft.signatures().len();
        if context.json() {
            return context.print_json(
                &json!({ "draft": self.file, "event_id": event.header.event_id, "signatures": count }),
            );
        }
        context.print(format_args!("signed: {}", describe::one_line(&event)))?;
        context.print(format_args!("  {} holds {count} signature(s)", self.file.display()))
    }
}

impl SubmitDraft {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let (draft, event) = read_draft(&self.file)?;
        let envelope = draft.into_envelope()?;
        if matches!(event.body, Body::LedgerCreated(_)) {
            let dir = context.ledger_dir()?;
            let log_key = read_log_key(context, dir)?;
            return found_ledger(context, dir, &log_key, &event, envelope);
        }
        let ledger = context.writer()?;
        if self.dry_run {
            ledger.try_append(envelope)?;
            return context.print(format_args!("would be accepted: {}", describe::one_line(&event)));
        }
        append(context, &ledger, &event, envelope)
    }
}
