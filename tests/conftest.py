"""Databases for records, for tests that builds them. Beside a server (BIJLIGHAR_TEST_POSTGRESQL) of both kinds.

Generated examples are the same in every run, and may take the time that a busy machine needs: a test that fails
fails again. ``make nightly`` draws new ones (HYPOTHESIS_PROFILE=night).
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import create_engine, make_url, text

from bijlighar.records.database import Database
from bijlighar.records.schema import migrate

settings.register_profile("night", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.register_profile("day", settings.get_profile("night"), derandomize=True, database=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "day"))

SERVER = os.environ.get("BIJLIGHAR_TEST_POSTGRESQL", "")
DIALECTS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)] if SERVER else ["sqlite"]


def _run(statement: str) -> None:
    engine = create_engine(SERVER, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()


def _url(database: str) -> str:
    return make_url(SERVER).set(database=database).render_as_string(hide_password=False)


@contextmanager
def _database(template: str = "template1") -> Iterator[str]:
    name = f"bijlighar_{secrets.token_hex(6)}"
    _run(f"CREATE DATABASE {name} TEMPLATE {template}")
    yield name
    _run(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def schema_template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name of a PostgreSQL database with the schema and nothing else: a copy costs a third of building it."""
    if not SERVER:
        yield ""
        return
    with _database() as name:
        database = Database(_url(name))
        migrate(database, tmp_path_factory.mktemp("template"))
        database.close()
        yield name


@pytest.fixture(params=DIALECTS)
def dialect(request: pytest.FixtureRequest) -> str:
    """The kind of database of this test."""
    return str(request.param)


@pytest.fixture
def empty_url(dialect: str, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without any table."""
    if dialect == "sqlite":
        yield f"sqlite:///{tmp_path / 'records.db'}"
        return
    with _database() as name:
        yield _url(name)


@pytest.fixture
def records_url(dialect: str, tmp_path: Path, schema_template: str) -> Iterator[str]:
    """The URL of a database in which records may begin: a data directory's SQLite file, or a copied schema."""
    if dialect == "sqlite":
        yield f"sqlite:///{tmp_path / 'records.db'}"
        return
    with _database(schema_template) as name:
        yield _url(name)


@pytest.fixture
def another_url(dialect: str, tmp_path: Path, schema_template: str) -> Iterator[str]:
    """A second database of the same kind."""
    if dialect == "sqlite":
        yield f"sqlite:///{tmp_path / 'another' / 'records.db'}"
        return
    with _database(schema_template) as name:
        yield _url(name)
