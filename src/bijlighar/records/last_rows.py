"""The newest row of every meter, kept in memory and brought up to date from what has landed since."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.period import Period
from bijlighar.cim.readings import MISSING
from bijlighar.records.batches import nothing, with_period
from bijlighar.records.manifest import Manifest, Pin
from bijlighar.records.newest import joined, newest
from bijlighar.records.pinned import read_pinned
from bijlighar.records.segment import Segment
from bijlighar.records.segment_reader import Columns, SegmentReader

LOOKBACK_S = 40 * 86_400
"""Meters keep 35 days of block loads (IS 15959), so an older last row would be history and not a state."""

_FAR_S = 2**40


class LastRows:
    """The state for one kind. Raises as the reading of any segment does, and then stays as it was.

    ``now`` gives epoch seconds: a row from the future shall not hide the others.
    """

    def __init__(
        self,
        kind: ProfileKind,
        manifest: Manifest,
        reader: SegmentReader,
        *,
        examine: Callable[[str], bool],
        now: Callable[[], float],
    ) -> None:
        self._kind = kind
        self._manifest = manifest
        self._reader = reader
        self._examine = examine
        self._now = now
        self._lock = threading.Lock()
        self._generation: int | None = None
        self._columns: Columns = nothing()

    def columns(self) -> Columns:
        """The newest row of every meter, by meter."""
        with self._lock:
            self._catch_up()
            return {name: column.copy() for name, column in self._columns.items()}

    def _catch_up(self) -> None:
        generation = 0
        reached = _Reached(self._columns)

        def pin() -> Pin:
            nonlocal generation, reached
            if self._generation is None:
                pinned = self._first_pin()
            else:
                pinned = self._manifest.pin(self._kind.value, after_generation=self._generation)
            generation, reached = pinned.generation, _Reached(self._columns)
            latest_first = sorted(pinned.segments, key=lambda segment: -segment.start_max_s)
            return Pin(generation=generation, segments=tuple(latest_first))

        def read(segment: Segment) -> tuple[int, Columns]:
            if reached.is_past(segment):
                return segment.landing_order, nothing()
            rows = _last_of_each_meter(with_period(self._reader.columns(segment), segment.period_s))
            reached.note(rows)
            return segment.landing_order, rows

        parts = sorted(read_pinned(pin, read, self._examine), key=lambda part: part[0])
        fresh = [columns for _, columns in parts if len(columns["meter_id"])]
        if fresh:
            self._columns = _last_of_each_meter(joined([self._columns, *fresh]))
        self._generation = generation

    def _first_pin(self) -> Pin:
        latest_s = min(self._manifest.latest_start_s(self._kind.value), int(self._now()))
        lookback = Period(start_s=latest_s - LOOKBACK_S, end_s=_FAR_S)
        return self._manifest.pin(self._kind.value, period=lookback)


class _Reached:
    """The last start seen of each meter: a segment that ends before it for all its meters need not be read."""

    def __init__(self, columns: Columns) -> None:
        self._start_s = np.empty(0, dtype=np.int64)
        self.note(columns)

    def note(self, columns: Columns) -> None:
        """Take in the last row of some meters."""
        meter_id = columns["meter_id"]
        if not len(meter_id):
            return
        missing = int(meter_id.max()) + 1 - len(self._start_s)
        if missing > 0:
            self._start_s = np.append(self._start_s, np.full(missing, MISSING))
        np.maximum.at(self._start_s, meter_id, columns["start_s"])

    def is_past(self, segment: Segment) -> bool:
        """True when every meter number of the segment's range was seen after the segment's last start."""
        if segment.meter_max >= len(self._start_s):
            return False
        return bool((self._start_s[segment.meter_min : segment.meter_max + 1] > segment.start_max_s).all())


def _last_of_each_meter(columns: Columns) -> Columns:
    """The row with the last start of each meter, of those the newest received."""
    if not len(columns["meter_id"]):
        return columns
    rows = newest(columns, ("meter_id", "start_s"))
    meter_id = rows["meter_id"]
    last = np.append(meter_id[1:] != meter_id[:-1], True)
    return {name: column[last] for name, column in rows.items()}
