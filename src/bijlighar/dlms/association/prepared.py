"""The constant octets of an opening and a release: encoded once, used by every visit.

AARQ and RLRQ are made by the general encoder and cut where the challenge and the ciphered part stand, so that a
visit only fills in what is new: challenge or password, counter, ciphertext. They hold nothing of a meter, so all
meters of one fleet share them.
"""

from __future__ import annotations

from functools import lru_cache

from bijlighar.dlms.acse import LN_CIPHERED_CONTEXT, LN_CONTEXT, RLRQ, Aarq, Release
from bijlighar.dlms.association.settings import Ciphering, ClientSettings, Mechanism, check_client, conformance
from bijlighar.dlms.channel import GLO_OF, SecureChannel, length_and_control
from bijlighar.dlms.general_block import BlockSettings
from bijlighar.dlms.limits import FRAME_SLACK_OCTETS, MAX_FRAME_OCTETS
from bijlighar.dlms.security import CHALLENGE_OCTETS, ENCRYPTED, TAG_OCTETS
from bijlighar.dlms.xdlms import InitiateRequest
from bijlighar.dlms.xdlms.initiate import INITIATE_REQUEST

_COUNTER_OCTETS = 4
_BEFORE_INFORMATION = 4
"""BE, length, 04, length: what stands between value and user information while both lengths are short."""
_KEPT = 1024
"""Constant octets kept, 0.3 kB each: one for each kind of opening."""


class Prepared:
    """Constant octets for one kind of opening.

    ``title`` our system title, None when nothing is ciphered nor proven by GMAC; ``password_octets`` LLS only.
    ``ciphered`` whether APDUs are, ``general`` in which form; ``is_hls`` whether proofs are exchanged.
    ``initiate`` and ``initiate_again`` plain, in AARQ and RLRQ; ``aarq_head``, ``aarq_middle`` and ``rlrq_head``
    stand before the challenge or password and, with ciphering, before the counter.
    """

    __slots__ = (
        "aarq_head",
        "aarq_middle",
        "ciphered",
        "context",
        "general",
        "initiate",
        "initiate_again",
        "is_hls",
        "max_frame_octets",
        "protection",
        "rlrq_head",
        "title",
    )

    def __init__(
        self,
        mechanism: Mechanism,
        ciphering: Ciphering,
        protection: int,
        title: bytes | None,
        password_octets: int,
        max_pdu: int,
        dedicated_key: bytes | None,
        general_blocks: BlockSettings | None,
    ) -> None:
        self.ciphered = ciphering is not Ciphering.NONE
        self.general = ciphering is Ciphering.GENERAL_GLO
        self.is_hls = mechanism >= Mechanism.HLS_AES
        self.context = LN_CIPHERED_CONTEXT if self.ciphered else LN_CONTEXT
        self.protection = protection
        self.title = title
        self.max_frame_octets = min(max_pdu + FRAME_SLACK_OCTETS, MAX_FRAME_OCTETS)
        services = conformance(ciphering, general_blocks)
        again = InitiateRequest(conformance=services, max_pdu=max_pdu)
        first = InitiateRequest(conformance=services, max_pdu=max_pdu, dedicated_key=dedicated_key)
        self.initiate, self.initiate_again = first.encode(), again.encode()
        self._prepare_aarq(mechanism, CHALLENGE_OCTETS if self.is_hls else password_octets)
        self._prepare_rlrq()

    def _prepare_aarq(self, mechanism: Mechanism, value_octets: int) -> None:
        head, body_octets = self._information(self.initiate)
        information = head + bytes(body_octets)
        aarq = Aarq(
            context=self.context,
            mechanism=mechanism,
            calling_title=self.title,
            authentication_value=bytes(value_octets) if value_octets else None,
            user_information=information,
        ).encode()
        value_ends = len(aarq) - len(information) - _BEFORE_INFORMATION
        self.aarq_head = aarq[: value_ends - value_octets]
        self.aarq_middle = aarq[value_ends : len(aarq) - body_octets]

    def _prepare_rlrq(self) -> None:
        self.rlrq_head = Release(0, None).encode(RLRQ)
        if self.ciphered:
            head, body_octets = self._information(self.initiate_again)
            rlrq = Release(0, head + bytes(body_octets)).encode(RLRQ)
            self.rlrq_head = rlrq[:-body_octets]

    def _information(self, initiate: bytes) -> tuple[bytes, int]:
        """The constant head of user information, and how many octets are filled in behind it."""
        if not self.ciphered:
            return initiate, 0
        head = bytes([GLO_OF[INITIATE_REQUEST]]) + length_and_control(len(initiate), self.protection)
        tag = 0 if self.protection == ENCRYPTED else TAG_OCTETS
        return head, _COUNTER_OCTETS + len(initiate) + tag

    def aarq(self, value: bytes, channel: SecureChannel | None) -> bytes:
        """The AARQ with our challenge, the password, or b""; its InitiateRequest is ciphered when all is."""
        filled = self.aarq_head + value + self.aarq_middle
        if self.ciphered and channel is not None:
            return filled + channel.seal(self.initiate)
        return filled

    def rlrq(self, channel: SecureChannel | None) -> bytes:
        """The RLRQ, with a ciphered InitiateRequest whenever the association is."""
        if self.ciphered and channel is not None:
            return self.rlrq_head + channel.seal(self.initiate_again)
        return self.rlrq_head


_shared = lru_cache(maxsize=_KEPT)(Prepared)


def prepared(settings: ClientSettings) -> Prepared:
    """The constant octets for ``settings``. Raises LocalProtocolError for settings that cannot work."""
    if settings.kept:
        kept = settings.kept[0]
        assert isinstance(kept, Prepared)
        return kept
    check_client(settings)
    keyed = settings.ciphering is not Ciphering.NONE or settings.mechanism is Mechanism.HLS_GMAC
    make = _shared if settings.dedicated_key is None else Prepared  # a dedicated key is kept nowhere
    ready = make(
        settings.mechanism,
        settings.ciphering,
        int(settings.protection),
        settings.own.system_title if keyed and settings.own is not None else None,
        len(settings.secret or b"") if settings.mechanism is Mechanism.LLS else 0,
        settings.max_pdu,
        settings.dedicated_key,
        settings.general_blocks,
    )
    settings.kept.append(ready)
    return ready
