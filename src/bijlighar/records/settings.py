"""Dated settings: a limit holds from an instant on, and who set it is kept. Rows are only added."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping, func, insert, select

from bijlighar.records import tables
from bijlighar.records.database import Database

_kept = tables.settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One row. ``value`` is whatever JSON can say; it holds from ``valid_from_s`` on."""

    key: str
    value: Any
    valid_from_s: int
    changed_by: str
    changed_s: int


class Settings:
    """Reads and adds settings."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def setting(self, key: str, at_s: int) -> Setting | None:
        """What holds at an instant: the latest ``valid_from_s`` not after it, of equal ones the last added."""
        query = (
            select(_kept)
            .where(_kept.c.key == key, _kept.c.valid_from_s <= at_s)
            .order_by(_kept.c.valid_from_s.desc(), _kept.c.number.desc())
            .limit(1)
        )
        with self._database.read() as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else _setting(row)

    def all(self, at_s: int) -> dict[str, Setting]:
        """Every setting that holds at an instant, by key."""
        place = func.row_number().over(
            partition_by=_kept.c.key, order_by=(_kept.c.valid_from_s.desc(), _kept.c.number.desc())
        )
        ranked = select(_kept, place.label("place")).where(_kept.c.valid_from_s <= at_s).subquery()
        query = select(ranked).where(ranked.c.place == 1).order_by(ranked.c.key)
        with self._database.read() as connection:
            return {row["key"]: _setting(row) for row in connection.execute(query).mappings()}

    def history(self, key: str) -> list[Setting]:
        """Every row of a key, in the order they were added."""
        query = select(_kept).where(_kept.c.key == key).order_by(_kept.c.number)
        with self._database.read() as connection:
            return [_setting(row) for row in connection.execute(query).mappings()]

    def put(self, setting: Setting) -> None:
        """Add a row. Raises Unavailable, and ValueError without a name in ``changed_by``."""
        if not setting.changed_by:
            raise ValueError("a setting is changed by somebody")
        with self._database.write() as connection:
            connection.execute(
                insert(_kept).values(
                    key=setting.key,
                    value=json.dumps(setting.value, ensure_ascii=False),
                    valid_from_s=setting.valid_from_s,
                    changed_by=setting.changed_by,
                    changed_s=setting.changed_s,
                )
            )


def _setting(row: RowMapping) -> Setting:
    names = ("key", "valid_from_s", "changed_by", "changed_s")
    return Setting(value=json.loads(row["value"]), **{name: row[name] for name in names})
