//! The two kinds of bundles in a pack: entries, each after its length in two bytes (C2SP tlog-tiles), and the notes
//! of batches, each after its length in four. Both lengths are big-endian.

use std::fmt;
use std::ops::Range;

use rayon::prelude::*;

use crate::hash::Hash;
use crate::merkle::tile::{EntryBundle, TILE_WIDTH, perfect_root};
use crate::merkle::tree::leaf_hash;
use crate::store::frame::{FRAME_ENTRY_BYTES_MAX, FRAME_NOTE_BYTES_MAX};

/// The most bytes of an entry bundle.
pub const ENTRY_BUNDLE_BYTES_MAX: usize = TILE_WIDTH as usize * (2 + FRAME_ENTRY_BYTES_MAX);
/// The most bytes of a bundle of notes.
pub const NOTE_BUNDLE_BYTES_MAX: usize = TILE_WIDTH as usize * (4 + FRAME_NOTE_BYTES_MAX);

/// Why a bundle's bytes are not what its name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// It ends inside a part, or before the last one.
    #[error("it ends after {found} of {expected}")]
    Short {
        /// Parts that are whole.
        found: usize,
        /// Parts that its width says.
        expected: usize,
    },
    /// A length is 0, or beyond the bound.
    #[error("part {place} is said to have {length} bytes")]
    Length {
        /// Which part, from 0.
        place: usize,
        /// What its length field says.
        length: usize,
    },
    /// Bytes follow after the last part.
    #[error("bytes follow after the last of {expected}")]
    Long {
        /// Parts that its width says.
        expected: usize,
    },
}

/// Puts one more entry, of 1 to 65,535 bytes, into a bundle.
pub(super) fn push_entry(bundle: &mut Vec<u8>, entry: &[u8]) {
    let length = u16::try_from(entry.len()).expect("a frame's entry has at most 65,535 bytes");
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(entry);
}

/// Puts one more note, of 1 to 65,536 bytes, into a bundle.
pub(super) fn push_note(bundle: &mut Vec<u8>, note: &[u8]) {
    let length = u32::try_from(note.len()).expect("a frame's note has at most 65,536 bytes");
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(note);
}

/// Where the entries of a bundle of `width` stand in its bytes, as far as they are whole; and what is wrong, if
/// anything is.
pub fn split_entries(bytes: &[u8], width: u16) -> (Vec<Range<usize>>, Result<(), BundleError>) {
    let length = |field: &[u8]| field.first_chunk().map(|field| usize::from(u16::from_be_bytes(*field)));
    split(bytes, width, 2, FRAME_ENTRY_BYTES_MAX, length)
}

/// As [`split_entries`], for a bundle of notes.
pub fn split_notes(bytes: &[u8], width: u16) -> (Vec<Range<usize>>, Result<(), BundleError>) {
    let length = |field: &[u8]| field.first_chunk().map(|field| u32::from_be_bytes(*field) as usize);
    split(bytes, width, 4, FRAME_NOTE_BYTES_MAX, length)
}

fn split(
    bytes: &[u8],
    width: u16,
    field_bytes: usize,
    length_max: usize,
    length_of: impl Fn(&[u8]) -> Option<usize>,
) -> (Vec<Range<usize>>, Result<(), BundleError>) {
    let expected = usize::from(width);
    let mut parts = Vec::with_capacity(expected);
    let mut at = 0;
    for place in 0..expected {
        let Some(length) = length_of(&bytes[at..]) else {
            return (parts, Err(BundleError::Short { found: place, expected }));
        };
        if !(1..=length_max).contains(&length) {
            return (parts, Err(BundleError::Length { place, length }));
        }
        let part = at + field_bytes..at + field_bytes + length;
        if part.end > bytes.len() {
            return (parts, Err(BundleError::Short { found: place, expected }));
        }
        at = part.end;
        parts.push(part);
    }
    let rest = if at == bytes.len() { Ok(()) } else { Err(BundleError::Long { expected }) };
    (parts, rest)
}

/// The leaf hashes of a bundle, and the root over them where there are 256.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashedBundle {
    /// Leaf hashes, at most 256.
    pub row: Vec<Hash>,
    /// The hash that stands in the row of the tile above.
    pub root: Option<Hash>,
}

impl HashedBundle {
    /// Hashes entries.
    #[must_use]
    pub fn of<'a>(entries: impl Iterator<Item = &'a [u8]>) -> Self {
        let row: Vec<Hash> = entries.map(leaf_hash).collect();
        let root = if row.len() == usize::from(TILE_WIDTH) { perfect_root(&row) } else { None };
        Self { row, root }
    }
}

/// Entries on their way into bundles, a group of bundles at a time, so that all cores have some to hash.
#[derive(Debug, Default)]
pub(super) struct BundleGroup {
    bundles: Vec<OpenBundle>,
    /// Of all of them.
    bytes: usize,
    /// The index of the next entry.
    next_index: u64,
}

/// A group is handed on when it holds so many bytes, or bundles.
const GROUP_BYTES: usize = 16 << 20;
const GROUP_BUNDLES: usize = 64;

/// A bundle, filled from its first entry on.
#[derive(Debug, Default)]
pub(super) struct OpenBundle {
    pub(super) index: u64,
    /// As in its file.
    pub(super) bytes: Vec<u8>,
    /// Where its entries stand.
    parts: Vec<Range<usize>>,
}

impl OpenBundle {
    /// Its name.
    pub(super) fn place(&self) -> EntryBundle {
        let width = u16::try_from(self.parts.len()).expect("at most 256");
        EntryBundle::new(self.index, width).expect("a bundle is begun with its first entry")
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &[u8]> {
        self.parts.iter().map(|part| &self.bytes[part.clone()])
    }
}

impl BundleGroup {
    /// Takes the next entry.
    pub(super) fn push(&mut self, entry: &[u8]) {
        let width = u64::from(TILE_WIDTH);
        if self.next_index.is_multiple_of(width) {
            self.bundles.push(OpenBundle { index: self.next_index / width, ..OpenBundle::default() });
        }
        let bundle = self.bundles.last_mut().expect("it begins at a bundle's first entry");
        push_entry(&mut bundle.bytes, entry);
        bundle.parts.push(bundle.bytes.len() - entry.len()..bundle.bytes.len());
        self.bytes += entry.len();
        self.next_index += 1;
    }

    /// Whether it holds whole bundles only, and enough of them to be handed on.
    pub(super) fn is_due(&self) -> bool {
        let is_whole = self.next_index.is_multiple_of(u64::from(TILE_WIDTH));
        is_whole && (self.bytes >= GROUP_BYTES || self.bundles.len() >= GROUP_BUNDLES)
    }

    /// Hands all bundles to `work` on all cores, with the hashes of their entries; gives the answers in order.
    pub(super) fn drain<T: Send, E: Send>(
        &mut self,
        work: impl Fn(&OpenBundle, &HashedBundle) -> Result<T, E> + Sync,
    ) -> Result<Vec<(HashedBundle, T)>, E> {
        self.bytes = 0;
        let bundles = std::mem::take(&mut self.bundles);
        let hash_and_work = |bundle: OpenBundle| {
            let hashed = HashedBundle::of(bundle.entries());
            let done = work(&bundle, &hashed)?;
            Ok((hashed, done))
        };
        bundles.into_par_iter().map(hash_and_work).collect()
    }
}

/// A bundle's or tile's path under another beginning: `batches/x001/234.p/5`.
#[derive(Debug, Clone, Copy)]
pub struct NoteBundle(pub(super) EntryBundle);

const ENTRIES_PREFIX: &str = "tile/entries/";
const NOTES_PREFIX: &str = "batches/";

impl NoteBundle {
    /// Reads a path, strictly.
    #[must_use]
    pub fn parse(path: &str) -> Option<Self> {
        format!("{ENTRIES_PREFIX}{}", path.strip_prefix(NOTES_PREFIX)?).parse().ok().map(Self)
    }
}

impl fmt::Display for NoteBundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.0.to_string();
        write!(f, "{NOTES_PREFIX}{}", path.strip_prefix(ENTRIES_PREFIX).unwrap_or(&path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_and_notes_read_back() {
        let (mut entries, mut notes) = (Vec::new(), Vec::new());
        for part in [b"one".as_slice(), b"twelve"] {
            push_entry(&mut entries, part);
            push_note(&mut notes, part);
        }
        assert_eq!(entries, b"\0\x03one\0\x06twelve");
        assert_eq!(notes, b"\0\0\0\x03one\0\0\0\x06twelve");
        let (parts, result) = split_entries(&entries, 2);
        assert_eq!((&entries[parts[0].clone()], &entries[parts[1].clone()]), (&b"one"[..], &b"twelve"[..]));
        assert_eq!(result, Ok(()));
        assert_eq!(split_notes(&notes, 2).1, Ok(()));
    }

    #[test]
    fn what_a_bundle_lacks_or_has_too_much_is_told() {
        let mut bytes = Vec::new();
        push_entry(&mut bytes, b"one");
        let (parts, result) = split_entries(&bytes, 2);
        assert_eq!((parts.len(), result), (1, Err(BundleError::Short { found: 1, expected: 2 })));
        for cut in 0..bytes.len() {
            assert_eq!(split_entries(&bytes[..cut], 1).1, Err(BundleError::Short { found: 0, expected: 1 }));
        }
        bytes.push(0);
        assert_eq!(split_entries(&bytes, 1).1, Err(BundleError::Long { expected: 1 }));
        assert_eq!(split_entries(&[0, 0, 7], 1).1, Err(BundleError::Length { place: 0, length: 0 }));
        let huge = [0xff; 8];
        let length = u32::MAX as usize;
        assert_eq!(split_notes(&huge, 1).1, Err(BundleError::Length { place: 0, length }));
    }

    #[test]
    fn note_bundles_have_one_path_each() {
        for path in ["batches/000", "batches/x001/234.p/5"] {
            assert_eq!(NoteBundle::parse(path).unwrap().to_string(), path);
        }
        for path in ["batches/0", "tile/entries/000", "batches/000.p/0", "batches/000.p/256"] {
            assert!(NoteBundle::parse(path).is_none(), "{path}");
        }
    }
}
