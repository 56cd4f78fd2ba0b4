"""Lengths and counts of A-XDR: one octet up to 127, or 80h + n and then n octets (IEC 61334-6)."""

from __future__ import annotations

from bijlighar.dlms.errors import LocalProtocolError, Malformed, Truncated

_SHORT = [bytes([n]) for n in range(0x80)]
_MAX_LENGTH_OCTETS = 4
"""Four octets name 4 GiB, beyond every limit here; more of them can only be an attack."""


def encode_length(length: int) -> bytes:
    """The shortest form. ``length`` 0 to 2^32 - 1."""
    if 0 <= length < 0x80:
        return _SHORT[length]
    if length < 0 or length >> 32:
        raise LocalProtocolError(f"a length of {length} cannot be encoded")
    size = (length.bit_length() + 7) // 8
    return bytes([0x80 | size]) + length.to_bytes(size, "big")


def read_length(octets: bytes, offset: int) -> tuple[int, int]:
    """``(length, offset behind it)``. Forms longer than need be are accepted: meters send them."""
    try:
        first = octets[offset]
        if first < 0x80:
            return first, offset + 1
        if first == 0x82:
            return octets[offset + 1] << 8 | octets[offset + 2], offset + 3
    except IndexError:
        raise Truncated("the octets end where a length should stand") from None
    offset += 1
    size = first & 0x7F
    if not 1 <= size <= _MAX_LENGTH_OCTETS:
        raise Malformed(f"a length of {size} octets")
    behind = offset + size
    if behind > len(octets):
        raise Truncated("the octets end within a length")
    return int.from_bytes(octets[offset:behind], "big"), behind
