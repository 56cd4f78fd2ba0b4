"""The SET service: normal, with list, and both in blocks (IEC 62056-5-3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bijlighar.dlms.axdr import encode_length
from bijlighar.dlms.errors import Malformed, NotSupported, Truncated
from bijlighar.dlms.xdlms.blocks import (
    Piece,
    check_count,
    decode_number,
    decode_piece,
    read_count,
    split_values,
)
from bijlighar.dlms.xdlms.get import NORMAL
from bijlighar.dlms.xdlms.references import DESCRIPTOR_OCTETS, AttributeRef, decode_descriptor
from bijlighar.dlms.xdlms.results import DataAccessResult, named

SET_REQUEST, SET_RESPONSE = 0xC1, 0xC5
_FIRST_BLOCK, _BLOCK, _LIST, _LIST_FIRST_BLOCK = 2, 3, 4, 5
_TAKEN, _LAST_TAKEN, _LIST_LAST_TAKEN, _LIST_DONE = 2, 3, 4, 5
HEAD_OCTETS: Final = 3
"""Tag, choice and invoke-id."""


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
class SetListRequest:
    """Writes several attributes. ``values`` raw A-XDR octets, one for each of ``refs``."""

    invoke: int
    refs: tuple[AttributeRef, ...]
    values: tuple[bytes, ...]

    def encode(self) -> bytes:
        """The octets. Raises LocalProtocolError for too many."""
        return b"".join(
            (bytes((SET_REQUEST, _LIST, self.invoke)), encode_refs(self.refs), encode_values(self.values))
        )


@dataclass(slots=True)
class SetBlock:
    """One block of a long value, or of the values of a list (``listed``); only the first names ``refs``."""

    invoke: int
    piece: Piece
    refs: tuple[AttributeRef, ...] = ()
    listed: bool = False

    def encode(self) -> bytes:
        """The octets."""
        if not self.refs:
            head, references = _BLOCK, b""
        elif self.listed:
            head, references = _LIST_FIRST_BLOCK, encode_refs(self.refs)
        else:
            head, references = _FIRST_BLOCK, self.refs[0].encode() + b"\x00"
        return bytes((SET_REQUEST, head, self.invoke)) + references + self.piece.encode()


def encode_refs(refs: Sequence[AttributeRef]) -> bytes:
    """Count and attributes of a list, without selective access. Raises LocalProtocolError for too many."""
    check_count(len(refs))
    return encode_length(len(refs)) + b"".join(ref.encode() + b"\x00" for ref in refs)


def encode_values(values: Sequence[bytes]) -> bytes:
    """Count and values of a list, as they follow the attributes or go in blocks."""
    return encode_length(len(values)) + b"".join(values)


def decode_values(octets: bytes, offset: int, expected: int) -> tuple[bytes, ...]:
    """The ``expected`` values that fill the rest of ``octets``, raw. Raises RemoteProtocolError."""
    count, offset = read_count(octets, offset)
    values, end = split_values(octets, offset, count)
    if count != expected or end != len(octets):
        raise Malformed(f"{count} values for {expected} references, or more than they hold")
    return tuple(values)


@dataclass(slots=True)
class SetAnswer:
    """How the writing went."""

    invoke: int
    result: DataAccessResult

    def encode(self) -> bytes:
        """The octets."""
        return bytes((SET_RESPONSE, NORMAL, self.invoke, self.result))


@dataclass(slots=True)
class SetListAnswer:
    """How the writing of a list went; ``block`` the number of the last block, None when there were none."""

    invoke: int
    results: tuple[DataAccessResult, ...]
    block: int | None = None

    def encode(self) -> bytes:
        """The octets."""
        results = encode_length(len(self.results)) + bytes(self.results)
        if self.block is None:
            return bytes((SET_RESPONSE, _LIST_DONE, self.invoke)) + results
        return bytes((SET_RESPONSE, _LIST_LAST_TAKEN, self.invoke)) + results + self.block.to_bytes(4, "big")


@dataclass(slots=True)
class SetBlockAnswer:
    """Block ``number`` was taken; ``result`` how the writing went when it was the last, else None."""

    invoke: int
    number: int
    result: DataAccessResult | None = None

    def encode(self) -> bytes:
        """The octets."""
        number = self.number.to_bytes(4, "big")
        if self.result is None:
            return bytes((SET_RESPONSE, _TAKEN, self.invoke)) + number
        return bytes((SET_RESPONSE, _LAST_TAKEN, self.invoke, self.result)) + number


def decode_set_request(apdu: bytes) -> SetRequest | SetListRequest | SetBlock:
    """Raises RemoteProtocolError. A single value is not decoded here."""
    if len(apdu) <= HEAD_OCTETS:
        raise Truncated("a set-request ends within its head")
    choice, invoke = apdu[1], apdu[2]
    if choice in (NORMAL, _FIRST_BLOCK):
        ref, offset = _reference(apdu, HEAD_OCTETS)
        if choice == _FIRST_BLOCK:
            return SetBlock(invoke, decode_piece(apdu, offset), (ref,))
        if offset >= len(apdu):
            raise Truncated("a set-request ends before its value")
        return SetRequest(invoke, ref, apdu[offset:])
    if choice == _BLOCK:
        return SetBlock(invoke, decode_piece(apdu, HEAD_OCTETS))
    if choice in (_LIST, _LIST_FIRST_BLOCK):
        refs, offset = _references(apdu)
        if choice == _LIST:
            return SetListRequest(invoke, refs, decode_values(apdu, offset, len(refs)))
        return SetBlock(invoke, decode_piece(apdu, offset), refs, listed=True)
    raise NotSupported(f"set-request choice {choice} is not supported")


def _reference(apdu: bytes, offset: int) -> tuple[AttributeRef, int]:
    class_id, obis, attribute = decode_descriptor(apdu, offset)
    offset += DESCRIPTOR_OCTETS
    if offset >= len(apdu):
        raise Truncated("a set-request ends before its access selection")
    if apdu[offset]:
        raise NotSupported("selective access with SET is not supported")
    return AttributeRef(class_id, obis, attribute), offset + 1


def _references(apdu: bytes) -> tuple[tuple[AttributeRef, ...], int]:
    count, offset = read_count(apdu, HEAD_OCTETS)
    refs = []
    for _ in range(count):
        ref, offset = _reference(apdu, offset)
        refs.append(ref)
    return tuple(refs), offset


def decode_set_response(apdu: bytes) -> SetAnswer | SetListAnswer | SetBlockAnswer:
    """Raises Malformed, Truncated, TooLarge, NotSupported."""
    if len(apdu) < HEAD_OCTETS + 1:
        raise Truncated("a set-response ends within its head")
    choice, invoke = apdu[1], apdu[2]
    if choice == NORMAL and len(apdu) == HEAD_OCTETS + 1:
        return SetAnswer(invoke, named(DataAccessResult, apdu[3]))
    if choice == _TAKEN:
        return SetBlockAnswer(invoke, decode_number(apdu))
    if choice == _LAST_TAKEN and len(apdu) == HEAD_OCTETS + 5:
        result = named(DataAccessResult, apdu[3])
        return SetBlockAnswer(invoke, int.from_bytes(apdu[4:], "big"), result)
    if choice in (_LIST_DONE, _LIST_LAST_TAKEN):
        return _list_answer(apdu, blocked=choice == _LIST_LAST_TAKEN)
    if choice in (NORMAL, _LAST_TAKEN):
        raise Truncated(f"a set-response of choice {choice} has {len(apdu)} octets")
    raise NotSupported(f"set-response choice {choice} is not supported")


def _list_answer(apdu: bytes, *, blocked: bool) -> SetListAnswer:
    count, offset = read_count(apdu, HEAD_OCTETS)
    end = offset + count
    if len(apdu) != end + (4 if blocked else 0):
        raise Truncated(f"a set-response-with-list announces {count} results and has {len(apdu)} octets")
    results = tuple([named(DataAccessResult, octet) for octet in apdu[offset:end]])
    return SetListAnswer(apdu[2], results, int.from_bytes(apdu[end:], "big") if blocked else None)
