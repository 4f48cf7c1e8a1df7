//! A model's OpenSSF signature on the command line: found, read, held against keys and files.

use std::path::{Path, PathBuf};

use crate::cli::attach::Made;
use crate::cli::failure::Failure;
use crate::cli::input::read_input;
use crate::cli::model::SignatureArgs;
use crate::evidence::model_files::Difference;
use crate::evidence::model_signature::{
    BUNDLE_BYTES_MAX, BUNDLE_MEDIA_TYPE, ModelSignature, PUBLIC_KEY_BYTES_MAX, PublicKeyPem, SignatureCheck,
};
use crate::linkage::model::signature::{SignatureFit, find_signatures, fit, path_inside};
use crate::linkage::model::{ModelDigest, ModelError, ModelOptions};

/// How many files a refusal names.
const NAMED_MAX: usize = 5;

/// A signature that was read.
#[derive(Debug)]
pub struct Given {
    /// Where it was.
    pub path: PathBuf,
    /// What it says.
    pub signature: ModelSignature,
    bytes: Vec<u8>,
}

impl SignatureArgs {
    /// The signature of the model at `path` that is named, or found; none where nobody asks for one.
    ///
    /// # Errors
    /// It cannot be read, or is none; or there is none, or two, where a key asks for one.
    pub fn read(&self, path: &Path) -> Result<Option<Given>, Failure> {
        let place = match &self.signature {
            Some(place) => place.clone(),
            None if self.signature_key.is_empty() => return Ok(None),
            None => found(path)?,
        };
        let bytes = read_input(&place, "a model's signature", BUNDLE_BYTES_MAX)?;
        Given::of(place, bytes).map(Some)
    }

    /// The keys.
    ///
    /// # Errors
    /// A file cannot be read, or holds none.
    pub fn keys(&self) -> Result<Vec<PublicKeyPem>, Failure> {
        read_keys(&self.signature_key)
    }
}

/// Reads public keys of models.
///
/// # Errors
/// A file cannot be read, or holds none.
pub fn read_keys(paths: &[PathBuf]) -> Result<Vec<PublicKeyPem>, Failure> {
    let read = |path: &PathBuf| {
        let pem = read_input(path, "a public key", PUBLIC_KEY_BYTES_MAX)?;
        PublicKeyPem::parse(&pem).map_err(|error| {
            Failure::usage(format!("{}: {error}", path.display()))
                .hint("make one with `openssl pkey -in private.pem -pubout -out public.pem`")
        })
    };
    paths.iter().map(read).collect()
}

fn found(model: &Path) -> Result<PathBuf, Failure> {
    let mut found = find_signatures(model);
    match (found.pop(), found.pop()) {
        (Some(one), None) => Ok(one),
        (Some(one), Some(other)) => {
            let message = format!("there are two signatures: {} and {}", other.display(), one.display());
            Err(Failure::usage(message).hint("name one with --signature FILE"))
        }
        (None, _) => {
            let message = format!("there is no model.sig in {} or beside it", model.display());
            Err(Failure::usage(message).hint("name the signature with --signature FILE"))
        }
    }
}

impl Given {
    /// A bundle that was read from `path`.
    ///
    /// # Errors
    /// It is none.
    pub fn of(path: PathBuf, bytes: Vec<u8>) -> Result<Self, Failure> {
        match ModelSignature::parse(&bytes) {
            Ok(signature) => Ok(Self { path, signature, bytes }),
            Err(error) => Err(Failure::usage(format!("{}: {error}", path.display()))
                .hint("name the bundle that `model_signing sign key --signature FILE` wrote")),
        }
    }

    /// The options with the signature's own file left out, where it lies in the model.
    ///
    /// # Errors
    /// Its path cannot be left out.
    pub fn left_out(&self, model: &Path, options: ModelOptions) -> Result<ModelOptions, ModelError> {
        match path_inside(model, &self.path) {
            Some(inside) => options.ignoring(&inside),
            None => Ok(options),
        }
    }

    /// Holds the signature against the model's files, and then against the keys. Says in words whose it is.
    ///
    /// # Errors
    /// It is of other files (`signature_of_another_model`), over hashes that aren't computed here, or by none of the
    /// keys where keys are given.
    pub fn check(&self, path: &Path, digest: &ModelDigest, keys: &[PublicKeyPem]) -> Result<String, Failure> {
        self.check_files(path, digest)?;
        self.check_key(keys)
    }

    fn check_files(&self, path: &Path, digest: &ModelDigest) -> Result<(), Failure> {
        let of_another = |why: String| {
            let message = format!("{} is not over these files: {why}", self.path.display());
            Failure::no("signature_of_another_model", message)
                .hint("name the signature of this model; one that leaves out files needs --ignore for each")
        };
        match fit(path, digest, &self.signature)? {
            SignatureFit::Same => Ok(()),
            SignatureFit::Differs(differences) => Err(of_another(named(&differences))),
            SignatureFit::Reordered => Err(of_another(format!(
                "it lists them in another order, so that its root is {}, and theirs {}",
                self.signature.root(),
                digest.root
            ))),
            SignatureFit::Foreign { hash_type } => {
                let message = format!(
                    "{} is over {hash_type} hashes, and SHA-256 alone is computed here",
                    self.path.display()
                );
                Err(Failure::no("signature_hash_unknown", message)
                    .hint("sign with the hash sha256; or keep the bundle unread, with --attach"))
            }
        }
    }

    /// Whose signature it is, in words.
    ///
    /// # Errors
    /// None of the keys made it, where keys are given.
    pub fn check_key(&self, keys: &[PublicKeyPem]) -> Result<String, Failure> {
        let name = self.path.display();
        match self.signature.verify(keys) {
            SignatureCheck::Good { key } => Ok(format!("verified, by the {key}")),
            _ if keys.is_empty() => Ok("not checked: no --signature-key is given".to_owned()),
            SignatureCheck::Bad { key } => Err(Failure::no(
                "signature_invalid",
                format!("{name} says that the {key} signed it, which did not"),
            )
            .hint("it was changed, or forged: get it again from whoever signed")),
            SignatureCheck::WrongKey => {
                let message = format!("{name} was signed by none of the keys given");
                Err(Failure::no("signature_wrong_key", message)
                    .hint("name the key that signed with --signature-key"))
            }
            SignatureCheck::NotChecked => {
                let message = format!("{name} was made with a certificate, which is not checked here");
                Err(Failure::no("signature_not_checked", message).hint(
                    "check it with `model_signing verify`; without --signature-key it is kept, not checked",
                ))
            }
        }
    }

    /// The bundle, to be attached.
    ///
    #[must_use]
    pub fn attachment(&self) -> Made {
        let name = self.path.file_name().and_then(|name| name.to_str()).unwrap_or("model.sig").to_owned();
        Made { name: name.into(), media_type: BUNDLE_MEDIA_TYPE, bytes: self.bytes.clone() }
    }
}

fn named(differences: &[Difference]) -> String {
    let mut told: Vec<String> = differences.iter().take(NAMED_MAX).map(ToString::to_string).collect();
    if differences.len() > NAMED_MAX {
        told.push(format!("and {} more", differences.len() - NAMED_MAX));
    }
    told.join("; ")
}
