"""Numbered I frames: what waits to be sent or acknowledged, and what came in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from bijlighar.dlms.errors import Malformed, RemoteProtocolError, TooLarge
from bijlighar.dlms.limits import MAX_FRAME_OCTETS

LLC_REQUEST, LLC_RESPONSE = b"\xe6\xe6\x00", b"\xe6\xe7\x00"
_LLC_OCTETS = 3
_MODULUS = 8


@dataclass(frozen=True, slots=True)
class Segment:
    """The information field of one I frame; ``segmented`` = more of the same message follows."""

    octets: bytes
    segmented: bool


def segments(message: bytes, size: int) -> Iterator[Segment]:
    """``message`` in fields of at most ``size`` octets."""
    for offset in range(0, len(message), size):
        yield Segment(message[offset : offset + size], offset + size < len(message))


class Sending:
    """Segments in order: first those sent and not acknowledged, then those that wait. Go-back-N."""

    __slots__ = ("_oldest", "_said", "_segments", "_sent", "window")

    def __init__(self) -> None:
        self.window = 1
        self._segments: deque[Segment] = deque()
        self._oldest = 0
        self._sent = 0
        self._said = 0

    def __len__(self) -> int:
        return len(self._segments)

    @property
    def number(self) -> int:
        """V(S), the number of the next segment."""
        return (self._oldest + self._sent) % _MODULUS

    def queue(self, message: bytes, size: int) -> None:
        """One more message."""
        self._segments.extend(segments(message, size))

    def acknowledge(self, number: int) -> None:
        """The peer expects ``number`` next. Raises RemoteProtocolError when that was not said."""
        count = (number - self._oldest) % _MODULUS
        if count > self._said:
            raise RemoteProtocolError(f"N(R) {number} acknowledges what was not sent")
        for _ in range(count):
            self._segments.popleft()
        self._oldest = number
        self._said -= count
        self._sent = max(self._sent - count, 0)

    def rewind(self) -> None:
        """Nothing arrived beyond what is acknowledged: begin there again."""
        self._sent = 0

    def batch(self) -> list[tuple[int, Segment]]:
        """What the window lets go now, with its numbers."""
        count = min(self.window, len(self._segments)) - self._sent
        going = []
        for _ in range(count):
            going.append((self.number, self._segments[self._sent]))
            self._sent += 1
        self._said = max(self._said, self._sent)
        return going


class Receiving:
    """Segments in order, joined to messages of at most ``max_octets``. ``expected`` is V(R)."""

    __slots__ = ("_max_octets", "_parts", "_size", "expected")

    def __init__(self, max_octets: int = MAX_FRAME_OCTETS) -> None:
        self.expected = 0
        self._max_octets = max_octets + _LLC_OCTETS
        self._parts: list[bytes] = []
        self._size = 0

    @property
    def incomplete(self) -> bool:
        """Whether a message has begun and not ended."""
        return bool(self._parts)

    def take(self, number: int, octets: bytes, *, segmented: bool) -> bytes | None:
        """The message that is whole now, or None; a segment out of order is passed over. Raises TooLarge."""
        if number != self.expected:
            return None
        self.expected = (number + 1) % _MODULUS
        self._parts.append(octets)
        self._size += len(octets)
        if self._size > self._max_octets or not octets:
            raise TooLarge(f"a message of {self._size} octets, or an empty segment")
        if segmented:
            return None
        message = b"".join(self._parts)
        self._parts.clear()
        self._size = 0
        return message


def without_llc(message: bytes, header: bytes) -> bytes:
    """The APDU behind the LLC ``header``. Raises Malformed."""
    if message[:_LLC_OCTETS] != header or len(message) == _LLC_OCTETS:
        raise Malformed(f"a message does not begin with {header.hex().upper()} and an APDU")
    return message[_LLC_OCTETS:]
