//! Directories in which an auditor has models: what `verify --models` names.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::signature::{SignatureFit, fit};
use super::{ModelDigest, ModelError, ModelOptions, digest_model};
use crate::event::text::{Name, TextError};
use crate::evidence::model_files::Difference;
use crate::verifier::models::{
    KnownFiles, ModelLook, ModelSource, ModelSourceError, RegisteredModel, list_for,
};

/// How many files a finding names.
const NAMED_MAX: usize = 5;

/// Where the files of models are.
#[derive(Debug, Clone, Default)]
pub struct ModelDirs {
    places: Vec<ModelPlace>,
}

/// Where the files of one model are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelPlace {
    model: Name,
    /// None where `path` is a directory whose entries are named by version.
    version: Option<Name>,
    path: PathBuf,
}

/// A text that names no place of a model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelPlaceError {
    /// No path in it.
    #[error("`{0}` is not NAME=DIR, nor NAME@VERSION=PATH")]
    Form(String),
    /// A name that cannot stand in a ledger.
    #[error(transparent)]
    Name(#[from] TextError),
}

impl FromStr for ModelPlace {
    type Err = ModelPlaceError;

    /// `NAME=DIR` or `NAME@VERSION=PATH`. The name ends at the last `@` before the first `=`.
    fn from_str(text: &str) -> Result<Self, ModelPlaceError> {
        let unfit = || ModelPlaceError::Form(text.chars().take(160).collect());
        let (name, path) = text.split_once('=').filter(|(_, path)| !path.is_empty()).ok_or_else(unfit)?;
        let (model, version) = match name.rsplit_once('@') {
            Some((model, version)) => (model, Some(Name::new(version)?)),
            None => (name, None),
        };
        Ok(Self { model: Name::new(model)?, version, path: path.into() })
    }
}

impl ModelDirs {
    /// These places. Where a version is named, that place counts for it; else the first one of its model.
    #[must_use]
    pub fn new(places: Vec<ModelPlace>) -> Self {
        Self { places }
    }

    /// The first directory of versions that cannot be listed: nothing would be held against anything there.
    #[must_use]
    pub fn unlistable(&self) -> Option<(&Path, std::io::Error)> {
        let listed = self.places.iter().filter(|place| place.version.is_none());
        listed.map(|place| place.path.as_path()).find_map(|path| Some((path, std::fs::read_dir(path).err()?)))
    }

    /// Where the files of a version should be, and whether somebody named it.
    fn place(&self, model: &Name, version: &Name) -> Option<(PathBuf, bool)> {
        let of_model = || self.places.iter().filter(|place| place.model == *model);
        if let Some(named) = of_model().find(|place| place.version.as_ref() == Some(version)) {
            return Some((named.path.clone(), true));
        }
        let listed = of_model().find(|place| place.version.is_none())?;
        Some((listed.path.join(version.as_str()), false)).filter(|_| is_entry(version))
    }
}

/// Whether a version can be the name of a directory's entry: what leads elsewhere is none.
fn is_entry(version: &Name) -> bool {
    !version.as_str().contains('/') && !matches!(version.as_str(), "." | "..")
}

impl ModelSource for ModelDirs {
    fn models(&self) -> BTreeSet<Name> {
        self.places.iter().map(|place| place.model.clone()).collect()
    }

    fn named(&self) -> Vec<(Name, Name)> {
        let named = |place: &ModelPlace| Some((place.model.clone(), place.version.clone()?));
        self.places.iter().filter_map(named).collect()
    }

    fn look(&self, registered: &RegisteredModel, known: &KnownFiles) -> Result<ModelLook, ModelSourceError> {
        let Some((path, is_named)) = self.place(&registered.model, &registered.version) else {
            let is_listed =
                self.places.iter().any(|place| place.model == registered.model && place.version.is_none());
            return Ok(if is_listed { ModelLook::Absent } else { ModelLook::NotAsked });
        };
        let is_gone =
            |error: &std::io::Error| matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory);
        if path.symlink_metadata().is_err_and(|error| is_gone(&error)) {
            let place = path.display().to_string();
            return Ok(if is_named { ModelLook::Missing { place } } else { ModelLook::Absent });
        }
        compare(&path, registered, known).or_else(|error| match error {
            ModelError::Read { reason, .. } if !is_gone(&reason) => {
                Err(ModelSourceError(format!("{}: {reason}", path.display())))
            }
            ModelError::Changed { .. } => Err(ModelSourceError(error.to_string())),
            unfit => Ok(ModelLook::Unfit { reason: unfit.to_string() }),
        })
    }
}

fn compare(path: &Path, registered: &RegisteredModel, known: &KnownFiles) -> Result<ModelLook, ModelError> {
    let options = ModelOptions::of_registered(&registered.digest)?;
    let digest = digest_model(path, &options, &|_, _| {})?;
    if digest.root != registered.digest.root || digest.named != registered.digest.named {
        return Ok(ModelLook::Differs { what: in_what(registered, known, &digest) });
    }
    for signature in &known.sharded {
        if let SignatureFit::Differs(differences) = fit(path, &digest, signature)? {
            let what = format!("its pieces are not those that are signed: {}", named(&differences));
            return Ok(ModelLook::Differs { what });
        }
    }
    Ok(ModelLook::Agrees)
}

fn in_what(registered: &RegisteredModel, known: &KnownFiles, digest: &ModelDigest) -> String {
    let expected = &registered.digest;
    match list_for(known, expected.named) {
        Some(list) => named(&list.differences(&digest.model_files())),
        None if digest.root != expected.root => {
            format!(
                "its root is {}, and {} is registered; which files differ is not known",
                digest.root, expected.root
            )
        }
        None => format!(
            "its files have other names: the digest with names is {}, and {} is registered",
            digest.named, expected.named
        ),
    }
}

/// The first differences, and how many more there are.
fn named(differences: &[Difference]) -> String {
    let mut told: Vec<String> = differences.iter().take(NAMED_MAX).map(ToString::to_string).collect();
    if differences.len() > NAMED_MAX {
        told.push(format!("and {} more", differences.len() - NAMED_MAX));
    }
    told.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_models_or_one_versions() {
        let place = |text: &str| text.parse::<ModelPlace>();
        let name = |text: &str| Name::new(text).unwrap();
        let all = place("scorer=models/a=b").unwrap();
        assert_eq!((all.model, all.version, all.path), (name("scorer"), None, "models/a=b".into()));
        let one = place("org@scorer@1.0.0=m").unwrap();
        assert_eq!((one.model, one.version), (name("org@scorer"), Some(name("1.0.0"))));
        for wrong in ["", "scorer", "scorer=", "=x", "@1=x", "scorer@=x"] {
            assert!(place(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_version_leads_nowhere_else() {
        let dirs = ModelDirs::new(vec!["scorer=models".parse().unwrap()]);
        let place = |version: &str| dirs.place(&Name::new("scorer").unwrap(), &Name::new(version).unwrap());
        assert_eq!(place("1.0.0"), Some(("models/1.0.0".into(), false)));
        for wrong in ["..", ".", "../x", "/etc"] {
            assert_eq!(place(wrong), None, "{wrong}");
        }
    }
}
