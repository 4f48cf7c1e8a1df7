//! `rollbook model digest`.

use std::io::{IsTerminal as _, stdout};
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::model::{WalkArgs, digest_with_bar};
use crate::event::model::DigestMethod;
use crate::linkage::model::FileDigest;
use crate::timeline::prose::visible;

/// Digest a model's files as `register` does; record nothing.
///
/// The root is the one that OpenSSF model signing gives the same files, and commits to their
/// contents. The named digest commits to their names as well: it is the SHA-256 of what --files
/// prints.
///
/// Example:
///   rollbook model digest ./models/credit-scorer
///   rollbook model digest ./models/credit-scorer --files | sha256sum
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct DigestModel {
    /// The model's file or directory
    pub path: PathBuf,
    #[command(flatten)]
    walk: WalkArgs,
    /// Print the list of files instead, each with its SHA-256, as sha256sum does
    #[arg(long)]
    pub files: bool,
}

impl DigestModel {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn run(self, context: &Context) -> Result<(), Failure> {
        let digest = digest_with_bar(&self.path, &self.walk.options(&self.path)?)?;
        let method = DigestMethod::OpenSsfFilesSha256;
        if context.json() {
            let mut answer = json!({
                "root": digest.root,
                "named": digest.named,
                "method": method,
                "links_followed": self.walk.allow_symlinks,
                "ignored": digest.ignored,
                "files": digest.files.len(),
                "bytes": digest.total_bytes,
            });
            if self.files {
                let file = |file: &FileDigest| json!({ "path": file.path, "bytes": file.size, "sha256": file.sha256 });
                answer["list"] = digest.files.iter().map(file).collect();
            }
            return context.print_json(&answer);
        }
        if self.files {
            let list = digest.model_files().to_list();
            let list = String::from_utf8_lossy(&list);
            let list = list.trim_end_matches('\n');
            // A pipe gets the very bytes that the named digest covers.
            return if stdout().is_terminal() { context.print(visible(list)) } else { context.print(list) };
        }
        context.print(format_args!("root     {}", digest.root))?;
        context.print(format_args!("named    {}", digest.named))?;
        context.print(format_args!("method   {method}"))?;
        context.print(format_args!("files    {}", digest.files.len()))?;
        context.print(format_args!("bytes    {}", digest.total_bytes))?;
        if digest.ignored.is_empty() {
            return Ok(());
        }
        context.print(visible(&format!("ignored  {}", digest.ignored.join(", "))))
    }
}
