#!/usr/bin/env python3
"""A second, independent verifier of Rollbook's evidence packs, written from docs/format.md alone.

    verify.py PACK --trust trust.toml [--events FILE|-]
    verify.py --self-test VECTORS

It checks that the pack is whole; that each entry and event is in its one encoding, stands where it says, holds the
leaf hash of the entry before, names this ledger, and bears valid signatures; that tiles and roots are those of the
entries; that every checkpoint is canonical and signed by the log key in force; that attachments have their digests;
and that it is the ledger which the trust root pins.

It leaves out the rules (docs/lifecycle.md): who may do what, and whether an entry is accepted. So a rotation of the
log key is believed where it replaces the key in force. It also leaves out witnesses' cosignatures, whether cited
attachments are there, and what administrators accepted. Codes and classes of findings are those of docs/auditing.md,
but for two remarks of its own: `pack.stranger`, and `trust.quorum`.

Exit: 0 sound, 1 tampered or violation, 2 usage or unreadable, 4 sound but not anchored, 5 cannot tell.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import curve
import decode
import notes
import pack as packs
import selftest
from pack import Pack, Unreadable
from tree import TILE_WIDTH, Tree, leaf_hash

MAX_FINDINGS_OF_A_CODE = 1_000
MAX_FILES = 4_194_304
MAX_COSIGNED = 256
SHORTEST_NOTE = 64
MAX_ATTACHMENT = 67_108_864
MAX_BATCH_ENTRIES = 4_096
MAX_FRAME = 16_777_216
FRAME_OVERHEAD = 28 + 4 + 4
HASH_LENGTH = 32
MAX_BUNDLE = TILE_WIDTH * (2 + decode.MAX_ENTRY)
MAX_NOTES_FILE = TILE_WIDTH * (4 + notes.MAX_NOTE)
NO_HASH = bytes(HASH_LENGTH)

VIOLATIONS = frozenset((
    "time.decreases", "log_key.boundary", "rule.foreign_ledger", "rule.ledger_not_created",
    "rule.ledger_already_created", "rule.proposer_not_signed",
))  # fmt: skip
UNCLEAR = frozenset(("entry.newer", "event.newer", "entry.state_root"))
REMARKS = frozenset(("pack.stranger", "cosigned.unfit", "trust.quorum"))
EXITS = {"sound": 0, "tampered": 1, "violation": 1, "cannot_tell": 5}
USAGE, NOT_ANCHORED = 2, 4

Cut = Callable[[bytes, int], list[bytes]]
"""Cuts a file into so many entries or notes."""


def class_of(code: str) -> str:
    for name, codes in (("violation", VIOLATIONS), ("unclear", UNCLEAR), ("remark", REMARKS)):
        if code in codes:
            return name
    return "tampered"


class Findings:
    """All that was found; of each code the first thousand are kept."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.counts: Counter[str] = Counter()

    def add(self, code: str, message: str, index: int | None = None) -> None:
        self.counts[code] += 1
        if self.counts[code] > MAX_FINDINGS_OF_A_CODE:
            return
        row: dict[str, Any] = {"code": code, "class": class_of(code)}
        if index is not None:
            row["index"] = index
        self.rows.append(row | {"message": message})

    def verdict(self) -> str:
        classes = {class_of(code) for code in self.counts}
        for name, verdict in (("tampered", "tampered"), ("violation", "violation"), ("unclear", "cannot_tell")):
            if name in classes:
                return verdict
        return "sound"


@dataclass(frozen=True, slots=True)
class Rotation:
    index: int
    old_key: bytes
    new_key: bytes
    cause: str


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch that can be told from its note: the entries from `begin` up to `size`."""

    begin: int
    size: int


def size_of_note(raw: bytes) -> int | None:
    """The tree size on a note's second line. Whether it is a note otherwise is judged with its batch."""
    lines = raw.split(b"\n", 2)
    if len(raw) < SHORTEST_NOTE or len(lines) < 3:
        return None
    try:
        return notes.decimal(lines[1].decode("ascii", "replace"))
    except notes.NotCanonical:
        return None


class LogKeys:
    """Which key of the log is in force at which size."""

    def __init__(self, first: bytes) -> None:
        self.keys = {first: 0}
        """Each key that the log has had, and how many rotations led to it."""
        self.current = first
        self.rotations: list[Rotation] = []

    def rotate(self, index: int, body: dict[str, Any]) -> None:
        """Believes a rotation where docs/format.md allows it; the rules are not asked."""
        old, new, cause = bytes.fromhex(body["old_key"]), bytes.fromhex(body["new_key"]), body["cause"]
        if old != self.current or new in self.keys:
            return
        if isinstance(cause, dict):
            if cause["compromised_since"]["tree_size"] > index + 1:
                return
            cause = "compromised_since"
        self.rotations.append(Rotation(index, old, new, cause))
        self.keys[new] = len(self.rotations)
        self.current = new

    def before(self, index: int) -> int:
        """How many rotations stand before an entry."""
        return bisect_left(self.rotations, index, key=lambda rotation: rotation.index)

    def in_force(self, index: int) -> bytes:
        """The key in force before an entry."""
        count = self.before(index)
        return self.rotations[count - 1].new_key if count else next(iter(self.keys))

    def of_batch(self, begin: int, size: int) -> list[bytes]:
        """The keys that sign the checkpoint of the batch from `begin` up to `size`, in order."""
        keys = [self.in_force(begin)]
        for rotation in self.rotations[self.before(begin) : self.before(size)]:
            if rotation.cause != "routine":
                keys.clear()
            keys.append(rotation.new_key)
        return keys

    def at(self, size: int) -> list[bytes]:
        """The keys of which one has signed a checkpoint of that size, wherever batches end."""
        return self.of_batch(max(size, 1) - 1, size)

    def anchored(self, latest: bytes | None) -> bool:
        """Whether each key is vouched for: by the one before it, or by the trust root."""
        vouched = self.keys.get(latest, 0) if latest is not None else 0
        return all(rotation.cause == "routine" for rotation in self.rotations[vouched:])


class Verification:
    """One run over one pack."""

    def __init__(self, pack: Pack, trust: notes.Trust, events: TextIO | None) -> None:
        self.pack, self.trust, self.events = pack, trust, events
        self.findings = Findings()
        self.log_keys = LogKeys(trust.log_key)
        self.tree: Tree | None = Tree()
        self.roots: dict[int, bytes] = {}
        self.batches: list[Batch | None] = []
        """Of each note in order; None where its entries cannot be told."""
        self.last_end = 0
        """Where the last one of them ends."""
        self.note_files: list[tuple[str, int]] = []
        self.note_of_checkpoint: notes.Note | None = None
        """The one that the log holds at the checkpoint's size."""
        self.bytes_in_frames = 0
        self.bytes_up_to = {0: 0}
        self.previous: bytes | None = NO_HASH
        self.unread: tuple[int, int] | None = None
        """Entries that are missing where the log was read up to."""
        self.time_before = 0
        self.ledger_id = trust.ledger_id
        self.size = self.read = self.signatures = 0
        self.not_strict: list[dict[str, Any]] = []
        self.citing: dict[str, int] = {}

    def run(self) -> dict[str, Any]:
        self.check_strangers()
        if self.trust.has_quorum:
            self.findings.add("trust.quorum", "it names a quorum of witnesses, which is not looked at here")
        raw = self.pack.read("checkpoint", notes.MAX_NOTE)
        checkpoint = notes.parse_or_none(raw)
        end = self.survey_batches()
        self.size = end if checkpoint is None else checkpoint.size
        if end < self.size:
            self.findings.add(
                "pack.batches", f"batches: the notes end at {end}, and the checkpoint is over {self.size}"
            )
        self.check_log({*(batch.size for batch in self.known_batches()), *self.pack.cosigned, self.size})
        self.check_batches()
        self.check_checkpoint(checkpoint)
        self.check_cosigned()
        self.check_files()
        self.check_attachments()
        self.check_trusted_keys()
        return self.report()

    # The pack's files

    def check_strangers(self) -> None:
        for path in self.pack.strangers:
            self.pass_over(path)
        for path in self.pack.links:
            self.findings.add("pack.link", f"{path}: a symbolic link, which is not followed")

    def pass_over(self, path: str) -> None:
        self.findings.add("pack.stranger", f"{path}: passed over; this log's pack has no such file")

    def survey_batches(self) -> int:
        """Which entries each batch has, before they are read; and where the last one ends.

        How many batches there are, only the files' names say, and where each ends its note's second line.
        """
        widest: dict[int, int] = {}
        for number, width in self.pack.series["batches"]:
            widest[number] = max(width, widest.get(number, 0))
        for (number, width), path in self.pack.series["batches"].items():
            if width < widest[number]:
                self.pass_over(path)
        end: int | None = 0
        for number, width in sorted(widest.items()):
            path = self.pack.series["batches"][number, width]
            if number > 0 and number - 1 not in widest:
                self.findings.add("pack.batches", f"{path}: the one before it is missing")
                end = None
            cut = self.cut_file(path, MAX_NOTES_FILE, packs.cut_notes, width, "pack.batches")
            self.note_files.append((path, len(cut)))
            end = self.survey_notes(path, cut, end)
            if width < TILE_WIDTH and number + 1 in widest:
                self.findings.add("pack.batches", f"{path}: it is partial, and others follow")
            if len(cut) < TILE_WIDTH:
                end = None
        return self.last_end

    def survey_notes(self, path: str, cut: list[bytes], end: int | None) -> int | None:
        """Takes the notes behind the batch that ends at `end`; None where that is not known.

        A note that goes back is passed over; behind one that is too far off it is known again where a batch begins.
        """
        for place, raw in enumerate(cut):
            size, batch = size_of_note(raw), None
            if size is not None and end is not None and 1 <= size - end <= MAX_BATCH_ENTRIES:
                batch = Batch(end, size)
                self.last_end = end = size
            elif size is None:
                self.findings.add("pack.batches", f"{path}: note {place} says no tree size")
                end = None
            elif end is not None or size < self.last_end:
                self.findings.add("pack.batches", f"{path}: note {place} is of size {size}, behind one of {end}")
                end = None if end is None else max(size, end)
            else:
                end = size
            self.batches.append(batch)
        return end

    def notes_of_batches(self) -> Iterator[bytes]:
        """The notes again, file by file: an honest log's are few, a dishonest one's need not fit into memory."""
        for path, count in self.note_files:
            again = packs.first_notes(self.pack.read(path, MAX_NOTES_FILE), count)
            if len(again) != count:
                raise Unreadable(f"{path} changes while it is read")
            yield from again

    def known_batches(self) -> Iterator[Batch]:
        """Those that the checkpoint covers. What lies beyond it is of an export that was cut."""
        return (batch for batch in self.batches if batch is not None and batch.size <= self.size)

    def cut_file(self, path: str, most: int, cut: Cut, count: int, code: str) -> list[bytes]:
        data = self.pack.read(path, most)
        try:
            if len(data) > most:
                raise packs.Damaged("it is larger than any bundle", [])
            return cut(data, count)
        except packs.Damaged as error:
            self.findings.add(code, f"{path}: {error}")
            return error.parts

    # The entries, and the tree over them

    def check_log(self, wanted: set[int]) -> None:
        bundles, wrong = packs.sort_out(self.pack.series["entries"], self.size)
        for path in wrong:
            self.pass_over(path)
        if self.size == 0:
            self.findings.add("log.empty", "there is no entry at all")
        tiles = self.sort_tiles()
        expected = 0
        for number, path in bundles.items():
            if number > expected:
                self.miss(expected, number)
            self.check_bundle(number, path, tiles, wanted)
            expected = number + 1
        if expected < packs.tiles_of(self.size):
            self.miss(expected, packs.tiles_of(self.size))
        self.end_of_log()
        if self.tree is not None:
            for level, number, data in self.tree.partial_tiles():
                self.check_tile(tiles, level, number, data)

    def sort_tiles(self) -> list[dict[int, str]]:
        sorted_out = []
        for level in range(packs.MAX_LEVELS):
            right, wrong = packs.sort_out(self.pack.series[str(level)], self.size >> (8 * level))
            for path in wrong:
                self.pass_over(path)
            sorted_out.append(right)
        return sorted_out

    def miss(self, first: int, behind: int) -> None:
        """Bundles of entries from `first` on, up to the one at `behind`, are not there."""
        path = packs.path_of_number(first)
        self.findings.add("pack.entries", f"tile/entries/{path} and behind: {behind - first} are missing")
        self.lose(TILE_WIDTH * first, min(TILE_WIDTH * behind, self.size))

    def lose(self, begin: int, end: int) -> None:
        """Entries cannot be read: what rests on them is not checked further."""
        self.unread = (self.unread[0] if self.unread else begin, end)
        self.tree = self.previous = None
        self.time_before = 0

    def find_unread(self) -> None:
        if self.unread is not None:
            begin, end = self.unread
            message = f"entries {begin} to {end - 1} could not be read; roots and tiles behind them were not checked"
            self.findings.add("log.unread", message, begin)
            self.unread = None

    def end_of_log(self) -> None:
        if self.unread is None:
            return
        if self.findings.counts["log.unread"]:
            return self.find_unread()
        message = f"entries end at {self.unread[0]}, and the checkpoint is over {self.size}"
        self.findings.add("log.shorter_than_head", message)

    def check_bundle(self, number: int, path: str, tiles: list[dict[int, str]], wanted: set[int]) -> None:
        width = packs.width_at(self.size, number)
        begin = TILE_WIDTH * number
        entries = self.cut_file(path, MAX_BUNDLE, packs.cut_entries, width, "pack.entries")
        if self.tree is None and len(entries) == width:
            self.check_tile(tiles, 0, number, b"".join(leaf_hash(raw) for raw in entries))
        for index, raw in enumerate(entries, begin):
            self.find_unread()
            self.check_entry(index, raw)
            self.grow(leaf_hash(raw), len(raw), tiles, wanted)
        if len(entries) < width:
            self.lose(begin + len(entries), begin + width)

    def grow(self, leaf: bytes, length: int, tiles: list[dict[int, str]], wanted: set[int]) -> None:
        self.previous = leaf
        if self.tree is None:
            return
        for level, number, data in self.tree.append(leaf):
            self.check_tile(tiles, level, number, data)
        self.bytes_in_frames += 4 + length
        if self.tree.size in wanted:
            self.roots[self.tree.size] = self.tree.root()
            self.bytes_up_to[self.tree.size] = self.bytes_in_frames

    def check_tile(self, tiles: list[dict[int, str]], level: int, number: int, data: bytes) -> None:
        path = tiles[level].get(number)
        if path is None:
            self.findings.add("pack.tile", f"tile/{level}/{packs.path_of_number(number)} is not there in full width")
        elif self.pack.read(path, len(data)) != data:
            self.findings.add("pack.tile", f"{path}: not the hashes that the entries give")

    def check_entry(self, index: int, raw: bytes) -> None:
        self.read += 1
        leaf = leaf_hash(raw)
        if index == 0:
            self.ledger_id = leaf
            self.check_ledger_id(leaf)
        entry = event = None
        try:
            entry = decode.decode_entry(raw)
        except decode.Malformed as error:
            self.findings.add("entry.not_canonical", str(error), index)
        except decode.Newer as error:
            self.findings.add("entry.newer", str(error), index)
        if entry is not None:
            self.check_fields(index, entry)
            is_authentic = self.check_authors(index, entry.envelope)
            event = self.check_event(index, entry.envelope)
            if event is not None and is_authentic:
                self.take_event(index, event, [key.hex() for key, _ in entry.envelope.signatures])
        if self.events is not None:
            self.events.write(event_line(index, leaf, entry, event))

    def check_ledger_id(self, leaf: bytes) -> None:
        if leaf != self.trust.ledger_id:
            self.findings.add("trust.ledger_id", f"entry 0 makes this the ledger {leaf.hex()}", 0)

    def check_fields(self, index: int, entry: decode.Entry) -> None:
        if entry.index != index:
            self.findings.add("entry.index", f"it says that it is entry {entry.index}", index)
        if self.previous is not None and entry.previous != self.previous:
            self.findings.add("entry.previous", "not the leaf hash of the entry before", index)
        if entry.recorded_at < self.time_before:
            self.findings.add("time.decreases", "recorded before the entry before it", index)
        self.time_before = entry.recorded_at
        if entry.state_root is not None:
            self.findings.add("entry.state_root", "the state root is filled", index)

    def check_authors(self, index: int, envelope: decode.Envelope) -> bool:
        """Whether the event is by all of those who seem to have signed it."""
        message, are_valid = decode.signed_bytes(envelope.event), True
        for key, signature in envelope.signatures:
            self.signatures += 1
            outcome = curve.audit(key, message, signature)
            are_valid = are_valid and outcome in (curve.Outcome.STRICT, curve.Outcome.NOT_STRICT)
            if outcome is curve.Outcome.NOT_STRICT:
                self.not_strict.append({"index": index, "key": key.hex()})
            elif outcome is curve.Outcome.UNFIT_KEY:
                self.findings.add("key.unfit", f"the signature {outcome.value}: {key.hex()}", index)
            elif outcome is curve.Outcome.BAD_SIGNATURE:
                self.findings.add("signature.author", f"the signature by {key.hex()} {outcome.value}", index)
        return are_valid

    def check_event(self, index: int, envelope: decode.Envelope) -> dict[str, Any] | None:
        try:
            return decode.decode_event(envelope.event)
        except decode.Malformed as error:
            self.findings.add("event.not_canonical", str(error), index)
        except decode.Newer as error:
            self.findings.add("event.newer", str(error), index)
        return None

    def take_event(self, index: int, event: dict[str, Any], signers: list[str]) -> None:
        """What an authentic event says. One that nobody signed says nothing."""
        self.check_header(index, event, signers)
        if event["kind"] == "log_key.rotated":
            self.log_keys.rotate(index, event["body"])

    def check_header(self, index: int, event: dict[str, Any], signers: list[str]) -> None:
        header, creates = event["header"], event["kind"] == "ledger.created"
        if header["ledger_id"] != (NO_HASH if creates else self.ledger_id).hex():
            self.findings.add("rule.foreign_ledger", f"signed for the ledger {header['ledger_id']}", index)
        if header["proposer"] not in signers:
            self.findings.add("rule.proposer_not_signed", "no signature by the proposer", index)
        if creates and index > 0:
            self.findings.add("rule.ledger_already_created", "ledger.created stands in entry 0 only", index)
        if index == 0 and not creates:
            self.findings.add("rule.ledger_not_created", "entry 0 is no ledger.created", index)
        if index == 0 and creates:
            self.check_creation(event["body"])
        for attachment in header["attachments"]:
            if attachment["digest"] in self.pack.attachments:
                self.citing.setdefault(attachment["digest"], index)

    def check_creation(self, body: dict[str, Any]) -> None:
        if body["origin"] != self.trust.origin:
            self.findings.add("trust.origin", f"entry 0 names the log {body['origin']!r}", 0)
        if body["log_key"] != self.trust.log_key.hex():
            self.findings.add("trust.log_key", f"entry 0 names the log key {body['log_key']}", 0)

    # Checkpoints

    def check_batches(self) -> None:
        """A wrong root is said once for a run of checkpoints."""
        root_was_right = True
        for raw, batch in zip(self.notes_of_batches(), self.batches, strict=True):
            if batch is None or batch.size > self.size:
                continue
            note = notes.parse_or_none(raw)
            self.check_frame(batch, len(raw))
            if note is None:
                self.findings.add("checkpoint.not_canonical", "a batch's note is no checkpoint", batch.size - 1)
                continue
            self.check_signers(note, self.log_keys.of_batch(batch.begin, batch.size))
            if batch.size in self.roots:
                root_is_right = self.roots[batch.size] == note.root
                if root_was_right and not root_is_right:
                    message = f"not the root of the first {batch.size} entries"
                    self.findings.add("checkpoint.root", message, batch.size - 1)
                root_was_right = root_is_right
            if batch.size == self.size:
                self.note_of_checkpoint = note

    def check_frame(self, batch: Batch, note_length: int) -> None:
        """A batch has to fit into one frame, and a rotation has to be alone in it."""
        begin, size = batch.begin, batch.size
        if begin in self.bytes_up_to and size in self.bytes_up_to:
            entries = self.bytes_up_to[size] - self.bytes_up_to[begin]
            if FRAME_OVERHEAD + entries + note_length > MAX_FRAME:
                self.findings.add("frame.damaged", "the batch's frame is longer than 16 MiB", size - 1)
        if size - begin > 1:
            for rotation in self.log_keys.rotations[self.log_keys.before(begin) : self.log_keys.before(size)]:
                self.findings.add("log_key.boundary", "the rotation shares its batch", rotation.index)

    def check_signers(self, note: notes.Note, keys: list[bytes]) -> None:
        """A batch's note bears a line by each of `keys`, in their order, and no other one."""
        index, origin = note.size - 1, self.trust.origin
        if note.origin != origin:
            self.findings.add("checkpoint.origin", f"it is of the log {note.origin!r}", index)
        signed = [notes.is_signed_by(note, origin, key) for key in keys]
        for key, is_signed in zip(keys, signed, strict=True):
            if not is_signed:
                self.findings.add("checkpoint.signature", f"no valid line by {key.hex()}", index)
        if len(note.lines) > len(keys):
            message = f"{len(note.lines)} signature lines, and {len(keys)} expected"
            self.findings.add("checkpoint.extra_signature", message, index)
        elif all(signed) and [line.key_id for line in note.lines] != [notes.key_id(origin, key) for key in keys]:
            self.findings.add("checkpoint.not_canonical", "the old key's line is not the first", index)

    def check_checkpoint(self, note: notes.Note | None) -> None:
        """`checkpoint` says what the note of the batch that ends there says, and the log's key signed it."""
        if note is None:
            return self.disagree("it is no checkpoint")
        keys, of_batch = self.log_keys.at(note.size), self.note_of_checkpoint
        signed = [notes.is_signed_by(note, self.trust.origin, key) for key in keys]
        if True not in signed or False in signed:
            self.disagree("no valid line by the log key")
        elif of_batch is not None and of_batch.body != note.body:
            self.disagree("the batch that ends there has another checkpoint")
        elif of_batch is None and self.tree is not None and not self.findings.counts["pack.batches"]:
            self.disagree("no batch ends there")

    def disagree(self, why: str) -> None:
        self.findings.add("head.disagrees", f"checkpoint: {why}")

    def check_cosigned(self) -> None:
        """Anybody may have put notes there, and witnesses are not known here: what is wrong is remarked on."""
        for size, path in sorted(self.pack.cosigned.items())[-MAX_COSIGNED:]:
            note, why = notes.parse_or_none(self.pack.read(path, notes.MAX_NOTE)), None
            if note is None or note.size != size or note.origin != self.trust.origin:
                why = "no note of this log and of that size"
            elif not any(notes.is_signed_by(note, self.trust.origin, key) for key in self.log_keys.at(size)):
                why = "not signed by the log key"
            elif self.roots.get(size, note.root) != note.root:
                why = f"not the root of the first {size} entries"
            if why is not None:
                self.findings.add("cosigned.unfit", f"{path}: {why}")

    # What stands beside the log

    def check_files(self) -> None:
        if "files" not in self.pack.singles:
            self.findings.add("pack.files", "files is not there")
            return
        try:
            indexes = packs.parse_files(self.pack.read("files", MAX_FILES), MAX_FILES)
        except notes.NotCanonical as error:
            self.findings.add("pack.files", f"files: {error}")
            return
        begins = {0, *(batch.begin for batch in self.known_batches())}
        wrong = [index for index in indexes if index < self.size and index not in begins]
        if wrong:
            self.findings.add("pack.files", f"files: no batch begins at {wrong[0]}")

    def check_attachments(self) -> None:
        """The bytes of those that authentic entries cite. Where one is a link, none is looked at."""
        if self.pack.links:
            return
        for digest, path in self.pack.attachments.items():
            if digest not in self.citing:
                self.pass_over(path)
            elif self.digest_of(path) != digest:
                message = f"{path}: its bytes have another digest, or are too many"
                self.findings.add("attachment.damaged", message, self.citing[digest])

    def digest_of(self, path: str) -> str | None:
        """A file's digest; None where it is larger than an attachment can be."""
        hasher, length = hashlib.sha256(), 0
        with open(self.pack.root / path, "rb") as file:
            while length <= MAX_ATTACHMENT and (chunk := file.read(1 << 20)):
                hasher.update(chunk)
                length += len(chunk)
        return hasher.hexdigest() if length <= MAX_ATTACHMENT else None

    def check_trusted_keys(self) -> None:
        latest = self.trust.latest_log_key
        if latest is not None and latest not in self.log_keys.keys:
            self.findings.add("trust.latest_log_key", f"the log never came to the key {latest.hex()}")

    def report(self) -> dict[str, Any]:
        return {
            "verdict": self.findings.verdict(),
            "anchored": self.log_keys.anchored(self.trust.latest_log_key),
            "findings": self.findings.rows,
            "finding_counts": dict(sorted(self.findings.counts.items())),
            "size": self.size,
            "root": self.tree.root().hex() if self.tree is not None else None,
            "entries": self.read,
            "signatures": self.signatures,
            "not_strict": self.not_strict,
            "log_key_rotations": [{"index": row.index, "cause": row.cause} for row in self.log_keys.rotations],
        }


def event_line(index: int, leaf: bytes, entry: decode.Entry | None, event: dict[str, Any] | None) -> str:
    """One line of `--events`. What could not be decoded is null."""
    line = {
        "index": index,
        "leaf_hash": leaf.hex(),
        "recorded_at": decode.time_as_text(entry.recorded_at) if entry else None,
        "signers": [key.hex() for key, _ in entry.envelope.signatures] if entry else None,
        "event": event,
    }
    return json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n"


def exit_code(report: dict[str, Any]) -> int:
    if report["verdict"] == "sound" and not report["anchored"]:
        return NOT_ANCHORED
    return EXITS[report["verdict"]]


def verify(pack: Path, trust: Path, events: TextIO | None = None) -> dict[str, Any]:
    with open(trust, "rb") as file:
        pinned = notes.parse_trust(file.read(notes.MAX_TRUST_ROOT + 1))
    return Verification(packs.open_pack(pack), pinned, events).run()


def run_self_test(vectors: Path) -> int:
    differences = selftest.run(vectors)
    print("\n".join(differences) if differences else "all vectors agree")
    return 1 if differences else 0


def arguments(given: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Verifies an evidence pack of a Rollbook ledger.")
    parser.add_argument("pack", nargs="?", type=Path, help="the pack's directory")
    parser.add_argument("--trust", type=Path, help="the trust root, from elsewhere than the pack")
    parser.add_argument("--events", metavar="FILE", help="write all events as JSON, one to a line; - is stdout")
    parser.add_argument("--self-test", type=Path, metavar="VECTORS", help="check this program against the vectors")
    parsed = parser.parse_args(given)
    if parsed.self_test is None and (parsed.pack is None or parsed.trust is None):
        parser.error("PACK and --trust are needed, or --self-test")
    return parsed


def open_events(name: str | None) -> Any:
    if name is None:
        return nullcontext(None)
    if name == "-":
        return open(sys.stdout.fileno(), "w", encoding="utf-8", newline="\n", closefd=False)
    return open(name, "w", encoding="utf-8", newline="\n")


def main(given: list[str]) -> int:
    chosen = arguments(given)
    if chosen.self_test is not None:
        return run_self_test(chosen.self_test)
    try:
        with open_events(chosen.events) as events:
            report = verify(chosen.pack, chosen.trust, events)
    except (OSError, Unreadable, notes.BadTrustRoot) as error:
        print(f"verify.py: {error}", file=sys.stderr)
        return USAGE
    print(json.dumps(report, indent=2), file=sys.stderr if chosen.events == "-" else sys.stdout)
    return exit_code(report)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
