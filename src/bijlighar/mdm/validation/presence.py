"""Rules about what is there: gaps, repeats, siblings, block lengths, replacements, long estimation."""

from __future__ import annotations

import numpy as np

from bijlighar.cim.readings import MISSING
from bijlighar.mdm.blocks import SlotFlag
from bijlighar.mdm.validation.evidence import Evidence
from bijlighar.mdm.validation.findings import (
    Found,
    Severity,
    nothing_found,
    of_meters,
    of_run_lengths,
    of_runs,
    together,
)
from bijlighar.mdm.validation.limits import Limits

SIBLINGS = (("import_wh", "import_vah"), ("export_wh", "export_vah"))
"""Channels that a meter gives together (IS 15959, block load profile)."""


def slots_without_a_reading(evidence: Evidence, _limits: Limits) -> Found:
    """Energy is missing although there was supply and the meter in service. Slots."""
    return of_run_lengths(evidence.missing & ~evidence.excused, 0.0) if evidence.missing.any() else nothing_found()


def a_meter_that_said_two_things(evidence: Evidence, _limits: Limits) -> Found:
    """A slot came twice with different values; the newest holds, the older is kept. Slots."""
    return of_run_lengths((evidence.blocks.flags & SlotFlag.CORRECTED) != 0, 0.0)


def a_channel_without_its_sibling(evidence: Evidence, _limits: Limits) -> Found:
    """One of two channels that come together lacks a value, in a meter that gives both. Slots."""
    parts = []
    channels = evidence.blocks.channels
    for one, other in SIBLINGS:
        if one not in channels or other not in channels:
            continue
        lacks_one, lacks_other = channels[one] == MISSING, channels[other] == MISSING
        alone = lacks_one ^ lacks_other
        if alone.any():
            gives_both = ~lacks_one.all(axis=1) & ~lacks_other.all(axis=1)
            parts.append(of_run_lengths(alone & gives_both[:, None], 0.0))
    return together(parts)


def another_block_length(evidence: Evidence, _limits: Limits) -> Found:
    """Rows, or the meter's own capture period, have another length than agreed. Seconds."""
    if evidence.expected_period_s is None:
        return nothing_found()
    length = np.where(evidence.given > 0, evidence.blocks.period_s, 0)
    if evidence.told_period_s is not None:
        told = evidence.told_period_s
        length = np.where((told > 0) & (told != evidence.expected_period_s), told, length)
    known = (evidence.expected_period_s > 0) & (length > 0)
    return of_meters(
        known & (length != evidence.expected_period_s), evidence.slots, length, evidence.expected_period_s
    )


def a_final_value_that_would_change(evidence: Evidence, limits: Limits) -> Found:
    """A new value differs from the final one: a failure where that was billed. Wh of difference, Wh let pass."""
    before = evidence.final_before
    if before is None:
        return nothing_found()
    both = (before != MISSING) & ~evidence.missing
    change = np.abs(np.where(both, evidence.energy - before, 0)).astype(np.float64)
    let_pass = limits.replacement_share * np.abs(np.where(both, before, 0))
    found = of_runs(both & (change > let_pass), change, let_pass)
    if evidence.billed is None or not len(found):
        return found
    grave = evidence.billed[found.row, found.first]
    severity = np.where(grave, Severity.FAILURE, Severity.WARNING).astype(np.uint8)
    return Found(
        row=found.row,
        first=found.first,
        end=found.end,
        measured=found.measured,
        limit=found.limit,
        severity=severity,
    )


def estimates_for_too_long(evidence: Evidence, limits: Limits) -> Found:
    """Estimates for more days in a row than allowed, this day's gaps included: somebody has to go there. Days."""
    if evidence.estimated_days is None:
        return nothing_found()
    gaps = (evidence.missing & ~evidence.excused).any(axis=1)
    days = np.where(gaps, evidence.estimated_days + 1, 0)
    return of_meters(days > limits.prolonged_days, evidence.slots, days, limits.prolonged_days)
