"""What a rule found: which meter, which slots, how grave, and the two figures that decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Severity(IntEnum):
    """How grave a finding is."""

    HINT = 0  # for revenue protection; the reading is fine
    WARNING = 1  # a person or the estimation shall look at it
    FAILURE = 2  # the reading shall not be billed as it is


@dataclass(frozen=True, kw_only=True)
class Found:
    """Findings of one rule.

    row       int64[finding]    row of the block
    first     int64[finding]    first slot
    end       int64[finding]    slot after the last
    measured  float64[finding]  the figure that was judged; its unit is told by the rule
    limit     float64[finding]  what it was held against
    severity  uint8[finding]    None: the rule's own
    """

    row: NDArray[np.int64]
    first: NDArray[np.int64]
    end: NDArray[np.int64]
    measured: NDArray[np.float64]
    limit: NDArray[np.float64]
    severity: NDArray[np.uint8] | None = None

    def __len__(self) -> int:
        return len(self.row)


@dataclass(frozen=True, kw_only=True)
class Findings:
    """Findings of many rules in columns: number of the rule, meter, slots, Severity, and both figures."""

    rule: NDArray[np.int16]
    meter_id: NDArray[np.int32]
    first_slot: NDArray[np.int16]
    end_slot: NDArray[np.int16]
    severity: NDArray[np.uint8]
    measured: NDArray[np.float64]
    limit: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.rule)


def nothing_found() -> Found:
    """No finding."""
    none = np.zeros(0, dtype=np.int64)
    return Found(row=none, first=none, end=none, measured=none.astype(float), limit=none.astype(float))


def of_meters(bad: NDArray[np.bool_], slots: int, measured: NDArray[Any], limit: NDArray[Any] | float) -> Found:
    """A finding for the whole day of each marked meter. ``bad`` bool[meter]; figures by meter, or one for all."""
    row = np.flatnonzero(bad)
    if not len(row):
        return nothing_found()
    return Found(
        row=row,
        first=np.zeros(len(row), dtype=np.int64),
        end=np.full(len(row), slots, dtype=np.int64),
        measured=np.asarray(measured, dtype=np.float64)[row],
        limit=np.broadcast_to(np.asarray(limit, dtype=np.float64), bad.shape)[row],
    )


def runs(bad: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Row, first slot and slot after the last of every run of True in bool[meter, slot]."""
    rows = np.flatnonzero(bad.any(axis=1))
    edges = np.zeros((len(rows), bad.shape[1] + 2), dtype=np.int8)
    edges[:, 1:-1] = bad[rows]
    step = np.diff(edges, axis=1)
    at, first = np.nonzero(step == 1)
    end = np.nonzero(step == -1)[1]
    return rows[at], first, end


def of_runs(bad: NDArray[np.bool_], measured: NDArray[Any], limit: NDArray[Any] | float) -> Found:
    """A finding for each run of marked slots; figures [meter, slot] or [meter, 1] of the run's first slot."""
    if not bad.any():
        return nothing_found()
    row, first, end = runs(bad)
    told = np.broadcast_to(np.asarray(limit, dtype=np.float64), bad.shape)
    return Found(
        row=row,
        first=first,
        end=end,
        measured=np.broadcast_to(measured, bad.shape)[row, first].astype(np.float64),
        limit=told[row, first],
    )


def of_run_lengths(bad: NDArray[np.bool_], limit: float) -> Found:
    """A finding for each run of marked slots; the figure is how many slots it has."""
    if not bad.any():
        return nothing_found()
    row, first, end = runs(bad)
    length = (end - first).astype(np.float64)
    return Found(row=row, first=first, end=end, measured=length, limit=np.full(len(row), limit))


def together(parts: Sequence[Found]) -> Found:
    """Findings of several looks at one rule."""
    some = [part for part in parts if len(part)]
    if len(some) == 1:
        return some[0]
    if not some:
        return nothing_found()
    names = ("row", "first", "end", "measured", "limit")
    return Found(**{name: np.concatenate([getattr(part, name) for part in some]) for name in names})
