//! `rollbook witness cosign`.
//!
//! The order is that of C2SP tlog-witness: judge, store, sign. A crash after storing leaves a state from which the same
//! checkpoint is cosigned again, with an empty proof.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use serde_json::json;

use crate::cli::context::Context;
use crate::cli::failure::{Failure, KEY_PASSPHRASE};
use crate::cli::input::read_input;
use crate::cli::record::{check_free, write_file};
use crate::cli::verify::read_trust;
use crate::cli::verify_source::unreadable;
use crate::export::pack_check::open_pack;
use crate::hash::Hash;
use crate::log::reader::LOG_DIR;
use crate::log::witness::{
    Extension, ExtensionError, PROOF_HASHES_MAX, SeenLog, WITNESS_STATE_BYTES_MAX, WitnessRefusal,
    WitnessState, extension_in,
};
use crate::note::checkpoint::CheckpointNote;
use crate::note::cosignature::cosign;
use crate::note::signed_note::{NOTE_BYTES_MAX, SIGNATURE_LINES_MAX};
use crate::note::vkey::{KeyKind, VerifierKey};
use crate::signing::key_file::{SecretKey, read_private_key, read_public_key};
use crate::store::batch_log::BatchSource;
use crate::store::disk::{RealDisk, write_whole};
use crate::store::files::FileSource;
use crate::store::lock::{Holder, WriterLock};

/// The most bytes of a proof file that are read: 63 hashes have less than 3 KiB.
const PROOF_BYTES_MAX: usize = 8 * 1024;

/// Cosign a checkpoint as a witness of the log: it extends what you saw of it before.
///
/// What you signed last stands in the state file: keep it, and use it for nothing else. A checkpoint
/// that is not signed by the log, is smaller, has another root at the same size, or is not shown to
/// extend the last one is refused, and nothing is signed. The state is stored before the signature is
/// made. The first time, name the log with --trust or --log-vkey; again after its key was replaced.
///
/// A witness's key is an Ed25519 key of its own (`rollbook key new`). Never have it granted to
/// anybody in a ledger, and give it one name for ever. `rollbook key show --witness` shows its vkey,
/// which goes into the auditors' trust.toml.
///
/// Example:
///   rollbook witness cosign new.checkpoint --witness-key w.key --witness-name w.example.org
///     --witness-state w.state --trust trust.toml --pack ./pack > cosigned.note
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Cosign {
    /// The checkpoint note, or - for stdin
    pub checkpoint: PathBuf,
    /// The witness's private key file
    #[arg(long, value_name = "KEY")]
    pub witness_key: PathBuf,
    /// The witness's name; unless given, the comment in KEY.pub
    #[arg(long, value_name = "NAME")]
    pub witness_name: Option<String>,
    /// What the witness signed last; made the first time
    #[arg(long, value_name = "FILE")]
    pub witness_state: PathBuf,
    /// The consistency proof from the last checkpoint signed: base64 hashes, one a line; - for stdin
    #[arg(long, value_name = "FILE", conflicts_with_all = ["from_ledger", "pack"])]
    pub proof: Option<PathBuf>,
    /// Compute the proof from the log in this ledger directory
    #[arg(long, value_name = "DIR")]
    pub from_ledger: Option<PathBuf>,
    /// Compute the proof from this evidence pack
    #[arg(long, value_name = "DIR", conflicts_with = "from_ledger")]
    pub pack: Option<PathBuf>,
    /// The log's key, as a vkey
    #[arg(long, value_name = "VKEY", conflicts_with = "trust")]
    pub log_vkey: Option<VerifierKey>,
    /// A trust root with the log's key, the latest that it pins
    #[arg(long, value_name = "FILE")]
    pub trust: Option<PathBuf>,
    /// Write the cosigned note there, not to stdout
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Write over an existing file
    #[arg(long)]
    pub force: bool,
}

impl Cosign {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`]; what a witness must not sign is exit 1.
    pub(super) fn run(self, context: &Context) -> Result<(), Failure> {
        let note = self.read_note()?;
        let key = self.read_key(context)?;
        let name = self.name()?;
        let vkey = VerifierKey::of_signing_key(&name, KeyKind::CosignatureV1, key.as_signing_key())
            .map_err(|error| Failure::usage(error).hint("say --witness-name w.example.org"))?;
        check_free(self.output.as_deref(), self.force)?;
        let holder = Holder::of_this_process(context.now());
        let lock = self.witness_state.with_added_extension("lock");
        let _lock = WriterLock::acquire(&lock, &holder, context.lock_timeout()?)?;
        let state = self.state(&note, &vkey)?;
        let next = self.judge(&state, &note)?;
        // A crash from here on leaves a state that signs the same checkpoint again, and no other of its size.
        write_whole(&RealDisk, &self.witness_state, next.to_text().as_bytes())
            .map_err(|error| Failure::io("write", &self.witness_state, &error))?;
        let line =
            cosign(&name, key.as_signing_key(), note.note().text(), context.now()).map_err(Failure::usage)?;
        let cosigned = note.note().clone().with_signature(line).map_err(Failure::usage)?.to_string();
        self.print(context, &note, &vkey, &cosigned)
    }

    fn read_note(&self) -> Result<CheckpointNote, Failure> {
        let bytes = read_input(&self.checkpoint, "a checkpoint note", NOTE_BYTES_MAX)?;
        let note = CheckpointNote::parse_unverified(&bytes).map_err(|error| {
            Failure::usage(format!("{} is no checkpoint: {error}", self.checkpoint.display()))
        })?;
        match note.note().signatures().len() {
            lines if lines < SIGNATURE_LINES_MAX => Ok(note),
            lines => Err(Failure::usage(format!(
                "the note bears {lines} signature lines, and cannot bear another"
            ))),
        }
    }

    fn read_key(&self, context: &Context) -> Result<SecretKey, Failure> {
        let what = self.witness_key.display().to_string();
        let mut ask = || context.passphrase(&what, KEY_PASSPHRASE, context.passphrase_file());
        Ok(read_private_key(&self.witness_key, &mut ask)?)
    }

    fn name(&self) -> Result<String, Failure> {
        let beside = || read_public_key(&self.witness_key.with_added_extension("pub")).ok()?.name;
        self.witness_name.clone().or_else(beside).ok_or_else(|| {
            Failure::usage("the witness has no name").hint("say --witness-name, the same one each time")
        })
    }

    /// What was signed before, with the log's key where one is named.
    fn state(&self, note: &CheckpointNote, witness: &VerifierKey) -> Result<WitnessState, Failure> {
        let mut state = read_state(&self.witness_state)?;
        if let Some(vkey) = self.log_key()? {
            if vkey.kind() != KeyKind::Ed25519 {
                return Err(Failure::usage(
                    "--log-vkey is a cosigner's key (type 0x04); a log's key has type 0x01",
                ));
            }
            state.learn(vkey);
        }
        let log = state.log(note.checkpoint().origin().as_str());
        if log.is_some_and(|log| log.vkey().public_key() == witness.public_key()) {
            return Err(Failure::usage("the witness's key is the log's own")
                .hint("make another one with `rollbook key new`"));
        }
        Ok(state)
    }

    fn log_key(&self) -> Result<Option<VerifierKey>, Failure> {
        let Some(path) = &self.trust else { return Ok(self.log_vkey.clone()) };
        let trust = read_trust(path)?;
        Ok(Some(trust.latest_log_key().unwrap_or_else(|| trust.log_key()).clone()))
    }

    /// The state to store before it is signed.
    fn judge(&self, state: &WitnessState, note: &CheckpointNote) -> Result<WitnessState, Failure> {
        let checkpoint = note.checkpoint();
        let (new, old) =
            (checkpoint.size(), state.log(checkpoint.origin().as_str()).map_or(0, SeenLog::size));
        let computed = match (&self.from_ledger, &self.pack) {
            (Some(ledger), _) if old <= new => {
                Some(compute(ledger, &FileSource::new(&ledger.join(LOG_DIR)), old, new)?)
            }
            (_, Some(pack)) if old <= new => {
                Some(compute(pack, &open_pack(pack).map_err(unreadable)?, old, new)?)
            }
            _ => None,
        };
        let proof = match (&computed, &self.proof) {
            (Some(extension), _) => extension.proof.clone(),
            (None, Some(path)) => read_proof(path)?,
            (None, None) => Vec::new(),
        };
        let next = state.judge(note, &proof).map_err(|refusal| self.refused(&refusal))?;
        match computed.filter(|extension| extension.root != *checkpoint.root()) {
            None => Ok(next),
            Some(Extension { root, .. }) => {
                let message = format!(
                    "at size {new} the checkpoint has the root {}, and the log gives {root}",
                    checkpoint.root()
                );
                Err(Failure::no("other_root", message).hint("keep both: nothing was signed"))
            }
        }
    }

    fn refused(&self, refusal: &WitnessRefusal) -> Failure {
        let hint = match refusal {
            WitnessRefusal::UnknownLog { .. } => "name it with --trust FILE, or --log-vkey VKEY",
            WitnessRefusal::NotTheLogs(_) => {
                "if the log's key was replaced, see that this is so, and name the new one with --log-vkey"
            }
            WitnessRefusal::Smaller { .. } => "get the newest checkpoint; if this is the newest, keep both",
            WitnessRefusal::OtherRoot { .. } => "keep both: they prove it; nothing was signed",
            WitnessRefusal::NotConsistent { .. } if self.proof.is_none() && self.from_ledger.is_none() => {
                "give the proof with --proof, or have it computed with --from-ledger"
            }
            WitnessRefusal::NotConsistent { .. } => {
                "see that the proof is from the size that was signed last; if it is, keep both: nothing was signed"
            }
        };
        Failure::no(refusal.code(), refusal).hint(hint)
    }

    fn print(
        &self,
        context: &Context,
        note: &CheckpointNote,
        vkey: &VerifierKey,
        cosigned: &str,
    ) -> Result<(), Failure> {
        if let Some(output) = &self.output {
            write_file(output, cosigned, self.force)?;
        }
        let checkpoint = note.checkpoint();
        if context.json() {
            return context.print_json(&json!({
                "origin": checkpoint.origin(), "size": checkpoint.size(), "root": checkpoint.root(),
                "witness": vkey, "note": cosigned, "file": self.output,
            }));
        }
        context.tell(format_args!("witness: {vkey}"));
        match &self.output {
            Some(output) => {
                context.print(format_args!("cosigned: size {}, {}", checkpoint.size(), output.display()))
            }
            None => context.print(cosigned.trim_end()),
        }
    }
}

/// The state in a file; an empty one where there is none yet.
fn read_state(path: &Path) -> Result<WitnessState, Failure> {
    match path.symlink_metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(WitnessState::default()),
        _ => {}
    }
    let bytes = read_input(path, "a witness's state", WITNESS_STATE_BYTES_MAX)?;
    WitnessState::from_bytes(&bytes).map_err(|error| {
        Failure::usage(format!("{} is no witness's state: {error}", path.display())).hint(
            "put back its newest copy; do not begin anew with this key: what it signed before is not known then",
        )
    })
}

/// The proof from the log in a ledger's directory, and the root there.
fn compute(dir: &Path, log: &dyn BatchSource, old: u64, new: u64) -> Result<Extension, Failure> {
    extension_in(log, old, new).map_err(|error| match error {
        ExtensionError::Short { .. } => Failure::usage(format!("{}: {error}", dir.display()))
            .hint("get a newer copy, or give the proof with --proof"),
        ExtensionError::Scan(_) => Failure::world(error).hint("see `rollbook verify`"),
    })
}

/// The hashes in a file, base64, one a line.
fn read_proof(path: &Path) -> Result<Vec<Hash>, Failure> {
    let bytes = read_input(path, "a consistency proof", PROOF_BYTES_MAX)?;
    let wrong = |what: String| {
        Failure::usage(format!("{}: {what}", path.display()))
            .hint("a proof is at most 63 hashes of 32 bytes, base64, one a line")
    };
    let text = std::str::from_utf8(&bytes).map_err(|_| wrong("it is not text".to_owned()))?;
    let mut hashes = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let hash = STANDARD.decode(line).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        hashes.push(Hash::from_bytes(hash.ok_or_else(|| wrong(format!("line {number} is no hash")))?));
    }
    if hashes.len() > PROOF_HASHES_MAX { Err(wrong(format!("{} hashes", hashes.len()))) } else { Ok(hashes) }
}
