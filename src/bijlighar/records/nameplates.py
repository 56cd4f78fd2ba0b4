"""Nameplates by meter, every change kept: new firmware behind a serial is a finding, not an edit."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, NamedTuple

from sqlalchemy import Connection, RowMapping, exc, insert, select, update

from bijlighar.cim.exchange import Nameplate
from bijlighar.records import tables
from bijlighar.records.counters import UnknownMeter
from bijlighar.records.database import Database

_kept = tables.nameplates
_NOT_TOLD = ("number", "confirmed_s")


class Plate(NamedTuple):
    """What a day's rules need of a nameplate."""

    serial: str
    firmware: str
    current_rating: str
    ct_ratio: int | None
    pt_ratio: int | None


class Nameplates:
    """What meters said of themselves."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def nameplate(self, meter_id: int) -> Nameplate | None:
        """The newest nameplate, or None before first contact. ``read_s`` is when the meter last said so."""
        with self._database.read() as connection:
            row = _newest(connection, meter_id)
        return None if row is None else _nameplate(row, read_s=row["confirmed_s"])

    def history(self, meter_id: int) -> list[Nameplate]:
        """Every nameplate that differed from the one before, oldest first; ``read_s`` its first reading."""
        query = select(_kept).where(_kept.c.meter_id == meter_id).order_by(_kept.c.number)
        with self._database.read() as connection:
            rows = connection.execute(query).mappings().all()
        return [_nameplate(row, read_s=row["read_s"]) for row in rows]

    def plates(self, at_s: int) -> dict[int, Plate]:
        """By meter, the newest that was first read before ``at_s``; else the oldest, for days read back later."""
        columns = [_kept.c[name] for name in Plate._fields]
        query = select(_kept.c.meter_id, _kept.c.read_s, *columns).order_by(_kept.c.number)
        found: dict[int, Plate] = {}
        with self._database.read() as connection:
            for meter_id, read_s, *values in connection.execute(query):
                if read_s < at_s or meter_id not in found:
                    found[meter_id] = Plate(*values)
        return found

    def put_nameplate(self, nameplate: Nameplate) -> None:
        """Keep a nameplate; older ones stay; the same again is only confirmed. Raises UnknownMeter."""
        values = asdict(nameplate)
        try:
            with self._database.write() as connection:
                newest = _newest(connection, nameplate.meter_id)
                if newest is not None and _nameplate(newest, read_s=nameplate.read_s) == nameplate:
                    confirmed = update(_kept).where(_kept.c.number == newest["number"])
                    connection.execute(confirmed.values(confirmed_s=nameplate.read_s))
                else:
                    connection.execute(insert(_kept).values(confirmed_s=nameplate.read_s, **values))
        except exc.IntegrityError as refusal:
            raise UnknownMeter(nameplate.meter_id) from refusal


def _newest(connection: Connection, meter_id: int) -> RowMapping | None:
    query = select(_kept).where(_kept.c.meter_id == meter_id).order_by(_kept.c.number.desc()).limit(1)
    return connection.execute(query).mappings().first()


def _nameplate(row: RowMapping, *, read_s: int) -> Nameplate:
    values: dict[str, Any] = {name: value for name, value in row.items() if name not in _NOT_TOLD}
    return Nameplate(**{**values, "read_s": read_s})
