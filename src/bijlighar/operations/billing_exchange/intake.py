"""Taking in what the billing server says: answers, dues, payments. Every row is taken or kept apart."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from zoneinfo import ZoneInfo

from bijlighar.cim.billing import Acknowledgement, Delivery, Receipt, RowRefused
from bijlighar.cim.period import KOLKATA, Period, civil_day
from bijlighar.mdm.measurements import Bill
from bijlighar.operations.billing_exchange.rows import Parsed, answer_of, dues_of, parsed, payment_of
from bijlighar.records import Records
from bijlighar.records.billing_out import Answered

KINDS = ("answers", "dues", "payments")


def take_message(records: Records, kind: str, message_id: str, rows: Sequence[object], *, now_s: int) -> Receipt:
    """Take in one message of ``kind`` (one of KINDS), as any door has read it: rows are what JSON can say.

    The same message again does nothing again. Raises MessageContradicts, Unavailable; ValueError for another kind.
    """
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
    """Take answers, and lock the estimates that were billed. Twice is harmless."""
    done = records.deliveries.answer(answers, now_s)
    again = set(done.repeated)
    # a crash between answer and lock is mended when the answer comes again
    billed = [each for each in done.taken if each.bill_reference]
    if again:
        billed += [each for each in _deliveries(records, again) if each.bill_reference]
    lock_billed(records, billed)
    return done


def lock_billed(records: Records, deliveries: Sequence[Delivery], zone: ZoneInfo = KOLKATA) -> None:
    """Estimates of billed statements stand from now on. Twice is harmless."""
    numbers = {serial: meter_id for meter_id, serial in records.registry.serial_by_meter().items()}
    fresh: list[Bill] = []
    for each in deliveries:
        told = each.statement
        period = Period(
            start_s=civil_day(told.first_day, zone).start_s, end_s=civil_day(told.last_day, zone).end_s
        )
        for serial in told.meters:
            bill = Bill(
                meter_id=numbers[serial],
                period=period,
                reference=each.bill_reference or each.key,
                billed_s=told.determined_s,
            )
            if bill not in records.edits.bills(period, bill.meter_id):
                fresh.append(bill)
    records.edits.add_bills(fresh)


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


def _deliveries(records: Records, keys: set[str]) -> list[Delivery]:
    points = {key.rsplit("/", 3)[0] for key in keys}
    return [each for point in points for each in records.deliveries.of_usage_point(point) if each.key in keys]
