//! `rollbook man`.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use crate::cli::command;
use crate::cli::context::Context;
use crate::cli::failure::Failure;

/// Write the man pages into a directory: one for each command, made from its help.
///
/// Pages that are there are written over.
///
/// Example:
///   rollbook man ./man && man -l ./man/rollbook-verify.1
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Man {
    /// The directory; it is made where it is not there
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
}

impl Man {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn run(self, context: &Context) -> Result<(), Failure> {
        std::fs::create_dir_all(&self.dir).map_err(|error| Failure::input(&self.dir, &error))?;
        // `help` has no page of its own; each command's is by its full name.
        let mut root = command().disable_help_subcommand(true);
        root.build();
        let mut written = Vec::new();
        write_pages(&root, &self.dir, &mut written)?;
        if context.json() {
            return context.print_json(&json!({ "dir": self.dir, "pages": written }));
        }
        context.print(format_args!("wrote {} pages into {}", written.len(), self.dir.display()))
    }
}

/// Writes a command's page, and those of the commands below it.
fn write_pages(command: &clap::Command, dir: &Path, written: &mut Vec<String>) -> Result<(), Failure> {
    let man = clap_mangen::Man::new(command.clone());
    let path = dir.join(man.get_filename());
    man.generate_to(dir).map_err(|error| Failure::input(&path, &error))?;
    written.push(man.get_filename());
    command
        .get_subcommands()
        .filter(|below| !below.is_hide_set())
        .try_for_each(|below| write_pages(below, dir, written))
}
