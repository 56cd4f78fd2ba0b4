"""Meters that cannot be called, as behind the address translation of a mobile network: they call the head-end.

A meter opens the connection, says who it is, and is from then on the server of that connection: the head-end
associates as it would have by calling. Who it is it says by a data-notification of its push association, under
general-glo ciphering: the system title stands in front in clear, the tag proves it, and the counter is that of its
pushes. The body names the device, the push setup "on connectivity" (0.7.25.9.0.255) and the clock. IS 15959 tells
nothing of dialling in; the setup is that of IDIS package 2, the form that of every other Indian push.

A connection is kept until the other side ends it. Then, and when nobody answers, the meter tries again after 5 s,
twice as long after each further try, at most 5 minutes, each time a little later or earlier so that a town does
not call at once. Of several addresses it calls the next when the one before came to nothing: a head-end that is
not this meter's hangs up without a word. Only after the last of them it waits longer.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Sequence
from typing import cast

import numpy as np

from meterlab import draws
from meterlab.connection import MeterConnection
from meterlab.exchange import Exchange
from meterlab.push import PushMaker

FIRST_CALLS_A_S = 200.0
"""At the start meters call one after the other: a head-end that comes back must not be run over."""

RETRY_S, LONGEST_RETRY_S = 5.0, 300.0
CONNECT_S = 10.0
_TICK_S = 0.05
_JITTER = 0.5


class DialledConnection(MeterConnection):
    """The meter's end of a connection that it opened. ``ended`` is called once it is over."""

    __slots__ = ("_caller", "_ended", "_greeting")
    dialled = True

    def __init__(self, exchange: Exchange, meter: int, greeting: bytes, ended: Callable[[int], None]) -> None:
        super().__init__(exchange)
        self._caller = meter
        self._greeting = greeting
        self._ended = ended

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say who calls, then listen."""
        line = cast("asyncio.Transport", transport)  # uvloop's inherit from none of asyncio's
        self.opened(line)
        line.write(self._greeting)
        self.pick_up(self._caller, line)

    def connection_lost(self, exc: Exception | None) -> None:
        """The meter calls again."""
        super().connection_lost(exc)
        self._ended(self._caller)


class DialIn:
    """All meters of an exchange that dial in, to ``doors`` in turn. ``calls`` counts connections that stood."""

    def __init__(
        self,
        exchange: Exchange,
        maker: PushMaker,
        doors: Sequence[tuple[str, int]],
        *,
        retry_s: float = RETRY_S,
    ) -> None:
        self._exchange = exchange
        self._retry_s = retry_s
        self._maker = maker
        self._doors = tuple(doors)
        self._next_door: dict[int, int] = {}
        dialling = exchange.lab.town.dials_in
        self._meters = [] if dialling is None else np.flatnonzero(dialling).tolist()
        self._due: list[tuple[float, int]] = []
        self._tries: dict[int, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._lines: set[DialledConnection] = set()
        self.calls = 0

    async def run(self) -> None:
        """Call, and call again, until cancelled."""
        now_s = self._exchange.loop_time()
        self._due = [(now_s + number / FIRST_CALLS_A_S, meter) for number, meter in enumerate(self._meters)]
        try:
            while True:
                self._call_due(self._exchange.loop_time())
                await asyncio.sleep(_TICK_S)
        finally:
            for task in tuple(self._tasks):
                task.cancel()
            for line in tuple(self._lines):
                line.abort()

    def _call_due(self, now_s: float) -> None:
        while self._due and self._due[0][0] <= now_s:
            _, meter = heapq.heappop(self._due)
            task = asyncio.create_task(self._call(meter))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _call(self, meter: int) -> None:
        lab = self._exchange.lab
        greeting = self._maker.sealed(meter, self._maker.greeting(meter, self._exchange.clock.now()))
        line = DialledConnection(self._exchange, meter, greeting, lambda _: self._again(meter, line))
        self._lines.add(line)
        host, port = self._doors[self._next_door.get(meter, 0)]
        own = (lab.town.host(meter), 0) if host.startswith("127.") else None
        try:
            async with asyncio.timeout(CONNECT_S):
                await asyncio.get_running_loop().create_connection(lambda: line, host, port, local_addr=own)
        except (OSError, TimeoutError):
            line.abort()
            self._again(meter, line)
            return
        self.calls += 1

    def _again(self, meter: int, line: DialledConnection) -> None:
        """Try once more after a while; a connection on which the head-end spoke begins the count anew."""
        if line not in self._lines:  # told already: it came to nothing and then ended
            return
        self._lines.remove(line)
        tries = 0 if line.was_asked else self._tries.get(meter, 0)
        self._tries[meter] = tries + 1
        if not line.was_asked:
            self._next_door[meter] = (self._next_door.get(meter, 0) + 1) % len(self._doors)
        wait_s = min(self._retry_s * 2 ** (tries // len(self._doors)), LONGEST_RETRY_S)
        drawn = draws.uniform(self._exchange.lab.town.seed, "dial-again", meter, self.calls + tries)[0]
        due_s = self._exchange.loop_time() + wait_s * (1 - _JITTER / 2 + _JITTER * float(drawn))
        heapq.heappush(self._due, (due_s, meter))
