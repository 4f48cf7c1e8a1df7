//! What several topics share: sample values, vector files, and the tables of docs/format.md.

pub(crate) mod ledger;
pub(crate) mod samples;
pub(crate) mod tables;
pub(crate) mod vectors;
