"""How a server admits a client: the AARQ judged by the table of accesses, the AARE, and the proofs of HLS."""

from __future__ import annotations

from dataclasses import dataclass
from hmac import compare_digest

from bijlighar.dlms.acse import LN_CIPHERED_CONTEXT, LN_CONTEXT, Aare, Aarq, AssociationResult, Diagnostic
from bijlighar.dlms.association.settings import Ciphering, Mechanism, ServerAccess, ServerSettings, conformance
from bijlighar.dlms.channel import DEDICATED, GENERAL_DED, GENERAL_GLO, GENERAL_GLO_OVERHEAD, SecureChannel
from bijlighar.dlms.errors import LocalProtocolError, NotAuthentic, RemoteProtocolError
from bijlighar.dlms.limits import MAX_FRAME_OCTETS, MIN_PDU_OCTETS
from bijlighar.dlms.security import (
    KEY_OCTETS,
    MAX_CHALLENGE_OCTETS,
    MIN_CHALLENGE_OCTETS,
    SYSTEM_TITLE_OCTETS,
    check_hls_gmac,
    hls_aes,
    hls_gmac,
)
from bijlighar.dlms.xdlms import ConfirmedServiceError, Conformance, InitiateRequest, InitiateResponse
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

    ``challenge`` the client's, b"" without HLS; ``general`` whether it spoke in a general ciphering last;
    ``dedicated`` the channel under its dedicated key, and ``under_dedicated`` whether it spoke under that last.
    """

    access: ServerAccess
    channel: SecureChannel | None
    initiate: InitiateRequest
    challenge: bytes
    general: bool
    services: int
    dedicated: SecureChannel | None = None
    under_dedicated: bool = False

    @property
    def is_ciphered(self) -> bool:
        """Whether services are ciphered."""
        return self.channel is not None and self.access.ciphering is not Ciphering.NONE

    @property
    def pending(self) -> bool:
        """Whether a proof must follow."""
        return self.access.mechanism >= Mechanism.HLS_AES

    @property
    def conformance(self) -> int:
        """What both sides can do."""
        return self.initiate.conformance & self.services

    @property
    def room(self) -> int:
        """Octets of a plain APDU that the client receives ciphered and whole."""
        limit = self.initiate.max_pdu or MAX_FRAME_OCTETS
        return limit - GENERAL_GLO_OVERHEAD if self.is_ciphered else limit

    def grants(self, service: Conformance) -> bool:
        """Whether both sides can do ``service``."""
        return bool(self.conformance & service)

    def seal(self, apdu: bytes) -> bytes:
        """``apdu`` in the ciphering that the client used last."""
        channel = self.channel
        if channel is None or not self.is_ciphered:
            return apdu
        if self.dedicated is not None and self.under_dedicated:
            self.dedicated.go_on_after(channel)
            channel = self.dedicated
        else:
            self.join_counters()
        return channel.seal_general(apdu) if self.general else channel.seal_glo(apdu)

    def open(self, apdu: bytes) -> bytes:
        """The plain request. Raises as ``SecureChannel.open``."""
        if self.channel is None or not self.is_ciphered:
            return apdu
        dedicated = self.dedicated if apdu[0] in DEDICATED else None
        plain = (dedicated or self.channel).open(apdu)
        self.general = apdu[0] in (GENERAL_GLO, GENERAL_DED)
        self.under_dedicated = dedicated is not None
        return plain

    def join_counters(self) -> None:
        """What we used under the dedicated key is used under the global one too."""
        if self.channel is not None and self.dedicated is not None:
            self.channel.go_on_after(self.dedicated)

    def take_dedicated_key(self) -> None:
        """The client's dedicated key, if it sent one, holds from now on. Raises Refused."""
        key, material = self.initiate.dedicated_key, self.access.material
        if key is None or self.channel is None or material is None or not self.is_ciphered:
            return
        if len(key) != KEY_OCTETS:
            raise Refused(Diagnostic.NO_REASON)
        self.dedicated = self.channel.dedicated(key, material.authentication_key)


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
    services = conformance(access.ciphering, settings.general_blocks)
    admission = Admission(access, channel, initiate, challenge, general, services)
    admission.take_dedicated_key()
    return admission


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
