"""How a client judges what a meter answers to its AARQ, and the proofs of HLS."""

from __future__ import annotations

from hmac import compare_digest

from bijlighar.dlms.acse import Aare, AssociationResult, Diagnostic
from bijlighar.dlms.association.events import AssociationRefused
from bijlighar.dlms.association.prepared import Prepared
from bijlighar.dlms.association.proofs import octet_string, proof_value
from bijlighar.dlms.association.settings import ClientSettings, Mechanism
from bijlighar.dlms.channel import SecureChannel
from bijlighar.dlms.errors import LocalProtocolError, Malformed, NotAuthentic
from bijlighar.dlms.obis import Obis
from bijlighar.dlms.security import (
    MAX_CHALLENGE_OCTETS,
    MIN_CHALLENGE_OCTETS,
    SYSTEM_TITLE_OCTETS,
    check_hls_gmac,
    hls_aes,
    hls_gmac,
)
from bijlighar.dlms.xdlms import InitiateResponse, MethodRef
from bijlighar.dlms.xdlms.action import ActionRequest
from bijlighar.dlms.xdlms.initiate import decode_initiate_response
from bijlighar.dlms.xdlms.results import (
    CONFIRMED_SERVICE_ERROR,
    ConfirmedServiceError,
    decode_confirmed_service_error,
)

REPLY_TO_HLS = MethodRef(15, Obis.parse("0.0.40.0.0.255"), 1)
"""Association LN of the current association, method reply_to_HLS_authentication."""
PROOF_REFUSED = AssociationRefused(AssociationResult.REJECTED_PERMANENT, Diagnostic.AUTHENTICATION_FAILURE)
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


class Opening:
    """One opening: our challenge, what was prepared, and the channel, if any."""

    __slots__ = ("challenge", "channel", "prepared", "settings")

    def __init__(
        self, settings: ClientSettings, prepared: Prepared, channel: SecureChannel | None, challenge: bytes
    ) -> None:
        self.settings = settings
        self.prepared = prepared
        self.channel = channel
        self.challenge = challenge

    def negotiated(self, aare: Aare) -> InitiateResponse:
        """Judge an accepting AARE. Raises NotAuthentic, Replayed, Malformed, Truncated."""
        prepared, channel = self.prepared, self.channel
        if aare.context != prepared.context:
            raise NotAuthentic(f"the meter answered in application context {aare.context}")
        self._judge_title(aare.responding_title)
        if prepared.is_hls:
            self._judge_challenge(aare)
        information = aare.user_information
        if not information:
            raise Malformed("an accepting AARE without an InitiateResponse")
        if prepared.ciphered and channel is not None:
            information = channel.open(information)
        return decode_initiate_response(information)

    def _judge_title(self, title: bytes | None) -> None:
        expected, channel = self.settings.meter_title, self.channel
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
        channel.learn_peer(title)

    def _judge_challenge(self, aare: Aare) -> None:
        challenge = aare.authentication_value
        if aare.mechanism != self.settings.mechanism or challenge is None:
            raise NotAuthentic(f"the meter answered with mechanism {aare.mechanism}, another than was asked")
        if not MIN_CHALLENGE_OCTETS <= len(challenge) <= MAX_CHALLENGE_OCTETS:
            raise Malformed(f"a challenge of {len(challenge)} octets")
        if challenge == self.challenge:
            raise NotAuthentic("the meter's challenge is our own: a reflection")

    def proof(self, challenge: bytes, invoke: int) -> bytes:
        """The ACTION that carries our proof over the meter's challenge."""
        settings, channel, material = self.settings, self.channel, self.prepared.material
        if settings.mechanism is Mechanism.HLS_AES:
            proof = hls_aes(settings.secret or b"", challenge, settings.padding)
        elif channel is not None and material is not None:
            proof = hls_gmac(material.suite, material.system_title, channel.take_counter(), challenge)
        else:
            raise LocalProtocolError("mechanism 5 needs keys")
        return ActionRequest(invoke, REPLY_TO_HLS, proof_value(proof)).encode()

    def check_proof(self, value: bytes) -> None:
        """Raise NotAuthentic unless ``value`` is an octet-string with the meter's proof over our challenge."""
        settings, channel, material = self.settings, self.channel, self.prepared.material
        proof = octet_string(value)
        if settings.mechanism is Mechanism.HLS_AES:
            if not compare_digest(hls_aes(settings.secret or b"", self.challenge, settings.padding), proof):
                raise NotAuthentic("the meter's proof is wrong")
        elif channel is not None and material is not None:
            check_hls_gmac(material.suite, channel.peer_title, self.challenge, proof)
        else:
            raise LocalProtocolError("mechanism 5 needs keys")
