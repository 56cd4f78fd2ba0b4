"""The manifest: which segments hold the readings. A segment counts when its row here is committed, and only then.

Every change has a generation, a number that grows by one per commit and is committed in order. A reader that pins
a generation sees the same list for as long as the files of retired segments are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, func, or_, select, update

from bijlighar.cim.period import Period
from bijlighar.records import tables
from bijlighar.records.database import Database, current_number, next_number, upsert
from bijlighar.records.segment import QUARANTINE, Segment

_kept = tables.segments
_NAMES = tuple(Segment.__dataclass_fields__)
_COLUMNS = [_kept.c[name] for name in _NAMES]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """A list of segments that does not change. ``generation`` names it."""

    generation: int
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """A segment that was acknowledged and is gone or damaged."""

    file: str
    kind: str
    rows: int
    since_s: int
    reason: str


class _StandsNoMore(Exception):
    """Leaves the transaction: a segment was retired or lost meanwhile."""


class Manifest:
    """Commits and lists segments."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def commit(self, segments: Sequence[Segment], beside: Callable[[Connection], None] | None = None) -> int:
        """Make segments count, all in one transaction, and return the generation. Known ones stay as they are.

        ``beside`` writes what must become durable together with them, or not at all.
        """
        with self._database.write() as connection:
            generation = next_number(connection, "manifest")
            insert_segments(connection, segments, generation)
            if beside is not None:
                beside(connection)
        return generation

    def replace(self, old: Sequence[Segment], new: Segment, *, now_s: int) -> bool:
        """Let one segment stand for others, in one transaction; False when one of the others stands no more."""
        try:
            self._replace(old, new, now_s)
        except _StandsNoMore:
            return False
        return True

    def _replace(self, old: Sequence[Segment], new: Segment, now_s: int) -> None:
        with self._database.write() as connection:
            generation = next_number(connection, "manifest")
            named = _kept.c.segment_id.in_([segment.segment_id for segment in old])
            retired = update(_kept).where(named, _LIVE).values(retired_generation=generation, retired_s=now_s)
            if connection.execute(retired).rowcount != len(old):
                raise _StandsNoMore
            insert_segments(connection, [new], generation)

    def pin(
        self,
        kind: str,
        *,
        period: Period | None = None,
        meters: tuple[int, int] | None = None,
        generation: int | None = None,
        after_generation: int | None = None,
    ) -> Pin:
        """The segments of a kind that may hold rows that start in ``period`` of meters in ``[first, last]``.

        ``generation`` asks for an older list, ``after_generation`` only for what came later. In landing order.
        """
        conditions = [_kept.c.kind == kind, _live_at(generation)]
        if period is not None:
            conditions += [_kept.c.start_max_s >= period.start_s, _kept.c.start_min_s < period.end_s]
        if meters is not None:
            conditions += [_kept.c.meter_min <= meters[1], _kept.c.meter_max >= meters[0]]
        if after_generation is not None:
            conditions.append(_kept.c.generation > after_generation)
        query = select(*_COLUMNS).where(*conditions).order_by(_kept.c.landing_order, _kept.c.segment_id)
        with self._database.read() as connection:
            newest = current_number(connection, "manifest")
            rows = connection.execute(query).all()
        return Pin(
            generation=newest if generation is None else generation,
            segments=tuple(_segment(row) for row in rows),
        )

    def pin_day(self, kind: str, day: date) -> Pin:
        """The segments of a kind that were landed on a civil day."""
        query = select(*_COLUMNS).where(_kept.c.kind == kind, _kept.c.day == day.isoformat(), _LIVE)
        with self._database.read() as connection:
            generation = current_number(connection, "manifest")
            rows = connection.execute(query.order_by(_kept.c.landing_order, _kept.c.segment_id)).all()
        return Pin(generation=generation, segments=tuple(_segment(row) for row in rows))

    def latest_start_s(self, kind: str) -> int:
        """The last start of any kept row of a kind, 0 when there is none."""
        with self._database.read() as connection:
            found = connection.execute(select(func.max(_kept.c.start_max_s)).where(_kept.c.kind == kind, _LIVE))
            return int(found.scalar() or 0)

    def landed_on(self, day: date) -> dict[str, int]:
        """Rows landed on a civil day, by kind, without those kept apart.

        Rows landed twice count twice until their day is compacted.
        """
        query = select(_kept.c.kind, func.sum(_kept.c.rows)).where(_kept.c.day == day.isoformat(), _LIVE)
        query = query.where(_kept.c.kind.not_like(f"{QUARANTINE}%"))
        with self._database.read() as connection:
            return {kind: int(rows) for kind, rows in connection.execute(query.group_by(_kept.c.kind))}

    def days(self, kind: str) -> dict[date, int]:
        """Landing days that have segments of a kind, with how many."""
        query = select(_kept.c.day, func.count()).where(_kept.c.kind == kind, _LIVE).group_by(_kept.c.day)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(_kept.c.day)).all()
        return {date.fromisoformat(day): count for day, count in rows}

    def crowded(self, least: int) -> list[tuple[str, date]]:
        """Kinds and landing days with at least so many segments, or with several and over; oldest day first."""
        newest = select(func.max(_kept.c.day)).where(_LIVE).scalar_subquery()
        many = or_(func.count() >= least, and_(func.count() > 1, _kept.c.day < newest))
        query = select(_kept.c.kind, _kept.c.day).where(_LIVE).group_by(_kept.c.kind, _kept.c.day).having(many)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(_kept.c.day, _kept.c.kind)).all()
        return [(kind, date.fromisoformat(day)) for kind, day in rows]

    def losses(self) -> list[Loss]:
        """Segments that were acknowledged and are gone or damaged, longest known first."""
        lost = _kept.c.lost_s.is_not(None) & _kept.c.retired_generation.is_(None)
        with self._database.read() as connection:
            rows = connection.execute(select(_kept).where(lost).order_by(_kept.c.lost_s)).mappings().all()
        return [
            Loss(
                file=row["file"],
                kind=row["kind"],
                rows=row["rows"],
                since_s=row["lost_s"],
                reason=row["lost_reason"],
            )
            for row in rows
        ]


_LIVE = and_(_kept.c.retired_generation.is_(None), _kept.c.lost_s.is_(None))


def _live_at(generation: int | None) -> ColumnElement[bool]:
    if generation is None:
        return _LIVE
    not_yet_retired = or_(_kept.c.retired_generation.is_(None), _kept.c.retired_generation > generation)
    return and_(_kept.c.generation <= generation, not_yet_retired, _kept.c.lost_s.is_(None))


def insert_segments(connection: Connection, segments: Sequence[Segment], generation: int) -> None:
    """Insert manifest rows inside a transaction; a segment that is known stays as it is."""
    upsert(connection, _kept, [_row(segment, generation) for segment in segments], keep=True)


def _row(segment: Segment, generation: int) -> dict[str, Any]:
    return {
        **asdict(segment),
        "day": segment.day.isoformat(),
        "file": segment.file,
        "landing_order": segment.landing_order or generation,
        "generation": generation,
    }


def _segment(row: Row[*tuple[Any, ...]]) -> Segment:
    fields = dict(zip(_NAMES, row, strict=True))
    fields["day"] = date.fromisoformat(fields["day"])
    return Segment(**fields)
