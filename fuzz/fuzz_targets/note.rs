//! Signed notes, their signature lines, and vkeys. What parses encodes to the same bytes; no known key has signed
//! what it never signed.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use rollbook::note::signature_line::SignatureLine;
use rollbook::note::signed_note::{Note, SIGNATURE_LINES_MAX, parse_signature_lines};
use rollbook::note::vkey::VerifierKey;
use rollbook_fuzz::allocation::within;
use rollbook_fuzz::seed;

/// Keys of the seeds, and all texts that they have signed.
static KNOWN: LazyLock<(Vec<VerifierKey>, Vec<String>)> = LazyLock::new(|| {
    let log = seed::log();
    let (first, second) = (log.trust().log_key().clone(), rollbook_fuzz::forge::public(&log.log_key));
    let second = VerifierKey::new_ed25519(log.origin.as_str(), second).expect("a key that is fit");
    let text = |note: &[u8]| Note::parse(note).expect("a note").text().to_owned();
    let texts = log.notes().iter().map(|(_, note)| text(note)).collect();
    (vec![first, second, seed::witness()], texts)
});

fuzz_target!(|bytes: &[u8]| {
    // The lines of a note and what is copied of them: some times its length, and a vector of at most 100 lines.
    let held_max = (32 << 10) + 4 * bytes.len();
    if let Ok(note) = within(held_max, || Note::parse(bytes)) {
        sound(&note, bytes);
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(lines) = parse_signature_lines(text) {
        assert_eq!(lines.iter().map(|line| format!("{line}\n")).collect::<String>(), text);
    }
    if let Ok(vkey) = text.parse::<VerifierKey>() {
        assert_eq!(vkey.to_string(), text);
    }
});

fn sound(note: &Note, bytes: &[u8]) {
    assert_eq!(note.encode(), bytes);
    assert!(note.text().ends_with('\n') && !note.text().contains(|c: char| c < ' ' && c != '\n'));
    assert!((1..=SIGNATURE_LINES_MAX).contains(&note.signatures().len()));
    assert_eq!(Note::new(note.text().to_owned(), note.signatures().to_vec()).as_ref(), Ok(note));
    for line in note.signatures() {
        assert_eq!(SignatureLine::parse(&line.to_string()).as_ref(), Ok(line));
        assert!(note.signatures_named(line.name()).any(|other| other == line));
    }
    let (keys, texts) = &*KNOWN;
    for key in keys {
        if note.verify_with(key).is_ok_and(|valid| valid > 0) {
            assert!(texts.iter().any(|text| text == note.text()), "{} never signed this", key.name());
        }
    }
}
