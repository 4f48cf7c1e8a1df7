//! Tree hashing, and trees that grow by one leaf at a time (RFC 6962 §2.1).
//!
//! A *perfect subtree* at level `l` with index `i` covers the `2^l` leaves from `i · 2^l` on; the
//! leaf hashes themselves are level 0. [`Frontier`] keeps only what the next root needs, [`Tree`]
//! keeps every perfect subtree. Proofs stand in [`super::proof`].

use bincode::de::Decoder;
use bincode::error::DecodeError;
use bincode::{Decode, Encode};

use crate::hash::Hash;

/// The root hash of the empty tree: SHA-256 of no bytes.
pub const EMPTY_ROOT: Hash = Hash::from_bytes([
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27,
    0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
]);

const LEAF_PREFIX: u8 = 0x00;
const NODE_PREFIX: u8 = 0x01;

/// The leaf hash of an entry's bytes: SHA-256(0x00 ‖ `data`).
#[must_use]
pub fn leaf_hash(data: &[u8]) -> Hash {
    Hash::of_parts(&[&[LEAF_PREFIX], data])
}

/// The node hash of two children: SHA-256(0x01 ‖ `left` ‖ `right`).
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut message = [0; 65];
    message[0] = NODE_PREFIX;
    message[1..33].copy_from_slice(left.as_bytes());
    message[33..].copy_from_slice(right.as_bytes());
    Hash::of(&message)
}

/// The right edge of a growing tree: the roots of the perfect subtrees that make it up, largest
/// first. At most 64 hashes, whatever the size.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode)]
pub struct Frontier {
    /// Leaves.
    size: u64,
    /// One hash for each bit set in `size`, the highest bit first.
    nodes: Vec<Hash>,
}

/// Hashes that cannot be the frontier of a tree of that size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a tree of {size} leaves has {expected} frontier hashes, not {found}")]
pub struct FrontierError {
    /// Leaves.
    pub size: u64,
    /// Bits set in `size`.
    pub expected: u32,
    /// Hashes given.
    pub found: usize,
}

impl Frontier {
    /// The frontier of the empty tree.
    #[must_use]
    pub const fn new() -> Self {
        Self { size: 0, nodes: Vec::new() }
    }

    /// The frontier of a tree of `size` leaves from its hashes, largest subtree first. That they are
    /// the right ones shows when [`Self::root`] is compared with a signed root.
    pub fn from_parts(size: u64, nodes: Vec<Hash>) -> Result<Self, FrontierError> {
        let expected = size.count_ones();
        if nodes.len() != expected as usize {
            return Err(FrontierError { size, expected, found: nodes.len() });
        }
        Ok(Self { size, nodes })
    }

    /// Adds a leaf hash on the right: one node hash on average, at most 63.
    pub fn push(&mut self, leaf: Hash) {
        let mut node = leaf;
        for _ in 0..self.size.trailing_ones() {
            let left = self.nodes.pop().expect("the frontier holds a hash for each bit set in its size");
            node = node_hash(&left, &node);
        }
        self.nodes.push(node);
        self.size = self.size.checked_add(1).expect("a log never reaches 2^64 entries");
    }

    /// The number of leaves.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The root hash: one node hash fewer than there are frontier hashes.
    #[must_use]
    pub fn root(&self) -> Hash {
        fold_right(self.nodes.iter().rev().copied()).unwrap_or(EMPTY_ROOT)
    }

    /// The roots of the perfect subtrees, largest first.
    #[must_use]
    pub fn nodes(&self) -> &[Hash] {
        &self.nodes
    }
}

impl<C> Decode<C> for Frontier {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let size = u64::decode(decoder)?;
        let nodes = Vec::decode(decoder)?;
        Self::from_parts(size, nodes).map_err(|error| DecodeError::OtherString(error.to_string()))
    }
}

bincode::impl_borrow_decode!(Frontier);

/// A tree in memory with the hashes of all its perfect subtrees: 64 bytes a leaf. Any proof can be
/// made from it ([`super::proof::HashReader`]).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tree {
    /// `levels[l][i]` is the perfect subtree at level `l` with index `i`; every level is whole:
    /// `levels[l].len() == levels[0].len() >> l`.
    levels: Vec<Vec<Hash>>,
}

impl Tree {
    /// The empty tree.
    #[must_use]
    pub const fn new() -> Self {
        Self { levels: Vec::new() }
    }

    /// Adds a leaf hash on the right.
    pub fn push(&mut self, leaf: Hash) {
        let mut node = leaf;
        for level in 0.. {
            if level == self.levels.len() {
                self.levels.push(Vec::new());
            }
            let row = &mut self.levels[level];
            row.push(node);
            if row.len() % 2 == 1 {
                return;
            }
            node = node_hash(&row[row.len() - 2], &row[row.len() - 1]);
        }
    }

    /// The number of leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.levels.first().map_or(0, |leaves| leaves.len() as u64)
    }

    /// The hash of the perfect subtree at `level` with `index`, where the tree holds it whole.
    #[must_use]
    pub fn perfect_subtree(&self, level: u32, index: u64) -> Option<Hash> {
        let row = self.levels.get(usize::try_from(level).ok()?)?;
        row.get(usize::try_from(index).ok()?).copied()
    }
}

impl FromIterator<Hash> for Tree {
    fn from_iter<I: IntoIterator<Item = Hash>>(leaves: I) -> Self {
        let mut tree = Self::new();
        leaves.into_iter().for_each(|leaf| tree.push(leaf));
        tree
    }
}

/// The root over adjacent perfect subtrees given from right to left; none where there are none.
pub(super) fn fold_right(from_right: impl Iterator<Item = Hash>) -> Option<Hash> {
    from_right.reduce(|right, left| node_hash(&left, &right))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec;

    /// MTH(D[n]) as RFC 6962 §2.1 writes it down.
    fn naive_root(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => Hash::of(b""),
            [leaf] => *leaf,
            _ => {
                let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
                node_hash(&naive_root(left), &naive_root(right))
            }
        }
    }

    fn leaves(count: u64) -> Vec<Hash> {
        (0..count).map(|index| leaf_hash(&index.to_be_bytes())).collect()
    }

    #[test]
    fn published_hashes_of_nothing() {
        assert_eq!(EMPTY_ROOT, Hash::of(b""));
        assert_eq!(
            leaf_hash(b"").to_string(),
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
        );
    }

    #[test]
    fn a_node_is_the_hash_of_one_byte_and_two_hashes() {
        let (left, right) = (Hash::of(b"l"), Hash::of(b"r"));
        assert_eq!(node_hash(&left, &right), Hash::of_parts(&[&[1], left.as_bytes(), right.as_bytes()]));
        assert_ne!(node_hash(&left, &right), node_hash(&right, &left));
    }

    #[test]
    fn frontier_root_is_the_naive_root_at_every_size_up_to_300() {
        let leaves = leaves(300);
        let mut frontier = Frontier::new();
        for size in 0..=300 {
            assert_eq!(frontier.size(), size as u64);
            assert_eq!(frontier.root(), naive_root(&leaves[..size]), "size {size}");
            assert_eq!(frontier.nodes().len(), size.count_ones() as usize);
            if let Some(leaf) = leaves.get(size) {
                frontier.push(*leaf);
            }
        }
    }

    #[test]
    fn frontier_taken_apart_and_put_together_grows_on_alike() {
        let leaves = leaves(41);
        let mut frontier = Frontier::new();
        leaves[..23].iter().for_each(|leaf| frontier.push(*leaf));
        let mut again = Frontier::from_parts(frontier.size(), frontier.nodes().to_vec()).unwrap();
        let mut decoded: Frontier = codec::decode(&codec::encode(&frontier)).unwrap();
        for leaf in &leaves[23..] {
            frontier.push(*leaf);
            again.push(*leaf);
            decoded.push(*leaf);
        }
        assert_eq!(frontier, again);
        assert_eq!(frontier, decoded);
        assert_eq!(frontier.root(), naive_root(&leaves));
    }

    #[test]
    fn frontier_with_a_wrong_number_of_hashes_is_refused() {
        let error = FrontierError { size: 5, expected: 2, found: 3 };
        assert_eq!(Frontier::from_parts(5, vec![EMPTY_ROOT; 3]), Err(error));
        assert!(Frontier::from_parts(0, vec![EMPTY_ROOT]).is_err());
        let bytes = codec::encode(&(5u64, vec![EMPTY_ROOT; 3]));
        assert!(matches!(codec::decode::<Frontier>(&bytes), Err(codec::CodecError::Invalid(_))));
    }

    #[test]
    fn frontier_holds_the_largest_size_but_one() {
        let mut frontier = Frontier::from_parts(u64::MAX - 1, vec![EMPTY_ROOT; 63]).unwrap();
        frontier.push(EMPTY_ROOT);
        assert_eq!((frontier.size(), frontier.nodes().len()), (u64::MAX, 64));
    }

    #[test]
    fn tree_keeps_whole_subtrees_only() {
        let leaves = leaves(11);
        let tree: Tree = leaves.iter().copied().collect();
        assert_eq!(tree.size(), 11);
        assert_eq!(tree.perfect_subtree(0, 10), Some(leaves[10]));
        assert_eq!(tree.perfect_subtree(0, 11), None);
        assert_eq!(tree.perfect_subtree(1, 4), Some(naive_root(&leaves[8..10])));
        assert_eq!(tree.perfect_subtree(1, 5), None);
        assert_eq!(tree.perfect_subtree(3, 0), Some(naive_root(&leaves[..8])));
        assert_eq!(tree.perfect_subtree(3, 1), None);
        assert_eq!(tree.perfect_subtree(4, 0), None);
    }
}
