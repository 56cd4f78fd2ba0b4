"""Keeping the rows of a sheet piece by piece: what is new, what differs, what stands already."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, bindparam, select, update

from bijlighar.records.registry_csv import ROW, CheckedSheet

NAMED = "named"
"""The parameter of ``named``: thousands of values, which a statement of their own would compile one by one."""

Columns = dict[str, list[Any]]
"""Rows by column, all of one length."""


@dataclass(slots=True, kw_only=True)
class SheetCounts:
    """Rows of one sheet by what became of them."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0


def pieces(sheet: CheckedSheet) -> Iterator[Columns]:
    """The rows of a sheet as plain values, some thousand at a time."""
    for batch in sheet.batches:
        yield {name: batch[name].to_pylist() for name in batch.schema.names if name != ROW}


def sorted_rows(
    connection: Connection, table: Table, key: str, columns: Columns, counts: SheetCounts
) -> tuple[Columns, list[dict[str, Any]]]:
    """The rows that are new, as columns, and those that differ from what is kept; counts all."""
    names = list(columns)
    kept = _kept(connection, table, key, names, columns[key])
    if not kept:
        counts.added += len(columns[key])
        return columns, []
    added: list[tuple[Any, ...]] = []
    changed: list[dict[str, Any]] = []
    for row in zip(*columns.values(), strict=True):
        before = kept.get(row[names.index(key)])
        if before is None:
            added.append(row)
        elif before != row:
            changed.append(dict(zip(names, row, strict=True)))
    counts.added += len(added)
    counts.changed += len(changed)
    counts.unchanged += len(columns[key]) - len(added) - len(changed)
    return {name: [row[place] for row in added] for place, name in enumerate(names)}, changed


def _kept(
    connection: Connection, table: Table, key: str, names: Sequence[str], values: Sequence[str]
) -> dict[Any, tuple[Any, ...]]:
    """The kept rows of a piece by their key."""
    place = list(names).index(key)
    query = select(*(table.c[name] for name in names)).where(named(table.c[key]))
    return {row[place]: tuple(row) for row in connection.execute(query, {NAMED: values})}


def named(column: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether a column is one of the values that the statement is executed with, under NAMED."""
    return column.in_(bindparam(NAMED, expanding=True))


def update_rows(connection: Connection, table: Table, key: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Change rows that are kept, each named by its key."""
    if not rows:
        return
    names = [name for name in rows[0] if name != key]
    statement = update(table).where(table.c[key] == bindparam("kept_key"))
    values: dict[str, Any] = {name: bindparam(f"new_{name}") for name in names}
    changes = [{"kept_key": row[key], **{f"new_{name}": row[name] for name in names}} for row in rows]
    connection.execute(statement.values(values), changes)
