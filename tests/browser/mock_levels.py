"""Made-up service levels in the shape of the API: a day with trouble, a good one, a running one, an empty one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from browser.mock_town import DIVISION_NAMES, DIVISIONS, NOW, iso, midnight

HOURS = [*range(7, 25), 72]
YESTERDAY = "2026-06-11"
TODAY = "2026-06-12"
CAUSES = (
    ("tower", "tower-0", None, "tower-outage", 214.5, 86, True),
    ("make", "Maker A", None, "make-fault", 96.0, 12, False),
    ("feeder", "F003", None, "no-supply", 41.0, 82, True),
    ("meter", "BJ10000007", 7, "keys-refused", 24.0, 1, False),
    ("meter", "BJ10000004", 4, "weak-signal", 9.5, 1, False),
    ("meter", "BJ10000011", 11, "wrong-clock", 0.0, 1, False),
)


def service_levels(day: str, state: str, meters: int) -> dict[str, Any]:
    """What ``/api/service-levels`` answers of a day: ``state`` troubled, good, running or none."""
    begun = midnight(day)
    ends = begun + timedelta(days=1)
    past = [state != "running" or hour <= 9 for hour in HOURS]
    counted = 0 if state == "none" else meters
    faults = [] if state in ("good", "none") else _faults(ends)
    return {
        "day": day,
        "default_day": YESTERDAY,
        "latest_day": TODAY,
        "made_at": iso(NOW),
        "final": state in ("good", "troubled"),
        "meters": counted,
        "cut_off_hours": HOURS,
        "kinds": [_kind(kind, rows * counted, state, past) for kind, rows in _ROWS],
        "on_demand": {
            "done": 184,
            "failed": 3,
            "bars": [_time("on-demand-p90", 60.0, 21.4), _time("on-demand-p99", 300.0, 412.0)],
        },
        "alarms": {"done": 96, "failed": 0, "bars": [_time("alarm-p95", 5.0, 1.0)]},
        "groups": {
            "division": [_group(code, *names, n) for n, (code, names) in enumerate(_DIVISIONS)],
            "tower": [_group(f"tower-{n}", "", "", n) for n in range(6)],
            "make": [_group(f"Maker {letter}", "", "", n) for n, letter in enumerate("ABC")],
            "feeder": [_group(f"F{n:03}", f"11 kV feeder {n}", "", n) for n in range(30)],
            "transformer": [],
        },
        "contacts_from": iso(begun),
        "contacts_to": iso(ends + timedelta(hours=8)),
        "faults": faults,
        "causes": [{"cause": fault["cause"], "faults": 1} for fault in faults],
    }


_ROWS = (("block-load", 48), ("daily", 1), ("instantaneous", 3))
_DIVISIONS = tuple(zip(DIVISIONS, DIVISION_NAMES, strict=True))


def _kind(kind: str, rows: int, state: str, past: list[bool]) -> dict[str, Any]:
    least = 0.998 if state == "good" else 0.936 if kind == "block-load" else 0.957
    shares = [min(0.9991, least + (0.9991 - least) * (n / len(HOURS)) ** 0.6) for n in range(len(HOURS))]
    if rows == 0:
        shares = []
    share = [round(each, 6) if held else None for each, held in zip(shares, past, strict=False)]
    share += [None] * (len(HOURS) - len(share))
    wanted = (("morning", 8, 0.95), ("day", 24, 0.99), ("backfill", 72, 0.995), ("second", 24, 0.98))
    bars = []
    for code, hours, limit in wanted:
        if kind == "instantaneous" and code == "backfill":
            continue
        measured = share[HOURS.index(hours)]
        kept = None if measured is None else measured >= limit
        bars.append({"code": code, "hours": hours, "limit": limit, "measured": measured, "kept": kept})
    whole = [None if each is None else round(each - 0.02, 6) for each in share]
    held = int(rows * 0.999)
    return {
        "kind": kind,
        "expected_rows": rows,
        "held_rows": held,
        "share": share,
        "whole": whole,
        "bars": bars,
    }


def _time(code: str, limit: float, measured: float) -> dict[str, Any]:
    return {"code": code, "hours": None, "limit": limit, "measured": measured, "kept": measured <= limit}


def _group(code: str, name: str, hindi: str, number: int) -> dict[str, Any]:
    least = min(0.9993, 0.91 + number * 0.017)
    levels = [least, min(0.9996, least + 0.04), 0.9997]
    return {
        "code": code,
        "name": name,
        "name_hi": hindi,
        "meters": 214 - number * 7,
        "block-load": levels,
        "daily": [min(0.9998, each + 0.01) for each in levels],
    }


def _faults(ends: Any) -> list[dict[str, Any]]:
    start, end = ends - timedelta(hours=10), ends - timedelta(hours=7)
    return [
        {
            "rank": rank,
            "scope": scope,
            "name": name,
            "meter_id": meter_id,
            "cause": cause,
            "lost_h": lost_h,
            "meters": meters,
            "start": iso(start) if timed else None,
            "end": iso(end) if timed else None,
            "outcome": None if timed else "no-answer",
            "detail_en": f"{scope} {name} was silent in 11-06-2026 14:00–17:00: {meters} meters at the same time.",
            "detail_hi": f"{name} 11-06-2026 14:00–17:00 में मौन रहा: {meters} मीटर उन्हीं घंटों में।",
        }
        for rank, (scope, name, meter_id, cause, lost_h, meters, timed) in enumerate(CAUSES, start=1)
    ]
