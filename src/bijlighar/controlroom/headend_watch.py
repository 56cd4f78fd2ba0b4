"""What the head-ends last said of themselves over the feed: alive, how late their reading is, their alarms."""

from __future__ import annotations

import msgspec

ALIVE_WITHIN_S = 15.0
"""Wall seconds. A head-end speaks every second or so; this leaves room for a long landing."""
FORGOTTEN_AFTER_S = 3_600.0
"""A head-end that was taken away for good is no alarm for ever."""


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """Something the operator must see. ``since_s`` epoch seconds of the utility's clock."""

    code: str
    since_s: int
    detail: str


class HeadEndWord(msgspec.Struct, frozen=True, kw_only=True):
    """One word of a head-end, as it stands on the feed's topic ``headend``.

    ``now_s``   the utility's clock as the head-end sees it, epoch seconds
    ``lag_s``   seconds of that clock by which its oldest due read is late
    """

    id: str
    now_s: float
    lag_s: float = 0.0
    alarms: tuple[Alarm, ...] = ()


class HeadEndWatch:
    """The newest word of every head-end. ``wall_s`` is a monotonic time of the wall."""

    def __init__(self) -> None:
        self._words: dict[str, tuple[float, HeadEndWord]] = {}

    def heard(self, word: HeadEndWord, *, wall_s: float) -> None:
        """Keep a word."""
        self._words[word.id] = (wall_s, word)

    def words(self, *, wall_s: float) -> list[tuple[HeadEndWord, bool]]:
        """``(word, alive)`` by id; who was silent for FORGOTTEN_AFTER_S is left out."""
        return [
            (word, wall_s - heard_s <= ALIVE_WITHIN_S)
            for _, (heard_s, word) in sorted(self._words.items())
            if wall_s - heard_s <= FORGOTTEN_AFTER_S
        ]

    def lag_s(self, *, wall_s: float) -> float | None:
        """The worst lag of those alive; None when none is."""
        return max((word.lag_s for word, alive in self.words(wall_s=wall_s) if alive), default=None)

    def silent_for_s(self, *, wall_s: float) -> float | None:
        """Wall seconds since the last word of any head-end; None before the first."""
        return min((wall_s - heard_s for heard_s, _ in self._words.values()), default=None)

    def alarms(self, *, wall_s: float, now_s: float) -> list[Alarm]:
        """Alarms of those alive, and one for each that fell silent."""
        found: list[Alarm] = []
        for word, alive in self.words(wall_s=wall_s):
            if alive:
                found += word.alarms
            else:
                silent = Alarm(
                    code="head-end-silent",
                    since_s=int(word.now_s),
                    detail=f"head-end {word.id} has not spoken; its meters are not read",
                )
                found.append(silent)
        if not self._words:
            nobody = Alarm(code="no-head-end", since_s=int(now_s), detail="no head-end has spoken yet")
            found.append(nobody)
        return found
