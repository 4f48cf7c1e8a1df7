//! The files of a model, each with its digest: as a list that is kept with a registration, and how two of them
//! differ (docs/format.md, `file list`).
//!
//! A list's text is what the named digest is the SHA-256 of: whoever holds the digest can believe the list.

use std::cmp::Ordering;
use std::fmt;

use serde::Serialize;

use crate::hash::Hash;

/// Between a digest and a path, as `sha256sum` writes it.
const BETWEEN: &str = "  ";
/// The path of the one file of a model that is a single file.
pub const SINGLE_FILE: &str = ".";

/// One file of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelFile {
    /// Its path in the model, `/` between components; `.` where the model is a single file.
    pub path: String,
    /// SHA-256 of its content.
    pub sha256: Hash,
}

/// The files of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelFiles {
    /// Strictly ascending by the bytes of the path; every path [`is_path`].
    files: Vec<ModelFile>,
}

/// Why files are no model's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelFilesError {
    /// What is no path inside a model.
    #[error("`{}` is not a path inside a model", shown(path))]
    Path {
        /// What stands there.
        path: String,
    },
    /// A path that stands twice.
    #[error("`{}` stands twice", shown(path))]
    Twice {
        /// The path.
        path: String,
    },
    /// A line of a list that is not `<hex sha256>  <path>`, or isn't in its place.
    #[error("line {line} is not a digest, two spaces and a path, ascending by path")]
    Line {
        /// Which one, from 1.
        line: usize,
    },
}

/// What of a text is shown, for it may be long.
fn shown(text: &str) -> String {
    text.chars().take(160).collect()
}

/// In what a file is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "is", content = "path")]
pub enum Difference {
    /// It has another content.
    Different(String),
    /// It is not there.
    Missing(String),
    /// It is there, and should not be.
    Extra(String),
}

impl Difference {
    /// The file's path.
    #[must_use]
    pub fn path(&self) -> &str {
        match self {
            Self::Different(path) | Self::Missing(path) | Self::Extra(path) => path,
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Different(path) => write!(f, "differs: {path}"),
            Self::Missing(path) => write!(f, "missing: {path}"),
            Self::Extra(path) => write!(f, "extra: {path}"),
        }
    }
}

impl ModelFiles {
    /// Files in any order.
    ///
    /// # Errors
    /// [`ModelFilesError`] where one has no path, or two have the same.
    pub fn new(mut files: Vec<ModelFile>) -> Result<Self, ModelFilesError> {
        if let Some(file) = files.iter().find(|file| !is_path(&file.path)) {
            return Err(ModelFilesError::Path { path: file.path.clone() });
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        match files.windows(2).find(|pair| pair[0].path == pair[1].path) {
            Some(pair) => Err(ModelFilesError::Twice { path: pair[0].path.clone() }),
            None => Ok(Self { files }),
        }
    }

    /// Reads a list as [`Self::to_list`] writes it, and no other. What it takes in memory is three times the text at
    /// most; whoever reads the text bounds it.
    ///
    /// # Errors
    /// [`ModelFilesError::Line`].
    pub fn parse(list: &[u8]) -> Result<Self, ModelFilesError> {
        let mut files: Vec<ModelFile> = Vec::new();
        for (number, line) in (1..).zip(list.split_inclusive(|byte| *byte == b'\n')) {
            let file =
                read_line(line).filter(|file| files.last().is_none_or(|before| before.path < file.path));
            files.push(file.ok_or(ModelFilesError::Line { line: number })?);
        }
        Ok(Self { files })
    }

    /// The list: a line `<hex sha256>  <path>` for each file, ascending by the bytes of the path.
    #[must_use]
    pub fn to_list(&self) -> Vec<u8> {
        let mut list = Vec::new();
        for file in &self.files {
            list.extend_from_slice(format!("{}{BETWEEN}{}\n", file.sha256, file.path).as_bytes());
        }
        list
    }

    /// The named digest (in-toto's `dirHash`): SHA-256 of the list.
    #[must_use]
    pub fn named(&self) -> Hash {
        Hash::of(&self.to_list())
    }

    /// The files, ascending by the bytes of the path.
    #[must_use]
    pub fn files(&self) -> &[ModelFile] {
        &self.files
    }

    /// In what `found` is not these files, by path.
    #[must_use]
    pub fn differences(&self, found: &Self) -> Vec<Difference> {
        let (mut expected, mut found) = (self.files.iter().peekable(), found.files.iter().peekable());
        let mut differences = Vec::new();
        loop {
            let order = match (expected.peek(), found.peek()) {
                (None, None) => return differences,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(expected), Some(found)) => expected.path.cmp(&found.path),
            };
            let wanted = if order.is_le() { expected.next() } else { None };
            let there = if order.is_ge() { found.next() } else { None };
            differences.extend(match (wanted, there) {
                (Some(wanted), Some(there)) if wanted.sha256 == there.sha256 => None,
                (Some(wanted), Some(_)) => Some(Difference::Different(wanted.path.clone())),
                (Some(wanted), None) => Some(Difference::Missing(wanted.path.clone())),
                (None, there) => there.map(|there| Difference::Extra(there.path.clone())),
            });
        }
    }
}

/// Whether a text is a path inside a model, written in its one way; `.` is that of a single file.
#[must_use]
pub fn is_path(path: &str) -> bool {
    let is_component = |part: &str| !part.is_empty() && part != "." && part != "..";
    !path.contains(['\n', '\0']) && (path == SINGLE_FILE || path.split('/').all(is_component))
}

fn read_line(line: &[u8]) -> Option<ModelFile> {
    let line = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
    let (digest, path) = line.split_once(BETWEEN)?;
    // One way to write a digest: `parse` takes upper-case digits, too.
    let sha256: Hash = digest.parse().ok().filter(|hash: &Hash| hash.to_string() == digest)?;
    is_path(path).then(|| ModelFile { path: path.to_owned(), sha256 })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn files(paths: &[(&str, &str)]) -> ModelFiles {
        let file = |(path, content): &(&str, &str)| ModelFile {
            path: (*path).to_owned(),
            sha256: Hash::of(content.as_bytes()),
        };
        ModelFiles::new(paths.iter().map(file).collect()).unwrap()
    }

    #[test]
    fn a_list_is_what_sha256sum_writes_and_reads_back() {
        let list = files(&[("b", "2"), ("a/x", "1")]).to_list();
        // printf %s 1 | sha256sum, and so on.
        let expected = "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b  a/x\n\
            d4735e3a265e16eee03f59718b9b5d03019c07d8b6c51f90da3a666eec13ab35  b\n";
        assert_eq!(String::from_utf8(list.clone()).unwrap(), expected);
        assert_eq!(ModelFiles::parse(&list).unwrap().to_list(), list);
        assert_eq!(ModelFiles::parse(b"").unwrap().files(), []);
    }

    #[test]
    fn what_differs_is_named_file_by_file() {
        let before = files(&[("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")]);
        let after = files(&[("a", "1"), ("b", "changed"), ("bb", "2"), ("d", "4"), ("e", "5")]);
        let differences = before.differences(&after);
        let told: Vec<String> = differences.iter().map(ToString::to_string).collect();
        assert_eq!(told, ["differs: b", "extra: bb", "missing: c", "extra: e"]);
        assert_eq!(before.differences(&before), []);
        assert_eq!(after.differences(&before).len(), 4);
    }

    #[test]
    fn rejected_lists_say_where() {
        let digest = Hash::of(b"1");
        let upper = digest.to_string().to_uppercase();
        for (wrong, line) in [
            ("x".to_owned(), 1),
            (format!("{digest}  a"), 1),
            (format!("{digest} a\n"), 1),
            (format!("{upper}  a\n"), 1),
            (format!("{digest}  \n"), 1),
            (format!("{digest}  /a\n"), 1),
            (format!("{digest}  ../a\n"), 1),
            (format!("{digest}  a//b\n"), 1),
            (format!("{digest}  b\n{digest}  a\n"), 2),
            (format!("{digest}  a\n{digest}  a\n"), 2),
            (format!("{digest}  a\n\n"), 2),
        ] {
            assert_eq!(ModelFiles::parse(wrong.as_bytes()), Err(ModelFilesError::Line { line }), "{wrong:?}");
        }
    }

    #[test]
    fn a_path_stands_once_and_inside_the_model() {
        let file = |path: &str| ModelFile { path: path.to_owned(), sha256: Hash::ZERO };
        for wrong in ["", "/", "/a", "a/", "a/../b", "./a", "a/./b", "a\nb", "a\0b"] {
            let error = ModelFiles::new(vec![file(wrong)]).unwrap_err();
            assert!(matches!(error, ModelFilesError::Path { .. }), "{wrong:?}");
        }
        let twice = ModelFiles::new(vec![file("a"), file("b"), file("a")]);
        assert_eq!(twice.unwrap_err(), ModelFilesError::Twice { path: "a".into() });
        assert!(ModelFiles::new(vec![file(".")]).is_ok());
    }

    proptest! {
        #[test]
        fn no_input_panics_and_what_parses_has_one_text(list in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(files) = ModelFiles::parse(&list) {
                prop_assert_eq!(files.to_list(), list);
            }
        }
    }
}
