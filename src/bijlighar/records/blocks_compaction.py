"""Closed months become meter-major: one file a bucket in which all days of a meter stand together.

The file of the month and the retirement of the days it holds are one transaction. A day that is sealed anew
afterwards stands beside the month, newer than it, until the month is compacted again.
"""

from __future__ import annotations

import calendar
from collections.abc import Sequence
from datetime import date

import numpy as np

from bijlighar.records.blocks import Blocks, SealedBucket
from bijlighar.records.blocks_file import MONTH_GROUP_ROWS, BlockColumns, joined
from bijlighar.records.blocks_manifest import RAW, BlockFile, Superseded


class BlockCompaction:
    """Merges blocks. For one process at a time; beside another one, the slower finds nothing to do."""

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks

    def compact_month(self, year: int, month: int) -> int:
        """Merge the blocks of a month, bucket by bucket; returns how many files were merged away.

        Memory is that of one bucket's month. Raises BlockDamaged (its days are then to be sealed anew),
        Unavailable.
        """
        first = date(year, month, 1)
        last = date(year, month, calendar.monthrange(year, month)[1])
        groups: dict[tuple[int, int], list[BlockFile]] = {}
        for block in self._blocks.manifest.blocks(RAW, first, last):  # newest first
            if first <= block.first_day and block.last_day <= last:
                groups.setdefault((block.bucket, block.period_s), []).append(block)
        return sum(self._merge(bucket, parts) for (bucket, _), parts in sorted(groups.items()) if len(parts) > 1)

    def _merge(self, bucket: int, newest_first: Sequence[BlockFile]) -> int:
        merged = SealedBucket(
            bucket=bucket,
            columns=meter_major([self._blocks.whole(block) for block in newest_first]),
            segments_generation=min(block.segments_generation for block in newest_first),
            network_version=max(block.network_version for block in newest_first),
        )
        try:
            self._blocks.put([merged], newest_first, group_rows=MONTH_GROUP_ROWS)
        except Superseded:  # a day was sealed anew, or another process was quicker
            return 0
        return len(newest_first)


def meter_major(newest_first: Sequence[BlockColumns]) -> BlockColumns:
    """All rows by meter and day, older versions last; a day is taken from the newest block that holds it."""
    seen: set[int] = set()
    parts = []
    for columns in newest_first:
        days = set(columns.day.tolist())
        fresh = np.isin(columns.day, sorted(days - seen))
        seen |= days
        parts.append(columns if fresh.all() else columns.only(fresh))
    whole = joined(parts)
    return whole.only(np.lexsort((whole.version, whole.day, whole.meter_id, whole.version > 0)))
