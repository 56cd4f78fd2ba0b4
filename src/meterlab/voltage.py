"""Voltage at the meters, and the evenings on which it sags.

Assumed: a transformer wanders by about 1.5 % from half hour to half hour, sags 40 V on one evening in twelve, and
a home loses a little more with its own current. Sags are what the voltage logs tell as events 9 and 10. Where a
power flow is at hand it tells the voltage, in place of wander and own current; sags remain, a transformer's fault.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from meterlab import draws
from meterlab.calendar import DAY_S, KOLKATA_S, SLOT_S, midnight_s
from meterlab.registers import PowerFlow
from meterlab.town import Town

NOMINAL_MV = 231_000
FEEDER_MV = 6_351_000
"""11 kV between phases, as a feeder's meter tells it: one phase to earth, primary."""

_WANDER_MV = 3_400
_MOST_WANDER_MV = 12_000
_SAG_MV = 40_000
_SAG_SHARE = 1 / 12
_SAG_FROM_S = 19 * 3600
_SAG_STARTS_WITHIN_S = 2 * 3600
_SAG_LASTS_S = (20 * 60, 100 * 60)
_MINUTE_MV = 350
_LEVELS_KEPT = 4096  # a day of each: 1.6 MB
_DAYS_AT_ONCE = 128
_SEASONS_KEPT = 20_000  # of all transformers of a city for a year: some 20 MB


def sags(town: Town, transformer: int, first_day: int, last_day: int) -> list[tuple[int, int]]:
    """Low-voltage intervals ``[begin_s, end_s)`` that began on days ``[first_day, last_day]``, in order."""
    return _sags(town.seed, transformer, first_day, last_day)


def _sags(seed: int, transformer: int, first_day: int, last_day: int) -> list[tuple[int, int]]:
    begin_s, end_s = midnight_s(first_day), midnight_s(last_day + 1)
    seasons = range(first_day // _DAYS_AT_ONCE, last_day // _DAYS_AT_ONCE + 1)
    return [sag for season in seasons for sag in _season(seed, transformer, season) if begin_s <= sag[0] < end_s]


@lru_cache(maxsize=_SEASONS_KEPT)
def _season(seed: int, transformer: int, number: int) -> list[tuple[int, int]]:
    """The sags of so many evenings in a row."""
    days = number * _DAYS_AT_ONCE + np.arange(_DAYS_AT_ONCE)
    drawn, begins, lasts = draws.uniform(seed, "sag", transformer, 3 * days[:, None] + np.arange(3)).T
    shortest_s, longest_s = _SAG_LASTS_S
    begin_s = days * DAY_S - KOLKATA_S + _SAG_FROM_S + (_SAG_STARTS_WITHIN_S * begins).astype(np.int64)
    end_s = begin_s + shortest_s + ((longest_s - shortest_s) * lasts).astype(np.int64)
    sagging = drawn < _SAG_SHARE
    return list(zip(begin_s[sagging].tolist(), end_s[sagging].tolist(), strict=True))


def voltage_mv(
    town: Town,
    meter: int,
    phase: int,
    instants_s: NDArray[np.int64],
    current_ma: NDArray[np.int64],
    flow: PowerFlow | None = None,
) -> NDArray[np.int64]:
    """Mean voltage of the half hours that hold the instants, ``int64[instant]``; instants ascend."""
    transformer = int(town.transformer[meter])
    if town.feeder_of(meter) is not None:
        level = _level_mv(town.seed, transformer, phase, instants_s.tobytes())
        return np.asarray(np.rint(level * (FEEDER_MV / NOMINAL_MV)), np.int64)
    if flow is None or not len(instants_s) or instants_s[-1] < flow.since_s:
        level = _level_mv(town.seed, transformer, phase, instants_s.tobytes())
        dropped = level - town.drop_mv_per_a[meter] / 1000 * current_ma
        return np.asarray(np.rint(dropped), np.int64)
    first = int(np.searchsorted(instants_s, flow.since_s))
    before = voltage_mv(town, meter, phase, instants_s[:first], current_ma[:first])
    flowed = np.rint(flow.voltage_mv(meter, phase, instants_s[first:])).astype(np.int64)
    return np.concatenate([before, flowed - _sagging(town.seed, transformer, instants_s[first:]) * _SAG_MV])


@lru_cache(maxsize=_LEVELS_KEPT)
def _level_mv(seed: int, transformer: int, phase: int, instants: bytes) -> NDArray[np.float64]:
    """The voltage at a transformer, which its homes share: ``float64[instant]``."""
    instants_s = np.frombuffer(instants, np.int64)
    slots = (instants_s + KOLKATA_S) // SLOT_S
    wander = _WANDER_MV * draws.normal(seed, f"voltage-{phase}", transformer, slots)
    level = NOMINAL_MV + np.clip(wander, -_MOST_WANDER_MV, _MOST_WANDER_MV)
    level -= _SAG_MV * _sagging(seed, transformer, instants_s)
    return np.asarray(level)


def _sagging(seed: int, transformer: int, instants_s: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which instants lie in a sag, ``bool[instant]``."""
    found = np.zeros(len(instants_s), np.bool_)
    if len(instants_s):
        first, last = ((instants_s[[0, -1]] + KOLKATA_S) // DAY_S).tolist()
        for begin, end in _sags(seed, transformer, first - 1, last):
            found |= (begin <= instants_s) & (instants_s < end)
    return found


def minute_wander_mv(town: Town, meter: int, instants_s: NDArray[np.int64]) -> NDArray[np.int64]:
    """What a snapshot sees beside the mean of its half hour."""
    drawn = draws.normal(town.seed, "voltage-minute", meter, instants_s // 60)
    return np.rint(_MINUTE_MV * drawn).astype(np.int64)


def frequency_millihz(town: Town, instants_s: NDArray[np.int64]) -> NDArray[np.int64]:
    """One frequency for the whole town, within the 49.90 to 50.05 Hz that the grid code asks for."""
    drawn = draws.uniform(town.seed, "frequency", 0, instants_s // 10)
    return np.rint(49_900 + 150 * drawn).astype(np.int64)
