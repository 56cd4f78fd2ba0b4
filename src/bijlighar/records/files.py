"""Files that are whole or absent: written under another name, synchronised, renamed, and the folder synchronised.

After ``write_durably`` returns, the file survives a power cut; when it raises, nothing of that name exists.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from bijlighar.cim.exchange import Unavailable

TEMPORARY = ".part"
"""Ending of a file that is being written."""

_REASONS = {
    errno.ENOSPC: "the disk of the readings is full",
    errno.EDQUOT: "the disk quota of the readings is used up",
    errno.EFBIG: "the disk of the readings takes no file of this size",
    errno.EROFS: "the disk of the readings is read-only",
    errno.EACCES: "the folder of the readings may not be used",
    errno.EPERM: "the folder of the readings may not be used",
    errno.EIO: "the disk of the readings answers with an error",
    errno.EMFILE: "too many files are open",
    errno.ENFILE: "too many files are open",
    errno.ESTALE: "the shared disk of the readings went away",
}


@contextmanager
def unavailable_when_disk_refuses() -> Iterator[None]:
    """Turn a disk's refusal into Unavailable; everything else passes as it is."""
    try:
        yield
    except OSError as refusal:
        reason = _REASONS.get(refusal.errno or 0)
        if reason is None:
            raise
        raise Unavailable(reason) from refusal


class Files:
    """Durable writing below ``root``. A test puts faults into the three calls that reach the disk."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write_durably(self, name: str, octets: bytes | memoryview) -> None:
        """Write ``root/name``. Raises Unavailable when the disk refuses, FileExistsError for a taken name."""
        path = self.root / name
        temporary = path.with_name(path.name + TEMPORARY)
        with unavailable_when_disk_refuses():
            self._make_folder(path.parent)
            if path.exists():
                raise FileExistsError(path)
            try:
                self.write(temporary, octets)
                self.rename(temporary, path)
                self.sync_folder(path.parent)
            except OSError:
                temporary.unlink(missing_ok=True)
                path.unlink(missing_ok=True)
                raise

    def write(self, path: Path, octets: bytes | memoryview) -> None:
        """Write and synchronise one file."""
        with path.open("xb") as file:
            file.write(octets)
            file.flush()
            os.fsync(file.fileno())

    def rename(self, source: Path, target: Path) -> None:
        """Give the file its name, atomically."""
        source.rename(target)

    def sync_folder(self, folder: Path) -> None:
        """Make the names in a folder durable."""
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def _make_folder(self, folder: Path) -> None:
        if folder.is_dir():
            return
        self._make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        self.sync_folder(folder.parent)


class Owner:
    """A process that writes files, known to others as alive while it holds a lock on a file of its own.

    Another process may tidy up after an owner only when it is dead; the kernel drops the lock however it died.
    ``name`` is unique: the epoch that the records gave, and a random part against a restored database.
    """

    def __init__(self, folder: Path, epoch: int) -> None:
        self.name = f"{epoch:06d}-{secrets.token_hex(4)}"
        self._file = folder / f"{self.name}.alive"
        with unavailable_when_disk_refuses():
            folder.mkdir(parents=True, exist_ok=True)
            unborn = folder / f"{self.name}.new"
            self._lock: IO[bytes] = unborn.open("xb")
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            unborn.rename(self._file)

    def close(self) -> None:
        """Say goodbye."""
        self._file.unlink(missing_ok=True)
        self._lock.close()


def is_alive(folder: Path, owner: str) -> bool:
    """True while the owner's process lives. A dead owner's lock file is removed."""
    path = folder / f"{owner}.alive"
    try:
        with path.open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    path.unlink(missing_ok=True)
    return False


def living_owners(folder: Path) -> int:
    """How many processes have the records of this folder open, on this machine."""
    return sum(is_alive(folder, file.stem) for file in sorted(folder.glob("*.alive")))
