//! `rollbook attachment`: list, get, redact.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use rayon::prelude::*;
use serde::Serialize;
use serde_json::json;

use crate::cli::attach::PRIVATE_MODE;
use crate::cli::context::{Context, written};
use crate::cli::failure::Failure;
use crate::cli::record::{RecordArgs, attachments, check_free, record, write_with_mode};
use crate::cli::view::{Until, View};
use crate::event::body::{Body, Event};
use crate::event::header::{Attachment, PRIVATE_PREFIX_BYTES};
use crate::event::remark::AttachmentRedacted;
use crate::event::text::Text;
use crate::hash::Hash;
use crate::lifecycle::attachments::AttachmentRegister;
use crate::store::attachments::{AttachmentCheck, AttachmentError, Attachments};
use crate::timeline::prose;
use crate::words::words;

/// The fewest hex digits that name an attachment, so that a slip of the hand names none.
const PREFIX_DIGITS_MIN: usize = 6;

/// List, get and redact attachments: files that belong to entries, kept beside the log.
#[derive(Debug, Subcommand)]
pub(crate) enum AttachmentCommand {
    List(ListAttachments),
    Get(GetAttachment),
    Redact(RedactAttachment),
}

impl AttachmentCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`].
    pub(crate) fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::List(command) => command.run(context),
            Self::Get(command) => command.run(context),
            Self::Redact(command) => command.run(context),
        }
    }
}

words! {
    /// What became of an attachment.
    AttachmentState, "a state of attachments" {
        /// Its bytes are there, and they are the right ones.
        Present = "present",
        /// They are not there, and no entry says why.
        Missing = "missing",
        /// Other bytes stand in their place, or another number of them than the entry says.
        Damaged = "damaged",
        /// An entry says that they were removed, and they are gone.
        Redacted = "redacted",
        /// An entry says that they were removed, and they are still there.
        NotRemoved = "not_removed",
    }
}

/// An attachment as an entry cites it.
#[derive(Debug, Clone)]
pub struct Cited {
    /// The entry.
    pub entry: u64,
    /// What it says.
    pub attachment: Attachment,
}

/// An attachment and what became of it, for people and as JSON.
#[derive(Debug, Clone, Serialize)]
pub struct Listed {
    /// The entry that cites it.
    pub entry: u64,
    /// What that entry says.
    #[serde(flatten)]
    pub attachment: Attachment,
    /// What became of its bytes.
    pub state: AttachmentState,
    /// The entry that redacts it.
    pub redacted_by: Option<u64>,
}

impl Listed {
    /// In one line.
    #[must_use]
    pub fn line(&self) -> String {
        let by = self.redacted_by.map(|entry| format!(" by entry {entry}")).unwrap_or_default();
        format!("{}: {}{by}", named(&self.attachment), self.state)
    }
}

fn named(attachment: &Attachment) -> String {
    let Attachment { digest, size, private, media_type, name } = attachment;
    let private = if *private { ", private" } else { "" };
    format!("attachment {digest} {name} ({media_type}, {size} bytes{private})")
}

/// An attachment of a draft, and whether its bytes are in the ledger.
#[derive(Debug, Clone, Serialize)]
pub struct DraftAttachment {
    #[serde(flatten)]
    attachment: Attachment,
    state: AttachmentState,
}

impl DraftAttachment {
    /// In one line, as a terminal may show it.
    #[must_use]
    pub fn line(&self) -> String {
        let hint = if self.state == AttachmentState::Present { "" } else { "; hand it in when you submit" };
        prose::visible(&format!("{}: {}{hint}", named(&self.attachment), self.state))
    }
}

/// The attachments of a draft.
///
/// # Errors
/// The store cannot be read.
pub fn draft_attachments(event: &Event, store: &Attachments) -> Result<Vec<DraftAttachment>, Failure> {
    let look = |attachment: &Attachment| {
        let (attachment, state) = (attachment.clone(), state_of(&attachment.digest, attachment.size, store)?);
        Ok(DraftAttachment { attachment, state })
    };
    event.header.attachments.iter().map(look).collect()
}

fn state_of(digest: &Hash, size: u64, store: &Attachments) -> Result<AttachmentState, AttachmentError> {
    Ok(match store.verify(digest)? {
        AttachmentCheck::Sound { bytes } if bytes == size => AttachmentState::Present,
        AttachmentCheck::Missing => AttachmentState::Missing,
        AttachmentCheck::Sound { .. } | AttachmentCheck::Differs { .. } => AttachmentState::Damaged,
    })
}

/// Every attachment that a lawful entry of the log cites.
pub struct AttachmentLog {
    store: Attachments,
    register: AttachmentRegister,
    cited: Vec<Cited>,
    reasons: HashMap<u64, Text>,
}

impl AttachmentLog {
    /// Replays the whole log.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn replay(context: &Context) -> Result<Self, Failure> {
        let (mut register, mut cited, mut reasons) =
            (AttachmentRegister::default(), Vec::new(), HashMap::new());
        View::replay_with(context.reader()?, Until::Now, |logged| {
            let (entry, event) = (logged.entry.index, &logged.event);
            register.take(entry, event);
            let attachments = event.header.attachments.iter().cloned();
            cited.extend(attachments.map(|attachment| Cited { entry, attachment }));
            if let Body::AttachmentRedacted(body) = &event.body {
                reasons.insert(entry, body.reason.clone());
            }
        })?;
        Ok(Self { store: attachments(context)?, register, cited, reasons })
    }

    /// The attachments that `wanted` lets through, and what became of them. Their bytes are read on all cores.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn listed(&self, wanted: impl Fn(&Cited) -> bool) -> Result<Vec<Listed>, Failure> {
        let wanted: Vec<&Cited> = self.cited.iter().filter(|cited| wanted(cited)).collect();
        let listed: Result<Vec<Listed>, AttachmentError> =
            wanted.into_par_iter().map(|cited| self.look(cited)).collect();
        Ok(listed?)
    }

    fn look(&self, cited: &Cited) -> Result<Listed, AttachmentError> {
        let Cited { entry, attachment } = cited.clone();
        let redaction = self.register.redaction(&attachment.digest);
        let state = match redaction {
            None => state_of(&attachment.digest, attachment.size, &self.store)?,
            Some(_) if self.store.exists(&attachment.digest)? => AttachmentState::NotRemoved,
            Some(_) => AttachmentState::Redacted,
        };
        Ok(Listed { entry, attachment, state, redacted_by: redaction.map(|by| by.redacted_by) })
    }

    /// The newest citation of the one attachment that `text` names: a digest, or its first digits.
    ///
    /// # Errors
    /// It names none, or several.
    fn find(&self, text: &str) -> Result<&Cited, Failure> {
        let digits = text.strip_prefix("sha256:").unwrap_or(text).to_ascii_lowercase();
        let is_prefix = (PREFIX_DIGITS_MIN..=64).contains(&digits.len());
        if !is_prefix || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            let message =
                format!("`{text}` is no digest, nor the first {PREFIX_DIGITS_MIN} digits or more of one");
            return Err(Failure::usage(message).hint(SEE_LIST));
        }
        let fits = |cited: &&Cited| cited.attachment.digest.to_string().starts_with(&digits);
        let mut found: Vec<&Cited> = self.cited.iter().filter(fits).collect();
        let Some(newest) = found.pop() else {
            let message = format!("no entry cites an attachment {text}");
            return Err(Failure::no("attachment_unknown", message).hint(SEE_LIST));
        };
        match found.iter().find(|cited| cited.attachment.digest != newest.attachment.digest) {
            None => Ok(newest),
            Some(other) => {
                let (one, two) = (other.attachment.digest, newest.attachment.digest);
                Err(Failure::usage(format!("{text} begins the digests of several attachments: {one}, {two}"))
                    .hint("give more digits"))
            }
        }
    }

    /// That the attachment is redacted, where it is.
    fn redacted(&self, digest: &Hash) -> Option<String> {
        let by = self.register.redaction(digest)?.redacted_by;
        let reason = self.reasons.get(&by).map(|reason| format!(": {reason}")).unwrap_or_default();
        Some(format!("the attachment {digest} was redacted by entry {by}{reason}"))
    }
}

const SEE_LIST: &str = "see `rollbook attachment list`";

/// List attachments, and say which are there.
///
/// Every file is read and hashed.
///
/// Example:
///   rollbook attachment list --missing
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct ListAttachments {
    /// Only those of this entry
    #[arg(long, value_name = "INDEX")]
    pub entry: Option<u64>,
    /// Only those that are missing or damaged
    #[arg(long)]
    pub missing: bool,
}

impl ListAttachments {
    fn run(self, context: &Context) -> Result<(), Failure> {
        if let Some(index) = self.entry {
            context.reader()?.entry(index)?;
        }
        let log = AttachmentLog::replay(context)?;
        let mut listed = log.listed(|cited| self.entry.is_none_or(|entry| entry == cited.entry))?;
        if self.missing {
            let is_wanted = |state| matches!(state, AttachmentState::Missing | AttachmentState::Damaged);
            listed.retain(|listed| is_wanted(listed.state));
        }
        if listed.is_empty() {
            context.say("no attachment fits");
        }
        for listed in &listed {
            if context.json() {
                context.print_json(listed)?;
            } else {
                let line = format!("entry {}: {}", listed.entry, listed.line());
                context.print(prose::visible(&line))?;
            }
        }
        Ok(())
    }
}

/// Get the file that was attached.
///
/// Only bytes that have the digest are ever written.
///
/// Example:
///   rollbook attachment get 3f1c5a9e -o fairness.json
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct GetAttachment {
    /// Its digest, or the first digits of it
    #[arg(value_name = "DIGEST")]
    pub digest: String,
    /// Where the file goes, instead of stdout
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Write over FILE if it exists
    #[arg(long, requires = "output")]
    pub force: bool,
    /// Of a private one, leave the 32 random bytes before it, so that the digest can be checked
    #[arg(long)]
    pub raw: bool,
}

impl GetAttachment {
    fn run(self, context: &Context) -> Result<(), Failure> {
        if context.json() && self.output.is_none() {
            return Err(Failure::usage("with --json the file needs a name").hint("say -o FILE"));
        }
        let log = AttachmentLog::replay(context)?;
        let Cited { entry, attachment } = log.find(&self.digest)?;
        let bytes = self.bytes(&log, attachment)?;
        let Some(path) = &self.output else {
            let mut stdout = std::io::stdout().lock();
            return written(stdout.write_all(&bytes).and_then(|()| stdout.flush()));
        };
        check_free(Some(path), self.force)?;
        let mode = if attachment.private { PRIVATE_MODE } else { 0o644 };
        write_with_mode(path, &bytes, mode, self.force)?;
        if context.json() {
            let (digest, bytes) = (attachment.digest, bytes.len());
            return context
                .print_json(&json!({ "written": path, "entry": entry, "digest": digest, "bytes": bytes }));
        }
        let written = format!("{} of entry {entry} written to {}", attachment.name, path.display());
        context.print(prose::visible(&written))
    }

    fn bytes(&self, log: &AttachmentLog, attachment: &Attachment) -> Result<Vec<u8>, Failure> {
        let digest = attachment.digest;
        if let Some(redacted) = log.redacted(&digest) {
            return Err(Failure::no("attachment_redacted", redacted));
        }
        let Some(mut bytes) = log.store.read(&digest)? else {
            let is_there = log.store.exists(&digest)?;
            let message = format!("the attachment {} ({digest})", attachment.name);
            return Err(if is_there {
                Failure::no("attachment_damaged", format!("{message} has other bytes in its place"))
            } else {
                Failure::no("attachment_missing", format!("{message} is not in attachments/"))
            }
            .hint("put its file back from a copy of the ledger"));
        };
        if attachment.private && !self.raw {
            bytes.drain(..PRIVATE_PREFIX_BYTES.min(bytes.len()));
        }
        Ok(bytes)
    }
}

/// Redact an attachment: the entry says so, and its bytes are deleted. Signed by the administrators.
///
/// Digest, name and size stay in the log for ever. Copies of the ledger elsewhere keep the bytes until
/// they are deleted there, too.
///
/// Example:
///   rollbook --key alice.pem attachment redact 3f1c5a9e --reason "erasure asked for, ticket DP-9"
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct RedactAttachment {
    /// Its digest, or the first digits of it
    #[arg(value_name = "DIGEST")]
    pub digest: String,
    /// Why
    #[arg(long, value_name = "T")]
    pub reason: Text,
    /// Do not ask on a terminal: deleted bytes do not come back
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    record: RecordArgs,
}

impl RedactAttachment {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let Cited { attachment, .. } = AttachmentLog::replay(context)?.find(&self.digest)?.clone();
        let digest = attachment.digest;
        if self.record.commits() {
            let question = format!("{} would be deleted for good. Redact it?", named(&attachment));
            context.confirm(&question, self.yes)?;
        }
        record(context, &self.record, &mut |_, earlier, _| {
            let is_retry =
                matches!(earlier, Some(Body::AttachmentRedacted(earlier)) if earlier.digest == digest);
            // Looked at again: nobody else records between here and the entry.
            match AttachmentLog::replay(context)?.redacted(&digest) {
                Some(redacted) if !is_retry => {
                    Err(Failure::no("attachment_redacted_already", redacted).hint("nothing is to do"))
                }
                _ => Ok(AttachmentRedacted { digest, reason: self.reason.clone() }.into()),
            }
        })
    }
}
