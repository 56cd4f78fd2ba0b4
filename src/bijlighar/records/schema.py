"""The schema's migrations, run when the records are opened.

Several processes may open at once: the first migrates under a lock, the others wait and find it done. A schema
newer than this program knows is refused, because writing into it could break what the newer program relies on.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from bijlighar.records.database import Database

_ADVISORY_LOCK = 0x62696A6C
"""The number of PostgreSQL's advisory lock for migrations: "bijl" in ASCII, unlikely to be anybody else's."""


class SchemaTooNew(Exception):
    """The database was written by a newer program. ``found`` is its revision, ``known`` the newest known here."""

    def __init__(self, *, found: str, known: str) -> None:
        super().__init__(
            f"the records database has schema {found}, this program knows schemas up to {known}: "
            "install the newer program, or restore a backup that was made before it"
        )
        self.found = found
        self.known = known


def migrate(database: Database, data_dir: Path) -> None:
    """Bring the schema to this program's. Raises SchemaTooNew, Unavailable."""
    scripts = ScriptDirectory.from_config(_config())
    newest = newest_revision()
    with _one_at_a_time(database, data_dir), database.write() as connection:
        if not database.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _ADVISORY_LOCK})
        found = revision(connection)
        if found == newest:
            return
        if found is not None and found not in {script.revision for script in scripts.walk_revisions()}:
            raise SchemaTooNew(found=found, known=newest)
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def revision(connection: Connection) -> str | None:
    """The revision of the schema, None for an empty database."""
    return MigrationContext.configure(connection).get_current_revision()


def newest_revision() -> str:
    """The revision that this program builds."""
    newest = ScriptDirectory.from_config(_config()).get_current_head()
    assert newest is not None, "migrations are packaged with the program"
    return newest


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config


@contextmanager
def _one_at_a_time(database: Database, data_dir: Path) -> Iterator[None]:
    """SQLite changes its journal mode outside any transaction, so its first opening needs a lock of its own."""
    if not database.is_sqlite:
        yield
        return
    with (data_dir / ".records.opening").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
