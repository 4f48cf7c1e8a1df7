//! A model's OpenSSF signature: where it lies, and whether it is over these files.
//!
//! Reading a bundle and checking whose signature it bears is left to `crate::evidence`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::{BUFFER_BYTES, FileDigest, ModelDigest, ModelError, SINGLE_FILE};
use crate::evidence::model_files::Difference;
use crate::evidence::model_signature::{Manifest, ModelSignature, ShardedFile, Shards};
use crate::hash::Hash;

/// What model-signing calls the file unless told otherwise.
pub const SIGNATURE_FILE: &str = "model.sig";

/// How a signature fits a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignatureFit {
    /// It is over these files.
    Same,
    /// It is over others, or they have changed.
    Differs(Vec<Difference>),
    /// It is over these files in another order, so its root is another one.
    Reordered,
    /// Its hashes are none that this program computes.
    Foreign {
        /// Which ones.
        hash_type: String,
    },
}

/// The files `model.sig` in the model's directory and beside the model, as far as they are there.
#[must_use]
pub fn find_signatures(model: &Path) -> Vec<PathBuf> {
    // `.` has no parent of its own, and its directory has.
    let beside = fs::canonicalize(model).ok().and_then(|model| Some(model.parent()?.join(SIGNATURE_FILE)));
    let inside = Some(model.join(SIGNATURE_FILE));
    [inside, beside].into_iter().flatten().filter(|path| path.is_file()).collect()
}

/// The path inside the model of a file that lies in it; none where it lies elsewhere.
#[must_use]
pub fn path_inside(model: &Path, file: &Path) -> Option<String> {
    let (model, file) = (fs::canonicalize(model).ok()?, fs::canonicalize(file).ok()?);
    let inside = file.strip_prefix(model).ok()?.to_str()?;
    Some(inside.to_owned()).filter(|inside| !inside.is_empty())
}

/// Holds what is signed against the model at `path`, whose digest was made just now. Pieces of files are hashed once
/// more, on all threads.
///
/// # Errors
/// [`ModelError`]: a file cannot be read, or has changed since.
pub fn fit(
    path: &Path,
    digest: &ModelDigest,
    signature: &ModelSignature,
) -> Result<SignatureFit, ModelError> {
    let differences = match signature.manifest() {
        Manifest::Foreign { hash_type } => return Ok(SignatureFit::Foreign { hash_type: hash_type.clone() }),
        Manifest::Files(files) => files.differences(&digest.model_files()),
        Manifest::Shards(shards) => shard_differences(path, digest, shards)?,
    };
    let is_whole = matches!(signature.manifest(), Manifest::Files(_));
    Ok(if !differences.is_empty() {
        SignatureFit::Differs(differences)
    } else if is_whole && signature.root() != digest.root {
        SignatureFit::Reordered
    } else {
        SignatureFit::Same
    })
}

/// In what the files are not those that were signed in pieces. An empty file has no piece: it is not covered.
fn shard_differences(
    path: &Path,
    digest: &ModelDigest,
    shards: &Shards,
) -> Result<Vec<Difference>, ModelError> {
    let signed: BTreeMap<&str, &ShardedFile> =
        shards.files.iter().map(|file| (file.path.as_str(), file)).collect();
    let there: BTreeMap<&str, &FileDigest> =
        digest.files.iter().filter(|file| file.size > 0).map(|file| (file.path.as_str(), file)).collect();
    let missing = signed.keys().filter(|path| !there.contains_key(*path));
    let missing = missing.map(|path| Difference::Missing((*path).to_owned()));
    let compared: Result<Vec<Option<Difference>>, ModelError> = there
        .par_iter()
        .map(|(name, file)| {
            let Some(signed) = signed.get(name) else {
                return Ok(Some(Difference::Extra((*name).to_owned())));
            };
            let same = has_pieces(&location(path, name), file, signed, shards.shard_bytes)?;
            Ok((!same).then(|| Difference::Different((*name).to_owned())))
        })
        .collect();
    let mut differences: Vec<Difference> = compared?.into_iter().flatten().chain(missing).collect();
    differences.sort_by(|a, b| a.path().cmp(b.path()));
    Ok(differences)
}

fn location(model: &Path, name: &str) -> PathBuf {
    if name == SINGLE_FILE { model.to_owned() } else { model.join(name) }
}

/// Whether a file consists of these pieces. It must be the file that was digested: it is hashed as a whole, too.
fn has_pieces(
    location: &Path,
    file: &FileDigest,
    signed: &ShardedFile,
    shard_bytes: u64,
) -> Result<bool, ModelError> {
    if file.size != signed.size {
        return Ok(false);
    }
    let unread = |reason| ModelError::Read { path: location.to_owned(), reason };
    let mut source = File::open(location).map_err(unread)?;
    let (mut whole, mut same) = (Sha256::new(), true);
    let mut buffer = vec![0; BUFFER_BYTES];
    for piece in &signed.pieces {
        let (mut hasher, mut rest) = (Sha256::new(), shard_bytes);
        while rest > 0 {
            let wanted = buffer.len().min(usize::try_from(rest).unwrap_or(usize::MAX));
            let count = source.read(&mut buffer[..wanted]).map_err(unread)?;
            if count == 0 {
                break;
            }
            hasher.update(&buffer[..count]);
            whole.update(&buffer[..count]);
            rest -= count as u64;
        }
        same &= Hash::from_bytes(hasher.finalize().into()) == *piece;
    }
    let is_at_end = source.read(&mut buffer[..1]).map_err(unread)? == 0;
    if !is_at_end || Hash::from_bytes(whole.finalize().into()) != file.sha256 {
        return Err(ModelError::Changed { path: location.to_owned() });
    }
    Ok(same)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{digest, sample, write};
    use super::*;

    macro_rules! vector {
        ($name:literal) => {
            include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/model-signatures/", $name))
        };
    }

    fn fit_of(model: &Path, bundle: &[u8]) -> SignatureFit {
        let signature = ModelSignature::parse(bundle).unwrap();
        fit(model, &digest(model).unwrap(), &signature).unwrap()
    }

    /// What both a list of files and one of pieces say of a model.
    fn told(model: &Path) -> [Vec<String>; 2] {
        [&vector!("p256.sig")[..], vector!("shards.sig")].map(|bundle| match fit_of(model, bundle) {
            SignatureFit::Same => Vec::new(),
            SignatureFit::Differs(differences) => differences.iter().map(ToString::to_string).collect(),
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn files_and_pieces_of_the_real_program_are_ours() {
        assert_eq!(told(sample().path()), [Vec::<String>::new(), Vec::new()]);
    }

    #[test]
    fn what_changed_is_named_by_files_and_by_pieces() {
        type Change = fn(&Path);
        let cases: [(Change, &[&str]); 5] = [
            (|model| write(model, "a-b/x", b"a-c/x"), &["differs: a-b/x"]),
            (|model| write(model, "a-b/x", b"a-b/x and more"), &["differs: a-b/x"]),
            (|model| fs::remove_file(model.join("a-b/x")).unwrap(), &["missing: a-b/x"]),
            (|model| write(model, "added", b"x"), &["extra: added"]),
            (
                |model| fs::rename(model.join("a.txt"), model.join("b.txt")).unwrap(),
                &["missing: a.txt", "extra: b.txt"],
            ),
        ];
        for (change, expected) in cases {
            let model = sample();
            change(model.path());
            assert_eq!(told(model.path()), [expected, expected]);
        }
    }

    #[test]
    fn an_empty_file_has_no_piece() {
        let model = sample();
        fs::remove_file(model.path().join("empty")).unwrap();
        assert_eq!(told(model.path()), [vec!["missing: empty".to_owned()], Vec::new()]);
    }

    #[test]
    fn other_hashes_are_not_computed() {
        let expected = SignatureFit::Foreign { hash_type: "blake3".into() };
        assert_eq!(fit_of(sample().path(), vector!("blake3.sig")), expected);
    }

    #[test]
    fn a_signature_lies_in_the_model_or_beside_it() {
        let parent = tempfile::tempdir().unwrap();
        let model = parent.path().join("model");
        write(&model, "weights", b"x");
        assert_eq!(find_signatures(&model), [] as [PathBuf; 0]);
        write(&model, "model.sig", b"{}");
        write(parent.path(), "model.sig", b"{}");
        let found = find_signatures(&model);
        assert_eq!(found.len(), 2);
        assert_eq!(path_inside(&model, &found[0]).as_deref(), Some("model.sig"));
        assert_eq!(path_inside(&model, &found[1]), None);
        assert_eq!(path_inside(&model.join("weights"), &model.join("weights")), None);
    }
}
