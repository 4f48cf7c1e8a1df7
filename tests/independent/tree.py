"""RFC 6962's tree over a log, grown leaf by leaf, and the tiles of C2SP tlog-tiles that it gives."""

from __future__ import annotations

import hashlib

TILE_WIDTH = 256
TILE_HEIGHT = 8


def leaf_hash(entry: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """Holds the roots of the full subtrees, and the unfinished tile of each level: a few kilobytes."""

    def __init__(self) -> None:
        self.size = 0
        self.subtrees: list[bytes] = []
        self.tiles: dict[int, list[bytes]] = {}

    def append(self, leaf: bytes) -> list[tuple[int, int, bytes]]:
        """Adds a leaf. Gives the tiles that it completes: level, number and bytes."""
        done = self.put_in_tile(0, leaf)
        node, height, rest = leaf, 0, self.size
        while rest & 1:
            node, height, rest = node_hash(self.subtrees.pop(), node), height + 1, rest >> 1
            if height % TILE_HEIGHT == 0:
                done += self.put_in_tile(height // TILE_HEIGHT, node)
        self.subtrees.append(node)
        self.size += 1
        return done

    def put_in_tile(self, level: int, node: bytes) -> list[tuple[int, int, bytes]]:
        tile = self.tiles.setdefault(level, [])
        tile.append(node)
        if len(tile) < TILE_WIDTH:
            return []
        self.tiles[level] = []
        return [(level, self.size >> (TILE_HEIGHT * (level + 1)), b"".join(tile))]

    def partial_tiles(self) -> list[tuple[int, int, bytes]]:
        """The unfinished tiles: level, number and bytes."""
        return [
            (level, self.size >> (TILE_HEIGHT * (level + 1)), b"".join(tile))
            for level, tile in self.tiles.items()
            if tile
        ]

    def root(self) -> bytes:
        if not self.subtrees:
            return hashlib.sha256(b"").digest()
        node = self.subtrees[-1]
        for left in reversed(self.subtrees[:-1]):
            node = node_hash(left, node)
        return node
