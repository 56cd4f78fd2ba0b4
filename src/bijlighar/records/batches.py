"""Between columns with a block length in each row and a ``ReadingBatch`` that has one for all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.readings import MISSING, ReadingBatch
from bijlighar.records.segment import KEY_COLUMNS
from bijlighar.records.segment_reader import Columns

PERIOD = "period_s"


class MixedPeriods(Exception):
    """The rows asked for have several block lengths; ask for one with ``period_s``. ``periods_s`` names them."""

    def __init__(self, periods_s: Sequence[int]) -> None:
        super().__init__(f"rows have block lengths of {', '.join(map(str, periods_s))} s; ask for one of them")
        self.periods_s = tuple(periods_s)


def nothing() -> Columns:
    """No rows."""
    return {name: np.empty(0, dtype=np.int64) for name in (*KEY_COLUMNS, PERIOD)}


def with_period(columns: Columns, period_s: int) -> Columns:
    """The same rows, with their segment's block length as a column."""
    return {**columns, PERIOD: np.full(len(columns["meter_id"]), period_s, dtype=np.int64)}


def batch_of(
    kind: ProfileKind, columns: Columns, channels: Sequence[str] | None, period_s: int | None
) -> ReadingBatch:
    """The rows of one block length as a batch. Raises MixedPeriods when there are several and none is asked."""
    if period_s is not None:
        keep = columns[PERIOD] == period_s
        columns = {name: column[keep] for name, column in columns.items()}
    periods_s = np.unique(columns[PERIOD])
    if len(periods_s) > 1:
        raise MixedPeriods([int(length) for length in periods_s])
    names = channels if channels is not None else [name for name in columns if name not in (*KEY_COLUMNS, PERIOD)]
    rows = len(columns["meter_id"])
    absent = np.full(rows, MISSING, dtype=np.int64)
    return ReadingBatch(
        kind=kind,
        period_s=int(periods_s[0]) if len(periods_s) else period_s or 0,
        meter_id=columns["meter_id"].astype(np.int32),
        start_s=columns["start_s"],
        received_s=columns["received_s"],
        channels={name: columns.get(name, absent) for name in names},
    )
