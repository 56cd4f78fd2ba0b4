"""The client's side of one association, for every kind of settings and whatever a meter sends.

``ClientAssociation`` is what callers use; it comes here for all that is not as usual (``client``). An answer must
carry the invoke-id of the one open question and, in blocks, the next number. A stale answer is a
RemoteProtocolError, not passed over: whoever gave up on a question closes the connection.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, TypeAlias

from bijlighar.dlms.acse import RLRE, decode_aare, decode_release
from bijlighar.dlms.association.events import (
    NEED_DATA,
    AssociationOpened,
    ClientEvent,
    GetFailed,
    GetSucceeded,
    NeedData,
    Released,
)
from bijlighar.dlms.association.opening import check_proof, negotiated, proof, proof_refused, refusal
from bijlighar.dlms.association.prepared import prepared
from bijlighar.dlms.association.protection import Protection
from bijlighar.dlms.association.questions import Question
from bijlighar.dlms.association.settings import ClientSettings, check_challenge, password
from bijlighar.dlms.association.states import Move, Role, State, rows
from bijlighar.dlms.association.terms import NOTHING_NEGOTIATED, Terms
from bijlighar.dlms.association.unasked import event_notified, notified, service_refused
from bijlighar.dlms.channel import GENERAL_GLO, GLO_OF
from bijlighar.dlms.errors import (
    LocalProtocolError,
    Malformed,
    ProtocolError,
    RemoteProtocolError,
    StaleReply,
    Truncated,
)
from bijlighar.dlms.framing import client_link
from bijlighar.dlms.xdlms import AttributeRef, Selection
from bijlighar.dlms.xdlms.action import ActionAnswer, decode_action_response
from bijlighar.dlms.xdlms.blocks import Gathering
from bijlighar.dlms.xdlms.get import BLOCK, GetAnswer, decode_get_response, encode_get, encode_next, split_block

_ROWS = rows(Role.CLIENT)
_IDLE_ROW, _CLOSED_ROW, _PROVING_ROW = _ROWS[State.IDLE], _ROWS[State.CLOSED], _ROWS[State.PROVING]

_INVOKE = 0xC0
"""Invoke-id-and-priority: high priority, confirmed."""
_CIPHERED_RESPONSE = (GLO_OF[0x08], GENERAL_GLO)
_AWAITING = frozenset(State) - {State.IDLE, State.OPEN, State.CLOSED, State.FAILED}
"""States in which the meter owes an answer."""
_Handler: TypeAlias = Callable[["GeneralClient", bytes], ClientEvent | None]


class GeneralClient:
    """One association under ``settings``; the other arguments, when given, stand in for theirs.

    ``heard`` the ``last_heard_counter`` of the association before, for a meter that counts on; -1 = not known.
    Raises LocalProtocolError for settings that cannot work.
    """

    __slots__ = (
        "_challenge",
        "_channel",
        "_fault",
        "_gathering",
        "_invoke",
        "_open",
        "_outgoing",
        "_prepared",
        "_protection",
        "_question",
        "_row",
        "_seal",
        "_settings",
        "_terms",
        "link",
    )

    def __init__(
        self,
        settings: ClientSettings,
        *,
        challenge: bytes | None = None,
        invocation_counter: int | None = None,
        counters_left: int | None = None,
        heard: int = -1,
    ) -> None:
        self._settings = settings
        self._prepared = ready = prepared(settings)
        self._row = _IDLE_ROW
        self._fault: ProtocolError | None = None
        self.link = link = client_link(
            settings, settings.client_address, settings.server_address, ready.max_frame_octets
        )
        self._protection = protection = Protection(settings, ready, invocation_counter, counters_left, heard)
        self._channel = protection.channel
        self._seal, self._open = protection.seal, protection.open
        self._challenge = settings.challenge if challenge is None else challenge
        if ready.is_hls:
            check_challenge(settings.mechanism, self._challenge)
        self._outgoing = link.outgoing
        self._question: Question | None = None
        self._invoke = 0
        self._terms = NOTHING_NEGOTIATED
        self._gathering: Gathering | None = None

    def resume(
        self,
        state: State,
        *,
        meter_title: bytes,
        last_accepted: int,
        invoke: int,
        terms: Terms,
        gathering: Gathering | None,
        unsent: bytes,
        unheard: bytes,
    ) -> None:
        """Stand in ``state``, reached over TCP under the global keys; octets not sent or parsed yet."""
        assert self._channel is not None
        self._row = _ROWS[state]
        if meter_title:
            self._channel.learn_peer(meter_title)
        self._channel.last_accepted = last_accepted
        self._invoke, self._terms, self._gathering = invoke, terms, gathering
        if unsent:
            self._outgoing.append(unsent)
        self.link.receive_data(unheard)

    @property
    def state(self) -> State:
        """Where the association stands."""
        return self._row.state

    @property
    def next_invocation_counter(self) -> int:
        """The first invocation counter that has not been used."""
        return self._protection.next_counter

    @property
    def last_heard_counter(self) -> int:
        """The newest invocation counter that the meter proved to use; ``heard`` before any, -1 = none."""
        return self._protection.last_heard

    @property
    def meter_title(self) -> bytes:
        """The meter's system title as far as it is known."""
        return self._protection.meter_title

    def open(self) -> None:
        """Ask for the association (AARQ)."""
        try:
            self._row = self._row[Move.ASSOCIATE]
            value = self._challenge if self._prepared.is_hls else password(self._settings)
            self.link.send(self._prepared.aarq(value, self._channel))
        except ProtocolError as fault:
            self._fail(fault)
            raise

    def get(self, ref: AttributeRef, selection: Selection | None = None) -> None:
        """Ask for one attribute, or for some rows of it. Ends in GetSucceeded, GetFailed or ServiceRefused."""
        request = encode_get(self._next_invoke(), ref, selection)
        if len(request) > self._terms.octets:
            raise LocalProtocolError(
                f"a request of {len(request)} octets, the meter receives {self._terms.octets}"
            )
        try:
            self._row = self._row[Move.GET]
            self.link.send(self._seal(request))
        except ProtocolError as fault:
            self._fail(fault)
            raise

    def ask(self, question: Question) -> None:
        """Ask whatever is not the GET of one attribute; each question tells how it ends."""
        turn = question.begin(self._next_invoke(), self._terms)
        assert turn.request is not None
        try:
            for move in turn.moves:
                self._row = self._row[move]
            self.link.send(self._seal(turn.request))
        except ProtocolError as fault:
            self._fail(fault)
            raise
        self._question = question

    def release(self) -> None:
        """Ask for the end of the association (RLRQ). Ends in Released or ServiceRefused."""
        try:
            self._row = self._row[Move.RELEASE]
            self._protection.join_counters()
            self.link.send(self._prepared.rlrq(self._channel))
        except ProtocolError as fault:
            self._fail(fault)
            raise

    def data_to_send(self, now: float | None = None) -> bytes:
        """What is to be sent at ``now``; given once. Without ``now`` no timer is started."""
        outgoing = self._outgoing
        if not outgoing and self._row.state in _AWAITING:
            self.link.invite()
        if now is not None:
            self.link.transmitted(now)
        if not outgoing:
            return b""
        if len(outgoing) == 1:
            return outgoing.pop()
        octets = b"".join(outgoing)
        outgoing.clear()
        return octets

    def receive_data(self, octets: bytes) -> None:
        """Store what came."""
        self.link.receive_data(octets)

    def connection_lost(self) -> None:
        """The connection is gone. When an answer was awaited, ``next_event`` raises from now on."""
        row = self._row.get(Move.LOSE_CONNECTION)
        if row is None:
            self._fail(RemoteProtocolError("the connection was lost before the answer came"))
        else:
            self._row = row

    def next_event(self) -> ClientEvent | NeedData:
        """What happened next, or NEED_DATA. Raises RemoteProtocolError for the peer's faults, for good."""
        if self._fault is not None:
            raise self._fault
        next_apdu = self.link.next_apdu
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
            self.link.settle()
        except ProtocolError as fault:
            self._fail(fault)
            raise
        return NEED_DATA

    def _fail(self, fault: ProtocolError) -> None:
        """It is over; the first fault stays."""
        if self._fault is None:
            self._fault = fault
        self._row = _ROWS[State.FAILED]

    def _next_invoke(self) -> int:
        self._invoke = invoke = (self._invoke + 1) & 0x0F
        return _INVOKE | invoke

    def _check_invoke(self, invoke: int) -> None:
        if (invoke ^ self._invoke) & 0x0F:
            raise StaleReply(f"an answer to invoke-id {invoke & 0x0F}, {self._invoke} was asked")

    def _on_aare(self, apdu: bytes) -> ClientEvent | None:
        aare = decode_aare(apdu)
        if aare.result != 0:
            self._row = self._row[Move.REFUSE]
            self.link.close()
            return refusal(aare)
        ready, channel = self._prepared, self._channel
        challenged = ready.is_hls
        self._row = self._row[Move.CHALLENGE if challenged else Move.ACCEPT]
        self._terms = terms = negotiated(aare, self._settings, ready, channel, self._challenge)
        if terms.general_blocks:
            self.link.grant_blocks(terms.max_pdu)
        if not challenged:
            return self._opened()
        self._row = self._row[Move.PROVE]
        challenge = aare.authentication_value or b""
        self.link.send(self._seal(proof(challenge, self._settings, channel, self._next_invoke())))
        return None

    def _opened(self) -> AssociationOpened:
        if self._settings.dedicated_key is not None:
            self._seal, self._open = self._protection.use_dedicated()
        terms, channel = self._terms, self._channel
        title = self._protection.meter_title if channel is None else channel.peer_title
        return AssociationOpened(title, terms.max_pdu, terms.conformance)

    def _on_proof(self, answer: ActionAnswer) -> ClientEvent:
        if answer.result != 0 or answer.value is None:
            self._row = self._row[Move.REFUSE_PROOF]
            self.link.close()
            return proof_refused()
        check_proof(answer.value, self._settings, self._channel, self._challenge)
        self._row = self._row[Move.ACCEPT_PROOF]
        return self._opened()

    def _on_get(self, apdu: bytes) -> ClientEvent | None:
        if self._question is not None:
            return self._on_answer(apdu)
        if len(apdu) > 2:
            self._check_invoke(apdu[2])
            if apdu[1] == BLOCK:
                return self._on_block(apdu)
        answer = decode_get_response(apdu)
        self._row = self._row[Move.ANSWER_GET]
        if self._gathering is not None:
            raise StaleReply("a whole answer among the blocks of another")
        assert isinstance(answer, GetAnswer)
        return GetFailed(answer.result) if answer.value is None else GetSucceeded(answer.value)

    def _on_block(self, apdu: bytes) -> ClientEvent | None:
        last, number, piece = split_block(apdu)
        gathering = self._gathering
        if not isinstance(piece, bytes):
            self._row = self._row[Move.ANSWER_GET]
            self._gathering = None
            return GetFailed(piece)
        if gathering is None:
            self._gathering = gathering = Gathering()
        octets = gathering.add(number, piece, last)
        if octets is not None:
            self._row = self._row[Move.ANSWER_GET]
            self._gathering = None
            return GetSucceeded(octets)
        self._row = self._row[Move.GIVE_BLOCK][Move.GET_NEXT]
        self.link.send(self._seal(encode_next(_INVOKE | self._invoke, number)))
        return None

    def _on_answer(self, apdu: bytes) -> ClientEvent | None:
        """An answer to anything but a GET of one attribute."""
        question = self._question
        if len(apdu) <= 3:
            raise Truncated("an answer ends within its head")
        self._check_invoke(apdu[2])
        if question is None or question.tag != apdu[0]:
            raise RemoteProtocolError(f"an answer {apdu[0]:#04x} that was not asked for")
        turn = question.heard(apdu)
        for move in turn.moves:
            self._row = self._row[move]
        if turn.request is not None:
            self.link.send(self._seal(turn.request))
        else:
            self._question = None
        return turn.event

    def _on_action(self, apdu: bytes) -> ClientEvent | None:
        if self._row is not _PROVING_ROW:
            return self._on_answer(apdu)
        answer = decode_action_response(apdu)
        self._check_invoke(answer.invoke)
        if not isinstance(answer, ActionAnswer):
            raise Malformed("a proof comes in one piece")
        return self._on_proof(answer)

    def _on_rlre(self, apdu: bytes) -> ClientEvent:
        release = decode_release(apdu, RLRE)
        self._row = self._row[Move.ANSWER_RELEASE]
        information = release.user_information
        if information and information[0] in _CIPHERED_RESPONSE:
            self._open(information)
        self.link.close()
        return Released()

    def _on_refusal(self, apdu: bytes) -> ClientEvent:
        self._row = self._row[Move.REPORT_EXCEPTION]
        self._question = self._gathering = None
        return service_refused(apdu)

    def _on_notification(self, apdu: bytes) -> ClientEvent:
        self._row = self._row[Move.NOTIFY]
        return notified(apdu)

    def _on_event(self, apdu: bytes) -> ClientEvent:
        self._row = self._row[Move.NOTIFY]
        return event_notified(apdu)

    _unprotected: ClassVar[dict[int, _Handler]] = {
        0x61: _on_aare,
        0x63: _on_rlre,
        0xD8: _on_refusal,
        0x0E: _on_refusal,
    }
    """APDUs that are never ciphered as a whole."""
    _protected: ClassVar[dict[int, _Handler]] = {
        0xC4: _on_get,
        0xC5: _on_answer,
        0xC7: _on_action,
        0xC2: _on_event,
        0x0F: _on_notification,
        0xD8: _on_refusal,
        0x0E: _on_refusal,
    }


def _unexpected(association: GeneralClient, apdu: bytes) -> ClientEvent | None:
    raise Malformed(f"APDU {apdu[0]:#04x} is not one that a client hears while {association.state.name}")
