"""Tables of the records database as Arrow tables, for questions in SQL: a fixed list of columns of either dialect.

Keys, counters, people, web sessions and the audit log are not on the list, nor is who decided something.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from sqlalchemy import Boolean, Column, Float, Select, Text, select

from bijlighar.records import tables
from bijlighar.records.billing_tables import billing_deliveries
from bijlighar.records.blocks_tables import bills
from bijlighar.records.database import Database
from bijlighar.records.exceptions_tables import validation_exceptions

_MARKED = {"resolved_by"}
"""Columns that name a person of the utility."""


def _columns(table: Any, *left_out: str) -> list[Column[Any]]:  # noqa: ANN401 - SQLAlchemy's own type
    return [column for column in table.c if column.name not in _MARKED.union(left_out)]


def _meters() -> Select[Any]:
    meter, place, point = tables.meters, tables.installations, tables.usage_points
    here = meter.outerjoin(place, (place.c.meter_id == meter.c.meter_id) & place.c.removed_s.is_(None))
    return select(
        *(meter.c[name] for name in ("meter_id", "serial", "category", "maker", "model", "communication_group")),
        place.c.usage_point,
        point.c.transformer,
        place.c.installed_s,
    ).select_from(here.outerjoin(point, point.c.code == place.c.usage_point))


_QUESTIONS: dict[str, Select[Any]] = {
    "divisions": select(tables.divisions),
    "substations": select(tables.substations),
    "feeders": select(tables.feeders),
    "transformers": select(tables.transformers),
    "usage_points": select(*_columns(tables.usage_points)),
    "meters": _meters(),
    "installations": select(
        *(tables.installations.c[name] for name in ("meter_id", "usage_point", "installed_s", "removed_s"))
    ),
    "validation_exceptions": select(*_columns(validation_exceptions)),
    "statements": select(*_columns(billing_deliveries, "sha256", "next_try_s")),
    "bills": select(*_columns(bills, "number")),
}

NAMES = tuple(_QUESTIONS)


class CopiedTables:
    """Copies tables. Usable from many threads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def table(self, name: str) -> pa.Table:
        """One of NAMES as it stands. Raises Unavailable."""
        query = _QUESTIONS[name]
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        columns = list(zip(*rows, strict=True)) or [()] * len(query.selected_columns)
        arrays: dict[str, Any] = {
            column.name: pa.array(list(values), type=_type(column))
            for column, values in zip(query.selected_columns, columns, strict=True)
        }
        return pa.table(arrays)


def _type(column: Any) -> pa.DataType:  # noqa: ANN401 - SQLAlchemy's own type
    if isinstance(column.type, Text):
        return pa.string()
    if isinstance(column.type, Float):
        return pa.float64()
    return pa.bool_() if isinstance(column.type, Boolean) else pa.int64()
