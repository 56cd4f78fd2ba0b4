"""The wrapper over UDP: one APDU a datagram, whole or not at all (IEC 62056-47).

What meters push comes this way too, a last gasp above all. Nothing is gathered here: a datagram that is not
exactly one frame is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Final

from bijlighar.dlms.errors import LocalProtocolError, Malformed, TooLarge, Truncated
from bijlighar.dlms.wrapper import HEADER_OCTETS, WRAPPER_VERSION

MAX_DATAGRAM_OCTETS: Final = 2048
"""What one may have: above any link's MTU, so longer ones are put together from fragments or an attack. A push of
a whole day's rows goes in general blocks or over TCP."""

_HEADER = Struct(">HHHH")


@dataclass(frozen=True, slots=True, kw_only=True)
class Datagram:
    """One APDU with its wPorts: ``source`` who sends, ``destination`` whom it is for."""

    source: int
    destination: int
    apdu: bytes

    def encode(self) -> bytes:
        """The octets. Raises LocalProtocolError when they are too many, or none."""
        if not 1 <= len(self.apdu) <= MAX_DATAGRAM_OCTETS - HEADER_OCTETS:
            raise LocalProtocolError(f"an APDU of {len(self.apdu)} octets does not go in one datagram")
        return _HEADER.pack(WRAPPER_VERSION, self.source, self.destination, len(self.apdu)) + self.apdu


def decode_datagram(octets: bytes) -> Datagram:
    """Raises TooLarge, Truncated, Malformed."""
    if len(octets) > MAX_DATAGRAM_OCTETS:
        raise TooLarge(f"a datagram of more than {MAX_DATAGRAM_OCTETS} octets")
    if len(octets) <= HEADER_OCTETS:
        raise Truncated("a datagram ends within its header")
    version, source, destination, size = _HEADER.unpack_from(octets)
    if version != WRAPPER_VERSION:
        raise Malformed(f"wrapper version {version}, not {WRAPPER_VERSION}")
    held = len(octets) - HEADER_OCTETS
    if size != held:
        raise (Truncated if size > held else Malformed)(f"a datagram announces {size} octets and has {held}")
    return Datagram(source=source, destination=destination, apdu=octets[HEADER_OCTETS:])
