"""Restoring a backup: files compared one by one, the database last, and nothing counts before all of it stands.

Everything is put together in ``.restoring`` in the data directory and moved to its place at the end, so a restore
that was cut short is simply begun again.

What the meters have seen since the backup was made is not in it. So every invocation counter is moved on by more
than could have been used meanwhile: a number under one key must never come twice. Reads that were asked for are
ended rather than done again, nobody stays signed in, and no process that ran before holds anything.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
from sqlalchemy import Connection, case, delete, exists, insert, literal, select, update

from bijlighar.cim.exchange import JobState
from bijlighar.records import tables
from bijlighar.records.backup import KEY_SCHEMA, close_file
from bijlighar.records.backup_manifest import BackupDamaged, BackupManifest, BackupPlace, copied
from bijlighar.records.counters import COUNTER_LIMIT
from bijlighar.records.database import Database, next_number, sqlite_url
from bijlighar.records.files import unavailable_when_disk_refuses
from bijlighar.records.move import MoveRefused, all_tables, copy_tables, filled_tables
from bijlighar.records.schema import migrate

COUNTERS_A_SECOND = 100
"""A counter is used once a round trip, a meter talks with one head-end at a time, and no line to a meter has round
trips below 10 ms. An ordinary day takes some thousand; restoring yesterday's backup takes 0.4 % of all numbers."""

SECONDS_BEYOND = 86_400
"""A day more than has passed, for clocks that were wrong and for numbers reserved before the backup."""

STAGING = ".restoring"

_STAY = {"master.key", ".supervisor", STAGING, "lost+found"}
"""What may stand in a data directory that is to be filled."""

_ENDED = (JobState.DONE.value, JobState.FAILED.value)

Told = Callable[[str, int, int], None]


class RestoreRefused(Exception):
    """Nothing was restored. The message is one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What was restored: every counter was moved on by ``counters_ahead``, ``jobs_ended`` reads were under way."""

    manifest: BackupManifest
    counters_ahead: int
    jobs_ended: int
    keys: int


def counters_ahead(made_s: int, now_s: int) -> int:
    """How far counters are moved on when a backup of ``made_s`` is restored at ``now_s`` (wall clock)."""
    return (max(0, now_s - made_s) + SECONDS_BEYOND) * COUNTERS_A_SECOND


def restore_backup(
    place: BackupPlace,
    target: Database,
    data_dir: Path,
    *,
    wall: Callable[[], float],
    clients: Sequence[int],
    backup_id: str | None = None,
    told: Told = lambda _what, _done, _all: None,
) -> Restored:
    """Restore a backup, the newest by default, into an empty data directory and an empty database.

    ``clients`` addresses of clients whose invocation counters matter. Raises NoBackup, BackupDamaged with the file
    at fault, RestoreRefused, SchemaTooNew, Unavailable, OSError; then nothing is in place.
    """
    manifest = place.load(backup_id)
    _refuse_filled(data_dir, target)
    staging = data_dir / STAGING
    if staging.exists():
        shutil.rmtree(staging)
    staging.mkdir(mode=0o700, parents=True)
    try:
        _copy_files(place, manifest, staging, told)
        ahead = counters_ahead(manifest.made_s, int(wall()))
        jobs, keys = _prepare(place, manifest, staging, ahead=ahead, clients=clients, now_s=int(wall()))
        with unavailable_when_disk_refuses():
            _put_in_place(staging, data_dir, target, told)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return Restored(manifest=manifest, counters_ahead=ahead, jobs_ended=jobs, keys=keys)


def _refuse_filled(data_dir: Path, target: Database) -> None:
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    others = sorted(path.name for path in data_dir.iterdir() if path.name not in _STAY)
    if others:
        raise RestoreRefused(f"{data_dir} is not empty: it holds {', '.join(others[:5])}")
    if target.is_sqlite:
        if target.url.database != str(data_dir / "records.db") and Path(str(target.url.database)).exists():
            raise RestoreRefused(f"there is a {target.url.database} already")
        return
    migrate(target, data_dir)
    with target.read() as connection:
        if filled_tables(connection):
            raise RestoreRefused("the records database is not empty")


def _copy_files(place: BackupPlace, manifest: BackupManifest, staging: Path, told: Told) -> None:
    everything = [manifest.records, *manifest.files]
    for number, file in enumerate(everything, start=1):
        source = place.path_of(manifest, file)
        shown = source.relative_to(place.folder).as_posix()
        try:
            copied(source, staging / file.name, file)
        except FileNotFoundError:
            raise BackupDamaged(shown, "is missing") from None
        except BackupDamaged as damage:
            raise BackupDamaged(shown, damage.reason) from None
        told("files", number, len(everything))


def _prepare(
    place: BackupPlace, manifest: BackupManifest, staging: Path, *, ahead: int, clients: Sequence[int], now_s: int
) -> tuple[int, int]:
    """Make the snapshot fit to go on with; returns reads that were ended, and sealed keys."""
    path = staging / manifest.records.name
    keys = _keys(place, manifest, staging)
    database = Database(sqlite_url(path))
    try:
        migrate(database, staging)
        with database.write() as connection:
            if keys:
                connection.execute(insert(tables.sealed_keys), keys)
            connection.execute(delete(tables.web_sessions))
            _move_counters_on(connection, ahead, clients)
            jobs = _end_jobs(connection, now_s)
            _forget_processes(connection)
            next_number(connection, "registry")
    finally:
        database.close()
    close_file(path)
    (staging / ".records.opening").unlink(missing_ok=True)
    return jobs, len(keys)


def _keys(place: BackupPlace, manifest: BackupManifest, staging: Path) -> list[dict[str, object]]:
    source = place.path_of(manifest, manifest.keys)
    held = staging / "keys.parquet"
    try:
        copied(source, held, manifest.keys)
    except FileNotFoundError:
        raise BackupDamaged(str(source), "is missing; name the folder of the sealed keys") from None
    except BackupDamaged as damage:
        raise BackupDamaged(str(source), damage.reason) from None
    found: list[dict[str, object]] = pq.read_table(held, schema=KEY_SCHEMA).to_pylist()
    held.unlink()
    return found


def _move_counters_on(connection: Connection, ahead: int, clients: Sequence[int]) -> None:
    """Every counter, and one for each meter that was never visited until then but may have been afterwards."""
    kept, meters = tables.counters, tables.meters
    moved = kept.c.next + ahead
    capped = case((moved > COUNTER_LIMIT, COUNTER_LIMIT), else_=moved)
    connection.execute(update(kept).values(next=capped))
    for client in clients:
        named = (kept.c.meter_id == meters.c.meter_id) & (kept.c.client_address == client)
        unvisited = select(meters.c.meter_id, literal(client), literal(ahead)).where(~exists().where(named))
        connection.execute(insert(kept).from_select(["meter_id", "client_address", "next"], unvisited))


def _end_jobs(connection: Connection, now_s: int) -> int:
    under_way = tables.jobs.c.state.not_in(_ENDED)
    values = {"state": JobState.FAILED.value, "owner": None, "lease_until_ms": None, "changed_ms": now_s * 1000}
    detail = "ended by a restore from a backup: ask again"
    return connection.execute(update(tables.jobs).where(under_way).values(detail=detail, **values)).rowcount


def _forget_processes(connection: Connection) -> None:
    """No head-end that ran before holds a group, and none can take one over by an epoch that it remembers."""
    leases = tables.leases
    connection.execute(delete(tables.headends))
    connection.execute(update(leases).values(life=None, epoch=leases.c.epoch + 1))


def _put_in_place(staging: Path, data_dir: Path, target: Database, told: Told) -> None:
    """Readings first, the database last: it is what makes them count."""
    snapshot = staging / "records.db"
    if not target.is_sqlite:
        database = Database(sqlite_url(snapshot))
        try:
            with database.read() as reading, target.write() as writing:
                _refuse_if_filled_meanwhile(writing)
                copy_tables(reading, writing, all_tables(), told=told)
                _move_files(staging, data_dir)
        finally:
            database.close()
        return
    _move_files(staging, data_dir)
    snapshot.rename(Path(str(target.url.database)))


def _refuse_if_filled_meanwhile(writing: Connection) -> None:
    if filled_tables(writing):
        raise MoveRefused("the records database is not empty")


def _move_files(staging: Path, data_dir: Path) -> None:
    for folder in sorted(path for path in staging.iterdir() if path.is_dir()):
        folder.rename(data_dir / folder.name)
