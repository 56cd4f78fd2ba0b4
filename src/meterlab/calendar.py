"""Days and months of Asia/Kolkata as whole numbers, in columns.

India has had no daylight saving since 1945, so the zone is a fixed 330 minutes: a day number is days since
1970-01-01 in Kolkata, a month number counts from January of the year 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

KOLKATA_S = 19_800
DAY_S = 86_400
SLOT_S = 1_800
SLOTS_A_DAY = 48
_MONTH_OF_1970 = 1970 * 12


def day_of(instant_s: float) -> int:
    """The day number that holds an instant (epoch seconds UTC)."""
    return int((instant_s + KOLKATA_S) // DAY_S)


def midnight_s(day: int) -> int:
    """The instant at which a day begins."""
    return day * DAY_S - KOLKATA_S


def month_of_day(day: int) -> int:
    """The month number that holds a day."""
    return int(months_of_days(np.asarray([day], np.int64))[0])


def months_of_days(days: NDArray[np.int64]) -> NDArray[np.int64]:
    """The month number of each day."""
    return days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) + _MONTH_OF_1970


def month_first_day(month: int) -> int:
    """The day number of the 1st."""
    return int(np.datetime64(month - _MONTH_OF_1970, "M").astype("datetime64[D]").astype(np.int64))


def month_begin_s(month: int) -> int:
    """The instant at which a month begins."""
    return midnight_s(month_first_day(month))


def month_days(months: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many days each month has."""
    first = (months - _MONTH_OF_1970).astype("datetime64[M]")
    return np.asarray((first + 1).astype("datetime64[D]") - first.astype("datetime64[D]"), np.int64)
