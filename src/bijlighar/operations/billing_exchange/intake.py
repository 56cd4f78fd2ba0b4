"""Taking in what the billing server says: answers, dues, payments, accounts. Every row is taken or kept apart."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

from bijlighar.cim.billing import Acknowledgement, Delivery, Receipt, RowRefused
from bijlighar.cim.period import KOLKATA, Period, civil_day
from bijlighar.mdm.measurements import Bill
from bijlighar.operations.billing_exchange.rows import (
    Parsed,
    account_of,
    answer_of,
    dues_of,
    parsed,
    payment_of,
)
from bijlighar.operations.tariffs import tariff_codes
from bijlighar.records import Records
from bijlighar.records.billing_out import Answered

KINDS = ("answers", "dues", "payments", "accounts")


def take_message(
    records: Records,
    kind: str,
    message_id: str,
    rows: Sequence[object],
    *,
    now_s: int,
    tariffs: Path | None = None,
) -> Receipt:
    """Take in one message of ``kind`` (one of KINDS), as any door has read it: rows are what JSON can say.

    The same message again does nothing again. ``tariffs``: the utility's own, beside those of the package. Raises
    MessageContradicts, Unavailable; ValueError for another kind.
    """
    if kind == "accounts":
        told = parsed(rows, partial(account_of, tariffs=tariff_codes(tariffs)))
        return records.billing_inbox.take_accounts(message_id, told.rows, told.refused, now_s)
    if kind == "dues":
        good = parsed(rows, dues_of)
        return records.billing_inbox.take_dues(message_id, good.rows, good.refused, now_s)
    if kind == "payments":
        paid = parsed(rows, payment_of)
        return records.billing_inbox.take_payments(message_id, paid.rows, paid.refused, now_s)
    if kind == "answers":
        return _take_answers(records, message_id, parsed(rows, answer_of), now_s)
    raise ValueError(f"{kind!r} is none of {', '.join(KINDS)}")


def take_answers(records: Records, answers: Sequence[Acknowledgement], *, now_s: int) -> Answered:
    """Take answers, and lock the estimates that were billed, both or neither. Twice is harmless."""
    numbers = {serial: meter_id for meter_id, serial in records.registry.serial_by_meter().items()}
    return records.deliveries.answer(answers, now_s, lambda taken: bills_of(taken, numbers))


def bills_of(delivery: Delivery, numbers: Mapping[str, int], zone: ZoneInfo = KOLKATA) -> list[Bill]:
    """What a delivery billed, meter by meter: its estimates stand from now on. ``numbers`` of meters by serial."""
    if not delivery.bill_reference:
        return []
    told = delivery.statement
    period = Period(start_s=civil_day(told.first_day, zone).start_s, end_s=civil_day(told.last_day, zone).end_s)
    return [
        Bill(
            meter_id=numbers[serial],
            period=period,
            reference=delivery.bill_reference,
            billed_s=told.determined_s,
        )
        for serial in told.meters
    ]


def _take_answers(records: Records, message_id: str, answers: Parsed[Acknowledgement], now_s: int) -> Receipt:
    done = take_answers(records, answers.rows, now_s=now_s)
    places = [
        row for row in range(1, len(answers.rows) + len(answers.refused) + 1) if row not in answers.refused_rows
    ]
    reasons = dict.fromkeys(done.unknown, "unknown-key") | dict.fromkeys(done.contradicting, "answered-otherwise")
    bad = [
        RowRefused(row=row, reason=reasons[each.key], content=repr_of(each))
        for row, each in zip(places, answers.rows, strict=True)
        if each.key in reasons
    ]
    good = [each for each in answers.rows if each.key not in reasons]
    return records.billing_inbox.note_answers(message_id, good, [*answers.refused, *bad], now_s)


def repr_of(answer: Acknowledgement) -> str:
    """An answer as it is kept apart."""
    told = (answer.accepted, answer.bill_reference, answer.billed_wh, answer.amount_paise, answer.reason)
    return f"{answer.key}: {told}"


def message_id_of(door: str, content: bytes) -> str:
    """A number for a message that brings none: the same content is the same message."""
    return f"{door}-{hashlib.sha256(content).hexdigest()[:32]}"
