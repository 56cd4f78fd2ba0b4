"""Offset and drift of a meter's clock, from the offsets seen at many contacts.

Drift is the median of slopes between contacts (Theil and Sen), so that one late answer does not bend it. When
the head-end sets the clock the offset jumps; slopes are only taken within stretches without a jump.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DAY_S = 86_400

JUMP_S = 60.0
"""A change of offset by more than this between two contacts is a setting, not a drift: clocks are set when they
are 120 s off, while the worst drift 60 s a day and a reading is told with at most 30 s of doubt."""

LAST_READINGS = 5
"""The offset now is the median of so many readings since the last setting: one slow answer is no wrong clock."""

MINIMUM_SPAN_S = 24 * 3600
"""Below a day the doubt of single readings outweighs any real drift: the clock object tells whole seconds, and an
answer took its time, so that ten hours of a good clock look like 5 seconds a day."""

SAMPLES = 200
"""Contacts used for the slopes, evenly spread: 200 give 19,900 pairs, plenty for a median."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockJudgement:
    """``offset_s`` at the last contacts, ``drift_s_per_day`` or None when too little was seen, jumps counted."""

    offset_s: float | None
    drift_s_per_day: float | None
    jumps: int


def judge_clock(instants_s: Sequence[float], offsets_s: Sequence[float]) -> ClockJudgement:
    """Judge offsets (meter minus head-end, seconds) seen at ``instants_s`` (epoch seconds, any order)."""
    if not len(instants_s):
        return ClockJudgement(offset_s=None, drift_s_per_day=None, jumps=0)
    order = np.argsort(np.asarray(instants_s, np.float64), kind="stable")
    instants = np.asarray(instants_s, np.float64)[order]
    offsets = np.asarray(offsets_s, np.float64)[order]
    breaks = np.flatnonzero(np.abs(np.diff(offsets)) > JUMP_S) + 1
    slopes = [_slopes(instants[part], offsets[part]) for part in np.split(np.arange(len(instants)), breaks)]
    found = np.concatenate(slopes)
    drift = float(np.median(found)) * DAY_S if len(found) else None
    since = offsets[breaks[-1] if len(breaks) else 0 :][-LAST_READINGS:]
    return ClockJudgement(offset_s=float(np.median(since)), drift_s_per_day=drift, jumps=len(breaks))


def _slopes(instants: NDArray[np.float64], offsets: NDArray[np.float64]) -> NDArray[np.float64]:
    if len(instants) < 3 or instants[-1] - instants[0] < MINIMUM_SPAN_S:
        return np.empty(0)
    picked = np.unique(np.linspace(0, len(instants) - 1, SAMPLES).astype(int))
    first, second = np.triu_indices(len(picked), 1)
    spans = instants[picked[second]] - instants[picked[first]]
    long_enough = spans >= MINIMUM_SPAN_S / 2
    rises = offsets[picked[second]] - offsets[picked[first]]
    slopes: NDArray[np.float64] = rises[long_enough] / spans[long_enough]
    return slopes
