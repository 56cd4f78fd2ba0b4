"""ACSE: opening and releasing an association, AARQ, AARE, RLRQ, RLRE in BER (IEC 62056-5-3).

Only what DLMS uses is read: context name, titles, mechanism, authentication value, result and user information.
Fields that are known to exist and do not matter here are passed over; every step consumes octets.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from bijlighar.dlms.axdr import encode_length, read_length
from bijlighar.dlms.errors import Malformed, TooLarge, Truncated
from bijlighar.dlms.limits import MAX_APDU_FIELD_OCTETS

AARQ, AARE, RLRQ, RLRE = 0x60, 0x61, 0x62, 0x63

LN_CONTEXT, LN_CIPHERED_CONTEXT = 1, 3
"""Application contexts: logical names without and with ciphering (2.16.756.5.8.1.n)."""

_OBJECT = bytes.fromhex("6085740508")
_CONTEXT = _OBJECT + b"\x01"
_MECHANISM = _OBJECT + b"\x02"
_REQUIREMENTS = b"\x02\x07\x80"
_CONTEXT_FIELD = b"\xa1\x09\x06\x07" + _CONTEXT
_DIAGNOSTIC_USER, _DIAGNOSTIC_PROVIDER = 0xA1, 0xA2


class AssociationResult(IntEnum):
    """What the server decided."""

    ACCEPTED = 0
    REJECTED_PERMANENT = 1
    REJECTED_TRANSIENT = 2


class Diagnostic(IntEnum):
    """Why, as the ACSE service user tells it (a provider's diagnostic n is kept as PROVIDER + n)."""

    NONE = 0
    NO_REASON = 1
    CONTEXT_NOT_SUPPORTED = 2
    CALLING_TITLE_NOT_RECOGNISED = 3
    MECHANISM_NOT_RECOGNISED = 11
    MECHANISM_REQUIRED = 12
    AUTHENTICATION_FAILURE = 13
    AUTHENTICATION_REQUIRED = 14
    PROVIDER = 100


@dataclass(slots=True, kw_only=True)
class Aarq:
    """A client's wish. ``context`` LN_CONTEXT or LN_CIPHERED_CONTEXT; ``mechanism`` 0 = none."""

    context: int
    mechanism: int = 0
    calling_title: bytes | None = None
    authentication_value: bytes | None = None
    user_information: bytes | None = None

    def encode(self) -> bytes:
        """The octets."""
        parts = [_CONTEXT_FIELD, bytes([self.context])]
        if self.calling_title is not None:
            parts += (_field(0xA6, _field(0x04, self.calling_title)),)
        if self.mechanism:
            parts += (b"\x8a", _REQUIREMENTS, b"\x8b\x07", _MECHANISM, bytes([self.mechanism]))
        if self.authentication_value is not None:
            parts.append(_field(0xAC, _field(0x80, self.authentication_value)))
        if self.user_information is not None:
            parts.append(_field(0xBE, _field(0x04, self.user_information)))
        return _field(AARQ, b"".join(parts))


@dataclass(slots=True)
class Aare:
    """A server's answer. ``diagnostic``: a Diagnostic, or the bare number of one that is not listed there."""

    context: int
    result: int
    diagnostic: int
    responding_title: bytes | None = None
    mechanism: int = 0
    authentication_value: bytes | None = None
    user_information: bytes | None = None

    def encode(self) -> bytes:
        """The octets."""
        provider = self.diagnostic >= Diagnostic.PROVIDER
        source = _DIAGNOSTIC_PROVIDER if provider else _DIAGNOSTIC_USER
        reason = self.diagnostic - Diagnostic.PROVIDER if provider else self.diagnostic
        parts = [
            *(_CONTEXT_FIELD, bytes([self.context])),
            *(b"\xa2\x03\x02\x01", bytes([self.result])),
            *(b"\xa3\x05", bytes([source]), b"\x03\x02\x01", bytes([reason])),
        ]
        if self.responding_title is not None:
            parts.append(_field(0xA4, _field(0x04, self.responding_title)))
        if self.mechanism:
            parts += (b"\x88", _REQUIREMENTS, b"\x89\x07", _MECHANISM, bytes([self.mechanism]))
        if self.authentication_value is not None:
            parts.append(_field(0xAA, _field(0x80, self.authentication_value)))
        if self.user_information is not None:
            parts.append(_field(0xBE, _field(0x04, self.user_information)))
        return _field(AARE, b"".join(parts))


@dataclass(slots=True)
class Release:
    """RLRQ or RLRE. ``reason`` 0 = normal; None = not given."""

    reason: int | None = 0
    user_information: bytes | None = None

    def encode(self, tag: int) -> bytes:
        """The octets under ``tag`` RLRQ or RLRE."""
        content = b"" if self.reason is None else bytes([0x80, 1, self.reason])
        if self.user_information is not None:
            content += _field(0xBE, _field(0x04, self.user_information))
        return _field(tag, content)


def decode_aarq(apdu: bytes) -> Aarq:
    """Raises Malformed, Truncated, TooLarge."""
    aarq = Aarq(context=0)
    for tag, content in _fields(apdu, AARQ):
        if tag == 0xA1:
            aarq.context = _named(content[2:], _CONTEXT)
        elif tag == 0xA6:
            aarq.calling_title = _inner(content, 0x04)
        elif tag == 0x8B:
            aarq.mechanism = _named(content, _MECHANISM)
        elif tag == 0xAC:
            aarq.authentication_value = _inner(content, 0x80)
        elif tag == 0xBE:
            aarq.user_information = _inner(content, 0x04)
        elif tag not in _PASSED_OVER:
            raise Malformed(f"AARQ field {tag:#04x} is not known")
    return aarq


def decode_aare(apdu: bytes) -> Aare:
    """Raises Malformed, Truncated, TooLarge. A missing result counts as a rejection."""
    return _usual_challenge(apdu) or _usual_acceptance(apdu) or _any_aare(apdu)


def _usual_acceptance(apdu: bytes) -> Aare | None:
    """The AARE of nearly every meter that has seen its password, taken apart at fixed offsets; None for any other.

    Ciphered context, accepted, title, information.
    """
    size = len(apdu)
    if (
        apdu[2:29] != _ACCEPTING_HEAD
        or not 42 <= size < 0x82
        or (apdu[0] != AARE or apdu[1] != size - 2)
        or (apdu[37] != 0xBE or apdu[38] != size - 39 or apdu[39] != 0x04 or apdu[40] != size - 41)
    ):
        return None
    return Aare(LN_CIPHERED_CONTEXT, 0, 0, apdu[29:37], 0, None, apdu[41:])


def _usual_challenge(apdu: bytes) -> Aare | None:
    """The AARE of nearly every meter that wants a proof, taken apart at fixed offsets; None for any other.

    Ciphered context, accepted, authentication required, title, mechanism, a challenge of 16 octets, information.
    """
    size = len(apdu)
    if (
        apdu[2:29] != _USUAL_HEAD
        or apdu[37:49] != _USUAL_MECHANISM
        or apdu[50:54] != b"\xaa\x12\x80\x10"
        or not 75 <= size < 0x82
        or (apdu[0] != AARE or apdu[1] != size - 2)
        or (apdu[70] != 0xBE or apdu[71] != size - 72 or apdu[72] != 0x04 or apdu[73] != size - 74)
    ):
        return None
    return Aare(LN_CIPHERED_CONTEXT, 0, _PROOF_REQUIRED, apdu[29:37], apdu[49], apdu[54:70], apdu[74:])


def _any_aare(apdu: bytes) -> Aare:
    aare = Aare(context=0, result=AssociationResult.REJECTED_PERMANENT, diagnostic=Diagnostic.NO_REASON)
    for tag, content in _fields(apdu, AARE):
        if tag == 0xA1:
            aare.context = _named(content[2:], _CONTEXT)
        elif tag == 0xA2:
            aare.result = _small_integer(_inner(content, 0x02))
        elif tag == 0xA3:
            aare.diagnostic = _diagnostic(content)
        elif tag == 0xA4:
            aare.responding_title = _inner(content, 0x04)
        elif tag == 0x89:
            aare.mechanism = _named(content, _MECHANISM)
        elif tag == 0xAA:
            aare.authentication_value = _inner(content, 0x80)
        elif tag == 0xBE:
            aare.user_information = _inner(content, 0x04)
        elif tag not in _PASSED_OVER:
            raise Malformed(f"AARE field {tag:#04x} is not known")
    return aare


def decode_release(apdu: bytes, tag: int) -> Release:
    """An RLRQ or RLRE, as ``tag`` tells. Raises Malformed, Truncated, TooLarge."""
    if apdu[2:6] == b"\x80\x01\x00\xbe" and apdu[0] == tag and 9 <= len(apdu) < 0x80:
        size = len(apdu) - 9  # the usual form: reason normal, then information
        if apdu[1] == size + 7 and apdu[6] == size + 2 and apdu[7] == 0x04 and apdu[8] == size:
            return Release(0, apdu[9:])
    release = Release(reason=None)
    for field_tag, content in _fields(apdu, tag):
        if field_tag == 0x80:
            release.reason = _small_integer(content)
        elif field_tag == 0xBE:
            release.user_information = _inner(content, 0x04)
        else:
            raise Malformed(f"release field {field_tag:#04x} is not known")
    return release


_PROOF_REQUIRED = Diagnostic.AUTHENTICATION_REQUIRED
_USUAL_HEAD = _CONTEXT_FIELD + bytes.fromhex("03 A203020100 A305A10302010E A40A0408")
_ACCEPTING_HEAD = _CONTEXT_FIELD + bytes.fromhex("03 A203020100 A305A103020100 A40A0408")
_USUAL_MECHANISM = b"\x88" + _REQUIREMENTS + b"\x89\x07" + _MECHANISM
_PASSED_OVER = frozenset({0x80, 0xA2, 0xA3, 0xA4, 0xA5, 0xA7, 0xA8, 0xA9, 0x8A, 0x88, 0xBD})
"""Protocol version, qualifiers, invocation ids, requirements, implementation information: nothing is decided by
them. The calling client is known by wPort, title and authentication."""


def _field(tag: int, content: bytes) -> bytes:
    return bytes([tag]) + encode_length(len(content)) + content


def _fields(apdu: bytes, tag: int) -> Iterator[tuple[int, bytes]]:
    if not apdu or apdu[0] != tag:
        raise Malformed(f"this APDU does not begin with {tag:#04x}")
    length, offset = read_length(apdu, 1)
    if offset + length != len(apdu):
        raise Truncated(f"the APDU announces {length} octets and has {len(apdu) - offset}")
    while offset < len(apdu):
        content, behind = _content(apdu, offset + 1)
        yield apdu[offset], content
        offset = behind


def _content(octets: bytes, offset: int) -> tuple[bytes, int]:
    length, offset = read_length(octets, offset)
    if length > MAX_APDU_FIELD_OCTETS:
        raise TooLarge(f"a field of {length} octets")
    if offset + length > len(octets):
        raise Truncated(f"a field announces {length} octets, {len(octets) - offset} are there")
    return octets[offset : offset + length], offset + length


def _inner(content: bytes, tag: int) -> bytes:
    if not content or content[0] != tag:
        raise Malformed(f"a field does not hold {tag:#04x}")
    inner, behind = _content(content, 1)
    if behind != len(content):
        raise Malformed("octets follow the content of a field")
    return inner


def _named(octets: bytes, prefix: bytes) -> int:
    if len(octets) != 7 or octets[:6] != prefix:
        raise Malformed("an object identifier is not one of DLMS")
    return octets[6]


def _small_integer(octets: bytes) -> int:
    if len(octets) != 1:
        raise Malformed("an integer of one octet was expected")
    return octets[0]


def _diagnostic(content: bytes) -> int:
    source = content[0] if content else 0
    if source not in (_DIAGNOSTIC_USER, _DIAGNOSTIC_PROVIDER):
        raise Malformed("a diagnostic without a source")
    reason = _small_integer(_inner(_inner(content, source), 0x02))
    return reason if source == _DIAGNOSTIC_USER else Diagnostic.PROVIDER + reason
