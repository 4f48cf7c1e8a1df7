//! The `rollbook` program: parse, run, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(rollbook::cli::main(std::env::args_os()))
}
