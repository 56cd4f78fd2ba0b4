"""The usual visit, answered in a quarter of the time: associate, prove, GET, blocks, release.

Octet for octet what ``ServerAssociation`` would answer, with everything prepared that visits share. It knows no
refusal and no fault: whatever is not as usual (another service, a wrong counter, password, length or order, octets
cut in two) makes ``hear`` return None. Then the general machine hears from the beginning what was heard before,
what it answers to that is dropped, and it goes on from there (``general_machine``): a GET changes nothing.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from hmac import compare_digest

from bijlighar.dlms.acse import (
    LN_CIPHERED_CONTEXT,
    LN_CONTEXT,
    RLRE,
    RLRQ,
    Aare,
    AssociationResult,
    Diagnostic,
    Release,
    decode_release,
)
from bijlighar.dlms.association import NEED_DATA, Ciphering, Mechanism, ServerAssociation
from bijlighar.dlms.association.opening import REPLY_TO_HLS
from bijlighar.dlms.association.proofs import octet_string, proof_value
from bijlighar.dlms.association.settings import CONFORMANCE_OF
from bijlighar.dlms.channel import GENERAL_GLO, GENERAL_GLO_OVERHEAD, SecureChannel
from bijlighar.dlms.errors import ProtocolError
from bijlighar.dlms.limits import FRAME_SLACK_OCTETS, MAX_COUNTER, MAX_FRAME_OCTETS, MIN_PDU_OCTETS
from bijlighar.dlms.model import AssociationAccess
from bijlighar.dlms.security import (
    CHALLENGE_OCTETS,
    MAX_CHALLENGE_OCTETS,
    MIN_CHALLENGE_OCTETS,
    SYSTEM_TITLE_OCTETS,
    SecurityMaterial,
    hls_aes,
)
from bijlighar.dlms.xdlms import ActionResult, Conformance, DataAccessResult, InitiateRequest, InitiateResponse
from bijlighar.dlms.xdlms.action import ACTION_REQUEST, ActionAnswer
from bijlighar.dlms.xdlms.get import BLOCK, BLOCK_OVERHEAD, GET_REQUEST, NORMAL, GetAnswer, GetBlock
from bijlighar.dlms.xdlms.initiate import decode_initiate_request
from meterlab import identity
from meterlab.access import server_settings
from meterlab.answering import answer
from meterlab.associations import MAX_PDU_OCTETS
from meterlab.lab import Lab
from meterlab.objects import Caller
from meterlab.openings import Form, Opening, Openings
from meterlab.plans import ModelPlan
from meterlab.questions import Questions

_HEADER_OCTETS = 8
_VERSION = _SERVER = b"\x00\x01"
_MOST_OCTETS = min(MAX_PDU_OCTETS + FRAME_SLACK_OCTETS, MAX_FRAME_OCTETS) + _HEADER_OCTETS
_AARQ = 0x60
_PROOF_HEAD = REPLY_TO_HLS.encode() + b"\x01"
_FIRST_QUESTION_OCTET = 3
_GET_NEXT_OCTETS = 7
_BLOCKS = int(Conformance.BLOCK_TRANSFER_WITH_GET)
_KEPT = 256
"""Forms of answers and InitiateRequests kept: one a head-end, association and make."""


class _NotUsualError(Exception):
    """The general machine must judge this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Terms:
    """What follows from an InitiateRequest: the plain response, room for a plain APDU, conformance."""

    response: bytes
    room: int
    conformance: int


@lru_cache(maxsize=_KEPT)
def _terms(initiate: bytes, ciphering: Ciphering) -> _Terms | None:
    request: InitiateRequest = decode_initiate_request(initiate)
    if request.dedicated_key is not None or 0 < request.max_pdu < MIN_PDU_OCTETS:
        return None
    conformance = request.conformance & CONFORMANCE_OF[ciphering]
    limit = request.max_pdu or MAX_FRAME_OCTETS
    return _Terms(
        response=InitiateResponse(conformance=conformance, max_pdu=MAX_PDU_OCTETS).encode(),
        room=limit if ciphering is Ciphering.NONE else limit - GENERAL_GLO_OVERHEAD,
        conformance=conformance,
    )


@lru_cache(maxsize=_KEPT)
def _aare(*, ciphered: bool, titled: bool, mechanism: int, information_octets: int) -> Form:
    """Fields: responding title, challenge, user information; a size of 0 where there is none."""
    proving = mechanism >= Mechanism.HLS_AES

    def encode(fields: Sequence[bytes]) -> bytes:
        title, challenge, information = fields
        return Aare(
            context=LN_CIPHERED_CONTEXT if ciphered else LN_CONTEXT,
            result=AssociationResult.ACCEPTED,
            diagnostic=Diagnostic.AUTHENTICATION_REQUIRED if proving else Diagnostic.NONE,
            responding_title=title if titled else None,
            mechanism=mechanism if proving else 0,
            authentication_value=challenge if proving else None,
            user_information=information,
        ).encode()

    sizes = SYSTEM_TITLE_OCTETS * titled, CHALLENGE_OCTETS * proving, information_octets
    return Form(encode, sizes)


@lru_cache(maxsize=_KEPT)
def _rlre(information_octets: int) -> Form:
    return Form(lambda fields: Release(0, fields[0]).encode(RLRE), (information_octets,))


_PLAIN_RLRE = Release(0, None).encode(RLRE)


class Usual:
    """What the usual visits of a town share. For one thread."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.openings = Openings()
        self.questions = Questions(lab)


class UsualVisit:
    """One association of one meter, from the AARQ on."""

    __slots__ = (
        "_access",
        "_block",
        "_challenge",
        "_channel",
        "_ends",
        "_first_counter",
        "_first_received",
        "_general",
        "_invoke",
        "_keys",
        "_left",
        "_plan",
        "_proving",
        "_reply",
        "_terms",
        "_theirs",
        "_usual",
        "closed",
        "heard",
        "meter",
    )

    def __init__(self, usual: Usual, meter: int) -> None:
        self._usual, self.meter = usual, meter
        self.heard: list[tuple[bytes, float]] = []
        self.closed = False
        self._plan: ModelPlan = usual.lab.objects.plan(meter)
        self._access: AssociationAccess | None = None
        self._channel: SecureChannel | None = None
        self._terms: _Terms | None = None
        self._challenge = self._theirs = self._ends = self._reply = b""
        self._general = self._proving = False
        self._invoke = self._block = 0
        self._left = b""
        self._keys = identity.keys_in(usual.lab.keys[meter])
        self._first_counter = int(usual.lab.state.sent[meter])
        self._first_received = -1

    def hear(self, data: bytes, now_s: float) -> bytes | None:
        """What answers one whole frame; None when the general machine must go on."""
        self.heard.append((data, now_s))
        size = len(data)
        if size > _MOST_OCTETS or size <= _HEADER_OCTETS or int.from_bytes(data[6:8], "big") != size - 8:
            return None
        try:
            if self._terms is None:
                apdu = self._opened(data)
            elif data[:6] != self._ends:
                return None
            else:
                apdu = self._answered(data[8:], now_s)
        except (_NotUsualError, ProtocolError):
            return None
        return self._reply + len(apdu).to_bytes(2, "big") + apdu

    def keep_counters(self) -> None:
        """Remember both invocation counters, so that a later association refuses what was seen."""
        channel, access = self._channel, self._access
        if channel is None or access is None:
            return
        state = self._usual.lab.state
        state.sent[self.meter] = channel.next_counter
        column = state.counter_column(access.client_address)
        if column is not None and channel.last_accepted >= 0:
            state.next_received[self.meter, column] = channel.last_accepted + 1

    def _opened(self, data: bytes) -> bytes:
        """The AARE for a client that is let in, or must now prove itself."""
        client_address = int.from_bytes(data[2:4], "big")
        apdu = data[8:]
        access = self._plan.clients.get(client_address)
        if data[:2] != _VERSION or data[4:6] != _SERVER or apdu[0] != _AARQ or access is None:
            raise _NotUsualError
        opening = self._usual.openings.of(client_address, apdu)
        if opening is None or opening.mechanism != access.mechanism:
            raise _NotUsualError
        ciphered = access.ciphering is not Ciphering.NONE
        if opening.context != (LN_CIPHERED_CONTEXT if ciphered else LN_CONTEXT):
            raise _NotUsualError
        self._ends, self._reply = data[:6], _VERSION + _SERVER + data[2:4]
        self._access = access
        self._judge(opening.value(apdu), access)
        information = self._unciphered(opening, opening.information(apdu), access)
        terms = _terms(information, access.ciphering)
        if terms is None:
            raise _NotUsualError
        self._terms = terms
        return self._accepting(terms, access, ciphered=ciphered)

    def _judge(self, value: bytes, access: AssociationAccess) -> None:
        mechanism = access.mechanism
        if mechanism is Mechanism.NONE:
            return
        if mechanism is Mechanism.LLS:
            if not compare_digest(value, self._keys.reader_secret):
                raise _NotUsualError
            return
        self._challenge, self._theirs = secrets.token_bytes(CHALLENGE_OCTETS), value
        self._proving = True
        if not MIN_CHALLENGE_OCTETS <= len(value) <= MAX_CHALLENGE_OCTETS or value == self._challenge:
            raise _NotUsualError

    def _unciphered(self, opening: Opening, information: bytes, access: AssociationAccess) -> bytes:
        """The plain InitiateRequest; the channel stands when there is any ciphering or GMAC."""
        ciphered = access.ciphering is not Ciphering.NONE
        if not ciphered and access.mechanism is not Mechanism.HLS_GMAC:
            return information
        lab, keys = self._usual.lab, self._keys
        own = SecurityMaterial(
            system_title=identity.system_title(lab.town.seed, self.meter),
            encryption_key=keys.encryption,
            authentication_key=keys.authentication,
        )
        title = opening.title
        if title is None or len(title) != SYSTEM_TITLE_OCTETS or title == own.system_title:
            raise _NotUsualError
        channel = SecureChannel(own, title, int(access.protection), self._first_counter, MAX_COUNTER + 1)
        column = lab.state.counter_column(access.client_address)
        if column is not None:
            channel.last_accepted = self._first_received = int(lab.state.next_received[self.meter, column]) - 1
        self._channel = channel
        if not ciphered:
            return information
        self._general = information[:1] == bytes([GENERAL_GLO])
        return channel.open(information)

    def _accepting(self, terms: _Terms, access: AssociationAccess, *, ciphered: bool) -> bytes:
        channel, information = self._channel, terms.response
        if ciphered and channel is not None:
            information = channel.seal_general(information) if self._general else channel.seal_glo(information)
        form = _aare(
            ciphered=ciphered,
            titled=channel is not None,
            mechanism=int(access.mechanism),
            information_octets=len(information),
        )
        return form.filled(b"" if channel is None else channel.own_title, self._challenge, information)

    def _answered(self, apdu: bytes, now_s: float) -> bytes:
        if self.closed:
            raise _NotUsualError
        if apdu[0] == RLRQ:
            return self._released(apdu)
        channel, access = self._channel, self._access
        assert access is not None
        if channel is None or access.ciphering is Ciphering.NONE:
            return self._served(apdu, now_s)
        plain = channel.open(apdu)
        self._general = apdu[0] == GENERAL_GLO
        served = self._served(plain, now_s)
        return channel.seal_general(served) if self._general else channel.seal_glo(served)

    def _served(self, plain: bytes, now_s: float) -> bytes:
        """The plain answer to a plain request."""
        service = plain[0]
        if self._proving:
            return self._proved(plain)
        if service != GET_REQUEST or len(plain) <= _FIRST_QUESTION_OCTET:
            raise _NotUsualError
        if plain[1] == BLOCK:
            return self._next_block(plain)
        if plain[1] != NORMAL:
            raise _NotUsualError
        return self._got(plain[2], plain[_FIRST_QUESTION_OCTET:], now_s)

    def _got(self, invoke: int, descriptor: bytes, now_s: float) -> bytes:
        access, terms, questions = self._access, self._terms, self._usual.questions
        assert access is not None
        assert terms is not None
        question = questions.of(self._plan, access.name, descriptor)
        if not question.is_clock:
            self.keep_counters()
        caller = Caller(meter=self.meter, association=access.name, now_s=now_s)
        octets = questions.answer(question, caller, self._plan)
        self._left = b""
        if isinstance(octets, DataAccessResult):
            return GetAnswer(invoke, None, octets).encode()
        if len(octets) + 4 <= terms.room:
            return bytes((0xC4, NORMAL, invoke, 0)) + octets
        if not terms.conformance & _BLOCKS:
            raise _NotUsualError
        self._invoke, self._left, self._block = invoke, octets, 0
        return self._give_block(invoke)

    def _next_block(self, plain: bytes) -> bytes:
        invoke = plain[2]
        if (
            not self._left
            or len(plain) != _GET_NEXT_OCTETS
            or int.from_bytes(plain[3:], "big") != self._block
            or (invoke ^ self._invoke) & 0x0F
        ):
            raise _NotUsualError
        return self._give_block(self._invoke)

    def _give_block(self, invoke: int) -> bytes:
        assert self._terms is not None
        size = self._terms.room - BLOCK_OVERHEAD
        self._block += 1
        piece, self._left = self._left[:size], self._left[size:]
        return GetBlock(invoke, not self._left, self._block, piece).encode()

    def _proved(self, plain: bytes) -> bytes:
        """The answer to the client's proof, with the meter's own."""
        access, channel, ends = self._access, self._channel, 3 + len(_PROOF_HEAD)
        assert access is not None
        if plain[0] != ACTION_REQUEST or plain[1] != NORMAL or plain[3:ends] != _PROOF_HEAD:
            raise _NotUsualError
        proof = octet_string(plain[ends:])
        if access.mechanism is Mechanism.HLS_AES:
            secret = self._keys.setting_secret
            if not compare_digest(hls_aes(secret, self._challenge), proof):
                raise _NotUsualError
            own = hls_aes(secret, self._theirs)
        else:
            assert channel is not None
            channel.check_proof(proof, self._challenge)
            own = channel.prove(self._theirs)
        self._proving = False
        return ActionAnswer(plain[2], ActionResult.SUCCESS, proof_value(own)).encode()

    def _released(self, apdu: bytes) -> bytes:
        channel, access, terms = self._channel, self._access, self._terms
        assert access is not None
        assert terms is not None
        information = decode_release(apdu, RLRQ).user_information
        self.closed = True
        if channel is None or access.ciphering is Ciphering.NONE or not information:
            return _PLAIN_RLRE
        channel.open(information)
        sealed = channel.seal_glo(terms.response)
        return _rlre(len(sealed)).filled(sealed)

    def general_machine(self) -> ServerAssociation:
        """The general machine where this visit stands: it has heard and answered all that ``heard`` holds."""
        machine, lab = self.fresh_machine(), self._usual.lab
        for data, now_s in self.heard:
            machine.receive_data(data)
            while (event := machine.next_event()) is not NEED_DATA:
                answer(lab, self.meter, machine, event, now_s)
            machine.data_to_send()  # said already
        return machine

    def fresh_machine(self) -> ServerAssociation:
        """The general machine as it would have begun this visit: the same challenge, the same counters."""
        first = self.heard[0][0]
        settings = server_settings(self._usual.lab, self.meter, int.from_bytes(first[2:4], "big"))
        accesses = {
            address: replace(access, last_accepted_counter=self._first_received)
            for address, access in settings.accesses.items()
        }
        challenge = self._challenge or settings.challenge
        return ServerAssociation(
            replace(settings, accesses=accesses, challenge=challenge, invocation_counter=self._first_counter)
        )
