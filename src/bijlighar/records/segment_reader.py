"""Reads segments into numpy columns, and remembers small ones: as a segment never changes, a copy is good."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from bijlighar.cim.period import Period
from bijlighar.records.arrow_columns import integers
from bijlighar.records.files import unavailable_when_disk_refuses
from bijlighar.records.remembered import Remembered
from bijlighar.records.segment import KEY_COLUMNS, Segment, SegmentDamaged

Columns = dict[str, NDArray[np.int64]]
"""Equal-length int64 columns by name, MISSING where nothing was told; the first three are KEY_COLUMNS."""

REMEMBERED_OCTETS = 64 * 2**20
"""Room for the small segments of a day of a trial (17,280 calls of 12 rows); readings and contacts each."""

SMALL_ROWS = 4_096
"""A segment up to this many rows is read whole and remembered: opening it costs more than decoding it."""


class SegmentReader:
    """Reads below ``root``. Usable from many threads."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._columns = Remembered[Columns](REMEMBERED_OCTETS, _octets)
        self._contacts = Remembered[pa.Table](REMEMBERED_OCTETS, lambda table: table.nbytes)

    def table(self, segment: Segment) -> pa.Table:
        """The whole segment. Raises SegmentDamaged."""
        return self._read(segment, columns=None, period=None, meters=None)

    def contacts(
        self,
        segment: Segment,
        period: Period,
        meters: tuple[int, int] | None,
        columns: Sequence[str] | None = None,
    ) -> pa.Table:
        """Contacts: all wanted ones and columns, and possibly others. Raises SegmentDamaged."""
        if segment.rows <= SMALL_ROWS:
            return self._contacts.get(segment.segment_id, lambda: self.table(segment))
        return self._read(segment, columns=columns, period=period, meters=meters)

    def columns(
        self,
        segment: Segment,
        *,
        period: Period | None = None,
        meters: tuple[int, int] | None = None,
        channels: Sequence[str] | None = None,
    ) -> Columns:
        """Rows as columns: all wanted ones, and possibly others outside ``period`` and ``meters``.

        ``channels`` None means all that the segment has. Raises SegmentDamaged.
        """
        if segment.rows > SMALL_ROWS:
            wanted = None if channels is None else [*KEY_COLUMNS, *channels]
            return _to_numpy(self._read(segment, columns=wanted, period=period, meters=meters))
        found = self._columns.get(segment.segment_id, lambda: _to_numpy(self.table(segment)))
        if channels is None:
            return found
        return {name: found[name] for name in (*KEY_COLUMNS, *channels) if name in found}

    def _read(
        self,
        segment: Segment,
        *,
        columns: Sequence[str] | None,
        period: Period | None,
        meters: tuple[int, int] | None,
    ) -> pa.Table:
        path = self._root / segment.file
        try:
            source = path if segment.rows > SMALL_ROWS else _whole(path, segment)
            with (
                unavailable_when_disk_refuses(),
                pq.ParquetFile(source, page_checksum_verification=True, pre_buffer=False) as file,
            ):
                present = file.schema_arrow.names
                names = None if columns is None else [name for name in columns if name in present]
                if file.num_row_groups == 1:
                    return file.read(columns=names, use_threads=False)
                groups = _row_groups(file.metadata, period, meters)
                return file.read_row_groups(groups, columns=names, use_threads=False)
        except FileNotFoundError as fault:
            raise SegmentDamaged(file=segment.file, reason="the file is missing") from fault
        except (pa.ArrowException, OSError) as fault:
            raise SegmentDamaged(file=segment.file, reason=f"the file cannot be read: {fault}") from fault


def _whole(path: Path, segment: Segment) -> pa.BufferReader:
    """A small file in memory, compared with its SHA-256. A large one has its pages' checksums only."""
    with unavailable_when_disk_refuses():
        octets = path.read_bytes()
    if hashlib.sha256(octets).hexdigest() != segment.sha256:
        raise SegmentDamaged(file=segment.file, reason="the file's content is not what was written")
    return pa.BufferReader(octets)


def _row_groups(metadata: pq.FileMetaData, period: Period | None, meters: tuple[int, int] | None) -> list[int]:
    """Row groups whose statistics allow a wanted row. A group without statistics is read."""
    position = {metadata.schema.column(index).name: index for index in range(metadata.num_columns)}
    bounds = {"meter_id": meters}
    if period is not None:
        bounds["start_s"] = (period.start_s, period.end_s - 1)
        bounds["started_ms"] = (period.start_s * 1000, period.end_s * 1000 - 1)
    groups = list(range(metadata.num_row_groups))
    for name, bound in bounds.items():
        if bound is None or name not in position:
            continue
        column = position[name]
        groups = [group for group in groups if _may_hold(metadata.row_group(group).column(column), bound)]
    return groups


def _may_hold(chunk: Any, bound: tuple[int, int]) -> bool:  # noqa: ANN401 - the stubs do not name the type
    statistics = chunk.statistics
    if statistics is None or not statistics.has_min_max:
        return True
    return bool(statistics.min <= bound[1] and statistics.max >= bound[0])


def _to_numpy(table: pa.Table) -> Columns:
    return {name: integers(table[name]) for name in table.schema.names}


def _octets(columns: Columns) -> int:
    return sum(column.nbytes for column in columns.values())
