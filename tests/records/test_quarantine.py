"""Rows whose time cannot be true are kept, apart."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.period import Period
from bijlighar.cim.readings import MISSING, ReadingBatch
from bijlighar.records import Records


def _odd_rows(day_s: int, received_s: int = 0) -> ReadingBatch:
    return ReadingBatch(
        kind=ProfileKind.BLOCK_LOAD,
        period_s=1800,
        meter_id=np.array([4, 2, 2], dtype=np.int32),
        start_s=np.array([day_s + 7, MISSING, 946_684_800]),
        received_s=np.full(3, received_s or day_s + 60),
        channels={"import_wh": np.array([1, 2, MISSING])},
    )


REASONS = ["off-slot", "no-stamp", "long-past"]


def test_rows_kept_apart_are_no_readings_and_come_back_whole(records: Records, day_s: int) -> None:
    for _ in range(2):
        records.landing.quarantine(_odd_rows(day_s), REASONS)
    assert records.readings.landed_on(date(2026, 6, 1)) == {}
    always = Period(start_s=0, end_s=2**40)
    assert len(records.readings.table(ProfileKind.BLOCK_LOAD, None, always)) == 0
    assert len(records.readings.held(ProfileKind.BLOCK_LOAD, always)[0]) == 0
    found = records.readings.quarantined(ProfileKind.BLOCK_LOAD, Period(start_s=day_s, end_s=day_s + 61))
    assert found.meter_id.tolist() == [2, 2, 4]
    assert found.start_s.tolist() == [946_684_800, MISSING, day_s + 7]
    assert found.reason.tolist() == ["long-past", "no-stamp", "off-slot"]
    assert found.channels["import_wh"].tolist() == [MISSING, 2, 1]


def test_rows_kept_apart_are_found_by_receipt_and_meter(records: Records, day_s: int) -> None:
    records.landing.quarantine(_odd_rows(day_s), REASONS)
    received = Period(start_s=day_s, end_s=day_s + 60)
    assert len(records.readings.quarantined(ProfileKind.BLOCK_LOAD, received)) == 0
    received = Period(start_s=day_s + 60, end_s=day_s + 61)
    assert len(records.readings.quarantined(ProfileKind.BLOCK_LOAD, received, 4)) == 1
    assert len(records.readings.quarantined(ProfileKind.DAILY, received)) == 0


def test_days_of_rows_kept_apart_are_compacted(records: Records, day_s: int) -> None:
    for second in range(3):
        records.landing.quarantine(_odd_rows(day_s, day_s + second), REASONS)
    assert records.compaction.compact_day("quarantine-block-load", date(2026, 6, 1)) == 3
    found = records.readings.quarantined(ProfileKind.BLOCK_LOAD, Period(start_s=day_s, end_s=day_s + 60))
    assert len(found) == 9


def test_each_row_kept_apart_has_a_reason(records: Records, day_s: int) -> None:
    with pytest.raises(ValueError, match="1 reasons for 3 rows"):
        records.landing.quarantine(_odd_rows(day_s), ["future"])
    empty = ReadingBatch(
        kind=ProfileKind.DAILY,
        period_s=0,
        meter_id=np.empty(0, dtype=np.int32),
        start_s=np.empty(0, dtype=np.int64),
        received_s=np.empty(0, dtype=np.int64),
    )
    records.landing.quarantine(empty, [])
    assert records.manifest.days("quarantine-daily") == {}
