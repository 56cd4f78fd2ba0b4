"""The records database: one engine, short transactions, and the store's own refusals told as ``Unavailable``.

SQLite stands in WAL mode with full synchronisation, so that a committed transaction survives a power cut; a
writing transaction takes its lock at once (BEGIN IMMEDIATE), so that two writers wait for each other instead of
failing half-way, and threads of one process stand in line for it. PostgreSQL needs none of this and is otherwise
served by the same statements.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import (
    URL,
    BigInteger,
    Connection,
    Engine,
    Float,
    Integer,
    LargeBinary,
    Table,
    Text,
    create_engine,
    event,
    exc,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url

from bijlighar.cim.exchange import Unavailable
from bijlighar.records import tables
from bijlighar.records.turns import Turns

BUSY_S = 5.0
"""How long a statement waits for another writer: many commits of 10 ms, yet short beside a session's time-out."""

_WRITES = "bijlighar_writes"
_ONE_LOOK = {"isolation_level": "REPEATABLE READ"}
"""SQLite's reading transactions are one snapshot anyway."""

_REASONS = {
    "database is locked": "the records database is locked by another writer",
    "database table is locked": "the records database is locked by another writer",
    "database or disk is full": "the disk of the records database is full",
    "disk i/o error": "the disk of the records database answers with an error",
    "unable to open database file": "the records database cannot be opened",
    "readonly database": "the records database is read-only",
    "attempt to write a readonly": "the records database is read-only",
}
"""SQLite's words for "not now" (sqlite.org/rescode.html: BUSY, LOCKED, FULL, IOERR, CANTOPEN, READONLY)."""

_STATES = {
    "53100": "the disk of the records database is full",
    "25006": "the records database is read-only",
    "55": "the records database is locked by another writer",
    "40": "the records database is locked by another writer",
    "08": "the records database cannot be reached",
    "53": "the records database does not serve now",
    "57": "the records database does not serve now",
    "58": "the disk of the records database answers with an error",
}
"""The same of PostgreSQL, by SQLSTATE or its class (PostgreSQL documentation, appendix A), the narrower first."""


class Database:
    """Opens connections for ``read`` and ``write``. ``url`` is a SQLAlchemy URL. Usable from many threads."""

    def __init__(self, url: str, *, busy_s: float = BUSY_S) -> None:
        self.url = with_driver(url)
        self.engine = _engine(self.url, busy_s)
        self._reading = self.engine if self.is_sqlite else self.engine.execution_options(**_ONE_LOOK)
        self._writing = self.engine.execution_options(**{_WRITES: True})
        self._busy_s = busy_s
        self._turns = Turns() if self.is_sqlite else None

    @property
    def is_sqlite(self) -> bool:
        """True when the records stand in one SQLite file."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent look. Raises Unavailable when the store cannot serve now."""
        with unavailable_when_refused(), self._reading.begin() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction: durable when the block ends, undone when it raises. Raises Unavailable."""
        with self._turn(), unavailable_when_refused(), self._writing.begin() as connection:
            yield connection

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """One's turn among the threads of this process, where the database knows no turns."""
        if self._turns is None:
            yield
            return
        if not self._turns.take(self._busy_s):
            raise Unavailable(_REASONS["database is locked"])
        try:
            yield
        finally:
            self._turns.give()

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def sqlite_url(path: Path) -> str:
    """The URL of a SQLite file."""
    return f"sqlite:///{path}"


def with_driver(url: str) -> URL:
    """The URL, with the driver that this program brings where it names none.

    Raises sqlalchemy's ArgumentError for what is no URL.
    """
    made = make_url(url)
    return made.set(drivername="postgresql+psycopg") if made.drivername == "postgresql" else made


def _engine(url: URL, busy_s: float) -> Engine:
    if url.get_backend_name() != "sqlite":
        waits = f"-c lock_timeout={int(busy_s * 1000)} -c synchronous_commit=on"
        return create_engine(url, pool_pre_ping=True, connect_args={"options": waits})
    engine = create_engine(url, connect_args={"timeout": busy_s})

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: object) -> None:  # noqa: ANN401 - the driver's own type
        connection.isolation_level = None  # SQLAlchemy begins, the driver shall not
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get(_WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


@contextmanager
def unavailable_when_refused() -> Iterator[None]:
    """Turn the database's "not now" into Unavailable; everything else passes as it is."""
    try:
        yield
    except exc.DBAPIError as refusal:
        reason = refusal_reason(refusal)
        if reason is None:
            raise
        raise Unavailable(reason) from refusal
    except exc.TimeoutError as refusal:
        raise Unavailable("all connections to the records database are in use") from refusal


def refusal_reason(refusal: exc.DBAPIError) -> str | None:
    """One sentence when the store cannot serve now, None when the fault is ours."""
    told = str(refusal.orig).lower()
    for words, reason in _REASONS.items():
        if words in told:
            return reason
    state = getattr(refusal.orig, "sqlstate", None)
    for begins, reason in _STATES.items():
        if state is not None and state.startswith(begins):
            return reason
    if refusal.connection_invalidated:
        return "the records database does not serve now"
    if state is None and isinstance(refusal, exc.OperationalError) and "connect" in told:
        return "the records database cannot be reached"
    return None


def upsert(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]], *, keep: bool = False) -> None:
    """Insert rows; where the primary key stands already, the new row wins (``keep``: the old one stays)."""
    if not rows:
        return
    keys = [column.name for column in table.primary_key]
    make = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    statement = make(table)
    values = {name: statement.excluded[name] for name in rows[0] if name not in keys}
    if keep or not values:
        connection.execute(statement.on_conflict_do_nothing(index_elements=keys), rows)
    else:
        connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=values), rows)


def upsert_new(connection: Connection, table: Table, row: Mapping[str, Any]) -> bool:
    """Insert a row unless its primary key stands already; whether it was inserted."""
    make = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    keys = [column.name for column in table.primary_key]
    new = make(table).on_conflict_do_nothing(index_elements=keys).returning(table.c[keys[0]])
    return connection.execute(new, row).first() is not None


_ARRAYS = {Text: "text[]", Integer: "int4[]", BigInteger: "int8[]", Float: "float8[]", LargeBinary: "bytea[]"}


def insert_columns(connection: Connection, table: Table, columns: Mapping[str, Sequence[Any]]) -> None:
    """Insert many rows given by columns, of equal length and plain values: the quickest way of either kind.

    SQLite takes the rows one after the other, PostgreSQL a whole column as one value.
    """
    names = ", ".join(columns)
    if connection.dialect.name == "sqlite":
        marks = ", ".join("?" for _ in columns)
        rows = list(zip(*columns.values(), strict=True))
        if rows:
            connection.exec_driver_sql(f"INSERT INTO {table.name} ({names}) VALUES ({marks})", rows)  # noqa: S608
        return
    arrays = ", ".join(f"%({name})s::{_ARRAYS[type(table.c[name].type)]}" for name in columns)
    statement = f"INSERT INTO {table.name} ({names}) SELECT * FROM unnest({arrays})"  # noqa: S608 (our own names)
    connection.exec_driver_sql(statement, {name: list(values) for name, values in columns.items()})


def next_number(connection: Connection, name: str) -> int:
    """Count a sequence of ``tables.sequences`` up, inside a writing transaction, and return the new number.

    The row stays locked until the transaction ends, so numbers are committed in order and everything done after
    this call is done by one process at a time.
    """
    row = tables.sequences
    statement = update(row).where(row.c.name == name).values(value=row.c.value + 1).returning(row.c.value)
    return int(connection.execute(statement).scalar_one())


def hold_sequence(connection: Connection, name: str) -> int:
    """Lock a sequence until the transaction ends and return its number, without counting it up."""
    row = tables.sequences
    return int(connection.execute(select(row.c.value).where(row.c.name == name).with_for_update()).scalar_one())


def current_number(connection: Connection, name: str) -> int:
    """The number of a sequence as it stands."""
    row = tables.sequences
    return int(connection.execute(select(row.c.value).where(row.c.name == name)).scalar_one())
