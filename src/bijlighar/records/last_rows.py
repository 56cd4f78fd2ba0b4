"""The newest row of every meter, kept in memory and brought up to date from what has landed since."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.period import Period
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
            return dict(self._columns)

    def _catch_up(self) -> None:
        newest_generation = 0

        def pin() -> Pin:
            nonlocal newest_generation
            if self._generation is None:
                pinned = self._first_pin()
            else:
                pinned = self._manifest.pin(self._kind.value, after_generation=self._generation)
            newest_generation = pinned.generation
            return pinned

        parts = [self._columns, *read_pinned(pin, self._read, self._examine)]
        if len(parts) > 1:
            rows = joined([part for part in parts if len(part["meter_id"])] or parts[:1])
            self._columns = _last_of_each_meter(rows)
        self._generation = newest_generation

    def _first_pin(self) -> Pin:
        latest_s = min(self._manifest.latest_start_s(self._kind.value), int(self._now()))
        lookback = Period(start_s=latest_s - LOOKBACK_S, end_s=_FAR_S)
        return self._manifest.pin(self._kind.value, period=lookback)

    def _read(self, segment: Segment) -> Columns:
        return _last_of_each_meter(with_period(self._reader.columns(segment), segment.period_s))


def _last_of_each_meter(columns: Columns) -> Columns:
    """The row with the last start of each meter, of those the newest received."""
    if not len(columns["meter_id"]):
        return columns
    rows = newest(columns, ("meter_id", "start_s"))
    meter_id = rows["meter_id"]
    last = np.append(meter_id[1:] != meter_id[:-1], True)
    return {name: column[last] for name, column in rows.items()}
