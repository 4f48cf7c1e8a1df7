"""Tests of the independent verifier: `python -m unittest discover tests/independent`.

The smallest pack is made from the golden vectors alone, and each of its bytes is tampered with. Others are made by
the small writer below, with the vectors' own keys, to reach what two entries cannot show.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import struct
import sys
import tempfile
import unittest
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from nacl.signing import SigningKey  # noqa: E402

import curve  # noqa: E402
import decode  # noqa: E402
import notes  # noqa: E402
import pack as packs  # noqa: E402
import verify  # noqa: E402
from selftest import unhex  # noqa: E402
from tree import TILE_WIDTH, Tree, leaf_hash  # noqa: E402

VECTORS = HERE.parent / "vectors"
ORIGIN = "rollbook.example/vectors"
AUTHOR, OLD_LOG, NEW_LOG = (SigningKey(bytes([seed]) * 32) for seed in (1, 3, 4))
CREATION = unhex(VECTORS / "entries" / "0.hex")
SECOND = unhex(VECTORS / "entries" / "1.hex")
NOTE_EVENT = decode.decode_entry(SECOND).envelope.event
ROTATION_EVENT = unhex(VECTORS / "events" / "log_key.rotated.min.hex")
START = decode.decode_entry(SECOND).recorded_at

LEDGER_ID, EVENT_ID, BODY, CAUSE = 4, 36, 112, 180
"""Offsets in the events above: their headers have no basis beyond a number, and no attachments."""


# A small writer


def public(key: SigningKey) -> bytes:
    return bytes(key.verify_key)


def patched(data: bytes, offset: int, value: bytes) -> bytes:
    return data[:offset] + value + data[offset + len(value) :]


def note_event(serial: int) -> bytes:
    return patched(NOTE_EVENT, EVENT_ID, serial.to_bytes(16, "big"))


def rotation_event(cause: int, tree_size: int | None = None) -> bytes:
    carried = b"" if tree_size is None else struct.pack("<Q", tree_size)
    return ROTATION_EVENT[:CAUSE] + struct.pack("<I", cause) + carried + ROTATION_EVENT[CAUSE + 4 :]


def sign_event(event: bytes) -> list[tuple[bytes, bytes]]:
    return [(public(AUTHOR), AUTHOR.sign(decode.signed_bytes(event)).signature)]


def entry_of(
    index: int, previous: bytes, event: bytes, signatures: list[tuple[bytes, bytes]] | None = None, later: int = 0
) -> bytes:
    rows = sign_event(event) if signatures is None else signatures
    head = struct.pack("<IQ32sqBQ", 1, index, previous, START + later, 0, len(event))
    return head + event + struct.pack("<Q", len(rows)) + b"".join(key + signature for key, signature in rows)


class Log:
    """Entries behind one another, in batches."""

    def __init__(self) -> None:
        self.entries = [CREATION]
        self.batches: list[tuple[int, list[SigningKey]]] = []

    def add(self, event: bytes, **more: Any) -> None:
        self.put(entry_of(len(self.entries), leaf_hash(self.entries[-1]), event, **more))

    def put(self, entry: bytes) -> None:
        self.entries.append(entry)

    def publish(self, *keys: SigningKey) -> None:
        self.batches.append((len(self.entries), list(keys) or [OLD_LOG]))


def checkpoint(size: int, root: bytes, keys: list[SigningKey]) -> bytes:
    body = f"{ORIGIN}\n{size}\n{base64.b64encode(root).decode()}\n".encode()
    lines = [signature_line(ORIGIN, notes.key_id(ORIGIN, public(key)), key.sign(body).signature) for key in keys]
    return body + b"\n" + b"".join(lines)


def signature_line(name: str, key_id: bytes, signature: bytes) -> bytes:
    return f"{notes.DASH}{name} {base64.b64encode(key_id + signature).decode()}\n".encode()


def put_file(folder: Path, path: str, data: bytes) -> None:
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)


def attachment_path(data: bytes) -> str:
    digest = hashlib.sha256(data).hexdigest()
    return f"attachments/sha256/{digest[:2]}/{digest[2:]}"


def put_series(folder: Path, name: str, parts: list[bytes]) -> None:
    for number in range(packs.tiles_of(len(parts))):
        put_numbered(folder, name, number, parts[TILE_WIDTH * number : TILE_WIDTH * (number + 1)])


def put_numbered(folder: Path, name: str, number: int, parts: list[bytes]) -> None:
    partial = "" if len(parts) == TILE_WIDTH else f".p/{len(parts)}"
    put_file(folder, f"{name}/{packs.path_of_number(number)}{partial}", b"".join(parts))


def write_pack(folder: Path, log: Log) -> None:
    wanted, written = dict(log.batches), []
    tree = Tree()
    for entry in log.entries:
        tiles = tree.append(leaf_hash(entry))
        for level, number, data in tiles:
            put_file(folder, f"tile/{level}/{packs.path_of_number(number)}", data)
        if tree.size in wanted:
            written.append(checkpoint(tree.size, tree.root(), wanted[tree.size]))
    for level, number, data in tree.partial_tiles():
        put_file(folder, f"tile/{level}/{packs.path_of_number(number)}.p/{len(data) // 32}", data)
    put_series(folder, "tile/entries", [struct.pack(">H", len(entry)) + entry for entry in log.entries])
    put_series(folder, "batches", [struct.pack(">I", len(note)) + note for note in written])
    put_file(folder, "files", b"0\n")
    put_file(folder, "checkpoint", written[-1])


def vkey(key: SigningKey) -> str:
    data = base64.b64encode(notes.ED25519 + public(key)).decode()
    return f"{ORIGIN}+{notes.key_id(ORIGIN, public(key)).hex()}+{data}"


def trust_root(**more: str) -> str:
    rows = {"origin": ORIGIN, "ledger_id": leaf_hash(CREATION).hex(), "log_key": vkey(OLD_LOG)} | more
    return "".join(f'{key} = "{value}"\n' for key, value in rows.items())


class PackTest(unittest.TestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.scratch = Path(scratch.name)
        self.pack = self.scratch / "pack"
        self.pack.mkdir()
        self.trust = self.scratch / "trust.toml"
        self.trust.write_text(trust_root())

    def verify(self) -> dict[str, Any]:
        return verify.verify(self.pack, self.trust)

    def exit_of(self, pack: Path, *more: str) -> int:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            return verify.main([str(pack), "--trust", str(self.trust), *more])

    def codes(self) -> set[str]:
        return {row["code"] for row in self.verify()["findings"]}

    def assert_codes(self, *codes: str) -> None:
        self.assertEqual(self.codes(), set(codes))

    def assert_sound(self) -> dict[str, Any]:
        report = self.verify()
        self.assertEqual((report["verdict"], report["findings"]), ("sound", []))
        return report


class TheVectors(unittest.TestCase):
    def test_agree(self) -> None:
        self.assertEqual(verify.selftest.run(VECTORS), [])


class TheSmallestPack(PackTest):
    """Made of files of the vectors, byte for byte."""

    def setUp(self) -> None:
        super().setUp()
        note = (VECTORS / "checkpoints" / "2.note").read_bytes()
        key = (VECTORS / "checkpoints" / "log.vkey").read_text().strip()
        self.trust.write_text(trust_root(log_key=key))
        put_series(self.pack, "tile/entries", [struct.pack(">H", len(data)) + data for data in (CREATION, SECOND)])
        put_series(self.pack, "tile/0", [leaf_hash(CREATION), leaf_hash(SECOND)])
        put_series(self.pack, "batches", [struct.pack(">I", len(note)) + note])
        put_file(self.pack, "checkpoint", note)
        put_file(self.pack, "files", b"0\n")

    def files(self) -> list[Path]:
        return sorted(path for path in self.pack.rglob("*") if path.is_file())

    def test_is_sound(self) -> None:
        report = self.assert_sound()
        self.assertEqual((report["size"], report["entries"], report["signatures"]), (2, 2, 3))
        self.assertTrue(report["anchored"])

    def test_every_byte_counts(self) -> None:
        for path in self.files():
            data = path.read_bytes()
            for place in range(len(data)):
                path.write_bytes(patched(data, place, bytes([data[place] ^ 1])))
                self.assertEqual(self.verify()["verdict"], "tampered", f"{path.name} at {place}")
            path.write_bytes(data)

    def test_every_length_counts(self) -> None:
        for path in self.files():
            data = path.read_bytes()
            for other in (data[:-1], data + b"\n", b""):
                path.write_bytes(other)
                self.assertEqual(self.verify()["verdict"], "tampered", path.name)
            path.write_bytes(data)

    def test_every_file_counts(self) -> None:
        for path in self.files():
            moved = self.scratch / "moved"
            exit_code = 2 if path.name == "checkpoint" else 1
            path.rename(moved)
            self.assertEqual(self.exit_of(self.pack), exit_code, path.name)
            path.symlink_to(moved)
            self.assertEqual(self.exit_of(self.pack), exit_code, path.name)
            path.unlink()
            moved.rename(path)
        self.assert_sound()

    def test_no_finding_hides_another(self) -> None:
        put_file(self.pack, "tile/0/000.p/2", bytes(64))
        put_file(self.pack, "files", b"1\n")
        put_file(self.pack, "tile/0/000.p/1", bytes(32))
        put_file(self.pack, "checkpoint", b"none")
        self.assert_codes("pack.tile", "pack.files", "pack.stranger", "head.disagrees")

    def test_files_that_the_layout_does_not_have(self) -> None:
        others = ("remark.txt", "tile/8/000.p/1", "tile/0/x000/000.p/2", "tile/0/000.p/1", "files.new", "cosigned/02")
        for path in others:
            put_file(self.pack, path, bytes(32))
        report = self.verify()
        self.assertEqual((report["verdict"], len(report["findings"])), ("sound", len(others)))
        self.assert_codes("pack.stranger")

    def test_another_trust_root(self) -> None:
        self.trust.write_text(trust_root(ledger_id="00" * 32))
        self.assert_codes("trust.ledger_id")
        self.trust.write_text(trust_root(log_key=vkey(NEW_LOG)))
        self.assert_codes("trust.log_key", "checkpoint.signature", "head.disagrees")
        self.trust.write_text(trust_root(latest_log_key=vkey(NEW_LOG)))
        self.assert_codes("trust.latest_log_key")

    def test_a_trust_root_that_is_none(self) -> None:
        for text in ("", trust_root(extra="x"), trust_root(ledger_id="00"), trust_root(log_key=vkey(OLD_LOG)[:-1])):
            self.trust.write_text(text)
            self.assertRaises(notes.BadTrustRoot, self.verify)

    def test_a_trust_root_with_a_quorum(self) -> None:
        witness = '[[witness]]\nname = "auditor"\nkey = "not looked at"\n'
        self.trust.write_text(trust_root(quorum="auditor") + witness)
        self.assertEqual(self.verify()["verdict"], "sound")
        self.assert_codes("trust.quorum")

    def test_cosigned_notes(self) -> None:
        note = (self.pack / "checkpoint").read_bytes()
        witness = signature_line("witness.example", b"abcd", bytes(72))
        put_file(self.pack, "cosigned/2", note + witness)
        self.assert_sound()
        for other in (checkpoint(2, bytes(32), [OLD_LOG]) + witness, checkpoint(2, bytes(32), [NEW_LOG]), b"none"):
            put_file(self.pack, "cosigned/2", other)
            self.assertEqual(self.verify()["verdict"], "sound")
            self.assert_codes("cosigned.unfit")

    def test_an_attachment_that_nobody_cites(self) -> None:
        put_file(self.pack, attachment_path(b"evidence"), b"Evidence")
        self.assertEqual(self.verify()["verdict"], "sound")
        self.assert_codes("pack.stranger")

    def test_events(self) -> None:
        target = self.scratch / "events"
        self.assertEqual(self.exit_of(self.pack, "--events", str(target)), 0)
        lines = [json.loads(line) for line in target.read_text("utf-8").splitlines()]
        self.assertEqual([line["index"] for line in lines], [0, 1])
        self.assertEqual(lines[1]["event"], decode.decode_event(NOTE_EVENT))
        self.assertEqual(lines[1]["signers"], [public(AUTHOR).hex()])
        self.assertEqual(lines[0]["leaf_hash"], leaf_hash(CREATION).hex())

    def test_exits(self) -> None:
        self.assertEqual(self.exit_of(self.pack), 0)
        put_file(self.pack, "files", b"1\n")
        self.assertEqual(self.exit_of(self.pack), 1)
        self.assertEqual(self.exit_of(self.scratch / "nothing"), 2)
        self.assertEqual(self.exit_of(self.scratch), 2)


class LongerPacks(PackTest):
    def setUp(self) -> None:
        super().setUp()
        self.log = Log()

    def write(self) -> None:
        write_pack(self.pack, self.log)

    def add_notes(self, count: int) -> None:
        for _ in range(count):
            self.log.add(note_event(len(self.log.entries)))

    def finish(self) -> None:
        self.log.publish()
        self.write()

    def test_many_entries_in_many_batches(self) -> None:
        for _ in range(300):
            self.add_notes(2)
            self.log.publish()
        self.write()
        report = self.assert_sound()
        self.assertEqual((report["size"], report["entries"], report["signatures"]), (601, 601, 602))
        put_file(self.pack, "files", b"0\n3\n5\n")
        self.assert_sound()
        for wrong in (b"0\n4\n", b"0\n3", b"0\n03\n", b"3\n", b"0\n5\n3\n", b""):
            put_file(self.pack, "files", wrong)
            self.assert_codes("pack.files")

    def test_a_pack_that_was_being_brought_up_to_more(self) -> None:
        self.add_notes(2)
        self.finish()
        (self.pack / "checkpoint").rename(self.scratch / "checkpoint")
        self.add_notes(2)
        self.finish()
        put_file(self.pack, "files", b"0\n3\n")
        (self.scratch / "checkpoint").rename(self.pack / "checkpoint")
        report = self.verify()
        self.assertEqual((report["verdict"], report["size"]), ("sound", 3))
        self.assert_codes("pack.stranger")

    def test_notes_that_are_missing_or_out_of_order(self) -> None:
        for _ in range(3):
            self.add_notes(2)
            self.log.publish()
        self.write()
        whole = (self.pack / "batches/000.p/3").read_bytes()
        rows = [struct.pack(">I", len(note)) + note for note in packs.cut_notes(whole, 3)]
        for order in ((1, 0, 2), (0, 0, 1, 2), (0, 1), (2, 1)):
            (self.pack / "batches/000.p/3").unlink()
            put_file(self.pack, "batches/000.p/3", b"".join(rows[place] for place in order))
            self.assertIn("pack.batches", self.codes())

    def test_attachments(self) -> None:
        self.log.add(unhex(VECTORS / "events" / "note.added.hex"))
        self.finish()
        path = attachment_path(b"report")
        put_file(self.pack, path, b"report")
        self.assert_sound()
        put_file(self.pack, path, b"Report")
        self.assert_codes("attachment.damaged")
        (self.pack / path).unlink()
        (self.pack / path).symlink_to("/etc/passwd")
        self.assert_codes("pack.link")

    def test_what_is_missing_in_the_middle(self) -> None:
        self.add_notes(600)
        self.finish()
        (self.pack / "tile/entries/001").unlink()
        (self.pack / "tile/0/000").unlink()
        self.assert_codes("log.unread", "pack.entries", "pack.tile")
        put_file(self.pack, "tile/0/002.p/89", bytes(32))
        self.assert_codes("log.unread", "pack.entries", "pack.tile")
        (self.pack / "tile/entries/001").write_bytes(b"")
        self.assert_codes("log.unread", "pack.entries", "pack.tile")

    def test_what_is_missing_at_the_end(self) -> None:
        self.add_notes(600)
        self.finish()
        (self.pack / "tile/entries/002.p/89").unlink()
        self.assert_codes("log.shorter_than_head", "pack.entries")

    def test_an_entry_that_stands_elsewhere(self) -> None:
        self.log.put(entry_of(7, bytes(32), note_event(1)))
        self.finish()
        self.assert_codes("entry.index", "entry.previous")

    def test_time_that_goes_back(self) -> None:
        for later in (5, 3, 4):
            self.log.add(note_event(later), later=later)
        self.finish()
        report = self.verify()
        self.assertEqual(report["verdict"], "violation")
        self.assertEqual([(row["code"], row["index"]) for row in report["findings"]], [("time.decreases", 2)])

    def test_what_another_ledgers_author_signed(self) -> None:
        self.log.add(patched(note_event(1), LEDGER_ID, bytes(32)))
        event = note_event(2)
        self.log.add(event, signatures=[(public(OLD_LOG), OLD_LOG.sign(decode.signed_bytes(event)).signature)])
        self.finish()
        self.assert_codes("rule.foreign_ledger", "rule.proposer_not_signed")

    def test_what_nobody_signed_says_nothing(self) -> None:
        for event in (rotation_event(0), patched(note_event(1), LEDGER_ID, bytes(32))):
            self.log.add(event, signatures=[(public(AUTHOR), OLD_LOG.sign(b"").signature)])
        self.finish()
        self.assert_codes("signature.author")

    def test_what_a_newer_version_wrote(self) -> None:
        self.log.add(patched(note_event(1), BODY, struct.pack("<I", 18)))
        self.log.add(patched(note_event(2), 0, struct.pack("<I", 2)))
        self.finish()
        self.assertEqual(self.verify()["verdict"], "cannot_tell")
        self.assert_codes("event.newer")
        self.assertEqual(self.exit_of(self.pack), 5)

    def test_a_newer_entry(self) -> None:
        self.log.put(patched(SECOND, 0, struct.pack("<I", 2)))
        self.log.add(note_event(2))
        self.finish()
        self.assert_codes("entry.newer")

    def test_a_signature_with_a_torsion_part(self) -> None:
        event = note_event(1)
        self.log.add(event, signatures=[(public(AUTHOR), odd_signature(1, decode.signed_bytes(event)))])
        self.finish()
        report = self.assert_sound()
        self.assertEqual(report["not_strict"], [{"index": 1, "key": public(AUTHOR).hex()}])

    def test_a_key_under_which_anybody_signs(self) -> None:
        event = patched(note_event(1), EVENT_ID + 16, curve.encode_point(curve.IDENTITY))
        forged = (curve.encode_point(curve.IDENTITY), curve.encode_point(curve.IDENTITY) + bytes(32))
        self.log.add(event, signatures=[forged])
        self.finish()
        self.assert_codes("key.unfit")

    def rotate(self, event: bytes, *boundary: SigningKey) -> None:
        self.log.publish()
        self.log.add(event)
        self.log.publish(*boundary)
        self.add_notes(2)
        self.log.publish(NEW_LOG)
        self.write()

    def test_a_routine_rotation(self) -> None:
        self.rotate(rotation_event(0), OLD_LOG, NEW_LOG)
        self.assertTrue(self.assert_sound()["anchored"])

    def test_a_routine_rotation_with_the_wrong_signatures(self) -> None:
        self.rotate(rotation_event(0), NEW_LOG, OLD_LOG)
        self.assert_codes("checkpoint.not_canonical")
        self.log.batches[1] = (2, [NEW_LOG])
        self.write()
        self.assert_codes("checkpoint.signature")
        self.log.batches[1:] = [(2, [OLD_LOG, NEW_LOG]), (4, [OLD_LOG])]
        self.write()
        self.assert_codes("checkpoint.signature", "head.disagrees")

    def test_a_lost_log_key(self) -> None:
        self.rotate(rotation_event(1), NEW_LOG)
        self.assertFalse(self.assert_sound()["anchored"])
        self.assertEqual(self.exit_of(self.pack), 4)
        self.trust.write_text(trust_root(latest_log_key=vkey(NEW_LOG)))
        self.assertTrue(self.assert_sound()["anchored"])
        self.log.batches[1] = (2, [OLD_LOG, NEW_LOG])
        self.write()
        self.assert_codes("checkpoint.extra_signature")

    def test_a_compromised_log_key(self) -> None:
        self.rotate(rotation_event(2, 2), NEW_LOG)
        self.assertFalse(self.assert_sound()["anchored"])

    def test_a_rotation_that_shares_its_batch(self) -> None:
        self.log.publish()
        self.log.add(rotation_event(0))
        self.add_notes(1)
        self.log.publish(OLD_LOG, NEW_LOG)
        self.write()
        self.assert_codes("log_key.boundary")

    def test_two_rotations_in_one_batch(self) -> None:
        again = patched(rotation_event(0), BODY + 4, public(NEW_LOG) + public(AUTHOR))
        again = patched(again, EVENT_ID, bytes(16))
        for signers, events in (
            ([OLD_LOG, NEW_LOG, AUTHOR], (rotation_event(0), again)),
            ([NEW_LOG, AUTHOR], (rotation_event(1), again)),
            ([AUTHOR], (rotation_event(0), patched(again, CAUSE, struct.pack("<I", 1)))),
        ):
            self.log = Log()
            self.log.publish()
            for event in events:
                self.log.add(event)
            self.log.publish(*signers)
            self.write()
            self.assert_codes("log_key.boundary")

    def test_a_batch_too_large_for_a_frame(self) -> None:
        self.add_notes(4_097)
        self.finish()
        self.assert_codes("pack.batches")


def odd_signature(seed: int, message: bytes) -> bytes:
    """A signature whose R has a part of order eight: only the key's owner can make one."""
    key = public(SigningKey(bytes([seed]) * 32))
    secret = int.from_bytes(hashlib.sha512(bytes([seed]) * 32).digest()[:32], "little") & (1 << 254) - 8 | 1 << 254
    r = curve.encode_point(curve.add(curve.multiply(12_345, curve.BASE), point_of_order_eight()))
    k = int.from_bytes(hashlib.sha512(r + key + message).digest(), "little")
    return r + ((12_345 + k * secret) % curve.ORDER).to_bytes(32, "little")


def point_of_order_eight() -> curve.Point:
    for y in range(2, 1_000):
        point = curve.decode_point(y.to_bytes(32, "little"))
        torsion = curve.multiply(curve.ORDER, point) if point else curve.IDENTITY
        if not curve.is_identity(curve.double(curve.double(torsion))):
            return torsion
    raise AssertionError("no such point")


class TheCurve(unittest.TestCase):
    def test_points_of_small_order_are_unfit_keys(self) -> None:
        point = curve.IDENTITY
        for _ in range(8):
            point = curve.add(point, point_of_order_eight())
            self.assertFalse(curve.key_is_fit(curve.encode_point(point)))
        self.assertTrue(curve.is_identity(point))

    def test_keys_with_a_torsion_part_are_unfit(self) -> None:
        point = curve.decode_point(public(AUTHOR))
        assert point is not None
        self.assertTrue(curve.key_is_fit(public(AUTHOR)))
        self.assertFalse(curve.key_is_fit(curve.encode_point(curve.add(point, point_of_order_eight()))))

    def test_encodings_that_are_not_canonical(self) -> None:
        for number in (curve.P, curve.P + 1, 2**255 - 1, 1 | 1 << 255):
            self.assertIsNone(curve.decode_point(number.to_bytes(32, "little")))

    def test_by_hand_and_by_libsodium(self) -> None:
        signature = AUTHOR.sign(b"x").signature
        s = int.from_bytes(signature[32:], "little")
        larger = signature[:32] + (s + curve.ORDER).to_bytes(32, "little")
        small_r = curve.encode_point(curve.IDENTITY) + signature[32:]
        for check in (curve.audit, curve.by_hand):
            self.assertIs(check(public(AUTHOR), b"x", signature), curve.Outcome.STRICT)
            self.assertIs(check(public(AUTHOR), b"x", odd_signature(1, b"x")), curve.Outcome.NOT_STRICT)
            for bad in (larger, small_r, bytes(64)):
                self.assertIs(check(public(AUTHOR), b"x", bad), curve.Outcome.BAD_SIGNATURE)


class Refused(unittest.TestCase):
    """Bytes that are the encoding of nothing, beside what the self-test refuses."""

    def event(self, name: str) -> bytes:
        return unhex(VECTORS / "events" / f"{name}.hex")

    def assert_malformed(self, data: bytes) -> None:
        self.assertRaises(decode.Malformed, decode.decode_event, data)

    def read(self, read: decode.Read, data: bytes) -> Any:
        return read(decode.Reader(data))

    def test_lists_out_of_order_or_with_doubles(self) -> None:
        data = self.event("key.granted")
        roles = struct.pack("<QII", 2, 3, 5)
        for other in ((5, 3), (3, 3)):
            self.assert_malformed(data.replace(roles, struct.pack("<QII", 2, *other)))
        for newer in ((3, 7), (3, 3, 7)):
            other = struct.pack(f"<Q{len(newer)}I", len(newer), *newer)
            self.assertRaises(decode.Newer, decode.decode_event, data.replace(roles, other))

    def test_format_zero(self) -> None:
        self.assert_malformed(patched(NOTE_EVENT, 0, bytes(4)))
        self.assertRaises(decode.Malformed, decode.decode_entry, patched(SECOND, 0, bytes(4)))

    def test_numbers(self) -> None:
        for value in (float("nan"), float("inf"), float("-inf"), -0.0):
            self.assertRaises(decode.Malformed, self.read, decode.number, struct.pack("<d", value))

    def test_times(self) -> None:
        latest = struct.pack("<q", decode.LATEST_TIME)
        self.assertEqual(self.read(decode.time, latest), "9999-12-30T22:00:00.000Z")
        for value in (-1, decode.LATEST_TIME + 1):
            self.assertRaises(decode.Malformed, self.read, decode.time, struct.pack("<q", value))

    def test_texts(self) -> None:
        def sized(data: bytes) -> bytes:
            return struct.pack("<Q", len(data)) + data

        for data in (b"", b"a" * 257, b"\xff", b"\xed\xa0\x80", "\u202e".encode(), b"\n", "\u0085".encode()):
            self.assertRaises(decode.Malformed, self.read, decode.name, sized(data))
        for data in (b"", b"a\rb", b"a" * 8_193):
            self.assertRaises(decode.Malformed, self.read, decode.text, sized(data))
        for data in (b"A", b"a/b", b"a" * 65):
            self.assertRaises(decode.Malformed, self.read, decode.environment, sized(data))

    def test_notes(self) -> None:
        good = (VECTORS / "checkpoints" / "2.note").read_bytes()
        for other in (
            good.replace(b"\n2\n", b"\n02\n"), good.replace(b"\n\n", b"\nmore\n\n"), good.replace(b"\n", b"\r\n"),
            good[:-1], good.replace(b"GL5k=", b"GL5l="), good.split(b"\n\n")[0] + b"\n\n", b"\n" + good,
        ):  # fmt: skip
            self.assertRaises(notes.NotCanonical, notes.parse_note, other)


if __name__ == "__main__":
    unittest.main()
