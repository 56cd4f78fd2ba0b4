"""Invocation counters as they stand in a client's frames, read without any machine of the product."""

from __future__ import annotations

_WRAPPER_OCTETS = 8
_AARQ, _RLRQ = 0x60, 0x62
_CALLING_TITLE, _USER_INFORMATION = 0xA6, 0xBE
_GLO_INITIATE = 0x21
_GLO_REQUESTS = frozenset({0xC8, 0xC9, 0xCB, 0xD0, 0xD1, 0xD3})  # glo and ded: get, set, action
_GENERAL = frozenset({0xDB, 0xDC})


def caller(frame: bytes) -> int:
    """The client's address in a frame of the TCP wrapper (IEC 62056-47)."""
    return int.from_bytes(frame[2:4], "big")


def counter(frame: bytes) -> int | None:
    """The invocation counter of a frame's ciphered APDU, None when nothing in it is ciphered."""
    apdu = frame[_WRAPPER_OCTETS:]
    if not apdu:
        return None
    if apdu[0] in (_AARQ, _RLRQ):
        apdu = _field(apdu, _USER_INFORMATION)
        return _of_ciphered(apdu) if apdu and apdu[0] == _GLO_INITIATE else None
    if apdu[0] in _GENERAL:
        at = 2 + apdu[1]
        return _of_ciphered(b"\x00" + apdu[at:])
    return _of_ciphered(apdu) if apdu[0] in _GLO_REQUESTS else None


def _of_ciphered(apdu: bytes) -> int:
    """Tag, length, security control, then four octets of counter."""
    at = 1 + _octets_of_length(apdu, 1) + 1
    return int.from_bytes(apdu[at : at + 4], "big")


def _octets_of_length(octets: bytes, at: int) -> int:
    return 1 if octets[at] < 0x80 else 1 + (octets[at] & 0x7F)


def _length(octets: bytes, at: int) -> int:
    count = _octets_of_length(octets, at)
    return octets[at] if count == 1 else int.from_bytes(octets[at + 1 : at + count], "big")


def title(frame: bytes) -> bytes | None:
    """The client's system title where a frame tells it, in an AARQ; else None."""
    apdu = frame[_WRAPPER_OCTETS:]
    return _field(apdu, _CALLING_TITLE) if apdu and apdu[0] == _AARQ else None


def _field(apdu: bytes, wanted: int) -> bytes:
    """The octet string inside a field of an AARQ or RLRQ; empty when it has none."""
    at = 1 + _octets_of_length(apdu, 1)
    while at + 1 < len(apdu):
        tag, size, head = apdu[at], _length(apdu, at + 1), 1 + _octets_of_length(apdu, at + 1)
        if tag == wanted:
            inner = at + head
            begin = inner + 1 + _octets_of_length(apdu, inner + 1)
            return apdu[begin : begin + _length(apdu, inner + 1)]
        at += head + size
    return b""
