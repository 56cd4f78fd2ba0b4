"""A meter in service with its usage point and everything above it.

The list of meters, its search and its filters are the control room's, which holds the registry in columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, select

from bijlighar.cim.network import Meter, MeterCategory, UsagePoint, UsagePointKind
from bijlighar.records import tables

_meter, _place, _point = tables.meters, tables.installations, tables.usage_points
_transformer, _feeder = tables.transformers, tables.feeders
_substation, _division = tables.substations, tables.divisions


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


def place_of(connection: Connection, meter_id: int) -> MeterPlace | None:
    """One meter, or None when it is not in service."""
    row = connection.execute(_everything().where(_meter.c.meter_id == meter_id)).mappings().first()
    return None if row is None else _meter_place(row)


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
