"""The registry: which meter hangs where, since when, and where supply comes from."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import RowMapping, Table, select, update

from bijlighar.cim.network import (
    Division,
    Feeder,
    Meter,
    MeterCategory,
    Substation,
    Transformer,
    UsagePoint,
    UsagePointKind,
)
from bijlighar.records import tables
from bijlighar.records.counters import UnknownMeter
from bijlighar.records.database import Database, current_number, next_number
from bijlighar.records.registry_columns import InstallationColumns, installation_columns
from bijlighar.records.registry_export import export_sheets
from bijlighar.records.registry_import import Holds, ImportReport, Seal, import_sheets
from bijlighar.records.registry_place import MeterPlace, place_of

Thing = TypeVar("Thing")


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """A meter at a usage point, ``[installed_s, removed_s)`` in epoch seconds UTC; None while in service.

    ``ct_primary`` … ``pt_secondary``  current (A) and voltage (V) transformers in front of it; None: none told
    ``opening_wh``, ``closing_wh``     its import register when it came and when it went, as read on the spot
    """

    meter_id: int
    usage_point: str
    installed_s: int
    removed_s: int | None
    ct_primary: int | None = None
    ct_secondary: int | None = None
    pt_primary: int | None = None
    pt_secondary: int | None = None
    opening_wh: int | None = None
    closing_wh: int | None = None

    @property
    def ratio(self) -> Fraction | None:
        """Ratio of the current transformers times that of the voltage transformers; None: none told."""
        pairs = ((self.ct_primary, self.ct_secondary), (self.pt_primary, self.pt_secondary))
        told = [Fraction(one, other) for one, other in pairs if one is not None and other is not None]
        return math.prod(told, start=Fraction(1)) if told else None


@dataclass
class _Memory:
    """What was read of a version of the registry, while ``is_on``."""

    is_on: bool = False
    version: int = -1
    kept: dict[str, list[Any]] = field(default_factory=dict)


class Registry:
    """Reads and changes the registry. ``now`` gives epoch seconds of the utility's clock."""

    def __init__(self, database: Database, now: Callable[[], float]) -> None:
        self._database = database
        self._now = now
        self._memory = _Memory()

    @contextmanager
    def remembered(self) -> Iterator[None]:
        """Inside, meters, usage points and installations are read once, and again when the registry has changed.

        For a job that asks for all of them day after day, in one thread: a city's take some 8 s and 250 MB.
        """
        self._memory.is_on = True
        try:
            yield
        finally:
            self._memory = _Memory()

    def version(self) -> int:
        """A number that grows whenever ``meters()`` or the sealed keys would answer differently."""
        with self._database.read() as connection:
            return current_number(connection, "registry")

    def meters(self) -> list[Meter]:
        """All meters in service, by number."""
        return self._once("meters", self._meters)

    def _meters(self) -> list[Meter]:
        meter, place = tables.meters, tables.installations
        query = select(meter, place.c.usage_point).join_from(meter, place).where(place.c.removed_s.is_(None))
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(meter.c.meter_id)).mappings().all()
        return [meter_of(row) for row in rows]

    def divisions(self) -> list[Division]:
        """All divisions, by code."""
        return self._all(tables.divisions, lambda row: Division(**row))

    def substations(self) -> list[Substation]:
        """All substations, by code."""
        return self._all(tables.substations, lambda row: Substation(**row))

    def feeders(self) -> list[Feeder]:
        """All feeders, by code."""
        return self._all(tables.feeders, lambda row: Feeder(**row))

    def transformers(self) -> list[Transformer]:
        """All distribution transformers, by code."""
        return self._all(tables.transformers, lambda row: Transformer(**row))

    def usage_points(self) -> list[UsagePoint]:
        """All usage points, by code."""
        return self._once("usage points", lambda: self._all(tables.usage_points, usage_point_of))

    def _once(self, what: str, read: Callable[[], list[Thing]]) -> list[Thing]:
        if not self._memory.is_on:
            return read()
        version = self.version()  # before reading: what changes meanwhile is read again
        if version != self._memory.version:
            self._memory.kept, self._memory.version = {}, version
        if what not in self._memory.kept:
            self._memory.kept[what] = read()
        return list(self._memory.kept[what])

    def _all(self, table: Table, make: Callable[[dict[str, Any]], Thing]) -> list[Thing]:
        with self._database.read() as connection:
            rows = connection.execute(select(table).order_by(table.c.code)).mappings().all()
        return [make(dict(row)) for row in rows]

    def installations(self, *, meter_id: int | None = None, usage_point: str | None = None) -> list[Installation]:
        """The history of a meter, of a usage point, or of all, by start: a replaced meter keeps its readings."""
        if meter_id is None and usage_point is None:
            return self._once("installations", self._installations)
        return self._installations(meter_id, usage_point)

    def _installations(self, meter_id: int | None = None, usage_point: str | None = None) -> list[Installation]:
        kept = tables.installations
        query = select(kept).order_by(kept.c.installed_s, kept.c.number)
        if meter_id is not None:
            query = query.where(kept.c.meter_id == meter_id)
        if usage_point is not None:
            query = query.where(kept.c.usage_point == usage_point)
        with self._database.read() as connection:
            rows = connection.execute(query).mappings().all()
        names = Installation.__dataclass_fields__
        return [Installation(**{name: row[name] for name in names}) for row in rows]

    def installation_columns(self) -> InstallationColumns:
        """All installations, those that ended too, by start and in columns. Raises Unavailable."""
        with self._database.read() as connection:
            return installation_columns(connection)

    def in_service_since(self) -> dict[int, int]:
        """When each meter in service was put where it is, epoch seconds UTC by meter."""
        kept = tables.installations
        query = select(kept.c.meter_id, kept.c.installed_s).where(kept.c.removed_s.is_(None))
        with self._database.read() as connection:
            return {int(row.meter_id): int(row.installed_s) for row in connection.execute(query)}

    def remove_meter(self, serial: str, at_s: int) -> None:
        """Take a meter out of service. Raises UnknownMeter when it is not in service, Unavailable."""
        kept, meter = tables.installations, tables.meters
        named = select(meter.c.meter_id).where(meter.c.serial == serial).scalar_subquery()
        ending = update(kept).where(kept.c.meter_id == named, kept.c.removed_s.is_(None)).values(removed_s=at_s)
        with self._database.write() as connection:
            next_number(connection, "registry")
            if connection.execute(ending).rowcount == 0:
                raise UnknownMeter(serial)

    def serial_by_meter(self) -> dict[int, str]:
        """Serials of all meters that ever were, by number."""
        with self._database.read() as connection:
            rows = connection.execute(select(tables.meters.c.meter_id, tables.meters.c.serial))
            return {int(meter_id): str(serial) for meter_id, serial in rows}

    def place(self, meter_id: int) -> MeterPlace | None:
        """One meter in service with all that stands above it, or None."""
        with self._database.read() as connection:
            return place_of(connection, meter_id)

    def import_folder(self, path: Path, seal: Seal | None = None, holds: Holds | None = None) -> ImportReport:
        """Import a folder of CSV sheets, or one sheet: all or, with any error, nothing.

        ``seal`` turns a key row into sealed octets; ``holds`` tells whether sealed octets hold just these keys,
        so that the same sheet again changes nothing (without it, every key row counts as changed).
        Raises Unavailable.
        """
        return import_sheets(self._database, path, at_s=int(self._now()), seal=seal, holds=holds)

    def export_folder(self, path: Path) -> list[Path]:
        """Write all sheets but the keys, as the import reads them and no spreadsheet takes for formulas."""
        return export_sheets(self._database, path)


def meter_of(row: RowMapping | dict[str, Any]) -> Meter:
    """A meter from a row of ``meters`` with its ``usage_point``."""
    return Meter(
        meter_id=row["meter_id"],
        serial=row["serial"],
        system_title=row["system_title"],
        category=MeterCategory(row["category"]),
        model=row["model"],
        usage_point=row["usage_point"],
        host=row["host"],
        port=row["port"],
        group=row["communication_group"],
        maker=row["maker"],
        register_digits=row["register_digits"],
        gateway_address=row["gateway_address"] or "",
    )


def usage_point_of(row: dict[str, Any]) -> UsagePoint:
    """A usage point from its row."""
    return UsagePoint(**{**row, "kind": UsagePointKind(row["kind"])})


def serials(meters: Iterable[Meter]) -> dict[str, int]:
    """Registry numbers by serial."""
    return {meter.serial: meter.meter_id for meter in meters}
