"""The client's side of one association: the head-end asks, the meter answers, one question at a time.

``open``, ``get``, ``set``, ``action`` and ``release`` queue octets; ``data_to_send`` gives them away. What comes
back goes into ``receive_data``, which only stores; ``next_event`` parses until something happened or nothing is
left. After NEED_DATA there may be new octets to send: a long value is asked for block by block.

An answer must carry the invoke-id of the one open question and, in blocks, the next number. A stale answer is a
RemoteProtocolError, not passed over: whoever gave up on a question closes the connection.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, TypeAlias

from bijlighar.dlms.acse import RLRE, RLRQ, Release, decode_aare, decode_release
from bijlighar.dlms.association import opening
from bijlighar.dlms.association.events import (
    NEED_DATA,
    ActionDone,
    AssociationOpened,
    ClientEvent,
    GetFailed,
    GetSucceeded,
    NeedData,
    NotificationReceived,
    Released,
    ServiceRefused,
    SetDone,
)
from bijlighar.dlms.association.machine import Machine
from bijlighar.dlms.association.settings import Ciphering, ClientSettings, check_client
from bijlighar.dlms.association.states import Move, Role, State
from bijlighar.dlms.axdr import Data, encode
from bijlighar.dlms.channel import GENERAL_GLO_OVERHEAD, SecureChannel
from bijlighar.dlms.errors import LocalProtocolError, Malformed, ProtocolError, StaleReply, TooLarge
from bijlighar.dlms.limits import FRAME_SLACK_OCTETS, MAX_BLOCKS, MAX_FRAME_OCTETS, MAX_VALUE_OCTETS
from bijlighar.dlms.notification import decode_notification
from bijlighar.dlms.wrapper import WrapperLink
from bijlighar.dlms.xdlms import AttributeRef, InitiateResponse, MethodRef, Selection
from bijlighar.dlms.xdlms.action import ActionAnswer, ActionRequest, decode_action_response
from bijlighar.dlms.xdlms.get import GetBlock, GetNext, GetRequest, decode_get_response
from bijlighar.dlms.xdlms.results import decode_confirmed_service_error, decode_exception
from bijlighar.dlms.xdlms.set_attribute import SetRequest, decode_set_response

_INVOKE = 0xC0
"""Invoke-id-and-priority: high priority, confirmed."""


_Handler: TypeAlias = Callable[["ClientAssociation", bytes], ClientEvent | None]


def _unchanged(apdu: bytes) -> bytes:
    return apdu


class ClientAssociation:
    """One association. Raises LocalProtocolError for settings that cannot work."""

    __slots__ = (
        "_block",
        "_channel",
        "_invoke",
        "_link",
        "_machine",
        "_negotiated",
        "_open",
        "_outgoing",
        "_pieces",
        "_seal",
        "_settings",
        "_size",
    )

    def __init__(self, settings: ClientSettings) -> None:
        check_client(settings)
        self._settings = settings
        self._machine = Machine(Role.CLIENT)
        largest = min(settings.max_pdu + FRAME_SLACK_OCTETS, MAX_FRAME_OCTETS)
        self._link = WrapperLink(settings.client_address, settings.server_address, largest)
        self._channel = opening.channel_of(settings)
        self._seal, self._open = _protection(settings.ciphering, self._channel)
        self._outgoing: list[bytes] = []
        self._invoke = 0
        self._negotiated: InitiateResponse | None = None
        self._pieces: list[bytes] = []
        self._size = 0
        self._block = 0

    @property
    def state(self) -> State:
        """Where the association stands."""
        return self._machine.state

    @property
    def next_invocation_counter(self) -> int:
        """The first invocation counter that has not been used."""
        return self._settings.invocation_counter if self._channel is None else self._channel.next_counter

    @property
    def meter_title(self) -> bytes:
        """The meter's system title as far as it is known."""
        return (self._settings.meter_title or b"") if self._channel is None else self._channel.peer_title

    def open(self) -> None:
        """Ask for the association (AARQ)."""
        self._machine.own(Move.ASSOCIATE)
        self._queue(lambda: opening.aarq(self._settings, self._channel))

    def get(self, ref: AttributeRef, selection: Selection | None = None) -> None:
        """Ask for one attribute, or for some rows of it. Ends in GetSucceeded, GetFailed or ServiceRefused."""
        request = GetRequest(self._next_invoke(), ref, selection).encode()
        self._ask(Move.GET, request)
        self._block = 1

    def set(self, ref: AttributeRef, value: Data | bytes) -> None:
        """Write one attribute; ``value`` typed, or raw A-XDR octets. Ends in SetDone or ServiceRefused."""
        octets = encode(value) if isinstance(value, Data) else value
        self._ask(Move.SET, SetRequest(self._next_invoke(), ref, octets).encode())

    def action(self, ref: MethodRef, parameter: Data | bytes | None = None) -> None:
        """Invoke one method; ``parameter`` as for ``set``. Ends in ActionDone or ServiceRefused."""
        octets = encode(parameter) if isinstance(parameter, Data) else parameter
        self._ask(Move.ACT, ActionRequest(self._next_invoke(), ref, octets).encode())

    def release(self) -> None:
        """Ask for the end of the association (RLRQ). Ends in Released or ServiceRefused."""
        self._machine.own(Move.RELEASE)
        self._queue(self._rlrq)

    def data_to_send(self) -> bytes:
        """What is to be sent now; given once."""
        outgoing = self._outgoing
        if not outgoing:
            return b""
        octets = outgoing[0] if len(outgoing) == 1 else b"".join(outgoing)
        outgoing.clear()
        return octets

    def receive_data(self, octets: bytes) -> None:
        """Store what came. Raises TooLarge when far more waits than any answer has."""
        try:
            self._link.receive_data(octets)
        except ProtocolError as fault:
            self._machine.fail(fault)
            raise

    def connection_lost(self) -> None:
        """The connection is gone. When an answer was awaited, ``next_event`` raises from now on."""
        self._machine.lose_connection("the connection was lost before the answer came")

    def next_event(self) -> ClientEvent | NeedData:
        """What happened next, or NEED_DATA. Raises RemoteProtocolError for the peer's faults, for good."""
        machine = self._machine
        if machine.fault is not None:
            raise machine.fault
        try:
            while machine.state is not State.CLOSED:
                apdu = self._link.next_apdu()
                if apdu is None:
                    return NEED_DATA
                event = self._arrived(apdu)
                if event is not None:
                    return event
        except ProtocolError as fault:
            machine.fail(fault)
            raise
        return NEED_DATA

    def _arrived(self, apdu: bytes) -> ClientEvent | None:
        handler = self._unprotected.get(apdu[0])
        if handler is not None:
            return handler(self, apdu)
        plain = self._open(apdu)
        handler = self._protected.get(plain[0])
        if handler is None:
            raise Malformed(f"APDU {plain[0]:#04x} is not one that a client hears")
        return handler(self, plain)

    def _queue(self, make: Callable[[], bytes]) -> None:
        """Frame what ``make`` seals; a fault in it is the end, for a counter may have been spent."""
        try:
            self._outgoing.append(self._link.frame(make()))
        except ProtocolError as fault:
            self._machine.fail(fault)
            raise

    def _ask(self, move: Move, request: bytes) -> None:
        limit = self._negotiated.max_pdu if self._negotiated else 0
        overhead = 0 if self._open is _unchanged else GENERAL_GLO_OVERHEAD
        if limit and len(request) + overhead > limit:
            raise LocalProtocolError(f"a request of {len(request)} octets; the meter receives {limit}")
        self._machine.own(move)
        self._queue(lambda: self._seal(request))

    def _next_invoke(self) -> int:
        self._invoke = (self._invoke + 1) & 0x0F
        return _INVOKE | self._invoke

    def _check_invoke(self, invoke: int) -> None:
        if invoke & 0x0F != self._invoke:
            raise StaleReply(f"an answer to invoke-id {invoke & 0x0F}, {self._invoke} was asked")

    def _rlrq(self) -> bytes:
        information = None
        if self._channel is not None and self._settings.ciphering is not Ciphering.NONE:
            information = self._channel.seal_glo(opening.initiate_request(self._settings))
        return Release(0, information).encode(RLRQ)

    def _on_aare(self, apdu: bytes) -> ClientEvent | None:
        aare = decode_aare(apdu)
        if aare.result != 0:
            self._machine.peer(Move.REFUSE)
            return opening.refusal(aare)
        challenged = opening.is_hls(self._settings)
        self._machine.peer(Move.CHALLENGE if challenged else Move.ACCEPT)
        self._negotiated = opening.negotiated(aare, self._settings, self._channel)
        if not challenged:
            return self._opened()
        proof = opening.proof(aare.authentication_value or b"", self._settings, self._channel)
        self._machine.own(Move.PROVE)
        request = ActionRequest(self._next_invoke(), opening.REPLY_TO_HLS, proof).encode()
        self._queue(lambda: self._seal(request))
        return None

    def _opened(self) -> AssociationOpened:
        negotiated = self._negotiated
        assert negotiated is not None
        return AssociationOpened(self.meter_title, negotiated.max_pdu, negotiated.conformance)

    def _on_proof(self, answer: ActionAnswer) -> ClientEvent:
        if answer.result != 0 or answer.value is None:
            self._machine.peer(Move.REFUSE_PROOF)
            return opening.PROOF_REFUSED
        opening.check_proof(answer.value, self._settings, self._channel)
        self._machine.peer(Move.ACCEPT_PROOF)
        return self._opened()

    def _on_get(self, apdu: bytes) -> ClientEvent | None:
        answer = decode_get_response(apdu)
        self._check_invoke(answer.invoke)
        if isinstance(answer, GetBlock):
            return self._on_block(answer)
        self._machine.peer(Move.ANSWER_GET)
        if self._pieces:
            raise StaleReply("a whole answer among the blocks of another")
        return GetFailed(answer.result) if answer.value is None else GetSucceeded(answer.value)

    def _on_block(self, block: GetBlock) -> ClientEvent | None:
        self._machine.peer(Move.ANSWER_GET if block.last or block.piece is None else Move.GIVE_BLOCK)
        if block.piece is None:
            self._pieces.clear()
            return GetFailed(block.result)
        self._gather(block, block.piece)
        if block.last:
            octets = b"".join(self._pieces)
            self._pieces.clear()
            self._size = 0
            return GetSucceeded(octets)
        self._machine.own(Move.GET_NEXT)
        request = GetNext(_INVOKE | self._invoke, block.number).encode()
        self._queue(lambda: self._seal(request))
        return None

    def _gather(self, block: GetBlock, piece: bytes) -> None:
        if block.number != self._block:
            raise StaleReply(f"block {block.number}, {self._block} was asked")
        if not piece and not block.last:
            raise Malformed("a block without octets that is not the last")
        self._block += 1
        self._size += len(piece)
        if self._size > MAX_VALUE_OCTETS or self._block > MAX_BLOCKS:
            raise TooLarge(f"a value of {self._size} octets in {self._block} blocks and more to come")
        self._pieces.append(piece)

    def _on_set(self, apdu: bytes) -> ClientEvent:
        answer = decode_set_response(apdu)
        self._check_invoke(answer.invoke)
        self._machine.peer(Move.ANSWER_SET)
        return SetDone(answer.result)

    def _on_action(self, apdu: bytes) -> ClientEvent:
        answer = decode_action_response(apdu)
        self._check_invoke(answer.invoke)
        if self._machine.state is State.PROVING:
            return self._on_proof(answer)
        self._machine.peer(Move.ANSWER_ACT)
        return ActionDone(answer.result, answer.value)

    def _on_rlre(self, apdu: bytes) -> ClientEvent:
        release = decode_release(apdu, RLRE)
        self._machine.peer(Move.ANSWER_RELEASE)
        information = release.user_information
        if information and self._channel is not None and information[0] in (0x28, 0xDB):
            self._channel.open(information)
        return Released()

    def _on_exception(self, apdu: bytes) -> ClientEvent:
        self._machine.peer(Move.REPORT_EXCEPTION)
        self._forget_pieces()
        return ServiceRefused(decode_exception(apdu))

    def _on_service_error(self, apdu: bytes) -> ClientEvent:
        self._machine.peer(Move.REPORT_EXCEPTION)
        self._forget_pieces()
        return ServiceRefused(decode_confirmed_service_error(apdu))

    def _forget_pieces(self) -> None:
        self._pieces.clear()
        self._size = 0

    def _on_notification(self, apdu: bytes) -> ClientEvent:
        self._machine.peer(Move.NOTIFY)
        notification = decode_notification(apdu)
        return NotificationReceived(notification.invoke_id, notification.instant, notification.octets)

    _unprotected: ClassVar[dict[int, _Handler]] = {
        0x61: _on_aare,
        0x63: _on_rlre,
        0xD8: _on_exception,
        0x0E: _on_service_error,
    }
    """APDUs that are never ciphered as a whole."""
    _protected: ClassVar[dict[int, _Handler]] = {
        0xC4: _on_get,
        0xC5: _on_set,
        0xC7: _on_action,
        0x0F: _on_notification,
        0xD8: _on_exception,
        0x0E: _on_service_error,
    }


def _protection(
    ciphering: Ciphering, channel: SecureChannel | None
) -> tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]:
    """How APDUs are sealed and opened."""
    if channel is None or ciphering is Ciphering.NONE:
        return _unchanged, _unchanged
    return (channel.seal_glo if ciphering is Ciphering.GLO else channel.seal_general), channel.open
