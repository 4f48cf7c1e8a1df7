//! Reads `CDEvents` on stdin, one a line, with the project's own SDK; writes each anew and compares. Prints how many there
//! were, and ends in 1 at the first that is none.

use std::io::{BufRead as _, stdin};
use std::process::ExitCode;

use cdevents_sdk::CDEvent;
use serde_json::Value;

fn main() -> ExitCode {
    let mut count = 0;
    for line in stdin().lock().lines() {
        if let Err(wrong) = line.map_err(|error| error.to_string()).and_then(|line| check(&line)) {
            eprintln!("line {}: {wrong}", count + 1);
            return ExitCode::FAILURE;
        }
        count += 1;
    }
    println!("{count}");
    ExitCode::SUCCESS
}

fn check(line: &str) -> Result<(), String> {
    let event: CDEvent = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let read: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let mut written = serde_json::to_value(&event).map_err(|error| error.to_string())?;
    // A time of whole seconds is written without its milliseconds, and the subject of a standard type keeps a type
    // that was dropped in 0.5 only where it had one.
    written["context"]["timestamp"] = read["context"]["timestamp"].clone();
    if read == written { Ok(()) } else { Err(format!("read {read}\nwritten {written}")) }
}
