"""Rules about how much: negative, zero, spikes, neighbours, the meter's own limit, the usual use."""

from __future__ import annotations

import numpy as np

from bijlighar.mdm.validation.evidence import Evidence
from bijlighar.mdm.validation.findings import Found, Severity, nothing_found, of_meters, of_runs, runs
from bijlighar.mdm.validation.limits import Limits


def negative_energy(evidence: Evidence, _limits: Limits) -> Found:
    """Energy below zero: import and export have channels of their own. Wh."""
    return of_runs(evidence.energy_or_zero < 0, evidence.energy, 0.0)


def zeros_while_there_is_supply(evidence: Evidence, limits: Limits) -> Found:
    """Nothing used for very long with supply on and relay closed, too long for the register's step. Hours."""
    before = evidence.zero_slots_before
    carried = np.zeros(len(evidence.blocks), dtype=np.int64) if before is None else before
    shop = np.zeros(len(carried), dtype=bool) if evidence.is_shop is None else evidence.is_shop
    hours = np.where(shop, limits.zero_shop_hours, limits.zero_home_hours)
    zero = evidence.energy == 0
    rows = np.flatnonzero((zero.sum(axis=1) + carried) * evidence.hours >= hours)
    if not len(rows):
        return nothing_found()
    still = zero[rows] & ~evidence.dark[rows]
    if evidence.relay_open is not None:
        still &= ~evidence.relay_open[rows]
    at, first, end = runs(still)
    row = rows[at]
    length = end - first + np.where(first == 0, carried[row], 0)
    bad = length * evidence.hours >= hours[row]
    if evidence.usual_daily_wh is not None:
        would_use = evidence.usual_daily_wh[row] * length / evidence.slots
        bad &= ~(would_use < limits.zero_expected_steps * evidence.resolution_wh[row])
    return Found(
        row=row[bad],
        first=first[bad],
        end=end[bad],
        measured=(length[bad] * evidence.hours).astype(np.float64),
        limit=hours[row][bad],
    )


def a_single_block_far_above_the_day(evidence: Evidence, limits: Limits) -> Found:
    """(Highest - third highest) / third highest of the day, where it has three blocks. Ratio."""
    rows = np.flatnonzero((evidence.peak >= limits.spike_least_w * evidence.hours) & (evidence.given >= 3))
    if not len(rows):
        return nothing_found()
    energy = evidence.energy_or_zero[rows]
    third = np.partition(energy, -3, axis=1)[:, -3]
    ratio = np.divide(evidence.peak[rows] - third, third, out=np.full(len(rows), np.inf), where=third > 0)
    bad = ratio > limits.spike_ratio
    first = energy[bad].argmax(axis=1) if bad.any() else np.zeros(0, dtype=np.int64)
    return Found(
        row=rows[bad],
        first=first,
        end=first + 1,
        measured=ratio[bad],
        limit=np.full(len(first), limits.spike_ratio),
    )


def neighbours_far_apart(evidence: Evidence, limits: Limits) -> Found:
    """An abrupt change from one block to the next, over the larger of both; off unless configured. Ratio."""
    if limits.consecutive_ratio is None:
        return nothing_found()
    left, right = evidence.energy_or_zero[:, :-1], evidence.energy_or_zero[:, 1:]
    larger, change = np.maximum(left, right), np.abs(right - left)
    apart = (change > limits.consecutive_ratio * larger) & (larger >= limits.consecutive_least_w * evidence.hours)
    if evidence.missing.any():
        apart &= ~evidence.missing[:, :-1] & ~evidence.missing[:, 1:]
    row, first, end = runs(apart)
    return Found(
        row=row,
        first=first + 1,
        end=end + 1,
        measured=change[row, first] / larger[row, first],
        limit=np.full(len(row), limits.consecutive_ratio),
    )


def more_than_the_meter_can_carry(evidence: Evidence, limits: Limits) -> Found:
    """Above the meter's greatest current: a failure; where that is not known, above the sanctioned load. Wh.

    Both as the meter counts: behind transformers the sanctioned load is divided by what bills multiply with.
    """
    load_w = _or_zero(evidence.sanctioned_load_w, len(evidence.blocks))
    phases = np.ones(len(load_w)) if evidence.phases is None else evidence.phases
    current_a = _or_zero(evidence.greatest_current_ma, len(load_w)) / 1000.0
    carries_w = current_a * limits.nominal_voltage_v * phases
    times = np.ones(len(load_w)) if evidence.multiplier is None else np.nan_to_num(evidence.multiplier, nan=1.0)
    limit_wh = np.where(carries_w > 0, carries_w, limits.high_limit_factor * load_w / times) * evidence.hours
    rows = np.flatnonzero((limit_wh > 0) & (evidence.peak > limit_wh))
    if not len(rows):
        return nothing_found()
    energy = evidence.energy_or_zero[rows]
    found = of_runs(energy > limit_wh[rows, None], energy, limit_wh[rows, None])
    row = rows[found.row]
    severity = np.where(carries_w[row] > 0, Severity.FAILURE, Severity.WARNING).astype(np.uint8)
    return Found(
        row=row,
        first=found.first,
        end=found.end,
        measured=found.measured,
        limit=found.limit,
        severity=severity,
    )


def a_day_far_from_the_usual(evidence: Evidence, limits: Limits) -> Found:
    """The day's use, brought to a whole day, against the usual one; both ends mind the register's step. Wh."""
    usual, days = evidence.usual_daily_wh, evidence.usual_days
    if usual is None or days is None:
        return nothing_found()
    enough = (evidence.given >= limits.usage_least_share * evidence.slots) & (days >= limits.usage_least_days)
    used = evidence.total * (evidence.slots / np.maximum(evidence.given, 1))
    step = evidence.resolution_wh
    high = used - step > limits.high_usage_ratio * usual
    low = used + step < limits.low_usage_ratio * usual
    limit = np.where(high, limits.high_usage_ratio * usual, limits.low_usage_ratio * usual)
    return of_meters(enough & (high | low), evidence.slots, used, limit)


def _or_zero(known: np.ndarray | None, meters: int) -> np.ndarray:
    return np.zeros(meters, dtype=np.int64) if known is None else known
