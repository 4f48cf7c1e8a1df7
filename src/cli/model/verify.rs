//! `rollbook model verify`.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use crate::cli::context::Context;
use crate::cli::failure::{Exit, Failure};
use crate::cli::model::signature::Given;
use crate::cli::model::{SignatureArgs, WalkArgs, digest_with_bar};
use crate::cli::record::attachments;
use crate::cli::view::{Until, View};
use crate::event::body::Body;
use crate::event::header::{Attachment, PRIVATE_PREFIX_BYTES};
use crate::event::model::ModelDigest as RegisteredDigest;
use crate::event::text::Name;
use crate::evidence::model_files::{Difference, ModelFiles};
use crate::evidence::model_signature::{BUNDLE_MEDIA_TYPE, Manifest, ModelSignature};
use crate::hash::Hash;
use crate::linkage::model::{ModelDigest, ModelError, ModelOptions};
use crate::timeline::prose::visible;

/// Say whether a model's files are the registered ones, and name each one that is not.
///
/// They are held against the registration in the ledger, or against a digest: the OpenSSF root, or
/// the one that covers names as well. The ledger is believed here: `rollbook verify` judges it.
///
/// Each file that differs, is missing or is extra is named, by the list that the registration keeps,
/// else by a signature over the files.
///
/// Exit codes: 0 they are; 1 they are not; 2 the command line or an input is wrong; 3 the world
/// failed.
///
/// Example:
///   rollbook model verify ./models/credit-scorer credit-scorer 1.0.0
///   rollbook model verify ./models/credit-scorer credit-scorer 1.0.0 --signature-key signer.pub
///   rollbook model verify ./models/credit-scorer
///     --digest 55266a1bc9eeb11c9dcff3bd4b7a81f084644cb9fbdc7d9560fd7c059cd71b71
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct VerifyModel {
    /// The model's file or directory
    pub path: PathBuf,
    /// The model, as it was registered
    #[arg(required_unless_present = "digest", requires = "version")]
    pub model: Option<Name>,
    /// Its version
    pub version: Option<Name>,
    /// Hold the files against this root or named digest instead
    #[arg(long, value_name = "SHA256", conflicts_with = "model")]
    pub digest: Option<String>,
    #[command(flatten)]
    walk: WalkArgs,
    #[command(flatten)]
    signature: SignatureArgs,
}

/// What the files are held against.
struct Expected {
    /// The root; none where a digest was given, which may be either.
    root: Option<Hash>,
    named: Option<Hash>,
    /// Either of them.
    either: Option<Hash>,
    options: ModelOptions,
    /// The list of files that goes with it.
    files: Option<ModelFiles>,
    /// The signature that the registration keeps, and what it is called.
    bundle: Option<(String, Vec<u8>)>,
    /// What it is, in words.
    what: String,
    entry: Option<u64>,
}

impl VerifyModel {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn run(self, context: &Context) -> Result<(), Failure> {
        let expected = self.expected(context)?;
        let keys = self.signature.keys()?;
        let given = match &expected.bundle {
            Some((name, bundle)) if self.signature.signature.is_none() && !keys.is_empty() => {
                Some(Given::of(name.into(), bundle.clone())?)
            }
            _ => self.signature.read(&self.path)?,
        };
        let digest = match digest_with_bar(&self.path, &expected.options) {
            Ok(digest) => digest,
            Err(error) => return Err(unfit(error)),
        };
        if expected.is_met_by(&digest) {
            let signature = match &given {
                Some(given) => Some(given.check(&self.path, &digest, &keys)?),
                None => None,
            };
            return agrees(context, &expected, &digest, signature.as_deref());
        }
        let files = expected.files.clone().or_else(|| expected.files_of(given.as_ref()));
        let differences = files.map(|files| files.differences(&digest.model_files()));
        differs(context, &expected, &digest, differences.as_deref())
    }

    fn expected(&self, context: &Context) -> Result<Expected, Failure> {
        match (&self.model, &self.version, &self.digest) {
            (Some(model), Some(version), None) => self.registered(context, model, version),
            (_, _, Some(digest)) => {
                let either: Hash = digest.parse().map_err(Failure::usage)?;
                let options = self.with_signature_left_out(self.walk.options(&self.path)?)?;
                let what = format!("digest {either}");
                let (root, named, files, bundle, entry) = (None, None, None, None, None);
                Ok(Expected { root, named, either: Some(either), options, files, bundle, what, entry })
            }
            _ => Err(Failure::usage("a version is missing").hint("say MODEL and VERSION, or --digest D")),
        }
    }

    /// A signature file that lies in the model is no part of it.
    fn with_signature_left_out(&self, options: ModelOptions) -> Result<ModelOptions, Failure> {
        match self.signature.read(&self.path)? {
            Some(given) => Ok(given.left_out(&self.path, options)?),
            None => Ok(options),
        }
    }

    /// What the ledger's lawful registration says. The walk is the one that it was registered with.
    fn registered(&self, context: &Context, model: &Name, version: &Name) -> Result<Expected, Failure> {
        if self.walk.allow_symlinks || !self.walk.ignore.is_empty() {
            return Err(Failure::usage("--allow-symlinks and --ignore go with --digest")
                .hint("leave them out: the registration says how the files were walked"));
        }
        let mut view = View::replay(context.reader()?, Until::Now)?;
        let Ok(row) = view.state.version(model, version);
        let Some(row) = row else {
            return Err(Failure::no("version_unknown", format!("{model} {version} is not registered"))
                .hint("see `rollbook log --model`, or name a digest with --digest"));
        };
        let (logged, _) = view.reader.entry(row.entry)?;
        let Body::ModelRegistered(body) = &logged.event.body else {
            return Err(Failure::world(format!(
                "entry {} registers nothing: run `rollbook verify`",
                row.entry
            )));
        };
        let options = ModelOptions::of_registered(&body.digest)?;
        let Kept { files, bundle } = Kept::read(context, &body.digest, &logged.event.header.attachments)?;
        Ok(Expected {
            root: Some(body.digest.root),
            named: Some(body.digest.named),
            either: None,
            options,
            files,
            bundle,
            what: format!("{model} {version}"),
            entry: Some(row.entry),
        })
    }
}

/// What a registration keeps beside its digest.
#[derive(Default)]
struct Kept {
    /// The files, by the list or by a signature; believed only where the registered digest commits to it.
    files: Option<ModelFiles>,
    /// A signature, and what it is called.
    bundle: Option<(String, Vec<u8>)>,
}

impl Kept {
    fn read(context: &Context, digest: &RegisteredDigest, attached: &[Attachment]) -> Result<Self, Failure> {
        let store = attachments(context)?;
        let mut kept = Self::default();
        for attachment in attached {
            let is_bundle = attachment.media_type.as_str() == BUNDLE_MEDIA_TYPE;
            if !is_bundle && attachment.digest != digest.named {
                continue;
            }
            let Some(mut bytes) = store.read(&attachment.digest)? else { continue };
            if attachment.private {
                bytes.drain(..PRIVATE_PREFIX_BYTES.min(bytes.len()));
            }
            let files = if is_bundle { files_of_bundle(&bytes) } else { ModelFiles::parse(&bytes).ok() };
            kept.files = kept.files.or(files.filter(|files| files.named() == digest.named));
            if is_bundle {
                kept.bundle.get_or_insert((attachment.name.to_string(), bytes));
            }
        }
        Ok(kept)
    }
}

fn files_of_bundle(bundle: &[u8]) -> Option<ModelFiles> {
    match ModelSignature::parse(bundle).ok()?.manifest() {
        Manifest::Files(files) => Some(files.clone()),
        Manifest::Shards(_) | Manifest::Foreign { .. } => None,
    }
}

/// A model whose files cannot be those that were registered is answered with no; one that isn't there is a slip.
fn unfit(error: ModelError) -> Failure {
    match error {
        ModelError::Symlink { .. }
        | ModelError::SymlinkLeadsOut { .. }
        | ModelError::SymlinkToDirectory { .. }
        | ModelError::Special { .. }
        | ModelError::NotUtf8 { .. }
        | ModelError::LineFeed { .. }
        | ModelError::Empty { .. } => {
            Failure::no("model_unfit", format!("not the registered files: {error}"))
                .hint("find out who put it there; what was registered holds files alone")
        }
        error @ ModelError::Changed { .. } => {
            Failure::world(error).hint("try again when nobody writes to it")
        }
        error => error.into(),
    }
}

impl Expected {
    fn is_met_by(&self, digest: &ModelDigest) -> bool {
        let is_either = |either| either == digest.root || either == digest.named;
        self.root.is_none_or(|root| root == digest.root)
            && self.named.is_none_or(|named| named == digest.named)
            && self.either.is_none_or(is_either)
    }

    /// The files that a signature names, where it is over what was expected.
    fn files_of(&self, given: Option<&Given>) -> Option<ModelFiles> {
        let signature = &given?.signature;
        let Manifest::Files(files) = signature.manifest() else { return None };
        let (root, named) = (signature.root(), files.named());
        let fits = self.root.is_none_or(|expected| expected == root)
            && self.named.is_none_or(|expected| expected == named)
            && self.either.is_none_or(|expected| expected == root || expected == named);
        fits.then(|| files.clone())
    }
}

fn facts(expected: &Expected, digest: &ModelDigest, agrees: bool) -> Value {
    json!({
        "agrees": agrees,
        "entry": expected.entry,
        "root": digest.root,
        "named": digest.named,
        "files": digest.files.len(),
        "bytes": digest.total_bytes,
    })
}

fn agrees(
    context: &Context,
    expected: &Expected,
    digest: &ModelDigest,
    signature: Option<&str>,
) -> Result<(), Failure> {
    // The root alone says nothing of names.
    let names_checked = expected.named.is_some() || expected.either == Some(digest.named);
    if context.json() {
        let mut answer = facts(expected, digest, true);
        answer["names_checked"] = json!(names_checked);
        answer["signature"] = json!(signature);
        return context.print_json(&answer);
    }
    let entry = expected.entry.map(|entry| format!(", registered by entry {entry}")).unwrap_or_default();
    let (files, bytes) = (digest.files.len(), digest.total_bytes);
    context
        .print(visible(&format!("agrees: {files} file(s) of {bytes} bytes are {}{entry}", expected.what)))?;
    if !names_checked {
        context.print("names: not checked; a root does not cover them")?;
    }
    match signature {
        Some(signature) => context.print(format_args!("signature: {signature}")),
        None => Ok(()),
    }
}

fn differs(
    context: &Context,
    expected: &Expected,
    digest: &ModelDigest,
    differences: Option<&[Difference]>,
) -> Result<(), Failure> {
    if context.json() {
        let mut answer = facts(expected, digest, false);
        answer["expected"] =
            json!({ "root": expected.root, "named": expected.named, "either": expected.either });
        answer["differences"] = json!(differences);
        context.print_json(&answer)?;
        return Err(Failure::answered(Exit::No));
    }
    context.print(visible(&format!("differs: these files are not {}", expected.what)))?;
    for (name, actual, expected) in
        [("root", digest.root, expected.root), ("named", digest.named, expected.named)]
    {
        let Some(expected) = expected else { continue };
        let told = if actual == expected { String::new() } else { format!(", expected {expected}") };
        context.print(format_args!("  {name} {actual}{told}"))?;
    }
    match differences {
        Some(differences) => {
            for difference in differences {
                context.print(visible(&format!("  {difference}")))?;
            }
        }
        None => context.print(
            "  which files differ cannot be said: no list of them is kept; --signature FILE names them by a model.sig",
        )?,
    }
    Err(Failure::answered(Exit::No))
}
