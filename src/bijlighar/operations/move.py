"""Moving the records to another database while nothing uses them: SQLite to PostgreSQL, or back.

The source is locked, copied whole in one transaction of the target, compared, and closed. A move that ended
between the two commits is found complete when it is asked for again, and then only closes the source.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, exc, inspect

from bijlighar.cim.exchange import Unavailable
from bijlighar.records.audit import Audit, AuditVerdict, verify_chain
from bijlighar.records.database import Database
from bijlighar.records.files import living_owners
from bijlighar.records.move import (
    MoveRefused,
    Progress,
    TableContent,
    all_tables,
    close_moved,
    content_of,
    copy_tables,
    filled_tables,
    lock_against_writers,
    moved_to,
    require_schema,
)
from bijlighar.records.schema import migrate, revision

BUSY_S = 10.0
"""How long a lock is waited for before somebody is told that the records are in use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveReport:
    """What was moved, or would be (``dry_run``), by table. ``to`` without a password.

    ``was_there``: an earlier move had filled the target already; ``audit`` is the target's chain
    """

    tables: tuple[TableContent, ...]
    to: str
    dry_run: bool
    was_there: bool
    audit: AuditVerdict

    @property
    def rows(self) -> int:
        """Rows in all."""
        return sum(table.rows for table in self.tables)


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What is asked: from which URL to which, the folder of the readings, and in whose name."""

    source_url: str
    target_url: str
    data_dir: Path
    by: str
    dry_run: bool = False


def move_records(
    move: Move, now: Callable[[], float], told: Progress = lambda _name, _done, _rows: None
) -> MoveReport:
    """Move the records, or with ``dry_run`` look whether it would go. ``now`` gives epoch seconds.

    Raises MoveRefused with a reason when they are in use, or the target is not empty, of another version or
    unreachable; then nothing has changed.
    """
    refuse_living(move.data_dir)
    with _opened(move.source_url, "the source") as source, _opened(move.target_url, "the target") as target:
        if source.url == target.url:
            raise MoveRefused("source and target are the same database")
        to = target.url.render_as_string(hide_password=True)
        with _told("the source"), source.write() as reading:
            _prepare_source(reading)
            if move.dry_run:
                with _told("the target"):
                    _look_at(target)
                tables = tuple(content_of(reading, table) for table in all_tables())
                return _report(move, tables, to, verify_chain(reading))
            with _told("the target"):
                migrate(target, move.data_dir)
                tables, audit, was_there = _fill(reading, target, told)
            close_moved(reading, to=to, by=move.by, at_s=int(now()))
        with _told("the target"):
            detail = {"from": source.url.render_as_string(hide_password=True), "to": to}
            Audit(target).append(
                who=move.by, what="moved-records", subject="records", detail=detail, at_s=int(now())
            )
    return _report(move, tables, to, audit, was_there=was_there)


def refuse_living(data_dir: Path) -> None:
    """Raises MoveRefused while a process has the records open whose readings stand in ``data_dir``."""
    living = living_owners(data_dir / "segments" / ".owners")
    if living:
        raise MoveRefused(
            f"{living} processes (head-ends, control room, commands) use the records in {data_dir}: end them first"
        )


def _report(
    move: Move, tables: tuple[TableContent, ...], to: str, audit: AuditVerdict, *, was_there: bool = False
) -> MoveReport:
    return MoveReport(tables=tables, to=to, dry_run=move.dry_run, was_there=was_there, audit=audit)


def _prepare_source(connection: Connection) -> None:
    require_schema(connection, "the source")
    gone = moved_to(connection)
    if gone is not None:
        raise MoveRefused(f"the source was moved to {gone} already")
    lock_against_writers(connection)


def _look_at(target: Database) -> None:
    """Refuse what could not be filled, without changing anything."""
    if target.is_sqlite and not Path(str(target.url.database)).exists():
        return  # opening it would make a file
    with target.read() as connection:
        if not inspect(connection).get_table_names():
            return
        if revision(connection) is None:
            raise MoveRefused("the target holds tables of something else")
        require_schema(connection, "the target")
        _refuse_filled(filled_tables(connection), connection)


def _fill(
    reading: Connection, target: Database, told: Progress
) -> tuple[tuple[TableContent, ...], AuditVerdict, bool]:
    with target.write() as writing:
        require_schema(writing, "the target")
        lock_against_writers(writing)
        filled = filled_tables(writing)
        if filled:
            there = [content_of(writing, table) for table in all_tables()]
            if there != [content_of(reading, table) for table in all_tables()]:
                _refuse_filled(filled, writing)
            return tuple(there), verify_chain(writing), True
        return tuple(copy_tables(reading, writing, told=told)), verify_chain(writing), False


def _refuse_filled(filled: dict[str, int], target: Connection) -> None:
    gone = moved_to(target)
    if gone is not None:
        raise MoveRefused(f"the target holds the records that were moved to {gone}: put that database aside first")
    if filled:
        most = sorted(filled.items(), key=lambda each: -each[1])[:3]
        held = ", ".join(f"{rows} rows of {name}" for name, rows in most)
        raise MoveRefused(f"the target is not empty: it holds {held}")


@contextmanager
def _opened(url: str, place: str) -> Iterator[Database]:
    with _told(place):
        database = Database(url, busy_s=BUSY_S)
    try:
        yield database
    finally:
        database.close()


@contextmanager
def _told(place: str) -> Iterator[None]:
    """Turn what a database or its driver says into MoveRefused with one sentence."""
    try:
        yield
    except ModuleNotFoundError as fault:
        raise MoveRefused(
            f"{place} needs the driver {fault.name}: install bijlighar with its extra, bijlighar[postgresql]"
        ) from fault
    except (exc.ArgumentError, exc.NoSuchModuleError) as fault:
        raise MoveRefused(f"{place} is not named by a URL such as postgresql://user@host/database") from fault
    except Unavailable as refusal:
        said = str(getattr(refusal.__cause__, "orig", "")).strip().splitlines()
        raise MoveRefused(f"{place}: {refusal.reason}" + (f" ({said[-1]})" if said else "")) from refusal
    except exc.DatabaseError as fault:
        raise MoveRefused(f"{place}: {str(fault.orig).strip().splitlines()[0]}") from fault
