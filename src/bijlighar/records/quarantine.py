"""Rows whose time cannot be true, kept apart from readings so that an engineer can look at them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.period import Period
from bijlighar.records.arrow_columns import differs_from_row_before, integers, words
from bijlighar.records.manifest import Manifest, Pin
from bijlighar.records.pinned import read_pinned
from bijlighar.records.segment import KEY_COLUMNS, QUARANTINE, Segment
from bijlighar.records.segment_reader import SegmentReader


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """Rows kept apart, in columns: ``start_s`` as the meter told it, MISSING for none; ``reason`` object (str)."""

    meter_id: NDArray[np.int32]
    start_s: NDArray[np.int64]
    received_s: NDArray[np.int64]
    reason: NDArray[np.object_]
    channels: dict[str, NDArray[np.int64]]

    def __len__(self) -> int:
        return len(self.meter_id)


class QuarantinedRows:
    """Reads segments of rows kept apart."""

    def __init__(self, manifest: Manifest, reader: SegmentReader, examine: Callable[[str], bool]) -> None:
        self._manifest = manifest
        self._reader = reader
        self._examine = examine

    def rows(self, kind: ProfileKind, received: Period, meter_id: int | None) -> Quarantined:
        """See ``Readings.quarantined``."""
        meters = None if meter_id is None else (meter_id, meter_id)

        def pin() -> Pin:
            return self._manifest.pin(QUARANTINE + kind.value, period=received, meters=meters)

        def read(segment: Segment) -> pa.Table:
            table = self._reader.table(segment)
            received_s = integers(table["received_s"])
            keep = (received_s >= received.start_s) & (received_s < received.end_s)
            if meter_id is not None:
                keep &= integers(table["meter_id"]) == meter_id
            return table.filter(pa.array(keep))

        parts = read_pinned(pin, read, self._examine)
        if not parts:
            return _NONE
        return _in_columns(pa.concat_tables(parts, promote_options="default"))


def _in_columns(table: pa.Table) -> Quarantined:
    names = table.schema.names
    table = table.sort_by([(name, "ascending") for name in ("meter_id", "received_s", "start_s", *names[3:])])
    table = table.filter(pa.array(differs_from_row_before(table, names)))
    return Quarantined(
        meter_id=integers(table["meter_id"]).astype(np.int32),
        start_s=integers(table["start_s"]),
        received_s=integers(table["received_s"]),
        reason=words(table["reason"]),
        channels={name: integers(table[name]) for name in names if name not in (*KEY_COLUMNS, "reason")},
    )


_NONE = Quarantined(
    meter_id=np.empty(0, dtype=np.int32),
    start_s=np.empty(0, dtype=np.int64),
    received_s=np.empty(0, dtype=np.int64),
    reason=np.empty(0, dtype=object),
    channels={},
)
