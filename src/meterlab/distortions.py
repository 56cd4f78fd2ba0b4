"""Load profiles answered wrongly, as some meters do and no standard allows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import cycle, islice

from meterlab import rows

Distortion = Callable[[Sequence[rows.Column], int], bytes]
"""From the columns and the deviation in minutes to the octets of a buffer."""

_SHORT_EVERY = 3
_NULL_EVERY = 5
_UNKNOWN_TAG = 0x7E
_OVERSIZED_ROWS = 60_000
"""About 2.8 MB of block load: more than 45 days of quarter hours in 18 columns ever are."""


def short_rows(columns: Sequence[rows.Column], deviation_min: int) -> bytes:
    """Every third row lacks its last cell."""
    cells = rows.cells_of(columns, deviation_min)
    return rows.buffer_of_cells([row[:-1] if n % _SHORT_EVERY == 2 else row for n, row in enumerate(cells)])


def null_cells(columns: Sequence[rows.Column], deviation_min: int) -> bytes:
    """The clock is null in all rows but the first, and every fifth other cell is null."""
    cells = rows.cells_of(columns, deviation_min)
    number = 0
    for at, row in enumerate(cells):
        for column in range(len(row)):
            number += column > 0
            if (column == 0 and at > 0) or (column > 0 and number % _NULL_EVERY == 0):
                row[column] = rows.NULL_CELL
    return rows.buffer_of_cells(cells)


def wrong_tags(columns: Sequence[rows.Column], deviation_min: int) -> bytes:
    """The last cell of every second row carries a tag that no type has."""
    cells = rows.cells_of(columns, deviation_min)
    for row in cells[1::2]:
        row[-1] = bytes([_UNKNOWN_TAG]) + row[-1][1:]
    return rows.buffer_of_cells(cells)


def oversized(columns: Sequence[rows.Column], deviation_min: int) -> bytes:
    """The rows again and again, 60,000 of them."""
    cells = rows.cells_of(columns, deviation_min)
    return rows.buffer_of_cells(list(islice(cycle(cells), _OVERSIZED_ROWS if cells else 0)))
