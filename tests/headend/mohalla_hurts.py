"""What is done to a mohalla: a disk that fills up, a database that is away, a clock that jumps."""

import errno
import os
from contextlib import contextmanager

from sqlalchemy import create_engine, make_url, text

from bijlighar.headend.clock import SystemClock
from bijlighar.records.files import Files

SERVER = os.environ.get("BIJLIGHAR_TEST_POSTGRESQL", "")


class Disk:
    """``files`` for records: while it is full, as much of a file is written as there was room for."""

    def __init__(self):
        self.files_left = None
        self.refused = 0

    def __call__(self, root):
        return FillingFiles(root, self)

    def fills_up(self, after):
        """Full once so many more files are written."""
        self.files_left = after

    def has_room(self):
        self.files_left = None

    def takes(self):
        if self.files_left is None:
            return True
        self.files_left -= 1
        self.refused += self.files_left < 0
        return self.files_left >= 0


class FillingFiles(Files):
    def __init__(self, root, disk):
        super().__init__(root)
        self._disk = disk

    def write(self, path, octets):
        if not self._disk.takes():
            path.write_bytes(octets[: len(octets) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().write(path, octets)


@contextmanager
def database_away(url):
    """No transaction that writes comes about: SQLite's writer is another; PostgreSQL knows nobody any more."""
    if make_url(url).get_backend_name() == "sqlite":
        engine = create_engine(url)
        with engine.connect() as other:
            other.exec_driver_sql("BEGIN IMMEDIATE")
            yield
            other.rollback()
        engine.dispose()
        return
    name, engine = make_url(url).database, create_engine(SERVER, isolation_level="AUTOCOMMIT")
    with engine.connect() as keeper:
        keeper.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false"))
        keeper.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"), {"name": name}
        )
        yield
        keeper.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true"))
    engine.dispose()


class ServerClock(SystemClock):
    """A machine's clock that shows ``true``'s time, and ``off_s`` more since somebody set it."""

    def __init__(self, true):
        self._true = true
        self.off_s = 0.0

    def now(self):
        return self._true.now() + self.off_s
