//! What the fuzz targets share: a bound on what is allocated, logs put together anew, a small sound log to change.
//!
//! A target begins with its name in `fuzz_targets/`; what each asserts, and how to run them, says `README.md`.

pub mod allocation;
pub mod git;
pub mod sealing;
pub mod seed;

// The tests' own writer of logs that checks no rule, and their people.
#[path = "../../tests/suite/support/events.rs"]
pub mod events;
#[expect(clippy::new_without_default, reason = "in the tests nobody asks for a default")]
#[path = "../../tests/suite/support/forge.rs"]
pub mod forge;
