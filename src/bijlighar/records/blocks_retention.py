"""How long readings are kept: what is older counts no more, and its files go an hour later.

Nothing stops meanwhile: whoever pinned an older list reads on, and a killed process leaves files that the next
sweep removes. Retiring is one short transaction a kind, because the manifest names files and not readings.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from zoneinfo import ZoneInfo

from sqlalchemy import update

from bijlighar.cim.period import KOLKATA, civil_day
from bijlighar.records import tables
from bijlighar.records.blocks import Blocks
from bijlighar.records.blocks_manifest import ESTIMATES, RAW
from bijlighar.records.database import Database, next_number

_segments = tables.segments


class Retention:
    """Retires what is older than it has to be. ``wall`` ages the retired files."""

    def __init__(self, database: Database, blocks: Blocks, *, wall: Callable[[], float]) -> None:
        self._database = database
        self._blocks = blocks
        self._wall = wall

    def retire_segments(self, kind: str, before: date, zone: ZoneInfo = KOLKATA) -> int:
        """Segments of a kind of which every row starts before a civil day count no more; returns how many.

        Their files go with the sweep of the segments' compaction. Raises Unavailable.
        """
        old = (
            _segments.c.kind == kind,
            _segments.c.retired_generation.is_(None),
            _segments.c.start_max_s < civil_day(before, zone).start_s,
        )
        with self._database.write() as connection:
            generation = next_number(connection, "manifest")
            gone = update(_segments).where(*old)
            values = {"retired_generation": generation, "retired_s": int(self._wall())}
            return connection.execute(gone.values(values)).rowcount

    def retire_blocks(self, before: date) -> int:
        """Blocks and estimates whose last day lies before a civil day count no more; returns how many files."""
        return sum(self._blocks.expire(before, kind) for kind in (RAW, ESTIMATES))
