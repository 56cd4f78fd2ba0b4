"""A day's steps on an engine: the work is dealt out in items, done wherever, and committed here alone.

Both engines call the same function on the same items. A day counts in one transaction, or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import Protocol
from zoneinfo import ZoneInfo

from bijlighar.cim.period import KOLKATA
from bijlighar.operations.day_estimate import DayEstimated
from bijlighar.operations.day_round import exceptions_of
from bijlighar.operations.day_seal import DaySealed
from bijlighar.operations.day_validate import DayFindings
from bijlighar.operations.engine_items import (
    Item,
    Outcome,
    estimate_items,
    seal_items,
    together_estimated,
    together_sealed,
    validate_items,
    work,
)
from bijlighar.records import Records
from bijlighar.records.blocks_manifest import BlockFile
from bijlighar.records.exceptions import Judged
from bijlighar.records.pinned_files import Changes, commit
from bijlighar.records.segment import SegmentDamaged

DAYS_AT_ONCE = 4
"""Days whose items are dealt out together, so that all workers stay busy at a day's end: what is known of the
meters of four days of a city is some 150 MB."""

PARTS_A_WORKER = 2
"""Parts of a day to be sealed for each worker: they even out, and each reads the segments once more."""


class Engine(Protocol):
    """Where items are done."""

    @property
    def workers(self) -> int:
        """How many items are done at the same time."""

    def run(self, task: Callable[[Item], Outcome], items: Sequence[Item]) -> list[Outcome]:
        """Do the items, each at least once, and return one outcome of each in their order."""


class DamagedMeanwhile(Exception):
    """A file of a day was damaged, which the records know now: repeat the command. ``day``, ``file``."""

    def __init__(self, day: date, file: str) -> None:
        super().__init__(f"{file} is damaged; the records know it now, seal {day} again")
        self.day = day
        self.file = file


def seal_days(
    records: Records, engine: Engine, days: Sequence[date], zone: ZoneInfo = KOLKATA
) -> Iterator[DaySealed]:
    """Seal days as ``day_seal`` does. Raises DamagedMeanwhile, SegmentDamaged, Superseded, Unavailable."""
    parts = engine.workers * PARTS_A_WORKER

    def items(day: date) -> Iterator[Item]:
        return seal_items(records, day, zone, parts)

    for day, outcomes in _done(records, engine, days, items):
        yield together_sealed(day, [each.sealed for each in outcomes if each.sealed is not None])


def estimate_days(
    records: Records, engine: Engine, days: Sequence[date], now_s: int, zone: ZoneInfo = KOLKATA
) -> Iterator[DayEstimated]:
    """Estimate sealed days as ``day_estimate`` does. Raises as ``seal_days``, UnknownLimit."""

    def items(day: date) -> Iterator[Item]:
        return estimate_items(records, day, zone, now_s)

    for day, outcomes in _done(records, engine, days, items):
        yield together_estimated(day, [each.estimated for each in outcomes if each.estimated is not None])


def validate_days(
    records: Records, engine: Engine, days: Sequence[date], now_s: int, zone: ZoneInfo = KOLKATA
) -> Iterator[tuple[date, Judged]]:
    """Validate sealed days and keep what was found in the queue. Raises as ``estimate_days``."""
    limits = {}

    def items(day: date) -> Iterator[Item]:
        for item in validate_items(records, day, zone):
            limits[day] = item.known.limits
            yield item

    for day, outcomes in _done(records, engine, days, items):
        blocks = tuple(each.findings for each in outcomes if each.findings is not None)
        found = exceptions_of(DayFindings(day=day, limits=limits[day], blocks=blocks)) if blocks else []
        yield day, records.exceptions.keep(day, found, now_s)


def _done(
    records: Records, engine: Engine, days: Sequence[date], items_of: Callable[[date], Iterator[Item]]
) -> Iterator[tuple[date, list[Outcome]]]:
    """Days with their outcomes, some at a time, each committed."""
    for first in range(0, len(days), DAYS_AT_ONCE):
        some = days[first : first + DAYS_AT_ONCE]
        items = [item for day in some for item in items_of(day)]
        outcomes = engine.run(work, items) if items else []
        blocks = {block.file: block for item in items for block in item.pinned.blocks}
        for day in some:
            mine = [each for each in outcomes if each.day == day]
            _commit(records, day, mine, blocks)
            yield day, mine


def _commit(records: Records, day: date, outcomes: Sequence[Outcome], blocks: dict[str, BlockFile]) -> None:
    changes = Changes()
    for each in outcomes:
        changes.add(each.changes)
    damaged = [each.damaged for each in outcomes if each.damaged is not None]
    if not damaged:
        commit(records.blocks, changes)
        return
    records.blocks.remove_written(changes.new)
    for file in damaged:
        if file in blocks:
            records.blocks.whole(blocks[file])  # tells it to the manifest, by an exception of its own
        else:
            records.block_source.examine(file)
            raise SegmentDamaged(file=file, reason="it is not what was written")
    raise DamagedMeanwhile(day, damaged[0])  # it could be read here: another machine's sight of it is damaged
