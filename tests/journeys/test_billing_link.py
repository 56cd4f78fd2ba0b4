"""Journey 2. Meters are joined to the billing server; the same kWh arrive on both sides, and that is proven.

The billing server is away at first, answers later and twice, and sends dues for a consumer whom nobody knows.
"""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx

from bijlighar.cim.billing import Delivery
from bijlighar.cim.period import civil_date
from bijlighar.records import Records
from journeys.product import Product, running_product


def _billed_days(link: Product) -> list[dict[str, Any]]:
    found = link.room.get("/api/billing").json()["reconciliations"]
    return [each for each in found if each["billed"] == each["usage_points"] == 11]


def test_the_same_kwh_arrive_on_both_sides_and_the_link_passes(tmp_path: Path, records_url: str) -> None:
    with running_product(tmp_path, records_url, billing=("--away", "1", "--later", "--twice", "--nobody")) as link:
        headers = link.sign_in()
        link.until(lambda: link.room.get("/api/billing").json()["passes"])
        assert len(_billed_days(link)) >= 3
        decision = link.room.post("/api/billing/decisions", json={"reason": "end of the trial"}, headers=headers)
        assert decision.json()["verdict"] == "pass"
        unknown = link.room.get("/api/billing/refused-rows").json()
        assert {each["reason"] for each in unknown} == {"unknown-usage-point"}, "dues for nobody are kept apart"
        assert _held_against_the_meters(link) >= 3 * 11
        with link.records() as records:
            deliveries = [e for day in _billed_days(link) for e in _deliveries(records, day)]
            assert max(each.attempts for each in deliveries) > 1, "the billing server was away at first"
            assert {each.revision for each in deliveries} == {1}, "nothing was billed twice"
            assert len(records.billing_inbox.dues()) == 11


def _deliveries(records: Records, day: dict[str, Any]) -> list[Delivery]:
    return records.deliveries.of_period(date.fromisoformat(day["first_day"]), date.fromisoformat(day["last_day"]))


def _held_against_the_meters(link: Product) -> int:
    """Every bill of the billing server against the meter's own registers; how many were compared."""
    books = httpx.get(link.billing_url.removesuffix("/statements") + "/bills", trust_env=False).json()["bills"]
    points = _points(link.folder / "registry")
    registers = {point: _registers(link, number) for number, point in enumerate(points)}
    for key, bill in books.items():
        point, first, last, _revision = key.rsplit("/", 3)
        assert first == last
        opening, closing = registers[point][first], registers[point][_next(last)]
        assert bill["billed_wh"] == closing - opening, key
    return len(books)


def _points(registry: Path) -> list[str]:
    """Usage points of the consumers in the order of their meters."""
    rows = [line.split(",") for line in (registry / "meters.csv").read_text().splitlines()]
    place = rows[0].index("usage_point")
    return [row[place] for row in rows[1:12]]


def _registers(link: Product, number: int) -> dict[str, int]:
    """Midnight registers by civil day, as meterlab tells them without the air between."""
    rows = link.truth(number, "daily", "2026-05-20", "2026-06-04")
    return {civil_date(row["start_s"]).isoformat(): int(row["values"]["import_wh"]) for row in rows}


def _next(day: str) -> str:
    return (date.fromisoformat(day) + timedelta(days=1)).isoformat()
