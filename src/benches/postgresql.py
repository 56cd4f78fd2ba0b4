"""A PostgreSQL beside a benchmark, for the ratio: one that stands already, or one of its own; None without any.

Its cost is the CPU time of the one process that serves the connection, so that a busy machine does not change it.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benches.report import say
from bijlighar.cim.readings import MISSING

VARIABLE = "BIJLIGHAR_TEST_POSTGRESQL"
"""URL of a server that stands: ``python -m scripts.with_postgresql`` sets it."""

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
ROWS_AT_ONCE = 200_000


@dataclass(frozen=True, slots=True)
class Rival:
    """A connection, and the process that serves it."""

    connection: Any
    pid: int

    def cpu_s(self) -> float:
        """What the process has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND

    def run(self, statement: str) -> list[tuple[Any, ...]]:
        """Execute; the rows, if there are any."""
        with self.connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def timed(self, statement: str) -> float:
        """CPU seconds of a statement."""
        begun = self.cpu_s()
        self.run(statement)
        return self.cpu_s() - begun

    def copy(self, table: str, columns: Sequence[NDArray[np.int64]]) -> None:
        """Append integer columns, MISSING as NULL."""
        with self.connection.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN") as copy:
            for first in range(0, len(columns[0]), ROWS_AT_ONCE):
                parts = [column[first : first + ROWS_AT_ONCE] for column in columns]
                words = [["\\N" if each == MISSING else str(each) for each in part.tolist()] for part in parts]
                copy.write("".join("\t".join(row) + "\n" for row in zip(*words, strict=True)))


@contextmanager
def rival() -> Iterator[Rival | None]:
    """A connection to a server without parallel workers; None, and a word why, when there is none to be had."""
    try:
        psycopg = importlib.import_module("psycopg")
        with _server() as url, psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
            found = Rival(connection, int(connection.execute("SELECT pg_backend_pid()").fetchone()[0]))
            if not Path(f"/proc/{found.pid}/stat").exists():
                say("PostgreSQL serves from another machine: not compared")
                yield None
                return
            found.run("SET max_parallel_workers_per_gather = 0")
            found.run("SET max_parallel_maintenance_workers = 0")
            found.run("SET work_mem = '512MB'")
            yield found
    except ImportError as missing:
        say(f"PostgreSQL is not compared: {missing}")
        yield None


@contextmanager
def _server() -> Iterator[str]:
    standing = os.environ.get(VARIABLE)
    if standing:
        yield standing
        return
    scripts: Any = importlib.import_module("scripts.with_postgresql")  # in a checkout
    try:
        started = scripts.postgresql_server()
        url = started.__enter__()
    except scripts.NoPostgresql as none:
        raise ImportError(str(none)) from none
    try:
        yield url
    finally:
        started.__exit__(None, None, None)
