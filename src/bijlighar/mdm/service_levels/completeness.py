"""How much of a civil day's rows was held by each cut-off after the midnight that ends the day.

Completeness is counted per meter in expected rows (96, 48 or 24 blocks, one midnight register, three instantaneous
values) and told as the mean over meters. A row counts from its first receipt: that it was read again later takes
nothing away. A block in which the meter's own power log says that there was no supply is not expected.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bijlighar.cim.period import Period

CUT_OFF_HOURS = (*range(7, 25), 72)
"""Hours after the midnight that ends the day: each from 7 to 24, and when the backfill of three days is over."""

NOT_HELD = len(CUT_OFF_HOURS)
"""Stands for "not by the last cut-off" where the index of a cut-off is expected."""

QUARTER_S = 900
"""The shortest block of IS 15959: a longer one stands in the first of its quarters."""

INSTANTANEOUS_ROWS = 3
"""Instantaneous values expected of a day."""

_HOUR_S = 3600
_CHUNK_METERS = 16_384
"""Meters counted at once: 16,384 x 96 cells x 8 octets are 13 MB, within a processor's cache or near it."""

Places = NDArray[np.intp]


def cut_offs_s(midnight_s: int) -> NDArray[np.int64]:
    """Instants of the cut-offs, epoch seconds, for the midnight that ends a day."""
    return midnight_s + np.array(CUT_OFF_HOURS, dtype=np.int64) * _HOUR_S


class Arrivals:
    """When each expected row of a day was held first. Filled piece by piece, in any order, a piece once or more.

    ``first`` uint8[meter, slot]: index of the first cut-off by which the row was held, NOT_HELD before any;
    ``period_s`` int32[meter]: block length last told, 0 before any row. Slot k starts at ``start_s + k*slot_s``.
    """

    def __init__(self, meters: int, *, start_s: int, slot_s: int, slots: int, midnight_s: int) -> None:
        self.first: NDArray[np.uint8] = np.full((meters, slots), NOT_HELD, dtype=np.uint8)
        self.period_s: NDArray[np.int32] = np.zeros(meters, dtype=np.int32)
        self._start_s, self._slot_s = start_s, slot_s
        self._cut_offs_s = cut_offs_s(midnight_s)

    @classmethod
    def of_blocks(cls, meters: int, day: Period) -> Arrivals:
        """For rows that start within the day: block loads and instantaneous values."""
        return cls(
            meters,
            start_s=day.start_s,
            slot_s=QUARTER_S,
            slots=day.seconds // QUARTER_S,
            midnight_s=day.end_s,
        )

    @classmethod
    def of_midnight(cls, meters: int, day: Period) -> Arrivals:
        """For the one row that bears the midnight which ends the day: daily and billing registers."""
        return cls(meters, start_s=day.end_s, slot_s=1, slots=1, midnight_s=day.end_s)

    def add(
        self, meter: Places, start_s: NDArray[np.int64], received_s: NDArray[np.int64], period_s: int = 0
    ) -> None:
        """Take rows over. ``meter`` is the meter's place, -1 for one that is not counted."""
        slot = (start_s - self._start_s) // self._slot_s
        keep = np.flatnonzero((meter >= 0) & (slot >= 0) & (slot < self.first.shape[1]))
        meter, slot = meter[keep], slot[keep]
        cut_off = np.searchsorted(self._cut_offs_s, received_s[keep], side="left").astype(np.uint8)
        np.minimum.at(self.first.reshape(-1), meter * self.first.shape[1] + slot, cut_off)
        if period_s:
            self.period_s[meter] = period_s


@dataclass(frozen=True, kw_only=True)
class Completeness:
    """Rows of a day by meter.

    expected int32[meter]           rows that the meter owes; 0: nothing is expected of it
    held     int32[meter, cut-off]  of these, held by each cut-off
    """

    expected: NDArray[np.int32]
    held: NDArray[np.int32]

    @property
    def share(self) -> NDArray[np.float64]:
        """float64[meter, cut-off]: held of expected; NaN where nothing is expected."""
        owed = self.expected.astype(np.float64)
        owed[owed == 0] = np.nan
        return self.held / owed[:, None]

    def level(self, cut_off: int, meters: Places | NDArray[np.bool_] | None = None) -> float | None:
        """Mean share over the meters (of these) by a cut-off's index; None where nothing is expected."""
        expected = self.expected if meters is None else self.expected[meters]
        held = self.held[:, cut_off] if meters is None else self.held[meters, cut_off]
        counted = expected > 0
        return float((held[counted] / expected[counted]).mean()) if counted.any() else None

    def whole(self, cut_off: int) -> float | None:
        """Share of meters whose every expected row was held by a cut-off; None where nothing is expected."""
        counted = self.expected > 0
        if not counted.any():
            return None
        return float((self.held[counted, cut_off] >= self.expected[counted]).mean())

    def by_group(self, group: NDArray[np.int32], groups: int, cut_off: int) -> NDArray[np.float64]:
        """float64[group]: mean share by a cut-off; NaN for a group that owes nothing. ``group`` -1: in none."""
        counted = (self.expected > 0) & (group >= 0)
        share = self.held[counted, cut_off] / self.expected[counted]
        sums = np.bincount(group[counted], weights=share, minlength=groups)
        meters = np.bincount(group[counted], minlength=groups)
        mean: NDArray[np.float64] = np.divide(sums, meters, out=np.full(groups, np.nan), where=meters > 0)
        return mean


def of_blocks(
    arrivals: Arrivals,
    counted: NDArray[np.bool_],
    usual_s: NDArray[np.int32],
    dark: NDArray[np.bool_] | None = None,
) -> Completeness:
    """Block loads of a day.

    ``counted`` bool[meter]: expected to tell that day; ``usual_s`` int32[meter]: block length of a meter that
    told nothing; ``dark`` bool[meter, quarter]: quarters of an hour wholly without supply.
    """
    period_s = np.where(arrivals.period_s > 0, arrivals.period_s, usual_s)
    quarters = (period_s // QUARTER_S).astype(np.int64)
    slots = arrivals.first.shape[1] // np.maximum(quarters, 1)
    excused = np.zeros(len(slots), dtype=np.int64)
    if dark is not None:
        for length in np.unique(quarters[counted]).tolist():
            rows = np.flatnonzero(counted & (quarters == length))
            unlit = dark[rows].reshape(len(rows), -1, length).all(axis=2)
            excused[rows] = (unlit & (arrivals.first[rows, ::length] == NOT_HELD)).sum(axis=1)
    expected = np.where(counted, slots - excused, 0)
    return _counted(arrivals, expected.astype(np.int32))


def of_rows(arrivals: Arrivals, counted: NDArray[np.bool_], rows: int = 1) -> Completeness:
    """Profiles of which ``rows`` a day are expected; more of them fill no other meter's lack."""
    return _counted(arrivals, np.where(counted, rows, 0).astype(np.int32))


def _counted(arrivals: Arrivals, expected: NDArray[np.int32]) -> Completeness:
    meters = len(expected)
    held = np.empty((meters, NOT_HELD), dtype=np.int32)
    for begin in range(0, meters, _CHUNK_METERS):
        some = arrivals.first[begin : begin + _CHUNK_METERS].astype(np.int64)
        cells = some + np.arange(len(some))[:, None] * (NOT_HELD + 1)
        count = np.bincount(cells.reshape(-1), minlength=len(some) * (NOT_HELD + 1))
        held[begin : begin + len(some)] = count.reshape(len(some), -1)[:, :NOT_HELD].cumsum(axis=1)
    return Completeness(expected=expected, held=np.minimum(held, expected[:, None]))
