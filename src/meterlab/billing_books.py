"""The books of the stand-in billing server: what it was sent, what it billed, what it believes is owed.

It counts in its own way, slab by slab in whole paise, so that a fault of the metering side's preview shows. The
slabs are those of LMV-1 metered, 2022-23 (source: the product's own tariff files name it).
"""

from __future__ import annotations

import threading
from calendar import monthrange
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from meterlab.billing_accounts import RURAL, URBAN, Contract

SLABS = {
    URBAN: ((100, 550), (150, 550), (300, 600), (None, 650)),
    RURAL: ((100, 335), (150, 385), (300, 500), (None, 550)),
}
"""Upper end in kWh a month, paise a kWh."""
FIXED_PAISE_PER_KW = {URBAN: 11_000, RURAL: 0}
PAYING = 2 / 3


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
    """Everything that was billed, by key; the same key is billed once.

    ``bills`` paise by usage point and the days billed, a later revision in the place of the earlier; ``paid``
    paise by usage point.
    """

    faults: Faults
    contracts: Mapping[str, Contract] = field(default_factory=dict)
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    statements: dict[str, dict[str, Any]] = field(default_factory=dict)
    bills: dict[str, dict[tuple[str, str], int]] = field(default_factory=dict)
    paid: dict[str, int] = field(default_factory=dict)
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
                self.answers[key] = self._answer(statement)
            return self.answers[key]

    def billed_points(self, answers: Iterable[Mapping[str, Any]]) -> dict[str, str]:
        """Usage points that were billed an amount by these answers, each with its last bill's reference."""
        found: dict[str, str] = {}
        with self.lock:
            for each in answers:
                if each["result"] == "billed" and each.get("amount_paise") is not None:
                    statement = self.statements[each["key"]]
                    code = str(statement["usage_point"])
                    days = (str(statement["first_day"]), str(statement["last_day"]))
                    self.bills.setdefault(code, {})[days] = each["amount_paise"]
                    found[code] = str(each["bill_reference"])
        return found

    def owed_paise(self, code: str) -> int:
        """What a usage point owes in all; negative: a credit."""
        with self.lock:
            return sum(self.bills.get(code, {}).values()) - self.paid.get(code, 0)

    def pay(self, code: str) -> bool:
        """Whether a usage point now pays all that it owes, as PAYING of all do at once."""
        paying = _share(code, "pays") < PAYING
        with self.lock:
            if paying:
                self.paid[code] = sum(self.bills.get(code, {}).values())
        return paying

    def _answer(self, statement: Mapping[str, Any]) -> dict[str, Any]:
        key = str(statement["key"])
        if _share(key, "refused") < self.faults.refused:
            return {"key": key, "result": "refused", "reason": "the account is closed"}
        billed_wh = int(statement["import_wh"])
        if _share(key, "wrong") < self.faults.wrong_kwh:
            billed_wh += 1_000
        return {
            "key": key,
            "result": "billed",
            "bill_reference": f"B-{_number(key):08X}",
            "billed_wh": billed_wh,
            "amount_paise": self._amount_paise(statement, billed_wh),
        }

    def _amount_paise(self, statement: Mapping[str, Any], billed_wh: int) -> int | None:
        contract = self.contracts.get(str(statement["usage_point"]))
        if contract is None:
            return None
        first, last = (date.fromisoformat(str(statement[name])) for name in ("first_day", "last_day"))
        days, month = (last - first).days + 1, monthrange(last.year, last.month)[1]
        total, below, left = 0, 0, billed_wh
        for top, rate in SLABS[contract.tariff]:
            room = left if top is None else min(left, (top - below) * 1_000 * days // month)
            total += (room * rate + 500) // 1_000
            left -= room
            below = top or below
        load_w = max(contract.load_w, int(statement["demand_w"] or 0))
        return total + (2 * load_w * FIXED_PAISE_PER_KW[contract.tariff] * days + 1_000 * month) // (2_000 * month)


def _share(key: str, salt: str) -> float:
    """A number in [0, 1) that follows from the key."""
    return _number(f"{salt} {key}") / (1 << 32)


def _number(text: str) -> int:
    """32 bits that follow from the text (FNV-1a): books that begin anew number their bills as before."""
    value = 2_166_136_261
    for octet in text.encode():
        value = (value ^ octet) * 16_777_619 % (1 << 32)
    return value
