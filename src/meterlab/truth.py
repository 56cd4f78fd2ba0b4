"""What a meter holds, as an engineer would copy it from the meter itself: JSON, one row a line.

Numbers stand in the units of ``cim.channels`` (Wh, mV, mA, W, thousandths, epoch seconds), as the meter would send
them: cut to its resolution.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from fractions import Fraction

from bijlighar.dlms.model import Profile, Quantity, Stamp
from bijlighar.dlms.profile import Scaler
from meterlab import identity
from meterlab.lab import Lab
from meterlab.plans import INSTANT_TYPE
from meterlab.quantities import FLOATS
from meterlab.selection import Asked

KINDS = {
    "instantaneous": ("instantaneous",),
    "block-load": ("block-load",),
    "daily": ("daily",),
    "billing": ("billing",),
    "event": (
        *("event-voltage", "event-current", "event-power", "event-transaction"),
        *("event-other", "event-nonrollover", "event-control"),
    ),
}
"""Kinds of reading to the profiles that hold them."""

NAMEPLATE = "nameplate"
_MILLI_SYMBOLS = {"V", "A", "Hz"}
_RATIO = "power-factor"


def lines(lab: Lab, meter: int, kind: str, begin_s: int, end_s: int, now_s: float) -> Iterator[str]:
    """One JSON object for each row stamped in ``[begin_s, end_s]``. Raises KeyError for an unknown kind."""
    if kind == NAMEPLATE:
        plate = lab.objects.nameplate(meter).values
        yield json.dumps({"meter": meter, "kind": kind, "values": plate}, ensure_ascii=False)
        return
    plan = lab.objects.plan(meter)
    for name in KINDS[kind]:
        yield from _profile_lines(lab, meter, kind, plan.model.profiles[name], begin_s, end_s, now_s)


def _profile_lines(
    lab: Lab, meter: int, kind: str, profile: Profile, begin_s: int, end_s: int, now_s: float
) -> Iterator[str]:
    asked = Asked(columns=profile.columns, begin_s=begin_s, end_s=end_s)
    table = lab.objects.profiles.table(meter, lab.objects.plan(meter), profile, asked, now_s)
    model, period_s = lab.objects.plan(meter).model, (profile.period_s or 0) if kind == "block-load" else 0
    for row, stamp_s in enumerate(table.stamps_s.tolist()):
        values = {
            channel(column.name): in_stored_unit(column, cells[row].item())
            for column, cells in zip(table.columns, table.cells, strict=True)
            if column.name != "clock"
        }
        head = {
            "meter": meter,
            "serial": identity.serial(lab.town.seed, meter),
            "kind": kind,
            "profile": profile.name,
            "stamp": _iso(stamp_s),
            "stamp_s": stamp_s,
            "start_s": stamp_s - period_s * (model.stamp is Stamp.END),
            "period_s": period_s,
        }
        yield json.dumps({**head, "values": values})


def channel(name: str) -> str:
    """The channel of ``cim.channels`` that a quantity of the meter model is kept as."""
    if name.startswith("event-code"):
        return "event_code"
    found = _CHANNELS.get(name.removeprefix("block-"))
    if found is not None:
        return found
    base, _, zone = name.partition("-tz")
    return f"{_CHANNELS[base]}_tz{zone}"


_PHASED = {"voltage": "mv", "current": "ma", "power-factor": "milli"}
_CHANNELS = {
    "voltage": "voltage_mv",
    "current": "current_ma",
    "phase-current": "current_ma",
    "neutral-current": "neutral_current_ma",
    "power-factor": "power_factor_milli",
    "average-power-factor": "power_factor_milli",
    **{f"{of}-{p}": f"{of.replace('-', '_')}_{p}_{unit}" for of, unit in _PHASED.items() for p in "ryb"},
    "frequency": "frequency_millihz",
    "apparent-power": "apparent_power_va",
    "active-power": "active_power_w",
    "reactive-power": "reactive_power_var",
    **{f"{way}{energy}": f"{way}_wh" for way in ("import", "export") for energy in ("", "-energy")},
    **{f"{way}-apparent": f"{way}_vah" for way in ("import", "export")},
    **{f"q{n}{energy}": f"q{n}_varh" for n in range(1, 5) for energy in ("", "-energy")},
    "demand-w": "demand_w",
    "demand-w-time": "demand_w_time_s",
    "demand-va": "demand_va",
    "demand-va-time": "demand_va_time_s",
    "power-on": "power_on_min",
    "power-off": "power_off_min",
    "billing-power-on": "billing_power_on_min",
    "power-failures": "power_failures",
    "tamper-count": "tamper_count",
    "billing-count": "billing_count",
    "programming-count": "programming_count",
    "billing-date": "billing_time_s",
    "relay-closed": "relay_closed",
    "load-limit": "load_limit_w",
    "signal": "signal_dbm",
    "meter-health": "meter_health",
}


def in_stored_unit(column: Quantity, number: float) -> int:
    """A number of the wire in the unit that readings are kept in; what is finer is rounded half to even."""
    if column.type == INSTANT_TYPE or column.scaler is None:
        return int(number)
    exponent = column.scaler.exponent + (3 if _in_thousandths(column, column.scaler) else 0)
    if column.type in FLOATS:
        return round(number * 10.0**exponent)
    scaled: int = int(number) * 10**exponent if exponent >= 0 else round(Fraction(int(number), 10**-exponent))
    return scaled


def _in_thousandths(column: Quantity, scaler: Scaler) -> bool:
    return scaler.symbol in _MILLI_SYMBOLS or _RATIO in column.name


def _iso(instant_s: int) -> str:
    return datetime.fromtimestamp(instant_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
