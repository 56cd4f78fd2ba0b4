"""Service levels as they were told of a day, kept when nothing of them can change any more; and alarm delays.

The readings behind them are let go after their time; what was told to the utility stays.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, Column, Table, Text, select

from bijlighar.records.database import Database, upsert
from bijlighar.records.tables import metadata

service_levels = Table(
    "service_levels",
    metadata,
    Column("day", Text, primary_key=True),
    Column("part", Text, primary_key=True),
    Column("made_s", BigInteger, nullable=False),
    Column("content", Text, nullable=False),
)


class LevelPart(StrEnum):
    """What is kept of a day."""

    REPORT = "report"
    ALARM_DELAYS = "alarm-delays"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptLevel:
    """``content`` is whatever JSON can say, as of ``made_s`` (epoch seconds of the utility's clock)."""

    made_s: int
    content: Any


class ServiceLevelRecords:
    """Reads and keeps. Usable from many threads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, day: date, part: LevelPart) -> KeptLevel | None:
        """What is kept of a civil day, or None. Raises Unavailable."""
        query = select(service_levels.c.made_s, service_levels.c.content).where(
            service_levels.c.day == day.isoformat(), service_levels.c.part == part.value
        )
        with self._database.read() as connection:
            row = connection.execute(query).first()
        return None if row is None else KeptLevel(made_s=row[0], content=json.loads(row[1]))

    def put(self, day: date, part: LevelPart, kept: KeptLevel) -> None:
        """Keep, in place of what was kept before. Raises Unavailable."""
        row = {
            "day": day.isoformat(),
            "part": part.value,
            "made_s": kept.made_s,
            "content": json.dumps(kept.content, ensure_ascii=False, separators=(",", ":")),
        }
        with self._database.write() as connection:
            upsert(connection, service_levels, [row])
