"""Starts the processes of a demo or of the product, watches them, and ends them all.

``bijlighar demo``: virtual meters, head-ends, worker, control room, and the town's clock under its governor.
``bijlighar serve``: head-ends, worker and control room on real meters and the machine's clock.
"""

from __future__ import annotations

import fcntl
import os
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO

from bijlighar.controlroom.children import Child
from bijlighar.controlroom.governor import Governor
from bijlighar.controlroom.health import Health
from bijlighar.controlroom.health_watch import ask_health
from bijlighar.controlroom.settings import ENVIRONMENT_PREFIX, SECRET_SETTINGS, Settings, for_children
from bijlighar.controlroom.telling import Teller
from bijlighar.controlroom.town import TownTime
from bijlighar.headend.clock import TownClock

LOOK_S = 0.5
HUNG_AFTER_S = 60.0
"""A control room that lives but does not answer for so long is killed and started again."""
READY_WITHIN_S = 60.0
"""Until the first answer; a slow disk and a large registry fit into it."""


class AlreadyRunning(Exception):
    """Another supervisor works on this data directory."""

    def __init__(self, data_dir: Path) -> None:
        super().__init__(f"another bijlighar is already running on {data_dir}")


class NotReady(Exception):
    """The control room has not answered in time. ``said``: the last line of its log."""

    def __init__(self, said: str) -> None:
        super().__init__(f"the control room does not answer; its log ends with: {said}")


class DataDirLock:
    """One supervisor a data directory; the kernel frees the lock however the process ends."""

    def __init__(self, data_dir: Path) -> None:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file: IO[str] = (data_dir / ".supervisor").open("w")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise AlreadyRunning(data_dir) from None

    def close(self) -> None:
        """Let another supervisor in."""
        self._file.close()


@dataclass(frozen=True, kw_only=True)
class Town:
    """The clock of a demo and the speed wanted for it."""

    clock: TownClock
    time: TownTime
    speed: float


def product_children(settings: Settings) -> list[Child]:
    """Head-ends, worker and control room, in the order in which they start. Writes the settings file they read."""
    run = settings.data_path / "run"
    run.mkdir(mode=0o700, exist_ok=True)
    file = run / "settings.json"
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as target:
        target.write(for_children(settings))
    secrets = {
        ENVIRONMENT_PREFIX + name.upper(): value for name in SECRET_SETTINGS if (value := getattr(settings, name))
    }

    def child(name: str, kind: str, number: int) -> Child:
        return Child(
            name=name,
            arguments=["-m", "bijlighar.controlroom.process", kind, str(file), str(number)],
            log=settings.data_path / "logs" / f"{name}.log",
            environment=secrets,
        )

    headends = [child(f"headend-{n}", "headend", n) for n in range(1, settings.headends + 1)]
    return [*headends, child("worker", "worker", 0), child("controlroom", "controlroom", 0)]


class Supervisor:
    """Watches children until a signal comes, or one of them gives up.

    ``children`` in the order in which they start; they end in the opposite order, so that head-ends never see
    their meters vanish. The last child is the control room.
    """

    def __init__(
        self, settings: Settings, children: Sequence[Child], teller: Teller, *, town: Town | None = None
    ) -> None:
        self._settings = settings
        self._children = list(children)
        self._teller = teller
        self._town = town
        self._governor = Governor(wanted=town.speed, speed=min(1.0, town.speed)) if town else None
        self._stop = threading.Event()
        self._answered_s = time.monotonic()

    def run(self) -> None:
        """Start all, tell when the page is there, watch; return after a signal to end, with nothing left.

        Raises GaveUp or NotReady when it cannot work.
        """
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._asked_to_stop)
        try:
            for child in self._children:
                child.start()
            if self._wait_until_ready():
                self._teller.ready()
                self._watch()
        finally:
            self._teller.ending()
            self.end()

    def stop(self) -> None:
        """Have ``run`` return."""
        self._stop.set()

    def end(self) -> None:
        """End every child. A second signal does not cut this short: it takes seconds and leaves nothing."""
        last = [child for child in self._children if child.ends_last]
        for children in ([child for child in self._children if not child.ends_last], last):
            for child in children:
                child.ask_to_end()
            for child in children:
                child.end()
        self._store_town()

    def _asked_to_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stop.set()

    def _wait_until_ready(self) -> bool:
        began_s = time.monotonic()
        room = self._children[-1]
        while not self._stop.is_set():
            for child in self._children:
                self._tell_death(child)
            if self._ask() is not None:
                return True
            if time.monotonic() - began_s > READY_WITHIN_S:
                raise NotReady(room.last_line())
            self._stop.wait(0.1)
        return False

    def _watch(self) -> None:
        self._answered_s = time.monotonic()
        while not self._stop.wait(LOOK_S):
            for child in self._children:
                self._tell_death(child)
            health = self._ask()
            self._kill_hung(health)
            self._govern(health)
            self._teller.progress(health, speed=self._governor.speed if self._governor else 1.0)
            self._store_town()

    def _ask(self) -> Health | None:
        settings = self._settings
        return ask_health(settings.host, settings.port, settings.host_names[0])

    def _tell_death(self, child: Child) -> None:
        said = child.watch()
        if said is not None:
            self._teller.trouble(said)

    def _kill_hung(self, health: Health | None) -> None:
        now_s = time.monotonic()
        room = self._children[-1]
        if health is not None or not room.runs:
            self._answered_s = now_s
        elif now_s - self._answered_s > HUNG_AFTER_S:
            self._teller.trouble(f"{room.name} has not answered for {HUNG_AFTER_S:.0f} s and is started again")
            room.kill_hung()
            self._answered_s = now_s

    def _govern(self, health: Health | None) -> None:
        if self._town is None or self._governor is None:
            return
        silent_s = float("inf") if health is None or health.silent_for_s is None else health.silent_for_s
        lag_s = None if health is None else health.lag_s
        self._governor = self._governor.step(lag_s=lag_s, silent_for_s=silent_s)
        if self._governor.speed != self._town.clock.speed:
            self._town.clock.set_speed(self._governor.speed)

    def _store_town(self) -> None:
        if self._town is not None:
            self._town.time.store(self._town.clock.now())
