"""A day's work on an engine is what the worker does, wherever the items are done and whoever dies meanwhile."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bijlighar.operations import engine_local
from bijlighar.operations.day_estimate import estimate_day
from bijlighar.operations.day_round import exceptions_of
from bijlighar.operations.day_seal import seal_day
from bijlighar.operations.day_validate import validate_day
from bijlighar.operations.engine_day import estimate_days, seal_days, validate_days
from bijlighar.operations.engine_items import Item, Outcome, work
from bijlighar.operations.engine_local import LocalEngine, WorkersDied
from bijlighar.records import Records
from bijlighar.records.blocks import BlockDamaged
from bijlighar.records.blocks_manifest import Superseded
from bijlighar.records.segment import SegmentDamaged
from operations.engine_town import DAYS, NOW_S, engine_town, everything, land

ALONE = LocalEngine(workers=1)


class Deal:
    """Deals out as for three workers and does it here; ``before`` and ``after`` are called around the work."""

    workers = 3

    def __init__(
        self,
        before: Callable[[Sequence[Item]], None] = lambda _items: None,
        after: Callable[[list[Outcome]], list[Outcome]] = lambda outcomes: outcomes,
    ) -> None:
        self.before = before
        self.after = after

    def run(self, task: Callable[[Item], Outcome], items: Sequence[Item]) -> list[Outcome]:
        self.before(items)
        return self.after([task(item) for item in items])


def test_the_same_comes_out_as_of_the_worker_and_twice_changes_nothing(tmp_path: Path, records_url: str) -> None:
    with engine_town(tmp_path / "worker") as records:
        for day in DAYS:
            as_worker = seal_day(records, day)
        for day in DAYS:
            estimate_day(records, day, now_s=int(NOW_S))
        judged = [
            records.exceptions.keep(day, exceptions_of(validate_day(records, day)), int(NOW_S)) for day in DAYS
        ]
        expected = everything(records)
    with engine_town(tmp_path / "engine", records_url) as records:
        sealed = list(seal_days(records, Deal(), DAYS))
        estimated = list(estimate_days(records, Deal(), DAYS, int(NOW_S)))
        assert [told for _, told in validate_days(records, Deal(), DAYS, int(NOW_S))] == judged
        assert everything(records) == expected
        assert (sealed[-1].blocks_written, sealed[-1].readings) == (as_worker.blocks_written, as_worker.readings)
        assert sealed[-1].corrected == as_worker.corrected > 0
        assert sum(estimated[0].made.values()) > 100
        assert any(expected[f"{DAYS[0]}/exceptions"])
        generation = records.blocks.manifest.generation()
        again = list(seal_days(records, Deal(), DAYS))
        assert [(day.blocks_written, day.blocks_unchanged) for day in again] == [(0, 12), (0, 12)]
        assert sum(next(estimate_days(records, Deal(), DAYS, int(NOW_S) + 60)).made.values()) == 0
        assert records.blocks.manifest.generation() == generation
        assert everything(records) == expected


def test_what_came_late_is_sealed_in_its_bucket(tmp_path: Path) -> None:
    with engine_town(tmp_path / "town") as records:
        list(seal_days(records, Deal(), DAYS))
        land(records, DAYS[0], again=1)  # the same day once more, with other corrections
        (again,) = seal_days(records, Deal(), DAYS[:1])
        assert again.blocks_written > 0
        late = everything(records)
    with engine_town(tmp_path / "other") as records:
        for day in DAYS:
            seal_day(records, day)
        land(records, DAYS[0], again=1)
        seal_day(records, DAYS[0])
        assert everything(records) == late


def _once_killed(item: Item) -> Outcome:
    """The first attempt at the first item dies after it has written; its file is left behind."""
    outcome = work(item)
    mark = item.pinned.data_dir / "killed"
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return outcome


def _always_killed(_item: Item) -> Outcome:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def _with_task(task: Callable[[Item], Outcome], workers: int) -> Deal:
    pool = LocalEngine(workers=workers)
    engine = Deal()
    engine.run = lambda _task, items: pool.run(task, items)  # type: ignore[method-assign]
    return engine


def test_a_killed_process_of_the_pool_loses_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    with engine_town(tmp_path / "quiet") as records:
        list(seal_days(records, ALONE, DAYS))
        expected = everything(records)
    folder = tmp_path / "killed"
    with engine_town(folder) as records:
        list(seal_days(records, _with_task(_once_killed, 2), DAYS))
        assert everything(records) == expected
        committed = set(records.blocks.manifest.known_files())
        present = {path.relative_to(folder / "blocks").as_posix() for path in folder.glob("blocks/*/*/*.parquet")}
        assert committed < present, "the attempt that died had written"
    with Records(None, folder, now=lambda: NOW_S) as records:
        present = {path.relative_to(folder / "blocks").as_posix() for path in folder.glob("blocks/*/*/*.parquet")}
        assert present == committed
        assert everything(records) == expected


def test_a_pool_that_always_dies_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_local, "ATTEMPTS", 1)
    with (
        engine_town(tmp_path / "town") as records,
        pytest.raises(WorkersDied, match="killed 1 times"),
    ):
        list(seal_days(records, _with_task(_always_killed, 2), DAYS[:1]))


def test_a_day_that_somebody_else_sealed_meanwhile_is_not_committed(tmp_path: Path) -> None:
    folder = tmp_path / "town"
    with engine_town(folder) as records:
        list(seal_days(records, ALONE, DAYS))
        land(records, DAYS[0], again=1)

        def quicker(outcomes: list[Outcome]) -> list[Outcome]:
            seal_day(records, DAYS[0])
            return outcomes

        with pytest.raises(Superseded):
            list(seal_days(records, Deal(after=quicker), DAYS[:1]))
        known = set(records.blocks.manifest.known_files())
        assert {p.relative_to(folder / "blocks").as_posix() for p in folder.glob("blocks/*/*/*.parquet")} == known


def test_a_damaged_file_is_told_once_and_the_next_run_makes_it_good(tmp_path: Path) -> None:
    folder = tmp_path / "town"
    with engine_town(folder) as records:
        list(seal_days(records, ALONE, DAYS))
        expected = everything(records)
        (block, *_) = records.blocks.day(DAYS[0])
        (folder / "blocks" / block.file).write_bytes(b"nothing of the kind")
        with pytest.raises(BlockDamaged):
            list(seal_days(records, Deal(), DAYS[:1]))
        list(seal_days(records, Deal(), DAYS[:1]))
        assert everything(records) == expected


def test_a_damaged_segment_is_told_once(tmp_path: Path) -> None:
    folder = tmp_path / "town"

    def damage(items: Sequence[Item]) -> None:
        segment = items[0].pinned.segments[0]
        (folder / "segments" / segment.file).write_bytes(b"nothing of the kind")

    with engine_town(folder) as records:
        with pytest.raises(SegmentDamaged):
            list(seal_days(records, Deal(before=damage), DAYS[:1]))
        assert [alarm.code for alarm in records.alarms()] == ["segment-lost"]
        (sealed,) = seal_days(records, Deal(), DAYS[:1])
        assert sealed.blocks_written == 12


def test_a_task_needs_nothing_but_its_item(tmp_path: Path) -> None:
    """It is a value: what it was made from can be gone, and it carries only the meters of its buckets."""
    items: list[Item] = []
    with engine_town(tmp_path / "town") as records:
        list(seal_days(records, Deal(before=items.extend), DAYS[:1]))
        list(estimate_days(records, Deal(before=items.extend), DAYS[:1], int(NOW_S)))
    first, last = items[0], items[-1]
    assert len([item for item in items if hasattr(item, "plan")]) == 6
    assert set(np.unique(first.plan.bucket_of)) == {-1, 1}  # type: ignore[union-attr]
    assert len(last.known.meters.meter_id) in (1, 40)  # type: ignore[union-attr] # the transformer's own, or its homes
    again = work(replace(first, pinned=replace(first.pinned, owner="000000-ffffffff")))
    assert again.sealed is not None
    assert again.sealed.blocks_written == 2
