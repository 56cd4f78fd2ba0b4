"""Days are sealed when they are over, closed months compacted, old readings let go, and reading never stops."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.period import Period, civil_day
from bijlighar.operations.day_keep import KeptTooShort, tend_days
from bijlighar.records import Records
from bijlighar.records.blocks import PIN_GRACE_S
from bijlighar.records.settings import Setting
from operations.day_town import JUNE, block_load, registers, town

ALWAYS = Period(start_s=0, end_s=2**40)


@pytest.fixture
def records(records_url: str, tmp_path: Path) -> Iterator[Records]:
    """Four consumers under two transformers and one transformer meter."""
    yield from town(tmp_path, records_url)


def noon(day: date) -> float:
    return civil_day(day).start_s + 43_200.0


def keep(days: object) -> Setting:
    return Setting(key="keep.block-load", value=days, valid_from_s=0, changed_by="officer", changed_s=0)


def test_days_that_are_over_are_sealed_once_and_again_when_something_came_late(records: Records) -> None:
    records.landing.land([block_load([1, 2]), block_load([1], slots=range(4), day=JUNE + timedelta(days=1))], [])
    after = noon(JUNE + timedelta(days=1))
    assert tend_days(records, after).blocks_written == 2
    assert tend_days(records, after).blocks_written == 0
    assert records.blocks.day(JUNE + timedelta(days=1)) == [], "today is not over"
    records.landing.land([block_load([3], late_s=9000)], [])
    assert tend_days(records, after).blocks_written == 1
    assert not records.block_source.has_news(JUNE, records.blocks.day(JUNE))


def test_a_month_is_compacted_when_no_late_row_is_awaited_any_more(records: Records) -> None:
    for number in range(3):
        day = JUNE + timedelta(days=number)
        records.landing.land([block_load([1], day=day)], [])
        tend_days(records, noon(day + timedelta(days=1)))
    assert tend_days(records, noon(date(2026, 8, 3))).files_merged == 0
    assert tend_days(records, noon(date(2026, 8, 6))).files_merged == 6
    (month,) = records.blocks.meter_days(1, JUNE, JUNE + timedelta(days=9), ["import_wh"])
    assert month.channels["import_wh"][:, 5].tolist() == [1005, 1005, 1005]


def test_readings_are_kept_as_long_as_the_setting_says_and_registers_longer(records: Records) -> None:
    records.landing.land([block_load([1]), registers({1: 5}, civil_day(JUNE).start_s)], [])
    records.settings.put(keep(100))
    tend_days(records, noon(JUNE + timedelta(days=1)))
    assert tend_days(records, noon(JUNE + timedelta(days=100))).files_retired == 0
    assert tend_days(records, noon(JUNE + timedelta(days=101))).files_retired == 1 + 2
    assert records.blocks.day(JUNE) == []
    assert len(records.readings.table(ProfileKind.BLOCK_LOAD, None, ALWAYS)) == 0
    assert len(records.readings.table(ProfileKind.DAILY, None, ALWAYS)) == 1


@pytest.mark.parametrize("days", [60, "100", True, None])
def test_too_short_a_time_is_refused(records: Records, days: object) -> None:
    records.settings.put(keep(days))
    with pytest.raises(KeptTooShort, match=r"keep\.block-load"):
        tend_days(records, noon(JUNE))


def test_whoever_reads_is_never_stopped(records_url: str, tmp_path: Path) -> None:
    """Sealing anew, merging, compacting and letting go: every list that was pinned an hour ago is read whole."""
    wall = [0.0]
    for _ in town(tmp_path, records_url):
        pass
    days = [JUNE + timedelta(days=number) for number in range(4)]
    with Records(records_url, tmp_path, now=lambda: noon(JUNE), wall=lambda: wall[0]) as records:
        records.settings.put(keep(100))
        pinned: list[tuple[int, list[int]]] = []

        def look() -> None:
            """Read as it stands and as it stood within the hour, then let 25 minutes pass."""
            pinned.append((records.blocks.manifest.generation(), _everything(records, days)))
            for generation, then in pinned[-3:]:
                assert _everything(records, days, generation) == then
            wall[0] += PIN_GRACE_S * 5 // 12

        for day in days:
            for part in (range(24), range(24, 48)):
                records.landing.land([block_load([1, 2, 3, 4], day=day, slots=part)], [])
                tend_days(records, noon(day + timedelta(days=1)))
                look()
        for later in (
            date(2026, 6, 20),
            date(2026, 8, 6),
            date(2026, 9, 10),
            date(2026, 9, 11),
            date(2026, 10, 1),
        ):
            tend_days(records, noon(later))
            records.compaction.tend()
            look()
        assert pinned[-1][1] == [0] * 8
        for _ in range(3):
            look()
            tend_days(records, noon(date(2026, 10, 1)))
            records.compaction.tend()
        assert not list((tmp_path / "blocks").rglob("*.parquet")), "what counts no more is gone from the disk"


def _everything(records: Records, days: list[date], generation: int | None = None) -> list[int]:
    """Wh of each day, from its blocks and from its segments."""
    told = []
    for day in days:
        sealed = 0
        for file in records.blocks.day(day, generation=generation):
            cells = records.blocks.read(file, day, ["import_wh"]).channels.get("import_wh", np.zeros(0, np.int32))
            sealed += int(cells[cells != np.iinfo(cells.dtype).min].sum())
        landed = records.readings.table(
            ProfileKind.BLOCK_LOAD, None, civil_day(day), ["import_wh"], generation=generation
        )
        told += [sealed, int(landed.channels["import_wh"].sum())]
    return told
