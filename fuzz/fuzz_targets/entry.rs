//! Entries, envelopes and events in canonical bytes. What decodes encodes to the same bytes, and holds a bounded
//! amount while it is decoded.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rollbook::codec;
use rollbook::event::body::Event;
use rollbook::log::entry::{ENTRY_BYTES_MAX, Entry};
use rollbook::signing::envelope::{Draft, EVENT_BYTES_MAX, Envelope, SIGNATURES_MAX};
use rollbook_fuzz::allocation::within;

/// What a decoding may claim is 1 MiB (`codec`); a vector that grows is there twice for a moment.
const HELD_MAX: usize = 3 << 20;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(entry) = within(HELD_MAX, || Entry::from_bytes(bytes)) {
        assert!(bytes.len() <= ENTRY_BYTES_MAX);
        assert_eq!(entry.to_bytes(), bytes);
        envelope(&entry.envelope);
        event(entry.envelope.event());
        // The fields around the envelope do not reach into it.
        let moved = Entry { index: !entry.index, ..entry.clone() };
        assert_eq!(Entry::from_bytes(&moved.to_bytes()), Ok(moved));
    }
    if let Ok(decoded) = within(HELD_MAX, || codec::decode::<Envelope>(bytes)) {
        assert_eq!(codec::encode(&decoded), bytes);
        envelope(&decoded);
    }
    event(bytes);
});

fn envelope(envelope: &Envelope) {
    let signatures = envelope.signatures();
    assert!((1..=EVENT_BYTES_MAX).contains(&envelope.event().len()));
    assert!((1..=SIGNATURES_MAX).contains(&signatures.len()));
    assert!(signatures.is_sorted_by(|one, next| one.key < next.key));
    assert_eq!(Envelope::new(envelope.event().to_vec(), signatures.to_vec()).as_ref(), Ok(envelope));
    // Other tools' form: read back where every signature holds, and only there.
    let draft = Draft::from_dsse_json(envelope.to_dsse_json().as_bytes());
    assert_eq!(draft.is_ok(), envelope.verify_signatures_strict().is_ok());
}

fn event(bytes: &[u8]) {
    let Ok(event) = within(HELD_MAX, || Event::from_bytes(bytes)) else { return };
    assert_eq!(event.to_bytes().as_deref(), Ok(bytes));
    serde_json::to_string(&event).expect("every event has a JSON form");
}
