"""A made-up scorecard: a bad meter, a bad tower hour and a drifting clock among eleven meters."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from browser.mock_town import NOW, TRIAL_METERS, Town, iso

DAYS = 35
CAUSES = {
    "power-cut": ("no supply, says the meter's power log", "मीटर के पावर लॉग के अनुसार आपूर्ति बंद थी"),
    "tower-outage": ("the tower is silent", "टावर मौन है"),
    "not-reached": ("not reached since", "तब से संपर्क नहीं हुआ"),
    "absent-in-meter": ("the meter does not hold these rows", "मीटर में ये पंक्तियाँ नहीं हैं"),
}
BAD_METER, DRIFTING = 7, 10
SLOTS = DAYS * 48 - 48


def _gap(days_ago: int, hour: float, slots: int, cause: str) -> dict[str, Any]:
    start = NOW.replace(hour=0, minute=0) - timedelta(days=days_ago) + timedelta(hours=hour)
    english, hindi = CAUSES[cause]
    return {
        "start": iso(start),
        "end": iso(start + timedelta(minutes=30 * slots)),
        "slots": slots,
        "cause": cause,
        "detail_en": english,
        "detail_hi": hindi,
    }


def _gaps(meter_id: int) -> list[dict[str, Any]]:
    gaps = [_gap(9, 2, 6, "tower-outage")]
    if meter_id == BAD_METER:
        gaps += [_gap(30 - 2 * n, n * 5 % 22, 3 + n % 4, "absent-in-meter") for n in range(12)]
        gaps += [_gap(1, 4, 30, "not-reached")]
    if meter_id % 4 == 0:
        gaps.append(_gap(20, 22.5, 2, "power-cut"))
    return gaps


def _meter(town: Town, meter_id: int, verdict: str) -> dict[str, Any]:
    gaps = _gaps(meter_id) if verdict == "fail" else []
    bad, drifting = meter_id == BAD_METER and verdict == "fail", meter_id == DRIFTING and verdict == "fail"
    tried = 1711 + meter_id
    succeeded = 1201 if bad else tried - 9 - meter_id % 5
    name, serial = town.name(meter_id), town.serial(meter_id)
    missing = sum(gap["slots"] for gap in gaps)
    findings = []
    if bad:
        findings.append(
            {
                "code": "bad-meter",
                "meter_id": meter_id,
                "detail_en": f"{name} ({serial}) answers badly: {succeeded} of {tried} sessions succeeded "
                "(70.2%); its tower is in order.",
                "detail_hi": f"{name} ({serial}) ठीक से उत्तर नहीं दे रहा: {tried} में से {succeeded} सत्र सफल (70.2%), "
                "जबकि टावर ठीक है।",
            }
        )
    if drifting:
        findings.append(
            {
                "code": "drifting-clock",
                "meter_id": meter_id,
                "detail_en": f"The clock of {name} ({serial}) drifts +41.2 s a day; times set: 3.",
                "detail_hi": f"{name} ({serial}) की घड़ी प्रतिदिन +41.2 सेकंड खिसकती है; उसे 3 बार मिलाया गया।",
            }
        )
    compared = 0 if verdict == "running" else 8211
    return {
        "meter_id": meter_id,
        "serial": serial,
        "name": name,
        "group": "TWR-PARADE-1",
        "verdict": "running" if verdict == "running" else "fail" if findings else "pass",
        "sessions_tried": tried,
        "sessions_succeeded": succeeded,
        "sessions_excused": 6 if gaps else 0,
        "success_rate": succeeded / (tried - 6),
        "latency_ms_p50": 712.0 + meter_id,
        "latency_ms_p90": 1430.0 + meter_id * 9,
        "latency_ms_p99": 4210.0 + meter_id * 31,
        "signal_dbm_median": -77.0 - meter_id,
        "slots_expected": SLOTS,
        "slots_held": SLOTS - missing,
        "values_compared": compared,
        "values_wrong": 0,
        "register_days_compared": DAYS - 1 if compared else 0,
        "register_days_off": 0,
        "clock_offset_s": 88.4 if drifting else round(meter_id * 0.7 - 4, 1),
        "clock_drift_s_per_day": 41.2 if drifting else round(0.1 * (meter_id % 5) - 0.2, 2),
        "clock_set_times": 3 if drifting else 0,
        "gaps": gaps,
        "findings": findings,
    }


def _limits(verdict: str, days: float) -> list[dict[str, Any]]:
    failed, running = verdict == "fail", verdict == "running"
    measured: list[tuple[str, str, float, float | None, bool]] = [
        ("minimum_days", "days", 3, days, not running),
        ("success_rate_all", "share", 0.98, 0.9712 if failed else 0.9931, not failed),
        ("success_rate_per_meter", "share", 0.95, 0.7015 if failed else 0.9899, not failed),
        ("slots_held", "share", 0.995, 0.9921 if failed else 1.0, not failed),
        ("latency_p90", "ms", 10_000, 1491.0, True),
        ("clock_offset", "s", 120.0, 88.4 if failed else 3.7, True),
        ("clock_drift", "s/day", 5.0, 41.2 if failed else 0.2, not failed),
        ("wrong_values", "", 0, None if running else 0.0, not running),
        ("register_days_off", "days", 0, None if running else 0.0, not running),
    ]
    return [
        {"code": code, "unit": unit, "limit": limit, "measured": value, "passed": passed}
        for code, unit, limit, value, passed in measured
    ]


def scorecard(town: Town, verdict: str) -> dict[str, Any]:
    """The scorecard with that verdict."""
    days = 1.4 if verdict == "running" else float(DAYS)
    started = NOW - timedelta(days=days)
    meters = [_meter(town, meter_id, verdict) for meter_id in range(1, TRIAL_METERS)]
    sums = (
        "sessions_tried",
        "sessions_succeeded",
        "sessions_excused",
        "slots_expected",
        "slots_held",
        "values_compared",
        "values_wrong",
        "register_days_compared",
        "register_days_off",
    )
    totals = {name: sum(meter[name] for meter in meters) for name in sums}
    tower = {
        "code": "tower-outage",
        "meter_id": None,
        "detail_en": "TWR-PARADE-1 was silent from 03-06-2026 02:00 to 03-06-2026 05:00: 11 meters at once, so "
        "the tower and not the meters.",
        "detail_hi": "TWR-PARADE-1 03-06-2026 02:00 से 03-06-2026 05:00 तक मौन रहा: एक साथ 11 मीटर, इसलिए "
        "दोष टावर का है, मीटरों का नहीं।",
    }
    found = [finding for meter in meters for finding in meter["findings"]]
    first_day = NOW.replace(hour=0, minute=0) - timedelta(days=DAYS - 1)
    return {
        "trial": {
            "name": "Sweet Home Apartment, 11 meters",
            "name_hi": "स्वीट होम अपार्टमेंट, 11 मीटर",
            "division": "Bijlighar Parade",
            "place": "Sweet Home Apartment, Kanpur",
            "started": iso(started),
            "now": iso(NOW),
            "data_from": iso(first_day),
            "data_to": iso(NOW),
            "days": days,
        },
        "verdict": verdict,
        "limits": _limits(verdict, days),
        "totals": {
            **totals,
            "success_rate": 0.9712 if verdict == "fail" else 0.9931,
            "latency_ms_p50": 731.0,
            "latency_ms_p90": 1491.0,
            "latency_ms_p99": 4498.0,
            "signal_dbm_median": -83.0,
        },
        "meters": meters,
        "findings": [tower, *found] if verdict == "fail" else [],
        "outages": [],
    }
