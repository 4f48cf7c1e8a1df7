//! `rollbook init`.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use crate::cli::context::Context;
use crate::cli::failure::{Failure, LOG_KEY_PASSPHRASE};
use crate::cli::founding::{LOG_KEY_FILE, lay_out, ledger_created};
use crate::cli::policy::read_policy;
use crate::cli::record::{
    RecordArgs, exists_already, header, print_receipt, print_would_be_accepted, public_half, sign,
    write_draft,
};
use crate::cli::rights::follow_directory;
use crate::event::authority::{NamedKey, Policy};
use crate::event::body::{Body, Event};
use crate::event::text::Name;
use crate::hash::Hash;
use crate::ledger::config::Config;
use crate::ledger::create::{TRUST_FILE, found};
use crate::lifecycle::policy::{ReleasePolicy, default_policy};
use crate::lifecycle::rules::{ApplyError, GitEvidence, Submission, apply};
use crate::lifecycle::state::{NoSource, State};
use crate::signing::envelope::Envelope;
use crate::signing::key_file::SecretKey;
use crate::signing::public_key::PublicKey;
use crate::signing::signer::Signer;
use crate::store::attachments::Attachments;

/// Make a ledger: its directory, its log key, its trust root, and entry 0.
///
/// Every first administrator signs entry 0. Where their keys are not all at hand, --draft prepares
/// the directory and writes the event for the others; `rollbook draft submit` then founds the ledger.
///
/// Example:
///   rollbook --ledger ./ledger --key alice.key init --origin ledger.example.org/models
///     --admin alice=alice.key.pub --anchor /mnt/other-disk/ledger.checkpoint
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Init {
    /// The log's name: a URL without scheme, that nobody else's log has
    #[arg(long)]
    pub origin: Name,
    /// A first administrator, by name and public key file; repeats
    #[arg(long, value_name = "NAME=PUB", required = true)]
    pub admin: Vec<String>,
    /// How many administrators must sign what only they may do; unless given, more than half
    #[arg(long, value_name = "N")]
    pub threshold: Option<u32>,
    /// The release policy (TOML); unless given, staging before production, one signer an act
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// A file on another disk or host that gets each new checkpoint; repeats
    #[arg(long, value_name = "PATH")]
    pub anchor: Vec<PathBuf>,
    #[command(flatten)]
    record: RecordArgs,
}

impl Init {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn run(self, context: &Context) -> Result<(), Failure> {
        let dir = context.ledger_dir()?.to_owned();
        let administrators = self.administrators()?;
        let policy = self.policy(administrators.len())?;
        let signers = context.signers()?;
        let log_key = SecretKey::generate().map_err(Failure::world)?;
        let proposer = match (signers.first(), &self.record.proposer) {
            (_, Some(path)) => public_half(path)?.key,
            (Some(signer), None) => signer.public_key(),
            (None, None) => {
                return Err(Failure::usage("nobody signs: no key is given")
                    .hint("say --key FILE for each administrator"));
            }
        };
        let mut event = self.event(context, proposer, &log_key, administrators, policy)?;
        let store = Attachments::of_ledger(&dir);
        let mut attached = self.record.files.open()?.seal(&store, None)?;
        attached.name_in(&mut event.header)?;
        let keys: Vec<PublicKey> = signers.iter().map(Signer::public_key).collect();
        if self.record.draft.is_none() {
            check_all_sign(&event, &keys)?;
        }
        check_rules(&event, keys)?;
        if self.record.dry_run {
            return print_would_be_accepted(context, &event);
        }
        if let Some(file) = self.record.draft.as_deref().filter(|file| file.exists() && !self.record.force) {
            return Err(exists_already(file));
        }
        let anchors = self.anchor.iter().map(|path| anchor(path)).collect::<Result<_, _>>()?;
        follow_directory(context, &dir)?;
        lay_out(&dir, &self.origin, anchors, &log_key)?;
        match &self.record.draft {
            Some(_) => write_draft(context, &event, &signers, attached, &self.record),
            None => {
                let envelope = sign(&event, &signers)?.into_envelope()?;
                // A ledger whose founding fails is nobody's, and can be removed with them.
                let _ = attached.store(&store)?;
                found_ledger(context, &dir, &log_key, &event, envelope)
            }
        }
    }

    fn administrators(&self) -> Result<Vec<NamedKey>, Failure> {
        self.admin
            .iter()
            .map(|text| {
                let (person, file) = text.split_once('=').ok_or_else(|| {
                    Failure::usage(format!("--admin {text} names no key")).hint("say --admin NAME=FILE.pub")
                })?;
                Ok(NamedKey { person: Name::new(person)?, key: public_half(Path::new(file))?.key })
            })
            .collect()
    }

    fn policy(&self, administrators: usize) -> Result<Policy, Failure> {
        let count = u32::try_from(administrators).unwrap_or(u32::MAX);
        let majority = count / 2 + 1;
        let policy = match &self.policy {
            Some(file) => read_policy(file)?,
            None => default_policy(self.threshold.unwrap_or(majority)),
        };
        let threshold = ReleasePolicy::read(&policy)?.threshold();
        match self.threshold {
            Some(wanted) if wanted != threshold => Err(Failure::usage(format!(
                "--threshold {wanted} is not the policy's own, which is {threshold}"
            ))),
            _ if threshold > count => Err(Failure::usage(format!(
                "{threshold} administrators must sign, and only {count} are named"
            ))
            .hint("name more with --admin, or lower --threshold")),
            _ => Ok(policy),
        }
    }

    fn event(
        &self,
        context: &Context,
        proposer: PublicKey,
        log_key: &SecretKey,
        administrators: Vec<NamedKey>,
        policy: Policy,
    ) -> Result<Event, Failure> {
        let body = ledger_created(self.origin.clone(), administrators, policy, log_key)?;
        Ok(Event { header: header(&self.record, Hash::ZERO, proposer, context.now())?, body: body.into() })
    }
}

/// Every administrator's key is at hand.
fn check_all_sign(event: &Event, keys: &[PublicKey]) -> Result<(), Failure> {
    let Body::LedgerCreated(created) = &event.body else { return Ok(()) };
    match created.administrators.iter().find(|named| !keys.contains(&named.key)) {
        None => Ok(()),
        Some(named) => Err(Failure::usage(format!(
            "{} is named as an administrator, and their key {} is not at hand",
            named.person,
            named.key.fingerprint()
        ))
        .hint("add --key for it, or say --draft FILE and have them sign with `rollbook draft sign FILE`")),
    }
}

/// The rules accept the event as entry 0, once every administrator has signed it: nothing is made
/// for one that they would refuse.
fn check_rules(event: &Event, mut signers: Vec<PublicKey>) -> Result<(), Failure> {
    if let Body::LedgerCreated(created) = &event.body {
        signers.extend(created.administrators.iter().map(|named| named.key));
        signers.push(event.header.proposer);
    }
    signers.sort();
    signers.dedup();
    let (leaf_hash, recorded_at) = (Hash::ZERO, event.header.claimed_at);
    let submission =
        Submission { index: 0, leaf_hash, recorded_at, event, signers: &signers, git: GitEvidence::Look };
    match apply(&mut State::<NoSource>::default(), &submission) {
        Ok(_) => Ok(()),
        Err(ApplyError::Refused(refusal)) => Err(refusal.into()),
        Err(ApplyError::Source(never)) => match never {},
    }
}

/// The path of an anchor, which means the same wherever the writer is started. Its directory is
/// there, so that it can be written.
fn anchor(path: &Path) -> Result<PathBuf, Failure> {
    let path = std::path::absolute(path).map_err(|error| Failure::io("find", path, &error))?;
    match path.parent().filter(|dir| !dir.is_dir()) {
        None => Ok(path),
        Some(dir) => Err(Failure::usage(format!("--anchor {}: there is no such directory", dir.display()))
            .hint("make it, or mount its disk; an anchor belongs on another disk or host")),
    }
}

/// Founds the ledger that was prepared in `dir`.
///
/// # Errors
/// [`Failure`].
pub fn found_ledger(
    context: &Context,
    dir: &Path,
    log_key: &SecretKey,
    event: &Event,
    envelope: Envelope,
) -> Result<(), Failure> {
    let (receipt, trust) = found(dir, log_key, envelope, context.now())?;
    if context.json() {
        let mut answer = serde_json::to_value(&receipt).map_err(Failure::world)?;
        answer["kind"] = json!(event.kind());
        answer["ledger"] = json!(dir);
        answer["trust_root"] = json!(trust.to_toml());
        return context.print_json(&answer);
    }
    print_receipt(context, event, &receipt)?;
    let Body::LedgerCreated(created) = &event.body else { return Ok(()) };
    context.print(format_args!("\nledger:     {}", dir.display()))?;
    context
        .print(format_args!("log key:    {} (back it up; mode 0600)", dir.join(LOG_KEY_FILE).display()))?;
    context.print(format_args!(
        "trust root: {} (hand it to auditors by another channel)",
        dir.join(TRUST_FILE).display()
    ))?;
    context.print("\nThe policy that stands now (`rollbook policy show`):\n")?;
    context.print(created.policy.text.as_str().trim_end())
}

/// The log key of the ledger in `dir`, by its settings.
///
/// # Errors
/// [`Failure`].
pub fn read_log_key(context: &Context, dir: &Path) -> Result<SecretKey, Failure> {
    let config = Config::read(dir)
        .map_err(|error| Failure::from(crate::ledger::opening::OpeningError::from(error)))?;
    let mut ask = || context.passphrase("the log key", LOG_KEY_PASSPHRASE, None);
    Ok(config.read_log_key(dir, &mut ask)?)
}
