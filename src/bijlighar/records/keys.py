"""Sealed keys by meter. Records never see the master key: what is kept was sealed by ``headend.keys``."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import exc, select

from bijlighar.cim.exchange import SealedKeys
from bijlighar.records import tables
from bijlighar.records.counters import UnknownMeter
from bijlighar.records.database import Database, next_number, upsert

NAMED_AT_ONCE = 500
"""Meters named in one statement; SQLite was long limited to 999 variables."""


class KeyBox:
    """Sealed keys, newest wins. ``now`` gives epoch seconds."""

    def __init__(self, database: Database, now: Callable[[], float]) -> None:
        self._database = database
        self._now = now

    def sealed_keys(self, meter_ids: Sequence[int] | None = None) -> list[SealedKeys]:
        """The sealed keys of the named meters, or of all, by meter. Meters without keys are absent."""
        kept = tables.sealed_keys
        query = select(kept.c.meter_id, kept.c.sealed).order_by(kept.c.meter_id)
        with self._database.read() as connection:
            if meter_ids is None:
                rows = list(connection.execute(query))
            else:
                rows = []
                for first in range(0, len(meter_ids), NAMED_AT_ONCE):
                    named = [int(meter_id) for meter_id in meter_ids[first : first + NAMED_AT_ONCE]]
                    rows += connection.execute(query.where(kept.c.meter_id.in_(named)))
        return [SealedKeys(meter_id=row.meter_id, sealed=row.sealed) for row in rows]

    def put_sealed_keys(self, keys: Sequence[SealedKeys]) -> None:
        """Keep keys; newest wins; the registry's version grows. Raises UnknownMeter, Unavailable."""
        kept_s = int(self._now())
        rows = [{"meter_id": key.meter_id, "sealed": key.sealed, "kept_s": kept_s} for key in keys]
        if not rows:
            return
        try:
            with self._database.write() as connection:
                next_number(connection, "registry")
                upsert(connection, tables.sealed_keys, rows)
        except exc.IntegrityError as refusal:
            raise UnknownMeter(", ".join(str(key.meter_id) for key in keys[:10])) from refusal
