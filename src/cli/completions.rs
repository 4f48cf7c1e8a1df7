//! `rollbook completions`.

use clap::Args;
use clap_complete::Shell;

use crate::cli::command;
use crate::cli::context::Context;
use crate::cli::failure::Failure;

/// Write completions of this command line for a shell.
///
/// Example:
///   rollbook completions bash > /etc/bash_completion.d/rollbook
///   rollbook completions zsh > ~/.zfunc/_rollbook
///   rollbook completions fish > ~/.config/fish/completions/rollbook.fish
#[derive(Debug, Args)]
#[expect(clippy::doc_markdown, reason = "this is help for a terminal, which shows backticks")]
#[command(verbatim_doc_comment)]
pub struct Completions {
    /// Which shell
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

impl Completions {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn run(self, context: &Context) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command(), "rollbook", &mut script);
        context.print(String::from_utf8_lossy(&script).trim_end())
    }
}
