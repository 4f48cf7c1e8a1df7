//! What founding a ledger takes: for `init`, and in one go, with one administrator, for measuring.

use std::path::{Path, PathBuf};

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::record::{new_event_id, sign};
use crate::event::authority::{LedgerCreated, NamedKey, Policy};
use crate::event::body::Event;
use crate::event::header::{Basis, EXPIRY_DEFAULT_MS, FORMAT_VERSION, Header};
use crate::event::list::Ascending;
use crate::event::text::Name;
use crate::hash::Hash;
use crate::ledger::config::{Config, LAYOUT_VERSION};
use crate::ledger::create::{TRUST_FILE, found, prepare};
use crate::ledger::writer::Ledger;
use crate::lifecycle::rules::RULES_VERSION;
use crate::signing::key_file::{Existing, KeyFormat, Readers, SecretKey, write_private_key};
use crate::signing::public_key::PublicKey;
use crate::signing::signer::Signer;

/// Where a new ledger's log key goes, in its directory.
pub const LOG_KEY_FILE: &str = "log.pem";

/// The body of entry 0, with a new nonce.
///
/// # Errors
/// The system gives no randomness, or there are too many administrators, or one twice.
pub fn ledger_created(
    origin: Name,
    administrators: Vec<NamedKey>,
    policy: Policy,
    log_key: &SecretKey,
) -> Result<LedgerCreated, Failure> {
    let mut nonce = [0; 32];
    getrandom::fill(&mut nonce).map_err(Failure::world)?;
    let (administrators, log_key) = (Ascending::sort(administrators)?, log_key.public_key());
    Ok(LedgerCreated { origin, nonce, administrators, policy, rules_version: RULES_VERSION, log_key })
}

/// Makes the directory of a ledger to be, with its settings and its log key.
///
/// # Errors
/// [`Failure`]; `dir` must be new or empty.
pub fn lay_out(dir: &Path, origin: &Name, anchors: Vec<PathBuf>, log_key: &SecretKey) -> Result<(), Failure> {
    let (format, origin) = (LAYOUT_VERSION, origin.to_string());
    let (log_key_path, log_key_readers) = (LOG_KEY_FILE.into(), Readers::Owner);
    prepare(dir, &Config { format, origin, log_key: log_key_path, log_key_readers, anchors })?;
    write_private_key(&dir.join(LOG_KEY_FILE), log_key, KeyFormat::Pkcs8, "", None, Existing::Keep)?;
    Ok(())
}

/// What a ledger is founded on.
pub struct Founding {
    /// The log's name.
    pub origin: &'static str,
    /// The one administrator.
    pub administrator: &'static str,
    /// The seed of their key.
    pub seed: Hash,
    /// The first policy.
    pub policy: Policy,
}

/// A founded ledger, open for writing.
pub struct Founded {
    /// The ledger.
    pub ledger: Ledger,
    /// Its id.
    pub ledger_id: Hash,
    /// The administrator, who signs what comes next.
    pub administrator: Signer,
}

/// Founds a ledger in `dir/ledger`, with `dir/trust.toml` and `dir/keys/admin.pem`.
///
/// # Errors
/// [`Failure`]; `dir` must be new or empty.
pub fn found_in(context: &Context, dir: &Path, founding: &Founding) -> Result<Founded, Failure> {
    let failed = |error: std::io::Error| Failure::io("create", dir, &error);
    let (ledger_dir, keys) = (dir.join("ledger"), dir.join("keys"));
    std::fs::create_dir_all(&keys).map_err(failed)?;
    let key = SecretKey::from_seed(founding.seed.as_bytes());
    write_private_key(&keys.join("admin.pem"), &key, KeyFormat::Pkcs8, "", None, Existing::Keep)?;
    let log_key = SecretKey::generate().map_err(Failure::world)?;
    lay_out(&ledger_dir, &Name::new(founding.origin)?, Vec::new(), &log_key)?;
    let event = first_event(context, founding, key.public_key(), &log_key)?;
    let signer = Signer::from_secret(key);
    let envelope = sign(&event, std::slice::from_ref(&signer))?.into_envelope()?;
    let (receipt, trust) = found(&ledger_dir, &log_key, envelope, context.now())?;
    std::fs::write(dir.join(TRUST_FILE), trust.to_toml()).map_err(failed)?;
    let (ledger, ledger_id) = (context.writer_at(&ledger_dir)?, receipt.leaf_hash);
    Ok(Founded { ledger, ledger_id, administrator: signer })
}

fn first_event(
    context: &Context,
    founding: &Founding,
    key: PublicKey,
    log_key: &SecretKey,
) -> Result<Event, Failure> {
    let administrator = NamedKey { person: Name::new(founding.administrator)?, key };
    let (origin, policy) = (Name::new(founding.origin)?, founding.policy.clone());
    let body = ledger_created(origin, vec![administrator], policy, log_key)?;
    let now = context.now();
    let header = Header {
        format: FORMAT_VERSION,
        ledger_id: Hash::ZERO,
        event_id: new_event_id(now)?,
        proposer: key,
        claimed_at: now,
        expires_at: now.plus_ms(EXPIRY_DEFAULT_MS),
        basis: Basis::Declared,
        attachments: Ascending::default(),
    };
    Ok(Event { header, body: body.into() })
}
