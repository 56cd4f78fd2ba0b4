"""The server's side of one association: the meter. Requests come out as events, the caller answers them.

Admission, proofs, unciphering, blocks and release are done inside; GetRequested, SetRequested and ActionRequested
wait for ``answer_get``, ``answer_set`` and ``answer_action``. Until then nothing more is parsed. After Released or
a refusal, ``start_next_association`` makes the machine ready for another AARQ on the same connection.

A request that cannot be treated is answered with an exception-response before the RemoteProtocolError is raised:
send ``data_to_send`` once more, then close. A service that is not spoken here is answered so and nothing is over.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, TypeAlias

from bijlighar.dlms.acse import RLRE, RLRQ, Diagnostic, Release, decode_aarq, decode_release
from bijlighar.dlms.association.admission import (
    Admission,
    Refused,
    accepting_aare,
    admit,
    initiate_response,
    own_proof,
    proof_is_right,
    refusing_aare,
)
from bijlighar.dlms.association.events import (
    NEED_DATA,
    ActionRequested,
    AssociationRequested,
    ClientProved,
    GetRequested,
    NeedData,
    Released,
    ServerEvent,
    SetRequested,
)
from bijlighar.dlms.association.proofs import octet_string, proof_value
from bijlighar.dlms.association.refusals import exception_for
from bijlighar.dlms.association.settings import Ciphering, Mechanism, ServerSettings, check_server
from bijlighar.dlms.association.states import Move, Role, State, rows
from bijlighar.dlms.axdr import Data, encode
from bijlighar.dlms.channel import GENERAL_GLO, GENERAL_GLO_OVERHEAD
from bijlighar.dlms.errors import (
    LocalProtocolError,
    NotSupported,
    ProtocolError,
    RemoteProtocolError,
)
from bijlighar.dlms.limits import FRAME_SLACK_OCTETS, MAX_FRAME_OCTETS
from bijlighar.dlms.notification import DataNotification, encode_notification
from bijlighar.dlms.wrapper import WrapperLink
from bijlighar.dlms.xdlms import (
    ActionResult,
    Conformance,
    DataAccessResult,
    ExceptionResponse,
)
from bijlighar.dlms.xdlms.action import ActionAnswer, ActionRequest, decode_action_request
from bijlighar.dlms.xdlms.get import (
    BLOCK_OVERHEAD,
    GetAnswer,
    GetBlock,
    GetNext,
    decode_get_request,
)
from bijlighar.dlms.xdlms.set_attribute import SetAnswer, decode_set_request

_ROWS = rows(Role.SERVER)
_ASSOCIATION_CLASS, _REPLY_TO_HLS_METHOD = 15, 1
_ANSWER_OVERHEAD = 4
_HEARING = frozenset({State.IDLE, State.CHALLENGED, State.OPEN, State.BETWEEN_BLOCKS})
"""States in which a server listens; in the others its caller owes an answer, or all is over."""
_Handler: TypeAlias = Callable[["ServerAssociation", bytes], ServerEvent | None]


class ServerAssociation:
    """One association of a meter. Raises LocalProtocolError for settings that cannot work."""

    __slots__ = (
        "_admission",
        "_block",
        "_fault",
        "_general",
        "_invoke",
        "_link",
        "_outgoing",
        "_rest",
        "_row",
        "_settings",
    )

    def __init__(self, settings: ServerSettings) -> None:
        check_server(settings)
        self._settings = settings
        largest = min(settings.max_pdu + FRAME_SLACK_OCTETS, MAX_FRAME_OCTETS)
        self._link = WrapperLink(settings.server_address, None, largest)
        self._outgoing: list[bytes] = []
        self._begin()

    def _begin(self) -> None:
        self._row = _ROWS[State.IDLE]
        self._fault: ProtocolError | None = None
        self._admission: Admission | None = None
        self._general = False
        self._invoke = 0
        self._rest = b""
        self._block = 0

    @property
    def state(self) -> State:
        """Where the association stands."""
        return self._row.state

    @property
    def client_address(self) -> int | None:
        """The client's wPort; None before it has spoken."""
        return self._link.peer_address

    @property
    def next_invocation_counter(self) -> int:
        """The first own invocation counter that has not been used."""
        channel = self._admission.channel if self._admission else None
        return self._settings.invocation_counter if channel is None else channel.next_counter

    @property
    def last_accepted_counter(self) -> int:
        """The newest counter accepted from this client, for the meter to keep; -1 = none."""
        channel = self._admission.channel if self._admission else None
        return -1 if channel is None else channel.last_accepted

    def start_next_association(self, settings: ServerSettings) -> None:
        """Be ready for another AARQ on this connection, with a fresh challenge and the counters as they now are.

        Raises LocalProtocolError unless the last association is over in good order.
        """
        check_server(settings)
        if self._row.state is not State.CLOSED:
            fault = LocalProtocolError(f"no next association while {self._row.state.name}")
            self._fail(fault)
            raise fault
        self._settings = settings
        self._link.forget_peer()
        self._begin()

    def data_to_send(self) -> bytes:
        """What is to be sent now; given once."""
        octets = b"".join(self._outgoing)
        self._outgoing.clear()
        return octets

    def receive_data(self, octets: bytes) -> None:
        """Store what came."""
        self._link.receive_data(octets)

    def connection_lost(self) -> None:
        """The connection is gone."""
        self._row = self._row.get(Move.LOSE_CONNECTION, _ROWS[State.CLOSED])

    def next_event(self) -> ServerEvent | NeedData:
        """What happened next, or NEED_DATA. Raises RemoteProtocolError for the peer's faults, for good."""
        if self._fault is not None:
            raise self._fault
        try:
            while self._row.state in _HEARING:
                apdu = self._link.next_apdu()
                if apdu is None:
                    return NEED_DATA
                event = self._heard(apdu)
                if event is not None:
                    return event
        except ProtocolError as fault:
            self._fail(fault)
            raise
        return NEED_DATA

    def answer_get(self, answer: bytes | Data | DataAccessResult) -> None:
        """The attribute as raw A-XDR octets or typed, or why not. Long ones go out block by block."""
        if isinstance(answer, DataAccessResult):
            self._say(Move.ANSWER_GET, GetAnswer(self._invoke, None, answer).encode())
            return
        octets = encode(answer) if isinstance(answer, Data) else answer
        if len(octets) + _ANSWER_OVERHEAD <= self._room():
            self._say(Move.ANSWER_GET, GetAnswer(self._invoke, octets).encode())
        elif self._granted(Conformance.BLOCK_TRANSFER_WITH_GET):
            self._rest, self._block = octets, 0
            self._give_block()
        else:
            self._say(Move.ANSWER_GET, GetAnswer(self._invoke, None, DataAccessResult.OTHER_REASON).encode())

    def answer_set(self, result: DataAccessResult) -> None:
        """How the writing went."""
        self._say(Move.ANSWER_SET, SetAnswer(self._invoke, result).encode())

    def answer_action(self, result: ActionResult, value: bytes | Data | None = None) -> None:
        """How the method went, and what it returned as raw A-XDR octets or typed."""
        octets = encode(value) if isinstance(value, Data) else value
        self._say(Move.ANSWER_ACT, ActionAnswer(self._invoke, result, octets).encode())

    def report_exception(self, exception: ExceptionResponse) -> None:
        """Answer the open request with an exception-response, unprotected."""
        self._follow(Move.REPORT_EXCEPTION)
        self._outgoing.append(self._link.frame(exception.encode()))

    def notify(self, notification: DataNotification) -> None:
        """Tell something unasked within the association."""
        self._follow(Move.NOTIFY)
        plain = encode_notification(notification)
        admission = self._admission
        ciphered = admission is not None and admission.access.ciphering is not Ciphering.NONE
        channel = admission.channel if admission else None
        apdu = channel.seal_general(plain) if ciphered and channel is not None else plain
        self._outgoing.append(self._link.frame(apdu))

    def _fail(self, fault: ProtocolError) -> None:
        """It is over; the first fault stays."""
        if self._fault is None:
            self._fault = fault
        self._row = _ROWS[State.FAILED]

    def _follow(self, move: Move) -> None:
        try:
            self._row = self._row[move]
        except ProtocolError as fault:
            self._fail(fault)
            raise

    def _say(self, move: Move, apdu: bytes) -> None:
        self._follow(move)
        try:
            self._outgoing.append(self._link.frame(self._sealed(apdu)))
        except ProtocolError as fault:
            self._fail(fault)
            raise

    def _sealed(self, apdu: bytes) -> bytes:
        admission = self._admission
        if admission is None or admission.channel is None or admission.access.ciphering is Ciphering.NONE:
            return apdu
        channel = admission.channel
        return channel.seal_general(apdu) if self._general else channel.seal_glo(apdu)

    def _opened(self, apdu: bytes) -> bytes:
        admission = self._admission
        if admission is None or admission.channel is None or admission.access.ciphering is Ciphering.NONE:
            return apdu
        plain = admission.channel.open(apdu)
        self._general = apdu[0] == GENERAL_GLO
        return plain

    def _room(self) -> int:
        admission = self._admission
        assert admission is not None
        limit = admission.initiate.max_pdu or MAX_FRAME_OCTETS
        return limit - (0 if admission.access.ciphering is Ciphering.NONE else GENERAL_GLO_OVERHEAD)

    def _granted(self, service: Conformance) -> bool:
        return self._admission is not None and bool(self._admission.conformance & service)

    def _give_block(self) -> None:
        size = self._room() - BLOCK_OVERHEAD
        piece, self._rest = self._rest[:size], self._rest[size:]
        self._block += 1
        last = not self._rest
        block = GetBlock(self._invoke, last, self._block, piece)
        self._say(Move.ANSWER_GET if last else Move.GIVE_BLOCK, block.encode())

    def _heard(self, apdu: bytes) -> ServerEvent | None:
        try:
            return self._serve(apdu)
        except RemoteProtocolError as fault:
            self._outgoing.append(self._link.frame(exception_for(fault).encode()))
            if type(fault) is NotSupported:
                return None
            raise

    def _serve(self, apdu: bytes) -> ServerEvent | None:
        handler = self._unprotected.get(apdu[0])
        if handler is not None:
            return handler(self, apdu)
        if self._row.state is State.IDLE:
            raise RemoteProtocolError(f"APDU {apdu[0]:#04x} before any association")
        plain = self._opened(apdu)
        handler = self._protected.get(plain[0])
        if handler is None:
            raise NotSupported(f"APDU {plain[0]:#04x} is not served")
        return handler(self, plain)

    def _on_aarq(self, apdu: bytes) -> ServerEvent:
        aarq = decode_aarq(apdu)
        self._row = self._row[Move.ASSOCIATE]
        address = self._link.peer_address or 0
        mechanism = Mechanism(aarq.mechanism) if aarq.mechanism in _MECHANISMS else aarq.mechanism
        event = AssociationRequested(address, mechanism, aarq.calling_title, Diagnostic.NONE)
        try:
            admission = admit(aarq, self._settings.accesses.get(address), self._settings)
        except Refused as refused:
            self._row = self._row[Move.REFUSE]
            self._outgoing.append(self._link.frame(refusing_aare(aarq, refused)))
            event.diagnostic = refused.diagnostic
            return event
        self._admission, self._general = admission, admission.general
        self._row = self._row[Move.CHALLENGE if admission.pending else Move.ACCEPT]
        self._outgoing.append(self._link.frame(accepting_aare(admission, self._settings)))
        event.diagnostic = Diagnostic.AUTHENTICATION_REQUIRED if admission.pending else Diagnostic.NONE
        event.dedicated_key = admission.initiate.dedicated_key
        return event

    def _on_rlrq(self, apdu: bytes) -> ServerEvent:
        release = decode_release(apdu, RLRQ)
        self._row = self._row[Move.RELEASE]
        admission, information = self._admission, release.user_information
        assert admission is not None
        answer: bytes | None = None
        if admission.access.ciphering is not Ciphering.NONE and admission.channel is not None and information:
            admission.channel.open(information)
            answer = admission.channel.seal_glo(initiate_response(admission, self._settings))
        self._row = self._row[Move.ANSWER_RELEASE]
        self._outgoing.append(self._link.frame(Release(0, answer).encode(RLRE)))
        return Released()

    def _on_get(self, apdu: bytes) -> ServerEvent | None:
        request = decode_get_request(apdu)
        if isinstance(request, GetNext):
            self._on_next(request)
            return None
        self._row = self._row[Move.GET]
        self._rest = b""
        self._invoke = request.invoke
        return GetRequested(request.ref, request.selection)

    def _on_next(self, request: GetNext) -> None:
        self._row = self._row[Move.GET_NEXT]
        if request.block == self._block and (request.invoke ^ self._invoke) & 0x0F == 0:
            self._give_block()
            return
        self._rest = b""
        refusal = GetBlock(request.invoke, True, request.block, None, DataAccessResult.DATA_BLOCK_NUMBER_INVALID)
        self._say(Move.ANSWER_GET, refusal.encode())

    def _on_set(self, apdu: bytes) -> ServerEvent:
        request = decode_set_request(apdu)
        self._row = self._row[Move.SET]
        self._invoke = request.invoke
        return SetRequested(request.ref, request.value)

    def _on_action(self, apdu: bytes) -> ServerEvent:
        request = decode_action_request(apdu)
        self._invoke = request.invoke
        if self._row.state is State.CHALLENGED:
            return self._on_proof(request)
        self._row = self._row[Move.ACT]
        return ActionRequested(request.ref, request.parameter)

    def _on_proof(self, request: ActionRequest) -> ServerEvent:
        admission = self._admission
        assert admission is not None
        if request.ref.class_id != _ASSOCIATION_CLASS or request.ref.method != _REPLY_TO_HLS_METHOD:
            self._row = self._row[Move.ACT]
        self._row = self._row[Move.PROVE]
        address = admission.access.client_address
        proof = octet_string(request.parameter or b"")
        if not proof_is_right(admission, self._settings, proof):
            self._say(Move.REFUSE_PROOF, ActionAnswer(self._invoke, ActionResult.OTHER_REASON).encode())
            return ClientProved(address, False)
        value = proof_value(own_proof(admission))
        self._say(Move.ACCEPT_PROOF, ActionAnswer(self._invoke, ActionResult.SUCCESS, value).encode())
        return ClientProved(address, True)

    _unprotected: ClassVar[dict[int, _Handler]] = {0x60: _on_aarq, 0x62: _on_rlrq}
    _protected: ClassVar[dict[int, _Handler]] = {0xC0: _on_get, 0xC1: _on_set, 0xC3: _on_action}


_MECHANISMS = frozenset(map(int, Mechanism))
