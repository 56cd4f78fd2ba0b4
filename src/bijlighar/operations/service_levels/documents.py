"""A day's service levels for pages and programs (a document), for spreadsheets (CSV) and for people (text)."""

from __future__ import annotations

import csv
import io
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import numpy as np

from bijlighar.cim.channels import ProfileKind
from bijlighar.mdm.service_levels.completeness import CUT_OFF_HOURS
from bijlighar.mdm.service_levels.faults import Fault
from bijlighar.operations.service_levels.judged import Answering, Bar, Judged, KindLevel, name_of
from bijlighar.operations.service_levels.places import DIMENSIONS
from bijlighar.operations.service_levels.wording import sentences

MOST_FAULTS = 200
MOST_GROUPS = 200
"""A city has 2,600 transformers and some thousand faults a day: the worst are told, all are counted."""

Document = dict[str, Any]

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""Cells that a spreadsheet would run as a formula (OWASP, CSV injection)."""


def document(judged: Judged) -> Document:
    """Plain values; instants ISO 8601 UTC, shares from 0 to 1, None for what cannot be told yet."""
    counted = int(judged.places.counted(judged.period).sum())
    causes: Counter[str] = Counter(fault.cause.value for fault in judged.faults)
    return {
        "day": judged.day.isoformat(),
        "made_at": _iso(judged.now_s),
        "final": judged.final,
        "meters": counted,
        "cut_off_hours": list(CUT_OFF_HOURS),
        "kinds": [_kind(level) for level in judged.kinds],
        "on_demand": _answering(judged.on_demand),
        "alarms": _answering(judged.alarms),
        "groups": {dimension: _groups(judged, dimension) for dimension in DIMENSIONS},
        "contacts_from": _iso(judged.window.start_s),
        "contacts_to": _iso(judged.window.end_s),
        "faults": [_fault(judged, rank, each) for rank, each in enumerate(judged.faults[:MOST_FAULTS], start=1)],
        "causes": [{"cause": cause, "faults": number} for cause, number in causes.most_common()],
    }


def _kind(level: KindLevel) -> Document:
    return {
        "kind": level.kind.value,
        "expected_rows": level.expected,
        "held_rows": level.held,
        "share": [_share(each) for each in level.share],
        "whole": [_share(each) for each in level.whole],
        "bars": [_bar(bar) for bar in level.bars],
    }


def _bar(bar: Bar) -> Document:
    return {
        "code": bar.code,
        "hours": bar.hours,
        "limit": bar.limit,
        "measured": _share(bar.measured) if bar.hours is not None else _rounded(bar.measured),
        "kept": bar.kept,
    }


def _answering(answering: Answering) -> Document:
    return {"done": answering.done, "failed": answering.failed, "bars": [_bar(bar) for bar in answering.bars]}


def _groups(judged: Judged, dimension: str) -> list[Document]:
    """Groups of a dimension, the least complete in the morning first; those that owe nothing are left out."""
    groups, limits = judged.places.groups[dimension], judged.limits
    counted = judged.places.counted(judged.period) & (groups.grouping.code >= 0)
    meters = np.bincount(groups.grouping.code[counted], minlength=groups.grouping.groups)
    hours = (limits.morning_hours, limits.day_hours, limits.backfill_hours)
    past = {hour: judged.kinds[0].share[CUT_OFF_HOURS.index(hour)] is not None for hour in hours}
    columns = {
        kind: [
            judged.levels[kind].by_group(groups.grouping.code, len(groups.codes), CUT_OFF_HOURS.index(hour))
            for hour in hours
        ]
        for kind in (ProfileKind.BLOCK_LOAD, ProfileKind.DAILY)
    }
    worst = np.lexsort((np.arange(len(groups.codes)), np.nan_to_num(columns[ProfileKind.BLOCK_LOAD][0], nan=2.0)))
    told = [place for place in worst.tolist() if meters[place]][:MOST_GROUPS]
    return [
        {
            "code": groups.codes[place],
            "name": groups.names[place][0],
            "name_hi": groups.names[place][1],
            "meters": int(meters[place]),
            **{
                kind.value: [
                    _share(float(column[place])) if past[hour] else None
                    for hour, column in zip(hours, columns[kind], strict=True)
                ]
                for kind in columns
            },
        }
        for place in told
    ]


def _fault(judged: Judged, rank: int, fault: Fault) -> Document:
    name, meter_id = name_of(fault, judged.places)
    english, hindi = sentences(fault, name)
    return {
        "rank": rank,
        "scope": fault.scope.value,
        "name": name,
        "meter_id": meter_id,
        "cause": fault.cause.value,
        "lost_h": round(fault.lost_h, 1),
        "meters": fault.meters,
        "start": _iso(fault.periods[0].start_s) if fault.periods else None,
        "end": _iso(fault.periods[-1].end_s) if fault.periods else None,
        "outcome": None if fault.outcome is None else fault.outcome.value,
        "detail_en": english,
        "detail_hi": hindi,
    }


def sheet(told: Document) -> str:
    """One table for a spreadsheet: completeness by kind and hour, bars, groups, faults; each line says which."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("day", "table", "name", "what", "hours", "measured", "limit", "kept", "detail"))

    def line(table: str, name: str, what: str, hours: object, measured: object, *more: object) -> None:
        writer.writerow([told["day"], table, *(_cell(each) for each in (name, what, hours, measured, *more))])

    for kind in told["kinds"]:
        for hours, share, whole in zip(told["cut_off_hours"], kind["share"], kind["whole"], strict=True):
            line("completeness", kind["kind"], "rows", hours, share)
            line("completeness", kind["kind"], "whole meters", hours, whole)
    bars = [(kind["kind"], bar) for kind in told["kinds"] for bar in kind["bars"]]
    bars += [(name, bar) for name in ("on_demand", "alarms") for bar in told[name]["bars"]]
    for name, bar in bars:
        line("bar", name, bar["code"], bar["hours"], bar["measured"], bar["limit"], bar["kept"])
    for dimension, groups in told["groups"].items():
        for group in groups:
            for place, what in enumerate(("morning", "day", "backfill")):
                line(dimension, group["code"], what, "", group["block-load"][place], "", "", group["name"])
    for fault in told["faults"]:
        line("fault", fault["name"], fault["cause"], fault["lost_h"], fault["meters"], "", "", fault["detail_en"])
    return text.getvalue()


def lines(told: Document) -> list[str]:
    """The same for people at a terminal, in short."""
    until = "all cut-offs have passed" if told["final"] else f"as of {told['made_at']}"
    result = [f"Service levels of {told['day']}: {told['meters']} meters, {until}."]
    result += [_bar_line(kind["kind"], bar) for kind in told["kinds"] for bar in kind["bars"]]
    for name in ("on_demand", "alarms"):
        for bar in told[name]["bars"]:
            measured = "—" if bar["measured"] is None else f"{bar['measured']:.1f} s"
            result.append(
                f"  {bar['code']:<14}        {measured:>7}  <= {bar['limit']:g} s  {_verdict(bar['kept'])}"
            )
    result.append("Faults, the costliest first:" if told["faults"] else "No faults.")
    result += [
        f"  {fault['rank']:>3}. {fault['lost_h']:>8.1f} h  {fault['detail_en']}" for fault in told["faults"]
    ]
    return result


def _bar_line(kind: str, bar: Document) -> str:
    line = f"  {kind:<14} {bar['hours']:>3} h  {_percent(bar['measured'])}  >= {_percent(bar['limit'])}"
    note = "  (Ontario AMI 2.3.1)" if bar["code"] == "second" else ""
    return f"{line}  {_verdict(bar['kept'])}{note}"


def _percent(share: float | None) -> str:
    return "      —" if share is None else f"{share:>7.2%}"


def _verdict(kept: bool | None) -> str:
    return "not yet" if kept is None else "kept" if kept else "MISSED"


def _share(share: float | None) -> float | None:
    """Six decimals, cut and not rounded: what falls short of a bar is never rounded up to it."""
    return None if share is None or np.isnan(share) else int(share * 1e6) / 1e6


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)


def _cell(value: object) -> object:
    return "'" + value if isinstance(value, str) and value.startswith(_FORMULA_STARTS) else value


def _iso(instant_s: int) -> str:
    return datetime.fromtimestamp(instant_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
