"""What is done with days once in a while: late rows sealed, closed months compacted, old readings let go."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.period import KOLKATA, civil_date
from bijlighar.operations.day_seal import seal_day
from bijlighar.records import Records

BACKFILL_DAYS = 35
"""A meter that was silent is read back so far; a month that ended earlier is closed."""

KEEP_DAYS = {ProfileKind.BLOCK_LOAD: 5 * 366, ProfileKind.DAILY: 10 * 366}
"""Five years of blocks, ten of midnight registers. A dated setting ``keep.block-load`` or ``keep.daily`` (days)
takes their place."""


class KeptTooShort(Exception):
    """A setting would let readings go that may still come late. ``key``, ``days``."""

    def __init__(self, key: str, days: object) -> None:
        super().__init__(f"{key}: {days!r} is no number of days, or less than {2 * BACKFILL_DAYS}")
        self.key = key
        self.days = days


@dataclass(kw_only=True)
class Kept:
    """What was done."""

    blocks_written: int = 0
    files_merged: int = 0
    files_retired: int = 0
    files_removed: int = 0


def tend_days(records: Records, now_s: float, zone: ZoneInfo = KOLKATA) -> Kept:
    """Do what is due: cheap when nothing is. For one process, every hour or so; can run twice.

    Seals the days of the backfill window that are over and have rows which are not sealed yet. Raises
    KeptTooShort, BlockDamaged and SegmentDamaged (told once, then repeat the call), Unavailable.
    """
    today = civil_date(int(now_s), zone)
    result = Kept()
    for ago in range(BACKFILL_DAYS, 0, -1):
        result.blocks_written += _seal_when_due(records, today - timedelta(days=ago), zone)
    closed = today - timedelta(days=BACKFILL_DAYS)
    for month in _months_before(closed, 2):
        result.files_merged += records.block_compaction.compact_month(month.year, month.month)
    result.files_retired = _let_go(records, today, int(now_s), zone)
    result.files_removed = records.blocks.sweep()
    return result


def _seal_when_due(records: Records, day: date, zone: ZoneInfo) -> int:
    if not records.block_source.has_news(day, records.blocks.day(day), zone):
        return 0
    return seal_day(records, day, zone).blocks_written


def _months_before(day: date, count: int) -> list[date]:
    """First days of the last months that ended by ``day``."""
    months = []
    first = day.replace(day=1)
    for _ in range(count):
        first = (first - timedelta(days=1)).replace(day=1)
        months.append(first)
    return months


def _let_go(records: Records, today: date, now_s: int, zone: ZoneInfo) -> int:
    retired = 0
    for kind, default in KEEP_DAYS.items():
        key = f"keep.{kind.value}"
        setting = records.settings.setting(key, now_s)
        days = default if setting is None else setting.value
        if not isinstance(days, int) or isinstance(days, bool) or days < 2 * BACKFILL_DAYS:
            raise KeptTooShort(key, days)
        before = today - timedelta(days=days)
        retired += records.retention.retire_segments(kind.value, before, zone)
        if kind is ProfileKind.BLOCK_LOAD:
            retired += records.retention.retire_blocks(before)
    return retired
