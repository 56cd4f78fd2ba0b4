"""Statements on their way to the billing server: at least once, under keys that both sides know.

A statement that says the same as the one before is the same delivery. One that says something else is a new
revision: what was not acknowledged yet is superseded, what was acknowledged stays and is corrected by the new one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any

from sqlalchemy import Connection, RowMapping, func, insert, select, update

from bijlighar.cim.billing import Acknowledgement, Delivery, DeliveryState, UsageStatement
from bijlighar.mdm.measurements import Bill
from bijlighar.records.billing_tables import billing_deliveries as _kept
from bijlighar.records.blocks_edits import add_bills
from bijlighar.records.database import Database

_OPEN = (DeliveryState.HELD.value, DeliveryState.WAITING.value)
_STEP = 500
"""Keys of one statement: SQLite binds 32,766 values at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """What adding statements did."""

    new: int
    corrected: int
    unchanged: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What answers did.

    ``repeated``: answered so before; ``contradicting``: answered otherwise before, and that answer stands;
    ``unknown``: nothing was sent under the key.
    """

    taken: tuple[Delivery, ...]
    repeated: tuple[str, ...]
    contradicting: tuple[str, ...]
    unknown: tuple[str, ...]


class Deliveries:
    """Adds, hands out, notes attempts and answers, tells."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, statements: Iterable[tuple[UsageStatement, str]], now_s: int) -> Offered:
        """Offer statements of one period, in one transaction; with each a reason to hold it back, or "".

        Twice is harmless. Raises Unavailable.
        """
        some = list(statements)
        rows: list[dict[str, Any]] = []
        superseded: list[str] = []
        corrected = unchanged = 0
        with self._database.write() as connection:
            newest = _newest(connection, {(each.first_day, each.last_day) for each, _ in some})
            for statement, held_because in some:
                before = newest.get((statement.usage_point, statement.first_day, statement.last_day))
                told = _told(statement)
                state = DeliveryState.HELD if held_because else DeliveryState.WAITING
                if before is not None and before["sha256"] == told and _stands(before, state, held_because):
                    unchanged += 1
                    continue
                if before is not None and before["state"] in _OPEN:
                    superseded.append(before["key"])
                corrected += before is not None
                revision = 1 if before is None else before["revision"] + 1
                rows.append(_row(statement, told, revision, state, held_because, now_s))
            for first in range(0, len(superseded), _STEP):
                connection.execute(
                    update(_kept)
                    .where(_kept.c.key.in_(superseded[first : first + _STEP]))
                    .values(state=DeliveryState.SUPERSEDED.value)
                )
            if rows:
                connection.execute(insert(_kept), rows)
        return Offered(new=len(rows) - corrected, corrected=corrected, unchanged=unchanged)

    def due(self, now_s: int, limit: int) -> list[Delivery]:
        """Statements to be sent now, the oldest first."""
        query = select(_kept).where(_kept.c.state == DeliveryState.WAITING.value, _kept.c.next_try_s <= now_s)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(_kept.c.next_try_s, _kept.c.key).limit(limit)).mappings()
            return [_delivery(row) for row in rows]

    def tried(self, keys: Sequence[str], *, now_s: int, next_try_s: int, fault: str = "") -> None:
        """An attempt was made; when no answer has come by ``next_try_s`` another one is due."""
        values = {"attempts": _kept.c.attempts + 1, "tried_s": now_s, "next_try_s": next_try_s, "reason": fault}
        with self._database.write() as connection:
            for first in range(0, len(keys), _STEP):
                chosen = _kept.c.key.in_(keys[first : first + _STEP])
                waits = _kept.c.state == DeliveryState.WAITING.value
                connection.execute(update(_kept).where(chosen, waits).values(values))

    def answer(
        self,
        answers: Sequence[Acknowledgement],
        now_s: int,
        bills_of: Callable[[Delivery], Sequence[Bill]] = lambda _taken: (),
    ) -> Answered:
        """Take answers. The first answer to a delivery stands.

        What was billed by it (``bills_of``) is noted in the same transaction: killed in between, neither or both
        are kept. Raises Unavailable.
        """
        taken: list[Delivery] = []
        repeated: list[str] = []
        contradicting: list[str] = []
        unknown: list[str] = []
        with self._database.write() as connection:
            for answer in answers:
                row = connection.execute(select(_kept).where(_kept.c.key == answer.key)).mappings().first()
                if row is None or row["state"] == DeliveryState.HELD.value:
                    unknown.append(answer.key)
                elif row["answered_s"] is not None:
                    (repeated if _says_the_same(row, answer) else contradicting).append(answer.key)
                else:
                    values = _values(answer, now_s)
                    connection.execute(update(_kept).where(_kept.c.key == answer.key).values(values))
                    taken.append(_delivery({**row, **values}))
            add_bills(connection, [bill for each in taken for bill in bills_of(each)])
        return Answered(
            taken=tuple(taken),
            repeated=tuple(repeated),
            contradicting=tuple(contradicting),
            unknown=tuple(unknown),
        )

    def of_period(self, first_day: date, last_day: date) -> list[Delivery]:
        """All revisions of a period, by usage point and revision."""
        query = select(_kept).where(
            _kept.c.first_day == first_day.isoformat(), _kept.c.last_day == last_day.isoformat()
        )
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(_kept.c.usage_point, _kept.c.revision)).mappings()
            return [_delivery(row) for row in rows]

    def of_usage_point(self, usage_point: str, limit: int = 100) -> list[Delivery]:
        """Deliveries of one usage point, the newest period and revision first."""
        query = select(_kept).where(_kept.c.usage_point == usage_point)
        order = (_kept.c.last_day.desc(), _kept.c.first_day.desc(), _kept.c.revision.desc())
        with self._database.read() as connection:
            return [_delivery(row) for row in connection.execute(query.order_by(*order).limit(limit)).mappings()]

    def counts(self) -> dict[DeliveryState, int]:
        """How many stand in each state."""
        query = select(_kept.c.state, func.count()).group_by(_kept.c.state)
        with self._database.read() as connection:
            return {DeliveryState(state): int(count) for state, count in connection.execute(query)}


def key_of(statement: UsageStatement, revision: int) -> str:
    """The name of a delivery: usage point, days and revision."""
    return f"{statement.usage_point}/{statement.first_day}/{statement.last_day}/{revision}"


def _newest(
    connection: Connection, periods: Iterable[tuple[date, date]]
) -> dict[tuple[str, date, date], dict[str, Any]]:
    found: dict[tuple[str, date, date], dict[str, Any]] = {}
    for first_day, last_day in periods:
        query = select(_kept).where(
            _kept.c.first_day == first_day.isoformat(), _kept.c.last_day == last_day.isoformat()
        )
        for row in connection.execute(query.order_by(_kept.c.revision)).mappings():
            found[row["usage_point"], first_day, last_day] = dict(row)
    return found


def _stands(before: dict[str, Any], state: DeliveryState, held_because: str) -> bool:
    """Whether what was said before needs no other delivery now."""
    if before["state"] == DeliveryState.HELD.value:
        return state is DeliveryState.HELD and before["reason"] == held_because
    return state is DeliveryState.WAITING or before["state"] != DeliveryState.WAITING.value


def _told(statement: UsageStatement) -> str:
    """SHA-256 of what is said, whenever it was determined."""
    said = _content(replace(statement, determined_s=0))
    return hashlib.sha256(said.encode()).hexdigest()


def _content(statement: UsageStatement) -> str:
    values = asdict(statement)
    values["first_day"], values["last_day"] = statement.first_day.isoformat(), statement.last_day.isoformat()
    return json.dumps(values, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _statement(content: str) -> UsageStatement:
    values = json.loads(content)
    for name in ("first_day", "last_day"):
        values[name] = date.fromisoformat(values[name])
    return UsageStatement(**{**values, "meters": tuple(values["meters"]), "band_wh": tuple(values["band_wh"])})


def _row(
    statement: UsageStatement, sha256: str, revision: int, state: DeliveryState, reason: str, now_s: int
) -> dict[str, Any]:
    return {
        "key": key_of(statement, revision),
        "usage_point": statement.usage_point,
        "first_day": statement.first_day.isoformat(),
        "last_day": statement.last_day.isoformat(),
        "revision": revision,
        "content": _content(statement),
        "sha256": sha256,
        "state": state.value,
        "reason": reason,
        "attempts": 0,
        "next_try_s": now_s,
        "created_s": now_s,
    }


def _values(answer: Acknowledgement, now_s: int) -> dict[str, Any]:
    return {
        "state": (DeliveryState.ACKNOWLEDGED if answer.accepted else DeliveryState.REFUSED).value,
        "reason": answer.reason,
        "answered_s": now_s,
        "bill_reference": answer.bill_reference or None,
        "billed_wh": answer.billed_wh,
        "amount_paise": answer.amount_paise,
    }


def _says_the_same(row: RowMapping, answer: Acknowledgement) -> bool:
    values = _values(answer, 0)
    return all(row[name] == values[name] for name in ("bill_reference", "billed_wh", "amount_paise")) and (
        row["state"] in (values["state"], DeliveryState.SUPERSEDED.value)
    )


def _delivery(row: RowMapping | dict[str, Any]) -> Delivery:
    names = ("key", "revision", "reason", "attempts", "created_s", "tried_s", "answered_s", "bill_reference")
    return Delivery(
        statement=_statement(row["content"]),
        state=DeliveryState(row["state"]),
        billed_wh=row["billed_wh"],
        amount_paise=row["amount_paise"],
        **{name: row[name] for name in names},
    )
