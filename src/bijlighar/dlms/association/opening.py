"""How a client opens: AARQ and InitiateRequest out, AARE judged, proofs of HLS made and checked."""

from __future__ import annotations

from hmac import compare_digest

from bijlighar.dlms.acse import (
    LN_CIPHERED_CONTEXT,
    LN_CONTEXT,
    Aare,
    Aarq,
    AssociationResult,
    Diagnostic,
)
from bijlighar.dlms.association.events import AssociationRefused
from bijlighar.dlms.association.proofs import octet_string, proof_value
from bijlighar.dlms.association.settings import CONFORMANCE_OF, Ciphering, ClientSettings, Mechanism
from bijlighar.dlms.channel import SecureChannel
from bijlighar.dlms.errors import LocalProtocolError, Malformed, NotAuthentic
from bijlighar.dlms.obis import Obis
from bijlighar.dlms.security import (
    MAX_CHALLENGE_OCTETS,
    MIN_CHALLENGE_OCTETS,
    SYSTEM_TITLE_OCTETS,
    SecurityMaterial,
    check_hls_gmac,
    hls_aes,
    hls_gmac,
)
from bijlighar.dlms.xdlms import InitiateRequest, InitiateResponse, MethodRef
from bijlighar.dlms.xdlms.initiate import decode_initiate_response
from bijlighar.dlms.xdlms.results import (
    CONFIRMED_SERVICE_ERROR,
    ConfirmedServiceError,
    decode_confirmed_service_error,
)

REPLY_TO_HLS = MethodRef(15, Obis.parse("0.0.40.0.0.255"), 1)
"""Association LN of the current association, method reply_to_HLS_authentication."""
PROOF_REFUSED = AssociationRefused(AssociationResult.REJECTED_PERMANENT, Diagnostic.AUTHENTICATION_FAILURE)


def is_hls(settings: ClientSettings) -> bool:
    """Whether proofs are exchanged."""
    return settings.mechanism >= Mechanism.HLS_AES


def channel_of(settings: ClientSettings) -> SecureChannel | None:
    """Keys and counters of this association; None when nothing is ciphered nor proven by GMAC."""
    if settings.own is None or (
        settings.ciphering is Ciphering.NONE and settings.mechanism is not Mechanism.HLS_GMAC
    ):
        return None
    return SecureChannel(
        settings.own,
        settings.meter_title,
        int(settings.protection),
        settings.invocation_counter,
        settings.counters_left,
    )


def initiate_request(settings: ClientSettings, dedicated_key: bytes | None = None) -> bytes:
    """The plain InitiateRequest; a release repeats it without the key."""
    return InitiateRequest(
        conformance=CONFORMANCE_OF[settings.ciphering],
        max_pdu=settings.max_pdu,
        dedicated_key=dedicated_key,
    ).encode()


def aarq(settings: ClientSettings, channel: SecureChannel | None) -> bytes:
    """The AARQ; its InitiateRequest is glo-ciphered whenever the association is."""
    information = initiate_request(settings, settings.dedicated_key)
    ciphered = settings.ciphering is not Ciphering.NONE
    if ciphered and channel is not None:
        information = channel.seal_glo(information)
    return Aarq(
        context=LN_CIPHERED_CONTEXT if ciphered else LN_CONTEXT,
        mechanism=settings.mechanism,
        calling_title=None if channel is None or settings.own is None else settings.own.system_title,
        authentication_value=settings.challenge if is_hls(settings) else settings.secret,
        user_information=information,
    ).encode()


def refusal(aare: Aare) -> AssociationRefused:
    """The event for a rejecting AARE."""
    information = aare.user_information
    error: ConfirmedServiceError | None = None
    if information and information[0] == CONFIRMED_SERVICE_ERROR:
        error = decode_confirmed_service_error(information)
    return AssociationRefused(
        AssociationResult(aare.result) if aare.result in (1, 2) else aare.result,
        Diagnostic(aare.diagnostic) if aare.diagnostic in _DIAGNOSTICS else aare.diagnostic,
        error,
    )


_DIAGNOSTICS = frozenset(map(int, Diagnostic))


def negotiated(aare: Aare, settings: ClientSettings, channel: SecureChannel | None) -> InitiateResponse:
    """Judge an accepting AARE. Raises NotAuthentic, Replayed, Malformed, Truncated."""
    ciphered = settings.ciphering is not Ciphering.NONE
    if aare.context != (LN_CIPHERED_CONTEXT if ciphered else LN_CONTEXT):
        raise NotAuthentic(f"the meter answered in application context {aare.context}")
    _judge_title(aare.responding_title, settings.meter_title, channel)
    if is_hls(settings):
        _judge_challenge(aare, settings)
    information = aare.user_information
    if information is None:
        raise Malformed("an accepting AARE without an InitiateResponse")
    if ciphered and channel is not None:
        information = channel.open(information)
    return decode_initiate_response(information)


def _judge_title(title: bytes | None, expected: bytes | None, channel: SecureChannel | None) -> None:
    if title is not None and len(title) != SYSTEM_TITLE_OCTETS:
        raise Malformed(f"a system title of {len(title)} octets")
    if title is not None and expected is not None and title != expected:
        raise NotAuthentic("another meter answered than the expected one")
    if channel is not None:
        known = title if title is not None else expected
        if known is None:
            raise NotAuthentic("the meter did not tell its system title")
        if known == channel.own_title:
            raise NotAuthentic("the meter uses our own system title")
        channel.learn_peer(known)


def _judge_challenge(aare: Aare, settings: ClientSettings) -> None:
    challenge = aare.authentication_value
    if aare.mechanism != settings.mechanism or challenge is None:
        raise NotAuthentic(f"mechanism {settings.mechanism} was asked, the meter answered with {aare.mechanism}")
    if not MIN_CHALLENGE_OCTETS <= len(challenge) <= MAX_CHALLENGE_OCTETS:
        raise Malformed(f"a challenge of {len(challenge)} octets")
    if challenge == settings.challenge:
        raise NotAuthentic("the meter's challenge is our own: a reflection")


def proof(challenge: bytes, settings: ClientSettings, channel: SecureChannel | None) -> bytes:
    """Our proof over the meter's challenge, as an octet-string."""
    if settings.mechanism is Mechanism.HLS_AES:
        octets = hls_aes(settings.secret or b"", challenge, settings.padding)
    else:
        own, ready = _gmac_of(settings, channel)
        octets = hls_gmac(own.suite, own.system_title, ready.take_counter(), challenge)
    return proof_value(octets)


def check_proof(value: bytes, settings: ClientSettings, channel: SecureChannel | None) -> None:
    """Raise NotAuthentic unless ``value`` is an octet-string with the meter's proof over our challenge."""
    octets = octet_string(value)
    if settings.mechanism is Mechanism.HLS_AES:
        if not compare_digest(hls_aes(settings.secret or b"", settings.challenge, settings.padding), octets):
            raise NotAuthentic("the meter's proof is wrong")
    else:
        own, ready = _gmac_of(settings, channel)
        check_hls_gmac(own.suite, ready.peer_title, settings.challenge, octets)


def _gmac_of(settings: ClientSettings, channel: SecureChannel | None) -> tuple[SecurityMaterial, SecureChannel]:
    if settings.own is None or channel is None:
        raise LocalProtocolError("mechanism 5 needs keys")
    return settings.own, channel
