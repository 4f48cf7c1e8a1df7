//! `rollbook key`: new, show, list, grant, revoke; `rotate-log` is [`crate::cli::rotate`]'s.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use zeroize::Zeroizing;

use crate::cli::context::Context;
use crate::cli::failure::{Failure, KEY_PASSPHRASE};
use crate::cli::record::{RecordArgs, exists_already, public_half, record};
use crate::cli::rotate::RotateLogKey;
use crate::cli::view::{Until, View};
use crate::event::authority::{KeyGranted, KeyRevoked, Role, Scope};
use crate::event::glob::Glob;
use crate::event::list::Ascending;
use crate::event::text::{Name, Text};
use crate::lifecycle::state::{Holder, Row, RowKey};
use crate::note::vkey::VerifierKey;
use crate::signing::key_file::{Existing, KeyFormat, SecretKey, read_public_key, write_private_key};
use crate::signing::public_key::{Fingerprint, PublicKey};
use crate::time::Timestamp;
use crate::timeline::prose;

/// Make, show, list, grant and revoke keys.
#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    New(NewKey),
    Show(ShowKey),
    List(ListKeys),
    Grant(GrantKey),
    Revoke(RevokeKey),
    RotateLog(RotateLogKey),
}

impl Key {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`].
    pub(crate) fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::New(command) => command.run(context),
            Self::Show(command) => command.run(context),
            Self::List(command) => command.run(context),
            Self::Grant(command) => command.run(context),
            Self::Revoke(command) => command.run(context),
            Self::RotateLog(command) => command.run(context),
        }
    }
}

/// Make an Ed25519 key pair: FILE (mode 0600) and FILE.pub.
///
/// Example:
///   rollbook key new ~/.rollbook/alice.key --name alice@example.org --passphrase
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct NewKey {
    /// Where the private key goes; the public one goes to FILE.pub
    pub file: PathBuf,
    /// A name that the public key bears as its comment
    #[arg(long, value_name = "N")]
    pub name: Option<String>,
    /// The private key's format
    #[arg(long, value_name = "FORMAT", default_value = "openssh")]
    pub format: Format,
    /// Encrypt it under a passphrase, which is asked for
    #[arg(long)]
    pub passphrase: bool,
    /// Write over existing files
    #[arg(long)]
    pub force: bool,
}

/// Formats of private keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// As `ssh-keygen` writes it.
    Openssh,
    /// PKCS#8 PEM, as `openssl` writes it.
    Pkcs8,
}

impl NewKey {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let encrypted = self.passphrase || context.passphrase_file().is_some();
        let passphrase = if encrypted { Some(new_passphrase(context)?) } else { None };
        let public = self.file.with_added_extension("pub");
        if public.exists() && !self.force {
            return Err(exists_already(&public));
        }
        let key = SecretKey::generate().map_err(Failure::world)?;
        let format = match self.format {
            Format::Openssh => KeyFormat::OpenSsh,
            Format::Pkcs8 => KeyFormat::Pkcs8,
        };
        let existing = if self.force { Existing::Replace } else { Existing::Keep };
        let name = self.name.unwrap_or_default();
        write_private_key(
            &self.file,
            &key,
            format,
            &name,
            passphrase.as_ref().map(|p| p.as_str()),
            existing,
        )?;
        let line = format!("{}\n", key.public_key().to_openssh(&name).trim_end());
        crate::cli::record::write_file(&public, &line, self.force)?;
        let fingerprint = key.public_key().fingerprint();
        if context.json() {
            return context.print_json(&json!({
                "private": self.file, "public": public, "key": key.public_key(), "fingerprint": fingerprint,
            }));
        }
        context.print(format_args!("private key: {} (keep it; mode 0600)", self.file.display()))?;
        context.print(format_args!("public key:  {}", public.display()))?;
        context.print(format_args!("fingerprint: {fingerprint}"))
    }
}

/// The passphrase of a key to be made.
fn new_passphrase(context: &Context) -> Result<Zeroizing<String>, Failure> {
    let asked = context.passphrase("the new key", KEY_PASSPHRASE, context.passphrase_file());
    asked.map_err(Failure::world)?.ok_or_else(|| {
        Failure::usage("no passphrase was given")
            .hint("set ROLLBOOK_KEY_PASSPHRASE, or name a --passphrase-file")
    })
}

/// Show a key: its fingerprint as `ssh-keygen -lf` prints it, its vkey, its hex form.
///
/// Example:
///   rollbook key show alice.key.pub
///   rollbook key show --witness --name w.example.org w.key.pub
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct ShowKey {
    /// A public key file, or an OpenSSH private key file; an encrypted PKCS#8 one asks for its passphrase
    pub file: PathBuf,
    /// The name in the vkey; unless given, the key's own comment
    #[arg(long, value_name = "N")]
    pub name: Option<String>,
    /// The vkey of a witness (signature type 0x04), as trust.toml wants it
    #[arg(long)]
    pub witness: bool,
}

impl ShowKey {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let (key, comment) = self.read(context)?;
        let name = self.name.or(comment).unwrap_or_else(|| "key".to_owned());
        let vkey = if self.witness {
            VerifierKey::new_cosignature_v1(&name, key)
        } else {
            VerifierKey::new_ed25519(&name, key)
        };
        let vkey = vkey.map(|vkey| vkey.to_string());
        if context.json() {
            return context.print_json(&json!({
                "key": key, "fingerprint": key.fingerprint(), "name": name, "vkey": vkey.ok(),
                "openssh": key.to_openssh(&name),
            }));
        }
        context.print(format_args!("256 {} {name} (ED25519)", key.fingerprint()))?;
        match vkey {
            Ok(vkey) => context.print(format_args!("vkey: {vkey}"))?,
            Err(error) => context.say(format_args!("no vkey: {error}; say --name")),
        }
        context.print(format_args!("hex:  {key}"))
    }

    fn read(&self, context: &Context) -> Result<(PublicKey, Option<String>), Failure> {
        use crate::signing::key_file::{KeyFileError, KeyTextError, read_private_key};
        match read_public_key(&self.file) {
            Ok(named) => Ok((named.key, named.name)),
            Err(KeyFileError::Content { reason: KeyTextError::NotPublic, .. }) => {
                let what = self.file.display().to_string();
                let file = context.passphrase_file();
                let mut ask = || context.passphrase(&what, KEY_PASSPHRASE, file);
                Ok((read_private_key(&self.file, &mut ask)?.public_key(), None))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// List the keys that are or were granted: who, which roles, where, until when.
///
/// Example:
///   rollbook key list --at 2026-03-01T00:00:00Z
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct ListKeys {
    /// As it was at this time
    #[arg(long, value_name = "TIME", conflicts_with = "at_index")]
    pub at: Option<String>,
    /// As it was after this entry
    #[arg(long, value_name = "N")]
    pub at_index: Option<u64>,
}

impl ListKeys {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let at = context.time(self.at.as_ref())?;
        let until = match (at, self.at_index) {
            (Some(time), _) => Until::Time(time),
            (_, Some(index)) => Until::Index(index),
            _ => Until::Now,
        };
        let view = View::replay(context.reader()?, until)?;
        let judged_at = match until {
            Until::Now => context.now(),
            Until::Time(time) => time,
            Until::Index(_) => view.last_recorded,
        };
        let mut holders: Vec<_> = view
            .state
            .rows()
            .filter_map(|(key, row)| match (key, row) {
                (RowKey::Holder(key), Row::Holder(holder)) => Some((holder, key)),
                _ => None,
            })
            .collect();
        holders.sort_by_key(|(holder, key)| (holder.person.clone(), **key));
        for (holder, key) in holders {
            if context.json() {
                context.print_json(&holder_json(holder, key, judged_at))?;
            } else {
                context.print(holder_text(holder, key, judged_at))?;
            }
        }
        Ok(())
    }
}

fn holder_json(holder: &Holder, key: &PublicKey, at: Timestamp) -> serde_json::Value {
    let grants: Vec<_> = holder
        .grants
        .iter()
        .map(|grant| {
            json!({
                "entry": grant.entry, "roles": grant.roles, "scope": grant.scope,
                "valid_from": grant.valid_from, "valid_until": grant.valid_until,
                "in_force": holder.revoked.is_none() && grant.in_force(at),
            })
        })
        .collect();
    json!({
        "person": holder.person, "key": key, "fingerprint": key.fingerprint(),
        "revoked_by_entry": holder.revoked, "grants": grants,
    })
}

fn holder_text(holder: &Holder, key: &PublicKey, at: Timestamp) -> String {
    let mut text = format!("{}  {}", holder.person, key.fingerprint());
    if let Some(entry) = holder.revoked {
        text += &format!("  revoked by entry {entry}");
    }
    for grant in &holder.grants {
        let roles: Vec<_> = grant.roles.iter().map(|role| role.as_str()).collect();
        text += &format!("\n  entry {}: {}", grant.entry, roles.join(", "));
        if let Some(scope) = &grant.scope {
            let join = |globs: &[Glob]| globs.iter().map(Glob::as_str).collect::<Vec<_>>().join(" ");
            text += &format!(" in [{}] on [{}]", join(&scope.environments), join(&scope.models));
        }
        if let Some(from) = grant.valid_from {
            text += &format!(" from {}", prose::seconds(from));
        }
        if let Some(until) = grant.valid_until {
            text += &format!(" until {}", prose::seconds(until));
        }
        if holder.revoked.is_none() && !grant.in_force(at) {
            text += " (not in force)";
        }
    }
    prose::visible(&text)
}

/// Grant a person's key roles, in environments and on models by glob.
///
/// `*` stands for any run of characters but `/`. Only administrators may grant.
///
/// Example:
///   rollbook --key admin.pem key grant bob.pub --name bob --role deployer
///     --env staging --env production --model 'credit-*'
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct GrantKey {
    /// The public key file
    #[arg(value_name = "PUB")]
    pub file: PathBuf,
    /// The person; people are told apart by name, not by key
    #[arg(long, value_name = "N")]
    pub name: Name,
    /// admin, registrar, evaluator, deployer, approver, responder or auditor; repeats
    #[arg(long, value_name = "R", required = true)]
    pub role: Vec<Role>,
    /// Environments, by glob; repeats
    #[arg(long, value_name = "GLOB", required = true)]
    pub env: Vec<Glob>,
    /// Models, by glob; repeats
    #[arg(long, value_name = "GLOB", required = true)]
    pub model: Vec<Glob>,
    /// From when
    #[arg(long, value_name = "TIME")]
    pub valid_from: Option<String>,
    /// Until when, that instant excluded
    #[arg(long, value_name = "TIME")]
    pub valid_until: Option<String>,
    #[command(flatten)]
    record: RecordArgs,
}

impl GrantKey {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let body = KeyGranted {
            person: self.name.clone(),
            key: public_half(&self.file)?.key,
            roles: Ascending::sort(self.role.clone())?,
            scope: Scope {
                environments: Ascending::sort(self.env.clone())?,
                models: Ascending::sort(self.model.clone())?,
            },
            valid_from: context.time(self.valid_from.as_ref())?,
            valid_until: context.time(self.valid_until.as_ref())?,
        };
        record(context, &self.record, &mut |_, _, _| Ok(body.clone().into()))
    }
}

/// Revoke a key. It is never granted again.
///
/// Example:
///   rollbook --key admin.pem key revoke bob.pub --reason "laptop stolen" --compromised-since 41
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct RevokeKey {
    /// The public key file, its SHA256: fingerprint, or its hex form
    #[arg(value_name = "KEY")]
    pub key_to_revoke: String,
    /// Why
    #[arg(long, value_name = "T")]
    pub reason: Text,
    /// The first entry from which its signatures are not to be trusted
    #[arg(long, value_name = "INDEX")]
    pub compromised_since: Option<u64>,
    /// Do not ask on a terminal: a revoked key is never granted again
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    record: RecordArgs,
}

impl RevokeKey {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let body = KeyRevoked {
            key: find_key(context, &self.key_to_revoke)?,
            reason: self.reason.clone(),
            compromised_since: self.compromised_since,
        };
        if self.record.commits() {
            let fingerprint = body.key.fingerprint();
            let question = format!("{fingerprint} could never be granted again. Revoke it?");
            context.confirm(&question, self.yes)?;
        }
        record(context, &self.record, &mut |_, _, _| Ok(body.clone().into()))
    }
}

/// The key that a fingerprint, hex digits or a file name.
fn find_key(context: &Context, text: &str) -> Result<PublicKey, Failure> {
    if let Ok(named) = crate::signing::key_file::parse_public_key(text) {
        return Ok(named.key);
    }
    if !text.starts_with("SHA256:") {
        return Ok(public_half(text.as_ref())?.key);
    }
    let fingerprint: Fingerprint = text.parse().map_err(Failure::usage)?;
    let view = View::replay(context.reader()?, Until::Now)?;
    let known = view.state.rows().find_map(|(key, _)| match key {
        RowKey::Holder(key) if key.fingerprint() == fingerprint => Some(*key),
        _ => None,
    });
    known.ok_or_else(|| {
        Failure::usage(format!("no key with the fingerprint {text} was ever granted"))
            .hint("see `rollbook key list`")
    })
}
