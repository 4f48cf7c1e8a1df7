//! What several topics share: sample values and vector files, the tables of docs/format.md, people
//! and events with sensible defaults, and a log writer that checks no rule.

pub(crate) mod events;
pub(crate) mod forge;
pub(crate) mod ledger;
pub(crate) mod samples;
pub(crate) mod tables;
pub(crate) mod vectors;
