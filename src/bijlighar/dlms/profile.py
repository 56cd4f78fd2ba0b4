"""What the columns of a load profile are: capture objects and scalers (IEC 62056-6-2: classes 3 and 7).

Indian meters keep the scalers of a profile in a second profile, whose one row holds the scaler and unit of every
column that has one (IS 15959). Layouts differ by make and firmware, so they are read from the meter and kept; a
layout's own octets are A-XDR. This module judges layouts, not rows: rows belong to ``template``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bijlighar.dlms import axdr
from bijlighar.dlms.axdr import Data, Tag
from bijlighar.dlms.errors import Malformed, TooLarge
from bijlighar.dlms.obis import Obis

MAX_COLUMNS: Final = 128
"""Columns of one profile: the widest seen, a D3 billing profile with every zone, has 56."""

VALUE_ATTRIBUTE: Final = 2
SCALER_ATTRIBUTE: Final = 3
CAPTURE_TIME_ATTRIBUTE: Final = 5

UNIT_CODES: Final = {
    "min": 6,
    "s": 7,
    "W": 27,
    "VA": 28,
    "var": 29,
    "Wh": 30,
    "VAh": 31,
    "varh": 32,
    "A": 33,
    "V": 35,
    "Hz": 44,
    "dBm": 70,
    "": 255,
}
"""Symbol to code of the COSEM units that Indian meters use (IEC 62056-6-2, table 4); "" is a count or a ratio."""

_SYMBOLS = {code: symbol for symbol, code in UNIT_CODES.items()}
_CLOCK = (8, Obis.parse("0.0.1.0.0.255"), VALUE_ATTRIBUTE)
_BILLING_DATE = (1, Obis.parse("0.0.0.1.2.255"), VALUE_ATTRIBUTE)
_EXTENDED_REGISTERS = (4, 5)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureObject:
    """One column: attribute ``attribute`` of an object, or its ``data_index``-th element (0 = the whole)."""

    class_id: int
    obis: Obis
    attribute: int = VALUE_ATTRIBUTE
    data_index: int = 0

    @property
    def is_clock(self) -> bool:
        """Whether the column is the meter's clock: the stamp of the row."""
        return (self.class_id, self.obis, self.attribute) == _CLOCK

    @property
    def is_instant(self) -> bool:
        """Whether the column holds date-times: the clock, a capture time, the billing date."""
        if self.class_id in _EXTENDED_REGISTERS and self.attribute == CAPTURE_TIME_ATTRIBUTE:
            return True
        return self.is_clock or (self.class_id, self.obis, self.attribute) == _BILLING_DATE


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaler:
    """A number times ten to the ``exponent`` is in the unit with COSEM code ``unit`` (255 = none)."""

    exponent: int
    unit: int

    @property
    def symbol(self) -> str | None:
        """The unit's symbol, "" for a count, None for a code that is not in UNIT_CODES."""
        return _SYMBOLS.get(self.unit)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileLayout:
    """The columns of one profile of one model and firmware. ``scalers[i]`` is None where column i has none."""

    capture_objects: tuple[CaptureObject, ...]
    scalers: tuple[Scaler | None, ...]

    def __post_init__(self) -> None:
        assert len(self.capture_objects) == len(self.scalers), "one scaler, or None, for each column"

    @property
    def clock_column(self) -> int | None:
        """Position of the clock, or None (billing and nameplate profiles)."""
        return next((i for i, column in enumerate(self.capture_objects) if column.is_clock), None)

    @property
    def instants(self) -> frozenset[int]:
        """Positions of the columns that hold date-times."""
        return frozenset(i for i, column in enumerate(self.capture_objects) if column.is_instant)

    def to_octets(self) -> bytes:
        """The layout itself, to be kept. ``from_octets`` reads it back."""
        scalers = [axdr.null() if scaler is None else _scaler_data(scaler) for scaler in self.scalers]
        return axdr.encode(axdr.structure([_capture_data(self.capture_objects), axdr.array(scalers)]))

    @classmethod
    def from_octets(cls, octets: bytes) -> ProfileLayout:
        """From ``to_octets``. Raises RemoteProtocolError for anything else."""
        captures, scalers = _elements(axdr.decode(octets), Tag.STRUCTURE, 2)
        columns = _capture_objects(captures)
        kept = _elements(scalers, Tag.ARRAY, len(columns))
        return cls(
            capture_objects=columns,
            scalers=tuple(None if scaler.tag is Tag.NULL_DATA else _scaler(scaler) for scaler in kept),
        )

    @classmethod
    def from_meter(
        cls,
        capture_objects: bytes,
        scaler_capture_objects: bytes | None = None,
        scaler_buffer: bytes | None = None,
    ) -> ProfileLayout:
        """From what a meter answers: attribute 3 of the profile, attributes 3 and 2 of its scaler profile.

        A profile without scaler profile (nameplate, transaction log) has no scalers. Raises RemoteProtocolError
        when an answer is no such list or when scaler list and scaler row disagree.
        """
        columns = capture_objects_from_octets(capture_objects)
        found: dict[Obis, Scaler] = {}
        if scaler_capture_objects is not None and scaler_buffer is not None:
            found = _scalers_by_object(capture_objects_from_octets(scaler_capture_objects), scaler_buffer)
        return cls(
            capture_objects=columns,
            scalers=tuple(None if column.is_instant else found.get(column.obis) for column in columns),
        )

    def scaler_profile(self) -> tuple[bytes, bytes]:
        """The meter's side: attributes 3 and 2 of the scaler profile that belongs to this layout."""
        scaled = [
            (column, scaler) for column, scaler in zip(self.capture_objects, self.scalers, strict=True) if scaler
        ]
        columns = [
            CaptureObject(class_id=column.class_id, obis=column.obis, attribute=SCALER_ATTRIBUTE)
            for column, _ in scaled
        ]
        row = axdr.structure([_scaler_data(scaler) for _, scaler in scaled])
        return axdr.encode(_capture_data(columns)), axdr.encode(axdr.array([row]))


def capture_objects_to_octets(columns: Sequence[CaptureObject]) -> bytes:
    """Attribute 3 of a profile."""
    return axdr.encode(_capture_data(columns))


def capture_objects_from_octets(octets: bytes) -> tuple[CaptureObject, ...]:
    """The columns that attribute 3 of a profile lists. Raises RemoteProtocolError: Malformed, TooLarge."""
    return _capture_objects(axdr.decode(octets))


def scaler_to_octets(scaler: Scaler) -> bytes:
    """Attribute 3 of a register."""
    return axdr.encode(_scaler_data(scaler))


def scaler_from_octets(octets: bytes) -> Scaler:
    """Attribute 3 of a register. Raises RemoteProtocolError."""
    return _scaler(axdr.decode(octets))


def _elements(data: Data, tag: Tag, count: int | None = None) -> tuple[Data, ...]:
    if data.tag is not tag or not isinstance(data.value, tuple):
        raise Malformed(f"a {tag.name.lower()} was expected, not a {data.tag.name.lower()}")
    if count is not None and len(data.value) != count:
        raise Malformed(f"{count} elements were expected, not {len(data.value)}")
    return data.value


def _integer(data: Data, allowed: range) -> int:
    """A number of whatever type a make chose for it, as far as the standard's type could hold it."""
    if not isinstance(data.value, int):
        raise Malformed(f"a number was expected, not a {data.tag.name.lower()}")
    number = int(data.value)
    if number not in allowed:
        raise Malformed(f"a number from {allowed[0]} to {allowed[-1]} was expected, not {number}")
    return number


_INTEGER, _ENUM, _LONG_UNSIGNED = range(-128, 128), range(256), range(65_536)


def _capture_data(columns: Sequence[CaptureObject]) -> Data:
    return axdr.array(
        axdr.structure(
            [
                axdr.u16(column.class_id),
                axdr.octets(column.obis.octets),
                axdr.i8(column.attribute),
                axdr.u16(column.data_index),
            ]
        )
        for column in columns
    )


def _capture_objects(data: Data) -> tuple[CaptureObject, ...]:
    listed = _elements(data, Tag.ARRAY)
    if len(listed) > MAX_COLUMNS:
        raise TooLarge(f"a profile of {len(listed)} columns, more than {MAX_COLUMNS}")
    return tuple(_capture_object(element) for element in listed)


def _capture_object(data: Data) -> CaptureObject:
    class_id, name, attribute, data_index = _elements(data, Tag.STRUCTURE, 4)
    if not isinstance(name.value, bytes):
        raise Malformed(f"a logical name was expected, not a {name.tag.name.lower()}")
    return CaptureObject(
        class_id=_integer(class_id, _LONG_UNSIGNED),
        obis=Obis.from_octets(name.value),
        attribute=_integer(attribute, _INTEGER),
        data_index=_integer(data_index, _LONG_UNSIGNED),
    )


def _scaler_data(scaler: Scaler) -> Data:
    return axdr.structure([axdr.i8(scaler.exponent), axdr.enum(scaler.unit)])


def _scaler(data: Data) -> Scaler:
    exponent, unit = _elements(data, Tag.STRUCTURE, 2)
    return Scaler(exponent=_integer(exponent, _INTEGER), unit=_integer(unit, _ENUM))


def _scalers_by_object(columns: Sequence[CaptureObject], buffer: bytes) -> dict[Obis, Scaler]:
    rows = _elements(axdr.decode(buffer), Tag.ARRAY)
    if not rows:
        raise Malformed("the scaler profile has no row")
    cells = _elements(rows[0], Tag.STRUCTURE, len(columns))
    return {column.obis: _scaler(cell) for column, cell in zip(columns, cells, strict=True)}
