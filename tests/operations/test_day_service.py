"""A meter that was replaced, removed or never there is awaited only while it was in service."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from bijlighar.cim.period import civil_day
from bijlighar.operations.day_estimate import estimate_day
from bijlighar.operations.day_seal import plan_day, seal_day
from bijlighar.operations.day_service import FOR_EVER_S, Stay, stays
from bijlighar.operations.day_validate import validate_day
from bijlighar.records import Records
from bijlighar.records.registry import Installation
from operations.day_town import JUNE, block_load, town

DAY = civil_day(JUNE)


@pytest.fixture
def records(records_url: str, tmp_path: Path) -> Iterator[Records]:
    """Four consumers under two transformers and one transformer meter."""
    yield from town(tmp_path, records_url)


def stay(meter_id: int, usage_point: str, start_s: int, end_s: int) -> Stay:
    return Stay(meter_id=meter_id, usage_point=usage_point, start_s=start_s, end_s=end_s)


def placed(meter_id: int, usage_point: str, installed_s: int, removed_s: int | None = None) -> Installation:
    return Installation(meter_id=meter_id, usage_point=usage_point, installed_s=installed_s, removed_s=removed_s)


def test_the_first_meter_of_a_place_was_there_before_the_registry_knew() -> None:
    told = [placed(1, "U1", 100, 200), placed(2, "U1", 200), placed(1, "U2", 300), placed(3, "U3", 100)]
    assert stays(told) == [
        stay(1, "U1", 0, 200),
        stay(3, "U3", 0, FOR_EVER_S),
        stay(2, "U1", 200, FOR_EVER_S),
        stay(1, "U2", 300, FOR_EVER_S),
    ]


def test_a_meter_that_was_taken_away_is_awaited_until_then(records: Records) -> None:
    records.registry.remove_meter("BJ0004", DAY.start_s + 24 * 1800)
    records.landing.land([block_load([1, 2, 3])], [])
    seal_day(records, JUNE)
    seal_day(records, JUNE + timedelta(days=1))
    assert 4 in plan_day(records, JUNE).expected_s
    assert 4 not in plan_day(records, JUNE + timedelta(days=1)).expected_s
    (missing,) = [
        (int(each.first_slot[i]), int(each.end_slot[i]))
        for block in validate_day(records, JUNE).blocks
        for each in [block.findings]
        for i in range(len(each))
        if each.rule[i] == 13 and each.meter_id[i] == 4
    ]
    assert missing == (0, 24)
    told = estimate_day(records, JUNE, now_s=DAY.end_s + 9000)
    assert told.left["import_wh"] == 24 + 96, "and the transformer's meter, of which nothing is known"


def test_late_rows_of_a_meter_that_is_gone_are_sealed_all_the_same(records: Records) -> None:
    records.registry.remove_meter("BJ0004", DAY.start_s - 5)
    records.landing.land([block_load([4], slots=range(3))], [])
    assert seal_day(records, JUNE).readings == 3
