"""Estimation: what is put in place of a missing reading, by five rules in order, each value with its rule.

1. outage: the meter's own power-failure log covers the slot: nothing was used. Not an estimate.
2. registers: the midnight registers on both sides are known: the total is certain, its shape is that of like days.
3. line: a gap of up to two hours between two readings: a straight line (IESO allows one hour, California two).
4. like days: a longer gap: the mean of the same slot on the same weekday of three weeks, without estimates and
   holidays, from at least two values.
5. profile: the class profile times the meter's daily average, else the mean of the last three days.

The reading itself is never touched: estimates stand beside it. What no rule can estimate stays missing, and is
told. Quality codes are those of ESPI (GreenButtonAlliance/OpenESPI-GreenButton-Java, QualityOfReading).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from bijlighar.cim.readings import MISSING
from bijlighar.mdm.blocks import Integers
from bijlighar.mdm.validation.findings import runs

Marks = NDArray[np.bool_]
Floats = NDArray[np.float64]


class EstimationRule(IntEnum):
    """Rules by number, as kept beside each estimate; a number never changes its meaning."""

    OUTAGE = 1
    REGISTERS = 2
    LINE = 3
    LIKE_DAYS = 4
    PROFILE = 5


class Quality(IntEnum):
    """Quality codes of ESPI that are used here."""

    VALID = 0
    EDITED = 7
    BY_REFERENCE_DAY = 8
    BY_INTERPOLATION = 9
    RAW = 14
    VALIDATED = 17


RULE_VERSION = 1
"""Counts up when a rule estimates differently, so that an estimate of the past can be explained."""

QUALITY_OF = {
    EstimationRule.OUTAGE: Quality.VALIDATED,
    EstimationRule.REGISTERS: Quality.BY_REFERENCE_DAY,
    EstimationRule.LINE: Quality.BY_INTERPOLATION,
    EstimationRule.LIKE_DAYS: Quality.BY_REFERENCE_DAY,
    EstimationRule.PROFILE: Quality.BY_REFERENCE_DAY,
}

DEFAULT_ORDER = tuple(EstimationRule)

LINE_S = 2 * 3600
"""The longest gap that a straight line may bridge."""

LEAST_VALUES = 2
"""Values of like days from which a mean is taken."""


@dataclass(frozen=True, kw_only=True)
class Background:
    """What is known about the meters of one channel of a block; rows are the block's, None: nothing is known.

    resolution      int64[meter]        step of the register, in the channel's unit
    absent          bool[meter, slot]   the meter was not in service there: nothing is to be estimated
    dark            bool[meter, slot]   no supply during the whole slot, by the meter's power-failure log
    register_moved  int64[meter]        from midnight to midnight, or MISSING
    before, after   int64[meter]        the last value of the day before and the first of the day after, or MISSING
    like_days       int64[week, meter, slot]  same weekday, weeks before; MISSING where estimated or a holiday
    last_days       int64[day, meter, slot]   the days right before; MISSING where estimated
    class_profile   float64[meter, slot]      shape of a day of the meter's class, NaN: not known; any scale
    daily_average   float64[meter]      mean use of a day, NaN: not known
    """

    resolution: Integers
    absent: Marks | None = None
    dark: Marks | None = None
    register_moved: Integers | None = None
    before: Integers | None = None
    after: Integers | None = None
    like_days: Integers | None = None
    last_days: Integers | None = None
    class_profile: Floats | None = None
    daily_average: Floats | None = None

    def only(self, rows: NDArray[np.int64]) -> Background:
        """The named rows."""

        def of(value: NDArray[np.generic] | None, axis: int = 0) -> NDArray[np.generic] | None:
            return None if value is None else np.take(value, rows, axis=axis)

        names = [name for name in self.__dataclass_fields__ if name not in ("like_days", "last_days")]
        return Background(
            **{name: of(getattr(self, name)) for name in names},  # type: ignore[arg-type]
            like_days=of(self.like_days, 1),  # type: ignore[arg-type]
            last_days=of(self.last_days, 1),  # type: ignore[arg-type]
        )


@dataclass(frozen=True, kw_only=True)
class Estimates:
    """Estimates of one channel in columns: row of the block, slot, value in the channel's unit, EstimationRule.

    ``left_row``, ``left_slot``: what stays missing.
    """

    row: NDArray[np.int64]
    slot: NDArray[np.int64]
    value: Integers
    rule: NDArray[np.int16]
    left_row: NDArray[np.int64]
    left_slot: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.row)

    @property
    def quality(self) -> NDArray[np.int16]:
        """int16[estimate]: Quality."""
        table = np.zeros(max(QUALITY_OF) + 1, dtype=np.int16)
        for rule, quality in QUALITY_OF.items():
            table[rule] = quality
        return table[self.rule]


@dataclass(kw_only=True)
class _Work:
    """The meters with gaps: their values, what was put in, and by which rule (0: nothing yet)."""

    values: Integers
    period_s: int
    background: Background
    rule: NDArray[np.int16]

    @property
    def open(self) -> Marks:
        """bool[meter, slot]: still missing."""
        missing = np.asarray(self.values == MISSING)
        return missing if self.background.absent is None else missing & ~self.background.absent

    def put(self, where: Marks, values: Integers, rule: EstimationRule) -> None:
        np.copyto(self.values, values, where=where)
        self.rule[where] = rule


def estimate(
    values: Integers, period_s: int, background: Background, order: Sequence[EstimationRule] = DEFAULT_ORDER
) -> Estimates:
    """Estimate what is missing in int64[meter, slot] of one channel, rule after rule in ``order``."""
    rows = np.flatnonzero((values == MISSING).any(axis=1))
    work = _Work(
        values=values[rows],
        period_s=period_s,
        background=background.only(rows),
        rule=np.zeros((len(rows), values.shape[1]), dtype=np.int16),
    )
    for rule in order:
        if len(rows):
            _APPLY[rule](work)
    at, slot = np.nonzero(work.rule)
    left, left_slot = np.nonzero(work.open)
    return Estimates(
        row=rows[at],
        slot=slot,
        value=work.values[at, slot],
        rule=work.rule[at, slot],
        left_row=rows[left],
        left_slot=left_slot,
    )


def _no_supply(work: _Work) -> None:
    if work.background.dark is not None:
        where = work.open & work.background.dark
        work.put(where, np.zeros_like(work.values), EstimationRule.OUTAGE)


def _between_registers(work: _Work) -> None:
    """The rest of the day's total, shared over what is missing in the shape of like days, in whole steps."""
    moved = work.background.register_moved
    if moved is None:
        return
    missing = work.open
    held = np.where(missing, 0, work.values).sum(axis=1)
    rest = np.where(moved == MISSING, -1, moved - held)
    step = work.background.resolution
    rest = np.where((rest < 0) & (rest >= -2 * step) & (moved != MISSING), 0, rest)  # cut registers
    rows = np.asarray(missing.any(axis=1) & (rest >= 0), dtype=bool)
    where: Marks = np.asarray(missing & rows[:, None])
    shape = np.where(where, _shape(work), 0.0)
    flat = shape.sum(axis=1) <= 0
    shape = np.where(flat[:, None] & where, 1.0, shape)
    share = np.cumsum(shape, axis=1) / np.maximum(shape.sum(axis=1), 1e-9)[:, None]
    steps = np.floor_divide(np.where(rows, rest, 0), step)
    whole = np.rint(share * steps[:, None]).astype(np.int64)
    spread = np.diff(whole, axis=1, prepend=0) * step[:, None]
    over = np.where(rows, rest - steps * step, 0)  # a register that moved by less than a step more
    last = where.shape[1] - 1 - np.argmax(where[:, ::-1], axis=1).astype(np.int64)
    spread[np.arange(len(spread)), last] += over
    work.put(where, spread, EstimationRule.REGISTERS)


def _shape(work: _Work) -> Floats:
    """float64[meter, slot]: like days, else the class profile, else flat; what is not known counts as the mean."""
    mean = _mean(work.background.like_days, 1, work.values.shape)
    lacks = np.asarray(np.isnan(mean).all(axis=1))
    if work.background.class_profile is not None:
        mean = np.where(lacks[:, None], work.background.class_profile, mean)
    known = ~np.isnan(mean)
    count = known.sum(axis=1)
    average = np.where(known, mean, 0.0).sum(axis=1) / np.maximum(count, 1)
    average = np.where(count > 0, average, 1.0)
    return np.where(known, np.maximum(mean, 0.0), average[:, None])


def _along_a_line(work: _Work) -> None:
    """Short gaps between two neighbours, across midnight too where the days beside are known."""
    missing = work.open
    row, first, end = runs(missing)
    slots = missing.shape[1]
    short = (end - first) * work.period_s <= LINE_S
    row, first, end = row[short], first[short], end[short]
    left = np.where(first > 0, work.values[row, np.maximum(first - 1, 0)], _beside(work.background.before, row))
    right = np.where(
        end < slots, work.values[row, np.minimum(end, slots - 1)], _beside(work.background.after, row)
    )
    both = (left != MISSING) & (right != MISSING)
    step = work.background.resolution
    for number in range(int((end - first).max(initial=0))):
        chosen = both & (first + number < end)
        at, slot = row[chosen], first[chosen] + number
        way = (number + 1) / (end[chosen] - first[chosen] + 1)
        straight = left[chosen] + (right[chosen] - left[chosen]) * way
        work.values[at, slot] = np.rint(straight / step[at]).astype(np.int64) * step[at]
        work.rule[at, slot] = EstimationRule.LINE


def _beside(known: Integers | None, row: NDArray[np.int64]) -> Integers:
    return np.full(len(row), MISSING, dtype=np.int64) if known is None else known[row]


def _as_on_like_days(work: _Work) -> None:
    _fill(work, _mean(work.background.like_days, LEAST_VALUES, work.values.shape), EstimationRule.LIKE_DAYS)


def _as_the_class_does(work: _Work) -> None:
    profile, average = work.background.class_profile, work.background.daily_average
    if profile is not None and average is not None:
        total = profile.sum(axis=1)
        scale = np.divide(average, total, out=np.full(len(total), np.nan), where=total > 0)
        _fill(work, profile * scale[:, None], EstimationRule.PROFILE)
    _fill(work, _mean(work.background.last_days, 1, work.values.shape), EstimationRule.PROFILE)


def _fill(work: _Work, mean: Floats, rule: EstimationRule) -> None:
    where = work.open & ~np.isnan(mean)
    step = work.background.resolution[:, None]
    rounded = np.rint(np.where(where, mean, 0.0) / step).astype(np.int64) * step
    work.put(where, rounded, rule)


def _mean(days: Integers | None, least: int, shape: tuple[int, ...]) -> Floats:
    """float64[meter, slot]: mean over days of what is known, NaN where fewer than ``least`` values are."""
    if days is None:
        return np.full(shape, np.nan)
    known = days != MISSING
    count = known.sum(axis=0)
    total = np.where(known, days, 0).sum(axis=0)
    enough = count >= least
    mean: Floats = np.divide(total, count, out=np.full(shape, np.nan), where=enough)
    return mean


_APPLY: dict[EstimationRule, Callable[[_Work], None]] = {
    EstimationRule.OUTAGE: _no_supply,
    EstimationRule.REGISTERS: _between_registers,
    EstimationRule.LINE: _along_a_line,
    EstimationRule.LIKE_DAYS: _as_on_like_days,
    EstimationRule.PROFILE: _as_the_class_does,
}
