//! Inclusion and consistency proofs: making them (RFC 9162 §2.1.3.1, §2.1.4.1) and checking them
//! (§2.1.3.2, §2.1.4.2).
//!
//! The prover asks a [`HashReader`] for node hashes and never learns where they are kept. Checking
//! needs nothing but the proof. Where a root comes from, and who vouches for it, is the caller's
//! concern. Two rules go beyond the RFC's text and are those of the public test vectors: a hash
//! that is not 32 bytes is refused wherever it stands, and nothing is consistent *from* the empty
//! tree ([`verify_consistency`]) except to a witness that sees a log for the first time
//! ([`verify_extension`]).

use std::fmt;

use crate::hash::Hash;

use super::tree::{EMPTY_ROOT, Tree, fold_right, node_hash};

/// Whoever holds the hashes of a tree's perfect subtrees.
pub trait HashReader {
    /// Why a hash could not be read.
    type Error;

    /// The hash of the perfect subtree at `level` (0: leaf hashes) with `index`, which covers the
    /// leaves from `index << level` on. Only subtrees that lie whole inside the tree are asked for.
    ///
    /// # Errors
    /// Where the hash is missing or cannot be read.
    fn node(&self, level: u32, index: u64) -> Result<Hash, Self::Error>;
}

/// A perfect subtree that a tree in memory does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the tree holds no whole subtree at level {level} with index {index}")]
pub struct MissingNode {
    /// 0 for leaves.
    pub level: u32,
    /// Within the level.
    pub index: u64,
}

impl HashReader for Tree {
    type Error = MissingNode;

    fn node(&self, level: u32, index: u64) -> Result<Hash, MissingNode> {
        self.perfect_subtree(level, index).ok_or(MissingNode { level, index })
    }
}

/// Why a proof was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProveError<E> {
    /// There is no such leaf.
    #[error("leaf index {index} is beyond the tree of size {size}")]
    IndexOutOfRange {
        /// Asked for.
        index: u64,
        /// Of the tree.
        size: u64,
    },
    /// A tree does not shrink.
    #[error("the old tree size {old} is larger than the new one, {new}")]
    OldBeyondNew {
        /// Old tree size.
        old: u64,
        /// New tree size.
        new: u64,
    },
    /// Every tree extends the empty one: there is nothing to prove.
    #[error("there is no consistency proof from the empty tree")]
    FromEmpty,
    /// A hash could not be read.
    #[error("{0}")]
    Read(E),
}

/// The root hash of the first `size` leaves.
///
/// # Errors
/// What `reader` reports.
pub fn root_at<R: HashReader>(size: u64, reader: &R) -> Result<Hash, R::Error> {
    if size == 0 {
        return Ok(EMPTY_ROOT);
    }
    range_root(&Range { start: 0, end: size }, reader)
}

/// The inclusion proof of leaf `index` in the tree of `size` leaves: hashes from the leaf up, at most 64.
pub fn prove_inclusion<R: HashReader>(
    index: u64,
    size: u64,
    reader: &R,
) -> Result<Vec<Hash>, ProveError<R::Error>> {
    if index >= size {
        return Err(ProveError::IndexOutOfRange { index, size });
    }
    let mut path = Vec::new();
    let mut range = Range { start: 0, end: size };
    // PATH(m, D[n]): descend to the leaf, taking the root of the half that is left aside.
    while range.len() > 1 {
        let (left, right) = range.split();
        let (taken, aside) = if index < right.start { (left, right) } else { (right, left) };
        path.push(range_root(&aside, reader).map_err(ProveError::Read)?);
        range = taken;
    }
    path.reverse();
    Ok(path)
}

/// The consistency proof between the trees of `old` and `new` leaves: at most 64 hashes, none where
/// the sizes are equal.
pub fn prove_consistency<R: HashReader>(
    old: u64,
    new: u64,
    reader: &R,
) -> Result<Vec<Hash>, ProveError<R::Error>> {
    if old > new {
        return Err(ProveError::OldBeyondNew { old, new });
    }
    if old == new {
        return Ok(Vec::new());
    }
    if old == 0 {
        return Err(ProveError::FromEmpty);
    }
    let mut path = Vec::new();
    let mut range = Range { start: 0, end: new };
    // SUBPROOF(m, D[n], b): descend along the old tree's right edge, until the range is wholly old.
    while range.end != old {
        let (left, right) = range.split();
        let (taken, aside) = if old <= right.start { (left, right) } else { (right, left) };
        path.push(range_root(&aside, reader).map_err(ProveError::Read)?);
        range = taken;
    }
    // b is true where the range is the whole old tree, whose root the verifier has.
    if range.start != 0 {
        path.push(range_root(&range, reader).map_err(ProveError::Read)?);
    }
    path.reverse();
    Ok(path)
}

/// What a witness is sent: [`prove_consistency`], and an empty proof from the empty tree.
pub fn prove_extension<R: HashReader>(
    old: u64,
    new: u64,
    reader: &R,
) -> Result<Vec<Hash>, ProveError<R::Error>> {
    if old == 0 { Ok(Vec::new()) } else { prove_consistency(old, new, reader) }
}

/// Which of the hashes handed to a verifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashRole {
    /// The leaf hash.
    Leaf,
    /// The root hash of the tree, or of the new one.
    Root,
    /// The root hash of the old tree.
    OldRoot,
    /// A hash of the proof, counted from 0.
    Proof(usize),
}

impl fmt::Display for HashRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Leaf => f.write_str("the leaf hash"),
            Self::Root => f.write_str("the root hash"),
            Self::OldRoot => f.write_str("the old root hash"),
            Self::Proof(position) => write!(f, "proof hash {position}"),
        }
    }
}

/// Why a proof proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// There is no such leaf.
    #[error("leaf index {index} is beyond the tree of size {size}")]
    IndexOutOfRange {
        /// Claimed.
        index: u64,
        /// Of the tree.
        size: u64,
    },
    /// A tree does not shrink.
    #[error("the old tree size {old} is larger than the new one, {new}")]
    OldBeyondNew {
        /// Old tree size.
        old: u64,
        /// New tree size.
        new: u64,
    },
    /// A consistency proof from the empty tree means nothing.
    #[error("a consistency proof from the empty tree means nothing")]
    FromEmpty,
    /// Hashes are missing.
    #[error("the proof of {found} hashes is too short")]
    TooShort {
        /// Hashes given.
        found: usize,
    },
    /// There are more hashes than the sizes allow.
    #[error("the proof of {found} hashes is too long")]
    TooLong {
        /// Hashes given.
        found: usize,
    },
    /// The proof leads to another root.
    #[error("the proof leads to the root {computed}, expected {expected}")]
    RootMismatch {
        /// From the proof.
        computed: Hash,
        /// Given.
        expected: Hash,
    },
    /// The proof leads to another old root.
    #[error("the proof leads to the old root {computed}, expected {expected}")]
    OldRootMismatch {
        /// From the proof.
        computed: Hash,
        /// Given.
        expected: Hash,
    },
    /// A hash of another length.
    #[error("{role} has {length} bytes, not 32")]
    HashLength {
        /// Which hash.
        role: HashRole,
        /// In bytes.
        length: usize,
    },
}

/// Checks that the leaf hash `leaf` stands at `index` in the tree of `size` leaves with `root`.
pub fn verify_inclusion(
    leaf: &Hash,
    index: u64,
    size: u64,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    // RFC 9162 §2.1.3.2
    // 1. Compare leaf_index against tree_size. If leaf_index is greater than or equal, fail.
    if index >= size {
        return Err(ProofError::IndexOutOfRange { index, size });
    }
    // 2. Set fn to leaf_index and sn to tree_size - 1.
    let mut climb = Climb { fn_: index, sn: size - 1 };
    // 3. Set r to hash.
    let mut r = *leaf;
    // 4. For each value p in the inclusion_path array:
    for p in proof {
        // a. If sn is 0, then stop the iteration and fail the proof verification.
        if climb.sn == 0 {
            return Err(ProofError::TooLong { found: proof.len() });
        }
        // b. If LSB(fn) is set, or if fn is equal to sn, set r to HASH(0x01 || p || r), and
        //    right-shift as `Climb::settle` says. Otherwise, set r to HASH(0x01 || r || p).
        if climb.is_right_child() {
            r = node_hash(p, &r);
            climb.settle();
        } else {
            r = node_hash(&r, p);
        }
        // c. Finally, right-shift both fn and sn one time.
        climb.step();
    }
    // 5. Compare sn to 0. Compare r against the root_hash. If both are equal, the proof holds.
    climb.expect_top(proof.len())?;
    expect_root(r, root)
}

/// Checks that the tree of `new` leaves with `new_root` begins with that of `old` leaves with
/// `old_root`. Equal sizes ask for an empty proof and equal roots; `old` 0 below a larger `new` is
/// refused.
pub fn verify_consistency(
    old: u64,
    new: u64,
    old_root: &Hash,
    new_root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if old > new {
        return Err(ProofError::OldBeyondNew { old, new });
    }
    if old == new {
        expect_empty(proof)?;
        return expect_root(*old_root, new_root);
    }
    if old == 0 {
        return Err(ProofError::FromEmpty);
    }
    // RFC 9162 §2.1.4.2
    // 1. If consistency_path is an empty array, stop and fail the proof verification.
    // 2. If first is an exact power of 2, then prepend first_hash to the consistency_path array.
    // 5. Set both fr and sr to the first value in the consistency_path array.
    let (first, path) = match proof.split_first() {
        None => return Err(ProofError::TooShort { found: 0 }),
        Some(_) if old.is_power_of_two() => (old_root, proof),
        Some(split) => split,
    };
    let (mut fr, mut sr) = (*first, *first);
    // 3. Set fn to first - 1 and sn to second - 1.
    let mut climb = Climb { fn_: old - 1, sn: new - 1 };
    // 4. If LSB(fn) is set, then right-shift both fn and sn equally until LSB(fn) is not set.
    climb.shift(climb.fn_.trailing_ones());
    // 6. For each subsequent value c in the consistency_path array:
    for c in path {
        // a. If sn is 0, then stop the iteration and fail the proof verification.
        if climb.sn == 0 {
            return Err(ProofError::TooLong { found: proof.len() });
        }
        // b. If LSB(fn) is set, or if fn is equal to sn, set fr to HASH(0x01 || c || fr) and sr to
        //    HASH(0x01 || c || sr), and right-shift as `Climb::settle` says.
        //    Otherwise, set sr to HASH(0x01 || sr || c).
        if climb.is_right_child() {
            fr = node_hash(c, &fr);
            sr = node_hash(c, &sr);
            climb.settle();
        } else {
            sr = node_hash(&sr, c);
        }
        // c. Finally, right-shift both fn and sn one time.
        climb.step();
    }
    // 7. Verify that fr is equal to first_hash, sr to second_hash, and that sn is 0.
    climb.expect_top(proof.len())?;
    if fr != *old_root {
        return Err(ProofError::OldRootMismatch { computed: fr, expected: *old_root });
    }
    expect_root(sr, new_root)
}

/// What a witness checks: [`verify_consistency`], except that from `old` 0, with the empty tree's
/// root, every tree is an extension and the proof must be empty (C2SP tlog-witness).
pub fn verify_extension(
    old: u64,
    new: u64,
    old_root: &Hash,
    new_root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if old > 0 {
        return verify_consistency(old, new, old_root, new_root, proof);
    }
    expect_empty(proof)?;
    if *old_root != EMPTY_ROOT {
        return Err(ProofError::OldRootMismatch { computed: EMPTY_ROOT, expected: *old_root });
    }
    if new == 0 { expect_root(EMPTY_ROOT, new_root) } else { Ok(()) }
}

/// [`verify_inclusion`] for hashes that come as bytes: leaf, root and proof must be 32 bytes each.
pub fn verify_inclusion_bytes(
    leaf: &[u8],
    index: u64,
    size: u64,
    proof: &[impl AsRef<[u8]>],
    root: &[u8],
) -> Result<(), ProofError> {
    let leaf = hash_of_bytes(leaf, HashRole::Leaf)?;
    let root = hash_of_bytes(root, HashRole::Root)?;
    verify_inclusion(&leaf, index, size, &hashes_of_proof(proof)?, &root)
}

/// [`verify_consistency`] for hashes that come as bytes: both roots and the proof must be 32 bytes each.
pub fn verify_consistency_bytes(
    old: u64,
    new: u64,
    old_root: &[u8],
    new_root: &[u8],
    proof: &[impl AsRef<[u8]>],
) -> Result<(), ProofError> {
    let old_root = hash_of_bytes(old_root, HashRole::OldRoot)?;
    let new_root = hash_of_bytes(new_root, HashRole::Root)?;
    verify_consistency(old, new, &old_root, &new_root, &hashes_of_proof(proof)?)
}

/// The leaves from `start` up to `end`, a subtree of RFC 9162's recursion: `start` is a multiple of
/// the next power of two at or above the length, and the length is not 0.
struct Range {
    start: u64,
    end: u64,
}

impl Range {
    const fn len(&self) -> u64 {
        self.end - self.start
    }

    /// Both children, split at the largest power of two below the length, which is at least 2.
    const fn split(&self) -> (Self, Self) {
        let middle = self.start + (1 << (self.len() - 1).ilog2());
        (Self { start: self.start, end: middle }, Self { start: middle, end: self.end })
    }
}

/// MTH(D[start:end]), folded from the perfect subtrees that fill the range, smallest (rightmost) first.
fn range_root<R: HashReader>(range: &Range, reader: &R) -> Result<Hash, R::Error> {
    let mut end = range.end;
    let mut nodes = Vec::with_capacity(range.len().count_ones() as usize);
    while end > range.start {
        let level = (end - range.start).trailing_zeros();
        end -= 1 << level;
        nodes.push(reader.node(level, end >> level)?);
    }
    Ok(fold_right(nodes.into_iter()).expect("a range is not empty"))
}

/// The verifier's position while it climbs: the RFC's `fn` and `sn`, the indexes at one level of the
/// node on the path and of the last node.
struct Climb {
    fn_: u64,
    sn: u64,
}

impl Climb {
    /// LSB(fn) is set, or fn is equal to sn.
    const fn is_right_child(&self) -> bool {
        self.fn_ & 1 == 1 || self.fn_ == self.sn
    }

    /// If LSB(fn) is not set, right-shift both fn and sn equally until either LSB(fn) is set or fn is 0.
    fn settle(&mut self) {
        // Where LSB(fn) is set that is no shift at all; where not, fn equals sn, which is not 0.
        self.shift(self.fn_.trailing_zeros());
    }

    fn step(&mut self) {
        self.shift(1);
    }

    /// Right-shifts both by `count`, which may be all 64 bits.
    fn shift(&mut self, count: u32) {
        self.fn_ = self.fn_.checked_shr(count).unwrap_or(0);
        self.sn = self.sn.checked_shr(count).unwrap_or(0);
    }

    const fn expect_top(&self, found: usize) -> Result<(), ProofError> {
        if self.sn == 0 { Ok(()) } else { Err(ProofError::TooShort { found }) }
    }
}

const fn expect_empty(proof: &[Hash]) -> Result<(), ProofError> {
    if proof.is_empty() { Ok(()) } else { Err(ProofError::TooLong { found: proof.len() }) }
}

fn expect_root(computed: Hash, expected: &Hash) -> Result<(), ProofError> {
    if computed == *expected {
        return Ok(());
    }
    Err(ProofError::RootMismatch { computed, expected: *expected })
}

fn hashes_of_proof(proof: &[impl AsRef<[u8]>]) -> Result<Vec<Hash>, ProofError> {
    let hash = |(position, bytes): (usize, &_)| {
        hash_of_bytes(AsRef::<[u8]>::as_ref(bytes), HashRole::Proof(position))
    };
    proof.iter().enumerate().map(hash).collect()
}

fn hash_of_bytes(bytes: &[u8], role: HashRole) -> Result<Hash, ProofError> {
    let array = bytes.try_into().map_err(|_| ProofError::HashLength { role, length: bytes.len() })?;
    Ok(Hash::from_bytes(array))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::super::tree::leaf_hash;
    use super::*;

    /// The recursive definitions of RFC 6962 §2.1, over leaves counted from 0; every subtree's root
    /// is remembered.
    struct Naive {
        leaves: Vec<Hash>,
        roots: HashMap<(usize, usize), Hash>,
    }

    impl Naive {
        fn new(size: u64) -> Self {
            let leaves = (0..size).map(|index| leaf_hash(&index.to_be_bytes())).collect();
            Self { leaves, roots: HashMap::new() }
        }

        fn tree(&self) -> Tree {
            self.leaves.iter().copied().collect()
        }

        fn root(&mut self, start: usize, end: usize) -> Hash {
            match end - start {
                0 => return Hash::of(b""),
                1 => return self.leaves[start],
                _ => {}
            }
            if let Some(root) = self.roots.get(&(start, end)) {
                return *root;
            }
            let k = largest_power_of_two_below(end - start);
            let root = node_hash(&self.root(start, start + k), &self.root(start + k, end));
            self.roots.insert((start, end), root);
            root
        }

        /// PATH(m, D[start:end])
        fn path(&mut self, m: usize, start: usize, end: usize) -> Vec<Hash> {
            if end - start == 1 {
                return Vec::new();
            }
            let k = largest_power_of_two_below(end - start);
            if m < k {
                let mut path = self.path(m, start, start + k);
                path.push(self.root(start + k, end));
                path
            } else {
                let mut path = self.path(m - k, start + k, end);
                path.push(self.root(start, start + k));
                path
            }
        }

        /// SUBPROOF(m, D[start:end], b)
        fn subproof(&mut self, m: usize, start: usize, end: usize, b: bool) -> Vec<Hash> {
            let n = end - start;
            if m == n {
                return if b { Vec::new() } else { vec![self.root(start, end)] };
            }
            let k = largest_power_of_two_below(n);
            if m <= k {
                let mut proof = self.subproof(m, start, start + k, b);
                proof.push(self.root(start + k, end));
                proof
            } else {
                let mut proof = self.subproof(m - k, start + k, end, false);
                proof.push(self.root(start, start + k));
                proof
            }
        }
    }

    fn largest_power_of_two_below(n: usize) -> usize {
        n.next_power_of_two() / 2
    }

    const SIZE: usize = 300;

    #[test]
    fn root_at_is_the_naive_root_at_every_size() {
        let mut naive = Naive::new(SIZE as u64);
        let tree = naive.tree();
        for size in 0..=SIZE {
            assert_eq!(root_at(size as u64, &tree), Ok(naive.root(0, size)), "size {size}");
        }
    }

    #[test]
    fn every_inclusion_proof_is_the_naive_one_and_verifies() {
        let mut naive = Naive::new(SIZE as u64);
        let tree = naive.tree();
        for size in 1..=SIZE {
            let root = naive.root(0, size);
            for index in 0..size {
                let proof = prove_inclusion(index as u64, size as u64, &tree).unwrap();
                assert_eq!(proof, naive.path(index, 0, size), "leaf {index} of {size}");
                let leaf = naive.leaves[index];
                assert_eq!(verify_inclusion(&leaf, index as u64, size as u64, &proof, &root), Ok(()));
            }
        }
    }

    #[test]
    fn every_consistency_proof_is_the_naive_one_and_verifies() {
        let mut naive = Naive::new(SIZE as u64);
        let tree = naive.tree();
        for new in 1..=SIZE {
            let new_root = naive.root(0, new);
            for old in 1..=new {
                let proof = prove_consistency(old as u64, new as u64, &tree).unwrap();
                assert_eq!(proof, naive.subproof(old, 0, new, true), "{old} to {new}");
                let old_root = naive.root(0, old);
                let checked = verify_consistency(old as u64, new as u64, &old_root, &new_root, &proof);
                assert_eq!(checked, Ok(()), "{old} to {new}");
            }
        }
    }

    #[test]
    fn only_the_honest_inclusion_proof_is_accepted() {
        let size_max = 17;
        let tree = Naive::new(size_max).tree();
        let claims: Vec<_> =
            (1..=size_max).flat_map(|size| (0..size).map(move |index| (index, size))).collect();
        for (index, size) in &claims {
            let leaf = tree.perfect_subtree(0, *index).unwrap();
            let proof = prove_inclusion(*index, *size, &tree).unwrap();
            for (claimed_index, claimed_size) in &claims {
                let root = root_at(*claimed_size, &tree).unwrap();
                let honest = index == claimed_index
                    && proof == prove_inclusion(*claimed_index, *claimed_size, &tree).unwrap();
                let accepted = verify_inclusion(&leaf, *claimed_index, *claimed_size, &proof, &root).is_ok();
                assert_eq!(accepted, honest, "{index}/{size} as {claimed_index}/{claimed_size}");
            }
        }
    }

    #[test]
    fn only_the_honest_consistency_proof_is_accepted() {
        let size_max = 17;
        let tree = Naive::new(size_max).tree();
        let roots: Vec<_> = (0..=size_max).map(|size| root_at(size, &tree).unwrap()).collect();
        let claims: Vec<_> = (1..=size_max).flat_map(|new| (1..=new).map(move |old| (old, new))).collect();
        let root_of = |size: u64| &roots[usize::try_from(size).unwrap()];
        for (old, new) in &claims {
            let proof = prove_consistency(*old, *new, &tree).unwrap();
            for (claimed_old, claimed_new) in &claims {
                let honest = proof == prove_consistency(*claimed_old, *claimed_new, &tree).unwrap();
                let (old_root, new_root) = (root_of(*claimed_old), root_of(*claimed_new));
                let checked = verify_consistency(*claimed_old, *claimed_new, old_root, new_root, &proof);
                assert_eq!(checked.is_ok(), honest, "{old}..{new} as {claimed_old}..{claimed_new}");
            }
        }
    }

    /// Every way to flip a bit of a hash, drop one, double one or add one.
    fn tampered(proof: &[Hash]) -> Vec<Vec<Hash>> {
        let mut all = Vec::new();
        for position in 0..=proof.len() {
            let mut longer = proof.to_vec();
            longer.insert(position, Hash::of(b"added"));
            all.push(longer);
        }
        for (position, hash) in proof.iter().enumerate() {
            let mut flipped = proof.to_vec();
            let mut bytes = *hash.as_bytes();
            bytes[position % 32] ^= 0x10;
            flipped[position] = Hash::from_bytes(bytes);
            let mut shorter = proof.to_vec();
            shorter.remove(position);
            let mut doubled = proof.to_vec();
            doubled.insert(position, *hash);
            all.extend([flipped, shorter, doubled]);
        }
        all
    }

    #[test]
    fn every_tampered_proof_is_refused() {
        let size_max = 40;
        let tree = Naive::new(size_max).tree();
        for size in 1..=size_max {
            let root = root_at(size, &tree).unwrap();
            for index in 0..size {
                let leaf = tree.perfect_subtree(0, index).unwrap();
                for proof in tampered(&prove_inclusion(index, size, &tree).unwrap()) {
                    assert!(verify_inclusion(&leaf, index, size, &proof, &root).is_err());
                }
                let old = index + 1;
                let old_root = root_at(old, &tree).unwrap();
                for proof in tampered(&prove_consistency(old, size, &tree).unwrap()) {
                    assert!(verify_consistency(old, size, &old_root, &root, &proof).is_err());
                }
            }
        }
    }

    #[test]
    fn a_refusal_says_what_is_wrong() {
        let tree = Naive::new(7).tree();
        let root = |size| root_at(size, &tree).unwrap();
        let leaf = tree.perfect_subtree(0, 2).unwrap();
        let proof = prove_inclusion(2, 7, &tree).unwrap();
        let longer = [proof.as_slice(), &[leaf]].concat();
        let inclusion =
            |leaf: &Hash, index, proof: &[Hash]| verify_inclusion(leaf, index, 7, proof, &root(7));
        assert_eq!(inclusion(&leaf, 7, &proof), Err(ProofError::IndexOutOfRange { index: 7, size: 7 }));
        assert_eq!(inclusion(&leaf, 2, &proof[..2]), Err(ProofError::TooShort { found: 2 }));
        assert_eq!(inclusion(&leaf, 2, &longer), Err(ProofError::TooLong { found: 4 }));
        assert!(matches!(inclusion(&root(3), 2, &proof), Err(ProofError::RootMismatch { .. })));

        let proof = prove_consistency(3, 7, &tree).unwrap();
        let consistency = |old_root, new_root, proof: &[Hash]| {
            verify_consistency(3, 7, &root(old_root), &root(new_root), proof)
        };
        assert_eq!(consistency(3, 7, &[]), Err(ProofError::TooShort { found: 0 }));
        assert_eq!(consistency(3, 7, &proof[..3]), Err(ProofError::TooShort { found: 3 }));
        assert!(matches!(consistency(2, 7, &proof), Err(ProofError::OldRootMismatch { .. })));
        assert!(matches!(consistency(3, 6, &proof), Err(ProofError::RootMismatch { .. })));
        let shrunk = verify_consistency(7, 3, &root(7), &root(3), &[]);
        assert_eq!(shrunk, Err(ProofError::OldBeyondNew { old: 7, new: 3 }));
    }

    #[test]
    fn equal_sizes_take_an_empty_proof_and_equal_roots() {
        let tree = Naive::new(7).tree();
        let (six, seven) = (root_at(6, &tree).unwrap(), root_at(7, &tree).unwrap());
        assert_eq!(prove_consistency(7, 7, &tree), Ok(vec![]));
        assert_eq!(verify_consistency(7, 7, &seven, &seven, &[]), Ok(()));
        let nonempty = verify_consistency(7, 7, &seven, &seven, &[six]);
        assert_eq!(nonempty, Err(ProofError::TooLong { found: 1 }));
        let other = verify_consistency(7, 7, &six, &seven, &[]);
        assert_eq!(other, Err(ProofError::RootMismatch { computed: six, expected: seven }));
    }

    #[test]
    fn from_the_empty_tree_only_a_witness_goes_on() {
        let tree = Naive::new(3).tree();
        let root = root_at(3, &tree).unwrap();
        assert_eq!(prove_consistency(0, 3, &tree), Err(ProveError::FromEmpty));
        assert_eq!(verify_consistency(0, 3, &EMPTY_ROOT, &root, &[]), Err(ProofError::FromEmpty));

        assert_eq!(prove_extension(0, 3, &tree), Ok(vec![]));
        assert_eq!(verify_extension(0, 3, &EMPTY_ROOT, &root, &[]), Ok(()));
        assert_eq!(verify_extension(0, 0, &EMPTY_ROOT, &EMPTY_ROOT, &[]), Ok(()));
        let nonempty = verify_extension(0, 3, &EMPTY_ROOT, &root, &[root]);
        assert_eq!(nonempty, Err(ProofError::TooLong { found: 1 }));
        assert!(verify_extension(0, 3, &root, &root, &[]).is_err(), "that is not the empty tree's root");
        assert!(verify_extension(0, 0, &EMPTY_ROOT, &root, &[]).is_err());
    }

    #[test]
    fn from_a_tree_with_leaves_a_witness_asks_for_the_same_proof() {
        let tree = Naive::new(5).tree();
        let (old_root, new_root) = (root_at(2, &tree).unwrap(), root_at(5, &tree).unwrap());
        let proof = prove_extension(2, 5, &tree).unwrap();
        assert_eq!(Ok(proof.clone()), prove_consistency(2, 5, &tree));
        assert_eq!(verify_extension(2, 5, &old_root, &new_root, &proof), Ok(()));
        assert!(verify_extension(2, 5, &old_root, &new_root, &proof[1..]).is_err());
    }

    #[test]
    fn any_hash_that_is_not_32_bytes_is_refused() {
        let tree = Naive::new(7).tree();
        let root = root_at(7, &tree).unwrap();
        let leaf = tree.perfect_subtree(0, 2).unwrap();
        let proof = bytes_of(&prove_inclusion(2, 7, &tree).unwrap());
        let (leaf, root) = (leaf.as_bytes().as_slice(), root.as_bytes().as_slice());
        assert_eq!(verify_inclusion_bytes(leaf, 2, 7, &proof, root), Ok(()));
        let wrong = |role, length| Err(ProofError::HashLength { role, length });
        assert_eq!(verify_inclusion_bytes(&leaf[..31], 2, 7, &proof, root), wrong(HashRole::Leaf, 31));
        assert_eq!(verify_inclusion_bytes(leaf, 2, 7, &proof, &[]), wrong(HashRole::Root, 0));
        let mut longer = proof.clone();
        longer[1].push(0);
        assert_eq!(verify_inclusion_bytes(leaf, 2, 7, &longer, root), wrong(HashRole::Proof(1), 33));

        let proof = bytes_of(&prove_consistency(2, 7, &tree).unwrap());
        let old_root = root_at(2, &tree).unwrap();
        let old_root = old_root.as_bytes().as_slice();
        assert_eq!(verify_consistency_bytes(2, 7, old_root, root, &proof), Ok(()));
        let short_old = verify_consistency_bytes(2, 7, &old_root[1..], root, &proof);
        assert_eq!(short_old, wrong(HashRole::OldRoot, 31));
        let short_new = verify_consistency_bytes(2, 7, old_root, &root[1..], &proof);
        assert_eq!(short_new, wrong(HashRole::Root, 31));
        let empty_hash = verify_consistency_bytes(2, 7, old_root, root, &[Vec::new()]);
        assert_eq!(empty_hash, wrong(HashRole::Proof(0), 0));
    }

    fn bytes_of(proof: &[Hash]) -> Vec<Vec<u8>> {
        proof.iter().map(|hash| hash.as_bytes().to_vec()).collect()
    }

    #[test]
    fn what_cannot_be_proved_is_told() {
        let tree = Naive::new(5).tree();
        assert_eq!(prove_inclusion(5, 5, &tree), Err(ProveError::IndexOutOfRange { index: 5, size: 5 }));
        assert_eq!(prove_consistency(5, 4, &tree), Err(ProveError::OldBeyondNew { old: 5, new: 4 }));
        let missing = MissingNode { level: 0, index: 6 };
        assert_eq!(prove_inclusion(0, 7, &tree), Err(ProveError::Read(missing)));
        assert_eq!(root_at(7, &tree), Err(missing));
    }

    /// A tree of any size whose leaves are all alike, so that a level has one hash.
    struct Uniform;

    impl HashReader for Uniform {
        type Error = std::convert::Infallible;

        fn node(&self, level: u32, _: u64) -> Result<Hash, Self::Error> {
            Ok((0..level).fold(EMPTY_ROOT, |node, _| node_hash(&node, &node)))
        }
    }

    #[test]
    fn the_largest_sizes_prove_and_verify() {
        let sizes = [u64::MAX, u64::MAX - 1, 1 << 63, (1 << 63) + 1, (1 << 63) - 1];
        let Ok(leaf) = Uniform.node(0, 0);
        for size in sizes {
            let Ok(root) = root_at(size, &Uniform);
            for index in [0, 1, size / 2, size - 2, size - 1] {
                let proof = prove_inclusion(index, size, &Uniform).unwrap();
                assert_eq!(verify_inclusion(&leaf, index, size, &proof, &root), Ok(()), "{index} of {size}");
                let old = index + 1;
                let Ok(old_root) = root_at(old, &Uniform);
                let proof = prove_consistency(old, size, &Uniform).unwrap();
                assert_eq!(verify_consistency(old, size, &old_root, &root, &proof), Ok(()), "{old}..{size}");
            }
        }
    }
}
