//! Our Merkle trees, proofs and tiles against `ct-merkle` and `tlog_tiles` (bytes are exchanged, not
//! types), and proofs of large trees.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::sync::OnceLock;

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ct_merkle::{ConsistencyProof, InclusionProof, RootHash};
use proptest::prelude::*;
use rollbook::hash::Hash;
use rollbook::merkle::proof::{
    HashReader, prove_consistency, prove_inclusion, root_at, verify_consistency, verify_inclusion,
};
use rollbook::merkle::tile::{NodePosition, Tile, new_tiles};
use rollbook::merkle::tree::{EMPTY_ROOT, Frontier, Tree, leaf_hash};
use sha2::Sha256;

fn entry(index: u64) -> Vec<u8> {
    format!("entry {index}").into_bytes()
}

fn tree_of(size: u64) -> Tree {
    (0..size).map(|index| leaf_hash(&entry(index))).collect()
}

fn concatenated(proof: &[Hash]) -> Vec<u8> {
    proof.iter().flat_map(Hash::as_bytes).copied().collect()
}

fn separated(bytes: &[u8]) -> Vec<Hash> {
    bytes.chunks(32).map(|chunk| Hash::from_bytes(chunk.try_into().unwrap())).collect()
}

fn ct_root(root: &Hash, size: u64) -> RootHash<Sha256> {
    RootHash::new((*root.as_bytes()).into(), size)
}

#[test]
fn ct_merkle_agrees_on_roots_and_proofs() {
    let tree = tree_of(70);
    let mut theirs = MemoryBackedTree::<Sha256, Vec<u8>>::new();
    for size in 1..=70 {
        theirs.push(entry(size - 1));
        let root = root_at(size, &tree).unwrap();
        assert_eq!(root.as_bytes().as_slice(), theirs.root().as_bytes().as_slice());
        for index in 0..size {
            let proof = prove_inclusion(index, size, &tree).unwrap();
            let their_proof = theirs.prove_inclusion(usize::try_from(index).unwrap());
            assert_eq!(concatenated(&proof), their_proof.as_bytes(), "leaf {index} of {size}");
            let added = size - 1 - index;
            let proof = prove_consistency(index + 1, size, &tree).unwrap();
            let their_proof = theirs.prove_consistency(usize::try_from(added).unwrap());
            assert_eq!(concatenated(&proof), their_proof.as_bytes(), "{} to {size}", index + 1);
        }
    }
}

#[test]
fn ct_merkle_accepts_our_proofs_and_we_accept_theirs() {
    let tree = tree_of(33);
    let mut theirs = MemoryBackedTree::<Sha256, Vec<u8>>::new();
    (0..33).for_each(|index| theirs.push(entry(index)));
    let root = root_at(33, &tree).unwrap();
    for index in 0..33 {
        let ours = prove_inclusion(index, 33, &tree).unwrap();
        let as_theirs = InclusionProof::try_from_bytes(concatenated(&ours)).unwrap();
        assert!(ct_root(&root, 33).verify_inclusion(&entry(index), index, &as_theirs).is_ok());
        let proof = separated(theirs.prove_inclusion(usize::try_from(index).unwrap()).as_bytes());
        assert_eq!(verify_inclusion(&leaf_hash(&entry(index)), index, 33, &proof, &root), Ok(()));
    }
    for old in 1..33 {
        let old_root = root_at(old, &tree).unwrap();
        let ours = prove_consistency(old, 33, &tree).unwrap();
        let as_theirs = ConsistencyProof::try_from_bytes(concatenated(&ours)).unwrap();
        assert!(ct_root(&root, 33).verify_consistency(&ct_root(&old_root, old), &as_theirs).is_ok());
        let proof = separated(theirs.prove_consistency(usize::try_from(33 - old).unwrap()).as_bytes());
        assert_eq!(verify_consistency(old, 33, &old_root, &root, &proof), Ok(()));
    }
}

/// Our tree, as `tlog_tiles` reads one.
struct ForTlogTiles<'a>(&'a Tree);

impl tlog_tiles::HashReader for ForTlogTiles<'_> {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::Hash>, tlog_tiles::Error> {
        let read = |stored: &u64| {
            let (level, index) = tlog_tiles::split_stored_hash_index(*stored);
            to_theirs(&self.0.node(u32::from(level), index).unwrap())
        };
        Ok(indexes.iter().map(read).collect())
    }
}

fn to_theirs(hash: &Hash) -> tlog_tiles::Hash {
    tlog_tiles::Hash(*hash.as_bytes())
}

fn to_ours(hash: &tlog_tiles::Hash) -> Hash {
    Hash::from_bytes(hash.0)
}

#[test]
fn tlog_tiles_agrees_on_roots_and_proofs() {
    let tree = tree_of(70);
    let reader = ForTlogTiles(&tree);
    assert_eq!(EMPTY_ROOT, to_ours(&tlog_tiles::EMPTY_HASH));
    assert_eq!(leaf_hash(b"data"), to_ours(&tlog_tiles::record_hash(b"data")));
    for size in 1..=70 {
        let root = root_at(size, &tree).unwrap();
        assert_eq!(root, to_ours(&tlog_tiles::tree_hash(size, &reader).unwrap()));
        for index in 0..size {
            let ours = prove_inclusion(index, size, &tree).unwrap();
            let theirs = tlog_tiles::prove_record(size, index, &reader).unwrap();
            assert_eq!(ours, theirs.iter().map(to_ours).collect::<Vec<_>>(), "leaf {index} of {size}");
            let leaf = to_theirs(&leaf_hash(&entry(index)));
            let as_theirs = ours.iter().map(to_theirs).collect();
            tlog_tiles::check_record(&as_theirs, size, to_theirs(&root), index, leaf).unwrap();

            let old = index + 1;
            let ours = prove_consistency(old, size, &tree).unwrap();
            let theirs = tlog_tiles::prove_tree(size, old, &reader).unwrap();
            assert_eq!(ours, theirs.iter().map(to_ours).collect::<Vec<_>>(), "{old} to {size}");
            let old_root = to_theirs(&root_at(old, &tree).unwrap());
            let as_theirs = ours.iter().map(to_theirs).collect();
            tlog_tiles::check_tree(&as_theirs, size, to_theirs(&root), old, old_root).unwrap();
        }
    }
}

/// The path of a tile as C2SP writes it: without the height, which is always 8.
fn c2sp_path(tile: &tlog_tiles::Tile) -> String {
    tile.path().replacen("tile/8/", "tile/", 1)
}

proptest! {
    #[test]
    fn tlog_tiles_agrees_on_paths(
        level in 0..64u8,
        index in prop_oneof![any::<u64>(), 0..2_000_000u64],
        width in 1..=256u16,
    ) {
        let ours = Tile::new(level, index, width).unwrap();
        let theirs = tlog_tiles::Tile::new(8, level, index, u32::from(width), false);
        prop_assert_eq!(ours.to_string(), c2sp_path(&theirs));
        prop_assert_eq!(ours.to_string().parse(), Ok(ours));
    }

    #[test]
    fn tlog_tiles_agrees_on_the_tiles_of_a_growing_tree(old in 0..200_000u64, added in 0..5_000u64) {
        let new = old + added;
        let ours: Vec<String> = new_tiles(old, new).map(|tile| tile.to_string()).collect();
        let theirs: Vec<String> = tlog_tiles::Tile::new_tiles(8, old, new).iter().map(c2sp_path).collect();
        prop_assert_eq!(ours, theirs);
    }

    #[test]
    fn tlog_tiles_agrees_on_where_a_node_is(level in 0..40u32, index in 0..1u64 << 20) {
        let ours = NodePosition::of(level, index).unwrap();
        let stored = tlog_tiles::stored_hash_index(u8::try_from(level).unwrap(), index);
        let theirs = tlog_tiles::Tile::from_index(8, stored);
        prop_assert_eq!((ours.tile_level, ours.tile_index), (theirs.level(), theirs.level_index()));
        prop_assert_eq!(u32::from(ours.start + ours.count), theirs.width());
    }

    #[test]
    fn tile_paths_never_panic(path in "(tile/)?(entries|[0-9]{1,3})?/?(x[0-9]{3}/){0,8}[0-9]{0,4}(\\.p/[0-9]{0,4})?") {
        if let Ok(tile) = path.parse::<Tile>() {
            prop_assert_eq!(tile.to_string(), path);
        }
    }
}

const LARGE: u64 = 1 << 20;

fn large_tree() -> &'static Tree {
    static TREE: OnceLock<Tree> = OnceLock::new();
    TREE.get_or_init(|| (0..LARGE).map(|index| leaf_hash(&index.to_be_bytes())).collect())
}

#[test]
fn the_frontier_of_a_large_tree_has_the_root_of_its_nodes() {
    let tree = large_tree();
    let mut frontier = Frontier::new();
    for index in 0..LARGE {
        frontier.push(tree.node(0, index).unwrap());
        if (index + 1) % 99_991 == 0 {
            assert_eq!(Ok(frontier.root()), root_at(index + 1, tree));
        }
    }
    assert_eq!((frontier.size(), frontier.nodes().len()), (LARGE, 1));
    assert_eq!(Ok(frontier.root()), root_at(LARGE, tree));
}

/// Two numbers from 1 to [`LARGE`], the smaller one first.
fn two_sizes() -> impl Strategy<Value = (u64, u64)> {
    (1..=LARGE, 1..=LARGE).prop_map(|(one, two)| (one.min(two), one.max(two)))
}

proptest! {
    #[test]
    fn proofs_of_large_trees_verify_and_altered_ones_do_not(
        (small, size) in two_sizes(),
        altered in any::<prop::sample::Index>(),
        bit in 0..8u8,
    ) {
        let tree = large_tree();
        let root = root_at(size, tree).unwrap();
        let index = small - 1;
        let leaf = tree.node(0, index).unwrap();
        let proof = prove_inclusion(index, size, tree).unwrap();
        prop_assert!(proof.len() <= 20);
        prop_assert_eq!(verify_inclusion(&leaf, index, size, &proof, &root), Ok(()));
        if let Some(forged) = with_bit_flipped(&proof, altered, bit) {
            prop_assert!(verify_inclusion(&leaf, index, size, &forged, &root).is_err());
        }

        let old_root = root_at(small, tree).unwrap();
        let proof = prove_consistency(small, size, tree).unwrap();
        prop_assert!(proof.len() <= 21);
        prop_assert_eq!(verify_consistency(small, size, &old_root, &root, &proof), Ok(()));
        if let Some(forged) = with_bit_flipped(&proof, altered, bit) {
            prop_assert!(verify_consistency(small, size, &old_root, &root, &forged).is_err());
        }
    }

    #[test]
    fn arbitrary_proofs_never_panic_and_prove_nothing(
        (index, size, seed) in (any::<u64>(), any::<u64>(), any::<u64>()),
        length in 0..70usize,
    ) {
        let proof: Vec<Hash> = (0..length).map(|n| Hash::of(&(seed ^ n as u64).to_be_bytes())).collect();
        let (leaf, root) = (Hash::of(b"leaf"), Hash::of(b"root"));
        prop_assert!(verify_inclusion(&leaf, index, size, &proof, &root).is_err());
        prop_assert!(verify_consistency(index, size, &leaf, &root, &proof).is_err());
    }
}

/// `proof` with one bit of the hash at `position` flipped; none where there is no hash.
fn with_bit_flipped(proof: &[Hash], position: prop::sample::Index, bit: u8) -> Option<Vec<Hash>> {
    if proof.is_empty() {
        return None;
    }
    let mut forged = proof.to_vec();
    let hash = &mut forged[position.index(proof.len())];
    let mut bytes = *hash.as_bytes();
    bytes[position.index(32)] ^= 1 << bit;
    *hash = Hash::from_bytes(bytes);
    Some(forged)
}
