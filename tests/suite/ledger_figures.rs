//! How long opening and appending take. Measured on demand, never asserted:
//! `cargo test --release --test suite ledger_figures -- --ignored --nocapture`.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use rollbook::signing::envelope::Envelope;

use crate::support::test_ledger::TestLedger;

const NOTE: &str = "one line of some length, as people write them about a release that went out on a Tuesday";

fn notes(test: &TestLedger, count: usize) -> Vec<Envelope> {
    (0..count).map(|_| test.note(NOTE)).collect()
}

fn report(what: &str, count: usize, took: Duration) {
    let each = took.as_secs_f64() * 1e6 / count as f64;
    println!("{what:55} {:9.1} ms {each:9.1} µs each {:9.0} a second", took.as_secs_f64() * 1e3, 1e6 / each);
}

/// Time of `count` appends of `bytes` bytes with `fdatasync`, and nothing else.
fn bare(dir: &Path, bytes: usize, count: usize) -> Duration {
    let mut file = File::create(dir.join("bare")).unwrap();
    let frame = vec![7; bytes];
    let began = Instant::now();
    for _ in 0..count {
        file.write_all(&frame).unwrap();
        file.sync_data().unwrap();
    }
    began.elapsed()
}

#[test]
#[ignore = "measures"]
fn appending() {
    let test = TestLedger::new();
    let dir = tempfile::tempdir().unwrap();
    let ledger = test.open();
    let length = || usize::try_from(fs::metadata(test.log_file()).unwrap().len()).unwrap();
    for _ in 0..2 {
        let (envelopes, before, count) = (notes(&test, 1_000), length(), 1_000);
        let began = Instant::now();
        for envelope in envelopes {
            ledger.append(envelope).unwrap();
        }
        report("append, one thread", count, began.elapsed());
        report(
            "  bare fdatasync of as many bytes",
            count,
            bare(dir.path(), (length() - before) / count, count),
        );

        let (envelopes, before) = (notes(&test, 8_000), ledger.size());
        let began = Instant::now();
        std::thread::scope(|scope| {
            for envelopes in envelopes.chunks(1_000) {
                let ledger = &ledger;
                scope.spawn(move || envelopes.iter().for_each(|e| assert!(ledger.append(e.clone()).is_ok())));
            }
        });
        report("append, eight threads", 8_000, began.elapsed());
        assert_eq!(ledger.size(), before + 8_000);

        let (envelopes, before) = (notes(&test, 10_000), length());
        let began = Instant::now();
        for envelopes in envelopes.chunks(1_000) {
            ledger.append_batch(envelopes.to_vec());
        }
        report("append, batches of 1,000", 10_000, began.elapsed());
        report(
            "  bare fdatasync of as many bytes, a batch",
            10,
            bare(dir.path(), (length() - before) / 10, 10),
        );
    }
    let (envelopes, count) = (notes(&test, 2_000), 2_000);
    let began = Instant::now();
    for envelope in &envelopes {
        envelope.verify_signatures_strict().unwrap();
    }
    report("of which: verifying one signature", count, began.elapsed());
}

#[test]
#[ignore = "measures"]
fn opening() {
    for size in [10, 50_000] {
        let test = TestLedger::new();
        let ledger = test.open();
        let mut left = size - 4;
        while left > 0 {
            let count = left.min(1_000);
            ledger.append_batch(notes(&test, count));
            left -= count;
        }
        ledger.append(test.note(NOTE)).unwrap();
        drop(ledger);
        for _ in 0..3 {
            let next = test.note(NOTE);
            let began = Instant::now();
            let ledger = test.open();
            let opened = began.elapsed();
            ledger.append(next).unwrap();
            report(&format!("opening at {size} entries"), 1, opened);
            report("  with one append", 1, began.elapsed());
            let began = Instant::now();
            drop(ledger);
            report("  dropping", 1, began.elapsed());
        }
        fs::remove_dir_all(test.dir().join("index")).unwrap();
        let began = Instant::now();
        drop(test.open());
        report("  rebuilding the index", size, began.elapsed());
    }
}
