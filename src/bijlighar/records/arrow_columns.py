"""Between Arrow columns and numpy columns, where null is MISSING."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bijlighar.cim.readings import MISSING


def integers(column: pa.ChunkedArray[Any]) -> NDArray[np.int64]:
    """An integer column as int64[row], null as MISSING."""
    wide: Any = column.cast(pa.int64())
    if wide.null_count:
        wide = wide.fill_null(MISSING)
    return np.asarray(wide.to_numpy(), dtype=np.int64)


def words(column: pa.ChunkedArray[Any]) -> NDArray[np.object_]:
    """A text column as str[row]."""
    return np.array(column.to_pylist(), dtype=object)


def comparable(column: pa.ChunkedArray[Any]) -> NDArray[np.int64]:
    """A column as int64[row], equal where the column is equal: text becomes the number of its first appearance."""
    if not pa.types.is_string(column.type):
        return integers(column)
    whole: Any = column.combine_chunks()
    return np.asarray(whole.dictionary_encode().indices.to_numpy(), dtype=np.int64)


def differs_from_row_before(table: pa.Table, names: list[str]) -> NDArray[np.bool_]:
    """True for the first row and for each that differs from the one before in a named column."""
    fresh = np.zeros(table.num_rows, dtype=np.bool_)
    fresh[:1] = True
    for name in names:
        column = comparable(table[name])
        fresh[1:] |= column[1:] != column[:-1]
    return fresh
