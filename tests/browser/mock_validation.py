"""Made-up validation exceptions, interval data and billing, in the shapes of the API."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from browser.mock_town import NOW, SLOT, TRIAL_METERS, Town, iso, load_w, midnight

DAY = "2026-06-11"
QUEUE = 30_000
RULES: tuple[tuple[str, int, float | None, float], ...] = (
    ("sum-check", 2, -1_240.0, 260.0),
    ("missing-quantity", 1, 3.0, 0.0),
    ("spike", 1, None, 1.8),
    ("neutral-current", 0, 2_400.0, 1_000.0),
    ("high-low", 1, 41_200.0, 30_900.0),
    ("meter-clock", 1, -132.0, 60.0),
)
SEVERITIES = ("hint", "warning", "failure")
CHANNELS = ("import_wh", "import_vah", "export_wh", "export_vah")
LOCKED, ESTIMATED, TWICE, MISSING_SLOT = 24, (20, 21, 22, 24), 10, 30
"""Slots of the made-up day that are not simply read."""


class Queue:
    """The queue of a town; rows are made when they are asked for, so that 30,000 cost nothing."""

    def __init__(self, rows: int, meters: int) -> None:
        self.rows = rows
        self.meters = max(1, meters)
        self.decided: dict[int, dict[str, Any]] = {}

    def row(self, number: int, town: Town) -> dict[str, Any]:
        """One exception, the gravest first."""
        rule, severity, measured, limit = RULES[number * len(RULES) // max(1, self.rows)]
        meter_id = number % self.meters + 1
        first = (number * 7) % 44
        whole = rule in ("sum-check", "high-low", "meter-clock")
        done = self.decided.get(number)
        return {
            "exception_id": number + 1,
            "day": DAY,
            "meter_id": meter_id,
            "serial": town.serial(meter_id),
            "usage_point": f"UP{meter_id:06d}",
            "name": town.name(meter_id),
            "rule": rule,
            "rule_version": 1,
            "severity": SEVERITIES[severity],
            "period_s": 1800,
            "first_slot": 0 if whole else first,
            "end_slot": 48 if whole else first + 3,
            "measured": measured,
            "held_against": limit,
            "found_at": iso(NOW - timedelta(hours=22)),
            "state": "open" if done is None else "resolved",
            "resolution": None if done is None else done["resolution"],
            "reason": None if done is None else done["reason"],
            "resolved_by": None if done is None else "operator",
            "resolved_at": None if done is None else iso(NOW),
        }

    def chosen(self, query: dict[str, str]) -> list[int]:
        """Numbers of the rows that a query chooses, whatever their rule."""
        state, least = query.get("state", "open"), int(query.get("severity") or 0)
        meter = int(query.get("meter") or query.get("meter_id") or 0)
        if query.get("first_day", "") > DAY or (query.get("last_day") or DAY) < DAY:
            return []
        return [
            number
            for number in range(self.rows)
            if RULES[number * len(RULES) // self.rows][1] >= least
            and (not meter or number % self.meters + 1 == meter)
            and (state == "all" or (state == "open") == (number not in self.decided))
            and state != "gone"
        ]

    def page(self, query: dict[str, str], town: Town) -> dict[str, Any]:
        """A page of it."""
        numbers = self.chosen(query)
        by_rule: dict[str, int] = {}
        for number in numbers:
            name = RULES[number * len(RULES) // self.rows][0]
            by_rule[name] = by_rule.get(name, 0) + 1
        rule = query.get("rule", "")
        if rule:
            numbers = [each for each in numbers if RULES[each * len(RULES) // self.rows][0] == rule]
        offset, limit = int(query.get("offset", 0)), int(query.get("limit", 100))
        rows = [self.row(number, town) for number in numbers[offset : offset + limit]]
        return {"total": len(numbers), "by_rule": by_rule, "rows": rows}

    def resolve(self, body: dict[str, Any], town: Town) -> int:
        """Decide; how many, or -1 when others are chosen than the person was told."""
        ids = body.get("ids")
        if ids is None:
            query = {name: str(value) for name, value in body.items() if name in ("rule", "meter_id", "severity")}
            ids = [row["exception_id"] for row in self.page({**query, "limit": "100000"}, town)["rows"]]
        if body.get("expected") not in (None, len(ids)):
            return -1
        for number in ids:
            self.decided[number - 1] = body
        return len(ids)


def _version(source: str, value: int | None, hours: float, **more: Any) -> dict[str, Any]:
    quality = {"reading": "raw", "estimate": "by-interpolation", "edit": "edited"}[source]
    return {
        "source": source,
        "value": value,
        "quality": quality,
        "rule": "line" if source == "estimate" else None,
        "rule_version": 1 if source == "estimate" else None,
        "came_at": iso(midnight(DAY) + timedelta(hours=hours)),
        "made_by": "",
        "reason": "",
        **more,
    }


class MeterData:
    """A sealed day with estimates, a correction, a locked slot and a missing one; edits are kept."""

    def __init__(self) -> None:
        self.edits: dict[tuple[int, str], list[dict[str, Any]]] = {}

    def day(self, meter_id: int, query: dict[str, str]) -> dict[str, Any]:
        """The day as the API tells it."""
        day, channel = query.get("day", DAY), query.get("channel", "import_wh")
        sealed = midnight(day) + timedelta(days=1) <= NOW
        at = query.get("at", "")
        starts = [midnight(day) + SLOT * k for k in range(48)] if sealed else []
        return {
            "meter_id": meter_id,
            "day": day,
            "channel": channel,
            "channels": list(CHANNELS[:2]) if sealed else [],
            "unit": "VAh" if channel.endswith("vah") else "Wh",
            "sealed": sealed,
            "period_s": 1800 if sealed else 0,
            "at": at or iso(NOW),
            "bills": [
                {
                    "reference": "B-2026-0611",
                    "first_day": day,
                    "last_day": day,
                    "billed_at": iso(midnight(day) + timedelta(hours=33)),
                }
            ]
            if sealed
            else [],
            "slots": [self._slot(meter_id, k, start) for k, start in enumerate(starts)],
        }

    def _slot(self, meter_id: int, k: int, start: Any) -> dict[str, Any]:
        value = round(load_w(meter_id, start) / 2 / 10) * 10
        if k == MISSING_SLOT:
            versions = []
        elif k in ESTIMATED:
            versions = [_version("estimate", value, 27.5)]
        else:
            versions = [_version("reading", value, k / 2 + 1.2)]
            if k == TWICE:
                versions.append(_version("reading", value - 30, k / 2 + 0.7))
        versions = [*self.edits.get((meter_id, iso(start)), []), *versions]
        standing = [each for each in versions if each["value"] is not None]
        if versions and versions[0]["value"] is None:
            standing = [each for each in standing if each["source"] != "edit"]
        first = standing[0] if standing else None
        return {
            "start": iso(start),
            "value": None if first is None else first["value"],
            "source": "nothing" if first is None else first["source"],
            "quality": None if first is None else first["quality"],
            "rule": None if first is None else first["rule"],
            "rule_version": None if first is None else first["rule_version"],
            "since": None if first is None else first["came_at"],
            "billed": True,
            "locked": k == LOCKED,
            "versions": versions,
        }

    def edit(self, meter_id: int, body: dict[str, Any], by: str) -> dict[str, Any] | None:
        """Keep an edit; None when another value stands there."""
        day = (midnight(DAY) if body["start"] else NOW).strftime("%Y-%m-%d")
        shown = {each["start"]: each for each in self.day(meter_id, {"day": day})["slots"]}
        if shown[body["start"]]["value"] != body["instead_of"]:
            return None
        made = _version("edit", body["value"], 40, made_by=by, reason=body["reason"])
        self.edits.setdefault((meter_id, body["start"]), []).insert(0, made)
        return self.day(meter_id, {"day": day, "channel": body["channel"]})


def sheet() -> str:
    """A meter's day as a file."""
    return "start,value_wh,source\r\n2026-06-10T18:30:00Z,410,reading\r\n"


CAUSES = {"billed-otherwise": 2, "amount-differs": 1, "same": 9_811, "held": 118, "no-reading": 40}


def link(state: str) -> dict[str, Any]:
    """The billing link: "open", "passing", or "new" with nothing yet."""
    days = [] if state == "new" else [f"2026-06-{day:02d}" for day in (11, 10, 9, 8)]
    lacks = [{"what": "no-day", "day": None, "count": 0, "usage_points": 0}]
    if state == "open":
        lacks = [
            {"what": "not-reconciled", "day": "2026-06-09", "count": 0, "usage_points": 0},
            {"what": "unexplained", "day": "2026-06-11", "count": 3, "usage_points": 9_972},
        ]
    return {
        "deliveries": {"held": 118, "waiting": 12, "acknowledged": 29_433, "refused": 2, "superseded": 41}
        if state != "new"
        else dict.fromkeys(("held", "waiting", "acknowledged", "refused", "superseded"), 0),
        "refused_rows": 0 if state == "new" else 14,
        "passes": state == "passing",
        "lacking": [],
        "lacks": [] if state == "passing" else lacks,
        "days_wanted": 3,
        "decision": None
        if state != "passing"
        else {
            "verdict": "pass",
            "decided_by": "supervisor",
            "decided_at": iso(NOW - timedelta(hours=3)),
            "reason": "three days agree",
        },
        "reconciliations": [_period(day, state) for day in days],
    }


def _period(day: str, state: str) -> dict[str, Any]:
    unexplained = 3 if state == "open" and day == DAY else 0
    return {
        "first_day": day,
        "last_day": day,
        "made_at": iso(midnight(day) + timedelta(hours=31)),
        "usage_points": 9_972,
        "billed": 9_811 if unexplained else 9_972,
        "explained": 158 if unexplained else 0,
        "unexplained": unexplained,
    }


def reconciliation(day: str, state: str, query: dict[str, str]) -> dict[str, Any]:
    """One period, its differences in pages."""
    period = _period(day, state)
    causes = CAUSES if period["unexplained"] else {"same": 9_972}
    rows = [
        (cause, number)
        for cause, count in causes.items()
        if cause != "same" and query.get("cause", "") in ("", cause)
        for number in range(count)
    ]
    offset, limit = int(query.get("offset", 0)), int(query.get("limit", 500))
    details = {"held": "open-exceptions", "billed-otherwise": "B-2026-0611-77"}
    found = [
        {
            "usage_point": f"UP{cause[:2]}{number:04d}".upper(),
            "name": f"Flat {100 + number}",
            "meter_id": number % TRIAL_METERS + 1,
            "serial": f"BJ{10_000_001 + number % TRIAL_METERS}",
            "cause": cause,
            "detail": details.get(cause, ""),
            "sent_wh": None if cause == "no-reading" else 8_420 + number * 10,
            "billed_wh": 8_420 if cause in ("billed-otherwise", "amount-differs") else None,
            "amount_paise": 5_512_50 if cause == "amount-differs" else None,
            "expected_paise": None if cause == "no-reading" else 5_210_00 + number,
        }
        for cause, number in rows[offset : offset + limit]
    ]
    return {**period, "causes": causes, "total": len(rows), "differences": found}


def refused_rows(query: dict[str, str]) -> list[dict[str, Any]]:
    """Rows that were kept apart."""
    return [
        {
            "message_id": f"M-{200 - number}",
            "kind": "dues",
            "received_at": iso(NOW - timedelta(hours=number)),
            "row": number + 1,
            "reason": "unknown-usage-point",
            "content": '{"usage_point":"UP999","amount_paise":120}',
        }
        for number in range(14)[: int(query.get("limit", 100))]
    ]


def point(code: str) -> dict[str, Any]:
    """A usage point with two statements."""
    common = {
        "meters": ["BJ10000003"],
        "import_vah": 8_700,
        "export_wh": 0,
        "export_vah": 0,
        "power_factor": 0.97,
        "band_wh": [],
        "basis": "registers",
        "expected_slots": 48,
        "determined_at": iso(NOW),
        "created_at": iso(NOW),
        "tried_at": iso(NOW),
        "attempts": 1,
    }
    return {
        "usage_point": code,
        "name": "Flat 102",
        "address": "Sweet Home Apartment, Bijlighar Parade, Kanpur",
        "sanctioned_load_w": 3_000,
        "account": {
            "valid_from": "2026-04-01",
            "as_of": None,
            "account": "7700-000102",
            "name": "Asha Verma",
            "tariff": "up-lmv-1",
            "sanctioned_load_w": 4_000,
            "status": "active",
        },
        "account_changes": [],
        "meters": [
            {
                "meter_id": 3,
                "serial": "BJ10000003",
                "installed_at": iso(midnight("2026-05-02")),
                "removed_at": None,
            },
            {
                "meter_id": 4,
                "serial": "BJ10000004",
                "installed_at": iso(midnight("2025-11-20")),
                "removed_at": iso(midnight("2026-05-02")),
            },
        ],
        "statements": [
            {
                **common,
                "key": f"{code}/2026-06-11/2026-06-11/1",
                "revision": 1,
                "first_day": "2026-06-11",
                "last_day": "2026-06-11",
                "state": "held",
                "reason": "open-exceptions",
                "import_wh": 8_420,
                "demand_w": None,
                "demand_at": None,
                "missing_slots": 1,
                "estimated_slots": 4,
                "estimated_wh": 800,
                "answered_at": None,
                "bill_reference": None,
                "billed_wh": None,
                "amount_paise": None,
            },
            {
                **common,
                "key": f"{code}/2026-05-01/2026-05-31/1",
                "revision": 1,
                "first_day": "2026-05-01",
                "last_day": "2026-05-31",
                "state": "acknowledged",
                "reason": "",
                "import_wh": 246_310,
                "demand_w": 3_120,
                "demand_at": iso(midnight("2026-05-17") + timedelta(hours=22)),
                "missing_slots": 0,
                "estimated_slots": 0,
                "estimated_wh": 0,
                "answered_at": iso(NOW),
                "bill_reference": "B-2026-05-118",
                "billed_wh": 246_310,
                "amount_paise": 1_765_92,
            },
        ],
    }


def preview() -> dict[str, Any]:
    """The bill of a statement."""
    lines = [
        ("energy", "0 to 150 kWh", 150.0, 550.0, 825_00),
        ("energy", "150 to 300 kWh", 96.31, 600.0, 577_86),
        ("fixed", "fixed charge", 3.12, 11_000.0, 343_20),
    ]
    names = ("what", "name", "quantity", "rate", "amount_paise")
    return {
        "tariff": "up-lmv-1-urban",
        "name": "UP LMV-1 urban",
        "name_hi": "उ॰प्र॰ LMV-1 शहरी",
        "valid_from": "2022-08-04",
        "source": "UPERC order for FY 2022-23",
        "lines": [dict(zip(names, line, strict=True)) for line in lines],
        "amount_paise": sum(line[-1] for line in lines),
        "billed_paise": 1_765_92,
    }
