//! Inclusion and consistency proofs of the published log.
//!
//! The hashes come from `index/tiles`, in a few reads; they are a hint and never believed. A proof that does not lead
//! to the root that the published checkpoint gives is made once more, from the log itself. What leaves here verifies.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use crate::hash::Hash;
use crate::index::tiles::TileRows;
use crate::log::reader::{EntryBytes, LogReader, ReadError};
use crate::merkle::proof::{
    HashReader, MissingNode, ProveError, prove_consistency, prove_inclusion, root_at, verify_consistency,
    verify_inclusion,
};
use crate::merkle::tile::{NodePosition, TILE_WIDTH};
use crate::merkle::tree::{leaf_hash, node_hash};
use crate::store::batch_log::Position;
use crate::store::scan::{ScanError, Scanner};

use super::bundle::BundleGroup;
use super::tlog_proof::{TlogProof, TlogProofError};

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub enum NoProof {
    /// The log could not be read, or has no such entry.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// No such sizes.
    #[error(
        "there is no proof from size {old} to size {new}: sizes from 1 on, ascending, up to the {published} published are expected"
    )]
    Sizes {
        /// Asked for.
        old: u64,
        /// Asked for.
        new: u64,
        /// What is published.
        published: u64,
    },
    /// The log's own entries do not lead to its checkpoint.
    #[error(
        "the log's entries do not lead to the root of its checkpoint at size {size}: run `rollbook verify`"
    )]
    Contradicted {
        /// The published size.
        size: u64,
    },
    /// It cannot be written as a file.
    #[error(transparent)]
    File(#[from] TlogProofError),
}

impl From<ScanError> for NoProof {
    fn from(error: ScanError) -> Self {
        Self::Read(error.into())
    }
}

/// An entry, and the proof that it stands in the published log.
#[derive(Debug, Clone)]
pub struct ProvedEntry {
    /// Its bytes.
    pub entry: Vec<u8>,
    /// The proof, against the published checkpoint.
    pub proof: TlogProof,
}

/// A proof that the log of one size begins with that of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvedGrowth {
    /// The root at the old size.
    pub old_root: Hash,
    /// The root at the new size.
    pub new_root: Hash,
    /// The hashes of the proof.
    pub hashes: Vec<Hash>,
}

/// Proves that the entry at `index` stands in the log that `reader` has opened. `index_dir` is where derived tiles may
/// be; without them the log is read once.
///
/// # Errors
/// [`NoProof`].
pub fn prove_entry(index_dir: Option<&Path>, reader: &LogReader, index: u64) -> Result<ProvedEntry, NoProof> {
    let proved = prove_entries(index_dir, reader, &BTreeSet::from([index]))?;
    Ok(proved.into_iter().next().expect("one was asked for"))
}

/// As [`prove_entry`], for several entries at once: where there are no tiles, the log is read once for all.
///
/// # Errors
/// [`NoProof`].
pub fn prove_entries(
    index_dir: Option<&Path>,
    reader: &LogReader,
    indexes: &BTreeSet<u64>,
) -> Result<Vec<ProvedEntry>, NoProof> {
    let entries = reader.entries_bytes(indexes)?;
    let leaves: Vec<(u64, Hash)> =
        indexes.iter().zip(&entries).map(|(&index, bytes)| (index, leaf_hash(&bytes.entry))).collect();
    let (size, root) = (reader.size(), *reader.checkpoint().checkpoint().root());
    let proofs = checked(index_dir, reader, |nodes| {
        let prove = |&(index, leaf): &(u64, Hash)| {
            let hashes = prove_inclusion(index, size, nodes).map_err(missing)?;
            Ok(verify_inclusion(&leaf, index, size, &hashes, &root).is_ok().then_some(hashes))
        };
        // Each is made, also behind one that does not hold: on the way it is noted which nodes they take.
        let proofs = leaves.iter().map(prove).collect::<Result<Vec<Option<Vec<Hash>>>, MissingNode>>()?;
        Ok(proofs.into_iter().collect::<Option<Vec<Vec<Hash>>>>())
    })?;
    let with_proof = |((bytes, hashes), &index): ((EntryBytes, Vec<Hash>), &u64)| {
        let proof = TlogProof::new(index, hashes, reader.checkpoint().clone())?;
        Ok(ProvedEntry { entry: bytes.entry, proof })
    };
    entries.into_iter().zip(proofs).zip(indexes).map(with_proof).collect()
}

/// Proves that the log of `new` entries begins with that of `old`. Neither need be a size at which a batch ends.
///
/// # Errors
/// [`NoProof`].
pub fn prove_growth(
    index_dir: Option<&Path>,
    reader: &LogReader,
    old: u64,
    new: u64,
) -> Result<ProvedGrowth, NoProof> {
    let (size, root) = (reader.size(), *reader.checkpoint().checkpoint().root());
    if old == 0 || old > new || new > size {
        return Err(NoProof::Sizes { old, new, published: size });
    }
    checked(index_dir, reader, |nodes| {
        let (old_root, new_root) = (root_at(old, nodes)?, root_at(new, nodes)?);
        let hashes = prove_consistency(old, new, nodes).map_err(missing)?;
        // The published root vouches for the new one, and that for the old one.
        let onward = prove_consistency(new, size, nodes).map_err(missing)?;
        let holds = verify_consistency(new, size, &new_root, &root, &onward).is_ok()
            && verify_consistency(old, new, &old_root, &new_root, &hashes).is_ok();
        Ok(holds.then_some(ProvedGrowth { old_root, new_root, hashes }))
    })
}

/// Makes a proof, which `prove` checks too: from the tiles of the index, or else from the log.
fn checked<T>(
    index_dir: Option<&Path>,
    reader: &LogReader,
    prove: impl Fn(&Nodes) -> Result<Option<T>, MissingNode>,
) -> Result<T, NoProof> {
    if let Some(Ok(rows)) = index_dir.map(TileRows::open_to_read)
        && let Ok(Some(proof)) = prove(&Nodes::Tiles(rows))
    {
        return Ok(proof);
    }
    // Which nodes it takes doesn't depend on what their hashes are.
    let wanted = Nodes::Asked(RefCell::default());
    let _ = prove(&wanted);
    let Nodes::Asked(asked) = wanted else { unreachable!("it was made just now") };
    let nodes = nodes_of_log(reader, asked.into_inner())?;
    match prove(&Nodes::Known(nodes)) {
        Ok(Some(proof)) => Ok(proof),
        _ => Err(NoProof::Contradicted { size: reader.size() }),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in `map_err`")]
fn missing(error: ProveError<MissingNode>) -> MissingNode {
    match error {
        ProveError::Read(missing) => missing,
        _ => unreachable!("index and sizes are within the log"),
    }
}

/// Where the hashes of perfect subtrees come from: level and index within it name one.
enum Nodes {
    /// The index.
    Tiles(TileRows),
    /// Nowhere yet: it is noted which ones are asked for.
    Asked(RefCell<HashMap<(u32, u64), Hash>>),
    /// The log.
    Known(HashMap<(u32, u64), Hash>),
}

impl HashReader for Nodes {
    type Error = MissingNode;

    fn node(&self, level: u32, index: u64) -> Result<Hash, MissingNode> {
        let found = match self {
            Self::Tiles(rows) => tile_node(rows, level, index),
            Self::Asked(asked) => {
                asked.borrow_mut().insert((level, index), Hash::ZERO);
                Some(Hash::ZERO)
            }
            Self::Known(nodes) => nodes.get(&(level, index)).copied(),
        };
        found.ok_or(MissingNode { level, index })
    }
}

fn tile_node(rows: &TileRows, level: u32, index: u64) -> Option<Hash> {
    let place = NodePosition::of(level, index)?;
    let start = place.tile_index.checked_mul(u64::from(TILE_WIDTH))? + u64::from(place.start);
    let row = rows.read(place.tile_level, start, usize::from(place.count)).ok()?;
    NodePosition { start: 0, ..place }.hash_in(&row)
}

/// The hashes of the nodes in `wanted`, from the published entries of the log.
fn nodes_of_log(
    reader: &LogReader,
    wanted: HashMap<(u32, u64), Hash>,
) -> Result<HashMap<(u32, u64), Hash>, NoProof> {
    let size = reader.size();
    let mut scanner = Scanner::new(reader.source(), Position::START, size)?;
    let mut climb = Climb { edge: Vec::new(), size: 0, wanted };
    let mut group = BundleGroup::default();
    while let Some(located) = scanner.next_frame() {
        for entry in located?.frame.entries() {
            group.push(entry);
            if group.is_due() {
                climb.take(&mut group);
            }
        }
    }
    climb.take(&mut group);
    if climb.size != size {
        return Err(ReadError::Short { found: climb.size, published: size }.into());
    }
    Ok(climb.wanted)
}

/// A tree that grows, and is looked at in passing.
struct Climb {
    /// The roots of the perfect subtrees along the right edge, the largest first.
    edge: Vec<Hash>,
    size: u64,
    wanted: HashMap<(u32, u64), Hash>,
}

impl Climb {
    fn take(&mut self, group: &mut BundleGroup) {
        let hashed: Result<_, std::convert::Infallible> = group.drain(|_, _| Ok(()));
        for (bundle, ()) in hashed.unwrap_or_else(|never| match never {}) {
            bundle.row.into_iter().for_each(|leaf| self.push(leaf));
        }
    }

    fn push(&mut self, leaf: Hash) {
        let (mut node, mut level, mut index) = (leaf, 0, self.size);
        self.see(level, index, node);
        while index % 2 == 1 {
            let left = self.edge.pop().expect("the edge holds a hash for each bit set in its size");
            node = node_hash(&left, &node);
            (level, index) = (level + 1, index / 2);
            self.see(level, index, node);
        }
        self.edge.push(node);
        self.size += 1;
    }

    fn see(&mut self, level: u32, index: u64, node: Hash) {
        if let Some(place) = self.wanted.get_mut(&(level, index)) {
            *place = node;
        }
    }
}
