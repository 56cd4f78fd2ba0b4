"""The GET service: normal, next, and answers in one or in blocks (IEC 62056-5-3)."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from struct import error as struct_error

from bijlighar.dlms.axdr import encode_length, read_length
from bijlighar.dlms.errors import Malformed, NotSupported, TooLarge, Truncated
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
    return head + (b"\x00" if selection is None else b"\x01" + selection.encode())


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


def decode_get_request(apdu: bytes) -> GetRequest | GetNext:
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
    raise NotSupported(f"get-request choice {choice} is not supported")


def _trailing_selection(apdu: bytes, offset: int) -> Selection | None:
    if offset >= len(apdu):
        raise Truncated("a get-request ends before its access selection")
    selection, end = decode_selection(apdu, offset + 1) if apdu[offset] else (None, offset + 1)
    if end != len(apdu):
        raise Malformed("octets follow a get-request")
    return selection


def decode_get_response(apdu: bytes) -> GetAnswer | GetBlock:
    """Raises Malformed, Truncated, NotSupported. Values are not decoded here."""
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
