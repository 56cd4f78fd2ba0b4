"""A primary station for examinations of HDLC: it says any frame, and tells each that comes.

It keeps the numbers of a link (IEC 62056-46) and nothing else: no timer, no repetition. So a check sees what a
meter does with each frame, where the link of a client would have put it right.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from bijlighar.dlms.acse import LN_CONTEXT, Aarq
from bijlighar.dlms.association import Ciphering, Mechanism
from bijlighar.dlms.association.settings import CONFORMANCE_OF
from bijlighar.dlms.hdlc import HdlcSettings
from bijlighar.dlms.hdlc.frames import (
    FRAME_OVERHEAD_OCTETS,
    MAX_INFORMATION_OCTETS,
    POLL,
    Frame,
    FrameReader,
    Kind,
    client_octets,
    server_octets,
)
from bijlighar.dlms.hdlc.negotiation import Agreement, agreed, decode_agreement
from bijlighar.dlms.hdlc.sequence import LLC_REQUEST, LLC_RESPONSE, segments, without_llc
from bijlighar.dlms.limits import DEFAULT_MAX_PDU_OCTETS, MAX_FRAME_OCTETS
from bijlighar.dlms.xdlms import InitiateRequest
from bijlighar.headend.associating import PUBLIC
from bijlighar.headend.conformance.bench import Bench
from bijlighar.headend.conformance.line import SERVER, Record, Wire
from bijlighar.headend.conformance.verdicts import Failed, Silent

_MODULUS: Final = 8
_LONGEST_FRAME_OCTETS: Final = MAX_INFORMATION_OCTETS + FRAME_OVERHEAD_OCTETS
_POLL_S: Final = 0.05
"""Between polls of a meter that is not ready."""
OPENING: Final = Aarq(
    context=LN_CONTEXT,
    mechanism=Mechanism.NONE,
    user_information=InitiateRequest(
        conformance=int(CONFORMANCE_OF[Ciphering.NONE]), max_pdu=DEFAULT_MAX_PDU_OCTETS
    ).encode(),
).encode()
"""What the public client opens with."""


class Station:
    """A primary station. ``turns`` how many octets each I frame had, by the polls that brought them."""

    def __init__(self, wire: Wire, record: Record, settings: HdlcSettings, client_address: int) -> None:
        self._wire = wire
        self._record = record
        self.own = client_octets(client_address)
        self.meter = server_octets(SERVER, settings.physical_address, settings.address_octets)
        self._reader = FrameReader(_LONGEST_FRAME_OCTETS)
        self.agreement = Agreement()
        self.sent = self.expected = 0
        self.turns: list[list[int]] = []

    def frame(self, control: int, information: bytes = b"", *, segmented: bool = False) -> Frame:
        """A frame to the meter."""
        return Frame(self.meter, self.own, control, information, segmented)

    async def say(self, octets: bytes) -> None:
        """Say octets, whatever they are."""
        self._record.sent(octets)
        await self._wire.send(octets)

    async def hear(self) -> Frame:
        """The next frame for us. Raises Silent, Gone; Failed when one came that is damaged."""
        try:
            async with asyncio.timeout(self._wire.answer_s):
                while (frame := self._reader.next_frame()) is None:
                    octets = await self._wire.some()
                    self._record.received(octets)
                    self._reader.receive_data(octets)
        except TimeoutError:
            if self._reader.damaged:
                raise Failed("a frame came whose form or check sequence is wrong") from None
            raise Silent(f"no whole frame within {self._wire.answer_s:g} s") from None
        if (frame.destination, frame.source) != (self.own, self.meter):
            ends = f"{frame.source.hex().upper()} to {frame.destination.hex().upper()}"
            raise Failed(
                f"a frame from {ends} came, not from {self.meter.hex().upper()} to {self.own.hex().upper()}"
            )
        return frame

    async def ask(self, frame: Frame) -> Frame:
        """Say a frame; the one that comes."""
        await self.say(frame.encode())
        return await self.hear()

    async def call(self, offered: Agreement | None = None, lead: bytes = b"") -> Agreement:
        """Call the meter, with the parameters offered or none; what its UA says. Raises Failed otherwise."""
        information = b"" if offered is None else offered.encode()
        await self.say(lead + self.frame(Kind.SNRM | POLL, information).encode())
        answer = await self.hear()
        if answer.kind is not Kind.UA or not answer.poll:
            raise Failed(f"SNRM is answered by {told(answer)}")
        theirs = decode_agreement(answer.information)
        self.agreement = agreed(offered or Agreement(), theirs)
        self.sent = self.expected = 0
        return theirs

    def question(self, apdu: bytes) -> Frame:
        """An APDU in one I frame under the next numbers."""
        return self.frame(self.expected << 5 | POLL | self.sent << 1, LLC_REQUEST + apdu)

    async def exchange(self, apdu: bytes, octets: int) -> bytes:
        """Say an APDU in segments of ``octets``, each polled; the whole answer. Raises Failed."""
        pieces = list(segments(LLC_REQUEST + apdu, octets))
        for piece in pieces:
            control = self.expected << 5 | POLL | self.sent << 1
            await self.say(self.frame(control, piece.octets, segmented=piece.segmented).encode())
            self.sent = (self.sent + 1) % _MODULUS
            if piece.segmented:
                self._judge_ready(await self.hear())
        return await self.answer()

    async def answer(self) -> bytes:
        """The whole answer, turn by turn; ``turns`` tells how it came. Raises Silent, Gone, Failed."""
        self.turns, message = [], b""
        loop = asyncio.get_running_loop()
        came_s = loop.time()
        while True:
            part, more = await self._turn()
            message += part
            if len(message) > MAX_FRAME_OCTETS:
                raise Failed(f"an answer of more than {len(message)} octets")
            if not more and message:
                return without_llc(message, LLC_RESPONSE)
            if part:
                came_s = loop.time()
            elif loop.time() - came_s > self._wire.answer_s:
                raise Failed(f"the meter is polled for {self._wire.answer_s:g} s and says nothing of the answer")
            else:
                await asyncio.sleep(_POLL_S)
            await self.say(self.frame(self.expected << 5 | POLL | Kind.RR).encode())

    async def _turn(self) -> tuple[bytes, bool]:
        """What one poll brings, and whether the message goes on."""
        message, more = b"", True
        self.turns.append([])
        while True:
            frame = await self.hear()
            if frame.kind is Kind.I:
                if frame.sent != self.expected:
                    raise Failed(f"an I frame numbered {frame.sent} came where {self.expected} was due")
                self._judge_acknowledged(frame)
                self.expected = (self.expected + 1) % _MODULUS
                self.turns[-1].append(len(frame.information))
                message, more = message + frame.information, frame.segmented
            else:
                self._judge_ready(frame)
            if frame.poll:
                return message, more

    def _judge_ready(self, frame: Frame) -> None:
        if frame.kind not in (Kind.RR, Kind.RNR):
            raise Failed(f"{told(frame)} came where RR or an answer was due")
        self._judge_acknowledged(frame)

    def _judge_acknowledged(self, frame: Frame) -> None:
        if frame.received != self.sent:
            raise Failed(f"the meter expects I frame {frame.received}, {self.sent} is the next")


@asynccontextmanager
async def station(bench: Bench) -> AsyncIterator[Station]:
    """A station on a fresh connection, as the public client; torn down at the end."""
    assert bench.hdlc is not None, "checks of HDLC are made over HDLC"
    wire = await bench.wire()
    try:
        yield Station(wire, bench.record, bench.hdlc, bench.access(PUBLIC).client_address)
    finally:
        wire.abort()


def told(frame: Frame) -> str:
    """A frame that was not expected, in words."""
    return f"a frame {frame.control:02X}h" if frame.kind is None else frame.kind.name
