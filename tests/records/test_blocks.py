"""Sealed blocks on disk: whole or absent, the newest standing, months meter-major, old ones expired."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.exchange import Unavailable
from bijlighar.cim.period import civil_day
from bijlighar.cim.readings import MISSING, ReadingBatch
from bijlighar.mdm import Sealed, seal
from bijlighar.records import Records
from bijlighar.records.blocks import BlockDamaged, SealedBucket
from bijlighar.records.blocks_file import columns_of, narrow, sealed_of, step_of, widened
from bijlighar.records.blocks_manifest import RAW, BlockFile, Superseded
from bijlighar.records.files import Files
from records.test_faults import FaultyFiles, _locked

JUNE = date(2026, 6, 1)


def value(meter: np.ndarray | int, day: date, slot: np.ndarray | int, more: int = 0) -> np.ndarray:
    """What a meter counted in a slot: never the same twice."""
    return np.asarray(meter * 1_000_000 + day.toordinal() % 100 * 10_000 + slot * 10 + more)


def sealed_day(
    day: date, meters: Sequence[int], *, more: Sequence[int] = (0,), period_s: int = 1800, missing: int = -1
) -> Sealed:
    """A day in which each of ``more`` is a version, received an hour after the one before."""
    period = civil_day(day)
    slots = period.seconds // period_s
    meter = np.repeat(np.array(meters), slots)
    slot = np.tile(np.arange(slots), len(meters))
    keep = slot != missing
    batches = [
        ReadingBatch(
            kind=ProfileKind.BLOCK_LOAD,
            period_s=period_s,
            meter_id=meter[keep].astype(np.int32),
            start_s=period.start_s + slot[keep] * period_s,
            received_s=np.full(keep.sum(), period.end_s + 3600 * number),
            channels={"import_wh": value(meter, day, slot, each)[keep], "voltage_mv": 230_000 + slot[keep]},
        )
        for number, each in enumerate(more)
    ]
    return seal(batches, day=period, period_s=period_s, meter_id=np.array(meters, dtype=np.int32))


def put(
    records: Records, day: date, sealed: Sealed, *, bucket: int = 0, old: Sequence[BlockFile] = ()
) -> BlockFile:
    columns = columns_of(sealed, day, ["T1"] * len(sealed.blocks))
    bucketful = SealedBucket(bucket=bucket, columns=columns, segments_generation=1, network_version=1)
    (block,) = records.blocks.put([bucketful], old)
    return block


def read(records: Records, day: date) -> list[Sealed]:
    return [sealed_of(records.blocks.read(block, day), civil_day(day)) for block in records.blocks.day(day)]


def test_a_block_comes_back_as_it_was_sealed_with_its_older_versions(records: Records) -> None:
    sealed = sealed_day(JUNE, [3, 7], more=(50, 0), missing=4)
    block = put(records, JUNE, sealed)
    assert block.steps == {"import_wh": 10, "voltage_mv": 1}
    (back,) = read(records, JUNE)
    for mine, its in ((back.blocks, sealed.blocks), (back.older, sealed.older)):
        assert mine.meter_id.tolist() == its.meter_id.tolist()
        assert np.array_equal(mine.received_s, its.received_s)
        assert np.array_equal(mine.flags, its.flags)
        for name in ("import_wh", "voltage_mv"):
            assert np.array_equal(mine.channel(name), its.channel(name))
    assert records.blocks.read(block, JUNE).transformer.tolist() == ["T1"] * 4


def test_thirty_and_fifteen_minutes_are_a_block_set_each(records: Records) -> None:
    put(records, JUNE, sealed_day(JUNE, [1]))
    put(records, JUNE, sealed_day(JUNE, [2], period_s=900))
    assert [each.blocks.slots for each in read(records, JUNE)] == [96, 48]


def test_a_newer_block_stands_and_a_pinned_generation_sees_the_older(records: Records) -> None:
    first = put(records, JUNE, sealed_day(JUNE, [1]))
    pinned = records.blocks.manifest.generation()
    second = put(records, JUNE, sealed_day(JUNE, [1], more=(20,)), old=[first])
    (before,) = records.blocks.day(JUNE, generation=pinned)
    (now,) = records.blocks.day(JUNE)
    assert (before.block_id, now.block_id) == (first.block_id, second.block_id)
    with pytest.raises(Superseded):
        put(records, JUNE, sealed_day(JUNE, [1], more=(30,)), old=[first])
    assert records.blocks.day(JUNE) == [now]
    assert len(list((records.blocks._files.root / RAW / "2026-06").iterdir())) == 2


def test_a_closed_month_is_meter_major_and_says_the_same(records: Records) -> None:
    days = [JUNE + timedelta(days=number) for number in range(30)]
    for day in days:
        put(records, day, sealed_day(day, range(1, 41), more=(50, 0) if day.day == 3 else (0,)))
        put(records, day, sealed_day(day, [50], period_s=900), bucket=1)
    before = [read(records, day) for day in days]
    assert records.block_compaction.compact_month(2026, 6) == 60
    assert records.block_compaction.compact_month(2026, 6) == 0
    for day, old in zip(days, before, strict=True):
        for mine, its in zip(read(records, day), old, strict=True):
            assert np.array_equal(mine.blocks.channel("import_wh"), its.blocks.channel("import_wh"))
            assert np.array_equal(mine.older.channel("import_wh"), its.older.channel("import_wh"))
    (month,) = records.blocks.meter_days(17, days[0], days[-1])
    assert month.day.tolist() == sorted(month.day.tolist())
    assert len(month) == 30
    assert month.channels["import_wh"][2].tolist() == value(17, days[2], np.arange(48)).tolist()
    (quarter,) = records.blocks.meter_days(50, days[4], days[5], ["import_wh"])
    assert quarter.channels["import_wh"].shape == (2, 96)
    assert records.blocks.meter_days(99, days[0], days[-1]) == []


def test_a_day_sealed_anew_after_its_month_was_closed_stands_before_it(records: Records) -> None:
    days = [JUNE, JUNE + timedelta(days=1)]
    for day in days:
        put(records, day, sealed_day(day, [1, 2]))
    records.block_compaction.compact_month(2026, 6)
    put(records, days[1], sealed_day(days[1], [1, 2], more=(0, 7)))
    (month,) = records.blocks.meter_days(2, days[0], days[1], ["import_wh"])
    assert month.channels["import_wh"][:, 5].tolist() == [
        int(value(2, days[0], 5)),
        int(value(2, days[1], 5, 7)),
    ]
    (anew,) = read(records, days[1])
    assert anew.blocks.channel("import_wh")[0, 0] == value(1, days[1], 0, 7)
    assert records.block_compaction.compact_month(2026, 6) == 2
    (again,) = records.blocks.meter_days(2, days[0], days[1], ["import_wh"])
    assert again.channels["import_wh"].tolist() == month.channels["import_wh"].tolist()


def test_expired_blocks_count_no_more_and_their_files_go_later(records_url: str, tmp_path: Path) -> None:
    clock = [1_800_000_000.0]
    with Records(records_url, tmp_path, wall=lambda: clock[0]) as records:
        may = date(2026, 5, 31)
        put(records, may, sealed_day(may, [1]))
        kept = put(records, JUNE, sealed_day(JUNE, [1]))
        pinned = records.blocks.manifest.generation()
        assert records.blocks.expire(JUNE) == 1
        assert records.blocks.day(may) == []
        assert records.blocks.day(JUNE) == [records.blocks.day(JUNE, generation=pinned)[0]]
        (old,) = records.blocks.day(may, generation=pinned)
        assert len(records.blocks.read(old, may)) == 1  # whoever pinned it reads on
        assert records.blocks.sweep() == 0
        clock[0] += 3601
        assert records.blocks.sweep() == 1
        assert not (tmp_path / "blocks" / old.file).exists()
        assert (tmp_path / "blocks" / kept.file).exists()


def test_a_damaged_block_is_told_once_and_counts_no_more(records: Records, tmp_path: Path) -> None:
    block = put(records, JUNE, sealed_day(JUNE, [1, 2]))
    path = tmp_path / "blocks" / block.file
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(BlockDamaged, match="cannot be read"):
        records.blocks.read(block, JUNE)
    assert records.blocks.day(JUNE) == []
    missing = put(records, JUNE, sealed_day(JUNE, [1, 2]))
    (tmp_path / "blocks" / missing.file).unlink()
    with pytest.raises(BlockDamaged, match="missing"):
        records.blocks.meter_days(1, JUNE, JUNE)


def test_values_beyond_32_bits_and_missing_ones_keep_their_sense() -> None:
    wide = np.array([[MISSING, 0, 2**31, -5]], dtype=np.int64)
    assert narrow(wide).dtype == np.int64
    assert widened(narrow(wide)).tolist() == wide.tolist()
    small = np.array([[MISSING, 0, 2**31 - 1, -(2**31) + 1]], dtype=np.int64)
    assert narrow(small).dtype == np.int32
    assert widened(narrow(small)).tolist() == small.tolist()
    assert step_of(narrow(np.array([[MISSING, 20, -300]]))) == 10
    assert step_of(narrow(np.array([[7, 20]]))) == 1
    assert step_of(narrow(np.append(np.full(2000, 1000), 100)[None])) == 100


def test_transformers_keep_their_bucket(records: Records) -> None:
    assert records.blocks.manifest.keep_places({"T1": 0, "": 1}) == {"T1": 0, "": 1}
    assert records.blocks.manifest.keep_places({"T1": 5, "T2": 1}) == {"T1": 0, "": 1, "T2": 1}


def test_a_full_disk_leaves_the_old_block_and_nothing_else(records_url: str, tmp_path: Path) -> None:
    faulty = [FaultyFiles(tmp_path / "blocks")]
    with Records(
        records_url, tmp_path, files=lambda root: faulty[0] if root.name == "blocks" else Files(root)
    ) as records:
        old = put(records, JUNE, sealed_day(JUNE, [1]))
        for at in ("write", "rename", "sync_folder"):
            faulty[0].fault, faulty[0].at = errno.ENOSPC, at
            with pytest.raises(Unavailable, match="full"):
                put(records, JUNE, sealed_day(JUNE, [1], more=(20,)), old=[old])
            assert [block.block_id for block in records.blocks.day(JUNE)] == [old.block_id]
            assert [path.name for path in (tmp_path / "blocks").glob("*/*/*")] == [Path(old.file).name]
        faulty[0].fault = 0
        new = put(records, JUNE, sealed_day(JUNE, [1], more=(20,)), old=[old])
        assert [block.block_id for block in records.blocks.day(JUNE)] == [new.block_id]


def test_a_locked_database_leaves_the_old_block_and_nothing_else(
    records: Records, records_url: str, tmp_path: Path
) -> None:
    old = put(records, JUNE, sealed_day(JUNE, [1]))
    with _locked(records_url), pytest.raises(Unavailable, match="locked"):
        put(records, JUNE, sealed_day(JUNE, [1], more=(20,)), old=[old])
    assert [block.block_id for block in records.blocks.day(JUNE)] == [old.block_id]
    assert [path.name for path in (tmp_path / "blocks").glob("*/*/*")] == [Path(old.file).name]
