"""The books of the stand-in billing server: what it was sent, what it billed, what it believes is owed.

It counts in its own way, slab by slab in whole paise, so that a fault of the metering side's preview shows. The
slabs are those of LMV-1 urban metered, 2022-23 (source: the product's own tariff file names it).
"""

from __future__ import annotations

import threading
from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

SLABS = ((100, 550), (150, 550), (300, 600), (None, 650))
"""Upper end in kWh a month, paise a kWh."""
FIXED_PAISE_PER_KW = 11_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """What the billing server does wrong. Shares are of the statements, chosen by their keys.

    ``away`` messages that it does not answer before it serves; ``later`` answers come in messages of their own,
    ``twice`` twice; ``wrong_kwh`` and ``refused`` shares; ``nobody`` it also sends dues for a usage point that is
    not there.
    """

    away: int = 0
    later: bool = False
    twice: bool = False
    wrong_kwh: float = 0.0
    refused: float = 0.0
    nobody: bool = False


@dataclass
class Books:
    """Everything that was billed, by key; the same key is billed once."""

    faults: Faults
    load_w: Mapping[str, int] = field(default_factory=dict)
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    statements: dict[str, dict[str, Any]] = field(default_factory=dict)
    messages: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def serves(self) -> bool:
        """Count a message; False while the server is away."""
        with self.lock:
            self.messages += 1
            return self.messages > self.faults.away

    def bill(self, statement: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to a statement; again the same for the same key."""
        key = str(statement["key"])
        with self.lock:
            if key not in self.answers:
                self.statements[key] = dict(statement)
                self.answers[key] = self._answer(statement, len(self.answers) + 1)
            return self.answers[key]

    def _answer(self, statement: Mapping[str, Any], number: int) -> dict[str, Any]:
        key = str(statement["key"])
        if _share(key, "refused") < self.faults.refused:
            return {"key": key, "result": "refused", "reason": "the account is closed"}
        billed_wh = int(statement["import_wh"])
        if _share(key, "wrong") < self.faults.wrong_kwh:
            billed_wh += 1_000
        return {
            "key": key,
            "result": "billed",
            "bill_reference": f"B-{number:06d}",
            "billed_wh": billed_wh,
            "amount_paise": self._amount_paise(statement, billed_wh),
        }

    def _amount_paise(self, statement: Mapping[str, Any], billed_wh: int) -> int | None:
        load_w = self.load_w.get(str(statement["usage_point"]))
        if load_w is None:
            return None
        first, last = (date.fromisoformat(str(statement[name])) for name in ("first_day", "last_day"))
        days, month = (last - first).days + 1, monthrange(last.year, last.month)[1]
        total, below, left = 0, 0, billed_wh
        for top, rate in SLABS:
            room = left if top is None else min(left, (top - below) * 1_000 * days // month)
            total += (room * rate + 500) // 1_000
            left -= room
            below = top or below
        kw = max(load_w, int(statement["demand_w"] or 0))
        return total + (2 * kw * FIXED_PAISE_PER_KW * days + 1_000 * month) // (2_000 * month)


def _share(key: str, salt: str) -> float:
    """A number in [0, 1) that follows from the key."""
    value = 2_166_136_261
    for octet in f"{salt} {key}".encode():
        value = (value ^ octet) * 16_777_619 % (1 << 32)
    return value / (1 << 32)
