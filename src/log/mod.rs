//! The log as a chain and a tree at once: entries, and reading them back.
//!
//! Bytes come from [`crate::store`]; here they become entries whose leaf hashes are linked both
//! ways (decision 4). Whether an entry is *lawful* is [`crate::lifecycle`]'s to say.

pub mod entry;
pub mod quorum;
pub mod reader;
pub mod trust_root;
pub mod witness;
