"""How a server admits a client: the AARQ judged by the table of accesses, the AARE, and the proofs of HLS."""

from __future__ import annotations

from dataclasses import dataclass
from hmac import compare_digest

from bijlighar.dlms.acse import LN_CIPHERED_CONTEXT, LN_CONTEXT, Aare, Aarq, AssociationResult, Diagnostic
from bijlighar.dlms.association.settings import CONFORMANCE_OF, Ciphering, Mechanism, ServerAccess, ServerSettings
from bijlighar.dlms.channel import GENERAL_GLO, SecureChannel
from bijlighar.dlms.errors import LocalProtocolError, NotAuthentic, RemoteProtocolError
from bijlighar.dlms.limits import MIN_PDU_OCTETS
from bijlighar.dlms.security import (
    MAX_CHALLENGE_OCTETS,
    MIN_CHALLENGE_OCTETS,
    SYSTEM_TITLE_OCTETS,
    check_hls_gmac,
    hls_aes,
    hls_gmac,
)
from bijlighar.dlms.xdlms import ConfirmedServiceError, InitiateRequest, InitiateResponse
from bijlighar.dlms.xdlms.initiate import decode_initiate_request

_PDU_TOO_SHORT = ConfirmedServiceError(1, 6, 3)
_INITIATE_OTHER = ConfirmedServiceError(1, 6, 0)


class Refused(Exception):
    """This AARQ is answered with a refusal."""

    def __init__(self, diagnostic: Diagnostic, error: ConfirmedServiceError = _INITIATE_OTHER) -> None:
        super().__init__(diagnostic.name)
        self.diagnostic = diagnostic
        self.error = error


@dataclass(slots=True)
class Admission:
    """A client that was let in, or has still to prove itself (``pending``).

    ``challenge`` the client's, b"" without HLS; ``general`` whether it spoke general-glo last.
    """

    access: ServerAccess
    channel: SecureChannel | None
    initiate: InitiateRequest
    challenge: bytes
    general: bool

    @property
    def pending(self) -> bool:
        """Whether a proof must follow."""
        return self.access.mechanism >= Mechanism.HLS_AES

    @property
    def conformance(self) -> int:
        """What both sides can do."""
        return self.initiate.conformance & CONFORMANCE_OF[self.access.ciphering]


def admit(aarq: Aarq, access: ServerAccess | None, settings: ServerSettings) -> Admission:
    """Judge an AARQ. Raises Refused."""
    if access is None:
        raise Refused(Diagnostic.NO_REASON)
    ciphered = access.ciphering is not Ciphering.NONE
    if aarq.context != (LN_CIPHERED_CONTEXT if ciphered else LN_CONTEXT):
        raise Refused(Diagnostic.CONTEXT_NOT_SUPPORTED)
    challenge = _judge_authentication(aarq, access, settings)
    channel = _channel(aarq, access, settings)
    information = aarq.user_information or b""
    general = information[:1] == bytes([GENERAL_GLO])
    try:
        if ciphered and channel is not None:
            information = channel.open(information)
        initiate = decode_initiate_request(information)
    except RemoteProtocolError:
        raise Refused(Diagnostic.AUTHENTICATION_FAILURE if ciphered else Diagnostic.NO_REASON) from None
    if 0 < initiate.max_pdu < MIN_PDU_OCTETS:
        raise Refused(Diagnostic.NO_REASON, _PDU_TOO_SHORT)
    return Admission(access, channel, initiate, challenge, general)


def _judge_authentication(aarq: Aarq, access: ServerAccess, settings: ServerSettings) -> bytes:
    if aarq.mechanism != access.mechanism:
        required = aarq.mechanism == Mechanism.NONE
        raise Refused(Diagnostic.MECHANISM_REQUIRED if required else Diagnostic.MECHANISM_NOT_RECOGNISED)
    value = aarq.authentication_value or b""
    if access.mechanism is Mechanism.NONE:
        return b""
    if access.mechanism is Mechanism.LLS:
        if not compare_digest(value, access.secret or b""):
            raise Refused(Diagnostic.AUTHENTICATION_FAILURE)
        return b""
    if not MIN_CHALLENGE_OCTETS <= len(value) <= MAX_CHALLENGE_OCTETS or value == settings.challenge:
        raise Refused(Diagnostic.AUTHENTICATION_FAILURE)
    return value


def _channel(aarq: Aarq, access: ServerAccess, settings: ServerSettings) -> SecureChannel | None:
    if access.ciphering is Ciphering.NONE and access.mechanism is not Mechanism.HLS_GMAC:
        return None
    title, material = aarq.calling_title, access.material
    if title is None or len(title) != SYSTEM_TITLE_OCTETS or material is None or title == material.system_title:
        raise Refused(Diagnostic.CALLING_TITLE_NOT_RECOGNISED)
    channel = SecureChannel(
        material, title, int(access.protection), settings.invocation_counter, settings.counters_left
    )
    channel.last_accepted = access.last_accepted_counter
    return channel


def accepting_aare(admission: Admission, settings: ServerSettings) -> bytes:
    """The AARE for a client that was let in, or must now prove itself."""
    access, channel = admission.access, admission.channel
    ciphered = access.ciphering is not Ciphering.NONE
    information = initiate_response(admission, settings)
    if ciphered and channel is not None:
        information = channel.seal_general(information) if admission.general else channel.seal_glo(information)
    pending = admission.pending
    return Aare(
        context=LN_CIPHERED_CONTEXT if ciphered else LN_CONTEXT,
        result=AssociationResult.ACCEPTED,
        diagnostic=Diagnostic.AUTHENTICATION_REQUIRED if pending else Diagnostic.NONE,
        responding_title=None if channel is None else channel.own_title,
        mechanism=access.mechanism if pending else 0,
        authentication_value=settings.challenge if pending else None,
        user_information=information,
    ).encode()


def initiate_response(admission: Admission, settings: ServerSettings) -> bytes:
    """The plain InitiateResponse."""
    return InitiateResponse(conformance=admission.conformance, max_pdu=settings.max_pdu).encode()


def refusing_aare(aarq: Aarq, refused: Refused) -> bytes:
    """The AARE for a client that is not let in."""
    return Aare(
        context=aarq.context,
        result=AssociationResult.REJECTED_PERMANENT,
        diagnostic=refused.diagnostic,
        user_information=refused.error.encode(),
    ).encode()


def proof_is_right(admission: Admission, settings: ServerSettings, proof: bytes) -> bool:
    """Whether ``proof`` is the client's over our challenge."""
    access, channel = admission.access, admission.channel
    if access.mechanism is Mechanism.HLS_AES:
        return compare_digest(hls_aes(access.secret or b"", settings.challenge, access.padding), proof)
    if channel is None or access.material is None:
        raise LocalProtocolError("mechanism 5 needs keys")
    try:
        check_hls_gmac(access.material.suite, channel.peer_title, settings.challenge, proof)
    except NotAuthentic:
        return False
    return True


def own_proof(admission: Admission) -> bytes:
    """Our proof over the client's challenge."""
    access, channel = admission.access, admission.channel
    if access.mechanism is Mechanism.HLS_AES:
        return hls_aes(access.secret or b"", admission.challenge, access.padding)
    if channel is None or access.material is None:
        raise LocalProtocolError("mechanism 5 needs keys")
    return hls_gmac(access.material.suite, channel.own_title, channel.take_counter(), admission.challenge)
