"""Tables of numbers as A-XDR octets, a whole buffer in one pass of numpy.

A buffer is an array of structures whose cells all have a fixed width, so one structured array with the tags filled
in is the answer. ``cells_of`` cuts the same table into single cells for meters that shall answer wrongly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bijlighar.dlms import axdr
from meterlab.calendar import DAY_S, KOLKATA_S

INSTANT = "datetime"

_NUMBERS: dict[str, tuple[int, str]] = {
    "i8": (0x0F, "i1"),
    "u8": (0x11, "u1"),
    "i16": (0x10, ">i2"),
    "u16": (0x12, ">u2"),
    "i32": (0x05, ">i4"),
    "u32": (0x06, ">u4"),
    "i64": (0x14, ">i8"),
    "u64": (0x15, ">u8"),
    "f32": (0x17, ">f4"),
    "f64": (0x18, ">f8"),
    "boolean": (0x03, "u1"),
    "enum": (0x16, "u1"),
}
_ARRAY, _STRUCTURE, _OCTETS, _NULL = 0x01, 0x02, 0x09, 0x00
_INSTANT_OCTETS = 12
_INSTANT_CELL_OCTETS = 2 + _INSTANT_OCTETS
_INSTANT = np.dtype(
    [
        ("year", ">u2"),
        ("month", "u1"),
        ("day", "u1"),
        ("weekday", "u1"),
        ("hour", "u1"),
        ("minute", "u1"),
        ("second", "u1"),
        ("hundredths", "u1"),
        ("deviation", ">i2"),
        ("status", "u1"),
    ]
)
_THURSDAY = 3  # 1970-01-01, counted from Monday = 0
_MOST_COLUMNS = 127  # the short form of a length

_MOST_ROWS_KEPT = 200
_STAMPS_KEPT = 256
"""Stamped rows that are kept: 200 rows of 45 octets each are 2.3 MB."""

NULL_CELL = bytes([_NULL])


@dataclass(slots=True, kw_only=True, eq=False)  # not frozen: made for every cell's column, which costs a third so
class Column:
    """One column of a table. Nobody changes it.

    ``kind``   a key of the A-XDR number types, or INSTANT
    ``values`` numbers as they go on the wire, or epoch seconds UTC for INSTANT (0 = not set)
    """

    kind: str
    values: NDArray[np.int64] | NDArray[np.float64]


def instants(epoch_s: NDArray[np.int64], deviation_min: int) -> NDArray[np.void]:
    """Date-times of Kolkata, a structured array of 12 octets each; all FF where ``epoch_s`` is 0."""
    local = epoch_s + KOLKATA_S
    day, into_s = np.divmod(local, DAY_S)
    date = day.astype("datetime64[D]")
    month = date.astype("datetime64[M]")
    year = date.astype("datetime64[Y]")
    out = np.zeros(len(epoch_s), _INSTANT)
    out["year"] = year.astype(np.int64) + 1970
    out["month"] = (month - year).astype(np.int64) + 1
    out["day"] = (date - month).astype(np.int64) + 1
    out["weekday"] = (day + _THURSDAY) % 7 + 1
    out["hour"] = into_s // 3600
    out["minute"] = into_s // 60 % 60
    out["second"] = into_s % 60
    out["deviation"] = deviation_min
    if not epoch_s.all():
        out.view("u1").reshape(-1, _INSTANT_OCTETS)[epoch_s == 0] = 0xFF
    return out


def _fits(column: Column, dtype: np.dtype[np.generic]) -> NDArray[np.int64] | NDArray[np.float64]:
    """A meter's counter that has run over its width shows its remainder, as a real one does."""
    if dtype.kind != "u" or dtype.itemsize == 8:
        return column.values
    return np.asarray(column.values, np.int64) & ((1 << 8 * dtype.itemsize) - 1)


def table(columns: Sequence[Column], deviation_min: int) -> NDArray[np.void]:
    """The rows with their tags, one structured element of fixed width each."""
    if not 0 < len(columns) <= _MOST_COLUMNS:
        raise ValueError(f"a table has 1 to {_MOST_COLUMNS} columns, not {len(columns)}")
    kinds = tuple([column.kind for column in columns])
    first = np.asarray(columns[0].values, np.int64)
    if columns[0].kind == INSTANT and len(first) <= _MOST_ROWS_KEPT:
        out = _stamped_rows(kinds, first.tobytes(), deviation_min).copy()
        rest = 1
    else:
        out, rest = np.repeat(_empty_row(kinds), len(first)), 0
    for number, (name, dtype) in enumerate(_values_of(kinds)[rest:], start=rest):
        column = columns[number]
        if column.kind == INSTANT:
            out[name] = instants(np.asarray(column.values, np.int64), deviation_min)
        else:
            out[name] = _fits(column, dtype)
    return out


@lru_cache(maxsize=_STAMPS_KEPT)
def _stamped_rows(kinds: tuple[str, ...], stamps_s: bytes, deviation_min: int) -> NDArray[np.void]:
    """Rows with tags and their first column filled in: all meters that are asked for a range have the same."""
    stamps = np.frombuffer(stamps_s, np.int64)
    out = np.repeat(_empty_row(kinds), len(stamps))
    out["v0"] = instants(stamps, deviation_min)
    return out


@lru_cache(maxsize=256)
def _values_of(kinds: tuple[str, ...]) -> list[tuple[str, np.dtype[np.generic]]]:
    """Name and type of each column's value."""
    dtype = _empty_row(kinds).dtype
    return [(f"v{number}", dtype[f"v{number}"]) for number in range(len(kinds))]


@lru_cache(maxsize=256)
def _empty_row(kinds: tuple[str, ...]) -> NDArray[np.void]:
    """One row with its tags and lengths, values not yet filled in."""
    fields: list[tuple[str, str | np.dtype[np.void]]] = [("tag", "u1"), ("count", "u1")]
    for number, kind in enumerate(kinds):
        fields.append((f"t{number}", "u1"))
        if kind == INSTANT:
            fields += [(f"l{number}", "u1"), (f"v{number}", _INSTANT)]
        else:
            fields.append((f"v{number}", _NUMBERS[kind][1]))
    row = np.zeros(1, np.dtype(fields))
    row["tag"], row["count"] = _STRUCTURE, len(kinds)
    for number, kind in enumerate(kinds):
        if kind == INSTANT:
            row[f"t{number}"], row[f"l{number}"] = _OCTETS, _INSTANT_OCTETS
        else:
            row[f"t{number}"] = _NUMBERS[kind][0]
    return row


def cell(column: Column, deviation_min: int) -> bytes:
    """The only cell of a column of one row."""
    return table([column], deviation_min).tobytes()[2:]


def buffer(columns: Sequence[Column], deviation_min: int) -> bytes:
    """The whole attribute 2 of a profile: an array of the rows."""
    rows = table(columns, deviation_min)
    return bytes([_ARRAY]) + axdr.encode_length(len(rows)) + rows.tobytes()


def buffer_with_null_clocks(columns: Sequence[Column], deviation_min: int, step_s: int) -> bytes:
    """The same, with a null where the first column's instant is ``step_s`` after that of the row before."""
    rows = table(columns, deviation_min)
    follows = np.zeros(len(rows), np.bool_)
    follows[1:] = np.diff(columns[0].values) == step_s
    octets = rows.view("u1").reshape(len(rows), rows.dtype.itemsize)
    short = np.delete(octets, np.s_[3 : 2 + _INSTANT_CELL_OCTETS], axis=1)
    short[:, 2] = _NULL
    pieces = [bytes([_ARRAY]), axdr.encode_length(len(rows))]
    edges = np.flatnonzero(np.diff(follows, prepend=False, append=False))
    at = 0
    for begin, end in zip(edges[::2], edges[1::2], strict=True):
        pieces += [octets[at:begin].tobytes(), short[begin:end].tobytes()]
        at = int(end)
    return b"".join([*pieces, octets[at:].tobytes()])


def cells_of(columns: Sequence[Column], deviation_min: int) -> list[list[bytes]]:
    """The same rows as single encoded cells."""
    rows = table(columns, deviation_min)
    widths = [
        _INSTANT_CELL_OCTETS if column.kind == INSTANT else 1 + np.dtype(_NUMBERS[column.kind][1]).itemsize
        for column in columns
    ]
    edges = np.cumsum([2, *widths]).tolist()
    result = []
    for row in rows:
        octets = row.tobytes()
        result.append([octets[a:b] for a, b in pairwise(edges)])
    return result


def buffer_of_cells(rows: Sequence[Sequence[bytes]]) -> bytes:
    """A buffer from single cells; rows may differ in length."""
    out = [bytes([_ARRAY]), axdr.encode_length(len(rows))]
    for row in rows:
        out += [bytes([_STRUCTURE]), axdr.encode_length(len(row)), *row]
    return b"".join(out)
