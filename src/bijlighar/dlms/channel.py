"""Ciphered APDUs of one association: glo-, ded-, general-glo and general-ded ciphering (IEC 62056-5-3).

A ``SecureChannel`` owns both invocation counters. Its own never repeats and never leaves the reserved block;
a received one must be above the last accepted, which moves only when the APDU has been verified. The channel
under a dedicated key is another one, with numbers of its own (``dedicated``). General-ciphering and
general-signing, which belong to suites 1 and 2, are refused by name.
"""

from __future__ import annotations

from functools import lru_cache
from hmac import compare_digest
from struct import Struct
from typing import NoReturn

from bijlighar.dlms.axdr import encode_length, read_length
from bijlighar.dlms.errors import (
    CountersSpent,
    CounterWentBack,
    LocalProtocolError,
    Malformed,
    NotAuthentic,
    NotSupported,
    Replayed,
    Truncated,
)
from bijlighar.dlms.limits import MAX_COUNTER
from bijlighar.dlms.security import (
    BEFORE_FULL_TAG,
    BOTH,
    ENCRYPTED,
    LAST_TAG,
    SYSTEM_TITLE_OCTETS,
    TAG_OCTETS,
    TAG_OF_FULL_TAG,
    UP_TO_TAG,
    SecurityMaterial,
    check_hls_gmac,
    hls_gmac,
    judge_control,
)

GENERAL_GLO, GENERAL_DED = 0xDB, 0xDC
GENERAL_CIPHERING, GENERAL_SIGNING = 0xDD, 0xDF
GLO_OF = {
    0x01: 0x21,
    0x08: 0x28,
    0x0E: 0x2E,
    0xC0: 0xC8,
    0xC1: 0xC9,
    0xC2: 0xCA,
    0xC3: 0xCB,
    0xC4: 0xCC,
    0xC5: 0xCD,
    0xC7: 0xCF,
}
"""Tag of the plain APDU → tag of its glo-ciphered form."""
DED_OF = {0xC0: 0xD0, 0xC1: 0xD1, 0xC2: 0xD2, 0xC3: 0xD3, 0xC4: 0xD4, 0xC5: 0xD5, 0xC7: 0xD7}
"""Tag of the plain APDU → tag of its ded-ciphered form."""
PLAIN_OF = {ciphered: plain for plain, ciphered in GLO_OF.items()}
_PLAIN_OF_DED = {ciphered: plain for plain, ciphered in DED_OF.items()}
DEDICATED = frozenset((GENERAL_DED, *_PLAIN_OF_DED))
"""First octets of what is ciphered under a dedicated key."""
_BY_NAME = {GENERAL_CIPHERING: "general-ciphering", GENERAL_SIGNING: "general-signing"}
HEADER_OCTETS = 5
"""Security control and invocation counter."""
GENERAL_GLO_OVERHEAD = 2 + SYSTEM_TITLE_OCTETS + 3 + HEADER_OCTETS + TAG_OCTETS
"""Octets that ciphering adds at most to an APDU below 64 KiB."""
_LENGTH_AT = 2 + SYSTEM_TITLE_OCTETS
_unpack_header = Struct(">BI").unpack_from


class SecureChannel:
    """Seals our APDUs and opens the peer's.

    ``peer_title`` None = to be learnt from the peer's AARQ or AARE. ``protection`` is what we apply and the least
    that we accept. ``first_counter`` and ``count`` are the reserved block of own invocation counters; ``heard`` is
    the newest counter that the peer used under this key in an earlier association, -1 = none that is known.
    """

    __slots__ = (
        "_ciphered_of",
        "_end",
        "_head",
        "_heard",
        "_own_prefix",
        "_peer_prefix",
        "_plain_of",
        "_protection",
        "_suite",
        "last_accepted",
        "next_counter",
        "own_title",
        "peer_title",
    )

    def __init__(
        self,
        material: SecurityMaterial,
        peer_title: bytes | None,
        protection: int,
        first_counter: int,
        count: int,
        *,
        dedicated: bool = False,
        heard: int = -1,
    ) -> None:
        self._suite = material.suite
        self._protection = protection
        self.own_title = material.system_title
        self._ciphered_of, self._plain_of, self._head = _DEDICATED if dedicated else _GLOBAL
        self._own_prefix = self._head + material.system_title
        self.peer_title = peer_title or b""
        self._peer_prefix = self._head + peer_title if peer_title else None  # None: no APDU begins so
        self.next_counter = first_counter
        end = first_counter + count
        self._end = end if end <= MAX_COUNTER else MAX_COUNTER + 1
        self._heard = self.last_accepted = heard

    def learn_peer(self, title: bytes) -> None:
        """The peer's system title, from now on the only one."""
        self.peer_title = title
        self._peer_prefix = self._head + title

    def dedicated(self, key: bytes, authentication_key: bytes) -> SecureChannel:
        """The channel under a dedicated key, known since the AARQ; our counters go on where they are."""
        material = SecurityMaterial(
            system_title=self.own_title, encryption_key=key, authentication_key=authentication_key
        )
        left = self._end - self.next_counter
        return SecureChannel(material, self.peer_title, self._protection, self.next_counter, left, dedicated=True)

    def go_on_after(self, other: SecureChannel) -> None:
        """Our counters go on where those of ``other`` ended: none is used twice, be it under another key."""
        self.next_counter = max(self.next_counter, other.next_counter)

    def take_counter(self) -> int:
        """The next own counter. Raises CountersSpent at the end of the reserved block."""
        counter = self.next_counter
        if counter >= self._end:
            raise CountersSpent(counter)
        self.next_counter = counter + 1
        return counter

    def prove(self, challenge: bytes) -> bytes:
        """Our HLS-GMAC proof over the peer's ``challenge``; it takes a counter."""
        return hls_gmac(self._suite, self.own_title, self.take_counter(), challenge)

    def check_proof(self, proof: bytes, challenge: bytes) -> None:
        """Raise NotAuthentic unless ``proof`` is the peer's over our ``challenge``."""
        check_hls_gmac(self._suite, self.peer_title, challenge, proof)

    def seal_glo(self, apdu: bytes) -> bytes:
        """``apdu`` in its own glo- or ded-ciphered form."""
        tag = self._ciphered_of.get(apdu[0])
        if tag is None:
            raise LocalProtocolError(f"APDU {apdu[0]:#04x} has no ciphered form of its own")
        return bytes((tag,)) + length_and_control(len(apdu), self._protection) + self.seal(apdu)

    def seal_general(self, apdu: bytes) -> bytes:
        """``apdu`` within general-glo- or general-ded-ciphering, our title in front."""
        counter = self.next_counter
        if self._protection != BOTH or counter >= self._end:
            return self._own_prefix + length_and_control(len(apdu), self._protection) + self.seal(apdu)
        self.next_counter = counter + 1  # from here as ``seal``, with a call less for nearly every request
        count = counter.to_bytes(4, "big")
        suite = self._suite
        body = suite.encrypt(self.own_title + count, apdu, suite.aad_both)[UP_TO_TAG]
        return self._own_prefix + length_and_control(len(apdu), BOTH) + count + body

    def seal(self, apdu: bytes) -> bytes:
        """Counter and body: what follows the security control."""
        counter = self.next_counter
        if counter >= self._end:
            raise CountersSpent(counter)
        self.next_counter = counter + 1
        count = counter.to_bytes(4, "big")
        suite = self._suite
        if self._protection == BOTH:
            return count + suite.encrypt(self.own_title + count, apdu, suite.aad_both)[UP_TO_TAG]
        return count + suite.seal(self._protection, self.own_title + count, apdu)

    def open(self, apdu: bytes) -> bytes:
        """The plain APDU inside. Raises NotAuthentic, Replayed, Malformed, Truncated, SuiteNotSupported."""
        general = apdu[:_LENGTH_AT] == self._peer_prefix
        offset = _LENGTH_AT if general else 1
        if not general and not (self.peer_title and apdu and apdu[0] in self._plain_of):
            self._refuse_form(apdu)
        held = len(apdu) - offset - 1
        if HEADER_OCTETS <= held < 0x80 and apdu[offset] == held:  # as every short answer begins
            offset += 1
        elif held > 0xFF and apdu[offset] == 0x82 and apdu[offset + 1] << 8 | apdu[offset + 2] == held - 2:
            offset += 3
        elif held > 0x80 and apdu[offset] == 0x81 and apdu[offset + 1] == held - 1:
            offset += 2
        else:
            offset = check_length(apdu, offset)
        control, counter = _unpack_header(apdu, offset)
        if counter <= self.last_accepted:
            raise self._replayed(counter)
        nonce = self.peer_title + apdu[offset + 1 : offset + 5]
        suite = self._suite
        if control == 0x30:  # both: as SuiteZero.open, with one copy less, for nearly every APDU comes this way
            plain = suite.encrypt(nonce, apdu[offset + 5 : -12], None)[BEFORE_FULL_TAG]
            if not compare_digest(suite.encrypt(nonce, plain, suite.aad_both)[TAG_OF_FULL_TAG], apdu[LAST_TAG]):
                raise NotAuthentic("the tag is not the peer's")
        else:
            if control & self._protection != self._protection:
                judge_control(control)
                raise NotAuthentic(f"security control {control:#04x} is less than {self._protection:#04x}")
            plain = suite.open(control, nonce, apdu[offset + HEADER_OCTETS :])
        if not plain or not (general or plain[0] == self._plain_of[apdu[0]]):
            raise Malformed("the ciphered APDU holds another than its tag tells")
        self.last_accepted = counter
        return plain

    def _replayed(self, counter: int) -> Replayed:
        first = self.last_accepted == self._heard
        return (CounterWentBack if first else Replayed)(counter, self.last_accepted)

    def _refuse_form(self, apdu: bytes) -> NoReturn:
        """Tell why ``apdu`` is none that the peer may send ciphered."""
        if not apdu:
            raise Malformed("nothing where a ciphered APDU should stand")
        if apdu[0] == self._head[0]:
            raise NotAuthentic("general ciphering under a system title that is not the peer's")
        if apdu[0] in _BY_NAME:
            raise NotSupported(f"{_BY_NAME[apdu[0]]} is not supported")
        if apdu[0] not in self._plain_of:
            raise NotAuthentic(f"APDU {apdu[0]:#04x} came unprotected, or in a form that is not supported")
        raise NotAuthentic("a ciphered APDU before the peer told its system title")


_GLOBAL = GLO_OF, PLAIN_OF, bytes((GENERAL_GLO, SYSTEM_TITLE_OCTETS))
_DEDICATED = DED_OF, _PLAIN_OF_DED, bytes((GENERAL_DED, SYSTEM_TITLE_OCTETS))


@lru_cache(maxsize=4096)
def length_and_control(size: int, protection: int) -> bytes:
    """What stands before the counter of a ciphered APDU whose plain form has ``size`` octets."""
    tag = 0 if protection == ENCRYPTED else TAG_OCTETS
    return encode_length(HEADER_OCTETS + size + tag) + bytes((protection,))


def check_length(apdu: bytes, offset: int) -> int:
    """The offset behind the length at ``offset``, which must cover all that follows and at least a header."""
    length, offset = read_length(apdu, offset)
    if length != len(apdu) - offset:
        raise Truncated(f"a ciphered APDU announces {length} octets and has {len(apdu) - offset}")
    if length < HEADER_OCTETS:
        raise Truncated("a ciphered APDU ends within its security header")
    return offset


def split_ciphered(apdu: bytes, offset: int) -> tuple[int, int, bytes]:
    """Security control, counter and body of the ciphered part, whose length stands at ``offset``."""
    offset = check_length(apdu, offset)
    control, counter = _unpack_header(apdu, offset)
    return control, counter, apdu[offset + HEADER_OCTETS :]
