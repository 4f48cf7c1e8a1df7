//! `rollbook policy diff`, and what another policy changes in meaning.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use similar::TextDiff;

use crate::cli::context::Context;
use crate::cli::failure::{Exit, Failure};
use crate::cli::view::{Facts as _, Until, View};
use crate::event::authority::Policy as PolicyBody;
use crate::lifecycle::policy::ReleasePolicy;
use crate::lifecycle::policy::settings::{Change, changes};
use crate::timeline::prose::visible;

use super::read_policy;

/// Compare a policy file with the policy in force: what changes in meaning, then the two texts.
///
/// Exit 0 where both texts are the same, 1 where they differ, as diff has it.
///
/// Example:
///   rollbook policy diff new-policy.toml
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct DiffPolicy {
    /// The policy file (TOML)
    pub file: PathBuf,
}

impl DiffPolicy {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`]; texts that differ end in exit code 1.
    pub fn run(self, context: &Context) -> Result<(), Failure> {
        let new = read_policy(&self.file)?;
        let charter = View::replay(context.reader()?, Until::Now)?.charter()?;
        let (old, entry) = (&charter.policy, charter.policy_entry);
        let same = *old == new;
        let changes = changes_of(old, &new)?;
        let texts = TextDiff::from_lines(old.text.as_str(), new.text.as_str());
        let (old_name, new_name) = (format!("policy of entry {entry}"), self.file.display().to_string());
        let texts = texts.unified_diff().context_radius(3).header(&old_name, &new_name).to_string();
        if context.json() {
            context.print_json(&json!({
                "same": same, "entry": entry, "changes": changes.iter().map(change_json).collect::<Vec<_>>(), "diff": texts,
            }))?;
        } else if same {
            context.print(format_args!("the same as the policy of entry {entry}"))?;
        } else {
            context.print(visible(&meaning(&changes)))?;
            context.print(format_args!("\n{}", visible(texts.trim_end())))?;
        }
        if same { Ok(()) } else { Err(Failure::answered(Exit::No)) }
    }
}

/// What `new` changes in the meaning of `old`.
///
/// # Errors
/// One of them is no policy.
pub fn changes_of(old: &PolicyBody, new: &PolicyBody) -> Result<Vec<Change>, Failure> {
    Ok(changes(&ReleasePolicy::read(old)?, &ReleasePolicy::read(new)?))
}

/// The changes, one a line.
#[must_use]
pub fn meaning(changes: &[Change]) -> String {
    if changes.is_empty() {
        return "nothing changes in meaning".into();
    }
    changes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// A change as JSON, with its sentence.
#[must_use]
pub fn change_json(change: &Change) -> serde_json::Value {
    let mut value = json!(change);
    value["message"] = change.to_string().into();
    value
}
