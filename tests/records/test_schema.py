"""Migrations: exactly the metadata, safe together, and never downwards."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, text

from bijlighar.records import Records
from bijlighar.records.schema import SchemaTooNew
from bijlighar.records.tables import metadata

OPEN = """
import sys
from pathlib import Path
from bijlighar.records import Records
with Records(sys.argv[1], Path(sys.argv[2])) as records:
    print(len(records.registry.meters()))
"""


def test_migrations_build_exactly_the_metadata(records: Records) -> None:
    with records._database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_opening_again_changes_nothing(records: Records, records_url: str, tmp_path: Path) -> None:
    with Records(records_url, tmp_path) as again:
        assert again.registry.version() == 0


def test_several_processes_may_open_an_empty_database_at_once(empty_url: str, tmp_path: Path) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", OPEN, empty_url, str(tmp_path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"PYTHONPATH": ":".join(sys.path)},
        )
        for _ in range(4)
    ]
    for process in processes:
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out) == (0, b"0\n"), err.decode()


def test_a_newer_schema_is_refused(empty_url: str, tmp_path: Path) -> None:
    Records(empty_url, tmp_path).close()
    engine = create_engine(empty_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(SchemaTooNew, match="schema 9999"):
        Records(empty_url, tmp_path)
