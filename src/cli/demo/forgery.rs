//! What a forger who holds the files but no key can do: rewrite an entry, and put checksums right.

use std::path::Path;

use crate::cli::failure::Failure;
use crate::log::reader::LOG_DIR;
use crate::store::batch_log::{BatchSource as _, Position};
use crate::store::files::FileSource;
use crate::store::frame::encode_frame;
use crate::store::scan::Scanner;

/// Copies the ledger in `from` to `to`, entry `index` saying `1.0.0` where it said `1.1.0`.
///
/// # Errors
/// A file could not be read or written.
pub fn forge(from: &Path, to: &Path, index: u64) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::io("forge", to, &error);
    let log = to.join(LOG_DIR);
    std::fs::create_dir_all(&log).map_err(failed)?;
    for file in ["head", "rollbook.toml"] {
        std::fs::copy(from.join(file), to.join(file)).map_err(failed)?;
    }
    let (source, target) = (FileSource::new(&from.join(LOG_DIR)), FileSource::new(&log));
    for file in source.files().map_err(Failure::world)? {
        let bytes = forged_file(&source, file.first_index, index)?;
        std::fs::write(target.path(file.first_index), bytes).map_err(failed)?;
    }
    copy_attachments(&from.join(ATTACHMENTS), &to.join(ATTACHMENTS)).map_err(failed)
}

/// Where the bytes beside the log stand.
const ATTACHMENTS: &str = "attachments/sha256";

fn copy_attachments(from: &Path, to: &Path) -> std::io::Result<()> {
    for directory in std::fs::read_dir(from)? {
        let directory = directory?;
        let copy = to.join(directory.file_name());
        std::fs::create_dir_all(&copy)?;
        for file in std::fs::read_dir(directory.path())? {
            let file = file?;
            std::fs::copy(file.path(), copy.join(file.file_name()))?;
        }
    }
    Ok(())
}

/// The frames of one log file, the forged one encoded anew.
fn forged_file(source: &FileSource, file: u64, index: u64) -> Result<Vec<u8>, Failure> {
    let start = Position { file, offset: 0, index: file };
    let mut scanner = Scanner::new(source, start, u64::MAX).map_err(Failure::world)?;
    let mut bytes = Vec::new();
    while let Some(located) = scanner.next_frame() {
        let frame = located.map_err(Failure::world)?.frame;
        let entries: Vec<Vec<u8>> = (frame.first_index()..)
            .zip(frame.entries())
            .map(|(at, entry)| if at == index { replace(entry, b"1.1.0", b"1.0.0") } else { entry.to_vec() })
            .collect();
        bytes.extend(encode_frame(frame.first_index(), &entries, frame.note()).map_err(Failure::world)?);
    }
    Ok(bytes)
}

/// `bytes` with the first `old` replaced; both have one length.
fn replace<const N: usize>(bytes: &[u8], old: &[u8; N], new: &[u8; N]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if let Some(at) = bytes.windows(N).position(|window| window == old) {
        bytes[at..at + N].copy_from_slice(new);
    }
    bytes
}
