"""Ciphered APDUs of one association: glo- and general-glo ciphering (IEC 62056-5-3).

A ``SecureChannel`` owns both invocation counters. Its own never repeats and never leaves the reserved block;
a received one must be above the last accepted, which moves only when the APDU has been verified.
"""

from __future__ import annotations

from hmac import compare_digest
from struct import Struct

from bijlighar.dlms.axdr import encode_length, read_length
from bijlighar.dlms.errors import CountersSpent, LocalProtocolError, Malformed, NotAuthentic, Replayed, Truncated
from bijlighar.dlms.limits import MAX_COUNTER
from bijlighar.dlms.security import (
    BOTH,
    ENCRYPTED,
    SYSTEM_TITLE_OCTETS,
    TAG_OCTETS,
    SecurityMaterial,
    judge_control,
)

GENERAL_GLO = 0xDB
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
PLAIN_OF = {ciphered: plain for plain, ciphered in GLO_OF.items()}
HEADER_OCTETS = 5
"""Security control and invocation counter."""
GENERAL_GLO_OVERHEAD = 2 + SYSTEM_TITLE_OCTETS + 3 + HEADER_OCTETS + TAG_OCTETS
"""Octets that ciphering adds at most to an APDU below 64 KiB."""
_LENGTH_AT = 2 + SYSTEM_TITLE_OCTETS

_HEADER = Struct(">BI")


class SecureChannel:
    """Seals our APDUs and opens the peer's.

    ``peer_title`` None = to be learnt from the peer's AARQ or AARE. ``protection`` is what we apply and the least
    that we accept. ``first_counter`` and ``count`` are the reserved block of own invocation counters.
    """

    __slots__ = (
        "_end",
        "_peer_prefix",
        "_protection",
        "_suite",
        "last_accepted",
        "next_counter",
        "own_title",
        "peer_title",
    )

    def __init__(
        self, material: SecurityMaterial, peer_title: bytes | None, protection: int, first_counter: int, count: int
    ) -> None:
        self._suite = material.suite
        self._protection = protection
        self.own_title = material.system_title
        self.peer_title = peer_title or b""
        self._peer_prefix = b"\xdb\x08" + self.peer_title
        self.next_counter = first_counter
        self._end = min(first_counter + count, MAX_COUNTER + 1)
        self.last_accepted = -1

    def learn_peer(self, title: bytes) -> None:
        """The peer's system title, from now on the only one."""
        self.peer_title = title
        self._peer_prefix = b"\xdb\x08" + title

    def take_counter(self) -> int:
        """The next own counter. Raises CountersSpent at the end of the reserved block."""
        counter = self.next_counter
        if counter >= self._end:
            raise CountersSpent(counter)
        self.next_counter = counter + 1
        return counter

    def seal_glo(self, apdu: bytes) -> bytes:
        """``apdu`` in its own glo-ciphered form."""
        tag = GLO_OF.get(apdu[0])
        if tag is None:
            raise LocalProtocolError(f"APDU {apdu[0]:#04x} has no glo-ciphered form")
        header = bytes((tag,)) + self.length_and_control(len(apdu))
        return header + self.seal(apdu)

    def seal_general(self, apdu: bytes) -> bytes:
        """``apdu`` within general-glo-ciphering, our title in front."""
        return b"\xdb\x08" + self.own_title + self.length_and_control(len(apdu)) + self.seal(apdu)

    def length_and_control(self, size: int) -> bytes:
        """What stands before the counter of a ciphered APDU whose plain form has ``size`` octets."""
        tag = 0 if self._protection == ENCRYPTED else TAG_OCTETS
        return encode_length(HEADER_OCTETS + size + tag) + bytes((self._protection,))

    def seal(self, apdu: bytes) -> bytes:
        """Counter and body: what follows the security control."""
        counter = self.next_counter
        if counter >= self._end:
            raise CountersSpent(counter)
        self.next_counter = counter + 1
        count = counter.to_bytes(4, "big")
        suite = self._suite
        nonce = self.own_title + count
        if self._protection == BOTH:
            return count + suite.encrypt(nonce, apdu, suite.aad_both)[:-4]
        return count + suite.seal(self._protection, nonce, apdu)

    def open(self, apdu: bytes) -> bytes:
        """The plain APDU inside. Raises NotAuthentic, Replayed, Malformed, Truncated, SuiteNotSupported."""
        if not self.peer_title:
            raise NotAuthentic("a ciphered APDU before the peer told its system title")
        plain_tag = None
        if apdu.startswith(self._peer_prefix):
            offset = _LENGTH_AT
        elif apdu[0] == GENERAL_GLO:
            raise NotAuthentic("general-glo ciphering under a system title that is not the peer's")
        else:
            plain_tag = PLAIN_OF.get(apdu[0])
            if plain_tag is None:
                raise NotAuthentic(f"APDU {apdu[0]:#04x} came unprotected, or in a form that is not supported")
            offset = 1
        offset = check_length(apdu, offset)
        control, counter = _HEADER.unpack_from(apdu, offset)
        if counter <= self.last_accepted:
            raise Replayed(counter, self.last_accepted)
        nonce = self.peer_title + apdu[offset + 1 : offset + 5]
        if control == BOTH:
            plain = self._open_both(nonce, apdu, offset + HEADER_OCTETS)
        else:
            if control & self._protection != self._protection:
                judge_control(control)
                raise NotAuthentic(f"security control {control:#04x} is less than {self._protection:#04x}")
            plain = self._suite.open(control, nonce, apdu[offset + HEADER_OCTETS :])
        if not plain or (plain_tag is not None and plain[0] != plain_tag):
            raise Malformed("the ciphered APDU holds another than its tag tells")
        self.last_accepted = counter
        return plain

    def _open_both(self, nonce: bytes, apdu: bytes, offset: int) -> bytes:
        """As ``SuiteZero.open`` for both protections, without a copy: nearly every APDU comes this way."""
        suite = self._suite
        encrypt = suite.encrypt
        plain = encrypt(nonce, apdu[offset:-TAG_OCTETS], None)[:-16]
        if len(apdu) - offset < TAG_OCTETS or not compare_digest(
            encrypt(nonce, plain, suite.aad_both)[-16:-4], apdu[-TAG_OCTETS:]
        ):
            raise NotAuthentic("the tag is not the peer's")
        return plain


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
    control, counter = _HEADER.unpack_from(apdu, offset)
    return control, counter, apdu[offset + HEADER_OCTETS :]
