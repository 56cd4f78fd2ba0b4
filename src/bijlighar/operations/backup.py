"""Backing up running records, looking a backup over, and noting both in the audit log."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bijlighar.records.audit import Audit
from bijlighar.records.backup import BackupMade, Told, make_backup
from bijlighar.records.backup_manifest import BackupDamaged, BackupManifest, BackupPlace, faults_of
from bijlighar.records.database import Database


def back_up(
    records_url: str,
    data_dir: Path,
    place: BackupPlace,
    *,
    by: str,
    now: Callable[[], float],
    wall: Callable[[], float],
    told: Told = lambda _what, _done, _all: None,
) -> BackupMade:
    """Back up records that may be in use. ``now`` dates the audit entry, ``wall`` the backup, in epoch seconds.

    Raises BackupRefused, MoveRefused, Unavailable, OSError.
    """
    database = Database(records_url)
    try:
        made = make_backup(database, data_dir, place, wall=wall, told=told)
        detail = {
            "folder": str(place.folder),
            "generation": made.manifest.generation,
            "files": len(made.manifest.files),
            "damaged": list(made.manifest.damaged[:100]),
        }
        subject = f"backup:{made.manifest.backup_id}"
        Audit(database).append(who=by, what="made-backup", subject=subject, detail=detail, at_s=int(now()))
    finally:
        database.close()
    return made


def look_over(
    place: BackupPlace,
    backup_id: str | None = None,
    told: Callable[[int, int], None] = lambda _done, _all: None,
) -> tuple[BackupManifest, list[BackupDamaged]]:
    """Read every file of a backup, the newest by default; returns what is not as it was.

    Raises NoBackup, and BackupDamaged when the manifest itself has changed.
    """
    manifest = place.load(backup_id)
    return manifest, list(faults_of(place, manifest, told))
