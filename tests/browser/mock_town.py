"""Made-up answers of the control room in the shapes of its API, deterministic: what the pages are tested on."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np

IST = timezone(timedelta(hours=5, minutes=30))
NOW = datetime(2026, 6, 12, 23, 10, tzinfo=IST)
"""A June night, ten past eleven."""
SLOT = timedelta(minutes=30)
TRIAL_METERS = 12
CITY_METERS = 300_000
DIVISIONS = ("Bijlighar Parade", "Civil Lines", "Kalyanpur", "Kidwai Nagar", "Govind Nagar", "Jajmau")
DIVISION_NAMES = (
    ("Bijlighar Parade division", "बिजलीघर परेड खंड"),
    ("Civil Lines division", "सिविल लाइंस खंड"),
    ("Kalyanpur division", "कल्याणपुर खंड"),
    ("Kidwai Nagar division", "किदवई नगर खंड"),
    ("Govind Nagar division", "गोविंद नगर खंड"),
    ("Jajmau division", "जाजमऊ खंड"),
)
FAMILIES = (
    "Awasthi",
    "Bajpai",
    "Chaurasia",
    "Dixit",
    "Gupta",
    "Khan",
    "Mishra",
    "Nigam",
    "Pal",
    "Rizvi",
    "Sachan",
)
STATES = ("heard", "late", "silent")
LIVE = ("meter_id", "power_w", "voltage_v", "last_contact", "state", "signal_dbm", "today_kwh")


def iso(moment: datetime) -> str:
    """ISO 8601 in UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def midnight(day: str) -> datetime:
    """The first instant of a civil day."""
    return datetime.fromisoformat(day).replace(tzinfo=IST)


def load_w(meter_id: int, moment: datetime) -> float:
    """A home's load: a hump at night, a smaller one in the afternoon, and the home's own size."""
    hour = moment.hour + moment.minute / 60
    shape = 0.45 + 0.8 * math.exp(-(((hour - 23) % 24 - 0) ** 2) / 12) + 0.5 * math.exp(-((hour - 15) ** 2) / 6)
    wave = 0.25 * math.sin(meter_id * 1.7 + moment.timetuple().tm_yday * 2.3 + hour * 2.1)
    day = 1 + 0.3 * math.sin(moment.timetuple().tm_yday * 1.3 + meter_id)
    return max(40.0, 620 * day * (0.5 + (meter_id * 37 % 100) / 80) * (shape + wave))


class Town:
    """Meters as columns, and everything the API tells of them."""

    def __init__(self, meters: int) -> None:
        chance = np.random.default_rng(2026)
        self.count = meters
        self.ids = np.arange(1, meters + 1)
        self.division = self.ids * 7 % len(DIVISIONS) if meters > TRIAL_METERS else np.zeros(meters, dtype=int)
        self.transformer = self.ids // 116
        self.state = np.searchsorted([0.955, 0.992], chance.random(meters))
        if meters == TRIAL_METERS:
            self.state = np.array([0, 0, 0, 1, 0, 0, 2, 0, 0, 0, 0, 0])
        self.signal = chance.integers(-108, -62, meters)
        self.offset = np.round(chance.normal(0, 4, meters), 1)
        self.power = np.array([int(load_w(int(i), NOW)) for i in self.ids[:TRIAL_METERS]])
        if meters > TRIAL_METERS:
            self.power = (chance.lognormal(6.3, 0.8, meters)).astype(int)
        self.haystack = [self._haystack(int(i)) for i in self.ids] if meters else []

    def _haystack(self, meter_id: int) -> str:
        return f"{self.serial(meter_id)} {self.name(meter_id)} {self.address(meter_id)}".lower()

    def serial(self, meter_id: int) -> str:
        """Serial number."""
        return f"BJ{10_000_000 + meter_id}"

    def name(self, meter_id: int) -> str:
        """Who lives there."""
        if self.count == TRIAL_METERS:
            return (
                "Transformer"
                if meter_id == TRIAL_METERS
                else f"Flat {100 + (meter_id - 1) // 3 * 100 + meter_id % 3 + 1}"
            )
        return f"{FAMILIES[meter_id % len(FAMILIES)]} {meter_id % 997}"

    def address(self, meter_id: int) -> str:
        """Where."""
        if self.count == TRIAL_METERS:
            return "Sweet Home Apartment, Bijlighar Parade, Kanpur"
        return f"{meter_id % 313 + 1}/{meter_id % 41 + 1}, {DIVISIONS[meter_id * 7 % len(DIVISIONS)]}, Kanpur"

    def row(self, meter_id: int) -> dict[str, Any]:
        """One row of the list."""
        n = meter_id - 1
        state = STATES[self.state[n]]
        ago = {"heard": timedelta(seconds=40 + n % 900), "late": timedelta(hours=5), "silent": timedelta(days=3)}
        silent = state == "silent"
        transformer_meter = self.count == TRIAL_METERS and meter_id == TRIAL_METERS
        return {
            "meter_id": meter_id,
            "serial": self.serial(meter_id),
            "usage_point": f"UP{meter_id:06d}",
            "name": self.name(meter_id),
            "address": self.address(meter_id),
            "transformer": f"T{int(self.transformer[n]):04d}",
            "feeder": f"F{int(self.transformer[n]) // 12:03d}",
            "division": DIVISIONS[self.division[n]],
            "category": "D4" if transformer_meter else "D2" if meter_id % 17 == 0 else "D1",
            "maker": "Maker A",
            "model": "is15959-d1",
            "last_contact": iso(NOW - ago[state]),
            "last_outcome": "no-answer" if silent else "ok",
            "state": state,
            "power_w": None if silent else int(self.power[n]),
            "voltage_v": None if silent else round(231.5 - (meter_id % 13) * 0.9, 1),
            "signal_dbm": int(self.signal[n]),
            "success_rate": 0.0 if silent else round(1 - (meter_id % 9) / 400, 4),
            "clock_offset_s": float(self.offset[n]),
            "today_kwh": None if silent else round(2 + (meter_id * 13 % 90) / 10, 2),
        }

    def page(self, query: dict[str, str]) -> dict[str, Any]:
        """The list as the API answers it."""
        masks = self._masks(query)
        chosen = np.ones(self.count, dtype=bool)
        for mask in masks.values():
            chosen &= mask
        rows = self._sorted(np.flatnonzero(chosen), query)
        offset, limit = int(query.get("offset", 0)), int(query.get("limit", 50))
        facets = {name: self._facet(name, masks) for name in ("division", "transformer", "category", "state")}
        found = [self.row(int(n) + 1) for n in rows[offset : offset + limit]]
        return {"total": len(rows), "rows": found, "facets": facets}

    def sheet(self, query: dict[str, str]) -> str:
        """The list as a file, with a byte-order mark."""
        rows = self.page({**query, "offset": "0", "limit": str(self.count)})["rows"]
        columns = ("serial", "name", *LIVE)
        lines = ["\ufeff" + ",".join(columns), *(",".join(str(row[name]) for name in columns) for row in rows)]
        return "\r\n".join(lines)

    def registry(self) -> dict[str, Any]:
        """Names of divisions, whose codes are not their names."""
        divisions = [
            {"code": code, "name": name, "name_hi": hindi}
            for code, (name, hindi) in zip(DIVISIONS, DIVISION_NAMES, strict=True)
        ]
        return {"version": 1, "meters": self.count, "divisions": divisions, "transformers": []}

    def _labels(self, name: str) -> np.ndarray[Any, Any]:
        if name == "division":
            return np.array(DIVISIONS)[self.division]
        if name == "transformer":
            return np.char.mod("T%04d", self.transformer)
        if name == "tower":
            return np.char.mod("tower-%d", self.transformer // 96)
        if name == "category":
            return np.where(self.ids % 17 == 0, "D2", "D1")
        return np.array(STATES)[self.state]

    def _masks(self, query: dict[str, str]) -> dict[str, np.ndarray[Any, Any]]:
        masks = {}
        for name in ("division", "transformer", "category", "state", "tower"):
            wanted = query.get(name, "")
            if wanted not in ("", "all"):
                masks[name] = self._labels(name) == wanted
        words = query.get("q", "").lower().split()
        if words:
            masks["q"] = np.array([all(word in hay for word in words) for hay in self.haystack], dtype=bool)
        return masks

    def _facet(self, name: str, masks: dict[str, np.ndarray[Any, Any]]) -> dict[str, int]:
        chosen = np.ones(self.count, dtype=bool)
        for other, mask in masks.items():
            if other != name:
                chosen &= mask
        names, counts = np.unique(self._labels(name)[chosen], return_counts=True)
        told = dict(zip(names.tolist(), counts.tolist(), strict=True))
        return (
            {state: told.get(state, 0) for state in STATES} if name == "state" else dict(list(told.items())[:200])
        )

    def _sorted(self, rows: np.ndarray[Any, Any], query: dict[str, str]) -> np.ndarray[Any, Any]:
        keys = {
            "power_w": self.power,
            "state": self.state,
            "signal_dbm": self.signal,
            "clock_offset_s": self.offset,
        }
        key = keys.get(query.get("sort", "serial"), self.ids)[rows]
        order = np.argsort(-key if query.get("direction") == "desc" else key, kind="stable")
        return rows[order]

    def detail(self, meter_id: int) -> dict[str, Any]:
        """One meter."""
        row = self.row(meter_id)
        read_at = row["last_contact"]
        heard = row["power_w"] is not None
        gaps = [
            {"start": iso(NOW - timedelta(days=d, hours=3)), "end": iso(NOW - timedelta(days=d)), "slots": 6}
            for d in ((1, 3) if meter_id % 3 == 0 else ())
        ]
        return {
            **row,
            "nameplate": {
                "serial": row["serial"],
                "device_id": f"MKA{meter_id:010d}",
                "manufacturer": "Maker A Metering Limited",
                "firmware": "D1.04.17",
                "meter_type": 6,
                "category": row["category"],
                "current_rating": "5-30 A",
                "year": 2025,
                "read_at": read_at,
            },
            "registers": {
                "import_kwh": 4211.36 + meter_id,
                "import_kvah": 4388.02 + meter_id,
                "export_kwh": 0.0,
                "export_kvah": 0.0,
                "demand_w": 3120,
                "demand_time": iso(NOW - timedelta(days=2)),
                "read_at": read_at,
            },
            "relay": {"closed": meter_id % 5 != 0, "read_at": read_at},
            "instantaneous": {
                "read_at": read_at,
                "current_a": 5.31,
                "neutral_current_a": 5.3,
                "power_factor": 0.97,
                "frequency_hz": 49.98,
            }
            if heard
            else {},
            "gaps": gaps,
        }

    def curve(self, meter_id: int, day: str) -> dict[str, Any]:
        """One day."""
        row = self.row(meter_id)
        start = midnight(day)
        previous = [self._slot(meter_id, start - timedelta(days=1) + SLOT * k) for k in range(48)]
        ended = [start + SLOT * k for k in range(48) if start + SLOT * (k + 1) <= NOW]
        missing = {20, 21, 22} if meter_id % 3 == 0 else set()
        slots = [self._slot(meter_id, at, held=k not in missing) for k, at in enumerate(ended)]
        return {"day": day, "period_s": 1800, "slots": slots, "previous_day": previous, "now_w": row["power_w"]}

    def _slot(self, meter_id: int, start: datetime, *, held: bool = True) -> dict[str, Any]:
        power_w = load_w(meter_id, start)
        return {
            "start": iso(start),
            "import_wh": round(power_w / 2 / 10) * 10 if held else None,
            "voltage_v": round(236 - power_w / 220 + math.sin(start.hour), 1) if held else None,
            "current_a": round(power_w / 230, 2) if held else None,
        }

    def registers(self, meter_id: int, start: str, end: str) -> dict[str, Any]:
        """Midnight registers, one of them missing."""
        rows = []
        total = 4000.0 + meter_id
        day = midnight(start)
        while day <= midnight(end):
            total += sum(load_w(meter_id, day + SLOT * k) for k in range(48)) / 2000
            if day.day != 27:
                name = day.strftime("%Y-%m-%d")
                value = round(total, 2)
                rows.append(
                    {
                        "day": name,
                        "import_kwh": value,
                        "import_kvah": value * 1.04,
                        "export_kwh": 0,
                        "export_kvah": 0,
                    }
                )
            day += timedelta(days=1)
        return {"rows": rows}

    def events(self, offset: int, limit: int) -> dict[str, Any]:
        """Events, newest first."""
        kinds = (
            (101, "power", "Power failure: ended", "आपूर्ति बंद: समाप्त", "normal"),
            (101, "power", "Power failure", "आपूर्ति बंद", "normal"),
            (201, "other", "Influence of a permanent magnet", "स्थायी चुंबक का प्रभाव", "critical"),
            (9, "voltage", "Low voltage in any phase", "किसी फेज़ में कम वोल्टेज", "normal"),
            (251, "non-rollover", "Meter cover opened", "मीटर का ढक्कन खुला", "critical"),
            (67, "current", "Over current in any phase", "किसी फेज़ में अधिक धारा", "high"),
        )
        rows = []
        for n in range(34)[offset : offset + limit]:
            code, log, english, hindi, severity = kinds[n % len(kinds)]
            at = NOW - timedelta(hours=5 + n * 17)
            rows.append(
                {
                    "at": iso(at),
                    "code": code,
                    "log": log,
                    "name_en": english,
                    "name_hi": hindi,
                    "severity": severity,
                    "received_at": iso(at + timedelta(minutes=20)),
                }
            )
        return {"total": 34, "rows": rows}

    def contacts(self, offset: int, limit: int) -> dict[str, Any]:
        """Contacts, newest first."""
        outcomes = ("ok", "ok", "ok", "no-answer", "ok", "incomplete", "ok", "not-authentic")
        rows = []
        for n in range(90)[offset : offset + limit]:
            outcome = outcomes[n % len(outcomes)]
            heard = outcome in ("ok", "incomplete")
            rows.append(
                {
                    "at": iso(NOW - timedelta(minutes=2 + n * 31)),
                    "purpose": "on-demand instantaneous" if n == 4 else "instantaneous+block-load",
                    "outcome": outcome,
                    "attempt": 2 if n % 8 == 4 else 1,
                    "latency_ms": 640 + n * 7 if heard else None,
                    "clock_offset_s": 1.5 if heard else None,
                    "signal_dbm": -78 - n % 9 if heard else None,
                    "octets_sent": 420,
                    "octets_received": 1430 if heard else 0,
                    "rows": 2 if heard else 0,
                    "detail": "" if heard else "no answer within 20 s",
                }
            )
        return {"total": 90, "rows": rows}
