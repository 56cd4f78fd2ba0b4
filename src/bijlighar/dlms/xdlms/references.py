"""Names of attributes and methods, and the selection of a profile's rows (IEC 62056-6-2, class 7)."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from struct import error as struct_error
from typing import TypeAlias

from bijlighar.dlms.axdr import Data, Tag, array, decode_from, encode, octets, structure, u16, u32
from bijlighar.dlms.axdr import i8 as integer
from bijlighar.dlms.clock import INSTANT_OCTETS
from bijlighar.dlms.errors import LocalProtocolError, Malformed, Truncated
from bijlighar.dlms.obis import Obis

_DESCRIPTOR = Struct(">H6sb")
DESCRIPTOR_OCTETS = _DESCRIPTOR.size
RANGE_SELECTOR, ENTRY_SELECTOR = 1, 2


@dataclass(frozen=True, slots=True)
class AttributeRef:
    """One attribute of one object; attribute 1 is the logical name."""

    class_id: int
    obis: Obis
    attribute: int

    def encode(self) -> bytes:
        """The cosem-attribute-descriptor, 9 octets."""
        return _packed(self.class_id, self.obis, self.attribute)


@dataclass(frozen=True, slots=True)
class MethodRef:
    """One method of one object."""

    class_id: int
    obis: Obis
    method: int

    def encode(self) -> bytes:
        """The cosem-method-descriptor, 9 octets."""
        return _packed(self.class_id, self.obis, self.method)


def _packed(class_id: int, obis: Obis, index: int) -> bytes:
    try:
        return _DESCRIPTOR.pack(class_id, obis.octets, index)
    except struct_error as fault:
        raise LocalProtocolError(f"class {class_id}, index {index}: {fault}") from None


def decode_descriptor(apdu: bytes, offset: int) -> tuple[int, Obis, int]:
    """Class, logical name and index. Raises Truncated."""
    try:
        class_id, name, index = _DESCRIPTOR.unpack_from(apdu, offset)
    except struct_error:
        raise Truncated("the APDU ends within a descriptor") from None
    return class_id, Obis(name), index


CLOCK_TIME = AttributeRef(8, Obis.parse("0.0.1.0.0.255"), 2)
"""The time of the clock: what a load profile's rows are selected by."""


@dataclass(frozen=True, slots=True)
class ColumnRef:
    """One captured column: attribute, and the element within it (``data_index`` 0 = the whole attribute)."""

    class_id: int
    obis: Obis
    attribute: int
    data_index: int = 0

    def to_data(self) -> Data:
        """The capture object definition."""
        return structure(
            [u16(self.class_id), octets(self.obis.octets), integer(self.attribute), u16(self.data_index)]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeSelection:
    """Rows whose restricting column lies in [start, end], both ends taken in (selective access 1).

    ``start`` and ``end`` are date-times of 12 octets; ``columns`` empty = all.
    """

    start: bytes
    end: bytes
    restricting: AttributeRef = CLOCK_TIME
    columns: tuple[ColumnRef, ...] = ()

    def encode(self) -> bytes:
        """Access selector and parameters."""
        if len(self.start) != INSTANT_OCTETS or len(self.end) != INSTANT_OCTETS:
            raise LocalProtocolError(f"the ends of a range are date-times of {INSTANT_OCTETS} octets")
        if self.restricting is CLOCK_TIME and not self.columns:
            return b"".join((_BY_CLOCK, self.start, b"\x09\x0c", self.end, b"\x01\x00"))
        by = ColumnRef(self.restricting.class_id, self.restricting.obis, self.restricting.attribute)
        columns = array(column.to_data() for column in self.columns)
        return b"\x01" + encode(structure([by.to_data(), octets(self.start), octets(self.end), columns]))


_BY_CLOCK = b"\x01\x02\x04" + encode(ColumnRef(8, CLOCK_TIME.obis, 2).to_data()) + b"\x09\x0c"


@dataclass(frozen=True, slots=True, kw_only=True)
class EntrySelection:
    """Rows ``first`` to ``last`` in the buffer's order, from 1 (selective access 2); 0 as last = to the end.

    ``first_column`` from 1; ``last_column`` 0 = to the end.
    """

    first: int
    last: int
    first_column: int = 1
    last_column: int = 0

    def encode(self) -> bytes:
        """Access selector and parameters."""
        return b"\x02" + encode(
            structure([u32(self.first), u32(self.last), u16(self.first_column), u16(self.last_column)])
        )


Selection: TypeAlias = RangeSelection | EntrySelection


def decode_selection(apdu: bytes, offset: int) -> tuple[Selection, int]:
    """The selection whose selector is at ``offset``, and the offset behind it. Raises RemoteProtocolError."""
    if offset >= len(apdu):
        raise Truncated("the APDU ends before its access selector")
    selector = apdu[offset]
    parameters, end = decode_from(apdu, offset + 1)
    if selector == RANGE_SELECTOR:
        return _range(_elements(parameters, 4)), end
    if selector == ENTRY_SELECTOR:
        return _entries(_elements(parameters, 4)), end
    raise Malformed(f"access selector {selector} is not known")


def _elements(data: Data, count: int) -> tuple[Data, ...]:
    value = data.value
    if data.tag is not Tag.STRUCTURE or not isinstance(value, tuple) or len(value) != count:
        raise Malformed(f"a structure of {count} elements was expected")
    return value


def _range(elements: tuple[Data, ...]) -> RangeSelection:
    restricting, start, end, columns = elements
    by = _column(restricting)
    ref = AttributeRef(by.class_id, by.obis, by.attribute)
    selected = columns.value
    if not isinstance(selected, tuple):
        raise Malformed("the selected columns are no array")
    return RangeSelection(
        start=_instant(start),
        end=_instant(end),
        restricting=CLOCK_TIME if ref == CLOCK_TIME else ref,
        columns=tuple([_column(column) for column in selected]),
    )


def _instant(data: Data) -> bytes:
    if not isinstance(data.value, bytes) or len(data.value) != INSTANT_OCTETS:
        raise Malformed("the end of a range is no date-time")
    return data.value


def _column(data: Data) -> ColumnRef:
    class_id, name, attribute, index = _elements(data, 4)
    if not isinstance(name.value, bytes):
        raise Malformed("a column's logical name is no octet-string")
    return ColumnRef(
        _integer(class_id, _LONG), Obis.from_octets(name.value), _integer(attribute, _BYTE), _integer(index, _LONG)
    )


def _entries(elements: tuple[Data, ...]) -> EntrySelection:
    first, last, first_column, last_column = elements
    return EntrySelection(
        first=_integer(first, _DOUBLE_LONG),
        last=_integer(last, _DOUBLE_LONG),
        first_column=_integer(first_column, _LONG),
        last_column=_integer(last_column, _LONG),
    )


_BYTE, _LONG, _DOUBLE_LONG = 0x7F, 0xFFFF, 0xFFFF_FFFF
"""The largest attribute index (integer), class or column (long-unsigned) and entry (double-long-unsigned)."""


def _integer(data: Data, most: int) -> int:
    if not isinstance(data.value, int) or not 0 <= data.value <= most:
        raise Malformed(f"a number from 0 to {most} was expected")
    return data.value
