"""Rules about the meter itself: its unit, scaler and ratios, its identity, its clock."""

from __future__ import annotations

import numpy as np

from bijlighar.cim.readings import MISSING
from bijlighar.mdm.validation.evidence import Evidence
from bijlighar.mdm.validation.findings import Found, nothing_found, of_meters, together
from bijlighar.mdm.validation.limits import Limits


def another_unit(evidence: Evidence, _limits: Limits) -> Found:
    """The unit or the power of ten that the meter states is not the agreed one. Unit code, or power of ten."""
    parts = []
    if evidence.expected_unit is not None and evidence.told_unit is not None:
        known = (evidence.expected_unit > 0) & (evidence.told_unit > 0)
        bad = known & (evidence.expected_unit != evidence.told_unit)
        parts.append(of_meters(bad, evidence.slots, evidence.told_unit, evidence.expected_unit))
    if evidence.expected_scaler is not None and evidence.told_scaler is not None:
        known = (evidence.expected_scaler != MISSING) & (evidence.told_scaler != MISSING)
        bad = known & (evidence.expected_scaler != evidence.told_scaler)
        parts.append(of_meters(bad, evidence.slots, evidence.told_scaler, evidence.expected_scaler))
    return together(parts)


def another_multiplier(evidence: Evidence, _limits: Limits) -> Found:
    """The ratio of current and voltage transformers in the meter is not the agreed one. Ratio."""
    if evidence.expected_ratio is None or evidence.told_ratio is None:
        return nothing_found()
    bad = np.abs(evidence.told_ratio - evidence.expected_ratio) > 1e-9 * np.abs(evidence.expected_ratio)
    return of_meters(bad, evidence.slots, evidence.told_ratio, evidence.expected_ratio)


def another_meter(evidence: Evidence, _limits: Limits) -> Found:
    """The frame names another meter than the registry has there. 1 of 0."""
    if evidence.another_meter is None:
        return nothing_found()
    return of_meters(evidence.another_meter, evidence.slots, evidence.another_meter, 0.0)


def a_clock_that_is_off(evidence: Evidence, limits: Limits) -> Found:
    """The meter's clock differs from the head-end's. Seconds."""
    if evidence.clock_offset_s is None:
        return nothing_found()
    bad = np.abs(evidence.clock_offset_s) > limits.clock_offset_s
    return of_meters(bad, evidence.slots, evidence.clock_offset_s, limits.clock_offset_s)
