"""How a client judges what a meter answers to its AARQ, and the proofs of HLS."""

from __future__ import annotations

from hmac import compare_digest

from bijlighar.dlms.acse import Aare, AssociationResult, Diagnostic
from bijlighar.dlms.association.events import AssociationRefused
from bijlighar.dlms.association.prepared import Prepared
from bijlighar.dlms.association.proofs import octet_string, proof_value
from bijlighar.dlms.association.settings import ClientSettings, Mechanism
from bijlighar.dlms.association.terms import Terms, terms_of
from bijlighar.dlms.channel import SecureChannel
from bijlighar.dlms.errors import LocalProtocolError, Malformed, NotAuthentic
from bijlighar.dlms.obis import Obis
from bijlighar.dlms.security import (
    MAX_CHALLENGE_OCTETS,
    MIN_CHALLENGE_OCTETS,
    SYSTEM_TITLE_OCTETS,
    hls_aes,
)
from bijlighar.dlms.xdlms import MethodRef
from bijlighar.dlms.xdlms.action import encode_action
from bijlighar.dlms.xdlms.results import (
    CONFIRMED_SERVICE_ERROR,
    ConfirmedServiceError,
    decode_confirmed_service_error,
)

REPLY_TO_HLS = MethodRef(15, Obis.parse("0.0.40.0.0.255"), 1)
"""Association LN of the current association, method reply_to_HLS_authentication."""
_REPLY_TO_HLS = REPLY_TO_HLS.encode()
_HLS_AES = Mechanism.HLS_AES
_DIAGNOSTICS = frozenset(map(int, Diagnostic))


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


def proof_refused() -> AssociationRefused:
    """The event when the meter did not take our proof."""
    return AssociationRefused(AssociationResult.REJECTED_PERMANENT, Diagnostic.AUTHENTICATION_FAILURE)


def negotiated(
    aare: Aare, settings: ClientSettings, ready: Prepared, channel: SecureChannel | None, own_challenge: bytes
) -> Terms:
    """Judge an accepting AARE; what it agrees to. Raises NotAuthentic, Replayed, Malformed, Truncated."""
    if aare.context != ready.context:
        raise NotAuthentic(f"the meter answered in application context {aare.context}")
    _judge_title(aare.responding_title, settings.meter_title, channel)
    if ready.is_hls:
        _judge_challenge(aare, settings.mechanism, own_challenge)
    information = aare.user_information
    if not information:
        raise Malformed("an accepting AARE without an InitiateResponse")
    if ready.ciphered and channel is not None:
        information = channel.open(information)
    return terms_of(information, ready.ciphered, settings.general_blocks is not None)


def _judge_title(title: bytes | None, expected: bytes | None, channel: SecureChannel | None) -> None:
    if title is None:
        title = expected
    elif len(title) != SYSTEM_TITLE_OCTETS:
        raise Malformed(f"a system title of {len(title)} octets")
    elif expected is not None and title != expected:
        raise NotAuthentic("another meter answered than the expected one")
    if channel is None:
        return
    if title is None:
        raise NotAuthentic("the meter did not tell its system title")
    if title == channel.own_title:
        raise NotAuthentic("the meter uses our own system title")
    if title != channel.peer_title:
        channel.learn_peer(title)


def _judge_challenge(aare: Aare, mechanism: int, own_challenge: bytes) -> None:
    challenge = aare.authentication_value
    if aare.mechanism != mechanism or challenge is None:
        raise NotAuthentic(f"the meter answered with mechanism {aare.mechanism}, another than was asked")
    if not MIN_CHALLENGE_OCTETS <= len(challenge) <= MAX_CHALLENGE_OCTETS:
        raise Malformed(f"a challenge of {len(challenge)} octets")
    if challenge == own_challenge:
        raise NotAuthentic("the meter's challenge is our own: a reflection")


def proof(challenge: bytes, settings: ClientSettings, channel: SecureChannel | None, invoke: int) -> bytes:
    """The ACTION that carries our proof over the meter's challenge."""
    if settings.mechanism is _HLS_AES:
        octets = hls_aes(settings.secret or b"", challenge, settings.padding)
    elif channel is not None:
        octets = channel.prove(challenge)
    else:
        raise LocalProtocolError("mechanism 5 needs keys")
    return encode_action(invoke, _REPLY_TO_HLS, proof_value(octets))


def check_proof(
    value: bytes, settings: ClientSettings, channel: SecureChannel | None, own_challenge: bytes
) -> None:
    """Raise NotAuthentic unless ``value`` is an octet-string with the meter's proof over our challenge."""
    octets = octet_string(value)
    if settings.mechanism is _HLS_AES:
        if not compare_digest(hls_aes(settings.secret or b"", own_challenge, settings.padding), octets):
            raise NotAuthentic("the meter's proof is wrong")
    elif channel is not None:
        channel.check_proof(octets, own_challenge)
    else:
        raise LocalProtocolError("mechanism 5 needs keys")
