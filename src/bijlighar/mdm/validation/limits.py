"""The limits of the rules, as dated rows of configuration: what held on the day that is judged, holds for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of all rules. The defaults are starting points: a utility tunes them per group and season."""

    clock_offset_s: float = 60.0
    """A meter that is a minute off puts energy into the wrong block's edge; from 120 s on it is set."""

    spike_ratio: float = 1.8
    """(highest - third highest) / third highest in a day; 180 % is the Californian value."""
    spike_least_w: float = 1000.0
    """No spike below half a kilowatt-hour in half an hour: small loads are all spikes."""

    high_limit_factor: float = 1.2
    """Over the sanctioned load, where the meter's greatest current is not known."""
    nominal_voltage_v: float = 230.0

    high_usage_ratio: float = 3.0
    """Of the usual daily use in the season."""
    low_usage_ratio: float = 0.2
    usage_least_days: int = 3
    """Days of history below which nothing is usual."""
    usage_least_share: float = 0.5
    """Share of the day that must be held before its use is extrapolated."""

    consecutive_ratio: float | None = None
    """Change between neighbours over the larger one; None: off, as homes switch kettles."""
    consecutive_least_w: float = 1000.0

    zero_home_hours: float = 48.0
    zero_shop_hours: float = 6.0
    zero_expected_steps: float = 2.0
    """Zeros are no fault unless the meter's usual use would have moved its register by so many steps."""

    sum_steps: float = 2.0
    """Both midnight registers are cut to the register's step, so two steps of difference mean nothing."""
    sum_share: float = 0.005
    sum_rounds_blocks: bool = False
    """Whether blocks are rounded to the step one by one: then half a step for each may be missing."""

    apparent_share: float = 0.999
    """Apparent energy is at least the active one, but for the registers' steps."""
    power_factor_milli: float = 20.0
    power_factor_least_w: float = 200.0
    """Below that the power factor of a half-hour block of 10 Wh steps says nothing."""

    replacement_share: float = 0.0
    """Change of a final measurement that is let pass without a word."""
    prolonged_days: int = 3
    """More days of estimates in a row send somebody to the meter."""

    neutral_share: float = 0.2
    neutral_least_a: float = 1.0
    neutral_slots: int = 3
    """Neutral and phase current of a single-phase meter differ so long before it is worth a hint."""


class UnknownLimit(Exception):
    """A row names a limit that no rule has, or gives it a value of another kind. ``name`` the limit."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"limit {name!r}: {reason}")
        self.name = name


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsRow:
    """Limits that change from an instant on; those not named stay as they were."""

    valid_from_s: int
    changes: Mapping[str, Any]


DEFAULTS = Limits()
_NAMES = {field.name for field in fields(Limits)}


def limits_on(start_s: int, rows: Iterable[LimitsRow]) -> Limits:
    """What holds for a day that starts at ``start_s``. Raises UnknownLimit."""
    limits = DEFAULTS
    for row in sorted(rows, key=lambda row: row.valid_from_s):  # stable: of equal instants the last added wins
        if row.valid_from_s <= start_s:
            limits = replace(limits, **{name: _value(name, value) for name, value in row.changes.items()})
    return limits


def _value(name: str, value: Any) -> Any:  # noqa: ANN401 - whatever JSON can say
    if name not in _NAMES:
        raise UnknownLimit(name, "no rule has it")
    default = getattr(DEFAULTS, name)
    if isinstance(default, bool) or isinstance(value, bool):
        if isinstance(value, bool) and isinstance(default, bool):
            return value
    elif value is None and default is None:
        return None
    elif isinstance(value, int | float) and value >= 0:
        return type(default)(value) if default is not None else float(value)
    raise UnknownLimit(name, f"{value!r} is no value for it")
