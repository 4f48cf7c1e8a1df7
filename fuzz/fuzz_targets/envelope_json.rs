//! DSSE's JSON of a draft. What is read holds only signatures that verify, and is written so that it reads back the
//! same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rollbook::signing::envelope::{
    AuthorSignature, Draft, EVENT_BYTES_MAX, Envelope, EnvelopeError, SIGNATURES_MAX, signing_bytes,
};
use rollbook_fuzz::allocation::within;
use rollbook_fuzz::seed;

fuzz_target!(|bytes: &[u8]| {
    // The text's parts, decoded, and tables for checking signatures.
    let held_max = (256 << 10) + 8 * bytes.len();
    let Ok(draft) = within(held_max, || Draft::from_dsse_json(bytes)) else { return };
    sound(&draft);
    sign(draft);
});

fn sound(draft: &Draft) {
    assert!((1..=EVENT_BYTES_MAX).contains(&draft.event().len()));
    assert!(draft.signatures().len() <= SIGNATURES_MAX);
    assert!(draft.signatures().is_sorted_by(|one, next| one.key < next.key));
    let json = draft.to_dsse_json();
    let read = Draft::from_dsse_json(json.as_bytes()).expect("it was written by this program");
    assert_eq!(&read, draft);
    assert_eq!(read.to_dsse_json(), json);
    match draft.clone().into_envelope() {
        Ok(envelope) => envelope_of(&envelope, &json),
        Err(error) => {
            assert!(draft.signatures().is_empty() && error == EnvelopeError::SignatureCount { count: 0 });
        }
    }
}

fn envelope_of(envelope: &Envelope, json: &str) {
    assert_eq!(envelope.verify_signatures_strict(), Ok(()));
    assert_eq!(envelope.to_dsse_json(), json);
}

/// Somebody more signs: one signature more, unless there are 16, or theirs is there.
fn sign(mut draft: Draft) {
    let [ada, ..] = seed::people();
    let (key, message) = (ada.public(), signing_bytes(draft.event()));
    let (before, signed) =
        (draft.signatures().len(), draft.signatures().iter().any(|author| author.key == key));
    let added = draft.add(AuthorSignature { key, signature: ada.key.sign(&message) });
    assert_eq!(added.is_ok(), signed || before < SIGNATURES_MAX);
    assert_eq!(draft.signatures().len(), before + usize::from(added.is_ok() && !signed));
    sound(&draft);
}
