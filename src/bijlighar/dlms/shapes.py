"""Where the octets of a profile buffer stand when all its rows have the same types: what ``template`` compares.

A row shape is what one row looks like; a buffer shape is a row shape repeated, with its header. Both know which
octets are fixed (tags, lengths) and which are values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bijlighar.dlms import axdr
from bijlighar.dlms.axdr import Data, Tag
from bijlighar.dlms.clock import INSTANT_OCTETS
from bijlighar.dlms.rows import ColumnKind, RowRules

_WORD: Final = 8
_NUMBERS: Final = {
    tag: np.dtype(form)
    for tag, form in {
        Tag.BOOLEAN: "u1",
        Tag.INTEGER: "i1",
        Tag.UNSIGNED: "u1",
        Tag.ENUM: "u1",
        Tag.LONG: ">i2",
        Tag.LONG_UNSIGNED: ">u2",
        Tag.DOUBLE_LONG: ">i4",
        Tag.DOUBLE_LONG_UNSIGNED: ">u4",
        Tag.LONG64: ">i8",
        Tag.LONG64_UNSIGNED: ">u8",
        Tag.FLOAT32: ">f4",
        Tag.FLOAT64: ">f8",
    }.items()
}
_FLOATS: Final = (Tag.FLOAT32, Tag.FLOAT64)

Signature = tuple[tuple[Tag, int], ...]
"""Tag of every cell of a row, and the length of those that are octet-strings (0 for all others)."""


def signature_of(row: Data) -> Signature:
    """The signature of a row; empty when it is no structure."""
    if row.tag is not Tag.STRUCTURE or not isinstance(row.value, tuple):
        return ()
    return tuple((cell.tag, len(cell.value) if isinstance(cell.value, bytes) else 0) for cell in row.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class CellShape:
    """A value ``offset`` octets into its row. ``dtype`` of a number as it stands there; None for a date-time."""

    tag: Tag
    offset: int
    dtype: np.dtype[Any] | None
    kind: ColumnKind


@dataclass(frozen=True, slots=True, kw_only=True)
class RowShape:
    """One row: its fixed octets (0 where values stand), their mask (FF where fixed), its cells (None = null)."""

    fixed: bytes
    mask: bytes
    cells: tuple[CellShape | None, ...]

    @classmethod
    def of(cls, signature: Signature, rules: RowRules) -> RowShape | None:
        """The shape, or None when a cell has no fixed place or no numpy type: strings, lists, dates."""
        head = bytes([Tag.STRUCTURE]) + axdr.encode_length(len(signature))
        fixed, mask = bytearray(head), bytearray(b"\xff" * len(head))
        cells: list[CellShape | None] = []
        for column, (tag, length) in enumerate(signature):
            is_instant = tag is Tag.DATE_TIME or (tag is Tag.OCTET_STRING and length == INSTANT_OCTETS)
            prefix = bytes([tag]) + (bytes([length]) if tag is Tag.OCTET_STRING and is_instant else b"")
            fixed += prefix
            mask += b"\xff" * len(prefix)
            if tag is Tag.NULL_DATA:
                cells.append(None)
                continue
            cell = _cell_shape(column, tag, len(fixed), rules, is_instant=is_instant)
            if cell is None:
                return None
            size = INSTANT_OCTETS if cell.dtype is None else cell.dtype.itemsize
            cells.append(cell)
            fixed += bytes(size)
            mask += bytes(size)
        return cls(fixed=bytes(fixed), mask=bytes(mask), cells=tuple(cells))


def _cell_shape(column: int, tag: Tag, offset: int, rules: RowRules, *, is_instant: bool) -> CellShape | None:
    """The shape of a value that is not null, or None when it has no numpy type."""
    if tag is Tag.DATE_TIME or (is_instant and column in rules.instants):
        return CellShape(tag=tag, offset=offset, dtype=None, kind=ColumnKind.INSTANT)
    if tag not in _NUMBERS or column in rules.instants:
        return None
    kind = ColumnKind.FLOAT if tag in _FLOATS else ColumnKind.INTEGER
    return CellShape(tag=tag, offset=offset, dtype=_NUMBERS[tag], kind=kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Rows ``rows`` of every buffer share ``shape``; the first of them begins at octet ``start``."""

    shape: RowShape
    rows: slice
    start: int

    @property
    def count(self) -> int:
        """How many rows there are in every buffer."""
        return int(self.rows.stop - self.rows.start)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tiles:
    """A buffer's mask and fixed octets repeated over many buffers, and room to compare with them."""

    mask: NDArray[np.uint64]
    fixed: NDArray[np.uint64]
    seen: NDArray[np.uint64]
    differs: NDArray[np.bool_]


@dataclass(slots=True, kw_only=True)
class BufferShape:
    """A buffer of ``length`` octets and ``rows`` rows."""

    length: int
    rows: int
    parts: tuple[Part, ...]
    fixed: bytes
    mask: bytes
    _tiles: _Tiles | None = None

    @classmethod
    def of(cls, length: int, first: RowShape, rest: RowShape) -> BufferShape | None:
        """The shape of a buffer of ``length`` octets, or None when no number of rows has that length."""
        for count_octets in range(1, 5):
            rows, left_over = divmod(length - 1 - count_octets - len(first.fixed), len(rest.fixed))
            rows += 1
            if left_over or rows < 1 or len(axdr.encode_length(rows)) != count_octets:
                continue
            header = bytes([Tag.ARRAY]) + axdr.encode_length(rows)
            behind_first = len(header) + len(first.fixed)
            parts = [Part(shape=first, rows=slice(0, rows), start=len(header))]
            if first is not rest:
                parts = [
                    Part(shape=first, rows=slice(0, 1), start=len(header)),
                    Part(shape=rest, rows=slice(1, rows), start=behind_first),
                ]
            return cls(
                length=length,
                rows=rows,
                parts=tuple(parts),
                fixed=header + first.fixed + rest.fixed * (rows - 1),
                mask=b"\xff" * len(header) + first.mask + rest.mask * (rows - 1),
            )
        return None

    def join(self, buffers: list[bytes]) -> bytes:
        """The buffers one behind the other, filled up to whole words with fixed octets."""
        padding = -len(buffers) * self.length % _WORD
        return b"".join([*buffers, (self.fixed * _WORD)[:padding]])

    def matches(self, joined: bytes) -> bool:
        """Whether every fixed octet is as learnt."""
        words = len(joined) // _WORD
        tiles = self._tiles_of(words)
        seen, differs = tiles.seen[:words], tiles.differs[:words]
        np.bitwise_and(np.frombuffer(joined, np.uint64, words), tiles.mask[:words], out=seen)
        np.not_equal(seen, tiles.fixed[:words], out=differs)
        return not np.count_nonzero(differs)

    def differing(self, joined: bytes, buffers: int) -> NDArray[np.bool_]:
        """Which buffers differ in a fixed octet: bool ``[buffer]``."""
        octets = np.frombuffer(joined, np.uint8, buffers * self.length).reshape(buffers, self.length)
        different = (octets & np.frombuffer(self.mask, np.uint8)) != np.frombuffer(self.fixed, np.uint8)
        result: NDArray[np.bool_] = different.any(axis=1)
        return result

    def _tiles_of(self, words: int) -> _Tiles:
        """Tiles of at least ``words``."""
        tiles = self._tiles
        if tiles is None or len(tiles.mask) < words:
            size = words * _WORD
            copies = size // self.length + 1
            tiles = self._tiles = _Tiles(
                mask=np.frombuffer((self.mask * copies)[:size], np.uint64),
                fixed=np.frombuffer((self.fixed * copies)[:size], np.uint64),
                seen=np.empty(words, np.uint64),
                differs=np.empty(words, np.bool_),
            )
        return tiles
