"""A virtual town with a head-end reading it: real processes, the real protocol, a town's clock that runs fast.

The head-end runs as the product's own process does (``operations.headend_process``); the meters are
``meterlab serve`` in a process of its own. The clock slows down when reading falls behind, so nothing is skipped.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
import zmq

from bijlighar.controlroom.governor import Governor
from bijlighar.controlroom.ports import free_push_port
from bijlighar.headend.clock import TownClock
from bijlighar.headend.delivery import DeliverySettings
from bijlighar.headend.keys import Keyring, create_master_key
from bijlighar.headend.push import PushSettings
from bijlighar.headend.service import HeadEndSettings
from bijlighar.headend.session import TimeLimits
from bijlighar.headend.visitor import VisitSettings
from bijlighar.operations.headend_process import HeadEndProcess, run
from bijlighar.operations.registry_import import import_registry
from bijlighar.records import Records

PYTHON = sys.executable
READY_S = 60.0
"""Starting an interpreter with numpy on a loaded machine takes seconds, never a minute."""

QUICK = HeadEndSettings(
    delivery=DeliverySettings(most_wait_s=0.1),
    visits=VisitSettings(limits=TimeLimits(connect_s=4.0, answer_s=4.0)),
)
"""A meter is not visited again before its last visit is landed, and a try that the radio swallowed is waited for:
a second of waiting is an hour of a fast town, whose radio's delays are shortened too."""


class TooSlow(AssertionError):
    """The town did not come to what was waited for."""


@dataclass
class Town:
    """A running town. ``now()`` is the town's clock."""

    folder: Path
    clock: TownClock
    records: Records
    keyring: Keyring
    options: list[str]
    feed: Any
    records_url: str
    push_port: int = 0
    processes: list[Any] = field(default_factory=list)
    governor: Governor = field(default_factory=lambda: Governor(wanted=1.0, speed=1.0))
    lag_s: float | None = None
    heard_at: float = field(default_factory=time.monotonic)

    def now(self) -> float:
        return self.clock.now()

    def listen(self) -> None:
        """Take what the feed holds and let the governor set the speed."""
        with contextlib.suppress(zmq.Again):
            while True:
                topic, octets = self.feed.recv_multipart(zmq.NOBLOCK)
                if topic == b"heartbeat":
                    self.lag_s = msgspec.json.decode(octets)["lag_s"]
                    self.heard_at = time.monotonic()
        stepped = self.governor.step(lag_s=self.lag_s, silent_for_s=time.monotonic() - self.heard_at)
        if stepped.speed != self.governor.speed:
            self.clock.set_speed(stepped.speed)
        self.governor = stepped

    def go_at(self, speed: float) -> None:
        """From now on the town's clock runs so fast, or slower when reading falls behind."""
        self.clock.set_speed(speed)
        self.governor = Governor(wanted=speed, speed=speed)

    def run_until(self, done: Callable[[], bool], *, within_s: float) -> None:
        """Let the town run until ``done``. Raises TooSlow after ``within_s`` seconds of the wall."""
        end = time.monotonic() + within_s
        while not done():
            if time.monotonic() > end:
                raise TooSlow(f"not done within {within_s} s; the town's clock stands at {self.now()}")
            self.listen()
            time.sleep(0.1)

    def start_headend(self, settings: HeadEndSettings = QUICK) -> multiprocessing.process.BaseProcess:
        """One head-end process, as the product starts it; it hears the meters' pushes when they push."""
        if self.push_port:
            settings = replace(settings, push=PushSettings(host="127.0.0.1", port=self.push_port))
        process = HeadEndProcess(
            records_url=self.records_url,
            data_dir=self.folder / "data",
            keyring=self.keyring,
            feed=f"ipc://{self.folder / 'feed'}",
            clock_file=self.folder / "clock",
            headend=settings,
        )
        started = multiprocessing.get_context("fork").Process(target=run, args=(process,), daemon=True)
        started.start()
        self.processes.append(started)
        return started

    def truth(self, number: int, kind: str, begin: str, end: str) -> list[dict[str, Any]]:
        """What meter ``number`` of the town holds, told by meterlab without the air between."""
        answer = subprocess.run(
            [
                *(PYTHON, "-m", "meterlab", "truth", "--meter", str(number), "--kind", kind),
                *("--from", begin, "--to", end, "--clock", str(self.folder / "clock")),
                *self.options,
            ],
            capture_output=True,
            text=True,
            check=True,
            timeout=READY_S,
        )
        return [json.loads(line) for line in answer.stdout.splitlines()]


@contextlib.contextmanager
def running_town(
    folder: Path,
    records_url: str,
    *,
    start_s: float,
    speed: float,
    scenes: Sequence[str] = (),
    radio: Sequence[str] = (),
    seed: int = 7,
    push: bool = False,
) -> Iterator[Town]:
    """A trial town with its registry imported; end it by leaving. The head-end is started by the caller."""
    push_port = free_push_port() if push else 0
    clock = TownClock.create(folder / "clock", start_s=start_s, speed=speed)
    options = ["--town", "trial", "--seed", str(seed), *(part for scene in scenes for part in ("--scene", scene))]
    lab = subprocess.Popen(
        [
            *(PYTHON, "-m", "meterlab", "serve", "--port", "0", "--clock", str(folder / "clock")),
            *("--registry-out", str(folder / "registry")),
            *options,
            *radio,
            *(("--push", f"127.0.0.1:{push_port}") if push else ()),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    create_master_key(folder / "master.key")
    keyring = Keyring.load(folder / "master.key", {})
    context = zmq.Context()
    feed = context.socket(zmq.SUB)
    feed.setsockopt(zmq.SUBSCRIBE, b"")
    feed.setsockopt(zmq.LINGER, 0)
    feed.bind(f"ipc://{folder / 'feed'}")
    try:
        assert lab.stdout is not None
        line = lab.stdout.readline()
        assert line.startswith("meterlab: ready"), line
        with Records(records_url, folder / "data", now=clock.now) as records:
            report = import_registry(records, folder / "registry", keyring)
            assert report.error_count == 0, report.errors
            town = Town(
                folder=folder,
                clock=clock,
                records=records,
                keyring=keyring,
                options=options,
                feed=feed,
                records_url=records_url,
                push_port=push_port,
                governor=Governor(wanted=speed, speed=speed),
            )
            try:
                yield town
            finally:
                _end(town.processes)
    finally:
        feed.close()
        context.term()
        lab.send_signal(signal.SIGTERM)
        lab.wait(READY_S)
        assert lab.stdout is not None
        lab.stdout.close()


def _end(processes: list[Any]) -> None:
    for process in processes:
        if process.is_alive():
            os.kill(process.pid, signal.SIGTERM)
    for process in processes:
        process.join(READY_S)
        assert not process.is_alive(), "a head-end did not end when told"
