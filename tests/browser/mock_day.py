"""A made-up report of the day: totals are invented, the document is made of them by the product's own code."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from bijlighar.cim.day_scope import DayScope, ReportPeriod
from bijlighar.cim.period import civil_day
from bijlighar.mdm.day_summary_limits import VoltageLimits
from bijlighar.operations.day_report.documents import document
from bijlighar.operations.day_report.told import WITHIN, Place, Question, Told, together
from bijlighar.records.day_totals import NUMBERS, DayTotal, SummedTotal
from browser.mock_levels import TODAY, YESTERDAY
from browser.mock_town import DIVISION_NAMES, DIVISIONS, NOW

HOURS = [5.2, 4.9, 4.6, 4.4, 4.2, 4.0, 3.8, 3.6, 3.3, 3.2, 3.5, 3.9]
HOURS += [4.2, 4.4, 4.6, 4.6, 4.4, 3.9, 3.4, 3.5, 4.1, 4.7, 5.2, 5.4]
NAMES = {
    DayScope.DIVISION: dict(zip(DIVISIONS, DIVISION_NAMES, strict=True)),
    DayScope.SUBSTATION: {f"SS{n}": (f"33/11 kV substation {n}", "") for n in range(4)},
    DayScope.FEEDER: {f"F{n:03}": (f"11 kV feeder {n}", "") for n in range(30)},
    DayScope.TRANSFORMER: {f"T{n:04}": (f"Transformer {n}", "") for n in range(40)},
    DayScope.MAKE: {f"Maker {letter}": ("", "") for letter in "ABC"},
}
_ABOVE = [DayScope.UTILITY, DayScope.DIVISION, DayScope.SUBSTATION, DayScope.FEEDER, DayScope.TRANSFORMER]


def day_report(query: dict[str, str], state: str) -> dict[str, Any]:
    """What ``/api/day`` answers: ``state`` whole, gaps (some is missing), running or none."""
    question = Question(
        day=date.fromisoformat(query.get("day") or YESTERDAY),
        period=ReportPeriod(query.get("period") or "day"),
        scope=DayScope(query.get("place") or "utility"),
        code=query.get("code", ""),
    )
    first, last = question.period.span(question.day)
    shown = [] if state in ("none", "running") else _days(question.scope, first, last, state)
    before = (
        [] if not shown else _days(question.scope, first - timedelta(days=1), first - timedelta(days=1), state)
    )
    part = DayScope(query["by"]) if query.get("by") else WITHIN.get(question.scope)
    told = Told(
        question=question,
        first=first,
        last=last,
        path=_path(question),
        days=tuple(shown),
        before=tuple(before),
        total=together(shown),
        total_before=together(before),
        part=part,
        parts=tuple(_parts(part, state)) if shown and part else (),
        transformers=tuple(_parts(DayScope.TRANSFORMER, state)) if shown else (),
        names=NAMES,
        exceptions={"open": 12, "resolved": 3},
        statements={"waiting": 4, "acknowledged": 2_31_456} if question.scope is DayScope.UTILITY else None,
        limits=VoltageLimits(),
    )
    running = {"over": False} if state == "running" else {}
    return {**document(told, now_s=int(NOW.timestamp())), "latest_day": TODAY, "default_day": YESTERDAY, **running}


def _path(question: Question) -> tuple[Place, ...]:
    if question.scope is DayScope.MAKE:
        steps = [DayScope.UTILITY, DayScope.MAKE]
    else:
        steps = _ABOVE[: _ABOVE.index(question.scope) + 1]
    found = []
    for scope in steps:
        code = question.code if scope is question.scope else next(iter(NAMES.get(scope, {"": ""})))
        name, name_hi = NAMES.get(scope, {}).get(code, ("", ""))
        found.append(Place(scope=scope, code=code, name=name, name_hi=name_hi))
    return tuple(found)


def _days(scope: DayScope, first: date, last: date, state: str) -> list[DayTotal]:
    yesterday = date.fromisoformat(YESTERDAY)
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    return [_day(scope, day, state) for day in days if day <= yesterday]


def _day(scope: DayScope, day: date, state: str) -> DayTotal:
    consumers = 2_31_460
    wh = [int(each * 1e6 * (1 + 0.03 * (day.day % 5))) for each in HOURS for _ in range(2)]
    known = [consumers] * 48
    if state == "gaps":
        known[20:26] = [int(consumers * 0.8)] * 6
    peak = max(wh)
    numbers = dict.fromkeys(NUMBERS, 0) | {
        "meters": consumers + 2_600,
        "consumers": consumers,
        "meters_whole": consumers,
        "slots_expected": consumers * 48,
        "slots_held": consumers * 48 if state == "whole" else int(consumers * 47.2),
        "slots_known": consumers * 48,
        "slots_estimated": 0 if state == "whole" else 1_84_000,
        "import_wh": sum(wh),
        "export_wh": 0 if state == "whole" else 3_10_00_000,
        "estimated_wh": 0 if state == "whole" else sum(wh) // 60,
        "own_peaks_w": peak * 5,
        "voltage_slots": consumers * 48,
        "voltage_low": consumers * 2,
        "voltage_high": consumers // 3,
        "transformers": 2_600,
        "transformers_told": 1_720,
        "lines_slots": 1_720 * 46,
        "lines_supplied_wh": sum(wh) // 2,
        "lines_lost_wh": sum(wh) // 18,
        "feeders_told": 12,
        "feeders_slots": 12 * 48,
        "feeders_supplied_wh": sum(wh) // 10,
        "feeders_lost_wh": sum(wh) // 400,
        "interruptions": 1_412,
        "interrupted": 1_400,
        "interrupted_s": 1_400 * 2_400,
        "contacts": 3_00_000,
        "contacts_succeeded": 2_94_120,
    }
    return DayTotal(
        day=day,
        scope=scope,
        code="",
        parent="",
        made_s=int(NOW.timestamp()) - 7_200,
        numbers=numbers,
        extremes={
            "peak_w": peak * 2,
            "peak_s": civil_day(day).start_s + wh.index(peak) * 1800,
            "least_mv": 1_94_300,
            "most_mv": 2_53_100,
        },
        events={"power/normal": 2_824, "voltage/high": 310, "other/critical": 2} if state == "gaps" else {},
        curve={"wh": wh, "known": known},
    )


def _parts(scope: DayScope, state: str) -> list[SummedTotal]:
    whole = together([_day(scope, date.fromisoformat(YESTERDAY), state)])
    assert whole is not None
    found = []
    for number, code in enumerate(NAMES[scope]):
        share = 1 / (number + 3)
        numbers = {name: int(value * share) for name, value in whole.numbers.items()}
        numbers["voltage_low"] = 0 if state == "whole" else numbers["voltage_low"] * number
        if number == 1:
            numbers |= {"transformers_told": 0, "lines_slots": 0, "lines_supplied_wh": 0, "lines_lost_wh": 0}
        found.append(replace(whole, code=code, numbers=numbers))
    return found
