"""Restoring a backup into an empty place, trying the master key on it, and noting it in the audit log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select

from bijlighar.cim.exchange import SealedKeys
from bijlighar.headend.keys import Keyring, KeysNotOpened
from bijlighar.operations.move import refuse_living
from bijlighar.records import tables
from bijlighar.records.audit import Audit, AuditVerdict
from bijlighar.records.backup import Told
from bijlighar.records.backup_manifest import BackupPlace
from bijlighar.records.backup_restore import Restored, restore_backup
from bijlighar.records.database import Database

CIPHERED_CLIENTS = (32, 48, 64)
"""Clients of IS 15959 that count invocations: meter reader, utility setting, firmware."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreReport:
    """What was restored; ``keys_open`` whether the master key opens the sealed keys, None without either."""

    restored: Restored
    audit: AuditVerdict
    keys_open: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Restore:
    """What is asked: which backup (None: the newest) from where, into which database and folder, by whom."""

    place: BackupPlace
    records_url: str
    data_dir: Path
    by: str
    backup_id: str | None = None


def restore(
    asked: Restore,
    keyring: Keyring | None,
    wall: Callable[[], float],
    told: Told = lambda _what, _done, _all: None,
) -> RestoreReport:
    """Restore. ``keyring`` holds the master key, when there is one here. ``wall`` gives epoch seconds.

    Raises NoBackup, BackupDamaged, RestoreRefused, MoveRefused, SchemaTooNew, Unavailable, OSError; then nothing
    is in place.
    """
    refuse_living(asked.data_dir)
    database = Database(asked.records_url)
    try:
        restored = restore_backup(
            asked.place,
            database,
            asked.data_dir,
            wall=wall,
            clients=CIPHERED_CLIENTS,
            backup_id=asked.backup_id,
            told=told,
        )
        audit = Audit(database)
        verdict = audit.verify()
        detail = {
            "made_s": restored.manifest.made_s,
            "counters_ahead": restored.counters_ahead,
            "jobs_ended": restored.jobs_ended,
        }
        subject = f"backup:{restored.manifest.backup_id}"
        audit.append(who=asked.by, what="restored-backup", subject=subject, detail=detail, at_s=int(wall()))
        opened = None if keyring is None else _opens(database, keyring)
    finally:
        database.close()
    return RestoreReport(restored=restored, audit=verdict, keys_open=opened)


def _opens(database: Database, keyring: Keyring) -> bool | None:
    """Try the first sealed keys; None when there are none."""
    kept, meters = tables.sealed_keys, tables.meters
    query = select(kept.c.meter_id, kept.c.sealed, meters.c.serial).join_from(kept, meters).limit(1)
    with database.read() as connection:
        row = connection.execute(query).first()
    if row is None:
        return None
    try:
        keyring.unseal(SealedKeys(meter_id=row.meter_id, sealed=row.sealed), row.serial)
    except KeysNotOpened:
        return False
    return True
