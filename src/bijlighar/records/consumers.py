"""Which person may see the use of which usage points, and from when on.

A tie begins at an instant, so that whoever moves in sees nothing of the household before. It ends when it is taken
back; the row stays.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    ForeignKey,
    Index,
    RowMapping,
    Table,
    Text,
    insert,
    select,
    text,
)

from bijlighar.records import tables
from bijlighar.records.database import Database
from bijlighar.records.tables import RowNumber, metadata

consumer_points = Table(
    "consumer_points",
    metadata,
    Column("number", RowNumber, primary_key=True),
    Column("person", Text, ForeignKey("people.name"), nullable=False),
    Column("usage_point", Text, ForeignKey("usage_points.code"), nullable=False, index=True),
    Column("since_s", BigInteger, nullable=False),
    Column("tied_by", Text, nullable=False),
    Column("tied_s", BigInteger, nullable=False),
    Column("ended_s", BigInteger),
)
Index(
    "uq_consumer_points_standing",
    consumer_points.c.person,
    consumer_points.c.usage_point,
    unique=True,
    sqlite_where=text("ended_s IS NULL"),
    postgresql_where=text("ended_s IS NULL"),
)

_kept = consumer_points
_people = tables.people


class NotTied(Exception):
    """The tie cannot be made. ``reason`` is one sentence."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerPoint:
    """A usage point that a person may see: what was used from ``since_s`` on (epoch seconds UTC)."""

    person: str
    usage_point: str
    since_s: int
    tied_by: str
    tied_s: int


class Consumers:
    """Ties people to usage points. ``now`` gives epoch seconds of the utility's clock."""

    def __init__(self, database: Database, now: Callable[[], float]) -> None:
        self._database = database
        self._now = now

    def points(self, person: str) -> list[ConsumerPoint]:
        """What a person may see now, by code."""
        return self._standing(person)

    def everybody(self) -> dict[str, list[ConsumerPoint]]:
        """All standing ties by person."""
        by_person: dict[str, list[ConsumerPoint]] = {}
        for each in self._standing(None):
            by_person.setdefault(each.person, []).append(each)
        return by_person

    def _standing(self, person: str | None) -> list[ConsumerPoint]:
        query = select(_kept).where(_kept.c.ended_s.is_(None)).order_by(_kept.c.usage_point, _kept.c.person)
        if person is not None:
            query = query.where(_kept.c.person == person)
        with self._database.read() as connection:
            return [_point(row) for row in connection.execute(query).mappings()]

    def check(self, usage_points: list[str]) -> None:
        """Refuse what is no consumer's usage point. Raises NotTied, Unavailable."""
        with self._database.read() as connection:
            _refuse_no_consumers(connection, usage_points)

    def set_points(self, person: str, usage_points: list[str], *, since_s: int, tied_by: str) -> None:
        """Let a person see exactly these usage points from now on; a tie that stands already keeps its begin.

        ``since_s`` 0: all that is kept. Raises NotTied for a usage point or person that is not known, or one that
        is no consumer's; Unavailable.
        """
        wanted = list(dict.fromkeys(usage_points))
        now_s = int(self._now())
        with self._database.write() as connection:
            if connection.execute(select(_people.c.name).where(_people.c.name == person)).first() is None:
                raise NotTied(f"nobody is called {person}")
            _refuse_no_consumers(connection, wanted)
            mine = (_kept.c.person == person, _kept.c.ended_s.is_(None))
            standing = set(connection.execute(select(_kept.c.usage_point).where(*mine)).scalars())
            gone = standing - set(wanted)
            if gone:
                ending = _kept.update().where(*mine, _kept.c.usage_point.in_(gone))
                connection.execute(ending.values(ended_s=now_s))
            fresh = [
                {
                    "person": person,
                    "usage_point": code,
                    "since_s": since_s,
                    "tied_by": tied_by,
                    "tied_s": now_s,
                    "ended_s": None,
                }
                for code in wanted
                if code not in standing
            ]
            if fresh:
                connection.execute(insert(_kept), fresh)


def _refuse_no_consumers(connection: Connection, usage_points: list[str]) -> None:
    points = tables.usage_points
    query = select(points.c.code, points.c.kind).where(points.c.code.in_(usage_points))
    kinds = {str(code): str(kind) for code, kind in connection.execute(query)}
    for code in usage_points:
        if code not in kinds:
            raise NotTied(f"there is no usage point {code}")
        if kinds[code] != "consumer":
            raise NotTied(f"usage point {code} is a {kinds[code]}'s, no consumer's")


def _point(row: RowMapping) -> ConsumerPoint:
    return ConsumerPoint(**{name: row[name] for name in ConsumerPoint.__dataclass_fields__})
