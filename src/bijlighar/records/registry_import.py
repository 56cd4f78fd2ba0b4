"""Import of the registry: everything is checked first, then everything is kept in one transaction, or nothing.

Rows that stand in no sheet stay as they are; the same sheets again change nothing. A new meter at a usage point
takes the place of the one that was there, which is told, and the old one keeps its history.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, bindparam, insert, select, update

from bijlighar.records import tables
from bijlighar.records.database import Database, hold_sequence, next_number, upsert
from bijlighar.records.registry_csv import Faults, ImportFault, SheetRow, find_sheets, read_sheet
from bijlighar.records.registry_sheets import SHEETS


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRow:
    """One meter's keys in the clear, on their way to be sealed. They never show in a log.

    ``encryption_key``, ``authentication_key`` 16 octets; ``reader_secret`` (LLS) up to 64 octets,
    ``setting_secret`` (HLS) and ``master_key`` 16 octets; empty where the sheet gives none.
    """

    meter_id: int
    serial: str
    encryption_key: bytes = field(repr=False)
    authentication_key: bytes = field(repr=False)
    reader_secret: bytes = field(repr=False)
    setting_secret: bytes = field(repr=False)
    master_key: bytes = field(repr=False)


Seal = Callable[[KeyRow], bytes]
Holds = Callable[[KeyRow, bytes], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """A meter that took the place of another."""

    usage_point: str
    removed: str
    installed: str


@dataclass(slots=True, kw_only=True)
class SheetCounts:
    """Rows of one sheet by what became of them."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What an import did. With any error nothing was kept. ``errors`` are the first ones, ``error_count`` all."""

    sheets: Mapping[str, SheetCounts]
    replacements: tuple[Replacement, ...] = ()
    errors: tuple[ImportFault, ...] = ()
    error_count: int = 0

    @property
    def added(self) -> int:
        """Rows that were new, in all sheets."""
        return sum(counts.added for counts in self.sheets.values())

    @property
    def changed(self) -> int:
        """Rows that differed from what was kept."""
        return sum(counts.changed for counts in self.sheets.values())

    @property
    def unchanged(self) -> int:
        """Rows that were kept already."""
        return sum(counts.unchanged for counts in self.sheets.values())


class _Refused(Exception):
    """Leaves the transaction without keeping anything."""


def import_sheets(
    database: Database, path: Path, *, at_s: int, seal: Seal | None, holds: Holds | None
) -> ImportReport:
    """Import a folder of sheets, or one sheet. See ``Registry.import_folder``."""
    faults = Faults()
    sheets = {name: read_sheet(SHEETS[name], file, faults) for name, file in find_sheets(path, faults).items()}
    if "keys" in sheets and seal is None:
        faults.add("keys.csv", 0, "", "keys cannot be taken in without the master key that seals them")
    work = _Import(sheets, faults, at_s, seal, holds)
    try:
        with database.write() as connection:
            work.run(connection)
    except _Refused:
        return ImportReport(sheets={}, errors=tuple(faults.told), error_count=faults.count)
    return ImportReport(sheets=work.counts, replacements=tuple(work.replacements))


class _Import:
    """One import inside one transaction."""

    def __init__(
        self,
        sheets: Mapping[str, list[SheetRow]],
        faults: Faults,
        at_s: int,
        seal: Seal | None,
        holds: Holds | None,
    ) -> None:
        self._sheets = sheets
        self._faults = faults
        self._at_s = at_s
        self._seal = seal
        self._holds = holds
        self.counts = {name: SheetCounts() for name in sheets}
        self.replacements: list[Replacement] = []

    def run(self, connection: Connection) -> None:
        """Check references, then keep. Raises _Refused with faults noted."""
        hold_sequence(connection, "registry")  # one import at a time
        self._check_references(connection)
        self._check_titles(connection)
        if self._faults.count:
            raise _Refused
        for name in ("divisions", "substations", "feeders", "transformers", "usage_points"):
            self._keep(connection, name)
        self._keep_meters(connection)
        self._keep_keys(connection)
        if any(counts.added or counts.changed for counts in self.counts.values()):
            next_number(connection, "registry")

    def _check_references(self, connection: Connection) -> None:
        for name, rows in self._sheets.items():
            for column, target in SHEETS[name].refers:
                key = SHEETS[target].key
                known = {row.values[key] for row in self._sheets.get(target, [])}
                known |= set(connection.execute(select(tables.metadata.tables[target].c[key])).scalars())
                for row in rows:
                    if row.values[column] not in known:
                        self._faults.add(f"{name}.csv", row.row, column, f"names nothing in {target}")

    def _check_titles(self, connection: Connection) -> None:
        kept = dict(connection.execute(select(tables.meters.c.system_title, tables.meters.c.serial)).all())
        moved = {row.values["serial"] for row in self._sheets.get("meters", [])}
        for row in self._sheets.get("meters", []):
            holder = kept.get(row.values["system_title"])
            if holder not in (None, row.values["serial"]) and holder not in moved:
                self._faults.add("meters.csv", row.row, "system_title", f"belongs to meter {holder}")

    def _keep(self, connection: Connection, name: str) -> None:
        table = tables.metadata.tables[name]
        rows = [row.values for row in self._sheets.get(name, [])]
        added, changed = self._sort(name, rows, _kept(connection, table, SHEETS[name].key))
        _insert(connection, table, added)
        _update(connection, table, SHEETS[name].key, changed)

    def _sort(
        self, name: str, rows: Sequence[dict[str, Any]], kept: Mapping[str, Mapping[str, Any]]
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Rows that are new and rows that differ; counts all."""
        key, counts = SHEETS[name].key, self.counts.get(name, SheetCounts())
        added: list[dict[str, Any]] = []
        changed: list[dict[str, Any]] = []
        for row in rows:
            before = kept.get(row[key])
            if before is None:
                added.append(row)
            elif any(before[column] != value for column, value in row.items()):
                changed.append(row)
        counts.added, counts.changed = len(added), len(changed)
        counts.unchanged = len(rows) - len(added) - len(changed)
        return added, changed

    def _keep_meters(self, connection: Connection) -> None:
        rows = [_meter_row(row.values) for row in self._sheets.get("meters", [])]
        if not rows:
            return
        places = _places(connection)
        kept = _kept(connection, tables.meters, "serial")
        for serial, row in kept.items():
            row["usage_point"] = places.get(serial)
        added, changed = self._sort("meters", rows, kept)
        next_id = max((row["meter_id"] for row in kept.values()), default=0) + 1
        numbered = [{"meter_id": next_id + place, **row} for place, row in enumerate(added)]
        wanted = {row["serial"]: row["usage_point"] for row in (*numbered, *changed)}
        _insert(connection, tables.meters, [_without_place(row) for row in numbered])
        _park_titles(connection, changed)
        _update(connection, tables.meters, "serial", [_without_place(row) for row in changed])
        moves = {serial: place for serial, place in wanted.items() if places.get(serial) != place}
        self._install(connection, moves, places)

    def _install(self, connection: Connection, moves: Mapping[str, str], places: Mapping[str, str]) -> None:
        """Close the installations that end, then open the new ones."""
        holders = {place: serial for serial, place in places.items()}
        ending = {serial for serial in moves if serial in places}
        for serial, place in moves.items():
            holder = holders.get(place)
            if holder is not None and holder not in moves:
                ending.add(holder)
                self.replacements.append(Replacement(usage_point=place, removed=holder, installed=serial))
        numbers = dict(connection.execute(select(tables.meters.c.serial, tables.meters.c.meter_id)).all())
        row = tables.installations
        if ending:
            closing = update(row).where(row.c.meter_id == bindparam("meter"), row.c.removed_s.is_(None))
            connection.execute(closing.values(removed_s=self._at_s), [{"meter": numbers[s]} for s in ending])
        opened = [
            {"meter_id": numbers[serial], "usage_point": place, "installed_s": self._at_s, "removed_s": None}
            for serial, place in moves.items()
        ]
        _insert(connection, row, opened)

    def _keep_keys(self, connection: Connection) -> None:
        if "keys" not in self._sheets:
            return
        assert self._seal is not None, "run refuses keys without a seal"
        numbers = dict(connection.execute(select(tables.meters.c.serial, tables.meters.c.meter_id)).all())
        query = select(tables.sealed_keys.c.meter_id, tables.sealed_keys.c.sealed)
        kept = dict(connection.execute(query).all())
        counts, rows = self.counts["keys"], []
        for row in self._sheets["keys"]:
            key = KeyRow(meter_id=numbers[row.values["serial"]], **row.values)
            before = kept.get(key.meter_id)
            if before is not None and self._holds is not None and self._holds(key, before):
                counts.unchanged += 1
                continue
            rows.append({"meter_id": key.meter_id, "sealed": self._seal(key), "kept_s": self._at_s})
            counts.added += before is None
            counts.changed += before is not None
        upsert(connection, tables.sealed_keys, rows)


def _meter_row(values: Mapping[str, Any]) -> dict[str, Any]:
    row = {name: value for name, value in values.items() if name != "group"}
    return {**row, "communication_group": values["group"]}


def _without_place(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "usage_point"}


def _kept(connection: Connection, table: Table, key: str) -> dict[str, dict[str, Any]]:
    return {row[key]: dict(row) for row in connection.execute(select(table)).mappings()}


def _places(connection: Connection) -> dict[str, str]:
    """Usage point of every meter in service, by serial."""
    place = tables.installations
    query = select(tables.meters.c.serial, place.c.usage_point).join_from(tables.meters, place)
    return dict(connection.execute(query.where(place.c.removed_s.is_(None))).all())


def _park_titles(connection: Connection, changed: Sequence[Mapping[str, Any]]) -> None:
    """Free the system titles of changed meters first, so that two meters may exchange theirs."""
    if changed:
        row = tables.meters
        parked = update(row).where(row.c.serial == bindparam("key")).values(system_title=bindparam("parked"))
        connection.execute(
            parked,
            [{"key": values["serial"], "parked": f"parked {values['serial']}".encode()} for values in changed],
        )


def _insert(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        connection.execute(insert(table), rows)


def _update(connection: Connection, table: Table, key: str, rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows:
        return
    names = [name for name in rows[0] if name != key]
    statement = update(table).where(table.c[key] == bindparam("kept_key"))
    values: dict[str, Any] = {name: bindparam(f"new_{name}") for name in names}
    changes = [{"kept_key": row[key], **{f"new_{name}": row[name] for name in names}} for row in rows]
    connection.execute(statement.values(values), changes)
