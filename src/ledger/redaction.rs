//! Redactions: the fact is appended first, the attachment's bytes are removed after, and opening completes what was
//! cut short.
//!
//! 1. Before the event is queued, a mark is written, durably: `attachments/.redact-<digest>-<event id>`, which holds
//!    how many entries the log has.
//! 2. The event is appended, or refused.
//! 3. Where it was appended, the bytes are removed, durably; then the mark, durably.
//!
//! A crash before 2 leaves a mark, and nothing is redacted: the next opening finds no such entry, and drops it. A
//! crash behind it leaves the entry, and perhaps the bytes: the opening does step 3. It reads the log from the size
//! in the mark on, and so costs nothing where no mark is.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::event::body::{Body, Event};
use crate::event::header::EventId;
use crate::hash::Hash;
use crate::ledger::derived::Derived;
use crate::ledger::receipt::{AppendError, Receipt, Warning};
use crate::ledger::writer::frame_of;
use crate::log::entry::Entry;
use crate::store::attachments::{ATTACHMENTS_DIR, Attachments};
use crate::store::disk::{Disk, parent_of, write_whole};
use crate::store::files::FileLog;

const MARK_PREFIX: &str = ".redact-";

/// What removes attachments that are redacted.
#[derive(Debug, Clone)]
pub(super) struct Redactions {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
}

/// That the bytes of an attachment are about to be redacted by an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    digest: Hash,
    event_id: EventId,
    /// How many entries the log had, at the most, when the event was not in it yet.
    size: u64,
    /// Whether it was not there before: an opening that could not complete a deletion leaves its mark.
    is_new: bool,
}

impl Mark {
    fn name(&self) -> String {
        format!("{MARK_PREFIX}{}-{}", self.digest, self.event_id)
    }

    /// The mark of that name, which holds `bytes`. One that cannot be read makes the whole log be read.
    fn read(name: &str, bytes: &[u8]) -> Option<Self> {
        let (digest, event_id) = name.strip_prefix(MARK_PREFIX)?.split_once('-')?;
        let size = std::str::from_utf8(bytes).ok().and_then(|text| text.trim_end().parse().ok()).unwrap_or(0);
        Some(Self { digest: digest.parse().ok()?, event_id: event_id.parse().ok()?, size, is_new: false })
    }
}

impl Redactions {
    pub(super) fn of(disk: &Arc<dyn Disk>, ledger: &Path) -> Self {
        Self { disk: Arc::clone(disk), dir: ledger.join(ATTACHMENTS_DIR) }
    }

    fn store(&self) -> Attachments {
        Attachments::on(Arc::clone(&self.disk), &self.dir)
    }

    /// Marks what `event` redacts, if it does, durably. The log has at least `size()` entries, and none of them is
    /// this event, but where it is recorded already.
    pub(super) fn mark(
        &self,
        event: &Event,
        size: impl FnOnce() -> u64,
    ) -> Result<Option<Mark>, AppendError> {
        let Body::AttachmentRedacted(body) = &event.body else { return Ok(None) };
        let (digest, event_id) = (body.digest, event.header.event_id);
        let mut mark = Mark { digest, event_id, size: size(), is_new: true };
        self.write(&mut mark).map_err(|error| AppendError::Attachment {
            reason: format!("cannot write {}: {error}", self.dir.join(mark.name()).display()),
        })?;
        Ok(Some(mark))
    }

    fn write(&self, mark: &mut Mark) -> io::Result<()> {
        self.disk.create_dir(&self.dir)?;
        self.disk.sync_dir(parent_of(&self.dir))?;
        let name = mark.name();
        if self.disk.list(&self.dir)?.contains(&name) {
            // Of an earlier try at the same event, which may stand in the log further up.
            mark.is_new = false;
            return self.disk.sync_dir(&self.dir);
        }
        write_whole(self.disk.as_ref(), &self.dir.join(name), format!("{}\n", mark.size).as_bytes())
    }

    /// Does what is left to do for a mark, now that it is known what became of its event.
    pub(super) fn settle(&self, mark: &Mark, outcome: &Result<Receipt, AppendError>) -> Option<Warning> {
        match outcome {
            Ok(receipt) if !receipt.repeated => self.complete(mark),
            // Whether it stands in the log, the next opening sees.
            Err(AppendError::OutcomeUnknown { .. }) => None,
            Ok(_) | Err(_) => {
                if mark.is_new {
                    self.drop_mark(mark);
                }
                None
            }
        }
    }

    /// The entry stands in the log: removes the bytes, then the mark. A crash between leaves the mark, and the next
    /// opening comes here once more.
    fn complete(&self, mark: &Mark) -> Option<Warning> {
        if let Err(error) = self.store().remove(&mark.digest) {
            return Some(Warning::NotRemoved { digest: mark.digest, reason: error.to_string() });
        }
        self.drop_mark(mark);
        None
    }

    /// A mark that stays does no harm: the next opening judges it again.
    fn drop_mark(&self, mark: &Mark) {
        if self.disk.remove_file(&self.dir.join(mark.name())).is_ok() {
            let _ = self.disk.sync_dir(&self.dir);
        }
    }

    /// On opening: completes deletions that were cut short, and drops marks of events that were never recorded.
    pub(super) fn resume(&self, log: &FileLog, derived: &Derived) -> Vec<Warning> {
        let names = match self.disk.list(&self.dir) {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
            Err(error) => return vec![self.unsettled(&error.to_string())],
        };
        let marks = names.iter().filter_map(|name| self.read(name));
        marks.filter_map(|mark| self.resume_one(&mark, log, derived)).collect()
    }

    fn read(&self, name: &str) -> Option<Mark> {
        // A half-written mark has another name (`….new`): its event was not appended.
        Mark::read(name, &[])?;
        let mut bytes = [0; 32];
        let path = self.dir.join(name);
        let file = self.disk.open(&path, crate::store::disk::Access::Read).ok()?;
        let count = file.read_at(0, &mut bytes).unwrap_or(0);
        Mark::read(name, &bytes[..count])
    }

    fn resume_one(&self, mark: &Mark, log: &FileLog, derived: &Derived) -> Option<Warning> {
        match stands(mark, log, derived) {
            Ok(true) => self.complete(mark),
            Ok(false) => {
                self.drop_mark(mark);
                None
            }
            Err(reason) => Some(self.unsettled(&reason)),
        }
    }

    fn unsettled(&self, reason: &str) -> Warning {
        Warning::MarksUnread { path: self.dir.clone(), reason: reason.to_owned() }
    }
}

/// Whether the redaction that was marked stands in the log, and nobody has attached the same bytes again since.
fn stands(mark: &Mark, log: &FileLog, derived: &Derived) -> Result<bool, String> {
    let end = derived.reach().tree.size();
    let mut stands = false;
    let mut next = mark.size;
    while next < end {
        let frame = frame_of(log, derived, next)?;
        let view = frame.view();
        for (index, bytes) in (view.first_index()..).zip(view.entries()) {
            let unread = |error: &dyn std::fmt::Display| format!("entry {index}: {error}");
            let entry = Entry::from_bytes(bytes).map_err(|error| unread(&error))?;
            let event = Event::from_bytes(entry.envelope.event()).map_err(|error| unread(&error))?;
            stands &= !event.header.attachments.iter().any(|attachment| attachment.digest == mark.digest);
            stands |= event.header.event_id == mark.event_id
                && matches!(&event.body, Body::AttachmentRedacted(body) if body.digest == mark.digest);
        }
        next = view.next_index();
    }
    Ok(stands)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_back_and_other_names_are_none() {
        let event_id = EventId::derive("a", "b");
        let mark = Mark { digest: Hash::of(b"a"), event_id, size: 4_711, is_new: false };
        let name = mark.name();
        assert_eq!(Mark::read(&name, b"4711\n"), Some(mark.clone()));
        assert_eq!(Mark::read(&name, b"47x"), Some(Mark { size: 0, ..mark }), "then all of the log is read");
        for other in
            ["sha256", ".incoming-1-2", &format!("{name}.new"), &name[1..], ".redact-00-11", ".redact-"]
        {
            assert_eq!(Mark::read(other, b"1\n"), None, "{other}");
        }
    }
}
