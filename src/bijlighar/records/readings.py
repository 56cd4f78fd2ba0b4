"""Questions about kept readings. Files come from the manifest's pinned list, never from a listing of folders.

Of several rows for one meter and start the newest received wins; older ones stay in the files.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.contacts import Contact
from bijlighar.cim.period import Period, civil_day
from bijlighar.cim.readings import ReadingBatch
from bijlighar.records.batches import batch_of, nothing, with_period
from bijlighar.records.contacts import ContactColumns, ContactRows
from bijlighar.records.last_rows import LastRows
from bijlighar.records.manifest import Manifest, Pin
from bijlighar.records.newest import chosen, joined, key_columns, newest
from bijlighar.records.pinned import read_pinned
from bijlighar.records.quarantine import Quarantined, QuarantinedRows
from bijlighar.records.segment import Segment
from bijlighar.records.segment_reader import Columns, SegmentReader


@dataclass(frozen=True, slots=True, kw_only=True)
class DayCounts:
    """Kept rows per meter and civil day: ``meter_id`` int32[n], ``day`` civil days, ``rows`` int64[meter, day]."""

    meter_id: NDArray[np.int32]
    days: tuple[date, ...]
    rows: NDArray[np.int64]


class Readings:
    """Reads what was landed. Usable from many threads."""

    def __init__(
        self,
        manifest: Manifest,
        reader: SegmentReader,
        *,
        examine: Callable[[str], bool],
        now: Callable[[], float],
        zone: ZoneInfo,
    ) -> None:
        self._manifest = manifest
        self._reader = reader
        self._examine = examine
        self._now = now
        self._zone = zone
        self._last: dict[ProfileKind, LastRows] = {}
        self._quarantine = QuarantinedRows(manifest, reader, examine)
        self._contacts = ContactRows(manifest, reader, examine)

    def rows(
        self,
        kind: ProfileKind,
        meter_id: int,
        period: Period,
        channels: Sequence[str] | None = None,
        *,
        period_s: int | None = None,
    ) -> ReadingBatch:
        """One meter's rows in ``period``, by start. Raises MixedPeriods, SegmentDamaged, Unavailable."""
        return self.table(kind, [meter_id], period, channels, period_s=period_s)

    def table(
        self,
        kind: ProfileKind,
        meter_ids: Sequence[int] | None,
        period: Period,
        channels: Sequence[str] | None = None,
        *,
        period_s: int | None = None,
        generation: int | None = None,
    ) -> ReadingBatch:
        """Rows of many meters (None: all) that start in ``period``, by meter and start.

        ``channels`` None: all that were kept; a named channel that nobody gave is a column of MISSING.
        ``period_s`` picks one block length, ``generation`` an older state of the manifest. Raises as ``rows``.
        """
        found = self._gather(kind, meter_ids, period, channels, generation)
        return batch_of(kind, found, channels, period_s)

    def held(
        self, kind: ProfileKind, period: Period, meter_ids: Sequence[int] | None = None
    ) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """``(meter_id[row], start_s[row])`` of every kept row of ``kind`` that starts in ``period``, each once."""
        found = self._gather(kind, meter_ids, period, (), None)
        return found["meter_id"].astype(np.int32), found["start_s"]

    def last(self, kind: ProfileKind, *, period_s: int | None = None) -> ReadingBatch:
        """The newest row of every meter, by meter. Raises as ``rows``.

        The first call reads the newest days (``last_rows.LOOKBACK_S``), later calls only what has landed since.
        """
        state = self._last.get(kind)
        if state is None:
            fresh = LastRows(kind, self._manifest, self._reader, examine=self._examine, now=self._now)
            state = self._last.setdefault(kind, fresh)
        return batch_of(kind, state.columns(), None, period_s)

    def counts(self, kind: ProfileKind, first: date, last: date) -> DayCounts:
        """Kept rows per meter and civil day, both days included. Raises ValueError when ``last`` lies before."""
        if last < first:
            raise ValueError(f"{last} lies before {first}")
        days = tuple(date.fromordinal(number) for number in range(first.toordinal(), last.toordinal() + 1))
        starts_s = np.array([civil_day(day, self._zone).start_s for day in days])
        whole = Period(start_s=int(starts_s[0]), end_s=civil_day(last, self._zone).end_s)
        meter_id, start_s = self.held(kind, whole)
        meters, row = np.unique(meter_id, return_inverse=True)
        rows = np.zeros((len(meters), len(days)), dtype=np.int64)
        np.add.at(rows, (row, np.searchsorted(starts_s, start_s, side="right") - 1), 1)
        return DayCounts(meter_id=meters, days=days, rows=rows)

    def landed_on(self, day: date) -> dict[str, int]:
        """Rows landed on a civil day by kind, contacts under "contact"; from the manifest alone."""
        return self._manifest.landed_on(day)

    def quarantined(self, kind: ProfileKind, received: Period, meter_id: int | None = None) -> Quarantined:
        """Rows kept apart that were received in ``received``, by meter and receipt. Raises as ``contacts``."""
        return self._quarantine.rows(kind, received, meter_id)

    def contacts(self, period: Period, meter_id: int | None = None) -> list[Contact]:
        """Contacts that started in ``period``, by start. Raises SegmentDamaged, Unavailable."""
        return self._contacts.contacts(period, meter_id)

    def contact_columns(self, period: Period, meter_id: int | None = None) -> ContactColumns:
        """The same in columns. Raises SegmentDamaged, Unavailable."""
        return self._contacts.columns(period, meter_id)

    def pin(self, kind: ProfileKind, period: Period | None = None, generation: int | None = None) -> Pin:
        """The list of segments that a longer job reads, under its generation."""
        return self._manifest.pin(kind.value, period=period, generation=generation)

    def _gather(
        self,
        kind: ProfileKind,
        meter_ids: Sequence[int] | None,
        period: Period,
        channels: Sequence[str] | None,
        generation: int | None,
    ) -> Columns:
        wanted = None if meter_ids is None else np.unique(np.asarray(meter_ids, dtype=np.int64))
        if wanted is not None and len(wanted) == 0:
            return nothing()
        meters = None if wanted is None else (int(wanted[0]), int(wanted[-1]))
        keys = key_columns(kind)
        names = None if channels is None else list(dict.fromkeys((*keys[2:], *channels)))

        def read(segment: Segment) -> Columns:
            columns = self._reader.columns(segment, period=period, meters=meters, channels=names)
            return with_period(chosen(columns, period=period, meter_ids=wanted), segment.period_s)

        def pin() -> Pin:
            return self._manifest.pin(kind.value, period=period, meters=meters, generation=generation)

        parts = [part for part in read_pinned(pin, read, self._examine) if len(part["meter_id"])]
        return newest(joined(parts), keys) if parts else nothing()
