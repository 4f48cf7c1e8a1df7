//! `rollbook key rotate-log`: the log's own key is replaced.
//!
//! The new key is made first, and lies in a file beside the old one's (`….next`) before the event is drafted: so whoever
//! submits a draft has it, and a crash loses nothing. The ledger does the rest (docs/operating.md, "Rotating the log
//! key").

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;
use zeroize::Zeroizing;

use crate::cli::context::Context;
use crate::cli::failure::{Failure, LOG_KEY_PASSPHRASE};
use crate::cli::record::{
    RecordArgs, Said, attachments, build, draft_proposer, event_id, exists_already, first_key, print_receipt,
    sign, try_one, write_draft,
};
use crate::cli::rights::follow_directory;
use crate::cli::view::{Facts, Until, View};
use crate::event::authority::{LogKeyRotated, RotationCause};
use crate::event::body::{Body, Event};
use crate::event::text::Text;
use crate::ledger::config::Config;
use crate::ledger::create::TRUST_FILE;
use crate::ledger::log_key::LogKeyFiles;
use crate::ledger::opening::OpeningError;
use crate::ledger::writer::Ledger;
use crate::lifecycle::refusal::Refusal;
use crate::lifecycle::state::Charter;
use crate::signing::envelope::Envelope;
use crate::signing::key_file::{SecretKey, read_private_key};
use crate::signing::public_key::PublicKey;

/// Replace the key that signs the log's checkpoints. Signed by the administrators.
///
/// The new key is made beside the old one, in FILE.next, and takes its place once the event is
/// recorded; the old one stays as FILE.retired-INDEX. Both sign the checkpoint at the boundary, and
/// the new one every later one. Where the old key is lost or stolen, the new one signs alone:
/// auditors then need the new trust.toml, or a checkpoint from after the rotation.
///
/// Example:
///   rollbook --key alice.key --key bob.key key rotate-log --reason "each spring"
///   rollbook --key alice.key key rotate-log --lost --reason "its disk died" --draft rotation.json
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct RotateLogKey {
    /// The old key is gone: the new one signs alone
    #[arg(long, conflicts_with = "compromised_since")]
    pub lost: bool,
    /// Somebody else may hold the old key: checkpoints of this size and beyond that it signed are not to be trusted
    #[arg(long, value_name = "SIZE")]
    pub compromised_since: Option<u64>,
    /// Why
    #[arg(long, value_name = "T")]
    pub reason: Text,
    /// A private key file whose key becomes the log's; unless given, one is made
    #[arg(long, value_name = "FILE")]
    pub new_key: Option<PathBuf>,
    /// Encrypt the new key under a passphrase, which is asked for, or `ROLLBOOK_LOG_KEY_PASSPHRASE`
    #[arg(long, conflicts_with = "new_key")]
    pub passphrase: bool,
    /// Do not ask on a terminal: a log key that was replaced never comes back
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    record: RecordArgs,
}

impl RotateLogKey {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn run(self, context: &Context) -> Result<(), Failure> {
        let files = key_files(context.ledger_dir()?)?;
        match &self.record.draft {
            Some(file) => self.draft(context, &files, file),
            None => self.record(context, &files),
        }
    }

    const fn cause(&self) -> RotationCause {
        match self.compromised_since {
            Some(tree_size) => RotationCause::CompromisedSince { tree_size },
            None if self.lost => RotationCause::Lost,
            None => RotationCause::Routine,
        }
    }

    /// The event's body; a retry names the keys that it named before.
    fn body(&self, facts: &mut dyn Facts, earlier: Option<&Body>, next: PublicKey) -> Result<Body, Failure> {
        let (old_key, new_key) = match earlier {
            Some(Body::LogKeyRotated(earlier)) => (earlier.old_key, earlier.new_key),
            _ => (facts.charter()?.log_key, next),
        };
        Ok(LogKeyRotated { old_key, new_key, cause: self.cause(), reason: self.reason.clone() }.into())
    }

    /// The key to be the log's, where no file holds it yet.
    fn fresh_key(&self, context: &Context) -> Result<SecretKey, Failure> {
        match &self.new_key {
            None => SecretKey::generate().map_err(Failure::world),
            Some(file) => {
                let mut ask = || context.passphrase("the new log key", LOG_KEY_PASSPHRASE, None);
                Ok(read_private_key(file, &mut ask)?)
            }
        }
    }

    fn new_passphrase(&self, context: &Context) -> Result<Option<Zeroizing<String>>, Failure> {
        if !self.passphrase {
            return Ok(None);
        }
        let asked = context.passphrase("the new log key", LOG_KEY_PASSPHRASE, None);
        asked.map_err(Failure::world)?.map(Some).ok_or_else(|| {
            Failure::usage("no passphrase was given").hint(format!("set {LOG_KEY_PASSPHRASE}"))
        })
    }

    /// A next key that is there already is the one that is used: a rotation to it may have been drafted.
    fn check_same(&self, context: &Context, files: &LogKeyFiles, stored: PublicKey) -> Result<(), Failure> {
        if self.new_key.is_none() || self.fresh_key(context)?.public_key() == stored {
            return Ok(());
        }
        let path = files.next_path();
        Err(Failure::usage(format!("{} holds another key than --new-key already", path.display()))
            .hint("a rotation to it may have been drafted; if that is given up, move the file away"))
    }

    fn record(&self, context: &Context, files: &LogKeyFiles) -> Result<(), Failure> {
        let signers = context.signers()?;
        let proposer = first_key(&signers)?;
        if self.record.commits() {
            context.confirm("Every later checkpoint would be signed by another key. Rotate?", self.yes)?;
        }
        let passphrase = self.new_passphrase(context)?;
        let was_stored = files.has_next();
        let fresh = if was_stored { None } else { Some(self.fresh_key(context)?) };
        let ledger = context.rotation_writer(fresh)?;
        let earlier = match &self.record.event_id {
            Some(id) => ledger.recorded_event(&event_id(id), context.now())?,
            None => None,
        };
        let next = match ledger.next_log_key() {
            Some(next) if was_stored => self.check_same(context, files, next).map(|()| next)?,
            Some(next) => next,
            // A retry names the keys that it named before.
            None if earlier.is_some() => proposer,
            None => return Err(just_finished(files)),
        };
        let mut make = |facts: &mut dyn Facts, earlier: Option<&Body>, _| {
            self.body(facts, earlier, next).map(Said::from)
        };
        let (mut event, _) =
            build(context, &self.record, proposer, &mut &ledger, earlier.as_ref(), &mut make)?;
        let store = attachments(context)?;
        let mut attached = self.record.files.open()?.seal(&store, earlier.as_ref())?;
        attached.name_in(&mut event.header)?;
        let envelope = sign(&event, &signers)?.into_envelope()?;
        if self.record.dry_run {
            return try_one(context, &ledger, &event, envelope);
        }
        if earlier.is_none() {
            // What is refused leaves no key behind.
            ledger.try_append(envelope.clone())?;
            ledger
                .store_next_log_key(self.new_key.as_deref(), passphrase.as_ref().map(|text| text.as_str()))?;
            // Stored before the entry that cites it; should that fail, nobody cites it, which does no harm.
            let _ = attached.store(&store)?;
        }
        append_rotation(context, &ledger, &event, envelope)
    }

    fn draft(&self, context: &Context, files: &LogKeyFiles, file: &Path) -> Result<(), Failure> {
        let signers = context.signers()?;
        let proposer = draft_proposer(&self.record, &signers)?;
        if file.exists() && !self.record.force {
            return Err(exists_already(file));
        }
        let mut view = View::replay(context.reader()?, Until::Now)?;
        follow_directory(context, context.ledger_dir()?)?;
        let mut ask = || context.passphrase("the next log key", LOG_KEY_PASSPHRASE, None);
        let stored = files.read_next(&mut ask)?.map(|key| key.public_key());
        let fresh = match stored {
            Some(stored) => {
                self.check_same(context, files, stored)?;
                None
            }
            None => Some(self.fresh_key(context)?),
        };
        let next = stored.or_else(|| fresh.as_ref().map(SecretKey::public_key)).expect("one of the two");
        check_fits(&*view.charter()?, files, next)?;
        if let Some(key) = fresh {
            let passphrase = self.new_passphrase(context)?;
            match &self.new_key {
                Some(from) => files.copy_next(from)?,
                None => files.write_next(&key, passphrase.as_ref().map(|text| text.as_str()))?,
            }
        }
        let mut make = |facts: &mut dyn Facts, earlier: Option<&Body>, _| {
            self.body(facts, earlier, next).map(Said::from)
        };
        let (mut event, _) = build(context, &self.record, proposer, &mut view, None, &mut make)?;
        let attached = self.record.files.open()?.seal(&attachments(context)?, None)?;
        attached.name_in(&mut event.header)?;
        write_draft(context, &event, &signers, attached, &self.record)?;
        context.say(format_args!(
            "note: the new key lies in {}: whoever submits the draft needs it there",
            files.next_path().display()
        ));
        Ok(())
    }
}

fn key_files(dir: &Path) -> Result<LogKeyFiles, Failure> {
    let config = Config::read(dir).map_err(|error| Failure::from(OpeningError::from(error)))?;
    Ok(LogKeyFiles::of(&config, dir))
}

/// A rotation to `next` can be accepted at all, before a key is written for it.
fn check_fits(charter: &Charter, files: &LogKeyFiles, next: PublicKey) -> Result<(), Failure> {
    if charter.rules_version < 2 {
        return Err(Refusal::KindNotAccepted { kind: crate::event::body::Kind::LogKeyRotated }.into());
    }
    if charter.log_key == next {
        return Err(just_finished(files));
    }
    if charter.former_log_keys.contains(&next) {
        return Err(Refusal::LogKeyUsedBefore { key: next }.into());
    }
    Ok(())
}

/// The next key's file belongs to a rotation that is recorded.
fn just_finished(files: &LogKeyFiles) -> Failure {
    let path = files.next_path();
    Failure::usage(format!("{} holds, or held, the key of a rotation that is recorded already", path.display()))
        .hint("see `rollbook log --kind log_key.rotated`; run it again to rotate once more, with the file moved away if it is there still")
}

/// Appends a rotation, prints its receipt, and says what is to be done with what it left.
///
/// # Errors
/// [`Failure`].
pub fn append_rotation(
    context: &Context,
    ledger: &Ledger,
    event: &Event,
    envelope: Envelope,
) -> Result<(), Failure> {
    let receipt = ledger.append(envelope);
    context.warn_all(ledger);
    let receipt = receipt?;
    let dir = context.ledger_dir()?;
    let (files, trust) = (key_files(dir)?, dir.join(TRUST_FILE));
    let retired = files.retired_path(receipt.index);
    let retired = retired.exists().then_some(retired);
    if context.json() {
        let mut answer = serde_json::to_value(&receipt).map_err(Failure::world)?;
        answer["kind"] = json!(event.kind());
        answer["log_key"] = json!({ "file": files.path(), "retired": retired });
        answer["trust_root"] = json!(trust);
        return context.print_json(&answer);
    }
    print_receipt(context, event, &receipt)?;
    context.print(format_args!("log key:    {} (the new one: back it up)", files.path().display()))?;
    if let Some(retired) = retired {
        context.print(format_args!("old key:    {}", retired.display()))?;
    }
    context.print(format_args!("trust root: {} (hand it to auditors again)", trust.display()))
}
