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

from bijlighar.dlms.acse import RLRE, decode_aare, decode_release
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
from bijlighar.dlms.association.gathering import Gathering
from bijlighar.dlms.association.machine import Machine
from bijlighar.dlms.association.opening import PROOF_REFUSED, check_proof, negotiated, proof, refusal
from bijlighar.dlms.association.prepared import prepared
from bijlighar.dlms.association.settings import ClientSettings, check_challenge
from bijlighar.dlms.association.states import TRANSITIONS, Move, Role, State
from bijlighar.dlms.axdr import Data, encode
from bijlighar.dlms.channel import GENERAL_GLO, GENERAL_GLO_OVERHEAD, GLO_OF, SecureChannel
from bijlighar.dlms.errors import LocalProtocolError, Malformed, ProtocolError, StaleReply
from bijlighar.dlms.limits import MAX_FRAME_OCTETS
from bijlighar.dlms.notification import decode_notification
from bijlighar.dlms.wrapper import WrapperLink
from bijlighar.dlms.xdlms import AttributeRef, InitiateResponse, MethodRef, Selection
from bijlighar.dlms.xdlms.action import ActionAnswer, ActionRequest, decode_action_response
from bijlighar.dlms.xdlms.get import BLOCK, GetBlock, decode_get_response, encode_get, encode_next, split_block
from bijlighar.dlms.xdlms.results import decode_confirmed_service_error, decode_exception
from bijlighar.dlms.xdlms.set_attribute import SetRequest, decode_set_response

_MOVES = TRANSITIONS[Role.CLIENT]
# Members of an Enum are slow to look up in the class (Python 3.11), and a session makes a dozen moves.
_ACCEPT = Move.ACCEPT
_ACCEPT_PROOF = Move.ACCEPT_PROOF
_ACT = Move.ACT
_ANSWER_ACT = Move.ANSWER_ACT
_ANSWER_GET = Move.ANSWER_GET
_ANSWER_RELEASE = Move.ANSWER_RELEASE
_ANSWER_SET = Move.ANSWER_SET
_ASSOCIATE = Move.ASSOCIATE
_CHALLENGE = Move.CHALLENGE
_GET = Move.GET
_GET_NEXT = Move.GET_NEXT
_GIVE_BLOCK = Move.GIVE_BLOCK
_NOTIFY = Move.NOTIFY
_PROVE = Move.PROVE
_REFUSE = Move.REFUSE
_REFUSE_PROOF = Move.REFUSE_PROOF
_RELEASE = Move.RELEASE
_REPORT_EXCEPTION = Move.REPORT_EXCEPTION
_SET = Move.SET
_CLOSED, _PROVING = State.CLOSED, State.PROVING

_INVOKE = 0xC0
"""Invoke-id-and-priority: high priority, confirmed."""
_CIPHERED_RESPONSE = (GLO_OF[0x08], GENERAL_GLO)
_Handler: TypeAlias = Callable[["ClientAssociation", bytes], ClientEvent | None]


def _unchanged(apdu: bytes) -> bytes:
    return apdu


class ClientAssociation:
    """One association under ``settings``; the other arguments, when given, stand in for theirs.

    Raises LocalProtocolError for settings that cannot work.
    """

    __slots__ = (
        "_challenge",
        "_channel",
        "_gathering",
        "_invoke",
        "_largest_request",
        "_link",
        "_machine",
        "_negotiated",
        "_open",
        "_outgoing",
        "_prepared",
        "_seal",
        "_settings",
    )

    def __init__(
        self,
        settings: ClientSettings,
        *,
        challenge: bytes | None = None,
        invocation_counter: int | None = None,
        counters_left: int | None = None,
    ) -> None:
        self._settings = settings
        self._prepared = ready = prepared(settings)
        self._machine = Machine(_MOVES)
        self._link = WrapperLink(settings.client_address, settings.server_address, ready.max_frame_octets)
        self._channel: SecureChannel | None = None
        self._seal = self._open = _unchanged
        if ready.material is not None:
            first = settings.invocation_counter if invocation_counter is None else invocation_counter
            count = settings.counters_left if counters_left is None else counters_left
            self._channel = channel = SecureChannel(
                ready.material, settings.meter_title, ready.protection, first, count
            )
            if ready.ciphered:
                self._seal = channel.seal_general if ready.general else channel.seal_glo
                self._open = channel.open
        self._challenge = settings.challenge if challenge is None else challenge
        check_challenge(settings.mechanism, self._challenge)
        self._outgoing: list[bytes] = []
        self._invoke = 0
        self._largest_request = MAX_FRAME_OCTETS
        self._negotiated: InitiateResponse | None = None
        self._gathering: Gathering | None = None

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
        self._machine.own(_ASSOCIATE)
        try:
            self._send(self._prepared.aarq(self._challenge, self._channel))
        except ProtocolError as fault:
            self._machine.fail(fault)
            raise

    def get(self, ref: AttributeRef, selection: Selection | None = None) -> None:
        """Ask for one attribute, or for some rows of it. Ends in GetSucceeded, GetFailed or ServiceRefused."""
        self._ask(_GET, encode_get(self._next_invoke(), ref, selection))

    def set(self, ref: AttributeRef, value: Data | bytes) -> None:
        """Write one attribute; ``value`` typed, or raw A-XDR octets. Ends in SetDone or ServiceRefused."""
        octets = encode(value) if isinstance(value, Data) else value
        self._ask(_SET, SetRequest(self._next_invoke(), ref, octets).encode())

    def action(self, ref: MethodRef, parameter: Data | bytes | None = None) -> None:
        """Invoke one method; ``parameter`` as for ``set``. Ends in ActionDone or ServiceRefused."""
        octets = encode(parameter) if isinstance(parameter, Data) else parameter
        self._ask(_ACT, ActionRequest(self._next_invoke(), ref, octets).encode())

    def release(self) -> None:
        """Ask for the end of the association (RLRQ). Ends in Released or ServiceRefused."""
        self._machine.own(_RELEASE)
        try:
            self._send(self._prepared.rlrq(self._channel))
        except ProtocolError as fault:
            self._machine.fail(fault)
            raise

    def data_to_send(self) -> bytes:
        """What is to be sent now; given once."""
        outgoing = self._outgoing
        if not outgoing:
            return b""
        octets = outgoing[0] if len(outgoing) == 1 else b"".join(outgoing)
        outgoing.clear()
        return octets

    def receive_data(self, octets: bytes) -> None:
        """Store what came."""
        self._link.receive_data(octets)

    def connection_lost(self) -> None:
        """The connection is gone. When an answer was awaited, ``next_event`` raises from now on."""
        self._machine.lose_connection("the connection was lost before the answer came")

    def next_event(self) -> ClientEvent | NeedData:
        """What happened next, or NEED_DATA. Raises RemoteProtocolError for the peer's faults, for good."""
        machine = self._machine
        if machine.fault is not None:
            raise machine.fault
        try:
            while machine.state is not _CLOSED:
                apdu = self._link.next_apdu()
                if apdu is None:
                    return NEED_DATA
                handler = self._unprotected.get(apdu[0])
                if handler is None:
                    apdu = self._open(apdu)
                    handler = self._protected.get(apdu[0])
                    if handler is None:
                        handler = _unexpected
                event = handler(self, apdu)
                if event is not None:
                    return event
        except ProtocolError as fault:
            machine.fail(fault)
            raise
        return NEED_DATA

    def _send(self, apdu: bytes) -> None:
        self._outgoing.append(self._link.frame(apdu))

    def _ask(self, move: Move, request: bytes) -> None:
        if len(request) > self._largest_request:
            raise LocalProtocolError(
                f"a request of {len(request)} octets, the meter receives {self._largest_request}"
            )
        self._machine.own(move)
        try:
            self._send(self._seal(request))
        except ProtocolError as fault:  # a counter may have been spent
            self._machine.fail(fault)
            raise

    def _next_invoke(self) -> int:
        self._invoke = invoke = (self._invoke + 1) & 0x0F
        return _INVOKE | invoke

    def _check_invoke(self, invoke: int) -> None:
        if invoke & 0x0F != self._invoke:
            raise StaleReply(f"an answer to invoke-id {invoke & 0x0F}, {self._invoke} was asked")

    def _on_aare(self, apdu: bytes) -> ClientEvent | None:
        aare = decode_aare(apdu)
        if aare.result != 0:
            self._machine.peer(_REFUSE)
            return refusal(aare)
        ready, channel = self._prepared, self._channel
        challenged = ready.is_hls
        self._machine.peer(_CHALLENGE if challenged else _ACCEPT)
        self._negotiated = answer = negotiated(aare, self._settings, ready, channel, self._challenge)
        if answer.max_pdu:
            self._largest_request = answer.max_pdu - (GENERAL_GLO_OVERHEAD if ready.ciphered else 0)
        if not challenged:
            return self._opened()
        self._machine.own(_PROVE)
        challenge = aare.authentication_value or b""
        self._send(self._seal(proof(challenge, self._settings, ready, channel, self._next_invoke())))
        return None

    def _opened(self) -> AssociationOpened:
        answer = self._negotiated
        assert answer is not None
        return AssociationOpened(self.meter_title, answer.max_pdu, answer.conformance)

    def _on_proof(self, answer: ActionAnswer) -> ClientEvent:
        if answer.result != 0 or answer.value is None:
            self._machine.peer(_REFUSE_PROOF)
            return PROOF_REFUSED
        check_proof(answer.value, self._settings, self._prepared, self._channel, self._challenge)
        self._machine.peer(_ACCEPT_PROOF)
        return self._opened()

    def _on_get(self, apdu: bytes) -> ClientEvent | None:
        if len(apdu) > 2:
            self._check_invoke(apdu[2])
            if apdu[1] == BLOCK:
                return self._on_block(apdu)
        answer = decode_get_response(apdu)
        self._machine.peer(_ANSWER_GET)
        if self._gathering is not None:
            raise StaleReply("a whole answer among the blocks of another")
        assert not isinstance(answer, GetBlock)
        return GetFailed(answer.result) if answer.value is None else GetSucceeded(answer.value)

    def _on_block(self, apdu: bytes) -> ClientEvent | None:
        last, number, piece = split_block(apdu)
        if not isinstance(piece, bytes):
            self._machine.peer(_ANSWER_GET)
            self._gathering = None
            return GetFailed(piece)
        gathering = self._gathering
        if gathering is None:
            self._gathering = gathering = Gathering()
        gathering.add(number, piece, last)
        if last:
            self._machine.peer(_ANSWER_GET)
            self._gathering = None
            return GetSucceeded(gathering.whole())
        self._machine.peer(_GIVE_BLOCK)
        self._machine.own(_GET_NEXT)
        self._send(self._seal(encode_next(_INVOKE | self._invoke, number)))
        return None

    def _on_set(self, apdu: bytes) -> ClientEvent:
        answer = decode_set_response(apdu)
        self._check_invoke(answer.invoke)
        self._machine.peer(_ANSWER_SET)
        return SetDone(answer.result)

    def _on_action(self, apdu: bytes) -> ClientEvent:
        answer = decode_action_response(apdu)
        self._check_invoke(answer.invoke)
        if self._machine.state is _PROVING:
            return self._on_proof(answer)
        self._machine.peer(_ANSWER_ACT)
        return ActionDone(answer.result, answer.value)

    def _on_rlre(self, apdu: bytes) -> ClientEvent:
        release = decode_release(apdu, RLRE)
        self._machine.peer(_ANSWER_RELEASE)
        information = release.user_information
        if information and information[0] in _CIPHERED_RESPONSE:
            self._open(information)
        return Released()

    def _on_exception(self, apdu: bytes) -> ClientEvent:
        self._machine.peer(_REPORT_EXCEPTION)
        self._gathering = None
        return ServiceRefused(decode_exception(apdu))

    def _on_service_error(self, apdu: bytes) -> ClientEvent:
        self._machine.peer(_REPORT_EXCEPTION)
        self._gathering = None
        return ServiceRefused(decode_confirmed_service_error(apdu))

    def _on_notification(self, apdu: bytes) -> ClientEvent:
        self._machine.peer(_NOTIFY)
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


def _unexpected(association: ClientAssociation, apdu: bytes) -> ClientEvent | None:
    raise Malformed(f"APDU {apdu[0]:#04x} is not one that a client hears while {association.state.name}")
