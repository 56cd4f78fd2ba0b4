"""Many small segments become one, and nobody notices."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.contacts import Contact, Outcome
from bijlighar.cim.period import Period
from bijlighar.records import Records
from bijlighar.records.compaction import PIN_GRACE_S
from bijlighar.records.manifest import Manifest
from bijlighar.records.segment import SegmentDamaged

KIND = ProfileKind.BLOCK_LOAD.value
LANDED = date(2026, 6, 2)


def _files(tmp_path: Path) -> list[Path]:
    return sorted(tmp_path.glob(f"segments/{KIND}/*/*.parquet"))


def _land(records: Records, block_load, slots: int = 48) -> None:
    for slot in range(slots):
        records.landing.land([block_load(range(1, 13), range(slot, slot + 1))], [])


def test_a_compacted_day_answers_the_same(records: Records, block_load, tmp_path: Path, day_s: int) -> None:
    period = Period(start_s=day_s, end_s=day_s + 86_400)
    _land(records, block_load)
    before = records.readings.table(ProfileKind.BLOCK_LOAD, None, period)
    assert records.compaction.compact_day(KIND, LANDED) == 48
    after = records.readings.table(ProfileKind.BLOCK_LOAD, None, period)
    assert np.array_equal(before.channels["import_wh"], after.channels["import_wh"])
    assert np.array_equal(before.meter_id, after.meter_id)
    assert len(records.readings.pin(ProfileKind.BLOCK_LOAD).segments) == 1
    assert records.compaction.compact_day(KIND, LANDED) == 0


def test_older_versions_are_kept_and_doubles_are_not(records: Records, block_load, day_s: int) -> None:
    for _ in range(2):
        records.landing.land([block_load(range(1, 2), range(4))], [])
    records.landing.land([block_load(range(1, 2), range(4), received_s=day_s + 86_500, more=5)], [])
    records.compaction.compact_day(KIND, LANDED)
    (segment,) = records.readings.pin(ProfileKind.BLOCK_LOAD).segments
    assert segment.rows == 8


def test_the_last_landed_still_wins_after_compaction(records: Records, block_load, day_s: int) -> None:
    records.landing.land([block_load(range(1, 2), range(1), more=1)], [])
    records.landing.land([block_load(range(1, 2), range(1), more=2)], [])
    records.compaction.compact_day(KIND, LANDED)
    found = records.readings.rows(ProfileKind.BLOCK_LOAD, 1, Period(start_s=day_s, end_s=day_s + 1))
    assert found.channels["import_wh"].tolist() == [1002]


def test_a_pinned_list_stays_readable_until_the_sweep(
    records_url: str, tmp_path: Path, block_load, day_s: int
) -> None:
    wall = [1_000.0]
    with Records(records_url, tmp_path, wall=lambda: wall[0]) as records:
        _land(records, block_load, 3)
        pin = records.readings.pin(ProfileKind.BLOCK_LOAD)
        records.compaction.compact_day(KIND, LANDED)
        assert records.compaction.sweep() == 0
        period = Period(start_s=day_s, end_s=day_s + 86_400)
        then = records.readings.table(ProfileKind.BLOCK_LOAD, None, period, generation=pin.generation)
        assert len(then) == 36
        assert len(_files(tmp_path)) == 4
        wall[0] += PIN_GRACE_S + 1
        assert records.compaction.sweep() == 3
        assert len(_files(tmp_path)) == 1
        assert len(records.readings.table(ProfileKind.BLOCK_LOAD, None, period)) == 36
        assert records.check(contents=True).lost == ()


def test_a_reader_whose_files_were_swept_looks_again(
    records_url: str, tmp_path: Path, block_load, day_s: int, monkeypatch
) -> None:
    wall = [1_000.0]
    with Records(records_url, tmp_path, wall=lambda: wall[0]) as records:
        _land(records, block_load, 3)
        pinned = Manifest.pin

        def pin_then_compact(self, *args, **kwargs):
            pin = pinned(self, *args, **kwargs)
            monkeypatch.setattr(Manifest, "pin", pinned)
            records.compaction.compact_day(KIND, LANDED)
            wall[0] += PIN_GRACE_S + 1
            records.compaction.sweep()
            return pin

        with Records(records_url, tmp_path) as reader:
            monkeypatch.setattr(Manifest, "pin", pin_then_compact)
            found = reader.readings.table(
                ProfileKind.BLOCK_LOAD, None, Period(start_s=day_s, end_s=day_s + 86_400)
            )
        assert len(found) == 36


def test_two_compactions_do_not_double_a_day(records: Records, block_load, tmp_path: Path) -> None:
    _land(records, block_load, 3)
    segments = records.manifest.pin_day(KIND, LANDED).segments
    records.compaction.compact_day(KIND, LANDED)
    late = replace(segments[0], segment_id="late")
    assert not records.manifest.replace(segments, late, now_s=1)
    assert len(records.manifest.pin_day(KIND, LANDED).segments) == 1


def test_contacts_are_compacted_too(records: Records, day_s: int) -> None:
    for second in range(5):
        contact = Contact(
            meter_id=1,
            started_ms=(day_s + second) * 1000,
            purpose="daily",
            outcome=Outcome.RESET,
            detail=f"try {second}",
        )
        records.landing.land([], [contact, contact])
    assert records.compaction.compact_day("contact", date(2026, 6, 1)) == 5
    contacts = records.readings.contacts(Period(start_s=day_s, end_s=day_s + 60))
    assert [contact.detail for contact in contacts] == [f"try {second}" for second in range(5)]


def test_a_day_is_due_when_it_has_many_segments(records: Records, block_load) -> None:
    _land(records, block_load, 48)
    assert records.compaction.due() == []
    assert records.compaction.tend() == 0
    _land(records, block_load, 20)
    assert records.compaction.due() == [(KIND, LANDED)]
    assert records.compaction.tend() == 68
    assert records.compaction.due() == []


def test_a_day_that_is_over_is_merged_whole(records: Records, block_load, day_s: int) -> None:
    _land(records, block_load, 3)
    assert records.compaction.due() == []
    records.landing.land([block_load(range(1, 2), range(1), received_s=day_s + 2 * 86_400)], [])
    assert records.compaction.due() == [(KIND, LANDED)]
    assert records.compaction.tend() == 3


def test_a_damaged_segment_stops_a_merge_once(records: Records, block_load, tmp_path: Path) -> None:
    _land(records, block_load, 3)
    _files(tmp_path)[1].write_bytes(b"PAR1")
    with pytest.raises(SegmentDamaged):
        records.compaction.compact_day(KIND, LANDED)
    assert records.compaction.compact_day(KIND, LANDED) == 2
    assert [alarm.code for alarm in records.alarms()] == ["segment-lost"]


def test_last_rows_survive_a_compaction_between_two_looks(records: Records, block_load) -> None:
    _land(records, block_load, 2)
    assert len(records.readings.last(ProfileKind.BLOCK_LOAD)) == 12
    records.landing.land([block_load(range(13, 14), range(2))], [])
    records.compaction.compact_day(KIND, LANDED)
    last = records.readings.last(ProfileKind.BLOCK_LOAD)
    assert last.meter_id.tolist() == list(range(1, 14))
