"""One segment: an immutable Parquet file of rows of one kind, sorted by meter and start.

Registers and instants are delta-encoded, measured values byte-stream-split, words dictionary-encoded, all under
zstd with page checksums. MISSING becomes null and back. Nothing here touches the disk but ``read``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from operator import attrgetter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from bijlighar.cim.contacts import Contact
from bijlighar.cim.readings import MISSING, ReadingBatch
from bijlighar.records.arrow_columns import integers

CONTACT = "contact"
"""The kind under which contacts are kept, beside the profile kinds."""

QUARANTINE = "quarantine-"
"""Before a profile kind: rows of that kind whose time cannot be true, kept apart."""

KEY_COLUMNS = ("meter_id", "start_s", "received_s")

ROW_GROUP_ROWS = 65_536
"""A row group is the least that is read of a large file: about 2 ms to decode, and 220 groups in a city's day."""

FORMAT = "1"
"""Version of the segment's layout, in the file's own metadata."""

_ZSTD_LEVEL = 3
_PUSHES = b"bijlighar.pushes"
_MEASURED = ("_mv", "_ma", "_milli", "_millihz", "_w", "_va", "_var", "_dbm")

_CONTACT_FIELDS: list[pa.Field[Any]] = [
    pa.field("meter_id", pa.int32(), nullable=False),
    pa.field("started_ms", pa.int64(), nullable=False),
    pa.field("purpose", pa.string(), nullable=False),
    pa.field("outcome", pa.string(), nullable=False),
    pa.field("attempt", pa.int32(), nullable=False),
    pa.field("latency_ms", pa.int64()),
    pa.field("clock_offset_ms", pa.int64()),
    pa.field("signal_dbm", pa.int32()),
    pa.field("octets_sent", pa.int64(), nullable=False),
    pa.field("octets_received", pa.int64(), nullable=False),
    pa.field("rows", pa.int64(), nullable=False),
    pa.field("detail", pa.string(), nullable=False),
]
CONTACT_SCHEMA = pa.schema(_CONTACT_FIELDS)
_CONTACT_CELLS, _BY_METER = attrgetter(*CONTACT_SCHEMA.names), attrgetter("meter_id", "started_ms")
_WORDS = ("purpose", "outcome", "detail", "reason")


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A segment as the manifest knows it. ``file`` is relative to the segments' folder.

    ``period_s`` block length of its rows; ``start_min_s`` and ``start_max_s`` both inclusive (of rows kept apart:
    when they were received); ``day`` the civil day of landing; ``landing_order`` breaks ties between rows received
    in the same second.
    """

    segment_id: str
    kind: str
    period_s: int
    day: date
    rows: int
    start_min_s: int
    start_max_s: int
    meter_min: int
    meter_max: int
    octets: int
    sha256: str
    landed_s: int
    landing_order: int = 0
    generation: int = 0

    @property
    def file(self) -> str:
        """Where the file lies below the segments' folder."""
        return f"{self.kind}/{self.day.isoformat()}/{self.segment_id}.parquet"


class SegmentDamaged(Exception):
    """A segment file is not what was written. ``file`` below the segments' folder, ``reason`` one sentence."""

    def __init__(self, *, file: str, reason: str) -> None:
        super().__init__(f"segment {file}: {reason}")
        self.file = file
        self.reason = reason


def readings_table(batches: Sequence[ReadingBatch]) -> pa.Table:
    """Batches of one kind and block length as one Arrow table, sorted by meter, start and receipt."""
    kinds = {(batch.kind, batch.period_s) for batch in batches}
    assert len(kinds) == 1, "a segment holds one kind and one block length"
    ((kind, period_s),) = kinds
    columns: dict[str, NDArray[Any]] = {
        name: np.concatenate([getattr(batch, name) for batch in batches]) for name in KEY_COLUMNS
    }
    order = np.lexsort((columns["received_s"], columns["start_s"], columns["meter_id"]))
    arrays: dict[str, pa.Array[Any]] = {}
    arrays["meter_id"] = pa.array(columns["meter_id"][order].astype(np.int32))
    for name in KEY_COLUMNS[1:]:
        arrays[name] = pa.array(columns[name][order].astype(np.int64))
    for name in sorted({channel for batch in batches for channel in batch.channels}):
        values = np.concatenate([_channel(batch, name) for batch in batches])[order]
        arrays[name] = pa.array(values, mask=values == MISSING)
    return pa.table(arrays).replace_schema_metadata(_labels(kind.value, period_s))


def quarantine_table(readings: ReadingBatch, reasons: Sequence[str]) -> pa.Table:
    """Rows kept apart, each with its reason; ``start_s`` is null where the meter gave no time."""
    if len(reasons) != len(readings):
        raise ValueError(f"{len(reasons)} reasons for {len(readings)} rows")
    start_s = np.asarray(readings.start_s, dtype=np.int64)
    arrays: dict[str, pa.Array[Any]] = {
        "meter_id": pa.array(readings.meter_id.astype(np.int32)),
        "start_s": pa.array(start_s, mask=start_s == MISSING),
        "received_s": pa.array(readings.received_s.astype(np.int64)),
        "reason": pa.array(list(reasons), type=pa.string()),
    }
    for name in sorted(readings.channels):
        values = _channel(readings, name)
        arrays[name] = pa.array(values, mask=values == MISSING)
    table = pa.table(arrays).sort_by([("meter_id", "ascending"), ("received_s", "ascending")])
    return table.replace_schema_metadata(_labels(QUARANTINE + readings.kind.value, readings.period_s))


def _channel(batch: ReadingBatch, name: str) -> NDArray[np.int64]:
    if name in batch.channels:
        return np.asarray(batch.channels[name], dtype=np.int64)
    return np.full(len(batch), MISSING, dtype=np.int64)


def contacts_table(contacts: Sequence[Contact]) -> pa.Table:
    """Contacts, of which there are some, as an Arrow table, sorted by meter and start."""
    ordered = sorted(contacts, key=_BY_METER)
    columns = dict(zip(CONTACT_SCHEMA.names, zip(*map(_CONTACT_CELLS, ordered), strict=True), strict=True))
    return pa.table(columns, schema=CONTACT_SCHEMA).replace_schema_metadata(_labels(CONTACT, 0))


def _labels(kind: str, period_s: int) -> dict[str, str]:
    return {"bijlighar.format": FORMAT, "bijlighar.kind": kind, "bijlighar.period_s": str(period_s)}


def with_pushes(table: pa.Table) -> pa.Table:
    """The table marked as holding rows of pushes: it counts together with their counters, or not at all."""
    return table.replace_schema_metadata({**(table.schema.metadata or {}), _PUSHES: b"1"})


def of_pushes(table: pa.Table) -> bool:
    """Whether ``with_pushes`` has marked it."""
    return _PUSHES in (table.schema.metadata or {})


def encode(table: pa.Table) -> pa.Buffer:
    """The Parquet octets of a table."""
    words = [name for name in table.schema.names if name in _WORDS]
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        row_group_size=ROW_GROUP_ROWS,
        compression="zstd",
        compression_level=_ZSTD_LEVEL,
        use_dictionary=words,  # type: ignore[arg-type]  # the stubs know only bool, Arrow takes names
        column_encoding={name: _encoding(name) for name in table.schema.names if name not in words},
        write_page_checksum=True,
    )
    return sink.getvalue()


def _encoding(name: str) -> str:
    return "BYTE_STREAM_SPLIT" if name.endswith(_MEASURED) else "DELTA_BINARY_PACKED"


def _time_column(kind: str) -> str:
    """The column that the manifest's start range is taken from."""
    if kind == CONTACT:
        return "started_ms"
    return "received_s" if kind.startswith(QUARANTINE) else "start_s"


def describe(table: pa.Table, octets: pa.Buffer, *, segment_id: str, day: date, landed_s: int) -> Segment:
    """What the manifest keeps of a segment. The table must not be empty."""
    metadata = table.schema.metadata or {}
    kind = metadata[b"bijlighar.kind"].decode()
    starts_s = integers(table[_time_column(kind)])
    if kind == CONTACT:
        starts_s = starts_s // 1000
    meter_ids = integers(table["meter_id"])
    return Segment(
        segment_id=segment_id,
        kind=kind,
        period_s=int(metadata[b"bijlighar.period_s"]),
        day=day,
        rows=table.num_rows,
        start_min_s=int(starts_s.min()),
        start_max_s=int(starts_s.max()),
        meter_min=int(meter_ids.min()),
        meter_max=int(meter_ids.max()),
        octets=octets.size,
        sha256=hashlib.sha256(octets).hexdigest(),
        landed_s=landed_s,
    )
