"""Many small segments of a landing day become one, through the manifest.

The new segment and the retirement of the old ones are one transaction, so a reader sees either. No row is lost
and no version of a row; only rows that are the same in every column are kept once. Files of retired segments stay
for a while for readers that pinned an older list.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from itertools import groupby
from pathlib import Path

import numpy as np
import pyarrow as pa
from sqlalchemy import delete, select

from bijlighar.records import tables
from bijlighar.records.arrow_columns import comparable, differs_from_row_before
from bijlighar.records.database import Database
from bijlighar.records.landing import Landing
from bijlighar.records.manifest import Manifest
from bijlighar.records.segment import Segment, SegmentDamaged
from bijlighar.records.segment_reader import SegmentReader

SMALL_SEGMENT_ROWS = 1_000_000
"""A segment of this size gains nothing from merging."""

MERGED_ROWS = 4_000_000
"""Rows merged at once: about 400 MB with 12 columns, the most that one process shall need for it."""

DUE_SEGMENTS = 64
"""A day is worth merging when a query may have to open this many files (about 20 ms)."""

PIN_GRACE_S = 3_600
"""Files of retired segments stay this long; a job that pins a list for longer pins its own copy."""

_kept = tables.segments


class Compaction:
    """Merges segments. ``wall`` gives epoch seconds of the wall clock, by which retired files age."""

    def __init__(
        self,
        database: Database,
        manifest: Manifest,
        reader: SegmentReader,
        landing: Landing,
        *,
        root: Path,
        examine: Callable[[str], bool],
        wall: Callable[[], float],
    ) -> None:
        self._database = database
        self._manifest = manifest
        self._reader = reader
        self._landing = landing
        self._root = root
        self._examine = examine
        self._wall = wall

    def due(self) -> list[tuple[str, date]]:
        """Kinds and landing days that are worth merging, oldest first.

        Days that are over, and the newest one when it has many segments.
        """
        return self._manifest.crowded(DUE_SEGMENTS)

    def tend(self) -> int:
        """Merge what is due and sweep; returns how many segments were merged away. Cheap when nothing is due.

        For a thread of one process, every minute. Raises SegmentDamaged (and marks it, so that the
        next call goes on), Unavailable.
        """
        merged = sum(self.compact_day(kind, day) for kind, day in self.due())
        self.sweep()
        return merged

    def compact_day(self, kind: str, day: date) -> int:
        """Merge the small segments of one landing day; returns how many were merged away.

        Safe beside landing, reading and another compaction. Raises SegmentDamaged, Unavailable.
        """
        merged = 0
        small = [s for s in self._manifest.pin_day(kind, day).segments if s.rows < SMALL_SEGMENT_ROWS]
        for _, group in groupby(sorted(small, key=lambda s: s.period_s), key=lambda s: s.period_s):
            for part in _parts(list(group)):
                merged += self._merge(part, day)
        return merged

    def sweep(self) -> int:
        """Remove the files of segments retired more than an hour ago; returns how many."""
        old = (_kept.c.retired_s.is_not(None)) & (_kept.c.retired_s < int(self._wall()) - PIN_GRACE_S)
        with self._database.read() as connection:
            files = list(connection.execute(select(_kept.c.file).where(old)).scalars())
        for file in files:  # the file first: a file without a row would be adopted as an orphan
            (self._root / file).unlink(missing_ok=True)
            with self._database.write() as connection:
                connection.execute(delete(_kept).where(_kept.c.file == file))
        return len(files)

    def _merge(self, segments: Sequence[Segment], day: date) -> int:
        if len(segments) < 2:
            return 0
        ordered = sorted(segments, key=lambda s: (s.landing_order, s.segment_id))
        try:
            table = merged_table([self._reader.table(segment) for segment in ordered])
        except SegmentDamaged as fault:
            self._examine(fault.file)
            raise
        new = self._landing.write(table, day, landing_order=ordered[-1].landing_order)
        if not self._manifest.replace(ordered, new, now_s=int(self._wall())):
            (self._root / new.file).unlink(missing_ok=True)  # another compaction was quicker
            return 0
        return len(ordered)


def _parts(segments: list[Segment]) -> list[list[Segment]]:
    """The segments in groups of at most MERGED_ROWS rows."""
    parts: list[list[Segment]] = []
    rows = MERGED_ROWS
    for segment in sorted(segments, key=lambda s: s.rows):
        if rows + segment.rows > MERGED_ROWS:
            parts.append([])
            rows = 0
        parts[-1].append(segment)
        rows += segment.rows
    return parts


def merged_table(tables_in_order: Sequence[pa.Table]) -> pa.Table:
    """All rows by meter, start and receipt, later tables after earlier ones, equal neighbours once."""
    whole = pa.concat_tables(tables_in_order, promote_options="default")
    keys = [name for name in ("meter_id", "start_s", "started_ms", "received_s") if name in whole.schema.names]
    order = np.lexsort([comparable(whole[name]) for name in reversed(keys)])  # stable
    whole = whole.take(order)
    fresh = differs_from_row_before(whole, whole.schema.names)
    return whole.filter(pa.array(fresh)).replace_schema_metadata(tables_in_order[0].schema.metadata)
