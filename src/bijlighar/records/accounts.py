"""Accounts of usage points as the billing server told them. Changes are only added, and what holds is dated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from typing import Any

from sqlalchemy import Connection, RowMapping, func, insert, select

from bijlighar.cim.accounts import Account, AccountChange, AccountStatus, account_on
from bijlighar.cim.network import UsagePointKind
from bijlighar.records import tables
from bijlighar.records.billing_tables import account_changes as _kept
from bijlighar.records.database import Database

_NAMES = tuple(AccountChange.__dataclass_fields__)
_STEP = 500
"""Codes of one question: SQLite binds 32,766 values at most."""


class Accounts:
    """Tells what holds; what comes in is taken by the inbox of the link."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def changes(self, last: date, usage_points: Sequence[str] | None = None) -> dict[str, list[AccountChange]]:
        """Changes that hold from ``last`` or earlier on, by usage point, in the order in which they came."""
        query = select(_kept).where(_kept.c.valid_from <= last.isoformat()).order_by(_kept.c.number)
        if usage_points is not None and len(usage_points) <= _STEP:
            query = query.where(_kept.c.usage_point.in_(usage_points))
        wanted = None if usage_points is None else set(usage_points)
        found: dict[str, list[AccountChange]] = {}
        with self._database.read() as connection:
            for row in connection.execute(query).mappings():
                if wanted is None or row["usage_point"] in wanted:
                    found.setdefault(row["usage_point"], []).append(_change(row))
        return found

    def on(self, day: date, usage_points: Sequence[str] | None = None) -> dict[str, Account]:
        """What holds on a day, by usage point; of whom nothing was told there is none. Raises Unavailable."""
        found = {code: account_on(changes, day) for code, changes in self.changes(day, usage_points).items()}
        return {code: account for code, account in found.items() if account is not None}

    def history(self, usage_point: str) -> list[AccountChange]:
        """Every change of one usage point, the newest first."""
        query = select(_kept).where(_kept.c.usage_point == usage_point)
        order = (_kept.c.valid_from.desc(), _kept.c.as_of_s.desc(), _kept.c.number.desc())
        with self._database.read() as connection:
            return [_change(row) for row in connection.execute(query.order_by(*order)).mappings()]

    def count(self) -> int:
        """Of how many usage points anything was told."""
        with self._database.read() as connection:
            told = select(func.count(_kept.c.usage_point.distinct()))
            return int(connection.execute(told).scalar_one())


def consumers_among(connection: Connection) -> set[str]:
    """Codes of the usage points that are billed at all."""
    point = tables.usage_points.c
    query = select(point.code).where(point.kind == UsagePointKind.CONSUMER.value)
    return set(connection.execute(query).scalars())


def add_changes(
    connection: Connection, changes: Sequence[AccountChange], *, message_id: str, received_s: int
) -> None:
    """Add changes in the transaction of their message; what was said before in the same words is not added."""
    codes = list(dict.fromkeys(each.usage_point for each in changes))
    known: set[AccountChange] = set()
    for first in range(0, len(codes), _STEP):
        query = select(_kept).where(_kept.c.usage_point.in_(codes[first : first + _STEP]))
        known.update(_change(row) for row in connection.execute(query).mappings())
    fresh = [each for each in dict.fromkeys(changes) if each not in known]
    if fresh:
        connection.execute(insert(_kept), [_row(each, message_id, received_s) for each in fresh])


def _row(change: AccountChange, message_id: str, received_s: int) -> dict[str, Any]:
    return {
        **asdict(change),
        "valid_from": change.valid_from.isoformat(),
        "status": None if change.status is None else change.status.value,
        "message_id": message_id,
        "received_s": received_s,
    }


def _change(row: RowMapping) -> AccountChange:
    told = {name: row[name] for name in _NAMES}
    told["valid_from"] = date.fromisoformat(told["valid_from"])
    told["status"] = None if told["status"] is None else AccountStatus(told["status"])
    return AccountChange(**told)
