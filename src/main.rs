//! The `rollbook` program.

fn main() {}
