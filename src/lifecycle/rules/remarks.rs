//! Rules of remarks.

use crate::event::authority::Role;
use crate::event::remark::{NoteAdded, NoteSubject};
use crate::lifecycle::authority::Place;
use crate::lifecycle::policy::Act;
use crate::lifecycle::refusal::Refusal;
use crate::lifecycle::state::RowSource;

use super::{Judge, Outcome, Rows, refuse};

impl<S: RowSource> Judge<'_, S> {
    pub(super) fn note(&mut self, body: &NoteAdded) -> Outcome<Rows, S> {
        self.signed_for(Act::Note, Role::ALL, Place::default())?;
        match body.subject {
            NoteSubject::Entry { entry } => self.cites(&[entry])?,
            NoteSubject::Log { tree_size, .. } if tree_size > self.act.index => {
                return refuse(Refusal::EntryUnknown { entry: tree_size - 1 });
            }
            NoteSubject::Log { .. } => {}
        }
        Ok(Vec::new())
    }

    /// Which attachments there are, and which are redacted, is no part of the state:
    /// [`crate::lifecycle::attachments`] tells it from the entries.
    pub(super) fn redact_attachment(&mut self) -> Outcome<Rows, S> {
        self.signed_by_administrators()?;
        Ok(Vec::new())
    }
}
