"""What a backup says of itself: every file with size and SHA-256, and how to find out that one is not as it was.

    DIR/backups/<id>/records.db       every table but the sealed keys and the web sessions, as SQLite
    DIR/backups/<id>/manifest.json    this; manifest.sha256 is its digest
    DIR/files/…                       readings, shared by all backups of this folder: immutable, each copied once
    KEYS/<id>.parquet                 the sealed keys; KEYS is DIR/keys unless another folder is named

The master key that opens the sealed keys is in none of them.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

FORMAT = 1
"""Another layout of the folder gets another number."""

PIECE_OCTETS = 1 << 20
"""Read at once while digesting."""

PARTIAL = ".part"
"""Ending of what is not complete; the next backup removes it."""


class BackupDamaged(Exception):
    """A file of a backup is not what was written. ``file`` below the backup's folder, ``reason`` one sentence."""

    def __init__(self, file: str, reason: str) -> None:
        super().__init__(f"{file} {reason}")
        self.file = file
        self.reason = reason


class NoBackup(Exception):
    """The folder holds no backup, or not the one that was named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file, by its name below a folder, as a path with slashes."""

    name: str
    octets: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupManifest:
    """One backup. ``made_s`` epoch seconds of the wall clock, before anything was read.

    ``generation`` of the records' manifest; ``tables`` rows by table; ``files`` what was pinned, by name below
    ``files/``; ``damaged`` files that were not in order where they came from, and are not in the backup.
    """

    format: int
    backup_id: str
    made_s: int
    program: str
    schema: str
    generation: int
    records: StoredFile
    keys: StoredFile
    tables: dict[str, int]
    files: tuple[StoredFile, ...]
    damaged: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupPlace:
    """Where backups stand: the folder, and the one of the sealed keys (None: ``keys`` in the folder)."""

    folder: Path
    keys_folder: Path | None = None

    @property
    def backups(self) -> Path:
        """One folder for each backup."""
        return self.folder / "backups"

    @property
    def files(self) -> Path:
        """The readings of all backups."""
        return self.folder / "files"

    @property
    def keys(self) -> Path:
        """The sealed keys of all backups."""
        return self.keys_folder or self.folder / "keys"

    def ids(self) -> list[str]:
        """Every whole backup, oldest first."""
        if not self.backups.is_dir():
            return []
        return sorted(
            path.name
            for path in self.backups.iterdir()
            if not path.name.endswith(PARTIAL) and (path / "manifest.json").is_file()
        )

    def load(self, backup_id: str | None = None) -> BackupManifest:
        """A backup's manifest, the newest one's by default. Raises NoBackup, BackupDamaged."""
        known = self.ids()
        if not known:
            raise NoBackup(f"{self.folder} holds no backup")
        chosen = backup_id or known[-1]
        if chosen not in known:
            raise NoBackup(f"{self.folder} holds no backup {chosen}, but {', '.join(known)}")
        name = f"backups/{chosen}/manifest.json"
        octets = (self.folder / name).read_bytes()
        try:
            expected = (self.backups / chosen / "manifest.sha256").read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            raise BackupDamaged(f"backups/{chosen}/manifest.sha256", "cannot be read") from None
        if hashlib.sha256(octets).hexdigest() != expected:
            raise BackupDamaged(name, "has changed")
        return _decoded(octets, name)

    def path_of(self, manifest: BackupManifest, file: StoredFile) -> Path:
        """Where a file that the manifest names stands."""
        if file is manifest.keys:
            return self.keys / file.name
        if file is manifest.records:
            return self.backups / manifest.backup_id / file.name
        return self.files / file.name


def encoded(manifest: BackupManifest) -> bytes:
    """The manifest as JSON."""
    return json.dumps(asdict(manifest), ensure_ascii=False, indent=1).encode()


def _decoded(octets: bytes, name: str) -> BackupManifest:
    told: dict[str, Any] = json.loads(octets)
    if told.get("format") != FORMAT:
        raise BackupDamaged(name, f"has format {told.get('format')}, this program knows {FORMAT}")
    files = tuple(StoredFile(**file) for file in told.pop("files"))
    records, keys = StoredFile(**told.pop("records")), StoredFile(**told.pop("keys"))
    return BackupManifest(files=files, records=records, keys=keys, damaged=tuple(told.pop("damaged")), **told)


def digested(path: Path, name: str) -> StoredFile:
    """A file as it stands. Raises OSError."""
    digest, octets = hashlib.sha256(), 0
    with path.open("rb") as file:
        while piece := file.read(PIECE_OCTETS):
            digest.update(piece)
            octets += len(piece)
    return StoredFile(name=name, octets=octets, sha256=digest.hexdigest())


def copied(source: Path, target: Path, expected: StoredFile) -> None:
    """Copy one file, compared on the way; durable and under its name only when it is as expected.

    Raises BackupDamaged, FileNotFoundError, OSError.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + PARTIAL)
    digest, octets = hashlib.sha256(), 0
    try:
        with source.open("rb") as reading, partial.open("wb") as writing:
            while piece := reading.read(PIECE_OCTETS):
                digest.update(piece)
                octets += len(piece)
                writing.write(piece)
            writing.flush()
            os.fsync(writing.fileno())
        fault = difference(StoredFile(name=expected.name, octets=octets, sha256=digest.hexdigest()), expected)
        if fault is not None:
            raise BackupDamaged(expected.name, fault)
        partial.rename(target)
    finally:
        partial.unlink(missing_ok=True)


def difference(found: StoredFile, expected: StoredFile) -> str | None:
    """What is wrong with a file, in words that follow its name; None when nothing is."""
    if found.octets != expected.octets:
        return f"has {found.octets} octets instead of {expected.octets}"
    return None if found.sha256 == expected.sha256 else "has changed"


def faults_of(
    place: BackupPlace, manifest: BackupManifest, told: Callable[[int, int], None] = lambda _done, _all: None
) -> Iterator[BackupDamaged]:
    """Every file of a backup that is missing or not as it was; reads all of them."""
    everything = [manifest.records, manifest.keys, *manifest.files]
    for number, file in enumerate(everything, start=1):
        path = place.path_of(manifest, file)
        shown = path.relative_to(place.folder).as_posix() if path.is_relative_to(place.folder) else str(path)
        try:
            fault = difference(digested(path, file.name), file)
        except FileNotFoundError:
            fault = "is missing"
        except OSError as refusal:
            fault = f"cannot be read: {refusal.strerror}"
        if fault is not None:
            yield BackupDamaged(shown, fault)
        told(number, len(everything))


def write_whole(path: Path, octets: bytes, *, mode: int = 0o600) -> None:
    """Write a new file and synchronise it."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(octets)
        file.flush()
        os.fsync(file.fileno())


def synchronise(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
