//! `rollbook ratify`.

use clap::Args;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::record::{RecordArgs, record};
use crate::cli::verify::unverified;
use crate::event::incident::{EntryRatified, Ratification};
use crate::event::list::Ascending;
use crate::event::text::{Name, Text};
use crate::lifecycle::refusal::Refusal;
use crate::lifecycle::rules::incidents::{NOT_RATIFIED, is_acceptable};
use crate::verifier::finding::FINDINGS_PER_CODE_MAX;
use crate::verifier::verify::{Options, verify_dir};

/// Stand behind a break-glass rollback; or, as administrators, accept violations of an entry.
///
/// An approver who is not the one who broke the glass ratifies within the policy's window; `rollbook status`
/// tells what is owed. With --accept, administrators take responsibility for what `rollbook verify` found
/// of the entry: it stays listed, and no longer decides the verdict. Tampering cannot be accepted.
///
/// Example:
///   rollbook --key ana.pem ratify 14 --reason "right, and right at once"
///   rollbook --key alice.pem ratify 14 --accept break_glass.not_ratified --reason "everybody was asleep"
#[derive(Debug, Args)]
#[expect(clippy::doc_markdown, reason = "this is help for a terminal, which shows backticks")]
#[command(verbatim_doc_comment)]
pub struct Ratify {
    /// The entry
    pub index: u64,
    /// The code of a violation to accept, as `rollbook verify` names it; repeats
    #[arg(long, value_name = "FINDING", num_args = 1..)]
    pub accept: Vec<Name>,
    /// Why
    #[arg(long, value_name = "T")]
    pub reason: Option<Text>,
    #[command(flatten)]
    record: RecordArgs,
}

impl Ratify {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn run(self, context: &Context) -> Result<(), Failure> {
        let ratification = if self.accept.is_empty() {
            Ratification::BreakGlass
        } else {
            let mut codes = self.accept.clone();
            codes.sort();
            codes.dedup();
            let codes = Ascending::new(codes)?;
            self.check_found(context, &codes)?;
            Ratification::Violations { codes }
        };
        record(context, &self.record, &mut |_, _, _| {
            let (ratification, reason) = (ratification.clone(), self.reason.clone());
            Ok(EntryRatified { entry: self.index, ratification, reason }.into())
        })
    }

    /// The verifier finds of the entry what is to be accepted. The rules cannot tell: they keep no history.
    fn check_found(&self, context: &Context, codes: &[Name]) -> Result<(), Failure> {
        if let Some(code) = codes.iter().find(|code| !is_acceptable(code.as_str())) {
            return Err(Refusal::FindingNotAcceptable { code: code.clone() }.into());
        }
        let options = Options::default();
        let report = verify_dir(context.ledger_dir()?, &options, &|_, _| {}).map_err(unverified)?;
        let of_entry: Vec<_> = report
            .findings
            .iter()
            .filter(|found| found.index() == Some(self.index) && is_acceptable(&found.code()))
            .collect();
        // A deadline that has passed is found once something is recorded after it: the acceptance itself will do.
        // Where there are more findings of a code than a report keeps, the entry's own may be among those left
        // out; the next verification tells of an acceptance that accepts nothing.
        let is_found = |code: &Name| {
            let lapses = code.as_str() == NOT_RATIFIED;
            let count = report.finding_counts.get(code.as_str()).copied().unwrap_or_default();
            lapses
                || count > FINDINGS_PER_CODE_MAX
                || of_entry.iter().any(|found| found.code() == code.as_str() && found.accepted_by().is_none())
        };
        let Some(code) = codes.iter().find(|code| !is_found(code)) else { return Ok(()) };
        let has = of_entry.iter().map(|found| match found.accepted_by() {
            Some(by) => format!("{} (accepted by entry {by})", found.code()),
            None => found.code().into_owned(),
        });
        let has = has.collect::<Vec<_>>().join(", ");
        let has = if has.is_empty() { "no violation".to_owned() } else { has };
        Err(Failure::no(
            "nothing_to_accept",
            format!("entry {} has no `{code}` to accept: it has {has}", self.index),
        )
        .hint("see `rollbook verify`"))
    }
}
