"""How far each day has come: which blocks a step has seen, so that it is done again when they change."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from sqlalchemy import select

from bijlighar.records.blocks_manifest import BlockFile
from bijlighar.records.database import Database, upsert
from bijlighar.records.exceptions_tables import day_progress as _kept


class DayStep(StrEnum):
    """The steps behind sealing."""

    ESTIMATED = "estimated"
    VALIDATED = "validated"
    TOTALLED = "totalled"  # the day's totals were computed
    STATED = "stated"  # statements of the day were made for the billing server
    MONTH_STATED = "month-stated"  # of the month that ends with the day


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A step was done on these ``blocks`` at ``done_s`` (epoch seconds of the utility's clock).

    ``buckets`` names of what it saw of each bucket, where it tells them apart.
    """

    blocks: str
    done_s: int
    buckets: Mapping[int, str] = field(default_factory=dict)


class DayProgress:
    """Keeps what was done last, by day and step."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def done(self, day: date) -> dict[DayStep, Done]:
        """Steps that were done on a day, each as it was done last."""
        columns = (_kept.c.step, _kept.c.blocks, _kept.c.done_s, _kept.c.buckets)
        query = select(*columns).where(_kept.c.day == day.isoformat())
        with self._database.read() as connection:
            return {
                DayStep(step): Done(blocks=blocks, done_s=at, buckets=_buckets(told))
                for step, blocks, at, told in connection.execute(query)
            }

    def put(self, day: date, step: DayStep, done: Done) -> None:
        """Keep that a step was done."""
        row = {
            "day": day.isoformat(),
            "step": step.value,
            "blocks": done.blocks,
            "done_s": done.done_s,
            "buckets": json.dumps(dict(done.buckets)) if done.buckets else None,
        }
        with self._database.write() as connection:
            upsert(connection, _kept, [row])


def _buckets(told: str | None) -> dict[int, str]:
    return {} if told is None else {int(bucket): name for bucket, name in json.loads(told).items()}


def combined(names: Sequence[str]) -> str:
    """One name for several names in their order."""
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


def name_of(blocks: Sequence[BlockFile]) -> str:
    """A name for a set of blocks: the same blocks in any order have the same name, others another one."""
    told = "\n".join(sorted(block.block_id for block in blocks))
    return hashlib.sha256(told.encode()).hexdigest()
