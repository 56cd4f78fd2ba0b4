"""The machine's disk under real records: steps that take time and fail, and what a power cut takes away.

Simulated: every file that a landing writes, with the steps written, synchronised, renamed and folder synchronised,
between any of which the process can be killed, refused or cut from power; the database before and after each
transaction. A power cut takes away what was not synchronised: a file loses its end, a new name may be undone.
Trusted and not simulated: SQLite's own journal, so a transaction is whole or absent, and the names of new folders.
The files stand in memory (tmpfs), so synchronising them costs nothing and is only noted.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import log
from pathlib import Path

from sqlalchemy import Connection

from bijlighar.cim.exchange import Unavailable
from bijlighar.records import Records
from bijlighar.records.files import Files

from .chance import Chance
from .kernel import Process, current_worker
from .weather import Weather

_REFUSALS = (errno.ENOSPC, errno.EIO, errno.EROFS)
STEP_S = 0.004
"""Mean time of a step on a disk with synchronisation."""


class Disk:
    """One machine's disk. ``away``: the database takes nothing now; ``die(process)`` ends a process at a step."""

    def __init__(
        self,
        chance: Chance,
        weather: Weather,
        now: Callable[[], float],
        tell: Callable[[str], None],
        die: Callable[[Process], None],
    ) -> None:
        self._chance, self._weather, self._now, self._tell, self._die = chance, weather, now, tell, die
        self.away = False
        self.steps = 0
        self.condemned: dict[Process, int] = {}
        """Processes that die so many steps from now."""
        self._unsynchronised: dict[Path, None] = {}
        self._unnamed: dict[Path, Path] = {}

    def step(self, what: str) -> None:
        """A moment between two effects, in which a process may die. Only virtual threads spend time here."""
        worker = current_worker()
        if worker is None:
            return
        self.steps += 1
        number, process = self.steps, worker.process
        worker.sleep(-STEP_S * log(1.0 - self._chance.unit("step time", number)))
        left = self.condemned.get(process)
        if left is not None:
            self.condemned[process] = left - 1
        if left == 0:
            del self.condemned[process]
            self._tell(f"{process.name} dies at {what}")
            self._die(process)
            worker.sleep(None)

    def may_refuse(self, what: str) -> None:
        """Raises OSError when the disk refuses this step."""
        number = self.steps
        if not self._weather.acts(self._now()) or current_worker() is None:
            return
        if self._chance.unit("refuses", number) < self._weather.disk_refuses:
            code = _REFUSALS[self._chance.bits("refusal", number) % len(_REFUSALS)]
            self._tell(f"the disk refuses {what}: {os.strerror(code)}")
            raise OSError(code, os.strerror(code))

    def check(self) -> None:
        """Raises Unavailable while the database is away."""
        if self.away:
            raise Unavailable("the records database is locked by another writer")

    def answer_lost(self) -> bool:
        """Whether the database has committed and its answer does not arrive."""
        acts = self._weather.acts(self._now()) and current_worker() is not None
        return acts and self._chance.unit("answer", self.steps) < self._weather.lost_answers

    # What is not yet safe from a power cut

    def written(self, path: Path) -> None:
        """Written and not synchronised."""
        self._unsynchronised[path] = None

    def synchronised(self, path: Path) -> None:
        """The file's octets are safe."""
        self._unsynchronised.pop(path, None)

    def renamed(self, source: Path, target: Path) -> None:
        """A new name that is not safe yet."""
        if source in self._unsynchronised:
            self._unsynchronised[target] = self._unsynchronised.pop(source)
        self._unnamed[target] = source

    def folder_synchronised(self, folder: Path) -> None:
        """Names in it are safe."""
        for target in [target for target in self._unnamed if target.parent == folder]:
            del self._unnamed[target]

    def power_cut(self) -> None:
        """Take away what was not safe."""
        for number, path in enumerate(self._unsynchronised):
            if path.exists():
                kept = int(path.stat().st_size * self._chance.unit("torn", self.steps, number))
                self._tell(f"power cut: a file keeps {kept} octets")
                os.truncate(path, kept)
        for number, (target, source) in enumerate(self._unnamed.items()):
            if target.exists() and self._chance.unit("unnamed", self.steps, number) < 0.5:
                self._tell("power cut: a name is undone")
                target.rename(source)
        self._unsynchronised.clear()
        self._unnamed.clear()


class SimulatedFiles(Files):
    """Files of the records whose steps are the disk's."""

    def __init__(self, root: Path, disk: Disk) -> None:
        super().__init__(root)
        self._disk = disk

    def write(self, path: Path, octets: bytes | memoryview) -> None:
        """Write, and synchronise a while later."""
        disk = self._disk
        disk.step("writing")
        with path.open("xb") as file:
            file.write(octets)
        disk.written(path)
        disk.may_refuse("writing")
        disk.step("written")
        disk.may_refuse("synchronising")
        disk.synchronised(path)
        disk.step("synchronised")

    def rename(self, source: Path, target: Path) -> None:
        """Rename, which is safe only when the folder is synchronised."""
        self._disk.may_refuse("renaming")
        super().rename(source, target)
        self._disk.renamed(source, target)
        self._disk.step("renamed")

    def sync_folder(self, folder: Path) -> None:
        """Make its names safe."""
        self._disk.may_refuse("synchronising a folder")
        self._disk.folder_synchronised(folder)
        self._disk.step("folder synchronised")


def put_steps_into(records: Records, disk: Disk) -> None:
    """Give every transaction of these records a moment before and after it."""
    database = records._database
    plain_read, plain_write = database.read, database.write

    @contextmanager
    def read() -> Iterator[Connection]:
        disk.check()
        with plain_read() as connection:
            yield connection

    @contextmanager
    def write() -> Iterator[Connection]:
        disk.step("beginning a transaction")
        disk.check()
        with plain_write() as connection:
            yield connection
        disk.step("committed")
        if disk.answer_lost():
            raise Unavailable("the disk of the records database answers with an error")

    database.read, database.write = read, write
