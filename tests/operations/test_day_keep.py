"""Days are sealed when they are over, closed months compacted, old readings let go, and reading never stops."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.period import Period, civil_day
from bijlighar.operations.day_keep import KeptTooShort, tend_days
from bijlighar.records import Records
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
