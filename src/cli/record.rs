//! What every command that records has in common: draft, sign, append, and the answer.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use crate::cli::attach::{AttachArgs, Attached, Fresh, Made};
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::view::{Facts, Until, View};
use crate::event::body::{Body, Event};
use crate::event::header::{Basis, EXPIRY_DEFAULT_MS, EXPIRY_MAX_MS, EventId, FORMAT_VERSION, Header};
use crate::event::list::Ascending;
use crate::event::text::Name;
use crate::hash::Hash;
use crate::ledger::receipt::Receipt;
use crate::ledger::writer::Ledger;
use crate::signing::envelope::{Draft, Envelope};
use crate::signing::key_file::{
    KeyFileError, KeyTextError, NamedPublicKey, is_private_key_file, read_public_key,
};
use crate::signing::public_key::PublicKey;
use crate::signing::signer::Signer;
use crate::store::attachments::Attachments;
use crate::time::{DAY_MS, Timestamp, parse_span_ms};
use crate::timeline::prose;
use clap::ValueEnum;

/// Options of every command that records.
#[derive(Debug, Clone, Args)]
pub struct RecordArgs {
    /// Say whether it would be accepted and what is missing; record nothing
    #[arg(long, conflicts_with = "draft", help_heading = "Recording")]
    pub dry_run: bool,
    /// The event's id, so that a retry is recognised: a UUID, or any text of the pipeline's own
    #[arg(long, value_name = "ID", help_heading = "Recording")]
    pub event_id: Option<String>,
    /// When it happened, if that is not now: RFC 3339 with offset, or a span such as `2h ago`
    #[arg(long, value_name = "TIME", help_heading = "Recording")]
    pub claimed_at: Option<String>,
    /// How long the event may be accepted, at most 30d
    #[arg(long, value_name = "TIME", default_value = "7d", help_heading = "Recording")]
    pub expires_in: String,
    /// Write the event with the signatures at hand to FILE (DSSE JSON) instead of recording it, for
    /// others to sign
    #[arg(long, value_name = "FILE", help_heading = "Recording")]
    pub draft: Option<PathBuf>,
    /// With --draft: the public key file of the proposer, where they are to sign later
    #[arg(long, value_name = "PUB", requires = "draft", help_heading = "Recording")]
    pub proposer: Option<PathBuf>,
    /// With --draft: write over FILE if it exists
    #[arg(long, requires = "draft", help_heading = "Recording")]
    pub force: bool,
    /// Files that belong to the event.
    #[command(flatten)]
    pub files: Box<AttachArgs>,
    /// The report that is passed on, where another system saw it.
    #[arg(skip)]
    pub report: Option<Report>,
}

/// What another system reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The system.
    pub system: Name,
    /// That system's own id of the report.
    pub id: Name,
    /// When the system says that it happened, where it does.
    pub at: Option<Timestamp>,
}

impl Report {
    /// The event id that stands for the report: the same for each of its deliveries.
    #[must_use]
    pub fn event_id(&self) -> EventId {
        EventId::derive(self.system.as_str(), self.id.as_str())
    }

    /// That it was observed, where, and under which id.
    #[must_use]
    pub fn basis(&self) -> Basis {
        Basis::Observed { system: self.system.clone(), id: self.id.clone() }
    }
}

impl RecordArgs {
    /// Whether something would be recorded: neither a trial nor a draft.
    #[must_use]
    pub const fn commits(&self) -> bool {
        !self.dry_run && self.draft.is_none()
    }

    /// The event's id, where it is decided already.
    fn known_id(&self) -> Option<EventId> {
        self.report.as_ref().map(Report::event_id).or_else(|| self.event_id.as_deref().map(event_id))
    }
}

/// What a command says: the body of its event, and bytes that it made and attaches.
#[derive(Debug)]
pub struct Said {
    /// The body.
    pub body: Body,
    /// The bytes.
    pub made: Vec<Made>,
}

impl<T: Into<Body>> From<T> for Said {
    fn from(body: T) -> Self {
        Self { body: body.into(), made: Vec::new() }
    }
}

/// Builds what a command says from the ledger's facts. A retry hands in the body that was recorded
/// under the same id, so that what was filled in then is filled in again.
pub type MakeBody<'a> = dyn FnMut(&mut dyn Facts, Option<&Body>, Timestamp) -> Result<Said, Failure> + 'a;

/// Records what `make` builds, or drafts it, or tries it, as the options say.
///
/// # Errors
/// [`Failure`].
pub fn record(context: &Context, args: &RecordArgs, make: &mut MakeBody<'_>) -> Result<(), Failure> {
    let signers = context.signers()?;
    let files = args.files.open()?;
    if args.draft.is_some() {
        let mut view = View::replay(context.reader()?, Until::Now)?;
        let proposer = draft_proposer(args, &signers)?;
        let (mut event, own) = build(context, args, proposer, &mut view, None, make)?;
        let attached = files.with(own)?.seal(&attachments(context)?, None)?;
        attached.name_in(&mut event.header)?;
        check_redaction(&event)?;
        return write_draft(context, &event, &signers, attached, args);
    }
    let proposer = first_key(&signers)?;
    let ledger = context.writer()?;
    let earlier = match args.known_id() {
        Some(id) => ledger.recorded_event(&id, context.now())?,
        None => None,
    };
    if let (Some(report), Some(earlier)) = (&args.report, &earlier)
        && earlier.header.basis == report.basis()
    {
        // Whatever it says this time, it is the report that was recorded.
        return sign_and_append(context, args, &ledger, earlier, &signers);
    }
    let (mut event, own) = build(context, args, proposer, &mut &ledger, earlier.as_ref(), make)?;
    let store = attachments(context)?;
    let mut attached = files.with(own)?.seal(&store, earlier.as_ref())?;
    attached.name_in(&mut event.header)?;
    check_redaction(&event)?;
    let envelope = sign(&event, &signers)?.into_envelope()?;
    if args.dry_run {
        return try_one(context, &ledger, &event, envelope);
    }
    // What is recorded already is stored already, or was redacted since.
    let is_recorded = earlier.as_ref() == Some(&event);
    if attached.is_empty() || is_recorded {
        return append(context, &ledger, &event, envelope, Fresh::default());
    }
    ledger.try_append(envelope.clone())?;
    let fresh = attached.store(&store)?;
    append(context, &ledger, &event, envelope, fresh)
}

/// Appends an event without attachments, or that is recorded already.
fn sign_and_append(
    context: &Context,
    args: &RecordArgs,
    ledger: &Ledger,
    event: &Event,
    signers: &[Signer],
) -> Result<(), Failure> {
    let envelope = sign(event, signers)?.into_envelope()?;
    if args.dry_run {
        return try_one(context, ledger, event, envelope);
    }
    append(context, ledger, event, envelope, Fresh::default())
}

/// The attachments of the ledger.
///
/// # Errors
/// No ledger is named.
pub fn attachments(context: &Context) -> Result<Attachments, Failure> {
    Ok(Attachments::of_ledger(context.ledger_dir()?))
}

/// An event does not attach the very bytes that it redacts.
fn check_redaction(event: &Event) -> Result<(), Failure> {
    let Body::AttachmentRedacted(body) = &event.body else { return Ok(()) };
    match event.header.attachments.iter().find(|attachment| attachment.digest == body.digest) {
        None => Ok(()),
        Some(same) => {
            Err(Failure::usage(format!("--attach {}: those are the bytes to be redacted", same.name))
                .hint("leave it out"))
        }
    }
}

/// The key that proposes: the first one that signs.
///
/// # Errors
/// Nobody signs.
pub fn first_key(signers: &[Signer]) -> Result<PublicKey, Failure> {
    signers.first().map(Signer::public_key).ok_or_else(|| {
        Failure::usage("nobody signs: no key is given")
            .hint("say --key FILE, or set ROLLBOOK_KEY; make a key with `rollbook key new FILE`")
    })
}

/// The key that proposes a draft.
///
/// # Errors
/// Nobody signs, and no proposer is named; or the file holds no key.
pub fn draft_proposer(args: &RecordArgs, signers: &[Signer]) -> Result<PublicKey, Failure> {
    match &args.proposer {
        Some(path) => Ok(public_half(path)?.key),
        None => first_key(signers).map_err(|failure| failure.hint("say --key FILE, or --proposer PUB")),
    }
}

/// The event id that `text` stands for.
#[must_use]
pub fn event_id(text: &str) -> EventId {
    text.parse().unwrap_or_else(|_| EventId::derive("rollbook", text))
}

/// An id that was never used before.
///
/// # Errors
/// The system gives no randomness.
pub fn new_event_id(now: Timestamp) -> Result<EventId, Failure> {
    let mut random = [0; 10];
    getrandom::fill(&mut random).map_err(Failure::world)?;
    Ok(EventId::generate(now, random))
}

/// The event that `make` builds, or the one recorded under the same id built again, and what was made for it.
///
/// # Errors
/// What `make` ends in, or an option that cannot be understood.
pub fn build(
    context: &Context,
    args: &RecordArgs,
    proposer: PublicKey,
    facts: &mut dyn Facts,
    earlier: Option<&Event>,
    make: &mut MakeBody<'_>,
) -> Result<(Event, Vec<Made>), Failure> {
    let now = context.now();
    let Said { body, made } = make(facts, earlier.map(|event| &event.body), now)?;
    let ledger_id = facts.charter()?.ledger_id;
    let mut header = header(args, ledger_id, proposer, now)?;
    if let Some(earlier) = earlier {
        let at = earlier.header.claimed_at;
        header.claimed_at = claimed_time(args.claimed_at.as_deref(), Some(at), now)?.unwrap_or(at);
        header.expires_at = earlier.header.expires_at;
    }
    Ok((Event { header, body }, made))
}

/// The header of an event that is drafted now.
///
/// # Errors
/// An option cannot be understood.
pub fn header(
    args: &RecordArgs,
    ledger_id: Hash,
    proposer: PublicKey,
    now: Timestamp,
) -> Result<Header, Failure> {
    let reported_at = args.report.as_ref().and_then(|report| report.at);
    let claimed_at = match &args.claimed_at {
        Some(text) => Timestamp::parse(text, now)?,
        None => reported_at.unwrap_or(now),
    };
    let event_id = match args.known_id() {
        Some(id) => id,
        None => new_event_id(now)?,
    };
    let expires_at = now.plus_ms(expiry_ms(&args.expires_in)?);
    let basis = args.report.as_ref().map_or(Basis::Declared, Report::basis);
    let attachments = Ascending::default();
    Ok(Header {
        format: FORMAT_VERSION,
        ledger_id,
        event_id,
        proposer,
        claimed_at,
        expires_at,
        basis,
        attachments,
    })
}

fn expiry_ms(text: &str) -> Result<i64, Failure> {
    let ms = parse_span_ms(text)?;
    if (1..=EXPIRY_MAX_MS).contains(&ms) {
        return Ok(ms);
    }
    Err(Failure::usage(format!("--expires-in {text} is not between 1ms and 30d; 7d is usual"))
        .hint(format!("leave it out for {} days", EXPIRY_DEFAULT_MS / DAY_MS)))
}

/// The event with every signature at hand.
///
/// # Errors
/// The event is too large, or a signer fails.
pub fn sign(event: &Event, signers: &[Signer]) -> Result<Draft, Failure> {
    let mut draft = Draft::new(event.to_bytes()?)?;
    for signer in signers {
        draft.sign(signer)?;
    }
    Ok(draft)
}

/// A time that an option gives. Counted back from now (`2m ago`), a retry would come to another one:
/// then it is the time of the event that was recorded under the same id.
///
/// # Errors
/// The text is no time.
pub fn claimed_time(
    text: Option<&str>,
    earlier: Option<Timestamp>,
    now: Timestamp,
) -> Result<Option<Timestamp>, Failure> {
    let Some(text) = text else { return Ok(None) };
    let time = Timestamp::parse(text, now)?;
    let counted_from_now = text.parse::<Timestamp>().is_err();
    Ok(Some(earlier.filter(|_| counted_from_now).unwrap_or(time)))
}

/// Tries an event, and says that it would be accepted.
///
/// # Errors
/// What appending it would end in.
pub fn try_one(context: &Context, ledger: &Ledger, event: &Event, envelope: Envelope) -> Result<(), Failure> {
    match Failure::of_all(ledger.missing(envelope)?) {
        None => print_would_be_accepted(context, event),
        Some(failure) => Err(failure),
    }
}

/// Prints that an event would be accepted.
///
/// # Errors
/// Stdout is closed.
pub fn print_would_be_accepted(context: &Context, event: &Event) -> Result<(), Failure> {
    if context.json() {
        return context.print_json(&json!({ "would_be_accepted": true, "event": event }));
    }
    context.print(format_args!("would be accepted: {}", prose::one_line(event)))
}

/// Appends an envelope and prints its receipt. Where it is refused, `fresh` attachments are taken back.
///
/// # Errors
/// [`Failure`].
pub fn append(
    context: &Context,
    ledger: &Ledger,
    event: &Event,
    envelope: Envelope,
    fresh: Fresh,
) -> Result<(), Failure> {
    let receipt = ledger.append(envelope);
    fresh.settle(&receipt);
    context.warn_all(ledger);
    print_receipt(context, event, &receipt?)
}

/// Prints a receipt.
///
/// # Errors
/// Stdout is closed.
pub fn print_receipt(context: &Context, event: &Event, receipt: &Receipt) -> Result<(), Failure> {
    if context.json() {
        let mut answer = serde_json::to_value(receipt).map_err(Failure::world)?;
        answer["kind"] = json!(event.kind());
        return context.print_json(&answer);
    }
    let word = if receipt.repeated { "already recorded as" } else { "recorded as" };
    context.print(format_args!("{word} entry {}: {}", receipt.index, prose::one_line(event)))?;
    context.print(format_args!("  event {}  leaf {}", receipt.event_id, receipt.leaf_hash))?;
    context.tell(format_args!("checkpoint:\n{}", receipt.checkpoint.trim_end()));
    Ok(())
}

/// Writes a draft for others to sign, as the options say, and stores what is attached.
///
/// # Errors
/// [`Failure`]; an existing file stays unless forced.
pub fn write_draft(
    context: &Context,
    event: &Event,
    signers: &[Signer],
    mut attached: Attached,
    args: &RecordArgs,
) -> Result<(), Failure> {
    let (file, force) = (args.draft.as_deref().unwrap_or(Path::new("-")), args.force);
    let draft = sign(event, signers)?;
    if file.exists() && !force {
        return Err(exists_already(file));
    }
    let fresh = attached.store_for_draft(context, file)?;
    if let Err(failure) = write_file(file, draft.to_dsse_json(), force) {
        fresh.take_back();
        return Err(failure);
    }
    let (signatures, id) = (draft.signatures().len(), event.header.event_id);
    if context.json() {
        return context.print_json(&json!({ "draft": file, "event_id": id, "signatures": signatures }));
    }
    context.print(format_args!("drafted: {}", prose::one_line(event)))?;
    context.print(format_args!(
        "  {} holds {signatures} signature(s); next: rollbook draft show|sign|submit {}",
        file.display(),
        file.display()
    ))
}

/// Writes a file, whole or not at all; an existing one stays unless forced.
///
/// # Errors
/// [`Failure`].
pub fn write_file(path: &Path, bytes: impl AsRef<[u8]>, force: bool) -> Result<(), Failure> {
    write_with_mode(path, bytes.as_ref(), 0o644, force)
}

/// Refuses a file that exists, before anything is done, unless `force` says that it may be written over.
///
/// # Errors
/// It exists.
pub fn check_free(path: Option<&Path>, force: bool) -> Result<(), Failure> {
    match path {
        Some(path) if path.exists() && !force => Err(exists_already(path)),
        _ => Ok(()),
    }
}

/// The form that a file's extension names, if it names one.
#[must_use]
pub fn form_of<F: ValueEnum>(path: Option<&Path>) -> Option<F> {
    F::from_str(path?.extension()?.to_str()?, true).ok()
}

/// As [`write_file`], with a mode of its own.
///
/// # Errors
/// [`Failure`].
pub fn write_with_mode(path: &Path, bytes: &[u8], mode: u32, force: bool) -> Result<(), Failure> {
    let failed = |error: &std::io::Error| Failure::io("write", path, error);
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !dir.exists() {
        return Err(Failure::world(format!(
            "cannot write {}: there is no directory {}",
            path.display(),
            dir.display()
        ))
        .hint("make it, or name another file"));
    }
    let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
    let file = tempfile::Builder::new().permissions(mode).tempfile_in(dir);
    let mut file = file.map_err(|error| failed(&error))?;
    std::io::Write::write_all(&mut file, bytes).map_err(|error| failed(&error))?;
    let persisted = if force { file.persist(path).map(drop) } else { file.persist_noclobber(path).map(drop) };
    persisted.map_err(|error| match error.error.kind() {
        std::io::ErrorKind::AlreadyExists => exists_already(path),
        _ => failed(&error.error),
    })
}

/// The key in a public key file. A private key file is refused, although it holds the public half:
/// who names it there may have handed it out.
///
/// # Errors
/// The file cannot be read, or holds no public key.
pub fn public_half(path: &Path) -> Result<NamedPublicKey, Failure> {
    if is_private_key_file(path)? {
        let path = path.to_owned();
        return Err(KeyFileError::Content { path, reason: KeyTextError::NotPublic }.into());
    }
    Ok(read_public_key(path)?)
}

/// A file is not written over unless that is asked for.
#[must_use]
pub fn exists_already(path: &Path) -> Failure {
    Failure::usage(format!("{} exists already", path.display())).hint("name another file, or say --force")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_retry_keeps_the_time_that_was_counted_back_from_now() {
        let (now, earlier) = (at("2026-03-01T12:00:00Z"), at("2026-03-01T11:00:00Z"));
        let claimed = |text, earlier| claimed_time(text, earlier, now).unwrap();
        assert_eq!(claimed(Some("2m ago"), None), Some(at("2026-03-01T11:58:00Z")));
        assert_eq!(claimed(Some("2m ago"), Some(earlier)), Some(earlier));
        assert_eq!(claimed(Some("now"), Some(earlier)), Some(earlier));
        let said = "2026-02-01T00:00:00Z";
        assert_eq!(claimed(Some(said), Some(earlier)), Some(at(said)), "what is said exactly stands");
        assert_eq!(claimed(None, Some(earlier)), None);
        assert!(claimed_time(Some("soon"), Some(earlier), now).is_err());
    }

    #[test]
    fn an_event_id_is_a_uuid_or_stands_for_a_text() {
        let uuid = "01a206ae-1799-70ff-b001-1fd20f5ad77d";
        assert_eq!(event_id(uuid).to_string(), uuid);
        assert_eq!(event_id("build 17"), event_id("build 17"));
        assert_ne!(event_id("build 17"), event_id("build 18"));
    }

    #[test]
    fn an_expiry_lies_between_a_moment_and_thirty_days() {
        assert_eq!(expiry_ms("7d").unwrap(), EXPIRY_DEFAULT_MS);
        assert_eq!(expiry_ms("30d").unwrap(), EXPIRY_MAX_MS);
        for wrong in ["0s", "31d", "-1h", "soon", ""] {
            assert!(expiry_ms(wrong).is_err(), "{wrong:?}");
        }
    }
}
