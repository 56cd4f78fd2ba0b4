"""A head-end that reads the city, the product's own: ``python -m benches.city_headend FOLDER CLOCK NUMBER``.

Several share the meters by leases, each with a number of its own. It asks for the blocks of the last day once, as
a city does after midnight: no other task, nothing older. Prints a line when reading begins; each line of standard
input is answered with one JSON object on what is durable so far.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

import structlog
import uvloop

from benches.city_town import RING
from bijlighar.cim.readings import ReadingBatch
from bijlighar.headend.clock import TownClock
from bijlighar.headend.dispatch import DispatchSettings
from bijlighar.headend.schedule import Cadence, ScheduleSettings, Task
from bijlighar.headend.service import HeadEnd, HeadEndSettings
from bijlighar.headend.visitor import VisitSettings
from bijlighar.operations.headend_process import calm_collector, ports_of
from bijlighar.records import Records

_DAY_S: Final = 86_400
_PAGE_OCTETS: Final = 4096

BACKFILL_DAYS: Final = 1
"""Whatever is older is held, and nobody asks for it."""


def settings(number: int) -> HeadEndSettings:
    """Of the head-end ``number``, counted from 1."""
    return HeadEndSettings(
        owner=f"city-{number}",
        visits=VisitSettings(own_title=b"BJG" + number.to_bytes(5, "big")),
        schedule=ScheduleSettings(cadences={Task.BLOCK_LOAD: Cadence(period_s=_DAY_S)}, first_spread_s=0.0),
        dispatch=DispatchSettings(most_sessions=400, ask_signal=False),
        tick_s=0.05,
        backfill_days=BACKFILL_DAYS,
    )


class Progress:
    """What has become durable, and what it cost."""

    def __init__(self) -> None:
        self.rows = 0
        self.outcomes: Counter[str] = Counter()
        self.details: Counter[str] = Counter()
        self.octets = 0
        self.reading = asyncio.Event()
        self.began = self.landed = (0.0, 0.0)
        """Seconds of the machine's steady clock, which all processes share, and of this one's CPU."""

    def publish(self, topic: str, payload: Any) -> None:  # noqa: ANN401 (each topic has a type of its own)
        """What the head-end tells."""
        if topic == "heartbeat" and not self.reading.is_set():
            self.began = self.landed = time.perf_counter(), time.process_time()
            self.reading.set()
        elif topic == "readings" and isinstance(payload, ReadingBatch):
            self.rows += len(payload)
            self.landed = time.perf_counter(), time.process_time()
        elif topic == "contacts":
            self.outcomes.update(contact.outcome.value for contact in payload)
            self.details.update(contact.detail for contact in payload if contact.detail)
            self.octets += sum(contact.octets_received + contact.octets_sent for contact in payload)

    def told(self) -> str:
        """One line."""
        return json.dumps(
            {
                "rows": self.rows,
                "outcomes": dict(self.outcomes),
                "details": dict(self.details.most_common(3)),
                "octets": self.octets,
                "began_s": self.began[0],
                "landed_s": self.landed[0],
                "cpu_s": self.landed[1] - self.began[1],
                "rss_mb": _rss_mb(),
            }
        )


def _rss_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * _PAGE_OCTETS / 1e6


async def serve(records: Records, clock: TownClock, number: int) -> None:
    """Until standard input ends."""
    progress = Progress()
    headend = HeadEnd(ports_of(records), clock, RING, settings(number), progress.publish)
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()

    def asked() -> None:
        if sys.stdin.readline():
            print(progress.told(), flush=True)
        else:
            loop.remove_reader(sys.stdin)
            ended.set()

    work = asyncio.create_task(headend.run())
    await progress.reading.wait()
    calm_collector()
    print("reading", flush=True)
    loop.add_reader(sys.stdin, asked)
    waiting = asyncio.create_task(ended.wait())
    await asyncio.wait({work, waiting}, return_when=asyncio.FIRST_COMPLETED)
    await headend.stop()
    await work


def main(folder: Path, clock_file: Path, number: int) -> None:
    """Read the city whose records stand in ``folder``."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    clock = TownClock.open(clock_file)
    with Records(None, folder, now=clock.now) as records:
        uvloop.run(serve(records, clock, number))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
