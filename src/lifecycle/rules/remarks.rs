//! Rules of remarks: notes, and attachments that were redacted.

use crate::event::remark::{NoteAdded, NoteSubject};
use crate::lifecycle::authority::Place;
use crate::lifecycle::policy::Act;
use crate::lifecycle::refusal::Refusal;
use crate::lifecycle::state::RowSource;

use super::{Judge, Outcome, Rows, refuse};

impl<S: RowSource> Judge<'_, S> {
    /// Which attachments entries cite is not part of the state, for it grows with history
    /// ([`crate::lifecycle::attachments`] tells it from the entries): who redacts what nobody
    /// attached is told so by the command line, and found by the verifier.
    pub(super) fn redact(&mut self) -> Outcome<Rows, S> {
        self.signed_by_administrators()?;
        Ok(Vec::new())
    }

    pub(super) fn note(&mut self, body: &NoteAdded) -> Outcome<Rows, S> {
        self.signed_for(Act::Note, Place::default())?;
        match body.subject {
            NoteSubject::Entry { entry } => self.cites(&[entry])?,
            NoteSubject::Log { tree_size, .. } if tree_size > self.act.index => {
                return refuse(Refusal::EntryUnknown { entry: tree_size - 1 });
            }
            NoteSubject::Log { .. } => {}
        }
        Ok(Vec::new())
    }
}
