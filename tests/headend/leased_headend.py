"""One of several head-end processes: ``python leased_headend.py FOLDER OWNER URL``.

A line ``groups N`` with every heartbeat: how many communication groups it holds.
"""

import asyncio
import signal
import sys
from pathlib import Path

import structlog
import uvloop

from bijlighar.headend.clock import TownClock
from bijlighar.headend.delivery import DeliverySettings
from bijlighar.headend.keys import Keyring
from bijlighar.headend.schedule import ScheduleSettings
from bijlighar.headend.service import HeadEnd, HeadEndSettings
from bijlighar.headend.tenure import TenureSettings
from bijlighar.headend.visitor import VisitSettings
from bijlighar.operations.headend_process import ports_of
from bijlighar.records import Records

TENURE = TenureSettings(renew_s=0.25, fresh_s=1.5, held_s=3.0, taken_s=5.0)


def settings(owner: str) -> HeadEndSettings:
    """Short times, so that a test sees in seconds what takes a quarter of a minute."""
    return HeadEndSettings(
        owner=owner,
        visits=VisitSettings(own_title=owner.encode().rjust(8, b"B")),
        schedule=ScheduleSettings(first_spread_s=0.0),
        delivery=DeliverySettings(most_wait_s=0.1),
        tenure=TENURE,
        tick_s=0.02,
        heartbeat_s=0.1,
    )


def tell(topic: str, payload: object) -> None:
    """Write how much is held."""
    if topic == "heartbeat":
        sys.stdout.write(f"groups {payload.groups}\n")
        sys.stdout.flush()


async def serve(records: Records, clock: TownClock, owner: str) -> None:
    """Until SIGTERM."""
    headend = HeadEnd(ports_of(records), clock, Keyring(bytes(range(32))), settings(owner), tell)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: asyncio.ensure_future(headend.stop()))
    await headend.run()


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    folder = Path(sys.argv[1])
    town = TownClock.open(folder / "clock")
    with Records(sys.argv[3], folder, now=town.now) as kept:
        uvloop.run(serve(kept, town, sys.argv[2]))
