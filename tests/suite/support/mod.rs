//! What several topics share: sample values and vector files, the tables of docs/format.md, people
//! and events with sensible defaults, a log writer that checks no rule, a ledger of every kind of event,
//! a ledger on a disk that fails when told, a desk to work the program at, a writer in a process of its own, and a receiver
//! of webhooks.

pub(crate) mod agent;
pub(crate) mod bundles;
pub(crate) mod child;
pub(crate) mod chronicle;
pub(crate) mod crash_disk;
pub(crate) mod desk;
pub(crate) mod disk;
pub(crate) mod events;
pub(crate) mod every_kind;
pub(crate) mod fault_sweep;
pub(crate) mod forge;
pub(crate) mod git;
pub(crate) mod git_objects;
pub(crate) mod http;
pub(crate) mod ledger;
pub(crate) mod samples;
pub(crate) mod survival;
pub(crate) mod tables;
pub(crate) mod test_ledger;
pub(crate) mod vectors;
pub(crate) mod writer_child;
