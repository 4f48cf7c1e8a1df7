//! `rollbook complete`.

use clap::Args;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::record::{RecordArgs, claimed_time, record};
use crate::event::body::Body;
use crate::event::release::{ChangeCompleted, ChangeOutcome};
use crate::event::text::Text;

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
    /// When, if that is not now: RFC 3339 with offset, or a span such as `2m ago`
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
            let earlier = match earlier {
                Some(Body::ChangeCompleted(earlier)) => Some(earlier.completed_at),
                _ => None,
            };
            let said = claimed_time(self.completed.as_deref(), earlier, now)?;
            let completed_at = said.or(earlier).unwrap_or(now);
            let (change, outcome) = (self.index, self.outcome.outcome());
            Ok(ChangeCompleted { change, outcome, completed_at, summary: self.summary.clone() }.into())
        })
    }
}
