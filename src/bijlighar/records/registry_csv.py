"""Reads and checks the registry's CSV files, whole and in columns, before anything is kept."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from bijlighar.records.registry_sheets import SHEETS, CellRefused, Sheet, SheetColumn

FILE_LIMIT_OCTETS = 128 * 2**20
"""Twice the usage points of a city of 300,000 meters at 200 octets a row."""

ROW_LIMIT = 1_000_000
"""Rows of one file: three cities."""

CHUNK_ROWS = 5_000
"""Rows in hand as Python's own values; the others stand in columns, at a tenth of the memory."""

ROW = "row number"
"""The column of the row's number; no sheet has one of that name."""

UTF8_MARK = b"\xef\xbb\xbf"
MOST_BLANK_OCTETS = 65_536
"""A file that is looked at whole to see whether there is anything in it."""

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
class CheckedSheet:
    """The good rows of a sheet, in batches: its columns by name, and ROW, the row as a spreadsheet counts."""

    sheet: Sheet
    file: str
    batches: tuple[pa.RecordBatch, ...]

    def __len__(self) -> int:
        return sum(batch.num_rows for batch in self.batches)

    def column(self, name: str) -> pa.ChunkedArray[Any]:
        """One column of all rows; it must be of texts or octets."""
        return pa.chunked_array([batch[name] for batch in self.batches], None if self.batches else pa.string())

    def row_numbers(self) -> list[int]:
        """The row of each, as a spreadsheet counts."""
        numbers: list[int] = []
        for batch in self.batches:
            numbers += batch[ROW].to_numpy().tolist()
        return numbers


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


def read_sheet(sheet: Sheet, file: Path, faults: Faults) -> CheckedSheet:
    """All good rows of a file; faults are noted. Keys and unique columns are checked within the file."""
    batches: list[pa.RecordBatch] = []
    if _is_readable(file, faults):
        try:
            with file.open(encoding="utf-8-sig", newline="") as lines:
                batches = list(_batches(sheet, lines, file.name, faults))
        except OSError as fault:
            faults.add(file.name, 0, "", f"cannot be read: {fault.strerror}")
        except UnicodeDecodeError:
            faults.add(file.name, _row_of_wrong_octets(file), "", "is not UTF-8; save the sheet as “CSV UTF-8”")
    checked = CheckedSheet(sheet=sheet, file=file.name, batches=tuple(batches))
    for column in (sheet.key, *sheet.unique):
        _check_unique(checked, column, faults)
    return checked


def _is_readable(file: Path, faults: Faults) -> bool:
    try:
        size = file.stat().st_size
        if size > FILE_LIMIT_OCTETS:
            faults.add(file.name, 0, "", f"has {size} octets, more than {FILE_LIMIT_OCTETS}: split the file")
            return False
        if size <= len(UTF8_MARK) + MOST_BLANK_OCTETS and not file.read_bytes().removeprefix(UTF8_MARK).strip():
            faults.add(file.name, 0, "", "is empty")
            return False
    except OSError as fault:
        faults.add(file.name, 0, "", f"cannot be read: {fault.strerror}")
        return False
    return True


def _row_of_wrong_octets(file: Path) -> int:
    octets = file.read_bytes()
    try:
        octets.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        return octets[: fault.start].count(b"\n") + 1
    return 0


def _batches(sheet: Sheet, lines: Iterable[str], file: str, faults: Faults) -> Iterator[pa.RecordBatch]:
    reader = csv.reader(lines, strict=True)
    chunk: list[list[str]] = []
    first = 2  # the header is row 1
    try:
        header = [name.strip() for name in next(reader, [])]
        if not _header_fits(sheet, header, file, faults):
            return
        for cells in reader:
            if first + len(chunk) > ROW_LIMIT + 1:
                faults.add(file, first + len(chunk), "", f"more than {ROW_LIMIT} rows: split the file")
                break
            chunk.append(cells)
            if len(chunk) == CHUNK_ROWS:
                yield from _checked(sheet, header, chunk, first, file, faults)
                first, chunk = first + len(chunk), []
    except csv.Error as fault:
        yield from _checked(sheet, header, chunk, first, file, faults)
        faults.add(file, reader.line_num, "", f"is not readable as CSV: {fault}")
        return
    yield from _checked(sheet, header, chunk, first, file, faults)


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


def _checked(
    sheet: Sheet, header: Sequence[str], chunk: Sequence[Sequence[str]], first: int, file: str, faults: Faults
) -> Iterator[pa.RecordBatch]:
    """The good rows of a chunk as columns. Only a chunk with a fault in it is looked at row by row."""
    if not chunk:
        return
    try:
        columns = _whole_columns(sheet, header, chunk)
        rows: Sequence[int] = range(first, first + len(chunk))
    except CellRefused:
        good: list[tuple[int, dict[str, Any]]] = []
        for number, cells in enumerate(chunk, start=first):
            if cells:
                good += _row(sheet, header, cells, number, file, faults)
        rows = [number for number, _ in good]
        columns = {column.name: [values[column.name] for _, values in good] for column in sheet.columns}
    if rows:
        yield pa.RecordBatch.from_pydict(columns | {ROW: pa.array(rows, pa.int32())})


def _whole_columns(sheet: Sheet, header: Sequence[str], chunk: Sequence[Sequence[str]]) -> dict[str, list[Any]]:
    """Every column parsed, each different text once. Raises CellRefused when any row is not in order."""
    if set(map(len, chunk)) != {len(header)}:
        raise CellRefused("cells are missing, or there are too many")
    given = dict(zip(header, zip(*chunk, strict=True), strict=True))
    columns: dict[str, list[Any]] = {}
    for column in sheet.columns:
        texts = given.get(column.name)
        if texts is None:
            columns[column.name] = [column.default] * len(chunk)
        else:
            columns[column.name] = _whole_column(column, list(map(str.strip, texts)))
    return columns


def _whole_column(column: SheetColumn, texts: Sequence[str]) -> list[Any]:
    """A column parsed, each different text once. Raises CellRefused."""
    different = set(texts)
    empty = {text: _parsed(column, text) for text in different if not text}
    parsed = {text: column.parse(text) for text in different if text} | empty
    return [parsed[text] for text in texts]


def _row(
    sheet: Sheet, header: Sequence[str], cells: Sequence[str], number: int, file: str, faults: Faults
) -> Iterator[tuple[int, dict[str, Any]]]:
    if len(cells) != len(header):
        faults.add(file, number, "", f"has {len(cells)} cells instead of {len(header)}")
        return
    given = dict(zip(header, cells, strict=True))
    values: dict[str, Any] = {}
    for column in sheet.columns:
        try:
            values[column.name] = _parsed(column, given.get(column.name, ""))
        except CellRefused as refusal:
            faults.add(file, number, column.name, str(refusal))
    if len(values) == len(sheet.columns):
        yield number, values


def _parsed(column: SheetColumn, cell: str) -> Any:  # noqa: ANN401 - whatever the sheet holds
    text = cell.strip()
    if text:
        return column.parse(text)
    if column.optional:
        return column.default
    raise CellRefused("is empty")


def _check_unique(checked: CheckedSheet, column: str, faults: Faults) -> None:
    values = checked.column(column)
    if pc.count_distinct(values, mode="all").as_py() == len(values):
        return
    seen: dict[Any, int] = {}
    for value, row in zip(values.to_pylist(), checked.row_numbers(), strict=True):
        first = seen.setdefault(value, row)
        if first != row:
            faults.add(checked.file, row, column, f"stands in row {first} already")
