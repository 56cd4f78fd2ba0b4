"""Backups of running records: one snapshot of the tables, and the files that it names.

The snapshot is one reading transaction, copied into a SQLite file from either kind of database, so that a backup
can be restored into either. Files are immutable and named once for ever: a later backup copies only new ones. Most
are copied before the snapshot is taken, so that the copying after it is short; a file that a compaction took away
meanwhile makes the snapshot be taken again.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Connection, select

import bijlighar
from bijlighar.records import blocks_tables, tables
from bijlighar.records.backup_manifest import (
    FORMAT,
    PARTIAL,
    BackupDamaged,
    BackupManifest,
    BackupPlace,
    StoredFile,
    copied,
    digested,
    encoded,
    synchronise,
    write_whole,
)
from bijlighar.records.database import Database, current_number, sqlite_url
from bijlighar.records.move import all_tables, copy_tables, moved_to, require_schema
from bijlighar.records.schema import migrate, newest_revision

SNAPSHOTS_MOST = 5
"""A compaction removes files an hour after it retired them; five snapshots in a row never meet another one."""

FILE_TABLES = {"segments": tables.segments, "blocks": blocks_tables.blocks}
"""Tables that name files, by the folder in the data directory in which those stand."""

APART = {"sealed_keys", "web_sessions"}
"""Not in the snapshot: keys have a file of their own, and nobody stays signed in over a restore."""

_KEY_FIELDS: list[pa.Field[Any]] = [
    pa.field("meter_id", pa.int32()),
    pa.field("sealed", pa.binary()),
    pa.field("kept_s", pa.int64()),
]
KEY_SCHEMA = pa.schema(_KEY_FIELDS)

Told = Callable[[str, int, int], None]
"""Told with what is being done, how much of it is done, and how much there is."""


class BackupRefused(Exception):
    """No backup was made. The message is one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupMade:
    """A backup, and how many of its files, and octets, had to be copied."""

    manifest: BackupManifest
    files_copied: int
    octets_copied: int


def make_backup(
    database: Database,
    data_dir: Path,
    place: BackupPlace,
    *,
    wall: Callable[[], float],
    told: Told = lambda _what, _done, _all: None,
) -> BackupMade:
    """Back the records up while they are used. ``wall`` gives epoch seconds of the wall clock.

    Raises BackupRefused, MoveRefused (another schema), Unavailable, OSError; then no backup of that time exists.
    """
    _refuse_inside(data_dir, place)
    with _alone(place):
        copying = _Copying(data_dir, place.files, told)
        with database.read() as connection:
            require_schema(connection, "the source")
            gone_to = moved_to(connection)
            if gone_to is not None:
                raise BackupRefused(f"these records were moved to {gone_to}")
            early = pinned_files(connection)
        copying.copy(early)
        for _ in range(SNAPSHOTS_MOST):
            made_s = int(wall())
            backup_id = _new_id(place, made_s)
            partial = place.backups / (backup_id + PARTIAL)
            partial.mkdir(mode=0o700)
            with database.read() as connection:
                generation = current_number(connection, "manifest")
                rows = _snapshot(connection, partial / "records.db", told)
                keys = _keep_keys(connection, place.keys / f"{backup_id}.parquet")
                pinned = pinned_files(connection)
            gone = copying.copy(pinned)
            if not _retired_meanwhile(database, gone):
                break
            shutil.rmtree(partial)
            (place.keys / keys.name).unlink()
        else:
            raise BackupRefused("files of the records vanish faster than they can be copied")
        damaged = {*gone, *copying.damaged} & {file.name for file in pinned}
        manifest = BackupManifest(
            format=FORMAT,
            backup_id=backup_id,
            made_s=made_s,
            program=bijlighar.__version__,
            schema=newest_revision(),
            generation=generation,
            records=digested(partial / "records.db", "records.db"),
            keys=keys,
            tables=rows,
            files=tuple(file for file in pinned if file.name not in damaged),
            damaged=tuple(sorted(damaged)),
        )
        _finish(place, partial, manifest)
    return BackupMade(manifest=manifest, files_copied=copying.files, octets_copied=copying.octets)


def pinned_files(connection: Connection) -> list[StoredFile]:
    """Every file that counts, as one transaction sees it, by name below the data directory."""
    found = []
    for folder, table in FILE_TABLES.items():
        marks = [table.c[name] for name in ("retired_generation", "lost_s") if name in table.columns]
        query = select(table.c.file, table.c.octets, table.c.sha256).where(*(mark.is_(None) for mark in marks))
        found += [
            StoredFile(name=f"{folder}/{file}", octets=octets, sha256=sha256)
            for file, octets, sha256 in connection.execute(query.order_by(table.c.file))
        ]
    return found


class _Copying:
    """Copies files once each; remembers what was not in order."""

    def __init__(self, data_dir: Path, target: Path, told: Told) -> None:
        self._data_dir = data_dir
        self._target = target
        self._told = told
        self.files = 0
        self.octets = 0
        self.damaged: set[str] = set()

    def copy(self, files: Sequence[StoredFile]) -> set[str]:
        """Copy what is not there yet; returns the names of files that are not where they should be."""
        gone = set()
        for number, file in enumerate(files, start=1):
            target = self._target / file.name
            if not (target.is_file() and target.stat().st_size == file.octets):
                try:
                    copied(self._data_dir / file.name, target, file)
                    self.files += 1
                    self.octets += file.octets
                except FileNotFoundError:
                    gone.add(file.name)
                except BackupDamaged:
                    self.damaged.add(file.name)
            self._told("files", number, len(files))
        return gone


def _retired_meanwhile(database: Database, gone: set[str]) -> bool:
    """True when one of the files that are gone counts no more: the snapshot is too old for its files."""
    if not gone:
        return False
    with database.read() as connection:
        return bool(gone - {file.name for file in pinned_files(connection)})


def _snapshot(connection: Connection, path: Path, told: Told) -> dict[str, int]:
    """Copy every table that is not kept apart into a new SQLite file; returns rows by table."""
    snapshot = Database(sqlite_url(path))
    try:
        migrate(snapshot, path.parent)
        with snapshot.write() as writing:
            chosen = [table for table in all_tables() if table.name not in APART]
            contents = copy_tables(connection, writing, chosen, told=told)
    finally:
        snapshot.close()
    close_file(path)
    (path.parent / ".records.opening").unlink(missing_ok=True)
    path.chmod(0o600)
    return {content.name: content.rows for content in contents}


def close_file(path: Path) -> None:
    """Let a SQLite database that nobody has open be one file, without a log beside it."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        (mode,) = connection.execute("PRAGMA journal_mode = DELETE").fetchone()
        assert mode == "delete", "nobody else has the file open"


def _keep_keys(connection: Connection, path: Path) -> StoredFile:
    kept = tables.sealed_keys
    rows = connection.execute(
        select(kept.c.meter_id, kept.c.sealed, kept.c.kept_s).order_by(kept.c.meter_id)
    ).all()
    columns = list(zip(*rows, strict=True)) or [(), (), ()]
    arrays = [pa.array(list(column), field.type) for column, field in zip(columns, KEY_SCHEMA, strict=True)]
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(arrays, schema=KEY_SCHEMA), sink, compression="zstd")
    write_whole(path, memoryview(sink.getvalue()).tobytes())
    return digested(path, path.name)


def _finish(place: BackupPlace, partial: Path, manifest: BackupManifest) -> None:
    octets = encoded(manifest)
    write_whole(partial / "manifest.json", octets)
    told = digested(partial / "manifest.json", "manifest.json")
    write_whole(partial / "manifest.sha256", f"{told.sha256}\n".encode())
    for folder in (partial, place.keys, *(path for path in place.files.rglob("*") if path.is_dir())):
        synchronise(folder)
    partial.rename(place.backups / manifest.backup_id)
    synchronise(place.backups)


def _refuse_inside(data_dir: Path, place: BackupPlace) -> None:
    data = data_dir.resolve()
    for folder in (place.folder.resolve(), place.keys.resolve()):
        if folder.is_relative_to(data) or data.is_relative_to(folder):
            raise BackupRefused(f"{folder} and the data directory {data} stand in one another")


@contextmanager
def _alone(place: BackupPlace) -> Iterator[None]:
    """One backup at a time into a folder; what a killed one left goes."""
    for folder in (place.folder, place.backups, place.files, place.keys):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (place.folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackupRefused(f"another backup into {place.folder} is under way") from None
        for left in place.backups.glob(f"*{PARTIAL}"):
            shutil.rmtree(left)
        whole = set(place.ids())
        for left in place.keys.glob("*.parquet"):
            if left.stem not in whole and place.keys_folder is None:
                left.unlink()
        yield


def _new_id(place: BackupPlace, made_s: int) -> str:
    """The time in UTC; a second backup in the same second gets a number behind it."""
    named = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(made_s))
    for number in range(1, SNAPSHOTS_MOST * 1_000):
        chosen = named if number == 1 else f"{named}-{number}"
        if not (place.backups / chosen).exists() and not (place.keys / f"{chosen}.parquet").exists():
            return chosen
    raise BackupRefused(f"{place.folder} holds thousands of backups of one second")


def forget_old(place: BackupPlace, keep: int) -> list[str]:
    """Remove all but the newest ``keep`` backups, and files that no backup left names; returns what was removed.

    Raises BackupDamaged when a backup that stays cannot say which files are its own.
    """
    with _alone(place):
        known = place.ids()
        removed = known[: max(0, len(known) - max(1, keep))]
        stay = [place.load(backup_id) for backup_id in known if backup_id not in removed]
        named = {file.name for manifest in stay for file in manifest.files}
        for backup_id in removed:
            shutil.rmtree(place.backups / backup_id)
            (place.keys / f"{backup_id}.parquet").unlink(missing_ok=True)
        for folder, _, files in os.walk(place.files):
            for file in files:
                path = Path(folder) / file
                if path.relative_to(place.files).as_posix() not in named:
                    path.unlink()
    return removed
