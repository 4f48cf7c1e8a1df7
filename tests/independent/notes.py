"""Checkpoints, vkeys and trust roots: docs/format.md, "Checkpoint" and "Trust root"."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import tomllib
from dataclasses import dataclass

import curve
import decode

MAX_NOTE = 65_536
MAX_TRUST_ROOT = 65_536
ED25519 = b"\x01"
DASH = "\u2014 "
CONTROLS_BUT_LINE_FEED = re.compile("[\x00-\x09\x0b-\x1f]")
DECIMAL = re.compile("0|[1-9][0-9]{0,19}")
KEY_ID = re.compile("[0-9a-f]{8}")
HASH = re.compile("[0-9a-f]{64}")
KNOWN_IN_TRUST = frozenset(("origin", "ledger_id", "log_key", "latest_log_key", "quorum", "witness", "group"))


class NotCanonical(Exception):
    """A note, vkey or number that a canonical writer does not write."""


class BadTrustRoot(Exception):
    """A trust root that pins nothing."""


@dataclass(frozen=True, slots=True)
class Line:
    """A signature line: a name, and key id and signature together."""

    name: str
    blob: bytes

    @property
    def key_id(self) -> bytes:
        return self.blob[:4]


@dataclass(frozen=True, slots=True)
class Note:
    origin: str
    size: int
    root: bytes
    body: bytes
    """The signed bytes."""
    lines: list[Line]


@dataclass(frozen=True, slots=True)
class Trust:
    origin: str
    ledger_id: bytes
    log_key: bytes
    latest_log_key: bytes | None
    has_quorum: bool
    """Whether it names one. Witnesses are left out here."""


def decimal(text: str) -> int:
    if not DECIMAL.fullmatch(text) or int(text) >= 2**64:
        raise NotCanonical("a number is no canonical decimal below 2^64")
    return int(text)


def unbase64(text: str) -> bytes:
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise NotCanonical("base64 is broken") from None
    if base64.b64encode(data).decode() != text:
        raise NotCanonical("base64 is not canonical")
    return data


def is_key_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(character.isspace() for character in name)


def is_origin(name: str) -> bool:
    """A `name` that may stand before a key."""
    fits = 1 <= len(name.encode("utf-8", "replace")) <= 256 and not decode.NOT_IN_NAMES.search(name)
    return fits and is_key_name(name)


def key_id(name: str, key: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + ED25519 + key).digest()[:4]


def parse_vkey(text: str, origin: str) -> bytes:
    """The key of a vkey under that name."""
    parts = text.split("+", 2)
    if len(parts) != 3 or parts[0] != origin:
        raise NotCanonical("the vkey is not `<origin>+<key id>+<key>`")
    data = unbase64(parts[2])
    if len(data) != 33 or data[:1] != ED25519:
        raise NotCanonical("the vkey holds no Ed25519 key")
    if not KEY_ID.fullmatch(parts[1]) or bytes.fromhex(parts[1]) != key_id(origin, data[1:]):
        raise NotCanonical("the vkey's key id is not that of its key")
    return data[1:]


def parse_note(raw: bytes) -> Note:
    """A note in the one form that a checkpoint of a log has: three lines, an empty one, signatures."""
    if not 1 <= len(raw) <= MAX_NOTE:
        raise NotCanonical(f"the note has {len(raw)} bytes")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise NotCanonical("the note is not UTF-8") from None
    if CONTROLS_BUT_LINE_FEED.search(text) or not text.endswith("\n"):
        raise NotCanonical("the note holds control characters, or its last line has no end")
    body, gap, signatures = text.rpartition("\n\n")
    lines = body.split("\n")
    if not gap or len(lines) != 3:
        raise NotCanonical("the note has not three lines, an empty line and signatures")
    origin, size, root = lines[0], decimal(lines[1]), unbase64(lines[2])
    if not is_origin(origin) or len(root) != 32:
        raise NotCanonical("the note's origin or root is none")
    signed = [parse_line(line) for line in signatures[:-1].split("\n")]
    return Note(origin, size, root, (body + "\n").encode(), signed)


def parse_line(line: str) -> Line:
    name, space, blob = line.removeprefix(DASH).partition(" ")
    if not line.startswith(DASH) or not space or not is_key_name(name):
        raise NotCanonical("a signature line is none")
    data = unbase64(blob)
    if len(data) < 5:
        raise NotCanonical("a signature line holds no signature")
    return Line(name, data)


def parse_or_none(raw: bytes) -> Note | None:
    try:
        return parse_note(raw)
    except NotCanonical:
        return None


def is_signed_by(note: Note, origin: str, key: bytes) -> bool | None:
    """Whether every line with that key's id holds a valid signature by it; None where there is no such line."""
    wanted = key_id(origin, key)
    lines = [line for line in note.lines if line.name == origin and line.key_id == wanted]
    if not lines:
        return None
    return all(len(line.blob) == 68 and curve.strict(key, note.body, line.blob[4:]) for line in lines)


def parse_trust(raw: bytes) -> Trust:
    if len(raw) > MAX_TRUST_ROOT:
        raise BadTrustRoot(f"more than {MAX_TRUST_ROOT} bytes")
    try:
        table = tomllib.loads(raw.decode("utf-8"))
        unknown = table.keys() - KNOWN_IN_TRUST
        if unknown:
            raise BadTrustRoot(f"unknown keys: {', '.join(sorted(unknown))}")
        origin, ledger_id = string(table, "origin"), string(table, "ledger_id")
        if not is_origin(origin) or not HASH.fullmatch(ledger_id):
            raise BadTrustRoot("`origin` or `ledger_id` is not what it has to be")
        log_key = parse_vkey(string(table, "log_key"), origin)
        latest = parse_vkey(string(table, "latest_log_key"), origin) if "latest_log_key" in table else None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, NotCanonical) as error:
        raise BadTrustRoot(str(error)) from None
    if not all(curve.key_is_fit(key) for key in (log_key, latest) if key is not None):
        raise BadTrustRoot("a log key is not fit to sign with")
    return Trust(origin, bytes.fromhex(ledger_id), log_key, latest, table.get("quorum", "none") != "none")


def string(table: dict[str, object], key: str) -> str:
    value = table.get(key)
    if not isinstance(value, str):
        raise BadTrustRoot(f"`{key}` is missing, or no string")
    return value
