"""Checks this reader against the golden vectors in tests/vectors."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from nacl.signing import SigningKey

import curve
import decode
import notes
from tree import Tree, leaf_hash

OLD_LOG_KEY = bytes(SigningKey(b"\x03" * 32).verify_key)
NEW_LOG_KEY = bytes(SigningKey(b"\x04" * 32).verify_key)
CRC_POLYNOMIAL = 0x82F63B78


class Difference(Exception):
    """A vector says something else than this reader."""


def expect(got: Any, wanted: Any, what: str) -> None:
    if got != wanted:
        raise Difference(f"{what}: got {got!r}, wanted {wanted!r}")


def unhex(path: Path) -> bytes:
    return bytes.fromhex("".join(path.read_text("ascii").split()))


def in_order(value: Any) -> str:
    """JSON with the order of its names, and 1 told from 1.0 and true."""
    return json.dumps(value, ensure_ascii=False)


def crc32c(data: bytes) -> int:
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (CRC_POLYNOMIAL if value & 1 else 0)
    return value ^ 0xFFFFFFFF


def run(vectors: Path) -> list[str]:
    """What differs; nothing where all is well."""
    differences = []
    for what, check in all_checks(vectors):
        try:
            check()
        except (Difference, decode.Malformed, decode.Newer, notes.NotCanonical, OSError, ValueError) as error:
            differences.append(f"{what}: {error or type(error).__name__}")
    return differences


def all_checks(vectors: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    yield "events", lambda: check_every_kind(vectors)
    for path in sorted((vectors / "events").glob("*.hex")):
        yield path.name, partial(check_event, path)
    yield "envelopes", lambda: check_envelopes(vectors / "envelopes")
    yield "entries", lambda: check_entries(vectors)
    yield "checkpoints/2.note", lambda: check_checkpoint(vectors)
    yield "checkpoints/3-rotated.note", lambda: check_boundary(vectors)
    yield "frames/two-entries.hex", lambda: check_frame(vectors)
    yield "heads/two-slots.hex", lambda: check_heads(vectors)


def check_every_kind(vectors: Path) -> None:
    wanted = {f"{kind}{ending}" for kind, _ in decode.KINDS for ending in ("", ".min")}
    for suffix in (".hex", ".json"):
        found = {path.name.removesuffix(suffix) for path in (vectors / "events").glob("*" + suffix)}
        expect(found, wanted, f"the {suffix} files")


def check_event(path: Path) -> None:
    data = unhex(path)
    wanted = json.loads(path.with_suffix(".json").read_text("utf-8"))
    expect(in_order(decode.decode_event(data)), in_order(wanted), "its JSON")
    for length in range(len(data)):
        expect_malformed(data[:length])
    expect_malformed(data + b"\x00")


def expect_malformed(data: bytes) -> None:
    try:
        decode.decode_event(data)
    except decode.Malformed:
        return
    raise Difference(f"{len(data)} bytes are taken for an event")


def check_envelopes(folder: Path) -> None:
    for name, count in (("one-signature", 1), ("two-signatures", 2)):
        envelope = decode.decode_envelope(unhex(folder / f"{name}.hex"))
        expect(len(envelope.signatures), count, f"signatures of {name}")
        check_authors(envelope)
    check_dsse(envelope, json.loads((folder / "two-signatures.dsse.json").read_text("utf-8")))


def check_authors(envelope: decode.Envelope) -> None:
    message = decode.signed_bytes(envelope.event)
    for key, signature in envelope.signatures:
        expect(curve.audit(key, message, signature), curve.Outcome.STRICT, "a signature")
        expect(curve.by_hand(key, message, signature), curve.Outcome.STRICT, "a signature by hand")
        expect(curve.by_hand(key, message + b" ", signature), curve.Outcome.BAD_SIGNATURE, "a broken one")


def check_dsse(envelope: decode.Envelope, document: Any) -> None:
    signatures = [
        {"keyid": key.hex(), "sig": base64.b64encode(signature).decode()} for key, signature in envelope.signatures
    ]
    payload = base64.b64encode(envelope.event).decode()
    wanted = {"payloadType": decode.PAYLOAD_TYPE.decode(), "payload": payload, "signatures": signatures}
    expect(document, wanted, "the DSSE form of two-signatures")


def two_entries(vectors: Path) -> list[bytes]:
    return [unhex(vectors / "entries" / f"{index}.hex") for index in (0, 1)]


def check_entries(vectors: Path) -> None:
    ledger_id = leaf_hash(two_entries(vectors)[0])
    previous, zero = bytes(32), bytes(32)
    for index, raw in enumerate(two_entries(vectors)):
        entry = decode.decode_entry(raw)
        event = decode.decode_event(entry.envelope.event)
        expect((entry.index, entry.previous, entry.state_root), (index, previous, None), f"entry {index}")
        expect(event["header"]["ledger_id"], (ledger_id if index else zero).hex(), "its ledger id")
        check_authors(entry.envelope)
        previous = leaf_hash(raw)
    filled = decode.decode_entry(unhex(vectors / "entries" / "state-root.hex"))
    expect(filled.state_root is not None, True, "a state root in state-root.hex")
    check_authors(filled.envelope)


def root_of(entries: list[bytes]) -> bytes:
    tree = Tree()
    for entry in entries:
        tree.append(leaf_hash(entry))
    return tree.root()


def check_checkpoint(vectors: Path) -> None:
    note = notes.parse_note((vectors / "checkpoints" / "2.note").read_bytes())
    vkey = (vectors / "checkpoints" / "log.vkey").read_text("utf-8").removesuffix("\n")
    log_key = notes.parse_vkey(vkey, note.origin)
    expect(log_key, OLD_LOG_KEY, "the log key")
    expect((note.size, note.root), (2, root_of(two_entries(vectors))), "size and root")
    expect((notes.is_signed_by(note, note.origin, log_key), len(note.lines)), (True, 1), "its signature")
    created = decode.decode_event(decode.decode_entry(two_entries(vectors)[0]).envelope.event)["body"]
    expect((created["origin"], created["log_key"]), (note.origin, log_key.hex()), "ledger.created")


def check_boundary(vectors: Path) -> None:
    note = notes.parse_note((vectors / "checkpoints" / "3-rotated.note").read_bytes())
    expect((note.size, len(note.lines)), (3, 2), "size and lines")
    keys = [OLD_LOG_KEY, NEW_LOG_KEY]
    key_ids = [notes.key_id(note.origin, key) for key in keys]
    expect([line.key_id for line in note.lines], key_ids, "its lines, the old key's first")
    expect([notes.is_signed_by(note, note.origin, key) for key in keys], [True, True], "their signatures")


def check_frame(vectors: Path) -> None:
    raw = unhex(vectors / "frames" / "two-entries.hex")
    expect(crc32c(b"123456789"), 0xE3069283, "CRC-32C")
    magic, version, first, count, length = struct.unpack_from("<8sIQII", raw)
    expect((magic, version, first, count, length), (b"ROLLBTCH", 1, 0, 2, len(raw)), "the first 28 bytes")
    expect(struct.unpack("<I", raw[-4:])[0], crc32c(raw[:-4]), "the checksum")
    reader = decode.Reader(raw[28:-4])
    parts = [reader.take(decode.u32(reader)) for _ in range(count + 1)]
    reader.end()
    expect(parts, [*two_entries(vectors), (vectors / "checkpoints" / "2.note").read_bytes()], "what it holds")


def check_heads(vectors: Path) -> None:
    raw = unhex(vectors / "heads" / "two-slots.hex")
    expect(len(raw), 8_192, "the length")
    covered = sorted(check_slot(raw[place : place + 4_096], vectors) for place in (0, 4_096))
    expect(covered, [1, 2], "the sizes")


def check_slot(slot: bytes, vectors: Path) -> int:
    magic, version, size, length = struct.unpack_from("<8sIQI", slot)
    expect((magic, version), (b"ROLLHEAD", 1), "the beginning of a slot")
    expect(struct.unpack("<I", slot[-4:])[0], crc32c(slot[:-4]), "the checksum of a slot")
    expect(set(slot[24 + length : -4]) <= {0}, True, "zeros behind the note")
    note = notes.parse_note(slot[24 : 24 + length])
    expect((note.size, note.root), (size, root_of(two_entries(vectors)[:size])), "a slot's size and root")
    expect(notes.is_signed_by(note, note.origin, OLD_LOG_KEY), True, "a slot's signature")
    return note.size
