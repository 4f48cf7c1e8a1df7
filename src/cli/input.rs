//! Files that other systems wrote, read from a path or from stdin, never more of them than is asked for.

use std::io::Read;
use std::path::Path;

use crate::cli::failure::Failure;

/// What stands for stdin.
pub const STDIN: &str = "-";

/// Whether a path stands for stdin.
#[must_use]
pub fn is_stdin(path: &Path) -> bool {
    path == Path::new(STDIN)
}

/// Reads a file, or stdin where the path is `-`, that is to be `what`.
///
/// # Errors
/// It cannot be read, or holds more than `bytes_max` bytes.
pub fn read_input(path: &Path, what: &str, bytes_max: usize) -> Result<Vec<u8>, Failure> {
    let failed = |error: std::io::Error| Failure::input(path, &error);
    let source: Box<dyn Read> = if is_stdin(path) {
        Box::new(std::io::stdin())
    } else {
        Box::new(std::fs::File::open(path).map_err(failed)?)
    };
    let mut bytes = Vec::new();
    source.take(bytes_max as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > bytes_max {
        let message =
            format!("{} is too large for {what}: at most {bytes_max} bytes are read", path.display());
        return Err(Failure::usage(message).hint("see that this is the right file"));
    }
    Ok(bytes)
}
