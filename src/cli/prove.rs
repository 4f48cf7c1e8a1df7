//! `rollbook prove`, and `rollbook verify-proof`.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, Subcommand};
use serde_json::json;

use crate::cli::context::{Context, written};
use crate::cli::failure::Failure;
use crate::cli::input::read_input;
use crate::cli::record::check_free;
use crate::cli::verify::read_trust;
use crate::export::proof_set::{self, PROOF_SET_BYTES_MAX};
use crate::export::prove::{NoProof, ProvedEntry, ProvedGrowth, prove_entry, prove_growth};
use crate::export::tlog_proof::{PROOF_BYTES_MAX, TlogProof};
use crate::hash::Hash;
use crate::log::reader::LoggedEntry;
use crate::merkle::tree::leaf_hash;
use crate::note::vkey::{KeyKind, VerifierKey};
use crate::timeline::prose::{self, visible};
use crate::words::counted;

/// The largest entry of any log that is read for checking: ours have at most 65,535 bytes.
const ENTRY_BYTES_MAX: usize = 64 << 20;

/// Prove that an entry stands in the log, or that the log only grew.
#[derive(Debug, Subcommand)]
pub(crate) enum Prove {
    Inclusion(Inclusion),
    Consistency(Consistency),
}

impl Prove {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`].
    pub(crate) fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Inclusion(command) => command.run(context),
            Self::Consistency(command) => command.run(context),
        }
    }
}

/// Write the proof that an entry stands in the published log: a C2SP tlog-proof.
///
/// Whoever has the proof, the entry's bytes and the log's vkey checks it without the log, with
/// `rollbook verify-proof` or with other tools. It is checked here before it is written.
///
/// Example:
///   rollbook prove inclusion 12 -o 12.tlog-proof --entry-out 12.entry
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Inclusion {
    /// The entry's index
    #[arg(value_name = "INDEX")]
    pub index: u64,
    /// Where the proof goes; unless given, stdout
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Where the entry's bytes go
    #[arg(long, value_name = "FILE")]
    pub entry_out: Option<PathBuf>,
    /// Write over files that exist
    #[arg(long)]
    pub force: bool,
}

impl Inclusion {
    fn run(self, context: &Context) -> Result<(), Failure> {
        check_free(self.output.as_deref(), self.force)?;
        check_free(self.entry_out.as_deref(), self.force)?;
        let reader = context.reader()?;
        let ProvedEntry { entry, proof } =
            prove_entry(context.index_dir().as_deref(), &reader, self.index).map_err(unproved)?;
        let bytes = proof.encode();
        if let Some(path) = &self.entry_out {
            write_file(path, &entry)?;
        }
        if let Some(path) = &self.output {
            write_file(path, &bytes)?;
        }
        let checkpoint = proof.checkpoint();
        if context.json() {
            return context.print_json(&json!({
                "index": proof.index(),
                "size": checkpoint.size(),
                "root": checkpoint.root(),
                "leaf_hash": leaf_hash(&entry),
                "hashes": proof.hashes(),
                "proof": String::from_utf8_lossy(&bytes),
                "written": self.output,
                "entry_written": self.entry_out,
            }));
        }
        match &self.output {
            None => {
                let mut stdout = std::io::stdout().lock();
                written(stdout.write_all(&bytes).and_then(|()| stdout.flush()))
            }
            Some(path) => context.print(visible(&format!(
                "{}: entry {} stands in {} at size {}",
                path.display(),
                proof.index(),
                checkpoint.origin(),
                checkpoint.size()
            ))),
        }
    }
}

/// Prove that the log of NEW entries begins with that of OLD: the hashes in base64, a line each.
///
/// Sizes need not be those of checkpoints. The proof is checked against the published checkpoint
/// before it is printed; --json gives both roots, too.
///
/// Example:
///   rollbook prove consistency 1000 1200
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Consistency {
    /// The old size, in entries
    #[arg(value_name = "OLD")]
    pub old: u64,
    /// The new size, in entries
    #[arg(value_name = "NEW")]
    pub new: u64,
}

impl Consistency {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let Self { old, new } = self;
        let reader = context.reader()?;
        let proved = prove_growth(context.index_dir().as_deref(), &reader, old, new).map_err(unproved)?;
        let ProvedGrowth { old_root, new_root, hashes } = proved;
        if context.json() {
            return context.print_json(&json!({
                "old": { "size": old, "root": old_root },
                "new": { "size": new, "root": new_root },
                "hashes": hashes,
            }));
        }
        if hashes.is_empty() {
            context.say("the sizes are equal: the proof has no hashes");
            return Ok(());
        }
        let line = |hash: &Hash| STANDARD.encode(hash.as_bytes());
        context.print(hashes.iter().map(line).collect::<Vec<_>>().join("\n"))
    }
}

/// Check a C2SP tlog-proof of any log: that the entry in a file stands in the log whose key you hold.
///
/// Without --entry, FILE is a proof set, as `served --prove` and `status --prove` write it: each of its
/// entries is checked.
///
/// Exit codes: 0 it does; 1 the proof does not show it; 2 a file is none, or the command line is
/// wrong.
///
/// Example:
///   rollbook verify-proof 12.tlog-proof --entry 12.entry --trust trust.toml
///   rollbook verify-proof march.proofs --trust trust.toml
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct VerifyProof {
    /// The proof
    #[arg(value_name = "FILE")]
    pub proof: PathBuf,
    /// The entry's bytes
    #[arg(long, value_name = "FILE")]
    pub entry: Option<PathBuf>,
    /// The log's key, as a vkey
    #[arg(long, value_name = "VKEY", conflicts_with = "trust")]
    pub vkey: Option<VerifierKey>,
    /// A trust root, whose log key it is, or the latest one
    #[arg(long, value_name = "FILE")]
    pub trust: Option<PathBuf>,
}

impl VerifyProof {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn run(self, context: &Context) -> Result<(), Failure> {
        let keys = self.keys()?;
        let Some(entry_path) = &self.entry else { return self.check_set(context, &keys) };
        let bytes = read_input(&self.proof, "a tlog-proof", PROOF_BYTES_MAX)?;
        let proof = TlogProof::parse(&bytes).map_err(|error| {
            Failure::usage(format!("{}: {error}", self.proof.display()))
                .hint("see that this is the right file")
        })?;
        let entry = read_input(entry_path, "an entry", ENTRY_BYTES_MAX)?;
        let signers = proof.verify(&entry, &keys).map_err(|refusal| {
            let message =
                format!("{} does not prove {}: {refusal}", self.proof.display(), entry_path.display());
            Failure::no("not_proved", message).hint("see that proof, entry and key belong together")
        })?;
        let checkpoint = proof.checkpoint();
        let signers: Vec<String> = signers.iter().map(ToString::to_string).collect();
        if context.json() {
            return context.print_json(&json!({
                "proved": true, "log": checkpoint.origin(), "index": proof.index(), "size": checkpoint.size(),
                "root": checkpoint.root(), "signed_by": signers, "extra_bytes": proof.extra().map(<[u8]>::len),
            }));
        }
        context.print(visible(&format!(
            "proved: entry {} of {}\n  size {}, root {}\n  signed by {}",
            proof.index(),
            checkpoint.origin(),
            checkpoint.size(),
            checkpoint.root(),
            signers.join(", ")
        )))
    }

    /// Checks every entry of a proof set, and tells what each says.
    fn check_set(&self, context: &Context, keys: &[VerifierKey]) -> Result<(), Failure> {
        let path = self.proof.display();
        let bytes = read_input(&self.proof, "a proof set", PROOF_SET_BYTES_MAX)?;
        let proved = proof_set::parse(&bytes).map_err(|error| {
            Failure::usage(format!("{path} is no proof set: {error}"))
                .hint("a single tlog-proof is checked with --entry FILE")
        })?;
        let mut lines = Vec::with_capacity(proved.len());
        for ProvedEntry { entry, proof } in &proved {
            let (index, checkpoint) = (proof.index(), proof.checkpoint());
            let signers = proof.verify(entry, keys).map_err(|refusal| {
                Failure::no("not_proved", format!("{path}: entry {index} is not proved: {refusal}"))
                    .hint("see that proofs and key belong together")
            })?;
            let signers: Vec<String> = signers.iter().map(ToString::to_string).collect();
            let what = LoggedEntry::from_bytes(index, entry).ok();
            let said = what.map(|logged| {
                format!("{}  {}", prose::seconds(logged.entry.recorded_at), prose::one_line(&logged.event))
            });
            lines.push((
                index,
                said,
                json!({
                    "proved": true, "log": checkpoint.origin(), "index": index, "size": checkpoint.size(),
                    "root": checkpoint.root(), "leaf_hash": leaf_hash(entry), "signed_by": signers,
                }),
            ));
        }
        if context.json() {
            return lines.iter().try_for_each(|(_, _, json)| context.print_json(json));
        }
        for (index, said, _) in &lines {
            context
                .print(visible(&format!("proved: entry {index}  {}", said.as_deref().unwrap_or_default())))?;
        }
        let proof = &proved[0].proof;
        let checkpoint = proof.checkpoint();
        let count = counted(lines.len() as u64, "entry", "entries");
        context.print(visible(&format!(
            "{count} of {}\n  size {}, root {}\n  each stands in that log; that nothing stands between them, and that they are \
             lawful, only `rollbook verify` shows",
            checkpoint.origin(),
            checkpoint.size(),
            checkpoint.root()
        )))
    }

    fn keys(&self) -> Result<Vec<VerifierKey>, Failure> {
        if let Some(path) = &self.trust {
            let trust = read_trust(path)?;
            let latest = trust.latest_log_key().filter(|latest| *latest != trust.log_key());
            return Ok(std::iter::once(trust.log_key()).chain(latest).cloned().collect());
        }
        let Some(vkey) = &self.vkey else {
            return Err(Failure::usage("nothing says whose log it is to be")
                .hint("say --trust FILE, the trust root that you hold, or --vkey VKEY"));
        };
        if vkey.kind() != KeyKind::Ed25519 {
            return Err(Failure::usage("this is a cosigner's key (type 0x04): a log's key has type 0x01"));
        }
        Ok(vec![vkey.clone()])
    }
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    std::fs::write(path, bytes).map_err(|error| Failure::io("write", path, &error))
}

/// Why there is no proof.
#[must_use]
pub fn unproved(error: NoProof) -> Failure {
    match error {
        NoProof::Read(error) => Failure::from(error),
        NoProof::Sizes { .. } => Failure::usage(error)
            .hint("`rollbook checkpoint` tells the published size; every log begins empty"),
        error => Failure::world(error),
    }
}
