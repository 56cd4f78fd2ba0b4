"""A day is sealed from what was landed, and sealed anew where something came late."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from bijlighar.cim.period import civil_day
from bijlighar.cim.readings import MISSING
from bijlighar.mdm import DayBlocks, SlotFlag, flattened
from bijlighar.operations.day_seal import plan_day, seal_day
from bijlighar.records import Records
from bijlighar.records.blocks_file import sealed_of
from bijlighar.records.blocks_source import dealt
from operations.day_town import JUNE, block_load, town


@pytest.fixture
def records(records_url: str, tmp_path: Path) -> Iterator[Records]:
    """Four consumers under two transformers and one transformer meter."""
    yield from town(tmp_path, records_url)


def blocks(records: Records, day: date = JUNE) -> dict[int, DayBlocks]:
    """By block length; the small town is one bucket."""
    return {
        block.period_s: sealed_of(records.blocks.read(block, day), civil_day(day)).blocks
        for block in records.blocks.day(day)
    }


def test_every_meter_has_a_row_whether_it_gave_something_or_not(records: Records) -> None:
    records.landing.land([block_load([1, 2]), block_load([5], period_s=900)], [])
    told = seal_day(records, JUNE)
    assert (told.blocks_written, told.readings, told.meters_without_rows) == (2, 2 * 48 + 96, [3, 4])
    found = blocks(records)
    assert {period: each.meter_id.tolist() for period, each in found.items()} == {900: [5], 1800: [1, 2, 3, 4]}
    assert found[1800].channel("import_wh")[1, 10] == 2010
    assert found[1800].channel("import_wh")[2, 10] == MISSING
    (block, *_) = records.blocks.day(JUNE)
    assert records.blocks.read(block, JUNE).transformer.tolist() == ["T1"]


def test_only_what_is_touched_is_sealed_anew(records: Records) -> None:
    records.landing.land([block_load([1, 2]), block_load([5], period_s=900)], [])
    seal_day(records, JUNE)
    assert seal_day(records, JUNE).blocks_unchanged == 2
    records.landing.land([block_load([2], slots=range(5, 7), more=3, late_s=7200)], [])
    again = seal_day(records, JUNE)
    assert (again.blocks_written, again.blocks_unchanged, again.corrected) == (1, 1, 2)
    found = blocks(records)[1800]
    assert found.channel("import_wh")[1, 4:8].tolist() == [2004, 2008, 2009, 2007]
    assert found.flags[1, 5] == SlotFlag.CORRECTED
    (block,) = [each for each in records.blocks.day(JUNE) if each.period_s == 1800]
    older = sealed_of(records.blocks.read(block, JUNE), civil_day(JUNE)).older
    assert flattened(older).channels["import_wh"].tolist() == [2005, 2006]


def test_a_bucket_that_got_nothing_stays_as_it_is_and_is_not_asked_again(records: Records) -> None:
    records.blocks.manifest.keep_places({"T1": 0, "T2": 1})
    records.landing.land([block_load([1, 2, 3, 4])], [])
    seal_day(records, JUNE)
    before = {(block.bucket, block.period_s): block.block_id for block in records.blocks.day(JUNE)}
    records.landing.land([block_load([3], slots=range(5, 7), more=3, late_s=7200)], [])
    again = seal_day(records, JUNE)
    assert (again.blocks_written, again.blocks_unchanged, again.readings) == (1, 2, 2 * 48)
    after = {(block.bucket, block.period_s): block.block_id for block in records.blocks.day(JUNE)}
    assert {key for key in before if before[key] != after[key]} == {(1, 1800)}
    assert not records.block_source.has_news(JUNE, records.blocks.day(JUNE))


def test_merging_segments_changes_no_block(records: Records) -> None:
    records.landing.land([block_load([1, 2])], [])
    records.landing.land([block_load([3])], [])
    seal_day(records, JUNE)
    for day in records.manifest.days("block-load"):
        records.compaction.compact_day("block-load", day)
    assert seal_day(records, JUNE).blocks_written == 0


def test_a_meter_that_changed_its_block_length_stands_where_its_rows_are(records: Records) -> None:
    records.landing.land(
        [block_load([1], slots=range(24)), block_load([1], slots=range(48, 96), period_s=900)], []
    )
    seal_day(records, JUNE)
    found = blocks(records)
    assert found[1800].held[0].tolist() == [True] * 24 + [False] * 24
    assert found[900].held[0].tolist() == [False] * 48 + [True] * 48


def test_rows_of_the_day_before_stay_there(records: Records) -> None:
    records.landing.land([block_load([1], slots=range(-2, 2))], [])
    assert seal_day(records, JUNE).readings == 2
    assert seal_day(records, date(2026, 5, 31)).readings == 2


def test_a_damaged_block_is_sealed_anew_from_its_segments(records: Records, tmp_path: Path) -> None:
    records.landing.land([block_load([1, 2])], [])
    seal_day(records, JUNE)
    (block,) = [each for each in records.blocks.day(JUNE) if each.period_s == 1800]
    (tmp_path / "blocks" / block.file).unlink()
    with pytest.raises(Exception, match="the file is missing"):
        seal_day(records, JUNE)
    seal_day(records, JUNE)
    assert blocks(records)[1800].held.sum() == 96


def test_dealing_in_several_passes_gives_the_same_rows(records: Records) -> None:
    records.landing.land([block_load([1, 2, 3]), block_load([5], period_s=900)], [])
    day, bucket_of = civil_day(JUNE), np.array([-1, 0, 1, 0, 2, 2], dtype=np.int32)
    at_once = list(records.block_source.deal(day, bucket_of))
    in_passes = list(records.block_source.deal(day, bucket_of, rows_at_once=100))
    assert [each.buckets for each in at_once] == [(0, 1, 2)]
    assert [each.buckets for each in in_passes] == [(0,), (1,), (2,)]

    def said(dealings: list) -> dict:
        return {
            key: [int(v) for rows in waiting for v in rows.batch(day).channels["import_wh"]]
            for each in dealings
            for key, waiting in each.rows.items()
        }

    assert said(at_once) == said(in_passes)
    assert set(said(at_once)) == {(0, 1800), (1, 1800), (2, 900)}


def test_rows_of_meters_without_a_bucket_are_left_out() -> None:
    columns = {name: np.array([7, 1, 99]) for name in ("meter_id", "start_s", "received_s")}
    found = dealt(columns, 1800, civil_day(JUNE), np.array([-1, 4], dtype=np.int32))
    assert {key: rows.meter_id.tolist() for key, rows in found.items()} == {(4, 1800): [1]}
    nothing = {name: column[:0] for name, column in columns.items()}
    assert dealt(nothing, 1800, civil_day(JUNE), np.array([-1, 4], dtype=np.int32)) == {}


def test_the_plan_knows_transformers_and_awaited_block_lengths(records: Records) -> None:
    plan = plan_day(records, JUNE)
    assert plan.transformer_of == {1: "T1", 2: "T1", 3: "T2", 4: "T2", 5: "T1"}
    assert plan.awaited() == {(0, 1800): [1, 2, 3, 4], (0, 900): [5]}
    assert plan_day(records, JUNE).bucket_of.tolist() == [-1, 0, 0, 0, 0, 0]
