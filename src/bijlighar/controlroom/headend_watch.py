"""What the head-ends last said of themselves over the feed: alive, how late their reading is, their alarms."""

from __future__ import annotations

from bijlighar.headend.alarms import Alarm
from bijlighar.headend.service import Heartbeat

ALIVE_WITHIN_S = 15.0
"""Wall seconds. A head-end speaks every second; this leaves room for a long landing."""
FORGOTTEN_AFTER_S = 3_600.0
"""A head-end that was taken away for good is no alarm for ever."""


class HeadEndWatch:
    """The newest heartbeat of every head-end. ``wall_s`` is a monotonic time of the wall."""

    def __init__(self) -> None:
        self._beats: dict[str, tuple[float, Heartbeat]] = {}

    def heard(self, beat: Heartbeat, *, wall_s: float) -> None:
        """Keep a heartbeat."""
        self._beats[beat.owner] = (wall_s, beat)

    def beats(self, *, wall_s: float) -> list[tuple[Heartbeat, bool]]:
        """``(heartbeat, alive)`` by owner; who was silent for FORGOTTEN_AFTER_S is left out."""
        return [
            (beat, wall_s - heard_s <= ALIVE_WITHIN_S)
            for _, (heard_s, beat) in sorted(self._beats.items())
            if wall_s - heard_s <= FORGOTTEN_AFTER_S
        ]

    def lag_s(self, *, wall_s: float) -> float | None:
        """The worst lag of those alive; None when none is."""
        return max((beat.lag_s for beat, alive in self.beats(wall_s=wall_s) if alive), default=None)

    def silent_for_s(self, *, wall_s: float) -> float | None:
        """Wall seconds since the last word of any head-end; None before the first."""
        return min((wall_s - heard_s for heard_s, _ in self._beats.values()), default=None)

    def alarms(self, *, wall_s: float, now_s: float) -> list[Alarm]:
        """Alarms of those alive, and one for each that fell silent."""
        found: list[Alarm] = []
        beats = self.beats(wall_s=wall_s)
        others = any(alive for _, alive in beats)
        for beat, alive in beats:
            if alive:
                found += beat.alarms
            else:
                follows = "the others read its meters" if others else "its meters are not read"
                detail = f"head-end {beat.owner} has not spoken; {follows}"
                found.append(Alarm(code="head-end-silent", since_s=int(beat.now_s), detail=detail))
        if not self._beats:
            found.append(Alarm(code="no-head-end", since_s=int(now_s), detail="no head-end has spoken yet"))
        return found
