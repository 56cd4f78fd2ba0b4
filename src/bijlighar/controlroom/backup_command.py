"""``bijlighar backup`` and ``bijlighar restore``: the records and the readings, with the keys apart."""

from __future__ import annotations

import getpass
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from bijlighar.controlroom.command_line import ConfigOption, DataOption, fail, settings_of
from bijlighar.controlroom.move_command import shown_progress
from bijlighar.controlroom.settings import Settings

if TYPE_CHECKING:
    from bijlighar.headend.keys import Keyring
    from bijlighar.records.backup_manifest import BackupManifest, BackupPlace

EXIT_DAMAGED = 1
"""The command ran, and what it found is not in order."""

FolderArgument = Annotated[Path, typer.Argument(help="Folder of the backups.", metavar="DIR")]
KeysOption = Annotated[
    Path | None,
    typer.Option("--keys", help="Folder of the sealed keys, when not DIR/keys.", metavar="DIR"),
]


def backup(
    directory: FolderArgument,
    keys: KeysOption = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Back nothing up: read the newest backup whole and compare it.")
    ] = False,
    keep: Annotated[int, typer.Option(min=0, help="Backups to keep, older ones go; 0: all.")] = 0,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Back up records and readings while they are used; a later backup copies only what is new."""
    from bijlighar.records.backup import forget_old  # noqa: PLC0415 (help stays quick)
    from bijlighar.records.backup_manifest import BackupPlace  # noqa: PLC0415

    place = BackupPlace(folder=directory, keys_folder=keys)
    console = Console()
    with _faults_told():
        if verify:
            _look_over(place, console)
            return
        _back_up(settings_of(config, data), place, console)
        if keep:
            for removed in forget_old(place, keep):
                console.print(f"Backup {removed} was removed.")


@contextmanager
def _faults_told(before: str = "") -> Iterator[None]:
    """End with one sentence where the user, the place or the backup is at fault."""
    from bijlighar.cim.exchange import Unavailable  # noqa: PLC0415 (help stays quick)
    from bijlighar.controlroom.supervisor import AlreadyRunning  # noqa: PLC0415
    from bijlighar.records.backup import BackupRefused  # noqa: PLC0415
    from bijlighar.records.backup_manifest import BackupDamaged, NoBackup  # noqa: PLC0415
    from bijlighar.records.backup_restore import RestoreRefused  # noqa: PLC0415
    from bijlighar.records.move import MoveRefused  # noqa: PLC0415
    from bijlighar.records.schema import SchemaTooNew  # noqa: PLC0415

    refused = (AlreadyRunning, BackupRefused, BackupDamaged, NoBackup, RestoreRefused, MoveRefused)
    try:
        yield
    except (*refused, SchemaTooNew, Unavailable, OSError) as fault:
        fail(f"{before}{fault}")


def _back_up(settings: Settings, place: BackupPlace, console: Console) -> None:
    from bijlighar.controlroom.opening import clock_of  # noqa: PLC0415 (help stays quick)
    from bijlighar.operations.backup import back_up  # noqa: PLC0415

    if not settings.database_url and not (settings.data_path / "records.db").exists():
        fail(f"there are no records in {settings.data_path}; name another place with --data or --config")
    with shown_progress(console) as told:
        made = back_up(
            settings.records_url,
            settings.data_path,
            place,
            by=_caller(),
            now=clock_of(settings).now,
            wall=time.time,
            told=told,
        )
    manifest = made.manifest
    rows, files = sum(manifest.tables.values()), len(manifest.files)
    copied = f"{made.files_copied} ({made.octets_copied} octets) were copied now"
    console.print(f"Backup {manifest.backup_id}: {rows} rows, {files} files, of which {copied}.", highlight=False)
    console.print(f"The sealed keys are in {place.keys}. The master key is in no backup: keep it elsewhere.")
    for name in manifest.damaged:
        console.print(f"[bold red]{name} is damaged or missing where it stands, and is not in the backup.[/]")
    if manifest.damaged:
        raise typer.Exit(EXIT_DAMAGED)


def _look_over(place: BackupPlace, console: Console) -> None:
    from bijlighar.operations.backup import look_over  # noqa: PLC0415 (help stays quick)

    with shown_progress(console) as told:
        manifest, faults = look_over(place, told=lambda done, everything: told("files", done, everything))
    for fault in faults:
        console.print(f"[bold red]{fault}[/]")
    if faults:
        console.print(f"Backup {manifest.backup_id} is damaged: {len(faults)} files.")
        raise typer.Exit(EXIT_DAMAGED)
    console.print(
        f"Backup {manifest.backup_id} of {_instant(manifest)} is whole: {len(manifest.files) + 2} files."
    )


def restore(
    directory: FolderArgument,
    keys: KeysOption = None,
    chosen: Annotated[
        str | None, typer.Option("--backup", help="Which backup; the newest when left out.", metavar="ID")
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Restore records and readings into an empty data directory and an empty database."""
    from bijlighar.controlroom.supervisor import DataDirLock  # noqa: PLC0415 (help stays quick)
    from bijlighar.operations import restore as restoring  # noqa: PLC0415
    from bijlighar.records.backup_manifest import BackupPlace  # noqa: PLC0415

    settings = settings_of(config, data)
    console = Console()
    keyring, without = _keyring(settings)
    asked = restoring.Restore(
        place=BackupPlace(folder=directory, keys_folder=keys),
        records_url=settings.records_url,
        data_dir=settings.data_path,
        by=_caller(),
        backup_id=chosen,
    )
    with (
        _faults_told("nothing was restored: "),
        closing(DataDirLock(settings.data_path)),
        shown_progress(console) as told,
    ):
        report = restoring.restore(asked, keyring, time.time, told)
    done, manifest = report.restored, report.restored.manifest
    rows, files = sum(manifest.tables.values()), len(manifest.files)
    for line in (
        f"Backup {manifest.backup_id} of {_instant(manifest)} is restored:",
        f"{rows} rows, {files} files, keys of {done.keys} meters.",
        f"Invocation counters stand {done.counters_ahead} further on.",
        f"{done.jobs_ended} reads that were under way are ended; everybody signs in again.",
    ):
        console.print(line, highlight=False)
    _tell_keys(report.keys_open, without, console)
    if report.audit.broken_at is not None:
        console.print(f"[bold red]The audit log does not hold: {report.audit.reason}.[/]")


def _keyring(settings: Settings) -> tuple[Keyring | None, str]:
    """The keyring, or why there is none."""
    from bijlighar.headend import keys  # noqa: PLC0415 (help stays quick)

    try:
        return keys.Keyring.load(settings.master_key_path), ""
    except keys.MasterKeyRefused as refusal:
        return None, refusal.reason


def _tell_keys(keys_open: bool | None, without: str, console: Console) -> None:
    if without:
        console.print(
            f"[bold yellow]The keys were not tried: {without}. Put the master key back before serving.[/]"
        )
    elif keys_open is False:
        console.print("[bold red]This master key does not open the meters' keys: it is another one.[/]")
    elif keys_open:
        console.print("The master key opens the meters' keys.")


def _instant(manifest: BackupManifest) -> str:
    return datetime.fromtimestamp(manifest.made_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _caller() -> str:
    return f"command line ({getpass.getuser()})"
