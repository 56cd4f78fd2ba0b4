"""Which invocation counters of pushes were seen: a window 64 wide for one sender under one key.

Pushes come late, doubled and out of order, so "above the last one" does not do for them. A counter above the
window moves it; one within it is new once; a second time the octets decide: the same ones are a duplicate, others
prove that somebody used a counter twice. Below the window nobody can tell any more, so it is refused. Only what
has been verified may be judged here, or a stranger could move the window. Whether a window outlives the process is
its keeper's business: ``to_octets`` and ``from_octets``.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, Self

from bijlighar.dlms.limits import MAX_COUNTER

WIDTH: Final = 64
"""Counters that are remembered. A meter pushes some 50 times a day, so what is 40 minutes late is well inside."""

FINGERPRINT_OCTETS: Final = 4
"""Octets kept of each push, to tell a second copy from another push under the same counter. Only a holder of the
key can bring another one, so this is no defence against forging: of such faults one in 4,000 million is missed."""

OCTETS: Final = 8 + WIDTH * FINGERPRINT_OCTETS
"""What ``to_octets`` gives: the bits of what was seen, and a fingerprint for every place."""

EMPTY: Final = -1
"""``highest`` before the first push; a meter may begin at 0."""

_ALL: Final = (1 << WIDTH) - 1
_NO_FINGERPRINTS: Final = bytes(WIDTH * FINGERPRINT_OCTETS)


class Judgement(IntEnum):
    """What a counter turned out to be."""

    NEW = 0
    DUPLICATE = 1
    REUSED = 2  # the counter was seen with other octets
    BELOW = 3  # older than the window: a replay, or too late to tell


class CounterWindow:
    """The window of one sender and key. ``highest`` is the newest counter seen, EMPTY before the first."""

    __slots__ = ("_fingerprints", "_seen", "highest")

    def __init__(self, highest: int = EMPTY, seen: int = 0, fingerprints: bytes = _NO_FINGERPRINTS) -> None:
        self.highest = highest
        self._seen = seen
        self._fingerprints = bytearray(fingerprints)

    def judge(self, counter: int, fingerprint: bytes) -> Judgement:
        """Judge a verified push and remember it when it is new. ``fingerprint``: the last 4 octets of its body.

        They are the end of its tag, which is another one for other octets under the same counter.
        """
        ahead = counter - self.highest
        place = counter % WIDTH * FINGERPRINT_OCTETS
        if ahead > 0:
            self._seen = (self._seen << ahead | 1) & _ALL if ahead < WIDTH else 1
            self.highest = counter
        elif ahead <= -WIDTH:
            return Judgement.BELOW
        else:
            bit = 1 << -ahead
            if self._seen & bit:
                known = self._fingerprints[place : place + FINGERPRINT_OCTETS]
                return Judgement.DUPLICATE if known == fingerprint else Judgement.REUSED
            self._seen |= bit
        self._fingerprints[place : place + FINGERPRINT_OCTETS] = fingerprint
        return Judgement.NEW

    def forget(self, counter: int) -> None:
        """What came under ``counter`` was lost after all: the same push is new once more, unless it is too old."""
        behind = self.highest - counter
        if 0 <= behind < WIDTH:
            self._seen &= ~(1 << behind)

    def to_octets(self) -> bytes:
        """What belongs to ``highest``, to be kept with it."""
        return self._seen.to_bytes(8, "big") + self._fingerprints

    @classmethod
    def from_octets(cls, highest: int, octets: bytes) -> Self:
        """From ``highest`` and ``to_octets``. Raises ValueError for anything else."""
        if len(octets) != OCTETS or not EMPTY <= highest <= MAX_COUNTER:
            raise ValueError(f"a window of {len(octets)} octets up to {highest} is none")
        return cls(highest, int.from_bytes(octets[:8], "big"), octets[8:])

    @classmethod
    def closed(cls, highest: int) -> Self:
        """A window that admits nothing up to ``highest``: for a keeper who has lost the rest."""
        return cls(highest, _ALL)
