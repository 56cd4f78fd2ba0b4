"""Run a command beside a PostgreSQL server of its own: `python3 -m scripts.with_postgresql COMMAND…`.

The server is Debian's, its folder goes with it, and its URL stands in BIJLIGHAR_TEST_POSTGRESQL.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

INSTALLED = Path("/usr/lib/postgresql")
ACCOUNT = "postgres"
"""Debian's package brings this account; the server refuses to run as root."""

VARIABLE = "BIJLIGHAR_TEST_POSTGRESQL"
"""Where the tests of the records look for a server."""


class NoPostgresql(Exception):
    """The server is not installed."""

    def __init__(self) -> None:
        super().__init__("no PostgreSQL server: make test-all installs it")


def _programs() -> Path:
    versions = sorted(INSTALLED.glob("*/bin"), key=lambda folder: int(folder.parent.name))
    if not versions:
        raise NoPostgresql
    return versions[-1]


def _run(*command: str | Path) -> None:
    prefix = ["runuser", "-u", ACCOUNT, "--"] if os.geteuid() == 0 else []
    done = subprocess.run([*prefix, *map(str, command)], cwd="/", capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]}: {done.stdout}{done.stderr}")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def postgresql_server() -> Iterator[str]:
    """A server on loopback: the SQLAlchemy URL of an empty database. Stopped and removed at the end."""
    programs = _programs()
    folder = Path(tempfile.mkdtemp(prefix="bijlighar-postgresql-"))
    if os.geteuid() == 0:
        shutil.chown(folder, ACCOUNT)
    data, port = folder / "data", _free_port()
    settings = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off -c full_page_writes=off"
    try:
        _run(programs / "initdb", "-D", data, "-A", "trust", "-E", "UTF8", "-U", ACCOUNT)
        _run(programs / "pg_ctl", "start", "-w", "-D", data, "-l", folder / "log", "-o", settings)
        try:
            yield f"postgresql+psycopg://{ACCOUNT}@127.0.0.1:{port}/postgres"
        finally:
            _run(programs / "pg_ctl", "stop", "-w", "-m", "fast", "-D", data)
    finally:
        shutil.rmtree(folder)


def main(command: list[str]) -> int:
    """The status of ``command``."""
    with postgresql_server() as url:
        return subprocess.run(command, env=os.environ | {VARIABLE: url}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
