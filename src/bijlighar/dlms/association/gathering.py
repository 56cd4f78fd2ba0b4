"""A long value on its way: blocks in their order, bounded in number and size."""

from __future__ import annotations

from bijlighar.dlms.errors import Malformed, StaleReply, TooLarge
from bijlighar.dlms.limits import MAX_BLOCKS, MAX_VALUE_OCTETS


class Gathering:
    """The pieces of one value. ``expected`` the number of the next block, from 1."""

    __slots__ = ("_pieces", "_size", "expected")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0
        self.expected = 1

    def add(self, number: int, piece: bytes, last: bool) -> None:
        """Take one block. Raises StaleReply, Malformed (no progress), TooLarge."""
        if number != self.expected:
            raise StaleReply(f"block {number}, {self.expected} was asked")
        if not piece and not last:
            raise Malformed("a block without octets that is not the last")
        self.expected = number + 1
        self._size += len(piece)
        if self._size > MAX_VALUE_OCTETS or number > MAX_BLOCKS:
            raise TooLarge(f"a value of {self._size} octets in {number} blocks and more to come")
        self._pieces.append(piece)

    def whole(self) -> bytes:
        """All pieces joined."""
        return b"".join(self._pieces)
