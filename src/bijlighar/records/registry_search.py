"""Search in the registry: a meter with its usage point and everything above it, by words and by filters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, Select, func, or_, select

from bijlighar.cim.network import Meter, MeterCategory, UsagePoint, UsagePointKind
from bijlighar.records import tables
from bijlighar.records.database import Database

_meter, _place, _point = tables.meters, tables.installations, tables.usage_points
_transformer, _feeder = tables.transformers, tables.feeders
_substation, _division = tables.substations, tables.divisions

FILTERS: dict[str, ColumnElement[str]] = {
    "division": _division.c.code,
    "substation": _substation.c.code,
    "feeder": _feeder.c.code,
    "transformer": _transformer.c.code,
    "category": _meter.c.category,
    "kind": _point.c.kind,
    "maker": _meter.c.maker,
    "model": _meter.c.model,
    "group": _meter.c.communication_group,
}
"""What can be filtered by, as codes."""

SORTS: dict[str, ColumnElement[Any]] = {
    "meter_id": _meter.c.meter_id,
    "serial": _meter.c.serial,
    "name": _point.c.name,
    "address": _point.c.address,
    "usage_point": _point.c.code,
    "transformer": _transformer.c.name,
    "feeder": _feeder.c.name,
    "category": _meter.c.category,
    "maker": _meter.c.maker,
    "model": _meter.c.model,
}

_SOUGHT = (
    _meter.c.serial,
    _meter.c.maker,
    _point.c.code,
    _point.c.name,
    _point.c.address,
    _transformer.c.code,
    _transformer.c.name,
)
LIMIT_MOST = 1_000
"""Rows answered at once: more than a page shows, few enough to send."""

SEARCHED_WORDS = 8
"""Words looked for; further ones are ignored, a long pasted text must not build a long query."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterPlace:
    """A meter in service and where it hangs: names for people, codes for filters."""

    meter: Meter
    usage_point: UsagePoint
    installed_s: int
    transformer: str
    transformer_name: str
    feeder: str
    feeder_name: str
    substation: str
    substation_name: str
    division: str
    division_name: str
    division_name_hi: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """``total`` meters were found; ``rows`` are those of the page."""

    total: int
    rows: tuple[MeterPlace, ...]


class RegistrySearch:
    """Looks for meters in service."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def place(self, meter_id: int) -> MeterPlace | None:
        """One meter, or None when it is not in service."""
        with self._database.read() as connection:
            row = connection.execute(_everything().where(_meter.c.meter_id == meter_id)).mappings().first()
        return None if row is None else _meter_place(row)

    def search(
        self, text: str, filters: Mapping[str, str], sort: str, offset: int, limit: int, *, descending: bool
    ) -> Found:
        """See ``Registry.search``."""
        if sort not in SORTS:
            raise ValueError(f"cannot sort by {sort}")
        if offset < 0 or not 0 <= limit <= LIMIT_MOST:
            raise ValueError(f"a page begins at 0 or later and has at most {LIMIT_MOST} rows")
        conditions = [*_words(text), *_filters(filters)]
        column = SORTS[sort].desc() if descending else SORTS[sort].asc()
        page = _everything().where(*conditions).order_by(column, _meter.c.meter_id).offset(offset).limit(limit)
        count = _joined(_count()).where(*conditions)
        with self._database.read() as connection:
            total = connection.execute(count).scalar_one()
            rows = connection.execute(page).mappings().all()
        return Found(total=total, rows=tuple(_meter_place(row) for row in rows))

    def facets(self, text: str, filters: Mapping[str, str]) -> dict[str, dict[str, int]]:
        """See ``Registry.facets``."""
        found: dict[str, dict[str, int]] = {}
        with self._database.read() as connection:
            for name, column in FILTERS.items():
                others = {key: value for key, value in filters.items() if key != name}
                query = _joined(_count(column)).where(*_words(text), *_filters(others))
                found[name] = dict(connection.execute(query.group_by(column).order_by(column)).all())
        return found


def _count(*columns: ColumnElement[Any]) -> Select[Any]:
    return select(*columns, func.count())


def _joined(query: Select[Any]) -> Select[Any]:
    return (
        query.select_from(_place)
        .join(_meter, _meter.c.meter_id == _place.c.meter_id)
        .join(_point, _point.c.code == _place.c.usage_point)
        .join(_transformer, _transformer.c.code == _point.c.transformer)
        .join(_feeder, _feeder.c.code == _transformer.c.feeder)
        .join(_substation, _substation.c.code == _feeder.c.substation)
        .join(_division, _division.c.code == _substation.c.division)
        .where(_place.c.removed_s.is_(None))
    )


def _everything() -> Select[Any]:
    columns: list[ColumnElement[Any]] = [column.label(f"meter_{column.name}") for column in _meter.c]
    columns += [column.label(f"point_{column.name}") for column in _point.c]
    for table, name in ((_transformer, "transformer"), (_feeder, "feeder"), (_substation, "substation")):
        columns += [table.c.code.label(name), table.c.name.label(f"{name}_name")]
    columns += [_division.c.code.label("division"), _division.c.name.label("division_name")]
    columns += [_division.c.name_hi.label("division_name_hi"), _place.c.installed_s]
    return _joined(select(*columns))


def _words(text: str) -> list[ColumnElement[bool]]:
    """Each word stands somewhere."""
    return [
        or_(*(func.lower(column).like(f"%{_escaped(word)}%", escape="\\") for column in _SOUGHT))
        for word in text.lower().split()[:SEARCHED_WORDS]
    ]


def _escaped(word: str) -> str:
    return word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _filters(filters: Mapping[str, str]) -> list[ColumnElement[bool]]:
    unknown = filters.keys() - FILTERS.keys()
    if unknown:
        raise ValueError(f"cannot filter by {', '.join(sorted(unknown))}")
    return [FILTERS[name] == value for name, value in filters.items()]


def _part(row: RowMapping, prefix: str) -> dict[str, Any]:
    return {name.removeprefix(prefix): value for name, value in row.items() if name.startswith(prefix)}


def _meter_place(row: RowMapping) -> MeterPlace:
    meter, point = _part(row, "meter_"), _part(row, "point_")
    group = meter.pop("communication_group")
    meter["category"] = MeterCategory(meter["category"])
    point["kind"] = UsagePointKind(point["kind"])
    names = [name for name in MeterPlace.__dataclass_fields__ if name not in ("meter", "usage_point")]
    return MeterPlace(
        meter=Meter(usage_point=point["code"], group=group, **meter),
        usage_point=UsagePoint(**point),
        **{name: row[name] for name in names},
    )
