"""Journey 2. Meters are joined to the billing server; the same kWh arrive on both sides, and that is proven.

The billing server is away at first, answers later and twice, and sends dues for a consumer whom nobody knows. It
tells who is billed by which tariff for which load, as JSON and as IEC 61968-9, and bills by that.
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
from meterlab.billing_accounts import RURAL, URBAN, contracts_of


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
        assert {(each["kind"], each["reason"]) for each in unknown} >= {
            ("dues", "unknown-usage-point"),
            ("accounts", "unknown-usage-point"),
            ("accounts", "tariff-unknown"),
        }, "what is for nobody, or by no tariff, is kept apart"
        assert {each["reason"] for each in unknown} == {"unknown-usage-point", "tariff-unknown"}
        _held_against_the_billing_servers_accounts(link)
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


def _held_against_the_billing_servers_accounts(link: Product) -> None:
    """Every account as it was told, by two doors; every bill by the account's tariff and load, to a rupee."""
    contracts = contracts_of(link.folder / "registry")
    assert link.room.get("/api/billing").json()["accounts"] == len(contracts) == 11
    assert {each.tariff for each in contracts.values()} == {URBAN, RURAL}
    more = 0
    for code, contract in contracts.items():
        point = link.room.get(f"/api/billing/usage-points/{code}").json()
        told = point["account"]
        assert (told["account"], told["name"]) == (contract.account, contract.name)
        assert (told["tariff"], told["sanctioned_load_w"]) == (contract.tariff, contract.load_w)
        assert len(point["account_changes"]) == 2, "told twice, kept once"
        more += contract.load_w > point["sanctioned_load_w"]
        for each in point["statements"]:
            if each["amount_paise"] is not None:
                path = f"/api/billing/usage-points/{code}/preview"
                bill = link.room.get(path, params={"key": each["key"]}).json()
                assert bill["tariff"] == contract.tariff
                assert abs(bill["amount_paise"] - each["amount_paise"]) <= 100
    assert more, "some load differs from the registry's"


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
