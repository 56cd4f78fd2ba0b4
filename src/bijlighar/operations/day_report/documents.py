"""The day's report for pages and programs (a document), for spreadsheets (CSV, Parquet) and for people (text)."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from bijlighar.cim.day_scope import DayScope
from bijlighar.cim.period import KOLKATA, civil_day
from bijlighar.mdm.day_summary import CURVE_S
from bijlighar.operations.day_report.told import Place, Told
from bijlighar.records.day_totals import DayTotal, SummedTotal

MOST_PARTS = 500
"""A city has 2,600 transformers: the page tells those with the most energy, the sheets tell all."""
MOST_WORST = 10

Document = dict[str, Any]

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""Cells that a spreadsheet would run as a formula (OWASP, CSV injection)."""


def document(told: Told, *, now_s: int) -> Document:
    """Plain values; instants ISO 8601 UTC, shares from 0 to 1, None for what is not known."""
    question = told.question
    by_energy = sorted(told.parts, key=lambda each: (-each.numbers["import_wh"], each.code))
    return {
        "day": question.day.isoformat(),
        "period": question.period.value,
        "first_day": told.first.isoformat(),
        "last_day": told.last.isoformat(),
        "days": (told.last - told.first).days + 1,
        "days_told": [each.day.isoformat() for each in told.days],
        "over": now_s >= civil_day(told.last).end_s,
        "made_at": _iso(max((each.made_s for each in told.days), default=None)),
        "scope": question.scope.value,
        "code": question.code,
        "path": [_place(place) for place in told.path],
        "total": None if told.total is None else figures(told.total, told.days),
        "before": None if told.total_before is None else figures(told.total_before, told.before),
        "curve": _curve(told.days) if len(told.days) == 1 else None,
        "curve_before": _curve(told.before) if len(told.before) == 1 and told.first == told.last else None,
        "by_day": [_of_day(day) for day in told.days],
        "part": None if told.part is None else told.part.value,
        "parts_total": len(told.parts),
        "parts": [_part(told, each) for each in by_energy[:MOST_PARTS]],
        "worst_voltage": _worst_voltage(told),
        "worst_losses": _worst_losses(told),
        "exceptions": {state: told.exceptions.get(state, 0) for state in ("open", "resolved", "gone")},
        "statements": None if told.statements is None else dict(told.statements),
        "voltage_limits": {"low_v": told.limits.least_mv / 1000, "high_v": told.limits.most_mv / 1000},
    }


def figures(total: SummedTotal, days: Sequence[DayTotal] = ()) -> Document:
    """What is told of a place. Peak and load factor are of what is known; a loss only of what can be told."""
    number, extreme = total.numbers, total.extremes
    peak_w, hours = extreme["peak_w"], 24 * total.days
    voltage = number["voltage_slots"]
    return {
        "meters": round(number["meters"] / total.days),
        "consumers": round(number["consumers"] / total.days),
        "slots_expected": number["slots_expected"],
        "slots_held": number["slots_held"],
        "completeness": _share(number["slots_held"], number["slots_expected"]),
        "whole_share": _share(number["meters_whole"], number["meters"]),
        "import_kwh": number["import_wh"] / 1000,
        "export_kwh": number["export_wh"] / 1000,
        "estimated_kwh": number["estimated_wh"] / 1000,
        "estimated_share": _share(number["estimated_wh"], number["import_wh"]),
        "estimated_slots": number["slots_estimated"],
        "peak_kw": None if peak_w is None else peak_w / 1000,
        "peak_at": _iso(extreme["peak_s"]),
        "coincidence": _share(peak_w or 0, number["own_peaks_w"]) if total.days == 1 else None,
        "load_factor": _share(number["import_wh"], (peak_w or 0) * hours),
        "voltage": {
            "slots": voltage,
            "low_share": _share(number["voltage_low"], voltage),
            "high_share": _share(number["voltage_high"], voltage),
            "outside_share": _share(number["voltage_low"] + number["voltage_high"], voltage),
            "least_v": _thousandth(extreme["least_mv"]),
            "most_v": _thousandth(extreme["most_mv"]),
        },
        "lines": _loss(number, "lines", round(number["transformers_told"] / total.days)),
        "feeders": _loss(number, "feeders", round(number["feeders_told"] / total.days)),
        "transformers": round(number["transformers"] / total.days),
        "interruptions": {
            "count": number["interruptions"],
            "consumers": number["interrupted"],
            "minutes_each": _ratio(number["interrupted_s"] / 60, number["consumers"] / total.days),
        },
        "contacts": {
            "tried": number["contacts"],
            "succeeded": number["contacts_succeeded"],
            "success_rate": _share(number["contacts_succeeded"], number["contacts"]),
        },
        "events": _events(days),
    }


def _loss(number: Any, what: str, told: int) -> Document | None:  # noqa: ANN401 - a mapping of names
    """None where nothing can be told: no meter at one end, or never all of them at once."""
    slots = number[f"{what}_slots"]
    if not slots:
        return None
    return {
        "places_told": told,
        "supplied_kwh": number[f"{what}_supplied_wh"] / 1000,
        "lost_kwh": number[f"{what}_lost_wh"] / 1000,
        "share": _ratio(number[f"{what}_lost_wh"], number[f"{what}_supplied_wh"]),
        "hours_told": slots * CURVE_S / 3600,
    }


def _events(days: Sequence[DayTotal]) -> list[Document]:
    counts: Counter[str] = Counter()
    for day in days:
        counts.update(day.events)
    return [
        {"kind": name.split("/")[0], "severity": name.split("/")[1], "count": count}
        for name, count in sorted(counts.items())
    ]


def _curve(days: Sequence[DayTotal]) -> list[Document]:
    """Mean power of each half hour, None where nobody's is known, and the share of consumers whose is."""
    (day,) = days
    consumers = day.numbers["consumers"]
    return [
        {"power_kw": wh * 3.6 / CURVE_S if known else None, "known": _share(known, consumers)}
        for wh, known in zip(day.curve["wh"], day.curve["known"], strict=True)
    ]


def _of_day(day: DayTotal) -> Document:
    number, peak_w = day.numbers, day.extremes["peak_w"]
    return {
        "day": day.day.isoformat(),
        "import_kwh": number["import_wh"] / 1000,
        "completeness": _share(number["slots_held"], number["slots_expected"]),
        "peak_kw": None if peak_w is None else peak_w / 1000,
    }


def _part(told: Told, total: SummedTotal) -> Document:
    assert told.part is not None
    return {**_place(told.place(told.part, total.code)), **figures(total)}


def _place(place: Place) -> Document:
    return {"scope": place.scope.value, "code": place.code, "name": place.name, "name_hi": place.name_hi}


def _worst_voltage(told: Told) -> list[Document]:
    """Transformers with the greatest share of slots outside the limits, the worst first."""
    found = []
    for each in told.transformers:
        outside = each.numbers["voltage_low"] + each.numbers["voltage_high"]
        if outside:
            found.append((outside / each.numbers["voltage_slots"], each))
    found.sort(key=lambda pair: (-pair[0], pair[1].code))
    return [
        {**_place(told.place(DayScope.TRANSFORMER, each.code)), **figures(each)["voltage"]}
        for _, each in found[:MOST_WORST]
    ]


def _worst_losses(told: Told) -> list[Document]:
    """Transformers that lost the most energy, the worst first."""
    some = [each for each in told.transformers if each.numbers["lines_lost_wh"] > 0]
    some.sort(key=lambda each: (-each.numbers["lines_lost_wh"], each.code))
    return [
        {**_place(told.place(DayScope.TRANSFORMER, each.code)), **(figures(each)["lines"] or {})}
        for each in some[:MOST_WORST]
    ]


def rows(told: Told) -> list[Document]:
    """One flat row for the place and each of its parts, for sheets: units stand in the names."""
    found = []
    whole = [] if told.total is None else [(told.question.scope, told.total)]
    parts = [] if told.part is None else [(told.part, each) for each in told.parts]
    for scope, total in whole + parts:
        told_of = figures(total)
        place = told.place(scope, total.code)
        row: Document = {
            "first_day": told.first,
            "last_day": told.last,
            "days_told": total.days,
            "scope": scope.value,
            "code": total.code,
            "name": place.name,
        }
        for name, value in told_of.items():
            if name in ("lines", "feeders"):
                keys = ("places_told", "supplied_kwh", "lost_kwh", "share", "hours_told")
                row |= {f"{name}_{key}": None if value is None else value[key] for key in keys}
            elif isinstance(value, dict):
                row |= {f"{name}_{key}": each for key, each in value.items()}
            elif name != "events":
                row[name] = value
        found.append(row)
    return found


def sheet(told: Told) -> str:
    """The rows as CSV."""
    text = io.StringIO()
    every = rows(told)
    writer = csv.DictWriter(text, fieldnames=list(every[0]) if every else ["first_day", "last_day", "scope"])
    writer.writeheader()
    for row in every:
        writer.writerow({name: _cell(value) for name, value in row.items()})
    return text.getvalue()


def parquet(told: Told) -> bytes:
    """The rows as a Parquet file."""
    sink = pa.BufferOutputStream()
    pq.write_table(_table(rows(told)), sink, compression="zstd")
    return bytes(sink.getvalue())


_INTEGERS = ("meters", "consumers", "transformers", "days_told")
_INTEGER_ENDS = ("_expected", "_held", "_slots", "_tried", "_succeeded", "_count", "_consumers", "_told")
_TEXTS = ("scope", "code", "name", "peak_at")


def _table(every: list[Document]) -> pa.Table:
    """Types go by name, so that a column that is empty today has the same type tomorrow."""
    names = list(every[0]) if every else ["first_day", "last_day", "scope", "code"]
    return pa.table({name: pa.array([row[name] for row in every], type=_type(name)) for name in names})


def _type(name: str) -> pa.DataType:
    if name in ("first_day", "last_day"):
        return pa.date32()
    if name in _TEXTS:
        return pa.string()
    integer = name in _INTEGERS or (name.endswith(_INTEGER_ENDS) and not name.endswith("hours_told"))
    return pa.int64() if integer else pa.float64()


def lines(told: Told) -> list[str]:
    """The same for people at a terminal, in short."""
    span = told.first.isoformat() if told.first == told.last else f"{told.first} to {told.last}"
    place = told.path[-1]
    name = "utility" if place.scope is DayScope.UTILITY else f"{place.scope.value} {place.name or place.code}"
    if told.total is None:
        return [f"The day's report of {span}, {name}: no day of it has been totalled."]
    all_days = (told.last - told.first).days + 1
    found = figures(told.total, told.days)
    short = "" if told.total.days == all_days else f", {told.total.days} of {all_days} days"
    result = [
        f"The day's report of {span}, {name}: {found['meters']:,} meters{short}.",
        f"  completeness   {_percent(found['completeness'])}",
        f"  import         {found['import_kwh']:,.1f} kWh, {_percent(found['estimated_share'])} of it estimated",
        f"  export         {found['export_kwh']:,.1f} kWh",
    ]
    if found["peak_kw"] is not None:
        at = datetime.fromtimestamp(told.total.extremes["peak_s"] or 0, KOLKATA)
        result.append(
            f"  peak           {found['peak_kw']:,.1f} kW at {at:%d-%m-%Y %H:%M}, "
            f"load factor {_percent(found['load_factor'])}"
        )
    voltage = found["voltage"]
    if voltage["slots"]:
        result.append(
            f"  voltage        {_percent(voltage['outside_share'])} of slots outside "
            f"{told.limits.least_mv / 1000:.1f} to {told.limits.most_mv / 1000:.1f} V; "
            f"{voltage['least_v']:.1f} to {voltage['most_v']:.1f} V"
        )
    for what, text in (("lines", "lines lost"), ("feeders", "feeders lost")):
        loss = found[what]
        if loss is not None:
            share = _percent(loss["share"])
            result.append(f"  {text:<14} {loss['lost_kwh']:,.1f} of {loss['supplied_kwh']:,.1f} kWh, {share}")
    cuts, contacts = found["interruptions"], found["contacts"]
    result.append(f"  interruptions  {cuts['count']:,}, {cuts['minutes_each'] or 0:.1f} minutes a consumer")
    result.append(f"  visits         {contacts['tried']:,}, {_percent(contacts['success_rate'])} succeeded")
    result.append(f"  exceptions     {told.exceptions.get('open', 0):,} open")
    return result


def _percent(share: float | None) -> str:
    return "—" if share is None else f"{share:.2%}"


def _share(part: float, whole: float) -> float | None:
    """Six decimals, cut and not rounded: what falls short of all is never told as all."""
    return int(part / whole * 1e6) / 1e6 if whole > 0 else None


def _ratio(part: float, whole: float) -> float | None:
    return round(part / whole, 6) if whole > 0 else None


def _thousandth(value: int | None) -> float | None:
    return None if value is None else value / 1000


def _cell(value: object) -> object:
    if isinstance(value, date):
        return value.isoformat()
    return "'" + value if isinstance(value, str) and value.startswith(_FORMULA_STARTS) else value


def _iso(instant_s: int | None) -> str | None:
    return None if instant_s is None else datetime.fromtimestamp(instant_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
