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
from bijlighar.dlms.association.opening import check_proof, negotiated, proof, proof_refused, refusal
from bijlighar.dlms.association.prepared import prepared
from bijlighar.dlms.association.settings import ClientSettings, check_challenge
from bijlighar.dlms.association.states import Move, Role, State, rows
from bijlighar.dlms.axdr import Data, encode
from bijlighar.dlms.channel import GENERAL_GLO, GENERAL_GLO_OVERHEAD, GLO_OF, SecureChannel
from bijlighar.dlms.errors import (
    LocalProtocolError,
    Malformed,
    ProtocolError,
    RemoteProtocolError,
    StaleReply,
    TooLarge,
)
from bijlighar.dlms.limits import MAX_BLOCKS, MAX_FRAME_OCTETS, MAX_VALUE_OCTETS
from bijlighar.dlms.notification import decode_notification
from bijlighar.dlms.wrapper import WrapperLink
from bijlighar.dlms.xdlms import AttributeRef, InitiateResponse, MethodRef, Selection
from bijlighar.dlms.xdlms.action import ActionAnswer, ActionRequest, decode_action_response
from bijlighar.dlms.xdlms.get import BLOCK, GetBlock, decode_get_response, encode_get, encode_next, split_block
from bijlighar.dlms.xdlms.results import decode_confirmed_service_error, decode_exception
from bijlighar.dlms.xdlms.set_attribute import SetRequest, decode_set_response

_ROWS = rows(Role.CLIENT)
_IDLE_ROW, _CLOSED_ROW, _PROVING_ROW = _ROWS[State.IDLE], _ROWS[State.CLOSED], _ROWS[State.PROVING]
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
_LOSE_CONNECTION = Move.LOSE_CONNECTION
_NOTIFY = Move.NOTIFY
_PROVE = Move.PROVE
_REFUSE = Move.REFUSE
_REFUSE_PROOF = Move.REFUSE_PROOF
_RELEASE = Move.RELEASE
_REPORT_EXCEPTION = Move.REPORT_EXCEPTION
_SET = Move.SET

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
        "_block",
        "_challenge",
        "_channel",
        "_fault",
        "_first_counter",
        "_invoke",
        "_largest_request",
        "_link",
        "_negotiated",
        "_open",
        "_outgoing",
        "_pieces",
        "_prepared",
        "_row",
        "_seal",
        "_settings",
        "_size",
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
        self._row = _IDLE_ROW
        self._fault: ProtocolError | None = None
        self._link = WrapperLink(settings.client_address, settings.server_address, ready.max_frame_octets)
        self._first_counter = settings.invocation_counter if invocation_counter is None else invocation_counter
        self._channel: SecureChannel | None = None
        self._seal = self._open = _unchanged
        if ready.title is not None and settings.own is not None:
            count = settings.counters_left if counters_left is None else counters_left
            self._channel = channel = SecureChannel(
                settings.own, settings.meter_title, ready.protection, self._first_counter, count
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
        self._pieces: list[bytes] = []
        self._size = 0
        self._block = 1

    @property
    def state(self) -> State:
        """Where the association stands."""
        return self._row.state

    @property
    def next_invocation_counter(self) -> int:
        """The first invocation counter that has not been used."""
        return self._first_counter if self._channel is None else self._channel.next_counter

    @property
    def meter_title(self) -> bytes:
        """The meter's system title as far as it is known."""
        return (self._settings.meter_title or b"") if self._channel is None else self._channel.peer_title

    def open(self) -> None:
        """Ask for the association (AARQ)."""
        try:
            self._row = self._row[_ASSOCIATE]
            self._outgoing.append(self._link.frame(self._prepared.aarq(self._challenge, self._channel)))
        except ProtocolError as fault:
            self._fail(fault)
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
        try:
            self._row = self._row[_RELEASE]
            self._outgoing.append(self._link.frame(self._prepared.rlrq(self._channel)))
        except ProtocolError as fault:
            self._fail(fault)
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
        row = self._row.get(_LOSE_CONNECTION)
        if row is None:
            self._fail(RemoteProtocolError("the connection was lost before the answer came"))
        else:
            self._row = row

    def next_event(self) -> ClientEvent | NeedData:
        """What happened next, or NEED_DATA. Raises RemoteProtocolError for the peer's faults, for good."""
        if self._fault is not None:
            raise self._fault
        next_apdu = self._link.next_apdu
        try:
            while self._row is not _CLOSED_ROW:
                apdu = next_apdu()
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
            self._fail(fault)
            raise
        return NEED_DATA

    def _fail(self, fault: ProtocolError) -> None:
        """It is over; the first fault stays."""
        if self._fault is None:
            self._fault = fault
        self._row = _ROWS[State.FAILED]

    def _ask(self, move: Move, request: bytes) -> None:
        if len(request) > self._largest_request:
            raise LocalProtocolError(
                f"a request of {len(request)} octets, the meter receives {self._largest_request}"
            )
        try:
            self._row = self._row[move]
            self._outgoing.append(self._link.frame(self._seal(request)))
        except ProtocolError as fault:
            self._fail(fault)
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
            self._row = self._row[_REFUSE]
            return refusal(aare)
        ready, channel = self._prepared, self._channel
        challenged = ready.is_hls
        self._row = self._row[_CHALLENGE if challenged else _ACCEPT]
        self._negotiated = answer = negotiated(aare, self._settings, ready, channel, self._challenge)
        if answer.max_pdu:
            self._largest_request = answer.max_pdu - (GENERAL_GLO_OVERHEAD if ready.ciphered else 0)
        if not challenged:
            return self._opened()
        self._row = self._row[_PROVE]
        challenge = aare.authentication_value or b""
        self._outgoing.append(
            self._link.frame(self._seal(proof(challenge, self._settings, channel, self._next_invoke())))
        )
        return None

    def _opened(self) -> AssociationOpened:
        answer = self._negotiated
        assert answer is not None
        return AssociationOpened(self.meter_title, answer.max_pdu, answer.conformance)

    def _on_proof(self, answer: ActionAnswer) -> ClientEvent:
        if answer.result != 0 or answer.value is None:
            self._row = self._row[_REFUSE_PROOF]
            return proof_refused()
        check_proof(answer.value, self._settings, self._channel, self._challenge)
        self._row = self._row[_ACCEPT_PROOF]
        return self._opened()

    def _on_get(self, apdu: bytes) -> ClientEvent | None:
        if len(apdu) > 2:
            if apdu[2] & 0x0F != self._invoke:
                self._check_invoke(apdu[2])
            if apdu[1] == BLOCK:
                return self._on_block(apdu)
        answer = decode_get_response(apdu)
        self._row = self._row[_ANSWER_GET]
        if self._pieces:
            raise StaleReply("a whole answer among the blocks of another")
        assert not isinstance(answer, GetBlock)
        return GetFailed(answer.result) if answer.value is None else GetSucceeded(answer.value)

    def _on_block(self, apdu: bytes) -> ClientEvent | None:
        last, number, piece = split_block(apdu)
        if not isinstance(piece, bytes):
            self._row = self._row[_ANSWER_GET]
            self._forget_pieces()
            return GetFailed(piece)
        if number != self._block:
            raise StaleReply(f"block {number}, {self._block} was asked")
        self._pieces.append(piece)
        self._block = number + 1
        self._size += len(piece)
        if self._size > MAX_VALUE_OCTETS or number > MAX_BLOCKS:
            raise TooLarge(f"a value of {self._size} octets in {number} blocks and more to come")
        if last:
            self._row = self._row[_ANSWER_GET]
            octets = b"".join(self._pieces)
            self._forget_pieces()
            return GetSucceeded(octets)
        if not piece:
            raise Malformed("a block without octets that is not the last")
        self._row = self._row[_GIVE_BLOCK][_GET_NEXT]
        request = encode_next(_INVOKE | self._invoke, number)
        self._outgoing.append(self._link.frame(self._seal(request)))
        return None

    def _forget_pieces(self) -> None:
        self._pieces.clear()
        self._size = 0
        self._block = 1

    def _on_set(self, apdu: bytes) -> ClientEvent:
        answer = decode_set_response(apdu)
        self._check_invoke(answer.invoke)
        self._row = self._row[_ANSWER_SET]
        return SetDone(answer.result)

    def _on_action(self, apdu: bytes) -> ClientEvent:
        answer = decode_action_response(apdu)
        self._check_invoke(answer.invoke)
        if self._row is _PROVING_ROW:
            return self._on_proof(answer)
        self._row = self._row[_ANSWER_ACT]
        return ActionDone(answer.result, answer.value)

    def _on_rlre(self, apdu: bytes) -> ClientEvent:
        release = decode_release(apdu, RLRE)
        self._row = self._row[_ANSWER_RELEASE]
        information = release.user_information
        if information and information[0] in _CIPHERED_RESPONSE:
            self._open(information)
        return Released()

    def _on_exception(self, apdu: bytes) -> ClientEvent:
        self._row = self._row[_REPORT_EXCEPTION]
        self._forget_pieces()
        return ServiceRefused(decode_exception(apdu))

    def _on_service_error(self, apdu: bytes) -> ClientEvent:
        self._row = self._row[_REPORT_EXCEPTION]
        self._forget_pieces()
        return ServiceRefused(decode_confirmed_service_error(apdu))

    def _on_notification(self, apdu: bytes) -> ClientEvent:
        self._row = self._row[_NOTIFY]
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
