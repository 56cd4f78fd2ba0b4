"""The sockets on which meters push: TCP, connection kept or one push each, and UDP, one push a datagram.

A connection may hold one unfinished frame and no more. While the store is behind, nothing is read but the first
octets of a new call, and nothing taken: what meters send waits in the sockets' own buffers, and TCP slows them
down. Datagrams that do not fit there are lost, which UDP says of itself. Every fault of a sender closes that
sender's connection only.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from struct import Struct
from typing import Final, cast

import structlog

from bijlighar.dlms.general_block import GENERAL_BLOCK
from bijlighar.dlms.wrapper import HEADER_OCTETS, WRAPPER_VERSION
from bijlighar.headend.metrics import Metrics
from bijlighar.headend.push_blocks import PushBlocks
from bijlighar.headend.push_intake import PushIntake

_log = structlog.get_logger("headend")

MOST_PUSH_OCTETS: Final = 16_384
"""Payload of one push: a day of quarter hours in 18 columns is 9 kB."""
MOST_REFUSED: Final = 64
"""Refused pushes beyond the good ones, after which a connection is closed: a gateway may carry a bad meter."""
BACKLOG: Final = 4096
"""What Linux grants at most by default (net.core.somaxconn): a feeder that speaks all at once."""
DATAGRAMS_A_TURN: Final = 256
"""Datagrams read before the event loop sees to others."""
DATAGRAM_BUFFER_OCTETS: Final = 4 << 20
"""Asked of the kernel for datagrams: two feeders' last gasps. It grants net.core.rmem_max at most."""
PORT_TRIES: Final = 8
"""Free ports tried until one is free for TCP and UDP alike."""
SWEEP_S: Final = 1.0
RESUME_S: Final = 0.02
"""How often it is looked whether the store has caught up."""

_unpack_header = Struct(">HHHH").unpack_from


@dataclass(frozen=True, slots=True, kw_only=True)
class PushLimits:
    """Seconds of the wall.

    ``idle_s``     a connection that has pushed is closed after so long a silence: half an hour, and some
    ``unproven_s`` one that has not pushed anything good yet
    ``frame_s``    how long the rest of a begun frame, or of a push in blocks, may take
    """

    most_connections: int = 20_000
    idle_s: float = 2_400.0
    unproven_s: float = 30.0
    frame_s: float = 30.0


class PushListener:
    """Both sockets on one address. ``full``: whether the store is behind; ``taken`` is called after reading."""

    def __init__(
        self,
        intake: PushIntake,
        metrics: Metrics,
        limits: PushLimits,
        *,
        full: Callable[[], bool],
        taken: Callable[[], None],
    ) -> None:
        self.intake = intake
        self.metrics = metrics
        self.limits = limits
        self.blocks = PushBlocks(intake, within_s=limits.frame_s, now=time.monotonic)
        self.datagram_blocks = PushBlocks(intake, within_s=limits.frame_s, now=time.monotonic)
        self._full = full
        self._taken = taken
        self.connections: set[PushConnection] = set()
        self.paused = False
        self._server: asyncio.AbstractServer | None = None
        self._datagrams: socket.socket | None = None
        self.port = 0

    async def open(self, host: str, port: int) -> None:
        """Begin to listen; ``port`` 0 takes a free one, the same for both. Raises OSError."""
        for left in reversed(range(1 if port else PORT_TRIES)):
            try:
                await self._open(host, port)
            except OSError:
                if not left:
                    raise
            else:
                return

    async def _open(self, host: str, port: int) -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: PushConnection(self), host, port, backlog=BACKLOG, reuse_address=True
        )
        port = server.sockets[0].getsockname()[1]
        datagrams = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        try:
            datagrams.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, DATAGRAM_BUFFER_OCTETS)
            datagrams.setblocking(False)
            datagrams.bind((host, port))
        except OSError:
            datagrams.close()
            server.close()
            raise
        self.port, self._server, self._datagrams = port, server, datagrams
        loop.add_reader(datagrams, self._read_datagrams)

    async def close(self) -> None:
        """Hear nothing any more."""
        self.blocks.forget()
        self.datagram_blocks.forget()
        if self._datagrams is not None:
            if not self.paused:
                asyncio.get_running_loop().remove_reader(self._datagrams)
            self._datagrams.close()
            self._datagrams = None
        if self._server is not None:
            self._server.close()
            for connection in tuple(self.connections):
                connection.abort("stopped")
            await self._server.wait_closed()
            self._server = None

    async def keep(self) -> None:
        """Resume when the store has caught up, and drop who is silent; until cancelled."""
        loop = asyncio.get_running_loop()
        swept_s = loop.time()
        while True:
            await asyncio.sleep(RESUME_S if self.paused else SWEEP_S)
            if self.paused and not self._full():
                self._resume()
            if loop.time() - swept_s >= SWEEP_S:
                swept_s = loop.time()
                for connection in tuple(self.connections):
                    connection.sweep(swept_s)
                for blocks in (self.blocks, self.datagram_blocks):
                    blocks.not_heard() if self.paused else blocks.sweep()

    def after_reading(self) -> None:
        """Something was taken in: it will be bundled, and when the store is behind nothing more is read."""
        self._taken()
        if not self.paused and self._full():
            self._pause()

    def _pause(self) -> None:
        self.paused = True
        self.metrics.push_paused.set(1)
        if self._datagrams is not None:
            asyncio.get_running_loop().remove_reader(self._datagrams)
        for connection in self.connections:
            connection.pause()

    def _resume(self) -> None:
        self.paused = False
        self.metrics.push_paused.set(0)
        if self._datagrams is not None:
            asyncio.get_running_loop().add_reader(self._datagrams, self._read_datagrams)
        for connection in tuple(self.connections):
            connection.resume()

    def _read_datagrams(self) -> None:
        datagrams, most = self._datagrams, HEADER_OCTETS + MOST_PUSH_OCTETS
        if datagrams is None:
            return
        for _ in range(DATAGRAMS_A_TURN):
            try:
                octets, address = datagrams.recvfrom(most + 1)
            except (BlockingIOError, InterruptedError):
                break
            except OSError as error:  # an answer of the network to somebody else's datagram
                _log.debug("a datagram was not read", cause=str(error))
                continue
            self._take_datagram(octets, address)
        self.after_reading()

    def _take_datagram(self, octets: bytes, address: tuple[str, int]) -> None:
        """One frame, whole; nothing is kept from one datagram to the next."""
        if len(octets) > HEADER_OCTETS:
            version, source, destination, size = _unpack_header(octets)
            if version == WRAPPER_VERSION and size == len(octets) - HEADER_OCTETS and size <= MOST_PUSH_OCTETS:
                if octets[HEADER_OCTETS] == GENERAL_BLOCK:
                    apdu = octets[HEADER_OCTETS:]
                    self.datagram_blocks.take(address, (source, destination), apdu, Datagram(address))
                else:
                    self.intake.take(octets[HEADER_OCTETS:], Datagram(address))
                return
        self.metrics.push_closed("absurd-datagram")


class Datagram:
    """Where a datagram came from: as it says, which proves nothing."""

    __slots__ = ("_address",)

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address

    @property
    def peer(self) -> str:
        """For people."""
        return f"udp {self._address[0]}:{self._address[1]}"


class PushConnection(asyncio.Protocol):
    """One TCP connection: wrapper frames in, nothing out. Frames of any source and destination port are heard.

    The wPorts say which of several devices behind one address speaks; the system title says it with proof.
    """

    __slots__ = ("_begun_s", "_heard_s", "_listener", "_proven", "_refused", "_rest", "_transport")

    def __init__(self, listener: PushListener) -> None:
        self._listener = listener
        self._transport: asyncio.Transport | None = None
        self._rest = b""
        self._refused = 0
        self._proven = False
        self._heard_s = self._begun_s = 0.0

    @property
    def peer(self) -> str:
        """For people."""
        name = None if self._transport is None else self._transport.get_extra_info("peername")
        return "tcp" if name is None else f"tcp {name[0]}:{name[1]}"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody calls."""
        listener = self._listener
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own, which is not one by its class
        if len(listener.connections) >= listener.limits.most_connections:
            self.abort("too-many")
            return
        listener.connections.add(self)
        listener.metrics.push_connections.inc()
        self._heard_s = asyncio.get_running_loop().time()
        if listener.paused:
            self.pause()

    def connection_lost(self, _exc: Exception | None) -> None:
        """The connection is over; what was begun is lost, and its meter will push it again."""
        if self._listener.paused and self._rest:
            self._take(b"")
        self._listener.blocks.hung_up(self)
        if self in self._listener.connections:
            self._listener.connections.discard(self)
            self._listener.metrics.push_connections.dec()
        self._transport = None

    def data_received(self, data: bytes) -> None:
        """Take every whole frame.

        Whose call came while the store was behind may be read once before it waits: uvloop begins to read when
        ``connection_made`` has returned, whatever was said there. It is kept until the store has caught up.
        """
        if self._listener.paused:
            self._rest += data
            self.pause()
        else:
            self._take(data)

    def _take(self, data: bytes) -> None:
        listener = self._listener
        take = listener.intake.take
        if self._rest:
            data = self._rest + data
        offset, held, good = 0, len(data), 0
        while held - offset >= HEADER_OCTETS:
            version, source, destination, size = _unpack_header(data, offset)
            if version != WRAPPER_VERSION or not 0 < size <= MOST_PUSH_OCTETS:
                self.abort("absurd-frame")
                break
            end = offset + HEADER_OCTETS + size
            if end > held:
                break
            apdu = data[offset + HEADER_OCTETS : end]
            if apdu[0] != GENERAL_BLOCK:
                taken: bool | None = take(apdu, self)
            else:
                taken = listener.blocks.take(self, (source, destination), apdu, self)
            if taken:
                good += 1
            elif taken is False:
                self._refused += 1
                if self._refused - good >= MOST_REFUSED:
                    self.abort("refused")
                    break
            offset = end
        if good:
            self._proven = True
            self._refused = max(0, self._refused - good)
        self._keep_rest(data, offset)
        listener.after_reading()

    def _keep_rest(self, data: bytes, offset: int) -> None:
        """What has begun waits for its end; when it began is remembered."""
        now_s = asyncio.get_running_loop().time()
        if not self._rest or offset:
            self._begun_s = now_s
        self._rest = data[offset:] if offset < len(data) else b""
        self._heard_s = now_s

    def sweep(self, now_s: float) -> None:
        """Close when silent for too long, or in the middle of a frame."""
        limits = self._listener.limits
        if self._transport is None or self._listener.paused:
            self._heard_s = self._begun_s = now_s  # who is not listened to is not silent
            return
        if self._rest and now_s - self._begun_s > limits.frame_s:
            self.abort("frame-unfinished")
        elif now_s - self._heard_s > (limits.idle_s if self._proven else limits.unproven_s):
            self.abort("idle")

    def abort(self, reason: str) -> None:
        """Close at once and count why."""
        if self._transport is not None and not self._transport.is_closing():
            self._listener.metrics.push_closed(reason)
            self._transport.abort()
        self._rest = b""

    def pause(self) -> None:
        """Read nothing for now."""
        if self._transport is not None:
            with contextlib.suppress(RuntimeError):  # asyncio's words for a transport that is closing
                self._transport.pause_reading()

    def resume(self) -> None:
        """Read on; what was kept comes first."""
        if self._transport is not None:
            with contextlib.suppress(RuntimeError):
                self._transport.resume_reading()
        if self._rest:
            self.data_received(b"")
