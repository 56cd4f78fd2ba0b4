"""Durable invocation counters: a number handed out is never handed out again (IEC 62056-5-3).

A meter refuses a counter it has seen, and a repeated counter under one key breaks AES-GCM, so the reservation is
committed before the first number is used. Numbers that were reserved and not used are lost, which is harmless.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, case, exc
from sqlalchemy.dialects import postgresql, sqlite

from bijlighar.cim.exchange import CounterWish
from bijlighar.records import tables
from bijlighar.records.database import Database

COUNTER_LIMIT = 2**32
"""The invocation counter is 32 bits on the wire; past it the keys must be changed."""


class CountersExhausted(Exception):
    """No counters are left under the meter's present keys; change its keys."""

    def __init__(self, *, meter_id: int, client_address: int) -> None:
        super().__init__(
            f"meter {meter_id}, client {client_address}: invocation counters are used up; change the keys"
        )
        self.meter_id = meter_id
        self.client_address = client_address


class UnknownMeter(Exception):
    """The registry holds no such meter."""

    def __init__(self, meter: int | str) -> None:
        super().__init__(f"meter {meter} is not in the registry")
        self.meter = meter


class Counters:
    """Counters by meter and client address. Safe between threads, processes and hosts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def reserve(self, meter_id: int, client_address: int, count: int, at_least: int = 0) -> int:
        """The first of ``count`` fresh numbers, >= ``at_least``; durable before return.

        Raises CountersExhausted, UnknownMeter, Unavailable, and ValueError for a ``count`` below 1.
        """
        if count < 1 or at_least < 0:
            raise ValueError(f"cannot reserve {count} counters from {at_least}")
        try:
            with self._database.write() as connection:
                after = int(
                    connection.execute(self._statement(meter_id, client_address, count, at_least)).scalar_one()
                )
                if after > COUNTER_LIMIT:
                    raise CountersExhausted(meter_id=meter_id, client_address=client_address)
        except exc.IntegrityError as refusal:
            raise UnknownMeter(meter_id) from refusal
        return after - count

    def _statement(self, meter_id: int, client_address: int, count: int, at_least: int) -> Any:  # noqa: ANN401
        """One statement, so that two reservations cannot read the same number. Two dialects, one shape."""
        make = sqlite.insert if self._database.is_sqlite else postgresql.insert
        row = tables.counters
        fresh = {"meter_id": meter_id, "client_address": client_address, "next": at_least + count}
        first = case((row.c.next > at_least, row.c.next), else_=at_least)
        return (
            make(row)
            .values(fresh)
            .on_conflict_do_update(index_elements=["meter_id", "client_address"], set_={"next": first + count})
            .returning(row.c.next)
        )

    def advance_all(self, by: int) -> None:
        """Move every counter on: after a restore, numbers used since the backup must not come again."""
        if by < 0:
            raise ValueError("a counter never goes back")
        row = tables.counters
        with self._database.write() as connection:
            connection.execute(row.update().values(next=row.c.next + by))


def reserve_many(connection: Connection, wishes: Sequence[CounterWish], count: int) -> dict[tuple[int, int], int]:
    """``count`` numbers for every wish, inside a writing transaction: (meter, client) → the first of them.

    A counter that has too few numbers left stays as it is and is absent from the answer.
    """
    row = tables.counters
    make = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    statement = make(row)
    least = statement.excluded.next - count
    after = case((row.c.next > least, row.c.next), else_=least) + count
    columns = (row.c.meter_id, row.c.client_address, row.c.next)
    reserving = statement.on_conflict_do_update(
        index_elements=["meter_id", "client_address"], set_={"next": after}, where=after <= COUNTER_LIMIT
    ).returning(*columns)
    rows = [
        {"meter_id": wish.meter_id, "client_address": wish.client_address, "next": wish.at_least + count}
        for wish in wishes
        if wish.at_least + count <= COUNTER_LIMIT
    ]
    if not rows:
        return {}
    return {(meter, client): after - count for meter, client, after in connection.execute(reserving, rows)}
