"""The governor of a demo's town clock: it slows the town when reading falls behind, so that nothing is skipped.

Pure: ``step`` is called about twice a second of the wall with what the head-ends report.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

SLOT_S = 1_800
"""The trial's block length. A lag beyond one slot means a whole block is due and not yet read."""
CAUGHT_UP_S = SLOT_S // 2
"""Only well below the slot the town speeds up again, so that the speed does not swing."""
SLOWEST = 1.0
"""Real time: what a head-end on real meters has to bear anyway."""
SLOWER = 0.5
FASTER = 1.25
SILENCE_S = 5.0
"""Wall seconds without a word of any head-end after which nobody can be said to read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Governor:
    """``wanted`` is the speed asked for, ``speed`` the speed now, in town seconds a wall second."""

    wanted: float
    speed: float

    def step(self, *, lag_s: float | None, silent_for_s: float) -> Governor:
        """The governor after one look.

        ``lag_s``         town seconds by which the worst head-end's oldest due read is late; None before any word
        ``silent_for_s``  wall seconds since the last word of a head-end
        """
        slowest = min(SLOWEST, self.wanted)
        if lag_s is None or silent_for_s > SILENCE_S or lag_s > SLOT_S:
            return replace(self, speed=max(slowest, self.speed * SLOWER))
        if lag_s <= CAUGHT_UP_S and self.speed < self.wanted:
            return replace(self, speed=min(self.wanted, self.speed * FASTER))
        return self
