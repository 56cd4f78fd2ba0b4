"""Journey 7. What a consumer uses is seen live, and in the morning the control room has the complete day.

What the pages tell is held against what the meters hold themselves.
"""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path
from typing import Any

from bijlighar.cim.period import civil_date, civil_day
from bijlighar.controlroom.instants import iso
from journeys.product import START_S, Product, running_product

CONSUMERS = range(11)
TRANSFORMER = 11
YESTERDAY = civil_date(START_S - 86_400)


def truth(link: Product, number: int, kind: str, begin_s: int, end_s: int) -> dict[int, int]:
    """Energy by start as meter ``number`` of the town holds it, told without the air between."""
    rows = link.truth(number, kind, _iso(begin_s), _iso(end_s))
    found = {row["start_s"]: int(row["values"]["import_wh"]) for row in rows}
    return {start: value for start, value in found.items() if begin_s <= start < end_s}


def _iso(instant_s: int) -> str:
    return str(iso(instant_s))


def test_use_is_seen_live_and_the_day_is_complete_in_the_morning(tmp_path: Path, records_url: str) -> None:
    with running_product(tmp_path, records_url) as link:
        link.sign_in()
        _seen_live(link)
        told = link.until(lambda: _whole_day(link))
        _as_the_meters_hold_it(link, told)
        _down_to_the_transformer(link, told)


def _seen_live(link: Product) -> None:
    """A consumer's power and the energy of the running day, both of the last minutes, moving while one looks."""
    first = link.until(lambda: _live(link))
    later = link.until(lambda: (row := _live(link)) and row["today_kwh"] != first["today_kwh"] and row)
    assert later["last_contact"] > first["last_contact"]
    curve = link.until(lambda: _running_curve(link, later["meter_id"]))
    day = civil_day(date.fromisoformat(curve["day"]))
    held = truth(link, later["meter_id"] - 1, "block-load", day.start_s, day.end_s)
    told = {slot["start"]: slot["import_wh"] for slot in curve["slots"] if slot["import_wh"] is not None}
    assert told == {_iso(start): value for start, value in held.items() if _iso(start) in told}


def _live(link: Product) -> dict[str, Any] | None:
    rows = link.room.get("/api/meters?category=D1&limit=1&sort=serial").json()["rows"]
    if rows and rows[0]["power_w"] is not None and rows[0]["today_kwh"] is not None:
        return dict(rows[0])
    return None


def _running_curve(link: Product, meter_id: int) -> dict[str, Any] | None:
    """The curve of the town's day; None while nothing of it is held, just after midnight."""
    day = civil_date(int(link.clock.now()))
    curve = dict(link.room.get(f"/api/meters/{meter_id}/curve?day={day}").json())
    return curve if any(slot["import_wh"] is not None for slot in curve["slots"]) else None


def _whole_day(link: Product) -> dict[str, Any] | None:
    told = link.room.get(f"/api/day?day={YESTERDAY}").json()
    return told if told["total"] is not None and told["total"]["completeness"] == 1.0 else None


def _as_the_meters_hold_it(link: Product, told: dict[str, Any]) -> None:
    day = civil_day(YESTERDAY)
    blocks = [truth(link, number, "block-load", day.start_s, day.end_s) for number in CONSUMERS]
    assert {len(each) for each in blocks} == {48}
    used = sum(sum(each.values()) for each in blocks)
    total = told["total"]
    assert (total["consumers"], total["meters"]) == (11, 12)
    assert total["import_kwh"] == used / 1000
    assert total["estimated_kwh"] == 0
    by_half = [sum(each[day.start_s + slot * 1800] for each in blocks) for slot in range(48)]
    assert [slot["power_kw"] for slot in told["curve"]] == [wh * 2 / 1000 for wh in by_half]
    assert {slot["known"] for slot in told["curve"]} == {1.0}
    assert (total["peak_kw"], total["peak_at"]) == (
        max(by_half) * 2 / 1000,
        _iso(day.start_s + by_half.index(max(by_half)) * 1800),
    )
    supplied = sum(truth(link, TRANSFORMER, "block-load", day.start_s, day.end_s).values())
    assert total["lines"]["hours_told"] == 24
    assert total["lines"]["supplied_kwh"] == supplied / 1000
    assert total["lines"]["lost_kwh"] == (supplied - used) / 1000
    assert total["voltage"]["slots"] == 11 * 48
    assert total["contacts"]["tried"] >= total["contacts"]["succeeded"]


def _down_to_the_transformer(link: Product, told: dict[str, Any]) -> None:
    place = told
    while place["part"] is not None:
        (part,) = place["parts"]
        assert part["import_kwh"] == told["total"]["import_kwh"]
        asked = {"day": str(YESTERDAY), "place": part["scope"], "code": part["code"]}
        place = link.room.get("/api/day", params=asked).json()
    assert place["scope"] == "transformer"
    month = link.room.get(f"/api/day.csv?day={YESTERDAY}&period=month").content.decode("utf-8-sig")
    (utility, *_) = csv.DictReader(month.splitlines())
    assert float(utility["import_kwh"]) >= told["total"]["import_kwh"]
