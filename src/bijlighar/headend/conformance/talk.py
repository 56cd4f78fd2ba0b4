"""A client for examinations: it speaks as any other, and tells each frame's facts instead of judging them away.

Built from the same codec as the head-end's client, but not from its association, which would refuse a stale
invoke-id or a wrong block number before a check could see it. It can GET and prove itself; it knows no SET, and no
ACTION but the proof.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bijlighar.dlms.acse import RLRE, RLRQ, Aare, Release, decode_release
from bijlighar.dlms.association import Ciphering
from bijlighar.dlms.channel import SecureChannel
from bijlighar.dlms.errors import RemoteProtocolError
from bijlighar.dlms.limits import MAX_BLOCKS, MAX_VALUE_OCTETS
from bijlighar.dlms.model import AssociationAccess
from bijlighar.dlms.xdlms import AttributeRef, DataAccessResult, InitiateRequest, InitiateResponse, Selection
from bijlighar.dlms.xdlms.get import (
    GET_RESPONSE,
    LIST,
    GetAnswer,
    GetBlock,
    decode_get_response,
    encode_get,
    encode_next,
)
from bijlighar.dlms.xdlms.results import (
    CONFIRMED_SERVICE_ERROR,
    EXCEPTION_RESPONSE,
    decode_confirmed_service_error,
    decode_exception,
)
from bijlighar.headend.conformance.line import Gone, Line
from bijlighar.headend.conformance.verdicts import Failed, NotApplicable, Silent

PRIORITY: Final = 0xC0
"""Invoke-id-and-priority: high priority, confirmed; the id is added."""
NOTIFICATIONS: Final = frozenset({0x0F, 0xC2})
"""What a meter may tell unasked between question and answer: passed over."""
_MOST_NOTIFICATIONS: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a GET brought. ``value`` raw A-XDR octets, or None with ``result``.

    ``blocks`` (number, last, octets of the piece) as they came, none for an answer in one piece;
    ``largest_octets`` of the APDUs as they stood in their frames.
    """

    value: bytes | None
    result: DataAccessResult
    blocks: tuple[tuple[int, bool, int], ...]
    largest_octets: int

    def octets(self, what: str) -> bytes:
        """The value. Raises Failed when the meter gave none."""
        if self.value is None:
            raise Failed(f"{what} is answered by {word(self.result)}")
        return self.value


@dataclass(slots=True, kw_only=True)
class Talk:
    """An association on a line. ``aarq`` what was sent, ``aare`` and ``initiate`` what the meter answered.

    ``challenge`` ours, or the password; ``first_counter`` the first invocation counter that it may take;
    ``spoiled`` whether it was brought to an end already, so that it is torn down and not released.
    """

    line: Line
    access: AssociationAccess
    channel: SecureChannel | None
    offered: InitiateRequest
    aare: Aare | None = None
    initiate: InitiateResponse | None = None
    ciphered: bool = False
    invoke: int = 0
    largest_octets: int = 0
    challenge: bytes = b""
    aarq: bytes = b""
    first_counter: int = 0
    spoiled: bool = False

    def seal(self, plain: bytes) -> bytes:
        """``plain`` as this association sends it."""
        if self.channel is None or not self.ciphered:
            return plain
        if self.access.ciphering is Ciphering.GENERAL_GLO:
            return self.channel.seal_general(plain)
        return self.channel.seal_glo(plain)

    def unseal(self, octets: bytes) -> bytes:
        """The plain answer. An exception-response is never ciphered. Raises RemoteProtocolError."""
        if self.channel is None or not self.ciphered or octets[0] in (EXCEPTION_RESPONSE, CONFIRMED_SERVICE_ERROR):
            return octets
        return self.channel.open(octets)

    async def exchange(self, octets: bytes) -> bytes:
        """Send octets as they are; the APDU that comes, as it is. Raises Silent, Gone, Failed."""
        await self.line.send(octets, self.access.client_address)
        return await self.receive()

    async def receive(self) -> bytes:
        """The next APDU as it is, plain notifications passed over."""
        for _ in range(_MOST_NOTIFICATIONS):
            apdu = await self.line.receive(self.access.client_address)
            if apdu[0] not in NOTIFICATIONS:
                self.largest_octets = max(self.largest_octets, len(apdu))
                return apdu
        raise Failed("notifications without end where an answer was due")

    async def ask(self, plain: bytes) -> bytes:
        """Ask one question of the association; its plain answer."""
        answer = self.unseal(await self.exchange(self.seal(plain)))
        if self.ciphered:
            self.line.deciphered(plain, answer)
        return answer

    def next_invoke(self) -> int:
        """A fresh invoke-id, with priority."""
        self.invoke = self.invoke % 15 + 1
        return PRIORITY | self.invoke

    async def get(self, ref: AttributeRef, selection: Selection | None = None) -> Answer:
        """One attribute, block by block. Raises Failed for a wrong invoke-id, number or form."""
        invoke = self.next_invoke()
        self.largest_octets = 0
        answer = _judged(await self.ask(encode_get(invoke, ref, selection)), invoke)
        if isinstance(answer, GetAnswer):
            return Answer(value=answer.value, result=answer.result, blocks=(), largest_octets=self.largest_octets)
        return await self._blocks(answer, invoke)

    async def _blocks(self, block: GetBlock, invoke: int) -> Answer:
        pieces: list[bytes] = []
        seen: list[tuple[int, bool, int]] = []
        total = 0
        while True:
            if block.number != len(seen) + 1:
                raise Failed(f"block {block.number} came where block {len(seen) + 1} was due")
            if block.piece is None:
                return Answer(
                    value=None, result=block.result, blocks=tuple(seen), largest_octets=self.largest_octets
                )
            pieces.append(block.piece)
            seen.append((block.number, block.last, len(block.piece)))
            total += len(block.piece)
            if total > MAX_VALUE_OCTETS or len(seen) >= MAX_BLOCKS:
                raise Failed(f"a value of more than {total} octets in {len(seen)} blocks")
            if block.last:
                break
            following = _judged(await self.ask(encode_next(invoke, block.number)), invoke)
            if not isinstance(following, GetBlock):
                raise Failed(f"a whole answer came where block {len(seen) + 1} was due")
            block = following
        return Answer(
            value=b"".join(pieces),
            result=DataAccessResult.SUCCESS,
            blocks=tuple(seen),
            largest_octets=self.largest_octets,
        )

    async def value(self, ref: AttributeRef, selection: Selection | None = None) -> bytes:
        """The raw A-XDR octets of an attribute. Raises Failed when the meter gives none."""
        return (await self.get(ref, selection)).octets(named(ref))

    async def release(self) -> None:
        """Ask for the end. Raises Failed unless an RLRE comes."""
        information = None
        if self.ciphered and self.channel is not None:
            information = self.channel.seal_glo(self.offered.encode())
        answer = await self.exchange(Release(0, information).encode(RLRQ))
        if answer[0] != RLRE:
            raise Failed(f"the release is answered by {told(answer)}")
        said = decode_release(answer, RLRE).user_information
        if said and self.ciphered and self.channel is not None:
            self.channel.open(said)

    async def refusal(self, octets: bytes) -> str:
        """How the meter refused ``octets``. Raises Failed when it served them."""
        try:
            answer = await self.exchange(octets)
        except Gone:
            return "refused: the connection was closed"
        except Silent as silent:
            return f"refused: {silent.reason}"
        if answer[0] in (EXCEPTION_RESPONSE, CONFIRMED_SERVICE_ERROR):
            return f"refused: {told(answer)}"
        plain = self.unseal(answer)
        if plain[0] == GET_RESPONSE and plain[1:2] != bytes((LIST,)):
            served = decode_get_response(plain)
            if isinstance(served, GetAnswer) and served.value is None:
                return f"refused: {word(served.result)}"
            if isinstance(served, GetBlock) and served.piece is None:
                return f"refused: {word(served.result)}"
        raise Failed(f"it was served: {told(plain)} came")


def _judged(plain: bytes, invoke: int) -> GetAnswer | GetBlock:
    if plain[0] != GET_RESPONSE:
        raise Failed(f"a GET is answered by {told(plain)}")
    answer = decode_get_response(plain)
    if (answer.invoke ^ invoke) & 0x0F:
        raise Failed(f"the answer carries invoke-id {answer.invoke & 0x0F}, {invoke & 0x0F} was asked")
    return answer


def told(apdu: bytes) -> str:
    """An APDU that was not expected, in words."""
    try:
        if apdu[0] == EXCEPTION_RESPONSE:
            exception = decode_exception(apdu)
            return (
                f"exception-response {_lower(exception.state_error.name)}, {_lower(exception.service_error.name)}"
            )
        if apdu[0] == CONFIRMED_SERVICE_ERROR:
            error = decode_confirmed_service_error(apdu)
            return f"confirmed-service-error {error.service}/{error.kind}/{error.value}"
    except RemoteProtocolError as fault:
        return f"a malformed refusal ({fault.reason})"
    return f"APDU {apdu[0]:02X}h of {len(apdu)} octets"


def word(result: DataAccessResult) -> str:
    """A result by its name in the standard."""
    return _lower(result.name)


def named(ref: AttributeRef) -> str:
    """An attribute as class/name/number."""
    return f"{ref.class_id}/{ref.obis}/{ref.attribute}"


def declared(condition: bool, reason: str) -> None:
    """Raise NotApplicable when the meter model itself declares that the clause does not hold."""
    if condition:
        raise NotApplicable(reason)


def _lower(name: str) -> str:
    return name.lower().replace("_", "-")
