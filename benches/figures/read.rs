//! Reading a million entries, proofs, and hashing a model, each beside its floor.

use std::fs;
use std::hint::black_box;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use criterion::Criterion;
use rollbook::hash::Hash;
use rollbook::linkage::model::{ModelOptions, digest_model};
use rollbook::log::reader::{LogReader, ReadError};
use rollbook::log::trust_root::TrustRoot;
use rollbook::merkle::proof::{prove_inclusion, verify_inclusion};
use rollbook::merkle::tree::Tree;
use rollbook::verifier::verify::{Options, verify_dir};

use crate::filled::{Filled, rollbook};

const MILLION: u64 = 1_000_000;

/// Reads and decodes a whole log; gives how many entries there are.
fn scan(ledger: &Path) -> u64 {
    let mut count = 0;
    let each = |logged| {
        black_box(&logged);
        count += 1;
        Ok::<_, ReadError>(ControlFlow::Continue(()))
    };
    LogReader::open(ledger).unwrap().for_each(0, each).unwrap();
    count
}

/// A million entries: read, hashed, decoded, filtered, verified.
pub(crate) fn million(criterion: &mut Criterion) {
    let filled = Filled::with(MILLION);
    let ledger = filled.ledger();
    let mut group = criterion.benchmark_group("a million entries");
    group.sample_size(10);
    group.bench_function("floor: reading the files", |bencher| {
        bencher.iter(|| log_files(&ledger).iter().map(|path| fs::read(path).unwrap().len()).sum::<usize>());
    });
    group.bench_function("floor: hashing the files, one core", |bencher| {
        bencher.iter(|| {
            log_files(&ledger).iter().map(|path| Hash::of(&fs::read(path).unwrap())).collect::<Vec<_>>()
        });
    });
    group.bench_function("scan: read, check and decode", |bencher| bencher.iter(|| scan(&ledger)));
    for filter in [
        &["--model", "model-3", "--env", "env-1"][..],
        &["--kind", "model.retired"],
        &["--signer", "person-2"],
    ] {
        group.bench_function(format!("log {}", filter.join(" ")), |bencher| {
            bencher.iter(|| {
                let status = rollbook().arg("--ledger").arg(&ledger).arg("log").args(filter).status();
                assert!(status.unwrap().success());
            });
        });
    }
    let trust = TrustRoot::read(&filled.dir.join("trust.toml")).unwrap();
    for threads in [1, 2] {
        group.bench_function(format!("verify, threads: {threads}"), |bencher| {
            let options = Options { trust: Some(&trust), threads: Some(threads), ..Options::default() };
            bencher.iter(|| {
                let report = verify_dir(&ledger, &options, &|_, _| ()).unwrap();
                assert_eq!(report.verdict.exit_code(), 0);
            });
        });
    }
    group.finish();
}

fn log_files(ledger: &Path) -> Vec<PathBuf> {
    fs::read_dir(ledger.join("log")).unwrap().map(|file| file.unwrap().path()).collect()
}

/// Inclusion proofs over trees in memory: made and checked.
pub(crate) fn proofs(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("proofs");
    for size in [10, 10_000, MILLION] {
        let leaf = |index: u64| Hash::of(&index.to_le_bytes());
        let tree: Tree = (0..size).map(leaf).collect();
        let root = rollbook::merkle::proof::root_at(size, &tree).unwrap();
        let index = size / 3;
        let proof = prove_inclusion(index, size, &tree).unwrap();
        group.bench_function(format!("make one, of {size}"), |bencher| {
            bencher.iter(|| prove_inclusion(black_box(index), size, &tree).unwrap());
        });
        group.bench_function(format!("check one, of {size}"), |bencher| {
            bencher.iter(|| verify_inclusion(&leaf(index), index, size, &proof, &root).unwrap());
        });
    }
    group.finish();
}

/// A model of 16 files of 16 MiB; the floor is `openssl dgst -sha256` of them, on one core.
pub(crate) fn model(criterion: &mut Criterion) {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("model");
    fs::create_dir_all(&dir).unwrap();
    let files: Vec<PathBuf> = (0..16u8).map(|number| dir.join(format!("shard-{number:02}"))).collect();
    for (number, path) in (0..).zip(&files) {
        fs::write(path, vec![number; 16 << 20]).unwrap();
    }
    let mut group = criterion.benchmark_group("hashing a model of 256 MiB");
    group.sample_size(10);
    group.bench_function("floor: openssl dgst -sha256, one core", |bencher| {
        bencher.iter(|| {
            let status =
                Command::new("openssl").args(["dgst", "-sha256"]).args(&files).stdout(Stdio::null()).status();
            assert!(status.unwrap().success());
        });
    });
    group.bench_function("model digest, all cores", |bencher| {
        bencher.iter(|| digest_model(&dir, &ModelOptions::default(), &|_, _| ()).unwrap());
    });
    group.finish();
}
