//! An evidence pack, verified: what stands around the log in it, then the log itself by the verifier's own machinery.
//!
//! Tiles and bundles are what other people's tools read, so they are checked against the entries: every tile that the
//! tree has must be there and hold the hashes that the entries give. Whether those lead to what the log key signed, and
//! whether the entries are lawful, the verifier says. In place of `head` it is given `checkpoint`.

use std::io;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::hash::Hash;
use crate::log::reader::LOG_DIR;
use crate::merkle::tile::{EntryBundle, TILE_WIDTH, Tile};
use crate::store::attachments::ATTACHMENTS_DIR;
use crate::store::cosigned::{COSIGNED_DIR, COSIGNED_LISTED_MAX};
use crate::store::head::{Head, HeadState};
use crate::verifier::cosigned::CosignedFile;
use crate::verifier::finding::Finding;
use crate::verifier::verify::{Elsewhere, Judged, Options, Progress, VerifyError, verify_elsewhere};

use super::bundle::{HashedBundle, split_entries};
use super::pack_dir::{CHECKPOINT, Contents, Found, PackDir, TILES_DIR};
use super::pack_source::{DEFECTS_MAX, Defect, PackSource, bundle_of, missing_run};
use super::tile_stream::{TileStream, tile_bytes};

/// How many bundles are hashed before their tiles are held against each other: it bounds what waits.
const BUNDLES_AT_ONCE: usize = 64;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// There is no pack.
    #[error("{} is not an evidence pack: it has no `{CHECKPOINT}`", path.display())]
    NotAPack {
        /// The directory.
        path: PathBuf,
    },
    /// A file of the pack could not be read.
    #[error("cannot read the pack in {}: {source}", path.display())]
    Io {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The verifier could not go on.
    #[error(transparent)]
    Verify(#[from] VerifyError),
}

/// Whether `dir` looks like a pack, or what is left of one: it has tiles or a checkpoint, and no log of a ledger's.
#[must_use]
pub fn looks_like_a_pack(dir: &Path) -> bool {
    let has_some = dir.join(TILES_DIR).is_dir() || dir.join(CHECKPOINT).is_file();
    has_some && !dir.join(LOG_DIR).exists()
}

/// Opens the pack in `dir`.
///
/// # Errors
/// [`PackError::NotAPack`] and [`PackError::Io`].
pub fn open_pack(dir: &Path) -> Result<PackSource, PackError> {
    let failed = |source| PackError::Io { path: dir.to_owned(), source };
    let opened = PackDir::open(dir).and_then(PackSource::open).map_err(failed)?;
    opened.ok_or_else(|| PackError::NotAPack { path: dir.to_owned() })
}

/// Verifies a pack.
///
/// # Errors
/// [`PackError`]; whatever is wrong with the pack is in the report.
pub fn verify_pack(
    pack: &PackSource,
    options: &Options<'_>,
    progress: &Progress<'_>,
) -> Result<Judged, PackError> {
    let path = pack.dir().path();
    let failed = |source| PackError::Io { path: path.to_owned(), source };
    let links = links_among_attachments(pack.dir()).map_err(failed)?;
    // What a link leads to is not looked at.
    let attachments = Some(path).filter(|_| !options.skip_attachments && links.is_empty());
    let mut findings: Vec<Finding> = links.into_iter().map(pack_link).collect();
    findings.extend(pack.note_defects().iter().cloned().map(pack_batches));
    findings.extend(pack.file_defects().iter().cloned().map(pack_files));
    findings.extend(check_tiles(pack).map_err(failed)?);
    let head = Head::new(pack.size(), pack.note().to_vec());
    let head = Some(HeadState::Published { head, other_slot_bad: false });
    let cosigned = read_cosigned(pack.dir()).map_err(failed)?;
    let options = &Options { cosigned: &cosigned, ..*options };
    let log = Elsewhere { source: pack, head, attachments, findings };
    Ok(verify_elsewhere(log, options, progress)?)
}

fn pack_link(Defect { path, reason }: Defect) -> Finding {
    Finding::PackLink { path, reason }
}

fn pack_batches(Defect { path, reason }: Defect) -> Finding {
    Finding::PackBatches { path, reason }
}

fn pack_files(Defect { path, reason }: Defect) -> Finding {
    Finding::PackFiles { path, reason }
}

/// The notes in `cosigned/`, those of the largest sizes; the same that are read of a ledger.
fn read_cosigned(dir: &PackDir) -> io::Result<Vec<CosignedFile>> {
    let mut sizes: Vec<u64> = Vec::new();
    dir.walk(COSIGNED_DIR, &mut |path, kind| {
        let name = path.strip_prefix(COSIGNED_DIR).and_then(|rest| rest.strip_prefix('/'));
        let size = name.and_then(|name| name.parse().ok().filter(|size: &u64| size.to_string() == name));
        sizes.extend(size.filter(|_| kind == Found::File));
        Ok(())
    })?;
    sizes.sort_unstable();
    sizes.drain(..sizes.len().saturating_sub(COSIGNED_LISTED_MAX));
    let read = |size: u64| {
        let note = dir.read_note(&format!("{COSIGNED_DIR}/{size}"))?;
        // What is too long to be a note is none.
        Ok(CosignedFile::parse(size, &note.bytes().unwrap_or_default()))
    };
    sizes.into_iter().map(read).collect()
}

fn links_among_attachments(dir: &PackDir) -> io::Result<Vec<Defect>> {
    let mut links = Vec::new();
    let mut take = |path: &str, kind| {
        if kind == Found::Link && links.len() < DEFECTS_MAX {
            links.push(Defect::new(path, "it is a symbolic link, which is not followed"));
        }
        Ok(())
    };
    let is_link = dir.path().join(ATTACHMENTS_DIR).symlink_metadata().is_ok_and(|found| found.is_symlink());
    if is_link {
        take(ATTACHMENTS_DIR, Found::Link)?;
    } else {
        dir.walk(ATTACHMENTS_DIR, &mut take)?;
    }
    Ok(links)
}

// Bundles and tiles.

/// What a look at one bundle, and at the tile over its entries, came to.
struct Looked {
    index: u64,
    /// None where its entries are not all there.
    hashed: Option<HashedBundle>,
    findings: Vec<Finding>,
}

/// Holds bundles and tiles against the size of the checkpoint, and tiles against the entries.
fn check_tiles(pack: &PackSource) -> io::Result<Vec<Finding>> {
    let mut check = TileCheck { pack, next: 0, stream: Some(TileStream::default()), findings: Vec::new() };
    for indices in entry_bundles(pack)?.chunks(BUNDLES_AT_ONCE) {
        let looked: io::Result<Vec<Looked>> = indices.par_iter().map(|index| look_at(pack, *index)).collect();
        looked?.into_iter().try_for_each(|looked| check.take(looked))?;
    }
    check.finish()
}

/// The indexes of the entry bundles that the tree has, and that are there.
fn entry_bundles(pack: &PackSource) -> io::Result<Vec<u64>> {
    let mut indices = Vec::new();
    pack.dir().walk("tile/entries", &mut |path, kind| {
        let bundle = path.parse().ok().filter(|_| kind == Found::File);
        let bundle =
            bundle.filter(|bundle: &EntryBundle| bundle_of(pack.size(), bundle.index()) == Some(*bundle));
        indices.extend(bundle.map(|bundle| bundle.index()));
        Ok(())
    })?;
    indices.sort_unstable();
    Ok(indices)
}

fn look_at(pack: &PackSource, index: u64) -> io::Result<Looked> {
    let bundle = bundle_of(pack.size(), index).expect("it was found among those of this size");
    let path = bundle.to_string();
    let missing = |reason: String| Looked {
        index,
        hashed: None,
        findings: vec![Finding::PackEntries { path: path.clone(), reason }],
    };
    let bytes = match pack.dir().read_entries(&path)? {
        Contents::Bytes(bytes) => bytes,
        Contents::Missing => return Ok(missing(missing_run(1))),
        Contents::TooLong => return Ok(missing("it is larger than any bundle".into())),
    };
    let (parts, result) = split_entries(&bytes, bundle.width());
    if let Err(error) = result {
        return Ok(missing(error.to_string()));
    }
    let hashed = HashedBundle::of(parts.into_iter().map(|part| &bytes[part]));
    let tile = Tile::new(0, index, bundle.width()).expect("as wide as its bundle");
    let findings = compare(pack, tile, &hashed.row)?.into_iter().collect();
    Ok(Looked { index, hashed: Some(hashed), findings })
}

/// Holds a tile against the hashes that the entries give.
fn compare(pack: &PackSource, tile: Tile, row: &[Hash]) -> io::Result<Option<Finding>> {
    let reason = match pack.dir().read_tile(tile)? {
        Contents::Bytes(bytes) if bytes == tile_bytes(row) => return Ok(None),
        Contents::Bytes(bytes) if bytes.len() != row.len() * 32 => {
            format!("it has {} bytes, and {} hashes have {}", bytes.len(), row.len(), row.len() * 32)
        }
        Contents::Bytes(_) => "it does not hold the hashes that the entries give".into(),
        Contents::TooLong => "it is larger than any tile".into(),
        Contents::Missing => missing_run(1),
    };
    Ok(Some(Finding::PackTile { path: tile.to_string(), reason }))
}

struct TileCheck<'a> {
    pack: &'a PackSource,
    /// The bundle that comes next.
    next: u64,
    /// None once entries are not there: above them no hash is known.
    stream: Option<TileStream>,
    findings: Vec<Finding>,
}

impl TileCheck<'_> {
    fn take(&mut self, looked: Looked) -> io::Result<()> {
        let Looked { index, hashed, findings } = looked;
        self.expect(index);
        self.next = index + 1;
        self.add(findings);
        let Some(hashed) = hashed else {
            self.stream = None;
            return Ok(());
        };
        let Some(mut stream) = self.stream.take() else { return Ok(()) };
        stream.push(&hashed, |tile, row| compare(self.pack, tile, row).map(|found| self.add(found)))?;
        self.stream = Some(stream);
        Ok(())
    }

    /// Says which bundles are missing before the one with `index`.
    fn expect(&mut self, index: u64) {
        let missing = bundle_of(self.pack.size(), self.next).filter(|_| index > self.next);
        if let Some(missing) = missing {
            let (path, reason) = (missing.to_string(), missing_run(index - self.next));
            self.add([Finding::PackEntries { path, reason }]);
            self.stream = None;
        }
    }

    fn finish(mut self) -> io::Result<Vec<Finding>> {
        self.expect(self.pack.size().div_ceil(u64::from(TILE_WIDTH)));
        if let Some(stream) = self.stream.take() {
            for (tile, row) in stream.partial() {
                let found = compare(self.pack, tile, row)?;
                self.add(found);
            }
        }
        Ok(self.findings)
    }

    fn add(&mut self, findings: impl IntoIterator<Item = Finding>) {
        let room = DEFECTS_MAX.saturating_sub(self.findings.len());
        self.findings.extend(findings.into_iter().take(room));
    }
}
