"""Validation exceptions: the queue of findings that somebody must look at, and what was decided about each.

A finding that is found again keeps its row; when its figures changed since it was resolved, it is open again. One
that is not found any more is gone, unless somebody resolved it. Rows are never deleted, decisions stand in the
audit log too.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, func, insert, select, update

from bijlighar.records.database import Database
from bijlighar.records.exceptions_tables import validation_exceptions as _kept

MOST_AT_ONCE = 100_000
"""Exceptions that one decision resolves: a third of a city; beyond it somebody chose wrongly."""
_STEP = 500
"""Rows of one statement: SQLite binds 32,766 values at most."""


class ExceptionState(StrEnum):
    """Where an exception stands."""

    OPEN = "open"
    RESOLVED = "resolved"
    GONE = "gone"  # later readings or estimates answered it


class Resolution(StrEnum):
    """What was decided."""

    READING_RIGHT = "reading-right"
    ESTIMATE_STANDS = "estimate-stands"
    EDITED = "edited"
    FIELD_VISIT = "field-visit"
    NOT_BILLED = "not-billed"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundException:
    """One finding of a day. ``first_slot`` to before ``end_slot`` of blocks of ``period_s``; severity 0 to 2."""

    meter_id: int
    rule: int
    rule_version: int
    period_s: int
    first_slot: int
    end_slot: int
    severity: int
    measured: float
    held_against: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationException:
    """A kept finding. ``resolution``, ``reason``, ``resolved_by``, ``resolved_s``: None while nobody decided."""

    exception_id: int
    day: date
    meter_id: int
    rule: int
    rule_version: int
    period_s: int
    first_slot: int
    end_slot: int
    severity: int
    measured: float
    held_against: float
    found_s: int
    judged_s: int
    state: ExceptionState
    resolution: Resolution | None
    reason: str | None
    resolved_by: str | None
    resolved_s: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which exceptions are meant: every field that is not None narrows it; days are inclusive."""

    state: ExceptionState | None = ExceptionState.OPEN
    rule: int | None = None
    least_severity: int = 0
    meter_id: int | None = None
    first_day: date | None = None
    last_day: date | None = None
    ids: Sequence[int] | None = None


class TooMany(Exception):
    """More exceptions were chosen than one decision may resolve. ``count``."""

    def __init__(self, count: int) -> None:
        super().__init__(f"{count} exceptions are more than the {MOST_AT_ONCE} of one decision")
        self.count = count


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What keeping a day's findings did."""

    opened: int
    reopened: int
    standing: int
    gone: int


class Exceptions:
    """Keeps, tells and resolves."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(
        self, day: date, found: Sequence[FoundException], judged_s: int, *, judged: Collection[int] | None = None
    ) -> Judged:
        """Keep all that validation found on a day, in one transaction. Twice is harmless.

        ``judged``: the meters that were looked at; of others nothing is gone. None: all. Raises Unavailable.
        """
        looked_at = None if judged is None else frozenset(judged)
        with self._database.write() as connection:
            rows_before = _of_day(connection, day)
            before = {_key(row): row for row in rows_before if looked_at is None or row["meter_id"] in looked_at}
            fresh, changed, same = _sorted_out(before, found)
            seen = {_key(each) for each in found}
            gone = [
                row["exception_id"]
                for key, row in before.items()
                if key not in seen and row["state"] == ExceptionState.OPEN
            ]
            rows = [
                {
                    **_values(each),
                    "day": day.isoformat(),
                    "found_s": judged_s,
                    "judged_s": judged_s,
                    "state": ExceptionState.OPEN.value,
                }
                for each in fresh
            ]
            if rows:
                connection.execute(insert(_kept), rows)
            for row, each in changed:
                connection.execute(
                    update(_kept)
                    .where(_kept.c.exception_id == row["exception_id"])
                    .values(_reopened(each, judged_s))
                )
            _set(connection, same, {"judged_s": judged_s})
            _set(connection, gone, {"state": ExceptionState.GONE.value, "judged_s": judged_s})
        again = sum(row["state"] != ExceptionState.OPEN for row, _ in changed)
        return Judged(opened=len(rows), reopened=again, standing=len(same) + len(changed) - again, gone=len(gone))

    def queue(self, choice: Choice, *, offset: int = 0, limit: int = 100) -> list[ValidationException]:
        """The chosen ones: the gravest first, then the newest day, then by meter."""
        query = (
            select(_kept)
            .where(_where(choice))
            .order_by(_kept.c.severity.desc(), _kept.c.day.desc(), _kept.c.meter_id, _kept.c.exception_id)
            .offset(offset)
            .limit(limit)
        )
        with self._database.read() as connection:
            return [_exception(row) for row in connection.execute(query).mappings()]

    def counts(self, choice: Choice) -> dict[int, int]:
        """How many are chosen, by rule."""
        query = select(_kept.c.rule, func.count()).where(_where(choice)).group_by(_kept.c.rule)
        with self._database.read() as connection:
            return {int(rule): int(count) for rule, count in connection.execute(query)}

    def meters(self, choice: Choice) -> list[int]:
        """Meters that have a chosen one."""
        query = select(_kept.c.meter_id).where(_where(choice)).distinct().order_by(_kept.c.meter_id)
        with self._database.read() as connection:
            return [int(meter_id) for meter_id in connection.execute(query).scalars()]

    def resolve(self, choice: Choice, *, resolution: Resolution, reason: str, by: str, now_s: int) -> list[int]:
        """Decide about all that are chosen and open; the numbers of those decided now.

        Raises ValueError without a reason or a name, TooMany, Unavailable.
        """
        if not reason.strip() or not by.strip():
            raise ValueError("a decision has a reason, and somebody who made it")
        chosen = and_(_where(choice), _kept.c.state == ExceptionState.OPEN.value)
        with self._database.write() as connection:
            count = connection.execute(select(func.count()).select_from(_kept).where(chosen)).scalar_one()
            if count > MOST_AT_ONCE:
                raise TooMany(count)
            decided = (
                update(_kept)
                .where(chosen)
                .values(
                    state=ExceptionState.RESOLVED.value,
                    resolution=resolution.value,
                    reason=reason.strip(),
                    resolved_by=by,
                    resolved_s=now_s,
                )
                .returning(_kept.c.exception_id)
            )
            return sorted(connection.execute(decided).scalars())


def _of_day(connection: Connection, day: date) -> Sequence[RowMapping]:
    return connection.execute(select(_kept).where(_kept.c.day == day.isoformat())).mappings().all()


def _sorted_out(
    before: dict[tuple[int, ...], RowMapping], found: Sequence[FoundException]
) -> tuple[list[FoundException], list[tuple[RowMapping, FoundException]], list[int]]:
    """Those never seen; those that came back or changed, with their rows; numbers of those that stay."""
    fresh, changed, same = [], [], []
    for each in found:
        row = before.get(_key(each))
        if row is None:
            fresh.append(each)
        elif row["state"] == ExceptionState.GONE or any(
            row[name] != value for name, value in _values(each).items()
        ):
            changed.append((row, each))
        else:
            same.append(int(row["exception_id"]))
    return fresh, changed, same


def _key(each: FoundException | RowMapping) -> tuple[int, ...]:
    names = ("meter_id", "rule", "period_s", "first_slot")
    if isinstance(each, FoundException):
        return tuple(getattr(each, name) for name in names)
    return tuple(each[name] for name in names)


def _values(each: FoundException) -> dict[str, Any]:
    return {name: getattr(each, name) for name in FoundException.__dataclass_fields__}


def _reopened(each: FoundException, judged_s: int) -> dict[str, Any]:
    return {
        **_values(each),
        "judged_s": judged_s,
        "state": ExceptionState.OPEN.value,
        "resolution": None,
        "reason": None,
        "resolved_by": None,
        "resolved_s": None,
    }


def _set(connection: Connection, ids: Sequence[int], values: dict[str, Any]) -> None:
    for first in range(0, len(ids), _STEP):
        connection.execute(
            update(_kept).where(_kept.c.exception_id.in_(ids[first : first + _STEP])).values(values)
        )


def _where(choice: Choice) -> ColumnElement[bool]:
    terms = [_kept.c.severity >= choice.least_severity]
    if choice.state is not None:
        terms.append(_kept.c.state == choice.state.value)
    if choice.rule is not None:
        terms.append(_kept.c.rule == choice.rule)
    if choice.meter_id is not None:
        terms.append(_kept.c.meter_id == choice.meter_id)
    if choice.first_day is not None:
        terms.append(_kept.c.day >= choice.first_day.isoformat())
    if choice.last_day is not None:
        terms.append(_kept.c.day <= choice.last_day.isoformat())
    if choice.ids is not None:
        terms.append(_kept.c.exception_id.in_(choice.ids))
    return and_(*terms)


def _exception(row: RowMapping) -> ValidationException:
    values = dict(row)
    resolution = values.pop("resolution")
    return ValidationException(
        **{
            **values,
            "day": date.fromisoformat(values["day"]),
            "state": ExceptionState(values["state"]),
            "resolution": None if resolution is None else Resolution(resolution),
        }
    )
