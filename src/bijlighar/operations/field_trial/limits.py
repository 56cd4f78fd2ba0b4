"""What a field trial must reach. Configuration: kept with the trial, shown with each number's source."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialLimits:
    """Limits of the verdict. Rates are shares from 0 to 1.

    ``minimum_days``            a verdict needs so many civil days of contacts
    ``success_rate_per_meter``  sessions succeeded of sessions tried, hours of a silent tower left out;
                                own bar, between the 98 % of daily reads of Ontario's AMI specification 2.3.1,
                                which allows retries, and the 10 % a marginal radio link loses per try
    ``success_rate_all``        the same over all meters: Ontario AMI specification 2.3.1
    ``slots_held``              share of block slots kept after backfill: 99.5 % after three days is the bar that
                                the utility's service levels adopt
    ``latency_p90_ms``          a whole session, wall clock: half of the bar for an on-demand read, p90 within 60 s
    ``clock_offset_s``          a meter's clock is set beyond this; the trial fails above it
    ``clock_drift_s_per_day``   ten times the ordinary spread of 0.5 s/day
    ``wrong_values``            stored values that differ from the meter's own
    ``register_days_off``       days whose blocks do not sum to the difference of the midnight registers
    """

    minimum_days: int = 3
    success_rate_per_meter: float = 0.95
    success_rate_all: float = 0.98
    slots_held: float = 0.995
    latency_p90_ms: int = 30_000
    clock_offset_s: float = 120.0
    clock_drift_s_per_day: float = 5.0
    wrong_values: int = 0
    register_days_off: int = 0


REGISTER_RESOLUTION_WH = 10
"""Fielded D1 meters count energy in steps of 10 Wh (scaler +1), in blocks and in registers."""


def register_tolerance_wh(difference_wh: int, slots: int) -> float:
    """How far the sum of ``slots`` blocks may lie from the register difference, in Wh.

    Twice the register's resolution, half a resolution of rounding per block, or 0.5 %, whichever is larger.
    """
    rounding = 2 * REGISTER_RESOLUTION_WH + slots * REGISTER_RESOLUTION_WH / 2
    return max(rounding, 0.005 * abs(difference_wh))
