"""What the billing server tells by message: dues, payments, accounts; rows are taken or kept apart, none twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, RowMapping, func, insert, select

from bijlighar.cim.accounts import AccountChange
from bijlighar.cim.billing import Acknowledgement, Dues, Payment, Receipt, RowRefused
from bijlighar.records import tables
from bijlighar.records.accounts import add_changes, consumers_among
from bijlighar.records.billing_tables import billing_messages, billing_refused_rows, payments
from bijlighar.records.billing_tables import dues as _dues
from bijlighar.records.database import Database

MOST_ROWS = 500_000
"""Rows of one message: every consumer of a large city."""


class MessageContradicts(Exception):
    """The same message number came with another content. ``message_id``."""

    def __init__(self, message_id: str) -> None:
        super().__init__(f"message {message_id} came before with another content")
        self.message_id = message_id


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedRow:
    """A row that was kept apart, with the message that it came in."""

    message_id: str
    kind: str
    received_s: int
    row: int
    reason: str
    content: str


class Inbox:
    """Takes in messages and tells what stands."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take_dues(
        self, message_id: str, rows: Sequence[Dues], refused: Sequence[RowRefused], now_s: int
    ) -> Receipt:
        """Keep dues; rows for usage points that are not known join those refused. All in one transaction.

        Raises MessageContradicts, Unavailable.
        """

        def keep(connection: Connection, good: Sequence[tuple[int, Dues]]) -> list[RowRefused]:
            values = [
                {
                    "usage_point": each.usage_point,
                    "amount_paise": each.amount_paise,
                    "due_day": None if each.due_day is None else each.due_day.isoformat(),
                    "as_of_s": each.as_of_s,
                    "reference": each.reference,
                    "message_id": message_id,
                }
                for _, each in good
            ]
            if values:
                connection.execute(insert(_dues), values)
            return []

        return self._take(message_id, "dues", rows, refused, keep, now_s)

    def take_payments(
        self, message_id: str, rows: Sequence[Payment], refused: Sequence[RowRefused], now_s: int
    ) -> Receipt:
        """Keep payments; one that is known already is not booked twice, one that says otherwise is refused."""

        def keep(connection: Connection, good: Sequence[tuple[int, Payment]]) -> list[RowRefused]:
            bad: list[RowRefused] = []
            for row, each in good:
                known = connection.execute(
                    select(payments).where(payments.c.payment_id == each.payment_id)
                ).mappings()
                before = known.first()
                if before is None:
                    connection.execute(insert(payments).values(**asdict(each), message_id=message_id))
                elif any(before[name] != value for name, value in asdict(each).items()):
                    bad.append(_refused(row, "payment-contradicts", each))
            return bad

        return self._take(message_id, "payments", rows, refused, keep, now_s)

    def take_accounts(
        self, message_id: str, rows: Sequence[AccountChange], refused: Sequence[RowRefused], now_s: int
    ) -> Receipt:
        """Keep changes of accounts; one of a usage point that measures no consumer is refused.

        Raises as ``take_dues``.
        """

        def keep(connection: Connection, good: Sequence[tuple[int, AccountChange]]) -> list[RowRefused]:
            consumers = consumers_among(connection)
            mine = [each for _, each in good if each.usage_point in consumers]
            add_changes(connection, mine, message_id=message_id, received_s=now_s)
            return [_refused(row, "no-consumer", each) for row, each in good if each.usage_point not in consumers]

        return self._take(message_id, "accounts", rows, refused, keep, now_s)

    def note_answers(
        self,
        message_id: str,
        answers: Sequence[Acknowledgement],
        refused: Sequence[RowRefused],
        now_s: int,
    ) -> Receipt:
        """Keep that answers came, with those that could not be taken. Raises as ``take_dues``."""
        return self._take(message_id, "answers", answers, refused, lambda _connection, _good: [], now_s)

    def dues(self, usage_points: Sequence[str] | None = None) -> dict[str, Dues]:
        """What stands as due, by usage point: the newest ``as_of_s``, of equal ones the last that came."""
        query = select(_dues).order_by(_dues.c.as_of_s, _dues.c.number)
        if usage_points is not None:
            query = query.where(_dues.c.usage_point.in_(usage_points))
        with self._database.read() as connection:
            return {row["usage_point"]: _dues_of(row) for row in connection.execute(query).mappings()}

    def payments(self, usage_point: str) -> list[Payment]:
        """Payments of one usage point, newest first."""
        query = select(payments).where(payments.c.usage_point == usage_point).order_by(payments.c.paid_s.desc())
        names = tuple(Payment.__dataclass_fields__)
        with self._database.read() as connection:
            return [Payment(**{n: row[n] for n in names}) for row in connection.execute(query).mappings()]

    def refused_rows(self, *, limit: int = 100, offset: int = 0) -> list[RefusedRow]:
        """Rows that were kept apart, the newest first."""
        kept, message = billing_refused_rows, billing_messages
        query = (
            select(kept, message.c.kind, message.c.received_s)
            .join_from(kept, message)
            .order_by(kept.c.number.desc())
            .offset(offset)
            .limit(limit)
        )
        names = tuple(RefusedRow.__dataclass_fields__)
        with self._database.read() as connection:
            return [RefusedRow(**{n: row[n] for n in names}) for row in connection.execute(query).mappings()]

    def refused_count(self) -> int:
        """How many rows were ever kept apart."""
        with self._database.read() as connection:
            return int(connection.execute(select(func.count()).select_from(billing_refused_rows)).scalar_one())

    def _take(
        self,
        message_id: str,
        kind: str,
        rows: Sequence[Any],
        refused: Sequence[RowRefused],
        keep: Callable[[Connection, Sequence[tuple[int, Any]]], list[RowRefused]],
        now_s: int,
    ) -> Receipt:
        told = _digest(kind, rows, refused)
        with self._database.write() as connection:
            known = connection.execute(
                select(billing_messages).where(billing_messages.c.message_id == message_id)
            ).mappings()
            before = known.first()
            if before is not None:
                if before["sha256"] != told:
                    raise MessageContradicts(message_id)
                return Receipt(message_id=message_id, taken=before["taken"], refused=(), repeated=True)
            places = [row for row in range(1, len(rows) + len(refused) + 1) if row not in {r.row for r in refused}]
            good, bad = _known(connection, list(zip(places, rows, strict=True)))
            bad = [*refused, *bad]
            connection.execute(
                insert(billing_messages).values(
                    message_id=message_id, kind=kind, sha256=told, taken=0, received_s=now_s
                )
            )
            bad += keep(connection, good)
            taken = len(rows) + len(refused) - len(bad)
            connection.execute(
                billing_messages.update().where(billing_messages.c.message_id == message_id).values(taken=taken)
            )
            if bad:
                connection.execute(
                    insert(billing_refused_rows), [{**asdict(each), "message_id": message_id} for each in bad]
                )
        return Receipt(message_id=message_id, taken=taken, refused=tuple(sorted(bad, key=lambda each: each.row)))


def _known(
    connection: Connection, rows: Sequence[tuple[int, Any]]
) -> tuple[list[tuple[int, Any]], list[RowRefused]]:
    """Rows of usage points that the registry knows, and the others; answers name none."""
    codes = set(connection.execute(select(tables.usage_points.c.code)).scalars())
    good, bad = [], []
    for row, each in rows:
        if isinstance(each, Acknowledgement) or each.usage_point in codes:
            good.append((row, each))
        else:
            bad.append(_refused(row, "unknown-usage-point", each))
    return good, bad


def _refused(row: int, reason: str, each: object) -> RowRefused:
    return RowRefused(row=row, reason=reason, content=_json(each))


def _json(each: object) -> str:
    values = asdict(each) if is_dataclass(each) and not isinstance(each, type) else each
    return json.dumps(values, ensure_ascii=False, sort_keys=True, default=str)


def _digest(kind: str, rows: Sequence[object], refused: Sequence[RowRefused]) -> str:
    told = "\n".join([kind, *map(_json, rows), *map(_json, refused)])
    return hashlib.sha256(told.encode()).hexdigest()


def _dues_of(row: RowMapping) -> Dues:
    return Dues(
        usage_point=row["usage_point"],
        amount_paise=row["amount_paise"],
        due_day=None if row["due_day"] is None else date.fromisoformat(row["due_day"]),
        as_of_s=row["as_of_s"],
        reference=row["reference"],
    )
