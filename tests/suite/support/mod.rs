//! What several topics share: sample values and vector files, the tables of docs/format.md, people
//! and events with sensible defaults, a log writer that checks no rule, and
//! a ledger on a disk that fails when told.

pub(crate) mod disk;
pub(crate) mod events;
pub(crate) mod forge;
pub(crate) mod ledger;
pub(crate) mod samples;
pub(crate) mod tables;
pub(crate) mod test_ledger;
pub(crate) mod vectors;
