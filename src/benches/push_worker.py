"""A head-end that only hears pushes, as a process: ``python -m benches.push_worker landing|none FOLDER``.

The records stand in FOLDER with the meters already in the registry. ``none`` decodes all and lands nothing. Prints
its port, then answers each line of standard input with one JSON object: ``begin`` sets the figures to nothing,
``await N`` waits until N rows have passed the landing and tells the process's CPU seconds and what it heard.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import structlog
import uvloop

from benches.push_town import NOW_S, RING
from bijlighar.cim.contacts import Contact
from bijlighar.cim.exchange import PushWindow
from bijlighar.cim.readings import ReadingBatch
from bijlighar.headend.delivery import DeliverySettings
from bijlighar.headend.dispatch import DispatchSettings
from bijlighar.headend.push import PushSettings
from bijlighar.headend.service import HeadEnd, HeadEndSettings
from bijlighar.operations.headend_process import ports_of
from bijlighar.records import Records

MOST_WAIT_S = 60.0
"""A round takes seconds; this only ends one that hangs."""
LOOK_S = 0.005
SETTINGS = HeadEndSettings(
    dispatch=DispatchSettings(most_sessions=0),
    delivery=DeliverySettings(most_wait_s=0.25),
    push=PushSettings(host="127.0.0.1", port=0),
    job_poll_s=5.0,
    registry_poll_s=60.0,
    tick_s=1.0,
)


class StandingClock:
    """The town's time does not matter here."""

    def now(self) -> float:
        """Always the same."""
        return float(NOW_S)

    async def sleep_until(self, instant_s: float) -> None:
        """Nobody waits."""


class NoLanding:
    """Takes everything and keeps nothing."""

    def land(
        self, readings: Sequence[ReadingBatch], contacts: Sequence[Contact], windows: Sequence[PushWindow] = ()
    ) -> None:
        """Nothing."""

    def quarantine(self, readings: ReadingBatch, reasons: Sequence[str]) -> None:
        """Nothing."""


class Worker:
    """Counts what passes, and answers lines."""

    def __init__(self, records: Records, *, landing: bool) -> None:
        ports = ports_of(records)
        if not landing:
            ports = replace(ports, landing=NoLanding())
        self._headend = HeadEnd(ports, StandingClock(), RING, SETTINGS, self._published)
        self._rows = 0
        self._cpu_s = 0.0

    def _published(self, topic: str, payload: object) -> None:
        if topic == "readings" and isinstance(payload, ReadingBatch):
            self._rows += len(payload)

    async def serve(self) -> None:
        """Until standard input ends."""
        work = asyncio.create_task(self._headend.run())
        push = self._headend.push
        assert push is not None, "the settings name an address"
        while not push.listener.port:  # noqa: ASYNC110 (the head-end tells nobody that it listens)
            await asyncio.sleep(LOOK_S)
        print(push.listener.port, flush=True)
        loop = asyncio.get_running_loop()
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            word, _, number = line.strip().partition(" ")
            if word == "begin":
                self._rows, self._cpu_s = 0, time.process_time()
                print("{}", flush=True)
            else:
                await self._passed(int(number))
                told = {
                    "cpu_s": time.process_time() - self._cpu_s,
                    "rows": self._rows,
                    "refused": len(push.refusals.waiting),
                    "duplicates": push.intake.duplicates,
                }
                print(json.dumps(told), flush=True)
        await self._headend.stop()
        await work

    async def _passed(self, rows: int) -> None:
        async with asyncio.timeout(MOST_WAIT_S):
            while self._rows < rows:  # noqa: ASYNC110 (the landing tells by callback; this costs nothing to speak of)
                await asyncio.sleep(LOOK_S)


def main(kind: str, folder: Path) -> None:
    """Serve."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    with Records(None, folder, now=lambda: float(NOW_S)) as records:
        uvloop.run(Worker(records, landing=kind == "landing").serve())


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
