//! A pack as a log of frames: each batch's frame is rebuilt from its entries and its note when it is asked for.
//!
//! On opening, the notes are read once: where a batch ends, its note's second line says. 24 bytes are kept for each
//! batch. How long a frame is, and so where the next one begins, is known once it was built: frames are built in
//! order, as a scan asks for them, and no entry is read before. What a pack lacks is left out, so that a scan finds
//! that batches are missing there, as it does in a log with a hole.
//!
//! Nothing here is believed. The frames have the right checksums whatever they hold; hashes and signatures are the
//! verifier's.

use std::fmt::Display;
use std::io;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use crate::merkle::tile::{EntryBundle, TILE_WIDTH};
use crate::note::checkpoint::CheckpointNote;
use crate::store::batch_log::{BatchSource, LogFile, StoreError};
use crate::store::frame::{FRAME_BYTES_MAX, FRAME_ENTRIES_MAX, encode_frame};

use super::bundle::{NoteBundle, split_entries, split_notes};
use super::pack_dir::{BATCHES_DIR, CHECKPOINT, Contents, FILES, FILES_BYTES_MAX, Found, PackDir};

/// No signed note is shorter: two line ends, a root in base64, a signature line. It bounds how many batches a small
/// file can stand for.
const NOTE_BYTES_MIN: usize = 64;
/// How many defects of a kind are told.
pub(super) const DEFECTS_MAX: usize = 1_000;
/// The most batches that are told apart.
const BATCHES_MAX: usize = u32::MAX as usize;

/// What is wrong with a file of a pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defect {
    /// Its path in the pack.
    pub path: String,
    /// What is wrong.
    pub reason: String,
}

impl Defect {
    pub(super) fn new(path: impl Display, reason: impl Into<String>) -> Self {
        Self { path: format!("{path}"), reason: reason.into() }
    }
}

/// A pack, opened.
#[derive(Debug)]
pub struct PackSource {
    dir: PackDir,
    note: Vec<u8>,
    /// That of the checkpoint; where that is none, of the last batch.
    size: u64,
    /// Their entries ascend.
    batches: Vec<Batch>,
    /// The log's files, ascending: the first index, and where it begins in `batches`. The first is 0, at 0.
    files: Vec<FileStart>,
    note_defects: Vec<Defect>,
    file_defects: Vec<Defect>,
    built: Mutex<Built>,
}

/// A log file: its first index, and the place of its first batch.
type FileStart = (u64, usize);

/// A batch whose entries can be told: 16 bytes.
#[derive(Debug, Clone, Copy)]
struct Batch {
    first_index: u64,
    /// Which note it has: bundle and place in it.
    number: u32,
    /// 1 to 4,096.
    count: u16,
}

impl Batch {
    const fn next_index(self) -> u64 {
        self.first_index + self.count as u64
    }
}

/// What is known of frames that were built, and the bytes read last.
#[derive(Debug, Default)]
struct Built {
    /// For each batch, in order, as far as they were built: where in its log file its frame ends.
    ends: Vec<u64>,
    /// The frame that was built last.
    frame: Option<(usize, Vec<u8>)>,
    entries: Option<OpenBundle>,
    notes: Option<OpenBundle>,
}

/// A bundle, read and cut into its parts.
#[derive(Debug)]
struct OpenBundle {
    index: u64,
    bytes: Vec<u8>,
    parts: Vec<Range<usize>>,
}

impl OpenBundle {
    fn part(&self, place: u64) -> Option<&[u8]> {
        let part = self.parts.get(usize::try_from(place).ok()?)?;
        Some(&self.bytes[part.clone()])
    }
}

impl PackSource {
    /// Opens the pack in `dir`; none where it has no `checkpoint`, and so is no pack.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn open(dir: PackDir) -> io::Result<Option<Self>> {
        let note = match dir.read_note(CHECKPOINT)? {
            Contents::Missing => return Ok(None),
            // No checkpoint can be read from it, which is found when it is held against the log.
            Contents::TooLong => Vec::new(),
            Contents::Bytes(note) => note,
        };
        let (batches, mut note_defects) = read_batches(&dir)?;
        let end = batches.last().map_or(0, |batch| batch.next_index());
        let size = CheckpointNote::parse_unverified(&note).map_or(end, |note| note.checkpoint().size());
        if end < size {
            let reason = format!("the notes end at size {end}, and the checkpoint's is {size}");
            note_defects.push(Defect::new(BATCHES_DIR, reason));
        }
        let (files, file_defects) = read_files(&dir, &batches, size)?;
        let built = Mutex::default();
        Ok(Some(Self { dir, note, size, batches, files, note_defects, file_defects, built }))
    }

    /// The bytes of `checkpoint`.
    #[must_use]
    pub fn note(&self) -> &[u8] {
        &self.note
    }

    /// The size that `checkpoint` says.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The pack's files.
    #[must_use]
    pub const fn dir(&self) -> &PackDir {
        &self.dir
    }

    /// What is wrong with the bundles of notes.
    #[must_use]
    pub fn note_defects(&self) -> &[Defect] {
        &self.note_defects
    }

    /// What is wrong with `files`.
    #[must_use]
    pub fn file_defects(&self) -> &[Defect] {
        &self.file_defects
    }

    /// The batches of the log file `number`.
    fn batches_of(&self, number: usize) -> Range<usize> {
        let end = self.files.get(number + 1).map_or(self.batches.len(), |(_, start)| *start);
        self.files[number].1..end
    }

    /// The frame of a batch; none where the pack lacks a part of it.
    fn build(&self, batch: Batch, built: &mut Built) -> io::Result<Option<Vec<u8>>> {
        let mut entries = Vec::with_capacity(usize::from(batch.count));
        let mut bytes = Vec::new();
        for index in batch.first_index..batch.next_index() {
            let Some(bundle) = self.entries_with(index, &mut built.entries)? else { return Ok(None) };
            let Some(entry) = bundle.part(index % u64::from(TILE_WIDTH)) else { return Ok(None) };
            bytes.extend_from_slice(entry);
            entries.push(bytes.len() - entry.len()..bytes.len());
            if bytes.len() > FRAME_BYTES_MAX {
                return Ok(None);
            }
        }
        let number = u64::from(batch.number);
        let Some(notes) = self.notes_with(number, &mut built.notes)? else { return Ok(None) };
        let Some(note) = notes.part(number % u64::from(TILE_WIDTH)) else { return Ok(None) };
        let entries: Vec<&[u8]> = entries.into_iter().map(|entry| &bytes[entry]).collect();
        Ok(encode_frame(batch.first_index, &entries, note).ok())
    }

    /// The bundle that holds entry `index`.
    fn entries_with<'b>(
        &self,
        index: u64,
        open: &'b mut Option<OpenBundle>,
    ) -> io::Result<Option<&'b OpenBundle>> {
        let wanted = index / u64::from(TILE_WIDTH);
        if open.as_ref().is_none_or(|bundle| bundle.index != wanted) {
            *open = match bundle_of(self.size, wanted) {
                None => None,
                Some(bundle) => self.dir.read_entries(&bundle.to_string())?.bytes().map(|bytes| {
                    let (parts, _) = split_entries(&bytes, bundle.width());
                    OpenBundle { index: wanted, bytes, parts }
                }),
            };
        }
        Ok(open.as_ref())
    }

    /// The bundle that holds note `number`.
    fn notes_with<'b>(
        &self,
        number: u64,
        open: &'b mut Option<OpenBundle>,
    ) -> io::Result<Option<&'b OpenBundle>> {
        let wanted = number / u64::from(TILE_WIDTH);
        if open.as_ref().is_none_or(|bundle| bundle.index != wanted) {
            *open = self.read_note_bundle(wanted)?;
        }
        Ok(open.as_ref())
    }

    /// Reads the widest bundle of notes with this index.
    fn read_note_bundle(&self, index: u64) -> io::Result<Option<OpenBundle>> {
        for width in (1..=TILE_WIDTH).rev() {
            let bundle = EntryBundle::new(index, width).expect("a width of a bundle");
            if let Contents::Bytes(bytes) = self.dir.read_notes(&NoteBundle(bundle).to_string())? {
                let (parts, _) = split_notes(&bytes, width);
                return Ok(Some(OpenBundle { index, bytes, parts }));
            }
        }
        Ok(None)
    }
}

/// The entry bundle with `index` in a tree of `size`; none where it has none.
pub(super) fn bundle_of(size: u64, index: u64) -> Option<EntryBundle> {
    let width = size.checked_sub(index.checked_mul(u64::from(TILE_WIDTH))?)?.min(u64::from(TILE_WIDTH));
    EntryBundle::new(index, u16::try_from(width).ok()?).ok()
}

impl BatchSource for PackSource {
    /// The lengths are bounds: how long a file is, nobody knows before its frames were built.
    fn files(&self) -> Result<Vec<LogFile>, StoreError> {
        let file = |(number, (first_index, _)): (usize, &FileStart)| LogFile {
            first_index: *first_index,
            bytes: (self.batches_of(number).len() as u64).saturating_mul(FRAME_BYTES_MAX as u64),
        };
        Ok(self.files.iter().enumerate().map(file).collect())
    }

    fn read_at(&self, file: u64, offset: u64, buffer: &mut [u8]) -> Result<usize, StoreError> {
        let number = self.files.binary_search_by_key(&file, |(name, _)| *name);
        let batches = self.batches_of(number.map_err(|_| StoreError::NoSuchFile { file })?);
        let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = |source| {
            let path = self.dir.path().to_owned();
            StoreError::Io { operation: "read the pack", path, source }
        };
        let mut filled = 0;
        while filled < buffer.len() {
            let at = offset.saturating_add(filled as u64);
            let known = built.ends.len().min(batches.end);
            let ends = built.ends.get(batches.start..known).unwrap_or_default();
            let place = batches.start + ends.partition_point(|end| *end <= at);
            if place == batches.end {
                break;
            }
            let is_new = place >= built.ends.len();
            // Frames before this file's may have to be built first: their ends come in order.
            let place = if is_new { built.ends.len() } else { place };
            self.bring(place, &mut built).map_err(failed)?;
            if is_new {
                continue;
            }
            let Some((_, frame)) = &built.frame else { break };
            let begin = if place == batches.start { 0 } else { built.ends[place - 1] };
            let from = usize::try_from(at - begin).unwrap_or(usize::MAX).min(frame.len());
            let count = (frame.len() - from).min(buffer.len() - filled);
            if count == 0 {
                // A frame that was whole when it was first built, and isn't any more.
                break;
            }
            buffer[filled..filled + count].copy_from_slice(&frame[from..from + count]);
            filled += count;
        }
        Ok(filled)
    }
}

impl PackSource {
    /// Makes the frame of the batch at `place` the one built last. It is among those that were built, or the next.
    fn bring(&self, place: usize, built: &mut Built) -> io::Result<()> {
        if built.frame.as_ref().is_some_and(|(of, _)| *of == place) {
            return Ok(());
        }
        let frame = self.build(self.batches[place], built)?.unwrap_or_default();
        if place == built.ends.len() {
            let begins_file = self.files.binary_search_by_key(&place, |(_, start)| *start).is_ok();
            let begin = if begins_file { 0 } else { built.ends[place - 1] };
            built.ends.push(begin + frame.len() as u64);
        }
        built.frame = Some((place, frame));
        Ok(())
    }
}

// Notes and `files`.

/// The bundles of notes that are there: index, and the widest width.
fn note_bundles(dir: &PackDir) -> io::Result<Vec<(u64, u16)>> {
    let mut found = Vec::new();
    dir.walk(BATCHES_DIR, &mut |path, kind| {
        let bundle = NoteBundle::parse(path).filter(|_| kind == Found::File);
        found.extend(bundle.map(|NoteBundle(bundle)| (bundle.index(), bundle.width())));
        Ok(())
    })?;
    found.sort_unstable_by_key(|(index, width)| (*index, TILE_WIDTH - width));
    found.dedup_by_key(|(index, _)| *index);
    Ok(found)
}

/// Every batch whose entries can be told, and what is wrong with the bundles of notes.
fn read_batches(dir: &PackDir) -> io::Result<(Vec<Batch>, Vec<Defect>)> {
    let bundles = note_bundles(dir)?;
    let mut reading = ReadingNotes { ends_at: Some(0), ..ReadingNotes::default() };
    for (place, (index, width)) in bundles.iter().enumerate() {
        let bundle = NoteBundle(EntryBundle::new(*index, *width).expect("read from a path"));
        reading.expect(*index);
        let contents = dir.read_notes(&bundle.to_string())?;
        let is_last = place + 1 == bundles.len();
        reading.take(&bundle, contents, is_last);
    }
    Ok((reading.batches, reading.defects))
}

#[derive(Default)]
struct ReadingNotes {
    batches: Vec<Batch>,
    defects: Vec<Defect>,
    /// The bundle that comes next.
    next_bundle: u64,
    /// Where the batch before ends; none where that is not known.
    ends_at: Option<u64>,
}

impl ReadingNotes {
    /// Says which bundles are missing before the one with `index`.
    fn expect(&mut self, index: u64) {
        if index > self.next_bundle {
            let missing = NoteBundle(EntryBundle::new(self.next_bundle, TILE_WIDTH).expect("a full bundle"));
            self.broken(&missing, missing_run(index - self.next_bundle));
        }
        self.next_bundle = index.saturating_add(1);
    }

    fn take(&mut self, bundle: &NoteBundle, contents: Contents, is_last: bool) {
        let (index, width) = (bundle.0.index(), bundle.0.width());
        let bytes = match contents {
            Contents::Bytes(bytes) => bytes,
            Contents::Missing => return self.broken(bundle, "it is no plain file"),
            Contents::TooLong => return self.broken(bundle, "it is larger than any bundle"),
        };
        let (parts, result) = split_notes(&bytes, width);
        for (place, part) in (0..).zip(&parts) {
            self.note(
                bundle,
                index.saturating_mul(u64::from(TILE_WIDTH)).saturating_add(place),
                &bytes[part.clone()],
            );
        }
        if let Err(error) = result {
            self.broken(bundle, error.to_string());
        } else if width < TILE_WIDTH && !is_last {
            self.broken(bundle, "it is partial, and others follow");
        }
    }

    fn note(&mut self, bundle: &NoteBundle, number: u64, note: &[u8]) {
        let place = number % u64::from(TILE_WIDTH);
        let Some(size) = size_in(note) else {
            return self.broken(bundle, format!("part {place} is no checkpoint"));
        };
        let Some(begin) = self.ends_at else {
            // Where this batch begins is not known; where the next one does, is. Batches never go back.
            let reached = self.batches.last().map_or(0, |batch| batch.next_index());
            if size < reached {
                self.broken(
                    bundle,
                    format!("part {place} is of size {size}, and one before it of {reached}"),
                );
            } else {
                self.ends_at = Some(size);
            }
            return;
        };
        let count = size.checked_sub(begin).and_then(|count| u16::try_from(count).ok());
        let count = count.filter(|count| (1..=FRAME_ENTRIES_MAX).contains(&usize::from(*count)));
        match (count, u32::try_from(number)) {
            (Some(count), Ok(number)) if self.batches.len() < BATCHES_MAX => {
                self.batches.push(Batch { first_index: begin, number, count });
                self.ends_at = Some(size);
            }
            _ => {
                let reason = format!("part {place} is of size {size}, and the one before it of {begin}");
                self.defect(bundle, reason);
                // One that goes back is passed over; behind one that is too far off, what begins there is known.
                if size > begin {
                    self.ends_at = Some(size);
                }
            }
        }
    }

    fn broken(&mut self, bundle: &NoteBundle, reason: impl Into<String>) {
        self.defect(bundle, reason);
        self.ends_at = None;
    }

    fn defect(&mut self, bundle: &NoteBundle, reason: impl Into<String>) {
        if self.defects.len() < DEFECTS_MAX {
            self.defects.push(Defect::new(bundle, reason));
        }
    }
}

/// What is said of `count` files in a row that are not there; the first one is named.
pub(super) fn missing_run(count: u64) -> String {
    match count {
        1 => "it is missing".to_owned(),
        count => format!("it is missing, and the {} after it", count - 1),
    }
}

/// The tree size in a checkpoint note, which is not looked at further: its second line.
fn size_in(note: &[u8]) -> Option<u64> {
    if note.len() < NOTE_BYTES_MIN {
        return None;
    }
    let line = std::str::from_utf8(note.split(|byte| *byte == b'\n').nth(1)?).ok()?;
    let is_decimal =
        line.bytes().all(|byte| byte.is_ascii_digit()) && (line == "0" || !line.starts_with('0'));
    line.parse().ok().filter(|_| is_decimal)
}

/// The log's files as [`PackSource`] keeps them, and what is wrong with `files`.
fn read_files(dir: &PackDir, batches: &[Batch], size: u64) -> io::Result<(Vec<FileStart>, Vec<Defect>)> {
    let defect = |reason: String| vec![Defect::new(FILES, reason)];
    let bytes = match dir.read(FILES, FILES_BYTES_MAX)? {
        Contents::Bytes(bytes) => bytes,
        Contents::Missing => return Ok((vec![(0, 0)], defect("it is missing".into()))),
        Contents::TooLong => {
            return Ok((vec![(0, 0)], defect(format!("it has more than {FILES_BYTES_MAX} bytes"))));
        }
    };
    let Some(first_indices) = parse_files(&bytes) else {
        return Ok((
            vec![(0, 0)],
            defect("it is not a list of ascending numbers from 0, one to a line".into()),
        ));
    };
    let mut files = vec![(0, 0)];
    let mut defects = Vec::new();
    // What lies beyond the checkpoint is of an export that was cut.
    for first in first_indices.into_iter().skip(1).filter(|first| *first < size) {
        match batches.binary_search_by_key(&first, |batch| batch.first_index) {
            Ok(place) if place > 0 => files.push((first, place)),
            // Said once: where notes are missing, many may be.
            _ if defects.is_empty() => defects = defect(format!("no batch begins at entry {first}")),
            _ => {}
        }
    }
    Ok((files, defects))
}

fn parse_files(bytes: &[u8]) -> Option<Vec<u64>> {
    let text = std::str::from_utf8(bytes).ok()?.strip_suffix('\n')?;
    let number = |line: &str| line.parse().ok().filter(|number: &u64| number.to_string() == line);
    let numbers: Vec<u64> = text.split('\n').map(number).collect::<Option<_>>()?;
    let ascends = numbers.windows(2).all(|pair| pair[0] < pair[1]);
    (ascends && numbers.first() == Some(&0)).then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_one_way_of_writing() {
        assert_eq!(parse_files(b"0\n"), Some(vec![0]));
        assert_eq!(parse_files(b"0\n12\n300\n"), Some(vec![0, 12, 300]));
        for bytes in
            [&b""[..], b"0", b"1\n", b"0\n0\n", b"0\n3\n2\n", b"0\n03\n", b"0\n+3\n", b"0\n\n", b"\xff\n"]
        {
            assert_eq!(parse_files(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn the_size_of_a_note_is_its_second_line() {
        let note = |size: &str| format!("example.com\n{size}\n{}\n", "A".repeat(60)).into_bytes();
        assert_eq!(size_in(&note("12")), Some(12));
        for size in ["", "012", "+1", "-1", "1 ", "99999999999999999999"] {
            assert_eq!(size_in(&note(size)), None, "{size:?}");
        }
        assert_eq!(size_in(b"a\n1\n"), None);
    }
}
