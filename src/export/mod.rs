//! What leaves the ledger for other people's hands: evidence packs and proofs (docs/format.md, "Evidence pack" and
//! "Proofs").
//!
//! It reads the published log and what was made from it; nothing here writes to a ledger, but for a restore, which
//! makes a new directory.
//!
//! | module | does |
//! |---|---|
//! | [`bundle`] | entry bundles and note bundles: bytes to parts, strictly |
//! | [`tile_stream`] | leaf hashes in order to tiles, in little memory |
//! | [`pack_dir`] | a pack's files by their paths, never out of its directory |
//! | [`pack_write`] | a log to a pack |
//! | [`pack_source`] | a pack as a log of frames |
//! | [`pack_check`] | a pack verified: its layout and tiles, and the log in it |
//! | [`pack_import`] | a pack to a ledger's directory |
//! | [`prove`] | inclusion and consistency proofs of the published log |
//! | [`tlog_proof`] | C2SP tlog-proof files, written and checked |
//! | [`events`] | entries as events for other systems |

pub mod bundle;
pub mod events;
pub mod pack_check;
pub mod pack_dir;
pub mod pack_import;
pub mod pack_source;
pub mod pack_write;
pub mod proof_set;
pub mod prove;
pub mod tile_stream;
pub mod tlog_proof;
