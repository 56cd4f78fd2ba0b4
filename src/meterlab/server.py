"""One listener for all meters: ``getsockname`` of an accepted connection tells which meter was called.

An idle meter costs no descriptor. A connection is one client with one meter; a meter holds one association at a
time, so a second connection to it is closed, as a fielded meter does.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
from collections.abc import Callable

import structlog

from meterlab.connection import MeterConnection
from meterlab.exchange import Exchange

_BACKLOG = 4096
"""What Linux grants at most by default (net.core.somaxconn). Where the queue is full, a caller waits a second."""

_KEEP_EVERY_S = 5.0
_SPARE_DESCRIPTORS = 64
_log = structlog.get_logger("meterlab")


class PortTaken(Exception):
    """The port is in use. ``port`` its number."""

    def __init__(self, port: int) -> None:
        super().__init__(f"port {port} is taken by another program; choose another with --port")
        self.port = port


def listener(port: int) -> socket.socket:
    """A listening socket on every address of this machine; 0 = any free port. Raises PortTaken."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind(("0.0.0.0", port))  # noqa: S104 (every 127.x.y.z; whoever comes from elsewhere is dropped)
        sock.listen(_BACKLOG)
    except OSError:
        sock.close()
        raise PortTaken(port) from None
    sock.setblocking(False)
    return sock


def descriptors_for(connections: int) -> int:
    """Raise this process's limit of descriptors for so many connections; the number that it can then hold."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(hard, connections + _SPARE_DESCRIPTORS) if hard != resource.RLIM_INFINITY else connections
    if wanted > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return min(connections, soft - _SPARE_DESCRIPTORS)


async def serve(
    exchange: Exchange, sock: socket.socket, ready: Callable[[int], None], stop: asyncio.Event
) -> None:
    """Answer for every meter until ``stop`` is set; ``ready`` is called with the port once it listens."""
    loop = asyncio.get_running_loop()
    exchange.lab.prepare(exchange.clock.now())
    server = await loop.create_server(lambda: MeterConnection(exchange), sock=sock, backlog=_BACKLOG)
    keeper = asyncio.create_task(_keep(exchange))
    ready(sock.getsockname()[1])
    try:
        await stop.wait()
    finally:
        keeper.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await keeper
        server.close()
        for connection in tuple(exchange.open):
            connection.abort()
        await server.wait_closed()
        _log.info("meters stopped", **exchange.tally.counts())


async def _keep(exchange: Exchange) -> None:
    """Every few seconds: registers of a new day are made ready, silent clients dropped."""
    while True:
        await asyncio.sleep(_KEEP_EVERY_S)
        exchange.lab.prepare(exchange.clock.now())
        exchange.drop_idle()
