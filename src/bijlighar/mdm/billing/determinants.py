"""Billing determinants: energy, demand, bands, power factor and estimated share by usage point, for one period.

A usage point's period is cut into segments, one for each meter that hung there, so that a replacement, another
transformer ratio or a register that began anew in mid-period come out right: every segment is counted with its own
registers and ratio, then they are added. The register's advance is billed where every segment has both readings;
else the sum of the blocks. Where both are known they are held against each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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


def determine(segments: Segments, groups: Sequence[IntervalGroup], bands: int = 1) -> Determinants:
    """Determinants of every usage point."""
    register = {channel: _advance(segments, channel) for channel in CHANNELS}
    blocks = {channel: _sum_of_blocks(segments, groups, channel) for channel in CHANNELS}
    expected = _by_point(segments, groups, lambda group: group.expected.sum(axis=1))
    known = _by_point(segments, groups, lambda group: (_energy(group) != MISSING).sum(axis=1))
    guessed = _by_point(
        segments, groups, lambda group: (group.estimated & (_energy(group) != MISSING)).sum(axis=1)
    )
    estimated = _by_point(
        segments,
        groups,
        lambda group: _scaled(
            segments, group.segment, np.where(group.estimated, _zeroed(_energy(group)), 0).sum(axis=1)
        ),
    )
    has_blocks = known > 0
    billed = {
        channel: np.where(
            register[channel] != MISSING, register[channel], np.where(has_blocks, blocks[channel], MISSING)
        )
        for channel in CHANNELS
    }
    basis = np.where(
        register[ENERGY] != MISSING, Basis.REGISTERS, np.where(has_blocks, Basis.BLOCKS, Basis.NOTHING)
    )
    demand_w, demand_start_s = _demand(segments, groups)
    return Determinants(
        billed=billed,
        basis=basis.astype(np.int8),
        register=register,
        blocks=blocks,
        estimated_wh=estimated,
        band_wh=_bands(segments, groups, bands),
        expected_slots=expected,
        missing_slots=expected - known,
        estimated_slots=guessed,
        demand_w=demand_w,
        demand_start_s=demand_start_s,
        power_factor_milli=_power_factor(billed),
        agrees=_agrees(segments, register[ENERGY], blocks[ENERGY], expected == known),
    )


def _energy(group: IntervalGroup) -> Integers:
    return np.where(group.expected, group.values[ENERGY], MISSING)


def _zeroed(values: Integers) -> Integers:
    return np.where(values == MISSING, 0, values)


def _scaled(segments: Segments, segment: Integers, counted: Integers) -> Integers:
    """What was used of what the meter counted; halves go up."""
    numerator, denominator = segments.numerator[segment], segments.denominator[segment]
    return np.asarray((2 * counted * numerator + denominator) // (2 * denominator))


def _by_point(
    segments: Segments, groups: Sequence[IntervalGroup], rows: Callable[[IntervalGroup], Integers]
) -> Integers:
    """The rows of every group added up by usage point."""
    result = np.zeros(segments.points, dtype=np.int64)
    for group in groups:
        np.add.at(result, segments.point[group.segment], rows(group))
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
    every = np.arange(len(segments.point))
    total = np.zeros(segments.points, dtype=np.int64)
    np.add.at(total, segments.point, np.where(good, _scaled(segments, every, np.where(good, moved, 0)), 0))
    bad = np.zeros(segments.points, dtype=bool)
    bad[segments.point[~good]] = True
    seen = np.zeros(segments.points, dtype=bool)
    seen[segments.point] = True
    result[seen & ~bad] = total[seen & ~bad]
    return result


def _sum_of_blocks(segments: Segments, groups: Sequence[IntervalGroup], channel: str) -> Integers:
    some = [group for group in groups if channel in group.values]
    return _by_point(
        segments,
        some,
        lambda group: _scaled(
            segments,
            group.segment,
            np.where(group.expected, _zeroed(group.values[channel]), 0).sum(axis=1),
        ),
    )


def _bands(segments: Segments, groups: Sequence[IntervalGroup], bands: int) -> Integers:
    result = np.zeros((segments.points, bands), dtype=np.int64)
    for group in groups:
        energy = _zeroed(_energy(group))
        for band in range(bands):
            counted = energy[:, group.band == band].sum(axis=1)
            np.add.at(result[:, band], segments.point[group.segment], _scaled(segments, group.segment, counted))
    return result


def _demand(segments: Segments, groups: Sequence[IntervalGroup]) -> tuple[Integers, Integers]:
    best = np.full(segments.points, MISSING, dtype=np.int64)
    since = np.full(segments.points, MISSING, dtype=np.int64)
    for group in groups:
        window_s = max(DEMAND_WINDOW_S, group.period_s)
        if not group.start_s.size or window_s % group.period_s:
            continue
        windows, first = np.unique(group.start_s // window_s, return_index=True)
        energy = _energy(group)
        read = (energy != MISSING) & ~group.estimated
        total = np.add.reduceat(np.where(read, energy, 0), first, axis=1)
        whole = np.add.reduceat(read.astype(np.int64), first, axis=1)
        total[whole * group.period_s < window_s] = -1
        greatest = total.argmax(axis=1)
        counted = np.take_along_axis(total, greatest[:, None], axis=1)[:, 0]
        demand = _scaled(segments, group.segment, np.maximum(counted, 0) * 3600 // window_s)
        for row in np.flatnonzero(counted >= 0):
            point = segments.point[group.segment[row]]
            if demand[row] > best[point]:
                best[point], since[point] = demand[row], windows[greatest[row]] * window_s
    return best, since


def _power_factor(billed: dict[str, Integers]) -> Integers:
    active, apparent = billed[ENERGY], billed[APPARENT]
    known = (active != MISSING) & (apparent != MISSING) & (apparent > 0)
    factor = np.minimum(1000, np.rint(1000 * active / np.where(known, apparent, 1)))
    return np.where(known, factor, MISSING).astype(np.int64)


def _agrees(
    segments: Segments, register: Integers, blocks: Integers, whole: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """True where nothing can be compared: a register is missing, or a block."""
    step = np.zeros(segments.points, dtype=np.int64)
    every = np.arange(len(segments.point))
    np.add.at(step, segments.point, _scaled(segments, every, np.full(len(every), 2 * RESOLUTION_WH)))
    allowed = np.maximum(step, AGREE_SHARE * np.abs(register))
    return np.asarray((register == MISSING) | ~whole | (np.abs(register - blocks) <= allowed))
