"""What a client's settings come to, worked out once: they are kept for a meter and used for every visit.

AARQ and RLRQ are encoded once by the general encoder and cut where the challenge and the ciphered part stand, so
that a visit only fills in what is new: challenge, counter, ciphertext.
"""

from __future__ import annotations

from bijlighar.dlms.acse import LN_CIPHERED_CONTEXT, LN_CONTEXT, RLRQ, Aarq, Release
from bijlighar.dlms.association.settings import CONFORMANCE_OF, Ciphering, ClientSettings, Mechanism, check_client
from bijlighar.dlms.channel import GLO_OF, SecureChannel, length_and_control
from bijlighar.dlms.limits import FRAME_SLACK_OCTETS, MAX_FRAME_OCTETS
from bijlighar.dlms.security import CHALLENGE_OCTETS, ENCRYPTED, TAG_OCTETS, SecurityMaterial
from bijlighar.dlms.xdlms import InitiateRequest
from bijlighar.dlms.xdlms.initiate import INITIATE_REQUEST

_COUNTER_OCTETS = 4
_BEFORE_INFORMATION = 4
"""BE, length, 04, length: what stands between challenge and user information while both lengths are short."""


class Prepared:
    """Settings checked, and their constant octets. Raises LocalProtocolError for settings that cannot work.

    ``material`` the keys when anything is ciphered or proven by GMAC; ``ciphered`` whether APDUs are;
    ``general`` in which form; ``is_hls`` whether proofs are exchanged; ``max_frame_octets`` of received frames.
    """

    __slots__ = (
        "_aarq_head",
        "_aarq_middle",
        "_aarq_plain",
        "_initiate",
        "_initiate_again",
        "_rlrq_head",
        "ciphered",
        "context",
        "general",
        "is_hls",
        "material",
        "max_frame_octets",
        "protection",
    )

    def __init__(self, settings: ClientSettings) -> None:
        check_client(settings)
        self.ciphered = settings.ciphering is not Ciphering.NONE
        self.general = settings.ciphering is Ciphering.GENERAL_GLO
        self.is_hls = settings.mechanism >= Mechanism.HLS_AES
        self.context = LN_CIPHERED_CONTEXT if self.ciphered else LN_CONTEXT
        self.protection = int(settings.protection)
        self.material = _material(settings)
        self.max_frame_octets = min(settings.max_pdu + FRAME_SLACK_OCTETS, MAX_FRAME_OCTETS)
        self._initiate = _initiate(settings, settings.dedicated_key)
        self._initiate_again = _initiate(settings, None)
        self._prepare_aarq(settings)
        self._prepare_rlrq()

    def _prepare_aarq(self, settings: ClientSettings) -> None:
        head, body_octets = self._information(self._initiate)
        information = head + bytes(body_octets)
        aarq = Aarq(
            context=self.context,
            mechanism=settings.mechanism,
            calling_title=None if self.material is None else self.material.system_title,
            authentication_value=bytes(CHALLENGE_OCTETS) if self.is_hls else settings.secret,
            user_information=information,
        ).encode()
        challenge_ends = len(aarq) - len(information) - _BEFORE_INFORMATION
        challenge_begins = challenge_ends - (CHALLENGE_OCTETS if self.is_hls else 0)
        self._aarq_head = aarq[:challenge_begins]
        self._aarq_middle = aarq[challenge_ends : len(aarq) - body_octets]
        self._aarq_plain = self._aarq_head + self._aarq_middle

    def _prepare_rlrq(self) -> None:
        self._rlrq_head = Release(0, None).encode(RLRQ)
        if self.ciphered:
            head, body_octets = self._information(self._initiate_again)
            rlrq = Release(0, head + bytes(body_octets)).encode(RLRQ)
            self._rlrq_head = rlrq[:-body_octets]

    def _information(self, initiate: bytes) -> tuple[bytes, int]:
        """The constant head of user information, and how many octets are filled in behind it."""
        if not self.ciphered or self.material is None:
            return initiate, 0
        head = bytes([GLO_OF[INITIATE_REQUEST]]) + length_and_control(len(initiate), self.protection)
        tag = 0 if self.protection == ENCRYPTED else TAG_OCTETS
        return head, _COUNTER_OCTETS + len(initiate) + tag

    def aarq(self, challenge: bytes, channel: SecureChannel | None) -> bytes:
        """The AARQ; its InitiateRequest is glo-ciphered whenever the association is."""
        filled = self._aarq_head + challenge + self._aarq_middle if self.is_hls else self._aarq_plain
        if self.ciphered and channel is not None:
            return filled + channel.seal(self._initiate)
        return filled

    def rlrq(self, channel: SecureChannel | None) -> bytes:
        """The RLRQ, with a ciphered InitiateRequest whenever the association is."""
        if self.ciphered and channel is not None:
            return self._rlrq_head + channel.seal(self._initiate_again)
        return self._rlrq_head


def _initiate(settings: ClientSettings, dedicated_key: bytes | None) -> bytes:
    return InitiateRequest(
        conformance=CONFORMANCE_OF[settings.ciphering], max_pdu=settings.max_pdu, dedicated_key=dedicated_key
    ).encode()


def _material(settings: ClientSettings) -> SecurityMaterial | None:
    if settings.ciphering is Ciphering.NONE and settings.mechanism is not Mechanism.HLS_GMAC:
        return None
    return settings.own


def prepared(settings: ClientSettings) -> Prepared:
    """What ``settings`` come to; worked out at the first use and kept with them."""
    if not settings.kept:
        settings.kept.append(Prepared(settings))
    kept = settings.kept[0]
    assert isinstance(kept, Prepared)
    return kept
