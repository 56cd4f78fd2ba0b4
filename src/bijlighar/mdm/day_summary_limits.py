"""What a day's voltage is held against, as dated rows: a later row changes what it names, nothing else.

Nominal 230 V after IS 12360; a supplier keeps low voltage within 6 % of what is declared (Indian Electricity Rules
1956, rule 54, which the supply codes of the states have taken over). A utility enters its own code's figures.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

LEAST_NOMINAL_V, MOST_NOMINAL_V = 50.0, 1_000.0
"""A phase of low voltage lies between (IEC 60038: up to 1,000 V)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VoltageLimits:
    """``low_share`` and ``high_share`` of the nominal voltage below and above it are still in order.

    A slot under ``no_supply_share`` of it had no supply and therefore no voltage to judge (our own choice: meters
    tell the mean of a slot, so one that was dark for most of it is left out).
    """

    nominal_v: float = 230.0
    low_share: float = 0.06
    high_share: float = 0.06
    no_supply_share: float = 0.10

    @property
    def least_mv(self) -> int:
        """Less than this is too low."""
        return round(self.nominal_v * (1 - self.low_share) * 1000)

    @property
    def most_mv(self) -> int:
        """More than this is too high."""
        return round(self.nominal_v * (1 + self.high_share) * 1000)

    @property
    def no_supply_mv(self) -> int:
        """Less than this is no supply."""
        return round(self.nominal_v * self.no_supply_share * 1000)


_NAMES = {field.name for field in fields(VoltageLimits)}


class UnknownVoltageLimit(Exception):
    """A row names a limit that is none, or gives it a value that it cannot have. ``name`` the limit."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"voltage limit {name!r}: {reason}")
        self.name = name


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsRow:
    """Limits that change from an instant on; those not named stay as they were."""

    valid_from_s: int
    changes: Mapping[str, Any]


def limits_on(start_s: int, rows: Iterable[LimitsRow]) -> VoltageLimits:
    """What holds for a day that starts at ``start_s``. Raises UnknownVoltageLimit."""
    limits = VoltageLimits()
    for row in sorted(rows, key=lambda row: row.valid_from_s):  # stable: of equal instants the last added wins
        if row.valid_from_s <= start_s:
            limits = replace(limits, **{name: _value(name, value) for name, value in row.changes.items()})
    return limits


def _value(name: str, value: object) -> float:
    if name not in _NAMES:
        raise UnknownVoltageLimit(name, "there is none of that name")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UnknownVoltageLimit(name, f"{value!r} is no number")
    if name == "nominal_v" and not LEAST_NOMINAL_V <= value <= MOST_NOMINAL_V:
        raise UnknownVoltageLimit(name, f"{value!r} is no low voltage")
    if name.endswith("_share") and not 0 <= value < 1:
        raise UnknownVoltageLimit(name, f"{value!r} is no share of 1")
    return float(value)
