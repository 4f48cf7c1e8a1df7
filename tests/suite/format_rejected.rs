//! Rejected vectors: each named for what is wrong with it, with the error that is expected, word for word.
//!
//! Every row is a golden vector with one field replaced. Truncation and trailing bytes at every length
//! stand in `format_mutations.rs`.

use rollbook::codec::{self, CodecError};
use rollbook::event::body::{Event, EventError, Kind};
use rollbook::log::entry::Entry;
use rollbook::signing::envelope::Envelope;

use crate::support::ledger;
use crate::support::samples;
use crate::support::tables::Tables;

/// A golden event with every optional field, in which fields can be replaced.
struct Vector {
    bytes: Vec<u8>,
}

fn full(kind: &str) -> Vector {
    let kind: Kind = kind.parse().unwrap();
    Vector { bytes: samples::full()[kind as usize].to_bytes().unwrap() }
}

impl Vector {
    /// This vector with the field at `path` written as `with`.
    fn replace(&self, path: &str, with: &[u8]) -> Vec<u8> {
        let span = Tables::read().walk("event", &self.bytes).span(path);
        [&self.bytes[..span.start], with, &self.bytes[span.end..]].concat()
    }

    /// The bytes of the field at `path`.
    fn field(&self, path: &str) -> &[u8] {
        &self.bytes[Tables::read().walk("event", &self.bytes).span(path)]
    }
}

/// A string or bytes as the format writes them.
fn string(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u64).to_le_bytes(), bytes].concat()
}

/// A string that is there, in an `option`.
fn some_string(bytes: &[u8]) -> Vec<u8> {
    [vec![1], string(bytes)].concat()
}

/// A list of items that are encoded already.
fn list(items: &[&[u8]]) -> Vec<u8> {
    [(items.len() as u64).to_le_bytes().to_vec(), items.concat()].concat()
}

/// A list of `count` ascending names.
fn names(count: usize) -> Vec<u8> {
    let items: Vec<Vec<u8>> = (0..count).map(|number| string(format!("{number:03}").as_bytes())).collect();
    list(&items.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

/// A list of `count` ascending numbers.
fn numbers(count: u64) -> Vec<u8> {
    let items: Vec<[u8; 8]> = (0..count).map(u64::to_le_bytes).collect();
    list(&items.iter().map(<[u8; 8]>::as_slice).collect::<Vec<_>>())
}

/// Checks rows of: what is wrong, the bytes, the codec's words.
fn all_are_refused(rows: &[(&str, Vec<u8>, &str)]) {
    for (what, bytes, expected) in rows {
        let error = Event::from_bytes(bytes).expect_err(what);
        assert_eq!(error.to_string(), format!("not a canonical event: {expected}"), "{what}");
        let is_word = expected.starts_with("variant ") && !expected.contains("of Option ");
        assert_eq!(error.needs_upgrade(), is_word, "{what}: wrong, or new");
    }
}

#[test]
fn replacing_a_field_by_itself_changes_nothing() {
    for kind in Kind::ALL {
        let vector = full(kind.as_str());
        assert_eq!(vector.replace("body", vector.field("body")), vector.bytes);
        assert_eq!(vector.replace("header.basis", vector.field("header.basis")), vector.bytes);
    }
}

#[test]
fn tags_that_do_not_exist() {
    let attachment_private = full("note.added").replace("header.attachments[0].private", &[2]);
    let break_glass = full("model.rolledback").replace("body.break_glass", &[0xff]);
    all_are_refused(&[
        ("boolean 2", attachment_private, "2 is not a boolean: 0 or 1 is expected"),
        ("boolean 255", break_glass, "255 is not a boolean: 0 or 1 is expected"),
        (
            "option tag 2",
            full("incident.resolved").replace("body.summary", &[2]),
            "variant 2 of Option is unknown",
        ),
        (
            "basis 2",
            full("note.added").replace("header.basis", &2u32.to_le_bytes()),
            "variant 2 of Basis is unknown",
        ),
        (
            "role 7",
            full("key.granted").replace("body.roles", &list(&[&7u32.to_le_bytes()])),
            "variant 7 of Role is unknown",
        ),
        (
            "strategy 4",
            full("model.promoted").replace("body.strategy", &[1, 4, 0, 0, 0]),
            "variant 4 of Strategy is unknown",
        ),
        (
            "a strategy whose number is wide in its upper byte",
            full("model.promoted").replace("body.strategy", &[1, 0, 0, 0, 1]),
            "variant 16777216 of Strategy is unknown",
        ),
        (
            "rotation cause 3",
            full("log_key.rotated").replace("body.cause", &3u32.to_le_bytes()),
            "variant 3 of RotationCause is unknown",
        ),
    ]);
}

#[test]
fn numbers_and_times_out_of_range() {
    let value = |value: f64| full("model.drift.detected").replace("body.value", &value.to_le_bytes());
    let time = |ms: i64| full("note.added").replace("header.claimed_at", &ms.to_le_bytes());
    let payload_nan = f64::from_bits(0x7ff8_0000_dead_beef);
    all_are_refused(&[
        ("NaN", value(f64::NAN), "NaN is not a finite number"),
        ("NaN with a payload", value(payload_nan), "NaN is not a finite number"),
        ("infinity", value(f64::INFINITY), "inf is not a finite number"),
        ("minus infinity", value(f64::NEG_INFINITY), "-inf is not a finite number"),
        ("minus zero", value(-0.0), "-0.0 is not canonical: write 0"),
        ("before 1970", time(-1), "-1 ms is outside 1970-01-01 to 9999-12-30"),
        (
            "one millisecond too late",
            time(253_402_207_200_001),
            "253402207200001 ms is outside 1970-01-01 to 9999-12-30",
        ),
        ("the last i64", time(i64::MAX), "9223372036854775807 ms is outside 1970-01-01 to 9999-12-30"),
    ]);
    assert!(Event::from_bytes(&time(253_402_207_200_000)).is_ok(), "the last time there is");
    assert!(Event::from_bytes(&value(f64::MIN_POSITIVE / 2.0)).is_ok(), "a subnormal number is a number");
}

#[test]
fn names_and_texts_that_are_not_allowed() {
    let name = |bytes: &[u8]| full("model.retired").replace("body.model", &string(bytes));
    let text = |bytes: &[u8]| full("model.retired").replace("body.reason", &string(bytes));
    let environment = |bytes: &[u8]| full("model.drift.detected").replace("body.environment", &string(bytes));
    let policy = |bytes: &[u8]| full("policy.set").replace("body.policy.text", &string(bytes));
    let glob = |bytes: &[u8]| full("key.granted").replace("body.scope.models", &list(&[&string(bytes)]));
    all_are_refused(&[
        ("a name that is not UTF-8", name(b"a\xff"), "text is not UTF-8"),
        ("a surrogate in UTF-8", name(b"\xed\xa0\x80"), "text is not UTF-8"),
        ("an overlong slash", name(b"\xc0\xaf"), "text is not UTF-8"),
        ("an empty name", name(b""), "a name is empty"),
        ("a name of 257 bytes", name(&[b'x'; 257]), "a name is 257 bytes long, at most 256 are allowed"),
        (
            "a line end in a name",
            name(b"a\nb"),
            "a name holds the character U+000A, which is not allowed there",
        ),
        ("DEL in a name", name(b"a\x7f"), "a name holds the character U+007F, which is not allowed there"),
        (
            "a C1 control in a name",
            name("a\u{85}".as_bytes()),
            "a name holds the character U+0085, which is not allowed there",
        ),
        (
            "a right-to-left override in a name",
            name("scorer\u{202e}0.2".as_bytes()),
            "a name holds the character U+202E, which is not allowed there",
        ),
        (
            "an isolate in a name",
            name("\u{2066}a".as_bytes()),
            "a name holds the character U+2066, which is not allowed there",
        ),
        (
            "a line separator in a name",
            name("a\u{2028}b".as_bytes()),
            "a name holds the character U+2028, which is not allowed there",
        ),
        ("an empty text", text(b""), "a text is empty"),
        (
            "a carriage return in a text",
            text(b"a\r\nb"),
            "a text holds the character U+000D, which is not allowed there",
        ),
        (
            "a text of 8,193 bytes",
            text(&[b'x'; 8_193]),
            "a text is 8193 bytes long, at most 8192 are allowed",
        ),
        (
            "a capital in an environment",
            environment(b"Prod"),
            "an environment name holds the character U+0050, which is not allowed there",
        ),
        (
            "an environment of 65 bytes",
            environment(&[b'x'; 65]),
            "an environment name is 65 bytes long, at most 64 are allowed",
        ),
        (
            "a policy text of 16,385 bytes",
            policy(&vec![b'x'; 16_385]),
            "a policy text is 16385 bytes long, at most 16384 are allowed",
        ),
        ("an empty glob", glob(b""), "a name is empty"),
        ("a glob of 257 bytes", glob(&[b'*'; 257]), "a name is 257 bytes long, at most 256 are allowed"),
        (
            "an empty text in an option",
            full("incident.resolved").replace("body.summary", &some_string(b"")),
            "a text is empty",
        ),
    ]);
    for sound in [
        name(&[b'x'; 256]),
        text(&[b'x'; 8_192]),
        environment(&[b'x'; 64]),
        policy(&[b'x'; 16_384]),
        glob(&[b'*'; 256]),
        text("\u{202e} may stand in a text".as_bytes()),
    ] {
        assert!(Event::from_bytes(&sound).is_ok(), "what lies at the bound is allowed");
    }
}

#[test]
fn lists_that_do_not_ascend() {
    const AT_1: &str = "item 1 of a list is not above the one before it: lists ascend strictly";
    let number = |value: u64| value.to_le_bytes();
    let evidence = |items: &[&[u8]]| full("model.promoted").replace("body.evidence", &list(items));
    let swapped = |kind: &str, path: &str| {
        let vector = full(kind);
        let (first, second) = (format!("{path}[0]"), format!("{path}[1]"));
        vector.replace(path, &list(&[vector.field(&second), vector.field(&first)]))
    };
    let doubled = |kind: &str, path: &str| {
        let vector = full(kind);
        let item = vector.field(&format!("{path}[0]"));
        vector.replace(path, &list(&[item, item]))
    };
    let metrics = full("model.evaluated");
    let other_value =
        [metrics.field("body.metrics[0].name"), 0.5f64.to_le_bytes().as_slice(), &[0, 0]].concat();
    let one_name_twice =
        metrics.replace("body.metrics", &list(&[metrics.field("body.metrics[0]"), &other_value]));
    all_are_refused(&[
        ("unsorted numbers", evidence(&[&number(9), &number(8)]), AT_1),
        ("one number twice", evidence(&[&number(8), &number(8)]), AT_1),
        (
            "numbers that ascend only as bytes",
            evidence(&[&number(7), &number(0x0100), &number(2)]),
            "item 2 of a list is not above the one before it: lists ascend strictly",
        ),
        ("unsorted roles", swapped("key.granted", "body.roles"), AT_1),
        ("a role twice", doubled("key.granted", "body.roles"), AT_1),
        ("unsorted globs", swapped("key.granted", "body.scope.environments"), AT_1),
        ("unsorted administrators", swapped("ledger.created", "body.administrators"), AT_1),
        ("an administrator twice", doubled("ledger.created", "body.administrators"), AT_1),
        ("unsorted attachments", swapped("note.added", "header.attachments"), AT_1),
        ("an attachment twice", doubled("note.added", "header.attachments"), AT_1),
        ("unsorted metrics", swapped("model.evaluated", "body.metrics"), AT_1),
        ("two metrics of one name", one_name_twice, AT_1),
        ("unsorted data sets", swapped("model.registered", "body.datasets"), AT_1),
        ("unsorted ignored paths", swapped("model.registered", "body.digest.ignored"), AT_1),
        ("unsorted manifests", swapped("model.promoted", "body.infra.manifests"), AT_1),
        ("unsorted finding codes", swapped("entry.ratified", "body.ratification.codes"), AT_1),
        (
            "a longer name before its own beginning",
            full("model.promoted").replace("body.infra.manifests", &list(&[&string(b"a/b"), &string(b"a")])),
            AT_1,
        ),
    ]);
    assert!(Event::from_bytes(&evidence(&[&number(2), &number(0x0100)])).is_ok(), "numbers, not bytes");
}

#[test]
fn lists_and_objects_over_their_bounds() {
    let too_long =
        |actual: usize, max: usize| format!("a list has {actual} items, at most {max} are allowed");
    let globs = |count| full("key.granted").replace("body.scope.models", &names(count));
    let evidence = |count| full("model.promoted").replace("body.evidence", &numbers(count));
    let codes = |count| full("entry.ratified").replace("body.ratification.codes", &names(count));
    let keyed = |count: u8, item: &dyn Fn(u8) -> Vec<u8>| {
        let items: Vec<Vec<u8>> = (0..count).map(item).collect();
        list(&items.iter().map(Vec::as_slice).collect::<Vec<_>>())
    };
    let administrators = |count| {
        let item = |number: u8| [string(b"p"), vec![number; 32]].concat();
        full("ledger.created").replace("body.administrators", &keyed(count, &item))
    };
    let attachments = |count| {
        let item = |number: u8| [vec![number; 32], vec![0; 9], string(b"a/b"), string(b"n")].concat();
        full("note.added").replace("header.attachments", &keyed(count, &item))
    };
    let metrics = |count| {
        let item = |number: u8| [string(format!("{number:03}").as_bytes()), vec![0; 10]].concat();
        full("model.evaluated").replace("body.metrics", &keyed(count, &item))
    };
    let roles = |count: u8| full("key.granted").replace("body.roles", &keyed(count, &|_| vec![7, 0, 0, 0]));
    let datasets = |count: u8| {
        let item = |number: u8| [string(&[number]), vec![9, 0, 0, 0]].concat();
        full("model.registered").replace("body.datasets", &keyed(count, &item))
    };
    let object = |bytes: usize| {
        full("model.promoted").replace("body.infra.tag_object.bytes", &some_string(&vec![0xff; bytes]))
    };
    all_are_refused(&[
        ("65 globs", globs(65), &too_long(65, 64)),
        ("65 evidence entries", evidence(65), &too_long(65, 64)),
        ("65 finding codes", codes(65), &too_long(65, 64)),
        ("17 administrators", administrators(17), &too_long(17, 16)),
        ("33 attachments", attachments(33), &too_long(33, 32)),
        ("129 metrics", metrics(129), &too_long(129, 128)),
        // The length stands before the items: whatever they hold, it is what is wrong first.
        ("17 roles of later", roles(17), &too_long(17, 16)),
        ("65 data sets with a digest of later", datasets(65), &too_long(65, 64)),
        (
            "an embedded object of 16,385 bytes",
            object(16_385),
            "an embedded Git object has 16385 bytes, at most 16384 are allowed",
        ),
    ]);
    for sound in [
        globs(64),
        evidence(64),
        codes(64),
        administrators(16),
        attachments(32),
        metrics(128),
        object(16_384),
        object(0),
    ] {
        assert!(Event::from_bytes(&sound).is_ok(), "what lies at the bound is allowed");
    }
}

#[test]
fn lengths_that_reach_into_what_follows() {
    let vector = full("model.retired");
    let reason = vector.field("body.reason");
    let mut longer = vector.bytes.clone();
    let at = longer.len() - reason.len();
    longer[at] += 1;
    let mut shorter = vector.bytes.clone();
    shorter[at] -= 1;
    all_are_refused(&[
        ("a length one too long at the end", longer, "the bytes end too early"),
        ("a length one too short at the end", shorter, "1 bytes follow after the end of the value"),
        (
            "a length of 2^40",
            vector.replace("body.reason", &(1u64 << 40).to_le_bytes()),
            "a length is beyond every bound",
        ),
        (
            "the largest length",
            vector.replace("body.reason", &u64::MAX.to_le_bytes()),
            "a length is beyond every bound",
        ),
    ]);
}

#[test]
fn what_a_newer_version_wrote_is_told_from_damage() {
    let vector = full("note.added");
    let kind_start = Tables::read().walk("event", &vector.bytes).span("header").end;
    let with_kind = |kind: u32| {
        [&vector.bytes[..kind_start], &kind.to_le_bytes(), b"whatever the new kind holds"].concat()
    };
    for kind in [18, 19, u32::MAX] {
        let error = Event::from_bytes(&with_kind(kind)).unwrap_err();
        assert_eq!(error, EventError::UnknownKind { kind });
        assert!(error.needs_upgrade());
    }
    for version in [2, 3, u32::MAX] {
        let newer = [&version.to_le_bytes(), b"any layout at all".as_slice()].concat();
        let error = Event::from_bytes(&newer).unwrap_err();
        assert_eq!(error, EventError::NewerFormat { version });
        assert!(error.needs_upgrade());
    }
    // An unknown word in the header is as new as an unknown kind behind it; an option's tag is not.
    let mut damaged = with_kind(18);
    let basis = Tables::read().walk("event", &vector.bytes).span("header.basis").start;
    damaged[basis] = 9;
    let error = Event::from_bytes(&damaged).unwrap_err();
    assert_eq!(error.to_string(), "not a canonical event: variant 9 of Basis is unknown");
    assert!(error.needs_upgrade());
}

#[test]
fn format_version_0_never_existed() {
    let zero = full("note.added").replace("header.format", &0u32.to_le_bytes());
    all_are_refused(&[("format 0", zero, "format version 0 never existed")]);
}

#[test]
fn an_event_over_60_000_bytes() {
    let too_long = vec![1; 60_001];
    assert_eq!(Event::from_bytes(&too_long), Err(EventError::TooLong { actual: 60_001 }));
    let at_the_bound = Event::from_bytes(&too_long[..60_000]).unwrap_err();
    assert!(!matches!(at_the_bound, EventError::TooLong { .. }));
}

/// An event of as many bytes as an event can have: attachments, manifests, two Git objects and a reason.
fn largest_event() -> Vec<u8> {
    let of = |reason: usize| {
        let attachment = |number: u8| {
            let names = [string(&[b'm'; 256]), string(&[b'n'; 256])].concat();
            [vec![number; 32], vec![0; 9], names].concat()
        };
        let manifest = |number: u8| string(format!("{number:0256}").as_bytes());
        let listed = |items: Vec<Vec<u8>>| list(&items.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let mut vector = full("model.promoted");
        for (path, with) in [
            ("header.attachments", listed((0..3).map(attachment).collect())),
            ("body.infra.commit_object.bytes", some_string(&[0xff; 16_384])),
            ("body.infra.tag_object.bytes", some_string(&[0xff; 16_384])),
            ("body.infra.manifests", listed((0..64).map(manifest).collect())),
            ("body.reason", some_string(&vec![b'r'; reason])),
        ] {
            vector.bytes = vector.replace(path, &with);
        }
        vector.bytes
    };
    of(60_000 + 1 - of(1).len())
}

/// So the bound on what a decoding may claim, of which docs/format.md speaks, refuses no event and no entry.
#[test]
fn a_decoding_claims_no_more_than_it_reads() {
    let bytes = largest_event();
    assert_eq!(
        (bytes.len(), Event::from_bytes(&bytes).map(|event| event.kind())),
        (60_000, Ok(Kind::ModelPromoted))
    );
    let exact = bincode::config::legacy().with_limit::<60_000>();
    assert!(bincode::decode_from_slice::<Event, _>(&bytes, exact).is_ok());
    let too_little = bincode::config::legacy().with_limit::<59_999>();
    assert!(bincode::decode_from_slice::<Event, _>(&bytes, too_little).is_err());
    let envelope = ledger::envelope(&bytes, &[1, 2]);
    let entry = codec::encode(&envelope);
    let exact = bincode::config::legacy().with_limit::<{ 8 + 60_000 + 8 + 2 * 96 }>();
    assert!(bincode::decode_from_slice::<Envelope, _>(&entry, exact).is_ok());
}

/// An envelope of these raw keys; signatures of zeros.
fn raw_envelope(event: &[u8], keys: &[u8]) -> Vec<u8> {
    let signatures: Vec<Vec<u8>> = keys.iter().map(|&key| [vec![key; 32], vec![0; 64]].concat()).collect();
    [string(event), list(&signatures.iter().map(Vec::as_slice).collect::<Vec<_>>())].concat()
}

#[test]
fn envelopes_that_are_not_well_formed() {
    let hex = |byte: &str| byte.repeat(32);
    let many: Vec<u8> = (0..17).collect();
    for (what, bytes, expected) in [
        ("no event", raw_envelope(b"", &[1]), "the event is 0 bytes long: 1 to 60000 are allowed".to_owned()),
        (
            "an event of 60,001 bytes",
            raw_envelope(&vec![0; 60_001], &[1]),
            "the event is 60001 bytes long: 1 to 60000 are allowed".to_owned(),
        ),
        ("no signature", raw_envelope(b"e", &[]), "there are 0 signatures: 1 to 16 are allowed".to_owned()),
        (
            "17 signatures",
            raw_envelope(b"e", &many),
            "there are 17 signatures: 1 to 16 are allowed".to_owned(),
        ),
        (
            "keys that descend",
            raw_envelope(b"e", &[2, 1]),
            format!("the signature by {} stands after that of a greater key", hex("01")),
        ),
        ("a key twice", raw_envelope(b"e", &[1, 1]), format!("the key {} signed twice", hex("01"))),
    ] {
        assert_eq!(codec::decode::<Envelope>(&bytes), Err(CodecError::Invalid(expected)), "{what}");
    }
    assert!(codec::decode::<Envelope>(&raw_envelope(b"e", &many[..16])).is_ok());
    assert!(codec::decode::<Envelope>(&raw_envelope(&vec![0; 60_000], &[1])).is_ok());
}

#[test]
fn entries_that_are_not_well_formed() {
    let sound = ledger::entry_0().to_bytes();
    let with = |at: usize, bytes: &[u8]| {
        let mut entry = sound.clone();
        entry[at..at + bytes.len()].copy_from_slice(bytes);
        Entry::from_bytes(&entry).map(|_| ())
    };
    let invalid = |reason: &str| Err(CodecError::Invalid(reason.to_owned()));
    assert_eq!(with(44, &(-1i64).to_le_bytes()), invalid("-1 ms is outside 1970-01-01 to 9999-12-30"));
    assert_eq!(with(52, &[2]), Err(CodecError::UnknownVariant { what: "Option", variant: 2 }));
    assert_eq!(with(44, &0i64.to_le_bytes()), Ok(()));
    assert_eq!(with(0, &[0]), invalid("entry layout version 0 never existed"));
    assert_eq!(with(0, &[2]), Err(CodecError::Newer { what: "an entry", version: 2 }));
    assert_eq!(
        Entry::from_bytes(&vec![0; 65_536]).map(|_| ()),
        invalid("an entry has 65536 bytes, at most 65535 are allowed")
    );
}
