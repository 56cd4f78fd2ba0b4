"""A town's clock for a lab that shares none: starts at a given instant and runs at a given speed."""

from __future__ import annotations

import asyncio
import time


class OwnClock:
    """Town time from the wall's monotonic clock. ``speed`` town seconds in a second of the wall, 0 = stopped."""

    def __init__(self, *, start_s: float, speed: float) -> None:
        self._start_s = start_s
        self._speed = speed
        self._began_s = time.monotonic()

    def now(self) -> float:
        """Epoch seconds UTC in the town."""
        return self._start_s + (time.monotonic() - self._began_s) * self._speed

    async def sleep_until(self, instant_s: float) -> None:
        """Return when the town has reached ``instant_s``; a stopped clock reaches nothing."""
        while (remaining_s := instant_s - self.now()) > 0:  # noqa: ASYNC110 (a clock has no event to wait for)
            await asyncio.sleep(remaining_s / self._speed if self._speed > 0 else 1.0)
