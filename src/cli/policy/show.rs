//! `rollbook policy show`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::view::{Facts as _, Until, View};
use crate::event::authority::Policy as PolicyBody;
use crate::event::text::{EnvironmentName, Name};
use crate::lifecycle::policy::settings::Setting;
use crate::lifecycle::policy::{Environment, ReleasePolicy};
use crate::timeline::prose::visible;

use super::read_policy;

/// Show the policy in force, or the one that was; or check a file, and show what it says.
///
/// With --resolved, every rule as it holds in one environment for one model, and where the policy
/// says so: under the model, under the environment, at the top level, or nowhere.
///
/// Example:
///   rollbook policy show
///   rollbook policy show --at-index 120
///   rollbook policy show --resolved --env production --model credit-scorer
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct ShowPolicy {
    /// A policy file to check, instead of the policy in force
    pub file: Option<PathBuf>,
    /// As it was at this time
    #[arg(long, value_name = "TIME", conflicts_with_all = ["file", "at_index"])]
    pub at: Option<String>,
    /// As it was after this entry
    #[arg(long, alias = "at-entry", value_name = "N", conflicts_with = "file")]
    pub at_index: Option<u64>,
    /// Spell out every rule that holds in --env, or outside environments
    #[arg(long)]
    pub resolved: bool,
    /// With --resolved: the environment
    #[arg(long, value_name = "E", requires = "resolved")]
    pub env: Option<EnvironmentName>,
    /// With --resolved: the model; unless given, those that no block of the policy names
    #[arg(long, value_name = "M", requires = "env")]
    pub model: Option<Name>,
}

impl ShowPolicy {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn run(self, context: &Context) -> Result<(), Failure> {
        let (policy, entry) = match &self.file {
            Some(file) => (read_policy(file)?, None),
            None => {
                let charter = View::replay(context.reader()?, self.until(context)?)?.charter()?;
                (charter.policy.clone(), Some(charter.policy_entry))
            }
        };
        if let Some(entry) = entry.filter(|_| !context.json()) {
            context.say(format_args!("policy of entry {entry}:"));
        }
        if self.resolved {
            return self.print_resolved(context, &policy, entry);
        }
        if context.json() {
            let answer = json!({ "entry": entry, "schema": policy.schema, "text": policy.text });
            return context.print_json(&answer);
        }
        context.print(visible(policy.text.as_str().trim_end()))
    }

    fn until(&self, context: &Context) -> Result<Until, Failure> {
        Ok(match (context.time(self.at.as_ref())?, self.at_index) {
            (Some(time), _) => Until::Time(time),
            (_, Some(index)) => Until::Index(index),
            _ => Until::Now,
        })
    }

    fn print_resolved(
        &self,
        context: &Context,
        policy: &PolicyBody,
        entry: Option<u64>,
    ) -> Result<(), Failure> {
        let policy = ReleasePolicy::read(policy)?;
        if let Some(env) = self.env.as_ref().filter(|env| policy.environment(env).is_none()) {
            let known: Vec<_> =
                policy.environments().iter().map(Environment::name).map(ToString::to_string).collect();
            return Err(Failure::usage(format!("the policy knows no environment `{env}`"))
                .hint(format!("it knows {}", known.join(", "))));
        }
        let settings = policy.settings(self.env.as_ref(), self.model.as_ref());
        if context.json() {
            return context.print_json(&json!({
                "entry": entry, "environment": self.env, "model": self.model, "settings": settings,
            }));
        }
        settings.iter().try_for_each(|setting| context.print(visible(&line(setting))))
    }
}

fn line(setting: &Setting) -> String {
    let Setting { table, key, value, said_by } = setting;
    let (name, value) = (format!("{table}.{key}"), value.to_string());
    format!("{name:<24} {value:<24} ({said_by})")
}
