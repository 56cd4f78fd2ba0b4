"""Edits by people and what was billed: rows that are only added."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, insert, select

from bijlighar.cim.channels import CHANNELS
from bijlighar.cim.period import Period
from bijlighar.mdm.measurements import Bill, Edit
from bijlighar.records.blocks_tables import bills, edits
from bijlighar.records.database import Database

_NAMES = tuple(Edit.__dataclass_fields__)


class Edits:
    """Adds and reads edits and bills."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, edit: Edit) -> None:
        """Add one. Raises ValueError without a reason, a name, or a channel that is known; Unavailable."""
        if not edit.reason.strip() or not edit.made_by.strip():
            raise ValueError("an edit has a reason, and somebody who made it")
        if edit.channel not in CHANNELS:
            raise ValueError(f"unknown channel: {edit.channel}")
        with self._database.write() as connection:
            connection.execute(insert(edits).values({name: getattr(edit, name) for name in _NAMES}))

    def edits(self, period: Period, meter_id: int | None = None) -> list[Edit]:
        """Edits of slots that start in ``period``, in the order they were added: all versions."""
        columns = [edits.c[name] for name in _NAMES]
        query = select(*columns).where(edits.c.start_s >= period.start_s, edits.c.start_s < period.end_s)
        if meter_id is not None:
            query = query.where(edits.c.meter_id == meter_id)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(edits.c.number)).mappings().all()
        return [Edit(**row) for row in rows]

    def add_bills(self, billed: Sequence[Bill]) -> None:
        """Note what was billed. Raises ValueError for an empty period or reference, Unavailable."""
        with self._database.write() as connection:
            add_bills(connection, billed)

    def bills(self, period: Period, meter_id: int | None = None) -> list[Bill]:
        """Bills that touch ``period``, in the order they were added."""
        query = select(bills).where(bills.c.start_s < period.end_s, bills.c.end_s > period.start_s)
        if meter_id is not None:
            query = query.where(bills.c.meter_id == meter_id)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(bills.c.number)).mappings().all()
        return [
            Bill(
                meter_id=row["meter_id"],
                period=Period(start_s=row["start_s"], end_s=row["end_s"]),
                reference=row["reference"],
                billed_s=row["billed_s"],
            )
            for row in rows
        ]


def add_bills(connection: Connection, billed: Sequence[Bill]) -> None:
    """Note what was billed, in a transaction of others. Raises ValueError for an empty period or reference."""
    if any(not bill.reference or not bill.period.seconds for bill in billed):
        raise ValueError("a bill has a reference and a period")
    rows = [
        {
            "meter_id": bill.meter_id,
            "start_s": bill.period.start_s,
            "end_s": bill.period.end_s,
            "reference": bill.reference,
            "billed_s": bill.billed_s,
        }
        for bill in billed
    ]
    if rows:
        connection.execute(insert(bills), rows)
