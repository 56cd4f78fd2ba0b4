"""The SET service, normal (IEC 62056-5-3)."""

from __future__ import annotations

from dataclasses import dataclass

from bijlighar.dlms.errors import NotSupported, Truncated
from bijlighar.dlms.xdlms.get import NORMAL
from bijlighar.dlms.xdlms.references import DESCRIPTOR_OCTETS, AttributeRef, decode_descriptor
from bijlighar.dlms.xdlms.results import DataAccessResult, named

SET_REQUEST, SET_RESPONSE = 0xC1, 0xC5


@dataclass(slots=True)
class SetRequest:
    """Writes one attribute. ``value`` raw A-XDR octets."""

    invoke: int
    ref: AttributeRef
    value: bytes

    def encode(self) -> bytes:
        """The octets, without selective access."""
        return b"".join((bytes((SET_REQUEST, NORMAL, self.invoke)), self.ref.encode(), b"\x00", self.value))


@dataclass(slots=True)
class SetAnswer:
    """How the writing went."""

    invoke: int
    result: DataAccessResult

    def encode(self) -> bytes:
        """The octets."""
        return bytes((SET_RESPONSE, NORMAL, self.invoke, self.result))


def decode_set_request(apdu: bytes) -> SetRequest:
    """Raises Truncated, NotSupported. The value is not decoded here."""
    offset = 3 + DESCRIPTOR_OCTETS
    if len(apdu) < offset + 2:
        raise Truncated("a set-request ends before its value")
    if apdu[1] != NORMAL:
        raise NotSupported(f"set-request choice {apdu[1]} is not supported")
    class_id, obis, attribute = decode_descriptor(apdu, 3)
    if apdu[offset]:
        raise NotSupported("selective access with SET is not supported")
    return SetRequest(apdu[2], AttributeRef(class_id, obis, attribute), apdu[offset + 1 :])


def decode_set_response(apdu: bytes) -> SetAnswer:
    """Raises Truncated, NotSupported."""
    if len(apdu) != 4:
        raise Truncated(f"a set-response has 4 octets, not {len(apdu)}")
    if apdu[1] != NORMAL:
        raise NotSupported(f"set-response choice {apdu[1]} is not supported")
    return SetAnswer(apdu[2], named(DataAccessResult, apdu[3]))
