"""The GET service: normal, with list, next, and answers in one or in blocks (IEC 62056-5-3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from struct import Struct
from struct import error as struct_error
from typing import TypeAlias

from bijlighar.dlms.axdr import decode_from, encode_length, read_length
from bijlighar.dlms.errors import Malformed, NotSupported, TooLarge, Truncated
from bijlighar.dlms.xdlms.blocks import check_count, read_count
from bijlighar.dlms.xdlms.references import (
    DESCRIPTOR_OCTETS,
    AttributeRef,
    Selection,
    decode_descriptor,
    decode_selection,
)
from bijlighar.dlms.xdlms.results import DataAccessResult, named

GET_REQUEST, GET_RESPONSE = 0xC0, 0xC4
NORMAL, BLOCK, LIST = 1, 2, 3
BLOCK_OVERHEAD = 12
"""Octets of a block's own header at most: tag, choice, invoke-id, last, number (4), choice, length (3)."""
_BLOCK = Struct(">BBBBIB")
_unpack_block = Struct(">3xBIB").unpack_from
_unpack_usual_block = Struct(">3xBIHH").unpack_from
_DATA_OF_ONE_LENGTH_OCTET, _DATA_OF_TWO_LENGTH_OCTETS = 0x0081, 0x0082
_NEXT = Struct(">BBBI")


@dataclass(slots=True)
class GetRequest:
    """Asks for one attribute. ``invoke`` is the whole invoke-id-and-priority octet."""

    invoke: int
    ref: AttributeRef
    selection: Selection | None = None

    def encode(self) -> bytes:
        """The octets."""
        return encode_get(self.invoke, self.ref, self.selection)


def encode_get(invoke: int, ref: AttributeRef, selection: Selection | None) -> bytes:
    """The octets of a GetRequest."""
    head = bytes((GET_REQUEST, NORMAL, invoke)) + ref.encode()
    return head + b"\x00" if selection is None else head + b"\x01" + selection.encode()


Asked: TypeAlias = tuple[AttributeRef, Selection | None]
"""One attribute of a list, or some rows of it."""


@dataclass(slots=True)
class GetListRequest:
    """Asks for several attributes at once."""

    invoke: int
    asked: tuple[Asked, ...]

    def encode(self) -> bytes:
        """The octets. Raises LocalProtocolError for too many."""
        check_count(len(self.asked))
        parts = [bytes((GET_REQUEST, LIST, self.invoke)), encode_length(len(self.asked))]
        for ref, selection in self.asked:
            parts += (ref.encode(), b"\x00" if selection is None else b"\x01" + selection.encode())
        return b"".join(parts)


@dataclass(slots=True)
class GetNext:
    """Asks for the block after ``block``, which it acknowledges."""

    invoke: int
    block: int

    def encode(self) -> bytes:
        """The octets."""
        return encode_next(self.invoke, self.block)


def encode_next(invoke: int, block: int) -> bytes:
    """The octets of a GetNext."""
    return _NEXT.pack(GET_REQUEST, BLOCK, invoke, block)


@dataclass(slots=True)
class GetAnswer:
    """The attribute: ``value`` the raw A-XDR octets, or None with a ``result``."""

    invoke: int
    value: bytes | None
    result: DataAccessResult = DataAccessResult.SUCCESS

    def encode(self) -> bytes:
        """The octets."""
        if self.value is None:
            return bytes((GET_RESPONSE, NORMAL, self.invoke, 1, self.result))
        return bytes((GET_RESPONSE, NORMAL, self.invoke, 0)) + self.value


@dataclass(slots=True)
class GetBlock:
    """One piece of an attribute. ``number`` from 1; ``piece`` None with a ``result``."""

    invoke: int
    last: bool
    number: int
    piece: bytes | None
    result: DataAccessResult = DataAccessResult.SUCCESS

    def encode(self) -> bytes:
        """The octets."""
        head = (GET_RESPONSE, BLOCK, self.invoke, self.last, self.number)
        if self.piece is None:
            return _BLOCK.pack(*head, 1) + bytes([self.result])
        return _BLOCK.pack(*head, 0) + encode_length(len(self.piece)) + self.piece


GetResult: TypeAlias = bytes | DataAccessResult
"""What became of one attribute: its raw A-XDR octets, or why there are none."""


def encode_results(results: Sequence[GetResult]) -> bytes:
    """Count and results of a list, as they follow the invoke-id or go in blocks."""
    parts = [encode_length(len(results))]
    parts += [
        bytes((1, result)) if isinstance(result, DataAccessResult) else b"\x00" + result for result in results
    ]
    return b"".join(parts)


def decode_results(octets: bytes, expected: int) -> tuple[GetResult, ...]:
    """The ``expected`` results that fill ``octets``. Raises RemoteProtocolError."""
    count, offset = read_count(octets, 0)
    if count != expected:
        raise Malformed(f"{count} results for {expected} attributes")
    results = []
    for _ in range(count):
        result, offset = decode_result(octets, offset)
        results.append(result)
    if offset != len(octets):
        raise Malformed("octets follow the results of a list")
    return tuple(results)


def decode_result(octets: bytes, offset: int) -> tuple[GetResult, int]:
    """One result of a list, and the offset behind it. Raises RemoteProtocolError."""
    if offset + 1 >= len(octets):
        raise Truncated("a list ends where a result should stand")
    if octets[offset] == 0:
        end = decode_from(octets, offset + 1)[1]
        return octets[offset + 1 : end], end
    if octets[offset] != 1:
        raise Malformed("a result of a list is neither data nor a result")
    return named(DataAccessResult, octets[offset + 1]), offset + 2


def encode_list_answer(invoke: int, results: bytes) -> bytes:
    """A get-response-with-list; ``results`` as ``encode_results`` gives them."""
    return bytes((GET_RESPONSE, LIST, invoke)) + results


def decode_get_request(apdu: bytes) -> GetRequest | GetListRequest | GetNext:
    """Raises Malformed, Truncated, TooLarge, NotSupported."""
    if len(apdu) < 3:
        raise Truncated("a get-request ends within its head")
    choice, invoke = apdu[1], apdu[2]
    if choice == NORMAL:
        class_id, obis, attribute = decode_descriptor(apdu, 3)
        selection = _trailing_selection(apdu, 3 + DESCRIPTOR_OCTETS)
        return GetRequest(invoke, AttributeRef(class_id, obis, attribute), selection)
    if choice == BLOCK:
        if len(apdu) != _NEXT.size:
            raise Truncated(f"a get-request-next has {_NEXT.size} octets, not {len(apdu)}")
        return GetNext(invoke, _NEXT.unpack(apdu)[3])
    if choice == LIST:
        asked, end = decode_asked(apdu)
        if end != len(apdu):
            raise Malformed("octets follow a get-request-with-list")
        return GetListRequest(invoke, asked)
    raise NotSupported(f"get-request choice {choice} is not supported")


def decode_asked(apdu: bytes) -> tuple[tuple[Asked, ...], int]:
    """The attributes of a request with list, and the offset behind them. Raises RemoteProtocolError."""
    count, offset = read_count(apdu, 3)
    asked: list[Asked] = []
    for _ in range(count):
        class_id, obis, attribute = decode_descriptor(apdu, offset)
        selection, offset = _selection(apdu, offset + DESCRIPTOR_OCTETS)
        asked.append((AttributeRef(class_id, obis, attribute), selection))
    return tuple(asked), offset


def _selection(apdu: bytes, offset: int) -> tuple[Selection | None, int]:
    if offset >= len(apdu):
        raise Truncated("a get-request ends before its access selection")
    return decode_selection(apdu, offset + 1) if apdu[offset] else (None, offset + 1)


def _trailing_selection(apdu: bytes, offset: int) -> Selection | None:
    selection, end = _selection(apdu, offset)
    if end != len(apdu):
        raise Malformed("octets follow a get-request")
    return selection


def decode_get_response(apdu: bytes) -> GetAnswer | GetBlock:
    """Raises Malformed, Truncated, NotSupported. Values are not decoded here; a list is for ``decode_results``."""
    if len(apdu) < 5:
        raise Truncated("a get-response ends within its head")
    choice, invoke = apdu[1], apdu[2]
    if choice == BLOCK:
        last, number, piece = split_block(apdu)
        if isinstance(piece, bytes):
            return GetBlock(invoke, last, number, piece)
        return GetBlock(invoke, last, number, None, piece)
    if choice != NORMAL:
        raise NotSupported(f"get-response choice {choice} is not supported")
    if apdu[3] == 0:
        return GetAnswer(invoke, apdu[4:])
    if apdu[3] != 1 or len(apdu) != 5:
        raise Malformed("a get-response holds neither data nor a result")
    return GetAnswer(invoke, None, named(DataAccessResult, apdu[4]))


def split_block(apdu: bytes) -> tuple[bool, int, bytes | DataAccessResult]:
    """Of a get-response-with-block: whether it is the last, its number, its piece or why there is none."""
    size = len(apdu) - BLOCK_OVERHEAD
    if size >= 0:
        last, number, form, length = _unpack_usual_block(apdu)
        if form == _DATA_OF_TWO_LENGTH_OCTETS and length == size:  # the form of every long block
            return last != 0, number, apdu[BLOCK_OVERHEAD:]
        if form == _DATA_OF_ONE_LENGTH_OCTET and length >> 8 == size + 1:  # of a last block of middle size
            return last != 0, number, apdu[BLOCK_OVERHEAD - 1 :]
    try:
        last, number, failed = _unpack_block(apdu)
    except struct_error:
        raise Truncated("a get-response-with-block ends within its head") from None
    offset = _BLOCK.size
    if failed:
        if failed != 1 or len(apdu) != offset + 1:
            raise Malformed("a block holds neither data nor a result")
        return bool(last), number, named(DataAccessResult, apdu[offset])
    length, offset = read_length(apdu, offset)
    held = len(apdu) - offset
    if length != held:
        raise (Truncated if length > held else TooLarge)(f"a block announces {length} octets and has {held}")
    return last != 0, number, apdu[offset:]
