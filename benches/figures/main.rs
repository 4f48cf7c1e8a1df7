//! What Rollbook costs, each figure beside its floor: `cargo bench`, or `cargo bench -- 'history'` for one group.
//!
//! Ledgers of 10, 10,000 and 1,000,000 entries are filled when they are first needed, in a minute, and kept in the
//! target directory. Criterion prints the time of one iteration: one append, one batch, one opening, one scan.
//! docs/performance.md reads them.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on panics")]

use criterion::{criterion_group, criterion_main};

mod filled;
mod read;
mod write;

criterion_group!(
    benches,
    write::durable_append,
    write::group_commit,
    write::history,
    read::million,
    read::proofs,
    read::model
);
criterion_main!(benches);
