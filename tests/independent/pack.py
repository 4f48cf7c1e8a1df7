"""Reads an evidence pack's files: docs/format.md, "Evidence pack". Strictly, and never more than is allowed."""

from __future__ import annotations

import os
import re
import stat
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from notes import MAX_NOTE, NotCanonical, decimal
from tree import TILE_WIDTH

MAX_PATHS = 4_000_000
MAX_DEPTH = 12
MAX_LEVELS = 8
NUMBER = r"((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?"
SERIES = re.compile(rf"(?:tile/([0-9]{{1,2}}|entries)|batches)/{NUMBER}")
COSIGNED = re.compile("cosigned/([0-9]{1,20})")
ATTACHMENT = re.compile("attachments/sha256/([0-9a-f]{2})/([0-9a-f]{62})")
SINGLE_FILES = frozenset(("checkpoint", "files", "trust.toml", "tlog-policy", "README.md"))


class Unreadable(Exception):
    """Nothing here can be judged: no pack, or files that cannot be read."""


class Damaged(Exception):
    """A file's bytes are not cut as they have to be. Holds what came before the damage."""

    def __init__(self, why: str, parts: list[bytes]) -> None:
        super().__init__(why)
        self.parts = parts


@dataclass
class Pack:
    """What stands where. A series is `0`, `1` … for levels of tiles, `entries`, or `batches`."""

    root: Path
    series: dict[str, dict[tuple[int, int], str]] = field(default_factory=lambda: defaultdict(dict))
    """For each series: number and width to path."""
    cosigned: dict[int, str] = field(default_factory=dict)
    attachments: dict[str, str] = field(default_factory=dict)
    singles: set[str] = field(default_factory=set)
    strangers: list[str] = field(default_factory=list)
    """Files that the layout does not name."""
    links: list[str] = field(default_factory=list)
    """Symbolic links among the attachments."""

    def read(self, path: str, most: int) -> bytes:
        """A file's bytes, one more than `most` at most."""
        with open(self.root / path, "rb") as file:
            return file.read(most + 1)


def open_pack(root: Path) -> Pack:
    if not root.is_dir():
        raise Unreadable("there is no such directory")
    pack = Pack(root)
    for count, (path, is_file) in enumerate(walk(str(root), "", 0)):
        if count >= MAX_PATHS:
            raise Unreadable(f"more than {MAX_PATHS} files")
        if not is_file and os.path.islink(root / path) and (path + "/").startswith("attachments/"):
            pack.links.append(path)
        elif not is_file or not place(pack, path):
            pack.strangers.append(path)
    if "checkpoint" not in pack.singles:
        raise Unreadable("this is no evidence pack: it has no `checkpoint`")
    return pack


def walk(root: str, prefix: str, depth: int) -> Iterator[tuple[str, bool]]:
    """Every file below, and whether it is a regular one. Links are not followed."""
    with os.scandir(os.path.join(root, prefix)) as rows:
        for row in sorted(rows, key=lambda row: row.name):
            path = prefix + row.name
            if row.is_dir(follow_symlinks=False) and depth < MAX_DEPTH:
                yield from walk(root, path + "/", depth + 1)
            else:
                yield path, stat.S_ISREG(row.stat(follow_symlinks=False).st_mode)


def place(pack: Pack, path: str) -> bool:
    """Puts a path where it belongs; false where the layout has no such path."""
    if path in SINGLE_FILES:
        pack.singles.add(path)
        return True
    if match := SERIES.fullmatch(path):
        return place_in_series(pack, match, path)
    if match := ATTACHMENT.fullmatch(path):
        pack.attachments[match[1] + match[2]] = path
        return True
    if match := COSIGNED.fullmatch(path):
        try:
            pack.cosigned[decimal(match[1])] = path
        except NotCanonical:
            return False
        return True
    return False


def place_in_series(pack: Pack, match: re.Match[str], path: str) -> bool:
    series = "batches" if path.startswith("batches/") else match[1]
    number = int(match[2].replace("x", "").replace("/", ""))
    width = int(match[3]) if match[3] else TILE_WIDTH
    if path_of_number(number) != match[2] or (match[3] and width >= TILE_WIDTH):
        return False
    if series.isdigit() and (str(int(series)) != series or int(series) >= MAX_LEVELS):
        return False
    pack.series[series][number, width] = path
    return True


def path_of_number(number: int) -> str:
    groups = [f"{number % 1000:03}"]
    while number := number // 1000:
        groups.insert(0, f"x{number % 1000:03}")
    return "/".join(groups)


def width_at(count: int, number: int) -> int:
    """How wide the tile or bundle of that number is, where there are so many items; 0 where there is none."""
    return max(0, min(TILE_WIDTH, count - TILE_WIDTH * number))


def sort_out(files: dict[tuple[int, int], str], count: int) -> tuple[dict[int, str], list[str]]:
    """The files that a series of so many items has, by number; and those that it has not."""
    right, wrong = {}, []
    for (number, width), path in files.items():
        if width == width_at(count, number):
            right[number] = path
        else:
            wrong.append(path)
    return dict(sorted(right.items())), wrong


def tiles_of(count: int) -> int:
    return -(-count // TILE_WIDTH)


def cut(data: bytes, count: int, length_bytes: int, most: int) -> list[bytes]:
    """Cuts so many parts, each behind its length, off a file."""
    parts: list[bytes] = []
    place = 0
    for _ in range(count):
        length = int.from_bytes(data[place : place + length_bytes], "big")
        begin = place + length_bytes
        if begin > len(data) or not 1 <= length <= most or begin + length > len(data):
            raise Damaged(f"no sound part at offset {place}", parts)
        parts.append(data[begin : begin + length])
        place = begin + length
    if place != len(data):
        raise Damaged(f"bytes are left over at offset {place}", parts)
    return parts


def cut_entries(data: bytes, count: int) -> list[bytes]:
    return cut(data, count, 2, 65_535)


def cut_notes(data: bytes, count: int) -> list[bytes]:
    return cut(data, count, 4, MAX_NOTE)


def first_notes(data: bytes, count: int) -> list[bytes]:
    """So many notes of a file, whatever comes behind them."""
    try:
        return cut_notes(data, count)
    except Damaged as error:
        return error.parts


def parse_files(data: bytes, most: int) -> list[int]:
    """The first indexes of the log's files: ascending from 0, one to a line, each line with its end."""
    if len(data) > most:
        raise NotCanonical(f"it has more than {most} bytes")
    text = data.decode("ascii", "replace")
    if not text.endswith("\n"):
        raise NotCanonical("the last line has no end")
    indexes = [decimal(line) for line in text[:-1].split("\n")]
    if indexes[0] != 0 or any(left >= right for left, right in pairwise(indexes)):
        raise NotCanonical("it does not ascend from 0")
    return indexes
