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
attachments are there, and what administrators accepted. Codes and classes of findings are those of docs/auditing.md;
codes that begin with `pack.` are this program's own.

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
from itertools import pairwise
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
LONGEST_LINE = 21
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
REMARKS = frozenset(("pack.stranger",))
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


def size_of_note(raw: bytes) -> int | None:
    try:
        return notes.parse_note(raw).size
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

    def of_batch(self, begin: int, size: int) -> list[bytes]:
        """The keys that sign the checkpoint of the batch from `begin` up to `size`, in order."""
        count = self.before(size)
        if count == 0:
            return [next(iter(self.keys))]
        last = self.rotations[count - 1]
        if last.index >= begin and last.cause == "routine":
            return [last.old_key, last.new_key]
        return [last.new_key]

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
        self.sizes: list[int | None] = []
        """Of each batch's note in order; None where it has none."""
        self.ascending: list[int] | None = None
        self.note_files: list[tuple[str, int]] = []
        self.newest: bytes | None = None
        self.bytes_in_frames = 0
        self.bytes_up_to = {0: 0}
        self.previous: bytes | None = NO_HASH
        self.time_before = 0
        self.ledger_id = trust.ledger_id
        self.size = self.read = self.signatures = 0
        self.not_strict: list[dict[str, Any]] = []
        self.citing: dict[str, int] = {}

    def run(self) -> dict[str, Any]:
        self.check_strangers()
        self.survey_batches()
        checkpoint = self.read_checkpoint()
        self.check_log({*self.known_sizes(), *self.pack.cosigned, self.size})
        self.check_batches()
        self.check_checkpoint(checkpoint)
        self.check_cosigned()
        self.check_files()
        self.check_attachments()
        self.check_trusted_keys()
        return self.report()

    # The pack's files

    def check_strangers(self) -> None:
        known = ("tile/", "batches/", "cosigned/", "attachments/")
        for path in self.pack.strangers:
            inside = path.startswith(known) or path in packs.SINGLE_FILES
            code = "pack.unexpected" if inside else "pack.stranger"
            self.findings.add(code, f"{path}: the layout has no such file, or it is no regular one")
        for series in self.pack.series:
            if series.isdigit() and int(series) >= packs.MAX_LEVELS:
                self.findings.add("pack.unexpected", f"tile/{series}: no tree has tiles of this level")

    def survey_batches(self) -> None:
        """Each batch's size, before the entries are read. How many batches there are, only the files' names say."""
        files = self.pack.series["batches"]
        count = max((TILE_WIDTH * number + width for number, width in files), default=0)
        right, wrong = packs.sort_out(files, count)
        for path in wrong:
            self.findings.add("pack.unexpected", f"{path}: another file goes further")
        self.find_gaps("batches", right, count)
        for number, path in right.items():
            cut = self.cut_file(path, MAX_NOTES_FILE, packs.cut_notes, packs.width_at(count, number))
            self.sizes += [size_of_note(raw) for raw in cut]
            self.newest = cut[-1] if cut else self.newest
            self.note_files.append((path, len(cut)))

    def notes_of_batches(self) -> Iterator[bytes]:
        """The notes again, file by file: an honest log's are few, a dishonest one's need not fit into memory."""
        for path, count in self.note_files:
            again = packs.first_notes(self.pack.read(path, MAX_NOTES_FILE), count)
            if len(again) != count:
                raise Unreadable(f"{path} changes while it is read")
            yield from again

    def known_sizes(self) -> Iterator[int]:
        return (size for size in self.sizes if size is not None)

    def find_gaps(self, what: str, present: dict[int, str], count: int) -> None:
        for first, last in packs.gaps(present, packs.tiles_of(count)):
            begin, end = packs.path_of_number(first), packs.path_of_number(last)
            self.findings.add("pack.missing", f"{what}/{begin} to {what}/{end} are not there in full width")

    def cut_file(self, path: str, most: int, cut: Cut, count: int) -> list[bytes]:
        try:
            return cut(self.pack.read(path, most), count)
        except packs.Damaged as error:
            self.findings.add("pack.damaged", f"{path}: {error}")
            return error.parts

    def read_checkpoint(self) -> bytes | None:
        """The note in `checkpoint`. Its size is the log's; where it has none, the newest batch's is."""
        raw = None
        if "checkpoint" in self.pack.singles:
            raw = self.pack.read("checkpoint", notes.MAX_NOTE)
            note = self.parse(raw, "head.unreadable", "checkpoint")
            if note is not None:
                self.size = note.size
                return raw
        else:
            self.findings.add("head.missing", "there is no `checkpoint`: the pack was cut short")
        self.size = max(self.known_sizes(), default=0)
        return raw

    def parse(self, raw: bytes, code: str, what: str) -> notes.Note | None:
        try:
            return notes.parse_note(raw)
        except notes.NotCanonical as error:
            self.findings.add(code, f"{what}: {error}")
            return None

    # The entries, and the tree over them

    def check_log(self, wanted: set[int]) -> None:
        bundles, wrong = packs.sort_out(self.pack.series["entries"], self.size)
        for path in wrong:
            self.findings.add("pack.unexpected", f"{path}: a log of {self.size} entries has no such bundle")
        if self.size == 0:
            self.findings.add("log.empty", "there is no entry at all")
        tiles = self.sort_tiles()
        expected = 0
        for number, path in bundles.items():
            if number > expected:
                self.lose(TILE_WIDTH * expected, TILE_WIDTH * number)
            self.check_bundle(number, path, tiles, wanted)
            expected = number + 1
        if expected < packs.tiles_of(self.size):
            self.lose(TILE_WIDTH * expected, self.size)
            message = f"entries end at {TILE_WIDTH * expected}, and the checkpoint is over {self.size}"
            self.findings.add("log.shorter_than_head", message)
        if self.tree is not None:
            for level, number, data in self.tree.partial_tiles():
                self.check_tile(tiles, level, number, data)

    def sort_tiles(self) -> list[dict[int, str]]:
        sorted_out = []
        for level in range(packs.MAX_LEVELS):
            count = self.size >> (8 * level)
            right, wrong = packs.sort_out(self.pack.series[str(level)], count)
            for path in wrong:
                self.findings.add("pack.unexpected", f"{path}: a log of {self.size} entries has no such tile")
            self.find_gaps(f"tile/{level}", right, count)
            sorted_out.append(right)
        return sorted_out

    def lose(self, begin: int, end: int) -> None:
        """Entries cannot be read: what rests on them is not checked further."""
        message = f"entries {begin} to {end - 1} could not be read; roots and tiles behind them were not checked"
        self.findings.add("log.unread", message, begin)
        self.tree = self.previous = None

    def check_bundle(self, number: int, path: str, tiles: list[dict[int, str]], wanted: set[int]) -> None:
        width = packs.width_at(self.size, number)
        begin = TILE_WIDTH * number
        entries = self.cut_file(path, MAX_BUNDLE, packs.cut_entries, width)
        for index, raw in enumerate(entries, begin):
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
        if path is not None and self.pack.read(path, len(data)) != data:
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
            self.check_authors(index, entry.envelope)
            event = self.check_event(index, entry.envelope)
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

    def check_authors(self, index: int, envelope: decode.Envelope) -> None:
        message = decode.signed_bytes(envelope.event)
        for key, signature in envelope.signatures:
            self.signatures += 1
            outcome = curve.audit(key, message, signature)
            if outcome is curve.Outcome.NOT_STRICT:
                self.not_strict.append({"index": index, "key": key.hex()})
            elif outcome is curve.Outcome.UNFIT_KEY:
                self.findings.add("key.unfit", f"the signature {outcome.value}: {key.hex()}", index)
            elif outcome is curve.Outcome.BAD_SIGNATURE:
                self.findings.add("signature.author", f"the signature by {key.hex()} {outcome.value}", index)

    def check_event(self, index: int, envelope: decode.Envelope) -> dict[str, Any] | None:
        try:
            event = decode.decode_event(envelope.event)
        except decode.Malformed as error:
            self.findings.add("event.not_canonical", str(error), index)
            return None
        except decode.Newer as error:
            self.findings.add("event.newer", str(error), index)
            return None
        self.check_header(index, event, [key.hex() for key, _ in envelope.signatures])
        if event["kind"] == "log_key.rotated":
            self.log_keys.rotate(index, event["body"])
        return event

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
        begin, root_was_right = 0, True
        for place, (raw, size) in enumerate(zip(self.notes_of_batches(), self.sizes, strict=True)):
            note = self.parse(raw, "checkpoint.not_canonical", f"the note of batch {place}")
            if note is None or size is None:
                continue
            if size <= begin or size > self.size:
                message = f"the note of batch {place} has size {size}, behind {begin} and in a log of {self.size}"
                self.findings.add("checkpoint.size", message, max(size, 1) - 1)
            self.check_signers(note, self.log_keys.of_batch(min(begin, max(size, 1) - 1), size), "batch")
            if size in self.roots:
                root_is_right = self.roots[size] == note.root
                if root_was_right and not root_is_right:
                    self.findings.add("checkpoint.root", f"not the root of the first {size} entries", size - 1)
                root_was_right = root_is_right
            self.check_frame(begin, size, len(raw))
            if begin < size <= self.size:
                begin = size

    def check_frame(self, begin: int, size: int, note_length: int) -> None:
        """A batch has to fit into one frame, and a rotation has to be alone in it."""
        if size - begin > MAX_BATCH_ENTRIES:
            self.findings.add("frame.damaged", f"the batch has {size - begin} entries", size - 1)
        if begin in self.bytes_up_to and size in self.bytes_up_to:
            entries = self.bytes_up_to[size] - self.bytes_up_to[begin]
            if FRAME_OVERHEAD + entries + note_length > MAX_FRAME:
                self.findings.add("frame.damaged", "the batch's frame is longer than 16 MiB", size - 1)
        if size - begin > 1:
            for rotation in self.log_keys.rotations[self.log_keys.before(begin) : self.log_keys.before(size)]:
                self.findings.add("log_key.boundary", "the rotation shares its batch", rotation.index)

    def check_signers(self, note: notes.Note, keys: list[bytes], where: str) -> None:
        """The log's lines, and in a batch's note no other one."""
        index, origin = max(note.size, 1) - 1, self.trust.origin
        if note.origin != origin:
            self.findings.add("checkpoint.origin", f"{where}: it is of the log {note.origin!r}", index)
        places = []
        for key in keys:
            valid = notes.lines_by(note, origin, key)
            if not valid:
                self.findings.add("checkpoint.signature", f"{where}: no valid line by {key.hex()}", index)
            places += valid[:1]
        of_log = [line for line in note.lines if line.name == origin]
        lines = of_log if where.startswith("cosigned/") else note.lines
        if len(lines) > len(keys):
            message = f"{where}: {len(lines)} signature lines, and {len(keys)} expected"
            self.findings.add("checkpoint.extra_signature", message, index)
        if places != sorted(places):
            self.findings.add("checkpoint.not_canonical", f"{where}: the old key's line is not the first", index)

    def check_checkpoint(self, raw: bytes | None) -> None:
        if raw is None or raw == self.newest:
            return
        self.findings.add("head.disagrees", "`checkpoint` is not the note of the newest batch")
        try:
            note = notes.parse_note(raw)
        except notes.NotCanonical:
            return
        self.check_single(note, "checkpoint")

    def check_cosigned(self) -> None:
        for size, where in sorted(self.pack.cosigned.items()):
            note = self.parse(self.pack.read(where, notes.MAX_NOTE), "checkpoint.not_canonical", where)
            if note is None:
                continue
            if note.size != size or not 1 <= size <= self.size:
                self.findings.add("checkpoint.size", f"{where}: the note's size is {note.size}", max(note.size, 1) - 1)
            self.check_single(note, where)

    def check_single(self, note: notes.Note, where: str) -> None:
        """A note beside the batches: signed by the keys of the batch that ends there, over the same root."""
        last = max(note.size, 1) - 1
        begin = self.begin_of_batch(note.size)
        self.check_signers(note, self.log_keys.of_batch(min(begin, last), note.size), where)
        if self.roots.get(note.size, note.root) != note.root:
            self.findings.add("checkpoint.root", f"{where}: not the root of the first {note.size} entries", last)

    def begin_of_batch(self, size: int) -> int:
        if self.ascending is None:
            self.ascending = sorted(self.known_sizes())
        before = bisect_left(self.ascending, size)
        return self.ascending[before - 1] if before else 0

    # What stands beside the log

    def check_files(self) -> None:
        if "files" not in self.pack.singles:
            self.findings.add("pack.missing", "files is not there")
            return
        begins = {0, *(size for size in self.sizes[:-1] if size is not None)}
        try:
            indexes = packs.parse_files(self.pack.read("files", LONGEST_LINE * len(self.sizes)), len(self.sizes))
        except notes.NotCanonical as error:
            self.findings.add("pack.damaged", f"files: {error}")
            return
        if indexes[0] != 0 or any(left >= right for left, right in pairwise(indexes)):
            self.findings.add("pack.damaged", "files: it does not ascend from 0")
        for index in indexes:
            if index not in begins:
                self.findings.add("pack.damaged", f"files: no batch begins at {index}")

    def check_attachments(self) -> None:
        for digest, path in self.pack.attachments.items():
            hasher, length = hashlib.sha256(), 0
            with open(self.pack.root / path, "rb") as file:
                while length <= MAX_ATTACHMENT and (chunk := file.read(1 << 20)):
                    hasher.update(chunk)
                    length += len(chunk)
            if length > MAX_ATTACHMENT or hasher.hexdigest() != digest:
                message = f"{path}: its bytes have another digest, or are too many"
                self.findings.add("attachment.damaged", message, self.citing.get(digest))

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
