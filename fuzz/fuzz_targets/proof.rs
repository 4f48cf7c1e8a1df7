//! Inclusion and consistency proofs, against the definition; and `.tlog-proof` files.
//!
//! In a small tree, a proof verifies exactly where it is the one that RFC 9162 defines (§2.1.3.1, §2.1.4.1): it is
//! made by recursion over the leaves, and then changed. At any sizes, the root that a proof leads to is the one that
//! the recursion leads to. A file that parses is written in the same bytes, and convinces only of what the seed's log
//! holds.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use rollbook::export::tlog_proof::{PROOF_HASHES_MAX, TlogProof};
use rollbook::hash::Hash;
use rollbook::merkle::proof::{
    ProofError, prove_consistency, prove_extension, prove_inclusion, verify_consistency,
    verify_consistency_bytes, verify_extension, verify_inclusion, verify_inclusion_bytes,
};
use rollbook::merkle::tree::{EMPTY_ROOT, Tree, leaf_hash, node_hash};
use rollbook::note::vkey::VerifierKey;
use rollbook::store::frame::FrameView;
use rollbook_fuzz::allocation::within;
use rollbook_fuzz::{forge, seed};

/// Leaves of the largest small tree.
const SMALL_MAX: u64 = 70;

fuzz_target!(|bytes: &[u8]| {
    tlog_proof(bytes);
    let mut input = Input(bytes);
    match input.byte() % 4 {
        0 => inclusion_in_a_small_tree(&mut input),
        1 => consistency_of_small_trees(&mut input),
        2 => inclusion_at_any_size(&mut input),
        _ => consistency_at_any_sizes(&mut input),
    }
});

/// The fuzzer's bytes; zeros where they end.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn byte(&mut self) -> u8 {
        let Some((byte, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *byte
    }

    fn below(&mut self, bound: u64) -> u64 {
        u64::from(self.byte()) % bound.max(1)
    }

    fn number(&mut self) -> u64 {
        u64::from_le_bytes(std::array::from_fn(|_| self.byte()))
    }

    fn hash(&mut self) -> Hash {
        Hash::of(&[self.byte()])
    }

    fn hashes(&mut self) -> Vec<Hash> {
        (0..self.below(72)).map(|_| self.hash()).collect()
    }

    /// Some changes to `proof`: hashes replaced, taken out, put in, exchanged.
    fn change(&mut self, proof: &mut Vec<Hash>, tree: &Tree) {
        while !self.0.is_empty() {
            let at = self.byte() as usize % (proof.len() + 1);
            let hash = match self.byte() {
                byte @ 0..=199 => tree.perfect_subtree(u32::from(byte % 7), u64::from(byte / 7)),
                _ => None,
            };
            let hash = hash.unwrap_or_else(|| self.hash());
            match self.byte() % 5 {
                0 if at < proof.len() => proof[at] = hash,
                1 if at < proof.len() => drop(proof.remove(at)),
                2 if proof.len() < 80 => proof.insert(at, hash),
                3 if at + 1 < proof.len() => proof.swap(at, at + 1),
                _ => {}
            }
        }
    }
}

static LEAVES: LazyLock<Vec<Hash>> =
    LazyLock::new(|| (0..SMALL_MAX).map(|index| leaf_hash(&index.to_be_bytes())).collect());

fn leaves(size: u64) -> &'static [Hash] {
    &LEAVES[..usize::try_from(size).expect("a small tree")]
}

/// The largest power of two below `size`, which is at least 2.
fn half(size: u64) -> u64 {
    1 << (63 - (size - 1).leading_zeros())
}

/// MTH(D[n]).
fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => EMPTY_ROOT,
        [leaf] => *leaf,
        _ => {
            let (left, right) = split(leaves);
            node_hash(&root(left), &root(right))
        }
    }
}

fn split(leaves: &[Hash]) -> (&[Hash], &[Hash]) {
    leaves.split_at(usize::try_from(half(leaves.len() as u64)).expect("a small tree"))
}

/// PATH(m, D[n]).
fn path(index: u64, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() <= 1 {
        return Vec::new();
    }
    let (left, right) = split(leaves);
    let k = left.len() as u64;
    if index < k {
        [path(index, left), vec![root(right)]]
    } else {
        [path(index - k, right), vec![root(left)]]
    }
    .concat()
}

/// SUBPROOF(m, D[n], b).
fn subproof(old: u64, leaves: &[Hash], whole: bool) -> Vec<Hash> {
    if old == leaves.len() as u64 {
        return if whole { Vec::new() } else { vec![root(leaves)] };
    }
    let (left, right) = split(leaves);
    let k = left.len() as u64;
    if old <= k {
        [subproof(old, left, whole), vec![root(right)]].concat()
    } else {
        [subproof(old - k, right, false), vec![root(left)]].concat()
    }
}

fn inclusion_in_a_small_tree(input: &mut Input<'_>) {
    let size = input.below(SMALL_MAX + 1);
    let index = input.below(size + 1);
    let tree: Tree = leaves(size).iter().copied().collect();
    let (leaf, root) = (LEAVES.get(index as usize).copied().unwrap_or(Hash::ZERO), root(leaves(size)));
    let right = if index < size { path(index, leaves(size)) } else { Vec::new() };
    assert_eq!(prove_inclusion(index, size, &tree).ok(), (index < size).then(|| right.clone()));
    let leaf = if input.byte().is_multiple_of(4) { input.hash() } else { leaf };
    let mut proof = right.clone();
    input.change(&mut proof, &tree);
    let holds = index < size && leaf == leaves(size)[index as usize] && proof == right;
    assert_eq!(verify_inclusion(&leaf, index, size, &proof, &root).is_ok(), holds);
    assert_eq!(
        verify_inclusion_bytes(leaf.as_bytes(), index, size, &bytes_of(&proof), root.as_bytes()),
        verify_inclusion(&leaf, index, size, &proof, &root)
    );
}

fn consistency_of_small_trees(input: &mut Input<'_>) {
    let new = input.below(SMALL_MAX + 1);
    let old = input.below(new + 2);
    let tree: Tree = leaves(new).iter().copied().collect();
    let ordered = 0 < old && old <= new;
    let right = if ordered { subproof(old, leaves(new), true) } else { Vec::new() };
    let expected = (ordered || old == new).then(|| right.clone());
    assert_eq!(prove_consistency(old, new, &tree).ok(), expected);
    assert_eq!(prove_extension(old, new, &tree).ok(), expected.or((old == 0).then(Vec::new)));

    let true_old = root(leaves(old.min(new)));
    let old_root = if input.byte().is_multiple_of(4) { input.hash() } else { true_old };
    let new_root = root(leaves(new));
    let mut proof = right.clone();
    input.change(&mut proof, &tree);
    let sound = old_root == true_old && proof == right;
    let verified = verify_consistency(old, new, &old_root, &new_root, &proof);
    assert_eq!(verified.is_ok(), sound && (ordered || old == new));
    assert_eq!(verify_extension(old, new, &old_root, &new_root, &proof).is_ok(), sound && old <= new);
    let as_bytes =
        verify_consistency_bytes(old, new, old_root.as_bytes(), new_root.as_bytes(), &bytes_of(&proof));
    assert_eq!(as_bytes, verified);
}

fn bytes_of(proof: &[Hash]) -> Vec<&[u8]> {
    proof.iter().map(|hash| hash.as_bytes().as_slice()).collect()
}

/// The root that a path of just the right length leads to, by PATH's recursion; none where hashes are missing.
fn root_of_path(leaf: Hash, index: u64, size: u64, rest: &mut &[Hash]) -> Option<Hash> {
    if size == 1 {
        return Some(leaf);
    }
    // The last hash is the topmost.
    let (aside, below) = rest.split_last()?;
    *rest = below;
    let k = half(size);
    if index < k {
        Some(node_hash(&root_of_path(leaf, index, k, rest)?, aside))
    } else {
        Some(node_hash(aside, &root_of_path(leaf, index - k, size - k, rest)?))
    }
}

/// The old and the new root that a proof leads to, by SUBPROOF's recursion.
fn roots_of_subproof(old: u64, size: u64, known: Option<Hash>, rest: &mut &[Hash]) -> Option<(Hash, Hash)> {
    if old == size {
        let hash = match known {
            Some(hash) => hash,
            None => {
                let (hash, below) = rest.split_last()?;
                *rest = below;
                *hash
            }
        };
        return Some((hash, hash));
    }
    let (aside, below) = rest.split_last()?;
    *rest = below;
    let k = half(size);
    if old <= k {
        let (old_root, left) = roots_of_subproof(old, k, known, rest)?;
        Some((old_root, node_hash(&left, aside)))
    } else {
        let (old_right, right) = roots_of_subproof(old - k, size - k, None, rest)?;
        Some((node_hash(aside, &old_right), node_hash(aside, &right)))
    }
}

fn inclusion_at_any_size(input: &mut Input<'_>) {
    let (index, size, leaf, root) = (input.number(), input.number(), input.hash(), input.hash());
    let index = if input.byte().is_multiple_of(2) { index % size.max(1) } else { index };
    let proof = input.hashes();
    let mut rest = proof.as_slice();
    let computed = if index < size { root_of_path(leaf, index, size, &mut rest) } else { None };
    let computed = computed.filter(|_| rest.is_empty());
    let verified = verify_inclusion(&leaf, index, size, &proof, &root);
    match computed {
        None => assert!(matches!(
            verified,
            Err(ProofError::IndexOutOfRange { .. }
                | ProofError::TooShort { .. }
                | ProofError::TooLong { .. })
        )),
        Some(computed) => {
            let expected = if computed == root {
                Ok(())
            } else {
                Err(ProofError::RootMismatch { computed, expected: root })
            };
            assert_eq!(verified, expected);
            assert_eq!(verify_inclusion(&leaf, index, size, &proof, &computed), Ok(()));
        }
    }
}

fn consistency_at_any_sizes(input: &mut Input<'_>) {
    let (old, new, old_root) = (input.number(), input.number(), input.hash());
    let old = if input.byte().is_multiple_of(2) { old % new.max(1) } else { old };
    let proof = input.hashes();
    if old == 0 || old >= new {
        let verified = verify_consistency(old, new, &old_root, &old_root, &proof);
        assert_eq!(verified.is_ok(), old == new && proof.is_empty());
        return;
    }
    let mut rest = proof.as_slice();
    let computed = roots_of_subproof(old, new, Some(old_root), &mut rest).filter(|_| rest.is_empty());
    let Some((old_computed, new_computed)) = computed else {
        let verified = verify_consistency(old, new, &old_root, &old_root, &proof);
        assert!(
            matches!(verified, Err(ProofError::TooShort { .. } | ProofError::TooLong { .. })),
            "{verified:?}"
        );
        return;
    };
    assert_eq!(verify_consistency(old, new, &old_computed, &new_computed, &proof), Ok(()));
    let other = Hash::of(b"another root");
    assert!(verify_consistency(old, new, &old_computed, &other, &proof).is_err());
    // Where the old tree is a perfect one, its root is what the proof begins with: it is not checked but used.
    assert!(verify_consistency(old, new, &other, &new_computed, &proof).is_err());
}

/// The entries of the seed's log, and its keys.
static KNOWN: LazyLock<(Vec<Vec<u8>>, Vec<VerifierKey>)> = LazyLock::new(|| {
    let log = seed::log();
    let frames = log.frames().iter().map(|frame| FrameView::parse(frame).expect("a frame"));
    let entries = frames.flat_map(|frame| frame.entries().map(<[u8]>::to_vec).collect::<Vec<_>>()).collect();
    let second = VerifierKey::new_ed25519(log.origin.as_str(), forge::public(&log.log_key));
    (entries, vec![log.trust().log_key().clone(), second.expect("a key that is fit")])
});

fn tlog_proof(bytes: &[u8]) {
    let held_max = (64 << 10) + 8 * bytes.len();
    let Ok(proof) = within(held_max, || TlogProof::parse(bytes)) else { return };
    assert_eq!(proof.encode(), bytes);
    assert!(proof.hashes().len() <= PROOF_HASHES_MAX);
    assert!(proof.extra().is_none_or(|extra| !extra.is_empty()));
    let (entries, keys) = &*KNOWN;
    for (index, entry) in (0..).zip(entries) {
        if proof.verify(entry, keys).is_ok() {
            assert_eq!(proof.index(), index, "an entry stands where it does not");
        }
    }
    assert!(proof.verify(b"no entry", keys).is_err());
}
