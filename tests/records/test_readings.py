"""Questions about readings: newest wins, files from the manifest, block lengths kept apart."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.period import Period
from bijlighar.cim.readings import MISSING, ReadingBatch
from bijlighar.records import Records
from bijlighar.records.batches import MixedPeriods
from bijlighar.records.newest import newest
from bijlighar.records.segment_reader import SegmentReader


@pytest.fixture
def day(day_s: int) -> Period:
    return Period(start_s=day_s, end_s=day_s + 86_400)


def test_the_newest_received_row_wins_whatever_the_order_of_landing(
    records: Records, block_load, day: Period
) -> None:
    later = block_load(range(1, 2), range(4), received_s=day.end_s + 10, more=500)
    earlier = block_load(range(1, 2), range(6), received_s=day.end_s)
    records.landing.land([later], [])
    records.landing.land([earlier], [])
    found = records.readings.rows(ProfileKind.BLOCK_LOAD, 1, day)
    assert found.channels["import_wh"].tolist() == [1500, 1501, 1502, 1503, 1004, 1005]


def test_of_rows_received_in_the_same_second_the_last_landed_wins(
    records: Records, block_load, day: Period
) -> None:
    records.landing.land([block_load(range(1, 2), range(1), more=1)], [])
    records.landing.land([block_load(range(1, 2), range(1), more=2)], [])
    assert records.readings.rows(ProfileKind.BLOCK_LOAD, 1, day).channels["import_wh"].tolist() == [1002]


def test_named_channels_come_alone_and_unknown_ones_as_missing(records: Records, block_load, day: Period) -> None:
    records.landing.land([block_load(range(1, 2), range(2))], [])
    found = records.readings.rows(ProfileKind.BLOCK_LOAD, 1, day, ["import_wh", "export_wh"])
    assert list(found.channels) == ["import_wh", "export_wh"]
    assert found.channels["export_wh"].tolist() == [MISSING, MISSING]


def test_a_channel_that_only_some_rows_have_is_missing_in_the_others(
    records: Records, block_load, day: Period
) -> None:
    narrow = block_load(range(1, 2), range(2))
    del narrow.channels["voltage_mv"]
    records.landing.land([narrow], [])
    records.landing.land([block_load(range(2, 3), range(2))], [])
    found = records.readings.table(ProfileKind.BLOCK_LOAD, [1, 2], day)
    assert found.channels["voltage_mv"].tolist() == [MISSING, MISSING, 230_000, 230_001]


def test_a_period_is_half_open(records: Records, block_load, day: Period) -> None:
    records.landing.land([block_load(range(1, 2), range(-1, 49))], [])
    found = records.readings.rows(ProfileKind.BLOCK_LOAD, 1, day)
    assert (found.start_s[0], found.start_s[-1]) == (day.start_s, day.end_s - 1800)


def test_nothing_kept_is_an_empty_batch(records: Records, day: Period) -> None:
    found = records.readings.rows(ProfileKind.DAILY, 1, day, ["import_wh"])
    assert (len(found), found.period_s, len(found.channels["import_wh"])) == (0, 0, 0)
    assert len(records.readings.table(ProfileKind.DAILY, [], day)) == 0
    assert len(records.readings.last(ProfileKind.DAILY)) == 0
    assert records.readings.contacts(day) == []
    assert len(records.readings.contact_columns(day)) == 0


def test_block_lengths_are_not_mixed_silently(records: Records, block_load, day: Period) -> None:
    records.landing.land([block_load(range(1, 2), range(4)), block_load(range(2, 3), range(4), period_s=900)], [])
    assert records.readings.rows(ProfileKind.BLOCK_LOAD, 2, day).period_s == 900
    with pytest.raises(MixedPeriods) as refusal:
        records.readings.table(ProfileKind.BLOCK_LOAD, None, day)
    assert refusal.value.periods_s == (900, 1800)
    assert len(records.readings.table(ProfileKind.BLOCK_LOAD, None, day, period_s=1800)) == 4


def test_events_of_one_second_stand_beside_each_other(records: Records, day: Period) -> None:
    def events(codes: list[int], received_s: int) -> ReadingBatch:
        rows = len(codes)
        return ReadingBatch(
            kind=ProfileKind.EVENT,
            period_s=0,
            meter_id=np.ones(rows, dtype=np.int32),
            start_s=np.full(rows, day.start_s),
            received_s=np.full(rows, received_s),
            channels={"event_log": np.zeros(rows, dtype=np.int64), "event_code": np.array(codes)},
        )

    records.landing.land([events([7, 9], day.end_s)], [])
    records.landing.land([events([9, 11], day.end_s + 60)], [])
    found = records.readings.rows(ProfileKind.EVENT, 1, day)
    assert found.channels["event_code"].tolist() == [7, 9, 11]
    assert (
        records.readings.rows(ProfileKind.EVENT, 1, day, ["import_wh"]).channels["import_wh"].tolist()
        == [MISSING] * 3
    )


def test_held_names_every_kept_row_once(records: Records, block_load, day: Period) -> None:
    for _ in range(3):
        records.landing.land([block_load(range(1, 3), range(0, 48, 2))], [])
    meter_id, start_s = records.readings.held(ProfileKind.BLOCK_LOAD, day)
    assert meter_id.dtype == np.int32
    assert len(meter_id) == 48
    assert set(np.diff(start_s[:24])) == {3600}
    meter_id, _ = records.readings.held(ProfileKind.BLOCK_LOAD, day, meter_ids=[2])
    assert set(meter_id.tolist()) == {2}


def test_last_is_the_newest_row_of_every_meter(records: Records, block_load) -> None:
    records.landing.land([block_load(range(1, 4), range(48))], [])
    records.landing.land([block_load(range(1, 2), range(10), more=9)], [])
    last = records.readings.last(ProfileKind.BLOCK_LOAD)
    assert last.meter_id.tolist() == [1, 2, 3]
    assert last.channels["import_wh"].tolist() == [1047, 2047, 3047]
    records.landing.land([block_load(range(2, 5), range(48, 50))], [])
    assert records.readings.last(ProfileKind.BLOCK_LOAD).channels["import_wh"].tolist() == [1047, 2049, 3049, 4049]
    assert records.readings.last(ProfileKind.BLOCK_LOAD).meter_id.tolist() == [1, 2, 3, 4]


def test_last_looks_back_only_as_far_as_it_must(records: Records, block_load, monkeypatch) -> None:
    for slot in range(6):
        records.landing.land([block_load(range(1, 4), range(slot, slot + 1))], [])
    records.landing.land([block_load(range(3, 4), range(6, 7))], [])
    read: list[int] = []
    columns = SegmentReader.columns

    def counted(self, segment, **kwargs):
        read.append(segment.start_max_s)
        return columns(self, segment, **kwargs)

    monkeypatch.setattr(SegmentReader, "columns", counted)
    last = records.readings.last(ProfileKind.BLOCK_LOAD)
    assert last.channels["import_wh"].tolist() == [1005, 2005, 3006]
    assert len(read) == 2


def test_a_row_from_the_future_does_not_hide_the_others(records: Records, block_load) -> None:
    records.landing.land([block_load(range(1, 2), range(4))], [])
    records.landing.land([block_load(range(2, 3), range(10**6, 10**6 + 1))], [])
    assert records.readings.last(ProfileKind.BLOCK_LOAD).meter_id.tolist() == [1, 2]


def test_rows_are_counted_by_meter_and_civil_day(records: Records, block_load) -> None:
    records.landing.land([block_load(range(1, 2), range(-2, 50)), block_load(range(5, 6), range(3))], [])
    counts = records.readings.counts(ProfileKind.BLOCK_LOAD, date(2026, 5, 31), date(2026, 6, 2))
    assert counts.meter_id.tolist() == [1, 5]
    assert counts.days == (date(2026, 5, 31), date(2026, 6, 1), date(2026, 6, 2))
    assert counts.rows.tolist() == [[2, 48, 2], [0, 3, 0]]
    with pytest.raises(ValueError, match="lies before"):
        records.readings.counts(ProfileKind.BLOCK_LOAD, date(2026, 6, 2), date(2026, 6, 1))


def test_landed_rows_are_counted_by_day_of_landing(records: Records, block_load, day: Period) -> None:
    records.landing.land([block_load(range(1, 3), range(48), received_s=day.end_s - 1)], [])
    assert records.readings.landed_on(date(2026, 6, 1)) == {"block-load": 96}
    assert records.readings.landed_on(date(2026, 6, 2)) == {}


def test_an_older_generation_answers_as_it_did(records: Records, block_load, day: Period) -> None:
    records.landing.land([block_load(range(1, 2), range(4))], [])
    pin = records.readings.pin(ProfileKind.BLOCK_LOAD, day)
    records.landing.land([block_load(range(1, 2), range(4), received_s=day.end_s + 9, more=7)], [])
    then = records.readings.table(ProfileKind.BLOCK_LOAD, None, day, generation=pin.generation)
    assert then.channels["import_wh"].tolist() == [1000, 1001, 1002, 1003]
    assert records.readings.rows(ProfileKind.BLOCK_LOAD, 1, day).channels["import_wh"][0] == 1007


def test_a_large_segment_is_read_by_row_groups(records: Records, day: Period) -> None:
    meters, slots = 3_000, 48
    batch = ReadingBatch(
        kind=ProfileKind.BLOCK_LOAD,
        period_s=1800,
        meter_id=np.repeat(np.arange(meters, dtype=np.int32), slots),
        start_s=np.tile(day.start_s + 1800 * np.arange(slots), meters),
        received_s=np.full(meters * slots, day.end_s),
        channels={"import_wh": np.arange(meters * slots)},
    )
    records.landing.land([batch], [])
    found = records.readings.rows(ProfileKind.BLOCK_LOAD, 2_999, day)
    assert found.channels["import_wh"].tolist() == list(range(2_999 * 48, 3_000 * 48))
    found = records.readings.table(
        ProfileKind.BLOCK_LOAD, [0, 2_000], Period(start_s=day.start_s, end_s=day.start_s + 1)
    )
    assert found.channels["import_wh"].tolist() == [0, 2_000 * 48]
    gap = Period(start_s=day.start_s + 1, end_s=day.start_s + 2)
    assert len(records.readings.rows(ProfileKind.BLOCK_LOAD, 7, gap)) == 0


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no fault
@given(rows=st.lists(st.tuples(st.integers(1, 3), st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30))
def test_newest_keeps_one_row_per_key(rows: list[tuple[int, int, int]]) -> None:
    meter_id, start_s, received_s = (np.array(column) for column in zip(*rows, strict=True))
    columns = {"meter_id": meter_id, "start_s": start_s, "received_s": received_s, "row": np.arange(len(rows))}
    expected: dict[tuple[int, int], tuple[int, int]] = {}
    for row, (meter, start, received) in enumerate(rows):
        expected[meter, start] = max(expected.get((meter, start), (-1, -1)), (received, row))
    found = newest(columns, ("meter_id", "start_s"))
    kept = {
        (int(meter), int(start)): (int(received), int(row))
        for meter, start, received, row in zip(*found.values(), strict=True)
    }
    assert kept == expected
    assert list(kept) == sorted(kept)
