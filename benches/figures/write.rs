//! Appending and opening, each beside its floor.

use std::fs::File;
use std::hint::black_box;
use std::io::Write as _;
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion};
use rayon::prelude::*;
use rollbook::signing::envelope::Envelope;
use rollbook::signing::verify::CheckedKey;

use crate::filled::{Filled, rollbook};

const SIZES: [u64; 3] = [10, 10_000, 1_000_000];
/// The bytes that one note's batch takes in the log.
const NOTE_BATCH_BYTES: usize = 800;
const THREADS: u64 = 8;

/// One durable append; its floor is one bare append and `fdatasync` of as many bytes on the same disk.
pub(crate) fn durable_append(criterion: &mut Criterion) {
    let filled = Filled::with(10);
    let mut group = criterion.benchmark_group("durable append");
    let mut bare = File::create(filled.dir.join("bare")).unwrap();
    group.bench_function("floor: bare append and fdatasync", |bencher| {
        bencher.iter(|| {
            bare.write_all(&[0x5a; NOTE_BATCH_BYTES]).unwrap();
            bare.sync_data().unwrap();
        });
    });
    let ledger = filled.open();
    group.bench_function("one, from one thread", |bencher| {
        let append = |envelope| black_box(ledger.append(envelope).unwrap());
        bencher.iter_batched(|| filled.note(), append, BatchSize::PerIteration);
    });
    group.bench_function("one of eight threads' at once", |bencher| {
        bencher.iter_custom(|count| {
            let each = count.div_ceil(THREADS);
            let shares: Vec<Vec<Envelope>> =
                (0..THREADS).map(|_| filled.notes(usize::try_from(each).unwrap())).collect();
            let began = Instant::now();
            std::thread::scope(|scope| {
                for share in shares {
                    let ledger = &ledger;
                    scope
                        .spawn(move || share.into_iter().for_each(|note| drop(ledger.append(note).unwrap())));
                }
            });
            share_of(began.elapsed(), count, each * THREADS)
        });
    });
    group.finish();
}

/// `count` of `done` that took `time`.
fn share_of(time: Duration, count: u64, done: u64) -> Duration {
    Duration::from_secs_f64(time.as_secs_f64() * count as f64 / done as f64)
}

/// Batches; their floor is the strict verification of their signatures alone, on all cores.
pub(crate) fn group_commit(criterion: &mut Criterion) {
    let filled = Filled::with(10);
    let ledger = filled.open();
    let mut group = criterion.benchmark_group("group commit");
    group.sample_size(20);
    for size in [100, 1000] {
        let envelopes = filled.notes(size);
        let key = CheckedKey::new(&envelopes[0].signatures()[0].key).unwrap();
        let checks: Vec<_> =
            envelopes.iter().map(|e| (e.signing_bytes(), e.signatures()[0].signature)).collect();
        group.bench_function(format!("floor: bare strict verification of {size}"), |bencher| {
            bencher.iter(|| {
                checks.par_iter().for_each(|(bytes, signature)| key.verify_strict(bytes, signature).unwrap());
            });
        });
        group.bench_function(format!("a batch of {size}"), |bencher| {
            let append = |notes| {
                let outcomes = ledger.append_batch(notes);
                assert!(outcomes.iter().all(Result::is_ok));
            };
            bencher.iter_batched(|| filled.notes(size), append, BatchSize::PerIteration);
        });
    }
    group.finish();
}

/// What history costs: a process that appends one, opening and one append, and one append of a writer that stays open.
pub(crate) fn history(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("history");
    group.sample_size(20);
    for size in SIZES {
        let filled = Filled::with(size);
        group.bench_function(format!("a process that appends one, at {size}"), |bencher| {
            bencher.iter(|| {
                let mut command = rollbook();
                command
                    .arg("--ledger")
                    .arg(filled.ledger())
                    .arg("--key")
                    .arg(filled.dir.join("keys/admin.pem"));
                command.args(["--quiet", "--clock-ok", "note", "0", "one more"]);
                assert!(command.status().unwrap().success());
            });
        });
        group.bench_function(format!("opening and one append, at {size}"), |bencher| {
            let append = |envelope| filled.open().append(envelope).unwrap();
            bencher.iter_batched(|| filled.note(), append, BatchSize::PerIteration);
        });
        let ledger = filled.open();
        group.bench_function(format!("one append, writer stays open, at {size}"), |bencher| {
            let append = |envelope| ledger.append(envelope).unwrap();
            bencher.iter_batched(|| filled.note(), append, BatchSize::PerIteration);
        });
    }
    group.finish();
}
