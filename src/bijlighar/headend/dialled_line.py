"""One connection that a meter opened: its greeting, then a line on which the head-end asks whenever it likes.

The greeting is one wrapper frame. Until it was proven the other side is nobody: one frame of GREETING_OCTETS, a
few seconds, no answer. Between two visits a meter has nothing to say; who speaks then is hung up on, for what it
says could be taken for the answer to the next question. Whatever a visit does not end cleanly ends the line.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from struct import Struct
from typing import Final, Protocol, cast

from bijlighar.dlms.wrapper import HEADER_OCTETS, WRAPPER_VERSION

GREETING_OCTETS: Final = 512
"""Payload of a greeting: device, setup and clock are some 80 octets; makes may add what names them."""
KEEPALIVE_IDLE_S, KEEPALIVE_EVERY_S, KEEPALIVE_TRIES = 600, 60, 5
"""A mobile network forgets a silent connection without telling: after a quarter of an hour we know."""

_unpack_header = Struct(">HHHH").unpack_from


class Host(Protocol):
    """Who keeps the lines."""

    def opened(self, line: DialledLine) -> None:
        """Somebody calls; may be turned away at once."""

    def greeted(self, line: DialledLine, apdu: bytes) -> None:
        """The one frame that is heard before proof."""

    def ended(self, line: DialledLine) -> None:
        """The connection is over."""

    def turned_away(self, reason: str) -> None:
        """A connection was closed by us, for counting."""


class DialledLine(asyncio.Protocol):
    """``meter_id`` None until proven. ``since_s`` of the loop's clock: when it was opened, or last used.

    While a visit is under way this is the visit's transport: ``write``, ``close`` after a clean end, ``abort``.
    """

    __slots__ = ("_held", "_host", "_loop_time", "_transport", "_visit", "heard", "meter_id", "since_s")

    def __init__(self, host: Host, loop_time: Callable[[], float]) -> None:
        self._host = host
        self._loop_time = loop_time
        self._transport: asyncio.Transport | None = None
        self._visit: asyncio.Protocol | None = None
        self._held = b""
        self.heard = False
        self.meter_id: int | None = None
        self.since_s = 0.0

    @property
    def peer(self) -> str:
        """For people."""
        name = None if self._transport is None else self._transport.get_extra_info("peername")
        return "tcp" if name is None else f"tcp {name[0]}:{name[1]}"

    @property
    def is_free(self) -> bool:
        """Whether a visit may begin."""
        return self._transport is not None and self._visit is None

    # What the event loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody calls."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's inherit from none of asyncio's
        self.since_s = self._loop_time()
        _keep_alive(transport.get_extra_info("socket"))
        self._host.opened(self)

    def data_received(self, data: bytes) -> None:
        """An answer for the visit, or the greeting."""
        if self._visit is not None:
            self._visit.data_received(data)
        elif self.heard:
            self.turn_away("unasked")
        else:
            self._hear(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is over."""
        self._transport = None
        visit, self._visit = self._visit, None
        self._host.ended(self)
        if visit is not None:
            visit.connection_lost(exc)

    def _hear(self, data: bytes) -> None:
        self._held = held = self._held + data
        if len(held) < HEADER_OCTETS:
            return
        version, _, _, size = _unpack_header(held)
        if version != WRAPPER_VERSION or not 0 < size <= GREETING_OCTETS:
            self.turn_away("absurd-frame")
        elif len(held) >= HEADER_OCTETS + size:
            self.heard, self._held = True, b""
            if len(held) > HEADER_OCTETS + size:
                self.turn_away("unasked")
            else:
                self._host.greeted(self, held[HEADER_OCTETS:])

    # What a visit asks of its transport

    def carry(self, visit: asyncio.Protocol) -> None:
        """``visit`` has the line until it closes or aborts it."""
        assert self.is_free
        self._visit = visit
        visit.connection_made(cast("asyncio.BaseTransport", self))

    def write(self, octets: bytes) -> None:
        """To the meter."""
        if self._transport is not None:
            self._transport.write(octets)

    def close(self) -> None:
        """The visit has ended well: the line waits for the next."""
        self._visit = None
        self.since_s = self._loop_time()

    def abort(self) -> None:
        """Hang up at once; the meter will dial again."""
        self._visit = None
        if self._transport is not None:
            self._transport.abort()

    # What the host asks

    def turn_away(self, reason: str) -> None:
        """Hang up and count why. A visit that is under way is told."""
        if self._transport is not None and not self._transport.is_closing():
            self._host.turned_away(reason)
            self._transport.abort()


def _keep_alive(sock: socket.socket | None) -> None:
    if sock is None:
        return
    with contextlib.suppress(OSError):  # a peer that has gone already
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_EVERY_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_TRIES)
