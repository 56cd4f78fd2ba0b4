"""The day by groups of meters: energy, load curve, completeness, voltage, and what was lost on the way.

A block is measured once, meter by meter, and then added to as many groupings as are wanted (transformers, makes).
What adds up is kept as sums, so that transformers become feeders, and days become months. Consumers use energy;
the meters of transformers and feeders are supply, and are only held against what left them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bijlighar.cim.readings import MISSING
from bijlighar.mdm.blocks import Integers
from bijlighar.mdm.day_summary_limits import VoltageLimits
from bijlighar.mdm.sums import GroupSums, balance, coarser, summaries, summed

CURVE_S = 1800
"""Load curves are of half hours, as consumers' meters count (IS 15959)."""

COUNTS = (
    "meters",
    "consumers",
    "meters_whole",
    "slots_expected",
    "slots_held",
    "slots_known",
    "slots_estimated",
    "import_wh",
    "export_wh",
    "estimated_wh",
    "own_peaks_w",
    "voltage_slots",
    "voltage_low",
    "voltage_high",
)
"""What is counted of each meter, and adds up.

``meters`` all, ``consumers`` those of consumers; ``meters_whole`` with every slot held. Slots are of the meters'
own block length: expected (in service, and with supply or held all the same), held as readings, known as readings,
estimates or edits. ``slots_known`` and all that follow are of consumers. ``own_peaks_w``: the sum of their own
peaks, whenever they were.
"""

_GREATEST = int(np.iinfo(np.int64).max)


@dataclass(frozen=True, kw_only=True)
class BlockDay:
    """The meters of one block on one day. Arrays are [meter, slot] unless told.

    consumer   bool[meter]  a consumer's meter; others measure supply
    expected   bool         in service
    dark       bool         wholly without supply
    held       bool         a reading is there
    energy     int64        final imported Wh, MISSING where nothing is known
    export     int64        final exported Wh; None: no meter of the block tells any
    estimated  bool         the final import is an estimate
    voltages   int64        mV, one array a phase, MISSING where not told
    """

    period_s: int
    consumer: NDArray[np.bool_]
    expected: NDArray[np.bool_]
    dark: NDArray[np.bool_] | None
    held: NDArray[np.bool_]
    energy: Integers
    export: Integers | None
    estimated: NDArray[np.bool_]
    voltages: tuple[Integers, ...]


@dataclass(frozen=True, kw_only=True)
class MeterDays:
    """Counts int64[meter] by COUNTS; extremes of voltage in mV int64[meter], MISSING where none was told.

    ``energy`` and ``net`` (import less export) int64[meter, half hour], MISSING where not known.
    """

    consumer: NDArray[np.bool_]
    counts: dict[str, Integers]
    least_mv: Integers
    most_mv: Integers
    energy: Integers
    net: Integers


def measured(block: BlockDay, limits: VoltageLimits) -> MeterDays:
    """Measure each meter of a block."""
    mine, zero = block.consumer, np.zeros(len(block.consumer), dtype=np.int64)
    expected = block.expected if block.dark is None else block.expected & (block.held | ~block.dark)
    known = block.energy != MISSING
    own = summaries(block.energy, block.period_s)
    slots = expected.sum(axis=1)
    held = (block.held & expected).sum(axis=1)
    estimated = block.estimated & known
    counts = {
        "meters": np.any(block.expected, axis=1).astype(np.int64),
        "meters_whole": ((held == slots) & (slots > 0)).astype(np.int64),
        "slots_expected": slots,
        "slots_held": held,
    }
    counts["consumers"] = counts["meters"] * mine
    of_consumers = {
        "slots_known": own.known,
        "slots_estimated": estimated.sum(axis=1),
        "import_wh": own.total_wh,
        "export_wh": zero if block.export is None else _known(block.export).sum(axis=1),
        "estimated_wh": np.where(estimated, block.energy, 0).sum(axis=1) if estimated.any() else zero,
        "own_peaks_w": np.nan_to_num(own.peak_w).astype(np.int64),
    }
    voltage, least, most = _voltages(block, limits)
    counts |= {name: np.where(mine, value, 0) for name, value in (of_consumers | voltage).items()}
    energy = half_hours(block.energy, block.period_s)
    return MeterDays(
        consumer=mine,
        counts=counts,
        least_mv=np.where(mine, least, MISSING),
        most_mv=np.where(mine, most, MISSING),
        energy=energy,
        net=energy if block.export is None else half_hours(_net(block.energy, block.export), block.period_s),
    )


def _known(values: Integers) -> Integers:
    return np.where(values == MISSING, 0, values)


def _net(energy: Integers, export: Integers) -> Integers:
    """Import less export. A meter that never tells export has none; else it is missing where export is."""
    missing = export == MISSING
    unknown = (energy == MISSING) | (missing & ~missing.all(axis=1)[:, None])
    return np.where(unknown, MISSING, _known(energy) - _known(export))


def _voltages(block: BlockDay, limits: VoltageLimits) -> tuple[dict[str, Integers], Integers, Integers]:
    meters = len(block.consumer)
    count = {name: np.zeros(meters, dtype=np.int64) for name in ("voltage_slots", "voltage_low", "voltage_high")}
    least, most = np.full(meters, _GREATEST), np.full(meters, MISSING)
    for volts in block.voltages:
        told = volts >= limits.no_supply_mv  # MISSING is the least of all
        count["voltage_slots"] += told.sum(axis=1)
        count["voltage_low"] += (told & (volts < limits.least_mv)).sum(axis=1)
        count["voltage_high"] += (volts > limits.most_mv).sum(axis=1)
        least = np.minimum(least, np.where(told, volts, _GREATEST).min(axis=1))
        most = np.maximum(most, np.where(told, volts, MISSING).max(axis=1))
    return count, np.where(least == _GREATEST, MISSING, least), most


def half_hours(values: Integers, period_s: int) -> Integers:
    """Energy of slots as energy of half hours; an hour becomes two halves. Raises ValueError for other lengths."""
    if period_s == CURVE_S:
        return values
    if CURVE_S % period_s == 0:
        return coarser(values, CURVE_S // period_s)
    if period_s != 2 * CURVE_S:
        raise ValueError(f"blocks of {period_s} s are neither parts of half an hour nor an hour")
    first = np.where(values == MISSING, MISSING, values - values // 2)
    second = np.where(values == MISSING, MISSING, values // 2)
    return np.stack([first, second], axis=2).reshape(len(values), -1)


class GroupTally:
    """Adds up blocks by group; ``slots`` half hours. Arrays are [group] or [group, half hour]."""

    def __init__(self, groups: int, slots: int) -> None:
        self.counts = {name: np.zeros(groups, dtype=np.int64) for name in COUNTS}
        self.least_mv = np.full(groups, _GREATEST, dtype=np.int64)
        self.most_mv = np.full(groups, MISSING, dtype=np.int64)
        self.curve = SumTally(groups, slots)
        self.net = SumTally(groups, slots)

    def add(self, days: MeterDays, group: NDArray[np.int64]) -> None:
        """Add a block's meters, each to its ``group`` int64[meter], none of them negative."""
        for name in COUNTS:
            self.counts[name] += grouped(days.counts[name], group, len(self.counts[name]))
        told = days.most_mv != MISSING
        np.minimum.at(self.least_mv, group[told], days.least_mv[told])
        np.maximum.at(self.most_mv, group[told], days.most_mv[told])
        consumers = np.flatnonzero(days.consumer & (days.counts["consumers"] > 0))
        self.curve.add(days.energy[consumers], group[consumers])
        self.net.add(days.net[consumers], group[consumers])

    def gathered(self, into: NDArray[np.int64], groups: int) -> GroupTally:
        """The same by coarser groups: ``into`` int64[group], negative for none."""
        result = GroupTally(groups, self.curve.energy.shape[1])
        mine = into >= 0
        for name, total in self.counts.items():
            result.counts[name] += grouped(total[mine], into[mine], groups)
        np.minimum.at(result.least_mv, into[mine], self.least_mv[mine])
        np.maximum.at(result.most_mv, into[mine], self.most_mv[mine])
        for own, theirs in ((result.curve, self.curve), (result.net, self.net)):
            for name in ("energy", "known", "meters"):
                np.add.at(getattr(own, name), into[mine], getattr(theirs, name)[mine])
        return result

    def peaks(self) -> tuple[NDArray[np.float64], Integers]:
        """Greatest mean power of a half hour of each group in W, and which; NaN and -1 where nothing is known."""
        some = self.curve.known.any(axis=1)
        place = self.curve.energy.argmax(axis=1)
        peak = self.curve.energy[np.arange(len(place)), place] * (3600.0 / CURVE_S)
        return np.where(some, peak, np.nan), np.where(some, place, -1)


class SumTally:
    """Sums by group that grow; fields as in ``GroupSums``."""

    def __init__(self, groups: int, slots: int) -> None:
        self.energy = np.zeros((groups, slots), dtype=np.int64)
        self.known = np.zeros((groups, slots), dtype=np.int64)
        self.meters = np.zeros(groups, dtype=np.int64)

    def add(self, values: Integers, group: NDArray[np.int64]) -> None:
        """Add values int64[meter, half hour] to the groups of their meters."""
        if not len(values):
            return
        present, place = np.unique(group, return_inverse=True)
        sums = summed(values, place.astype(np.int64), len(present))
        self.energy[present] += sums.energy
        self.known[present] += sums.known
        self.meters[present] += sums.meters

    @property
    def whole(self) -> Integers:
        """The sums where every meter of the group is known, else MISSING; MISSING for groups without meters."""
        is_whole = (self.known == self.meters[:, None]) & (self.meters > 0)[:, None]
        return np.where(is_whole, self.energy, MISSING)

    def sums(self) -> GroupSums:
        """As ``summed`` tells them."""
        return GroupSums(energy=self.energy, known=self.known, meters=self.meters)


def grouped(values: Integers, group: NDArray[np.int64], groups: int) -> Integers:
    """Sums of int64[meter] by group. Exact up to 2**53: a city's Wh of 30,000 years."""
    return np.bincount(group, weights=values, minlength=groups).astype(np.int64)


@dataclass(frozen=True, kw_only=True)
class Losses:
    """What went in and did not come out, over the half hours that can be told, all int64[group].

    ``supplied_wh``, ``lost_wh``; ``slots_told`` of them; ``lost`` [group, half hour], MISSING where not told.
    """

    supplied_wh: Integers
    lost_wh: Integers
    slots_told: Integers
    lost: Integers


def losses(supplied: Integers, taken: GroupSums) -> Losses:
    """Hold ``supplied`` int64[group, half hour], MISSING where not metered, against all that was taken from it.

    A half hour is told when the supply and every one who takes from it are known.
    """
    found = balance(supplied, taken)
    told = found.lost != MISSING
    return Losses(
        supplied_wh=np.where(told, supplied, 0).sum(axis=1),
        lost_wh=np.where(told, found.lost, 0).sum(axis=1),
        slots_told=found.slots_told,
        lost=found.lost,
    )


def fed(supplied: Integers, into: NDArray[np.int64], groups: int) -> GroupSums:
    """What was taken from feeders by transformers: ``supplied`` of each, ``into`` its feeder or negative."""
    return summed(supplied, into, groups)
