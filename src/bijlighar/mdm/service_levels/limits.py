"""The bars that service levels are held against, as dated rows: a later row changes what it names, nothing else.

The shares and times are the acceptance bars that the product sets itself; the second bar is that of Ontario's
"Functional Specification for an Advanced Metering Infrastructure" (2.3.1: 98.0 % of the reads of a daily read
period). A contract's own figures are entered as a dated row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from bijlighar.mdm.service_levels.completeness import CUT_OFF_HOURS


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceLimits:
    """Shares are of 1; hours count from the midnight that ends the day; seconds are of the utility's clock.

    ``morning_*``  the first bar: the day's data is there when the office opens
    ``day_*``      the second: a day later
    ``backfill_*`` the last: when meters have been read back for three days
    ``second_bar_share`` Ontario's, at ``day_hours``
    ``weak_signal_dbm``  at and below it a failed try is put down to the radio; -113 dBm is the least a modem tells
    ``clock_s``          a meter's clock is wrong beyond this
    """

    morning_hours: int = 8
    morning_share: float = 0.95
    day_hours: int = 24
    day_share: float = 0.99
    backfill_hours: int = 72
    backfill_share: float = 0.995
    second_bar_share: float = 0.98
    on_demand_p90_s: float = 60.0
    on_demand_p99_s: float = 300.0
    alarm_p95_s: float = 5.0
    weak_signal_dbm: float = -100.0
    clock_s: float = 120.0


DEFAULTS = ServiceLimits()
_HOURS = ("morning_hours", "day_hours", "backfill_hours")
_NAMES = {field.name for field in fields(ServiceLimits)}


class UnknownServiceLimit(Exception):
    """A row names a limit that is none, or gives it a value of another kind. ``name`` the limit."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"service limit {name!r}: {reason}")
        self.name = name


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsRow:
    """Limits that change from an instant on; those not named stay as they were."""

    valid_from_s: int
    changes: Mapping[str, Any]


def limits_on(start_s: int, rows: Iterable[LimitsRow]) -> ServiceLimits:
    """What holds for a day that starts at ``start_s``. Raises UnknownServiceLimit."""
    limits = DEFAULTS
    for row in sorted(rows, key=lambda row: row.valid_from_s):  # stable: of equal instants the last added wins
        if row.valid_from_s <= start_s:
            changes: dict[str, Any] = {name: _value(name, value) for name, value in row.changes.items()}
            limits = replace(limits, **changes)
    return limits


def _value(name: str, value: object) -> float | int:
    if name not in _NAMES:
        raise UnknownServiceLimit(name, "there is none of that name")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UnknownServiceLimit(name, f"{value!r} is no number")
    if name in _HOURS:
        if value not in CUT_OFF_HOURS:
            raise UnknownServiceLimit(name, f"{value!r} is no hour at which completeness is counted")
        return int(value)
    if name.endswith("_share") and not 0 <= value <= 1:
        raise UnknownServiceLimit(name, f"{value!r} is no share of 1")
    return float(value)
