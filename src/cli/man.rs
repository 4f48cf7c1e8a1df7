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
    let mut page = Vec::new();
    man.render(&mut page).map_err(Failure::world)?;
    let page = kept_lines(&String::from_utf8_lossy(&page));
    std::fs::write(&path, page).map_err(|error| Failure::input(&path, &error))?;
    written.push(man.get_filename());
    command
        .get_subcommands()
        .filter(|below| !below.is_hide_set())
        .try_for_each(|below| write_pages(below, dir, written))
}

/// The page with lines that are indented, as examples are, shown as they stand: `man` would fill them up and break them.
fn kept_lines(page: &str) -> String {
    let (mut out, mut is_kept) = (String::with_capacity(page.len()), false);
    for line in page.lines() {
        if line.starts_with("  ") != is_kept {
            is_kept = !is_kept;
            out += if is_kept { ".nf\n" } else { ".fi\n" };
        }
        out += line.trim_end();
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_keep_their_lines() {
        let page = "Text \nExample:\n  rollbook a\n  rollbook b\n.SH OPTIONS\n";
        assert_eq!(kept_lines(page), "Text\nExample:\n.nf\n  rollbook a\n  rollbook b\n.fi\n.SH OPTIONS\n");
    }
}
