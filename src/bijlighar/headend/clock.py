"""The utility's clock: the machine's own, or a town's that all processes of a demo share.

Only calendar time (slots, days, schedules, what a meter's clock is compared with) comes from here. Radio delays,
time-outs and latencies are wall-clock and use the monotonic clock of the event loop.
"""

from __future__ import annotations

import asyncio
import fcntl
import mmap
import os
import time
from pathlib import Path
from typing import Protocol, Self

_FILE_OCTETS = 32
_SEQUENCE, _ANCHOR_MONOTONIC, _ANCHOR_TOWN, _SPEED = range(4)

_READ_TRIES = 10_000
"""A writer needs microseconds; whoever finds the sequence odd this often found a writer that died."""

_LONGEST_NAP_S = 0.1
"""A sleeper of a town looks again this often, because the speed may change while it sleeps."""

_LONGEST_SYSTEM_NAP_S = 30.0
"""The machine's clock may be stepped while a sleeper waits; it looks again this often."""


class Clock(Protocol):
    """Where calendar time comes from."""

    def now(self) -> float:
        """Epoch seconds UTC."""

    async def sleep_until(self, instant_s: float) -> None:
        """Return when ``now()`` has reached ``instant_s``; at once when it lies in the past."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        """Epoch seconds UTC."""
        return time.time()

    async def sleep_until(self, instant_s: float) -> None:
        """Return when the machine's clock has reached ``instant_s``."""
        while (remaining_s := instant_s - time.time()) > 0:  # noqa: ASYNC110 (a clock has no event to wait for)
            await asyncio.sleep(min(remaining_s, _LONGEST_SYSTEM_NAP_S))


class TornClock(Exception):
    """The clock file is not whole: wrong size, or a writer died in the middle of a change."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"clock file {path}: {reason}")
        self.path = path


class TownClock:
    """A clock that runs ``speed`` times as fast as the wall, shared through a memory-mapped file of 32 octets.

    Layout, little endian: u64 sequence (odd while being written), f64 anchor in seconds of CLOCK_MONOTONIC,
    f64 anchor in seconds of the town, f64 speed. CLOCK_MONOTONIC is the same for all processes of a machine and
    starts anew at boot, so a file that outlived a reboot must be created again.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with path.open("r+b") as file:
            if os.fstat(file.fileno()).st_size != _FILE_OCTETS:
                raise TornClock(path, f"is not {_FILE_OCTETS} octets long")
            self._map = mmap.mmap(file.fileno(), _FILE_OCTETS)
        self._whole = memoryview(self._map)
        # Views write and read 8 aligned octets at once, which struct with an explicit byte order may not do.
        self._sequence = self._whole.cast("Q")
        self._numbers = self._whole.cast("d")

    @classmethod
    def create(cls, path: Path | str, *, start_s: float, speed: float) -> Self:
        """A new clock that stands at ``start_s`` now and runs at ``speed`` (0 = stopped). Replaces an old file."""
        path = Path(path)
        fresh = path.with_name(path.name + ".new")
        fresh.write_bytes(bytes(_FILE_OCTETS))
        clock = cls(fresh)
        clock._anchor(start_s, _checked(speed))
        fresh.replace(path)
        clock._path = path
        return clock

    @classmethod
    def open(cls, path: Path | str) -> Self:
        """The clock that another process created. Raises FileNotFoundError, or TornClock for a foreign file."""
        return cls(Path(path))

    def now(self) -> float:
        """Epoch seconds UTC in the town."""
        return self._read()[0]

    @property
    def speed(self) -> float:
        """Seconds of the town in one second of the wall."""
        return self._read()[1]

    def set_speed(self, speed: float) -> None:
        """Run at ``speed`` from now on, for every process; town time neither jumps nor turns back."""
        _checked(speed)
        with self._path.open("r+b") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._anchor(None, speed)

    async def sleep_until(self, instant_s: float) -> None:
        """Return when the town has reached ``instant_s``, however its speed changes meanwhile."""
        while (remaining_s := instant_s - self.now()) > 0:
            speed = self.speed
            wait_s = remaining_s / speed if speed > 0 else _LONGEST_NAP_S
            await asyncio.sleep(min(wait_s, _LONGEST_NAP_S))

    def _read(self) -> tuple[float, float]:
        """Town time and speed, both of one moment: the wall is read between two looks at the sequence."""
        for _ in range(_READ_TRIES):
            before = self._sequence[_SEQUENCE]
            town_s, speed = self._town_at(time.monotonic()), self._numbers[_SPEED]
            if before % 2 == 0 and self._sequence[_SEQUENCE] == before:
                return town_s, speed
        raise TornClock(self._path, "a change was begun and never ended")

    def _town_at(self, monotonic_s: float) -> float:
        elapsed_s = monotonic_s - self._numbers[_ANCHOR_MONOTONIC]
        return self._numbers[_ANCHOR_TOWN] + elapsed_s * self._numbers[_SPEED]

    def _anchor(self, town_s: float | None, speed: float) -> None:
        """Anchor at ``town_s``, or where the town is now. Odd first, so that nobody reads past the new anchor."""
        begun = self._sequence[_SEQUENCE] | 1
        self._sequence[_SEQUENCE] = begun
        monotonic_s = time.monotonic()
        if town_s is None:
            town_s = self._town_at(monotonic_s)
        self._numbers[_ANCHOR_MONOTONIC] = monotonic_s
        self._numbers[_ANCHOR_TOWN] = town_s
        self._numbers[_SPEED] = speed
        self._sequence[_SEQUENCE] = begun + 1


def _checked(speed: float) -> float:
    if not 0 <= speed < float("inf"):
        raise ValueError(f"a clock cannot run at speed {speed}")
    return speed
