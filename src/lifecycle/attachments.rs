//! Which attachments the lawful entries of a log cite, and which of them are redacted: told once, for the auditor
//! and for the command line.
//!
//! The newest word counts: an attachment is redacted from the entry that redacts it, until a later entry attaches
//! the same bytes again. An entry that breaks the rules, or isn't authentic, is not handed in: it neither cites nor
//! redacts. Whether the bytes are there is for others to see.

use std::collections::HashMap;

use crate::event::body::{Body, Event};
use crate::hash::Hash;

/// What entries say of an attachment whose bytes are to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Citation {
    /// The first entry that cites it; where it was redacted in between, the first one after that.
    pub entry: u64,
    /// How many bytes it has, as that entry says.
    pub size: u64,
}

/// What entries say of an attachment whose bytes are to be gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Redaction {
    /// The entry that cites it.
    pub cited_by: u64,
    /// The first entry that redacts it after that.
    pub redacted_by: u64,
}

/// What is odd about an entry, and forbidden by no rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Oddity {
    /// It redacts what no entry before it cites.
    RedactsNothing {
        /// The digest.
        digest: Hash,
    },
    /// It gives an attachment another size than an entry before it does: one of them is wrong.
    SizeDiffers {
        /// The digest.
        digest: Hash,
        /// What it says.
        actual: u64,
        /// What the entry before says.
        expected: u64,
    },
}

/// The attachments of a log, by digest: some 50 bytes each.
#[derive(Debug, Clone, Default)]
pub struct AttachmentRegister {
    cited: HashMap<Hash, Citation>,
    redacted: HashMap<Hash, Redaction>,
}

impl AttachmentRegister {
    /// The register that [`Self::cited`] and [`Self::redacted`] of another one gave.
    #[must_use]
    pub fn restore(
        cited: impl IntoIterator<Item = (Hash, Citation)>,
        redacted: impl IntoIterator<Item = (Hash, Redaction)>,
    ) -> Self {
        Self { cited: cited.into_iter().collect(), redacted: redacted.into_iter().collect() }
    }

    /// Takes the event of the entry `index`, which is lawful. Entries come in order.
    pub fn take(&mut self, index: u64, event: &Event) -> Vec<Oddity> {
        let mut odd = Vec::new();
        for attachment in &*event.header.attachments {
            let (digest, size) = (attachment.digest, attachment.size);
            self.redacted.remove(&digest);
            let first = self.cited.entry(digest).or_insert(Citation { entry: index, size });
            if first.size != size {
                odd.push(Oddity::SizeDiffers { digest, actual: size, expected: first.size });
            }
        }
        if let Body::AttachmentRedacted(body) = &event.body {
            odd.extend(self.redact(index, body.digest));
        }
        odd
    }

    fn redact(&mut self, index: u64, digest: Hash) -> Option<Oddity> {
        if let Some(citation) = self.cited.remove(&digest) {
            self.redacted.insert(digest, Redaction { cited_by: citation.entry, redacted_by: index });
            return None;
        }
        // To redact twice does no harm: the first one counts.
        (!self.redacted.contains_key(&digest)).then_some(Oddity::RedactsNothing { digest })
    }

    /// The attachments whose bytes are to be there, in no order.
    pub fn cited(&self) -> impl Iterator<Item = (&Hash, &Citation)> {
        self.cited.iter()
    }

    /// The attachments whose bytes are to be gone, in no order.
    pub fn redacted(&self) -> impl Iterator<Item = (&Hash, &Redaction)> {
        self.redacted.iter()
    }

    /// Where the attachment is cited, if its bytes are to be there.
    #[must_use]
    pub fn citation(&self, digest: &Hash) -> Option<Citation> {
        self.cited.get(digest).copied()
    }

    /// Where the attachment is redacted, if its bytes are to be gone.
    #[must_use]
    pub fn redaction(&self, digest: &Hash) -> Option<Redaction> {
        self.redacted.get(digest).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::header::{Attachment, Basis, EventId, Header};
    use crate::event::list::Ascending;
    use crate::event::remark::{AttachmentRedacted, NoteAdded, NoteSubject};
    use crate::event::text::{Name, Text};
    use crate::signing::public_key::PublicKey;
    use crate::time::Timestamp;

    fn event(body: Body, attached: &[(&str, u64)]) -> Event {
        let attachment = |(name, size): &(&str, u64)| Attachment {
            digest: digest(name),
            size: *size,
            private: false,
            media_type: Name::new("text/plain").unwrap(),
            name: Name::new(*name).unwrap(),
        };
        let header = Header {
            format: 1,
            ledger_id: Hash::ZERO,
            event_id: EventId::from_bytes([0; 16]),
            proposer: PublicKey::from_bytes([0; 32]),
            claimed_at: Timestamp::EPOCH,
            expires_at: Timestamp::EPOCH,
            basis: Basis::Declared,
            attachments: Ascending::sort(attached.iter().map(attachment).collect()).unwrap(),
        };
        Event { header, body }
    }

    fn digest(name: &str) -> Hash {
        Hash::of(name.as_bytes())
    }

    fn note(attached: &[(&str, u64)]) -> Event {
        let subject = NoteSubject::Entry { entry: 0 };
        event(NoteAdded { subject, text: Text::new("see there").unwrap() }.into(), attached)
    }

    fn redaction(name: &str, attached: &[(&str, u64)]) -> Event {
        let reason = Text::new("asked for").unwrap();
        event(AttachmentRedacted { digest: digest(name), reason }.into(), attached)
    }

    #[test]
    fn the_newest_word_counts() {
        let mut register = AttachmentRegister::default();
        let a = digest("a");
        assert_eq!(register.take(1, &redaction("a", &[])), [Oddity::RedactsNothing { digest: a }]);
        assert_eq!((register.citation(&a), register.redaction(&a)), (None, None));
        assert_eq!(register.take(2, &note(&[("a", 5)])), []);
        assert_eq!(register.take(3, &note(&[("a", 5), ("b", 1)])), []);
        assert_eq!(register.citation(&a), Some(Citation { entry: 2, size: 5 }));
        assert_eq!(register.take(4, &redaction("a", &[])), []);
        assert_eq!(register.take(5, &redaction("a", &[])), [], "twice does no harm");
        assert_eq!(register.redaction(&a), Some(Redaction { cited_by: 2, redacted_by: 4 }));
        assert_eq!(register.citation(&a), None);
        assert_eq!(register.take(6, &note(&[("a", 5)])), []);
        assert_eq!(register.citation(&a), Some(Citation { entry: 6, size: 5 }), "attached again");
        assert_eq!(register.redaction(&a), None);
        assert_eq!((register.cited().count(), register.redacted().count()), (2, 0));
    }

    #[test]
    fn an_entry_that_attaches_what_it_redacts_leaves_it_redacted() {
        let mut register = AttachmentRegister::default();
        assert_eq!(register.take(1, &redaction("a", &[("a", 5), ("order", 9)])), []);
        assert_eq!(register.redaction(&digest("a")), Some(Redaction { cited_by: 1, redacted_by: 1 }));
        assert!(register.citation(&digest("order")).is_some());
    }

    #[test]
    fn two_sizes_of_one_attachment_are_odd() {
        let mut register = AttachmentRegister::default();
        register.take(1, &note(&[("a", 5)]));
        let odd = Oddity::SizeDiffers { digest: digest("a"), actual: 6, expected: 5 };
        assert_eq!(register.take(2, &note(&[("a", 6)])), [odd]);
    }
}
