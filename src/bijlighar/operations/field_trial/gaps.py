"""Missing block slots of one meter, joined into gaps, each with its likely cause."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from bijlighar.cim.contacts import Contact, Outcome
from bijlighar.cim.period import Period
from bijlighar.operations.field_trial.outages import GroupOutage


class GapCause(StrEnum):
    """Why slots are missing, the surest cause first."""

    POWER_CUT = "power-cut"  # the meter's own power log says it had no supply
    TOWER_OUTAGE = "tower-outage"  # not read since, and its whole group is silent
    NOT_REACHED = "not-reached"  # not read since the gap
    ABSENT_IN_METER = "absent-in-meter"  # read since, and the meter did not give these rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Missing slots ``[start_s, end_s)`` of one meter."""

    period: Period
    slots: int
    cause: GapCause


def find_gaps(
    *,
    data: Period,
    period_s: int,
    held: NDArray[np.int64],
    contacts: Sequence[Contact],
    power_cuts: Sequence[Period],
    outages: Sequence[GroupOutage],
) -> list[Gap]:
    """The gaps of one meter in ``data``; ``contacts`` and ``outages`` are that meter's and its group's."""
    expected = np.arange(-(-data.start_s // period_s) * period_s, data.end_s - period_s + 1, period_s)
    missing = expected[~np.isin(expected, held)]
    if not len(missing):
        return []
    runs = np.split(missing, np.flatnonzero(np.diff(missing) != period_s) + 1)
    read_at = [c.started_ms // 1000 for c in contacts if c.outcome is Outcome.OK and "block-load" in c.purpose]
    last_read_s = max(read_at, default=None)
    gaps = []
    for run in runs:
        period = Period(start_s=int(run[0]), end_s=int(run[-1]) + period_s)
        cause = _cause(period, last_read_s, power_cuts, outages)
        gaps.append(Gap(period=period, slots=len(run), cause=cause))
    return gaps


def _cause(
    gap: Period, last_read_s: int | None, power_cuts: Sequence[Period], outages: Sequence[GroupOutage]
) -> GapCause:
    if any(cut.start_s < gap.end_s and gap.start_s < cut.end_s for cut in power_cuts):
        return GapCause.POWER_CUT
    if last_read_s is None or last_read_s < gap.end_s:
        silent_since = any(outage.period.end_s >= gap.end_s for outage in outages)
        return GapCause.TOWER_OUTAGE if silent_since else GapCause.NOT_REACHED
    return GapCause.ABSENT_IN_METER
