"""One TCP connection to the meter on trial, frame by frame, with a record of what went and what came.

It judges nothing of an APDU, so that a check can send what no client should and see what comes back. Only the
wrapper's own rules are kept (IEC 62056-4-7): version, both addresses the right way round, length.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from struct import Struct
from typing import Final

from bijlighar.dlms.limits import MAX_FRAME_OCTETS
from bijlighar.headend.conformance.verdicts import Exchange, Failed, Silent

_HEADER = Struct(">HHHH")
_VERSION: Final = 1
MOST_EXCHANGES: Final = 12
"""Exchanges kept for a report: the last ones of a check are those that decided it."""

Hide = Callable[[bytes], bytes]


class Gone(Failed):
    """The meter closed the connection where an answer was due."""


class Line:
    """A connection. ``hide`` takes secrets out of what is recorded; ``answer_s`` for each whole frame."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        answer_s: float,
        record: deque[Exchange],
        hide: Hide,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._answer_s = answer_s
        self._record = record
        self._hide = hide

    async def send(self, apdu: bytes, client_address: int, server_address: int = 1) -> None:
        """Send one frame; nothing is awaited."""
        self._record.append(Exchange(sent=self._hide(apdu), received=b""))
        with suppress(ConnectionError):  # what it came to is seen when the answer is awaited
            self._writer.write(_HEADER.pack(_VERSION, client_address, server_address, len(apdu)) + apdu)
            await self._writer.drain()

    def deciphered(self, sent: bytes, received: bytes) -> None:
        """What the last exchange was in plain."""
        if self._record:
            self._record[-1] = replace(self._record[-1], sent_plain=sent, received_plain=received)

    async def receive(self, client_address: int, server_address: int = 1) -> bytes:
        """The next whole APDU. Raises Silent, Gone, Failed."""
        try:
            async with asyncio.timeout(self._answer_s):
                head = await self._reader.readexactly(_HEADER.size)
                version, source, destination, size = _HEADER.unpack(head)
                apdu = await self._reader.readexactly(size)
        except TimeoutError:
            raise Silent(f"no whole answer within {self._answer_s:g} s") from None
        except (asyncio.IncompleteReadError, ConnectionError):
            raise Gone("the meter closed the connection") from None
        if self._record:
            self._record[-1] = replace(self._record[-1], received=self._hide(apdu))
        if version != _VERSION:
            raise Failed(f"a wrapper of version {version}")
        if (source, destination) != (server_address, client_address):
            wanted = f"{server_address} and {client_address}"
            raise Failed(f"the wrapper's addresses are {source} and {destination}, not {wanted}")
        if not apdu:
            raise Failed("a frame without an APDU")
        return apdu

    async def close(self) -> None:
        """Hang up in good order."""
        self._writer.close()
        with suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(self._answer_s):
                await self._writer.wait_closed()

    def abort(self) -> None:
        """Tear the connection down, as a lost radio link does."""
        self._writer.transport.abort()


async def connect(
    host: str, port: int, *, connect_s: float, answer_s: float, record: deque[Exchange], hide: Hide
) -> Line:
    """Call the meter. Raises Silent when it cannot be reached."""
    try:
        async with asyncio.timeout(connect_s):
            reader, writer = await asyncio.open_connection(host, port, limit=MAX_FRAME_OCTETS)
    except TimeoutError:
        raise Silent(f"no connection within {connect_s:g} s") from None
    except OSError as error:
        raise Silent(f"no connection: {error.strerror or type(error).__name__}") from None
    return Line(reader, writer, answer_s=answer_s, record=record, hide=hide)
