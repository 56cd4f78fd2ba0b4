"""What homes of Uttar Pradesh draw: energy by month, day and half hour, for any meter and any day by itself.

Held to 84 smart meters of Mathura and Bareilly (CEEW, doi:10.7910/DVN/GOCHJH). The energy is cut from above: a
month's energy has a closed form, days share the month, half hours share the day, all in whole watt-hours. So a
register at any instant costs one month and one day, never a sum since installation, and blocks, midnight and
billing registers agree to the watt-hour. Not here: weekdays (they make no difference in that set, 0.993-1.010).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from meterlab import draws
from meterlab.calendar import SLOTS_A_DAY, month_days, month_first_day

MONTH_FACTORS = (0.647, 0.540, 0.581, 0.870, 1.240, 1.549, 1.483, 1.394, 1.350, 0.920, 0.517, 0.563)
"""January to December against the year's mean (CEEW)."""

MEAN_QUANTILES = (0.0, 0.05, 0.5, 0.95, 1.0)
MEAN_KWH_DAY = (0.3, 1.3, 6.4, 16.0, 23.0)
"""Meter means at those quantiles (CEEW; a fitted lognormal overshoots the upper end)."""

JULY_HOURLY_SHAPE = (
    *(0.05306, 0.04807, 0.04645, 0.04286, 0.03924, 0.03713, 0.03578, 0.03355),
    *(0.03494, 0.03224, 0.03541, 0.03636, 0.03888, 0.03993, 0.04449, 0.04572),
    *(0.04649, 0.04076, 0.03483, 0.03392, 0.04330, 0.04966, 0.05259, 0.05434),
)
"""Share of each hour in the day's energy (47 households, July 2020)."""

MONTH_LOG_SD = 0.15
"""How much one home's month differs from its mean and season (assumed)."""

DAY_LOG_SD = 0.36
DAY_LAG = 0.53
"""Days within a month. Sharing out a month takes a little of both away: what comes out is 0.34 and 0.47 (CEEW)."""

ZERO_DAY_SHARE = 0.018
"""Days on which nobody is at home (CEEW: 0.9 % in Mathura, 2.8 % in Bareilly)."""

SLOT_LOG_SD = 1.1
"""Half hours of one home: pumps, geysers, cycling air conditioners. Peak over mean 4-8 for one home (assumed)."""

SLOT_CARRY = 0.35
"""Share of a half hour's deviation that the next one keeps."""

_LAG_TERMS = 8  # 0.53**8 < 1 %: older days no longer matter
_WINTER_FLATTENING = {11: 0.15, 12: 0.2, 1: 0.2, 2: 0.15}


def mean_wh_day(seed: int, meters: NDArray[np.int64]) -> NDArray[np.float64]:
    """The yearly mean of each meter in Wh a day, ``float64[meter]``."""
    return 1000.0 * np.interp(draws.uniform(seed, "mean", meters), MEAN_QUANTILES, MEAN_KWH_DAY)


def month_wh(
    seed: int, meters: NDArray[np.int64], mean_wh: NDArray[np.float64], months: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Energy of whole months, ``int64[meter, month]`` in Wh. ``months`` count from January of the year 0."""
    factor = np.asarray(MONTH_FACTORS)[months % 12] * month_days(months)
    deviation = np.exp(MONTH_LOG_SD * draws.normal(seed, "month", meters[:, None], months) - MONTH_LOG_SD**2 / 2)
    return np.rint(mean_wh[:, None] * factor * deviation).astype(np.int64)


def _lag_weights() -> NDArray[np.float64]:
    weights = DAY_LAG ** np.arange(_LAG_TERMS)[::-1]
    return np.asarray(weights / np.sqrt(np.sum(weights**2)))


def day_cumulative_wh(
    seed: int, meters: NDArray[np.int64], month: int, month_energy_wh: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Energy since the month began at each midnight, ``int64[meter, day + 1]`` in Wh, first column 0.

    ``month_energy_wh`` is ``int64[meter]``, the month's whole energy: the last column.
    """
    first = month_first_day(month)
    count = int(month_days(np.asarray([month]))[0])
    days = np.arange(first - _LAG_TERMS + 1, first + count)
    steps = draws.normal(seed, "day", meters[:, None], days)
    level = np.zeros((len(meters), count))
    for term, weight in enumerate(_lag_weights()):
        level += weight * steps[:, term : term + count]
    weights = np.exp(DAY_LOG_SD * level)
    weights[draws.uniform(seed, "zero-day", meters[:, None], days[_LAG_TERMS - 1 :]) < ZERO_DAY_SHARE] = 0.0
    return _shared(month_energy_wh, weights)


def _half_hour_shapes() -> NDArray[np.float64]:
    """``float64[month of the year, slot]``, each row with mean 1."""
    hours = np.arange(-1, 25) + 0.5
    around = np.asarray((JULY_HOURLY_SHAPE[-1], *JULY_HOURLY_SHAPE, JULY_HOURLY_SHAPE[0])) * 24
    july = np.interp((np.arange(SLOTS_A_DAY) + 0.5) / 2, hours, around)
    july /= july.mean()
    flat = np.asarray([_WINTER_FLATTENING.get(month, 0.0) for month in range(1, 13)])[:, None]
    return np.asarray(july * (1 - flat) + flat)


_SHAPES = _half_hour_shapes()
_SLOTS = np.arange(-1, SLOTS_A_DAY)


def slot_cumulative_wh(
    seed: int,
    meters: NDArray[np.int64],
    days: NDArray[np.int64],
    months: NDArray[np.int64],
    day_wh: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Energy since midnight at each half hour, ``int64[meter, day, slot + 1]`` in Wh, first 0, last the day's.

    ``days`` and ``months`` are ``int64[day]``, ``day_wh`` is ``int64[meter, day]``.
    """
    counters = days[:, None] * SLOTS_A_DAY + _SLOTS
    steps = draws.normal(seed, "slot", meters[:, None, None], counters)
    level = (steps[..., 1:] + SLOT_CARRY * steps[..., :-1]) * (SLOT_LOG_SD / np.sqrt(1 + SLOT_CARRY**2))
    return _shared(day_wh, _SHAPES[months % 12] * np.exp(level))


def _shared(total_wh: NDArray[np.int64], weights: NDArray[np.float64]) -> NDArray[np.int64]:
    """``total_wh[...]`` cut in proportion to ``weights[..., part]``: running sums ``int64[..., part + 1]``."""
    running = np.zeros((*weights.shape[:-1], weights.shape[-1] + 1))
    np.cumsum(weights, axis=-1, out=running[..., 1:])
    running *= (total_wh / running[..., -1])[..., None]
    running[..., -1] = total_wh
    return np.rint(running).astype(np.int64)


def quarter_share(seed: int, meters: NDArray[np.int64], slots: NDArray[np.int64]) -> NDArray[np.float64]:
    """Share of a half hour's energy drawn in its first quarter of an hour, ``float64[meter, slot]``.

    ``slots`` are half hours since 1970 in the meters' zone.
    """
    return 0.3 + 0.4 * draws.uniform(seed, "quarter", meters[:, None], slots)
