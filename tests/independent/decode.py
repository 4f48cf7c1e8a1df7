"""Decodes events, envelopes and entries, as docs/format.md writes them.

Each type of that page is a function here that reads one value and gives it in its JSON form. The structs and enums
below follow the page's tables in order. What breaks a rule raises `Malformed`; what only a later version can have
written raises `Newer`. Nothing is decoded here that a rule of another entry would have to be asked about.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

MAX_EVENT = 60_000
MAX_ENTRY = 65_535
MAX_SIGNATURES = 16
LATEST_TIME = 253_402_207_200_000
PAYLOAD_TYPE = b"application/vnd.rollbook.event.v1"

CONTROLS = "\x00-\x1f\x7f-\x9f"
NOT_IN_NAMES = re.compile(f"[{CONTROLS}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029]")
NOT_IN_TEXTS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
NOT_IN_ENVIRONMENTS = re.compile("[^a-z0-9._-]")


class Malformed(Exception):
    """The bytes are the one encoding of nothing."""


class Newer(Exception):
    """The bytes are of a version that this reader does not know."""


class Reader:
    """A run of bytes and a place in it."""

    __slots__ = ("data", "place")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.place = 0

    def take(self, count: int) -> bytes:
        end = self.place + count
        if end > len(self.data):
            raise Malformed(f"bytes are missing at offset {self.place}")
        taken = self.data[self.place : end]
        self.place = end
        return taken

    def end(self) -> None:
        if self.place != len(self.data):
            raise Malformed(f"bytes are left over at offset {self.place}")


Read = Callable[[Reader], Any]


# Plain values


def u32(reader: Reader) -> int:
    return int.from_bytes(reader.take(4), "little")


def u64(reader: Reader) -> int:
    return int.from_bytes(reader.take(8), "little")


def time(reader: Reader) -> str:
    return time_as_text(time_in_ms(reader))


def time_in_ms(reader: Reader) -> int:
    value = int.from_bytes(reader.take(8), "little", signed=True)
    if not 0 <= value <= LATEST_TIME:
        raise Malformed("a time is out of range")
    return value


def time_as_text(milliseconds: int) -> str:
    moment = datetime(1970, 1, 1) + timedelta(milliseconds=milliseconds)
    return moment.isoformat(timespec="milliseconds") + "Z"


def number(reader: Reader) -> float:
    data = reader.take(8)
    (value,) = struct.unpack("<d", data)
    if value - value != 0:
        raise Malformed("a number is NaN or infinite")
    if data == b"\x00\x00\x00\x00\x00\x00\x00\x80":
        raise Malformed("a number is -0.0")
    return float(value)


def boolean(reader: Reader) -> bool:
    value = reader.take(1)[0]
    if value > 1:
        raise Malformed(f"a bool is {value}")
    return value == 1


def bare(count: int) -> Read:
    return lambda reader: reader.take(count).hex()


def event_id(reader: Reader) -> str:
    return str(UUID(bytes=reader.take(16)))


def sized(reader: Reader, least: int, most: int) -> bytes:
    length = u64(reader)
    if not least <= length <= most:
        raise Malformed(f"a length is {length}, and {least} to {most} is allowed")
    return reader.take(length)


def text_of(most: int, forbidden: re.Pattern[str]) -> Read:
    def read(reader: Reader) -> str:
        try:
            text = sized(reader, 1, most).decode("utf-8")
        except UnicodeDecodeError:
            raise Malformed("a text is not UTF-8") from None
        found = forbidden.search(text)
        if found:
            raise Malformed(f"U+{ord(found[0]):04X} is not allowed in this text")
        return text

    return read


# What is made of other values


def option(inner: Read) -> Read:
    def read(reader: Reader) -> Any:
        present = reader.take(1)[0]
        if present > 1:
            raise Malformed(f"an option is {present}")
        return inner(reader) if present else None

    return read


def list_of(inner: Read, most: int, rank: Callable[[Any], Any], least: int = 0) -> Read:
    """A list, strictly ascending by the rank of its items.

    Ranks are taken of the JSON form. Hex, and Unicode by code point, sort as the bytes behind them do. The order is
    judged behind the last item: an unknown number of an enum among the items comes first.
    """

    def read(reader: Reader) -> list[Any]:
        count = u64(reader)
        if not least <= count <= most:
            raise Malformed(f"a list has {count} items, and {least} to {most} are allowed")
        items = [inner(reader) for _ in range(count)]
        if not all(rank(left) < rank(right) for left, right in pairwise(items)):
            raise Malformed("a list is not strictly ascending")
        return items

    return read


def by(field: str) -> Callable[[Any], Any]:
    return lambda item: item[field]


def itself(item: Any) -> Any:
    return item


def record(**fields: Read) -> Read:
    """A struct. A field whose name is a word of Python stands with a `_` behind it."""
    rows = [(name.rstrip("_"), read) for name, read in fields.items()]
    return lambda reader: {name: read(reader) for name, read in rows}


def enum(*variants: str | tuple[str, Read]) -> Read:
    rows = [(variant, None) if isinstance(variant, str) else variant for variant in variants]

    def read(reader: Reader) -> Any:
        word, carried = rows[variant_number(reader, len(rows))]
        return word if carried is None else {word: carried(reader)}

    return read


def variant_number(reader: Reader, known: int) -> int:
    value = u32(reader)
    if value >= known:
        raise Newer(f"the number {value} of an enum is not known at offset {reader.place - 4}")
    return value


# The types of the page

hash_, key = bare(32), bare(32)
name = text_of(256, NOT_IN_NAMES)
glob = name
environment = text_of(64, NOT_IN_ENVIRONMENTS)
text = text_of(8_192, NOT_IN_TEXTS)
policy_text = text_of(16_384, NOT_IN_TEXTS)
indexes = list_of(u64, 64, itself)


def foreign_digest(reader: Reader) -> str:
    word, size = (("sha256", 32), ("sha384", 48), ("sha512", 64))[variant_number(reader, 3)]
    return f"{word}:{reader.take(size).hex()}"


def git_id(reader: Reader) -> str:
    return reader.take((20, 32)[variant_number(reader, 2)]).hex()


def object_bytes(reader: Reader) -> str:
    data = sized(reader, 0, 16_384)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return "hex:" + data.hex()


def event_format(reader: Reader) -> int:
    return format_one(reader, "event")


def format_one(reader: Reader, what: str) -> int:
    value = u32(reader)
    if value == 0:
        raise Malformed(f"the {what}'s format is 0")
    if value > 1:
        raise Newer(f"the {what}'s format is {value}")
    return value


ROLES = ("admin", "registrar", "evaluator", "deployer", "approver", "responder", "auditor")

basis = enum("declared", ("observed", record(system=name, id=name)))
attachment = record(digest=hash_, size=u64, private=boolean, media_type=name, name=name)
header = record(
    format=event_format, ledger_id=hash_, event_id=event_id, proposer=key, claimed_at=time, expires_at=time,
    basis=basis, attachments=list_of(attachment, 32, by("digest")),
)  # fmt: skip

named_key = record(person=name, key=key)
policy = record(schema=u32, text=policy_text)
role = enum(*ROLES)
scope = record(environments=list_of(glob, 64, itself), models=list_of(glob, 64, itself))
rotation_cause = enum("routine", "lost", ("compromised_since", record(tree_size=u64)))
model_digest = record(
    method=enum("openssf-files-sha256"), root=hash_, named=hash_, links_followed=boolean,
    ignored=list_of(name, 64, itself), file_count=u64, byte_count=u64,
)  # fmt: skip
named_digest = record(name=name, digest=foreign_digest)
evaluation_kind = enum("regression", "fairness", "shadow", "canary", "judge", "other")
metric = record(name=name, value=number, min=option(number), max=option(number))
serving = record(version=name, entry=u64)
git_tag = record(name=name, object=option(git_id))
git_object = record(sha256=hash_, size=u64, bytes=option(object_bytes))
infra_commit = record(
    repository=name, commit=git_id, tag=option(git_tag), commit_object=option(git_object),
    tag_object=option(git_object), manifests=list_of(name, 64, itself), path_proof=option(hash_),
)  # fmt: skip
strategy = enum("blue-green", "canary", "rolling", "recreate")
session_state = enum("preserved", "drained", "lost", "none")
ratification = enum("break_glass", ("violations", record(codes=list_of(name, 64, itself))))
verdict = enum("sound", "violation", "tampered")
note_subject = enum(
    ("entry", record(entry=u64)),
    ("log", record(tree_size=u64, root=hash_, verdict=verdict)),
)

KINDS: tuple[tuple[str, Read], ...] = (
    ("ledger.created", record(
        origin=name, nonce=bare(32), administrators=list_of(named_key, 16, by("key")), policy=policy,
        rules_version=u32, log_key=key,
    )),
    ("key.granted", record(
        person=name, key=key, roles=list_of(role, 16, ROLES.index), scope=scope,
        valid_from=option(time), valid_until=option(time),
    )),
    ("key.revoked", record(key=key, reason=text, compromised_since=option(u64))),
    ("log_key.rotated", record(old_key=key, new_key=key, cause=rotation_cause, reason=text)),
    ("policy.set", record(policy=policy, rules_version=u32, replaces=u64, reason=option(text))),
    ("model.registered", record(
        model=name, version=name, digest=model_digest, uri=option(text), source=option(infra_commit),
        datasets=list_of(named_digest, 64, by("name")), dependency_lock=option(hash_),
    )),
    ("model.evaluated", record(
        model=name, version=name, digest=hash_, kind=evaluation_kind, suite=name, suite_version=option(name),
        suite_digest=option(foreign_digest), dataset=named_digest, environment=option(environment),
        metrics=list_of(metric, 128, by("name")), outcome=enum("passed", "failed"), summary=option(text),
    )),
    ("model.promoted", record(
        model=name, version=name, digest=hash_, environment=environment, from_=option(serving), policy_entry=u64,
        infra=infra_commit, strategy=option(strategy), evidence=indexes, ticket=option(name), reason=option(text),
    )),
    ("model.rolledback", record(
        model=name, environment=environment, from_=serving, to=name, to_digest=hash_, policy_entry=u64,
        infra=infra_commit, incident=option(name), reason=text, started_at=option(time), validation=indexes,
        session_state=option(session_state), break_glass=boolean, ticket=option(name),
    )),
    ("model.withdrawn", record(
        model=name, environment=environment, from_=serving, policy_entry=u64, infra=option(infra_commit),
        incident=option(name), ticket=option(name), reason=text,
    )),
    ("change.completed", record(
        change=u64, outcome=enum("succeeded", "failed", "aborted"), completed_at=time, summary=option(text),
    )),
    ("model.retired", record(model=name, version=name, reason=text)),
    ("model.drift.detected", record(
        environment=environment, model=name, version=option(name), kind=enum("data", "concept", "embedding"),
        feature=option(name), statistic=name, value=number, threshold=number, window=option(name), monitor=name,
        status=enum("firing", "resolved"), detected_at=time, summary=option(text),
    )),
    ("incident.detected", record(
        incident=name, environment=environment, model=option(name), severity=name, detected_at=time,
        evidence=indexes, summary=option(text),
    )),
    ("incident.resolved", record(incident=name, resolved_at=time, summary=option(text))),
    ("entry.ratified", record(entry=u64, ratification=ratification, reason=option(text))),
    ("attachment.redacted", record(digest=hash_, reason=text)),
    ("note.added", record(subject=note_subject, text=text)),
)  # fmt: skip


# Events, envelopes, entries


@dataclass(frozen=True, slots=True)
class Envelope:
    event: bytes
    signatures: list[tuple[bytes, bytes]]
    """Key and signature of each author."""


@dataclass(frozen=True, slots=True)
class Entry:
    index: int
    previous: bytes
    recorded_at: int
    state_root: bytes | None
    envelope: Envelope


def decode_event(data: bytes) -> dict[str, Any]:
    """The event in its JSON form."""
    if len(data) > MAX_EVENT:
        raise Malformed(f"an event has {len(data)} bytes")
    reader = Reader(data)
    head = header(reader)
    kind, body = KINDS[variant_number(reader, len(KINDS))]
    event = {"header": head, "kind": kind, "body": body(reader)}
    reader.end()
    return event


def decode_envelope(data: bytes) -> Envelope:
    reader = Reader(data)
    envelope = read_envelope(reader)
    reader.end()
    return envelope


def read_envelope(reader: Reader) -> Envelope:
    event = sized(reader, 1, MAX_EVENT)
    signatures = list_of(author_signature, MAX_SIGNATURES, lambda item: item[0], least=1)(reader)
    return Envelope(event, signatures)


def author_signature(reader: Reader) -> tuple[bytes, bytes]:
    return reader.take(32), reader.take(64)


def decode_entry(data: bytes) -> Entry:
    if len(data) > MAX_ENTRY:
        raise Malformed(f"an entry has {len(data)} bytes")
    reader = Reader(data)
    format_one(reader, "entry")
    index, previous, recorded_at = u64(reader), reader.take(32), time_in_ms(reader)
    state_root = option(lambda inner: inner.take(32))(reader)
    entry = Entry(index, previous, recorded_at, state_root, read_envelope(reader))
    reader.end()
    return entry


def signed_bytes(event: bytes) -> bytes:
    """DSSE's pre-authentication encoding: what authors sign."""
    return b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE, len(event), event)
