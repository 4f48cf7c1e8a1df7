//! Leaf hashes in order to tiles, whatever the log's size: one unfinished row a level is kept, at most 64 KiB in all.

use crate::hash::Hash;
use crate::merkle::proof::{HashReader, MissingNode, root_at};
use crate::merkle::tile::{NodePosition, TILE_WIDTH, Tile, perfect_root};

use super::bundle::HashedBundle;

/// The tiles of a growing tree.
#[derive(Debug, Default)]
pub struct TileStream {
    /// The unfinished row of each tile level, and how many tiles of that level are full.
    rows: Vec<Row>,
    /// Leaves.
    size: u64,
}

#[derive(Debug, Default)]
struct Row {
    full: u64,
    /// Fewer than 256 between calls.
    hashes: Vec<Hash>,
}

impl TileStream {
    /// The number of leaves.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Takes the next bundle's hashes: 256 of them, or fewer and then no more. `each` is handed every tile above the
    /// leaves' level that is full now, and its row.
    ///
    /// # Errors
    /// What `each` ends in.
    pub fn push<E>(
        &mut self,
        bundle: &HashedBundle,
        mut each: impl FnMut(Tile, &[Hash]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.size += bundle.row.len() as u64;
        let Some(mut hash) = bundle.root else {
            self.row(0).hashes.clone_from(&bundle.row);
            return Ok(());
        };
        self.row(0).full += 1;
        for level in 1.. {
            let row = self.row(level);
            row.hashes.push(hash);
            if row.hashes.len() < usize::from(TILE_WIDTH) {
                break;
            }
            let tile = Tile::new(level, row.full, TILE_WIDTH).expect("a tree of 2^64 leaves has 8 levels");
            each(tile, &row.hashes)?;
            hash = perfect_root(&row.hashes).expect("256 is a power of two");
            row.hashes.clear();
            row.full += 1;
        }
        Ok(())
    }

    /// The partial tiles above the leaves' level, and their rows.
    pub fn partial(&self) -> impl Iterator<Item = (Tile, &[Hash])> {
        let tile = |(level, row): (u8, &Row)| {
            let width = u16::try_from(row.hashes.len()).expect("fewer than 256");
            Tile::new(level, row.full, width).expect("its row is not empty")
        };
        let rows = (0..).zip(&self.rows).skip(1).filter(|(_, row)| !row.hashes.is_empty());
        rows.map(move |(level, row)| (tile((level, row)), row.hashes.as_slice()))
    }

    /// The root over all leaves.
    #[must_use]
    pub fn root(&self) -> Hash {
        root_at(self.size, self).expect("what is right of every full tile stands in the rows")
    }

    fn row(&mut self, level: u8) -> &mut Row {
        let level = usize::from(level);
        if self.rows.len() <= level {
            self.rows.resize_with(level + 1, Row::default);
        }
        &mut self.rows[level]
    }
}

impl HashReader for TileStream {
    type Error = MissingNode;

    /// Only the nodes along the tree's right edge are there, of which its root is made.
    fn node(&self, level: u32, index: u64) -> Result<Hash, MissingNode> {
        let missing = MissingNode { level, index };
        let place = NodePosition::of(level, index).ok_or(missing)?;
        let row = self.rows.get(usize::from(place.tile_level)).filter(|row| row.full == place.tile_index);
        row.and_then(|row| place.hash_in(&row.hashes)).ok_or(missing)
    }
}

/// A tile's bytes: its hashes and nothing else.
#[must_use]
pub fn tile_bytes(row: &[Hash]) -> Vec<u8> {
    row.iter().flat_map(|hash| *hash.as_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::convert::Infallible;

    use super::*;
    use crate::merkle::tile::new_tiles;
    use crate::merkle::tree::{Tree, leaf_hash};

    #[test]
    fn every_size_has_the_tiles_and_the_root_of_its_tree() {
        let leaves: Vec<Hash> = (0..70_000u64).map(|n| leaf_hash(&n.to_be_bytes())).collect();
        for size in [0, 1, 2, 255, 256, 257, 300, 65_535, 65_536, 65_537, 70_000] {
            let tree: Tree = leaves[..size].iter().copied().collect();
            let mut stream = TileStream::default();
            let mut tiles: BTreeMap<Tile, Vec<Hash>> = BTreeMap::new();
            for (index, row) in (0..).zip(leaves[..size].chunks(256)) {
                let width = u16::try_from(row.len()).unwrap();
                tiles.insert(Tile::new(0, index, width).unwrap(), row.to_vec());
                let root = if width == TILE_WIDTH { perfect_root(row) } else { None };
                let each = |tile, row: &[Hash]| {
                    tiles.insert(tile, row.to_vec());
                    Ok::<_, Infallible>(())
                };
                stream.push(&HashedBundle { row: row.to_vec(), root }, each).unwrap();
            }
            tiles.extend(stream.partial().map(|(tile, row)| (tile, row.to_vec())));
            let expected: Vec<Tile> = new_tiles(0, size as u64).collect();
            assert_eq!(tiles.keys().copied().collect::<Vec<_>>(), expected, "{size}");
            for (tile, row) in &tiles {
                for (place, hash) in (tile.index() * 256..).zip(row) {
                    assert_eq!(tree.perfect_subtree(8 * u32::from(tile.level()), place), Some(*hash));
                }
            }
            assert_eq!((stream.size(), Ok(stream.root())), (size as u64, root_at(size as u64, &tree)));
        }
    }
}
