"""Rows in every table of the records, whatever tables there are: what copies them all is tried with these."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Connection, Float, Integer, LargeBinary, Table, insert, inspect

from bijlighar.records import Records
from bijlighar.records.tables import metadata

ROWS = 3
_BY_THEMSELVES = {"sequences", "audit", "web_sessions"}


def fill_every_table(url: str | None, folder: Path, *, now_s: float = 1_780_252_200.0) -> None:
    """Three rows a table: the last holds NULL where it may, texts are Hindi too; the audit chain is whole."""
    with Records(url, folder, now=lambda: now_s) as records:
        with records._database.write() as connection:
            kept: dict[str, list[dict[str, Any]]] = {}
            for table in metadata.sorted_tables:
                if table.name not in _BY_THEMSELVES:
                    kept[table.name] = [_row(table, number, kept) for number in range(ROWS)]
                    connection.execute(insert(table), kept[table.name])
        for number in range(ROWS):
            records.audit.append(who="meera", what=f"काम {number}", subject="s", detail={"n": number}, at_s=number)
        records.web_sessions._set("a session", b"\x00\xff", 600)
        records.web_sessions._set("for ever", b"", None)


def names_of_tables(connection: Connection) -> set[str]:
    """What the database itself says it holds."""
    return set(inspect(connection).get_table_names()) - {"alembic_version"}


def _row(table: Table, number: int, kept: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    return {column.name: _value(column, number, kept) for column in table.columns}


def _value(column: Column[Any], number: int, kept: dict[str, list[dict[str, Any]]]) -> Any:
    if column.nullable and number == ROWS - 1:
        return None
    for key in column.foreign_keys:
        return kept[key.column.table.name][number][key.column.name]
    if isinstance(column.type, Boolean):
        return number == 1
    if isinstance(column.type, LargeBinary):
        return bytes([number, 0, 255]) + column.name.encode()
    if isinstance(column.type, Float):
        return 80.35 + number / 3
    if isinstance(column.type, BigInteger) and not column.primary_key:
        return (1 << 40) + number
    if isinstance(column.type, Integer):
        return number + 1
    return f"{column.name} {number} 'बिजली'\n"
