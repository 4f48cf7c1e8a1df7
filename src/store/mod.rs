//! Where the ledger's bytes live: batch frames, the published head, the writer's lock, anchors, attachments.
//!
//! This module holds *bytes*: it knows no event, no note and no tree, and leaves to `log` and `ledger` what
//! the bytes mean and which of them are believed (decisions 1 and 8; docs/operating.md; docs/format.md).
//!
//! | module | holds |
//! |---|---|
//! | [`frame`] | one batch as bytes, checksummed |
//! | [`batch_log`] | the trait that files, memory and later object storage implement |
//! | [`scan`] | frames in order, and where damage begins |
//! | [`tail`] | what an interrupted writer left behind, and what may be cut |
//! | [`files`], [`memory`] | the two logs |
//! | [`head`] | the newest published checkpoint, in two slots |
//! | [`lock`] | one writer at a time |
//! | [`anchor`], [`attachments`], [`cosigned`] | files that are written whole or not at all |
//! | [`disk`] | the file operations beneath, so that tests can fail each of them |

pub mod anchor;
pub mod attachments;
pub mod batch_log;
#[cfg(test)]
mod conformance;
pub mod cosigned;
pub mod disk;
pub mod files;
pub mod frame;
pub mod head;
pub mod lock;
pub mod memory;
pub mod scan;
#[cfg(test)]
pub(crate) mod simulated_disk;
pub mod tail;
