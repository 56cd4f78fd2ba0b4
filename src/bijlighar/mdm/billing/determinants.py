"""Billing determinants: energy, demand, bands, power factor and estimated share by usage point, for one period.

A usage point's period is cut into segments, one for each meter that hung there, so that a replacement, another
transformer ratio or a register that began anew in mid-period come out right: every segment is counted with its own
registers and ratio, then they are added. The register's advance is billed where every segment has both readings;
else the sum of the blocks. Where both are known they are held against each other.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from bijlighar.cim.readings import MISSING
from bijlighar.mdm.validation.evidence import wrapped

ENERGY = "import_wh"
APPARENT = "import_vah"
CHANNELS = (ENERGY, APPARENT, "export_wh", "export_vah")
DEMAND_WINDOW_S = 1800
"""Demand is the mean over half an hour of the clock (IS 15959 demand integration period)."""
RESOLUTION_WH = 10
"""Step of the registers of fielded meters (scaler +1)."""
AGREE_SHARE = 0.005
"""Registers and blocks agree within half a per cent, or two register steps for each meter, whichever is more."""

Integers = NDArray[np.int64]


class Basis(IntEnum):
    """What the billed energy is taken from."""

    NOTHING = 0
    REGISTERS = 1
    BLOCKS = 2


@dataclass(frozen=True, kw_only=True)
class Segments:
    """Stays of meters at usage points inside the period.

    point          int64[segment]  usage point, 0 to ``points`` - 1
    numerator      int64[segment]  what the meter counts, times numerator / denominator, is what was used: the
    denominator    int64[segment]  ratios of its current and voltage transformers; 1 / 1 for whole current
    wraps_at       int64[segment]  where its registers begin anew; 0: not known
    opening        int64[segment] by channel: register when the segment begins; MISSING where not known
    closing        int64[segment] by channel: register when it ends
    """

    points: int
    point: Integers
    numerator: Integers
    denominator: Integers
    wraps_at: Integers
    opening: dict[str, Integers]
    closing: dict[str, Integers]


@dataclass(frozen=True, kw_only=True)
class IntervalGroup:
    """Final measurements of the segments whose meters have one block length.

    segment    int64[row]        segment of each row
    period_s   block length
    start_s    int64[slot]       begin of each block, ascending
    band       int64[slot]       time-of-day band of each block, 0 to ``bands`` - 1
    values     int64[row, slot] by channel: MISSING where nothing is known
    expected   bool[row, slot]   the meter hung there
    estimated  bool[row, slot]   the value is an estimate
    """

    segment: Integers
    period_s: int
    start_s: Integers
    band: Integers
    values: dict[str, Integers]
    expected: NDArray[np.bool_]
    estimated: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Determinants:
    """By usage point; energies in Wh or VAh as used, ratios applied.

    billed            int64[point] by channel: MISSING where nothing is known
    basis             int8[point]  Basis of the billed active energy
    register          int64[point] by channel: advance of the registers, MISSING where one is not known
    blocks            int64[point] by channel: sum of the blocks, estimates among them
    estimated_wh      int64[point] active energy of estimated blocks
    band_wh           int64[point, band] active energy of the blocks by band
    expected_slots, missing_slots, estimated_slots  int64[point]
    demand_w          int64[point] greatest mean of half an hour that was wholly read; MISSING when there is none
    demand_start_s    int64[point] when that half hour began
    power_factor_milli int64[point] active by apparent energy, 1000 at most; MISSING when not known
    agrees            bool[point]  registers and blocks agree, or cannot be compared
    """

    billed: dict[str, Integers]
    basis: NDArray[np.int8]
    register: dict[str, Integers]
    blocks: dict[str, Integers]
    estimated_wh: Integers
    band_wh: Integers
    expected_slots: Integers
    missing_slots: Integers
    estimated_slots: Integers
    demand_w: Integers
    demand_start_s: Integers
    power_factor_milli: Integers
    agrees: NDArray[np.bool_]


class Tally:
    """What the blocks say, counted segment by segment in the meter's own units; groups come one by one, any order.

    A group holds whole half hours of the clock, such as those of a civil day.
    """

    def __init__(self, segments: Segments, bands: int = 1) -> None:
        count = len(segments.point)
        self._segments = segments
        self._sums = {channel: np.zeros(count, dtype=np.int64) for channel in CHANNELS}
        self._estimated = np.zeros(count, dtype=np.int64)
        self._bands = np.zeros((count, bands), dtype=np.int64)
        self._slots = np.zeros((count, 3), dtype=np.int64)  # expected, known, estimated
        self._demand = np.full(count, MISSING, dtype=np.int64)
        self._demand_start_s = np.full(count, MISSING, dtype=np.int64)

    def add(self, group: IntervalGroup) -> None:
        """Count one group."""
        rows = group.segment
        energy = np.where(group.expected, group.values[ENERGY], MISSING)
        known = energy != MISSING
        guessed = group.estimated & known
        for channel, values in group.values.items():
            counted = np.where(group.expected & (values != MISSING), values, 0).sum(axis=1)
            np.add.at(self._sums[channel], rows, counted)
        np.add.at(self._estimated, rows, np.where(guessed, energy, 0).sum(axis=1))
        np.add.at(
            self._slots, rows, np.stack([each.sum(axis=1) for each in (group.expected, known, guessed)], axis=1)
        )
        used = np.where(known, energy, 0)
        for band in range(self._bands.shape[1]):
            np.add.at(self._bands[:, band], rows, used[:, group.band == band].sum(axis=1))
        self._note_demand(group, used, known & ~guessed)

    def _note_demand(self, group: IntervalGroup, used: Integers, read: NDArray[np.bool_]) -> None:
        window_s = max(DEMAND_WINDOW_S, group.period_s)
        if not group.start_s.size or window_s % group.period_s:
            return
        windows, first = np.unique(group.start_s // window_s, return_index=True)
        mean_w = np.add.reduceat(used, first, axis=1) * 3600 // window_s
        whole = np.add.reduceat(read.astype(np.int64), first, axis=1) * group.period_s == window_s
        mean_w[~whole] = -1
        greatest = mean_w.argmax(axis=1)
        demand_w = mean_w[np.arange(len(mean_w)), greatest]
        better = (demand_w >= 0) & (demand_w > self._demand[group.segment])
        self._demand[group.segment[better]] = demand_w[better]
        self._demand_start_s[group.segment[better]] = windows[greatest[better]] * window_s

    def determinants(self) -> Determinants:
        """Everything that was added, by usage point."""
        segments = self._segments
        register = {channel: _advance(segments, channel) for channel in CHANNELS}
        blocks = {channel: _by_point(segments, _used(segments, sums)) for channel, sums in self._sums.items()}
        expected, known, guessed = (_by_point(segments, column) for column in self._slots.T)
        heard = known > 0
        billed = {
            channel: np.where(register[channel] != MISSING, register[channel], np.where(heard, total, MISSING))
            for channel, total in blocks.items()
        }
        from_blocks = np.where(heard, Basis.BLOCKS, Basis.NOTHING)
        demand_w, demand_start_s = self._greatest_demand()
        return Determinants(
            billed=billed,
            basis=np.where(register[ENERGY] != MISSING, Basis.REGISTERS, from_blocks).astype(np.int8),
            register=register,
            blocks=blocks,
            estimated_wh=_by_point(segments, _used(segments, self._estimated)),
            band_wh=np.stack([_by_point(segments, _used(segments, band)) for band in self._bands.T], axis=1),
            expected_slots=expected,
            missing_slots=expected - known,
            estimated_slots=guessed,
            demand_w=demand_w,
            demand_start_s=demand_start_s,
            power_factor_milli=_power_factor(billed),
            agrees=_agrees(segments, register[ENERGY], blocks[ENERGY], expected == known),
        )

    def _greatest_demand(self) -> tuple[Integers, Integers]:
        """The greatest of a point's segments, the earlier of equal ones; a half hour of two meters makes none."""
        segments = self._segments
        demand = np.where(self._demand == MISSING, MISSING, _used(segments, np.maximum(self._demand, 0)))
        best = np.full(segments.points, MISSING, dtype=np.int64)
        since = np.full(segments.points, MISSING, dtype=np.int64)
        order = np.lexsort((-self._demand_start_s, demand))  # the last write of a point wins
        best[segments.point[order]] = demand[order]
        since[segments.point[order]] = self._demand_start_s[order]
        return best, since


def determine(segments: Segments, groups: Iterable[IntervalGroup], bands: int = 1) -> Determinants:
    """Determinants of every usage point."""
    tally = Tally(segments, bands)
    for group in groups:
        tally.add(group)
    return tally.determinants()


def _used(segments: Segments, counted: Integers) -> Integers:
    """What was used of what each segment's meter counted; halves go up."""
    return np.asarray((2 * counted * segments.numerator + segments.denominator) // (2 * segments.denominator))


def _by_point(segments: Segments, values: Integers) -> Integers:
    """Segments added up by usage point."""
    result = np.zeros(segments.points, dtype=np.int64)
    np.add.at(result, segments.point, values)
    return result


def _advance(segments: Segments, channel: str) -> Integers:
    """Sum over a point's segments; MISSING when a reading is missing or a register went back without a reason."""
    result = np.full(segments.points, MISSING, dtype=np.int64)
    if channel not in segments.opening or channel not in segments.closing:
        return result
    before, after = segments.opening[channel], segments.closing[channel]
    moved = after - before
    anew = (moved < 0) & wrapped(before, segments.wraps_at)
    moved = np.where(anew, moved + segments.wraps_at, moved)
    good = (before != MISSING) & (after != MISSING) & (moved >= 0)
    total = _by_point(segments, _used(segments, np.where(good, moved, 0)))
    known = _by_point(segments, np.ones(len(good), np.int64)) == _by_point(segments, good.astype(np.int64))
    known[np.setdiff1d(np.arange(segments.points), segments.point)] = False
    result[known] = total[known]
    return result


def _power_factor(billed: dict[str, Integers]) -> Integers:
    active, apparent = billed[ENERGY], billed[APPARENT]
    known = (active != MISSING) & (apparent != MISSING) & (apparent > 0)
    factor = np.minimum(1000, np.rint(1000 * active / np.where(known, apparent, 1)))
    return np.where(known, factor, MISSING).astype(np.int64)


def _agrees(
    segments: Segments, register: Integers, blocks: Integers, whole: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """True where nothing can be compared: a register is missing, or a block."""
    steps = _by_point(segments, _used(segments, np.full(len(segments.point), 2 * RESOLUTION_WH)))
    allowed = np.maximum(steps, AGREE_SHARE * np.abs(register))
    return np.asarray((register == MISSING) | ~whole | (np.abs(register - blocks) <= allowed))
