"""Connections between head-ends and meters, octet by octet, through a radio that has bad days."""

from __future__ import annotations

import asyncio
import errno
import random
import zlib
from collections.abc import Callable
from typing import Protocol

from .chance import Chance
from .kernel import Kernel, Process
from .trace import Trace
from .weather import LineFault, Weather

MEDIAN_S, SPREAD_LOG_SD, LONGEST_S = 0.25, 0.8, 8.0
"""One way through the radio: median 250 ms, 99 in 100 below 1.7 s, as GPRS on a good day."""
LAST_SEGMENT_FOR_A_FAULT = 14
"""A visit has some sixteen segments: a fault drawn later than this would seldom meet one."""
IN_PIECES = 0.05
"""Share of segments that arrive in pieces."""


class Answering(Protocol):
    """The meter's end of a line."""

    def hear(self, octets: bytes) -> None:
        """Octets have come."""

    def gone(self) -> None:
        """The other side has hung up."""


class LineWatch(Protocol):
    """Who looks at every line."""

    def begins(self, line: Line) -> None:
        """A process calls a meter."""

    def ends(self, line: Line) -> None:
        """It has given the line up."""

    def sent(self, line: Line, octets: bytes) -> None:
        """It has handed octets to the network."""


class Line:
    """One TCP connection. Each way keeps the order of its octets."""

    def __init__(self, ether: Ether, process: Process, meter: int, number: int) -> None:
        self.ether = ether
        self.process = process
        self.meter = meter
        self.number = number
        self.draw: random.Random = ether.chance.stream("call", meter, number)
        self.fault = ether.drawn_fault(self.draw)
        self.fault_at = self.draw.randrange(LAST_SEGMENT_FOR_A_FAULT)
        self.segments = 0
        self.mute = False
        self.client_open = True
        self.title = b""
        self.protocol: asyncio.Protocol | None = None
        self.answering: Answering | None = None
        self._free_at = {True: 0.0, False: 0.0}

    def way_s(self) -> float:
        """How long the next segment needs."""
        return min(LONGEST_S, MEDIAN_S * self.draw.lognormvariate(0.0, SPREAD_LOG_SD))

    def tell(self, what: str) -> None:
        """Into the trace."""
        self.ether.trace(self.ether.kernel.now_s, f"{self.process.name} meter {self.meter} {what}")

    # Octets

    def carry(self, octets: bytes, *, up: bool) -> None:
        """Send a segment, ``up`` to the meter."""
        number = self.segments
        self.segments += 1
        if self.mute or self.ether.dark(self.meter):
            self.go_mute()
            return
        times = 1
        if self.fault is not None and number == self.fault_at:
            self.tell(f"fault: {self.fault}")
            if self.fault is LineFault.SILENT:
                self.go_mute()
                return
            if self.fault is LineFault.CUT:
                self._deliver(octets[: self.draw.randrange(len(octets))], up=up)
                self._at(self._free_at[up], self.tear)
                self.mute = True
                return
            if self.fault is LineFault.FLIPPED:
                place = self.draw.randrange(len(octets) * 8)
                flipped = octets[place // 8] ^ 1 << place % 8
                octets = octets[: place // 8] + bytes([flipped]) + octets[place // 8 + 1 :]
            elif self.fault is LineFault.DOUBLED:
                times = 2
            elif self.fault is LineFault.RESTART:
                self.ether.restart(self.meter)
                return
        for _ in range(times):
            for piece in self._pieces(octets):
                self._deliver(piece, up=up)

    def _pieces(self, octets: bytes) -> list[bytes]:
        if len(octets) < 2 or self.draw.random() >= IN_PIECES:
            return [octets]
        cut = self.draw.randrange(1, len(octets))
        return [octets[:cut], octets[cut:]]

    def _deliver(self, octets: bytes, *, up: bool) -> None:
        self._free_at[up] = max(self.ether.kernel.now_s + self.way_s(), self._free_at[up])
        self._at(self._free_at[up], self._arrive_up if up else self._arrive_down, octets)

    def _at(self, when_s: float, act: Callable[..., None], *arguments: object) -> None:
        self.ether.world.call_at(when_s, act, *arguments)

    def _arrive_up(self, octets: bytes) -> None:
        if self.answering is not None and octets:
            self.answering.hear(octets)

    def _arrive_down(self, octets: bytes) -> None:
        if octets and self.protocol is not None:
            self.process.call_soon(self._heard, octets)

    def _heard(self, octets: bytes) -> None:
        if self.client_open:
            self.tell(f"hears {len(octets)} octets {zlib.crc32(octets):08x}")
            self.protocol.data_received(octets)

    # Ends

    def go_mute(self) -> None:
        """Nothing arrives any more, either way, and nobody is told."""
        self.mute = True

    def tear(self) -> None:
        """Both sides find the connection broken."""
        self.meter_gone()
        self._client_finds_broken()

    def meter_gone(self) -> None:
        """The meter's side is no more."""
        answering, self.answering = self.answering, None
        if answering is not None:
            answering.gone()

    def hung_up_by_meter(self) -> None:
        """The meter tears the connection down; its last octets arrive first."""
        self.answering = None
        if not self.mute and not self.ether.dark(self.meter):
            self._at(max(self.ether.kernel.now_s + self.way_s(), self._free_at[False]), self._client_finds_broken)

    def _client_finds_broken(self) -> None:
        if self.protocol is not None:
            self.process.call_soon(self._lost, ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"))

    def _lost(self, error: Exception | None) -> None:
        if self.client_open:
            self.close_client()
            self.protocol.connection_lost(error)

    def close_client(self, *, told: bool = True) -> None:
        """The client has given the line up; ``told`` False: its machine went dark and says no goodbye."""
        if not self.client_open:
            return
        self.client_open = False
        self.ether.watch.ends(self)
        self.ether.lines.pop(self, None)
        if told and not self.mute and self.answering is not None and not self.ether.dark(self.meter):
            goodbye_s = max(self.ether.kernel.now_s + self.way_s(), self._free_at[True])
            self.ether.goodbye_s[self.meter] = goodbye_s
            self._at(goodbye_s, self.meter_gone)


class ClientEnd(asyncio.Transport):
    """What the head-end's protocol writes to."""

    def __init__(self, line: Line) -> None:
        super().__init__()
        self._line = line

    def write(self, data: bytes) -> None:
        line = self._line
        if line.client_open:
            line.ether.watch.sent(line, data)
            line.carry(bytes(data), up=True)

    def close(self) -> None:
        line = self._line
        if line.client_open:
            line.close_client()
            line.process.call_soon(line.protocol.connection_lost, None)

    abort = close

    def is_closing(self) -> bool:
        return not self._line.client_open


class Ether:
    """Every connection of a town. ``pick_up(line)`` gives the meter's end, None when it will not talk."""

    def __init__(
        self,
        kernel: Kernel,
        world: Process,
        chance: Chance,
        trace: Trace,
        weather: Weather,
        watch: LineWatch,
        *,
        meter_at: Callable[[str], int | None],
        pick_up: Callable[[Line], Answering | None],
        restart: Callable[[int], None],
        dark: Callable[[int], bool],
    ) -> None:
        self.kernel, self.world, self.chance, self.trace = kernel, world, chance, trace
        self.weather, self.watch = weather, watch
        self._meter_at, self._pick_up = meter_at, pick_up
        self.restart, self.dark = restart, dark
        self.calls: dict[int, int] = {}
        self.goodbye_s: dict[int, float] = {}
        """When the end of its last call reaches each meter: a new call travels behind it."""
        self.lines: dict[Line, None] = {}

    def drawn_fault(self, draw: random.Random) -> LineFault | None:
        """What this connection will meet, if its segments are enough."""
        place = draw.random()
        if self.weather.acts(self.kernel.now_s):
            for fault, share in self.weather.line:
                place -= share
                if place < 0:
                    return fault
        return None

    async def connect(
        self, process: Process, factory: Callable[[], asyncio.Protocol], host: str, _port: int
    ) -> tuple[asyncio.Transport, asyncio.Protocol]:
        """``loop.create_connection``."""
        meter = self._meter_at(host)
        assert meter is not None, host
        number = self.calls[meter] = self.calls.get(meter, 0) + 1
        line = Line(self, process, meter, number)
        self.lines[line] = None
        self.watch.begins(line)
        try:
            if self.dark(meter) or line.fault is LineFault.NO_ANSWER:
                line.tell("calls, nobody answers")
                await process.create_future()
            arrives_s = max(self.kernel.now_s + line.way_s(), self.goodbye_s.get(meter, 0.0))
            await asyncio.sleep(arrives_s + line.way_s() - self.kernel.now_s)
            if line.fault is LineFault.REFUSED or (answering := self._pick_up(line)) is None:
                line.tell("is refused")
                raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")  # noqa: TRY301 (as a socket)
        except BaseException:
            line.close_client()
            raise
        line.tell(f"call {number} stands" + (f", will be {line.fault}" if line.fault else ""))
        line.answering = answering
        line.protocol = factory()
        transport = ClientEnd(line)
        line.protocol.connection_made(transport)
        return transport, line.protocol

    def process_ended(self, process: Process, *, told: bool) -> None:
        """Its kernel closes what it had open; a machine without power says nothing."""
        for line in [line for line in self.lines if line.process is process]:
            line.close_client(told=told)
