//! A log in memory: for tests, and for what never needs a disk.
//!
//! It keeps every rule of [`super::batch_log`] but durability, files and their roll size included, so that one
//! conformance suite holds for it and for [`super::files`].

use std::collections::BTreeMap;

use super::batch_log::{BatchLog, BatchSource, FrameLocation, LogFile, Position, StoreError, check_next};
use super::files::RollSize;
use super::tail::TailState;

/// A log in memory.
#[derive(Debug, Clone, Default)]
pub struct MemoryLog {
    files: BTreeMap<u64, Vec<u8>>,
    roll_size: RollSize,
    end: Option<Position>,
    torn: Vec<Vec<u8>>,
}

impl MemoryLog {
    /// An empty log.
    #[must_use]
    pub fn new(roll_size: RollSize) -> Self {
        Self { roll_size, ..Self::default() }
    }

    /// A log of the given files: first index and bytes, as they are.
    #[must_use]
    pub fn from_files(files: impl IntoIterator<Item = (u64, Vec<u8>)>, roll_size: RollSize) -> Self {
        Self { files: files.into_iter().collect(), roll_size, ..Self::default() }
    }

    /// The bytes of torn writes that were cut, oldest first.
    #[must_use]
    pub fn torn(&self) -> &[Vec<u8>] {
        &self.torn
    }
}

impl BatchSource for MemoryLog {
    fn files(&self) -> Result<Vec<LogFile>, StoreError> {
        let file = |(first_index, bytes): (&u64, &Vec<u8>)| LogFile {
            first_index: *first_index,
            bytes: bytes.len() as u64,
        };
        Ok(self.files.iter().map(file).collect())
    }

    fn read_at(&self, file: u64, offset: u64, buffer: &mut [u8]) -> Result<usize, StoreError> {
        let bytes = self.files.get(&file).ok_or(StoreError::NoSuchFile { file })?;
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let count = buffer.len().min(bytes.len() - start);
        buffer[..count].copy_from_slice(&bytes[start..start + count]);
        Ok(count)
    }
}

impl BatchLog for MemoryLog {
    fn resume(&mut self, tail: &TailState) -> Result<(), StoreError> {
        let end = tail.writable_end()?;
        let cut_at = usize::try_from(end.offset).expect("the file is in memory");
        if let Some(torn) = tail.torn() {
            let file = torn.position().file;
            let bytes = self.files.get_mut(&file).ok_or(StoreError::NoSuchFile { file })?;
            self.torn.push(bytes.split_off(cut_at.min(bytes.len())));
        }
        if let Some((&file, bytes)) = self.files.last_key_value()
            && (file, bytes.len()) != (end.file, cut_at)
        {
            return Err(StoreError::Changed { file, expected: end.offset, actual: bytes.len() as u64 });
        }
        self.end = Some(end);
        Ok(())
    }

    fn append(&mut self, frame: &[u8], first_index: u64) -> Result<FrameLocation, StoreError> {
        let end = self.end.ok_or(StoreError::NotResumed)?;
        let header = check_next(frame, first_index, end.index)?;
        let is_full = end.offset > 0 && !self.roll_size.admits(end.offset, frame.len());
        let at = if is_full { Position { file: end.index, offset: 0, index: end.index } } else { end };
        self.files.entry(at.file).or_default().extend_from_slice(frame);
        let location = FrameLocation::new(at, &header);
        self.end = Some(location.end());
        Ok(location)
    }

    fn end(&self) -> Option<Position> {
        self.end
    }
}
