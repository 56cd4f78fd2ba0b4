"""What the kernels of estimation work on, and what several of them do: means of days, shapes, sharing a total."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bijlighar.cim.readings import MISSING
from bijlighar.mdm.blocks import Integers
from bijlighar.mdm.estimation.rules import EstimationRule

Marks = NDArray[np.bool_]
Floats = NDArray[np.float64]

_BY_DAY = ("like_days", "last_days")
"""Fields of a background whose second axis is the meter."""


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
    class_total     float64[meter]      what the class uses in a day, NaN: not known
    daily_average   float64[meter]      mean use of a day, NaN: not known
    prorated        int64[meter]        the day's part of what the register moved over some days, or MISSING
    remainder       int64[meter, slot]  what the transformer's meter saw and no other consumer used, or MISSING
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
    class_total: Floats | None = None
    daily_average: Floats | None = None
    prorated: Integers | None = None
    remainder: Integers | None = None

    def only(self, rows: NDArray[np.int64]) -> Background:
        """The named rows."""

        def of(name: str) -> NDArray[np.generic] | None:
            value: NDArray[np.generic] | None = getattr(self, name)
            return None if value is None else np.take(value, rows, axis=1 if name in _BY_DAY else 0)

        return Background(**{name: of(name) for name in self.__dataclass_fields__})  # type: ignore[arg-type]


@dataclass(kw_only=True)
class Work:
    """The meters with gaps: their values, what was put in, and by which rule (0: nothing yet)."""

    values: Integers
    period_s: int
    background: Background
    rule: NDArray[np.int16]

    @property
    def present(self) -> Marks:
        """bool[meter, slot]: the meter was in service."""
        absent = self.background.absent
        return np.ones(self.values.shape, dtype=bool) if absent is None else ~absent

    @property
    def open(self) -> Marks:
        """bool[meter, slot]: still missing."""
        missing = np.asarray(self.values == MISSING)
        return missing if self.background.absent is None else missing & ~self.background.absent

    def put(self, where: Marks, values: Integers, rule: EstimationRule) -> None:
        """Put values in place of what is missing, or of estimates that they adjust."""
        np.copyto(self.values, values, where=where)
        self.rule[where] = rule

    def share_out(self, total: Floats | Integers, where: Marks, shape: Floats, rule: EstimationRule) -> None:
        """Give the marked slots of a row what its day's ``total`` leaves for them, in a shape and in whole steps.

        A total of NaN or MISSING is not known. Where the other slots used more than the total, by more than two
        steps of a register that was cut, the row is left as it is.
        """
        known = np.isfinite(total) & (total != MISSING) & where.any(axis=1)
        held = np.where(where | (self.values == MISSING), 0, self.values).sum(axis=1)
        rest = np.where(known, np.nan_to_num(np.where(known, total, 0.0)), -1).astype(np.int64)
        rest = np.where(known, rest - held, -1)
        step = self.background.resolution
        rest = np.where((rest < 0) & (rest >= -2 * step) & known, 0, rest)
        rows = np.asarray(known & (rest >= 0), dtype=bool)
        chosen: Marks = np.asarray(where & rows[:, None])
        shape = np.where(chosen, shape, 0.0)
        flat = shape.sum(axis=1) <= 0
        shape = np.where(flat[:, None] & chosen, 1.0, shape)
        share = np.cumsum(shape, axis=1) / np.maximum(shape.sum(axis=1), 1e-9)[:, None]
        steps = np.floor_divide(np.where(rows, rest, 0), step)
        whole = np.rint(share * steps[:, None]).astype(np.int64)
        spread = np.diff(whole, axis=1, prepend=0) * step[:, None]
        over = np.where(rows, rest - steps * step, 0)  # a register that moved by less than a step more
        last = chosen.shape[1] - 1 - np.argmax(chosen[:, ::-1], axis=1).astype(np.int64)
        spread[np.arange(len(spread)), last] += over
        self.put(chosen, spread, rule)

    def fill(self, mean: Floats, rule: EstimationRule) -> None:
        """Put float64[meter, slot], NaN: not known, in place of what is missing, in whole steps."""
        where = self.open & ~np.isnan(mean)
        step = self.background.resolution[:, None]
        rounded = np.rint(np.where(where, mean, 0.0) / step).astype(np.int64) * step
        self.put(where, rounded, rule)


def shape_of(work: Work) -> Floats:
    """float64[meter, slot]: like days, else the class profile, else flat; what is not known counts as the mean."""
    mean = mean_of(work.background.like_days, 1, work.values.shape)
    lacks = np.asarray(np.isnan(mean).all(axis=1))
    if work.background.class_profile is not None:
        mean = np.where(lacks[:, None], work.background.class_profile, mean)
    known = ~np.isnan(mean)
    count = known.sum(axis=1)
    average = np.where(known, mean, 0.0).sum(axis=1) / np.maximum(count, 1)
    average = np.where(count > 0, average, 1.0)
    return np.where(known, np.maximum(mean, 0.0), average[:, None])


def mean_of(days: Integers | None, least: int, shape: tuple[int, ...]) -> Floats:
    """float64[meter, slot]: mean over days of what is known, NaN where fewer than ``least`` values are."""
    if days is None:
        return np.full(shape, np.nan)
    known = days != MISSING
    count = known.sum(axis=0)
    total = np.where(known, days, 0).sum(axis=0)
    enough = count >= least
    mean: Floats = np.divide(total, count, out=np.full(shape, np.nan), where=enough)
    return mean
