"""Made-up answers of the consumer's part of the API."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from browser.mock_town import NOW, SLOT, iso, load_w, midnight

TODAY = NOW.date()
POINTS = [
    {"usage_point": "UP-000003", "name": "Asha Chaurasia", "address": "Flat 3, Sweet Home Apartment, Mall Road"},
    {"usage_point": "UP-000004", "name": "Asha Chaurasia, shop", "address": "Shop 4, Mall Road"},
]


def own_answer(part: str, query: dict[str, str], state: str) -> Any:
    """What is told; ``state``: ordinary, outage, disconnected, fresh (nothing known yet), none (nothing tied)."""
    if part == "":
        points = [] if state == "none" else POINTS if state == "outage" else POINTS[:1]
        return {"now": iso(NOW), "speed": 1, "points": points}
    answers = {"now": _now, "day": _day, "month": _month, "account": _account, "access": _access}
    if part in answers:
        return answers[part](query, state)
    return "start,end,flow,energy_wh,quality\r\n"


def _now(query: dict[str, str], state: str) -> dict[str, Any]:
    point = next((each for each in POINTS if each["usage_point"] == query.get("point")), POINTS[0])
    told: dict[str, Any] = {
        "now": iso(NOW),
        "speed": 1,
        "point": point,
        "serial": "BJ10000003",
        "state": "heard",
        "last_contact": iso(NOW - timedelta(minutes=4)),
        "read_at": iso(NOW - timedelta(minutes=10)),
        "now_w": 1_240,
        "voltage_v": 229.4,
        "today_kwh": 14.2,
        "relay_closed": True,
        "outage": None,
    }
    if state == "outage":
        told["outage"] = {"extent": "feeder", "since": iso(NOW - timedelta(minutes=12)), "meters": 1_400}
        told["now_w"], told["state"] = 0, "late"
    if state == "disconnected":
        told["relay_closed"], told["state"] = False, "silent"
    if state == "fresh":
        told |= dict.fromkeys(("read_at", "now_w", "voltage_v", "today_kwh", "relay_closed", "last_contact"))
        told["state"] = "silent"
    return told


def _slots(day: str, until: int, state: str) -> list[dict[str, Any]]:
    start = midnight(day)
    return [
        {
            "start": iso(start + n * SLOT),
            "import_wh": None if n == 9 or state == "fresh" else int(load_w(3, start + n * SLOT) / 2),
            "export_wh": 120 if state == "ordinary" and 18 <= n < 30 else 0,
        }
        for n in range(until)
    ]


def _day(_query: dict[str, str], state: str) -> dict[str, Any]:
    told = {}
    for name, ago, until in (("day", 0, 46), ("before", 1, 48)):
        day = (TODAY - timedelta(days=ago)).isoformat()
        slots = _slots(day, until, state)
        held = [slot["import_wh"] for slot in slots if slot["import_wh"] is not None]
        told[name] = {
            "day": day,
            "period_s": 1800,
            "import_kwh": sum(held) / 1000 if held else None,
            "missing": len(slots) - len(held),
            "slots": slots,
        }
    return told


def _month(query: dict[str, str], state: str) -> dict[str, Any]:
    month = query.get("month") or TODAY.isoformat()[:7]
    running = month == TODAY.isoformat()[:7]
    first = midnight(f"{month}-01").date()
    count = TODAY.day if running else 30
    days = [
        {
            "day": (first + timedelta(days=n)).isoformat(),
            "import_kwh": None if n == 4 or (running and n == count - 1) else round(9 + n % 7 * 0.8, 2),
            "export_kwh": 1.44,
        }
        for n in range(count)
    ]
    fresh = state == "fresh"
    lines = [
        {"what": "energy", "name": "0 to 100 kWh", "quantity": 100.0, "rate": 550.0, "amount_paise": 55_000},
        {"what": "energy", "name": "100 to 150 kWh", "quantity": 31.4, "rate": 550.0, "amount_paise": 17_270},
        {"what": "fixed", "name": "fixed charge", "quantity": 2.0, "rate": 11_000.0, "amount_paise": 22_000},
    ]
    bill = {
        "tariff": "LMV-1 domestic, urban, metered (UP)",
        "tariff_hi": "एलएमवी-1 घरेलू, शहरी, मीटर (उ.प्र.)",
        "valid_from": "2022-04-01",
        "source": "UPERC 2022-23",
        "amount_paise": 94_270,
        "lines": lines,
        "next_unit": {"from_kwh": 100, "to_kwh": 150, "left_kwh": 18.6, "paise_per_kwh": 550} if running else None,
        "projected_kwh": 331.0 if running else None,
        "projected_paise": 214_150 if running else None,
    }
    return {
        "month": month,
        "running": running,
        "first_day": days[0]["day"],
        "last_day": days[-1]["day"],
        "days": days,
        "import_kwh": None if fresh else 131.4,
        "export_kwh": 17.3 if state == "ordinary" else 0,
        "opened_at": None if fresh else iso(midnight(f"{month}-03")),
        "closed_at": None if fresh else iso(NOW),
        "whole": False,
        "bill": None if fresh else bill,
    }


def _account(_query: dict[str, str], state: str) -> dict[str, Any]:
    if state == "fresh":
        return {"dues": None, "balance_paise": None, "payments": []}
    return {
        "dues": {"amount_paise": 154_200, "due_day": "2026-06-25", "as_of": iso(NOW), "reference": "B-77"},
        "balance_paise": 154_200 if state == "ordinary" else -20_000,
        "payments": [{"amount_paise": 120_000, "paid_at": iso(NOW - timedelta(days=33))}],
    }


def _access(_query: dict[str, str], state: str) -> dict[str, Any]:
    rows = [
        {
            "at": iso(NOW - timedelta(hours=5)),
            "who": "Meera Srivastava",
            "who_hi": "मीरा श्रीवास्तव",
            "roles": ["operator"],
            "why": "supply",
        }
    ]
    return {"rows": [] if state == "fresh" else rows, "more": False}
