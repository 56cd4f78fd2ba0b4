"""What a reading column means: one name per quantity, with its stored unit and its CIM reading type.

Columns are int64 in the unit that the name ends with, so that a meter's integers stay exact. The same quantity
in another profile has another reading type (a 30-minute block, a midnight register, a billing register), hence
``reading_type(kind, channel)``. Codes are the 18 fields of IEC 61968-9 as composed in the sources named in
docs/glossary.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ProfileKind(StrEnum):
    """The profiles that a smart meter of IS 15959 offers."""

    NAMEPLATE = "nameplate"
    INSTANTANEOUS = "instantaneous"
    BLOCK_LOAD = "block-load"
    DAILY = "daily"
    BILLING = "billing"
    EVENT = "event"


@dataclass(frozen=True, slots=True)
class Unit:
    """A stored unit. ``exponent``: stored value x 10**exponent is the value in ``symbol``."""

    symbol: str
    exponent: int


WH = Unit("Wh", 0)
VAH = Unit("VAh", 0)
VARH = Unit("varh", 0)
MV = Unit("V", -3)
MA = Unit("A", -3)
MILLI = Unit("", -3)
MILLIHZ = Unit("Hz", -3)
W = Unit("W", 0)
VA = Unit("VA", 0)
VAR = Unit("var", 0)
MINUTE = Unit("min", 0)
COUNT = Unit("", 0)
EPOCH = Unit("s", 0)
DBM = Unit("dBm", 0)

TARIFF_ZONES = range(1, 9)

_PHASED = {
    "voltage": ("mv", MV),
    "current": ("ma", MA),
    "power_factor": ("milli", MILLI),
}

CHANNELS: dict[str, Unit] = {
    "import_wh": WH,
    "import_vah": VAH,
    "export_wh": WH,
    "export_vah": VAH,
    **{f"q{n}_varh": VARH for n in range(1, 5)},
    **{f"{name}_{unit}": stored for name, (unit, stored) in _PHASED.items()},
    **{f"{name}_{phase}_{unit}": stored for name, (unit, stored) in _PHASED.items() for phase in "ryb"},
    "neutral_current_ma": MA,
    "frequency_millihz": MILLIHZ,
    "active_power_w": W,
    "apparent_power_va": VA,
    "reactive_power_var": VAR,
    "demand_w": W,
    "demand_w_time_s": EPOCH,
    "demand_va": VA,
    "demand_va_time_s": EPOCH,
    "power_on_min": MINUTE,
    "power_off_min": MINUTE,
    "billing_power_on_min": MINUTE,
    "power_failures": COUNT,
    "tamper_count": COUNT,
    "billing_count": COUNT,
    "programming_count": COUNT,
    "billing_time_s": EPOCH,
    "relay_closed": COUNT,
    "load_limit_w": W,
    "signal_dbm": DBM,
    "meter_health": COUNT,
    **{f"import_wh_tz{n}": WH for n in TARIFF_ZONES},
    **{f"import_vah_tz{n}": VAH for n in TARIFF_ZONES},
    **{f"demand_w_tz{n}": W for n in TARIFF_ZONES},
    **{f"demand_w_tz{n}_time_s": EPOCH for n in TARIFF_ZONES},
    **{f"demand_va_tz{n}": VA for n in TARIFF_ZONES},
    **{f"demand_va_tz{n}_time_s": EPOCH for n in TARIFF_ZONES},
    "event_code": COUNT,
    "event_log": COUNT,
    **{f"status_word_{n}": COUNT for n in range(4)},
}
"""Every column name that a reading batch may carry, with its stored unit."""

_CUMULATIVE = {
    "import_wh": "1.1.12.0.0.0.0.{tou}.0.0.0.3.72.0",
    "import_vah": "1.1.12.0.0.0.0.{tou}.0.0.0.3.71.0",
    "export_wh": "19.1.12.0.0.0.0.{tou}.0.0.0.3.72.0",
    "export_vah": "19.1.12.0.0.0.0.{tou}.0.0.0.3.71.0",
}
_PREFIX = {
    ProfileKind.BLOCK_LOAD: "0.0.{measuring}.4.",
    ProfileKind.DAILY: "11.0.0.1.",
    ProfileKind.BILLING: "8.0.0.1.",
    ProfileKind.INSTANTANEOUS: "0.0.0.1.",
}
_MEASURING = {900: 2, 1800: 5, 3600: 7}
_OTHER = {
    (ProfileKind.BILLING, "demand_w"): "8.8.5.6.1.1.8.0.0.0.0.0.0.0.0.3.38.0",
    (ProfileKind.BLOCK_LOAD, "voltage_mv"): "0.2.{measuring}.6.0.1.54.0.0.0.0.0.0.0.129.0.29.0",
    (ProfileKind.INSTANTANEOUS, "active_power_w"): "0.0.0.12.1.1.37.0.0.0.0.0.0.0.0.3.38.0",
}


def reading_type(kind: ProfileKind, channel: str, period_s: int = 0) -> str | None:
    """The IEC 61968-9 reading type code, or None where no code is agreed.

    ``period_s`` is the block length for block loads (900, 1800, 3600). Raises KeyError for a block length or a
    channel that is not known.
    """
    if channel not in CHANNELS:
        raise KeyError(channel)
    base, _, zone = channel.partition("_tz")
    measuring = _MEASURING[period_s] if kind is ProfileKind.BLOCK_LOAD else 0
    if base in _CUMULATIVE and kind in _PREFIX:
        code = _PREFIX[kind] + _CUMULATIVE[base]
    else:
        found = _OTHER.get((kind, channel))
        if found is None:
            return None
        code = found
    return code.format(measuring=measuring, tou=zone or "0")
