//! Floors: the bare system call and the bare cryptography, with nothing of ours around them.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use rayon::prelude::*;

use crate::cli::failure::Failure;
use crate::hash::Hash;
use crate::signing::envelope::Envelope;
use crate::signing::public_key::SignatureBytes;
use crate::signing::verify::{AuditItem, BATCH_SIGNATURES, CheckedKey, audit_batch};

/// A file to which bytes are appended durably.
#[derive(Debug)]
pub struct BareFile {
    file: File,
}

impl BareFile {
    /// Makes the file.
    ///
    /// # Errors
    /// The system's.
    pub fn create(path: &Path) -> io::Result<Self> {
        Ok(Self { file: File::create(path)? })
    }

    /// How long one append of `bytes` bytes takes, with its `fdatasync`.
    ///
    /// # Errors
    /// The system's.
    pub fn append(&mut self, bytes: u64) -> io::Result<Duration> {
        let bytes = vec![0x5a; usize::try_from(bytes).unwrap_or(0)];
        let began = Instant::now();
        self.file.write_all(&bytes)?;
        self.file.sync_data()?;
        Ok(began.elapsed())
    }
}

/// How many bytes the log in the ledger `dir` takes.
///
/// # Errors
/// The system's.
pub fn log_bytes(dir: &Path) -> io::Result<u64> {
    fs::read_dir(dir.join("log"))?.map(|file| Ok(file?.metadata()?.len())).sum()
}

/// Authors' signatures, ready to be checked.
pub struct Signatures {
    checks: Vec<(CheckedKey, Vec<u8>, SignatureBytes)>,
}

impl Signatures {
    /// The signatures of `envelopes`.
    ///
    /// # Errors
    /// A key that cannot be granted.
    pub fn of<'a>(envelopes: impl IntoIterator<Item = &'a Envelope>) -> Result<Self, Failure> {
        let mut checks = Vec::new();
        let mut known: Vec<(crate::signing::public_key::PublicKey, CheckedKey)> = Vec::new();
        for envelope in envelopes {
            let message = envelope.signing_bytes();
            for author in envelope.signatures() {
                let key = match known.iter().find(|(key, _)| *key == author.key) {
                    Some((_, checked)) => checked.clone(),
                    None => {
                        let checked = CheckedKey::new(&author.key).map_err(Failure::world)?;
                        known.push((author.key, checked.clone()));
                        checked
                    }
                };
                checks.push((key, message.clone(), author.signature));
            }
        }
        Ok(Self { checks })
    }

    /// How many there are.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.checks.len()
    }

    /// How long it takes to check each by itself, strictly, on all cores.
    ///
    /// # Errors
    /// One does not hold.
    pub fn time_strict(&self) -> Result<Duration, Failure> {
        let began = Instant::now();
        let check = |(key, message, signature): &(CheckedKey, Vec<u8>, SignatureBytes)| {
            key.verify_strict(message, signature).map_err(Failure::world)
        };
        self.checks.par_iter().try_for_each(check)?;
        Ok(began.elapsed())
    }

    /// How long it takes to check them in batches, on all cores.
    ///
    /// # Errors
    /// One does not hold.
    pub fn time_batched(&self) -> Result<Duration, Failure> {
        let began = Instant::now();
        let holds = self.checks.par_chunks(BATCH_SIGNATURES).all(|chunk| {
            let item = |(key, message, signature): &(_, Vec<u8>, _)| AuditItem::new(key, message, signature);
            audit_batch(&chunk.iter().map(item).collect::<Vec<_>>()).is_empty()
        });
        if holds { Ok(began.elapsed()) } else { Err(Failure::world("a signature does not hold")) }
    }
}

/// How long one core takes to read and hash the log in the ledger `dir`.
///
/// # Errors
/// The system's.
pub fn time_hashing(dir: &Path) -> io::Result<Duration> {
    let began = Instant::now();
    for file in fs::read_dir(dir.join("log"))? {
        std::hint::black_box(Hash::of(&fs::read(file?.path())?));
    }
    Ok(began.elapsed())
}

/// How long it takes to write `bytes` bytes to the new file `path`, and to make them durable.
///
/// # Errors
/// The system's.
pub fn time_writing(path: &Path, bytes: u64) -> io::Result<Duration> {
    let block = vec![0x5a; 1 << 20];
    let began = Instant::now();
    let mut file = File::create(path)?;
    let mut left = bytes;
    while left > 0 {
        let now = block.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        file.write_all(&block[..now])?;
        left -= now as u64;
    }
    file.sync_data()?;
    Ok(began.elapsed())
}
