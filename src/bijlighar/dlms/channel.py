"""Ciphered APDUs of one association: glo- and general-glo ciphering (IEC 62056-5-3).

A ``SecureChannel`` owns both invocation counters. Its own never repeats and never leaves the reserved block;
a received one must be above the last accepted, which moves only when the APDU has been verified.
"""

from __future__ import annotations

from struct import Struct
from struct import error as struct_error

from bijlighar.dlms.axdr import encode_length, read_length
from bijlighar.dlms.errors import CountersSpent, LocalProtocolError, Malformed, NotAuthentic, Replayed, Truncated
from bijlighar.dlms.limits import MAX_COUNTER
from bijlighar.dlms.security import SYSTEM_TITLE_OCTETS, TAG_OCTETS, SecurityMaterial, judge_control

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

_HEADER = Struct(">BI")


class SecureChannel:
    """Seals our APDUs and opens the peer's.

    ``peer_title`` None = to be learnt from the peer's AARQ or AARE. ``protection`` is what we apply and the least
    that we accept. ``first_counter`` and ``count`` are the reserved block of own invocation counters.
    """

    __slots__ = (
        "_end",
        "_own_prefix",
        "_peer_prefix",
        "_protection",
        "_suite",
        "_title",
        "last_accepted",
        "next_counter",
        "peer_title",
    )

    def __init__(
        self, material: SecurityMaterial, peer_title: bytes | None, protection: int, first_counter: int, count: int
    ) -> None:
        self._suite = material.suite
        self._title = material.system_title
        self._own_prefix = b"\xdb\x08" + self._title
        self._peer_prefix = b""
        self.peer_title = b""
        if peer_title is not None:
            self.learn_peer(peer_title)
        self._protection = int(protection)
        self.next_counter = first_counter
        self._end = min(first_counter + count, MAX_COUNTER + 1)
        self.last_accepted = -1

    @property
    def own_title(self) -> bytes:
        """Our system title."""
        return self._title

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
        return bytes([tag]) + self._sealed(apdu)

    def seal_general(self, apdu: bytes) -> bytes:
        """``apdu`` within general-glo-ciphering, our title in front."""
        return self._own_prefix + self._sealed(apdu)

    def _sealed(self, apdu: bytes) -> bytes:
        counter = self.take_counter()
        body = self._suite.seal(self._protection, self._title, counter, apdu)
        return encode_length(len(body) + HEADER_OCTETS) + _HEADER.pack(self._protection, counter) + body

    def open(self, apdu: bytes) -> bytes:
        """The plain APDU inside. Raises NotAuthentic, Replayed, Malformed, Truncated, SuiteNotSupported."""
        plain_tag = None
        if apdu[0] == GENERAL_GLO:
            if apdu[:10] != self._peer_prefix:
                raise NotAuthentic("general-glo ciphering under a system title that is not the peer's")
            offset = 10
        else:
            plain_tag = PLAIN_OF.get(apdu[0])
            if plain_tag is None:
                raise NotAuthentic(f"APDU {apdu[0]:#04x} came unprotected, or in a form that is not supported")
            offset = 1
        control, counter, body = split_ciphered(apdu, offset)
        if control & self._protection != self._protection:
            judge_control(control)
            raise NotAuthentic(f"security control {control:#04x} protects less than {self._protection:#04x}")
        if counter <= self.last_accepted:
            raise Replayed(counter, self.last_accepted)
        plain = self._suite.open(control, self.peer_title, counter, body)
        if not plain or (plain_tag is not None and plain[0] != plain_tag):
            raise Malformed("the ciphered APDU holds another than its tag tells")
        self.last_accepted = counter
        return plain


def split_ciphered(apdu: bytes, offset: int) -> tuple[int, int, bytes]:
    """Security control, counter and body of the ciphered part, whose length stands at ``offset``."""
    length, offset = read_length(apdu, offset)
    if length != len(apdu) - offset:
        raise Truncated(f"a ciphered APDU announces {length} octets and has {len(apdu) - offset}")
    try:
        control, counter = _HEADER.unpack_from(apdu, offset)
    except struct_error:
        raise Truncated("a ciphered APDU ends within its security header") from None
    return control, counter, apdu[offset + HEADER_OCTETS :]
