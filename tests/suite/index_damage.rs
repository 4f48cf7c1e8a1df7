//! An index in any shape at all: the ledger opens over it with the log's own state, or refuses; it never believes it.
//!
//! What lies in `index/` is found by walking it, whatever the files are called. After each damage the ledger is asked
//! what only the index could tell it fast: what serves, whether a `from` is stale, whether an id was used.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use rollbook::event::release::Serving;
use rollbook::ledger::receipt::AppendError;
use rollbook::ledger::writer::Ledger;
use rollbook::lifecycle::refusal::Refusal;
use rollbook::signing::envelope::Envelope;

use crate::support::test_ledger::{Snapshot, TestLedger, Who, contents, copy_dir, facts, name, sign};

const VERSIONS: [&str; 4] = ["1", "2", "3", "4"];

/// A ledger of nine entries, with copies of it from now and from two entries ago, and another ledger's.
struct Bench {
    test: TestLedger,
    whole: Snapshot,
    older: Snapshot,
    foreign: Snapshot,
    expected: String,
    /// An event that stands in the log, and another one under its id.
    known: Envelope,
    reused: Envelope,
    cases: usize,
}

impl Bench {
    fn new() -> Self {
        let other = TestLedger::new();
        let ledger = other.open();
        ledger.append_batch((0..20).map(|number| other.register(&format!("foreign {number}"))).collect());
        ledger.flush_index().unwrap();
        drop(ledger);
        let test = TestLedger::new();
        let ledger = test.open();
        let known = test.registration("1");
        let mut reused = test.registration("9");
        reused.header.event_id = known.header.event_id;
        let [known, reused] = [known, reused].map(|event| sign(&event, &[Who::Registrar]));
        ledger.append(known.clone()).unwrap();
        for version in ["2", "3"] {
            ledger.append(test.register(version)).unwrap();
        }
        ledger.flush_index().unwrap();
        drop(ledger);
        let older = test.snapshot();
        let ledger = test.open();
        ledger.append(test.promote("1", None)).unwrap();
        ledger.append(test.promote("2", Some(serving("1", 7)))).unwrap();
        let expected = facts(&ledger, &VERSIONS);
        ledger.flush_index().unwrap();
        drop(ledger);
        let (whole, foreign) = (test.snapshot(), other.snapshot());
        Self { test, whole, older, foreign, expected, known, reused, cases: 0 }
    }

    fn index(&self) -> PathBuf {
        self.test.dir().join("index")
    }

    /// The files of the index, as paths below it.
    fn files(&self) -> Vec<PathBuf> {
        let index = self.whole.path().join("index");
        contents(&index).into_iter().map(|(path, _)| path.strip_prefix(&index).unwrap().to_owned()).collect()
    }

    /// Puts the whole ledger back, damages its index, opens it and asks it.
    fn tries(&mut self, what: &str, damage: impl FnOnce(&Path)) {
        self.test.restore(&self.whole, ".");
        damage(&self.index());
        let log = fs::read(self.test.log_file()).unwrap();
        let ledger = self.test.try_open().unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(fs::read(self.test.log_file()).unwrap() == log, "{what}: the log was written to");
        assert_eq!(facts(&ledger, &VERSIONS), self.expected, "{what}");
        self.answers(&ledger, what);
        drop(ledger);
        let kept = facts(&self.test.open(), &VERSIONS);
        assert_eq!(kept, self.facts_without_index(), "{what}: what was kept of it");
        self.cases += 1;
    }

    fn answers(&self, ledger: &Ledger, what: &str) {
        let refusal = |outcome| match outcome {
            Err(AppendError::Refused(refusal)) => refusal,
            other => panic!("{what}: {other:?}"),
        };
        let stale = self.test.promote("3", Some(serving("1", 7)));
        let stale = refusal(ledger.append(stale));
        assert_eq!(stale.code(), "from_mismatch", "{what}: {stale}");
        let again = ledger.append(self.known.clone()).unwrap();
        assert_eq!((again.index, again.repeated), (4, true), "{what}");
        let reused = refusal(ledger.append(self.reused.clone()));
        assert!(matches!(reused, Refusal::EventIdReused { entry: 4, .. }), "{what}: {reused}");
        let twice = refusal(ledger.append(self.test.register("2")));
        assert_eq!(twice.code(), "version_exists", "{what}: {twice}");
        let outcomes =
            ledger.append_batch(vec![self.test.register("4"), self.test.promote("4", Some(serving("2", 8)))]);
        let indices: Vec<u64> = outcomes.into_iter().map(|outcome| outcome.unwrap().index).collect();
        assert_eq!(indices, [9, 10], "{what}");
    }

    fn facts_without_index(&self) -> String {
        fs::remove_dir_all(self.index()).unwrap();
        facts(&self.test.open(), &VERSIONS)
    }
}

fn serving(version: &str, entry: u64) -> Serving {
    Serving { version: name(version), entry }
}

fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

fn remove(path: &Path) {
    if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
}

#[test]
fn files_that_are_cut_zeroed_or_flipped() {
    let mut bench = Bench::new();
    for file in bench.files() {
        let whole = fs::read(bench.whole.path().join("index").join(&file)).unwrap();
        let written = whole.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let mut places: Vec<usize> = (0..10).map(|tenth| written * tenth / 10).collect();
        places.dedup();
        for at in places {
            let shown = format!("{} at {at}", file.display());
            let path = |index: &Path| index.join(&file);
            bench.tries(&format!("{shown}, cut"), |index| change(&path(index), |bytes| bytes.truncate(at)));
            bench.tries(&format!("{shown}, zeros"), |index| {
                change(&path(index), |bytes| bytes[at..].iter_mut().take(512).for_each(|byte| *byte = 0));
            });
            if at < whole.len() {
                bench.tries(&format!("{shown}, flipped"), |index| {
                    change(&path(index), |bytes| bytes[at] ^= 0x20);
                });
            }
        }
    }
    println!("{} cases", bench.cases);
    assert!(bench.cases >= 100, "{} cases", bench.cases);
}

#[test]
fn files_in_each_others_place_or_of_another_kind() {
    let mut bench = Bench::new();
    let files = bench.files();
    for (number, file) in files.iter().enumerate() {
        let shown = file.display();
        bench.tries(&format!("{shown}, a directory"), |index| {
            remove(&index.join(file));
            fs::create_dir_all(index.join(file).join("inside")).unwrap();
        });
        bench.tries(&format!("{shown}, a link to nothing"), |index| {
            remove(&index.join(file));
            symlink("nowhere/at/all", index.join(file)).unwrap();
        });
        bench.tries(&format!("{shown}, a link to itself"), |index| {
            remove(&index.join(file));
            symlink(index.join(file), index.join(file)).unwrap();
        });
        let next = &files[(number + 1) % files.len()];
        bench.tries(&format!("{shown}, and {} swapped", next.display()), |index| {
            let (one, other) = (fs::read(index.join(file)).unwrap(), fs::read(index.join(next)).unwrap());
            fs::write(index.join(file), other).unwrap();
            fs::write(index.join(next), one).unwrap();
        });
    }
    bench.tries("an empty index", |index| {
        remove(index);
        fs::create_dir(index).unwrap();
    });
    println!("{} cases", bench.cases);
    assert!(bench.cases >= 15, "{} cases", bench.cases);
}

#[test]
fn parts_of_an_older_index_or_of_another_ledgers() {
    let mut bench = Bench::new();
    let (older, foreign) = (bench.older.path().join("index"), bench.foreign.path().join("index"));
    for (what, from) in [("older", older), ("foreign", foreign)] {
        for entry in fs::read_dir(&from).unwrap() {
            let part = entry.unwrap().file_name();
            let shown = part.to_string_lossy().into_owned();
            let put = |index: &Path| {
                remove(&index.join(&part));
                if from.join(&part).is_dir() {
                    copy_dir(&from.join(&part), &index.join(&part));
                } else {
                    fs::copy(from.join(&part), index.join(&part)).unwrap();
                }
            };
            bench.tries(&format!("{shown} of the {what} index"), put);
        }
        for (path, bytes) in contents(&from) {
            let file = path.strip_prefix(&from).unwrap();
            bench.tries(&format!("{} of the {what} index", file.display()), |index| {
                fs::create_dir_all(index.join(file).parent().unwrap()).unwrap();
                fs::write(index.join(file), bytes).unwrap();
            });
        }
        bench.tries(&format!("the {what} index"), |index| {
            remove(index);
            copy_dir(&from, index);
        });
    }
    println!("{} cases", bench.cases);
    assert!(bench.cases >= 10, "{} cases", bench.cases);
}

/// What is no directory is not the ledger's to remove: it is rebuilt or refused, with its name.
#[test]
fn what_stands_where_the_index_belongs_is_named() {
    let bench = Bench::new();
    for what in ["a file", "a link to nothing"] {
        bench.test.restore(&bench.whole, ".");
        fs::remove_dir_all(bench.index()).unwrap();
        match what {
            "a file" => fs::write(bench.index(), "no directory").unwrap(),
            _ => symlink("nowhere/at/all", bench.index()).unwrap(),
        }
        let log = fs::read(bench.test.log_file()).unwrap();
        match bench.test.try_open() {
            Ok(ledger) => assert_eq!(facts(&ledger, &VERSIONS), bench.expected, "{what}"),
            Err(error) => assert!(error.to_string().contains("ledger/index"), "{what}: {error}"),
        }
        assert!(fs::read(bench.test.log_file()).unwrap() == log, "{what}");
        if fs::symlink_metadata(bench.index()).is_ok_and(|metadata| !metadata.is_dir()) {
            fs::remove_file(bench.index()).unwrap();
        }
        assert_eq!(facts(&bench.test.open(), &VERSIONS), bench.expected, "{what}");
    }
}

/// Where nothing can be written, the ledger refuses, and is as it was; with the right to write it opens.
#[test]
#[ignore = "needs a user who is not root: root may write anywhere"]
fn an_index_that_may_not_be_written_is_refused() {
    let bench = Bench::new();
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let log = fs::read(bench.whole.path().join("log/00000000000000000000.batches")).unwrap();
    for file in bench.files() {
        bench.test.restore(&bench.whole, ".");
        let path = bench.index().join(file);
        mode(&path, 0o444);
        mode(path.parent().unwrap(), 0o555);
        match bench.test.try_open() {
            Ok(ledger) => assert_eq!(facts(&ledger, &VERSIONS), bench.expected),
            Err(error) => assert!(error.to_string().contains("index"), "{error}"),
        }
        assert!(fs::read(bench.test.log_file()).unwrap() == log);
        mode(path.parent().unwrap(), 0o755);
        if path.exists() {
            mode(&path, 0o644);
        }
        assert_eq!(facts(&bench.test.open(), &VERSIONS), bench.expected);
    }
}
