"""A head-end that hears pushes, to be killed: ``python killed_pushes.py FOLDER URL``.

Prints its port, then a line for each row of a batch that the store has acknowledged.
"""

import asyncio
import signal
import sys
from dataclasses import replace
from pathlib import Path

import structlog
import uvloop

from bijlighar.cim.readings import ReadingBatch
from bijlighar.headend.clock import TownClock
from bijlighar.headend.delivery import DeliverySettings
from bijlighar.headend.dispatch import DispatchSettings
from bijlighar.headend.keys import Keyring
from bijlighar.headend.push import PushSettings
from bijlighar.headend.service import HeadEnd, HeadEndSettings
from bijlighar.operations.headend_process import ports_of
from bijlighar.records import Records

SETTINGS = HeadEndSettings(
    dispatch=DispatchSettings(most_sessions=0),
    delivery=DeliverySettings(most_wait_s=0.01),
    push=PushSettings(host="127.0.0.1", port=0, gather_s=0.002),
)


class Told:
    """The landing, which counts every row that it is given, acknowledged or not."""

    def __init__(self, landing: object) -> None:
        self._landing = landing

    def land(self, readings: list[ReadingBatch], contacts: list[object], windows: tuple[object, ...] = ()) -> None:
        """Land, then tell."""
        self._landing.land(readings, contacts, windows)  # type: ignore[attr-defined]
        for batch in readings:
            for meter_id, start_s in zip(batch.meter_id.tolist(), batch.start_s.tolist(), strict=True):
                sys.stdout.write(f"{meter_id} {start_s}\n")
        sys.stdout.flush()


async def serve(records: Records, clock: TownClock) -> None:
    """Until SIGTERM."""
    ports = replace(ports_of(records), landing=Told(records.landing))  # type: ignore[arg-type]
    headend = HeadEnd(ports, clock, Keyring(bytes(range(32))), SETTINGS, lambda _topic, _payload: None)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: asyncio.ensure_future(headend.stop()))
    work = asyncio.create_task(headend.run())
    while not (headend.push and headend.push.listener.port):  # noqa: ASYNC110 (it tells nobody)
        await asyncio.sleep(0.005)
    sys.stdout.write(f"port {headend.push.listener.port}\n")
    sys.stdout.flush()
    await work


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    folder = Path(sys.argv[1])
    town = TownClock.open(folder / "clock")
    with Records(sys.argv[2], folder, now=town.now) as kept:
        uvloop.run(serve(kept, town))
