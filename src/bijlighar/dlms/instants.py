"""Many date-times at once: the vectorised twin of ``clock.decode_instant``.

Only fully specified instants of the years 1970 to 2233 are converted here, by integer arithmetic; every other one
is reported as unusual and belongs to ``decode_instant``, so both always agree. Date, time of day and deviation are
looked at apart: where all buffers agree on one of them, or all rows of each buffer do, it is converted only once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bijlighar.dlms.clock import DeviationSign

FIRST_YEAR: Final = 1970
YEARS: Final = 264
"""A stamp beyond the year 2233 is surely a fault, and the table of months stays small."""

MAX_KEPT: Final = 256
"""Shared dates, times and deviations that a converter remembers, some hundred octets each."""

MAX_DEVIATION_MIN: Final = 840
"""UTC+14, the farthest civil time, as in ``clock``."""

_DATE_AT, _TIME_AT, _DEVIATION_AT = 0, 5, 9
_OPEN_DEVIATION: Final = -0x8000
_SECONDS_A_DAY: Final = 86_400
_NEVER: Final = -(1 << 62)
"""Stands for what is no month, or none of these years: stays negative with any day added."""


def _month_tables() -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """By year x 256 + month, the octets as they stand: the day before the month in seconds, and its last day."""
    day_before = np.full(YEARS * 256, _NEVER, np.int64)
    last_day = np.zeros(YEARS * 256, np.uint8)
    epoch_day = date(FIRST_YEAR, 1, 1).toordinal()
    for months in range(YEARS * 12):
        year, month = divmod(months, 12)
        first = date(FIRST_YEAR + year, month + 1, 1).toordinal()
        following = date(FIRST_YEAR + (months + 1) // 12, (months + 1) % 12 + 1, 1).toordinal()
        day_before[year * 256 + month + 1] = (first - 1 - epoch_day) * _SECONDS_A_DAY
        last_day[year * 256 + month + 1] = following - first
    return day_before, last_day


_DAY_BEFORE, _LAST_DAY = _month_tables()

Seconds = NDArray[np.int64]
Flags = NDArray[np.bool_]
Converted = tuple[Seconds, Flags | None]
"""Seconds, and which of them are unusual (None = none). Both broadcast to ``[buffer, row]``."""


@dataclass(slots=True)
class Grid:
    """Date-times that stand ``[buffer, row]`` at even distances in ``octets``, the first at ``offset``."""

    octets: bytes
    offset: int
    shape: tuple[int, int]
    strides: tuple[int, int]

    def view(self, at: int, form: str, shape: tuple[int, int] | None = None) -> NDArray[Any]:
        """The field that stands ``at`` octets into every date-time, as it is."""
        return np.ndarray(
            self.shape if shape is None else shape, form, self.octets, self.offset + at, self.strides
        )


class InstantConverter:
    """Converts date-times of one deviation sign and remembers what many buffers share; one thread at a time."""

    def __init__(self, deviation_sign: DeviationSign, default_offset_min: int) -> None:
        self._sign = deviation_sign.value
        self._default_offset_min = default_offset_min
        self._kept: dict[tuple[int, bytes], Converted] = {}

    def convert(self, grid: Grid) -> Converted:
        """Epoch seconds UTC. An unusual one means nothing: ``decode_instant`` must judge it."""
        days, strange_days = self._part(grid, _DATE_AT, "<u4", _days)
        seconds, strange_seconds = self._part(grid, _TIME_AT, "<u4", _seconds_of_day)
        offsets, strange_offsets = self._part(grid, _DEVIATION_AT, "<u2", self._offsets)
        strange: Flags | None = None
        for flags in (strange_days, strange_seconds, strange_offsets):
            if flags is not None:
                strange = flags if strange is None else strange | flags
        return days + (seconds - offsets), strange

    def _part(
        self, grid: Grid, at: int, form: str, convert: Callable[[Grid, tuple[int, int]], Converted]
    ) -> Converted:
        """One part of all date-times, converted once if all buffers, or all rows of each, agree on it."""
        buffers, rows = grid.shape
        words = grid.view(at, form)
        if buffers > 1 and np.count_nonzero(words != words[:1]):
            all_rows_agree = not np.count_nonzero(words != words[:, :1])
            return convert(grid, (buffers, 1) if all_rows_agree else grid.shape)
        key = (at, words[:1].tobytes())
        kept = self._kept.get(key)
        if kept is None:
            if len(self._kept) >= MAX_KEPT:
                self._kept.clear()
            kept = self._kept[key] = convert(grid, (1, rows))
        return kept

    def _offsets(self, grid: Grid, shape: tuple[int, int]) -> Converted:
        """Local time minus UTC."""
        offset_min = grid.view(_DEVIATION_AT, ">i2", shape).astype(np.int64)
        is_open = offset_min == _OPEN_DEVIATION
        offset_min *= self._sign
        offset_min[is_open] = self._default_offset_min
        return offset_min * 60, _or_none(np.abs(offset_min) > MAX_DEVIATION_MIN)


def _days(grid: Grid, shape: tuple[int, int]) -> Converted:
    """Midnight of the day, as if local time were UTC."""
    month = grid.view(0, ">u4", shape).astype(np.int64)
    day = month & 0xFF
    month >>= 8
    month -= FIRST_YEAR << 8
    midnight = _DAY_BEFORE.take(month, mode="clip")  # beyond both ends of the table stand no months
    strange = _or_none((day - 1).view(np.uint64) > 27)
    if strange is not None:
        strange = _or_none(strange & ((day == 0) | (day > _LAST_DAY.take(month, mode="clip"))))
    day *= _SECONDS_A_DAY
    midnight += day
    never = _or_none(midnight < 0)
    return midnight, never if strange is None else strange if never is None else strange | never


def _seconds_of_day(grid: Grid, shape: tuple[int, int]) -> Converted:
    """Seconds from local midnight."""
    seconds = grid.view(5, "u1", shape).astype(np.int64)
    minute, second = grid.view(6, "u1", shape), grid.view(7, "u1", shape)
    strange = seconds > 23
    strange |= minute > 59
    strange |= second > 59
    seconds *= 60
    seconds += minute
    seconds *= 60
    seconds += second
    return seconds, _or_none(strange)


def _or_none(flags: Flags) -> Flags | None:
    return flags if np.count_nonzero(flags) else None
