//! The batch frame: entries and the checkpoint note that covers them, as one checksummed run of bytes.
//!
//! The same bytes stand in a log file and will be one object in object storage (decisions 1 and 9;
//! docs/format.md, "Frame"). All integers are little-endian, and nothing is padded:
//!
//! ```text
//! offset  bytes
//!      0      8  magic `ROLLBTCH`
//!      8      4  version, 1
//!     12      8  index of the first entry
//!     20      4  count of entries, 1 to 4,096
//!     24      4  length of the whole frame, magic and checksum included, at most 16 MiB
//!     28         count × (u32 length, 1 to 65,535 ‖ entry bytes)
//!                u32 length, 1 to 65,536 ‖ checkpoint note bytes
//!   last      4  CRC-32C over all bytes before it
//! ```
//!
//! What the entries and the note say is left to `log`, what follows what to [`super::scan`]. In every
//! version the first 28 bytes and the last 4 keep their meaning, so that a whole frame of a newer
//! version can be told from a damaged one.

use std::ops::Range;

/// The first eight bytes of every frame.
pub const FRAME_MAGIC: [u8; 8] = *b"ROLLBTCH";
/// The one version that this code reads and writes.
pub const FRAME_VERSION: u32 = 1;
/// Bytes from the magic to the end of the length field.
pub const FRAME_HEADER_BYTES: usize = 28;
/// The most entries in one frame. A batch is what one `fdatasync` covers; above this, latency grows
/// and nothing is gained.
pub const FRAME_ENTRIES_MAX: usize = 4_096;
/// The most bytes of one entry: a C2SP entry bundle's length prefix is 16 bits wide.
pub const FRAME_ENTRY_BYTES_MAX: usize = 65_535;
/// The most bytes of a checkpoint note. It holds a few lines and at most some dozens of signatures.
pub const FRAME_NOTE_BYTES_MAX: usize = 64 << 10;
/// The most bytes of a frame, so that a reader's buffer has a bound.
pub const FRAME_BYTES_MAX: usize = 16 << 20;
/// The fewest bytes of a frame: one entry and one note of one byte each.
pub const FRAME_BYTES_MIN: usize = FRAME_HEADER_BYTES + 2 * (LENGTH_BYTES + 1) + CHECKSUM_BYTES;

const LENGTH_BYTES: usize = 4;
const CHECKSUM_BYTES: usize = 4;

/// Why bytes are not a frame, or cannot become one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The bytes are the beginning of a frame and end too early.
    #[error("the frame is incomplete: {needed} bytes are needed, {actual} are there")]
    Incomplete {
        /// Bytes needed from the frame's beginning, as far as that can be told.
        needed: usize,
        /// Bytes that are there.
        actual: usize,
    },
    /// The bytes do not begin with [`FRAME_MAGIC`].
    #[error("no frame begins here")]
    Magic,
    /// The length field is outside [`FRAME_BYTES_MIN`] to [`FRAME_BYTES_MAX`].
    #[error("the frame's length field says {length} bytes, outside {FRAME_BYTES_MIN} to {FRAME_BYTES_MAX}")]
    Length {
        /// What the field says.
        length: u64,
    },
    /// The checksum does not fit the bytes before it.
    #[error("the frame's checksum is {actual:08x}, its bytes give {expected:08x}")]
    Checksum {
        /// Computed over the bytes.
        expected: u32,
        /// Found behind them.
        actual: u32,
    },
    /// A whole frame with a fitting checksum, of a version that this code does not know.
    #[error("the frame is of version {0}; this program reads version {FRAME_VERSION}")]
    Version(u32),
    /// A whole frame with a fitting checksum whose inside breaks the layout or a bound: not the work of
    /// a torn write.
    #[error("the frame is malformed: {0}")]
    Malformed(&'static str),
}

impl FrameError {
    /// Says whether an interrupted write can leave such bytes behind: they end too early, or fail their
    /// checksum. A header that did not reach the disk (zeros where magic and length belong) fails with
    /// everything that its frame holds, and counts as the latter.
    #[must_use]
    pub const fn may_be_torn_write(&self) -> bool {
        matches!(self, Self::Incomplete { .. } | Self::Checksum { .. } | Self::Magic | Self::Length { .. })
    }
}

/// The fields at a frame's front, within their bounds; the rest of the frame is not checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    version: u32,
    first_index: u64,
    count: u32,
    length: u32,
}

impl FrameHeader {
    /// Reads the header at the front of `bytes`.
    ///
    /// # Errors
    /// [`FrameError::Incomplete`] below [`FRAME_HEADER_BYTES`], [`FrameError::Magic`] and
    /// [`FrameError::Length`]. Version and count are judged after the checksum, by [`FrameView::parse`].
    pub fn parse(bytes: &[u8]) -> Result<Self, FrameError> {
        let magic = &bytes[..bytes.len().min(FRAME_MAGIC.len())];
        if !FRAME_MAGIC.starts_with(magic) {
            return Err(FrameError::Magic);
        }
        if bytes.len() < FRAME_HEADER_BYTES {
            return Err(FrameError::Incomplete { needed: FRAME_HEADER_BYTES, actual: bytes.len() });
        }
        let length = u32_at(bytes, 24);
        if !(FRAME_BYTES_MIN..=FRAME_BYTES_MAX).contains(&(length as usize)) {
            return Err(FrameError::Length { length: length.into() });
        }
        Ok(Self {
            version: u32_at(bytes, 8),
            first_index: u64_at(bytes, 12),
            count: u32_at(bytes, 20),
            length,
        })
    }

    /// The frame's format version.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// The index of the first entry.
    #[must_use]
    pub const fn first_index(&self) -> u64 {
        self.first_index
    }

    /// How many entries the frame says it holds.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// The index after the last entry: the tree size that the frame's checkpoint covers. Saturates,
    /// which no sound frame can reach.
    #[must_use]
    pub const fn next_index(&self) -> u64 {
        self.first_index.saturating_add(self.count as u64)
    }

    /// Bytes of the whole frame.
    #[must_use]
    pub const fn length(&self) -> u32 {
        self.length
    }
}

/// A sound frame, borrowed: checksum, layout and bounds have been checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameView<'a> {
    bytes: &'a [u8],
    header: FrameHeader,
    /// Where the note's length field stands; the entries fill what lies between header and it.
    note_at: usize,
}

impl<'a> FrameView<'a> {
    /// Reads the frame at the front of `bytes`, which may go on after it.
    ///
    /// # Errors
    /// Each variant of [`FrameError`], in this order: magic, incomplete, length, checksum, version,
    /// malformed. So [`FrameError::Version`] and [`FrameError::Malformed`] are said only of whole frames.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, FrameError> {
        let header = FrameHeader::parse(bytes)?;
        let length = header.length as usize;
        let Some(bytes) = bytes.get(..length) else {
            return Err(FrameError::Incomplete { needed: length, actual: bytes.len() });
        };
        let (covered, checksum) = bytes.split_at(length - CHECKSUM_BYTES);
        let (expected, actual) = (crc32c::crc32c(covered), u32_at(checksum, 0));
        if expected != actual {
            return Err(FrameError::Checksum { expected, actual });
        }
        if header.version != FRAME_VERSION {
            return Err(unknown_version(header.version));
        }
        let note_at = check_inside(covered, &header)?;
        Ok(Self { bytes, header, note_at })
    }

    /// What was found out about the bytes, without them.
    pub(super) const fn parts(&self) -> FrameParts {
        FrameParts { header: self.header, note_at: self.note_at }
    }

    /// The view of which `parts` was said, on the same bytes.
    pub(super) const fn from_parts(bytes: &'a [u8], parts: FrameParts) -> Self {
        Self { bytes, header: parts.header, note_at: parts.note_at }
    }

    /// The header's fields.
    #[must_use]
    pub const fn header(&self) -> FrameHeader {
        self.header
    }

    /// The index of the first entry.
    #[must_use]
    pub const fn first_index(&self) -> u64 {
        self.header.first_index
    }

    /// How many entries there are, 1 to [`FRAME_ENTRIES_MAX`].
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.header.count
    }

    /// The index after the last entry: the tree size that [`Self::note`] covers.
    #[must_use]
    pub const fn next_index(&self) -> u64 {
        self.header.next_index()
    }

    /// The frame's own bytes, from magic to checksum.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The entries' bytes, in order.
    #[must_use]
    pub fn entries(&self) -> Entries<'a> {
        Entries { rest: &self.bytes[..self.note_at], at: FRAME_HEADER_BYTES }
    }

    /// For each entry, where in the frame its four-byte length field stands (its bytes follow). What
    /// the index keeps, so that one entry is read without its batch.
    pub fn entry_offsets(&self) -> impl Iterator<Item = u32> + use<'a> {
        self.entries().with_offsets().map(|(offset, _)| offset)
    }

    /// The checkpoint note's bytes.
    #[must_use]
    pub fn note(&self) -> &'a [u8] {
        &self.bytes[self.note_at + LENGTH_BYTES..self.bytes.len() - CHECKSUM_BYTES]
    }
}

/// What parsing found out about a sound frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameParts {
    header: FrameHeader,
    note_at: usize,
}

impl FrameParts {
    pub(super) const fn header(&self) -> FrameHeader {
        self.header
    }
}

/// A sound frame that owns its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    bytes: Vec<u8>,
    parts: FrameParts,
}

impl Frame {
    /// Takes bytes that are one frame and nothing else.
    ///
    /// # Errors
    /// As [`FrameView::parse`]; [`FrameError::Malformed`] too where bytes follow after the frame.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, FrameError> {
        let view = FrameView::parse(&bytes)?;
        if view.bytes.len() != bytes.len() {
            return Err(FrameError::Malformed("bytes follow after the frame"));
        }
        let parts = view.parts();
        Ok(Self { bytes, parts })
    }

    /// The frame, borrowed; nothing is checked again.
    #[must_use]
    pub fn view(&self) -> FrameView<'_> {
        FrameView::from_parts(&self.bytes, self.parts)
    }

    /// The frame's bytes.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

impl From<FrameView<'_>> for Frame {
    fn from(view: FrameView<'_>) -> Self {
        Self { bytes: view.bytes.to_vec(), parts: view.parts() }
    }
}

/// The entries of a frame, in order.
#[derive(Debug, Clone)]
pub struct Entries<'a> {
    /// The frame up to its note.
    rest: &'a [u8],
    /// Where the next entry's length field stands.
    at: usize,
}

impl<'a> Entries<'a> {
    /// The same, each with the place of its length field in the frame.
    pub fn with_offsets(self) -> impl Iterator<Item = (u32, &'a [u8])> + use<'a> {
        let mut entries = self;
        std::iter::from_fn(move || {
            let at = u32::try_from(entries.at).expect("a frame is at most 16 MiB");
            entries.next().map(|entry| (at, entry))
        })
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let range = field_at(self.rest, self.at)?;
        self.at = range.end;
        Some(&self.rest[range])
    }
}

/// Encodes a frame whose first entry has index `first_index`.
///
/// # Errors
/// [`FrameError::Malformed`] where a bound of the layout is broken.
pub fn encode_frame<E: AsRef<[u8]>>(
    first_index: u64,
    entries: &[E],
    note: &[u8],
) -> Result<Vec<u8>, FrameError> {
    check_bounds(first_index, entries, note)?;
    let length = frame_length(entries.iter().map(|entry| entry.as_ref().len()), note.len());
    if length > FRAME_BYTES_MAX {
        return Err(FrameError::Malformed("it would be longer than 16 MiB"));
    }
    let mut frame = Vec::with_capacity(length);
    frame.extend_from_slice(&FRAME_MAGIC);
    frame.extend_from_slice(&FRAME_VERSION.to_le_bytes());
    frame.extend_from_slice(&first_index.to_le_bytes());
    frame.extend_from_slice(&bounded_u32(entries.len()).to_le_bytes());
    frame.extend_from_slice(&bounded_u32(length).to_le_bytes());
    for field in entries.iter().map(AsRef::as_ref).chain([note]) {
        frame.extend_from_slice(&bounded_u32(field.len()).to_le_bytes());
        frame.extend_from_slice(field);
    }
    let checksum = crc32c::crc32c(&frame);
    frame.extend_from_slice(&checksum.to_le_bytes());
    Ok(frame)
}

/// Bytes of the frame that holds entries of these lengths and a note of `note_bytes`: what a writer asks
/// before it takes one more entry into a batch.
#[must_use]
pub fn frame_length(entry_bytes: impl IntoIterator<Item = usize>, note_bytes: usize) -> usize {
    let fields = entry_bytes.into_iter().chain([note_bytes]);
    let inside = fields.fold(0usize, |sum, bytes| sum.saturating_add(bytes).saturating_add(LENGTH_BYTES));
    inside.saturating_add(FRAME_HEADER_BYTES + CHECKSUM_BYTES)
}

fn check_bounds<E: AsRef<[u8]>>(first_index: u64, entries: &[E], note: &[u8]) -> Result<(), FrameError> {
    let entry_is_bounded = |entry: &E| (1..=FRAME_ENTRY_BYTES_MAX).contains(&entry.as_ref().len());
    if !(1..=FRAME_ENTRIES_MAX).contains(&entries.len()) {
        return Err(FrameError::Malformed("it must hold 1 to 4,096 entries"));
    }
    if !entries.iter().all(entry_is_bounded) {
        return Err(FrameError::Malformed("an entry must be of 1 to 65,535 bytes"));
    }
    if !(1..=FRAME_NOTE_BYTES_MAX).contains(&note.len()) {
        return Err(FrameError::Malformed("the note must be of 1 to 65,536 bytes"));
    }
    if first_index.checked_add(entries.len() as u64).is_none() {
        return Err(FrameError::Malformed("its last index is beyond 64 bits"));
    }
    Ok(())
}

/// Version 0 was never written; every other unknown one is somebody's future.
fn unknown_version(version: u32) -> FrameError {
    if version == 0 {
        FrameError::Malformed("version 0 does not exist")
    } else {
        FrameError::Version(version)
    }
}

/// Walks the fields between header and checksum, and returns where the note's length field stands.
fn check_inside(covered: &[u8], header: &FrameHeader) -> Result<usize, FrameError> {
    if !(1..=FRAME_ENTRIES_MAX).contains(&(header.count as usize)) {
        return Err(FrameError::Malformed("its count is outside 1 to 4,096"));
    }
    if header.first_index.checked_add(header.count.into()).is_none() {
        return Err(FrameError::Malformed("its last index is beyond 64 bits"));
    }
    let mut at = FRAME_HEADER_BYTES;
    for _ in 0..header.count {
        let entry = field_at(covered, at).ok_or(FrameError::Malformed("an entry goes beyond the frame"))?;
        if !(1..=FRAME_ENTRY_BYTES_MAX).contains(&entry.len()) {
            return Err(FrameError::Malformed("an entry is not of 1 to 65,535 bytes"));
        }
        at = entry.end;
    }
    let note = field_at(covered, at).ok_or(FrameError::Malformed("the note goes beyond the frame"))?;
    if !(1..=FRAME_NOTE_BYTES_MAX).contains(&note.len()) {
        return Err(FrameError::Malformed("the note is not of 1 to 65,536 bytes"));
    }
    if note.end != covered.len() {
        return Err(FrameError::Malformed("bytes stand between note and checksum"));
    }
    Ok(at)
}

/// Where the bytes of the field lie whose length stands at `at`; none where they end too early.
fn field_at(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let start = at.checked_add(LENGTH_BYTES)?;
    let length = u32::from_le_bytes(bytes.get(at..start)?.try_into().ok()?);
    let end = start.checked_add(length as usize)?;
    (end <= bytes.len()).then_some(start..end)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

fn bounded_u32(value: usize) -> u32 {
    u32::try_from(value).expect("the bounds were checked, and lie far below 32 bits")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample() -> Vec<u8> {
        encode_frame(7, &[b"first".as_slice(), b"2nd"], b"note\n").unwrap()
    }

    /// Puts a fitting checksum behind `bytes` whose own last four are dropped.
    fn resealed(mut bytes: Vec<u8>) -> Vec<u8> {
        bytes.truncate(bytes.len() - CHECKSUM_BYTES);
        let checksum = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes
    }

    #[test]
    fn layout_is_the_documented_one() {
        let mut expected = Vec::new();
        expected.extend_from_slice(b"ROLLBTCH");
        expected.extend_from_slice(&[1, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 57, 0, 0, 0]);
        expected.extend_from_slice(b"\x05\0\0\0first\x03\0\0\x002nd\x05\0\0\0note\n");
        // CRC-32C by its definition: reflected polynomial 0x82f63b78, one bit at a time.
        let crc = !expected.iter().fold(!0u32, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
                if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 }
            })
        });
        expected.extend_from_slice(&crc.to_le_bytes());
        assert_eq!(sample(), expected);
    }

    #[test]
    fn a_frame_reads_back_and_what_follows_is_left_alone() {
        let bytes = [sample(), b"more".to_vec()].concat();
        let view = FrameView::parse(&bytes).unwrap();
        assert_eq!((view.first_index(), view.count(), view.next_index()), (7, 2, 9));
        assert_eq!(view.entries().collect::<Vec<_>>(), [b"first".as_slice(), b"2nd"]);
        assert_eq!(view.note(), b"note\n");
        assert_eq!(view.entry_offsets().collect::<Vec<_>>(), [28, 37]);
        assert_eq!(view.bytes(), sample());
        assert_eq!(Frame::from(view), Frame::parse(sample()).unwrap());
        assert_eq!(Frame::parse(bytes), Err(FrameError::Malformed("bytes follow after the frame")));
    }

    #[test]
    fn every_truncation_is_incomplete() {
        let frame = sample();
        for end in 0..frame.len() {
            let error = FrameView::parse(&frame[..end]).unwrap_err();
            let needed = if end < FRAME_HEADER_BYTES { FRAME_HEADER_BYTES } else { frame.len() };
            assert_eq!(error, FrameError::Incomplete { needed, actual: end });
        }
    }

    #[test]
    fn every_changed_byte_is_detected() {
        let frame = sample();
        for at in 0..frame.len() {
            for mask in 1..=255 {
                let mut changed = frame.clone();
                changed[at] ^= mask;
                let error = FrameView::parse(&changed).unwrap_err();
                assert!(error.may_be_torn_write(), "byte {at} ^ {mask:02x} is taken for more than damage");
            }
        }
    }

    #[test]
    fn a_newer_version_is_told_from_damage() {
        let mut newer = sample();
        newer[8] = 2;
        assert!(matches!(FrameView::parse(&newer), Err(FrameError::Checksum { .. })));
        // Its inside may be anything: only header and checksum keep their meaning.
        newer[20..24].copy_from_slice(&[0xff; 4]);
        newer[28..32].copy_from_slice(&[0xff; 4]);
        let error = FrameView::parse(&resealed(newer.clone())).unwrap_err();
        assert_eq!(error, FrameError::Version(2));
        assert!(!error.may_be_torn_write());
        newer[8] = 0;
        assert!(matches!(FrameView::parse(&resealed(newer)), Err(FrameError::Malformed(_))));
    }

    #[test]
    fn sealed_frames_with_a_broken_inside_are_malformed() {
        let change = |at: usize, with: &[u8]| {
            let mut frame = sample();
            frame[at..at + with.len()].copy_from_slice(with);
            FrameView::parse(&resealed(frame)).map(|view| view.count())
        };
        assert_eq!(change(28, &[5]), Ok(2));
        for (what, at, with) in [
            ("count 0", 20, [0, 0, 0, 0]),
            ("count 4,097", 20, [1, 16, 0, 0]),
            ("one entry too few", 20, [1, 0, 0, 0]),
            ("one entry too many", 20, [3, 0, 0, 0]),
            ("an empty entry", 28, [0, 0, 0, 0]),
            ("an entry beyond the frame", 28, [255, 255, 255, 255]),
            ("a shorter entry", 28, [4, 0, 0, 0]),
            ("a shorter note", 44, [4, 0, 0, 0]),
            ("an empty note", 44, [0, 0, 0, 0]),
            ("a longer note", 44, [6, 0, 0, 0]),
        ] {
            assert!(matches!(change(at, &with), Err(FrameError::Malformed(_))), "{what}");
        }
        let mut last = sample();
        last[12..20].copy_from_slice(&[0xff; 8]);
        assert!(matches!(FrameView::parse(&resealed(last)), Err(FrameError::Malformed(_))));
    }

    #[test]
    fn bounds_hold_when_encoding() {
        let malformed = |entries: &[Vec<u8>], note: &[u8]| {
            matches!(encode_frame(0, entries, note), Err(FrameError::Malformed(_)))
        };
        assert!(malformed(&[], b"n"));
        assert!(malformed(&[vec![]], b"n"));
        assert!(malformed(&[vec![0; FRAME_ENTRY_BYTES_MAX + 1]], b"n"));
        assert!(malformed(&[vec![0]], b""));
        assert!(malformed(&[vec![0]], &vec![0; FRAME_NOTE_BYTES_MAX + 1]));
        assert!(malformed(&vec![vec![0]; FRAME_ENTRIES_MAX + 1], b"n"));
        assert!(malformed(&vec![vec![0; FRAME_ENTRY_BYTES_MAX]; 256], b"n"), "16 MiB and a bit");
        assert!(encode_frame(u64::MAX, &[b"e"], b"n").is_err());

        let widest =
            encode_frame(0, &vec![vec![1; 4_000]; FRAME_ENTRIES_MAX], &vec![b'n'; FRAME_NOTE_BYTES_MAX]);
        let widest = widest.unwrap();
        assert_eq!(FrameView::parse(&widest).unwrap().count() as usize, FRAME_ENTRIES_MAX);
        let smallest = encode_frame(0, &[b"e"], b"n").unwrap();
        assert_eq!(smallest.len(), FRAME_BYTES_MIN);
        assert_eq!(frame_length([1], 1), FRAME_BYTES_MIN);
    }

    #[test]
    fn lengths_outside_the_bounds_are_refused_before_anything_is_read() {
        for length in [0, FRAME_BYTES_MIN - 1, FRAME_BYTES_MAX + 1, u32::MAX as usize] {
            let mut frame = sample();
            frame[24..28].copy_from_slice(&u32::try_from(length).unwrap().to_le_bytes());
            assert_eq!(FrameView::parse(&frame), Err(FrameError::Length { length: length as u64 }));
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = FrameView::parse(&bytes);
            let mut sealed = [&FRAME_MAGIC, &1u32.to_le_bytes()[..], &bytes].concat();
            if sealed.len() >= FRAME_BYTES_MIN {
                let length = u32::try_from(sealed.len()).unwrap();
                sealed[24..28].copy_from_slice(&length.to_le_bytes());
                if let Ok(view) = FrameView::parse(&resealed(sealed)) {
                    prop_assert_eq!(view.entries().count(), view.count() as usize);
                }
            }
        }

        #[test]
        fn any_entries_come_back(
            first_index in 0..u64::MAX / 2,
            entries in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..50), 1..20),
            note in proptest::collection::vec(any::<u8>(), 1..100),
        ) {
            let bytes = encode_frame(first_index, &entries, &note).unwrap();
            let view = FrameView::parse(&bytes).unwrap();
            prop_assert_eq!(view.first_index(), first_index);
            prop_assert_eq!(view.entries().map(<[u8]>::to_vec).collect::<Vec<_>>(), entries);
            prop_assert_eq!(view.note(), &note[..]);
        }
    }
}
