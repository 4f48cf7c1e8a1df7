//! A pack to a ledger's directory: the way back from a handed-out pack, where the ledger is lost.
//!
//! The whole pack is verified first, by whoever restores, against a trust root that they hold. Then the directory is
//! made beside its place and renamed: a crash leaves nothing of that name. What comes out is the log byte for byte,
//! `head`, the settings, the trust root that was held against it, and what stood beside the log. The log key and the
//! anchors are not in a pack.

use std::fs;
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::hash::Hash;
use crate::ledger::config::{Config, ConfigError, LAYOUT_VERSION};
use crate::ledger::create::TRUST_FILE;
use crate::log::reader::LOG_DIR;
use crate::log::trust_root::TrustRoot;
use crate::merkle::tree::{Frontier, leaf_hash};
use crate::note::checkpoint::CheckpointNote;
use crate::signing::key_file::Readers;
use crate::store::attachments::{ATTACHMENTS_DIR, AttachmentError, Attachments};
use crate::store::batch_log::Position;
use crate::store::cosigned::COSIGNED_DIR;
use crate::store::disk::{Disk as _, RealDisk, parent_of};
use crate::store::files::FileSource;
use crate::store::head::{HeadError, HeadFile};
use crate::store::scan::{ScanError, Scanner};
use crate::verifier::report::{Report, Verdict};
use crate::verifier::verify::{Options, Progress};

use super::pack_check::{PackError, verify_pack};
use super::pack_dir::{Contents, Found};
use super::pack_source::PackSource;

/// Why nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The pack could not be verified.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// Something stands where the ledger is to go.
    #[error("{} is not empty: a ledger is restored to a new directory", dir.display())]
    NotEmpty {
        /// The directory.
        dir: PathBuf,
    },
    /// A file could not be made.
    #[error("cannot {operation} {}: {source}", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The log in the pack could not be read.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// `head` could not be written.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// The settings could not be written.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// An attachment could not be kept.
    #[error(transparent)]
    Attachment(#[from] AttachmentError),
    /// The pack is not what was verified any more.
    #[error("the pack changed while it was restored; nothing was made")]
    Changed,
}

/// What became of a restore.
#[derive(Debug)]
pub struct Imported {
    /// What the pack's verification came to. Where it is anything but sound and anchored, nothing was made.
    pub report: Report,
    /// Attachments that were restored.
    pub attachments: u64,
}

/// Restores the ledger in `pack` to `ledger`, which must not be there or be empty. `trust_file` is the trust root's
/// own text, `log_key` where its private key will be.
///
/// # Errors
/// [`ImportError`]; nothing was made then.
pub fn import(
    pack: &PackSource,
    ledger: &Path,
    trust_file: &str,
    options: &Options<'_>,
    progress: &Progress<'_>,
) -> Result<Imported, ImportError> {
    check_target(ledger)?;
    let report = verify_pack(pack, options, progress)?.report;
    if report.verdict != (Verdict::Sound { anchored: true }) {
        return Ok(Imported { report, attachments: 0 });
    }
    let failed = |operation, path: &Path| {
        let path = path.to_owned();
        move |source| ImportError::Io { operation, path, source }
    };
    let parent = parent_of(ledger);
    fs::create_dir_all(parent).map_err(failed("create", parent))?;
    let name = ledger.file_name().unwrap_or_default().to_string_lossy();
    let building = tempfile::Builder::new().prefix(&format!(".{name}.importing-")).tempdir_in(parent);
    let building = building.map_err(failed("make a directory in", parent))?;
    // The rights of a directory that `mkdir` makes, which those of a temporary one are not.
    let dir = building.path().join("ledger");
    fs::create_dir(&dir).map_err(failed("create", &dir))?;
    let attachments = build(pack, &dir, trust_file, options, &report)?;
    fs::rename(&dir, ledger).map_err(failed("rename to", ledger))?;
    RealDisk.sync_dir(parent).map_err(failed("sync", parent))?;
    Ok(Imported { report, attachments })
}

fn check_target(ledger: &Path) -> Result<(), ImportError> {
    match fs::read_dir(ledger) {
        Ok(mut items) => match items.next() {
            None => Ok(()),
            Some(_) => Err(ImportError::NotEmpty { dir: ledger.to_owned() }),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(ImportError::Io { operation: "read", path: ledger.to_owned(), source }),
    }
}

fn build(
    pack: &PackSource,
    dir: &Path,
    trust_file: &str,
    options: &Options<'_>,
    report: &Report,
) -> Result<u64, ImportError> {
    let log = dir.join(LOG_DIR);
    fs::create_dir(&log).map_err(|source| ImportError::Io {
        operation: "create",
        path: log.clone(),
        source,
    })?;
    let (root, note) = write_log(pack, &log)?;
    if root != report.root {
        return Err(ImportError::Changed);
    }
    let mut head = HeadFile::open(dir)?;
    head.publish(pack.size(), &note)?;
    head.sync()?;
    let origin = options.trust.map_or_else(String::new, |trust| TrustRoot::origin(trust).to_string());
    let config = Config {
        format: LAYOUT_VERSION,
        origin,
        log_key: "log.pem".into(),
        log_key_readers: Readers::Owner,
        anchors: Vec::new(),
    };
    config.write_new(dir)?;
    write_synced(&dir.join(TRUST_FILE), trust_file.as_bytes())?;
    copy_cosigned(pack, dir)?;
    copy_attachments(pack, dir)
}

/// Writes the log's files; gives the root of what was written, where that is all of it, and the newest note.
fn write_log(pack: &PackSource, log: &Path) -> Result<(Option<Hash>, Vec<u8>), ImportError> {
    let names = FileSource::new(log);
    let mut scanner = Scanner::new(pack, Position::START, pack.size())?;
    let (mut tree, mut note) = (Frontier::new(), Vec::new());
    let mut open: Option<(u64, io::BufWriter<fs::File>)> = None;
    while let Some(located) = scanner.next_frame() {
        let located = located?;
        let name = located.location.position().file;
        let path = names.path(name);
        let failed = |source| ImportError::Io { operation: "write", path: path.clone(), source };
        if open.as_ref().is_none_or(|(of, _)| *of != name) {
            finish(open.take(), &names)?;
            open = Some((name, io::BufWriter::new(fs::File::create_new(&path).map_err(failed)?)));
        }
        let (_, file) = open.as_mut().expect("it was opened just now");
        file.write_all(located.frame.bytes()).map_err(failed)?;
        note = located.frame.note().to_vec();
        let entries: Vec<&[u8]> = located.frame.entries().collect();
        let hashes: Vec<Hash> = entries.par_iter().with_min_len(64).map(|entry| leaf_hash(entry)).collect();
        for hash in hashes {
            tree.push(hash);
        }
    }
    finish(open, &names)?;
    RealDisk.sync_dir(log).map_err(|source| ImportError::Io {
        operation: "sync",
        path: log.to_owned(),
        source,
    })?;
    Ok(((tree.size() == pack.size()).then(|| tree.root()), note))
}

/// Makes a log file durable.
fn finish(file: Option<(u64, io::BufWriter<fs::File>)>, names: &FileSource) -> Result<(), ImportError> {
    let Some((name, file)) = file else { return Ok(()) };
    let synced = file.into_inner().map_err(io::IntoInnerError::into_error).and_then(|file| file.sync_all());
    synced.map_err(|source| ImportError::Io { operation: "write", path: names.path(name), source })
}

fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), ImportError> {
    let written = fs::File::create_new(path).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.map_err(|source| ImportError::Io { operation: "write", path: path.to_owned(), source })
}

/// Copies what witnesses cosigned: notes whose checkpoint has the size of their name. What else stands there is left.
fn copy_cosigned(pack: &PackSource, dir: &Path) -> Result<(), ImportError> {
    let to = dir.join(COSIGNED_DIR);
    let failed = |source| ImportError::Io { operation: "copy to", path: to.clone(), source };
    for path in files_below(pack, COSIGNED_DIR).map_err(failed)? {
        let Contents::Bytes(note) = pack.dir().read_note(&path).map_err(failed)? else { continue };
        let name = path.rsplit('/').next().unwrap_or_default();
        let size = CheckpointNote::parse_unverified(&note).map(|note| note.checkpoint().size().to_string());
        if size.as_deref() == Ok(name) {
            fs::create_dir_all(&to).map_err(failed)?;
            write_synced(&to.join(name), &note)?;
        }
    }
    Ok(())
}

/// Copies the attachments, each of which is what its name says. What else stands there is left.
fn copy_attachments(pack: &PackSource, dir: &Path) -> Result<u64, ImportError> {
    let store = Attachments::of_ledger(dir);
    let failed = |source| ImportError::Io { operation: "read", path: pack.dir().path().to_owned(), source };
    let mut copied = 0;
    for path in files_below(pack, ATTACHMENTS_DIR).map_err(failed)? {
        let digits = path.strip_prefix("attachments/sha256/").map(|rest| rest.replacen('/', "", 1));
        let Some(Ok(digest)) = digits.map(|digits| digits.parse::<Hash>()) else { continue };
        if store.path(&digest) != dir.join(&path) {
            continue;
        }
        let Some(mut file) = pack.dir().file(&path).map_err(failed)? else { continue };
        store.put_as(&digest, &mut file as &mut dyn Read)?;
        copied += 1;
    }
    Ok(copied)
}

fn files_below(pack: &PackSource, dir: &str) -> io::Result<Vec<String>> {
    let mut files = Vec::new();
    pack.dir().walk(dir, &mut |path, kind| {
        files.extend((kind == Found::File).then(|| path.to_owned()));
        Ok(())
    })?;
    files.sort_unstable();
    Ok(files)
}
