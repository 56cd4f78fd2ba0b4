"""What was done before a head-end began: which rows are kept, and when each meter was last read well.

Asked for hundreds of thousands of meters at a start, so it is told segment by segment and never sorted as a whole;
a row may be told twice. Segments are read newest first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from sqlalchemy import func, select

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.contacts import Outcome
from bijlighar.cim.period import Period
from bijlighar.records import tables
from bijlighar.records.arrow_columns import integers
from bijlighar.records.database import Database
from bijlighar.records.manifest import Manifest
from bijlighar.records.newest import chosen
from bijlighar.records.pinned import read_pinned
from bijlighar.records.segment import CONTACT, Segment, SegmentDamaged
from bijlighar.records.segment_reader import Columns, SegmentReader

_FAR_S = 2**40
_TOLD = ("meter_id", "started_ms", "purpose", "outcome")


class Past:
    """Reads what was landed. Usable from many threads. Raises SegmentDamaged and Unavailable."""

    def __init__(
        self, database: Database, manifest: Manifest, reader: SegmentReader, examine: Callable[[str], bool]
    ) -> None:
        self._database = database
        self._manifest = manifest
        self._reader = reader
        self._examine = examine

    def firmware(self) -> dict[int, str]:
        """The firmware on each meter's newest nameplate; meters without one are absent."""
        plates = tables.nameplates
        newest = select(func.max(plates.c.number)).group_by(plates.c.meter_id)
        query = select(plates.c.meter_id, plates.c.firmware).where(plates.c.number.in_(newest))
        with self._database.read() as connection:
            return {row.meter_id: row.firmware for row in connection.execute(query)}

    def held_parts(
        self, kind: ProfileKind, period: Period, meter_ids: NDArray[np.int32] | None = None
    ) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int64]]]:
        """``(meter_id[row], start_s[row])`` of kept rows that start in ``period``, of some meters or all."""
        wanted = None if meter_ids is None else np.unique(meter_ids.astype(np.int64))
        if wanted is not None and len(wanted) == 0:
            return
        meters = None if wanted is None else (int(wanted[0]), int(wanted[-1]))

        def read(segment: Segment) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
            columns: Columns = self._reader.columns(segment, period=period, meters=meters, channels=())
            columns = chosen(columns, period=period, meter_ids=wanted)
            return columns["meter_id"].astype(np.int32), columns["start_s"]

        for last_try in (False, True):
            pinned = self._manifest.pin(kind.value, period=period, meters=meters)
            try:
                for segment in pinned.segments:
                    yield read(segment)
            except SegmentDamaged as fault:  # a compaction may have taken it away: told once more from the start
                if last_try:
                    self._examine(fault.file)
                    raise
            else:
                return

    def last_successes(self, since_s: int) -> Iterator[tuple[str, NDArray[np.int64], NDArray[np.float64]]]:
        """``(purpose, meter_id[row], started_s[row])``: each meter's newest successful contact of each purpose.

        Of those that started at ``since_s`` or later.
        """
        period = Period(start_s=since_s, end_s=_FAR_S)

        def read(segment: Segment) -> pa.Table:
            return _newest(self._reader.contacts(segment, period, None, _TOLD).select(_TOLD), since_s)

        parts = read_pinned(lambda: self._manifest.pin(CONTACT, period=period), read, self._examine)
        if not parts:
            return
        table = pa.concat_tables(parts)
        for purpose in sorted({str(word) for word in table["purpose"].unique().to_pylist()}):
            rows = table.filter(pc.field("purpose") == purpose)
            yield purpose, integers(rows["meter_id"]), integers(rows["started_ms_max"]) / 1000.0


def _newest(table: pa.Table, since_s: int) -> pa.Table:
    """The newest good contact of each meter and purpose."""
    good = (pc.field("outcome") == Outcome.OK.value) & (pc.field("started_ms") >= since_s * 1000)
    rows = table.filter(good).select(["meter_id", "purpose", "started_ms"])
    purpose = rows["purpose"].cast(pa.string())
    return (
        rows.set_column(1, "purpose", purpose).group_by(["meter_id", "purpose"]).aggregate([("started_ms", "max")])
    )
