"""Export of the registry in the sheets that the import reads. Keys are not exported."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from sqlalchemy import null, select

from bijlighar.records import tables
from bijlighar.records.database import Database
from bijlighar.records.registry_sheets import FORMULA, RATIO_COLUMNS, SHEETS, Sheet


def export_sheets(database: Database, path: Path) -> list[Path]:
    """Write every sheet but the keys into a folder; returns the files."""
    path.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for sheet in SHEETS.values():
        if sheet.name == "keys":
            continue
        file = path / f"{sheet.name}.csv"
        with file.open("w", encoding="utf-8", newline="") as out:
            writer = csv.writer(out, lineterminator="\n")
            writer.writerow(column.name for column in sheet.columns)
            writer.writerows(_rows(database, sheet))
        written.append(file)
    return written


def _rows(database: Database, sheet: Sheet) -> list[list[str]]:
    with database.read() as connection:
        rows = connection.execute(_query(sheet)).mappings().all()
    return [[_cell(row[column.name], is_text=column.is_text) for column in sheet.columns] for row in rows]


def _query(sheet: Sheet) -> Any:  # noqa: ANN401 - a select of columns that the sheet names
    if sheet.name != "meters":
        table = tables.metadata.tables[sheet.name]
        return select(table).order_by(table.c[sheet.key])
    meter, place = tables.meters, tables.installations
    of_place = [place.c.usage_point, place.c.opening_wh, *(place.c[name] for name in RATIO_COLUMNS)]
    # the last reading of a meter that has gone belongs to no meter in service
    named = (*meter.c, meter.c.communication_group.label("group"), null().label("closing_wh"), *of_place)
    return select(*named).join_from(meter, place).where(place.c.removed_s.is_(None)).order_by(meter.c.meter_id)


def _cell(value: Any, *, is_text: bool) -> str:  # noqa: ANN401 - whatever the table holds
    if value is None:
        return ""
    if isinstance(value, bytes):
        return value.hex().upper()
    text = str(value)
    return f"'{text}" if is_text and text.startswith(FORMULA) else text
