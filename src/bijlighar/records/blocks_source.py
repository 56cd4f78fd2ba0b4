"""From segments to buckets: each segment is read once and its rows are dealt out to the buckets of their meters.

Rows wait in 32 bits where they fit (some 36 octets a row), so that a city's day waits in half a gigabyte; a day
with more rows than ROWS_AT_ONCE is dealt out in several passes, so that memory does not grow with the meters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.period import KOLKATA, Period, civil_day
from bijlighar.cim.readings import ReadingBatch
from bijlighar.records.blocks_file import Cells, narrow, widened
from bijlighar.records.blocks_manifest import BlockFile
from bijlighar.records.manifest import Manifest, Pin
from bijlighar.records.newest import chosen
from bijlighar.records.pinned import read_pinned
from bijlighar.records.segment import Segment
from bijlighar.records.segment_reader import Columns, SegmentReader

ROWS_AT_ONCE = 16_000_000
"""Rows that wait at once: a day of 333,000 meters of 30 minutes, some 0.6 GB with six channels."""

Key = tuple[int, int]
"""Bucket and block length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingRows:
    """Rows of one segment and bucket; instants in seconds after the day's start."""

    period_s: int
    meter_id: NDArray[np.int32]
    start_after_s: Cells
    received_after_s: Cells
    channels: dict[str, Cells]

    def batch(self, day: Period) -> ReadingBatch:
        """The rows as they were landed."""
        return ReadingBatch(
            kind=ProfileKind.BLOCK_LOAD,
            period_s=self.period_s,
            meter_id=self.meter_id,
            start_s=widened(self.start_after_s, day.start_s),
            received_s=widened(self.received_after_s, day.start_s),
            channels={name: widened(cells) for name, cells in self.channels.items()},
        )


@dataclass(frozen=True, kw_only=True)
class Dealt:
    """The rows of some buckets, in landing order, and the generation of the segments they come from."""

    buckets: tuple[int, ...]
    generation: int
    rows: dict[Key, list[WaitingRows]]


class BlockSource:
    """Deals out the block loads of days. Usable from many threads."""

    def __init__(self, manifest: Manifest, reader: SegmentReader, *, examine: Callable[[str], bool]) -> None:
        self._manifest = manifest
        self._reader = reader
        self.examine = examine

    def deal(
        self,
        day: Period,
        bucket_of: NDArray[np.int32],
        *,
        after_generation: int | None = None,
        rows_at_once: int = ROWS_AT_ONCE,
    ) -> Iterator[Dealt]:
        """Every bucket's rows that start in ``day``, some buckets at a time.

        ``bucket_of`` int32[meter number]: bucket, or negative for none; meters beyond its end belong to none.
        ``after_generation`` deals out only what was landed since. Raises SegmentDamaged, Unavailable.
        """
        buckets = np.unique(bucket_of[bucket_of >= 0])
        waiting = sum(segment.rows for segment in self._pin(day, after_generation).segments)
        passes = max(1, min(len(buckets), -(-waiting // rows_at_once)))
        for some in np.array_split(buckets, passes):
            if not len(some):
                continue
            mine = np.where(np.isin(bucket_of, some), bucket_of, np.int32(-1)) if passes > 1 else bucket_of
            yield self._pass(day, mine, tuple(some.tolist()), after_generation)

    def has_news(self, day: date, standing: Sequence[BlockFile], zone: ZoneInfo = KOLKATA) -> bool:
        """Whether rows of a day may have been landed after its blocks were sealed. Raises Unavailable."""
        after = min((block.segments_generation for block in standing), default=0)
        return bool(self._pin(civil_day(day, zone), after).segments)

    def _pin(self, day: Period, after_generation: int | None, meters: tuple[int, int] | None = None) -> Pin:
        kind = ProfileKind.BLOCK_LOAD.value
        return self._manifest.pin(kind, period=day, meters=meters, after_generation=after_generation)

    def _pass(
        self, day: Period, bucket_of: NDArray[np.int32], buckets: tuple[int, ...], after_generation: int | None
    ) -> Dealt:
        wanted = np.flatnonzero(bucket_of >= 0)
        meters = (int(wanted[0]), int(wanted[-1]))
        pins: list[Pin] = []

        def pin() -> Pin:
            pins.append(self._pin(day, after_generation, meters))
            return pins[-1]

        def read(segment: Segment) -> dict[Key, WaitingRows]:
            columns = self._reader.columns(segment, period=day, meters=meters)
            return dealt(chosen(columns, period=day, meter_ids=None), segment.period_s, day, bucket_of)

        rows: dict[Key, list[WaitingRows]] = {}
        for part in read_pinned(pin, read, self.examine):
            for key, waiting in part.items():
                rows.setdefault(key, []).append(waiting)
        return Dealt(buckets=buckets, generation=pins[-1].generation, rows=rows)


def dealt(columns: Columns, period_s: int, day: Period, bucket_of: NDArray[np.int32]) -> dict[Key, WaitingRows]:
    """Rows of one segment by bucket, each in the order they had."""
    meter_id = columns["meter_id"]
    inside = np.clip(meter_id, 0, len(bucket_of) - 1)
    bucket = np.where(inside == meter_id, bucket_of[inside], -1).astype(np.int32)
    small = {
        "meter_id": meter_id.astype(np.int32),
        "start_s": narrow(columns["start_s"], day.start_s),
        "received_s": narrow(columns["received_s"], day.start_s),
        **{
            name: narrow(column)
            for name, column in columns.items()
            if name not in ("meter_id", "start_s", "received_s")
        },
    }
    if np.any(bucket[1:] < bucket[:-1]):
        order = np.argsort(bucket, kind="stable")
        bucket = bucket[order]
        small = {name: column[order] for name, column in small.items()}
    begins = np.flatnonzero(np.diff(bucket, prepend=np.int32(-2)))
    ends = np.append(begins[1:], len(bucket))[: len(begins)]
    result = {}
    for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
        if bucket[begin] < 0:
            continue
        part = {name: column[begin:end] for name, column in small.items()}
        result[int(bucket[begin]), period_s] = WaitingRows(
            period_s=period_s,
            meter_id=part.pop("meter_id").astype(np.int32, copy=False),
            start_after_s=part.pop("start_s"),
            received_after_s=part.pop("received_s"),
            channels=part,
        )
    return result
