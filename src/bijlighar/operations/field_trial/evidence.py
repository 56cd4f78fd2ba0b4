"""What a field trial is judged by. Plain values: whoever gathers them, the judgement is the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bijlighar.cim.contacts import Contact
from bijlighar.cim.period import Period
from bijlighar.operations.field_trial.limits import TrialLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialMeter:
    """One meter of the trial. ``group``: its communication group (tower); ``period_s``: its block length."""

    meter_id: int
    serial: str
    name: str
    group: str
    period_s: int = 1800


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Stored values of one meter against the meter's own. ``wrong`` of ``compared`` values differ."""

    compared: int
    wrong: int
    at_s: int
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterSums:
    """Days on which block sums could be compared with midnight registers, and days beyond tolerance."""

    days_compared: int
    days_off: int


@dataclass(frozen=True, kw_only=True)
class TrialEvidence:
    """All that the judgement reads.

    ``data``       period over which slots are expected (start of backfill to the last slot that is due)
    ``started_s``  first contact of the trial, epoch seconds UTC; None before any contact
    ``held``       meter_id -> int64[slot] starts of kept blocks, sorted, unique
    ``power_cuts`` meter_id -> periods without supply, from the power event log (101/102)
    """

    name: str
    name_hi: str
    division: str
    place: str
    now_s: int
    data: Period
    started_s: int | None
    meters: Sequence[TrialMeter]
    contacts: Sequence[Contact]
    held: Mapping[int, NDArray[np.int64]]
    power_cuts: Mapping[int, Sequence[Period]] = field(default_factory=dict)
    comparisons: Mapping[int, Comparison] = field(default_factory=dict)
    register_sums: Mapping[int, RegisterSums] = field(default_factory=dict)
    limits: TrialLimits = field(default_factory=TrialLimits)
