"""Records move whole from one database to another, or not at all, and nobody writes to the old ones afterwards."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import insert, text

from bijlighar.operations.move import Move, MoveReport, move_records
from bijlighar.records import Records, tables
from bijlighar.records.database import Database, sqlite_url
from bijlighar.records.move import MoveRefused, RecordsMoved, all_tables, content_of, copy_tables
from records.every_table import ROWS, fill_every_table, names_of_tables

NOW_S = 1_780_252_200.0


Moving = Callable[..., MoveReport]


@pytest.fixture
def source(tmp_path: Path) -> str:
    """Records on SQLite, with rows in every table, closed."""
    fill_every_table(None, tmp_path)
    return sqlite_url(tmp_path / "records.db")


@pytest.fixture
def target(records_url: str) -> str:
    """The URL of an empty database, of either kind."""
    return records_url.replace("records.db", "moved.db")


@pytest.fixture
def move(tmp_path: Path) -> Moving:
    def moved(source_url: str, target_url: str, **more: bool) -> MoveReport:
        asked = Move(source_url=source_url, target_url=target_url, data_dir=tmp_path, by="root", **more)
        return move_records(asked, now=lambda: NOW_S)

    return moved


def contents(url: str) -> dict[str, object]:
    database = Database(url)
    with database.read() as connection:
        held = {table.name: content_of(connection, table) for table in all_tables()}
    database.close()
    return held


def test_every_table_is_filled_moved_and_the_same(source: str, target: str, move: Moving) -> None:
    before = contents(source)
    report = move(source, target)
    assert {table.name: table for table in report.tables} == before
    assert [table.name for table in report.tables if table.rows < min(ROWS, 2)] == []
    assert (report.audit.entries, report.audit.broken_at) == (ROWS, None)
    after = contents(target)
    assert {name for name in before if before[name] != after[name]} == {
        "audit",
        "sequences",
    }
    database = Database(target)
    with database.read() as connection:
        assert names_of_tables(connection) == before.keys()
    database.close()


def test_the_moved_records_go_on_where_they_stood(source: str, target: str, tmp_path: Path, move: Moving) -> None:
    move(source, target)
    with Records(target, tmp_path, now=lambda: NOW_S) as records:
        with records._database.write() as connection:
            for table in all_tables():
                counted = table.autoincrement_column
                if counted is not None and table.name in ("trials", "refused_pushes"):
                    row = {c.name: _another(c.name, c.nullable) for c in table.columns if c is not counted}
                    row = {**row, "system_title": b"t", "octets": b"o", "received_s": 1, "started_s": 1}
                    row = {name: value for name, value in row.items() if name in table.columns}
                    made = connection.execute(insert(table).values(row)).inserted_primary_key
                    assert made is not None
                    assert made[0] == ROWS + 1
        entry = records.audit.entries(limit=1)[0]
        assert (entry.what, entry.who, entry.number) == ("moved-records", "root", ROWS + 1)
        assert records.audit.verify().broken_at is None


def _another(name: str, nullable: bool) -> str | None:
    return None if nullable else f"another {name}"


def test_there_and_back_again_is_the_same(source: str, target: str, tmp_path: Path, move: Moving) -> None:
    before = contents(source)
    move(source, target)
    back = sqlite_url(tmp_path / "back.db")
    report = move(target, back)
    assert report.audit.entries == ROWS + 1
    after = contents(back)
    assert {name for name in before if before[name] != after[name]} == {"audit", "sequences"}


def test_the_old_records_are_closed(source: str, target: str, tmp_path: Path, move: Moving) -> None:
    move(source, target)
    with pytest.raises(RecordsMoved, match="were moved to"):
        Records(source, tmp_path)
    with pytest.raises(MoveRefused, match="was moved to"):
        move(source, target)


def test_a_dry_run_changes_nothing(source: str, target: str, tmp_path: Path, move: Moving) -> None:
    before = contents(source)
    report = move(source, target, dry_run=True)
    assert (report.dry_run, report.rows) == (True, sum(content.rows for content in before.values()))
    assert not (tmp_path / "moved.db").exists()
    assert contents(source) == before
    Records(source, tmp_path).close()


def test_a_move_that_ended_between_its_two_commits_is_finished(
    source: str, target: str, tmp_path: Path, move: Moving
) -> None:
    Records(target, tmp_path / "elsewhere").close()
    first, second = Database(source), Database(target)
    with first.read() as reading, second.write() as writing:
        copy_tables(reading, writing)
    first.close()
    second.close()
    report = move(source, target)
    assert report.was_there
    with pytest.raises(RecordsMoved):
        Records(source, tmp_path)


def test_a_copy_that_fails_leaves_the_target_empty_and_the_source_open(
    source: str, target: str, tmp_path: Path, move: Moving, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(name: str, _done: int, _rows: int) -> None:
        if name == "meters":
            raise ConnectionResetError("the line was cut")

    asked = Move(source_url=source, target_url=target, data_dir=tmp_path, by="root")
    with pytest.raises(ConnectionResetError):
        move_records(asked, lambda: NOW_S, cut)
    assert sum(content.rows for name, content in contents(target).items() if name != "sequences") == 0
    Records(source, tmp_path).close()
    assert not move(source, target).was_there


def test_a_target_that_is_not_empty_is_refused(source: str, target: str, tmp_path: Path, move: Moving) -> None:
    with Records(target, tmp_path / "elsewhere") as other:
        other.audit.append(who="x", what="y", subject="z", detail={}, at_s=1)
    with pytest.raises(MoveRefused, match="not empty: it holds 1 rows of audit"):
        move(source, target)
    Records(source, tmp_path).close()


def test_records_in_use_are_refused(source: str, target: str, tmp_path: Path, move: Moving) -> None:
    with Records(source, tmp_path), pytest.raises(MoveRefused, match="1 processes"):
        move(source, target)


def test_a_writer_elsewhere_is_refused(
    source: str, target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bijlighar.operations.move.BUSY_S", 0.1)
    other = sqlite3.connect(tmp_path / "records.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(MoveRefused, match="locked by another writer"):
        move_records(Move(source_url=source, target_url=target, data_dir=tmp_path, by="root"), now=lambda: NOW_S)
    other.close()


def test_another_version_is_refused(source: str, target: str, move: Moving) -> None:
    database = Database(source)
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    database.close()
    with pytest.raises(MoveRefused, match="the source has schema 0001, this program has"):
        move(source, target)


def test_a_table_that_nobody_knows_is_refused_rather_than_left_behind(
    source: str, target: str, move: Moving
) -> None:
    database = Database(source)
    with database.write() as connection:
        connection.execute(text("CREATE TABLE forgotten (x INTEGER)"))
    database.close()
    with pytest.raises(MoveRefused, match="does not know: forgotten"):
        move(source, target)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nonsense", "not named by a URL"),
        ("oracle9://x", "not named by a URL"),
        pytest.param(
            "postgresql://nobody@127.0.0.1:1/records",
            "the target: the records database cannot be reached",
            marks=pytest.mark.postgresql,  # its driver is there only then
        ),
        ("mysql+pymysql://x@y/z", "needs the driver pymysql"),
    ],
)
def test_a_wrong_target_is_told_in_a_sentence(
    source: str, url: str, said: str, tmp_path: Path, move: Moving
) -> None:
    with pytest.raises(MoveRefused, match=said):
        move(source, url)
    Records(source, tmp_path).close()


def test_a_file_that_is_no_database_is_refused(source: str, tmp_path: Path, move: Moving) -> None:
    (tmp_path / "letter.db").write_text("Dear sir, " * 1000)
    with pytest.raises(MoveRefused, match="not a database"):
        move(source, sqlite_url(tmp_path / "letter.db"))


def test_a_place_without_records_is_refused(target: str, tmp_path: Path, move: Moving) -> None:
    with pytest.raises(MoveRefused, match="the source holds no records"):
        move(sqlite_url(tmp_path / "empty.db"), target)


def test_the_digest_tells_a_changed_row(source: str) -> None:
    before = contents(source)
    database = Database(source)
    with database.write() as connection:
        connection.execute(
            tables.people.update().values(language="hi").where(tables.people.c.name.like("name 1%"))
        )
    database.close()
    after = contents(source)
    assert {name for name in before if before[name] != after[name]} == {"people"}


def test_a_text_that_the_target_cannot_hold_is_told_by_its_table(
    source: str, target: str, tmp_path: Path, move: Moving
) -> None:
    with Records(source, tmp_path) as records:
        records.audit.append(who="x", what="a\x00b", subject="z", detail={}, at_s=1)
    if target.startswith("sqlite"):
        assert move(source, target).audit.entries == ROWS + 1
        return
    with pytest.raises(MoveRefused, match="table audit holds a value that the target cannot"):
        move(source, target)
    Records(source, tmp_path).close()
