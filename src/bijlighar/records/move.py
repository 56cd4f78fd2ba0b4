"""Moves whole records databases: every table from one to another, in one transaction, compared before it counts.

SQLite to PostgreSQL, back, or like to like; a backup is such a copy too. The target is filled in a single
transaction, so a copy that was cut short has left nothing, and starting again is all there is to do. Rows are
compared by a digest that does not depend on their order, because two databases sort text differently.

Readings are files and stay where they are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, delete, exc, func, insert, inspect, select, text

from bijlighar.records import tables
from bijlighar.records.database import Database
from bijlighar.records.schema import newest_revision, revision

BATCH_ROWS = 5_000
"""Rows held in memory at once: some megabytes, and few enough calls."""

MOVED_TO = "records.moved-to"
"""The setting that closes records which were moved away; its value is where they went, without a password."""

_ALEMBIC = "alembic_version"
_SEEDED = frozenset({"sequences"})
"""Tables that a new database holds rows of."""
_DIGEST_MODULUS = 1 << 256

Progress = Callable[[str, int, int], None]
"""Told with a table's name, rows done, and rows in all."""


class MoveRefused(Exception):
    """The records cannot be copied as asked; nothing was changed. ``reason`` is one sentence."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class RecordsMoved(Exception):
    """These records were moved away and are closed. ``to`` is where they went."""

    def __init__(self, to: str) -> None:
        super().__init__(f"these records were moved to {to} and are closed; name that place in database_url")
        self.to = to


@dataclass(frozen=True, slots=True, kw_only=True)
class TableContent:
    """What a table holds. ``digest``: hexadecimal, the sum of the SHA-256 of every row, in no order."""

    name: str
    rows: int
    digest: str


class _Digest:
    """Adds rows up, as they come."""

    def __init__(self) -> None:
        self.rows = 0
        self._sum = 0

    def add(self, rows: Sequence[tuple[Any, ...]]) -> None:
        for row in rows:
            told = hashlib.sha256(repr(row).encode("utf-8", "surrogatepass")).digest()
            self._sum = (self._sum + int.from_bytes(told, "big")) % _DIGEST_MODULUS
        self.rows += len(rows)

    def content(self, table: Table) -> TableContent:
        return TableContent(name=table.name, rows=self.rows, digest=f"{self._sum:064x}")


def all_tables() -> list[Table]:
    """Every table of the records, each after those it refers to."""
    return tables.metadata.sorted_tables


def require_schema(connection: Connection, place: str) -> None:
    """Refuse a database whose schema is not this program's, or that holds tables it does not know.

    Raises MoveRefused.
    """
    found, newest = revision(connection), newest_revision()
    if found is None:
        raise MoveRefused(f"{place} holds no records")
    if found != newest:
        raise MoveRefused(
            f"{place} has schema {found}, this program has {newest}: start this version's `bijlighar serve` on it "
            "once, or use the version that wrote it"
        )
    unknown = set(inspect(connection).get_table_names()) - tables.metadata.tables.keys() - {_ALEMBIC}
    if unknown:
        raise MoveRefused(f"{place} holds tables that this program does not know: {', '.join(sorted(unknown))}")


def filled_tables(connection: Connection) -> dict[str, int]:
    """Rows by table, of tables that a new database would not hold any of."""
    counts = {table.name: _count(connection, table) for table in all_tables() if table.name not in _SEEDED}
    return {name: rows for name, rows in counts.items() if rows}


def copy_tables(
    source: Connection,
    target: Connection,
    chosen: Sequence[Table] | None = None,
    *,
    told: Progress = lambda _name, _done, _rows: None,
) -> list[TableContent]:
    """Copy tables whole inside the transactions given, and compare them. Returns what each holds.

    ``chosen`` in an order in which each comes after those it refers to; None: all tables. The target's tables
    must be as a new database's. Raises MoveRefused when the target cannot hold a row or holds something else.
    """
    copied = []
    for table in all_tables() if chosen is None else chosen:
        if table.name in _SEEDED:
            target.execute(delete(table))
        rows_in_all, digest = _count(source, table), _Digest()
        names = [column.name for column in table.columns]
        for rows in _batches(source, table):
            digest.add(rows)
            _insert(target, table, [dict(zip(names, row, strict=True)) for row in rows])
            told(table.name, digest.rows, rows_in_all)
        kept = content_of(target, table)
        if kept != digest.content(table):
            raise MoveRefused(f"table {table.name} differs after it was copied: {kept.rows} of {digest.rows} rows")
        _advance_row_numbers(target, table)
        copied.append(kept)
    return copied


def content_of(connection: Connection, table: Table) -> TableContent:
    """Count a table and digest it, in batches."""
    digest = _Digest()
    for rows in _batches(connection, table):
        digest.add(rows)
    return digest.content(table)


def lock_against_writers(connection: Connection) -> None:
    """Let nobody else write any table until the transaction ends. Raises MoveRefused, Unavailable."""
    if connection.dialect.name == "sqlite":
        return  # a writing transaction holds the lock of the whole file already
    others = connection.execute(
        text(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
    ).scalar_one()
    if others:
        raise MoveRefused(f"{others} other connections to the records are open: end the programs that use them")
    names = ", ".join(connection.dialect.identifier_preparer.format_table(table) for table in all_tables())
    connection.execute(text(f"LOCK TABLE {names} IN SHARE ROW EXCLUSIVE MODE"))


def close_moved(connection: Connection, *, to: str, by: str, at_s: int) -> None:
    """Close records that were moved to ``to``, inside a writing transaction."""
    values = {"key": MOVED_TO, "value": json.dumps(to), "valid_from_s": at_s}
    connection.execute(insert(tables.settings).values(**values, changed_by=by, changed_s=at_s))


def moved_to(connection: Connection) -> str | None:
    """Where the records went when they were moved away, else None."""
    row = tables.settings
    query = select(row.c.value).where(row.c.key == MOVED_TO).order_by(row.c.number.desc()).limit(1)
    found = connection.execute(query).scalar()
    return None if found is None else str(json.loads(found))


def refuse_moved(database: Database) -> None:
    """Raises RecordsMoved for records that were moved away."""
    with database.read() as connection:
        to = moved_to(connection)
    if to is not None:
        raise RecordsMoved(to)


def _count(connection: Connection, table: Table) -> int:
    return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def _batches(connection: Connection, table: Table) -> Iterator[list[tuple[Any, ...]]]:
    streamed = connection.execute(select(table).execution_options(yield_per=BATCH_ROWS))
    for rows in streamed.partitions():
        yield [tuple(row) for row in rows]


def _insert(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    try:
        connection.execute(insert(table), rows)
    except exc.DataError as fault:
        told = str(fault.orig).strip().splitlines()[0]
        raise MoveRefused(f"table {table.name} holds a value that the target cannot: {told}") from fault


def _advance_row_numbers(connection: Connection, table: Table) -> None:
    """Let PostgreSQL count on behind the greatest number that was copied; SQLite does so by itself."""
    counted = table.autoincrement_column
    if counted is None or connection.dialect.name == "sqlite":
        return
    sequence = connection.execute(select(func.pg_get_serial_sequence(table.name, counted.name))).scalar()
    if sequence is not None:
        greatest = connection.execute(select(func.max(counted))).scalar()
        connection.execute(select(func.setval(sequence, greatest or 1, greatest is not None)))
