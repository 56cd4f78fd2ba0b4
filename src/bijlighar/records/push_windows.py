"""What is kept of pushes besides their rows: accepted counters by sender and key, and what was refused.

A window is written in the transaction that makes the rows of its pushes durable (``landing``), never by itself: so
a crash cannot leave a row whose counter may be used again, nor a counter that is used up without its row.
Greetings of meters that dial in carry no rows; their windows, under key ids of their own, are written when they
are judged. What is refused is evidence, and only ever added.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import Connection, bindparam, insert, select, update

from bijlighar.cim.exchange import PushWindow, RefusedPush
from bijlighar.cim.period import Period
from bijlighar.records import tables
from bijlighar.records.database import Database, upsert, upsert_new

_WINDOW = ("system_title", "key_id", "highest", "window")
_REFUSED = ("received_s", "reason", "system_title", "meter_id", "counter", "peer", "octets")


def put_windows(connection: Connection, windows: Sequence[PushWindow]) -> None:
    """Keep windows inside a writing transaction; the later state of a sender and key stands."""
    upsert(connection, tables.push_windows, [asdict(window) for window in windows])


class PushRecords:
    """Reads windows, keeps and reads what was refused. Usable from many threads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def windows(self) -> list[PushWindow]:
        """Every window. Raises Unavailable."""
        row = tables.push_windows
        with self._database.read() as connection:
            rows = connection.execute(select(*(row.c[name] for name in _WINDOW))).all()
        return [
            PushWindow(system_title=title, key_id=key_id, highest=highest, window=window)
            for title, key_id, highest, window in rows
        ]

    def admit(self, greetings: Sequence[PushWindow]) -> list[bool]:
        """Keep each window whose ``highest`` is above what is kept, in order; whether it was. Raises Unavailable.

        Durable before return. Judged and kept in one transaction, so that of several head-ends that hear the same
        greeting one alone admits it.
        """
        row = tables.push_windows
        raised = (
            update(row)
            .where(row.c.system_title == bindparam("title"), row.c.key_id == bindparam("key"))
            .where(row.c.highest < bindparam("counter"))
            .values(highest=bindparam("counter"), window=bindparam("octets"))
        )
        admitted = []
        with self._database.write() as connection:
            for window in greetings:
                named = {"title": window.system_title, "key": window.key_id}
                value = {"counter": window.highest, "octets": window.window}
                higher = connection.execute(raised, named | value).rowcount > 0
                admitted.append(higher or upsert_new(connection, row, asdict(window)))
        return admitted

    def keep_refused(self, refused: Sequence[RefusedPush]) -> None:
        """Keep pushes that were not accepted; durable before return. Raises Unavailable."""
        if refused:
            with self._database.write() as connection:
                connection.execute(insert(tables.refused_pushes), [asdict(push) for push in refused])

    def refused(self, received: Period) -> list[RefusedPush]:
        """What was refused in ``received``, in order. Raises Unavailable."""
        row = tables.refused_pushes
        inside = (row.c.received_s >= received.start_s) & (row.c.received_s < received.end_s)
        query = select(*(row.c[name] for name in _REFUSED)).where(inside).order_by(row.c.number)
        with self._database.read() as connection:
            rows = connection.execute(query).mappings().all()
        return [RefusedPush(**row) for row in rows]
