"""Questions about kept contacts. A contact that was landed twice is told once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bijlighar.cim.contacts import Contact, Outcome
from bijlighar.cim.period import Period
from bijlighar.records.arrow_columns import differs_from_row_before, integers, words
from bijlighar.records.manifest import Manifest, Pin
from bijlighar.records.pinned import read_pinned
from bijlighar.records.segment import CONTACT, CONTACT_SCHEMA, Segment
from bijlighar.records.segment_reader import SegmentReader

_KEY = ["started_ms", "meter_id", "attempt", "purpose"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactColumns:
    """Contacts in columns by start; fields as in ``cim.contacts.Contact``, MISSING for None.

    meter_id int32, started_ms int64, purpose and outcome object (str), attempt int64, latency_ms,
    clock_offset_ms, signal_dbm, octets_sent, octets_received, rows int64
    """

    meter_id: NDArray[np.int32]
    started_ms: NDArray[np.int64]
    purpose: NDArray[np.object_]
    outcome: NDArray[np.object_]
    attempt: NDArray[np.int64]
    latency_ms: NDArray[np.int64]
    clock_offset_ms: NDArray[np.int64]
    signal_dbm: NDArray[np.int64]
    octets_sent: NDArray[np.int64]
    octets_received: NDArray[np.int64]
    rows: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.meter_id)


class ContactRows:
    """Reads contact segments."""

    def __init__(self, manifest: Manifest, reader: SegmentReader, examine: Callable[[str], bool]) -> None:
        self._manifest = manifest
        self._reader = reader
        self._examine = examine

    def contacts(self, period: Period, meter_id: int | None = None) -> list[Contact]:
        """Contacts that started in ``period``, by start."""
        rows = self._table(period, meter_id).to_pylist()
        return [Contact(**{**row, "outcome": Outcome(row["outcome"])}) for row in rows]

    def columns(self, period: Period, meter_id: int | None = None) -> ContactColumns:
        """The same in columns."""
        table = self._table(period, meter_id)
        columns: dict[str, Any] = {}
        for name in ContactColumns.__dataclass_fields__:
            columns[name] = words(table[name]) if name in ("purpose", "outcome") else integers(table[name])
        columns["meter_id"] = columns["meter_id"].astype(np.int32)
        return ContactColumns(**columns)

    def _table(self, period: Period, meter_id: int | None) -> pa.Table:
        meters = None if meter_id is None else (meter_id, meter_id)

        def pin() -> Pin:
            return self._manifest.pin(CONTACT, period=period, meters=meters)

        def read(segment: Segment) -> pa.Table:
            table = self._reader.contacts(segment, period, meters)
            started_ms = integers(table["started_ms"])
            keep = (started_ms >= period.start_s * 1000) & (started_ms < period.end_s * 1000)
            if meter_id is not None:
                keep &= integers(table["meter_id"]) == meter_id
            return table.filter(pa.array(keep))

        parts = read_pinned(pin, read, self._examine)
        table = pa.concat_tables(parts) if parts else CONTACT_SCHEMA.empty_table()
        table = table.sort_by([(name, "ascending") for name in _KEY])
        return table.filter(pa.array(differs_from_row_before(table, _KEY)))
