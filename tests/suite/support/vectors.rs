//! Vector files: read and compared, or written anew under `ROLLBOOK_BLESS=1`.

use std::fs;
use std::path::{Path, PathBuf};

/// A file of this repository.
pub(crate) fn repository_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Whether files are to be written instead of compared.
pub(crate) fn blessing() -> bool {
    std::env::var_os("ROLLBOOK_BLESS").is_some_and(|value| value == "1")
}

/// The bytes of `tests/vectors/<name>`, a file of hex digits.
pub(crate) fn read_hex(name: &str) -> Vec<u8> {
    let text = read_text(name);
    let digits: String = text.split_whitespace().collect();
    hex::decode(digits).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The text of `tests/vectors/<name>`.
pub(crate) fn read_text(name: &str) -> String {
    let path = vector(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Compares `bytes` with the vector `name`, or writes it.
pub(crate) fn check_hex(name: &str, bytes: &[u8]) {
    if blessing() {
        let lines: Vec<String> = bytes.chunks(32).map(hex::encode).collect();
        write(&vector(name), &(lines.join("\n") + "\n"));
    }
    assert_eq!(hex::encode(read_hex(name)), hex::encode(bytes), "{name}");
}

/// Compares `text` with the vector `name`, or writes it.
pub(crate) fn check_text(name: &str, text: &str) {
    if blessing() {
        write(&vector(name), text);
    }
    assert_eq!(read_text(name), text, "{name}");
}

fn vector(name: &str) -> PathBuf {
    repository_file("tests/vectors").join(name)
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}
