"""Rows segment by segment, for sums over a whole city that need no row twice in the memory.

Every kept row is told, older versions and rows landed twice included: whoever adds them up must not mind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.contacts import Outcome
from bijlighar.cim.period import Period
from bijlighar.records.arrow_columns import integers
from bijlighar.records.manifest import Manifest
from bijlighar.records.segment import CONTACT, SegmentDamaged
from bijlighar.records.segment_reader import SegmentReader

_OUTCOMES = pa.array([outcome.value for outcome in Outcome])
_CONTACT_COLUMNS = ("meter_id", "started_ms", "outcome", "signal_dbm", "clock_offset_ms")


@dataclass(frozen=True, slots=True, kw_only=True)
class RowPiece:
    """Rows of one segment in columns; ``period_s`` their block length; ``channels`` those that were asked for."""

    meter_id: NDArray[np.int64]
    start_s: NDArray[np.int64]
    received_s: NDArray[np.int64]
    period_s: int
    channels: dict[str, NDArray[np.int64]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactPiece:
    """Contacts of one segment in columns; ``outcome`` int8: its place in ``Outcome``; MISSING for None."""

    meter_id: NDArray[np.int64]
    started_s: NDArray[np.int64]
    outcome: NDArray[np.int8]
    signal_dbm: NDArray[np.int64]
    clock_offset_ms: NDArray[np.int64]


class Pieces:
    """Reads segments one after another. Usable from many threads."""

    def __init__(self, manifest: Manifest, reader: SegmentReader, examine: Callable[[str], bool]) -> None:
        self._manifest = manifest
        self._reader = reader
        self._examine = examine

    def rows(self, kind: ProfileKind, period: Period, channels: Sequence[str] = ()) -> Iterator[RowPiece]:
        """Rows that start in ``period``, and possibly others. Raises SegmentDamaged, Unavailable."""
        for segment in self._manifest.pin(kind.value, period=period).segments:
            try:
                columns = self._reader.columns(segment, period=period, channels=channels)
            except SegmentDamaged:
                self._examine(segment.file)
                raise
            yield RowPiece(
                meter_id=columns["meter_id"],
                start_s=columns["start_s"],
                received_s=columns["received_s"],
                period_s=segment.period_s,
                channels={name: columns[name] for name in channels if name in columns},
            )

    def contacts(self, period: Period) -> Iterator[ContactPiece]:
        """Contacts that started in ``period``, and possibly others. Raises as ``rows``."""
        for segment in self._manifest.pin(CONTACT, period=period).segments:
            try:
                table = self._reader.contacts(segment, period, None, columns=_CONTACT_COLUMNS)
            except SegmentDamaged:
                self._examine(segment.file)
                raise
            yield ContactPiece(
                meter_id=integers(table["meter_id"]),
                started_s=integers(table["started_ms"]) // 1000,
                outcome=_codes(table["outcome"]),
                signal_dbm=integers(table["signal_dbm"]),
                clock_offset_ms=integers(table["clock_offset_ms"]),
            )


def _codes(column: pa.ChunkedArray) -> NDArray[np.int8]:  # type: ignore[type-arg]
    found: NDArray[np.int8] = pc.index_in(column, value_set=_OUTCOMES).to_numpy().astype(np.int8)
    return found
