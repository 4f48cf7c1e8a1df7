//! The Merkle tree over the log's entries: hashing, proofs and tiles (RFC 6962, RFC 9162, C2SP tlog-tiles).
//!
//! Pure arithmetic over hashes. Where node hashes are kept is asked through [`proof::HashReader`];
//! what a leaf's bytes mean, and who signed a root, is known elsewhere.

pub mod proof;
pub mod tile;
pub mod tree;
