"""Import of the registry: everything is checked first, then everything is kept in one transaction, or nothing.

Sheets are held in columns and kept in pieces, so that a city's registry needs little memory.
Rows that stand in no sheet stay as they are; the same sheets again change nothing. A new meter at a usage point
takes the place of the one that was there, which is told, and the old one keeps its history.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Column, Connection, select

from bijlighar.records import tables
from bijlighar.records.database import Database, hold_sequence, insert_columns, next_number, upsert
from bijlighar.records.registry_csv import CheckedSheet, Faults, ImportFault, find_sheets, read_sheet
from bijlighar.records.registry_meters import MeterKeeping, Replacement
from bijlighar.records.registry_pieces import NAMED, SheetCounts, named, pieces, sorted_rows, update_rows
from bijlighar.records.registry_sheets import SHEETS
from bijlighar.records.registry_stays import check_pairs


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
        sheets: dict[str, CheckedSheet],
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
        for name, sheet in self._sheets.items():
            for column, target in SHEETS[name].refers:
                self._check_reference(connection, sheet, column, target)
        self._check_titles(connection)
        if "meters" in self._sheets:
            check_pairs(self._sheets["meters"], self._faults)
        if self._faults.count:
            raise _Refused
        for name in ("divisions", "substations", "feeders", "transformers", "usage_points"):
            if name in self._sheets:
                self._keep(connection, name)
        if "meters" in self._sheets:
            keeping = MeterKeeping(connection, self.counts["meters"], self._at_s)
            sheet = self._sheets.pop("meters")
            keeping.keep(sheet)
            self.replacements = keeping.replacements
            self._check_closings(sheet, keeping.nobody_before)
        if "keys" in self._sheets:
            self._keep_keys(connection)
        if any(counts.added or counts.changed for counts in self.counts.values()):
            next_number(connection, "registry")

    def _check_reference(self, connection: Connection, sheet: CheckedSheet, column: str, target: str) -> None:
        if not len(sheet):
            return
        key = SHEETS[target].key
        known = _kept_column(connection, tables.metadata.tables[target].c[key])
        if target in self._sheets and len(self._sheets[target]):
            known = pa.chunked_array([*known.chunks, *self._sheets[target].column(key).chunks])
        found = pc.is_in(sheet.column(column), value_set=known.combine_chunks()).to_pylist()
        if not all(found):
            for row, is_known in zip(sheet.row_numbers(), found, strict=True):
                if not is_known:
                    self._faults.add(sheet.file, row, column, f"names nothing in {target}")

    def _check_titles(self, connection: Connection) -> None:
        """A title may come to another meter only when the one that has it gets another in the same sheet."""
        sheet = self._sheets.get("meters")
        if sheet is None or not len(sheet):
            return
        meters = tables.meters
        holders = dict(connection.execute(select(meters.c.system_title, meters.c.serial)).all())
        if not holders:
            return
        serials = sheet.column("serial").to_pylist()
        moved = set(serials)
        titles = sheet.column("system_title").to_pylist()
        for serial, title, row in zip(serials, titles, sheet.row_numbers(), strict=True):
            holder = holders.get(title)
            if holder not in (None, serial) and holder not in moved:
                self._faults.add(sheet.file, row, "system_title", f"belongs to meter {holder}")

    def _check_closings(self, sheet: CheckedSheet, nobody_before: set[str]) -> None:
        if not nobody_before:
            return
        for row, place in zip(sheet.row_numbers(), sheet.column("usage_point").to_pylist(), strict=True):
            if place in nobody_before:
                self._faults.add(sheet.file, row, "closing_wh", "no meter stood at this usage point before")
        raise _Refused

    def _keep(self, connection: Connection, name: str) -> None:
        table, key = tables.metadata.tables[name], SHEETS[name].key
        for columns in pieces(self._sheets.pop(name)):
            added, changed = sorted_rows(connection, table, key, columns, self.counts[name])
            insert_columns(connection, table, added)
            update_rows(connection, table, key, changed)

    def _keep_keys(self, connection: Connection) -> None:
        assert self._seal is not None, "run refuses keys without a seal"
        counts = self.counts["keys"]
        for columns in pieces(self._sheets.pop("keys")):
            numbers, kept = _numbers_and_keys(connection, columns["serial"])
            rows = []
            for key in _key_rows(columns, numbers):
                before = kept.get(key.meter_id)
                if before is not None and self._holds is not None and self._holds(key, before):
                    counts.unchanged += 1
                    continue
                rows.append({"meter_id": key.meter_id, "sealed": self._seal(key), "kept_s": self._at_s})
                counts.added += before is None
                counts.changed += before is not None
            upsert(connection, tables.sealed_keys, rows)


def _kept_column(connection: Connection, column: Column[Any]) -> pa.ChunkedArray[Any]:
    return pa.chunked_array([pa.array(connection.execute(select(column)).scalars().all(), pa.string())])


def _numbers_and_keys(connection: Connection, serials: list[str]) -> tuple[dict[str, int], dict[int, bytes]]:
    """Meters by serial, and the sealed keys that they have."""
    meters, kept = tables.meters, tables.sealed_keys
    query = select(meters.c.serial, meters.c.meter_id, kept.c.sealed).join_from(meters, kept, isouter=True)
    rows = connection.execute(query.where(named(meters.c.serial)), {NAMED: serials}).all()
    sealed = {meter_id: octets for _, meter_id, octets in rows if octets is not None}
    return {serial: meter_id for serial, meter_id, _ in rows}, sealed


def _key_rows(columns: Mapping[str, list[Any]], numbers: Mapping[str, int]) -> Iterator[KeyRow]:
    for values in zip(*columns.values(), strict=True):
        row = dict(zip(columns, values, strict=True))
        yield KeyRow(meter_id=numbers[row["serial"]], **row)
