"""Sessions with a meter that stands behind a gateway of octets and speaks HDLC (IEC 62056-46).

A session asks one question at a time, each in a frame of the TCP wrapper. Here the APDU of each frame goes over an
HDLC link instead, and what comes back is framed again, so that a session knows nothing of it. Every session is a
call of its own: SNRM, its questions, DISC. For the commands of an engineer at a desk; the head-end's own meters
speak wrapper.
"""

from __future__ import annotations

import asyncio
from collections import deque
from struct import Struct
from typing import Any, cast

from bijlighar.cim.contacts import Outcome
from bijlighar.dlms.errors import LocalProtocolError, RemoteProtocolError
from bijlighar.dlms.hdlc import HdlcSettings
from bijlighar.dlms.hdlc.frames import server_octets
from bijlighar.dlms.wrapper import HEADER_OCTETS, WRAPPER_VERSION
from bijlighar.headend.conformance.line import SERVER, Gone, HdlcLine, Record, connect
from bijlighar.headend.conformance.verdicts import Silent
from bijlighar.headend.session import Session, TimeLimits

_HEADER = Struct(">HHHH")
LINE_OCTETS = 512
LINE_WINDOW = 3
"""What is offered to a meter: more than the defaults, so that there is something to agree on."""


class AddressDoesNotFit(Exception):
    """No HDLC address of so many octets has this physical half. The message says why."""


def hdlc_line(
    address_octets: int, physical_address: int | None = None, answer_s: float | None = None
) -> HdlcSettings:
    """How a meter is called over HDLC: twice, before it counts as silent. Raises AddressDoesNotFit.

    ``answer_s`` in which an answer must be there, None: as long as a reading waits.
    """
    try:
        server_octets(SERVER, physical_address, address_octets)
    except LocalProtocolError as problem:
        raise AddressDoesNotFit(problem.reason) from None
    return HdlcSettings(
        address_octets=address_octets,
        physical_address=physical_address,
        send_octets=LINE_OCTETS,
        receive_octets=LINE_OCTETS,
        send_window=LINE_WINDOW,
        receive_window=LINE_WINDOW,
        answer_s=(TimeLimits().answer_s if answer_s is None else answer_s) / 2.5,
        retries=1,
    )


class OctetGateway:
    """Where one meter is called, as ``session.StandingLine``; one session at a time. ``left`` ends it."""

    def __init__(self, host: str, port: int, hdlc: HdlcSettings, limits: TimeLimits) -> None:
        self._host = host
        self._port = port
        self._hdlc = hdlc
        self._limits = limits
        self._last: asyncio.Task[None] | None = None

    def carry(self, visit: asyncio.Protocol) -> None:
        """Call the meter for ``visit``, once leave was taken of it after the session before."""
        assert isinstance(visit, Session), "a call that does not come about is told to a session"
        self._last = asyncio.create_task(self._call(visit, self._last))

    async def left(self) -> None:
        """Return when leave was taken of the meter. Raises only what our own code did wrong."""
        if self._last is not None:
            await self._last

    async def _call(self, visit: Session[Any], before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await before
        limits = self._limits
        try:
            wire = await connect(self._host, self._port, connect_s=limits.connect_s, answer_s=limits.answer_s)
        except Silent as silent:
            visit.finish(Outcome.NO_ANSWER, silent.reason)
            return
        await _Call(visit, HdlcLine(wire, Record(_nothing), self._hdlc)).run()


class _Call:
    """One call, and what its session writes to."""

    def __init__(self, visit: Session[Any], line: HdlcLine) -> None:
        self._visit = visit
        self._line = line
        self._questions: deque[tuple[int, bytes]] = deque()
        self._client = 0
        self._is_over = self._is_torn = False

    async def run(self) -> None:
        """Carry questions and answers until the session is over, then take leave of the meter."""
        visit = self._visit
        visit.connection_made(cast("asyncio.BaseTransport", self))
        try:
            while not self._is_over:
                await self._carry()
        except Gone:
            visit.connection_lost(None)
        except Silent as silent:
            visit.finish(Outcome.HUNG, silent.reason)
        except RemoteProtocolError as fault:
            visit.finish(Outcome.PROTOCOL, f"{type(fault).__name__}: {fault.reason}")
        finally:
            if not visit.ended.done():  # our own fault, which nobody must wait for
                visit.connection_lost(None)
        if not self._is_torn:
            await self._line.close()

    async def _carry(self) -> None:
        """What was asked, and one answer; another one when the session waits for more (a notification came)."""
        while self._questions:
            self._client, apdu = self._questions.popleft()
            await self._line.send(apdu, self._client)
        apdu = await self._line.receive(self._client)
        self._visit.data_received(_HEADER.pack(WRAPPER_VERSION, SERVER, self._client, len(apdu)) + apdu)

    # What a session asks of its transport

    def write(self, octets: bytes) -> None:
        """Frames of the wrapper, each whole."""
        while octets:
            _, client, _, size = _HEADER.unpack_from(octets)
            end = HEADER_OCTETS + size
            self._questions.append((client, octets[HEADER_OCTETS:end]))
            octets = octets[end:]

    def close(self) -> None:
        """The session has ended well."""
        self._is_over = True

    def abort(self) -> None:
        """Hang up at once."""
        self._is_over = self._is_torn = True
        self._line.abort()


def _nothing(_: bytes) -> bytes:
    """What is read is not kept on record."""
    return b""
