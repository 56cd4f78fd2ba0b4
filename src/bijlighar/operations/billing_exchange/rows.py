"""Rows of the billing server, as JSON or a sheet says them, to what they mean; what cannot be read says why.

Amounts are integers of paise, energies of Wh, instants ISO 8601 with an offset, days YYYY-MM-DD. A sheet has texts
in all its columns and an empty text where there is nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Generic, TypeVar

from bijlighar.cim.accounts import TERMS, AccountChange, AccountStatus
from bijlighar.cim.billing import Acknowledgement, Dues, Payment, RowRefused

LONGEST_TEXT = 200
"""Characters of a reference or a reason: more is no reference."""
MOST_PAISE = 10**12
"""Ten thousand crore rupees: beyond it the unit is wrong."""

MOST_LOAD_W = 10_000_000
"""Ten megawatts: whoever has more is not connected to a distribution transformer."""
EARLIEST_YEAR, LATEST_YEAR = 1990, 2100
"""Days beyond them are slips of the pen."""

Meaning = TypeVar("Meaning")


class _Wrong(Exception):
    """A field cannot be read; the text is the reason."""


@dataclass(frozen=True, kw_only=True)
class Parsed(Generic[Meaning]):
    """Rows that could be read, in order, and those that could not, with their places counted from 1."""

    rows: tuple[Meaning, ...]
    refused: tuple[RowRefused, ...]

    @property
    def refused_rows(self) -> frozenset[int]:
        """Places of the refused."""
        return frozenset(each.row for each in self.refused)


def parsed(rows: Sequence[object], meaning: Callable[[Mapping[str, Any]], Meaning]) -> Parsed[Meaning]:
    """Read each row; one that is wrong stops nobody else."""
    good: list[Meaning] = []
    bad: list[RowRefused] = []
    for number, row in enumerate(rows, 1):
        try:
            good.append(meaning(_mapping(row)))
        except _Wrong as wrong:
            told = json.dumps(row, ensure_ascii=False, default=str)[: 10 * LONGEST_TEXT]
            bad.append(RowRefused(row=number, reason=str(wrong), content=told))
    return Parsed(rows=tuple(good), refused=tuple(bad))


def _mapping(row: object) -> Mapping[str, Any]:
    if not isinstance(row, Mapping):
        raise _Wrong("no-row")
    return row


def answer_of(row: Mapping[str, Any]) -> Acknowledgement:
    """``key``, ``result`` "billed" (bill_reference, billed_wh, amount_paise) or "refused" (reason)."""
    result = _text(row, "result")
    if result not in ("billed", "refused"):
        raise _Wrong("result-unknown")
    accepted = result == "billed"
    return Acknowledgement(
        key=_text(row, "key"),
        accepted=accepted,
        bill_reference=_text(row, "bill_reference") if accepted else "",
        billed_wh=_number(row, "billed_wh", least=0) if accepted else None,
        amount_paise=_number(row, "amount_paise", needed=False),
        reason="" if accepted else _text(row, "reason"),
    )


def dues_of(row: Mapping[str, Any]) -> Dues:
    """``usage_point``, ``amount_paise``, ``due_day`` or nothing, ``as_of``, ``reference``."""
    amount = _number(row, "amount_paise")
    return Dues(
        usage_point=_text(row, "usage_point"),
        amount_paise=0 if amount is None else amount,
        due_day=_day(row, "due_day"),
        as_of_s=_instant(row, "as_of"),
        reference=_text(row, "reference"),
    )


def payment_of(row: Mapping[str, Any]) -> Payment:
    """``payment_id``, ``usage_point``, ``amount_paise`` above 0, ``paid_at``."""
    amount = _number(row, "amount_paise", least=1)
    return Payment(
        payment_id=_text(row, "payment_id"),
        usage_point=_text(row, "usage_point"),
        amount_paise=0 if amount is None else amount,
        paid_s=_instant(row, "paid_at"),
    )


def account_of(row: Mapping[str, Any], tariffs: Collection[str]) -> AccountChange:
    """``usage_point``, ``valid_from``, ``as_of``, and what is told of the account; the rest is empty or absent.

    ``tariff`` is one of ``tariffs``.
    """
    change = AccountChange(
        usage_point=_text(row, "usage_point"),
        valid_from=_needed_day(row, "valid_from"),
        as_of_s=_instant(row, "as_of"),
        account=_told(row, "account"),
        name=_told(row, "name"),
        tariff=_told(row, "tariff"),
        sanctioned_load_w=_number(row, "sanctioned_load_w", least=1, most=MOST_LOAD_W, needed=False),
        status=_status(row),
    )
    if change.tariff is not None and change.tariff not in tariffs:
        raise _Wrong("tariff-unknown")
    if all(getattr(change, name) is None for name in TERMS):
        raise _Wrong("nothing-told")
    return change


def _told(row: Mapping[str, Any], name: str) -> str | None:
    return None if row.get(name) in (None, "") else _text(row, name)


def _status(row: Mapping[str, Any]) -> AccountStatus | None:
    told = _told(row, "status")
    if told is None:
        return None
    if told not in tuple(AccountStatus):
        raise _Wrong("status-unknown")
    return AccountStatus(told)


def _needed_day(row: Mapping[str, Any], name: str) -> date:
    day = _day(row, name)
    if day is None:
        raise _Wrong(f"{name}-missing")
    if not EARLIEST_YEAR <= day.year <= LATEST_YEAR:
        raise _Wrong(f"{name}-out-of-range")
    return day


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not value.strip():
        raise _Wrong(f"{name}-missing")
    if len(value) > LONGEST_TEXT or not value.isprintable():
        raise _Wrong(f"{name}-wrong")
    return value.strip()


def _number(
    row: Mapping[str, Any], name: str, *, least: int = -MOST_PAISE, most: int = MOST_PAISE, needed: bool = True
) -> int | None:
    value = row.get(name)
    if value is None or value == "":
        if needed:
            raise _Wrong(f"{name}-missing")
        return None
    if isinstance(value, str) and value.strip().removeprefix("-").isdecimal() and len(value) <= LONGEST_TEXT:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _Wrong(f"{name}-is-no-number")
    if not least <= value <= most:
        raise _Wrong(f"{name}-out-of-range")
    return value


def _day(row: Mapping[str, Any], name: str) -> date | None:
    value = row.get(name)
    if value is None or value == "":
        return None
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        raise _Wrong(f"{name}-is-no-day") from None


def _instant(row: Mapping[str, Any], name: str) -> int:
    try:
        instant = datetime.fromisoformat(str(row.get(name)))
    except ValueError:
        raise _Wrong(f"{name}-is-no-instant") from None
    if instant.tzinfo is None:
        raise _Wrong(f"{name}-has-no-offset")
    return int(instant.timestamp())
