"""Reads and checks the registry's CSV files, whole, before anything is kept."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bijlighar.records.registry_sheets import SHEETS, CellRefused, Sheet, SheetColumn

FILE_LIMIT_OCTETS = 128 * 2**20
"""Twice the usage points of a city of 300,000 meters at 200 octets a row."""

ROW_LIMIT = 1_000_000
"""Rows of one file: three cities."""

ERRORS_TOLD = 200
"""More errors than a person reads at once; the count goes on."""

csv.field_size_limit(1_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportFault:
    """One thing that is wrong. ``row`` counts the header as 1; 0 means the file as a whole."""

    file: str
    row: int
    column: str
    detail: str


@dataclass(slots=True)
class Faults:
    """Collects faults: the first ones in full, all of them in number."""

    told: list[ImportFault] = field(default_factory=list)
    count: int = 0

    def add(self, file: str, row: int, column: str, detail: str) -> None:
        """Note one fault."""
        self.count += 1
        if len(self.told) < ERRORS_TOLD:
            self.told.append(ImportFault(file=file, row=row, column=column, detail=detail))


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetRow:
    """One row that was read. ``row`` is its line as a spreadsheet counts, the header being 1."""

    row: int
    values: dict[str, Any]


def find_sheets(path: Path, faults: Faults) -> dict[str, Path]:
    """The CSV files at ``path`` (a folder or one file) by sheet, in the order of ``SHEETS``."""
    files = sorted(path.glob("*.csv")) if path.is_dir() else [path]
    found: dict[str, Path] = {}
    for file in files:
        if file.stem in SHEETS:
            found[file.stem] = file
        else:
            faults.add(file.name, 0, "", f"is none of {', '.join(f'{name}.csv' for name in SHEETS)}")
    if not files:
        faults.add(path.name, 0, "", "the folder holds no CSV file")
    return {name: found[name] for name in SHEETS if name in found}


def read_sheet(sheet: Sheet, file: Path, faults: Faults) -> list[SheetRow]:
    """All good rows of a file; faults are noted. Keys and unique columns are checked within the file."""
    text = _text(file, faults)
    if text is None:
        return []
    rows: list[SheetRow] = []
    try:
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        header = [name.strip() for name in next(reader, [])]
        if not _header_fits(sheet, header, file.name, faults):
            return []
        for number, cells in enumerate(reader, start=2):
            if len(rows) >= ROW_LIMIT:
                faults.add(file.name, number, "", f"more than {ROW_LIMIT} rows: split the file")
                break
            if cells:
                rows += _row(sheet, header, cells, number, file.name, faults)
    except csv.Error as fault:
        faults.add(file.name, reader.line_num, "", f"is not readable as CSV: {fault}")
    _check_unique(sheet, rows, file.name, faults)
    return rows


def _text(file: Path, faults: Faults) -> str | None:
    try:
        size = file.stat().st_size
        if size > FILE_LIMIT_OCTETS:
            faults.add(file.name, 0, "", f"has {size} octets, more than {FILE_LIMIT_OCTETS}: split the file")
            return None
        octets = file.read_bytes()
    except OSError as fault:
        faults.add(file.name, 0, "", f"cannot be read: {fault.strerror}")
        return None
    try:
        text = octets.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        row = octets[: fault.start].count(b"\n") + 1
        faults.add(file.name, row, "", "is not UTF-8; save the sheet as “CSV UTF-8”")
        return None
    if not text.strip():
        faults.add(file.name, 0, "", "is empty")
        return None
    return text


def _header_fits(sheet: Sheet, header: Sequence[str], file: str, faults: Faults) -> bool:
    names = [column.name for column in sheet.columns]
    before = faults.count
    for name in header:
        if name not in names:
            faults.add(file, 1, name[:50], f"is no column of this sheet; columns are {', '.join(names)}")
        elif header.count(name) > 1:
            faults.add(file, 1, name, "comes more than once")
    for column in sheet.columns:
        if column.name not in header and not column.optional:
            faults.add(file, 1, column.name, "is missing")
    return faults.count == before


def _row(
    sheet: Sheet, header: Sequence[str], cells: Sequence[str], number: int, file: str, faults: Faults
) -> Iterator[SheetRow]:
    if len(cells) != len(header):
        faults.add(file, number, "", f"has {len(cells)} cells instead of {len(header)}")
        return
    given = dict(zip(header, cells, strict=True))
    values: dict[str, Any] = {}
    for column in sheet.columns:
        try:
            values[column.name] = _cell(column, given)
        except CellRefused as refusal:
            faults.add(file, number, column.name, str(refusal))
    if len(values) == len(sheet.columns):
        yield SheetRow(row=number, values=values)


def _cell(column: SheetColumn, given: Mapping[str, str]) -> Any:  # noqa: ANN401 - whatever the sheet holds
    text = given.get(column.name, "").strip()
    if text:
        return column.parse(text)
    if column.optional:
        return column.default
    raise CellRefused("is empty")


def _check_unique(sheet: Sheet, rows: Sequence[SheetRow], file: str, faults: Faults) -> None:
    for column in (sheet.key, *sheet.unique):
        seen: dict[Any, int] = {}
        for row in rows:
            first = seen.setdefault(row.values[column], row.row)
            if first != row.row:
                faults.add(file, row.row, column, f"stands in row {first} already")
