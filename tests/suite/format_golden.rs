//! Golden vectors: what the crate writes is what stands in `tests/vectors/`, byte for byte, and reads
//! back as the value that it was.

use rollbook::codec;
use rollbook::event::body::{Event, Kind};
use rollbook::log::entry::Entry;
use rollbook::note::checkpoint::{CheckpointNote, open_checkpoint};
use rollbook::note::vkey::{KeyKind, VerifierKey};
use rollbook::signing::envelope::{Draft, Envelope};

use crate::support::ledger::{self, ORIGIN};
use crate::support::samples;
use crate::support::vectors::{check_hex, check_text, read_hex, read_text};

#[test]
fn every_kind_has_its_vectors() {
    for (suffix, events) in [("", samples::full()), (".min", samples::minimal())] {
        assert!(events.iter().map(Event::kind).eq(Kind::ALL.iter().copied()), "all kinds, in order");
        for event in events {
            let name = format!("events/{}{suffix}", event.kind());
            check_hex(&format!("{name}.hex"), &event.to_bytes().unwrap());
            check_text(&format!("{name}.json"), &(serde_json::to_string_pretty(&event).unwrap() + "\n"));
            assert_eq!(Event::from_bytes(&read_hex(&format!("{name}.hex"))).as_ref(), Ok(&event), "{name}");
        }
    }
}

#[test]
fn a_full_vector_leaves_nothing_out() {
    for event in samples::full() {
        let json = serde_json::to_string(&event).unwrap();
        // The second data set digest, the tag and so on are there: only a metric may lack a bound.
        let nothing = json.matches("null").count() + json.matches("[]").count();
        let expected = usize::from(event.kind() == Kind::ModelEvaluated);
        assert_eq!(nothing, expected, "{}: {json}", event.kind());
    }
}

#[test]
fn envelopes_have_their_vectors() {
    let event = samples::minimal_note().to_bytes().unwrap();
    for (name, seeds) in [("one-signature", [1].as_slice()), ("two-signatures", &[1, 2])] {
        let envelope = ledger::envelope(&event, seeds);
        let file = format!("envelopes/{name}.hex");
        check_hex(&file, &codec::encode(&envelope));
        let read: Envelope = codec::decode(&read_hex(&file)).unwrap();
        assert_eq!(read, envelope);
        assert_eq!(read.verify_signatures_strict(), Ok(()));
    }
}

#[test]
fn dsse_json_has_its_vector() {
    let envelope = ledger::envelope(&samples::minimal_note().to_bytes().unwrap(), &[1, 2]);
    check_text("envelopes/two-signatures.dsse.json", &envelope.to_dsse_json());
    let draft = Draft::from_dsse_json(read_text("envelopes/two-signatures.dsse.json").as_bytes()).unwrap();
    assert_eq!(draft.into_envelope(), Ok(envelope));
}

#[test]
fn entries_have_their_vectors() {
    for (name, entry) in
        [("0", ledger::entry_0()), ("1", ledger::entry_1()), ("state-root", ledger::entry_with_state_root())]
    {
        let file = format!("entries/{name}.hex");
        check_hex(&file, &entry.to_bytes());
        assert_eq!(Entry::from_bytes(&read_hex(&file)), Ok(entry));
    }
}

#[test]
fn the_chain_of_the_vectors_holds() {
    let (first, second) = (read_hex("entries/0.hex"), read_hex("entries/1.hex"));
    let event = |bytes: &[u8]| Event::from_bytes(Entry::from_bytes(bytes).unwrap().envelope.event()).unwrap();
    let ledger_id = Entry::leaf_hash(&first);
    assert_eq!(Entry::from_bytes(&second).unwrap().previous, ledger_id);
    assert_eq!(event(&second).header.ledger_id, ledger_id);
    assert_eq!(event(&first).header.ledger_id, rollbook::hash::Hash::ZERO);
}

#[test]
fn checkpoints_have_their_vectors() {
    let vkey =
        |seed| VerifierKey::of_signing_key(ORIGIN, KeyKind::Ed25519, &ledger::signing_key(seed)).unwrap();
    check_text("checkpoints/log.vkey", &format!("{}\n", vkey(3)));
    check_text("checkpoints/2.note", &String::from_utf8(ledger::checkpoint_2()).unwrap());
    check_text("checkpoints/3-rotated.note", &String::from_utf8(ledger::checkpoint_rotated()).unwrap());

    let pinned: VerifierKey = read_text("checkpoints/log.vkey").trim_end().parse().unwrap();
    let opened = open_checkpoint(read_text("checkpoints/2.note").as_bytes(), &pinned).unwrap();
    assert_eq!(opened.verify_log_signatures(&[&pinned]), Ok(()));
    let rotated =
        CheckpointNote::parse_unverified(read_text("checkpoints/3-rotated.note").as_bytes()).unwrap();
    assert_eq!(rotated.verify_log_signatures(&[&vkey(3), &vkey(4)]), Ok(()));
    assert!(rotated.verify_log_signatures(&[&vkey(4)]).is_err(), "the old key's line is not passed over");
}

#[test]
fn the_largest_entry_fits_a_bundle() {
    let seeds: Vec<u8> = (1..=16).collect();
    let envelope = ledger::envelope(&vec![0; 60_000], &seeds);
    let entry = Entry { envelope, ..ledger::entry_with_state_root() };
    assert_eq!(entry.to_bytes().len(), 61_637, "as docs/format.md says");
}
