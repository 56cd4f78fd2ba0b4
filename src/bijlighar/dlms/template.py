"""Many meters' rows at once: rows of one model and firmware share a layout, so their tags have fixed places.

``Template.learn`` takes that layout from one buffer. ``decode_rows`` joins buffers of equal length, compares
every tag and length octet with the template in one vectorised comparison, and reads the values as strided views.
Whatever differs in a single fixed octet, or holds a value that the views cannot carry, goes to the row-by-row
decoder of ``rows``. The table has one shape either way, and no cell is taken on trust.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bijlighar.dlms import axdr
from bijlighar.dlms.axdr import Tag
from bijlighar.dlms.clock import INSTANT_OCTETS, decode_instant
from bijlighar.dlms.errors import Malformed
from bijlighar.dlms.instants import Grid, InstantConverter
from bijlighar.dlms.rows import (
    NOT_SET,
    Column,
    ColumnKind,
    FastRows,
    GeneralRows,
    RowRefused,
    RowRules,
    RowTable,
    infer_rules,
    table_of,
)
from bijlighar.dlms.shapes import BufferShape, Part, RowShape, Signature, signature_of

__all__ = ["NOT_SET", "ColumnKind", "RowRefused", "RowRules", "RowTable", "Template"]

CHUNK_OCTETS: Final = 240_000
"""Joined at a time: enough that the fixed cost of some forty array operations is small beside the rows', and still
within the second-level cache."""

FEW_ROWS: Final = 8
"""With fewer rows of one length the row-by-row decoder is quicker than setting up the views."""

MAX_KEPT_LENGTHS: Final = 16
"""Buffer lengths whose shapes are kept; each holds some three times CHUNK_OCTETS."""

MAX_KEPT_INSTANTS: Final = 4096
"""Unusual date-times remembered, so that a column of unset ones is decoded once."""

_BEYOND_INT64: Final = 1 << 63


class Template:
    """The A-XDR layout of one profile of one model and firmware.

    It keeps work between calls, so only one thread may use it at a time.
    """

    def __init__(self, rules: RowRules, signature: Signature) -> None:
        self.rules = rules
        self._rest = RowShape.of(signature, rules)
        self._first = self._rest
        clock = rules.clock_column
        if clock is not None and signature[clock][0] is Tag.NULL_DATA:
            stamped = (*signature[:clock], (Tag.OCTET_STRING, INSTANT_OCTETS), *signature[clock + 1 :])
            self._first = None if rules.step_s is None else RowShape.of(stamped, rules)
        cells = (None,) * rules.columns if self._first is None else self._first.cells
        self.kinds = tuple(ColumnKind.NULL if cell is None else cell.kind for cell in cells)
        self._shapes: dict[int, BufferShape | None] = {}
        self._converter = InstantConverter(rules.deviation_sign, rules.default_offset_min)
        self._unusual: dict[bytes, int | None] = {}

    @classmethod
    def learn(cls, octets: bytes, rules: RowRules | None = None) -> Template:
        """The template of the row layout that is most frequent in one buffer.

        Without ``rules`` they are guessed from the buffer (``rows.infer_rules``), with no capture period. Raises
        RemoteProtocolError when the buffer is malformed or has no row of the right length.
        """
        rules = infer_rules(octets) if rules is None else rules
        rows = axdr.decode(octets).value
        signatures = Counter(signature_of(row) for row in rows) if isinstance(rows, tuple) else Counter()
        for signature, _ in signatures.most_common():
            if signature and len(signature) == rules.columns:
                return cls(rules, signature)
        raise Malformed(f"the buffer has no row of {rules.columns} cells to learn from")

    def decode_rows(self, buffers: Sequence[bytes]) -> RowTable:
        """The rows of all buffers (attribute 2 of the profile, A-XDR). Faults are in the table, never raised."""
        by_length = _by_length(buffers)
        general = GeneralRows(self.rules)
        groups: list[tuple[BufferShape, list[int]]] = []
        for length, indices in by_length.items():
            shape = self._shape(length)
            if shape is not None and shape.rows * len(indices) >= FEW_ROWS:
                groups.append((shape, indices))
                continue
            for index in indices:
                general.add(buffers[index], index)
        sink = _Sink(self.kinds, sum(shape.rows * len(indices) for shape, indices in groups))
        for shape, indices in groups:
            per_chunk = max(1, CHUNK_OCTETS // shape.length)
            for start in range(0, len(indices), per_chunk):
                self._add(shape, buffers, indices[start : start + per_chunk], sink, general)
        return table_of(sink.rows(), self.kinds, general, ordered=len(groups) <= 1)

    def _shape(self, length: int) -> BufferShape | None:
        if self._first is None or self._rest is None:
            return None
        if length not in self._shapes:
            if len(self._shapes) >= MAX_KEPT_LENGTHS:
                self._shapes.clear()
            self._shapes[length] = BufferShape.of(length, self._first, self._rest)
        return self._shapes[length]

    def _add(
        self,
        shape: BufferShape,
        buffers: Sequence[bytes],
        indices: list[int],
        sink: _Sink,
        general: GeneralRows,
    ) -> None:
        """Buffers of one length into ``sink``; those that differ or cannot be read, into ``general``."""
        joined = shape.join([buffers[index] for index in indices])
        if shape.matches(joined):
            bad = self._read(shape, joined, indices, sink)
            if not np.count_nonzero(bad):
                sink.keep(indices, shape.rows)
                return
            sink.forget(len(indices) * shape.rows)
        else:
            bad = shape.differing(joined, len(indices))
        for position in np.flatnonzero(bad).tolist():
            general.add(buffers[indices[position]], indices[position])
        good = [indices[position] for position in np.flatnonzero(~bad).tolist()]
        if good:
            self._add(shape, buffers, good, sink, general)

    def _read(self, shape: BufferShape, joined: bytes, indices: list[int], sink: _Sink) -> NDArray[np.bool_]:
        """Write the columns of verified buffers behind those kept so far. Which buffers could not be read."""
        bad = np.zeros(len(indices), np.bool_)
        for column, values in enumerate(sink.blocks(len(indices), shape.rows)):
            for part in shape.parts:
                cell = part.shape.cells[column]
                if cell is None:
                    self._fill(column, part, values, sink)
                    continue
                offset, strides = part.start + cell.offset, (shape.length, len(part.shape.fixed))
                grid_shape = (len(indices), part.count)
                if cell.dtype is None:
                    grid = Grid(joined, offset, grid_shape, strides)
                    self._read_instants(grid, column, part, values, sink, bad)
                    continue
                numbers: Column = np.ndarray(grid_shape, cell.dtype, joined, offset, strides)
                if cell.tag is Tag.BOOLEAN:
                    numbers = numbers != 0
                elif cell.tag is Tag.LONG64_UNSIGNED:
                    bad |= (numbers >= _BEYOND_INT64).any(axis=1)
                values[:, part.rows] = numbers
        return bad

    def _fill(self, column: int, part: Part, values: Column, sink: _Sink) -> None:
        """Null cells: instants that count on from the first row's clock, otherwise missing values."""
        missing = sink.missing(column, *values.shape)
        if column != self.rules.clock_column:
            missing[:, part.rows] = True
            values[:, part.rows] = 0
            return
        step_s = self.rules.step_s
        assert step_s is not None, "a template with null clocks has a step"
        values[:, part.rows] = values[:, :1] + step_s * np.arange(part.rows.start, part.rows.stop)
        missing[:, part.rows] = missing[:, :1]
        values[missing] = NOT_SET

    def _read_instants(
        self, grid: Grid, column: int, part: Part, values: Column, sink: _Sink, bad: NDArray[np.bool_]
    ) -> None:
        seconds, unusual = self._converter.convert(grid)
        values[:, part.rows] = seconds
        if unusual is None:
            return
        missing = sink.missing(column, *values.shape)
        for buffer, row in np.argwhere(np.broadcast_to(unusual, grid.shape)).tolist():
            at = grid.offset + buffer * grid.strides[0] + row * grid.strides[1]
            try:
                instant = self._unusual_instant(grid.octets[at : at + INSTANT_OCTETS])
            except Malformed:
                bad[buffer] = True
                continue
            missing[buffer, part.rows.start + row] = instant is None
            values[buffer, part.rows.start + row] = NOT_SET if instant is None else instant

    def _unusual_instant(self, octets: bytes) -> int | None:
        if octets not in self._unusual:
            if len(self._unusual) >= MAX_KEPT_INSTANTS:
                self._unusual.clear()
            self._unusual[octets] = decode_instant(
                octets, self.rules.deviation_sign, self.rules.default_offset_min
            )
        return self._unusual[octets]


def _by_length(buffers: Sequence[bytes]) -> dict[int, list[int]]:
    """Positions of the buffers by their length, each list ascending."""
    lengths = list(map(len, buffers))
    if len(set(lengths)) == 1:
        return {lengths[0]: list(range(len(lengths)))}
    result: dict[int, list[int]] = {}
    for index, length in enumerate(lengths):
        result.setdefault(length, []).append(index)
    return result


class _Sink:
    """Columns with room for all rows that a template may decode, filled from the front."""

    def __init__(self, kinds: Sequence[ColumnKind], room: int) -> None:
        # one block: allocators give it back and get it again as a whole, without new pages
        *columns, indices = np.empty((len(kinds) + 1, room), np.int64)
        self._columns: list[Column] = [
            column.view(np.float64) if kind is ColumnKind.FLOAT else column
            for kind, column in zip(kinds, columns, strict=True)
        ]
        self._missing: dict[int, NDArray[np.bool_]] = {}
        self._buffer_index, self._row_index = indices.view(np.int32).reshape(2, room)
        self._filled = 0

    def blocks(self, buffers: int, rows: int) -> list[Column]:
        """The next rows of every column, ``[buffer, row]``."""
        place = slice(self._filled, self._filled + buffers * rows)
        return [column[place].reshape(buffers, rows) for column in self._columns]

    def missing(self, column: int, buffers: int, rows: int) -> NDArray[np.bool_]:
        """Which of the next rows of a column have no value, ``[buffer, row]``; to be written."""
        if column not in self._missing:
            self._missing[column] = np.zeros(self._buffer_index.shape, np.bool_)
        place = slice(self._filled, self._filled + buffers * rows)
        return self._missing[column][place].reshape(buffers, rows)

    def keep(self, indices: list[int], rows: int) -> None:
        """What was written into the blocks stays."""
        place = slice(self._filled, self._filled + rows * len(indices))
        self._buffer_index[place].reshape(-1, rows)[...] = np.array(indices, np.int32)[:, np.newaxis]
        self._row_index[place].reshape(-1, rows)[...] = np.arange(rows, dtype=np.int32)
        self._filled = place.stop

    def forget(self, rows: int) -> None:
        """What was written into the blocks goes."""
        for missing in self._missing.values():
            missing[self._filled : self._filled + rows] = False

    def rows(self) -> FastRows:
        """All rows that were kept."""
        nothing = np.zeros(self._filled, np.bool_)
        nothing.flags.writeable = False
        return FastRows(
            buffer_index=self._buffer_index[: self._filled],
            row_index=self._row_index[: self._filled],
            columns=tuple(column[: self._filled] for column in self._columns),
            missing=tuple(
                self._missing[column][: self._filled] if column in self._missing else nothing
                for column in range(len(self._columns))
            ),
        )
