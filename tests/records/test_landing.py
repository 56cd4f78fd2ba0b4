"""Landing: rows become durable, whole, once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.contacts import Contact, Outcome
from bijlighar.cim.period import Period
from bijlighar.cim.readings import MISSING, ReadingBatch
from bijlighar.records import Records


def _contact(day_s: int, meter_id: int = 1, second: int = 0) -> Contact:
    return Contact(
        meter_id=meter_id,
        started_ms=(day_s + second) * 1000 + 7,
        purpose="block-load+daily",
        outcome=Outcome.OK,
        latency_ms=412,
        signal_dbm=-71,
        octets_received=2048,
        rows=48,
    )


def test_landed_rows_come_back(records: Records, block_load, day_s: int) -> None:
    batch = block_load(range(1, 4), range(48))
    records.landing.land([batch], [])
    found = records.readings.rows(ProfileKind.BLOCK_LOAD, 2, Period(start_s=day_s, end_s=day_s + 86_400))
    assert len(found) == 48
    assert found.period_s == 1800
    assert found.channels["import_wh"].tolist() == [2000 + slot for slot in range(48)]
    assert found.start_s.tolist() == [day_s + 1800 * slot for slot in range(48)]


def test_missing_stays_missing(records: Records, day_s: int) -> None:
    batch = ReadingBatch(
        kind=ProfileKind.INSTANTANEOUS,
        period_s=0,
        meter_id=np.array([1, 2], dtype=np.int32),
        start_s=np.array([day_s, day_s]),
        received_s=np.array([day_s + 5, day_s + 5]),
        channels={"voltage_mv": np.array([MISSING, 230_100]), "active_power_w": np.array([0, MISSING])},
    )
    records.landing.land([batch], [])
    found = records.readings.table(ProfileKind.INSTANTANEOUS, None, Period(start_s=day_s, end_s=day_s + 1))
    assert found.channels["voltage_mv"].tolist() == [MISSING, 230_100]
    assert found.channels["active_power_w"].tolist() == [0, MISSING]


def test_missing_is_null_in_the_file(records: Records, tmp_path: Path, block_load) -> None:
    batch = block_load(range(1, 2), range(2))
    batch.channels["voltage_mv"][1] = MISSING
    records.landing.land([batch], [])
    (file,) = tmp_path.glob("segments/block-load/*/*.parquet")
    assert pq.read_table(file)["voltage_mv"].to_pylist() == [230_000, None]


def test_one_segment_per_kind_and_call(records: Records, tmp_path: Path, block_load, day_s: int) -> None:
    batches = [block_load(range(1, 2), range(4)), block_load(range(2, 3), range(4))]
    records.landing.land(batches, [_contact(day_s), _contact(day_s, 2)])
    assert len(list(tmp_path.glob("segments/block-load/2026-06-02/*.parquet"))) == 1
    assert len(list(tmp_path.glob("segments/contact/2026-06-01/*.parquet"))) == 1


def test_contacts_come_back(records: Records, day_s: int) -> None:
    kept = [_contact(day_s, 2, 1), _contact(day_s, 1, 2)]
    records.landing.land([], kept)
    period = Period(start_s=day_s, end_s=day_s + 60)
    assert records.readings.contacts(period) == kept
    assert records.readings.contacts(period, meter_id=1) == kept[1:]
    columns = records.readings.contact_columns(period)
    assert columns.outcome.tolist() == ["ok", "ok"]
    assert columns.clock_offset_ms.tolist() == [MISSING, MISSING]
    assert columns.signal_dbm.tolist() == [-71, -71]


def test_contacts_outside_the_period_are_left_out(records: Records, day_s: int) -> None:
    records.landing.land([], [_contact(day_s, 1, second) for second in (0, 59, 60)])
    assert len(records.readings.contacts(Period(start_s=day_s, end_s=day_s + 60))) == 2


def test_rows_landed_twice_are_read_once(records: Records, block_load, day_s: int) -> None:
    for _ in range(2):
        records.landing.land([block_load(range(1, 3), range(48))], [_contact(day_s)])
    period = Period(start_s=day_s, end_s=day_s + 86_400)
    assert len(records.readings.table(ProfileKind.BLOCK_LOAD, None, period)) == 96
    assert len(records.readings.contacts(period)) == 1


def test_nothing_to_land_writes_nothing(records: Records, tmp_path: Path, block_load) -> None:
    records.landing.land([block_load(range(1, 1), range(48))], [])
    assert list(tmp_path.glob("segments/*/*/*")) == []


def test_another_process_sees_what_was_landed(
    records: Records, records_url: str, tmp_path: Path, block_load, day_s: int
) -> None:
    with Records(records_url, tmp_path) as other:
        records.landing.land([block_load(range(1, 3), range(48))], [])
        meter_id, start_s = other.readings.held(ProfileKind.BLOCK_LOAD, Period(start_s=day_s, end_s=day_s + 3600))
    assert meter_id.tolist() == [1, 1, 2, 2]
    assert start_s.tolist() == [day_s, day_s + 1800] * 2


@pytest.mark.parametrize("rows", [1, 48, 5000])
def test_values_survive_the_encodings(records: Records, day_s: int, rows: int) -> None:
    random = np.random.default_rng(5)
    values = random.integers(-(2**62), 2**62, rows)
    batch = ReadingBatch(
        kind=ProfileKind.DAILY,
        period_s=0,
        meter_id=np.arange(rows, dtype=np.int32),
        start_s=np.full(rows, day_s),
        received_s=np.full(rows, day_s),
        channels={"import_wh": values, "voltage_mv": values},
    )
    records.landing.land([batch], [])
    found = records.readings.table(ProfileKind.DAILY, None, Period(start_s=day_s, end_s=day_s + 1))
    assert np.array_equal(found.channels["import_wh"], values)
    assert np.array_equal(found.channels["voltage_mv"], values)
