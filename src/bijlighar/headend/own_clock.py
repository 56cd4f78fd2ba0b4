"""Whether our own clock can be believed: the meters outvote it.

A server whose clock has jumped would find every meter's clock wrong, and set it wrong. Meters' clocks are off one
by one and in both directions; when the last of them are off together it is ours that is wrong, and none is set
until they agree with it again.
"""

from __future__ import annotations

from collections import OrderedDict
from statistics import median

from bijlighar.headend.alarms import Alarms

VOTERS = 25
"""Meters whose last offset counts, the newest: few enough that a wrong clock shows within seconds of a city."""
QUORUM = 5
"""With fewer meters nobody can say whose clock is wrong."""
JUMP_S = 5.0
"""A machine's clock that moved by this much more or less than the time that passed was set, not slewed."""


class OwnClock:
    """``doubt_s``: the offset in common from which our own clock is doubted; below it no meter would be set."""

    def __init__(self, alarms: Alarms, *, doubt_s: float) -> None:
        self._alarms = alarms
        self._doubt_ms = doubt_s * 1000
        self._offsets_ms: OrderedDict[int, int] = OrderedDict()
        self._far = 0
        self._seen: tuple[float, float] | None = None
        self._jumped_s: float | None = None
        self.jumps = 0
        """How often the machine's clock was set while we looked."""

    @property
    def is_trusted(self) -> bool:
        """Whether meters may be set by our clock."""
        return self._jumped_s is None and not self._is_outvoted()

    def look(self, now_s: float, steady_s: float, meters: int) -> None:
        """Compare the machine's clock with the time that passed. ``meters``: how many may say that it is right."""
        if self._seen is not None:
            moved_s = (now_s - self._seen[0]) - (steady_s - self._seen[1])
            if abs(moved_s) > JUMP_S:
                self._jumped_s = (self._jumped_s or 0.0) + moved_s
                self.jumps += 1
                self._offsets_ms.clear()
                self._far = 0
        self._seen = (now_s, steady_s)
        if self._jumped_s is not None and len(self._offsets_ms) >= min(QUORUM, meters) and not self._is_outvoted():
            self._jumped_s = None
        self._tell()

    def heard(self, meter_id: int, offset_ms: int | None, jumps: int | None = None) -> None:
        """A meter's clock minus ours, when it was read; ``jumps`` as they were when its visit began.

        A visit that began before the last jump may have measured by the clock as it was, and says nothing of now.
        """
        if offset_ms is None or (jumps is not None and jumps != self.jumps):
            return
        before_ms = self._offsets_ms.pop(meter_id, None)
        self._far -= before_ms is not None and self._is_far(before_ms)
        self._offsets_ms[meter_id] = offset_ms
        self._far += self._is_far(offset_ms)
        if len(self._offsets_ms) > VOTERS:
            self._far -= self._is_far(self._offsets_ms.popitem(last=False)[1])
        self._tell()

    def _is_far(self, offset_ms: int) -> bool:
        return abs(offset_ms) >= self._doubt_ms

    def _is_outvoted(self) -> bool:
        """The median is far off only when half of them are, which hardly ever needs sorting."""
        count = len(self._offsets_ms)
        if count < QUORUM or 2 * self._far < count:
            return False
        return abs(median(self._offsets_ms.values())) >= self._doubt_ms

    def _tell(self) -> None:
        if self._is_outvoted():
            off_s = median(self._offsets_ms.values()) / 1000
            told = f"most meters' clocks are {off_s:+.0f} s off: it is rather this machine's; none is set"
        elif self._jumped_s is not None:
            told = f"this machine's clock was set by {self._jumped_s:+.0f} s; no meter is set before some agree"
        else:
            self._alarms.set("clock-doubtful", None)
            return
        self._alarms.set("clock-doubtful", told)
