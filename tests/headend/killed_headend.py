"""A head-end process to be killed: the town's clock, the records of a folder, and a line for each landed batch.

``python killed_headend.py FOLDER [URL]``; "ready" when it works, then lines that are written only after the store
has acknowledged their rows.
"""

import asyncio
import signal
import sys
from pathlib import Path

import structlog
import uvloop

from bijlighar.cim.readings import ReadingBatch
from bijlighar.headend.clock import TownClock
from bijlighar.headend.delivery import DeliverySettings
from bijlighar.headend.keys import Keyring
from bijlighar.headend.schedule import ScheduleSettings
from bijlighar.headend.service import HeadEnd, HeadEndSettings
from bijlighar.operations.headend_process import ports_of
from bijlighar.records import Records

SETTINGS = HeadEndSettings(
    schedule=ScheduleSettings(first_spread_s=0.0), delivery=DeliverySettings(most_wait_s=0.05), tick_s=0.01
)


beats: list[object] = []


def tell(topic: str, payload: object) -> None:
    """Write what became durable, at once and whole."""
    if topic == "heartbeat" and not beats:
        beats.append(payload)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
    elif topic == "readings":
        assert isinstance(payload, ReadingBatch)
        for meter_id, start_s in zip(payload.meter_id.tolist(), payload.start_s.tolist(), strict=True):
            sys.stdout.write(f"{payload.kind} {meter_id} {start_s}\n")
        sys.stdout.flush()


async def serve(records: Records, clock: TownClock) -> None:
    """Until SIGTERM."""
    headend = HeadEnd(ports_of(records), clock, Keyring(bytes(range(32))), SETTINGS, tell)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: asyncio.ensure_future(headend.stop()))
    await headend.run()


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    folder = Path(sys.argv[1])
    town = TownClock.open(folder / "clock")
    with Records(sys.argv[2] if sys.argv[2:] else None, folder, now=town.now) as kept:
        uvloop.run(serve(kept, town))
