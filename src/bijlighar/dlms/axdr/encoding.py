"""From Data to octets."""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from struct import error as struct_error
from typing import cast

from bijlighar.dlms.axdr.lengths import encode_length
from bijlighar.dlms.axdr.values import Data, Tag, Value
from bijlighar.dlms.errors import LocalProtocolError
from bijlighar.dlms.limits import MAX_DEPTH

FIXED: dict[Tag, Struct] = {
    Tag.BOOLEAN: Struct(">?"),
    Tag.INTEGER: Struct(">b"),
    Tag.BCD: Struct(">b"),
    Tag.UNSIGNED: Struct(">B"),
    Tag.ENUM: Struct(">B"),
    Tag.LONG: Struct(">h"),
    Tag.LONG_UNSIGNED: Struct(">H"),
    Tag.DOUBLE_LONG: Struct(">i"),
    Tag.DOUBLE_LONG_UNSIGNED: Struct(">I"),
    Tag.LONG64: Struct(">q"),
    Tag.LONG64_UNSIGNED: Struct(">Q"),
    Tag.FLOAT32: Struct(">f"),
    Tag.FLOAT64: Struct(">d"),
}
"""Numbers: their one and only form."""

FIXED_OCTETS = {Tag.DATE_TIME: 12, Tag.DATE: 5, Tag.TIME: 4}
"""Octet strings whose length the tag tells."""

_TAGS = {tag: bytes([tag]) for tag in Tag}


def encode(data: Data) -> bytes:
    """The octets of ``data``, tag first. Raises LocalProtocolError for a value that its type cannot hold."""
    parts: list[bytes] = []
    _append(parts, data, 0)
    return b"".join(parts)


def _append(parts: list[bytes], data: Data, depth: int) -> None:
    tag = data.tag
    parts.append(_TAGS[tag])
    if tag is Tag.ARRAY or tag is Tag.STRUCTURE:
        elements = _elements(data, depth)
        parts.append(encode_length(len(elements)))
        for element in elements:
            _append(parts, element, depth + 1)
    elif tag is Tag.COMPACT_ARRAY:
        _append_compact(parts, _elements(data, depth), depth)
    else:
        parts.append(_scalar(tag, data.value))


def _elements(data: Data, depth: int) -> tuple[Data, ...]:
    if depth >= MAX_DEPTH:
        raise LocalProtocolError(f"values nest deeper than {MAX_DEPTH}")
    if not isinstance(data.value, tuple):
        raise LocalProtocolError(f"{data.tag.name} holds Data, not {type(data.value).__name__}")
    return data.value


def _scalar(tag: Tag, value: Value) -> bytes:
    try:
        form = FIXED.get(tag)
        return form.pack(value) if form else _STRINGS[tag](value)
    except (struct_error, TypeError, ValueError, OverflowError, AttributeError) as fault:
        raise LocalProtocolError(f"{tag.name} cannot hold this {type(value).__name__}: {fault}") from None


def _null(value: Value) -> bytes:
    if value is not None:
        raise ValueError("null-data holds nothing")
    return b""


def _counted(octets: bytes) -> bytes:
    return encode_length(len(octets)) + octets


def _octet_string(value: Value) -> bytes:
    if not isinstance(value, bytes):
        raise TypeError("an octet-string holds bytes")
    return _counted(value)


def _bit_string(value: Value) -> bytes:
    text = cast("str", value)
    if text.strip("01"):
        raise ValueError("a bit-string holds only 0 and 1")
    size = (len(text) + 7) // 8
    packed = int(text, 2) << (8 * size - len(text)) if text else 0
    return encode_length(len(text)) + packed.to_bytes(size, "big")


def _sized(size: int) -> Callable[[Value], bytes]:
    def encode_sized(value: Value) -> bytes:
        if not isinstance(value, bytes) or len(value) != size:
            raise ValueError(f"exactly {size} octets are needed")
        return value

    return encode_sized


_STRINGS: dict[Tag, Callable[[Value], bytes]] = {
    Tag.NULL_DATA: _null,
    Tag.BIT_STRING: _bit_string,
    Tag.OCTET_STRING: _octet_string,
    Tag.VISIBLE_STRING: lambda value: _counted(cast("str", value).encode("latin-1")),
    Tag.UTF8_STRING: lambda value: _counted(cast("str", value).encode()),
    **{tag: _sized(size) for tag, size in FIXED_OCTETS.items()},
}


def _append_compact(parts: list[bytes], elements: tuple[Data, ...], depth: int) -> None:
    """Contents description of the first element, then all contents without tags (IEC 62056-6-2)."""
    description = _description(elements[0], depth + 1) if elements else _TAGS[Tag.NULL_DATA]
    contents: list[bytes] = []
    for element in elements:
        if _description(element, depth + 1) != description:
            raise LocalProtocolError("the elements of a compact-array must all have one type")
        _append_contents(contents, element)
    parts += (description, _counted(b"".join(contents)))
    if elements and not parts[-1][1:]:
        raise LocalProtocolError("the elements of a compact-array must have contents")


def _description(data: Data, depth: int) -> bytes:
    tag = data.tag
    if tag is Tag.COMPACT_ARRAY:
        raise LocalProtocolError("a compact-array cannot hold a compact-array")
    if tag is Tag.STRUCTURE:
        inner = [_description(element, depth + 1) for element in _elements(data, depth)]
        return _TAGS[tag] + encode_length(len(inner)) + b"".join(inner)
    if tag is Tag.ARRAY:
        return _array_description(_elements(data, depth), depth)
    return _TAGS[tag]


def _array_description(elements: tuple[Data, ...], depth: int) -> bytes:
    inner = {_description(element, depth + 1) for element in elements} or {_TAGS[Tag.NULL_DATA]}
    if len(inner) > 1 or len(elements) > 0xFFFF:
        raise LocalProtocolError("an array within a compact-array has at most 65535 elements, all of one type")
    return _TAGS[Tag.ARRAY] + len(elements).to_bytes(2, "big") + inner.pop()


def _append_contents(contents: list[bytes], data: Data) -> None:
    if isinstance(data.value, tuple):
        for element in data.value:
            _append_contents(contents, element)
    else:
        contents.append(_scalar(data.tag, data.value))
