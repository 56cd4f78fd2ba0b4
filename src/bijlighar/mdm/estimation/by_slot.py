"""Rules that know what a slot was: from its neighbours, from other days, from other meters."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bijlighar.cim.readings import MISSING
from bijlighar.mdm.blocks import Integers
from bijlighar.mdm.estimation.rules import EstimationRule
from bijlighar.mdm.estimation.work import Work, mean_of
from bijlighar.mdm.validation.findings import runs

LINE_S = 2 * 3600
"""The longest gap that a straight line may bridge."""

LEAST_VALUES = 2
"""Values of like days from which a mean is taken."""


def no_supply(work: Work) -> None:
    """Nothing was used while the meter's own log says that there was no supply."""
    if work.background.dark is not None:
        where = work.open & work.background.dark
        work.put(where, np.zeros_like(work.values), EstimationRule.OUTAGE)


def along_a_line(work: Work) -> None:
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


def as_on_like_days(work: Work) -> None:
    """The mean of the same slot on like days."""
    work.fill(mean_of(work.background.like_days, LEAST_VALUES, work.values.shape), EstimationRule.LIKE_DAYS)


def as_the_class_does(work: Work) -> None:
    """The class profile times the meter's daily average, else the mean of the last days."""
    profile, average = work.background.class_profile, work.background.daily_average
    if profile is not None and average is not None:
        total = profile.sum(axis=1)
        scale = np.divide(average, total, out=np.full(len(total), np.nan), where=total > 0)
        work.fill(profile * scale[:, None], EstimationRule.PROFILE)
    work.fill(mean_of(work.background.last_days, 1, work.values.shape), EstimationRule.PROFILE)


def as_on_one_day_that_was_alike(work: Work) -> None:
    """All of a meter's gaps as on the newest like day that knows every slot of them: a day that really was."""
    days = work.background.like_days
    for day in () if days is None else days:
        missing = work.open
        whole = ~(missing & (day == MISSING)).any(axis=1)
        work.put(missing & whole[:, None], day, EstimationRule.PROXY_DAY)


def what_the_others_left(work: Work) -> None:
    """What the transformer's meter saw, less what all its other consumers used; the losses are in it."""
    remainder = work.background.remainder
    if remainder is not None:
        where = work.open & (remainder != MISSING)
        work.put(where, np.maximum(remainder, 0), EstimationRule.SUBTRACTIVE_ADJUST)
