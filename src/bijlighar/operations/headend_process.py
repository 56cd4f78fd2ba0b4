"""One head-end process: records, keys, clock and feed joined to a head-end, until it is told to stop."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import prometheus_client
import structlog
import uvloop

from bijlighar.headend.clock import Clock, SystemClock, TownClock
from bijlighar.headend.keys import Keyring
from bijlighar.headend.service import HeadEnd, HeadEndSettings, Ports
from bijlighar.operations.feed_publisher import FeedPublisher
from bijlighar.records import Records

_log = structlog.get_logger("headend")

COLLECT_AFTER = 200_000
"""Objects made and not yet gone before the youngest are searched for cycles. A visit has some 50 until it is
landed, so a second of a city's visits lies well below."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadEndProcess:
    """What one head-end process is started with.

    ``clock_file``   the town's shared clock; None: the machine's
    ``feed``         ZeroMQ address of the feed between processes
    ``metrics_port`` Prometheus port on loopback; 0: none
    """

    records_url: str
    data_dir: Path
    keyring: Keyring
    feed: str
    clock_file: Path | None = None
    metrics_port: int = 0
    headend: HeadEndSettings = field(default_factory=HeadEndSettings)


def run(process: HeadEndProcess) -> None:
    """Serve until SIGTERM or SIGINT. Raises Unavailable and SchemaTooNew when the records cannot be opened."""
    clock: Clock = SystemClock() if process.clock_file is None else TownClock.open(process.clock_file)
    with (
        Records(process.records_url, process.data_dir, now=clock.now) as records,
        FeedPublisher(process.feed) as feed,
    ):
        headend = HeadEnd(ports_of(records), clock, process.keyring, process.headend, _calming(feed.publish))
        server = None
        if process.metrics_port:
            server, _ = prometheus_client.start_http_server(
                process.metrics_port, addr="127.0.0.1", registry=headend.metrics.registry
            )
        try:
            uvloop.run(_serve(headend))
        finally:
            if server is not None:
                server.shutdown()
                server.server_close()


def ports_of(records: Records) -> Ports:
    """The records as the ports that a head-end asks for."""
    return Ports(
        landing=records.landing,
        held=records.readings,
        counters=records.counters,
        keys=records.keys,
        meters=records.registry,
        layouts=records.layouts,
        nameplates=records.nameplates,
        jobs=records.jobs,
        pushes=records.pushes,
        leases=records.leases,
        past=records.past,
    )


def calm_collector() -> None:
    """For a process that has just learnt of its meters: what it knows stays, so it is never searched for cycles.

    The rest is searched rarely: visits leave none, and Python's own thresholds had a tenth of the CPU go there.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, *gc.get_threshold()[1:])


def _calming(publish: Callable[[str, object], None]) -> Callable[[str, object], None]:
    """Calms the collector with the first heartbeat, by which a head-end tells that it knows its meters."""
    told = False

    def tell(topic: str, payload: object) -> None:
        nonlocal told
        if topic == "heartbeat" and not told:
            told = True
            calm_collector()
        publish(topic, payload)

    return tell


async def _serve(headend: HeadEnd) -> None:
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    work = asyncio.create_task(headend.run())
    wait = asyncio.create_task(told.wait())
    await asyncio.wait({work, wait}, return_when=asyncio.FIRST_COMPLETED)
    if told.is_set():
        await headend.stop()
    wait.cancel()
    await work
