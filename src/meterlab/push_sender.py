"""The sockets on which meters push: a TCP connection for each push, UDP for alerts, from each meter's address."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

import structlog

from bijlighar.headend.clock import Clock
from meterlab.push import ALERT, PushMaker
from meterlab.push_faults import Sent, Way
from meterlab.push_plan import Due, PushPlan

_log = structlog.get_logger("meterlab")

TICK_S: Final = 0.1
MOST_CONNECTIONS: Final = 500
"""Pushes under way at once; the others wait, as they would for a tower."""
CONNECT_S: Final = 10.0
RETRIES: Final = 3
RETRY_S: Final = 1.0


@dataclass(eq=False, kw_only=True)
class PushSender:
    """Pushes for every meter to one head-end, ``host`` and ``port``. ``sent`` counts frames by kind."""

    maker: PushMaker
    way: Way
    plan: PushPlan
    clock: Clock
    host: str
    port: int
    sent: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._room = asyncio.Semaphore(MOST_CONNECTIONS)
        self._tasks: set[asyncio.Task[None]] = set()
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        self._datagrams = socket.socket(family, socket.SOCK_DGRAM)
        self._datagrams.setblocking(False)

    async def run(self) -> None:
        """Push what falls due, until cancelled."""
        after_s = self.clock.now()
        try:
            while True:
                await asyncio.sleep(TICK_S)
                now_s = self.clock.now()
                for due in self.plan.due(after_s, now_s):
                    self.push(due)
                after_s = max(after_s, now_s)
        finally:
            for task in tuple(self._tasks):
                task.cancel()
            self._datagrams.close()

    def push(self, due: Due) -> None:
        """One meter pushes now."""
        if due.name == ALERT:
            body: bytes | None = self.maker.alert(due.meter, due.bits, due.at_s)
        else:
            body = self.maker.row(due.meter, due.name, due.at_s)
        if body is None:
            return
        for sent in self.way.frames(due.meter, body, final=due.final):
            task = asyncio.create_task(self._send(due, sent))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def settle(self) -> None:
        """Until everything that was begun has left."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _send(self, due: Due, sent: Sent) -> None:
        if sent.delay_s:
            await self.clock.sleep_until(self.clock.now() + sent.delay_s)
        self.sent[sent.kind] += 1
        if due.name == ALERT:
            with contextlib.suppress(OSError):  # nobody hears it, or the buffers are full: that is UDP
                self._datagrams.sendto(sent.frame, (self.host, self.port))
            return
        for attempt in range(RETRIES):
            if await self._sent_over_tcp(due.meter, sent.frame):
                return
            await asyncio.sleep(RETRY_S * 2**attempt)
        _log.warning("a push was not heard", meter=due.meter, push=due.name)

    async def _sent_over_tcp(self, meter: int, frame: bytes) -> bool:
        own = (self.maker.lab.town.host(meter), 0) if self.host.startswith("127.") else None
        async with self._room:
            try:
                async with asyncio.timeout(CONNECT_S):
                    _, writer = await asyncio.open_connection(self.host, self.port, local_addr=own)
                    writer.write(frame)
                    await writer.drain()
                    writer.close()
                    await writer.wait_closed()
            except (OSError, TimeoutError):
                return False
        return True
