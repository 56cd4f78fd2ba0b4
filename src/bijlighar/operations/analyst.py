"""Questions in SQL over one pinned generation of the records, answered by DuckDB in memory.

A question cannot reach anything but the views: the files are handed over as Arrow datasets, DuckDB itself may open
no file and no network, cannot load extensions, and its configuration is locked before the first question. Sealed
keys and people are in no view.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import duckdb
import pyarrow as pa

from bijlighar.operations.analyst_files import (
    EARLIEST,
    LATEST,
    PERIODS_S,
    PinnedFiles,
    blocks,
    contacts,
    files_below,
    overtaken,
    readings,
)
from bijlighar.operations.analyst_final import SCHEMA, write_final
from bijlighar.operations.analyst_views import READINGS, View, views
from bijlighar.records import Records
from bijlighar.records.copied_tables import NAMES

ALL_VIEWS = re.compile(r"\b(show|describe|summarize|information_schema|duckdb_\w+|pg_\w+)\b", re.IGNORECASE)
"""Questions about the views themselves."""

_WORD = re.compile(r"[a-z_][a-z_0-9]*")


class QuestionRefused(Exception):
    """The question cannot be answered; one sentence says why, in DuckDB's words where they help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a question may use: ``memory`` as DuckDB writes it ("2GB"), ``threads``, days ``[first, last]``."""

    memory: str = "2GB"
    threads: int = 2
    first: date = EARLIEST
    last: date = LATEST


class Analyst:
    """A session over the generation that stands when it is opened. Files of it are kept for an hour."""

    def __init__(self, records: Records, data_dir: Path, bounds: Bounds, *, now_s: int) -> None:
        self._pinned = PinnedFiles(
            records=records,
            folder=data_dir,
            generation=records.blocks.manifest.generation(),
            first=bounds.first,
            last=bounds.last,
        )
        self._now_s = now_s
        self._bounds = bounds
        self._open = ExitStack()
        period = self._pinned.period
        self._views = views(bounds.first.isoformat(), bounds.last.isoformat(), period.start_s, period.end_s)
        self._there: set[str] = set()
        self._connection: Any = None

    @property
    def generation(self) -> int:
        """Which state of the records is asked."""
        return self._pinned.generation

    def __enter__(self) -> Self:
        scratch = self._open.enter_context(tempfile.TemporaryDirectory(prefix="bijlighar-sql-"))
        self._scratch = Path(scratch)
        try:
            self._connection = self._open.enter_context(
                duckdb.connect(
                    ":memory:",
                    config={
                        "memory_limit": self._bounds.memory,
                        "threads": self._bounds.threads,
                        "temp_directory": str(self._scratch / "spill"),
                        "autoinstall_known_extensions": False,
                        "autoload_known_extensions": False,
                        "allow_community_extensions": False,
                        "python_enable_replacements": False,
                    },
                )
            )
        except duckdb.Error as fault:
            self._open.close()
            raise QuestionRefused(_first_line(fault)) from fault
        for statement in ("enable_external_access = false", "lock_configuration = true"):
            self._connection.execute(f"SET {statement}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def ask(self, question: str) -> pa.RecordBatchReader:
        """The answer, row by row. Raises QuestionRefused, TooManyDays, BlockDamaged, Unavailable."""
        with self.answering():
            statements = self._connection.extract_statements(question)
            if len(statements) != 1:
                raise QuestionRefused("ask one question at a time")
            if statements[0].type != duckdb.StatementType.SELECT:
                raise QuestionRefused("only questions are answered: SELECT, WITH … SELECT, FROM, SHOW, DESCRIBE")
            self._prepare(question)
            reader: pa.RecordBatchReader = self._connection.sql(statements[0]).to_arrow_reader(10_000)
            return reader

    @contextmanager
    def answering(self) -> Iterator[None]:
        """While rows of an answer are read: what goes wrong is told as QuestionRefused."""
        try:
            yield
        except duckdb.Error as fault:
            raise QuestionRefused(_told(fault)) from fault
        except (FileNotFoundError, pa.ArrowException) as fault:
            raise QuestionRefused(_told(fault)) from fault

    def _prepare(self, question: str) -> None:
        """Have the views that the question names; all when it asks about views."""
        words = set(_WORD.findall(question.lower()))
        every = ALL_VIEWS.search(question) is not None and not words & self._views.keys()
        for view in self._views.values():
            if (every or view.name in words) and view.name not in self._there:
                self._make(view)

    def _make(self, view: View) -> None:
        for source in view.sources:
            if source not in self._there:
                self._connection.register(source, self._source(source))
                self._there.add(source)
        self._connection.execute(f"CREATE VIEW {view.name} AS {view.sql}")
        self._there.add(view.name)

    def _source(self, name: str) -> Any:  # noqa: ANN401 - a dataset or a table
        pinned = self._pinned
        made: dict[str, Callable[[], Any]] = {
            "overtaken": partial(_overtaken, pinned),
            "landed_contacts": partial(contacts, pinned),
            "final_files": self._final,
            **{f"landed_{view}": partial(readings, pinned, kind) for view, kind in READINGS.items()},
            **{f"blocks_{period_s}": partial(blocks, pinned, period_s) for period_s in PERIODS_S},
            **{f"copied_{table}": partial(pinned.records.copied_tables.table, table) for table in NAMES},
        }
        return made[name]()

    def _final(self) -> Any:  # noqa: ANN401
        folder = self._scratch / "final"
        folder.mkdir()
        write_final(self._pinned, folder, self._now_s)
        return files_below(folder, SCHEMA)


def _overtaken(pinned: PinnedFiles) -> pa.Table:
    return overtaken(pinned.blocks())


def _told(fault: Exception) -> str:
    text = str(fault)
    if "No such file" in text or isinstance(fault, FileNotFoundError):
        return "files of this generation are no longer kept; ask again, of the newest"
    if "file system operations are disabled" in text or "automatically install" in text:
        return "a question reaches the views alone, no file and no network"
    return text.strip()


def _first_line(fault: Exception) -> str:
    return str(fault).strip().splitlines()[0]
