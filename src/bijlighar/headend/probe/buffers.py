"""Rows of a profile as a probe looks at them: their cells' types, and the stamps that they carry or imply."""

from __future__ import annotations

from collections.abc import Sequence

from bijlighar.dlms import axdr
from bijlighar.dlms.axdr import Data, Tag
from bijlighar.dlms.clock import INSTANT_OCTETS, DeviationSign, decode_instant
from bijlighar.dlms.errors import Malformed
from bijlighar.dlms.profile import CaptureObject

Row = tuple[Data, ...]

_TYPES = {
    Tag.BOOLEAN: "boolean",
    Tag.ENUM: "enum",
    Tag.INTEGER: "i8",
    Tag.LONG: "i16",
    Tag.DOUBLE_LONG: "i32",
    Tag.LONG64: "i64",
    Tag.UNSIGNED: "u8",
    Tag.LONG_UNSIGNED: "u16",
    Tag.DOUBLE_LONG_UNSIGNED: "u32",
    Tag.LONG64_UNSIGNED: "u64",
    Tag.FLOAT32: "f32",
    Tag.FLOAT64: "f64",
    Tag.OCTET_STRING: "octets",
    Tag.VISIBLE_STRING: "visible",
    Tag.UTF8_STRING: "visible",
    Tag.DATE_TIME: "instant",
}
"""Names that meter models have for the types of cells."""


def rows_of(octets: bytes) -> list[Row]:
    """The rows of a buffer. Raises RemoteProtocolError when it is none."""
    value = axdr.decode(octets).value
    if not isinstance(value, tuple):
        raise Malformed("a buffer is an array")
    return [row.value for row in value if isinstance(row.value, tuple)]


def types_of(rows: Sequence[Row], captures: Sequence[CaptureObject] | None) -> tuple[str | None, ...]:
    """The type of each column of the most frequent length of row, None where only nulls were seen."""
    if not rows:
        return ()
    lengths = [len(row) for row in rows]
    width = max(set(lengths), key=lengths.count)
    return tuple(
        next(
            (
                _type_of(row[column], None if captures is None else captures[column])
                for row in rows
                if len(row) == width and row[column].tag is not Tag.NULL_DATA
            ),
            None,
        )
        for column in range(width)
        if captures is None or width == len(captures)
    )


def _type_of(cell: Data, column: CaptureObject | None) -> str | None:
    like_instant = isinstance(cell.value, bytes) and len(cell.value) == INSTANT_OCTETS
    instant = (column is None and like_instant) or (column is not None and column.is_instant)
    return "instant" if instant else _TYPES.get(cell.tag)


def stamps_told(rows: Sequence[Row], clock_column: int, sign: DeviationSign) -> list[int | None]:
    """The stamp of each row, None where the clock is null. Raises RemoteProtocolError."""
    told: list[int | None] = []
    for row in rows:
        value = row[clock_column].value if clock_column < len(row) else None
        told.append(decode_instant(value, sign) if isinstance(value, bytes) and value else None)
    return told


def is_newest_first(told: Sequence[int | None], begin_s: int, end_s: int) -> bool | None:
    """The order of rows: by two stamps, or by the end of the range that the only stamp is nearer to."""
    known = [stamp for stamp in told if stamp is not None]
    if len(told) < 2 or not known:
        return None
    if len(known) > 1:
        return known[0] > known[-1]
    return end_s - known[0] < known[0] - begin_s


def stamps_filled(told: Sequence[int | None], period_s: int, *, newest_first: bool) -> list[int]:
    """Stamps with null clocks counted on from the row before; rows before the first stamp are left out."""
    step_s = -period_s if newest_first else period_s
    filled: list[int] = []
    for stamp in told:
        if stamp is not None:
            filled.append(stamp)
        elif filled:
            filled.append(filled[-1] + step_s)
    return filled
