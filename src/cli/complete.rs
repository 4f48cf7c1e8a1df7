//! `rollbook complete`.

use clap::Args;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::record::{RecordArgs, record};
use crate::event::body::Body;
use crate::event::release::{ChangeCompleted, ChangeOutcome};
use crate::event::text::Text;
use crate::time::Timestamp;

/// Report what came of a promotion, rollback or withdrawal.
///
/// A change that failed or was aborted puts back what served before; that is possible only while it
/// is the newest change of that model there.
///
/// Example:
///   rollbook --key deployer.pem complete 12 --succeeded --completed "2m ago"
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Complete {
    /// The entry of the change
    pub index: u64,
    #[command(flatten)]
    outcome: OutcomeArgs,
    /// When, if that is not now
    #[arg(long, value_name = "TIME")]
    pub completed: Option<String>,
    /// A remark
    #[arg(long, value_name = "T")]
    pub summary: Option<Text>,
    #[command(flatten)]
    record: RecordArgs,
}

#[derive(Debug, Clone, Copy, Args)]
#[group(required = true, multiple = false)]
struct OutcomeArgs {
    /// It is in place
    #[arg(long)]
    succeeded: bool,
    /// It did not work
    #[arg(long)]
    failed: bool,
    /// It was called off
    #[arg(long)]
    aborted: bool,
}

impl OutcomeArgs {
    const fn outcome(self) -> ChangeOutcome {
        match self {
            Self { failed: true, .. } => ChangeOutcome::Failed,
            Self { aborted: true, .. } => ChangeOutcome::Aborted,
            Self { .. } => ChangeOutcome::Succeeded,
        }
    }
}

impl Complete {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn run(self, context: &Context) -> Result<(), Failure> {
        record(context, &self.record, &mut |_, earlier, now| {
            let completed_at = match (&self.completed, earlier) {
                (None, Some(Body::ChangeCompleted(earlier))) => earlier.completed_at,
                (Some(text), _) => Timestamp::parse(text, now)?,
                (None, _) => now,
            };
            let (change, outcome) = (self.index, self.outcome.outcome());
            Ok(ChangeCompleted { change, outcome, completed_at, summary: self.summary.clone() }.into())
        })
    }
}
