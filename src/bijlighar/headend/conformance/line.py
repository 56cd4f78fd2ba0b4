"""One TCP connection to the meter on trial, APDU by APDU, with a record of what went and what came.

It judges nothing of an APDU, so that a check can send what no client should and see what comes back. Only the
rules of what carries APDUs are kept: of the wrapper (IEC 62056-4-7) version, both addresses the right way round
and length; of HDLC (IEC 62056-46) all that ``bijlighar.dlms.hdlc`` keeps.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from struct import Struct
from typing import Final, Protocol

from bijlighar.dlms.errors import RemoteProtocolError
from bijlighar.dlms.hdlc import HdlcLink, HdlcSettings, LinkLost, Role
from bijlighar.dlms.limits import MAX_FRAME_OCTETS
from bijlighar.headend.conformance.verdicts import Exchange, Failed, Silent

_HEADER = Struct(">HHHH")
_VERSION: Final = 1
SERVER: Final = 1
"""The management logical device, which every meter has."""
MOST_EXCHANGES: Final = 12
"""Exchanges kept for a report: the last ones of a check are those that decided it."""
_READ_OCTETS: Final = 65_536

Hide = Callable[[bytes], bytes]


class Gone(Failed):
    """The meter closed the connection, or its HDLC link, where an answer was due."""


class Record:
    """What went over the lines of late. ``hide`` takes secrets out of it."""

    def __init__(self, hide: Hide) -> None:
        self._hide = hide
        self._exchanges: deque[Exchange] = deque(maxlen=MOST_EXCHANGES)

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """The newest last."""
        return tuple(self._exchanges)

    def clear(self) -> None:
        """Forget all."""
        self._exchanges.clear()

    def sent(self, octets: bytes) -> None:
        """This went."""
        self._exchanges.append(Exchange(sent=self._hide(octets), received=b""))

    def received(self, octets: bytes) -> None:
        """This came; more than once behind one that went when a meter answers in parts."""
        if self._exchanges:
            last = self._exchanges[-1]
            self._exchanges[-1] = replace(last, received=last.received + self._hide(octets))

    def deciphered(self, sent: bytes, received: bytes) -> None:
        """What the last exchange was in plain."""
        if self._exchanges:
            self._exchanges[-1] = replace(self._exchanges[-1], sent_plain=sent, received_plain=received)


@dataclass(slots=True, kw_only=True)
class Wire:
    """A connection, octet by octet; ``answer_s`` for each whole answer."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    answer_s: float

    async def send(self, octets: bytes) -> None:
        """Send; nothing is awaited."""
        with suppress(ConnectionError):  # what it came to is seen when the answer is awaited
            self.writer.write(octets)
            await self.writer.drain()

    async def some(self) -> bytes:
        """Some octets, as they come. Raises Gone."""
        try:
            octets = await self.reader.read(_READ_OCTETS)
        except OSError:
            octets = b""
        if not octets:
            raise Gone("the meter closed the connection")
        return octets

    async def close(self) -> None:
        """Hang up in good order."""
        self.writer.close()
        with suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(self.answer_s):
                await self.writer.wait_closed()

    def abort(self) -> None:
        """Tear the connection down, as a lost radio link does."""
        self.writer.transport.abort()


class Line(Protocol):
    """What carries APDUs to the meter and back."""

    async def send(self, apdu: bytes, client_address: int) -> None:
        """Send one APDU; nothing is awaited."""

    async def receive(self, client_address: int) -> bytes:
        """The next whole APDU. Raises Silent, Gone, Failed."""

    async def close(self) -> None:
        """Hang up in good order."""

    def abort(self) -> None:
        """Tear the connection down."""

    def deciphered(self, sent: bytes, received: bytes) -> None:
        """What the last exchange was in plain."""


class WrapperLine:
    """A line of wrapper frames."""

    def __init__(self, wire: Wire, record: Record) -> None:
        self._wire = wire
        self._record = record
        self.deciphered = record.deciphered
        self.close = wire.close
        self.abort = wire.abort

    async def send(self, apdu: bytes, client_address: int) -> None:
        """Send one frame; nothing is awaited."""
        self._record.sent(apdu)
        await self._wire.send(_HEADER.pack(_VERSION, client_address, SERVER, len(apdu)) + apdu)

    async def receive(self, client_address: int) -> bytes:
        """The next whole APDU. Raises Silent, Gone, Failed."""
        wire = self._wire
        try:
            async with asyncio.timeout(wire.answer_s):
                head = await wire.reader.readexactly(_HEADER.size)
                version, source, destination, size = _HEADER.unpack(head)
                apdu = await wire.reader.readexactly(size)
        except TimeoutError:
            raise Silent(f"no whole answer within {wire.answer_s:g} s") from None
        except (asyncio.IncompleteReadError, ConnectionError):
            raise Gone("the meter closed the connection") from None
        self._record.received(apdu)
        if version != _VERSION:
            raise Failed(f"a wrapper of version {version}")
        if (source, destination) != (SERVER, client_address):
            wanted = f"{SERVER} and {client_address}"
            raise Failed(f"the wrapper's addresses are {source} and {destination}, not {wanted}")
        if not apdu:
            raise Failed("a frame without an APDU")
        return apdu


class HdlcLine:
    """A line of HDLC frames: the first APDU calls the meter, closing takes leave of it."""

    def __init__(self, wire: Wire, record: Record, settings: HdlcSettings) -> None:
        self._wire = wire
        self._record = record
        self._settings = settings
        self._link: HdlcLink | None = None
        self.deciphered = record.deciphered
        self.abort = wire.abort

    async def send(self, apdu: bytes, client_address: int) -> None:
        """Send one APDU in segments as they are agreed; the first time the meter is called before."""
        if self._link is None:
            self._link = HdlcLink(Role.CLIENT, self._settings, client_address, SERVER)
        self._record.sent(apdu)
        self._link.send(apdu)
        await self._flush(self._link)

    async def receive(self, client_address: int) -> bytes:  # noqa: ARG002 (a link has one client)
        """The next whole APDU. Raises Silent, Gone, and RemoteProtocolError for what is no HDLC."""
        link = self._link
        assert link is not None, "an answer follows a question"
        try:
            async with asyncio.timeout(self._wire.answer_s):
                while (apdu := await self._step(link)) is None:
                    await self._hear(link)
        except TimeoutError:
            raise Silent(f"no whole answer within {self._wire.answer_s:g} s") from None
        except LinkLost as lost:
            raise Silent(lost.reason) from None
        except RemoteProtocolError as fault:
            if link.disconnected:
                raise Gone(fault.reason) from None
            raise
        self._record.received(apdu)
        return apdu

    async def _step(self, link: HdlcLink) -> bytes | None:
        apdu = link.next_apdu()
        if apdu is None:
            link.invite()
        await self._flush(link)
        return apdu

    async def _hear(self, link: HdlcLink) -> None:
        due_s = link.get_timer()
        try:
            async with asyncio.timeout_at(due_s):
                link.receive_data(await self._wire.some())
        except TimeoutError:
            assert due_s is not None, "without a timer none runs out"
            link.handle_timer(max(asyncio.get_running_loop().time(), due_s))

    async def _flush(self, link: HdlcLink) -> None:
        octets = b"".join(link.outgoing)
        link.outgoing.clear()
        if octets:
            await self._wire.send(octets)
            link.transmitted(asyncio.get_running_loop().time())

    async def close(self) -> None:
        """Take leave of the meter, then hang up."""
        link = self._link
        if link is not None:
            link.close()
            await self._flush(link)
            with suppress(TimeoutError, Failed, RemoteProtocolError):
                async with asyncio.timeout(self._wire.answer_s):
                    while not link.disconnected:
                        await self._hear(link)
                        link.settle()
                        await self._flush(link)
        await self._wire.close()


async def connect(host: str, port: int, *, connect_s: float, answer_s: float) -> Wire:
    """Call the meter. Raises Silent when it cannot be reached."""
    try:
        async with asyncio.timeout(connect_s):
            reader, writer = await asyncio.open_connection(host, port, limit=MAX_FRAME_OCTETS)
    except TimeoutError:
        raise Silent(f"no connection within {connect_s:g} s") from None
    except OSError as error:
        raise Silent(f"no connection: {error.strerror or type(error).__name__}") from None
    return Wire(reader=reader, writer=writer, answer_s=answer_s)
