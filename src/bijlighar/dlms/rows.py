"""Rows of a profile buffer, decoded one by one from any A-XDR: what ``template`` falls back on, and its yardstick.

A null clock means "as before": the previous row's instant and one capture period more (less, when the meter sends
the newest row first). A null cell elsewhere is missing. A row that is shorter or longer than the capture list is
refused, because nobody can tell which column it lacks; the other rows of its buffer stay good.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bijlighar.dlms import axdr
from bijlighar.dlms.axdr import Data, Plain, Tag
from bijlighar.dlms.clock import INDIA_OFFSET_MIN, INSTANT_OCTETS, DeviationSign, decode_instant
from bijlighar.dlms.errors import RemoteProtocolError
from bijlighar.dlms.profile import ProfileLayout

NOT_SET: Final = -(1 << 63)
"""Stands in an instant column where there is no instant; the column's ``missing`` says so too."""

EXACT_IN_FLOAT64: Final = 1 << 53
"""Integers up to here are exact in a float64 column; a larger one beside a float is refused, never rounded."""

_INT64 = range(-(1 << 63), 1 << 63)

Column = NDArray[Any]
"""int64, float64 or object by the column's kind, see RowTable."""


class ColumnKind(IntEnum):
    """What a column holds. NULL: nothing but null-data was seen."""

    NULL = 0
    INTEGER = 1
    FLOAT = 2
    INSTANT = 3
    OBJECT = 4


class RowRefused(RemoteProtocolError):
    """A row, or a whole buffer (``row`` None), that cannot be read. Positions count from 0."""

    def __init__(self, reason: str, *, buffer: int, row: int | None) -> None:
        where = f"buffer {buffer}" if row is None else f"buffer {buffer}, row {row}"
        super().__init__(f"{where}: {reason}")
        self.buffer = buffer
        self.row = row


@dataclass(frozen=True, slots=True, kw_only=True)
class RowRules:
    """What must be known of a profile to read its rows.

    ``columns`` length of the capture list; ``instants`` positions of date-times; ``clock_column`` position of the
    row's stamp, or None; ``default_offset_min`` local minus UTC where a deviation is open; ``period_s`` capture
    period, None when there is none.
    """

    columns: int
    instants: frozenset[int]
    clock_column: int | None
    deviation_sign: DeviationSign = DeviationSign.INDIAN
    default_offset_min: int = INDIA_OFFSET_MIN
    period_s: int | None = None
    newest_first: bool = False

    @classmethod
    def of(
        cls,
        layout: ProfileLayout,
        *,
        deviation_sign: DeviationSign,
        default_offset_min: int = INDIA_OFFSET_MIN,
        period_s: int | None = None,
        newest_first: bool = False,
    ) -> RowRules:
        """The rules of a layout that was read from a meter, with the traits of the meter's model."""
        return cls(
            columns=len(layout.capture_objects),
            instants=layout.instants,
            clock_column=layout.clock_column,
            deviation_sign=deviation_sign,
            default_offset_min=default_offset_min,
            period_s=period_s,
            newest_first=newest_first,
        )

    @property
    def step_s(self) -> int | None:
        """Seconds from one row to the next in the order of the buffer."""
        return None if self.period_s is None else -self.period_s if self.newest_first else self.period_s


@dataclass(frozen=True, slots=True, kw_only=True)
class RowTable:
    """Rows of many buffers as columns, ordered by buffer and row.

    ``buffer_index`` and ``row_index`` int32 ``[row]``: where each row stood. ``columns[c]`` by ``kinds[c]``:
    INTEGER int64, FLOAT float64, INSTANT int64 epoch seconds UTC, NULL int64, OBJECT Python values (bytes, str,
    lists). ``missing[c]`` bool ``[row]``: null or not set; the cell then holds 0, NaN, NOT_SET, 0 or None.
    ``faults`` names every row and buffer that was refused; a caller must look at it, for nothing else tells.
    """

    buffer_index: NDArray[np.int32]
    row_index: NDArray[np.int32]
    kinds: tuple[ColumnKind, ...]
    columns: tuple[Column, ...]
    missing: tuple[NDArray[np.bool_], ...]
    faults: tuple[RowRefused, ...]

    def __len__(self) -> int:
        return len(self.buffer_index)


Cell = tuple[ColumnKind, Plain]
"""Kind and value; value None = missing."""

_MISSING: Cell = (ColumnKind.NULL, None)


@dataclass(slots=True)
class GeneralRows:
    """Rows that were decoded one by one, as a list of cells each, and what was refused."""

    rules: RowRules
    buffer_index: list[int] = field(default_factory=list)
    row_index: list[int] = field(default_factory=list)
    cells: list[list[Cell]] = field(default_factory=list)
    faults: list[RowRefused] = field(default_factory=list)

    def add(self, octets: bytes, buffer: int) -> None:
        """Decode one buffer. What is wrong with it lands in ``faults``."""
        try:
            rows = _rows(axdr.decode(octets))
        except RemoteProtocolError as error:
            self.faults.append(RowRefused(error.reason, buffer=buffer, row=None))
            return
        previous: Plain = None
        known = False
        for position, row in enumerate(rows):
            try:
                cells = self._cells(row, previous, known=known)
            except RemoteProtocolError as error:
                self.faults.append(RowRefused(error.reason, buffer=buffer, row=position))
                known = False
                continue
            if self.rules.clock_column is not None:
                previous, known = cells[self.rules.clock_column][1], True
            self.buffer_index.append(buffer)
            self.row_index.append(position)
            self.cells.append(cells)

    def _cells(self, row: Data, previous: Plain, *, known: bool) -> list[Cell]:
        if row.tag is not Tag.STRUCTURE or not isinstance(row.value, tuple):
            raise RemoteProtocolError(f"a row is a structure, not a {row.tag.name.lower()}")
        if len(row.value) != self.rules.columns:
            raise RemoteProtocolError(f"{len(row.value)} cells for {self.rules.columns} columns")
        return [
            self._next_instant(previous, known=known)
            if data.tag is Tag.NULL_DATA and column == self.rules.clock_column
            else _cell(data, column, self.rules)
            for column, data in enumerate(row.value)
        ]

    def _next_instant(self, previous: Plain, *, known: bool) -> Cell:
        if not known:
            raise RemoteProtocolError("a null clock follows no row with a known clock")
        step_s = self.rules.step_s
        if step_s is None:
            raise RemoteProtocolError("a null clock in a profile without capture period")
        return (ColumnKind.INSTANT, previous + step_s if isinstance(previous, int) else None)


def _rows(data: Data) -> tuple[Data, ...]:
    if data.tag not in (Tag.ARRAY, Tag.COMPACT_ARRAY) or not isinstance(data.value, tuple):
        raise RemoteProtocolError(f"a buffer is an array, not a {data.tag.name.lower()}")
    return data.value


def _cell(data: Data, column: int, rules: RowRules) -> Cell:
    tag, value = data.tag, data.value
    if tag is Tag.NULL_DATA:
        return _MISSING
    if tag is Tag.DATE_TIME or column in rules.instants:
        return _instant(data, column, rules)
    if isinstance(value, int):
        if value not in _INT64:
            raise RemoteProtocolError(f"column {column} holds a number beyond 63 bits")
        return ColumnKind.INTEGER, int(value)
    if isinstance(value, float):
        return ColumnKind.FLOAT, value
    return ColumnKind.OBJECT, axdr.plain(data)


def _instant(data: Data, column: int, rules: RowRules) -> Cell:
    value = data.value
    if data.tag not in (Tag.OCTET_STRING, Tag.DATE_TIME) or not isinstance(value, bytes):
        raise RemoteProtocolError(f"column {column} holds a {data.tag.name.lower()}, not a date-time")
    if not value:
        return ColumnKind.INSTANT, None
    if len(value) != INSTANT_OCTETS:
        raise RemoteProtocolError(f"column {column} holds {len(value)} octets, not a date-time")
    return ColumnKind.INSTANT, decode_instant(value, rules.deviation_sign, rules.default_offset_min)


def infer_rules(octets: bytes) -> RowRules:
    """Rules guessed from a buffer alone: 12-octet strings are date-times, the first column may be the clock.

    Raises RemoteProtocolError when the buffer is malformed, has no row, or its first row is no structure.
    """
    rows = _rows(axdr.decode(octets))
    if not rows or rows[0].tag is not Tag.STRUCTURE or not isinstance(rows[0].value, tuple):
        raise RemoteProtocolError("the buffer has no row to learn from")
    instants = frozenset(
        column
        for column, data in enumerate(rows[0].value)
        if data.tag is Tag.DATE_TIME
        or (data.tag is Tag.OCTET_STRING and isinstance(data.value, bytes) and len(data.value) == INSTANT_OCTETS)
    )
    return RowRules(columns=len(rows[0].value), instants=instants, clock_column=0 if 0 in instants else None)


_EMPTY: dict[ColumnKind, tuple[Any, Any]] = {
    ColumnKind.NULL: (np.int64, 0),
    ColumnKind.INTEGER: (np.int64, 0),
    ColumnKind.FLOAT: (np.float64, np.nan),
    ColumnKind.INSTANT: (np.int64, NOT_SET),
    ColumnKind.OBJECT: (np.object_, None),
}


def column_of(kind: ColumnKind, values: Sequence[Plain]) -> tuple[Column, NDArray[np.bool_]]:
    """A column of ``kind`` and its ``missing``, from cell values of which None is missing."""
    dtype, empty = _EMPTY[kind]
    column: Column = np.empty(len(values), dtype)
    for row, value in enumerate(values):
        column[row] = empty if value is None else value
    return column, np.fromiter((value is None for value in values), np.bool_, len(values))


_CONFLICT = "column {column} holds {found} where the others hold {expected}"


class KindLedger:
    """Which kind each column has, and whether a further row fits without changing any value."""

    def __init__(self, kinds: Sequence[ColumnKind], largest: Sequence[int]) -> None:
        self.kinds = list(kinds)
        self._largest = list(largest)

    def admit(self, cells: Sequence[Cell]) -> str | None:
        """None when the row fits (the ledger then counts it), otherwise why it does not."""
        kinds, largest = self.kinds.copy(), self._largest.copy()
        for column, (found, value) in enumerate(cells):
            expected = kinds[column]
            if found is ColumnKind.INTEGER and isinstance(value, int):
                largest[column] = max(largest[column], abs(value))
            if found in (expected, ColumnKind.NULL):
                pass
            elif expected is ColumnKind.NULL:
                kinds[column] = found
            elif {found, expected} == {ColumnKind.INTEGER, ColumnKind.FLOAT}:
                kinds[column] = ColumnKind.FLOAT
            else:
                return _CONFLICT.format(column=column, found=found.name.lower(), expected=expected.name.lower())
            if kinds[column] is ColumnKind.FLOAT and largest[column] > EXACT_IN_FLOAT64:
                return f"column {column} mixes floats with integers that no float64 holds exactly"
        self.kinds, self._largest = kinds, largest
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class FastRows:
    """Rows that a template decoded: the same columns as RowTable, without faults."""

    buffer_index: NDArray[np.int32]
    row_index: NDArray[np.int32]
    columns: tuple[Column, ...]
    missing: tuple[NDArray[np.bool_], ...]


def table_of(fast: FastRows, kinds: Sequence[ColumnKind], general: GeneralRows, *, ordered: bool) -> RowTable:
    """One table of both. ``ordered`` says that the fast rows stand in the order of buffers already."""
    if not general.cells and ordered:
        return RowTable(
            buffer_index=fast.buffer_index,
            row_index=fast.row_index,
            kinds=tuple(kinds),
            columns=fast.columns,
            missing=fast.missing,
            faults=tuple(general.faults),
        )
    ledger = KindLedger(kinds, [_largest(column) for column in fast.columns])
    faults = general.faults.copy()
    admitted = []
    for position, cells in enumerate(general.cells):
        reason = ledger.admit(cells)
        if reason is None:
            admitted.append(position)
        else:
            faults.append(
                RowRefused(reason, buffer=general.buffer_index[position], row=general.row_index[position])
            )
    buffer_index = _joined(fast.buffer_index, [general.buffer_index[i] for i in admitted])
    row_index = _joined(fast.row_index, [general.row_index[i] for i in admitted])
    order = np.lexsort((row_index, buffer_index))
    columns, missing = [], []
    for column, kind in enumerate(ledger.kinds):
        values, empty = column_of(kind, [general.cells[i][column][1] for i in admitted])
        fast_values, fast_empty = fast.columns[column], fast.missing[column]
        if kind is not kinds[column]:
            fast_values = _converted(fast_values, fast_empty, kind)
        columns.append(np.concatenate([fast_values, values])[order])
        missing.append(np.concatenate([fast_empty, empty])[order])
    return RowTable(
        buffer_index=buffer_index[order],
        row_index=row_index[order],
        kinds=tuple(ledger.kinds),
        columns=tuple(columns),
        missing=tuple(missing),
        faults=tuple(sorted(faults, key=lambda fault: (fault.buffer, -1 if fault.row is None else fault.row))),
    )


def _largest(column: Column) -> int:
    """The largest magnitude of a column of integers, else 0."""
    if column.dtype != np.int64 or not len(column):
        return 0
    return max(abs(int(column.min())), abs(int(column.max())))


def _joined(fast: NDArray[np.int32], general: list[int]) -> NDArray[np.int32]:
    return np.concatenate([fast, np.array(general, np.int32)])


def _converted(values: Column, missing: NDArray[np.bool_], kind: ColumnKind) -> Column:
    """A column in the dtype of another kind; its missing cells hold that kind's empty value."""
    dtype, empty = _EMPTY[kind]
    result: Column = values.astype(dtype)
    result[missing] = empty
    return result
