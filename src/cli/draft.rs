//! `rollbook draft`: show, sign, submit.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;

use crate::cli::attach::{Fresh, Supplied};
use crate::cli::attachment::{DraftAttachment, draft_attachments};
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::git_verdict::GitVerdict;
use crate::cli::init::{found_ledger, read_log_key};
use crate::cli::input::{is_stdin, read_input};
use crate::cli::policy::compare::{change_json, changes_of, meaning};
use crate::cli::record::{append, attachments, print_would_be_accepted, try_one, write_file};
use crate::cli::rights::follow_directory;
use crate::cli::rotate::append_rotation;
use crate::cli::view::{Until, View};
use crate::event::body::{Body, Event};
use crate::hash::Hash;
use crate::lifecycle::policy::settings::Change;
use crate::lifecycle::refusal::Refusal;
use crate::lifecycle::rules::{ApplyError, GitEvidence, Submission, apply};
use crate::lifecycle::state::{NoSource, RowKey, State};
use crate::log::reader::{LogReader, ReadError};
use crate::signing::envelope::Draft;
use crate::signing::public_key::PublicKey;
use crate::time::Timestamp;
use crate::timeline::prose::{self, People};

/// No draft is larger than this: an event, 16 signatures, and base64 around them.
const DRAFT_BYTES_MAX: usize = 256 * 1024;

/// Sign together: show, sign and submit an event that somebody drafted.
#[derive(Debug, Subcommand)]
pub(crate) enum DraftCommand {
    Show(ShowDraft),
    Sign(SignDraft),
    Submit(SubmitDraft),
}

impl DraftCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`].
    pub(crate) fn run(self, context: &Context) -> Result<(), Failure> {
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
    /// The draft (DSSE JSON); - for stdin
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
/// Each of its attachments must be in the ledger, or be handed in with --attach: a private one as the
/// file that was written beside the draft.
///
/// Example:
///   rollbook draft submit promotion.json
///   rollbook draft submit promotion.json --attach fairness.json
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct SubmitDraft {
    /// The draft (DSSE JSON); - for stdin
    pub file: PathBuf,
    /// Say whether it would be accepted; record nothing
    #[arg(long)]
    pub dry_run: bool,
    /// An attachment of the draft that is not in the ledger yet; repeats
    #[arg(long, value_name = "FILE")]
    pub attach: Vec<PathBuf>,
}

fn read_draft(file: &Path) -> Result<(Draft, Event), Failure> {
    let json = read_input(file, "a draft", DRAFT_BYTES_MAX)?;
    let draft = Draft::from_dsse_json(&json).map_err(|error| {
        Failure::usage(format!("{}: {error}", file.display()))
            .hint("ask for the draft again, or draft the event anew with --draft FILE")
    })?;
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
        let mut place = Place::of(context)?;
        let missing = place.judge(&event, &signers);
        let could_sign = match &missing {
            Some(missing) => place.who_could_sign(&event, &signers, missing),
            None => Vec::new(),
        };
        place.people.learn(&event);
        let attached = draft_attachments(&event, &attachments(context)?)?;
        let changes = place.policy_changes(&event);
        let git = GitVerdict::at(&mut place.state, &event.body, place.now);
        if context.json() {
            let mut answer = json!({
                "event": event,
                "attachments": attached,
                "digest": Hash::of(draft.event()),
                "signed_by": signers,
                "policy_changes": changes.as_ref().map(|changes| changes.iter().map(change_json).collect::<Vec<_>>()),
                "missing": missing.as_ref().map(|refusal| json!({
                    "code": refusal.code(), "message": refusal.to_string(),
                })),
                "could_sign": could_sign.iter().map(|key| json!({
                    "person": place.people.name(key), "key": key, "fingerprint": key.fingerprint(),
                })).collect::<Vec<_>>(),
            });
            if let Some(git) = git {
                answer["git"] = json!(git);
            }
            return context.print_json(&answer);
        }
        context.print(format_args!("You would sign: {}", prose::one_line(&event)))?;
        let fields = serde_json::to_value(&event).map_err(Failure::world)?;
        context.print(prose::fields(&fields).trim_end())?;
        for line in git.iter().flat_map(GitVerdict::lines) {
            context.print(prose::visible(&line))?;
        }
        for line in attached.iter().map(DraftAttachment::line) {
            context.print(line)?;
        }
        if let Some(changes) = &changes {
            context
                .print(format_args!("what changes in the policy:\n{}", prose::visible(&meaning(changes))))?;
        }
        for key in &signers {
            context.print(format_args!("signed by {}", place.signer(key)))?;
        }
        let Some(missing) = missing else {
            return context.print("nothing is missing: `rollbook draft submit` would record it now");
        };
        context.print(format_args!("not yet: {}", prose::visible(&missing.to_string())))?;
        for key in &could_sign {
            context.print(format_args!("could sign: {}", place.signer(key)))?;
        }
        Ok(())
    }
}

/// Where a draft would be recorded now: the state, the next index and the time.
struct Place {
    state: State<NoSource>,
    index: u64,
    now: Timestamp,
    people: People,
}

impl Place {
    /// The end of the ledger; for one that was only prepared, its beginning.
    fn of(context: &Context) -> Result<Self, Failure> {
        let now = context.now();
        match LogReader::open(context.ledger_dir()?) {
            Err(ReadError::Empty { .. }) => {
                Ok(Self { state: State::default(), index: 0, now, people: People::default() })
            }
            reader => {
                let view = View::replay(reader?, Until::Now)?;
                let people = view.people();
                Ok(Self { index: view.reader.size(), state: view.state, now, people })
            }
        }
    }

    /// What an event that sets a policy changes in the one in force; none where it cannot be read.
    fn policy_changes(&mut self, event: &Event) -> Option<Vec<Change>> {
        let Body::PolicySet(body) = &event.body else { return None };
        let Ok(charter) = self.state.charter();
        changes_of(&charter?.policy, &body.policy).ok()
    }

    /// What stands in the way of recording the event now, by the rules; none if nothing does.
    fn judge(&mut self, event: &Event, signers: &[PublicKey]) -> Option<Refusal> {
        let (index, recorded_at) = (self.index, self.now);
        let submission =
            Submission { index, leaf_hash: Hash::ZERO, recorded_at, event, signers, git: GitEvidence::Look };
        match apply(&mut self.state, &submission) {
            Ok(_) => None,
            Err(ApplyError::Refused(refusal)) => Some(refusal),
            Err(ApplyError::Source(never)) => match never {},
        }
    }

    /// The keys whose signature would bring the draft further than `missing`, by the rules
    /// themselves.
    fn who_could_sign(&mut self, event: &Event, signers: &[PublicKey], missing: &Refusal) -> Vec<PublicKey> {
        let known: Vec<PublicKey> = match &event.body {
            Body::LedgerCreated(created) => created.administrators.iter().map(|named| named.key).collect(),
            _ => self.holders(),
        };
        let unsigned = known.into_iter().filter(|key| !signers.contains(key));
        unsigned.filter(|key| self.furthers(event, signers, *key, missing)).collect()
    }

    fn holders(&self) -> Vec<PublicKey> {
        let rows = self.state.rows();
        let keys = rows.filter_map(|(key, _)| if let RowKey::Holder(key) = key { Some(*key) } else { None });
        let mut keys: Vec<_> = keys.collect();
        keys.sort();
        keys
    }

    fn furthers(&mut self, event: &Event, signers: &[PublicKey], key: PublicKey, missing: &Refusal) -> bool {
        let mut more = signers.to_vec();
        more.push(key);
        more.sort();
        match (missing, self.judge(event, &more)) {
            (_, None) => true,
            (Refusal::ProposerNotSigned { key: proposer }, _) => *proposer == key,
            (
                Refusal::ApprovalsMissing { actual, .. },
                Some(Refusal::ApprovalsMissing { actual: then, .. }),
            ) => then > *actual,
            (Refusal::AdministratorsMustSign { .. }, _) => matches!(event.body, Body::LedgerCreated(_)),
            _ => false,
        }
    }

    fn signer(&self, key: &PublicKey) -> String {
        prose::visible(&format!("{} with key {}", self.people.name(key), key.fingerprint()))
    }
}

impl SignDraft {
    fn run(self, context: &Context) -> Result<(), Failure> {
        if is_stdin(&self.file) {
            return Err(Failure::usage("a draft is signed in its file").hint("name the file"));
        }
        let (mut draft, event) = read_draft(&self.file)?;
        let signers = context.signers()?;
        if signers.is_empty() {
            return Err(Failure::usage("nobody signs: no key is given").hint("say --key FILE"));
        }
        for signer in &signers {
            draft.sign(signer)?;
        }
        write_file(&self.file, draft.to_dsse_json(), true)?;
        let count = draft.signatures().len();
        if context.json() {
            return context.print_json(
                &json!({ "draft": self.file, "event_id": event.header.event_id, "signatures": count }),
            );
        }
        context.print(format_args!("signed: {}", prose::one_line(&event)))?;
        context.print(format_args!("  {} holds {count} signature(s)", self.file.display()))
    }
}

impl SubmitDraft {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let (draft, event) = read_draft(&self.file)?;
        let envelope = draft.into_envelope()?;
        if matches!(event.body, Body::LedgerCreated(_)) {
            let dir = context.ledger_dir()?;
            let signers: Vec<PublicKey> = envelope.signers();
            if let Some(refusal) = Place::of(context)?.judge(&event, &signers) {
                return Err(refusal.into());
            }
            let store = attachments(context)?;
            let supplied = Supplied::check(&self.attach, &event, &store)?;
            if self.dry_run {
                return print_would_be_accepted(context, &event);
            }
            follow_directory(context, dir)?;
            let log_key = read_log_key(context, dir)?;
            let _ = supplied.store(&event, &store)?;
            return found_ledger(context, dir, &log_key, &event, envelope);
        }
        let is_rotation = matches!(event.body, Body::LogKeyRotated(_));
        let ledger = if is_rotation { context.rotation_writer(None)? } else { context.writer()? };
        let earlier = ledger.recorded_event(&event.header.event_id, context.now())?;
        // What is recorded already is stored already, or was redacted since.
        let is_recorded = earlier.as_ref() == Some(&event);
        if is_recorded && !self.dry_run && !is_rotation {
            return append(context, &ledger, &event, envelope, Fresh::default());
        }
        let store = attachments(context)?;
        let supplied =
            if is_recorded { Supplied::default() } else { Supplied::check(&self.attach, &event, &store)? };
        if self.dry_run {
            return try_one(context, &ledger, &event, envelope);
        }
        if is_rotation {
            let _ = supplied.store(&event, &store)?;
            return append_rotation(context, &ledger, &event, envelope);
        }
        ledger.try_append(envelope.clone())?;
        let fresh = supplied.store(&event, &store)?;
        append(context, &ledger, &event, envelope, fresh)
    }
}
