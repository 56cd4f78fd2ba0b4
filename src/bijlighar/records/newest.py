"""Newest wins: of all rows kept for one meter and start, the one received last. Pure functions over columns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.period import Period
from bijlighar.cim.readings import MISSING
from bijlighar.records.segment_reader import Columns

_EVENT_KEY = ("event_log", "event_code")


def key_columns(kind: ProfileKind) -> tuple[str, ...]:
    """What makes a row one row. Several events may bear one second, so log and code belong to an event's key."""
    return ("meter_id", "start_s", *_EVENT_KEY) if kind is ProfileKind.EVENT else ("meter_id", "start_s")


def chosen(columns: Columns, *, period: Period | None, meter_ids: NDArray[np.int64] | None) -> Columns:
    """The rows that start in ``period`` of the named meters (sorted)."""
    keep = np.ones(len(columns["meter_id"]), dtype=bool)
    if period is not None:
        start_s = columns["start_s"]
        keep &= (start_s >= period.start_s) & (start_s < period.end_s)
    if meter_ids is not None:
        keep &= is_among(columns["meter_id"], meter_ids)
    if keep.all():
        return columns
    return {name: column[keep] for name, column in columns.items()}


def is_among(values: NDArray[np.int64], among: NDArray[np.int64]) -> NDArray[np.bool_]:
    """True where a value is one of ``among`` (sorted, not empty)."""
    if len(among) == 1:
        return np.asarray(values == among[0])
    place = np.minimum(np.searchsorted(among, values), len(among) - 1)
    return np.asarray(among[place] == values)


def joined(parts: Sequence[Columns]) -> Columns:
    """Rows of all parts below each other; a column that a part lacks is MISSING there."""
    names = dict.fromkeys(name for part in parts for name in part)
    return {name: np.concatenate([_column(part, name) for part in parts]) for name in names}


def _column(part: Columns, name: str) -> NDArray[np.int64]:
    if name in part:
        return part[name]
    return np.full(len(part["meter_id"]), MISSING, dtype=np.int64)


def newest(columns: Columns, keys: Sequence[str]) -> Columns:
    """One row per key, the one received last, of those the lowest one down; sorted by key."""
    keys = [key for key in keys if key in columns]
    order = np.lexsort((columns["received_s"], *(columns[key] for key in reversed(keys))))
    last = np.zeros(len(order), dtype=bool)
    if len(order):
        last[-1] = True
        for key in keys:
            column = columns[key][order]
            last[:-1] |= column[1:] != column[:-1]
    picked = order[last]
    return {name: column[picked] for name, column in columns.items()}
