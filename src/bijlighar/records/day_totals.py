"""Totals of civil days by scope, as the worker computed them: what the day's report is told from.

A scope is a kind of place (``utility``, ``division``, ``substation``, ``feeder``, ``transformer``) or ``make``.
All totals of a day are replaced at once, when its blocks have changed. Readings are let go after their time, these
stay.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import BigInteger, Column, Index, RowMapping, Table, Text, and_, delete, func, insert, select

from bijlighar.cim.day_scope import DayScope
from bijlighar.records.billing_tables import billing_deliveries
from bijlighar.records.database import Database
from bijlighar.records.exceptions_tables import validation_exceptions
from bijlighar.records.tables import installations, metadata, usage_points

NUMBERS = (
    *("meters", "consumers", "meters_whole", "slots_expected", "slots_held", "slots_known", "slots_estimated"),
    *("import_wh", "export_wh", "estimated_wh", "own_peaks_w", "voltage_slots", "voltage_low", "voltage_high"),
    *("transformers", "transformers_told", "lines_slots", "lines_supplied_wh", "lines_lost_wh"),
    *("feeders_told", "feeders_slots", "feeders_supplied_wh", "feeders_lost_wh"),
    *("interruptions", "interrupted", "interrupted_s", "contacts", "contacts_succeeded"),
)
"""What adds up over places and days."""

EXTREMES = ("peak_w", "peak_s", "least_mv", "most_mv")
"""What does not, and may be unknown."""

day_totals = Table(
    "day_totals",
    metadata,
    Column("day", Text, primary_key=True),
    Column("scope", Text, primary_key=True),
    Column("code", Text, primary_key=True),
    Column("parent", Text, nullable=False),
    Column("made_s", BigInteger, nullable=False),
    *(Column(name, BigInteger, nullable=False) for name in NUMBERS),
    *(Column(name, BigInteger) for name in EXTREMES),
    Column("events", Text, nullable=False),
    Column("curve", Text, nullable=False),
    Index("ix_day_totals_scope_parent_day", "scope", "parent", "day"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DayTotal:
    """One scope on one day.

    ``code`` of the place, "" for the utility; ``parent`` code of what it lay within on that day
    ``numbers`` by NUMBERS; ``extremes`` by EXTREMES, None where nothing is known
    ``events``  how many by "kind/severity"
    ``curve``   ``wh`` and ``known`` by half hour: imported energy, and consumers of whom it is known
    """

    day: date
    scope: DayScope
    code: str
    parent: str
    made_s: int
    numbers: Mapping[str, int]
    extremes: Mapping[str, int | None]
    events: Mapping[str, int]
    curve: Mapping[str, Sequence[int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SummedTotal:
    """One place over several days: ``days`` of them have totals; numbers added, extremes of all days."""

    code: str
    parent: str
    days: int
    numbers: Mapping[str, int]
    extremes: Mapping[str, int | None]


class DayTotals:
    """Replaces and tells. Usable from many threads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def replace(self, day: date, totals: Sequence[DayTotal]) -> None:
        """Keep a day's totals in place of those before, in one transaction. Raises Unavailable."""
        rows = [
            {
                "day": day.isoformat(),
                "scope": each.scope.value,
                "code": each.code,
                "parent": each.parent,
                "made_s": each.made_s,
                **each.numbers,
                **each.extremes,
                "events": json.dumps(dict(each.events), separators=(",", ":")),
                "curve": json.dumps(dict(each.curve), separators=(",", ":")),
            }
            for each in totals
        ]
        with self._database.write() as connection:
            connection.execute(delete(day_totals).where(day_totals.c.day == day.isoformat()))
            if rows:
                connection.execute(insert(day_totals), rows)

    def of_days(
        self,
        first: date,
        last: date,
        scope: DayScope,
        *,
        code: str | None = None,
        parent: str | None = None,
    ) -> list[DayTotal]:
        """Totals of the days, both ends included, by day and code; of one place or of those within one."""
        terms = [
            day_totals.c.day >= first.isoformat(),
            day_totals.c.day <= last.isoformat(),
            day_totals.c.scope == scope.value,
        ]
        if code is not None:
            terms.append(day_totals.c.code == code)
        if parent is not None:
            terms.append(day_totals.c.parent == parent)
        query = select(day_totals).where(and_(*terms)).order_by(day_totals.c.day, day_totals.c.code)
        with self._database.read() as connection:
            return [_total(row) for row in connection.execute(query).mappings()]

    def sums(
        self,
        first: date,
        last: date,
        scope: DayScope,
        *,
        parents: Sequence[str] | None = None,
    ) -> list[SummedTotal]:
        """Totals of each place over the days, both ends included, by code: of all, or of those in ``parents``."""
        kept = day_totals.c
        terms = [kept.day >= first.isoformat(), kept.day <= last.isoformat(), kept.scope == scope.value]
        if parents is not None:
            terms.append(kept.parent.in_(list(parents)))
        query = (
            select(
                kept.code,
                func.max(kept.parent).label("parent"),
                func.count().label("days"),
                *(func.sum(kept[name]).label(name) for name in NUMBERS),
                func.min(kept.least_mv).label("least_mv"),
                func.max(kept.most_mv).label("most_mv"),
            )
            .where(*terms)
            .group_by(kept.code)
            .order_by(kept.code)
        )
        peaks = select(kept.code, kept.peak_w, kept.peak_s).where(*terms, kept.peak_w.is_not(None))
        greatest: dict[str, tuple[int, int]] = {}
        with self._database.read() as connection:
            rows = connection.execute(query).mappings().all()
            for code, peak_w, peak_s in connection.execute(peaks.order_by(kept.day)):
                if code not in greatest or peak_w > greatest[code][0]:
                    greatest[code] = (int(peak_w), int(peak_s))
        return [_summed(row, greatest.get(row["code"])) for row in rows]

    def days(self, first: date, last: date) -> list[date]:
        """Days of a span, both ends included, that have totals."""
        query = select(day_totals.c.day).where(
            day_totals.c.scope == DayScope.UTILITY.value,
            day_totals.c.day >= first.isoformat(),
            day_totals.c.day <= last.isoformat(),
        )
        with self._database.read() as connection:
            return sorted(date.fromisoformat(day) for day in connection.execute(query).scalars())

    def newest(self) -> date | None:
        """The last day that has totals."""
        query = select(func.max(day_totals.c.day))
        with self._database.read() as connection:
            found = connection.execute(query).scalar()
        return None if found is None else date.fromisoformat(found)

    def exceptions(self, first: date, last: date) -> dict[str, dict[str, int]]:
        """Validation exceptions of the days as they stand now: how many by state, by the meters' transformers now.

        Those of meters that were taken out of service stand under "".
        """
        found, place, point = validation_exceptions.c, installations, usage_points
        now = and_(place.c.meter_id == found.meter_id, place.c.removed_s.is_(None))
        query = (
            select(point.c.transformer, found.state, func.count())
            .select_from(validation_exceptions)
            .join(place, now, isouter=True)
            .join(point, point.c.code == place.c.usage_point, isouter=True)
            .where(found.day >= first.isoformat(), found.day <= last.isoformat())
            .group_by(point.c.transformer, found.state)
        )
        counts: dict[str, dict[str, int]] = {}
        with self._database.read() as connection:
            for transformer, state, count in connection.execute(query):
                counts.setdefault(transformer or "", {})[state] = int(count)
        return counts

    def statements(self, first: date, last: date) -> dict[str, int]:
        """Billing statements of days or months that end on one of the days, by state."""
        kept = billing_deliveries.c
        month = first.replace(day=1)
        query = (
            select(kept.state, func.count())
            .where(kept.first_day >= month.isoformat(), kept.first_day <= last.isoformat())
            .where(kept.last_day >= first.isoformat(), kept.last_day <= last.isoformat())
            .group_by(kept.state)
        )
        with self._database.read() as connection:
            return {state: int(count) for state, count in connection.execute(query)}


def _summed(row: RowMapping, peak: tuple[int, int] | None) -> SummedTotal:
    extremes = {name: None if row[name] is None else int(row[name]) for name in ("least_mv", "most_mv")}
    peak_w, peak_s = peak or (None, None)
    return SummedTotal(
        code=row["code"],
        parent=row["parent"],
        days=int(row["days"]),
        numbers={name: int(row[name]) for name in NUMBERS},
        extremes={**extremes, "peak_w": peak_w, "peak_s": peak_s},
    )


def _total(row: RowMapping) -> DayTotal:
    return DayTotal(
        day=date.fromisoformat(row["day"]),
        scope=DayScope(row["scope"]),
        code=row["code"],
        parent=row["parent"],
        made_s=row["made_s"],
        numbers={name: row[name] for name in NUMBERS},
        extremes={name: row[name] for name in EXTREMES},
        events=json.loads(row["events"]),
        curve=json.loads(row["curve"]),
    )
