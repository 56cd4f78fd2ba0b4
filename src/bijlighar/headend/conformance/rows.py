"""Rows of a profile as a check looks at them: cells, and the stamps in epoch seconds. No octet is sent here."""

from __future__ import annotations

from dataclasses import dataclass

from bijlighar.dlms import axdr
from bijlighar.dlms.axdr import Data, Tag
from bijlighar.dlms.clock import DeviationSign, decode_instant
from bijlighar.headend.conformance.verdicts import Failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """A buffer taken apart. ``cells`` by row; ``clock`` the column of the stamp, None where there is none."""

    cells: tuple[tuple[Data, ...], ...]
    clock: int | None

    def __len__(self) -> int:
        return len(self.cells)

    def widths(self) -> set[int]:
        """How many cells the rows have."""
        return {len(row) for row in self.cells}

    def nulls(self) -> list[tuple[int, int]]:
        """Row and column of every cell without a value."""
        return [
            (at, column)
            for at, row in enumerate(self.cells)
            for column, cell in enumerate(row)
            if cell.tag is Tag.NULL_DATA
        ]

    def stamps_s(self, sign: DeviationSign, offset_min: int, step_s: int | None) -> list[int]:
        """The stamp of every row; a null stands ``step_s`` after the one before. Raises Failed, Malformed."""
        if self.clock is None:
            raise Failed("the profile captures no clock")
        stamps: list[int] = []
        for at, row in enumerate(self.cells):
            cell = row[self.clock] if self.clock < len(row) else None
            if cell is not None and cell.tag is Tag.NULL_DATA and stamps and step_s is not None:
                stamps.append(stamps[-1] + step_s)
                continue
            if cell is None or not isinstance(cell.value, bytes):
                raise Failed(f"row {at + 1} has no date-time in the column of the clock")
            instant = decode_instant(cell.value, sign, offset_min)
            if instant is None:
                raise Failed(f"the stamp of row {at + 1} is not set")
            stamps.append(instant)
        return stamps


def rows_of(octets: bytes, clock: int | None) -> Rows:
    """The rows of a buffer, an array of structures. Raises Failed for another form, and RemoteProtocolError."""
    buffer = axdr.decode(octets)
    if buffer.tag not in (Tag.ARRAY, Tag.COMPACT_ARRAY) or not isinstance(buffer.value, tuple):
        raise Failed(f"the buffer is a {buffer.tag.name.lower()}, not an array")
    cells = []
    for at, row in enumerate(buffer.value):
        if row.tag is not Tag.STRUCTURE or not isinstance(row.value, tuple):
            raise Failed(f"row {at + 1} is a {row.tag.name.lower()}, not a structure")
        cells.append(row.value)
    return Rows(cells=tuple(cells), clock=clock)
