//! The ledger: the log's one writer.
//!
//! Verified envelopes come in, and go through `lifecycle`, into entries, the tree, a signed
//! checkpoint, one `fdatasync`, and a receipt. Opening and recovery run the same code as
//! appending does (docs/operating.md, "Opening").

pub mod config;
pub mod create;
pub mod derived;
mod key_history;
pub mod log_key;
pub mod opening;
mod queue;
pub mod receipt;
mod redaction;
pub mod upkeep;
pub mod writer;
