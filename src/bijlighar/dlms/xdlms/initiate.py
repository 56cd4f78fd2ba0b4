"""InitiateRequest and InitiateResponse: what both sides can do, and how long a PDU may be (IEC 62056-5-3)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag
from struct import Struct

from bijlighar.dlms.axdr import encode_length, read_length
from bijlighar.dlms.errors import Malformed, Truncated

INITIATE_REQUEST, INITIATE_RESPONSE = 0x01, 0x08
DLMS_VERSION = 6
VAA_NAME_LN = 0x0007
"""The VAA name of logical name referencing."""
_CONFORMANCE_HEAD = b"\x5f\x1f\x04\x00"
_CONFORMANCE_OCTETS = 7
_USUAL_TAIL = Struct(">IHH")
_USUAL_RESPONSE = b"\x08\x00\x06" + _CONFORMANCE_HEAD


class Conformance(IntFlag):
    """The conformance block; bit 0 of the standard is the most significant of 24."""

    GENERAL_PROTECTION = 0x400000
    GENERAL_BLOCK_TRANSFER = 0x200000
    READ = 0x100000
    WRITE = 0x080000
    UNCONFIRMED_WRITE = 0x040000
    ATTRIBUTE0_WITH_SET = 0x008000
    PRIORITY_MANAGEMENT = 0x004000
    ATTRIBUTE0_WITH_GET = 0x002000
    BLOCK_TRANSFER_WITH_GET = 0x001000
    BLOCK_TRANSFER_WITH_SET = 0x000800
    BLOCK_TRANSFER_WITH_ACTION = 0x000400
    MULTIPLE_REFERENCES = 0x000200
    INFORMATION_REPORT = 0x000100
    DATA_NOTIFICATION = 0x000080
    ACCESS = 0x000040
    PARAMETERISED_ACCESS = 0x000020
    GET = 0x000010
    SET = 0x000008
    SELECTIVE_ACCESS = 0x000004
    EVENT_NOTIFICATION = 0x000002
    ACTION = 0x000001


@dataclass(frozen=True, slots=True, kw_only=True)
class InitiateRequest:
    """``conformance`` proposed (bits of Conformance); ``max_pdu`` the client can receive, in octets."""

    conformance: int
    max_pdu: int
    dedicated_key: bytes | None = None
    response_allowed: bool = True
    quality_of_service: int | None = None

    def encode(self) -> bytes:
        """The octets."""
        key, quality = self.dedicated_key, self.quality_of_service
        parts = (
            b"\x01\x00" if key is None else b"\x01\x01" + encode_length(len(key)) + key,
            b"\x00" if self.response_allowed else b"\x01\x00",
            b"\x00" if quality is None else bytes([1, quality]),
            _common(self.conformance, self.max_pdu),
        )
        return b"".join(parts)


@dataclass(slots=True)
class InitiateResponse:
    """``conformance`` negotiated; ``max_pdu`` the server can receive, in octets."""

    conformance: int
    max_pdu: int
    quality_of_service: int | None = None

    def encode(self) -> bytes:
        """The octets."""
        quality = b"\x00" if self.quality_of_service is None else bytes([1, self.quality_of_service])
        return b"\x08" + quality + _common(self.conformance, self.max_pdu) + VAA_NAME_LN.to_bytes(2, "big")


def _common(conformance: int, max_pdu: int) -> bytes:
    return b"\x06" + _CONFORMANCE_HEAD + conformance.to_bytes(3, "big") + max_pdu.to_bytes(2, "big")


def decode_initiate_request(apdu: bytes) -> InitiateRequest:
    """Raises Malformed, Truncated. Any dedicated key is given as it came."""
    if not apdu or apdu[0] != INITIATE_REQUEST:
        raise Malformed("this is no InitiateRequest")
    key, offset = None, 2
    if _octet(apdu, 1):
        length, offset = read_length(apdu, 2)
        key = apdu[offset : offset + length]
        offset += length
    response_allowed = True
    if _octet(apdu, offset):
        response_allowed = bool(_octet(apdu, offset + 1))
        offset += 1
    quality, offset = _optional(apdu, offset + 1)
    conformance, max_pdu = _decode_common(apdu, offset, behind=0)
    return InitiateRequest(
        conformance=conformance,
        max_pdu=max_pdu,
        dedicated_key=key,
        response_allowed=response_allowed,
        quality_of_service=quality,
    )


def decode_initiate_response(apdu: bytes) -> InitiateResponse:
    """Raises Malformed, Truncated."""
    if apdu.startswith(_USUAL_RESPONSE) and len(apdu) == 14:  # nearly every meter's
        conformance, max_pdu, name = _USUAL_TAIL.unpack_from(apdu, 6)
        if name == VAA_NAME_LN:
            return InitiateResponse(conformance, max_pdu)
    if not apdu or apdu[0] != INITIATE_RESPONSE:
        raise Malformed("this is no InitiateResponse")
    quality, offset = _optional(apdu, 1)
    conformance, max_pdu = _decode_common(apdu, offset, behind=2)
    if int.from_bytes(apdu[-2:], "big") != VAA_NAME_LN:
        raise Malformed("the server's VAA name is not that of logical name referencing")
    return InitiateResponse(conformance=conformance, max_pdu=max_pdu, quality_of_service=quality)


def _octet(apdu: bytes, offset: int) -> int:
    if offset >= len(apdu):
        raise Truncated("an initiate APDU ends within its fields")
    return apdu[offset]


def _optional(apdu: bytes, offset: int) -> tuple[int | None, int]:
    if not _octet(apdu, offset):
        return None, offset + 1
    return _octet(apdu, offset + 1), offset + 2


def _decode_common(apdu: bytes, offset: int, behind: int) -> tuple[int, int]:
    end = offset + 1 + _CONFORMANCE_OCTETS + 2
    if len(apdu) != end + behind:
        raise Truncated(f"an initiate APDU of {len(apdu)} octets, {end + behind} were expected")
    if apdu[offset] != DLMS_VERSION:
        raise Malformed(f"DLMS version {apdu[offset]}, not {DLMS_VERSION}")
    if apdu[offset + 1 : offset + 5] != _CONFORMANCE_HEAD:
        raise Malformed("a conformance block has 24 bits")
    return int.from_bytes(apdu[offset + 5 : offset + 8], "big"), int.from_bytes(apdu[offset + 8 : end], "big")
