"""Typed values of COSEM attributes: the Data choice of IEC 62056-6-2."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias, Union

Value: TypeAlias = Union[bool, int, float, str, bytes, "tuple[Data, ...]", None]
Plain: TypeAlias = Union[bool, int, float, str, bytes, "list[Plain]", None]


class Tag(IntEnum):
    """The tags of the Data choice that are read and written here, by their standard names."""

    NULL_DATA = 0
    ARRAY = 1
    STRUCTURE = 2
    BOOLEAN = 3
    BIT_STRING = 4
    DOUBLE_LONG = 5
    DOUBLE_LONG_UNSIGNED = 6
    OCTET_STRING = 9
    VISIBLE_STRING = 10
    UTF8_STRING = 12
    BCD = 13
    INTEGER = 15
    LONG = 16
    UNSIGNED = 17
    LONG_UNSIGNED = 18
    COMPACT_ARRAY = 19
    LONG64 = 20
    LONG64_UNSIGNED = 21
    ENUM = 22
    FLOAT32 = 23
    FLOAT64 = 24
    DATE_TIME = 25
    DATE = 26
    TIME = 27


REFUSED_TAGS = {
    28: "delta-integer",
    29: "delta-long",
    30: "delta-double-long",
    31: "delta-unsigned",
    32: "delta-long-unsigned",
    33: "delta-double-long-unsigned",
    255: "dont-care",
}
"""Tags of the standard that no Indian meter sends; refused by their names."""


@dataclass(frozen=True, slots=True)
class Data:
    """One value with its tag.

    ``value``: None, bool, int, float; str for bit-strings ("0110"), visible and UTF-8 strings; bytes for
    octet-strings and for date-time (12), date (5) and time (4); a tuple of Data for array, structure and
    compact-array (whose elements are all of one type).
    """

    tag: Tag
    value: Value


_NULL = Data(Tag.NULL_DATA, None)


def null() -> Data:
    """Null-data: no value, or "as before" in a profile."""
    return _NULL


def boolean(value: bool) -> Data:
    """A boolean."""
    return Data(Tag.BOOLEAN, value)


def bits(value: str) -> Data:
    """A bit-string from the characters 0 and 1, the most significant bit first."""
    return Data(Tag.BIT_STRING, value)


def i8(value: int) -> Data:
    """An integer: 8 bits, signed."""
    return Data(Tag.INTEGER, value)


def i16(value: int) -> Data:
    """A long: 16 bits, signed."""
    return Data(Tag.LONG, value)


def i32(value: int) -> Data:
    """A double-long: 32 bits, signed."""
    return Data(Tag.DOUBLE_LONG, value)


def i64(value: int) -> Data:
    """A long64: 64 bits, signed."""
    return Data(Tag.LONG64, value)


def u8(value: int) -> Data:
    """An unsigned: 8 bits."""
    return Data(Tag.UNSIGNED, value)


def u16(value: int) -> Data:
    """A long-unsigned: 16 bits."""
    return Data(Tag.LONG_UNSIGNED, value)


def u32(value: int) -> Data:
    """A double-long-unsigned: 32 bits."""
    return Data(Tag.DOUBLE_LONG_UNSIGNED, value)


def u64(value: int) -> Data:
    """A long64-unsigned: 64 bits."""
    return Data(Tag.LONG64_UNSIGNED, value)


def enum(value: int) -> Data:
    """An enum: 8 bits, unsigned."""
    return Data(Tag.ENUM, value)


def bcd(value: int) -> Data:
    """A bcd: one octet, kept as the signed number that it is on the wire."""
    return Data(Tag.BCD, value)


def f32(value: float) -> Data:
    """A float32 (IEEE 754)."""
    return Data(Tag.FLOAT32, value)


def f64(value: float) -> Data:
    """A float64 (IEEE 754)."""
    return Data(Tag.FLOAT64, value)


def octets(value: bytes) -> Data:
    """An octet-string."""
    return Data(Tag.OCTET_STRING, value)


def visible(value: str) -> Data:
    """A visible-string. Its octets are read as Latin-1, so that a meter's stray octet loses nothing."""
    return Data(Tag.VISIBLE_STRING, value)


def utf8(value: str) -> Data:
    """A UTF-8 string."""
    return Data(Tag.UTF8_STRING, value)


def datetime_octets(value: bytes) -> Data:
    """A date-time: 12 octets, see ``bijlighar.dlms.clock``."""
    return Data(Tag.DATE_TIME, value)


def date_octets(value: bytes) -> Data:
    """A date: 5 octets."""
    return Data(Tag.DATE, value)


def time_octets(value: bytes) -> Data:
    """A time: 4 octets."""
    return Data(Tag.TIME, value)


def array(elements: Iterable[Data]) -> Data:
    """An array; by the standard its elements are of one type, which meters do not always keep to."""
    return Data(Tag.ARRAY, tuple(elements))


def structure(elements: Iterable[Data]) -> Data:
    """A structure."""
    return Data(Tag.STRUCTURE, tuple(elements))


def compact_array(elements: Iterable[Data]) -> Data:
    """A compact-array: all elements have exactly the type of the first."""
    return Data(Tag.COMPACT_ARRAY, tuple(elements))


def plain(data: Data) -> Plain:
    """The value without tags: lists for array, structure and compact-array."""
    value = data.value
    if isinstance(value, tuple):
        return [plain(element) for element in value]
    return value
