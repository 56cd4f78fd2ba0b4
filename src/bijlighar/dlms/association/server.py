"""The server's side of one association: the meter. Requests come out as events, the caller answers them.

Admission, proofs, unciphering, blocks, lists and release are done inside; GetRequested, SetRequested and
ActionRequested wait for ``answer_get``, ``answer_set`` and ``answer_action``, one by one also when they came as a
list. Until then nothing more is parsed. After Released, LinkEnded or a refusal, ``start_next_association`` makes
the machine ready for another AARQ on the same connection.

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
    AssociationRequested,
    ClientProved,
    LinkEnded,
    NeedData,
    Released,
    ServerEvent,
)
from bijlighar.dlms.association.proofs import octet_string, proof_value
from bijlighar.dlms.association.refusals import exception_for
from bijlighar.dlms.association.serving import Reply, Services
from bijlighar.dlms.association.settings import Mechanism, ServerSettings, check_server
from bijlighar.dlms.association.states import Move, Role, State, rows
from bijlighar.dlms.association.tasks import Outcome
from bijlighar.dlms.axdr import Data, encode
from bijlighar.dlms.errors import LocalProtocolError, NotSupported, ProtocolError, RemoteProtocolError
from bijlighar.dlms.framing import server_link
from bijlighar.dlms.limits import FRAME_SLACK_OCTETS, MAX_FRAME_OCTETS, MAX_VALUE_OCTETS
from bijlighar.dlms.notification import (
    DataNotification,
    EventNotification,
    encode_event,
    encode_notification,
)
from bijlighar.dlms.xdlms import ActionResult, Conformance, DataAccessResult, ExceptionResponse
from bijlighar.dlms.xdlms.action import ACTION_REQUEST, ActionAnswer, ActionRequest, decode_action_request

_ROWS = rows(Role.SERVER)
_ASSOCIATION_CLASS, _REPLY_TO_HLS_METHOD = 15, 1
_HEARING = frozenset(
    {
        State.IDLE,
        State.CHALLENGED,
        State.OPEN,
        State.BETWEEN_BLOCKS,
        State.BETWEEN_SET_BLOCKS,
        State.BETWEEN_ACT_BLOCKS,
        State.BETWEEN_ANSWER_BLOCKS,
    }
)
"""States in which a server listens; in the others its caller owes an answer, or all is over."""
_Handler: TypeAlias = Callable[["ServerAssociation", bytes], ServerEvent | None]


class ServerAssociation:
    """One association of a meter. Raises LocalProtocolError for settings that cannot work."""

    __slots__ = (
        "_admission",
        "_fault",
        "_invoke",
        "_outgoing",
        "_row",
        "_services",
        "_settings",
        "link",
    )

    def __init__(self, settings: ServerSettings) -> None:
        check_server(settings)
        self._settings = settings
        largest = min(settings.max_pdu + FRAME_SLACK_OCTETS, MAX_FRAME_OCTETS)
        self.link = server_link(settings, settings.server_address, largest)
        self._outgoing = self.link.outgoing
        self._begin()

    def _begin(self) -> None:
        self._row = _ROWS[State.IDLE]
        self._fault: ProtocolError | None = None
        self._admission: Admission | None = None
        self._invoke = 0
        self._services = Services(0, 0)

    @property
    def state(self) -> State:
        """Where the association stands."""
        return self._row.state

    @property
    def client_address(self) -> int | None:
        """The client's wPort; None before it has spoken."""
        return self.link.peer_address

    @property
    def next_invocation_counter(self) -> int:
        """The first own invocation counter that has not been used."""
        channel = self._admission.channel if self._admission else None
        if self._admission is None or channel is None:
            return self._settings.invocation_counter
        self._admission.join_counters()
        return channel.next_counter

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
        self.link.forget_peer()
        self._begin()

    def data_to_send(self, now: float | None = None) -> bytes:
        """What is to be sent at ``now``; given once. Without ``now`` no timer is started."""
        if now is not None:
            self.link.transmitted(now)
        octets = b"".join(self._outgoing)
        self._outgoing.clear()
        return octets

    def receive_data(self, octets: bytes) -> None:
        """Store what came."""
        self.link.receive_data(octets)

    def connection_lost(self) -> None:
        """The connection is gone."""
        self._row = self._row.get(Move.LOSE_CONNECTION, _ROWS[State.CLOSED])

    def next_event(self) -> ServerEvent | NeedData:
        """What happened next, or NEED_DATA. Raises RemoteProtocolError for the peer's faults, for good."""
        if self._fault is not None:
            raise self._fault
        request = self._services.next_request()
        if request is not None:
            return request
        try:
            while self._row.state in _HEARING:
                apdu = self.link.next_apdu()
                if apdu is None:
                    if not self.link.ended:
                        return NEED_DATA
                    if self._row.state is not State.IDLE:
                        self._row = _ROWS[State.CLOSED]
                        return LinkEnded()
                    self.link.forget_peer()
                    continue
                event = self._heard(apdu)
                if event is not None:
                    return event
            if self._row.state is State.CLOSED:
                self.link.settle()
        except ProtocolError as fault:
            self._fail(fault)
            raise
        return NEED_DATA

    def answer_get(self, answer: bytes | Data | DataAccessResult) -> None:
        """The attribute as raw A-XDR octets or typed, or why not. Long ones go out block by block."""
        result = encode(answer) if isinstance(answer, Data) else answer
        self._answer(Move.ANSWER_GET, result)

    def answer_set(self, result: DataAccessResult) -> None:
        """How the writing went."""
        self._answer(Move.ANSWER_SET, result)

    def answer_action(self, result: ActionResult, value: bytes | Data | None = None) -> None:
        """How the method went, and what it returned as raw A-XDR octets or typed. Long ones go block by block."""
        octets = encode(value) if isinstance(value, Data) else value
        self._answer(Move.ANSWER_ACT, result, octets)

    def report_exception(self, exception: ExceptionResponse) -> None:
        """Answer the open request with an exception-response, unprotected."""
        self._follow(Move.REPORT_EXCEPTION)
        self._services.give_up()
        self.link.send(exception.encode())

    def notify(self, notification: DataNotification) -> None:
        """Tell something unasked within the association."""
        self._follow(Move.NOTIFY)
        self._tell(encode_notification(notification))

    def notify_event(self, event: EventNotification) -> None:
        """Tell the value of one attribute unasked within the association."""
        self._follow(Move.NOTIFY)
        self._tell(encode_event(event))

    def _tell(self, plain: bytes) -> None:
        admission = self._admission
        channel = admission.channel if admission is not None and admission.is_ciphered else None
        if admission is not None:
            admission.join_counters()
        self.link.send(plain if channel is None else channel.seal_general(plain))

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
            self.link.send(apdu if self._admission is None else self._admission.seal(apdu))
        except ProtocolError as fault:
            self._fail(fault)
            raise

    def _answer(self, move: Move, outcome: Outcome | ActionResult, value: bytes | None = None) -> None:
        try:
            self._row[move]  # raises when nothing is to be answered so
            self._take(self._services.answered(move, outcome, value))
        except ProtocolError as fault:
            self._fail(fault)
            raise

    def _take(self, reply: Reply) -> ServerEvent | None:
        for move in reply.moves:
            self._row = self._row[move]
        if reply.apdu is not None:
            assert self._admission is not None
            self.link.send(self._admission.seal(reply.apdu))
        return reply.event

    def _heard(self, apdu: bytes) -> ServerEvent | None:
        try:
            return self._serve(apdu)
        except RemoteProtocolError as fault:
            self.link.send(exception_for(fault).encode())
            if type(fault) is NotSupported:
                return None
            raise

    def _serve(self, apdu: bytes) -> ServerEvent | None:
        handler = self._unprotected.get(apdu[0])
        if handler is not None:
            return handler(self, apdu)
        if self._row.state is State.IDLE:
            raise RemoteProtocolError(f"APDU {apdu[0]:#04x} before any association")
        plain = apdu if self._admission is None else self._admission.open(apdu)
        handler = self._protected.get(plain[0])
        if handler is None:
            raise NotSupported(f"APDU {plain[0]:#04x} is not served")
        return handler(self, plain)

    def _on_aarq(self, apdu: bytes) -> ServerEvent:
        aarq = decode_aarq(apdu)
        self._row = self._row[Move.ASSOCIATE]
        address = self.link.peer_address or 0
        mechanism = Mechanism(aarq.mechanism) if aarq.mechanism in _MECHANISMS else aarq.mechanism
        event = AssociationRequested(address, mechanism, aarq.calling_title, Diagnostic.NONE)
        try:
            admission = admit(aarq, self._settings.accesses.get(address), self._settings)
        except Refused as refused:
            self._row = self._row[Move.REFUSE]
            self.link.send(refusing_aare(aarq, refused))
            event.diagnostic = refused.diagnostic
            return event
        self._admission = admission
        self._row = self._row[Move.CHALLENGE if admission.pending else Move.ACCEPT]
        self.link.send(accepting_aare(admission, self._settings))
        general = admission.grants(Conformance.GENERAL_BLOCK_TRANSFER)
        self._services = Services(MAX_VALUE_OCTETS if general else admission.room, admission.conformance)
        if general:
            self.link.grant_blocks(admission.initiate.max_pdu)
        event.diagnostic = Diagnostic.AUTHENTICATION_REQUIRED if admission.pending else Diagnostic.NONE
        event.dedicated_key = admission.initiate.dedicated_key
        return event

    def _on_rlrq(self, apdu: bytes) -> ServerEvent:
        release = decode_release(apdu, RLRQ)
        self._row = self._row[Move.RELEASE]
        admission, information = self._admission, release.user_information
        assert admission is not None
        answer: bytes | None = None
        if admission.is_ciphered and admission.channel is not None and information:
            admission.channel.open(information)
            admission.join_counters()
            answer = admission.channel.seal_glo(initiate_response(admission, self._settings))
        self._row = self._row[Move.ANSWER_RELEASE]
        self.link.send(Release(0, answer).encode(RLRE))
        return Released()

    def _on_service(self, apdu: bytes) -> ServerEvent | None:
        if self._row.state is State.CHALLENGED:
            return self._on_proof(apdu)
        return self._take(self._services.heard(apdu))

    def _on_proof(self, apdu: bytes) -> ServerEvent:
        admission = self._admission
        assert admission is not None
        request = decode_action_request(apdu) if apdu[0] == ACTION_REQUEST else None
        if not isinstance(request, ActionRequest):
            raise RemoteProtocolError("a service before the proof")
        self._invoke = request.invoke
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
    _protected: ClassVar[dict[int, _Handler]] = {0xC0: _on_service, 0xC1: _on_service, 0xC3: _on_service}


_MECHANISMS = frozenset(map(int, Mechanism))
