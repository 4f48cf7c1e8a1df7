//! What a Git tree holds, read strictly from its raw bytes.
//!
//! A tree is a run of entries, each `<mode> <name>\0` and the raw id of what it names (docs/format.md, "Git path proofs").

use crate::event::infra::GitId;

/// What an entry of a tree is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file, executable or not.
    File,
    /// A directory: another tree.
    Directory,
    /// A symbolic link; its blob is a path.
    Symlink,
    /// A submodule: the commit of another repository.
    Submodule,
}

impl EntryKind {
    /// What Git's octal mode stands for. `100664` is of Git's first months, and still a regular file.
    fn of_mode(mode: &[u8]) -> Option<Self> {
        match mode {
            b"100644" | b"100755" | b"100664" => Some(Self::File),
            b"40000" | b"040000" => Some(Self::Directory),
            b"120000" => Some(Self::Symlink),
            b"160000" => Some(Self::Submodule),
            _ => None,
        }
    }

    /// In words, with an article.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::File => "a file",
            Self::Directory => "a directory",
            Self::Symlink => "a symbolic link",
            Self::Submodule => "a submodule",
        }
    }
}

/// One line of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeEntry<'a> {
    /// What it is.
    pub kind: EntryKind,
    /// Its name: bytes, without `/`.
    pub name: &'a [u8],
    /// The object that it names.
    pub id: GitId,
}

/// A tree that cannot be read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is no tree from byte {at} on")]
pub struct MalformedTree {
    /// Where the entry begins that is none.
    pub at: usize,
}

/// The entries of a tree, from its raw bytes; `like` is any id of the same repository.
#[must_use]
pub const fn entries<'a>(tree: &'a [u8], like: &GitId) -> Entries<'a> {
    Entries { tree, at: 0, id_bytes: like.as_slice().len() }
}

/// The entries of a tree; it ends behind the first fault.
#[derive(Debug, Clone)]
pub struct Entries<'a> {
    tree: &'a [u8],
    at: usize,
    id_bytes: usize,
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<TreeEntry<'a>, MalformedTree>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.tree.get(self.at..).filter(|rest| !rest.is_empty())?;
        let Some((entry, length)) = read_entry(rest, self.id_bytes) else {
            let at = std::mem::replace(&mut self.at, self.tree.len());
            return Some(Err(MalformedTree { at }));
        };
        self.at += length;
        Some(Ok(entry))
    }
}

/// The first entry of `rest`, and its length in bytes.
fn read_entry(rest: &[u8], id_bytes: usize) -> Option<(TreeEntry<'_>, usize)> {
    // No mode is longer than six digits.
    let mode_end = rest.iter().take(7).position(|&byte| byte == b' ')?;
    let kind = EntryKind::of_mode(&rest[..mode_end])?;
    let name_at = mode_end + 1;
    let name_end = name_at + rest[name_at..].iter().position(|&byte| byte == 0)?;
    let name = &rest[name_at..name_end];
    if name.is_empty() || name.contains(&b'/') {
        return None;
    }
    let end = name_end + 1 + id_bytes;
    let id = GitId::from_slice(rest.get(name_end + 1..end)?)?;
    Some((TreeEntry { kind, name, id }, end))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: GitId = GitId::Sha1([0xab; 20]);

    fn line(mode: &str, name: &str) -> Vec<u8> {
        [mode.as_bytes(), b" ", name.as_bytes(), b"\0", ID.as_slice()].concat()
    }

    #[test]
    fn entries_are_read_with_their_kind() {
        let tree = [
            line("100644", "a b"),
            line("100755", "run"),
            line("40000", "dir"),
            line("120000", "ln"),
            line("160000", "sub"),
        ]
        .concat();
        let read: Vec<_> =
            entries(&tree, &ID).map(Result::unwrap).map(|entry| (entry.kind, entry.name)).collect();
        let expected: [(EntryKind, &[u8]); 5] = [
            (EntryKind::File, b"a b"),
            (EntryKind::File, b"run"),
            (EntryKind::Directory, b"dir"),
            (EntryKind::Symlink, b"ln"),
            (EntryKind::Submodule, b"sub"),
        ];
        assert_eq!(read, expected);
    }

    #[test]
    fn what_is_no_tree_is_refused_where_it_ends_to_be_one() {
        for (why, second) in [
            ("an unknown mode", line("100600", "b")),
            ("no name", line("100644", "")),
            ("a name with a slash", line("100644", "b/c")),
            ("an id cut off", line("100644", "b")[..25].to_vec()),
            ("a mode without an end", b"10064400000".to_vec()),
            ("a name without an end", b"100644 name".to_vec()),
        ] {
            let first = line("100644", "a");
            let read: Vec<_> =
                entries(&[first.clone(), second].concat(), &ID).skip(1).map(Result::err).collect();
            assert_eq!(read, [Some(MalformedTree { at: first.len() })], "{why}");
        }
    }

    proptest! {
        #[test]
        fn no_input_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = entries(&bytes, &ID).count();
        }
    }
}
