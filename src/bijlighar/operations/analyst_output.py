"""Answers as people, spreadsheets and programs want them, row by row, so that a large one needs no memory."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa
import pyarrow.parquet as pq

from bijlighar.operations.answer_format import AnswerFormat

TABLE_ROWS = 1_000
"""Rows that a table for people shows at most; the other forms tell all."""

WIDEST = 40
"""Characters of a cell in a table for people."""


def write_answer(reader: pa.RecordBatchReader, told_as: AnswerFormat, out: TextIO) -> int:
    """Write an answer as text; how many rows. Parquet is no text: ValueError."""
    if told_as is AnswerFormat.CSV:
        return _csv(reader, out)
    if told_as is AnswerFormat.JSON:
        return _json(reader, out)
    if told_as is AnswerFormat.TABLE:
        return _table(reader, out)
    raise ValueError("Parquet is written to a file")


def write_file(reader: pa.RecordBatchReader, told_as: AnswerFormat, path: Path) -> int:
    """Write an answer to a file, which is there whole or not at all; how many rows. Raises OSError."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        if told_as is AnswerFormat.PARQUET:
            rows = _parquet(reader, part)
        else:
            with part.open("x", encoding="utf-8", newline="") as out:
                rows = write_answer(reader, told_as, out)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return rows


def _parquet(reader: pa.RecordBatchReader, path: Path) -> int:
    rows = 0
    with pq.ParquetWriter(path, reader.schema, compression="zstd") as writer:
        for batch in reader:
            writer.write_batch(batch)
            rows += batch.num_rows
    return rows


def _csv(reader: pa.RecordBatchReader, out: TextIO) -> int:
    sheet = csv.writer(out, lineterminator="\n")
    sheet.writerow(reader.schema.names)
    rows = 0
    for row in _rows(reader):
        sheet.writerow(["" if each is None else _plain(each) for each in row])
        rows += 1
    return rows


def _json(reader: pa.RecordBatchReader, out: TextIO) -> int:
    names = reader.schema.names
    rows = 0
    for row in _rows(reader):
        out.write("[\n" if rows == 0 else ",\n")
        out.write(json.dumps(dict(zip(names, map(_plain, row), strict=True)), ensure_ascii=False, default=str))
        rows += 1
    out.write("[]\n" if rows == 0 else "\n]\n")
    return rows


def _table(reader: pa.RecordBatchReader, out: TextIO) -> int:
    shown: list[list[str]] = []
    rows = 0
    for row in _rows(reader):
        if rows < TABLE_ROWS:
            shown.append([_cell(each) for each in row])
        rows += 1
    names = reader.schema.names
    widths = [max(map(len, column)) for column in zip(names, *shown, strict=True)]
    numbers = [
        pa.types.is_integer(t) or pa.types.is_floating(t) or pa.types.is_decimal(t) for t in reader.schema.types
    ]

    def line(cells: list[str]) -> str:
        both = zip(cells, widths, numbers, strict=True)
        return "  ".join(c.rjust(w) if number else c.ljust(w) for c, w, number in both).rstrip() + "\n"

    out.write(line(names))
    out.write(line(["-" * width for width in widths]))
    out.writelines(line(cells) for cells in shown)
    if rows > len(shown):
        out.write(f"… and {rows - len(shown)} more rows: ask with LIMIT, or --format csv\n")
    return rows


def _cell(value: Any) -> str:  # noqa: ANN401 - whatever a question selects
    text = "" if value is None else str(_plain(value)).replace("\n", " ")
    return text if len(text) <= WIDEST else text[: WIDEST - 1] + "…"


def _rows(reader: pa.RecordBatchReader) -> Iterator[tuple[Any, ...]]:
    for batch in reader:
        columns = [batch.column(number).to_pylist() for number in range(batch.num_columns)]
        yield from zip(*columns, strict=True)


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever a question selects
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, date):
        return value.isoformat()
    return value.hex() if isinstance(value, bytes) else value
