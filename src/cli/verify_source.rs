//! What `rollbook verify` is given: a ledger's directory, an evidence pack, or frames on stdin.

use std::io;
use std::path::Path;

use crate::cli::failure::Failure;
use crate::cli::input::is_stdin;
use crate::cli::verify::unverified;
use crate::export::pack_check::{PackError, looks_like_a_pack, open_pack, verify_pack};
use crate::store::files::FileSource;
use crate::verifier::verify::{Elsewhere, Judged, Options, Progress, judge_dir, verify_elsewhere};

/// Verifies whatever `path` names.
///
/// # Errors
/// It is nothing that can be verified, or cannot be read.
pub fn judge(path: &Path, options: &Options<'_>, progress: &Progress<'_>) -> Result<Judged, Failure> {
    if is_stdin(path) {
        judge_stream(options, progress)
    } else if looks_like_a_pack(path) {
        let pack = open_pack(path).map_err(unreadable)?;
        verify_pack(&pack, options, progress).map_err(unreadable)
    } else {
        judge_dir(path, options, progress).map_err(unverified)
    }
}

/// Why a pack could not be verified at all.
#[must_use]
pub fn unreadable(error: PackError) -> Failure {
    match error {
        PackError::NotAPack { .. } => {
            Failure::usage(error).hint("see that all of it was copied; `rollbook pack export` makes it whole")
        }
        PackError::Verify(error) => unverified(error),
        error @ PackError::Io { .. } => Failure::world(error),
    }
}

/// Frames on stdin, kept in a file of the system's temporary directory while they are verified. Nothing says what of
/// them was published, and no attachment comes with them.
fn judge_stream(options: &Options<'_>, progress: &Progress<'_>) -> Result<Judged, Failure> {
    if options.keep {
        return Err(Failure::usage("a stream is verified from its start: --state needs a directory"));
    }
    let elsewhere = std::env::temp_dir();
    let failed = |error: io::Error| Failure::io("keep stdin in", &elsewhere, &error);
    let dir = tempfile::tempdir().map_err(failed)?;
    let source = FileSource::new(dir.path());
    let mut file = std::fs::File::create_new(source.path(0)).map_err(failed)?;
    io::copy(&mut io::stdin().lock(), &mut file).map_err(failed)?;
    let log = Elsewhere { source: &source, head: None, attachments: None, findings: Vec::new() };
    verify_elsewhere(log, options, progress).map_err(unverified)
}
