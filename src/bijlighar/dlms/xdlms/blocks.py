"""Blocks of one service: the datablocks of SET, the pblocks of ACTION, and the joining of any pieces."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct

from bijlighar.dlms.axdr import decode_from, encode_length, read_length
from bijlighar.dlms.errors import LocalProtocolError, Malformed, StaleReply, TooLarge, Truncated
from bijlighar.dlms.limits import MAX_BLOCKS, MAX_REFERENCES, MAX_VALUE_OCTETS

BLOCK_HEAD_OCTETS = 8
"""Octets of a block's head at most: last, number (4), length (3)."""
_HEAD = Struct(">BI")
_NUMBER = Struct(">I")


@dataclass(slots=True)
class Piece:
    """One block. ``number`` from 1."""

    last: bool
    number: int
    octets: bytes

    def encode(self) -> bytes:
        """The octets."""
        return _HEAD.pack(self.last, self.number) + encode_length(len(self.octets)) + self.octets


def decode_piece(apdu: bytes, offset: int) -> Piece:
    """The block that fills ``apdu`` from ``offset``. Raises Truncated, TooLarge."""
    if len(apdu) < offset + _HEAD.size + 1:
        raise Truncated("a block ends within its head")
    last, number = _HEAD.unpack_from(apdu, offset)
    length, offset = read_length(apdu, offset + _HEAD.size)
    held = len(apdu) - offset
    if length != held:
        raise (Truncated if length > held else TooLarge)(f"a block announces {length} octets and has {held}")
    return Piece(bool(last), number, apdu[offset:])


def decode_number(apdu: bytes) -> int:
    """The block number that stands alone behind the invoke-id. Raises Truncated."""
    if len(apdu) != 3 + _NUMBER.size:
        raise Truncated(f"a block's acknowledgement has 7 octets, not {len(apdu)}")
    number: int = _NUMBER.unpack_from(apdu, 3)[0]
    return number


def parts_of(octets: bytes, first_octets: int, other_octets: int) -> Iterator[Piece]:
    """``octets`` in blocks: the first holds ``first_octets``, the others ``other_octets``.

    Raises LocalProtocolError when that is nothing.
    """
    if first_octets < 1 or other_octets < 1:
        raise LocalProtocolError(f"nothing goes in blocks of {first_octets} and {other_octets} octets")
    number, offset, end = 1, 0, first_octets
    while end < len(octets):
        yield Piece(last=False, number=number, octets=octets[offset:end])
        number, offset, end = number + 1, end, end + other_octets
    yield Piece(last=True, number=number, octets=octets[offset:])


class Gathering:
    """One value from its blocks. ``number`` of the last that came, 0 = none."""

    __slots__ = ("_pieces", "_size", "number")

    def __init__(self) -> None:
        self.number = 0
        self._pieces: list[bytes] = []
        self._size = 0

    @classmethod
    def of(cls, pieces: list[bytes]) -> Gathering:
        """With the first blocks already there."""
        gathering = cls()
        for number, piece in enumerate(pieces, 1):
            gathering.add(number, piece, last=False)
        return gathering

    def add(self, number: int, octets: bytes, last: bool) -> bytes | None:
        """The value when it is whole. Raises StaleReply, TooLarge, Malformed."""
        if number != self.number + 1:
            raise StaleReply(f"block {number}, {self.number + 1} was due")
        self.number = number
        self._pieces.append(octets)
        self._size += len(octets)
        if self._size > MAX_VALUE_OCTETS or number > MAX_BLOCKS:
            raise TooLarge(f"a value of {self._size} octets in {number} blocks and more to come")
        if last:
            return b"".join(self._pieces)
        if not octets:
            raise Malformed("a block without octets that is not the last")
        return None


def read_count(octets: bytes, offset: int) -> tuple[int, int]:
    """A count of what a list holds, and the offset behind it. Raises Malformed, TooLarge, Truncated."""
    count, offset = read_length(octets, offset)
    if count > MAX_REFERENCES:
        raise TooLarge(f"a list of {count}, at most {MAX_REFERENCES} are taken")
    if not count:
        raise Malformed("a list of nothing")
    return count, offset


def check_count(count: int) -> None:
    """Raise LocalProtocolError unless a list of so many may be sent."""
    if not 1 <= count <= MAX_REFERENCES:
        raise LocalProtocolError(f"a list of {count}, possible are 1 to {MAX_REFERENCES}")


def split_values(octets: bytes, offset: int, count: int) -> tuple[list[bytes], int]:
    """``count`` A-XDR values in a row, raw, and the offset behind them. Raises RemoteProtocolError."""
    values = []
    for _ in range(count):
        end = decode_from(octets, offset)[1]
        values.append(octets[offset:end])
        offset = end
    return values, offset
