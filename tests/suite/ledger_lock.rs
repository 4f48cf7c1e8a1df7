//! One writer at a time, across threads and processes.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rollbook::ledger::opening::OpeningError;
use rollbook::ledger::writer::ClockTrust;
use rollbook::store::disk::{Disk, RealDisk};
use rollbook::time::SystemClock;

use crate::support::test_ledger::{TestLedger, open_at};

/// Where the child finds the ledger that it is to hold.
const LEDGER: &str = "ROLLBOOK_TEST_HELD_LEDGER";

#[test]
fn a_second_writer_is_told_who_holds_the_ledger() {
    let test = TestLedger::new();
    let ledger = test.open();
    let error = test.try_open().unwrap_err();
    assert!(matches!(error, OpeningError::Lock(_)));
    let said = error.to_string();
    assert!(said.contains(&format!("process {}", std::process::id())), "{said}");
    drop(ledger);
    drop(test.open());
}

#[test]
fn a_poisoned_ledger_lets_go_when_it_is_dropped() {
    let test = TestLedger::new();
    let disk = crate::support::disk::FaultyDisk::default();
    let ledger = test.try_open_on(Arc::new(disk.clone()), ClockTrust::Checked).unwrap();
    disk.fail_after(0);
    assert!(ledger.append(test.register("1")).is_err());
    assert!(matches!(test.try_open().unwrap_err(), OpeningError::Lock(_)), "poisoned, and still the writer");
    drop(ledger);
    drop(test.open());
}

#[test]
fn a_writer_waits_for_the_one_before() {
    let test = TestLedger::new();
    let ledger = test.open();
    let letting_go = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(30));
        drop(ledger);
    });
    assert_eq!(test.open().size(), 4);
    letting_go.join().unwrap();
}

#[test]
fn a_killed_writer_leaves_no_lock_behind() {
    if let Some(dir) = std::env::var_os(LEDGER) {
        return hold(Path::new(&dir));
    }
    let test = TestLedger::new();
    let mut child = holding_child(&test.dir());
    let error = test.try_open().unwrap_err();
    assert!(matches!(error, OpeningError::Lock(_)));
    assert!(error.to_string().contains(&format!("process {}", child.id())), "{error}");
    child.kill().unwrap();
    child.wait().unwrap();
    let ledger = test.open();
    ledger.append(test.register("1")).unwrap();
    assert_eq!(ledger.size(), 5);
}

/// This very program once more, running that test alone as the child: it holds the ledger.
fn holding_child(dir: &Path) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "ledger_lock::a_killed_writer_leaves_no_lock_behind", "--nocapture"])
        .env(LEDGER, dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("held")), "the child ended early");
    child
}

/// Holds the ledger until the parent kills this process, or is gone.
fn hold(dir: &Path) {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let _ledger = open_at(dir, &disk, Arc::new(SystemClock), ClockTrust::Vouched).unwrap();
    println!("held");
    let _ = std::io::stdin().read_line(&mut String::new());
}
