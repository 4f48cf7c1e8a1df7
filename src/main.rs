//! The `rollbook` program: parse, run, exit code.

use std::process::ExitCode;

/// Decoding makes some ten small values an entry, on one thread, and lets them go on another.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ExitCode::from(rollbook::cli::main(std::env::args_os()))
}
