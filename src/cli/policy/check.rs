//! `rollbook policy check`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::view::{Until, View};
use crate::event::text::Name;
use crate::lifecycle::authority::administrators;
use crate::lifecycle::policy::ReleasePolicy;
use crate::lifecycle::policy::fitness::{Misfit, misfits};
use crate::lifecycle::refusal::Refusal;
use crate::lifecycle::state::{Row, RowKey};
use crate::signing::public_key::PublicKey;
use crate::time::Timestamp;
use crate::timeline::prose::visible;

use super::{advice, read_text};

/// Check a policy file: whether it would be accepted, and whether people could fulfil it.
///
/// Where a ledger is named, the policy is held against the keys in force there: an act that needs
/// more approvers than people hold the role is a warning; more administrators than there are, a
/// refusal. Exit 0 with warnings or without, 1 where the policy would be refused, 2 where the file
/// cannot be read.
///
/// Example:
///   rollbook policy check new-policy.toml
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct CheckPolicy {
    /// The policy file (TOML)
    pub file: PathBuf,
}

impl CheckPolicy {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn run(self, context: &Context) -> Result<(), Failure> {
        let text = read_text(&self.file)?;
        let policy = ReleasePolicy::parse(text.as_str()).map_err(|error| {
            Failure::no("policy_invalid", format!("{}: {error}", self.file.display())).hint(advice(&error))
        })?;
        let staff = context.names_a_ledger().then(|| Staff::of(context)).transpose()?;
        if let Some(staff) = &staff {
            staff.check_threshold(&policy)?;
        }
        let warnings = staff.as_ref().map(|staff| staff.misfits(&policy)).unwrap_or_default();
        if context.json() {
            return context.print_json(&json!({
                "would_be_accepted": true,
                "schema": policy.schema(),
                "threshold": policy.threshold(),
                "administrators": staff.as_ref().map(|staff| staff.administrators),
                "warnings": warnings.iter().map(warning_json).collect::<Vec<_>>(),
            }));
        }
        let held_against = match &staff {
            Some(staff) => format!("{} administrator(s) in force", staff.administrators),
            None => "no ledger is named, so nobody's keys were looked at".to_owned(),
        };
        let (file, schema, threshold) = (self.file.display(), policy.schema(), policy.threshold());
        context.print(format_args!("{file}: schema {schema}, threshold {threshold}; {held_against}"))?;
        warnings.iter().try_for_each(|warning| context.print(visible(&format!("warning: {warning}"))))
    }
}

/// A warning as JSON, with its sentence.
fn warning_json(warning: &Misfit) -> serde_json::Value {
    let mut value = json!(warning);
    value["message"] = warning.to_string().into();
    value
}

/// Who could do what a policy asks: the keys of a ledger, and its models.
pub struct Staff {
    view: View,
    now: Timestamp,
    administrators: u32,
}

impl Staff {
    /// As the ledger has it now.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn of(context: &Context) -> Result<Self, Failure> {
        let (mut view, now) = (View::replay(context.reader()?, Until::Now)?, context.now());
        let Ok(administrators) = administrators(&mut view.state, now, None);
        Ok(Self { view, now, administrators })
    }

    /// The state they were read from.
    pub const fn view(&mut self) -> &mut View {
        &mut self.view
    }

    fn check_threshold(&self, policy: &ReleasePolicy) -> Result<(), Failure> {
        let (threshold, administrators) = (policy.threshold(), self.administrators);
        if threshold > administrators {
            return Err(Refusal::ThresholdUnreachable { threshold, administrators }.into());
        }
        Ok(())
    }

    /// What they could not fulfil.
    #[must_use]
    pub fn misfits(&self, policy: &ReleasePolicy) -> Vec<Misfit> {
        let mut models: Vec<Name> = Vec::new();
        let mut holders: Vec<(&PublicKey, _)> = Vec::new();
        for (key, row) in self.view.state.rows() {
            match (key, row) {
                (RowKey::Model(model), _) => models.push(model.clone()),
                (RowKey::Holder(key), Row::Holder(holder)) => holders.push((key, &**holder)),
                _ => {}
            }
        }
        models.sort();
        misfits(policy, holders, &models, self.now)
    }
}
