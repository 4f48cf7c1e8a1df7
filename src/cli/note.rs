//! `rollbook note`.

use clap::Args;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::record::{RecordArgs, record};
use crate::event::remark::{NoteAdded, NoteSubject};
use crate::event::text::Text;

/// Add a remark on an entry.
///
/// Example:
///   rollbook --key auditor.pem note 12 "checked against change ticket OPS-17"
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Note {
    /// The entry
    pub index: u64,
    /// What to say
    pub text: Text,
    #[command(flatten)]
    record: RecordArgs,
}

impl Note {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn run(self, context: &Context) -> Result<(), Failure> {
        let subject = NoteSubject::Entry { entry: self.index };
        record(context, &self.record, &mut |_, _, _| {
            Ok(NoteAdded { subject: subject.clone(), text: self.text.clone() }.into())
        })
    }
}
